//! What was kept, read back: by this process or by another beside the running daemon.

use crate::base::clock::Wall;
use crate::store::bits::Garbled;
use crate::store::dictionary::{Dictionary, Named};
use crate::store::file::{self, Trouble};
use crate::store::frame::{Frame, Step};
use crate::store::journal;
use crate::store::metrics::{self, CLOCK_ALWAYS, Head, LAYOUT, Sealed};
use crate::store::pending::recover;
use crate::store::writer::Dirs;
use rusqlite::Connection;
use std::collections::HashMap;
use std::path::PathBuf;

/// What was kept cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("nothing is kept in {}", .0.display())]
    Nothing(PathBuf),
    #[error("cannot read {}", path.display())]
    File { path: PathBuf, source: Trouble },
    #[error("cannot read the journal in {}", dir.display())]
    Journal { dir: PathBuf, source: std::io::Error },
}

/// Both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from: Wall,
    pub to: Wall,
}

impl Span {
    pub fn holds(&self, at: Wall) -> bool {
        self.from <= at && at <= self.to
    }
}

enum Source {
    File(i64),
    Journal(Sealed),
}

/// A frame that can be loaded.
pub struct Place {
    pub head: Head,
    source: Source,
}

impl Place {
    /// The wall time of a step: what the wall clock said where it was trusted, else by its boot's first trusted step;
    /// `None` while no step of its boot was trusted. The second part is true where it was not the clock that said it.
    pub fn time(&self, step: &Step) -> Option<(Wall, bool)> {
        if step.trusted {
            return Some((Wall::from_millis(step.wall_ms), false));
        }
        let (boot, wall) = self.head.known?;
        let ahead = i64::try_from(step.boot_ms).ok()?.checked_sub_unsigned(boot)?;
        Some((Wall::from_millis(wall.checked_add(ahead)?), true))
    }

    /// It may have steps in this span; `None` when its times are not known.
    fn within(&self, span: &Span) -> Option<bool> {
        let head = &self.head;
        let (mut from, mut to) = (head.wall_from, head.wall_to);
        if head.clock != CLOCK_ALWAYS {
            let (boot, wall) = head.known?;
            let wall_of = |at: u64| wall.saturating_add((at as i64).saturating_sub(boot as i64));
            // Trusted steps keep what the clock said, so the span is that of both.
            let partly = head.clock != metrics::CLOCK_NEVER;
            from = wall_of(head.boot_from).min(if partly { from } else { i64::MAX });
            to = wall_of(head.boot_to).max(if partly { to } else { i64::MIN });
        }
        Some(from <= span.to.as_millis() && to >= span.from.as_millis())
    }
}

/// Everything kept in a state and runtime directory, as it was when opened.
pub struct Past {
    file: Option<(PathBuf, Connection)>,
    dictionary: Dictionary,
    places: Vec<Place>,
}

impl Past {
    /// Opens what is there, for reading only; the daemon may go on writing.
    ///
    /// # Errors
    /// There is nothing, or it cannot be read.
    pub fn open(dirs: &Dirs) -> Result<Past, ReadError> {
        // Journal first: what the daemon moves from there into the file meanwhile is then seen twice, not never.
        let left =
            journal::read(&dirs.runtime).map_err(|source| ReadError::Journal { dir: dirs.runtime.clone(), source })?;
        let path = dirs.metrics();
        let trouble = |source| ReadError::File { path: path.clone(), source };
        let file = path.exists().then(|| file::look(&path, &LAYOUT)).transpose().map_err(trouble)?;
        if file.is_none() && left.is_empty() {
            return Err(ReadError::Nothing(dirs.state.clone()));
        }
        let (series, heads) = match &file {
            Some(file) => (metrics::series(file).map_err(trouble)?, metrics::heads(file, usize::MAX).map_err(trouble)?),
            None => Default::default(),
        };
        let mut dictionary = Dictionary::of(series);
        let mut boots: HashMap<_, (u64, Option<(u64, i64)>)> = HashMap::new();
        for (_, _, head) in &heads {
            let boot = boots.entry(head.boot_id.clone()).or_default();
            *boot = (boot.0.max(head.boot_to), head.known);
        }
        let mut places: Vec<_> =
            heads.into_iter().map(|(id, _, head)| Place { head, source: Source::File(id) }).collect();
        for sealed in recover(left, &mut dictionary) {
            let Ok(mut frame) = sealed.open() else { continue };
            let boot = boots.get(&frame.boot_id).copied();
            boot.into_iter().for_each(|(last, _)| frame.trim(last));
            let Some(mut sealed) = Sealed::new(&frame) else { continue };
            sealed.head.known = boot.and_then(|(_, known)| known).or(sealed.head.known);
            places.push(Place { head: sealed.head.clone(), source: Source::Journal(sealed) });
        }
        // A boot whose clock became trusted only in the journal tells the times of its frames on file as well.
        let late: HashMap<_, _> = places.iter().filter_map(|p| Some((p.head.boot_id.clone(), p.head.known?))).collect();
        for place in &mut places {
            place.head.known = place.head.known.or_else(|| late.get(&place.head.boot_id).copied());
        }
        Ok(Past { file: file.map(|file| (path, file)), dictionary, places })
    }

    /// Takes the box's own wall clock for true in boots where nobody ever vouched for it, as on a network without time
    /// servers. A clock that was wrong then gives wrong times.
    pub fn believe(&mut self) {
        for head in self.places.iter_mut().map(|p| &mut p.head) {
            head.known = head.known.or(Some((head.boot_from, head.wall_from)));
        }
    }

    /// What is known of a series by its number in a frame.
    pub fn named(&self, series: u32) -> Option<&Named> {
        self.dictionary.get(series)
    }

    pub fn series(&self) -> impl Iterator<Item = (u32, &Named)> {
        self.dictionary.rows().map(|(number, row)| (number, &row.named))
    }

    /// All frames, in the order in which they were taken.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Frames that may have steps in this span, in the order in which they were taken; and those whose time is unknown.
    pub fn frames(&self, span: &Span) -> (Vec<&Place>, Vec<&Place>) {
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        for place in &self.places {
            match place.within(span) {
                Some(true) => found.push(place),
                Some(false) => {}
                None => unknown.push(place),
            }
        }
        (found, unknown)
    }

    /// Loads the series of a frame that `wanted` picks. `None` when the retention took it meanwhile.
    ///
    /// # Errors
    /// The file cannot be read. A frame that is garbled is the inner error.
    pub fn load(
        &self,
        place: &Place,
        wanted: impl Fn(u32) -> bool,
    ) -> Result<Option<Result<Frame, Garbled>>, ReadError> {
        let blob = match (&place.source, &self.file) {
            (Source::Journal(sealed), _) => Some(sealed.blob.clone()),
            (Source::File(id), Some((path, file))) => {
                metrics::blob(file, *id).map_err(|source| ReadError::File { path: path.clone(), source })?
            }
            (Source::File(_), None) => None,
        };
        Ok(blob.map(|blob| Frame::decode_some(&blob, wanted)))
    }
}
