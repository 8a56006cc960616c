//! Where patterns may start: a test of the first bytes at a whole vector of positions, then an exact hash of up to four.
//!
//! The first test puts the patterns in 8 or 16 buckets and looks up, for each of the first bytes and each half of it, the buckets that have
//! such a byte there; a position passes if some bucket is in all answers (the "Teddy" of Hyperscan, Langdale and Qu; Wang et al., NSDI 2019).
//! Patterns that start alike share a bucket. With very many patterns nearly everything would pass, and only the second test remains: one bit
//! for each hash of a pattern's first bytes. A position that passes it is looked up in an open-addressed table that gives the tree's node
//! for those bytes.
#![allow(unsafe_code, reason = "loads at positions the loops keep in bounds")]

use super::trie::{NONE, ROOT, Trie};
use crate::search::dispatch::dispatch;
use crate::search::vector::{Vector, half_word, word_short};
use alloc::vec;
use alloc::vec::Vec;

/// Sets up to this size are put in 8 buckets, sets up to the next in 16, larger ones in none.
const EIGHT: usize = 24;
const SIXTEEN: usize = 400;

/// Bytes that are tested.
const PREFIX: usize = 4;

/// One set of eight buckets: for each of the first bytes, the tables for its lower and its upper half.
type Tables = [[[u8; 16]; 2]; PREFIX];

#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// How many first bytes are tested: four, or as many as the shortest pattern has.
    prefix: usize,
    /// Keeps the tested bytes of a little-endian word.
    mask: u32,
    /// Whether letters count without their case.
    fold: bool,
    /// Up to two sets of buckets.
    tables: Vec<Tables>,
    /// A bit for each hash.
    bits: Vec<u64>,
    /// A hash is the upper bits of a product: shift to get it.
    shift: u32,
    /// Folded prefix and node, at the hash or after it; a free place has no node.
    nodes: Vec<(u32, u32)>,
}

/// Candidates at `base + i` for every bit `i` of `mask`; all before `next` has been looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Candidates {
    pub(super) base: usize,
    pub(super) mask: u64,
    pub(super) next: usize,
}

/// Letters of a word in lower case, all four at once.
#[inline(always)]
const fn lower(word: u32) -> u32 {
    const TOPS: u32 = 0x8080_8080;
    let low7 = word & !TOPS;
    // The top bit of each lane: at least `A`, above `Z`.
    let at_least = low7 + 0x3f3f_3f3f;
    let above = low7 + 0x2525_2525;
    word | (at_least & !above & !word & TOPS) >> 2
}

impl Filter {
    /// For the patterns `sorted` in the order of their (folded) bytes; the shortest has at least one.
    pub(super) fn new<'p>(
        trie: &Trie,
        sorted: &[u32],
        pattern: impl Fn(u32) -> &'p [u8],
        fold: bool,
    ) -> Self {
        let shortest = sorted.iter().map(|p| pattern(*p).len()).min().unwrap_or(1);
        let prefix = shortest.min(PREFIX);
        let mut prefixes: Vec<&[u8]> = sorted.iter().map(|p| &pattern(*p)[..prefix]).collect();
        prefixes.dedup();
        let log = (prefixes.len() * 32)
            .next_power_of_two()
            .ilog2()
            .clamp(11, 22);
        let table_log = (prefixes.len() * 2).next_power_of_two().ilog2().max(4);
        let mut filter = Self {
            prefix,
            mask: u32::MAX >> (8 * (PREFIX - prefix)),
            fold,
            tables: buckets(&prefixes, fold),
            bits: vec![0; 1 << (log - 6)],
            shift: 32 - log,
            nodes: vec![(0, NONE); 1 << table_log],
        };
        for bytes in prefixes {
            let mut word = [0; PREFIX];
            word[..prefix].copy_from_slice(bytes);
            let word = u32::from_le_bytes(word);
            let hash = hash(word) >> filter.shift;
            filter.bits[hash as usize / 64] |= 1 << (hash % 64);
            let node = bytes
                .iter()
                .try_fold(ROOT, |node, byte| trie.child(node, *byte));
            let mut place = filter.place(word);
            while filter.nodes[place].1 != NONE {
                place = (place + 1) % filter.nodes.len();
            }
            filter.nodes[place] = (word, node.unwrap_or(NONE));
        }
        filter
    }

    pub(super) const fn prefix(&self) -> usize {
        self.prefix
    }

    fn place(&self, word: u32) -> usize {
        (hash(word.rotate_left(16)) >> (32 - self.nodes.len().ilog2())) as usize
    }

    #[inline(always)]
    const fn key(&self, word: u32) -> u32 {
        let word = word & self.mask;
        if self.fold { lower(word) } else { word }
    }

    /// The node of the first bytes of `rest`, if a pattern starts with them.
    #[inline]
    pub(super) fn node(&self, rest: &[u8]) -> Option<u32> {
        let mut word = [0; PREFIX];
        word[..self.prefix].copy_from_slice(rest.get(..self.prefix)?);
        let key = self.key(u32::from_le_bytes(word));
        let mut place = self.place(key);
        loop {
            let (word, node) = self.nodes[place];
            if node == NONE || word == key {
                return (node != NONE).then_some(node);
            }
            place = (place + 1) % self.nodes.len();
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bits.len() * 8 + self.nodes.len() * 8 + self.tables.len() * size_of::<Tables>()
    }

    #[inline(always)]
    fn passes(&self, word: u32) -> bool {
        let hash = hash(self.key(word)) >> self.shift;
        self.bits[hash as usize / 64] >> (hash % 64) & 1 != 0
    }
}

#[inline(always)]
const fn hash(word: u32) -> u32 {
    // Knuth's multiplicative hash, with the lower half mixed in.
    (word ^ word >> 15).wrapping_mul(0x9e37_79b1)
}

fn buckets(prefixes: &[&[u8]], fold: bool) -> Vec<Tables> {
    let sets = match prefixes.len() {
        0..=EIGHT => 1,
        _ if prefixes.len() <= SIXTEEN => 2,
        _ => return Vec::new(),
    };
    let mut tables = vec![[[[0; 16]; 2]; PREFIX]; sets];
    for (i, bytes) in prefixes.iter().enumerate() {
        // Neighbours in the order of their bytes share a bucket.
        let bucket = i * 8 * sets / prefixes.len();
        for (tested, byte) in tables[bucket / 8].iter_mut().zip(*bytes) {
            let swapped = if fold { swap_case(*byte) } else { *byte };
            for byte in [*byte, swapped] {
                tested[0][usize::from(byte & 15)] |= 1 << (bucket % 8);
                tested[1][usize::from(byte >> 4)] |= 1 << (bucket % 8);
            }
        }
    }
    tables
}

const fn swap_case(byte: u8) -> u8 {
    if byte.is_ascii_alphabetic() {
        byte ^ 0x20
    } else {
        byte
    }
}

/// The next vector of positions at or after `from` with a candidate.
///
/// # Safety
/// V1.
#[inline(always)]
unsafe fn next<V: Vector>(filter: &Filter, haystack: &[u8], from: usize) -> Candidates {
    let len = haystack.len();
    let nothing = Candidates {
        base: len,
        mask: 0,
        next: len,
    };
    if len < filter.prefix {
        return nothing;
    }
    // SAFETY: V1; each function keeps its loads in the haystack.
    unsafe {
        match filter.tables.as_slice() {
            [one] if V::SHUFFLES => vectors::<V, 1>(filter, [one], haystack, from),
            [one, two] if V::SHUFFLES => vectors::<V, 2>(filter, [one, two], haystack, from),
            _ => words::<V>(filter, haystack, from),
        }
        .unwrap_or(nothing)
    }
}

/// # Safety
/// V1, and V shuffles.
#[inline(always)]
unsafe fn vectors<V: Vector, const SETS: usize>(
    filter: &Filter,
    sets: [&Tables; SETS],
    haystack: &[u8],
    from: usize,
) -> Option<Candidates> {
    let len = haystack.len();
    let mut at = from;
    // SAFETY: V1; a vector of positions is looked at only if four bytes are at each of them.
    unsafe {
        let low_nibble = V::splat(15);
        let mut tables = [[[low_nibble; 2]; PREFIX]; SETS];
        for (tables, set) in tables.iter_mut().zip(sets) {
            for (tables, bytes) in tables.iter_mut().zip(set).take(filter.prefix) {
                *tables = [V::table(&bytes[0]), V::table(&bytes[1])];
            }
        }
        while len.saturating_sub(at) >= V::BYTES + PREFIX - 1 {
            let here = haystack.as_ptr().add(at);
            let mut passed = [V::splat(0xff); SETS];
            for i in 0..filter.prefix {
                let bytes = V::load(here.add(i));
                let (low, high) = (bytes.and(low_nibble), bytes.high_nibbles());
                for (passed, tables) in passed.iter_mut().zip(&tables) {
                    let [lows, highs] = tables[i];
                    *passed = passed.and(lows.shuffle(low)).and(highs.shuffle(high));
                }
            }
            let mut any = passed[0];
            if SETS == 2 {
                any = any.or(passed[SETS - 1]);
            }
            let zero = any.is_zero();
            let mut bits = V::bits(zero) ^ crate::search::vector::low_bits(V::BYTES);
            let mut mask = 0;
            while bits != 0 {
                let lane = bits.trailing_zeros();
                let word = half_word(here.add(lane as usize));
                mask |= u64::from(filter.passes(word)) << lane;
                bits &= bits - 1;
            }
            if mask != 0 {
                return Some(Candidates {
                    base: at,
                    mask,
                    next: at + V::BYTES,
                });
            }
            at += V::BYTES;
        }
        words::<V>(filter, haystack, at)
    }
}

/// Position by position.
///
/// # Safety
/// None.
#[inline(always)]
unsafe fn words<V: Vector>(filter: &Filter, haystack: &[u8], from: usize) -> Option<Candidates> {
    let len = haystack.len();
    let mut at = from;
    // SAFETY: a word is loaded whole only where four bytes are, else as many as there are.
    unsafe {
        while len.saturating_sub(at) >= 64 + PREFIX - 1 {
            let here = haystack.as_ptr().add(at);
            let mut mask = 0;
            for lane in 0..64 {
                mask |= u64::from(filter.passes(half_word(here.add(lane)))) << lane;
            }
            if mask != 0 {
                return Some(Candidates {
                    base: at,
                    mask,
                    next: at + 64,
                });
            }
            at += 64;
        }
        while at + filter.prefix <= len {
            let base = at;
            let mut mask = 0;
            while at + filter.prefix <= len && at < base + 64 {
                let word = word_short(haystack.as_ptr().add(at), (len - at).min(PREFIX));
                mask |= u64::from(filter.passes(word as u32)) << (at - base);
                at += 1;
            }
            if mask != 0 {
                return Some(Candidates {
                    base,
                    mask,
                    next: at,
                });
            }
        }
    }
    None
}

dispatch!(mod next_candidates = next, fn(filter: &Filter, haystack: &[u8], from: usize) -> Candidates);
