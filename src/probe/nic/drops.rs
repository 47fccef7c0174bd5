//! What our own UDP sockets dropped, over all of them and for good: a socket's count ends with it, ours does not.

use crate::world::roads::Leaky;
use std::collections::HashMap;

/// The kernel's counts go round here.
const ROUND: u64 = 1 << 32;
/// A count that went back by more than this has gone round; by less, another socket has the number now.
const FAR: u64 = ROUND / 2;

#[derive(Default)]
pub(super) struct Drops {
    total: u64,
    /// By socket, at the last look. One that has dropped nothing yet is not in it, nor need it be.
    before: HashMap<u64, u64>,
}

impl Drops {
    /// Takes what a look found, and returns the count of ours.
    pub(super) fn take(&mut self, sockets: &[Leaky]) -> u64 {
        for socket in sockets {
            let before = self.before.get(&socket.inode).copied().unwrap_or(0);
            self.total += match socket.dropped.checked_sub(before) {
                Some(more) => more,
                None if before - socket.dropped > FAR => socket.dropped + ROUND - before,
                None => socket.dropped,
            };
        }
        self.before = sockets.iter().map(|socket| (socket.inode, socket.dropped)).collect();
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_outlives_sockets_and_never_goes_back() {
        let mut drops = Drops::default();
        let mut take = |sockets: &[(u64, u64)]| {
            let sockets = sockets.iter().map(|(inode, dropped)| Leaky { inode: *inode, dropped: *dropped });
            drops.take(&sockets.collect::<Vec<_>>())
        };
        assert_eq!(take(&[]), 0);
        assert_eq!(take(&[(7, 5)]), 5, "opened since, or without a loss until now");
        assert_eq!(take(&[(7, 6), (8, 10)]), 16);
        assert_eq!(take(&[(8, 10)]), 16, "closed");
        assert_eq!(take(&[(7, 3), (8, 10)]), 19, "another socket under a number that was free");
        assert_eq!(take(&[(7, 3), (8, 4)]), 23, "and under one that was not, for all we know");
        assert_eq!(take(&[(8, ROUND - 1)]), 23 + ROUND - 5);
        assert_eq!(take(&[(8, 1)]), 23 + ROUND - 3, "it went round");
    }
}
