//! The simulated disk: inodes, directories, space, and what a power loss leaves of them.
//!
//! ```text
//!   programs --> volatile view --(sync: changes)------------> durable image --> power loss --> next boot
//!                             \-(sync_directory: operations)-/
//! ```
//!
//! Contents and names are durable apart from each other: syncing a file makes its bytes durable but not its name, as
//! in POSIX (and unlike ext4, which is kinder); syncing a directory makes its names durable but not the bytes of its files. An inode that no
//! durable name leads to after a power loss is gone.
//!
//! # Invariants
//! I1: `used_pages` is the number of pages of the volatile contents of every inode that has a name or is open.
//! I2: an inode is kept while a visible name, a durable name, an unsynced operation or an open handle leads to it.
//!
//! # Not here
//! Symbolic links, permissions, several file systems.
#![forbid(unsafe_code)]

mod content;
mod crash;
mod inode;
mod journal;
mod path;

pub use crash::SECTOR_BYTES;

pub(super) use content::{FILE_BYTES_MAX, PAGE_BYTES};
pub(super) use crash::Change;
use inode::Entries;
pub(super) use inode::{FileNode, Inode, InodeId, Node};
use journal::{Entry, Journal};
use path::Place;

use super::rng::Rng;
use crate::error::Kind;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

/// Fails with what went wrong; the caller knows the operation.
pub(super) type DiskResult<T> = Result<T, Kind>;

/// The root directory.
const ROOT: InodeId = 1;

/// The whole disk. A clone is a snapshot and shares unchanged pages.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    inodes: BTreeMap<InodeId, Inode>,
    journal: Journal,
    next_id: InodeId,
    used_pages: u64,
    capacity_pages: u64,
}

impl Disk {
    pub(super) fn new(capacity_bytes: u64) -> Self {
        let root = Node::Directory {
            volatile: Entries::new(),
            durable: Entries::new(),
            parent: ROOT,
        };
        let mut inode = Inode::new(root, 0);
        inode.link_count = 1;
        Self {
            inodes: BTreeMap::from([(ROOT, inode)]),
            journal: Journal::default(),
            next_id: ROOT + 1,
            used_pages: 0,
            capacity_pages: capacity_bytes / PAGE_BYTES,
        }
    }

    pub(super) fn set_capacity(&mut self, bytes: u64) {
        self.capacity_pages = bytes / PAGE_BYTES;
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.used_pages * PAGE_BYTES
    }

    fn free_pages(&self) -> u64 {
        self.capacity_pages.saturating_sub(self.used_pages)
    }

    pub(super) fn inode(&self, id: InodeId) -> DiskResult<&Inode> {
        self.inodes.get(&id).ok_or(Kind::NotFound)
    }

    pub(super) fn file(&self, id: InodeId) -> DiskResult<&FileNode> {
        self.inode(id)?.file().ok_or(Kind::IsADirectory)
    }

    pub(super) fn file_mut(&mut self, id: InodeId) -> DiskResult<&mut FileNode> {
        let inode = self.inodes.get_mut(&id).ok_or(Kind::NotFound)?;
        inode.file_mut().ok_or(Kind::IsADirectory)
    }

    fn entries(&self, id: InodeId) -> DiskResult<&Entries> {
        match &self.inode(id)?.node {
            Node::Directory { volatile, .. } => Ok(volatile),
            Node::File(_) => Err(Kind::NotADirectory),
        }
    }

    /// Names and inodes of a directory.
    pub(super) fn list(&self, path: &[u8]) -> DiskResult<Vec<(Vec<u8>, bool)>> {
        let entries = self.entries(self.find(path)?)?;
        Ok(entries
            .iter()
            .map(|(name, id)| (name.clone(), self.is_directory(*id)))
            .collect())
    }

    fn is_directory(&self, id: InodeId) -> bool {
        self.entries(id).is_ok()
    }

    /// Gives names new meanings, now for programs and later, with the journal, for the medium.
    fn operate(&mut self, entries: Vec<Entry>, now_ns: u64) {
        for entry in &entries {
            let Some(Inode {
                node: Node::Directory { volatile, .. },
                modified_ns,
                ..
            }) = self.inodes.get_mut(&entry.directory)
            else {
                continue;
            };
            *modified_ns = now_ns;
            let old = match entry.inode {
                Some(id) => volatile.insert(entry.name.clone(), id),
                None => volatile.remove(&entry.name),
            };
            if let Some(id) = entry.inode
                && let Some(inode) = self.inodes.get_mut(&id)
            {
                inode.link_count += 1;
                if let Node::Directory { parent, .. } = &mut inode.node {
                    *parent = entry.directory;
                }
            }
            if let Some(id) = old
                && let Some(inode) = self.inodes.get_mut(&id)
            {
                inode.link_count -= 1;
                self.release_space(id);
            }
        }
        self.journal.push(entries);
        if let Some(older) = self.journal.overflow() {
            self.make_durable(older);
            self.sweep();
        }
    }

    /// Gives back the space of an inode that nobody can reach any more.
    fn release_space(&mut self, id: InodeId) {
        if let Ok(inode) = self.inode(id)
            && inode.link_count == 0
            && inode.open_count == 0
            && let Some(file) = inode.file()
        {
            self.used_pages -= file.volatile.page_count();
        }
    }

    /// Adds a name for a new inode.
    fn make(&mut self, place: &Place<'_>, node: Node, now_ns: u64) -> DiskResult<InodeId> {
        if self.free_pages() == 0 {
            return Err(Kind::NoSpace);
        }
        let id = self.next_id;
        self.next_id += 1;
        self.inodes.insert(id, Inode::new(node, now_ns));
        self.operate(vec![place.entry(Some(id))], now_ns);
        Ok(id)
    }

    pub(super) fn create_file(&mut self, path: &[u8], now_ns: u64) -> DiskResult<InodeId> {
        let place = self.place(path)?;
        if place.must_be_directory {
            return Err(Kind::IsADirectory);
        }
        self.make(&place, Node::File(FileNode::default()), now_ns)
    }

    pub(super) fn create_directory(&mut self, path: &[u8], now_ns: u64) -> DiskResult<()> {
        let place = match self.place(path) {
            // The root, `.` and `..` are there already.
            Err(Kind::Busy) => return Err(Kind::AlreadyExists),
            place => place?,
        };
        if place.inode.is_some() {
            return Err(Kind::AlreadyExists);
        }
        let node = Node::Directory {
            volatile: Entries::new(),
            durable: Entries::new(),
            parent: place.directory,
        };
        self.make(&place, node, now_ns).map(drop)
    }

    pub(super) fn remove_file(&mut self, path: &[u8], now_ns: u64) -> DiskResult<()> {
        let place = match self.place(path) {
            Err(Kind::Busy) => return Err(Kind::IsADirectory),
            place => place?,
        };
        let id = place.inode.ok_or(Kind::NotFound)?;
        if self.is_directory(id) {
            return Err(Kind::IsADirectory);
        }
        if place.must_be_directory {
            return Err(Kind::NotADirectory);
        }
        self.operate(vec![place.entry(None)], now_ns);
        Ok(())
    }

    pub(super) fn remove_directory(&mut self, path: &[u8], now_ns: u64) -> DiskResult<()> {
        let place = self.place(path)?;
        let id = place.inode.ok_or(Kind::NotFound)?;
        if !self.entries(id)?.is_empty() {
            return Err(Kind::DirectoryNotEmpty);
        }
        self.operate(vec![place.entry(None)], now_ns);
        Ok(())
    }

    pub(super) fn hard_link(&mut self, from: &[u8], to: &[u8], now_ns: u64) -> DiskResult<()> {
        let id = self.find(from)?;
        if self.is_directory(id) {
            return Err(Kind::PermissionDenied);
        }
        let place = match self.place(to) {
            Err(Kind::Busy) => return Err(Kind::AlreadyExists),
            place => place?,
        };
        if place.inode.is_some() {
            return Err(Kind::AlreadyExists);
        }
        if place.must_be_directory {
            return Err(Kind::NotFound);
        }
        self.operate(vec![place.entry(Some(id))], now_ns);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &[u8], to: &[u8], now_ns: u64) -> DiskResult<()> {
        let from = self.place(from)?;
        let to = self.place(to)?;
        let id = from.inode.ok_or(Kind::NotFound)?;
        let moves_directory = self.is_directory(id);
        if !moves_directory && (from.must_be_directory || to.must_be_directory) {
            return Err(Kind::NotADirectory);
        }
        if moves_directory && self.is_within(to.directory, id) {
            return Err(Kind::InvalidInput);
        }
        match to.inode {
            // Two names of one file: POSIX says that nothing happens.
            Some(old) if old == id => return Ok(()),
            Some(old) => match self.entries(old) {
                Ok(_) if !moves_directory => return Err(Kind::IsADirectory),
                Ok(entries) if !entries.is_empty() => return Err(Kind::DirectoryNotEmpty),
                Ok(_) => {}
                Err(_) if moves_directory => return Err(Kind::NotADirectory),
                Err(_) => {}
            },
            None => {}
        }
        self.operate(vec![to.entry(Some(id)), from.entry(None)], now_ns);
        Ok(())
    }

    /// Whether `directory` is `ancestor` or lies below it.
    fn is_within(&self, mut directory: InodeId, ancestor: InodeId) -> bool {
        while directory != ancestor {
            match self.inodes.get(&directory).map(|inode| &inode.node) {
                Some(Node::Directory { parent, .. }) if *parent != directory => directory = *parent,
                _ => return false,
            }
        }
        true
    }

    pub(super) fn open(&mut self, id: InodeId) {
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.open_count += 1;
        }
    }

    pub(super) fn close(&mut self, id: InodeId, handle: u64) {
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.open_count -= 1;
            if let Some(file) = inode.file_mut() {
                file.locks.remove(&handle);
            }
            self.release_space(id);
        }
    }

    /// Makes a change to a file if there is room for it.
    pub(super) fn change(&mut self, id: InodeId, change: Change, now_ns: u64) -> DiskResult<()> {
        let free = self.free_pages();
        let file = self.file(id)?;
        let missing = match &change {
            Change::Write { offset, bytes } => file.volatile.missing(*offset, bytes.len() as u64),
            Change::Preallocate { offset, bytes } => file.volatile.missing(*offset, *bytes),
            Change::SetLength(_) | Change::Punch { .. } => 0,
        };
        if missing > free {
            return Err(Kind::NoSpace);
        }
        self.store(id, change, now_ns);
        Ok(())
    }

    /// Makes a change without asking for room: a store to a mapped hole has nobody to tell.
    pub(super) fn store(&mut self, id: InodeId, change: Change, now_ns: u64) {
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.modified_ns = now_ns;
            if let Some(file) = inode.file_mut() {
                let before = file.volatile.page_count();
                file.change(change);
                self.recount(id, before);
            }
        }
    }

    /// A write that the cache has in the right place and the medium will get in the wrong one.
    pub(super) fn misdirect(
        &mut self,
        id: InodeId,
        offset: u64,
        wrong: u64,
        bytes: &[u8],
        now_ns: u64,
    ) -> DiskResult<()> {
        let change = |offset| Change::Write {
            offset,
            bytes: bytes.to_vec(),
        };
        self.change(id, change(offset), now_ns)?;
        let file = self.file_mut(id)?;
        file.redirect(change(wrong));
        Ok(())
    }

    /// Open files and mappings.
    pub(super) fn open_handles(&self) -> u64 {
        self.inodes.values().map(|inode| inode.open_count).sum()
    }

    /// Bytes of a write that there is room for.
    pub(super) fn room(&self, id: InodeId, offset: u64, bytes: u64) -> DiskResult<u64> {
        Ok(self
            .file(id)?
            .volatile
            .room(offset, bytes, self.free_pages()))
    }

    pub(super) fn fail_sync(&mut self, id: InodeId, rng: &mut Rng) -> DiskResult<()> {
        let file = self.file_mut(id)?;
        let before = file.volatile.page_count();
        let evict = rng.coin();
        file.fail_sync(rng, evict);
        self.recount(id, before);
        Ok(())
    }

    fn recount(&mut self, id: InodeId, before: u64) {
        if let Ok(file) = self.file(id) {
            self.used_pages = self.used_pages + file.volatile.page_count() - before;
        }
    }

    /// Rots one bit of a file, in the cache and on the medium; false if the file has no such byte.
    pub(super) fn flip(&mut self, id: InodeId, offset: u64, bit: u8) -> DiskResult<bool> {
        let file = self.file_mut(id)?;
        let before = file.volatile.page_count();
        let there = file.volatile.flip(offset, bit);
        file.durable.flip(offset, bit);
        self.recount(id, before);
        Ok(there)
    }

    fn make_durable(&mut self, operations: Vec<journal::Operation>) {
        for entry in operations.into_iter().flatten() {
            if let Some(Inode {
                node: Node::Directory { durable, .. },
                ..
            }) = self.inodes.get_mut(&entry.directory)
            {
                match entry.inode {
                    Some(id) => durable.insert(entry.name, id),
                    None => durable.remove(&entry.name),
                };
            }
        }
    }

    /// Makes the names of a directory durable.
    pub(super) fn sync_directory(&mut self, path: &[u8]) -> DiskResult<()> {
        let id = self.find(path)?;
        self.entries(id)?;
        let operations = self.journal.commit(id);
        self.make_durable(operations);
        self.sweep();
        Ok(())
    }

    /// A directory sync that failed: the operations stay unsynced, and some of them may be durable already.
    pub(super) fn fail_sync_directory(&mut self, path: &[u8], rng: &mut Rng) -> DiskResult<()> {
        let id = self.find(path)?;
        self.entries(id)?;
        let operations = self.journal.leak(id, rng);
        self.make_durable(operations);
        Ok(())
    }

    /// Forgets inodes that nothing leads to (I2).
    fn sweep(&mut self) {
        let dead = |inode: &Inode| inode.link_count == 0 && inode.open_count == 0;
        if !self.inodes.values().any(dead) {
            return;
        }
        let mut wanted: BTreeSet<InodeId> = self.journal.named().collect();
        for inode in self.inodes.values() {
            if let Node::Directory { durable, .. } = &inode.node {
                wanted.extend(durable.values());
            }
        }
        self.inodes
            .retain(|id, inode| !dead(inode) || wanted.contains(id));
    }

    /// The program ended and the system lives on: its handles and locks go.
    pub(super) fn close_all(&mut self) {
        let ids: Vec<InodeId> = self.inodes.keys().copied().collect();
        for id in ids {
            if let Some(inode) = self.inodes.get_mut(&id)
                && inode.open_count != 0
            {
                inode.open_count = 0;
                if let Some(file) = inode.file_mut() {
                    file.locks.clear();
                }
                self.release_space(id);
            }
        }
    }

    /// The power went: what is left is the medium, with a part of what was on its way there.
    pub(super) fn lose_power(&mut self, rng: &mut Rng) {
        let survivors = self.journal.lose_power(rng);
        self.make_durable(survivors);
        for inode in self.inodes.values_mut() {
            inode.link_count = 0;
            inode.open_count = 0;
            match &mut inode.node {
                Node::File(file) => {
                    file.lose_power(rng);
                    file.locks.clear();
                }
                Node::Directory {
                    volatile, durable, ..
                } => volatile.clone_from(durable),
            }
        }
        self.check_file_system();
    }

    /// Counts links again and drops what the root does not lead to, as a file system check does.
    fn check_file_system(&mut self) {
        let mut links = BTreeMap::from([(ROOT, 1)]);
        let mut queue = vec![ROOT];
        while let Some(directory) = queue.pop() {
            let children: Vec<InodeId> = match self.entries(directory) {
                Ok(entries) => entries.values().copied().collect(),
                Err(_) => continue,
            };
            for id in children {
                let count = links.entry(id).or_insert(0);
                *count += 1;
                if let Some(inode) = self.inodes.get_mut(&id)
                    && let Node::Directory { parent, .. } = &mut inode.node
                    && *count == 1
                {
                    *parent = directory;
                    queue.push(id);
                }
            }
        }
        self.inodes.retain(|id, _| links.contains_key(id));
        self.used_pages = 0;
        for (id, inode) in &mut self.inodes {
            inode.link_count = links[id];
            if let Some(file) = inode.file() {
                self.used_pages += file.volatile.page_count();
            }
        }
    }
}
