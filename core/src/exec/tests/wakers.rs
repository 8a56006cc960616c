//! The waker's contract: from other threads, in drops, after the end.
#![forbid(unsafe_code)]

use super::{Log, executor, yield_now};
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::task::{Poll, Waker};
use std::sync::Mutex;
use std::thread;

/// A flag that another thread sets.
#[derive(Default)]
struct Signal {
    set: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Signal {
    fn set(&self) {
        self.set.store(true, Ordering::Release);
        if let Some(waker) = self.waker.lock().expect("no panic").take() {
            waker.wake();
        }
    }

    async fn wait(self: Arc<Self>) {
        poll_fn(|cx| {
            *self.waker.lock().expect("no panic") = Some(cx.waker().clone());
            if self.set.load(Ordering::Acquire) {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

/// The simulated ring waits in virtual time, so a thread of the host is not seen there: these tests keep the executor busy.
async fn until(done: impl Fn() -> bool) {
    while !done() {
        yield_now().await;
        thread::yield_now();
    }
}

#[test]
fn wakes_from_another_thread_reach_the_task() {
    let executor = executor();
    for _ in 0..500 {
        let signal = Arc::new(Signal::default());
        let handle = executor.handle().spawn(signal.clone().wait());
        let thread = thread::spawn(move || signal.set());
        executor.block_on(until(|| handle.is_finished()));
        executor.block_on(handle).expect("woken");
        thread.join().expect("no panic");
    }
}

#[test]
fn wakers_are_cloned_and_dropped_by_many_threads_at_once() {
    let executor = executor();
    let wakes = Arc::new(AtomicUsize::new(0));
    let shared: Arc<Mutex<Vec<Waker>>> = Arc::default();
    let (counted, given) = (wakes.clone(), shared.clone());
    let on_drop = Arc::new(());
    let alive = Arc::downgrade(&on_drop);
    let handle = executor.handle().spawn(async move {
        poll_fn(|cx| {
            given
                .lock()
                .expect("no panic")
                .extend((0..8).map(|_| cx.waker().clone()));
            if counted.load(Ordering::Relaxed) >= 4_000 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        drop(on_drop);
    });
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (shared, wakes) = (shared.clone(), wakes.clone());
            thread::spawn(move || {
                let mut done = 0;
                while done < 1_000 {
                    let Some(waker) = shared.lock().expect("no panic").pop() else {
                        thread::yield_now();
                        continue;
                    };
                    let copies: Vec<_> = (0..3).map(|_| waker.clone()).collect();
                    copies[0].wake_by_ref();
                    drop(copies);
                    wakes.fetch_add(1, Ordering::Relaxed);
                    done += 1;
                    waker.wake();
                }
            })
        })
        .collect();
    executor.block_on(until(|| handle.is_finished()));
    for thread in threads {
        thread.join().expect("no panic");
    }
    shared.lock().expect("no panic").clear();
    executor.block_on(handle).expect("done");
    executor.block_on(yield_now());
    assert!(alive.upgrade().is_none());
}

#[test]
fn a_waker_may_outlive_its_executor_on_another_thread() {
    let executor = executor();
    let kept: Rc<RefCell<Option<Waker>>> = Rc::default();
    let keep = kept.clone();
    let handle = executor.handle().spawn(poll_fn(move |cx| {
        *keep.borrow_mut() = Some(cx.waker().clone());
        Poll::<()>::Pending
    }));
    executor.block_on(yield_now());
    let waker = kept.take().expect("polled");
    let thread = thread::spawn(move || {
        waker.wake_by_ref();
        let other = waker.clone();
        (waker, other)
    });
    drop(executor);
    let (waker, other) = thread.join().expect("no panic");
    assert!(handle.is_finished());
    drop(handle);
    waker.wake();
    thread::spawn(move || other.wake())
        .join()
        .expect("no panic");
}

#[test]
fn an_executor_that_goes_while_threads_wake_frees_every_task_once() {
    for _ in 0..200 {
        let executor = executor();
        let shared: Arc<Mutex<Vec<Waker>>> = Arc::default();
        for _ in 0..4 {
            let given = shared.clone();
            executor
                .handle()
                .spawn(poll_fn(move |cx| {
                    given.lock().expect("no panic").push(cx.waker().clone());
                    Poll::<()>::Pending
                }))
                .detach();
        }
        executor.block_on(yield_now());
        let wakers = core::mem::take(&mut *shared.lock().expect("no panic"));
        let thread = thread::spawn(move || {
            for waker in wakers {
                let clone = waker.clone();
                clone.wake();
                waker.wake();
            }
        });
        drop(executor);
        thread.join().expect("no panic");
    }
}

#[test]
fn a_wake_inside_drop_is_fine() {
    struct WakesInDrop(Waker);
    impl Drop for WakesInDrop {
        fn drop(&mut self) {
            self.0.wake_by_ref();
        }
    }
    let executor = executor();
    let handle = executor.handle().spawn(async {
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let _wakes = WakesInDrop(waker);
        core::future::pending::<()>().await;
    });
    executor.block_on(yield_now());
    handle.abort();
    assert!(
        executor
            .block_on(handle)
            .expect_err("aborted")
            .is_cancelled()
    );
    let again = executor.handle().spawn(async {
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let _wakes = WakesInDrop(waker);
        core::future::pending::<()>().await;
    });
    executor.block_on(yield_now());
    drop(again);
    drop(executor);
}

#[test]
fn a_clone_wakes_the_same_task() {
    let executor = executor();
    executor.block_on(poll_fn(|cx| {
        let clone = cx.waker().clone();
        assert!(clone.will_wake(cx.waker()));
        assert!(!clone.will_wake(Waker::noop()));
        Poll::Ready(())
    }));
}

#[test]
fn tasks_from_other_threads_run_here() {
    let executor = executor();
    let remote = executor.handle().remote();
    let done = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (remote, done) = (remote.clone(), done.clone());
            thread::spawn(move || {
                for _ in 0..100 {
                    let done = done.clone();
                    remote.spawn(async move {
                        yield_now().await;
                        done.fetch_add(1, Ordering::Relaxed);
                    });
                }
            })
        })
        .collect();
    executor.block_on(until(|| done.load(Ordering::Relaxed) == 400));
    for thread in threads {
        thread.join().expect("no panic");
    }
    drop(executor);
    let kept = done.clone();
    remote.spawn(async move { drop(kept) });
    assert_eq!(Arc::strong_count(&done), 1, "dropped at once");
    let log = Log::default();
    drop(log.on_drop(""));
}
