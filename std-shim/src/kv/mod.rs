//! The key-value database for programs with `std`: paths, iterators and `std::io::Error`.
//!
//! ```
//! use underpin::kv::{Batch, Db};
//!
//! # fn main() -> std::io::Result<()> {
//! # let directory = std::env::temp_dir().join(format!("underpin-kv-{}", std::process::id()));
//! let db = Db::open(&directory)?;
//! db.put("apple", "red")?;
//! let mut batch = Batch::new();
//! batch.put("banana", "yellow")?;
//! batch.remove("apple")?;
//! db.write(&batch)?;
//! db.persist()?;
//! assert_eq!(db.get("banana")?.as_deref(), Some(&b"yellow"[..]));
//! assert_eq!(db.get("apple")?, None);
//! for pair in db.scan("a".."c")? {
//!     let (key, value) = pair?;
//!     assert_eq!((&key[..], &value[..]), (&b"banana"[..], &b"yellow"[..]));
//! }
//! // Read, change and write as if nobody else did meanwhile.
//! let mut transaction = db.transaction()?;
//! let colour = transaction.get("banana")?.unwrap_or_default();
//! transaction.put("lemon", colour)?;
//! transaction.commit()?;
//! db.close()?;
//! # std::fs::remove_dir_all(directory)?;
//! # Ok(())
//! # }
//! ```
//!
//! Writes return when the operating system has them, as with RocksDB and fjall: they survive the end of the program. For a
//! power loss there are [`Db::persist`], the `*_with` methods, and [`OpenOptions::level`].
//!
//! Each open database has a thread that flushes and merges; [`OpenOptions::background`] leaves that to the writers instead.
#![forbid(unsafe_code)]

mod ancestors;
mod batch;
mod database;
mod error;
mod keeper;
mod keyspace;
mod options;
mod range;
mod scan;
mod snapshot;
mod transaction;

pub use ancestors::create_directories;
pub use batch::Batch;
pub use database::{Db, restore};
pub use error::io_error;
pub use keyspace::Keyspace;
pub use options::OpenOptions;
pub use range::KeyRange;
pub use scan::{Pair, Scan, Tail, TransactionScan};
pub use snapshot::Snapshot;
pub use transaction::Transaction;
pub use underpin_core::db::{
    BATCH_BYTES_MAX, Compaction, Error, Event, EventHook, KEY_BYTES_MAX, KeepValue, KeyPrefix,
    KeyspaceId, Maintenance, MergeOperator, Operation, Options, RepairReport, Stats, Timing,
    Timings, VALUE_BYTES_MAX, VerifyReport, WriteLevel,
};
