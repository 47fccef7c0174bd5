//! Nodes and one series to text.

use super::functions;
use super::{Base, Node, Pipe, Term};
use crate::alert::humanize::general;
use crate::metric::labels::Labels;

/// What a template is expanded for.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// Labels of the series that the expression returned, `__name__` included where PromQL keeps it.
    pub labels: &'a Labels,
    pub value: f64,
}

/// A value while it passes through a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Float(f64),
    Int(i64),
    Bool(bool),
    Labels(Labels),
    /// `.` at the root: a struct with the fields `Labels`, `Value`, `ExternalLabels` and `ExternalURL`.
    Root,
}

impl Value {
    /// As Go names its type.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "string",
            Value::Float(_) => "float64",
            Value::Int(_) => "int",
            Value::Bool(_) => "bool",
            Value::Labels(_) => "map[string]string",
            Value::Root => "struct",
        }
    }
    /// Go's idea of truth: neither zero nor empty.
    pub fn truth(&self) -> bool {
        match self {
            Value::Text(text) => !text.is_empty(),
            Value::Float(number) => *number != 0.0,
            Value::Int(number) => *number != 0,
            Value::Bool(truth) => *truth,
            Value::Labels(labels) => !labels.is_empty(),
            Value::Root => true,
        }
    }
    /// As Go's `%v` prints it.
    pub fn show(&self) -> String {
        match self {
            Value::Text(text) => text.clone(),
            Value::Float(number) => general(*number, None),
            Value::Int(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Labels(labels) => {
                let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}:{value}")).collect();
                format!("map[{}]", pairs.join(" "))
            }
            Value::Root => String::new(),
        }
    }
}

pub(super) fn expand(nodes: &[Node], given: &Given<'_>) -> Result<String, String> {
    let mut out = String::new();
    put(nodes, &Value::Root, given, &mut out)?;
    Ok(out)
}

fn put(nodes: &[Node], dot: &Value, given: &Given<'_>, out: &mut String) -> Result<(), String> {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Put(pipe) => match run(pipe, dot, given)? {
                Value::Root => {
                    let (labels, value) = (Value::Labels(given.labels.clone()), general(given.value, None));
                    out.push_str(&format!("{{{} map[]  {value}}}", labels.show()));
                }
                value => out.push_str(&value.show()),
            },
            Node::If { test, yes, no, dot: with } => {
                let value = run(test, dot, given)?;
                let (branch, inner) = if value.truth() { (yes, &value) } else { (no, dot) };
                put(branch, if *with { inner } else { dot }, given, out)?;
            }
        }
    }
    Ok(())
}

fn run(pipe: &Pipe, dot: &Value, given: &Given<'_>) -> Result<Value, String> {
    let mut last = None;
    for command in pipe {
        last = Some(self::command(command, last, dot, given)?);
    }
    last.ok_or_else(|| "missing value for command".to_owned())
}

fn command(terms: &[Term], last: Option<Value>, dot: &Value, given: &Given<'_>) -> Result<Value, String> {
    let Some((first, arguments)) = terms.split_first() else { return Err("missing value for command".to_owned()) };
    if let Term::Call(name) = first {
        let mut values = arguments.iter().map(|t| term(t, dot, given)).collect::<Result<Vec<_>, _>>()?;
        values.extend(last);
        return functions::call(name, &values);
    }
    if arguments.is_empty() && last.is_none() {
        return term(first, dot, given);
    }
    Err("can't give argument to non-function".to_owned())
}

fn term(term: &Term, dot: &Value, given: &Given<'_>) -> Result<Value, String> {
    let (base, fields) = match term {
        Term::Text(text) => return Ok(Value::Text(text.clone())),
        Term::Int(number) => return Ok(Value::Int(*number)),
        Term::Float(number) => return Ok(Value::Float(*number)),
        Term::Bool(truth) => return Ok(Value::Bool(*truth)),
        Term::Call(name) => return functions::call(name, &[]),
        Term::Path(base, fields) => (base, fields),
    };
    let mut value = match base {
        Base::Dot => dot.clone(),
        Base::Root => Value::Root,
        Base::Labels => Value::Labels(given.labels.clone()),
        Base::Value => Value::Float(given.value),
        Base::Nothing => Value::Labels(Labels::default()),
        Base::Inner(pipe) => run(pipe, dot, given)?,
    };
    for field in fields {
        value = match (&value, field.as_str()) {
            (Value::Root, "Labels") => Value::Labels(given.labels.clone()),
            (Value::Root, "Value") => Value::Float(given.value),
            (Value::Root, "ExternalLabels") => Value::Labels(Labels::default()),
            (Value::Root, "ExternalURL") => Value::Text(String::new()),
            (Value::Labels(labels), name) => Value::Text(labels.get(name).unwrap_or_default().to_owned()),
            (other, name) => return Err(format!("can't evaluate field {name} in type {}", other.kind())),
        };
    }
    Ok(value)
}
