//! What can be iterated over in parallel: something that splits in two and, in the end, is a plain iterator.
//!
//! # Invariants
//! - A split at `n` gives a front of weight `n` and the rest, in order, if the source is [exact](Source::EXACT); another source may
//!   split near `n`, or not at all (then one side has weight 0).
#![allow(
    unsafe_code,
    reason = "exact sources are a promise that collecting relies on"
)]

use core::ops::Range;

/// A splittable sequence.
///
/// # Safety
/// If `EXACT`, a part gives exactly as many items as it weighs, and a split at `at` gives a front of weight `at` and a rest of the others.
pub unsafe trait Source: Sized + Send {
    /// What it gives.
    type Item: Send;
    /// The plain iterator of a part.
    type Seq: Iterator<Item = Self::Item>;
    /// Whether the weight is the number of items, and splits are exact.
    const EXACT: bool;

    /// How much there is, for splitting in half: the number of items, or of what they are made from.
    fn weight(&self) -> usize;

    /// The part before `at` and the part from it on.
    fn split_at(self, at: usize) -> (Self, Self);

    /// The plain iterator.
    fn into_seq(self) -> Self::Seq;

    /// Smallest part that is worth a split.
    fn min_len(&self) -> usize {
        1
    }

    /// Largest part that is run as one.
    fn max_len(&self) -> usize {
        usize::MAX
    }
}

/// A source of a known number of items. Safe to implement, so nothing unsafe rests on it: what collects looks at [`Source::EXACT`].
pub trait ExactSource: Source {}

macro_rules! slice_source {
    ($(#[$doc:meta])* $name:ident, $seq:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<'a, T>(pub &'a [T]);

        // SAFETY: the slice or range splits where it is told, and gives each item once.
        unsafe impl<'a, T: Sync> Source for $name<'a, T> {
            type Item = &'a T;
            type Seq = core::slice::$seq<'a, T>;
            const EXACT: bool = true;

            fn weight(&self) -> usize {
                self.0.len()
            }

            fn split_at(self, at: usize) -> (Self, Self) {
                let (left, right) = self.0.split_at(at);
                (Self(left), Self(right))
            }

            fn into_seq(self) -> Self::Seq {
                self.0.iter()
            }
        }

        impl<T: Sync> ExactSource for $name<'_, T> {}
    };
}

slice_source!(
    /// References to the items of a slice.
    SliceIter,
    Iter
);

/// Exclusive references to the items of a slice.
#[derive(Debug)]
pub struct SliceIterMut<'a, T>(pub &'a mut [T]);

// SAFETY: the slice or range splits where it is told, and gives each item once.
unsafe impl<'a, T: Send> Source for SliceIterMut<'a, T> {
    type Item = &'a mut T;
    type Seq = core::slice::IterMut<'a, T>;
    const EXACT: bool = true;

    fn weight(&self) -> usize {
        self.0.len()
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        let (left, right) = self.0.split_at_mut(at);
        (Self(left), Self(right))
    }

    fn into_seq(self) -> Self::Seq {
        self.0.iter_mut()
    }
}

impl<T: Send> ExactSource for SliceIterMut<'_, T> {}

macro_rules! chunk_source {
    ($(#[$doc:meta])* $name:ident, [$($mutable:tt)?], $split:ident, $chunks:ident, $seq:ident, $bound:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<'a, T> {
            pub(super) slice: &'a $($mutable)? [T],
            pub(super) size: usize,
        }

        impl<'a, T: $bound> $name<'a, T> {
            /// Parts of `size` items.
            ///
            /// # Panics
            /// If `size` is 0.
            pub fn new(slice: &'a $($mutable)? [T], size: usize) -> Self {
                assert!(size != 0, "parts of no items");
                Self { slice, size }
            }

            /// How many parts have all `size` items.
            #[must_use]
            pub fn whole(&self) -> usize {
                self.slice.len() / self.size
            }
        }

        // SAFETY: the slice or range splits where it is told, and gives each item once.
        unsafe impl<'a, T: $bound> Source for $name<'a, T> {
            type Item = &'a $($mutable)? [T];
            type Seq = core::slice::$seq<'a, T>;
            const EXACT: bool = true;

            fn weight(&self) -> usize {
                self.slice.len().div_ceil(self.size)
            }

            fn split_at(self, at: usize) -> (Self, Self) {
                let at = at.saturating_mul(self.size).min(self.slice.len());
                let (left, right) = self.slice.$split(at);
                let size = self.size;
                (Self { slice: left, size }, Self { slice: right, size })
            }

            fn into_seq(self) -> Self::Seq {
                self.slice.$chunks(self.size)
            }
        }

        impl<T: $bound> ExactSource for $name<'_, T> {}
    };
}

chunk_source!(
    /// Parts of a slice, the last perhaps shorter.
    Chunks, [], split_at, chunks, Chunks, Sync
);
chunk_source!(
    /// Exclusive parts of a slice, the last perhaps shorter.
    ChunksMut, [mut], split_at_mut, chunks_mut, ChunksMut, Send
);

macro_rules! chunk_source_from_end {
    ($(#[$doc:meta])* $name:ident, [$($mutable:tt)?], $split:ident, $chunks:ident, $seq:ident, $bound:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<'a, T> {
            slice: &'a $($mutable)? [T],
            size: usize,
        }

        impl<'a, T: $bound> $name<'a, T> {
            /// Parts of `size` items.
            ///
            /// # Panics
            /// If `size` is 0.
            pub fn new(slice: &'a $($mutable)? [T], size: usize) -> Self {
                assert!(size != 0, "parts of no items");
                Self { slice, size }
            }

            /// How many parts have all `size` items.
            #[must_use]
            pub fn whole(&self) -> usize {
                self.slice.len() / self.size
            }
        }

        // SAFETY: the slice splits where it is told, and gives each item once.
        unsafe impl<'a, T: $bound> Source for $name<'a, T> {
            type Item = &'a $($mutable)? [T];
            type Seq = core::slice::$seq<'a, T>;
            const EXACT: bool = true;

            fn weight(&self) -> usize {
                self.slice.len().div_ceil(self.size)
            }

            fn split_at(self, at: usize) -> (Self, Self) {
                let middle = self.slice.len().saturating_sub(at.saturating_mul(self.size));
                let (rest, front) = self.slice.$split(middle);
                let size = self.size;
                (Self { slice: front, size }, Self { slice: rest, size })
            }

            fn into_seq(self) -> Self::Seq {
                self.slice.$chunks(self.size)
            }
        }

        impl<T: $bound> ExactSource for $name<'_, T> {}
    };
}

chunk_source_from_end!(
    /// Parts of a slice, from its end; the last perhaps shorter.
    RChunks, [], split_at, rchunks, RChunks, Sync
);
chunk_source_from_end!(
    /// Exclusive parts of a slice, from its end; the last perhaps shorter.
    RChunksMut, [mut], split_at_mut, rchunks_mut, RChunksMut, Send
);

/// Overlapping parts of a slice.
#[derive(Debug)]
pub struct Windows<'a, T> {
    slice: &'a [T],
    size: usize,
}

impl<'a, T: Sync> Windows<'a, T> {
    /// All neighbouring `size` items.
    ///
    /// # Panics
    /// If `size` is 0.
    #[must_use]
    pub fn new(slice: &'a [T], size: usize) -> Self {
        assert!(size != 0, "windows of no items");
        Self { slice, size }
    }
}

// SAFETY: the slice or range splits where it is told, and gives each item once.
unsafe impl<'a, T: Sync> Source for Windows<'a, T> {
    type Item = &'a [T];
    type Seq = core::slice::Windows<'a, T>;
    const EXACT: bool = true;

    fn weight(&self) -> usize {
        (self.slice.len() + 1).saturating_sub(self.size)
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        let size = self.size;
        let end = (at + size - 1).min(self.slice.len());
        let left = if at == 0 { &[] } else { &self.slice[..end] };
        let right = &self.slice[at.min(self.slice.len())..];
        (Self { slice: left, size }, Self { slice: right, size })
    }

    fn into_seq(self) -> Self::Seq {
        self.slice.windows(self.size)
    }
}

impl<T: Sync> ExactSource for Windows<'_, T> {}

/// The numbers of a range. A type of its own, since a range is a plain iterator already.
#[derive(Debug)]
pub struct RangeIter<N>(pub Range<N>);

macro_rules! range_source {
    ($($number:ty)*) => {$(
        // SAFETY: a range splits where it is told, and gives each number once. One of more than usize::MAX numbers, which only 32-bit
        // machines can have, panics.
        unsafe impl Source for RangeIter<$number> {
            type Item = $number;
            type Seq = Range<$number>;
            const EXACT: bool = true;

            fn weight(&self) -> usize {
                if self.0.start >= self.0.end {
                    return 0;
                }
                usize::try_from(self.0.end.abs_diff(self.0.start)).expect("a range of more numbers than usize can count")
            }

            fn split_at(self, at: usize) -> (Self, Self) {
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_possible_wrap,
                    clippy::cast_lossless,
                    trivial_numeric_casts,
                    reason = "at is at most the distance to the end; two's complement makes the sum right"
                )]
                let middle = self.0.start.wrapping_add(at as $number);
                (Self(self.0.start..middle), Self(middle..self.0.end))
            }

            fn into_seq(self) -> Range<$number> {
                self.0
            }
        }

        impl ExactSource for RangeIter<$number> {}
    )*};
}

range_source!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);
