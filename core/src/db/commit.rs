//! Group commit: many writers, one append, at most one sync.
//!
//! # Protocol
//! Under the commit lock a writer appends its record to the log's buffer, inserts into the memtable and publishes the new
//! sequence number. If it asked for no more than [`WriteLevel::Buffered`], it is done. Otherwise it waits until its number is
//! durable at its level:
//! ```text
//!                      durable(level) >= mine: done
//!                     +--------------------------------> return
//!  append -> [waiting]|  somebody leads: sleep until notified
//!                     |  nobody leads:   lead
//!                     +--------------------------------> [leading]
//!  [leading]: take the whole buffer and the strongest level that anyone waits for; free the lock;
//!             one write, at most one sync; take the lock; note what is durable; wake all
//! ```
//! While the leader writes and syncs, others append to a fresh buffer: the next leader takes all of them at once.
//!
//! # Why it is right
//! - Order: records enter the buffer in the order of their numbers, one leader at a time takes the buffer whole, and writes go to
//!   the file where the last ended. So the file holds records in order and a prefix of it is a prefix of history.
//! - Nothing is acknowledged early: a leader that took the buffer when the last number was `s` raises `durable` to `s` only
//!   after its write (and sync) succeeded, and everything up to `s` was in that buffer or an earlier one.
//! - No waiter is forgotten: whoever waits has noted its level in `wanted` under the lock; a leader ends by waking all; each then
//!   finds itself durable, or leads.
//! - A write is visible to reads when it is in the log's buffer, before it is durable; what an acknowledged write has seen is
//!   durable with it, by the order. A failed write or sync poisons: nothing is acknowledged until a new open has
//!   found out what the disk holds.
//!
//! # Bounds
//! The buffer holds at most `log_buffer_bytes` and one batch of each waiting writer: over it, buffered writers wait too.
#![forbid(unsafe_code)]

use super::batch::Batch;
use super::error::{Error, Result};
use super::memtable::Memtable;
use super::options::WriteLevel;
use super::shared::Shared;
use super::wal::ActiveLog;
use crate::platform::{Durability, Files, MutexGuard};
use alloc::sync::Arc;

/// Why no write is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Poisoned,
    Closed,
}

/// What the commit lock guards.
#[derive(Debug)]
pub(super) struct Commit<P: Files> {
    pub(super) log: ActiveLog<P>,
    pub(super) memtable: Arc<Memtable>,
    /// The last write's number.
    pub(super) sequence: u64,
    durable: Durable,
    /// The strongest level that a waiter asked for since the last leader began.
    wanted: WriteLevel,
    pub(super) leading: bool,
    pub(super) refusal: Option<Refusal>,
    pub(super) counts: Counts,
}

/// The last numbers that are durable at each level; each at least the next stronger one's.
#[derive(Clone, Copy, Debug)]
struct Durable {
    os: u64,
    data: u64,
    full: u64,
}

/// What happened since the database was opened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) batches: u64,
    pub(super) log_writes: u64,
    pub(super) log_syncs: u64,
}

type Guard<'a, P> = MutexGuard<'a, Commit<P>, P>;

impl<P: Files> Commit<P> {
    /// All up to `sequence` is in tables.
    pub(super) fn new(log: ActiveLog<P>, memtable: Arc<Memtable>, sequence: u64) -> Self {
        Self {
            log,
            memtable,
            sequence,
            durable: Durable {
                os: sequence,
                data: sequence,
                full: sequence,
            },
            wanted: WriteLevel::Buffered,
            leading: false,
            refusal: None,
            counts: Counts::default(),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        match self.refusal {
            None => Ok(()),
            Some(Refusal::Poisoned) => Err(Error::Poisoned),
            Some(Refusal::Closed) => Err(Error::Closed),
        }
    }

    pub(super) fn poison(&mut self) {
        self.refusal.get_or_insert(Refusal::Poisoned);
    }

    fn durable(&self, level: WriteLevel) -> u64 {
        match level {
            WriteLevel::Buffered => self.sequence,
            WriteLevel::Os => self.durable.os,
            WriteLevel::Data => self.durable.data,
            WriteLevel::Full => self.durable.full,
        }
    }

    fn reached(&mut self, level: WriteLevel, sequence: u64) {
        self.durable.os = sequence;
        if level >= WriteLevel::Data {
            self.durable.data = sequence;
        }
        if level >= WriteLevel::Full {
            self.durable.full = sequence;
        }
    }

    /// The log goes on in `log`, and everything so far is as durable as can be.
    pub(super) fn replace_log(&mut self, log: ActiveLog<P>) {
        self.log = log;
        self.reached(WriteLevel::Full, self.sequence);
    }
}

fn durability(level: WriteLevel) -> Option<Durability> {
    match level {
        WriteLevel::Buffered | WriteLevel::Os => None,
        WriteLevel::Data => Some(Durability::Data),
        WriteLevel::Full => Some(Durability::Full),
    }
}

impl<P: Files> Shared<P> {
    /// Applies a batch, and returns when it is durable at `level`.
    pub(super) fn write(&self, batch: &Batch, level: WriteLevel) -> Result<()> {
        if batch.is_empty() {
            return self.sync(level);
        }
        let mut commit = self.lock_with_room()?;
        let first = commit.sequence + 1;
        let Commit { log, memtable, .. } = &mut *commit;
        log.writer
            .push_batch(&mut log.buffer, first, batch.len() as u32, batch.as_bytes());
        for (sequence, (key, value)) in (first..).zip(batch.iter()) {
            memtable.insert(key, sequence, value);
        }
        commit.sequence += batch.len() as u64;
        commit.counts.batches += 1;
        self.reads.lock().sequence = commit.sequence;
        if level == WriteLevel::Buffered && commit.log.buffer.len() < self.options.log_buffer_bytes
        {
            return Ok(());
        }
        let sequence = commit.sequence;
        self.persist(commit, sequence, level.max(WriteLevel::Os)).1
    }

    /// Makes everything written before durable at `level`.
    pub(super) fn sync(&self, level: WriteLevel) -> Result<()> {
        let commit = self.commit.lock();
        let sequence = commit.sequence;
        self.persist(commit, sequence, level).1
    }

    /// The commit lock, when the memtable has room.
    fn lock_with_room(&self) -> Result<Guard<'_, P>> {
        loop {
            let commit = self.commit.lock();
            commit.check()?;
            if commit.memtable.bytes() < self.memtable_bytes_max() {
                return Ok(commit);
            }
            drop(commit);
            self.make_room()?;
        }
    }

    /// Waits until `sequence` is durable at `level`, leading when nobody does.
    pub(super) fn persist<'a>(
        &'a self,
        mut commit: Guard<'a, P>,
        sequence: u64,
        level: WriteLevel,
    ) -> (Guard<'a, P>, Result<()>) {
        loop {
            if commit.durable(level) >= sequence {
                return (commit, Ok(()));
            }
            if let Err(error) = commit.check() {
                return (commit, Err(error));
            }
            commit.wanted = commit.wanted.max(level);
            if commit.leading {
                commit = self.committed.wait(commit);
                continue;
            }
            let result;
            (commit, result) = self.lead(commit);
            if result.is_err() {
                return (commit, result);
            }
        }
    }

    /// Writes and syncs for all who wait.
    fn lead<'a>(&'a self, mut commit: Guard<'a, P>) -> (Guard<'a, P>, Result<()>) {
        commit.leading = true;
        let level =
            core::mem::replace(&mut commit.wanted, WriteLevel::Buffered).max(WriteLevel::Os);
        let sequence = commit.sequence;
        let mut result;
        (commit, result) = self.send(commit, level);
        if result.is_ok() {
            commit.reached(level, sequence);
            // Says so in the log at once, unless somebody waits, whose leader says it with its own bytes. That the mark could
            // not be written is the next writer's trouble, not of those whose writes are durable.
            if level >= WriteLevel::Data && commit.wanted == WriteLevel::Buffered {
                self.committed.notify_all();
                (commit, result) = self.send(commit, WriteLevel::Os);
            }
        }
        commit.leading = false;
        self.committed.notify_all();
        let result = if commit.durable(level) >= sequence {
            Ok(())
        } else {
            result
        };
        (commit, result)
    }

    /// Sends the buffer to the file without holding the lock. Only for the leader, which keeps others from doing the same.
    fn send<'a>(
        &'a self,
        mut commit: Guard<'a, P>,
        level: WriteLevel,
    ) -> (Guard<'a, P>, Result<()>) {
        let outgoing = commit.log.take();
        commit.counts.log_writes += u64::from(!outgoing.bytes.is_empty());
        commit.counts.log_syncs += u64::from(durability(level).is_some());
        drop(commit);
        let result = outgoing.send(&self.directory, durability(level));
        let mut commit = self.commit.lock();
        match result {
            Ok(()) => {
                let synced = durability(level).is_some();
                commit
                    .log
                    .sent(outgoing, synced, self.options.log_buffer_bytes * 2);
            }
            Err(_) => commit.poison(),
        }
        (commit, result)
    }

    /// The commit lock at a moment when nobody leads, so that its holder may write to the log.
    pub(super) fn lock_quiet(&self) -> Guard<'_, P> {
        let mut commit = self.commit.lock();
        while commit.leading {
            commit = self.committed.wait(commit);
        }
        commit
    }
}
