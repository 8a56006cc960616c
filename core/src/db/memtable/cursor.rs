//! Walks a memtable as of a sequence number, either way: per key the newest version that is not newer.
//!
//! Going back costs a search a step, as the list is linked forward alone.
#![allow(
    unsafe_code,
    reason = "holds a pointer to a node of the memtable it owns a share of"
)]

use super::{Memtable, Node};
use crate::db::entry::{Entry, Kind};
use crate::db::filter;
use crate::db::operands::{MergeOperator, Operands};
use crate::db::ranges::RemovedRanges;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;
use core::ptr;

/// A place in a memtable. Starts at no entry.
#[derive(Debug)]
pub(in crate::db) struct MemtableCursor {
    memtable: Arc<Memtable>,
    sequence: u64,
    operator: Option<MergeOperator>,
    ranges: RemovedRanges,
    /// C1: null, or a linked node of `memtable`, which this cursor keeps alive. It is the newest of its key as of `sequence`.
    node: *const Node,
    kind: Kind,
    /// What merges of the key come to: a value or a list of operands.
    merged: Vec<u8>,
    is_merged: bool,
}

// SAFETY: C1: the node is as shareable as the memtable that owns it.
unsafe impl Send for MemtableCursor {}
// SAFETY: as above; a shared cursor only reads.
unsafe impl Sync for MemtableCursor {}

impl MemtableCursor {
    pub(in crate::db) fn new(
        memtable: Arc<Memtable>,
        sequence: u64,
        operator: Option<MergeOperator>,
    ) -> Self {
        Self {
            ranges: memtable.removed_ranges(sequence),
            memtable,
            sequence,
            operator,
            node: ptr::null(),
            kind: Kind::Remove,
            merged: Vec::new(),
            is_merged: false,
        }
    }

    /// The removed ranges.
    pub(in crate::db) const fn ranges(&self) -> &RemovedRanges {
        &self.ranges
    }

    /// Goes to the first key at, or after, the bound; in reverse to the last one at, or before, it.
    pub(in crate::db) fn seek(&mut self, from: Bound<&[u8]>, reverse: bool) {
        let memtable = self.memtable.clone();
        if reverse {
            let key = match from {
                Bound::Unbounded => None,
                Bound::Excluded(key) => Some(key),
                Bound::Included(key) => {
                    let (before, found) = memtable.find(key, self.sequence);
                    // SAFETY: C1.
                    if !found.is_null() && unsafe { Node::key(found) } == key {
                        self.node = found;
                        return self.settle();
                    }
                    self.node = before;
                    return self.settle_back();
                }
            };
            self.node = memtable.find_before(key);
            return self.settle_back();
        }
        self.node = match from {
            Bound::Unbounded => memtable.first(),
            Bound::Included(key) => memtable.find(key, u64::MAX).1,
            // Sequence 0 is no write's, so nothing of this key is left.
            Bound::Excluded(key) => memtable.find(key, 0).1,
        };
        self.settle();
    }

    /// Goes to the next key, or to the one before.
    pub(in crate::db) fn step(&mut self, reverse: bool) {
        if self.node.is_null() {
            return;
        }
        // SAFETY: C1.
        let key = unsafe { Node::key(self.node) };
        if reverse {
            self.node = self.memtable.find_before(Some(key));
            return self.settle_back();
        }
        let mut node = self.node;
        loop {
            // SAFETY: C1.
            node = unsafe { Node::after(node) };
            // SAFETY: C1.
            if node.is_null() || unsafe { Node::key(node) } != key {
                break;
            }
        }
        self.node = node;
        self.settle();
    }

    /// The key here.
    pub(in crate::db) fn key(&self) -> Option<&[u8]> {
        // SAFETY: C1; the slice is borrowed with the cursor and so with its share of the memtable.
        (!self.node.is_null()).then(|| unsafe { Node::key(self.node) })
    }

    /// The key and the kind of the entry here.
    pub(in crate::db) fn here(&self) -> Option<(&[u8], Kind)> {
        Some((self.key()?, self.kind))
    }

    /// The key and the value here.
    pub(in crate::db) fn pair(&self) -> Option<(&[u8], &[u8])> {
        let value = match self.kind {
            _ if self.node.is_null() => return None,
            Kind::Remove => &[],
            _ if self.is_merged => &self.merged[..],
            // SAFETY: C1; the slice is borrowed with the cursor and so with its share of the memtable.
            _ => unsafe { Node::value(self.node) },
        };
        Some((self.key()?, value))
    }

    /// The entry here.
    pub(in crate::db) fn entry(&self) -> Option<Entry<'_>> {
        let (key, value) = self.pair()?;
        // SAFETY: C1.
        let sequence = unsafe { self.node.as_ref()?.sequence };
        Some(Entry {
            key,
            sequence,
            kind: self.kind,
            value,
        })
    }

    /// Goes back from a version of a key to its newest, or on to keys before if all of them are too new.
    fn settle_back(&mut self) {
        // SAFETY: C1.
        while !self.node.is_null() {
            // SAFETY: C1.
            let key = unsafe { Node::key(self.node) };
            let (_, found) = self.memtable.find(key, self.sequence);
            // SAFETY: C1.
            if !found.is_null() && unsafe { Node::key(found) } == key {
                self.node = found;
                break;
            }
            self.node = self.memtable.find_before(Some(key));
        }
        self.settle();
    }

    /// Skips versions that are too new, and works out what the key here comes to.
    fn settle(&mut self) {
        self.is_merged = false;
        // SAFETY: C1.
        while let Some(node) = unsafe { self.node.as_ref() } {
            if node.sequence <= self.sequence {
                self.kind = node.kind();
                // SAFETY: C1.
                let key = unsafe { Node::key(self.node) };
                if self.kind == Kind::Merge {
                    return self.fold();
                }
                if !self.ranges.is_empty() && self.ranges.covering(key) > node.sequence {
                    self.kind = Kind::Remove;
                }
                break;
            }
            // SAFETY: C1.
            self.node = unsafe { Node::after(self.node) };
        }
    }

    /// Puts the merges of the key here together.
    #[cold]
    fn fold(&mut self) {
        // SAFETY: C1.
        let key = unsafe { Node::key(self.node) };
        let mut operands = Operands::default();
        self.merged.clear();
        self.is_merged = true;
        for version in self
            .memtable
            .versions(key, filter::hash(key), self.sequence)
        {
            let value = match version.kind {
                Kind::Merge | Kind::Refused => {
                    operands.push(version.value);
                    continue;
                }
                // A range that removes all of them counts as the newest version.
                Kind::Remove if operands.is_empty() => {
                    self.kind = Kind::Remove;
                    return;
                }
                Kind::Remove => None,
                Kind::Put | Kind::Reference => Some(version.value),
            };
            self.kind = operands.resolve(self.operator, key, value.into(), &mut self.merged);
            return;
        }
        operands.encode(&mut self.merged);
    }
}
