//! The allocator: the paths that most calls take, and where the others part from them.
//!
//! ```text
//! malloc: size -> class -> pop the thread's list of that class -> empty? refill
//! free:   address -> line -> is it a block of mine? -> push on the slab's list -> the last one? look after the slab
//! ```
//!
//! No atomic read-modify-write and no call on either. One multiplication and comparison does four things: a key is the slab's address
//! mixed with its owner's thread, so mixed with both an address that is not ours, one of another thread's slab, a large
//! block and an address inside a block give no multiple of the block's size that is below a slab's (see `Starts`).
//!
//! # Invariants
//! - I1: thread word [`HEAP_WORD`] is null, [`ENDED`], or the heap of the calling thread, whose `heads` are the words before it.
//! - I2: nobody holds a reference to the calling thread's heap while other code of the allocator runs on that thread.
//!
//! # Failure
//! No memory: null. Misuse that is noticed: the `misuse` function, which does not return.
#![allow(unsafe_code, reason = "an allocator hands out raw memory")]

use super::heap::{Heap, take_apart};
use super::home::Home;
use super::options::Options;
use super::outgoing;
use super::profile::Profile;
use super::purge::DIRTY_BYTES_MIN;
use super::secure::Secure;
use super::size_class::{
    BLOCK_ALIGN, CLASSES, MEDIUM_BYTES_MAX, SMALL_BYTES_MAX, aligned_request, class_of,
};
use super::slab::{Block, SLICE_BYTES, SLICE_SHIFT, Slab, flag, kind};
use super::space::{Space, State};
use super::stats::Stats;
use super::{holes, huge, misuse::Misuse, value};
use crate::platform::{Instant, Mutex, Platform, THREAD_WORDS, ThreadWords};
use core::cell::UnsafeCell;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

/// The thread word that holds the heap.
const HEAP_WORD: usize = CLASSES;
const _: () = assert!(HEAP_WORD < THREAD_WORDS);

/// In [`HEAP_WORD`] when the thread's hook has run.
const ENDED: *mut u8 = core::ptr::without_provenance_mut(1);

/// What an allocator asks of whoever embeds it.
#[derive(Clone, Copy, Debug)]
pub struct Hooks {
    /// A thread got a heap: arrange that [`Allocator::thread_end`] runs on it when it ends; false if that cannot be, and the thread has
    /// no heap of its own then. May allocate.
    pub thread_start: fn() -> bool,
    /// Something is wrong with what the program does; must not return, and not allocate.
    pub misuse: fn(Misuse) -> !,
    /// The program frees an address that is not ours. May hand it to another allocator and return true.
    pub foreign_free: fn(*mut u8) -> bool,
    /// Start a thread that runs [`Allocator::purger_run`]; false if there cannot be one. Must not allocate.
    pub purger_start: fn() -> bool,
    /// Stores the return addresses of the calling thread's stack, the innermost first, and returns how many. May allocate.
    pub backtrace: fn(&mut [usize]) -> usize,
    /// The monotonic clock, if it is not to be the platform's.
    pub clock: Option<fn() -> Instant>,
}

/// An allocator over a platform's memory. One per process may use the platform's thread words.
#[derive(Debug)]
pub struct Allocator<P: Platform, W: ThreadWords> {
    space: Space<P>,
    words: W,
    pub(super) hooks: Hooks,
    /// Serves threads whose hook has run.
    late: Mutex<Late, P>,
    /// Locked before the space.
    pub(super) profile: Mutex<Profile, P>,
    /// Whose blocks may be in the profile.
    pub(super) profile_home: AtomicPtr<Home>,
    /// Locked before the space.
    pub(super) secure: Mutex<Secure, P>,
}

/// The heap of threads that have ended, or cannot have one.
#[derive(Debug)]
struct Late {
    heap: *mut Heap,
    heads: UnsafeCell<[*mut u8; CLASSES]>,
}

// SAFETY: the heap is used under the lock alone.
unsafe impl Send for Late {}

/// A heap with the part that others reach.
#[repr(C)]
struct HeapCell {
    home: Home,
    heap: Heap,
}

impl Late {
    const fn new() -> Self {
        Self {
            heap: null_mut(),
            heads: UnsafeCell::new([null_mut(); CLASSES]),
        }
    }
}

impl<P: Platform + Copy, W: ThreadWords> Allocator<P, W> {
    /// An allocator that has reserved nothing yet.
    ///
    /// # Safety
    /// From its first use until it is dropped the allocator stays where it is, and nobody else uses `words`, on any thread; before, they
    /// were null, or as an allocator left them whose life ended by these rules.
    ///
    /// When it is dropped, and when [`fork_child`](Self::fork_child) runs, every thread that used it and has ended has called
    /// [`thread_end`](Self::thread_end), as `hooks.thread_start` said it would; when it is dropped, those that live have done so too.
    pub const unsafe fn new(platform: P, words: W, options: Options, hooks: Hooks) -> Self {
        Self {
            space: Space::new(platform, platform, options, hooks.clock),
            words,
            hooks,
            late: Mutex::new(Late::new(), platform),
            profile: Mutex::new(Profile::new(), platform),
            profile_home: AtomicPtr::new(null_mut()),
            secure: Mutex::new(Secure::new(), platform),
        }
    }
}

impl<P: Platform, W: ThreadWords> Allocator<P, W> {
    /// As `new`, for platforms that are handles.
    ///
    /// # Safety
    /// As for [`new`](Self::new).
    pub unsafe fn over(platform: &P, words: W, options: Options, hooks: Hooks) -> Self {
        Self {
            space: Space::new(platform.clone(), platform.clone(), options, hooks.clock),
            words,
            hooks,
            late: Mutex::new(Late::new(), platform.clone()),
            profile: Mutex::new(Profile::new(), platform.clone()),
            profile_home: AtomicPtr::new(null_mut()),
            secure: Mutex::new(Secure::new(), platform.clone()),
        }
    }

    /// A block of at least `size` bytes, aligned to 16; null if there is no memory.
    #[inline(always)]
    pub fn malloc(&self, size: usize) -> *mut u8 {
        match self.at_hand(size) {
            Some(block) => block.as_ptr(),
            None => self.malloc_slow(size),
        }
    }

    /// A block of at least `size` bytes, if the request is small and the thread has one at hand.
    #[inline(always)]
    pub fn at_hand(&self, size: usize) -> Option<NonNull<u8>> {
        if size > SMALL_BYTES_MAX {
            return None;
        }
        self.take_at_hand(size.div_ceil(BLOCK_ALIGN))
    }

    /// The same for requests that are not small.
    #[inline(always)]
    pub fn medium_at_hand(&self, size: usize) -> Option<NonNull<u8>> {
        if size > MEDIUM_BYTES_MAX {
            return None;
        }
        self.take_at_hand(class_of(size))
    }

    /// The first block of the thread's list of `class`, which is a class.
    #[inline(always)]
    fn take_at_hand(&self, class: usize) -> Option<NonNull<u8>> {
        let base = self.words.base();
        // SAFETY: the class is below `HEAP_WORD`; the words are the allocator's.
        let block = NonNull::new(unsafe { self.words.load(base, class) })?;
        // SAFETY: the list holds free blocks that are this thread's.
        unsafe {
            self.words.store(base, class, Block(block.as_ptr()).next());
            Block(block.as_ptr()).set_mark(0);
        }
        Some(block)
    }

    /// As [`malloc`](Self::malloc), for what [`at_hand`](Self::at_hand) did not serve.
    #[inline(never)]
    pub fn malloc_slow(&self, size: usize) -> *mut u8 {
        if size > SMALL_BYTES_MAX
            && let Some(block) = self.medium_at_hand(size)
        {
            return block.as_ptr();
        }
        self.malloc_beyond(size)
    }

    /// As [`malloc`](Self::malloc), for what neither [`at_hand`](Self::at_hand) nor [`medium_at_hand`](Self::medium_at_hand) served.
    #[inline]
    pub fn malloc_beyond(&self, size: usize) -> *mut u8 {
        if self.is_careful() {
            return self.malloc_careful(size, 1);
        }
        if size > MEDIUM_BYTES_MAX {
            return self.malloc_large(size);
        }
        let class = class_of(size);
        let base = self.words.base();
        // SAFETY: the index is in range.
        let heap = unsafe { self.words.load(base, HEAP_WORD) };
        if heap.addr() > ENDED.addr() {
            // SAFETY: I1; nothing below enters the allocator again.
            let heap: &mut Heap = unsafe { &mut *heap.cast() };
            if let Some((block, rest)) = heap.take_returned(class) {
                // SAFETY: the class is in range; the list holds free blocks that are this thread's, and its own was empty.
                unsafe { self.words.store(base, class, rest) };
                return block.as_ptr();
            }
        }
        self.malloc_empty(class)
    }

    #[inline]
    fn malloc_large(&self, size: usize) -> *mut u8 {
        // SAFETY: the index is in range.
        let heap = unsafe { self.words.load(self.words.base(), HEAP_WORD) };
        if heap.addr() > ENDED.addr() {
            // SAFETY: I1.
            let block = huge::at_hand(unsafe { &*heap.cast() }, size);
            if let Some(block) = block {
                return block;
            }
        }
        self.large(size, 1).0
    }

    /// Frees a block that this allocator gave out; null is nothing.
    ///
    /// # Safety
    /// `address` is null, or a block of this allocator that is not free and that nothing uses any more. (What breaks this
    /// promise is noticed in many cases, and reported to the hook.)
    #[inline(always)]
    pub unsafe fn free(&self, address: *mut u8) {
        let line = self.space.line_for(address.addr());
        // The distance from the first block if the slab is this thread's. If not, it is at least a slice, or odd, or else it differs from
        // the address in what is the place in the slice: in that, what stands for two threads may be all that differs.
        let distance = self.words.mix(address.addr()) ^ line.key.load(Relaxed);
        let place = SLICE_BYTES - 1;
        if distance & place != address.addr() & place || !line.starts().has(distance) {
            return self.free_other(address);
        }
        let block = Block(address);
        // SAFETY: the address lies in a slab of this thread, where a block may start; that there is one is the caller's promise.
        unsafe {
            if block.mark() == line.mark() {
                return self.free_marked(address);
            }
            block.set_next(line.local.load(Relaxed));
            block.set_mark(line.mark());
        }
        line.local.store(address, Relaxed);
        let left = line.left.load(Relaxed).wrapping_sub(1);
        line.left.store(left, Relaxed);
        if left == 0 {
            self.free_last(line);
        }
    }

    /// Offset in the allocator of the first line's address, for assembly.
    pub const TABLE_OFFSET: usize =
        core::mem::offset_of!(Self, space) + core::mem::offset_of!(Space<P>, table);
    /// Offset in the allocator of the mask for offsets of lines, for assembly.
    pub const MASK_OFFSET: usize =
        core::mem::offset_of!(Self, space) + core::mem::offset_of!(Space<P>, mask);

    /// Where [`free`](Self::free) goes on for an address where no block of the calling thread's slabs starts; null is fine.
    ///
    /// # Safety
    /// As for `free`.
    #[inline(always)]
    pub unsafe fn free_elsewhere(&self, address: *mut u8) {
        self.pass_on(address);
    }

    /// Where [`free`](Self::free) goes on for a block that is marked as free.
    ///
    /// # Safety
    /// As for `free`; the block's slab is the calling thread's.
    pub unsafe fn free_again(&self, address: *mut u8) {
        self.free_marked(address);
    }

    /// Where [`free`](Self::free) goes on when a line's count comes down to zero; `line` is that line.
    ///
    /// # Safety
    /// The line is that of a slab of the calling thread.
    pub unsafe fn free_counted_down(&self, line: *const u8) {
        // SAFETY: the caller's promise.
        self.free_last(unsafe { &*line.cast::<Slab>() });
    }

    /// The calling thread's heap, made at the first call; `None` if the thread has ended or there is no memory.
    ///
    /// # Safety
    /// I2: the reference ends before the allocator is entered again on this thread.
    #[inline]
    pub(super) unsafe fn heap<'a>(&self) -> Option<&'a mut Heap> {
        // SAFETY: the index is in range.
        let heap = unsafe { self.words.load(self.words.base(), HEAP_WORD) };
        if heap.is_null() {
            return self.new_heap();
        }
        // SAFETY: I1, and the caller's promise.
        (heap != ENDED).then(|| unsafe { &mut *heap.cast() })
    }

    #[cold]
    fn new_heap<'a>(&self) -> Option<&'a mut Heap> {
        let words = self.words.address();
        let mut state = self.space.lock();
        if let Some(home) = state.thread_homes.find(words) {
            drop(state);
            self.abandon_of_gone(home);
            state = self.space.lock();
        }
        let heap = self.cut_heap(&mut state, words, self.words.mix(0))?;
        // SAFETY: a heap of this thread's own from now on (I1), whose home is in no list of those yet.
        unsafe {
            state.thread_homes.add(&*(*heap).home, words);
            self.words.store(self.words.base(), HEAP_WORD, heap.cast());
        }
        drop(state);
        if !(self.hooks.thread_start)() {
            self.thread_end();
            return None;
        }
        // SAFETY: the hook is done (I2).
        Some(unsafe { &mut *heap })
    }

    /// The heap at `home` has its lists where the calling thread, which has no heap, will have its own, so that its thread has ended without
    /// the hook: its slabs, whose keys are the calling thread's too, go to others.
    #[cold]
    fn abandon_of_gone(&self, home: *mut Home) {
        // SAFETY: a home begins its cell. The words are the calling thread's now, so that the heap's thread is gone, and nobody else takes
        // the heap up: it would have to have these words.
        unsafe {
            let heap = &raw mut (*home.cast::<HeapCell>()).heap;
            (*heap).abandon(&self.space);
            Self::forget_heap(&mut self.space.lock(), heap);
        }
    }

    /// Makes a heap, or takes an old one, and enters it into the list.
    fn cut_heap(&self, state: &mut State, heads: *mut *mut u8, token: usize) -> Option<*mut Heap> {
        let cell: *mut HeapCell = if state.homes_free.is_null() {
            let bytes = size_of::<HeapCell>();
            if state.heaps_rest.1 < bytes {
                let (line, _) = self.space.take(state, 1, 1)?;
                line.kind.store(kind::OWN, Relaxed);
                state.heaps_rest = (self.space.start(line), SLICE_BYTES);
            }
            let (at, rest) = state.heaps_rest;
            state.heaps_rest = (at.wrapping_add(bytes), rest - bytes);
            at.cast()
        } else {
            let home = state.homes_free;
            // SAFETY: homes are never unmapped.
            state.homes_free = unsafe { &*home }.next.load(Relaxed);
            home.cast()
        };
        // SAFETY: memory of its own, large enough and aligned (cells are multiples of their alignment), that nobody uses. The purger
        // looks at homes in the list alone.
        unsafe {
            (&raw mut (*cell).home).write(Home::default());
            let heap = &raw mut (*cell).heap;
            heap.write(Heap::new(&raw const (*cell).home, heads, token));
            let home = &(*cell).home;
            home.next.store(state.homes, Relaxed);
            if let Some(next) = state.homes.as_ref() {
                next.previous.store(cell.cast(), Relaxed);
            }
            state.homes = cell.cast();
            Some(heap)
        }
    }

    /// Takes a heap out of the list, for use by a later thread.
    ///
    /// # Safety
    /// The heap is in the list and nobody uses it any more.
    unsafe fn forget_heap(state: &mut State, heap: *mut Heap) {
        // SAFETY: the list links homes, which are never unmapped.
        unsafe {
            let home = &*(*heap).home;
            state.thread_homes.remove(home);
            let (next, previous) = (home.next.load(Relaxed), home.previous.load(Relaxed));
            match previous.as_ref() {
                Some(previous) => previous.next.store(next, Relaxed),
                None => state.homes = next,
            }
            if let Some(next) = next.as_ref() {
                next.previous.store(previous, Relaxed);
            }
            home.next.store(state.homes_free, Relaxed);
            state.homes_free = core::ptr::from_ref(home).cast_mut();
        }
    }

    pub(super) fn space(&self) -> &Space<P> {
        &self.space
    }

    /// A heap for a value, with its lists at `heads`.
    pub(super) fn value_heap(&self, heads: *mut *mut u8) -> Option<NonNull<Heap>> {
        let heap = self.cut_heap(&mut self.space.lock(), heads, 0)?;
        // SAFETY: a heap of the caller's own. Its address stands for no thread, and is a multiple of 16.
        unsafe {
            (*heap).token = (*heap).home.addr();
            (*heap).make_value();
        }
        NonNull::new(heap)
    }

    /// # Safety
    /// The heap came from [`value_heap`](Self::value_heap), has no slabs, and nobody uses it any more.
    pub(super) unsafe fn forget_value_heap(&self, heap: NonNull<Heap>) {
        // SAFETY: the caller's promise.
        unsafe { Self::forget_heap(&mut self.space.lock(), heap.as_ptr()) };
    }

    /// The thread ends: its slabs go to others. What it allocates after this is served by a heap that such threads share.
    pub fn thread_end(&self) {
        let base = self.words.base();
        // SAFETY: the index is in range.
        let heap = unsafe { self.words.load(base, HEAP_WORD) };
        if heap.is_null() || heap == ENDED {
            return;
        }
        let heap: *mut Heap = heap.cast();
        // SAFETY: I1; the heap is this thread's until it is in the list of free ones.
        unsafe {
            (*heap).abandon(&self.space);
            self.words.store(base, HEAP_WORD, ENDED);
            Self::forget_heap(&mut self.space.lock(), heap);
        }
        self.look_after(0);
    }

    #[inline(never)]
    pub(super) fn malloc_empty(&self, class: usize) -> *mut u8 {
        // SAFETY: nothing below enters the allocator again.
        match unsafe { self.heap() } {
            // Making the heap may have run code that filled the list.
            Some(heap) => {
                // SAFETY: the index is in range.
                let block = unsafe { heap.heads.add(class).read() };
                if block.is_null() {
                    return heap.refill(&self.space, class);
                }
                // SAFETY: the list holds free blocks that are this thread's.
                unsafe {
                    heap.heads.add(class).write(Block(block).next());
                    Block(block).set_mark(0);
                }
                block
            }
            None => self.malloc_late(class),
        }
    }

    #[cold]
    #[inline(never)]
    fn large(&self, size: usize, align: usize) -> (*mut u8, bool) {
        if self.is_careful() {
            return (self.malloc_careful(size, align), false);
        }
        self.large_plainly(size, align)
    }

    pub(super) fn large_plainly(&self, size: usize, align: usize) -> (*mut u8, bool) {
        // SAFETY: nothing below enters the allocator again.
        let heap = unsafe { self.heap() }.map(|heap| &*heap);
        huge::allocate(&self.space, heap, size, align).unwrap_or((null_mut(), false))
    }

    /// For threads that have ended: a heap that they share.
    #[cold]
    fn malloc_late(&self, class: usize) -> *mut u8 {
        let mut late = self.late.lock();
        if late.heap.is_null() {
            let heads: *mut *mut u8 = late.heads.get().cast();
            // The address of a static stands for no thread, so that every free of these blocks comes as a remote one.
            let token = core::ptr::from_ref(self).addr() & !15;
            match self.cut_heap(&mut self.space.lock(), heads, token) {
                Some(heap) => late.heap = heap,
                None => return null_mut(),
            }
        }
        // SAFETY: the heap is used under the lock alone.
        unsafe {
            let heap = &mut *late.heap;
            let block = heap.heads.add(class).read();
            if block.is_null() {
                return heap.refill(&self.space, class);
            }
            heap.heads.add(class).write(Block(block).next());
            Block(block).set_mark(0);
            block
        }
    }

    /// `left` of a line with this thread's key came down to zero.
    #[inline(never)]
    fn free_last(&self, line: &Slab) {
        let line_kind = line.kind.load(Relaxed);
        if line_kind == kind::SLAB {
            let base = self.words.base();
            let class = usize::from(line.class.load(Relaxed));
            // Where samples are taken, what is at hand is what the heap has counted.
            if class < CLASSES && !self.is_careful() {
                // SAFETY: the key says that the slab is of this thread's heap, which lives: a heap takes its keys away when it ends.
                // The block that was freed just now is in the slab's list. The class is a class.
                unsafe {
                    let head = self.words.load(base, class);
                    if let Some(block) = Heap::keep(line, head) {
                        return self.words.store(base, class, block.as_ptr());
                    }
                }
            }
        } else if line_kind == kind::RUN {
            return self.free_run(line);
        }
        self.free_last_of_slab(line);
    }

    /// A large block was freed by its key: see I5 in `slab.rs`.
    #[inline(always)]
    fn free_run(&self, run: &Slab) {
        // SAFETY: the index is in range.
        let heap = unsafe { self.words.load(self.words.base(), HEAP_WORD) };
        if heap.addr() <= ENDED.addr() {
            return huge::free(&self.space, None, run);
        }
        // SAFETY: I1; nothing below enters the allocator again.
        let kept = huge::keep_own(&self.space, unsafe { &*heap.cast() }, run);
        match kept.map(|slices| (slices as usize) << SLICE_SHIFT) {
            Some(kept) if kept < DIRTY_BYTES_MIN => {}
            Some(kept) => self.look_after(kept),
            None => self.give_run(run),
        }
    }

    #[cold]
    #[inline(never)]
    fn give_run(&self, run: &Slab) {
        huge::give(&self.space, run);
        self.look_after(0);
    }

    #[cold]
    #[inline(never)]
    fn free_last_of_slab(&self, slab: &Slab) {
        if !slab.is(kind::SLAB) {
            // A large block in this thread's slots.
            self.misuse("double free", self.space.start(slab));
        }
        // SAFETY: nothing below enters the allocator again.
        if let Some(heap) = unsafe { self.heap() }
            // A heap that was made just now may have taken the key away: see `abandon_of_gone`.
            && slab.key.load(Relaxed) == heap.key(&self.space, slab)
        {
            heap.none_left(&self.space, slab);
        }
        self.look_after(0);
    }

    /// Calls the purger if there is enough to give back, with `more` that may be in a cache.
    #[inline]
    fn look_after(&self, more: usize) {
        if !self.space.has_purger() && self.space.returnable_bytes() + more >= DIRTY_BYTES_MIN {
            self.space.call_purger(self.hooks.purger_start);
        }
    }

    /// The purger's life: returns memory while other threads do other things, or nothing. It uses no thread words.
    pub fn purger_run(&self) -> ! {
        self.space.run_purger()
    }

    /// Puts other options in force.
    pub fn configure(&self, options: &Options) {
        self.space.settings.set(options);
        if self.is_careful() {
            // What this thread has at hand goes the careful way, too.
            // SAFETY: nothing below enters the allocator again.
            if let Some(heap) = unsafe { self.heap() } {
                heap.return_heads(&self.space);
            }
        }
    }

    /// Not a block of one of this thread's slabs.
    #[inline(never)]
    fn free_other(&self, address: *mut u8) {
        self.pass_on(address);
    }

    #[inline(always)]
    fn pass_on(&self, address: *mut u8) {
        // SAFETY: the index is in range.
        let heap = unsafe { self.words.load(self.words.base(), HEAP_WORD) };
        if heap.addr() > ENDED.addr() {
            // SAFETY: I1; nothing below enters the allocator again. The rest is the caller's promise.
            if unsafe {
                (*heap.cast::<Heap>())
                    .outgoing
                    .push_open(&self.space, address)
            } {
                return;
            }
        }
        self.free_unknown(address);
    }

    #[inline(never)]
    fn free_unknown(&self, address: *mut u8) {
        let line = self.space.line_for(address.addr());
        // SAFETY: the index is in range.
        let heap = unsafe { self.words.load(self.words.base(), HEAP_WORD) };
        if address.addr().is_multiple_of(SLICE_BYTES)
            && heap.addr() > ENDED.addr()
            && self.space.offset(address.addr()).is_some()
            && line.is(kind::RUN)
            && !line.has(flag::VALUE)
        {
            let bytes = self.space.bytes_of_run(line);
            // SAFETY: I1; nothing below enters the allocator again.
            huge::free(&self.space, Some(unsafe { &*heap.cast() }), line);
            return self.look_after(bytes);
        }
        self.free_rare(address);
    }

    #[cold]
    #[inline(never)]
    fn free_rare(&self, address: *mut u8) {
        if address.is_null() {
            return;
        }
        let Some(offset) = self.space.offset(address.addr()) else {
            if !(self.hooks.foreign_free)(address) {
                self.misuse("free of an address that was never allocated", address);
            }
            return;
        };
        let line = self.space.line_for(address.addr());
        match line.kind.load(Relaxed) {
            kind::SLAB => self.free_remote(line, address),
            kind::SECURE => self.free_secured(line, address),
            kind::RUN if offset.is_multiple_of(SLICE_BYTES) && line.has(flag::VALUE) => {
                self.forget_sample(line, address);
                value::free_run(&self.space, line);
            }
            kind::RUN if offset.is_multiple_of(SLICE_BYTES) => {
                // SAFETY: nothing below enters the allocator again.
                huge::free(&self.space, unsafe { self.heap() }.map(|heap| &*heap), line);
            }
            kind::RUN | kind::TAIL => self.misuse("free of an address inside a block", address),
            kind::CACHED | kind::FREE if offset.is_multiple_of(16) => {
                self.misuse("double free, or free of an address inside a block", address);
            }
            _ => self.misuse("free of an address that was never allocated", address),
        }
    }

    fn free_remote(&self, slab: &Slab, address: *mut u8) {
        if !self.space.is_block_of(slab, address) {
            self.misuse("free of an address inside a block", address);
        }
        let block = Block(address);
        // SAFETY: a block of the slab; that it is the caller's is the caller's promise.
        unsafe {
            if block.mark() == slab.mark() && self.links_on(slab, block.next())
                || holes::has(&self.space, slab, address)
            {
                self.misuse("double free", address);
            }
            block.set_mark(slab.mark());
            self.forget_sample(slab, address);
            match self.heap() {
                // The key of now: a heap that was made just now may have taken it away (`abandon_of_gone`).
                Some(heap) if slab.key.load(Relaxed) == heap.key(&self.space, slab) => {
                    heap.free_local(&self.space, slab, address);
                }
                Some(heap) if !slab.has(flag::VALUE) => {
                    heap.outgoing.push(&self.space, slab, address);
                }
                // A heap that is a value may end while a chain waits.
                _ => {
                    block.set_next(null_mut());
                    outgoing::send(&self.space, slab, address, address, 1);
                }
            }
        }
    }

    /// The block looks free: its second word says so. A program that has copied that word from free memory into the
    /// same place of another block of the slab gets the benefit of the doubt: the first word must fit, too.
    #[cold]
    #[inline(never)]
    fn free_marked(&self, address: *mut u8) {
        let slab = self.space.line_for(address.addr());
        if slab.is(kind::RUN) {
            // What the program keeps there looks like a mark; a free run is of another kind.
            return self.free_run(slab);
        }
        if !slab.is(kind::SLAB) {
            self.misuse("double free", address);
        }
        // SAFETY: the address lies in a slab of this thread.
        let next = unsafe { Block(address).next() };
        if !self.space.is_block_of(slab, address) {
            self.misuse("free of an address inside a block", address);
        }
        if self.links_on(slab, next) {
            self.misuse("double free", address);
        }
        // SAFETY: nothing below enters the allocator again.
        match unsafe { self.heap() } {
            // SAFETY: a used block of a slab of this thread's heap.
            Some(heap) if slab.key.load(Relaxed) == heap.key(&self.space, slab) => unsafe {
                heap.free_local(&self.space, slab, address);
            },
            // The heap was made just now, and took the key away.
            _ => self.free_remote(slab, address),
        }
    }

    /// Whether `next` can be what a free block of `slab` links to.
    fn links_on(&self, slab: &Slab, next: *mut u8) -> bool {
        next.is_null() || self.space.is_block_of(slab, next) || self.is_at_hand(next)
    }

    /// Whether `block` could follow another in a list of blocks at hand.
    fn is_at_hand(&self, block: *mut u8) -> bool {
        self.space.offset(block.addr()).is_some() && {
            let slab = self.space.line_for(block.addr());
            slab.is(kind::SLAB) && self.space.is_block_of(slab, block)
        }
    }

    #[cold]
    pub(super) fn misuse(&self, what: &'static str, address: *mut u8) -> ! {
        let bytes = self.space.offset(address.addr()).map_or(0, |_| {
            let line = self.space.line_for(address.addr());
            match line.kind.load(Relaxed) {
                kind::SLAB | kind::SECURE => line.block_bytes() as usize,
                kind::RUN => self.space.bytes_of_run(line),
                _ => 0,
            }
        });
        (self.hooks.misuse)(Misuse::new(what, address.addr(), bytes))
    }

    /// A block of at least `size` bytes at a multiple of `align`; null if there is no memory or `align` is no power of two.
    #[must_use]
    pub fn aligned(&self, align: usize, size: usize) -> *mut u8 {
        if align <= BLOCK_ALIGN {
            return self.malloc(size);
        }
        if !align.is_power_of_two() {
            return null_mut();
        }
        if self.is_secure() {
            return self.secured(size, align);
        }
        match aligned_request(size, align) {
            Some(request) if request <= MEDIUM_BYTES_MAX => self.malloc(request),
            Some(_) => self.large(size, align).0,
            None => null_mut(),
        }
    }

    /// A block of at least `size` bytes that read as zero.
    #[inline(always)]
    pub fn zeroed(&self, size: usize) -> *mut u8 {
        match self.zeroed_at_hand(size) {
            Some(block) => block.as_ptr(),
            None => self.zeroed_other(size, 1),
        }
    }

    /// As [`at_hand`](Self::at_hand), reading as zero.
    #[inline(always)]
    pub fn zeroed_at_hand(&self, size: usize) -> Option<NonNull<u8>> {
        let block = self.at_hand(size)?;
        // SAFETY: the block has that many bytes, rounded up to 16, and 16 if there are none.
        unsafe { clear_small(block.as_ptr(), size) };
        Some(block)
    }

    /// As [`zeroed`](Self::zeroed), for what [`zeroed_at_hand`](Self::zeroed_at_hand) did not serve.
    #[inline(never)]
    pub fn zeroed_slow(&self, size: usize) -> *mut u8 {
        self.zeroed_other(size, 1)
    }

    #[inline(never)]
    fn zeroed_other(&self, size: usize, align: usize) -> *mut u8 {
        // Alignments beyond 64 KiB and sizes beyond 32 KiB are runs; only those may be known to read as zero.
        let (block, zero) = if size.max(align) <= MEDIUM_BYTES_MAX || !align.is_power_of_two() {
            (self.aligned(align, size), false)
        } else {
            self.large(size, align)
        };
        if !block.is_null() && !zero {
            // SAFETY: the block has that many bytes.
            unsafe { block.write_bytes(0, size) };
        }
        block
    }

    /// As [`aligned`](Self::aligned), reading as zero.
    #[must_use]
    pub fn aligned_zeroed(&self, align: usize, size: usize) -> *mut u8 {
        if align <= BLOCK_ALIGN {
            return self.zeroed(size);
        }
        self.zeroed_other(size, align)
    }

    /// How many bytes the block at `address` holds; 0 for addresses that are no block's.
    #[must_use]
    pub fn usable_size(&self, address: *const u8) -> usize {
        if self.space.offset(address.addr()).is_none() {
            return 0;
        }
        let line = self.space.line_for(address.addr());
        match line.kind.load(Relaxed) {
            kind::SLAB => line.block_bytes() as usize,
            kind::RUN => self.space.bytes_of_run(line),
            kind::SECURE => self.secure.lock().usable_size(line, address.cast_mut()),
            _ => 0,
        }
    }

    /// Whether `address` lies in this allocator's range.
    #[must_use]
    pub fn owns(&self, address: *const u8) -> bool {
        self.space.offset(address.addr()).is_some()
    }

    /// Makes the block at `address` hold `size` bytes, moving it if it must, to a multiple of `align`; null, and no change, if
    /// there is no memory.
    ///
    /// # Safety
    /// As for [`free`](Self::free), but not null; `align` is the power of two that the block was asked for with, or 1.
    #[inline]
    pub unsafe fn realloc(&self, address: *mut u8, size: usize, align: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe {
            if self.has_grown(address, size) {
                return address;
            }
            self.realloc_slow(address, size, align)
        }
    }

    /// Makes the block at `address` hold `size` bytes if it is a large one in whose slices these are.
    ///
    /// # Safety
    /// The address is null, or a block of the caller's, or lies outside this allocator's range.
    #[inline(always)]
    pub unsafe fn has_grown(&self, address: *mut u8, size: usize) -> bool {
        let line = self.space.line_for(address.addr());
        line.is(kind::RUN)
            // The address of a block's start says that the line is its own.
            && self.space.start(line).addr() == address.addr()
            && !self.is_careful()
            && huge::has_grown(line, size)
    }

    /// As [`realloc`](Self::realloc), for what [`has_grown`](Self::has_grown) did not do.
    ///
    /// # Safety
    /// As for `realloc`.
    #[inline(never)]
    pub unsafe fn realloc_slow(&self, address: *mut u8, size: usize, align: usize) -> *mut u8 {
        let line = self.space.line_for(address.addr());
        if !line.is(kind::SLAB) || !self.space.is_block_of(line, address) {
            // SAFETY: the caller's promise.
            return unsafe { self.realloc_other(line, address, size, align) };
        }
        let old = line.block_bytes() as usize;
        // Shrinking moves a block when that frees half of it.
        if size <= old && (size >= old / 2 || old <= 4 * BLOCK_ALIGN) {
            return address;
        }
        let new = self.resized(old, size, align);
        if !new.is_null() {
            // SAFETY: two live blocks of the caller's, large enough for what is copied.
            unsafe {
                new.copy_from_nonoverlapping(address, old.min(size));
                self.free(address);
            }
        }
        new
    }

    /// The same for what is no slab's block.
    #[inline(never)]
    unsafe fn realloc_other(
        &self,
        line: &Slab,
        address: *mut u8,
        size: usize,
        align: usize,
    ) -> *mut u8 {
        // The address of a block's start says that the line is its own.
        let is_run = line.is(kind::RUN) && self.space.start(line).addr() == address.addr();
        let old = if is_run {
            self.space.bytes_of_run(line)
        } else {
            self.size_for_realloc(line, address)
        };
        // Growing blocks begin in runs early; shrinking moves such a block when that frees half of it.
        if is_run && (size > MEDIUM_BYTES_MAX || (huge::is_growing(line) && size >= old / 2)) {
            if size > old && self.is_careful() && self.is_due(line, size - old) {
                let new = self.sampled_copy(address, old, size, align);
                if !new.is_null() {
                    return new;
                }
            }
            if huge::resize_in_place(&self.space, line, size) {
                self.resize_sample(line, address, size);
                return address;
            }
        }
        let new = self.resized(old, size, align);
        if new.is_null() {
            return null_mut();
        }
        // SAFETY: two live blocks of the caller's, large enough for what is copied.
        unsafe {
            if is_run && size >= old {
                huge::carry(&self.space, line, new);
            } else {
                new.copy_from_nonoverlapping(address, old.min(size));
            }
            self.free(address);
        }
        new
    }

    /// A block of `size` bytes for what a block of `old` bytes holds.
    #[inline(always)]
    fn resized(&self, old: usize, size: usize, align: usize) -> *mut u8 {
        if size > old && size > huge::GROWING_BYTES_MIN {
            return self.grown(old, size, align);
        }
        self.aligned(align.max(1), size)
    }

    /// The same for a block that grows to more than [`huge::GROWING_BYTES_MIN`]: where it can go on growing, if possible.
    fn grown(&self, old: usize, size: usize, align: usize) -> *mut u8 {
        if align <= SLICE_BYTES && !self.is_careful() {
            // SAFETY: nothing below enters the allocator again.
            let heap = unsafe { self.heap() }.map(|heap| &*heap);
            if let Some(heap) = heap
                && let Some(block) = huge::allocate_growing(&self.space, heap, old, size)
            {
                return block;
            }
        }
        self.aligned(align.max(1), size)
    }

    /// The size of a block whose realloc takes no usual path; does not return if there is no block.
    #[cold]
    fn size_for_realloc(&self, line: &Slab, address: *mut u8) -> usize {
        let old = self.usable_size(address);
        if old == 0 {
            self.misuse("realloc of an address that was never allocated", address);
        }
        if line.is(kind::RUN) || line.is(kind::SLAB) {
            self.misuse("realloc of an address inside a block", address);
        }
        old
    }

    /// Gives back to the system what is free: of this thread's caches, and of the range. Returns how many bytes.
    pub fn trim(&self) -> usize {
        // SAFETY: nothing below enters the allocator again.
        let heap = unsafe { self.heap() };
        let punched = heap.map_or(0, |heap| heap.trim(&self.space, true));
        punched + self.space.purge(0)
    }

    /// Gives back to the system what has been free for longer than [`Options::purge_delay_ms`]; may be called by any thread, and
    /// enters no heap. Returns how many bytes.
    pub fn purge(&self) -> usize {
        self.space
            .purge(self.space.settings.purge_delay_ms.load(Relaxed))
    }

    /// Bytes that are free and not yet given back.
    pub fn dirty_bytes(&self) -> usize {
        self.space.dirty_bytes.load(Relaxed)
    }

    /// Walks the range and the calling thread's heap and checks their invariants. For tests: O(blocks).
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), &'static str> {
        self.space.check(&self.space.lock())?;
        // SAFETY: nothing below enters the allocator again.
        match unsafe { self.heap() } {
            Some(heap) => heap.check(&self.space),
            None => Ok(()),
        }
    }

    /// A picture of what is in use.
    pub fn stats(&self) -> Stats {
        Stats::read(&self.space)
    }

    /// Before a fork: takes every lock, so that the child finds the shared parts whole.
    pub fn fork_prepare(&self) {
        core::mem::forget(self.secure.lock());
        core::mem::forget(self.profile.lock());
        core::mem::forget(self.late.lock());
        core::mem::forget(self.space.lock());
    }

    /// After a fork, in the parent.
    ///
    /// # Safety
    /// The calling thread has called [`fork_prepare`](Self::fork_prepare).
    pub unsafe fn fork_parent(&self) {
        // SAFETY: the caller's promise.
        unsafe {
            self.space.mutex().force_unlock();
            self.late.force_unlock();
            self.profile.force_unlock();
            self.secure.force_unlock();
        }
    }

    /// After a fork, in the child: other threads are gone, and their memory goes to whoever needs it.
    ///
    /// # Safety
    /// The calling thread has called [`fork_prepare`](Self::fork_prepare) and is the only one.
    pub unsafe fn fork_child(&self) {
        // SAFETY: the index is in range.
        let mine = unsafe { self.words.load(self.words.base(), HEAP_WORD) };
        // SAFETY: the caller's promise: it holds the locks, so that nobody else touches what they guard. The list links heaps,
        // which are never unmapped; all but two of them belong to threads that are gone.
        unsafe {
            let (state, late) = (&mut *self.space.mutex().data(), (*self.late.data()).heap);
            let mut next = state.homes;
            while !next.is_null() {
                let heap = &raw mut (*next.cast::<HeapCell>()).heap;
                next = (*next).next.load(Relaxed);
                // Heaps that are values belong to whoever has the value.
                if heap.cast() != mine && heap != late && !(*heap).is_value() {
                    take_apart(&self.space, state, &mut *heap);
                    Self::forget_heap(state, heap);
                } else {
                    (*heap).forget_announcements();
                }
            }
            let mut next = state.homes_free;
            self.space.forget_purger();
            self.fork_parent();
            while !next.is_null() {
                (*next.cast::<HeapCell>()).heap.salvage(&self.space);
                next = (*next).next.load(Relaxed);
            }
        }
    }
}

/// Clears a block of at least `size` bytes, rounded up to 16: by a jump to that many stores, if they are few.
///
/// # Safety
/// The block is the caller's and as large as that, and 16 bytes at least.
#[inline(always)]
unsafe fn clear_small(block: *mut u8, size: usize) {
    const ZERO: [u64; 2] = [0; 2];
    macro_rules! stores {
        ($count:literal) => {{
            let units: *mut [u64; 2] = block.cast();
            for index in 0..$count {
                // SAFETY: the block has that many units.
                unsafe { units.add(index).write(ZERO) };
            }
        }};
    }
    match size.div_ceil(16) {
        0 | 1 => stores!(1),
        2 => stores!(2),
        3 => stores!(3),
        4 => stores!(4),
        5 => stores!(5),
        6 => stores!(6),
        7 => stores!(7),
        8 => stores!(8),
        // SAFETY: the block has that many bytes.
        _ => unsafe { block.write_bytes(0, size) },
    }
}

impl<P: Platform, W: ThreadWords> Drop for Allocator<P, W> {
    /// Gives the range back. Blocks that are still out are gone, and every thread that used this allocator must have ended.
    fn drop(&mut self) {
        // SAFETY: exclusive access; who keeps blocks beyond this has broken the promise above.
        unsafe { self.space.release() };
    }
}
