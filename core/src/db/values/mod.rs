//! Large values in files of their own, so that merges move keys and not values.
//!
//! ```text
//! flush, merge:  key, large value --> NNNNNN.values: record        (once)
//!                key, reference   --> NNNNNN.table                 (again with each merge of the table)
//! get, scan:     table: reference --> values file: one read, checked
//! ```
//! # Why at the flush
//! The log could have been the values file, and the memtable hold places in it; then each value would be written once, not twice. But a
//! log is recycled, ends in the middle of a batch where power failed, and holds what was removed a moment later, and each read of a
//! fresh value would go to a file that is being written. Written at the flush, a values file is like a table: whole, synced before a
//! manifest mentions it, never changed. Recovery, checkpoints and snapshots treat it as they treat a table, and need no rule of their own.
//!
//! # Who keeps a file
//! A values file has the number of the table that it was written with and stays when that is gone, for as long as some table refers to
//! it. What a table refers to, and with how many bytes, it says itself, in its meta block and in the manifest: a [`Share`] for each
//! file. So the live bytes of a file are a sum over the manifest's tables, exact at any time, and no count is kept that could go wrong.
//! - V1: an open table holds its values files open. The last table that holds one, being obsolete, removes it: reads, scans and
//!   snapshots hold tables, and so the values as well.
//! - V2: records lie without gaps, and each one's checksum covers the file's number and the record's offset, as in a table (T3, T4).
//!   The reference has the checksum too: a record that was swapped for another whole one is found.
//!
//! # Garbage
//! A merge drops references to values that are gone, and copies others. Those to a file that is less than half live, or small, it
//! follows, and writes the values anew. When no merge is due, tables that refer to files less than half live are written anew for that
//! alone, the one with the most to gain first (see `garbage`). A file that nothing refers to any more goes with its last table.
//!
//! # Limits
//! Each flush makes a file, and each open one takes a handle. The manifest, written with each flush, has a share for each pair of a
//! table and a file that it refers to; where tables of the last level refer to most files, that grows with the product of both. So the
//! option is off by default.
#![forbid(unsafe_code)]

mod file;
mod garbage;
mod open;
mod reference;
mod writer;

pub(super) use file::ValueFile;
pub(super) use garbage::Usage;
pub(super) use open::OpenValues;
pub(super) use reference::{Reference, Share};
pub(super) use writer::ValueWriter;
