//! The methods of parallel iterators.

use super::consume::{Any, First, Last, Products, Sums, Try, With};
use super::from::{FromParallelIterator, Whole, parts};
use super::{Either, IntoParallelIterator, ParallelExtend};
use crate::pool::{current_num_threads, enter};
use core::cmp::Ordering as Order;
use core::convert::identity;
use core::iter::{Product, Sum};
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::collections::LinkedList;
use underpin_core::pool::iter::{
    Accepted, Accepting, Adapted, Attempt, Bounded, CancelToken, Chain, Cloned, Copied, Copies,
    Each, EachWith, Filter, FilterMap, FlatMap, FlatMapIter, Fold, Folded, Fused, Given, Listed,
    Made, Map, MapWith, PanicFuse, Source, TryFold, TryFolded, Until, Within, drive, drive_fixed,
};

/// What [`cancel_on`](ParallelIterator::cancel_on) makes.
pub type UntilCancelled<S> = Until<S, fn(<S as Source>::Item) -> Option<<S as Source>::Item>>;

/// What [`while_some`](ParallelIterator::while_some) makes.
pub type WhileSome<S, T> = Until<S, fn(Option<T>) -> Option<T>>;

/// A parallel iterator: everything that splits.
///
/// Closures may run on any thread of the pool, at the same time. If one panics, the other parts run to their end, unless there is a
/// [`panic_fuse`](Self::panic_fuse), and then the panic reaches the caller.
///
/// A *part* is some neighbouring items, with which one worker is busy for some microseconds: on one thread, too, a loop has several.
/// Methods that make a value for each part make about so many.
pub trait ParallelIterator: Source {
    /// Each item through `f`.
    fn map<F, R>(self, f: F) -> Map<Self, F>
    where
        F: Fn(Self::Item) -> R + Send + Sync,
        R: Send,
    {
        Adapted::new(self, Each::new(f))
    }

    /// The items that `f` accepts.
    fn filter<F>(self, f: F) -> Filter<Self, F>
    where
        F: Fn(&Self::Item) -> bool + Send + Sync,
    {
        Adapted::new(self, Accepted::new(f))
    }

    /// What `f` gives for each item, where it gives something.
    fn filter_map<F, R>(self, f: F) -> FilterMap<Self, F>
    where
        F: Fn(Self::Item) -> Option<R> + Send + Sync,
        R: Send,
    {
        Adapted::new(self, Given::new(f))
    }

    /// All items of the plain iterators that `f` gives; each of those runs in one piece.
    fn flat_map_iter<F, U>(self, f: F) -> FlatMapIter<Self, F>
    where
        F: Fn(Self::Item) -> U + Send + Sync,
        U: IntoIterator,
        U::Item: Send,
    {
        Adapted::new(self, Listed::new(f))
    }

    /// All items of the parallel iterators that `f` gives; those are split, too.
    fn flat_map<F, U>(
        self,
        f: F,
    ) -> FlatMap<Self, U::Iter, impl Fn(Self::Item) -> U::Iter + Send + Sync>
    where
        F: Fn(Self::Item) -> U + Send + Sync,
        U: IntoParallelIterator,
    {
        FlatMap::new(self, move |item| f(item).into_par_iter())
    }

    /// All items of the items, which are split, too.
    fn flatten(
        self,
    ) -> FlatMap<
        Self,
        <Self::Item as IntoParallelIterator>::Iter,
        impl Fn(Self::Item) -> <Self::Item as IntoParallelIterator>::Iter + Send + Sync,
    >
    where
        Self::Item: IntoParallelIterator,
    {
        self.flat_map(identity)
    }

    /// All items of the items; each of those runs in one piece.
    fn flatten_iter(self) -> FlatMapIter<Self, impl Fn(Self::Item) -> Self::Item + Send + Sync>
    where
        Self::Item: IntoIterator,
        <Self::Item as IntoIterator>::Item: Send,
    {
        self.flat_map_iter(identity)
    }

    /// Copies of what the items refer to.
    fn cloned<'a, T>(self) -> Cloned<Self>
    where
        T: Clone + Send + Sync + 'a,
        Self: Source<Item = &'a T>,
    {
        Adapted::new(self, Copied)
    }

    /// Copies of what the items refer to.
    fn copied<'a, T>(self) -> Cloned<Self>
    where
        T: Copy + Send + Sync + 'a,
        Self: Source<Item = &'a T>,
    {
        Adapted::new(self, Copied)
    }

    /// Calls `f` with each item on its way.
    fn inspect<F>(self, f: F) -> Map<Self, impl Fn(Self::Item) -> Self::Item + Send + Sync>
    where
        F: Fn(&Self::Item) + Send + Sync,
    {
        self.map(move |item| {
            f(&item);
            item
        })
    }

    /// Each item, changed by `f`.
    fn update<F>(self, f: F) -> Map<Self, impl Fn(Self::Item) -> Self::Item + Send + Sync>
    where
        F: Fn(&mut Self::Item) + Send + Sync,
    {
        self.map(move |mut item| {
            f(&mut item);
            item
        })
    }

    /// Each item through `f`, which may change a clone of `value`, one for each part.
    fn map_with<T, F, R>(self, value: T, f: F) -> MapWith<Self, Copies<T>, F>
    where
        T: Clone + Send,
        F: Fn(&mut T, Self::Item) -> R + Send + Sync,
        R: Send,
    {
        Adapted::new(self, EachWith::new(Copies(value), f))
    }

    /// Each item through `f`, which may change a value that `init` makes, one for each part.
    fn map_init<I, T, F, R>(self, init: I, f: F) -> MapWith<Self, Made<I>, F>
    where
        I: Fn() -> T + Send + Sync,
        F: Fn(&mut T, Self::Item) -> R + Send + Sync,
        R: Send,
    {
        Adapted::new(self, EachWith::new(Made::new(init), f))
    }

    /// What each part folds into, starting from what `identity` makes: fewer items, which another method then brings together.
    fn fold<T, I, F>(self, identity: I, fold: F) -> Fold<Self, Made<I>, F>
    where
        T: Send,
        I: Fn() -> T + Send + Sync,
        F: Fn(T, Self::Item) -> T + Send + Sync,
    {
        Adapted::new(self, Folded::new(Made::new(identity), fold))
    }

    /// As [`fold`](Self::fold), starting from clones of `value`.
    fn fold_with<T, F>(self, value: T, fold: F) -> Fold<Self, Copies<T>, F>
    where
        T: Clone + Send,
        F: Fn(T, Self::Item) -> T + Send + Sync,
    {
        Adapted::new(self, Folded::new(Copies(value), fold))
    }

    /// As [`fold`](Self::fold) with a function that may fail: the items are results.
    fn try_fold<T, R, I, F>(self, identity: I, fold: F) -> TryFold<Self, Made<I>, F>
    where
        I: Fn() -> T + Send + Sync,
        F: Fn(T, Self::Item) -> R + Send + Sync,
        R: Attempt<Output = T> + Send,
    {
        Adapted::new(self, TryFolded::new(Made::new(identity), fold))
    }

    /// As [`try_fold`](Self::try_fold), starting from clones of `value`.
    fn try_fold_with<T, R, F>(self, value: T, fold: F) -> TryFold<Self, Copies<T>, F>
    where
        T: Clone + Send,
        F: Fn(T, Self::Item) -> R + Send + Sync,
        R: Attempt<Output = T> + Send,
    {
        Adapted::new(self, TryFolded::new(Copies(value), fold))
    }

    /// The items, until `token` is cancelled: no item is begun after that, and the loop ends as if there were no more.
    ///
    /// ```
    /// use underpin::pool::{CancelToken, iter::*};
    ///
    /// let token = CancelToken::new();
    /// (0..u64::MAX).into_par_iter().cancel_on(&token).for_each(|n| {
    ///     if n == 1000 {
    ///         token.cancel();
    ///     }
    /// });
    /// assert!(token.is_cancelled());
    /// ```
    fn cancel_on(self, token: &CancelToken) -> UntilCancelled<Self> {
        until(
            self,
            Some as fn(Self::Item) -> Option<Self::Item>,
            token.clone(),
        )
    }

    /// What the items hold, until one is `None`: all parts stop then.
    fn while_some<T: Send>(self) -> WhileSome<Self, T>
    where
        Self: Source<Item = Option<T>>,
    {
        until(
            self,
            identity as fn(Option<T>) -> Option<T>,
            CancelToken::new(),
        )
    }

    /// Items, until `f` refuses one: all parts stop then.
    fn take_any_while<F>(
        self,
        f: F,
    ) -> Until<Self, impl Fn(Self::Item) -> Option<Self::Item> + Send + Sync>
    where
        F: Fn(&Self::Item) -> bool + Send + Sync,
    {
        until(
            self,
            move |item| f(&item).then_some(item),
            CancelToken::new(),
        )
    }

    /// Some `count` items, whichever come first.
    fn take_any(
        self,
        count: usize,
    ) -> Until<Self, impl Fn(Self::Item) -> Option<Self::Item> + Send + Sync> {
        let left = AtomicUsize::new(count);
        until(
            self,
            move |item| draw(&left).then_some(item),
            CancelToken::new(),
        )
    }

    /// All but some `count` items, whichever come first.
    fn skip_any(self, count: usize) -> Filter<Self, impl Fn(&Self::Item) -> bool + Send + Sync> {
        let left = AtomicUsize::new(count);
        self.filter(move |_: &Self::Item| !draw(&left))
    }

    /// All items once `f` has refused one, on any thread.
    fn skip_any_while<F>(self, f: F) -> Filter<Self, impl Fn(&Self::Item) -> bool + Send + Sync>
    where
        F: Fn(&Self::Item) -> bool + Send + Sync,
    {
        let refused = AtomicBool::new(false);
        self.filter(move |item: &Self::Item| {
            if !refused.load(Ordering::Relaxed) && f(item) {
                return false;
            }
            refused.store(true, Ordering::Relaxed);
            true
        })
    }

    /// Stops all parts once one of them panicked. Without it they run to their end, and then the panic goes on.
    fn panic_fuse(self) -> PanicFuse<Self> {
        Adapted::new(self, Fused::new(std::thread::panicking))
    }

    /// These items, then those of `other`.
    fn chain<O>(self, other: O) -> Chain<Self, O::Iter>
    where
        O: IntoParallelIterator<Item = Self::Item>,
    {
        Chain::new(self, other.into_par_iter())
    }

    /// Parts of at least `min` items. Rarely needed.
    fn with_min_len(self, min: usize) -> Bounded<Self> {
        Adapted::new(self, Within::new(min, usize::MAX))
    }

    /// Parts of at most `max` items. Rarely needed.
    fn with_max_len(self, max: usize) -> Bounded<Self> {
        Adapted::new(self, Within::new(1, max))
    }

    /// Calls `f` with each item.
    fn for_each<F>(self, f: F)
    where
        F: Fn(Self::Item) + Send + Sync,
    {
        fold_merge(self, || (), |(), item| f(item), |(), ()| ());
    }

    /// Calls `f` with each item and a value that `init` made, one for each part.
    fn for_each_init<I, T, F>(self, init: I, f: F)
    where
        I: Fn() -> T + Send + Sync,
        T: Send,
        F: Fn(&mut T, Self::Item) + Send + Sync,
    {
        fold_merge(
            self,
            || None,
            |state: Option<T>, item| {
                let mut state = state.unwrap_or_else(&init);
                f(&mut state, item);
                Some(state)
            },
            |left, _| left,
        );
    }

    /// Calls `f` with each item and a clone of `value`, one for each part.
    fn for_each_with<T, F>(self, value: T, f: F)
    where
        T: Clone + Send,
        F: Fn(&mut T, Self::Item) + Send + Sync,
    {
        self.map_with(value, f).for_each(identity);
    }

    /// Calls `f` with each item until it fails once; others stop soon. Results, options and control flows will do.
    ///
    /// # Errors
    /// One of the errors.
    fn try_for_each<F, R>(self, f: F) -> R
    where
        F: Fn(Self::Item) -> R + Send + Sync,
        R: Attempt<Output = ()>,
    {
        try_fold_merge(self, || (), |(), item| f(item), |(), ()| R::from_output(()))
    }

    /// As [`try_for_each`](Self::try_for_each), with a clone of `value` for each part.
    ///
    /// # Errors
    /// One of the errors.
    fn try_for_each_with<T, F, R>(self, value: T, f: F) -> R
    where
        T: Clone + Send,
        F: Fn(&mut T, Self::Item) -> R + Send + Sync,
        R: Attempt<Output = ()> + Send,
    {
        self.map_with(value, f).try_for_each(identity)
    }

    /// As [`try_for_each`](Self::try_for_each), with a value that `init` makes for each part.
    ///
    /// # Errors
    /// One of the errors.
    fn try_for_each_init<I, T, F, R>(self, init: I, f: F) -> R
    where
        I: Fn() -> T + Send + Sync,
        F: Fn(&mut T, Self::Item) -> R + Send + Sync,
        R: Attempt<Output = ()> + Send,
    {
        self.map_init(init, f).try_for_each(identity)
    }

    /// How many items there are.
    fn count(self) -> usize {
        fold_merge(self, || 0, |count, _| count + 1, |a, b| a + b)
    }

    /// Folds neighbours with `fold`, starting from `identity`, and the results with `merge`, in order.
    fn fold_with_merge<A, I, F, M>(self, identity: I, fold: F, merge: M) -> A
    where
        A: Send,
        I: Fn() -> A + Sync + Send,
        F: Fn(A, Self::Item) -> A + Sync + Send,
        M: Fn(A, A) -> A + Sync + Send,
    {
        fold_merge(self, identity, fold, merge)
    }

    /// All items into one with `op`, which must not care where it is bracketed; `identity` gives a neutral item.
    fn reduce<I, F>(self, identity: I, op: F) -> Self::Item
    where
        I: Fn() -> Self::Item + Sync + Send,
        F: Fn(Self::Item, Self::Item) -> Self::Item + Sync + Send,
    {
        fold_merge(self, identity, &op, &op)
    }

    /// As [`reduce`](Self::reduce); `None` for no items.
    fn reduce_with<F>(self, op: F) -> Option<Self::Item>
    where
        F: Fn(Self::Item, Self::Item) -> Self::Item + Sync + Send,
    {
        let merge = |a: Option<Self::Item>, b: Option<Self::Item>| match (a, b) {
            (Some(a), Some(b)) => Some(op(a, b)),
            (a, b) => a.or(b),
        };
        fold_merge(self, || None, |acc, item| merge(acc, Some(item)), merge)
    }

    /// What successes hold into one with `op`, which may fail too; `identity` gives a neutral item.
    ///
    /// # Errors
    /// One of the errors.
    fn try_reduce<T, I, F>(self, identity: I, op: F) -> Self::Item
    where
        Self::Item: Attempt<Output = T>,
        T: Send,
        I: Fn() -> T + Sync + Send,
        F: Fn(T, T) -> Self::Item + Sync + Send,
    {
        try_fold_merge(
            self,
            identity,
            |acc, item: Self::Item| match item.branch() {
                ControlFlow::Continue(item) => op(acc, item),
                ControlFlow::Break(failure) => Self::Item::from_failure(failure),
            },
            &op,
        )
    }

    /// As [`try_reduce`](Self::try_reduce); `None` for no items.
    ///
    /// # Errors
    /// One of the errors.
    fn try_reduce_with<T, F>(self, op: F) -> Option<Self::Item>
    where
        Self::Item: Attempt<Output = T>,
        T: Send,
        F: Fn(T, T) -> Self::Item + Sync + Send,
    {
        type Flow<R, T> = ControlFlow<<R as Attempt>::Failure, Option<T>>;
        let merge = |a: Option<T>, b: Option<T>| -> Flow<Self::Item, T> {
            match (a, b) {
                (Some(a), Some(b)) => ControlFlow::Continue(Some(op(a, b).branch()?)),
                (a, b) => ControlFlow::Continue(a.or(b)),
            }
        };
        let result = try_fold_merge(
            self,
            || None,
            |acc, item: Self::Item| -> Flow<Self::Item, T> { merge(acc, Some(item.branch()?)) },
            merge,
        );
        match result {
            ControlFlow::Continue(result) => result.map(Self::Item::from_output),
            ControlFlow::Break(failure) => Some(Self::Item::from_failure(failure)),
        }
    }

    /// Running totals by `op`, which must not care where it is bracketed: each result is what all items up to that one make.
    /// Calls `op` less than twice for each item.
    fn scan<F>(self, op: F) -> Vec<Self::Item>
    where
        Self::Item: Clone + Sync,
        F: Fn(&Self::Item, &Self::Item) -> Self::Item + Sync + Send,
    {
        let mut items: Vec<Self::Item> = self.collect();
        super::scan::in_place(&mut items, current_num_threads(), &op);
        items
    }

    /// As [`reduce`](Self::reduce), bracketed by position alone: the result is the same bits for any number of threads, on any run.
    fn reduce_fixed<I, F>(self, identity: I, op: F) -> Self::Item
    where
        I: Fn() -> Self::Item + Sync + Send,
        F: Fn(Self::Item, Self::Item) -> Self::Item + Sync + Send,
    {
        let consumer = With {
            start: identity,
            eat: &op,
            merge: &op,
        };
        enter(|worker| drive_fixed(worker, self, &consumer))
    }

    /// The sum, bracketed by position alone; see [`reduce_fixed`](Self::reduce_fixed).
    fn sum_fixed<T>(self) -> T
    where
        T: Send + Sum<Self::Item> + Sum<T>,
    {
        enter(|worker| drive_fixed(worker, self, &Sums::<T>(core::marker::PhantomData)))
            .unwrap_or_else(|| core::iter::empty::<T>().sum())
    }

    /// The sum.
    fn sum<T>(self) -> T
    where
        T: Send + Sum<Self::Item> + Sum<T>,
    {
        enter(|worker| drive(worker, self, &Sums::<T>(core::marker::PhantomData)))
            .unwrap_or_else(|| core::iter::empty::<T>().sum())
    }

    /// The product.
    fn product<T>(self) -> T
    where
        T: Send + Product<Self::Item> + Product<T>,
    {
        enter(|worker| drive(worker, self, &Products::<T>(core::marker::PhantomData)))
            .unwrap_or_else(|| core::iter::empty::<T>().product())
    }

    /// The least item, the first of equals.
    fn min(self) -> Option<Self::Item>
    where
        Self::Item: Ord,
    {
        self.reduce_with(core::cmp::min)
    }

    /// The greatest item, the last of equals.
    fn max(self) -> Option<Self::Item>
    where
        Self::Item: Ord,
    {
        self.reduce_with(core::cmp::max)
    }

    /// The least item by `compare`, the first of equals.
    fn min_by<F>(self, compare: F) -> Option<Self::Item>
    where
        F: Fn(&Self::Item, &Self::Item) -> Order + Sync + Send,
    {
        self.reduce_with(|a, b| {
            if compare(&a, &b) == Order::Greater {
                b
            } else {
                a
            }
        })
    }

    /// The greatest item by `compare`, the last of equals.
    fn max_by<F>(self, compare: F) -> Option<Self::Item>
    where
        F: Fn(&Self::Item, &Self::Item) -> Order + Sync + Send,
    {
        self.reduce_with(|a, b| {
            if compare(&a, &b) == Order::Greater {
                a
            } else {
                b
            }
        })
    }

    /// The item with the least key, the first of equals.
    fn min_by_key<K, F>(self, key: F) -> Option<Self::Item>
    where
        K: Ord + Send,
        F: Fn(&Self::Item) -> K + Sync + Send,
    {
        self.map(|item| (key(&item), item))
            .min_by(|a, b| a.0.cmp(&b.0))
            .map(|(_, item)| item)
    }

    /// The item with the greatest key, the last of equals.
    fn max_by_key<K, F>(self, key: F) -> Option<Self::Item>
    where
        K: Ord + Send,
        F: Fn(&Self::Item) -> K + Sync + Send,
    {
        self.map(|item| (key(&item), item))
            .max_by(|a, b| a.0.cmp(&b.0))
            .map(|(_, item)| item)
    }

    /// Whether `f` accepts an item; others stop once one is found.
    fn any<F>(self, f: F) -> bool
    where
        F: Fn(Self::Item) -> bool + Sync + Send,
    {
        self.find_map_any(|item| f(item).then_some(())).is_some()
    }

    /// Whether `f` accepts every item; others stop once one fails.
    fn all<F>(self, f: F) -> bool
    where
        F: Fn(Self::Item) -> bool + Sync + Send,
    {
        !self.any(|item| !f(item))
    }

    /// Some item that `f` accepts.
    fn find_any<F>(self, f: F) -> Option<Self::Item>
    where
        F: Fn(&Self::Item) -> bool + Sync + Send,
    {
        self.find_map_any(|item| f(&item).then_some(item))
    }

    /// The first item that `f` accepts.
    fn find_first<F>(self, f: F) -> Option<Self::Item>
    where
        F: Fn(&Self::Item) -> bool + Sync + Send,
    {
        self.find_map_first(|item| f(&item).then_some(item))
    }

    /// The last item that `f` accepts. All are looked at.
    fn find_last<F>(self, f: F) -> Option<Self::Item>
    where
        F: Fn(&Self::Item) -> bool + Sync + Send,
    {
        self.find_map_last(|item| f(&item).then_some(item))
    }

    /// The last result of `f`. All items are looked at.
    fn find_map_last<F, R>(self, find: F) -> Option<R>
    where
        F: Fn(Self::Item) -> Option<R> + Sync + Send,
        R: Send,
    {
        enter(|worker| drive(worker, self, &Last { find }))
    }

    /// Some result of `f`.
    fn find_map_any<F, R>(self, find: F) -> Option<R>
    where
        F: Fn(Self::Item) -> Option<R> + Sync + Send,
        R: Send,
    {
        let found = &AtomicBool::new(false);
        enter(|worker| drive(worker, self, &Any { find, found }))
    }

    /// The first result of `f`.
    fn find_map_first<F, R>(self, find: F) -> Option<R>
    where
        F: Fn(Self::Item) -> Option<R> + Sync + Send,
        R: Send,
    {
        let best = &AtomicUsize::new(usize::MAX);
        enter(|worker| drive(worker, self, &First { find, best }))
    }

    /// All items, in order where the collection has one.
    fn collect<C>(self) -> C
    where
        C: FromParallelIterator<Self::Item>,
    {
        C::from_par_iter(Whole(self))
    }

    /// All items in order, in the pieces in which they were found: no copy into one place.
    fn collect_vec_list(self) -> LinkedList<Vec<Self::Item>> {
        parts(self)
    }

    /// The items that `f` accepts, and the others.
    fn partition<A, B, F>(self, f: F) -> (A, B)
    where
        A: Default + ParallelExtend<Self::Item>,
        B: Default + ParallelExtend<Self::Item>,
        F: Fn(&Self::Item) -> bool + Sync + Send,
    {
        self.partition_map(|item| {
            if f(&item) {
                Either::Left(item)
            } else {
                Either::Right(item)
            }
        })
    }

    /// What `f` puts left, and what it puts right.
    fn partition_map<A, B, F, L, R>(self, f: F) -> (A, B)
    where
        A: Default + ParallelExtend<L>,
        B: Default + ParallelExtend<R>,
        F: Fn(Self::Item) -> Either<L, R> + Sync + Send,
        L: Send,
        R: Send,
    {
        let mut both = (A::default(), B::default());
        both.par_extend(Whole(self.map(f)));
        both
    }

    /// The first and the second parts of pairs.
    fn unzip<A, B, FromA, FromB>(self) -> (FromA, FromB)
    where
        Self: Source<Item = (A, B)>,
        FromA: Default + ParallelExtend<A>,
        FromB: Default + ParallelExtend<B>,
        A: Send,
        B: Send,
    {
        let mut both = (FromA::default(), FromB::default());
        both.par_extend(Whole(self));
        both
    }
}

/// The items through `f`, until it refuses one or `token` is cancelled.
pub(super) fn until<S: Source, F>(source: S, f: F, token: CancelToken) -> Until<S, F> {
    Adapted::new(source, Accepting::new(f, token))
}

/// Draws one of what is left.
fn draw(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(1)
    })
    .is_ok()
}

impl<S: Source> ParallelIterator for S {}

fn fold_merge<S, A>(
    source: S,
    start: impl Fn() -> A + Sync + Send,
    eat: impl Fn(A, S::Item) -> A + Sync + Send,
    merge: impl Fn(A, A) -> A + Sync + Send,
) -> A
where
    S: Source,
    A: Send,
{
    let consumer = With { start, eat, merge };
    enter(|worker| drive(worker, source, &consumer))
}

fn try_fold_merge<S, A, R>(
    source: S,
    start: impl Fn() -> A + Sync + Send,
    eat: impl Fn(A, S::Item) -> R + Sync + Send,
    merge: impl Fn(A, A) -> R + Sync + Send,
) -> R
where
    S: Source,
    A: Send,
    R: Attempt<Output = A>,
{
    let consumer = Try {
        start,
        eat,
        merge,
        failed: &AtomicBool::new(false),
    };
    match enter(|worker| drive(worker, source, &consumer)) {
        ControlFlow::Continue(output) => R::from_output(output),
        ControlFlow::Break(failure) => R::from_failure(failure),
    }
}
