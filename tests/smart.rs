//! What is made of smartctl's words, case by case: each folder `made-…` has what it wrote and what we read in it.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::path::Path;
use vedette::base::label::Label;
use vedette::wire::smart::smartctl::read;

const CASES: &str = "src/probe/disk/testdata";

fn told(text: &[u8]) -> String {
    let told = read(text);
    let mut lines = format!("{}\n", told.state.label());
    for (field, number) in told.numbers {
        lines += &format!("{field:?} {number}\n");
    }
    lines
}

#[test]
fn every_case_is_read_as_written_beside_it() {
    let mut cases = 0;
    for entry in std::fs::read_dir(CASES).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let (json, wanted) = (text("smartctl.json"), text("told.txt"));
        assert_eq!(told(json.as_bytes()), wanted, "{}", folder.display());
        cases += 1;
        // In its compact form, and cut off anywhere: never a panic, never a number of half a text.
        for end in (0..json.len()).step_by(97) {
            assert_eq!(told(&json.as_bytes()[..end]), "malformed\n", "{} to {end}", folder.display());
        }
    }
    assert!(cases >= 14 && Path::new(CASES).join("made-standby").exists(), "{cases} cases");
}

#[test]
fn words_that_are_no_answer_are_malformed_and_never_a_number() {
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "{\"smartctl\":{}}",
        "{\"smartctl\":{\"exit_status\":256}}",
        "{\"smartctl\":{\"exit_status\":\"0\"}}",
        "smartctl 7.3 2022-02-28 r5338",
    ] {
        assert_eq!(told(text.as_bytes()), "malformed\n", "{text}");
    }
    let nothing = "{\"smartctl\":{\"exit_status\":0},\"smart_status\":7,\"ata_smart_attributes\":{\"table\":[null,7,{\"id\":5}]}}";
    assert_eq!(told(nothing.as_bytes()), "unsupported\n");
}
