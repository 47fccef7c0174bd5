//! PAT, PMT, CAT and SI as they come, what they say each PID is for, and which of them have not come.

use super::clock::Clock;
use super::counts::{Counts, Indicator, Role};
use super::limits::{self, Due};
use super::slot::{NOBODY, OWNERS, Slot, Timed, Work};
use super::video::Scanner;
use super::{Medium, Monitor, NULL_PID, Section};
use crate::base::clock::Boot;
use crate::wire::psi::{self, Gathered, Kind, Long, Pmt};
use crate::wire::ts::Listener;

/// Programmes watched; the standard allows 65 535, and real multiplexes hold a few dozen.
const MOST_PROGRAMS: usize = 128;
/// PAT sections put together: 253 programmes each.
const MOST_SECTIONS: usize = 4;
/// Streams looked into for pictures.
const MOST_VIDEOS: usize = 64;
/// Cue PIDs remembered, so that it shows when they turn into something else.
const MOST_CUES: usize = 64;
/// The first PID that is free for use (ISO/IEC 13818-1 table 2-3).
const FIRST_FREE: u16 = 0x10;

pub(super) struct Es {
    pub(super) pid: u16,
    pub(super) stream_type: u8,
    pub(super) kind: Kind,
    still: bool,
}

pub(super) struct Prog {
    pub(super) number: u16,
    pub(super) pmt_pid: u16,
    pub(super) pcr_pid: Option<u16>,
    pub(super) cuei: bool,
    /// CRC of its PMT; `None` before the first.
    pub(super) crc: Option<u32>,
    pub(super) streams: Vec<Es>,
    /// PIDs of its conditional access messages.
    access: Vec<u16>,
    pub(super) due: Due,
    /// A/V offset when the streams had settled, in seconds.
    pub(super) settled: Option<f64>,
}

/// A PAT being put together.
#[derive(Default)]
struct Pat {
    version: u8,
    last: u8,
    /// CRCs of the sections that have come.
    crcs: [Option<u32>; MOST_SECTIONS],
    entries: Vec<(u16, u16)>,
}

#[derive(Default)]
pub(super) struct Tables {
    pub(super) transport_stream_id: Option<u16>,
    pat: Pat,
    pub(super) programs: Vec<Prog>,
    nit_pid: Option<u16>,
    /// EMM PIDs of the CAT.
    access: Vec<u16>,
    pub(super) due: limits::Dues,
    /// Programme number and PID of everything that was ever given to SCTE-35; survives a restart.
    pub(super) cues: Vec<(u16, u16)>,
}

impl Tables {
    pub(super) fn restart(&mut self) {
        *self = Tables { cues: std::mem::take(&mut self.cues), ..Tables::default() };
    }
    /// Role and work of a PID that no PMT names.
    pub(super) fn fixed(&self, pid: u16) -> (Role, Work) {
        match pid {
            0 | 1 => (Role::Psi, Work::Tables),
            2..=0x0f => (Role::Psi, Work::Nothing),
            0x10..=0x14 => (Role::Si, Work::Tables),
            0x15..=0x1f | 0x1ffb => (Role::Si, Work::Nothing),
            NULL_PID => (Role::Null, Work::Nothing),
            _ if self.nit_pid == Some(pid) => (Role::Si, Work::Tables),
            _ => (Role::Other, Work::Nothing),
        }
    }
    /// A table of the moment names the PID, or the standards do.
    pub(super) fn names(&self, slot: &Slot) -> bool {
        slot.role != Role::Other
            || slot.owners().next().is_some()
            || self.access.contains(&slot.pid)
            || self.programs.iter().any(|p| p.access.contains(&slot.pid))
    }
}

fn purpose(kind: Kind) -> (Role, Work) {
    match kind {
        Kind::Video(_) => (Role::Video, Work::Timed(Medium::Video)),
        Kind::Audio => (Role::Audio, Work::Timed(Medium::Audio)),
        Kind::Cue => (Role::Cue, Work::Cue),
        Kind::Private => (Role::Other, Work::Private),
        Kind::Data => (Role::Other, Work::Nothing),
    }
}

/// CA_descriptor (tag 9): CA_PID.
fn access<'a>(descriptors: impl Iterator<Item = (u8, &'a [u8])>) -> impl Iterator<Item = u16> {
    descriptors.filter_map(|(tag, body)| match body {
        [_, _, high, low, ..] if tag == 0x09 => Some(u16::from_be_bytes([high & 0x1f, *low])),
        _ => None,
    })
}

impl Monitor {
    /// A section of the PID in slot `n`.
    pub(super) fn section(&mut self, n: usize, gathered: &Gathered<'_>, at: Boot, out: &mut dyn Listener) {
        let (pid, work) = (self.slots[n].pid, self.slots[n].work);
        let table = gathered.bytes[0];
        let checked = matches!(table, 0x00..=0x02 | 0x40 | 0x41 | 0x42 | 0x46 | 0x4a | 0x4e..=0x6f | 0x73 | 0xfc);
        // What a gap tore is the gap's fault, and counted there.
        if checked && !gathered.crc_ok && !gathered.carriage.gap {
            self.counts.err(Indicator::Crc, 1);
        }
        if work == Work::Cue {
            self.counts.cue_sections += 1;
            return self.cue(n, gathered, false, at, out);
        }
        if checked && !gathered.crc_ok {
            return;
        }
        limits::foreign(&mut self.counts, pid, table, self.options.priority3);
        match Long::read(gathered.bytes) {
            Some(long) if pid == 0 && table == psi::TABLE_PAT => self.pat(&long, gathered.bytes, at, out),
            Some(long) if pid == 1 && table == psi::TABLE_CAT => self.cat(&long, at),
            Some(long) if table == psi::TABLE_PMT => self.pmt(pid, &long, gathered.bytes, at, out),
            _ if self.options.priority3 => {
                let section = gathered.bytes;
                self.tables.due.information(&mut self.counts, pid, section, at);
            }
            _ => {}
        }
    }

    /// A cue section, to every programme that owns its PID.
    pub(super) fn cue(&self, n: usize, gathered: &Gathered<'_>, disguised: bool, at: Boot, out: &mut dyn Listener) {
        let slot = &self.slots[n];
        for program in slot.owners().filter_map(|p| self.tables.programs.get(p)) {
            out.section(&Section {
                program: program.number,
                pid: slot.pid,
                bytes: gathered.bytes,
                crc_ok: gathered.crc_ok,
                carriage: gathered.carriage,
                disguised,
                at,
                stc: self.stc(program, at),
                pts: self.newest_pts(program),
            });
        }
    }

    /// The clock of a programme where the newest packet lies.
    pub(super) fn stc(&self, program: &Prog, at: Boot) -> Option<u64> {
        self.known(program.pcr_pid?)?.clock.as_ref()?.at_position(self.position, at)
    }

    fn newest_pts(&self, program: &Prog) -> Option<u64> {
        let of = |role| {
            let mut slots = program.streams.iter().filter_map(|es| self.known(es.pid)).filter(|s| s.role == role);
            slots.find_map(|s| s.timed.as_ref()?.stamps.pts)
        };
        of(Role::Video).or_else(|| of(Role::Audio))
    }

    fn pat(&mut self, long: &Long<'_>, section: &[u8], at: Boot, out: &mut dyn Listener) {
        self.counts.err(Indicator::Pat, self.tables.due.pat.renew(at, limits::PAT));
        let number = usize::from(long.number);
        let crc = crc(section);
        let pat = &mut self.tables.pat;
        if !long.current || number >= MOST_SECTIONS || pat.crcs[number] == crc {
            return;
        }
        let complete = |pat: &Pat| pat.crcs.iter().take(usize::from(pat.last) + 1).all(Option::is_some);
        if (pat.version, pat.last) != (long.version, long.last) || complete(pat) {
            *pat = Pat { version: long.version, last: long.last, ..Pat::default() };
        }
        pat.crcs[number] = crc;
        pat.entries.extend(psi::pat(long.body));
        if !complete(pat) {
            return;
        }
        let entries = std::mem::take(&mut pat.entries);
        self.tables.transport_stream_id = Some(long.extension);
        self.counts.table_changes += 1;
        self.programs(&entries, at, out);
    }

    fn programs(&mut self, entries: &[(u16, u16)], at: Boot, out: &mut dyn Listener) {
        let usable = |pid: u16| (FIRST_FREE..NULL_PID).contains(&pid);
        self.tables.nit_pid = entries.iter().find(|e| e.0 == 0).map(|e| e.1).filter(|pid| usable(*pid));
        let mut old = std::mem::take(&mut self.tables.programs);
        let mut new: Vec<Prog> = Vec::new();
        for &(number, pmt_pid) in entries.iter().filter(|e| e.0 != 0 && usable(e.1)) {
            if new.len() == MOST_PROGRAMS || new.iter().any(|p| p.number == number) {
                continue;
            }
            let same = old.iter().position(|p| (p.number, p.pmt_pid) == (number, pmt_pid));
            new.push(match same {
                Some(same) => old.swap_remove(same),
                None => Prog {
                    number,
                    pmt_pid,
                    pcr_pid: None,
                    cuei: false,
                    crc: None,
                    streams: Vec::new(),
                    access: Vec::new(),
                    due: Due::at(at, limits::PMT),
                    settled: None,
                },
            });
        }
        self.tables.programs = new;
        self.assign(at);
        for gone in old.iter().filter(|old| self.tables.programs.iter().all(|p| p.number != old.number)) {
            out.tables(gone.number, None, at);
        }
    }

    fn pmt(&mut self, pid: u16, long: &Long<'_>, section: &[u8], at: Boot, out: &mut dyn Listener) {
        let programs = &mut self.tables.programs;
        let own = |p: &&mut Prog| p.number == long.extension && p.pmt_pid == pid;
        let Some(program) = programs.iter_mut().find(own) else { return };
        self.counts.err(Indicator::Pmt, program.due.renew(at, limits::PMT));
        let crc = crc(section);
        let Some(pmt) = Pmt::read(long.body).filter(|_| long.current && program.crc != crc) else { return };
        program.crc = crc;
        program.cuei = pmt.cuei();
        program.pcr_pid = Some(pmt.pcr_pid).filter(|pid| *pid != NULL_PID);
        program.settled = None;
        let usable = pmt.streams().filter(|es| (FIRST_FREE..NULL_PID).contains(&es.pid));
        let own = |es: psi::Elementary<'_>| Es {
            pid: es.pid,
            stream_type: es.stream_type,
            kind: es.kind(),
            still: es.still_pictures(),
        };
        program.streams = usable.map(own).collect();
        program.access =
            access(pmt.descriptors()).chain(pmt.streams().flat_map(|es| access(es.descriptors()))).collect();
        for es in program.streams.iter().filter(|es| es.kind == Kind::Cue) {
            let cue = (program.number, es.pid);
            if self.tables.cues.len() < MOST_CUES && !self.tables.cues.contains(&cue) {
                self.tables.cues.push(cue);
            }
        }
        self.counts.table_changes += 1;
        self.assign(at);
        if let Some(program) = self.tables.programs.iter().find(|p| p.number == long.extension) {
            out.tables(program.number, Some(&self.program(program, at)), at);
        }
    }

    fn cat(&mut self, long: &Long<'_>, at: Boot) {
        self.tables.due.cat = Some(at);
        if long.current {
            self.tables.access = access(psi::descriptors(long.body)).collect();
        }
    }

    /// Gives every PID its role by the tables of now, and its work room or none.
    fn assign(&mut self, at: Boot) {
        for slot in &mut self.slots {
            slot.owners = [NOBODY; OWNERS];
            (slot.role, slot.work) = self.tables.fixed(slot.pid);
        }
        let tables = std::mem::take(&mut self.tables);
        let mut videos = 0;
        let from = self.began.unwrap_or(at);
        let mut clocks = Vec::new();
        for program in &tables.programs {
            let n = self.slot(program.pmt_pid);
            (self.slots[n].role, self.slots[n].work) = (Role::Psi, Work::Tables);
        }
        for (number, program) in tables.programs.iter().enumerate() {
            for es in &program.streams {
                let n = self.slot(es.pid);
                let slot = &mut self.slots[n];
                if (slot.role, slot.work) == (Role::Other, Work::Nothing) {
                    (slot.role, slot.work) = purpose(es.kind);
                    slot.equip(es, from, at, &mut videos);
                }
                slot.own(number);
            }
            if let Some(pid) = program.pcr_pid.filter(|pid| *pid >= FIRST_FREE) {
                let n = self.slot(pid);
                let slot = &mut self.slots[n];
                if (slot.role, slot.work) == (Role::Other, Work::Nothing) && slot.owners().next().is_none() {
                    slot.role = Role::Pcr;
                }
                slot.own(number);
                slot.clock.get_or_insert_with(|| Box::new(Clock::new(at)));
                clocks.push(pid);
            }
        }
        for slot in &mut self.slots {
            slot.retire(clocks.contains(&slot.pid));
        }
        // And the one in hand, from which the table of now came.
        self.gathered = 1 + self.slots.iter().filter(|slot| slot.sections.is_some()).count();
        self.tables = tables;
    }
}

impl Slot {
    fn equip(&mut self, es: &Es, from: Boot, at: Boot, videos: &mut usize) {
        let Work::Timed(_) = self.work else { return };
        let timed = self.timed.get_or_insert_with(|| {
            self.due = Due::at(at, limits::PID);
            Box::new(Timed::new(from))
        });
        timed.still = es.still;
        if es.still {
            timed.due = Due::default();
        }
        if let Kind::Video(codec) = es.kind {
            let same = timed.scanner.take().filter(|scanner| scanner.codec() == codec);
            if *videos < MOST_VIDEOS {
                timed.scanner = same.or_else(|| Scanner::new(codec).map(Box::new));
            }
            *videos += usize::from(timed.scanner.is_some());
        } else {
            timed.scanner = None;
        }
    }

    /// Drops what the PID's work of now has no use for.
    fn retire(&mut self, clock: bool) {
        if !matches!(self.work, Work::Timed(_)) && self.timed.take().is_some() {
            self.due = Due::default();
        }
        if !matches!(self.work, Work::Tables | Work::Cue | Work::Private) {
            self.sections = None;
        }
        if !clock {
            self.clock = None;
        }
        self.disguised &= self.work == Work::Private;
    }
}

/// The last four bytes of a section.
fn crc(section: &[u8]) -> Option<u32> {
    section.last_chunk().map(|c| u32::from_be_bytes(*c))
}

impl Counts {
    /// A scrambled packet where tables belong: 1.3.a, 1.5.a. Of a CAT or of SI the report says nothing.
    pub(super) fn scrambled_table(&mut self, pid: u16, role: Role) {
        match (pid, role) {
            (0, _) => self.err(Indicator::Pat, 1),
            (FIRST_FREE.., Role::Psi) => self.err(Indicator::Pmt, 1),
            _ => {}
        }
    }
}
