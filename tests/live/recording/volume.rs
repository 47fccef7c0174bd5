//! Volumes: the right one, the wrong one below it, and one that turns read-only. Needs root, for mount(8).

use super::*;
use vedette::world::folders::Places;

/// A mount that goes with the test.
struct Mount(PathBuf);

impl Mount {
    fn new(arguments: &[&str], at: &Path) -> Mount {
        run("mount", arguments, at);
        Mount(at.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg("--lazy").arg(&self.0).stderr(Stdio::null()).status();
    }
}

fn run(program: &str, arguments: &[&str], at: &Path) {
    let done = Command::new(program).args(arguments).arg(at).output().unwrap();
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_recording_that_lands_below_its_mount_point_is_told_and_is_no_gap() {
    let dir = tempfile::tempdir().unwrap();
    let place = folder(&dir, "yard");
    let mount = Mount::new(&["-t", "tmpfs", "vedette-rec", "-o", "size=64m"], &place);
    let watching = Watching::start(&table("yard", &place, "ts", "gap = \"8s\"\nvolume = \"vedette-rec\""));
    let _recorder = record(&place, 3);
    watching.wait("yard", "segments_total{verdict=\"whole\"}", SOON, |n| n >= 2.0);
    assert_eq!(watching.of("yard", "volume_expected"), Some(1.0));
    assert_eq!(watching.of("yard", "volume_size_bytes"), Some(64.0 * 1024.0 * 1024.0));
    let before = watching.of("yard", "segments_total{verdict=\"whole\"}").unwrap();
    drop(mount);
    // FFmpeg opens its next segment by its path, which is the directory below now.
    watching.is("yard", "volume_expected", 0.0);
    watching.wait("yard", "segments_total{verdict=\"whole\"}", SOON, |n| n >= before + 2.0);
    assert!(!files(&place).is_empty());
    assert_eq!((watching.of("yard", "gaps_total"), watching.of("yard", "gap_open")), (Some(0.0), Some(0.0)));
    assert_eq!(watching.of("yard", "directory_up"), Some(1.0));
}

#[test]
fn a_disk_is_known_by_its_uuid_and_told_when_it_turns_read_only() {
    let dir = tempfile::tempdir().unwrap();
    let (image, place, links) = (dir.path().join("image"), folder(&dir, "yard"), folder(&dir, "by-uuid"));
    const UUID: &str = "3f7c6a2e-0d5b-4c58-9a35-0f4a4f7be1d2";
    fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
    run("/sbin/mke2fs", &["-q", "-t", "ext4", "-U", UUID], &image);
    let mount = Mount::new(&["-o", "loop", image.to_str().unwrap()], &place);
    // As udev would do, which not every machine that builds has.
    let device = Command::new("findmnt").args(["-n", "-o", "SOURCE"]).arg(&place).output().unwrap();
    let device = String::from_utf8(device.stdout).unwrap();
    std::os::unix::fs::symlink(device.trim(), links.join(UUID)).unwrap();
    let places = Places { by_uuid: links, records: dir.path().join("none"), ..Places::default() };
    let disk = Disk::at(Clock::new(clock::System), places);
    let volume = format!("gap = \"4s\"\nvolume = \"UUID={UUID}\"");
    let watching = Watching::on(&table("yard", &place, "ts", &volume), Arc::new(disk));
    let recorder = record(&place, 3);
    watching.is("yard", "volume_expected", 1.0);
    watching.wait("yard", "segments_total{verdict=\"whole\"}", SOON, |n| n >= 1.0);
    assert_eq!(watching.of("yard", "volume_read_only"), Some(0.0));
    let info = format!("volume_info{{device={:?},fstype=\"ext4\"}}", device.trim());
    // Labels are sorted by name.
    let info = watching.of("yard", &info);
    assert_eq!(info, Some(1.0), "{:?}", watching.page());
    // As after an error of the disk: who writes is cut off.
    drop(recorder);
    run("mount", &["-o", "remount,ro"], &place);
    watching.is("yard", "volume_read_only", 1.0);
    watching.is("yard", "gap_open", 1.0);
    drop(mount);
    watching.wait("yard", "directory_up", SOON, |up| up == 1.0);
    wait("a volume without the UUID", SOON, || {
        let expected = watching.of("yard", "volume_expected");
        (expected != Some(1.0)).then_some(())
    });
}
