//! Jobs: halves of joins, which live in their joiner's frame, and spawned ones, which live in blocks that workers keep.
//!
//! # Invariants
//! - J1: a half's frame waits until the half is private again or its latch is set, whatever unwinds.
//! - J2: a half's shared part is written before the half becomes public, and read only of halves that were public.
//! - J3: a half is run once: by its owner after a pop or reclaim that succeeded, else by the one thief who stole it.
//! - J4: a block belongs to whoever took its [`JobRef`] out of a queue, of which there is one.
#![allow(
    unsafe_code,
    reason = "jobs cross threads as raw pointers to frames and blocks"
)]

use super::env::{Env, Payload};
use super::latch::Latch;
use super::worker::{State, Worker};
use crate::deque::{Slot, Word};
use crate::sync::atomic::AtomicUsize;
use alloc::boxed::Box;
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit};

/// The head of a half of a join, before its closure.
#[repr(C)]
pub(super) struct Half<E: Env> {
    pub(super) run: unsafe fn(*const Self, &State<E>),
    shared: UnsafeCell<MaybeUninit<SharedHalf>>,
}

/// What a half needs once it is public; written then, so that the many that never are don't pay.
pub(super) struct SharedHalf {
    pub(super) latch: Latch,
    /// Who runs it, packed; 0 until known.
    pub(super) memo: AtomicUsize,
}

impl<E: Env> Half<E> {
    /// Owner, before the half is public (J2).
    ///
    /// # Safety
    /// `half` is alive and private to the caller.
    pub(super) unsafe fn prepare(half: *const Self) {
        // SAFETY: nobody else has it.
        unsafe { &mut *(*half).shared.get() }.write(SharedHalf {
            latch: Latch::new(),
            memo: AtomicUsize::new(0),
        });
    }

    /// The shared part.
    ///
    /// # Safety
    /// The half was public and is alive for `'a` (J2).
    pub(super) unsafe fn shared<'a>(half: *const Self) -> &'a SharedHalf {
        // SAFETY: the caller's promise.
        unsafe { (*(*half).shared.get()).assume_init_ref() }
    }
}

/// A half with its closure and its result.
#[repr(C)]
pub(super) struct StackHalf<E: Env, F, R> {
    pub(super) half: Half<E>,
    closure: ManuallyDrop<F>,
    result: UnsafeCell<MaybeUninit<Result<R, Payload>>>,
}

impl<E: Env, F, R> StackHalf<E, F, R>
where
    F: for<'w> FnOnce(Worker<'w, E>) -> R,
{
    #[inline(always)]
    pub(super) fn new(closure: F) -> Self {
        Self {
            half: Half {
                run: Self::run,
                shared: UnsafeCell::new(MaybeUninit::uninit()),
            },
            closure: ManuallyDrop::new(closure),
            result: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Runs it and keeps the result.
    unsafe fn run(half: *const Half<E>, state: &State<E>) {
        let this = half.cast::<Self>();
        // SAFETY: J3: run once, so the closure is there and nobody else touches it or the result.
        let closure = ManuallyDrop::into_inner(unsafe { (&raw const (*this).closure).read() });
        let result = state.env().catch(|| closure(state.handle()));
        // SAFETY: as above.
        unsafe { &mut *(*this).result.get() }.write(result);
    }

    /// The closure, to be run by the owner itself.
    ///
    /// # Safety
    /// J3: the owner has the half back and does not run it otherwise.
    #[inline(always)]
    pub(super) unsafe fn closure(&self) -> F {
        // SAFETY: the caller's promise.
        ManuallyDrop::into_inner(unsafe { (&raw const self.closure).read() })
    }

    /// The result that a thief left.
    ///
    /// # Safety
    /// The latch was seen set, and the result was not taken before.
    pub(super) unsafe fn result(&self) -> Result<R, Payload> {
        // SAFETY: run wrote it before the latch was set.
        unsafe { (*self.result.get()).assume_init_read() }
    }
}

/// The head of a spawned job.
#[repr(C)]
pub(super) struct Head<E: Env> {
    run: unsafe fn(*mut Self, &State<E>),
}

/// A spawned job in a queue, and the scope that waits for it (null: none does).
pub(super) struct JobRef<E: Env> {
    head: *mut Head<E>,
    scope: *const (),
}

impl<E: Env> Clone for JobRef<E> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<E: Env> Copy for JobRef<E> {}

// SAFETY: what a job captures is `Send` (the bounds of everything that makes one), and it moves to whoever takes it (J4).
unsafe impl<E: Env> Send for JobRef<E> {}

impl<E: Env> Slot for JobRef<E> {
    fn into_words(self) -> [Word; 2] {
        [self.head.cast(), self.scope.cast_mut()]
    }
    fn from_words(words: [Word; 2]) -> Self {
        Self {
            head: words[0].cast(),
            scope: words[1],
        }
    }
}

impl<E: Env> JobRef<E> {
    /// A job whose head lies in a frame that waits for it.
    ///
    /// # Safety
    /// `head` stays until it was run, and running it is safe on any thread.
    pub(super) unsafe fn new(head: *mut Head<E>, scope: *const ()) -> Self {
        Self { head, scope }
    }

    pub(super) fn scope(self) -> *const () {
        self.scope
    }

    /// Runs it.
    ///
    /// # Safety
    /// The caller took it out of a queue (J4).
    pub(super) unsafe fn run(self, state: &State<E>) {
        // SAFETY: J4; the head lives until it is run.
        unsafe { ((*self.head).run)(self.head, state) }
    }
}

impl<E: Env> Head<E> {
    pub(super) fn new(run: unsafe fn(*mut Self, &State<E>)) -> Self {
        Self { run }
    }
}

/// Words of a closure that fit into a block.
const INLINE_WORDS: usize = 7;

/// Room for one spawned job: 64 bytes where a word has eight.
#[repr(C, align(16))]
pub(super) struct Block<E: Env> {
    head: Head<E>,
    closure: MaybeUninit<[usize; INLINE_WORDS]>,
}

/// Free blocks of one worker.
#[allow(clippy::vec_box, reason = "a block's address goes into queues")]
pub(super) struct Blocks<E: Env>(alloc::vec::Vec<Box<MaybeUninit<Block<E>>>>);

/// Free blocks that a worker keeps at most: 64 KiB.
const BLOCKS_MAX: usize = 1024;

impl<E: Env> Blocks<E> {
    pub(super) fn new() -> Self {
        Self(alloc::vec::Vec::new())
    }

    fn give_back(&mut self, block: Box<MaybeUninit<Block<E>>>) {
        if self.0.len() < BLOCKS_MAX {
            self.0.push(block);
        }
    }
}

struct Spawned<F>(PhantomData<F>);

impl<F> Spawned<F> {
    const FITS: bool = size_of::<F>() <= size_of::<[usize; INLINE_WORDS]>()
        && align_of::<F>() <= align_of::<usize>();

    /// # Safety
    /// `head` is that of a block that [`spawned`] filled with an `F`, and this is its one run.
    unsafe fn run<E: Env>(head: *mut Head<E>, state: &State<E>)
    where
        F: FnOnce(&State<E>),
    {
        // SAFETY: the block came from a box.
        let block = unsafe { Box::from_raw(head.cast::<MaybeUninit<Block<E>>>()) };
        // SAFETY: it is filled.
        let place = unsafe { &raw const (*block.as_ptr()).closure };
        let closure = if Self::FITS {
            // SAFETY: an F is there, and is read once.
            unsafe { place.cast::<F>().read() }
        } else {
            // SAFETY: a box of an F is there, and is read once.
            *unsafe { place.cast::<Box<F>>().read() }
        };
        state.with_blocks(|blocks| blocks.give_back(block));
        closure(state);
    }
}

/// Makes a spawned job from a block of `blocks`, or a new one.
///
/// The closure must not unwind, and must be `Send` in the sense of its maker: it may borrow what `scope` keeps alive.
pub(super) fn spawned<E: Env, F: FnOnce(&State<E>)>(
    blocks: Option<&mut Blocks<E>>,
    scope: *const (),
    closure: F,
) -> JobRef<E> {
    let mut block = blocks
        .and_then(|blocks| blocks.0.pop())
        .unwrap_or_else(Box::new_uninit);
    let filled = block.as_mut_ptr();
    // SAFETY: the block is this function's, and has room for what FITS says.
    unsafe {
        (&raw mut (*filled).head).write(Head::new(Spawned::<F>::run::<E>));
        let place = &raw mut (*filled).closure;
        if Spawned::<F>::FITS {
            place.cast::<F>().write(closure);
        } else {
            place.cast::<Box<F>>().write(Box::new(closure));
        }
    }
    JobRef {
        head: Box::into_raw(block).cast(),
        scope,
    }
}
