//! Any bytes as a certificate: no panic, and what follows a certificate does not change when it ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vedette::wire::x509::not_after;

fuzz_target!(|bytes: &[u8]| {
    if let Some(end) = not_after(bytes) {
        let longer = [bytes, &[0x30, 0x00]].concat();
        assert_eq!(not_after(&longer), Some(end));
        // RFC 5280 dates lie between the years 0 and 9999.
        assert!((-62_167_219_200..=253_402_300_799).contains(&end));
    }
});
