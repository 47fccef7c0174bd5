//! Packets into frames: where one begins, whether it is whole, and what fell into the holes between them.

use super::pace::{Hole, Pace};
use crate::base::clock::Boot;
use crate::wire::h26x::Piece;

/// Whether the marker bit can be believed to end a frame (RFC 6184 section 5.1, RFC 7798 section 4.1).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Marker {
    Unseen,
    Believed,
    /// A frame went on behind it.
    Lies,
}

struct Open {
    at: Boot,
    ticks: i64,
    random_access: bool,
    damaged: bool,
    /// The session began in the middle of it: neither whole nor dropped.
    joined: bool,
    /// The marker came, as far as it can be believed.
    ended: bool,
    /// Already counted.
    settled: bool,
    /// Its last NAL unit is not over.
    dangling: bool,
}

/// What a packet did to the count of frames.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// A frame began.
    pub(super) begun: bool,
    pub(super) whole: u64,
    pub(super) dropped: u64,
    /// A whole frame, decodable by itself, that began to arrive then.
    pub(super) keyframe: Option<Boot>,
}

impl Change {
    fn settle(&mut self, frame: &mut Open) {
        if std::mem::replace(&mut frame.settled, true) || frame.joined {
            return;
        }
        if frame.damaged {
            self.dropped += 1;
        } else {
            self.whole += 1;
            self.keyframe = frame.random_access.then_some(frame.at).or(self.keyframe);
        }
    }
}

/// One packet, as far as frames are concerned.
pub(super) struct Packet {
    pub(super) at: Boot,
    pub(super) ticks: i64,
    pub(super) marker: bool,
    pub(super) piece: Piece,
    /// Packets missing before this one.
    pub(super) lost: u64,
    /// The timestamp is not to be measured with.
    pub(super) astray: bool,
}

pub(super) struct Frames {
    /// The codec has first-slice flags; without them every packet may begin a frame.
    sliced: bool,
    open: Option<Open>,
    /// Packets missing since the last slice data.
    lost: u64,
    marker: Marker,
    /// This stream shows where a picture begins.
    flagged: bool,
    /// Decoding can start at the next frame.
    random_access: bool,
    pace: Pace,
}

impl Frames {
    pub(super) fn new(sliced: bool) -> Self {
        Frames {
            sliced,
            open: None,
            lost: 0,
            marker: Marker::Unseen,
            flagged: false,
            random_access: false,
            pace: Pace::default(),
        }
    }

    /// Another numbering begins with the next packet: what lay between is not known, the open frame is dropped
    /// uncounted, and the next counts from its first slice on.
    pub(super) fn renumbered(&mut self) {
        self.open = None;
        self.lost = 0;
        self.pace.jumped();
    }

    /// The timestamps jumped.
    pub(super) fn jumped(&mut self) {
        self.pace.jumped();
    }

    pub(super) fn on(&mut self, packet: &Packet) -> Change {
        let piece = packet.piece;
        let mut change = Change::default();
        self.lost = self.lost.saturating_add(packet.lost);
        self.random_access |= piece.random_access;
        if piece.slice {
            let lost = std::mem::take(&mut self.lost);
            self.flagged |= piece.first;
            if self.begins(packet, lost > 0) {
                self.begin(packet, lost, &mut change);
            } else if let Some(frame) = &mut self.open {
                frame.damaged |= lost > 0;
                if frame.ended && lost == 0 {
                    self.marker = Marker::Lies;
                }
                frame.ended = false;
                frame.random_access |= piece.random_access;
            }
            self.random_access = false;
        }
        // A marker on what stands in front of the next frame (its parameter sets) carries that frame's time, and one on
        // what trails this frame (filler, suffix SEI) carries this one's.
        if let Some(frame) = self.open.as_mut().filter(|f| piece.slice || f.ticks == packet.ticks && !f.dangling) {
            frame.dangling = piece.open;
            if packet.marker && !piece.open && self.marker != Marker::Lies {
                self.marker = Marker::Believed;
                frame.ended = true;
                change.settle(frame);
            }
        }
        change
    }

    fn begins(&self, packet: &Packet, hole: bool) -> bool {
        let Some(frame) = &self.open else { return true };
        if packet.piece.first {
            return true;
        }
        if packet.piece.continues && frame.dangling && !hole {
            return false; // whatever its timestamp says
        }
        // With one timestamp for all, the next frame begins behind a believed marker, where nothing else can show it.
        packet.ticks != frame.ticks || frame.ended && (hole || !self.sliced)
    }

    fn begin(&mut self, packet: &Packet, lost: u64, change: &mut Change) {
        change.begun = true;
        let headless = self.flagged && !packet.piece.first;
        let mut frame = Open {
            at: packet.at,
            ticks: packet.ticks,
            random_access: self.random_access,
            damaged: headless,
            joined: self.open.is_none() && self.sliced && !packet.piece.first,
            ended: false,
            settled: false,
            dangling: false,
        };
        let (hole, missing) = if packet.astray { (Hole::Unknown, 0) } else { self.pace.on(packet.ticks, lost) };
        change.dropped += missing;
        if let Some(mut before) = self.open.take() {
            if lost > 0 {
                before.damaged |= match self.marker {
                    Marker::Believed => !before.ended,
                    Marker::Unseen | Marker::Lies => before.dangling,
                };
                // Whole before and whole behind: what is missing belonged to frames nobody saw, or else to what stands
                // in front of this frame's slices.
                let unseen = !before.damaged && !headless;
                match hole {
                    Hole::Frames(0) => frame.damaged |= unseen,
                    Hole::Frames(n) => change.dropped += n,
                    Hole::Unknown => change.dropped += u64::from(unseen),
                    Hole::Later => {}
                }
            }
            change.settle(&mut before);
        }
        self.open = Some(frame);
    }
}
