//! Maintenance on a thread of its own, where the platform has threads: the core asks for none, it lends itself to one.
//!
//! ```text
//!  writers:  memtable full -> [ask] ......................... go on in the memtable, up to twice its size
//!  keeper:   parked --------> sync the log, freeze, flush, merge, park
//! ```
//! # Back-pressure
//! While a flush goes on and the memtable beside it is over its size, writes get the rate of the last flush, twice that just over the
//! size and less the closer it comes to twice the size; at twice the size they wait for the flush. Merges that fall behind slow
//! writes down as they do without a keeper, see `shared`.
//!
//! # Why nobody waits forever
//! A writer sleeps for room only while a keeper is there and its last try did not fail; a keeper wakes all writers after each try
//! and when it leaves, under the commit lock. A writer that finds none there, or that it failed, makes room itself, and so gets the
//! error. What was asked for since the keeper began its round changed the word it parks on.
#![forbid(unsafe_code)]

use super::error::Result;
use super::shared::Shared;
use crate::platform::{ClockId, Files};
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use core::time::Duration;

/// When to look again after a round that left work to somebody else, such as a manual merge.
const AGAIN: Duration = Duration::from_millis(20);
/// Slowest rate of writes that wait for a flush, in bytes a second: batches get through however slow the last flush was.
const RATE_MIN: usize = 256 << 10;

/// What writers and keepers share.
#[derive(Debug, Default)]
pub(super) struct Keepers {
    /// Threads in [`Shared::keep`]. Changed under the commit lock.
    count: AtomicUsize,
    /// They are to leave, and for good: a thread may come in after it was sent away.
    dismissed: AtomicBool,
    /// Changes with each request.
    requests: AtomicU32,
    /// Bytes of memtables a second in the last flush; 0 before the first. Says nothing of other memory, so accesses are relaxed.
    flush_rate: AtomicUsize,
}

/// A thread in [`Shared::keep`]. Its drop tells the writers, also when a function of the program panics in it: a merge operator, a
/// filter, a hook.
struct Kept<'a, P: Files>(&'a Shared<P>);

impl<'a, P: Files> Kept<'a, P> {
    fn enter(shared: &'a Shared<P>) -> Self {
        let commit = shared.commit.lock();
        shared.keepers.count.fetch_add(1, Ordering::Relaxed);
        drop(commit);
        Self(shared)
    }
}

impl<P: Files> Drop for Kept<'_, P> {
    fn drop(&mut self) {
        let commit = self.0.commit.lock();
        self.0.keepers.count.fetch_sub(1, Ordering::Relaxed);
        self.0.wake_sleepers(&commit);
    }
}

impl<P: Files> Shared<P> {
    /// Whether a thread does the maintenance.
    pub(super) fn is_kept(&self) -> bool {
        self.keepers.count.load(Ordering::Relaxed) > 0
    }

    /// Whether merges are to stop early: the database is being closed, or a keeper sent away, which does most of them.
    pub(super) fn is_leaving(&self) -> bool {
        self.closing.load(Ordering::Relaxed) || self.is_dismissed() && self.is_kept()
    }

    fn is_dismissed(&self) -> bool {
        self.keepers.dismissed.load(Ordering::Relaxed)
    }

    /// Asks for maintenance, if a thread does it.
    pub(super) fn ask_keeper(&self) {
        if self.is_kept() {
            // Release pairs with the acquire in `keep`: what led to the request is visible.
            self.keepers.requests.fetch_add(1, Ordering::Release);
            self.directory
                .platform
                .wake(&raw const self.keepers.requests, u32::MAX);
        }
    }

    /// Does maintenance as it is asked for, until the database is closed or keepers are dismissed.
    pub(super) fn keep(&self) {
        let _kept = Kept::enter(self);
        loop {
            let seen = self.keepers.requests.load(Ordering::Acquire);
            if self.is_dismissed() || self.closing.load(Ordering::Relaxed) {
                break;
            }
            let mut until = None;
            if self.maintenance_needed() {
                let done = self.maintain(true);
                if done.is_err() || self.maintenance_needed() {
                    let now = self.directory.platform.now(ClockId::Monotonic);
                    until = Some(now.saturating_add(AGAIN));
                }
            }
            // Also if nothing was needed: what they asked for room for may have been dropped.
            self.wake_sleepers(&self.commit.lock());
            let until = self.next_retry().or(until);
            self.directory
                .platform
                .wait(&self.keepers.requests, seen, until);
        }
    }

    /// Has all keepers leave soon, also those to come.
    pub(super) fn dismiss_keepers(&self) {
        // Under the lock that a keeper comes in with: either it sees this, or it is seen and woken.
        let commit = self.commit.lock();
        self.keepers.dismissed.store(true, Ordering::Relaxed);
        drop(commit);
        self.ask_keeper();
    }

    /// Whether a writer without room waits for the keeper, rather than making room itself.
    pub(super) fn leaves_to_keeper(&self) -> bool {
        self.is_kept() && !self.is_leaving() && self.reads.lock().retry.is_none()
    }

    /// Syncs what the log has so far while writers go on, so that they wait for less when it is sealed.
    pub(super) fn sync_ahead(&self) -> Result<()> {
        if self.is_kept() {
            self.sync(super::options::WriteLevel::Full)?;
        }
        Ok(())
    }

    /// Notes how fast memtables become tables.
    pub(super) fn note_flush(&self, bytes: usize, took: Duration) {
        let rate = (bytes as u128 * 1_000_000_000) / took.as_nanos().max(1);
        let rate = usize::try_from(rate).unwrap_or(usize::MAX).max(1);
        self.keepers.flush_rate.store(rate, Ordering::Relaxed);
    }

    /// Bytes a second that writes may have with so much in the memtables; 0 for as many as they like.
    pub(super) fn rate_with(&self, weight: usize) -> usize {
        let size = self.options.memtable_bytes;
        let merging = self.write_rate.load(Ordering::Relaxed);
        if weight < size || !self.is_kept() {
            return merging;
        }
        let flush = self.keepers.flush_rate.load(Ordering::Relaxed);
        if flush == 0 {
            return merging;
        }
        let left = (size * 2).saturating_sub(weight);
        let share = (flush as u128 * 2 * left as u128) / size as u128;
        let flushing = usize::try_from(share).unwrap_or(usize::MAX);
        let flushing = flushing.max(flush / 8).max(RATE_MIN);
        match merging {
            0 => flushing,
            merging => merging.min(flushing),
        }
    }
}
