//! Numbers as a technician reads them, and columns that stand under each other.

/// `1.52 Mbit/s`: three figures and the unit that keeps them short.
pub(super) fn bitrate(bits: f64) -> String {
    let (value, unit) = match bits {
        b if b >= 1e6 => (b / 1e6, "Mbit/s"),
        b if b >= 1e3 => (b / 1e3, "kbit/s"),
        b => (b, "bit/s"),
    };
    let places = if value >= 100.0 || unit == "bit/s" { 0 } else { 2 - usize::from(value >= 10.0) };
    format!("{value:.places$} {unit}")
}

/// `10.0 s`, `4 min 05 s`, `1 h 02 min`.
pub(super) fn span(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..120 => format!("{seconds:.1} s"),
        120..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `3 faults`, `1 fault`.
pub(super) fn count(n: u64, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

/// Rows under a title, indented; columns as wide as their widest cell, those of `right` flush right.
pub(super) fn table(title: &str, right: &[usize], rows: &[Vec<String>]) -> String {
    let width = |n: usize| rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let mut text = format!("{title}\n");
    for row in rows {
        let mut line = String::from("  ");
        for (n, cell) in row.iter().enumerate() {
            let width = width(n);
            line.push_str(&if right.contains(&n) { format!("{cell:>width$}  ") } else { format!("{cell:<width$}  ") });
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Lines of at most `most` characters, broken between words.
pub(super) fn wrap(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_figures_and_a_fitting_unit() {
        let rates = [0.0, 512.0, 1_504.0, 131_072.0, 1_522_800.0, 24_960_000.0].map(bitrate);
        assert_eq!(rates, ["0 bit/s", "512 bit/s", "1.50 kbit/s", "131 kbit/s", "1.52 Mbit/s", "25.0 Mbit/s"]);
        assert_eq!([9.96, 245.0, 3_720.0].map(span), ["10.0 s", "4 min 05 s", "1 h 02 min"]);
    }

    #[test]
    fn columns_stand_under_each_other_and_lines_break_between_words() {
        let rows = [vec!["a".to_owned(), "10".to_owned()], vec!["long".to_owned(), "5".to_owned(), "x".to_owned()]];
        assert_eq!(table("T", &[1], &rows), "T\n  a     10\n  long   5  x\n");
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    }
}
