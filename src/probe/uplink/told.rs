//! What lasts and was told: it is remembered over a restart, so that it is one outage and one fail-over.

use super::outages::{Cause, Moment};
use crate::base::clock::{Now, Wall};
use crate::base::label::Label;

/// An instant that can be found again after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    boot_id: String,
    at: Moment,
    wall: Wall,
    /// Whether the wall clock was disciplined then.
    trusted: bool,
}

impl Mark {
    pub fn of(now: &Now, boot_id: &str, at: Moment) -> Mark {
        Mark { boot_id: boot_id.to_owned(), at, wall: wall(now, at), trusted: now.trusted }
    }

    /// On the clock of this boot. In another boot by the wall clock, and not where one of the two dates is no date: a box
    /// that woke up in 1970 has seen no outage of fifty years.
    pub fn moment(&self, now: &Now, boot_id: &str) -> Option<Moment> {
        if self.boot_id == boot_id {
            return Some(self.at);
        }
        let since = now.wall.as_millis() - self.wall.as_millis();
        (self.trusted == now.trusted && since >= 0).then(|| now.boot.as_millis() as Moment - since)
    }

    fn text(&self) -> String {
        format!("{} {} {} {}", self.boot_id, self.at, self.wall.as_millis(), u8::from(self.trusted))
    }

    fn parse<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Mark> {
        Some(Mark {
            boot_id: words.next()?.to_owned(),
            at: words.next()?.parse().ok()?,
            wall: Wall::from_millis(words.next()?.parse().ok()?),
            trusted: match words.next()? {
                "0" => false,
                "1" => true,
                _ => return None,
            },
        })
    }
}

/// The wall time of a moment, by today's relation of the two clocks.
pub fn wall(now: &Now, at: Moment) -> Wall {
    Wall::from_millis(now.wall.as_millis() - (now.boot.as_millis() as Moment - at))
}

/// What lasted when it was written down.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    pub outage: Option<(Cause, Mark)>,
    pub failover: Option<Mark>,
    /// The seconds of both were counted up to here; `None` when nobody had the time to say.
    pub counted: Option<Mark>,
}

impl Told {
    /// A line per thing; `None` when nothing lasts.
    pub fn text(&self) -> Option<String> {
        let mut text = String::from("1\n");
        if let Some((cause, mark)) = &self.outage {
            text += &format!("outage {} {}\n", cause.label(), mark.text());
        }
        for (name, mark) in [("failover", &self.failover), ("counted", &self.counted)] {
            if let Some(mark) = mark {
                text += &format!("{name} {}\n", mark.text());
            }
        }
        (self.outage.is_some() || self.failover.is_some()).then_some(text)
    }

    pub fn parse(text: &str) -> Option<Told> {
        let mut told = Told::default();
        for line in text.strip_prefix("1\n")?.lines() {
            let mut words = line.split(' ');
            match words.next()? {
                "outage" => {
                    let word = words.next()?;
                    let cause = *Cause::ALL.iter().find(|cause| cause.label() == word)?;
                    told.outage = Some((cause, Mark::parse(&mut words)?));
                }
                "failover" => told.failover = Some(Mark::parse(&mut words)?),
                "counted" => told.counted = Some(Mark::parse(&mut words)?),
                _ => return None,
            }
        }
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Boot;

    fn now(boot: u64, wall: i64, trusted: bool) -> Now {
        Now { boot: Boot::from_secs(boot), wall: Wall::from_millis(wall * 1000), trusted }
    }

    #[test]
    fn what_is_remembered_reads_back_and_nothing_else_does() {
        let mark = Mark::of(&now(100, 1_767_225_600, true), "abc", 40_000);
        let told = Told { outage: Some((Cause::Gateway, mark.clone())), failover: None, counted: Some(mark.clone()) };
        let text = told.text().unwrap();
        assert_eq!(text, "1\noutage gateway abc 40000 1767225540000 1\ncounted abc 40000 1767225540000 1\n");
        assert_eq!(Told::parse(&text), Some(told));
        let both = Told { outage: Some((Cause::Far, mark.clone())), failover: Some(mark), counted: None };
        assert_eq!(Told::parse(&both.text().unwrap()), Some(both));
        assert_eq!(Told::default().text(), None);
        for wrong in ["", "2\n", "1\noutage weather a 1 1 1\n", "1\noutage far a 1 1\n", "1\nfailover a 1 1 2\n"] {
            assert_eq!(Told::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_moment_is_found_again_by_the_boot_and_else_by_the_wall() {
        let mark = Mark::of(&now(100, 1_767_225_600, true), "abc", 40_000);
        assert_eq!(mark.moment(&now(500, 99, false), "abc"), Some(40_000), "a stepped wall does not matter");
        assert_eq!(mark.moment(&now(20, 1_767_225_700, true), "def"), Some(20_000 - 160_000));
        assert_eq!(mark.moment(&now(20, 1_767_225_700, false), "def"), None, "who knows what date it is");
        assert_eq!(mark.moment(&now(20, 1_767_225_000, true), "def"), None, "the future");
    }
}
