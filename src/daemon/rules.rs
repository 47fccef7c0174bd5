//! Rule files: found, read, and each rule told what this box can do with it.

use crate::alert::{self, Kind, Rule, Sheet, Standing};
use crate::base::fault::chain;
use crate::base::settings::{Mistake, Severity};
use crate::daemon::config::RULES_DIR;
use crate::metric::book::{Book, Hold, Series};
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::names::Names;
use crate::metric::report::Report;
use crate::query::Compat;
use crate::world::files::{Files, Unreadable};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

static BROKEN: Desc<0> = Desc::gauge(
    "vedette_rule_files_broken",
    Unit::Count,
    [],
    "Rule files that could not be read or have mistakes, when last looked at; none of their rules is new since then",
);
pub static FAMILIES: &[Family] = &[BROKEN.family()];

/// How many rule files were broken when last read.
#[derive(Clone)]
pub struct Broken {
    series: Series,
    count: Arc<AtomicUsize>,
}

impl Broken {
    pub fn open(book: &Book) -> Self {
        Broken { series: book.open(&BROKEN, [], Hold::Own), count: Arc::default() }
    }
    pub fn note(&self, rules: &Rules) {
        self.count.store(rules.broken_files(), Ordering::Relaxed);
    }
    pub fn fill(&self) -> impl FnMut(&mut Report) + Send + 'static {
        let broken = self.clone();
        move |report| {
            report.value(broken.series, broken.count.load(Ordering::Relaxed) as f64);
        }
    }
}

/// All rule files of a configuration.
#[derive(Default)]
pub struct Rules {
    pub sheets: Vec<Sheet>,
    /// Every rule with its standing, in file order.
    pub ranked: Vec<(Rule, Standing)>,
    pub unreadable: Vec<Unreadable>,
}

impl Rules {
    /// Reads files, and the `*.yml` and `*.yaml` files of directories.
    /// `names` are the series that this box can export.
    pub fn read(files: &dyn Files, paths: &[PathBuf], compat: Compat, names: &Names) -> Rules {
        let mut rules = Rules::default();
        for path in paths {
            let listed = match path.extension().is_some_and(|e| e == "yml" || e == "yaml") {
                true => Ok(vec![path.clone()]),
                false => files.list(path, &[".yml", ".yaml"]),
            };
            match listed {
                Ok(found) => found.iter().for_each(|file| rules.add(files, file, compat)),
                // A box without the directory has no rules; one that was named and is not there is a mistake.
                Err(e) if e.source.kind() == ErrorKind::NotFound && path == Path::new(RULES_DIR) => {}
                Err(error) => rules.unreadable.push(error),
            }
        }
        rules.rank(names);
        rules
    }

    fn add(&mut self, files: &dyn Files, path: &Path, compat: Compat) {
        match files.text(path) {
            Ok(text) => self.sheets.push(alert::parse(&text, &path.display().to_string(), compat)),
            Err(error) => self.unreadable.push(error),
        }
    }

    fn rank(&mut self, names: &Names) {
        let rules = self.sheets.iter().flat_map(|s| s.rules.iter());
        self.ranked = rules.map(|r| (r.clone(), Standing::of(r, names))).collect();
    }

    pub fn all(&self) -> Vec<Rule> {
        self.ranked.iter().map(|(r, _)| r.clone()).collect()
    }

    /// Mistakes with the file they stand in.
    pub fn faults(&self) -> impl Iterator<Item = (&str, &Mistake)> {
        self.sheets.iter().flat_map(|s| s.faults.iter().map(|m| (&*s.path, m)))
    }

    /// A rule of this name was read, whatever its standing.
    pub fn names(&self, rule: &str) -> bool {
        self.ranked.iter().any(|(r, _)| &*r.name == rule)
    }

    /// Files that could not be read, or that Prometheus would refuse.
    fn broken_files(&self) -> usize {
        let faulty = |sheet: &&Sheet| sheet.faults.iter().any(|m| m.severity == Severity::Error);
        self.unreadable.len() + self.sheets.iter().filter(faulty).count()
    }

    /// Anything that Prometheus would refuse, or that could not be read.
    pub fn broken(&self) -> bool {
        self.broken_files() > 0
    }

    /// Says in the log, once per reading, what is not judged.
    pub fn tell(&self) {
        for error in &self.unreadable {
            tracing::error!(error = %chain(error), "rule file left out");
        }
        for (file, mistake) in self.faults() {
            tracing::warn!(file, %mistake, "rule file has a mistake");
        }
        let count = |kind| self.ranked.iter().filter(|(_, s)| s.kind() == kind).count();
        tracing::info!(
            local = count(Kind::Local),
            foreign = count(Kind::Foreign),
            unsupported = count(Kind::Unsupported),
            broken = count(Kind::Broken),
            "rules read"
        );
    }
}
