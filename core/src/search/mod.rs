//! Search in bytes: kernels for every instruction set, chosen at run time without `std`.
//!
//! | module | what it finds |
//! |---|---|
//! | this one | bytes: [`memchr`] and its siblings, sets ([`ByteSet`]), iterators, counts |
//! | [`memmem`] | a substring, from either end, all of them |
//! | [`case`], [`fold`] | a substring without regard to the case of ASCII, of any script |
//! | [`distance`] | what differs in a few bytes, or is a few edits away |
//! | `multi` | many substrings at once |
//! | `stream` | any of these over chunks |
//! | [`utf8`], [`utf16`] | validation, characters; conversion, and which it is |
//! | [`lines`], [`words`] | lines, words and their boundaries |
//! | [`detect`] | which instruction set is used |
//!
//! # How it is built
//!
//! A kernel is written once over the vector trait (`vector`), compiled once for each set (`dispatch`, `arch`) and reached through a function pointer
//! that is resolved on the first call, or kept in a searcher. All functions are safe, take linear time (a
//! test counts what the hardest inputs cost) and allocate nothing unless they say otherwise (sets of patterns build an
//! automaton within the first search that is hard for them), and read nothing outside the slices they get.

mod arch;
#[cfg(all(test, feature = "alloc"))]
mod bounds;
mod byte;
pub mod case;
pub mod detect;
mod dispatch;
pub mod distance;
pub mod fold;
pub mod lines;
pub mod memmem;
mod mismatch;
#[cfg(feature = "alloc")]
pub mod multi;
#[cfg(feature = "alloc")]
pub mod stream;
pub mod utf16;
pub mod utf8;
mod vector;
pub mod words;
mod work;

pub use byte::{
    ByteSet, Bytes, SetBytes, count, count2, count3, memchr, memchr_iter, memchr_not, memchr2,
    memchr2_iter, memchr3, memchr3_iter, memrchr, memrchr_not, memrchr2, memrchr3,
};
pub use mismatch::{common_prefix, common_suffix};
