//! Network namespaces: the daemon's own, and those of the devices at the other ends of its cables.

use crate::support::Kid;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

/// Runs an ignored test in a network namespace of its own; it goes with the test's process.
pub fn inside(test: &str) {
    // A sysfs shows the interfaces of the namespace in which it was mounted.
    let script = "mount -t sysfs sysfs /sys && ip link set lo up && exec \"$@\"";
    let out = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert!(out.status.success() && said.contains("1 passed"), "{said}");
    eprintln!("{said}");
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// `ip` in our own namespace, its arguments in one text.
pub fn ip(arguments: &str) {
    run(Command::new("ip").args(arguments.split(' ')));
}

/// One setting of our own namespace, as `sysctl -w` takes it.
pub fn sysctl(setting: &str) {
    run(Command::new("sysctl").args(["-qw", setting]));
}

/// A namespace at the other end of a cable. It lives as long as a process that does nothing in it.
pub struct Far(Kid);

impl Far {
    pub fn new() -> Far {
        // It reads from a pipe that we hold: however the test ends, it ends too.
        let far = Far(Kid::spawn(Command::new("unshare").args(["--net", "cat"]).stdin(Stdio::piped())));
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        crate::support::wait("a namespace", std::time::Duration::from_secs(10), || {
            (std::fs::read_link(far.space()).ok()? != own).then_some(())
        });
        far.ip("link set lo up");
        far
    }

    fn space(&self) -> String {
        format!("/proc/{}/ns/net", self.0.0.id())
    }

    pub fn ip(&self, arguments: &str) {
        let target = format!("--net={}", self.space());
        run(Command::new("nsenter").arg(target).arg("ip").args(arguments.split(' ')));
    }

    /// A veth pair from `near` on our side to `far` there, both switched on.
    pub fn cable(&self, near: &str, far: &str) {
        ip(&format!("link add {near} type veth peer name {far} netns {}", self.0.0.id()));
        self.ip(&format!("link set {far} up"));
        ip(&format!("link set {near} up"));
    }

    /// Runs `work` on a thread in there.
    pub fn with<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let space = File::open(self.space()).unwrap();
        std::thread::scope(|scope| {
            let entered = scope.spawn(|| {
                // SAFETY: takes an open descriptor; it moves this thread only, which ends after the work.
                assert_eq!(unsafe { libc::setns(space.as_raw_fd(), libc::CLONE_NEWNET) }, 0);
                work()
            });
            entered.join().unwrap()
        })
    }
}
