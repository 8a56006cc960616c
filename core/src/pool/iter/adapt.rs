//! Sources made from one other source: what an adaptor does to the items is its own, how the source splits is written once.
#![allow(
    unsafe_code,
    reason = "exact sources are a promise that collecting relies on"
)]

use super::drive::{Consumer, Cuts, Pass, Through, parts};
use super::function::{Divide, Function};
use super::source::{ExactSource, Limits, Source};
use crate::pool::{Env, Worker};
use core::fmt;

/// What is done to the items of a source.
///
/// # Safety
/// If `ONE_FOR_ONE`, the iterator gives just one item for each of the base's.
pub unsafe trait Adaptor<S: Source>: Divide + Send {
    /// What it gives.
    type Item: Send;
    /// The plain iterator of a part.
    type Seq: Iterator<Item = Self::Item>;
    /// Whether it gives one item for each.
    const ONE_FOR_ONE: bool;

    /// The plain iterator over the items of `base`, which is a part of this weight.
    fn over(self, base: S::Seq, weight: usize) -> Self::Seq;

    /// Whether nothing more is wanted.
    fn is_stopped(&self) -> bool {
        false
    }

    /// How parts may be cut, if the base says `limits`.
    fn limits(&self, limits: Limits) -> Limits {
        limits
    }

    /// Runs `base`, adapted, through `consumer`.
    #[inline]
    fn feed<E: Env, C: Consumer<Self::Item>>(
        self,
        base: S,
        worker: Worker<'_, E>,
        cuts: Cuts,
        consumer: &C,
    ) -> C::Acc {
        parts(worker, cuts, Adapted::new(base, self), consumer)
    }
}

/// Runs the base through a consumer that does what the adaptor does.
macro_rules! passed_on {
    () => {
        #[inline]
        fn feed<E: Env, C: Consumer<Self::Item>>(
            self,
            base: S,
            worker: Worker<'_, E>,
            cuts: Cuts,
            consumer: &C,
        ) -> C::Acc {
            let (by, next) = (&self, consumer);
            base.feed(worker, cuts, &Through { by, next })
        }
    };
}

/// An adaptor that keeps the number of items.
pub trait OneForOne {}

/// A source, adapted.
#[derive(Clone, Debug)]
pub struct Adapted<S, A> {
    base: S,
    by: A,
}

impl<S, A> Adapted<S, A> {
    /// `base`, adapted `by`.
    pub const fn new(base: S, by: A) -> Self {
        Self { base, by }
    }
}

// SAFETY: splits and weights are the base's, and so is the number of items if the adaptor gives one for one.
unsafe impl<S: Source, A: Adaptor<S>> Source for Adapted<S, A> {
    type Item = A::Item;
    type Seq = A::Seq;
    const EXACT: bool = S::EXACT && A::ONE_FOR_ONE;
    const COARSE: bool = S::COARSE;

    fn weight(&self) -> usize {
        if self.by.is_stopped() {
            0
        } else {
            self.base.weight()
        }
    }
    fn span(&self) -> usize {
        self.base.span()
    }
    fn fits(&self) -> bool {
        self.base.fits()
    }
    fn split_at(self, at: usize) -> (Self, Self) {
        let (left, right) = self.base.split_at(at);
        let (by_left, by_right) = self.by.divide(at);
        (Self::new(left, by_left), Self::new(right, by_right))
    }
    fn into_seq(self) -> A::Seq {
        let weight = self.base.weight();
        self.by.over(self.base.into_seq(), weight)
    }
    fn limits(&self) -> Limits {
        self.by.limits(self.base.limits())
    }
    #[inline]
    fn feed<E: Env, C: Consumer<A::Item>>(
        self,
        worker: Worker<'_, E>,
        cuts: Cuts,
        consumer: &C,
    ) -> C::Acc {
        self.by.feed(self.base, worker, cuts, consumer)
    }
}

impl<S: ExactSource, A: Adaptor<S> + OneForOne> ExactSource for Adapted<S, A> {}

/// The plain iterator of a part whose adaptor needs nothing else.
#[derive(Debug)]
pub struct Stepped<I, A> {
    pub(super) base: I,
    pub(super) by: A,
}

/// Adaptors that are a function.
macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name<F>(Function<F>);

        impl<F> $name<F> {
            /// With `f`.
            pub fn new(f: F) -> Self {
                Self(Function::Own(f))
            }
        }

        impl<F> Divide for $name<F> {
            fn divide(self, _: usize) -> (Self, Self) {
                let (left, right) = self.0.divide();
                (Self(left), Self(right))
            }
        }

        impl<F> fmt::Debug for $name<F> {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(stringify!($name))
            }
        }
    )*};
}

functions! {
    /// Each item through a function.
    Each;
    /// Those items that a function accepts.
    Accepted;
    /// What a function gives for each item, where it gives something.
    Given;
    /// All items of the plain iterators that a function gives; each of those is run in one piece.
    Listed;
}

/// Each item through a function.
pub type Map<S, F> = Adapted<S, Each<F>>;
/// Those items that a function accepts.
pub type Filter<S, F> = Adapted<S, Accepted<F>>;
/// What a function gives for each item, where it gives something.
pub type FilterMap<S, F> = Adapted<S, Given<F>>;
/// All items of the plain iterators that a function gives.
pub type FlatMapIter<S, F> = Adapted<S, Listed<F>>;
/// Copies of what the items refer to.
pub type Cloned<S> = Adapted<S, Copied>;
/// Items with their positions.
pub type Enumerate<S> = Adapted<S, Numbered>;
/// A source with other limits on its parts.
pub type Bounded<S> = Adapted<S, Within>;

// SAFETY: one item for each.
unsafe impl<S: Source, F, R: Send> Adaptor<S> for Each<F>
where
    F: Fn(S::Item) -> R + Send + Sync,
{
    type Item = R;
    type Seq = Stepped<S::Seq, Self>;
    const ONE_FOR_ONE: bool = true;
    fn over(self, base: S::Seq, _: usize) -> Self::Seq {
        Stepped { base, by: self }
    }
    passed_on!();
}

impl<T, R, F: Fn(T) -> R + Send + Sync> Pass<T> for Each<F> {
    type Out = R;
    #[inline]
    fn pass(&self, items: impl Iterator<Item = T>) -> impl Iterator<Item = R> {
        items.map(&*self.0)
    }
}

impl<F> OneForOne for Each<F> {}

impl<I: Iterator, F: Fn(I::Item) -> R, R> Iterator for Stepped<I, Each<F>> {
    type Item = R;
    #[inline]
    fn next(&mut self) -> Option<R> {
        self.base.next().map(&*self.by.0)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.base.size_hint()
    }
    #[inline]
    fn fold<B, G: FnMut(B, R) -> B>(self, init: B, mut g: G) -> B {
        let f = &*self.by.0;
        self.base.fold(init, |acc, item| g(acc, f(item)))
    }
}

impl<I: DoubleEndedIterator, F: Fn(I::Item) -> R, R> DoubleEndedIterator for Stepped<I, Each<F>> {
    fn next_back(&mut self) -> Option<R> {
        self.base.next_back().map(&*self.by.0)
    }
}

impl<I: ExactSizeIterator, F: Fn(I::Item) -> R, R> ExactSizeIterator for Stepped<I, Each<F>> {}

// SAFETY: it does not say that it gives one for one.
unsafe impl<S: Source, F> Adaptor<S> for Accepted<F>
where
    F: Fn(&S::Item) -> bool + Send + Sync,
{
    type Item = S::Item;
    type Seq = Stepped<S::Seq, Self>;
    const ONE_FOR_ONE: bool = false;
    fn over(self, base: S::Seq, _: usize) -> Self::Seq {
        Stepped { base, by: self }
    }
    passed_on!();
}

impl<T, F: Fn(&T) -> bool + Send + Sync> Pass<T> for Accepted<F> {
    type Out = T;
    #[inline]
    fn pass(&self, items: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        items.filter(&*self.0)
    }
}

impl<I: Iterator, F: Fn(&I::Item) -> bool> Iterator for Stepped<I, Accepted<F>> {
    type Item = I::Item;
    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        let f = &*self.by.0;
        self.base.find(|item| f(item))
    }
    #[inline]
    fn fold<B, G: FnMut(B, I::Item) -> B>(self, init: B, mut g: G) -> B {
        let f = &*self.by.0;
        self.base
            .fold(init, |acc, item| if f(&item) { g(acc, item) } else { acc })
    }
}

// SAFETY: it does not say that it gives one for one.
unsafe impl<S: Source, F, R: Send> Adaptor<S> for Given<F>
where
    F: Fn(S::Item) -> Option<R> + Send + Sync,
{
    type Item = R;
    type Seq = Stepped<S::Seq, Self>;
    const ONE_FOR_ONE: bool = false;
    fn over(self, base: S::Seq, _: usize) -> Self::Seq {
        Stepped { base, by: self }
    }
    passed_on!();
}

impl<T, R, F: Fn(T) -> Option<R> + Send + Sync> Pass<T> for Given<F> {
    type Out = R;
    #[inline]
    fn pass(&self, items: impl Iterator<Item = T>) -> impl Iterator<Item = R> {
        items.filter_map(&*self.0)
    }
}

impl<I: Iterator, F: Fn(I::Item) -> Option<R>, R> Iterator for Stepped<I, Given<F>> {
    type Item = R;
    #[inline]
    fn next(&mut self) -> Option<R> {
        self.base.find_map(&*self.by.0)
    }
    #[inline]
    fn fold<B, G: FnMut(B, R) -> B>(self, init: B, mut g: G) -> B {
        let f = &*self.by.0;
        self.base.fold(init, |acc, item| match f(item) {
            Some(item) => g(acc, item),
            None => acc,
        })
    }
}

/// The plain iterator of a part of a [`FlatMapIter`].
pub struct ListedSeq<I, U: IntoIterator, F> {
    base: I,
    f: Function<F>,
    front: Option<U::IntoIter>,
}

impl<I, U: IntoIterator, F> fmt::Debug for ListedSeq<I, U, F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ListedSeq")
    }
}

// SAFETY: it does not say that it gives one for one.
unsafe impl<S: Source, U, F> Adaptor<S> for Listed<F>
where
    U: IntoIterator,
    U::Item: Send,
    F: Fn(S::Item) -> U + Send + Sync,
{
    type Item = U::Item;
    type Seq = ListedSeq<S::Seq, U, F>;
    const ONE_FOR_ONE: bool = false;
    fn over(self, base: S::Seq, _: usize) -> Self::Seq {
        ListedSeq {
            base,
            f: self.0,
            front: None,
        }
    }
    passed_on!();
}

impl<T, U: IntoIterator, F: Fn(T) -> U + Send + Sync> Pass<T> for Listed<F> {
    type Out = U::Item;
    #[inline]
    fn pass(&self, items: impl Iterator<Item = T>) -> impl Iterator<Item = U::Item> {
        items.flat_map(&*self.0)
    }
}

impl<I: Iterator, U: IntoIterator, F: Fn(I::Item) -> U> Iterator for ListedSeq<I, U, F> {
    type Item = U::Item;
    fn next(&mut self) -> Option<U::Item> {
        loop {
            if let Some(item) = self.front.as_mut().and_then(Iterator::next) {
                return Some(item);
            }
            self.front = Some((self.f)(self.base.next()?).into_iter());
        }
    }
    #[inline]
    fn fold<B, G: FnMut(B, U::Item) -> B>(self, init: B, mut g: G) -> B {
        let f = &*self.f;
        let acc = self.front.into_iter().flatten().fold(init, &mut g);
        self.base
            .fold(acc, |acc, item| f(item).into_iter().fold(acc, &mut g))
    }
}

/// Copies of what the items refer to.
#[derive(Clone, Copy, Debug)]
pub struct Copied;

// SAFETY: one item for each.
unsafe impl<'a, T: Clone + Send + Sync + 'a, S: Source<Item = &'a T>> Adaptor<S> for Copied {
    type Item = T;
    type Seq = core::iter::Cloned<S::Seq>;
    const ONE_FOR_ONE: bool = true;
    fn over(self, base: S::Seq, _: usize) -> Self::Seq {
        base.cloned()
    }
    passed_on!();
}

impl<'a, T: Clone + 'a> Pass<&'a T> for Copied {
    type Out = T;
    #[inline]
    fn pass(&self, items: impl Iterator<Item = &'a T>) -> impl Iterator<Item = T> {
        items.cloned()
    }
}

impl OneForOne for Copied {}

impl Divide for Copied {
    fn divide(self, _: usize) -> (Self, Self) {
        (self, self)
    }
}

/// Items with their positions.
#[derive(Clone, Copy, Debug)]
pub struct Numbered {
    first: usize,
}

impl Numbered {
    /// From 0 on.
    pub const START: Self = Self { first: 0 };
}

/// The plain iterator of a part of an [`Enumerate`].
#[derive(Debug)]
pub struct NumberedSeq<I> {
    base: I,
    next: usize,
    end: usize,
}

// SAFETY: one item for each.
unsafe impl<S: Source> Adaptor<S> for Numbered {
    type Item = (usize, S::Item);
    type Seq = NumberedSeq<S::Seq>;
    const ONE_FOR_ONE: bool = true;
    fn over(self, base: S::Seq, weight: usize) -> Self::Seq {
        NumberedSeq {
            base,
            next: self.first,
            end: self.first + weight,
        }
    }
}

impl OneForOne for Numbered {}

impl Divide for Numbered {
    fn divide(self, at: usize) -> (Self, Self) {
        let first = self.first + at;
        (self, Self { first })
    }
}

impl<I: Iterator> Iterator for NumberedSeq<I> {
    type Item = (usize, I::Item);
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let item = self.base.next()?;
        let index = self.next;
        self.next += 1;
        Some((index, item))
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.base.size_hint()
    }
    #[inline]
    fn fold<B, G: FnMut(B, Self::Item) -> B>(self, init: B, mut g: G) -> B {
        let mut next = self.next;
        self.base.fold(init, |acc, item| {
            let index = next;
            next += 1;
            g(acc, (index, item))
        })
    }
}

impl<I: DoubleEndedIterator> DoubleEndedIterator for NumberedSeq<I> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let item = self.base.next_back()?;
        self.end -= 1;
        Some((self.end, item))
    }
}

impl<I: ExactSizeIterator> ExactSizeIterator for NumberedSeq<I> {}

/// Parts of at least and at most so many items.
#[derive(Clone, Copy, Debug)]
pub struct Within {
    min: usize,
    max: usize,
}

impl Within {
    /// At least `min` and at most `max` items.
    #[must_use]
    pub const fn new(min: usize, max: usize) -> Self {
        Self { min, max }
    }
}

// SAFETY: the items are the base's.
unsafe impl<S: Source> Adaptor<S> for Within {
    type Item = S::Item;
    type Seq = S::Seq;
    const ONE_FOR_ONE: bool = true;
    fn over(self, base: S::Seq, _: usize) -> S::Seq {
        base
    }
    fn limits(&self, limits: Limits) -> Limits {
        limits.and(Limits {
            min: self.min,
            max: self.max,
            ..Limits::NONE
        })
    }
}

impl OneForOne for Within {}

impl Divide for Within {
    fn divide(self, _: usize) -> (Self, Self) {
        (self, self)
    }
}
