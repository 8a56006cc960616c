//! Table blocks in memory: a bounded cache in shards, each evicting by second chance.
//!
//! A block's entry goes to the back of its shard's queue; at the front it leaves, unless it was used since it
//! last stood there, then it goes to the back once more.
//!
//! # Bounds
//! The blocks of a shard are at most its part of the capacity; a block larger than a quarter of that is never kept.
#![forbid(unsafe_code)]

use super::table::Block;
use crate::platform::{Mutex, Park};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Enough that a handful of threads seldom meet.
const SHARDS: usize = 16;
/// What an entry costs besides its block's bytes, roughly.
const ENTRY_BYTES: usize = 128;

/// A table's number and an offset in it.
type Key = (u64, u64);

#[derive(Debug)]
pub(super) struct BlockCache<P: Park> {
    shards: Vec<Mutex<Shard, P>>,
}

#[derive(Debug, Default)]
struct Shard {
    slots: BTreeMap<Key, Slot>,
    queue: VecDeque<Key>,
    bytes: usize,
    bytes_max: usize,
    hits: u64,
    misses: u64,
}

#[derive(Debug)]
struct Slot {
    block: Arc<Block>,
    used: bool,
}

impl<P: Park + Clone> BlockCache<P> {
    pub(super) fn new(bytes_max: usize, platform: &P) -> Self {
        let shard = || Shard {
            bytes_max: bytes_max / SHARDS,
            ..Shard::default()
        };
        Self {
            shards: (0..SHARDS)
                .map(|_| Mutex::new(shard(), platform.clone()))
                .collect(),
        }
    }

    fn shard(&self, key: Key) -> &Mutex<Shard, P> {
        // Fibonacci hashing: the high bits of the product depend on all bits of the key.
        let hash = (key.0.rotate_left(40) ^ key.1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.shards[(hash >> 60) as usize % SHARDS]
    }

    pub(super) fn get(&self, key: Key) -> Option<Arc<Block>> {
        let mut shard = self.shard(key).lock();
        match shard.slots.get_mut(&key) {
            Some(slot) => {
                slot.used = true;
                let block = slot.block.clone();
                shard.hits += 1;
                Some(block)
            }
            None => {
                shard.misses += 1;
                None
            }
        }
    }

    pub(super) fn insert(&self, key: Key, block: &Arc<Block>) {
        let cost = block.bytes() + ENTRY_BYTES;
        let mut shard = self.shard(key).lock();
        if cost > shard.bytes_max / 4 || shard.slots.contains_key(&key) {
            return;
        }
        shard.slots.insert(
            key,
            Slot {
                block: block.clone(),
                used: false,
            },
        );
        shard.queue.push_back(key);
        shard.bytes += cost;
        shard.evict();
    }

    /// Hits and misses so far.
    pub(super) fn counts(&self) -> (u64, u64) {
        self.shards
            .iter()
            .map(|shard| shard.lock())
            .fold((0, 0), |(hits, misses), shard| {
                (hits + shard.hits, misses + shard.misses)
            })
    }
}

impl Shard {
    fn evict(&mut self) {
        while self.bytes > self.bytes_max {
            let Some(key) = self.queue.pop_front() else {
                return;
            };
            let Some(slot) = self.slots.get_mut(&key) else {
                continue;
            };
            if core::mem::take(&mut slot.used) {
                self.queue.push_back(key);
            } else {
                self.bytes -= slot.block.bytes() + ENTRY_BYTES;
                self.slots.remove(&key);
            }
        }
    }
}
