//! Threads of a pool that somebody else starts.
#![forbid(unsafe_code)]

use super::env::Env;
use super::registry::Registry;
use super::split::WORKERS_MAX;
use crate::error::Result;
use crate::platform::Park;
use crate::sync::atomic::{AtomicU32, Ordering};
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

/// Starts a thread that calls [`ThreadStart::run`].
pub(super) type Spawn<'a, E> = &'a mut dyn FnMut(ThreadStart<E>) -> Result<()>;

/// How many threads of a pool others start, and how many of those run, in one word.
pub(super) struct Lent(AtomicU32);

/// The word of one thread, and what is added while it runs. A pool has fewer threads than 15 bits count.
const ONE: u32 = 1;
const RUNNING: u32 = 1 << 16;
const RUNNING_MASK: u32 = CALLED_OFF - RUNNING;
/// Threads that do not run yet never do.
const CALLED_OFF: u32 = 1 << 31;
const _: () = assert!(WORKERS_MAX < RUNNING as usize / 2);

impl Lent {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Waits until none is left; once they are called off, only for those that run.
    pub(super) fn wait(&self, platform: &impl Park) {
        loop {
            let now = self.0.load(Ordering::Acquire);
            if is_over(now) {
                break;
            }
            platform.wait(&self.0, now, None);
        }
    }

    pub(super) fn call_off(&self) {
        self.0.fetch_or(CALLED_OFF, Ordering::Relaxed);
    }

    /// A thread comes to run; false if it must not.
    fn begin(&self) -> bool {
        // Whoever calls them off sees that this one runs, or is seen here: it is one word.
        let begun = |now| (now & CALLED_OFF == 0).then_some(now + RUNNING);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, begun)
            .is_ok()
    }

    fn end(&self, ran: bool, platform: &impl Park) {
        let word = ONE + if ran { RUNNING } else { 0 };
        // Release: for whoever waits.
        let now = self.0.fetch_sub(word, Ordering::Release) - word;
        if is_over(now) {
            platform.wake(&raw const self.0, u32::MAX);
        }
    }
}

/// Whether nobody is left to wait for.
fn is_over(lent: u32) -> bool {
    match lent & CALLED_OFF {
        0 => lent == 0,
        _ => lent & RUNNING_MASK == 0,
    }
}

/// A thread of a pool before it starts: whoever gets this has a thread call [`run`](Self::run). Dropping it is as if the
/// thread had ended at once: the pool works without it, and whoever has no other thread waits for ever for what it hands over.
pub struct ThreadStart<E: Env> {
    registry: Arc<Registry<E>>,
    index: usize,
    ran: bool,
}

impl<E: Env> fmt::Debug for ThreadStart<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadStart")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl<E: Env> ThreadStart<E> {
    pub(super) fn new(registry: &Arc<Registry<E>>, index: usize) -> Self {
        registry.lent.0.fetch_add(ONE, Ordering::Relaxed);
        Self {
            registry: registry.clone(),
            index,
            ran: false,
        }
    }

    /// The thread's index in its pool.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// What the builder says that the thread is called.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let registry = &*self.registry;
        registry.settings().name(registry.env(), self.index)
    }

    /// What the builder says of the thread's stack, in bytes; 0 for the system's default.
    #[must_use]
    pub fn stack_bytes(&self) -> usize {
        self.registry.settings().stack_bytes
    }

    /// Works as that thread, until the pool ends. Returns at once if the pool did not come to be, since another thread could not be started.
    ///
    /// # Panics
    /// If this thread works in a pool already.
    pub fn run(mut self) {
        let current = self.registry.env().current();
        assert!(current.is_null(), "this thread works in a pool already");
        if self.registry.lent.begin() {
            self.ran = true;
            self.registry.live(self.index);
        }
    }
}

impl<E: Env> Drop for ThreadStart<E> {
    fn drop(&mut self) {
        let registry = &*self.registry;
        if !self.ran {
            registry.never_start(self.index);
        }
        registry.lent.end(self.ran, registry.env().platform());
    }
}
