//! Futures that are polled a few times and then dropped.

use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;
use underpin::rt;

/// Polls `future` each time that it was woken, at most `polls` times; then lets the ring be looked at `turns` times, and drops the future.
pub(super) async fn dropped_after<F: Future>(
    polls: usize,
    turns: usize,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    let output = poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        left -= 1;
        if left == 0 {
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await;
    if output.is_none() {
        for _ in 0..turns {
            rt::yield_now().await;
        }
    }
    output
}

/// An operation that cannot end yet: begins it and drops it, before and after the system heard of it.
pub(super) async fn in_vain<T: core::fmt::Debug>(mut begin: impl AsyncFnMut() -> T) {
    for turns in [0, 1, 2, 5] {
        let output = dropped_after(1, turns, begin()).await;
        assert!(output.is_none(), "it had nothing to wait for: {output:?}");
    }
}

/// An operation that ends by itself: drops it at the first await point, at the second and so on, soon and later, until it ends before. Gives
/// what it came to at last.
pub(super) async fn at_each_point<T>(mut begin: impl AsyncFnMut() -> T) -> T {
    for polls in 1..100 {
        for turns in [0, 1, 4] {
            drop(dropped_after(polls, turns, begin()).await);
        }
        if let Some(output) = dropped_after(polls, 0, begin()).await {
            return output;
        }
    }
    panic!("it never ends");
}
