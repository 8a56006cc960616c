//! A future with a deadline.
#![allow(unsafe_code, reason = "pins the fields of a pinned struct")]

use super::sleep::Sleep;
use super::wheel::TimerSource;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

/// The deadline came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline passed first")
    }
}

impl core::error::Error for Elapsed {}

/// Ends with its future, or with [`Elapsed`] at its deadline. The future is polled first, so one that is ready wins; a socket is not, if
/// the task has used up its operations of this turn.
///
/// Cancel-safe if the future is.
#[must_use = "futures do nothing unless polled"]
pub struct Timeout<F, D: TimerSource> {
    future: F,
    sleep: Sleep<D>,
}

impl<F: Future, D: TimerSource> Timeout<F, D> {
    /// `future`, until `sleep` ends.
    pub const fn new(future: F, sleep: Sleep<D>) -> Self {
        Self { future, sleep }
    }
}

impl<F: Future, D: TimerSource> Future for Timeout<F, D> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: both fields are pinned with the struct, and never moved out.
        let (future, sleep) = unsafe {
            let this = self.get_unchecked_mut();
            (
                Pin::new_unchecked(&mut this.future),
                Pin::new_unchecked(&mut this.sleep),
            )
        };
        if let Poll::Ready(output) = future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        sleep.poll(cx).map(|()| Err(Elapsed))
    }
}

impl<F, D: TimerSource> fmt::Debug for Timeout<F, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("sleep", &self.sleep)
            .finish_non_exhaustive()
    }
}
