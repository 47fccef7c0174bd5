//! Our SCTE 35 decoder against others, over generated and mutated sections, and what it allocates.
//!
//! `SCTE35_SECTIONS` sets how many sections the two crates see (50 000; `make scte35` takes a million and more),
//! `SCTE35_SEED` where the dice start.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod explained;
mod generate;
mod memory;
mod model;
mod reader;
mod splice;
mod threefive;

use explained::{Ledger, READER, SPLICE};
use generate::Dice;
use vedette::wire::scte35::decode;

/// In `make test`: seconds in a debug build.
const SECTIONS: u64 = 50_000;
/// From so many sections on, an explanation that was never needed is a mistake.
const LONG: u64 = 500_000;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |n| n.parse().expect("a number"))
}

/// Sections of this run, one after the other.
fn sections(count: u64) -> impl Iterator<Item = Vec<u8>> {
    let mut dice = Dice(setting("SCTE35_SEED", 35));
    (0..count).map(move |_| {
        let mut section = generate::section(&mut dice);
        generate::mutate(&mut dice, &mut section);
        section
    })
}

#[test]
fn every_disagreement_with_the_two_crates_is_explained() {
    let count = setting("SCTE35_SECTIONS", SECTIONS);
    let (mut splice, mut reader) = (Ledger::default(), Ledger::default());
    let (mut clean, mut whole) = (0, 0);
    for section in sections(count) {
        let decoded = decode(&section);
        clean += u64::from(decoded.defects.is_empty());
        whole += u64::from(decoded.crc_ok);
        let ours = model::ours(&decoded);
        splice.on(SPLICE, &section, &decoded, &model::differences(&ours, &splice::said(&section)));
        reader.on(READER, &section, &decoded, &model::differences(&ours, &reader::said(&section)));
    }
    println!("{count} sections: {whole} with a matching CRC, {clean} without any defect");
    // A generator that makes only rubbish, or only gold, proves nothing.
    assert!(clean > count / 5 && clean < count * 3 / 4, "{clean} of {count}");
    splice.settle("scte35-splice 4.0.0", SPLICE, count, LONG);
    reader.settle("scte35-reader 0.16.0", READER, count, LONG);
}
