//! Substrings: the first, the last, all of them.
//!
//! [`find`] and [`rfind`] look once; a [`Finder`] prepares a needle for many haystacks. All take time linear in haystack and needle together, for
//! every input, and constant memory. `kernel` has the algorithm.
#![allow(unsafe_code, reason = "calls of kernels after the processor was asked")]

mod finder;
mod iter;
mod kernel;
mod plan;
mod rank;
mod run;
mod two_way;

pub(super) use rank::rank;
pub(super) use two_way::TwoWay;

pub use finder::Finder;
pub(super) use finder::Needle;
pub use iter::{FindIter, FindRevIter};

use super::byte::kernel::Hits;
use super::dispatch::{dispatch, entry};
use super::{memchr, memrchr};
use plan::State;

/// Needles of one repeated byte, and at least this long, are looked for as runs.
const RUN: usize = 48;

/// In haystacks up to this length, choosing probes costs more than it saves.
const QUICK: usize = 512;

/// In such haystacks, needles up to this length are looked for by a kernel of their own.
const SMALL: usize = 64;

dispatch!(mod find_first = kernel::find, fn(needle: &[u8], probes: [u8; 4], haystack: &[u8]) -> Option<usize>);
dispatch!(mod find_small = kernel::find_small, fn(needle: &[u8], probes: [u8; 4], haystack: &[u8]) -> Option<usize>);
dispatch!(mod find_once = kernel::find_once, fn(needle: &[u8], haystack: &[u8]) -> Option<usize>);
dispatch!(mod rfind_small = kernel::rfind_small, fn(needle: &[u8], probes: [u8; 4], haystack: &[u8]) -> Option<usize>);
dispatch!(mod rfind_once = kernel::rfind_once, fn(needle: &[u8], haystack: &[u8]) -> Option<usize>);
dispatch!(mod scan_all = kernel::scan, fn(needle: &[u8], state: &mut State, haystack: &[u8], from: usize, reach: usize, hits: &mut Hits) -> ());
dispatch!(mod scan_last = kernel::rscan, fn(needle: &[u8], state: &mut State, haystack: &[u8], end: usize, reach: usize, hits: &mut Hits) -> ());
dispatch!(mod long_run = run::scan_run, fn(needle: &[u8], haystack: &[u8], from: usize) -> Option<usize>);

#[inline(always)]
const fn is_small(needle: &[u8], haystack: &[u8]) -> bool {
    haystack.len() <= QUICK && needle.len() <= SMALL
}

/// Where `needle` first occurs in `haystack`. An empty needle occurs at 0.
///
/// ```
/// use underpin_core::search::memmem;
/// assert_eq!(memmem::find(b"the quick brown fox", b"brown"), Some(10));
/// ```
#[inline]
#[must_use]
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    match needle {
        [] => return Some(0),
        [byte] => return memchr(*byte, haystack),
        _ if is_small(needle, haystack) => {
            return entry!(find_once(needle: &[u8], haystack: &[u8]) -> Option<usize>);
        }
        _ if haystack.len() < needle.len() => return None,
        _ if haystack.len() > QUICK => return Finder::new(needle).find(haystack),
        _ => {}
    }
    let probes = State::quick(needle).probes;
    entry!(find_first(needle: &[u8], probes: [u8; 4], haystack: &[u8]) -> Option<usize>)
}

/// Where `needle` last occurs in `haystack`. An empty needle occurs at its end.
#[inline]
#[must_use]
pub fn rfind(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    match needle {
        [] => Some(haystack.len()),
        [byte] => memrchr(*byte, haystack),
        _ if haystack.len() < needle.len() => None,
        _ if is_small(needle, haystack) => {
            entry!(rfind_once(needle: &[u8], haystack: &[u8]) -> Option<usize>)
        }
        _ => Finder::new(needle).rfind(haystack),
    }
}

/// Where `needle` occurs in `haystack`, from the front, without overlaps.
#[inline]
pub fn find_iter<'h, 'n, N: ?Sized + AsRef<[u8]>>(
    haystack: &'h [u8],
    needle: &'n N,
) -> FindIter<'h, 'n> {
    FindIter::new(haystack, Finder::new(needle))
}

/// Where `needle` occurs in `haystack`, from the back, without overlaps.
#[inline]
pub fn rfind_iter<'h, 'n, N: ?Sized + AsRef<[u8]>>(
    haystack: &'h [u8],
    needle: &'n N,
) -> FindRevIter<'h, 'n> {
    FindRevIter::new(haystack, Finder::new(needle))
}

#[cfg(test)]
mod tests;
