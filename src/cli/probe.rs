//! `vedette probe`: one look at one thing, from this machine and without the daemon.

mod camera;
mod figures;
mod playlist;
mod session;
mod stream;
mod target;
mod verdict;
mod voice;

use super::{Outcome, run};
use crate::base::quit::pair;
use crate::base::settings::parse_duration;
use crate::world::service::{Service, Signal, Systemd};
use clap::Args;
use session::Login;
use std::path::PathBuf;
use std::time::Duration;
use target::{NotATarget, Target};
use voice::{Voice, say};

const HELP: &str = "\
Examples:
  vedette probe udp://239.1.1.1:5000 --interface eth1
  vedette probe rtp://:5004 --for 1m
  vedette probe srt://encoder.example:9000 --for 30s
  vedette probe recording.ts
  ffmpeg -i in.mp4 -c copy -f mpegts - | vedette probe -
  vedette probe https://origin.example/live/index.m3u8 --for 5m
  vedette probe rtsp://192.168.1.20/stream1 --username admin --password-file cam7.password
  vedette probe recording.ts --json | tail -n 1 | jq .tr101290
  vedette probe udp://:5000 --json | jq -c 'select(.kind == \"scte35.out\")'

Transport streams (udp, rtp, srt, files): programmes, PIDs with role, codec and bit rate, tables, TR 101 290 priority 1 \
and 2, SCTE-35 cues and breaks. A datagram address is one to listen on; the encoder must send to it. A file is read as \
fast as it can be and timed by its own clock (PCR). Playlists and cameras: what the daemon's probes see of them.

Cues are printed as they come: seconds since the begin, what it is, and its time as a 33-bit count of the 90 kHz clock \
with pts_adjustment in it, and in seconds. Repeats and heartbeats are counted only.

With --json each line is an object: all cues, repeats too, and what comes of them (\"kind\": \"scte35.…\" \
or \"hls.…\"); the last line is the summary (\"kind\": \"summary\") with \"verdict\": healthy, unhealthy or unreachable. \
Progress goes to a terminal only.

Passwords, tokens and paths of a URL are never printed; a password in the URL stands in this machine's list of processes \
while the look lasts. Ctrl-C ends the look early, with its summary.

Exit code: 0 healthy; 1 unhealthy, the faults are named with what to do; 2 nothing to look at: not reachable, silent, no \
such stream, or bad usage.";

/// Look at a stream, a file, a playlist or a camera for a while, and say whether it is healthy
#[derive(Args)]
#[command(after_help = HELP)]
pub(super) struct Probe {
    /// udp://GROUP-OR-ADDRESS:PORT, rtp://…, srt://HOST:PORT, rtsp://HOST/PATH, http(s)://…/x.m3u8, a .ts file or pipe,
    /// or - for standard input
    target: String,
    /// How long to look, such as 30s or 5m; of a file, how much of its own time [default: 10s, playlists 20s, files to
    /// their end]
    #[arg(long = "for", value_name = "DURATION", value_parser = length)]
    length: Option<Duration>,
    /// One JSON object per line: cues as they come, then a summary
    #[arg(long)]
    json: bool,
    /// Where a multicast group is joined: an interface's name, or one of its IPv4 addresses
    #[arg(long, value_name = "INTERFACE")]
    interface: Option<String>,
    /// User of a camera or playlist
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// File with the password
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
}

fn length(text: &str) -> Result<Duration, String> {
    let length = parse_duration(text).filter(|d| !d.is_zero());
    length.ok_or_else(|| "write a duration such as 10s, 1m30s or 2h".to_owned())
}

impl Probe {
    pub(super) fn main(self) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let code = runtime.block_on(self.look())?;
        // A read of a dead file system is left to itself.
        runtime.shutdown_background();
        Ok(code)
    }

    async fn look(&self) -> Outcome {
        let world = run::world()?;
        let target = Target::read(&self.target, self.interface.as_deref())?;
        let login = Login { username: self.username.as_deref(), password_file: self.password_file.as_deref() };
        if login.username.is_some() && matches!(target, Target::Stream(_)) {
            return Err(NotATarget::Login.into());
        }
        let (quitter, stop) = pair();
        let signals = Systemd::open()?;
        tokio::spawn(async move {
            while signals.signal().await != Signal::Stop {}
            quitter.quit();
        });
        let voice = Voice::new(self.json);
        let outcome = match &target {
            Target::Stream(stream) => stream::look(stream, &world, self.length, &voice, &stop).await,
            Target::Camera(url) => camera::look(url, &login, world, self.length, &voice, &stop).await?,
            Target::Playlist(url) => playlist::look(url, &login, world, self.length, &voice, &stop).await?,
        };
        voice.end();
        let shown = target.shown();
        match (self.json, &outcome) {
            (true, _) => say(&verdict::data(&shown, &outcome).to_string()),
            (false, Ok(_)) => say(verdict::text(&shown, &outcome).trim_end()),
            (false, Err(_)) => eprint!("vedette: {}", verdict::text(&shown, &outcome)),
        }
        Ok(verdict::code(&outcome))
    }
}
