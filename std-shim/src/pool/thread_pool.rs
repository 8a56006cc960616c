//! Pools of one's own.
#![forbid(unsafe_code)]

use super::{Scope, ScopeFifo, Std, Worker, global};
use crate::sys::{CpuSet, ResultExt};
use std::io;
use underpin_core::pool::{Builder, Payload, Pool, Priority, Trace, WorkerMetrics};

/// A pool. Dropping it waits for its spawned jobs and ends its threads.
#[derive(Debug)]
pub struct ThreadPool(Pool<Std>);

impl ThreadPool {
    /// Runs `f` on a thread of the pool and waits; inside it, the functions of this module use this pool.
    pub fn install<F, R>(&self, f: F) -> R
    where
        F: FnOnce() -> R + Send,
        R: Send,
    {
        self.0.install(|_| f())
    }

    /// Runs `f` on this thread as a guest of the pool: nothing is handed over.
    #[inline]
    pub fn enter<F, R>(&self, f: F) -> R
    where
        F: for<'w> FnOnce(Worker<'w>) -> R + Send,
        R: Send,
    {
        self.0.enter(f)
    }

    /// See [`join`](super::join).
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        self.0.join(|_| a(), |_| b())
    }

    /// See [`scope`](super::scope).
    pub fn scope<'scope, F, R>(&self, body: F) -> R
    where
        F: FnOnce(&Scope<'scope>) -> R + Send,
        R: Send,
    {
        self.0.scope(body)
    }

    /// See [`scope_fifo`](super::scope_fifo).
    pub fn scope_fifo<'scope, F, R>(&self, body: F) -> R
    where
        F: FnOnce(&ScopeFifo<'_, 'scope>) -> R + Send,
        R: Send,
    {
        self.0.scope_fifo(body)
    }

    /// See [`spawn`](super::spawn).
    pub fn spawn<F: FnOnce() + Send + 'static>(&self, f: F) {
        self.0.spawn(|_| f());
    }

    /// As [`spawn`](Self::spawn), with a priority.
    pub fn spawn_with<F: FnOnce() + Send + 'static>(&self, priority: Priority, f: F) {
        self.0.spawn_with(priority, |_| f());
    }

    /// As [`spawn`](Self::spawn); jobs start in the order in which they were added.
    pub fn spawn_fifo<F: FnOnce() + Send + 'static>(&self, f: F) {
        self.0.spawn_fifo(|_| f());
    }

    /// Runs `f` once on each thread of the pool, with its index, and returns the results in that order.
    pub fn broadcast<F, R>(&self, f: F) -> Vec<R>
    where
        F: Fn(usize) -> R + Sync,
        R: Send,
    {
        self.0.broadcast(f)
    }

    /// Adds a job for each thread of the pool, which runs `f` there with the thread's index, once that thread waits
    /// for nothing; nobody waits for the jobs.
    pub fn spawn_broadcast<F>(&self, f: F)
    where
        F: Fn(usize) + Send + Sync + 'static,
    {
        self.0.spawn_broadcast(f);
    }

    /// Lends this thread to the pool until `until` says so, which is asked when there is nothing to do and after each
    /// [`nudge`](Self::nudge).
    ///
    /// # Errors
    /// If all places for threads from outside are taken (there are 16); then nothing was run.
    pub fn run_worker(&self, until: impl Fn() -> bool + Send) -> io::Result<()> {
        self.0.run_worker(until).into_io()
    }

    /// Makes sleeping workers look around once.
    pub fn nudge(&self) {
        self.0.nudge();
    }

    /// How many threads the pool has.
    pub fn current_num_threads(&self) -> usize {
        self.0.num_threads()
    }

    /// This thread's index, if it works in this pool.
    pub fn current_thread_index(&self) -> Option<usize> {
        self.0.current_thread_index()
    }

    /// Whether a job that this thread spawned itself waits for somebody to run it; `None` if this thread is no worker of this pool.
    pub fn current_thread_has_pending_tasks(&self) -> Option<bool> {
        self.0.current_thread_has_pending_tasks()
    }

    /// What each worker did so far.
    pub fn metrics(&self) -> Vec<WorkerMetrics> {
        self.0.metrics()
    }

    /// Runs `f`, which is about to block, while a spare thread works in this worker's place. `f` must not wait for the second half of a join
    /// that it was called from, which may be this thread's alone, unless the pool has no [lean joins](ThreadPoolBuilder::lean_joins).
    pub fn block_in_place<R>(&self, f: impl FnOnce() -> R) -> R {
        self.0.block_in_place(f)
    }
}

/// Sets up a [`ThreadPool`].
#[derive(Debug)]
#[must_use = "nothing is started before `build`"]
pub struct ThreadPoolBuilder(Builder<Std>);

impl Default for ThreadPoolBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ThreadPoolBuilder {
    /// A pool with a thread for each processor.
    pub fn new() -> Self {
        Self(Builder::new(Std))
    }

    /// How many threads; 0 for one per processor.
    pub fn num_threads(self, count: usize) -> Self {
        Self(self.0.num_threads(count))
    }

    /// No thread: whoever calls runs everything.
    pub fn without_threads(self) -> Self {
        Self(self.0.without_threads())
    }

    /// How many spare threads may run in the place of blocked ones; default 16.
    pub fn spares(self, count: usize) -> Self {
        Self(self.0.spares(count))
    }

    /// Names threads `prefix` and their index.
    pub fn thread_name(self, prefix: impl Into<String>) -> Self {
        Self(self.0.thread_name(prefix))
    }

    /// Stack of each thread in bytes; 0 for the system's default.
    pub fn stack_size(self, bytes: usize) -> Self {
        Self(self.0.stack_size(bytes))
    }

    /// Binds thread `i` to `cpus[i]`.
    pub fn pin(self, cpus: Vec<CpuSet>) -> Self {
        Self(self.0.pin(cpus))
    }

    /// How long a worker without work spins before it sleeps, in nanoseconds.
    pub fn spin_ns(self, ns: u64) -> Self {
        Self(self.0.spin_ns(ns))
    }

    /// Whether threads that steal or sleep fence all others, so that those that spawn need no fences; see
    /// [`Builder::asymmetric_fences`]. Default: where the system can.
    pub fn asymmetric_fences(self, yes: bool) -> Self {
        Self(self.0.asymmetric_fences(yes))
    }

    /// Whether joins deep in a tree may keep their second halves to themselves while no thread wants any; see
    /// [`Builder::lean_joins`]. Default: yes.
    pub fn lean_joins(self, yes: bool) -> Self {
        Self(self.0.lean_joins(yes))
    }

    /// Called on each thread when it starts.
    pub fn start_handler(self, handler: impl Fn(usize) + Send + Sync + 'static) -> Self {
        Self(self.0.start_handler(handler))
    }

    /// Called on each thread when it ends.
    pub fn exit_handler(self, handler: impl Fn(usize) + Send + Sync + 'static) -> Self {
        Self(self.0.exit_handler(handler))
    }

    /// Called with the payload of a detached job's panic; without one it is dropped.
    pub fn panic_handler(self, handler: impl Fn(Payload) + Send + Sync + 'static) -> Self {
        Self(self.0.panic_handler(handler))
    }

    /// Hears of events off the fast path.
    pub fn trace(self, hook: Trace) -> Self {
        Self(self.0.trace(hook))
    }

    /// Starts the pool.
    ///
    /// # Errors
    /// What starting a thread may say; those that had started have ended again.
    pub fn build(self) -> io::Result<ThreadPool> {
        self.0.build().map(ThreadPool).into_io()
    }

    /// Makes this the program's pool.
    ///
    /// # Errors
    /// As [`build`](Self::build); `AlreadyExists` if the program's pool has been used or set before.
    pub fn build_global(self) -> io::Result<()> {
        let pool = self.build()?;
        global::set_global(pool).map_err(|_| {
            io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the program's pool is in use already",
            )
        })
    }
}
