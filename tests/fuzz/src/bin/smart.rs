//! Any answer of smartctl and any file of `vedette-peek smart`: no panic, only numbers that are numbers, and what was read
//! can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vedette::wire::smart::smartctl::read;
use vedette::wire::smart::{Field, LONGEST, MOST, Sheet, State, named};

fuzz_target!(|text: &[u8]| {
    let told = read(text);
    assert!(told.state == State::Known || told.numbers.is_empty());
    for (field, number) in told.numbers {
        assert!(number.is_finite() && (number >= 0.0 || field == Field::Temperature), "{field:?} {number}");
    }
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Ok(sheet) = Sheet::read(text) {
        assert!(text.len() <= LONGEST && sheet.disks.len() <= MOST);
        assert!(sheet.disks.iter().all(|disk| named(&disk.device)));
        let again = Sheet::read(&sheet.text()).expect("its own words");
        assert_eq!(again.disks.len(), sheet.disks.len());
    }
});
