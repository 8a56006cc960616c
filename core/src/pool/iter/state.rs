//! Adaptors whose parts carry a value of their own: maps with scratch space, folds.
#![allow(
    unsafe_code,
    reason = "exact sources are a promise that collecting relies on"
)]

use super::adapt::{Adapted, Adaptor, OneForOne};
use super::function::{Divide, Function};
use super::source::Source;
use core::fmt;

/// Makes the value that a part carries.
pub trait Maker: Divide + Send {
    /// The value.
    type State;
    /// Makes it.
    fn make(self) -> Self::State;
}

/// Every part carries a clone.
#[derive(Clone, Debug)]
pub struct Copies<T>(pub T);

impl<T: Clone> Divide for Copies<T> {
    fn divide(self, _: usize) -> (Self, Self) {
        (self.clone(), self)
    }
}

impl<T: Clone + Send> Maker for Copies<T> {
    type State = T;
    fn make(self) -> T {
        self.0
    }
}

/// Every part carries what a function makes.
#[derive(Clone)]
pub struct Made<I>(Function<I>);

impl<I> Made<I> {
    /// From what `init` makes.
    pub fn new(init: I) -> Self {
        Self(Function::Own(init))
    }
}

impl<I> Divide for Made<I> {
    fn divide(self, _: usize) -> (Self, Self) {
        let (left, right) = self.0.divide();
        (Self(left), Self(right))
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
        $(#[$doc:meta])* $alias:ident = $name:ident, $seq:ident, one for one: $one_for_one:expr,
        where $($bounds:tt)*
    ) => {
        $(#[$doc])*
        pub type $alias<S, M, F> = Adapted<S, $name<M, F>>;

        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name<M, F> {
            maker: M,
            f: Function<F>,
        }

        /// The plain iterator of a part.
        pub struct $seq<I, T, F> {
            base: I,
            state: Option<T>,
            f: Function<F>,
        }

        impl<M, F> $name<M, F> {
            /// With what `maker` makes, and `f`.
            pub fn new(maker: M, f: F) -> Self {
                Self { maker, f: Function::Own(f) }
            }
        }

        impl<M: Divide, F> Divide for $name<M, F> {
            fn divide(self, at: usize) -> (Self, Self) {
                let (maker, maker_right) = self.maker.divide(at);
                let (f, f_right) = self.f.divide();
                (Self { maker, f }, Self { maker: maker_right, f: f_right })
            }
        }

        impl<M, F> fmt::Debug for $name<M, F> {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(stringify!($name))
            }
        }

        impl<I, T, F> fmt::Debug for $seq<I, T, F> {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(stringify!($seq))
            }
        }

        // SAFETY: it gives one item for each where this says so.
        unsafe impl<S: Source, M: Maker, F, R: Send> Adaptor<S> for $name<M, F>
        where
            $($bounds)*
        {
            type Item = R;
            type Seq = $seq<S::Seq, M::State, F>;
            const ONE_FOR_ONE: bool = $one_for_one;
            fn over(self, base: S::Seq, _: usize) -> Self::Seq {
                $seq { base, state: Some(self.maker.make()), f: self.f }
            }
        }
    };
}

with_state!(
    /// Each item through a function that may also change the part's value.
    MapWith = EachWith, EachWithSeq, one for one: true,
    where F: Fn(&mut M::State, S::Item) -> R + Send + Sync
);

impl<M, F> OneForOne for EachWith<M, F> {}

impl<I: Iterator, T, F: Fn(&mut T, I::Item) -> R, R> Iterator for EachWithSeq<I, T, F> {
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

impl<I, T, F, R> DoubleEndedIterator for EachWithSeq<I, T, F>
where
    I: DoubleEndedIterator,
    F: Fn(&mut T, I::Item) -> R,
{
    fn next_back(&mut self) -> Option<R> {
        let item = self.base.next_back()?;
        self.state.as_mut().map(|state| (self.f)(state, item))
    }
}

impl<I: ExactSizeIterator, T, F: Fn(&mut T, I::Item) -> R, R> ExactSizeIterator
    for EachWithSeq<I, T, F>
{
}

with_state!(
    /// What each part folds into, starting from the part's value.
    Fold = Folded, FoldSeq, one for one: false,
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
    TryFold = TryFolded, TryFoldSeq, one for one: false,
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
