//! What `/proc` and `/sys/fs/cgroup` say, under given roots. Everything here may hang.

use super::{Identity, State, Usage, Wanted};
use crate::base::clock::Boot;
use crate::metric::report::NoData;
use procfs::ProcError;
use procfs::process::Process;
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of a command name that the kernel keeps.
const NAME: usize = 15;

/// What a look for processes found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fitting {
    pub(super) youngest: Option<Identity>,
    pub(super) count: usize,
    /// A process that might fit could not be read.
    pub(super) blind: bool,
}

/// The names of all processes, read at once for all who look.
pub(super) struct Names {
    all: Vec<(i32, Vec<u8>)>,
    /// Other users' processes are hidden from us.
    hidden: bool,
}

/// Reads the whole process table; a process that ended meanwhile is not in it.
pub(super) fn names(proc: &Path) -> std::io::Result<Names> {
    let name = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, fs::read(entry.path().join("comm")).ok()?))
    };
    let all = fs::read_dir(proc)?.flatten().filter_map(name).collect();
    // Where other users' processes are hidden, not even the first process of all is seen.
    Ok(Names { all, hidden: !proc.join("1").exists() })
}

/// The process that told its pid itself.
pub(super) fn told(proc: &Path, pid: i32, wanted: &Wanted) -> Fitting {
    let youngest = fits(proc, pid, wanted).ok().flatten();
    Fitting { youngest, count: usize::from(youngest.is_some()), blind: false }
}

/// All processes that fit.
pub(super) fn find(proc: &Path, names: &Names, wanted: &Wanted) -> Fitting {
    let command = wanted.command.as_bytes();
    let command = &command[..command.len().min(NAME)];
    let mut fitting = Fitting { blind: names.hidden, ..Fitting::default() };
    for (pid, _) in names.all.iter().filter(|(_, name)| name.trim_ascii_end() == command) {
        match fits(proc, *pid, wanted) {
            Ok(Some(identity)) => {
                fitting.count += 1;
                if fitting.youngest.is_none_or(|best| (identity.started, identity.pid) > (best.started, best.pid)) {
                    fitting.youngest = Some(identity);
                }
            }
            Ok(None) | Err(ProcError::NotFound(_)) => {}
            Err(_) => fitting.blind = true,
        }
    }
    fitting
}

fn process(proc: &Path, pid: i32) -> Result<Process, ProcError> {
    Process::new_with_root(proc.join(pid.to_string()))
}

fn fits(proc: &Path, pid: i32, wanted: &Wanted) -> Result<Option<Identity>, ProcError> {
    let process = process(proc, pid)?;
    let stat = process.stat()?;
    if state(stat.state) == State::Dead {
        return Ok(None);
    }
    if let Some(unit) = &wanted.unit
        && !cgroups(proc, pid)?.iter().any(|(_, path)| path.split('/').any(|part| part == unit))
    {
        return Ok(None);
    }
    if !wanted.arguments.is_empty() {
        let arguments = process.cmdline()?;
        let there = |part: &String| arguments.iter().any(|argument| contains(argument, part));
        if !wanted.arguments.iter().all(there) {
            return Ok(None);
        }
    }
    if let Some((name, value)) = &wanted.environment
        && process.environ()?.get(std::ffi::OsStr::new(name)).is_none_or(|v| v != std::ffi::OsStr::new(value))
    {
        return Ok(None);
    }
    Ok(Some(Identity { pid, started: stat.starttime }))
}

/// Whether an argument contains a part; the login in a URL of the argument is passed over.
fn contains(argument: &str, part: &str) -> bool {
    if argument.contains(part) {
        return true;
    }
    let Some((scheme, rest)) = argument.split_once("://") else { return false };
    let authority = rest.find('/').unwrap_or(rest.len());
    let Some(at) = rest[..authority].rfind('@') else { return false };
    format!("{scheme}://{}", &rest[at + 1..]).contains(part)
}

/// Controllers and path of each hierarchy, cgroups(7). Read by hand: the library refuses a hierarchy without a name.
fn cgroups(proc: &Path, pid: i32) -> Result<Vec<(String, String)>, ProcError> {
    let text = fs::read_to_string(proc.join(pid.to_string()).join("cgroup"))?;
    let line = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
    };
    Ok(text.lines().filter_map(line).collect())
}

/// Whether an argument is FFmpeg's `-progress`.
pub(super) fn reports(proc: &Path, who: Identity) -> Option<bool> {
    let arguments = process(proc, who.pid).and_then(|p| p.cmdline()).ok()?;
    Some(arguments.iter().any(|argument| argument == "-progress"))
}

/// What a process uses; `None` when it is gone, or the pid is another's by now.
pub(super) fn usage(proc: &Path, cgroup: &Path, who: Identity) -> Option<Usage> {
    let process = process(proc, who.pid).ok()?;
    let stat = process.stat().ok().filter(|stat| stat.starttime == who.started)?;
    let hertz = procfs::ticks_per_second();
    Some(Usage {
        started: Boot::from_nanos(stat.starttime * (1_000_000_000 / hertz)),
        cpu: (stat.utime + stat.stime) as f64 / hertz as f64,
        resident: process.statm().map_or(stat.rss, |statm| statm.resident) * procfs::page_size(),
        threads: u64::try_from(stat.num_threads).unwrap_or(0),
        oom_score: process.oom_score().map(u64::from).map_err(|error| why(&error)),
        state: state(stat.state),
        cgroup_io: cgroup_io(proc, cgroup, who.pid),
    })
}

fn state(letter: char) -> State {
    match letter {
        'D' => State::Blocked,
        'T' | 't' => State::Stopped,
        'Z' | 'X' | 'x' => State::Dead,
        _ => State::Live,
    }
}

fn why(error: &ProcError) -> NoData {
    match error {
        ProcError::PermissionDenied(_) => NoData::Denied,
        ProcError::NotFound(_) => NoData::NotPresent,
        _ => NoData::Malformed,
    }
}

/// `io.stat` of the unified hierarchy (cgroup v2), summed over devices. Without IOAccounting= there is no such file.
fn cgroup_io(proc: &Path, cgroup: &Path, pid: i32) -> Result<(u64, u64), NoData> {
    let groups = cgroups(proc, pid).map_err(|error| why(&error))?;
    let (_, path) = groups.iter().find(|(controllers, _)| controllers.is_empty()).ok_or(NoData::Unsupported)?;
    let file: PathBuf = cgroup.join(path.trim_start_matches('/')).join("io.stat");
    let text = fs::read_to_string(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => NoData::NotPresent,
        _ => NoData::Denied,
    })?;
    let sum = |key: &str| {
        let values = text.split_whitespace().filter_map(|word| word.strip_prefix(key)?.parse::<u64>().ok());
        values.fold(0, u64::saturating_add)
    };
    Ok((sum("rbytes="), sum("wbytes=")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `/proc` made by hand.
    fn made(root: &Path, pid: i32, comm: &str, started: u64, arguments: &[&str], cgroup: &str) {
        let dir = root.join(pid.to_string());
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("comm"), format!("{comm}\n")).unwrap();
        let tail = format!("1 0 -1 4194304 9 0 3 0 150 50 0 0 20 0 7 0 {started} 999424 2048");
        fs::write(dir.join("stat"), format!("{pid} ({comm}) S 1 1 {tail}{}\n", " 0".repeat(28))).unwrap();
        fs::write(dir.join("statm"), "500 100 90 10 0 50 0\n").unwrap();
        fs::write(dir.join("cmdline"), arguments.iter().map(|a| format!("{a}\0")).collect::<String>()).unwrap();
        fs::write(dir.join("environ"), "HOME=/\0CAMERA=yard\0").unwrap();
        fs::write(dir.join("cgroup"), format!("5:cpu,cpuacct:/x\n0::{cgroup}\n")).unwrap();
        fs::write(dir.join("oom_score"), "667\n").unwrap();
    }

    fn wanted(arguments: &[&str]) -> Wanted {
        let arguments = arguments.iter().map(|a| (*a).to_owned()).collect();
        Wanted { command: "ffmpeg".into(), arguments, ..Wanted::default() }
    }

    #[test]
    fn a_process_is_found_by_all_that_is_said_of_it_and_the_youngest_wins() {
        let root = tempfile::tempdir().unwrap();
        made(root.path(), 1, "init", 0, &[], "/");
        let yard = ["ffmpeg", "-i", "rtsp://root:hunter2@10.0.0.9:554/yard", "/rec/yard-%s.mp4"];
        made(root.path(), 40, "ffmpeg", 100, &yard, "/system.slice/recorder@yard.service");
        made(root.path(), 7, "ffmpeg", 300, &yard, "/system.slice/recorder@yard.service");
        made(root.path(), 50, "ffmpeg", 200, &["ffmpeg", "/rec/gate-%s.mp4"], "/system.slice/recorder@gate.service");
        made(root.path(), 60, "sh", 400, &["sh", "-c", "ffmpeg /rec/yard-%s.mp4"], "/");
        let found = |wanted: &Wanted| find(root.path(), &names(root.path()).unwrap(), wanted);
        let both = Fitting { youngest: Some(Identity { pid: 7, started: 300 }), count: 2, blind: false };
        assert_eq!(found(&wanted(&["/rec/yard-"])), both, "not the shell that names it too");
        assert_eq!(found(&wanted(&["rtsp://10.0.0.9:554/yard"])), both, "the login does not matter");
        assert_eq!(found(&wanted(&["/rec/yard-", "gate"])), Fitting::default());
        let unit = Wanted { unit: Some("recorder@gate.service".into()), ..wanted(&[]) };
        assert_eq!(found(&unit).youngest, Some(Identity { pid: 50, started: 200 }));
        let gate = Wanted { environment: Some(("CAMERA".into(), "gate".into())), ..wanted(&[]) };
        assert_eq!(found(&gate), Fitting::default());
        let by_environment = Wanted { environment: Some(("CAMERA".into(), "yard".into())), ..wanted(&["/rec/gate-"]) };
        assert_eq!(found(&by_environment).youngest, Some(Identity { pid: 50, started: 200 }));
        let another = Wanted { unit: Some("recorder@yard.servic".into()), ..wanted(&[]) };
        assert_eq!(found(&another), Fitting::default(), "a unit is named in full");
        let long = Wanted { command: "ffmpeg-of-the-north".into(), ..Wanted::default() };
        made(root.path(), 70, "ffmpeg-of-the-n", 1, &[], "/");
        assert_eq!(found(&long).count, 1, "the kernel keeps 15 bytes");
        fs::remove_dir_all(root.path().join("1")).unwrap();
        assert!(found(&wanted(&["/rec/yard-"])).blind, "without pid 1 others are hidden");
    }

    #[test]
    fn usage_is_of_the_same_start_time_or_of_nobody() {
        let (root, cgroup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        made(root.path(), 7, "ffmpeg", 300, &["ffmpeg", "-progress", "udp://127.0.0.1:9"], "/rec");
        let who = Identity { pid: 7, started: 300 };
        let read = || usage(root.path(), cgroup.path(), who);
        let got = read().unwrap();
        let hertz = procfs::ticks_per_second();
        assert_eq!((got.cpu, got.threads, got.oom_score), (200.0 / hertz as f64, 7, Ok(667)));
        assert_eq!((got.resident, got.cgroup_io), (100 * procfs::page_size(), Err(NoData::NotPresent)));
        assert_eq!(got.started, Boot::from_nanos(300 * (1_000_000_000 / hertz)));
        fs::create_dir(cgroup.path().join("rec")).unwrap();
        let stat = "8:0 rbytes=100 wbytes=50 rios=1 wios=1\n259:0 rbytes=7 wbytes=8 rios=1 wios=1\n";
        fs::write(cgroup.path().join("rec/io.stat"), stat).unwrap();
        assert_eq!(read().unwrap().cgroup_io, Ok((107, 58)));
        assert_eq!(reports(root.path(), who), Some(true));
        assert_eq!(usage(root.path(), cgroup.path(), Identity { started: 301, ..who }), None);
    }

    #[test]
    fn this_process_is_found_in_the_real_table() {
        let comm = fs::read_to_string("/proc/self/comm").unwrap();
        let own = Wanted { command: comm.trim_end().to_owned(), ..Wanted::default() };
        let fitting = find(Path::new("/proc"), &names(Path::new("/proc")).unwrap(), &own);
        assert!(fitting.count >= 1, "{fitting:?}");
        let got = usage(Path::new("/proc"), Path::new("/sys/fs/cgroup"), fitting.youngest.unwrap()).unwrap();
        assert!(got.resident > 100_000 && got.threads >= 1, "{got:?}");
    }
}
