//! The memtable: new writes in memory, sorted, with one writer and readers that never wait.
//!
//! A linked list over an arena. Every version of a key is its own node, ordered by key and then newest first, so a reader that knows
//! a sequence number sees the table as it was when that number was the last. A tree of hints (`guide`) says where in the list a key
//! belongs, and a filter of its keys (`key_filter`) saves most reads of other keys the search.
//!
//! # Picture
//! ```text
//! guide:     |                        |              |
//! first -> [a @9] -> [a @3] -> [b @7] -> [b @2 gone] -> [c @5] -> nil
//! ```
//!
//! # Why no skip list
//! A search in one meets a node, and so one or two lines of memory that are not in the processor's caches, at each of some twenty steps.
//! In the guide it meets a page at each of four or five levels, of which all but the last are small enough to be cached. As
//! readers check what it says, its pages may change in place, without versions or copies.
//!
//! # Invariants
//! - M1: a node is complete (fields, link, key, value) before the first pointer to it is stored, with release; whoever loads
//!   that pointer with acquire sees it complete. Nothing but its link changes afterwards.
//! - M2: nodes live in the arena until the memtable is dropped: no reader can outlive them, as every cursor and
//!   borrowed value holds the memtable.
//! - M3: the list is in order, and a node enters it by the one store that makes the node before it point to it.
//! - M3b: removed ranges form a list of their own, newest first, of nodes that are as complete before they are linked.
//! - M4: the arena and the path are touched, and the guide is changed, only by the thread that holds `inserting`.
//!
//! # Bounds
//! The caller looks at [`Memtable::bytes`] and freezes the memtable.
#![allow(
    unsafe_code,
    reason = "nodes of varying size in raw memory, read without locks"
)]

mod arena;
mod cursor;
mod guide;
mod key_filter;
#[cfg(all(test, loom))]
mod loom;

pub(super) use cursor::MemtableCursor;

use super::entry::Kind;
use super::filter;
use super::options::KEY_BYTES_MAX;
use super::ranges::{RemovedRange, RemovedRanges};
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use arena::Arena;
use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ptr;
use guide::{Guide, Path, Target};
use key_filter::KeyFilter;

/// Nodes on the way from where the guide points to what is looked for, after which a reader asks the guide again: it changed meanwhile.
const STEPS_MAX: usize = if cfg!(loom) { 2 } else { 32 };
/// How often a reader asks the guide.
const QUESTIONS_MAX: usize = 3;
/// With so many nodes it is looked how much keys have in common, and the guide is made anew.
const NODES_LOOKED_AT: usize = 64;
/// It is again when one node in so many has less in common.
const STRAYS_SHARE: usize = 8;
/// Removed ranges in a memtable: each read looks at all of them, so with this many the memtable counts as full.
pub(super) const RANGES_MAX: usize = 128;
/// More than the options allow memtables to have.
const FULL_BYTES: usize = 2 << 30;

type Link = AtomicPtr<Node>;

/// The fixed part of a node; the key and the value follow it.
#[repr(C)]
struct Node {
    next: Link,
    sequence: u64,
    /// The key's length, above the byte that has the kind.
    key_and_kind: u32,
    value_bytes: u32,
}

/// A removed range; its two keys follow it.
#[repr(C)]
struct RangeNode {
    next: *const RangeNode,
    sequence: u64,
    start_bytes: usize,
    end_bytes: usize,
}

const _: () = assert!(align_of::<Node>() <= arena::ALIGN && align_of::<Guide>() <= arena::ALIGN);
const _: () = assert!(KEY_BYTES_MAX < 1 << (u32::BITS - 8));

struct Writer {
    arena: Arena,
    /// Where the last node went, in the guide as it is now.
    path: Path,
    /// Nodes whose keys lack what keys had in common when the guide was made.
    strays: usize,
}

/// Sorted writes in memory.
pub(super) struct Memtable {
    first: Link,
    /// Null while there are no nodes.
    guide: AtomicPtr<Guide>,
    bytes: AtomicUsize,
    entries: AtomicUsize,
    ranges: AtomicPtr<RangeNode>,
    range_count: AtomicUsize,
    /// How many nodes there will be, by a guess.
    expected: usize,
    /// Null while there are few nodes.
    filter: AtomicPtr<KeyFilter>,
    inserting: AtomicBool,
    writer: UnsafeCell<Writer>,
}

// SAFETY: nodes are shared by M1 and M2, the writer's part by M4; all are plain bytes and atomics.
unsafe impl Send for Memtable {}
// SAFETY: as above.
unsafe impl Sync for Memtable {}

impl Memtable {
    /// An empty one that is guessed to get `expected` nodes, as many as the one before it.
    pub(super) fn new(expected: usize) -> Self {
        Self {
            first: Link::new(ptr::null_mut()),
            guide: AtomicPtr::new(ptr::null_mut()),
            bytes: AtomicUsize::new(0),
            entries: AtomicUsize::new(0),
            ranges: AtomicPtr::new(ptr::null_mut()),
            range_count: AtomicUsize::new(0),
            expected,
            filter: AtomicPtr::new(ptr::null_mut()),
            inserting: AtomicBool::new(false),
            writer: UnsafeCell::new(Writer {
                arena: Arena::new(),
                path: Path::new(),
                strays: 0,
            }),
        }
    }

    /// Memory in use.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Memory in use, or more when there are so many removed ranges that it had better be flushed: at `RANGES_MAX` of them it
    /// counts as full whatever its bound.
    pub(super) fn weight(&self) -> usize {
        if self.range_count() >= RANGES_MAX {
            self.bytes().max(FULL_BYTES)
        } else {
            self.bytes()
        }
    }

    /// Whether nothing was written to it.
    pub(super) fn is_empty(&self) -> bool {
        self.entries() == 0 && self.range_count() == 0
    }

    /// Removed ranges.
    pub(super) fn range_count(&self) -> usize {
        self.range_count.load(Ordering::Relaxed)
    }

    /// Nodes, that is versions of keys.
    pub(super) fn entries(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// Adds a version of `key`. No two versions of a key have one sequence number.
    ///
    /// # Panics
    /// If another thread is inserting: the database inserts under its commit lock.
    pub(super) fn insert(&self, key: &[u8], sequence: u64, kind: Kind, value: &[u8]) {
        self.with_writer(|writer| {
            let target = Target { key, sequence };
            let mut guide: *const Guide = self.guide.load(Ordering::Relaxed);
            // SAFETY: M1, M2 and M4: this thread alone changes the list and the guide.
            unsafe {
                if guide.is_null() {
                    guide = Guide::new(&mut writer.arena, ptr::null(), 0);
                    self.guide.store(guide.cast_mut(), Ordering::Release);
                }
                (*guide).find(target, &mut writer.path);
                let link = self.link(writer.path.before());
                let next = link.load(Ordering::Relaxed);
                let node = Self::node(writer, key, sequence, kind, value, next);
                link.store(node, Ordering::Release);
                (*guide).add(&mut writer.arena, &mut writer.path, key, node);
                writer.strays += usize::from((*guide).is_stray(key));
            }
            let entries = self.entries.load(Ordering::Relaxed) + 1;
            self.entries.store(entries, Ordering::Relaxed);
            self.note(writer, key, entries);
            if entries == NODES_LOOKED_AT || writer.strays > entries / STRAYS_SHARE {
                self.remake_guide(writer);
            }
        });
    }

    /// Makes the guide anew if keys have more, or less, in common than it was made for. They have less each time but the first, for which
    /// so many of them must be new that all in all few nodes are added more than once.
    #[cold]
    fn remake_guide(&self, writer: &mut Writer) {
        let (first, last) = (self.first(), self.find_before(None));
        let guide: *const Guide = self.guide.load(Ordering::Relaxed);
        // SAFETY: M1, M2 and M4; there are nodes, so there is a guide.
        unsafe {
            let both = Node::key(first).iter().zip(Node::key(last));
            let common_bytes = both.take_while(|(a, b)| a == b).count();
            if common_bytes == (*guide).common_bytes() {
                return;
            }
            let fresh: *const Guide = Guide::new(&mut writer.arena, first, common_bytes);
            writer.path = Path::new();
            writer.strays = 0;
            let mut node = first;
            while !node.is_null() {
                let (key, sequence) = (Node::key(node), (*node).sequence);
                (*fresh).find(Target { key, sequence }, &mut writer.path);
                (*fresh).add(&mut writer.arena, &mut writer.path, key, node);
                node = Node::after(node);
            }
            self.guide.store(fresh.cast_mut(), Ordering::Release);
        }
    }

    /// Has the filter know of a key that is linked, and of all others if it is made anew.
    fn note(&self, writer: &mut Writer, key: &[u8], entries: usize) {
        let filter: *const KeyFilter = self.filter.load(Ordering::Relaxed);
        let nodes_max = match filter.is_null() {
            true => key_filter::NODES_MIN,
            // SAFETY: F1: it is complete, and lives as long as the arena.
            false => unsafe { KeyFilter::nodes_max(filter) },
        };
        if entries > nodes_max {
            let nodes_max = match entries >= self.expected / 64 {
                // Once it seems to come true the guess is taken, and some more, while there is little to add again.
                true => (nodes_max * 4).max(self.expected.saturating_mul(5) / 4),
                false => nodes_max * 4,
            };
            let fresh = KeyFilter::new(&mut writer.arena, nodes_max);
            let mut node = self.first();
            while !node.is_null() {
                // SAFETY: M1 and M2; F1.
                unsafe {
                    KeyFilter::add(fresh, filter::hash(Node::key(node)));
                    node = Node::after(node);
                }
            }
            self.filter.store(fresh, Ordering::Release);
        } else if !filter.is_null() {
            // SAFETY: F1.
            unsafe { KeyFilter::add(filter, filter::hash(key)) };
        }
    }

    /// Whether there may be a version of the key of this hash among the writes that the caller sees as visible.
    fn may_have(&self, hash: u64) -> bool {
        let filter: *const KeyFilter = self.filter.load(Ordering::Acquire);
        // SAFETY: F1: it is null or complete, and lives as long as the arena.
        filter.is_null() || unsafe { KeyFilter::may_have(filter, hash) }
    }

    /// Removes all keys from `start` up to but without `end` that were written before.
    ///
    /// # Panics
    /// As [`insert`](Self::insert).
    pub(super) fn insert_range(&self, start: &[u8], end: &[u8], sequence: u64) {
        self.with_writer(|writer| {
            let fixed = size_of::<RangeNode>();
            let piece = writer.arena.piece(fixed + start.len() + end.len());
            let node = piece.cast::<RangeNode>().as_ptr();
            // SAFETY: the piece is fresh, aligned for the node (A1) and as long as all that is written here.
            unsafe {
                node.write(RangeNode {
                    next: self.ranges.load(Ordering::Relaxed),
                    sequence,
                    start_bytes: start.len(),
                    end_bytes: end.len(),
                });
                let tail = piece.as_ptr().add(fixed);
                ptr::copy_nonoverlapping(start.as_ptr(), tail, start.len());
                ptr::copy_nonoverlapping(end.as_ptr(), tail.add(start.len()), end.len());
            }
            self.ranges.store(node, Ordering::Release);
            self.range_count.fetch_add(1, Ordering::Relaxed);
        });
    }

    fn with_writer(&self, insert: impl FnOnce(&mut Writer)) {
        assert!(
            !self.inserting.swap(true, Ordering::Acquire),
            "a memtable has one writer at a time"
        );
        // SAFETY: M4: this thread holds `inserting`.
        let writer = unsafe { &mut *self.writer.get() };
        insert(writer);
        self.bytes
            .store(writer.arena.used_bytes(), Ordering::Relaxed);
        self.inserting.store(false, Ordering::Release);
    }

    /// The versions of `key` that are not newer than `sequence`, newest first, down to one that is no merge or to a removed range.
    /// `hash` is `filter::hash(key)`.
    pub(super) fn versions(&self, key: &[u8], hash: u64, sequence: u64) -> Versions<'_> {
        let node = match self.may_have(hash) {
            true => self.find(key, sequence).1,
            false => ptr::null(),
        };
        let mut versions = Versions {
            memtable: PhantomData,
            node,
            covered: self.covering(key, sequence),
        };
        // SAFETY: M1 and M2.
        if !node.is_null() && unsafe { Node::key(node) } != key {
            versions.node = ptr::null();
        }
        versions
    }

    /// The newest number, up to `sequence`, as of which a removed range takes in `key`, or 0.
    pub(super) fn covering(&self, key: &[u8], sequence: u64) -> u64 {
        let mut found = 0;
        self.each_range(|start, end, removed| {
            if removed <= sequence && removed > found && start <= key && key < end {
                found = removed;
            }
        });
        found
    }

    /// The ranges that are not newer than `sequence`.
    pub(super) fn removed_ranges(&self, sequence: u64) -> RemovedRanges {
        let mut ranges = alloc::vec::Vec::new();
        self.each_range(|start, end, removed| {
            if removed <= sequence {
                ranges.push(RemovedRange {
                    start: start.into(),
                    end: end.into(),
                    sequence: removed,
                });
            }
        });
        RemovedRanges::new(&ranges)
    }

    fn each_range(&self, mut visit: impl FnMut(&[u8], &[u8], u64)) {
        let mut node: *const RangeNode = self.ranges.load(Ordering::Acquire);
        // SAFETY: M2 and M3b: linked nodes are complete, and both keys follow them.
        while let Some(range) = unsafe { node.as_ref() } {
            // SAFETY: as above.
            let (start, end) = unsafe {
                let at = node.cast::<u8>().add(size_of::<RangeNode>());
                (
                    core::slice::from_raw_parts(at, range.start_bytes),
                    core::slice::from_raw_parts(at.add(range.start_bytes), range.end_bytes),
                )
            };
            visit(start, end, range.sequence);
            node = range.next;
        }
    }

    /// The last node whose key is less than `key`, or the very last one for no key; null if there is none.
    fn find_before(&self, key: Option<&[u8]>) -> *const Node {
        if let Some(key) = key {
            return self.find(key, u64::MAX).0;
        }
        let guide: *const Guide = self.guide.load(Ordering::Acquire);
        // SAFETY: M1 and M2.
        unsafe {
            let mut at = guide.as_ref().map_or(ptr::null(), |guide| guide.near_end());
            loop {
                let next = self.link(at).load(Ordering::Acquire);
                if next.is_null() {
                    return at;
                }
                at = next;
            }
        }
    }

    /// The node before (`key`, `sequence`), null if there is none, and the first that is not before it.
    fn find(&self, key: &[u8], sequence: u64) -> (*const Node, *const Node) {
        let target = Target { key, sequence };
        let guide: *const Guide = self.guide.load(Ordering::Acquire);
        let mut questions = 0;
        loop {
            questions += 1;
            // SAFETY: M1 and M2; what the guide names is before the target.
            unsafe {
                let mut before = guide
                    .as_ref()
                    .map_or(ptr::null(), |guide| guide.near(target));
                let mut steps = 0;
                // The last walk goes on however long it is.
                while steps < STEPS_MAX || questions >= QUESTIONS_MAX {
                    let next: *const Node = self.link(before).load(Ordering::Acquire);
                    if next.is_null() || !target.is_behind(next) {
                        return (before, next);
                    }
                    before = next;
                    steps += 1;
                }
            }
        }
    }

    /// The link of `node`, or to the first one for null.
    ///
    /// # Safety
    /// `node` is null or complete (M1).
    unsafe fn link(&self, node: *const Node) -> &Link {
        // SAFETY: as the caller says, and M2.
        unsafe { node.as_ref() }.map_or(&self.first, |node| &node.next)
    }

    fn first(&self) -> *const Node {
        self.first.load(Ordering::Acquire)
    }

    /// A complete node.
    fn node(
        writer: &mut Writer,
        key: &[u8],
        sequence: u64,
        kind: Kind,
        value: &[u8],
        next: *mut Node,
    ) -> *mut Node {
        let fixed = size_of::<Node>();
        let piece = writer.arena.piece(fixed + key.len() + value.len());
        let node = piece.cast::<Node>().as_ptr();
        // SAFETY: the piece is fresh, aligned for a node (A1), and as long as all that is written here; keys and values are
        // shorter than the fields say by the batch's limits.
        unsafe {
            node.write(Node {
                next: Link::new(next),
                sequence,
                key_and_kind: (key.len() as u32) << 8 | kind as u32,
                value_bytes: value.len() as u32,
            });
            let tail = piece.as_ptr().add(fixed);
            ptr::copy_nonoverlapping(key.as_ptr(), tail, key.len());
            ptr::copy_nonoverlapping(value.as_ptr(), tail.add(key.len()), value.len());
        }
        node
    }
}

/// See [`Memtable::versions`].
#[derive(Debug)]
pub(super) struct Versions<'a> {
    memtable: PhantomData<&'a Memtable>,
    /// Null, or a linked node of the memtable with the key.
    node: *const Node,
    /// The newest removed range that takes in the key: older versions do not count.
    covered: u64,
}

/// A version of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyVersion<'a> {
    pub(super) sequence: u64,
    pub(super) kind: Kind,
    pub(super) value: &'a [u8],
}

impl<'a> Iterator for Versions<'a> {
    type Item = KeyVersion<'a>;

    fn next(&mut self) -> Option<KeyVersion<'a>> {
        // SAFETY: M1 and M2: null or a linked node of the memtable, which is borrowed.
        let node = unsafe { self.node.as_ref() };
        let Some(node) = node.filter(|node| node.sequence > self.covered) else {
            self.node = ptr::null();
            let sequence = core::mem::take(&mut self.covered);
            return (sequence > 0).then_some(KeyVersion {
                sequence,
                kind: Kind::Remove,
                value: &[],
            });
        };
        let at = self.node;
        // SAFETY: as above; `next` is linked too.
        let (value, next) = unsafe { (Node::value(at), Node::after(at)) };
        let kind = node.kind();
        if kind == Kind::Merge {
            // SAFETY: as above.
            let same = !next.is_null() && unsafe { Node::key(next) == Node::key(at) };
            self.node = if same { next } else { ptr::null() };
        } else {
            (self.node, self.covered) = (ptr::null(), 0);
        }
        Some(KeyVersion {
            sequence: node.sequence,
            kind,
            value,
        })
    }
}

impl Node {
    fn kind(&self) -> Kind {
        Kind::from_bits(u64::from(self.key_and_kind & 0xff)).unwrap_or(Kind::Remove)
    }

    const fn key_bytes(&self) -> usize {
        (self.key_and_kind >> 8) as usize
    }

    /// # Safety
    /// `node` is complete (M1) and was reached by a pointer to the whole piece.
    unsafe fn key<'a>(node: *const Self) -> &'a [u8] {
        // SAFETY: M1: the key follows the fixed part.
        unsafe {
            let at = node.cast::<u8>().add(size_of::<Self>());
            core::slice::from_raw_parts(at, (*node).key_bytes())
        }
    }

    /// # Safety
    /// As [`Node::key`].
    unsafe fn value<'a>(node: *const Self) -> &'a [u8] {
        // SAFETY: M1: the value follows the key.
        unsafe {
            let key = Self::key(node).as_ptr_range();
            core::slice::from_raw_parts(key.end, (*node).value_bytes as usize)
        }
    }

    /// The next node at the bottom, or null.
    ///
    /// # Safety
    /// As [`Node::key`].
    unsafe fn after(node: *const Self) -> *const Self {
        // SAFETY: as the caller says.
        unsafe { (*node).next.load(Ordering::Acquire) }
    }
}

impl fmt::Debug for Memtable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memtable")
            .field("entries", &self.entries())
            .field("bytes", &self.bytes())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::sync::Arc;
    use alloc::vec::Vec;
    use core::cmp::Reverse;
    use core::ops::Bound;

    type Model = BTreeMap<(Vec<u8>, Reverse<u64>), Option<Vec<u8>>>;

    /// Per key the newest version as of a number, from a plain map of all of them.
    fn expected(
        model: &Model,
        ranges: &[(Vec<u8>, Vec<u8>, u64)],
        at: u64,
    ) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let mut expected: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
        for ((key, Reverse(sequence)), value) in model {
            if *sequence <= at && expected.last().is_none_or(|(last, _)| last != key) {
                let gone = ranges.iter().any(|(start, end, removed)| {
                    removed <= &at && removed > sequence && start <= key && key < end
                });
                expected.push((key.clone(), value.clone().filter(|_| !gone)));
            }
        }
        expected
    }

    #[test]
    fn versions_are_seen_as_of_their_number_in_key_order_both_ways() {
        let table = Arc::new(Memtable::new(0));
        let (mut model, mut ranges) = (Model::new(), Vec::new());
        let mut random = 7u32;
        for sequence in 1..3000u64 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = (random >> 23).to_be_bytes();
            if sequence % 100 == 0 {
                let end = ((random >> 23) + 20).to_be_bytes();
                table.insert_range(&key, &end, sequence);
                ranges.push((key.to_vec(), end.to_vec(), sequence));
                continue;
            }
            let value = sequence.to_le_bytes();
            let value = (!random.is_multiple_of(5)).then_some(&value[..]);
            let kind = value.map_or(Kind::Remove, |_| Kind::Put);
            table.insert(&key, sequence, kind, value.unwrap_or_default());
            model.insert((key.to_vec(), Reverse(sequence)), value.map(<[u8]>::to_vec));
        }
        for at in [0, 1, 1500, 2999, u64::MAX] {
            let mut expected = expected(&model, &ranges, at);
            for (key, value) in &expected {
                let found = table.versions(key, filter::hash(key), at).next().unwrap();
                assert_eq!(found.kind == Kind::Put, value.is_some());
                assert_eq!(found.value, value.as_deref().unwrap_or_default());
            }
            // Most keys that are not there are known not to be without a search.
            let absent = |number: &u32| table.may_have(filter::hash(&number.to_le_bytes()));
            assert!((1000..3000).filter(absent).count() < 400);
            for reverse in [false, true] {
                let mut cursor = MemtableCursor::new(table.clone(), at, None);
                cursor.seek(Bound::Unbounded, reverse);
                let mut seen = Vec::new();
                while let Some(entry) = cursor.entry() {
                    let value = (entry.kind == Kind::Put).then(|| entry.value.to_vec());
                    seen.push((entry.key.to_vec(), value));
                    cursor.step(reverse);
                }
                assert_eq!(seen, expected);
                expected.reverse();
            }
        }
    }

    #[test]
    fn a_filter_is_made_anew_while_there_are_few_nodes_if_their_number_was_guessed() {
        let guesses = [
            (0, [256, 1024, 16_384, 65_536]),
            (10_000, [256, 12_500, 12_500, 50_000]),
        ];
        for (guess, expected) in guesses {
            let table = Memtable::new(guess);
            let mut sizes = Vec::new();
            for sequence in 1..=20_000u32 {
                let key = sequence.wrapping_mul(2_654_435_761).to_be_bytes();
                table.insert(&key, u64::from(sequence), Kind::Put, b"");
                if [100, 300, 10_000, 20_000].contains(&sequence) {
                    // SAFETY: F1.
                    sizes.push(unsafe {
                        KeyFilter::nodes_max(table.filter.load(Ordering::Relaxed))
                    });
                }
            }
            assert_eq!(sizes, expected, "{guess}");
        }
    }

    #[test]
    fn readers_see_whole_nodes_while_a_writer_inserts() {
        let table = Arc::new(Memtable::new(0));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while table.entries() < 20_000 {
                        let mut cursor = MemtableCursor::new(table.clone(), u64::MAX, None);
                        cursor.seek(Bound::Unbounded, false);
                        let mut last = Vec::new();
                        for _ in 0..200 {
                            let Some(entry) = cursor.entry() else {
                                break;
                            };
                            assert!(last.is_empty() || entry.key > &last[..]);
                            assert_eq!(entry.value, entry.key);
                            last = entry.key.to_vec();
                            cursor.step(false);
                        }
                    }
                });
            }
            for sequence in 0..20_000u32 {
                let key = sequence.wrapping_mul(2_654_435_761).to_be_bytes();
                table.insert(&key, u64::from(sequence), Kind::Put, &key);
            }
        });
    }
}
