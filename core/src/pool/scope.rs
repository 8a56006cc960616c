//! Scopes: any number of jobs that may borrow from outside, all done when the scope returns.
//!
//! The count of open jobs has two parts. The scope's home worker counts what it spawns and runs itself in a plain cell; all
//! others use an atomic word. Only when the home worker is about to sleep does it fold its part into the word.
//!
//! # Invariants
//! - C1: cell + word = jobs spawned and not done. The sum is zero only if no job is running, and then nobody can spawn.
//! - C2: a job's last access to the scope is its subtraction; a wake after it uses the pool's parker.
//! - C3: the cell is touched on the home worker's thread alone, and not after the fold.
//!
//! # Failure
//! A panic in the body or in a job is kept, the first one; the scope waits for all jobs in every case, then goes on with it.
#![allow(unsafe_code, reason = "jobs borrow from a frame that waits for them")]

use super::block::spawned;
use super::env::{Env, Payload};
use super::job::JobRef;
use super::registry::Registry;
use super::worker::{Spin, State, Task, Worker};
use crate::deque::Injector;
use crate::platform::{Clock, ClockId};
use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering, fence};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::null_mut;

/// Bit of the word: the home worker sleeps. The count is above it.
const ASLEEP: usize = 1;
const ONE: usize = 2;

/// Where jobs are spawned that end before the scope does.
pub struct Scope<'scope, E: Env> {
    /// The home worker.
    home: *const State<E>,
    own: Cell<usize>,
    folded: Cell<bool>,
    word: AtomicUsize,
    panic: AtomicPtr<Payload>,
    /// Invariant in `'scope`.
    marker: PhantomData<Cell<&'scope mut &'scope ()>>,
}

// SAFETY: C3 for the cells; the home worker outlives its scopes and is shared.
unsafe impl<E: Env> Sync for Scope<'_, E> {}

impl<E: Env> fmt::Debug for Scope<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("home", &self.home().index)
            .finish_non_exhaustive()
    }
}

/// The worker that waits for the scope which `tag` is the address of; none for null.
///
/// # Safety
/// `tag` is null, or that of a job that is not done.
pub(super) unsafe fn home_of<E: Env>(tag: *const ()) -> Option<usize> {
    // SAFETY: the scope waits for the job.
    (!tag.is_null()).then(|| unsafe { (*tag.cast::<Scope<'_, E>>()).home().index })
}

/// A pointer that may go to another thread.
struct Shared<T>(*const T);
// SAFETY: what it points to is a scope, which is `Sync` and waits for whoever has this.
unsafe impl<T> Send for Shared<T> {}

impl<T> Shared<T> {
    /// # Safety
    /// The scope has not ended.
    unsafe fn get<'a>(&self) -> &'a T {
        // SAFETY: the caller's promise.
        unsafe { &*self.0 }
    }
}

impl<'scope, E: Env> Scope<'scope, E> {
    #[inline(always)]
    fn home(&self) -> &State<E> {
        // SAFETY: the pool's workers outlive its scopes.
        unsafe { &*self.home }
    }

    fn registry(&self) -> &Registry<E> {
        self.home().registry()
    }

    /// Spawns a job. It may borrow what outlives the scope, and spawn more.
    #[inline]
    pub fn spawn<F>(&self, f: F)
    where
        F: FnOnce(&Scope<'scope, E>) + Send + 'scope,
    {
        let scope = Shared(&raw const *self);
        let run = move |state: &State<E>| {
            // SAFETY: this job is counted, so the scope waits.
            let scope = unsafe { scope.get() };
            if let Err(payload) = state.env().catch(|| f(scope)) {
                scope.keep_panic(payload, state.env());
            }
            scope.done(state);
        };
        let home = self.home();
        if !self.is_at_home() {
            return self.spawn_from_afar(run);
        }
        self.own.set(self.own.get().wrapping_add(1));
        let tag: *const () = (&raw const *self).cast();
        let job = home.with_blocks(|blocks| spawned(Some(blocks), tag, run));
        home.push(job);
    }

    /// Whether the calling thread is the home worker at work in this pool, and the cell counts still (C3).
    #[inline(always)]
    fn is_at_home(&self) -> bool {
        let home = self.home();
        core::ptr::eq(home.env().current(), self.home.cast()) && !self.folded.get()
    }

    /// As [`spawn`](Self::spawn), from another worker, from the home worker while it is a guest elsewhere, or from a thread that is no
    /// worker, to which the scope was lent.
    #[cold]
    #[inline(never)]
    fn spawn_from_afar(&self, run: impl FnOnce(&State<E>)) {
        let registry = self.registry();
        let tag: *const () = (&raw const *self).cast();
        self.word.fetch_add(ONE, Ordering::Relaxed);
        if let Some(worker) = registry.here() {
            let state = worker.state;
            let job = state.with_blocks(|blocks| spawned(Some(blocks), tag, run));
            state.push(job);
        } else {
            registry.injector.push(spawned(None, tag, run));
            registry.published();
        }
        self.wake_home(registry);
    }

    /// Spawns a job for each thread of the pool, which runs `f` there with the thread's index.
    pub fn spawn_broadcast<F>(&self, f: F)
    where
        F: Fn(&Scope<'scope, E>, usize) + Send + Sync + 'scope,
    {
        let registry = self.registry();
        let f = Arc::new(f);
        self.word
            .fetch_add(ONE * registry.settings().threads, Ordering::Relaxed);
        registry.mail(None, false, |index| {
            let (scope, f) = (Shared(&raw const *self), f.clone());
            let run = move |state: &State<E>| {
                // SAFETY: this job is counted, so the scope waits.
                let scope = unsafe { scope.get() };
                // The closure goes before the job counts as done: what it borrows may end with the scope.
                if let Err(payload) = state.env().catch(move || f(scope, index)) {
                    scope.keep_panic(payload, state.env());
                }
                scope.done(state);
            };
            spawned(None, (&raw const *self).cast(), run)
        });
        self.wake_home(registry);
    }

    /// After a publication: the home worker said that it sleeps before it looked for the last time, so either that
    /// look found the job or this finds the bit.
    fn wake_home(&self, registry: &Registry<E>) {
        fence(Ordering::SeqCst);
        if self.word.load(Ordering::SeqCst) & ASLEEP != 0 {
            self.home().parker.0.unpark(registry.env().platform());
        }
    }

    fn keep_panic(&self, payload: Payload, env: &E) {
        let kept = Box::into_raw(Box::new(payload));
        let first =
            self.panic
                .compare_exchange(null_mut(), kept, Ordering::AcqRel, Ordering::Relaxed);
        if first.is_err() {
            // SAFETY: it was not stored, so it is still ours.
            let payload = unsafe { Box::from_raw(kept) };
            drop_quietly(env, *payload);
        }
    }

    /// A job ended, on `state` (C2).
    #[inline]
    fn done(&self, state: &State<E>) {
        let home = self.home;
        if core::ptr::eq(state, home) && !self.folded.get() {
            self.own.set(self.own.get().wrapping_sub(1));
            return;
        }
        state.env().preempt();
        if self.word.fetch_sub(ONE, Ordering::AcqRel) == ONE | ASLEEP {
            // SAFETY: the worker outlives the scope, which may be gone.
            unsafe { &*home }.parker.0.unpark(state.platform());
        }
    }

    /// Whether no job is open (C1).
    fn is_done(&self) -> bool {
        (self.word.load(Ordering::Acquire) >> 1).wrapping_add(self.own.get()) << 1 == 0
    }

    /// Home: waits for all jobs, running them (W2).
    fn wait(&self, state: &State<E>) {
        let registry = state.registry();
        let tag: *const () = (&raw const *self).cast();
        let now = || state.platform().now(ClockId::Monotonic).as_ns().max(1);
        let mut spin = Spin::new(registry.spin_ns());
        loop {
            if state.run_own_of(tag) {
                spin = Spin::new(registry.spin_ns());
            }
            if self.is_done() {
                return;
            }
            if let Some(job) = state.find_of_scope(tag, false) {
                state.run(Task::Spawned(job));
                spin = Spin::new(registry.spin_ns());
                continue;
            }
            if state.run_mail() || spin.turn(state.env(), now) {
                continue;
            }
            if !self.folded.replace(true) {
                let own = self.own.replace(0);
                self.word.fetch_add(own.wrapping_mul(ONE), Ordering::AcqRel);
            }
            state.parker.0.prepare();
            let before = self.word.fetch_or(ASLEEP, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            let job = state.find_of_scope(tag, true);
            if before >> 1 == 0 || job.is_some() || state.has_mail() {
                state.parker.0.cancel();
            } else {
                state.park();
            }
            self.word.fetch_and(!ASLEEP, Ordering::AcqRel);
            if let Some(job) = job {
                state.run(Task::Spawned(job));
            }
        }
    }
}

/// The drop of a payload, or of another value of the program's, may panic; that panic's payload is leaked rather than dropped.
pub(super) fn drop_quietly<E: Env, T>(env: &E, value: T) {
    if let Err(second) = env.catch(|| drop(value)) {
        core::mem::forget(second);
    }
}

impl<E: Env> Worker<'_, E> {
    /// Runs `body`, which may spawn jobs on the scope that it is given, and waits for them.
    ///
    /// # Panics
    /// With the first panic of the body or of a job, once all jobs have ended.
    pub fn scope<'scope, F, R>(self, body: F) -> R
    where
        F: FnOnce(&Scope<'scope, E>) -> R,
    {
        let state = self.state;
        let scope = Scope {
            home: state,
            own: Cell::new(0),
            folded: Cell::new(false),
            word: AtomicUsize::new(0),
            panic: AtomicPtr::new(null_mut()),
            marker: PhantomData,
        };
        let result = state.env().catch(|| body(&scope));
        scope.wait(state);
        let panic = scope.panic.load(Ordering::Acquire);
        // SAFETY: keep_panic made it from a box, and nobody else takes it: all jobs have ended.
        let panic = (!panic.is_null()).then(|| *unsafe { Box::from_raw(panic) });
        match (result, panic) {
            (Ok(result), None) => result,
            (Ok(result), Some(payload)) => {
                drop(result);
                state.env().resume(payload)
            }
            (Err(payload), kept) => {
                if let Some(kept) = kept {
                    drop_quietly(state.env(), kept);
                }
                state.env().resume(payload)
            }
        }
    }

    /// As [`scope`](Self::scope); jobs start in the order in which they were spawned.
    pub fn scope_fifo<'scope, F, R>(self, body: F) -> R
    where
        F: FnOnce(&ScopeFifo<'_, 'scope, E>) -> R,
    {
        let queue = Injector::new(self.state.platform().clone());
        self.scope(|scope| {
            body(&ScopeFifo {
                scope,
                queue: &raw const queue,
            })
        })
    }
}

/// A scope whose jobs start first in, first out.
pub struct ScopeFifo<'a, 'scope, E: Env> {
    scope: &'a Scope<'scope, E>,
    queue: *const Injector<JobRef<E>, E::Platform>,
}

// SAFETY: the queue is shared, and outlives the scope's jobs.
unsafe impl<E: Env> Sync for ScopeFifo<'_, '_, E> {}

impl<E: Env> fmt::Debug for ScopeFifo<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScopeFifo")
    }
}

impl<'scope, E: Env> ScopeFifo<'_, 'scope, E> {
    /// Spawns a job, to start after all that were spawned before it.
    pub fn spawn_fifo<F>(&self, f: F)
    where
        F: FnOnce(&ScopeFifo<'_, 'scope, E>) + Send + 'scope,
    {
        let queue = Shared(self.queue);
        let parent = Shared(&raw const *self.scope);
        let run = {
            let queue = Shared(self.queue);
            move |state: &State<E>| {
                // SAFETY: this runs inside a job of the scope, which waits for it, and the queue outlives the scope.
                let (scope, queue) = unsafe { (parent.get(), queue.get()) };
                let fifo = ScopeFifo {
                    scope,
                    queue: &raw const *queue,
                };
                if let Err(payload) = state.env().catch(|| f(&fifo)) {
                    scope.keep_panic(payload, state.env());
                }
            }
        };
        // SAFETY: the queue outlives the scope.
        unsafe { queue.get() }.push(spawned(None, core::ptr::null(), run));
        // One ticket for each job: whoever draws it runs the oldest.
        self.scope.spawn(move |scope| {
            // SAFETY: as above.
            let queue = unsafe { queue.get() };
            if let (Some(job), Some(worker)) = (queue.pop(), scope.registry().here()) {
                // SAFETY: it is out of its queue (J4).
                unsafe { job.run(worker.state) };
            }
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::platform::sim::{Sim, SimOptions};
    use crate::pool::{Bare, Builder};

    #[test]
    fn more_open_jobs_than_a_32_bit_count_are_not_none() {
        // SAFETY: the simulator's own thread alone, and a panic ends the test.
        let env = unsafe { Bare::new(Sim::new(SimOptions::new(1))) };
        let pool = Builder::new(env)
            .without_threads()
            .build()
            .expect("no thread is started");
        pool.scope(|scope| {
            for bits in 0..usize::BITS - 1 {
                scope.own.set(1 << bits);
                assert!(!scope.is_done(), "2^{bits} jobs");
            }
            scope.own.set(0);
        });
    }
}
