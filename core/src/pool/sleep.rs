//! Who is looking for work, who sleeps, and who is woken: see `README.md` for the protocol and its proof.
//!
//! # Invariants
//! - P1: `searching` counts workers that look for work, woken ones included from the moment in which a waker chose them.
//! - P2: a worker's bit is set from before its last look around until it, or one waker, clears it; whoever clears it moves the worker from
//!   `parked` to `searching`.
//! - P3: between setting its bit and its last look, and between publishing work and reading the counts, there is a sequentially
//!   consistent fence: one side sees the other. Where the sleeper has all threads pass one, a publisher that finds nobody idle has none.
//!
//! # Bounds
//! A publication wakes at most one worker, and none while one is searching; that one wakes the next if it finds work and more is left.
#![forbid(unsafe_code)]

use super::split::Line;
use crate::platform::{Instant, Park, Woken};
use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};
use alloc::boxed::Box;

const AWAKE: u32 = 0;
const PARKED: u32 = 1;

/// A worker's own word to sleep on.
#[derive(Debug)]
pub(super) struct Parker(AtomicU32);

impl Parker {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(AWAKE))
    }

    /// Owner: from now on an [`unpark`](Self::unpark) ends the next [`park`](Self::park), even if it comes first. A read-modify-write, so that it and
    /// each `unpark` have an order: either that finds `PARKED`, or the owner, in what it looks at after this, sees what came before that.
    /// A store could still lie in the processor's buffer when the owner looks.
    pub(super) fn prepare(&self) {
        self.0.swap(PARKED, Ordering::AcqRel);
    }

    /// Owner: will not sleep after all.
    pub(super) fn cancel(&self) {
        self.0.store(AWAKE, Ordering::Relaxed);
    }

    /// Owner: sleeps until unparked, or until then.
    pub(super) fn park<P: Park>(&self, platform: &P, until: Option<Instant>) {
        while self.0.load(Ordering::Acquire) == PARKED {
            if platform.wait(&self.0, PARKED, until) == Woken::TimedOut {
                self.cancel();
            }
        }
    }

    /// Anyone: wakes the owner. May come late and then ends a later sleep for no reason.
    pub(super) fn unpark<P: Park>(&self, platform: &P) {
        if self.0.swap(AWAKE, Ordering::AcqRel) == PARKED {
            platform.wake(&raw const self.0, 1);
        }
    }
}

/// The pool's counts.
#[derive(Debug)]
pub(super) struct Sleep {
    searching: Line<AtomicU32>,
    parked: Line<AtomicU32>,
    /// Threads from outside that work in the pool now: each takes the place of a thread of the pool, while there are such.
    guests: Line<AtomicU32>,
    threads: u32,
    /// Threads of the pool that are mostly elsewhere, whose places guests take first.
    absent: u32,
    bits: Box<[AtomicUsize]>,
}

const WORD: usize = usize::BITS as usize;

impl Sleep {
    pub(super) fn new(workers: usize, threads: usize, absent: u32) -> Self {
        Self {
            searching: Line(AtomicU32::new(0)),
            parked: Line(AtomicU32::new(0)),
            guests: Line(AtomicU32::new(0)),
            threads: u32::try_from(threads).unwrap_or(u32::MAX),
            absent,
            bits: (0..workers.div_ceil(WORD))
                .map(|_| AtomicUsize::new(0))
                .collect(),
        }
    }

    /// Whether somebody sleeps; out of date at once.
    pub(super) fn has_parked(&self) -> bool {
        self.parked.0.load(Ordering::Relaxed) > self.guests()
    }

    /// Places of the pool's threads that guests have taken.
    fn guests(&self) -> u32 {
        let guests = self.guests.0.load(Ordering::Relaxed);
        guests.saturating_sub(self.absent).min(self.threads)
    }

    /// Whether somebody is searching or sleeps.
    pub(super) fn has_idle(&self) -> bool {
        self.has_searcher() || self.has_parked()
    }

    /// Whether somebody is searching, or on the way.
    pub(super) fn has_searcher(&self) -> bool {
        self.searching.0.load(Ordering::Relaxed) != 0
    }

    /// Whether more threads are awake than the pool was built for, since guests came in. Spawned jobs must be run all the same.
    pub(super) fn is_crowded(&self) -> bool {
        let guests = self.guests();
        guests != 0 && self.parked.0.load(Ordering::Relaxed) < guests
    }

    /// Whether nobody searches and nobody sleeps for want of work.
    pub(super) fn is_all_busy(&self) -> bool {
        self.counts() == (0, 0)
    }

    pub(super) fn counts(&self) -> (u32, u32) {
        (
            self.searching.0.load(Ordering::Relaxed),
            self.parked.0.load(Ordering::Relaxed),
        )
    }

    pub(super) fn guest_enters(&self) {
        self.guests.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn guest_leaves(&self) {
        self.guests.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn start_search(&self) {
        self.searching.0.fetch_add(1, Ordering::SeqCst);
    }

    /// The searcher found something. True if no other is searching; then it has passed a fence, and is to look for more: whoever published
    /// while it counted woke nobody, and either sees now that none searches, or is seen.
    pub(super) fn end_search(&self) -> bool {
        let last = self.searching.0.fetch_sub(1, Ordering::SeqCst) == 1;
        if last {
            fence(Ordering::SeqCst);
        }
        last
    }

    /// A searcher gives up. It has to look once more after this, and then either park or [`cancel_park`](Self::cancel_park).
    pub(super) fn announce_park(&self, worker: usize, parker: &Parker) {
        parker.prepare();
        self.bits[worker / WORD].fetch_or(1 << (worker % WORD), Ordering::SeqCst);
        self.parked.0.fetch_add(1, Ordering::SeqCst);
        self.searching.0.fetch_sub(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// The last look found something: the worker is a searcher again.
    pub(super) fn cancel_park(&self, worker: usize, parker: &Parker) {
        // If a waker came first, it did the counting.
        self.claim(worker);
        parker.cancel();
    }

    /// Clears the worker's bit; true if it was set (P2).
    fn claim(&self, worker: usize) -> bool {
        let bit = 1 << (worker % WORD);
        if self.bits[worker / WORD].fetch_and(!bit, Ordering::SeqCst) & bit == 0 {
            return false;
        }
        self.searching.0.fetch_add(1, Ordering::SeqCst);
        self.parked.0.fetch_sub(1, Ordering::SeqCst);
        true
    }

    /// Work was published and a fence passed: wakes one if none is searching and one more may run.
    pub(super) fn notify<'a, P: Park>(
        &self,
        parker: impl Fn(usize) -> &'a Parker,
        platform: &P,
        spare_guests: bool,
    ) -> bool {
        if self.searching.0.load(Ordering::SeqCst) != 0 {
            return false;
        }
        let guests = if spare_guests { self.guests() } else { 0 };
        self.parked.0.load(Ordering::SeqCst) > guests && self.wake_one(parker, platform)
    }

    /// Wakes one sleeper if there is any.
    pub(super) fn wake_one<'a, P: Park>(
        &self,
        parker: impl Fn(usize) -> &'a Parker,
        platform: &P,
    ) -> bool {
        for (index, word) in self.bits.iter().enumerate() {
            loop {
                let bits = word.load(Ordering::SeqCst);
                if bits == 0 {
                    break;
                }
                let worker = index * WORD + bits.trailing_zeros() as usize;
                if self.claim(worker) {
                    parker(worker).unpark(platform);
                    return true;
                }
            }
        }
        false
    }

    /// Wakes a certain worker if it sleeps for want of work.
    pub(super) fn wake<P: Park>(&self, worker: usize, parker: &Parker, platform: &P) {
        if self.claim(worker) {
            parker.unpark(platform);
        }
    }
}
