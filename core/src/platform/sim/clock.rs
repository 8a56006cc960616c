//! Virtual time and seeded entropy.
//!
//! Time passes by the seeded cost of calls and, when every thread waits, by a jump to the next deadline. So a
//! program that sleeps for a day is simulated in no time, and a loop that reads the clock gets there in the end.
#![allow(
    unsafe_code,
    reason = "Entropy is an unsafe trait: a promise about initialised bytes"
)]

use super::Sim;
use super::machine::Power;
use super::rng::Rng;
use crate::error::{Operation, Result};
use crate::platform::{Clock, ClockId, Entropy, Instant};
use core::mem::MaybeUninit;

/// A clock that only the simulation moves.
#[derive(Debug)]
pub(super) struct VirtualClock {
    now_ns: u64,
    real_base_ns: u64,
    pub(super) rng: Rng,
}

impl VirtualClock {
    pub(super) fn new(real_base_ns: u64, rng: Rng) -> Self {
        Self {
            now_ns: 0,
            real_base_ns,
            rng,
        }
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    pub(super) fn real_ns(&self) -> u64 {
        self.real_base_ns.saturating_add(self.now_ns)
    }

    pub(super) fn advance_to(&mut self, ns: u64) {
        self.now_ns = self.now_ns.max(ns);
    }
}

impl Clock for Sim {
    fn now(&self, id: ClockId) -> Instant {
        let mut state = self.step(Operation::Clock);
        if state.power != Power::On {
            // A loop that waits for a time must end on a dead machine too.
            let later = state.clock.now_ns().saturating_add(1_000_000);
            state.clock.advance_to(later);
        }
        Instant::from_ns(match id {
            ClockId::Monotonic | ClockId::Boot => state.clock.now_ns(),
            ClockId::Real => state.clock.real_ns(),
            ClockId::ThreadCpu => state.scheduler.cpu_ns(),
        })
    }

    fn resolution_ns(&self, _id: ClockId) -> u64 {
        1
    }
}

// SAFETY: fill writes every byte of the buffer before it succeeds.
unsafe impl Entropy for Sim {
    fn fill(&self, bytes: &mut [MaybeUninit<u8>]) -> Result<()> {
        let mut state = self.enter(Operation::Entropy)?;
        for chunk in bytes.chunks_mut(8) {
            let random = state.entropy.next_u64().to_le_bytes();
            chunk.write_copy_of_slice(&random[..chunk.len()]);
        }
        Ok(())
    }
}
