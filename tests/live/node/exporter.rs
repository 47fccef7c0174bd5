//! Debian's node_exporter.

use super::page::Page;
use super::talk::Talk;
use crate::support::{Kid, free_port, wait};
use std::process::{Command, Stdio};
use std::time::Duration;

/// It at work, and a connection to it that stays, so that both sides are asked with the same sockets open.
pub struct Exporter {
    _kid: Kid,
    talk: Talk,
}

/// Upstream's own default: Debian's leaves out /mnt and /media, where recordings are, and /run.
const MOUNTS: &str = "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)";

impl Exporter {
    pub fn start(arguments: &[String]) -> Exporter {
        let port = free_port();
        let mut command = Command::new("prometheus-node-exporter");
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg(MOUNTS).args(arguments);
        let kid = Kid::spawn(command.stderr(Stdio::null()));
        let mut talk = wait("node_exporter", Duration::from_secs(20), || Talk::with(port).ok());
        talk.page().expect("node_exporter answers");
        Exporter { _kid: kid, talk }
    }

    pub fn page(&mut self) -> Page {
        Page::parse(&self.talk.page().expect("node_exporter answers"))
    }
}
