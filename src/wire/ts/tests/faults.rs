//! One thing broken at a time: what counts, and what must not.

use super::build::{carried, packet, pat, pmt, section};
use super::*;
use crate::base::clock::Boot;

type Edit = fn(&mut Vec<Sent>);

/// The `n`th packet of a PID.
fn nth(sent: &[Sent], pid: u16, n: usize) -> usize {
    sent.iter().enumerate().filter(|(_, s)| s.pid() == pid).nth(n).unwrap().0
}

/// The packets of a PID between two times were never sent.
fn silence(sent: &mut Vec<Sent>, pid: u16, from: f64, to: f64) {
    sent.retain(|s| s.pid() != pid || !(from..to).contains(&s.age()));
    for (n, s) in sent.iter_mut().filter(|s| s.pid() == pid).enumerate() {
        s.bytes[3] = s.bytes[3] & 0xf0 | n as u8 & 0x0f;
    }
}

fn change(sent: &mut [Sent], pid: u16, n: usize, change: impl Fn(&mut build::Bytes)) {
    let at = nth(sent, pid, n);
    change(&mut sent[at].bytes);
}

fn scramble(sent: &mut [Sent], pid: u16) {
    sent.iter_mut().filter(|s| s.pid() == pid).for_each(|s| s.bytes[3] |= 0x80);
}

/// Puts packets of a PID in the place of stuffing, `every` seconds.
fn mix(sent: &mut [Sent], pid: u16, every: f64, payloads: impl Fn(u8) -> build::Bytes) {
    let (mut next, mut cc) = (0.0, 0u8);
    for s in sent.iter_mut().filter(|s| s.pid() == NULL_PID) {
        if s.age() >= next {
            s.bytes = payloads(cc);
            assert_eq!(s.pid(), pid);
            (next, cc) = (next + every, cc.wrapping_add(1) & 0x0f);
        }
    }
}

fn double(sent: &mut Vec<Sent>, times: usize, change: impl Fn(&mut build::Bytes)) {
    let at = nth(sent, VIDEO, 100);
    for _ in 0..times {
        let mut again = sent[at].clone();
        change(&mut again.bytes);
        sent.insert(at + 1, again);
    }
}

/// A packet of the video PID without payload, behind its 100th with one.
fn bare(sent: &mut Vec<Sent>, step: u8) {
    let at = nth(sent, VIDEO, 100);
    let cc = sent[at].bytes[3].wrapping_add(step) & 0x0f;
    let bytes = packet(VIDEO, false, cc, None, &[]);
    sent.insert(at + 1, Sent { at: sent[at].at, bytes });
}

/// The clock of all that comes after 6 s runs `ticks` of 90 kHz ahead, timestamps included.
fn step(sent: &mut [Sent], ticks: u64, signalled: bool) {
    let fresh = stream(20, (ticks + 900_000) * 300);
    let mut first = signalled;
    for (s, f) in sent.iter_mut().zip(fresh).filter(|(s, _)| s.age() >= 6.0) {
        s.bytes = f.bytes;
        if s.pid() == VIDEO && s.starts() && std::mem::take(&mut first) {
            s.bytes[5] |= 0x80;
        }
    }
}

#[test]
fn each_fault_counts_under_its_indicator_and_no_other() {
    use Indicator as I;
    type Case<'a> = (&'a str, Edit, &'a [(Indicator, u64)]);
    let table: &[Case<'_>] = &[
        ("a packet is lost", lose, &[(I::Continuity, 1)]),
        ("a packet comes twice", |s| double(s, 1, |_| ()), &[]),
        ("a packet comes three times", |s| double(s, 2, |_| ()), &[(I::Continuity, 1)]),
        ("a double has another byte", |s| double(s, 1, |b| b[187] ^= 1), &[(I::Continuity, 1)]),
        ("two packets change places", |s| s.swap(13, 14), &[(I::Continuity, 3)]),
        ("a packet without payload", |s| bare(s, 0), &[]),
        ("a packet without payload that counts", |s| bare(s, 1), &[(I::Continuity, 2)]),
        ("a damaged packet", |s| change(s, VIDEO, 100, |b| b[1] |= 0x80), &[(I::Transport, 1)]),
        ("the counter jumps as announced", |s| announced(s), &[]),
        ("joined in the middle, behind the tables of its start", headed, &[]),
        ("no PAT for 0.8 s", |s| silence(s, 0, 6.0, 6.5), &[(I::Pat, 1)]),
        ("no PAT for 2 s", |s| silence(s, 0, 6.0, 7.9), &[(I::Pat, 4)]),
        ("the PAT is late at first", |s| silence(s, 0, 0.0, 0.5), &[(I::Pat, 1)]),
        ("a PAT of bad CRC", |s| change(s, 0, 7, |b| b[10] ^= 1), &[(I::Crc, 1)]),
        ("PATs of bad CRC do not renew", |s| torn(s), &[(I::Pat, 1), (I::Crc, 4)]),
        ("another table on PID 0", |s| foreign(s), &[(I::Pat, 1)]),
        ("no PMT for 1.2 s", |s| silence(s, PMT, 6.0, 7.0), &[(I::Pmt, 2)]),
        ("no audio for 5.2 s", |s| silence(s, AUDIO, 6.0, 11.16), &[(I::Pid, 1), (I::Pts, 7)]),
        ("no cues for ever", |s| silence(s, CUE, 0.0, 20.0), &[]),
        ("no PCR for 120 ms", |s| pcrs(s, 2), &[(I::PcrRepetition, 1), (I::PcrDiscontinuity, 1)]),
        ("a PCR every 80 ms", |s| pcrs(s, 1), &[]),
        ("no PCR for 3.2 s", |s| pcrs(s, 79), &[(I::PcrRepetition, 4), (I::PcrDiscontinuity, 1)]),
        ("no PCR from 6 s on", |s| pcrs(s, 1_000), &[(I::PcrRepetition, 13)]),
        ("a clock that no PID carries", |s| clock_at(s, 0x999), &[(I::PcrRepetition, 19)]),
        ("a programme without a clock", |s| clock_at(s, NULL_PID), &[]),
        ("audio without timestamps", |s| timeless(s), &[(I::Pts, 28)]),
        ("pictures that may stand still", |s| still(s), &[]),
        ("the clock jumps as announced", |s| step(s, 900_000, true), &[]),
        ("the clock jumps ahead", |s| step(s, 900_000, false), &[(I::PcrDiscontinuity, 1)]),
        ("the clock jumps back", |s| step(s, 1 << 32, false), &[(I::PcrDiscontinuity, 1)]),
        ("scrambled without a CAT", |s| scramble(s, AUDIO), &[(I::Cat, 10)]),
        ("a scrambled PAT", |s| change(s, 0, 7, |b| b[3] |= 0x80), &[(I::Pat, 1)]),
        ("a scrambled PMT", |s| change(s, PMT, 7, |b| b[3] |= 0xc0), &[(I::Pmt, 1)]),
        ("scrambled SI and CAT", |s| scrambled_si(s), &[]),
        ("scrambled with a CAT", |s| keyed(s), &[]),
        ("a table of PID 1 is no CAT", |s| mix(s, 1, 30.0, |c| carried(1, c, &pat(0, &[]))[0]), &[(I::Cat, 1)]),
        ("a stray PID", |s| mix(s, 0x999, 0.1, |c| packet(0x999, false, c, None, &[0; 184])), &[]),
    ];
    for (name, edit, expected) in table {
        let mut sent = stream(20, 0);
        edit(&mut sent);
        let (monitor, _) = watch(&sent);
        assert_eq!(faults(&monitor.counts()), *expected, "{name}");
    }
}

fn lose(sent: &mut Vec<Sent>) {
    sent.remove(nth(sent, VIDEO, 100));
}

fn headed(sent: &mut Vec<Sent>) {
    for pid in [PMT, 0] {
        let mut first = sent[nth(sent, pid, 0)].clone();
        (first.at, first.bytes[3]) = (sent[0].at, first.bytes[3] ^ 9);
        sent.insert(0, first);
    }
}

fn announced(sent: &mut [Sent]) {
    let at = nth(sent, VIDEO, 99);
    assert!(sent[at].starts() && sent[at].bytes[3] & 0x20 != 0);
    for s in sent[at..].iter_mut().filter(|s| s.pid() == VIDEO) {
        s.bytes[3] = s.bytes[3] & 0xf0 | (s.bytes[3].wrapping_add(5) & 0x0f);
    }
    sent[at].bytes[5] |= 0x80;
}

fn torn(sent: &mut [Sent]) {
    let wrong = |s: &&mut Sent| s.pid() == 0 && (6.0..6.7).contains(&s.age());
    sent.iter_mut().filter(wrong).for_each(|s| s.bytes[12] ^= 0x80);
}

fn foreign(sent: &mut [Sent]) {
    let at = nth(sent, 0, 20);
    let mut bytes = carried(0, sent[at].bytes[3], &pmt(0, PROGRAM, VIDEO, build::USUAL))[0];
    std::mem::swap(&mut sent[at].bytes, &mut bytes);
}

/// The video PID keeps only one PCR in so many and one, between 6 and 6.2 s.
fn pcrs(sent: &mut [Sent], without: u64) {
    let frame = |s: &Sent| (s.age() * FPS as f64).round() as u64;
    let hit = |s: &&mut Sent| s.pid() == VIDEO && s.starts() && (150..150 + without).contains(&frame(s));
    for s in sent.iter_mut().filter(hit) {
        s.bytes[5] &= !0x10;
    }
}

/// The PMT gives the clock to another PID.
fn clock_at(sent: &mut [Sent], pid: u16) {
    for s in sent.iter_mut().filter(|s| s.pid() == PMT) {
        s.bytes = carried(PMT, s.bytes[3] & 0x0f, &pmt(0, PROGRAM, pid, build::USUAL))[0];
    }
}

/// PES headers of the audio PID say that they hold no timestamps.
fn timeless(sent: &mut [Sent]) {
    for s in sent.iter_mut().filter(|s| s.pid() == AUDIO) {
        let head = s.bytes.windows(4).position(|w| w == [0, 0, 1, 0xc0]).unwrap();
        s.bytes[head + 7] = 0;
    }
}

/// Video without timestamps from 3 s to 9 s, as its descriptor allows.
fn still(sent: &mut [Sent]) {
    for s in sent.iter_mut() {
        let cc = s.bytes[3] & 0x0f;
        match s.pid() {
            PMT => {
                let streams = [(0x1b, VIDEO, &[0x28, 4, 100, 0, 40, 0xbf][..]), (0x0f, AUDIO, &[]), (0x86, CUE, &[])];
                s.bytes = carried(PMT, cc, &pmt(0, PROGRAM, VIDEO, &streams))[0];
            }
            VIDEO if s.starts() && (3.0..9.0).contains(&s.age()) => s.bytes[1] &= !0x40,
            _ => {}
        }
    }
}

fn scrambled_si(sent: &mut [Sent]) {
    mix(sent, 0x12, 1.0, |cc| packet(0x12, true, cc, None, &[0; 184]));
    keyed(sent);
    scramble(sent, 0x12);
    sent.iter_mut().filter(|s| s.pid() == 1 && s.age() > 3.0).for_each(|s| s.bytes[3] |= 0x80);
    sent.iter_mut().filter(|s| s.pid() == AUDIO).for_each(|s| s.bytes[3] &= 0x3f);
}

fn keyed(sent: &mut [Sent]) {
    scramble(sent, AUDIO);
    let cat = section(0x01, 0xb0, &[0xff, 0xff, 0xc1, 0, 0, 9, 4, 0, 1, 0xe5, 0x55]);
    mix(sent, 1, 1.0, |cc| carried(1, cc, &cat)[0]);
}

#[test]
fn what_is_counted_beside_the_indicators() {
    let mut sent = stream(20, 0);
    double(&mut sent, 1, |_| ());
    let (monitor, _) = watch(&sent);
    assert_eq!(monitor.counts().role(Role::Video).duplicates, 1);
    assert_eq!(monitor.counts().frames, 500);

    let mut sent = stream(20, 0);
    let from = nth(&sent, VIDEO, 100);
    sent.drain(from..from + 33);
    let (monitor, _) = watch(&sent);
    let video = monitor.counts().role(Role::Video);
    assert_eq!((video.continuity_errors, video.lost), (1, 11));

    let mut sent = stream(20, 0);
    scramble(&mut sent, AUDIO);
    let (monitor, heard) = watch(&sent);
    assert_eq!(monitor.counts().role(Role::Audio).scrambled, 500);
    assert!(monitor.facts(after(20.0)).programs[0].streams[1].scrambled);
    assert!(heard.units.iter().all(|u| u.medium == Medium::Video));
}

#[test]
fn a_jump_is_told_once_and_orphans_nothing_else() {
    for (ticks, signalled, jump) in [(900_000, true, Jump::Signalled), (900_000, false, Jump::Pcr)] {
        let mut sent = stream(20, 0);
        step(&mut sent, ticks, signalled);
        let (monitor, heard) = watch(&sent);
        assert_eq!(heard.jumps, [jump]);
        let counts = monitor.counts();
        assert_eq!((counts.pcr_jumps, counts.signalled_discontinuities), (u64::from(!signalled), u64::from(signalled)));
        near(monitor.facts(after(20.0)).programs[0].pcr_jitter, 0.0, 1e-6);
    }
    // Timestamps alone.
    let mut sent = stream(20, 0);
    for (s, f) in sent.iter_mut().zip(stream(20, 27_000_000 * 60)) {
        if s.pid() == AUDIO && s.age() >= 6.0 {
            s.bytes = f.bytes;
        }
    }
    let (monitor, heard) = watch(&sent);
    assert_eq!((heard.jumps, monitor.counts().pts_jumps, faults(&monitor.counts())), (vec![Jump::Pts], 1, vec![]));
}

#[test]
fn an_outage_is_late_delivery_when_nothing_is_lost_and_a_jump_of_no_clock_when_it_is() {
    for lost in [false, true] {
        let mut sent = stream(20, 0);
        if lost {
            sent.retain(|s| !(6.0..9.0).contains(&s.age()));
        } else {
            let late = |s: &&mut Sent| (6.0..9.0).contains(&s.age());
            sent.iter_mut().filter(late).for_each(|s| s.at = after(9.0));
        }
        let (monitor, heard) = watch(&sent);
        assert_eq!(heard.jumps, [], "{lost}");
        assert_eq!(monitor.counts().of(Indicator::Continuity) > 0, lost);
        assert_eq!(monitor.counts().of(Indicator::PcrDiscontinuity), u64::from(lost));
    }
}

#[test]
fn time_without_packets_counts_what_is_missing() {
    let (mut monitor, _) = watch(&stream(2, 0));
    for tenth in 20..=120 {
        monitor.idle(after(f64::from(tenth) / 10.0));
    }
    let counts = monitor.counts();
    // The last PAT and PMT came at 1.816 s and 1.82 s, the last video and audio at 1.96 s.
    assert_eq!((counts.of(Indicator::Pat), counts.of(Indicator::Pmt), counts.of(Indicator::Pid)), (20, 20, 4));
    assert_eq!((counts.of(Indicator::Pts), counts.of(Indicator::PcrRepetition)), (28, 10));
    Monitor::new(Options::default()).idle(after(100.0));
}

#[test]
fn priority_three_is_measured_only_when_asked_for() {
    let mut sent = stream(20, 0);
    let sdt = section(0x42, 0xf0, &[0, 1, 0xc1, 0, 0, 0, 1, 0xff]);
    mix(&mut sent, 0x11, 0.012, |cc| carried(0x11, cc, &sdt)[0]);
    let stray = |s: &&mut Sent| s.pid() == NULL_PID && (3.0..4.0).contains(&s.age());
    sent.iter_mut().filter(stray).for_each(|s| s.bytes = packet(0x999, false, 0, None, &[]));
    let (monitor, _) = watch(&sent);
    assert_eq!(faults(&monitor.counts()), []);
    let mut monitor = Monitor::new(Options { priority3: true, ..Options::default() });
    play(&mut monitor, &sent);
    let counts = monitor.counts();
    let of = |i| counts.of(i);
    assert_eq!((of(Indicator::Nit), of(Indicator::Sdt), of(Indicator::Eit), of(Indicator::Tdt)), (1, 0, 9, 0));
    assert_eq!(of(Indicator::UnreferencedPid), 2);
    assert!(of(Indicator::SiRepetition) > 500);
}

#[test]
fn two_sections_of_one_sub_table_may_not_come_too_close_and_those_of_two_may() {
    // Service 1 and 2, sections 0 and 1; TDTs have no sub-tables.
    let eit = |service: u8, number: u8| section(0x4e, 0xf0, &[0, service, 0xc1, number, 1, 0, 1, 0, 1, 1, 0x4e]);
    let tdt = |seconds: u8| vec![0x70, 0x70, 5, 0xee, 0x9d, 0x10, 0, seconds];
    for (pid, sections, expected) in
        [(0x12, [eit(1, 0), eit(1, 1)], 1), (0x12, [eit(1, 0), eit(2, 0)], 0), (0x14, [tdt(1), tdt(1)], 0)]
    {
        let mut sent = stream(2, 0);
        let places = sent.iter_mut().filter(|s| s.pid() == NULL_PID && s.age() > 1.0);
        places.zip(&sections).zip(0..).for_each(|((s, bytes), cc)| s.bytes = carried(pid, cc, bytes)[0]);
        let mut monitor = Monitor::new(Options { priority3: true, ..Options::default() });
        play(&mut monitor, &sent);
        assert_eq!(monitor.counts().of(Indicator::SiRepetition), expected, "{pid:#x} {sections:02x?}");
    }
}

#[test]
fn new_tables_move_what_is_missed() {
    let mut sent = stream(20, 0);
    const OTHER: u16 = 0x222;
    for s in sent.iter_mut().filter(|s| s.age() >= 6.0) {
        let cc = s.bytes[3];
        match s.pid() {
            AUDIO => s.bytes = packet(OTHER, true, cc, None, &build::pes(0xc0, (s.age() * 9e4) as u64, None, &[0; 9])),
            PMT => {
                s.bytes = carried(PMT, cc & 0xf, &pmt(1, PROGRAM, VIDEO, &[(0x1b, VIDEO, &[]), (0x81, OTHER, &[])]))[0]
            }
            _ => {}
        }
    }
    let (monitor, heard) = watch(&sent);
    assert_eq!(faults(&monitor.counts()), []);
    let program = &monitor.facts(after(20.0)).programs[0];
    assert_eq!((program.streams[1].pid, program.streams[1].role), (OTHER, Role::Audio));
    assert_eq!(program.gone_cues, [CUE]);
    assert_eq!(heard.tables.iter().map(|t| t.0).collect::<Vec<_>>(), [PROGRAM, PROGRAM]);

    // The programme leaves the PAT.
    for s in sent.iter_mut().filter(|s| s.age() >= 10.0 && s.pid() == 0) {
        s.bytes = carried(0, s.bytes[3] & 0xf, &pat(1, &[(9, 0x1009)]))[0];
    }
    let (monitor, heard) = watch(&sent);
    assert!(heard.tables.contains(&(PROGRAM, None)));
    assert_eq!(faults(&monitor.counts()), [(Indicator::Pmt, 19)]);
}

#[test]
fn a_hostile_stream_stays_small() {
    let mut monitor = Monitor::new(Options { priority3: true, ..Options::default() });
    let mut seed = 1u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u8
    };
    let programs: Vec<(u16, u16)> = (0..40).map(|n| (n + 1, 0x20 + n)).collect();
    let mut sent = Vec::new();
    for first in (0..8000u16).step_by(200) {
        let streams: Vec<(u8, u16, &[u8])> =
            (0..200).map(|n| ([0x1b, 0x86, 0x24, 0x06][usize::from(n % 4)], 0x100 + first + n, &[][..])).collect();
        sent.extend(carried(0x20 + first / 200, 0, &pmt(0, first / 200 + 1, 0x1fff, &streams)));
    }
    let mut at = START;
    let mut push = |monitor: &mut Monitor, bytes: &build::Bytes| {
        at = Boot::from_nanos(at.as_nanos() + 1_000);
        monitor.on(&Packet::new(bytes), at, &mut ());
    };
    push(&mut monitor, &carried(0, 0, &pat(0, &programs))[0]);
    push(&mut monitor, &carried(0, 1, &pat(1, &programs[..35]))[0]);
    sent.iter().for_each(|bytes| push(&mut monitor, bytes));
    for n in 0..60_000u32 {
        let mut bytes: build::Bytes = std::array::from_fn(|_| random());
        bytes[0] = 0x47;
        (bytes[1], bytes[2]) = (bytes[1] & 0x60 | (n >> 8) as u8 & 0x1f, n as u8);
        bytes[3] &= 0x3f;
        push(&mut monitor, &bytes);
    }
    assert_eq!(monitor.slots.len(), 8192);
    let gathered = monitor.slots.iter().filter(|s| s.sections.is_some()).count();
    let scanners = monitor.slots.iter().filter(|s| s.timed.as_ref().is_some_and(|t| t.scanner.is_some())).count();
    assert!(gathered > 100 && gathered <= MOST_GATHERED && scanners == 64, "{gathered} {scanners}");
    assert!(size_of::<Slot>() <= 512, "{}", size_of::<Slot>());
}
