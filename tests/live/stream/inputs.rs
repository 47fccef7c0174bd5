//! Every way in which there can be no signal has its own reason.

use super::Node;
use crate::support::ts::clip::Clip;
use crate::support::ts::send::{Sending, Way, free_udp_port, speaker};
use crate::support::wait;
use std::io::Write;
use std::net::UdpSocket;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(15);

fn up(node: &Node, stream: &str, protocol: &str) -> Option<f64> {
    node.of("ts_input_up", stream, &format!("protocol=\"{protocol}\""))
}

#[test]
fn each_missing_signal_has_its_own_reason_and_touches_no_other_stream() {
    let dir = tempfile::tempdir().unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let [good, silent, garbage, bare, group] = [(); 5].map(|()| free_udp_port());
    let cases = [
        ("good", format!("udp://127.0.0.1:{good}"), ""),
        ("silent", format!("udp://127.0.0.1:{silent}"), "silent"),
        ("garbage", format!("udp://127.0.0.1:{garbage}"), "garbage"),
        ("bare", format!("rtp://127.0.0.1:{bare}"), "garbage"),
        ("astray", format!("udp://239.255.73.1:{group}\"\ninterface = \"lo"), "silent"),
        ("taken", format!("udp://{}", taken.local_addr().unwrap()), "in_use"),
        ("foreign", "udp://192.0.2.7:5000".to_owned(), "no_address"),
        ("unplugged", "udp://239.255.73.1:5000\"\ninterface = \"gone0".to_owned(), "no_interface"),
        ("missing", format!("file://{}/nothing.ts", dir.path().display()), "not_found"),
        ("folder", format!("fifo://{}", dir.path().display()), "wrong_kind"),
    ];
    let tables = cases.iter().map(|(id, url, _)| format!("[[stream]]\nid = \"{id}\"\nurl = \"{url}\"\n"));
    let node = Node::start(&tables.collect::<String>());
    let clip = Clip::base();
    let at = |host: &str, port| Way::Udp(format!("{host}:{port}").parse().unwrap());
    let sendings =
        [at("127.0.0.1", good), at("127.0.0.1", bare), at("239.255.73.2", group)].map(|way| Sending::start(&clip, way));
    let noise = speaker();
    for (id, _, reason) in cases.iter().filter(|(_, _, reason)| !reason.is_empty()) {
        wait(&format!("{id} is told as {reason}"), SOON, || {
            let _sent = noise.send_to(&[0x55; 1316], ("127.0.0.1", garbage));
            node.of("ts_input_failures_total", id, &format!("reason=\"{reason}\"")).filter(|n| *n >= 1.0)
        });
    }
    for (id, _, reason) in &cases {
        let page = node.vedette.page();
        let told = page.lines().filter(|l| l.starts_with("ts_input_failures_total{") && !l.ends_with(" 0"));
        let told: Vec<_> = told.filter(|l| l.contains(&format!("stream_id=\"{id}\""))).collect();
        // A stream that nothing was sent to yet is silent for a moment.
        let others = told.iter().filter(|l| !l.contains(&format!("\"{reason}\"")) && !l.contains("\"silent\""));
        assert_eq!(others.count(), 0, "{id}: {told:?}");
    }
    assert_eq!((up(&node, "good", "udp"), up(&node, "astray", "udp")), (Some(1.0), Some(0.0)));
    assert!(node.of("ts_datagrams_malformed_total", "bare", "kind=\"no_rtp\"").unwrap() > 100.0);
    assert_eq!(node.of("ts_received_bytes_total", "astray", ""), Some(0.0), "the other group is not heard");
    drop(sendings);
}

#[test]
fn a_pipe_is_watched_from_writer_to_writer_and_nobody_waits_for_us() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let node = Node::start(&format!("[[stream]]\nid = \"pipe\"\nurl = \"fifo://{}\"\n", path.display()));
    for _ in 0..2 {
        let sending = Sending::start(&Clip::base().cut(0.0, 5.0), Way::File(path.clone()));
        wait("the pipe brings a signal", SOON, || up(&node, "pipe", "fifo").filter(|up| *up == 1.0));
        sending.wait_end();
        drop(sending);
        wait("the writer went", SOON, || up(&node, "pipe", "fifo").filter(|up| *up == 0.0));
    }
    let continuity = node.of("ts_tr101290_errors_total", "pipe", "indicator=\"continuity_count\",priority=\"1\"");
    assert_eq!(continuity, Some(0.0), "the second writer begins anew");
    // A whole file at once: it is taken as fast as it comes.
    let mut writer = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    writer.write_all(Clip::base().packets.as_flattened()).unwrap();
}
