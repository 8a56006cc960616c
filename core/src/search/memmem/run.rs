//! Needles of one repeated byte: how long its runs are is all there is to know.
#![allow(unsafe_code, reason = "loads at positions the loops keep in bounds")]

use super::kernel::Sink;
use super::plan::WINDOW;
use crate::search::vector::{Vector, low_bits};
use crate::search::work;

/// Whether the needle, of two bytes at least, is one repeated byte, and short enough for [`scan_runs`].
#[inline(always)]
pub(super) fn is_run(needle: &[u8]) -> bool {
    let (first, last) = (needle[0], needle[needle.len() - 1]);
    first == last && needle.len() <= WINDOW && needle.iter().all(|byte| *byte == first)
}

/// Runs that go on from one vector to the next.
struct Runs {
    /// Length of the needle.
    len: usize,
    /// How many bytes right before the next vector are the needle's.
    carry: usize,
}

impl Runs {
    /// How many bytes before the next vector matter: those from which a match may reach into it.
    #[inline(always)]
    fn pending(&self) -> usize {
        self.carry.min(self.len - 1)
    }

    /// The next `width <= 64` bytes, at `at`, of which those in `bits` are the needle's. Whether the sink wants more.
    #[inline(always)]
    fn step<S: Sink>(&mut self, at: usize, width: usize, bits: u64, sink: &mut S) -> bool {
        work::add(width);
        let len = self.len;
        // Matches that start before `at`, and end behind it.
        let pending = self.pending();
        let leading = (bits.trailing_ones() as usize).min(width);
        if pending + leading >= len && pending > 0 {
            let over = low_bits((pending + leading - len + 1).min(pending));
            if sink.take(at - pending, over).is_none() {
                return false;
            }
        }
        // Matches within: bit `i` says that `have` bytes from `i` on are right.
        let (mut inside, mut have) = (bits, 1);
        while 2 * have <= len {
            inside &= inside >> have;
            have *= 2;
        }
        inside &= inside >> (len - have);
        if inside != 0 && sink.take(at, inside).is_none() {
            return false;
        }
        self.carry = if leading == width {
            self.carry + width
        } else {
            (bits << (64 - width)).leading_ones() as usize
        };
        true
    }
}

/// Gives `sink` what it wants of the matches from `from` on. Every byte is looked at once, and a vector costs some steps more than that only if
/// it has the needle's byte: so time is linear, whatever the haystack.
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
    let len = haystack.len();
    let (mut at, len_of_needle) = (from, needle.len());
    let mut runs = Runs {
        len: len_of_needle,
        carry: 0,
    };
    // SAFETY: V1; a vector is loaded only where one is left, else what is left.
    unsafe {
        let byte = V::splat(needle[0]);
        let here = |at: usize| haystack.as_ptr().add(at);
        let head = here(at).align_offset(V::BYTES);
        if head > 0 && len - at >= V::BYTES {
            let bits = V::bits(V::load(here(at)).eq(byte)) & low_bits(head);
            if !runs.step(at, head, bits, sink) {
                return;
            }
            at += head;
        }
        while len - at >= 4 * V::BYTES {
            if sink.has_enough(at - runs.pending()) {
                return;
            }
            let hits = [
                V::load_aligned(here(at)).eq(byte),
                V::load_aligned(here(at + V::BYTES)).eq(byte),
                V::load_aligned(here(at + 2 * V::BYTES)).eq(byte),
                V::load_aligned(here(at + 3 * V::BYTES)).eq(byte),
            ];
            let any = V::hit_or(V::hit_or(hits[0], hits[1]), V::hit_or(hits[2], hits[3]));
            if V::any(any) {
                for (i, hit) in hits.into_iter().enumerate() {
                    let at = at + i * V::BYTES;
                    if !runs.step(at, V::BYTES, V::bits(hit), sink) {
                        return;
                    }
                }
            } else {
                runs.carry = 0;
            }
            at += 4 * V::BYTES;
        }
        while at < len {
            let width = (len - at).min(V::BYTES);
            let bytes = if width == V::BYTES {
                V::load(here(at))
            } else {
                V::load_short(here(at), width)
            };
            let bits = V::bits(bytes.eq(byte)) & low_bits(width);
            if !runs.step(at, width, bits, sink) {
                return;
            }
            at += width;
        }
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
