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
use core::cell::UnsafeCell;
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
}

impl<E: Env, F, R> StackHalf<E, F, R> {
    /// The result that a run left.
    ///
    /// # Safety
    /// The owner ran it, or saw the latch set, and the result was not taken before.
    pub(super) unsafe fn result(&self) -> Result<R, Payload> {
        // SAFETY: run wrote it, before the latch was set.
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
