//! Futures dropped at every await point: no byte is lost or doubled, no connection is lost, nothing stays open.

use super::{TestHandle, executor, listen, on_both, pair, pattern, system, with_completions};
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use underpin::sys::{Kind, ListenOptions, Native};
use underpin_core::exec::net::{TcpListener, TcpStream};
use underpin_core::platform::{Reactor, ShutdownHow};

on_both! {
    dropped_receives_lose_no_byte,
    dropped_writes_write_nothing,
    dropped_accepts_lose_no_connection,
    dropped_connects_leave_nothing,
    a_stream_dropped_while_a_receive_waits_is_closed,
    a_timeout_leaves_the_bytes_for_the_next_receive,
    what_outlives_its_executor_says_so,
    who_waits_from_elsewhere_is_told_when_an_executor_goes,
}

/// Polls `future` at most `polls` times, lets others run in between, and drops it if it is not ready then.
async fn polled<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

fn dropped_receives_lose_no_byte<P: Reactor>(platform: P) {
    const BYTES: usize = 60_000;
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut reader, mut writer) = pair(&handle).await;
        let pauses = handle.clone();
        let sender = handle.spawn(async move {
            let mut sent = 0;
            while sent < BYTES {
                let count = (1 + sent % 1700).min(BYTES - sent);
                writer.write_all(&pattern(sent, count)).await.expect("sent");
                sent += count;
                if sent % 3 == 0 {
                    pauses.sleep(Duration::from_micros(50)).await;
                }
            }
        });
        let mut got = Vec::new();
        let mut round = 0;
        let mut buffer = [0; 700];
        loop {
            round += 1;
            // By turns the two ways to receive, dropped after 1 to 4 polls.
            let bytes = if round % 2 == 0 {
                let received = polled(1 + round % 4, reader.receive()).await;
                received.map(|bytes| bytes.expect("received").to_vec())
            } else {
                let count = polled(1 + round % 4, reader.read(&mut buffer)).await;
                count.map(|count| buffer[..count.expect("received")].to_vec())
            };
            match bytes {
                None => handle.sleep(Duration::from_micros(20)).await,
                Some(bytes) if bytes.is_empty() => break,
                Some(bytes) => got.extend(bytes),
            }
        }
        sender.await.expect("no panic");
        assert!(got == pattern(0, BYTES), "{} bytes", got.len());
    });
}

fn dropped_writes_write_nothing<P: Reactor>(platform: P) {
    const BYTES: usize = 2 << 20;
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut reader, mut writer) = pair(&handle).await;
        let pauses = handle.clone();
        let receiver = handle.spawn(async move {
            let mut got = Vec::new();
            loop {
                let bytes = reader.receive().await.expect("received");
                if bytes.is_empty() {
                    return got;
                }
                got.extend_from_slice(&bytes);
                if got.len() % 5 == 0 {
                    pauses.sleep(Duration::from_micros(100)).await;
                }
            }
        });
        let all = pattern(0, BYTES);
        let mut sent = 0;
        let mut dropped = 0;
        while sent < BYTES {
            let end = (sent + 100_000).min(BYTES);
            match polled(1 + dropped % 3, writer.write(&all[sent..end])).await {
                Some(count) => sent += count.expect("sent"),
                None => {
                    dropped += 1;
                    handle.sleep(Duration::from_micros(50)).await;
                }
            }
        }
        writer.shutdown(ShutdownHow::Write).expect("ended");
        let got = receiver.await.expect("no panic");
        assert!(got == all, "{} bytes, {dropped} writes dropped", got.len());
    });
}

fn dropped_accepts_lose_no_connection<P: Reactor>(platform: P) {
    const CLIENTS: usize = 30;
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut listener, address) = listen(&handle);
        let inner = handle.clone();
        let clients = handle.spawn(async move {
            for client in 0..CLIENTS {
                let mut stream = TcpStream::connect(&inner, address)
                    .await
                    .expect("connected");
                stream.write_all(&[client as u8]).await.expect("sent");
            }
        });
        let mut seen = Vec::new();
        let mut round = 0;
        while seen.len() < CLIENTS {
            round += 1;
            match polled(1 + round % 3, listener.accept()).await {
                None => handle.sleep(Duration::from_micros(30)).await,
                Some(accepted) => {
                    let (mut stream, _) = accepted.expect("accepted");
                    let mut byte = [0];
                    stream.read_exact(&mut byte).await.expect("received");
                    seen.push(usize::from(byte[0]));
                }
            }
        }
        clients.await.expect("no panic");
        assert_eq!(seen, (0..CLIENTS).collect::<Vec<_>>());
    });
}

/// Waits until the ring has nothing that nobody waits for.
async fn settled<P: Reactor>(handle: &TestHandle<P>, operations: usize) {
    while handle.metrics().operations > operations {
        handle.sleep(Duration::from_micros(100)).await;
    }
}

fn dropped_connects_leave_nothing<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut listener, address) = listen(&handle);
        for round in 0..20 {
            let connected = polled(1 + round % 4, TcpStream::connect(&handle, address)).await;
            drop(connected);
        }
        settled(&handle, 0).await;
        // What was connected before it was dropped reads as ended.
        while let Some(accepted) = polled(3, listener.accept()).await {
            let (mut stream, _) = accepted.expect("accepted");
            match stream.read(&mut [0; 4]).await {
                Ok(count) => assert_eq!(count, 0),
                Err(error) => assert_eq!(error.kind(), Kind::ConnectionReset),
            }
        }
    });
}

fn a_stream_dropped_while_a_receive_waits_is_closed<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut one, mut other) = pair(&handle).await;
        let waiting = handle.spawn(async move { one.receive().await.map(|bytes| bytes.len()) });
        handle.sleep(Duration::from_micros(200)).await;
        waiting.abort();
        assert!(waiting.await.expect_err("aborted").is_cancelled());
        assert!(other.receive().await.expect("the end").is_empty());
        drop(other);
        settled(&handle, 0).await;
    });
}

fn a_timeout_leaves_the_bytes_for_the_next_receive<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut one, mut other) = pair(&handle).await;
        for round in 0..20_u8 {
            let early = handle.timeout(Duration::from_micros(u64::from(round) * 10), one.receive());
            assert!(early.await.is_err(), "nothing was sent");
            other.write_all(&[round]).await.expect("sent");
            let bytes = one.receive().await.expect("received");
            assert_eq!(*bytes, [round]);
        }
    });
}

/// Nobody would wake it, so it must not wait.
fn what_outlives_its_executor_says_so<P: Reactor>(platform: P) {
    let first = executor(platform.clone());
    let handle = first.handle().clone();
    let (mut one, mut other, mut listener, address) = first.block_on(async {
        let (mut one, other) = pair(&handle).await;
        let (listener, address) = listen(&handle);
        // One operation waits in the ring when its executor goes.
        assert!(polled(1, one.receive()).await.is_none());
        (one, other, listener, address)
    });
    drop(first);
    executor(platform).block_on(async {
        let cancelled = Some(Kind::Cancelled);
        assert_eq!(one.receive().await.err().map(|e| e.kind()), cancelled);
        assert_eq!(
            other.read(&mut [0; 4]).await.err().map(|e| e.kind()),
            cancelled
        );
        assert_eq!(listener.accept().await.err().map(|e| e.kind()), cancelled);
        let connected = TcpStream::connect(&handle, address).await;
        assert_eq!(connected.err().map(|e| e.kind()), cancelled);
    });
}

/// Long, and never waited for.
const LONG: Duration = Duration::from_secs(30);

fn who_waits_from_elsewhere_is_told_when_an_executor_goes<P: Reactor>(platform: P) {
    let goes = executor(platform.clone());
    let handle = goes.handle().clone();
    let (mut one, _other) = goes.block_on(pair(&handle));
    let stays = executor(platform);
    let stays_too = stays.handle().clone();
    stays.block_on(async {
        let received = stays_too.spawn(async move { one.receive().await.map(drop) });
        let slept = stays_too.spawn(handle.sleep(100 * LONG));
        let timed = stays_too.spawn(handle.timeout(100 * LONG, core::future::pending::<()>()));
        // All of them wait.
        for _ in 0..3 {
            assert!(polled(1, core::future::pending::<()>()).await.is_none());
        }
        stays_too.sleep(Duration::from_millis(1)).await;
        assert!(!received.is_finished() && !slept.is_finished());
        drop(goes);
        stays_too
            .timeout(LONG, async {
                let error = received.await.expect("no panic").expect_err("gone");
                assert_eq!(error.kind(), Kind::Cancelled);
                slept.await.expect("no panic");
                assert!(timed.await.expect("no panic").is_err());
                // What begins later ends as well.
                handle.sleep(100 * LONG).await;
            })
            .await
            .expect("all were woken");
    });
}

/// Runs a test on this system, over both kinds of ring. The simulator's ring keeps a socket until it has told of its cancelled operation.
fn on_this_system(test: fn(Native)) {
    if let Some(platform) = system() {
        test(platform);
    }
    with_completions(test);
}

#[test]
fn a_dropped_listener_frees_its_address_at_once() {
    on_this_system(drops_a_listener);
}

#[test]
fn the_tasks_of_a_dropped_executor_close_their_connections_at_once() {
    on_this_system(drops_an_executor_with_a_connection);
}

fn drops_a_listener(platform: Native) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut listener, address) = listen(&handle);
        // The accept is with the system when it is dropped.
        let accepted = handle.timeout(Duration::from_millis(2), listener.accept());
        assert!(accepted.await.is_err());
        drop(listener);
        let options = ListenOptions::default();
        let again = TcpListener::bind(&handle, &address, &options);
        assert!(again.is_ok(), "{again:?}");
    });
}

fn drops_an_executor_with_a_connection(platform: Native) {
    let stays = executor(platform);
    let goes = executor(platform);
    let handle = goes.handle().clone();
    let (mut listener, address) = listen(&handle);
    let connecting = stays
        .handle()
        .spawn(TcpStream::connect(stays.handle(), address));
    let pause = || stays.handle().sleep(Duration::from_millis(1));
    stays.block_on(pause());
    let mut stream = goes.block_on(listener.accept()).expect("accepted").0;
    let mut far = stays
        .block_on(connecting)
        .expect("no panic")
        .expect("connected");
    goes.handle()
        .spawn(async move { stream.receive().await.map(drop) })
        .detach();
    goes.block_on(handle.sleep(Duration::from_millis(1)));
    drop(goes);
    // The handle keeps the ring.
    let end = stays.handle().timeout(LONG, far.receive());
    let end = stays.block_on(end).expect("told").expect("an end");
    assert!(end.is_empty());
    drop(handle);
}
