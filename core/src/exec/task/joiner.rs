//! Who waits for a task's output: a waker in one word, since every task has room for it and most are of our own.
#![allow(unsafe_code, reason = "a waker as a tagged pointer")]

use alloc::boxed::Box;
use core::cell::Cell;
use core::mem::ManuallyDrop;
use core::ptr::{eq, null};
use core::task::{RawWaker, RawWakerVTable, Waker};

/// In the pointer: it is a box with a waker that is not ours, rather than our waker's data, which is a task's address.
const FOREIGN: usize = 1;

/// The owner's. Whoever lets it go takes the waker out before: the handle that put it in does when it is dropped.
pub(super) struct Joiner(Cell<*const ()>);

impl Joiner {
    pub(super) const fn new() -> Self {
        Self(Cell::new(null()))
    }

    /// Whether `waker` is in it. `ours` are the functions of our wakers, the same for each call.
    #[inline]
    pub(super) fn is(&self, waker: &Waker, ours: &'static RawWakerVTable) -> bool {
        let kept = self.0.get();
        if kept.addr() & FOREIGN == 0 {
            return eq(kept, waker.data()) && eq(ours, waker.vtable());
        }
        // SAFETY: the tag says that it is a box with a waker, which is only borrowed for a comparison of words.
        unsafe { &*kept.map_addr(|address| address & !FOREIGN).cast::<Waker>() }.will_wake(waker)
    }

    /// Puts a waker in, or none, and gives the one that was.
    #[inline]
    pub(super) fn replace(
        &self,
        waker: Option<Waker>,
        ours: &'static RawWakerVTable,
    ) -> Option<Waker> {
        let new = match waker {
            None => null(),
            Some(waker) if eq(waker.vtable(), ours) => ManuallyDrop::new(waker).data(),
            Some(waker) => Box::into_raw(Box::new(waker))
                .map_addr(|address| address | FOREIGN)
                .cast_const()
                .cast(),
        };
        let old = self.0.replace(new);
        if old.is_null() {
            return None;
        }
        // SAFETY: the tag tells the two apart, and each goes out as it came in, once.
        Some(unsafe {
            if old.addr() & FOREIGN == 0 {
                Waker::from_raw(RawWaker::new(old, ours))
            } else {
                let kept = old.map_addr(|address| address & !FOREIGN);
                *Box::from_raw(kept.cast::<Waker>().cast_mut())
            }
        })
    }
}
