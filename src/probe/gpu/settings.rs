//! A `[[gpu]]` table, read.

use crate::base::settings::Table;
use crate::world::gpu::Which;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(5);

/// One card to watch. Its Debug is what a reload compares.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    pub(super) id: String,
    pub(super) which: Which,
    pub(super) every: Duration,
    /// Encoder sessions that the card or its licence allows.
    pub(super) cap: Option<u32>,
}

pub(super) fn read(table: &Table<'_>) -> Option<Settings> {
    let second = Duration::from_secs(1);
    let id = table.need_id("id");
    let device = table.text("device");
    let which = match device.as_deref() {
        None => Some(Which::Only),
        Some(text) => which(text),
    };
    if which.is_none() {
        table.mistake(
            "device",
            "`device` names no card",
            "write the PCI address that lspci -D shows, such as \"0000:01:00.0\", or the UUID that nvidia-smi -L shows",
        );
    }
    let every = table.duration("every", second..=3600 * second).unwrap_or(EVERY);
    let cap = table.integer("session_cap", 1..=1024).and_then(|cap| u32::try_from(cap).ok());
    Some(Settings { id: id?, which: which?, every, cap })
}

fn which(text: &str) -> Option<Which> {
    if text.starts_with("GPU-") || text.starts_with("MIG-") {
        let fits = text.len() <= 96 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        return fits.then(|| Which::Uuid(text.to_owned()));
    }
    // Some tools print the domain with eight digits.
    let text = text.to_ascii_lowercase();
    let (rest, function) = text.rsplit_once('.')?;
    let mut parts = rest.split(':');
    let hex = |part: &str, digits: usize| u32::from_str_radix(part, 16).ok().filter(|_| part.len() <= digits);
    let (domain, bus, slot) = (hex(parts.next()?, 8)?, hex(parts.next()?, 2)?, hex(parts.next()?, 2)?);
    let function = hex(function, 1).filter(|function| *function < 8)?;
    parts.next().is_none().then(|| Which::Pci(format!("{domain:04x}:{bus:02x}:{slot:02x}.{function}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_named_by_its_slot_or_its_uuid_and_never_by_its_index() {
        let slot = Some(Which::Pci("0000:0a:00.0".to_owned()));
        assert_eq!((which("0000:0A:00.0"), which("00000000:0a:00.0")), (slot.clone(), slot));
        let uuid = "GPU-8d3c1f5e-0000-4c1b-9f6e-2b7f3a1d0c11";
        assert_eq!(which(uuid), Some(Which::Uuid(uuid.to_owned())));
        for wrong in ["0", "", "card0", "0000:01:00", "01:00.0", "0000:01:00.9", "0000:01:00.0:1.0", "GPU-$"] {
            assert_eq!(which(wrong), None, "{wrong}");
        }
    }
}
