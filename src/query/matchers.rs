//! Label matchers, and Go's regular expressions said in Rust's dialect.

use crate::metric::labels::Labels;
use crate::query::{Compat, NAME, Refused};
use regex::Regex;
use std::fmt;

#[derive(Debug, Clone)]
enum Test {
    Is,
    IsNot,
    Like(Regex),
    Unlike(Regex),
}

#[derive(Debug, Clone)]
struct Matcher {
    label: String,
    test: Test,
    /// As written.
    value: String,
}

/// The matchers of one selector; a series must pass all. A label that a series lacks counts as empty.
#[derive(Debug, Clone)]
pub struct Matchers(Vec<Matcher>);

impl Matcher {
    fn accepts(&self, value: &str) -> bool {
        match &self.test {
            Test::Is => value == self.value,
            Test::IsNot => value != self.value,
            Test::Like(regex) => regex.is_match(value),
            Test::Unlike(regex) => !regex.is_match(value),
        }
    }
}

impl Matchers {
    pub(crate) fn read(
        name: Option<&str>,
        read: &promql_parser::label::Matchers,
        compat: Compat,
    ) -> Result<Matchers, Refused> {
        use promql_parser::label::MatchOp;
        if !read.or_matchers.is_empty() {
            return Err(Refused::Unsupported { what: "`or` between label matchers".into() });
        }
        let named = name.map(|name| Ok(Matcher { label: NAME.into(), test: Test::Is, value: name.into() })).into_iter();
        let others = read.matchers.iter().map(|m| {
            let test = match m.op {
                MatchOp::Equal => Test::Is,
                MatchOp::NotEqual => Test::IsNot,
                MatchOp::Re(_) => Test::Like(anchored(&m.value, compat)?),
                MatchOp::NotRe(_) => Test::Unlike(anchored(&m.value, compat)?),
            };
            Ok(Matcher { label: m.name.clone(), test, value: m.value.clone() })
        });
        named.chain(others).collect::<Result<_, _>>().map(Matchers)
    }

    /// The metric name if it is given plainly (`up`, `{__name__="up"}`).
    pub fn name(&self) -> Option<&str> {
        self.0.iter().find(|m| m.label == NAME && matches!(m.test, Test::Is)).map(|m| m.value.as_str())
    }

    /// Whether a series with these labels (`__name__` among them) is selected.
    pub fn accept(&self, labels: &Labels) -> bool {
        self.0.iter().all(|m| m.accepts(labels.get(&m.label).unwrap_or("")))
    }

    /// Whether a series of this metric name could be selected.
    pub(crate) fn may_be(&self, name: &str) -> bool {
        self.0.iter().filter(|m| m.label == NAME).all(|m| m.accepts(name))
    }

    /// The labels that `absent()` of this selector carries: those given by exactly one `=`, and not taken back by a
    /// later matcher of the same label.
    pub(crate) fn given(&self) -> Labels {
        let mut given: Vec<(&str, &str)> = Vec::new();
        let mut once: Vec<&str> = Vec::new();
        for m in self.0.iter().filter(|m| m.label != NAME) {
            given.retain(|(label, _)| *label != m.label);
            if matches!(m.test, Test::Is) && !once.contains(&m.label.as_str()) {
                once.push(&m.label);
                given.push((&m.label, &m.value));
            }
        }
        Labels::new(given)
    }
}

impl fmt::Display for Matchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, m) in self.0.iter().enumerate() {
            let op = match m.test {
                Test::Is => "=",
                Test::IsNot => "!=",
                Test::Like(_) => "=~",
                Test::Unlike(_) => "!~",
            };
            write!(f, "{}{}{op}\"", if i == 0 { "" } else { "," }, m.label)?;
            crate::metric::labels::escape(&m.value, f)?;
            f.write_str("\"")?;
        }
        f.write_str("}")
    }
}

/// Compiles a Go (RE2) expression, anchored at both ends as PromQL and relabelling demand.
///
/// # Errors
/// Go refuses it too, or Rust's dialect cannot say it.
pub fn anchored(pattern: &str, compat: Compat) -> Result<Regex, Refused> {
    let body = from_go(pattern)?;
    let flags = match compat {
        Compat::V2 => "",
        Compat::V3 => "s",
    };
    Regex::new(&format!("^(?{flags}:{body})$"))
        .map_err(|_| Refused::Broken { what: format!("illegal regular expression {pattern:?}") })
}

/// Where Rust's `regex` reads a valid Go expression otherwise, says it so that both mean the same, or refuses it:
/// `\d \w \s \b` are ASCII in Go; a `[` inside a class is a plain character there, and `&&`, `--`, `~~` no operators;
/// `\Q…\E` quotes; a `{` that starts no valid repetition is itself.
fn from_go(pattern: &str) -> Result<String, Refused> {
    let unsupported =
        |what: &str| Err(Refused::Unsupported { what: format!("{what} in the regular expression {pattern:?}") });
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut class = false;
    let mut class_start = 0;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let mut taken = c.len_utf8();
        match c {
            '\\' => {
                let Some(escaped) = after.chars().next() else {
                    out.push('\\');
                    break;
                };
                taken += escaped.len_utf8();
                match escaped {
                    'd' => out.push_str("[0-9]"),
                    'D' => out.push_str("[^0-9]"),
                    'w' => out.push_str("[0-9A-Za-z_]"),
                    'W' => out.push_str("[^0-9A-Za-z_]"),
                    's' => out.push_str("[\\t\\n\\x0C\\r ]"),
                    'S' => out.push_str("[^\\t\\n\\x0C\\r ]"),
                    'b' if !class => out.push_str("(?-u:\\b)"),
                    'B' => return unsupported("\\B"),
                    'C' => return unsupported("\\C"),
                    'Q' => {
                        let quoted = &after[1..];
                        let end = quoted.find("\\E");
                        let literal = &quoted[..end.unwrap_or(quoted.len())];
                        out.push_str(&regex::escape(literal));
                        taken += literal.len() + if end.is_some() { 2 } else { 0 };
                    }
                    other => {
                        out.push('\\');
                        out.push(other);
                    }
                }
            }
            '[' if !class => {
                class = true;
                let negated = after.starts_with('^');
                taken += usize::from(negated);
                class_start = rest.len() - taken;
                out.push_str(if negated { "[^" } else { "[" });
            }
            '[' if after.starts_with(':') && after.contains(":]") => {
                let end = after.find(":]").map_or(after.len(), |e| e + 2);
                out.push('[');
                out.push_str(&after[..end]);
                taken += end;
            }
            '[' => out.push_str("\\["),
            ']' if class && rest.len() == class_start => out.push_str("\\]"),
            ']' if class => {
                class = false;
                out.push(']');
            }
            '&' | '~' if class => {
                out.push('\\');
                out.push(c);
            }
            '-' if class && after.starts_with('-') => return unsupported("-- inside a class"),
            '{' if !class && !repeats(after) => out.push_str("\\{"),
            other => out.push(other),
        }
        rest = &rest[taken..];
    }
    Ok(out)
}

/// Whether what follows a `{` makes it a repetition in Go: `n}`, `n,}` or `n,m}`.
fn repeats(after: &str) -> bool {
    let Some((inside, _)) = after.split_once('}') else { return false };
    let (low, high) = inside.split_once(',').unwrap_or((inside, "0"));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    !low.is_empty() && digits(low) && digits(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_expression_means_what_go_means() {
        for (pattern, yes, no) in [
            ("a|bc", "bc", "abc"),
            ("\\d+", "12", "\u{0663}"),
            ("[\\w.]+", "a_9.", "ä"),
            ("[[a]+", "[a", "b"),
            ("[]a]", "]", "b"),
            ("[^]a]", "b", "]"),
            ("[[:digit:]x]+", "1x", "a"),
            ("a{,2}", "a{,2}", "aa"),
            ("a{bbb}c", "a{bbb}c", "abbbc"),
            ("a{1,2}", "aa", "aaa"),
            ("\\Qa.b\\E.", "a.bc", "axbc"),
            ("[a&&b]+", "&ab", "c"),
            ("cam\\.1", "cam.1", "camx1"),
        ] {
            let regex = anchored(pattern, Compat::V3).unwrap_or_else(|e| panic!("{pattern}: {e}"));
            assert!(regex.is_match(yes) && !regex.is_match(no), "{pattern} became {regex}");
        }
        assert!(matches!(anchored("a\\Bb", Compat::V3), Err(Refused::Unsupported { .. })));
        assert!(matches!(anchored("a(", Compat::V3), Err(Refused::Broken { .. })));
    }

    #[test]
    fn a_dot_matches_a_line_feed_only_in_prometheus_3() {
        assert!(anchored("a.b", Compat::V3).unwrap().is_match("a\nb"));
        assert!(!anchored("a.b", Compat::V2).unwrap().is_match("a\nb"));
    }
}
