//! mosquitto on a free port, certificates for it, and a subscriber that writes down what it hears.

use super::{Kid, free_port, wait};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// Bound of every wait on a broker or subscriber.
pub const SOON: Duration = Duration::from_secs(15);

/// Written after every line of a configuration under test: mosquitto started by root would become another user, who
/// may not read the test's folder.
const STAY: &str = "user root\n";

/// A broker with a folder of its own. It keeps its port over restarts, and forgets everything else.
pub struct Broker {
    pub dir: TempDir,
    pub port: u16,
    kid: Option<Kid>,
}

impl Broker {
    /// Anyone may connect.
    pub fn open() -> Self {
        Broker::with(|_, port| format!("listener {port} 127.0.0.1\nallow_anonymous true\n"))
    }

    /// Only this user may.
    pub fn locked(user: &str, password: &str) -> Self {
        Broker::with(|dir, port| {
            add_user(&dir.join("passwd"), user, password);
            let passwd = dir.join("passwd");
            format!("listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {}\n", passwd.display())
        })
    }

    /// TLS on the name `localhost` and the address ::1; `ca.pem`, `client.pem` and `client.key` lie in its folder.
    pub fn tls(ask_for_certificate: bool) -> Self {
        Broker::with(|dir, port| {
            authority(dir);
            let at = |name: &str| dir.join(name).display().to_string();
            format!(
                "listener {port}\nallow_anonymous true\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate {}\n",
                at("ca.pem"),
                at("server.pem"),
                at("server.key"),
                ask_for_certificate
            )
        })
    }

    /// A configuration made for this folder and port.
    pub fn with(configure: impl Fn(&Path, u16) -> String) -> Self {
        let dir = TempDir::new().unwrap();
        let mut broker = Broker { dir, port: 0, kid: None };
        // Between finding a free port and listening on it somebody else may take it.
        for _ in 0..5 {
            broker.port = free_port();
            let text = configure(broker.dir.path(), broker.port) + STAY;
            std::fs::write(broker.path("mosquitto.conf"), text).unwrap();
            if broker.try_start() {
                return broker;
            }
        }
        panic!("mosquitto does not start: {}", std::fs::read_to_string(broker.path("log")).unwrap());
    }

    /// On the same port as before.
    pub fn start(&mut self) {
        wait("the port to be free again", SOON, || self.try_start().then_some(()));
    }

    fn try_start(&mut self) -> bool {
        let log = std::fs::File::create(self.path("log")).unwrap();
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(self.path("mosquitto.conf")).stdout(Stdio::null()).stderr(log);
        let mut kid = Kid::spawn(&mut command);
        let running = wait("mosquitto to listen or to give up", SOON, || {
            let said = std::fs::read_to_string(self.path("log")).unwrap();
            said.contains(" running").then_some(true).or_else(|| kid.0.try_wait().unwrap().map(|_| false))
        });
        self.kid = running.then_some(kid);
        running
    }

    /// SIGKILL: what it retained is gone with it.
    pub fn kill(&mut self) {
        self.kid = None;
    }

    /// SIGSTOP: the connection stands and nobody answers.
    pub fn freeze(&self) {
        let pid = self.kid.as_ref().expect("it was started").0.id();
        assert!(Command::new("kill").args(["-STOP", &pid.to_string()]).status().unwrap().success());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Adds a user to a password file.
pub fn add_user(file: &Path, user: &str, password: &str) {
    let create: &[&str] = if file.exists() { &[] } else { &["-c"] };
    let status = Command::new("mosquitto_passwd").args(create).arg("-b").arg(file).args([user, password]).status();
    assert!(status.unwrap().success());
}

/// `ca.pem` and two certificates by it: `server` for localhost and the address ::1, and `client`.
pub fn authority(dir: &Path) {
    let mut params = CertificateParams::new([]).unwrap();
    // Not the default name: a certificate whose issuer has its own name looks self-signed to OpenSSL.
    params.distinguished_name.push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(dir.join("ca.pem"), ca.pem()).unwrap();
    let server = vec!["localhost".to_owned(), "::1".to_owned()];
    for (name, hosts) in [("server", server), ("client", vec!["vedette".to_owned()])] {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(hosts).unwrap().signed_by(&key, &ca).unwrap();
        std::fs::write(dir.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// One message as a subscriber got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub topic: String,
    pub payload: String,
    /// It lay there before we subscribed.
    pub retained: bool,
}

#[derive(Default)]
struct Notes {
    heard: Vec<Heard>,
    subscribed: usize,
}

/// mosquitto_sub on every topic at QoS 0: mosquitto writes such a message on before it acknowledges it to its sender,
/// so that one it took before it was killed was heard. (At QoS 1 it holds back all but 20, which die with it.) Hears from when it is subscribed until it is dropped. It comes back after the broker did.
pub struct Subscriber {
    notes: Arc<(Mutex<Notes>, Condvar)>,
    _kid: Kid,
}

impl Subscriber {
    pub fn new(broker: &Broker) -> Self {
        Subscriber::with(broker.port, &[])
    }

    /// With further arguments to mosquitto_sub, such as `-u` and `-P`.
    pub fn with(port: u16, arguments: &[&str]) -> Self {
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "mosquitto_sub", "-d", "-t", "#", "-F", ">%r %t %p", "-p"]);
        command.arg(port.to_string()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut kid = Kid::spawn(&mut command);
        let lines = BufReader::new(kid.0.stdout.take().unwrap()).lines();
        let notes = Arc::<(Mutex<Notes>, Condvar)>::default();
        let write = notes.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut notes = write.0.lock().unwrap();
                if line.starts_with("Subscribed") {
                    notes.subscribed += 1;
                } else if let Some(message) = line.strip_prefix('>') {
                    let mut parts = message.splitn(3, ' ').map(str::to_owned);
                    let (Some(retained), Some(topic)) = (parts.next(), parts.next()) else { continue };
                    let payload = parts.next().unwrap_or_default();
                    notes.heard.push(Heard { topic, payload, retained: retained == "1" });
                }
                write.1.notify_all();
            }
        });
        let subscriber = Subscriber { notes, _kid: kid };
        subscriber.subscribed(1);
        subscriber
    }

    /// Waits until it has subscribed `times` times: once, and again after each return of the broker.
    pub fn subscribed(&self, times: usize) {
        self.wait("a subscription", |notes| (notes.subscribed >= times).then_some(()));
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.notes.0.lock().unwrap().heard.clone()
    }

    /// Payloads heard on this topic, in order.
    pub fn on(&self, topic: &str) -> Vec<String> {
        self.heard().into_iter().filter(|h| h.topic == topic).map(|h| h.payload).collect()
    }

    /// Waits until `seen` is content with what was heard, and returns at that moment.
    pub fn until<T>(&self, what: &str, seen: impl Fn(&[Heard]) -> Option<T>) -> T {
        self.wait(what, |notes| seen(&notes.heard))
    }

    fn wait<T>(&self, what: &str, seen: impl Fn(&Notes) -> Option<T>) -> T {
        let (notes, changed) = &*self.notes;
        let mut found = None;
        let blind = |notes: &mut Notes| {
            found = seen(notes);
            found.is_none()
        };
        let (notes, _) = changed.wait_timeout_while(notes.lock().unwrap(), SOON, blind).unwrap();
        let last = &notes.heard[notes.heard.len().saturating_sub(3)..];
        found.unwrap_or_else(|| panic!("{what}: not heard within {SOON:?}; last {last:?}"))
    }
}
