//! Pairs of pairs as tuples: what zipping more than two sources needs.
#![allow(
    unsafe_code,
    reason = "exact sources are a promise that collecting relies on"
)]

use super::adapt::{Adaptor, OneForOne, Stepped};
use super::function::Divide;
use super::source::Source;

/// Nested pairs, `((a, b), c)`, as one tuple of `N`, `(a, b, c)`.
pub trait Flat<const N: usize>: Send {
    /// The tuple.
    type Tuple: Send;
    /// The tuple.
    fn flat(self) -> Self::Tuple;
}

/// Items that are nested pairs, as tuples.
#[derive(Clone, Copy, Debug)]
pub struct Flattened<const N: usize>;

// SAFETY: one item for each.
unsafe impl<S: Source<Item: Flat<N>>, const N: usize> Adaptor<S> for Flattened<N> {
    type Item = <S::Item as Flat<N>>::Tuple;
    type Seq = Stepped<S::Seq, Self>;
    const ONE_FOR_ONE: bool = true;
    fn over(self, base: S::Seq, _: usize) -> Self::Seq {
        Stepped { base, by: self }
    }
}

impl<const N: usize> OneForOne for Flattened<N> {}

impl<const N: usize> Divide for Flattened<N> {
    fn divide(self, _: usize) -> (Self, Self) {
        (self, self)
    }
}

impl<I: Iterator<Item: Flat<N>>, const N: usize> Iterator for Stepped<I, Flattened<N>> {
    type Item = <I::Item as Flat<N>>::Tuple;
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.base.next().map(Flat::flat)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.base.size_hint()
    }
    #[inline]
    fn fold<B, G: FnMut(B, Self::Item) -> B>(self, init: B, mut g: G) -> B {
        self.base.fold(init, |acc, item| g(acc, item.flat()))
    }
}

macro_rules! tuples {
    ($($n:literal: $nest:tt => $($item:ident)*;)*) => {$(
        impl<$($item: Send),*> Flat<$n> for tuples!(@type $nest) {
            type Tuple = ($($item,)*);
            #[inline]
            #[allow(non_snake_case, reason = "a value for each type, under its name")]
            fn flat(self) -> Self::Tuple {
                let tuples!(@pattern $nest) = self;
                ($($item,)*)
            }
        }
    )*};
    (@type ($a:tt, $b:ident)) => { (tuples!(@type $a), $b) };
    (@type $a:ident) => { $a };
    (@pattern ($a:tt, $b:ident)) => { (tuples!(@pattern $a), $b) };
    (@pattern $a:ident) => { $a };
}

tuples! {
    3: ((A, B), C) => A B C;
    4: (((A, B), C), D) => A B C D;
    5: ((((A, B), C), D), E) => A B C D E;
    6: (((((A, B), C), D), E), F) => A B C D E F;
    7: ((((((A, B), C), D), E), F), G) => A B C D E F G;
    8: (((((((A, B), C), D), E), F), G), H) => A B C D E F G H;
    9: ((((((((A, B), C), D), E), F), G), H), I) => A B C D E F G H I;
    10: (((((((((A, B), C), D), E), F), G), H), I), J) => A B C D E F G H I J;
    11: ((((((((((A, B), C), D), E), F), G), H), I), J), K) => A B C D E F G H I J K;
    12: (((((((((((A, B), C), D), E), F), G), H), I), J), K), L) => A B C D E F G H I J K L;
}
