//! Threads of the platform's that do the work beside the event loop: one for what writers would wait for, one for what may take long.
//!
//! Each has a desk of its own. The loop adds bits to the desk's word and wakes the thread; the thread takes all bits at once and parks on zero. So requests
//! that come while it is busy add up to one, and the loop never waits.
#![allow(unsafe_code, reason = "a platform's thread takes a raw argument")]

use super::work::{Housekeeping, Work, Worker};
use std::sync::Arc;
use underpin_core::Result;
use underpin_core::platform::{Files, ThreadOptions, Threads};
use underpin_core::sync::atomic::{AtomicU32, Ordering};

/// What the loop and the thread share.
struct Desk<P: Files> {
    worker: Worker<P>,
    requested: AtomicU32,
}

impl<P: Files> Desk<P> {
    fn run(&self) {
        let platform = &self.worker.platform;
        loop {
            // Acquire pairs with the release in `request`: what led to the request is visible.
            let work = Work::from_bits_truncate(self.requested.swap(0, Ordering::Acquire));
            // The loop makes everything durable itself when it ends; a merge now would only hold that up.
            if work.contains(Work::STOP) {
                return;
            }
            self.worker.perform(work);
            if work.is_empty() {
                platform.wait(&self.requested, 0, None);
            }
        }
    }
}

/// One thread. See the [module](self).
struct Housekeeper<P: Files + Threads> {
    desk: Option<Arc<Desk<P>>>,
    thread: Option<P::Thread>,
}

impl<P: Files + Threads> Housekeeper<P> {
    /// Starts the thread.
    ///
    /// # Errors
    /// The platform's, if it has no room for a thread.
    fn start(worker: Worker<P>) -> Result<Self> {
        let platform = worker.platform.clone();
        let desk = Arc::new(Desk {
            worker,
            requested: AtomicU32::new(0),
        });
        let argument = Arc::into_raw(Arc::clone(&desk)).cast_mut().cast::<u8>();
        let options = ThreadOptions::new().with_name("housekeeper");
        // SAFETY: `entry` takes over the count of the Arc in `argument`, which is of its type, and is called once.
        match unsafe { platform.spawn(&options, entry::<P>, argument) } {
            Ok(thread) => Ok(Self {
                desk: Some(desk),
                thread: Some(thread),
            }),
            Err(error) => {
                // SAFETY: nothing was started, so the count made by `into_raw` above is still ours.
                drop(unsafe { Arc::from_raw(argument.cast_const().cast::<Desk<P>>()) });
                Err(error)
            }
        }
    }
}

/// The thread's first function.
///
/// # Safety
/// `argument` is an `Arc<Desk<P>>` turned raw, whose count passes to this call.
unsafe extern "C" fn entry<P: Files + Threads>(argument: *mut u8) {
    // SAFETY: the caller's promise.
    let desk = unsafe { Arc::from_raw(argument.cast_const().cast::<Desk<P>>()) };
    desk.run();
}

impl<P: Files + Threads> Housekeeping for Housekeeper<P> {
    fn request(&mut self, work: Work) {
        if let Some(desk) = &self.desk
            && !work.is_empty()
        {
            desk.requested.fetch_or(work.bits(), Ordering::Release);
            desk.worker.platform.wake(&raw const desk.requested, 1);
        }
    }

    fn stop(&mut self) {
        self.request(Work::STOP);
        let desk = self.desk.take();
        if let (Some(desk), Some(thread)) = (desk, self.thread.take()) {
            let platform = desk.worker.platform.clone();
            // The thread lets go of the database last, so that its memory is freed where most of it was allocated.
            drop(desk);
            // A thread that cannot be joined has ended or never will; either way there is nothing left to do.
            let _ = platform.join(thread);
        }
    }
}

impl<P: Files + Threads> Drop for Housekeeper<P> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Both threads.
pub(crate) struct Housekeepers<P: Files + Threads> {
    prompt: Housekeeper<P>,
    long: Housekeeper<P>,
}

impl<P: Files + Threads> Housekeepers<P> {
    /// Starts them.
    ///
    /// # Errors
    /// The platform's, if it has no room for two threads.
    pub(crate) fn start(worker: Worker<P>) -> Result<Self> {
        Ok(Self {
            prompt: Housekeeper::start(worker.clone())?,
            long: Housekeeper::start(worker)?,
        })
    }
}

impl<P: Files + Threads> Housekeeping for Housekeepers<P> {
    fn request(&mut self, work: Work) {
        self.prompt.request(work - Work::LONG);
        self.long.request(work & Work::LONG);
    }

    fn stop(&mut self) {
        self.prompt.stop();
        self.long.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::work::Progress;
    use crate::sys::native;
    use underpin_core::db::{Db, Options, WriteLevel};

    #[test]
    fn ending_does_not_wait_for_work_that_has_not_begun() {
        let path = std::env::temp_dir().join(format!("underpin-desk-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let db = Db::open(
            native(),
            path.as_os_str().as_encoded_bytes(),
            Options::default(),
        );
        let db = db.unwrap();
        db.put(b"k", b"v", WriteLevel::Os).unwrap();
        let desk = Desk {
            worker: Worker {
                platform: native(),
                db: db.clone(),
                progress: Arc::new(Progress::default()),
                copies: None,
                sweeps: Arc::default(),
            },
            requested: AtomicU32::new((Work::SAVE | Work::STOP).bits()),
        };
        desk.run();
        assert_eq!(db.stats().flushes, 0);
        let _ = std::fs::remove_dir_all(&path);
    }

    #[test]
    fn a_sync_does_not_wait_for_what_takes_long() {
        let path = std::env::temp_dir().join(format!("underpin-desks-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let bytes = path.as_os_str().as_encoded_bytes();
        let worker = Worker {
            platform: native(),
            db: Db::open(native(), bytes, Options::default()).unwrap(),
            progress: Arc::new(Progress::default()),
            copies: None,
            sweeps: Arc::default(),
        };
        let (progress, sweeps) = (Arc::clone(&worker.progress), Arc::clone(&worker.sweeps));
        let mut both = Housekeepers::start(worker).unwrap();
        let held = sweeps.hold();
        both.request(Work::SWEEP);
        assert!(progress.want_sync());
        both.request(Work::SYNC);
        // As long as a test may take when it fails.
        for _ in 0..10_000 {
            if !progress.sync_waits() {
                break;
            }
            std::thread::sleep(core::time::Duration::from_millis(1));
        }
        assert!(!progress.sync_waits());
        drop(held);
        both.stop();
        let _ = std::fs::remove_dir_all(&path);
    }
}
