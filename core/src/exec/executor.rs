//! One thread's executor: tasks, timers and a ring, turn by turn.
//!
//! # A turn
//!
//! 1. Receive what other threads left.
//! 2. Poll up to [`TASKS_PER_TURN`] tasks from the head of the run queue.
//! 3. If tasks are left: look at the ring without waiting, if it has anything to do, and at the clock, if timers wait. Else
//!    sleep in the ring until a completion, the next timer or a doorbell.
//!
//! So a task that always wakes itself delays input and timers by at most one turn, and a turn without input costs no system call.
//! The future of [`Executor::block_on`] has a place in the run queue like any task.
//!
//! # Invariants
//! E1: `Shared` and the scheduler are used on the thread that made them; only wakers and [`Remote`] go elsewhere.
//! E2: nothing that may run foreign code (a waker, a drop) runs while `io` is borrowed.
//!
//! # Failure
//! A ring that fails to wait is a broken system: the turn panics with its error.
#![allow(unsafe_code, reason = "shares the scheduler by pointer")]

use super::buffers::Buffers;
use super::host::{Host, swallow};
use super::io::{Brought, Io};
use super::metrics::{Counters, Metrics, SlowPolls, TaskInfo};
use super::scheduler::Scheduler;
use super::task::{self, JoinHandle, Task, TaskPtr};
use super::timer::{Interval, MissedTick, Sleep, Timeout, TimerSource, Timers};
use crate::error::Result;
use crate::platform::{ClockId, Instant, Reactor, Ring, RingBackend, RingWaker};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, OnceCell, RefCell};
use core::fmt;
use core::marker::PhantomData;
use core::pin::{Pin, pin};
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

/// Tasks that are polled before the ring is looked at.
pub const TASKS_PER_TURN: usize = 64;

/// Operations on sockets that may succeed in one poll of a task before it must let others run.
pub const OPERATIONS_PER_POLL: u32 = 128;

/// The scheduler and what wakes its thread, in one block that outlives the executor if a waker does.
#[repr(C)]
struct Doorbell<W> {
    scheduler: Scheduler,
    waker: W,
}

/// # Safety
/// `this` is the first field of a live `Doorbell<W>`.
unsafe fn ring<W: RingWaker>(this: NonNull<Scheduler>) {
    // SAFETY: the caller's word.
    unsafe { this.cast::<Doorbell<W>>().as_ref() }.waker.wake();
}

/// # Safety
/// As [`ring`], and the last use.
unsafe fn release<W>(this: NonNull<Scheduler>) {
    // SAFETY: the caller's word; it came from a box.
    drop(unsafe { Box::from_raw(this.cast::<Doorbell<W>>().as_ptr()) });
}

/// What the executor's handles share.
pub(super) struct Shared<P: Reactor, H: Host> {
    scheduler: NonNull<Scheduler>,
    pub(super) timers: Timers,
    pub(super) io: RefCell<Io<P>>,
    pub(super) platform: P,
    pub(super) buffers: Buffers,
    /// Operations that the running task may still do.
    budget: Cell<u32>,
    running: Cell<bool>,
    /// The task that is polled.
    polled: Cell<Option<TaskPtr>>,
    /// Whom the last look at the ring found; kept for its memory.
    woken: Cell<Vec<Waker>>,
    main: OnceCell<(JoinHandle<()>, Waker)>,
    counters: Counters,
    _host: PhantomData<H>,
}

impl<P: Reactor, H: Host> Shared<P, H> {
    pub(super) fn scheduler(&self) -> &Scheduler {
        // SAFETY: E1, and `Shared` has the executor's reference.
        unsafe { self.scheduler.as_ref() }
    }

    /// Takes one from the running task's budget. `Pending`, with a wake on its way, if none is left.
    #[inline]
    pub(super) fn poll_budget(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.budget.get().checked_sub(1) {
            Some(left) => {
                self.budget.set(left);
                Poll::Ready(())
            }
            None => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Whether the executor is still there.
    pub(super) fn is_open(&self) -> bool {
        self.scheduler().is_open()
    }

    fn now(&self) -> Instant {
        self.platform.now(ClockId::Monotonic)
    }

    /// [`Io::poll`] for the waker of `cx`. No foreign code runs while `io` is borrowed: E2.
    pub(super) fn poll_io(&self, slot: u32, cx: &mut Context<'_>) -> Poll<Brought<P>> {
        let wants = self.io.borrow().wants(slot, cx.waker());
        let waker = wants.then(|| cx.waker().clone());
        let (polled, unwanted) = self.io.borrow_mut().poll(slot, waker);
        drop(unwanted);
        polled
    }

    /// Nobody waits for the operation of this slot any more. Its waker and what it brought are dropped when `io` is free again: E2.
    pub(super) fn abandon(&self, slot: u32) {
        // In use only while a wake runs inside of the ring, which drops no socket.
        let dropped = self.io.borrow_mut().abandon(slot);
        drop(dropped);
    }

    /// The executor goes: whoever waits from outside of it for its ring or its clock is woken, and told by his next poll.
    fn let_go(&self) {
        let mut woken = self.woken.take();
        self.io.borrow_mut().take_waiting(&mut woken);
        wake_all::<H>(&mut woken);
        // What was cancelled is with the system until the ring looks again.
        let mut before = usize::MAX;
        loop {
            let pending = self.io.borrow().pending();
            if pending == 0 || pending >= before {
                break;
            }
            before = pending;
            let result = self.io.borrow_mut().wait(Some(Instant::ZERO), &mut woken);
            wake_all::<H>(&mut woken);
            if result.is_err() {
                break;
            }
        }
        // A waker that panics ends the round; its timer was taken out before, so the rounds end too.
        loop {
            swallow::<H>(|| self.timers.close());
            if self.timers.count() == 0 {
                break;
            }
        }
    }

    /// Waits in the ring and wakes whom it found.
    fn wait(&self, until: Option<Instant>) {
        let mut woken = self.woken.take();
        let result = self.io.borrow_mut().wait(until, &mut woken);
        wake_all::<H>(&mut woken);
        self.woken.set(woken);
        if let Err(error) = result {
            panic!("the reactor failed: {error}");
        }
    }

    /// One turn; ends early with what `poll_main`, the poll of the task `main`, gives.
    #[inline]
    fn turn<T>(&self, main: TaskPtr, mut poll_main: impl FnMut() -> Poll<T>) -> Poll<T> {
        self.counters.add_turn();
        // SAFETY: E1.
        unsafe { self.scheduler().receive_all() }
        let polled = if self.counters.is_timing() {
            self.polls::<true, T>(main, &mut poll_main)
        } else {
            self.polls::<false, T>(main, &mut poll_main)
        };
        if polled.is_pending() {
            self.look_around();
        }
        polled
    }

    /// Polls up to [`TASKS_PER_TURN`] tasks. `TIMED`, it reads the clock around each.
    #[inline]
    fn polls<const TIMED: bool, T>(
        &self,
        main: TaskPtr,
        poll_main: &mut impl FnMut() -> Poll<T>,
    ) -> Poll<T> {
        let mut left = TASKS_PER_TURN;
        loop {
            // One catch for all of them, since each costs as much as a poll.
            let caught = H::catch(|| self.polls_of::<TIMED, T>(main, poll_main, &mut left));
            match (caught, self.polled.take()) {
                (Ok(polled), _) => return polled,
                // SAFETY: E1; a task is named here only while it is polled, and its poll has just unwound.
                (Err(payload), Some(task)) => unsafe { task::panicked(task, payload) },
                (Err(payload), None) => H::resume(payload),
            }
        }
    }

    /// As [`polls`](Self::polls), up to a panic; then `polled` names the task, unless it was `block_on`'s.
    #[inline]
    fn polls_of<const TIMED: bool, T>(
        &self,
        main: TaskPtr,
        poll_main: &mut impl FnMut() -> Poll<T>,
        left: &mut usize,
    ) -> Poll<T> {
        while *left > 0 {
            *left -= 1;
            // A poll may have asked for it: the turn ends.
            if self.counters.is_timing() != TIMED {
                break;
            }
            // SAFETY: E1; `block_on` refuses to be called from inside a poll. What the queue gave is alive until it is run.
            unsafe {
                let Some(task) = self.scheduler().take_first() else {
                    break;
                };
                self.budget.set(OPERATIONS_PER_POLL);
                let timed = TIMED.then(|| (task.as_ref().name(), self.now()));
                if task == main {
                    self.polled.set(None);
                    task::begin_main(task.as_ref());
                    let polled = poll_main();
                    if polled.is_ready() {
                        return polled;
                    }
                } else {
                    self.polled.set(Some(task));
                    task::run(task);
                }
                if let Some((name, start)) = timed {
                    // The report may panic, for itself.
                    self.polled.set(None);
                    let took = self.now().saturating_duration_since(start);
                    self.counters.add_poll(name, took);
                }
            }
        }
        Poll::Pending
    }

    /// The end of a turn: the ring and the clock.
    fn look_around(&self) {
        if self.scheduler().has_ready() {
            if self.io.borrow().pending() > 0 {
                self.wait(Some(Instant::ZERO));
            }
            if self.timers.count() > 0 {
                self.timers.advance(self.now());
            }
        } else {
            self.sleep();
        }
    }

    fn sleep(&self) {
        let until = self.timers.next_deadline();
        if !self.scheduler().try_sleep() {
            return;
        }
        self.counters.add_sleep();
        self.wait(until);
        // SAFETY: E1.
        unsafe { self.scheduler().receive_all() }
        if self.timers.count() > 0 {
            self.timers.advance(self.now());
        }
    }
}

impl<P: Reactor, H: Host> Drop for Shared<P, H> {
    fn drop(&mut self) {
        drop(self.main.take());
        // SAFETY: the executor's reference.
        unsafe { Scheduler::drop_ref(self.scheduler) }
    }
}

/// Wakes all. A panic of a waker that is not ours is heard by nobody, and the others are woken all the same.
pub(super) fn wake_all<H: Host>(wakers: &mut Vec<Waker>) {
    for waker in wakers.drain(..) {
        swallow::<H>(|| waker.wake());
    }
}

/// The task that stands for `block_on`'s future in the run queue, and is never polled itself.
struct Main;

impl Future for Main {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// An executor. It stays on the thread that made it; make one a thread to use several.
///
/// Dropping it drops every future that is not done (handles then say that theirs was cancelled). Wakers may outlive it. What of it is
/// waited for from elsewhere ends: operations with `Cancelled`, sleeps and timeouts at once. An interval ticks no more.
pub struct Executor<P: Reactor, H: Host>(Handle<P, H>);

impl<P: Reactor, H: Host> Executor<P, H> {
    /// An executor with a ring of its own.
    ///
    /// # Errors
    /// As [`Reactor::ring`].
    pub fn new(platform: P) -> Result<Self> {
        Self::with_ring(platform, RingBackend::Usual)
    }

    /// An executor with a ring of this kind, where the system has it; see [`Handle::ring_backend`].
    ///
    /// # Errors
    /// As [`Reactor::ring`].
    pub fn with_ring(platform: P, backend: RingBackend) -> Result<Self> {
        let io = Io::open(&platform, backend)?;
        let bell = Box::new(Doorbell {
            scheduler: Scheduler::new(
                ring::<<P::Ring as Ring>::Waker>,
                release::<<P::Ring as Ring>::Waker>,
            ),
            waker: io.ring_waker(),
        });
        bell.scheduler.open(H::thread_token());
        let timers = Timers::new();
        timers.advance(platform.now(ClockId::Monotonic));
        let scheduler = NonNull::from(Box::leak(bell)).cast();
        Ok(Self(Handle(Rc::new(Shared {
            scheduler,
            timers,
            io: RefCell::new(io),
            platform,
            buffers: Buffers::new(),
            budget: Cell::new(OPERATIONS_PER_POLL),
            running: Cell::new(false),
            polled: Cell::new(None),
            woken: Cell::new(Vec::new()),
            main: OnceCell::new(),
            counters: Counters::new(),
            _host: PhantomData,
        }))))
    }

    /// A handle for tasks to spawn, sleep and open connections with.
    #[must_use]
    pub fn handle(&self) -> &Handle<P, H> {
        &self.0
    }

    /// Runs tasks until `future` is ready, and returns its output. The future may borrow; spawned tasks go on with the next call.
    ///
    /// # Panics
    /// From inside a task or `block_on` of the same executor: the outer one could not go on. A panic of `future` passes through.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        struct Stop<'a, P: Reactor, H: Host>(&'a Shared<P, H>);
        impl<P: Reactor, H: Host> Drop for Stop<'_, P, H> {
            fn drop(&mut self) {
                self.0.running.set(false);
                // Nobody knows when the ring is looked at again, and what was dropped is to be closed.
                self.0.io.borrow_mut().let_go();
            }
        }
        let shared = &*self.0.0;
        assert!(
            !shared.running.replace(true),
            "block_on was called from inside the same executor"
        );
        let _stop = Stop(shared);
        let (main, waker) = shared.main.get_or_init(|| {
            let handle = self.0.spawn(Main);
            let waker = handle.waker();
            (handle, waker)
        });
        let mut cx = Context::from_waker(waker);
        let mut future = pin!(future);
        waker.wake_by_ref();
        loop {
            let polled = shared.turn(main.task(), || future.as_mut().poll(&mut cx));
            if let Poll::Ready(output) = polled {
                return output;
            }
        }
    }
}

impl<P: Reactor, H: Host> Drop for Executor<P, H> {
    fn drop(&mut self) {
        let shared = &*self.0.0;
        // SAFETY: E1; `block_on` borrows the executor, so none is running.
        unsafe { Scheduler::close(shared.scheduler) }
        shared.let_go();
    }
}

/// What tasks need of their executor. Clones are cheap and stay on its thread.
pub struct Handle<P: Reactor, H: Host>(pub(super) Rc<Shared<P, H>>);

impl<P: Reactor, H: Host> Clone for Handle<P, H> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<P: Reactor, H: Host> Handle<P, H> {
    /// Starts a task. It is first polled in a later turn, never from inside this call.
    ///
    /// After the executor is gone the future is dropped at once, and the handle says that it was cancelled.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        // SAFETY: E1; the scheduler is alive, and open or closed by its own thread, which `adopt` tells apart.
        unsafe { Task::<F, H>::spawn(self.0.scheduler, future) }
    }

    /// A handle for other threads.
    #[must_use]
    pub fn remote(&self) -> Remote<H> {
        self.0.scheduler().add_ref();
        Remote {
            scheduler: self.0.scheduler,
            _host: PhantomData,
        }
    }

    /// What the executor's ring asks of the system.
    #[must_use]
    pub fn ring_backend(&self) -> RingBackend {
        self.0.io.borrow().backend()
    }

    /// The platform below.
    #[must_use]
    pub fn platform(&self) -> &P {
        &self.0.platform
    }

    /// The monotonic clock now.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.0.now()
    }

    /// Ends at `deadline`, or up to 66 us later. Reads no clock.
    #[must_use]
    pub fn sleep_until(&self, deadline: Instant) -> Sleep<Self> {
        Sleep::new(self.clone(), deadline)
    }

    /// Ends `time` from now, or up to 66 us later.
    #[must_use]
    pub fn sleep(&self, time: Duration) -> Sleep<Self> {
        self.sleep_until(self.now().saturating_add(time))
    }

    /// `future`, for at most `time`.
    pub fn timeout<F: Future>(&self, time: Duration, future: F) -> Timeout<F, Self> {
        Timeout::new(future, self.sleep(time))
    }

    /// Ticks each `period`, the first at once.
    #[must_use]
    pub fn interval(&self, period: Duration, missed: MissedTick) -> Interval<Self> {
        Interval::new(self.clone(), self.now(), period, missed)
    }

    /// Takes one from the operations that the running task may still do in this poll: for what does operations of its own, at once, so that
    /// a task which never waits lets others run. `Pending`, with a wake on its way, if none is left.
    pub fn poll_budget(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_budget(cx)
    }

    /// Numbers about the executor. The run queue is gone through to count it; the rest is at hand.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let scheduler = self.0.scheduler();
        let io = self.0.io.borrow();
        self.0.counters.read(Metrics {
            tasks_alive: scheduler.alive(),
            tasks_spawned: scheduler.spawned(),
            tasks_queued: scheduler.queued(),
            timers: self.0.timers.count(),
            operations: io.in_use(),
            ..Metrics::default()
        })
    }

    /// Calls `report` with each task whose poll takes longer than `limit`, from now on; `None` stops that. Two clock readings a poll.
    pub fn report_slow_polls(&self, limit: Option<SlowPolls>) {
        self.0.counters.set_slow(limit);
    }

    /// Calls `visit` for each task that is not done, newest first.
    pub fn for_each_task(&self, mut visit: impl FnMut(TaskInfo)) {
        let mut infos = Vec::new();
        self.0
            .scheduler()
            .for_each_alive(|header| infos.push(TaskInfo::of(header)));
        infos.into_iter().for_each(&mut visit);
    }
}

// SAFETY: always the same timers, which lie in memory that the handle keeps alive.
unsafe impl<P: Reactor, H: Host> TimerSource for Handle<P, H> {
    fn timers(&self) -> &Timers {
        &self.0.timers
    }
}

/// A handle that may go to other threads: it spawns tasks there, whose futures then move to the executor's thread.
pub struct Remote<H: Host> {
    scheduler: NonNull<Scheduler>,
    _host: PhantomData<fn() -> H>,
}

// SAFETY: only the scheduler's inbox and counter are used through it, which are made for that.
unsafe impl<H: Host> Send for Remote<H> {}
// SAFETY: as above.
unsafe impl<H: Host> Sync for Remote<H> {}

impl<H: Host> Remote<H> {
    /// Starts a task on the executor's thread. Its future is dropped at once if the executor is gone; what it returns is dropped.
    pub fn spawn<F>(&self, future: F)
    where
        F: Future + Send + 'static,
        F::Output: 'static,
    {
        // SAFETY: the reference keeps the scheduler; the future is `Send`.
        unsafe { Task::<F, H>::spawn_remote(self.scheduler, future) }
    }
}

impl<H: Host> Clone for Remote<H> {
    fn clone(&self) -> Self {
        // SAFETY: the reference keeps the scheduler.
        unsafe { self.scheduler.as_ref() }.add_ref();
        Self {
            scheduler: self.scheduler,
            _host: PhantomData,
        }
    }
}

impl<H: Host> Drop for Remote<H> {
    fn drop(&mut self) {
        // SAFETY: the reference, given up once.
        unsafe { Scheduler::drop_ref(self.scheduler) }
    }
}

impl<P: Reactor, H: Host> fmt::Debug for Executor<P, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Executor").field(&self.0).finish()
    }
}

impl<P: Reactor, H: Host> fmt::Debug for Handle<P, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("tasks", &self.0.scheduler().alive())
            .field("timers", &self.0.timers)
            .finish_non_exhaustive()
    }
}

impl<H: Host> fmt::Debug for Remote<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}
