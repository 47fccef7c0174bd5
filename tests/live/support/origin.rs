//! A small web server over a folder, as the origin of an HLS stream, that can go wrong as a test says.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is done about a request.
pub enum Deed {
    /// The file as it stands.
    File,
    Status(u16),
    /// To another address.
    Redirect(String),
    /// These bytes instead of the file's.
    Instead(Vec<u8>),
    /// The file, in so many equal pieces, each after this long.
    Drip(u32, Duration),
}

/// Path without its query, whole head of the request → what is done.
pub type Mind = Arc<dyn Fn(&str, &str) -> Deed + Send + Sync>;

/// Stops listening when dropped.
pub struct Origin {
    pub port: u16,
    stop: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Origin {
    pub fn start(dir: &Path, mind: impl Fn(&str, &str) -> Deed + Send + Sync + 'static) -> Origin {
        Origin::listen(dir, Arc::new(mind), None)
    }

    /// Over TLS, with `<name>.crt` and `<name>.key` of `keys`.
    pub fn start_tls(
        dir: &Path,
        keys: &Path,
        name: &str,
        mind: impl Fn(&str, &str) -> Deed + Send + Sync + 'static,
    ) -> Origin {
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(keys.join(format!("{name}.crt"))).unwrap().collect();
        let key = PrivateKeyDer::from_pem_file(keys.join(format!("{name}.key"))).unwrap();
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = builder.with_single_cert(chain.unwrap(), key).unwrap();
        Origin::listen(dir, Arc::new(mind), Some(Arc::new(config)))
    }

    fn listen(dir: &Path, mind: Mind, tls: Option<Arc<ServerConfig>>) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let thread = std::thread::spawn({
            let (stop, asked, dir) = (stop.clone(), asked.clone(), dir.to_owned());
            move || {
                for stream in listener.incoming().flatten() {
                    if stop.load(SeqCst) {
                        return;
                    }
                    let (mind, tls, dir, asked) = (mind.clone(), tls.clone(), dir.clone(), asked.clone());
                    std::thread::spawn(move || {
                        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                        match tls {
                            None => answer(stream, &dir, &mind, &asked),
                            Some(config) => {
                                let connection = ServerConnection::new(config).unwrap();
                                answer(StreamOwned::new(connection, stream), &dir, &mind, &asked);
                            }
                        }
                    });
                }
            }
        });
        Origin { port, stop, asked, thread: Some(thread) }
    }

    /// Paths that were asked for, in their order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// One request, one answer; a client that goes away ends it.
fn answer(stream: impl Read + Write, dir: &Path, mind: &Mind, asked: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|n| n > 2) {}
    let path = head.split(' ').nth(1).unwrap_or("/").split('?').next().unwrap_or("/").to_owned();
    if head.is_empty() {
        return;
    }
    asked.lock().unwrap().push(path.clone());
    let file: PathBuf = dir.join(path.trim_start_matches('/'));
    let read = || std::fs::read(&file).map_or((404, Vec::new()), |bytes| (200, bytes));
    let mut location = String::new();
    let (mut pieces, mut pause) = (1, Duration::ZERO);
    let (status, body) = match mind(&path, &head) {
        Deed::File => read(),
        Deed::Status(status) => (status, Vec::new()),
        Deed::Redirect(to) => {
            location = format!("Location: {to}\r\n");
            (302, Vec::new())
        }
        Deed::Instead(body) => (200, body),
        Deed::Drip(n, each) => {
            (pieces, pause) = (n.max(1), each);
            read()
        }
    };
    let stream = reader.get_mut();
    let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n{location}Connection: close\r\n\r\n", body.len());
    let mut gone = stream.write_all(head.as_bytes()).is_err();
    for piece in body.chunks(body.len().div_ceil(pieces as usize).max(1)) {
        if !gone && !pause.is_zero() {
            // What is slow is slow by the clock; nobody waits for it here.
            std::thread::park_timeout(pause);
        }
        gone = gone || stream.write_all(piece).and_then(|()| stream.flush()).is_err();
    }
    let _flushed = stream.flush();
}
