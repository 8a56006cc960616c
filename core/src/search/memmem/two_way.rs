//! Two-Way: linear time and constant memory for every needle and haystack.
//!
//! Crochemore and Perrin, "Two-way string-matching", JACM 38(3), 1991. The needle is cut at a critical position; its right part is
//! compared first, left to right, and a mismatch after `k` bytes allows a step of `k + 1`; then the left part, and a mismatch there allows
//! a step of the needle's period. With a short period, what is known to match after such a step is remembered.
//!
//! We differ in: parts are compared a vector at a time, and where nothing is remembered, the next position is found by a filter that tests
//! the right part's first bytes ([`FILTER`] at most) at a whole vector of positions. So a step after a mismatch is longer than the filter,
//! and the speed has a floor.
#![allow(unsafe_code, reason = "loads at positions the loops keep in bounds")]

use crate::search::mismatch::{equal, mismatch};
use crate::search::vector::{Vector, low_bits};
use crate::search::work;

/// Bytes of the right part that the filter tests.
const FILTER: usize = 16;

/// A needle's critical factorisation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TwoWay {
    /// Where the right part starts.
    critical: usize,
    /// The step after the right part matched.
    period: usize,
    /// Whether `period` is a period of the whole needle, so that the rest matches after the step.
    short: bool,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Found(usize),
    Absent,
    /// Nothing before this position; from there on not looked at.
    Stopped(usize),
}

impl TwoWay {
    /// Factorises `needle`, read forward or, for searches from the end, backward. Linear in the needle.
    pub(crate) fn new(needle: &[u8], backward: bool) -> Self {
        let len = needle.len();
        if backward {
            Self::of(len, &|i| needle[len - 1 - i])
        } else {
            Self::of(len, &|i| needle[i])
        }
    }

    /// Factorises the needle of `len` bytes that `byte` gives.
    pub(crate) fn of(len: usize, byte: &impl Fn(usize) -> u8) -> Self {
        let (less, less_period) = maximal_suffix(len, byte, false);
        let (more, more_period) = maximal_suffix(len, byte, true);
        let (critical, period) = if less > more {
            (less, less_period)
        } else {
            (more, more_period)
        };
        let short = (0..critical).all(|i| byte(i) == byte(i + period));
        Self {
            critical,
            period: if short {
                period
            } else {
                critical.max(len - critical) + 1
            },
            short,
        }
    }

    /// Looks for `needle` at positions from `at` to before `until`; one search can go on where another stopped.
    ///
    /// # Safety
    /// V1; `self` is the factorisation of `needle`, read forward.
    #[inline(always)]
    pub(crate) unsafe fn find<V: Vector>(
        &self,
        needle: &[u8],
        haystack: &[u8],
        mut at: usize,
        until: usize,
    ) -> Outcome {
        let len = needle.len();
        let Some(last) = haystack.len().checked_sub(len) else {
            return Outcome::Absent;
        };
        let (n, h) = (needle.as_ptr(), haystack.as_ptr());
        // How much of the needle's start is known to match at `at`.
        let mut known = 0;
        loop {
            if known == 0 {
                if at >= until && at <= last {
                    return Outcome::Stopped(at);
                }
                // SAFETY: V1; `critical < len` and positions are at most `last`.
                at = match unsafe { self.filter::<V>(needle, haystack, at, last) } {
                    Some(at) => at,
                    None => return Outcome::Absent,
                };
            } else if at > last {
                return Outcome::Absent;
            }
            let from = self.critical.max(known);
            // SAFETY: V1; `from <= len` and `at + len <= haystack.len()`, as `at <= last`.
            let (right, left) = unsafe {
                let right = mismatch::<V>(n.add(from), h.add(at + from), len - from);
                let left = from + right == len
                    && (known >= self.critical
                        || equal::<V>(n.add(known), h.add(at + known), self.critical - known));
                (right, left)
            };
            work::add(
                right
                    + 1
                    + if left {
                        self.critical.saturating_sub(known)
                    } else {
                        0
                    },
            );
            if from + right < len {
                at += from + right - self.critical + 1;
                known = 0;
            } else if left {
                return Outcome::Found(at);
            } else {
                at += self.period;
                known = if self.short { len - self.period } else { 0 };
            }
        }
    }

    /// The first position from `at` to `last` where the right part's first bytes are.
    ///
    /// # Safety
    /// V1; every position's right part lies in the haystack.
    #[inline(always)]
    unsafe fn filter<V: Vector>(
        &self,
        needle: &[u8],
        haystack: &[u8],
        mut at: usize,
        last: usize,
    ) -> Option<usize> {
        let right = &needle[self.critical..];
        let tested = right.len().min(FILTER);
        while at <= last {
            let lanes = (last - at + 1).min(V::BYTES);
            let mut bits = low_bits(lanes);
            for (i, byte) in right[..tested].iter().enumerate() {
                work::add(lanes);
                // SAFETY: position `at + lanes - 1 <= last` has its right part in the haystack, of which this is byte `i`.
                bits &= unsafe {
                    let from = haystack.as_ptr().add(at + self.critical + i);
                    let bytes = if lanes == V::BYTES {
                        V::load(from)
                    } else {
                        V::load_short(from, lanes)
                    };
                    V::bits(bytes.eq(V::splat(*byte)))
                };
                if bits == 0 {
                    break;
                }
            }
            if bits != 0 {
                return Some(at + bits.trailing_zeros() as usize);
            }
            at += lanes;
        }
        None
    }

    /// The last match that ends at or before `end`; `self` is the factorisation of `needle` read backward.
    pub(crate) fn rfind(&self, needle: &[u8], haystack: &[u8], end: usize) -> Option<usize> {
        let len = needle.len();
        let (byte, text) = (|i| needle[len - 1 - i], |i| haystack[end - 1 - i]);
        let at = self.find_by(len, &byte, end, &text)?;
        Some(end - at - len)
    }

    /// The first match of the needle of `len` bytes that `byte` gives, in the haystack of `end` bytes that `text` gives. Byte by byte: it is
    /// only for haystacks made to be hard, in searches that are rarer than [`find`](Self::find)'s.
    pub(crate) fn find_by(
        &self,
        len: usize,
        byte: &impl Fn(usize) -> u8,
        end: usize,
        text: &impl Fn(usize) -> u8,
    ) -> Option<usize> {
        let mut at = 0;
        let mut known = 0;
        while at + len <= end {
            let differs = |i: &usize| byte(*i) != text(at + *i);
            let from = self.critical.max(known);
            if let Some(i) = (from..len).find(differs) {
                work::add(i - from + 1);
                at += i - self.critical + 1;
                known = 0;
                continue;
            }
            work::add(len - known);
            if !(known.min(self.critical)..self.critical).any(|i| differs(&i)) {
                return Some(at);
            }
            at += self.period;
            known = if self.short { len - self.period } else { 0 };
        }
        None
    }
}

/// Start and period of the greatest suffix, by the order of bytes or its reverse.
fn maximal_suffix(len: usize, byte: &impl Fn(usize) -> u8, reversed: bool) -> (usize, usize) {
    // `start` is the best suffix so far, `other` a rival, `offset` how far the two agree.
    let (mut start, mut other, mut offset, mut period) = (0, 1, 0, 1);
    while other + offset < len {
        let (a, b) = (byte(other + offset), byte(start + offset));
        if a == b {
            if offset + 1 == period {
                other += period;
                offset = 0;
            } else {
                offset += 1;
            }
        } else if (a < b) != reversed {
            other += offset + 1;
            offset = 0;
            period = other - start;
        } else {
            start = other;
            other = start + 1;
            offset = 0;
            period = 1;
        }
    }
    (start, period)
}
