//! Which family a sample of another exporter's page belongs to, by what the page declared before it.

use crate::metric::desc::{self, Family, Unit};
use crate::wire::exposition::Type;
use std::borrow::Cow;
use std::collections::HashMap;

/// Bytes of a help text that are kept: it stands in memory and on file.
const HELP: usize = 512;

/// What the page said so far of its families.
#[derive(Default)]
pub struct Declared<'a> {
    kinds: HashMap<&'a str, Type>,
    helps: HashMap<&'a str, Cow<'a, str>>,
}

impl<'a> Declared<'a> {
    pub fn kind(&mut self, name: &'a str, kind: Type) {
        self.kinds.insert(name, kind);
    }

    pub fn help(&mut self, name: &'a str, text: Cow<'a, str>) {
        self.helps.insert(name, text);
    }

    /// Names that something was said of, about.
    pub(super) fn families(&self) -> usize {
        self.kinds.len().max(self.helps.len())
    }

    /// The family of series of this name. What has no type, or one that our page cannot tell series by series (a state
    /// set, a histogram of gauges, the time at which a counter began), is of unknown type and a family of its own.
    pub fn family(&self, name: &str) -> Family {
        let (stem, kind) = self.declared(name);
        let kind = match (kind, name.strip_prefix(stem).unwrap_or("")) {
            (Type::Counter, "" | "_total") => desc::Kind::Counter,
            (Type::Gauge, _) => desc::Kind::Gauge,
            (Type::Histogram, "" | "_bucket" | "_sum" | "_count") => desc::Kind::Histogram,
            (Type::Summary, "" | "_sum" | "_count") => desc::Kind::Summary,
            (Type::Info, "_info") => desc::Kind::Info,
            _ => desc::Kind::Unknown,
        };
        let parts = matches!(kind, desc::Kind::Histogram | desc::Kind::Summary);
        Family {
            name: name.to_owned().into(),
            kind,
            unit: Unit::Count,
            labels: &[],
            help: self.helps.get(stem).map_or("", |help| cut(help)).to_owned().into(),
            learned: Some(if parts { stem } else { name }.into()),
        }
    }

    /// The name under which the page declared it, and as what.
    fn declared<'n>(&self, name: &'n str) -> (&'n str, Type) {
        if let Some(kind) = self.kinds.get(name) {
            return (name, *kind);
        }
        // At most one of the endings fits.
        let end = name.rfind('_').unwrap_or(0);
        let (stem, ending) = name.split_at(end);
        match self.kinds.get(stem) {
            Some(kind) if kind.suffixes().contains(&ending) => (stem, *kind),
            _ => (name, Type::Unknown),
        }
    }
}

fn cut(help: &str) -> &str {
    let end = (0..=help.len().min(HELP)).rev().find(|n| help.is_char_boundary(*n));
    &help[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_belongs_to_the_family_whose_ending_it_has() {
        let mut declared = Declared::default();
        for (name, kind) in [
            ("a", Type::Counter),
            ("b_total", Type::Counter),
            ("h", Type::Histogram),
            ("s", Type::Summary),
            ("s_sum", Type::Gauge),
            ("i", Type::Info),
            ("g", Type::GaugeHistogram),
            ("x", Type::StateSet),
        ] {
            declared.kind(name, kind);
            declared.help(name, format!("help of {name}").into());
        }
        use desc::Kind::*;
        for (name, kind, stem, help) in [
            ("a_total", Counter, "a_total", "help of a"),
            ("a_created", Unknown, "a_created", "help of a"),
            ("b_total", Counter, "b_total", "help of b_total"),
            ("h_bucket", Histogram, "h", "help of h"),
            ("h_count", Histogram, "h", "help of h"),
            ("h", Histogram, "h", "help of h"),
            ("h_total", Unknown, "h_total", ""),
            ("s", Summary, "s", "help of s"),
            ("s_count", Summary, "s", "help of s"),
            ("s_sum", Gauge, "s_sum", "help of s_sum"),
            ("i_info", Info, "i_info", "help of i"),
            ("g_bucket", Unknown, "g_bucket", "help of g"),
            ("x", Unknown, "x", "help of x"),
            ("_count", Unknown, "_count", ""),
            ("lone", Unknown, "lone", ""),
        ] {
            let family = declared.family(name);
            assert_eq!((family.kind, family.stem(), &*family.help), (kind, stem, help), "{name}");
        }
    }

    #[test]
    fn a_help_is_cut_between_two_letters() {
        let mut declared = Declared::default();
        declared.help("a", "ä".repeat(HELP).into());
        assert_eq!(declared.family("a").help.len(), HELP);
    }
}
