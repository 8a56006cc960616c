//! The kernels for classes of bytes, once for every class and every instruction set.
//!
//! `find`: one unaligned vector, then aligned ones, four together with one question for all four, then an unaligned one that ends where
//! the haystack ends. Up to four vectors of haystack are four that overlap, with one question; up to one is masked, halved, or put together from
//! words.
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

/// Whether so many bytes are less than a vector, or as much, if one load with a mask does for both.
#[inline(always)]
const fn is_short<V: Vector>(len: usize) -> bool {
    len < V::BYTES || V::MASKED && len == V::BYTES
}

/// Hits in a short haystack: bit `i` is byte `i`.
///
/// # Safety
/// V1; `len` readable bytes at `from`, and [`is_short`].
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
        if is_short::<V>(len) {
            let bits = short_bits::<V, C>(class, start, len);
            return (bits != 0).then(|| bits.trailing_zeros() as usize);
        }
        let needles = class.prepare::<V>();
        if len <= 4 * V::BYTES {
            let places = overlapping::<V>(len);
            let hits = four_at::<V, C>(&needles, start, places);
            return if V::any(any_of::<V>(hits)) {
                Some(first_of::<V>(places, hits))
            } else {
                None
            };
        }
        let hit = C::test(&needles, V::load(start));
        if V::any(hit) {
            return Some(first::<V>(0, hit));
        }
        let mut at = V::BYTES - start.addr() % V::BYTES;
        while len - at >= 4 * V::BYTES {
            let hits = four::<V, C>(&needles, start.add(at));
            if V::any(any_of::<V>(hits)) {
                return Some(at + first_of::<V>(neighbours::<V>(), hits));
            }
            at += 4 * V::BYTES;
        }
        while len - at >= V::BYTES {
            let hit = C::test(&needles, V::load_aligned(start.add(at)));
            if V::any(hit) {
                return Some(first::<V>(at, hit));
            }
            at += V::BYTES;
        }
        if at < len {
            at = len - V::BYTES;
            let hit = C::test(&needles, V::load(start.add(at)));
            if V::any(hit) {
                return Some(first::<V>(at, hit));
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
        if is_short::<V>(len) {
            let bits = short_bits::<V, C>(class, start, len);
            return bits.checked_ilog2().map(|bit| bit as usize);
        }
        let needles = class.prepare::<V>();
        if len <= 4 * V::BYTES {
            let places = overlapping::<V>(len);
            let hits = four_at::<V, C>(&needles, start, places);
            return if V::any(any_of::<V>(hits)) {
                Some(last_of::<V>(places, hits))
            } else {
                None
            };
        }
        let hit = C::test(&needles, V::load(start.add(len - V::BYTES)));
        if V::any(hit) {
            return Some(last::<V>(len - V::BYTES, hit));
        }
        // All below `at` is still to be searched; `start + at` is aligned from here on.
        let mut at = len - start.add(len).addr() % V::BYTES;
        if at == len {
            at -= V::BYTES;
        }
        while at >= 4 * V::BYTES {
            let hits = four::<V, C>(&needles, start.add(at - 4 * V::BYTES));
            at -= 4 * V::BYTES;
            if V::any(any_of::<V>(hits)) {
                return Some(at + last_of::<V>(neighbours::<V>(), hits));
            }
        }
        while at >= V::BYTES {
            at -= V::BYTES;
            let hit = C::test(&needles, V::load_aligned(start.add(at)));
            if V::any(hit) {
                return Some(last::<V>(at, hit));
            }
        }
        if at > 0 {
            let hit = C::test(&needles, V::load(start));
            if V::any(hit) {
                return Some(last::<V>(0, hit));
            }
        }
        None
    }
}

// No closures: those are compiled without the level's instructions wherever the compiler does not inline them.
#[inline(always)]
fn first<V: Vector>(at: usize, hit: V::Hit) -> usize {
    at + V::bits(hit).trailing_zeros() as usize
}

#[inline(always)]
fn last<V: Vector>(at: usize, hit: V::Hit) -> usize {
    at + V::bits(hit).ilog2() as usize
}

#[inline(always)]
fn any_of<V: Vector>(hits: [V::Hit; 4]) -> V::Hit {
    V::hit_or(V::hit_or(hits[0], hits[1]), V::hit_or(hits[2], hits[3]))
}

/// The first hit of vectors at four places, some of which has one. (Not a loop over arrays: those would be in memory.)
#[inline(always)]
fn first_of<V: Vector>(at: [usize; 4], hits: [V::Hit; 4]) -> usize {
    if V::any(hits[0]) {
        first::<V>(at[0], hits[0])
    } else if V::any(hits[1]) {
        first::<V>(at[1], hits[1])
    } else if V::any(hits[2]) {
        first::<V>(at[2], hits[2])
    } else {
        first::<V>(at[3], hits[3])
    }
}

/// The last hit, likewise.
#[inline(always)]
fn last_of<V: Vector>(at: [usize; 4], hits: [V::Hit; 4]) -> usize {
    if V::any(hits[3]) {
        last::<V>(at[3], hits[3])
    } else if V::any(hits[2]) {
        last::<V>(at[2], hits[2])
    } else if V::any(hits[1]) {
        last::<V>(at[1], hits[1])
    } else {
        last::<V>(at[0], hits[0])
    }
}

/// Where four neighbouring vectors start.
#[inline(always)]
const fn neighbours<V: Vector>() -> [usize; 4] {
    [0, V::BYTES, 2 * V::BYTES, 3 * V::BYTES]
}

/// Where four vectors start that cover `len` bytes, one to four vectors.
#[inline(always)]
fn overlapping<V: Vector>(len: usize) -> [usize; 4] {
    let last = len - V::BYTES;
    [0, V::BYTES.min(last), (2 * V::BYTES).min(last), last]
}

/// # Safety
/// V1; a vector of readable bytes at each of `places` behind `from`.
#[inline(always)]
unsafe fn four_at<V: Vector, C: Class>(
    needles: &C::Needles<V>,
    from: *const u8,
    places: [usize; 4],
) -> [V::Hit; 4] {
    // SAFETY: the caller's.
    unsafe {
        [
            C::test(needles, V::load(from.add(places[0]))),
            C::test(needles, V::load(from.add(places[1]))),
            C::test(needles, V::load(from.add(places[2]))),
            C::test(needles, V::load(from.add(places[3]))),
        ]
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

/// How many bytes are of the class: one counter a lane, added up before it can run over; with mask registers, their bits counted, as a
/// mask is dearer to turn into lanes again.
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
        while V::MASKED && len - at >= 4 * V::BYTES {
            let hits = four::<V, C>(&needles, start.add(at));
            let low = V::bits(hits[0]).count_ones() + V::bits(hits[1]).count_ones();
            let high = V::bits(hits[2]).count_ones() + V::bits(hits[3]).count_ones();
            total += (low + high) as usize;
            at += 4 * V::BYTES;
        }
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

/// Bytes that [`collect`] looks at together.
const BLOCK: usize = 256;

/// Places that [`Hits`] has room for: those of a word of 64 bytes, what a vector writes too much, and enough before them.
const PLACES: usize = 192;
/// With more than this, the next word may not fit.
const FULL: usize = PLACES - 64 - 32;

/// How far behind the first hit a list goes at most, so that places fit in 16 bits.
pub(crate) const REACH_MAX: usize = 32 << 10;

/// How far a list may go that follows one of `reach`. The first goes no further than it must; only who asks for more makes the kernels look
/// ahead.
#[inline(always)]
pub(crate) fn further(reach: usize) -> usize {
    REACH_MAX.min(2 * reach + 256)
}

/// Hits that were found and wait to be handed out.
#[derive(Clone)]
pub(crate) struct Hits {
    /// Where places are counted from.
    base: usize,
    /// All before it has been looked at.
    pub(crate) next: usize,
    first: usize,
    end: usize,
    places: [u16; PLACES],
}

impl Hits {
    pub(crate) const fn new() -> Self {
        Self {
            base: 0,
            next: 0,
            first: 0,
            end: 0,
            places: [0; PLACES],
        }
    }

    /// The next of them.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<usize> {
        if self.first >= self.end {
            return None;
        }
        let at = self.base + usize::from(*self.places.get(self.first)?);
        self.first += 1;
        Some(at)
    }

    /// The next of them, where they were added with [`add_before`](Self::add_before).
    #[inline(always)]
    pub(crate) fn pop_before(&mut self) -> Option<usize> {
        if self.first >= self.end {
            return None;
        }
        let at = self.base - usize::from(*self.places.get(self.first)?);
        self.first += 1;
        Some(at)
    }

    /// All that are left.
    #[inline(always)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let left = self.places.get(self.first..self.end).unwrap_or(&[]);
        left.iter().map(|place| self.base + usize::from(*place))
    }

    /// How many are left.
    pub(crate) fn len(&self) -> usize {
        self.end - self.first
    }

    /// Forgets all; `next` is where to go on if nothing is found.
    #[inline(always)]
    pub(crate) fn clear(&mut self, next: usize) {
        (self.next, self.first, self.end) = (next, 0, 0);
    }

    /// Counts places from `at`, which is the first of them.
    #[inline(always)]
    pub(crate) fn start(&mut self, at: usize) {
        (self.base, self.first, self.end) = (at, 0, 0);
    }

    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.end >= PLACES
    }

    /// Adds the one at `at`, less than 64 KiB behind the base, if there is room.
    #[inline(always)]
    pub(crate) fn add(&mut self, at: usize) {
        self.add_distance(at - self.base);
    }

    /// Adds the one at `at`, less than 64 KiB before the base, if there is room.
    #[inline(always)]
    pub(crate) fn add_before(&mut self, at: usize) {
        self.add_distance(self.base - at);
    }

    #[inline(always)]
    fn add_distance(&mut self, distance: usize) {
        debug_assert!(distance <= usize::from(u16::MAX));
        if let Some(place) = self.places.get_mut(self.end) {
            *place = distance as u16;
            self.end += 1;
        }
    }

    /// Adds the hits of the word at `at`.
    ///
    /// # Safety
    /// V1; at most [`FULL`] hits are there, and `at` is less than 64 KiB behind the base.
    #[inline(always)]
    unsafe fn push<V: Vector>(&mut self, bits: u64, at: usize) {
        debug_assert!(self.end <= FULL && at - self.base <= usize::from(u16::MAX));
        let offset = (at - self.base) as u16;
        // SAFETY: V1; there is room for 64 places and for a vector's worth of others behind them.
        unsafe { V::places(bits, offset, self.places.as_mut_ptr().add(self.end)) };
        self.end += bits.count_ones() as usize;
    }
}

/// Takes down the hits from `from` on: at least those of the first word of 64 bytes that has any, then of what lies up to `reach` behind it,
/// until the room is filled. None at all if there is none up to the end.
///
/// # Safety
/// V1; `from <= haystack.len()` and `reach <= REACH_MAX`.
#[inline(always)]
pub(crate) unsafe fn collect<V: Vector, C: Class>(
    class: C,
    haystack: &[u8],
    from: usize,
    reach: usize,
    hits: &mut Hits,
) {
    let len = haystack.len();
    let mut at = from;
    hits.start(from);
    // SAFETY: K1: a whole block is looked at only where there is one, else a word at most. Before each `push`, there is room,
    // and the base is near: it moves along until there is a hit, and what is further from it than `reach` ends the loops.
    unsafe {
        if C::has::<V>() {
            let needles = class.prepare::<V>();
            let head = haystack.as_ptr().add(at).addr() % 64;
            if head != 0 && len - at >= 64 {
                let bits = word_bits::<V, C>(&needles, haystack.as_ptr().add(at));
                hits.push::<V>(bits & low_bits(64 - head), at);
                at += 64 - head;
            }
            while len - at >= BLOCK {
                if hits.end == 0 {
                    hits.base = at;
                } else if at - hits.base > reach || hits.end > FULL {
                    hits.next = at;
                    return;
                }
                let here = haystack.as_ptr().add(at);
                let words = [
                    word::<V, C>(&needles, here),
                    word::<V, C>(&needles, here.add(64)),
                    word::<V, C>(&needles, here.add(128)),
                    word::<V, C>(&needles, here.add(192)),
                ];
                if V::any(any_of::<V>(words)) {
                    for (i, word) in words.into_iter().enumerate() {
                        if hits.end > FULL {
                            hits.next = at + 64 * i;
                            return;
                        }
                        let bits = if V::BYTES == 64 {
                            V::bits(word)
                        } else {
                            word_bits::<V, C>(&needles, here.add(64 * i))
                        };
                        hits.push::<V>(bits, at + 64 * i);
                    }
                }
                at += BLOCK;
            }
        }
        while at < len {
            if hits.end == 0 {
                hits.base = at;
            } else if at - hits.base > reach || hits.end > FULL {
                break;
            }
            let rest = (len - at).min(64);
            let bits = rest_bits::<V, C>(class, haystack.as_ptr().add(at), rest);
            hits.push::<V>(bits, at);
            at += rest;
        }
        hits.next = at;
    }
}

/// Whether a word of 64 bytes has a hit, and which, if it is one vector.
///
/// # Safety
/// V1; 64 readable bytes at `from`.
#[inline(always)]
unsafe fn word<V: Vector, C: Class>(needles: &C::Needles<V>, from: *const u8) -> V::Hit {
    // SAFETY: the caller's: within its 64 bytes.
    unsafe {
        let mut hit = C::test(needles, V::load(from));
        let mut offset = V::BYTES;
        while offset < 64 {
            hit = V::hit_or(hit, C::test(needles, V::load(from.add(offset))));
            offset += V::BYTES;
        }
        hit
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
