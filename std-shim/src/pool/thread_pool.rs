//! Pools of one's own.
#![forbid(unsafe_code)]

use super::start::{OwnThreads, SpawnHandler, Start, ThreadBuilder};
use super::{Scope, ScopeFifo, Std, Worker, global};
use crate::sys::{CpuSet, ResultExt};
use std::{io, thread};
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

    /// As [`scope`](Self::scope): the body of every scope runs on the calling thread.
    pub fn in_place_scope<'scope, F, R>(&self, body: F) -> R
    where
        F: FnOnce(&Scope<'scope>) -> R + Send,
        R: Send,
    {
        self.scope(body)
    }

    /// As [`scope_fifo`](Self::scope_fifo): the body of every scope runs on the calling thread.
    pub fn in_place_scope_fifo<'scope, F, R>(&self, body: F) -> R
    where
        F: FnOnce(&ScopeFifo<'_, 'scope>) -> R + Send,
        R: Send,
    {
        self.scope_fifo(body)
    }

    /// See [`yield_now`](super::yield_now); `None` if this thread is no worker of this pool.
    pub fn yield_now(&self) -> Option<bool> {
        self.here(|worker| worker.yield_now())
    }

    /// See [`yield_local`](super::yield_local); `None` if this thread is no worker of this pool.
    pub fn yield_local(&self) -> Option<bool> {
        self.here(|worker| worker.yield_local())
    }

    fn here<R: Send>(&self, f: impl FnOnce(Worker<'_>) -> R + Send) -> Option<R> {
        // It is a worker, so this hands nothing over and takes no place.
        self.current_thread_index().map(|_| self.0.enter(f))
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
///
/// `S` is how threads are started: by the pool itself, or by [`spawn_handler`](Self::spawn_handler).
#[derive(Debug)]
#[must_use = "nothing is started before `build`"]
pub struct ThreadPoolBuilder<S = OwnThreads>(Builder<Std>, S);

impl Default for ThreadPoolBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ThreadPoolBuilder {
    /// A pool with a thread for each processor.
    pub fn new() -> Self {
        Self(Builder::new(Std), OwnThreads)
    }

    /// Has `spawn` start the pool's threads: [`build`](Self::build) calls it once for each, and the thread that it starts is to call
    /// [`run`](ThreadBuilder::run). Such a pool has no [spares](Self::spares) and [pins](Self::pin) none. Dropping it waits until `run` has returned
    /// on each thread: a [`ThreadBuilder`] that is neither run nor dropped is waited for without end. Where `spawn` fails that is not so:
    /// threads that come to `run` after that return from it at once.
    pub fn spawn_handler<F>(self, spawn: F) -> ThreadPoolBuilder<SpawnHandler<F>>
    where
        F: FnMut(ThreadBuilder) -> io::Result<()>,
    {
        ThreadPoolBuilder(self.0, SpawnHandler(spawn))
    }

    /// Makes a pool whose threads may borrow: each calls `wrapper`, which is to call [`run`](ThreadBuilder::run) in the middle of what it
    /// does; and calls `with_pool` with the pool, which ends after that.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    ///
    /// # Panics
    /// If `with_pool` or `wrapper` does, once all threads have ended.
    pub fn build_scoped<W, F, R>(self, wrapper: W, with_pool: F) -> io::Result<R>
    where
        W: Fn(ThreadBuilder) + Sync,
        F: FnOnce(&ThreadPool) -> R,
    {
        thread::scope(|scope| {
            let wrapper = &wrapper;
            let pool = self.spawn_handler(|start| {
                let thread = start.to_std();
                thread.spawn_scoped(scope, move || wrapper(start))?;
                Ok(())
            });
            Ok(with_pool(&pool.build()?))
        })
    }
}

impl<S> ThreadPoolBuilder<S> {
    fn with(self, set: impl FnOnce(Builder<Std>) -> Builder<Std>) -> Self {
        Self(set(self.0), self.1)
    }

    /// How many threads; 0 for one per processor.
    pub fn num_threads(self, count: usize) -> Self {
        self.with(|builder| builder.num_threads(count))
    }

    /// No thread: whoever calls runs everything.
    pub fn without_threads(self) -> Self {
        self.with(|builder| builder.without_threads())
    }

    /// How many spare threads may run in the place of blocked ones; default 16.
    pub fn spares(self, count: usize) -> Self {
        self.with(|builder| builder.spares(count))
    }

    /// Names each thread, spare ones included, by its index.
    pub fn thread_name(self, name: impl Fn(usize) -> String + Send + Sync + 'static) -> Self {
        self.with(|builder| builder.thread_name(name))
    }

    /// Names threads `prefix` and their index.
    pub fn thread_name_prefix(self, prefix: impl Into<String>) -> Self {
        self.with(|builder| builder.thread_name_prefix(prefix))
    }

    /// Makes the thread that calls [`build`](Self::build) the pool's first one; see [`Builder::use_current_thread`].
    pub fn use_current_thread(self) -> Self {
        self.with(|builder| builder.use_current_thread())
    }

    /// Stack of each thread in bytes; 0 for the system's default.
    pub fn stack_size(self, bytes: usize) -> Self {
        self.with(|builder| builder.stack_size(bytes))
    }

    /// Binds thread `i` to `cpus[i]`.
    pub fn pin(self, cpus: Vec<CpuSet>) -> Self {
        self.with(|builder| builder.pin(cpus))
    }

    /// How long a worker without work spins before it sleeps, in nanoseconds.
    pub fn spin_ns(self, ns: u64) -> Self {
        self.with(|builder| builder.spin_ns(ns))
    }

    /// Whether threads that steal or sleep fence all others, so that those that spawn need no fences; see
    /// [`Builder::asymmetric_fences`]. Default: where the system can.
    pub fn asymmetric_fences(self, yes: bool) -> Self {
        self.with(|builder| builder.asymmetric_fences(yes))
    }

    /// Whether joins deep in a tree may keep their second halves to themselves while no thread wants any; see
    /// [`Builder::lean_joins`]. Default: yes.
    pub fn lean_joins(self, yes: bool) -> Self {
        self.with(|builder| builder.lean_joins(yes))
    }

    /// Called on each thread when it starts.
    pub fn start_handler(self, handler: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.with(|builder| builder.start_handler(handler))
    }

    /// Called on each thread when it ends.
    pub fn exit_handler(self, handler: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.with(|builder| builder.exit_handler(handler))
    }

    /// Called with the payload of a detached job's panic; without one it is dropped.
    pub fn panic_handler(self, handler: impl Fn(Payload) + Send + Sync + 'static) -> Self {
        self.with(|builder| builder.panic_handler(handler))
    }

    /// Hears of events off the fast path.
    pub fn trace(self, hook: Trace) -> Self {
        self.with(|builder| builder.trace(hook))
    }
}

#[expect(private_bounds, reason = "there are these two ways to start threads")]
impl<S: Start> ThreadPoolBuilder<S> {
    /// Starts the pool.
    ///
    /// # Errors
    /// What starting a thread may say; those that had started have ended again. With [`use_current_thread`](Self::use_current_thread),
    /// `AlreadyExists` if this thread works in a pool, and `InvalidInput` for a pool [without threads](Self::without_threads).
    pub fn build(self) -> io::Result<ThreadPool> {
        self.1.start(self.0).map(ThreadPool)
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
