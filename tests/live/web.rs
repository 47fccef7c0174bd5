//! The page and its listener against real clients: Prometheus, promtool, curl, and rude sockets.

use crate::support::prometheus::{Prometheus, promtool};
use crate::support::site::{Authority, SOON, Site, curl, status};
use crate::support::wait;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vedette::base::clock::{Clock, Sim};
use vedette::daemon::catalogue;
use vedette::metric::book::{Hold, Meta, Series};
use vedette::metric::desc::Family;
use vedette::metric::labels::Labels;
use vedette::metric::latest::{Sample, Snapshot};
use vedette::sink::page::{self, Format};
use vedette::world::clock::System;
use vedette::world::listener::Gate;

/// bcrypt of "correct horse", cost 4.
const PASSWORD: &str = "correct horse";

fn real() -> Clock {
    Clock::new(System)
}

fn web_yml(dir: &Path, tls: &str) -> Gate {
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    let path = dir.join("web.yml");
    std::fs::write(&path, format!("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n{tls}basic_auth_users:\n  prometheus: {hash}\n")).unwrap();
    Gate::guarded(&path).unwrap()
}

#[test]
fn prometheus_scrapes_the_page_and_the_ledger_learns_it() {
    let site = Site::open(Gate::open(), real());
    let prometheus = Prometheus::start(&Prometheus::job("vedette", site.port, ""), &[]);
    prometheus.value("up{job=\"vedette\"}", SOON, |up| up == 1.0);
    assert_eq!(prometheus.value("camera_fps{camera_id=\"cam1\"}", SOON, |_| true), 26.0);
    assert_eq!(prometheus.value("camera_frames_total{camera_id=\"cam0\"}", SOON, |_| true), 1000.0);
    assert_eq!(prometheus.query("vedette_build_info").len(), 1);
    let learned = || site.ledger.scrapers().iter().find_map(|s| s.interval().map(|i| (s.who.clone(), i)));
    let (who, interval) = wait("a learned scraper", SOON, learned);
    assert!(who.starts_with("127.0.0.1 Prometheus/"), "{who}");
    assert!((500..1500).contains(&interval.as_millis()), "{interval:?}");
}

#[test]
fn prometheus_scrapes_over_tls_with_a_password() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.issue(dir.path(), "server");
    let ca = dir.path().join("ca.crt");
    std::fs::write(&ca, authority.pem()).unwrap();
    let site = Site::open(web_yml(dir.path(), "  min_version: TLS13\n"), real());
    let job = |password: &str| {
        let more = format!(
            "    scheme: https\n    tls_config: {{ca_file: {}}}\n    basic_auth: {{username: prometheus, password: {password}}}\n",
            ca.display()
        );
        Prometheus::job("vedette", site.port, &more)
    };
    let prometheus = Prometheus::start(&job(PASSWORD), &[]);
    prometheus.value("up{job=\"vedette\"}", SOON, |up| up == 1.0);
    assert_eq!(site.traffic.wrong_password(), 0);
    let stranger = Prometheus::start(&job("battery staple"), &[]);
    stranger.value("up{job=\"vedette\"}", SOON, |up| up == 0.0);
    let why = stranger.targets().to_string();
    assert!(why.contains("401"), "{why}");
    assert!(site.traffic.wrong_password() > 0);
}

#[test]
fn curl_gets_the_page_packed_and_plain_and_by_head() {
    let site = Site::open(Gate::open(), real());
    let url = format!("http://127.0.0.1:{}/metrics", site.port);
    let (_, plain) = curl(&["-i", "--http1.1", &url]);
    assert!(
        plain.to_ascii_lowercase().contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{plain}"
    );
    let (_, packed) = curl(&["-i", "--http1.1", "--compressed", &url]);
    assert!(packed.to_ascii_lowercase().contains("content-encoding: gzip\r\n"), "{packed}");
    let body = |text: &str| text.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(&plain), body(&packed));
    let (code, head) = curl(&["-I", &url]);
    assert!(code == 0 && head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(status(&format!("http://127.0.0.1:{}/nothing", site.port), &[]), 404);
    assert_eq!(status(&url, &["-X", "POST", "-d", "x=1"]), 405);
    assert!(site.ledger.scrapers().is_empty(), "curl is no scraper");
}

#[test]
fn promtool_complains_only_of_names_that_are_kept_on_purpose() {
    let page = page::print(&every_family(), Format::Text);
    let (_, said) = promtool(&["check", "metrics"], &page);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/promtool-complaints.txt");
    if std::env::var_os("VEDETTE_BLESS").is_some() {
        std::fs::write(&golden, &said).unwrap();
    }
    let wanted = std::fs::read_to_string(&golden).unwrap();
    assert_eq!(said, wanted, "new complaints; if they are meant, run again with VEDETTE_BLESS=1");
    let bad = "# HELP disk_io_latency_ms Latency.\n# TYPE disk_io_latency_ms gauge\ndisk_io_latency_ms 1\n";
    let (content, said) = promtool(&["check", "metrics"], bad);
    assert!(!content && said.contains("disk_io_latency_ms"), "promtool does complain: {said}");
}

/// One series of every family there is, labels filled with `x`.
fn every_family() -> Arc<Snapshot> {
    let families = catalogue::families().into_iter().flat_map(|(_, families)| families);
    let sample = |family: &Family| {
        let labels = Labels::new(family.labels.iter().map(|name| (*name, "x")));
        // Only the hub opens series; a page does not look at their numbers.
        let series = any_series();
        Sample {
            meta: Arc::new(Meta { series, family: Arc::new(family.clone()), labels, hold: Hold::Own }),
            value: 1.0,
        }
    };
    let mut rows: Vec<_> = families.map(sample).collect();
    rows.sort_by(|a, b| a.meta.family.name.cmp(&b.meta.family.name));
    Arc::new(Snapshot { seq: 1, at: Sim::new().clock().now(), rows, ended: Vec::new() })
}

fn any_series() -> Series {
    use vedette::metric::book::Book;
    use vedette::metric::desc::{Desc, Unit};
    static ANY: Desc<0> = Desc::gauge("any", Unit::Count, [], "Any");
    Book::default().open(&ANY, [], Hold::Own)
}

#[test]
fn a_wrong_password_is_401_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    Authority::new().issue(dir.path(), "server");
    let site = Site::open(web_yml(dir.path(), ""), real());
    for path in ["/metrics", "/", "/healthz", "/nothing"] {
        let url = format!("https://127.0.0.1:{}{path}", site.port);
        assert_eq!(status(&url, &["-k"]), 401);
        assert_eq!(status(&url, &["-k", "-u", "prometheus:wrong"]), 401);
        assert_eq!(status(&url, &["-k", "-u", "nobody:correct horse"]), 401);
        let right = status(&url, &["-k", "-u", "prometheus:correct horse"]);
        assert_eq!(right, if path == "/nothing" { 404 } else { 200 });
    }
    let (_, said) = curl(&["-k", "-i", "-u", "prometheus:hunter2", &format!("https://127.0.0.1:{}/", site.port)]);
    assert!(said.to_ascii_lowercase().contains("www-authenticate: basic realm=\"vedette\""), "{said}");
    assert!(!said.contains("hunter2"));
    assert_eq!(site.traffic.wrong_password(), 13);
}

#[test]
fn a_client_certificate_can_be_required() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new(), Authority::new());
    ours.issue(dir.path(), "server");
    ours.issue(dir.path(), "client");
    theirs.issue(dir.path(), "stranger");
    std::fs::write(dir.path().join("ca.crt"), ours.pem()).unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let with = |kind: &str, name: &str| {
        let tls = format!("  client_auth_type: {kind}\n");
        let ca = if kind.contains("Verify") { "  client_ca_file: ca.crt\n" } else { "" };
        let site = Site::open(web_yml(dir.path(), &format!("{tls}{ca}")), real());
        let url = format!("https://127.0.0.1:{}/metrics", site.port);
        let (cert, key) = (file(&format!("{name}.crt")), file(&format!("{name}.key")));
        let mut arguments = vec!["-k", "-u", "prometheus:correct horse"];
        if !name.is_empty() {
            arguments.extend(["--cert", &cert, "--key", &key]);
        }
        status(&url, &arguments)
    };
    // Who passes: (nobody's, ours, theirs), as Go's crypto/tls documents its ClientAuthType.
    for (kind, wanted) in [
        ("NoClientCert", [200, 200, 200]),
        ("RequestClientCert", [200, 200, 200]),
        ("RequireAnyClientCert", [0, 200, 200]),
        ("VerifyClientCertIfGiven", [200, 200, 0]),
        ("RequireAndVerifyClientCert", [0, 200, 0]),
    ] {
        assert_eq!(["", "client", "stranger"].map(|name| with(kind, name)), wanted, "{kind}");
    }
}

#[test]
fn a_rotated_certificate_is_served_without_a_restart_and_a_broken_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    for (authority, name) in [(&old, "old.crt"), (&new, "new.crt")] {
        std::fs::write(dir.path().join(name), authority.pem()).unwrap();
    }
    old.issue(dir.path(), "server");
    let site = Site::open(web_yml(dir.path(), ""), real());
    let url = format!("https://127.0.0.1:{}/metrics", site.port);
    let trusted =
        |ca: &str| status(&url, &["--cacert", dir.path().join(ca).to_str().unwrap(), "-u", "prometheus:correct horse"]);
    assert_eq!((trusted("old.crt"), trusted("new.crt")), (200, 0));
    new.issue(dir.path(), "server");
    wait("the new certificate", SOON, || (trusted("new.crt") == 200).then_some(()));
    assert_eq!(trusted("old.crt"), 0);
    std::fs::write(dir.path().join("server.key"), "rubbish").unwrap();
    std::fs::write(dir.path().join("web.yml"), "rubbish: true\n").unwrap();
    let (clock, broken) = (real(), real().boot());
    // The files are looked at every 2 s: two looks have passed after 5.
    wait("two looks at the broken files", SOON, || {
        assert_eq!(trusted("new.crt"), 200, "the former stays in force");
        assert_eq!(status(&url, &["-k"]), 401, "and so do the passwords");
        (clock.boot().since(broken) > Duration::from_secs(5)).then_some(())
    });
}

#[test]
fn a_reader_that_stops_reading_is_cut_and_was_never_a_complete_scrape() {
    let sim = Sim::new();
    let site = Site::with(Gate::open(), sim.clock(), 20_000);
    let mut socket = TcpStream::connect(("127.0.0.1", site.port)).unwrap();
    let scrape =
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Prometheus-Scrape-Timeout-Seconds: 5\r\nUser-Agent: deaf\r\n\r\n";
    for _ in 0..8 {
        socket.write_all(scrape).unwrap();
    }
    // From here on it is not the wait for headers that ends.
    let mut heard = vec![0; 12];
    socket.read_exact(&mut heard).unwrap();
    // Some answers fit into the kernel's buffers, then the socket is full; each advance lets 31 s pass for it.
    wait("the deaf client cut", SOON, || {
        sim.advance(Duration::from_secs(31));
        (site.traffic.stalled() == 1).then_some(())
    });
    wait("its seat free", SOON, || (site.traffic.open() == 0).then_some(()));
    let complete: usize = site.ledger.scrapers().iter().map(|s| s.complete.len()).sum();
    assert!(complete < 8, "{complete} of 8 complete");
    let _reset = socket.read_to_end(&mut heard);
    let whole = heard.windows(5).filter(|w| w == b"HTTP/").count();
    assert!(complete <= whole, "{complete} counted, {whole} begun");
}

#[test]
fn a_scraper_of_every_minute_keeps_its_connection_and_one_that_never_comes_again_loses_it() {
    let sim = Sim::new();
    let site = Site::open(Gate::open(), sim.clock());
    let mut socket = TcpStream::connect(("127.0.0.1", site.port)).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    for _ in 0..3 {
        socket.write_all(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 404");
        let mut rest = Vec::new();
        while !rest.ends_with(b"/readyz\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            rest.extend(byte);
        }
        sim.advance(Duration::from_secs(60));
    }
    assert_eq!((site.traffic.accepted(), site.traffic.open()), (1, 1));
    wait("the connection closed", SOON, || {
        sim.advance(Duration::from_secs(31));
        (site.traffic.open() == 0).then_some(())
    });
}

#[test]
fn the_order_to_stop_lets_an_idle_client_go_within_a_second() {
    let mut site = Site::open(Gate::open(), real());
    let mut idle = TcpStream::connect(("127.0.0.1", site.port)).unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut some = [0; 15];
    idle.read_exact(&mut some).unwrap();
    let clock = real();
    let asked = clock.boot();
    site.stop();
    let took = clock.boot().since(asked);
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert!(TcpStream::connect(("127.0.0.1", site.port)).is_err(), "the port is free again");
}
