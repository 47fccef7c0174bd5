//! A `libnvidia-ml.so.1` for tests: one card that does what a file says. The file named by `NVML_SCRIPT` is read anew at
//! every call: `{"nvmlDeviceGetTemperature": {"values": [67]}, "nvmlDeviceGetPowerUsage": {"error": 3}}`.
//!
//! `error` is an nvmlReturn_t, `sleep_ms` comes before the answer, `values` are written to the call's results in order.
//! A call that is not named is not supported; `*` stands for all calls about a device. Events are the XID codes of
//! `nvmlEventSetWait_v2`, each delivered once.

#![allow(non_snake_case, clippy::missing_safety_doc)] // NVML's names, and NVML's contract

use serde_json::Value;
use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const OK: u32 = 0;
const NOT_SUPPORTED: u32 = 3;
const INSUFFICIENT_SIZE: u32 = 7;
const TIMEOUT: u32 = 10;
const XID: u64 = 8;
/// Some address: a handle is opaque.
const HANDLE: usize = 0x10;

type Device = *mut c_void;

/// What the file says of a call, after the sleep it asks for.
#[allow(clippy::disallowed_methods)] // a library that hangs is what this is for
fn told(symbol: &str) -> Result<Vec<Value>, u32> {
    let text = std::env::var("NVML_SCRIPT").ok().and_then(|path| std::fs::read_to_string(path).ok());
    let script: Value = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
    let about_device = symbol.starts_with("nvmlDevice");
    for name in ["*", symbol] {
        if name == "*" && !about_device {
            continue;
        }
        if let Some(ms) = script[name]["sleep_ms"].as_u64() {
            std::thread::sleep(std::time::Duration::from_millis(ms));
        }
        if let Some(error) = script[name]["error"].as_u64() {
            return Err(error as u32);
        }
    }
    match script[symbol]["values"].as_array() {
        Some(values) => Ok(values.clone()),
        None if about_device => Err(NOT_SUPPORTED),
        None => Ok(Vec::new()),
    }
}

fn number(values: &[Value], at: usize) -> u64 {
    values.get(at).and_then(Value::as_u64).unwrap_or(0)
}

/// Rows of a list of lists.
fn rows(values: &[Value]) -> Vec<Vec<u64>> {
    let row = |row: &Value| Some(row.as_array()?.iter().map(|n| n.as_u64().unwrap_or(0)).collect());
    values.iter().filter_map(row).collect()
}

/// Writes a text with its end; nothing when it does not fit.
unsafe fn write_text(to: *mut c_char, room: u32, values: &[Value]) -> u32 {
    let text = values.first().and_then(Value::as_str).unwrap_or("");
    if text.len() >= room as usize {
        return INSUFFICIENT_SIZE;
    }
    // SAFETY: the caller gives `room` bytes.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), to, text.len());
        *to.add(text.len()) = 0;
    }
    OK
}

macro_rules! calls {
    ($($name:ident($($in:ident: $kind:ty),*) -> ($($out:ident: $type:ty),*);)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(_device: Device, $($in: $kind,)* $($out: *mut $type),*) -> u32 {
            $(let _ = $in;)*
            let values = match told(stringify!($name)) {
                Ok(values) => values,
                Err(error) => return error,
            };
            let mut numbers = values.iter().map(|value| value.as_u64().unwrap_or(0));
            // SAFETY: the caller gives a place for each result.
            $(unsafe { *$out = numbers.next().unwrap_or(0) as $type };)*
            let _rest = numbers.next();
            OK
        }
    )*};
}

calls! {
    nvmlDeviceGetEncoderUtilization() -> (share: u32, period: u32);
    nvmlDeviceGetDecoderUtilization() -> (share: u32, period: u32);
    nvmlDeviceGetTemperature(sensor: u32) -> (value: u32);
    nvmlDeviceGetPowerUsage() -> (value: u32);
    nvmlDeviceGetEnforcedPowerLimit() -> (value: u32);
    nvmlDeviceGetClockInfo(domain: u32) -> (value: u32);
    nvmlDeviceGetNumFans() -> (value: u32);
    nvmlDeviceGetFanSpeed_v2(fan: u32) -> (value: u32);
    nvmlDeviceGetPcieReplayCounter() -> (value: u32);
    nvmlDeviceGetCurrPcieLinkGeneration() -> (value: u32);
    nvmlDeviceGetMaxPcieLinkGeneration() -> (value: u32);
    nvmlDeviceGetCurrPcieLinkWidth() -> (value: u32);
    nvmlDeviceGetMaxPcieLinkWidth() -> (value: u32);
    nvmlDeviceGetTotalEccErrors(kind: u32, counter: u32) -> (value: u64);
    nvmlDeviceGetRetiredPagesPendingStatus() -> (value: u32);
    nvmlDeviceGetEncoderStats() -> (sessions: u32, fps: u32, latency: u32);
    nvmlDeviceGetCurrentClocksThrottleReasons() -> (reasons: u64);
    nvmlDeviceRegisterEvents(types: u64, set: *mut c_void) -> ();
}

/// nvmlUtilization_t: of the card and of its memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUtilizationRates(_device: Device, to: *mut [u32; 2]) -> u32 {
    told("nvmlDeviceGetUtilizationRates").map_or_else(
        |error| error,
        |values| {
            // SAFETY: as NVML's.
            unsafe { *to = [0, 1].map(|at| number(&values, at) as u32) };
            OK
        },
    )
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInit_v2() -> u32 {
    told("nvmlInit_v2").err().unwrap_or(OK)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlShutdown() -> u32 {
    told("nvmlShutdown").err().unwrap_or(OK)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetDriverVersion(to: *mut c_char, room: u32) -> u32 {
    // SAFETY: as NVML's.
    told("nvmlSystemGetDriverVersion").map_or_else(|error| error, |values| unsafe { write_text(to, room, &values) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUUID(_device: Device, to: *mut c_char, room: u32) -> u32 {
    // SAFETY: as NVML's.
    told("nvmlDeviceGetUUID").map_or_else(|error| error, |values| unsafe { write_text(to, room, &values) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetName(_device: Device, to: *mut c_char, room: u32) -> u32 {
    // SAFETY: as NVML's.
    told("nvmlDeviceGetName").map_or_else(|error| error, |values| unsafe { write_text(to, room, &values) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCount_v2(count: *mut u32) -> u32 {
    told("nvmlDeviceGetCount_v2").map_or_else(
        |error| error,
        |values| {
            // SAFETY: as NVML's.
            unsafe { *count = number(&values, 0) as u32 };
            OK
        },
    )
}

unsafe fn handle(symbol: &str, to: *mut Device) -> u32 {
    match told(symbol) {
        Err(error) if error != NOT_SUPPORTED => error,
        // The one card answers to any name unless the file says otherwise.
        _ => {
            // SAFETY: as NVML's.
            unsafe { *to = HANDLE as Device };
            OK
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(_index: u32, to: *mut Device) -> u32 {
    // SAFETY: as NVML's.
    unsafe { handle("nvmlDeviceGetHandleByIndex_v2", to) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByUUID(_uuid: *const c_char, to: *mut Device) -> u32 {
    // SAFETY: as NVML's.
    unsafe { handle("nvmlDeviceGetHandleByUUID", to) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByPciBusId_v2(_slot: *const c_char, to: *mut Device) -> u32 {
    // SAFETY: as NVML's.
    unsafe { handle("nvmlDeviceGetHandleByPciBusId_v2", to) }
}

/// nvmlMemory_v2_t
#[repr(C)]
pub struct Memory {
    version: u32,
    total: u64,
    reserved: u64,
    free: u64,
    used: u64,
}

/// The file gives used and total.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(_device: Device, to: *mut Memory) -> u32 {
    told("nvmlDeviceGetMemoryInfo_v2").map_or_else(
        |error| error,
        |values| {
            let (used, total) = (number(&values, 0), number(&values, 1));
            // SAFETY: as NVML's.
            unsafe {
                *to = Memory { version: (*to).version, total, reserved: 0, free: total.wrapping_sub(used), used }
            };
            OK
        },
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetRetiredPages(
    _device: Device,
    _cause: u32,
    count: *mut u32,
    _addresses: *mut u64,
) -> u32 {
    told("nvmlDeviceGetRetiredPages").map_or_else(
        |error| error,
        |values| {
            // SAFETY: as NVML's.
            unsafe { *count = number(&values, 0) as u32 };
            OK
        },
    )
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetRetiredPages_v2(
    _device: Device,
    _cause: u32,
    _count: *mut u32,
    _addresses: *mut u64,
    _dates: *mut u64,
) -> u32 {
    told("nvmlDeviceGetRetiredPages").err().unwrap_or(OK)
}

/// nvmlFieldValue_t
#[repr(C)]
pub struct FieldValue {
    field: u32,
    scope: u32,
    timestamp: i64,
    latency: i64,
    kind: u32,
    outcome: u32,
    value: u64,
}

/// The file gives pairs of field number and value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetFieldValues(_device: Device, count: c_int, list: *mut FieldValue) -> u32 {
    let values = match told("nvmlDeviceGetFieldValues") {
        Ok(values) => rows(&values),
        Err(error) => return error,
    };
    // SAFETY: the caller gives `count` entries.
    for entry in unsafe { std::slice::from_raw_parts_mut(list, count as usize) } {
        let known = values.iter().find(|row| row[0] == u64::from(entry.field));
        // 3 is NVML_VALUE_TYPE_UNSIGNED_LONG_LONG.
        (entry.kind, entry.timestamp, entry.latency) = (3, 1, 1);
        entry.outcome = if known.is_some() { OK } else { NOT_SUPPORTED };
        entry.value = known.map_or(0, |row| row[1]);
    }
    OK
}

/// nvmlEncoderSessionInfo_t: session, pid, vGPU, codec, width, height, frames per second, latency in microseconds.
type Session = [u32; 8];

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetEncoderSessions(_device: Device, count: *mut u32, list: *mut Session) -> u32 {
    let sessions = match told("nvmlDeviceGetEncoderSessions") {
        Ok(values) => rows(&values),
        Err(error) => return error,
    };
    // SAFETY: the caller gives a list of `count` entries, or none to learn the count.
    unsafe {
        if !list.is_null() {
            for (at, row) in sessions.iter().enumerate().take(*count as usize) {
                *list.add(at) = std::array::from_fn(|n| row[n] as u32);
            }
        }
        *count = sessions.len() as u32;
    }
    OK
}

/// nvmlProcessUtilizationSample_t
#[repr(C)]
pub struct Sample {
    pid: u32,
    timestamp: u64,
    sm: u32,
    memory: u32,
    encoder: u32,
    decoder: u32,
}

/// The file gives pid and share of the encoder; each call is a new sample.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetProcessUtilization(
    _device: Device,
    list: *mut Sample,
    count: *mut u32,
    since: u64,
) -> u32 {
    let samples = match told("nvmlDeviceGetProcessUtilization") {
        Ok(values) => rows(&values),
        Err(error) => return error,
    };
    // SAFETY: the caller gives a list of `count` entries, or none to learn the count.
    unsafe {
        let room = if list.is_null() { 0 } else { *count as usize };
        for (at, row) in samples.iter().enumerate().take(room) {
            let (pid, encoder) = (row[0] as u32, row[1] as u32);
            *list.add(at) = Sample { pid, timestamp: since + 1, sm: 0, memory: 0, encoder, decoder: 0 };
        }
        *count = samples.len() as u32;
        if list.is_null() { INSUFFICIENT_SIZE } else { OK }
    }
}

/// nvmlEventData_t
#[repr(C)]
pub struct Event {
    device: Device,
    kind: u64,
    data: u64,
    instance: u32,
    compute: u32,
}

static DELIVERED: AtomicUsize = AtomicUsize::new(0);

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlEventSetCreate(set: *mut *mut c_void) -> u32 {
    // SAFETY: as NVML's.
    unsafe { *set = HANDLE as *mut c_void };
    told("nvmlEventSetCreate").err().unwrap_or(OK)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlEventSetWait_v2(_set: *mut c_void, event: *mut Event, _ms: u32) -> u32 {
    let codes = match told("nvmlEventSetWait_v2") {
        Ok(codes) => codes,
        Err(error) => return error,
    };
    let at = DELIVERED.load(SeqCst);
    if at >= codes.len() {
        return TIMEOUT;
    }
    DELIVERED.store(at + 1, SeqCst);
    let data = number(&codes, at);
    // SAFETY: as NVML's.
    unsafe { *event = Event { device: HANDLE as Device, kind: XID, data, instance: 0, compute: 0 } };
    OK
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlEventSetFree(_set: *mut c_void) -> u32 {
    told("nvmlEventSetFree").err().unwrap_or(OK)
}
