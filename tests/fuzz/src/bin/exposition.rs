//! Any page of an exporter, in both formats: no panic, what is read is on the page, a fault has a place on it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vedette::wire::exposition::{Format, LONGEST, Line, MOST_LABELS, Parser};

fuzz_target!(|page: &[u8]| {
    for format in [Format::Text, Format::OpenMetrics] {
        let mut parser = Parser::new(page, format);
        let mut ended = false;
        while let Some(line) = parser.next_line() {
            assert!(!ended, "nothing comes after a fault");
            match line {
                Ok(Line::Sample(sample)) => {
                    assert!(!sample.name.is_empty() && sample.series.starts_with(sample.name.as_bytes()));
                    assert!(sample.series.len() <= LONGEST && parser.labels().len() <= MOST_LABELS);
                    for (n, (name, value)) in parser.labels().iter().enumerate() {
                        assert!(!name.is_empty() && value.len() <= LONGEST);
                        assert!(parser.labels()[..n].iter().all(|(other, _)| other != name));
                    }
                }
                Ok(Line::Type(name, _) | Line::Help(name, _)) => assert!(!name.is_empty()),
                Err(fault) => {
                    let lines = page.split(|b| *b == b'\n').count();
                    assert!((1..=lines).contains(&fault.line) && fault.column >= 1, "{fault}");
                    ended = true;
                }
            }
        }
    }
});
