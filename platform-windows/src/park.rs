//! Waiting on a word with `WaitOnAddress`, which compares and goes to sleep in one step.
//!
//! Its timeout is relative and in milliseconds, so a wait may go to sleep several times: the
//! deadline is always judged by the monotonic clock, and rounding up keeps a wait from ending
//! early.
#![allow(unsafe_code, reason = "the system compares memory by address")]

use crate::clock::monotonic;
use crate::{Windows, handle};
use core::time::Duration;
use underpin_core::platform::{Instant, Park, Woken};
use underpin_core::sync::atomic::{AtomicU32, Ordering};
use windows_sys::Win32::Foundation::ERROR_TIMEOUT;
use windows_sys::Win32::System::Threading::{
    INFINITE, WaitOnAddress, WakeByAddressAll, WakeByAddressSingle,
};

/// From so many on, waking some is waking all: the system wakes one or all, and a waiter may be
/// woken for no reason.
const WAKE_SINGLY_MAX: u32 = 1024;

impl Park for Windows {
    fn wait(&self, word: &AtomicU32, expected: u32, until: Option<Instant>) -> Woken {
        loop {
            if word.load(Ordering::Relaxed) != expected {
                return Woken::Changed;
            }
            let timeout_ms = match until {
                None => INFINITE,
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(monotonic());
                    if left.is_zero() {
                        return Woken::TimedOut;
                    }
                    milliseconds(left)
                }
            };
            // SAFETY: both addresses are of live four-byte words; the system reads them and keeps
            // neither.
            let woken = unsafe {
                WaitOnAddress(
                    word.as_ptr().cast(),
                    (&raw const expected).cast(),
                    4,
                    timeout_ms,
                )
            };
            if woken != 0 || handle::last_code() != ERROR_TIMEOUT {
                return Woken::Woken;
            }
        }
    }

    fn wake(&self, word: *const AtomicU32, count: u32) -> u32 {
        if count >= WAKE_SINGLY_MAX {
            // SAFETY: the word serves as an address alone.
            unsafe { WakeByAddressAll(word.cast()) };
        } else {
            for _ in 0..count {
                // SAFETY: as above.
                unsafe { WakeByAddressSingle(word.cast()) };
            }
        }
        0
    }
}

/// `left` in milliseconds, rounded up, as a timeout that is not [`INFINITE`].
fn milliseconds(left: Duration) -> u32 {
    let ms = left.as_nanos().div_ceil(1_000_000);
    u32::try_from(ms).unwrap_or(u32::MAX).min(INFINITE - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_round_up_and_are_finite() {
        assert_eq!(milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(milliseconds(Duration::from_millis(7)), 7);
        assert_eq!(milliseconds(Duration::from_nanos(7_000_001)), 8);
        assert_eq!(milliseconds(Duration::MAX), INFINITE - 1);
    }
}
