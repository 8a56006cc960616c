//! Blocks on their way to other threads' slabs, collected so that one atomic operation returns many.
//!
//! A direct-mapped cache: one chain per slab, kept until another slab wants the place, the chain holds enough, or all chains
//! together do. What waits here is bounded by [`TOTAL_BYTES_MAX`] plus a block.
#![allow(unsafe_code, reason = "chains run through free blocks")]

use super::home::Home;
use super::slab::{Block, Slab, flag};
use super::space::Space;
use crate::platform::Platform;
use core::ptr::{null, null_mut};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

const PLACES: usize = 32;
/// A chain of this many bytes is sent.
const CHAIN_BYTES_MAX: u32 = 8 * 1024;
/// All chains are sent when together they hold this much.
const TOTAL_BYTES_MAX: u32 = 64 * 1024;

#[derive(Clone, Copy, Debug)]
struct Chain {
    slab: *const Slab,
    head: *mut u8,
    tail: *mut u8,
    count: u32,
}

const NO_CHAIN: Chain = Chain {
    slab: null(),
    head: null_mut(),
    tail: null_mut(),
    count: 0,
};

/// A thread's chains.
#[derive(Debug)]
pub(super) struct Outgoing {
    chains: [Chain; PLACES],
    bytes: u32,
}

impl Outgoing {
    pub(super) const fn new() -> Self {
        Self {
            chains: [NO_CHAIN; PLACES],
            bytes: 0,
        }
    }

    /// Adds a block of `slab`.
    ///
    /// # Safety
    /// `block` is a free block of `slab`, the caller's, and marked.
    pub(super) unsafe fn push<P: Platform>(
        &mut self,
        space: &Space<P>,
        slab: &Slab,
        block: *mut u8,
    ) {
        let place = space.index(slab) as usize % PLACES;
        let block_bytes = slab.block_bytes.load(Relaxed);
        let chain = &mut self.chains[place];
        if !core::ptr::eq(chain.slab, slab) {
            if chain.count > 0 {
                let sent = *chain;
                *chain = NO_CHAIN;
                // SAFETY: the chains hold free blocks of their slabs.
                self.bytes -= unsafe { send_chain(space, sent) };
            }
            self.chains[place] = Chain {
                slab,
                head: null_mut(),
                tail: block,
                count: 0,
            };
        }
        let chain = &mut self.chains[place];
        // SAFETY: the block is the caller's.
        unsafe { Block(block).set_next(chain.head) };
        chain.head = block;
        chain.count += 1;
        self.bytes += block_bytes;
        if chain.count * block_bytes >= CHAIN_BYTES_MAX {
            let sent = *chain;
            *chain = NO_CHAIN;
            // SAFETY: as above.
            self.bytes -= unsafe { send_chain(space, sent) };
        }
        if self.bytes >= TOTAL_BYTES_MAX {
            self.flush(space);
        }
    }

    /// Sends every chain.
    pub(super) fn flush<P: Platform>(&mut self, space: &Space<P>) {
        if self.bytes == 0 {
            return;
        }
        for chain in &mut self.chains {
            if chain.count > 0 {
                let sent = *chain;
                *chain = NO_CHAIN;
                // SAFETY: the chains hold free blocks of their slabs.
                unsafe { send_chain(space, sent) };
            }
        }
        self.bytes = 0;
    }

    /// Sends what a thread that died in the middle of anything left behind: chains whose blocks can all be reached.
    pub(super) fn salvage<P: Platform>(&mut self, space: &Space<P>) {
        for chain in &mut self.chains {
            let found = *chain;
            *chain = NO_CHAIN;
            // SAFETY: null, or a line of the table.
            let Some(slab) = (unsafe { found.slab.as_ref() }) else {
                continue;
            };
            let mut block = found.head;
            for step in 1..=found.count {
                if !space.is_block_of(slab, block) {
                    break;
                }
                if step == found.count && block == found.tail {
                    // SAFETY: a chain of `count` blocks of the slab.
                    unsafe { send_chain(space, found) };
                    break;
                }
                // SAFETY: a block of the slab, in the dead thread's chain.
                block = unsafe { Block(block).next() };
            }
        }
        self.bytes = 0;
    }
}

/// Returns the chain's bytes.
///
/// # Safety
/// The chain's blocks are free, the caller's, and of the chain's slab.
unsafe fn send_chain<P: Platform>(space: &Space<P>, chain: Chain) -> u32 {
    // SAFETY: a line of the table.
    let slab = unsafe { &*chain.slab };
    let bytes = chain.count * slab.block_bytes.load(Relaxed);
    // SAFETY: the caller's promise.
    unsafe { send(space, slab, chain.head, chain.tail, chain.count) };
    bytes
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

fn push_ready(home: &Home, slab: &Slab) {
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
        let bytes = (slab.block_bytes.load(Relaxed) as usize).max(1);
        offset.is_multiple_of(bytes) && offset / bytes < slab.carved.load(Relaxed) as usize
    }

    /// Frees a slab without an owner if its last block has come back.
    #[cold]
    fn reclaim(&self, slab: &Slab) {
        let mut state = self.lock();
        let list = usize::from(slab.class.load(Relaxed));
        if slab.has(flag::ABANDONED) && slab.remote().peek().count() == slab.used() {
            state.abandoned[list].remove(slab);
            self.abandoned.fetch_sub(1, Relaxed);
            slab.flags.store(0, Relaxed);
            slab.remote().reset();
            let index = self.index(slab);
            self.give(&mut state, index, 1, false);
        }
    }
}
