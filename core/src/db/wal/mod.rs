//! The write-ahead log: every write stands here before it stands anywhere else.
//!
//! A log is a header and then blocks of [`BLOCK_BYTES`]; a record is one fragment, or several when it does not fit
//! the rest of its block. Byte-exact grammar: `FORMAT.md`.
//!
//! ```text
//! | header 32 | frag | frag | frag ..... | 0 pad || frag | frag ...... || ...
//! |<------------------ block 0 ---------------->||<----- block 1 ---->||
//! frag: crc32c u32 | length u16 | kind u8 | payload
//! ```
//!
//! # Invariants
//! - W1: a fragment's checksum covers the log's salt, the fragment's own offset, its length, kind and payload. A fragment of
//!   another log, of an earlier life of the file, or at another place is therefore no fragment of this one.
//! - W2: a `Synced(s)` record says that all bytes before `s` were on the medium when it was made. It is written
//!   after each sync (without a sync of its own) and before each append that follows one.
//! - W3: a `Seal(n)` record is the last of its log, is synced before log `n` gets its first record, and log `n` has been
//!   durable since before the seal was written. What follows a seal in the file means nothing: zeros written ahead, or the rest of
//!   another log that had the file before.
//!
//! # Failure: torn tail or damage?
//! Power may fail while unsynced fragments are on their way, in any order. So at the first bad fragment, at offset `x`,
//! the rest of the log is searched for valid `Synced` fragments. If one of them is `Synced(s)` with `s > x`, bytes that were on
//! the medium have changed: [`Error::Corrupt`](super::Error::Corrupt). If a later log has records, the log was sealed and
//! synced (W3), so it is damage as well. Otherwise the bad fragment was never known to be synced and ends the
//! history. What that cannot tell from a torn tail is damage to the last group that was synced, when power then failed
//! before its `Synced` record reached the medium, and a file cut short.
#![forbid(unsafe_code)]

mod active;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub(super) use active::{ActiveLog, SpareLog};
pub(super) use reader::{LogReader, Record};

use crate::codec::Crc32c;

/// Bytes of the header.
pub(super) const HEADER_BYTES: usize = 32;
pub(super) const MAGIC: [u8; 8] = *b"underlog";
/// What is written; version 1, in which a seal is the file's end, is read too.
pub(super) const VERSION: u32 = 2;

/// A reader finds a fragment boundary at each multiple of this.
const BLOCK_BYTES: usize = 32 << 10;
const FRAGMENT_HEADER_BYTES: usize = 7;
/// Less than this at the end of a block stays zero, so control records never need two fragments.
const PADDING_BYTES_MAX: usize = 16;

const FULL: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;
const SYNCED: u8 = 5;
const SEAL: u8 = 6;

/// Bytes before the encoded writes in a batch record: the first write's sequence number and the count.
const BATCH_HEADER_BYTES: usize = 12;

/// The checksum of a fragment (W1); `body` is length, kind and payload.
fn checksum(salt: u64, offset: u64, body: &[u8]) -> u32 {
    Crc32c::new()
        .update(&salt.to_le_bytes())
        .update(&offset.to_le_bytes())
        .update(body)
        .finish()
}
