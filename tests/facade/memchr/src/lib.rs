//! The API of `memchr` 2 over our kernels, so that the test suites of crates that use it run on them.
//!
//! All of the crate's root and of `memmem`. Left out is `arch`, which is that crate's own kernels one by one.
#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;

pub mod memmem;
#[allow(dead_code, unused_imports, reason = "memchr's API is a part of it")]
#[path = "../../../../core/src/search/mod.rs"]
mod search;

use core::iter::Rev;
use search::{
    Bytes, memchr_iter as one, memchr2_iter as two, memchr3_iter as three,
};
pub use search::{memchr, memchr2, memchr3, memrchr, memrchr2, memrchr3};

macro_rules! iterator {
    ($name:ident, $make:ident, ($($needle:ident),+)) => {
        /// Places of the needles, from either end.
        #[derive(Clone, Debug)]
        pub struct $name<'h>(Bytes<'h>);

        impl<'h> $name<'h> {
            /// For a haystack.
            #[inline]
            pub fn new($($needle: u8,)+ haystack: &'h [u8]) -> Self {
                Self($make($($needle,)+ haystack))
            }
        }

        impl Iterator for $name<'_> {
            type Item = usize;
            #[inline]
            fn next(&mut self) -> Option<usize> {
                self.0.next()
            }
            #[inline]
            fn count(self) -> usize {
                self.0.count()
            }
            #[inline]
            fn size_hint(&self) -> (usize, Option<usize>) {
                self.0.size_hint()
            }
        }

        impl DoubleEndedIterator for $name<'_> {
            #[inline]
            fn next_back(&mut self) -> Option<usize> {
                self.0.next_back()
            }
        }

        impl core::iter::FusedIterator for $name<'_> {}
    };
}

iterator!(Memchr, one, (needle1));
iterator!(Memchr2, two, (needle1, needle2));
iterator!(Memchr3, three, (needle1, needle2, needle3));

/// All places of a byte.
#[inline]
pub fn memchr_iter(needle: u8, haystack: &[u8]) -> Memchr<'_> {
    Memchr::new(needle, haystack)
}

/// The same from the back.
#[inline]
pub fn memrchr_iter(needle: u8, haystack: &[u8]) -> Rev<Memchr<'_>> {
    Memchr::new(needle, haystack).rev()
}

/// All places of either of two bytes.
#[inline]
pub fn memchr2_iter(needle1: u8, needle2: u8, haystack: &[u8]) -> Memchr2<'_> {
    Memchr2::new(needle1, needle2, haystack)
}

/// The same from the back.
#[inline]
pub fn memrchr2_iter(needle1: u8, needle2: u8, haystack: &[u8]) -> Rev<Memchr2<'_>> {
    Memchr2::new(needle1, needle2, haystack).rev()
}

/// All places of any of three bytes.
#[inline]
pub fn memchr3_iter(needle1: u8, needle2: u8, needle3: u8, haystack: &[u8]) -> Memchr3<'_> {
    Memchr3::new(needle1, needle2, needle3, haystack)
}

/// The same from the back.
#[inline]
pub fn memrchr3_iter(needle1: u8, needle2: u8, needle3: u8, haystack: &[u8]) -> Rev<Memchr3<'_>> {
    Memchr3::new(needle1, needle2, needle3, haystack).rev()
}
