//! Sources within a source: all items of the sources that a function gives, which split too.
//!
//! A part of one outer item calls the function when it is to be split, and from then on is a part of the inner source. So weights
//! change; the order of items is kept by spans, of which each outer item has the same, and which are divided in proportion.
#![allow(unsafe_code, reason = "a source is a promise, here an empty one")]

use super::function::Function;
use super::owned::{OwnedIter, OwnedSeq};
use super::source::{Limits, Source};
use alloc::vec::Vec;
use core::fmt;

/// What an outer item weighs, so that blocks of a few of them are not larger than blocks usually are.
const WEIGHT: usize = 16;

/// What an outer item spans.
const SPAN: usize = 1 << (usize::BITS / 2);

/// All items of the sources that a function gives.
pub struct FlatMap<S: Source, U, F> {
    part: Part<S, U>,
    span: usize,
    f: Function<F>,
}

enum Part<S: Source, U> {
    Outer(S),
    /// Outer items of a source that gave more than it weighed.
    Listed(OwnedIter<S::Item>),
    Inner(U),
}

impl<S: Source, U, F> FlatMap<S, U, F> {
    /// Over `base` with `f`.
    pub fn new(base: S, f: F) -> Self {
        Self {
            span: base.weight().saturating_mul(SPAN),
            part: Part::Outer(base),
            f: Function::Own(f),
        }
    }
}

impl<S: Source, U, F> fmt::Debug for FlatMap<S, U, F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FlatMap")
            .field("span", &self.span)
            .finish_non_exhaustive()
    }
}

// SAFETY: it is not exact.
unsafe impl<S, U, F> Source for FlatMap<S, U, F>
where
    S: Source,
    U: Source,
    F: Fn(S::Item) -> U + Send + Sync,
{
    type Item = U::Item;
    type Seq = FlatMapSeq<S, U, F>;
    const EXACT: bool = false;
    const COARSE: bool = true;

    fn weight(&self) -> usize {
        match &self.part {
            Part::Outer(base) => base.weight().saturating_mul(WEIGHT),
            Part::Listed(list) => list.weight().saturating_mul(WEIGHT),
            Part::Inner(inner) => inner.weight(),
        }
    }

    fn span(&self) -> usize {
        self.span
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        if at == 0 || at >= self.weight() {
            let (f, f_none) = self.f.divide();
            let (whole, none) = (
                Self { f, ..self },
                Self {
                    part: Part::Listed(OwnedIter::new(Vec::new())),
                    span: 0,
                    f: f_none,
                },
            );
            return if at == 0 {
                (none, whole)
            } else {
                (whole, none)
            };
        }
        // A part of one outer item becomes one of what the function makes of it, which weighs what it weighs.
        let (mut whole, mut at) = (self.part, at);
        if let Part::Outer(base) = whole {
            whole = if base.weight() == 1 {
                Part::Listed(OwnedIter::new(base.into_seq().collect()))
            } else {
                Part::Outer(base)
            };
        }
        if let Part::Listed(list) = whole {
            let only = list.weight() == 1;
            whole = if only {
                let item = list.into_seq().next().expect("it weighs one item");
                let inner = (self.f)(item);
                at = at.min(inner.weight().div_ceil(2));
                Part::Inner(inner)
            } else {
                Part::Listed(list)
            };
        }
        let count = match &whole {
            Part::Outer(base) => base.weight(),
            Part::Listed(list) => list.weight(),
            Part::Inner(inner) => inner.weight(),
        };
        let at = match &whole {
            Part::Inner(_) => at,
            _ => at.div_ceil(WEIGHT),
        }
        .min(count);
        let span = portion(self.span, at, count);
        let (left, right) = match whole {
            Part::Outer(base) => {
                let (left, right) = base.split_at(at);
                (Part::Outer(left), Part::Outer(right))
            }
            Part::Listed(list) => {
                let (left, right) = list.split_at(at);
                (Part::Listed(left), Part::Listed(right))
            }
            Part::Inner(inner) => {
                let (left, right) = inner.split_at(at);
                (Part::Inner(left), Part::Inner(right))
            }
        };
        let (f, f_right) = self.f.divide();
        (
            Self {
                part: left,
                span,
                f,
            },
            Self {
                part: right,
                span: self.span - span,
                f: f_right,
            },
        )
    }

    fn into_seq(self) -> Self::Seq {
        let mut seq = FlatMapSeq {
            base: None,
            list: None,
            front: None,
            f: self.f,
        };
        match self.part {
            Part::Outer(base) => seq.base = Some(base.into_seq()),
            Part::Listed(list) => seq.list = Some(list.into_seq()),
            Part::Inner(inner) => seq.front = Some(inner.into_seq()),
        }
        seq
    }

    fn limits(&self) -> Limits {
        match &self.part {
            Part::Outer(base) => base.limits().scaled(WEIGHT),
            Part::Listed(_) => Limits::NONE,
            Part::Inner(inner) => inner.limits(),
        }
    }
}

/// So much of `span` as `at` is of `count`; something, if it is something.
fn portion(span: usize, at: usize, count: usize) -> usize {
    if at >= count {
        return span;
    }
    let whole = (span / count).saturating_mul(at);
    // No product here passes the largest number: the divisor is made small first.
    let rest = if count <= SPAN {
        (span % count).saturating_mul(at) / count
    } else {
        span / (count / at.max(1)).max(1)
    };
    whole
        .saturating_add(rest)
        .max(usize::from(at > 0))
        .min(span)
}

/// The plain iterator of a part.
pub struct FlatMapSeq<S: Source, U: Source, F> {
    base: Option<S::Seq>,
    list: Option<OwnedSeq<S::Item>>,
    front: Option<U::Seq>,
    f: Function<F>,
}

impl<S: Source, U: Source, F> fmt::Debug for FlatMapSeq<S, U, F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("FlatMapSeq")
    }
}

impl<S: Source, U: Source, F: Fn(S::Item) -> U> Iterator for FlatMapSeq<S, U, F> {
    type Item = U::Item;

    fn next(&mut self) -> Option<U::Item> {
        loop {
            if let Some(item) = self.front.as_mut().and_then(Iterator::next) {
                return Some(item);
            }
            let listed = self.list.as_mut().and_then(Iterator::next);
            let outer = match listed {
                Some(item) => item,
                None => self.base.as_mut()?.next()?,
            };
            self.front = Some((self.f)(outer).into_seq());
        }
    }

    #[inline]
    fn fold<B, G: FnMut(B, U::Item) -> B>(self, init: B, mut g: G) -> B {
        let f = &*self.f;
        let acc = self.front.into_iter().flatten().fold(init, &mut g);
        let mut outer = |acc, item| f(item).into_seq().fold(acc, &mut g);
        let acc = self.list.into_iter().flatten().fold(acc, &mut outer);
        self.base.into_iter().flatten().fold(acc, outer)
    }
}
