//! Group commit: many writers, few appends, fewer syncs.
//!
//! # Protocol
//! Under the commit lock a writer appends its record to the log's buffer, inserts into the memtable and publishes the new
//! sequence number. If it asked for no more than [`WriteLevel::Buffered`], it is done. Otherwise it does what `turns` says: writes
//! the whole buffer, syncs what was written, or sleeps while others do, until its number is durable at its level. I/O is done
//! without the lock, so others append meanwhile, and a group may be written while the one before it is synced.
//!
//! # Why it is right
//! - Order: records enter the buffer in the order of their numbers, one writer at a time takes the buffer whole, and writes go to
//!   the file where the last ended. So the file holds records in order and a prefix of it is a prefix of history.
//! - Nothing is acknowledged early: a number counts as written after the write of a buffer that held it, and as synced after a sync
//!   that began when it counted as written.
//! - No waiter is forgotten: whoever sleeps does so because another has a turn; that one ends its turn under the lock and wakes
//!   all if anybody sleeps; each then finds itself durable, or takes a turn. `loom` checks this.
//! - A write is visible to reads when it is in the log's buffer, before it is durable; what an acknowledged write has seen is
//!   durable with it, by the order. A failed write or sync poisons: nothing is accepted until a new open has
//!   found out what the disk holds, and reads go back to what was acknowledged.
//!
//! # Bounds
//! The buffer holds at most `log_buffer_bytes` and one batch of each waiting writer: over it, buffered writers wait too.
#![forbid(unsafe_code)]

#[cfg(all(test, loom))]
mod loom;
mod turns;

use super::batch::{Action, Write, Writes};
use super::entry::Kind;
use super::error::{Error, Result};
use super::keyspace::KeyspaceId;
use super::memtable::Memtable;
use super::options::WriteLevel;
use super::shared::Shared;
use super::version::View;
use super::visible::Visible;
use super::wal::ActiveLog;
use super::watch::Operation;
use crate::platform::{ClockId, Durability, Files, Instant, MutexGuard};
use crate::sync::atomic::AtomicU32;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use turns::{Step, Turns};

/// How far ahead of their rate writes may be before one of them sleeps: less, and the sleep would be mostly its own cost.
const AHEAD_MAX: Duration = Duration::from_millis(1);
/// Longest sleep of a write before it looks again.
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// Why no write is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    ReadOnly,
    Poisoned,
    Closed,
}

/// What the commit lock guards.
#[derive(Debug)]
pub(super) struct Commit<P: Files> {
    pub(super) log: ActiveLog<P>,
    /// The active ones, by ascending number of their keyspaces.
    pub(super) memtables: Vec<(KeyspaceId, Arc<Memtable>)>,
    /// The last write's number.
    pub(super) sequence: u64,
    /// The last one's that was acknowledged, or that is durable; and of those that reads see.
    acknowledged: u64,
    pub(super) visible: Arc<Visible<P>>,
    turns: Turns,
    /// Threads that sleep on `committed`: nobody is woken when nobody sleeps.
    sleeping: usize,
    /// When what was written is within the rate that writes may have, while there is one.
    due: Option<Instant>,
    /// Maintenance was asked for, and the memtables have been full since.
    asked: bool,
    pub(super) refusal: Option<Refusal>,
    /// Calls of `ingest` that go on: they make files, so the directory is not given free before they end.
    pub(super) ingesting: usize,
    pub(super) counts: Counts,
}

/// What happened since the database was opened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) batches: u64,
    pub(super) batch_bytes: u64,
    pub(super) slowed: u64,
    pub(super) stopped: u64,
    pub(super) log_writes: u64,
    pub(super) log_syncs: u64,
}

pub(super) type Guard<'a, P> = MutexGuard<'a, Commit<P>, P>;

impl<P: Files> Commit<P> {
    /// All up to `sequence` is in tables.
    pub(super) fn new(
        log: ActiveLog<P>,
        memtables: Vec<(KeyspaceId, Arc<Memtable>)>,
        sequence: u64,
        platform: P,
    ) -> Self {
        Self {
            log,
            memtables,
            sequence,
            acknowledged: sequence,
            visible: Arc::new(Visible::new(sequence, platform)),
            turns: Turns::new(sequence),
            sleeping: 0,
            due: None,
            asked: false,
            refusal: None,
            ingesting: 0,
            counts: Counts::default(),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        match self.refusal {
            None => Ok(()),
            Some(Refusal::ReadOnly) => Err(Error::ReadOnly),
            Some(Refusal::Poisoned) => Err(Error::Poisoned),
            Some(Refusal::Closed) => Err(Error::Closed),
        }
    }

    /// Refuses writes from here on, and hides from reads those that nobody was told are safe.
    pub(super) fn poison(&mut self) {
        if self.refusal.is_none() {
            self.refusal = Some(Refusal::Poisoned);
            self.visible.set(self.acknowledged);
        }
    }

    /// Somebody is told that all up to `sequence` is as safe as was asked.
    fn acknowledge(&mut self, sequence: u64) {
        self.acknowledged = self.acknowledged.max(sequence);
        // A write may have become safe right before another's sync failed.
        if self.refusal == Some(Refusal::Poisoned) {
            self.visible.set(self.acknowledged);
        }
    }

    pub(super) fn memtable(&self, keyspace: KeyspaceId) -> Option<&Arc<Memtable>> {
        let found = self.memtables.iter().find(|(id, _)| *id == keyspace);
        found.map(|(_, memtable)| memtable)
    }

    /// Memory of the memtables.
    fn weight(&self) -> usize {
        let weights = self.memtables.iter().map(|(_, table)| table.weight());
        weights.fold(0, usize::saturating_add)
    }

    /// Whether all writes of a batch can be applied.
    fn check_batch(&self, batch: &Writes<'_>, has_operator: bool) -> Result<()> {
        for write in batch.iter() {
            self.memtable(write.keyspace).ok_or(Error::NoKeyspace)?;
            if write.action == Action::Set(Kind::Merge) && !has_operator {
                return Err(Error::Invalid(
                    "a merge needs the option merge_operator; open the database with one",
                ));
            }
        }
        Ok(())
    }

    /// The log goes on in `log`, and everything so far is as durable as can be.
    pub(super) fn replace_log(&mut self, log: ActiveLog<P>) {
        self.log = log;
        self.turns.settle(self.sequence);
        self.acknowledge(self.sequence);
    }
}

/// Inserts a write of a batch. One to a keyspace that is not there is left out.
pub(super) fn apply(memtables: &[(KeyspaceId, Arc<Memtable>)], write: &Write<'_>, sequence: u64) {
    let found = memtables.iter().find(|(id, _)| *id == write.keyspace);
    let Some((_, memtable)) = found else {
        return;
    };
    match write.action {
        Action::Set(kind) => memtable.insert(write.key, sequence, kind, write.value),
        Action::RemoveRange => memtable.insert_range(write.key, write.value, sequence),
    }
}

fn durability(level: WriteLevel) -> Durability {
    match level {
        WriteLevel::Full => Durability::Full,
        _ => Durability::Data,
    }
}

impl<P: Files> Shared<P> {
    /// Applies a batch, and returns when it is durable at `level`.
    pub(super) fn write(&self, batch: Writes<'_>, level: WriteLevel) -> Result<()> {
        let always = None::<fn(&View<P>, u64) -> Result<bool>>;
        self.write_if(batch, level, always).map(|_| ())
    }

    /// As [`write`](Self::write), if `condition` says so of the database right before it: nothing else is written in between.
    pub(super) fn write_if(
        &self,
        batch: Writes<'_>,
        level: WriteLevel,
        condition: Option<impl FnOnce(&View<P>, u64) -> Result<bool>>,
    ) -> Result<bool> {
        let begun = self.begin();
        let done = self.write_timed(&batch, level, condition)?;
        let key = || batch.iter().next().map_or(&[][..], |write| write.key);
        self.end(Operation::Write, begun, begun.map_or(&[], |_| key()));
        Ok(done)
    }

    fn write_timed(
        &self,
        batch: &Writes<'_>,
        level: WriteLevel,
        condition: Option<impl FnOnce(&View<P>, u64) -> Result<bool>>,
    ) -> Result<bool> {
        let mut commit = self.lock_with_room()?;
        if batch.special {
            commit.check_batch(batch, self.options.merge_operator.is_some())?;
        }
        if let Some(condition) = condition {
            let view = self.reads.lock().view.clone();
            if !condition(&view, commit.sequence)? {
                return Ok(false);
            }
        }
        let sequence = commit.sequence;
        if batch.count == 0 {
            return self.persist(commit, sequence, level).1.map(|()| true);
        }
        let first = commit.sequence + 1;
        let Commit { log, memtables, .. } = &mut *commit;
        log.writer
            .push_batch(&mut log.buffer, first, batch.count, batch.pieces);
        for (sequence, write) in (first..).zip(batch.iter()) {
            apply(memtables, &write, sequence);
        }
        let bytes = batch.bytes() as u64;
        commit.sequence += u64::from(batch.count);
        commit.counts.batches += 1;
        commit.counts.batch_bytes += bytes;
        self.visible.set(commit.sequence);
        let rate = self.rate_with(commit.weight()) as u64;
        let takes_ns = bytes.saturating_mul(1_000_000_000).checked_div(rate);
        commit.due = takes_ns.map(|ns| {
            let now = self.now();
            let due = commit.due.map_or(now, |due| due.max(now));
            due.saturating_add(Duration::from_nanos(ns))
        });
        let sequence = commit.sequence;
        if level == WriteLevel::Buffered && commit.log.buffer.len() < self.options.log_buffer_bytes
        {
            commit.acknowledge(sequence);
            return Ok(true);
        }
        let level = level.max(WriteLevel::Os);
        self.persist(commit, sequence, level).1.map(|()| true)
    }

    /// Makes everything written before durable at `level`.
    pub(super) fn sync(&self, level: WriteLevel) -> Result<()> {
        let commit = self.commit.lock();
        let sequence = commit.sequence;
        self.persist(commit, sequence, level).1
    }

    /// The commit lock, when the memtables have room.
    fn lock_with_room(&self) -> Result<Guard<'_, P>> {
        let mut waits = None;
        let found = self.wait_for_room(&mut waits);
        if let Some(begun) = waits {
            // Not with the lock that others wait for.
            drop(found?);
            self.stalled(begun);
            return self.wait_for_room(&mut waits);
        }
        found
    }

    /// As [`lock_with_room`](Self::lock_with_room), and says since when there was none.
    fn wait_for_room(&self, waits: &mut Option<Instant>) -> Result<Guard<'_, P>> {
        loop {
            let mut commit = self.commit.lock();
            commit.check()?;
            let weight = commit.weight();
            if let Some(due) = commit.due {
                let now = self.now();
                let ahead = due.saturating_duration_since(now);
                if ahead >= AHEAD_MAX && self.rate_with(weight) > 0 {
                    commit.counts.slowed += 1;
                    drop(commit);
                    waits.get_or_insert(now);
                    // There may be no rate any more, long before what is due.
                    self.pause(ahead.min(PAUSE_MAX));
                    continue;
                }
            }
            // Also a drop of a keyspace makes room: only a memtable that is full now was asked for.
            let full = weight >= self.options.memtable_bytes;
            if full && !commit.asked {
                self.ask_keeper();
            }
            commit.asked = full;
            if weight < self.memtable_bytes_max() {
                return Ok(commit);
            }
            if self.leaves_to_keeper() {
                commit.counts.stopped += 1;
                self.ask_keeper();
                waits.get_or_insert_with(|| self.now());
                drop(self.sleep(commit));
                continue;
            }
            drop(commit);
            waits.get_or_insert_with(|| self.now());
            self.make_room()?;
        }
    }

    /// Sleeps.
    pub(super) fn pause(&self, duration: Duration) {
        let platform = &self.directory.platform;
        let until = platform.now(ClockId::Monotonic).saturating_add(duration);
        let nobody = AtomicU32::new(0);
        while platform.now(ClockId::Monotonic) < until {
            platform.wait(&nobody, 0, Some(until));
        }
    }

    /// Waits until `sequence` is durable at `level`, writing and syncing when it is this thread's turn.
    pub(super) fn persist<'a>(
        &'a self,
        mut commit: Guard<'a, P>,
        sequence: u64,
        level: WriteLevel,
    ) -> (Guard<'a, P>, Result<()>) {
        loop {
            if commit.turns.is_durable(level, sequence) {
                commit.acknowledge(sequence);
                return (commit, Ok(()));
            }
            if let Err(error) = commit.check() {
                return (commit, Err(error));
            }
            let gathered = commit.log.buffer.len();
            let result;
            (commit, result) = match commit.turns.next(level, sequence, gathered) {
                Step::Done => continue,
                Step::Wait => (self.sleep(commit), Ok(())),
                Step::Write => self.write_group(commit, level >= WriteLevel::Data),
                Step::Sync(level, upto) => self.sync_group(commit, level, upto),
            };
            if result.is_err() && !commit.turns.is_durable(level, sequence) {
                return (commit, result);
            }
        }
    }

    /// Waits until somebody's turn ends.
    pub(super) fn sleep<'a>(&'a self, mut commit: Guard<'a, P>) -> Guard<'a, P> {
        commit.sleeping += 1;
        let mut commit = self.committed.wait(commit);
        commit.sleeping -= 1;
        commit
    }

    /// Wakes all who sleep.
    pub(super) fn wake_sleepers(&self, commit: &Guard<'_, P>) {
        if commit.sleeping > 0 {
            self.committed.notify_all();
        }
    }

    /// Sends the buffer to the file without holding the lock. Only for the holder of the writer's turn.
    fn write_group<'a>(
        &'a self,
        mut commit: Guard<'a, P>,
        to_be_synced: bool,
    ) -> (Guard<'a, P>, Result<()>) {
        let step_bytes_max = if to_be_synced {
            self.options.log_preallocate_bytes
        } else {
            0
        };
        let outgoing = commit.log.take(step_bytes_max);
        let sequence = commit.sequence;
        commit.counts.log_writes += u64::from(!outgoing.bytes.is_empty());
        drop(commit);
        let result = outgoing.write(&self.directory);
        let mut commit = self.commit.lock();
        if result.is_ok() {
            commit
                .log
                .wrote(outgoing, self.options.log_buffer_bytes * 2);
            commit.turns.wrote(Some(sequence));
        } else {
            commit.turns.wrote(None);
            commit.poison();
        }
        self.wake_sleepers(&commit);
        (commit, result)
    }

    /// Makes durable what is written, without holding the lock. Only for the holder of the syncer's turn.
    fn sync_group<'a>(
        &'a self,
        mut commit: Guard<'a, P>,
        level: WriteLevel,
        upto: u64,
    ) -> (Guard<'a, P>, Result<()>) {
        let (name, file, offset) = commit.log.written_part();
        commit.counts.log_syncs += 1;
        drop(commit);
        let begun = self.now();
        let result = self.directory.sync(name, &file, durability(level));
        drop(file);
        let mut commit = self.commit.lock();
        if result.is_ok() {
            commit.log.synced(offset);
            commit.turns.synced(level, Some(upto));
        } else {
            commit.turns.synced(level, None);
            commit.poison();
        }
        self.wake_sleepers(&commit);
        // Not before the turn has ended: the program's hook may panic.
        drop(commit);
        self.end(Operation::Sync, Some(begun), &[]);
        let mut commit = self.commit.lock();
        // Says so in the log at once, unless somebody waits for a sync, who says it with its own bytes. That the mark could
        // not be written is the next writer's trouble, not of those whose writes are durable.
        if result.is_ok() && commit.turns.is_idle() && commit.check().is_ok() {
            commit.turns.take_write();
            return self.write_group(commit, true);
        }
        (commit, result)
    }

    /// As [`lock_quiet`](Self::lock_quiet), with all that was written before on the medium.
    pub(super) fn lock_durable(&self) -> Result<Guard<'_, P>> {
        let mut commit = self.lock_quiet();
        commit.check()?;
        let outgoing = commit.log.take(0);
        let written = outgoing.write_and_sync(&self.directory);
        match written {
            Ok(()) => {
                commit
                    .log
                    .wrote(outgoing, self.options.log_buffer_bytes * 2);
                let written = commit.log.written();
                commit.log.synced(written);
                commit.counts.log_writes += 1;
                commit.counts.log_syncs += 1;
                let sequence = commit.sequence;
                commit.turns.settle(sequence);
                commit.acknowledge(sequence);
            }
            Err(_) => commit.poison(),
        }
        self.wake_sleepers(&commit);
        written.map(|()| commit)
    }

    /// The commit lock at a moment when nobody has a turn, so that its holder may write to the log.
    pub(super) fn lock_quiet(&self) -> Guard<'_, P> {
        let mut commit = self.commit.lock();
        while !commit.turns.is_quiet() {
            commit = self.sleep(commit);
        }
        commit
    }
}
