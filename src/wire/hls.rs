//! HTTP Live Streaming playlists (RFC 8216): what a playlist says, what is wrong with it, what changed since the last one,
//! and the SCTE-35 cues in every style that packagers write, as one [`Cue`].
//!
//! A monitor must not lose what it is there to report. Lines are therefore read here and not by a crate: what cannot be
//! read becomes a [`Defect`], never silence. A hostile playlist is bounded by [`MOST_BYTES`], [`MOST_SEGMENTS`] and the
//! other bounds of this folder; the work is linear in the text.

mod attributes;
mod breaks;
mod cross;
mod cue;
mod defect;
mod judge;
mod parse;
mod range;
#[cfg(test)]
mod tests;

pub use breaks::CueFault;
pub use cross::{Cross, meaning};
pub use cue::{Act, Cue, Style};
pub use defect::{Defect, Defects};
pub use judge::{Counts, Facts, Judge, Step, Told};
pub use parse::{
    ByteRange, Kind, MOST_BYTES, MOST_SEGMENTS, MOST_VARIANTS, Master, Media, Playlist, Segment, Unreadable, Variant,
    parse,
};
pub use range::Range;
