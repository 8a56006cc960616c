//! What workers did, counted by each for itself: a load and a store of a line that nobody else writes.
#![forbid(unsafe_code)]

use crate::sync::atomic::{AtomicUsize, Ordering};

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counter {
    Jobs,
    Steals,
    FailedSteals,
    Parks,
    Wakes,
    Panics,
}

/// One worker's counts.
#[derive(Debug, Default)]
pub(super) struct Counters([AtomicUsize; 6]);

impl Counters {
    /// By the owner only.
    pub(super) fn add(&self, counter: Counter) {
        let count = &self.0[counter as usize];
        count.store(
            count.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
    }

    pub(super) fn read(&self) -> WorkerMetrics {
        let [jobs, steals, failed_steals, parks, wakes, panics] =
            [0, 1, 2, 3, 4, 5].map(|index: usize| self.0[index].load(Ordering::Relaxed));
        WorkerMetrics {
            jobs,
            steals,
            failed_steals,
            parks,
            wakes,
            panics,
        }
    }
}

/// What one worker did since the pool was built. Counts wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// Spawned jobs and stolen halves of joins that it ran. Halves that nobody stole are not counted: they cost nothing.
    pub jobs: usize,
    /// Jobs taken from other workers.
    pub steals: usize,
    /// Attempts that another thief won.
    pub failed_steals: usize,
    /// Sleeps.
    pub parks: usize,
    /// Workers that it woke.
    pub wakes: usize,
    /// Panics of detached jobs.
    pub panics: usize,
}

/// What a trace hook hears of. Only events off the fast path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The worker took a job of another.
    Steal {
        /// The other.
        victim: usize,
    },
    /// The worker goes to sleep.
    Park,
    /// The worker woke.
    Unpark,
    /// A thread of the pool starts work.
    Start,
    /// A thread of the pool ends.
    Exit,
    /// The worker lends its place to a spare, since its job is about to block.
    Block,
}

/// A trace hook: the worker's index, and what happened. Must be quick and must not use the pool.
pub type Trace = fn(worker: usize, event: Event);
