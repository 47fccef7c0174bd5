//! NVML, through nvml-wrapper; by hand where the wrapper would lose something: encoder sessions (it refuses the whole list
//! for one AV1 session) and event sets (its own cannot outlive a look).

mod reopen;

use super::{About, Field, Look, Missed, Reason, Seen, Session, Throttle, Which};
use crate::base::clock::Clock;
use crate::metric::report::{NoData, Reading};
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{
    Clock as Domain, EccCounter, MemoryError, RetirementCause, TemperatureSensor,
};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::{NvmlError, nvml_try};
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::{Device, Nvml};
use reopen::Reopen;
use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};

/// nvmlEventTypeXidCriticalError.
const XID: u64 = 8;
/// How long to wait for an event that is not there yet, ms. One at rest: 0 is not documented.
const EVENT_WAIT: u32 = 1;
/// Events taken per look; more wait for the next one.
const EVENTS: usize = 64;
/// Encoder sessions that a list is asked for at most; no card has them.
const SESSIONS: u32 = 1024;
/// NVML_FI_DEV_REMAPPED_COR, _UNC, _PENDING, _FAILURE.
const REMAPPED: [(u32, Field); 4] = [
    (142, Field::RemappedCorrectable),
    (143, Field::RemappedUncorrectable),
    (144, Field::RemappingPending),
    (145, Field::RemappingFailed),
];

/// The library, opened when first asked for and again after it failed.
pub(super) struct Library {
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    open: Option<Arc<Opened>>,
    reopen: Reopen,
    /// Date of the newest sample of processes that was seen, by card, in the driver's microseconds.
    sampled: HashMap<Which, u64>,
}

impl Library {
    pub(super) fn new(clock: Clock) -> Library {
        let state = State { open: None, reopen: Reopen::new(clock.boot()), sampled: HashMap::new() };
        Library { clock, state: Mutex::new(state) }
    }

    pub(super) fn look(&self, which: &Which) -> Look {
        let opened = match self.opened() {
            Ok(opened) => opened,
            Err(error) => return missed(error).into(),
        };
        // First: the reason of a loss comes as an event.
        let xids = opened.xids(which);
        let sampled = self.state().sampled.get(which).copied().unwrap_or(0);
        let seen = opened.device(which).and_then(|device| see(&opened.nvml, &device, sampled).map_err(missed));
        self.learn(&opened, which, &seen);
        Look { xids, seen: seen.map(|(seen, _)| seen) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn opened(&self) -> Result<Arc<Opened>, NvmlError> {
        let mut state = self.state();
        if let Some(opened) = &state.open {
            return Ok(opened.clone());
        }
        let opened = Arc::new(Opened { nvml: Nvml::init()?, watches: Mutex::default() });
        (state.open, state.reopen) = (Some(opened.clone()), Reopen::new(self.clock.boot()));
        Ok(opened)
    }

    /// Takes note of a look, unless the library was opened anew meanwhile.
    fn learn(&self, opened: &Arc<Opened>, which: &Which, seen: &Result<(Seen, u64), Missed>) {
        let mut state = self.state();
        if !state.open.as_ref().is_some_and(|now| Arc::ptr_eq(now, opened)) {
            return;
        }
        match seen {
            Ok((_, until)) => {
                state.reopen.answered(which);
                state.sampled.insert(which.clone(), *until);
            }
            Err(missed) if state.reopen.failed(which, missed.reason, self.clock.boot()) => state.open = None,
            Err(_) => {}
        }
    }
}

impl Drop for Library {
    /// The process ends: a driver that hangs must not hold it up, and the kernel cleans up anyway.
    fn drop(&mut self) {
        mem::forget(self.state().open.take());
    }
}

struct Opened {
    nvml: Nvml,
    /// Event sets (nvmlEventSet_t) by card; a card without events has none.
    watches: Mutex<HashMap<Which, Result<usize, NoData>>>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        let watches = mem::take(&mut *self.watches.lock().unwrap_or_else(|e| e.into_inner()));
        if let Ok(free) = &self.nvml.lib().nvmlEventSetFree {
            for set in watches.into_values().flatten() {
                // SAFETY: the set is ours, from nvmlEventSetCreate of this library, and nobody uses it any more.
                unsafe { free(set as *mut _) };
            }
        }
    }
}

impl Opened {
    fn device(&self, which: &Which) -> Result<Device<'_>, Missed> {
        let none = |error| match error {
            NvmlError::NotFound | NvmlError::InvalidArg => Reason::NoGpu.into(),
            error => missed(error),
        };
        match which {
            Which::Only => match self.nvml.device_count().map_err(missed)? {
                0 => Err(Reason::NoGpu.into()),
                1 => self.nvml.device_by_index(0).map_err(missed),
                _ => Err(Reason::Ambiguous.into()),
            },
            Which::Uuid(uuid) => self.nvml.device_by_uuid(uuid.clone()).map_err(none),
            Which::Pci(pci) => self.nvml.device_by_pci_bus_id(pci.clone()).map_err(none),
        }
    }

    /// XID codes since the last time.
    fn xids(&self, which: &Which) -> Result<Vec<u64>, NoData> {
        let known = self.watches.lock().unwrap_or_else(|e| e.into_inner()).get(which).copied();
        let set = match known {
            Some(set) => set?,
            None => {
                let device = self.device(which).map_err(|missed| missed.reason.no_data())?;
                let set = self.watch(&device).map_err(|error| no_data(&error));
                // What may work the next time is not held against it.
                if matches!(set, Ok(_) | Err(NoData::Unsupported)) {
                    self.watches.lock().unwrap_or_else(|e| e.into_inner()).insert(which.clone(), set);
                }
                set?
            }
        };
        let wait = self.nvml.lib().nvmlEventSetWait_v2.as_ref().map_err(|_| NoData::Unsupported)?;
        let mut codes = Vec::new();
        while codes.len() < EVENTS {
            // SAFETY: plain numbers and a pointer, for which zero is a value; the set lives as long as `self`.
            let (came, event) = unsafe {
                let mut event = mem::zeroed();
                (nvml_try(wait(set as *mut _, &mut event, EVENT_WAIT)), event)
            };
            match came {
                Ok(()) if event.eventType == XID => codes.push(event.eventData),
                Ok(()) => {}
                // The readings tell why.
                Err(_) => break,
            }
        }
        Ok(codes)
    }

    /// A new event set for XIDs of one card.
    fn watch(&self, device: &Device<'_>) -> Result<usize, NvmlError> {
        let lib = self.nvml.lib();
        let symbol = |_: &_| NvmlError::FunctionNotFound;
        let create = lib.nvmlEventSetCreate.as_ref().map_err(symbol)?;
        let register = lib.nvmlDeviceRegisterEvents.as_ref().map_err(symbol)?;
        // SAFETY: the set is written by the first call before the second one uses it; the device is of this library.
        unsafe {
            let mut set = mem::zeroed();
            nvml_try(create(&mut set))?;
            if let Err(error) = nvml_try(register(device.handle(), XID, set)) {
                if let Ok(free) = &lib.nvmlEventSetFree {
                    free(set);
                }
                return Err(error);
            }
            Ok(set as usize)
        }
    }
}

fn reason(error: &NvmlError) -> Reason {
    match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => Reason::NoLibrary,
        NvmlError::DriverNotLoaded | NvmlError::Uninitialized => Reason::NoDriver,
        NvmlError::NotFound => Reason::NoGpu,
        NvmlError::NoPermission | NvmlError::OperatingSystem => Reason::Denied,
        NvmlError::LibRmVersionMismatch => Reason::VersionMismatch,
        NvmlError::GpuLost => Reason::Lost,
        NvmlError::ResetRequired => Reason::ResetRequired,
        _ => Reason::Other,
    }
}

fn missed(error: NvmlError) -> Missed {
    Missed { reason: reason(&error), source: Some(Box::new(error)) }
}

/// Why one reading of a card that answers has no number.
fn no_data(error: &NvmlError) -> NoData {
    match error {
        NvmlError::NotSupported
        | NvmlError::FunctionNotFound
        | NvmlError::FailedToLoadSymbol(_)
        | NvmlError::NoData
        | NvmlError::InvalidArg => NoData::Unsupported,
        NvmlError::NotFound => NoData::NotPresent,
        error => reason(error).no_data(),
    }
}

/// Whether the rest need not be asked.
fn fatal(error: &NvmlError) -> bool {
    matches!(reason(error), Reason::NoDriver | Reason::VersionMismatch | Reason::Lost | Reason::ResetRequired)
}

/// A number that is one: NVML_VALUE_NOT_AVAILABLE and its like in all widths are none, nor is what no card can have.
pub(super) fn number(value: u64, most: u64) -> Reading {
    const NONE: [u64; 4] = [u32::MAX as u64, i32::MAX as u64, u64::MAX, i64::MAX as u64];
    match value {
        value if NONE.contains(&value) => Err(NoData::Unsupported),
        value if value > most => Err(NoData::Malformed),
        value => Ok(value as f64),
    }
}

/// Asks, and notices when there is no point in going on.
#[derive(Default)]
struct Asked {
    readings: Vec<(Field, Reading)>,
    end: Option<NvmlError>,
}

impl Asked {
    fn reading<T>(&mut self, answer: Result<T, NvmlError>) -> Result<T, NoData> {
        answer.map_err(|error| {
            let why = no_data(&error);
            if fatal(&error) {
                self.end.get_or_insert(error);
            }
            why
        })
    }

    /// `most` is what no card exceeds, in NVML's unit, of which one is `scale` of ours.
    fn put(&mut self, field: Field, most: u64, scale: f64, ask: impl FnOnce() -> Result<u64, NvmlError>) {
        if self.end.is_none() {
            let answer = ask();
            let reading = self.reading(answer).and_then(|value| number(value, most)).map(|value| value * scale);
            self.readings.push((field, reading));
        }
    }
}

const PERCENT: (u64, f64) = (100, 0.01);
const MILLIWATTS: (u64, f64) = (10_000_000, 0.001);
const MEGAHERTZ: (u64, f64) = (100_000, 1e6);
/// Any count.
const MANY: u64 = 1 << 62;

/// What is seen, and the date of the newest sample of processes.
fn see(nvml: &Nvml, device: &Device<'_>, sampled: u64) -> Result<(Seen, u64), NvmlError> {
    let about = About {
        vendor: "nvidia",
        uuid: device.uuid()?,
        model: device.name().unwrap_or_default(),
        pci: device.pci_info().map(|pci| pci.bus_id.to_lowercase()).unwrap_or_default(),
        driver: nvml.sys_driver_version().unwrap_or_default(),
    };
    let mut asked = Asked::default();
    let d = device;
    let percent = [
        (Field::Busy, d.utilization_rates().map(|u| u.gpu)),
        (Field::Encoder, d.encoder_utilization().map(|u| u.utilization)),
        (Field::Decoder, d.decoder_utilization().map(|u| u.utilization)),
    ];
    for (field, answer) in percent {
        asked.put(field, PERCENT.0, PERCENT.1, || answer.map(u64::from));
    }
    let memory = d.memory_info().map(|memory| (memory.used, memory.total));
    let memory = asked.reading(memory);
    asked.readings.push((Field::MemoryUsed, memory.and_then(|(used, _)| number(used, MANY))));
    asked.readings.push((Field::MemorySize, memory.and_then(|(_, total)| number(total, MANY))));
    asked.put(Field::Temperature, 250, 1.0, || d.temperature(TemperatureSensor::Gpu).map(u64::from));
    asked.put(Field::Power, MILLIWATTS.0, MILLIWATTS.1, || d.power_usage().map(u64::from));
    asked.put(Field::PowerLimit, MILLIWATTS.0, MILLIWATTS.1, || d.enforced_power_limit().map(u64::from));
    let clocks = [
        (Field::GraphicsClock, Domain::Graphics),
        (Field::SmClock, Domain::SM),
        (Field::MemoryClock, Domain::Memory),
        (Field::VideoClock, Domain::Video),
    ];
    for (field, domain) in clocks {
        asked.put(field, MEGAHERTZ.0, MEGAHERTZ.1, || d.clock_info(domain).map(u64::from));
    }
    asked.put(Field::Fan, 250, 0.01, || fastest(d));
    asked.put(Field::PcieReplays, MANY, 1.0, || d.pcie_replay_counter().map(u64::from));
    asked.put(Field::PcieGeneration, 16, 1.0, || d.current_pcie_link_gen().map(u64::from));
    asked.put(Field::PcieMostGeneration, 16, 1.0, || d.max_pcie_link_gen().map(u64::from));
    asked.put(Field::PcieWidth, 64, 1.0, || d.current_pcie_link_width().map(u64::from));
    asked.put(Field::PcieMostWidth, 64, 1.0, || d.max_pcie_link_width().map(u64::from));
    for (field, kind) in
        [(Field::EccCorrected, MemoryError::Corrected), (Field::EccUncorrected, MemoryError::Uncorrected)]
    {
        asked.put(field, MANY, 1.0, || d.total_ecc_errors(kind, EccCounter::Volatile));
    }
    for (field, cause) in [
        (Field::RetiredSingleBit, RetirementCause::MultipleSingleBitEccErrors),
        (Field::RetiredDoubleBit, RetirementCause::DoubleBitEccError),
    ] {
        asked.put(field, MANY, 1.0, || d.retired_pages(cause).map(|pages| pages.len() as u64));
    }
    asked.put(Field::RetirementPending, 1, 1.0, || d.are_pages_pending_retired().map(u64::from));
    remapped(d, &mut asked);

    let stats = d.encoder_stats();
    let stats = asked.reading(stats);
    let sessions =
        stats.as_ref().map_err(|why| *why).and_then(|stats| number(stats.session_count.into(), SESSIONS.into()));
    // Without a session its mean is no number.
    let mean = |value: u32, most| match sessions {
        Ok(0.0) => Err(NoData::NotPresent),
        Ok(_) => number(value.into(), most),
        Err(why) => Err(why),
    };
    let (fps, latency) = match &stats {
        Ok(stats) => (mean(stats.average_fps, 100_000), mean(stats.average_latency, 60_000_000)),
        Err(why) => (Err(*why), Err(*why)),
    };
    asked.readings.push((Field::Sessions, sessions));
    asked.readings.push((Field::SessionFps, fps));
    asked.readings.push((Field::SessionLatency, latency.map(|micros| micros * 1e-6)));

    let throttle = d.current_throttle_reasons();
    let throttle = asked.reading(throttle).map(in_force);
    let list = encoder_sessions(nvml, d);
    let list = asked.reading(list);
    let encoding = encoding(d, sampled);
    let (encoding, sampled) = match asked.reading(encoding) {
        Ok((encoding, until)) => (Ok(encoding), until),
        Err(why) => (Err(why), sampled),
    };
    match asked.end {
        Some(error) => Err(error),
        None => {
            let work = Err(NoData::Unsupported);
            Ok((Seen { about, readings: asked.readings, throttle, sessions: list, encoding, work }, sampled))
        }
    }
}

/// Percent, of the fan that is told to turn fastest.
fn fastest(device: &Device<'_>) -> Result<u64, NvmlError> {
    let fans = device.num_fans()?;
    let mut most = Err(NvmlError::NotSupported);
    for fan in 0..fans.min(8) {
        let speed = u64::from(device.fan_speed(fan)?);
        most = Ok(most.unwrap_or(0).max(speed));
    }
    most
}

fn remapped(device: &Device<'_>, asked: &mut Asked) {
    let answer = device.field_values_for(&REMAPPED.map(|(id, _)| FieldId(id)));
    let mut answers = match asked.reading(answer) {
        Ok(values) => values.into_iter(),
        Err(why) => {
            asked.readings.extend(REMAPPED.map(|(_, field)| (field, Err(why))));
            return;
        }
    };
    for (_, field) in REMAPPED {
        let value = answers.next().unwrap_or(Err(NvmlError::NoData)).and_then(|sample| sample.value);
        asked.put(field, MANY, 1.0, || {
            value.map(|value| match value {
                SampleValue::U32(value) => value.into(),
                SampleValue::U64(value) => value,
                SampleValue::I64(value) => u64::try_from(value).unwrap_or(u64::MAX),
                SampleValue::F64(value) => value as u64,
            })
        });
    }
}

fn in_force(reasons: ThrottleReasons) -> Vec<Throttle> {
    let all = [
        (ThrottleReasons::GPU_IDLE, Throttle::Idle),
        (ThrottleReasons::APPLICATIONS_CLOCKS_SETTING, Throttle::Set),
        (ThrottleReasons::SW_POWER_CAP, Throttle::PowerCap),
        (ThrottleReasons::HW_SLOWDOWN, Throttle::HwSlowdown),
        (ThrottleReasons::SYNC_BOOST, Throttle::SyncBoost),
        (ThrottleReasons::SW_THERMAL_SLOWDOWN, Throttle::SwThermal),
        (ThrottleReasons::HW_THERMAL_SLOWDOWN, Throttle::HwThermal),
        (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, Throttle::PowerBrake),
        (ThrottleReasons::DISPLAY_CLOCK_SETTING, Throttle::Display),
    ];
    all.into_iter().filter(|(bit, _)| reasons.contains(*bit)).map(|(_, throttle)| throttle).collect()
}

/// All sessions, of any codec.
fn encoder_sessions(nvml: &Nvml, device: &Device<'_>) -> Result<Vec<Session>, NvmlError> {
    let ask = nvml.lib().nvmlDeviceGetEncoderSessions.as_ref().map_err(|_| NvmlError::FunctionNotFound)?;
    // SAFETY: the first call asks for the number only; the second one writes at most `count` entries, for which there
    // is room. They are plain numbers, for which zero is a value.
    let list = unsafe {
        let mut count = 0;
        nvml_try(ask(device.handle(), &mut count, std::ptr::null_mut()))?;
        let mut count = count.min(SESSIONS);
        let mut list: Vec<_> = (0..count).map(|_| mem::zeroed()).collect();
        if count > 0 {
            nvml_try(ask(device.handle(), &mut count, list.as_mut_ptr()))?;
        }
        list.truncate(count as usize);
        list
    };
    let session = |fps, latency, pid| {
        let fps = number(fps, 100_000).ok()?;
        let latency = number(latency, 60_000_000).ok()? * 1e-6;
        Some(Session { pid, fps, latency })
    };
    Ok(list.iter().filter_map(|s| session(s.averageFps.into(), s.averageLatency.into(), s.pid)).collect())
}

/// Share of the encoder by process, mean over the driver's samples since `sampled`; and the date of the newest.
fn encoding(device: &Device<'_>, sampled: u64) -> Result<(Vec<(u32, f64)>, u64), NvmlError> {
    let samples = match device.process_utilization_stats(sampled) {
        // Nobody has used it since.
        Err(NvmlError::NotFound) => Vec::new(),
        samples => samples?,
    };
    let mut sums: HashMap<u32, (f64, u32)> = HashMap::new();
    // The driver leaves places empty in its list.
    for sample in samples.iter().filter(|sample| sample.timestamp > sampled && sample.enc_util <= 100) {
        let (sum, samples) = sums.entry(sample.pid).or_default();
        (*sum, *samples) = (*sum + f64::from(sample.enc_util), *samples + 1);
    }
    let shares = sums.into_iter().map(|(pid, (sum, n))| (pid, sum / f64::from(n) * PERCENT.1)).collect();
    Ok((shares, samples.iter().map(|sample| sample.timestamp).fold(sampled, u64::max)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sentinel_is_a_number_and_no_nonsense_either() {
        for none in [u64::from(u32::MAX), u64::MAX, i64::MAX as u64, i32::MAX as u64] {
            assert_eq!(number(none, MANY), Err(NoData::Unsupported), "{none:#x}");
        }
        assert_eq!(number(101, PERCENT.0), Err(NoData::Malformed));
        assert_eq!((number(0, 100), number(100, 100)), (Ok(0.0), Ok(100.0)));
    }
}
