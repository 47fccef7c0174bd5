//! Annotation and label templates: the part of Go's text/template that alert rules use, with Prometheus' functions.
//!
//! Text, `{{ pipelines }}` with trim markers and comments, `if`/`else if`/`else`/`with`/`end`, fields of `.`, the variables
//! that Prometheus predefines, texts, numbers, and the functions of [`functions::KNOWN`]. What Prometheus knows and this
//! does not (`range`, `query`, `define`, own variables …) is refused when the rule file is read, by its name, and
//! expands to the text that Prometheus shows for a template it cannot expand.

mod expand;
mod functions;
mod parse;

pub use expand::Given;

/// A parsed template.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    parsed: Result<Vec<Node>, Fault>,
    /// As written: two templates are the same when their texts are.
    text: String,
}

/// Why a template cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Prometheus refuses it too.
    #[error("{0}")]
    Wrong(String),
    /// Prometheus expands it; the box does not.
    #[error("{0} is not supported on the box")]
    Unsupported(String),
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Text(String),
    /// The value of a pipeline, printed.
    Put(Pipe),
    If {
        test: Pipe,
        yes: Vec<Node>,
        no: Vec<Node>,
        /// `with`: the value of `test` is `.` within `yes`.
        dot: bool,
    },
}

/// Commands whose value each becomes the last argument of the next.
type Pipe = Vec<Vec<Term>>;

#[derive(Debug, Clone, PartialEq)]
enum Term {
    /// `.` or `$`, `$labels`, …; and the fields after it.
    Path(Base, Vec<String>),
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Call(&'static str),
}

#[derive(Debug, Clone, PartialEq)]
enum Base {
    Dot,
    Root,
    Labels,
    Value,
    /// `$externalLabels` and `$externalURL`: always empty on the box.
    Nothing,
    Inner(Pipe),
}

impl Template {
    pub fn new(text: &str) -> Template {
        Template { parsed: parse::parse(text), text: text.to_owned() }
    }

    /// What is wrong with it, known before it is ever expanded.
    pub fn fault(&self) -> Option<&Fault> {
        self.parsed.as_ref().err()
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Expands for one series. A template that fails becomes `<error expanding template: …>`, as in Prometheus: an alarm
    /// with a broken description is better than none. `rule` is the rule's name, for that text.
    pub fn expand(&self, rule: &str, given: &Given<'_>) -> String {
        let failed = |doing: &str, why: &str| {
            format!(
                "<error expanding template: error {doing} template __alert_{rule}: template: __alert_{rule}: {why}>"
            )
        };
        match &self.parsed {
            Err(fault) => failed("parsing", &fault.to_string()),
            Ok(nodes) => expand::expand(nodes, given).unwrap_or_else(|why| failed("executing", &why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::labels::Labels;

    fn expand(text: &str) -> String {
        let labels = Labels::new([("__name__", "m"), ("x", "a"), ("inst", "h:90")]);
        Template::new(text).expand("A", &Given { labels: &labels, value: 12_345_678.5 })
    }

    #[test]
    fn pipelines_fields_and_trim_markers_expand() {
        for (text, wanted) in [
            ("plain", "plain"),
            ("{{ $value }}", "1.23456785e+07"),
            ("{{ .Value | humanize }}", "12.35M"),
            ("{{ $labels.nope }}|{{ .Labels.x }}", "|a"),
            ("{{/* c */}}x {{- $labels.x -}} y", "xay"),
            ("a {{- /* c */ -}} b", "ab"),
            ("{{ with $labels.x }}w{{ . }}{{ end }}", "wa"),
            ("{{ if eq $labels.x \"b\" }}1{{ else if eq $labels.x \"a\" }}2{{ else }}3{{ end }}", "2"),
            ("{{ $value | humanize | printf \"%s!\" | toUpper }}", "12.35M!"),
            ("{{ (printf \"%.1f\" .Value) }}", "12345678.5"),
            ("{{ $labels }}", "map[__name__:m inst:h:90 x:a]"),
            ("{{ index $labels \"x\" }} {{ len $labels.x }} {{ not true }}", "a 1 false"),
            ("{{ `a}}b` }}{{ \"\\u00e9\\n\" }}", "a}}bé\n"),
        ] {
            assert_eq!(expand(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_expanded_says_so_in_prometheus_words() {
        assert_eq!(
            expand("{{ range query \"up\" }}{{ end }}"),
            "<error expanding template: error parsing template __alert_A: template: __alert_A: \
             `range` is not supported on the box>"
        );
        for (text, why) in [
            ("{{ nonsense 1 }}", "function \"nonsense\" not defined"),
            ("{{ $x }}", "undefined variable \"$x\""),
            ("{{ if true }}", "unexpected EOF"),
            ("{{ end }}", "unexpected {{end}}"),
            ("{{ $value", "unclosed action"),
            ("{{ }}", "missing value for command"),
            ("{{ \"a }}", "unterminated quoted string"),
            ("{{ $value.x }}", "can't evaluate field x in type float64"),
            ("{{ .Foo }}", "can't evaluate field Foo"),
            ("{{ gt $value 5 }}", "incompatible types for comparison"),
            ("{{ humanize }}", "wrong number of args for humanize: want 1 got 0"),
            ("{{ $value | toUpper }}", "wrong type for value; expected string; got float64"),
        ] {
            let got = expand(text);
            assert!(got.starts_with("<error expanding template: error ") && got.contains(why), "{text}: {got}");
        }
    }
}
