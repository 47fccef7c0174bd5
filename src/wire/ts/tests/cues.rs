//! Cue sections: what reaches the listener, and cues where they should not be.

use super::build::{CUE, Sent, VIDEO, carried, packet, pes, pmt, section, splice_null, stream};
use super::*;
use crate::wire::psi::crc32_mpeg;

/// Puts packets of the cue PID in the place of stuffing from 6 s on.
fn inject(packets: &[build::Bytes]) -> Vec<Sent> {
    let mut sent = stream(8, 0);
    sent.retain(|s| s.pid() != CUE);
    let places = sent.iter_mut().filter(|s| s.pid() == NULL_PID && s.age() >= 6.0);
    places.zip(packets).for_each(|(s, bytes)| s.bytes = *bytes);
    sent
}

/// A splice_info_section with private bytes inside.
fn long(bytes: usize) -> Vec<u8> {
    section(0xfc, 0x30, &vec![0x5a; bytes])
}

#[test]
fn sections_come_out_with_how_they_lay_in_their_packets() {
    let null = splice_null();
    let mut torn = null.clone();
    torn[5] ^= 1;
    let two = [&null[..], &null].concat();
    let spread = long(400);
    let longest = long(4089);
    let split = carried(CUE, 0, &spread);
    // The end of one section and the beginning of the next share a packet.
    let mut tail = vec![(spread.len() - 2 * 184 + 1) as u8];
    tail.extend(&spread[367..]);
    tail.extend(&null);
    tail.resize(184, 0xff);
    let chained = [split[0], split[1], packet(CUE, true, 2, None, &tail)];
    let whole = Carriage::default();
    let gap = Carriage { gap: true, ..whole };
    let behind = Carriage { pointer: true, ..whole };
    let second = Carriage { shared: true, ..whole };
    type Case<'a> = (&'a str, Vec<build::Bytes>, Vec<(&'a [u8], bool, Carriage)>);
    let cases: Vec<Case> = vec![
        ("one packet", carried(CUE, 0, &null), vec![(&null, true, whole)]),
        ("bad CRC", carried(CUE, 0, &torn), vec![(&torn, false, whole)]),
        ("two in one", carried(CUE, 0, &two), vec![(&null, true, whole), (&null, true, second)]),
        ("three packets", split.clone(), vec![(&spread, true, whole)]),
        ("the longest", carried(CUE, 0, &longest), vec![(&longest, true, whole)]),
        ("back to back", chained.to_vec(), vec![(&spread, true, whole), (&null, true, behind)]),
        ("a double inside", [split[0], split[0], split[1], split[2]].to_vec(), vec![(&spread, true, whole)]),
        ("its end is cut off", [&split[..2], &carried(CUE, 2, &null)].concat(), vec![(&null, true, whole)]),
        ("joined inside", [&split[1..], &carried(CUE, 3, &null)].concat(), vec![(&null, true, whole)]),
    ];
    for (name, packets, expected) in cases {
        let (monitor, heard) = watch(&inject(&packets));
        let got: Vec<_> = heard.sections.iter().map(|s| (&s.1[..], s.2, s.3)).collect();
        assert_eq!(got, expected, "{name}");
        let bad = expected.iter().filter(|e| !e.1).count() as u64;
        assert_eq!(monitor.counts().of(Indicator::Crc), bad, "{name}");
        assert_eq!(monitor.counts().sections_cut, u64::from(name == "its end is cut off"), "{name}");
    }
    // A counter that jumps where nothing is missing: the CRC says so. Where something is, it is no CRC error.
    let mut jumped = split.clone();
    jumped[1..].iter_mut().for_each(|b| b[3] = b[3] & 0xf0 | (b[3].wrapping_add(4) & 0xf));
    let (_, heard) = watch(&inject(&jumped));
    assert_eq!((heard.sections[0].2, heard.sections[0].3), (true, gap));
    // A jump that is announced is no fault, and what it tears is no CRC error either.
    let mut torn = split.clone();
    torn[1] = packet(CUE, false, 9, None, &torn[1][12..]);
    torn[1][5] |= 0x80;
    torn[2][3] = torn[2][3] & 0xf0 | 10;
    let (monitor, heard) = watch(&inject(&torn));
    assert_eq!((heard.sections[0].2, heard.sections[0].3, faults(&monitor.counts())), (false, gap, vec![]));
    let four = carried(CUE, 0, &long(700));
    let (monitor, heard) = watch(&inject(&[four[0], four[2], four[3], four[1]]));
    assert_eq!((heard.sections[0].2, heard.sections[0].3), (false, gap));
    assert_eq!(monitor.counts().of(Indicator::Crc), 0);
}

#[test]
fn a_cue_in_a_private_pes_is_seen_for_what_it_is() {
    let null = splice_null();
    let body = [&null[..], &[0xff; 30]].concat();
    for (what, former, es, expected) in [
        ("a cue", false, &body, CueState::Disguised),
        ("a cue that was one", true, &body, CueState::Disguised),
        ("silence where cues were", true, &vec![0; 40], CueState::Former),
        ("something else", false, &vec![0xfc; 40], CueState::None),
    ] {
        let mut sent = stream(10, 0);
        for s in &mut sent {
            let cc = s.bytes[3] & 0x0f;
            if s.pid() == PMT && (!former || s.age() > 3.0) {
                let private = &[(0x1b, VIDEO, &[][..]), (0x06, CUE, &[])];
                s.bytes = carried(PMT, cc, &pmt(1, PROGRAM, VIDEO, private))[0];
            } else if s.pid() == CUE && (!former || s.age() > 3.0) {
                s.bytes = packet(CUE, true, cc, None, &pes(0xbd, 0, None, es));
            }
        }
        let (monitor, heard) = watch(&sent);
        let stream = &monitor.facts(after(10.0)).programs[0].streams[1];
        assert_eq!((stream.cue, stream.role), (expected, Role::Other), "{what}");
        let told = heard.sections.len() - usize::from(former);
        let count = if expected == CueState::Disguised { if former { 2 } else { 3 } } else { 0 };
        assert_eq!((told, heard.disguised, monitor.counts().disguised_cues), (count, count, count as u64), "{what}");
        assert!(heard.sections.iter().all(|s| s.1 == null));
    }
}

#[test]
fn a_pid_that_two_programmes_share_is_told_to_both() {
    let mut sent = stream(10, 0);
    for s in &mut sent {
        let cc = s.bytes[3] & 0x0f;
        if s.pid() == 0 {
            s.bytes = carried(0, cc, &build::pat(0, &[(PROGRAM, PMT), (8, PMT)]))[0];
        } else if s.pid() == PMT {
            let both = [pmt(0, PROGRAM, VIDEO, build::USUAL), pmt(0, 8, VIDEO, &build::USUAL[..1])].concat();
            s.bytes = carried(PMT, cc, &both)[0];
        }
    }
    let (monitor, heard) = watch(&sent);
    assert_eq!(faults(&monitor.counts()), []);
    let of = |n| heard.units.iter().filter(|u| u.program == n && u.medium == Medium::Video).count();
    assert_eq!((of(PROGRAM), of(8)), (250, 250));
    assert!(heard.sections.iter().all(|s| s.0 == PROGRAM));
    assert_eq!(monitor.facts(after(10.0)).programs.len(), 2);
}

#[test]
fn a_private_cue_spread_over_packets_is_found() {
    let cue = long(300);
    assert_eq!(crc32_mpeg(&cue), 0);
    let whole = pes(0xbd, 0, None, &cue);
    let mut sent = inject(&[packet(CUE, true, 0, None, &whole[..184]), packet(CUE, false, 1, None, &whole[184..])]);
    for s in sent.iter_mut().filter(|s| s.pid() == PMT) {
        let cc = s.bytes[3] & 0x0f;
        s.bytes = carried(PMT, cc, &pmt(0, PROGRAM, VIDEO, &[(0x1b, VIDEO, &[]), (0x06, CUE, &[])]))[0];
    }
    let (monitor, heard) = watch(&sent);
    assert_eq!((monitor.counts().disguised_cues, &heard.sections[0].1), (1, &cue));
}
