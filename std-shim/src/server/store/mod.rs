//! The keyspace that the commands work on: values with a type and an expiry over the ordered database.
//!
//! Every write goes to the database at once and unsynced ([`WriteLevel::Buffered`]), so that later commands see it; the event
//! loop syncs once for all commands of a tick before any of their replies leaves. Between
//! [`begin`](Store::begin) and [`commit`](Store::commit) writes are kept aside and go to the log as one
//! batch, which a crash keeps whole or not at all.
//!
//! # Expiry
//!
//! A value whose time has come is treated as absent by every read; a sweep beside the event loop finds it later and the loop removes it
//! from disk, a few hundred keys at a time. It rests while the keyspace holds no value that expires.
//!
//! # Invariants
//!
//! I1: `changes` grows with every write, so that a count taken at one value of it is still right.
//! I2: whoever watches a key is told before the write that changes it returns.
#![forbid(unsafe_code)]

mod count;
mod cursor;
mod glob;
mod rows;
mod sweep;
mod value;
mod watch;

pub use glob::matches;
pub(crate) use sweep::Sweeps;
pub use value::Value;

use core::ops::{Bound, ControlFlow};
use count::Count;
use cursor::Cursors;
use rows::Rows;
use std::collections::BTreeMap;
use sweep::{Sweep, Walked};
use underpin_core::db::{
    self, BATCH_BYTES_MAX, Batch, Db, KEY_BYTES_MAX, VALUE_BYTES_MAX, WriteLevel,
};
use underpin_core::platform::Files;
use watch::Watchers;

/// Longest string: a database value without the header and the expiry.
pub const STRING_BYTES_MAX: usize = VALUE_BYTES_MAX - 9;

/// Why the keyspace could not answer.
#[derive(Clone, Debug)]
pub enum Error {
    /// The database's own error.
    Database(db::Error),
    /// A value that this server did not write.
    Foreign,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Database(error) => error.fmt(f),
            Self::Foreign => {
                f.write_str("the value was not written by this server; read it with `underpin kv`")
            }
        }
    }
}

impl core::error::Error for Error {}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        Self::Database(error)
    }
}

/// Result of a keyspace call.
pub type Result<T> = core::result::Result<T, Error>;

/// What `INFO` tells about the keyspace.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) expired: u64,
}

/// A count of live keys, right while nothing was written and nothing expired.
#[derive(Clone, Copy, Debug)]
struct Size {
    keys: usize,
    changes: u64,
    until_ms: u64,
}

/// By key, the stored value, or `None` for a removal.
type Writes = BTreeMap<Box<[u8]>, Option<Box<[u8]>>>;

/// Writes of a transaction, which are to fit one batch.
#[derive(Debug, Default)]
struct Kept {
    writes: Writes,
    bytes: usize,
    /// The transaction removed all keys before these writes.
    cleared: bool,
}

impl Kept {
    /// At least what a write takes in a batch beside its key and value.
    const WRITE_BYTES: usize = 24;

    fn bytes_of(key: &[u8], stored: Option<&[u8]>) -> usize {
        key.len() + stored.map_or(0, <[u8]>::len) + Self::WRITE_BYTES
    }

    fn check_bytes(bytes: usize) -> Result<()> {
        if bytes <= BATCH_BYTES_MAX {
            return Ok(());
        }
        Err(Error::Database(db::Error::Limit {
            what: "transaction",
            found: bytes as u64,
            max: BATCH_BYTES_MAX as u64,
        }))
    }

    /// Keeps a value, if there is room: a short command may make a long value, so the request's own length is no bound.
    fn put(&mut self, key: &[u8], stored: &[u8]) -> Result<()> {
        let old = self.writes.get(key);
        let old = old.map_or(0, |old| Self::bytes_of(key, old.as_deref()));
        let bytes = self.bytes - old + Self::bytes_of(key, Some(stored));
        Self::check_bytes(bytes)?;
        self.bytes = bytes;
        self.writes.insert(key.into(), Some(stored.into()));
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) {
        self.bytes += Self::bytes_of(key, None);
        if let Some(old) = self.writes.insert(key.into(), None) {
            self.bytes -= Self::bytes_of(key, old.as_deref());
        }
    }
}

/// The keyspace. See the [module](self).
#[derive(Debug)]
pub struct Store<P: Files> {
    db: Db<P>,
    now_ms: u64,
    batch: Batch,
    stored: Vec<u8>,
    /// Writes of the transaction that is being executed.
    transaction: Option<Kept>,
    changes: u64,
    unsynced: bool,
    size: Option<Size>,
    count: Option<Count<P>>,
    sweep: Sweep,
    rows: Rows,
    pub(crate) watchers: Watchers,
    pub(crate) cursors: Cursors,
    pub(crate) counters: Counters,
}

impl<P: Files> Store<P> {
    /// The keyspace in `db`, with at most `rows_bytes_max` of memory for values that were read lately; `seed` is for hashes.
    pub fn new(db: Db<P>, rows_bytes_max: usize, seed: u64) -> Self {
        Self {
            db,
            now_ms: 0,
            batch: Batch::new(),
            stored: Vec::new(),
            transaction: None,
            changes: 0,
            unsynced: false,
            size: None,
            count: None,
            sweep: Sweep::default(),
            rows: Rows::new(rows_bytes_max, seed),
            watchers: Watchers::default(),
            cursors: Cursors::default(),
            counters: Counters::default(),
        }
    }

    /// The database under it.
    pub fn db(&self) -> &Db<P> {
        &self.db
    }

    /// Gives the database back.
    pub fn into_db(self) -> Db<P> {
        self.db
    }

    /// Sets the time of day, in milliseconds since 1970, for what follows.
    pub fn set_now(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// The time of day that expiry goes by.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Writes so far; also counts those that changed nothing.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether something was written since the last call.
    pub fn take_unsynced(&mut self) -> bool {
        core::mem::take(&mut self.unsynced)
    }

    /// Hands the live value of `key` to `read`.
    pub fn read<R>(&mut self, key: &[u8], read: impl FnOnce(Option<Value<'_>>) -> R) -> Result<R> {
        let now_ms = self.now_ms;
        let live = |stored: &[u8]| -> Result<bool> {
            let value = Value::decode(stored).ok_or(Error::Foreign)?;
            Ok(!value.is_expired(now_ms))
        };
        let kept = self.transaction.as_ref();
        let cleared = kept.is_some_and(|kept| kept.cleared);
        let kept = kept.and_then(|kept| kept.writes.get(key));
        let mut read = Some(read);
        let mut answer = |value: Option<Value<'_>>| read.take().map(|read| read(value));
        let mut found = None;
        match kept {
            Some(Some(stored)) => {
                if live(stored)? {
                    found = answer(Value::decode(stored));
                }
            }
            Some(None) => {}
            // A key that cannot be stored is not there, nor is one that the transaction removed with all others.
            None if key.len() > KEY_BYTES_MAX || cleared => {}
            None => {
                let hash = self.rows.hash(key);
                if let Some(stored) = self.rows.get(hash, key) {
                    if live(stored)? {
                        found = answer(Value::decode(stored));
                    }
                } else {
                    let rows = &mut self.rows;
                    let result = self.db.get_with(key, |stored| {
                        let live = live(stored)?;
                        rows.insert(hash, key, stored);
                        Ok::<_, Error>(live.then(|| answer(Value::decode(stored))))
                    })?;
                    if let Some(Some(answered)) = result.transpose()? {
                        found = answered;
                    }
                }
            }
        }
        if let Some(found) = found {
            self.counters.hits += 1;
            return Ok(found);
        }
        self.counters.misses += 1;
        match answer(None) {
            Some(answered) => Ok(answered),
            None => Err(Error::Foreign),
        }
    }

    /// A copy of the live value and its expiry.
    pub fn copy(&mut self, key: &[u8]) -> Result<Option<(Vec<u8>, Option<u64>)>> {
        self.read(key, |value| {
            value.map(|value| (value.bytes.to_vec(), value.expires_ms))
        })
    }

    /// Whether `key` has a live value.
    pub fn exists(&mut self, key: &[u8]) -> Result<bool> {
        self.read(key, |value| value.is_some())
    }

    /// Gives `key` a value.
    pub fn put(&mut self, key: &[u8], value: Value<'_>) -> Result<()> {
        value.encode(&mut self.stored);
        if value.expires_ms.is_some() {
            self.sweep.wake();
        }
        match &mut self.transaction {
            Some(kept) => {
                check_key(key)?;
                kept.put(key, &self.stored)?;
            }
            None => {
                self.batch.clear();
                self.batch.put(key, &self.stored)?;
                self.write_batch()?;
                self.rows.update(key, &self.stored);
            }
        }
        self.trim();
        self.changed(key);
        Ok(())
    }

    /// Writes the batch as it is.
    fn write_batch(&mut self) -> Result<()> {
        let result = self.db.write(&self.batch, WriteLevel::Buffered);
        if result.is_err() {
            // Reads of the database may or may not see it now. If they do, the tick's sync fails, and nobody is told of it.
            self.rows.clear();
            self.wrote();
        }
        Ok(result?)
    }

    /// Memory of the values that were read lately, in bytes.
    #[must_use]
    pub fn cached_bytes(&self) -> usize {
        self.rows.bytes()
    }

    /// Forgets the values that were read lately.
    pub fn drop_cached(&mut self) {
        self.rows.clear();
    }

    /// Gives several keys values that stay, in one batch: after a crash all of them are there or none.
    pub fn put_all<'a>(
        &mut self,
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) -> Result<()> {
        if let Some(kept) = &self.transaction {
            // All or none, as without a transaction; what these replace is counted with them.
            let mut bytes = kept.bytes;
            for (key, value) in pairs.clone() {
                check_key(key)?;
                // A value that stays has a header of one byte.
                bytes += Kept::bytes_of(key, Some(value)) + 1;
            }
            Kept::check_bytes(bytes)?;
            return pairs
                .into_iter()
                .try_for_each(|(key, bytes)| self.put(key, Value::new(bytes)));
        }
        self.batch.clear();
        for (key, bytes) in pairs.clone() {
            Value::new(bytes).encode(&mut self.stored);
            self.batch.put(key, &self.stored)?;
        }
        self.write_batch()?;
        for (key, bytes) in pairs {
            Value::new(bytes).encode(&mut self.stored);
            self.rows.update(key, &self.stored);
            self.changed(key);
        }
        self.trim();
        Ok(())
    }

    /// Removes `key`, which need not be there.
    pub fn remove(&mut self, key: &[u8]) -> Result<()> {
        if key.len() > KEY_BYTES_MAX {
            return Ok(());
        }
        match &mut self.transaction {
            Some(kept) => kept.remove(key),
            None => self.remove_stored(key)?,
        }
        self.changed(key);
        Ok(())
    }

    fn remove_stored(&mut self, key: &[u8]) -> Result<()> {
        self.batch.clear();
        self.batch.remove(key)?;
        self.write_batch()?;
        self.rows.remove(key);
        Ok(())
    }

    /// Moves `value`, the live value of `from`, to `to`, in one batch.
    pub fn rename(&mut self, from: &[u8], to: &[u8], value: Value<'_>) -> Result<()> {
        if self.transaction.is_some() {
            self.put(to, value)?;
            return self.remove(from);
        }
        value.encode(&mut self.stored);
        if value.expires_ms.is_some() {
            self.sweep.wake();
        }
        self.batch.clear();
        self.batch.put(to, &self.stored)?;
        self.batch.remove(from)?;
        self.write_batch()?;
        self.rows.update(to, &self.stored);
        self.rows.remove(from);
        self.trim();
        self.changed(from);
        self.changed(to);
        Ok(())
    }

    /// Removes every key.
    pub fn clear(&mut self) -> Result<()> {
        // A key that is not there does not change.
        let mut watched: Vec<(Box<[u8]>, bool)> = Vec::new();
        for key in self.watchers.keys() {
            if let Some(is_expired) = self.expiry_of(key)? {
                watched.push((key.into(), is_expired));
            }
        }
        match &mut self.transaction {
            Some(kept) => {
                *kept = Kept {
                    cleared: true,
                    ..Kept::default()
                };
            }
            None => {
                let cleared = self.db.clear();
                self.rows.clear();
                cleared?;
            }
        }
        for (key, is_expired) in watched {
            match is_expired {
                true => self.watchers.touch_expired(&key),
                false => self.watchers.touch(&key),
            }
        }
        self.wrote();
        Ok(())
    }

    /// From now on writes are kept aside until [`commit`](Self::commit).
    pub fn begin(&mut self) {
        self.transaction = Some(Kept::default());
    }

    /// Writes what was kept aside, as one batch. Without [`begin`](Self::begin), nothing happens.
    ///
    /// # Errors
    /// Then none of it was written.
    pub fn commit(&mut self) -> Result<()> {
        let Some(Kept {
            writes, cleared, ..
        }) = self.transaction.take()
        else {
            return Ok(());
        };
        if writes.is_empty() && !cleared {
            return Ok(());
        }
        // A count that was taken within the transaction is right only if it succeeds.
        self.changes += 1;
        self.batch.clear();
        if cleared {
            // In the same batch as the writes after it, because only what is in one batch is kept or lost as one. The range
            // ends before the last key that there can be.
            let last = vec![u8::MAX; KEY_BYTES_MAX];
            self.batch.remove_range(&[], &last)?;
            self.batch.remove(&last)?;
            self.rows.clear();
        }
        if self.batch.is_empty() && writes.is_empty() {
            return Ok(());
        }
        for (key, stored) in &writes {
            match stored {
                Some(stored) => self.batch.put(key, stored)?,
                None => self.batch.remove(key)?,
            }
        }
        let result = self.write_batch();
        for (key, stored) in &writes {
            match stored {
                Some(stored) => self.rows.update(key, stored),
                None => self.rows.remove(key),
            }
        }
        self.trim();
        result
    }

    /// Hands every key after `after` and its value, live or not, to `visit`, in order, until it breaks. Values that this server
    /// did not write are left out.
    pub fn visit(
        &self,
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], Value<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut visit = |key: &[u8], stored: &[u8]| match Value::decode(stored) {
            Some(value) => visit(key, value),
            None => ControlFlow::Continue(()),
        };
        let empty = Writes::new();
        let kept = self.transaction.as_ref();
        // A transaction that removed all keys sees none of the database's.
        let mut scan = match kept {
            Some(kept) if kept.cleared => None,
            _ => Some(self.db.scan(start, Bound::Unbounded)?),
        };
        let writes = kept.map_or(&empty, |kept| &kept.writes);
        let mut kept = writes
            .range::<[u8], _>((start, Bound::Unbounded))
            .peekable();
        while let Some(scan) = &mut scan
            && let Some((key, stored)) = scan.next()?
        {
            let mut shadowed = false;
            while let Some((kept_key, kept_value)) =
                kept.next_if(|(kept_key, _)| ***kept_key <= *key)
            {
                shadowed = **kept_key == *key;
                if let Some(kept_value) = kept_value
                    && visit(kept_key, kept_value).is_break()
                {
                    return Ok(());
                }
            }
            if !shadowed && visit(key, stored).is_break() {
                return Ok(());
            }
        }
        for (kept_key, kept_value) in kept {
            if let Some(kept_value) = kept_value
                && visit(kept_key, kept_value).is_break()
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// How many live keys there are, if that is known.
    #[must_use]
    pub fn known_count(&self) -> Option<usize> {
        let size = self.size?;
        let is_right = size.changes == self.changes && self.now_ms < size.until_ms;
        is_right.then_some(size.keys)
    }

    /// How many live keys there are: counted in one go, unless nothing changed since they were. In a transaction its writes count.
    pub fn count(&mut self) -> Result<usize> {
        if let Some(keys) = self.known_count() {
            return Ok(keys);
        }
        let now_ms = self.now_ms;
        let (mut keys, mut until_ms) = (0, u64::MAX);
        self.visit(None, &mut |_, value| {
            if !value.is_expired(now_ms) {
                keys += 1;
                until_ms = until_ms.min(value.expires_ms.unwrap_or(u64::MAX));
            }
            ControlFlow::Continue(())
        })?;
        self.size = Some(Size {
            keys,
            changes: self.changes,
            until_ms,
        });
        Ok(keys)
    }

    /// Begins to count the live keys as they are now, in steps, between which others write.
    pub fn begin_count(&mut self) -> Result<()> {
        self.count = Some(Count::new(&self.db, self.changes)?);
        Ok(())
    }

    /// Goes on counting, for at most a few hundred keys; the count, once it is whole.
    ///
    /// # Errors
    /// The database's; the count is given up then.
    pub fn step_count(&mut self) -> Result<Option<usize>> {
        let Some(mut count) = self.count.take() else {
            return Ok(Some(0));
        };
        match count.step(self.now_ms)? {
            None => self.count = Some(count),
            Some(size) => {
                self.size = Some(size);
                return Ok(Some(size.keys));
            }
        }
        Ok(None)
    }

    /// Whether a value lies under `key` whose time has come.
    pub fn is_expired(&self, key: &[u8]) -> Result<bool> {
        Ok(self.expiry_of(key)?.unwrap_or(false))
    }

    /// Whether the time of the value under `key` has come, if there is a value.
    fn expiry_of(&self, key: &[u8]) -> Result<Option<bool>> {
        if key.len() > KEY_BYTES_MAX {
            return Ok(None);
        }
        Ok(self.db.get_with(key, |stored| {
            Value::decode(stored).is_some_and(|value| value.is_expired(self.now_ms))
        })?)
    }

    /// Whether there may be values that expire.
    #[must_use]
    pub fn needs_sweep(&self) -> bool {
        self.sweep.is_awake()
    }

    /// Removes what a walk found to be expired, and still is; the next walk goes on behind it.
    pub(crate) fn swept(&mut self, walked: Walked) -> Result<()> {
        self.sweep.advance(walked.last, walked.met);
        for key in &walked.expired {
            if self.is_expired(key)? {
                self.remove_stored(key)?;
                self.wrote();
                self.watchers.touch_expired(key);
                self.counters.expired += 1;
            }
        }
        Ok(())
    }

    /// A key in the part of the keyspace that the last sweep looked at: a place to begin that moves.
    pub(crate) fn somewhere(&self) -> Option<&[u8]> {
        self.sweep.position()
    }

    fn changed(&mut self, key: &[u8]) {
        self.wrote();
        self.watchers.touch(key);
    }

    fn wrote(&mut self) {
        self.changes += 1;
        self.unsynced = true;
    }

    /// Gives back the memory of a large value or batch.
    fn trim(&mut self) {
        const KEPT_BYTES: usize = 1 << 20;
        if self.stored.capacity() > KEPT_BYTES {
            self.stored = Vec::new();
        }
        if self.batch.memory_bytes() > KEPT_BYTES {
            self.batch = Batch::new();
        }
    }
}

fn check_key(key: &[u8]) -> Result<()> {
    if key.len() > KEY_BYTES_MAX {
        return Err(Error::Database(db::Error::Limit {
            what: "key",
            found: key.len() as u64,
            max: KEY_BYTES_MAX as u64,
        }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_keeps_no_more_than_a_batch_holds() {
        let mut kept = Kept {
            bytes: BATCH_BYTES_MAX - 1000,
            ..Kept::default()
        };
        assert!(kept.put(b"a", &[0; 2000]).is_err());
        assert!(kept.writes.is_empty());
        for _ in 0..3 {
            kept.put(b"a", &[0; 900]).unwrap();
        }
        assert!(kept.put(b"b", &[0; 900]).is_err());
        kept.remove(b"a");
        kept.put(b"b", &[0; 900]).unwrap();
        assert_eq!(kept.bytes, BATCH_BYTES_MAX - 1000 + 25 + 925);
    }
}
