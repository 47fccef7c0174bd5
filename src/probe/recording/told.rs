//! How far the ledger of a recording was told, as it is remembered over a restart.

use crate::base::clock::{Now, Wall};

/// `2 1767225600000 1 -`: version, and the fields below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// The last write.
    pub(super) until: Wall,
    /// Whether the wall clock was disciplined then.
    pub(super) trusted: bool,
    /// Where a gap was open since then: up to when its seconds were counted.
    pub(super) open: Option<Wall>,
}

impl Told {
    pub(super) fn text(&self) -> String {
        let open = self.open.map_or("-".to_owned(), |counted| counted.as_millis().to_string());
        format!("2 {} {} {open}", self.until.as_millis(), u8::from(self.trusted))
    }

    pub(super) fn parse(text: &str) -> Option<Told> {
        let [version, until, trusted, open] = text.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let trusted = match trusted {
            "0" => false,
            "1" => true,
            _ => return None,
        };
        let wall = |text: &str| text.parse().ok().map(Wall::from_millis);
        let open = if open == "-" { None } else { Some(wall(open)?) };
        (version == "2").then_some(Told { until: wall(until)?, trusted, open })
    }

    /// Whether it can be compared with the clock of today: a box that woke up in 1970 has seen no gap of fifty years.
    pub(super) fn holds(&self, now: &Now) -> bool {
        self.trusted == now.trusted && self.until <= now.wall
    }

    /// Whether it will be comparable once the clock is disciplined, as it mostly is not yet right after a boot.
    pub(super) fn waits(&self, now: &Now) -> bool {
        self.trusted && !now.trusted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_reads_back_and_nothing_else_does() {
        let told = Told { until: Wall::from_millis(1_767_225_600_000), trusted: true, open: None };
        assert_eq!(told.text(), "2 1767225600000 1 -");
        let open = Told { open: Some(Wall::from_millis(1_767_225_630_000)), ..told };
        assert_eq!(open.text(), "2 1767225600000 1 1767225630000");
        for told in [told, open] {
            assert_eq!(Told::parse(&told.text()), Some(told));
        }
        for wrong in ["", "1 1 1 -", "2 x 1 -", "2 1 2 -", "2 1 1", "2 1 1 - 1", "2 1 1 x"] {
            assert_eq!(Told::parse(wrong), None, "{wrong}");
        }
    }
}
