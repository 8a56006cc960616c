//! Where patterns may start: a test of the first bytes at a whole vector of positions, then a hash of up to eight.
//!
//! The first test puts the patterns in buckets, eight a set, and looks up, for each of the first four bytes, the buckets that have such a byte
//! there; a position passes if some bucket is in all answers (the "Teddy" of Hyperscan, Langdale and Qu; Wang et al., NSDI 2019).
//! Patterns that start alike share a bucket. Where a table of 64 entries is one register, a byte is looked up by its lower six bits, and up to
//! eight sets are worth their time; elsewhere by both halves, and two sets are. With more patterns nearly everything would pass, and only the second
//! test remains: one bit for each hash of a pattern's first bytes. What passes is written down, and looked up later in an open-addressed
//! table that gives the tree's node for those bytes, or the one pattern that has them. Patterns chosen to have one hash make it a sorted list.
//!
//! Positions go from test to test by the dozen, without a branch for each: which of them pass is hard to foretell.
#![allow(unsafe_code, reason = "loads at positions the loops keep in bounds")]

use super::rare::Trial;
use super::trie::{NONE, ROOT, Trie};
use crate::search::dispatch::dispatch;
use crate::search::vector::{Vector, word, word_short};
use crate::search::work;
use alloc::vec;
use alloc::vec::Vec;
use core::mem::MaybeUninit;

/// Sets of buckets by the number of different starts: where tables are wide, and where they are not. With more, there are none.
const WIDE: [(usize, usize); 4] = [(32, 1), (128, 2), (500, 4), (3_000, 8)];
const NARROW: [(usize, usize); 2] = [(24, 1), (400, 2)];

/// Bytes that the first test looks at.
const PREFIX: usize = 4;
/// Bytes that the second looks at, at most.
pub(super) const HASHED: usize = 8;

/// One set of eight buckets: for each of the first bytes, the buckets by its lower six bits.
type WideTables = [[u8; 64]; PREFIX];
/// The same by its lower and its upper half.
type Tables = [[[u8; 16]; 2]; PREFIX];

#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// How many first bytes are hashed: eight, or as many as the shortest pattern has.
    prefix: usize,
    /// Keeps the hashed bytes of a little-endian word.
    mask: u64,
    /// Whether letters count without their case.
    fold: bool,
    wide: Vec<WideTables>,
    tables: Vec<Tables>,
    /// A bit for each hash.
    bits: Vec<u64>,
    /// A hash is the upper bits of a product: shift to get it.
    shift: u32,
    /// A power of two of places: each at that of its hash or less than [`WALK_MAX`] after it; a free place has no node.
    starts: Vec<Start>,
    /// Whether that would not do: they are in the order of their keys instead, and no place is free.
    is_sorted: bool,
}

/// Places of the table that are looked at for one word, at most. Words that were not chosen for it, a million of them, need 70 or so.
const WALK_MAX: usize = 128;

/// What some pattern starts with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// The (folded) bytes.
    key: u64,
    /// Where they lead.
    pub(super) node: u32,
    /// The lowest number of the patterns that start so, if those are all equal; else [`NONE`].
    pub(super) pattern: u32,
}

/// Room for places.
const ROOM: usize = 512;
/// Positions that are tested together.
const GROUP: usize = 256;
/// How far behind the first candidate the last may be, so that places fit in 16 bits.
const REACH: usize = 16 << 10;

/// From so many candidates on, how dense they are says something.
const DENSE: usize = if cfg!(any(test, fuzzing)) { 2 } else { 32 };

/// Candidates that wait to be looked at.
#[derive(Clone, Debug)]
pub(super) struct Candidates {
    base: usize,
    first: usize,
    end: usize,
    /// All before it has been tested.
    pub(super) next: usize,
    /// How far behind the first candidate to go: nearly nowhere for who wants but one match.
    reach: usize,
    /// Whether rare bytes are rare here.
    pub(super) trial: Trial,
    places: [u16; ROOM],
}

impl Candidates {
    /// None, from `next` on.
    pub(super) const fn new(next: usize) -> Self {
        Self {
            base: next,
            first: 0,
            end: 0,
            next,
            reach: 0,
            trial: Trial::NEW,
            places: [0; ROOM],
        }
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<usize> {
        if self.first >= self.end {
            return None;
        }
        let at = self.base + usize::from(*self.places.get(self.first)?);
        self.first += 1;
        Some(at)
    }

    /// Forgets those that are left.
    pub(super) fn restart(&mut self, next: usize) {
        (self.first, self.end, self.next) = (0, 0, next);
    }

    /// `at` alone.
    pub(super) fn set(&mut self, at: usize) {
        (self.base, self.first, self.end, self.next) = (at, 0, 1, at + 1);
        self.places[0] = 0;
    }

    #[inline(always)]
    pub(super) const fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Whether there were some, and one position in four was one, or more.
    #[inline(always)]
    pub(super) const fn is_dense(&self) -> bool {
        self.end >= DENSE && 4 * self.end > self.next - self.base
    }

    /// Whether to stop before `at`; if not, there is room for a group's places there.
    #[inline(always)]
    fn has_enough(&mut self, at: usize) -> bool {
        if self.is_empty() {
            self.base = at;
            return false;
        }
        at - self.base > self.reach || self.end > ROOM - GROUP
    }
}

/// Letters of a word in lower case, all at once.
#[inline(always)]
const fn lower(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x80 * ONES;
    let low7 = word & !TOPS;
    // The top bit of each lane: at least `A`, above `Z`.
    let at_least = low7 + 0x3f * ONES;
    let above = low7 + 0x25 * ONES;
    word | (at_least & !above & !word & TOPS) >> 2
}

impl Filter {
    /// For the patterns `sorted` in the order of their (folded) bytes; the shortest has at least one.
    pub(super) fn new<'p>(
        trie: &Trie,
        sorted: &[u32],
        pattern: impl Fn(u32) -> &'p [u8],
        fold: bool,
        is_wide: bool,
    ) -> Self {
        let shortest = sorted.iter().map(|p| pattern(*p).len()).min().unwrap_or(1);
        let prefix = shortest.min(HASHED);
        let start = |p: &u32| &pattern(*p)[..prefix];
        let groups = || sorted.chunk_by(|a, b| start(a) == start(b));
        let number = groups().count();
        let mut short: Vec<&[u8]> = groups()
            .map(|group| &start(&group[0])[..prefix.min(PREFIX)])
            .collect();
        short.dedup();
        let log = (number * 32).next_power_of_two().ilog2().clamp(11, 22);
        let table_log = (number * 2).next_power_of_two().ilog2().max(4);
        let free = Start {
            key: 0,
            node: NONE,
            pattern: NONE,
        };
        let sets = |limits: &[(usize, usize)]| {
            let limit = limits.iter().find(|(most, _)| short.len() <= *most);
            limit.map_or(0, |(_, sets)| *sets)
        };
        let mut filter = Self {
            prefix,
            mask: u64::MAX >> (8 * (HASHED - prefix)),
            fold,
            wide: if is_wide {
                wide_buckets(&short, sets(&WIDE), fold)
            } else {
                Vec::new()
            },
            tables: if is_wide {
                Vec::new()
            } else {
                buckets(&short, sets(&NARROW), fold)
            },
            bits: vec![0; 1 << (log - 6)],
            shift: 64 - log,
            starts: vec![free; 1 << table_log],
            is_sorted: false,
        };
        let mut all = Vec::with_capacity(number);
        for group in groups() {
            let bytes = start(&group[0]);
            let mut word = [0; HASHED];
            word[..prefix].copy_from_slice(bytes);
            let key = u64::from_le_bytes(word);
            let hash = hash(key) >> filter.shift;
            filter.bits[hash as usize / 64] |= 1 << (hash % 64);
            let node = bytes
                .iter()
                .try_fold(ROOT, |node, byte| trie.child(node, *byte));
            let is_one = pattern(group[0]) == pattern(group[group.len() - 1]);
            let lowest = group.iter().copied().min().filter(|_| is_one);
            all.push(Start {
                key,
                node: node.unwrap_or(NONE),
                pattern: lowest.unwrap_or(NONE),
            });
        }
        if !filter.fill(&all) {
            all.sort_unstable_by_key(|start| start.key);
            (filter.starts, filter.is_sorted) = (all, true);
        }
        filter
    }

    /// Puts `all` in the table, unless that makes some of them hard to find.
    fn fill(&mut self, all: &[Start]) -> bool {
        all.iter().all(|start| {
            let first = self.place(start.key);
            let free = (0..WALK_MAX)
                .map(|i| (first + i) & (self.starts.len() - 1))
                .find(|place| self.starts[*place].node == NONE);
            free.inspect(|place| self.starts[*place] = *start).is_some()
        })
    }

    pub(super) const fn prefix(&self) -> usize {
        self.prefix
    }

    #[inline(always)]
    fn place(&self, key: u64) -> usize {
        (hash(key) >> (64 - self.starts.len().ilog2())) as usize
    }

    #[inline(always)]
    const fn key(&self, word: u64) -> u64 {
        let word = word & self.mask;
        if self.fold { lower(word) } else { word }
    }

    /// What is known of the first bytes of `rest`, if a pattern starts with them; else what it cost to know that, in bytes.
    #[inline]
    pub(super) fn start(&self, rest: &[u8]) -> Result<Start, usize> {
        let word = match rest.first_chunk() {
            Some(word) => u64::from_le_bytes(*word),
            None => {
                let mut word = [0; HASHED];
                let bytes = rest.get(..self.prefix).ok_or(HASHED)?;
                word[..self.prefix].copy_from_slice(bytes);
                u64::from_le_bytes(word)
            }
        };
        let key = self.key(word);
        if self.is_sorted {
            return self.bisect(key);
        }
        let first = self.place(key);
        for walked in 0..WALK_MAX {
            let start = self.starts[(first + walked) & (self.starts.len() - 1)];
            if start.node == NONE {
                return Err(HASHED + walked);
            }
            if start.key == key {
                return Ok(start);
            }
        }
        Err(HASHED + WALK_MAX)
    }

    #[cold]
    fn bisect(&self, key: u64) -> Result<Start, usize> {
        let place = self.starts.binary_search_by_key(&key, |start| start.key);
        let steps = self.starts.len().max(1).ilog2() as usize;
        place
            .map(|place| self.starts[place])
            .map_err(|_| HASHED * (1 + steps))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bits.len() * 8
            + self.starts.len() * size_of::<Start>()
            + self.wide.len() * size_of::<WideTables>()
            + self.tables.len() * size_of::<Tables>()
    }

    #[inline(always)]
    fn passes(&self, word: u64) -> bool {
        let hash = hash(self.key(word)) >> self.shift;
        // SAFETY: a hash has as many bits as there are in all.
        let bits = unsafe { *self.bits.get_unchecked(hash as usize / 64) };
        bits >> (hash % 64) & 1 != 0
    }
}

#[inline(always)]
const fn hash(key: u64) -> u64 {
    // Knuth's multiplicative hash, with the upper half mixed in.
    (key ^ key >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Tells each bucket's set, bit and bytes, in both cases if case does not count. Neighbours in the order of their bytes share a bucket.
fn each_bucket(
    prefixes: &[&[u8]],
    sets: usize,
    fold: bool,
    mut tell: impl FnMut(usize, u8, usize, u8),
) {
    for (i, bytes) in prefixes.iter().enumerate() {
        let bucket = i * 8 * sets / prefixes.len();
        for (offset, byte) in bytes.iter().enumerate() {
            let swapped = if fold { swap_case(*byte) } else { *byte };
            for byte in [*byte, swapped] {
                tell(bucket / 8, 1 << (bucket % 8), offset, byte);
            }
        }
    }
}

fn wide_buckets(prefixes: &[&[u8]], sets: usize, fold: bool) -> Vec<WideTables> {
    let tested = prefixes.first().map_or(0, |bytes| bytes.len());
    // What is not tested passes.
    let mut empty = [[0xff; 64]; PREFIX];
    empty[..tested].fill([0; 64]);
    let mut tables = vec![empty; sets];
    if sets > 0 {
        each_bucket(prefixes, sets, fold, |set, bit, offset, byte| {
            tables[set][offset][usize::from(byte & 63)] |= bit;
        });
    }
    tables
}

fn buckets(prefixes: &[&[u8]], sets: usize, fold: bool) -> Vec<Tables> {
    let tested = prefixes.first().map_or(0, |bytes| bytes.len());
    let mut empty = [[[0xff; 16]; 2]; PREFIX];
    empty[..tested].fill([[0; 16]; 2]);
    let mut tables = vec![empty; sets];
    if sets > 0 {
        each_bucket(prefixes, sets, fold, |set, bit, offset, byte| {
            tables[set][offset][0][usize::from(byte & 15)] |= bit;
            tables[set][offset][1][usize::from(byte >> 4)] |= bit;
        });
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

/// A first test.
trait Test<V: Vector>: Copy {
    /// Whether all positions pass.
    const ALL: bool = false;

    /// Bit `i` is position `i` of a vector at `from`.
    ///
    /// # Safety
    /// V1; a vector and `PREFIX - 1` bytes more are readable at `from`.
    unsafe fn bits(&self, from: *const u8) -> u64;
}

/// Every position passes.
#[derive(Clone, Copy)]
struct All;

impl<V: Vector> Test<V> for All {
    const ALL: bool = true;
    #[inline(always)]
    unsafe fn bits(&self, _: *const u8) -> u64 {
        u64::MAX
    }
}

#[derive(Clone, Copy)]
struct Wide<'f, const SETS: usize>(&'f [WideTables; SETS]);

impl<V: Vector, const SETS: usize> Test<V> for Wide<'_, SETS> {
    #[inline(always)]
    unsafe fn bits(&self, from: *const u8) -> u64 {
        // SAFETY: V1, and loads within what the caller promises.
        unsafe {
            let bytes = [
                V::load(from),
                V::load(from.add(1)),
                V::load(from.add(2)),
                V::load(from.add(3)),
            ];
            let mut any = V::splat(0);
            for tables in self.0 {
                let first = V::wide_table(&tables[0]).lookup(bytes[0]);
                let second = V::wide_table(&tables[1]).lookup(bytes[1]);
                let third = V::wide_table(&tables[2]).lookup(bytes[2]);
                let fourth = V::wide_table(&tables[3]).lookup(bytes[3]);
                any = any.or(first.and(second).and(third.and(fourth)));
            }
            any.not_zero_bits()
        }
    }
}

#[derive(Clone, Copy)]
struct Nibbles<V, const SETS: usize>([[[V; 2]; PREFIX]; SETS]);

impl<V: Vector, const SETS: usize> Nibbles<V, SETS> {
    /// # Safety
    /// V1, and V shuffles.
    #[inline(always)]
    unsafe fn new(sets: &[Tables; SETS]) -> Self {
        // SAFETY: V1, the caller's.
        let mut tables = [[[unsafe { V::splat(0) }; 2]; PREFIX]; SETS];
        for (tables, set) in tables.iter_mut().zip(sets) {
            for (tables, bytes) in tables.iter_mut().zip(set) {
                // SAFETY: V1, and V shuffles.
                *tables = unsafe { [V::table(&bytes[0]), V::table(&bytes[1])] };
            }
        }
        Self(tables)
    }
}

impl<V: Vector, const SETS: usize> Test<V> for Nibbles<V, SETS> {
    #[inline(always)]
    unsafe fn bits(&self, from: *const u8) -> u64 {
        // SAFETY: V1, and loads within what the caller promises.
        unsafe {
            let low_nibble = V::splat(15);
            let mut passed = [V::splat(0xff); SETS];
            for i in 0..PREFIX {
                let bytes = V::load(from.add(i));
                let (low, high) = (bytes.and(low_nibble), bytes.high_nibbles());
                for (passed, tables) in passed.iter_mut().zip(&self.0) {
                    let [lows, highs] = tables[i];
                    *passed = passed.and(lows.shuffle(low)).and(highs.shuffle(high));
                }
            }
            let mut any = passed[0];
            if SETS == 2 {
                any = any.or(passed[SETS - 1]);
            }
            any.not_zero_bits()
        }
    }
}

/// Adds the next candidates at or after `from`: at least one, if there is one, then those up to `reach` behind it while there is room.
///
/// # Safety
/// V1.
#[inline(always)]
unsafe fn next<V: Vector>(filter: &Filter, haystack: &[u8], from: usize, out: &mut Candidates) {
    out.restart(from);
    // SAFETY: V1; which tables there are is by the level.
    unsafe {
        if V::WIDE {
            match filter.wide.as_slice() {
                [a] => scan::<V, _>(filter, Wide(&[*a]), haystack, out),
                [a, b] => scan::<V, _>(filter, Wide(&[*a, *b]), haystack, out),
                all => {
                    if let Some((four, [])) = all.split_first_chunk::<4>() {
                        scan::<V, _>(filter, Wide(four), haystack, out);
                    } else if let Some((eight, [])) = all.split_first_chunk::<8>() {
                        scan::<V, _>(filter, Wide(eight), haystack, out);
                    } else {
                        scan::<V, _>(filter, All, haystack, out);
                    }
                }
            }
        } else {
            match filter.tables.as_slice() {
                [a] if V::SHUFFLES => {
                    scan::<V, _>(filter, Nibbles::<V, 1>::new(&[*a]), haystack, out);
                }
                [a, b] if V::SHUFFLES => {
                    scan::<V, _>(filter, Nibbles::<V, 2>::new(&[*a, *b]), haystack, out);
                }
                _ => scan::<V, _>(filter, All, haystack, out),
            }
        }
    }
    out.reach = REACH.min(4 * out.reach + GROUP);
}

/// # Safety
/// V1.
#[inline(always)]
unsafe fn scan<V: Vector, T: Test<V>>(
    filter: &Filter,
    test: T,
    haystack: &[u8],
    out: &mut Candidates,
) {
    let len = haystack.len();
    let mut at = out.next;
    // SAFETY: V1; a group is tested only if eight bytes are at each of its positions, else as many as there are; `has_enough` sees to
    // the room.
    unsafe {
        while len.saturating_sub(at) >= GROUP + HASHED {
            if out.has_enough(at) {
                out.next = at;
                return;
            }
            work::add(GROUP);
            group::<V, T, GROUP>(filter, test, haystack.as_ptr().add(at), at, out);
            at += GROUP;
        }
        while len.saturating_sub(at) >= 64 + HASHED {
            if out.has_enough(at) {
                out.next = at;
                return;
            }
            group::<V, T, 64>(filter, test, haystack.as_ptr().add(at), at, out);
            at += 64;
        }
        if out.has_enough(at) {
            out.next = at;
            return;
        }
        while at + filter.prefix <= len {
            work::add(1);
            let word = word_short(haystack.as_ptr().add(at), (len - at).min(HASHED));
            out.places[out.end] = (at - out.base) as u16;
            out.end += usize::from(filter.passes(word));
            at += 1;
        }
        out.next = len;
    }
}

/// Tests `N` positions at `at`, which is `here`.
///
/// # Safety
/// V1; `N + HASHED` readable bytes at `here`; `out` has room for `N` places, which are less than 64 KiB from its base.
#[inline(always)]
unsafe fn group<V: Vector, T: Test<V>, const N: usize>(
    filter: &Filter,
    test: T,
    here: *const u8,
    at: usize,
    out: &mut Candidates,
) {
    let offset = (at - out.base) as u16;
    let mut end = out.end;
    let places = out.places.as_mut_ptr();
    // SAFETY: V1; each position is below `N`; what is written but does not count is at most one place more than what does, and the room's last
    // place is never taken: `N` of `GROUP` at most are added to `ROOM - GROUP` at most.
    unsafe {
        if T::ALL {
            for i in 0..N {
                let passes = filter.passes(word(here.add(i)));
                places.add(end.min(ROOM - 1)).write(offset + i as u16);
                end += usize::from(passes);
            }
        } else {
            let mut masks = [0; 4];
            let mut any = 0;
            for (i, mask) in masks.iter_mut().enumerate().take(N / 64) {
                let mut done = 0;
                while done < 64 {
                    *mask |= test.bits(here.add(64 * i + done)) << done;
                    done += V::BYTES;
                }
                any |= *mask;
            }
            if any == 0 {
                return;
            }
            let mut passed = [MaybeUninit::<u16>::uninit(); GROUP + 32];
            let passed = passed.as_mut_ptr().cast::<u16>();
            let mut count = 0;
            for (i, mask) in masks.into_iter().enumerate().take(N / 64) {
                V::places(mask, 64 * i as u16, passed.add(count));
                count += mask.count_ones() as usize;
            }
            for i in 0..count {
                let position = passed.add(i).read();
                let passes = filter.passes(word(here.add(usize::from(position))));
                places.add(end.min(ROOM - 1)).write(offset + position);
                end += usize::from(passes);
            }
        }
    }
    out.end = end;
}

dispatch!(mod next_candidates = next, fn(filter: &Filter, haystack: &[u8], from: usize, out: &mut Candidates) -> ());
