//! Consumers: what the methods do with the items of a part, and with the results of neighbours.

use core::iter::{Product, Sum};
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::collections::LinkedList;
use underpin_core::pool::iter::{Attempt, Consumer};

/// A consumer made from closures.
pub(super) struct With<S, E, M> {
    pub(super) start: S,
    pub(super) eat: E,
    pub(super) merge: M,
}

impl<T, A, S, E, M> Consumer<T> for With<S, E, M>
where
    A: Send,
    S: Fn() -> A + Sync,
    E: Fn(A, T) -> A + Sync,
    M: Fn(A, A) -> A + Sync,
{
    type Acc = A;

    fn start(&self) -> A {
        (self.start)()
    }

    #[inline]
    fn eat(&self, acc: A, _offset: usize, items: impl Iterator<Item = T>) -> A {
        items.fold(acc, &self.eat)
    }

    fn merge(&self, left: A, right: A) -> A {
        (self.merge)(left, right)
    }
}

/// Finds an item, and stops all others.
pub(super) struct Any<'a, F> {
    pub(super) find: F,
    pub(super) found: &'a AtomicBool,
}

impl<T, R, F> Consumer<T> for Any<'_, F>
where
    R: Send,
    F: Fn(T) -> Option<R> + Sync,
{
    type Acc = Option<R>;

    fn start(&self) -> Option<R> {
        None
    }

    fn eat(&self, acc: Option<R>, _offset: usize, mut items: impl Iterator<Item = T>) -> Option<R> {
        if acc.is_some() {
            return acc;
        }
        let found = items.find_map(&self.find);
        if found.is_some() {
            self.found.store(true, Ordering::Relaxed);
        }
        found
    }

    fn merge(&self, left: Option<R>, right: Option<R>) -> Option<R> {
        left.or(right)
    }

    fn is_done(&self, _offset: usize) -> bool {
        self.found.load(Ordering::Relaxed)
    }

    fn is_full(&self, acc: &Option<R>) -> bool {
        acc.is_some()
    }
}

/// Finds the first item, and stops all behind it.
pub(super) struct First<'a, F> {
    pub(super) find: F,
    pub(super) best: &'a AtomicUsize,
}

impl<T, R, F> Consumer<T> for First<'_, F>
where
    R: Send,
    F: Fn(T) -> Option<R> + Sync,
{
    type Acc = Option<R>;

    fn start(&self) -> Option<R> {
        None
    }

    fn eat(&self, acc: Option<R>, offset: usize, mut items: impl Iterator<Item = T>) -> Option<R> {
        if acc.is_some() {
            return acc;
        }
        let found = items.find_map(&self.find);
        if found.is_some() {
            self.best.fetch_min(offset, Ordering::Relaxed);
        }
        found
    }

    fn merge(&self, left: Option<R>, right: Option<R>) -> Option<R> {
        left.or(right)
    }

    fn is_done(&self, offset: usize) -> bool {
        // A part that starts behind one with a find cannot hold the first.
        self.best.load(Ordering::Relaxed) < offset
    }

    fn is_full(&self, acc: &Option<R>) -> bool {
        acc.is_some()
    }
}

/// Keeps all items, in one vector for each part that was split off.
pub(super) struct Parts;

impl<T: Send> Consumer<T> for Parts {
    type Acc = LinkedList<Vec<T>>;

    fn start(&self) -> Self::Acc {
        LinkedList::new()
    }

    fn eat(&self, mut acc: Self::Acc, _: usize, items: impl Iterator<Item = T>) -> Self::Acc {
        let mut part = acc.pop_back().unwrap_or_default();
        part.reserve(items.size_hint().0);
        // Not `extend`, which steps one by one through an adaptor that can do better in a fold.
        items.for_each(|item| part.push(item));
        acc.push_back(part);
        acc
    }

    fn merge(&self, mut left: Self::Acc, mut right: Self::Acc) -> Self::Acc {
        left.append(&mut right);
        left
    }
}

/// Finds the last item. All are looked at, since a plain iterator need not go backwards.
pub(super) struct Last<F> {
    pub(super) find: F,
}

impl<T, R, F> Consumer<T> for Last<F>
where
    R: Send,
    F: Fn(T) -> Option<R> + Sync,
{
    type Acc = Option<R>;

    fn start(&self) -> Option<R> {
        None
    }

    fn eat(&self, acc: Option<R>, _offset: usize, items: impl Iterator<Item = T>) -> Option<R> {
        items.filter_map(&self.find).last().or(acc)
    }

    fn merge(&self, left: Option<R>, right: Option<R>) -> Option<R> {
        right.or(left)
    }
}

/// As [`With`], until something fails.
pub(super) struct Try<'a, S, E, M> {
    pub(super) start: S,
    pub(super) eat: E,
    pub(super) merge: M,
    pub(super) failed: &'a AtomicBool,
}

impl<S, E, M> Try<'_, S, E, M> {
    fn seen<X, A>(&self, result: ControlFlow<X, A>) -> ControlFlow<X, A> {
        if result.is_break() {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl<T, A, R, S, E, M> Consumer<T> for Try<'_, S, E, M>
where
    A: Send,
    R: Attempt<Output = A>,
    S: Fn() -> A + Sync,
    E: Fn(A, T) -> R + Sync,
    M: Fn(A, A) -> R + Sync,
{
    type Acc = ControlFlow<R::Failure, A>;

    fn start(&self) -> Self::Acc {
        ControlFlow::Continue((self.start)())
    }

    fn eat(&self, acc: Self::Acc, _: usize, mut items: impl Iterator<Item = T>) -> Self::Acc {
        let start = acc?;
        self.seen(items.try_fold(start, |acc, item| (self.eat)(acc, item).branch()))
    }

    fn merge(&self, left: Self::Acc, right: Self::Acc) -> Self::Acc {
        let (left, right) = (left?, right?);
        self.seen((self.merge)(left, right).branch())
    }

    fn is_done(&self, _offset: usize) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

pub(super) struct Sums<T>(pub(super) core::marker::PhantomData<fn() -> T>);

impl<I, T: Send + Sum<I> + Sum<T>> Consumer<I> for Sums<T> {
    /// None before the first item: adding to a zero is not free in floating point.
    type Acc = Option<T>;
    fn start(&self) -> Option<T> {
        None
    }
    fn eat(&self, acc: Option<T>, _offset: usize, items: impl Iterator<Item = I>) -> Option<T> {
        let sum = items.sum::<T>();
        Some(match acc {
            Some(acc) => [acc, sum].into_iter().sum(),
            None => sum,
        })
    }
    fn merge(&self, left: Option<T>, right: Option<T>) -> Option<T> {
        match (left, right) {
            (Some(left), Some(right)) => Some([left, right].into_iter().sum()),
            (left, right) => left.or(right),
        }
    }
}

pub(super) struct Products<T>(pub(super) core::marker::PhantomData<fn() -> T>);

impl<I, T: Send + Product<I> + Product<T>> Consumer<I> for Products<T> {
    type Acc = Option<T>;
    fn start(&self) -> Option<T> {
        None
    }
    fn eat(&self, acc: Option<T>, _offset: usize, items: impl Iterator<Item = I>) -> Option<T> {
        let product = items.product::<T>();
        Some(match acc {
            Some(acc) => [acc, product].into_iter().product(),
            None => product,
        })
    }
    fn merge(&self, left: Option<T>, right: Option<T>) -> Option<T> {
        match (left, right) {
            (Some(left), Some(right)) => Some([left, right].into_iter().product()),
            (left, right) => left.or(right),
        }
    }
}
