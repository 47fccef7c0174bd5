//! The functions that templates may call: Prometheus' own that need no server, and text/template's comparisons.

use super::expand::Value;
use crate::alert::humanize;
use std::cmp::Ordering;

/// Every function there is.
pub(super) const KNOWN: &[&str] = &[
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "toUpper",
    "toLower",
    "title",
    "stripPort",
    "match",
    "reReplaceAll",
    "printf",
    "print",
    "println",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "and",
    "or",
    "not",
    "len",
    "index",
];

pub(super) fn call(name: &str, given: &[Value]) -> Result<Value, String> {
    let takes = |wanted: usize| match given.len() {
        got if got == wanted => Ok(()),
        got => Err(format!("wrong number of args for {name}: want {wanted} got {got}")),
    };
    let text = |at: usize| match &given[at] {
        Value::Text(text) => Ok(text.as_str()),
        other => Err(format!("wrong type for value; expected string; got {}", other.kind())),
    };
    let number = || {
        takes(1)?;
        self::number(&given[0]).map_err(|why| format!("error calling {name}: {why}"))
    };
    let some = || {
        if given.is_empty() { Err(format!("wrong number of args for {name}: want at least 1 got 0")) } else { Ok(()) }
    };
    Ok(match name {
        "humanize" => Value::Text(humanize::humanize(number()?)),
        "humanize1024" => Value::Text(humanize::humanize1024(number()?)),
        "humanizeDuration" => Value::Text(humanize::duration(number()?)),
        "humanizePercentage" => Value::Text(humanize::percentage(number()?)),
        "humanizeTimestamp" => {
            Value::Text(humanize::timestamp(number()?).map_err(|why| format!("error calling {name}: {why}"))?)
        }
        "toUpper" => takes(1).and_then(|()| text(0)).map(|t| Value::Text(t.to_uppercase()))?,
        "toLower" => takes(1).and_then(|()| text(0)).map(|t| Value::Text(t.to_lowercase()))?,
        "title" => takes(1).and_then(|()| text(0)).map(|t| Value::Text(title(t)))?,
        "stripPort" => takes(1).and_then(|()| text(0)).map(|t| Value::Text(strip_port(t)))?,
        "match" => {
            takes(2)?;
            Value::Bool(regex(text(0)?, name)?.is_match(text(1)?))
        }
        "reReplaceAll" => {
            takes(3)?;
            Value::Text(regex(text(0)?, name)?.replace_all(text(2)?, text(1)?).into_owned())
        }
        "printf" => {
            some()?;
            Value::Text(printf(text(0)?, &given[1..]))
        }
        "print" | "println" => Value::Text(print(given, name == "println")),
        "eq" => {
            some()?;
            let mut same = false;
            for other in &given[1..] {
                same = same || compare(&given[0], other)? == Some(Ordering::Equal);
            }
            Value::Bool(same)
        }
        "ne" => {
            takes(2).and_then(|()| compare(&given[0], &given[1])).map(|o| Value::Bool(o != Some(Ordering::Equal)))?
        }
        "lt" | "le" | "gt" | "ge" => {
            takes(2)?;
            let order = compare(&given[0], &given[1])?;
            // As in Go, `gt` is "not le" and `ge` is "not lt": both hold for NaN.
            let less = order == Some(Ordering::Less);
            let at_most = less || order == Some(Ordering::Equal);
            Value::Bool(match name {
                "lt" => less,
                "le" => at_most,
                "gt" => !at_most,
                _ => !less,
            })
        }
        "and" | "or" => {
            some()?;
            let decides = |v: &&Value| v.truth() == (name == "or");
            given.iter().find(decides).or(given.last()).cloned().unwrap_or(Value::Bool(false))
        }
        "not" => takes(1).map(|()| Value::Bool(!given[0].truth()))?,
        "len" => {
            takes(1)?;
            match &given[0] {
                Value::Text(text) => Value::Int(text.len() as i64),
                Value::Labels(labels) => Value::Int(labels.iter().len() as i64),
                other => return Err(format!("len of type {}", other.kind())),
            }
        }
        "index" => {
            takes(2)?;
            match &given[0] {
                Value::Labels(labels) => Value::Text(labels.get(text(1)?).unwrap_or_default().to_owned()),
                other => return Err(format!("can't index item of type {}", other.kind())),
            }
        }
        other => return Err(format!("function {other:?} not defined")),
    })
}

/// Prometheus reads texts as numbers here.
fn number(value: &Value) -> Result<f64, String> {
    match value {
        Value::Float(number) => Ok(*number),
        Value::Int(number) => Ok(*number as f64),
        Value::Text(text) => text.parse().map_err(|_| format!("strconv.ParseFloat: parsing {text:?}: invalid syntax")),
        other => Err(format!("can't convert {} to float", other.kind())),
    }
}

/// text/template compares only values of one basic kind: a float with an int literal is an error in Go too.
fn compare(a: &Value, b: &Value) -> Result<Option<Ordering>, String> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Ok(Some(a.cmp(b))),
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b)),
        (Value::Int(a), Value::Int(b)) => Ok(Some(a.cmp(b))),
        (Value::Bool(a), Value::Bool(b)) => Ok(Some(a.cmp(b))),
        (Value::Labels(_) | Value::Root, _) | (_, Value::Labels(_) | Value::Root) => {
            Err("invalid type for comparison".to_owned())
        }
        _ => Err("incompatible types for comparison".to_owned()),
    }
}

fn regex(pattern: &str, name: &str) -> Result<regex::Regex, String> {
    regex::Regex::new(pattern).map_err(|_| format!("error calling {name}: error parsing regexp: `{pattern}`"))
}

/// The first letter of each word in upper case; a word ends at anything but letters, digits, `_` and `'` in ASCII, and
/// at a space elsewhere (Go's strings.Title).
fn title(text: &str) -> String {
    let mut before = ' ';
    let raise = |c: char| {
        let parts = if before.is_ascii() {
            !before.is_ascii_alphanumeric() && before != '_'
        } else {
            !before.is_alphanumeric() && before.is_whitespace()
        };
        before = c;
        if parts { c.to_uppercase().collect::<String>() } else { c.to_string() }
    };
    text.chars().map(raise).collect()
}

/// `host:port` to `host`; anything else as it is (Go's net.SplitHostPort, brackets of IPv6 go too).
fn strip_port(text: &str) -> String {
    if let Some((host, _)) = text.strip_prefix('[').and_then(|t| t.split_once("]:")) {
        return host.to_owned();
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') && !host.contains(['[', ']']) => host.to_owned(),
        _ => text.to_owned(),
    }
}

/// Go's Sprint puts a space between operands when neither is a text; Sprintln always does.
fn print(given: &[Value], line: bool) -> String {
    let mut out = String::new();
    for (at, value) in given.iter().enumerate() {
        let texts = at > 0 && (matches!(value, Value::Text(_)) || matches!(given[at - 1], Value::Text(_)));
        if at > 0 && (line || !texts) {
            out.push(' ');
        }
        out.push_str(&value.show());
    }
    if line {
        out.push('\n');
    }
    out
}

/// One `%` directive.
#[derive(Default)]
struct Directive {
    minus: bool,
    plus: bool,
    space: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// Widest field and finest precision that is honoured: beyond it a label would be padding only.
const WIDEST: usize = 100;

/// Go's Sprintf for the verbs v s q d f F e g t x X and %%, with flags, width and precision.
fn printf(format: &str, given: &[Value]) -> String {
    let (mut out, mut chars, mut next) = (String::new(), format.chars().peekable(), 0);
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut directive = Directive::default();
        while let Some(flag) = chars.next_if(|c| matches!(c, '-' | '+' | ' ' | '0' | '#')) {
            match flag {
                '-' => directive.minus = true,
                '+' => directive.plus = true,
                ' ' => directive.space = true,
                '0' => directive.zero = true,
                _ => {}
            }
        }
        let digits = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut number = 0_usize;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                chars.next();
                number = (number * 10 + digit as usize).min(WIDEST);
            }
            number
        };
        directive.width = digits(&mut chars);
        if chars.next_if_eq(&'.').is_some() {
            directive.precision = Some(digits(&mut chars));
        }
        match chars.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match given.get(next) {
                None => out.push_str(&format!("%!{verb}(MISSING)")),
                Some(value) => {
                    next += 1;
                    out.push_str(&directive.show(verb, value));
                }
            },
        }
    }
    if next < given.len() {
        let extra: Vec<_> = given[next..].iter().map(|v| format!("{}={}", v.kind(), v.show())).collect();
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

impl Directive {
    fn show(&self, verb: char, value: &Value) -> String {
        let body = match (verb, value) {
            ('v' | 'g' | 'G', Value::Float(n)) => self.signed(*n, humanize::general(n.abs(), self.precision)),
            ('f' | 'F', Value::Float(n)) => {
                self.signed(*n, finite(*n, |n| format!("{n:.*}", self.precision.unwrap_or(6))))
            }
            ('e', Value::Float(n)) => {
                self.signed(*n, finite(*n, |n| humanize::exponential(n, self.precision.unwrap_or(6))))
            }
            ('v' | 'd', Value::Int(n)) => self.signed(*n as f64, n.unsigned_abs().to_string()),
            ('x', Value::Int(n)) => self.signed(*n as f64, format!("{:x}", n.unsigned_abs())),
            ('X', Value::Int(n)) => self.signed(*n as f64, format!("{:X}", n.unsigned_abs())),
            ('v' | 's', Value::Text(text)) => text.chars().take(self.precision.unwrap_or(usize::MAX)).collect(),
            ('q', Value::Text(text)) => format!("{text:?}"),
            ('v' | 't', Value::Bool(truth)) => truth.to_string(),
            ('v', other) => other.show(),
            // Go prints the value by the rules of the flags given.
            (verb, value) => return format!("%!{verb}({}={})", value.kind(), self.show('v', value)),
        };
        let missing = self.width.saturating_sub(body.chars().count());
        if self.minus {
            return body + &" ".repeat(missing);
        }
        let number = matches!(value, Value::Float(n) if n.is_finite()) || matches!(value, Value::Int(_));
        if self.zero && number {
            let sign = usize::from(body.starts_with(['-', '+', ' ']));
            return format!("{}{}{}", &body[..sign], "0".repeat(missing), &body[sign..]);
        }
        " ".repeat(missing) + &body
    }

    /// Puts the sign before the digits of the absolute value.
    fn signed(&self, number: f64, digits: String) -> String {
        let digits = digits.trim_start_matches('+');
        match number {
            n if n.is_sign_negative() && !n.is_nan() => format!("-{digits}"),
            _ if self.plus || number == f64::INFINITY => format!("+{digits}"),
            _ if self.space => format!(" {digits}"),
            _ => digits.to_owned(),
        }
    }
}

fn finite(number: f64, show: impl FnOnce(f64) -> String) -> String {
    if number.is_finite() { show(number.abs()) } else { humanize::general(number.abs(), None) }
}
