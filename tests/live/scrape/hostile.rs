//! Exporters that do what they should not: bounded in bytes, samples and time, named, and a matter of their own.

use super::{SOON, exporter, head, page, target};
use crate::support::vedette::Vedette;
use crate::support::{free_port, wait};
use std::io::{BufWriter, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const TEXT: &str = "text/plain";
/// A token that the URLs carry.
const CANARY: &str = "swordfish";

/// What each of them does, and the reason under which it is counted.
const HOSTILE: &[(&str, &str)] = &[
    ("endless", "too_large"),
    ("million", "too_many_samples"),
    ("families", "too_many_samples"),
    ("longline", "malformed"),
    ("drip", "timeout"),
    ("mute", "timeout"),
    ("heads", "malformed"),
    ("bomb", "malformed"),
    ("wrongtype", "malformed"),
    ("html", "malformed"),
    ("cut", "malformed"),
    ("short", "malformed"),
    ("circle", "status"),
    ("broken", "status"),
    ("forbidden", "denied"),
    ("nobody", "unreachable"),
];

#[allow(clippy::disallowed_methods)] // a slow exporter is slow by the wall
fn pause() {
    std::thread::sleep(Duration::from_millis(200));
}

fn answer(path: &str, stream: &mut TcpStream) -> std::io::Result<()> {
    match path {
        "/endless" => {
            head(stream, TEXT)?;
            let block = "endless_total 1\n".repeat(1000);
            loop {
                stream.write_all(block.as_bytes())?;
            }
        }
        "/million" => {
            head(stream, TEXT)?;
            let mut out = BufWriter::new(stream);
            (0..1_000_000).try_for_each(|n| writeln!(out, "m{{n=\"{n}\"}} 1"))?;
            out.flush()
        }
        "/families" => page(stream, TEXT, &(0..200_000).map(|n| format!("# HELP m{n} x\n")).collect::<String>()),
        "/longline" => page(stream, TEXT, &format!("m{{n=\"{}\"}} 1\n", "x".repeat(1 << 20))),
        "/drip" => {
            head(stream, TEXT)?;
            loop {
                stream.write_all(b"drip 1\n")?;
                pause();
            }
        }
        "/mute" => loop {
            pause();
            stream.write_all(b"")?;
        },
        "/heads" => {
            write!(stream, "HTTP/1.1 200 OK\r\n")?;
            loop {
                write!(stream, "X-More: {}\r\n", "x".repeat(1000))?;
            }
        }
        "/bomb" => {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            packer.write_all(&vec![b'a'; 10 << 20])?;
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n")?;
            stream.write_all(&packer.finish()?)
        }
        "/wrongtype" => page(stream, TEXT, "fine 1\n# TYPE x nonsense\nx 1\n"),
        "/html" => page(stream, "text/html", "<html><body><h1>It works!</h1></body></html>\n"),
        "/cut" => page(stream, super::OPENMETRICS, "fine 1\n"),
        "/short" => write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfine 1\n"),
        "/circle" => write!(stream, "HTTP/1.1 302 Found\r\nLocation: /circle\r\nContent-Length: 0\r\n\r\n"),
        "/broken" => write!(stream, "HTTP/1.1 500 Oh\r\nContent-Length: 7\r\n\r\nfine 1\n"),
        "/forbidden" => write!(stream, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
        // Odd, and allowed.
        "/types" => page(
            stream,
            TEXT,
            "# TYPE x counter\n# TYPE x histogram\nx 1\nx_bucket 2\nx{le=\"z\"} NaN\nNaN 3\nInf{NaN=\"NaN\"} -Inf\n\
             # TYPE shared counter\nshared 1\n",
        ),
        "/names" => page(
            stream,
            TEXT,
            "vedette_up 1\nALERTS{alertname=\"x\"} 1\nscrape_up{scrape_id=\"good\"} 0\nfine 7\n# TYPE shared gauge\nshared 2\n",
        ),
        _ => page(stream, TEXT, "good 1\n"),
    }
}

#[test]
#[allow(clippy::disallowed_methods)] // cadence and waiting are what it is about
fn a_hostile_exporter_is_bounded_and_named_and_costs_itself_only() {
    let rounds = Arc::new(Mutex::new(Vec::new()));
    let asked = rounds.clone();
    let port = exporter(move |path, stream| {
        let path = path.split('?').next().unwrap();
        if path == "/good" {
            asked.lock().unwrap().push(Instant::now());
        }
        answer(path, stream)
    });
    let one = |id: &str| {
        let port = if id == "nobody" { free_port() } else { port };
        // Those that need the time to bring what they have to bring.
        let more = match id {
            "million" => "every = \"4s\"\nmax_bytes = \"32MiB\"\n",
            "endless" | "families" => "every = \"4s\"\n",
            _ => "every = \"1s\"\n",
        };
        target(id, port, &format!("/{id}?token={CANARY}"), more)
    };
    let ids = HOSTILE.iter().map(|(id, _)| *id).chain(["good", "types", "names"]);
    let targets: String = ids.map(one).collect();
    let mut vedette = Vedette::new(&format!("[node]\ntick = \"1s\"\n{targets}"));
    vedette.start();
    let mut pages = Vec::new();
    for (id, reason) in HOSTILE {
        let series = format!("scrape_failures_total{{reason=\"{reason}\",scrape_id=\"{id}\"}}");
        let mut looks = 0;
        wait(id, SOON, || {
            looks += 1;
            let begun = Instant::now();
            let page = vedette.page();
            pages.push(begun.elapsed());
            let others: Vec<_> =
                page.lines().filter(|l| l.contains("failures") && l.contains(&format!("\"{id}\""))).collect();
            assert!(looks < 500, "{id} has no {reason}: {others:#?}");
            crate::support::vedette::value(&page, &series).filter(|n| *n >= 2.0)
        });
        assert_eq!(vedette.value(&format!("scrape_up{{scrape_id=\"{id}\"}}")), Some(0.0), "{id}");
    }
    vedette.wait_value("x{scrape_id=\"types\"}", SOON, |n| n == 1.0);
    vedette.wait_value("NaN{scrape_id=\"types\"}", SOON, |n| n == 3.0);
    vedette.wait_value("Inf{NaN=\"NaN\",scrape_id=\"types\"}", SOON, |n| n == f64::NEG_INFINITY);
    vedette.wait_value("fine{scrape_id=\"names\"}", SOON, |n| n == 7.0);
    let refused =
        |reason: &str, id: &str| format!("scrape_refused_samples_total{{reason=\"{reason}\",scrape_id=\"{id}\"}}");
    vedette.wait_value(&refused("name_taken", "names"), SOON, |n| n >= 3.0);
    let clash = |id: &str| vedette.value(&refused("other_type", id)).unwrap() >= 1.0;
    wait("one of two types", SOON, || (clash("types") != clash("names")).then_some(()));
    assert_eq!(vedette.value("scrape_up{scrape_id=\"good\"}"), Some(1.0));

    let page = vedette.page();
    for name in ["\nendless", "\nm{", "\ndrip", "fine{scrape_id=\"wrongtype", "fine{scrape_id=\"cut", "ALERTS"] {
        assert!(!page.contains(name), "{name:?} stands");
    }
    let failures = |id| {
        let ours = |line: &&str| line.starts_with("scrape_failures_total") && line.contains(id);
        page.lines().filter(ours).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
    };
    assert_eq!(failures("\"good\""), 0.0);
    let rounds = rounds.lock().unwrap().clone();
    let gap = rounds.windows(2).map(|two| two[1] - two[0]).max().unwrap();
    pages.sort_unstable();
    let memory = vedette.value("process_resident_memory_bytes").unwrap();
    let log = vedette.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("exporter cannot be scraped")).collect();
    eprintln!(
        "{} rounds of the good one, the longest {gap:?} after the one before; {} pages of ours, the slowest in {:?}; {} MiB; \
         {} lines told",
        rounds.len(),
        pages.len(),
        pages.last(),
        memory / f64::from(1 << 20),
        told.len(),
    );
    assert!(rounds.len() > 3 && gap < Duration::from_secs(3), "{gap:?}");
    assert!(memory < 150e6, "{memory}");
    for (id, _) in HOSTILE {
        let lines = told.iter().filter(|line| line.contains(&format!("\"{id}\""))).count();
        assert!((1..=2).contains(&lines), "{id}: {lines} lines in the log");
    }
    assert!(!log.contains(CANARY) && !page.contains(CANARY));
}
