//! Snapshots on their way into a frame.

use crate::store::dictionary::Dictionary;
use crate::store::frame::{Cell, Column, Frame, MAX_CELLS, MAX_SERIES, MAX_STEPS, Step};
use crate::store::journal::Record;
use crate::store::metrics::Sealed;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// One series of a snapshot.
pub type Taken = (u32, Cell);

pub struct Pending {
    boot_id: Arc<str>,
    steps: Vec<Step>,
    taken: Vec<Vec<Taken>>,
    series: HashSet<u32>,
}

impl Pending {
    pub fn new(boot_id: Arc<str>) -> Self {
        Pending { boot_id, steps: Vec::new(), taken: Vec::new(), series: HashSet::new() }
    }

    /// Whether this snapshot can be added within the maxima of a frame.
    pub fn fits(&self, taken: &[Taken]) -> bool {
        let new = taken.iter().filter(|(number, _)| !self.series.contains(number)).count();
        let series = self.series.len() + new;
        self.steps.len() < MAX_STEPS && series <= MAX_SERIES && series * (self.steps.len() + 1) <= MAX_CELLS
    }

    /// Adds a snapshot, after those before it were sealed where it does not fit. Returns how many of its series are
    /// left out because no frame could hold them.
    pub fn add(&mut self, step: Step, mut taken: Vec<Taken>) -> usize {
        let over = taken.len().saturating_sub(MAX_SERIES);
        taken.truncate(MAX_SERIES);
        self.series.extend(taken.iter().map(|(number, _)| *number));
        self.steps.push(step);
        self.taken.push(taken);
        over
    }

    /// Boot time in ms of the first snapshot.
    pub fn since(&self) -> Option<u64> {
        self.steps.first().map(|step| step.boot_ms)
    }

    /// What came so far, as a frame; starts over.
    pub fn seal(&mut self) -> Option<Frame> {
        let steps = std::mem::take(&mut self.steps);
        let taken = std::mem::take(&mut self.taken);
        self.series.clear();
        let mut columns: HashMap<u32, Vec<Cell>> = HashMap::new();
        for (n, taken) in taken.into_iter().enumerate() {
            for (number, cell) in taken {
                columns.entry(number).or_insert_with(|| vec![Cell::Absent; steps.len()])[n] = cell;
            }
        }
        let mut columns: Vec<_> = columns.into_iter().map(|(series, cells)| Column { series, cells }).collect();
        columns.sort_by_key(|column| column.series);
        (!steps.is_empty()).then(|| Frame { boot_id: self.boot_id.clone(), steps, columns })
    }

    /// Changes the numbers of the series.
    pub fn renumber(&mut self, numbers: &HashMap<u32, u32>) {
        for taken in &mut self.taken {
            taken.retain_mut(|(number, _)| numbers.get(number).map(|new| *number = *new).is_some());
        }
        self.series = self.taken.iter().flatten().map(|(number, _)| *number).collect();
    }

    /// The snapshots so far, oldest first.
    pub fn snapshots(&self) -> impl Iterator<Item = (&Step, &Vec<Taken>)> {
        self.steps.iter().zip(&self.taken)
    }
}

/// What a journal amounts to: frames whose numbers are those of `dictionary`, oldest first.
pub fn recover(records: Vec<Record>, dictionary: &mut Dictionary) -> Vec<Sealed> {
    let mut numbers = HashMap::new();
    let mut pending = Pending::new("".into());
    let mut frames = Vec::new();
    for record in records {
        match record {
            Record::Boot(boot_id) => {
                frames.extend(pending.seal());
                pending = Pending::new(boot_id);
            }
            Record::Series(number, named) => {
                numbers.extend(dictionary.intern(named).map(|known| (number, known)));
            }
            Record::Snapshot(step, mut taken) => {
                taken.retain_mut(|(number, _)| numbers.get(number).map(|known| *number = *known).is_some());
                if !pending.fits(&taken) {
                    frames.extend(pending.seal());
                }
                pending.add(step, taken);
            }
            Record::Frame(blob) => {
                if let Ok(mut frame) = Frame::decode(&blob) {
                    frame.renumber(|number| numbers.get(&number).copied());
                    frames.push(frame);
                }
            }
        }
    }
    frames.extend(pending.seal());
    frames.iter().flat_map(|f| &f.columns).for_each(|column| dictionary.touch(column.series));
    frames.iter().filter_map(Sealed::new).collect()
}
