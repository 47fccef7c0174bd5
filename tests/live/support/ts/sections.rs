//! Builds splice_info_sections (SCTE 35 2023r1), good ones and bad ones.

/// Ticks of the 90 kHz clock per second.
pub const HZ: u64 = 90_000;
/// Times have 33 bits.
pub const MASK: u64 = (1 << 33) - 1;

/// CRC_32 of ISO/IEC 13818-1 annex A, bit by bit.
pub fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ (u32::from(*byte) << 24),
            |crc, _| {
                if crc & 1 << 31 != 0 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 }
            },
        )
    })
}

/// A section to be: a command and what surrounds it.
#[derive(Clone)]
pub struct Cue {
    command: u8,
    body: Vec<u8>,
    descriptors: Vec<u8>,
    adjustment: u64,
    command_length: Option<u16>,
    encrypted: bool,
    bad_crc: bool,
}

impl Cue {
    fn new(command: u8, body: Vec<u8>) -> Cue {
        Cue {
            command,
            body,
            descriptors: Vec::new(),
            adjustment: 0,
            command_length: None,
            encrypted: false,
            bad_crc: false,
        }
    }

    /// splice_null.
    pub fn null() -> Cue {
        Cue::new(0x00, Vec::new())
    }

    /// splice_insert. `at`: `None` for splice_immediate. `duration`: ticks, and whether the break ends by itself.
    pub fn insert(event: u32, out: bool, at: Option<u64>, duration: Option<(u64, bool)>) -> Cue {
        let mut body = event.to_be_bytes().to_vec();
        let flags = u8::from(out) << 7 | 0x40 | u8::from(duration.is_some()) << 5 | u8::from(at.is_none()) << 4 | 0x0f;
        body.extend([0x7f, flags]);
        if at.is_some() {
            body.extend(splice_time(at));
        }
        if let Some((ticks, auto_return)) = duration {
            body.extend(low33(u8::from(auto_return) << 7 | 0x7e, ticks));
        }
        body.extend([0, 1, 0, 0]);
        Cue::new(0x05, body)
    }

    /// splice_insert that calls an event off.
    pub fn cancel(event: u32) -> Cue {
        Cue::new(0x05, [&event.to_be_bytes()[..], &[0xff]].concat())
    }

    /// time_signal.
    pub fn time_signal(at: Option<u64>) -> Cue {
        Cue::new(0x06, splice_time(at))
    }

    /// With a segmentation_descriptor: whole programme, no restrictions, UPID of type TI.
    pub fn segmentation(mut self, event: u32, kind: u8, duration: Option<u64>) -> Cue {
        let mut body = b"CUEI".to_vec();
        body.extend(event.to_be_bytes());
        body.extend([0x7f, 0x80 | u8::from(duration.is_some()) << 6 | 0x3f]);
        if let Some(ticks) = duration {
            body.extend(&ticks.to_be_bytes()[3..]);
        }
        body.extend([0x08, 8, 0, 0, 0, 0, 0x2c, 0xa0, 0xa1, 0x8a, kind, 1, 1]);
        self.descriptors.extend([0x02, body.len() as u8]);
        self.descriptors.extend(body);
        self
    }

    /// With a private descriptor, which is no defect.
    pub fn private_descriptor(mut self) -> Cue {
        self.descriptors.extend(*b"\x02\x06SAPSxy");
        self
    }

    /// pts_adjustment: its times are told that much too early.
    pub fn adjusted_by(mut self, ticks: u64) -> Cue {
        self.adjustment = ticks & MASK;
        self
    }

    /// splice_command_length 0xFFF, as old equipment writes it.
    pub fn without_length(mut self) -> Cue {
        self.command_length = Some(0xfff);
        self
    }

    pub fn encrypted(mut self) -> Cue {
        self.encrypted = true;
        self
    }

    pub fn bad_crc(mut self) -> Cue {
        self.bad_crc = true;
        self
    }

    /// The bytes, from table_id to CRC_32.
    pub fn section(&self) -> Vec<u8> {
        let mut section = vec![0xfc, 0x30, 0, 0];
        section.extend(low33(u8::from(self.encrypted) << 7, self.adjustment));
        let length = self.command_length.unwrap_or(self.body.len() as u16);
        section.extend([0, 0xff, 0xf0 | (length >> 8) as u8, length as u8, self.command]);
        section.extend(&self.body);
        section.extend((self.descriptors.len() as u16).to_be_bytes());
        section.extend(&self.descriptors);
        close(section, self.bad_crc)
    }
}

/// Writes section_length and CRC_32.
pub fn close(mut section: Vec<u8>, bad_crc: bool) -> Vec<u8> {
    let length = section.len() + 4 - 3;
    section[1] = section[1] & 0xf0 | (length >> 8) as u8;
    section[2] = length as u8;
    let crc = crc(&section) ^ u32::from(bad_crc);
    section.extend(crc.to_be_bytes());
    section
}

fn low33(high: u8, ticks: u64) -> [u8; 5] {
    let [.., a, b, c, d, e] = (ticks & MASK).to_be_bytes();
    [high | a, b, c, d, e]
}

fn splice_time(at: Option<u64>) -> Vec<u8> {
    match at {
        Some(ticks) => low33(0xfe, ticks).to_vec(),
        None => vec![0x7f],
    }
}

#[test]
fn the_builder_writes_what_the_standard_shows() {
    // SCTE 35 2023r1 §14.2, but for its unique_program_id and avail.
    let section = Cue::insert(0x4800_008f, true, Some(0x0736_9c02e), Some((0x0005_2ccf5, true))).section();
    let wanted = [
        0xfc, 0x30, 0x25, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xf0, 0x14, 0x05, 0x48, 0, 0, 0x8f, 0x7f, 0xef, 0xfe, 0x73, 0x69,
        0xc0, 0x2e, 0xfe, 0x00, 0x52, 0xcc, 0xf5, 0, 1, 0, 0, 0, 0,
    ];
    assert_eq!(section[..section.len() - 4], wanted);
    assert_eq!(crc(&section), 0, "a section with its CRC leaves nothing");
}
