//! Places for one waker, on one thread.
#![allow(unsafe_code, reason = "a cell that foreign code cannot enter")]

use core::cell::{Cell, UnsafeCell};
use core::task::Waker;

/// Who is to be woken. Not `Sync`.
pub(super) struct WakerCell(UnsafeCell<Option<Waker>>);

impl WakerCell {
    pub(super) const fn new() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// Stores `waker` in place of what was there. Says whether foreign code ran: it was not there yet.
    #[inline]
    pub(super) fn set(&self, waker: &Waker) -> bool {
        // SAFETY: one thread, and no reference into the cell is held while foreign code (a waker's clone or drop) runs: the clone
        // is made before the cell is touched, and the old waker is dropped after.
        unsafe {
            if let Some(old) = &*self.0.get()
                && old.will_wake(waker)
            {
                return false;
            }
            let new = waker.clone();
            drop((*self.0.get()).replace(new));
            true
        }
    }

    /// Takes what is there.
    #[inline]
    pub(super) fn take(&self) -> Option<Waker> {
        // SAFETY: as in `set`.
        unsafe { (*self.0.get()).take() }
    }

    /// Puts a waker that was taken out in again, unless another one came in the meantime.
    #[inline]
    fn put_back(&self, waker: Waker) {
        // SAFETY: as in `set`.
        unsafe {
            if (*self.0.get()).is_none() {
                *self.0.get() = Some(waker);
            }
        }
    }

    /// Wakes, once, who is there.
    #[inline]
    pub(super) fn wake(&self) {
        if let Some(waker) = self.take() {
            waker.wake();
        }
    }
}

/// For who waits again and again: keeps the waker when it wakes, so that the next wait needs no new one.
pub(super) struct KeptWaker {
    waker: WakerCell,
    state: Cell<KeptState>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum KeptState {
    Idle,
    Waiting,
    /// Whoever waited is gone.
    Over,
}

impl KeptWaker {
    pub(super) const fn new() -> Self {
        Self {
            waker: WakerCell::new(),
            state: Cell::new(KeptState::Idle),
        }
    }

    /// Somebody waits: the next `wake` is for this waker. Says whether foreign code ran.
    #[inline]
    pub(super) fn set(&self, waker: &Waker) -> bool {
        let foreign = self.waker.set(waker);
        self.state.set(KeptState::Waiting);
        foreign
    }

    /// Wakes who waits, once.
    #[inline]
    pub(super) fn wake(&self) {
        if self.state.get() == KeptState::Waiting
            && let Some(waker) = self.waker.take()
        {
            self.state.set(KeptState::Idle);
            // Out of the cell, which foreign code may come to set.
            waker.wake_by_ref();
            if self.state.get() != KeptState::Over {
                self.waker.put_back(waker);
            }
        }
    }

    /// Forgets the waker: nobody waits any more.
    pub(super) fn clear(&self) {
        self.state.set(KeptState::Over);
        drop(self.waker.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::rc::Rc;
    use alloc::sync::Arc;
    use alloc::task::Wake;
    use core::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.wake_by_ref();
        }
        fn wake_by_ref(self: &Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_kept_waker_wakes_once_a_wait_and_is_let_go_when_cleared() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let kept = KeptWaker::new();
        kept.wake();
        kept.set(&waker);
        kept.wake();
        kept.wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "one wait, one wake");
        kept.set(&waker);
        kept.wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        drop(waker);
        assert_eq!(Arc::strong_count(&count), 2, "kept");
        kept.set(Waker::noop());
        assert_eq!(Arc::strong_count(&count), 1, "replaced");
        kept.clear();
    }

    #[test]
    fn a_waker_may_set_the_place_that_wakes_it() {
        struct Setter(Rc<KeptWaker>);
        fn raw(data: *const ()) -> core::task::RawWaker {
            core::task::RawWaker::new(data, &TABLE)
        }
        static TABLE: core::task::RawWakerVTable = core::task::RawWakerVTable::new(
            raw,
            |_| unreachable!("woken by reference"),
            |data| {
                // SAFETY: the data of these wakers is the setter below, which outlives them.
                let setter = unsafe { &*data.cast::<Setter>() };
                setter.0.set(Waker::noop());
            },
            |_| {},
        );
        let setter = Setter(Rc::new(KeptWaker::new()));
        // SAFETY: the functions above own nothing.
        let waker = unsafe { Waker::from_raw(raw((&raw const setter).cast())) };
        setter.0.set(&waker);
        setter.0.wake();
        assert!(
            setter
                .0
                .waker
                .take()
                .is_some_and(|kept| kept.will_wake(Waker::noop())),
            "the newer one stays"
        );
    }
}
