//! One of two.

/// What [`partition_map`](super::ParallelIterator::partition_map) is told of each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Either<L, R> {
    /// Into the first collection.
    Left(L),
    /// Into the second.
    Right(R),
}
