//! How long a scraper waits for a page of 5 000 series, while ticks go on: the real listener on loopback, over one
//! connection per scraper, beside a responder in the same process that writes ready bytes of the same length.
//!
//!     cargo bench --bench scrape              30 s
//!     SECONDS=120 cargo bench --bench scrape
//!
//! A scraper asks once per snapshot, right behind the tick, so that what it asks for was never written before: that is
//! what a Prometheus meets, whose interval is longer than a tick. Ticks come far more often than on a node.

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

const TICK: Duration = Duration::from_millis(25);
const OPENMETRICS: &str = "Accept: application/openmetrics-text;version=1.0.0\r\n";
const GZIP: &str = "Accept: application/openmetrics-text;version=1.0.0\r\nAccept-Encoding: gzip\r\n";

fn main() {
    // `cargo test --benches` only wants to know that it starts.
    if std::env::args().any(|a| a == "--test") {
        return;
    }
    let seconds = std::env::var("SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(30);
    let clock = Clock::new(System);
    let mut sheet = Sheet::new();
    let first = sheet.snapshot(clock.now());
    let still = print(&first, Format::OpenMetrics);
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

    let scrapers =
        [("gzip, as Prometheus asks", port, GZIP), ("plain", port, OPENMETRICS), ("peer: ready bytes", peer, "")];
    let scrapers = scrapers.map(|(who, port, headers)| {
        let ticks = snapshots.clone();
        (who, std::thread::spawn(move || scrape(port, headers, ticks)))
    });
    let end = clock.boot().plus(Duration::from_secs(seconds));
    runtime.block_on(async {
        let mut every = clock.every(TICK);
        while every.beat().await < end {
            let snapshot = sheet.snapshot(clock.now());
            cut.send_replace(Some(snapshot));
        }
    });
    drop(cut);
    println!("| scraper | scrapes | bytes | p50 ms | p99 ms | max ms |");
    println!("|---|---|---|---|---|---|");
    for (who, scraper) in scrapers {
        let (bytes, mut waits) = scraper.join().expect("a scraper does not panic");
        waits.sort();
        let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
        println!("| {who} | {} | {bytes} | {:.2} | {:.2} | {:.2} |", waits.len(), at(0.5), at(0.99), at(1.0));
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
