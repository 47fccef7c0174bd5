//! Attribute lists (RFC 8216 section 4.2).

/// Attributes of one tag at most: a date range with every attribute of the RFC has a dozen.
const MOST: usize = 64;

/// The attributes of one tag, in their order; values without their quotation marks.
#[derive(Debug, Default)]
pub(super) struct Attributes<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Attributes<'a> {
    /// `None` when the text is no attribute list. Lower-case names are taken: cue tags in use have them.
    pub(super) fn read(text: &'a str) -> Option<Attributes<'a>> {
        let mut list = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (name, after) = rest.split_once('=')?;
            let name = name.trim();
            let known = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            if name.is_empty() || !name.bytes().all(known) || list.len() == MOST {
                return None;
            }
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => {
                    let (value, after) = quoted.split_once('"')?;
                    let after = after.trim_start();
                    (value, if after.is_empty() { "" } else { after.strip_prefix(',')? })
                }
                None => after.split_once(',').unwrap_or((after, "")),
            };
            list.push((name, value.trim()));
            rest = after.trim_start();
        }
        Some(Attributes(list))
    }

    /// The first value of that name, in any case.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().copied()
    }
}

/// Seconds, at most 10 million (115 days), so that sums stay numbers.
pub(super) fn seconds(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|s| (0.0..=1e7).contains(s))
}

/// Milliseconds since the Unix epoch of an ISO 8601 date with its zone (section 4.3.2.6).
pub(super) fn date(text: &str) -> Option<i64> {
    let text = text.trim().trim_matches('"');
    text.parse::<jiff::Timestamp>().ok().map(|t| t.as_millisecond())
}
