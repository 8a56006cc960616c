//! The memtable: new writes in memory, sorted, with one writer and readers that never wait.
//!
//! A skip list (Pugh, CACM 1990) over an arena. Every version of a key is its own node, ordered by key and then newest
//! first, so a reader that knows a sequence number sees the table as it was when that number was the last.
//!
//! # Picture
//! ```text
//! head --- 3 ------------------------> [b @7] ----------------------------> nil
//! head --- 2 ----------> [a @3] -----> [b @7] ----------------> [c @5] ---> nil
//! head --- 1 -> [a @9] -> [a @3] -----> [b @7] -> [b @2 gone] -> [c @5] --> nil
//! ```
//!
//! # Invariants
//! - M1: a node is complete (fields, links, key, value) before the first pointer to it is stored, with release; whoever loads
//!   that pointer with acquire sees it complete. Nothing but links changes afterwards.
//! - M2: nodes live in the arena until the memtable is dropped: no reader can outlive them, as every cursor and
//!   borrowed value holds the memtable.
//! - M3: level `h` links a subset of level `h - 1`, each in order; a node enters from the bottom up.
//! - M4: the arena and the random state are touched only by the thread that holds `inserting`.
//!
//! # Bounds
//! The caller looks at [`Memtable::bytes`] and freezes the memtable; the height is at most [`HEIGHT_MAX`].
#![allow(
    unsafe_code,
    reason = "nodes of varying size in raw memory, read without locks"
)]

mod arena;
mod cursor;

pub(super) use cursor::MemtableCursor;

use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use arena::Arena;
use core::cell::UnsafeCell;
use core::cmp;
use core::fmt;
use core::ptr;

/// Levels, with a quarter of each level's nodes in the next: enough for 16 million nodes.
const HEIGHT_MAX: usize = 12;
/// Marks a node that says that the key is gone.
const GONE: u32 = u32::MAX;

type Link = AtomicPtr<Node>;

/// The fixed part of a node; `height` links, the key and the value follow it.
#[repr(C)]
struct Node {
    /// The key's first eight bytes, most significant first and filled up with zeros: two that differ order the keys, so that
    /// most comparisons touch no more than this line of the node.
    prefix: u64,
    sequence: u64,
    key_bytes: u32,
    value_bytes: u32,
    height: usize,
}

const LINKS_AT: usize = size_of::<Node>().next_multiple_of(align_of::<Link>());
const _: () = assert!(align_of::<Node>() <= arena::ALIGN && align_of::<Link>() <= arena::ALIGN);

struct Writer {
    arena: Arena,
    random: u32,
}

/// Sorted writes in memory.
pub(super) struct Memtable {
    head: [Link; HEIGHT_MAX],
    height: AtomicUsize,
    bytes: AtomicUsize,
    entries: AtomicUsize,
    inserting: AtomicBool,
    writer: UnsafeCell<Writer>,
}

// SAFETY: nodes are shared by M1 and M2, the writer's part by M4; all are plain bytes and atomics.
unsafe impl Send for Memtable {}
// SAFETY: as above.
unsafe impl Sync for Memtable {}

impl Memtable {
    pub(super) fn new() -> Self {
        Self {
            head: core::array::from_fn(|_| Link::new(ptr::null_mut())),
            height: AtomicUsize::new(1),
            bytes: AtomicUsize::new(0),
            entries: AtomicUsize::new(0),
            inserting: AtomicBool::new(false),
            writer: UnsafeCell::new(Writer {
                arena: Arena::new(),
                random: 0x9e37_79b9,
            }),
        }
    }

    /// Memory in use.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Nodes, that is versions of keys.
    pub(super) fn entries(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// Adds a version of `key`: a value, or that it is gone. No two versions of a key have one sequence number.
    ///
    /// # Panics
    /// If another thread is inserting: the database inserts under its commit lock.
    pub(super) fn insert(&self, key: &[u8], sequence: u64, value: Option<&[u8]>) {
        assert!(
            !self.inserting.swap(true, Ordering::Acquire),
            "a memtable has one writer at a time"
        );
        // SAFETY: M4: this thread holds `inserting`.
        let writer = unsafe { &mut *self.writer.get() };
        let height = writer.random_height();
        let (before, _) = self.find(key, sequence);
        let node = self.node(writer, key, sequence, value, height);
        for (level, previous) in before.iter().enumerate().take(height) {
            let link = self.link(*previous, level);
            // SAFETY: M1: `node` is complete but for its links, which nobody else can reach yet at this level;
            // it has `height` links.
            unsafe {
                (*Node::link(node, level)).store(link.load(Ordering::Relaxed), Ordering::Relaxed)
            };
            link.store(node, Ordering::Release);
        }
        // Readers that see the old height miss only a shortcut.
        self.height.fetch_max(height, Ordering::Relaxed);
        self.bytes
            .store(writer.arena.used_bytes(), Ordering::Relaxed);
        self.entries.fetch_add(1, Ordering::Relaxed);
        self.inserting.store(false, Ordering::Release);
    }

    /// The newest version of `key` that is not newer than `sequence`: a value, or that it is gone.
    pub(super) fn get(&self, key: &[u8], sequence: u64) -> Option<Option<&[u8]>> {
        let (_, node) = self.find(key, sequence);
        if node.is_null() {
            return None;
        }
        // SAFETY: M1 and M2: a linked node, borrowed with the memtable.
        let (found, value) = unsafe { (Node::key(node), Node::value(node)) };
        (found == key).then_some(value)
    }

    /// The nodes before (`key`, `sequence`) at each level (null for the head), and the first that is not before it.
    fn find(&self, key: &[u8], sequence: u64) -> ([*const Node; HEIGHT_MAX], *const Node) {
        let mut before = [ptr::null(); HEIGHT_MAX];
        let mut at: *const Node = ptr::null();
        let mut next: *const Node = ptr::null();
        let prefix = prefix(key);
        for level in (0..self.height.load(Ordering::Relaxed)).rev() {
            loop {
                next = self.link(at, level).load(Ordering::Acquire);
                if next.is_null() {
                    break;
                }
                // SAFETY: M1 and M2.
                let order = unsafe {
                    (*next)
                        .prefix
                        .cmp(&prefix)
                        .then_with(|| Node::key(next).cmp(key))
                        .then_with(|| sequence.cmp(&(*next).sequence))
                };
                if order != cmp::Ordering::Less {
                    break;
                }
                at = next;
            }
            before[level] = at;
        }
        (before, next)
    }

    /// The link at `level` of `node`, or of the head for null. A node passed here was reached at `level` or above, or
    /// has that level: it has the link (M3).
    fn link(&self, node: *const Node, level: usize) -> &Link {
        if node.is_null() {
            return &self.head[level];
        }
        // SAFETY: M1, M2, and the node has more than `level` links.
        unsafe { &*Node::link(node, level) }
    }

    fn first(&self) -> *const Node {
        self.head[0].load(Ordering::Acquire)
    }

    /// A complete node but for its links, which are null.
    fn node(
        &self,
        writer: &mut Writer,
        key: &[u8],
        sequence: u64,
        value: Option<&[u8]>,
        height: usize,
    ) -> *mut Node {
        let value_bytes = value.map_or(GONE, |value| value.len() as u32);
        let value = value.unwrap_or_default();
        let fixed = LINKS_AT + height * size_of::<Link>();
        let piece = writer.arena.piece(fixed + key.len() + value.len());
        let node = piece.cast::<Node>().as_ptr();
        // SAFETY: the piece is fresh, aligned for a node and its links (A1), and as long as all that is
        // written here; keys and values are shorter than 4 GiB by the batch's limits.
        unsafe {
            node.write(Node {
                prefix: prefix(key),
                sequence,
                key_bytes: key.len() as u32,
                value_bytes,
                height,
            });
            for level in 0..height {
                Node::link(node, level)
                    .cast_mut()
                    .write(Link::new(ptr::null_mut()));
            }
            let tail = piece.as_ptr().add(fixed);
            ptr::copy_nonoverlapping(key.as_ptr(), tail, key.len());
            ptr::copy_nonoverlapping(value.as_ptr(), tail.add(key.len()), value.len());
        }
        node
    }
}

impl Node {
    /// Where link `level` of `node` is.
    ///
    /// # Safety
    /// `node` points to a piece with room for more than `level` links.
    unsafe fn link(node: *const Self, level: usize) -> *const Link {
        // SAFETY: within the piece.
        unsafe { node.cast::<u8>().add(LINKS_AT).cast::<Link>().add(level) }
    }

    /// # Safety
    /// `node` is complete (M1) and was reached by a pointer to the whole piece.
    unsafe fn key<'a>(node: *const Self) -> &'a [u8] {
        // SAFETY: M1: the key follows the links.
        unsafe {
            let at = node
                .cast::<u8>()
                .add(LINKS_AT + (*node).height * size_of::<Link>());
            core::slice::from_raw_parts(at, (*node).key_bytes as usize)
        }
    }

    /// # Safety
    /// As [`Node::key`].
    unsafe fn value<'a>(node: *const Self) -> Option<&'a [u8]> {
        // SAFETY: M1: the value follows the key.
        unsafe {
            let key = Self::key(node).as_ptr_range();
            ((*node).value_bytes != GONE)
                .then(|| core::slice::from_raw_parts(key.end, (*node).value_bytes as usize))
        }
    }
}

/// See [`Node`]'s field.
fn prefix(key: &[u8]) -> u64 {
    match key.first_chunk::<8>() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => key
            .iter()
            .zip((0..8).rev())
            .fold(0, |prefix, (&byte, place)| {
                prefix | u64::from(byte) << (8 * place)
            }),
    }
}

impl Writer {
    /// 1 with probability 3/4, 2 with 3/16, and so on. Xorshift (Marsaglia, 2003).
    fn random_height(&mut self) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        (1 + self.random.trailing_zeros() as usize / 2).min(HEIGHT_MAX)
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

    #[test]
    fn versions_are_seen_as_of_their_number_in_key_order() {
        let table = Arc::new(Memtable::new());
        let mut model = BTreeMap::new();
        let mut random = 7u32;
        for sequence in 1..3000u64 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = (random >> 23).to_be_bytes();
            let value = sequence.to_le_bytes();
            let value = (!random.is_multiple_of(5)).then_some(&value[..]);
            table.insert(&key, sequence, value);
            model.insert((key.to_vec(), Reverse(sequence)), value.map(<[u8]>::to_vec));
        }
        for at in [0, 1, 1500, 2999, u64::MAX] {
            let mut expected: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
            for ((key, Reverse(sequence)), value) in &model {
                if *sequence <= at && expected.last().is_none_or(|(last, _)| last != key) {
                    expected.push((key.clone(), value.clone()));
                }
            }
            for (key, value) in &expected {
                assert_eq!(table.get(key, at), Some(value.as_deref()));
            }
            let mut cursor = MemtableCursor::new(table.clone(), at);
            cursor.seek(Bound::Unbounded);
            let mut seen = Vec::new();
            while let Some((key, _, value)) = cursor.entry() {
                seen.push((key.to_vec(), value.map(<[u8]>::to_vec)));
                cursor.advance();
            }
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn readers_see_whole_nodes_while_a_writer_inserts() {
        let table = Arc::new(Memtable::new());
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while table.entries() < 20_000 {
                        let mut cursor = MemtableCursor::new(table.clone(), u64::MAX);
                        cursor.seek(Bound::Unbounded);
                        let mut last = Vec::new();
                        for _ in 0..200 {
                            let Some((key, _, value)) = cursor.entry() else {
                                break;
                            };
                            assert!(last.is_empty() || key > &last[..]);
                            assert_eq!(value, Some(key));
                            last = key.to_vec();
                            cursor.advance();
                        }
                    }
                });
            }
            for sequence in 0..20_000u32 {
                let key = sequence.wrapping_mul(2_654_435_761).to_be_bytes();
                table.insert(&key, u64::from(sequence), Some(&key));
            }
        });
    }
}
