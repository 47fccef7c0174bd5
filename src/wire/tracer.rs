//! What the GStreamer tracer tells the daemon once a second: one datagram of ASCII lines, so that `socat` shows it.
//! Shared with the `vedette-gst` crate by `#[path]`: nothing but `core` and `std` here.
//!
//! ```text
//! vedette-gst/1 id=front pid=812 seq=41 at=90512345678 since=49000000000 errors=0 warnings=2 left_out=0 unsent=0
//! pipeline0 pipeline pipeline state=playing eos=0 errors=0 warnings=2
//! x264enc0 x264enc video_encoder in_buffers=1021 in_bytes=1411430400 out_buffers=1019 out_bytes=2104412 keys=21 in_age=12000000 …
//! ```
//!
//! The first line is the head. Each other line is an element: its name, its factory, what it is, then `key=value` with
//! whole numbers. A key that is absent is not known; a key that is unknown is passed over, so either side may be newer.
//! Counts run since the element was made. Names are cut to [`MOST_NAME`] and hold `[A-Za-z0-9_.:-]` only.

use std::fmt;
use std::fmt::Write;

/// Bytes in a datagram at most: the kernel's default for a unix datagram is 208 KiB of socket buffer for all of them.
pub const MOST_BYTES: usize = 60_000;
/// Elements told at most; the rest is counted in `left_out`. A line is some 300 bytes, so that all fit.
pub const MOST_ELEMENTS: usize = 128;
/// Bytes of a name, of a factory's name and of the encoder's id at most.
pub const MOST_NAME: usize = 64;

/// Where the daemon listens and the tracer sends to, unless told otherwise. Every user may enter that folder; only the
/// daemon may bind there.
pub const SOCKET: &str = "/run/vedette-tracer/socket";

const MAGIC: &str = "vedette-gst/1";

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Head<'a> {
    /// `encoder=` of `GST_TRACERS`; empty when it was not given.
    pub id: &'a str,
    pub pid: u32,
    /// Grows by one per datagram made, also when it could not be sent.
    pub seq: u64,
    /// CLOCK_BOOTTIME when the counts were read, ns.
    pub at: u64,
    /// CLOCK_BOOTTIME when the tracer was loaded, ns: with `pid` it tells one run of an encoder from the next.
    pub since: u64,
    /// ERROR and WARNING messages of all elements, the untold ones included.
    pub errors: u64,
    pub warnings: u64,
    /// Elements that found no place: ever in the table, or in the last datagram.
    pub left_out: u64,
    /// Datagrams that nobody took: no daemon, or its socket was full.
    pub unsent: u64,
}

/// What an element is, by its class in GStreamer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Pipeline,
    VideoEncoder,
    AudioEncoder,
    Sink,
    Queue,
}

impl Kind {
    pub const ALL: &'static [Kind] = &[Kind::Pipeline, Kind::VideoEncoder, Kind::AudioEncoder, Kind::Sink, Kind::Queue];

    /// Lower case, `[a-z_]`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Pipeline => "pipeline",
            Kind::VideoEncoder => "video_encoder",
            Kind::AudioEncoder => "audio_encoder",
            Kind::Sink => "sink",
            Kind::Queue => "queue",
        }
    }
}

/// GstState of the element, as its last STATE_CHANGED message told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    Null,
    Ready,
    Paused,
    Playing,
}

impl State {
    pub const ALL: &'static [State] = &[State::Null, State::Ready, State::Paused, State::Playing];

    pub fn name(self) -> &'static str {
        match self {
            State::Null => "null",
            State::Ready => "ready",
            State::Paused => "paused",
            State::Playing => "playing",
        }
    }
}

/// One element. `None` is not known or has no meaning for the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    pub name: &'a str,
    pub factory: &'a str,
    pub kind: Kind,
    pub state: Option<State>,
    pub numbers: Numbers,
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// The numbers of an element; each is the key of the same name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
        pub struct Numbers { $($(#[$doc])* pub $field: Option<u64>,)* }

        impl Numbers {
            fn slot(&mut self, key: &str) -> Option<&mut Option<u64>> {
                match key { $(stringify!($field) => Some(&mut self.$field),)* _ => None }
            }
            fn each(&self, mut told: impl FnMut(&'static str, u64)) {
                $(if let Some(n) = self.$field { told(stringify!($field), n) })*
            }
        }
    };
}

numbers! {
    /// Buffers and bytes pushed into the element.
    in_buffers,
    in_bytes,
    /// Buffers and bytes that it pushed on; of a video encoder a buffer is a coded picture.
    out_buffers,
    out_bytes,
    /// Of those, the ones that stand alone (no DELTA_UNIT flag). Video encoders only.
    keys,
    /// Since the last push into it and out of it, ns.
    in_age,
    out_age,
    /// Pictures whose way through a video encoder was timed (found again by running time), and the sum of the times, ns.
    timed,
    timed_ns,
    /// Size of the picture, pixels.
    width,
    height,
    /// As the last QOS message of the element told: buffers (or frames) processed and dropped since it started.
    qos_processed,
    qos_dropped,
    /// What a queue holds now.
    level_buffers,
    level_bytes,
    level_ns,
    /// Where a queue is full; 0 is no limit.
    max_buffers,
    max_bytes,
    max_ns,
    /// Messages that the element itself posted.
    eos,
    errors,
    warnings,
    /// Changes of state.
    states,
}

/// A datagram that is not one of ours, and where it stops being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// 1 is the head.
    pub line: usize,
    pub what: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a tracer's datagram: line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for Malformed {}

/// Makes one datagram, in a buffer that is kept from one to the next.
#[derive(Debug, Default)]
pub struct Writer {
    text: String,
}

impl Writer {
    pub fn head(&mut self, head: &Head<'_>) {
        let Head { pid, seq, at, since, errors, warnings, left_out, unsent, .. } = head;
        self.text.clear();
        self.text.push_str(MAGIC);
        self.text.push_str(" id=");
        self.name(head.id);
        // Writing into a String cannot fail.
        let _written = writeln!(
            self.text,
            " pid={pid} seq={seq} at={at} since={since} errors={errors} warnings={warnings} left_out={left_out} unsent={unsent}"
        );
    }

    /// False when there is no place left; nothing is written then.
    pub fn element(&mut self, element: &Element<'_>) -> bool {
        let before = self.text.len();
        self.name(element.name);
        self.text.push(' ');
        self.name(element.factory);
        self.text.push(' ');
        self.text.push_str(element.kind.name());
        if let Some(state) = element.state {
            self.text.push_str(" state=");
            self.text.push_str(state.name());
        }
        element.numbers.each(|key, n| {
            let _written = write!(self.text, " {key}={n}");
        });
        self.text.push('\n');
        let fits = self.text.len() <= MOST_BYTES;
        if !fits {
            self.text.truncate(before);
        }
        fits
    }

    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    fn name(&mut self, name: &str) {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "_.:-".contains(c) { c } else { '_' };
        self.text.extend(name.chars().take(MOST_NAME).map(plain));
    }
}

/// Reads a datagram. Everything or nothing: a line that cannot be read makes the rest doubtful.
///
/// # Errors
/// What is wrong and in which line.
pub fn parse(datagram: &[u8]) -> Result<(Head<'_>, Vec<Element<'_>>), Malformed> {
    let at = |line: usize, what| Malformed { line, what };
    if datagram.len() > MOST_BYTES || !datagram.is_ascii() {
        return Err(at(1, "too long, or not ASCII"));
    }
    let text = std::str::from_utf8(datagram).map_err(|_| at(1, "not ASCII"))?;
    if !text.ends_with('\n') {
        return Err(at(1, "cut short"));
    }
    let mut lines = text.lines();
    let head = head(lines.next().unwrap_or("")).map_err(|what| at(1, what))?;
    let mut elements = Vec::new();
    for (n, line) in lines.enumerate() {
        if n == MOST_ELEMENTS {
            return Err(at(n + 2, "too many elements"));
        }
        elements.push(element(line).map_err(|what| at(n + 2, what))?);
    }
    Ok((head, elements))
}

fn head(line: &str) -> Result<Head<'_>, &'static str> {
    let mut words = line.split(' ');
    if words.next() != Some(MAGIC) {
        return Err("another magic or version");
    }
    let mut head = Head::default();
    let (mut id, mut pid) = (false, false);
    for word in words {
        let (key, value) = word.split_once('=').ok_or("no `=`")?;
        match key {
            "id" => (head.id, id) = (name(value, 0)?, true),
            "pid" => (head.pid, pid) = (value.parse().map_err(|_| "pid")?, true),
            "seq" => head.seq = number(value)?,
            "at" => head.at = number(value)?,
            "since" => head.since = number(value)?,
            "errors" => head.errors = number(value)?,
            "warnings" => head.warnings = number(value)?,
            "left_out" => head.left_out = number(value)?,
            "unsent" => head.unsent = number(value)?,
            _ => {}
        }
    }
    if id && pid && head.at >= head.since && head.at > 0 { Ok(head) } else { Err("a head without id, pid or time") }
}

fn element(line: &str) -> Result<Element<'_>, &'static str> {
    let mut words = line.split(' ');
    let mut next = || words.next().ok_or("a line of fewer than three words");
    let (called, factory, kind) = (name(next()?, 1)?, name(next()?, 1)?, next()?);
    let kind = *Kind::ALL.iter().find(|k| k.name() == kind).ok_or("unknown kind")?;
    let mut state = None;
    let mut numbers = Numbers::default();
    for word in words {
        let (key, value) = word.split_once('=').ok_or("no `=`")?;
        if key == "state" {
            state = Some(*State::ALL.iter().find(|s| s.name() == value).ok_or("unknown state")?);
        } else if let Some(slot) = numbers.slot(key) {
            *slot = Some(number(value)?);
        }
    }
    Ok(Element { name: called, factory, kind, state, numbers })
}

fn name(text: &str, least: usize) -> Result<&str, &'static str> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b));
    if plain && (least..=MOST_NAME).contains(&text.len()) { Ok(text) } else { Err("not a name") }
}

fn number(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "not a whole number")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_number(n: u64) -> Numbers {
        let mut numbers = Numbers::default();
        let mut keys = Vec::new();
        let all = "in_buffers in_bytes out_buffers out_bytes keys in_age out_age timed timed_ns width height qos_processed qos_dropped \
                   level_buffers level_bytes level_ns max_buffers max_bytes max_ns eos errors warnings states";
        for key in all.split_whitespace() {
            *numbers.slot(key).unwrap() = Some(n);
        }
        numbers.each(|key, _| keys.push(key));
        assert_eq!(keys.join(" "), all.split_whitespace().collect::<Vec<_>>().join(" "));
        numbers
    }

    #[test]
    fn what_is_written_is_read() {
        let head =
            Head { id: "front", pid: 7, seq: 3, at: 90, since: 40, errors: 1, warnings: 2, left_out: 5, unsent: 6 };
        let queue = Numbers { in_buffers: Some(9), level_ns: Some(0), ..Numbers::default() };
        let elements = [
            Element {
                name: "p",
                factory: "pipeline",
                kind: Kind::Pipeline,
                state: Some(State::Playing),
                numbers: Numbers::default(),
            },
            Element { name: "q0", factory: "queue", kind: Kind::Queue, state: None, numbers: queue },
            Element {
                name: "venc",
                factory: "x264enc",
                kind: Kind::VideoEncoder,
                state: None,
                numbers: every_number(u64::MAX),
            },
        ];
        let mut writer = Writer::default();
        writer.head(&head);
        assert!(elements.iter().all(|e| writer.element(e)));
        let (read, all) = parse(writer.bytes()).unwrap();
        assert_eq!(read, head);
        assert_eq!(all, elements);
    }

    #[test]
    fn the_longest_datagram_keeps_its_bound_and_a_line_too_many_is_refused_whole() {
        let long = "n".repeat(300);
        let full = Element {
            name: &long,
            factory: &long,
            kind: Kind::VideoEncoder,
            state: Some(State::Playing),
            numbers: every_number(u64::MAX),
        };
        let mut writer = Writer::default();
        writer.head(&Head { id: &long, pid: u32::MAX, seq: u64::MAX, at: u64::MAX, ..Head::default() });
        let fitted = (0..MOST_ELEMENTS).take_while(|_| writer.element(&full)).count();
        assert!(writer.bytes().len() <= MOST_BYTES);
        assert_eq!(parse(writer.bytes()).unwrap().1.len(), fitted);
        assert_eq!(parse(writer.bytes()).unwrap().0.id.len(), MOST_NAME);
    }

    #[test]
    fn a_name_holds_nothing_that_could_be_taken_for_a_field_or_a_line() {
        let mut writer = Writer::default();
        writer.head(&Head { id: "a b", pid: 1, at: 1, ..Head::default() });
        let named = "rtsp://u:p@h/ x=1\nfake sink sink";
        let numbers = Numbers::default();
        assert!(writer.element(&Element { name: named, factory: "sink", kind: Kind::Sink, state: None, numbers }));
        let (head, elements) = parse(writer.bytes()).unwrap();
        assert_eq!((head.id, elements.len()), ("a_b", 1));
        assert_eq!(elements[0].name, "rtsp:__u:p_h__x_1_fake_sink_sink");
    }

    #[test]
    fn what_a_newer_tracer_adds_is_passed_over() {
        let text = b"vedette-gst/1 id=a pid=1 at=5 since=2 colour=9\nq queue queue in_buffers=4 weight=heavy\n";
        let (head, elements) = parse(text).unwrap();
        assert_eq!((head.at, elements[0].numbers.in_buffers), (5, Some(4)));
    }

    #[test]
    fn what_is_not_ours_is_refused_with_its_line() {
        let head = "vedette-gst/1 id=a pid=1 at=5 since=2\n";
        for (line, body) in [
            (1, String::new()),
            (1, head.trim_end().to_owned()),
            (1, head.replace("gst/1", "gst/2")),
            (1, head.replace("pid=1 ", "")),
            (1, head.replace("pid=1", "pid=-1")),
            (1, head.replace("since=2", "since=6")),
            (1, format!("{head}é\n")),
            (1, head.replace("id=a", &format!("id={}", "a".repeat(MOST_NAME + 1)))),
            (2, format!("{head}q queue\n")),
            (2, format!("{head}q queue door\n")),
            (2, format!("{head}q queue queue in_bytes=\n")),
            (2, format!("{head}q queue queue in_bytes\n")),
            (2, format!("{head}q queue queue state=asleep\n")),
            (3, format!("{head}q queue queue\n\n")),
            (MOST_ELEMENTS + 2, format!("{head}{}", "q queue queue\n".repeat(MOST_ELEMENTS + 1))),
            (1, format!("{head}{}", "q".repeat(MOST_BYTES))),
        ] {
            assert_eq!(parse(body.as_bytes()).unwrap_err().line, line, "{body:?}");
        }
    }
}
