//! The methods of parallel iterators.

use super::from::FromParallelIterator;
use crate::pool::enter;
use core::cmp::Ordering as Order;
use core::iter::{Product, Sum};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use underpin_core::pool::iter::{
    Bounded, Chain, Cloned, Consumer, Enumerate, ExactSource, Filter, FilterMap, FlatMap, Map, Rev,
    Source, Zip, collect, drive, drive_fixed,
};

/// A consumer made from closures.
struct With<S, E, M> {
    start: S,
    eat: E,
    merge: M,
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
struct Any<'a, F> {
    find: F,
    found: &'a AtomicBool,
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
}

/// Finds the first item, and stops all behind it.
struct First<'a, F> {
    find: F,
    best: &'a AtomicUsize,
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
}

/// A parallel iterator: everything that splits.
///
/// Closures may run on any thread of the pool, at the same time. If one panics, the others' blocks end, and the panic reaches the caller.
pub trait ParallelIterator: Source {
    /// Each item through `f`.
    fn map<F, R>(self, f: F) -> Map<Self, F>
    where
        F: Fn(Self::Item) -> R + Send + Sync,
        R: Send,
    {
        Map::new(self, f)
    }

    /// The items that `f` accepts.
    fn filter<F>(self, f: F) -> Filter<Self, F>
    where
        F: Fn(&Self::Item) -> bool + Send + Sync,
    {
        Filter::new(self, f)
    }

    /// What `f` gives for each item, where it gives something.
    fn filter_map<F, R>(self, f: F) -> FilterMap<Self, F>
    where
        F: Fn(Self::Item) -> Option<R> + Send + Sync,
        R: Send,
    {
        FilterMap::new(self, f)
    }

    /// All items of the plain iterators that `f` gives; each of those runs in one piece.
    fn flat_map_iter<F, U>(self, f: F) -> FlatMap<Self, F>
    where
        F: Fn(Self::Item) -> U + Send + Sync,
        U: IntoIterator,
        U::Item: Send,
    {
        FlatMap::new(self, f)
    }

    /// As [`flat_map_iter`](Self::flat_map_iter): the inner iterators run in one piece each.
    fn flat_map<F, U>(self, f: F) -> FlatMap<Self, F>
    where
        F: Fn(Self::Item) -> U + Send + Sync,
        U: IntoIterator,
        U::Item: Send,
    {
        FlatMap::new(self, f)
    }

    /// All items of the items.
    #[allow(
        clippy::type_complexity,
        reason = "a function that returns its argument"
    )]
    fn flatten(self) -> FlatMap<Self, fn(Self::Item) -> Self::Item>
    where
        Self::Item: IntoIterator,
        <Self::Item as IntoIterator>::Item: Send,
    {
        FlatMap::new(
            self,
            core::convert::identity as fn(Self::Item) -> Self::Item,
        )
    }

    /// Copies of what the items refer to.
    fn cloned<'a, T>(self) -> Cloned<Self>
    where
        T: Clone + Send + Sync + 'a,
        Self: Source<Item = &'a T>,
    {
        Cloned(self)
    }

    /// Copies of what the items refer to.
    fn copied<'a, T>(self) -> Cloned<Self>
    where
        T: Copy + Send + Sync + 'a,
        Self: Source<Item = &'a T>,
    {
        Cloned(self)
    }

    /// Calls `f` with each item on its way.
    fn inspect<F>(self, f: F) -> Map<Self, impl Fn(Self::Item) -> Self::Item + Send + Sync>
    where
        F: Fn(&Self::Item) + Send + Sync,
    {
        Map::new(self, move |item| {
            f(&item);
            item
        })
    }

    /// These items, then those of `other`.
    fn chain<O: Source<Item = Self::Item>>(self, other: O) -> Chain<Self, O> {
        Chain::new(self, other)
    }

    /// Parts of at least `min` items. Rarely needed.
    fn with_min_len(self, min: usize) -> Bounded<Self> {
        Bounded::new(self, min, usize::MAX)
    }

    /// Parts of at most `max` items. Rarely needed.
    fn with_max_len(self, max: usize) -> Bounded<Self> {
        Bounded::new(self, 1, max)
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

    /// Calls `f` with each item until it fails once; others stop soon.
    ///
    /// # Errors
    /// One of the errors.
    fn try_for_each<F, X>(self, f: F) -> Result<(), X>
    where
        F: Fn(Self::Item) -> Result<(), X> + Send + Sync,
        X: Send,
    {
        self.find_map_any(|item| f(item).err()).map_or(Ok(()), Err)
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
        C::from_par_iter(self)
    }

    /// The items that `f` accepts, and the others.
    fn partition<F>(self, f: F) -> (Vec<Self::Item>, Vec<Self::Item>)
    where
        F: Fn(&Self::Item) -> bool + Sync + Send,
    {
        fold_merge(
            self,
            || (Vec::new(), Vec::new()),
            |(mut yes, mut no), item| {
                if f(&item) { &mut yes } else { &mut no }.push(item);
                (yes, no)
            },
            |(mut a, mut b), (c, d)| {
                a.extend(c);
                b.extend(d);
                (a, b)
            },
        )
    }

    /// The first and the second parts of pairs.
    fn unzip<A, B>(self) -> (Vec<A>, Vec<B>)
    where
        Self: Source<Item = (A, B)>,
        A: Send,
        B: Send,
    {
        fold_merge(
            self,
            || (Vec::new(), Vec::new()),
            |(mut first, mut second), (a, b)| {
                first.push(a);
                second.push(b);
                (first, second)
            },
            |(mut a, mut b), (c, d)| {
                a.extend(c);
                b.extend(d);
                (a, b)
            },
        )
    }
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

struct Sums<T>(core::marker::PhantomData<fn() -> T>);

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

struct Products<T>(core::marker::PhantomData<fn() -> T>);

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

/// A parallel iterator whose length is known.
pub trait IndexedParallelIterator: ExactSource {
    /// How many items there are.
    fn len(&self) -> usize {
        self.weight()
    }

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.weight() == 0
    }

    /// Items with their positions.
    fn enumerate(self) -> Enumerate<Self> {
        Enumerate::new(self)
    }

    /// Pairs with the items of `other`, as long as both last.
    fn zip<O>(self, other: O) -> Zip<Self, O::Iter>
    where
        O: super::IntoParallelIterator,
        O::Iter: ExactSource,
    {
        Zip::new(self, other.into_par_iter())
    }

    /// From the last to the first.
    fn rev(self) -> Rev<Self>
    where
        Self::Seq: DoubleEndedIterator,
    {
        Rev(self)
    }

    /// Without the first `count`.
    fn skip(self, count: usize) -> Self {
        let at = count.min(self.weight());
        self.split_at(at).1
    }

    /// The first `count`.
    fn take(self, count: usize) -> Self {
        let at = count.min(self.weight());
        self.split_at(at).0
    }

    /// Writes all items, in order, to the end of `vector`, after clearing it.
    fn collect_into_vec(self, vector: &mut Vec<Self::Item>) {
        vector.clear();
        enter(|worker| collect(worker, self, vector));
    }

    /// The position of some item that `f` accepts.
    fn position_any<F>(self, f: F) -> Option<usize>
    where
        F: Fn(Self::Item) -> bool + Sync + Send,
    {
        self.enumerate()
            .find_map_any(|(index, item)| f(item).then_some(index))
    }

    /// The position of the first item that `f` accepts.
    fn position_first<F>(self, f: F) -> Option<usize>
    where
        F: Fn(Self::Item) -> bool + Sync + Send,
    {
        self.enumerate()
            .find_map_first(|(index, item)| f(item).then_some(index))
    }
}

impl<S: ExactSource> IndexedParallelIterator for S {}
