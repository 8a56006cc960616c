//! Timers through the executor, in the simulator's virtual time.

#![allow(
    unsafe_code,
    reason = "moves a drop of one thread's values into a waker"
)]

use super::executor;
use crate::exec::{Elapsed, MissedTick, Sleep, Timers};
use crate::platform::{Clock, ClockId, Instant};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::future::{pending, poll_fn};
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Waker};
use core::time::Duration;

/// What one tick of the wheel and the simulator's call costs may add.
const SLACK: Duration = Duration::from_millis(1);

#[test]
fn a_sleep_ends_at_its_time_and_not_before() {
    let executor = executor();
    let handle = executor.handle().clone();
    executor.block_on(async {
        for ms in [0, 1, 7, 250, 10_000, 3_600_000] {
            let time = Duration::from_millis(ms);
            let start = handle.now();
            handle.sleep(time).await;
            let took = handle.now().saturating_duration_since(start);
            assert!(took >= time && took < time + SLACK, "{took:?} for {time:?}");
        }
    });
}

#[test]
fn many_sleeps_end_in_order() {
    let executor = executor();
    let handle = executor.handle().clone();
    let tasks: Vec<_> = (0..500_u64)
        .map(|i| {
            let handle = handle.clone();
            let time = Duration::from_millis(i * 7919 % 500);
            executor.handle().spawn(async move {
                handle.sleep(time).await;
                (time, handle.now())
            })
        })
        .collect();
    let mut ends = executor.block_on(async {
        let mut ends = Vec::new();
        for task in tasks {
            ends.push(task.await.expect("slept"));
        }
        ends
    });
    ends.sort_unstable();
    assert!(
        ends.windows(2)
            .all(|pair| pair[0].1 <= pair[1].1 || pair[0].0 == pair[1].0)
    );
}

#[test]
fn a_deadline_in_the_past_is_ready_and_one_at_the_end_of_time_waits() {
    let executor = executor();
    let handle = executor.handle().clone();
    executor.block_on(async {
        handle.sleep_until(Instant::ZERO).await;
        let never = handle.sleep_until(Instant::MAX);
        let soon = handle.timeout(Duration::from_millis(3), never);
        assert_eq!(soon.await, Err(Elapsed));
        let far = handle.timeout(Duration::MAX, async { 4 });
        assert_eq!(far.await, Ok(4));
    });
    assert_eq!(executor.handle().metrics().timers, 0);
}

#[test]
fn a_timeout_lets_a_ready_future_win() {
    let executor = executor();
    let handle = executor.handle().clone();
    executor.block_on(async {
        assert_eq!(handle.timeout(Duration::ZERO, async { 1 }).await, Ok(1));
        let late = handle.timeout(Duration::from_micros(1), pending::<()>());
        assert_eq!(late.await, Err(Elapsed));
    });
}

struct Counted(AtomicUsize);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let timers = Timers::new();
    let mut sleep = pin!(Sleep::new(&timers, Instant::from_ns(1_000_000)));
    let counts: Vec<_> = (0..3)
        .map(|_| Arc::new(Counted(AtomicUsize::new(0))))
        .collect();
    for count in &counts {
        let waker = Waker::from(count.clone());
        assert!(
            sleep
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    timers.advance(Instant::from_ns(900_000));
    assert_eq!(timers.count(), 1);
    timers.advance(Instant::from_ns(1_100_000));
    let woken: Vec<_> = counts
        .iter()
        .map(|count| count.0.load(Ordering::Relaxed))
        .collect();
    assert_eq!(woken, [0, 0, 1]);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(sleep.as_mut().poll(&mut cx).is_ready());
    assert!(sleep.as_mut().poll(&mut cx).is_ready(), "and stays so");
    sleep.as_mut().reset(Instant::from_ns(2_000_000));
    assert!(sleep.as_mut().poll(&mut cx).is_pending());
    assert_eq!(timers.count(), 1);
}

#[test]
fn a_waker_that_drops_other_sleeps_of_its_slot_is_fine() {
    struct DropsAll(std::sync::Mutex<Option<Box<dyn FnOnce() + Send>>>);
    impl Wake for DropsAll {
        fn wake(self: Arc<Self>) {
            if let Some(drop_all) = self.0.lock().expect("no panic").take() {
                drop_all();
            }
        }
    }
    struct Moves<T>(T);
    // SAFETY: the test's one thread makes, calls and drops it.
    unsafe impl<T> Send for Moves<T> {}

    let timers: &'static Timers = Box::leak(Box::new(Timers::new()));
    let deadline = Instant::from_ns(3_000_000);
    let mut sleeps: Vec<_> = (0..10)
        .map(|_| Box::pin(Sleep::new(timers, deadline)))
        .collect();
    let mut noop = Context::from_waker(Waker::noop());
    for sleep in &mut sleeps {
        assert!(sleep.as_mut().poll(&mut noop).is_pending());
    }
    let mut first = Box::pin(Sleep::new(timers, deadline));
    let others = Moves(sleeps);
    let bomb = Waker::from(Arc::new(DropsAll(std::sync::Mutex::new(Some(Box::new(
        move || {
            let others = others;
            drop(others.0);
        },
    ))))));
    assert!(
        first
            .as_mut()
            .poll(&mut Context::from_waker(&bomb))
            .is_pending()
    );
    assert_eq!(timers.count(), 11);
    // Which of a slot fire before it does is nobody's business; here few do, as it came last.
    let fired = timers.advance(Instant::from_ns(3_500_000));
    assert!((1..11).contains(&fired), "{fired}");
    assert_eq!(timers.count(), 0);
}

#[test]
fn intervals_treat_missed_ticks_as_they_were_told() {
    for (missed, ticks) in [
        (MissedTick::Burst, [0, 10, 20, 30]),
        (MissedTick::Delay, [0, 10, 20, 45]),
        (MissedTick::Skip, [0, 10, 20, 40]),
    ] {
        let executor = executor();
        let handle = executor.handle().clone();
        executor.block_on(async {
            let start = handle.now();
            let mut interval = pin!(handle.interval(Duration::from_millis(10), missed));
            for (index, tick) in ticks.into_iter().enumerate() {
                if index == 2 {
                    handle.sleep(Duration::from_millis(25)).await;
                }
                let due = poll_fn(|cx| interval.as_mut().poll_tick(cx, || handle.now())).await;
                let ms = due.saturating_duration_since(start).as_millis() as u64;
                // What the simulator's calls and the wheel's tick cost adds less than 2 ms.
                assert!(
                    (tick..tick + 2).contains(&ms),
                    "{missed:?}: {ms} for {tick}"
                );
            }
        });
    }
}

#[test]
fn an_executor_without_anything_to_do_sleeps_until_the_next_timer() {
    let executor = executor();
    let handle = executor.handle().clone();
    let turns = executor.handle().metrics().turns;
    executor.block_on(async { handle.sleep(Duration::from_secs(60)).await });
    let metrics = executor.handle().metrics();
    assert!(metrics.turns - turns < 20, "{metrics:?}");
    assert!(handle.platform().now(ClockId::Monotonic) >= Instant::from_ns(60_000_000_000));
}

#[test]
fn an_interval_ends_with_its_executor_and_a_sleep_is_over() {
    let executor = executor();
    let handle = executor.handle().clone();
    let mut interval = pin!(handle.interval(Duration::from_millis(1), MissedTick::Burst));
    let cx = &mut Context::from_waker(Waker::noop());
    let now = || handle.now();
    let _ = interval.as_mut().poll_tick(cx, now);
    let mut sleep = pin!(handle.sleep(Duration::from_secs(1)));
    assert!(sleep.as_mut().poll(cx).is_pending());
    drop(executor);
    assert!(sleep.as_mut().poll(cx).is_ready());
    for _ in 0..3 {
        assert!(interval.as_mut().poll_tick(cx, now).is_pending());
    }
}
