//! What FFmpeg's `-progress` says, and what follows from it.
//!
//! A report is a block of `key=value` lines that ends with `progress=`. Of the values only counts and the media time are
//! believed: `fps`, `bitrate` and `speed` are averages since the start, which hide a freeze, so [`Pace`] works them out
//! anew from differences over our own clock. FFmpeg 5.1 sends nothing while its only input blocks; 7.x goes on sending
//! the same values: both end as an [`Pace::advanced`] that stands still.

mod pace;
#[cfg(test)]
mod tests;

pub use pace::{Counts, Pace, Rates};

/// Longest line that is believed, bytes; FFmpeg's own end before 60.
const LONGEST: usize = 256;
/// Media times below this are FFmpeg 5.1's "not yet" (INT64_MIN + 1), microseconds: 30 years before the start.
const NOT_YET: i64 = -1_000_000_000_000_000;

/// One whole report. What was `N/A`, missing or unreadable is `None`.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Frames of the first video output. Absent with audio only.
    pub frames: Option<u64>,
    /// The coarsest quantiser among the video outputs; copied streams (-1) and those without a frame yet (0) have none.
    pub quantiser: Option<f64>,
    /// Bytes of output file 0, as far as they were flushed. `N/A` for segment, hls, tee, rtsp and null outputs.
    pub bytes: Option<u64>,
    /// End of what was put out, microseconds of media time.
    pub media_us: Option<i64>,
    /// Frames repeated to keep the output's frame rate.
    pub duplicated: Option<u64>,
    /// Frames left out to keep the output's frame rate. Not network loss.
    pub dropped: Option<u64>,
    /// The last one of this run: an orderly end, SIGTERM and SIGINT included. A kill or a crash leaves none.
    pub end: bool,
}

/// Cuts bytes into reports, however they were cut on their way. Holds one line and one report, whatever comes.
#[derive(Debug)]
pub struct Parser {
    line: [u8; LONGEST],
    len: usize,
    /// The line is longer than any we believe; skipped up to its end.
    long: bool,
    block: Report,
    unreadable: u64,
}

impl Default for Parser {
    fn default() -> Self {
        Parser { line: [0; LONGEST], len: 0, long: false, block: Report::default(), unreadable: 0 }
    }
}

impl Parser {
    /// Takes the next bytes; `on` gets each report that they complete.
    pub fn feed(&mut self, bytes: &[u8], on: &mut dyn FnMut(Report)) {
        for &byte in bytes {
            if byte != b'\n' {
                match self.line.get_mut(self.len) {
                    Some(place) => *place = byte,
                    None => self.long = true,
                }
                self.len = (self.len + 1).min(LONGEST);
                continue;
            }
            let (line, len, long) = (self.line, self.len, self.long);
            (self.len, self.long) = (0, false);
            let text = std::str::from_utf8(&line[..len]).ok().filter(|_| !long).map(str::trim);
            match text {
                Some("") => {}
                Some(text) => self.line(text, on),
                None => self.unreadable += 1,
            }
        }
    }

    /// Lines that were no `key=value`, and values of known keys that made no sense, since the start.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    fn line(&mut self, text: &str, on: &mut dyn FnMut(Report)) {
        let Some((key, value)) = text.split_once('=') else {
            self.unreadable += 1;
            return;
        };
        let value = value.trim();
        let block = &mut self.block;
        let known = match key.trim() {
            "frame" => keep(&mut block.frames, value, |v| v.parse().ok()),
            "total_size" => keep(&mut block.bytes, value, |v| v.parse().ok()),
            "dup_frames" => keep(&mut block.duplicated, value, |v| v.parse().ok()),
            "drop_frames" => keep(&mut block.dropped, value, |v| v.parse().ok()),
            // `out_time_ms` holds microseconds too, and `out_time` the same as text.
            "out_time_us" => {
                let known = keep(&mut block.media_us, value, |v| v.parse().ok());
                block.media_us = block.media_us.filter(|us| *us > NOT_YET);
                known
            }
            "progress" => {
                let ended = std::mem::take(block);
                match value {
                    "continue" => on(ended),
                    "end" => on(Report { end: true, ..ended }),
                    _ => self.unreadable += 1,
                }
                true
            }
            key if quantiser(key) => {
                let mut this = None;
                let known = keep(&mut this, value, |v| v.parse().ok().filter(|q: &f64| q.is_finite()));
                if let Some(q) = this.filter(|q| *q > 0.0) {
                    block.quantiser = Some(block.quantiser.map_or(q, |worst: f64| worst.max(q)));
                }
                known
            }
            _ => true,
        };
        self.unreadable += u64::from(!known);
    }
}

/// Stores a value; `N/A` is none. False when it makes no sense.
fn keep<T>(place: &mut Option<T>, value: &str, parse: impl FnOnce(&str) -> Option<T>) -> bool {
    *place = parse(value);
    place.is_some() || value == "N/A"
}

/// `stream_<file>_<stream>_q`
fn quantiser(key: &str) -> bool {
    let number = |part: Option<&str>| part.is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    let Some(mut parts) = key.strip_prefix("stream_").and_then(|k| k.strip_suffix("_q")).map(|k| k.split('_')) else {
        return false;
    };
    number(parts.next()) && number(parts.next()) && parts.next().is_none()
}
