//! What is wrong with a transport stream, and what to do about it.

use super::{Heard, hints};
use crate::base::label::Label;
use crate::cli::probe::figures::{count, span};
use crate::cli::probe::verdict::Finding;
use crate::wire::scte35::{How, Verdict};
use crate::wire::ts::clock33::seconds;
use crate::wire::ts::{CueState, Indicator, Kind, Role};

/// A live stream should have shown a key frame within so many seconds.
const KEYFRAME: f64 = 10.0;
/// A video whose rate is below this share of what its parameter set claims is slow.
const SLOW: f64 = 0.8;
/// Seconds that a measured rate needs.
const ENOUGH: f64 = 3.0;

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, fault: bool, code: &'static str, said: String, hint: &'static str) {
        self.0.push(Finding { fault, code, said, hint });
    }
    /// Only where there are any.
    fn some(&mut self, fault: bool, code: &'static str, n: u64, said: &str, hint: &'static str) {
        if n > 0 {
            self.add(fault, code, format!("{n} × {said}"), hint);
        }
    }
}

pub(super) fn findings(heard: &Heard) -> Vec<Finding> {
    let mut all = Findings(Vec::new());
    arrival(heard, &mut all);
    for kind in Indicator::ALL.iter().filter(|i| i.priority() < 3) {
        let n = heard.errors(*kind);
        let (said, hint) = hints::indicator(*kind);
        let lost = if *kind == Indicator::Continuity { lost(heard) } else { String::new() };
        let said = format!("TR 101 290 {said}{lost}");
        all.some(true, kind.label(), n, &said, hint);
    }
    programmes(heard, &mut all);
    all.0.extend(cues(heard));
    all.0
}

/// Where packets were lost.
fn lost(heard: &Heard) -> String {
    let of = |role: &Role| Some((role.label(), heard.counts.role(*role).lost)).filter(|(_, lost)| *lost > 0);
    let parts: Vec<String> = Role::ALL.iter().filter_map(of).map(|(role, lost)| format!("{role} {lost}")).collect();
    if parts.is_empty() { String::new() } else { format!("; at least so many are lost: {}", parts.join(", ")) }
}

fn arrival(heard: &Heard, all: &mut Findings) {
    let datagrams = heard.datagrams;
    if let Some(silent) = heard.stopped {
        let said = format!("the last packet came {} before the end", span(silent));
        all.add(true, "stopped", said, "the encoder or the way to it went: look at both");
    }
    all.some(
        true,
        "datagrams_dropped",
        datagrams.dropped,
        "this machine had no room for a datagram: the faults below may be its own",
        "raise net.core.rmem_max to 4194304 and look at the load of this machine",
    );
    all.some(
        true,
        "rtp_lost",
        datagrams.lost,
        "an RTP packet did not come",
        "look at cables, switches and the load between the encoder and here",
    );
    all.some(true, "no_rtp", datagrams.bare, "a datagram was no RTP", "write udp:// for rtp://");
    all.some(
        true,
        "datagram_size",
        datagrams.odd,
        "a datagram held no whole number of packets",
        "set the encoder's packet size to 1316 (pkt_size), so that nothing is cut",
    );
    if datagrams.wrapped {
        all.add(
            false,
            "rtp",
            "the datagrams are RTP".to_owned(),
            "write rtp:// for udp:// in the configuration of the daemon",
        );
    }
}

fn programmes(heard: &Heard, all: &mut Findings) {
    let programs = &heard.facts.programs;
    if programs.is_empty() && heard.errors(Indicator::Pat) == 0 {
        all.add(
            true,
            "no_programme",
            "no programme was named".to_owned(),
            "there is no PAT: listen longer with --for, or look at the multiplexer",
        );
    }
    all.some(
        true,
        "pts_jump",
        heard.counts.pts_jumps,
        "a timestamp (PTS) of video or audio stepped",
        "the encoder restarted or lost its input: look at its log",
    );
    let scrambled: u64 = Role::ALL.iter().map(|role| heard.counts.role(*role).scrambled).sum();
    all.some(false, "scrambled", scrambled, "a packet was scrambled", "what is scrambled was not looked into");
    for stream in programs.iter().flat_map(|program| &program.streams) {
        let pid = format!("PID {0:#06x} ({0})", stream.pid);
        if let Some(video) = &stream.video {
            let pictures = heard.ears.pictures.get(&stream.pid);
            let keys = pictures.map_or(0, |p| p.keys);
            if keys == 0
                && heard.seconds >= KEYFRAME
                && !stream.scrambled
                && !matches!(stream.kind, Kind::Video(crate::wire::ts::Codec::Other))
            {
                let said = format!("{pid} had no key frame in {}", span(heard.seconds));
                all.add(true, "no_keyframe", said, "players cannot start: set the encoder's GOP to 2 s or so");
            }
            let rates = pictures.and_then(|p| p.rate()).zip(video.declared_fps);
            if let Some((rate, declared)) = rates.filter(|(rate, wanted)| *rate < wanted * SLOW)
                && heard.seconds >= ENOUGH
            {
                let said = format!("{pid} has {rate:.1} pictures a second and declares {declared:.1}");
                all.add(false, "fps_low", said, "the encoder is too slow or its input falters: look at its load");
            }
        }
        match stream.cue {
            CueState::Former => all.add(
                true,
                "cue_pid_lost",
                format!("{pid} was given to SCTE-35 by the PMT and no longer is"),
                "the encoder or multiplexer dropped its cues: look at its SCTE-35 pass-through",
            ),
            CueState::Disguised => all.add(
                true,
                "cue_disguised",
                format!("{pid} carries SCTE-35 sections inside PES packets, where no splicer looks"),
                "FFmpeg muxes cues so: use a multiplexer that writes stream_type 0x86 (GStreamer's mpegtsmux, \
                 TSDuck)",
            ),
            CueState::None | CueState::Declared => {}
        }
    }
    for pid in programs.iter().flat_map(|program| &program.gone_cues) {
        let said = format!("PID {pid:#06x} ({pid}) was given to SCTE-35 by the PMT and is gone from it");
        all.add(
            true,
            "cue_pid_lost",
            said,
            "the encoder or multiplexer dropped its cues: look at its SCTE-35 pass-through",
        );
    }
}

/// What is wrong with the cues and the breaks they make.
pub(super) fn cues(heard: &Heard) -> Vec<Finding> {
    let mut all = Findings(Vec::new());
    let sum = |of: &dyn Fn(&crate::wire::scte35::Counts) -> u64| heard.ears.counts().map(of).sum::<u64>();
    let (bad, defects) = heard.ears.bad;
    all.some(
        true,
        "cue_damaged",
        bad,
        &format!("a cue section cannot be used ({defects})"),
        "the message is lost to splicers: look for loss, and at who writes or rewrites the cues",
    );
    all.some(
        false,
        "cue_carriage",
        heard.ears.misplaced,
        "a cue section did not begin with its packet (SCTE 35 9.6)",
        "simple splicers miss it: look at the multiplexer",
    );
    all.some(
        true,
        "cue_late",
        sum(&|c| c.late.sum()),
        &format!("a cue was first sent less than 4 s before its splice point{}", least(heard)),
        "splicers cannot prepare: let the automation send it earlier",
    );
    all.some(
        true,
        "cue_implausible",
        sum(&|c| c.implausible),
        "a cue's time lies in the past or more than ten minutes off",
        "a device that rewrote the clock did not set pts_adjustment: look at the re-multiplexers on the way",
    );
    all.some(
        true,
        "cue_missing_return",
        sum(&|c| c.missing_returns + c.closed.get(How::Timeout)),
        "a break was not ended in time",
        "viewers stay in the break: look at the automation, and for lost cues",
    );
    all.some(
        true,
        "cue_duration",
        sum(&|c| c.mismatches),
        "a break was longer or shorter than announced",
        "look at the automation's playlist: advertisements are cut, or there is a gap",
    );
    let points = |verdict: Verdict| sum(&|c| c.points_out.get(verdict) + c.points_in.get(verdict));
    all.some(
        true,
        "cue_unconditioned",
        points(Verdict::Unconditioned),
        "a splice point had no key frame at it",
        "the cut is not clean: let the encoder force an IDR frame at splice points",
    );
    all.some(
        false,
        "cue_open_gop",
        points(Verdict::OpenGop),
        "a splice point lay in an open GOP",
        "let the encoder force an IDR frame with a closed GOP at splice points",
    );
    all.some(
        false,
        "cue_duplicate_id",
        sum(&|c| c.duplicate_ids.sum()),
        "an event id was used again while its break was open",
        "let the automation give each event an id of its own",
    );
    all.some(
        false,
        "cue_overlap",
        sum(&|c| c.overlapping),
        "a break began within a break",
        "look at the automation's playlist",
    );
    all.some(
        false,
        "cue_orphaned",
        sum(&|c| c.orphaned.sum()),
        "an announced splice point did not come",
        "the clock of the programme jumped before it: look at restarts of the encoder",
    );
    all.some(
        false,
        "cue_unmatched",
        sum(&|c| c.unmatched_returns),
        "a return came without a break",
        "its begin may have been before this look; else look for lost cues",
    );
    let open: u64 = heard.ears.states(heard.now).iter().map(|s| s.open).sum();
    all.some(false, "cue_open", open, "a break was still open at the end", "look longer with --for to see it end");
    all.0
}

fn least(heard: &Heard) -> String {
    let (declared, arrival) = heard.ears.preroll;
    let least = declared.into_iter().chain(arrival).min();
    least.map(|ticks| format!("; the least was {:.2} s", seconds(ticks))).unwrap_or_default()
}

/// The whole of it, for the summary's count of things.
pub(super) fn preroll(heard: &Heard) -> Option<String> {
    let (declared, arrival) = heard.ears.preroll;
    let part = |name: &str, ticks: Option<i64>| ticks.map(|t| format!("{:.2} s by the {name}", seconds(t)));
    let parts: Vec<String> =
        [part("clock (PCR)", declared), part("picture (PTS)", arrival)].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("least {}", parts.join(", ")))
}

/// Breaks by how they ended.
pub(super) fn closed(heard: &Heard) -> Vec<String> {
    let of = |how: &How| heard.ears.counts().map(|c| c.closed.get(*how)).sum::<u64>();
    How::ALL
        .iter()
        .map(|how| (of(how), how))
        .filter(|(n, _)| *n > 0)
        .map(|(n, how)| format!("{n} by {}", how.label()))
        .collect()
}

/// `1 announced`, with nothing where there is none.
pub(super) fn some(n: u64, thing: &str) -> Option<String> {
    (n > 0).then(|| count(n, thing))
}
