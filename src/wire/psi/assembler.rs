//! Sections out of the payloads of one PID (ISO/IEC 13818-1 clause 2.4.4.1).

use super::{LONGEST, crc32_mpeg};

/// How a section lay in its packets. ANSI/SCTE 35 clause 9.6 wants every field false.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Carriage {
    /// It began behind the start of its payload: pointer_field was not 0.
    pub pointer: bool,
    /// Another section began in the same packet before it.
    pub shared: bool,
    /// The continuity counter broke while it was gathered: what is missing inside it shows in its CRC.
    pub gap: bool,
}

/// A section as it came. Its bytes are as long as its section_length says.
#[derive(Copy, Clone, Debug)]
pub struct Gathered<'a> {
    pub bytes: &'a [u8],
    pub carriage: Carriage,
    /// The last four bytes are right for the others. A short-form section carries no CRC in general (TDT, RST); whether this
    /// one should is for the caller to say.
    pub crc_ok: bool,
}

/// One PID's gatherer: 4 KiB, made once.
pub struct Assembler {
    held: Box<[u8; LONGEST]>,
    filled: usize,
    carriage: Carriage,
    /// Sections that a new one cut off.
    cut: u64,
}

impl Default for Assembler {
    fn default() -> Self {
        Assembler { held: Box::new([0; LONGEST]), filled: 0, carriage: Carriage::default(), cut: 0 }
    }
}

impl Assembler {
    /// Sections begun and never ended; never falls.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// What is held goes on with nothing that comes.
    pub fn restart(&mut self) {
        self.filled = 0;
    }

    /// The payload of the PID's next packet (no duplicate), whether a section starts in it, and whether packets are
    /// missing before it. Gives every section that it completes.
    pub fn push(&mut self, payload: &[u8], starts: bool, gap: bool, each: &mut dyn FnMut(Gathered<'_>)) {
        self.carriage.gap |= gap;
        if !starts {
            if self.filled > 0 {
                self.go_on(payload, each);
            }
            return;
        }
        let Some((&pointer, rest)) = payload.split_first() else { return };
        let Some((tail, fresh)) = rest.split_at_checked(usize::from(pointer)) else {
            self.give_up();
            return;
        };
        if self.filled > 0 {
            self.go_on(tail, each);
        }
        self.begin(fresh, Carriage { pointer: pointer != 0, ..Carriage::default() }, each);
    }

    /// Sections that begin right here: behind a pointer_field, or in a PES packet that should hold none.
    pub fn begin(&mut self, mut rest: &[u8], mut carriage: Carriage, each: &mut dyn FnMut(Gathered<'_>)) {
        self.give_up();
        // 0xff is stuffing to the end of the packet.
        while rest.first().is_some_and(|first| *first != 0xff) {
            match length(rest).filter(|n| *n <= rest.len()) {
                Some(n) => {
                    let (section, after) = rest.split_at(n);
                    each(gathered(section, carriage));
                    carriage.shared = true;
                    rest = after;
                }
                None => {
                    self.carriage = carriage;
                    self.filled = rest.len().min(LONGEST);
                    self.held[..self.filled].copy_from_slice(&rest[..self.filled]);
                    return;
                }
            }
        }
    }

    fn give_up(&mut self) {
        self.cut += u64::from(self.filled > 0);
        self.filled = 0;
    }

    fn go_on(&mut self, more: &[u8], each: &mut dyn FnMut(Gathered<'_>)) {
        let n = more.len().min(LONGEST - self.filled);
        self.held[self.filled..self.filled + n].copy_from_slice(&more[..n]);
        self.filled += n;
        let Some(length) = length(&self.held[..self.filled]) else { return };
        if length <= self.filled {
            each(gathered(&self.held[..length], self.carriage));
            self.filled = 0;
        } else if length > LONGEST {
            self.give_up();
        }
    }
}

/// Of the section that begins here, head included; up to 4098 where it lies. `None` before its third byte.
fn length(bytes: &[u8]) -> Option<usize> {
    let [_, high, low, ..] = bytes else { return None };
    Some(3 + usize::from(u16::from_be_bytes([high & 0x0f, *low])))
}

fn gathered(bytes: &[u8], carriage: Carriage) -> Gathered<'_> {
    Gathered { bytes, carriage, crc_ok: bytes.len() >= 7 && crc32_mpeg(bytes) == 0 }
}
