//! Bytes: find the first or last one of a kind, iterate over all, count them.
//!
//! A kind is one byte, two, three, any of a [`ByteSet`], or anything but one byte. Every function takes time linear in the haystack,
//! reads nothing outside it and keeps nothing.
#![allow(unsafe_code, reason = "calls of kernels after the processor was asked")]

pub(crate) mod class;
mod iter;
pub(crate) mod kernel;
mod set;

pub use iter::{Bytes, SetBytes};
pub use set::ByteSet;

use super::dispatch::{dispatch, entry};
use super::vector::Vector;
use class::{One, Other, Three, Two};
use kernel::Hits;

/// Finders from either end: `$arguments` make the class `$class`.
macro_rules! finders {
    ($find:ident, $rfind:ident, $functions:ident: ($($argument:ident: $kind:ty),*) => $class:expr) => {
        mod $functions {
            use super::*;
            #[inline(always)]
            pub(super) unsafe fn find<V: Vector>($($argument: $kind,)* haystack: &[u8]) -> Option<usize> {
                // SAFETY: V1, the caller's.
                unsafe { kernel::find::<V, _>($class, haystack) }
            }
            #[inline(always)]
            pub(super) unsafe fn rfind<V: Vector>($($argument: $kind,)* haystack: &[u8]) -> Option<usize> {
                // SAFETY: V1, the caller's.
                unsafe { kernel::rfind::<V, _>($class, haystack) }
            }
        }
        dispatch!(mod $find = $functions::find, fn($($argument: $kind,)* haystack: &[u8]) -> Option<usize>);
        dispatch!(mod $rfind = $functions::rfind, fn($($argument: $kind,)* haystack: &[u8]) -> Option<usize>);
    };
}

/// Counters, and collectors for iterators.
macro_rules! counters {
    ($count:ident, $collect:ident, $functions:ident: ($($argument:ident: $kind:ty),*) => $class:expr) => {
        mod $functions {
            use super::*;
            #[inline(always)]
            pub(super) unsafe fn count<V: Vector>($($argument: $kind,)* haystack: &[u8]) -> usize {
                // SAFETY: V1, the caller's.
                unsafe { kernel::count::<V, _>($class, haystack) }
            }
            #[inline(always)]
            pub(super) unsafe fn collect<V: Vector>($($argument: $kind,)* haystack: &[u8], from: usize, reach: usize, hits: &mut Hits) {
                // SAFETY: V1, the caller's.
                unsafe { kernel::collect::<V, _>($class, haystack, from, reach, hits) }
            }
        }
        dispatch!(mod $count = $functions::count, fn($($argument: $kind,)* haystack: &[u8]) -> usize);
        dispatch!(mod $collect = $functions::collect, fn($($argument: $kind,)* haystack: &[u8], from: usize, reach: usize, hits: &mut Hits) -> ());
    };
}

finders!(find_one, rfind_one, one: (n: u8) => One(n));
finders!(find_other, rfind_other, other: (n: u8) => Other(n));
finders!(find_two, rfind_two, two: (a: u8, b: u8) => Two(a, b));
finders!(find_three, rfind_three, three: (a: u8, b: u8, c: u8) => Three(a, b, c));
finders!(find_set, rfind_set, of_set: (set: &ByteSet) => set);
counters!(count_one, collect_one, all_one: (n: u8) => One(n));
counters!(count_two, collect_two, all_two: (a: u8, b: u8) => Two(a, b));
counters!(count_three, collect_three, all_three: (a: u8, b: u8, c: u8) => Three(a, b, c));
counters!(count_set, collect_set, all_of_set: (set: &ByteSet) => set);

/// Index of the first `needle`.
///
/// ```
/// assert_eq!(underpin_core::search::memchr(b'k', b"the quick fox"), Some(8));
/// ```
#[inline]
#[must_use]
pub fn memchr(needle: u8, haystack: &[u8]) -> Option<usize> {
    entry!(find_one(needle: u8, haystack: &[u8]) -> Option<usize>)
}

/// Index of the first byte that is either of two.
#[inline]
#[must_use]
pub fn memchr2(a: u8, b: u8, haystack: &[u8]) -> Option<usize> {
    entry!(find_two(a: u8, b: u8, haystack: &[u8]) -> Option<usize>)
}

/// Index of the first byte that is one of three.
#[inline]
#[must_use]
pub fn memchr3(a: u8, b: u8, c: u8, haystack: &[u8]) -> Option<usize> {
    entry!(find_three(a: u8, b: u8, c: u8, haystack: &[u8]) -> Option<usize>)
}

/// Index of the first byte that is not `needle`.
#[inline]
#[must_use]
pub fn memchr_not(needle: u8, haystack: &[u8]) -> Option<usize> {
    entry!(find_other(needle: u8, haystack: &[u8]) -> Option<usize>)
}

/// Index of the last `needle`.
#[inline]
#[must_use]
pub fn memrchr(needle: u8, haystack: &[u8]) -> Option<usize> {
    entry!(rfind_one(needle: u8, haystack: &[u8]) -> Option<usize>)
}

/// Index of the last byte that is either of two.
#[inline]
#[must_use]
pub fn memrchr2(a: u8, b: u8, haystack: &[u8]) -> Option<usize> {
    entry!(rfind_two(a: u8, b: u8, haystack: &[u8]) -> Option<usize>)
}

/// Index of the last byte that is one of three.
#[inline]
#[must_use]
pub fn memrchr3(a: u8, b: u8, c: u8, haystack: &[u8]) -> Option<usize> {
    entry!(rfind_three(a: u8, b: u8, c: u8, haystack: &[u8]) -> Option<usize>)
}

/// Index of the last byte that is not `needle`.
#[inline]
#[must_use]
pub fn memrchr_not(needle: u8, haystack: &[u8]) -> Option<usize> {
    entry!(rfind_other(needle: u8, haystack: &[u8]) -> Option<usize>)
}

/// How often `needle` occurs.
#[inline]
#[must_use]
pub fn count(needle: u8, haystack: &[u8]) -> usize {
    entry!(count_one(needle: u8, haystack: &[u8]) -> usize)
}

/// How many bytes are either of two.
#[inline]
#[must_use]
pub fn count2(a: u8, b: u8, haystack: &[u8]) -> usize {
    entry!(count_two(a: u8, b: u8, haystack: &[u8]) -> usize)
}

/// How many bytes are one of three.
#[inline]
#[must_use]
pub fn count3(a: u8, b: u8, c: u8, haystack: &[u8]) -> usize {
    entry!(count_three(a: u8, b: u8, c: u8, haystack: &[u8]) -> usize)
}

/// Indices of all bytes that are `needle`, from either end.
#[inline]
#[must_use]
pub fn memchr_iter(needle: u8, haystack: &[u8]) -> Bytes<'_> {
    Bytes::new([needle; 3], 1, haystack)
}

/// Indices of all bytes that are either of two, from either end.
#[inline]
#[must_use]
pub fn memchr2_iter(a: u8, b: u8, haystack: &[u8]) -> Bytes<'_> {
    Bytes::new([a, b, b], 2, haystack)
}

/// Indices of all bytes that are one of three, from either end.
#[inline]
#[must_use]
pub fn memchr3_iter(a: u8, b: u8, c: u8, haystack: &[u8]) -> Bytes<'_> {
    Bytes::new([a, b, c], 3, haystack)
}

/// The next hits, for iterators: see [`kernel::collect`].
#[inline]
fn collect(a: u8, haystack: &[u8], from: usize, reach: usize, hits: &mut Hits) {
    assert!(from <= haystack.len() && reach <= kernel::REACH_MAX);
    entry!(collect_one(a: u8, haystack: &[u8], from: usize, reach: usize, hits: &mut Hits) -> ());
}

#[inline]
fn collect2(a: u8, b: u8, haystack: &[u8], from: usize, reach: usize, hits: &mut Hits) {
    assert!(from <= haystack.len() && reach <= kernel::REACH_MAX);
    entry!(collect_two(a: u8, b: u8, haystack: &[u8], from: usize, reach: usize, hits: &mut Hits) -> ());
}

#[inline]
fn collect3(needles: [u8; 3], haystack: &[u8], from: usize, reach: usize, hits: &mut Hits) {
    assert!(from <= haystack.len() && reach <= kernel::REACH_MAX);
    let [a, b, c] = needles;
    entry!(collect_three(a: u8, b: u8, c: u8, haystack: &[u8], from: usize, reach: usize, hits: &mut Hits) -> ());
}

impl ByteSet {
    #[inline]
    fn collect(&self, haystack: &[u8], from: usize, reach: usize, hits: &mut Hits) {
        assert!(from <= haystack.len() && reach <= kernel::REACH_MAX);
        let set = self;
        entry!(collect_set(set: &ByteSet, haystack: &[u8], from: usize, reach: usize, hits: &mut Hits) -> ());
    }

    /// Index of the first byte that is in the set.
    #[inline]
    #[must_use]
    pub fn find(&self, haystack: &[u8]) -> Option<usize> {
        let set = self;
        entry!(find_set(set: &ByteSet, haystack: &[u8]) -> Option<usize>)
    }

    /// Index of the last byte that is in the set.
    #[inline]
    #[must_use]
    pub fn rfind(&self, haystack: &[u8]) -> Option<usize> {
        let set = self;
        entry!(rfind_set(set: &ByteSet, haystack: &[u8]) -> Option<usize>)
    }

    /// How many bytes of `haystack` are in the set.
    #[inline]
    #[must_use]
    pub fn count(&self, haystack: &[u8]) -> usize {
        let set = self;
        entry!(count_set(set: &ByteSet, haystack: &[u8]) -> usize)
    }

    /// Index of the first byte that is not in the set.
    ///
    /// ```
    /// use underpin_core::search::ByteSet;
    /// let blanks = ByteSet::new(b" \t");
    /// let text = b"  two words\t";
    /// assert_eq!((blanks.find_not(text), blanks.rfind_not(text)), (Some(2), Some(10)));
    /// assert_eq!(blanks.find_not(b" "), None);
    /// ```
    #[inline]
    #[must_use]
    pub fn find_not(&self, haystack: &[u8]) -> Option<usize> {
        self.complement().find(haystack)
    }

    /// Index of the last byte that is not in the set.
    #[inline]
    #[must_use]
    pub fn rfind_not(&self, haystack: &[u8]) -> Option<usize> {
        self.complement().rfind(haystack)
    }

    /// Indices of all bytes that are in the set, in order.
    #[inline]
    pub fn find_iter<'h>(&self, haystack: &'h [u8]) -> SetBytes<'h> {
        SetBytes::new(*self, haystack)
    }
}

#[cfg(test)]
mod tests;
