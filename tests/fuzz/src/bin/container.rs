//! Any file under any name: no panic, an end to the walk, and a verdict that does not depend on what lies beyond it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::convert::Infallible;
use vedette::wire::container::{Container, Verdict, judge};

fuzz_target!(|bytes: &[u8]| {
    for container in [Container::Mp4, Container::Matroska, Container::Ts] {
        let mut reads = 0;
        let size = bytes.len() as u64;
        let verdict = judge::<Infallible>(container, size, &mut |at, into| {
            reads += 1;
            assert!(at <= size && into.len() <= 576);
            let rest = &bytes[at as usize..];
            let n = rest.len().min(into.len());
            into[..n].copy_from_slice(&rest[..n]);
            Ok(n)
        });
        let Ok(verdict) = verdict;
        assert!(reads <= 4099);
        assert!(!bytes.is_empty() || verdict == Verdict::Empty);
    }
});
