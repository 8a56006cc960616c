//! One test for each event of a task's life.
#![forbid(unsafe_code)]

use super::{Log, OnDrop, executor, yield_now};
use crate::exec::JoinError;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::task::Wake;
use core::cell::{Cell, RefCell};
use core::future::{pending, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

#[test]
fn a_task_runs_and_its_handle_gives_the_output() {
    let executor = executor();
    let handle = executor.handle().spawn(async { String::from("done") });
    assert!(!handle.is_finished());
    assert_eq!(executor.block_on(handle).expect("done"), "done");
    assert_eq!(executor.handle().metrics().tasks_alive, 1, "block_on's own");
}

#[test]
fn tasks_run_in_the_order_of_their_wakes() {
    let executor = executor();
    let log = Log::default();
    for name in ["a", "b", "c"] {
        let log = log.clone();
        executor
            .handle()
            .spawn(async move {
                log.add(name);
                yield_now().await;
                log.add(name);
            })
            .detach();
    }
    executor.block_on(async {
        yield_now().await;
        yield_now().await;
        yield_now().await;
    });
    assert_eq!(log.take(), ["a", "b", "c", "a", "b", "c"]);
}

#[test]
fn a_wake_while_running_brings_another_poll() {
    let executor = executor();
    let polls = Rc::new(Cell::new(0));
    let counted = polls.clone();
    let handle = executor.handle().spawn(poll_fn(move |cx| {
        counted.set(counted.get() + 1);
        if counted.get() == 3 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        let clone = cx.waker().clone();
        clone.wake_by_ref();
        clone.wake();
        Poll::Pending
    }));
    executor.block_on(handle).expect("done");
    assert_eq!(polls.get(), 3, "two wakes in one poll are one");
}

#[test]
fn a_wake_after_completion_is_nothing() {
    let executor = executor();
    let kept: Rc<RefCell<Option<Waker>>> = Rc::default();
    let keep = kept.clone();
    let handle = executor.handle().spawn(poll_fn(move |cx| {
        *keep.borrow_mut() = Some(cx.waker().clone());
        Poll::Ready(7)
    }));
    assert_eq!(executor.block_on(handle).expect("done"), 7);
    let waker = kept.take().expect("polled");
    waker.wake_by_ref();
    let clone = waker.clone();
    clone.wake();
    executor.block_on(yield_now());
    drop(executor);
    waker.wake();
}

/// Wakes itself and is done in the same poll, so that it is done while it stands in the run queue.
fn ends_queued(log: &Log) -> impl Future<Output = OnDrop> + use<> {
    let mut output = Some(log.on_drop("output"));
    let on_drop = log.on_drop("future");
    poll_fn(move |cx| {
        let _with_it = &on_drop;
        cx.waker().wake_by_ref();
        Poll::Ready(output.take().expect("polled once"))
    })
}

#[test]
fn a_task_that_wakes_itself_in_its_last_poll_ends_once() {
    let executor = executor();
    let log = Log::default();
    let handle = executor.handle().spawn(ends_queued(&log));
    executor.handle().spawn(ends_queued(&log)).detach();
    assert_eq!(executor.handle().metrics().tasks_queued, 2);
    executor.block_on(async {
        // Both ended before this in the same turn, and stand in the queue again.
        let metrics = executor.handle().metrics();
        assert_eq!((metrics.tasks_alive, metrics.tasks_queued), (1, 2));
    });
    executor.block_on(async {
        yield_now().await;
        assert_eq!(executor.handle().metrics().tasks_queued, 0);
    });
    assert_eq!(log.take(), ["future", "future", "output"]);
    drop(executor.block_on(handle).expect("done"));
    assert_eq!(log.take(), ["output"]);
}

#[test]
fn an_executor_may_go_while_a_task_that_is_done_is_queued() {
    for keeps_handle in [false, true] {
        let executor = executor();
        let log = Log::default();
        let handle = executor.handle().spawn(ends_queued(&log));
        let handle = keeps_handle.then_some(handle);
        executor.block_on(yield_now());
        drop(executor);
        assert_eq!(log.0.borrow().len(), if keeps_handle { 1 } else { 2 });
        drop(handle);
        assert_eq!(log.take(), ["future", "output"]);
    }
}

#[test]
fn a_task_that_wakes_itself_and_panics_ends_once() {
    let executor = executor();
    let mut polls = 0;
    let handle = executor.handle().spawn(poll_fn(move |cx| -> Poll<()> {
        polls += 1;
        cx.waker().wake_by_ref();
        assert!(polls < 2, "as it should");
        Poll::Pending
    }));
    let error = executor.block_on(handle).expect_err("panicked");
    assert_eq!(message(error), "as it should");
    executor.block_on(yield_now());
    assert_eq!(executor.handle().metrics().tasks_alive, 1, "block_on's own");
}

#[test]
fn a_handle_goes_from_one_who_waits_to_another() {
    let (executor, other) = (executor(), executor());
    let log = Log::default();
    let slow = log.on_drop("slow");
    let task = executor.handle().spawn(async move {
        for _ in 0..6 {
            yield_now().await;
        }
        drop(slow);
        7
    });
    let task = Rc::new(RefCell::new(task));
    // A task that waits for a while and ends before.
    let first = task.clone();
    let mut polls = 0;
    let waited = executor.handle().spawn(poll_fn(move |cx| {
        polls += 1;
        let polled = Pin::new(&mut *first.borrow_mut()).poll(cx);
        assert!(polled.is_pending());
        cx.waker().wake_by_ref();
        if polls == 3 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
    executor.block_on(waited).expect("done");
    // Somebody of another executor, who is another kind of waker to this one, though of the same type.
    other.block_on(poll_fn(|cx| {
        assert!(Pin::new(&mut *task.borrow_mut()).poll(cx).is_pending());
        assert!(Pin::new(&mut *task.borrow_mut()).poll(cx).is_pending());
        Poll::Ready(())
    }));
    assert_eq!(log.take(), [""; 0]);
    let output = executor.block_on(poll_fn(|cx| Pin::new(&mut *task.borrow_mut()).poll(cx)));
    assert_eq!(output.expect("done"), 7);
    assert_eq!(log.take(), ["slow"]);
}

#[test]
fn abort_while_queued_drops_without_a_poll() {
    let executor = executor();
    let log = Log::default();
    let (on_drop, polled) = (log.on_drop("dropped"), log.clone());
    let handle = executor.handle().spawn(async move {
        polled.add("polled");
        drop(on_drop);
    });
    handle.abort();
    assert!(!handle.is_finished(), "its future goes in the loop");
    let error = executor.block_on(handle).expect_err("aborted");
    assert!(error.is_cancelled() && !error.is_panic());
    assert_eq!(log.take(), ["dropped"]);
}

#[test]
fn abort_while_idle_drops_the_future() {
    let executor = executor();
    let log = Log::default();
    let on_drop = log.on_drop("dropped");
    let handle = executor.handle().spawn(async move {
        pending::<()>().await;
        drop(on_drop);
    });
    executor.block_on(yield_now());
    handle.abort();
    handle.abort();
    assert!(
        executor
            .block_on(handle)
            .expect_err("aborted")
            .is_cancelled()
    );
    assert_eq!(log.take(), ["dropped"]);
}

#[test]
fn abort_from_inside_takes_effect_at_the_next_await() {
    let executor = executor();
    let log = Log::default();
    let own: Rc<RefCell<Option<crate::exec::JoinHandle<()>>>> = Rc::default();
    let (inside, seen) = (own.clone(), log.clone());
    *own.borrow_mut() = Some(executor.handle().spawn(async move {
        inside.borrow().as_ref().expect("set").abort();
        seen.add("goes on");
        yield_now().await;
        seen.add("never");
    }));
    executor.block_on(yield_now());
    executor.block_on(yield_now());
    let handle = own.take().expect("set");
    assert!(
        executor
            .block_on(handle)
            .expect_err("aborted")
            .is_cancelled()
    );
    assert_eq!(log.take(), ["goes on"]);
}

#[test]
fn abort_after_completion_keeps_the_output() {
    let executor = executor();
    let handle = executor.handle().spawn(async { 1 });
    executor.block_on(yield_now());
    assert!(handle.is_finished());
    handle.abort();
    assert_eq!(executor.block_on(handle).expect("done"), 1);
}

#[test]
fn the_handle_may_go_first() {
    let executor = executor();
    let log = Log::default();
    let (inside, output) = (log.clone(), log.on_drop("output dropped"));
    drop(executor.handle().spawn(async move {
        yield_now().await;
        inside.add("ran");
        output
    }));
    executor.block_on(async {
        yield_now().await;
        yield_now().await;
    });
    assert_eq!(log.take(), ["ran", "output dropped"]);
}

#[test]
fn the_handle_may_go_with_the_output_in_it() {
    let executor = executor();
    let log = Log::default();
    let output = log.on_drop("output dropped");
    let handle = executor.handle().spawn(async move { output });
    executor.block_on(yield_now());
    assert_eq!(log.take(), [""; 0]);
    drop(handle);
    assert_eq!(log.take(), ["output dropped"]);
}

#[test]
fn a_task_may_own_its_handle() {
    let executor = executor();
    let own: Rc<RefCell<Option<crate::exec::JoinHandle<()>>>> = Rc::default();
    let inside = own.clone();
    *own.borrow_mut() = Some(executor.handle().spawn(async move {
        yield_now().await;
        drop(inside.take());
    }));
    drop(own);
    executor.block_on(async {
        yield_now().await;
        yield_now().await;
    });
    assert_eq!(executor.handle().metrics().tasks_alive, 1);
}

#[test]
fn dropping_the_executor_drops_live_tasks_and_tells_their_handles() {
    let executor = executor();
    let log = Log::default();
    let (idle_drop, queued_drop) = (log.on_drop("idle"), log.on_drop("queued"));
    let idle = executor.handle().spawn(async move {
        pending::<()>().await;
        drop(idle_drop);
    });
    executor.block_on(yield_now());
    let queued = executor.handle().spawn(async move { drop(queued_drop) });
    drop(executor);
    let mut dropped = log.take();
    dropped.sort_unstable();
    assert_eq!(dropped, ["idle", "queued"]);
    assert!(idle.is_finished() && queued.is_finished());
    let other = super::executor();
    assert!(other.block_on(idle).expect_err("gone").is_cancelled());
    drop(queued);
}

#[test]
fn a_future_that_spawns_while_the_executor_goes_gets_a_cancelled_task() {
    struct Spawns(
        crate::exec::Handle<crate::platform::sim::Sim, super::TestHost>,
        Log,
    );
    impl Drop for Spawns {
        fn drop(&mut self) {
            let on_drop = self.1.on_drop("inner dropped");
            let handle = self.0.spawn(async move { drop(on_drop) });
            assert!(handle.is_finished());
            self.0.spawn(pending::<()>()).detach();
        }
    }
    let executor = executor();
    let log = Log::default();
    let spawns = Spawns(executor.handle().clone(), log.clone());
    let late = executor.handle().clone();
    executor
        .handle()
        .spawn(async move {
            let _spawns = spawns;
            pending::<()>().await;
        })
        .detach();
    executor.block_on(yield_now());
    drop(executor);
    assert_eq!(log.take(), ["inner dropped"]);
    let after = late.spawn(async { 5 });
    assert!(after.is_finished());
    assert!(
        super::executor()
            .block_on(after)
            .expect_err("closed")
            .is_cancelled()
    );
}

fn message(error: JoinError) -> String {
    assert!(error.is_panic());
    let text = error.to_string();
    let payload = error.into_panic().expect("a panic");
    let inside = payload.downcast_ref::<&str>().expect("a literal");
    assert!(text.ends_with(inside));
    (*inside).to_string()
}

#[test]
fn a_panic_in_poll_is_the_handles_error() {
    let executor = executor();
    let log = Log::default();
    let on_drop = log.on_drop("dropped");
    let handle = executor.handle().spawn(async move {
        let _on_drop = on_drop;
        yield_now().await;
        panic!("in poll");
    });
    let error = executor.block_on(handle).expect_err("panicked");
    assert_eq!(message(error), "in poll");
    assert_eq!(log.take(), ["dropped"]);
    assert_eq!(executor.block_on(async { 1 }), 1, "the executor goes on");
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

#[test]
fn a_panic_among_many_tasks_of_a_turn_costs_the_others_nothing() {
    let executor = executor();
    let log = Log::default();
    let tasks: alloc::vec::Vec<_> = ["a", "b", "c", "d"]
        .into_iter()
        .map(|name| {
            let log = log.clone();
            executor.handle().spawn(async move {
                log.add(name);
                assert!(!["b", "d"].contains(&name), "{name}");
                yield_now().await;
                log.add(name);
            })
        })
        .collect();
    let mut ends = alloc::vec::Vec::new();
    for task in tasks {
        let end = executor.block_on(task);
        ends.push(end.is_err_and(|error| error.is_panic()));
    }
    assert_eq!(ends, [false, true, false, true]);
    assert_eq!(log.take(), ["a", "b", "c", "d", "a", "c"]);
    assert_eq!(executor.handle().metrics().tasks_alive, 1, "block_on's own");
}

#[test]
fn a_panic_in_the_futures_drop_is_the_handles_error() {
    let executor = executor();
    let bomb = PanicsInDrop;
    let mut bomb = Some(bomb);
    // The future keeps the bomb until it is dropped, after it gave its output.
    let handle = executor.handle().spawn(poll_fn(move |_| {
        let _ = &mut bomb;
        Poll::Ready(3)
    }));
    assert_eq!(
        message(executor.block_on(handle).expect_err("panicked")),
        "in drop"
    );
    let bomb = PanicsInDrop;
    let aborted = executor.handle().spawn(async move {
        pending::<()>().await;
        drop(bomb);
    });
    executor.block_on(yield_now());
    aborted.abort();
    assert_eq!(
        message(executor.block_on(aborted).expect_err("panicked")),
        "in drop"
    );
}

#[test]
fn a_panic_in_an_output_that_nobody_takes_is_swallowed() {
    let executor = executor();
    executor.handle().spawn(async { PanicsInDrop }).detach();
    executor.block_on(yield_now());
    executor.block_on(yield_now());
}

#[test]
fn a_panic_in_the_joiners_waker_is_swallowed() {
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            panic!("in wake");
        }
    }
    let executor = executor();
    let mut handle: super::Boxed<_> =
        alloc::boxed::Box::pin(executor.handle().spawn(async { yield_now().await }));
    let bomb = Waker::from(Arc::new(Bomb));
    assert!(super::poll_once(&mut handle, &mut Context::from_waker(&bomb)).is_pending());
    executor.block_on(yield_now());
    executor.block_on(yield_now());
    let joined = super::poll_once(&mut handle, &mut Context::from_waker(Waker::noop()));
    assert!(matches!(joined, Poll::Ready(Ok(()))));
}

#[test]
#[should_panic(expected = "after it gave its task's output")]
fn polling_a_handle_after_its_output_panics() {
    let executor = executor();
    let mut handle = executor.handle().spawn(async {});
    executor.block_on(&mut handle).expect("done");
    let _ = executor.block_on(&mut handle);
}

#[test]
#[should_panic(expected = "inside the same executor")]
fn block_on_inside_block_on_panics() {
    let executor = Rc::new(executor());
    let inner = executor.clone();
    executor.block_on(async move { inner.block_on(async {}) });
}

#[test]
fn block_on_of_another_executor_inside_is_fine() {
    let (outer, inner) = (executor(), executor());
    assert_eq!(outer.block_on(async { inner.block_on(async { 9 }) }), 9);
}

#[test]
fn block_on_may_borrow_and_panic() {
    let executor = executor();
    let text = String::from("borrowed");
    assert_eq!(executor.block_on(async { text.len() }), 8);
    let panicked = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
        executor.block_on(async { panic!("main") })
    }));
    assert!(panicked.is_err());
    assert_eq!(executor.block_on(async { 1 }), 1);
}

#[test]
fn a_task_that_never_yields_starves_neither_timers_nor_others() {
    let executor = executor();
    let stop = Rc::new(Cell::new(false));
    let stopped = stop.clone();
    let busy = executor.handle().spawn(async move {
        while !stopped.get() {
            yield_now().await;
        }
    });
    let handle = executor.handle().clone();
    executor.block_on(async move {
        handle.sleep(core::time::Duration::from_micros(200)).await;
        stop.set(true);
        busy.await.expect("stopped");
    });
}

#[test]
fn a_hundred_thousand_tasks_are_all_run_and_all_freed() {
    let executor = executor();
    let sum = Rc::new(Cell::new(0_u64));
    for number in 0..100_000 {
        let sum = sum.clone();
        executor
            .handle()
            .spawn(async move {
                yield_now().await;
                sum.set(sum.get() + number);
            })
            .detach();
    }
    executor.block_on(async {
        while sum.get() != 4_999_950_000 {
            yield_now().await;
        }
    });
    assert_eq!(Rc::strong_count(&sum), 1);
    assert_eq!(executor.handle().metrics().tasks_spawned, 100_001);
}

#[test]
fn tasks_can_be_listed_by_name() {
    async fn waits_for_ever() {
        pending::<()>().await;
    }
    let executor = executor();
    executor.handle().spawn(waits_for_ever()).detach();
    executor.block_on(yield_now());
    let mut found = 0;
    executor.handle().for_each_task(|task| {
        if task.name.contains("waits_for_ever") {
            assert_eq!((task.polls, task.queued), (1, false));
            found += 1;
        }
    });
    assert_eq!(found, 1);
}
