//! Pictures of numbers: what a dashboard shows of them.

use crate::metric::desc::Unit;

/// How a panel draws.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Look {
    /// Lines over time.
    Lines,
    /// Bands of 0 and 1 over time.
    States,
}

/// One picture.
#[derive(Debug)]
pub struct Panel {
    pub title: &'static str,
    pub look: Look,
    pub unit: Unit,
    /// PromQL, and what its series are called: `{{label}}` is the value of a label. `$node` stands for the matcher that
    /// picks this box, `$span` for a range of time that fits the width of the picture.
    pub queries: &'static [(&'static str, &'static str)],
}
