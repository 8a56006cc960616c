//! The embedded stores: ours, fjall, redb, LMDB, sled and, where it was built, RocksDB.

use super::store::{Level, MEMTABLE_BYTES, Metered, Open, Pair, Store, cache_bytes};
use crate::case::locked_version;
use std::io::ErrorKind;
use std::ops::Bound;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use underpin::kv::{Batch, Db, OpenOptions, WriteLevel};

/// A store's name, its version, and how to open it; ours first.
pub(super) fn all() -> Vec<(&'static str, String, Open)> {
    let known: Vec<(&'static str, String, Open)> = vec![
        ("underpin", locked_version("underpin-core"), open_ours),
        ("fjall", locked_version("fjall"), open_fjall),
        ("redb", locked_version("redb"), open_redb),
        ("lmdb", locked_version("heed"), open_lmdb),
        ("sled", locked_version("sled"), open_sled),
        #[cfg(feature = "rocksdb")]
        ("rocksdb", locked_version("rocksdb"), rocks::open),
    ];
    with_system(known)
}

/// With RocksDB as the system has it, where it was not built.
#[cfg(all(target_os = "linux", not(feature = "rocksdb")))]
fn with_system(mut known: Vec<(&'static str, String, Open)>) -> Vec<(&'static str, String, Open)> {
    let system = super::rocks_library::version();
    known.extend(system.map(|version| ("rocksdb", version, super::rocks_library::open as Open)));
    known
}

#[cfg(not(all(target_os = "linux", not(feature = "rocksdb"))))]
fn with_system(known: Vec<(&'static str, String, Open)>) -> Vec<(&'static str, String, Open)> {
    known
}

fn text(error: impl core::fmt::Display) -> String {
    error.to_string()
}

/// How many values are there and right.
fn count_right(values: &[Option<Vec<u8>>], read: &mut dyn FnMut(usize, &[u8]) -> bool) -> u64 {
    let is_right = |(index, value): (usize, &Option<Vec<u8>>)| {
        u64::from(value.as_ref().is_some_and(|value| read(index, value)))
    };
    values.iter().enumerate().map(is_right).sum()
}

struct Ours(Db);

fn open_ours(dir: &Path) -> Result<Box<dyn Store>, String> {
    let options = OpenOptions::new().memtable_bytes(MEMTABLE_BYTES);
    let db = options.cache_bytes(cache_bytes()).open(dir);
    Ok(Metered::over(Ours(db.map_err(text)?)))
}

impl Ours {
    fn level(level: Level) -> WriteLevel {
        match level {
            Level::Os => WriteLevel::Os,
            Level::Synced => WriteLevel::Data,
        }
    }
}

impl Store for Ours {
    fn put(&self, (key, value): &Pair, level: Level) -> Result<(), String> {
        self.0
            .as_core()
            .put(key, value, Self::level(level))
            .map_err(text)
    }

    fn put_all(&self, pairs: &[Pair], level: Level) -> Result<(), String> {
        let mut batch = Batch::new();
        for (key, value) in pairs {
            batch.put(key, value).map_err(text)?;
        }
        self.0
            .as_core()
            .write(batch.as_core(), Self::level(level))
            .map_err(text)
    }

    fn get(&self, key: &[u8], read: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool, String> {
        let found = self
            .0
            .as_core()
            .get_with(key, |value| read(value))
            .map_err(text)?;
        Ok(found.unwrap_or(false))
    }

    fn get_all(
        &self,
        keys: &[&[u8]],
        read: &mut dyn FnMut(usize, &[u8]) -> bool,
    ) -> Result<u64, String> {
        let values = self.0.as_core().multi_get(keys).map_err(text)?;
        Ok(count_right(&values, read))
    }

    fn remove(&self, key: &[u8]) -> Result<(), String> {
        self.0.as_core().remove(key, WriteLevel::Os).map_err(text)
    }

    fn scan(
        &self,
        from: Option<&[u8]>,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), String> {
        let from = from.map_or(Bound::Unbounded, Bound::Included);
        let mut scan = self
            .0
            .as_core()
            .scan(from, Bound::Unbounded)
            .map_err(text)?;
        loop {
            let next = if reverse {
                scan.next_back()
            } else {
                scan.next()
            };
            match next.map_err(text)? {
                Some((key, value)) if visit(key, value) => {}
                _ => return Ok(()),
            }
        }
    }
}

struct Fjall {
    database: fjall::Database,
    keyspace: fjall::Keyspace,
}

fn open_fjall(dir: &Path) -> Result<Box<dyn Store>, String> {
    let database = fjall::Database::builder(dir)
        .cache_size(cache_bytes() as u64)
        .open()
        .map_err(text)?;
    let options =
        || fjall::KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES as u64);
    let keyspace = database.keyspace("bench", options).map_err(text)?;
    Ok(Metered::over(Fjall { database, keyspace }))
}

impl Store for Fjall {
    fn put(&self, (key, value): &Pair, level: Level) -> Result<(), String> {
        // An insert hands its journal to the system.
        self.keyspace.insert(key, value).map_err(text)?;
        match level {
            Level::Os => Ok(()),
            Level::Synced => self
                .database
                .persist(fjall::PersistMode::SyncData)
                .map_err(text),
        }
    }

    fn put_all(&self, pairs: &[Pair], level: Level) -> Result<(), String> {
        let mut batch = self.database.batch().durability(Some(match level {
            Level::Os => fjall::PersistMode::Buffer,
            Level::Synced => fjall::PersistMode::SyncData,
        }));
        for (key, value) in pairs {
            batch.insert(&self.keyspace, key, value);
        }
        batch.commit().map_err(text)
    }

    fn get(&self, key: &[u8], read: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool, String> {
        let value = self.keyspace.get(key).map_err(text)?;
        Ok(value.is_some_and(|value| read(&value)))
    }

    fn remove(&self, key: &[u8]) -> Result<(), String> {
        self.keyspace.remove(key).map_err(text)
    }

    fn scan(
        &self,
        from: Option<&[u8]>,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), String> {
        let mut range = self.keyspace.range(from.unwrap_or_default()..);
        loop {
            let next = if reverse {
                range.next_back()
            } else {
                range.next()
            };
            match next
                .map(|guard| guard.into_inner())
                .transpose()
                .map_err(text)?
            {
                Some((key, value)) if visit(&key, &value) => {}
                _ => return Ok(()),
            }
        }
    }
}

struct Redb(redb::Database);

const TABLE: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("bench");

fn open_redb(dir: &Path) -> Result<Box<dyn Store>, String> {
    let database = redb::Database::builder()
        .set_cache_size(cache_bytes())
        .create(dir.join("redb"))
        .map_err(text)?;
    let transaction = database.begin_write().map_err(text)?;
    transaction.open_table(TABLE).map_err(text)?;
    transaction.commit().map_err(text)?;
    Ok(Metered::over(Redb(database)))
}

impl Store for Redb {
    fn put(&self, pair: &Pair, level: Level) -> Result<(), String> {
        self.put_all(std::slice::from_ref(pair), level)
    }

    fn put_all(&self, pairs: &[Pair], level: Level) -> Result<(), String> {
        let mut transaction = self.0.begin_write().map_err(text)?;
        transaction
            .set_durability(match level {
                Level::Os => redb::Durability::None,
                Level::Synced => redb::Durability::Immediate,
            })
            .map_err(text)?;
        {
            let mut table = transaction.open_table(TABLE).map_err(text)?;
            for (key, value) in pairs {
                table
                    .insert(key.as_slice(), value.as_slice())
                    .map_err(text)?;
            }
        }
        transaction.commit().map_err(text)
    }

    fn get(&self, key: &[u8], read: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool, String> {
        use redb::ReadableDatabase as _;
        let transaction = self.0.begin_read().map_err(text)?;
        let table = transaction.open_table(TABLE).map_err(text)?;
        let value = table.get(key).map_err(text)?;
        Ok(value.is_some_and(|value| read(value.value())))
    }

    fn remove(&self, key: &[u8]) -> Result<(), String> {
        let mut transaction = self.0.begin_write().map_err(text)?;
        transaction
            .set_durability(redb::Durability::None)
            .map_err(text)?;
        transaction
            .open_table(TABLE)
            .map_err(text)?
            .remove(key)
            .map_err(text)?;
        transaction.commit().map_err(text)
    }

    fn scan(
        &self,
        from: Option<&[u8]>,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), String> {
        use redb::ReadableDatabase as _;
        let transaction = self.0.begin_read().map_err(text)?;
        let table = transaction.open_table(TABLE).map_err(text)?;
        let mut range = table.range(from.unwrap_or_default()..).map_err(text)?;
        loop {
            let next = if reverse {
                range.next_back()
            } else {
                range.next()
            };
            match next.transpose().map_err(text)? {
                Some((key, value)) if visit(key.value(), value.value()) => {}
                _ => return Ok(()),
            }
        }
    }
}

type LmdbTable = heed::Database<heed::types::Bytes, heed::types::Bytes>;

struct Lmdb {
    env: heed::Env,
    table: LmdbTable,
}

/// Without its own syncs, and with one where one is asked for: cheaper for LMDB than its default, which syncs twice.
#[expect(
    unsafe_code,
    reason = "mapping a file that others may change is unsafe in LMDB's bindings"
)]
fn open_lmdb(dir: &Path) -> Result<Box<dyn Store>, String> {
    let mut options = heed::EnvOpenOptions::new();
    options.map_size(16 << 30);
    // SAFETY: nobody else has the directory, which is this subject's own; the machine keeps running.
    let env = unsafe {
        options.flags(heed::EnvFlags::NO_SYNC);
        options.open(dir).map_err(text)?
    };
    let mut transaction = env.write_txn().map_err(text)?;
    let table = env.create_database(&mut transaction, None).map_err(text)?;
    transaction.commit().map_err(text)?;
    Ok(Metered::over(Lmdb { env, table }))
}

impl Store for Lmdb {
    fn put(&self, pair: &Pair, level: Level) -> Result<(), String> {
        self.put_all(std::slice::from_ref(pair), level)
    }

    fn put_all(&self, pairs: &[Pair], level: Level) -> Result<(), String> {
        let mut transaction = self.env.write_txn().map_err(text)?;
        for (key, value) in pairs {
            self.table.put(&mut transaction, key, value).map_err(text)?;
        }
        transaction.commit().map_err(text)?;
        match level {
            Level::Os => Ok(()),
            Level::Synced => self.env.force_sync().map_err(text),
        }
    }

    fn get(&self, key: &[u8], read: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool, String> {
        let transaction = self.env.read_txn().map_err(text)?;
        let value = self.table.get(&transaction, key).map_err(text)?;
        Ok(value.is_some_and(read))
    }

    fn remove(&self, key: &[u8]) -> Result<(), String> {
        let mut transaction = self.env.write_txn().map_err(text)?;
        self.table.delete(&mut transaction, key).map_err(text)?;
        transaction.commit().map_err(text)
    }

    fn scan(
        &self,
        from: Option<&[u8]>,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), String> {
        let transaction = self.env.read_txn().map_err(text)?;
        let range = (
            from.map_or(Bound::Unbounded, Bound::Included),
            Bound::Unbounded,
        );
        let mut visit_all = |pairs: &mut dyn Iterator<Item = heed::Result<(&[u8], &[u8])>>| {
            for pair in pairs {
                let (key, value) = pair.map_err(text)?;
                if !visit(key, value) {
                    break;
                }
            }
            Ok(())
        };
        if reverse {
            visit_all(&mut self.table.rev_range(&transaction, &range).map_err(text)?)
        } else {
            visit_all(&mut self.table.range(&transaction, &range).map_err(text)?)
        }
    }
}

/// Its `flush` is no equal of a sync of each write: it waits for what its own thread has written.
struct Sled(sled::Db);

fn open_sled(dir: &Path) -> Result<Box<dyn Store>, String> {
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(cache_bytes() as u64);
    // Its threads keep the lock for a while after the last handle of the round before is gone.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match config.open() {
            Ok(db) => return Ok(Metered::over(Sled(db))),
            Err(sled::Error::Io(error))
                if error.kind() == ErrorKind::Other && Instant::now() < deadline =>
            {
                thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(text(error)),
        }
    }
}

impl Sled {
    fn settle(&self, level: Level) -> Result<(), String> {
        match level {
            Level::Os => Ok(()),
            Level::Synced => self.0.flush().map(|_| ()).map_err(text),
        }
    }
}

impl Store for Sled {
    fn put(&self, (key, value): &Pair, level: Level) -> Result<(), String> {
        self.0.insert(key, value.as_slice()).map_err(text)?;
        self.settle(level)
    }

    fn put_all(&self, pairs: &[Pair], level: Level) -> Result<(), String> {
        let mut batch = sled::Batch::default();
        for (key, value) in pairs {
            batch.insert(key.as_slice(), value.as_slice());
        }
        self.0.apply_batch(batch).map_err(text)?;
        self.settle(level)
    }

    fn get(&self, key: &[u8], read: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool, String> {
        let value = self.0.get(key).map_err(text)?;
        Ok(value.is_some_and(|value| read(&value)))
    }

    fn remove(&self, key: &[u8]) -> Result<(), String> {
        self.0.remove(key).map(|_| ()).map_err(text)
    }

    fn scan(
        &self,
        from: Option<&[u8]>,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), String> {
        let mut range = self.0.range(from.unwrap_or_default()..);
        loop {
            let next = if reverse {
                range.next_back()
            } else {
                range.next()
            };
            match next.transpose().map_err(text)? {
                Some((key, value)) if visit(&key, &value) => {}
                _ => return Ok(()),
            }
        }
    }
}

#[cfg(feature = "rocksdb")]
mod rocks {
    use super::*;
    use rocksdb::{BlockBasedOptions, Cache, DB, WriteBatch, WriteOptions};

    struct Rocks(DB);

    pub(super) fn open(dir: &Path) -> Result<Box<dyn Store>, String> {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&Cache::new_lru_cache(cache_bytes()));
        blocks.set_bloom_filter(10.0, false);
        let mut options = rocksdb::Options::default();
        options.create_if_missing(true);
        options.set_write_buffer_size(MEMTABLE_BYTES);
        options.set_block_based_table_factory(&blocks);
        Ok(Metered::over(Rocks(DB::open(&options, dir).map_err(text)?)))
    }

    fn written(level: Level) -> WriteOptions {
        let mut options = WriteOptions::default();
        options.set_sync(level == Level::Synced);
        options
    }

    impl Store for Rocks {
        fn put(&self, (key, value): &Pair, level: Level) -> Result<(), String> {
            self.0.put_opt(key, value, &written(level)).map_err(text)
        }

        fn put_all(&self, pairs: &[Pair], level: Level) -> Result<(), String> {
            let mut batch = WriteBatch::default();
            for (key, value) in pairs {
                batch.put(key, value);
            }
            self.0.write_opt(batch, &written(level)).map_err(text)
        }

        fn get(&self, key: &[u8], read: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool, String> {
            let value = self.0.get_pinned(key).map_err(text)?;
            Ok(value.is_some_and(|value| read(&value)))
        }

        fn get_all(
            &self,
            keys: &[&[u8]],
            read: &mut dyn FnMut(usize, &[u8]) -> bool,
        ) -> Result<u64, String> {
            let values: Result<Vec<_>, _> = self.0.multi_get(keys).into_iter().collect();
            Ok(count_right(&values.map_err(text)?, read))
        }

        fn remove(&self, key: &[u8]) -> Result<(), String> {
            self.0.delete(key).map_err(text)
        }

        fn scan(
            &self,
            from: Option<&[u8]>,
            reverse: bool,
            visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
        ) -> Result<(), String> {
            use rocksdb::{Direction, IteratorMode};
            let mode = match from {
                Some(key) if reverse => IteratorMode::From(key, Direction::Reverse),
                Some(key) => IteratorMode::From(key, Direction::Forward),
                None if reverse => IteratorMode::End,
                None => IteratorMode::Start,
            };
            for pair in self.0.iterator(mode) {
                let (key, value) = pair.map_err(text)?;
                if !visit(&key, &value) {
                    break;
                }
            }
            Ok(())
        }
    }
}
