//! One worker: its stack of halves, its spawned jobs, and the loop in which it looks for more.
//!
//! # Invariants
//! - W1: the `Cell`s, the stack's owner side and the deque's bottom belong to the thread that holds the worker: a thread of the pool for
//!   good, a guest between entering and leaving. A [`Worker`] handle exists on that thread only and does not leave it.
//! - W2: a worker that waits for a half runs descendants of that half and nothing else; one that waits for a scope runs that scope's
//!   jobs and nothing else. So what its frames hold locked cannot be wanted by what runs on top of them, unless the
//!   program's own subtree wants it.
//! - W3: a worker is a thief at one other's deque at most, and leaves it before it sleeps or ends.
#![allow(unsafe_code, reason = "runs jobs by raw pointer")]

use super::block::Blocks;
use super::env::Env;
use super::job::{Half, JobRef};
use super::latch::Latch;
use super::metrics::{Counter, Counters, Event};
use super::registry::Registry;
use super::scope::home_of;
use super::sleep::Parker;
use super::split::{Kin, Line, Memo, SplitStack, Stolen};
use crate::deque::{BiasedDeque, Injector, Steal};
use crate::platform::{Clock, ClockId};
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

/// A tree that took longer than this is worth a wake-up, which costs the waker some 10 us: so are the next ones.
const LONG_NS: u64 = 20_000;

/// A tree that shared first while nobody slept: how long it had run already when somebody does is not known.
const UNTIMED: u64 = 1;

/// While trees are short, only one in so many is timed: reading the clock costs as much as several joins.
const SHORT_SAMPLE: u32 = 8;

/// Time between two looks of a sleeping guest for mail to its thread.
const MAIL_PERIOD: Duration = Duration::from_millis(1);

/// Sights of a public half before a thief takes it: under a microsecond. Halves shorter than that are back in their owner's
/// hands by then, who would have waited longer for the thief than for its own work.
const SIGHTS: u32 = 6;

/// Turns of a waiting loop between two looks at the clock.
const TURNS: u32 = 64;

/// Everything of one worker.
#[repr(C)]
pub(super) struct State<E: Env> {
    pub(super) stack: SplitStack<Half<E>>,
    /// Wake at once for what is shared: this tree is expected to last.
    eager: Cell<bool>,
    /// When this tree was first shared while others slept, in ns; 0 if not, or [`UNTIMED`].
    started_ns: Cell<u64>,
    trees: Cell<u32>,
    /// How many loops in a row were split at their start for nobody, or would have been.
    pub(super) vain: Cell<u32>,
    /// When a loop looked at the clock last, in ns.
    pub(super) looked_ns: Cell<u64>,
    dice: Cell<u32>,
    /// Whose public halves were seen last, which sharing of theirs it was, and how often in a row.
    sighted: Cell<(usize, usize)>,
    sights: Cell<u32>,
    /// Depth of frames that run foreign jobs or wait.
    pub(super) index: usize,
    registry: *const Registry<E>,
    /// What this thread was before it became a guest here; null for a thread of the pool.
    pub(super) outer: Cell<*const Self>,
    blocks: UnsafeCell<Blocks<E>>,
    pub(super) deque: BiasedDeque<JobRef<E>>,
    /// Whether it is a guest that counts as one, and so takes the place of a thread of the pool.
    displaces: Cell<bool>,
    /// At whose deque this worker is as a thief, plus one (W3).
    visiting: Cell<usize>,
    /// Jobs for this worker only that somebody waits for; once it is closed, for whoever sends them.
    pub(super) mail: Injector<JobRef<E>, E::Platform>,
    /// Jobs for this worker only that nobody waits for, so that no wait of its own lets them in.
    pub(super) notices: Injector<JobRef<E>, E::Platform>,
    pub(super) closed: AtomicBool,
    pub(super) parker: Line<Parker>,
    /// A worker (plus one) that sleeps for want of public halves here.
    helper: AtomicU32,
    /// Whether a guest holds it, or a thread started.
    pub(super) taken: AtomicBool,
    pub(super) counters: Line<Counters>,
}

// SAFETY: W1 for what is not atomic.
unsafe impl<E: Env> Sync for State<E> {}
// SAFETY: nothing of it is bound to the thread that made it.
unsafe impl<E: Env> Send for State<E> {}

/// The right to use the pool as one of its workers, on this thread, for `'w`.
pub struct Worker<'w, E: Env> {
    pub(super) state: &'w State<E>,
    /// Not `Send`, not `Sync` (W1).
    here: PhantomData<*mut ()>,
}

impl<E: Env> Clone for Worker<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<E: Env> Copy for Worker<'_, E> {}

impl<E: Env> fmt::Debug for Worker<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("index", &self.state.index)
            .finish_non_exhaustive()
    }
}

/// Something to do that came from a queue.
pub(super) enum Task<E: Env> {
    Spawned(JobRef<E>),
    Half { half: *const Half<E>, victim: usize },
}

impl<E: Env> State<E> {
    pub(super) fn new(
        index: usize,
        registry: *const Registry<E>,
        platform: &E::Platform,
        asymmetric: bool,
        lean: bool,
    ) -> Self {
        Self {
            stack: SplitStack::new(lean),
            eager: Cell::new(true),
            started_ns: Cell::new(0),
            trees: Cell::new(0),
            vain: Cell::new(0),
            looked_ns: Cell::new(0),
            dice: Cell::new(u32::try_from(index).unwrap_or(0).wrapping_mul(0x9E37_79B9) | 1),
            sighted: Cell::new((0, 0)),
            sights: Cell::new(0),
            index,
            registry,
            outer: Cell::new(core::ptr::null()),
            blocks: UnsafeCell::new(Blocks::new()),
            deque: BiasedDeque::with_capacity(64, asymmetric),
            displaces: Cell::new(false),
            visiting: Cell::new(0),
            mail: Injector::new(platform.clone()),
            notices: Injector::new(platform.clone()),
            closed: AtomicBool::new(false),
            parker: Line(Parker::new()),
            helper: AtomicU32::new(0),
            taken: AtomicBool::new(false),
            counters: Line(Counters::default()),
        }
    }

    #[inline(always)]
    pub(super) fn handle(&self) -> Worker<'_, E> {
        Worker {
            state: self,
            here: PhantomData,
        }
    }

    #[inline(always)]
    pub(super) fn registry(&self) -> &Registry<E> {
        // SAFETY: the registry owns its workers, so it outlives them.
        unsafe { &*self.registry }
    }

    #[inline(always)]
    pub(super) fn env(&self) -> &E {
        self.registry().env()
    }

    pub(super) fn platform(&self) -> &E::Platform {
        self.env().platform()
    }

    pub(super) fn with_blocks<R>(&self, f: impl FnOnce(&mut Blocks<E>) -> R) -> R {
        // SAFETY: W1, and f does not come back here: it pushes or pops one block.
        f(unsafe { &mut *self.blocks.get() })
    }

    pub(super) fn count(&self, counter: Counter) {
        self.counters.0.add(counter);
    }

    pub(super) fn trace(&self, event: Event) {
        self.registry().trace(self.index, event);
    }

    fn now_ns(&self) -> u64 {
        self.platform().now(ClockId::Monotonic).as_ns().max(1)
    }

    // Sharing.

    /// A thief asked, and there is a private half: makes the older ones public, and wakes a sleeper if that is worth it.
    #[cold]
    pub(super) fn share(&self) {
        let registry = self.registry();
        registry.env().preempt();
        // SAFETY: private halves are alive (J1) and this worker's.
        let public = self
            .stack
            .share(false, |half| unsafe { Half::prepare(half) });
        if !public {
            return;
        }
        if self.eager.get() {
            fence(Ordering::SeqCst);
            self.wake_for_halves();
            if self.started_ns.get() == 0 {
                let started = match registry.sleep.has_parked() {
                    true => self.now_ns(),
                    false => UNTIMED,
                };
                self.started_ns.set(started);
            }
        } else if self.started_ns.get() == 0 && registry.sleep.has_parked() {
            self.trees.set(self.trees.get().wrapping_add(1));
            if self.trees.get().is_multiple_of(SHORT_SAMPLE) {
                self.started_ns.set(self.now_ns());
            }
        }
    }

    /// After a publication and a fence: first whoever waits for a half that runs here, else one who has nothing to do.
    fn wake_for_halves(&self) {
        let registry = self.registry();
        // Who put itself there between the load and the swap is woken instead: it asked later.
        let helper = match self.helper.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.helper.swap(0, Ordering::AcqRel),
        };
        if helper != 0 {
            self.count(Counter::Wakes);
            registry.workers[helper as usize - 1]
                .parker
                .0
                .unpark(self.platform());
        } else if registry.notify(true) {
            self.count(Counter::Wakes);
        }
    }

    /// Whether a thread without work is awake; out of date at once.
    pub(super) fn has_searcher(&self) -> bool {
        self.registry().sleep.has_searcher()
    }

    /// What this worker shares next takes long enough to wake somebody for.
    pub(super) fn expect_long(&self) {
        self.eager.set(true);
    }

    /// A half came back from the public part unstolen, so none is public now.
    #[cold]
    pub(super) fn reclaimed(&self) {
        let idle = self.registry().sleep.has_idle() || self.helper.load(Ordering::Relaxed) != 0;
        if !idle {
            return;
        }
        self.stack.ask();
        let started = self.started_ns.get();
        if !self.eager.get() && started > UNTIMED && self.now_ns() - started > LONG_NS {
            self.eager.set(true);
        }
    }

    /// A tree ended, or nearly: learns whether trees here last.
    pub(super) fn end_tree(&self) {
        let started = self.started_ns.replace(0);
        if started > UNTIMED {
            self.eager
                .set(self.now_ns().saturating_sub(started) > LONG_NS);
        }
    }

    // Running.

    /// Runs what came from a queue.
    pub(super) fn run(&self, task: Task<E>) {
        self.count(Counter::Jobs);
        match task {
            // SAFETY: the task is out of its queue (J4).
            Task::Spawned(job) => unsafe { job.run(self) },
            Task::Half { half, victim } => {
                let (memo, below) = self.stack.begin(self.index, Kin::Descendant);
                let eager = self.eager.replace(true);
                // SAFETY: it was public, and its frame waits for the latch (J1, J2).
                let shared = unsafe { Half::shared(half) };
                shared.memo.store(memo.pack(), Ordering::Release);
                // SAFETY: this thief has it (J3).
                unsafe { ((*half).run)(half, self) };
                self.eager.set(eager);
                self.stack.end(below);
                self.env().preempt();
                let registry = self.registry();
                shared
                    .latch
                    .set_and_unpark(&registry.workers[victim].parker.0, self.platform());
            }
        }
    }

    /// Calls `f`, in which jobs run that are no descendants of what lies below.
    pub(super) fn among_strangers<R>(&self, f: impl FnOnce() -> R) -> R {
        let (_, below) = self.stack.begin(self.index, Kin::Stranger);
        let result = f();
        self.stack.end(below);
        result
    }

    pub(super) fn run_stranger(&self, task: Task<E>) {
        self.among_strangers(|| self.run(task));
    }

    /// Runs one task of any kind in the middle of another, if there is one.
    pub(super) fn run_any(&self) -> bool {
        let Some(task) = self.find(true) else {
            return false;
        };
        self.run_stranger(task);
        true
    }

    /// What this thread was first: a thread of its pool, whatever other pools it is a guest of by now, or a guest from outside.
    fn first(&self) -> &Self {
        let mut state = self;
        // SAFETY: a worker that this thread holds too, further out, and for longer.
        while let Some(outer) = unsafe { state.outer.get().as_ref() } {
            state = outer;
        }
        state
    }

    /// Runs what was sent to this thread alone: broadcasts, which every wait lets in, since whoever sent them waits for all. A thread
    /// that waits in another pool than its own does so too; else two pools that broadcast to each other would wait in a circle.
    pub(super) fn run_mail(&self) -> bool {
        let first = self.first();
        let Some(job) = first.mail.pop() else {
            return false;
        };
        let env = first.env();
        let current = env.current();
        env.set_current((&raw const *first).cast());
        first.run_stranger(Task::Spawned(job));
        env.set_current(current);
        true
    }

    /// Runs here what was sent to a thread that has ended, or is this one.
    pub(super) fn run_all(&self, queue: &Injector<JobRef<E>, E::Platform>) {
        while let Some(job) = queue.pop() {
            self.run_stranger(Task::Spawned(job));
        }
    }

    pub(super) fn has_mail(&self) -> bool {
        !self.first().mail.is_empty()
    }

    /// Sleeps in a wait, until unparked. Mail unparks the worker that it was sent to; a guest whose thread is another pool's looks for it
    /// now and then.
    pub(super) fn park(&self) {
        self.leave();
        let displaced = self.stand_aside();
        self.count(Counter::Parks);
        let elsewhere = !core::ptr::eq(self.first(), self);
        let until = elsewhere.then(|| {
            let now = self.platform().now(ClockId::Monotonic);
            now.saturating_add(MAIL_PERIOD)
        });
        self.parker.0.park(self.platform(), until);
        if displaced {
            self.displace();
        }
    }

    /// A guest begins to work, in the place of a thread of the pool.
    pub(super) fn displace(&self) {
        self.displaces.set(true);
        self.registry().sleep.guest_enters();
    }

    /// A guest that sleeps, blocks or leaves takes nobody's place. Whether it did.
    pub(super) fn stand_aside(&self) -> bool {
        let displaced = self.displaces.replace(false);
        if displaced {
            self.registry().sleep.guest_leaves();
        }
        displaced
    }

    /// Adds a spawned job, and sees to it that somebody runs it whatever this worker does next.
    pub(super) fn push(&self, job: JobRef<E>) {
        // SAFETY: W1.
        unsafe { self.deque.push(job) };
        self.registry().published_by_worker();
    }

    /// Becomes a thief at the victim's deque, until it is one elsewhere or [leaves](Self::leave).
    pub(super) fn visit(&self, victim: &Self) {
        if self.visiting.get() != victim.index + 1 {
            self.leave();
            // SAFETY: the registry's fence is one of all threads where its deques are asymmetric.
            unsafe { victim.deque.arrive(|| self.registry().fence_all()) };
            self.visiting.set(victim.index + 1);
        }
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn is_visiting(&self) -> bool {
        self.visiting.get() != 0
    }

    /// Is no thief any more: the other may do without fences.
    pub(super) fn leave(&self) {
        if let Some(index) = self.visiting.replace(0).checked_sub(1) {
            // SAFETY: it arrived there, and says so no longer.
            unsafe { self.registry().workers[index].deque.leave() };
        }
    }

    /// Makes every half public, before this worker blocks: it answers no thief meanwhile.
    pub(super) fn share_all(&self) {
        self.stack.withdraw();
        // SAFETY: private halves are alive (J1) and this worker's.
        self.stack
            .share(true, |half| unsafe { Half::prepare(half) });
        fence(Ordering::SeqCst);
    }

    // Finding.

    /// Something to do, for a worker that waits for nothing. Public halves are left to their owner for a moment, unless this is the
    /// `last` look for now.
    pub(super) fn find(&self, last: bool) -> Option<Task<E>> {
        let registry = self.registry();
        registry.env().preempt();
        self.mail
            .pop()
            .or_else(|| registry.urgent.pop())
            .or_else(|| self.notices.pop())
            .or_else(|| self.pop())
            .or_else(|| registry.injector.pop())
            .map(Task::Spawned)
            .or_else(|| self.steal(last))
    }

    /// The newest of this worker's own spawned jobs.
    #[inline(always)]
    pub(super) fn pop(&self) -> Option<JobRef<E>> {
        // SAFETY: W1.
        unsafe { self.deque.pop() }
    }

    fn steal(&self, last: bool) -> Option<Task<E>> {
        let workers = &self.registry().workers[..self.registry().used()];
        let start = self.roll() as usize % workers.len();
        // Halves are run by their owner if nobody comes; beside guests this thread may be one too many.
        let crowded = self.registry().sleep.is_crowded();
        for offset in 0..workers.len() {
            let index = (start + offset) % workers.len();
            if index == self.index {
                continue;
            }
            let victim = &workers[index];
            while !victim.deque.is_empty() {
                self.visit(victim);
                // SAFETY: this worker is a thief there.
                match unsafe { victim.deque.steal() } {
                    Steal::Success(job) => {
                        self.stole(index);
                        return Some(Task::Spawned(job));
                    }
                    Steal::Retry => {
                        self.count(Counter::FailedSteals);
                        self.env().relax();
                    }
                    Steal::Empty => break,
                }
            }
            if crowded || !(last || self.is_ripe(victim)) {
                continue;
            }
            match victim.stack.steal() {
                Stolen::Job(half) => {
                    self.stole(index);
                    return Some(Task::Half {
                        half,
                        victim: index,
                    });
                }
                Stolen::Lost => self.count(Counter::FailedSteals),
                Stolen::Nothing => {}
            }
        }
        None
    }

    /// Whether the victim's public halves are there for a while; also if there are none, since then it is to be asked for some.
    fn is_ripe(&self, victim: &Self) -> bool {
        let Some(sharing) = victim.stack.sight() else {
            return true;
        };
        let (whose, which) = self.sighted.get();
        if (whose, which) != (victim.index, sharing) {
            let other = &self.registry().workers[whose].stack;
            if whose != victim.index && other.sight() == Some(which) {
                // One at a time, or two that are shared again and again would never ripen.
                return false;
            }
            self.sighted.set((victim.index, sharing));
            self.sights.set(0);
        }
        self.sights.set(self.sights.get() + 1);
        self.sights.get() >= SIGHTS
    }

    fn stole(&self, victim: usize) {
        self.count(Counter::Steals);
        self.trace(Event::Steal { victim });
    }

    fn roll(&self) -> u32 {
        let mut x = self.dice.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.dice.set(x);
        x
    }

    // Waiting.

    /// Waits for a stolen half, helping with its descendants (W2).
    #[cold]
    pub(super) fn wait_for_half(&self, half: *const Half<E>) {
        // SAFETY: the half is this worker's and was public.
        let shared = unsafe { Half::shared(half) };
        let registry = self.registry();
        let mut spin = Spin::new(registry.spin_ns());
        loop {
            if shared.latch.is_set() {
                return;
            }
            let memo = Memo::unpack(shared.memo.load(Ordering::Acquire));
            if memo.is_some_and(|memo| self.help(memo, &shared.latch)) || self.run_mail() {
                spin = Spin::new(registry.spin_ns());
                continue;
            }
            if spin.turn(self.env(), || self.now_ns()) {
                continue;
            }
            // Sleep, until the half is done or its runner shares something.
            self.parker.0.prepare();
            if !shared.latch.announce_sleep() {
                self.parker.0.cancel();
                return;
            }
            if let Some(memo) = memo {
                let runner = &registry.workers[memo.worker];
                runner.helper.store(
                    u32::try_from(self.index + 1).unwrap_or(0),
                    Ordering::Relaxed,
                );
                runner.stack.ask();
            }
            fence(Ordering::SeqCst);
            if memo.is_some_and(|memo| self.help(memo, &shared.latch)) || self.has_mail() {
                self.parker.0.cancel();
                continue;
            }
            self.park();
        }
    }

    fn help(&self, memo: Memo, latch: &Latch) -> bool {
        let runner = &self.registry().workers[memo.worker];
        match runner.stack.steal_kin(memo, || !latch.is_set()) {
            Stolen::Job(half) => {
                self.stole(memo.worker);
                self.run(Task::Half {
                    half,
                    victim: memo.worker,
                });
                true
            }
            Stolen::Lost => {
                self.count(Counter::FailedSteals);
                self.env().relax();
                true
            }
            Stolen::Nothing => {
                runner.stack.ask();
                false
            }
        }
    }

    /// Moves a job that this worker took out of a deque to where all look. Whoever waits for the job's scope may have looked
    /// everywhere and gone to sleep while the job was on its way, so it looks once more.
    #[cold]
    pub(super) fn inject(&self, job: JobRef<E>) {
        let registry = self.registry();
        // SAFETY: the job is not done, so its scope waits for it.
        let home = unsafe { home_of::<E>(job.scope()) };
        registry.env().preempt();
        registry.injector.push(job);
        registry.published();
        if let Some(home) = home {
            registry.workers[home].parker.0.unpark(self.platform());
        }
    }

    /// Runs the jobs of `scope` that lie in this worker's own deque, newest first. Other jobs that lie above them go to the injector.
    /// Whether there was any.
    #[inline(always)]
    pub(super) fn run_own_of(&self, scope: *const ()) -> bool {
        let mut any = false;
        while let Some(job) = self.pop() {
            self.env().preempt();
            if job.scope() == scope {
                self.count(Counter::Jobs);
                // SAFETY: it is out of its queue (J4).
                unsafe { job.run(self) };
                any = true;
            } else {
                self.inject(job);
            }
        }
        any
    }

    /// A job of `scope`, from wherever jobs lie. Other jobs that lie above one in this worker's own deque go to the injector; those in
    /// the deques of others do so if this is the `last` look before a sleep.
    pub(super) fn find_of_scope(&self, scope: *const (), last: bool) -> Option<JobRef<E>> {
        let registry = self.registry();
        registry.env().preempt();
        while let Some(job) = self.pop() {
            if job.scope() == scope {
                return Some(job);
            }
            self.inject(job);
        }
        for queue in [&registry.urgent, &registry.injector] {
            if let Some(job) = queue.pop_if(|job| job.scope() == scope) {
                return Some(job);
            }
        }
        for (index, victim) in registry.workers[..registry.used()].iter().enumerate() {
            if index == self.index {
                continue;
            }
            let ours = |job: JobRef<E>| job.scope() == scope;
            let mut deep = last && victim.deque.holds(ours);
            while deep || victim.deque.offers(ours) {
                self.visit(victim);
                // SAFETY: this worker is a thief there.
                match unsafe { victim.deque.steal_if(|job| deep || ours(job)) } {
                    Steal::Success(job) if job.scope() == scope => {
                        self.stole(index);
                        return Some(job);
                    }
                    Steal::Success(job) => {
                        self.inject(job);
                        deep = victim.deque.holds(ours);
                    }
                    Steal::Retry => self.env().relax(),
                    Steal::Empty => break,
                }
            }
        }
        None
    }

    /// The life of a thread of the pool: works until the pool ends and nothing is left. With `until`, also ends once that says so
    /// and nothing was found.
    pub(super) fn work(&self, until: impl Fn() -> bool) {
        let registry = self.registry();
        let sleep = &registry.sleep;
        loop {
            while let Some(task) = self.find(false) {
                self.run(task);
                self.end_tree();
            }
            sleep.start_search();
            let mut spin = Spin::new(registry.search_ns());
            let found = loop {
                if let Some(task) = self.find(false) {
                    break Some(task);
                }
                if registry.is_ending() || until() {
                    break None;
                }
                if !sleep.is_crowded() && spin.turn(self.env(), || self.now_ns()) {
                    continue;
                }
                sleep.announce_park(self.index, &self.parker.0);
                registry.ask_all(self.index);
                registry.fence_all();
                if let Some(task) = self.find(true) {
                    sleep.cancel_park(self.index, &self.parker.0);
                    break Some(task);
                }
                if registry.is_ending() || until() {
                    sleep.cancel_park(self.index, &self.parker.0);
                    break None;
                }
                self.count(Counter::Parks);
                self.trace(Event::Park);
                self.leave();
                self.parker.0.park(self.platform(), None);
                // A late unpark of an earlier sleep leaves the bit set.
                sleep.cancel_park(self.index, &self.parker.0);
                self.trace(Event::Unpark);
                spin = Spin::new(registry.search_ns());
            };
            let last = sleep.end_search();
            let Some(task) = found else {
                // What was published since woke nobody, because this one counted as a searcher, or woke this one.
                fence(Ordering::SeqCst);
                if registry.has_work() && registry.notify(false) {
                    self.count(Counter::Wakes);
                }
                return;
            };
            if last && registry.notify_of_rest() {
                self.count(Counter::Wakes);
            }
            self.run(task);
            self.end_tree();
        }
    }
}

/// A waiting loop's patience.
pub(super) struct Spin {
    turns: u32,
    budget_ns: u64,
    until_ns: u64,
}

impl Spin {
    pub(super) fn new(budget_ns: u64) -> Self {
        Self {
            turns: 0,
            budget_ns,
            until_ns: 0,
        }
    }

    /// One turn; false once the budget is spent.
    pub(super) fn turn<E: Env>(&mut self, env: &E, now_ns: impl Fn() -> u64) -> bool {
        if self.budget_ns == 0 {
            return false;
        }
        env.relax();
        self.turns += 1;
        if !self.turns.is_multiple_of(TURNS) {
            return true;
        }
        let now = now_ns();
        if self.until_ns == 0 {
            self.until_ns = now + self.budget_ns;
        }
        now < self.until_ns
    }
}
