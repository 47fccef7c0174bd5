//! A paced RTSP camera, as many sessions as come: H.264 over interleaved TCP, a key frame every 50 frames of about ten
//! times a delta frame's size, as surveillance cameras send them.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

pub const MBITS: usize = 4;
const FPS: usize = 25;
const GOP: usize = 50;
const PAYLOAD: usize = 1400;
/// A key frame weighs as much as this many delta frames.
const KEY_WEIGHT: usize = 10;

pub fn serve(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    for stream in listener.incoming().flatten() {
        std::thread::Builder::new()
            .stack_size(128 << 10)
            .spawn(move || {
                // A client that leaves ends its session with an error; that is how sessions end here.
                let _left = session(stream);
            })
            .expect("a thread starts");
    }
}

fn session(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    loop {
        let mut request = Vec::new();
        for line in lines.by_ref() {
            let line = line?;
            if line.is_empty() {
                break;
            }
            request.push(line);
        }
        let Some(first) = request.first() else { return Ok(()) };
        let header = |name: &str| request.iter().find_map(|l| l.strip_prefix(name)).unwrap_or("0").trim().to_owned();
        let (cseq, transport) = (header("CSeq:"), header("Transport:"));
        let url = first.split(' ').nth(1).unwrap_or("").trim_end_matches('/').to_owned();
        let (extra, body) = match first.split(' ').next().unwrap_or("") {
            "DESCRIBE" => {
                let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=c\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n\
                           a=rtpmap:96 H264/90000\r\na=framerate:25\r\na=fmtp:96 packetization-mode=1;\
                           sprop-parameter-sets=Z2QAKKzZQHgCJ6mwEQAAAwABAAADADIPGDGW,aO48gA==\r\na=control:trackID=0\r\n";
                (
                    format!(
                        "Content-Base: {url}/\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n",
                        sdp.len()
                    ),
                    sdp,
                )
            }
            "SETUP" => (format!("Transport: {transport}\r\nSession: 12345678;timeout=60\r\n"), ""),
            "PLAY" => (format!("Session: 12345678\r\nRTP-Info: url={url}/trackID=0;seq=1;rtptime=0\r\n"), ""),
            _ => ("Session: 12345678\r\n".to_owned(), ""),
        };
        write!(out, "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{extra}\r\n{body}")?;
        if first.starts_with("PLAY") {
            return play(&mut out);
        }
    }
}

#[allow(clippy::disallowed_methods)] // pacing is what this program is for
fn play(out: &mut TcpStream) -> std::io::Result<()> {
    let per_gop = MBITS * 1_000_000 / 8 * GOP / FPS;
    let delta = per_gop / (GOP - 1 + KEY_WEIGHT);
    let begun = Instant::now();
    let (mut seq, mut frame) = (1u16, 0u32);
    let mut packets = Vec::new();
    loop {
        packets.clear();
        let key = (frame as usize).is_multiple_of(GOP);
        let bytes = if key { delta * KEY_WEIGHT } else { delta };
        let count = bytes.div_ceil(PAYLOAD).max(2);
        for n in 0..count {
            let last = n + 1 == count;
            packets.extend_from_slice(&[b'$', 0]);
            packets.extend_from_slice(&((PAYLOAD + 12) as u16).to_be_bytes());
            packets.extend_from_slice(&[0x80, if last { 0x80 | 96 } else { 96 }]);
            packets.extend_from_slice(&seq.to_be_bytes());
            packets.extend_from_slice(&frame.wrapping_mul(90_000 / FPS as u32).to_be_bytes());
            packets.extend_from_slice(&[0, 0, 0, 7]);
            // FU-A (RFC 6184 section 5.8) of an IDR or non-IDR slice whose first_mb_in_slice is 0.
            let edge = if n == 0 {
                0x80
            } else if last {
                0x40
            } else {
                0
            };
            // Then an I slice of parameter set 0, so that a player copies it without complaint.
            packets.extend_from_slice(&[0x7c, edge | if key { 5 } else { 1 }, 0x88, 0xda]);
            packets.resize(packets.len() + PAYLOAD - 4, 0x5a);
            seq = seq.wrapping_add(1);
        }
        out.write_all(&packets)?;
        frame += 1;
        let due = Duration::from_secs_f64(f64::from(frame) / FPS as f64);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
}
