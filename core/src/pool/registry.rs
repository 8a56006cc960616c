//! The pool's shared part: its workers, its queues, its threads.
#![allow(unsafe_code, reason = "starts threads with a raw argument")]

use super::block::spawned;
use super::builder::Settings;
use super::env::Env;
use super::job::{Head, JobRef};
use super::latch::Latch;
use super::metrics::{Counter, Event};
use super::scope::drop_quietly;
use super::sleep::Sleep;
use super::spawn::give_way;
use super::split::WORKERS_MAX;
use super::start::{Lent, Spawn, ThreadStart};
use super::worker::{State, Task, Worker};
use crate::deque::Injector;
use crate::error::{Error, Kind, Operation, Result};
use crate::platform::{Clock, ClockId, Mutex, Park, ThreadOptions, Threads};
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
use crate::sync::light_fence;
use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, UnsafeCell};
use core::mem::{ManuallyDrop, MaybeUninit};
use core::time::Duration;

/// Workers for guests: threads from outside that work in the pool at the same time. More of them wait for a thread of the pool.
pub(super) const GUESTS_MAX: usize = 16;

/// How long a processor may take to make visible what it wrote, with a wide margin.
const SETTLE: Duration = Duration::from_millis(10);

pub(super) type Thread<E> = <<E as Env>::Platform as Threads>::Thread;

/// The pool's shared part.
pub(super) struct Registry<E: Env> {
    env: E,
    this: Weak<Self>,
    /// Threads of the pool, then spares, then guests.
    pub(super) workers: Box<[State<E>]>,
    pub(super) sleep: Sleep,
    pub(super) injector: Injector<JobRef<E>, E::Platform>,
    /// Jobs of high priority.
    pub(super) urgent: Injector<JobRef<E>, E::Platform>,
    settings: Settings,
    /// Whether [`fence_all`](Self::fence_all) has all threads pass a fence, so that workers need none when they push and pop.
    asymmetric: AtomicBool,
    /// Whether no worker counts on that: never, or no more.
    settled: AtomicBool,
    ending: AtomicBool,
    /// Workers below this index have been in use: thieves look no further.
    used: AtomicUsize,
    /// Jobs that block, threads of the pool that have ended, and spare threads that run in their place.
    blocked: AtomicU32,
    spares: AtomicU32,
    threads: Mutex<Vec<Option<Thread<E>>>, E::Platform>,
    /// Threads that others [start](ThreadStart) and that have not ended.
    pub(super) lent: Lent,
}

struct Argument<E: Env> {
    registry: Arc<Registry<E>>,
    index: usize,
}

impl<E: Env> Registry<E> {
    /// Builds it and starts its threads, or has `spawn` start them.
    pub(super) fn start(
        env: E,
        settings: Settings,
        mut spawn: Option<Spawn<'_, E>>,
    ) -> Result<Arc<Self>> {
        let adopts = settings.adopts;
        if adopts && settings.threads == 0 {
            return Err(Error::new(Operation::Spawn, Kind::InvalidInput));
        }
        if adopts && !env.current().is_null() {
            return Err(Error::new(Operation::Spawn, Kind::AlreadyExists));
        }
        let count = settings.threads + settings.spares + GUESTS_MAX;
        if count > WORKERS_MAX {
            return Err(Error::new(Operation::Spawn, Kind::Limit));
        }
        let threads = settings.threads;
        let registry = Arc::new_cyclic(|weak: &Weak<Self>| {
            let platform = env.platform();
            // A pool without threads has nobody to fence against but guests, and firmware has one thread.
            let asymmetric = settings.asymmetric && platform.fence_others();
            Self {
                asymmetric: AtomicBool::new(asymmetric),
                settled: AtomicBool::new(!asymmetric),
                workers: (0..count)
                    .map(|index| {
                        State::new(index, weak.as_ptr(), platform, asymmetric, settings.lean)
                    })
                    .collect(),
                sleep: Sleep::new(count, threads, u32::from(settings.adopts)),
                injector: Injector::new(platform.clone()),
                urgent: Injector::new(platform.clone()),
                ending: AtomicBool::new(false),
                used: AtomicUsize::new(threads.max(1)),
                blocked: AtomicU32::new(0),
                spares: AtomicU32::new(0),
                threads: Mutex::new(
                    (0..threads + settings.spares).map(|_| None).collect(),
                    platform.clone(),
                ),
                lent: Lent::new(),
                settings,
                this: weak.clone(),
                env,
            }
        });
        for index in 0..threads {
            registry.workers[index].taken.store(true, Ordering::Relaxed);
        }
        for index in usize::from(adopts)..threads {
            let started = match &mut spawn {
                Some(spawn) => {
                    let start = ThreadStart::new(&registry, index);
                    registry.env.catch(|| spawn(start))
                }
                None => Ok(registry.start_thread(index)),
            };
            match started {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    registry.give_up();
                    return Err(error);
                }
                Err(payload) => {
                    registry.give_up();
                    registry.env.resume(payload);
                }
            }
        }
        if adopts {
            registry.adopt();
        }
        Ok(registry)
    }

    /// The pool is not to be, since a thread does not start. Of those that others start only those are waited for that run: who starts
    /// threads may have kept the rest for later, and drops them once this has returned.
    fn give_up(&self) {
        self.lent.call_off();
        self.end_threads();
    }

    /// The calling thread is the pool's first one from here on.
    fn adopt(self: &Arc<Self>) {
        self.env
            .set_current((&raw const self.workers[0]).cast::<()>());
        // The thread knows the worker for as long as it likes, also if the pool is dropped elsewhere.
        core::mem::forget(self.clone());
    }

    /// The first worker, if the calling thread was adopted as that and does nothing here that others wait for.
    fn adopted(&self) -> Option<&State<E>> {
        let first = self.workers.first()?;
        let here = core::ptr::eq(self.env.current().cast(), first);
        (here && first.stack.is_at_base()).then_some(first)
    }

    fn start_thread(&self, index: usize) -> Result<()> {
        let Some(registry) = self.this.upgrade() else {
            return Err(Error::new(Operation::Spawn, Kind::Limit));
        };
        let name = self.settings.name(&self.env, index);
        let mut options = ThreadOptions::new().with_stack_bytes(self.settings.stack_bytes);
        if let Some(name) = name.as_ref().filter(|name| !name.is_empty()) {
            options = options.with_name(name);
        }
        if let Some(cpus) = self.settings.pin.as_ref().and_then(|pin| pin.get(index)) {
            options = options.with_affinity(cpus);
        }
        let argument = Box::into_raw(Box::new(Argument { registry, index }));
        let platform = self.env.platform();
        // Under the lock, so that of two threads that had the place in turn the later one stays.
        let mut threads = self.threads.lock();
        // SAFETY: the entry takes the box that is leaked for it, once.
        match unsafe { platform.spawn(&options, thread_main::<E>, argument.cast()) } {
            Ok(thread) => {
                let before = threads[index].replace(thread);
                drop(threads);
                if let Some(ended) = before {
                    // A spare that gave its place back: it is about to end.
                    let _joined = platform.join(ended);
                }
                Ok(())
            }
            Err(error) => {
                // SAFETY: nothing was started, so the box is still ours.
                drop(unsafe { Box::from_raw(argument) });
                Err(error)
            }
        }
    }

    /// The pool is dropped. If it adopted a thread, which may come back to it, it ends only if that is the one.
    pub(super) fn end(&self) {
        if !self.settings.adopts {
            self.end_threads();
        } else if let Some(first) = self.adopted() {
            self.announce_end();
            self.work_to_the_end(first);
            self.close_mail(first);
            self.end_threads();
            // What those left that ended last.
            while let Some(task) = first.find(true) {
                first.run(task);
            }
            first.leave();
            self.env.set_current(core::ptr::null());
        }
    }

    /// Ends the threads once nothing is left to do, and waits for them; not for the calling one.
    fn end_threads(&self) {
        self.announce_end();
        if self.here().is_some() && self.adopted().is_none() {
            // A job dropped its own pool: the threads end by themselves. (The job may still block, and have a spare started.)
            for thread in self.threads.lock().iter_mut() {
                *thread = None;
            }
            return;
        }
        // Until there is none: a job that blocks may start a spare in a place that was looked at before.
        loop {
            let thread = self.threads.lock().iter_mut().find_map(Option::take);
            let Some(thread) = thread else { break };
            // A thread cannot join itself, which is the only error, and this is none of the pool's threads.
            let _joined = self.env.platform().join(thread);
        }
        self.lent.wait(self.env.platform());
    }

    fn announce_end(&self) {
        self.ending.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        for worker in &self.workers {
            self.sleep
                .wake(worker.index, &worker.parker.0, self.env.platform());
        }
    }

    #[inline(always)]
    pub(super) fn env(&self) -> &E {
        &self.env
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Acquire)
    }

    /// How long a worker spins for a stolen half, in ns.
    pub(super) fn spin_ns(&self) -> u64 {
        self.settings.spin_ns
    }

    /// How long a worker without work looks for some, in ns.
    pub(super) fn search_ns(&self) -> u64 {
        self.settings.spin_ns
    }

    pub(super) fn trace(&self, worker: usize, event: Event) {
        if let Some(hook) = self.settings.trace
            && let Err(payload) = self.env.catch(|| hook(worker, event))
        {
            // It comes in the middle of waits, whose frames others use: nothing may unwind through them.
            drop_quietly(&self.env, payload);
        }
    }

    /// Wakes a worker for work that was published before a fence, if none is searching.
    pub(super) fn notify(&self, spare_guests: bool) -> bool {
        self.env.preempt();
        self.sleep.notify(
            |worker| &self.workers[worker].parker.0,
            self.env.platform(),
            spare_guests,
        )
    }

    /// A spawned job was published: somebody must run it, whatever its spawner does now.
    pub(super) fn published(&self) {
        fence(Ordering::SeqCst);
        self.notify(false);
    }

    /// As [`published`](Self::published), for a worker's own deque. While nobody searches or sleeps it costs two loads: whoever goes to sleep after that has this
    /// thread pass a fence before its last look.
    pub(super) fn published_by_worker(&self) {
        self.env.preempt();
        if self.asymmetric.load(Ordering::Relaxed) {
            light_fence();
            if self.sleep.is_all_busy() {
                return;
            }
        }
        self.published();
    }

    /// The sleeper's and the thief's fence. Where it has all threads pass one, workers that push and pop have none.
    pub(super) fn fence_all(&self) {
        fence(Ordering::SeqCst);
        if !self.settled.load(Ordering::Acquire) && !self.env.platform().fence_others() {
            self.do_without();
        }
    }

    /// The system fences other threads no more: the program has forbidden itself the call. From here on workers have fences of their own; what
    /// they did without one just before is visible once their processors have written it out, which takes them far less than the time that
    /// this waits (as Morrison and Afek, "Temporally bounding TSO", ASPLOS 2015). Any number of threads may come here at once.
    #[cold]
    fn do_without(&self) {
        self.asymmetric.store(false, Ordering::SeqCst);
        for worker in &self.workers {
            worker.deque.fence_for_good();
        }
        fence(Ordering::SeqCst);
        let platform = self.env.platform();
        let now = || platform.now(ClockId::Monotonic);
        let until = now().saturating_add(SETTLE);
        let word = AtomicU32::new(0);
        while now() < until {
            platform.wait(&word, 0, Some(until));
        }
        self.settled.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    pub(super) fn ask_all(&self, except: usize) {
        for worker in &self.workers[..self.used()] {
            if worker.index != except {
                worker.stack.ask();
            }
        }
    }

    pub(super) fn has_work(&self) -> bool {
        self.has_jobs() || self.has_halves()
    }

    /// Whether a spawned job waits in a queue.
    fn has_jobs(&self) -> bool {
        !self.injector.is_empty()
            || !self.urgent.is_empty()
            || self.workers[..self.used()]
                .iter()
                .any(|worker| !worker.deque.is_empty())
    }

    fn has_halves(&self) -> bool {
        self.workers[..self.used()]
            .iter()
            .any(|worker| worker.stack.has_public())
    }

    /// The last searcher found something: wakes the next one if more is there. For jobs also if guests have taken its place: a guest
    /// runs its own halves, but need not ever come to another's job, nor to its own.
    pub(super) fn notify_of_rest(&self) -> bool {
        if self.has_jobs() {
            self.notify(false)
        } else {
            self.has_halves() && self.notify(true)
        }
    }

    /// The worker of this pool that the calling thread is.
    #[inline]
    pub(super) fn here(&self) -> Option<Worker<'_, E>> {
        let ours = self.workers.as_ptr_range();
        let mut state = self.env.current().cast::<State<E>>();
        while !state.is_null() {
            // SAFETY: it points to a worker that this thread holds: it set the pointer itself (W1).
            let held = unsafe { &*state };
            if ours.contains(&state) {
                return Some(held.handle());
            }
            // A guest of ours may be a guest of another pool's further in.
            state = held.outer.get();
        }
        None
    }

    /// Runs `f` as a guest of the pool, or as the worker that this thread is. `None`, and `f` back, if all places are taken.
    #[inline]
    pub(super) fn enter<F, R>(&self, f: F) -> core::result::Result<R, F>
    where
        F: FnOnce(Worker<'_, E>) -> R,
    {
        if let Some(worker) = self.here() {
            return Ok(f(worker));
        }
        let first = self.workers.len() - GUESTS_MAX;
        let Some(state) = self.workers[first..].iter().find(|state| {
            !state.taken.load(Ordering::Relaxed) && !state.taken.swap(true, Ordering::Acquire)
        }) else {
            return Err(f);
        };
        if self.used.load(Ordering::Relaxed) <= state.index {
            self.used.fetch_max(state.index + 1, Ordering::AcqRel);
        }
        state.displace();
        state.outer.set(self.env.current().cast());
        self.env.set_current((&raw const *state).cast());
        state.stack.fatten();
        let _leave = Leave { state };
        Ok(f(state.handle()))
    }

    /// Runs `f` on a thread of the pool and waits for it.
    pub(super) fn run_there<F, R>(&self, f: F) -> R
    where
        F: FnOnce(Worker<'_, E>) -> R + Send,
        R: Send,
    {
        let mut job = Outside::<E, F, R> {
            head: Head::new(Outside::<E, F, R>::run),
            closure: ManuallyDrop::new(f),
            result: UnsafeCell::new(MaybeUninit::uninit()),
            latch: Latch::new(),
        };
        // SAFETY: this frame waits for the latch, which is set once the job was run.
        let job_ref = unsafe { JobRef::new((&raw mut job).cast(), core::ptr::null()) };
        self.injector.push(job_ref);
        self.published();
        if self.env.current().is_null() {
            job.latch.wait(self.env.platform());
        }
        while !job.latch.is_set() {
            give_way(&self.env);
        }
        // SAFETY: the latch was set, so the result is there.
        match unsafe { job.result.get_mut().assume_init_read() } {
            Ok(result) => result,
            Err(payload) => self.env.resume(payload),
        }
    }

    /// Adds a job that nobody waits for.
    pub(super) fn spawn<F: FnOnce(Worker<'_, E>) + Send + 'static>(&self, urgent: bool, f: F) {
        let run = detached(f);
        if let Some(worker) = self.here().filter(|_| !urgent) {
            let job = worker
                .state
                .with_blocks(|blocks| spawned(Some(blocks), core::ptr::null(), run));
            worker.state.push(job);
            return;
        }
        let job = spawned(None, core::ptr::null(), run);
        if urgent { &self.urgent } else { &self.injector }.push(job);
        self.published_or_run();
    }

    fn published_or_run(&self) {
        if self.settings.threads == 0 {
            // Nobody else will: run it now, or at the latest when the outermost guest leaves.
            let _entered = self.enter(|_| ());
        } else {
            self.published();
        }
    }

    /// As [`spawn`](Self::spawn), first in, first out.
    pub(super) fn spawn_fifo<F: FnOnce(Worker<'_, E>) + Send + 'static>(&self, f: F) {
        self.injector
            .push(spawned(None, core::ptr::null(), detached(f)));
        self.published_or_run();
    }

    /// As [`spawn`](Self::spawn), for each thread of the pool one job, which runs there.
    pub(super) fn spawn_broadcast<F: Fn(usize) + Send + Sync + 'static>(&self, f: F) {
        let f = Arc::new(f);
        for worker in &self.workers[..self.settings.threads] {
            let (f, index) = (f.clone(), worker.index);
            let job = detached(move |_| f(index));
            worker.notices.push(spawned(None, core::ptr::null(), job));
            if self.reach(worker) {
                self.forward(&worker.notices);
            }
        }
    }

    /// After something was sent to the worker: wakes it if it sleeps for want of work. Whether its thread has ended instead.
    fn reach(&self, worker: &State<E>) -> bool {
        fence(Ordering::SeqCst);
        self.sleep
            .wake(worker.index, &worker.parker.0, self.env.platform());
        worker.closed.load(Ordering::SeqCst)
    }

    /// What was sent to a thread that has ended, to whom it may concern: a worker that is left comes to it before it ends.
    fn forward(&self, queue: &Injector<JobRef<E>, E::Platform>) {
        while let Some(job) = queue.pop() {
            self.injector.push(job);
        }
        self.published();
    }

    /// Adds one job for each thread of the pool but one, which every wait of that thread lets in. Of threads that have ended, a caller that `waits`
    /// for the jobs runs theirs; else they go to whoever is left, since the caller may hold what they need.
    pub(super) fn mail(
        &self,
        except: Option<usize>,
        waits: bool,
        mut job: impl FnMut(usize) -> JobRef<E>,
    ) {
        for worker in &self.workers[..self.settings.threads] {
            if except == Some(worker.index) {
                continue;
            }
            worker.mail.push(job(worker.index));
            let closed = self.reach(worker);
            // It may sleep in a wait for a half or a scope, too.
            worker.parker.0.unpark(self.env.platform());
            match self.here() {
                Some(here) if closed && waits => here.state.run_all(&worker.mail),
                _ if closed => self.forward(&worker.mail),
                _ => {}
            }
        }
    }

    /// The thread of `state` ends: it runs what was sent to it alone, and whoever sends more to it runs that itself.
    pub(super) fn close_mail(&self, state: &State<E>) {
        state.closed.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        state.run_all(&state.mail);
        state.run_all(&state.notices);
    }

    /// Around a job that blocks: a spare thread works in its place meanwhile.
    pub(super) fn block<R>(&self, state: &State<E>, f: impl FnOnce() -> R) -> R {
        struct Unblock<'a, E: Env> {
            state: &'a State<E>,
            displaced: bool,
        }
        impl<E: Env> Drop for Unblock<'_, E> {
            fn drop(&mut self) {
                let blocked = &self.state.registry().blocked;
                blocked.fetch_sub(1, Ordering::SeqCst);
                if self.displaced {
                    self.state.displace();
                }
            }
        }
        state.trace(Event::Block);
        let blocked = self.blocked.fetch_add(1, Ordering::SeqCst) + 1;
        let displaced = state.stand_aside();
        let _unblock = Unblock { state, displaced };
        state.leave();
        state.share_all();
        if self.spares.load(Ordering::SeqCst) < blocked && !self.notify(false) {
            self.start_spare();
        }
        f()
    }

    /// Counts a spare out if there are more than blocked jobs. Of two who ask, the last one needed stays; and if a job begins to
    /// block meanwhile, it sees the lower count and starts another, or is seen here.
    fn spare_may_leave(&self) -> bool {
        let order = Ordering::SeqCst;
        let counted = self.spares.fetch_update(order, order, |spares| {
            self.env.preempt();
            (spares > self.blocked.load(order)).then(|| spares - 1)
        });
        match counted {
            Ok(spares) if spares > self.blocked.load(order) => true,
            Ok(_) => {
                self.spares.fetch_add(1, order);
                false
            }
            Err(_) => false,
        }
    }

    /// A thread ends with its pool, and counts from here on as one whose job blocks: a job that does so later starts a spare. One that
    /// did before may have counted on this thread, which therefore looks once more, and works on if it found something; then true.
    fn count_out(&self, state: &State<E>, spare: bool) -> bool {
        let order = Ordering::SeqCst;
        if spare {
            self.spares.fetch_sub(1, order);
        } else {
            self.blocked.fetch_add(1, order);
        }
        fence(order);
        let Some(task) = state.find(true) else {
            return false;
        };
        if spare {
            self.spares.fetch_add(1, order);
        } else {
            self.blocked.fetch_sub(1, order);
        }
        state.run(task);
        true
    }

    /// The life of a thread of the pool, or of a spare, from its start to its end.
    pub(super) fn live(&self, index: usize) {
        let state = &self.workers[index];
        self.env.set_current((&raw const *state).cast());
        self.trace(index, Event::Start);
        self.settings.start(&self.env, index);
        self.work_to_the_end(state);
        self.close_mail(state);
        self.settings.exit(&self.env, index);
        // What the handler left, if it spawned: the others may have ended.
        while let Some(task) = if self.is_ending() {
            state.find(true)
        } else {
            state.pop().map(Task::Spawned)
        } {
            state.run(task);
        }
        state.leave();
        self.trace(index, Event::Exit);
        self.env.set_current(core::ptr::null());
        state.taken.store(false, Ordering::Release);
    }

    /// The thread will not be: as if it had ended.
    pub(super) fn never_start(&self, index: usize) {
        let state = &self.workers[index];
        let current = self.env.current();
        self.env.set_current((&raw const *state).cast());
        self.blocked.fetch_add(1, Ordering::SeqCst);
        self.close_mail(state);
        // What those jobs spawned, which others run, unless they have ended. Asked again after each: if the pool does not end by then,
        // they look once more after the job was put there.
        loop {
            if self.is_ending() {
                let Some(task) = state.find(true) else { break };
                state.run(task);
            } else {
                let Some(job) = state.pop() else { break };
                state.inject(job);
            }
        }
        state.leave();
        self.env.set_current(current);
    }

    /// Works until the pool ends, or until a spare may leave, and nothing is left.
    fn work_to_the_end(&self, state: &State<E>) {
        let spare = state.index >= self.settings.threads;
        let left = Cell::new(false);
        loop {
            state.work(|| {
                left.set(spare && self.spare_may_leave());
                left.get()
            });
            if left.get() || !self.count_out(state, spare) {
                break;
            }
        }
        state.leave();
    }

    fn start_spare(&self) {
        let first = self.settings.threads;
        let Some(state) = self.workers[first..first + self.settings.spares]
            .iter()
            .find(|state| {
                !state.taken.load(Ordering::Relaxed) && !state.taken.swap(true, Ordering::Acquire)
            })
        else {
            return;
        };
        self.used.fetch_max(state.index + 1, Ordering::AcqRel);
        self.spares.fetch_add(1, Ordering::SeqCst);
        if self.start_thread(state.index).is_err() {
            // Without a spare the pool is one short until the job comes back: slower, not wrong.
            self.spares.fetch_sub(1, Ordering::SeqCst);
            state.taken.store(false, Ordering::Release);
        }
    }
}

/// A job that nobody waits for: its panic goes to the pool's handler.
fn detached<E: Env, F: FnOnce(Worker<'_, E>) + Send + 'static>(f: F) -> impl FnOnce(&State<E>) {
    move |state| {
        if let Err(payload) = state.env().catch(|| f(state.handle())) {
            state.count(Counter::Panics);
            state.registry().settings().panic(state.env(), payload);
        }
    }
}

/// A guest's way out, by return or by panic.
struct Leave<'a, E: Env> {
    state: &'a State<E>,
}

impl<E: Env> Drop for Leave<'_, E> {
    #[inline]
    fn drop(&mut self) {
        let state = self.state;
        let registry = state.registry();
        state.end_tree();
        // First, so that whoever takes what is left sees that this guest takes nobody's place any more.
        state.stand_aside();
        if registry.settings.threads == 0 {
            // Nobody else will.
            while let Some(task) = state.find(true) {
                state.run(task);
            }
        } else {
            while let Some(job) = state.pop() {
                state.inject(job);
            }
        }
        state.leave();
        registry.env.set_current(state.outer.get().cast());
        state.taken.store(false, Ordering::Release);
    }
}

/// A closure that a thread from outside waits for.
#[repr(C)]
struct Outside<E: Env, F, R> {
    head: Head<E>,
    closure: ManuallyDrop<F>,
    result: UnsafeCell<MaybeUninit<core::result::Result<R, super::env::Payload>>>,
    latch: Latch,
}

impl<E: Env, F, R> Outside<E, F, R>
where
    F: FnOnce(Worker<'_, E>) -> R,
{
    /// # Safety
    /// `head` is that of an `Outside` whose frame waits, and this is its one run.
    unsafe fn run(head: *mut Head<E>, state: &State<E>) {
        let this = head.cast::<Self>();
        // SAFETY: run once.
        let closure = ManuallyDrop::into_inner(unsafe { (&raw const (*this).closure).read() });
        let result = state.env().catch(|| closure(state.handle()));
        // SAFETY: nobody else touches the result before the latch is set; nothing is touched after it.
        unsafe {
            (*this).result.get().write(MaybeUninit::new(result));
            (*this).latch.set_and_wake(state.platform());
        }
    }
}

/// A thread of the pool, or a spare.
///
/// # Safety
/// `argument` is a leaked box of an [`Argument`] that nobody else uses.
unsafe extern "C" fn thread_main<E: Env>(argument: *mut u8) {
    // SAFETY: the caller's promise.
    let argument = *unsafe { Box::from_raw(argument.cast::<Argument<E>>()) };
    argument.registry.live(argument.index);
}
