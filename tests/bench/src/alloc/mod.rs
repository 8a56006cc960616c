//! The allocator against others, in turns: called through `GlobalAlloc`, and those that are C libraries preloaded under the C library's
//! functions, which `System` calls; then whole programs, and the region heap.
//!
//! The time is processor time of the process, all threads, so that a busy machine distorts less. Every block is written at both
//! ends when it is made and checked when it is freed. The peak of memory is the process's, its own pages included.
#![allow(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]

mod child;
mod programs;
mod region;
#[path = "../../../preload/region/steps.rs"]
mod steps;
mod threads;

pub(crate) use child::{ARGUMENT, round};

use crate::case::{Case, Settings};
use crate::random::mix;
use rustix::time::{ClockId, clock_gettime};
use std::alloc::{GlobalAlloc, Layout};
use std::time::Duration;

/// An allocator that any thread may call.
pub(super) type Heap = &'static (dyn GlobalAlloc + Sync);

/// One round: that many steps, and how many operations they were, or what went wrong.
type Body = fn(Heap, u64) -> Result<u64, String>;

struct Row {
    name: &'static str,
    terms: &'static str,
    steps: (u64, u64),
    body: Body,
}

const ROWS: &[Row] = &[
    Row {
        name: "small churn",
        terms: "16 to 128 bytes, 1,000 live, replaced at random",
        steps: (4_000_000, 400_000),
        body: |heap, steps| churn(heap, steps, 1_000, |r| 16 + r as usize % 113),
    },
    Row {
        name: "mixed churn",
        terms: "90 % up to 512 bytes, 9 % up to 16 KiB, 1 % up to 256 KiB, 5,000 live",
        steps: (2_000_000, 200_000),
        body: |heap, steps| churn(heap, steps, 5_000, mixed),
    },
    Row {
        name: "medium churn",
        terms: "1 to 32 KiB, 500 live",
        steps: (1_000_000, 100_000),
        body: |heap, steps| churn(heap, steps, 500, |r| 1024 + r as usize % (31 << 10)),
    },
    Row {
        name: "large churn",
        terms: "64 KiB to 1 MiB, 20 live, ends touched",
        steps: (200_000, 20_000),
        body: |heap, steps| churn(heap, steps, 20, |r| (64 << 10) + r as usize % (960 << 10)),
    },
    Row {
        name: "pair of 64 bytes",
        terms: "one block made and freed, again and again",
        steps: (10_000_000, 1_000_000),
        body: |heap, steps| churn(heap, steps, 1, |_| 64),
    },
    Row {
        name: "pair of 2 MiB",
        terms: "the same with 2 MiB, ends touched",
        steps: (200_000, 20_000),
        body: |heap, steps| churn(heap, steps, 1, |_| 2 << 20),
    },
    Row {
        name: "batches, last first",
        terms: "1,000 blocks of 64 bytes, freed in reverse",
        steps: (4_000_000, 400_000),
        body: |heap, steps| batches(heap, steps, true),
    },
    Row {
        name: "batches, first first",
        terms: "1,000 blocks of 64 bytes, freed in order",
        steps: (4_000_000, 400_000),
        body: |heap, steps| batches(heap, steps, false),
    },
    Row {
        name: "zeroed",
        terms: "alloc_zeroed of 16 to 1,024 bytes, 100 live",
        steps: (2_000_000, 200_000),
        body: zeroed,
    },
    Row {
        name: "aligned",
        terms: "64 to 1,088 bytes at multiples of 64, 1,000 live",
        steps: (2_000_000, 200_000),
        body: aligned,
    },
    Row {
        name: "growth by realloc",
        terms: "16 bytes to 4 MiB, half as much again each time",
        steps: (3_000, 300),
        body: |heap, steps| growth(heap, steps, |size| size + size / 2),
    },
    Row {
        name: "growth by page",
        terms: "4 KiB to 1 MiB, 4 KiB more each time",
        steps: (300, 30),
        body: |heap, steps| {
            growth(heap, steps, |size| {
                if size < 4096 {
                    4096
                } else {
                    (size + 4096).max(if size >= 1 << 20 { 8 << 20 } else { 0 })
                }
            })
        },
    },
    Row {
        name: "phases",
        terms: "20,000 blocks of one size, nine in ten freed at random, then another size in between",
        steps: (40, 4),
        body: phases,
    },
    Row {
        name: "producer and consumer, 64 bytes",
        terms: "one thread makes, the other frees, 256 at a time",
        steps: (2_000_000, 200_000),
        body: |heap, steps| threads::pipeline(heap, steps, |_| 64),
    },
    Row {
        name: "producer and consumer, mixed",
        terms: "the same with 16 to 1,024 bytes",
        steps: (2_000_000, 200_000),
        body: |heap, steps| threads::pipeline(heap, steps, |r| 16 + r as usize % 1009),
    },
    Row {
        name: "server churn",
        terms: "2 threads replace blocks of 16 to 500 bytes in 2,000 shared places",
        steps: (2_000_000, 200_000),
        body: threads::server,
    },
    Row {
        name: "two threads apart",
        terms: "2 threads, each the small churn of its own",
        steps: (4_000_000, 400_000),
        body: |heap, steps| threads::apart(heap, 2, steps / 2),
    },
    Row {
        name: "short threads",
        terms: "threads that make and free 500 blocks and end",
        steps: (1_000, 100),
        body: threads::short,
    },
    Row {
        name: "false sharing",
        terms: "2 threads write 1,000 times to blocks of 8 bytes that one thread made, and replace them",
        steps: (20_000, 2_000),
        body: threads::sharing,
    },
];

pub(crate) fn cases(settings: &Settings) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = ROWS
        .iter()
        .map(|row| {
            let steps = settings.operations(row.steps.0, row.steps.1);
            Case {
                name: row.name.into(),
                terms: format!(
                    "{}; {steps} steps, a process a round, processor time of all threads",
                    row.terms
                ),
                ours: child::ours(row, steps),
                peers: child::peers(row, steps),
            }
        })
        .collect();
    cases.extend(programs::cases(settings));
    cases.extend(region::cases(settings));
    if !cfg!(feature = "slow-alloc") {
        eprintln!(
            "alloc: the crates of jemalloc and snmalloc are left out (C++ and configure scripts, minutes to compile); the feature slow-alloc of tests/bench has them"
        );
    }
    Ok(cases)
}

pub(super) fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn mixed(r: u64) -> usize {
    let (kind, size) = (r % 100, (r >> 8) as usize);
    match kind {
        0..90 => 8 + size % 505,
        90..99 => 512 + size % (16 << 10),
        _ => (16 << 10) + size % (240 << 10),
    }
}

/// A block with both ends written.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) at: *mut u8,
    pub(super) layout: Layout,
}

// SAFETY: a block belongs to whoever holds it.
unsafe impl Send for Block {}

impl Block {
    pub(super) fn new(heap: Heap, size: usize, align: usize) -> Result<Self, String> {
        let layout = Layout::from_size_align(size, align).map_err(|e| e.to_string())?;
        // SAFETY: sizes here are not zero.
        let at = unsafe { heap.alloc(layout) };
        if at.is_null() {
            return Err(format!("no memory for {size} bytes"));
        }
        let block = Self { at, layout };
        block.tag();
        Ok(block)
    }

    pub(super) fn tag(self) {
        // SAFETY: a live block of that size.
        unsafe {
            self.at.write(self.layout.size() as u8);
            self.at
                .add(self.layout.size() - 1)
                .write(self.layout.size() as u8);
        }
    }

    pub(super) fn free(self, heap: Heap) -> Result<(), String> {
        let size = self.layout.size();
        // SAFETY: a live block of that size, freed once.
        unsafe {
            let right = self.at.read() == size as u8 && self.at.add(size - 1).read() == size as u8;
            heap.dealloc(self.at, self.layout);
            if right {
                Ok(())
            } else {
                Err(format!("a block of {size} bytes was overwritten"))
            }
        }
    }
}

pub(super) fn churn(
    heap: Heap,
    steps: u64,
    live: usize,
    size: fn(u64) -> usize,
) -> Result<u64, String> {
    let mut blocks: Vec<Option<Block>> = vec![None; live];
    for step in 0..steps {
        let r = mix(step);
        let place = &mut blocks[(r >> 40) as usize % live];
        if let Some(block) = place.take() {
            block.free(heap)?;
        }
        *place = Some(Block::new(heap, size(r), 8)?);
    }
    blocks
        .into_iter()
        .flatten()
        .try_for_each(|block| block.free(heap))?;
    Ok(2 * steps)
}

fn batches(heap: Heap, steps: u64, reverse: bool) -> Result<u64, String> {
    let mut blocks = Vec::with_capacity(1_000);
    for _ in 0..steps / 1_000 {
        for _ in 0..1_000 {
            blocks.push(Block::new(heap, 64, 8)?);
        }
        if reverse {
            blocks.reverse();
        }
        blocks.drain(..).try_for_each(|block| block.free(heap))?;
    }
    Ok(2 * (steps / 1_000 * 1_000))
}

fn zeroed(heap: Heap, steps: u64) -> Result<u64, String> {
    let mut blocks: Vec<Option<Block>> = vec![None; 100];
    for step in 0..steps {
        let r = mix(step);
        let place = &mut blocks[(r >> 40) as usize % 100];
        if let Some(block) = place.take() {
            block.free(heap)?;
        }
        let layout =
            Layout::from_size_align(16 + r as usize % 1009, 8).map_err(|e| e.to_string())?;
        // SAFETY: the size is not zero.
        let at = unsafe { heap.alloc_zeroed(layout) };
        // SAFETY: a live block of that size.
        if at.is_null() || unsafe { at.read() | at.add(layout.size() - 1).read() } != 0 {
            return Err("not zeroed".into());
        }
        let block = Block { at, layout };
        block.tag();
        *place = Some(block);
    }
    blocks
        .into_iter()
        .flatten()
        .try_for_each(|block| block.free(heap))?;
    Ok(2 * steps)
}

fn aligned(heap: Heap, steps: u64) -> Result<u64, String> {
    let mut blocks: Vec<Option<Block>> = vec![None; 1_000];
    for step in 0..steps {
        let r = mix(step);
        let place = &mut blocks[(r >> 40) as usize % 1_000];
        if let Some(block) = place.take() {
            block.free(heap)?;
        }
        let block = Block::new(heap, 64 + r as usize % 1024, 64)?;
        if !block.at.addr().is_multiple_of(64) {
            return Err("not aligned".into());
        }
        *place = Some(block);
    }
    blocks
        .into_iter()
        .flatten()
        .try_for_each(|block| block.free(heap))?;
    Ok(2 * steps)
}

fn growth(heap: Heap, steps: u64, next: fn(usize) -> usize) -> Result<u64, String> {
    let mut count = 0;
    for _ in 0..steps {
        let mut block = Block::new(heap, 16, 8)?;
        while block.layout.size() < 4 << 20 {
            let size = next(block.layout.size());
            // SAFETY: a live block of that layout; the new size is larger.
            let at = unsafe { heap.realloc(block.at, block.layout, size) };
            // SAFETY: the contents moved along.
            if at.is_null() || unsafe { at.read() } != block.layout.size() as u8 {
                return Err("realloc lost the contents".into());
            }
            block = Block {
                at,
                layout: Layout::from_size_align(size, 8).map_err(|e| e.to_string())?,
            };
            block.tag();
            count += 1;
        }
        block.free(heap)?;
    }
    Ok(count)
}

fn phases(heap: Heap, steps: u64) -> Result<u64, String> {
    let mut count = 0;
    for step in 0..steps {
        let sizes = [40, 200, 72, 600, 24].map(|size| size + step as usize % 8 * 8);
        let mut kept = Vec::new();
        for size in sizes {
            let mut blocks = Vec::with_capacity(20_000);
            for _ in 0..20_000 {
                blocks.push(Block::new(heap, size, 8)?);
            }
            for (index, block) in blocks.into_iter().enumerate() {
                if mix(index as u64).is_multiple_of(10) {
                    kept.push(block);
                } else {
                    block.free(heap)?;
                }
            }
            count += 40_000;
        }
        kept.into_iter().try_for_each(|block| block.free(heap))?;
    }
    Ok(count)
}
