//! Sorted tables: immutable files of keys in order, each key once, found by an index and kept out by a filter.
//!
//! ```text
//! | data block | data block | ... | filter block | ranges block | index block | meta block | footer 88 |
//! block: bytes, then kind u8 and crc32c u32
//! ```
//! The footer says where the last four blocks are; the index has, per data block, its last key and place. In a large table these are in
//! [partitions](partition) between the data and the filter block, which is then empty, and the index has the last key and place of each of those.
//! Byte-exact grammar: `FORMAT.md`.
//!
//! A block that is walked, or found in the cache, is laid out anew, `flat`, for searches and steps both ways; that is in memory alone.
//!
//! # Invariants
//! - T1: a table is written, synced and closed before a manifest names it, and never changed afterwards.
//! - T2: keys strictly ascend over the whole table; one entry a key.
//! - T3: blocks follow each other without gaps, so a checksum covers every byte of the file.
//! - T4: a block's checksum covers the table's number and the block's offset: a block of another place is no block.
#![forbid(unsafe_code)]

mod block;
mod block_builder;
mod block_cursor;
mod builder;
mod check;
mod cursor;
mod data_cursor;
mod flat;
mod index;
mod layout;
mod many;
mod origin;
mod partition;
mod read_ahead;
mod reader;
mod salvage;

pub(super) use block::Block;
pub(super) use builder::{TableBuilder, TableInfo};
pub(super) use cursor::TableCursor;
pub(super) use layout::{BlockKind, COMPRESSED, TRAILER_BYTES, check_block, compress_to, trailer};
pub(super) use origin::Origin;
pub(super) use reader::{Found, Table};
pub(super) use salvage::Salvaged;
