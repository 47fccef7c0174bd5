//! The listener in a crowd: clients that take every seat, say nothing, and come again when they are shown out.

use crate::support::site::{Authority, SOON, Site, status};
use crate::support::wait;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use vedette::base::clock::Clock;
use vedette::world::clock::System;
use vedette::world::listener::Gate;

/// More than there are seats.
const CROWD: usize = 80;
/// A new client is answered within this.
const PROMPT: Duration = Duration::from_secs(1);

/// Clients that hold a connection each and open the next one when it is closed.
struct Crowd {
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// Each client says `first` and nothing more.
    fn gather(port: u16, first: &'static [u8]) -> Crowd {
        let over = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let over = over.clone();
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
                    let _refused = socket.write_all(first);
                    linger(&mut socket, &over);
                }
            })
        };
        let clients = (0..CROWD).map(client).collect();
        Crowd { over, clients }
    }
}

/// Reads until the server closes or the crowd goes home.
fn linger(socket: &mut TcpStream, over: &AtomicBool) {
    let mut bytes = [0; 1024];
    while !over.load(Ordering::Relaxed) {
        match socket.read(&mut bytes) {
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            let _joined = client.join();
        }
    }
}

fn real() -> Clock {
    Clock::new(System)
}

/// Waits until the crowd holds every seat and has been shown out `unseated` times.
fn pressed(site: &Site, unseated: u64) {
    wait("a crowd at the door", SOON, || {
        (site.traffic.open() >= 64 && site.traffic.unseated() >= unseated).then_some(())
    });
}

/// One scrape on a connection of its own.
fn scrape(port: u16) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nUser-Agent: Prometheus/2.42.0\r\nConnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn scraped_ten_times(first: &'static [u8]) {
    let (site, clock) = (Site::open(Gate::open(), real()), real());
    let _crowd = Crowd::gather(site.port, first);
    for n in 1..=10 {
        pressed(&site, 20 * n);
        let asked = clock.boot();
        let answer = scrape(site.port);
        let took = clock.boot().since(asked);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("camera_fps"), "{answer}");
        assert!(took < PROMPT, "scrape {n} took {took:?}");
    }
}

#[test]
fn a_scraper_is_answered_at_once_among_eighty_silent_clients_that_come_again() {
    scraped_ten_times(b"");
}

#[test]
fn a_scraper_is_answered_at_once_among_clients_that_begin_a_request_and_stop() {
    scraped_ten_times(b"GET /metrics HTTP/1.1\r\nHost: ");
}

#[test]
fn a_scraper_is_answered_at_once_among_clients_that_were_answered_and_stay() {
    scraped_ten_times(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
}

#[test]
fn a_scraper_is_answered_over_tls_among_clients_that_never_shake_hands() {
    let dir = tempfile::tempdir().unwrap();
    Authority::new().issue(dir.path(), "server");
    let path = dir.path().join("web.yml");
    std::fs::write(&path, "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n").unwrap();
    let site = Site::open(Gate::guarded(&path).unwrap(), real());
    let _crowd = Crowd::gather(site.port, b"");
    for n in 1..=5 {
        pressed(&site, 20 * n);
        assert_eq!(status(&format!("https://127.0.0.1:{}/metrics", site.port), &["-k", "--max-time", "2"]), 200);
    }
}

#[test]
fn a_response_in_progress_survives_the_crowd() {
    let site = Site::with(Gate::open(), real(), 20_000);
    let mut slow = TcpStream::connect(("127.0.0.1", site.port)).unwrap();
    // More than the kernel's buffers hold: the rest waits in the server for the client to read.
    let mut asked = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(15);
    asked.push_str("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    slow.write_all(asked.as_bytes()).unwrap();
    slow.read_exact(&mut [0; 9]).unwrap();
    let _crowd = Crowd::gather(site.port, b"");
    // Every seat has changed hands several times.
    pressed(&site, 300);
    let mut heard = Vec::new();
    slow.read_to_end(&mut heard).unwrap();
    let text = String::from_utf8(heard).unwrap();
    let whole = text.matches("camera_frames_total{camera_id=\"cam19999\"}").count();
    assert_eq!((text.matches("200 OK").count(), whole), (16, 16));
}
