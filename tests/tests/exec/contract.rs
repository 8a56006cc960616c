//! The contract of futures and wakers, for every future that waits for the ring.

use super::{executor, listen, on_both, pair};
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::cell::RefCell;
use core::future::poll_fn;
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use underpin_core::exec::net::TcpStream;
use underpin_core::platform::Reactor;

on_both! {
    the_last_waker_counts_for_receive,
    the_last_waker_counts_for_accept,
    the_last_waker_counts_for_connect,
    a_receive_polled_without_cause_stays_pending,
    a_receive_after_a_dropped_one_wakes_who_waits_now,
    a_waker_that_is_kept_past_its_tasks_end_does_nothing,
    a_future_may_wake_others_and_itself_while_it_is_dropped,
    a_wake_from_another_thread_reaches_a_task_that_also_waits_for_the_ring,
    a_task_that_always_has_input_lets_others_run,
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Polls with two wakers in turn; `happen` makes it ready; the second waker alone is woken.
macro_rules! check_last_waker {
    ($handle:expr, $future:expr, $happen:expr) => {{
        let mut future = pin!($future);
        let (first, last) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let (a, b) = (Waker::from(first.clone()), Waker::from(last.clone()));
        assert!(
            future
                .as_mut()
                .poll(&mut Context::from_waker(&a))
                .is_pending()
        );
        assert!(
            future
                .as_mut()
                .poll(&mut Context::from_waker(&b))
                .is_pending()
        );
        {
            $happen
        }
        while last.get() == 0 {
            $handle.sleep(Duration::from_micros(50)).await;
            assert_eq!(first.get(), 0, "the waker before was woken");
        }
        future.await
    }};
}

fn the_last_waker_counts_for_receive<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut one, mut other) = pair(&handle).await;
        let bytes = check_last_waker!(
            handle,
            one.receive(),
            other.write_all(b"x").await.expect("sent")
        );
        assert_eq!(*bytes.expect("received"), *b"x");
    });
}

fn the_last_waker_counts_for_accept<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut listener, address) = listen(&handle);
        let connecting = TcpStream::connect(&handle, address);
        let connected;
        let accepted = check_last_waker!(
            handle,
            listener.accept(),
            connected = connecting.await.expect("connected")
        );
        accepted.expect("accepted");
        drop(connected);
    });
}

fn the_last_waker_counts_for_connect<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (_listener, address) = listen(&handle);
        let connected = check_last_waker!(handle, TcpStream::connect(&handle, address), {});
        connected.expect("connected");
    });
}

fn a_receive_polled_without_cause_stays_pending<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut one, mut other) = pair(&handle).await;
        let mut receive = pin!(one.receive());
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..100 {
            assert!(receive.as_mut().poll(&mut cx).is_pending());
        }
        other.write_all(b"y").await.expect("sent");
        assert_eq!(*receive.await.expect("received"), *b"y");
    });
}

fn a_receive_after_a_dropped_one_wakes_who_waits_now<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut one, mut other) = pair(&handle).await;
        let before = Arc::new(Count::default());
        let waker = Waker::from(before.clone());
        let polled = pin!(one.receive()).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        let bytes = check_last_waker!(
            handle,
            one.receive(),
            other.write_all(b"z").await.expect("sent")
        );
        assert_eq!(*bytes.expect("received"), *b"z");
        assert_eq!(before.get(), 0, "who gave up was woken");
        drop((one, other));
        assert_eq!(Arc::strong_count(&before), 2, "nobody keeps its waker");
    });
}

fn a_waker_that_is_kept_past_its_tasks_end_does_nothing<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    let kept = Rc::new(RefCell::new(None));
    executor.block_on(async {
        let (mut one, mut other) = pair(&handle).await;
        let keep = kept.clone();
        let task = handle.spawn(async move {
            poll_fn(|cx| {
                *keep.borrow_mut() = Some(cx.waker().clone());
                one.poll_receive(cx)
            })
            .await
            .expect("received");
            one
        });
        other.write_all(b"x").await.expect("sent");
        let mut one = task.await.expect("no panic");
        let waker = kept.take().expect("polled");
        waker.wake_by_ref();
        let clone = waker.clone();
        clone.wake();
        other.write_all(b"y").await.expect("sent");
        assert_eq!(*one.receive().await.expect("received"), *b"y");
        *kept.borrow_mut() = Some(waker);
    });
    drop((executor, handle));
    kept.take().expect("kept").wake();
}

/// Wakes all of them when it is dropped.
struct Wakes(Rc<RefCell<Vec<Waker>>>);

impl Drop for Wakes {
    fn drop(&mut self) {
        for waker in self.0.take() {
            waker.wake_by_ref();
            waker.wake();
        }
    }
}

fn a_future_may_wake_others_and_itself_while_it_is_dropped<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut one, mut other) = pair(&handle).await;
        let wakers = Rc::new(RefCell::new(Vec::new()));
        let (on_drop, seen) = (Wakes(wakers.clone()), wakers.clone());
        let task = handle.spawn(async move {
            let _on_drop = on_drop;
            poll_fn(|cx| {
                wakers.borrow_mut().push(cx.waker().clone());
                one.poll_receive(cx)
            })
            .await
        });
        while seen.borrow().is_empty() {
            handle.sleep(Duration::from_micros(50)).await;
        }
        let mine = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        seen.borrow_mut().push(mine);
        task.abort();
        assert!(task.await.is_err_and(|error| error.is_cancelled()));
        let end = other.receive().await;
        assert!(
            end.is_ok_and(|bytes| bytes.is_empty()),
            "its connection is closed"
        );
    });
}

fn a_wake_from_another_thread_reaches_a_task_that_also_waits_for_the_ring<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut one, _other) = pair(&handle).await;
        let is_set = Arc::new(AtomicUsize::new(0));
        let (setting, mut thread) = (is_set.clone(), None);
        let task = handle.spawn(poll_fn(move |cx| {
            assert!(one.poll_receive(cx).is_pending(), "nobody sends");
            let waker = cx.waker().clone();
            let setting = setting.clone();
            thread.get_or_insert_with(|| {
                std::thread::spawn(move || {
                    setting.store(1, Ordering::Release);
                    waker.wake();
                })
            });
            match is_set.load(Ordering::Acquire) {
                0 => Poll::Pending,
                _ => Poll::Ready(thread.take()),
            }
        }));
        let mut task = pin!(task);
        // The simulated machine sleeps by its own clock, which no thread moves.
        let thread = loop {
            match handle
                .timeout(Duration::from_millis(1), task.as_mut())
                .await
            {
                Ok(thread) => break thread.expect("no panic"),
                Err(_) => std::thread::yield_now(),
            }
        };
        thread.expect("started").join().expect("no panic");
    });
}

fn a_task_that_always_has_input_lets_others_run<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut one, mut other) = pair(&handle).await;
        let writer = handle.spawn(async move {
            let _ = one.write_all(&vec![7; 50_000]).await;
        });
        // Bytes one at a time never wait; the budget makes the reader yield all the same.
        let reader = handle.spawn(async move {
            for _ in 0..20_000 {
                let mut byte = [0];
                other.read_exact(&mut byte).await.expect("received");
            }
        });
        handle.sleep(Duration::from_micros(10)).await;
        reader.abort();
        assert!(reader.await.is_err(), "the reader kept the thread");
        writer.await.expect("no panic");
    });
}
