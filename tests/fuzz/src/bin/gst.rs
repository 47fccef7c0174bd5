//! Any datagram at the tracer's socket, and any bytes from a worker's pipe: no panic, nothing beyond its bounds, and what
//! is read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vedette::wire::record::{self, HEADER, MOST_BODY};
use vedette::wire::tracer::{self, MOST_ELEMENTS, MOST_NAME, Writer};

fuzz_target!(|bytes: &[u8]| {
    if let Ok((head, elements)) = tracer::parse(bytes) {
        assert!(elements.len() <= MOST_ELEMENTS && elements.iter().all(|e| e.name.len() <= MOST_NAME));
        let mut writer = Writer::default();
        writer.head(&head);
        if elements.iter().all(|element| writer.element(element)) {
            assert_eq!(tracer::parse(writer.bytes()), Ok((head, elements)));
        }
    }
    let mut rest = bytes;
    while let Ok(Some((at, record, took))) = record::parse(rest) {
        assert!(took >= HEADER && took <= HEADER + MOST_BODY);
        let mut again = Vec::new();
        record.write(at, &mut again);
        assert_eq!(record::parse(&again), Ok(Some((at, record, again.len()))));
        rest = &rest[took..];
    }
});
