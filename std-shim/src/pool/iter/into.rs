//! What becomes a parallel iterator.

use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use underpin_core::pool::iter::{
    Bounded, Bridge, Chain, CharIndexIter, CharIter, Chunks, ChunksMut, Cloned, Enumerate,
    ExactSource, Filter, FilterMap, FlatMap, Fold, Groups, Interleave, LineIter, Map, MapWith,
    OwnedIter, PanicFuse, Pieces, RChunks, RChunksMut, RangeIter, Rev, SliceIter, SliceIterMut,
    Source, StepBy, TryFold, Until, Windows, Zip,
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
    ['a, T] SliceIter<'a, T>;
    ['a, T] SliceIterMut<'a, T>;
    ['a, T] Chunks<'a, T>;
    ['a, T] ChunksMut<'a, T>;
    ['a, T] Windows<'a, T>;
    [T] OwnedIter<T>;
    ['a] CharIter<'a>;
    ['a] LineIter<'a>;
    [S, F] Map<S, F>;
    [S, F] Filter<S, F>;
    [S, F] FilterMap<S, F>;
    [S, F] FlatMap<S, F>;
    [S] Cloned<S>;
    [S] Enumerate<S>;
    [S] Rev<S>;
    [S] Bounded<S>;
    [A, B] Zip<A, B>;
    [A, B] Chain<A, B>;
    [N] RangeIter<N>;
    ['a, T] RChunks<'a, T>;
    ['a, T] RChunksMut<'a, T>;
    ['a] CharIndexIter<'a>;
    [C, P] Pieces<C, P>;
    [S] StepBy<S>;
    [S] Groups<S>;
    [S] PanicFuse<S>;
    [A, B] Interleave<A, B>;
    [S, F] Until<S, F>;
    [S, M, F] MapWith<S, M, F>;
    [S, M, F] Fold<S, M, F>;
    [S, M, F] TryFold<S, M, F>;
    [I, P: underpin_core::platform::Park] Bridge<I, P>;
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

impl<'a, T: Sync> IntoParallelIterator for &'a [T] {
    type Iter = SliceIter<'a, T>;
    type Item = &'a T;
    fn into_par_iter(self) -> Self::Iter {
        SliceIter(self)
    }
}

impl<'a, T: Send> IntoParallelIterator for &'a mut [T] {
    type Iter = SliceIterMut<'a, T>;
    type Item = &'a mut T;
    fn into_par_iter(self) -> Self::Iter {
        SliceIterMut(self)
    }
}

impl<'a, T: Sync, const N: usize> IntoParallelIterator for &'a [T; N] {
    type Iter = SliceIter<'a, T>;
    type Item = &'a T;
    fn into_par_iter(self) -> Self::Iter {
        SliceIter(self)
    }
}

impl<'a, T: Send, const N: usize> IntoParallelIterator for &'a mut [T; N] {
    type Iter = SliceIterMut<'a, T>;
    type Item = &'a mut T;
    fn into_par_iter(self) -> Self::Iter {
        SliceIterMut(self)
    }
}

impl<T: Send> IntoParallelIterator for Vec<T> {
    type Iter = OwnedIter<T>;
    type Item = T;
    fn into_par_iter(self) -> Self::Iter {
        OwnedIter::new(self)
    }
}

impl<'a, T: Sync> IntoParallelIterator for &'a Vec<T> {
    type Iter = SliceIter<'a, T>;
    type Item = &'a T;
    fn into_par_iter(self) -> Self::Iter {
        SliceIter(self)
    }
}

impl<'a, T: Send> IntoParallelIterator for &'a mut Vec<T> {
    type Iter = SliceIterMut<'a, T>;
    type Item = &'a mut T;
    fn into_par_iter(self) -> Self::Iter {
        SliceIterMut(self)
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
    A: IntoParallelIterator,
    B: IntoParallelIterator,
    A::Iter: ExactSource,
    B::Iter: ExactSource,
{
    type Iter = Zip<A::Iter, B::Iter>;
    type Item = (A::Item, B::Item);
    fn into_par_iter(self) -> Self::Iter {
        Zip::new(self.0.into_par_iter(), self.1.into_par_iter())
    }
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
listed!([T: Send, X: Send] Result<T, X> => T);
listed!([T: Send] Option<T> => T);
listed!(['a, T: Sync] &'a Option<T> => &'a T);

/// Ranges, and ranges that include their end.
macro_rules! ranges {
    ($($number:ty)*) => {$(
        impl IntoParallelIterator for Range<$number> {
            type Iter = RangeIter<$number>;
            type Item = $number;
            fn into_par_iter(self) -> Self::Iter {
                RangeIter(self)
            }
        }

        impl IntoParallelIterator for core::ops::RangeInclusive<$number> {
            type Iter = Chain<RangeIter<$number>, OwnedIter<$number>>;
            type Item = $number;
            fn into_par_iter(self) -> Self::Iter {
                let (start, end) = (*self.start(), *self.end());
                // The end by itself, since one more may not be a number of this type.
                let last = if self.is_empty() { Vec::new() } else { vec![end] };
                Chain::new(RangeIter(start..end), OwnedIter::new(last))
            }
        }
    )*};
}

// `char` ranges have a hole where surrogates are: their characters are listed.
listed!([] Range<char> => char);
listed!([] core::ops::RangeInclusive<char> => char);

ranges!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);
