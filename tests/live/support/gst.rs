//! What is built from `gst/`, and pipelines and servers that try it.

use super::Kid;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use vedette::wire::tracer::{self, Element, Head};

/// The folder with `vedette-gst` and `libgstvedette.so`, built by the profile of the tests. Nothing to do when they are.
pub fn built() -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--quiet", "--package", "vedette-gst"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    // Another profile or target directory than that of the tests would build all of it once more.
    let folder = Path::new(env!("CARGO_BIN_EXE_vedette")).parent().unwrap();
    cargo.arg("--target-dir").arg(folder.parent().unwrap());
    assert!(cargo.status().unwrap().success(), "cannot build vedette-gst; tests/setup installs what it needs");
    folder.to_owned()
}

/// gst-launch with the tracer plugin where it is found and a registry of its own.
pub fn launch(dir: &Path, plugins: &Path) -> Command {
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q").stdin(Stdio::null()).stdout(Stdio::null());
    command.env("GST_PLUGIN_PATH", plugins).env("GST_REGISTRY", dir.join("registry.bin"));
    command
}

/// Runs a pipeline in the background.
pub fn play(command: &mut Command, pipeline: &str) -> Kid {
    Kid::spawn(command.args(pipeline.split_whitespace()))
}

/// Runs a pipeline to its end; it must end well.
pub fn to_the_end(command: &mut Command, pipeline: &str) {
    let out = command.args(pipeline.split_whitespace()).output().unwrap();
    assert!(out.status.success(), "{pipeline}: {}", String::from_utf8_lossy(&out.stderr));
}

/// An encoder that serves SRT on loopback to any number of callers, and listens: 25 pictures a second.
pub fn srt_encoder(dir: &Path, port: u16, passphrase: &str) -> Kid {
    let pipeline = format!(
        "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! x264enc tune=zerolatency \
         ! mpegtsmux alignment=7 ! srtsink wait-for-connection=false \
         uri=srt://127.0.0.1:{port}?mode=listener&passphrase={passphrase}"
    );
    let encoder = play(&mut launch(dir, &built()), &pipeline);
    let socket = format!("0100007F:{port:04X} ");
    super::wait("the encoder", Duration::from_secs(30), || {
        std::fs::read_to_string("/proc/net/udp").unwrap().contains(&socket).then_some(())
    });
    encoder
}

/// An RTMP server on loopback.
pub fn rtmp_server(dir: &Path, port: u16) -> Kid {
    let config = dir.join("nginx.conf");
    let text = format!(
        "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;\ndaemon off;\nmaster_process off;\npid {0}/nginx.pid;\n\
         error_log stderr error;\nevents {{}}\nrtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; }} }} }}\n",
        dir.display()
    );
    std::fs::write(&config, text).unwrap();
    let server = Kid::spawn(Command::new("nginx").arg("-p").arg(dir).arg("-c").arg(&config));
    super::wait("the RTMP server", Duration::from_secs(10), || TcpStream::connect(("127.0.0.1", port)).ok());
    server
}

/// The daemon's end of the tracer's socket.
pub struct Ear(UnixDatagram);

impl Ear {
    pub fn bind(path: &Path) -> Ear {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Ear(socket)
    }

    /// With its queue full: whoever sends is told to try again later.
    pub fn deafened(self) -> Ear {
        let path = self.0.local_addr().unwrap().as_pathname().unwrap().to_owned();
        let talker = UnixDatagram::unbound().unwrap();
        talker.set_nonblocking(true).unwrap();
        while talker.send_to(b"x", &path).is_ok() {}
        self
    }

    /// The next datagram, read by our own parser; at most 10 s.
    pub fn next(&self) -> Vec<u8> {
        let mut buffer = vec![0; tracer::MOST_BYTES + 1];
        let length = super::wait("a datagram of the tracer", Duration::from_secs(10), || self.0.recv(&mut buffer).ok());
        buffer.truncate(length);
        buffer
    }

    /// Reads until `found` is content with a datagram; at most 20 of them.
    pub fn until(&self, found: impl Fn(&Head<'_>, &[Element<'_>]) -> bool) -> Vec<u8> {
        for _ in 0..20 {
            let datagram = self.next();
            let (head, elements) = tracer::parse(&datagram).unwrap();
            if found(&head, &elements) {
                return datagram;
            }
        }
        panic!("twenty datagrams, and none with what was waited for");
    }
}

/// The element with this factory.
pub fn of<'a>(elements: &[Element<'a>], factory: &str) -> Element<'a> {
    *elements.iter().find(|e| e.factory == factory).unwrap_or_else(|| panic!("no {factory} among {elements:?}"))
}
