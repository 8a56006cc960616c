//! Places for one waker, on one thread.
#![allow(unsafe_code, reason = "a cell that foreign code cannot enter")]

use core::cell::{Cell, UnsafeCell};
use core::mem::ManuallyDrop;
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

    /// Wakes, once, who is there.
    #[inline]
    pub(super) fn wake(&self) {
        if let Some(waker) = self.take() {
            waker.wake();
        }
    }
}

/// For who waits again and again: keeps the waker when it wakes, so that the next wait needs no new one.
///
/// # Invariant
/// K1: the place owns the waker in it, except while `Waking`: then the call of `wake` that is on owns it, and gives it back to the place if
///     that is still `Waking` afterwards. So foreign code in a wake may put another one in, or forget it, and the one that runs is dropped
///     when it has returned. (One that panics is forgotten.)
pub(super) struct KeptWaker {
    waker: UnsafeCell<ManuallyDrop<Option<Waker>>>,
    state: Cell<KeptState>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum KeptState {
    Idle,
    Waiting,
    Waking,
}

impl KeptWaker {
    pub(super) const fn new() -> Self {
        Self {
            waker: UnsafeCell::new(ManuallyDrop::new(None)),
            state: Cell::new(KeptState::Idle),
        }
    }

    /// Somebody waits: the next `wake` is for this waker. Says whether foreign code ran.
    #[inline]
    pub(super) fn set(&self, waker: &Waker) -> bool {
        // SAFETY: K1; one thread, and the reference ends before foreign code could run.
        let is_there = unsafe { (*self.waker.get()).as_ref() };
        if self.state.get() != KeptState::Waking && is_there.is_some_and(|old| old.will_wake(waker))
        {
            self.state.set(KeptState::Waiting);
            return false;
        }
        self.replace(Some(waker.clone()), KeptState::Waiting);
        true
    }

    /// Puts a waker in, or none, and drops what was there, unless it is somebody else's.
    #[cold]
    #[inline(never)]
    fn replace(&self, waker: Option<Waker>, state: KeptState) {
        let is_lent = self.state.replace(state) == KeptState::Waking;
        // SAFETY: one thread, and no foreign code runs while the place is written.
        let old = unsafe { core::mem::replace(&mut *self.waker.get(), ManuallyDrop::new(waker)) };
        if !is_lent {
            drop(ManuallyDrop::into_inner(old));
        }
    }

    /// Wakes who waits, once.
    #[inline]
    pub(super) fn wake(&self) {
        if self.state.get() != KeptState::Waiting {
            return;
        }
        self.state.set(KeptState::Waking);
        // SAFETY: K1: a copy of what this call owns until it has returned; the place itself may be written meanwhile.
        let waker = unsafe { self.waker.get().read() };
        if let Some(waker) = &*waker {
            waker.wake_by_ref();
        }
        if self.state.get() == KeptState::Waking {
            self.state.set(KeptState::Idle);
        } else {
            drop(ManuallyDrop::into_inner(waker));
        }
    }

    /// Forgets the waker: nobody waits any more.
    pub(super) fn clear(&self) {
        self.replace(None, KeptState::Idle);
    }
}

impl Drop for KeptWaker {
    fn drop(&mut self) {
        self.clear();
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

    /// A waker that does something to the place that wakes it, and counts how many of it there are.
    struct Meddler {
        kept: KeptWaker,
        alive: Cell<isize>,
        meddle: fn(&Self),
    }

    impl Meddler {
        fn new(meddle: fn(&Self)) -> Rc<Self> {
            Rc::new(Self {
                kept: KeptWaker::new(),
                alive: Cell::new(0),
                meddle,
            })
        }

        fn waker(&self) -> Waker {
            // SAFETY: the functions below own nothing, and the tests keep `self` where it is for longer than its wakers.
            unsafe { Waker::from_raw(raw(core::ptr::from_ref(self).cast())) }
        }
    }

    fn meddler<'a>(data: *const ()) -> &'a Meddler {
        // SAFETY: as in `waker`.
        unsafe { &*data.cast::<Meddler>() }
    }

    fn raw(data: *const ()) -> core::task::RawWaker {
        let alive = &meddler(data).alive;
        alive.set(alive.get() + 1);
        core::task::RawWaker::new(data, &TABLE)
    }

    static TABLE: core::task::RawWakerVTable = core::task::RawWakerVTable::new(
        raw,
        |_| unreachable!("woken by reference"),
        |data| (meddler(data).meddle)(meddler(data)),
        |data| {
            let alive = &meddler(data).alive;
            alive.set(alive.get() - 1);
        },
    );

    #[test]
    fn a_waker_may_set_and_forget_the_place_that_wakes_it() {
        let set_another = Meddler::new(|me| {
            me.kept.set(Waker::noop());
            assert_eq!(
                me.alive.get(),
                1,
                "the one that runs is there until it has returned"
            );
        });
        let set_itself = Meddler::new(|me| {
            let waker = me.waker();
            assert!(me.kept.set(&waker), "what runs is not the place's");
        });
        let forget = Meddler::new(|me| {
            me.kept.clear();
            assert_eq!(
                me.alive.get(),
                1,
                "the one that runs is there until it has returned"
            );
        });
        let wake_another = Meddler::new(|me| {
            me.kept.set(Waker::noop());
            me.kept.wake();
        });
        for (meddler, left, stays) in [
            (set_another, 0, true),
            (set_itself, 1, false),
            (forget, 0, false),
            (wake_another, 0, true),
        ] {
            meddler.kept.set(&meddler.waker());
            meddler.kept.wake();
            assert_eq!(meddler.alive.get(), left);
            assert_eq!(
                !meddler.kept.set(Waker::noop()),
                stays,
                "the newer one stays"
            );
            meddler.kept.clear();
            assert_eq!(meddler.alive.get(), 0);
        }
    }
}
