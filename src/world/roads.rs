//! The network as the kernel of this machine holds it: interfaces, the way to an address, who answered as a neighbour, and
//! what our own UDP sockets had no room for. Nothing is sent to anybody. IPv4 and IPv6 alike.
//!
//! Two kinds of message are all it takes (rtnetlink(7)), so they are read here: the crate for them brings some twenty
//! thousand lines of others.

mod kernel;
mod own;
pub mod script;

use std::collections::HashMap;
use std::io;
use std::net::ToSocketAddrs;
use std::path::PathBuf;

/// An IPv4 or IPv6 address, without port or zone.
pub use std::net::IpAddr as Address;

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number of it.
    pub index: u32,
    pub name: String,
    /// It is switched on and has a carrier (IFF_LOWER_UP).
    pub up: bool,
}

/// How the kernel would send a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Road {
    /// Out of the interface of this number.
    pub index: u32,
    /// By a router; else the address is a neighbour, or this machine itself.
    pub gateway: bool,
}

/// What the kernel holds of a neighbour whom it has to ask for his link address (NUD_ of linux/neighbour.h; RFC 4861
/// section 7.3.2, which it follows for ARP too).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Neighbour {
    /// Asked for the first time, and no answer yet.
    Incomplete,
    /// Answered within about half a minute.
    Reachable,
    /// Answered before, and nothing was sent to him since.
    Stale,
    /// Something was sent to him; he will be asked unless it is answered.
    Delay,
    /// Asked again, and no answer yet.
    Probe,
    /// Asked three times, and no answer.
    Failed,
}

/// One look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub links: Vec<Link>,
    /// By interface and address. Without those that the kernel never asks: fixed ones and those that need no link address.
    pub neighbours: HashMap<(u32, Address), Neighbour>,
    /// To each of the addresses asked about, in their order; `None` where the kernel has no way, or one that refuses.
    pub roads: Vec<Option<Road>>,
}

/// A UDP socket of this process that had to drop datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaky {
    /// The kernel's number of it, which another may have once it is closed.
    pub inode: u64,
    /// Datagrams dropped since it was opened, for want of room or for a bad checksum; goes round at 2³².
    pub dropped: u64,
}

/// Asks the kernel. Calls block, for next to no time but for names.
pub trait Roads: Send + Sync {
    /// Everything at once, and the ways to these addresses.
    ///
    /// # Errors
    /// The kernel may not be asked, or answers nonsense.
    fn look(&self, to: &[Address]) -> io::Result<Seen>;
    /// The system's resolver, in its order of preference; an address is its own. May take as long as a resolver waits.
    ///
    /// # Errors
    /// There is no such name, or nobody to ask.
    fn addresses(&self, host: &str) -> io::Result<Vec<Address>>;
    /// Our own sockets that ever dropped something.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    fn leaky(&self) -> io::Result<Vec<Leaky>>;
}

/// This machine.
#[derive(Debug, Clone)]
pub struct Real {
    proc: PathBuf,
}

impl Default for Real {
    fn default() -> Self {
        Real { proc: "/proc".into() }
    }
}

impl Roads for Real {
    fn look(&self, to: &[Address]) -> io::Result<Seen> {
        kernel::look(to)
    }

    fn addresses(&self, host: &str) -> io::Result<Vec<Address>> {
        let mut all: Vec<Address> = Vec::new();
        // The port is nobody's: an address alone cannot be looked up.
        for address in (host, 0).to_socket_addrs()? {
            if !all.contains(&address.ip()) {
                all.push(address.ip());
            }
        }
        Ok(all)
    }

    fn leaky(&self) -> io::Result<Vec<Leaky>> {
        own::leaky(&self.proc)
    }
}
