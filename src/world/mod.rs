//! Floor 2. The only code that touches the outside. Each part is a trait, the real thing, and a scripted twin for tests;
//! `World` hands them out together, so that the program is a function of its hands.

pub mod broker;
pub mod clock;
pub mod control;
mod datagram;
pub mod feed;
pub mod files;
pub mod folders;
pub mod gpu;
pub mod inflow;
pub mod listener;
pub mod machine;
pub mod net;
mod netlink;
pub mod peek;
pub mod post;
pub mod process;
pub mod roads;
pub mod rtsp;
pub mod service;
mod steps;
mod tail;
pub mod volumes;
pub mod worker;

use crate::base::clock::Clock;
use std::sync::Arc;

/// Everything the daemon can touch.
#[derive(Clone)]
pub struct World {
    pub clock: Clock,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: Arc<str>,
    pub rtsp: Arc<dyn rtsp::Dial>,
    pub net: Arc<dyn net::Net>,
    pub files: Arc<dyn files::Files>,
    pub broker: Arc<dyn broker::Dial>,
    pub feed: Arc<dyn feed::Dial>,
    pub worker: Arc<dyn worker::Spawn>,
    pub inflow: Arc<dyn inflow::Open>,
    pub processes: Arc<dyn process::Processes>,
    /// `None` in a world that has no node of its own to look at.
    pub machine: Option<machine::Machine>,
    pub folders: Arc<dyn folders::Folders>,
    pub gpus: Arc<dyn gpu::Gpus>,
    pub volumes: Arc<dyn volumes::Volumes>,
    pub roads: Arc<dyn roads::Roads>,
}

impl World {
    /// Every part scripted and silent, with the files of this machine; a test puts in what it is about.
    pub fn scripted(clock: Clock) -> World {
        World {
            folders: Arc::new(folders::script::Script::new(clock.clone())),
            clock,
            boot_id: "scripted".into(),
            rtsp: Arc::new(rtsp::script::Script::default()),
            net: Arc::new(net::script::Script::default()),
            files: Arc::new(files::Disk),
            broker: Arc::new(broker::script::Script::default()),
            feed: Arc::new(feed::script::Script::default()),
            worker: Arc::new(worker::script::Script::default()),
            inflow: Arc::new(inflow::Script::default()),
            processes: Arc::new(process::Script::default()),
            machine: None,
            gpus: Arc::new(gpu::Script::default()),
            volumes: Arc::new(volumes::Script::default()),
            roads: Arc::new(roads::script::Script::default()),
        }
    }
}
