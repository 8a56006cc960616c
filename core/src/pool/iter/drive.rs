//! How a parallel iterator is run: in blocks, here, until somebody asks for work.
//!
//! ```text
//!   asked at the start (or stolen): split in two at once, join
//!   else: block, block, block ... each some 10 us once the price of an item is known
//!           between blocks: asked, and what is left is worth it? -> split what is left in two, join
//! ```
//!
//! So a loop that nobody helps with runs as sequential code does, and one with few heavy items is shared before the first of them
//! is done. Nothing needs tuning. [`Pace`] sizes the blocks; a loop of few items that nobody asks for does not look at the clock at all.
//!
//! Adaptors that are functions are handed on to the [consumer](Through), so that parts need not share them.
//!
//! A source may be [stopped](super::Until) while it runs: then it weighs nothing, which is looked at after each block.
#![forbid(unsafe_code)]

use super::pace::{Pace, Start, middle};
use super::source::Source;
use crate::pool::{Env, Worker};

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

/// What passes the items on to a consumer, changed.
pub trait Pass<T>: Sync {
    /// What becomes of them.
    type Out;

    /// Neighbouring items, changed.
    fn pass(&self, items: impl Iterator<Item = T>) -> impl Iterator<Item = Self::Out>;
}

/// A consumer of what something makes of the items.
pub(super) struct Through<'a, P, C> {
    pub(super) by: &'a P,
    pub(super) next: &'a C,
}

impl<T, P: Pass<T>, C: Consumer<P::Out>> Consumer<T> for Through<'_, P, C> {
    type Acc = C::Acc;

    #[inline]
    fn start(&self) -> C::Acc {
        self.next.start()
    }

    #[inline]
    fn eat(&self, acc: C::Acc, offset: usize, items: impl Iterator<Item = T>) -> C::Acc {
        self.next.eat(acc, offset, self.by.pass(items))
    }

    #[inline]
    fn merge(&self, left: C::Acc, right: C::Acc) -> C::Acc {
        self.next.merge(left, right)
    }

    #[inline]
    fn is_done(&self, offset: usize) -> bool {
        self.next.is_done(offset)
    }

    #[inline]
    fn is_full(&self, acc: &C::Acc) -> bool {
        self.next.is_full(acc)
    }
}

/// How a source is cut into parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cuts {
    /// Where it pays.
    Adaptive,
    /// Where the weight alone says.
    Fixed,
}

/// Runs `source` through `consumer`.
#[inline]
pub fn drive<E, S, C>(worker: Worker<'_, E>, source: S, consumer: &C) -> C::Acc
where
    E: Env,
    S: Source,
    C: Consumer<S::Item>,
{
    source.feed(worker, Cuts::Adaptive, consumer)
}

/// Runs `source` through `consumer` along a tree that its weight alone determines, so that the result of floating-point
/// arithmetic is the same bits for any number of threads.
#[inline]
pub fn drive_fixed<E, S, C>(worker: Worker<'_, E>, source: S, consumer: &C) -> C::Acc
where
    E: Env,
    S: Source,
    C: Consumer<S::Item>,
{
    source.feed(worker, Cuts::Fixed, consumer)
}

/// Runs `source` through `consumer`, as it is.
#[inline]
pub(super) fn parts<E, S, C>(worker: Worker<'_, E>, cuts: Cuts, source: S, consumer: &C) -> C::Acc
where
    E: Env,
    S: Source,
    C: Consumer<S::Item>,
{
    if source.weight() <= 1 {
        // Of nothing, too: folds have a result of it.
        return consumer.eat(consumer.start(), 0, source.into_seq());
    }
    match cuts {
        Cuts::Adaptive => in_turn(worker, source, consumer),
        Cuts::Fixed => tree(worker, source, consumer, 0),
    }
}

/// What comes [first](super::Limits::first), then what is after it.
#[inline]
fn in_turn<E, S, C>(worker: Worker<'_, E>, mut source: S, consumer: &C) -> C::Acc
where
    E: Env,
    S: Source,
    C: Consumer<S::Item>,
{
    let (mut offset, mut acc) = (0, consumer.start());
    loop {
        let first = source.limits().first;
        let (front, rest) = if first < source.weight() {
            let (front, rest) = source.split_at(first);
            (front, Some(rest))
        } else {
            (source, None)
        };
        let (taken, span) = (front.weight(), front.span());
        let part = Part {
            source: front,
            offset,
            start: Start::WHOLE,
            acc,
        };
        acc = part.run(worker, consumer);
        offset = offset.saturating_add(span);
        let ended = taken == 0 || consumer.is_done(offset) || consumer.is_full(&acc);
        source = match rest {
            Some(rest) if !ended => rest,
            _ => return acc,
        };
    }
}

/// A part of a loop, and what the items before it came to.
struct Part<S, A> {
    source: S,
    /// The position of its first item, in the source's weights.
    offset: usize,
    start: Start,
    acc: A,
}

impl<S: Source, A: Send> Part<S, A> {
    #[inline]
    fn run<E, C>(self, worker: Worker<'_, E>, consumer: &C) -> A
    where
        E: Env,
        C: Consumer<S::Item, Acc = A>,
    {
        let Self {
            mut source,
            mut offset,
            start,
            mut acc,
        } = self;
        // Before each split, too: a find must stop a tree that has none but the smallest parts.
        if consumer.is_done(offset) || consumer.is_full(&acc) {
            return acc;
        }
        let part = |source, offset, start, acc| Self {
            source,
            offset,
            start,
            acc,
        };
        let mut weight = source.weight();
        let limits = source.limits();
        let min = limits.min.max(1);
        if weight > limits.max.max(1) || start.splits(worker, min, weight) {
            return part(source, offset, start, acc).fork(worker, consumer);
        }
        let mut pace = Pace::new(worker, start, min, weight);
        while weight > 0 {
            if consumer.is_done(offset) || consumer.is_full(&acc) {
                return acc;
            }
            let (front, rest) = if pace.block < weight {
                let (front, rest) = source.split_at(pace.block);
                (front, Some(rest))
            } else {
                (source, None)
            };
            let (taken, span) = (front.weight(), front.span());
            acc = if S::COARSE
                && pace.block < taken
                && rest.as_ref().is_some_and(|rest| rest.weight() > 0)
            {
                part(front, offset, pace.start(), acc).run_again(worker, consumer)
            } else {
                consumer.eat(acc, offset, front.into_seq())
            };
            let Some(rest) = rest else {
                return acc;
            };
            source = rest;
            offset = offset.saturating_add(span);
            // Asked again, since a source that was stopped weighs nothing.
            weight = source.weight();
            if taken == 0 {
                // It cannot be split there.
                pace.block = usize::MAX;
            } else if pace.turn(worker, taken, weight) {
                return part(source, offset, pace.start(), acc).fork(worker, consumer);
            }
        }
        acc
    }

    /// As [`run`](Self::run), which is part of what calls it: this is what it calls itself.
    #[inline(never)]
    fn run_again<E, C>(self, worker: Worker<'_, E>, consumer: &C) -> A
    where
        E: Env,
        C: Consumer<S::Item, Acc = A>,
    {
        self.run(worker, consumer)
    }

    #[inline(never)]
    fn fork<E, C>(self, worker: Worker<'_, E>, consumer: &C) -> A
    where
        E: Env,
        C: Consumer<S::Item, Acc = A>,
    {
        let Self {
            source,
            offset,
            start,
            acc,
        } = self;
        let at = middle(source.limits().min, source.weight());
        let (left, right) = source.split_at(at);
        let middle = offset.saturating_add(left.span());
        if left.weight() == 0 || right.weight() == 0 {
            // It cannot be split there, or was stopped.
            let whole = if left.weight() == 0 { right } else { left };
            return consumer.eat(acc, offset, whole.into_seq());
        }
        let home = worker.index();
        let left = Self {
            source: left,
            offset,
            start: start.half(false),
            acc,
        };
        let (left, (stolen, right)) = worker.join(
            |worker| left.run_again(worker, consumer),
            |worker| {
                let stolen = worker.index() != home;
                let right = Self {
                    source: right,
                    offset: middle,
                    start: start.half(stolen),
                    acc: consumer.start(),
                };
                (stolen, right.run_again(worker, consumer))
            },
        );
        start.learn(worker, stolen);
        consumer.merge(left, right)
    }
}

/// Items of a leaf of a fixed tree: long enough to hide a join, short enough to share.
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
