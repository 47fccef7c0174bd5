use super::super::What;
use super::*;
use crate::base::clock::Sim;
use std::path::PathBuf;

/// Asks until something that fits happened; the kernel tells at once, so the bound is for a machine that sleeps.
fn told(watch: &Watch, wanted: What, name: &str) {
    let mut seen = Vec::new();
    for _ in 0..50_000_000_u64 {
        seen.extend(watch.take().0.into_iter().map(|event| (event.what, event.name)));
        if seen.contains(&(wanted, name.to_owned())) {
            return;
        }
        std::thread::yield_now();
    }
    panic!("{wanted:?} of {name:?} was not told; {seen:?}");
}

fn folders() -> (Disk, tempfile::TempDir) {
    (Disk::new(Sim::new().clock()), tempfile::tempdir().unwrap())
}

#[test]
fn what_happens_in_a_watched_directory_is_told_to_everyone_who_watches_it() {
    let (disk, dir) = folders();
    let at = |name: &str| dir.path().join(name);
    let (first, second) = (disk.watch(dir.path()).unwrap(), disk.watch(dir.path()).unwrap());
    std::fs::write(at("a.ts"), "x").unwrap();
    for watch in [&first, &second] {
        told(watch, What::Closed, "a.ts");
    }
    drop(first);
    std::fs::rename(at("a.ts"), at("b.ts")).unwrap();
    told(&second, What::Arrived, "b.ts");
    std::fs::create_dir(at("day")).unwrap();
    told(&second, What::Created, "day");
    drop(dir);
    told(&second, What::Gone, "");
    drop(second);
    assert!(disk.notify().unwrap().feeds_are_empty());
}

#[test]
fn what_cannot_be_watched_has_a_reason() {
    let (disk, dir) = folders();
    assert_eq!(disk.watch(&dir.path().join("nowhere")).err(), Some(Unwatched::Missing));
    std::fs::write(dir.path().join("file"), "").unwrap();
    assert_eq!(disk.watch(&dir.path().join("file")).err(), Some(Unwatched::Missing));
}

#[test]
fn files_are_listed_read_and_dated() {
    let (disk, dir) = folders();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("a.ts"), "hello").unwrap();
    std::fs::create_dir(at("day")).unwrap();
    std::os::unix::fs::symlink("day", at("today")).unwrap();
    let mut listed = disk.list(dir.path()).unwrap();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let listed: Vec<_> = listed.iter().map(|entry| (entry.name.as_str(), entry.directory)).collect();
    assert_eq!(listed, [("a.ts", false), ("day", true), ("today", true)]);
    let stat = disk.stat(&at("a.ts")).unwrap();
    assert_eq!((stat.directory, stat.size), (false, 5));
    assert!(stat.born.is_none_or(|born| born <= stat.modified));
    let mut buffer = [0; 8];
    let pages = disk.open(&at("a.ts")).unwrap();
    assert_eq!((pages.read(1, &mut buffer).unwrap(), &buffer[..4]), (4, &b"ello"[..]));
    assert_eq!(pages.read(u64::MAX, &mut buffer).unwrap_or(0), 0);
    assert!(disk.open(&at("day")).is_err());
    assert!(disk.stat(&PathBuf::from("/nowhere")).is_err());
}
