//! Unsynced directory operations, and which of them a power loss undoes.
//!
//! POSIX promises no order between the names of a directory: until the directory is synced, each operation may reach the medium or
//! not, apart from what was done before and after it. Only operations on one name stay in order, and an operation on two names (a
//! rename) survives in both or in neither; that a rename replaces its target in one step follows. A kinder file system commits the
//! operations of a directory in order, and a power loss finds it at one of them: that happens here too, as one of the draws.
//!
//! # Invariants
//! I1: an operation is durable only if every earlier operation on each of its names is.
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

impl Entry {
    /// The name, as every operation on it has it.
    fn place(&self) -> (InodeId, Vec<u8>) {
        (self.directory, self.name.clone())
    }
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
        let mut wanted = BTreeSet::new();
        let mut committed = Vec::new();
        let mut kept = Vec::new();
        for operation in self.operations.drain(..).rev() {
            if operation
                .iter()
                .any(|e| e.directory == directory || wanted.contains(&e.place()))
            {
                wanted.extend(operation.iter().map(Entry::place));
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
        let lost = self.draw_losses(rng);
        let operations = core::mem::take(&mut self.operations);
        let fates = operations.into_iter().zip(lost);
        fates
            .filter_map(|(operation, lost)| (!lost).then_some(operation))
            .collect()
    }

    /// Some operations on `directory` reach the medium although nobody may rely on it, with what I1 demands. The rest stay.
    pub(in super::super) fn leak(&mut self, directory: InodeId, rng: &mut Rng) -> Vec<Operation> {
        let committed = self.commit(directory);
        let later = core::mem::replace(&mut self.operations, committed);
        let lost = self.draw_losses(rng);
        let mut leaked = Vec::new();
        for (operation, lost) in core::mem::take(&mut self.operations).into_iter().zip(lost) {
            if lost {
                self.operations.push(operation);
            } else {
                leaked.push(operation);
            }
        }
        // What `commit` left is later on every name that it shares with what it took.
        self.operations.extend(later);
        leaked
    }

    /// For each operation, whether it is lost.
    fn draw_losses(&self, rng: &mut Rng) -> Vec<bool> {
        let count = self.operations.len() as u64;
        // One draw in eight loses all, one in eight nothing; else something, of a few operations at most as many as stay.
        let (style, odds) = match rng.below(8) {
            0 => (Style::Independent, (1, 1)),
            1 => (Style::Independent, (0, 1)),
            2..4 => (Style::Prefix, (1, count / 2 + 2)),
            4 => (Style::Independent, (1, count + 2)),
            _ => (Style::Independent, (1, 2)),
        };
        let mut stopped_names = BTreeSet::new();
        let mut stopped_directories = BTreeSet::new();
        let mut losses = Vec::with_capacity(self.operations.len());
        for operation in &self.operations {
            let lost = rng.below(odds.1) < odds.0
                || operation.iter().any(|e| {
                    stopped_names.contains(&e.place()) || stopped_directories.contains(&e.directory)
                });
            if lost {
                stopped_names.extend(operation.iter().map(Entry::place));
                if style == Style::Prefix {
                    stopped_directories.extend(operation.iter().map(|e| e.directory));
                }
            }
            losses.push(lost);
        }
        losses
    }
}

/// How the fates of one crash's operations hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// Each directory stops at one of its operations.
    Prefix,
    /// Each name stops for itself.
    Independent,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn entry(directory: InodeId, name: u8, inode: u64) -> Entry {
        Entry {
            directory,
            name: vec![name],
            inode: Some(inode),
        }
    }

    fn inodes(operations: &[Operation]) -> Vec<u64> {
        operations.iter().filter_map(|o| o[0].inode).collect()
    }

    #[test]
    fn commit_takes_what_order_demands_and_leaves_the_rest() {
        let mut journal = Journal::default();
        journal.push(vec![entry(2, b'n', 10)]);
        journal.push(vec![entry(2, b'm', 11)]);
        journal.push(vec![entry(1, b'n', 12), entry(2, b'n', 12)]);
        journal.push(vec![entry(2, b'n', 13)]);
        let committed = journal.commit(1);
        assert_eq!(inodes(&committed), [10, 12], "10 came before the rename");
        assert_eq!(inodes(&journal.commit(2)), [11, 13]);
    }

    #[test]
    fn survivors_are_a_prefix_of_each_name_and_of_no_more() {
        let mut rng = Rng::new(3);
        let (mut ordered, mut reordered) = (false, false);
        for round in 0..500 {
            let mut journal = Journal::default();
            for n in 0..12 {
                let mut operation = vec![entry(n % 2, b'a' + (n % 3) as u8, n)];
                if n % 4 == 3 {
                    operation.push(entry((n + 1) % 2, b'a', n));
                }
                journal.push(operation);
            }
            let all = journal.operations.clone();
            let kept = if round % 2 == 0 {
                inodes(&journal.lose_power(&mut rng))
            } else {
                let mut kept = inodes(&journal.leak(0, &mut rng));
                kept.extend(inodes(&journal.leak(1, &mut rng)));
                assert_eq!(kept.len() + journal.operations.len(), all.len());
                kept
            };
            let is_prefix = |of: &dyn Fn(&Entry) -> bool| {
                let all_of = all.iter().filter(|o| o.iter().any(of));
                let fates: Vec<bool> = all_of
                    .filter_map(|o| o[0].inode)
                    .map(|n| kept.contains(&n))
                    .collect();
                fates.is_sorted_by(|a, b| a >= b)
            };
            for (directory, name) in (0..2).flat_map(|d| (b'a'..b'd').map(move |n| (d, n))) {
                assert!(is_prefix(&|e| e.directory == directory && e.name == [name]));
            }
            let whole = is_prefix(&|e| e.directory == 0) && is_prefix(&|e| e.directory == 1);
            ordered |= whole && !kept.is_empty() && kept.len() < all.len();
            reordered |= !whole;
        }
        assert!(ordered && reordered, "both manners happen");
    }
}
