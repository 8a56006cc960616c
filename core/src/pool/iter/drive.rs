//! How a parallel iterator is run: in blocks, here, until somebody asks for work.
//!
//! ```text
//!   asked at the start (or stolen): split in two at once, join
//!   else: block, block, block ... each some 10 us once the price of an item is known
//!           between blocks: asked, and what is left is worth it? -> split what is left in two, join
//! ```
//!
//! So a loop that nobody helps with runs as sequential code does, and one with few heavy items is shared before the first of them
//! is done. Nothing needs tuning. The clock is read after a block, but for the first one: not at all in a loop of few items.
//!
//! A source may be [stopped](super::Until) while it runs: then it weighs nothing, which is looked at after each block.
#![forbid(unsafe_code)]

use super::source::Source;
use crate::platform::{Clock, ClockId};
use crate::pool::{Env, Worker};

/// A block should take about this long: far more than a look at the clock, far less than a person or a packet notices.
const BLOCK_NS: u64 = 10_000;

/// What is left is worth sharing from here on: what a thief's first look at it costs, several times over.
const SHARE_NS: u64 = 5_000;

/// What is left is worth waking somebody from here on. Otherwise a half is shared with those who are awake, and a loop that forks once
/// and then runs for long would have nobody to share with.
const WAKE_NS: u64 = 50_000;

/// Blocks grow by this factor until they are long enough.
const GROWTH: usize = 8;

/// Items of a block at most, so that requests are seen.
const BLOCK_MAX: usize = 1 << 16;

/// What is done with the items.
pub trait Consumer<T>: Sync {
    /// What it makes of some neighbouring items.
    type Acc: Send;

    /// Of none.
    fn start(&self) -> Self::Acc;

    /// Of more items after those of `acc`; `offset` is the position of the first, in the source's weights.
    fn eat(&self, acc: Self::Acc, offset: usize, items: impl Iterator<Item = T>) -> Self::Acc;

    /// Of two neighbours, in order.
    fn merge(&self, left: Self::Acc, right: Self::Acc) -> Self::Acc;

    /// Whether items at `offset` and after it need not be looked at any more.
    fn is_done(&self, _offset: usize) -> bool {
        false
    }

    /// Whether `acc` stays as it is, whatever comes after it.
    fn is_full(&self, _acc: &Self::Acc) -> bool {
        false
    }
}

/// Runs `source` through `consumer`.
pub fn drive<E, S, C>(worker: Worker<'_, E>, source: S, consumer: &C) -> C::Acc
where
    E: Env,
    S: Source,
    C: Consumer<S::Item>,
{
    let (mut source, mut offset, mut acc) = (source, 0, consumer.start());
    if source.weight() == 0 {
        // Folds have a result of nothing, too.
        return consumer.eat(acc, 0, source.into_seq());
    }
    loop {
        let first = source.limits().first;
        if first >= source.weight() {
            return run(worker, source, consumer, offset, true, acc);
        }
        let (front, rest) = source.split_at(first);
        let (taken, span) = (front.weight(), front.span());
        acc = run(worker, front, consumer, offset, true, acc);
        offset = offset.saturating_add(span);
        if taken == 0 {
            return acc;
        }
        source = rest;
    }
}

fn run<E, S, C>(
    worker: Worker<'_, E>,
    mut source: S,
    consumer: &C,
    mut offset: usize,
    fresh: bool,
    mut acc: C::Acc,
) -> C::Acc
where
    E: Env,
    S: Source,
    C: Consumer<S::Item>,
{
    // Before each split, too: a find must stop a tree that has none but the smallest parts.
    if consumer.is_done(offset) || consumer.is_full(&acc) {
        return acc;
    }
    let mut weight = source.weight();
    let limits = source.limits();
    let (min, max) = (limits.min.max(1), limits.max.max(1));
    let block_max = BLOCK_MAX.max(min);
    if weight > max || (fresh && worker.is_wanted() && weight / 2 >= min) {
        return fork(worker, source, consumer, offset, acc);
    }
    let mut block = min;
    let mut since: Option<u64> = None;
    while weight > 0 {
        if consumer.is_done(offset) || consumer.is_full(&acc) {
            return acc;
        }
        if block >= weight {
            return consumer.eat(acc, offset, source.into_seq());
        }
        let (front, rest) = source.split_at(block);
        let (taken, span) = (front.weight(), front.span());
        if taken == 0 {
            // It cannot be split there.
            return consumer.eat(acc, offset, rest.into_seq());
        }
        acc = if S::COARSE && block < taken && taken < weight {
            run(worker, front, consumer, offset, false, acc)
        } else {
            consumer.eat(acc, offset, front.into_seq())
        };
        source = rest;
        offset = offset.saturating_add(span);
        // Asked again, since a source that was stopped weighs nothing.
        weight = source.weight();
        let wanted = worker.is_wanted();
        if !wanted && block < GROWTH {
            block = block.saturating_mul(GROWTH);
            continue;
        }
        let now = worker.state.platform().now(ClockId::Monotonic).as_ns();
        let Some(before) = since.replace(now) else {
            // The next block is timed, a short one if somebody waits.
            block = if wanted {
                GROWTH
            } else {
                block.saturating_mul(GROWTH)
            }
            .clamp(min, block_max);
            continue;
        };
        let per_item_ps = now.saturating_sub(before).saturating_mul(1_000) / taken as u64;
        let left_ns = per_item_ps.saturating_mul(weight as u64) / 1_000;
        if wanted && left_ns > SHARE_NS && weight / 2 >= min {
            if left_ns > WAKE_NS {
                worker.state.expect_long();
            }
            return fork(worker, source, consumer, offset, acc);
        }
        let enough = usize::try_from(BLOCK_NS * 1_000 / per_item_ps.max(1)).unwrap_or(block_max);
        block = enough
            .min(block.saturating_mul(GROWTH))
            .clamp(min, block_max);
    }
    acc
}

fn fork<E, S, C>(
    worker: Worker<'_, E>,
    source: S,
    consumer: &C,
    offset: usize,
    acc: C::Acc,
) -> C::Acc
where
    E: Env,
    S: Source,
    C: Consumer<S::Item>,
{
    let weight = source.weight();
    let (left, right) = source.split_at(weight / 2);
    let middle = offset.saturating_add(left.span());
    if left.weight() == 0 || right.weight() == 0 {
        // It cannot be split there, or was stopped.
        let whole = if left.weight() == 0 { right } else { left };
        return consumer.eat(acc, offset, whole.into_seq());
    }
    let home = worker.index();
    let (left, right) = worker.join(
        |worker| run(worker, left, consumer, offset, false, acc),
        |worker| {
            let stolen = worker.index() != home;
            run(worker, right, consumer, middle, stolen, consumer.start())
        },
    );
    consumer.merge(left, right)
}

/// Runs `source` through `consumer` along a tree that its weight alone determines, so that the result of floating-point
/// arithmetic is the same bits for any number of threads.
pub fn drive_fixed<E, S, C>(worker: Worker<'_, E>, source: S, consumer: &C) -> C::Acc
where
    E: Env,
    S: Source,
    C: Consumer<S::Item>,
{
    /// Items of a leaf: long enough to hide a join, short enough to share.
    const LEAF: usize = 2048;
    fn tree<E, S, C>(worker: Worker<'_, E>, source: S, consumer: &C, offset: usize) -> C::Acc
    where
        E: Env,
        S: Source,
        C: Consumer<S::Item>,
    {
        let weight = source.weight();
        if weight <= LEAF {
            return consumer.eat(consumer.start(), offset, source.into_seq());
        }
        let (left, right) = source.split_at(weight / 2);
        let middle = offset.saturating_add(left.span());
        if left.weight() == 0 || right.weight() == 0 {
            let whole = if left.weight() == 0 { right } else { left };
            return consumer.eat(consumer.start(), offset, whole.into_seq());
        }
        let (left, right) = worker.join(
            |worker| tree(worker, left, consumer, offset),
            |worker| tree(worker, right, consumer, middle),
        );
        consumer.merge(left, right)
    }
    tree(worker, source, consumer, 0)
}
