//! Blocks that threads other than the owner free: a list per slab that any thread splices onto with one compare-and-swap.
//!
//! # Word
//! ```text
//! 31        30         27 .. 15   14 .. 0
//! WAITING   ABANDONED  count      index of the first block's offset, in units of 16 bytes (only if count > 0)
//! ```
//!
//! # Protocol
//! 1. A freeing thread links its chain to what the word names and swaps in the chain's head and the new count. (A chain rather
//!    than a block: threads collect blocks for the same slab first, see [`Outgoing`].)
//! 2. The owner of a full slab sets `WAITING` ([`arm`](RemoteList::arm)). The swap that finds the bit clears it, and that thread, and no
//!    other, announces the slab on the owner's ready stack. The owner that takes the bit back itself
//!    ([`disarm`](RemoteList::disarm)) learns whether an announcement is under way; until that has arrived it keeps the slab,
//!    and asks for no other ([`will_hear`](RemoteList::will_hear)).
//! 3. The owner takes the whole list by swapping in the empty word.
//! 4. A slab whose owner has gone carries `ABANDONED`; whoever frees into it checks, under the space's lock, whether that was
//!    the last block. Adoption clears the bit under the same lock.
//!
//! # Invariants
//! - I1: the list holds `count` blocks of the slab, each freed once.
//! - I2: `WAITING` is cleared by exactly one party.
//!
//! The list, its bits and the ready stack run under the model checker in `loom.rs`.
#![forbid(unsafe_code)]

use crate::sync::atomic::{AtomicU32, Ordering};

/// The owner wants to hear of the next free.
const WAITING: u32 = 1 << 31;
/// Nobody owns the slab.
const ABANDONED: u32 = 1 << 30;
const COUNT_SHIFT: u32 = 15;
const INDEX_MASK: u32 = (1 << COUNT_SHIFT) - 1;
const COUNT_MASK: u32 = (1 << 13) - 1;

/// The head of a slab's remote list.
#[derive(Debug)]
pub(super) struct RemoteList(AtomicU32);

/// What the word said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen(u32);

impl Seen {
    /// Blocks in the list.
    pub(super) fn count(self) -> u32 {
        self.0 >> COUNT_SHIFT & COUNT_MASK
    }
    /// Index of the first block's place, if there is one.
    pub(super) fn first(self) -> Option<u32> {
        (self.count() > 0).then_some(self.0 & INDEX_MASK)
    }
    /// This thread must announce the slab.
    pub(super) fn was_waiting(self) -> bool {
        self.0 & WAITING != 0
    }
    /// The slab has no owner.
    pub(super) fn is_abandoned(self) -> bool {
        self.0 & ABANDONED != 0
    }
}

impl RemoteList {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }
    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Empties the word of a slice that nobody else knows.
    pub(super) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// What the word says now. Acquire: whoever finds the last block there may do with the slab what the freeing threads could.
    pub(super) fn peek(&self) -> Seen {
        Seen(self.0.load(Ordering::Acquire))
    }

    /// Puts a chain of `count` blocks, whose first is at `index`, before the list; `link` stores in the chain's last block which
    /// block follows it. Returns what was there.
    pub(super) fn splice(&self, index: u32, count: u32, mut link: impl FnMut(Option<u32>)) -> Seen {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            let seen = Seen(old);
            link(seen.first());
            let count = seen.count() + count;
            let new = old & ABANDONED | count << COUNT_SHIFT | index;
            // Release: whoever takes the list sees the links, and what the freeing threads did to the blocks before.
            match self
                .0
                .compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return seen,
                Err(now) => old = now,
            }
        }
    }

    /// Takes the list. Owner, or holder of the lock for a slab without one.
    pub(super) fn take(&self) -> Seen {
        let mut old = self.0.load(Ordering::Relaxed);
        while Seen(old).count() > 0 {
            let new = old & ABANDONED;
            match self
                .0
                .compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return Seen(old),
                Err(now) => old = now,
            }
        }
        Seen(old)
    }

    /// Asks to be told of the next free; false, and no change, if blocks are there already. Owner only.
    fn arm(&self) -> bool {
        self.0
            .compare_exchange(0, WAITING, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Before the owner sets a slab aside in which nothing is left: whether it will hear of blocks that come back. An announcement
    /// that is still `under_way` from an earlier request will do; with a second one, two threads could announce the slab at once.
    pub(super) fn will_hear(&self, under_way: bool) -> bool {
        under_way || self.arm()
    }

    /// Takes the request back; false if another thread answered it: the slab is, or will be, on the ready stack. Owner only.
    pub(super) fn disarm(&self) -> bool {
        self.0.fetch_and(!WAITING, Ordering::AcqRel) & WAITING != 0
    }

    /// Marks the slab as ownerless, or as owned again. Under the space's lock.
    pub(super) fn set_abandoned(&self, abandoned: bool) -> Seen {
        Seen(if abandoned {
            self.0.fetch_or(ABANDONED, Ordering::AcqRel)
        } else {
            self.0.fetch_and(!ABANDONED, Ordering::AcqRel)
        })
    }
}
