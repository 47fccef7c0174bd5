//! Graphics cards: NVIDIA's through NVML (`libnvidia-ml.so.1`, opened at run time), AMD's and Intel's through sysfs and the
//! kernel's DRM accounting. A look may hang; whoever looks does it on a thread that nobody waits for.

mod drm;
#[cfg(feature = "nvml")]
mod nvml;

use crate::base::clock::Clock;
use crate::base::label::Label;
use crate::metric::report::{NoData, Reading};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Which card. An index is no name: it follows the order in which the driver found the cards at this boot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Which {
    /// The only one of its machine.
    Only,
    /// NVIDIA's `GPU-…`, burnt in.
    Uuid(String),
    /// `0000:01:00.0`, the slot.
    Pci(String),
}

/// Why nothing is known of a card.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash)]
pub enum Reason {
    /// `libnvidia-ml.so.1` is not installed, and no other driver has a card.
    NoLibrary,
    /// The library is there and the kernel's driver is not loaded.
    NoDriver,
    /// No such card.
    NoGpu,
    /// There are several, and none is named.
    Ambiguous,
    Denied,
    /// The driver was upgraded, and the module in the kernel is still the old one, or the other way round.
    VersionMismatch,
    /// It fell off the bus.
    Lost,
    /// Only a reset or a reboot brings it back.
    ResetRequired,
    /// What the library says about its failure says nothing to us.
    Other,
}

impl Label for Reason {
    const ALL: &'static [Self] = &[
        Reason::NoLibrary,
        Reason::NoDriver,
        Reason::NoGpu,
        Reason::Ambiguous,
        Reason::Denied,
        Reason::VersionMismatch,
        Reason::Lost,
        Reason::ResetRequired,
        Reason::Other,
    ];
    fn label(self) -> &'static str {
        match self {
            Reason::NoLibrary => "no_library",
            Reason::NoDriver => "no_driver",
            Reason::NoGpu => "no_gpu",
            Reason::Ambiguous => "ambiguous",
            Reason::Denied => "denied",
            Reason::VersionMismatch => "version_mismatch",
            Reason::Lost => "lost",
            Reason::ResetRequired => "reset_required",
            Reason::Other => "other",
        }
    }
}

impl Reason {
    pub fn no_data(self) -> NoData {
        match self {
            Reason::NoLibrary | Reason::NoDriver | Reason::NoGpu => NoData::NotPresent,
            Reason::Ambiguous => NoData::Unsupported,
            Reason::Denied => NoData::Denied,
            Reason::VersionMismatch | Reason::Lost | Reason::ResetRequired => NoData::Unreachable,
            Reason::Other => NoData::Malformed,
        }
    }
}

/// A look that found no card, or none that answers.
#[derive(Debug, thiserror::Error)]
#[error("no look at the GPU ({})", .reason.label())]
pub struct Missed {
    pub reason: Reason,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl From<Reason> for Missed {
    fn from(reason: Reason) -> Missed {
        Missed { reason, source: None }
    }
}

/// One number of a card, in base units.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// Share of the time in which anything ran on it.
    Busy,
    Encoder,
    Decoder,
    /// Engines that encode and decode (Intel).
    Video,
    MemoryUsed,
    MemorySize,
    /// °C.
    Temperature,
    /// Watts.
    Power,
    PowerLimit,
    /// Hertz.
    GraphicsClock,
    SmClock,
    MemoryClock,
    VideoClock,
    /// The fastest of its fans; above 1 where the maker calls a lower speed the full one.
    Fan,
    PcieReplays,
    PcieGeneration,
    PcieMostGeneration,
    PcieWidth,
    PcieMostWidth,
    /// Since the driver was loaded.
    EccCorrected,
    EccUncorrected,
    RetiredSingleBit,
    RetiredDoubleBit,
    RetirementPending,
    RemappedCorrectable,
    RemappedUncorrectable,
    RemappingPending,
    RemappingFailed,
    Sessions,
    /// Mean over the sessions.
    SessionFps,
    /// Seconds, mean over the sessions.
    SessionLatency,
}

/// Why its clocks are lower than they could be.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash)]
pub enum Throttle {
    Idle,
    /// Somebody set them.
    Set,
    PowerCap,
    HwSlowdown,
    SyncBoost,
    SwThermal,
    HwThermal,
    PowerBrake,
    Display,
}

impl Label for Throttle {
    const ALL: &'static [Self] = &[
        Throttle::Idle,
        Throttle::Set,
        Throttle::PowerCap,
        Throttle::HwSlowdown,
        Throttle::SyncBoost,
        Throttle::SwThermal,
        Throttle::HwThermal,
        Throttle::PowerBrake,
        Throttle::Display,
    ];
    fn label(self) -> &'static str {
        match self {
            Throttle::Idle => "idle",
            Throttle::Set => "clocks_set",
            Throttle::PowerCap => "power_cap",
            Throttle::HwSlowdown => "hw_slowdown",
            Throttle::SyncBoost => "sync_boost",
            Throttle::SwThermal => "sw_thermal",
            Throttle::HwThermal => "hw_thermal",
            Throttle::PowerBrake => "power_brake",
            Throttle::Display => "display",
        }
    }
}

/// What a card is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    pub vendor: &'static str,
    pub model: String,
    pub uuid: String,
    pub pci: String,
    pub driver: String,
}

/// One encoder session.
#[derive(Debug, Copy, Clone, PartialEq)]
pub struct Session {
    pub pid: u32,
    pub fps: f64,
    /// Seconds.
    pub latency: f64,
}

/// Kinds of engine in the kernel's accounting.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Engine {
    Render,
    Encode,
    Decode,
    Video,
}

/// What one client of the kernel's driver has had of an engine since it came.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Work {
    pub client: u64,
    pub pid: u32,
    pub engine: Engine,
    pub nanos: u64,
    /// Engines of this kind that share the work.
    pub capacity: u32,
}

/// What one look saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub about: About,
    /// Each with its number or why there is none. What is not named does not exist on such cards.
    pub readings: Vec<(Field, Reading)>,
    /// Those in force.
    pub throttle: Result<Vec<Throttle>, NoData>,
    pub sessions: Result<Vec<Session>, NoData>,
    /// Share of the encoder by process.
    pub encoding: Result<Vec<(u32, f64)>, NoData>,
    /// Where the kernel counts instead.
    pub work: Result<Vec<Work>, NoData>,
}

/// One look.
#[derive(Debug)]
pub struct Look {
    /// XID codes that came since the look before, also from a card that is lost.
    pub xids: Result<Vec<u64>, NoData>,
    pub seen: Result<Seen, Missed>,
}

impl From<Missed> for Look {
    fn from(missed: Missed) -> Look {
        Look { xids: Err(missed.reason.no_data()), seen: Err(missed) }
    }
}

/// The cards of this machine.
pub trait Gpus: Send + Sync {
    /// May hang.
    fn look(&self, which: &Which) -> Look;
}

/// The real ones.
pub struct Real {
    sys: PathBuf,
    proc: PathBuf,
    #[cfg(feature = "nvml")]
    nvml: nvml::Library,
}

impl Real {
    pub fn new(clock: Clock) -> Real {
        Real::at(Path::new("/sys"), Path::new("/proc"), clock)
    }

    /// Under these roots.
    #[cfg_attr(not(feature = "nvml"), expect(unused_variables))]
    pub fn at(sys: &Path, proc: &Path, clock: Clock) -> Real {
        Real {
            sys: sys.to_owned(),
            proc: proc.to_owned(),
            #[cfg(feature = "nvml")]
            nvml: nvml::Library::new(clock),
        }
    }

    #[cfg(feature = "nvml")]
    fn nvidia(&self, which: &Which) -> Look {
        self.nvml.look(which)
    }

    #[cfg(not(feature = "nvml"))]
    fn nvidia(&self, _which: &Which) -> Look {
        Missed::from(Reason::NoLibrary).into()
    }

    fn others(&self, pci: &str) -> Look {
        Look { xids: Err(NoData::Unsupported), seen: drm::see(&self.sys, &self.proc, pci) }
    }
}

impl Gpus for Real {
    fn look(&self, which: &Which) -> Look {
        let cards = drm::cards(&self.sys);
        match which {
            Which::Pci(pci) if cards.iter().any(|card| card == pci) => self.others(pci),
            Which::Uuid(_) | Which::Pci(_) => self.nvidia(which),
            Which::Only => {
                let look = self.nvidia(which);
                // The processor's own graphics are not what is meant while a card of NVIDIA's is in the machine.
                let none = matches!(&look.seen, Err(missed) if missed.reason.no_data() == NoData::NotPresent);
                match cards.as_slice() {
                    _ if !none || drm::has_nvidia(&self.sys) => look,
                    [] => look,
                    [only] => self.others(only),
                    _ => Missed::from(Reason::Ambiguous).into(),
                }
            }
        }
    }
}

/// The scripted twin: looks in order; after the last there is no library. Clones are the same.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<VecDeque<Look>>>);

impl Script {
    pub fn then(&self, look: Look) {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).push_back(look);
    }
}

impl Gpus for Script {
    fn look(&self, _which: &Which) -> Look {
        let next = self.0.lock().unwrap_or_else(|e| e.into_inner()).pop_front();
        next.unwrap_or_else(|| Missed::from(Reason::NoLibrary).into())
    }
}
