//! How far the ledger of a recording was told, as it is remembered over a restart.

use crate::base::clock::{Now, Wall};

/// `1 1767225600000 1 0`: version, and the fields below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// The last write.
    pub(super) until: Wall,
    /// Whether the wall clock was disciplined then.
    pub(super) trusted: bool,
    /// Whether a gap was open since then.
    pub(super) open: bool,
}

impl Told {
    pub(super) fn text(&self) -> String {
        format!("1 {} {} {}", self.until.as_millis(), u8::from(self.trusted), u8::from(self.open))
    }

    pub(super) fn parse(text: &str) -> Option<Told> {
        let [version, until, trusted, open] = text.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let flag = |text| match text {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        };
        let until = Wall::from_millis(until.parse().ok()?);
        (version == "1").then_some(Told { until, trusted: flag(trusted)?, open: flag(open)? })
    }

    /// Whether it can be compared with the clock of today: a box that woke up in 1970 has seen no gap of fifty years.
    pub(super) fn holds(&self, now: &Now) -> bool {
        self.trusted == now.trusted && self.until <= now.wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_reads_back_and_nothing_else_does() {
        let told = Told { until: Wall::from_millis(1_767_225_600_000), trusted: true, open: false };
        assert_eq!(told.text(), "1 1767225600000 1 0");
        assert_eq!(Told::parse(&told.text()), Some(told));
        for wrong in ["", "2 1 1 1", "1 x 1 1", "1 1 2 1", "1 1 1", "1 1 1 1 1"] {
            assert_eq!(Told::parse(wrong), None, "{wrong}");
        }
    }
}
