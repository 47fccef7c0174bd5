//! Datagrams that come in: UDP on loopback, and unix sockets. Who sends them is never made to wait: what does not fit in
//! the kernel's buffer is dropped there.

use super::inflow::{AGAIN, Dry, Spout};
use crate::base::clock::Clock;
use bytes::Bytes;
use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use tokio::net::{UdpSocket, UnixDatagram};
use tokio::sync::broadcast;

/// Largest datagram taken whole, bytes: that of UDP. What is longer is cut by the kernel.
const LARGEST: usize = 65_535;
/// Datagrams of a shared socket that a slow reader may be behind; then it misses the oldest.
const BEHIND: usize = 16;

/// Takes datagrams at a port of 127.0.0.1, until nobody reads them.
pub(super) async fn udp(port: u16, clock: Clock, spout: Spout) {
    let what = || format!("udp port {port} of 127.0.0.1");
    let mut buffer = vec![0; LARGEST];
    while !spout.is_closed() {
        let error = match UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).await {
            Err(error) => error,
            Ok(socket) => loop {
                match socket.recv(&mut buffer).await {
                    Ok(len) => {
                        if spout.send(Ok(Bytes::copy_from_slice(&buffer[..len]))).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => break error,
                }
            },
        };
        let _nobody = spout.send(Err(Dry::new(what(), error))).await;
        clock.sleep(AGAIN).await;
    }
}

/// Sockets in the file system that several read: all of them get every datagram.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<HashMap<PathBuf, Weak<Bound>>>>);

/// A bound socket, taken away with its last reader.
struct Bound {
    socket: UnixDatagram,
    path: PathBuf,
    /// Readers take turns at the socket; who has it gives each datagram to the others.
    told: broadcast::Sender<Bytes>,
}

impl Drop for Bound {
    fn drop(&mut self) {
        // A failure leaves a dead socket that the next bind replaces.
        let _removed = std::fs::remove_file(&self.path);
    }
}

impl Shared {
    fn open(&self, path: &Path) -> io::Result<Arc<Bound>> {
        let mut all = self.0.lock().unwrap_or_else(|e| e.into_inner());
        all.retain(|_, bound| bound.strong_count() > 0);
        if let Some(bound) = all.get(path).and_then(Weak::upgrade) {
            return Ok(bound);
        }
        let bound =
            Arc::new(Bound { socket: bind(path)?, path: path.to_owned(), told: broadcast::Sender::new(BEHIND) });
        all.insert(path.to_owned(), Arc::downgrade(&bound));
        Ok(bound)
    }
}

/// Binds the socket so that every local process may send to it. One left by a dead process is replaced; anything else
/// at that path stays.
fn bind(path: &Path) -> io::Result<UnixDatagram> {
    let left = std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    if left {
        let alive = UnixDatagram::unbound()?.connect(path).is_ok();
        if alive {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    let socket = UnixDatagram::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(socket)
}

/// Takes datagrams at `path`, until nobody reads them.
pub(super) async fn unix(shared: Shared, path: PathBuf, clock: Clock, spout: Spout) {
    let mut buffer = vec![0; LARGEST];
    while !spout.is_closed() {
        let error = match shared.open(&path) {
            Err(error) => error,
            Ok(bound) => {
                let mut told = bound.told.subscribe();
                loop {
                    let datagram = tokio::select! {
                        // What this reader takes off the socket comes back to it like to all others.
                        taken = bound.socket.recv(&mut buffer) => match taken {
                            Ok(len) => {
                                let _heard = bound.told.send(Bytes::copy_from_slice(&buffer[..len]));
                                continue;
                            }
                            Err(error) => break error,
                        },
                        datagram = told.recv() => datagram,
                    };
                    // A reader that is behind misses some; a tracer repeats its counts each second.
                    let Ok(datagram) = datagram else { continue };
                    if spout.send(Ok(datagram)).await.is_err() {
                        return;
                    }
                }
            }
        };
        let _nobody = spout.send(Err(Dry::new(path.display().to_string(), error))).await;
        clock.sleep(AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use crate::base::clock::Clock;
    use crate::metric::report::NoData;
    use crate::world::clock::System;
    use crate::world::inflow::{Inflow, Open, Place, Real};
    use std::time::Duration;

    async fn next(inflow: &mut Inflow) -> Result<Vec<u8>, NoData> {
        let clock = Clock::new(System);
        let piece = clock.within(Duration::from_secs(5), inflow.next()).await.expect("a piece");
        piece.map(|bytes| bytes.to_vec()).map_err(|dry| dry.why)
    }

    #[tokio::test]
    async fn a_datagram_comes_whole_and_a_taken_port_is_told() {
        let (real, clock) = (Real::default(), Clock::new(System));
        let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let mut inflow = real.open(&Place::Udp(port), &clock);
        assert_eq!(next(&mut inflow).await, Err(NoData::Unreachable));
        drop(inflow);
        drop(taken);
        let mut inflow = real.open(&Place::Udp(port), &clock);
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let hear = async {
            loop {
                // Until it is bound, what is sent is lost.
                sender.send_to(b"frame=1\nprogress=continue\n", ("127.0.0.1", port)).unwrap();
                let wait = clock.within(Duration::from_millis(50), inflow.next()).await;
                if let Ok(piece) = wait {
                    return piece.unwrap().to_vec();
                }
            }
        };
        let heard = clock.within(Duration::from_secs(5), hear).await.unwrap();
        assert_eq!(heard, b"frame=1\nprogress=continue\n");
    }

    #[tokio::test]
    async fn readers_of_one_socket_get_the_same_and_a_dead_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tracer.sock");
        drop(std::os::unix::net::UnixDatagram::bind(&path).unwrap());
        let (real, clock) = (Real::default(), Clock::new(System));
        let place = Place::Unix(path.clone());
        let (mut one, mut two) = (real.open(&place, &clock), real.open(&place, &clock));
        let sender = std::os::unix::net::UnixDatagram::unbound().unwrap();
        // Both have subscribed once they ran up to their first wait.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        sender.send_to(b"hello", &path).unwrap();
        assert_eq!((next(&mut one).await, next(&mut two).await), (Ok(b"hello".to_vec()), Ok(b"hello".to_vec())));
        drop(one);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        sender.send_to(b"again", &path).unwrap();
        assert_eq!(next(&mut two).await, Ok(b"again".to_vec()));
        std::fs::write(dir.path().join("file"), "keep").unwrap();
        let mut wrong = real.open(&Place::Unix(dir.path().join("file")), &clock);
        assert!(next(&mut wrong).await.is_err());
        assert_eq!(std::fs::read(dir.path().join("file")).unwrap(), b"keep");
    }
}
