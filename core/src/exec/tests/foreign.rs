//! Wakers that are somebody else's, whose functions do what they like.
#![allow(unsafe_code, reason = "makes wakers by hand")]

use super::{TestExecutor, TestHost, executor, yield_now};
use crate::exec::{Interval, MissedTick, Timers, sync};
use crate::platform::Instant;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

/// A waker whose clone runs the executor for a turn, and whose wakes do nothing.
fn runs(executor: &TestExecutor) -> Waker {
    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            // SAFETY: the data of these wakers is an executor that outlives them.
            let executor = unsafe { &*data.cast::<TestExecutor>() };
            executor.block_on(yield_now());
            RawWaker::new(data, &TABLE)
        },
        |_| {},
        |_| {},
        |_| {},
    );
    // SAFETY: as above: each test keeps its executor to its end.
    unsafe { Waker::from_raw(RawWaker::new(core::ptr::from_ref(executor).cast(), &TABLE)) }
}

#[test]
fn a_task_that_ends_while_its_joiner_is_cloned_is_joined() {
    let executor = executor();
    let mut handle = executor.handle().spawn(async { 7 });
    let waker = runs(&executor);
    let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
    assert!(matches!(polled, Poll::Ready(Ok(7))), "{polled:?}");
}

#[test]
fn a_value_that_is_sent_while_the_receivers_waker_is_cloned_is_received() {
    let executor = executor();
    let waker = runs(&executor);
    let cx = &mut Context::from_waker(&waker);
    let (sender, mut receiver) = sync::channel(1);
    let sending = executor
        .handle()
        .spawn(async move { sender.send(7).await.is_ok() });
    assert_eq!(receiver.poll_recv(cx), Poll::Ready(Some(7)));
    drop(sending);
    let (sender, mut receiver) = sync::oneshot();
    executor
        .handle()
        .spawn(async move { sender.send(8).is_ok() })
        .detach();
    assert!(Pin::new(&mut receiver).poll(cx) == Poll::Ready(Ok(8)));
}

#[test]
fn a_permit_that_is_given_while_the_waiters_waker_is_cloned_is_taken() {
    let executor = executor();
    let waker = runs(&executor);
    let cx = &mut Context::from_waker(&waker);
    let free = Rc::new((sync::Semaphore::new(0), sync::Notify::new()));
    let gives = free.clone();
    executor
        .handle()
        .spawn(async move {
            gives.0.release(1);
            gives.1.notify_all();
        })
        .detach();
    let mut notified = pin!(free.1.notified());
    assert!(notified.as_mut().poll(cx).is_ready());
    assert!(pin!(free.0.acquire(1)).poll(cx).is_ready());
    let gives = free.clone();
    executor
        .handle()
        .spawn(async move { gives.0.release(1) })
        .detach();
    assert!(pin!(free.0.acquire(1)).poll(cx).is_ready());
}

/// Closing the wheel wakes whoever sleeps, and one that sleeps again from within its wake ends at once.
#[test]
fn an_interval_that_is_polled_by_its_waker_does_not_keep_the_wheel_from_closing() {
    struct Polls(std::sync::Mutex<Option<alloc::boxed::Box<dyn Fn() + Send>>>);
    impl Wake for Polls {
        fn wake(self: Arc<Self>) {
            let poll = self.0.lock().expect("no panic").take();
            if let Some(poll) = poll {
                poll();
            }
        }
    }
    struct Alone<T>(T);
    // SAFETY: this test has one thread.
    unsafe impl<T> Send for Alone<T> {}
    let timers: &'static Timers = alloc::boxed::Box::leak(alloc::boxed::Box::new(Timers::new()));
    let start = Instant::from_ns(1 << 20);
    let interval = Interval::new(
        timers,
        start,
        core::time::Duration::from_millis(1),
        MissedTick::Burst,
    );
    let polls = Arc::new(Polls(std::sync::Mutex::new(None)));
    let waker = Waker::from(polls.clone());
    let interval = Alone(Rc::new(core::cell::RefCell::new(alloc::boxed::Box::pin(
        interval,
    ))));
    let ticks = Arc::new(AtomicUsize::new(0));
    let poll = {
        let (ticks, waker) = (ticks.clone(), waker.clone());
        move || {
            let interval = &interval;
            let mut interval = interval.0.borrow_mut();
            while interval
                .as_mut()
                .poll_tick(&mut Context::from_waker(&waker), || start)
                .is_ready()
            {
                assert!(ticks.fetch_add(1, Ordering::Relaxed) < 10, "it never ends");
            }
        }
    };
    poll();
    *polls.0.lock().expect("no panic") = Some(alloc::boxed::Box::new(poll));
    timers.close();
    assert_eq!(ticks.load(Ordering::Relaxed), 0, "no tick after the end");
    assert_eq!(timers.count(), 0);
    drop(polls.0.lock().expect("no panic").take());
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
