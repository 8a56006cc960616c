//! Unsynced directory operations, and which of them a power loss undoes.
//!
//! A file system with a metadata journal commits the operations of one directory in order; this one promises no order
//! between directories. So a power loss keeps a seeded prefix of each directory's operations, and an operation on two
//! directories (a rename between them) survives in both or in neither. That a rename replaces its target in one step
//! follows: it is one operation.
//!
//! # Invariants
//! I1: an operation is durable only if every earlier operation on each of its directories is.
#![forbid(unsafe_code)]

use super::inode::InodeId;
use crate::platform::sim::rng::Rng;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// Unsynced operations that are remembered.
const OPERATIONS_MAX: usize = 4096;

/// One name's new meaning.
#[derive(Clone, Debug)]
pub(in super::super) struct Entry {
    pub(in super::super) directory: InodeId,
    pub(in super::super) name: Vec<u8>,
    /// `None`: the name is gone.
    pub(in super::super) inode: Option<InodeId>,
}

/// One operation: entries that change together.
pub(in super::super) type Operation = Vec<Entry>;

/// Operations that are not durable yet, oldest first.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Journal {
    operations: Vec<Operation>,
}

impl Journal {
    /// Takes out the older half if there are too many: a system commits its journal in time.
    pub(in super::super) fn overflow(&mut self) -> Option<Vec<Operation>> {
        let count = self.operations.len();
        (count > OPERATIONS_MAX).then(|| self.operations.drain(..count / 2).collect())
    }

    pub(in super::super) fn push(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    /// Every inode that an operation gives a name to.
    pub(in super::super) fn named(&self) -> impl Iterator<Item = InodeId> + '_ {
        self.operations
            .iter()
            .flatten()
            .filter_map(|entry| entry.inode)
    }

    /// Takes out the operations on `directory`, and with them what I1 demands.
    pub(in super::super) fn commit(&mut self, directory: InodeId) -> Vec<Operation> {
        let mut wanted = BTreeSet::from([directory]);
        let mut committed = Vec::new();
        let mut kept = Vec::new();
        for operation in self.operations.drain(..).rev() {
            if operation.iter().any(|e| wanted.contains(&e.directory)) {
                wanted.extend(operation.iter().map(|e| e.directory));
                committed.push(operation);
            } else {
                kept.push(operation);
            }
        }
        kept.reverse();
        committed.reverse();
        self.operations = kept;
        committed
    }

    /// The power went: returns the operations that reached the medium. The rest are forgotten.
    pub(in super::super) fn lose_power(&mut self, rng: &mut Rng) -> Vec<Operation> {
        let count = self.operations.len() as u64;
        // One in four crashes loses all, one in four nothing; else each directory stops somewhere.
        let odds = match rng.below(4) {
            0 => (1, 1),
            1 => (0, 1),
            _ => (1, count / 2 + 2),
        };
        let mut stopped = BTreeSet::new();
        let mut survivors = Vec::new();
        for operation in self.operations.drain(..) {
            let lost = rng.below(odds.1) < odds.0
                || operation.iter().any(|e| stopped.contains(&e.directory));
            if lost {
                stopped.extend(operation.iter().map(|e| e.directory));
            } else {
                survivors.push(operation);
            }
        }
        survivors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn entry(directory: InodeId, inode: u64) -> Entry {
        Entry {
            directory,
            name: vec![b'n'],
            inode: Some(inode),
        }
    }

    fn inodes(operations: &[Operation]) -> Vec<u64> {
        operations.iter().filter_map(|o| o[0].inode).collect()
    }

    #[test]
    fn commit_takes_what_order_demands_and_leaves_the_rest() {
        let mut journal = Journal::default();
        journal.push(vec![entry(2, 10)]);
        journal.push(vec![entry(3, 11)]);
        journal.push(vec![entry(1, 12), entry(2, 12)]);
        journal.push(vec![entry(2, 13)]);
        let committed = journal.commit(1);
        assert_eq!(inodes(&committed), [10, 12], "10 came before the rename");
        assert_eq!(inodes(&journal.commit(2)), [13]);
        assert_eq!(inodes(&journal.commit(3)), [11]);
    }

    #[test]
    fn survivors_are_a_prefix_of_each_directory() {
        let mut rng = Rng::new(3);
        let mut seen_partial = false;
        for _ in 0..500 {
            let mut journal = Journal::default();
            for n in 0..12 {
                let mut operation = vec![entry(n % 3, n)];
                if n % 4 == 3 {
                    operation.push(entry((n + 1) % 3, n));
                }
                journal.push(operation);
            }
            let all = journal.operations.clone();
            let kept = inodes(&journal.lose_power(&mut rng));
            seen_partial |= !kept.is_empty() && kept.len() < all.len();
            for directory in 0..3 {
                let of_directory: Vec<u64> = all
                    .iter()
                    .filter(|o| o.iter().any(|e| e.directory == directory))
                    .filter_map(|o| o[0].inode)
                    .collect();
                let kept_here = of_directory.iter().filter(|n| kept.contains(n)).count();
                assert_eq!(
                    kept_here,
                    of_directory.iter().take_while(|n| kept.contains(n)).count()
                );
            }
        }
        assert!(seen_partial);
    }
}
