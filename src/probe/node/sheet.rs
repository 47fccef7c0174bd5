//! What one look of one collector brings back, and how collectors are told apart.

use crate::base::clock::Wall;
use crate::metric::desc::{Desc, Family};
use crate::metric::reading::Fact;
use crate::metric::report::NoData;
use crate::wire::exposition::Fault;
use crate::world::files::Unreadable;
use crate::world::machine::{Machine, why};

/// Series of one collector. What the kernel lists beyond it (thousands of mounts or interfaces, as container hosts have
/// them) is left out and counted.
pub const MOST: usize = 2000;

/// One part of the node, by node_exporter's name for it.
pub struct Collector {
    pub name: &'static str,
    pub families: &'static [Family],
    /// Reads it. What was put on the sheet before a failure stands.
    pub collect: fn(&Machine, &mut Sheet) -> Result<(), Missed>,
}

/// Why a collector has nothing, or not everything.
#[derive(Debug, thiserror::Error)]
pub enum Missed {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("the kernel refuses")]
    Refused(#[from] std::io::Error),
    #[error("{0} is not as expected")]
    Malformed(&'static str),
    #[error("the page is broken")]
    Broken(#[from] Fault),
    /// They may be of any time, and would be taken for what is so now.
    #[error("its samples have times of their own")]
    Timed,
    #[error("the file {file} is left out")]
    Text { file: String, source: Box<Missed> },
    /// This machine has no such thing.
    #[error("there is none")]
    NotPresent,
}

impl Missed {
    pub fn why(&self) -> NoData {
        match self {
            Missed::Unreadable(unreadable) => why(&unreadable.source),
            Missed::Refused(error) => why(error),
            Missed::Malformed(_) | Missed::Broken(_) | Missed::Timed => NoData::Malformed,
            Missed::Text { source, .. } => source.why(),
            Missed::NotPresent => NoData::NotPresent,
        }
    }
    pub fn absent(&self) -> bool {
        self.why() == NoData::NotPresent
    }
}

/// Numbers as they are read.
pub struct Sheet {
    /// When the look began.
    pub now: Wall,
    pub facts: Vec<Fact>,
    /// Numbers beyond [`MOST`].
    pub left_out: usize,
}

impl Sheet {
    pub fn new(now: Wall) -> Sheet {
        Sheet { now, facts: Vec::new(), left_out: 0 }
    }
    pub fn put<const L: usize>(&mut self, desc: &'static Desc<L>, labels: [&str; L], value: f64) {
        self.add(|| Fact::of(desc, labels, value));
    }
    pub fn put_family(&mut self, family: &Family, labels: &[&str], value: f64) {
        self.add(|| Fact::ours(family.clone(), labels, value));
    }
    /// What somebody else says, under a family of his.
    pub fn put_learned<'a>(&mut self, family: Family, pairs: impl Iterator<Item = (&'a str, &'a str)>, value: f64) {
        self.add(|| Fact::learned(family, pairs, value));
    }
    fn add(&mut self, fact: impl FnOnce() -> Fact) {
        if self.facts.len() < MOST {
            self.facts.push(fact());
        } else {
            self.left_out += 1;
        }
    }
}

/// A number as files of the kernel have it, with blanks around.
pub fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

/// A number or the file's name in the reason.
pub fn must(text: Option<&str>, file: &'static str) -> Result<f64, Missed> {
    text.and_then(number).ok_or(Missed::Malformed(file))
}

/// `None` where the file is not there.
pub fn if_there<T>(read: Result<T, Unreadable>) -> Result<Option<T>, Missed> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(unreadable) if why(&unreadable.source) == NoData::NotPresent => Ok(None),
        Err(unreadable) => Err(unreadable.into()),
    }
}

/// Families without labels that stand under a key in a file of the kernel: `KEYS` and, in the same order, `FAMILIES`.
macro_rules! keyed {
    ($kind:ident, $about:literal; $($key:literal => $name:literal $unit:ident,)*) => {
        pub static FAMILIES: &[$crate::metric::desc::Family] = &[$($crate::metric::desc::Family {
            name: std::borrow::Cow::Borrowed($name),
            kind: $crate::metric::desc::Kind::$kind,
            unit: $crate::metric::desc::Unit::$unit,
            labels: &[],
            help: std::borrow::Cow::Borrowed(concat!($about, $key)),
            learned: None,
        }),*];
        static KEYS: &[&str] = &[$($key),*];
        /// The family that stands under `key`.
        fn family(key: &str) -> Option<&'static $crate::metric::desc::Family> {
            KEYS.iter().position(|known| *known == key).map(|at| &FAMILIES[at])
        }
    };
}
pub(super) use keyed;
