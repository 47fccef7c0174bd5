//! `vedette-gst`: receives one SRT or RTMP stream with GStreamer and hands what comes to Vedette as records.
//!
//! ```text
//! (echo srt://encoder:9000; cat) | vedette-gst | xxd | head
//! ```
//!
//! One process per stream, so that a plugin that crashes or hangs costs that stream. The URL comes over standard input,
//! since it may hold a passphrase and command lines are public; when standard input ends, so does the process.

#[path = "../../src/wire/record.rs"]
#[allow(dead_code)] // the reader's half is the daemon's
mod record;

mod source;
mod verdict;
mod voice;

use crate::record::{MOST_REQUEST, Reason, Record, VERSION};
use crate::voice::Voice;
use std::io::{BufRead, Read};
use std::path::Path;
use std::process::ExitCode;

/// -1000 to 1000; the daemon's is below 0, that of most programs 0.
const FIRST_TO_GO: &str = "500";

fn main() -> ExitCode {
    if std::env::args_os().len() > 1 {
        eprintln!("usage: (echo srt://HOST:PORT; cat) | vedette-gst\nNo URL as argument: it may hold a passphrase.");
        return ExitCode::from(2);
    }
    settle();
    // SAFETY: takes one number. Without a daemon there is nobody to work for, also when standard input is not read.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let voice = match Voice::take() {
        Ok(voice) => voice,
        Err(error) => {
            eprintln!("vedette-gst: cannot take standard output: {error}");
            return ExitCode::FAILURE;
        }
    };
    voice.say(&Record::Hello { version: VERSION });
    let reason = match request() {
        Some(url) => {
            // Ends the process whatever the streaming threads hold.
            let _thread = std::thread::spawn(|| {
                let _ended = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
                voice::leave();
            });
            source::receive(&url, &voice)
        }
        None => Reason::Request,
    };
    voice.say(&Record::Fault(reason));
    // Not by way of GStreamer: taking down a pipeline that is in trouble may hang, and the kernel does it at once.
    voice::leave()
}

/// The environment that GStreamer shall find, and our own place in it.
fn settle() {
    // SAFETY: nothing else runs yet. The verdict is read off GStreamer's words, which a locale would translate.
    unsafe { std::env::set_var("LC_ALL", "C") };
    // A service user has no home to keep the list of plugins in, and to make it anew takes seconds.
    if let (None, Some(runtime)) = (std::env::var_os("GST_REGISTRY"), std::env::var_os("RUNTIME_DIRECTORY")) {
        // SAFETY: as above.
        unsafe { std::env::set_var("GST_REGISTRY", Path::new(&runtime).join("gstreamer-registry.bin")) };
    }
    // When memory runs out, one stream goes before the daemon, whose protection we have inherited. Any process may give
    // up its own; on a system without /proc there is none.
    let _unprotected = std::fs::write("/proc/self/oom_score_adj", FIRST_TO_GO);
}

/// The line on standard input; `None` when there is none or it is too long.
fn request() -> Option<String> {
    let mut line = String::new();
    // Not buffered beyond the line: the lock is given back for the thread that waits for the end.
    std::io::stdin().lock().take(MOST_REQUEST as u64).read_line(&mut line).ok()?;
    line.strip_suffix('\n').filter(|url| !url.is_empty()).map(str::to_owned)
}
