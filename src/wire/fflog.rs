//! FFmpeg's log lines, counted by what they mean. No text is kept: lines hold URLs, and URLs hold passwords.
//!
//! Wording differs between versions (5.1 `Non-monotonous DTS`, 7.1 `Non-monotonic DTS;`), so each meaning is told by the
//! part that all have. A run with `-loglevel repeat+level+warning` says most; without `repeat` FFmpeg folds equal lines
//! into `Last message repeated N times`, which is counted as what it repeats.

use crate::base::label::Label;

/// A line is judged by its first so many bytes; messages are told by their beginning, addresses can be long.
const LONGEST: usize = 1024;

/// What a line means.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Meaning {
    /// Timestamps of an output went back and were mended.
    TimestampsBack,
    /// The muxer refused a packet for its timestamp: a frame is lost.
    PacketRefused,
    /// The input's clock jumped.
    InputJump,
    /// RTP packets of the input are missing.
    PacketsMissing,
    /// RTP packets of the input came too late to be put in order.
    PacketsLate,
    /// The input comes faster than it is taken in (5.1; 7.1 does not say so any more).
    InputBlocked,
    /// The UDP input's buffer ran over.
    BufferOverrun,
    /// The input is damaged.
    CorruptInput,
    /// A decoder met bit errors.
    DecodeError,
    /// Streams of an output drifted apart until the muxer gave up.
    MuxQueueFull,
    /// More frames are repeated than is healthy: the source is too slow.
    FramesRepeated,
    /// The output could not be written.
    WriteFailed,
    /// The other side refuses the login.
    LoginRefused,
    /// The other side cannot be reached, or went away.
    Connection,
    /// The other side answers with an error.
    ServerError,
    /// SCTE-35 cues go out as private data, which nobody takes for cues.
    CuesLost,
    /// Last words after a signal.
    ExitBySignal,
    /// Last words after a failure.
    ConversionFailed,
    /// Marked `[error]`, `[fatal]` or `[panic]`, and none of the above.
    OtherError,
}

impl Label for Meaning {
    const ALL: &'static [Self] = &[
        Meaning::TimestampsBack,
        Meaning::PacketRefused,
        Meaning::InputJump,
        Meaning::PacketsMissing,
        Meaning::PacketsLate,
        Meaning::InputBlocked,
        Meaning::BufferOverrun,
        Meaning::CorruptInput,
        Meaning::DecodeError,
        Meaning::MuxQueueFull,
        Meaning::FramesRepeated,
        Meaning::WriteFailed,
        Meaning::LoginRefused,
        Meaning::Connection,
        Meaning::ServerError,
        Meaning::CuesLost,
        Meaning::ExitBySignal,
        Meaning::ConversionFailed,
        Meaning::OtherError,
    ];
    fn label(self) -> &'static str {
        match self {
            Meaning::TimestampsBack => "timestamps_back",
            Meaning::PacketRefused => "packet_refused",
            Meaning::InputJump => "input_jump",
            Meaning::PacketsMissing => "packets_missing",
            Meaning::PacketsLate => "packets_late",
            Meaning::InputBlocked => "input_blocked",
            Meaning::BufferOverrun => "buffer_overrun",
            Meaning::CorruptInput => "corrupt_input",
            Meaning::DecodeError => "decode_error",
            Meaning::MuxQueueFull => "mux_queue_full",
            Meaning::FramesRepeated => "frames_repeated",
            Meaning::WriteFailed => "write_failed",
            Meaning::LoginRefused => "login_refused",
            Meaning::Connection => "connection",
            Meaning::ServerError => "server_error",
            Meaning::CuesLost => "cues_lost",
            Meaning::ExitBySignal => "exit_by_signal",
            Meaning::ConversionFailed => "conversion_failed",
            Meaning::OtherError => "other_error",
        }
    }
}

impl Meaning {
    /// Something is broken or lost, rather than odd.
    pub fn is_error(self) -> bool {
        !matches!(
            self,
            Meaning::TimestampsBack
                | Meaning::InputJump
                | Meaning::PacketsLate
                | Meaning::InputBlocked
                | Meaning::FramesRepeated
                | Meaning::ExitBySignal
        )
    }
}

/// What tells a meaning, the first that fits: before the general ones those that contain them.
const TOLD_BY: &[(&str, Meaning)] = &[
    ("non monotonically increasing dts to muxer", Meaning::PacketRefused),
    ("Non-monoton", Meaning::TimestampsBack),
    ("invalid dropping", Meaning::InputJump),
    ("timestamp discontinuity", Meaning::InputJump),
    ("RTP: missed ", Meaning::PacketsMissing),
    ("max delay reached", Meaning::PacketsLate),
    ("dropping old packet received too late", Meaning::PacketsLate),
    ("Thread message queue blocking", Meaning::InputBlocked),
    ("Circular buffer overrun", Meaning::BufferOverrun),
    ("corrupt input packet", Meaning::CorruptInput),
    ("corrupt decoded frame", Meaning::CorruptInput),
    ("Error while decoding stream", Meaning::DecodeError),
    ("Error submitting packet to decoder", Meaning::DecodeError),
    ("error while decoding MB", Meaning::DecodeError),
    ("concealing ", Meaning::DecodeError),
    ("Too many packets buffered for output stream", Meaning::MuxQueueFull),
    ("frames duplicated", Meaning::FramesRepeated),
    ("Error muxing a packet", Meaning::WriteFailed),
    ("Error writing trailer", Meaning::WriteFailed),
    ("av_interleaved_write_frame()", Meaning::WriteFailed),
    ("No space left on device", Meaning::WriteFailed),
    ("failed: 401", Meaning::LoginRefused),
    ("failed: 403", Meaning::LoginRefused),
    ("Server returned 401", Meaning::LoginRefused),
    ("Server returned 403", Meaning::LoginRefused),
    ("HTTP error 401", Meaning::LoginRefused),
    ("HTTP error 403", Meaning::LoginRefused),
    ("Server returned ", Meaning::ServerError),
    ("HTTP error ", Meaning::ServerError),
    ("Connection refused", Meaning::Connection),
    ("Connection timed out", Meaning::Connection),
    ("Connection reset by peer", Meaning::Connection),
    ("No route to host", Meaning::Connection),
    ("Network is unreachable", Meaning::Connection),
    ("codec scte_35, is muxed as a private data stream", Meaning::CuesLost),
    ("Exiting normally, received signal", Meaning::ExitBySignal),
    ("Conversion failed!", Meaning::ConversionFailed),
];

/// What a line means, if it is worth counting.
pub fn meaning(line: &str) -> Option<Meaning> {
    let told = TOLD_BY.iter().find(|(text, _)| line.contains(text)).map(|(_, meaning)| *meaning);
    told.or_else(|| {
        let rtsp = line.find("method ").and_then(|at| line[at..].find(" failed: ")).is_some();
        let marked = ["[error]", "[fatal]", "[panic]"].iter().any(|mark| line.contains(mark));
        rtsp.then_some(Meaning::ServerError).or(marked.then_some(Meaning::OtherError))
    })
}

/// Counts since we look. Holds one line and its counts, whatever comes.
#[derive(Debug)]
pub struct Log {
    line: Vec<u8>,
    last: Option<Meaning>,
    counts: [u64; Meaning::ALL.len()],
    missing: u64,
}

impl Default for Log {
    fn default() -> Self {
        Log { line: Vec::with_capacity(LONGEST), last: None, counts: [0; Meaning::ALL.len()], missing: 0 }
    }
}

impl Log {
    /// Takes the next bytes of the log, cut anywhere. The status line, which ends in a carriage return, is a line too.
    pub fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if !matches!(byte, b'\n' | b'\r') {
                if self.line.len() < LONGEST {
                    self.line.push(byte);
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            self.on(&String::from_utf8_lossy(&line));
            self.line = line;
            self.line.clear();
        }
    }

    fn on(&mut self, line: &str) {
        let repeated = number_after(line, "Last message repeated ");
        let (meaning, times) = match repeated {
            Some(times) => (self.last, times),
            None => (meaning(line), 1),
        };
        if !line.trim().is_empty() {
            self.last = meaning;
        }
        let Some(meaning) = meaning else { return };
        self.counts[meaning as usize] = self.counts[meaning as usize].saturating_add(times);
        if meaning == Meaning::PacketsMissing && repeated.is_none() {
            let missing = number_after(line, "RTP: missed ").unwrap_or(0);
            self.missing = self.missing.saturating_add(missing);
        }
    }

    pub fn count(&self, meaning: Meaning) -> u64 {
        self.counts[meaning as usize]
    }

    /// RTP packets that FFmpeg missed, by its own numbers.
    pub fn packets_missing(&self) -> u64 {
        self.missing
    }
}

/// The number behind `text`, at most 9 digits.
fn number_after(line: &str, text: &str) -> Option<u64> {
    let rest = &line[line.find(text)? + text.len()..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..digits.min(9)].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as both versions write them.
    const LINES: &[(&str, Meaning)] = &[
        (
            "[mpegts @ 0x55] [warning] Non-monotonous DTS in output stream 0:0; previous: 9, current: 7; changing to 10.",
            Meaning::TimestampsBack,
        ),
        (
            "[vost#0:0/libx264 @ 0x5] [warning] Non-monotonic DTS; previous: 9, current: 7; changing to 10.",
            Meaning::TimestampsBack,
        ),
        (
            "[mp4 @ 0x5] [error] Application provided invalid, non monotonically increasing dts to muxer in stream 0: 9 >= 7",
            Meaning::PacketRefused,
        ),
        ("[warning] DTS 126, next:5 st:0 invalid dropping", Meaning::InputJump),
        ("[rtsp @ 0x5] [warning] timestamp discontinuity (stream id=1): -5000, new offset= 5", Meaning::InputJump),
        ("[rtsp @ 0x5] [warning] RTP: missed 17 packets", Meaning::PacketsMissing),
        ("[rtsp @ 0x5] [warning] max delay reached. need to consume packet", Meaning::PacketsLate),
        ("[rtsp @ 0x5] RTP: dropping old packet received too late", Meaning::PacketsLate),
        (
            "[in#0 @ 0x5] [warning] Thread message queue blocking; consider raising the thread_queue_size option (current value: 8)",
            Meaning::InputBlocked,
        ),
        (
            "[udp @ 0x5] [error] Circular buffer overrun. To avoid, increase fifo_size URL option.",
            Meaning::BufferOverrun,
        ),
        ("[warning] rtsp://h/: corrupt input packet in stream 0", Meaning::CorruptInput),
        ("[error] Error while decoding stream #0:0: Invalid data found when processing input", Meaning::DecodeError),
        (
            "[vist#0:0/h264 @ 0x5] [dec:h264 @ 0x6] [error] Error submitting packet to decoder: Invalid data",
            Meaning::DecodeError,
        ),
        ("[h264 @ 0x5] [error] error while decoding MB 17 5, bytestream -7", Meaning::DecodeError),
        ("[h264 @ 0x5] [info] concealing 3600 DC, 3600 AC, 3600 MV errors in P frame", Meaning::DecodeError),
        ("[error] Too many packets buffered for output stream 0:1.", Meaning::MuxQueueFull),
        ("[warning] More than 1000 frames duplicated", Meaning::FramesRepeated),
        ("[out#0/mp4 @ 0x5] [error] Error muxing a packet", Meaning::WriteFailed),
        ("[error] av_interleaved_write_frame(): No space left on device", Meaning::WriteFailed),
        ("[rtsp @ 0x5] [error] method DESCRIBE failed: 401 Unauthorized", Meaning::LoginRefused),
        ("[http @ 0x5] [warning] HTTP error 403 Forbidden", Meaning::LoginRefused),
        ("[rtsp @ 0x5] [error] method SETUP failed: 461 Unsupported transport", Meaning::ServerError),
        ("[error] http://h/: Server returned 5XX Server Error reply", Meaning::ServerError),
        (
            "[tcp @ 0x5] [error] Connection to tcp://10.0.0.9:554?timeout=0 failed: Connection refused",
            Meaning::Connection,
        ),
        (
            "[mpegts @ 0x5] [warning] Stream 2, codec scte_35, is muxed as a private data stream and may not be recognized upon reading.",
            Meaning::CuesLost,
        ),
        ("[info] Exiting normally, received signal 15.", Meaning::ExitBySignal),
        ("[info] Conversion failed!", Meaning::ConversionFailed),
        ("[AVFilterGraph @ 0x5] [fatal] No such filter: 'x'", Meaning::OtherError),
    ];

    #[test]
    fn each_line_counts_as_what_it_means_in_either_version() {
        for (line, wanted) in LINES {
            assert_eq!(meaning(line), Some(*wanted), "{line}");
        }
        for quiet in
            ["", "Stream #0:0: Video: h264", "frame=  100 fps= 25 q=28.0 size=N/A", "[warning] deprecated pixel format"]
        {
            assert_eq!(meaning(quiet), None, "{quiet}");
        }
        let told = |meaning: &Meaning| LINES.iter().any(|(_, m)| m == meaning);
        assert!(Meaning::ALL.iter().all(told), "every meaning has a line here");
        for (n, meaning) in Meaning::ALL.iter().enumerate() {
            assert_eq!(*meaning as usize, n, "counts are kept by place in ALL");
        }
    }

    #[test]
    fn lines_are_counted_however_they_are_cut_and_repetitions_count_too() {
        let text = b"frame= 1 fps=25\r[warning] RTP: missed 17 packets\n    Last message repeated 3 times\n\
                     plain\nLast message repeated 9 times\n[warning] RTP: missed 5 packets\r\n";
        for size in 1..text.len() {
            let mut log = Log::default();
            text.chunks(size).for_each(|part| log.feed(part));
            assert_eq!((log.count(Meaning::PacketsMissing), log.packets_missing()), (5, 22), "in parts of {size}");
        }
    }

    #[test]
    fn a_line_of_any_length_costs_one_line_of_memory() {
        let mut log = Log::default();
        log.feed(b"[error] ");
        for _ in 0..1000 {
            log.feed(&[b'x'; 1000]);
        }
        log.feed(b"\n");
        assert_eq!((log.count(Meaning::OtherError), log.line.capacity()), (1, LONGEST));
    }
}
