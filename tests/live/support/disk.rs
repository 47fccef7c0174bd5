//! Disks that are real to the kernel and can be made to fail: loop devices with ext4, images on a tmpfs that is too small.

use super::wait;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(60);

fn run(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|out| out.status.success())
}

/// Says why a test that needs to mount does nothing.
fn not_allowed<T>() -> Option<T> {
    eprintln!("not allowed to mount: not tested");
    None
}

/// A tmpfs of this size, unmounted when the test lets go of it.
pub struct Small(PathBuf);

impl Small {
    pub fn mount(dir: &Path, size: &str) -> Option<Small> {
        std::fs::create_dir_all(dir).unwrap();
        let done = run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", dir.to_str().unwrap()]);
        if done { Some(Small(dir.to_owned())) } else { not_allowed() }
    }

    /// Writes until there is no room for a byte; returns what is to be removed to get it back.
    pub fn fill(dir: &Path) -> PathBuf {
        let filler = dir.join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        while std::io::Write::write(&mut file, &[0; 4096]).is_ok_and(|n| n > 0) {}
        filler
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _unmounted = run("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

/// An ext4 file system in an image of its own, on a loop device.
pub struct Disk {
    image: PathBuf,
    at: PathBuf,
    frozen: bool,
}

impl Disk {
    /// Makes the image, sparse, of 32 MiB, and mounts it.
    pub fn mount(image: &Path, at: &Path) -> Option<Disk> {
        std::fs::create_dir_all(at).unwrap();
        std::fs::File::create(image).unwrap().set_len(32 << 20).unwrap();
        let image_name = image.to_str().unwrap();
        assert!(run("mkfs.ext4", &["-q", "-F", "-E", "lazy_itable_init=1,nodiscard", image_name]), "mkfs.ext4");
        // On an appliance what lies below the mount point cannot be written: nothing may go there while it is mended.
        let below = run("mount", &["-t", "tmpfs", "-o", "ro,size=4k", "tmpfs", at.to_str().unwrap()]);
        if !below {
            return not_allowed();
        }
        let disk = Disk { image: image.to_owned(), at: at.to_owned(), frozen: false };
        if disk.again() { Some(disk) } else { not_allowed() }
    }

    fn again(&self) -> bool {
        run("mount", &["-o", "loop,errors=remount-ro", self.image.to_str().unwrap(), self.at.to_str().unwrap()])
    }

    /// What a technician does: unmounts, which nobody with an open file is in the way of, checks and mounts.
    pub fn mend(&self) {
        wait("nobody has the file system open", BOUND, || run("umount", &[self.at.to_str().unwrap()]).then_some(()));
        // 1: errors were corrected.
        let check = Command::new("e2fsck").args(["-f", "-y"]).arg(&self.image).output().unwrap();
        assert!(check.status.code().is_some_and(|c| c <= 1), "{}", String::from_utf8_lossy(&check.stdout));
        assert!(self.again());
    }

    /// The kernel finds an error in the file system and makes it read-only (ext4's errors=remount-ro).
    pub fn fail(&self) {
        let source = Command::new("findmnt").args(["-no", "SOURCE"]).arg(&self.at).output().unwrap();
        let device = String::from_utf8(source.stdout).unwrap();
        let device = device.trim().rsplit('/').next().unwrap();
        std::fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "as if").unwrap();
    }

    /// From now on whoever writes waits, and cannot be killed.
    pub fn freeze(&mut self) {
        assert!(run("fsfreeze", &["--freeze", self.at.to_str().unwrap()]));
        self.frozen = true;
    }

    pub fn thaw(&mut self) {
        self.frozen = !run("fsfreeze", &["--unfreeze", self.at.to_str().unwrap()]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.frozen {
            self.thaw();
        }
        for _disk_and_below in 0..2 {
            let _unmounted = run("umount", &["-l", self.at.to_str().unwrap()]);
        }
    }
}
