//! From text to plan: parse, walk the tree once, type every node, and refuse by name what is not evaluated here.

use crate::query::matchers::{Matchers, anchored};
use crate::query::plan::{By, Fold, Group, On, Op, Plan, Range, Scalar, Selector, SetOp, Vector};
use crate::query::{Compat, LOOKBACK, Refused, Selection, functions, over};
use promql_parser::label::Labels as Names;
use promql_parser::parser::token::{self, TokenId, TokenType};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{self, Expr as Ast, LabelModifier, Offset, VectorMatchCardinality, VectorSelector};
use std::time::Duration;

/// Longest text that is read, in bytes: the parser works in memory proportional to it.
const LONGEST: usize = 16 * 1024;

/// Deepest nesting, in nodes; the walk and the evaluation use the stack.
const DEEPEST: usize = 128;

/// Most instants at which one expression evaluates a part of itself, over all its subqueries nested in each other.
const MOST_STEPS: i64 = 11_000;

/// Longest range or offset: 100 years in ms, so that no sum of them overflows.
const LONGEST_SPAN: u128 = 100 * 365 * 24 * 3600 * 1000;

pub(crate) fn check(text: &str, compat: Compat) -> Result<(Plan, Vec<Selection>), Refused> {
    if text.len() > LONGEST {
        return Err(unsupported(format!("an expression longer than {LONGEST} bytes")));
    }
    // The parser panics on a duration that is too long for its type (`[1e30]`).
    let ast = std::panic::catch_unwind(|| parser::parse(text))
        .unwrap_or_else(|_| Err("the parser stumbled over it: a duration out of range".into()))
        .map_err(|what| explain(what, compat))?;
    let mut walk = Walk { compat, selections: Vec::new(), depth: 0, back: 0, steps: 1 };
    let plan = match ast.value_type() {
        ValueType::Scalar => Plan::Scalar(walk.scalar(&ast)?),
        ValueType::Vector => Plan::Vector(walk.vector(&ast)?),
        ValueType::String => Plan::Text(text_of(&ast)?),
        ValueType::Matrix => {
            walk.range(&ast)?;
            return Err(broken("a range vector is no result; a function such as rate() must take it".into()));
        }
    };
    Ok((plan, walk.selections))
}

/// The parser knows fewer regular expressions and names than Prometheus does.
fn explain(what: String, compat: Compat) -> Refused {
    if let Some(pattern) = what.strip_prefix("illegal regex for ") {
        return match anchored(pattern, compat) {
            Ok(_) => unsupported(format!("the regular expression {pattern:?}")),
            Err(refused) => refused,
        };
    }
    if what.contains("'holt_winters'") {
        return unsupported("holt_winters()".into());
    }
    Refused::Broken { what }
}

fn broken(what: String) -> Refused {
    Refused::Broken { what }
}

fn unsupported(what: String) -> Refused {
    Refused::Unsupported { what }
}

struct Walk {
    compat: Compat,
    selections: Vec<Selection>,
    depth: usize,
    /// How far the subqueries around reach back, ms.
    back: i64,
    /// At how many instants the subqueries around evaluate this.
    steps: i64,
}

impl Walk {
    fn deeper<T>(&mut self, walk: impl FnOnce(&mut Self) -> Result<T, Refused>) -> Result<T, Refused> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(unsupported(format!("nesting deeper than {DEEPEST}")));
        }
        let walked = walk(self);
        self.depth -= 1;
        walked
    }

    fn scalar(&mut self, ast: &Ast) -> Result<Scalar, Refused> {
        self.deeper(|walk| match ast {
            Ast::NumberLiteral(number) => Ok(Scalar::Number(number.val)),
            Ast::Paren(paren) => walk.scalar(&paren.expr),
            Ast::Unary(unary) => Ok(Scalar::Minus(Box::new(walk.scalar(&unary.expr)?))),
            Ast::Binary(binary) => {
                let op = op(binary.op).ok_or_else(|| unsupported(format!("operator {}", binary.op)))?;
                if op.compares() && !binary.return_bool() {
                    return Err(broken("comparisons between scalars must use bool".into()));
                }
                Ok(Scalar::Op(op, Box::new(walk.scalar(&binary.lhs)?), Box::new(walk.scalar(&binary.rhs)?)))
            }
            Ast::Call(call) => match (call.func.name, call.args.args.as_slice()) {
                ("time", []) => Ok(Scalar::Time),
                ("pi", []) => Ok(Scalar::Number(std::f64::consts::PI)),
                ("scalar", [of]) => Ok(Scalar::Of(Box::new(walk.vector(of)?))),
                (name, _) if call.func.return_type == ValueType::Scalar => Err(unsupported(format!("{name}()"))),
                _ => Err(mismatch("scalar", ast)),
            },
            _ => Err(mismatch("scalar", ast)),
        })
    }

    fn vector(&mut self, ast: &Ast) -> Result<Vector, Refused> {
        self.deeper(|walk| match ast {
            Ast::VectorSelector(selector) => Ok(Vector::Select(walk.selector(selector, LOOKBACK)?)),
            Ast::Paren(paren) => walk.vector(&paren.expr),
            Ast::Unary(unary) => Ok(Vector::Minus(walk.boxed(&unary.expr)?)),
            Ast::Binary(binary) => walk.binary(binary),
            Ast::Aggregate(aggregate) => walk.aggregate(aggregate),
            Ast::Call(call) => {
                let args: Vec<&Ast> = call.args.args.iter().map(|a| bare(a)).collect();
                walk.call(call.func.name, &args).unwrap_or_else(|| {
                    Err(match call.func.return_type {
                        ValueType::Vector => unsupported(format!("{}()", call.func.name)),
                        _ => mismatch("instant vector", ast),
                    })
                })
            }
            _ => Err(mismatch("instant vector", ast)),
        })
    }

    fn boxed(&mut self, ast: &Ast) -> Result<Box<Vector>, Refused> {
        self.vector(ast).map(Box::new)
    }

    fn scalars(&mut self, all: &[&Ast]) -> Result<Vec<Scalar>, Refused> {
        all.iter().map(|a| self.scalar(a)).collect()
    }

    fn selector(&mut self, read: &VectorSelector, length: i64) -> Result<Selector, Refused> {
        if read.at.is_some() {
            return Err(unsupported("the @ modifier".into()));
        }
        let offset = offset(read.offset.as_ref())?;
        let matchers = Matchers::read(read.name.as_deref(), &read.matchers, self.compat)?;
        let reach = (self.back + length + offset).max(0);
        self.selections.push(Selection { matchers: matchers.clone(), reach });
        Ok(Selector { matchers, offset })
    }

    fn range(&mut self, ast: &Ast) -> Result<Range, Refused> {
        self.deeper(|walk| match ast {
            Ast::Paren(paren) => walk.range(&paren.expr),
            Ast::MatrixSelector(matrix) => {
                let length = span(matrix.range)?;
                Ok(Range::Of { selector: walk.selector(&matrix.vs, length)?, length })
            }
            Ast::Subquery(sub) => {
                if sub.at.is_some() {
                    return Err(unsupported("the @ modifier".into()));
                }
                let Some(step) = sub.step else {
                    // Its length is the evaluation interval of the server at hand.
                    return Err(unsupported("a subquery without a step ([range:])".into()));
                };
                let (length, step, offset) = (span(sub.range)?, span(step)?, offset(sub.offset.as_ref())?);
                let (back, steps) = (walk.back, walk.steps);
                walk.steps = steps.saturating_mul(length / step + 1);
                if walk.steps > MOST_STEPS {
                    return Err(unsupported(format!("a subquery of more than {MOST_STEPS} steps")));
                }
                walk.back = (back + length + offset).max(0);
                let of = walk.boxed(&sub.expr)?;
                (walk.back, walk.steps) = (back, steps);
                Ok(Range::Sub { of, length, step, offset })
            }
            _ => Err(mismatch("range vector", ast)),
        })
    }

    /// `None`: no such function here.
    fn call(&mut self, name: &str, args: &[&Ast]) -> Option<Result<Vector, Refused>> {
        if let Some((f, keep_name, place)) = over::named(name) {
            let (range, scalars) = (*args.get(place)?, [&args[..place], &args[place + 1..]].concat());
            return Some(
                self.range(range)
                    .and_then(|range| Ok(Vector::Over { f, range, args: self.scalars(&scalars)?, keep_name })),
            );
        }
        if let Some((f, least, most)) = functions::each(name) {
            let (of, scalars) = args.split_first()?;
            if !(least..=most).contains(&scalars.len()) {
                return Some(Err(broken(format!("wrong number of arguments in call to {name}()"))));
            }
            return Some(self.boxed(of).and_then(|of| Ok(Vector::Each { f, of, args: self.scalars(scalars)? })));
        }
        if let Some(f) = functions::date(name) {
            let of = match args.first() {
                Some(of) => self.boxed(of),
                None => Ok(Box::new(Vector::Lift(Box::new(Scalar::Time)))),
            };
            return Some(of.map(|of| Vector::Each { f, of, args: Vec::new() }));
        }
        Some(match (name, args) {
            ("vector", [of]) => self.scalar(of).map(|of| Vector::Lift(Box::new(of))),
            ("absent", [of]) => self.boxed(of).map(|of| {
                let labels = match &*of {
                    Vector::Select(selector) => selector.matchers.given(),
                    _ => Default::default(),
                };
                Vector::Absent { of, labels }
            }),
            ("absent_over_time", [range]) => self.range(range).map(|range| {
                let labels = match &range {
                    Range::Of { selector, .. } => selector.matchers.given(),
                    Range::Sub { .. } => Default::default(),
                };
                Vector::AbsentOver { range, labels }
            }),
            ("timestamp", [of]) => self.boxed(of).map(Vector::Timestamp),
            ("sort", [of]) => self.boxed(of).map(|of| Vector::Sort { of, descending: false }),
            ("sort_desc", [of]) => self.boxed(of).map(|of| Vector::Sort { of, descending: true }),
            ("histogram_quantile", [q, of]) => {
                self.scalar(q).and_then(|q| Ok(Vector::HistogramQuantile { q: Box::new(q), of: self.boxed(of)? }))
            }
            ("label_replace", [of, target, with, source, pattern]) => self.boxed(of).and_then(|of| {
                let (target, with) = (label(target)?, text_of(with)?);
                let (source, pattern) = (text_of(source)?, anchored(&text_of(pattern)?, self.compat)?);
                Ok(Vector::LabelReplace { of, target, with, source, pattern })
            }),
            ("label_join", [of, target, between, sources @ ..]) => self.boxed(of).and_then(|of| {
                let sources = sources.iter().map(|s| label(s)).collect::<Result<_, _>>()?;
                Ok(Vector::LabelJoin { of, target: label(target)?, between: text_of(between)?, sources })
            }),
            _ => return None,
        })
    }

    fn binary(&mut self, read: &parser::BinaryExpr) -> Result<Vector, Refused> {
        let truth = read.return_bool();
        let modifier = read.modifier.as_ref();
        if modifier.is_some_and(|m| m.fill_values.lhs.is_some() || m.fill_values.rhs.is_some()) {
            return Err(unsupported("the fill modifier".into()));
        }
        let on = match modifier.and_then(|m| m.matching.as_ref()) {
            Some(LabelModifier::Include(names)) => On::Only(names.labels.clone()),
            Some(LabelModifier::Exclude(names)) => On::Ignoring(names.labels.clone()),
            None => On::Ignoring(Vec::new()),
        };
        let (left, right) = (&*read.lhs, &*read.rhs);
        if let Some(op) = set_op(read.op.id()) {
            return Ok(Vector::Set { op, left: self.boxed(left)?, right: self.boxed(right)?, on });
        }
        let op = op(read.op).ok_or_else(|| unsupported(format!("operator {}", read.op)))?;
        let group = match modifier.map(|m| &m.card) {
            Some(VectorMatchCardinality::ManyToOne(Names { labels })) => Group::Left(labels.clone()),
            Some(VectorMatchCardinality::OneToMany(Names { labels })) => Group::Right(labels.clone()),
            _ => Group::OneToOne,
        };
        match (left.value_type(), right.value_type()) {
            (ValueType::Vector, ValueType::Vector) => {
                Ok(Vector::Match { op, left: self.boxed(left)?, right: self.boxed(right)?, on, truth, group })
            }
            (left_type, _) => {
                let swapped = left_type == ValueType::Scalar;
                let (vector, scalar) = if swapped { (right, left) } else { (left, right) };
                let scalar = Box::new(self.scalar(scalar)?);
                Ok(Vector::WithScalar { op, vector: self.boxed(vector)?, scalar, swapped, truth })
            }
        }
    }

    fn aggregate(&mut self, read: &parser::AggregateExpr) -> Result<Vector, Refused> {
        let missing = || broken(format!("{} needs a parameter", read.op));
        let param = || read.param.as_deref().map(bare).ok_or_else(missing);
        let op = match read.op.id() {
            token::T_SUM => Fold::Sum,
            token::T_AVG => Fold::Avg,
            token::T_MIN => Fold::Min,
            token::T_MAX => Fold::Max,
            token::T_COUNT => Fold::Count,
            token::T_GROUP => Fold::Group,
            token::T_STDDEV => Fold::Stddev,
            token::T_STDVAR => Fold::Stdvar,
            token::T_QUANTILE => Fold::Quantile(Box::new(self.scalar(param()?)?)),
            token::T_TOPK => Fold::TopK(Box::new(self.scalar(param()?)?)),
            token::T_BOTTOMK => Fold::BottomK(Box::new(self.scalar(param()?)?)),
            token::T_COUNT_VALUES => Fold::CountValues(label(param()?)?),
            _ => return Err(unsupported(format!("{}()", read.op))),
        };
        let by = match &read.modifier {
            Some(LabelModifier::Include(names)) => By::Only(names.labels.clone()),
            Some(LabelModifier::Exclude(names)) => By::Without(names.labels.clone()),
            None => By::Only(Vec::new()),
        };
        Ok(Vector::Aggregate { op, of: self.boxed(&read.expr)?, by })
    }
}

/// Without the parentheses around it.
fn bare(ast: &Ast) -> &Ast {
    match ast {
        Ast::Paren(paren) => bare(&paren.expr),
        other => other,
    }
}

fn text_of(ast: &Ast) -> Result<String, Refused> {
    match bare(ast) {
        Ast::StringLiteral(text) => Ok(text.val.clone()),
        other => Err(mismatch("string", other)),
    }
}

/// A label name from a string.
fn label(ast: &Ast) -> Result<String, Refused> {
    let name = text_of(ast)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(broken(format!("invalid label name {name:?}")));
    }
    Ok(name)
}

fn mismatch(wanted: &str, ast: &Ast) -> Refused {
    let got = match ast.value_type() {
        ValueType::Scalar => "scalar",
        ValueType::Vector => "instant vector",
        ValueType::Matrix => "range vector",
        ValueType::String => "string",
    };
    broken(format!("expected {wanted}, got {got}"))
}

/// ms, greater than 0.
fn span(length: Duration) -> Result<i64, Refused> {
    match length.as_millis() {
        0 => Err(broken("duration must be greater than 0".into())),
        ms if ms > LONGEST_SPAN => Err(broken("duration out of range".into())),
        ms => Ok(ms as i64),
    }
}

fn offset(read: Option<&Offset>) -> Result<i64, Refused> {
    match read {
        None => Ok(0),
        Some(Offset::Pos(back)) if back.is_zero() => Ok(0),
        Some(Offset::Neg(ahead)) if ahead.is_zero() => Ok(0),
        Some(Offset::Pos(back)) => span(*back),
        Some(Offset::Neg(ahead)) => span(*ahead).map(|ms| -ms),
    }
}

fn op(read: TokenType) -> Option<Op> {
    Some(match read.id() {
        token::T_ADD => Op::Add,
        token::T_SUB => Op::Sub,
        token::T_MUL => Op::Mul,
        token::T_DIV => Op::Div,
        token::T_MOD => Op::Mod,
        token::T_POW => Op::Pow,
        token::T_ATAN2 => Op::Atan2,
        token::T_EQLC => Op::Eq,
        token::T_NEQ => Op::Ne,
        token::T_GTR => Op::Gt,
        token::T_LSS => Op::Lt,
        token::T_GTE => Op::Ge,
        token::T_LTE => Op::Le,
        _ => return None,
    })
}

fn set_op(id: TokenId) -> Option<SetOp> {
    match id {
        token::T_LAND => Some(SetOp::And),
        token::T_LOR => Some(SetOp::Or),
        token::T_LUNLESS => Some(SetOp::Unless),
        _ => None,
    }
}
