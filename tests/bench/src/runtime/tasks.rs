//! What the scheduler itself costs: tasks that start, end, step aside and wake each other.

use super::subject::{Compio, Monoio, Runtime, Smol, Tokio, Underpin, subject, yield_once};
use super::thread_cpu;
use crate::case::{Case, Sample, Settings, Subject};
use core::cell::Cell;
use core::future::poll_fn;
use core::hint::black_box;
use core::task::{Poll, Waker};
use std::rc::Rc;
use std::time::Duration;

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let count = settings.operations(2_000_000, 300_000);
    vec![
        everybody(
            "spawn and join",
            format!("{count} tasks of one addition, one at a time, each awaited"),
            count,
            spawn_and_join::<Underpin>,
            [
                subject_of::<Tokio>(count, spawn_and_join::<Tokio>),
                subject_of::<Smol>(count, spawn_and_join::<Smol>),
                subject_of::<Monoio>(count, spawn_and_join::<Monoio>),
                subject_of::<Compio>(count, spawn_and_join::<Compio>),
            ],
        ),
        everybody(
            "yield, one task",
            format!("{count} times a task wakes itself and waits; the same future for all"),
            count,
            yields::<Underpin, 1>,
            [
                subject_of::<Tokio>(count, yields::<Tokio, 1>),
                subject_of::<Smol>(count, yields::<Smol, 1>),
                subject_of::<Monoio>(count, yields::<Monoio, 1>),
                subject_of::<Compio>(count, yields::<Compio, 1>),
            ],
        ),
        everybody(
            "yield, 1000 tasks",
            format!("{count} yields in all, by a thousand tasks in turn"),
            count,
            yields::<Underpin, 1000>,
            [
                subject_of::<Tokio>(count, yields::<Tokio, 1000>),
                subject_of::<Smol>(count, yields::<Smol, 1000>),
                subject_of::<Monoio>(count, yields::<Monoio, 1000>),
                subject_of::<Compio>(count, yields::<Compio, 1000>),
            ],
        ),
        everybody(
            "wake and switch",
            format!(
                "{count} times one of two tasks stores its waker, wakes the other and waits; the same future for all"
            ),
            count,
            wakes::<Underpin>,
            [
                subject_of::<Tokio>(count, wakes::<Tokio>),
                subject_of::<Smol>(count, wakes::<Smol>),
                subject_of::<Monoio>(count, wakes::<Monoio>),
                subject_of::<Compio>(count, wakes::<Compio>),
            ],
        ),
        oneshots(count),
        channels(count),
    ]
}

fn everybody(
    name: &str,
    terms: String,
    count: u64,
    ours: fn(u64) -> Result<Sample, String>,
    peers: [Subject; 4],
) -> Case {
    Case {
        name: name.to_owned(),
        terms: format!("{terms}; thread CPU"),
        ours: subject_of::<Underpin>(count, ours),
        peers: Vec::from(peers),
    }
}

fn subject_of<R: Runtime>(count: u64, body: fn(u64) -> Result<Sample, String>) -> Subject {
    subject::<R>(move || body(count))
}

/// The sample of `count` operations that began at `start`; `got` must be `want`.
fn sample(start: Duration, count: u64, got: u64, want: u64) -> Result<Sample, String> {
    let elapsed = (thread_cpu() - start).max(Duration::from_nanos(1));
    if got != want {
        return Err(format!("{got} instead of {want}"));
    }
    Ok(Sample {
        operations: count,
        elapsed,
    })
}

fn spawn_and_join<R: Runtime>(count: u64) -> Result<Sample, String> {
    R::block_on(async {
        let start = thread_cpu();
        let mut sum = 0;
        for i in 0..count {
            sum += R::spawn(async move { black_box(i) }).await;
        }
        sample(start, count, sum, count * (count - 1) / 2)
    })
}

fn yields<R: Runtime, const TASKS: u64>(count: u64) -> Result<Sample, String> {
    R::block_on(async {
        let done = Rc::new(Cell::new(0));
        let start = thread_cpu();
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let done = done.clone();
                R::spawn(async move {
                    for _ in 0..count / TASKS {
                        yield_once().await;
                        done.set(done.get() + 1);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        sample(start, count, done.get(), count)
    })
}

fn wakes<R: Runtime>(count: u64) -> Result<Sample, String> {
    R::block_on(async {
        let turn = Rc::new(Cell::new(0_u64));
        let wakers: Rc<[Cell<Option<Waker>>; 2]> = Rc::new([Cell::new(None), Cell::new(None)]);
        let start = thread_cpu();
        let tasks: Vec<_> = (0..2_u64)
            .map(|me| {
                let (turn, wakers) = (turn.clone(), wakers.clone());
                R::spawn(poll_fn(move |cx| {
                    let now = turn.get();
                    if now >= count {
                        if let Some(other) = wakers[1 - me as usize].take() {
                            other.wake();
                        }
                        return Poll::Ready(());
                    }
                    wakers[me as usize].set(Some(cx.waker().clone()));
                    if now % 2 == me {
                        turn.set(now + 1);
                        if let Some(other) = wakers[1 - me as usize].take() {
                            other.wake();
                        }
                    }
                    Poll::Pending
                }))
            })
            .collect();
        for task in tasks {
            task.await;
        }
        sample(start, count, turn.get(), count)
    })
}

fn oneshots(count: u64) -> Case {
    Case {
        name: "oneshot from a new task".into(),
        terms: format!(
            "{count} times: a channel for one value, a task that sends into it, waiting for the value; each runtime's own channel (smol's holds one); thread CPU"
        ),
        ours: subject::<Underpin>(move || {
            one_by_one::<Underpin, _>(count, |i| {
                let (sender, receiver) = underpin::rt::sync::oneshot();
                underpin::rt::spawn(async move { sender.send(i) }).detach();
                async move { receiver.await.expect("sent") }
            })
        }),
        peers: vec![
            subject::<Tokio>(move || {
                one_by_one::<Tokio, _>(count, |i| {
                    let (sender, receiver) = tokio::sync::oneshot::channel();
                    drop(tokio::task::spawn_local(async move { sender.send(i) }));
                    async move { receiver.await.expect("sent") }
                })
            }),
            subject::<Smol>(move || {
                one_by_one::<Smol, _>(count, |i| {
                    let (sender, receiver) = smol::channel::bounded(1);
                    let task = Smol::spawn(async move { sender.send(i).await });
                    async move {
                        let value = receiver.recv().await.expect("sent");
                        task.await.expect("sent");
                        value
                    }
                })
            }),
        ],
    }
}

fn one_by_one<R: Runtime, F: Future<Output = u64>>(
    count: u64,
    mut start_one: impl FnMut(u64) -> F,
) -> Result<Sample, String> {
    R::block_on(async {
        let start = thread_cpu();
        let mut sum = 0;
        for i in 0..count {
            sum += start_one(i).await;
        }
        sample(start, count, sum, count * (count - 1) / 2)
    })
}

/// Room in each of the two channels.
const ROOM: usize = 16;

macro_rules! round_trips {
    ($runtime:ident, $count:ident, $channel:path, $($mut:ident)?) => {
        subject::<$runtime>(move || {
            $runtime::block_on(async {
                let (to, $($mut)? inbox) = $channel(ROOM);
                let (back, $($mut)? outbox) = $channel(ROOM);
                let echo = $runtime::spawn(async move {
                    for _ in 0..$count {
                        let value: u64 = inbox.recv().await.expect("sent");
                        back.send(value).await.expect("room");
                    }
                });
                let start = thread_cpu();
                let mut sum = 0;
                for i in 0..$count {
                    to.send(i).await.expect("room");
                    sum += outbox.recv().await.expect("echoed");
                }
                let sample = sample(start, $count, sum, $count * ($count - 1) / 2);
                echo.await;
                sample
            })
        })
    };
}

fn channels(count: u64) -> Case {
    Case {
        name: "bounded channel round trip".into(),
        terms: format!(
            "{count} values to another task and back, through two channels of {ROOM} places; each runtime's own channel; thread CPU"
        ),
        ours: round_trips!(Underpin, count, underpin::rt::sync::channel, mut),
        peers: vec![
            round_trips!(Tokio, count, tokio::sync::mpsc::channel, mut),
            round_trips!(Smol, count, smol::channel::bounded,),
        ],
    }
}
