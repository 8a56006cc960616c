//! Substring search: two probes at a vector of positions together, candidates narrowed down by further bytes, and bounds on all of it.
//!
//! After Mula, "SIMD-friendly algorithms for substring searching", 2016 (two probes), with these differences.
//!
//! * Four vectors of positions are asked together; the first probe's loads are aligned.
//! * Where more than [`FEW`] positions of a vector pass, further bytes of the needle are tested at all of them together, which is exact after
//!   the whole needle (64 bytes at most): a vector of positions costs at most `needle.len()` steps, however bad haystack and needle are.
//! * Longer needles are compared with `memcmp`, on credit: in vain compared bytes are counted, progress pays [`CREDIT`] bytes for each, and
//!   who is overdrawn continues with Two-Way for a stretch, then tries again. So all work is linear in haystack and needle.
//! * Where probes disappoint too often, the haystack ahead is looked at and rarer ones are taken.
//!
//! # Invariants
//!
//! M1: a position `at` is looked at only if `at + needle.len() <= haystack.len()`; so probe `i` of `lanes` positions reads
//! `at + i .. at + i + lanes`, which ends inside.
#![allow(unsafe_code, reason = "loads at positions the loops keep in bounds")]

use super::plan::{State, WINDOW};
use super::two_way::{Outcome, TwoWay};
use crate::search::mismatch::equal;
use crate::search::vector::{Vector, low_bits};

/// Up to this many candidates of a vector are compared one by one.
const FEW: u32 = 2;
/// Bytes compared in vain that a byte of progress pays for.
const CREDIT: usize = 8;
/// Overdraft that a search starts with, besides four needles.
const OVERDRAFT: usize = 4096;
/// Two-Way searches this far before the probes get another chance, or eight needles if that is more.
const STRETCH: usize = 16 << 10;
/// Bytes ahead in which candidates for probes are counted.
const SAMPLE: usize = 512;

/// Matches at `base + i` for every bit `i` of `mask`; none at all if it is zero. Everything before `next` has been looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) base: usize,
    pub(crate) mask: u64,
    pub(crate) next: usize,
}

impl Found {
    const fn nothing(len: usize) -> Self {
        Self {
            base: len,
            mask: 0,
            next: len,
        }
    }

    const fn at(base: usize) -> Self {
        Self {
            base,
            mask: 1,
            next: base + 1,
        }
    }
}

/// What stays the same during a scan.
#[derive(Clone, Copy)]
struct Scan<'a> {
    needle: &'a [u8],
    haystack: &'a [u8],
    /// Whether all matches of a vector are wanted, or the first alone is enough.
    all: bool,
    /// Whether the last matches count, not the first.
    backward: bool,
}

#[derive(Clone, Copy)]
struct Probe<V> {
    offsets: [usize; 2],
    bytes: [V; 2],
}

impl<V: Vector> Probe<V> {
    /// # Safety
    /// V1.
    #[inline(always)]
    unsafe fn new(needle: &[u8], probes: [u8; 4]) -> Self {
        let offsets = [usize::from(probes[0]), usize::from(probes[1])];
        // SAFETY: V1, the caller's.
        let bytes = unsafe { [V::splat(needle[offsets[0]]), V::splat(needle[offsets[1]])] };
        Self { offsets, bytes }
    }

    /// # Safety
    /// M1 for the positions of a vector at `at`.
    #[inline(always)]
    unsafe fn test(&self, at: *const u8) -> V::Hit {
        // SAFETY: M1.
        unsafe {
            V::hit_and(
                V::load(at.add(self.offsets[0])).eq(self.bytes[0]),
                V::load(at.add(self.offsets[1])).eq(self.bytes[1]),
            )
        }
    }
}

/// The first matches at or after `from`: all of a vector of positions with `ALL`, else one.
///
/// # Safety
/// V1; the needle has at least two bytes; `state` is of this needle.
#[allow(
    clippy::too_many_lines,
    reason = "one loop and what leads into and out of it"
)]
#[inline(always)]
pub(crate) unsafe fn scan<V: Vector, const ALL: bool>(
    needle: &[u8],
    state: &mut State,
    haystack: &[u8],
    from: usize,
) -> Found {
    let nothing = Found::nothing(haystack.len());
    let scan = Scan {
        needle,
        haystack,
        all: ALL,
        backward: false,
    };
    let Some(last) = haystack.len().checked_sub(needle.len()) else {
        return nothing;
    };
    if from > last {
        return nothing;
    }
    let mut at = from;
    // SAFETY: V1, and M1 by the conditions of the loops.
    unsafe {
        if last - at < V::BYTES - 1 {
            return scan.rest::<V>(state, at, last);
        }
        while at < state.until {
            match scan.two_way::<V>(state, at) {
                Outcome::Found(at) => return Found::at(at),
                Outcome::Absent => return nothing,
                Outcome::Stopped(next) => at = next,
            }
        }
        let mut probe = Probe::<V>::new(needle, state.probes);
        let here = |at: usize| haystack.as_ptr().add(at);
        // Groups looked at in vain since `anchor`.
        let (mut in_vain, mut anchor) = (0, at);
        if last - at >= V::BYTES - 1 {
            // One vector, then on to where the first probe is aligned: positions in between are looked at twice.
            let hit = probe.test(here(at));
            if V::any(hit) {
                let mask = scan.matches::<V>(state, at, hit, u64::MAX);
                if mask != 0 {
                    return Found {
                        base: at,
                        mask,
                        next: at + V::BYTES,
                    };
                }
            }
            at += V::BYTES - here(at + probe.offsets[0]).addr() % V::BYTES;
        }
        while last + 1 >= at + 4 * V::BYTES {
            let hits = [
                probe.test(here(at)),
                probe.test(here(at + V::BYTES)),
                probe.test(here(at + 2 * V::BYTES)),
                probe.test(here(at + 3 * V::BYTES)),
            ];
            let any = V::hit_or(V::hit_or(hits[0], hits[1]), V::hit_or(hits[2], hits[3]));
            if V::any(any) {
                for (i, hit) in hits.into_iter().enumerate() {
                    if V::any(hit) {
                        let base = at + i * V::BYTES;
                        let mask = scan.matches::<V>(state, base, hit, u64::MAX);
                        if mask != 0 {
                            return Found {
                                base,
                                mask,
                                next: base + V::BYTES,
                            };
                        }
                    }
                }
                in_vain += 1;
                if in_vain >= state.patience {
                    // Too often: more than every other group.
                    if (at - anchor) / (8 * V::BYTES) < in_vain as usize && needle.len() > 2 {
                        let enough = at + STRETCH <= last;
                        if enough && state.patience < 1 << 20 {
                            scan.choose_probes::<V>(state, at);
                            probe = Probe::new(needle, state.probes);
                        }
                        state.patience = state.patience.saturating_mul(2);
                    }
                    (in_vain, anchor) = (0, at);
                }
                if scan.is_overdrawn(state, at - from) {
                    state.spent = 0;
                    state.until = at + STRETCH.max(8 * needle.len());
                    return scan_again::<V, ALL>(scan, state, at);
                }
            }
            at += 4 * V::BYTES;
        }
        while last + 1 >= at + V::BYTES {
            let hit = probe.test(here(at));
            if V::any(hit) {
                let mask = scan.matches::<V>(state, at, hit, u64::MAX);
                if mask != 0 {
                    return Found {
                        base: at,
                        mask,
                        next: at + V::BYTES,
                    };
                }
            }
            at += V::BYTES;
        }
        if at <= last {
            // The last vector of positions; those before `at` are known not to match.
            let base = last + 1 - V::BYTES;
            let hit = probe.test(here(base));
            if V::any(hit) {
                let mask = scan.matches::<V>(state, base, hit, !low_bits(at - base));
                if mask != 0 {
                    return Found {
                        base,
                        mask,
                        next: last + 1,
                    };
                }
            }
        }
    }
    nothing
}

/// After a change of engine. Not inlined into itself: the change happens once in at least [`STRETCH`] bytes.
///
/// # Safety
/// As for [`scan`].
#[inline(always)]
unsafe fn scan_again<V: Vector, const ALL: bool>(
    scan: Scan<'_>,
    state: &mut State,
    mut at: usize,
) -> Found {
    let nothing = Found::nothing(scan.haystack.len());
    while at < state.until {
        // SAFETY: V1.
        match unsafe { scan.two_way::<V>(state, at) } {
            Outcome::Found(at) => return Found::at(at),
            Outcome::Absent => return nothing,
            Outcome::Stopped(next) => at = next,
        }
    }
    Found {
        base: at,
        mask: 0,
        next: at,
    }
}

impl Scan<'_> {
    /// Fewer positions than a vector has lanes.
    ///
    /// # Safety
    /// V1; `last - at + 1 < V::BYTES` and M1 up to `last`.
    #[inline(always)]
    unsafe fn rest<V: Vector>(&self, state: &mut State, at: usize, last: usize) -> Found {
        let lanes = last - at + 1;
        let mut bits = low_bits(lanes);
        // SAFETY: M1.
        unsafe {
            for probe in &state.probes[..2] {
                let from = self.haystack.as_ptr().add(at + usize::from(*probe));
                let hit = V::load_short(from, lanes).eq(V::splat(self.needle[usize::from(*probe)]));
                bits &= V::bits(hit);
            }
            if bits != 0 && self.needle.len() > 2 {
                bits = self.verify::<V>(state, at, bits);
            }
        }
        Found {
            base: at,
            mask: bits,
            next: last + 1,
        }
    }

    /// Which positions of a vector at `base`, that passed both probes and are in `wanted`, match.
    ///
    /// # Safety
    /// V1; M1 for the vector's positions.
    #[inline(always)]
    unsafe fn matches<V: Vector>(
        &self,
        state: &mut State,
        base: usize,
        mut hit: V::Hit,
        wanted: u64,
    ) -> u64 {
        let len = self.needle.len();
        let mut bits = V::bits(hit) & wanted;
        // SAFETY: V1, M1.
        unsafe {
            if len > 2 && (len <= 4 || bits.count_ones() > FEW) {
                let narrow = |hit: V::Hit, offset: usize| {
                    let bytes = V::load(self.haystack.as_ptr().add(base + offset));
                    V::hit_and(hit, bytes.eq(V::splat(self.needle[offset])))
                };
                hit = narrow(hit, usize::from(state.probes[2]));
                hit = narrow(hit, usize::from(state.probes[3]));
                bits = V::bits(hit) & wanted;
                if len <= 4 {
                    return bits;
                }
                let end = len.min(WINDOW);
                let mut offset = 0;
                while bits.count_ones() > FEW && offset < end {
                    let stop = end.min(offset + 4);
                    while offset < stop {
                        hit = narrow(hit, offset);
                        offset += 1;
                    }
                    bits = V::bits(hit) & wanted;
                }
                if offset == len {
                    return bits;
                }
            }
            if len == 2 || bits == 0 {
                return bits;
            }
            self.verify::<V>(state, base, bits)
        }
    }

    /// Compares the needle at each position of `bits`; all that match, or the first.
    ///
    /// # Safety
    /// V1; M1 for the positions of `bits`.
    #[inline(always)]
    unsafe fn verify<V: Vector>(&self, state: &mut State, base: usize, mut bits: u64) -> u64 {
        let len = self.needle.len();
        let mut matches = 0;
        while bits != 0 {
            let lane = if self.backward {
                bits.ilog2()
            } else {
                bits.trailing_zeros()
            };
            let at = base + lane as usize;
            // SAFETY: V1; M1 for `at`.
            if unsafe { equal::<V>(self.needle.as_ptr(), self.haystack.as_ptr().add(at), len) } {
                matches |= 1 << lane;
                // A match longer than a vector hides all others of the vector.
                if !self.all || len > 64 {
                    return matches;
                }
            } else if len > 64 {
                state.spent = state.spent.saturating_add(len);
            }
            bits ^= 1 << lane;
        }
        matches
    }

    /// Whether more was compared in vain than `progress` pays for.
    #[inline(always)]
    fn is_overdrawn(&self, state: &State, progress: usize) -> bool {
        let len = self.needle.len();
        len > 64 && state.spent > OVERDRAFT + 4 * len + progress.saturating_mul(CREDIT)
    }

    /// # Safety
    /// V1.
    #[inline(never)]
    unsafe fn two_way<V: Vector>(&self, state: &mut State, at: usize) -> Outcome {
        let factors = *state
            .two_way
            .get_or_insert_with(|| TwoWay::new(self.needle, false));
        // SAFETY: V1; the factorisation is the needle's.
        unsafe { factors.find::<V>(self.needle, self.haystack, at, state.until) }
    }

    /// Takes the two offsets whose bytes are together rarest in what comes next.
    ///
    /// # Safety
    /// V1; M1 for [`SAMPLE`] positions at `at`.
    #[inline(never)]
    unsafe fn choose_probes<V: Vector>(&self, state: &mut State, at: usize) {
        let window = self.needle.len().min(WINDOW);
        let step = window.div_ceil(32);
        let load = |position: usize, offset: usize| {
            // SAFETY: V1, M1.
            unsafe {
                let bytes = V::load(self.haystack.as_ptr().add(position + offset));
                V::bits(bytes.eq(V::splat(self.needle[offset])))
            }
        };
        let frequency = |test: &dyn Fn(usize) -> u64| -> u32 {
            (at..at + SAMPLE)
                .step_by(V::BYTES)
                .map(|position| test(position).count_ones())
                .sum()
        };
        let offsets = || (0..window).step_by(step);
        let Some(first) = offsets().min_by_key(|i| frequency(&|p| load(p, *i))) else {
            return;
        };
        let second = offsets()
            .filter(|i| *i != first)
            .min_by_key(|i| frequency(&|p| load(p, first) & load(p, *i)));
        if let Some(second) = second {
            state.choose(first as u8, second as u8, window);
        }
    }
}

/// The last match that ends at or before `end`: [`scan`] in the mirror, without the change of probes.
///
/// # Safety
/// V1; the needle has at least two bytes; `state` is of this needle; `end <= haystack.len()`.
#[inline(always)]
pub(crate) unsafe fn rscan<V: Vector>(
    needle: &[u8],
    state: &mut State,
    haystack: &[u8],
    end: usize,
) -> Option<usize> {
    let haystack = &haystack[..end];
    let scan = Scan {
        needle,
        haystack,
        all: true,
        backward: true,
    };
    let last = end.checked_sub(needle.len())?;
    let top = |base: usize, mask: u64| base + mask.ilog2() as usize;
    // SAFETY: V1, and M1 by the conditions of the loops.
    unsafe {
        if last < V::BYTES - 1 {
            let found = scan.rest::<V>(state, 0, last);
            return (found.mask != 0).then(|| top(0, found.mask));
        }
        let probe = Probe::<V>::new(needle, state.probes);
        let here = |at: usize| haystack.as_ptr().add(at);
        // All positions below `at` are still to be looked at.
        let mut at = last + 1;
        while at >= 4 * V::BYTES {
            at -= 4 * V::BYTES;
            let hits = [
                probe.test(here(at)),
                probe.test(here(at + V::BYTES)),
                probe.test(here(at + 2 * V::BYTES)),
                probe.test(here(at + 3 * V::BYTES)),
            ];
            let any = V::hit_or(V::hit_or(hits[0], hits[1]), V::hit_or(hits[2], hits[3]));
            if V::any(any) {
                for (i, hit) in hits.into_iter().enumerate().rev() {
                    let base = at + i * V::BYTES;
                    let mask = scan.matches::<V>(state, base, hit, u64::MAX);
                    if mask != 0 {
                        return Some(top(base, mask));
                    }
                }
                if scan.is_overdrawn(state, last - at) {
                    return TwoWay::new(needle, true).rfind(
                        needle,
                        haystack,
                        at + needle.len() - 1,
                    );
                }
            }
        }
        while at >= V::BYTES {
            at -= V::BYTES;
            let hit = probe.test(here(at));
            let mask = scan.matches::<V>(state, at, hit, u64::MAX);
            if mask != 0 {
                return Some(top(at, mask));
            }
        }
        if at > 0 {
            let mask = scan.matches::<V>(state, 0, probe.test(here(0)), low_bits(at));
            if mask != 0 {
                return Some(top(0, mask));
            }
        }
    }
    None
}

/// A needle of one repeated byte: jump to where a match would end, go back to the last other byte, and start behind it. No byte is
/// looked at twice, most are not looked at at all.
///
/// # Safety
/// V1; the needle is not empty and all its bytes are equal.
#[inline(always)]
pub(crate) unsafe fn scan_run<V: Vector>(
    needle: &[u8],
    haystack: &[u8],
    from: usize,
) -> Option<usize> {
    use crate::search::byte::{class::Other, kernel::rfind};
    let (len, byte) = (needle.len(), needle[0]);
    let mut at = from;
    // Everything from `at` to before `known` is the byte.
    let mut known = at;
    loop {
        let end = at.checked_add(len)?;
        if end > haystack.len() {
            return None;
        }
        if haystack[end - 1] != byte {
            at = end;
            known = at;
            continue;
        }
        // SAFETY: V1.
        match unsafe { rfind::<V, _>(Other(byte), &haystack[known..end]) } {
            None => return Some(at),
            Some(other) => {
                at = known + other + 1;
                known = end;
            }
        }
    }
}
