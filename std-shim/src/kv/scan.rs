//! Walks over keys as iterators.
#![forbid(unsafe_code)]

use super::error::io_error;
use crate::sys::Native;
use std::io;
use underpin_core::db;

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

fn owned((key, value): (&[u8], &[u8])) -> Pair {
    (key.to_vec(), value.to_vec())
}

/// Keys and values of a range, in order or, by `rev`, against it. Ends after an error.
#[derive(Debug)]
pub struct Scan(pub(super) db::Scan<Native>);

impl Iterator for Scan {
    type Item = io::Result<Pair>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.0.next().map_err(io_error).transpose()?;
        Some(next.map(owned))
    }
}

impl DoubleEndedIterator for Scan {
    fn next_back(&mut self) -> Option<Self::Item> {
        let next = self.0.next_back().map_err(io_error).transpose()?;
        Some(next.map(owned))
    }
}

/// Keys and values of a range as a transaction sees them, in order. Ends after an error.
#[derive(Debug)]
pub struct TransactionScan<'a>(pub(super) db::TransactionScan<'a, Native>);

impl Iterator for TransactionScan<'_> {
    type Item = io::Result<Pair>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map_err(io_error).transpose()
    }
}

/// Keys and values of a range in order, which waits at its end for those that are written behind.
///
/// ```no_run
/// # fn main() -> std::io::Result<()> {
/// let db = underpin::kv::Db::open("events")?;
/// let mut tail = db.tail("event/"..);
/// loop {
///     while let Some((key, value)) = tail.next()? {
///         println!("{}: {} bytes", String::from_utf8_lossy(&key), value.len());
///     }
///     std::thread::sleep(std::time::Duration::from_millis(100));
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Tail(pub(super) db::Tail<Native>);

impl Tail {
    /// The next key and its value, or `None` for now.
    ///
    /// # Errors
    /// As [`Db::get`](super::Db::get). The next call tries again.
    #[expect(
        clippy::should_implement_trait,
        reason = "after None there may be more"
    )]
    pub fn next(&mut self) -> io::Result<Option<Pair>> {
        Ok(self.0.next().map_err(io_error)?.map(owned))
    }
}
