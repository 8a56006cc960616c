//! The allocator against a plain model, on the simulator's memory: contents, alignment and overlap of random blocks, the heap
//! walker in between, commits that fail at any point, and nothing left when all is freed.

#![allow(
    clippy::unwrap_used,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a test"
)]

#[path = "alloc/words.rs"]
mod words;

use std::collections::BTreeMap;
use underpin_core::allocator::{Allocator, Heap, Hooks, Misuse, Options};
use underpin_core::platform::sim::{Sim, SimFaults, SimOptions};
use underpin_core::{Kind, Operation};
use underpin_tests::seeds;
use words::TestWords;

type Alloc = Allocator<Sim, TestWords>;

fn misuse(what: Misuse) -> ! {
    panic!("{what}");
}

/// A stack that says how the blocks are to be told apart.
fn backtrace(frames: &mut [usize]) -> usize {
    frames[0] = SITE.get();
    frames[1] = 0x1000;
    2
}

std::thread_local! {
    static SITE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

const HOOKS: Hooks = Hooks {
    thread_start: || true,
    misuse,
    foreign_free: |_| false,
    backtrace,
    purger_start: || false,
    clock: None,
};

fn options() -> Options {
    let mut options = Options::new();
    options.reserve_bytes = 64 << 20;
    options
}

fn over(sim: &Sim, options: Options) -> Alloc {
    // SAFETY: each test has a thread and its words to itself, uses one allocator at a time on it, ends there with `thread_end`, and
    // resets the words before the next.
    unsafe { Allocator::over(sim, TestWords, options, HOOKS) }
}

fn allocator(sim: &Sim) -> Alloc {
    over(sim, options())
}

/// Seeds per test; `UNDERPIN_ROUNDS` asks for more.
fn rounds() -> u64 {
    let asked = std::env::var("UNDERPIN_ROUNDS");
    asked.ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
    /// Mostly small, sometimes large.
    fn size(&mut self) -> usize {
        if self.below(200) == 0 {
            return self.below(3 << 20) as usize;
        }
        let max = [64, 64, 256, 1_024, 1_024, 4_096, 40_000, 300_000][self.below(8) as usize];
        self.below(max) as usize
    }
}

/// A live block of the model: every byte of it is `fill`.
struct Live {
    size: usize,
    fill: u8,
    align: usize,
}

#[derive(Default)]
struct Model {
    live: BTreeMap<usize, (*mut u8, Live)>,
}

impl Model {
    fn add(&mut self, alloc: &Alloc, block: *mut u8, live: Live) {
        assert!(block.addr().is_multiple_of(live.align.max(16)));
        let usable = alloc.usable_size(block);
        assert!(usable >= live.size, "{usable} for {}", live.size);
        let end = block.addr() + usable;
        if let Some((before, (_, other))) = self.live.range(..end).next_back() {
            assert!(before + other.size <= block.addr(), "blocks overlap");
        }
        // SAFETY: a fresh block of that size.
        unsafe { block.write_bytes(live.fill, live.size) };
        self.live.insert(block.addr(), (block, live));
    }

    fn verify(block: *const u8, live: &Live, size: usize) {
        // SAFETY: a live block of at least that size.
        let bytes = unsafe { core::slice::from_raw_parts(block, size) };
        // All of a small block; of a large one, both ends and a byte per cache line.
        let small = bytes.len() <= 512;
        let step = if small { 1 } else { 61 };
        let wrong = bytes
            .iter()
            .step_by(step)
            .chain(bytes.last())
            .any(|byte| *byte != live.fill);
        assert!(!wrong, "contents changed");
    }

    fn pick(&self, random: &mut Random) -> Option<usize> {
        let index = random.below(self.live.len().max(1) as u64) as usize;
        self.live.keys().nth(index).copied()
    }
}

/// Runs `steps` random operations; allocations that fail are counted.
fn run(alloc: &Alloc, random: &mut Random, steps: u32, model: &mut Model) -> u32 {
    let mut failed = 0;
    for step in 0..steps {
        let fill = step as u8;
        match random.below(16) {
            0..=7 => {
                let size = random.size();
                let align = if random.below(4) == 0 {
                    1 << random.below(18)
                } else {
                    1
                };
                let zeroed = random.below(3) == 0;
                let block = match (align, zeroed) {
                    (1, false) => alloc.malloc(size),
                    (1, true) => alloc.zeroed(size),
                    (_, false) => alloc.aligned(align, size),
                    (_, true) => alloc.aligned_zeroed(align, size),
                };
                if block.is_null() {
                    failed += 1;
                    continue;
                }
                if zeroed {
                    Model::verify(
                        block,
                        &Live {
                            size,
                            fill: 0,
                            align,
                        },
                        size,
                    );
                }
                model.add(alloc, block, Live { size, fill, align });
            }
            8..=13 => {
                if let Some(key) = model.pick(random) {
                    let (block, live) = model.live.remove(&key).unwrap();
                    Model::verify(block, &live, live.size);
                    // SAFETY: a live block.
                    unsafe { alloc.free(block) };
                }
            }
            14 => {
                if let Some(key) = model.pick(random) {
                    let (block, live) = model.live.remove(&key).unwrap();
                    let size = random.size().max(1);
                    // SAFETY: a live block.
                    let moved = unsafe { alloc.realloc(block, size, live.align) };
                    if moved.is_null() {
                        failed += 1;
                        Model::verify(block, &live, live.size);
                        model.live.insert(key, (block, live));
                    } else {
                        Model::verify(moved, &live, size.min(live.size));
                        model.add(alloc, moved, Live { size, ..live });
                    }
                }
            }
            _ => {
                if random.below(8) == 0 {
                    alloc.trim();
                }
            }
        }
        if step % 128 == 0 {
            alloc.check().unwrap();
        }
    }
    failed
}

fn free_all(alloc: &Alloc, model: Model) {
    for (block, live) in model.live.into_values() {
        Model::verify(block, &live, live.size);
        // SAFETY: a live block.
        unsafe { alloc.free(block) };
    }
}

#[test]
fn random_blocks_keep_their_contents_and_all_memory_comes_back() {
    seeds::check(rounds(), |seed| {
        let sim = Sim::new(SimOptions::new(seed).with_faults(SimFaults::none()));
        {
            let alloc = allocator(&sim);
            words::reset();
            let mut random = Random(seed.wrapping_mul(2) + 1);
            let mut model = Model::default();
            run(&alloc, &mut random, 2_000, &mut model);
            free_all(&alloc, model);
            alloc.check().unwrap();
            alloc.trim();
            alloc.check().unwrap();
            let stats = alloc.stats();
            assert_eq!(stats.used_bytes(), 0, "{stats}");
            assert_eq!(stats.slab_bytes(), 0, "{stats}");
            assert_eq!(stats.dirty_bytes, 0, "{stats}");
            alloc.thread_end();
        }
        assert!(sim.leaks().is_empty(), "{:?}", sim.leaks());
    });
}

#[test]
fn commits_that_fail_make_allocations_fail_and_nothing_else() {
    let mut failed = 0;
    seeds::check(rounds(), |seed| {
        let mut faults = SimFaults::none();
        faults.commit_error_ppm = 200_000;
        let sim = Sim::new(SimOptions::new(seed).with_faults(faults));
        {
            let alloc = allocator(&sim);
            words::reset();
            let mut random = Random(seed.wrapping_mul(2) + 1);
            let mut model = Model::default();
            failed += run(&alloc, &mut random, 1_500, &mut model);
            free_all(&alloc, model);
            alloc.check().unwrap();
            alloc.thread_end();
        }
        assert!(sim.leaks().is_empty(), "{:?}", sim.leaks());
    });
    assert!(failed > 0, "no commit failed");
}

#[test]
fn commits_that_fail_fail_their_allocations_whichever_they_are() {
    let script = |alloc: &Alloc| -> usize {
        let sizes = [10, 5_000, 100, 30_000, 70_000, 1 << 20, 2_000, 8 << 20, 40];
        let blocks: Vec<_> = sizes.map(|size| (size, alloc.malloc(size))).into();
        let nulls = blocks.iter().filter(|(_, block)| block.is_null()).count();
        for (size, block) in blocks {
            if !block.is_null() {
                // SAFETY: a live block of that size.
                unsafe {
                    block.write_bytes(1, size);
                    alloc.free(block);
                }
            }
        }
        alloc.check().unwrap();
        nulls
    };
    let mut failed = 0;
    // Further than the script commits: the last rounds fail nothing.
    for place in 1..24 {
        let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
        {
            let alloc = allocator(&sim);
            words::reset();
            // Two in a row: where the first would have been ahead of the need, the second tries what is needed.
            for nth in [place, place + 1] {
                sim.fail_nth(Operation::Commit, nth, Kind::OutOfMemory);
            }
            let nulls = script(&alloc);
            assert!(nulls <= 2, "commit {place} failed {nulls} allocations");
            failed += nulls;
            assert_eq!(script(&alloc), 0, "after commit {place}");
            alloc.thread_end();
        }
        assert!(sim.leaks().is_empty(), "{place}: {:?}", sim.leaks());
    }
    assert!(failed > 0, "no commit failed an allocation");
}

#[test]
fn a_thread_whose_end_nobody_tells_has_no_heap_of_its_own() {
    std::thread_local! {
        static STARTS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let hooks = Hooks {
        thread_start: || {
            STARTS.set(STARTS.get() + 1);
            false
        },
        ..HOOKS
    };
    {
        // SAFETY: as in `over`, but that no hook is promised.
        let alloc = unsafe { Allocator::over(&sim, TestWords, options(), hooks) };
        words::reset();
        for size in [24, 24, 5_000, 200_000, 24] {
            let block = alloc.malloc(size);
            assert!(!block.is_null());
            // SAFETY: a live block.
            unsafe { alloc.free(block) };
            alloc.check().unwrap();
        }
        assert_eq!(STARTS.get(), 1);
    }
    assert!(sim.leaks().is_empty());
}

#[test]
fn a_full_range_gives_null_and_works_again_after_a_free() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let mut small = options();
    small.reserve_bytes = 8 << 20;
    let alloc = over(&sim, small);
    words::reset();
    for size in [100, 5_000, 70_000, 1 << 20] {
        let mut blocks = Vec::new();
        loop {
            let block = alloc.malloc(size);
            if block.is_null() {
                break;
            }
            blocks.push(block);
        }
        assert!(blocks.len() * size > 4 << 20, "{size}: {}", blocks.len());
        for block in blocks {
            // SAFETY: a live block.
            unsafe { alloc.free(block) };
        }
        alloc.check().unwrap();
        alloc.trim();
    }
    assert!(alloc.malloc(9 << 20).is_null());
    assert!(alloc.malloc(usize::MAX).is_null());
    assert!(alloc.malloc(isize::MAX as usize + 1).is_null());
    assert!(alloc.aligned(48, 1).is_null(), "no power of two");
    alloc.thread_end();
}

/// `count` blocks of each size, each filled with a byte of its own; returns those whose turn in `keep` it is, the others freed.
fn scattered(alloc: &Alloc, sizes: &[usize], count: usize, keep: u64) -> Model {
    let mut random = Random(7);
    let mut model = Model::default();
    for &size in sizes {
        for index in 0..count {
            let (block, fill) = (alloc.malloc(size), index as u8);
            let live = Live {
                size,
                fill,
                align: 1,
            };
            model.add(alloc, block, live);
        }
    }
    model.live.retain(|_, (block, live)| {
        let kept = random.below(100) < keep;
        if !kept {
            Model::verify(*block, live, live.size);
            // SAFETY: a live block.
            unsafe { alloc.free(*block) };
        }
        kept
    });
    alloc.check().unwrap();
    model
}

const HOLEY_SIZES: &[usize] = &[16, 48, 200, 512, 1_000];

#[test]
fn pages_within_slabs_come_back_and_are_used_again() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let alloc = allocator(&sim);
    words::reset();
    let model = scattered(&alloc, HOLEY_SIZES, 1_000, 3);
    let slabs = alloc.stats().slab_bytes();
    let returned = alloc.trim();
    alloc.check().unwrap();
    // Every page would be too much to ask: blocks of 16 bytes leave few pages without one in use.
    assert!(returned > slabs / 2, "{returned} of {slabs}");
    assert_eq!(alloc.trim(), 0, "what is returned is returned once");
    let before = alloc.stats();
    let more = scattered(&alloc, HOLEY_SIZES, 1_000, 100);
    let after = alloc.stats();
    assert!(
        after.slab_bytes() < before.slab_bytes() + slabs / 4,
        "holes are filled before slabs are added: {after}"
    );
    free_all(&alloc, model);
    free_all(&alloc, more);
    alloc.check().unwrap();
    alloc.trim();
    assert_eq!(alloc.stats().slab_bytes(), 0);
    alloc.thread_end();
}

#[test]
fn slabs_that_are_mostly_free_are_purged_without_their_owner() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let alloc = allocator(&sim);
    words::reset();
    let mut options = options();
    options.purge_delay_ms = 0;
    let model = scattered(&alloc, &[512, 1_024, 2_048], 1_500, 3);
    assert!(alloc.stats().abandoned_count > 40, "{}", alloc.stats());
    alloc.configure(&options);
    let returned = alloc.purge();
    alloc.check().unwrap();
    assert!(returned > 2 << 20, "{returned}");
    let before = alloc.stats();
    let more = scattered(&alloc, &[512, 1_024, 2_048], 1_000, 100);
    let after = alloc.stats();
    assert!(
        after.abandoned_count < before.abandoned_count / 2,
        "{after}"
    );
    free_all(&alloc, model);
    free_all(&alloc, more);
    alloc.check().unwrap();
    alloc.trim();
    assert_eq!(alloc.stats().slab_bytes(), 0, "{}", alloc.stats());
    alloc.thread_end();
}

#[test]
fn pages_that_the_system_fails_to_take_or_give_change_no_contents() {
    seeds::check(rounds(), |seed| {
        let mut faults = SimFaults::none();
        faults.commit_error_ppm = 300_000;
        let sim = Sim::new(SimOptions::new(seed).with_faults(faults));
        let alloc = allocator(&sim);
        words::reset();
        let mut random = Random(seed * 2 + 1);
        let mut model = Model::default();
        for _ in 0..4 {
            run(&alloc, &mut random, 400, &mut model);
            alloc.trim();
            alloc.check().unwrap();
        }
        free_all(&alloc, model);
        alloc.check().unwrap();
        alloc.thread_end();
    });
}

#[test]
fn a_heap_as_a_value_takes_its_blocks_along_or_leaves_them() {
    seeds::check(rounds(), |seed| {
        let sim = Sim::new(SimOptions::new(seed).with_faults(SimFaults::none()));
        let alloc = allocator(&sim);
        words::reset();
        let mut random = Random(seed * 2 + 1);
        let mut outside = Model::default();
        run(&alloc, &mut random, 100, &mut outside);
        let used = alloc.stats().used_bytes();
        for end in 0..4 {
            let heap = Heap::new_in(&alloc).unwrap();
            let mut model = Model::default();
            for step in 0..300 {
                let (size, fill) = (random.size(), step as u8);
                let align = 1 << random.below(12);
                let block = if random.below(2) == 0 {
                    heap.allocate(size, align)
                } else {
                    let block = heap.allocate_zeroed(size, align);
                    Model::verify(
                        block,
                        &Live {
                            size,
                            fill: 0,
                            align,
                        },
                        size,
                    );
                    block
                };
                model.add(&alloc, block, Live { size, fill, align });
                let Some(key) = model.pick(&mut random).filter(|_| random.below(2) == 0) else {
                    continue;
                };
                let (block, live) = model.live.remove(&key).unwrap();
                Model::verify(block, &live, live.size);
                // SAFETY: a live block of the heap.
                unsafe {
                    match random.below(3) {
                        0 => heap.free(block),
                        1 => alloc.free(block),
                        _ => {
                            let size = random.size().max(1);
                            let moved = heap.reallocate(block, size, live.align);
                            Model::verify(moved, &live, size.min(live.size));
                            model.add(&alloc, moved, Live { size, ..live });
                        }
                    }
                }
            }
            if end % 2 == 0 {
                drop(heap);
                drop(model);
            } else {
                heap.leave();
                free_all(&alloc, model);
            }
            run(&alloc, &mut random, 50, &mut outside);
            alloc.check().unwrap();
        }
        free_all(&alloc, outside);
        alloc.trim();
        alloc.check().unwrap();
        assert_eq!(alloc.stats().used_bytes(), 0, "{used}: {}", alloc.stats());
        alloc.thread_end();
    });
}

/// What blocks hold is the program's business, also when their thread has gone: neither a well-known constant nor a copy of what
/// free memory holds is a second free.
#[test]
fn contents_that_look_like_a_mark_are_no_second_free() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let alloc = allocator(&sim);
    let blocks: Vec<usize> = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let blocks = (0..3).map(|_| alloc.malloc(16).expose_provenance());
            let blocks = blocks.collect();
            alloc.thread_end();
            blocks
        });
        other.join().unwrap()
    });
    words::reset();
    let [first, second, third] = [0, 1, 2].map(|index| {
        let words: *mut usize = core::ptr::with_exposed_provenance_mut(blocks[index]);
        words
    });
    // SAFETY: live blocks of two words, freed once; the range stays mapped, so the free block can be looked at.
    unsafe {
        first.write(0);
        first.add(1).write(0x9E37_79B9_7F4A_7C15_u64 as usize);
        alloc.free(first.cast());
        second.write(1);
        second.add(1).write(first.add(1).read());
        alloc.free(second.cast());
        alloc.free(third.cast());
    }
    alloc.check().unwrap();
    alloc.thread_end();
}

/// What stands for two threads may differ in as little as the place of a block does.
#[test]
fn blocks_of_a_thread_close_by_go_back_to_it() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let alloc = allocator(&sim);
    words::reset();
    for size in [16, 64, 1024, 4096] {
        let before = alloc.stats().remote_chains_count;
        std::thread::scope(|scope| {
            let (give, take) = std::sync::mpsc::channel::<usize>();
            let (done, wait) = std::sync::mpsc::channel::<()>();
            let alloc = &alloc;
            scope.spawn(move || {
                for _ in 0..(256 << 10) / size {
                    give.send(alloc.malloc(size).expose_provenance()).unwrap();
                }
                drop(give);
                wait.recv().unwrap();
                alloc.check().unwrap();
                alloc.thread_end();
            });
            for block in take {
                // SAFETY: a live block, freed once.
                unsafe { alloc.free(core::ptr::with_exposed_provenance_mut(block)) };
            }
            alloc.thread_end();
            let sent = alloc.stats().remote_chains_count - before;
            done.send(()).unwrap();
            assert!(sent > 0, "blocks of {size} bytes did not go back");
        });
        words::reset();
    }
}

#[test]
fn a_profile_with_every_block_knows_which_are_live() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let alloc = allocator(&sim);
    words::reset();
    let mut every = options();
    every.profile_interval_bytes = 1;
    alloc.configure(&every);
    let mut live = BTreeMap::new();
    let mut random = Random(3);
    for step in 0..3_000 {
        SITE.set(1 + step % 7);
        let size = random.size().max(16);
        let block = alloc.malloc(size);
        live.insert(block.addr(), (block, size, SITE.get()));
        if random.below(5) < 3 {
            let key = *live
                .keys()
                .nth(random.below(live.len() as u64) as usize)
                .unwrap();
            let (block, ..) = live.remove(&key).unwrap();
            // SAFETY: a live block.
            unsafe { alloc.free(block) };
        }
    }
    let mut seen = BTreeMap::new();
    alloc.samples(&mut |sample| {
        seen.insert(sample.address, (sample.bytes, sample.frames().to_vec()));
    });
    // A distance may still come out as zero or one byte more than a block.
    assert!(seen.len() * 100 >= live.len() * 98 && seen.len() <= live.len());
    for (address, (bytes, frames)) in &seen {
        let (_, size, site) = live[address];
        assert_eq!((*bytes, frames[..].to_vec()), (size, vec![site, 0x1000]));
    }
    let mut text = String::new();
    alloc.write_profile(&mut text).unwrap();
    let header = text.lines().next().unwrap();
    let total: usize = seen.values().map(|(bytes, _)| bytes).sum();
    let count = seen.len();
    assert_eq!(
        header,
        format!("heap profile: {count}: {total} [{count}: {total}] @ heap_v2/1")
    );
    assert_eq!(text.lines().count(), count + 1);
    for (block, ..) in live.into_values() {
        // SAFETY: a live block.
        unsafe { alloc.free(block) };
    }
    let mut left = 0;
    alloc.samples(&mut |_| left += 1);
    assert_eq!(left, 0);
    alloc.check().unwrap();
    alloc.thread_end();
}

#[test]
fn a_large_block_that_grows_in_place_grows_in_the_profile() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    for (interval, what_is_kept) in [(1, 300_001), (16 << 10, 303_104)] {
        let alloc = allocator(&sim);
        words::reset();
        let mut sampled = options();
        sampled.profile_interval_bytes = interval;
        alloc.configure(&sampled);
        SITE.set(1);
        let mut block = alloc.malloc(40_000);
        for size in (60_001..=300_001).step_by(20_000) {
            // SAFETY: a live block.
            block = unsafe { alloc.realloc(block, size, 1) };
        }
        let mut seen = Vec::new();
        alloc.samples(&mut |sample| seen.push((sample.address, sample.bytes)));
        assert_eq!(seen, [(block.addr(), what_is_kept)]);
        // SAFETY: a live block.
        unsafe { alloc.free(block) };
        let mut left = 0;
        alloc.samples(&mut |_| left += 1);
        assert_eq!(left, 0);
        alloc.check().unwrap();
        alloc.thread_end();
    }
}

#[test]
fn a_block_that_grows_moves_seldom_and_few_take_a_slice_for_it() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let alloc = allocator(&sim);
    words::reset();
    let grow = |most: usize| {
        let mut block = alloc.malloc(16);
        let (mut size, mut moves) = (16, 0);
        while size < most {
            // SAFETY: a live block of that size.
            unsafe {
                block.write(size as u8);
                let moved = alloc.realloc(block, size + size / 2, 1);
                assert_eq!(moved.read(), size as u8);
                moves += u32::from(moved != block);
                block = moved;
            }
            size += size / 2;
        }
        (block, moves)
    };
    let (block, moves) = grow(8 << 20);
    assert!(moves <= 14, "{moves}");
    // SAFETY: a live block.
    unsafe { alloc.free(block) };
    for round in 0..3 {
        // A growing block ends so early that the slice is mostly empty; the count of those comes down when they are freed, or small,
        // or too large for it.
        let blocks: Vec<_> = (0..100).map(|_| grow(4_000).0).collect();
        assert_eq!(alloc.stats().large_count, 16, "round {round}");
        for (index, block) in blocks.into_iter().enumerate() {
            // SAFETY: a live block.
            unsafe {
                let block = match index % 3 {
                    0 => block,
                    1 => alloc.realloc(block, 50, 1),
                    _ => alloc.realloc(block, 50_000, 1),
                };
                alloc.free(block);
            }
        }
        assert_eq!(alloc.stats().large_count, 0);
        alloc.check().unwrap();
    }
    alloc.thread_end();
}

#[test]
fn a_sampled_profile_estimates_what_is_live() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let alloc = allocator(&sim);
    words::reset();
    let mut sampled = options();
    sampled.profile_interval_bytes = 16 << 10;
    alloc.configure(&sampled);
    let mut blocks = Vec::new();
    let mut live = 0;
    for step in 0..60_000_usize {
        let size = [32, 200, 1_000, 3_000][step % 4];
        SITE.set(size);
        let block = alloc.malloc(size);
        if step % 3 == 0 {
            // SAFETY: a live block.
            unsafe { alloc.free(block) };
        } else {
            live += size;
            blocks.push(block);
        }
    }
    // A block of n bytes is sampled with probability 1 - exp(-n / interval).
    let mut estimate = 0.0;
    alloc.samples(&mut |sample| {
        let bytes = sample.bytes as f64;
        estimate += bytes / (1.0 - (-bytes / f64::from(16 << 10)).exp());
    });
    let ratio = estimate / live as f64;
    assert!((0.85..1.15).contains(&ratio), "{ratio}");
    for block in blocks {
        // SAFETY: a live block.
        unsafe { alloc.free(block) };
    }
    alloc.check().unwrap();
    alloc.thread_end();
}

#[test]
fn misuse_is_noticed() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let alloc = allocator(&sim);
    words::reset();
    let message = |wrong: &dyn Fn()| -> String {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(wrong)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    for size in [1, 16, 100, 1_000, 5_000, 30_000, 100_000] {
        let block = alloc.malloc(size);
        let other = alloc.malloc(size);
        // SAFETY: live, and freed once; the second time is the test.
        unsafe {
            alloc.free(block);
            let said = message(&|| alloc.free(block));
            assert!(said.contains("double free"), "{size}: {said}");
        }
        for inside in [8, 16, 32, size.next_multiple_of(16) - 16] {
            if inside == 0 || inside >= alloc.usable_size(other) {
                continue;
            }
            let said = message(&|| {
                // SAFETY: noticed and refused.
                unsafe { alloc.free(other.add(inside)) };
            });
            assert!(said.contains("inside a block"), "{size} {inside}: {said}");
        }
        // SAFETY: live.
        unsafe { alloc.free(other) };
    }
    let here = [0_u64; 4];
    let said = message(&|| {
        // SAFETY: noticed and refused.
        unsafe { alloc.free((&raw const here).cast_mut().cast()) };
    });
    assert!(said.contains("never allocated"), "{said}");
    alloc.check().unwrap();
    alloc.thread_end();
}

fn secure() -> Options {
    let mut secure = options();
    secure.secure = true;
    secure
}

#[test]
fn secure_blocks_keep_their_contents_and_all_memory_comes_back() {
    seeds::check(rounds(), |seed| {
        let mut faults = SimFaults::none();
        faults.commit_error_ppm = if seed % 2 == 0 { 0 } else { 100_000 };
        let sim = Sim::new(SimOptions::new(seed).with_faults(faults));
        let alloc = allocator(&sim);
        words::reset();
        alloc.configure(&secure());
        let mut random = Random(seed * 2 + 1);
        let mut model = Model::default();
        run(&alloc, &mut random, 800, &mut model);
        free_all(&alloc, model);
        alloc.check().unwrap();
        assert_eq!(alloc.stats().used_bytes(), 0, "{}", alloc.stats());
        alloc.thread_end();
    });
}

#[test]
fn the_secure_way_notices_what_is_wrong() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let alloc = allocator(&sim);
    words::reset();
    alloc.configure(&secure());
    let message = |wrong: &dyn Fn()| -> String {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(wrong)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    for size in [1, 20, 100, 1_000, 5_000, 30_000] {
        let free = |block: *mut u8| {
            // SAFETY: what is wrong with it is the test.
            message(&|| unsafe { alloc.free(block) })
        };
        let (block, other) = (alloc.malloc(size), alloc.malloc(size));
        assert_eq!(alloc.usable_size(block), size);
        // SAFETY: a byte past a live block's end, but within its place.
        unsafe { block.add(size).write(0) };
        assert!(free(block).contains("past the end"), "{size}");
        assert!(free(other.wrapping_add(16)).contains("inside a block"));
        // SAFETY: live.
        unsafe { alloc.free(other) };
        assert!(free(other).contains("double free"), "{size}");
        // SAFETY: the place of a block that was freed.
        unsafe { other.write(1) };
        let said = message(&|| {
            for _ in 0..5_000 {
                let _ = alloc.malloc(size);
            }
        });
        assert!(said.contains("was freed"), "{size}: {said}");
    }
    // Places are random.
    let places: Vec<usize> = (0..20).map(|_| alloc.malloc(48).addr()).collect();
    assert!(!places.is_sorted());
}
