//! Waiting without a scheduler.
#![forbid(unsafe_code)]

use crate::platform::{Clock, ClockId, Instant, Park, Woken};
use crate::sync::atomic::{AtomicU32, Ordering};

/// Waits by relaxing once and returning: the caller's loop looks at its word again. Right for one core whose
/// wakers are interrupts, and for several cores that have nothing better.
#[derive(Clone, Copy, Debug)]
pub struct SpinPark<C> {
    clock: C,
    relax: fn(),
}

impl<C: Clock> SpinPark<C> {
    /// A park that relaxes with the processor's spin hint and tells time by `clock`.
    pub const fn new(clock: C) -> Self {
        Self {
            clock,
            relax: core::hint::spin_loop,
        }
    }

    /// Relaxes with `relax` instead, such as an instruction that sleeps until the next interrupt. It must return
    /// in time for the deadlines that callers set.
    #[must_use]
    pub const fn with_relax(mut self, relax: fn()) -> Self {
        self.relax = relax;
        self
    }
}

impl<C: Clock> Park for SpinPark<C> {
    fn wait(&self, word: &AtomicU32, expected: u32, until: Option<Instant>) -> Woken {
        if word.load(Ordering::Acquire) != expected {
            return Woken::Changed;
        }
        if until.is_some_and(|until| self.clock.now(ClockId::Monotonic) >= until) {
            return Woken::TimedOut;
        }
        (self.relax)();
        Woken::Woken
    }

    fn wake(&self, _word: *const AtomicU32, _count: u32) -> u32 {
        0
    }
}
