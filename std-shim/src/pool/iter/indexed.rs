//! The methods of parallel iterators whose length is known.

use super::IntoParallelIterator;
use super::make::{RepeatN, repeat_n};
use super::method::ParallelIterator;
use crate::pool::{current_num_threads, enter};
use core::cmp::Ordering as Order;
use underpin_core::pool::iter::{
    Adapted, Blocks, Copies, Enumerate, ExactSource, FilterMap, Groups, Interleave, Map, MapWith,
    Numbered, Rev, Source, StepBy, Zip, collect,
};

/// A parallel iterator whose length is known.
pub trait IndexedParallelIterator: ExactSource {
    /// How many items there are.
    ///
    /// # Panics
    /// If they are more than a `usize` counts, as those of `0..=u64::MAX` are. So do all methods here that rest on the length.
    fn len(&self) -> usize {
        assert!(self.fits(), "more items than usize can count");
        self.weight()
    }

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.weight() == 0
    }

    /// Every `step`-th item, from the first one on.
    ///
    /// # Panics
    /// If `step` is 0.
    fn step_by(self, step: usize) -> StepBy<Self> {
        StepBy::new(counted(self), step)
    }

    /// Vectors of `size` items, the last perhaps shorter.
    ///
    /// # Panics
    /// If `size` is 0.
    fn chunks(self, size: usize) -> Groups<Self> {
        Groups::new(counted(self), size)
    }

    /// What each `size` items fold into, starting from what `identity` makes.
    ///
    /// # Panics
    /// If `size` is 0.
    fn fold_chunks<T, I, F>(
        self,
        size: usize,
        identity: I,
        fold: F,
    ) -> Map<Groups<Self>, impl Fn(Vec<Self::Item>) -> T + Send + Sync>
    where
        T: Send,
        I: Fn() -> T + Send + Sync,
        F: Fn(T, Self::Item) -> T + Send + Sync,
    {
        self.chunks(size)
            .map(move |group| group.into_iter().fold(identity(), &fold))
    }

    /// As [`fold_chunks`](Self::fold_chunks), starting from clones of `value`.
    ///
    /// # Panics
    /// If `size` is 0.
    fn fold_chunks_with<T, F>(
        self,
        size: usize,
        value: T,
        fold: F,
    ) -> MapWith<Groups<Self>, Copies<T>, impl Fn(&mut T, Vec<Self::Item>) -> T + Send + Sync>
    where
        T: Clone + Send,
        F: Fn(T, Self::Item) -> T + Send + Sync,
    {
        self.chunks(size)
            .map_with(value, move |value: &mut T, group: Vec<Self::Item>| {
                group.into_iter().fold(value.clone(), &fold)
            })
    }

    /// Items of this and of `other` by turns; what one has more comes at the end.
    fn interleave<O>(self, other: O) -> Interleave<Self, O::Iter>
    where
        O: IntoParallelIterator<Item = Self::Item>,
        O::Iter: ExactSource,
    {
        Interleave::new(counted(self), counted(other.into_par_iter()))
    }

    /// Items of this and of `other` by turns, until it is the turn of one that has no more.
    fn interleave_shortest<O>(self, other: O) -> Interleave<Self, O::Iter>
    where
        O: IntoParallelIterator<Item = Self::Item>,
        O::Iter: ExactSource,
    {
        let other = other.into_par_iter();
        let (ours, theirs) = (self.len(), other.len());
        if ours <= theirs {
            Interleave::new(self, other.take(ours))
        } else {
            Interleave::new(self.take(theirs + 1), other)
        }
    }

    /// `separator` between each two items.
    fn intersperse(self, separator: Self::Item) -> Interleave<Self, RepeatN<Self::Item>>
    where
        Self::Item: Clone,
    {
        let between = self.len().saturating_sub(1);
        Interleave::new(self, repeat_n(separator, between))
    }

    /// The items in blocks of `size`, each of which is done before the next one begins.
    ///
    /// # Panics
    /// If `size` is 0.
    fn by_uniform_blocks(self, size: usize) -> Blocks<Self> {
        Blocks::new(counted(self), size, 1)
    }

    /// The items in blocks, each twice as long as the one before and done before the next one begins: a search for what is near
    /// the start looks at little else.
    fn by_exponential_blocks(self) -> Blocks<Self> {
        Blocks::new(counted(self), current_num_threads().max(1), 2)
    }

    /// Items with their positions.
    fn enumerate(self) -> Enumerate<Self> {
        Adapted::new(counted(self), Numbered::START)
    }

    /// Pairs with the items of `other`, as long as both last.
    fn zip<O>(self, other: O) -> Zip<Self, O::Iter>
    where
        O: IntoParallelIterator,
        O::Iter: ExactSource,
    {
        Zip::new(counted(self), counted(other.into_par_iter()))
    }

    /// As [`zip`](Self::zip) with one that is as long.
    ///
    /// # Panics
    /// If it is not.
    fn zip_eq<O>(self, other: O) -> Zip<Self, O::Iter>
    where
        O: IntoParallelIterator,
        O::Iter: ExactSource,
    {
        let other = other.into_par_iter();
        assert_eq!(self.len(), other.len(), "the two differ in length");
        Zip::new(self, other)
    }

    /// Compares item by item, then by length.
    fn cmp<O>(self, other: O) -> Order
    where
        O: IntoParallelIterator<Item = Self::Item>,
        O::Iter: ExactSource,
        Self::Item: Ord,
    {
        let other = other.into_par_iter();
        let lengths = self.len().cmp(&other.len());
        Zip::new(self, other)
            .find_map_first(|(a, b)| Some(a.cmp(&b)).filter(|order| order.is_ne()))
            .unwrap_or(lengths)
    }

    /// Compares item by item, then by length; `None` where two items do not compare.
    fn partial_cmp<O>(self, other: O) -> Option<Order>
    where
        O: IntoParallelIterator,
        O::Iter: ExactSource,
        Self::Item: PartialOrd<O::Item>,
    {
        let other = other.into_par_iter();
        let lengths = self.len().cmp(&other.len());
        Zip::new(self, other)
            .find_map_first(|(a, b)| {
                let order = a.partial_cmp(&b);
                (order != Some(Order::Equal)).then_some(order)
            })
            .unwrap_or(Some(lengths))
    }

    /// Whether both have the same items.
    fn eq<O>(self, other: O) -> bool
    where
        O: IntoParallelIterator,
        O::Iter: ExactSource,
        Self::Item: PartialEq<O::Item>,
    {
        let other = other.into_par_iter();
        self.len() == other.len() && Zip::new(self, other).all(|(a, b)| a == b)
    }

    /// Whether some item differs.
    fn ne<O>(self, other: O) -> bool
    where
        O: IntoParallelIterator,
        O::Iter: ExactSource,
        Self::Item: PartialEq<O::Item>,
    {
        !self.eq(other)
    }

    /// Whether it is less; see [`partial_cmp`](Self::partial_cmp).
    fn lt<O>(self, other: O) -> bool
    where
        O: IntoParallelIterator,
        O::Iter: ExactSource,
        Self::Item: PartialOrd<O::Item>,
    {
        self.partial_cmp(other).is_some_and(Order::is_lt)
    }

    /// Whether it is less or equal; see [`partial_cmp`](Self::partial_cmp).
    fn le<O>(self, other: O) -> bool
    where
        O: IntoParallelIterator,
        O::Iter: ExactSource,
        Self::Item: PartialOrd<O::Item>,
    {
        self.partial_cmp(other).is_some_and(Order::is_le)
    }

    /// Whether it is greater; see [`partial_cmp`](Self::partial_cmp).
    fn gt<O>(self, other: O) -> bool
    where
        O: IntoParallelIterator,
        O::Iter: ExactSource,
        Self::Item: PartialOrd<O::Item>,
    {
        self.partial_cmp(other).is_some_and(Order::is_gt)
    }

    /// Whether it is greater or equal; see [`partial_cmp`](Self::partial_cmp).
    fn ge<O>(self, other: O) -> bool
    where
        O: IntoParallelIterator,
        O::Iter: ExactSource,
        Self::Item: PartialOrd<O::Item>,
    {
        self.partial_cmp(other).is_some_and(Order::is_ge)
    }

    /// Puts the parts of pairs, in order, in the place of what the two vectors held.
    fn unzip_into_vecs<A, B>(self, first: &mut Vec<A>, second: &mut Vec<B>)
    where
        Self: Source<Item = (A, B)>,
        A: Send,
        B: Send,
    {
        (*first, *second) = self.unzip();
    }

    /// The position of the last item that `f` accepts. All are looked at.
    fn position_last<F>(self, f: F) -> Option<usize>
    where
        F: Fn(Self::Item) -> bool + Sync + Send,
    {
        self.enumerate()
            .find_map_last(|(index, item)| f(item).then_some(index))
    }

    /// The positions of all items that `f` accepts.
    fn positions<F>(
        self,
        f: F,
    ) -> FilterMap<Enumerate<Self>, impl Fn((usize, Self::Item)) -> Option<usize> + Send + Sync>
    where
        F: Fn(Self::Item) -> bool + Sync + Send,
    {
        self.enumerate()
            .filter_map(move |(index, item)| f(item).then_some(index))
    }

    /// From the last to the first.
    fn rev(self) -> Rev<Self>
    where
        Self::Seq: DoubleEndedIterator,
    {
        Rev(counted(self))
    }

    /// Without the first `count`.
    fn skip(self, count: usize) -> Self {
        let at = count.min(self.len());
        self.split_at(at).1
    }

    /// The first `count`.
    fn take(self, count: usize) -> Self {
        let at = count.min(self.len());
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

/// The source, whose length is asked for, so that it can be relied on.
fn counted<S: ExactSource>(source: S) -> S {
    let _fits = source.len();
    source
}
