//! What can be iterated over in parallel: something that splits in two and, in the end, is a plain iterator.
//!
//! # Invariants
//! - A split at `n` gives a front of weight `n` and the rest, in order, if the source is [exact](Source::EXACT); another source may
//!   split near `n`, or not at all (then one side has weight 0 and gives nothing).
//! - A split at 0 leaves the front empty and one at the weight or beyond leaves the rest empty, of every source: [`Chain`](super::Chain)
//!   splits so the one of its two that is to stay whole.
#![allow(
    unsafe_code,
    reason = "exact sources are a promise that collecting relies on"
)]

use super::drive::{Consumer, Cuts, parts};
use crate::pool::{Env, Worker};
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
    /// Whether a front that weighs more than was asked for may itself be split further.
    const COARSE: bool = false;

    /// How much there is, for splitting in half: the number of items, or of what they are made from.
    fn weight(&self) -> usize;

    /// How far on the order of items it reaches: the weight, but for sources whose parts weigh other than the whole did.
    fn span(&self) -> usize {
        self.weight()
    }

    /// Whether the weight is not cut off at the largest number.
    fn fits(&self) -> bool {
        true
    }

    /// The part before `at` and the part from it on.
    fn split_at(self, at: usize) -> (Self, Self);

    /// The plain iterator.
    fn into_seq(self) -> Self::Seq;

    /// How parts may be cut.
    fn limits(&self) -> Limits {
        Limits::NONE
    }

    /// Runs it through `consumer`; a source that is another one and a function gives the function to the consumer. Nobody but
    /// [`drive`](super::drive) and [`drive_fixed`](super::drive_fixed) calls this.
    #[inline]
    fn feed<E: Env, C: Consumer<Self::Item>>(
        self,
        worker: Worker<'_, E>,
        cuts: Cuts,
        consumer: &C,
    ) -> C::Acc {
        parts(worker, cuts, self, consumer)
    }
}

/// How parts may be cut, in weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Smallest part that is worth a split.
    pub min: usize,
    /// Largest part that is run as one.
    pub max: usize,
    /// So much is done before anything after it begins.
    pub first: usize,
}

impl Limits {
    /// Any.
    pub const NONE: Self = Self {
        min: 1,
        max: usize::MAX,
        first: usize::MAX,
    };

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            min: self.min.max(other.min),
            max: self.max.min(other.max),
            first: self.first.min(other.first),
        }
    }

    /// Where each item weighs `unit`, and may be split further if any part may.
    #[must_use]
    pub(super) fn scaled(self, unit: usize) -> Self {
        let scaled = |weight: usize| weight.saturating_mul(unit);
        Self {
            min: if self.min > 1 { scaled(self.min) } else { 1 },
            max: scaled(self.max),
            first: scaled(self.first),
        }
    }
}

/// A source of a known number of items. Safe to implement, so nothing unsafe rests on it: what collects looks at [`Source::EXACT`].
pub trait ExactSource: Source {}

/// At most one item.
#[derive(Clone, Debug)]
pub struct Single<T>(pub Option<T>);

// SAFETY: it weighs as many items as it has.
unsafe impl<T: Send> Source for Single<T> {
    type Item = T;
    type Seq = core::option::IntoIter<T>;
    const EXACT: bool = true;

    fn weight(&self) -> usize {
        usize::from(self.0.is_some())
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        if at == 0 {
            (Self(None), self)
        } else {
            (self, Self(None))
        }
    }

    fn into_seq(self) -> Self::Seq {
        self.0.into_iter()
    }
}

impl<T: Send> ExactSource for Single<T> {}

macro_rules! slice_source {
    ($(#[$doc:meta])* $name:ident, [$($mutable:tt)?], $split:ident, $iter:ident, $seq:ident, $bound:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<'a, T>(pub &'a $($mutable)? [T]);

        // SAFETY: the slice splits where it is told, and gives each item once.
        unsafe impl<'a, T: $bound> Source for $name<'a, T> {
            type Item = &'a $($mutable)? T;
            type Seq = core::slice::$seq<'a, T>;
            const EXACT: bool = true;

            fn weight(&self) -> usize {
                self.0.len()
            }

            fn split_at(self, at: usize) -> (Self, Self) {
                let (left, right) = self.0.$split(at);
                (Self(left), Self(right))
            }

            fn into_seq(self) -> Self::Seq {
                self.0.$iter()
            }
        }

        impl<T: $bound> ExactSource for $name<'_, T> {}
    };
}

slice_source!(
    /// References to the items of a slice.
    SliceIter, [], split_at, iter, Iter, Sync
);
slice_source!(
    /// Exclusive references to the items of a slice.
    SliceIterMut, [mut], split_at_mut, iter_mut, IterMut, Send
);

macro_rules! chunk_source {
    (
        $(#[$doc:meta])* $name:ident, [$($mutable:tt)?], $split:ident, $chunks:ident, $seq:ident, $bound:ident,
        |$len:ident, $items:ident, $one:ident, $other:ident| ($place:expr, $front:ident, $rest:ident)
    ) => {
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

            /// Those that have all `size` items, and the items that are left over.
            #[must_use]
            pub fn exact(self) -> (Self, &'a $($mutable)? [T]) {
                let whole = self.slice.len() / self.size;
                let (whole, rest) = self.split_at(whole);
                (whole, rest.slice)
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
                let ($len, size) = (self.slice.len(), self.size);
                let $items = at.saturating_mul(size).min($len);
                let ($one, $other) = self.slice.$split($place);
                (Self { slice: $front, size }, Self { slice: $rest, size })
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
    Chunks, [], split_at, chunks, Chunks, Sync, |len, items, one, other| (items, one, other)
);
chunk_source!(
    /// Exclusive parts of a slice, the last perhaps shorter.
    ChunksMut, [mut], split_at_mut, chunks_mut, ChunksMut, Send, |len, items, one, other| (items, one, other)
);
chunk_source!(
    /// Parts of a slice, from its end; the last perhaps shorter.
    RChunks, [], split_at, rchunks, RChunks, Sync, |len, items, one, other| (len - items, other, one)
);
chunk_source!(
    /// Exclusive parts of a slice, from its end; the last perhaps shorter.
    RChunksMut, [mut], split_at_mut, rchunks_mut, RChunksMut, Send, |len, items, one, other| (len - items, other, one)
);

macro_rules! cloned {
    ($($name:ident)*) => {$(
        impl<T> Clone for $name<'_, T> {
            fn clone(&self) -> Self {
                Self { ..*self }
            }
        }
    )*};
}

cloned!(SliceIter Chunks RChunks Windows);

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
#[derive(Clone, Debug)]
pub struct RangeIter<N>(pub Range<N>);

macro_rules! range_source {
    ($exact:literal: $($number:ty)*) => {$(
        // SAFETY: a range splits where it is told, and gives each number once. One that says that it is exact panics if it has more
        // numbers than usize can count, which only 32-bit machines can have; the others weigh at most that.
        unsafe impl Source for RangeIter<$number> {
            type Item = $number;
            type Seq = Range<$number>;
            const EXACT: bool = $exact;

            fn weight(&self) -> usize {
                if self.0.start >= self.0.end {
                    return 0;
                }
                let count = usize::try_from(self.0.end.abs_diff(self.0.start));
                if $exact {
                    count.expect("a range of more numbers than usize can count")
                } else {
                    count.unwrap_or(usize::MAX)
                }
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
    )*};
}

range_source!(true: u8 u16 u32 u64 usize i8 i16 i32 i64 isize);
range_source!(false: u128 i128);

/// Where no characters are, between those below and those above.
const SURROGATES: Range<u32> = 0xD800..0xE000;

// SAFETY: it counts what a range of characters gives, and splits there.
unsafe impl Source for RangeIter<char> {
    type Item = char;
    type Seq = Range<char>;
    const EXACT: bool = true;

    fn weight(&self) -> usize {
        let (start, end) = (u32::from(self.0.start), u32::from(self.0.end));
        let hole = if start < SURROGATES.start && end >= SURROGATES.end {
            SURROGATES.end - SURROGATES.start
        } else {
            0
        };
        end.saturating_sub(start).saturating_sub(hole) as usize
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        let start = u32::from(self.0.start);
        let mut middle = start.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
        if start < SURROGATES.start && middle >= SURROGATES.start {
            middle += SURROGATES.end - SURROGATES.start;
        }
        let middle = char::from_u32(middle).unwrap_or(self.0.end);
        (Self(self.0.start..middle), Self(middle..self.0.end))
    }

    fn into_seq(self) -> Range<char> {
        self.0
    }
}

impl ExactSource for RangeIter<char> {}

macro_rules! exact_ranges {
    ($($number:ty)*) => {$(
        impl ExactSource for RangeIter<$number> {}
    )*};
}

exact_ranges!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);
