//! Bytes on disk and on the wire: varints, little-endian fields, checksums; and histograms of numbers.
#![deny(unsafe_code)]

mod crc32c;
mod histogram;
mod reader;
pub mod varint;

pub use crc32c::{Crc32c, crc32c, is_same};
pub use histogram::Histogram;
pub use reader::Reader;
