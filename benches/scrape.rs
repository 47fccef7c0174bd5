//! How long scrapers wait for a page of 2 000 and of 5 000 series, while ticks go on: the real listener on loopback, eight
//! scrapers at once, each over a connection of its own, four that take gzip, as Prometheus does, and four that do not.
//! Beside them a ninth, of a responder in the same process that writes ready bytes of the plain page's length: what it
//! waits is the machine, the socket and the scraper itself.
//!
//!     cargo bench --bench scrape              20 s per row
//!     SECONDS=120 cargo bench --bench scrape
//!
//! All ask once per snapshot, right behind the tick, so that what they ask for was never written before: that is what a
//! Prometheus meets, whose interval is longer than a tick. Ticks come far more often than on a node.

#[path = "page/sheet.rs"]
mod sheet;

use sheet::Sheet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use vedette::base::clock::Clock;
use vedette::base::quit;
use vedette::metric::book::Book;
use vedette::metric::latest::Snapshot;
use vedette::metric::ledger::Ledger;
use vedette::sink::page::{Format, Meters, Page, print};
use vedette::world::clock::System;
use vedette::world::listener::{self, Gate, Traffic};

const TICK: Duration = Duration::from_millis(100);
/// Scrapers of each kind.
const EACH: usize = 4;
const OPENMETRICS: &str = "Accept: application/openmetrics-text;version=1.0.0\r\n";
const GZIP: &str = "Accept: application/openmetrics-text;version=1.0.0\r\nAccept-Encoding: gzip\r\n";

fn main() {
    // `cargo test --benches` only wants to know that it starts.
    if std::env::args().any(|a| a == "--test") {
        return;
    }
    let seconds = std::env::var("SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(20);
    println!("| series | scrapers | scrapes | bytes | p50 ms | p99 ms | max ms |");
    println!("|---|---|---|---|---|---|---|");
    for cameras in [sheet::CAMERAS * 2 / 5, sheet::CAMERAS] {
        rows(cameras, Duration::from_secs(seconds));
    }
}

fn rows(cameras: usize, length: Duration) {
    let clock = Clock::new(System);
    let mut sheet = Sheet::new(cameras);
    let first = sheet.snapshot(clock.now());
    let (still, series) = (print(&first, Format::OpenMetrics), first.rows.len());
    let (cut, snapshots) = watch::channel(Some(first));

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    let (_quitter, quit) = quit::pair();
    let port = {
        let _inside = runtime.enter();
        let traffic = Traffic::default();
        let meters = Meters::open(&Book::default(), traffic.clone());
        let page = Page::new("box", snapshots.clone(), Arc::new(Vec::new), Ledger::default(), clock.clone(), meters);
        let listener = listener::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let port = listener.address().expect("a bound socket has an address").port();
        runtime.spawn(listener.serve(Gate::open(), Arc::new(page), clock.clone(), traffic, quit));
        port
    };
    let peer = ready_bytes(still);

    let kinds = [("gzip", port, GZIP, EACH), ("plain", port, OPENMETRICS, EACH), ("ready bytes", peer, "", 1)];
    let kinds = kinds.map(|(who, port, headers, count)| {
        let one = || {
            let ticks = snapshots.clone();
            std::thread::spawn(move || scrape(port, headers, ticks))
        };
        (who, (0..count).map(|_| one()).collect::<Vec<_>>())
    });
    let end = clock.boot().plus(length);
    runtime.block_on(async {
        let mut every = clock.every(TICK);
        while every.beat().await < end {
            let snapshot = sheet.snapshot(clock.now());
            cut.send_replace(Some(snapshot));
        }
    });
    drop(cut);
    for (who, scrapers) in kinds {
        let (count, mut bytes, mut waits) = (scrapers.len(), 0, Vec::new());
        for scraper in scrapers {
            let (length, waited) = scraper.join().expect("a scraper does not panic");
            bytes = length;
            waits.extend(waited);
        }
        waits.sort();
        let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
        let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
        println!("| {series} | {count} × {who} | {} | {bytes} | {p50:.2} | {p99:.2} | {max:.2} |", waits.len());
    }
}

/// Asks once per snapshot, over one connection, until there are no more. Gives the size of the last body and how long
/// each answer took, from the first byte of the request to the last of the answer.
#[allow(clippy::disallowed_methods)] // a measurement takes its time on the wall clock
fn scrape(port: u16, headers: &str, mut ticks: watch::Receiver<Option<Arc<Snapshot>>>) -> (usize, Vec<Duration>) {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_nodelay(true).expect("a TCP socket has the option");
    let (mut out, mut answer) = (stream.try_clone().expect("a second handle"), BufReader::new(stream));
    let waiting = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let (mut waits, mut body) = (Vec::new(), Vec::new());
    while waiting.block_on(ticks.changed()).is_ok() {
        let asked = Instant::now();
        write!(out, "GET /metrics HTTP/1.1\r\nHost: box\r\n{headers}\r\n").expect("the server reads");
        let mut length = 0;
        for line in answer.by_ref().lines() {
            let line = line.expect("the server answers").to_ascii_lowercase();
            match line.split_once(": ") {
                Some(("content-length", n)) => length = n.parse().expect("a number of bytes"),
                Some(_) => {}
                None if line.is_empty() => break,
                None => assert!(line.contains(" 200 "), "{line}"),
            }
        }
        body.resize(length, 0);
        answer.read_exact(&mut body).expect("the whole body");
        waits.push(asked.elapsed());
    }
    (body.len(), waits)
}

/// A server that computes nothing: what the socket and the scraper themselves cost.
fn ready_bytes(body: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    std::thread::spawn(move || {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let (mut out, _) = listener.accept().expect("one scraper comes");
        let asked = BufReader::new(out.try_clone().expect("a second handle")).lines();
        // An empty line ends a request.
        for _asked in asked.map_while(Result::ok).filter(String::is_empty) {
            if out.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    });
    port
}
