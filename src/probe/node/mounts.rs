//! `filesystem`: space on what is mounted. Each mount is asked on a thread of its own: one that hangs (a server that is
//! gone, a FUSE program that sleeps, a dead disk) is marked, and the others are told in time.

use super::health::{Health, Looked};
use super::sheet::{Missed, Sheet, if_there};
use crate::base::clock::{Clock, Window};
use crate::base::quit::Quit;
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::report::Report;
use crate::probe::{Failed, Kit, Running, Session, Tap};
use crate::world::machine::{Machine, Space, Under};
use crate::world::post::{Hung, Post};
use futures_util::future::join_all;
use std::collections::HashMap;
use std::time::Duration;

/// How long one mount may take; it takes microseconds, and over a slow network some hundred milliseconds.
const LIMIT: Duration = Duration::from_secs(2);
/// Mounts that are asked, each on a thread of its own.
const MOST: usize = 64;
/// Kinds that have no space of their own, or are there to be full.
const NO_SPACE: [&str; 24] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
];
/// Places, with all below them, that belong to the system or to containers.
const APART: [&str; 3] = ["/dev", "/proc", "/sys"];
/// Places whose every entry belongs to somebody else.
const APART_BELOW: [&str; 3] = ["/run/credentials/", "/var/lib/docker/", "/var/lib/containers/storage/"];

const LABELS: [&str; 3] = ["device", "mountpoint", "fstype"];
const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Desc<3> {
    Desc::gauge(name, unit, LABELS, help)
}
static SIZE: Desc<3> = gauge("node_filesystem_size_bytes", Unit::Bytes, "Size of the file system");
static FREE: Desc<3> = gauge("node_filesystem_free_bytes", Unit::Bytes, "Free space, what only root may fill included");
static AVAILABLE: Desc<3> = gauge("node_filesystem_avail_bytes", Unit::Bytes, "Free space for who is not root");
static FILES: Desc<3> = gauge("node_filesystem_files", Unit::Count, "Files that there can be; 0 if without a bound");
static FILES_FREE: Desc<3> = gauge("node_filesystem_files_free", Unit::Count, "Files that can still be made");
static READ_ONLY: Desc<3> =
    gauge("node_filesystem_readonly", Unit::Count, "1 if it is mounted for reading only, else 0");
static ERROR: Desc<3> = gauge(
    "node_filesystem_device_error",
    Unit::Count,
    "1 if it cannot be asked or does not answer within 2 s, and then nothing else is known of it; else 0",
);

pub static FAMILIES: &[Family] = &[
    SIZE.family(),
    FREE.family(),
    AVAILABLE.family(),
    FILES.family(),
    FILES_FREE.family(),
    READ_ONLY.family(),
    ERROR.family(),
];

/// One line of the mount table, fstab(5).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    device: String,
    point: String,
    kind: String,
    read_only: bool,
}

/// The mounts that have space to tell of; a later one at the same place under the same name is behind the first.
fn table(text: &str) -> Result<Vec<Mount>, Missed> {
    let mut all: Vec<Mount> = Vec::new();
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(device), Some(point), Some(kind), Some(options)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(Missed::Malformed("mounts"));
        };
        let point = point.replace("\\040", " ").replace("\\011", "\t");
        let apart = APART.iter().any(|a| point.strip_prefix(a).is_some_and(|r| r.is_empty() || r.starts_with('/')))
            || APART_BELOW.iter().any(|a| point.strip_prefix(a).is_some_and(|r| !r.is_empty()));
        let known = |m: &Mount| m.device == device && m.point == point && m.kind == kind;
        if apart || NO_SPACE.contains(&kind) || all.iter().any(known) {
            continue;
        }
        let read_only = options.split(',').any(|option| option == "ro");
        all.push(Mount { device: device.to_owned(), point, kind: kind.to_owned(), read_only });
    }
    Ok(all)
}

/// The mounts at work.
pub struct Mounts {
    machine: Machine,
    clock: Clock,
    every: Duration,
    health: Health,
    /// For the mount table.
    post: Post,
    /// By mount point.
    posts: HashMap<String, Post>,
}

impl Mounts {
    pub fn open(machine: Machine, kit: &mut Kit, every: Duration) -> Mounts {
        Mounts {
            machine,
            clock: kit.clock.clone(),
            every,
            health: Health::open(kit, "filesystem", every),
            post: Post::new("mounts", kit.clock.clone()),
            posts: HashMap::new(),
        }
    }

    async fn look(&mut self) -> Result<Looked, Hung> {
        let from = self.clock.boot();
        let mut sheet = Sheet::new(self.clock.now().wall);
        let machine = self.machine.clone();
        let read = move || {
            // With hidepid, or without the right to see process 1, our own: a sandboxed unit may see fewer.
            let text = match if_there(machine.text(Under::Proc, "1/mounts")) {
                Ok(Some(text)) => text,
                _ => machine.text(Under::Proc, "mounts")?,
            };
            table(&text)
        };
        let mut missed = None;
        let mut mounts = self.post.ask(LIMIT, read).await?.unwrap_or_else(|error| {
            missed = Some(error);
            Vec::new()
        });
        sheet.left_out = mounts.len().saturating_sub(MOST);
        mounts.truncate(MOST);
        // A thread that still hangs at a mount that is gone is forgotten; it ends when the kernel lets it.
        self.posts.retain(|point, _| mounts.iter().any(|mount| mount.point == *point));
        for mount in &mounts {
            let post = || Post::new("mount", self.clock.clone());
            self.posts.entry(mount.point.clone()).or_insert_with(post);
        }
        let asked = mounts.iter().map(|mount| {
            let (post, machine, point) = (&self.posts[&mount.point], self.machine.clone(), mount.point.clone());
            post.ask(LIMIT.min(self.every), move || machine.space(&point))
        });
        for (mount, space) in mounts.iter().zip(join_all(asked).await) {
            put(&mut sheet, mount, space.ok().and_then(Result::ok));
        }
        let took = self.clock.boot().since(from);
        Ok(Looked { facts: sheet.facts, left_out: sheet.left_out, missed, took })
    }
}

fn put(sheet: &mut Sheet, mount: &Mount, space: Option<Space>) {
    let labels = [&*mount.device, &*mount.point, &*mount.kind];
    sheet.put(&ERROR, labels, f64::from(space.is_none()));
    let Some(space) = space else { return };
    sheet.put(&SIZE, labels, space.size);
    sheet.put(&FREE, labels, space.free);
    sheet.put(&AVAILABLE, labels, space.available);
    sheet.put(&FILES, labels, space.files);
    sheet.put(&FILES_FREE, labels, space.files_free);
    sheet.put(&READ_ONLY, labels, f64::from(mount.read_only));
}

impl Session for Mounts {
    fn run<'a>(&'a mut self, tap: &'a Tap, quit: &'a Quit) -> Running<'a> {
        Box::pin(async move {
            let mut every = self.clock.every(self.every);
            loop {
                let from = self.clock.boot();
                let looked = tokio::select! {
                    looked = self.look() => looked.map_err(Failed::from)?,
                    () = quit.wait() => return Ok(()),
                };
                let mut report = Report::new(Window { from, to: self.clock.boot() });
                self.health.fold(&mut report, &looked);
                tap.send(report);
                tokio::select! {
                    _due = every.beat() => {}
                    () = quit.wait() => return Ok(()),
                }
            }
        })
    }

    fn fallen(&mut self, tap: &Tap) {
        let at = self.clock.boot();
        let mut report = Report::new(Window { from: at, to: at });
        self.health.fallen(&mut report);
        tap.send(report);
    }
}
