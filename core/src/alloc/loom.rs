//! Models for the checker: the remote list with its bits, the ready stack, and a slab that loses its owner.
//!
//! Blocks are indices with a link each; a model's slab has a few. The real code links blocks through their first words.
#![forbid(unsafe_code)]

use super::remote_free::RemoteList;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::thread;
use std::sync::Arc;
use std::vec::Vec;

const BLOCKS: usize = 4;
const END: u32 = u32::MAX;

/// A slab of the model.
struct Slab {
    remote: RemoteList,
    links: [AtomicU32; BLOCKS],
    /// How often the slab was announced, less how often the owner saw it.
    announced: AtomicU32,
    reclaimed: AtomicBool,
}

impl Slab {
    fn new() -> Self {
        Self {
            remote: RemoteList::new(),
            links: core::array::from_fn(|_| AtomicU32::new(END)),
            announced: AtomicU32::new(0),
            reclaimed: AtomicBool::new(false),
        }
    }

    /// Another thread frees a block; `used` is what the slab had out when its owner left.
    fn free(&self, block: u32, used: u32) {
        let seen = self.remote.splice(block, 1, |next| {
            self.links[block as usize].store(next.unwrap_or(END), Ordering::Relaxed);
        });
        if seen.was_waiting() {
            // The real one is pushed onto the ready stack, which holds it once.
            let before = self.announced.fetch_add(1, Ordering::Release);
            assert_eq!(before, 0, "announced twice");
        } else if seen.is_abandoned() && seen.count() + 1 == used {
            assert!(
                !self.reclaimed.swap(true, Ordering::AcqRel),
                "reclaimed twice"
            );
        }
    }

    /// Takes the list and returns its blocks.
    fn take(&self) -> Vec<u32> {
        let seen = self.remote.take();
        let mut blocks = Vec::new();
        let mut next = seen.first().unwrap_or(END);
        while next != END {
            blocks.push(next);
            next = self.links[next as usize].load(Ordering::Relaxed);
        }
        assert_eq!(
            blocks.len(),
            seen.count() as usize,
            "the count and the list differ"
        );
        blocks
    }
}

#[test]
fn blocks_that_two_threads_free_reach_the_owner_once_each() {
    loom::model(|| {
        let slab = Arc::new(Slab::new());
        let threads: Vec<_> = (0..2)
            .map(|thread| {
                let slab = slab.clone();
                thread::spawn(move || {
                    slab.free(thread * 2, 0);
                    slab.free(thread * 2 + 1, 0);
                })
            })
            .collect();
        let mut all = slab.take();
        for thread in threads {
            thread.join().unwrap();
        }
        all.extend(slab.take());
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
    });
}

#[test]
fn a_waiting_owner_is_told_exactly_once_or_takes_the_request_back() {
    loom::model(|| {
        let slab = Arc::new(Slab::new());
        assert!(slab.remote.will_hear(false));
        let threads: Vec<_> = (0..2)
            .map(|block| {
                let slab = slab.clone();
                thread::spawn(move || slab.free(block, 0))
            })
            .collect();
        let took_back = slab.remote.disarm();
        for thread in threads {
            thread.join().unwrap();
        }
        let announced = slab.announced.load(Ordering::Acquire);
        assert_eq!(announced, u32::from(!took_back));
        assert_eq!(slab.take().len(), 2);
    });
}

#[test]
fn a_slab_that_fills_again_is_announced_once_at_a_time() {
    loom::model(|| {
        let slab = Arc::new(Slab::new());
        assert!(slab.remote.will_hear(false));
        let threads: Vec<_> = (0..2)
            .map(|block| {
                let slab = slab.clone();
                thread::spawn(move || slab.free(block, 0))
            })
            .collect();
        // The owner frees a block itself, hands all there is out again, and sets the slab aside once more.
        let under_way = !slab.remote.disarm();
        let taken = slab.take().len();
        let waits = slab.remote.will_hear(under_way);
        for thread in threads {
            thread.join().unwrap();
        }
        let announced = slab.announced.load(Ordering::Acquire);
        assert!(announced == 1 || !waits || taken == 2 && !under_way);
    });
}

#[test]
fn arming_fails_when_a_block_is_there_and_no_block_goes_unnoticed() {
    loom::model(|| {
        let slab = Arc::new(Slab::new());
        let other = {
            let slab = slab.clone();
            thread::spawn(move || slab.free(0, 0))
        };
        let armed = slab.remote.will_hear(false);
        other.join().unwrap();
        let announced = slab.announced.load(Ordering::Acquire);
        assert_eq!(announced, u32::from(armed));
        assert_eq!(slab.take(), [0]);
    });
}

#[test]
fn the_last_block_of_an_abandoned_slab_is_noticed_by_one_party() {
    loom::model(|| {
        let slab = Arc::new(Slab::new());
        let threads: Vec<_> = (0..2)
            .map(|block| {
                let slab = slab.clone();
                thread::spawn(move || slab.free(block, 2))
            })
            .collect();
        // The owner leaves: two blocks are out. What came back before the bit is its own to see.
        let leaver_sees_all = slab.remote.set_abandoned(true).count() == 2;
        for thread in threads {
            thread.join().unwrap();
        }
        let reclaimed = slab.reclaimed.load(Ordering::Acquire);
        assert!(
            reclaimed != leaver_sees_all,
            "{reclaimed} {leaver_sees_all}"
        );
    });
}

#[test]
fn an_adopted_slab_keeps_every_block() {
    loom::model(|| {
        let slab = Arc::new(Slab::new());
        slab.remote.set_abandoned(true);
        let other = {
            let slab = slab.clone();
            thread::spawn(move || {
                slab.free(0, 4);
                slab.free(1, 4);
            })
        };
        assert!(slab.remote.set_abandoned(false).is_abandoned());
        let mut blocks = slab.take();
        other.join().unwrap();
        blocks.extend(slab.take());
        blocks.sort_unstable();
        assert_eq!(blocks, [0, 1]);
        assert!(!slab.remote.peek().is_abandoned());
    });
}
