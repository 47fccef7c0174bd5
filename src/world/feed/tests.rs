use super::*;
use crate::world::clock::System;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::Write;
use std::net::UdpSocket;
use std::time::Duration;

/// Bound of every wait.
const SOON: Duration = Duration::from_secs(10);

fn clock() -> Clock {
    Clock::new(System)
}

/// A feed and what came of it that nobody asked for yet.
struct Heard {
    feed: Box<dyn Feed>,
    waiting: VecDeque<Option<Vec<u8>>>,
}

async fn open(source: &Source) -> Result<Heard, Broken> {
    Ok(Heard { feed: Real::default().open(source, &clock()).await?, waiting: VecDeque::new() })
}

impl Heard {
    /// What comes next: the bytes of one event, or `None` for [`Event::Reopened`].
    async fn next(&mut self) -> Option<Vec<u8>> {
        let came = poll_fn(|cx| {
            let broken = self.feed.poll(cx, &mut |event| {
                self.waiting.push_back(match event {
                    Event::Bytes { bytes, .. } => Some(bytes.to_owned()),
                    Event::Reopened => None,
                });
            });
            match (broken, self.waiting.pop_front()) {
                (Poll::Ready(broken), _) => Poll::Ready(Err(broken)),
                (Poll::Pending, Some(next)) => Poll::Ready(Ok(next)),
                (Poll::Pending, None) => Poll::Pending,
            }
        });
        clock().within(SOON, came).await.expect("something came").expect("the feed goes on")
    }
}

async fn refused(source: Source) -> Reason {
    open(&source).await.err().expect("it cannot be opened").reason
}

fn udp(to: &str, interface: Option<&str>) -> Source {
    Source::Udp { to: to.parse().unwrap(), interface: interface.map(|name| Interface::Name(name.into())) }
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Sends to groups over loopback.
fn speaker() -> UdpSocket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    socket.set_multicast_if_v4(&std::net::Ipv4Addr::LOCALHOST).unwrap();
    socket.into()
}

#[tokio::test]
async fn a_datagram_comes_whole_and_a_port_is_not_shared() {
    let to = format!("127.0.0.1:{}", free_port());
    let mut feed = open(&udp(&to, None)).await.unwrap();
    for len in [188, 1316, 65_507] {
        speaker().send_to(&vec![0x47; len], &to).unwrap();
        assert_eq!(feed.next().await.unwrap().len(), len);
    }
    assert_eq!(feed.feed.dropped(), Some(0));
    assert_eq!(refused(udp(&to, None)).await, Reason::InUse);
}

#[tokio::test]
async fn two_groups_on_one_port_do_not_hear_each_other_and_two_listeners_share_a_group() {
    let port = free_port();
    let (north, south) = (format!("239.255.77.1:{port}"), format!("239.255.77.2:{port}"));
    let mut first = open(&udp(&north, Some("lo"))).await.unwrap();
    let mut second = open(&udp(&north, Some("lo"))).await.unwrap();
    let own = Interface::Address("127.0.0.1".parse().unwrap());
    let mut other = open(&Source::Udp { to: south.parse().unwrap(), interface: Some(own) }).await.unwrap();
    speaker().send_to(b"south", &south).unwrap();
    speaker().send_to(b"north", &north).unwrap();
    assert_eq!(first.next().await.unwrap(), b"north");
    assert_eq!(second.next().await.unwrap(), b"north");
    assert_eq!(other.next().await.unwrap(), b"south");
}

#[tokio::test]
async fn what_the_kernel_dropped_is_counted() {
    let to = format!("127.0.0.1:{}", free_port());
    let mut feed = open(&udp(&to, None)).await.unwrap();
    let speaker = speaker();
    let sent: u64 = 20_000;
    for _ in 0..sent {
        speaker.send_to(&[0x47; 1316], &to).unwrap();
    }
    let dropped = feed.feed.dropped().unwrap();
    let mut got = 0;
    let all = poll_fn(|cx| {
        let _broken = feed.feed.poll(cx, &mut |_| got += 1);
        if got + dropped == sent { Poll::Ready(()) } else { Poll::Pending }
    });
    clock().within(SOON, all).await.expect("all that was not dropped came");
    assert!(dropped > 0);
}

#[tokio::test]
async fn every_refusal_has_its_own_reason() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    assert_eq!(refused(udp(&format!("192.0.2.7:{port}"), None)).await, Reason::NoAddress);
    assert_eq!(refused(udp(&format!("239.255.77.1:{port}"), Some("no-such0"))).await, Reason::NoInterface);
    let foreign = Some(Interface::Address("192.0.2.7".parse().unwrap()));
    let to = format!("239.255.77.1:{port}").parse().unwrap();
    assert_eq!(refused(Source::Udp { to, interface: foreign }).await, Reason::NoInterface);
    for at in [Source::Growing, Source::Whole, Source::Fifo] {
        assert_eq!(refused(at(dir.path().join("nothing"))).await, Reason::NotFound);
        assert_eq!(refused(at(dir.path().to_owned())).await, Reason::WrongKind);
    }
}

#[tokio::test]
async fn a_pipe_waits_for_its_writer_and_for_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: the path is a terminated string that lives through the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let mut feed = open(&Source::Fifo(path.clone())).await.unwrap();
    for text in ["one", "two"] {
        let mut writer = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        assert_eq!(feed.next().await.unwrap(), text.as_bytes());
        drop(writer);
        assert_eq!(feed.next().await, None);
    }
}

#[tokio::test]
async fn a_growing_file_is_followed_from_its_end_over_cutting_and_replacing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.ts");
    std::fs::write(&path, "long ago").unwrap();
    let mut feed = open(&Source::Growing(path.clone())).await.unwrap();
    let append = |text: &str| {
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(text.as_bytes()).unwrap();
    };
    // The first read comes to the old end; what is appended later is new whether it came before or after it.
    append("one");
    assert_eq!(feed.next().await.unwrap(), b"one");
    std::fs::write(&path, "two").unwrap();
    assert_eq!(feed.next().await, None, "it became shorter");
    assert_eq!(feed.next().await.unwrap(), b"two");
    std::fs::write(dir.path().join("new"), "three").unwrap();
    std::fs::rename(dir.path().join("new"), &path).unwrap();
    assert_eq!(feed.next().await, None, "it is another one");
    assert_eq!(feed.next().await.unwrap(), b"three");
}

#[tokio::test]
async fn a_whole_file_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.ts");
    std::fs::write(&path, vec![0x47; 100_000]).unwrap();
    let mut feed = open(&Source::Whole(path)).await.unwrap();
    let mut got = 0;
    let broken = poll_fn(|cx| {
        feed.feed.poll(cx, &mut |event| {
            if let Event::Bytes { bytes, .. } = event {
                got += bytes.len();
            }
        })
    });
    let broken = clock().within(SOON, broken).await.unwrap();
    assert_eq!((broken.reason, got), (Reason::Eof, 100_000));
}
