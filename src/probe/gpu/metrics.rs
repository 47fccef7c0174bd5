//! What a graphics card says of itself.

use crate::base::label::Label;
use crate::metric::book::{Series, Slot};
use crate::metric::desc::{Desc, Family, Unit};
use crate::probe::Kit;
use crate::world::gpu::{Field, Reason, Throttle};
use std::time::Duration;

const G: [&str; 1] = ["gpu"];

static UP: Desc<1> = Desc::gauge(
    "gpu_up",
    Unit::Count,
    G,
    "1 when the last look at the card got an answer, 0 when it came back without one; absent while looks do not come back",
);
static FAILURES: Desc<2> = Desc::counter(
    "gpu_failures_total",
    Unit::Count,
    ["gpu", "reason"],
    "Looks that found no card, or none that answers; looks that hang are counted in vedette_probe_restarts_total",
);
static INFO: Desc<6> = Desc::info(
    "gpu_info",
    ["gpu", "vendor", "model", "uuid", "pci", "driver"],
    "What the card is; model is the PCI device number where the driver knows no name",
);
static BUSY: Desc<1> = Desc::gauge(
    "gpu_utilization_ratio",
    Unit::Ratio,
    G,
    "Share of the driver's last sampling period in which the card was at work at all, however little of it; Intel: of \
     its render engine since the look before",
);
static ENCODER: Desc<1> =
    Desc::gauge("gpu_encoder_utilization_ratio", Unit::Ratio, G, "Share of time in which its encoders were at work");
static DECODER: Desc<1> =
    Desc::gauge("gpu_decoder_utilization_ratio", Unit::Ratio, G, "Share of time in which its decoders were at work");
static VIDEO: Desc<1> = Desc::gauge(
    "gpu_video_utilization_ratio",
    Unit::Ratio,
    G,
    "Share of time in which its video engines were at work, which encode and decode (Intel)",
);
static MEMORY_USED: Desc<1> = Desc::gauge("gpu_memory_used_bytes", Unit::Bytes, G, "Memory of the card that is in use");
static MEMORY_SIZE: Desc<1> = Desc::gauge("gpu_memory_size_bytes", Unit::Bytes, G, "Memory of the card");
static TEMPERATURE: Desc<1> = Desc::gauge("gpu_temperature_celsius", Unit::Celsius, G, "Temperature of the chip");
static POWER: Desc<1> = Desc::gauge("gpu_power_watts", Unit::Watts, G, "Power that the card draws");
static POWER_LIMIT: Desc<1> =
    Desc::gauge("gpu_power_limit_watts", Unit::Watts, G, "Power at which the driver slows the card down");
static CLOCK: Desc<2> = Desc::gauge(
    "gpu_clock_hertz",
    Unit::Hertz,
    ["gpu", "clock"],
    "Clock of a part of the card: graphics, sm, memory, or video, at which it encodes and decodes",
);
static FAN: Desc<1> = Desc::gauge(
    "gpu_fan_speed_ratio",
    Unit::Ratio,
    G,
    "Speed at which the fastest fan is told to turn, above 1 on some cards; not what a blocked fan does",
);
static THROTTLE: Desc<2> = Desc::gauge(
    "gpu_throttle_active",
    Unit::Count,
    ["gpu", "reason"],
    "1 while clocks are lower than they could be for this reason, else 0",
);
static PCIE_REPLAYS: Desc<1> = Desc::counter(
    "gpu_pcie_replays_total",
    Unit::Count,
    G,
    "Packets that were sent again over PCI Express, as the card counts them",
);
static PCIE_GENERATION: Desc<1> =
    Desc::gauge("gpu_pcie_link_generation", Unit::Count, G, "Generation of its PCI Express link now; lower when idle");
static PCIE_MOST_GENERATION: Desc<1> = Desc::gauge(
    "gpu_pcie_link_max_generation",
    Unit::Count,
    G,
    "Highest generation that card and board can do together",
);
static PCIE_WIDTH: Desc<1> = Desc::gauge("gpu_pcie_link_lanes", Unit::Count, G, "Lanes of its PCI Express link now");
static PCIE_MOST_WIDTH: Desc<1> =
    Desc::gauge("gpu_pcie_link_max_lanes", Unit::Count, G, "Most lanes that card and board can do together");
static ECC: Desc<2> = Desc::counter(
    "gpu_ecc_errors_total",
    Unit::Count,
    ["gpu", "kind"],
    "Memory errors since the driver was loaded: corrected, or uncorrected",
);
static RETIRED: Desc<2> = Desc::gauge(
    "gpu_retired_pages",
    Unit::Count,
    ["gpu", "cause"],
    "Memory pages that are used no more, over the card's life: single_bit (many), or double_bit (one) error",
);
static RETIREMENT_PENDING: Desc<1> =
    Desc::gauge("gpu_retired_pages_pending", Unit::Count, G, "1 when pages wait for a restart to be retired, else 0");
static REMAPPED: Desc<2> = Desc::gauge(
    "gpu_remapped_rows",
    Unit::Count,
    ["gpu", "kind"],
    "Memory rows that were replaced over the card's life, after correctable or uncorrectable errors",
);
static REMAPPING_PENDING: Desc<1> =
    Desc::gauge("gpu_remapped_rows_pending", Unit::Count, G, "1 when rows wait for a reset to be replaced, else 0");
static REMAPPING_FAILED: Desc<1> = Desc::gauge(
    "gpu_row_remapping_failed",
    Unit::Count,
    G,
    "1 when a row could not be replaced, else 0: the card is worn out",
);
static XIDS: Desc<2> = Desc::counter(
    "gpu_xid_errors_total",
    Unit::Count,
    ["gpu", "class"],
    "Critical errors (XID) that the driver reported since Vedette watches, by class; the codes are in the log and events",
);
static XID_TIME: Desc<1> = Desc::gauge(
    "gpu_xid_last_timestamp_seconds",
    Unit::Seconds,
    G,
    "When the last XID was heard, Unix time; absent while there was none",
);
static SESSIONS: Desc<1> = Desc::gauge("gpu_encoder_sessions", Unit::Count, G, "Encoder sessions on the card");
static SESSION_FPS: Desc<1> = Desc::gauge(
    "gpu_encoder_session_fps",
    Unit::PerSecond,
    G,
    "Frames per second of a session, mean over sessions; absent while there is none",
);
static SESSION_LATENCY: Desc<1> = Desc::gauge(
    "gpu_encoder_session_latency_seconds",
    Unit::Seconds,
    G,
    "Time that a frame spends in the encoder, mean over sessions; absent while there is none",
);
static SLOWEST: Desc<1> = Desc::gauge(
    "gpu_encoder_slowest_session_fps",
    Unit::PerSecond,
    G,
    "Frames per second of the slowest session; absent while there is none",
);
static CAP: Desc<1> = Desc::gauge("gpu_encoder_session_cap", Unit::Count, G, "`session_cap` as configured");
static FREE: Desc<1> = Desc::gauge(
    "gpu_encoder_sessions_free",
    Unit::Count,
    G,
    "session_cap less the sessions there are; below 0 when the card allows more than was said; absent without a cap",
);

/// Every family of this probe.
pub(super) static FAMILIES: &[Family] = &[
    UP.family(),
    FAILURES.family(),
    INFO.family(),
    BUSY.family(),
    ENCODER.family(),
    DECODER.family(),
    VIDEO.family(),
    MEMORY_USED.family(),
    MEMORY_SIZE.family(),
    TEMPERATURE.family(),
    POWER.family(),
    POWER_LIMIT.family(),
    CLOCK.family(),
    FAN.family(),
    THROTTLE.family(),
    PCIE_REPLAYS.family(),
    PCIE_GENERATION.family(),
    PCIE_MOST_GENERATION.family(),
    PCIE_WIDTH.family(),
    PCIE_MOST_WIDTH.family(),
    ECC.family(),
    RETIRED.family(),
    RETIREMENT_PENDING.family(),
    REMAPPED.family(),
    REMAPPING_PENDING.family(),
    REMAPPING_FAILED.family(),
    XIDS.family(),
    XID_TIME.family(),
    SESSIONS.family(),
    SESSION_FPS.family(),
    SESSION_LATENCY.family(),
    SLOWEST.family(),
    CAP.family(),
    FREE.family(),
];

/// What kind of trouble an XID code means: NVIDIA's XID catalogue by mnemonic and action to take, and for codes that it calls
/// unused since Ampere its table for older cards. What it leaves open (32: the bus or a program) is [`Class::Other`].
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Class {
    /// A program did wrong: the card is well.
    Application,
    Memory,
    /// Its encoders and decoders.
    Video,
    /// The card, its firmware or its bus.
    Device,
    Other,
}

impl Label for Class {
    const ALL: &'static [Self] = &[Class::Application, Class::Memory, Class::Video, Class::Device, Class::Other];
    fn label(self) -> &'static str {
        match self {
            Class::Application => "application",
            Class::Memory => "memory",
            Class::Video => "video",
            Class::Device => "device",
            Class::Other => "other",
        }
    }
}

impl Class {
    pub(super) fn of(code: u64) -> Class {
        match code {
            11 | 13 | 25 | 31 | 43 | 45 | 69 => Class::Application,
            48 | 58 | 63 | 64 | 92 | 94 | 95 | 140 | 156 | 157 | 168 | 171 | 172 => Class::Memory,
            20..=22 | 27..=29 | 34..=36 | 47 | 60 | 65 | 68 | 73 | 82..=84 | 86 | 88 | 89 | 96..=105 | 139 | 142 => {
                Class::Video
            }
            // Not 154: it sums up another XID, and one cause is counted once.
            46 | 54 | 61 | 62 | 74 | 79 | 109 | 110 | 119 | 120 | 136 | 143 | 158 | 167 | 169 => Class::Device,
            _ => Class::Other,
        }
    }
}

const ALL: [Field; 31] = [
    Field::Busy,
    Field::Encoder,
    Field::Decoder,
    Field::Video,
    Field::MemoryUsed,
    Field::MemorySize,
    Field::Temperature,
    Field::Power,
    Field::PowerLimit,
    Field::GraphicsClock,
    Field::SmClock,
    Field::MemoryClock,
    Field::VideoClock,
    Field::Fan,
    Field::PcieReplays,
    Field::PcieGeneration,
    Field::PcieMostGeneration,
    Field::PcieWidth,
    Field::PcieMostWidth,
    Field::EccCorrected,
    Field::EccUncorrected,
    Field::RetiredSingleBit,
    Field::RetiredDoubleBit,
    Field::RetirementPending,
    Field::RemappedCorrectable,
    Field::RemappedUncorrectable,
    Field::RemappingPending,
    Field::RemappingFailed,
    Field::Sessions,
    Field::SessionFps,
    Field::SessionLatency,
];

/// The open series of one card.
pub(super) struct Meters {
    pub(super) up: Series,
    pub(super) failures: Vec<(Reason, Series, u64)>,
    pub(super) info: Slot,
    pub(super) fields: Vec<(Field, Series)>,
    pub(super) throttle: Vec<(Throttle, Series)>,
    pub(super) xids: Vec<(Class, Series, u64)>,
    pub(super) xid_time: Series,
    pub(super) slowest: Series,
    /// The cap and what is left of it.
    pub(super) cap: Option<(Series, Series)>,
}

impl Meters {
    pub(super) fn open(kit: &mut Kit, id: &str, every: Duration, cap: bool) -> Meters {
        let failures = Reason::ALL.iter().map(|reason| (*reason, kit.own(&FAILURES, [id, reason.label()]), 0));
        let failures = failures.collect();
        let xids = Class::ALL.iter().map(|class| (*class, kit.own(&XIDS, [id, class.label()]), 0)).collect();
        let throttle = Throttle::ALL.iter().map(|why| (*why, kit.read(&THROTTLE, [id, why.label()], every))).collect();
        Meters {
            up: kit.read(&UP, [id], every),
            failures,
            info: kit.read_info(&INFO, &[id], every),
            fields: ALL.iter().map(|field| (*field, open(kit, id, *field, every))).collect(),
            throttle,
            xids,
            xid_time: kit.own(&XID_TIME, [id]),
            slowest: kit.read(&SLOWEST, [id], every),
            cap: cap.then(|| (kit.own(&CAP, [id]), kit.read(&FREE, [id], every))),
        }
    }
}

fn open(kit: &mut Kit, id: &str, field: Field, every: Duration) -> Series {
    let desc = match field {
        Field::Busy => &BUSY,
        Field::Encoder => &ENCODER,
        Field::Decoder => &DECODER,
        Field::Video => &VIDEO,
        Field::MemoryUsed => &MEMORY_USED,
        Field::MemorySize => &MEMORY_SIZE,
        Field::Temperature => &TEMPERATURE,
        Field::Power => &POWER,
        Field::PowerLimit => &POWER_LIMIT,
        Field::GraphicsClock => return kit.read(&CLOCK, [id, "graphics"], every),
        Field::SmClock => return kit.read(&CLOCK, [id, "sm"], every),
        Field::MemoryClock => return kit.read(&CLOCK, [id, "memory"], every),
        Field::VideoClock => return kit.read(&CLOCK, [id, "video"], every),
        Field::Fan => &FAN,
        Field::PcieReplays => &PCIE_REPLAYS,
        Field::PcieGeneration => &PCIE_GENERATION,
        Field::PcieMostGeneration => &PCIE_MOST_GENERATION,
        Field::PcieWidth => &PCIE_WIDTH,
        Field::PcieMostWidth => &PCIE_MOST_WIDTH,
        Field::EccCorrected => return kit.read(&ECC, [id, "corrected"], every),
        Field::EccUncorrected => return kit.read(&ECC, [id, "uncorrected"], every),
        Field::RetiredSingleBit => return kit.read(&RETIRED, [id, "single_bit"], every),
        Field::RetiredDoubleBit => return kit.read(&RETIRED, [id, "double_bit"], every),
        Field::RetirementPending => &RETIREMENT_PENDING,
        Field::RemappedCorrectable => return kit.read(&REMAPPED, [id, "correctable"], every),
        Field::RemappedUncorrectable => return kit.read(&REMAPPED, [id, "uncorrectable"], every),
        Field::RemappingPending => &REMAPPING_PENDING,
        Field::RemappingFailed => &REMAPPING_FAILED,
        Field::Sessions => &SESSIONS,
        Field::SessionFps => &SESSION_FPS,
        Field::SessionLatency => &SESSION_LATENCY,
    };
    kit.read(desc, [id], every)
}
