//! Where segments lie: `/var/rec/yard/%Y-%m-%d/%H/*.mp4`. A fixed part, then parts with wildcards and parts of a date.
//!
//! As in strftime(3): `%Y %m %d %H %M %S`, `%j` day of the year, `%s` Unix seconds, `%F` and `%T` for `%Y-%m-%d` and
//! `%H:%M:%S`, and `%f` for a fraction of a second (MediaMTX). `*` is anything, `?` one character, `%d`-like counters of
//! FFmpeg (`%05d`) are written `*`: `%d` is the day of the month.

use crate::wire::container::Container;
use std::fmt;
use std::path::{Component, Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
    DayOfYear,
    Hour,
    Minute,
    Second,
    Unix,
    Fraction,
}

impl Field {
    fn of(letter: char) -> Option<&'static [Token]> {
        use Field::{Day, DayOfYear, Fraction, Hour, Minute, Month, Second, Unix, Year};
        use Token::{Date, Text};
        Some(match letter {
            'Y' => &[Date(Year)],
            'm' => &[Date(Month)],
            'd' => &[Date(Day)],
            'j' => &[Date(DayOfYear)],
            'H' => &[Date(Hour)],
            'M' => &[Date(Minute)],
            'S' => &[Date(Second)],
            's' => &[Date(Unix)],
            'f' => &[Date(Fraction)],
            'F' => &[Date(Year), Text('-'), Date(Month), Text('-'), Date(Day)],
            'T' => &[Date(Hour), Text(':'), Date(Minute), Text(':'), Date(Second)],
            '%' => &[Text('%')],
            _ => return None,
        })
    }

    /// Digits: at least and at most.
    fn width(self) -> (usize, usize) {
        match self {
            Field::Year => (4, 4),
            Field::DayOfYear => (3, 3),
            Field::Unix => (9, 12),
            Field::Fraction => (1, 9),
            Field::Month | Field::Day | Field::Hour | Field::Minute | Field::Second => (2, 2),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Text(char),
    Any,
    One,
    Date(Field),
}

/// What the names on a path say of time. In this order it sorts as time does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Date {
    unix: Option<i64>,
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    day_of_year: Option<i16>,
    hour: Option<i8>,
    minute: Option<i8>,
    second: Option<i8>,
    fraction: Option<u32>,
}

impl Date {
    fn set(&mut self, field: Field, digits: &str) -> Option<()> {
        let number: i64 = digits.parse().ok()?;
        let small = i8::try_from(number).ok();
        match field {
            Field::Year => self.year = i16::try_from(number).ok(),
            Field::Month => self.month = small,
            Field::Day => self.day = small,
            Field::DayOfYear => self.day_of_year = i16::try_from(number).ok(),
            Field::Hour => self.hour = small,
            Field::Minute => self.minute = small,
            Field::Second => self.second = small,
            Field::Unix => self.unix = Some(number),
            Field::Fraction => self.fraction = format!("{digits:0<9}").parse().ok(),
        }
        Some(())
    }

    /// Unix seconds, of a local time as if it were UTC; `None` unless it says so to the second.
    pub(super) fn seconds(&self) -> Option<(Clock, i64)> {
        if let Some(unix) = self.unix {
            return Some((Clock::Unix, unix));
        }
        let year = self.year?;
        let date = match self.day_of_year {
            Some(day) => jiff::civil::Date::new(year, 1, 1).ok()?.checked_add(jiff::Span::new().days(day - 1)).ok()?,
            None => jiff::civil::Date::new(year, self.month?, self.day?).ok()?,
        };
        // A leap second is the last of its minute twice.
        let time = jiff::civil::Time::new(self.hour?, self.minute?, self.second?.min(59), 0).ok()?;
        let utc = date.to_datetime(time).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some((Clock::Civil, utc.timestamp().as_second()))
    }
}

/// How a date is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// Seconds since 1970, wherever the machine is.
    Unix,
    /// By a calendar, in some time zone.
    Civil,
}

/// A part of a path between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part(Vec<Token>);

impl Part {
    fn parse(text: &str) -> Result<Part, String> {
        let mut tokens = Vec::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '*' if tokens.last() == Some(&Token::Any) => {}
                '*' => tokens.push(Token::Any),
                '?' => tokens.push(Token::One),
                '%' => {
                    let letter = letters.next();
                    let field = letter.and_then(Field::of);
                    let said = || format!("`%{}` is not known", letter.map_or(String::new(), String::from));
                    tokens.extend_from_slice(field.ok_or_else(said)?);
                }
                letter => tokens.push(Token::Text(letter)),
            }
        }
        Ok(Part(tokens))
    }

    fn fixed(&self) -> bool {
        self.0.iter().all(|token| matches!(token, Token::Text(_)))
    }

    /// Adds to `date` what a name says of it; `None` when the name does not fit.
    fn fits(&self, name: &str, date: &Date) -> Option<Date> {
        let mut tries = 1000; // a name of 255 bytes against many stars
        fit(&self.0, name, *date, &mut tries)
    }
}

fn fit(tokens: &[Token], name: &str, date: Date, tries: &mut u32) -> Option<Date> {
    *tries = tries.checked_sub(1)?;
    let Some((token, rest)) = tokens.split_first() else { return name.is_empty().then_some(date) };
    let next = name.chars().next();
    match token {
        Token::Text(letter) => (next? == *letter).then(|| fit(rest, &name[letter.len_utf8()..], date, tries))?,
        Token::One => fit(rest, &name[next?.len_utf8()..], date, tries),
        Token::Any if rest.is_empty() => Some(date),
        Token::Any => {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().find_map(|at| fit(rest, &name[at..], date, tries))
        }
        Token::Date(field) => {
            let (least, most) = field.width();
            let digits = name.bytes().take(most).take_while(u8::is_ascii_digit).count();
            (least..=digits).rev().find_map(|width| {
                let mut date = date;
                date.set(*field, &name[..width])?;
                fit(rest, &name[width..], date, tries)
            })
        }
    }
}

/// What a directory or a segment is sorted by: its date so far, then its name.
pub(super) type Key = (Date, String);

/// Keys from the base down: how segments of one recording are ordered.
pub(super) type Order = Vec<Key>;

/// What the names so far say of time.
pub(super) fn date_of(order: &[Key]) -> Date {
    order.last().map_or(Date::default(), |key| key.0)
}

/// Where the segments of one camera lie.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    /// The part without wildcards.
    pub(super) base: PathBuf,
    /// Of the directories below the base.
    levels: Vec<Part>,
    /// Of the names of segments; without one, every name with the ending of a container.
    file: Option<Part>,
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    /// A path whose last part has no wildcard and no ending of a container is a directory.
    ///
    /// # Errors
    /// What cannot be understood.
    pub(super) fn parse(path: &Path) -> Result<Pattern, String> {
        let text = path.to_str().ok_or("the path is no UTF-8")?;
        let (mut base, mut levels) = (PathBuf::new(), Vec::new());
        for component in path.components() {
            match component {
                Component::ParentDir => return Err("a path with `..` may lead elsewhere over a link".to_owned()),
                Component::Normal(name) => {
                    let part = Part::parse(name.to_str().unwrap_or(""))?;
                    if levels.is_empty() && part.fixed() && Container::of_name(&name.to_string_lossy()).is_none() {
                        base.push(name);
                    } else {
                        levels.push(part);
                    }
                }
                other => base.push(other),
            }
        }
        if !base.is_absolute() {
            return Err("the path does not begin with a slash".to_owned());
        }
        let file = levels.pop();
        if levels.len() > 6 {
            return Err("more than six directories have wildcards".to_owned());
        }
        Ok(Pattern { text: text.to_owned(), base, levels, file })
    }

    /// Directories between the base and a segment.
    pub(super) fn depth(&self) -> usize {
        self.levels.len()
    }

    /// The key of a directory of that level, counted from 0 in the base; `above` is the key of the one that it is in.
    pub(super) fn directory(&self, level: usize, name: &str, above: &Date) -> Option<Key> {
        let date = self.levels.get(level)?.fits(name, above)?;
        // The root's own, on every ext file system, where a part is `*`.
        (!name.starts_with('.') && name != "lost+found").then(|| (date, name.to_owned()))
    }

    /// The key of a segment.
    pub(super) fn segment(&self, name: &str, above: &Date) -> Option<Key> {
        let date = match &self.file {
            Some(part) => part.fits(name, above)?,
            None => Container::of_name(name).map(|_| *above)?,
        };
        (!name.starts_with('.')).then(|| (date, name.to_owned()))
    }

    /// The keys of the directories down to this one; `None` for one that does not fit.
    pub(super) fn order_of(&self, directory: &Path) -> Option<Order> {
        let below = directory.strip_prefix(&self.base).ok()?;
        let mut order = Order::new();
        for (level, name) in below.iter().enumerate() {
            order.push(self.directory(level, name.to_str()?, &date_of(&order))?);
        }
        Some(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(Path::new(text)).unwrap()
    }

    /// The seconds that a path below `/r` says.
    fn seconds(text: &str, path: &str) -> Option<(Clock, i64)> {
        let (pattern, path) = (pattern(text), Path::new(path));
        let date = date_of(&pattern.order_of(path.parent()?)?);
        pattern.segment(path.file_name()?.to_str()?, &date)?.0.seconds()
    }

    #[test]
    fn the_fixed_part_is_the_base_and_the_rest_is_matched() {
        let p = pattern("/var/rec/yard/%Y-%m-%d/%H/*.mp4");
        assert_eq!((p.base.to_str(), p.depth()), (Some("/var/rec/yard"), 2));
        let level = |directory: &str| p.order_of(Path::new(directory)).map(|order| order.len());
        assert_eq!(
            ["", "/2026-01-02", "/2026-01-02/07"].map(|d| level(&format!("/var/rec/yard{d}"))),
            [0, 1, 2].map(Some)
        );
        assert_eq!(["/var/rec/gate", "/var/rec/yard/x", "/var/rec/yard/2026-01-02/07/x"].map(level), [None; 3]);
        assert!(p.directory(0, "2026-01-02", &Date::default()).is_some());
        for wrong in ["2026-1-02", "2026-01-02x", "lost+found", "x2026-01-02"] {
            assert!(p.directory(0, wrong, &Date::default()).is_none(), "{wrong}");
        }
        assert!(p.segment("a.mp4", &Date::default()).is_some());
        assert!(p.segment(".a.mp4", &Date::default()).is_none() && p.segment("a.mp4.tmp", &Date::default()).is_none());
        let p = pattern("/var/rec/yard");
        assert_eq!((p.base.to_str(), p.depth()), (Some("/var/rec/yard"), 0));
        assert!(p.segment("a.ts", &Date::default()).is_some() && p.segment("a.txt", &Date::default()).is_none());
        let p = pattern("/var/rec/yard.mp4");
        assert_eq!((p.base.to_str(), p.segment("yard.mp4", &Date::default()).is_some()), (Some("/var/rec"), true));
    }

    #[test]
    fn a_path_tells_the_second_at_which_its_segment_began() {
        let at = |n| Some((Clock::Civil, n));
        assert_eq!(seconds("/r/%Y-%m-%d/%H/%M.%S.mp4", "/r/2026-01-01/00/00.10.mp4"), at(1_767_225_610));
        assert_eq!(seconds("/r/%F_%T*.ts", "/r/2026-01-01_00:00:10-x.ts"), at(1_767_225_610));
        assert_eq!(seconds("/r/%Y/%j/%H%M%S-%f.ts", "/r/2026/002/000000-123456.ts"), at(1_767_312_000));
        assert_eq!(seconds("/r/c1-%s.mkv", "/r/c1-1767225610.mkv"), Some((Clock::Unix, 1_767_225_610)));
        assert_eq!(seconds("/r/%Y%m%d%H%M.ts", "/r/202601010000.ts"), None, "not to the second");
        assert_eq!(seconds("/r/%Y%m%d%H%M%S.ts", "/r/20261301000000.ts"), None, "no such month");
        assert_eq!(seconds("/r/*.ts", "/r/20260101000000.ts"), None);
    }

    #[test]
    fn segments_sort_by_date_and_then_by_name() {
        let p = pattern("/r/%d.%m.%Y-%H-%M-%S*.ts");
        let key = |name: &str| p.segment(name, &Date::default()).unwrap();
        assert!(key("31.12.2025-23-59-59.ts") < key("01.01.2026-00-00-00.ts"));
        assert!(key("01.01.2026-00-00-00a.ts") < key("01.01.2026-00-00-00b.ts"));
    }

    #[test]
    fn what_cannot_be_understood_is_said() {
        for (wrong, why) in [
            ("/r/%Q.ts", "`%Q` is not known"),
            ("/r/100%", "`%` is not known"),
            ("rec/*.ts", "slash"),
            ("/r/../x", "`..`"),
            ("/r/*/*/*/*/*/*/*/*.ts", "six"),
        ] {
            let said = Pattern::parse(Path::new(wrong)).unwrap_err();
            assert!(said.contains(why), "{wrong}: {said}");
        }
    }

    #[test]
    fn many_stars_against_a_long_name_end_soon() {
        let p = pattern("/r/*a*a*a*a*a*a*a*a*a*b.ts");
        assert!(p.segment(&"a".repeat(250), &Date::default()).is_none());
    }
}
