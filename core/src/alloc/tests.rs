//! A heap and what other threads do to its slabs, step by step, in the orders that are rare on real threads.
#![allow(unsafe_code, reason = "hands raw blocks back and forth")]

use super::heap::Heap;
use super::home::Home;
use super::huge;
use super::options::Options;
use super::outgoing::{push_ready, send};
use super::size_class::{CLASSES, class_of};
use super::slab::{Block, SLICE_BYTES, Slab, flag, kind};
use super::space::{Space, age, slices_for};
use crate::platform::Instant;
use crate::platform::sim::{Sim, SimOptions};
use crate::{Kind, Operation};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const BYTES: usize = 3072;
const COUNT: usize = SLICE_BYTES / BYTES;

/// A thread's heap without the thread.
struct Owner {
    space: Space<Sim>,
    heap: Heap,
}

impl Owner {
    fn new() -> Self {
        let sim = Sim::new(SimOptions::new(1));
        let mut options = Options::new();
        options.reserve_bytes = 16 << 20;
        let home: &'static Home = Box::leak(Box::default());
        let heads: &'static mut [*mut u8; CLASSES] = Box::leak(Box::new([null_mut(); CLASSES]));
        Self {
            space: Space::new(sim.clone(), sim, options, None),
            heap: Heap::new(home, heads.as_mut_ptr(), 16),
        }
    }

    fn malloc(&mut self) -> *mut u8 {
        self.malloc_of(BYTES)
    }

    fn malloc_of(&mut self, bytes: usize) -> *mut u8 {
        let class = class_of(bytes);
        // SAFETY: the class is in range, and the list holds free blocks that are this heap's.
        unsafe {
            let block = self.heap.heads.add(class).read();
            if block.is_null() {
                return self.heap.refill(&self.space, class);
            }
            self.heap.heads.add(class).write(Block(block).next());
            block
        }
    }

    fn slab(&self, block: *mut u8) -> &Slab {
        self.space.line_for(block.addr())
    }

    /// The owner frees, and keeps the block at hand if it may.
    fn free_or_keep(&mut self, block: *mut u8) {
        let slab = self.space.line_for(block.addr());
        // SAFETY: a used block of the heap, the test's.
        unsafe {
            Block(block).set_next(slab.local.load(Relaxed));
            Block(block).set_mark(slab.mark());
        }
        slab.local.store(block, Relaxed);
        let left = slab.left.load(Relaxed) - 1;
        slab.left.store(left, Relaxed);
        if left == 0 {
            // SAFETY: the heap's slab, into which the block was freed; the class is in range.
            unsafe {
                let head = self.heap.heads.add(usize::from(slab.class.load(Relaxed)));
                match Heap::keep(slab, *head) {
                    Some(block) => head.write(block.as_ptr()),
                    None => self.heap.none_left(&self.space, slab),
                }
            }
        }
    }

    /// The owner frees.
    fn free(&mut self, block: *mut u8) {
        // SAFETY: a used block of the heap, the test's.
        unsafe {
            let slab = self.space.line_for(block.addr());
            self.heap.free_local(&self.space, slab, block);
        }
    }

    /// Another thread frees, and announces the slab if it has to.
    fn send(&self, block: *mut u8) {
        // SAFETY: a used block of the heap, the test's.
        unsafe { send(&self.space, self.slab(block), block, block, 1) };
    }

    /// Another thread frees, and stops before it announces the slab, which it has to.
    fn send_and_stop(&self, block: *mut u8) {
        let slab = self.slab(block);
        let index = (block.addr() - self.space.start(slab).addr()) / 16;
        let seen = slab.remote().splice(index as u32, 1, |next| {
            assert_eq!(next, None, "the first block to come back");
            // SAFETY: the block is the test's.
            unsafe { Block(block).set_next(null_mut()) };
        });
        assert!(seen.was_waiting());
    }

    /// Takes blocks until the slab of the first one is full; returns that one's blocks.
    fn fill(&mut self) -> Vec<*mut u8> {
        let blocks: Vec<_> = (0..COUNT).map(|_| self.malloc()).collect();
        let next = self.malloc();
        assert!(self.slab(blocks[0]).has(flag::FULL));
        assert!(!core::ptr::eq(self.slab(blocks[0]), self.slab(next)));
        blocks
    }
}

#[test]
fn a_slab_that_fills_again_is_announced_once_at_a_time() {
    let mut owner = Owner::new();
    let blocks = owner.fill();
    owner.send_and_stop(blocks[0]);
    owner.free(blocks[1]);
    assert!(!owner.slab(blocks[1]).has(flag::FULL), "in its queue");
    while !owner.slab(blocks[1]).has(flag::FULL) {
        assert!(!owner.malloc().is_null());
    }
    owner.send(blocks[2]);
    let home = owner.heap.home();
    assert!(home.ready.load(Relaxed).is_null(), "announced twice");
    push_ready(home, owner.slab(blocks[0]));
    let got: Vec<_> = (0..2 * COUNT).map(|_| owner.malloc()).collect();
    assert!(got.contains(&blocks[2]), "the block came back");
    assert!(owner.heap.check(&owner.space).is_ok());
    owner.heap.abandon(&owner.space);
}

#[test]
fn announcements_of_threads_that_a_fork_left_behind_are_not_waited_for() {
    let mut owner = Owner::new();
    let first = owner.fill();
    owner.send_and_stop(first[0]);
    owner.heap.forget_announcements();
    assert!(owner.heap.check(&owner.space).is_ok());
    let got: Vec<_> = (0..2 * COUNT).map(|_| owner.malloc()).collect();
    assert!(got.contains(&first[0]), "the block came back");
    // Ends.
    owner.heap.abandon(&owner.space);
}

#[test]
fn a_slab_without_all_of_its_pages_goes_to_nobody() {
    for refused in [false, true] {
        let mut owner = Owner::new();
        let block = owner.malloc();
        owner.slab(block).set(flag::UNSURE);
        owner.free(block);
        if refused {
            let sim = &owner.space.platform;
            sim.fail_nth(Operation::Commit, 1, Kind::OutOfMemory);
        }
        owner.heap.trim(&owner.space, false);
        assert_eq!(owner.slab(block).is(kind::OWN), refused);
        assert!(owner.space.check(&owner.space.lock()).is_ok());
    }
}

#[test]
fn what_was_freed_after_the_clock_was_read_is_new() {
    assert_eq!(age(7, 5), 2);
    assert_eq!(age(1, u32::MAX), 2);
    assert_eq!(age(5, 7), 0);
}

#[test]
fn a_slab_with_a_block_at_hand_is_left_to_nobody() {
    const SLABS: usize = 8;
    for bytes in [1280, 4096, 7168, 8192] {
        let count = SLICE_BYTES / bytes;
        let mut owner = Owner::new();
        let blocks: Vec<_> = (0..(SLABS + 1) * count)
            .map(|_| owner.malloc_of(bytes))
            .collect();
        let mut slabs: Vec<Vec<*mut u8>> = Vec::new();
        for block in blocks {
            let found = slabs
                .iter_mut()
                .find(|slab| slab[0].addr() / SLICE_BYTES == block.addr() / SLICE_BYTES);
            match found {
                Some(slab) => slab.push(block),
                None => slabs.push(Vec::from([block])),
            }
        }
        slabs.retain(|slab| slab.len() == count);
        assert!(slabs.len() >= SLABS);
        for slab in &slabs {
            owner.free_or_keep(slab[0]);
        }
        for slab in &slabs {
            for block in &slab[1..] {
                owner.free_or_keep(*block);
                assert_eq!(owner.heap.check(&owner.space), Ok(()), "{bytes}");
            }
        }
        owner.heap.trim(&owner.space, true);
        assert_eq!(owner.heap.check(&owner.space), Ok(()));
        assert!(owner.space.check(&owner.space.lock()).is_ok());
        owner.heap.abandon(&owner.space);
        assert!(owner.space.check(&owner.space.lock()).is_ok());
    }
}

#[test]
fn the_coarse_block_that_was_freed_last_is_the_next() {
    for bytes in [5000, 8192, 32768] {
        let mut owner = Owner::new();
        let blocks: Vec<_> = (0..3).map(|_| owner.malloc_of(bytes)).collect();
        for block in &blocks {
            owner.free_or_keep(*block);
        }
        assert_eq!(owner.heap.check(&owner.space), Ok(()));
        for block in blocks.iter().rev() {
            assert_eq!(owner.malloc_of(bytes), *block);
        }
        owner.heap.abandon(&owner.space);
    }
}

/// An owner whose only slab is all holes that the system does not fill, and is to be announced by another thread that has stopped.
fn all_holes() -> (Owner, *mut u8) {
    let mut owner = Owner::new();
    let blocks = owner.fill();
    owner.send_and_stop(blocks[0]);
    for block in &blocks[1..] {
        owner.free(*block);
    }
    let sim = &owner.space.platform;
    // Taken, and not given again, nor when it is asked for once more.
    sim.fail_nth(Operation::Commit, 1, Kind::OutOfMemory);
    sim.fail_nth(Operation::Commit, 2, Kind::OutOfMemory);
    owner.heap.trim(&owner.space, true);
    let slab = owner.slab(blocks[0]);
    assert!(slab.has(flag::UNSURE) && slab.used() == 0);
    (owner, blocks[0])
}

#[test]
fn a_slab_of_holes_that_stay_is_left_aside_while_it_is_announced() {
    let (mut owner, block) = all_holes();
    while !owner.slab(block).has(flag::FULL) {
        let sim = &owner.space.platform;
        sim.fail_nth(Operation::Commit, 1, Kind::OutOfMemory);
        assert!(!owner.malloc().is_null());
    }
    assert_eq!(owner.slab(block).used(), 0);
    assert_eq!(owner.heap.check(&owner.space), Ok(()));
    push_ready(owner.heap.home(), owner.slab(block));
    // The announced slab goes where empty ones go.
    for _ in 0..COUNT {
        owner.malloc();
    }
    assert_eq!(owner.heap.check(&owner.space), Ok(()));
    owner.heap.abandon(&owner.space);
}

#[test]
fn a_slab_of_holes_that_stay_goes_to_nobody() {
    let (mut owner, block) = all_holes();
    push_ready(owner.heap.home(), owner.slab(block));
    for _ in 0..3 * COUNT {
        let sim = &owner.space.platform;
        sim.fail_nth(Operation::Commit, 1, Kind::OutOfMemory);
        assert!(!owner.malloc().is_null());
    }
    assert!(owner.slab(block).is(kind::OWN));
    assert_eq!(owner.heap.check(&owner.space), Ok(()));
    owner.heap.abandon(&owner.space);
    assert!(owner.space.check(&owner.space.lock()).is_ok());
}

static CLOCK_READS: AtomicUsize = AtomicUsize::new(0);

fn counting_clock() -> Instant {
    CLOCK_READS.fetch_add(1, Relaxed);
    Instant::from_ns(1 << 40)
}

#[test]
fn no_clock_is_read_for_a_purger_that_is_not_wanted() {
    let sim = Sim::new(SimOptions::new(1));
    let mut options = Options::new();
    for background in [false, true] {
        options.background = background;
        let space = Space::new(sim.clone(), sim.clone(), options, Some(counting_clock));
        let before = CLOCK_READS.load(Relaxed);
        space.call_purger(|| false);
        space.call_purger(|| false);
        let reads = CLOCK_READS.load(Relaxed) - before;
        assert_eq!(reads, usize::from(background));
    }
}

#[test]
fn a_block_that_grows_gets_room_and_gives_it_back_when_it_shrinks() {
    let Owner { space, .. } = Owner::new();
    let (block, _) = huge::allocate(&space, None, 100_000, 1).unwrap();
    let run = space.line_for(block.addr());
    let slices = || run.slices().load(Relaxed) as usize;
    assert_eq!(slices(), slices_for(100_000));
    assert!(!huge::has_grown(run, 200_000));
    assert!(huge::resize_in_place(&space, run, 200_000));
    assert!(slices() > slices_for(200_000));
    assert!(huge::has_grown(run, 250_000 + SLICE_BYTES));
    assert!(huge::resize_in_place(&space, run, 200_000));
    assert_eq!(slices(), slices_for(200_000));
    assert_eq!(
        space.bytes_of_run(run),
        200_000_usize.next_multiple_of(4096)
    );
    // A large one gets no more than so much.
    assert!(huge::resize_in_place(&space, run, 6 << 20));
    assert!(slices() <= slices_for(7 << 20));
    huge::give(&space, run);
    assert!(space.check(&space.lock()).is_ok());
}
