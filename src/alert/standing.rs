//! What the box can do with a rule.

use crate::alert::file::{Refusal, Rule};
use crate::base::label::Label;
use crate::metric::names::Names;
use std::fmt;

/// Series that the judge itself makes; rules may name them.
pub const OWN: [&str; 2] = ["ALERTS", "ALERTS_FOR_STATE"];

/// What the box can do with a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is judged here.
    Local,
    /// It names metrics that the box does not have: a rule for the central server.
    Foreign(Vec<String>),
    /// Prometheus evaluates it, the box does not: function, modifier or kind of rule by name.
    Unsupported(String),
    /// Prometheus refuses it too.
    Broken(String),
}

impl Standing {
    /// `exported`: the names of all series that the configured box can export.
    pub fn of(rule: &Rule, exported: &Names) -> Standing {
        let expr = match &rule.body {
            Err(Refusal::Broken(what)) => return Standing::Broken(what.clone()),
            Err(Refusal::Unsupported(what)) => return Standing::Unsupported(what.clone()),
            Ok(expr) => expr,
        };
        if let Some(nameless) = expr.selectors().find(|m| m.name().is_none()) {
            return Standing::Unsupported(format!("selector {nameless} without a metric name"));
        }
        let here = |name: &&str| exported.has(name) || OWN.contains(name);
        let missing: Vec<String> = expr.names().into_iter().filter(|n| !here(n)).map(str::to_owned).collect();
        if missing.is_empty() { Standing::Local } else { Standing::Foreign(missing) }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Standing::Local => Kind::Local,
            Standing::Foreign(_) => Kind::Foreign,
            Standing::Unsupported(_) => Kind::Unsupported,
            Standing::Broken(_) => Kind::Broken,
        }
    }
}

impl fmt::Display for Standing {
    /// `foreign: names kube_pod_info, up`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Standing::Local => f.write_str("local"),
            Standing::Foreign(names) => write!(f, "foreign: names {}", names.join(", ")),
            Standing::Unsupported(what) => write!(f, "unsupported: {what}"),
            Standing::Broken(what) => write!(f, "broken: {what}"),
        }
    }
}

/// A [`Standing`] without its reason.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    Local,
    Foreign,
    Unsupported,
    Broken,
}

impl Label for Kind {
    const ALL: &'static [Self] = &[Kind::Local, Kind::Foreign, Kind::Unsupported, Kind::Broken];
    fn label(self) -> &'static str {
        match self {
            Kind::Local => "local",
            Kind::Foreign => "foreign",
            Kind::Unsupported => "unsupported",
            Kind::Broken => "broken",
        }
    }
}
