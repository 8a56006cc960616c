//! The process-wide allocator under many threads: random sizes and alignments, blocks freed by whoever comes across them, threads
//! that end with blocks alive, and the heap walker in between.
//!
//! Twice as many threads as processors, and sixteen times as many. `UNDERPIN_ROUNDS` says how many seeds (2, a short run, by default;
//! with it each seed has a million operations).
#![allow(clippy::unwrap_used, reason = "a test")]

use core::alloc::{GlobalAlloc as _, Layout};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering::AcqRel};
use underpin::alloc::Underpin;

/// In front of each block's contents.
#[repr(C)]
struct Head {
    layout: Layout,
    fill: u8,
}

const SLOTS: usize = 1_024;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % bound
    }
}

fn make(random: &mut Random) -> *mut Head {
    let most = [64, 64, 200, 1_000, 5_000, 40_000, 100_000, 700_000];
    // Large ones are rare, so that filling them is not all there is.
    let kind = random.below(8).min(random.below(8)) as usize;
    let size = size_of::<Head>() + random.below(most[kind]) as usize;
    let align = if random.below(8) == 0 {
        8 << random.below(12)
    } else {
        8
    };
    let layout = Layout::from_size_align(size, align).unwrap();
    let zeroed = random.below(4) == 0;
    // SAFETY: the size is not zero.
    let block = unsafe {
        if zeroed {
            Underpin.alloc_zeroed(layout)
        } else {
            Underpin.alloc(layout)
        }
    };
    assert!(!block.is_null() && block.addr().is_multiple_of(align));
    // SAFETY: a fresh block of that size.
    unsafe {
        if zeroed {
            assert_eq!((block.read(), block.add(size - 1).read()), (0, 0));
        }
        let fill = random.below(255) as u8;
        block.write_bytes(fill, size);
        block.cast::<Head>().write(Head { layout, fill });
    }
    block.cast()
}

fn drop_block(block: *mut Head) {
    if block.is_null() {
        return;
    }
    // SAFETY: a block of `make`, the caller's alone.
    unsafe {
        let Head { layout, fill } = block.read();
        let bytes = core::slice::from_raw_parts(block.cast::<u8>(), layout.size());
        let contents = &bytes[size_of::<Head>()..];
        assert!(
            contents
                .iter()
                .step_by(113)
                .chain(contents.last())
                .all(|byte| *byte == fill),
            "a block of {layout:?} changed"
        );
        Underpin.dealloc(block.cast(), layout);
    }
}

fn resize(block: *mut Head, random: &mut Random) -> *mut Head {
    // SAFETY: a block of `make`, the caller's alone.
    unsafe {
        let Head { layout, fill } = block.read();
        let size = size_of::<Head>() + random.below(2 * layout.size() as u64) as usize;
        let moved = Underpin.realloc(block.cast(), layout, size);
        assert!(moved.addr().is_multiple_of(layout.align()));
        if size > layout.size() {
            moved
                .add(layout.size())
                .write_bytes(fill, size - layout.size());
        }
        let layout = Layout::from_size_align(size, layout.align()).unwrap();
        moved.cast::<Head>().write(Head { layout, fill });
        moved.cast()
    }
}

fn work(slots: &[AtomicPtr<Head>], seed: u64, operations: u64) {
    let mut random = Random(seed * 2 + 1);
    for operation in 0..operations {
        let mut new = make(&mut random);
        if random.below(8) == 0 {
            new = resize(new, &mut random);
        }
        let slot = &slots[random.below(SLOTS as u64) as usize];
        drop_block(slot.swap(new, AcqRel));
        if operation % 10_000 == 9_999 {
            underpin::alloc::check().unwrap();
        }
        if operation % 50_000 == 49_999 {
            underpin::alloc::trim();
        }
    }
}

#[test]
fn many_threads_and_one_walker_agree() {
    let asked = std::env::var("UNDERPIN_ROUNDS").ok();
    let asked: Option<u64> = asked.and_then(|text| text.parse().ok());
    let (seeds, operations) = asked.map_or((2, 40_000), |seeds| (seeds, 1_000_000));
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let slots: Vec<AtomicPtr<Head>> = (0..SLOTS).map(|_| AtomicPtr::new(null_mut())).collect();
    for seed in 0..seeds {
        // Waves of threads: each leaves its heap, and blocks in the slots, to the next.
        for (wave, times) in [2, 16].into_iter().enumerate() {
            let threads = (processors * times) as u64;
            std::thread::scope(|scope| {
                for thread in 0..threads {
                    let slots = &slots;
                    let seed = seed * 1_000 + wave as u64 * 500 + thread;
                    scope.spawn(move || work(slots, seed, operations / 2 / threads));
                }
            });
            underpin::alloc::check().unwrap();
        }
    }
    for slot in &slots {
        drop_block(slot.swap(null_mut(), AcqRel));
    }
    underpin::alloc::check().unwrap();
}
