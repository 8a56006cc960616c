//! Files and directories as the simulated disk keeps them, twice: as programs see them now, and as they are on the
//! medium.
#![forbid(unsafe_code)]

use super::content::Content;
use super::crash::{self, Change};
use crate::platform::file::LockKind;
use crate::platform::sim::rng::Rng;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Numbers an inode; never used again on one disk.
pub(in super::super) type InodeId = u64;

/// Names in a directory.
pub(in super::super) type Entries = BTreeMap<Vec<u8>, InodeId>;

/// Unsynced changes of one file that are remembered; the older half of more is written back, as a system does in time.
const UNSYNCED_CHANGES_MAX: usize = 4096;

/// The same in bytes.
const UNSYNCED_BYTES_MAX: usize = 32 << 20;

/// A regular file.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct FileNode {
    /// What programs read.
    pub(in super::super) volatile: Content,
    /// What is on the medium for certain.
    pub(in super::super) durable: Content,
    /// What was changed since the last sync, in order.
    pub(in super::super) changes: Vec<Change>,
    /// Bytes in them.
    unsynced_bytes: usize,
    /// Advisory locks by handle.
    pub(in super::super) locks: BTreeMap<u64, LockKind>,
}

impl FileNode {
    /// Makes a change that programs see at once and the medium only after a sync.
    pub(in super::super) fn change(&mut self, change: Change) {
        change.apply(&mut self.volatile);
        self.log(change);
    }

    /// Notes what the medium has yet to get.
    pub(in super::super) fn log(&mut self, change: Change) {
        self.unsynced_bytes += change.bytes();
        self.changes.push(change);
        if self.changes.len() > UNSYNCED_CHANGES_MAX || self.unsynced_bytes > UNSYNCED_BYTES_MAX {
            let older = self.changes.len().div_ceil(2);
            for change in self.changes.drain(..older) {
                self.unsynced_bytes -= change.bytes();
                change.apply(&mut self.durable);
            }
        }
    }

    /// The latest change reaches the medium as another one.
    pub(in super::super) fn redirect(&mut self, change: Change) {
        if let Some(right) = self.changes.pop() {
            self.unsynced_bytes -= right.bytes();
        }
        self.log(change);
    }

    fn forget_changes(&mut self) {
        self.changes.clear();
        self.unsynced_bytes = 0;
    }

    /// Makes every change durable.
    pub(in super::super) fn sync(&mut self) {
        for change in self.changes.drain(..) {
            change.apply(&mut self.durable);
        }
        self.forget_changes();
    }

    /// A sync that failed: an unknown part of the changes reached the medium, and the system counts all of them as clean, so
    /// that no later sync writes the rest. With `evict` the cache forgets them too and reads show the medium.
    pub(in super::super) fn fail_sync(&mut self, rng: &mut Rng, evict: bool) {
        crash::lose(&mut self.durable, &self.changes, rng);
        self.forget_changes();
        if evict {
            self.volatile = self.durable.clone();
        }
    }

    /// The power went: the medium is all that is left.
    pub(in super::super) fn lose_power(&mut self, rng: &mut Rng) {
        crash::lose(&mut self.durable, &self.changes, rng);
        self.forget_changes();
        self.volatile = self.durable.clone();
    }
}

/// What an inode is.
#[derive(Clone, Debug)]
pub(in super::super) enum Node {
    File(FileNode),
    Directory {
        /// The names that programs see.
        volatile: Entries,
        /// The names on the medium.
        durable: Entries,
        /// The directory that holds this one.
        parent: InodeId,
    },
}

/// A file or directory with what the system keeps about it.
#[derive(Clone, Debug)]
pub(in super::super) struct Inode {
    pub(in super::super) node: Node,
    /// Visible names.
    pub(in super::super) link_count: u64,
    /// Open handles and mappings.
    pub(in super::super) open_count: u64,
    pub(in super::super) modified_ns: u64,
}

impl Inode {
    pub(in super::super) fn new(node: Node, now_ns: u64) -> Self {
        Self {
            node,
            link_count: 0,
            open_count: 0,
            modified_ns: now_ns,
        }
    }

    pub(in super::super) fn file(&self) -> Option<&FileNode> {
        match &self.node {
            Node::File(file) => Some(file),
            Node::Directory { .. } => None,
        }
    }

    pub(in super::super) fn file_mut(&mut self) -> Option<&mut FileNode> {
        match &mut self.node {
            Node::File(file) => Some(file),
            Node::Directory { .. } => None,
        }
    }
}
