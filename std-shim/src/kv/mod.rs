//! The key-value database for programs with `std`: paths, iterators and `std::io::Error`.
//!
//! ```
//! use underpin::kv::{Batch, Db};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join(format!("underpin-kv-{}", std::process::id()));
//! let db = Db::open(&directory)?;
//! db.put("apple", "red")?;
//! let mut batch = Batch::new();
//! batch.put(b"banana", b"yellow")?;
//! batch.remove(b"apple")?;
//! db.write(&batch)?;
//! db.persist()?;
//! assert_eq!(db.get("banana")?.as_deref(), Some(&b"yellow"[..]));
//! assert_eq!(db.get("apple")?, None);
//! for pair in db.scan("a".as_bytes().."c".as_bytes())? {
//!     let (key, value) = pair?;
//!     assert_eq!((&key[..], &value[..]), (&b"banana"[..], &b"yellow"[..]));
//! }
//! // Read, change and write as if nobody else did meanwhile.
//! let mut transaction = db.transaction()?;
//! let colour = transaction.get(b"banana")?.unwrap_or_default();
//! transaction.put(b"lemon", &colour)?;
//! transaction.commit(underpin::kv::WriteLevel::Os)?;
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
mod database;
mod error;
mod keeper;
mod options;

pub use ancestors::create_directories;
pub use database::{Db, Keyspace, Scan, Snapshot, Tail, Transaction, restore};
pub use error::io_error;
pub use options::OpenOptions;
pub use underpin_core::db::{
    BATCH_BYTES_MAX, Batch, Compaction, Error, Event, EventHook, KEY_BYTES_MAX, KeepValue,
    KeyspaceId, Maintenance, MergeOperator, Operation, Options, RepairReport, Stats, Timing,
    Timings, VALUE_BYTES_MAX, VerifyReport, WriteLevel,
};
