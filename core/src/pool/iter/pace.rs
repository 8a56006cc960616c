//! How long the blocks of a loop are.
//!
//! Blocks grow until one takes long enough to be timed without showing; from then on they are as long as [`BLOCK_NS`] at the price of an
//! item. Where somebody waits, the clock is looked at earlier, and says whether what is left is worth sharing.
#![forbid(unsafe_code)]

use crate::platform::{Clock, ClockId};
use crate::pool::{Env, Worker};

/// A block should take about this long: far more than a look at the clock, far less than a person or a packet notices.
const BLOCK_NS: u64 = 10_000;

/// What is left is worth sharing from here on: what a thief's first look at it costs, several times over.
const SHARE_NS: u64 = 5_000;

/// What is left is worth waking somebody from here on. Otherwise a half is shared with those who are awake, and a loop that forks once
/// and then runs for long would have nobody to share with.
const WAKE_NS: u64 = 50_000;

/// A block of less says little about the price: looking at the clock takes a part of it.
const SURE_NS: u64 = 1_000;

/// What is left is run in one piece from here on, whoever waits: it is a few looks at the clock.
const REST_NS: u64 = 250;

/// Blocks grow by this factor until they are long enough.
const GROWTH: usize = 16;

/// Items of a block that is timed where the one before took some microseconds at most.
const PROBE: usize = 64;

/// Blocks begin at multiples of this, so that those of an array that begins at an address that vectors like do so too. From a place
/// between, a sum of numbers that are not in the first-level cache takes 1.4 times as long.
const GRAIN: usize = 16;

/// Blocks that nobody timed are at most one in so many of their loop's, so that whoever comes late finds something to share.
const UNTIMED: usize = 4;

/// The block from which on a loop is timed that nobody has asked for, and one that was shared.
const ALONE: usize = 1 << 12;
const SHARED: usize = 1 << 6;

/// Items of a block at most, so that requests are seen.
const BLOCK_MAX: usize = 1 << 16;

/// So many loops in a row that were split at their start for a thief who did not come in time: those that follow are timed first.
const VAIN: u32 = 8;

/// Of the loops that follow, one in so many is split at its start all the same, while a thief is awake.
const TRIAL: u32 = 8;

/// Loops of fewer items are always split for a thief that is awake: one item may be all the work of a thread.
const FEW: usize = 8;

/// What is known about a part when it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// Whether it may be split at once if somebody asks: it was not just split.
    fresh: bool,
    /// Whether it is a loop that nobody has asked for yet.
    alone: bool,
    /// What an item took lately, in ps; 0 if that is not known.
    price: u64,
}

impl Start {
    /// A loop begins.
    pub(super) const WHOLE: Self = Self {
        fresh: true,
        alone: true,
        price: 0,
    };

    /// Half of a part that is split, which a thief has or not.
    pub(super) const fn half(self, stolen: bool) -> Self {
        Self {
            fresh: stolen,
            alone: false,
            price: self.price,
        }
    }

    /// Whether the part is to be split before its first block.
    #[inline]
    pub(super) fn splits<E: Env>(self, worker: Worker<'_, E>, min: usize, weight: usize) -> bool {
        self.fresh && worker.is_wanted() && weight / 2 >= min && !self.in_vain(worker, weight)
    }

    /// Whether thieves did not come in time lately.
    fn in_vain<E: Env>(self, worker: Worker<'_, E>, weight: usize) -> bool {
        let vain = worker.state.vain.get();
        if !self.alone || vain < VAIN {
            return false;
        }
        // Those who sleep come only when they are woken, which takes more than a tree that is short: the clock says whether this one is.
        if worker.state.has_searcher() && (weight < FEW || vain.is_multiple_of(TRIAL)) {
            return false;
        }
        worker.state.vain.set(vain.wrapping_add(1));
        true
    }

    /// Both halves are done, one of them by a thief or not.
    pub(super) fn learn<E: Env>(self, worker: Worker<'_, E>, stolen: bool) {
        let vain = &worker.state.vain;
        if stolen {
            vain.set(0);
        } else if self.alone {
            vain.set(vain.get().wrapping_add(1));
        }
    }
}

/// Where to split so many items in two.
pub(super) fn middle(min: usize, weight: usize) -> usize {
    let middle = weight / 2;
    let even = middle / GRAIN * GRAIN;
    if even > min { even } else { middle }
}

/// The blocks of one part.
#[derive(Debug)]
pub(super) struct Pace {
    /// The next one's items.
    pub(super) block: usize,
    price: u64,
    alone: bool,
    min: usize,
    untimed_max: usize,
    /// When the last block ended, in ns; 0 before the first look.
    since: u64,
    /// Whether that was in the loop before this one.
    before: bool,
}

impl Pace {
    /// Of a part of this weight that was not [split](Start::splits) at its start.
    #[inline]
    pub(super) fn new<E: Env>(
        worker: Worker<'_, E>,
        start: Start,
        min: usize,
        weight: usize,
    ) -> Self {
        let mut pace = Self {
            block: (weight / UNTIMED).clamp(1, GRAIN).max(min),
            price: start.price,
            alone: start.alone,
            min,
            untimed_max: (weight / UNTIMED)
                .max(min)
                .checked_next_multiple_of(GRAIN)
                .unwrap_or(usize::MAX),
            since: 0,
            before: false,
        };
        if start.price != 0 {
            pace.block = pace.enough();
        } else if start.alone && worker.is_wanted() {
            pace.since = worker.state.looked_ns.get();
            pace.before = true;
        }
        pace
    }

    /// What is known about a part that comes next.
    pub(super) fn start(&self) -> Start {
        Start {
            fresh: false,
            alone: self.alone,
            price: self.price,
        }
    }

    /// As many items as a block should have at this price.
    fn enough(&self) -> usize {
        let count = BLOCK_NS * 1_000 / self.price.max(1);
        usize::try_from(count)
            .unwrap_or(BLOCK_MAX)
            .clamp(1, BLOCK_MAX)
            .max(self.min)
    }

    /// A block of `taken` items is done and `weight` is left: sets the next one. True if what is left should be split instead.
    #[inline]
    pub(super) fn turn<E: Env>(
        &mut self,
        worker: Worker<'_, E>,
        taken: usize,
        weight: usize,
    ) -> bool {
        let wanted = worker.is_wanted();
        if self.since == 0 && self.price == 0 {
            let timed_from = if self.alone { ALONE } else { SHARED };
            let next = self.block.saturating_mul(GROWTH).min(self.untimed_max);
            // What cannot be split need not be timed.
            let whole = if wanted {
                weight / 2 < self.min
            } else {
                next >= weight || self.block < timed_from
            };
            if whole {
                self.block = next;
                return false;
            }
        }
        self.look(worker, wanted, taken, weight)
    }

    #[cold]
    #[inline(never)]
    fn look<E: Env>(
        &mut self,
        worker: Worker<'_, E>,
        wanted: bool,
        taken: usize,
        weight: usize,
    ) -> bool {
        let state = worker.state;
        let now = state.platform().now(ClockId::Monotonic).as_ns().max(1);
        state.looked_ns.set(now);
        let before = core::mem::replace(&mut self.since, now);
        let took = match before {
            0 => BLOCK_NS,
            _ => now.saturating_sub(before),
        };
        if core::mem::take(&mut self.before) {
            // The time since the loop before looked, which bounds that of this block.
            if took <= REST_NS {
                // So short a loop was that one, too. What is left of this one is run in one piece if it is as short; else the block is
                // timed, since items to come may be heavier than these.
                self.block = self.block.saturating_mul(GROWTH);
                return false;
            }
            if took > SURE_NS {
                // The next block is timed. After so long a time the price of another look does not show.
                let next = if took > SHARE_NS { 1 } else { PROBE };
                self.block = next.max(self.min);
                return false;
            }
        } else if self.price == 0 && before == 0 {
            // The next block is timed, a short one if somebody waits.
            let next = match wanted {
                true => 1,
                false => self.block.saturating_mul(GROWTH).min(BLOCK_MAX),
            };
            self.block = next.max(self.min);
            return false;
        }
        if before != 0 {
            self.price = (took.saturating_mul(1_000) / taken as u64).max(1);
        }
        let left_ns = self.price.saturating_mul(weight as u64) / 1_000;
        if wanted && took >= SURE_NS && left_ns > SHARE_NS && weight / 2 >= self.min {
            if left_ns > WAKE_NS {
                state.expect_long();
            }
            return true;
        }
        let mut next = self.enough().min(self.block.saturating_mul(GROWTH));
        if wanted {
            next = match left_ns {
                // Half of it, in case that its other half has the work.
                REST_NS..=SHARE_NS => weight / 2,
                _ => next,
            };
        }
        self.block = match next {
            0..GRAIN => next.max(1),
            _ => next.next_multiple_of(GRAIN),
        }
        .max(self.min);
        false
    }
}
