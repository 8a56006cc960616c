//! Heaps as values: blocks of one purpose together, freed one by one or all at once.
//!
//! ```text
//! Heap::allocate -> lists of its own -> slabs of its own         dropped: slabs and large blocks go back, whoever holds blocks of them
//! ```
//!
//! Such a heap is a thread's heap without a thread: its keys are mixed with its own address, so that the general `free` finds
//! that its blocks are not the calling thread's, and returns them one by one, without the chains that may still wait somewhere when
//! the heap goes. It adopts no slabs and leaves none.
//!
//! # Invariants
//! - I1: slabs and large blocks of such a heap carry the flag `VALUE`; its large blocks are linked by their `owned` links under the
//!   space's lock, from `runs`.
#![allow(unsafe_code, reason = "hands out raw memory")]

use super::heap::Heap as Inner;
use super::huge;
use super::malloc::Allocator;
use super::secure;
use super::size_class::{CLASSES, MEDIUM_BYTES_MAX, aligned_request, class_of};
use super::slab::{Block, Slab, flag, kind};
use super::space::{Space, State};
use crate::platform::{Platform, ThreadWords};
use core::marker::PhantomData;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::Ordering::Relaxed;

/// A heap over the memory of an [`Allocator`].
///
/// One thread at a time uses it; any thread may free its blocks with the allocator's own `free`. What is not freed when the heap is
/// dropped is gone.
#[derive(Debug)]
pub struct Heap<'a, P: Platform, W: ThreadWords> {
    allocator: &'a Allocator<P, W>,
    inner: NonNull<Inner>,
    heads: NonNull<*mut u8>,
    /// Used by one thread at a time.
    unshared: PhantomData<*mut u8>,
}

// SAFETY: the heap refers to nothing that belongs to a thread.
unsafe impl<P: Platform, W: ThreadWords> Send for Heap<'_, P, W> {}

/// Of the lists of a heap.
pub(super) const HEADS_BYTES: usize = CLASSES * size_of::<*mut u8>();

impl<'a, P: Platform, W: ThreadWords> Heap<'a, P, W> {
    /// A heap without blocks; `None` if there is no memory for it.
    #[must_use]
    pub fn new_in(allocator: &'a Allocator<P, W>) -> Option<Self> {
        let heads = NonNull::new(allocator.zeroed(HEADS_BYTES))?.cast();
        let Some(inner) = allocator.value_heap(heads.as_ptr()) else {
            // SAFETY: allocated above.
            unsafe { allocator.free(heads.as_ptr().cast()) };
            return None;
        };
        Some(Self {
            allocator,
            inner,
            heads,
            unshared: PhantomData,
        })
    }

    /// The value again of a heap that is kept in pieces.
    ///
    /// # Safety
    /// The pieces are those of a heap that lives and that nobody else uses now.
    pub(super) unsafe fn of_pieces(
        allocator: &'a Allocator<P, W>,
        inner: NonNull<Inner>,
        heads: NonNull<*mut u8>,
    ) -> core::mem::ManuallyDrop<Self> {
        core::mem::ManuallyDrop::new(Self {
            allocator,
            inner,
            heads,
            unshared: PhantomData,
        })
    }

    #[allow(
        clippy::mut_from_ref,
        reason = "the heap is not shared between threads, and no method calls another"
    )]
    fn inner(&self) -> &mut Inner {
        // SAFETY: the heap is this value's alone; `Heap` is not `Sync`, and the reference ends with the method that asked.
        unsafe { &mut *self.inner.as_ptr() }
    }

    /// A block of at least `size` bytes at a multiple of `align`; null if there is no memory or `align` is no power of two.
    #[must_use]
    pub fn allocate(&self, size: usize, align: usize) -> *mut u8 {
        if !align.is_power_of_two() {
            return null_mut();
        }
        let Some(request) = aligned_request(size, align) else {
            return null_mut();
        };
        if request > MEDIUM_BYTES_MAX {
            return self.large(size, align).0;
        }
        let (space, class) = (self.allocator.space(), class_of(request));
        // SAFETY: the class is in range; the lists hold free blocks of this heap.
        unsafe {
            let head = self.heads.add(class);
            let block = head.read();
            if block.is_null() {
                return self.inner().refill(space, class);
            }
            head.write(Block(block).next());
            Block(block).set_mark(0);
            block
        }
    }

    /// As [`allocate`](Self::allocate), reading as zero.
    #[must_use]
    pub fn allocate_zeroed(&self, size: usize, align: usize) -> *mut u8 {
        let large = size.max(align) > MEDIUM_BYTES_MAX && align.is_power_of_two();
        let (block, zero) = if large {
            self.large(size, align)
        } else {
            (self.allocate(size, align), false)
        };
        if !block.is_null() && !zero {
            // SAFETY: the block has that many bytes.
            unsafe { block.write_bytes(0, size) };
        }
        block
    }

    fn large(&self, size: usize, align: usize) -> (*mut u8, bool) {
        let space = self.allocator.space();
        let Some((block, zero)) = huge::allocate(space, None, size, align) else {
            return (null_mut(), false);
        };
        link(
            &mut space.lock(),
            self.inner(),
            space.line_for(block.addr()),
        );
        (block, zero)
    }

    /// Frees a block; null is nothing. Blocks of other heaps go where they belong.
    ///
    /// # Safety
    /// As for [`Allocator::free`].
    pub unsafe fn free(&self, block: *mut u8) {
        let space = self.allocator.space();
        let line = space.line_for(block.addr());
        let mine = self.allocator.owns(block)
            && line.is(kind::SLAB)
            && line.key.load(Relaxed) == self.inner().key(space, line)
            && space.is_block_of(line, block);
        // SAFETY: the caller's promise.
        unsafe {
            if mine && Block(block).mark() != line.mark() {
                self.inner().free_local(space, line, block);
            } else {
                self.allocator.free(block);
            }
        }
    }

    /// Makes the block hold `size` bytes, moving it if it must, within this heap; null, and no change, if there is no memory.
    ///
    /// # Safety
    /// As for [`Allocator::realloc`]; the block is of this heap.
    #[must_use]
    pub unsafe fn reallocate(&self, block: *mut u8, size: usize, align: usize) -> *mut u8 {
        let old = self.allocator.usable_size(block);
        let line = self.allocator.space().line_for(block.addr());
        let stays = line.is(kind::RUN)
            && size > MEDIUM_BYTES_MAX
            && huge::resize_in_place(self.allocator.space(), line, size);
        if stays || (line.is(kind::SLAB) && size <= old && size >= old / 2) {
            return block;
        }
        let new = self.allocate(size, align);
        if !new.is_null() {
            // SAFETY: two live blocks, large enough for what is copied; the caller's promise.
            unsafe {
                new.copy_from_nonoverlapping(block, old.min(size));
                self.free(block);
            }
        }
        new
    }

    /// Ends the heap and lets its blocks live: each is freed as any other block.
    pub fn leave(self) {
        let (space, heap) = (self.allocator.space(), self.inner());
        let mut state = space.lock();
        while let Some(run) = first(heap) {
            unlink(&mut state, run);
        }
        drop(state);
        heap.make_ordinary(space);
        heap.abandon(space);
        self.end();
        core::mem::forget(self);
    }

    fn end(&self) {
        // SAFETY: nobody uses the heap and its lists any more.
        unsafe {
            self.allocator.forget_value_heap(self.inner);
            self.allocator.free(self.heads.as_ptr().cast());
        }
    }
}

impl<P: Platform, W: ThreadWords> Drop for Heap<'_, P, W> {
    fn drop(&mut self) {
        let (space, heap) = (self.allocator.space(), self.inner());
        heap.drop_all(space);
        let mut state = space.lock();
        while let Some(run) = first(heap) {
            unlink(&mut state, run);
            run.kind.store(kind::CACHED, Relaxed);
            let slices = run.slices().load(Relaxed);
            space.give(&mut state, space.index(run), slices, false);
        }
        drop(state);
        self.end();
        space.purge_old();
    }
}

fn first(heap: &Inner) -> Option<&'static Slab> {
    // SAFETY: the list links lines of the table, which outlives every heap.
    unsafe { heap.home().runs.load(Relaxed).as_ref() }
}

/// Makes a large block one of a heap that is a value.
fn link(_: &mut State, heap: &Inner, run: &Slab) {
    run.set(flag::VALUE);
    run.home().store(heap.home.cast_mut(), Relaxed);
    let next = heap.home().runs.load(Relaxed);
    let this = core::ptr::from_ref(run).cast_mut();
    run.owned_previous().store(null_mut(), Relaxed);
    run.owned_next().store(next, Relaxed);
    // SAFETY: the list links lines of the table.
    if let Some(next) = unsafe { next.as_ref() } {
        next.owned_previous().store(this, Relaxed);
    }
    heap.home().runs.store(this, Relaxed);
}

/// Takes a large block with the flag `VALUE` out of its heap's list.
pub(super) fn unlink(_: &mut State, run: &Slab) {
    let (next, previous) = (
        run.owned_next().load(Relaxed),
        run.owned_previous().load(Relaxed),
    );
    // SAFETY: the list links lines of the table; homes are never unmapped.
    unsafe {
        match (previous.as_ref(), run.home().load(Relaxed).as_ref()) {
            (Some(previous), _) => previous.owned_next().store(next, Relaxed),
            (None, Some(home)) => home.runs.store(next, Relaxed),
            (None, None) => {}
        }
        if let Some(next) = next.as_ref() {
            next.owned_previous().store(previous, Relaxed);
        }
    }
    run.home().store(null_mut(), Relaxed);
    run.clear(flag::VALUE);
}

/// Frees a large block with the flag `VALUE`: of a heap that is a value, or made the secure way.
#[cold]
pub(super) fn free_run<P: Platform>(space: &Space<P>, run: &Slab) {
    let mut state = space.lock();
    // Its heap may have left it to itself since the caller looked.
    if run.has(flag::VALUE) && !run.home().load(Relaxed).is_null() {
        unlink(&mut state, run);
    }
    if run.has(flag::GUARDED) && !secure::unguard(space, &mut state, run) {
        run.kind.store(kind::OWN, Relaxed);
        return;
    }
    run.kind.store(kind::CACHED, Relaxed);
    let slices = run.slices().load(Relaxed);
    space.give(&mut state, space.index(run), slices, false);
    drop(state);
    space.purge_old();
}

#[cfg(test)]
mod tests {
    use super::super::home::Home;
    use super::super::options::Options;
    use super::*;
    use crate::platform::sim::{Sim, SimOptions};
    use alloc::boxed::Box;

    #[test]
    fn a_free_that_saw_a_heap_before_it_left_its_blocks_leaves_the_next_heap_alone() {
        let sim = Sim::new(SimOptions::new(1));
        let mut options = Options::new();
        options.reserve_bytes = 16 << 20;
        let space = Space::new(sim.clone(), sim, options, None);
        let home: &'static Home = Box::leak(Box::default());
        let heap = Inner::new(home, null_mut(), 0);
        let large = || {
            let (block, _) = huge::allocate(&space, None, 100_000, 1).unwrap();
            let run = space.line_for(block.addr());
            link(&mut space.lock(), &heap, run);
            run
        };
        let runs = [large(), large()];
        // The heap leaves, and another has its home; the free goes on only now.
        for _ in runs {
            unlink(&mut space.lock(), first(&heap).unwrap());
        }
        let later = large();
        free_run(&space, runs[1]);
        assert!(core::ptr::eq(first(&heap).unwrap(), later));
        assert!(later.owned_next().load(Relaxed).is_null());
        assert!(runs[0].is(kind::RUN) && !runs[1].is(kind::RUN));
    }
}
