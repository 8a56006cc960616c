//! Functions on the pool that this thread works in, or else on the program's own.
#![forbid(unsafe_code)]

use super::{Scope, ScopeFifo, Std, ThreadPool, ThreadPoolBuilder, Worker};
use std::sync::OnceLock;
use underpin_core::pool::with_current;

static GLOBAL: OnceLock<ThreadPool> = OnceLock::new();

/// The program's pool: one thread per processor, started at the first use, or what
/// [`build_global`](ThreadPoolBuilder::build_global) made.
///
/// # Panics
/// If not one thread can be started at the first use.
pub fn global() -> &'static ThreadPool {
    GLOBAL.get_or_init(|| {
        ThreadPoolBuilder::new()
            .build()
            .or_else(|_| ThreadPoolBuilder::new().num_threads(1).build())
            .unwrap_or_else(|error| panic!("the pool cannot start a thread: {error}"))
    })
}

pub(super) fn set_global(pool: ThreadPool) -> Result<(), ThreadPool> {
    GLOBAL.set(pool)
}

/// Calls `f` as a worker: of the pool that this thread works in, else as a guest of the program's pool.
#[inline]
pub fn enter<F, R>(f: F) -> R
where
    F: for<'w> FnOnce(Worker<'w>) -> R + Send,
    R: Send,
{
    with_current(&Std, |worker| match worker {
        Some(worker) => f(worker),
        None => enter_global(f),
    })
}

// Out of line: what is inlined into each nested join is the other branch.
#[cold]
#[inline(never)]
fn enter_global<F, R>(f: F) -> R
where
    F: for<'w> FnOnce(Worker<'w>) -> R + Send,
    R: Send,
{
    global().enter(f)
}

/// Runs two closures, perhaps at the same time, and returns both results.
///
/// The first runs on this thread; the second on this thread after it, or on another meanwhile.
///
/// ```
/// let numbers = [1, 2, 3, 4];
/// let (left, right) = numbers.split_at(2);
/// let sums = underpin::pool::join(|| left.iter().sum::<i32>(), || right.iter().sum::<i32>());
/// assert_eq!(sums, (3, 7));
/// ```
///
/// # Panics
/// If a closure panics, after both have ended: with the payload of the first if both do.
#[inline]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    enter(|worker| worker.join(|_| a(), |_| b()))
}

/// As [`join`], with the worker handed to both closures, which saves nested joins the look-up.
#[inline]
pub fn join_with<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: for<'w> FnOnce(Worker<'w>) -> RA + Send,
    B: for<'w> FnOnce(Worker<'w>) -> RB + Send,
    RA: Send,
    RB: Send,
{
    enter(|worker| worker.join(a, b))
}

/// What [`join_context`] tells its closures.
#[derive(Clone, Copy, Debug)]
pub struct FnContext {
    migrated: bool,
}

impl FnContext {
    /// Whether this closure runs on another thread than the one that joins.
    #[must_use]
    pub fn migrated(&self) -> bool {
        self.migrated
    }
}

/// As [`join`]; each closure is told whether it runs on another thread than the caller.
///
/// # Panics
/// As [`join`] does.
pub fn join_context<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce(FnContext) -> RA + Send,
    B: FnOnce(FnContext) -> RB + Send,
    RA: Send,
    RB: Send,
{
    enter(|worker| {
        let home = worker.index();
        let told = move |worker: Worker<'_>| FnContext {
            migrated: worker.index() != home,
        };
        worker.join(|worker| a(told(worker)), |worker| b(told(worker)))
    })
}

/// Runs `body`, which may spawn jobs that borrow what outlives the scope, and waits for them.
///
/// ```
/// let mut numbers = [1, 2, 3];
/// underpin::pool::scope(|scope| {
///     for number in &mut numbers {
///         scope.spawn(move |_| *number *= 10);
///     }
/// });
/// assert_eq!(numbers, [10, 20, 30]);
/// ```
///
/// # Panics
/// With the first panic of the body or of a job, once all jobs have ended.
pub fn scope<'scope, F, R>(body: F) -> R
where
    F: FnOnce(&Scope<'scope>) -> R + Send,
    R: Send,
{
    enter(|worker| worker.scope(body))
}

/// As [`scope`]; jobs start in the order in which they were spawned.
pub fn scope_fifo<'scope, F, R>(body: F) -> R
where
    F: FnOnce(&ScopeFifo<'_, 'scope>) -> R + Send,
    R: Send,
{
    enter(|worker| worker.scope_fifo(body))
}

/// Adds a job that nobody waits for. Its panic goes to the pool's panic handler.
pub fn spawn<F>(f: F)
where
    F: FnOnce() + Send + 'static,
{
    with_current(&Std, |worker| match worker {
        Some(worker) => worker.spawn(|_| f()),
        None => global().spawn(f),
    });
}

/// As [`spawn`]; jobs start in the order in which they were added.
pub fn spawn_fifo<F>(f: F)
where
    F: FnOnce() + Send + 'static,
{
    with_current(&Std, |worker| match worker {
        Some(worker) => worker.spawn_fifo(|_| f()),
        None => global().spawn_fifo(f),
    });
}

/// Runs `f` once on each thread of the pool that this thread works in, else of the program's pool, with the thread's index, and returns
/// the results in that order.
///
/// # Panics
/// If `f` panics somewhere, once all have ended.
pub fn broadcast<F, R>(f: F) -> Vec<R>
where
    F: Fn(usize) -> R + Sync,
    R: Send,
{
    with_current(&Std, |worker| match worker {
        Some(worker) => worker.broadcast(f),
        None => global().broadcast(f),
    })
}

/// Adds a job for each thread of the pool that this thread works in, else of the program's pool, which runs `f` there with the thread's
/// index; nobody waits for them. A panic goes to the pool's panic handler.
pub fn spawn_broadcast<F>(f: F)
where
    F: Fn(usize) + Send + Sync + 'static,
{
    with_current(&Std, |worker| match worker {
        Some(worker) => worker.spawn_broadcast(f),
        None => global().spawn_broadcast(f),
    });
}

/// How many threads the pool has that this thread works in, else the program's pool.
pub fn current_num_threads() -> usize {
    with_current(&Std, |worker| match worker {
        Some(worker) => worker.num_threads(),
        None => global().current_num_threads(),
    })
}

/// This thread's index in the pool that it works in. Threads from outside that work in it as guests have indices past those of
/// its threads.
pub fn current_thread_index() -> Option<usize> {
    with_current(&Std, |worker| worker.map(Worker::index))
}

/// Whether a job that this thread spawned itself waits for somebody to run it; `None` if this thread is no worker.
pub fn current_thread_has_pending_tasks() -> Option<bool> {
    with_current(&Std, |worker| worker.map(Worker::has_pending_tasks))
}

/// Runs one waiting job of any kind, if this thread is a worker and there is one; says so.
pub fn yield_now() -> bool {
    with_current(&Std, |worker| worker.is_some_and(Worker::yield_now))
}

/// Runs the newest job that this worker itself spawned, if it is still there; says so.
pub fn yield_local() -> bool {
    with_current(&Std, |worker| worker.is_some_and(Worker::yield_local))
}

/// Runs `f`, which is about to block, while a spare thread works in this worker's place. `f` must not wait for the second half of a join
/// that it was called from: that half may be this thread's alone.
pub fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    with_current(&Std, |worker| match worker {
        Some(worker) => worker.block_in_place(f),
        None => f(),
    })
}
