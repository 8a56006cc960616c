//! The stack of pending halves of joins: private to its worker but for a bottom part that thieves may take.
//!
//! Algorithm: the split deque of Lace (van Dijk and van de Pol, 2014), with three changes: the owner shares only when a
//! thief asked; a thief's compare-exchange comes before its read of the slot; and an epoch in the shared word, with a count of strangers beside
//! it, lets a waiting worker steal descendants of one given job and nothing else.
//!
//! ```text
//!    0        tail          split             top
//!    | stolen | public      | private         |  free ..
//!             ^ thieves, by compare-exchange   ^ the owner, by plain stores
//!                           ^ the owner: up by a store when tail = split, down by compare-exchange
//! ```
//!
//! # Invariants
//! - S1: `tail <= split <= top`, and `split` is at most the last slot's end, which `top` may pass. Thieves raise `tail` to at most `split`; all else is the owner's.
//! - S2: the owner writes slots at or above `split` only, and at or above `tail` after a steal only once the stolen job is done.
//! - S3: `split` rises only while `tail = split`. A thief's compare-exchange can then not succeed, so a store suffices.
//! - S4: a job at or above `split` is known to its owner alone.
//! - S5: an epoch stands for one running job: it is drawn when the job starts, and set again when a job that ran on top of it ends.
//! - S6: `strangers` counts the jobs, of those running, that are no descendants of what lies below them. It rises before such a job's epoch is
//!   drawn, and falls after the epoch before is set again. What lies below a job runs as long as the job does: while it runs, the
//!   count is what it was at its start if and only if no stranger runs on top of it.
//!
//! # Bounds
//! [`DEPTH_MAX`] pending halves in slots; those past it are counted only, and nobody else ever sees them.
#![allow(unsafe_code, reason = "positions are pointers into the slots")]

use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use alloc::boxed::Box;
use core::cell::Cell;
use core::ptr::null;

/// Bits of a position, of a worker's number and of an epoch in one word.
const POSITION_BITS: u32 = if usize::BITS == 64 { 13 } else { 9 };
const WORKER_BITS: u32 = if usize::BITS == 64 { 15 } else { 9 };
const EPOCH_BITS: u32 = usize::BITS - 2 * POSITION_BITS;

/// Strangers in a memo at most: with more on its stack, a worker is helped by nobody until they have ended.
const STRANGERS_MAX: usize = (1 << (usize::BITS - WORKER_BITS - POSITION_BITS)) - 1;

/// Pending halves of one worker at most.
pub(super) const DEPTH_MAX: usize = if cfg!(loom) {
    4
} else {
    (1 << POSITION_BITS) / 2
};

/// Private halves that a worker keeps at hand for thieves; past them a join may be [lean](SplitStack::is_lean).
pub(super) const WINDOW: usize = if cfg!(loom) { 2 } else { 3 };

/// Halves past the window that are pushed all the same, one after another came back, before joins turn lean.
const PATIENCE: u32 = 64;

/// A limit so much below the window's end means the same end, since slots are aligned, and says lean by its lowest bit.
const LEAN: usize = 1;

/// Workers of one pool at most, members and spares included.
pub(super) const WORKERS_MAX: usize = (1 << WORKER_BITS) - 2;

/// The epoch after this one. None but the first, which nothing [began](SplitStack::begin) with, is 0.
const fn after(epoch: usize) -> usize {
    let next = (epoch + 1) & ((1 << EPOCH_BITS) - 1);
    if next == 0 { 1 } else { next }
}

// No job counts as none, however many there were.
const _: () = assert!(after(0) == 1 && after((1 << EPOCH_BITS) - 1) == 1);

/// Keeps what thieves write off the owner's line. 128 bytes: processors fetch lines in pairs.
#[repr(align(128))]
#[derive(Debug)]
pub(super) struct Line<T>(pub(super) T);

/// The shared word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shared {
    tail: usize,
    split: usize,
    epoch: usize,
}

impl Shared {
    const fn unpack(word: usize) -> Self {
        Self {
            tail: word & ((1 << POSITION_BITS) - 1),
            split: (word >> POSITION_BITS) & ((1 << POSITION_BITS) - 1),
            epoch: word >> (2 * POSITION_BITS),
        }
    }

    const fn pack(self) -> usize {
        self.tail | (self.split << POSITION_BITS) | (self.epoch << (2 * POSITION_BITS))
    }
}

/// Who runs a stolen job, and what of that worker's stack belongs to it. The zero word says: not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memo {
    pub(super) worker: usize,
    base: usize,
    /// How many strangers ran there when it began.
    strangers: usize,
}

/// What lies below a job that began on top of another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Below {
    epoch: usize,
    strangers: usize,
}

/// What a job is to the one that it begins on top of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kin {
    /// A descendant: whoever waits for the one below may help with it.
    Descendant,
    /// Anything else.
    Stranger,
}

impl Memo {
    pub(super) fn unpack(word: usize) -> Option<Self> {
        let worker = word & ((1 << WORKER_BITS) - 1);
        (worker != 0).then(|| Self {
            worker: worker - 1,
            base: (word >> WORKER_BITS) & ((1 << POSITION_BITS) - 1),
            strangers: word >> (WORKER_BITS + POSITION_BITS),
        })
    }

    pub(super) fn pack(self) -> usize {
        (self.worker + 1)
            | (self.base << WORKER_BITS)
            | (self.strangers << (WORKER_BITS + POSITION_BITS))
    }
}

/// What came of an attempt to steal.
#[derive(Debug)]
pub(super) enum Stolen<T> {
    Nothing,
    Lost,
    Job(*const T),
}

/// The stack.
#[derive(Debug)]
#[repr(C)]
pub(super) struct SplitStack<T> {
    /// Owner: the next free slot.
    top: Cell<*const AtomicPtr<T>>,
    /// Owner: its copy of the shared word's split, as an address.
    split: Cell<*const AtomicPtr<T>>,
    end: *const AtomicPtr<T>,
    slots: Box<[AtomicPtr<T>]>,
    /// Whether joins may be lean.
    lean: bool,
    /// Owner: the newest epoch drawn.
    epochs: Cell<usize>,
    /// Owner: the top at the last push past the window, and how many more such pushes there may be.
    strained: Cell<(*const AtomicPtr<T>, u32)>,
    /// Up to which address a push needs no second look: the end of the window, less [`LEAN`] or not; 0 once a thief that found nothing
    /// asked, until the owner shares. So one comparison answers all questions of a push. Others write only 0.
    limit: Line<AtomicUsize>,
    shared: Line<AtomicUsize>,
    /// How many strangers run (S6).
    strangers: AtomicUsize,
    /// How often the owner shared. Written before the word.
    shares: AtomicUsize,
}

/// Where a job lies.
type Mark<T> = *const AtomicPtr<T>;

/// [`DEPTH_MAX`] slots. Of fresh memory none is touched, so that a pool of many threads takes what they use.
fn empty_slots<T>() -> Box<[AtomicPtr<T>]> {
    #[cfg(not(loom))]
    // SAFETY: zero bytes are an atomic null pointer.
    return unsafe { Box::<[AtomicPtr<T>]>::new_zeroed_slice(DEPTH_MAX).assume_init() };
    #[cfg(loom)]
    (0..DEPTH_MAX)
        .map(|_| AtomicPtr::new(core::ptr::null_mut()))
        .collect()
}

impl<T> SplitStack<T> {
    pub(super) fn new(lean: bool) -> Self {
        let slots = empty_slots();
        let range = slots.as_ptr_range();
        Self {
            top: Cell::new(range.start),
            split: Cell::new(range.start),
            end: range.end,
            slots,
            lean,
            epochs: Cell::new(0),
            strained: Cell::new((null(), PATIENCE)),
            limit: Line(AtomicUsize::new(0)),
            shared: Line(AtomicUsize::new(0)),
            strangers: AtomicUsize::new(0),
            shares: AtomicUsize::new(0),
        }
    }

    fn position(&self, mark: Mark<T>) -> usize {
        (mark.addr() - self.slots.as_ptr().addr()) / size_of::<AtomicPtr<T>>()
    }

    fn mark(&self, position: usize) -> Mark<T> {
        self.slots.as_ptr().wrapping_add(position)
    }

    /// Owner: what a push has to respect; one load, for [`is_lean`](Self::is_lean) and [`push`](Self::push) together.
    #[inline(always)]
    pub(super) fn limit(&self) -> usize {
        self.limit.0.load(Ordering::Relaxed)
    }

    /// Owner: whether a join need not be pushed: thieves have enough to take, and none asked lately.
    #[inline(always)]
    pub(super) fn is_lean(&self, limit: usize) -> bool {
        self.top.get().addr() >= limit && limit & LEAN != 0
    }

    /// Owner: adds a job; false, and nothing is added, if a thief wants work or the window is full.
    #[inline(always)]
    pub(super) fn push(&self, limit: usize, job: *const T) -> bool {
        let top = self.top.get();
        if top.addr() >= limit {
            return false;
        }
        // SAFETY: top is below the limit, which is at most the end, so it is a slot.
        unsafe { &*top }.store(job.cast_mut(), Ordering::Relaxed);
        self.top.set(top.wrapping_add(1));
        true
    }

    /// Owner: adds a job, asked or not. Past the last slot it is counted and stays private for good.
    pub(super) fn push_anyway(&self, job: *const T) {
        let top = self.top.get();
        if top < self.end {
            // SAFETY: top is below the end, so it is a slot.
            unsafe { &*top }.store(job.cast_mut(), Ordering::Relaxed);
        }
        self.top.set(top.wrapping_add(1));
    }

    /// Owner: a job was pushed past the window, and nobody asked. Where such jobs come and go, joins turn lean; a top that only
    /// rises is a program that prepares many halves before it runs the first, and those stay for thieves.
    pub(super) fn strain(&self) {
        if !self.lean {
            return;
        }
        let (last, patience) = self.strained.get();
        let top = self.top.get();
        let left = patience - u32::from(top <= last);
        self.strained.set((top, left));
        if left == 0 {
            self.strained.set((null(), PATIENCE));
            self.set_limit(LEAN);
        }
    }

    /// Owner: something else starts, whose joins are not known yet.
    #[inline]
    pub(super) fn fatten(&self) {
        if self.limit() & LEAN != 0 {
            self.strained.set((null(), PATIENCE));
            self.set_limit(0);
        }
    }

    /// Owner: the window follows `split`, unless a thief asked.
    fn move_limit(&self) {
        let now = self.limit();
        self.set_limit(now & LEAN);
    }

    fn set_limit(&self, lean: usize) {
        let now = self.limit();
        if now != 0 {
            // If it fails, a thief asked in this moment.
            let _asked = self.limit.0.compare_exchange(
                now,
                self.window() - lean,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
    }

    /// The end of the window; without lean joins that is the end of the slots.
    fn window(&self) -> usize {
        if !self.lean {
            return self.end.addr();
        }
        self.split.get().wrapping_add(WINDOW).min(self.end).addr()
    }

    /// Owner: takes the newest job off; whether it was private still. If not, [`reclaim`](Self::reclaim) is next.
    #[inline(always)]
    pub(super) fn pop(&self) -> bool {
        // The place is computed anew rather than kept over the first half: that would take a register, which is a store and a load too.
        let mark = self.top.get().wrapping_sub(1);
        self.top.set(mark);
        mark >= self.split.get()
    }

    /// Whether a thief wants work.
    #[inline(always)]
    pub(super) fn is_asked(&self) -> bool {
        self.limit() == 0
    }

    /// Anyone: asks the owner to share.
    pub(super) fn ask(&self) {
        if !self.is_asked() {
            // Not a store: it and the owner's exchange come one after the other.
            self.limit.0.swap(0, Ordering::Relaxed);
        }
    }

    /// Owner: shares the older half of the private jobs, or all of them, unless some are public already. `prepare` sees each before
    /// anyone else can. Returns whether there is something public now.
    pub(super) fn share(&self, all: bool, mut prepare: impl FnMut(*const T)) -> bool {
        self.strained.set((null(), PATIENCE));
        self.limit.0.store(self.window(), Ordering::Relaxed);
        let seen = Shared::unpack(self.shared.0.load(Ordering::Relaxed));
        if seen.tail < seen.split {
            return true;
        }
        let private = self.position(self.top.get().min(self.end)) - seen.split;
        let count = if all { private } else { private.div_ceil(2) };
        if count == 0 {
            return false;
        }
        let split = seen.split + count;
        for slot in &self.slots[seen.split..split] {
            prepare(slot.load(Ordering::Relaxed));
        }
        let shares = self.shares.load(Ordering::Relaxed).wrapping_add(1);
        self.shares.store(shares, Ordering::Relaxed);
        // S3: nobody else can write the word now.
        self.shared
            .0
            .store(Shared { split, ..seen }.pack(), Ordering::Release);
        self.split.set(self.mark(split));
        self.move_limit();
        true
    }

    /// Owner: makes what is public and not stolen private again, so that the next [`share`](Self::share) can be of everything.
    pub(super) fn withdraw(&self) {
        let mut word = self.shared.0.load(Ordering::Relaxed);
        loop {
            let seen = Shared::unpack(word);
            let none = Shared {
                split: seen.tail,
                ..seen
            };
            match self.shared.0.compare_exchange_weak(
                word,
                none.pack(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => break self.split.set(self.mark(seen.tail)),
                Err(now) => word = now,
            }
        }
    }

    /// Owner: takes back a public job that `pop` uncovered. False if it was stolen.
    #[cold]
    pub(super) fn reclaim(&self) -> bool {
        let mark = self.top.get();
        let position = self.position(mark);
        let mut word = self.shared.0.load(Ordering::Relaxed);
        loop {
            let seen = Shared::unpack(word);
            if seen.tail > position {
                return false;
            }
            let taken = Shared {
                split: position,
                ..seen
            };
            match self.shared.0.compare_exchange_weak(
                word,
                taken.pack(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    self.split.set(mark);
                    self.move_limit();
                    return true;
                }
                Err(now) => word = now,
            }
        }
    }

    /// Owner: keeps the slot of a stolen job while it is waited for, so that jobs that run meanwhile lie above it.
    pub(super) fn hold(&self) {
        let above = self.top.get().wrapping_add(1);
        self.top.set(above);
        self.split.set(above);
        self.move_limit();
    }

    /// Owner: the stolen job that it [held](Self::hold) is done; its slot is free again.
    pub(super) fn release(&self) {
        let mark = self.top.get().wrapping_sub(1);
        let position = self.position(mark);
        let seen = Shared::unpack(self.shared.0.load(Ordering::Relaxed));
        debug_assert!(seen.tail == position + 1 && seen.split == position + 1);
        // S3: tail = split, so nobody else can write the word now.
        let free = Shared {
            tail: position,
            split: position,
            epoch: seen.epoch,
        };
        self.shared.0.store(free.pack(), Ordering::Release);
        self.top.set(mark);
        self.split.set(mark);
        self.move_limit();
    }

    /// Owner: a job starts on top of another. What it pushes from now on is known by the memo. What lies below is returned, for
    /// [`end`](Self::end).
    pub(super) fn begin(&self, worker: usize, kin: Kin) -> (Memo, Below) {
        self.fatten();
        let base = self.position(self.top.get().min(self.end));
        let below = self.strangers.load(Ordering::Relaxed);
        let strangers = below + usize::from(kin == Kin::Stranger);
        self.strangers.store(strangers, Ordering::Relaxed);
        let drawn = after(self.epochs.get());
        self.epochs.set(drawn);
        let epoch = self.set_epoch(drawn);
        let memo = Memo {
            worker,
            base,
            strangers: strangers.min(STRANGERS_MAX),
        };
        let below = Below {
            epoch,
            strangers: below,
        };
        (memo, below)
    }

    /// Owner: the job that [`begin`](Self::begin) told of has ended.
    pub(super) fn end(&self, below: Below) {
        self.set_epoch(below.epoch);
        self.strangers.store(below.strangers, Ordering::Release);
    }

    fn set_epoch(&self, epoch: usize) -> usize {
        let mut word = self.shared.0.load(Ordering::Relaxed);
        loop {
            let seen = Shared::unpack(word);
            match self.shared.0.compare_exchange_weak(
                word,
                Shared { epoch, ..seen }.pack(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return seen.epoch,
                Err(now) => word = now,
            }
        }
    }

    /// Anyone: takes the oldest public job.
    pub(super) fn steal(&self) -> Stolen<T> {
        let word = self.shared.0.load(Ordering::Acquire);
        self.take(word)
    }

    /// Anyone: takes the oldest public job if it is a descendant of the one with the memo, which `is_running` tells of.
    pub(super) fn steal_kin(&self, memo: Memo, is_running: impl FnOnce() -> bool) -> Stolen<T> {
        let word = self.shared.0.load(Ordering::Acquire);
        // After the word: then the epoch in it is that of the job or of one on top of it, and while the word stays, all that is so.
        let only_kin = is_running() && self.has_no_stranger_on(memo);
        if !only_kin || Shared::unpack(word).tail < memo.base {
            return Stolen::Nothing;
        }
        self.take(word)
    }

    /// Whether nothing but descendants runs on top of the job with the memo, which is running.
    fn has_no_stranger_on(&self, memo: Memo) -> bool {
        let strangers = self.strangers.load(Ordering::Acquire);
        strangers == memo.strangers && strangers < STRANGERS_MAX
    }

    fn take(&self, word: usize) -> Stolen<T> {
        let seen = Shared::unpack(word);
        if seen.tail >= seen.split {
            self.ask();
            return Stolen::Nothing;
        }
        let taken = Shared {
            tail: seen.tail + 1,
            ..seen
        };
        if self
            .shared
            .0
            .compare_exchange(word, taken.pack(), Ordering::AcqRel, Ordering::Relaxed)
            .is_err()
        {
            return Stolen::Lost;
        }
        if taken.tail == taken.split {
            self.ask();
        }
        Stolen::Job(self.slots[seen.tail].load(Ordering::Relaxed))
    }

    /// Anyone: whether something is public; out of date at once.
    pub(super) fn has_public(&self) -> bool {
        self.sight().is_some()
    }

    /// Anyone: which sharing it was that made something public, if anything is.
    pub(super) fn sight(&self) -> Option<usize> {
        let seen = Shared::unpack(self.shared.0.load(Ordering::Acquire));
        (seen.tail < seen.split).then(|| self.shares.load(Ordering::Relaxed))
    }

    /// Owner: whether nothing runs here but what this thread itself started: nothing [began](Self::begin) that has not ended.
    pub(super) fn is_at_base(&self) -> bool {
        Shared::unpack(self.shared.0.load(Ordering::Relaxed)).epoch == 0
    }

    /// Owner: whether no half is pending: what starts next is a tree of its own.
    pub(super) fn is_empty(&self) -> bool {
        self.top.get() == self.slots.as_ptr()
    }
}
