//! The contract of futures and wakers, for every future that waits for the ring.

use super::{executor, listen, on_both, pair};
use alloc::sync::Arc;
use alloc::task::Wake;
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Waker};
use core::time::Duration;
use underpin_core::exec::net::TcpStream;
use underpin_core::platform::Reactor;

on_both! {
    the_last_waker_counts_for_receive,
    the_last_waker_counts_for_accept,
    the_last_waker_counts_for_connect,
    a_receive_polled_without_cause_stays_pending,
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
