//! What a hand does at the bench: switch a thing off and on again. A story that fails leaves everything switched on.

use crate::bench::Hand;
use crate::support::cameras::GstCamera;
use crate::support::free_port;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

pub trait Switch {
    fn off(&mut self);
    fn on(&mut self);
}

/// Real things: the two commands of the bench file.
pub struct Commands {
    hand: Hand,
    is_off: bool,
}

impl Commands {
    pub fn new(hand: Hand) -> Self {
        Commands { hand, is_off: false }
    }
}

fn run(command: &[String]) {
    let (program, arguments) = command.split_first().expect("a command names a program");
    let out = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(out.status.success(), "{program}: {}", String::from_utf8_lossy(&out.stderr));
}

impl Switch for Commands {
    fn off(&mut self) {
        self.is_off = true;
        run(&self.hand.off);
    }
    fn on(&mut self) {
        run(&self.hand.on);
        self.is_off = false;
    }
}

impl Drop for Commands {
    fn drop(&mut self) {
        if self.is_off {
            run(&self.hand.on);
        }
    }
}

/// A GStreamer camera that keeps its address.
pub struct Virtual {
    arguments: Vec<String>,
    pub url: String,
    camera: Option<GstCamera>,
}

impl Virtual {
    pub fn start(codec: &str, fps: u32) -> Self {
        let port = free_port();
        let arguments = ["--port", &port.to_string(), "--codec", codec, "--fps", &fps.to_string()].map(str::to_owned);
        let url = format!("rtsp://127.0.0.1:{port}/main");
        let mut camera = Virtual { arguments: arguments.to_vec(), url, camera: None };
        camera.on();
        camera
    }
}

impl Switch for Virtual {
    /// Without a good-bye, as a camera whose plug is pulled.
    fn off(&mut self) {
        self.camera = None;
    }
    fn on(&mut self) {
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        self.camera = Some(GstCamera::start(&arguments));
    }
}

/// The far end of a road: something that accepts connections.
pub struct FarEnd {
    pub port: u16,
    open: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl FarEnd {
    pub fn start() -> Self {
        let mut end = FarEnd { port: free_port(), open: None };
        end.on();
        end
    }
}

impl Switch for FarEnd {
    fn off(&mut self) {
        if let Some((closing, thread)) = self.open.take() {
            closing.store(true, Ordering::SeqCst);
            // Wakes the one that waits for connections.
            let _woken = TcpStream::connect(("127.0.0.1", self.port));
            thread.join().expect("it only accepts");
        }
    }
    fn on(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("its port is still free");
        let closing = Arc::new(AtomicBool::new(false));
        let told = closing.clone();
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming() {
                drop(connection);
                if told.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        self.open = Some((closing, thread));
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        self.off();
    }
}
