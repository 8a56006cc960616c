//! Locks and channels, and what dropped futures leave of them.
#![forbid(unsafe_code)]

use super::{Boxed, Log, executor, poll_once, yield_now};
use crate::exec::sync::{
    Barrier, Broadcast, CancellationToken, Cancelled, Closed, Lagged, Mutex, Notify, OnceCell,
    RwLock, Semaphore, TrySendError, Watch, channel, oneshot, unbounded,
};
use crate::platform::sim::Rng;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::cell::Cell;
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn counted() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), Waker::from(count))
}

/// Polls once with a waker that does nothing.
fn poll<F: Future>(future: core::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn permits_go_to_waiters_in_turn_and_large_requests_are_not_overtaken() {
    let semaphore = Semaphore::new(2);
    let first = semaphore.try_acquire(1).expect("free");
    let mut large = pin!(semaphore.acquire(2));
    let mut small = pin!(semaphore.acquire(1));
    assert!(poll(large.as_mut()).is_pending());
    assert!(poll(small.as_mut()).is_pending(), "behind the large one");
    assert!(semaphore.try_acquire(1).is_none());
    drop(first);
    assert!(poll(small.as_mut()).is_pending());
    let Poll::Ready(Ok(permit)) = poll(large.as_mut()) else {
        panic!("its turn");
    };
    drop(permit);
    assert!(matches!(poll(small.as_mut()), Poll::Ready(Ok(_))));
}

#[test]
fn a_dropped_waiter_hands_its_turn_on() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire(1).expect("free");
    let (count, waker) = counted();
    let mut second = pin!(semaphore.acquire(1));
    {
        let mut first = pin!(semaphore.acquire(1));
        assert!(poll(first.as_mut()).is_pending());
        assert!(
            second
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        drop(held);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
    }
    assert_eq!(
        count.0.load(Ordering::Relaxed),
        1,
        "the first had its turn and went"
    );
    assert!(matches!(poll(second.as_mut()), Poll::Ready(Ok(_))));
    assert_eq!(semaphore.available(), 1);
}

#[test]
fn a_large_waiter_that_goes_lets_small_ones_through() {
    let semaphore = Semaphore::new(1);
    let mut small = pin!(semaphore.acquire(1));
    {
        let mut large = pin!(semaphore.acquire(5));
        assert!(poll(large.as_mut()).is_pending());
        assert!(poll(small.as_mut()).is_pending());
    }
    assert!(poll(small.as_mut()).is_ready());
}

#[test]
fn closing_a_semaphore_refuses_all() {
    let semaphore = Semaphore::new(0);
    let mut waiting = pin!(semaphore.acquire(1));
    assert!(poll(waiting.as_mut()).is_pending());
    semaphore.close();
    assert!(matches!(poll(waiting.as_mut()), Poll::Ready(Err(Closed))));
    assert!(matches!(
        poll(pin!(semaphore.acquire(0))),
        Poll::Ready(Err(Closed))
    ));
}

/// Random acquires, polls and drops; permits are neither lost nor made.
#[test]
fn permits_are_conserved_whatever_is_dropped_when() {
    for seed in 0..100 {
        let mut rng = Rng::new(seed);
        let semaphore = Semaphore::new(4);
        let mut waiting = Vec::new();
        let mut held = Vec::new();
        for _ in 0..500 {
            match rng.below(4) {
                0 => waiting.push(Box::pin(semaphore.acquire(1 + rng.below(4) as usize))),
                1 if !waiting.is_empty() => {
                    let index = rng.below(waiting.len() as u64) as usize;
                    if let Poll::Ready(permit) = poll(waiting[index].as_mut()) {
                        held.push(permit.expect("open"));
                        drop(waiting.remove(index));
                    }
                }
                2 if !waiting.is_empty() => {
                    let index = rng.below(waiting.len() as u64) as usize;
                    drop(waiting.remove(index));
                }
                3 if !held.is_empty() => {
                    let index = rng.below(held.len() as u64) as usize;
                    drop(held.remove(index));
                }
                _ => {}
            }
        }
        waiting.clear();
        held.clear();
        assert_eq!(semaphore.available(), 4, "seed {seed}");
    }
}

#[test]
fn a_mutex_excludes_across_awaits() {
    let executor = executor();
    let counter = Rc::new(Mutex::new(0));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let counter = counter.clone();
            executor.handle().spawn(async move {
                let mut guard = counter.lock().await;
                let before = *guard;
                yield_now().await;
                *guard = before + 1;
            })
        })
        .collect();
    executor.block_on(async {
        for task in tasks {
            task.await.expect("no panic");
        }
    });
    assert_eq!(*counter.try_lock().expect("free"), 50);
}

#[test]
fn a_lock_has_readers_or_a_writer() {
    let lock = RwLock::new(1);
    let (one, two) = (
        lock.try_read().expect("free"),
        lock.try_read().expect("free"),
    );
    assert!(lock.try_write().is_none());
    let mut writer = pin!(lock.write());
    assert!(poll(writer.as_mut()).is_pending());
    assert!(lock.try_read().is_none(), "a writer waits");
    assert_eq!(*one + *two, 2);
    drop((one, two));
    let Poll::Ready(mut guard) = poll(writer.as_mut()) else {
        panic!("free");
    };
    *guard = 5;
    assert!(lock.try_read().is_none());
    drop(guard);
    assert_eq!(*lock.try_read().expect("free"), 5);
}

#[test]
fn a_notification_is_kept_or_handed_on() {
    let notify = Notify::new();
    notify.notify_one();
    notify.notify_one();
    assert!(poll(pin!(notify.notified())).is_ready());
    let mut second = pin!(notify.notified());
    {
        let mut first = pin!(notify.notified());
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending());
        notify.notify_one();
    }
    assert!(
        poll(second.as_mut()).is_ready(),
        "the dropped one handed it on"
    );
    let mut third = pin!(notify.notified());
    assert!(poll(third.as_mut()).is_pending());
    notify.notify_all();
    assert!(poll(third.as_mut()).is_ready());
    assert!(
        poll(pin!(notify.notified())).is_pending(),
        "nothing was kept"
    );
}

#[test]
fn a_bounded_channel_holds_senders_back_and_ends_with_them() {
    let executor = executor();
    let (sender, mut receiver) = channel(3);
    let progress = Rc::new(Cell::new(0));
    let sent = progress.clone();
    let task = executor.handle().spawn(async move {
        for i in 0..100 {
            sender.send(i).await.expect("open");
            sent.set(i + 1);
        }
    });
    executor.block_on(async {
        for _ in 0..5 {
            yield_now().await;
        }
        assert_eq!(progress.get(), 3);
        for i in 0..100 {
            assert_eq!(receiver.recv().await, Some(i));
        }
        assert_eq!(receiver.recv().await, None);
        task.await.expect("no panic");
    });
}

#[test]
fn a_dropped_receive_or_send_moves_nothing() {
    let (sender, mut receiver) = channel::<u32>(1);
    assert!(poll(pin!(receiver.recv())).is_pending());
    sender.try_send(1).expect("room");
    assert!(poll(pin!(sender.send(2))).is_pending());
    assert!(matches!(sender.try_send(3), Err(TrySendError::Full(3))));
    assert_eq!(receiver.try_recv(), Some(1));
    assert_eq!(receiver.try_recv(), None, "the dropped send sent nothing");
    let place = match poll(pin!(sender.reserve())) {
        Poll::Ready(Ok(place)) => place,
        _ => panic!("room"),
    };
    assert!(matches!(sender.try_send(4), Err(TrySendError::Full(4))));
    drop(place);
    sender.try_send(5).expect("the place came back");
    drop(receiver);
    assert!(matches!(sender.try_send(6), Err(TrySendError::Closed(6))));
    assert!(matches!(poll(pin!(sender.send(7))), Poll::Ready(Err(error)) if error.0 == 7));
}

#[test]
fn a_closed_channel_still_gives_what_was_sent_or_reserved() {
    let (sender, mut receiver) = channel(2);
    sender.try_send(1).expect("room");
    let Poll::Ready(Ok(place)) = poll(pin!(sender.reserve())) else {
        panic!("room");
    };
    receiver.close();
    assert_eq!(poll(pin!(receiver.recv())), Poll::Ready(Some(1)));
    assert!(poll(pin!(receiver.recv())).is_pending(), "a place is out");
    place.send(2);
    assert_eq!(poll(pin!(receiver.recv())), Poll::Ready(Some(2)));
    assert_eq!(poll(pin!(receiver.recv())), Poll::Ready(None));
}

#[test]
fn a_place_that_is_given_and_not_taken_before_the_end_sends_nothing() {
    for goes in [false, true] {
        let (sender, mut receiver) = channel::<u32>(1);
        sender.try_send(1).expect("room");
        let mut send = pin!(sender.send(2));
        assert!(poll(send.as_mut()).is_pending());
        assert_eq!(receiver.try_recv(), Some(1), "which gives the place");
        receiver.close();
        assert_eq!(poll(pin!(receiver.recv())), Poll::Ready(None));
        if goes {
            drop(receiver);
        }
        let sent = poll(send.as_mut());
        assert!(matches!(sent, Poll::Ready(Err(ref back)) if back.0 == 2));
    }
}

#[test]
fn an_unbounded_channel_never_waits() {
    let log = Log::default();
    let (sender, mut receiver) = unbounded();
    for _ in 0..1000 {
        sender.send(log.on_drop("dropped")).expect("open");
    }
    assert_eq!(receiver.len(), 1000);
    drop(receiver.try_recv());
    drop(receiver);
    assert_eq!(log.take().len(), 1000);
    assert!(sender.send(log.on_drop("back")).is_err());
}

#[test]
fn a_oneshot_gives_its_value_or_says_that_none_comes() {
    let (sender, receiver) = oneshot();
    let mut receiver = pin!(receiver);
    let (count, waker) = counted();
    assert!(
        receiver
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    sender.send(3).expect("open");
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(poll(receiver.as_mut()), Poll::Ready(Ok(3)));
    let (sender, receiver) = oneshot::<u8>();
    drop(sender);
    assert_eq!(poll(pin!(receiver)), Poll::Ready(Err(Closed)));
    let (mut sender, receiver) = oneshot::<u8>();
    let mut closed: Boxed<bool> = Box::pin(async move {
        sender.closed().await;
        sender.send(1).is_err()
    });
    let mut noop = Context::from_waker(Waker::noop());
    assert!(poll_once(&mut closed, &mut noop).is_pending());
    drop(receiver);
    assert_eq!(poll_once(&mut closed, &mut noop), Poll::Ready(true));
}

#[test]
fn a_broadcast_reaches_all_and_tells_the_slow_what_they_missed() {
    let sender = Broadcast::new(4);
    let (mut fast, mut slow) = (sender.subscribe(), sender.subscribe());
    for i in 0..3 {
        sender.send(i);
        assert_eq!(poll(pin!(fast.recv())), Poll::Ready(Ok(Ok(i))));
    }
    for i in 3..6 {
        sender.send(i);
    }
    assert_eq!(poll(pin!(slow.recv())), Poll::Ready(Ok(Err(Lagged(2)))));
    assert_eq!(slow.try_recv(), Ok(Some(2)));
    let mut late = sender.subscribe();
    assert!(poll(pin!(late.recv())).is_pending());
    drop(sender);
    assert_eq!(slow.try_recv(), Ok(Some(3)));
    assert_eq!(poll(pin!(late.recv())), Poll::Ready(Err(Closed)));
}

#[test]
fn a_watch_shows_the_latest_value() {
    let sender = Watch::new(1);
    let mut receiver = sender.subscribe();
    assert!(poll(pin!(receiver.changed())).is_pending());
    sender.send(2);
    assert_eq!(sender.send(3), 2);
    assert_eq!(poll(pin!(receiver.changed())), Poll::Ready(Ok(())));
    assert_eq!(receiver.get(), 3);
    assert!(poll(pin!(receiver.changed())).is_pending());
    drop(sender);
    assert_eq!(poll(pin!(receiver.changed())), Poll::Ready(Err(Closed)));
    assert_eq!(receiver.get(), 3);
}

#[test]
fn a_barrier_lets_rounds_through_together() {
    let executor = executor();
    let barrier = Rc::new(Barrier::new(3));
    {
        let mut dropped = pin!(barrier.wait());
        assert!(poll(dropped.as_mut()).is_pending());
    }
    for _ in 0..3 {
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let barrier = barrier.clone();
                executor.handle().spawn(async move { barrier.wait().await })
            })
            .collect();
        let last = executor.block_on(async {
            let mut last = 0;
            for task in tasks {
                last += usize::from(task.await.expect("no panic"));
            }
            last
        });
        assert_eq!(last, 1);
    }
}

#[test]
fn a_once_cell_is_made_by_one_and_by_the_next_if_that_one_fails() {
    let cell = OnceCell::new();
    let failed = poll(pin!(cell.get_or_try_init(|| async { Err::<u8, _>("no") })));
    assert_eq!(failed, Poll::Ready(Err("no")));
    {
        let mut dropped = pin!(
            cell.get_or_try_init(|| async { core::future::pending::<Result<u8, ()>>().await })
        );
        assert!(poll(dropped.as_mut()).is_pending());
        let mut waits = pin!(cell.get_or_try_init(|| async { Ok::<_, ()>(9) }));
        assert!(poll(waits.as_mut()).is_pending());
    }
    assert_eq!(
        poll(pin!(cell.get_or_try_init(|| async { Ok::<_, ()>(7) }))),
        Poll::Ready(Ok(&7))
    );
    assert_eq!(cell.get(), Some(&7));
}

#[test]
fn a_token_of_many_children_or_of_a_deep_line_stops_them_all() {
    // Clearing out at each addition would look at 10^10 children; recursion would need as many frames as the line is deep.
    let root = CancellationToken::new();
    let children: Vec<_> = (0..100_000).map(|_| root.child()).collect();
    let mut line = alloc::vec![root.child()];
    for _ in 0..100_000 {
        line.push(line[line.len() - 1].child());
    }
    root.cancel();
    assert!(
        children
            .iter()
            .chain(&line)
            .all(CancellationToken::is_cancelled)
    );
}

#[test]
fn a_token_stops_its_children_and_not_its_parent() {
    let parent = CancellationToken::new();
    let (child, other) = (parent.child(), parent.child());
    child.cancel();
    assert!(child.is_cancelled() && !parent.is_cancelled() && !other.is_cancelled());
    let executor = executor();
    executor.block_on(async {
        assert_eq!(parent.run(async { 1 }).await, Ok(1));
        let stopper = parent.clone();
        let task = executor.handle().spawn(async move { stopper.cancel() });
        assert_eq!(
            other.run(core::future::pending::<()>()).await,
            Err(Cancelled)
        );
        task.await.expect("no panic");
    });
    assert!(parent.child().is_cancelled());
}
