//! The lock protocols under the model checker: every interleaving of a few threads and operations.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p underpin-core --release --lib loom`.
#![allow(
    unsafe_code,
    reason = "loom's cell checks the accesses that the lock is to exclude"
)]

use super::{Condvar, Mutex};
use crate::platform::{Instant, Park, Woken};
use crate::sync::atomic::{AtomicU32, Ordering};
use ::loom::cell::UnsafeCell;
use ::loom::sync::Arc;
use ::loom::thread;

/// A park over loom's own lock and condition variable, with one queue for all words.
#[derive(Clone)]
struct LoomPark(Arc<(::loom::sync::Mutex<()>, ::loom::sync::Condvar)>);

impl LoomPark {
    fn new() -> Self {
        Self(Arc::new((
            ::loom::sync::Mutex::new(()),
            ::loom::sync::Condvar::new(),
        )))
    }
}

impl Park for LoomPark {
    fn wait(&self, word: &AtomicU32, expected: u32, _until: Option<Instant>) -> Woken {
        let guard = self.0.0.lock().unwrap();
        if word.load(Ordering::SeqCst) != expected {
            return Woken::Changed;
        }
        drop(self.0.1.wait(guard).unwrap());
        Woken::Woken
    }

    fn wake(&self, _word: *const AtomicU32, _count: u32) -> u32 {
        // All words share one queue, so every sleeper must look.
        let _guard = self.0.0.lock().unwrap();
        self.0.1.notify_all();
        0
    }
}

#[test]
fn loom_mutex_excludes() {
    ::loom::model(|| {
        let park = LoomPark::new();
        let mutex = Arc::new(Mutex::new(UnsafeCell::new(0), park));
        let threads: std::vec::Vec<_> = (0..2)
            .map(|_| {
                let mutex = mutex.clone();
                thread::spawn(move || {
                    // SAFETY: loom panics if two threads are in here at once: that is the test.
                    mutex.lock().with_mut(|value| unsafe { *value += 1 });
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        // SAFETY: as above.
        assert_eq!(mutex.lock().with(|value| unsafe { *value }), 2);
    });
}

#[test]
fn loom_condvar_loses_no_notification() {
    ::loom::model(|| {
        let park = LoomPark::new();
        let shared = Arc::new((Mutex::new(false, park.clone()), Condvar::new(park)));
        let notifier = {
            let shared = shared.clone();
            thread::spawn(move || {
                *shared.0.lock() = true;
                shared.1.notify_one();
            })
        };
        let mut ready = shared.0.lock();
        while !*ready {
            ready = shared.1.wait(ready);
        }
        drop(ready);
        notifier.join().unwrap();
    });
}
