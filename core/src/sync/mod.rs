//! Atomics through one door, so that every protocol in the core can run under the loom model checker.
//!
//! With `--cfg loom` the names below are loom's, else `core`'s. Code that implements a concurrent
//! protocol imports atomics from here and nowhere else.
#![forbid(unsafe_code)]

/// Atomic integers, orderings and fences.
pub mod atomic {
    #[cfg(all(not(loom), target_has_atomic = "64"))]
    pub use core::sync::atomic::AtomicU64;
    #[cfg(not(loom))]
    pub use core::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering, fence,
    };
    #[cfg(loom)]
    pub use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

/// Tells the processor that this is a spin loop; under loom, lets another thread run.
#[inline]
pub fn spin_hint() {
    #[cfg(not(loom))]
    core::hint::spin_loop();
    #[cfg(loom)]
    loom::thread::yield_now();
}

/// The cheap side of an asymmetric fence: keeps the compiler from moving what is before it past what is after it, and the processor too,
/// once another thread has [every thread pass a fence](crate::platform::Threads::fence_others) in between.
#[inline(always)]
pub fn light_fence() {
    #[cfg(not(loom))]
    core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
    #[cfg(all(loom, test))]
    asymmetric::pass();
}

/// The fence of all threads in models: it comes to the owner at one of its light fences, and a model is run for each of them.
#[cfg(all(loom, test))]
pub(crate) mod asymmetric {
    use alloc::sync::Arc;
    use core::cell::RefCell;
    use loom::sync::atomic::{Ordering, fence};
    use loom::sync::{Condvar, Mutex};

    /// How far the fence has come.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Stage {
        Nothing,
        Wanted,
        Passed,
    }

    /// The meeting of the thread that wants the fence with the one whose turn it is to pass it.
    pub(crate) struct Meeting(Mutex<Stage>, Condvar);

    struct Owner {
        meeting: Arc<Meeting>,
        points_left: usize,
    }

    loom::thread_local! {
        static OWNER: RefCell<Option<Owner>> = RefCell::new(None);
    }

    impl Meeting {
        /// The calling thread passes the fence at its light fence number `point`, or in [`finish`] if it has not so many.
        pub(crate) fn at(point: usize) -> Arc<Self> {
            let meeting = Arc::new(Self(Mutex::new(Stage::Nothing), Condvar::new()));
            let owner = Owner {
                meeting: meeting.clone(),
                points_left: point,
            };
            OWNER.with(|cell| *cell.borrow_mut() = Some(owner));
            meeting
        }

        /// Has the owner pass a fence, once.
        pub(crate) fn fence_others(&self) {
            fence(Ordering::SeqCst);
            let mut stage = self.0.lock().unwrap();
            assert!(*stage == Stage::Nothing, "one fence in a model");
            *stage = Stage::Wanted;
            self.1.notify_all();
            while *stage != Stage::Passed {
                stage = self.1.wait(stage).unwrap();
            }
            drop(stage);
            fence(Ordering::SeqCst);
        }

        fn pass(&self) {
            let mut stage = self.0.lock().unwrap();
            while *stage != Stage::Wanted {
                stage = self.1.wait(stage).unwrap();
            }
            fence(Ordering::SeqCst);
            *stage = Stage::Passed;
            self.1.notify_all();
        }
    }

    /// A light fence.
    pub(super) fn pass() {
        let due = OWNER.with(|cell| {
            let mut owner = cell.borrow_mut();
            let owner = owner.as_mut()?;
            if owner.points_left > 0 {
                owner.points_left -= 1;
                return None;
            }
            Some(owner.meeting.clone())
        });
        if let Some(meeting) = due {
            OWNER.with(|cell| *cell.borrow_mut() = None);
            meeting.pass();
        }
    }

    /// The owner has done everything: the fence comes now, if it has not come yet.
    pub(crate) fn finish() {
        let owner = OWNER.with(|cell| cell.borrow_mut().take());
        if let Some(owner) = owner {
            owner.meeting.pass();
        }
    }
}
