//! Any settings file: no panic, and every mistake has a place in the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use vedette::base::settings::{Table, read};
use vedette::wire::Codec;

fn walk(table: Table<'_>, depth: u8) {
    table.text("text");
    table.need_id("id");
    table.flag("flag");
    table.integer("whole", -5..=i64::MAX);
    table.number("number", -1.0..=1e9);
    table.duration("every", Duration::from_secs(1)..=Duration::MAX);
    table.bytes("room", 1..=u64::MAX);
    table.choice::<Codec>("word");
    table.texts("list");
    if depth < 4 {
        table.table("inner").into_iter().for_each(|t| walk(t, depth + 1));
        table.tables("many").into_iter().for_each(|t| walk(t, depth + 1));
    }
    table.finish();
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let ((), mistakes) = read(text, |root| walk(root, 0));
    for mistake in mistakes {
        assert!(mistake.line >= 1 && mistake.line <= text.matches('\n').count() + 1 && mistake.column >= 1, "{mistake}");
    }
});
