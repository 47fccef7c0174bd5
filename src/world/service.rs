//! The service manager and the process itself: readiness, watchdog, signals, secrets handed to us, own resource use.

use crate::base::clock::Boot;
use crate::base::secret::Secret;
use sd_notify::NotifyState;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::mpsc;

/// What we tell the service manager, sd_notify(3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// `READY=1`: started, or done reloading.
    Ready,
    /// `RELOADING=1` with the monotonic time of now, which systemd ≥ 253 demands and older ones ignore.
    Reloading,
    /// `STOPPING=1`.
    Stopping,
    /// `WATCHDOG=1`: every core task got something done since the last one.
    Watchdog,
    /// `STATUS=`: one line for `systemctl status`. Never with a secret in it.
    Status(String),
}

/// What we are asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGTERM or SIGINT.
    Stop,
}

/// The service manager's socket is set and does not take our word.
#[derive(Debug, thiserror::Error)]
#[error("cannot notify the service manager")]
pub struct Unheard(#[from] std::io::Error);

pub type NextSignal<'a> = Pin<Box<dyn Future<Output = Signal> + Send + 'a>>;

/// Who started us, and who may stop us.
pub trait Service: Send + Sync {
    /// Tells all `words` in one message. Without a service manager nothing happens.
    fn tell(&self, words: &[Word]) -> Result<(), Unheard>;
    /// How long the service manager waits for [`Word::Watchdog`] before it kills us (WatchdogSec=); `None`: it does not
    /// watch. Tell it at least twice as often.
    fn watchdog(&self) -> Option<Duration>;
    /// Waits for the next signal. Cancel-safe; a signal that came between two calls is not lost. One caller at a time.
    fn signal(&self) -> NextSignal<'_>;
}

/// systemd by `$NOTIFY_SOCKET` and `$WATCHDOG_USEC`, and the kernel's signals.
pub struct Systemd {
    asked: tokio::sync::Mutex<Asked>,
}

struct Asked {
    hup: unix::Signal,
    term: unix::Signal,
    int: unix::Signal,
}

impl Systemd {
    /// Takes the signals over: from here on SIGHUP, SIGTERM and SIGINT no longer end the process by themselves.
    /// Fails when the kernel refuses a handler. Within a tokio runtime only.
    pub fn open() -> std::io::Result<Self> {
        let asked = Asked {
            hup: unix::signal(SignalKind::hangup())?,
            term: unix::signal(SignalKind::terminate())?,
            int: unix::signal(SignalKind::interrupt())?,
        };
        Ok(Systemd { asked: tokio::sync::Mutex::new(asked) })
    }
}

impl Service for Systemd {
    fn tell(&self, words: &[Word]) -> Result<(), Unheard> {
        let mut states = Vec::with_capacity(words.len() + 1);
        for word in words {
            match word {
                Word::Ready => states.push(NotifyState::Ready),
                Word::Reloading => states.extend([NotifyState::Reloading, NotifyState::monotonic_usec_now()?]),
                Word::Stopping => states.push(NotifyState::Stopping),
                Word::Watchdog => states.push(NotifyState::Watchdog),
                Word::Status(line) => states.push(NotifyState::Status(line)),
            }
        }
        Ok(sd_notify::notify(&states)?)
    }

    fn watchdog(&self) -> Option<Duration> {
        sd_notify::watchdog_enabled()
    }

    fn signal(&self) -> NextSignal<'_> {
        Box::pin(async {
            let mut asked = self.asked.lock().await;
            let Asked { hup, term, int } = &mut *asked;
            tokio::select! {
                _ = term.recv() => Signal::Stop,
                _ = int.recv() => Signal::Stop,
                _ = hup.recv() => Signal::Reload,
            }
        })
    }
}

/// A service manager that plays what the test says and remembers what it was told.
pub struct Scripted {
    watchdog: Option<Duration>,
    told: Mutex<Vec<Word>>,
    signals: tokio::sync::Mutex<mpsc::UnboundedReceiver<Signal>>,
}

impl Scripted {
    /// The twin and the hand that sends it signals. Dropping the hand sends none; it does not stop the daemon.
    pub fn new(watchdog: Option<Duration>) -> (Self, mpsc::UnboundedSender<Signal>) {
        let (hand, signals) = mpsc::unbounded_channel();
        (Scripted { watchdog, told: Mutex::default(), signals: tokio::sync::Mutex::new(signals) }, hand)
    }

    /// Everything told so far, oldest first.
    pub fn told(&self) -> Vec<Word> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Service for Scripted {
    fn tell(&self, words: &[Word]) -> Result<(), Unheard> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(words);
        Ok(())
    }

    fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    fn signal(&self) -> NextSignal<'_> {
        Box::pin(async {
            match self.signals.lock().await.recv().await {
                Some(signal) => signal,
                None => std::future::pending().await,
            }
        })
    }
}

/// What this process uses, proc_pid_stat(5).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Own {
    /// Resident memory, bytes. The kernel batches its counters: up to 128 KiB per core late.
    pub resident: u64,
    /// User and system time of all threads, seconds, to the clock tick (10 ms).
    pub cpu: f64,
    /// Open file descriptors, the one that counts them included.
    pub descriptors: u64,
    pub threads: u64,
    pub started: Boot,
    /// Bytes that we caused to be written to storage; `None` where the kernel does not count them.
    pub written: Option<u64>,
}

/// Reads `/proc/self`. Fails where /proc is not mounted or the file descriptors cannot be listed.
pub fn own() -> Result<Own, procfs::ProcError> {
    let process = procfs::process::Process::myself()?;
    let stat = process.stat()?;
    let hertz = procfs::ticks_per_second();
    Ok(Own {
        resident: stat.rss * procfs::page_size(),
        cpu: (stat.utime + stat.stime) as f64 / hertz as f64,
        descriptors: process.fd_count()? as u64,
        threads: u64::try_from(stat.num_threads).unwrap_or(0),
        started: Boot::from_nanos(stat.starttime * (1_000_000_000 / hertz)),
        // What was written to a file that was removed before it came to the disk never came there.
        written: process.io().ok().map(|io| io.write_bytes.saturating_sub(io.cancelled_write_bytes)),
    })
}

/// Where systemd laid the secrets of `LoadCredential=`, systemd.exec(5) "CREDENTIALS"; one file per credential.
pub fn credentials() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

/// A secret from the environment. `None`: not set, empty, or not UTF-8.
pub fn variable(name: &str) -> Option<Secret> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(Secret::new)
}

/// The kernel's host name, hostname(7).
pub fn hostname() -> std::io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().to_owned())
}

/// The random id of this boot, random(4).
pub fn boot_id() -> std::io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::process::Command;

    /// Set in the second process of a test that needs an environment or signals of its own.
    const ALONE: &str = "VEDETTE_TEST_ALONE";

    /// This test again, in a process of its own.
    fn again(test: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("world::service::tests::{test}")]).env(ALONE, "1");
        command
    }

    #[test]
    fn the_service_manager_hears_every_word_and_names_its_watchdog() {
        if std::env::var_os(ALONE).is_some() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _inside = runtime.enter();
            let systemd = Systemd::open().unwrap();
            assert_eq!(systemd.watchdog(), Some(Duration::from_secs(30)));
            systemd.tell(&[Word::Ready, Word::Status("2 of 2 cameras".into())]).unwrap();
            systemd.tell(&[Word::Reloading]).unwrap();
            systemd.tell(&[Word::Watchdog]).unwrap();
            systemd.tell(&[Word::Stopping]).unwrap();
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut child = again("the_service_manager_hears_every_word_and_names_its_watchdog");
        let out = child.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "30000000").output().unwrap();
        assert!(out.status.success(), "{out:?}");
        let hear = || {
            let mut buffer = [0; 256];
            let n = socket.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..n].to_vec()).unwrap()
        };
        assert_eq!(hear(), "READY=1\nSTATUS=2 of 2 cameras\n");
        let reloading = hear();
        let usec = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end();
        assert!(usec.parse::<u64>().unwrap() > 0, "{reloading}");
        assert_eq!(hear(), "WATCHDOG=1\n");
        assert_eq!(hear(), "STOPPING=1\n");
    }

    #[test]
    fn a_hangup_asks_for_a_reload_and_a_term_for_a_stop() {
        if std::env::var_os(ALONE).is_some() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let systemd = Systemd::open().unwrap();
                for (number, wanted) in
                    [(libc::SIGHUP, Signal::Reload), (libc::SIGTERM, Signal::Stop), (libc::SIGINT, Signal::Stop)]
                {
                    // SAFETY: raise(3) takes no pointer; the handlers were set by open().
                    assert_eq!(unsafe { libc::raise(number) }, 0);
                    assert_eq!(systemd.signal().await, wanted);
                }
            });
            return;
        }
        let out = again("a_hangup_asks_for_a_reload_and_a_term_for_a_stop").output().unwrap();
        assert!(out.status.success(), "{out:?}");
    }

    #[tokio::test]
    async fn a_scripted_service_plays_signals_and_remembers_words() {
        let (service, hand) = Scripted::new(None);
        hand.send(Signal::Reload).unwrap();
        assert_eq!(service.signal().await, Signal::Reload);
        service.tell(&[Word::Ready]).unwrap();
        assert_eq!(service.told(), [Word::Ready]);
    }

    #[test]
    fn own_numbers_are_those_of_a_running_process() {
        let own = own().unwrap();
        assert!(own.resident > 100_000, "{own:?}");
        assert!(own.threads >= 1 && own.descriptors >= 3, "{own:?}");
        assert!(own.started > Boot::from_nanos(0));
        let uptime: f64 = std::fs::read_to_string("/proc/uptime").unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(own.started.as_nanos() as f64 / 1e9 <= uptime, "{own:?} after {uptime}");
    }

    #[test]
    fn the_machine_has_a_name_and_this_boot_an_id() {
        assert!(!hostname().unwrap().is_empty());
        assert_eq!(boot_id().unwrap().len(), 36);
    }
}
