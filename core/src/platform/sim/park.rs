//! Waiting on words, by handing the baton on.
#![forbid(unsafe_code)]

use super::Sim;
use super::machine::Power;
use super::scheduler::On;
use crate::error::Operation;
use crate::platform::{Instant, Park, Woken};
use crate::sync::atomic::{AtomicU32, Ordering};

/// A word's identity.
fn address(word: *const AtomicU32) -> On {
    On::Word(word.addr())
}

impl Park for Sim {
    fn wait(&self, word: &AtomicU32, expected: u32, until: Option<Instant>) -> Woken {
        let mut state = self.step(Operation::ParkWait);
        if word.load(Ordering::SeqCst) != expected {
            return Woken::Changed;
        }
        if state.power == Power::On {
            if until.is_some_and(|until| until.as_ns() <= state.clock.now_ns()) {
                return Woken::TimedOut;
            }
            let odds = state.faults.odds.spurious_wake_ppm;
            if state.faults.rng.chance(odds) {
                drop(self.yield_to_any(state));
                return Woken::Woken;
            }
        }
        let (state, woken) = self.block(state, address(word), until);
        drop(state);
        woken
    }

    fn wake(&self, word: *const AtomicU32, count: u32) -> u32 {
        let mut state = self.step(Operation::ParkWake);
        let woken = state.scheduler.wake(address(word), count);
        state.trace.detail([u64::from(woken), 0]);
        // The woken may run before the waker's next step.
        drop(self.preempt(state));
        woken
    }
}
