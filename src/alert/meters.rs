//! What the judge exports about itself.

use crate::alert::judge::Judge;
use crate::alert::standing::Kind;
use crate::base::label::Label;
use crate::metric::alarm::Phase;
use crate::metric::book::{Book, Hold, Series};
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::report::Report;

static RULES: Desc<1> = Desc::gauge(
    "vedette_rules",
    Unit::Count,
    ["standing"],
    "Rules in the configured rule files: local ones are judged here, foreign ones name metrics this box does not have",
);
static ALERTS: Desc<1> =
    Desc::gauge("vedette_alerts_active", Unit::Count, ["phase"], "Alarms of this box that are pending or firing now");
static FAILURES: Desc<1> = Desc::counter(
    "vedette_rule_evaluation_failures_total",
    Unit::Count,
    ["rule"],
    "Rounds in which the rule could not be judged, so that its alarms stayed as they were; rules of one name together",
);

/// Every family of this part.
pub static FAMILIES: &[Family] = &[RULES.family(), ALERTS.family(), FAILURES.family()];

/// The open series of a judge. Open them anew after [`Judge::replace_rules`]: rules come and go.
pub struct Meters {
    book: Book,
    standings: Vec<(Kind, Series)>,
    phases: Vec<(Phase, Series)>,
    failures: Vec<(String, Series)>,
}

impl Meters {
    pub fn open(book: &Book, judge: &Judge) -> Meters {
        let standings = Kind::ALL.iter().map(|k| (*k, book.open(&RULES, [k.label()], Hold::Own)));
        let phases = [Phase::Pending, Phase::Firing];
        let phases = phases.map(|p| (p, book.open(&ALERTS, [p.label()], Hold::Own)));
        let failures = judge.failures().into_keys().map(|name| {
            let series = book.open(&FAILURES, [&name], Hold::Own);
            (name, series)
        });
        Meters {
            standings: standings.collect(),
            phases: phases.to_vec(),
            failures: failures.collect(),
            book: book.clone(),
        }
    }

    pub fn fill(&self, judge: &Judge, report: &mut Report) {
        for (kind, series) in &self.standings {
            report.value(*series, judge.rules().filter(|j| j.standing.kind() == *kind).count() as f64);
        }
        for (phase, series) in &self.phases {
            report.value(*series, judge.alarms().filter(|a| a.phase == *phase).count() as f64);
        }
        let failures = judge.failures();
        for (name, series) in &self.failures {
            report.value(*series, failures.get(name).copied().unwrap_or(0) as f64);
        }
    }

    /// After a reload: closes the series of rules that are gone and opens those of new ones.
    pub fn turn(&mut self, judge: &Judge) {
        let next = Meters::open(&self.book, judge);
        let gone = self.failures.iter().map(|(_, s)| *s).filter(|s| next.failures.iter().all(|(_, n)| n != s));
        self.book.close(&gone.collect::<Vec<_>>(), &[]);
        *self = next;
    }
}
