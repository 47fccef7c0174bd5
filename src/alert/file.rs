//! A Prometheus rule file: groups of alerting rules, read whole, with every fault and its place.

use crate::alert::template::{Fault, Template};
use crate::alert::yaml::{self, Map, Place};
use crate::base::settings::{Mistake, Severity};
use crate::query::{Compat, Expr, Refused};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// A rule file as read.
#[derive(Debug, Default)]
pub struct Sheet {
    /// As the caller named it.
    pub path: Arc<str>,
    /// Every rule, the broken and the unsupported among them, in file order.
    pub rules: Vec<Rule>,
    /// Everything wrong, in file order. Errors are what Prometheus refuses too, expressions that do not parse among them.
    pub faults: Vec<Mistake>,
}

/// What rules of one group share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group {
    pub file: Arc<str>,
    pub name: String,
    /// `None`: judged each tick.
    pub interval: Option<Duration>,
    /// Most alarms one rule of the group may have; 0 is no limit.
    pub limit: usize,
}

/// One alerting rule, or a rule that cannot be judged and says why.
#[derive(Debug, Clone)]
pub struct Rule {
    pub group: Arc<Group>,
    /// The alert's name; what a recording rule records; empty if neither is written.
    pub name: Arc<str>,
    /// Where `expr` stands; where the rule begins without it.
    pub at: Place,
    /// The expression as written.
    pub text: String,
    pub body: Result<Arc<Expr>, Refusal>,
    /// `for`: how long the expression must hold before the alarm fires.
    pub hold: Duration,
    /// `keep_firing_for`: how long the alarm stays after the expression stopped holding.
    pub keep: Duration,
    pub labels: Vec<(String, Template)>,
    pub annotations: Vec<(String, Template)>,
}

/// Why a rule of itself cannot be judged, whatever metrics there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Prometheus evaluates it; the box does not: the function, the modifier or the kind of rule by name.
    Unsupported(String),
    /// Prometheus refuses it too.
    Broken(String),
}

impl Rule {
    /// `rules/camera.yml:12`: the line of `expr`.
    pub fn position(&self) -> String {
        format!("{}:{}", self.group.file, self.at.line)
    }
    /// How far back its ranges reach; zero for an expression that looks at the present only.
    pub fn window(&self) -> Duration {
        // Outside of texts, `[` begins a range or a subquery and nothing else.
        let (mut quote, mut before) = (None, ' ');
        let ranged = self.text.chars().any(|c| {
            quote = match quote {
                None => Some(c).filter(|c| matches!(c, '"' | '\'' | '`')),
                Some(open) => Some(open).filter(|open| *open != c || before == '\\'),
            };
            before = c;
            quote.is_none() && c == '['
        });
        self.body.as_ref().map_or(Duration::ZERO, |expr| if ranged { expr.reach() } else { Duration::ZERO })
    }
    /// What makes it the same rule after a reload (Prometheus rules/manager.go, Group.CopyState): its group, its name
    /// and its labels. A changed expression or `for` keeps the alarms, and the next round decides about them.
    pub fn same(&self, other: &Rule) -> bool {
        (&self.group.file, &self.group.name, &self.name) == (&other.group.file, &other.group.name, &other.name)
            && self.label_texts() == other.label_texts()
    }
    fn label_texts(&self) -> BTreeSet<(&str, &str)> {
        self.labels.iter().map(|(name, template)| (name.as_str(), template.text())).collect()
    }
}

/// Reads a rule file. Nothing is dropped in silence: a rule with a fault is in [`Sheet::rules`] as broken.
pub fn parse(text: &str, path: &str, compat: Compat) -> Sheet {
    let path: Arc<str> = path.into();
    let (rules, faults) = yaml::read(text, |root| {
        let mut rules = Vec::new();
        let mut names: HashMap<String, Place> = HashMap::new();
        for map in root.maps("groups") {
            let (group, labels) = group(&map, &path);
            if let Some(first) = names.insert(group.name.clone(), map.place("name")).filter(|_| !group.name.is_empty())
            {
                let what = format!("a second group {:?}; the first is in line {}", group.name, first.line);
                map.mistake("name", what, "give each group a name of its own");
            }
            let group = Arc::new(group);
            for inner in map.maps("rules") {
                rules.push(rule(&inner, &group, &labels, compat));
            }
            let offset = map.duration("query_offset");
            if offset.is_some_and(|d| !d.is_zero()) {
                for rule in rules.iter_mut().filter(|r: &&mut Rule| Arc::ptr_eq(&r.group, &group) && r.body.is_ok()) {
                    rule.body = Err(Refusal::Unsupported("query_offset".to_owned()));
                }
            }
            map.finish();
        }
        root.finish();
        twins(&rules, root);
        rules
    });
    Sheet { path, rules, faults }
}

fn group(map: &Map<'_>, path: &Arc<str>) -> (Group, Vec<(String, Template)>) {
    let name = map.text("name").map(|t| t.text).unwrap_or_default();
    if name.is_empty() {
        map.mistake("name", "a group without a name", "write `name:` with a name that no other group of the file has");
    }
    let interval = map.duration("interval").filter(|d| !d.is_zero());
    let limit = map.count("limit").unwrap_or(0);
    (Group { file: path.clone(), name, interval, limit }, templates(map, "labels", "label"))
}

fn rule(map: &Map<'_>, group: &Arc<Group>, shared: &[(String, Template)], compat: Compat) -> Rule {
    let before = map.faults().count();
    let (alert, record) = (map.text("alert"), map.text("record"));
    let recording = record.is_some();
    let name = match (&alert, &record) {
        (Some(_), Some(_)) => {
            map.mistake("record", "a rule with both `alert` and `record`", "make two rules of it");
            ""
        }
        (Some(name), None) | (None, Some(name)) => &name.text,
        (None, None) => "",
    };
    if name.is_empty() && !(alert.is_some() && recording) {
        map.mistake("alert", "a rule without a name", "write `alert:` with the name of the alarm");
    }
    let (hold, keep) = (map.duration("for"), map.duration("keep_firing_for"));
    let mut labels = templates(map, "labels", "label");
    labels.extend(shared.iter().filter(|(n, _)| !labels.iter().any(|(own, _)| own == n)).cloned().collect::<Vec<_>>());
    let annotations = templates(map, "annotations", "annotation");
    if recording {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        if !name.chars().all(fits) || name.starts_with(|c: char| c.is_ascii_digit()) {
            map.mistake("record", format!("{name:?} is not a metric name"), "write letters, digits, _ and :");
        }
        for key in ["for", "keep_firing_for", "annotations"].into_iter().filter(|key| map.has(key)) {
            map.mistake(key, format!("`{key}` in a recording rule"), "only alerting rules have it; leave it out");
        }
    }
    let expr = map.text("expr").filter(|t| !t.text.trim().is_empty());
    if expr.is_none() {
        map.mistake("expr", "a rule without an expression", "write `expr:` with a PromQL expression");
    }
    map.finish();
    let parsed = expr.as_ref().map(|e| Expr::parse(&e.text, compat));
    if let Some(Err(Refused::Broken { what })) = &parsed {
        map.mistake("expr", format!("expression: {what}"), "");
    }
    let body = match (map.faults().error_since(before), parsed) {
        (Some(what), _) => Err(Refusal::Broken(what)),
        (None, _) if recording => Err(Refusal::Unsupported("recording rule".to_owned())),
        (None, Some(Ok(expr))) => Ok(Arc::new(expr)),
        (None, Some(Err(Refused::Unsupported { what }))) => Err(Refusal::Unsupported(what)),
        (None, Some(Err(Refused::Broken { what }))) => Err(Refusal::Broken(what)),
        (None, None) => Err(Refusal::Broken("a rule without an expression".to_owned())),
    };
    let (text, at) = expr.map_or((String::new(), map.at()), |e| (e.text.trim().to_owned(), e.at));
    let (hold, keep) = (hold.unwrap_or_default(), keep.unwrap_or_default());
    Rule { group: group.clone(), name: name.into(), at, text, body, hold, keep, labels, annotations }
}

/// Reads labels or annotations, and tries each template.
fn templates(map: &Map<'_>, key: &'static str, kind: &str) -> Vec<(String, Template)> {
    let mut all = Vec::new();
    for (name, text) in map.texts(key) {
        let mut fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        fits &= !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
        if !fits || (kind == "label" && name == "__name__") {
            let what = format!("{name:?} is not a name for {} {kind}", if kind == "label" { "a" } else { "an" });
            map.faults().add(text.at, Severity::Error, what, "write letters, digits and _, no digit first");
        }
        let template = Template::new(&text.text);
        match template.fault() {
            None => {}
            Some(Fault::Wrong(what)) => {
                map.faults().add(text.at, Severity::Error, format!("template of {kind} `{name}`: {what}"), "");
            }
            Some(fault @ Fault::Unsupported(_)) => {
                let what = format!("template of {kind} `{name}`: {fault}");
                let instead = "on the box it shows as <error expanding template: …>";
                map.faults().add(text.at, Severity::Warning, what, instead);
            }
        }
        all.push((name, template));
    }
    all
}

/// Warns of two alerting rules whose alarms cannot be told apart by their labels.
fn twins(rules: &[Rule], root: &Map<'_>) {
    for (n, rule) in rules.iter().enumerate().filter(|(_, r)| r.body.is_ok()) {
        let twin = |first: &&Rule| {
            first.body.is_ok()
                && first.name == rule.name
                && first.text != rule.text
                && first.label_texts() == rule.label_texts()
        };
        let Some(first) = rules[..n].iter().find(twin) else { continue };
        let what = format!("a second `{}` with the labels of the one in line {}", rule.name, first.at.line);
        let instead = "give one of them another name or label: alarms with equal labels are one alarm to listeners";
        root.faults().add(rule.at, Severity::Warning, what, instead);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::standing::Standing;

    fn faults(text: &str) -> Vec<String> {
        parse(text, "r.yml", Compat::V3).faults.iter().map(Mistake::to_string).collect()
    }

    #[test]
    fn every_fault_is_told_at_once_with_its_place() {
        let text = r#"groups:
  - name: a
    intervall: 30s
    rules:
      - alert: Down
        expr: up ==
        for: 5
      - alert: Slow
        exp: camera_fps < 5
        labels: {"9x": a, job: "{{ $labels.job"}
        annotations:
          text: '{{ query "up" }}'
      - alrt: Nameless
        expr: 1
  - name: a
    limit: many
    rules:
      - record: job:up:sum
        expr: sum(up) by (job)
        for: 1m
      - alert: Twin
        expr: x > 1
      - alert: Twin
        expr: x > 2
"#;
        let found = faults(text);
        let wanted = [
            "3:5: error: unknown key `groups[0].intervall`; did you mean `interval`?",
            "6:9: error: expression: ",
            "7:9: error: `groups[0].rules[0].for` is \"5\", which is not a duration; write units from large",
            "8:9: error: a rule without an expression; write `expr:` with a PromQL expression",
            "9:9: error: unknown key `groups[0].rules[1].exp`; did you mean `expr`?",
            "10:18: error: \"9x\" is not a name for a label",
            "10:27: error: template of label `job`: unclosed action",
            "12:11: warning: template of annotation `text`: `query` is not supported on the box",
            "13:9: error: a rule without a name",
            "13:9: error: unknown key `groups[0].rules[2].alrt`; did you mean `alert`?",
            "15:5: error: a second group \"a\"; the first is in line 2",
            "16:5: error: `groups[1].limit` is \"many\"; write a whole number, 0 or more",
            "20:9: error: `for` in a recording rule; only alerting rules have it",
            "24:9: warning: a second `Twin` with the labels of the one in line 22",
        ];
        for (n, wanted) in wanted.iter().enumerate() {
            assert!(found.get(n).is_some_and(|f| f.starts_with(wanted)), "{n}: {wanted}\n{found:#?}");
        }
        assert_eq!(found.len(), wanted.len(), "{found:#?}");
    }

    #[test]
    fn yaml_that_does_not_parse_is_one_fault_with_its_line() {
        assert_eq!(faults("groups:\n  - name: a\n   rules: []\n").len(), 1);
        assert!(faults("groups: []\ngroups: []\n")[0].starts_with("2:1: error: duplicated key"));
        assert!(faults("- a\n")[0].starts_with("1:1: error: the file is not a mapping"));
        assert_eq!(faults(""), [""; 0]);
    }

    #[test]
    fn each_rule_has_a_standing_and_none_is_dropped() {
        let text = r#"
groups:
  - name: a
    labels: {team: video, severity: page}
    rules:
      - alert: Local
        expr: camera_fps < 5 unless on (camera_id) ALERTS{alertname="X"}
        for: 1h30m
        labels: {severity: ticket}
      - alert: Foreign
        expr: up{job="node"} == 0 or kube_pod_info > camera_fps
      - record: r
        expr: sum(camera_fps)
      - alert: Nameless
        expr: '{job="x"} > 1'
      - alert: Broken
        expr: rate(camera_fps)
      - alert: Always
        expr: 1
"#;
        let sheet = parse(text, "rules/a.yml", Compat::V3);
        let exported = ["camera_fps"].into_iter().collect();
        let standings: Vec<_> = sheet.rules.iter().map(|r| Standing::of(r, &exported).to_string()).collect();
        assert_eq!(standings[..3], ["local", "foreign: names kube_pod_info, up", "unsupported: recording rule"]);
        assert_eq!(standings[3], "unsupported: selector {job=\"x\"} without a metric name");
        assert!(standings[4].starts_with("broken: expression: "), "{standings:?}");
        assert_eq!(standings[5], "local");
        let local = &sheet.rules[0];
        assert_eq!((local.position().as_str(), local.hold), ("rules/a.yml:7", Duration::from_secs(5400)));
        assert_eq!(local.label_texts(), BTreeSet::from([("severity", "ticket"), ("team", "video")]));
    }

    #[test]
    fn only_ranges_make_a_window() {
        for (expr, secs) in [
            ("x{a=~\"[0-9]\\\"[\"} > 1", 0),
            ("rate(x[5m]) > 1", 300),
            ("x{a='['} > 1 and rate(x[10m] offset 1m)", 660),
        ] {
            let sheet = parse(&format!("groups: [{{name: a, rules: [{{alert: A, expr: {expr:?}}}]}}]"), "", Compat::V3);
            assert_eq!(sheet.rules[0].window().as_secs(), secs, "{expr} {:?}", sheet.faults);
        }
    }
}
