//! Periods.
#![allow(unsafe_code, reason = "pins the field of a pinned struct")]

use super::sleep::Sleep;
use super::wheel::TimerSource;
use crate::platform::Instant;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

/// What an interval does about ticks that nobody waited for in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTick {
    /// They follow at once, until the schedule is reached again.
    #[default]
    Burst,
    /// The next one comes a period after the late one.
    Delay,
    /// They are left out; the next one comes at a multiple of the period.
    Skip,
}

/// Ticks at a period, the first at the start. Cancel-safe: a tick that is not awaited to its end comes with the next `poll_tick`.
pub struct Interval<D: TimerSource> {
    sleep: Sleep<D>,
    period: Duration,
    missed: MissedTick,
}

impl<D: TimerSource> Interval<D> {
    /// Ticks at `start` and then each `period`, of which at least a nanosecond is taken.
    pub fn new(timers: D, start: Instant, period: Duration, missed: MissedTick) -> Self {
        Self {
            sleep: Sleep::new(timers, start),
            period: period.max(Duration::from_nanos(1)),
            missed,
        }
    }

    /// Waits for the next tick and gives the time for which it was meant. `now` is asked when a tick has come. After the executor of the
    /// timers was dropped no tick comes any more, since one without end would.
    pub fn poll_tick(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        now: impl FnOnce() -> Instant,
    ) -> Poll<Instant> {
        // SAFETY: the sleep is pinned with the struct, and never moved out.
        let (mut sleep, period, missed) = unsafe {
            let this = self.get_unchecked_mut();
            (
                Pin::new_unchecked(&mut this.sleep),
                this.period,
                this.missed,
            )
        };
        ready!(sleep.as_mut().poll(cx));
        if sleep.is_closed() {
            return Poll::Pending;
        }
        let due = sleep.deadline();
        let next = match missed {
            MissedTick::Burst => due.saturating_add(period),
            MissedTick::Delay => now().max(due).saturating_add(period),
            MissedTick::Skip => {
                let late = now().saturating_duration_since(due).as_nanos();
                let periods = late / period.as_nanos() + 1;
                let ahead = period.as_nanos().saturating_mul(periods);
                let ahead = u64::try_from(ahead).unwrap_or(u64::MAX);
                due.saturating_add(Duration::from_nanos(ahead))
            }
        };
        sleep.reset(next);
        Poll::Ready(due)
    }
}

impl<D: TimerSource> fmt::Debug for Interval<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("sleep", &self.sleep)
            .field("period", &self.period)
            .field("missed", &self.missed)
            .finish()
    }
}
