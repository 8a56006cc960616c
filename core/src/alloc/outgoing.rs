//! Blocks on their way to other threads' slabs, collected so that one atomic operation returns many.
//!
//! A direct-mapped cache: one chain per slab, kept until another slab wants the place or the chain holds enough. What waits here is
//! bounded by [`PLACES`] times [`CHAIN_BYTES`] plus a block.
//!
//! # Invariants
//! - I1: a slab with a chain here has blocks out (those of the chain), so that it stays the slab it is.
#![allow(unsafe_code, reason = "chains run through free blocks")]

use super::home::Home;
use super::slab::{Block, SLICE_SHIFT, Slab, Starts, flag};
use super::space::Space;
use crate::platform::Platform;
use core::ptr::{null, null_mut};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

const PLACES: usize = 32;
/// A chain of this many bytes is sent.
const CHAIN_BYTES: u32 = 4 * 1024;

/// Blocks of one slab, and what is looked at for each of them.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Chain {
    /// The slab's first byte.
    start: usize,
    /// Where its blocks start; nowhere for no slab.
    starts: Starts,
    /// Blocks that still fit.
    room: u32,
    head: *mut u8,
    tail: *mut u8,
    slab: *const Slab,
    count: u32,
}

const NO_CHAIN: Chain = Chain {
    start: 0,
    starts: Starts::NOWHERE,
    room: 0,
    head: null_mut(),
    tail: null_mut(),
    slab: null(),
    count: 0,
};

/// A thread's chains.
#[derive(Debug)]
pub(super) struct Outgoing {
    chains: [Chain; PLACES],
}

#[inline(always)]
fn place_of(address: usize) -> usize {
    (address >> SLICE_SHIFT) % PLACES
}

impl Outgoing {
    pub(super) const fn new() -> Self {
        Self {
            chains: [NO_CHAIN; PLACES],
        }
    }

    /// Adds a block if there is a chain of its slab, and nothing about it is odd; false, and no change, otherwise.
    ///
    /// # Safety
    /// As for [`Allocator::free`](super::Allocator::free), for a block of no slab of this thread.
    #[inline(always)]
    pub(super) unsafe fn push_open<P: Platform>(
        &mut self,
        space: &Space<P>,
        address: *mut u8,
    ) -> bool {
        let chain = &mut self.chains[place_of(address.addr())];
        if !chain.starts.has(address.addr() ^ chain.start) {
            return false;
        }
        let block = Block(address);
        // SAFETY: an address in a slab (I1) where a block may start; that it is the caller's is the caller's promise.
        unsafe {
            let mark = chain.slab.addr();
            if block.mark() == mark {
                return false;
            }
            block.set_mark(mark);
            block.set_next(chain.head);
        }
        chain.head = address;
        chain.room -= 1;
        if chain.room == 0 {
            self.send_place(space, place_of(address.addr()));
        }
        true
    }

    /// Begins a chain with a block of `slab`.
    ///
    /// # Safety
    /// `block` is a free block of `slab`, the caller's, and marked.
    pub(super) unsafe fn push<P: Platform>(
        &mut self,
        space: &Space<P>,
        slab: &Slab,
        block: *mut u8,
    ) {
        let place = place_of(block.addr());
        self.send_place(space, place);
        let count = (CHAIN_BYTES / slab.block_bytes()).max(1);
        // SAFETY: the block is the caller's.
        unsafe { Block(block).set_next(null_mut()) };
        self.chains[place] = Chain {
            start: space.start(slab).addr(),
            starts: slab.starts(),
            room: count - 1,
            head: block,
            tail: block,
            slab,
            count,
        };
        if count == 1 {
            self.send_place(space, place);
        }
    }

    /// Sends the chain at `place`, if there is one.
    #[cold]
    #[inline(never)]
    fn send_place<P: Platform>(&mut self, space: &Space<P>, place: usize) {
        let chain = core::mem::replace(&mut self.chains[place], NO_CHAIN);
        // SAFETY: null, or a line of the table.
        if let Some(slab) = unsafe { chain.slab.as_ref() } {
            // SAFETY: the chain holds free blocks of its slab.
            unsafe {
                send(
                    space,
                    slab,
                    chain.head,
                    chain.tail,
                    chain.count - chain.room,
                )
            };
        }
    }

    /// Sends every chain.
    pub(super) fn flush<P: Platform>(&mut self, space: &Space<P>) {
        for place in 0..PLACES {
            self.send_place(space, place);
        }
    }

    /// Sends what a thread that died in the middle of anything left behind: chains whose blocks can all be reached.
    pub(super) fn salvage<P: Platform>(&mut self, space: &Space<P>) {
        for chain in &mut self.chains {
            let found = core::mem::replace(chain, NO_CHAIN);
            // SAFETY: null, or a line of the table.
            let Some(slab) = (unsafe { found.slab.as_ref() }) else {
                continue;
            };
            let mut block = found.head;
            for count in 1..=found.count {
                if !space.is_block_of(slab, block) {
                    break;
                }
                if block == found.tail {
                    // SAFETY: a chain of `count` blocks of the slab.
                    unsafe { send(space, slab, found.head, found.tail, count) };
                    break;
                }
                // SAFETY: a block of the slab, in the dead thread's chain.
                block = unsafe { Block(block).next() };
            }
        }
    }
}

/// Splices a chain of `count` blocks onto the remote list of `slab`, and tells whom it concerns.
///
/// # Safety
/// The blocks are free, linked from `head` to `tail`, the caller's, and of `slab`.
pub(super) unsafe fn send<P: Platform>(
    space: &Space<P>,
    slab: &Slab,
    head: *mut u8,
    tail: *mut u8,
    count: u32,
) {
    space.counters.remote_chains_count.fetch_add(1, Relaxed);
    let start = space.start(slab);
    let index = ((head.addr() - start.addr()) / 16) as u32;
    let seen = slab.remote().splice(index, count, |next| {
        let next = next.map_or(null_mut(), |index| start.wrapping_add(index as usize * 16));
        // SAFETY: the chain is the caller's until it is spliced.
        unsafe { Block(tail).set_next(next) };
    });
    if seen.was_waiting() {
        announce(slab);
    } else if seen.is_abandoned() && seen.count() + count >= slab.used() {
        space.reclaim(slab);
    }
}

/// Puts the slab on its owner's ready stack. The owner keeps the slab, and its home, until it arrives there.
fn announce(slab: &Slab) {
    // SAFETY: homes are never unmapped, and a slab that waited has one.
    let Some(home) = (unsafe { slab.home().load(Acquire).as_ref() }) else {
        return;
    };
    push_ready(home, slab);
}

pub(super) fn push_ready(home: &Home, slab: &Slab) {
    let mut old = home.ready.load(Relaxed);
    loop {
        slab.ready_next().store(old, Relaxed);
        let new = core::ptr::from_ref(slab).cast_mut();
        // Release: the owner sees the link.
        match home.ready.compare_exchange_weak(old, new, AcqRel, Relaxed) {
            Ok(_) => return,
            Err(now) => old = now,
        }
    }
}

impl<P: Platform> Space<P> {
    /// Whether `block` is where a carved block of `slab` starts.
    pub(super) fn is_block_of(&self, slab: &Slab, block: *mut u8) -> bool {
        let offset = block.addr().wrapping_sub(self.start(slab).addr());
        let end = slab.carved.load(Relaxed) as usize * slab.block_bytes() as usize;
        offset < end && slab.starts().has(offset)
    }

    /// Frees a slab without an owner if its last block has come back.
    #[cold]
    fn reclaim(&self, slab: &Slab) {
        let mut state = self.lock();
        if slab.has(flag::ABANDONED) && slab.remote().peek().count() == slab.used() {
            self.unlist_abandoned(&mut state, slab);
            slab.remote().reset();
            self.give_slab(&mut state, slab);
        }
    }
}
