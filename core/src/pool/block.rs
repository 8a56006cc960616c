//! Blocks for spawned jobs: cut from chunks, kept by workers, given back to whoever runs the job.
//!
//! ```text
//!   take: free list -> fresh part of the newest chunk -> a new chunk
//!   give: free list, while it is short -> the block's chunk, which goes once all its blocks came back
//! ```
//!
//! So a worker that spawned and ran jobs before allocates nothing, and a million jobs at once leave no more than
//! [`KEPT_MAX`] blocks a worker behind. A kept block keeps its chunk: blocks that come from as many chunks hold 64 MiB in the worst case, which takes
//! a worker that ran one job of each.
//!
//! # Invariants
//! - K1: a chunk's `live` counts its blocks that were not given back to it: those in use, in free lists, and not cut yet.
//! - K2: a block in a free list holds the list's next pointer in its closure's place.
#![allow(unsafe_code, reason = "blocks are raw memory for closures of any type")]

use super::env::Env;
use super::job::{Head, JobRef};
use super::worker::State;
use crate::sync::atomic::{AtomicUsize, Ordering};
use alloc::boxed::Box;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::null_mut;

/// Words of a closure that fit into a block.
const INLINE_WORDS: usize = 6;

/// Blocks of a chunk: 16 KiB where a word has eight bytes.
const CHUNK: usize = 255;

/// Free blocks that a worker keeps at most: 256 KiB.
const KEPT_MAX: usize = 4096;

/// Room for one spawned job: 64 bytes where a word has eight.
#[repr(C, align(16))]
pub(super) struct Block<E: Env> {
    head: Head<E>,
    chunk: *const Chunk<E>,
    closure: MaybeUninit<[usize; INLINE_WORDS]>,
}

/// Blocks that were allocated together.
struct Chunk<E: Env> {
    live: AtomicUsize,
    blocks: [MaybeUninit<Block<E>>; CHUNK],
}

impl<E: Env> Chunk<E> {
    /// `count` blocks come back.
    ///
    /// # Safety
    /// The caller has them, and nobody uses them afterwards.
    unsafe fn give_back(this: *const Self, count: usize) {
        // SAFETY: K1: the chunk lives while the caller's blocks count.
        if unsafe { (*this).live.fetch_sub(count, Ordering::AcqRel) } == count {
            // SAFETY: K1: that was the last one, and the chunk came from a box.
            drop(unsafe { Box::from_raw(this.cast_mut()) });
        }
    }
}

/// A worker's blocks.
pub(super) struct Blocks<E: Env> {
    free: *mut Block<E>,
    kept: usize,
    /// The newest chunk, of which `fresh` blocks were not cut yet.
    chunk: *mut Chunk<E>,
    fresh: usize,
}

impl<E: Env> Blocks<E> {
    pub(super) const fn new() -> Self {
        Self {
            free: null_mut(),
            kept: 0,
            chunk: null_mut(),
            fresh: 0,
        }
    }

    /// A block, its `chunk` set.
    #[inline]
    fn take(&mut self) -> *mut Block<E> {
        let block = self.free;
        if block.is_null() {
            return self.cut();
        }
        // SAFETY: K2.
        self.free = unsafe { (&raw const (*block).closure).cast::<*mut Block<E>>().read() };
        self.kept -= 1;
        block
    }

    fn cut(&mut self) -> *mut Block<E> {
        if self.fresh == 0 {
            let mut chunk = Box::<Chunk<E>>::new_uninit();
            // SAFETY: a counter is written in place; the blocks need no value.
            self.chunk = unsafe {
                (&raw mut (*chunk.as_mut_ptr()).live).write(AtomicUsize::new(CHUNK));
                Box::into_raw(chunk.assume_init())
            };
            self.fresh = CHUNK;
        }
        self.fresh -= 1;
        // SAFETY: the chunk lives (K1: this block counts), and the index is below its length.
        unsafe {
            let block = (&raw mut (*self.chunk).blocks)
                .cast::<Block<E>>()
                .add(self.fresh);
            (&raw mut (*block).chunk).write(self.chunk);
            block
        }
    }

    /// # Safety
    /// The block is the caller's, and nobody uses it afterwards.
    #[inline]
    unsafe fn give(&mut self, block: *mut Block<E>) {
        if self.kept == KEPT_MAX {
            // SAFETY: the caller's promise.
            return unsafe { Chunk::give_back((*block).chunk, 1) };
        }
        // SAFETY: the caller's promise; K2.
        unsafe {
            (&raw mut (*block).closure)
                .cast::<*mut Block<E>>()
                .write(self.free)
        };
        self.free = block;
        self.kept += 1;
    }
}

impl<E: Env> Drop for Blocks<E> {
    fn drop(&mut self) {
        while self.kept > 0 {
            let block = self.take();
            // SAFETY: it was in the list, so it is nobody's.
            unsafe { Chunk::give_back((*block).chunk, 1) };
        }
        if self.fresh > 0 {
            // SAFETY: they were never cut.
            unsafe { Chunk::give_back(self.chunk, self.fresh) };
        }
    }
}

struct Spawned<F, const BOXED: bool>(PhantomData<F>);

impl<F, const BOXED: bool> Spawned<F, BOXED> {
    const FITS: bool = size_of::<F>() <= size_of::<[usize; INLINE_WORDS]>()
        && align_of::<F>() <= align_of::<usize>();

    /// # Safety
    /// `head` is that of a block that [`spawned`] filled with an `F`, in the same way of the two, and this is its one run.
    unsafe fn run<E: Env>(head: *mut Head<E>, state: &State<E>)
    where
        F: FnOnce(&State<E>),
    {
        let block = head.cast::<Block<E>>();
        // SAFETY: the block is filled, and this run's.
        let place = unsafe { &raw const (*block).closure };
        let closure = if Self::FITS {
            // SAFETY: an F is there, and is read once.
            unsafe { place.cast::<F>().read() }
        } else {
            // SAFETY: a box of an F is there, and is read once.
            *unsafe { place.cast::<Box<F>>().read() }
        };
        if BOXED {
            // SAFETY: it came from a box, and holds nothing that has a drop.
            drop(unsafe { Box::from_raw(block.cast::<MaybeUninit<Block<E>>>()) });
        } else {
            // SAFETY: it came from a worker's blocks, and is empty.
            state.with_blocks(|blocks| unsafe { blocks.give(block) });
        }
        closure(state);
    }

    /// # Safety
    /// `block` is the caller's.
    #[inline]
    unsafe fn fill<E: Env>(block: *mut Block<E>, scope: *const (), closure: F) -> JobRef<E>
    where
        F: FnOnce(&State<E>),
    {
        // SAFETY: the block has room for what FITS says.
        unsafe {
            (&raw mut (*block).head).write(Head::new(Self::run::<E>));
            let place = &raw mut (*block).closure;
            if Self::FITS {
                place.cast::<F>().write(closure);
            } else {
                place.cast::<Box<F>>().write(Box::new(closure));
            }
            JobRef::new(block.cast(), scope)
        }
    }
}

/// Makes a spawned job from one of `blocks`; without them, which is for threads that are no workers, from a box.
///
/// The closure must not unwind, and must be `Send` in the sense of its maker: it may borrow what `scope` keeps alive.
#[inline]
pub(super) fn spawned<E: Env, F: FnOnce(&State<E>)>(
    blocks: Option<&mut Blocks<E>>,
    scope: *const (),
    closure: F,
) -> JobRef<E> {
    match blocks {
        // SAFETY: the block was just taken.
        Some(blocks) => unsafe { Spawned::<F, false>::fill(blocks.take(), scope, closure) },
        None => {
            let block = Box::into_raw(Box::<Block<E>>::new_uninit());
            // SAFETY: the block was just made.
            unsafe { Spawned::<F, true>::fill(block.cast(), scope, closure) }
        }
    }
}
