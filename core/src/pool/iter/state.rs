//! Adaptors whose parts carry a value of their own: maps with scratch space, folds.
#![allow(
    unsafe_code,
    reason = "exact sources are a promise that collecting relies on"
)]

use super::source::{ExactSource, Source};
use alloc::sync::Arc;
use core::fmt;

/// Makes the value that a part carries.
pub trait Maker: Clone + Send {
    /// The value.
    type State;
    /// Makes it.
    fn make(self) -> Self::State;
}

/// Every part carries a clone.
#[derive(Clone, Debug)]
pub struct Copies<T>(pub T);

impl<T: Clone + Send> Maker for Copies<T> {
    type State = T;
    fn make(self) -> T {
        self.0
    }
}

/// Every part carries what a function makes.
pub struct Made<I>(Arc<I>);

impl<I> Made<I> {
    /// From what `init` makes.
    pub fn new(init: I) -> Self {
        Self(Arc::new(init))
    }
}

impl<I> Clone for Made<I> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I> fmt::Debug for Made<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Made")
    }
}

impl<T, I: Fn() -> T + Send + Sync> Maker for Made<I> {
    type State = T;
    fn make(self) -> T {
        (self.0)()
    }
}

macro_rules! with_state {
    (
        $(#[$doc:meta])* $name:ident, $seq:ident, exact: $exact:expr,
        item: $out:ty, where $($bounds:tt)*
    ) => {
        $(#[$doc])*
        pub struct $name<S, M, F> {
            base: S,
            maker: M,
            f: Arc<F>,
        }

        /// The plain iterator of a part.
        pub struct $seq<I, T, F> {
            base: I,
            state: Option<T>,
            f: Arc<F>,
        }

        impl<S, M, F> $name<S, M, F> {
            /// Over `base` with what `maker` makes, and `f`.
            pub fn new(base: S, maker: M, f: F) -> Self {
                Self { base, maker, f: Arc::new(f) }
            }
        }

        impl<S: fmt::Debug, M, F> fmt::Debug for $name<S, M, F> {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.debug_struct(stringify!($name)).field("base", &self.base).finish_non_exhaustive()
            }
        }

        impl<I, T, F> fmt::Debug for $seq<I, T, F> {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(stringify!($seq))
            }
        }

        // SAFETY: splits and weights are the base's, and so is the number of items where this says that it is exact.
        unsafe impl<S: Source, M: Maker, F, R> Source for $name<S, M, F>
        where
            R: Send,
            $($bounds)*
        {
            type Item = $out;
            type Seq = $seq<S::Seq, M::State, F>;
            const EXACT: bool = $exact;

            fn weight(&self) -> usize {
                self.base.weight()
            }
            fn split_at(self, at: usize) -> (Self, Self) {
                let (left, right) = self.base.split_at(at);
                (
                    Self { base: left, maker: self.maker.clone(), f: self.f.clone() },
                    Self { base: right, maker: self.maker, f: self.f },
                )
            }
            fn into_seq(self) -> Self::Seq {
                $seq { base: self.base.into_seq(), state: Some(self.maker.make()), f: self.f }
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

with_state!(
    /// Each item through a function that may also change the part's value.
    MapWith, MapWithSeq, exact: S::EXACT, item: R,
    where F: Fn(&mut M::State, S::Item) -> R + Send + Sync
);

impl<S: ExactSource, M: Maker, F, R: Send> ExactSource for MapWith<S, M, F> where
    F: Fn(&mut M::State, S::Item) -> R + Send + Sync
{
}

impl<I: Iterator, T, F: Fn(&mut T, I::Item) -> R, R> Iterator for MapWithSeq<I, T, F> {
    type Item = R;
    #[inline]
    fn next(&mut self) -> Option<R> {
        let item = self.base.next()?;
        self.state.as_mut().map(|state| (self.f)(state, item))
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.base.size_hint()
    }
}

with_state!(
    /// What each part folds into, starting from the part's value.
    Fold, FoldSeq, exact: false, item: R,
    where M: Maker<State = R>, F: Fn(R, S::Item) -> R + Send + Sync
);

impl<I: Iterator, T, F: Fn(T, I::Item) -> T> Iterator for FoldSeq<I, T, F> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        let start = self.state.take()?;
        Some(self.base.by_ref().fold(start, &*self.f))
    }
}

with_state!(
    /// What each part folds into, or the first failure of it.
    TryFold, TryFoldSeq, exact: false, item: R,
    where F: Fn(M::State, S::Item) -> R + Send + Sync, R: super::Attempt<Output = M::State>
);

impl<I, T, F, R> Iterator for TryFoldSeq<I, T, F>
where
    I: Iterator,
    R: super::Attempt<Output = T>,
    F: Fn(T, I::Item) -> R,
{
    type Item = R;
    fn next(&mut self) -> Option<R> {
        let mut acc = self.state.take()?;
        for item in self.base.by_ref() {
            match (self.f)(acc, item).branch() {
                core::ops::ControlFlow::Continue(next) => acc = next,
                core::ops::ControlFlow::Break(failure) => return Some(R::from_failure(failure)),
            }
        }
        Some(R::from_output(acc))
    }
}
