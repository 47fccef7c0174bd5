//! The real network.

use super::tls::Tls;
use super::{Ask, Asking, Echoes, Fetched, Missed, Net, Reason, Route, Taker, Visiting, Way, http, kernel, ping};
use crate::base::clock::Clock;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::sync::{OnceCell, Semaphore};
use url::Url;

/// Lookups that may hang in the resolver at once; each holds a thread for up to 30 s. The next ones wait in line, and
/// fail when their bound is reached there.
const LOOKUPS: usize = 8;
/// Addresses of one name that are tried at once.
const ADDRESSES: usize = 8;
/// For a question to the kernel's own tables, which takes microseconds unless a driver is stuck.
const KERNEL: Duration = Duration::from_secs(2);

/// The network as this machine sees it.
pub struct Real {
    pub(super) clock: Clock,
    lookups: Arc<Semaphore>,
    pub(super) tls: OnceCell<Tls>,
}

impl Real {
    pub fn new(clock: Clock) -> Real {
        Real { clock, lookups: Arc::new(Semaphore::new(LOOKUPS)), tls: OnceCell::new() }
    }

    async fn bounded<T>(&self, bound: Duration, work: impl Future<Output = Result<T, Missed>>) -> Result<T, Missed> {
        self.clock.within(bound, work).await.unwrap_or_else(|late| Err(Missed::new(Reason::Timeout, late)))
    }

    pub(super) async fn lookup(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Missed> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let lane = self.lookups.clone().acquire_owned().await.map_err(|e| Missed::new(Reason::Other, e))?;
        let host = host.to_owned();
        // Not awaited in place: who gives up waiting leaves the lane taken until the resolver really returned.
        let asked = tokio::spawn(async move {
            let _lane = lane;
            lookup_host((host, port)).await.map(Iterator::collect::<Vec<_>>)
        });
        let found = asked.await.map_err(|e| Missed::new(Reason::Other, e))?;
        match found {
            Ok(found) if found.is_empty() => Err(Reason::Name.into()),
            Ok(found) => Ok(found),
            Err(error) => Err(Missed::new(Reason::Name, error)),
        }
    }

    /// The same for a road that is asked about: a resolver that does not answer is its reason, not that of what lies beyond.
    pub(super) async fn lookup_within(
        &self,
        bound: Duration,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, Missed> {
        let found = self.clock.within(bound, self.lookup(host, port)).await;
        found.unwrap_or_else(|late| Err(Missed::new(Reason::Name, late)))
    }

    /// All addresses at once; the first that answers.
    pub(super) async fn dial(&self, addresses: Vec<SocketAddr>, interface: Option<&str>) -> Result<TcpStream, Missed> {
        let tries = addresses.into_iter().take(ADDRESSES).map(|address| Box::pin(dial(address, interface)));
        let (stream, _others) = futures_util::future::select_ok(tries).await?;
        Ok(stream)
    }

    pub(super) async fn tls(&self) -> Result<&Tls, Missed> {
        let load = || async {
            let loaded = tokio::task::spawn_blocking(Tls::load).await.map_err(|e| Missed::new(Reason::Other, e))?;
            loaded.map_err(|e| Missed::new(Reason::Tls, e))
        };
        self.tls.get_or_try_init(load).await
    }

    async fn ask_kernel<T: Send + 'static>(
        &self,
        ask: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, Missed> {
        let asked = async { tokio::task::spawn_blocking(ask).await.map_err(|e| Missed::new(Reason::Other, e)) };
        Ok(self.bounded(KERNEL, asked).await??)
    }
}

async fn dial(address: SocketAddr, interface: Option<&str>) -> Result<TcpStream, Missed> {
    let Some(interface) = interface else { return Ok(TcpStream::connect(address).await?) };
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind_device(Some(interface.as_bytes())).map_err(super::unbound)?;
    Ok(socket.connect(address).await?)
}

impl Net for Real {
    fn connect<'a>(&'a self, host: &'a str, port: u16, way: Way<'a>) -> Asking<'a, ()> {
        Box::pin(self.bounded(way.bound, async move {
            let addresses = self.lookup_within(way.bound, host, port).await?;
            self.dial(addresses, way.interface).await.map(drop)
        }))
    }

    fn visit<'a>(&'a self, url: &'a Url, way: Way<'a>) -> Visiting<'a> {
        Box::pin(http::visit(self, url, way))
    }

    fn ping<'a>(&'a self, host: &'a str, echoes: u16, way: Way<'a>) -> Asking<'a, Echoes> {
        Box::pin(ping::ping(self, host, echoes, way))
    }

    fn fetch<'a>(&'a self, ask: Ask<'a>, take: Taker<'a>) -> Asking<'a, Fetched> {
        Box::pin(self.bounded(ask.bound, http::fetch(self, ask, take)))
    }

    fn resolve<'a>(&'a self, name: &'a str, bound: Duration) -> Asking<'a, usize> {
        Box::pin(self.bounded(bound, async move { self.lookup(name, 0).await.map(|found| found.len()) }))
    }

    fn default_routes(&self) -> Asking<'_, Vec<Route>> {
        Box::pin(self.ask_kernel(|| kernel::default_routes(Path::new("/proc"))))
    }

    fn carrier<'a>(&'a self, interface: &'a str) -> Asking<'a, bool> {
        let interface = interface.to_owned();
        Box::pin(self.ask_kernel(move || kernel::carrier(Path::new("/sys"), &interface)))
    }
}
