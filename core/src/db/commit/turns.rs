//! Who writes the log next, who syncs it, and what is durable: the commit protocol without any I/O.
//!
//! Two turns exist, the writer's and the syncer's, and each is held by at most one thread. They overlap: while the last group is
//! being synced, the next one may be written. The state is guarded by the commit lock; [`next`](Turns::next) says what a thread that
//! waits for its writes has to do, and the other calls note what it did.
//!
//! ```text
//!            not written, nobody writes               written, nobody syncs
//!  waiting ------------------------------> [write] -> waiting ----------------> [sync] -> durable
//!      ^   somebody else has the turn: wait, until whoever has it ends and wakes all
//!      +--------------------------------------------------------------------------+
//! ```
//! - A group is what gathered in the buffer while nobody could write. While a sync goes on, a small buffer is left to gather
//!   ([`PIPELINE_BYTES`]): a write per record would cost more than the overlap gives.
//! - A sync covers what was written before it began: that number is taken under the lock when the turn is.
#![forbid(unsafe_code)]

use crate::db::options::WriteLevel;

/// Bytes in the buffer that are worth a write of their own while a sync goes on.
pub(super) const PIPELINE_BYTES: usize = 64 << 10;

/// What a thread that waits for durability does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Its writes are as durable as it asked.
    Done,
    /// Sleep until somebody's turn ends.
    Wait,
    /// Take the buffer and write it.
    Write,
    /// Sync at the level, up to the number.
    Sync(WriteLevel, u64),
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Turns {
    /// The last numbers that are durable at each level; each at least the next stronger one's.
    os: u64,
    data: u64,
    full: u64,
    /// The strongest level that a waiter asked for since the last sync began.
    wanted: WriteLevel,
    writing: bool,
    syncing: bool,
}

impl Turns {
    /// All up to `sequence` is as durable as can be.
    pub(super) const fn new(sequence: u64) -> Self {
        Self {
            os: sequence,
            data: sequence,
            full: sequence,
            wanted: WriteLevel::Buffered,
            writing: false,
            syncing: false,
        }
    }

    /// Whether all up to `sequence` is durable at `level`.
    pub(super) const fn is_durable(&self, level: WriteLevel, sequence: u64) -> bool {
        sequence
            <= match level {
                WriteLevel::Buffered => u64::MAX,
                WriteLevel::Os => self.os,
                WriteLevel::Data => self.data,
                WriteLevel::Full => self.full,
            }
    }

    /// Nobody writes or syncs.
    pub(super) const fn is_quiet(&self) -> bool {
        !self.writing && !self.syncing
    }

    /// Nobody waits for a sync, so the mark of the last one would otherwise wait for the next write.
    pub(super) fn is_idle(&self) -> bool {
        self.is_quiet() && self.wanted == WriteLevel::Buffered
    }

    /// What a thread that wants `sequence` durable at `level` does; takes the turn that it is given. `gathered` is what the
    /// buffer holds, in bytes.
    pub(super) fn next(&mut self, level: WriteLevel, sequence: u64, gathered: usize) -> Step {
        if self.is_durable(level, sequence) {
            return Step::Done;
        }
        if level >= WriteLevel::Data {
            self.wanted = self.wanted.max(level);
        }
        if self.os < sequence {
            let gathers = self.syncing && gathered < PIPELINE_BYTES;
            if self.writing || (gathers && level >= WriteLevel::Data) {
                return Step::Wait;
            }
            self.writing = true;
            return Step::Write;
        }
        if self.syncing {
            return Step::Wait;
        }
        self.syncing = true;
        let level = core::mem::replace(&mut self.wanted, WriteLevel::Buffered).max(level);
        Step::Sync(level, self.os)
    }

    /// Takes the writer's turn outside the protocol, for the mark after a sync. Only if [`is_quiet`](Self::is_quiet).
    pub(super) const fn take_write(&mut self) {
        self.writing = true;
    }

    /// The writer's turn ends; all up to `sequence` is in the file, if it went well.
    pub(super) const fn wrote(&mut self, sequence: Option<u64>) {
        self.writing = false;
        if let Some(sequence) = sequence {
            self.os = sequence;
        }
    }

    /// The syncer's turn ends; all up to `sequence` is on the medium at `level`, if it went well.
    pub(super) fn synced(&mut self, level: WriteLevel, sequence: Option<u64>) {
        self.syncing = false;
        if let Some(sequence) = sequence {
            self.data = self.data.max(sequence);
            if level >= WriteLevel::Full {
                self.full = self.full.max(sequence);
            }
        }
    }

    /// All up to `sequence` is as durable as can be: in tables, or in a log that was sealed and synced.
    pub(super) const fn settle(&mut self, sequence: u64) {
        self.os = sequence;
        self.data = sequence;
        self.full = sequence;
    }
}
