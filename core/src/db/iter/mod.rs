//! Iteration: cursors over memtables and tables, their merge, and scans over a range.
#![forbid(unsafe_code)]

mod merge;
mod scan;
mod source;
mod tail;

pub(super) use merge::MergeCursor;
pub use scan::Scan;
pub(super) use source::{LevelCursor, LevelTables, Source, candidate};
pub use tail::Tail;
