//! The work-stealing pool: fork and join at about the price of a call, scopes, spawned jobs, parallel iterators.
//!
//! ```text
//!   join ----> split stack (halves, private until asked for) --.
//!   scope, spawn ----> deque (spawned jobs) -------------------+--> thieves: workers without work
//!   from outside ----> injector, urgent injector --------------'
//!                                    sleep: who searches, who is parked, who is woken
//! ```
//!
//! A pool is generic over its surroundings ([`Env`]): a platform with threads, a pointer per thread, a way to catch panics. An
//! application gets all that from the `std` shim; firmware uses [`Bare`] and a pool [without threads](Builder::without_threads).
//!
//! Threads from outside work in a pool as guests, without a hand-over: [`Pool::join`], [`Pool::scope`] and [`Pool::enter`] run on the
//! caller. [`Pool::install`] runs on a thread of the pool.
//!
//! # Waiting
//!
//! A worker that waits for a stolen half of a join runs descendants of that half only; one that waits for a scope runs that
//! scope's jobs only. A lock held across a join is thus not wanted by unrelated work on top of it, and stacks grow with the
//! program's own recursion only. Broadcasts are the one exception. [`Worker::yield_now`] asks for the other behaviour.
//!
//! Protocols and proofs: `README.md` beside this file.

mod block;
mod builder;
mod env;
pub mod iter;
mod job;
mod join;
mod latch;
#[cfg(all(test, loom))]
mod loom;
mod metrics;
mod registry;
mod scope;
mod sleep;
pub mod sort;
mod spawn;
mod split;
mod start;
#[cfg(all(test, not(loom)))]
mod tests;
mod worker;

pub use builder::{Builder, PanicHandler, ThreadHandler};
pub use env::{Bare, Env, Payload};
pub use metrics::{Event, Trace, WorkerMetrics};
pub use scope::{Scope, ScopeFifo};
pub use spawn::{Priority, max_num_threads, with_current};
pub use start::ThreadStart;
pub use worker::Worker;

use alloc::sync::Arc;
use core::fmt;
use registry::Registry;

/// A pool. Dropping it waits for its spawned jobs and ends its threads.
pub struct Pool<E: Env> {
    registry: Arc<Registry<E>>,
}

impl<E: Env> fmt::Debug for Pool<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (searching, parked) = self.registry.sleep.counts();
        f.debug_struct("Pool")
            .field("threads", &self.num_threads())
            .field("searching", &searching)
            .field("parked", &parked)
            .finish()
    }
}

impl<E: Env> Drop for Pool<E> {
    fn drop(&mut self) {
        self.registry.end();
    }
}
