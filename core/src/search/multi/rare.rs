//! Bytes that are rare in most texts, and one of which each pattern has: where there is none of them, no pattern is, and to look for up to
//! three bytes is quicker than any filter.
#![forbid(unsafe_code)]

use crate::search::{memchr, memchr2, memchr3, memmem::rank};

/// Bytes that are met more often than this are of no use.
const RANK_MAX: u8 = 130;

/// How far into a pattern a byte is looked for.
const REACH: usize = 64;

/// How far from such a start the filter searches before the next byte is looked for.
pub(super) const WINDOW: usize = 512;

/// From so many bytes found on, it is known whether they are rare here too: then this far is between them, on the average.
const TRIAL: u32 = if cfg!(any(test, fuzzing)) { 4 } else { 32 };
const GAP: usize = if cfg!(any(test, fuzzing)) {
    16
} else {
    4 * WINDOW
};

#[derive(Clone, Copy, Debug)]
pub(super) struct Rare {
    /// The second and the third may be the first again.
    bytes: [u8; 3],
    number: usize,
    /// How far behind a pattern's start its first such byte is at most.
    offset: usize,
}

impl Rare {
    /// For patterns that are in lower case if `fold`; nothing if some pattern has only common bytes, or they have too many different ones.
    pub(super) fn new<'p>(patterns: impl Iterator<Item = &'p [u8]>, fold: bool) -> Option<Self> {
        let mut rare = Self {
            bytes: [0; 3],
            number: 0,
            offset: 0,
        };
        for pattern in patterns {
            let start = pattern.get(..REACH).unwrap_or(pattern);
            let known = start.iter().position(|byte| rare.has(*byte));
            let offset = if let Some(known) = known {
                known
            } else {
                let key = |(_, byte): &(usize, &u8)| rank(**byte);
                let (offset, byte) = start.iter().enumerate().min_by_key(key)?;
                rare.add(*byte)?;
                if fold && byte.is_ascii_lowercase() {
                    rare.add(byte.to_ascii_uppercase())?;
                }
                offset
            };
            rare.offset = rare.offset.max(offset);
        }
        let first = rare.bytes[0];
        rare.bytes.get_mut(rare.number..)?.fill(first);
        (rare.number > 0).then_some(rare)
    }

    fn has(&self, byte: u8) -> bool {
        self.bytes
            .iter()
            .take(self.number)
            .any(|known| *known == byte)
    }

    fn add(&mut self, byte: u8) -> Option<()> {
        if rank(byte) > RANK_MAX {
            return None;
        }
        *self.bytes.get_mut(self.number)? = byte;
        self.number += 1;
        Some(())
    }

    /// The first place, from `from` on, where a pattern may start, and that of the byte; none if no pattern does.
    pub(super) fn next(&self, haystack: &[u8], from: usize) -> Option<(usize, usize)> {
        let rest = haystack.get(from..)?;
        let [a, b, c] = self.bytes;
        let found = match self.number {
            1 => memchr(a, rest),
            2 => memchr2(a, b, rest),
            _ => memchr3(a, b, c, rest),
        };
        let byte = from + found?;
        Some((byte.saturating_sub(self.offset).max(from), byte))
    }
}

/// Whether the bytes are rare in this haystack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    found: u32,
    skipped: usize,
}

impl Trial {
    pub(super) const NEW: Self = Self {
        found: 0,
        skipped: 0,
    };

    pub(super) fn pays(self) -> bool {
        self.found < TRIAL || self.skipped / GAP >= self.found as usize
    }

    /// A byte was found behind so many without one.
    pub(super) fn note(&mut self, skipped: usize) {
        self.found = self.found.saturating_add(1);
        self.skipped = self.skipped.saturating_add(skipped);
    }
}
