//! The sampled heap profile: which calls the live blocks come from.
//!
//! Off, it costs nothing on the paths that most calls take. On, a thread's list of blocks at hand is cut so that it runs out
//! where the next sample is due, a random number of bytes after the last; the call that finds it empty is the sample. Its block comes
//! from a heap of its own (`value.rs`), whose blocks come back on the slow path, where the sample is taken out again.
//!
//! # Format
//! What [`pprof`](https://github.com/google/pprof) reads as `heap_v2`: a line per sample with its stack, and the interval, from which the
//! reader computes what was not sampled.
//!
//! # Invariants
//! - I1: `entries` below `top` are samples or in the list of free ones; a sample is in the chain of its address's bucket.
#![allow(unsafe_code, reason = "entries lie in memory of the range")]

use super::heap::Heap as Inner;
use super::home::Home;
use super::slab::{SLICE_BYTES, kind};
use super::space::Space;
use crate::platform::Platform;
use core::ptr::{null, null_mut};
use core::sync::atomic::Ordering::Relaxed;

/// Calls of a sample's stack that are kept.
pub const FRAMES_MAX: usize = 28;
const BUCKETS: usize = 1024;
/// Entries are allocated by slices.
const CHUNK_ENTRIES: usize = SLICE_BYTES / size_of::<Entry>();
/// 1 GiB of entries: more samples than that are not kept.
const CHUNKS_MAX: usize = 1 << 14;
/// Chunks' addresses are kept in slices too.
const CHUNKS_PER_TABLE: usize = SLICE_BYTES / size_of::<*mut Entry>();
const TABLES: usize = CHUNKS_MAX / CHUNKS_PER_TABLE;
const NONE: u32 = u32::MAX;

/// A live block that was sampled.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Sample {
    /// Where it is.
    pub address: usize,
    /// How many bytes were asked for.
    pub bytes: usize,
    frames: [usize; FRAMES_MAX],
    depth: usize,
}

impl Sample {
    /// Return addresses, the innermost call first.
    #[must_use]
    pub fn frames(&self) -> &[usize] {
        &self.frames[..self.depth]
    }
}

#[derive(Debug)]
struct Entry {
    /// Of the bucket's chain, or of the list of free ones.
    next: u32,
    /// Its address is zero if it is free.
    sample: Sample,
}

/// What the profile's lock guards.
#[derive(Debug)]
pub(super) struct Profile {
    tables: [*mut *mut Entry; TABLES],
    buckets: [u32; BUCKETS],
    free: u32,
    top: u32,
    /// The heap that sampled blocks come from, and its lists.
    pub(super) heap: *mut Inner,
    pub(super) heads: *mut *mut u8,
    random: u64,
    /// Samples that there was no room for.
    lost_count: usize,
}

// SAFETY: the pointers are into the range, which belongs to no thread.
unsafe impl Send for Profile {}

fn bucket_of(address: usize) -> usize {
    (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize >> (usize::BITS - BUCKETS.ilog2())
}

impl Profile {
    pub(super) const fn new() -> Self {
        Self {
            tables: [null_mut(); TABLES],
            buckets: [NONE; BUCKETS],
            free: NONE,
            top: 0,
            heap: null_mut(),
            heads: null_mut(),
            random: 0x853C_49E6_748F_EA9B,
            lost_count: 0,
        }
    }

    /// Bytes until the next sample: exponentially distributed with mean `interval`, by a logarithm that is linear between powers of two.
    pub(super) fn distance(&mut self, interval: usize) -> isize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let random = (self.random >> 32) as u32 | 1;
        let shift = random.leading_zeros();
        let fraction = u64::from(random << shift) - (1 << 31);
        // -log2 of the random number as a fraction of 2^32, in units of 2^-16.
        let log2 = ((u64::from(shift) + 1) << 16) - (fraction >> 15);
        const LN_2: u128 = 45_426;
        let bytes = (interval as u128 * u128::from(log2) * LN_2) >> 32;
        isize::try_from(bytes).unwrap_or(isize::MAX)
    }

    fn entry(&mut self, index: u32) -> &mut Entry {
        let (chunk, place) = (
            index as usize / CHUNK_ENTRIES,
            index as usize % CHUNK_ENTRIES,
        );
        let table = self.tables[chunk / CHUNKS_PER_TABLE];
        // SAFETY: I1; indices below `top` have a chunk.
        unsafe { &mut *(*table.add(chunk % CHUNKS_PER_TABLE)).add(place) }
    }

    /// An entry of nobody's.
    fn fresh<P: Platform>(&mut self, space: &Space<P>) -> Option<u32> {
        if self.free != NONE {
            let index = self.free;
            self.free = self.entry(index).next;
            return Some(index);
        }
        let chunk = self.top as usize / CHUNK_ENTRIES;
        if chunk == CHUNKS_MAX {
            return None;
        }
        if (self.top as usize).is_multiple_of(CHUNK_ENTRIES) {
            let table = &mut self.tables[chunk / CHUNKS_PER_TABLE];
            if table.is_null() {
                *table = own_slice(space)?.cast();
            }
            let place = table.wrapping_add(chunk % CHUNKS_PER_TABLE);
            let entries = own_slice(space)?.cast();
            // SAFETY: a word of the table's slice.
            unsafe { place.write(entries) };
        }
        self.top += 1;
        Some(self.top - 1)
    }

    /// Keeps a sample; counts it if there is no room.
    pub(super) fn add<P: Platform>(
        &mut self,
        space: &Space<P>,
        address: usize,
        bytes: usize,
        stack: &[usize],
    ) {
        let Some(index) = self.fresh(space) else {
            self.lost_count += 1;
            return;
        };
        let bucket = bucket_of(address);
        let next = core::mem::replace(&mut self.buckets[bucket], index);
        let mut frames = [0; FRAMES_MAX];
        let depth = stack.len().min(FRAMES_MAX);
        frames[..depth].copy_from_slice(&stack[..depth]);
        *self.entry(index) = Entry {
            next,
            sample: Sample {
                address,
                bytes,
                frames,
                depth,
            },
        };
    }

    /// The home of the heap that sampled blocks come from; null before the first.
    pub(super) fn home(&self) -> *const Home {
        // SAFETY: null, or the profile's heap.
        unsafe { self.heap.as_ref() }.map_or(null(), |heap| heap.home)
    }

    /// Takes a sample out, if there is one of a block there.
    pub(super) fn remove(&mut self, address: usize) {
        let bucket = bucket_of(address);
        let (mut before, mut index) = (NONE, self.buckets[bucket]);
        while index != NONE {
            let next = self.entry(index).next;
            if self.entry(index).sample.address != address {
                (before, index) = (index, next);
                continue;
            }
            if before == NONE {
                self.buckets[bucket] = next;
            } else {
                self.entry(before).next = next;
            }
            let free = core::mem::replace(&mut self.free, index);
            let entry = self.entry(index);
            entry.sample.address = 0;
            entry.next = free;
            return;
        }
    }

    /// The block at `address`, if it is a sample, has `bytes` now.
    pub(super) fn resize(&mut self, address: usize, bytes: usize) {
        let mut index = self.buckets[bucket_of(address)];
        while index != NONE {
            let entry = self.entry(index);
            if entry.sample.address == address {
                entry.sample.bytes = bytes;
                return;
            }
            index = entry.next;
        }
    }

    /// The sample at `index`, if there is one; `None` past the last.
    pub(super) fn sample(&mut self, index: usize) -> Option<Option<Sample>> {
        if index >= self.top as usize {
            return None;
        }
        let sample = self.entry(index as u32).sample;
        Some((sample.address != 0).then_some(sample))
    }

    pub(super) fn lost_count(&self) -> usize {
        self.lost_count
    }
}

/// A slice for the allocator's own use.
fn own_slice<P: Platform>(space: &Space<P>) -> Option<*mut u8> {
    let mut state = space.lock();
    let (line, zero) = space.take(&mut state, 1, 1)?;
    line.kind.store(kind::OWN, Relaxed);
    let start = space.start(line);
    if !zero {
        // SAFETY: a slice of this caller's own.
        unsafe { start.write_bytes(0, SLICE_BYTES) };
    }
    Some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_have_the_mean_that_was_asked_for() {
        let mut profile = Profile::new();
        let count = 20_000;
        let mut short = 0;
        let sum: f64 = (0..count)
            .map(|_| {
                let distance = profile.distance(1 << 19);
                short += u32::from(distance < 1 << 18);
                distance as f64
            })
            .sum();
        let mean = sum / f64::from(count) / f64::from(1 << 19);
        assert!((0.95..1.1).contains(&mean), "{mean}");
        // Of an exponential distribution, 39 % lie below half the mean.
        let share = f64::from(short) / f64::from(count);
        assert!((0.34..0.44).contains(&share), "{share}");
    }
}
