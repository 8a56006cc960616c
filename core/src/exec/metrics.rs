//! Numbers about an executor, and a look at its tasks.
#![forbid(unsafe_code)]

use super::task::Header;
use core::cell::Cell;
use core::time::Duration;

/// Numbers about one executor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Tasks that are not done.
    pub tasks_alive: usize,
    /// Tasks spawned since the start.
    pub tasks_spawned: u64,
    /// Tasks in the run queue.
    pub tasks_queued: usize,
    /// Timers that wait.
    pub timers: usize,
    /// Operations of the ring that somebody waits for.
    pub operations: usize,
    /// Turns of the loop.
    pub turns: u64,
    /// Turns that waited in the ring.
    pub sleeps: u64,
    /// Polls that took longer than the limit that was asked for.
    pub slow_polls: u64,
    /// Time that polls took while slow ones were asked for.
    pub poll_time: Duration,
}

/// What can be said of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskInfo {
    /// The type of its future, which names the function that made it.
    pub name: &'static str,
    /// How often it was polled, modulo 2^32.
    pub polls: u32,
    /// Whether it wants a poll now.
    pub queued: bool,
}

impl TaskInfo {
    pub(super) fn of(header: &Header) -> Self {
        Self {
            name: header.name(),
            polls: header.polls(),
            queued: super::task::is_scheduled(header),
        }
    }
}

/// From which time on a poll is slow, and what is told the type of the task's future and how long it took.
pub type SlowPolls = (Duration, fn(&'static str, Duration));

/// What the loop counts.
pub(super) struct Counters {
    turns: Cell<u64>,
    sleeps: Cell<u64>,
    slow_polls: Cell<u64>,
    slow: Cell<Option<SlowPolls>>,
    poll_time: Cell<Duration>,
}

impl Counters {
    pub(super) const fn new() -> Self {
        Self {
            turns: Cell::new(0),
            sleeps: Cell::new(0),
            slow_polls: Cell::new(0),
            slow: Cell::new(None),
            poll_time: Cell::new(Duration::ZERO),
        }
    }

    pub(super) fn add_turn(&self) {
        self.turns.set(self.turns.get() + 1);
    }

    pub(super) fn add_sleep(&self) {
        self.sleeps.set(self.sleeps.get() + 1);
    }

    pub(super) fn set_slow(&self, slow: Option<SlowPolls>) {
        self.slow.set(slow);
    }

    /// Whether polls are to be timed.
    #[inline]
    pub(super) fn is_timing(&self) -> bool {
        self.slow.get().is_some()
    }

    /// A task of this `name` was polled; reports it if that was slow and somebody wants to know.
    pub(super) fn add_poll(&self, name: &'static str, took: Duration) {
        self.poll_time
            .set(self.poll_time.get().saturating_add(took));
        if let Some((limit, report)) = self.slow.get()
            && took > limit
        {
            self.slow_polls.set(self.slow_polls.get() + 1);
            report(name, took);
        }
    }

    pub(super) fn read(&self, metrics: Metrics) -> Metrics {
        Metrics {
            turns: self.turns.get(),
            sleeps: self.sleeps.get(),
            slow_polls: self.slow_polls.get(),
            poll_time: self.poll_time.get(),
            ..metrics
        }
    }
}
