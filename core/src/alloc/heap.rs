//! A thread's heap: what happens when its list of blocks at hand is empty, and what happens to the slabs it owns.
//!
//! ```text
//!              malloc pops                       free pushes (owner)         other threads splice
//! heads[class] <-------- program            slab.local <-----------  slab.remote <-----------
//!      ^                                        |                         |
//!      +------------- refill: a whole list at once, else carve some fresh blocks
//! ```
//!
//! A slab is in its class's queue while it may have blocks, in no queue while it is full, and is given back when all its
//! blocks are (one per class is kept).
//!
//! Blocks of the coarse classes, of which a slab has few, go the other way round: the owner's free puts a block into `heads`, up to so many, so that the
//! next request of the class gets the one that is still in the processor's caches; refill takes one block at a time.
//!
//! # Invariants
//! - I1: a heap is used by one thread at a time: its owner, or whoever holds the lock for heaps whose threads have ended.
//! - I2: `heads[class]` links blocks of slabs of this heap, which count as used there.
//! - I3: a slab of this heap is in the list of owned slabs; it is in its queue, or `FULL`, never both.
#![allow(unsafe_code, reason = "lists run through free blocks")]

use super::holes;
use super::home::Home;
use super::outgoing::Outgoing;
use super::size_class::{self, CLASSES, is_coarse};
use super::slab::{Block, KEY_NOBODY, SLICE_BYTES, Slab, SlabList, flag, kind};
use super::space::{Space, State};
use crate::platform::Platform;
use crate::sync::spin_hint;
use core::ptr::{NonNull, null, null_mut};
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed};
use core::time::Duration;

/// Bytes of fresh blocks that are carved at once, at most: a page, so that a class that is used once touches one.
const CARVE_BYTES: u32 = 4096;
/// Blocks that are carved first; later as many as there are.
const CARVE_COUNT_MIN: u32 = 64;
/// Blocks of coarse classes stay at hand when they are freed, up to so many bytes and so many blocks a class.
const KEPT_BYTES: usize = 256 * 1024;
const KEPT_COUNT: usize = 16;
/// How many by class.
static KEPT: [u8; 128] = {
    let mut kept = [0; 128];
    let mut class = 0;
    while class < CLASSES {
        let bytes = size_class::bytes_of(class);
        if is_coarse(class) {
            let count = KEPT_BYTES / bytes;
            kept[class] = (if count < KEPT_COUNT {
                count
            } else {
                KEPT_COUNT
            }) as u8;
        }
        class += 1;
    }
    kept
};
/// A full slab goes back into its queue when this share of it is free: that makes the next visit worth it.
const REQUEUE_SHARE: u32 = 16;
/// A slab in the queue that has no more than this share in use is left to whoever needs it, so that its free pages can go back
/// while this thread does nothing.
const LEAVE_SHARE: u32 = 8;
/// Empty slices that a heap keeps.
const SPARE_SLICES: usize = 8;
/// Slices that are taken at once.
const TAKEN_SLICES: u32 = 4;
/// Slow paths between looks at what could be given back.
const TICK_PERIOD: u32 = 256;

/// A thread that ends looks so often for an announcement under way before it waits between looks.
const ANNOUNCEMENT_TURNS: u32 = 200;
const ANNOUNCEMENT_WAIT: Duration = Duration::from_micros(50);

/// Of [`Heap::until_sample`]: no distance was drawn yet.
pub(super) const UNDRAWN: isize = isize::MIN;

/// A heap.
#[derive(Debug)]
pub(super) struct Heap {
    pub(super) home: *const Home,
    /// The lists of blocks at hand, by class: the owner's thread words.
    pub(super) heads: *mut *mut u8,
    /// What the owner's thread mixes into keys.
    pub(super) token: usize,
    queues: [SlabList; CLASSES],
    owned: *const Slab,
    spare: [*const Slab; SPARE_SLICES],
    spare_count: usize,
    pub(super) outgoing: Outgoing,
    /// Slow paths until the next look at what could be given back.
    ticks: u32,
    /// Bytes until the next sample of the heap profile; [`UNDRAWN`] at first.
    pub(super) until_sample: isize,
    /// Whether a sample is being taken, which may allocate.
    pub(super) sampling: bool,
    /// What slabs of this heap carry: `VALUE`, or nothing for a thread's.
    slab_flags: u8,
}

impl Heap {
    pub(super) const fn new(home: *const Home, heads: *mut *mut u8, token: usize) -> Self {
        Self {
            home,
            heads,
            token,
            queues: [const { SlabList::new() }; CLASSES],
            owned: null(),
            spare: [null(); SPARE_SLICES],
            spare_count: 0,
            outgoing: Outgoing::new(),
            ticks: TICK_PERIOD,
            until_sample: UNDRAWN,
            sampling: false,
            slab_flags: 0,
        }
    }

    /// Cuts the list of `class` where the next sample is due, and gives the rest back to its slabs.
    pub(super) fn cut_at_sample<P: Platform>(&mut self, space: &Space<P>, class: usize) {
        let bytes = size_class::bytes_of(class) as isize;
        // SAFETY: I2; the class is in range.
        unsafe {
            let mut link = self.heads.add(class);
            while !(*link).is_null() && self.until_sample >= bytes {
                self.until_sample -= bytes;
                link = (*link).cast();
            }
            // One by one, as in `return_head`.
            while !(*link).is_null() {
                let block = *link;
                *link = Block(block).next();
                self.free_local(space, space.line_for(block.addr()), block);
            }
        }
    }

    /// Makes this the heap of a value, which has no blocks yet.
    pub(super) fn make_value(&mut self) {
        self.slab_flags = flag::VALUE;
    }

    pub(super) fn is_value(&self) -> bool {
        self.slab_flags != 0
    }

    /// Makes the heap of a value one that can be abandoned.
    pub(super) fn make_ordinary<P: Platform>(&mut self, _: &Space<P>) {
        self.slab_flags = 0;
        let mut next = self.owned;
        // SAFETY: the list links lines of the table.
        while let Some(slab) = unsafe { next.as_ref() } {
            slab.clear(flag::VALUE);
            next = slab.owned_next().load(Relaxed);
        }
    }

    /// Gives every slab back, whatever of it is in use.
    pub(super) fn drop_all<P: Platform>(&mut self, space: &Space<P>) {
        self.home().ready.store(null_mut(), Relaxed);
        let mut state = space.lock();
        // SAFETY: the list links lines of the table.
        while let Some(slab) = unsafe { self.owned.as_ref() } {
            self.disown(slab);
            slab.key.store(KEY_NOBODY, Relaxed);
            slab.remote().reset();
            space.give_slab(&mut state, slab);
        }
        drop(state);
        self.return_spare(space);
    }

    pub(super) fn home(&self) -> &'static Home {
        // SAFETY: homes are never unmapped while anything of their allocator is used.
        unsafe { &*self.home }
    }

    /// The key of a slab of this heap.
    pub(super) fn key<P: Platform>(&self, space: &Space<P>, slab: &Slab) -> usize {
        space.start(slab).addr() ^ self.token
    }

    /// A block that came back to the slab in use, if there is nothing else to look after, and what is at hand from then on: the rest of what
    /// came back, unless the class is coarse. Nothing was at hand.
    #[inline(always)]
    pub(super) fn take_returned(&mut self, class: usize) -> Option<(NonNull<u8>, *mut u8)> {
        // SAFETY: queues link lines of the table.
        let slab = unsafe { self.queues[class].front().as_ref() }?;
        let local = NonNull::new(slab.local.load(Relaxed))?;
        // Announced slabs can wait: there are blocks.
        self.ticks = self.ticks.wrapping_sub(1);
        if self.ticks == 0 || slab.has(flag::HOLES) {
            return None;
        }
        // SAFETY: the list is this heap's.
        let rest = unsafe {
            Block(local.as_ptr()).set_mark(0);
            Block(local.as_ptr()).next()
        };
        if is_coarse(class) {
            slab.local.store(rest, Relaxed);
            slab.count_out();
            return Some((local, null_mut()));
        }
        slab.local.store(null_mut(), Relaxed);
        slab.left.store(slab.carved.load(Relaxed), Relaxed);
        slab.extra.store(0, Relaxed);
        Some((local, rest))
    }

    /// A block of `class` when none is at hand; leaves more at hand. Null if there is no memory.
    pub(super) fn refill<P: Platform>(&mut self, space: &Space<P>, class: usize) -> *mut u8 {
        self.ticks = self.ticks.saturating_sub(1);
        if self.ticks == 0 {
            self.tick(space);
        }
        if !self.home().ready.load(Relaxed).is_null() {
            self.drain_ready(space);
        }
        loop {
            // SAFETY: queues link lines of the table.
            let slab = match unsafe { self.queues[class].front().as_ref() } {
                Some(slab) => slab,
                None => match self.fresh_slab(space, class) {
                    Some(slab) => slab,
                    None => return null_mut(),
                },
            };
            let block = if is_coarse(class) {
                Self::take_one(space, slab)
            } else {
                Self::take_blocks(space, slab)
            };
            if !block.is_null() {
                // SAFETY: the block is this heap's now, and so is the list that it heads if its class is not coarse (I2). The class is in range.
                unsafe {
                    if !is_coarse(class) {
                        self.heads.add(class).write(Block(block).next());
                    }
                    Block(block).set_mark(0);
                }
                return block;
            }
            // Nothing is left in it. If blocks come back at this very moment, the next round takes them.
            if slab.remote().will_hear(slab.has(flag::READY)) {
                self.queues[class].remove(slab);
                slab.set(flag::FULL);
                let used = slab.used();
                let threshold = if is_coarse(class) {
                    1
                } else {
                    (used / REQUEUE_SHARE).max(1)
                };
                slab.left.store(threshold, Relaxed);
                // None are used where all is holes that the system does not fill; the sum counts, and an announcement is under way.
                slab.extra.store(used.wrapping_sub(threshold), Relaxed);
            }
        }
    }

    /// Takes a block of a slab of a coarse class, or carves it; null if there is none. The slab is the caller's and not full.
    fn take_one<P: Platform>(space: &Space<P>, slab: &Slab) -> *mut u8 {
        if slab.local.load(Relaxed).is_null() {
            collect(space, slab);
        }
        if slab.local.load(Relaxed).is_null() {
            if slab.has(flag::HOLES) {
                if !holes::fill(space, slab) {
                    return null_mut();
                }
            } else {
                let carved = slab.carved.load(Relaxed);
                if carved == slab.capacity().load(Relaxed) {
                    return null_mut();
                }
                slab.carved.store(carved + 1, Relaxed);
                slab.count_out();
                return space
                    .start(slab)
                    .wrapping_add((carved * slab.block_bytes()) as usize);
            }
        }
        let block = slab.local.load(Relaxed);
        if !block.is_null() {
            // SAFETY: slab I3: a free block of a slab of the caller's.
            slab.local.store(unsafe { Block(block).next() }, Relaxed);
            slab.count_out();
        }
        block
    }

    /// Takes all blocks of one of the slab's lists, or carves some; null if there are none. The slab is the caller's and not full.
    fn take_blocks<P: Platform>(space: &Space<P>, slab: &Slab) -> *mut u8 {
        let mut local = slab.local.load(Relaxed);
        if local.is_null() {
            if let Some(index) = slab.remote().take().first() {
                return space.start(slab).wrapping_add(index as usize * 16);
            }
            if slab.has(flag::HOLES) {
                if !holes::fill(space, slab) {
                    return null_mut();
                }
                local = slab.local.load(Relaxed);
            }
        }
        if !local.is_null() {
            let out = slab.carved.load(Relaxed) - holes::block_count(space, slab);
            slab.local.store(null_mut(), Relaxed);
            slab.left.store(out, Relaxed);
            slab.extra.store(0, Relaxed);
            return local;
        }
        let (carved, capacity) = (slab.carved.load(Relaxed), slab.capacity().load(Relaxed));
        if carved == capacity {
            return null_mut();
        }
        let bytes = slab.block_bytes();
        let wanted = (CARVE_BYTES / bytes).min(carved.max(CARVE_COUNT_MIN));
        let count = wanted.clamp(1, capacity - carved);
        let mark = slab.mark();
        let first = space.start(slab).wrapping_add((carved * bytes) as usize);
        let mut block = first;
        for step in 1..=count {
            let next = if step == count {
                null_mut()
            } else {
                block.wrapping_add(bytes as usize)
            };
            // SAFETY: carved + count <= capacity, so the block lies within the slab, and nobody has it yet.
            unsafe {
                Block(block).set_next(next);
                Block(block).set_mark(mark);
            }
            block = next;
        }
        slab.carved.store(carved + count, Relaxed);
        slab.left.store(slab.left.load(Relaxed) + count, Relaxed);
        first
    }

    /// An empty slab, or one that another heap left behind; it is in its queue.
    fn fresh_slab<'a, P: Platform>(
        &mut self,
        space: &'a Space<P>,
        class: usize,
    ) -> Option<&'a Slab> {
        if !self.is_value()
            && space.abandoned.load(Relaxed) > 0
            && let Some(slab) = self.adopt(space, class)
        {
            return Some(slab);
        }
        if self.spare_count == 0 {
            self.take_spare(space)?;
        }
        let slab = self.pop_spare()?;
        slab.home().store(self.home.cast_mut(), Relaxed);
        slab.init_slab(class);
        slab.flags.store(self.slab_flags, Relaxed);
        slab.key.store(self.key(space, slab), Relaxed);
        self.own(slab);
        self.queues[class].push_front(slab);
        Some(slab)
    }

    /// Takes a few slices; none are spare.
    fn take_spare<P: Platform>(&mut self, space: &Space<P>) -> Option<()> {
        let mut state = space.lock();
        let (run, count) = space.take_some(&mut state, TAKEN_SLICES)?;
        let first = space.index(run);
        for index in (first..first + count).rev() {
            let slice = space.line(index);
            slice.key.store(KEY_NOBODY, Relaxed);
            slice.flags.store(0, Relaxed);
            slice.slices().store(1, Relaxed);
            // Under the lock, so that a fork finds no slice of no kind.
            slice.kind.store(kind::CACHED, Relaxed);
            self.spare[self.spare_count] = slice;
            self.spare_count += 1;
        }
        Some(())
    }

    fn pop_spare(&mut self) -> Option<&'static Slab> {
        self.spare_count = self.spare_count.checked_sub(1)?;
        // SAFETY: spare slices are lines of the table, which outlives every heap.
        unsafe { self.spare[self.spare_count].as_ref() }
    }

    fn adopt<'a, P: Platform>(&mut self, space: &'a Space<P>, class: usize) -> Option<&'a Slab> {
        let mut state = space.lock();
        // SAFETY: the list links lines of the table.
        let slab = unsafe {
            let backed = state.abandoned[class].front().as_ref();
            backed.or_else(|| state.punched[class].front().as_ref())
        }?;
        space.unlist_abandoned(&mut state, slab);
        slab.home().store(self.home.cast_mut(), Relaxed);
        slab.remote().set_abandoned(false);
        slab.key.store(self.key(space, slab), Relaxed);
        self.own(slab);
        self.queues[class].push_front(slab);
        Some(slab)
    }

    fn own(&mut self, slab: &Slab) {
        let this = core::ptr::from_ref(slab).cast_mut();
        slab.owned_previous().store(null_mut(), Relaxed);
        slab.owned_next().store(self.owned.cast_mut(), Relaxed);
        // SAFETY: the list links lines of the table.
        if let Some(next) = unsafe { self.owned.as_ref() } {
            next.owned_previous().store(this, Relaxed);
        }
        self.owned = this;
    }

    fn disown(&mut self, slab: &Slab) {
        let next = slab.owned_next().load(Relaxed);
        let previous = slab.owned_previous().load(Relaxed);
        // SAFETY: the list links lines of the table.
        match unsafe { previous.as_ref() } {
            Some(previous) => previous.owned_next().store(next, Relaxed),
            None => self.owned = next,
        }
        // SAFETY: as above.
        if let Some(next) = unsafe { next.as_ref() } {
            next.owned_previous().store(previous, Relaxed);
        }
    }

    /// `left` of a slab of this heap came down to zero.
    #[cold]
    pub(super) fn none_left<P: Platform>(&mut self, space: &Space<P>, slab: &Slab) {
        if slab.has(flag::FULL) {
            if !slab.remote().disarm() {
                slab.set(flag::READY);
            }
            self.requeue(slab);
        } else if slab.used() > 0 {
            let few = slab.capacity().load(Relaxed) / LEAVE_SHARE;
            if slab.used() > few {
                // Those of a coarse class come here one by one.
                slab.set_used(slab.used());
            } else {
                self.mostly_free(space, slab);
            }
            return;
        }
        if slab.used() == 0 {
            self.retire(space, slab);
        }
    }

    /// Takes the block that was freed last out of a slab of this heap, of which `left` came down to zero, for the list of blocks at hand
    /// that `head` begins; it begins that list from now on. `None`, and no change, if it is of no coarse class, or if there are enough.
    ///
    /// # Safety
    /// `slab` is one of this thread's heap, and its local list is not empty; `head` is what is at hand of its class.
    #[inline(always)]
    pub(super) unsafe fn keep(slab: &Slab, head: *mut u8) -> Option<NonNull<u8>> {
        let most = usize::from(KEPT[usize::from(slab.class.load(Relaxed)) % KEPT.len()]);
        if most == 0 {
            return None;
        }
        let block = NonNull::new(slab.local.load(Relaxed))?;
        // SAFETY: I2, and the slab's list, which the block heads, is this heap's. A list at hand of a coarse class was put together here,
        // so that each one's third word is how many there are.
        unsafe {
            let count = if head.is_null() {
                0
            } else {
                Block(head).third()
            };
            if count >= most {
                return None;
            }
            slab.local.store(Block(block.as_ptr()).next(), Relaxed);
            Block(block.as_ptr()).set_next(head);
            Block(block.as_ptr()).set_third(count + 1);
        }
        // It counts as used again.
        slab.left.store(1, Relaxed);
        Some(block)
    }

    /// Leaves a slab that is mostly free to others, if this heap has enough without it.
    fn mostly_free<P: Platform>(&mut self, space: &Space<P>, slab: &Slab) {
        slab.set_used(slab.used());
        let class = usize::from(slab.class.load(Relaxed));
        if self.is_value()
            || slab.has(flag::READY)
            || self.queues[class].is_among_first_two(slab)
            || self.has_at_hand(space, slab, class)
        {
            return;
        }
        self.queues[class].remove(slab);
        self.disown(slab);
        collect(space, slab);
        leave(space, &mut space.lock(), slab, 0);
    }

    /// Whether a block of `slab` is among those that were kept at hand when they were freed.
    fn has_at_hand<P: Platform>(&self, space: &Space<P>, slab: &Slab, class: usize) -> bool {
        if !is_coarse(class) {
            // Those at hand come from the first slab in the queue.
            return false;
        }
        // SAFETY: I2; the word is this heap's.
        let mut block = unsafe { self.heads.add(class).read() };
        while !block.is_null() {
            if core::ptr::eq(space.line_for(block.addr()), slab) {
                return true;
            }
            // SAFETY: I2.
            block = unsafe { Block(block).next() };
        }
        false
    }

    /// A full slab has blocks again.
    fn requeue(&mut self, slab: &Slab) {
        let class = usize::from(slab.class.load(Relaxed));
        let used = slab.used();
        let few = slab.capacity().load(Relaxed) / LEAVE_SHARE;
        if used > few && !is_coarse(class) {
            slab.left.store(used - few, Relaxed);
            slab.extra.store(few, Relaxed);
        } else {
            slab.set_used(used);
        }
        slab.clear(flag::FULL);
        self.queues[class].push_back(slab);
    }

    /// Gives a slab without used blocks away, unless it is the only one of its class or an announcement of it is under way.
    fn retire<P: Platform>(&mut self, space: &Space<P>, slab: &Slab) {
        let class = usize::from(slab.class.load(Relaxed));
        if slab.has(flag::READY) || self.queues[class].is_only(slab) {
            return;
        }
        self.drop_slab(space, slab);
    }

    /// Takes an empty slab out of everything; false if its slice is of no use to anybody.
    fn take_out<P: Platform>(&mut self, space: &Space<P>, slab: &Slab) -> bool {
        self.queues[usize::from(slab.class.load(Relaxed))].remove(slab);
        self.disown(slab);
        slab.key.store(KEY_NOBODY, Relaxed);
        slab.kind.store(kind::CACHED, Relaxed);
        space.make_sure(slab)
    }

    fn drop_slab<P: Platform>(&mut self, space: &Space<P>, slab: &Slab) {
        if !self.take_out(space, slab) {
            return;
        }
        if self.spare_count < SPARE_SLICES {
            self.spare[self.spare_count] = slab;
            self.spare_count += 1;
        } else {
            let index = space.index(slab);
            space.give(&mut space.lock(), index, 1, false);
        }
    }

    /// Takes in the slabs that other threads announced.
    #[cold]
    fn drain_ready<P: Platform>(&mut self, space: &Space<P>) {
        let mut next = self.home().ready.swap(null_mut(), Acquire);
        // SAFETY: the stack links lines of the table; what is on it is this heap's (see `outgoing::announce`).
        while let Some(slab) = unsafe { next.as_ref() } {
            next = slab.ready_next().load(Relaxed);
            slab.clear(flag::READY);
            if slab.has(flag::FULL) {
                self.requeue(slab);
            }
            let remote = slab.remote().peek().count();
            if remote > 0 && remote == slab.used() {
                // Everything came back, all of it from elsewhere.
                collect(space, slab);
            }
            if slab.used() == 0 {
                self.retire(space, slab);
            }
        }
    }

    /// Frees a block of a slab of this heap.
    ///
    /// # Safety
    /// `block` is a used block of `slab`, the caller's.
    pub(super) unsafe fn free_local<P: Platform>(
        &mut self,
        space: &Space<P>,
        slab: &Slab,
        block: *mut u8,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            Block(block).set_next(slab.local.load(Relaxed));
            Block(block).set_mark(slab.mark());
        }
        slab.local.store(block, Relaxed);
        let left = slab.left.load(Relaxed).wrapping_sub(1);
        slab.left.store(left, Relaxed);
        if left == 0 {
            self.none_left(space, slab);
        }
    }

    /// Now and then: sends what waits for other threads and lets old cached runs go.
    #[cold]
    pub(super) fn tick<P: Platform>(&mut self, space: &Space<P>) {
        self.ticks = TICK_PERIOD;
        self.outgoing.flush(space);
        if !space.has_purger() {
            self.home().slots.age(space, &mut space.lock());
        }
        space.purge_old();
    }

    /// Gives back all that is not in use, with `punch` pages within slabs too. Returns how many bytes of those.
    pub(super) fn trim<P: Platform>(&mut self, space: &Space<P>, punch: bool) -> usize {
        let mut bytes = 0;
        self.ticks = TICK_PERIOD;
        self.outgoing.flush(space);
        self.return_heads(space);
        self.drain_ready(space);
        let mut empty = Slices::default();
        let mut next = self.owned;
        // SAFETY: the list links lines of the table.
        while let Some(slab) = unsafe { next.as_ref() } {
            next = slab.owned_next().load(Relaxed);
            if slab.has(flag::FULL) {
                continue;
            }
            collect(space, slab);
            if slab.used() == 0 && !slab.has(flag::READY) {
                if self.take_out(space, slab) {
                    empty.add(space, space.index(slab));
                }
            } else if punch {
                bytes += holes::punch(space, slab);
            }
        }
        while let Some(slab) = self.pop_spare() {
            empty.add(space, space.index(slab));
        }
        empty.give(space);
        self.home().slots.clear(space, &mut space.lock());
        bytes
    }

    fn return_spare<P: Platform>(&mut self, space: &Space<P>) {
        let mut empty = Slices::default();
        while let Some(slab) = self.pop_spare() {
            empty.add(space, space.index(slab));
        }
        empty.give(space);
    }

    /// Gives the blocks at hand back to their slabs.
    pub(super) fn return_heads<P: Platform>(&mut self, space: &Space<P>) {
        for class in 0..CLASSES {
            self.return_head(space, class);
        }
    }

    /// The same for one class: one by one, so that no slab is left to others (`mostly_free`) of which a later one is.
    pub(super) fn return_head<P: Platform>(&mut self, space: &Space<P>, class: usize) {
        // SAFETY: I2; the word is this heap's.
        unsafe {
            let head = self.heads.add(class);
            while !(*head).is_null() {
                let block = *head;
                *head = Block(block).next();
                self.free_local(space, space.line_for(block.addr()), block);
            }
        }
    }

    /// The owner ends: every slab is given back, or left for others to adopt.
    pub(super) fn abandon<P: Platform>(&mut self, space: &Space<P>) {
        self.trim(space, false);
        let mut next = self.owned;
        // SAFETY: the list links lines of the table.
        while let Some(slab) = unsafe { next.as_ref() } {
            next = slab.owned_next().load(Relaxed);
            if slab.has(flag::FULL) {
                if !slab.remote().disarm() {
                    slab.set(flag::READY);
                }
                self.requeue(slab);
            }
        }
        // Announcements under way come from threads that are between two instructions.
        let (never, mut turns) = (AtomicU32::new(0), 0);
        while self.awaits_announcement() {
            self.drain_ready(space);
            turns += 1;
            if turns < ANNOUNCEMENT_TURNS {
                spin_hint();
            } else {
                // One of them may have to run on this processor first, and be of lower priority.
                let until = space.now().saturating_add(ANNOUNCEMENT_WAIT);
                space.platform.wait(&never, 0, Some(until));
            }
        }
        // Slabs that became empty just now.
        self.return_spare(space);
        let mut state = space.lock();
        // SAFETY: as above.
        while let Some(slab) = unsafe { self.owned.as_ref() } {
            self.disown(slab);
            collect(space, slab);
            leave(space, &mut state, slab, 0);
        }
        self.queues = [const { SlabList::new() }; CLASSES];
    }

    /// After a fork, in the child, for the heap of a thread that is gone: what was not in slabs.
    pub(super) fn salvage<P: Platform>(&mut self, space: &Space<P>) {
        self.outgoing.salvage(space);
        self.home().slots.clear(space, &mut space.lock());
        self.spare_count = self.spare_count.min(SPARE_SLICES);
        while let Some(slab) = self.pop_spare() {
            let index = space.index(slab);
            if space.line(index).is(kind::CACHED) {
                space.give(&mut space.lock(), index, 1, false);
            }
        }
    }

    /// After a fork, in the child, for a heap that is still used: announcements under way came from threads that are gone.
    pub(super) fn forget_announcements(&mut self) {
        self.home().ready.store(null_mut(), Relaxed);
        let mut next = self.owned;
        // SAFETY: the list links lines of the table.
        while let Some(slab) = unsafe { next.as_ref() } {
            next = slab.owned_next().load(Relaxed);
            slab.clear(flag::READY);
            if slab.has(flag::FULL) {
                let _ = slab.remote().disarm();
                self.requeue(slab);
            }
        }
    }

    fn awaits_announcement(&self) -> bool {
        let mut next = self.owned;
        // SAFETY: the list links lines of the table.
        while let Some(slab) = unsafe { next.as_ref() } {
            if slab.has(flag::READY) {
                return true;
            }
            next = slab.owned_next().load(Relaxed);
        }
        false
    }

    /// Checks every slab of this heap against the invariants. Only its owner may ask.
    pub(super) fn check<P: Platform>(&self, space: &Space<P>) -> Result<(), &'static str> {
        let mut next = self.owned;
        // SAFETY: the list links lines of the table.
        while let Some(slab) = unsafe { next.as_ref() } {
            if !slab.is(kind::SLAB) || slab.key.load(Relaxed) != self.key(space, slab) {
                return Err("an owned line that is no slab of this heap");
            }
            let carved = slab.carved.load(Relaxed);
            let free = carved.wrapping_sub(slab.used());
            if carved > slab.capacity().load(Relaxed) || free > carved {
                return Err("a slab's counts do not fit");
            }
            let Some(listed) = free.checked_sub(holes::block_count(space, slab)) else {
                return Err("more blocks in holes than are free");
            };
            if count_list(space, slab, slab.local.load(Relaxed), listed) != Some(listed) {
                return Err("a slab's local list and its counts disagree");
            }
            if slab.remote().peek().count() > slab.used() {
                return Err("more blocks came back than were out");
            }
            next = slab.owned_next().load(Relaxed);
        }
        for class in 0..CLASSES {
            // SAFETY: queues link lines of the table.
            let mut next = unsafe { self.queues[class].front().as_ref() };
            while let Some(slab) = next {
                if usize::from(slab.class.load(Relaxed)) != class || slab.has(flag::FULL) {
                    return Err("a slab in the wrong queue");
                }
                // SAFETY: as above.
                next = unsafe { slab.next.load(Relaxed).as_ref() };
            }
            // SAFETY: the word is this heap's.
            let mut block = unsafe { self.heads.add(class).read() };
            let mut steps = 0;
            while !block.is_null() {
                let slab = space.line_for(block.addr());
                steps += 1;
                if !space.is_block_of(slab, block)
                    || slab.key.load(Relaxed) != self.key(space, slab)
                    || usize::from(slab.class.load(Relaxed)) != class
                    || steps > SLICE_BYTES
                {
                    return Err("a block at hand that is none of its class");
                }
                // SAFETY: I2.
                block = unsafe { Block(block).next() };
            }
        }
        Ok(())
    }
}

/// Slices of kind `CACHED` on their way back, as long as they lie side by side.
#[derive(Default)]
struct Slices {
    first: u32,
    count: u32,
}

impl Slices {
    fn add<P: Platform>(&mut self, space: &Space<P>, index: u32) {
        if index + 1 == self.first {
            self.first = index;
        } else if index != self.first + self.count || self.count == 0 {
            core::mem::take(self).give(space);
            self.first = index;
        }
        self.count += 1;
    }

    fn give<P: Platform>(self, space: &Space<P>) {
        if self.count > 0 {
            let mut state = space.lock();
            for index in self.first..self.first + self.count {
                space.line(index).kind.store(kind::FREE, Relaxed);
            }
            space.give(&mut state, self.first, self.count, false);
        }
    }
}

/// Length of a list of free blocks of `slab`, if it has no more than `limit` blocks and all of them are blocks of the slab.
fn count_list<P: Platform>(
    space: &Space<P>,
    slab: &Slab,
    mut block: *mut u8,
    limit: u32,
) -> Option<u32> {
    let mut count = 0;
    while !block.is_null() {
        if count == limit || !space.is_block_of(slab, block) {
            return None;
        }
        count += 1;
        // SAFETY: a block of the slab, in a list that the caller owns.
        block = unsafe { Block(block).next() };
    }
    Some(count)
}

/// Gives a slab that nobody owns any more back, or enters it where heaps look for slabs to adopt; `flags` are `PUNCHED` or none.
pub(super) fn leave<P: Platform>(space: &Space<P>, state: &mut State, slab: &Slab, flags: u8) {
    let used = slab.used();
    slab.set_used(used);
    slab.key.store(KEY_NOBODY, Relaxed);
    slab.home().store(null_mut(), Relaxed);
    if used > 0 {
        let lasting = slab.flags.load(Relaxed) & flag::LASTING;
        slab.flags.store(lasting | flags | flag::ABANDONED, Relaxed);
        // From here on, whoever frees the last block looks after the slab.
        if slab.remote().set_abandoned(true).count() < used {
            space.list_abandoned(state, slab);
            return;
        }
        slab.remote().reset();
    }
    space.give_slab(state, slab);
}

/// Moves remote blocks to the local list of a slab that is the caller's and not full.
pub(super) fn collect<P: Platform>(space: &Space<P>, slab: &Slab) {
    let seen = slab.remote().take();
    let Some(index) = seen.first() else { return };
    let first = space.start(slab).wrapping_add(index as usize * 16);
    let mut last = first;
    for _ in 1..seen.count() {
        // SAFETY: remote_free I1: the list holds `count` blocks, now the caller's.
        last = unsafe { Block(last).next() };
    }
    // SAFETY: as above.
    unsafe { Block(last).set_next(slab.local.load(Relaxed)) };
    slab.local.store(first, Relaxed);
    slab.set_used(slab.used() - seen.count());
}

/// After a fork, in the child: takes apart the heap of a thread that is not there any more and may have stopped anywhere.
///
/// Its lists are walked link by link and cut at the first that leads nowhere; blocks that are not reached count as used for ever.
///
/// # Safety
/// The heap's thread does not exist, the calling one is the only one, and the lock is held.
pub(super) unsafe fn take_apart<P: Platform>(space: &Space<P>, state: &mut State, heap: &mut Heap) {
    for class in 0..CLASSES {
        // SAFETY: the words of a thread that stopped; the child has a copy of them.
        let mut block = unsafe { heap.heads.add(class).replace(null_mut()) };
        let mut steps = 0;
        while !block.is_null() && space.offset(block.addr()).is_some() && steps <= SLICE_BYTES / 16
        {
            let slab = space.line_for(block.addr());
            if !slab.is(kind::SLAB)
                || slab.home().load(Relaxed) != heap.home.cast_mut()
                || !space.is_block_of(slab, block)
            {
                break;
            }
            // SAFETY: a block of the dead heap's slab, in its list.
            unsafe {
                let next = Block(block).next();
                Block(block).set_next(slab.local.load(Relaxed));
                slab.local.store(block, Relaxed);
                block = next;
            }
            steps += 1;
        }
    }
    let mut index = 0;
    while index < state.top {
        let slab = space.line(index);
        if slab.is(kind::SLAB) && slab.home().load(Relaxed) == heap.home.cast_mut() {
            recount(space, slab);
            leave(space, state, slab, 0);
        }
        index += space.line(index).slices().load(Relaxed).max(1);
    }
    heap.home().ready.store(null_mut(), Relaxed);
}

/// Makes a slab's counts those of its lists.
fn recount<P: Platform>(space: &Space<P>, slab: &Slab) {
    let carved = slab.carved.load(Relaxed);
    let mut free = 0;
    let mut last: *mut u8 = null_mut();
    let mut block = slab.local.load(Relaxed);
    while !block.is_null() && free < carved && space.is_block_of(slab, block) {
        free += 1;
        last = block;
        // SAFETY: a block of the slab that its thread had freed.
        block = unsafe { Block(block).next() };
    }
    if last.is_null() {
        slab.local.store(null_mut(), Relaxed);
    } else {
        // SAFETY: as above.
        unsafe { Block(last).set_next(null_mut()) };
    }
    let lasting = slab.flags.load(Relaxed) & flag::LASTING;
    slab.flags.store(lasting, Relaxed);
    let _ = slab.remote().disarm();
    let remote = slab.remote().peek().count();
    let out = carved.saturating_sub(free + holes::block_count(space, slab));
    slab.set_used(out.max(remote));
}
