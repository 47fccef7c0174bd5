//! `filesystem`: space on what is mounted. Each mount is asked on a thread of its own: one that hangs (a server that is
//! gone, a FUSE program that sleeps, a dead disk) is marked, and the others are told in time.

use super::health::{Health, Looked};
use super::sheet::{Missed, Sheet};
use super::trend::Trend;
use crate::base::clock::{Clock, Window};
use crate::base::quit::Quit;
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::report::{NoData, Report};
use crate::probe::{Failed, Kit, Running, Session, Tap};
use crate::world::machine::{Machine, Space, Under, why};
use crate::world::post::{Hung, Post};
use futures_util::future::join_all;
use std::collections::HashMap;
use std::time::Duration;

/// How long one mount may take; it takes microseconds, and over a slow network some hundred milliseconds.
const LIMIT: Duration = Duration::from_secs(2);
/// Mounts that are asked, each on a thread of its own.
const MOST: usize = 64;
/// Kinds that have no space of their own, or are there to be full.
const NO_SPACE: [&str; 28] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cramfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "erofs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "romfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
    "udf",
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
    "1 if it answers with an error or not within 2 s, and then nothing else is known of it; else 0; absent where we may not \
     ask",
);
static TAKEN: Desc<3> = gauge(
    "filesystem_remounted_readonly",
    Unit::Count,
    "1 if the kernel took the right to write away because of errors, while it is mounted for writing; else 0",
);
static UNTIL_FULL: Desc<3> = gauge(
    "filesystem_until_full_seconds",
    Unit::Seconds,
    "When nothing will be free for who is not root, by a straight line through the last 24 h; absent while that does not \
     fall, is further than a year away, or less than 2 h are known",
);

pub static FAMILIES: &[Family] = &[
    SIZE.family(),
    FREE.family(),
    AVAILABLE.family(),
    FILES.family(),
    FILES_FREE.family(),
    READ_ONLY.family(),
    ERROR.family(),
    TAKEN.family(),
    UNTIL_FULL.family(),
];

/// What is mounted where, so that what is known of it is not taken for another's. The kernel gives the number of a mount
/// that was taken away to the next one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    id: u32,
    /// Major and minor number.
    number: String,
    device: String,
    point: String,
}

/// One line of the mount table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    place: Place,
    kind: String,
    read_only: bool,
    /// By the kernel, see [`TAKEN`].
    taken: bool,
}

/// The mounts that have space to tell of, from the text of `mountinfo`, proc_pid_mountinfo(5); a later one at the same place
/// under the same name is behind the first.
fn table(text: &str) -> Result<Vec<Mount>, Missed> {
    let mut all: Vec<Mount> = Vec::new();
    for line in text.lines() {
        let mount = mount(line).ok_or(Missed::Malformed("mountinfo"))?;
        let below = |place: &str| mount.place.point.strip_prefix(place);
        let apart = APART.iter().any(|place| below(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
            || APART_BELOW.iter().any(|place| below(place).is_some_and(|rest| !rest.is_empty()));
        let known = |m: &Mount| {
            (&m.place.device, &m.place.point, &m.kind) == (&mount.place.device, &mount.place.point, &mount.kind)
        };
        if !apart && !NO_SPACE.contains(&&*mount.kind) && !all.iter().any(known) {
            all.push(mount);
        }
    }
    Ok(all)
}

/// The machine's mounts as far as we can see them, and how many we cannot.
fn read(machine: &Machine) -> Result<(Vec<Mount>, usize), Missed> {
    let own = machine.text(Under::Proc, "self/mountinfo");
    // With hidepid we see no process but our own.
    match machine.text(Under::Proc, "1/mountinfo") {
        Ok(text) => visible(&text, own.ok().as_deref()),
        Err(_) => visible(&own?, None),
    }
}

/// By the mount table of the machine and our own: a sandbox (`ProtectHome=` and its like) may have put something else in
/// the place of a mount, and its size is not that of the mount.
fn visible(text: &str, own: Option<&str>) -> Result<(Vec<Mount>, usize), Missed> {
    let mut mounts = table(text)?;
    let all = mounts.len();
    if let Some(own) = own.filter(|own| *own != text) {
        let seen: HashMap<_, _> =
            own.lines().filter_map(mount).map(|mount| (mount.place.point, mount.place.number)).collect();
        mounts.retain(|mount| seen.get(&mount.place.point) == Some(&mount.place.number));
    }
    let hidden = all - mounts.len();
    Ok((mounts, hidden))
}

fn mount(line: &str) -> Option<Mount> {
    // Before the dash stand as many optional fields as the kernel likes.
    let (place, what) = line.split_once(" - ")?;
    let mut place = place.split(' ');
    let id = place.next()?.parse().ok()?;
    let (number, point, options) = (place.nth(1)?.to_owned(), plain(place.nth(1)?), place.next()?);
    let mut what = what.split(' ');
    let (kind, device, of_all) = (what.next()?, what.next()?, what.next()?);
    // Of this mount, or of the file system wherever it is mounted: as when the kernel met errors on the disk.
    let read_only = [options, of_all].iter().any(|options| options.split(',').any(|option| option == "ro"));
    // mount(8) sets both; when the kernel met errors (ext4's errors=remount-ro, btrfs), only the file system is read-only.
    // Since Linux 6.15 ext4 has words of its own for it.
    let has = |options: &str, words: &[&str]| options.split(',').any(|option| words.contains(&option));
    let taken = !has(options, &["ro"]) && has(of_all, &["ro", "emergency_ro", "shutdown"]);
    let place = Place { id, number, device: device.to_owned(), point };
    Some(Mount { place, kind: kind.to_owned(), read_only, taken })
}

/// A path without the escapes that the kernel writes for what would break its line: `\040` for a blank.
fn plain(path: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(path.to_owned(), |path, (escape, meant)| path.replace(escape, meant))
}

/// The mounts at work.
pub struct Mounts {
    machine: Machine,
    clock: Clock,
    every: Duration,
    health: Health,
    /// For the mount table.
    post: Post,
    posts: HashMap<Place, Post>,
    trends: HashMap<Place, Trend>,
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
            trends: HashMap::new(),
        }
    }

    async fn look(&mut self) -> Result<Looked, Hung> {
        let from = self.clock.boot();
        let mut sheet = Sheet::new(self.clock.now().wall);
        let machine = self.machine.clone();
        let mut missed = None;
        let (mut mounts, hidden) = self.post.ask(LIMIT, move || read(&machine)).await?.unwrap_or_else(|error| {
            missed = Some(error);
            Default::default()
        });
        // The threads that still hang at a mount that is gone take the place of others, lest there be ever more of them.
        self.posts.retain(|place, post| post.stuck() > 0 || mounts.iter().any(|mount| mount.place == *place));
        let gone = self.posts.keys().filter(|place| !mounts.iter().any(|mount| mount.place == **place)).count();
        let room = MOST.saturating_sub(gone);
        sheet.left_out = hidden + mounts.len().saturating_sub(room);
        mounts.truncate(room);
        for mount in &mounts {
            let post = || Post::new("mount", self.clock.clone());
            self.posts.entry(mount.place.clone()).or_insert_with(post);
        }
        let asked = mounts.iter().map(|mount| {
            let (post, machine, point) = (&self.posts[&mount.place], self.machine.clone(), mount.place.point.clone());
            post.ask(LIMIT.min(self.every), move || machine.space(&point))
        });
        for (mount, space) in mounts.iter().zip(join_all(asked).await) {
            let space = space.map_err(|hung| Failed::from(hung).why);
            let space = space.and_then(|answer| answer.map_err(|unreadable| why(&unreadable.source)));
            let trend = self.trends.entry(mount.place.clone()).or_default();
            let until_full = space.ok().and_then(|space| trend.until_full(from, space.available));
            put(&mut sheet, mount, space, until_full);
        }
        self.trends.retain(|place, _| mounts.iter().any(|mount| mount.place == *place));
        let took = self.clock.boot().since(from);
        Ok(Looked { facts: sheet.facts, left_out: sheet.left_out, missed, took })
    }
}

fn put(sheet: &mut Sheet, mount: &Mount, space: Result<Space, NoData>, until_full: Option<f64>) {
    // It answers whom it belongs to: a user's stick below a directory of his own, FUSE without allow_other.
    if space == Err(NoData::Denied) {
        sheet.left_out += 1;
        return;
    }
    let labels = [&*mount.place.device, &*mount.place.point, &*mount.kind];
    sheet.put(&ERROR, labels, f64::from(space.is_err()));
    sheet.put(&TAKEN, labels, f64::from(mount.taken));
    let Ok(space) = space else { return };
    until_full.into_iter().for_each(|seconds| sheet.put(&UNTIL_FULL, labels, seconds));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Sim, Wall};
    use crate::metric::book::Book;
    use crate::world::World;
    use crate::world::machine::Roots;
    use std::io::Write;
    use tempfile::Builder;

    #[test]
    fn a_line_of_the_mount_table_says_what_is_mounted_where() {
        let line = r"41 27 9:0 / /srv/old\040one\134two rw,noatime shared:7 master:2 - xfs /dev/md0 ro,attr2";
        let mount = mount(line).unwrap();
        assert_eq!((mount.place.id, &*mount.place.device, &*mount.kind), (41, "/dev/md0", "xfs"));
        assert_eq!((&*mount.place.point, mount.read_only, mount.taken), (r"/srv/old one\two", true, true));
    }

    #[test]
    fn what_belongs_to_the_system_or_lies_behind_another_is_no_row_of_its_own() {
        let line = |id: u32, point: &str, kind: &str| format!("{id} 1 8:1 / {point} rw - {kind} /dev/sda1 rw\n");
        let text = line(1, "/", "ext4")
            + &line(2, "/dev/shm", "tmpfs")
            + &line(3, "/device", "ext4")
            + &line(4, "/proc", "proc")
            + &line(5, "/var/lib/docker/x", "ext4")
            + &line(6, "/device", "ext4")
            // An image: the kernel itself made it read-only, and it is full by its nature.
            + "7 1 8:3 / /usr rw - erofs /dev/sda3 ro\n"
            + &line(8, "/media/dvd", "udf");
        let kept: Vec<_> = table(&text).unwrap().iter().map(|mount| mount.place.id).collect();
        assert_eq!(kept, [1, 3]);
        assert!(table("1 2 3\n").is_err());
    }

    #[test]
    fn a_mount_that_we_may_not_ask_is_counted_and_is_no_mount_that_does_not_answer() {
        let mount = mount("41 27 8:17 / /media/alice/STICK rw - vfat /dev/sdb1 rw").unwrap();
        let told = |space| {
            let mut sheet = Sheet::new(Wall::from_millis(0));
            put(&mut sheet, &mount, space, None);
            let rows = sheet.facts.iter().map(|fact| format!("{} {}", fact.family.name, fact.value));
            (rows.collect::<Vec<_>>().join(" "), sheet.left_out)
        };
        assert_eq!(told(Err(NoData::Denied)), (String::new(), 1));
        for why in [NoData::Timeout, NoData::Unreachable] {
            assert_eq!(told(Err(why)), (format!("{} 1 {} 0", ERROR.name, TAKEN.name), 0));
        }
    }

    #[tokio::test]
    async fn what_is_mounted_under_the_number_of_another_has_no_past() {
        let proc = tempfile::tempdir().unwrap();
        let init = Builder::new().prefix("1").rand_bytes(0).tempdir_in(proc.path()).unwrap();
        let mounted = |line: &str| {
            let mut file = Builder::new().prefix("mountinfo").rand_bytes(0).tempfile_in(init.path()).unwrap();
            file.write_all(line.as_bytes()).unwrap();
            file
        };
        let machine =
            |root: &str| Machine::at(Roots { proc: proc.path().into(), root: root.into(), ..Roots::default() });
        let sim = Sim::new();
        let world = World::scripted(sim.clock());
        let mut kit = Kit::new(world, Book::default(), Default::default(), Default::default());
        let mut mounts = Mounts::open(machine("/"), &mut kit, Duration::from_secs(5));
        let table = mounted("63 1 8:17 / /usr rw - xfs /dev/sdb1 rw\n");
        for _ in 0..30 {
            mounts.look().await.unwrap();
            sim.advance(Duration::from_secs(5 * 60));
        }
        drop(table);
        let _table = mounted("63 1 8:33 / /self rw - xfs /dev/sdc1 rw\n");
        // Below /proc nothing is ever free.
        mounts.machine = machine("/proc");
        let facts = mounts.look().await.unwrap().facts;
        let of = |desc: &Desc<3>| facts.iter().find(|f| f.family.name == desc.name).map(|f| (f.label(0), f.value));
        assert_eq!((of(&AVAILABLE), of(&UNTIL_FULL)), (Some(("/dev/sdc1", 0.0)), None));
    }

    #[test]
    fn what_a_sandbox_put_something_else_over_is_left_out_and_counted() {
        let table =
            |home: &str| format!("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 {home} / /home rw - ext4 /dev/sda2 rw\n");
        let seen = |own: Option<&str>| {
            let (mounts, hidden) = visible(&table("8:2"), own).unwrap();
            (mounts.into_iter().map(|mount| mount.place.point).collect::<Vec<_>>().join(" "), hidden)
        };
        assert_eq!(seen(None), ("/ /home".to_owned(), 0));
        assert_eq!(seen(Some(&table("8:2"))), ("/ /home".to_owned(), 0));
        assert_eq!(seen(Some(&table("0:25"))), ("/".to_owned(), 1));
    }
}
