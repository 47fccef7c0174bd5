//! The web configuration in force, re-read when one of its files changes.

use super::auth::Porter;
use super::config::{Fault, WebConfig};
use super::tls::{self, Unusable};
use crate::base::fault::chain;
use hyper::header::HeaderValue;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

/// The web configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadWebConfig {
    #[error("cannot read web configuration {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("web configuration {}: {}", path.display(), List(faults))]
    Refused { path: PathBuf, faults: Vec<Fault> },
    #[error("web configuration {}", path.display())]
    Tls { path: PathBuf, source: Unusable },
}

struct List<'a>(&'a [Fault]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if n == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// What a new connection meets.
pub(super) struct Armour {
    pub tls: Option<TlsAcceptor>,
    pub config: WebConfig,
}

/// Device, inode, size, modification and change time of a file; `None` when it cannot be seen.
type Mark = Option<(u64, u64, u64, i128, i128)>;

struct Loaded {
    armour: Arc<Armour>,
    marks: Vec<(PathBuf, Mark)>,
}

/// The listener's gate: plain and open without a file.
pub struct Gate {
    path: Option<PathBuf>,
    loaded: Mutex<Loaded>,
    porter: Porter,
}

impl Gate {
    /// No TLS, no passwords.
    pub fn open() -> Gate {
        let armour = Arc::new(Armour { tls: None, config: WebConfig::default() });
        Gate { path: None, loaded: Mutex::new(Loaded { armour, marks: Vec::new() }), porter: Porter::default() }
    }

    /// By a web configuration file and the files it names; all are read now and again when they change. Blocking.
    pub fn guarded(path: &Path) -> Result<Gate, BadWebConfig> {
        let (armour, marks) = load(path);
        let loaded = Loaded { armour: Arc::new(armour?), marks };
        Ok(Gate { path: Some(path.to_owned()), loaded: Mutex::new(loaded), porter: Porter::default() })
    }

    pub(super) fn armour(&self) -> Arc<Armour> {
        self.lock().armour.clone()
    }

    /// Re-reads the files if one changed since they were last read. A set that cannot be used leaves the former in
    /// force and is logged once. Blocking.
    pub(super) fn refresh(&self) {
        let Some(path) = &self.path else { return };
        if self.lock().marks.iter().all(|(path, seen)| mark(path) == *seen) {
            return;
        }
        let (armour, marks) = load(path);
        let mut loaded = self.lock();
        loaded.marks = marks;
        match armour {
            Ok(armour) => {
                loaded.armour = Arc::new(armour);
                info!(path = %path.display(), "web configuration read again");
            }
            Err(error) => warn!(error = %chain(&error), "web configuration unusable, the former stays in force"),
        }
    }

    /// Whether a request with this `Authorization` header may pass.
    pub(super) async fn admits(&self, armour: &Armour, header: Option<&HeaderValue>) -> bool {
        armour.config.users.is_empty() || self.porter.admits(&armour.config.users, header).await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// The marks are taken before the files are read: a change in between is seen at the next look.
fn load(path: &Path) -> (Result<Armour, BadWebConfig>, Vec<(PathBuf, Mark)>) {
    let mut marks = vec![(path.to_owned(), mark(path))];
    let config = read(path);
    if let Ok(WebConfig { tls: Some(tls), .. }) = &config {
        for file in [Some(&tls.cert_file), Some(&tls.key_file), tls.client_ca_file.as_ref()].into_iter().flatten() {
            marks.push((file.clone(), mark(file)));
        }
    }
    let armour = config.and_then(|config| {
        let tls = config.tls.as_ref().map(tls::load).transpose();
        let tls = tls.map_err(|source| BadWebConfig::Tls { path: path.to_owned(), source })?;
        Ok(Armour { tls: tls.map(|config| TlsAcceptor::from(Arc::new(config))), config })
    });
    (armour, marks)
}

fn read(path: &Path) -> Result<WebConfig, BadWebConfig> {
    let text = std::fs::read_to_string(path).map_err(|source| BadWebConfig::Read { path: path.to_owned(), source })?;
    let dir = path.parent().unwrap_or(Path::new(""));
    WebConfig::parse(&text, dir).map_err(|faults| BadWebConfig::Refused { path: path.to_owned(), faults })
}

fn mark(path: &Path) -> Mark {
    let m = std::fs::metadata(path).ok()?;
    let nanos = |secs: i64, nanos: i64| i128::from(secs) * 1_000_000_000 + i128::from(nanos);
    Some((m.dev(), m.ino(), m.size(), nanos(m.mtime(), m.mtime_nsec()), nanos(m.ctime(), m.ctime_nsec())))
}
