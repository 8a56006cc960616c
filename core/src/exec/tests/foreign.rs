//! Wakers that are somebody else's, whose functions do what they like.
#![allow(unsafe_code, reason = "makes wakers by hand")]

use super::{TestExecutor, TestHost, executor, yield_now};
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::pin::Pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

/// A waker whose clone runs the executor whose task is waited for.
#[test]
fn a_task_that_ends_while_its_joiner_is_cloned_is_joined() {
    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            // SAFETY: the data of these wakers is the executor below, which outlives them.
            let executor = unsafe { &*data.cast::<TestExecutor>() };
            executor.block_on(yield_now());
            RawWaker::new(data, &TABLE)
        },
        |_| {},
        |_| {},
        |_| {},
    );
    let executor = executor();
    let mut handle = executor.handle().spawn(async { 7 });
    // SAFETY: as above.
    let waker = unsafe { Waker::from_raw(RawWaker::new((&raw const executor).cast(), &TABLE)) };
    let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
    assert!(matches!(polled, Poll::Ready(Ok(7))), "{polled:?}");
}

#[test]
fn a_waker_that_panics_takes_no_other_wake_with_it() {
    struct Told(bool, AtomicUsize);
    impl Wake for Told {
        fn wake(self: Arc<Self>) {
            self.1.fetch_add(1, Ordering::Relaxed);
            assert!(!self.0, "as it was told");
        }
    }
    let (panics, counts) = (
        Arc::new(Told(true, AtomicUsize::new(0))),
        Arc::new(Told(false, AtomicUsize::new(0))),
    );
    let mut wakers: Vec<Waker> = [&panics, &counts, &panics, &counts]
        .into_iter()
        .map(|waker| Waker::from(Arc::clone(waker)))
        .collect();
    crate::exec::executor::wake_all::<TestHost>(&mut wakers);
    assert!(wakers.is_empty());
    assert_eq!(counts.1.load(Ordering::Relaxed), 2);
    assert_eq!(panics.1.load(Ordering::Relaxed), 2);
}
