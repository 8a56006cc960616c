//! A million timers: armed, given up, fired.

use super::subject::{Compio, Monoio, Runtime, Smol, Tokio, Underpin, subject};
use super::{process_cpu, thread_cpu};
use crate::case::{Case, Sample, Settings, Subject};
use crate::random::mix;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Wake;
use std::time::Duration;

/// What a round measures.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Arm,
    GiveUp,
    Fire,
}

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let count = settings.operations(1_000_000, 200_000);
    let far = "deadlines at random within an hour, timers made before and polled once in the measured time";
    vec![
        case(
            "timers: arm",
            format!("{count} timers, {far}; thread CPU"),
            count,
            Step::Arm,
        ),
        case(
            "timers: give up",
            format!(
                "{count} timers that wait are dropped in the order of their making, with their memory; thread CPU"
            ),
            count,
            Step::GiveUp,
        ),
        case(
            "timers: fire",
            format!(
                "{count} timers whose deadlines lie within a quarter of a second come due, each with a waker that counts; CPU of all threads from the last arming on"
            ),
            count,
            Step::Fire,
        ),
    ]
}

fn case(name: &str, terms: String, count: u64, step: Step) -> Case {
    Case {
        name: name.to_owned(),
        terms,
        ours: of::<Underpin>(count, step),
        peers: vec![
            of::<Tokio>(count, step),
            of::<Smol>(count, step),
            of::<Monoio>(count, step),
            of::<Compio>(count, step),
        ],
    }
}

fn of<R: Runtime>(count: u64, step: Step) -> Subject {
    subject::<R>(move || R::block_on(round::<R>(count, step)))
}

/// Counts its wakes.
struct Counter(AtomicU64);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

async fn round<R: Runtime>(count: u64, step: Step) -> Result<Sample, String> {
    let longest = match step {
        Step::Fire => Duration::from_millis(250),
        Step::Arm | Step::GiveUp => Duration::from_secs(3600),
    };
    // Far enough away that arming all is over before the first comes due.
    let least = Duration::from_millis(200) + Duration::from_micros(count);
    let mut timers: Vec<Pin<Box<_>>> = (0..count)
        .map(|index| {
            let more = mix(index) % longest.as_nanos() as u64;
            Box::pin(R::sleep(least + Duration::from_nanos(more)))
        })
        .collect();
    let counter = Arc::new(Counter(AtomicU64::new(0)));
    let waker = match step {
        Step::Fire => Waker::from(counter.clone()),
        // So that the timers are measured, and not the counting of references.
        Step::Arm | Step::GiveUp => Waker::noop().clone(),
    };
    let mut cx = Context::from_waker(&waker);
    let start = thread_cpu();
    for timer in &mut timers {
        if timer.as_mut().poll(&mut cx) != Poll::Pending {
            return Err("a timer was due while it was armed".into());
        }
    }
    let (armed, process) = (thread_cpu(), process_cpu());
    let elapsed = match step {
        Step::Arm => armed - start,
        Step::GiveUp => {
            drop(timers);
            thread_cpu() - armed
        }
        Step::Fire => {
            while counter.0.load(Ordering::Relaxed) < count {
                R::sleep(Duration::from_millis(10)).await;
            }
            process_cpu() - process
        }
    };
    Ok(Sample {
        operations: count,
        elapsed,
    })
}
