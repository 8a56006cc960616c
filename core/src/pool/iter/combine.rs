//! Sources made from two, and a source backwards.
#![allow(
    unsafe_code,
    reason = "exact sources are a promise that collecting relies on"
)]

use super::source::{ExactSource, Limits, Source};

/// From the last to the first.
#[derive(Clone, Debug)]
pub struct Rev<S>(pub S);

// SAFETY: the items are the base's, from the other end.
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
    fn limits(&self) -> Limits {
        self.0.limits()
    }
}

impl<S: ExactSource> ExactSource for Rev<S> where S::Seq: DoubleEndedIterator {}

/// Pairs of two sources, as long as both last.
#[derive(Clone, Debug)]
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

// SAFETY: both are cut at the same places.
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
        let rest = Self {
            a: a_rest,
            b: b_rest,
        };
        (Self { a, b }, rest)
    }
    fn into_seq(self) -> Self::Seq {
        self.a.into_seq().zip(self.b.into_seq())
    }
    fn limits(&self) -> Limits {
        self.a.limits().and(self.b.limits())
    }
}

impl<A: ExactSource, B: ExactSource> ExactSource for Zip<A, B> {}

/// One source after another.
#[derive(Clone, Debug)]
pub struct Chain<A, B> {
    a: A,
    b: B,
}

impl<A, B> Chain<A, B> {
    /// `a`, then `b`.
    pub const fn new(a: A, b: B) -> Self {
        Self { a, b }
    }
}

// SAFETY: a split is in one of the two, and the other goes whole to its side.
unsafe impl<A: Source, B: Source<Item = A::Item>> Source for Chain<A, B> {
    type Item = A::Item;
    type Seq = core::iter::Chain<A::Seq, B::Seq>;
    const EXACT: bool = A::EXACT && B::EXACT;
    const COARSE: bool = A::COARSE || B::COARSE;

    fn weight(&self) -> usize {
        self.a.weight().saturating_add(self.b.weight())
    }
    fn span(&self) -> usize {
        self.a.span().saturating_add(self.b.span())
    }
    fn fits(&self) -> bool {
        let sum = self.a.weight().checked_add(self.b.weight());
        self.a.fits() && self.b.fits() && sum.is_some()
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
    fn limits(&self) -> Limits {
        self.a.limits().and(self.b.limits())
    }
}

impl<A: ExactSource, B: ExactSource<Item = A::Item>> ExactSource for Chain<A, B> {}
