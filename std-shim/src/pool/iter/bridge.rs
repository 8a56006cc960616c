//! A plain iterator as a parallel one: workers take items from it in turn, as they are needed.
//!
//! The iterator sits behind a lock; whoever has it takes a small batch, which starts at one item and grows. Nothing is collected first, so an
//! iterator without end, or one that makes its items slowly, is served as it goes.

use crate::pool::{Scope, current_num_threads, enter};
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Items that a worker takes at once, at most.
const BATCH_MAX: usize = 64;

/// Turns plain iterators into parallel ones.
pub trait ParallelBridge: Iterator + Sized + Send
where
    Self::Item: Send,
{
    /// Lets workers take this iterator's items. Their order is lost.
    fn par_bridge(self) -> ParallelBridged<Self> {
        ParallelBridged { iterator: self }
    }
}

impl<I: Iterator + Send> ParallelBridge for I where I::Item: Send {}

/// A plain iterator whose items workers take in turn. Its methods are those that want no order.
#[derive(Debug)]
pub struct ParallelBridged<I> {
    iterator: I,
}

impl<I: Iterator + Send> ParallelBridged<I>
where
    I::Item: Send,
{
    /// Each item through `f`.
    pub fn map<R, F>(self, f: F) -> ParallelBridgedMap<I, F>
    where
        F: Fn(I::Item) -> R + Sync + Send,
        R: Send,
    {
        ParallelBridgedMap { base: self, f }
    }

    /// Calls `f` with each item.
    pub fn for_each<F: Fn(I::Item) + Sync + Send>(self, f: F) {
        self.fold_merge(|| (), |(), item| f(item), |(), ()| ());
    }

    /// Calls `f` with each item until it fails once.
    ///
    /// # Errors
    /// One of the errors.
    pub fn try_for_each<X, F>(self, f: F) -> Result<(), X>
    where
        X: Send,
        F: Fn(I::Item) -> Result<(), X> + Sync + Send,
    {
        let stop = AtomicBool::new(false);
        self.run(
            &stop,
            || Ok(()),
            |acc: Result<(), X>, item| {
                acc?;
                f(item).inspect_err(|_| stop.store(true, Ordering::Relaxed))
            },
            Result::and,
        )
    }

    /// How many items there are.
    pub fn count(self) -> usize {
        self.fold_merge(|| 0, |count, _| count + 1, |a, b| a + b)
    }

    /// All items, in any order.
    pub fn collect<C: Default + Extend<I::Item>>(self) -> C {
        let items = self.fold_merge(
            Vec::new,
            |mut items, item| {
                items.push(item);
                items
            },
            |mut a, b| {
                a.extend(b);
                a
            },
        );
        let mut all = C::default();
        all.extend(items);
        all
    }

    /// Folds items in any order with `fold`, and the results with `merge`.
    pub fn fold_merge<A, S, F, M>(self, start: S, fold: F, merge: M) -> A
    where
        A: Send,
        S: Fn() -> A + Sync + Send,
        F: Fn(A, I::Item) -> A + Sync + Send,
        M: Fn(A, A) -> A + Sync + Send,
    {
        self.run(&AtomicBool::new(false), start, fold, merge)
    }

    fn run<A, S, F, M>(self, stop: &AtomicBool, start: S, fold: F, merge: M) -> A
    where
        A: Send,
        S: Fn() -> A + Sync + Send,
        F: Fn(A, I::Item) -> A + Sync + Send,
        M: Fn(A, A) -> A + Sync + Send,
    {
        let results = Mutex::new(Vec::new());
        // `None` once it has ended: an iterator is not asked again after its end, nor after a panic.
        let source = Mutex::new(Some(self.iterator));
        let take = || {
            let mut acc = start();
            let mut batch = Vec::new();
            let mut size = 1;
            while !stop.load(Ordering::Relaxed) {
                {
                    let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
                    let Some(mut iterator) = source.take() else {
                        break;
                    };
                    batch.extend(iterator.by_ref().take(size));
                    if batch.len() == size {
                        *source = Some(iterator);
                    }
                }
                size = (size * 2).min(BATCH_MAX);
                acc = batch.drain(..).fold(acc, &fold);
            }
            results
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(acc);
        };
        enter(|worker| {
            worker.scope(|scope: &Scope<'_>| {
                for _ in 1..current_num_threads() {
                    scope.spawn(|_| take());
                }
                take();
            });
        });
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.into_iter().reduce(&merge).unwrap_or_else(start)
    }
}

/// A [`ParallelBridged`] with a function on each item.
pub struct ParallelBridgedMap<I, F> {
    base: ParallelBridged<I>,
    f: F,
}

impl<I, F> core::fmt::Debug for ParallelBridgedMap<I, F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ParallelBridgedMap")
    }
}

impl<I, F, R> ParallelBridgedMap<I, F>
where
    I: Iterator + Send,
    I::Item: Send,
    F: Fn(I::Item) -> R + Sync + Send,
    R: Send,
{
    /// Calls `g` with each result.
    pub fn for_each<G: Fn(R) + Sync + Send>(self, g: G) {
        let f = self.f;
        self.base.for_each(|item| g(f(item)));
    }

    /// All results, in any order.
    pub fn collect<C: Default + Extend<R>>(self) -> C {
        let f = self.f;
        let items = self.base.fold_merge(
            Vec::new,
            |mut items, item| {
                items.push(f(item));
                items
            },
            |mut a, b| {
                a.extend(b);
                a
            },
        );
        let mut all = C::default();
        all.extend(items);
        all
    }

    /// Folds results in any order with `op`; `None` for none.
    pub fn reduce_with<G: Fn(R, R) -> R + Sync + Send>(self, op: G) -> Option<R> {
        let f = self.f;
        let merge = |a: Option<R>, b: Option<R>| match (a, b) {
            (Some(a), Some(b)) => Some(op(a, b)),
            (a, b) => a.or(b),
        };
        self.base
            .fold_merge(|| None, |acc, item| merge(acc, Some(f(item))), merge)
    }
}
