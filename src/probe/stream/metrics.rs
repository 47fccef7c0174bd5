//! Every family of the stream probe. The series of one stream are in [`input`] and [`signal`] (`ts_*`) and [`cues`]
//! (`scte35_*`); those of RTMP in [`frames`].

pub(super) mod cues;
pub(super) mod frames;
pub(super) mod input;
pub(super) mod signal;

use crate::metric::desc::{Desc, Family, Unit};
use std::time::Duration;

/// How often a stream reports.
pub(super) const CADENCE: Duration = Duration::from_secs(1);

const ID: [&str; 1] = ["stream_id"];

const fn counter(name: &'static str, help: &'static str) -> Desc<1> {
    Desc::counter(name, Unit::Count, ID, help)
}

pub(super) static FAMILIES: &[Family] = &[
    input::UP.family(),
    input::FAILURES.family(),
    input::BYTES.family(),
    input::DROPPED.family(),
    input::RTP_LOST.family(),
    input::MISFITS.family(),
    input::SRT_PACKETS.family(),
    input::SRT_LOST.family(),
    input::SRT_ROUND_TRIP.family(),
    input::SRT_LATENCY.family(),
    signal::LAST_PACKET.family(),
    signal::PACKETS.family(),
    signal::RATE.family(),
    signal::ERRORS.family(),
    signal::CONTINUITY.family(),
    signal::LOST.family(),
    signal::DUPLICATES.family(),
    signal::SCRAMBLED.family(),
    signal::JUMPS.family(),
    signal::TABLE_CHANGES.family(),
    signal::PROGRAMS.family(),
    signal::PIDS.family(),
    signal::CUE_PIDS.family(),
    signal::PCR_INTERVAL.family(),
    signal::PCR_JITTER.family(),
    signal::PTS_INTERVAL.family(),
    signal::AV_OFFSET.family(),
    signal::AV_DRIFT.family(),
    signal::FPS.family(),
    signal::FPS_DECLARED.family(),
    signal::KEYFRAME_INTERVAL.family(),
    signal::GOP.family(),
    signal::VIDEO.family(),
    cues::SECTIONS.family(),
    cues::FAULTY.family(),
    cues::SEGMENTATIONS.family(),
    cues::DEFECTS.family(),
    cues::DISGUISED.family(),
    cues::ANNOUNCED.family(),
    cues::REPEATS.family(),
    cues::RETIMES.family(),
    cues::DUPLICATE_IDS.family(),
    cues::LATE.family(),
    cues::IMMEDIATE.family(),
    cues::IMPLAUSIBLE.family(),
    cues::CANCELS.family(),
    cues::UNMATCHED.family(),
    cues::OPENED.family(),
    cues::CLOSED.family(),
    cues::OVERLAPPING.family(),
    cues::MISSING_RETURNS.family(),
    cues::MISMATCHES.family(),
    cues::ORPHANED.family(),
    cues::POINTS.family(),
    cues::REFUSED.family(),
    cues::DTMF_LATE.family(),
    cues::UNTOLD.family(),
    cues::BREAKS.family(),
    cues::HEARTBEAT_AGE.family(),
    cues::HEARTBEAT_INTERVAL.family(),
    cues::HEARTBEAT_LOST.family(),
    cues::LAST_SEEN.family(),
    cues::SILENCE.family(),
    cues::LIMIT.family(),
    cues::ADJUSTMENT.family(),
    cues::OFFSET.family(),
    cues::DURATION_ERROR.family(),
    cues::TIME_OFFSET.family(),
    cues::PREROLL.family(),
    cues::BREAK_SECONDS.family(),
    cues::ENCODER.family(),
    cues::PID_LOST.family(),
];
