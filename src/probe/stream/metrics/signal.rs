//! `ts_*`: the stream as a transport stream.

use super::super::address::Protocol;
use super::super::intake::Intake;
use super::super::presence::Presence;
use super::input::{Presences, Stretch};
use super::{CADENCE, ID, counter};
use crate::base::clock::{Dated, Now};
use crate::base::label::Label;
use crate::metric::book::{Series, Slot};
use crate::metric::desc::{Desc, Unit};
use crate::metric::report::{NoData, Report};
use crate::probe::Kit;
use crate::wire::psi::Kind;
use crate::wire::ts::{CueState, Facts, Indicator, Program, Role, Stream};
use std::time::Duration;

/// A PID of which nothing came for so long delivers nothing (TR 101 290 1.6 as used for video and audio).
const DELIVERING: Duration = Duration::from_secs(5);

const fn seconds(name: &'static str, help: &'static str) -> Desc<1> {
    Desc::gauge(name, Unit::Seconds, ID, help)
}

pub(crate) static LAST_PACKET: Desc<1> = seconds(
    "ts_last_packet_timestamp_seconds",
    "Unix time at which the last transport packet came, by this box's wall clock; stays when the signal goes",
);
pub(crate) static PACKETS: Desc<2> =
    Desc::counter("ts_packets_total", Unit::Count, ["stream_id", "role"], "Transport packets by what their PID is for");
pub(crate) static RATE: Desc<2> = Desc::gauge(
    "ts_bits_per_second",
    Unit::BitsPerSecond,
    ["stream_id", "role"],
    "Packets of 188 bytes over the last 10 s by what their PID is for; the sum without role null is the net rate. Over RTMP the bytes of the frames",
);
pub(crate) static ERRORS: Desc<3> = Desc::counter(
    "ts_tr101290_errors_total",
    Unit::Count,
    ["stream_id", "indicator", "priority"],
    "ETSI TR 101 290 v1.4.1 clause 5.2; a missing table or PID counts once for every whole limit that it stays away; \
     priority 3 only where configured",
);
pub(crate) static CONTINUITY: Desc<2> = Desc::counter(
    "ts_continuity_errors_total",
    Unit::Count,
    ["stream_id", "role"],
    "Breaks of the continuity counter by what the PID is for",
);
pub(crate) static LOST: Desc<2> = Desc::counter(
    "ts_packets_lost_total",
    Unit::Count,
    ["stream_id", "role"],
    "Packets missing at breaks of the continuity counter, at the least: the counter has 4 bits",
);
pub(crate) static DUPLICATES: Desc<1> =
    counter("ts_packets_duplicate_total", "Packets sent once more, which the standard allows");
pub(crate) static SCRAMBLED: Desc<1> =
    counter("ts_packets_scrambled_total", "Packets whose transport_scrambling_control is not 0");
pub(crate) static JUMPS: Desc<2> = Desc::counter(
    "ts_discontinuities_total",
    Unit::Count,
    ["stream_id", "kind"],
    "Steps of the programme clock without a word (pcr), of timestamps (pts), and those that the stream announced (signalled)",
);
pub(crate) static TABLE_CHANGES: Desc<1> = counter("ts_table_changes_total", "New content of the PAT or of a PMT");
pub(crate) static PROGRAMS: Desc<1> =
    Desc::gauge("ts_programs", Unit::Count, ID, "Programmes in the PAT; absent without a signal");
pub(crate) static PIDS: Desc<3> = Desc::gauge(
    "ts_pids",
    Unit::Count,
    ["stream_id", "role", "state"],
    "PIDs of video and audio that the tables name (declared), and of those the ones that brought a packet within 5 s (delivering)",
);
pub(crate) static CUE_PIDS: Desc<2> = Desc::gauge(
    "ts_cue_pids",
    Unit::Count,
    ["stream_id", "state"],
    "PIDs that the tables give to SCTE-35 (declared), gave to it before (former), and private ones with SCTE-35 sections inside PES packets, where no splicer looks (disguised)",
);
pub(crate) static PCR_INTERVAL: Desc<1> =
    seconds("ts_pcr_interval_seconds", "Longest time between two PCRs of a programme in the last 10 s");
pub(crate) static PCR_JITTER: Desc<1> = seconds(
    "ts_pcr_jitter_seconds",
    "Spread of PCR arrival against an even clock in the last 10 s: the sender's, the network's and our own together; of files it says how they are written",
);
pub(crate) static PTS_INTERVAL: Desc<2> = Desc::gauge(
    "ts_pts_interval_seconds",
    Unit::Seconds,
    ["stream_id", "role"],
    "Longest step between timestamps of a video or audio PID in the last 10 s",
);
pub(crate) static AV_OFFSET: Desc<1> = seconds(
    "ts_av_offset_seconds",
    "Audio timestamps ahead of video's at one place of the stream, first audio and first video of the first programme that has both",
);
pub(crate) static AV_DRIFT: Desc<1> =
    seconds("ts_av_drift_seconds", "How far that offset has moved since the streams settled");
pub(crate) static FPS: Desc<1> = Desc::gauge(
    "ts_video_frames_per_second",
    Unit::PerSecond,
    ID,
    "Access units of the first video over the last 10 s of arrival; not decoded. Over RTMP its frames",
);
pub(crate) static FPS_DECLARED: Desc<1> = Desc::gauge(
    "ts_video_declared_frames_per_second",
    Unit::PerSecond,
    ID,
    "Frame rate that the parameter set of the first video claims; absent if it does not",
);
pub(crate) static KEYFRAME_INTERVAL: Desc<1> = seconds(
    "ts_video_keyframe_interval_seconds",
    "Time between the last two random access points of the first video, by their timestamps",
);
pub(crate) static GOP: Desc<1> = Desc::gauge(
    "ts_video_gop_frames",
    Unit::Count,
    ID,
    "Pictures between the last two random access points of the first video",
);
pub(crate) static VIDEO: Desc<4> = Desc::info(
    "ts_video_info",
    ["stream_id", "codec", "width", "height"],
    "Codec of the first video, and the cropped picture size in pixels as its parameter set says",
);

/// The series of one stream's signal.
pub(crate) struct Signals {
    presences: Presences,
    stretch: Stretch,
    last_packet: Series,
    last_packet_at: Dated,
    roles: Vec<(Role, [Series; 4])>,
    errors: Vec<(Indicator, Series)>,
    duplicates: Series,
    scrambled: Series,
    jumps: [Series; 3],
    table_changes: Series,
    /// Read each second while there is a signal.
    programs: Series,
    pids: Vec<(Role, [Series; 2], Series)>,
    cue_pids: Vec<(CueState, Series)>,
    pcr_interval: Series,
    pcr_jitter: Series,
    av: [Series; 2],
    video: [Series; 4],
    video_info: Slot,
}

impl Signals {
    pub(crate) fn open(kit: &mut Kit, id: &str, protocol: Protocol, priority3: bool) -> Signals {
        let own = |kit: &mut Kit, desc: &'static Desc<1>| kit.own(desc, [id]);
        let read = |kit: &mut Kit, desc: &'static Desc<1>| kit.read(desc, [id], CADENCE);
        let roles = |kit: &mut Kit, role: Role| {
            let l = role.label();
            let rate = kit.read(&RATE, [id, l], CADENCE);
            (role, [kit.own(&PACKETS, [id, l]), kit.own(&CONTINUITY, [id, l]), kit.own(&LOST, [id, l]), rate])
        };
        let errors = |kit: &mut Kit, i: Indicator| {
            (i, kit.own(&ERRORS, [id, i.label(), ["1", "2", "3"][usize::from(i.priority()) - 1]]))
        };
        let pids = |kit: &mut Kit, role: Role| {
            let l = role.label();
            let states = ["declared", "delivering"].map(|state| kit.read(&PIDS, [id, l, state], CADENCE));
            (role, states, kit.read(&PTS_INTERVAL, [id, l], CADENCE))
        };
        let cue_pids =
            [(CueState::Declared, "declared"), (CueState::Former, "former"), (CueState::Disguised, "disguised")];
        let made = Indicator::ALL.iter().filter(|i| priority3 || i.priority() < 3);
        Signals {
            presences: Presences::open(kit, id, protocol),
            stretch: Stretch::open(kit, id, protocol),
            last_packet: own(kit, &LAST_PACKET),
            last_packet_at: Dated::default(),
            roles: Role::ALL.iter().map(|role| roles(kit, *role)).collect(),
            errors: made.map(|i| errors(kit, *i)).collect(),
            duplicates: own(kit, &DUPLICATES),
            scrambled: own(kit, &SCRAMBLED),
            jumps: ["pcr", "pts", "signalled"].map(|kind| kit.own(&JUMPS, [id, kind])),
            table_changes: own(kit, &TABLE_CHANGES),
            programs: read(kit, &PROGRAMS),
            pids: [Role::Video, Role::Audio].into_iter().map(|role| pids(kit, role)).collect(),
            cue_pids: cue_pids.into_iter().map(|(state, l)| (state, kit.read(&CUE_PIDS, [id, l], CADENCE))).collect(),
            pcr_interval: read(kit, &PCR_INTERVAL),
            pcr_jitter: read(kit, &PCR_JITTER),
            av: [&AV_OFFSET, &AV_DRIFT].map(|desc| read(kit, desc)),
            video: [&FPS, &FPS_DECLARED, &KEYFRAME_INTERVAL, &GOP].map(|desc| read(kit, desc)),
            video_info: kit.info(&VIDEO, &[id]),
        }
    }

    /// What stands with and without a signal.
    pub(crate) fn always(
        &mut self,
        report: &mut Report,
        now: &Now,
        up: bool,
        intake: &Intake,
        presence: &Presence,
        facts: &Facts,
    ) {
        self.presences.fill(report, up, presence, intake.bytes);
        self.stretch.fill(report, intake);
        if let Some(at) = facts.last_packet {
            report.value(self.last_packet, self.last_packet_at.wall_of(now, at).as_secs_f64());
        }
        let counts = intake.monitor.counts();
        let (mut duplicates, mut scrambled) = (0, 0);
        for (role, [packets, continuity, lost, _]) in &self.roles {
            let of = counts.role(*role);
            report
                .value(*packets, of.packets as f64)
                .value(*continuity, of.continuity_errors as f64)
                .value(*lost, of.lost as f64);
            duplicates += of.duplicates;
            scrambled += of.scrambled;
        }
        for (indicator, series) in &self.errors {
            report.value(*series, counts.of(*indicator) as f64);
        }
        report.value(self.duplicates, duplicates as f64).value(self.scrambled, scrambled as f64);
        let jumps = [counts.pcr_jumps, counts.pts_jumps, counts.signalled_discontinuities];
        for (series, jumps) in self.jumps.iter().zip(jumps) {
            report.value(*series, jumps as f64);
        }
        report.value(self.table_changes, counts.table_changes as f64);
    }

    /// What is told each second while there is a signal.
    pub(crate) fn present(&self, report: &mut Report, now: &Now, facts: &Facts, intake: &Intake) {
        self.stretch.present(report, intake);
        let mut known = |series: Series, value: Option<f64>| {
            if let Some(value) = value {
                report.value(series, value);
            }
        };
        for (role, [.., rate]) in &self.roles {
            known(*rate, facts.role_bitrate.map(|all| all[*role as usize]));
        }
        known(self.programs, Some(facts.programs.len() as f64));
        let streams = || facts.programs.iter().flat_map(|program| &program.streams);
        for (role, [declared, delivering], pts) in &self.pids {
            let of = || streams().filter(|stream| stream.role == *role);
            let fresh = |s: &&Stream| s.last_packet.is_some_and(|at| now.boot.since(at) <= DELIVERING);
            known(*declared, Some(of().count() as f64));
            known(*delivering, Some(of().filter(fresh).count() as f64));
            known(*pts, of().filter_map(|stream| stream.pts_interval).reduce(f64::max));
        }
        for (state, series) in &self.cue_pids {
            known(*series, Some(streams().filter(|stream| stream.cue == *state).count() as f64));
        }
        let worst = |of: fn(&Program) -> Option<f64>| facts.programs.iter().filter_map(of).reduce(f64::max);
        known(self.pcr_interval, worst(|program| program.pcr_interval));
        known(self.pcr_jitter, worst(|program| program.pcr_jitter));
        if let Some(program) = facts.programs.iter().find(|program| program.av_offset.is_some()) {
            known(self.av[0], program.av_offset);
            known(self.av[1], program.av_drift);
        }
        let first = streams().find_map(|stream| match stream.kind {
            Kind::Video(codec) => Some((codec, stream.video?)),
            _ => None,
        });
        let Some((codec, video)) = first else {
            report.info(self.video_info, None);
            return;
        };
        let values = [video.fps, video.declared_fps, video.keyframe_interval, video.gop.map(f64::from)];
        for (series, value) in self.video.iter().zip(values) {
            known(*series, value);
        }
        let (width, height) = match video.resolution {
            Some((width, height)) => (width.to_string(), height.to_string()),
            None => Default::default(),
        };
        report.info(self.video_info, Some(vec![codec.label().to_owned(), width, height]));
    }

    /// The signal is gone: what only it could tell leaves the page.
    pub(crate) fn absent(&self, report: &mut Report, why: NoData) {
        self.stretch.absent(report, why);
        let pids = self.pids.iter().flat_map(|(_, [a, b], pts)| [*a, *b, *pts]);
        let all = pids
            .chain(self.roles.iter().map(|(_, [.., rate])| *rate))
            .chain(self.cue_pids.iter().map(|(_, series)| *series))
            .chain([self.programs, self.pcr_interval, self.pcr_jitter])
            .chain(self.av)
            .chain(self.video);
        for series in all {
            report.reading(series, Err(why));
        }
        report.info(self.video_info, None);
    }
}
