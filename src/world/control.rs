//! The control socket: a Unix stream socket in the runtime directory, one JSON request line, one JSON answer line.
//! It is the only way in that may change anything, and only root and the service's own user can open it.

use crate::base::clock::Clock;
use crate::base::quit::Quit;
use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// Longest request, bytes. Requests are one verb with an argument.
const REQUEST_BYTES: u64 = 4096;
/// Longest answer a client takes, bytes: status of 1 000 cameras is about 300 KiB.
const ANSWER_BYTES: u64 = 16 << 20;
/// How long one exchange may take.
const BOUND: Duration = Duration::from_secs(10);
/// How long a client waits for its turn before it is sent away.
const TURN: Duration = Duration::from_secs(2);
/// Exchanges at once.
const AT_ONCE: usize = 4;

pub type Answering = Pin<Box<dyn Future<Output = String> + Send>>;
/// Answers one request line with one line.
pub type Answer = Arc<dyn Fn(String) -> Answering + Send + Sync>;

/// The socket's place under the runtime directory.
pub fn path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("control.sock")
}

/// A bound control socket, not served yet.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

/// Makes the runtime directory where it is missing and binds the socket. One left by a dead daemon is replaced.
///
/// # Errors
/// The socket cannot be bound, or another daemon already serves it (`AddrInUse`).
pub async fn bind(runtime_dir: &Path) -> io::Result<Control> {
    std::fs::create_dir_all(runtime_dir)?;
    let path = path(runtime_dir);
    if UnixStream::connect(&path).await.is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another vedette serves this runtime directory"));
    }
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o660))?;
    Ok(Control { listener, path })
}

/// Serves the socket until `quit`.
pub async fn serve(control: Control, clock: Clock, quit: Quit, answer: Answer) {
    let Control { listener, path } = control;
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let stream = tokio::select! {
            () = quit.wait() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "control socket cannot accept");
                    tokio::select! {
                        () = quit.wait() => break,
                        () = clock.sleep(Duration::from_secs(1)) => continue,
                    }
                }
            },
        };
        let turn = tokio::select! {
            () = quit.wait() => break,
            turn = clock.within(TURN, slots.clone().acquire_owned()) => turn,
        };
        // Idle clients hold all slots: this one is dropped, and sees the end of the stream.
        let Ok(Ok(slot)) = turn else { continue };
        let (clock, answer) = (clock.clone(), answer.clone());
        tokio::spawn(async move {
            let _slot = slot;
            // A client that went away or never spoke is its own trouble.
            let _outcome = clock.within(BOUND, exchange(stream, answer)).await;
        });
    }
    // The file goes with the listener; a failure leaves a dead socket that the next start replaces.
    let _removed = std::fs::remove_file(&path);
}

async fn exchange(stream: UnixStream, answer: Answer) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(REQUEST_BYTES)).read_line(&mut line).await?;
    let mut text = answer(line.trim().to_owned()).await;
    text.push('\n');
    write.write_all(text.as_bytes()).await?;
    write.shutdown().await
}

/// Asks the running daemon.
///
/// # Errors
/// Nothing serves the socket (`NotFound`, `ConnectionRefused`), it may not be opened (`PermissionDenied`), or the
/// answer did not come within 10 s (`TimedOut`).
pub async fn ask(runtime_dir: &Path, clock: &Clock, request: &str) -> io::Result<String> {
    let exchange = async {
        let mut stream = UnixStream::connect(path(runtime_dir)).await?;
        stream.write_all(request.as_bytes()).await?;
        stream.write_all(b"\n").await?;
        let mut text = String::new();
        stream.take(ANSWER_BYTES).read_to_string(&mut text).await?;
        Ok(text.trim_end().to_owned())
    };
    match clock.within(BOUND, exchange).await {
        Ok(answer) => answer,
        Err(elapsed) => Err(io::Error::new(io::ErrorKind::TimedOut, elapsed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Sim;
    use crate::base::quit;

    #[tokio::test]
    async fn idle_clients_neither_hold_up_the_stop_nor_keep_a_fifth_waiting_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let control = bind(dir.path()).await.unwrap();
        let (sim, real, (quitter, quit)) = (Sim::new(), Clock::new(crate::world::clock::System), quit::pair());
        let answer: Answer = Arc::new(|request| Box::pin(async move { request }));
        let serving = tokio::spawn(serve(control, sim.clock(), quit, answer));
        let mut idle = Vec::new();
        for _ in 0..AT_ONCE {
            idle.push(UnixStream::connect(path(dir.path())).await.unwrap());
        }
        let mut fifth = UnixStream::connect(path(dir.path())).await.unwrap();
        let pass = async {
            for _ in 0..30 {
                for _ in 0..200 {
                    tokio::task::yield_now().await;
                }
                sim.advance(Duration::from_millis(100));
            }
            std::future::pending::<()>().await;
        };
        let mut got = Vec::new();
        let sent_away = real.within(Duration::from_secs(5), async {
            tokio::select! {
                end = fifth.read_to_end(&mut got) => end,
                () = pass => unreachable!("it waits for ever"),
            }
        });
        assert_eq!(sent_away.await.expect("dropped after its turn").unwrap(), 0);

        let _sixth = UnixStream::connect(path(dir.path())).await.unwrap();
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        quitter.quit();
        real.within(Duration::from_secs(5), serving).await.expect("it stops at once").unwrap();
    }
}
