//! What becomes a parallel iterator.

use core::convert::identity;
use core::ops::{Range, RangeInclusive};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use underpin_core::pool::iter::{
    Adapted, Blocks, Bridge, Chain, CharIndexIter, CharIter, Chunks, ChunksMut, ExactSource,
    FlatMap, Flattened, Groups, Interleave, LineIter, OwnedIter, Pieces, RChunks, RChunksMut,
    RangeIter, Rev, Single, SliceIter, SliceIterMut, Source, Split, StepBy, Tree, Windows, Zip,
};

/// Becomes a parallel iterator, by value.
pub trait IntoParallelIterator {
    /// The iterator.
    type Iter: Source<Item = Self::Item>;
    /// Its items.
    type Item: Send;
    /// The iterator.
    fn into_par_iter(self) -> Self::Iter;
}

/// Every parallel iterator is its own.
macro_rules! itself {
    ($([$($generics:tt)*] $iterator:ty;)*) => {$(
        impl<$($generics)*> IntoParallelIterator for $iterator
        where
            Self: Source,
        {
            type Iter = Self;
            type Item = <Self as Source>::Item;
            fn into_par_iter(self) -> Self {
                self
            }
        }
    )*};
}

itself! {
    [S, A] Adapted<S, A>;
    [S] Blocks<S>;
    [I, P: underpin_core::platform::Park] Bridge<I, P>;
    [A, B] Chain<A, B>;
    ['a] CharIndexIter<'a>;
    ['a] CharIter<'a>;
    ['a, T] Chunks<'a, T>;
    ['a, T] ChunksMut<'a, T>;
    [S: Source, U, F] FlatMap<S, U, F>;
    [S] Groups<S>;
    [A, B] Interleave<A, B>;
    ['a] LineIter<'a>;
    [T] OwnedIter<T>;
    [C, P] Pieces<C, P>;
    ['a, T] RChunks<'a, T>;
    ['a, T] RChunksMut<'a, T>;
    [N] RangeIter<N>;
    [S] Rev<S>;
    [T] Single<T>;
    ['a, T] SliceIter<'a, T>;
    ['a, T] SliceIterMut<'a, T>;
    [D, F] Split<D, F>;
    [S] StepBy<S>;
    [N, F] Tree<N, F>;
    ['a, T] Windows<'a, T>;
    [A, B] Zip<A, B>;
}

/// Over references to the items.
pub trait IntoParallelRefIterator<'a> {
    /// The iterator.
    type Iter: Source<Item = Self::Item>;
    /// Its items.
    type Item: Send + 'a;
    /// The iterator.
    fn par_iter(&'a self) -> Self::Iter;
}

impl<'a, C: ?Sized + 'a> IntoParallelRefIterator<'a> for C
where
    &'a C: IntoParallelIterator,
{
    type Iter = <&'a C as IntoParallelIterator>::Iter;
    type Item = <&'a C as IntoParallelIterator>::Item;
    fn par_iter(&'a self) -> Self::Iter {
        self.into_par_iter()
    }
}

/// Over exclusive references to the items.
pub trait IntoParallelRefMutIterator<'a> {
    /// The iterator.
    type Iter: Source<Item = Self::Item>;
    /// Its items.
    type Item: Send + 'a;
    /// The iterator.
    fn par_iter_mut(&'a mut self) -> Self::Iter;
}

impl<'a, C: ?Sized + 'a> IntoParallelRefMutIterator<'a> for C
where
    &'a mut C: IntoParallelIterator,
{
    type Iter = <&'a mut C as IntoParallelIterator>::Iter;
    type Item = <&'a mut C as IntoParallelIterator>::Item;
    fn par_iter_mut(&'a mut self) -> Self::Iter {
        self.into_par_iter()
    }
}

/// Slices, and what holds one.
macro_rules! slices {
    ($([$($size:tt)*] $slice:ty;)*) => {$(
        impl<'a, T: Sync, $($size)*> IntoParallelIterator for &'a $slice {
            type Iter = SliceIter<'a, T>;
            type Item = &'a T;
            fn into_par_iter(self) -> Self::Iter {
                SliceIter(self)
            }
        }

        impl<'a, T: Send, $($size)*> IntoParallelIterator for &'a mut $slice {
            type Iter = SliceIterMut<'a, T>;
            type Item = &'a mut T;
            fn into_par_iter(self) -> Self::Iter {
                SliceIterMut(self)
            }
        }
    )*};
}

slices! {
    [] [T];
    [const N: usize] [T; N];
    [] Vec<T>;
    [] Box<[T]>;
}

impl<T: Send> IntoParallelIterator for Vec<T> {
    type Iter = OwnedIter<T>;
    type Item = T;
    fn into_par_iter(self) -> Self::Iter {
        OwnedIter::new(self)
    }
}

impl<T: Send, const N: usize> IntoParallelIterator for [T; N] {
    type Iter = OwnedIter<T>;
    type Item = T;
    fn into_par_iter(self) -> Self::Iter {
        OwnedIter::new(Vec::from(self))
    }
}

impl<T: Send> IntoParallelIterator for Box<[T]> {
    type Iter = OwnedIter<T>;
    type Item = T;
    fn into_par_iter(self) -> Self::Iter {
        OwnedIter::new(self.into_vec())
    }
}

/// Two at once, as [`zip`](super::IndexedParallelIterator::zip) has them.
impl<A, B> IntoParallelIterator for (A, B)
where
    A: IntoParallelIterator<Iter: ExactSource>,
    B: IntoParallelIterator<Iter: ExactSource>,
{
    type Iter = Zip<A::Iter, B::Iter>;
    type Item = (A::Item, B::Item);
    fn into_par_iter(self) -> Self::Iter {
        Zip::new(self.0.into_par_iter(), self.1.into_par_iter())
    }
}

/// More at once: pairs of pairs, made flat.
macro_rules! zipped {
    ($($n:literal: $($item:ident $at:tt)*;)*) => {$(
        impl<$($item),*> IntoParallelIterator for ($($item,)*)
        where
            $($item: IntoParallelIterator<Iter: ExactSource>),*
        {
            type Iter = Adapted<zipped!(@type $($item)*), Flattened<$n>>;
            type Item = ($($item::Item,)*);
            fn into_par_iter(self) -> Self::Iter {
                Adapted::new(zipped!(@value self $($at)*), Flattened)
            }
        }
    )*};
    (@type $first:ident $($rest:ident)*) => { zipped!(@nest <$first as IntoParallelIterator>::Iter; $($rest)*) };
    (@nest $nested:ty;) => { $nested };
    (@nest $nested:ty; $next:ident $($rest:ident)*) => { zipped!(@nest Zip<$nested, <$next as IntoParallelIterator>::Iter>; $($rest)*) };
    (@value $tuple:ident $first:tt $($rest:tt)*) => {{
        let nested = $tuple.$first.into_par_iter();
        $(let nested = Zip::new(nested, $tuple.$rest.into_par_iter());)*
        nested
    }};
}

zipped! {
    3: A 0 B 1 C 2;
    4: A 0 B 1 C 2 D 3;
    5: A 0 B 1 C 2 D 3 E 4;
    6: A 0 B 1 C 2 D 3 E 4 F 5;
    7: A 0 B 1 C 2 D 3 E 4 F 5 G 6;
    8: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7;
    9: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8;
    10: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9;
    11: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10;
    12: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11;
}

/// Collections without random access: their items are listed first.
macro_rules! listed {
    ([$($generics:tt)*] $collection:ty => $item:ty) => {
        impl<$($generics)*> IntoParallelIterator for $collection {
            type Iter = OwnedIter<$item>;
            type Item = $item;
            fn into_par_iter(self) -> Self::Iter {
                OwnedIter::new(self.into_iter().collect())
            }
        }
    };
}

listed!([K: Send, V: Send, H] HashMap<K, V, H> => (K, V));
listed!(['a, K: Sync, V: Sync, H] &'a HashMap<K, V, H> => (&'a K, &'a V));
listed!(['a, K: Sync, V: Send, H] &'a mut HashMap<K, V, H> => (&'a K, &'a mut V));
listed!([K: Send, V: Send] BTreeMap<K, V> => (K, V));
listed!(['a, K: Sync, V: Sync] &'a BTreeMap<K, V> => (&'a K, &'a V));
listed!(['a, K: Sync, V: Send] &'a mut BTreeMap<K, V> => (&'a K, &'a mut V));
listed!([T: Send, H] HashSet<T, H> => T);
listed!(['a, T: Sync, H] &'a HashSet<T, H> => &'a T);
listed!([T: Send] BTreeSet<T> => T);
listed!(['a, T: Sync] &'a BTreeSet<T> => &'a T);
listed!([T: Send] VecDeque<T> => T);
listed!(['a, T: Sync] &'a VecDeque<T> => &'a T);
listed!(['a, T: Send] &'a mut VecDeque<T> => &'a mut T);
listed!([T: Send] LinkedList<T> => T);
listed!(['a, T: Sync] &'a LinkedList<T> => &'a T);
listed!(['a, T: Send] &'a mut LinkedList<T> => &'a mut T);
listed!([T: Ord + Send] BinaryHeap<T> => T);
listed!(['a, T: Ord + Sync] &'a BinaryHeap<T> => &'a T);

/// An item or none.
macro_rules! single {
    ([$($generics:tt)*] $holder:ty => $item:ty, $option:expr) => {
        impl<$($generics)*> IntoParallelIterator for $holder {
            type Iter = Single<$item>;
            type Item = $item;
            fn into_par_iter(self) -> Self::Iter {
                Single($option(self))
            }
        }
    };
}

single!([T: Send] Option<T> => T, identity);
single!(['a, T: Sync] &'a Option<T> => &'a T, Option::as_ref);
single!(['a, T: Send] &'a mut Option<T> => &'a mut T, Option::as_mut);
single!([T: Send, X] Result<T, X> => T, Result::ok);
single!(['a, T: Sync, X] &'a Result<T, X> => &'a T, |it: &'a Result<T, X>| it.as_ref().ok());
single!(['a, T: Send, X] &'a mut Result<T, X> => &'a mut T, |it: &'a mut Result<T, X>| it.as_mut().ok());

impl<N: Send> IntoParallelIterator for Range<N>
where
    RangeIter<N>: Source<Item = N>,
{
    type Iter = RangeIter<N>;
    type Item = N;
    fn into_par_iter(self) -> Self::Iter {
        RangeIter(self)
    }
}

impl<N: Copy + PartialOrd + Send> IntoParallelIterator for RangeInclusive<N>
where
    RangeIter<N>: Source<Item = N>,
{
    type Iter = Chain<RangeIter<N>, Single<N>>;
    type Item = N;
    fn into_par_iter(self) -> Self::Iter {
        // The end by itself, since one more may not be a number of this type.
        let last = (!self.is_empty()).then_some(*self.end());
        Chain::new(RangeIter(*self.start()..*self.end()), Single(last))
    }
}
