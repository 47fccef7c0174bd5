//! What a configuration may say, and what is said about a mistake.

use super::*;

const CANARY: &str = "c4n4ry-in-the-shaft";

/// The settings as a reload compares them, and all mistakes.
fn settings(text: &str) -> (Option<String>, Vec<String>) {
    let (target, mistakes) = read(text, |table| {
        let target = (KIND.read)(&table);
        table.finish();
        target
    });
    (target.map(|target| target.settings), mistakes.iter().map(ToString::to_string).collect())
}

#[test]
fn every_mistake_says_what_is_wrong_and_what_to_write() {
    for (url, more, said) in [
        (
            "udp://localhost:5000",
            "",
            "2:7: error: it has no address and port to listen on; write an address, not a name",
        ),
        ("udp://239.1.1.1", "", "it has no address and port to listen on"),
        ("udp://239.1.1.1:0", "", "it has no address and port to listen on"),
        ("udp://239.1.1.1:5000?ttl=3", "", "options in the URL are not read; remove what follows `?`"),
        ("udp://me@239.1.1.1:5000", "", "nobody logs in to such a stream; remove user and password"),
        ("file://srv/out.ts", "", "it has no path on this machine; write three slashes"),
        ("fifo:///", "", "it has no path on this machine"),
        ("rtsp://camera/main", "", "an RTSP source is a camera; put it under [[camera]]"),
        ("https://cdn/index.m3u8", "", "a stream over HTTP is not watched; put an HLS playlist under [[playlist]]"),
        ("ftp://a/b", "", "the scheme is not known; write udp://"),
        ("no url", "", "the URL cannot be read; write udp://"),
        ("srt://:9000?mode=listener", "", "it has no host; to wait for the encoder's call, write srt://0.0.0.0:PORT"),
        ("srt://encoder", "", "it has no host and port; write srt://HOST:PORT"),
        (
            "srt://me:c4n4ry-in-the-shaft@encoder:9000",
            "",
            "nobody logs in to such a stream; remove user and password; SRT",
        ),
        ("srt://encoder:9000/c4n4ry-in-the-shaft", "", "SRT has no paths; remove what stands between port and `?`"),
        ("srt://encoder:9000?mode=both", "", "there is no such mode; write mode=caller, mode=listener"),
        (
            "srt://encoder:9000?passphrase=c4n4ry",
            "",
            "a passphrase of SRT has 10 to 79 characters; write the encoder's",
        ),
        (
            "srt://encoder:9000?passphrase=1234567890&c4n4ry-in-the-shaft",
            "",
            "an option is not known, or a passphrase has",
        ),
        ("srt://encoder:9000?pbkeylen=128", "", "there is no such key length; write pbkeylen=16, 24 or 32"),
        ("srt://encoder:9000?latency=1s", "", "the latency is no number of milliseconds; write latency=0 to 60000"),
        ("srt://encoder:9000?localport=x", "", "the local port is none; write localport=1 to 65535"),
        ("srt://encoder:9000?streamid=#!::r=c4n4ry-in-the-shaft", "", "what follows `#` is not sent; write %23 for #"),
        ("rtmp://server/c4n4ry-in-the-shaft", "", "it names no application and stream; write rtmp://HOST/APPLICATION"),
        ("rtmp:///live/c4n4ry-in-the-shaft", "", "it has no host; write rtmp://HOST/APPLICATION/STREAM"),
        ("rtmp://server/live/key", "stall = \"1s\"", "over RTMP frames are counted once a second; write 2s or more"),
        (
            "rtmp://server/live/key",
            "priority3 = true",
            "`priority3` is about a transport stream, and RTMP carries none",
        ),
        ("rtmp://server/live/key", "input = \"a\"", "`input` is about a transport stream, and RTMP carries none"),
        (
            "rtmp://server/live/key",
            "[expect]\nout = \"1h\"",
            "`expect` is about a transport stream, and RTMP carries none",
        ),
        (
            "udp://239.1.1.1:5000",
            "interface = \"no such thing\"",
            "\"no such thing\" is no interface; write a name that",
        ),
        ("udp://10.0.0.9:5000", "interface = \"eth0\"", "an interface is chosen for multicast groups only; remove it"),
        ("srt://encoder:9000", "interface = \"eth0\"", "an interface is chosen for multicast groups only; remove it"),
        ("udp://[ff02::1]:5000", "interface = \"10.0.0.9\"", "an IPv6 group is joined on an interface by name"),
        ("file:///srv/out.ts", "interface = \"eth0\"", "a file has no interface; remove it"),
        ("udp://239.1.1.1:5000", "latency = \"5s\"", "`latency` without `input`; name the stream before the encoder"),
        ("udp://239.1.1.1:5000", "input = \"feed\"", "a stream is its own input; name the stream before the encoder"),
        ("udp://239.1.1.1:5000", "stall = \"1ms\"", "write a duration from \"500ms\" to \"5m\""),
        ("udp://239.1.1.1:5000", "preroll = \"2m\"", "write a duration from \"0s\" to \"1m\""),
        ("udp://239.1.1.1:5000", "max_break = \"2d\"", "write a duration from \"1s\" to \"1d\""),
        ("udp://239.1.1.1:5000", "tolerance = 1", "`tolerance` is 1; write a duration"),
        ("udp://239.1.1.1:5000", "heartbeat = \"0s\"", "write a duration from \"1s\" to \"1d\""),
        ("udp://239.1.1.1:5000", "any_in_closes = 1", "`any_in_closes` is 1; write true or false"),
        ("udp://239.1.1.1:5000", "[expect]\nbreak = \"1h\"", "unknown key `expect.break`"),
        ("udp://239.1.1.1:5000", "stal = \"1s\"", "unknown key `stal`; did you mean `stall`?"),
    ] {
        let (_, mistakes) = settings(&format!("id = \"feed\"\nurl = \"{url}\"\n{more}\n"));
        assert!(mistakes.len() == 1 && mistakes[0].contains(said), "{url} {more}: {mistakes:?}");
        assert!(!mistakes[0].contains("c4n4ry"), "{mistakes:?}");
    }
}

#[test]
fn every_way_a_stream_can_come_is_understood() {
    for url in [
        "udp://239.1.1.1:5000",
        "udp://0.0.0.0:5000",
        "rtp://[ff05::1]:5000",
        "file:///srv/out.ts",
        "fifo:///run/out",
        "srt://encoder:9000",
        "srt://0.0.0.0:9000?mode=listener&passphrase=1234567890&pbkeylen=32&latency=250",
        "srt://encoder:9000?streamid=%23!::r=live/main,m=request&localaddress=10.0.0.9&localport=7000",
        "rtmp://server/live/key",
        "rtmps://me:secret@server:1936/live/key?token=1",
    ] {
        let (target, mistakes) = settings(&format!("id = \"feed\"\nurl = \"{url}\"\n"));
        assert!(target.is_some() && mistakes.is_empty(), "{url}: {mistakes:?}");
    }
}

#[test]
fn another_passphrase_is_another_target_and_stands_in_no_text() {
    let of =
        |key: &str| settings(&format!("id = \"feed\"\nurl = \"srt://encoder:9000?passphrase={key}\"\n")).0.unwrap();
    assert_eq!(of(CANARY), of(CANARY));
    assert_ne!(of(CANARY), of("another-canary"));
    assert!(!of(CANARY).contains(CANARY), "{}", of(CANARY));
}
