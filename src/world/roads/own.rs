//! Our own UDP sockets, by `/proc/net/udp` and `/proc/net/udp6`.

use super::Leaky;
use std::collections::HashSet;
use std::io;
use std::path::Path;

/// Columns of a socket's line, udp4_seq_show() of the kernel: the inode, and the last one.
const INODE: usize = 9;
const DROPS: usize = 12;

/// See [`super::Roads::leaky`]. The descriptors are looked through only where some socket of the machine has dropped
/// something, which is seldom.
pub(super) fn leaky(proc: &Path) -> io::Result<Vec<Leaky>> {
    let mut all = Vec::new();
    for file in ["net/udp", "net/udp6"] {
        match std::fs::read_to_string(proc.join(file)) {
            Ok(text) => all.extend(text.lines().skip(1).filter_map(line).filter(|socket| socket.dropped > 0)),
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound && file == "net/udp6" => {}
            Err(error) => return Err(error),
        }
    }
    if !all.is_empty() {
        let own = inodes(&proc.join("self/fd"))?;
        all.retain(|socket| own.contains(&socket.inode));
    }
    Ok(all)
}

fn line(line: &str) -> Option<Leaky> {
    let mut fields = line.split_ascii_whitespace();
    let inode = fields.nth(INODE)?.parse().ok()?;
    let dropped = fields.nth(DROPS - INODE - 1)?.parse().ok()?;
    Some(Leaky { inode, dropped })
}

/// Of the sockets that descriptors lead to.
fn inodes(descriptors: &Path) -> io::Result<HashSet<u64>> {
    let inode = |entry: std::fs::DirEntry| {
        // One that was closed meanwhile leads nowhere.
        let target = std::fs::read_link(entry.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    Ok(std::fs::read_dir(descriptors)?.flatten().filter_map(inode).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{MetadataExt, symlink};

    const HEAD: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode \
                        ref pointer drops             \n";

    #[test]
    fn sockets_of_others_and_those_that_lost_nothing_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("self/fd")).unwrap();
        std::fs::create_dir_all(dir.path().join("net")).unwrap();
        let socket = |inode: u64, drops: u64| {
            format!(
                "  313: 0100007F:1388 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 {inode} 2 0000000000000000 {drops}        \n"
            )
        };
        let text = format!("{HEAD}{}{}{}", socket(70, 5), socket(71, 0), socket(72, 9));
        std::fs::write(dir.path().join("net/udp"), text).unwrap();
        for (n, target) in ["socket:[70]", "socket:[71]", "anon_inode:[eventpoll]", "/dev/null"].iter().enumerate() {
            symlink(target, dir.path().join(format!("self/fd/{n}"))).unwrap();
        }
        assert_eq!(leaky(dir.path()).unwrap(), [Leaky { inode: 70, dropped: 5 }]);
        std::fs::write(dir.path().join("net/udp6"), format!("{HEAD}{}garbage\n", socket(71, 4))).unwrap();
        assert_eq!(leaky(dir.path()).unwrap().len(), 2);
        std::fs::remove_file(dir.path().join("net/udp")).unwrap();
        assert!(leaky(dir.path()).is_err());
    }

    #[test]
    fn what_a_socket_of_ours_had_no_room_for_is_told_as_the_kernel_tells_it() {
        let full = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..20_000 {
            sender.send_to(&[0; 1000], full.local_addr().unwrap()).unwrap();
        }
        let inode = std::fs::metadata(format!("/proc/self/fd/{}", full.as_raw_fd())).unwrap().ino();
        let all = leaky(Path::new("/proc")).unwrap();
        let ours = all.iter().find(|socket| socket.inode == inode).unwrap();
        let mut buffer = [0; 1000];
        full.set_nonblocking(true).unwrap();
        let mut got = 0;
        while full.recv(&mut buffer).is_ok() {
            got += 1;
        }
        assert_eq!(ours.dropped + got, 20_000);
    }
}
