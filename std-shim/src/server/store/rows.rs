//! Values that were read lately, by key, before the database: a read of one costs a hash and a comparison.
//!
//! A set-associative table: a key's hash chooses a bucket of [`WAYS`] places, of which 31 bits of the same hash pick the likely one.
//! The loop is the database's only writer, so what is here is kept equal by updating or dropping a row with each write.
//!
//! # Replacement
//!
//! Second chance: a hit marks its row; the hand that makes room takes the marks away on its way and drops rows without. A scan of
//! many keys once thus drops itself first.
//!
//! # Bounds
//!
//! [`Rows::bytes_max`] for rows with their overhead. The table doubles as it fills, up to one place for 64 bytes of that bound.
//! Stored values over [`ROW_BYTES_MAX`] stay outside: copying them costs more than finding them.
#![forbid(unsafe_code)]

use core::hash::BuildHasher as _;
use foldhash::fast::FixedState;

/// Places of a bucket.
const WAYS: usize = 8;
/// Largest row.
const ROW_BYTES_MAX: usize = 4096;
/// Memory of a row beside its bytes: place, tag, the allocator's rounding.
const ROW_OVERHEAD_BYTES: usize = 40;
/// Buckets of a new table.
const BUCKETS_MIN: usize = 64;
/// Set in a tag by a hit.
const MARK: u32 = 1 << 31;
/// Tag of a free place.
const FREE: u32 = 0;

/// The tags of a bucket, in one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Tags([u32; WAYS]);

/// The rows of a bucket: length of the key in four bytes, key, stored value.
type Places = [Option<Box<[u8]>>; WAYS];

/// The table. See the [module](self).
#[derive(Debug)]
pub(crate) struct Rows {
    tags: Vec<Tags>,
    places: Vec<Places>,
    hasher: FixedState,
    count: usize,
    bytes: usize,
    bytes_max: usize,
    hand: usize,
}

/// A key's bucket and tag, and how to compare it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hash(u64);

impl Hash {
    fn tag(self) -> u32 {
        let high = u32::try_from(self.0 >> 33).unwrap_or(0);
        high.max(1)
    }
}

fn key_of(row: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, rest)) = row.split_first_chunk::<4>() else {
        return (&[], &[]);
    };
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
        .unwrap_or((&[], &[]))
}

fn row_of(key: &[u8], stored: &[u8]) -> Box<[u8]> {
    let length = u32::try_from(key.len()).unwrap_or(0).to_le_bytes();
    let mut row = Vec::with_capacity(length.len() + key.len() + stored.len());
    row.extend_from_slice(&length);
    row.extend_from_slice(key);
    row.extend_from_slice(stored);
    row.into()
}

fn memory_of(row: &[u8]) -> usize {
    row.len() + ROW_OVERHEAD_BYTES
}

impl Rows {
    /// An empty table; `seed` makes the buckets ones that clients cannot foresee.
    pub(crate) fn new(bytes_max: usize, seed: u64) -> Self {
        let mut this = Self {
            tags: Vec::new(),
            places: Vec::new(),
            hasher: FixedState::with_seed(seed),
            count: 0,
            bytes: 0,
            bytes_max,
            hand: 0,
        };
        this.clear();
        this
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.tags = vec![Tags([FREE; WAYS]); BUCKETS_MIN];
        self.places = (0..BUCKETS_MIN).map(|_| Places::default()).collect();
        (self.count, self.bytes, self.hand) = (0, 0, 0);
    }

    /// Memory of the rows in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> Hash {
        Hash(self.hasher.hash_one(key))
    }

    fn bucket(&self, hash: Hash) -> usize {
        // The number of buckets is a power of two.
        usize::try_from(hash.0 & u64::from(u32::MAX)).unwrap_or(0) & (self.tags.len() - 1)
    }

    /// The bucket and place of `key`.
    #[inline]
    fn find(&self, hash: Hash, key: &[u8]) -> Option<(usize, usize)> {
        let bucket = self.bucket(hash);
        let (tags, places) = (self.tags.get(bucket)?, self.places.get(bucket)?);
        let tag = hash.tag();
        (0..WAYS).find_map(|way| {
            let matches = tags.0.get(way).is_some_and(|other| other & !MARK == tag);
            let row = places.get(way).filter(|_| matches)?.as_ref()?;
            (key_of(row).0 == key).then_some((bucket, way))
        })
    }

    /// The stored value of `key`, if it is here.
    #[inline]
    pub(crate) fn get(&mut self, hash: Hash, key: &[u8]) -> Option<&[u8]> {
        let (bucket, way) = self.find(hash, key)?;
        if let Some(tag) = self.tags.get_mut(bucket)?.0.get_mut(way) {
            *tag |= MARK;
        }
        Some(key_of(self.places.get(bucket)?.get(way)?.as_ref()?).1)
    }

    /// Takes in what the database was just found to hold.
    pub(crate) fn insert(&mut self, hash: Hash, key: &[u8], stored: &[u8]) {
        if key.len() + stored.len() > ROW_BYTES_MAX || self.bytes_max == 0 {
            return;
        }
        if self.count * 2 >= self.tags.len() * WAYS && self.tags.len() * WAYS < self.bytes_max / 64
        {
            self.grow();
        }
        self.place(hash, row_of(key, stored), 0);
        while self.bytes > self.bytes_max {
            self.make_room();
        }
    }

    /// Makes a row equal to what was just written, if it is here.
    #[inline]
    pub(crate) fn update(&mut self, key: &[u8], stored: &[u8]) {
        if self.count == 0 {
            return;
        }
        let hash = self.hash(key);
        let Some((bucket, way)) = self.find(hash, key) else {
            return;
        };
        let Some(Some(row)) = self
            .places
            .get_mut(bucket)
            .and_then(|places| places.get_mut(way))
        else {
            return;
        };
        let start = row.len() - key_of(row).1.len();
        if row.len() - start == stored.len() {
            if let Some(place) = row.get_mut(start..) {
                place.copy_from_slice(stored);
            }
        } else {
            self.drop_row(bucket, way);
            self.insert(hash, key, stored);
        }
    }

    /// Forgets a key that was removed.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        if self.count == 0 {
            return;
        }
        if let Some((bucket, way)) = self.find(self.hash(key), key) {
            self.drop_row(bucket, way);
        }
    }

    fn drop_row(&mut self, bucket: usize, way: usize) {
        let row = self
            .places
            .get_mut(bucket)
            .and_then(|places| places.get_mut(way));
        if let Some(row) = row.and_then(Option::take) {
            self.bytes -= memory_of(&row);
            self.count -= 1;
        }
        if let Some(tag) = self
            .tags
            .get_mut(bucket)
            .and_then(|tags| tags.0.get_mut(way))
        {
            *tag = FREE;
        }
    }

    /// Puts a row that is not here into its bucket, in place of one without a mark if all places are taken.
    fn place(&mut self, hash: Hash, row: Box<[u8]>, mark: u32) {
        let bucket = self.bucket(hash);
        let Some(tags) = self.tags.get_mut(bucket) else {
            return;
        };
        let free = tags.0.iter().position(|tag| *tag == FREE);
        let way = free.unwrap_or_else(|| {
            let unmarked = tags.0.iter().position(|tag| tag & MARK == 0);
            for tag in &mut tags.0 {
                *tag &= !MARK;
            }
            // All are marked: one as good as another.
            unmarked.unwrap_or(self.hand % WAYS)
        });
        self.drop_row(bucket, way);
        self.bytes += memory_of(&row);
        self.count += 1;
        if let Some(tag) = self
            .tags
            .get_mut(bucket)
            .and_then(|tags| tags.0.get_mut(way))
        {
            *tag = hash.tag() | mark;
        }
        if let Some(place) = self
            .places
            .get_mut(bucket)
            .and_then(|places| places.get_mut(way))
        {
            *place = Some(row);
        }
    }

    /// One bucket further: takes marks away, and drops the rows that had none.
    fn make_room(&mut self) {
        self.hand = (self.hand + 1) & (self.tags.len() - 1);
        for way in 0..WAYS {
            let tag = self
                .tags
                .get_mut(self.hand)
                .and_then(|tags| tags.0.get_mut(way));
            match tag {
                Some(tag) if *tag & MARK != 0 => *tag &= !MARK,
                Some(tag) if *tag != FREE => self.drop_row(self.hand, way),
                _ => {}
            }
        }
    }

    fn grow(&mut self) {
        let buckets = self.tags.len() * 2;
        let tags = core::mem::replace(&mut self.tags, vec![Tags([FREE; WAYS]); buckets]);
        let places = core::mem::take(&mut self.places);
        self.places = (0..buckets).map(|_| Places::default()).collect();
        (self.count, self.bytes, self.hand) = (0, 0, 0);
        for (old, rows) in tags.into_iter().zip(places) {
            for (tag, row) in old.0.into_iter().zip(rows) {
                let Some(row) = row else { continue };
                let hash = self.hash(key_of(&row).0);
                self.place(hash, row, tag & MARK);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn check(rows: &Rows) {
        let held: Vec<&[u8]> = rows
            .places
            .iter()
            .flatten()
            .flatten()
            .map(|row| &**row)
            .collect();
        assert_eq!(rows.count, held.len());
        assert_eq!(
            rows.bytes,
            held.iter().map(|row| memory_of(row)).sum::<usize>()
        );
        assert!(rows.bytes <= rows.bytes_max);
        for (tags, places) in rows.tags.iter().zip(&rows.places) {
            for (tag, row) in tags.0.iter().zip(places) {
                assert_eq!(*tag == FREE, row.is_none());
            }
        }
    }

    #[test]
    fn what_is_found_is_what_was_last_written() {
        let mut rows = Rows::new(100_000, 7);
        let mut model: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        let mut hits = 0;
        for step in 0..60_000 {
            let key = format!("key:{}", random(2000)).into_bytes();
            match random(10) {
                0 | 1 => {
                    let value = vec![step as u8; random(100) as usize];
                    rows.update(&key, &value);
                    model.insert(key, value);
                }
                2 => {
                    rows.remove(&key);
                    model.remove(&key);
                }
                _ => {
                    let hash = rows.hash(&key);
                    match (rows.get(hash, &key), model.get(&key)) {
                        (Some(found), expected) => {
                            hits += 1;
                            assert_eq!(Some(found), expected.map(Vec::as_slice));
                        }
                        (None, Some(stored)) => rows.insert(hash, &key, stored),
                        (None, None) => {}
                    }
                }
            }
            if step % 1000 == 0 {
                check(&rows);
            }
            if step % 25_000 == 24_999 {
                rows.clear();
            }
        }
        assert!(hits > 1000, "{hits} hits");
    }

    #[test]
    fn one_pass_over_many_keys_leaves_those_in_use() {
        let mut rows = Rows::new(200_000, 7);
        let value = [0; 100];
        let read = |rows: &mut Rows, key: &[u8]| {
            let hash = rows.hash(key);
            let found = rows.get(hash, key).is_some();
            if !found {
                rows.insert(hash, key, &value);
            }
            found
        };
        let hot: Vec<String> = (0..200).map(|index| format!("hot:{index}")).collect();
        let mut found = 0;
        for pass in 0..20_000 {
            read(&mut rows, format!("once:{pass}").as_bytes());
            found += usize::from(read(&mut rows, hot[pass % hot.len()].as_bytes()));
        }
        assert!(found > 18_000, "{found} of 20000 hot reads were found");
        check(&rows);
    }

    #[test]
    fn what_is_too_large_stays_outside() {
        let mut rows = Rows::new(100_000, 7);
        let hash = rows.hash(b"k");
        rows.insert(hash, b"k", &[0; 100]);
        rows.update(b"k", &[0; ROW_BYTES_MAX]);
        assert!(rows.get(hash, b"k").is_none());
        check(&rows);
        let mut none = Rows::new(0, 7);
        none.insert(hash, b"k", b"v");
        check(&none);
    }
}
