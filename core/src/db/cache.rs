//! Table blocks in memory: a bounded cache in shards that a scan cannot sweep out.
//!
//! S3-FIFO (Yang et al., SOSP 2023): a new block enters a small queue, a tenth of the shard. If it is used again before it
//! reaches the end, it moves to the main queue; if not, it leaves, and its name stays in a list of ghosts for a while: a block that
//! comes back from there enters the main queue at once. At the end of the main queue a block that was used since goes to its front.
//! So what is read once passes through the tenth.
//!
//! # Bounds
//! Blocks and what tables hold of themselves in memory (indexes and filters, see [`charge`](BlockCache::charge)) together stay within
//! the capacity; only if the latter alone exceed it is that passed, and then no block is kept. A block larger than a quarter of
//! a shard is never kept.
#![forbid(unsafe_code)]

use super::table::Block;
use crate::platform::{Mutex, Park};
use crate::sync::atomic::{AtomicUsize, Ordering};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use hashbrown::HashTable;

/// Enough that a handful of threads seldom meet.
const SHARDS: usize = 16;
/// What an entry costs besides its block's bytes, roughly.
const ENTRY_BYTES: usize = 128;
/// Uses that count.
const USES_MAX: u8 = 3;

/// A table's number and an offset in it.
type Key = (u64, u64);

#[derive(Debug)]
pub(super) struct BlockCache<P: Park> {
    shards: Vec<Mutex<Shard, P>>,
    bytes_max: usize,
    charged: AtomicUsize,
}

#[derive(Debug, Default)]
struct Shard {
    slots: HashTable<Slot>,
    small: VecDeque<Key>,
    main: VecDeque<Key>,
    ghosts: VecDeque<Key>,
    small_bytes: usize,
    bytes: usize,
    hits: u64,
    misses: u64,
}

#[derive(Debug)]
struct Slot {
    key: Key,
    /// None for a ghost.
    block: Option<Arc<Block>>,
    uses: u8,
    /// In the small queue.
    small: bool,
}

/// Fibonacci hashing, twice: the high bits depend on all bits of the key.
const fn hash(key: Key) -> u64 {
    let mixed = (key.0.rotate_left(40) ^ key.1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

impl<P: Park + Clone> BlockCache<P> {
    pub(super) fn new(bytes_max: usize, platform: &P) -> Self {
        Self {
            shards: (0..SHARDS)
                .map(|_| Mutex::new(Shard::default(), platform.clone()))
                .collect(),
            bytes_max,
            charged: AtomicUsize::new(0),
        }
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard, P> {
        &self.shards[(hash >> 20) as usize % SHARDS]
    }

    /// Takes memory that lies elsewhere from what blocks may have.
    pub(super) fn charge(&self, bytes: usize) {
        self.charged.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives it back.
    pub(super) fn discharge(&self, bytes: usize) {
        self.charged.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn get(&self, key: Key) -> Option<Arc<Block>> {
        let hash = hash(key);
        let mut shard = self.shard(hash).lock();
        let found = shard.slots.find_mut(hash, |slot| slot.key == key);
        match found.and_then(|slot| {
            slot.uses = (slot.uses + 1).min(USES_MAX);
            slot.block.clone()
        }) {
            Some(block) => {
                shard.hits += 1;
                Some(block)
            }
            None => {
                shard.misses += 1;
                None
            }
        }
    }

    /// Bytes that a shard may have.
    fn shard_bytes_max(&self) -> usize {
        let charged = self.charged.load(Ordering::Relaxed);
        self.bytes_max.saturating_sub(charged) / SHARDS
    }

    /// Puts another form of a block in its place, if it is still there.
    pub(super) fn replace(&self, key: Key, block: &Arc<Block>) {
        let hash = hash(key);
        let bytes_max = self.shard_bytes_max();
        self.shard(hash).lock().replace(key, block, bytes_max);
    }

    pub(super) fn insert(&self, key: Key, block: &Arc<Block>) {
        let bytes_max = self.shard_bytes_max();
        let cost = cost(block);
        if cost > bytes_max / 4 {
            return;
        }
        let hash = hash(key);
        self.shard(hash).lock().insert(key, block, cost, bytes_max);
    }

    /// Hits and misses so far, and the bytes held.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        self.shards.iter().map(|shard| shard.lock()).fold(
            (0, 0, 0),
            |(hits, misses, bytes), shard| {
                (
                    hits + shard.hits,
                    misses + shard.misses,
                    bytes + shard.bytes as u64,
                )
            },
        )
    }
}

fn cost(block: &Block) -> usize {
    block.bytes() + ENTRY_BYTES
}

impl Shard {
    fn slot(&mut self, key: Key) -> Option<&mut Slot> {
        self.slots.find_mut(hash(key), |slot| slot.key == key)
    }

    fn forget(&mut self, key: Key) {
        if let Ok(entry) = self.slots.find_entry(hash(key), |slot| slot.key == key) {
            entry.remove();
        }
    }

    fn insert(&mut self, key: Key, block: &Arc<Block>, cost: usize, bytes_max: usize) {
        match self.slot(key) {
            Some(Slot { block: Some(_), .. }) => return,
            Some(ghost) => {
                ghost.block = Some(block.clone());
                ghost.uses = 0;
                // The name in the list of ghosts is passed over when its turn comes.
                self.main.push_back(key);
            }
            None => {
                let slot = Slot {
                    key,
                    block: Some(block.clone()),
                    uses: 0,
                    small: true,
                };
                self.slots
                    .insert_unique(hash(key), slot, |slot| hash(slot.key));
                self.small.push_back(key);
                self.small_bytes += cost;
            }
        }
        self.bytes += cost;
        self.trim(bytes_max);
    }

    fn replace(&mut self, key: Key, block: &Arc<Block>, bytes_max: usize) {
        let Some(slot) = self.slot(key) else { return };
        let Some(held) = &mut slot.block else { return };
        let (before, after) = (cost(held), cost(block));
        *held = block.clone();
        let small = slot.small;
        self.bytes = self.bytes - before + after;
        if small {
            self.small_bytes = self.small_bytes - before + after;
        }
        self.trim(bytes_max);
    }

    fn trim(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let done = if self.small_bytes > bytes_max / 10 || self.main.is_empty() {
                self.evict_small()
            } else {
                self.evict_main()
            };
            if !done {
                break;
            }
        }
    }

    /// Takes one block out of the small queue. False if there is none.
    fn evict_small(&mut self) -> bool {
        let Some(key) = self.small.pop_front() else {
            return false;
        };
        let Some(slot) = self.slot(key) else {
            return true;
        };
        let bytes = slot.block.as_deref().map_or(0, cost);
        slot.small = false;
        if slot.uses > 0 {
            slot.uses = 0;
            self.main.push_back(key);
        } else {
            slot.block = None;
            self.bytes -= bytes;
            self.ghosts.push_back(key);
        }
        self.small_bytes -= bytes;
        // As many ghosts as there are blocks.
        while self.ghosts.len() > self.main.len() + self.small.len() + 8 {
            if let Some(ghost) = self.ghosts.pop_front()
                && self.slot(ghost).is_some_and(|slot| slot.block.is_none())
            {
                self.forget(ghost);
            }
        }
        true
    }

    /// Takes one block out of the main queue, or gives it another round. False if there is none.
    fn evict_main(&mut self) -> bool {
        let Some(key) = self.main.pop_front() else {
            return false;
        };
        let Some(slot) = self.slot(key) else {
            return true;
        };
        if slot.uses > 0 {
            slot.uses -= 1;
            self.main.push_back(key);
        } else {
            self.bytes -= slot.block.as_deref().map_or(0, cost);
            self.forget(key);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::file_name::FileName;
    use crate::platform::sim::{Sim, SimOptions};

    fn block() -> Arc<Block> {
        // Entries with a key of 4 bytes and a value of 20.
        let mut bytes = [&[0, 4, 1, 20][..], &[0; 24]].concat().repeat(36);
        bytes.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0]);
        Arc::new(Block::new(bytes, FileName::Table(1), 0, 2).unwrap())
    }

    #[test]
    fn a_scan_leaves_what_is_used_and_the_bound_holds() {
        let cache = BlockCache::new(1 << 20, &Sim::new(SimOptions::new(1)));
        let read = |key: Key| {
            if cache.get(key).is_none() {
                cache.insert(key, &block());
            }
        };
        for _ in 0..4 {
            (0..300).for_each(|offset| read((1, offset)));
        }
        for offset in 0..20_000 {
            read((2, offset));
            assert!(cache.counts().2 <= 1 << 20);
        }
        let kept = (0..300).filter(|&offset| cache.get((1, offset)).is_some());
        assert!(kept.count() > 270);
        cache.charge(1 << 20);
        read((3, 0));
        assert!(cache.get((3, 0)).is_none(), "no room is left");
    }

    #[test]
    fn queues_and_slots_agree_whatever_is_read() {
        let cache = BlockCache::new(64 << 10, &Sim::new(SimOptions::new(1)));
        let mut random = 3u64;
        let larger = Arc::new(block().settled().unwrap());
        assert!(cost(&larger) > cost(&block()));
        for _ in 0..20_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let key = (1, (random >> 33) % 200);
            match cache.get(key) {
                None => cache.insert(key, &block()),
                Some(_) if random.is_multiple_of(3) => {
                    cache.replace(key, &larger);
                }
                Some(_) => {}
            }
            cache.replace((2, random), &larger);
        }
        for shard in &cache.shards {
            let shard = shard.lock();
            let held: usize = shard
                .slots
                .iter()
                .filter_map(|slot| slot.block.as_deref().map(cost))
                .sum();
            assert_eq!(held, shard.bytes);
            let small = shard.slots.iter().filter(|slot| slot.small);
            let small: usize = small
                .filter_map(|slot| slot.block.as_deref().map(cost))
                .sum();
            assert_eq!(small, shard.small_bytes);
            let ghosts = shard.slots.iter().filter(|slot| slot.block.is_none());
            assert!(ghosts.count() <= shard.ghosts.len());
        }
    }
}
