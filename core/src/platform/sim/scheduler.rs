//! Threads as scheduled steps: one baton, handed from thread to thread by seeded dice.
//!
//! ```text
//!             spawn                    wait, join, ring wait
//!   (host) ----------> [runnable] <-------------------------> [waiting]
//!                       |  ^  \            wake, deadline
//!          picked by    |  |   \
//!          the dice     v  |    \ entry and exit hooks returned
//!                     [current] ------> [ended]       (machine off, too many calls: [frozen])
//! ```
//!
//! Exactly one thread runs at any moment; all others wait for the host to wake them on a word of their own. Every call
//! of the seam that others could notice is a point where the dice may hand the baton on, so a schedule is a sequence of
//! draws and the seed replays it. Code between two calls runs as one step: what only a processor can reorder is loom's
//! business. A thread that spins without ever calling the seam (say, [`yield_now`](crate::platform::Threads::yield_now)) keeps
//! the baton and hangs the simulation.
//!
//! # When the machine is off
//!
//! A `no_std` simulator cannot unwind a stack, so threads of a machine that lost power go on, each call failing with `PowerLost`
//! and each wait returning `Woken` at once, until they have ended on their own. A thread that still goes on
//! after [`LINGER_CALLS_MAX`] calls is frozen: it never runs again, joins of it return, and its host thread sleeps until the
//! process ends. The first thread cannot be frozen; after [`MAIN_LINGER_CALLS_MAX`] calls it panics.
//!
//! # Invariants
//! I1: the thread that holds the baton is `current`, and it alone touches the state.
//! I2: `current` is runnable except between choosing to wait and handing over.
//! I3: the first thread never ends and is never frozen.
#![forbid(unsafe_code)]

use super::Sim;
use super::machine::{Guard, Power, State};
use super::rng::Rng;
use super::slot::SlotValues;
use super::trace::What;
use crate::platform::{Instant, Woken};
use crate::sync::atomic::{AtomicU32, Ordering};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;

/// Names a simulated thread; its [`thread_id`](crate::platform::Threads::thread_id).
pub(super) type ThreadId = u64;

/// The thread that made the machine.
pub(super) const MAIN: ThreadId = 1;

/// Calls that a thread may make on a machine that is off: enough to wind up, few enough that a loop ends soon.
pub const LINGER_CALLS_MAX: u64 = 2_000;

/// The same for the first thread, which often runs a test's loop over calls that fail.
pub const MAIN_LINGER_CALLS_MAX: u64 = 1_000_000;

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// A word, by address. Compared for equality only: addresses differ from run to run.
    Word(usize),
    /// The end of a thread.
    End(ThreadId),
    /// Completions of the ring with this number.
    Ring(u64),
}

/// Where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Runnable,
    Waiting { on: On, until_ns: Option<u64> },
    Ended,
    Frozen,
}

/// One thread.
#[derive(Debug)]
struct Thread {
    phase: Phase,
    /// Why it became runnable.
    woken: Woken,
    /// 1 when the baton is its.
    baton: Arc<AtomicU32>,
    name: String,
    slots: SlotValues,
    cpu_ns: u64,
    detached: bool,
    linger_calls: u64,
}

impl Thread {
    fn new(name: String) -> Self {
        Self {
            phase: Phase::Runnable,
            woken: Woken::Woken,
            baton: Arc::new(AtomicU32::new(0)),
            name,
            slots: SlotValues::default(),
            cpu_ns: 0,
            detached: false,
            linger_calls: 0,
        }
    }
}

/// All threads of a machine.
#[derive(Debug)]
pub(super) struct Scheduler {
    threads: BTreeMap<ThreadId, Thread>,
    current: ThreadId,
    next_id: ThreadId,
    switch_ppm: u32,
    rng: Rng,
}

impl Scheduler {
    pub(super) fn new(switch_ppm: u32, rng: Rng) -> Self {
        Self {
            threads: BTreeMap::from([(MAIN, Thread::new(String::from("main")))]),
            current: MAIN,
            next_id: MAIN + 1,
            switch_ppm,
            rng,
        }
    }

    pub(super) fn current(&self) -> ThreadId {
        self.current
    }

    fn thread(&mut self) -> &mut Thread {
        self.threads
            .get_mut(&self.current)
            .expect("I1: the current thread is there")
    }

    pub(super) fn cpu_ns(&mut self) -> u64 {
        self.thread().cpu_ns
    }

    pub(super) fn slots(&mut self) -> &mut SlotValues {
        &mut self.thread().slots
    }

    pub(super) fn set_name(&mut self, name: &str) {
        self.thread().name = String::from(name);
    }

    pub(super) fn charge(&mut self, ns: u64) {
        self.thread().cpu_ns += ns;
    }

    /// Threads besides the first that have not ended.
    pub(super) fn others(&self) -> usize {
        let live = |t: &&Thread| t.phase != Phase::Ended;
        self.threads.values().filter(live).count() - 1
    }

    /// Adds a thread that can run.
    pub(super) fn add(&mut self, name: String) -> (ThreadId, Arc<AtomicU32>) {
        let id = self.next_id;
        self.next_id += 1;
        let thread = Thread::new(name);
        let baton = Arc::clone(&thread.baton);
        self.threads.insert(id, thread);
        (id, baton)
    }

    /// Takes back a thread that the host could not start, or forgets one that was joined.
    pub(super) fn remove(&mut self, id: ThreadId) {
        self.threads.remove(&id);
    }

    pub(super) fn detach(&mut self, id: ThreadId) {
        match self.threads.get_mut(&id) {
            Some(thread) if thread.phase == Phase::Ended => self.remove(id),
            Some(thread) => thread.detached = true,
            None => {}
        }
    }

    /// Whether the thread will never run again.
    pub(super) fn is_over(&self, id: ThreadId) -> bool {
        let phase = self.threads.get(&id).map(|thread| thread.phase);
        matches!(phase, None | Some(Phase::Ended | Phase::Frozen))
    }

    pub(super) fn is_frozen(&self, id: ThreadId) -> bool {
        let phase = self.threads.get(&id).map(|thread| thread.phase);
        phase == Some(Phase::Frozen)
    }

    fn ready(thread: &mut Thread, woken: Woken) {
        thread.phase = Phase::Runnable;
        thread.woken = woken;
    }

    /// Wakes every thread that waits for `on`, up to `count` of them in a random order; returns how many.
    pub(super) fn wake(&mut self, on: On, count: u32) -> u32 {
        let waits = |t: &Thread| matches!(t.phase, Phase::Waiting { on: this, .. } if this == on);
        let mut waiting: Vec<ThreadId> = self
            .threads
            .iter()
            .filter_map(|(id, thread)| waits(thread).then_some(*id))
            .collect();
        if waiting.len() > count as usize {
            self.rng.shuffle(&mut waiting);
            waiting.truncate(count as usize);
        }
        for id in &waiting {
            if let Some(thread) = self.threads.get_mut(id) {
                Self::ready(thread, Woken::Woken);
            }
        }
        u32::try_from(waiting.len()).unwrap_or(u32::MAX)
    }

    /// Wakes everybody who waits for a ring: something changed on the network.
    pub(super) fn wake_rings(&mut self) {
        for thread in self.threads.values_mut() {
            if matches!(
                thread.phase,
                Phase::Waiting {
                    on: On::Ring(_),
                    ..
                }
            ) {
                Self::ready(thread, Woken::Woken);
            }
        }
    }

    pub(super) fn wake_all(&mut self) {
        for thread in self.threads.values_mut() {
            if matches!(thread.phase, Phase::Waiting { .. }) {
                Self::ready(thread, Woken::Woken);
            }
        }
    }

    /// Wakes those whose deadline has come.
    pub(super) fn expire(&mut self, now_ns: u64) {
        for thread in self.threads.values_mut() {
            if let Phase::Waiting {
                until_ns: Some(until),
                ..
            } = thread.phase
                && until <= now_ns
            {
                Self::ready(thread, Woken::TimedOut);
            }
        }
    }

    pub(super) fn next_deadline(&self) -> Option<u64> {
        let deadline = |t: &Thread| match t.phase {
            Phase::Waiting { until_ns, .. } => until_ns,
            _ => None,
        };
        self.threads.values().filter_map(deadline).min()
    }

    /// A random thread that can run.
    fn pick(&mut self) -> Option<ThreadId> {
        let runnable: Vec<ThreadId> = self
            .threads
            .iter()
            .filter_map(|(id, thread)| (thread.phase == Phase::Runnable).then_some(*id))
            .collect();
        runnable.get(self.rng.index(runnable.len())).copied()
    }

    /// What every thread waits for, one line each.
    pub(super) fn describe(&self, out: &mut dyn Write) -> core::fmt::Result {
        for (id, thread) in &self.threads {
            write!(out, "  thread {id} ({:?}): ", thread.name)?;
            match thread.phase {
                Phase::Runnable => out.write_str("can run")?,
                Phase::Ended => out.write_str("ended, not joined")?,
                Phase::Frozen => out.write_str("frozen")?,
                Phase::Waiting { on, until_ns } => {
                    match on {
                        On::Word(_) => out.write_str("waits on a word")?,
                        On::End(id) => write!(out, "waits for the end of thread {id}")?,
                        On::Ring(ring) => write!(out, "waits for completions of ring {ring}")?,
                    }
                    if let Some(until_ns) = until_ns {
                        write!(out, " until {until_ns} ns")?;
                    }
                }
            }
            out.write_char('\n')?;
        }
        Ok(())
    }
}

impl State {
    /// Who runs next. If nobody can, time jumps; if nothing will happen either, it is a deadlock, which the first thread
    /// gets to say.
    fn choose(&mut self) -> ThreadId {
        loop {
            if let Some(next) = self.scheduler.pick() {
                return next;
            }
            if !self.idle() {
                let mut waits = String::new();
                // Writing to a string cannot fail.
                let _ = self.scheduler.describe(&mut waits);
                self.deadlock = Some(waits);
                self.kill(What::Deadlock);
                return MAIN;
            }
        }
    }
}

impl Sim {
    /// Waits for the baton.
    pub(super) fn take_baton(&self, baton: &AtomicU32) {
        while baton.swap(0, Ordering::Acquire) == 0 {
            if let Some(host) = &self.0.host {
                host.host_wait(baton, 0);
            }
        }
    }

    fn give_baton(&self, baton: &AtomicU32) {
        baton.store(1, Ordering::Release);
        if let Some(host) = &self.0.host {
            host.host_wake(baton);
        }
    }

    /// Makes `next` the current thread and returns the baton to give it.
    fn appoint(state: &mut State, next: ThreadId) -> Arc<AtomicU32> {
        state.event(What::Switch, [next, 0]);
        state.scheduler.current = next;
        Arc::clone(&state.scheduler.thread().baton)
    }

    /// Lets `next` run, and returns when this thread's turn has come again.
    fn hand_over<'a>(&'a self, mut state: Guard<'a>, next: ThreadId) -> Guard<'a> {
        if next == state.scheduler.current {
            return state;
        }
        let mine = Arc::clone(&state.scheduler.thread().baton);
        let theirs = Self::appoint(&mut state, next);
        drop(state);
        self.give_baton(&theirs);
        self.take_baton(&mine);
        self.state()
    }

    /// A scheduling point: the dice may give the baton to somebody else.
    pub(super) fn preempt<'a>(&'a self, mut state: Guard<'a>) -> Guard<'a> {
        let scheduler = &mut state.scheduler;
        if scheduler.threads.len() > 1 && scheduler.rng.chance(scheduler.switch_ppm) {
            return self.yield_to_any(state);
        }
        state
    }

    /// Gives the baton to any thread that can run, perhaps this one.
    pub(super) fn yield_to_any<'a>(&'a self, mut state: Guard<'a>) -> Guard<'a> {
        match state.scheduler.pick() {
            Some(next) => self.hand_over(state, next),
            None => state,
        }
    }

    /// Waits. On a machine that is off it only lets others run.
    pub(super) fn block<'a>(
        &'a self,
        mut state: Guard<'a>,
        on: On,
        until: Option<Instant>,
    ) -> (Guard<'a>, Woken) {
        if state.power != Power::On {
            return (self.yield_to_any(state), Woken::Woken);
        }
        let me = state.scheduler.current;
        state.scheduler.thread().phase = Phase::Waiting {
            on,
            until_ns: until.filter(|at| *at != Instant::MAX).map(Instant::as_ns),
        };
        let next = state.choose();
        state = self.hand_over(state, next);
        if me == MAIN
            && let Some(waits) = state.deadlock.take()
        {
            drop(state);
            self.fail(format_args!(
                "deadlock: nobody can run and no deadline is near\n{waits}"
            ));
        }
        let woken = state.scheduler.thread().woken;
        (state, woken)
    }

    /// Counts a call on a machine that is off, and ends threads that do not notice.
    pub(super) fn linger<'a>(&'a self, mut state: Guard<'a>) -> Guard<'a> {
        let me = state.scheduler.current;
        let thread = state.scheduler.thread();
        thread.linger_calls += 1;
        if me == MAIN {
            if thread.linger_calls > MAIN_LINGER_CALLS_MAX {
                // Start anew, for the calls that unwinding makes.
                thread.linger_calls = 0;
                drop(state);
                self.fail(format_args!(
                    "the program goes on although the machine is off"
                ));
            }
            return state;
        }
        if thread.linger_calls > LINGER_CALLS_MAX {
            thread.phase = Phase::Frozen;
            let next = state.choose();
            let never = Arc::clone(&state.scheduler.thread().baton);
            let theirs = Self::appoint(&mut state, next);
            drop(state);
            self.give_baton(&theirs);
            loop {
                // Nobody picks a frozen thread, so this word stays 0.
                self.take_baton(&never);
            }
        }
        state
    }

    /// The current thread has ended: gives the baton away for good.
    pub(super) fn end_thread(&self) {
        let mut state = self.state();
        let me = state.scheduler.current;
        state.event(What::End, [0, 0]);
        let thread = state.scheduler.thread();
        thread.phase = Phase::Ended;
        let detached = thread.detached;
        state.scheduler.wake(On::End(me), u32::MAX);
        let next = state.choose();
        let theirs = Self::appoint(&mut state, next);
        if detached {
            state.scheduler.remove(me);
        }
        drop(state);
        self.give_baton(&theirs);
    }

    /// Lets the threads of a machine that is off run until each has ended or is frozen.
    pub(super) fn wind_up(&self) {
        let mut state = self.state();
        let me = state.scheduler.current;
        loop {
            let next = state
                .scheduler
                .threads
                .iter()
                .find(|(id, thread)| **id != me && thread.phase == Phase::Runnable)
                .map(|(id, _)| *id);
            match next {
                Some(next) => state = self.hand_over(state, next),
                None => return,
            }
        }
    }
}
