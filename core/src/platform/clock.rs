//! Time as unsigned 64-bit nanoseconds: 584 years, one register, no wrap in practice.
#![forbid(unsafe_code)]

use core::time::Duration;

/// Which clock to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClockId {
    /// Never steps back; may stand still while the machine sleeps. The clock of every deadline.
    Monotonic,
    /// As monotonic, and counts the time that the machine slept.
    Boot,
    /// Nanoseconds since 1970-01-01 UTC; steps when somebody sets it.
    Real,
    /// Processor time that the calling thread has used.
    ThreadCpu,
}

/// A point on one clock, in nanoseconds from that clock's own zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The clock's zero.
    pub const ZERO: Self = Self(0);
    /// Later than any real point: a deadline that never comes.
    pub const MAX: Self = Self(u64::MAX);

    /// The point `ns` nanoseconds after the clock's zero.
    #[must_use]
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the clock's zero.
    #[must_use]
    pub const fn as_ns(self) -> u64 {
        self.0
    }

    /// This point plus `d`, at most [`Instant::MAX`].
    #[must_use]
    pub fn saturating_add(self, d: Duration) -> Self {
        let ns = u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(ns))
    }

    /// Time from `earlier` to this point; zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Reads clocks.
pub trait Clock {
    /// Reads clock `id`. A clock that the platform lacks (see [`Caps`](super::Caps)) reads as
    /// [`Instant::ZERO`]; [`ClockId::Monotonic`] is always there and never steps back, across threads too.
    /// A platform without a boot clock gives the monotonic one.
    fn now(&self, id: ClockId) -> Instant;

    /// The smallest step of clock `id` in nanoseconds, at least 1; 0 for a clock that is not there.
    fn resolution_ns(&self, id: ClockId) -> u64;
}
