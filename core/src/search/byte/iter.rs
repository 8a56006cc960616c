//! All bytes of a kind, from either end, with the masks of the current block kept.
//!
//! A search that starts anew after each hit pays for it each time; these ask the kernel for the hits of a whole block of 256 bytes and hand
//! them out bit by bit.
#![forbid(unsafe_code)]

use super::kernel::BLOCK;
use super::{ByteSet, memrchr, memrchr2, memrchr3};
use core::fmt;
use core::iter::FusedIterator;

/// The block being handed out.
#[derive(Clone)]
struct Block {
    /// What is left of the word in hand.
    mask: u64,
    /// Where the word in hand starts in the haystack.
    start: usize,
    /// The words of the block that come after it; the others are zero.
    masks: [u64; 4],
    /// Number of the word in hand.
    word: usize,
    /// Where the next block starts.
    next: usize,
}

impl Block {
    const fn new() -> Self {
        Self {
            mask: 0,
            start: 0,
            masks: [0; 4],
            word: 3,
            next: 0,
        }
    }

    /// The next hit of the block.
    #[inline(always)]
    fn pop(&mut self) -> Option<usize> {
        while self.mask == 0 {
            if self.word >= 3 {
                return None;
            }
            self.word += 1;
            self.start += 64;
            self.mask = core::mem::take(&mut self.masks[self.word & 3]);
        }
        let at = self.start + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(at)
    }

    #[inline(always)]
    fn refill(&mut self, len: usize, kernel: impl FnOnce(usize, &mut [u64; 4]) -> usize) {
        self.start = kernel(self.next, &mut self.masks);
        self.word = 0;
        self.next = len.min(self.start + BLOCK);
        self.mask = core::mem::take(&mut self.masks[0]);
    }

    /// Hits left in it.
    fn len(&self) -> usize {
        let later: u32 = self.masks.iter().map(|mask| mask.count_ones()).sum();
        (self.mask.count_ones() + later) as usize
    }
}

/// Indices of one, two or three bytes in a haystack; made by [`memchr_iter`](super::memchr_iter) and its siblings.
#[derive(Clone)]
pub struct Bytes<'h> {
    haystack: &'h [u8],
    needles: [u8; 3],
    kinds: u8,
    block: Block,
    /// Hits from here on were taken from the back.
    end: usize,
}

impl<'h> Bytes<'h> {
    pub(super) const fn new(needles: [u8; 3], kinds: u8, haystack: &'h [u8]) -> Self {
        Self {
            haystack,
            needles,
            kinds,
            block: Block::new(),
            end: haystack.len(),
        }
    }

    #[inline]
    fn refill(&mut self) {
        let ([a, b, c], kinds, haystack) = (self.needles, self.kinds, self.haystack);
        self.block
            .refill(haystack.len(), |from, masks| match kinds {
                1 => super::block(a, haystack, from, masks),
                2 => super::block2(a, b, haystack, from, masks),
                _ => super::block3(a, b, c, haystack, from, masks),
            });
    }
}

impl Iterator for Bytes<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        loop {
            if let Some(at) = self.block.pop() {
                return (at < self.end).then_some(at);
            }
            if self.block.next >= self.end {
                return None;
            }
            self.refill();
        }
    }

    #[inline]
    fn fold<B, F: FnMut(B, usize) -> B>(mut self, init: B, mut f: F) -> B {
        let mut value = init;
        loop {
            while let Some(at) = self.block.pop() {
                if at >= self.end {
                    return value;
                }
                value = f(value, at);
            }
            if self.block.next >= self.end {
                return value;
            }
            self.refill();
        }
    }

    fn count(self) -> usize {
        let next = self.block.next;
        if self.end < next {
            return self.fold(0, |count, _| count + 1);
        }
        let rest = &self.haystack[next..self.end];
        let [a, b, c] = self.needles;
        self.block.len()
            + match self.kinds {
                1 => super::count(a, rest),
                2 => super::count2(a, b, rest),
                _ => super::count3(a, b, c, rest),
            }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let in_hand = self.block.len();
        (0, Some(in_hand + self.end.saturating_sub(self.block.next)))
    }
}

impl DoubleEndedIterator for Bytes<'_> {
    fn next_back(&mut self) -> Option<usize> {
        let [a, b, c] = self.needles;
        let rest = &self.haystack[..self.end];
        let found = match self.kinds {
            1 => memrchr(a, rest),
            2 => memrchr2(a, b, rest),
            _ => memrchr3(a, b, c, rest),
        };
        match found {
            Some(at) if at >= self.block.next || self.block.clone().any_at(at) => {
                self.end = at;
                Some(at)
            }
            // Nothing, or a hit that was handed out from the front.
            _ => {
                self.end = 0;
                None
            }
        }
    }
}

impl Block {
    /// Whether the hit at `at` is still in the block.
    fn any_at(mut self, at: usize) -> bool {
        core::iter::from_fn(|| self.pop()).any(|hit| hit == at)
    }
}

impl FusedIterator for Bytes<'_> {}

impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bytes")
            .field("needles", &&self.needles[..usize::from(self.kinds)])
            .finish_non_exhaustive()
    }
}

/// Indices of the bytes of a set; made by [`ByteSet::find_iter`].
#[derive(Clone)]
pub struct SetBytes<'h> {
    haystack: &'h [u8],
    set: ByteSet,
    block: Block,
}

impl<'h> SetBytes<'h> {
    pub(super) const fn new(set: ByteSet, haystack: &'h [u8]) -> Self {
        Self {
            haystack,
            set,
            block: Block::new(),
        }
    }
}

impl Iterator for SetBytes<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        loop {
            if let Some(at) = self.block.pop() {
                return Some(at);
            }
            if self.block.next >= self.haystack.len() {
                return None;
            }
            let (set, haystack) = (&self.set, self.haystack);
            self.block.refill(haystack.len(), |from, masks| {
                set.block(haystack, from, masks)
            });
        }
    }

    fn count(self) -> usize {
        self.block.len() + self.set.count(&self.haystack[self.block.next..])
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (
            0,
            Some(self.block.len() + self.haystack.len() - self.block.next),
        )
    }
}

impl FusedIterator for SetBytes<'_> {}

impl fmt::Debug for SetBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetBytes")
            .field("set", &self.set)
            .finish_non_exhaustive()
    }
}
