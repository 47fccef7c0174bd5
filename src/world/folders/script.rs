//! The scripted twin: a tree in memory, with the dates of the test's clock, that counts how often it is asked.

use super::notify::{Feed, Watch};
use super::{Entry, Event, Folders, Pages, Stat, Unwatched, Volume, What};
use crate::base::clock::{Clock, Wall};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Clone)]
struct Node {
    /// `None` for a directory.
    bytes: Option<Arc<Vec<u8>>>,
    modified: Wall,
    born: Option<Wall>,
    inode: u64,
}

/// Questions so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    pub lists: u64,
    /// Names that lists gave.
    pub listed: u64,
    pub stats: u64,
    pub volumes: u64,
}

struct Tree {
    clock: Clock,
    nodes: BTreeMap<PathBuf, Node>,
    inodes: u64,
    watches: HashMap<PathBuf, Vec<Feed>>,
    unwatchable: Option<Unwatched>,
    failing: Option<io::ErrorKind>,
    denied: Option<PathBuf>,
    volume: Option<Volume>,
    east: i64,
    /// From when on it is another.
    change: Option<(Wall, i64)>,
    asked: Asked,
}

/// Clones are the same tree.
#[derive(Clone)]
pub struct Script(Arc<Mutex<Tree>>);

impl Tree {
    fn put(&mut self, path: &Path, bytes: Option<Vec<u8>>) -> bool {
        let wall = self.clock.now().wall;
        let there = self.nodes.contains_key(path);
        self.inodes += 1;
        let fresh = Node { bytes: None, modified: wall, born: Some(wall), inode: self.inodes };
        let node = self.nodes.entry(path.to_owned()).or_insert(fresh);
        node.modified = wall;
        if let Some(bytes) = bytes {
            let before = node.bytes.as_ref().map_or(&[][..], |all| all);
            node.bytes = Some(Arc::new([before, &bytes].concat()));
        }
        if !there {
            self.touch(path);
        }
        !there
    }

    /// A name came or went in the directory above.
    fn touch(&mut self, path: &Path) {
        let wall = self.clock.now().wall;
        if let Some(above) = path.parent().and_then(|above| self.nodes.get_mut(above)) {
            above.modified = wall;
        }
    }

    /// Tells whoever watches the directory of `path`.
    fn tell(&mut self, what: What, path: &Path) {
        let at = self.clock.now();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("").to_owned();
        let directory = self.nodes.get(path).is_some_and(|node| node.bytes.is_none());
        let Some(feeds) = path.parent().and_then(|parent| self.watches.get_mut(parent)) else { return };
        let event = Event { at, what, name, directory };
        feeds.retain(|feed| feed.push(Some(event.clone())));
    }

    fn end_watches(&mut self, below: &Path) {
        let at = self.clock.now();
        for (path, feeds) in self.watches.iter_mut().filter(|(path, _)| path.starts_with(below)) {
            let event = Event { at, what: What::Gone, name: String::new(), directory: path.is_absolute() };
            feeds.retain(|feed| feed.push(Some(event.clone())));
            feeds.clear();
        }
    }

    fn get(&mut self, path: &Path) -> io::Result<&Node> {
        match self.failing {
            Some(kind) => Err(kind.into()),
            None => self.nodes.get(path).ok_or_else(|| io::ErrorKind::NotFound.into()),
        }
    }
}

impl Script {
    pub fn new(clock: Clock) -> Script {
        Script(Arc::new(Mutex::new(Tree {
            clock,
            nodes: BTreeMap::new(),
            inodes: 0,
            watches: HashMap::new(),
            unwatchable: None,
            failing: None,
            denied: None,
            volume: None,
            east: 0,
            change: None,
            asked: Asked::default(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Tree> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Makes a directory and those above it.
    pub fn directory(&self, path: impl AsRef<Path>) {
        let mut tree = self.lock();
        let mut above: Vec<_> = path.as_ref().ancestors().collect();
        above.reverse();
        for path in above {
            if !tree.nodes.contains_key(path) {
                tree.put(path, None);
                tree.tell(What::Created, path);
            }
        }
    }

    /// Appends to a file, which is made if it is not there, and what is above it.
    pub fn write(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let path = path.as_ref();
        path.parent().into_iter().for_each(|above| self.directory(above));
        let mut tree = self.lock();
        if tree.put(path, Some(bytes.to_vec())) {
            tree.tell(What::Created, path);
        }
    }

    pub fn close(&self, path: impl AsRef<Path>) {
        self.lock().tell(What::Closed, path.as_ref());
    }

    /// Moves a file, which keeps its dates.
    pub fn arrive(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) {
        let mut tree = self.lock();
        let Some(node) = tree.nodes.remove(from.as_ref()) else { return };
        tree.nodes.insert(to.as_ref().to_owned(), node);
        tree.touch(from.as_ref());
        tree.touch(to.as_ref());
        tree.tell(What::Arrived, to.as_ref());
    }

    /// Takes away a file, or a directory with what is below.
    pub fn remove(&self, path: impl AsRef<Path>) {
        let mut tree = self.lock();
        tree.nodes.retain(|at, _| !at.starts_with(path.as_ref()));
        tree.touch(path.as_ref());
        tree.end_watches(path.as_ref());
    }

    /// Sets the dates of a file.
    pub fn date(&self, path: impl AsRef<Path>, born: Option<Wall>, modified: Wall) {
        if let Some(node) = self.lock().nodes.get_mut(path.as_ref()) {
            (node.born, node.modified) = (born, modified);
        }
    }

    /// From now on nothing can be watched; `None`: again.
    pub fn unwatchable(&self, why: Option<Unwatched>) {
        let mut tree = self.lock();
        tree.unwatchable = why;
        if why.is_some() {
            tree.end_watches(Path::new("/"));
        }
    }

    /// Every watch misses what happens next, and is told so.
    pub fn lose(&self) {
        for feeds in self.lock().watches.values_mut() {
            feeds.retain(|feed| feed.push(None));
        }
    }

    /// From now on every question fails; `None`: no longer.
    pub fn fail(&self, kind: Option<io::ErrorKind>) {
        self.lock().failing = kind;
    }

    /// What is in this directory may not be looked at.
    pub fn deny(&self, directory: impl Into<PathBuf>) {
        self.lock().denied = Some(directory.into());
    }

    pub fn mount(&self, volume: Volume) {
        self.lock().volume = Some(volume);
    }

    pub fn zone(&self, east: i64) {
        self.lock().east = east;
    }

    /// The box booted anew: dates come from another clock, and nobody watches.
    pub fn boot(&self, clock: Clock) {
        let mut tree = self.lock();
        tree.clock = clock;
        tree.watches.clear();
    }

    /// The zone from `at` on.
    pub fn zone_from(&self, at: Wall, east: i64) {
        self.lock().change = Some((at, east));
    }

    pub fn asked(&self) -> Asked {
        self.lock().asked
    }
}

struct Held(Arc<Vec<u8>>);

impl Pages for Held {
    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.get(at..)).unwrap_or(&[]);
        let n = rest.len().min(into.len());
        into[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

impl Folders for Script {
    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        let mut tree = self.lock();
        tree.get(directory)?;
        if tree.denied.as_deref() == Some(directory) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let below = tree.nodes.range(directory.to_owned()..).take_while(|(path, _)| path.starts_with(directory));
        let here = below.filter(|(path, _)| path.parent() == Some(directory));
        let entry = |(path, node): (&PathBuf, &Node)| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some(Entry { name, directory: node.bytes.is_none() })
        };
        let found: Vec<_> = here.filter_map(entry).collect();
        tree.asked.lists += 1;
        tree.asked.listed += found.len() as u64;
        Ok(found)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let mut tree = self.lock();
        tree.asked.stats += 1;
        let node = tree.get(path)?;
        Ok(Stat {
            directory: node.bytes.is_none(),
            size: node.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            modified: node.modified,
            born: node.born,
            identity: (1, node.inode),
        })
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Pages>> {
        let bytes = self.lock().get(path)?.bytes.clone().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Box::new(Held(bytes)))
    }

    fn watch(&self, directory: &Path) -> Result<Watch, Unwatched> {
        let mut tree = self.lock();
        if let Some(why) = tree.unwatchable {
            return Err(why);
        }
        tree.get(directory).map_err(|_| Unwatched::Missing)?;
        let (watch, feed) = Watch::scripted();
        tree.watches.entry(directory.to_owned()).or_default().push(feed);
        Ok(watch)
    }

    fn volume(&self, path: &Path) -> io::Result<Volume> {
        let mut tree = self.lock();
        tree.asked.volumes += 1;
        tree.get(path)?;
        tree.volume.clone().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn east(&self, at: Wall) -> i64 {
        let tree = self.lock();
        tree.change.filter(|(from, _)| at >= *from).map_or(tree.east, |(_, east)| east)
    }
}
