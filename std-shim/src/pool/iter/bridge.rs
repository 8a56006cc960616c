//! Plain iterators as parallel ones.

use crate::sys::{Native, native};
use underpin_core::pool::iter::Bridge;

/// Turns plain iterators into parallel ones.
pub trait ParallelBridge: Iterator + Sized + Send
where
    Self::Item: Send,
{
    /// Lets workers take this iterator's items: one at a time, or up to 64 if it says that it has them. Their order is
    /// lost. The iterator may have no end, or make its items slowly; nothing is collected first.
    fn par_bridge(self) -> ParallelBridged<Self> {
        Bridge::new(self, native())
    }
}

impl<I: Iterator + Send> ParallelBridge for I where I::Item: Send {}

/// A plain iterator whose items workers take in turn.
pub type ParallelBridged<I> = Bridge<I, Native>;
