//! A network that is as a test says.

use super::{Address, Leaky, Link, Neighbour, Road, Roads, Seen};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Default)]
struct State {
    links: Vec<Link>,
    roads: HashMap<Address, Road>,
    neighbours: HashMap<(u32, Address), Neighbour>,
    names: HashMap<String, Vec<Address>>,
    leaky: Vec<Leaky>,
    deaf: bool,
}

/// The scripted twin: what was said stands until it is changed. Clones are the same.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<State>>);

impl Script {
    /// An interface is there, up or not.
    pub fn link(&self, index: u32, name: &str, up: bool) {
        let mut state = self.lock();
        state.links.retain(|link| link.index != index);
        state.links.push(Link { index, name: name.to_owned(), up });
    }
    /// An interface is gone.
    pub fn unplug(&self, index: u32) {
        self.lock().links.retain(|link| link.index != index);
    }
    pub fn road(&self, to: Address, road: Option<Road>) {
        let mut state = self.lock();
        match road {
            Some(road) => _ = state.roads.insert(to, road),
            None => _ = state.roads.remove(&to),
        }
    }
    pub fn neighbour(&self, index: u32, address: Address, state: Option<Neighbour>) {
        let mut all = self.lock();
        match state {
            Some(state) => _ = all.neighbours.insert((index, address), state),
            None => _ = all.neighbours.remove(&(index, address)),
        }
    }
    /// A name leads to these; to none: nobody answers for it.
    pub fn name(&self, name: &str, addresses: &[Address]) {
        self.lock().names.insert(name.to_owned(), addresses.to_vec());
    }
    pub fn leaky(&self, sockets: &[Leaky]) {
        self.lock().leaky = sockets.to_vec();
    }
    /// The kernel may not be asked any more, or again.
    pub fn deaf(&self, deaf: bool) {
        self.lock().deaf = deaf;
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Roads for Script {
    fn look(&self, to: &[Address]) -> io::Result<Seen> {
        let state = self.lock();
        if state.deaf {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
        let roads = to.iter().map(|to| state.roads.get(to).copied()).collect();
        Ok(Seen { links: state.links.clone(), neighbours: state.neighbours.clone(), roads })
    }

    fn addresses(&self, host: &str) -> io::Result<Vec<Address>> {
        let known = self.lock().names.get(host).cloned().unwrap_or_default();
        if known.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(known) }
    }

    fn leaky(&self) -> io::Result<Vec<Leaky>> {
        Ok(self.lock().leaky.clone())
    }
}
