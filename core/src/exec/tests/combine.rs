//! Joins, selections, sets and scopes.
#![forbid(unsafe_code)]

use super::{Log, executor, yield_now};
use crate::exec::sync::oneshot;
use crate::exec::{FutureSet, Scope, TaskSet, scope};
use crate::platform::sim::Rng;
use crate::{join, select, try_join};
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::{pending, poll_fn, ready};
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use std::panic::catch_unwind;

async fn after<T>(polls: usize, value: T) -> T {
    for _ in 0..polls {
        yield_now().await;
    }
    value
}

#[test]
fn join_runs_all_by_turns_and_keeps_their_order() {
    let executor = executor();
    let log = Log::default();
    let output = executor.block_on(async {
        let noted = |polls, name| {
            let log = log.clone();
            async move {
                let value = after(polls, polls).await;
                log.add(name);
                value
            }
        };
        join!(noted(3, "slow"), noted(1, "fast"), noted(0, "first"))
    });
    assert_eq!(output, (3, 1, 0));
    assert_eq!(log.take(), ["first", "fast", "slow"]);
}

#[test]
fn try_join_ends_with_the_first_error_and_drops_the_rest() {
    let executor = executor();
    let log = Log::default();
    let good: Result<(u8, u8), &str> =
        executor.block_on(async { try_join!(after(2, Ok(1)), ready(Ok(2))) });
    assert_eq!(good, Ok((1, 2)));
    let bad: Result<((), u8), &str> = executor.block_on(async {
        let dropped = log.on_drop("dropped");
        let never = async move {
            let _dropped = dropped;
            pending::<Result<(), &str>>().await
        };
        try_join!(never, after(2, Err("no")))
    });
    assert_eq!(bad, Err("no"));
    assert_eq!(log.take(), ["dropped"]);
}

#[test]
fn select_takes_the_first_and_drops_the_others_before_the_branch() {
    let executor = executor();
    let log = Log::default();
    executor.block_on(async {
        let dropped = log.on_drop("loser dropped");
        let loser = async move {
            let _dropped = dropped;
            pending::<u8>().await
        };
        let text = select! {
            number = loser => number,
            (left, right) = after(2, (1, 2)) => { log.add("branch"); left + right },
            () = pending() => 0,
        };
        assert_eq!(text, 3);
    });
    assert_eq!(log.take(), ["loser dropped", "branch"]);
}

#[test]
fn a_branch_of_select_may_leave_the_loop_and_a_kept_future_goes_on() {
    let executor = executor();
    let rounds = executor.block_on(async {
        let mut kept = core::pin::pin!(after(5, ()));
        let mut rounds = 0;
        loop {
            select! {
                () = &mut kept => break rounds,
                () = yield_now() => { rounds += 1; continue },
            }
        }
    });
    assert!((1..=5).contains(&rounds), "{rounds}");
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_set_polls_only_what_was_woken_and_gives_outputs_as_they_come() {
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    let polls = Rc::new(Cell::new(0));
    let mut set = FutureSet::new();
    let mut senders = Vec::new();
    for index in 0..10 {
        let (sender, mut receiver) = oneshot::<()>();
        senders.push(Some(sender));
        let polls = polls.clone();
        set.push(async move {
            poll_fn(|cx| {
                polls.set(polls.get() + 1);
                core::pin::Pin::new(&mut receiver).poll(cx)
            })
            .await
            .expect("sent");
            index
        });
    }
    assert!(set.poll_next(&mut cx).is_pending());
    assert_eq!((polls.get(), set.len()), (10, 10));
    for index in [7, 2, 5] {
        let sender = senders[index].take().expect("there");
        sender.send(()).expect("somebody waits");
    }
    assert!(count.0.load(Ordering::SeqCst) >= 1, "the set was woken");
    for index in [7, 2, 5] {
        assert_eq!(set.poll_next(&mut cx), Poll::Ready(Some(index)));
    }
    assert!(set.poll_next(&mut cx).is_pending());
    assert_eq!((polls.get(), set.len()), (13, 7));
    drop(senders);
}

#[test]
fn wakers_of_a_set_outlive_it_and_do_nothing_for_a_successor() {
    let stolen: Rc<Cell<Option<Waker>>> = Rc::default();
    let mut cx = Context::from_waker(Waker::noop());
    let mut set = FutureSet::new();
    let keep = stolen.clone();
    let mut polled = false;
    set.push(poll_fn(move |cx| {
        keep.set(Some(cx.waker().clone()));
        if core::mem::replace(&mut polled, true) {
            Poll::Ready(1)
        } else {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }));
    assert!(set.poll_next(&mut cx).is_pending());
    assert_eq!(set.poll_next(&mut cx), Poll::Ready(Some(1)));
    let old = stolen.take().expect("a waker");
    let polls = Cell::new(0);
    set.push(poll_fn(|_| {
        polls.set(polls.get() + 1);
        Poll::Pending
    }));
    assert!(set.poll_next(&mut cx).is_pending());
    old.wake_by_ref();
    assert!(set.poll_next(&mut cx).is_pending());
    assert_eq!(polls.get(), 1, "another future has the place");
    drop(set);
    old.wake();
}

/// Futures of a set are woken by other threads while it is polled.
#[test]
fn a_set_loses_no_wake_of_another_thread() {
    const ROUNDS: usize = if cfg!(miri) { 20 } else { 300 };
    for round in 0..ROUNDS {
        let flags: Arc<Vec<AtomicUsize>> = Arc::new((0..4).map(|_| AtomicUsize::new(0)).collect());
        let mut set = FutureSet::new();
        let mut threads = Vec::new();
        for index in 0..4 {
            let flags = flags.clone();
            let mut started = false;
            let (hand, taken) = std::sync::mpsc::channel::<Waker>();
            let setter = flags.clone();
            threads.push(std::thread::spawn(move || {
                let waker = taken.recv().expect("a waker");
                if round % 2 == 0 {
                    std::thread::yield_now();
                }
                setter[index].store(1, Ordering::Release);
                waker.wake();
            }));
            set.push(poll_fn(move |cx| {
                if !core::mem::replace(&mut started, true) {
                    hand.send(cx.waker().clone()).expect("the thread waits");
                }
                if flags[index].load(Ordering::Acquire) == 1 {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }));
        }
        // By hand, so that a lost wake shows as a set that nobody polls: the thread that waits is the system's.
        let parked = std::thread::current();
        struct Unpark(std::thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(parked)));
        let mut cx = Context::from_waker(&waker);
        let mut ended = 0;
        while ended < 4 {
            match set.poll_next(&mut cx) {
                Poll::Ready(Some(())) => ended += 1,
                Poll::Ready(None) => panic!("four futures end"),
                Poll::Pending => std::thread::park(),
            }
        }
        for thread in threads {
            thread.join().expect("no panic");
        }
    }
}

#[test]
fn a_set_ends_what_random_orders_of_pushes_and_ends_leave() {
    for seed in 0..50 {
        let mut rng = Rng::new(seed);
        let executor = executor();
        let total = executor.block_on(async {
            let mut set: FutureSet<'_, usize> = (0..rng.below(20) as usize)
                .map(|index| after(index % 5, index))
                .collect();
            let mut want: usize = (0..set.len()).sum();
            let (mut sum, mut left) = (0, 30);
            while let Some(value) = set.next().await {
                sum += value;
                if left > 0 && rng.below(2) == 0 {
                    left -= 1;
                    want += left;
                    set.push(after(rng.below(4) as usize, left));
                }
            }
            (sum, want)
        });
        assert_eq!(total.0, total.1, "seed {seed}");
    }
}

#[test]
fn tasks_of_a_scope_borrow_and_end_with_it() {
    let executor = executor();
    let words = [String::from("a"), String::from("bc"), String::from("def")];
    let bytes = Cell::new(0);
    let (add, words) = (&bytes, &words);
    let lengths = executor.block_on(scope(|scope| async move {
        let tasks: Vec<_> = words
            .iter()
            .map(|word| {
                let inner = scope.clone();
                scope.spawn(async move {
                    yield_now().await;
                    inner.spawn(async move { add.set(add.get() + word.len()) });
                    word.len()
                })
            })
            .collect();
        let mut lengths = Vec::new();
        for task in tasks {
            lengths.push(task.await.expect("it ends"));
        }
        lengths
    }));
    assert_eq!(lengths, [1, 2, 3]);
    assert_eq!(bytes.get(), 6, "tasks of tasks end too");
}

#[test]
fn a_dropped_scope_drops_its_tasks() {
    let executor = executor();
    let log = Log::default();
    executor.block_on(async {
        let noted = log.on_drop("task dropped");
        let scope = scope(|scope| async move {
            scope.spawn(async move {
                let _noted = noted;
                pending::<()>().await;
            });
            pending::<()>().await;
        });
        select! {
            () = scope => unreachable!("it waits for ever"),
            () = after(3, ()) => {},
        }
        assert_eq!(log.take(), ["task dropped"]);
    });
}

#[test]
fn a_scope_that_never_comes_to_rest_lets_others_run() {
    let executor = executor();
    let handle = executor.handle().clone();
    executor.block_on(async {
        let spawns_for_ever = scope(|scope| async move {
            let inner = scope.clone();
            scope.spawn(async move {
                loop {
                    inner.spawn(async {});
                    yield_now().await;
                }
            });
        });
        fn chain(scope: Scope<'_>) {
            let next = scope.clone();
            scope.spawn(async move { chain(next) });
        }
        let chained = scope(|scope| async move { chain(scope) });
        let soon = core::time::Duration::from_millis(1);
        let both = async { join!(spawns_for_ever, chained) };
        assert!(handle.timeout(soon, both).await.is_err());
    });
}

#[test]
fn a_scope_that_is_over_keeps_nothing_and_runs_nothing() {
    let executor = executor();
    let log = Log::default();
    let noted = log.on_drop("spawned and never polled");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        executor.block_on(scope(|scope| async move {
            let inner = scope.clone();
            scope.spawn(async move {
                let _kept = (inner, noted);
                pending::<()>().await;
            });
            panic!("on purpose");
        }))
    }));
    assert!(panicked.is_err());
    assert_eq!(log.take(), ["spawned and never polled"]);

    let noted = log.on_drop("spawned too late");
    executor.block_on(async {
        let escaped = scope(|scope| async move { scope }).await;
        let inner = escaped.clone();
        let late = escaped.spawn(async move {
            let _kept = (inner, noted);
        });
        assert_eq!(log.take(), ["spawned too late"]);
        assert!(late.await.is_err(), "it was never run");
    });
}

/// A future whose destructor looks at the set that its task is of.
#[test]
fn a_task_set_polled_by_what_an_abort_drops_forgets_no_task() {
    struct Looks(Rc<RefCell<TaskSet<()>>>);
    impl Drop for Looks {
        fn drop(&mut self) {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(self.0.borrow_mut().poll_join_next(&mut cx).is_pending());
        }
    }
    let executor = executor();
    let handle = executor.handle().clone();
    executor.block_on(async {
        let set = Rc::new(RefCell::new(TaskSet::new()));
        let looks = Looks(set.clone());
        set.borrow_mut().spawn_on(&handle, async move {
            let _looks = looks;
        });
        set.borrow().abort_all();
        let next = poll_fn(|cx| set.borrow_mut().poll_join_next(cx));
        let soon = core::time::Duration::from_millis(1);
        let ended = handle.timeout(soon, next).await.expect("it ended");
        assert!(ended.is_some_and(|ended| ended.is_err_and(|error| error.is_cancelled())));
    });
}

#[test]
fn a_task_set_gives_outputs_panics_and_cancellations() {
    let executor = executor();
    let handle = executor.handle().clone();
    executor.block_on(async {
        let mut set = TaskSet::new();
        assert!(set.join_next().await.is_none());
        set.spawn_on(&handle, after(5, 5));
        set.spawn_on(&handle, after(1, 1));
        set.spawn_on(&handle, async {
            after(2, ()).await;
            panic!("on purpose")
        });
        assert_eq!(set.len(), 3);
        assert_eq!(set.join_next().await.expect("one").ok(), Some(1));
        assert!(
            set.join_next()
                .await
                .expect("one")
                .is_err_and(|e| e.is_panic())
        );
        assert_eq!(set.join_next().await.expect("one").ok(), Some(5));
        assert!(set.is_empty());
        set.spawn_on(&handle, pending());
        set.spawn_on(&handle, after(0, 9));
        yield_now().await;
        set.abort_all();
        let mut cancelled = 0;
        while let Some(output) = set.join_next().await {
            match output {
                Ok(value) => assert_eq!(value, 9),
                Err(error) => {
                    assert!(error.is_cancelled());
                    cancelled += 1;
                }
            }
        }
        assert_eq!(cancelled, 1);
    });
}

#[test]
fn a_dropped_task_set_aborts_and_a_detached_one_does_not() {
    let executor = executor();
    let handle = executor.handle().clone();
    let log = Log::default();
    executor.block_on(async {
        let noted = |name, polls| {
            let guard = log.on_drop(name);
            async move {
                let _guard = guard;
                after(polls, ()).await;
            }
        };
        let mut set = TaskSet::new();
        set.spawn_on(&handle, noted("aborted", 1_000_000));
        yield_now().await;
        drop(set);
        after(2, ()).await;
        assert_eq!(log.take(), ["aborted"]);
        let mut set = TaskSet::new();
        set.spawn_on(&handle, noted("went on", 4));
        set.detach_all();
        assert!(set.is_empty());
        drop(set);
        after(2, ()).await;
        assert!(log.take().is_empty());
        after(5, ()).await;
        assert_eq!(log.take(), ["went on"]);
    });
}
