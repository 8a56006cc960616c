//! Waiting on a word is the private futex: `FUTEX_WAIT_BITSET` takes an absolute monotonic deadline, so that a wait which a
//! signal broke is repeated without drift.
#![forbid(unsafe_code)]

use crate::Linux;
use crate::clock::timespec_from_ns;
use core::num::NonZeroU32;
use core::sync::atomic::AtomicU32;
use rustix::io::Errno;
use rustix::thread::futex;
use underpin_core::platform::{Clock, ClockId, Instant, Park, Woken};

impl Park for Linux {
    #[inline]
    fn wait(&self, word: &AtomicU32, expected: u32, until: Option<Instant>) -> Woken {
        // A deadline past the kernel's range (584 years) is the same as none.
        let deadline = until
            .filter(|&until| until != Instant::MAX)
            .map(|until| timespec_from_ns(until.as_ns()));
        loop {
            let result = futex::wait_bitset(
                word,
                futex::Flags::PRIVATE,
                expected,
                deadline.as_ref(),
                NonZeroU32::MAX,
            );
            return match result {
                Ok(()) => Woken::Woken,
                Err(Errno::AGAIN) => Woken::Changed,
                Err(Errno::TIMEDOUT) => Woken::TimedOut,
                Err(Errno::INTR) => {
                    // A word that no longer holds the value is seen by the repeated call.
                    continue;
                }
                // No other error is documented for a mapped, aligned word. If a filter of system calls refuses the
                // futex, a spurious wake is the honest answer; the deadline must hold even so.
                Err(_) => match until {
                    Some(until) if self.now(ClockId::Monotonic) >= until => Woken::TimedOut,
                    _ => Woken::Woken,
                },
            };
        }
    }

    #[inline]
    fn wake(&self, word: *const AtomicU32, count: u32) -> u32 {
        // The kernel wakes one for a count of 0.
        if count == 0 {
            return 0;
        }
        // It reads the count as signed and takes a negative one for 1.
        let count = count.min(i32::MAX.unsigned_abs());
        crate::syscall::futex_wake(word, count)
    }
}
