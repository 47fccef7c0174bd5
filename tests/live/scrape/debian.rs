//! Debian's exporters, with what they watch, on free ports.

use crate::support::vedette::START;
use crate::support::{Kid, free_port, wait};
use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Nobody: PostgreSQL does not run as root.
const NOBODY: u32 = 65534;

/// A server on loopback.
pub struct Server {
    pub port: u16,
    _kid: Kid,
    _home: TempDir,
}

pub struct Exporter {
    pub id: &'static str,
    pub server: Server,
    /// What it watches.
    pub watched: Option<Server>,
}

pub fn all() -> Vec<Exporter> {
    let (redis, postgres) = (redis(), postgres());
    let address = format!("redis://127.0.0.1:{}", redis.port);
    let source = format!("postgresql://postgres@127.0.0.1:{}/postgres?sslmode=disable", postgres.port);
    let listen = "--web.listen-address=";
    let process = ["-procnames", "redis-server", "-web.listen-address="];
    let exporter = |id, arguments: &[&str], watched| Exporter { id, server: start(id, arguments, &source), watched };
    vec![
        exporter("node", &[listen], None),
        exporter("process", &process, None),
        exporter("redis", &["--redis.addr", &address, listen], Some(redis)),
        exporter("postgres", &[listen], Some(postgres)),
    ]
}

/// The last argument takes the address; `source` is read by one of them only.
fn start(id: &str, arguments: &[&str], source: &str) -> Server {
    let port = free_port();
    let mut command = Command::new(format!("prometheus-{id}-exporter"));
    let (listen, others) = arguments.split_last().unwrap();
    command.args(others).arg(format!("{listen}127.0.0.1:{port}")).env("DATA_SOURCE_NAME", source);
    server(&mut command, port, tempfile::tempdir().unwrap())
}

fn server(command: &mut Command, port: u16, home: TempDir) -> Server {
    let kid = Kid::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()));
    wait(&format!("{command:?}"), START, || TcpStream::connect(("127.0.0.1", port)).ok());
    Server { port, _kid: kid, _home: home }
}

fn redis() -> Server {
    let (port, home) = (free_port(), tempfile::tempdir().unwrap());
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string(), "--dir"]).arg(home.path());
    server(&mut command, port, home)
}

fn postgres() -> Server {
    let (port, home) = (free_port(), tempfile::tempdir().unwrap());
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap().flatten();
    let binaries: PathBuf = versions.map(|entry| entry.path().join("bin")).max().unwrap();
    // SAFETY: geteuid(2) takes nothing and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    if root {
        chown(home.path(), Some(NOBODY), None).unwrap();
    }
    let command = |binary: &str, arguments: &[&str]| {
        let mut command = Command::new(binaries.join(binary));
        command.arg("-D").arg(home.path()).args(arguments).current_dir("/");
        if root {
            command.uid(NOBODY);
        }
        command
    };
    let made =
        command("initdb", &["--username=postgres", "--auth=trust", "--no-sync", "--no-locale"]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let mut command = command("postgres", &["-p", &port.to_string(), "-h", "127.0.0.1", "-k", "", "-F"]);
    server(&mut command, port, home)
}
