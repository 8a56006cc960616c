//! The kernels for classes of bytes, once for every class and every instruction set.
//!
//! `find`: one unaligned vector, then aligned ones, four together with one question for all four, then an unaligned one that ends where
//! the haystack ends. Up to two vectors of haystack are two overlapping vectors; less than one is masked, halved, or put together from words.
//!
//! ```text
//! |--head--|                                          |--tail--|
//!      |aligned|aligned|aligned|aligned| ... |aligned|
//! ```
//!
//! # Invariants
//!
//! K1: every load lies within the haystack: heads and tails because it is at least a vector long, aligned ones because the loop's
//! condition counts what is left.

use super::class::Class;
use crate::search::vector::{Vector, low_bits};

/// Hits in a haystack shorter than a vector: bit `i` is byte `i`.
///
/// # Safety
/// V1; `len < V::BYTES` readable bytes at `from`.
#[inline(always)]
pub(crate) unsafe fn short_bits<V: Vector, C: Class>(class: C, from: *const u8, len: usize) -> u64 {
    // SAFETY: K1: a half vector is loaded only where it fits, else `len` bytes.
    unsafe {
        if V::MASKED || !C::has::<V::Half>() {
            let needles = class.prepare::<V>();
            return V::bits(C::test(&needles, V::load_short(from, len))) & low_bits(len);
        }
        let half = <V::Half as Vector>::BYTES;
        let needles = class.prepare::<V::Half>();
        if len >= half {
            let head = V::Half::load(from);
            let tail = V::Half::load(from.add(len - half));
            let head = <V::Half as Vector>::bits(C::test(&needles, head));
            let tail = <V::Half as Vector>::bits(C::test(&needles, tail));
            // What overlaps was tested twice, to the same result.
            head | tail << (len - half)
        } else {
            let bytes = V::Half::load_short(from, len);
            <V::Half as Vector>::bits(C::test(&needles, bytes)) & low_bits(len)
        }
    }
}

/// The first byte of the class.
///
/// # Safety
/// V1.
#[inline(always)]
pub(crate) unsafe fn find<V: Vector, C: Class>(class: C, haystack: &[u8]) -> Option<usize> {
    if !C::has::<V>() {
        return haystack.iter().position(|byte| class.test_byte(*byte));
    }
    let (start, len) = (haystack.as_ptr(), haystack.len());
    // SAFETY: K1.
    unsafe {
        if len < V::BYTES {
            let bits = short_bits::<V, C>(class, start, len);
            return (bits != 0).then(|| bits.trailing_zeros() as usize);
        }
        let needles = class.prepare::<V>();
        let first = |at: usize, hit: V::Hit| at + V::bits(hit).trailing_zeros() as usize;
        let hit = C::test(&needles, V::load(start));
        if V::any(hit) {
            return Some(first(0, hit));
        }
        let mut at = V::BYTES - start.addr() % V::BYTES;
        while len - at >= 4 * V::BYTES {
            let hits = four::<V, C>(&needles, start.add(at));
            let all = V::hit_or(V::hit_or(hits[0], hits[1]), V::hit_or(hits[2], hits[3]));
            if V::any(all) {
                for (i, hit) in hits.into_iter().enumerate() {
                    if V::any(hit) {
                        return Some(first(at + i * V::BYTES, hit));
                    }
                }
            }
            at += 4 * V::BYTES;
        }
        while len - at >= V::BYTES {
            let hit = C::test(&needles, V::load_aligned(start.add(at)));
            if V::any(hit) {
                return Some(first(at, hit));
            }
            at += V::BYTES;
        }
        if at < len {
            at = len - V::BYTES;
            let hit = C::test(&needles, V::load(start.add(at)));
            if V::any(hit) {
                return Some(first(at, hit));
            }
        }
        None
    }
}

/// The last byte of the class: [`find`] in the mirror.
///
/// # Safety
/// V1.
#[inline(always)]
pub(crate) unsafe fn rfind<V: Vector, C: Class>(class: C, haystack: &[u8]) -> Option<usize> {
    if !C::has::<V>() {
        return haystack.iter().rposition(|byte| class.test_byte(*byte));
    }
    let (start, len) = (haystack.as_ptr(), haystack.len());
    // SAFETY: K1.
    unsafe {
        if len < V::BYTES {
            let bits = short_bits::<V, C>(class, start, len);
            return bits.checked_ilog2().map(|bit| bit as usize);
        }
        let needles = class.prepare::<V>();
        let last = |at: usize, hit: V::Hit| at + V::bits(hit).ilog2() as usize;
        let hit = C::test(&needles, V::load(start.add(len - V::BYTES)));
        if V::any(hit) {
            return Some(last(len - V::BYTES, hit));
        }
        // All below `at` is still to be searched; `start + at` is aligned from here on.
        let mut at = len - start.add(len).addr() % V::BYTES;
        if at == len {
            at -= V::BYTES;
        }
        while at >= 4 * V::BYTES {
            let hits = four::<V, C>(&needles, start.add(at - 4 * V::BYTES));
            let all = V::hit_or(V::hit_or(hits[0], hits[1]), V::hit_or(hits[2], hits[3]));
            at -= 4 * V::BYTES;
            if V::any(all) {
                for (i, hit) in hits.into_iter().enumerate().rev() {
                    if V::any(hit) {
                        return Some(last(at + i * V::BYTES, hit));
                    }
                }
            }
        }
        while at >= V::BYTES {
            at -= V::BYTES;
            let hit = C::test(&needles, V::load_aligned(start.add(at)));
            if V::any(hit) {
                return Some(last(at, hit));
            }
        }
        if at > 0 {
            let hit = C::test(&needles, V::load(start));
            if V::any(hit) {
                return Some(last(0, hit));
            }
        }
        None
    }
}

/// # Safety
/// V1; four aligned vectors of readable bytes at `from`.
#[inline(always)]
unsafe fn four<V: Vector, C: Class>(needles: &C::Needles<V>, from: *const u8) -> [V::Hit; 4] {
    // SAFETY: the caller's.
    unsafe {
        [
            C::test(needles, V::load_aligned(from)),
            C::test(needles, V::load_aligned(from.add(V::BYTES))),
            C::test(needles, V::load_aligned(from.add(2 * V::BYTES))),
            C::test(needles, V::load_aligned(from.add(3 * V::BYTES))),
        ]
    }
}

/// How many bytes are of the class: one counter a lane, added up before it can run over.
///
/// # Safety
/// V1.
#[inline(always)]
pub(crate) unsafe fn count<V: Vector, C: Class>(class: C, haystack: &[u8]) -> usize {
    /// Rounds of four between sums: a lane grows by one a round in each of four counters.
    const ROUNDS: usize = 255;
    if !C::has::<V>() {
        return haystack
            .iter()
            .filter(|byte| class.test_byte(**byte))
            .count();
    }
    let (start, len) = (haystack.as_ptr(), haystack.len());
    // SAFETY: K1.
    unsafe {
        if len < V::BYTES {
            return short_bits::<V, C>(class, start, len).count_ones() as usize;
        }
        let needles = class.prepare::<V>();
        // The head up to the first aligned vector; its mask leaves out what that vector has.
        let mut at = V::BYTES - start.addr() % V::BYTES;
        let head = V::bits(C::test(&needles, V::load(start)));
        let mut total = (head & low_bits(at)).count_ones() as usize;
        let zero = V::splat(0);
        while len - at >= 4 * V::BYTES {
            let rounds = ((len - at) / (4 * V::BYTES)).min(ROUNDS);
            let mut lanes = [zero; 4];
            for _ in 0..rounds {
                let hits = four::<V, C>(&needles, start.add(at));
                for (lane, hit) in lanes.iter_mut().zip(hits) {
                    *lane = lane.tally(hit);
                }
                at += 4 * V::BYTES;
            }
            for lane in lanes {
                total += lane.sum() as usize;
            }
        }
        while len - at >= V::BYTES {
            let bits = V::bits(C::test(&needles, V::load_aligned(start.add(at))));
            total += bits.count_ones() as usize;
            at += V::BYTES;
        }
        if at < len {
            let new = len - at;
            let bits = V::bits(C::test(&needles, V::load(start.add(len - V::BYTES))));
            total += (bits >> (V::BYTES - new)).count_ones() as usize;
        }
        total
    }
}

/// Bytes that one call of [`block`] looks at together.
pub(crate) const BLOCK: usize = 256;

/// Looks for the first block of 256 bytes at or after `from` with a byte of the class, and gives its masks: where it starts and bit `i` of
/// word `w` for its byte `64 * w + i`. The last block may be short. Past the end, the start is the haystack's length and the masks are zero.
///
/// # Safety
/// V1; `from <= haystack.len()`.
#[inline(always)]
pub(crate) unsafe fn block<V: Vector, C: Class>(
    class: C,
    haystack: &[u8],
    from: usize,
    masks: &mut [u64; 4],
) -> usize {
    let len = haystack.len();
    let mut at = from;
    // SAFETY: K1: a whole block is looked at only where there is one, else a word's worth at a time.
    unsafe {
        if C::has::<V>() {
            let needles = class.prepare::<V>();
            while len - at >= BLOCK {
                let here = haystack.as_ptr().add(at);
                let mut words = [0; 4];
                for (word, offset) in words.iter_mut().zip([0, 64, 128, 192]) {
                    *word = word_bits::<V, C>(&needles, here.add(offset));
                }
                if words[0] | words[1] | words[2] | words[3] != 0 {
                    *masks = words;
                    return at;
                }
                at += BLOCK;
            }
        }
        *masks = [0; 4];
        let mut word = 0;
        let mut start = at;
        while at < len {
            let rest = len - at;
            let bits = rest_bits::<V, C>(class, haystack.as_ptr().add(at), rest.min(64));
            masks[word] = bits;
            at += 64;
            word += 1;
            if word == 4 || at >= len {
                if *masks != [0; 4] {
                    return start;
                }
                word = 0;
                start = at;
            }
        }
        len
    }
}

/// # Safety
/// V1; 64 readable bytes at `from`.
#[inline(always)]
unsafe fn word_bits<V: Vector, C: Class>(needles: &C::Needles<V>, from: *const u8) -> u64 {
    let mut bits = 0;
    let mut offset = 0;
    while offset < 64 {
        // SAFETY: the caller's: within its 64 bytes.
        let hit = C::test(needles, unsafe { V::load(from.add(offset)) });
        bits |= V::bits(hit) << offset;
        offset += V::BYTES;
    }
    bits
}

/// # Safety
/// V1; `len <= 64` readable bytes at `from`.
#[inline(always)]
unsafe fn rest_bits<V: Vector, C: Class>(class: C, from: *const u8, len: usize) -> u64 {
    let mut bits = 0;
    let mut offset = 0;
    // SAFETY: the caller's: vectors only where they fit.
    unsafe {
        if !C::has::<V>() {
            for i in 0..len {
                bits |= u64::from(class.test_byte(*from.add(i))) << i;
            }
            return bits;
        }
        let needles = class.prepare::<V>();
        while len - offset >= V::BYTES {
            bits |= V::bits(C::test(&needles, V::load(from.add(offset)))) << offset;
            offset += V::BYTES;
        }
        if offset < len {
            bits |= short_bits::<V, C>(class, from.add(offset), len - offset) << offset;
        }
        bits
    }
}
