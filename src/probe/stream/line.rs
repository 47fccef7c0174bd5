//! What brings the bytes of a transport stream: a feed of this machine, or a worker for what only GStreamer receives.

use super::address::Origin;
use super::intake::Intake;
use super::presence::Failure;
use crate::base::clock::Clock;
use crate::probe::{Failed, Patience};
use crate::wire::record;
use crate::world::World;
use crate::world::feed::{self, Dial, Feed};
use crate::world::worker::{self, Spawn, Worker};
use std::sync::Arc;
use std::task::{Context, Poll};

/// Opens lines.
pub(super) struct Desk {
    dial: Arc<dyn Dial>,
    spawn: Arc<dyn Spawn>,
}

pub(super) enum Line {
    Feed(Box<dyn Feed>),
    Worker(Box<dyn Worker>),
}

/// A line could not be opened, or ended.
pub(super) struct Broken {
    pub(super) why: Failure,
    pub(super) source: Box<dyn std::error::Error + Send + Sync>,
}

impl Broken {
    /// As the keeper is told it.
    pub(super) fn of_stream(self, id: &str) -> Failed {
        // A wrong passphrase or key is turned away each time, and whoever serves the stream may lock us out.
        let patience = match self.why {
            Failure::Worker(worker::Reason::Said(record::Reason::Denied)) => Patience::Long,
            _ => Patience::Short,
        };
        let what = format!("watching stream {id}");
        Failed { why: self.why.no_data(), what, source: Some(self.source), patience }
    }
}

impl From<feed::Broken> for Broken {
    fn from(broken: feed::Broken) -> Broken {
        Broken { why: Failure::Feed(broken.reason), source: Box::new(broken) }
    }
}

impl From<worker::Broken> for Broken {
    fn from(broken: worker::Broken) -> Broken {
        Broken { why: broken.reason.into(), source: Box::new(broken) }
    }
}

impl Desk {
    pub(super) fn new(world: &World) -> Desk {
        Desk { dial: world.feed.clone(), spawn: world.worker.clone() }
    }

    pub(super) async fn open(&self, origin: &Origin, clock: &Clock) -> Result<Line, Broken> {
        match origin {
            Origin::Feed(source) => Ok(Line::Feed(self.dial.open(source, clock).await?)),
            Origin::Srt(url) | Origin::Rtmp(url) => Ok(Line::Worker(self.spawn.spawn(url, clock)?)),
        }
    }
}

impl Line {
    /// Hands what has arrived to the intake, a bounded part at a time, and is pending until the line ends.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, intake: &mut Intake) -> Poll<Broken> {
        match self {
            Line::Feed(feed) => feed.poll(cx, &mut |event| intake.take(event)).map(Broken::from),
            Line::Worker(worker) => worker.poll(cx, &mut |at, record| intake.record(at, record)).map(Broken::from),
        }
    }

    /// As [`Feed::dropped`].
    pub(super) fn dropped(&self) -> Option<u64> {
        match self {
            Line::Feed(feed) => feed.dropped(),
            Line::Worker(_) => None,
        }
    }
}
