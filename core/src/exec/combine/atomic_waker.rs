//! A place for one waker that any thread may wake; one thread registers.
//!
//! Algorithm: as in the `futures` crate. Two bits; whoever sets the first bit of a state that was `WAITING` owns the cell.
//!
//! | state | the cell belongs to |
//! |---|---|
//! | `WAITING` | nobody |
//! | `REGISTERING` | the thread that registers |
//! | `WAKING` | the thread that wakes |
//! | both | the thread that registers, which then wakes in place of the other |
#![allow(unsafe_code, reason = "a cell guarded by two bits")]

use crate::sync::atomic::{AtomicU8, Ordering};
use core::cell::UnsafeCell;
use core::task::Waker;

const WAITING: u8 = 0;
const REGISTERING: u8 = 1;
const WAKING: u8 = 2;

pub(super) struct AtomicWaker {
    state: AtomicU8,
    waker: UnsafeCell<Option<Waker>>,
}

// SAFETY: the state's bits give the cell to one thread at a time; a waker may be used from any.
unsafe impl Sync for AtomicWaker {}
// SAFETY: as above.
unsafe impl Send for AtomicWaker {}

impl AtomicWaker {
    pub(super) fn new() -> Self {
        Self {
            state: AtomicU8::new(WAITING),
            waker: UnsafeCell::new(None),
        }
    }

    /// Stores `waker`. A wake that comes from here on wakes it; look for what happened before after this call.
    ///
    /// One thread at a time.
    pub(super) fn register(&self, waker: &Waker) {
        let entered =
            self.state
                .compare_exchange(WAITING, REGISTERING, Ordering::Acquire, Ordering::Acquire);
        if entered.is_err() {
            // Being woken right now: what is registered may be too late, so this one is woken at once.
            waker.wake_by_ref();
            return;
        }
        // SAFETY: the exchange gave the cell to this thread. A clone or drop of foreign code that wakes sets a bit only.
        let old = unsafe {
            match &*self.waker.get() {
                Some(old) if old.will_wake(waker) => None,
                _ => (*self.waker.get()).replace(waker.clone()),
            }
        };
        let left =
            self.state
                .compare_exchange(REGISTERING, WAITING, Ordering::AcqRel, Ordering::Acquire);
        if left.is_err() {
            // A wake came meanwhile and left the cell to us.
            // SAFETY: both bits are set: it is still this thread's, until the swap.
            let mine = unsafe { (*self.waker.get()).take() };
            self.state.swap(WAITING, Ordering::AcqRel);
            if let Some(waker) = mine {
                waker.wake();
            }
        }
        drop(old);
    }

    /// Wakes who is registered, once.
    pub(super) fn wake(&self) {
        if self.state.fetch_or(WAKING, Ordering::AcqRel) == WAITING {
            // SAFETY: the state was `WAITING`, so the cell is this thread's until it clears the bit.
            let waker = unsafe { (*self.waker.get()).take() };
            self.state.fetch_and(!WAKING, Ordering::Release);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}
