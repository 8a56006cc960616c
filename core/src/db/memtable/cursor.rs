//! Walks a memtable as of a sequence number: per key the newest version that is not newer.
#![allow(
    unsafe_code,
    reason = "holds a pointer to a node of the memtable it owns a share of"
)]

use super::{Memtable, Node};
use crate::sync::atomic::Ordering;
use alloc::sync::Arc;
use core::ops::Bound;
use core::ptr;

/// A place in a memtable. Starts at no entry.
#[derive(Debug)]
pub(in crate::db) struct MemtableCursor {
    memtable: Arc<Memtable>,
    sequence: u64,
    /// C1: null, or a linked node of `memtable`, which this cursor keeps alive.
    node: *const Node,
}

// SAFETY: C1: the node is as shareable as the memtable that owns it.
unsafe impl Send for MemtableCursor {}
// SAFETY: as above; a shared cursor only reads.
unsafe impl Sync for MemtableCursor {}

impl MemtableCursor {
    pub(in crate::db) const fn new(memtable: Arc<Memtable>, sequence: u64) -> Self {
        Self {
            memtable,
            sequence,
            node: ptr::null(),
        }
    }

    /// Goes to the first key at, or after, the bound.
    pub(in crate::db) fn seek(&mut self, start: Bound<&[u8]>) {
        self.node = match start {
            Bound::Unbounded => self.memtable.first(),
            Bound::Included(key) => self.memtable.find(key, u64::MAX).1,
            // Sequence 0 is no write's, so nothing of this key is left.
            Bound::Excluded(key) => self.memtable.find(key, 0).1,
        };
        self.settle();
    }

    /// Goes to the next key.
    pub(in crate::db) fn advance(&mut self) {
        let Some((key, _, _)) = self.entry() else {
            return;
        };
        let mut node = self.node;
        loop {
            node = Self::after(node);
            // SAFETY: C1.
            if node.is_null() || unsafe { Node::key(node) } != key {
                break;
            }
        }
        self.node = node;
        self.settle();
    }

    /// The entry here: key, sequence number, and the value or that the key is gone.
    pub(in crate::db) fn entry(&self) -> Option<crate::db::entry::Entry<'_>> {
        // SAFETY: C1; the slices are borrowed with the cursor and so with its share of the memtable.
        unsafe {
            let node = self.node.as_ref()?;
            Some((Node::key(self.node), node.sequence, Node::value(self.node)))
        }
    }

    /// Skips versions that are too new.
    fn settle(&mut self) {
        // SAFETY: C1.
        while unsafe { self.node.as_ref() }.is_some_and(|node| node.sequence > self.sequence) {
            self.node = Self::after(self.node);
        }
    }

    fn after(node: *const Node) -> *const Node {
        // SAFETY: C1; every node has a link at level 0.
        unsafe { (*Node::link(node, 0)).load(Ordering::Acquire) }
    }
}
