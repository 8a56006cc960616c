//! Walking over several sorted sources at once.
#![forbid(unsafe_code)]

mod merge;
mod scan;

pub(super) use merge::{MergeCursor, Source};
pub use scan::Scan;
