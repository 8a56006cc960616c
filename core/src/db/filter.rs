//! A filter says of a key that it is certainly not in a table, or perhaps is.
//!
//! A blocked Bloom filter (Putze, Sanders, Singler, WEA 2007): a key's bits all lie in one line of 64 bytes, so a question costs
//! one cache miss. Keys are hashed with XXH3; the high half picks the line, the low half gives the bits by double hashing.
//!
//! ```text
//! | line 0: 512 bits | line 1 | ... | bits per key of one line u8 |
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use alloc::vec::Vec;
use core::ops::Range;
use xxhash_rust::xxh3::xxh3_64;

const LINE_BYTES: usize = 64;
/// 512 bits: nine bits of the hash name one.
const LINE_BITS_LOG2: u32 = 9;
const PROBES_MAX: u8 = 16;

/// Gathers hashes until the number of keys is known: eight bytes a key.
#[derive(Debug)]
pub(super) struct FilterBuilder {
    bits_per_key: usize,
    hashes: Vec<u64>,
}

impl FilterBuilder {
    pub(super) const fn new(bits_per_key: usize) -> Self {
        Self {
            bits_per_key,
            hashes: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, key: &[u8]) {
        if self.bits_per_key > 0 {
            self.hashes.push(hash(key));
        }
    }

    /// Keys so far.
    pub(super) const fn len(&self) -> usize {
        self.hashes.len()
    }

    /// How long a filter of so many keys is, roughly.
    pub(super) const fn bytes_of(&self, keys: usize) -> usize {
        keys.saturating_mul(self.bits_per_key).div_ceil(8)
    }

    /// The bytes of a filter of these of the keys; none for no filter.
    pub(super) fn finish(&self, keys: Range<usize>) -> Vec<u8> {
        let hashes = self.hashes.get(keys).unwrap_or_default();
        if hashes.is_empty() {
            return Vec::new();
        }
        let bits = hashes.len().saturating_mul(self.bits_per_key);
        let lines = bits.div_ceil(LINE_BYTES.saturating_mul(8));
        // 0.69 (ln 2) bits set a key and bit of memory gives the fewest false positives.
        let probes = self.bits_per_key.saturating_mul(69).div_euclid(100);
        let probes = u8::try_from(probes)
            .unwrap_or(PROBES_MAX)
            .clamp(1, PROBES_MAX);
        let mut filter = alloc::vec![0u8; lines.saturating_mul(LINE_BYTES)];
        for &hash in hashes {
            let start = line(hash, lines).saturating_mul(LINE_BYTES);
            let line = filter.get_mut(start..).unwrap_or_default();
            for (byte, mask) in bits_of(hash, probes) {
                if let Some(byte) = line.get_mut(byte) {
                    *byte |= mask;
                }
            }
        }
        filter.push(probes);
        filter
    }
}

/// The hash of a key, the same for every filter.
pub(super) fn hash(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// Whether the key of `hash` may be in the table of this filter. An empty or senseless filter excludes nothing.
pub(super) fn may_contain(filter: &[u8], hash: u64) -> bool {
    let Some((&probes, lines)) = filter.split_last() else {
        return true;
    };
    let (lines, _) = lines.as_chunks::<LINE_BYTES>();
    let Some(line) = lines.get(line(hash, lines.len())) else {
        return true;
    };
    probes > PROBES_MAX
        || bits_of(hash, probes)
            .all(|(byte, mask)| line.get(byte).is_none_or(|byte| byte & mask != 0))
}

/// The line of a hash: its high half scaled to the number of lines.
fn line(hash: u64, lines: usize) -> usize {
    ((hash >> 32).saturating_mul(lines as u64) >> 32) as usize
}

/// The bits of a hash in its line, as byte and mask.
fn bits_of(hash: u64, probes: u8) -> impl Iterator<Item = (usize, u8)> {
    let start = hash as u32;
    // Odd, so that the steps visit different bits.
    let step = (start >> 17) | 1;
    (0..u32::from(probes)).map(move |probe| {
        let bit = start.wrapping_add(probe.wrapping_mul(step)) & ((1 << LINE_BITS_LOG2) - 1);
        ((bit >> 3) as usize, 1u8 << (bit & 7))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_denied_and_few_strangers_pass() {
        let mut builder = FilterBuilder::new(10);
        for key in 0..10_000u32 {
            builder.push(&key.to_le_bytes());
        }
        let filter = builder.finish(0..builder.len());
        assert!((0..10_000u32).all(|key| may_contain(&filter, hash(&key.to_le_bytes()))));
        let passed = (10_000..110_000u32)
            .filter(|key| may_contain(&filter, hash(&key.to_le_bytes())))
            .count();
        assert!(passed < 2500, "{passed} of 100,000 strangers passed");
    }

    #[test]
    fn a_missing_or_senseless_filter_excludes_nothing() {
        assert!(FilterBuilder::new(0).finish(0..0).is_empty());
        for filter in [&b""[..], b"\x06", b"xyz", &[0; 64], &[255; 65]] {
            assert!(may_contain(filter, hash(b"key")));
        }
    }
}
