//! Work that blocks, on threads of its own: name lookups, files, whatever has no asynchronous form.
//!
//! # Bounds
//! At most [`BLOCKING_THREADS_MAX`] threads in a process, started as they are needed; one that finds no work for [`IDLE_TIME`] ends. More work
//! than threads waits in a queue, first come, first served. Work whose future is dropped before a thread takes it is never done, so the
//! queue holds no more than what somebody waits for and what a thread has not come to skip yet.
#![forbid(unsafe_code)]

use core::mem::ManuallyDrop;
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

/// Threads and what waits for them.
struct Lane {
    state: Mutex<State>,
    more: Condvar,
}

struct State {
    jobs: VecDeque<Arc<dyn Job>>,
    threads: usize,
    idle: usize,
}

static LANE: Lane = Lane::new();

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
        // Its drop may be anything, as the waker may.
        swallow(|| drop(unwanted));
        if let Some(waker) = waker {
            swallow(|| waker.wake());
        }
    }
}

/// Runs foreign code whose panic nobody is there to hear, and which must not cost a thread its place.
fn swallow(body: impl FnOnce()) {
    // The payload's drop could panic again.
    let _caught = ManuallyDrop::new(catch_unwind(AssertUnwindSafe(body)));
}

/// Runs `work` on a thread for such and gives what it returns. It starts at once, also if the future is not polled.
///
/// Dropping the future takes back work that has not begun; what has begun runs to its end, and its output is dropped there. A panic of
/// `work` goes on in whoever awaits the future.
///
/// Work must not wait for other blocking work (a runtime within it that looks up a name or opens a file does): once all threads do so,
/// none is left for what they wait for.
pub fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Blocking<T> {
    let work = Arc::new(Work {
        stage: Mutex::new((Stage::Waiting(Box::new(work)), None)),
    });
    LANE.submit(work.clone(), start_thread);
    Blocking(Some(work))
}

impl Lane {
    const fn new() -> Self {
        Self {
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                threads: 0,
                idle: 0,
            }),
            more: Condvar::new(),
        }
    }

    /// Queues a job, and sees to it that a thread comes for it. `start` starts one; false if it cannot.
    fn submit(&self, job: Arc<dyn Job>, start: impl FnOnce() -> bool) {
        let mut state = lock(&self.state);
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() {
            self.more.notify_one();
            return;
        }
        if state.threads == BLOCKING_THREADS_MAX {
            return;
        }
        state.threads += 1;
        drop(state);
        if start() {
            return;
        }
        let mut state = lock(&self.state);
        state.threads -= 1;
        // With no thread at all, slow is better than never. All of it: others who could not start one saw this one being started.
        while state.threads == 0
            && let Some(job) = state.jobs.pop_front()
        {
            drop(state);
            job.run();
            drop(job);
            state = lock(&self.state);
        }
    }

    /// A thread's life.
    fn serve(&self) {
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job.run();
                drop(job);
                state = lock(&self.state);
                continue;
            }
            state.idle += 1;
            let (woken, waited) = self
                .more
                .wait_timeout(state, IDLE_TIME)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

/// Starts a thread of the process's lane; false if that failed.
fn start_thread() -> bool {
    thread::Builder::new()
        .name("underpin-blocking".into())
        .spawn(|| LANE.serve())
        .is_ok()
}

/// Waits for blocking work; see [`blocking`].
#[must_use = "dropping it takes the work back"]
pub struct Blocking<T>(
    /// `None` once it is detached.
    Option<Arc<Work<T>>>,
);

impl<T> Future for Blocking<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &self.0 else {
            return Poll::Pending;
        };
        let mut stage = lock(&work.stage);
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

impl<T> Blocking<T> {
    /// Has the work done also if it has not begun; nobody hears how it ended.
    pub(super) fn detach(mut self) {
        self.0 = None;
    }
}

impl<T> Drop for Blocking<T> {
    fn drop(&mut self) {
        let Some(work) = &self.0 else { return };
        let mut stage = lock(&work.stage);
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
    fn work_is_done_also_if_two_at_once_can_start_no_thread() {
        let lane = Lane::new();
        let work = || {
            Arc::new(Work {
                stage: Mutex::new((Stage::Waiting(Box::new(|| ())), None)),
            })
        };
        let (first, second) = (work(), work());
        lane.submit(first.clone(), || {
            lane.submit(second.clone(), || false);
            false
        });
        for work in [first, second] {
            assert!(matches!(lock(&work.stage).0, Stage::Done(Ok(()))));
        }
        assert_eq!(lock(&lane.state).threads, 0);
    }

    #[test]
    fn a_waker_and_a_payload_that_panic_do_not_end_the_thread() {
        struct Panics;
        impl std::task::Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("in the waker, on purpose");
            }
        }
        impl Drop for Panics {
            fn drop(&mut self) {
                panic!("in a drop, on purpose");
            }
        }
        let waker = ManuallyDrop::new(Waker::from(Arc::new(Panics)));
        let stage = Stage::Waiting(Box::new(|| ()));
        let work = Work {
            stage: Mutex::new((stage, Some((*waker).clone()))),
        };
        work.run();
        let unwanted = Arc::new(Work::<Panics> {
            stage: Mutex::new((Stage::Waiting(Box::new(|| Panics)), None)),
        });
        let taken_back = unwanted.clone();
        *lock(&unwanted.stage) = (
            Stage::Waiting(Box::new(move || {
                drop(Blocking(Some(taken_back)));
                std::panic::panic_any(Panics)
            })),
            None,
        );
        unwanted.run();
    }

    #[test]
    fn work_of_a_dropped_future_that_has_not_begun_is_not_done() {
        let work = Arc::new(Work {
            stage: Mutex::new((
                Stage::Waiting(Box::new(|| panic!("it was taken back"))),
                None,
            )),
        });
        drop(Blocking::<()>(Some(work.clone())));
        work.run();
        assert!(matches!(lock(&work.stage).0, Stage::Over));
    }
}
