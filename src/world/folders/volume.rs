//! Which volume a path lies on: proc_pid_mountinfo(5), statvfs(3), and the names that udev keeps of file systems.

use super::{Volume, reason};
use crate::metric::report::NoData;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where the kernel and udev tell of volumes.
#[derive(Debug, Clone)]
pub struct Places {
    pub mounts: PathBuf,
    /// Links named by UUID. A service with `PrivateDevices=yes` does not see them.
    pub by_uuid: PathBuf,
    /// udev's records of devices, `b8:1`, which everyone may read.
    pub records: PathBuf,
    /// `sda1/dev` holds `8:1`.
    pub blocks: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Places {
            mounts: "/proc/self/mountinfo".into(),
            by_uuid: "/dev/disk/by-uuid".into(),
            records: "/run/udev/data".into(),
            blocks: "/sys/class/block".into(),
        }
    }
}

/// One line of mountinfo.
#[derive(Debug, PartialEq)]
struct Mount {
    /// `8:1`; `0:52` where no one device is behind it (btrfs, tmpfs, NFS).
    device: String,
    point: PathBuf,
    kind: String,
    source: String,
    read_only: bool,
    /// By the mount alone, while the file system takes writes elsewhere: as a sandbox does it.
    sealed: bool,
}

impl Mount {
    /// proc_pid_mountinfo(5): `36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
    fn parse(line: &str) -> Option<Mount> {
        let (front, back) = line.split_once(" - ")?;
        let mut front = front.split(' ').skip(2);
        let (device, _root, point, options) = (front.next()?, front.next()?, front.next()?, front.next()?);
        let mut back = back.split(' ');
        let (kind, source) = (back.next()?, back.next()?);
        let ro = |options: &str| options.split(',').any(|option| option == "ro");
        let (by_mount, by_system) = (ro(options), back.next().is_some_and(ro));
        Some(Mount {
            device: device.to_owned(),
            point: PathBuf::from(plain(point)),
            kind: kind.to_owned(),
            source: plain(source),
            // The mount's own options, and those of the file system, which turns read-only after an error.
            read_only: by_mount || by_system,
            sealed: by_mount && !by_system,
        })
    }
}

/// Space, tab, newline and backslash are written as `\040` and so on.
fn plain(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or("").as_bytes().to_vec();
    for part in parts {
        match part.get(..3).and_then(|octal| u8::from_str_radix(octal, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                out.extend_from_slice(&part.as_bytes()[3..]);
            }
            None => {
                out.push(b'\\');
                out.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The mount that `path`, which holds no links, lies on: of the deepest point the one mounted last.
fn mount_of(mounts: &str, path: &Path) -> Option<Mount> {
    let on = mounts.lines().filter_map(Mount::parse).filter(|mount| path.starts_with(&mount.point));
    on.max_by_key(|mount| mount.point.components().count())
}

/// Whether it is the mount and not the file system that takes no writes at `path`.
///
/// # Errors
/// The path or the mounts cannot be read.
pub fn sealed(path: &Path) -> io::Result<bool> {
    let path = std::fs::canonicalize(path)?;
    let mounts = std::fs::read_to_string(Places::default().mounts)?;
    Ok(mount_of(&mounts, &path).is_some_and(|mount| mount.sealed))
}

pub(super) fn of(places: &Places, path: &Path) -> io::Result<Volume> {
    let path = std::fs::canonicalize(path)?;
    let mounts = std::fs::read_to_string(&places.mounts)?;
    let mount = mount_of(&mounts, &path).ok_or(io::ErrorKind::NotFound)?;
    let space = space(&path)?;
    let unit = space.f_frsize;
    Ok(Volume {
        uuid: uuid(places, &mount),
        read_only: mount.read_only || space.f_flag & libc::ST_RDONLY != 0,
        source: mount.source,
        kind: mount.kind,
        size: space.f_blocks.saturating_mul(unit),
        free: space.f_bavail.saturating_mul(unit),
    })
}

fn space(path: &Path) -> io::Result<libc::statvfs> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a zeroed statvfs is valid, and path and struct live through the call.
    unsafe {
        let mut space: libc::statvfs = std::mem::zeroed();
        match libc::statvfs(path.as_ptr(), &mut space) {
            0 => Ok(space),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn uuid(places: &Places, mount: &Mount) -> Result<String, NoData> {
    let source = Path::new(&mount.source);
    if !source.is_absolute() {
        return Err(NoData::Unsupported);
    }
    let real = std::fs::canonicalize(source).unwrap_or_else(|_| source.to_owned());
    let mut number = mount.device.clone();
    if number.starts_with("0:")
        && let Some(name) = real.file_name()
    {
        let found = std::fs::read_to_string(places.blocks.join(name).join("dev")).map_err(|error| reason(&error))?;
        number = found.trim().to_owned();
    }
    if let Ok(record) = std::fs::read_to_string(places.records.join(format!("b{number}")))
        && let Some(uuid) = record.lines().find_map(|line| line.strip_prefix("E:ID_FS_UUID="))
    {
        return Ok(uuid.to_owned());
    }
    let links = std::fs::read_dir(&places.by_uuid).map_err(|error| reason(&error))?;
    let named = links.flatten().find(|link| std::fs::canonicalize(link.path()).is_ok_and(|device| device == real));
    named.and_then(|link| link.file_name().into_string().ok()).ok_or(NoData::NotPresent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 21 8:17 / /var/rec rw,noatime shared:9 - xfs /dev/sdb1 rw
31 30 0:44 / /var/rec/nas rw master:7 - nfs4 nas:/rec\\040a rw,vers=4.2
32 21 8:33 / /srv/a\\134b rw - ext4 /dev/sdc1 ro
33 30 0:51 / /var/rec ro - tmpfs tmpfs rw
";

    fn on(path: &str) -> (String, bool) {
        let mount = mount_of(MOUNTS, Path::new(path)).unwrap();
        (mount.source, mount.read_only)
    }

    #[test]
    fn a_path_lies_on_the_deepest_mount_and_there_on_the_last() {
        assert_eq!(on("/var/recordings/yard"), ("/dev/sda1".to_owned(), false));
        assert_eq!(on("/var/rec/nas/yard"), ("nas:/rec a".to_owned(), false));
        assert_eq!(on("/var/rec/yard"), ("tmpfs".to_owned(), true), "mounted over it");
        assert_eq!(on("/srv/a\\b/yard"), ("/dev/sdc1".to_owned(), true), "read-only since an error");
        let sealed = |path: &str| mount_of(MOUNTS, Path::new(path)).unwrap().sealed;
        assert!(sealed("/var/rec/yard") && !sealed("/srv/a\\b/yard") && !sealed("/"));
    }

    #[test]
    fn the_uuid_of_a_volume_comes_from_udev_or_from_the_links_that_it_made() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let places = Places { mounts: at("mounts"), by_uuid: at("by-uuid"), records: at("udev"), blocks: at("block") };
        for dir in ["by-uuid", "udev", "block/sdd1"] {
            std::fs::create_dir_all(at(dir)).unwrap();
        }
        std::fs::write(at("udev/b8:17"), "S:disk/by-id/x\nE:ID_FS_UUID=0a1b\nE:ID_FS_TYPE=xfs\n").unwrap();
        std::fs::write(at("udev/b8:49"), "E:ID_FS_UUID=b7f5\n").unwrap();
        std::fs::write(at("block/sdd1/dev"), "8:49\n").unwrap();
        std::fs::write(at("sde1"), "").unwrap();
        std::os::unix::fs::symlink("../sde1", at("by-uuid/77-88")).unwrap();
        let of = |device: &str, source: &str| {
            uuid(&places, &Mount::parse(&format!("1 1 {device} / /x rw - t {source} rw")).unwrap())
        };
        assert_eq!(of("8:17", "/dev/sdb1"), Ok("0a1b".to_owned()));
        assert_eq!(of("0:33", "/dev/sdd1"), Ok("b7f5".to_owned()), "btrfs has a number of its own");
        assert_eq!(of("8:65", at("sde1").to_str().unwrap()), Ok("77-88".to_owned()));
        assert_eq!(of("8:81", "/dev/sdf1"), Err(NoData::NotPresent));
        assert_eq!(of("0:44", "nas:/rec"), Err(NoData::Unsupported));
    }

    #[test]
    fn this_directory_lies_on_a_volume_that_has_a_size() {
        let volume = of(&Places::default(), Path::new(".")).unwrap();
        assert!(volume.size > 0 && volume.free <= volume.size && !volume.kind.is_empty(), "{volume:?}");
        assert_eq!(of(&Places::default(), Path::new("./nowhere")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
