//! Sources made from sources. Closures are shared by all parts through one counted pointer, cloned once a split.
#![allow(
    unsafe_code,
    reason = "exact sources are a promise that collecting relies on"
)]

use super::source::{ExactSource, Source};
use alloc::sync::Arc;
use core::fmt;

/// Writes a closure adaptor: its source, its plain iterator, and how that one steps.
macro_rules! closure_adaptor {
    (
        $(#[$doc:meta])* $name:ident, $seq:ident, exact: $exact:expr,
        item: $out:ty, where $($bounds:tt)*
    ) => {
        $(#[$doc])*
        pub struct $name<S, F> {
            base: S,
            f: Arc<F>,
        }

        /// The plain iterator of a part.
        pub struct $seq<I, F> {
            base: I,
            f: Arc<F>,
        }

        impl<S, F> $name<S, F> {
            /// Over `base` with `f`.
            pub fn new(base: S, f: F) -> Self {
                Self { base, f: Arc::new(f) }
            }
        }

        impl<S: fmt::Debug, F> fmt::Debug for $name<S, F> {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.debug_struct(stringify!($name)).field("base", &self.base).finish_non_exhaustive()
            }
        }

        impl<I: fmt::Debug, F> fmt::Debug for $seq<I, F> {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.debug_struct(stringify!($seq)).field("base", &self.base).finish_non_exhaustive()
            }
        }

        // SAFETY: splits and weights are the base's, and so is the number of items where the base is exact.
        unsafe impl<S: Source, F, R> Source for $name<S, F>
        where
            R: Send,
            $($bounds)*
        {
            type Item = $out;
            type Seq = $seq<S::Seq, F>;
            const EXACT: bool = $exact;

            fn weight(&self) -> usize {
                self.base.weight()
            }
            fn split_at(self, at: usize) -> (Self, Self) {
                let (left, right) = self.base.split_at(at);
                (
                    Self { base: left, f: self.f.clone() },
                    Self { base: right, f: self.f },
                )
            }
            fn into_seq(self) -> Self::Seq {
                $seq { base: self.base.into_seq(), f: self.f }
            }
            fn min_len(&self) -> usize {
                self.base.min_len()
            }
            fn max_len(&self) -> usize {
                self.base.max_len()
            }
        }
    };
}

closure_adaptor!(
    /// Each item through a function.
    Map, MapSeq, exact: S::EXACT, item: R, where F: Fn(S::Item) -> R + Send + Sync
);

impl<S: ExactSource, F, R: Send> ExactSource for Map<S, F> where F: Fn(S::Item) -> R + Send + Sync {}

impl<I: Iterator, F: Fn(I::Item) -> R, R> Iterator for MapSeq<I, F> {
    type Item = R;
    #[inline]
    fn next(&mut self) -> Option<R> {
        self.base.next().map(&*self.f)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.base.size_hint()
    }
    #[inline]
    fn fold<B, G: FnMut(B, R) -> B>(self, init: B, mut g: G) -> B {
        let f = &*self.f;
        self.base.fold(init, |acc, item| g(acc, f(item)))
    }
}

impl<I: DoubleEndedIterator, F: Fn(I::Item) -> R, R> DoubleEndedIterator for MapSeq<I, F> {
    fn next_back(&mut self) -> Option<R> {
        self.base.next_back().map(&*self.f)
    }
}

closure_adaptor!(
    /// What a function gives for each item, where it gives something.
    FilterMap, FilterMapSeq, exact: false, item: R, where F: Fn(S::Item) -> Option<R> + Send + Sync
);

impl<I: Iterator, F: Fn(I::Item) -> Option<R>, R> Iterator for FilterMapSeq<I, F> {
    type Item = R;
    #[inline]
    fn next(&mut self) -> Option<R> {
        self.base.find_map(&*self.f)
    }
    #[inline]
    fn fold<B, G: FnMut(B, R) -> B>(self, init: B, mut g: G) -> B {
        let f = &*self.f;
        self.base.fold(init, |acc, item| match f(item) {
            Some(item) => g(acc, item),
            None => acc,
        })
    }
}

/// The items that a predicate accepts.
pub struct Filter<S, F> {
    base: S,
    f: Arc<F>,
}

/// The plain iterator of a part.
pub struct FilterSeq<I, F> {
    base: I,
    f: Arc<F>,
}

impl<S, F> Filter<S, F> {
    /// Those of `base` that `f` accepts.
    pub fn new(base: S, f: F) -> Self {
        Self {
            base,
            f: Arc::new(f),
        }
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Filter<S, F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Filter")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl<I: fmt::Debug, F> fmt::Debug for FilterSeq<I, F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FilterSeq")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

// SAFETY: splits and weights are the base's, and so is the number of items where the base is exact.
unsafe impl<S: Source, F: Fn(&S::Item) -> bool + Send + Sync> Source for Filter<S, F> {
    type Item = S::Item;
    type Seq = FilterSeq<S::Seq, F>;
    const EXACT: bool = false;

    fn weight(&self) -> usize {
        self.base.weight()
    }
    fn split_at(self, at: usize) -> (Self, Self) {
        let (left, right) = self.base.split_at(at);
        (
            Self {
                base: left,
                f: self.f.clone(),
            },
            Self {
                base: right,
                f: self.f,
            },
        )
    }
    fn into_seq(self) -> Self::Seq {
        FilterSeq {
            base: self.base.into_seq(),
            f: self.f,
        }
    }
    fn min_len(&self) -> usize {
        self.base.min_len()
    }
    fn max_len(&self) -> usize {
        self.base.max_len()
    }
}

impl<I: Iterator, F: Fn(&I::Item) -> bool> Iterator for FilterSeq<I, F> {
    type Item = I::Item;
    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        let f = &*self.f;
        self.base.find(|item| f(item))
    }
    #[inline]
    fn fold<B, G: FnMut(B, I::Item) -> B>(self, init: B, mut g: G) -> B {
        let f = &*self.f;
        self.base
            .fold(init, |acc, item| if f(&item) { g(acc, item) } else { acc })
    }
}

/// All items of the iterators that a function gives; each of those is run in one piece.
pub struct FlatMap<S, F> {
    base: S,
    f: Arc<F>,
}

/// The plain iterator of a part.
pub struct FlatMapSeq<I, U: IntoIterator, F> {
    base: I,
    f: Arc<F>,
    front: Option<U::IntoIter>,
}

impl<S, F> FlatMap<S, F> {
    /// Over `base` with `f`.
    pub fn new(base: S, f: F) -> Self {
        Self {
            base,
            f: Arc::new(f),
        }
    }
}

impl<S: fmt::Debug, F> fmt::Debug for FlatMap<S, F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FlatMap")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl<I, U: IntoIterator, F> fmt::Debug for FlatMapSeq<I, U, F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("FlatMapSeq")
    }
}

// SAFETY: splits and weights are the base's, and so is the number of items where the base is exact.
unsafe impl<S: Source, U, F> Source for FlatMap<S, F>
where
    U: IntoIterator,
    U::Item: Send,
    F: Fn(S::Item) -> U + Send + Sync,
{
    type Item = U::Item;
    type Seq = FlatMapSeq<S::Seq, U, F>;
    const EXACT: bool = false;

    fn weight(&self) -> usize {
        self.base.weight()
    }
    fn split_at(self, at: usize) -> (Self, Self) {
        let (left, right) = self.base.split_at(at);
        (
            Self {
                base: left,
                f: self.f.clone(),
            },
            Self {
                base: right,
                f: self.f,
            },
        )
    }
    fn into_seq(self) -> Self::Seq {
        FlatMapSeq {
            base: self.base.into_seq(),
            f: self.f,
            front: None,
        }
    }
    fn min_len(&self) -> usize {
        self.base.min_len()
    }
    fn max_len(&self) -> usize {
        self.base.max_len()
    }
}

impl<I: Iterator, U: IntoIterator, F: Fn(I::Item) -> U> Iterator for FlatMapSeq<I, U, F> {
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

/// Copies of the items that a source of references points to.
#[derive(Debug)]
pub struct Cloned<S>(pub S);

// SAFETY: splits and weights are the base's, and so is the number of items where the base is exact.
unsafe impl<'a, T: Clone + Send + Sync + 'a, S: Source<Item = &'a T>> Source for Cloned<S> {
    type Item = T;
    type Seq = core::iter::Cloned<S::Seq>;
    const EXACT: bool = S::EXACT;

    fn weight(&self) -> usize {
        self.0.weight()
    }
    fn split_at(self, at: usize) -> (Self, Self) {
        let (left, right) = self.0.split_at(at);
        (Self(left), Self(right))
    }
    fn into_seq(self) -> Self::Seq {
        self.0.into_seq().cloned()
    }
    fn min_len(&self) -> usize {
        self.0.min_len()
    }
    fn max_len(&self) -> usize {
        self.0.max_len()
    }
}

impl<'a, T: Clone + Send + Sync + 'a, S: ExactSource<Item = &'a T>> ExactSource for Cloned<S> {}

/// From the last to the first.
#[derive(Debug)]
pub struct Rev<S>(pub S);

// SAFETY: splits and weights are the base's, and so is the number of items where the base is exact.
unsafe impl<S: ExactSource> Source for Rev<S>
where
    S::Seq: DoubleEndedIterator,
{
    type Item = S::Item;
    type Seq = core::iter::Rev<S::Seq>;
    const EXACT: bool = S::EXACT;

    fn weight(&self) -> usize {
        self.0.weight()
    }
    fn split_at(self, at: usize) -> (Self, Self) {
        let weight = self.0.weight();
        let (left, right) = self.0.split_at(weight - at);
        (Self(right), Self(left))
    }
    fn into_seq(self) -> Self::Seq {
        self.0.into_seq().rev()
    }
    fn min_len(&self) -> usize {
        self.0.min_len()
    }
    fn max_len(&self) -> usize {
        self.0.max_len()
    }
}

impl<S: ExactSource> ExactSource for Rev<S> where S::Seq: DoubleEndedIterator {}

/// Items with their positions.
#[derive(Debug)]
pub struct Enumerate<S> {
    base: S,
    first: usize,
}

/// The plain iterator of a part.
#[derive(Debug)]
pub struct EnumerateSeq<I> {
    base: I,
    next: usize,
}

impl<S> Enumerate<S> {
    /// Over `base`, from 0.
    pub fn new(base: S) -> Self {
        Self { base, first: 0 }
    }
}

// SAFETY: splits and weights are the base's, and so is the number of items where the base is exact.
unsafe impl<S: ExactSource> Source for Enumerate<S> {
    type Item = (usize, S::Item);
    type Seq = EnumerateSeq<S::Seq>;
    const EXACT: bool = S::EXACT;

    fn weight(&self) -> usize {
        self.base.weight()
    }
    fn split_at(self, at: usize) -> (Self, Self) {
        let (left, right) = self.base.split_at(at);
        let first = self.first;
        (
            Self { base: left, first },
            Self {
                base: right,
                first: first + at,
            },
        )
    }
    fn into_seq(self) -> Self::Seq {
        EnumerateSeq {
            base: self.base.into_seq(),
            next: self.first,
        }
    }
    fn min_len(&self) -> usize {
        self.base.min_len()
    }
    fn max_len(&self) -> usize {
        self.base.max_len()
    }
}

impl<S: ExactSource> ExactSource for Enumerate<S> {}

impl<I: Iterator> Iterator for EnumerateSeq<I> {
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

/// Pairs of two sources, as long as both last.
#[derive(Debug)]
pub struct Zip<A, B> {
    a: A,
    b: B,
}

impl<A: ExactSource, B: ExactSource> Zip<A, B> {
    /// Pairs of `a` and `b`.
    pub fn new(a: A, b: B) -> Self {
        let common = a.weight().min(b.weight());
        Self {
            a: a.split_at(common).0,
            b: b.split_at(common).0,
        }
    }
}

// SAFETY: splits and weights are the base's, and so is the number of items where the base is exact.
unsafe impl<A: ExactSource, B: ExactSource> Source for Zip<A, B> {
    type Item = (A::Item, B::Item);
    type Seq = core::iter::Zip<A::Seq, B::Seq>;
    const EXACT: bool = A::EXACT && B::EXACT;

    fn weight(&self) -> usize {
        self.a.weight()
    }
    fn split_at(self, at: usize) -> (Self, Self) {
        let (a, a_rest) = self.a.split_at(at);
        let (b, b_rest) = self.b.split_at(at);
        (
            Self { a, b },
            Self {
                a: a_rest,
                b: b_rest,
            },
        )
    }
    fn into_seq(self) -> Self::Seq {
        self.a.into_seq().zip(self.b.into_seq())
    }
    fn min_len(&self) -> usize {
        self.a.min_len().max(self.b.min_len())
    }
    fn max_len(&self) -> usize {
        self.a.max_len().min(self.b.max_len())
    }
}

impl<A: ExactSource, B: ExactSource> ExactSource for Zip<A, B> {}

/// One source after another.
#[derive(Debug)]
pub struct Chain<A, B> {
    a: A,
    b: B,
}

impl<A, B> Chain<A, B> {
    /// `a`, then `b`.
    pub fn new(a: A, b: B) -> Self {
        Self { a, b }
    }
}

// SAFETY: splits and weights are the base's, and so is the number of items where the base is exact.
unsafe impl<A: Source, B: Source<Item = A::Item>> Source for Chain<A, B> {
    type Item = A::Item;
    type Seq = core::iter::Chain<A::Seq, B::Seq>;
    const EXACT: bool = A::EXACT && B::EXACT;

    fn weight(&self) -> usize {
        self.a.weight().saturating_add(self.b.weight())
    }
    fn split_at(self, at: usize) -> (Self, Self) {
        let first = self.a.weight();
        if at <= first {
            let (a, a_rest) = self.a.split_at(at);
            let (none, b) = self.b.split_at(0);
            (Self { a, b: none }, Self { a: a_rest, b })
        } else {
            // A source that was stopped meanwhile weighs less than what the caller saw.
            let middle = (at - first).min(self.b.weight());
            let (b, b_rest) = self.b.split_at(middle);
            let (a, none) = self.a.split_at(first);
            (Self { a, b }, Self { a: none, b: b_rest })
        }
    }
    fn into_seq(self) -> Self::Seq {
        self.a.into_seq().chain(self.b.into_seq())
    }
    fn min_len(&self) -> usize {
        self.a.min_len().max(self.b.min_len())
    }
    fn max_len(&self) -> usize {
        self.a.max_len().min(self.b.max_len())
    }
}

impl<A: ExactSource, B: ExactSource<Item = A::Item>> ExactSource for Chain<A, B> {}

/// A source with other bounds on its parts.
#[derive(Debug)]
pub struct Bounded<S> {
    base: S,
    min: usize,
    max: usize,
}

impl<S: Source> Bounded<S> {
    /// Parts of at least `min` and at most `max` items.
    pub fn new(base: S, min: usize, max: usize) -> Self {
        let (min, max) = (base.min_len().max(min), base.max_len().min(max));
        Self { base, min, max }
    }
}

// SAFETY: splits and weights are the base's, and so is the number of items where the base is exact.
unsafe impl<S: Source> Source for Bounded<S> {
    type Item = S::Item;
    type Seq = S::Seq;
    const EXACT: bool = S::EXACT;

    fn weight(&self) -> usize {
        self.base.weight()
    }
    fn split_at(self, at: usize) -> (Self, Self) {
        let (left, right) = self.base.split_at(at);
        let (min, max) = (self.min, self.max);
        (
            Self {
                base: left,
                min,
                max,
            },
            Self {
                base: right,
                min,
                max,
            },
        )
    }
    fn into_seq(self) -> Self::Seq {
        self.base.into_seq()
    }
    fn min_len(&self) -> usize {
        self.min
    }
    fn max_len(&self) -> usize {
        self.max
    }
}

impl<S: ExactSource> ExactSource for Bounded<S> {}
