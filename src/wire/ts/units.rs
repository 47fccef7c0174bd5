//! Payloads taken apart: sections, cues in disguise, and the access units of video and audio.

use super::limits;
use super::pes::Head;
use super::slot::{Timed, Waiting, Work};
use super::tables::Prog;
use super::{Indicator, Jump, Listener, MOST_GATHERED, Medium, Monitor, RandomAccess, Unit};
use crate::base::clock::Boot;
use crate::wire::psi::{Assembler, Carriage, Gathered, TABLE_SPLICE};

impl Monitor {
    /// A PID's gatherer, taken out of its slot while it works; made on first use.
    fn take_sections(&mut self, n: usize) -> Option<Box<Assembler>> {
        if let Some(sections) = self.slots[n].sections.take() {
            return Some(sections);
        }
        (self.gathered < MOST_GATHERED).then(|| {
            self.gathered += 1;
            Box::default()
        })
    }

    pub(super) fn sections(&mut self, n: usize, starts: bool, payload: &[u8], at: Boot, out: &mut dyn Listener) {
        let Some(mut sections) = self.take_sections(n) else { return };
        let gap = std::mem::take(&mut self.slots[n].gap);
        let cut = sections.cut();
        sections.push(payload, starts, gap, &mut |gathered| self.section(n, &gathered, at, out));
        self.counts.sections_cut += sections.cut() - cut;
        self.slots[n].sections = Some(sections);
    }

    /// A private PES packet: FFmpeg puts an SCTE-35 section right behind the header of one.
    pub(super) fn private(&mut self, n: usize, starts: bool, payload: &[u8], at: Boot, out: &mut dyn Listener) {
        let gap = std::mem::take(&mut self.slots[n].gap);
        let body = if starts {
            let body = Head::read(payload).filter(|head| !head.scrambled).and_then(|head| payload.get(head.body..));
            let Some(body) = body.filter(|b| b.first() == Some(&TABLE_SPLICE)) else {
                self.gathered -= usize::from(self.slots[n].sections.take().is_some());
                return;
            };
            body
        } else if self.slots[n].sections.is_some() {
            payload
        } else {
            return;
        };
        let Some(mut sections) = self.take_sections(n) else { return };
        let mut whole = false;
        let mut told = |gathered: Gathered<'_>| {
            if gathered.crc_ok && gathered.bytes[0] == TABLE_SPLICE && !std::mem::replace(&mut whole, true) {
                self.slots[n].disguised = true;
                self.counts.disguised_cues += 1;
                self.cue(n, &gathered, true, at, out);
            }
        };
        if starts {
            sections.begin(body, Carriage::default(), &mut told);
        } else {
            sections.push(body, false, gap, &mut told);
        }
        // Only an unfinished one is worth its room.
        if whole {
            self.gathered -= 1;
        } else {
            self.slots[n].sections = Some(sections);
        }
    }

    /// A payload of video or audio.
    pub(super) fn timed(
        &mut self,
        n: usize,
        medium: Medium,
        starts: bool,
        payload: &[u8],
        at: Boot,
        out: &mut dyn Listener,
    ) {
        let Some(mut timed) = self.slots[n].timed.take() else { return };
        // From its first packet on a PTS is due; a PID without packets is missed by 1.6.
        if !timed.still {
            timed.due.begin(at, limits::PTS);
        }
        let gap = std::mem::take(&mut self.slots[n].gap);
        let mut scanner = timed.scanner.take();
        if let (true, Some(scanner)) = (gap, &mut scanner) {
            scanner.broken();
        }
        let mut es = payload;
        if starts {
            if let Some(waiting) = timed.waiting.take() {
                self.tell(n, Medium::Video, &waiting, RandomAccess::None, out);
            }
            let head = Head::read(payload).unwrap_or(Head { body: payload.len(), ..Head::default() });
            timed.readable = !head.scrambled;
            es = payload.get(head.body..).unwrap_or(&[]);
            let unit = head.times.map(|(pts, dts)| Waiting { pts, dts, at });
            if let Some(unit) = &unit {
                self.stamp(n, &mut timed, unit, out);
            }
            if medium == Medium::Video && scanner.is_some() && timed.readable {
                timed.waiting = unit;
            } else {
                timed.picture(RandomAccess::None, unit.map(|u| u.dts), at, at);
                self.count_unit(medium, RandomAccess::None);
                if let Some(unit) = &unit {
                    self.tell(n, medium, unit, RandomAccess::None, out);
                }
            }
        }
        if let (true, Some(scanner)) = (timed.readable, &mut scanner) {
            scanner.scan(es, &mut |random_access| self.picture(n, &mut timed, random_access, at, out));
        }
        timed.scanner = scanner;
        self.slots[n].timed = Some(timed);
    }

    /// A picture shows itself; the first of a PES packet names its unit.
    fn picture(&mut self, n: usize, timed: &mut Timed, kind: RandomAccess, at: Boot, out: &mut dyn Listener) {
        let unit = timed.waiting.take();
        timed.picture(kind, unit.map(|u| u.dts), unit.map_or(at, |u| u.at), at);
        self.count_unit(Medium::Video, kind);
        if let Some(unit) = unit {
            self.tell(n, Medium::Video, &unit, kind, out);
        }
    }

    fn count_unit(&mut self, medium: Medium, kind: RandomAccess) {
        match medium {
            Medium::Video => self.counts.frames += 1,
            Medium::Audio => self.counts.audio_units += 1,
        }
        self.counts.keyframes += u64::from(kind != RandomAccess::None);
    }

    /// The timestamps of a unit: 2.5, jumps, and how far they lead the clock.
    fn stamp(&mut self, n: usize, timed: &mut Timed, unit: &Waiting, out: &mut dyn Listener) {
        if !timed.still {
            self.counts.err(Indicator::Pts, timed.due.renew(unit.at, limits::PTS));
        }
        let slot = &self.slots[n];
        let owner = slot.owners().next().and_then(|p| self.tables.programs.get(p));
        let stc = owner.and_then(|program| self.stc(program, unit.at));
        if timed.stamps.on(unit.pts, unit.dts, unit.at, stc) {
            self.counts.pts_jumps += 1;
            for owner in slot.owners() {
                if let Some(program) = self.tables.programs.get_mut(owner) {
                    program.settled = None;
                    out.discontinuity(program.number, Jump::Pts, unit.at);
                }
            }
        }
    }

    fn tell(&self, n: usize, medium: Medium, unit: &Waiting, random_access: RandomAccess, out: &mut dyn Listener) {
        let slot = &self.slots[n];
        for program in slot.owners().filter_map(|p| self.tables.programs.get(p)) {
            out.access_unit(&Unit {
                program: program.number,
                pid: slot.pid,
                medium,
                pts: unit.pts,
                dts: unit.dts,
                random_access,
                at: unit.at,
            });
        }
    }

    /// Mean lead over the clock of a programme's first audio less that of its first video, in seconds.
    pub(super) fn av_offset(&self, program: &Prog) -> Option<f64> {
        let lead = |medium| {
            let of = |slot: &&super::Slot| slot.work == Work::Timed(medium);
            let slot = program.streams.iter().filter_map(|es| self.known(es.pid)).find(of)?;
            slot.timed.as_ref()?.stamps.lead()
        };
        Some(lead(Medium::Audio)? - lead(Medium::Video)?)
    }
}
