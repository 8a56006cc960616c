//! Needles of one repeated byte: how long its runs are is all there is to know.
#![allow(unsafe_code, reason = "loads at positions the loops keep in bounds")]

use super::kernel::{RevList, Sink};
use super::plan::WINDOW;
use crate::search::vector::{Vector, low_bits};
use crate::search::work;

/// Whether the needle, of two bytes at least, is one repeated byte, and neither too short nor too long for [`scan_runs`].
#[inline(always)]
pub(super) fn is_run(needle: &[u8]) -> bool {
    let (first, last) = (needle[0], needle[needle.len() - 1]);
    first == last
        && needle.len() > 2
        && needle.len() <= WINDOW
        && needle.iter().all(|byte| *byte == first)
}

/// Which positions of a word of 64 end a match, or start one; and what of the word beside it is needed for that.
struct Runs {
    /// Length of the needle.
    len: usize,
    /// Of the word beside, what was known at each step of [`step`](Self::step).
    carry: [u64; 7],
    /// Whether any of it is set from the third on.
    is_deep: bool,
}

impl Runs {
    const fn new(needle: &[u8]) -> Self {
        Self {
            len: needle.len(),
            carry: [0; 7],
            is_deep: false,
        }
    }

    /// Of the positions that have the needle's byte, those with which a whole needle ends, or if `BACKWARD`, starts; words come in order, or
    /// from the back.
    ///
    /// Runs of two bytes, then of four and so on: each such has half of it right beside the other half.
    #[inline(always)]
    fn step<const BACKWARD: bool>(&mut self, mut word: u64) -> u64 {
        work::add(64);
        let mut have = 1;
        for i in 0..6 {
            // Asked where the answer can be foretold: pairs are in most texts here and there.
            if i == 2 {
                if word == 0 && !self.is_deep {
                    return 0;
                }
                self.is_deep = word != 0;
            }
            if 2 * have > self.len {
                break;
            }
            word = beside::<BACKWARD>(word, &mut self.carry[i], 1 << i);
            have *= 2;
        }
        let rest = (self.len - have) as u32;
        if rest > 0 {
            word = beside::<BACKWARD>(word, &mut self.carry[6], rest);
        }
        word
    }
}

/// Bits of which the one `by` before them, or if `BACKWARD`, behind them, is set too; `by < 64`.
#[inline(always)]
fn beside<const BACKWARD: bool>(word: u64, carry: &mut u64, by: u32) -> u64 {
    let over = core::mem::replace(carry, word);
    if BACKWARD {
        word & (word >> by | (over << 1) << (63 - by))
    } else {
        word & (word << by | (over >> 1) >> (63 - by))
    }
}

/// Bit `i` is whether byte `i` of up to 64 at `from` is `byte`.
///
/// # Safety
/// V1; `len` readable bytes at `from`.
#[inline(always)]
unsafe fn equal_bits<V: Vector>(byte: V, from: *const u8, len: usize) -> u64 {
    let mut word = 0;
    let mut at = 0;
    while at < len.min(64) {
        // SAFETY: V1; a vector is loaded only where one is left, else what is left.
        let bits = unsafe {
            if len - at >= V::BYTES {
                V::bits(V::load(from.add(at)).eq(byte))
            } else {
                V::bits(V::load_short(from.add(at), len - at).eq(byte)) & low_bits(len - at)
            }
        };
        word |= bits << at;
        at += V::BYTES;
    }
    word
}

/// Gives `sink` what it wants of the matches from `from` on. Every byte is looked at once, and 64 cost some steps more than that only if pairs of
/// them are the needle's: so time is linear, whatever the haystack.
///
/// # Safety
/// V1; [`is_run`].
#[inline(always)]
pub(super) unsafe fn scan_runs<V: Vector, S: Sink>(
    needle: &[u8],
    haystack: &[u8],
    from: usize,
    sink: &mut S,
) {
    let mut runs = Runs::new(needle);
    let before = needle.len() - 1;
    // SAFETY: V1.
    let byte = unsafe { V::splat(needle[0]) };
    let mut at = from;
    while at < haystack.len() {
        if sink.has_enough(at.saturating_sub(before)) {
            return;
        }
        let left = haystack.len() - at;
        // SAFETY: V1; so many bytes are left. (Where all are, the compiler leaves out what asks for it.)
        let word = unsafe {
            let here = haystack.as_ptr().add(at);
            if left >= 64 {
                equal_bits::<V>(byte, here, 64)
            } else {
                equal_bits::<V>(byte, here, left)
            }
        };
        let ends = runs.step::<false>(word);
        // Where they start; at the front, where that would be before the haystack, none does.
        let (base, starts) = if at >= before {
            (at - before, ends)
        } else {
            (0, ends >> (before - at))
        };
        if starts != 0 && sink.take(base, starts).is_none() {
            return;
        }
        at += 64;
    }
}

/// [`scan_runs`] in the mirror: `list` takes where matches start, the last first, until it wants no more. The matches end in the haystack.
///
/// # Safety
/// V1; [`is_run`].
#[inline(always)]
pub(super) unsafe fn rscan_runs<V: Vector>(needle: &[u8], haystack: &[u8], list: &mut RevList<'_>) {
    let mut runs = Runs::new(needle);
    // SAFETY: V1.
    let byte = unsafe { V::splat(needle[0]) };
    let mut end = haystack.len();
    while end > 0 {
        if list.has_enough(end) {
            return;
        }
        // The first word ends behind the haystack.
        let at = (end - 1) / 64 * 64;
        // SAFETY: V1; so many bytes are there.
        let word = unsafe {
            let here = haystack.as_ptr().add(at);
            if end - at == 64 {
                equal_bits::<V>(byte, here, 64)
            } else {
                equal_bits::<V>(byte, here, end - at)
            }
        };
        let starts = runs.step::<true>(word);
        if starts != 0 && !list.take(at, starts) {
            return;
        }
        end = at;
    }
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
