//! A source in blocks that come one after the other: each is run in parallel, and done before the next one begins.
#![allow(
    unsafe_code,
    reason = "exact sources are a promise that collecting relies on"
)]

use super::source::{ExactSource, Limits, Source};

/// A source in blocks.
#[derive(Clone, Debug)]
pub struct Blocks<S> {
    base: S,
    first: usize,
    growth: usize,
}

impl<S: ExactSource> Blocks<S> {
    /// The first block has `first` items, each further one `growth` times as many as the one before.
    ///
    /// # Panics
    /// If one of the two is 0.
    pub fn new(base: S, first: usize, growth: usize) -> Self {
        assert!(first != 0 && growth != 0, "blocks of no items");
        Self {
            base,
            first,
            growth,
        }
    }
}

// SAFETY: splits, weights and items are the base's.
unsafe impl<S: ExactSource> Source for Blocks<S> {
    type Item = S::Item;
    type Seq = S::Seq;
    const EXACT: bool = S::EXACT;

    fn weight(&self) -> usize {
        self.base.weight()
    }
    fn split_at(self, at: usize) -> (Self, Self) {
        let (left, right) = self.base.split_at(at);
        let (first, growth) = (self.first, self.growth);
        let part = |base, first| Self {
            base,
            first,
            growth,
        };
        (part(left, first), part(right, first.saturating_mul(growth)))
    }
    fn into_seq(self) -> S::Seq {
        self.base.into_seq()
    }
    fn limits(&self) -> Limits {
        Limits {
            first: self.first,
            ..self.base.limits()
        }
    }
}
