//! `textfile`: what scripts on the box write into files `*.prom` of one directory, in text 0.0.4.

use super::sheet::{Collector, Missed, Sheet};
use crate::metric::desc::{Desc, Unit};
use crate::probe::declared::Declared;
use crate::wire::exposition::{Format, Line, Parser};
use crate::world::machine::{Machine, Under};

static ERROR: Desc<0> = Desc::gauge(
    "node_textfile_scrape_error",
    Unit::Count,
    [],
    "1 if a file of text could not be read to its end, else 0",
);
static WRITTEN: Desc<1> = Desc::gauge(
    "node_textfile_mtime_seconds",
    Unit::Seconds,
    ["file"],
    "Unix time at which a file of text that could be read was last written",
);

pub static COLLECTOR: Collector =
    Collector { name: "textfile", families: &[ERROR.family(), WRITTEN.family()], collect };

/// A file that cannot be read fails by itself, and the collector with it; the others stand.
fn collect(machine: &Machine, sheet: &mut Sheet) -> Result<(), Missed> {
    let mut missed = None;
    for name in machine.names(Under::Texts, "")?.iter().filter(|name| name.ends_with(".prom")) {
        let told = machine.text(Under::Texts, name).map_err(Missed::from).and_then(|text| {
            let written = machine.written(Under::Texts, name)?;
            page(&text, sheet)?;
            sheet.put(&WRITTEN, [&machine.path(Under::Texts, name).to_string_lossy()], written as f64);
            Ok(())
        });
        missed = missed.or(told.err().map(|source| Missed::Text { file: name.clone(), source: Box::new(source) }));
    }
    sheet.put(&ERROR, [], f64::from(missed.is_some()));
    missed.map_or(Ok(()), Err)
}

/// All of a page or nothing.
fn page(text: &str, sheet: &mut Sheet) -> Result<(), Missed> {
    let before = (sheet.facts.len(), sheet.left_out);
    let told = samples(text, sheet);
    if told.is_err() {
        sheet.facts.truncate(before.0);
        sheet.left_out = before.1;
    }
    told
}

fn samples(text: &str, sheet: &mut Sheet) -> Result<(), Missed> {
    let (mut parser, mut declared) = (Parser::new(text.as_bytes(), Format::Text), Declared::default());
    while let Some(line) = parser.next_line() {
        match line? {
            Line::Type(name, kind) => declared.kind(name, kind),
            Line::Help(name, help) => declared.help(name, help),
            Line::Sample(sample) if sample.timed => return Err(Missed::Timed),
            Line::Sample(sample) => {
                let labels = parser.labels().iter().map(|(name, value)| (*name, &**value));
                sheet.put_learned(declared.family(sample.name), labels, sample.value);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Wall;

    #[test]
    fn a_page_with_a_fault_or_a_time_of_its_own_is_left_out_whole() {
        let told = |text| {
            let mut sheet = Sheet::new(Wall::from_millis(0));
            let told = page(text, &mut sheet).map_err(|missed| missed.to_string());
            (sheet.facts.len(), told)
        };
        assert_eq!(told("a 1\nb 2\n"), (2, Ok(())));
        assert_eq!(told("a 1\nb 2 1400000000000\n"), (0, Err("its samples have times of their own".to_owned())));
        assert_eq!(told("a 1\nb two\n"), (0, Err("the page is broken".to_owned())));
    }
}
