//! One QEMU guest: software emulation only (TCG), and a root shell on its serial line.

use crate::bench::Disks;
use crate::wait::{free_port, wait};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Boot to the shell takes 10 to 20 s on two free cores; the bound leaves room for a busy builder.
const BOOT: Duration = Duration::from_secs(180);
/// One command in the guest, dpkg and a service start included.
const COMMAND: Duration = Duration::from_secs(120);
/// A clean poweroff takes 2 s.
const POWEROFF: Duration = Duration::from_secs(90);
/// What the guest's shell says once it is up.
const SHELL: &str = "vedette-vm-shell";

/// What stands there.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// A read-only root, and a kernel without IPv6: no socket of that family can be made there.
    Appliance,
    /// A writable root, as where packages are.
    Server,
    /// A server with parts of its own: SATA disks `sda` to `sdc`, network cards `enp0s1` to `enp0s3` (e1000e), and the
    /// kernel that has drivers for them.
    Recorder,
}

/// Everything the guest said, and the wake-up for who waits for more.
type Heard = Arc<(Mutex<String>, Condvar)>;

pub struct Machine {
    qemu: Child,
    serial: UnixStream,
    heard: Heard,
    /// What was already answered for.
    read: usize,
    commands: u32,
    dir: PathBuf,
    /// A port of this host that leads to the guest's 9090.
    pub web: u16,
    /// One that leads to its 9100, where node_exporter is.
    pub beside: u16,
}

impl Machine {
    /// Starts the guest and waits for its shell. The serial log and QEMU's own words stay in `dir`.
    pub fn boot(dir: &Path, image: &Path, disks: &Disks, kind: Kind) -> Machine {
        let (web, beside) = (free_port(), free_port());
        let (serial, monitor) = (dir.join("serial.sock"), dir.join("qmp.sock"));
        for socket in [&serial, &monitor] {
            let _absent = std::fs::remove_file(socket);
        }
        let how = match kind {
            Kind::Appliance => "ro ipv6.disable=1",
            Kind::Server => "rw",
            // By MSI-X, QEMU 7.2's cards never tell that a link is lost.
            Kind::Recorder => "rw e1000e.IntMode=1,1,1",
        };
        let said = File::create(dir.join("qemu.log")).unwrap();
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args([
                "-machine",
                "q35",
                "-accel",
                "tcg,thread=multi,tb-size=256",
                "-cpu",
                "max",
                "-m",
                "768",
                "-smp",
                "2",
            ])
            .args(["-display", "none", "-nodefaults", "-no-user-config", "-no-reboot"])
            .args(["-append", &format!("root=/dev/nvme0n1 {how} console=ttyS0 panic=-1 quiet")])
            .args(["-chardev", &format!("socket,id=serial,path={},server=on,wait=off", serial.display())])
            .args(["-serial", "chardev:serial"])
            .args(["-qmp", &format!("unix:{},server=on,wait=off", monitor.display())]);
        let forward = format!("hostfwd=tcp:127.0.0.1:{web}-:9090,hostfwd=tcp:127.0.0.1:{beside}-:9100");
        command.args(["-netdev", &format!("user,id=net0,restrict=on,{forward}")]);
        // Addresses for documentation (RFC 7042 section 2.1.2), so that what is captured of the guest needs no mask.
        let card = |n: u32, driver: &str| format!("{driver},id=nic{n},netdev=net{n},mac=00:00:5e:00:53:0{n}");
        if kind == Kind::Recorder {
            command.arg("-kernel").arg(image.join("server.vmlinuz"));
            command.arg("-initrd").arg(image.join("server.initrd"));
            command.args(["-device", &card(0, "e1000e")]);
            for n in 1..=2 {
                command.args(["-netdev", &format!("user,id=net{n},restrict=on,net=192.0.2.0/24")]);
                command.args(["-device", &card(n, "e1000e")]);
            }
            for (n, disk) in disks.members.iter().enumerate() {
                command.args(["-drive", &format!("file={},if=none,id=sd{n},format=raw", disk.display())]);
                command.args(["-device", &format!("ide-hd,drive=sd{n},bus=ide.{n},serial=MEMBER{n}")]);
            }
        } else {
            command.arg("-kernel").arg(image.join("vmlinuz"));
            command.args(["-device", &card(0, "virtio-net-pci")]);
        }
        // The first is the guest's root by name, the others are found by label.
        for (n, disk) in [&disks.root, &disks.data, &disks.packages].into_iter().enumerate() {
            command.args(["-drive", &format!("file={},if=none,id=d{n},format=raw", disk.display())]);
            command.args(["-device", &format!("nvme,id=disk{n},drive=d{n},serial=DISK{n}")]);
        }
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        let mut qemu = command.spawn().unwrap_or_else(|e| panic!("no QEMU ({e}): run tests/vm/install-qemu"));
        let serial = connect(&serial, &mut qemu, dir);
        let heard = Heard::default();
        listen(serial.try_clone().unwrap(), heard.clone(), File::create(dir.join("serial.log")).unwrap());
        let mut machine = Machine { qemu, serial, heard, read: 0, commands: 0, dir: dir.to_owned(), web, beside };
        machine.wait_for(SHELL, BOOT);
        machine
    }

    /// Runs a command and returns what it wrote, whatever its exit status.
    pub fn shell(&mut self, command: &str) -> (i32, String) {
        self.commands += 1;
        // The guest's echo is off, but the mark is written in two parts all the same: only its answer has it whole.
        let (left, right) = ("<done-", format!("{}:", self.commands));
        writeln!(self.serial, "{command}; status=$?; echo; echo '{left}''{right}'$status'>'").unwrap();
        let text = self.wait_for(&format!("{left}{right}"), COMMAND);
        let status = self.wait_for(">", COMMAND);
        let status = status.trim_end_matches('>').parse().unwrap_or_else(|e| panic!("exit status {status:?}: {e}"));
        let text = text.rsplit_once('<').map_or("", |(before, _)| before);
        (status, text.replace('\r', "").trim().to_owned())
    }

    /// Runs a command that must succeed.
    pub fn must(&mut self, command: &str) -> String {
        let (status, text) = self.shell(command);
        assert_eq!(status, 0, "`{command}` in the guest: {text}");
        text
    }

    /// Asks until `enough` likes the answer, at most `seconds` in the guest's time.
    pub fn until(&mut self, what: &str, seconds: u32, command: &str, enough: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        for _ in 0..seconds {
            last = self.shell(command).1;
            if enough(&last) {
                return last;
            }
            self.must("sleep 1");
        }
        panic!("{what}: not seen within {seconds} s; last: {last}\n{}", self.shell("journalctl -u vedette -n 30").1);
    }

    /// Powers off and waits for QEMU to end.
    pub fn power_off(mut self) {
        writeln!(self.serial, "systemctl poweroff").unwrap();
        let (text, woken) = &*self.heard;
        // The listener marks the end of the line with a NUL.
        let text = text.lock().unwrap();
        let (text, late) = woken.wait_timeout_while(text, POWEROFF, |t| !t.ends_with('\0')).unwrap();
        assert!(!late.timed_out(), "no poweroff within {POWEROFF:?}: {}", tail(&text));
        drop(text);
        self.qemu.wait().unwrap();
    }

    /// Has QEMU do something to the machine: one command of its monitor and the command's arguments, in JSON (QMP).
    pub fn monitor(&mut self, command: &str, arguments: &str) {
        let mut monitor = UnixStream::connect(self.dir.join("qmp.sock")).unwrap();
        monitor.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        writeln!(monitor, r#"{{"execute":"qmp_capabilities"}}"#).unwrap();
        writeln!(monitor, r#"{{"execute":"{command}","arguments":{arguments},"id":"asked"}}"#).unwrap();
        // Its greeting, an answer to each, and whatever else happens.
        let mut answers = BufReader::new(monitor).lines().map(|line| line.expect("QEMU answers"));
        let answer = answers.find(|line| line.contains(r#""id": "asked""#)).expect("QEMU lives");
        assert!(answer.contains(r#""return""#), "{answer}");
    }

    /// Types a command and does not wait for its end.
    pub fn start(&mut self, command: &str) {
        writeln!(self.serial, "{command}").unwrap();
    }

    /// The mains are gone: QEMU ends at once, nothing in the guest gets to say a word. Returns all that it
    /// ever said.
    pub fn cut_power(mut self) -> String {
        self.qemu.kill().unwrap();
        self.qemu.wait().unwrap();
        let (text, woken) = &*self.heard;
        let text = text.lock().unwrap();
        let (text, late) = woken.wait_timeout_while(text, POWEROFF, |t| !t.ends_with('\0')).unwrap();
        assert!(!late.timed_out(), "the serial line outlives QEMU");
        text.replace('\r', "")
    }

    /// Waits for `mark` and returns what came before it since the last wait, the mark included.
    pub fn wait_for(&mut self, mark: &str, bound: Duration) -> String {
        let from = self.read;
        let (text, woken) = &*self.heard;
        let text = text.lock().unwrap();
        let (text, late) =
            woken.wait_timeout_while(text, bound, |t| !t[from..].contains(mark) && !t.ends_with('\0')).unwrap();
        let Some(at) = text[from..].find(mark) else {
            let why = if late.timed_out() { format!("not within {bound:?}") } else { "QEMU ended".to_owned() };
            panic!("no {mark:?} on the serial line: {why}; logs in {}; it ends: {}", self.dir.display(), tail(&text));
        };
        self.read = from + at + mark.len();
        text[from..self.read].to_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _gone = self.qemu.kill();
        let _reaped = self.qemu.wait();
    }
}

fn connect(path: &Path, qemu: &mut Child, dir: &Path) -> UnixStream {
    wait("QEMU's serial line", Duration::from_secs(20), || {
        if let Some(status) = qemu.try_wait().unwrap() {
            panic!("QEMU ended, {status}: {}", std::fs::read_to_string(dir.join("qemu.log")).unwrap_or_default());
        }
        UnixStream::connect(path).ok()
    })
}

/// Keeps the line drained (a full one stops the guest), remembers and logs all of it.
fn listen(mut serial: UnixStream, heard: Heard, mut log: File) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            let n = serial.read(&mut buffer).unwrap_or(0);
            let _full_disk = log.write_all(&buffer[..n]);
            let (text, woken) = &*heard;
            let mut text = text.lock().unwrap();
            text.push_str(&String::from_utf8_lossy(&buffer[..n]));
            if n == 0 {
                text.push('\0');
            }
            woken.notify_all();
            if n == 0 {
                return;
            }
        }
    });
}

fn tail(text: &str) -> &str {
    let at = text.len().saturating_sub(2000);
    &text[(at..).find(|i| text.is_char_boundary(*i)).unwrap_or(0)..]
}
