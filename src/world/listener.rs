//! The HTTP/1.1 listener: TCP, TLS, basic auth, and bounds; it serves what a sink hands it.
//!
//! Bounds: 64 connections, where the idle make room (`seats`); 10 s for a TLS handshake and for the headers of a request,
//! 90 s between requests (`pace`); 30 s without progress for a response (`stream`); [`FAREWELL`] after the order to stop.
//! Request bodies are never read.

mod auth;
mod config;
mod gate;
mod pace;
mod seats;
mod stream;
mod tls;

pub use config::{Fault, WebConfig};
pub use gate::{BadWebConfig, Gate};
pub use pace::Delivered;
pub use tls::Unusable;

use crate::base::clock::Clock;
use crate::base::quit::Quit;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use pace::{GREETING, Pace};
use seats::Seats;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stream::{Body, Watched};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections that wait in the kernel to be taken.
const BACKLOG: u32 = 128;
/// From the order to stop until open responses are cut.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often the files of the web configuration are looked at. A rotated certificate is served from then on.
const REFRESH: Duration = Duration::from_secs(2);
/// Pause after the kernel refused to hand over a connection (out of descriptors or memory).
const BREATH: Duration = Duration::from_millis(200);

/// One request, without its body.
#[derive(Debug)]
pub struct Asked {
    pub parts: Parts,
    /// Address of the client without its port; IPv4 as IPv4 also on a dual-stack socket.
    pub peer: String,
}

/// What to answer.
pub struct Answer {
    pub response: Response<Bytes>,
    /// Called when the last byte of the body was accepted by the socket; never for HEAD or an empty body.
    pub delivered: Option<Delivered>,
}

impl From<Response<Bytes>> for Answer {
    fn from(response: Response<Bytes>) -> Self {
        Answer { response, delivered: None }
    }
}

/// Who answers requests.
pub trait Serve: Send + Sync + 'static {
    fn serve(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>>;
}

/// Where to listen: `:9090`, `[::]:9090`, `127.0.0.1:9090` or `localhost:9090`. Port 0 lets the kernel choose.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Address(SocketAddr);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no listen address; write \":9090\", \"[::]:9090\" or \"127.0.0.1:9090\"")]
pub struct BadAddress(String);

impl std::str::FromStr for Address {
    type Err = BadAddress;
    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = || BadAddress(text.to_owned());
        let named = match text.rsplit_once(':') {
            Some(("", port)) => Some((IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)),
            Some(("localhost", port)) => Some((IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
            _ => None,
        };
        let address = match named {
            Some((ip, port)) => SocketAddr::new(ip, port.parse().map_err(|_| bad())?),
            None => text.parse().map_err(|_| bad())?,
        };
        Ok(Address(address))
    }
}

impl Address {
    /// `[::]:9090`.
    pub fn standard() -> Self {
        Address(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 9090))
    }
    pub fn port(&self) -> u16 {
        self.0.port()
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    address: Address,
    source: io::Error,
}

/// What the listener counts, since the start. Clones are the same counts.
#[derive(Clone, Default)]
pub struct Traffic(Arc<Counts>);

#[derive(Default)]
struct Counts {
    open: AtomicU64,
    accepted: AtomicU64,
    wrong_password: AtomicU64,
    failed_handshake: AtomicU64,
    stalled: AtomicU64,
    unseated: AtomicU64,
}

impl Traffic {
    /// Connections open now.
    pub fn open(&self) -> u64 {
        self.0.open.load(Ordering::Relaxed)
    }
    pub fn accepted(&self) -> u64 {
        self.0.accepted.load(Ordering::Relaxed)
    }
    /// Requests answered 401.
    pub fn wrong_password(&self) -> u64 {
        self.0.wrong_password.load(Ordering::Relaxed)
    }
    /// TLS handshakes that failed or took too long.
    pub fn failed_handshake(&self) -> u64 {
        self.0.failed_handshake.load(Ordering::Relaxed)
    }
    /// Responses cut because the client accepted nothing for 30 s.
    pub fn stalled(&self) -> u64 {
        self.0.stalled.load(Ordering::Relaxed)
    }
    /// Idle connections closed to make room for new ones.
    pub fn unseated(&self) -> u64 {
        self.0.unseated.load(Ordering::Relaxed)
    }
    fn add(&self, count: impl FnOnce(&Counts) -> &AtomicU64) {
        count(&self.0).fetch_add(1, Ordering::Relaxed);
    }
}

/// A bound socket.
pub struct Listener {
    socket: TcpListener,
}

/// Binds with SO_REUSEADDR; the unspecified IPv6 address is bound dual-stack, or as IPv4 where the kernel has no IPv6.
/// Must be called within a tokio runtime.
pub fn bind(address: Address) -> Result<Listener, BindError> {
    let no_ipv6 = |e: &io::Error| e.raw_os_error() == Some(libc::EAFNOSUPPORT);
    let socket = match open(address.0) {
        Err(e) if no_ipv6(&e) && address.0.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            open(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.0.port()))
        }
        other => other,
    };
    socket.map(|socket| Listener { socket }).map_err(|source| BindError { address, source })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    if address.is_ipv6() {
        let off: libc::c_int = 0;
        // SAFETY: the descriptor is open, the option reads one int from the pointer, which lives through the call.
        // A refusal leaves net.ipv6.bindv6only in force, which is what the administrator of that box asked for.
        unsafe {
            let size = size_of_val(&off) as libc::socklen_t;
            libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, (&raw const off).cast(), size);
        }
    }
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Everything a connection needs.
#[derive(Clone)]
struct Door {
    gate: Arc<Gate>,
    serve: Arc<dyn Serve>,
    clock: Clock,
    traffic: Traffic,
    quit: Quit,
}

impl Listener {
    /// The address that was bound, with the port the kernel chose.
    pub fn address(&self) -> io::Result<Address> {
        self.socket.local_addr().map(Address)
    }

    /// Serves until asked to stop, then gives open responses one second.
    pub async fn serve(self, gate: Gate, serve: Arc<dyn Serve>, clock: Clock, traffic: Traffic, quit: Quit) {
        let door = Door { gate: Arc::new(gate), serve, clock, traffic, quit };
        let mut seats = Seats::default();
        tokio::select! {
            () = door.accept(&self.socket, &mut seats) => {}
            () = door.refresh() => {}
            () = door.quit.wait() => {}
        }
        drop(self.socket);
        // Each connection ends by itself within FAREWELL; one that does not is aborted when the seats are dropped.
        let _cut = door.clock.within(FAREWELL + BREATH, seats.vacant()).await;
    }
}

impl Door {
    async fn accept(&self, socket: &TcpListener, seats: &mut Seats) {
        loop {
            match socket.accept().await {
                Ok((stream, peer)) => {
                    if seats.room(&self.clock).await {
                        self.traffic.add(|counts| &counts.unseated);
                    }
                    let pace = Pace::new(self.clock.clone());
                    let peer = peer.ip().to_canonical().to_string();
                    seats.take(pace.clone(), self.clone().connection(stream, peer, pace));
                }
                Err(_) => self.clock.sleep(BREATH).await,
            }
        }
    }

    async fn refresh(&self) {
        let mut every = self.clock.every(REFRESH);
        loop {
            every.beat().await;
            let gate = self.gate.clone();
            // A panic in there leaves the former configuration in force.
            let _read = tokio::task::spawn_blocking(move || gate.refresh()).await;
        }
    }

    async fn connection(self, stream: TcpStream, peer: String, pace: Pace) {
        self.traffic.add(|counts| &counts.accepted);
        self.traffic.add(|counts| &counts.open);
        let _leave = Leave(self.traffic.clone());
        // A failure costs 40 ms per response and nothing else.
        let _nagle = stream.set_nodelay(true);
        match &self.gate.armour().tls {
            None => self.talk(stream, peer, &pace).await,
            Some(acceptor) => match self.clock.within(GREETING, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => self.talk(stream, peer, &pace).await,
                _ => self.traffic.add(|counts| &counts.failed_handshake),
            },
        }
    }

    async fn talk(&self, stream: impl AsyncRead + AsyncWrite + Unpin, peer: String, pace: &Pace) {
        pace.greet();
        let traffic = self.traffic.clone();
        let cut = Box::new(move || traffic.add(|counts| &counts.stalled));
        let stream = Watched::new(stream, self.clock.clone(), pace.clone(), cut);
        let service = service_fn(|request| self.answer(request, &peer, pace));
        let mut http = http1::Builder::new();
        // Its bound on headers would also end a scraper's rest; `pace` keeps both.
        http.header_read_timeout(None::<Duration>);
        let mut talk = pin!(http.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            biased;
            _ended = talk.as_mut() => return,
            () = pace.expired() => return,
            () = self.quit.wait() => {}
        }
        talk.as_mut().graceful_shutdown();
        let _cut = self.clock.within(FAREWELL, talk).await;
    }

    async fn answer(&self, request: Request<Incoming>, peer: &str, pace: &Pace) -> Result<Response<Body>, Infallible> {
        pace.asked();
        let parts = request.into_parts().0;
        let armour = self.gate.armour();
        let mut answer = if self.gate.admits(&armour, parts.headers.get(AUTHORIZATION)).await {
            self.serve.serve(Asked { parts, peer: peer.to_owned() }).await
        } else {
            self.traffic.add(|counts| &counts.wrong_password);
            unauthorized().into()
        };
        for (name, value) in &armour.config.headers {
            answer.response.headers_mut().insert(name, value.clone());
        }
        let delivered = answer.delivered;
        Ok(answer.response.map(|bytes| Body::new(bytes, delivered, pace.clone())))
    }
}

/// RFC 7617 §2.
fn unauthorized() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"Unauthorized\n"));
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"vedette\""));
    response
}

/// Counts a connection out, however it ends.
struct Leave(Traffic);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses_are_read_in_the_usual_forms() {
        for (text, wanted) in [
            (":9090", "[::]:9090"),
            ("[::]:9090", "[::]:9090"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("localhost:0", "127.0.0.1:0"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), wanted);
        }
        for bad in ["9090", "box:9090", ":99999", ""] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
