//! Work that blocks, on threads of its own: name lookups, files, whatever has no asynchronous form.
//!
//! # Bounds
//! At most [`BLOCKING_THREADS_MAX`] threads in a process, started as they are needed; one that finds no work for [`IDLE_TIME`] ends. More work
//! than threads waits in a queue, first come, first served. Work whose future is dropped before a thread takes it is never done, so the
//! queue holds no more than what somebody waits for and what a thread has not come to skip yet.
#![forbid(unsafe_code)]

use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::VecDeque;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Threads for blocking work in one process.
pub const BLOCKING_THREADS_MAX: usize = 32;

/// How long a thread waits for more work.
const IDLE_TIME: Duration = Duration::from_secs(10);

struct Lane {
    jobs: VecDeque<Arc<dyn Job>>,
    threads: usize,
    idle: usize,
}

static LANE: Mutex<Lane> = Mutex::new(Lane {
    jobs: VecDeque::new(),
    threads: 0,
    idle: 0,
});
static MORE: Condvar = Condvar::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

trait Job: Send + Sync {
    fn run(&self);
}

enum Stage<T> {
    Waiting(Box<dyn FnOnce() -> T + Send>),
    Running,
    Done(thread::Result<T>),
    /// The output was taken, or nobody wants it.
    Over,
}

struct Work<T> {
    stage: Mutex<(Stage<T>, Option<Waker>)>,
}

impl<T: Send> Job for Work<T> {
    fn run(&self) {
        let work = {
            let mut stage = lock(&self.stage);
            match core::mem::replace(&mut stage.0, Stage::Running) {
                Stage::Waiting(work) => work,
                other => {
                    stage.0 = other;
                    return;
                }
            }
        };
        let output = catch_unwind(AssertUnwindSafe(work));
        let (unwanted, waker) = {
            let mut stage = lock(&self.stage);
            let unwanted = match stage.0 {
                Stage::Over => Some(output),
                _ => {
                    stage.0 = Stage::Done(output);
                    None
                }
            };
            (unwanted, stage.1.take())
        };
        // Its drop may be anything.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(unwanted)));
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Runs `work` on a thread for such and gives what it returns. It starts at once, also if the future is not polled.
///
/// Dropping the future takes back work that has not begun; what has begun runs to its end, and its output is dropped there. A panic of
/// `work` goes on in whoever awaits the future.
pub fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Blocking<T> {
    let work = Arc::new(Work {
        stage: Mutex::new((Stage::Waiting(Box::new(work)), None)),
    });
    submit(work.clone());
    Blocking(work)
}

fn submit(job: Arc<dyn Job>) {
    let mut lane = lock(&LANE);
    lane.jobs.push_back(job);
    if lane.idle >= lane.jobs.len() {
        MORE.notify_one();
        return;
    }
    if lane.threads == BLOCKING_THREADS_MAX {
        return;
    }
    lane.threads += 1;
    drop(lane);
    let started = thread::Builder::new()
        .name("underpin-blocking".into())
        .spawn(serve);
    if started.is_err() {
        let mut lane = lock(&LANE);
        lane.threads -= 1;
        // With no thread at all, slow is better than never.
        let job = (lane.threads == 0).then(|| lane.jobs.pop_front()).flatten();
        drop(lane);
        if let Some(job) = job {
            job.run();
        }
    }
}

fn serve() {
    let mut lane = lock(&LANE);
    loop {
        if let Some(job) = lane.jobs.pop_front() {
            drop(lane);
            job.run();
            drop(job);
            lane = lock(&LANE);
            continue;
        }
        lane.idle += 1;
        let (woken, waited) = MORE
            .wait_timeout(lane, IDLE_TIME)
            .unwrap_or_else(PoisonError::into_inner);
        lane = woken;
        lane.idle -= 1;
        if waited.timed_out() && lane.jobs.is_empty() {
            lane.threads -= 1;
            return;
        }
    }
}

/// Waits for blocking work; see [`blocking`].
#[must_use = "dropping it takes the work back"]
pub struct Blocking<T>(Arc<Work<T>>);

impl<T> Future for Blocking<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut stage = lock(&self.0.stage);
        if !matches!(stage.0, Stage::Done(_)) {
            let old = stage.1.replace(cx.waker().clone());
            drop(stage);
            drop(old);
            return Poll::Pending;
        }
        let done = core::mem::replace(&mut stage.0, Stage::Over);
        drop(stage);
        match done {
            Stage::Done(Ok(output)) => Poll::Ready(output),
            Stage::Done(Err(panic)) => resume_unwind(panic),
            _ => Poll::Pending,
        }
    }
}

impl<T> Drop for Blocking<T> {
    fn drop(&mut self) {
        let mut stage = lock(&self.0.stage);
        let old = core::mem::replace(&mut stage.0, Stage::Over);
        let waker = stage.1.take();
        drop(stage);
        drop((old, waker));
    }
}

impl<T> core::fmt::Debug for Blocking<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Blocking").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt;
    use std::sync::mpsc::channel;

    #[test]
    fn many_at_once_all_end_and_others_run_meanwhile() {
        rt::block_on(async {
            let (release, gate) = channel::<()>();
            let held = blocking(move || gate.recv());
            let sums: Vec<_> = (0..200).map(|i| blocking(move || i)).collect();
            let mut sum = 0;
            for one in sums {
                sum += one.await;
            }
            assert_eq!(sum, 199 * 200 / 2);
            release.send(()).expect("it waits");
            held.await.expect("released");
        })
        .expect("a runtime");
    }

    #[test]
    fn a_panic_goes_on_in_whoever_waits_and_the_threads_stay() {
        rt::block_on(async {
            let task = rt::spawn(async { blocking(|| panic!("on purpose")).await });
            assert!(task.await.is_err_and(|error| error.is_panic()));
            assert_eq!(blocking(|| 7).await, 7);
        })
        .expect("a runtime");
    }

    #[test]
    fn work_of_a_dropped_future_that_has_not_begun_is_not_done() {
        let work = Arc::new(Work {
            stage: Mutex::new((
                Stage::Waiting(Box::new(|| panic!("it was taken back"))),
                None,
            )),
        });
        drop(Blocking::<()>(work.clone()));
        work.run();
        assert!(matches!(lock(&work.stage).0, Stage::Over));
    }
}
