//! A value made when it is first asked for. Who asks while another makes it makes one too, and the first that is ready stays: nobody waits.
#![allow(unsafe_code, reason = "a pointer that owns")]

use alloc::boxed::Box;
use core::ptr::null_mut;
use core::sync::atomic::{
    AtomicPtr,
    Ordering::{AcqRel, Acquire},
};

#[derive(Debug)]
pub(super) struct Once<T> {
    /// Null, or from `Box::into_raw`, and then it stays.
    value: AtomicPtr<T>,
    /// It owns one.
    owns: core::marker::PhantomData<Box<T>>,
}

impl<T> Once<T> {
    pub(super) const fn new() -> Self {
        Self {
            value: AtomicPtr::new(null_mut()),
            owns: core::marker::PhantomData,
        }
    }

    pub(super) fn get(&self) -> Option<&T> {
        // SAFETY: null, or a value that lives until `self` is dropped; acquired, so what was written to it is seen.
        unsafe { self.value.load(Acquire).as_ref() }
    }

    pub(super) fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        let made = Box::into_raw(Box::new(make()));
        match self
            .value
            .compare_exchange(null_mut(), made, AcqRel, Acquire)
        {
            // SAFETY: from a box, and now owned by `self`.
            Ok(_) => unsafe { &*made },
            Err(first) => {
                // SAFETY: nobody else has seen it.
                drop(unsafe { Box::from_raw(made) });
                // SAFETY: not null, so as in `get`.
                unsafe { &*first }
            }
        }
    }
}

impl<T> Drop for Once<T> {
    fn drop(&mut self) {
        let value = *self.value.get_mut();
        if !value.is_null() {
            // SAFETY: from a box, and nobody has a reference any more.
            drop(unsafe { Box::from_raw(value) });
        }
    }
}

/// A clone makes its own when it needs one.
impl<T> Clone for Once<T> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Once;
    use alloc::sync::Arc;
    use alloc::vec::Vec;
    use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::thread;

    #[test]
    fn all_see_the_first_and_the_others_are_dropped() {
        struct Counted(usize, Arc<AtomicUsize>);
        impl Drop for Counted {
            fn drop(&mut self) {
                self.1.fetch_add(1, Relaxed);
            }
        }
        for _ in 0..20 {
            let (once, made) = (Once::new(), AtomicUsize::new(0));
            let dropped = Arc::new(AtomicUsize::new(0));
            let make = || Counted(made.fetch_add(1, Relaxed), Arc::clone(&dropped));
            let seen: Vec<usize> = thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|_| scope.spawn(|| once.get_or_make(make).0))
                    .collect();
                threads.into_iter().map(|t| t.join().unwrap()).collect()
            });
            assert!(seen.iter().all(|number| *number == seen[0]));
            assert!(once.clone().get().is_none());
            assert_eq!(dropped.load(Relaxed), made.load(Relaxed) - 1);
            drop(once);
            assert_eq!(dropped.load(Relaxed), made.load(Relaxed));
        }
    }
}
