//! A `[[stream]]` table, read.

use super::address::{self, Origin, Protocol};
use super::markers::Kind;
use crate::base::label::Label;
use crate::base::settings::Table;
use crate::wire::scte35::Policy;
use crate::world::feed::{self, Interface};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Without a packet for this long the input is down: longer than any pause of an encoder that is at work.
const STALL: Duration = Duration::from_secs(2);
/// The same over RTMP, of which the worker tells once a second.
const STALL_RTMP: Duration = Duration::from_secs(5);
/// The least `stall` over RTMP: two of its counts.
const MOST_OFTEN: Duration = Duration::from_secs(2);
/// How much later than at the encoder's input a cue may come out: more than any encoder's delay, less than the pre-roll
/// that would be worth having.
const LATENCY: Duration = Duration::from_secs(10);

/// One stream to watch.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) id: String,
    pub(super) origin: Origin,
    pub(super) protocol: Protocol,
    pub(super) stall: Duration,
    pub(super) priority3: bool,
    pub(super) policy: Policy,
    /// Markers that must come at least so often.
    pub(super) expect: Vec<(Kind, Duration)>,
    /// The stream at the input of the encoder whose output this is.
    pub(super) input: Option<String>,
    pub(super) latency: Duration,
    /// Of the URL as written: a changed passphrase in it is a changed plan, without the text being kept.
    digest: u64,
}

/// What is about packets, tables and cues, which RTMP does not carry.
const NOT_OVER_RTMP: [&str; 9] =
    ["priority3", "expect", "input", "latency", "preroll", "max_break", "tolerance", "heartbeat", "any_in_closes"];

impl Plan {
    pub(super) fn read(table: &Table<'_>) -> Option<Plan> {
        let id = table.need_id("id");
        let written = table.need_text("url");
        let interface = interface(table);
        let stall = table.duration("stall", Duration::from_millis(500)..=Duration::from_secs(300));
        let priority3 = table.flag("priority3").unwrap_or(false);
        let expect = table.table("expect").map(expect).unwrap_or_default();
        let input = table.text("input");
        let latency = table.duration("latency", Duration::from_secs(1)..=Duration::from_secs(120));
        let usual = Policy::default();
        let day = Duration::from_secs(86_400);
        let policy = Policy {
            preroll: table.duration("preroll", Duration::ZERO..=Duration::from_secs(60)).unwrap_or(usual.preroll),
            max_break: table.duration("max_break", Duration::from_secs(1)..=day).unwrap_or(usual.max_break),
            tolerance: table
                .duration("tolerance", Duration::from_millis(10)..=Duration::from_secs(60))
                .unwrap_or(usual.tolerance),
            heartbeat: table.duration("heartbeat", Duration::from_secs(1)..=day),
            any_in_closes: table.flag("any_in_closes").unwrap_or(usual.any_in_closes),
        };
        if latency.is_some() && input.is_none() {
            table.mistake("latency", "`latency` without `input`", "name the stream before the encoder with `input`");
        }
        if input.is_some() && input == id {
            table.mistake("input", "a stream is its own input", "name the stream before the encoder");
        }
        let written = written?;
        let (origin, protocol) = address::read(table, &written, interface)?;
        if protocol == Protocol::Rtmp {
            check_rtmp(table, stall);
        }
        let stall = stall.unwrap_or(if protocol == Protocol::Rtmp { STALL_RTMP } else { STALL });
        let latency = latency.unwrap_or(LATENCY);
        let mut digest = DefaultHasher::new();
        written.hash(&mut digest);
        let digest = digest.finish();
        Some(Plan { id: id?, origin, protocol, stall, priority3, policy, expect, input, latency, digest })
    }
}

fn check_rtmp(table: &Table<'_>, stall: Option<Duration>) {
    for key in NOT_OVER_RTMP.iter().filter(|key| table.has(key)) {
        let what = format!("`{key}` is about a transport stream, and RTMP carries none");
        table.mistake(key, what, "remove it, or watch a second output of the encoder over udp:// or srt://");
    }
    if stall.is_some_and(|stall| stall < MOST_OFTEN) {
        table.mistake("stall", "over RTMP frames are counted once a second", "write 2s or more");
    }
}

fn interface(table: &Table<'_>) -> Option<Interface> {
    let read = table.text("interface")?.parse();
    if let Err(error) = &read {
        let error: &feed::NoInterface = error;
        table.mistake("interface", error.to_string(), "write a name that `ip link` shows");
    }
    read.ok()
}

/// The limits of the sub-table `[stream.expect]`, each under a name of [`Kind`].
fn expect(table: Table<'_>) -> Vec<(Kind, Duration)> {
    let range = Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);
    let limits = Kind::ALL.iter().filter_map(|kind| Some((*kind, table.duration(kind.label(), range.clone())?)));
    let limits = limits.collect();
    table.finish();
    limits
}

impl Plan {
    /// Everything that makes a change of the configuration a change of this stream.
    pub(super) fn text(&self) -> String {
        format!("{self:?} {:016x}", self.digest)
    }
}
