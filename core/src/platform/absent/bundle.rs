//! Four base parts as one platform.
#![allow(unsafe_code, reason = "forwards unsafe traits")]

use crate::error::Result;
use crate::platform::{
    Caps, Clock, ClockId, Entropy, Instant, Memory, MemoryInfo, Park, Platform, Protection, Woken,
};
use crate::sync::atomic::AtomicU32;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

/// A platform from a clock, a source of randomness, a memory, a park and a way to stop.
#[derive(Clone, Copy, Debug)]
pub struct Bundle<C, E, M, K> {
    clock: C,
    entropy: E,
    memory: M,
    park: K,
    caps: Caps,
    stop: fn(&str) -> !,
}

impl<C, E, M, K> Bundle<C, E, M, K> {
    /// Puts the parts together. `stop` says its message where a person may see it and never returns; `caps` are the bits that
    /// the parts add to the base, such as [`Caps::REAL_CLOCK`].
    pub const fn new(
        clock: C,
        entropy: E,
        memory: M,
        park: K,
        caps: Caps,
        stop: fn(&str) -> !,
    ) -> Self {
        Self {
            clock,
            entropy,
            memory,
            park,
            caps,
            stop,
        }
    }
}

impl<C: Clock, E, M, K> Clock for Bundle<C, E, M, K> {
    fn now(&self, id: ClockId) -> Instant {
        self.clock.now(id)
    }
    fn resolution_ns(&self, id: ClockId) -> u64 {
        self.clock.resolution_ns(id)
    }
}

// SAFETY: forwards to a part that keeps the contract.
unsafe impl<C, E: Entropy, M, K> Entropy for Bundle<C, E, M, K> {
    fn fill(&self, bytes: &mut [MaybeUninit<u8>]) -> Result<()> {
        self.entropy.fill(bytes)
    }
}

super::forward::forward_memory!([C, E, M: Memory, K] Bundle<C, E, M, K>, memory);

impl<C, E, M, K: Park> Park for Bundle<C, E, M, K> {
    fn wait(&self, word: &AtomicU32, expected: u32, until: Option<Instant>) -> Woken {
        self.park.wait(word, expected, until)
    }
    fn wake(&self, word: *const AtomicU32, count: u32) -> u32 {
        self.park.wake(word, count)
    }
}

impl<C, E, M, K> Platform for Bundle<C, E, M, K>
where
    C: Clock + Clone + Send + Sync + 'static,
    E: Entropy + Clone + Send + Sync + 'static,
    M: Memory + Clone + Send + Sync + 'static,
    K: Park + Clone + Send + Sync + 'static,
{
    const NAME: &'static str = "bundle";

    fn caps(&self) -> Caps {
        self.caps
    }

    fn fatal(&self, message: &str) -> ! {
        (self.stop)(message)
    }
}
