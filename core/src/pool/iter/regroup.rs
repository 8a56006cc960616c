//! Adaptors that change which items come together: every n-th, groups of n, two sources by turns.
#![allow(
    unsafe_code,
    reason = "exact sources are a promise that collecting relies on"
)]

use super::source::{ExactSource, Source};
use alloc::vec::Vec;

/// Every `step`-th item, from the first one on.
#[derive(Clone, Debug)]
pub struct StepBy<S> {
    base: S,
    step: usize,
}

impl<S: ExactSource> StepBy<S> {
    /// Every `step`-th item of `base`.
    ///
    /// # Panics
    /// If `step` is 0.
    pub fn new(base: S, step: usize) -> Self {
        assert!(step != 0, "steps of no items");
        Self { base, step }
    }
}

// SAFETY: splits are at multiples of the step, so a part of weight n has n items at such places.
unsafe impl<S: ExactSource> Source for StepBy<S> {
    type Item = S::Item;
    type Seq = core::iter::StepBy<S::Seq>;
    const EXACT: bool = S::EXACT;

    fn weight(&self) -> usize {
        self.base.weight().div_ceil(self.step)
    }
    fn split_at(self, at: usize) -> (Self, Self) {
        let middle = at.saturating_mul(self.step).min(self.base.weight());
        let (left, right) = self.base.split_at(middle);
        let step = self.step;
        (Self { base: left, step }, Self { base: right, step })
    }
    fn into_seq(self) -> Self::Seq {
        self.base.into_seq().step_by(self.step)
    }
}

impl<S: ExactSource> ExactSource for StepBy<S> {}

/// Groups of `size` items, the last perhaps shorter.
#[derive(Clone, Debug)]
pub struct Groups<S> {
    base: S,
    size: usize,
}

/// The plain iterator of a part.
#[derive(Debug)]
pub struct GroupsSeq<I> {
    base: I,
    size: usize,
    left: usize,
}

impl<S: ExactSource> Groups<S> {
    /// Groups of `size` items of `base`.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn new(base: S, size: usize) -> Self {
        assert!(size != 0, "groups of no items");
        Self { base, size }
    }
}

// SAFETY: splits are at multiples of the size, so a part of weight n has n groups.
unsafe impl<S: ExactSource> Source for Groups<S> {
    type Item = Vec<S::Item>;
    type Seq = GroupsSeq<S::Seq>;
    const EXACT: bool = S::EXACT;

    fn weight(&self) -> usize {
        self.base.weight().div_ceil(self.size)
    }
    fn split_at(self, at: usize) -> (Self, Self) {
        let middle = at.saturating_mul(self.size).min(self.base.weight());
        let (left, right) = self.base.split_at(middle);
        let size = self.size;
        (Self { base: left, size }, Self { base: right, size })
    }
    fn into_seq(self) -> Self::Seq {
        GroupsSeq {
            left: self.base.weight(),
            base: self.base.into_seq(),
            size: self.size,
        }
    }
}

impl<S: ExactSource> ExactSource for Groups<S> {}

impl<I: Iterator> Iterator for GroupsSeq<I> {
    type Item = Vec<I::Item>;
    fn next(&mut self) -> Option<Self::Item> {
        let count = self.size.min(self.left);
        if count == 0 {
            return None;
        }
        self.left -= count;
        let mut group = Vec::with_capacity(count);
        group.extend(self.base.by_ref().take(count));
        Some(group)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        let groups = self.left.div_ceil(self.size);
        (groups, Some(groups))
    }
}

impl<I: DoubleEndedIterator> DoubleEndedIterator for GroupsSeq<I> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        // The last group is what is left over, or a whole one.
        let count = match self.left % self.size {
            0 => self.size,
            rest => rest,
        };
        self.left -= count;
        let mut group = Vec::with_capacity(count);
        group.extend(self.base.by_ref().rev().take(count));
        group.reverse();
        Some(group)
    }
}

impl<I: Iterator> ExactSizeIterator for GroupsSeq<I> {}

/// Two sources by turns, the first first; what one has more comes at the end.
#[derive(Clone, Debug)]
pub struct Interleave<A, B> {
    a: A,
    b: B,
    b_is_next: bool,
}

/// The plain iterator of a part.
#[derive(Debug)]
pub struct InterleaveSeq<I, J> {
    a: I,
    b: J,
    b_is_next: bool,
}

impl<A: ExactSource, B: ExactSource<Item = A::Item>> Interleave<A, B> {
    /// `a` and `b` by turns.
    pub fn new(a: A, b: B) -> Self {
        Self {
            a,
            b,
            b_is_next: false,
        }
    }

    /// How many of the first `at` items come from `a`.
    fn of_a(&self, at: usize) -> usize {
        let (a, b) = (self.a.weight(), self.b.weight());
        let by_turns = if self.b_is_next {
            at / 2
        } else {
            at.div_ceil(2)
        };
        by_turns.min(a).max(at.saturating_sub(b))
    }
}

// SAFETY: splits take so many items of each as come before the place by turns.
unsafe impl<A: ExactSource, B: ExactSource<Item = A::Item>> Source for Interleave<A, B> {
    type Item = A::Item;
    type Seq = InterleaveSeq<A::Seq, B::Seq>;
    const EXACT: bool = A::EXACT && B::EXACT;

    fn weight(&self) -> usize {
        self.a.weight().saturating_add(self.b.weight())
    }
    fn fits(&self) -> bool {
        self.a.weight().checked_add(self.b.weight()).is_some()
    }
    fn split_at(self, at: usize) -> (Self, Self) {
        let of_a = self.of_a(at);
        let of_b = at - of_a;
        let b_is_next = self.b_is_next;
        // While both last, turns alternate; past that, whose turn it is decides nothing.
        let then = if at.is_multiple_of(2) {
            b_is_next
        } else {
            !b_is_next
        };
        let (a, a_rest) = self.a.split_at(of_a);
        let (b, b_rest) = self.b.split_at(of_b);
        (
            Self { a, b, b_is_next },
            Self {
                a: a_rest,
                b: b_rest,
                b_is_next: then,
            },
        )
    }
    fn into_seq(self) -> Self::Seq {
        InterleaveSeq {
            a: self.a.into_seq(),
            b: self.b.into_seq(),
            b_is_next: self.b_is_next,
        }
    }
}

impl<A: ExactSource, B: ExactSource<Item = A::Item>> ExactSource for Interleave<A, B> {}

impl<I: Iterator, J: Iterator<Item = I::Item>> Iterator for InterleaveSeq<I, J> {
    type Item = I::Item;
    fn next(&mut self) -> Option<I::Item> {
        self.b_is_next = !self.b_is_next;
        if self.b_is_next {
            self.a.next().or_else(|| self.b.next())
        } else {
            self.b.next().or_else(|| self.a.next())
        }
    }
}
