//! Splice points, heartbeat, clocks on the wire, DTMF, memory, and what is told of it all.

use super::*;

fn point(feed: &mut Feed, target: u64) -> Point {
    feed.send(&insert(1, true, Some(target), None));
    points(&feed.run(14.0))[0]
}

#[test]
fn a_splice_point_is_judged_by_the_kind_and_the_place_of_its_picture() {
    use RandomAccess::{Bla, ClosedI, Cra, Idr, OpenI};
    for (kind, target, verdict, offset) in [
        (Idr, 10 * S, Verdict::Conditioned, 0),
        (Bla, 10 * S, Verdict::Conditioned, 0),
        (ClosedI, 10 * S, Verdict::Conditioned, 0),
        (Cra, 10 * S, Verdict::OpenGop, 0),
        (OpenI, 10 * S, Verdict::OpenGop, 0),
        // The splice time need not be that of a picture.
        (Idr, 10 * S - 1_800, Verdict::Conditioned, 1_800),
        (Idr, 10 * S + 1_800, Verdict::Conditioned, -1_800),
        (Idr, 10 * S - 3_600, Verdict::Unconditioned, 3_600),
        (Idr, 11 * S, Verdict::Unconditioned, 90_000),
    ] {
        let mut feed = Feed::at(0);
        feed.random_access = kind;
        feed.run(4.0);
        let point = point(&mut feed, target);
        assert_eq!((point.verdict, point.offset), (verdict, Some(offset)), "{kind:?} {target}");
        assert_eq!(point.before, Some(clock33::diff(target, if target > 10 * S { 10 * S } else { 8 * S })));
        assert!((0..3_600).contains(&point.first));
        assert!(!point.broken_promise);
        assert_eq!(feed.tracker.state(feed.boot()).last_offset, Some(offset));
        assert_eq!(feed.tracker.counts().points_out.get(verdict), 1);
    }
}

#[test]
fn pictures_out_of_order_are_judged_by_when_they_are_shown() {
    // Decoding order P B B: the picture at the splice point comes after one that is shown later.
    let mut feed = Feed::at(0);
    let mut out = Vec::new();
    feed.send(&insert(1, true, Some(6 * S), None));
    for group in 0..250u64 {
        for (n, shown) in [3, 1, 2].into_iter().enumerate() {
            let pts = (group * 3 + shown) * 3_600;
            let kind = if pts.is_multiple_of(3 * S) { RandomAccess::Idr } else { RandomAccess::None };
            let at = Boot::from_nanos((group * 3 + n as u64) * 40_000_000);
            feed.tracker.access_unit(pts, Medium::Video, kind, at, &mut out);
        }
    }
    assert_eq!(kinds(&out), ["opened", "splice_point"]);
    assert_eq!((points(&out)[0].verdict, points(&out)[0].offset), (Verdict::Conditioned, Some(0)));
}

#[test]
fn a_closed_gop_that_was_promised_and_is_none_is_told() {
    let mut feed = Feed::at(0);
    feed.run(4.0);
    let mut section = insert(1, true, Some(11 * S), None);
    section[1] &= 0x0f;
    let length = section.len() - 4;
    let crc = crate::wire::psi::crc32_mpeg(&section[..length]).to_be_bytes();
    section[length..].copy_from_slice(&crc);
    feed.send(&section);
    assert!(points(&feed.run(14.0))[0].broken_promise);
}

#[test]
fn a_cue_after_its_picture_is_judged_by_the_pictures_that_were() {
    let mut feed = Feed::at(0);
    feed.run(10.4);
    assert_eq!(point(&mut feed, 10 * S).verdict, Verdict::Conditioned);
}

#[test]
fn without_video_breaks_follow_the_audio() {
    let mut feed = Feed::at(0);
    feed.medium = Medium::Audio;
    feed.run(1.0);
    feed.send(&insert(1, true, Some(6 * S), Some((5 * S, true))));
    let told = feed.run(12.0);
    assert_eq!(kinds(&told), ["opened", "closed"], "and no picture is missed");
}

#[test]
fn the_heartbeat_is_learned_and_its_loss_and_return_are_told_once() {
    let mut feed = Feed::at(0);
    for n in 0..6u64 {
        assert_eq!(feed.tracker.state(feed.boot()).heartbeat_interval, (n > 3).then_some(Duration::from_secs(10)));
        // Sent three times over, as by careful senders, it is one beat.
        (0..3).for_each(|_| _ = feed.send(&null()));
        assert_eq!(feed.silence(10), []);
    }
    assert_eq!(feed.silence(20), []);
    let (age, interval) = (Duration::from_secs(31), Duration::from_secs(10));
    assert_eq!(feed.silence(1), [Happening::HeartbeatLost { age, interval }]);
    assert_eq!(feed.silence(9), []);
    assert!(feed.tracker.state(feed.boot()).heartbeat_lost);
    // Any section shows that the sender lives.
    let told = feed.send(&insert(1, true, None, None));
    assert_eq!(told[0], Happening::HeartbeatBack { age: Duration::from_secs(40) });
    assert_eq!(feed.tracker.counts().heartbeats_lost, 1);

    let heartbeat = Some(Duration::from_secs(5));
    let mut feed = Feed::with(0, Policy { heartbeat, ..Policy::default() });
    assert_eq!(kinds(&feed.silence(7)), ["heartbeat_lost"], "a configured one needs no first section");
}

#[test]
fn silence_while_nobody_listened_is_no_lost_heartbeat() {
    let heartbeat = Some(Duration::from_secs(5));
    let mut feed = Feed::with(0, Policy { heartbeat, ..Policy::default() });
    feed.send(&null());
    assert_eq!(feed.silence(5), []);
    // The source was lost, and with it the calls.
    feed.pause(600_000_000_000);
    assert_eq!(feed.silence(6), [], "it counts from when the stream is back");
    assert_eq!(kinds(&feed.silence(1)), ["heartbeat_lost"]);
}

#[test]
fn a_time_descriptor_is_a_probe_of_the_senders_clock_and_no_marker() {
    let mut feed = Feed::at(0);
    let (tai, nanoseconds, offset) = (1_767_225_600u64 + 37 + 2, 500_000_000u32, 37u16);
    let body = [&b"CUEI"[..], &tai.to_be_bytes()[2..], &nanoseconds.to_be_bytes(), &offset.to_be_bytes()].concat();
    let told = feed.send(&signal(None, &descriptor(3, &body)));
    assert_eq!(told, []);
    let time = feed.tracker.state(feed.boot()).time.unwrap();
    assert_eq!((time.at, time.offset, time.utc_offset), (feed.boot(), 2.5, 37));
}

#[test]
fn a_dtmf_sequence_needs_two_seconds_before_its_preroll() {
    for (ahead, late) in [(7.5, false), (6.9, true)] {
        let mut feed = Feed::at(0);
        feed.run(10.0);
        let target = ((9.96 + ahead) * 90_000.0) as u64;
        let dtmf = descriptor(1, b"CUEI\x32\x9f123*"); // 5.0 s
        let section = section(0, 5, &insert_command(1, true, Some(target), None), &dtmf);
        let told = feed.send(&section);
        assert_eq!(kinds(&told), if late { vec!["out", "dtmf_late"] } else { vec!["out"] });
        assert_eq!(kinds(&feed.send(&section)), ["out"], "a repeat is not judged");
    }
}

#[test]
fn markers_that_are_no_breaks_are_told_once_and_counted_each_time() {
    let mut feed = Feed::at(0);
    let program = signal(Some(9 * S), &[segment(1, 0x10, None), segment(2, 0x11, None)].concat());
    let told = feed.send(&program);
    assert_eq!(kinds(&told), ["cue", "cue"]);
    assert_eq!(cue(&told).news, News::Untracked);
    assert_eq!(cue(&feed.send(&program)).news, News::Repeat);
    let event = [
        &7u32.to_be_bytes()[..],
        &[0x7f, 0xff],
        &1_451_260_818u32.to_be_bytes(),
        &[0xfe, 0, 0, 0x75, 0x30, 0, 1, 0, 0],
    ];
    let told = feed.send(&section(0, 4, &[&[1u8][..], &event.concat()].concat(), &[]));
    let scheduled = cue(&told);
    // 1980-01-06 plus 1451260818 s, 18 of them leap seconds: 2026-01-01T00:00:00Z.
    assert_eq!((scheduled.scheduled, scheduled.event_id), (Some(1_767_225_600), Some(7)));
    assert!(scheduled.duration.is_some_and(|d| d.auto_return && d.ticks == 30_000));
    assert_eq!(cue(&feed.send(&section(0, 0xff, b"TEST\x01\x02", &[]))).identifier, Some(0x5445_5354));
    assert_eq!(feed.tracker.counts().segmentations.get(SegmentationType(0x10)), 2);
    let seen = feed.tracker.state(feed.boot()).seen;
    assert_eq!(seen.segmentations[SegmentationType(0x11).index()], Some(feed.boot()));
    assert_eq!(seen.commands[CommandKind::Schedule as usize], Some(feed.boot()));
    assert_eq!((seen.out, seen.segmentations[SegmentationType(0x30).index()]), (None, None));
    assert_eq!(feed.standing(), [0, 0, 0]);
}

#[test]
fn a_restart_forgets_nothing_and_makes_no_false_alarm() {
    let mut feed = Feed::at(0);
    feed.run(1.0);
    feed.send(&insert(1, true, Some(6 * S), Some((30 * S, false))));
    feed.send(&insert(2, true, Some(60 * S), None));
    feed.run(10.0);
    let memory = feed.tracker.memory(feed.boot(), feed.wall);
    // The node boots anew: its clock starts over, the wall went on by 20 s, and so did the stream.
    let mut feed = Feed { tracker: Tracker::new(Policy::default()), at: 5_000_000_000, ..feed };
    feed.wall += 20_000;
    feed.pts += 20 * S;
    feed.tracker.restore(&memory, feed.boot(), feed.wall).unwrap();
    assert_eq!(feed.standing(), [1, 1, 0]);
    assert_eq!(feed.tracker.memory(feed.boot(), feed.wall), memory, "nothing is lost on the way");
    assert_eq!(feed.tick(), []);
    assert_eq!(kinds(&feed.run(1.0)), [""; 0], "25 of 30 seconds are over");
    assert_eq!(cue(&feed.send(&insert(1, true, Some(6 * S), Some((30 * S, false))))).news, News::Repeat);
    feed.send(&insert(1, false, Some(36 * S), None));
    assert_eq!(closed(&feed.run(10.0)), (How::Return, 30 * 90_000, false));
    assert_eq!(kinds(&feed.run(21.0)), ["opened", "splice_point"]);

    // Another stream came up meanwhile: what was announced will not come.
    let mut feed = Feed::at(9_000 * S);
    feed.wall += 60_000;
    feed.tracker.restore(&memory, feed.boot(), feed.wall).unwrap();
    let told = feed.run(1.0);
    assert_eq!(kinds(&told), ["orphaned", "overdue"]);
    let broken =
        [memory.replace("\"target\":540000", "\"target\":8589934592"), memory.replace("2700000", "2199023255552")];
    for text in broken.iter().map(String::as_str).chain(["{}"]) {
        assert!(*text != memory && feed.tracker.restore(text, feed.boot(), feed.wall).is_err());
        assert_eq!(feed.standing(), [0, 0, 1], "broken memory changes nothing");
    }
}

#[test]
fn the_end_of_an_auto_return_is_looked_at_after_a_restart_and_after_a_jump() {
    let mut feed = Feed::at(0);
    feed.run(1.0);
    feed.send(&insert(1, true, Some(6 * S), Some((10 * S, true))));
    feed.run(7.0);
    let memory = feed.tracker.memory(feed.boot(), feed.wall);
    feed.tracker = Tracker::new(Policy::default());
    feed.tracker.restore(&memory, feed.boot(), feed.wall).unwrap();
    let told = feed.run(10.0);
    assert_eq!(kinds(&told), ["closed", "splice_point"]);
    assert_eq!((points(&told)[0].direction, points(&told)[0].target), (Direction::In, 16 * S));
    feed.send(&insert(2, true, Some(24 * S), Some((10 * S, true))));
    feed.run(10.0);
    assert_eq!((feed.pts, feed.standing()), (28 * S, [0, 1, 0]));
    // 4 s of its 10 s are over.
    feed.pts = 5_000 * S;
    assert_eq!(points(&feed.run(9.0))[0].target, 5_006 * S);
}

#[test]
fn whatever_happened_is_told_in_few_fields() {
    let mut feed = Feed::at(0);
    feed.run(1.0);
    let upid = [0x41u8; 200];
    let mut body = [&b"CUEI"[..], &7u32.to_be_bytes(), &[0x7f, 0xff], &(30 * S).to_be_bytes()[3..]].concat();
    body.extend([&[0x0f, upid.len() as u8][..], &upid, &[0x34, 1, 2, 3, 4]].concat());
    let segment = descriptor(2, &body);
    let mut told = feed.send(&section(5, 5, &insert_command(1, true, Some(6 * S), Some((30 * S, false))), &segment));
    told.extend(feed.run(60.0));
    assert_eq!(kinds(&told), ["out", "out", "opened", "opened", "splice_point", "splice_point", "overdue", "overdue"]);
    for happening in &told {
        let (mut fields, mut text) = (Vec::new(), 0);
        happening.fields(&mut |name, value| {
            assert!(!fields.contains(&name), "{name} twice");
            fields.push(name);
            text += name.len() + if let Value::Text(t) = value { t.len() } else { 8 };
        });
        assert!(fields.len() <= 32 && text < 4096, "{happening}");
    }
    assert_eq!(
        told[0].to_string(),
        "scte35.out command=splice_insert event_id=1 source=network news=first pts_ticks=540005 pts_seconds=6.000056 \
         pts_adjustment_ticks=5 preroll_declared_seconds=5.740056 preroll_arrival_seconds=5.040056 \
         duration_ticks=2700000 duration_seconds=30.000000 auto_return=false unique_program_id=1 avail_num=0 \
         avails_expected=0"
    );
}
