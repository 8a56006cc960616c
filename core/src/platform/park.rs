//! Waiting on a 32-bit word: the one primitive under every lock, latch and channel.
//!
//! The shape is Linux's futex; Windows has it as `WaitOnAddress`, macOS as `os_sync_wait_on_address`, a
//! microcontroller as "sleep until an interrupt", and a spin loop is a valid, if poor, implementation.
#![forbid(unsafe_code)]

use super::clock::Instant;
use crate::sync::atomic::AtomicU32;

/// Why [`Park::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A waker came, or nobody did and the wake was spurious. Look at the word again.
    Woken,
    /// The word did not hold the expected value.
    Changed,
    /// The deadline passed.
    TimedOut,
}

/// Waits on words and wakes those who wait.
pub trait Park {
    /// Waits while `word` holds `expected`, until woken or until the monotonic clock reaches `until`.
    ///
    /// The comparison and the start of the wait are one atomic step with respect to [`wake`](Self::wake): a
    /// thread that changes the word and then wakes cannot slip in between. May return `Woken` for
    /// no reason. Never returns `TimedOut` before the deadline; a deadline that has passed returns
    /// at once. Identity is the word's address within this process.
    fn wait(&self, word: &AtomicU32, expected: u32, until: Option<Instant>) -> Woken;

    /// Wakes at most `count` threads that wait on `word` and returns how many, where the system
    /// says so, else 0. May be called for a word that nobody waits on. `word` is an address only: it
    /// is not read, and waiters of a word that has since been dropped and reused wake spuriously.
    fn wake(&self, word: *const AtomicU32, count: u32) -> u32;
}
