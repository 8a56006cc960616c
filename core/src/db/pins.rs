//! The newest of something that is replaced now and then, for many readers at once, none of whom waits.
//!
//! A reader puts the pointer that it found into a slot of its own, its pin, and looks whether that is still the newest. If so, whoever replaces it
//! afterwards finds the pin and keeps what it points to. Hazard pointers (Michael, IEEE TPDS 2004), with slots that are claimed for a moment:
//! a thread looks for one from a place on that its stack gives it, so threads seldom meet.
//!
//! ```text
//! reader                                  who replaces it
//! p1  slot: nothing -> pointer            r1  current: pointer -> next
//! p2  current is still pointer?           r2  no slot has pointer?
//!     yes: read, then slot: nothing           yes: it may go    no: it is retired, and looked at again
//! ```
//!
//! # Invariants
//! - N1: what `current` has is owned by it; what was there before is owned by the keeper until no slot has it.
//! - N2: p1 before p2 and r1 before r2, in the one order of sequentially consistent operations. So if r2 missed the pin, p2 saw the next one, and nobody
//!   reads what is gone.
//! - N3: what is read is not replaced by itself: as long as it is pinned its memory is nobody else's, so `current` having it means that it was there all along.
//!
//! # Bounds
//! [`SLOTS`] pins at once; who finds none gets `None` and has to do without. What is retired goes with the next replacement, or when its last
//! reader sees that there is something to go; a reader that looks in the very moment may leave that to the replacement.
#![allow(unsafe_code, reason = "readers hold pointers to what others own")]

use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;
use core::ptr::null_mut;

/// Pins at once: a core seldom has more threads within one read each.
#[cfg(not(loom))]
const SLOTS: usize = 16;
#[cfg(loom)]
const SLOTS: usize = 2;

/// A place for a pin, in a cache line of its own.
#[repr(align(64))]
struct Slot<T>(AtomicPtr<T>);

struct Inner<T> {
    /// Null after an end.
    current: AtomicPtr<T>,
    slots: [Slot<T>; SLOTS],
    /// How many are retired; a hint.
    retired: AtomicUsize,
}

// SAFETY: what the pointers lead to is shared between threads and freed by any, as by an `Arc`.
unsafe impl<T: Send + Sync> Send for Inner<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Inner<T> {}

impl<T> Drop for Inner<T> {
    fn drop(&mut self) {
        let current = self.current.load(Ordering::Acquire);
        if !current.is_null() {
            // SAFETY: N1, and nobody is left who could pin it.
            drop(unsafe { Arc::from_raw(current) });
        }
    }
}

/// The readers' side.
pub(super) struct Pins<T>(Arc<Inner<T>>);

/// The side of whoever replaces it: one at a time.
pub(super) struct PinKeeper<T> {
    inner: Arc<Inner<T>>,
    retired: Vec<Arc<T>>,
}

/// What was the newest when it was pinned. Stays until this is dropped.
pub(super) struct Pin<'a, T> {
    inner: &'a Inner<T>,
    slot: &'a AtomicPtr<T>,
    pointer: *mut T,
}

/// Loom knows sequential consistency of fences alone.
#[inline]
fn in_one_order() {
    #[cfg(loom)]
    crate::sync::atomic::fence(Ordering::SeqCst);
}

/// Where a thread looks for a slot first.
#[inline]
fn first_slot() -> usize {
    #[cfg(loom)]
    return 0;
    #[cfg(not(loom))]
    {
        // Stacks lie apart by more than this.
        let here = 0u8;
        let stack = (&raw const here).addr() >> 14;
        stack.wrapping_mul(0x9e37_79b9) >> 12
    }
}

impl<T> Pins<T> {
    pub(super) fn new(first: Arc<T>) -> (Self, PinKeeper<T>) {
        let inner = Arc::new(Inner {
            current: AtomicPtr::new(Arc::into_raw(first).cast_mut()),
            slots: core::array::from_fn(|_| Slot(AtomicPtr::new(null_mut()))),
            retired: AtomicUsize::new(0),
        });
        let keeper = PinKeeper {
            inner: inner.clone(),
            retired: Vec::new(),
        };
        (Self(inner), keeper)
    }

    /// Pins the newest. `None` if all slots are taken, or after an end.
    #[inline]
    pub(super) fn pin(&self) -> Option<Pin<'_, T>> {
        let inner = &*self.0;
        let mut pointer = inner.current.load(Ordering::Acquire);
        if pointer.is_null() {
            return None;
        }
        let first = first_slot();
        let slot = (0..SLOTS).find_map(|next| {
            let Slot(slot) = &inner.slots[first.wrapping_add(next) % SLOTS];
            let claimed =
                slot.compare_exchange(null_mut(), pointer, Ordering::SeqCst, Ordering::Relaxed);
            claimed.is_ok().then_some(slot)
        })?;
        loop {
            in_one_order();
            let newest = inner.current.load(Ordering::SeqCst);
            if newest == pointer {
                return Some(Pin {
                    inner,
                    slot,
                    pointer,
                });
            }
            slot.store(newest, Ordering::SeqCst);
            if newest.is_null() {
                return None;
            }
            pointer = newest;
        }
    }
}

impl<T> Pin<'_, T> {
    /// Whether it has been the newest all the time since it was pinned.
    #[inline]
    pub(super) fn is_newest(&self) -> bool {
        self.inner.current.load(Ordering::SeqCst) == self.pointer
    }

    /// It for longer.
    pub(super) fn to_arc(&self) -> Arc<T> {
        // SAFETY: the pointer is of `Arc::into_raw`, and whoever owns that `Arc` keeps it while it is pinned (N1, N2).
        unsafe {
            Arc::increment_strong_count(self.pointer);
            Arc::from_raw(self.pointer)
        }
    }

    /// Whether something is retired that may be able to go once this is dropped.
    #[inline]
    pub(super) fn has_retired(&self) -> bool {
        self.inner.retired.load(Ordering::Relaxed) > 0
    }
}

impl<T> Deref for Pin<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: whoever owns it keeps it while it is pinned (N1, N2).
        unsafe { &*self.pointer }
    }
}

impl<T> Drop for Pin<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.slot.store(null_mut(), Ordering::Release);
    }
}

impl<T> PinKeeper<T> {
    /// Puts `next` in the place of the newest; `None` is the end. Returns what nobody can read any more.
    #[must_use = "dropping it may take a while"]
    pub(super) fn replace(&mut self, next: Option<Arc<T>>) -> Vec<Arc<T>> {
        let next = next.map_or(null_mut(), |next| Arc::into_raw(next).cast_mut());
        let old = self.inner.current.swap(next, Ordering::SeqCst);
        if !old.is_null() {
            // SAFETY: what `current` owned is the keeper's now (N1).
            self.retired.push(unsafe { Arc::from_raw(old) });
        }
        self.sweep()
    }

    /// What of the retired nobody can read any more.
    #[must_use = "dropping it may take a while"]
    pub(super) fn sweep(&mut self) -> Vec<Arc<T>> {
        let inner = &*self.inner;
        inner.retired.store(self.retired.len(), Ordering::Relaxed);
        in_one_order();
        let is_free = |old: &mut Arc<T>| {
            let old = Arc::as_ptr(old).cast_mut();
            let mut slots = inner.slots.iter();
            !slots.any(|Slot(slot)| slot.load(Ordering::SeqCst) == old)
        };
        let free = self.retired.extract_if(.., is_free).collect();
        inner.retired.store(self.retired.len(), Ordering::Relaxed);
        free
    }
}

impl<T> Drop for PinKeeper<T> {
    fn drop(&mut self) {
        drop(self.sweep());
        // Rather never than under somebody's eyes.
        core::mem::forget(core::mem::take(&mut self.retired));
    }
}

impl<T> fmt::Debug for PinKeeper<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinKeeper")
            .field("retired", &self.retired.len())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_pinned_stays_and_goes_afterwards() {
        let (pins, mut keeper) = Pins::new(Arc::new(1));
        let one = pins.pin().unwrap();
        let weak = Arc::downgrade(&one.to_arc());
        assert!(keeper.replace(Some(Arc::new(2))).is_empty());
        assert!(*one == 1 && !one.is_newest() && one.has_retired());
        let two = pins.pin().unwrap();
        assert!(*two == 2 && two.is_newest());
        drop(one);
        assert_eq!(keeper.sweep().len(), 1);
        assert!(weak.upgrade().is_none() && !two.has_retired());
        assert!(keeper.replace(None).is_empty());
        assert!(pins.pin().is_none());
        assert_eq!(*two, 2);
    }

    #[test]
    fn who_finds_no_slot_is_told() {
        let (pins, _keeper) = Pins::new(Arc::new(1));
        let all: Vec<_> = (0..SLOTS).map(|_| pins.pin().unwrap()).collect();
        assert!(pins.pin().is_none());
        drop(all);
        assert!(pins.pin().is_some());
    }
}

#[cfg(all(test, loom))]
mod loom {
    use super::*;
    use crate::sync::atomic::AtomicBool;
    use ::loom::thread;

    /// Says when it is gone.
    struct Probe(Arc<AtomicBool>);

    impl Drop for Probe {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn probe() -> (Arc<Probe>, Arc<AtomicBool>) {
        let gone = Arc::new(AtomicBool::new(false));
        (Arc::new(Probe(gone.clone())), gone)
    }

    #[test]
    fn loom_what_is_pinned_is_there_and_what_is_newest_is_what_was_published() {
        ::loom::model(|| {
            let (first, first_gone) = probe();
            let (second, second_gone) = probe();
            let (pins, mut keeper) = Pins::new(first);
            let pins = Arc::new(pins);
            let published = Arc::new(AtomicUsize::new(0));
            let reader = {
                let (pins, published) = (pins.clone(), published.clone());
                let gone = [first_gone.clone(), second_gone.clone()];
                thread::spawn(move || {
                    let Some(pin) = pins.pin() else { return };
                    let seen = published.load(Ordering::Acquire);
                    let which = usize::from(Arc::ptr_eq(&pin.0, &gone[1]));
                    // As a snapshot does: a number that is there is of what is newest.
                    assert!(!pin.is_newest() || which >= seen);
                    thread::yield_now();
                    assert!(!gone[which].load(Ordering::Relaxed));
                    drop(pin);
                })
            };
            let free = keeper.replace(Some(second));
            published.store(1, Ordering::Release);
            drop(free);
            reader.join().unwrap();
            drop(keeper.replace(None));
            assert!(first_gone.load(Ordering::Relaxed) && second_gone.load(Ordering::Relaxed));
        });
    }
}
