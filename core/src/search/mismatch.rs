//! Comparing two pieces of memory: equal, and up to where.
#![allow(unsafe_code, reason = "loads within lengths that were checked")]

use super::dispatch::{dispatch, entry};
use super::vector::{Vector, low_bits, word, word_short};

/// Whether `len` bytes are equal.
///
/// # Safety
/// V1; `len` readable bytes at `a` and at `b`.
#[inline(always)]
pub(crate) unsafe fn equal<V: Vector>(a: *const u8, b: *const u8, len: usize) -> bool {
    // SAFETY: each load is of bytes below `len`; the last one of a kind overlaps the one before.
    unsafe {
        if len >= V::BYTES {
            let mut at = 0;
            while len - at > V::BYTES {
                if differs::<V>(a.add(at), b.add(at)) {
                    return false;
                }
                at += V::BYTES;
            }
            let at = len - V::BYTES;
            return !differs::<V>(a.add(at), b.add(at));
        }
        if V::MASKED {
            // Masked lanes are zero in both.
            let hit = V::load_short(a, len).eq(V::load_short(b, len));
            return V::bits(hit) == low_bits(V::BYTES);
        }
        let half = <V::Half as Vector>::BYTES;
        if len >= half {
            let at = len - half;
            return !differs::<V::Half>(a, b) && !differs::<V::Half>(a.add(at), b.add(at));
        }
        if len >= 8 {
            let at = len - 8;
            return (word(a) ^ word(b)) | (word(a.add(at)) ^ word(b.add(at))) == 0;
        }
        word_short(a, len) == word_short(b, len)
    }
}

/// # Safety
/// V1; a vector of readable bytes at each.
#[inline(always)]
unsafe fn differs<V: Vector>(a: *const u8, b: *const u8) -> bool {
    // SAFETY: the caller's.
    let hit = unsafe { V::load(a).eq(V::load(b)) };
    V::bits(hit) != low_bits(V::BYTES)
}

/// How many bytes from the front are equal, `len` at most.
///
/// # Safety
/// V1; `len` readable bytes at `a` and at `b`.
#[inline(always)]
pub(crate) unsafe fn mismatch<V: Vector>(a: *const u8, b: *const u8, len: usize) -> usize {
    let mut at = 0;
    // SAFETY: each load is of bytes below `len`.
    unsafe {
        while len - at >= V::BYTES {
            let bits = V::bits(V::load(a.add(at)).eq(V::load(b.add(at))));
            if bits != low_bits(V::BYTES) {
                return at + bits.trailing_ones() as usize;
            }
            at += V::BYTES;
        }
        let rest = len - at;
        let bits = V::bits(V::load_short(a.add(at), rest).eq(V::load_short(b.add(at), rest)));
        at + (bits.trailing_ones() as usize).min(rest)
    }
}

/// # Safety
/// V1.
#[inline(always)]
pub(super) unsafe fn prefix<V: Vector>(a: &[u8], b: &[u8]) -> usize {
    let len = a.len().min(b.len());
    // SAFETY: V1 is the caller's; both have `len` bytes.
    unsafe { mismatch::<V>(a.as_ptr(), b.as_ptr(), len) }
}

dispatch!(mod prefix_kernel = prefix, fn(a: &[u8], b: &[u8]) -> usize);

/// How many bytes `a` and `b` have in common at their starts.
///
/// ```
/// assert_eq!(underpin_core::search::common_prefix(b"search", b"seat"), 3);
/// ```
#[inline]
#[must_use]
pub fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    entry!(prefix_kernel(a: &[u8], b: &[u8]) -> usize)
}

/// # Safety
/// V1.
#[inline(always)]
pub(super) unsafe fn suffix<V: Vector>(a: &[u8], b: &[u8]) -> usize {
    let len = a.len().min(b.len());
    let (a, b) = (&a[a.len() - len..], &b[b.len() - len..]);
    let mut rest = len;
    // SAFETY: V1; each load is of bytes below `rest`.
    unsafe {
        while rest >= V::BYTES {
            let at = rest - V::BYTES;
            let hit = V::load(a.as_ptr().add(at)).eq(V::load(b.as_ptr().add(at)));
            let differing = V::bits(hit) ^ low_bits(V::BYTES);
            if differing != 0 {
                return len - (at + differing.ilog2() as usize + 1);
            }
            rest = at;
        }
        let hit = V::load_short(a.as_ptr(), rest).eq(V::load_short(b.as_ptr(), rest));
        let differing = !V::bits(hit) & low_bits(rest);
        len - differing.checked_ilog2().map_or(0, |bit| bit as usize + 1)
    }
}

dispatch!(mod suffix_kernel = suffix, fn(a: &[u8], b: &[u8]) -> usize);

/// How many bytes `a` and `b` have in common at their ends.
///
/// ```
/// assert_eq!(underpin_core::search::common_suffix(b"reading", b"ring"), 3);
/// ```
#[inline]
#[must_use]
pub fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    entry!(suffix_kernel(a: &[u8], b: &[u8]) -> usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::detect::Level;
    use alloc::vec::Vec;

    #[test]
    fn the_first_difference_is_found_at_every_place_and_level() {
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            for len in 0..=200 {
                let a: Vec<u8> = (0..len).map(|i| i as u8).collect();
                for at in 0..=len {
                    let mut b = a.clone();
                    if let Some(byte) = b.get_mut(at) {
                        *byte ^= 0x80;
                    }
                    // SAFETY: the level is available.
                    let found = unsafe { prefix_kernel::select(level)(&a, &b) };
                    assert_eq!(found, at, "{level:?} {len}");
                    b.insert(0, 7);
                    // SAFETY: the level is available.
                    let found = unsafe { suffix_kernel::select(level)(&a, &b) };
                    let expected = if at < len { len - at - 1 } else { len };
                    assert_eq!(found, expected, "{level:?} {len}");
                }
            }
        }
        assert_eq!(common_prefix(b"abc", b"abcdef"), 3);
    }
}
