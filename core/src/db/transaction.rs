//! Transactions: reads and writes that take effect as if nothing else had happened in between.
//!
//! A transaction reads from a snapshot and keeps its writes aside. When it commits, the commit lock is held while every key that it
//! read is read again: if all have the values that it saw, its writes go to the log as one batch, else it is refused and changes
//! nothing. Ranges that it walked are walked again, so that no key may appear in them either. So committed transactions are
//! serialisable, in the order of their commits. If the database is the one of the snapshot still, nothing is read again.
//!
//! A *locking* transaction also takes a lock on each key that it writes or reads for update, and keeps it to its end: others of its
//! kind wait for it, instead of finding out at their commits. Plain writes ask for no locks; if one changes a key that a transaction
//! has read, the commit is refused as ever. Two that wait for each other's locks are told apart by their time running out.
//!
//! # Bounds
//! What it read and wrote is in memory; its writes must fit one batch.
#![forbid(unsafe_code)]

use super::Db;
use super::batch::Batch;
use super::error::{Error, Result};
use super::iter::Scan;
use super::keyspace::KeyspaceId;
use super::options::WriteLevel;
use super::read;
use super::snapshot::Snapshot;
use super::version::View;
use crate::platform::{ClockId, Files};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Bound;
use core::time::Duration;

/// A keyspace and a key in it.
pub(super) type LockName = (KeyspaceId, Vec<u8>);

type Range = (KeyspaceId, Bound<Vec<u8>>, Bound<Vec<u8>>);

/// A transaction. Dropped without [`commit`](Self::commit), it has done nothing.
pub struct Transaction<P: Files> {
    db: Db<P>,
    snapshot: Snapshot<P>,
    keyspace: KeyspaceId,
    /// By key, the value that it gets; none: it is removed.
    writes: BTreeMap<LockName, Option<Vec<u8>>>,
    /// What the writes replaced, for savepoints: the outer none is no write.
    undo: Vec<(LockName, Option<Option<Vec<u8>>>)>,
    savepoints: Vec<usize>,
    /// By key, what was read.
    reads: BTreeMap<LockName, Option<Vec<u8>>>,
    ranges: Vec<Range>,
    /// How long to wait for a lock; none: it takes no locks.
    lock_timeout: Option<Duration>,
    locks: BTreeSet<LockName>,
}

impl<P: Files> fmt::Debug for Transaction<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("sequence", &self.snapshot.sequence)
            .field("writes", &self.writes.len())
            .field("reads", &self.reads.len())
            .field("locks", &self.locks.len())
            .finish_non_exhaustive()
    }
}

impl<P: Files> Transaction<P> {
    pub(super) fn new(db: &Db<P>, lock_timeout: Option<Duration>) -> Result<Self> {
        Ok(Self {
            snapshot: db.snapshot()?,
            db: db.clone(),
            keyspace: KeyspaceId::DEFAULT,
            writes: BTreeMap::new(),
            undo: Vec::new(),
            savepoints: Vec::new(),
            reads: BTreeMap::new(),
            ranges: Vec::new(),
            lock_timeout,
            locks: BTreeSet::new(),
        })
    }

    /// Turns to another keyspace for what follows; at first it is the default one.
    pub const fn select(&mut self, keyspace: KeyspaceId) -> &mut Self {
        self.keyspace = keyspace;
        self
    }

    /// The value of `key`: as the transaction wrote it, or as it was when the transaction began.
    ///
    /// # Errors
    /// As [`Snapshot::get_in`].
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let name = (self.keyspace, key.to_vec());
        if let Some(value) = self.writes.get(&name).or_else(|| self.reads.get(&name)) {
            return Ok(value.clone());
        }
        let value = self.snapshot.get_in(self.keyspace, key)?;
        self.reads.insert(name, value.clone());
        Ok(value)
    }

    /// As [`get`](Self::get); a locking transaction takes the key's lock first and, if it had not read the key, gets the value as it
    /// is by then.
    ///
    /// # Errors
    /// As `get`, and [`Error::Conflict`] if the lock is not to be had in time.
    pub fn get_for_update(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let name = (self.keyspace, key.to_vec());
        let is_known = self.writes.contains_key(&name) || self.reads.contains_key(&name);
        if self.lock(&name)? && !is_known {
            let value = self
                .db
                .shared
                .get_with(self.keyspace, key, <[u8]>::to_vec)?;
            self.reads.insert(name, value.clone());
            return Ok(value);
        }
        self.get(key)
    }

    /// Gives `key` the value `value` when the transaction commits.
    ///
    /// # Errors
    /// [`Error::Limit`]; as [`get_for_update`](Self::get_for_update) if the transaction is a locking one.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Batch::new().put(key, value)?;
        self.write(key, Some(value.to_vec()))
    }

    /// Removes `key` when the transaction commits.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn remove(&mut self, key: &[u8]) -> Result<()> {
        Batch::new().remove(key)?;
        self.write(key, None)
    }

    fn write(&mut self, key: &[u8], value: Option<Vec<u8>>) -> Result<()> {
        let name = (self.keyspace, key.to_vec());
        self.lock(&name)?;
        let old = self.writes.insert(name.clone(), value);
        if !self.savepoints.is_empty() {
            self.undo.push((name, old));
        }
        Ok(())
    }

    /// Walks the keys from `start` to `end`, the transaction's own writes among them.
    ///
    /// # Errors
    /// As [`Db::scan`].
    pub fn scan(
        &mut self,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
    ) -> Result<TransactionScan<'_, P>> {
        let range = (self.keyspace, start.map(Vec::from), end.map(Vec::from));
        self.ranges.push(range);
        let below = self.snapshot.scan_in(self.keyspace, start, end)?;
        Ok(TransactionScan {
            below: Some(below),
            held: None,
            writes: &self.writes,
            keyspace: self.keyspace,
            from: start.map(Vec::from),
            end: end.map(Vec::from),
        })
    }

    /// Remembers the writes so far, for [`rollback_to_savepoint`](Self::rollback_to_savepoint). They nest.
    pub fn savepoint(&mut self) {
        self.savepoints.push(self.undo.len());
    }

    /// Takes back what was written since the last savepoint, which is then gone. Reads and locks stay. False if there was none.
    pub fn rollback_to_savepoint(&mut self) -> bool {
        let Some(length) = self.savepoints.pop() else {
            return false;
        };
        for (name, old) in self.undo.drain(length..).rev() {
            match old {
                Some(old) => self.writes.insert(name, old),
                None => self.writes.remove(&name),
            };
        }
        true
    }

    /// Applies the writes if everything that was read is still as it was read.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it is not: nothing was written. [`Error::Limit`] for more writes than a batch holds; else as
    /// [`Db::write`].
    pub fn commit(self, level: WriteLevel) -> Result<()> {
        let mut batch = Batch::new();
        for ((keyspace, key), value) in &self.writes {
            batch.select(*keyspace);
            match value {
                Some(value) => batch.put(key, value)?,
                None => batch.remove(key)?,
            }
        }
        let condition = |view: &View<P>, sequence| self.still_holds(view, sequence);
        if batch.is_empty() && self.lock_timeout.is_none() {
            // It has seen one moment, and that was then.
            return Ok(());
        }
        let writes = batch.writes();
        match self.db.shared.write_if(writes, level, Some(condition))? {
            true => Ok(()),
            false => Err(Error::Conflict),
        }
    }

    /// Ends the transaction without a trace.
    pub fn rollback(self) {}

    /// Whether what was read has the same values in a view.
    fn still_holds(&self, view: &View<P>, sequence: u64) -> Result<bool> {
        // A clear and the drop of a keyspace write nothing, but change the view, as a flush does.
        let same_view = core::ptr::eq(view, Arc::as_ptr(&self.snapshot.view));
        if sequence == self.snapshot.sequence && same_view {
            return Ok(true);
        }
        let operator = self.snapshot.operator;
        for ((keyspace, key), value) in &self.reads {
            let same = |now: &[u8]| Some(now) == value.as_deref();
            let found = read::get_with(view.tree(*keyspace)?, sequence, operator, key, same)?;
            if !found.unwrap_or(value.is_none()) {
                return Ok(false);
            }
        }
        for (keyspace, start, end) in &self.ranges {
            let (start, end) = (
                start.as_ref().map(Vec::as_slice),
                end.as_ref().map(Vec::as_slice),
            );
            let mut then = self.snapshot.scan_in(*keyspace, start, end)?;
            let tree = view.tree(*keyspace)?.clone();
            let mut now = Scan::new(tree, sequence, operator, start, end);
            loop {
                match (then.next()?, now.next()?) {
                    (None, None) => break,
                    (then, now) if then == now => {}
                    _ => return Ok(false),
                }
            }
        }
        Ok(true)
    }

    /// Takes a lock, if the transaction is a locking one. False if it takes none or had it.
    fn lock(&mut self, name: &LockName) -> Result<bool> {
        let Some(timeout) = self.lock_timeout else {
            return Ok(false);
        };
        if self.locks.contains(name) {
            return Ok(false);
        }
        let shared = &self.db.shared;
        let platform = &shared.directory.platform;
        let deadline = platform.now(ClockId::Monotonic).saturating_add(timeout);
        let mut held = shared.locks.lock();
        while held.contains(name) {
            if platform.now(ClockId::Monotonic) >= deadline {
                return Err(Error::Conflict);
            }
            (held, _) = shared.unlocked.wait_until(held, Some(deadline));
        }
        held.insert(name.clone());
        drop(held);
        self.locks.insert(name.clone());
        Ok(true)
    }
}

impl<P: Files> Drop for Transaction<P> {
    fn drop(&mut self) {
        if self.locks.is_empty() {
            return;
        }
        let mut held = self.db.shared.locks.lock();
        for name in &self.locks {
            held.remove(name);
        }
        drop(held);
        self.db.shared.unlocked.notify_all();
    }
}

/// Keys and values of a range as a transaction sees them.
#[derive(Debug)]
pub struct TransactionScan<'a, P: Files> {
    below: Option<Scan<P>>,
    /// What the snapshot has next.
    held: Option<(Vec<u8>, Vec<u8>)>,
    writes: &'a BTreeMap<LockName, Option<Vec<u8>>>,
    keyspace: KeyspaceId,
    /// Where the writes go on.
    from: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
}

impl<P: Files> TransactionScan<'_, P> {
    /// The next key and its value, or `None` at the end and ever after.
    ///
    /// # Errors
    /// As [`Scan::next`]; the scan is then over.
    #[expect(clippy::should_implement_trait, reason = "errors first, as in a scan")]
    pub fn next(&mut self) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        loop {
            if self.held.is_none()
                && let Some(below) = &mut self.below
            {
                match below.next() {
                    Ok(Some((key, value))) => self.held = Some((key.to_vec(), value.to_vec())),
                    Ok(None) => self.below = None,
                    Err(error) => {
                        self.below = None;
                        self.end = Bound::Excluded(Vec::new());
                        return Err(error);
                    }
                }
            }
            let written = self.written();
            let (key, value) = match (written, &self.held) {
                (None, _) => return Ok(self.held.take()),
                (Some((key, _)), Some((held, _))) if *held < key => return Ok(self.held.take()),
                (Some(pair), _) => pair,
            };
            if self.held.as_ref().is_some_and(|(held, _)| *held == key) {
                self.held = None;
            }
            self.from = Bound::Excluded(key.clone());
            if let Some(value) = value {
                return Ok(Some((key, value)));
            }
        }
    }

    /// The next write in the range.
    fn written(&self) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let name = |key: &Vec<u8>| (self.keyspace, key.clone());
        let from = match &self.from {
            Bound::Included(key) => Bound::Included(name(key)),
            Bound::Excluded(key) => Bound::Excluded(name(key)),
            Bound::Unbounded => Bound::Included((self.keyspace, Vec::new())),
        };
        let ((keyspace, key), value) = self.writes.range((from, Bound::Unbounded)).next()?;
        let inside = match &self.end {
            Bound::Included(end) => key <= end,
            Bound::Excluded(end) => key < end,
            Bound::Unbounded => true,
        };
        (*keyspace == self.keyspace && inside).then(|| (key.clone(), value.clone()))
    }
}
