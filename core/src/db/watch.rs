//! What a program can learn of a running database: how long calls take, and what happens beside them.
#![forbid(unsafe_code)]

use super::error::Error;
use super::keyspace::KeyspaceId;
use super::shared::Shared;
use crate::codec::Histogram;
use crate::platform::{ClockId, Files, Instant};
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

/// What takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// A point read.
    Get,
    /// A write, waiting for room and for the medium included.
    Write,
    /// A sync of the log, for however many writes.
    Sync,
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Memtables became tables.
    Flushed {
        /// Bytes of the tables.
        bytes: u64,
        /// How many of them there are.
        tables: usize,
        /// Since the flush began.
        took: Duration,
    },
    /// Tables were merged.
    Merged {
        /// Whose they are.
        keyspace: KeyspaceId,
        /// The level that they were on, but for those of the level `to`.
        from: usize,
        /// The level of the new ones.
        to: usize,
        /// Bytes of the old ones.
        bytes_read: u64,
        /// Bytes of the new ones.
        bytes_written: u64,
        /// Since the merge began.
        took: Duration,
    },
    /// A write waited for room because flushes or merges do not keep up.
    Stalled {
        /// How long.
        took: Duration,
    },
    /// A call took [`slow_after`](super::Options::slow_after) or longer.
    Slow {
        /// Which one.
        operation: Operation,
        /// The key read, or the first one written; empty for a sync.
        key: &'a [u8],
        /// How long.
        took: Duration,
    },
    /// A flush or merge failed. Nothing is lost; it is tried again.
    MaintenanceFailed {
        /// Why.
        error: &'a Error,
    },
}

/// Is told each [`Event`], on the thread that it happened on.
///
/// The database may hold locks meanwhile: a hook must not call the database, and what it does delays flushes and writes.
#[derive(Clone)]
pub struct EventHook(Arc<dyn Fn(&Event<'_>) + Send + Sync>);

impl EventHook {
    /// A hook that calls `hook`.
    pub fn new(hook: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }
}

impl fmt::Debug for EventHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventHook")
    }
}

/// How long something took, of all times that it was done since the open. Quantiles and the mean are at most a sixteenth too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// How often it was done.
    pub count: u64,
    /// On average.
    pub mean: Duration,
    /// The half of them took no longer.
    pub p50: Duration,
    /// 99 of a hundred took no longer.
    pub p99: Duration,
    /// 999 of a thousand took no longer.
    pub p999: Duration,
    /// The longest.
    pub max: Duration,
}

/// What [`Db::timings`](super::Db::timings) tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// Point reads, with the option [`timings`](super::Options::timings).
    pub gets: Timing,
    /// Writes, with the option `timings`.
    pub writes: Timing,
    /// Times that a write waited for room.
    pub stalls: Timing,
    /// Syncs of the log.
    pub syncs: Timing,
    /// Flushes.
    pub flushes: Timing,
    /// Merges.
    pub merges: Timing,
}

/// The counts behind [`Timings`].
#[derive(Debug, Default)]
pub(super) struct Watch {
    gets: Histogram,
    writes: Histogram,
    stalls: Histogram,
    syncs: Histogram,
    flushes: Histogram,
    merges: Histogram,
}

fn timing(histogram: &Histogram) -> Timing {
    let quantile = |millionths| Duration::from_nanos(histogram.quantile(millionths));
    Timing {
        count: histogram.total(),
        mean: Duration::from_nanos(histogram.mean()),
        p50: quantile(500_000),
        p99: quantile(990_000),
        p999: quantile(999_000),
        max: quantile(1_000_000),
    }
}

fn ns(took: Duration) -> u64 {
    u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
}

impl<P: Files> Shared<P> {
    pub(super) fn timings(&self) -> Timings {
        Timings {
            gets: timing(&self.watch.gets),
            writes: timing(&self.watch.writes),
            stalls: timing(&self.watch.stalls),
            syncs: timing(&self.watch.syncs),
            flushes: timing(&self.watch.flushes),
            merges: timing(&self.watch.merges),
        }
    }

    fn tell(&self, event: &Event<'_>) {
        if let Some(EventHook(hook)) = &self.options.events {
            hook(event);
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.directory.platform.now(ClockId::Monotonic)
    }

    pub(super) fn since(&self, begun: Instant) -> Duration {
        self.now().saturating_duration_since(begun)
    }

    /// When a call begins, if somebody wants to know how long it takes: clocks cost as much as a tenth of a read.
    pub(super) fn begin(&self) -> Option<Instant> {
        let wanted = self.options.timings || self.options.slow_after.is_some();
        wanted.then(|| self.now())
    }

    /// Counts a call that began then.
    pub(super) fn end(&self, operation: Operation, begun: Option<Instant>, key: &[u8]) {
        let Some(begun) = begun else { return };
        let took = self.since(begun);
        match operation {
            Operation::Get => self.watch.gets.count(ns(took)),
            Operation::Write => self.watch.writes.count(ns(took)),
            Operation::Sync => self.watch.syncs.count(ns(took)),
        }
        if self.options.slow_after.is_some_and(|limit| took >= limit) {
            self.tell(&Event::Slow {
                operation,
                key,
                took,
            });
        }
    }

    pub(super) fn stalled(&self, begun: Instant) {
        let took = self.since(begun);
        self.watch.stalls.count(ns(took));
        self.tell(&Event::Stalled { took });
    }

    pub(super) fn flushed(&self, bytes: u64, tables: usize, took: Duration) {
        self.watch.flushes.count(ns(took));
        self.tell(&Event::Flushed {
            bytes,
            tables,
            took,
        });
    }

    pub(super) fn merged(&self, took: Duration, event: &Event<'_>) {
        self.watch.merges.count(ns(took));
        self.tell(event);
    }

    pub(super) fn maintenance_failed(&self, error: &Error) {
        self.tell(&Event::MaintenanceFailed { error });
    }
}
