//! Threads of a pool that somebody else starts.
#![forbid(unsafe_code)]

use super::env::Env;
use super::registry::Registry;
use crate::error::Result;
use crate::platform::Park;
use crate::sync::atomic::Ordering;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

/// Starts a thread that calls [`ThreadStart::run`].
pub(super) type Spawn<'a, E> = &'a mut dyn FnMut(ThreadStart<E>) -> Result<()>;

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
        registry.lent.fetch_add(1, Ordering::Relaxed);
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

    /// Works as that thread, until the pool ends.
    ///
    /// # Panics
    /// If this thread works in a pool already.
    pub fn run(mut self) {
        let current = self.registry.env().current();
        assert!(current.is_null(), "this thread works in a pool already");
        self.ran = true;
        self.registry.live(self.index);
    }
}

impl<E: Env> Drop for ThreadStart<E> {
    fn drop(&mut self) {
        let registry = &*self.registry;
        if !self.ran {
            registry.never_start(self.index);
        }
        if registry.lent.fetch_sub(1, Ordering::Release) == 1 {
            registry
                .env()
                .platform()
                .wake(&raw const registry.lent, u32::MAX);
        }
    }
}
