//! What a pool does for its callers besides joins and scopes.
#![allow(unsafe_code, reason = "a broadcast lends its frame to all workers")]

use super::Pool;
use super::block::spawned;
use super::env::{Env, Payload};
use super::metrics::WorkerMetrics;
use super::registry::{GUESTS_MAX, Registry};
use super::scope::{Scope, ScopeFifo, drop_quietly};
use super::split::WORKERS_MAX;
use super::worker::{State, Worker};
use crate::error::{self, Error, Kind, Operation};
use crate::platform::{Mutex, Threads};
use crate::sync::atomic::{AtomicUsize, Ordering, fence};
use alloc::vec::Vec;
use core::cell::Cell;

/// In which order spawned jobs are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Priority {
    /// After those of high priority.
    #[default]
    Normal,
    /// As soon as a worker looks for work, before everything else.
    High,
}

/// How many threads a pool can have, its spare ones included.
#[must_use]
pub const fn max_num_threads() -> usize {
    WORKERS_MAX - GUESTS_MAX
}

impl<E: Env> Pool<E> {
    /// How many threads the pool has.
    pub fn num_threads(&self) -> usize {
        self.registry.settings().threads
    }

    /// Runs `f` on this thread as a worker of the pool: no hand-over, no wait. When all places for guests are taken (there are 16),
    /// a thread of the pool runs it.
    pub fn enter<F, R>(&self, f: F) -> R
    where
        F: FnOnce(Worker<'_, E>) -> R + Send,
        R: Send,
    {
        let mut f = f;
        loop {
            match self.registry.enter(f) {
                Ok(result) => return result,
                Err(back) if self.num_threads() > 0 => return self.registry.run_there(back),
                Err(back) => {
                    self.registry.env().platform().yield_now();
                    f = back;
                }
            }
        }
    }

    /// Runs `f` on a thread of the pool and waits for it; here, if this is one, or if the pool has none. A worker of another pool
    /// enters as a guest instead, so that pools which install into each other cannot wait in a circle.
    pub fn install<F, R>(&self, f: F) -> R
    where
        F: FnOnce(Worker<'_, E>) -> R + Send,
        R: Send,
    {
        if self.num_threads() == 0 || !self.registry.env().current().is_null() {
            return self.enter(f);
        }
        self.registry.run_there(f)
    }

    /// Runs two closures, perhaps at the same time; see [`Worker::join`].
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: for<'w> FnOnce(Worker<'w, E>) -> RA + Send,
        B: for<'w> FnOnce(Worker<'w, E>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        self.enter(|worker| worker.join(a, b))
    }

    /// Runs a scope; see [`Worker::scope`].
    pub fn scope<'scope, F, R>(&self, body: F) -> R
    where
        F: FnOnce(&Scope<'scope, E>) -> R + Send,
        R: Send,
    {
        self.enter(|worker| worker.scope(body))
    }

    /// Runs a scope whose jobs start first in, first out; see [`Worker::scope_fifo`].
    pub fn scope_fifo<'scope, F, R>(&self, body: F) -> R
    where
        F: FnOnce(&ScopeFifo<'_, 'scope, E>) -> R + Send,
        R: Send,
    {
        self.enter(|worker| worker.scope_fifo(body))
    }

    /// Adds a job that nobody waits for. Dropping the pool does.
    pub fn spawn<F>(&self, f: F)
    where
        F: FnOnce(Worker<'_, E>) + Send + 'static,
    {
        self.registry.spawn(false, f);
    }

    /// As [`spawn`](Self::spawn), with a priority.
    pub fn spawn_with<F>(&self, priority: Priority, f: F)
    where
        F: FnOnce(Worker<'_, E>) + Send + 'static,
    {
        self.registry.spawn(priority == Priority::High, f);
    }

    /// As [`spawn`](Self::spawn); jobs of all threads start in the order in which they were added.
    pub fn spawn_fifo<F>(&self, f: F)
    where
        F: FnOnce(Worker<'_, E>) + Send + 'static,
    {
        self.registry.spawn_fifo(f);
    }

    /// Runs `f` once on each thread of the pool, with the thread's index, and gives the results in that order.
    ///
    /// # Panics
    /// If `f` panics somewhere, once all have ended.
    pub fn broadcast<F, R>(&self, f: F) -> Vec<R>
    where
        F: Fn(usize) -> R + Sync,
        R: Send,
    {
        broadcast(&self.registry, f)
    }

    /// Adds a job for each thread of the pool, which runs `f` there with the thread's index, once that thread waits for nothing; nobody waits for
    /// the jobs. Dropping the pool does.
    pub fn spawn_broadcast<F>(&self, f: F)
    where
        F: Fn(usize) + Send + Sync + 'static,
    {
        self.registry.spawn_broadcast(f);
    }

    /// Lends this thread to the pool as one more worker, until `until` says so: it is asked whenever there is nothing to do, and after
    /// each [`nudge`](Self::nudge).
    ///
    /// # Errors
    /// `Limit`, and nothing was run, if all places for guests are taken (there are 16).
    ///
    /// # Panics
    /// If `until` does.
    pub fn run_worker(&self, until: impl Fn() -> bool + Send) -> error::Result<()> {
        let env = self.registry.env();
        let panic = Cell::new(None);
        // Another worker may wait for the job that lends this one.
        let nested = self.registry.here().is_some();
        let entered = self.registry.enter(|worker| {
            // It works for the pool, so it takes nobody's place.
            let displaced = worker.state.stand_aside();
            let until = || {
                env.catch(&until).unwrap_or_else(|payload| {
                    panic.set(Some(payload));
                    true
                })
            };
            if nested {
                worker.state.among_strangers(|| worker.state.work(until));
            } else {
                worker.state.work(until);
            }
            if displaced {
                worker.state.displace();
            }
        });
        let entered = entered.map_err(|_| Error::new(Operation::Spawn, Kind::Limit));
        if let Some(payload) = panic.into_inner() {
            env.resume(payload);
        }
        entered
    }

    /// Makes sleeping workers look around once.
    pub fn nudge(&self) {
        fence(Ordering::SeqCst);
        let registry = &*self.registry;
        for worker in &registry.workers[..registry.used()] {
            registry
                .sleep
                .wake(worker.index, &worker.parker.0, registry.env().platform());
        }
    }

    /// What each thread did so far; guests and spares come after the threads, as far as any was used.
    pub fn metrics(&self) -> Vec<WorkerMetrics> {
        self.registry.workers[..self.registry.used()]
            .iter()
            .map(|worker| worker.counters.0.read())
            .collect()
    }

    /// This thread's index, if it is a worker of this pool; guests have indices past the threads'.
    pub fn current_thread_index(&self) -> Option<usize> {
        self.registry.here().map(|worker| worker.state.index)
    }

    /// Whether a job that this thread spawned itself waits for somebody to run it; `None` if this thread is no worker of this pool.
    pub fn current_thread_has_pending_tasks(&self) -> Option<bool> {
        self.registry.here().map(Worker::has_pending_tasks)
    }

    /// Runs `f`, which is about to block, and has a spare thread work meanwhile in this worker's place. On a thread
    /// that is no worker, just runs it.
    ///
    /// What waits in this worker's queues is done by the spare thread; the second halves of joins around the call need not be, as
    /// a join deep in a tree that nobody asked for keeps its second half to itself. So `f` must not wait for one of those, unless the
    /// pool was built without [lean joins](super::Builder::lean_joins).
    pub fn block_in_place<R>(&self, f: impl FnOnce() -> R) -> R {
        match self.registry.here() {
            Some(worker) => self.registry.block(worker.state, f),
            None => f(),
        }
    }
}

/// See [`Pool::broadcast`].
fn broadcast<E, F, R>(registry: &Registry<E>, f: F) -> Vec<R>
where
    E: Env,
    F: Fn(usize) -> R + Sync,
    R: Send,
{
    let count = registry.settings().threads;
    let here = registry.here().map(|worker| worker.state.index);
    let platform = registry.env().platform().clone();
    let results: Mutex<Vec<Option<Result<R, Payload>>>, E::Platform> =
        Mutex::new((0..count).map(|_| None).collect(), platform);
    let own = here.filter(|&index| index < count);
    let open = AtomicUsize::new(count - usize::from(own.is_some()));
    let (f, results_ref, open_ref) = (&f, &results, &open);
    let job = |index: usize| {
        spawned(None, core::ptr::null(), move |state: &State<E>| {
            let result = state.env().catch(|| f(index));
            results_ref.lock()[index] = Some(result);
            open_ref.fetch_sub(1, Ordering::AcqRel);
        })
    };
    registry.mail(own, true, job);
    if let Some(index) = own {
        let result = registry.env().catch(|| f(index));
        results.lock()[index] = Some(result);
    }
    // A broadcast is rare: it waits by giving way, and a worker runs the broadcasts of others meanwhile.
    while open.load(Ordering::Acquire) != 0 {
        give_way(registry.env());
    }
    let mut values = Vec::with_capacity(count);
    let mut panic = None;
    for result in results.into_inner().into_iter().flatten() {
        match result {
            Ok(value) => values.push(value),
            Err(payload) if panic.is_none() => panic = Some(payload),
            Err(payload) => drop_quietly(registry.env(), payload),
        }
    }
    if let Some(payload) = panic {
        registry.env().resume(payload);
    }
    values
}

/// One turn of a rare wait: a worker, of whichever pool, runs the broadcasts that were sent to it meanwhile.
pub(super) fn give_way<E: Env>(env: &E) {
    if !with_current(env, |worker| worker.is_some_and(|w| w.state.run_mail())) {
        env.platform().yield_now();
    }
}

/// Calls `f` with the worker that the calling thread is, in whichever pool it works now.
#[inline(always)]
pub fn with_current<E: Env, R>(env: &E, f: impl FnOnce(Option<Worker<'_, E>>) -> R) -> R {
    let state = env.current().cast::<State<E>>();
    if state.is_null() {
        return f(None);
    }
    // SAFETY: the pointer was set by this thread to a worker that it holds (W1), and holds at least until f returns.
    f(Some(unsafe { &*state }.handle()))
}

impl<E: Env> Worker<'_, E> {
    /// Runs `f`, which is about to block; see [`Pool::block_in_place`].
    pub fn block_in_place<R>(self, f: impl FnOnce() -> R) -> R {
        self.state.registry().block(self.state, f)
    }

    /// This worker's index; guests have indices past the threads'.
    #[must_use]
    pub fn index(self) -> usize {
        self.state.index
    }

    /// How many threads the pool has.
    #[must_use]
    pub fn num_threads(self) -> usize {
        self.state.registry().settings().threads
    }

    /// Whether a job that this worker spawned itself waits for somebody to run it.
    #[must_use]
    pub fn has_pending_tasks(self) -> bool {
        !self.state.deque.is_empty()
    }

    /// Whether other workers look for work or sleep for want of it.
    #[must_use]
    pub fn is_wanted(self) -> bool {
        self.state.stack.is_asked()
    }

    /// Runs one job of any kind, if there is one; says whether there was. The caller holds no lock that any job may want.
    #[expect(
        clippy::must_use_candidate,
        reason = "called for what it runs, more than for what it says"
    )]
    pub fn yield_now(self) -> bool {
        self.state.run_any()
    }

    /// Runs the newest job that this worker itself spawned, if it is still there.
    #[expect(
        clippy::must_use_candidate,
        reason = "called for what it runs, more than for what it says"
    )]
    pub fn yield_local(self) -> bool {
        let Some(job) = self.state.pop() else {
            return false;
        };
        self.state.run_stranger(super::worker::Task::Spawned(job));
        true
    }

    /// Adds a job that nobody waits for; see [`Pool::spawn`].
    pub fn spawn<F>(self, f: F)
    where
        F: FnOnce(Worker<'_, E>) + Send + 'static,
    {
        self.state.registry().spawn(false, f);
    }

    /// As [`spawn`](Self::spawn); jobs start in the order in which they were added. See [`Pool::spawn_fifo`].
    pub fn spawn_fifo<F>(self, f: F)
    where
        F: FnOnce(Worker<'_, E>) + Send + 'static,
    {
        self.state.registry().spawn_fifo(f);
    }

    /// Adds a job for each thread of the pool; see [`Pool::spawn_broadcast`].
    pub fn spawn_broadcast<F>(self, f: F)
    where
        F: Fn(usize) + Send + Sync + 'static,
    {
        self.state.registry().spawn_broadcast(f);
    }

    /// Runs `f` once on each thread of the pool; see [`Pool::broadcast`].
    ///
    /// # Panics
    /// If `f` panics somewhere, once all have ended.
    pub fn broadcast<F, R>(self, f: F) -> Vec<R>
    where
        F: Fn(usize) -> R + Sync,
        R: Send,
    {
        broadcast(self.state.registry(), f)
    }
}
