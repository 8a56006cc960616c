//! Collections that take the items of a parallel iterator, and those that give all of theirs.

extern crate alloc;

use super::from::parts;
use super::{Either, IntoParallelIterator, ParallelIterator};
use crate::pool::enter;
use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet, BinaryHeap, LinkedList, VecDeque};
use core::hash::{BuildHasher, Hash};
use core::ops::{Bound, RangeBounds};
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use underpin_core::pool::iter::{OwnedIter, Source, collect};

/// Takes the items of a parallel iterator in addition to its own.
pub trait ParallelExtend<T: Send> {
    /// Adds all items, in order where there is one. If a closure panics on the way, a vector is left as it was, and may leak those
    /// items that it was to get.
    fn par_extend<I: IntoParallelIterator<Item = T>>(&mut self, items: I);
}

impl<T: Send> ParallelExtend<T> for Vec<T> {
    fn par_extend<I: IntoParallelIterator<Item = T>>(&mut self, items: I) {
        let items = items.into_par_iter();
        if <I::Iter as Source>::EXACT {
            return enter(|worker| collect(worker, items, self));
        }
        let mut parts = parts(items);
        if self.is_empty()
            && parts.len() == 1
            && let Some(part) = parts.pop_front()
        {
            *self = part;
            return;
        }
        self.reserve(parts.iter().map(Vec::len).sum());
        for mut part in parts {
            self.append(&mut part);
        }
    }
}

impl<T: Send> ParallelExtend<T> for LinkedList<T> {
    fn par_extend<I: IntoParallelIterator<Item = T>>(&mut self, items: I) {
        let mut all = items.into_par_iter().fold_with_merge(
            Self::new,
            |mut list, item| {
                list.push_back(item);
                list
            },
            |mut left, mut right| {
                left.append(&mut right);
                left
            },
        );
        self.append(&mut all);
    }
}

macro_rules! by_parts {
    ($([$($generics:tt)*] $collection:ty, $item:ty;)*) => {$(
        impl<$($generics)*> ParallelExtend<$item> for $collection {
            fn par_extend<I: IntoParallelIterator<Item = $item>>(&mut self, items: I) {
                for part in parts(items.into_par_iter()) {
                    self.extend(part);
                }
            }
        }
    )*};
}

by_parts! {
    [K: Eq + Hash + Send, V: Send, H: BuildHasher + Send] HashMap<K, V, H>, (K, V);
    [T: Eq + Hash + Send, H: BuildHasher + Send] HashSet<T, H>, T;
    [K: Ord + Send, V: Send] BTreeMap<K, V>, (K, V);
    [T: Ord + Send] BTreeSet<T>, T;
    [T: Ord + Send] BinaryHeap<T>, T;
    [T: Send] VecDeque<T>, T;
    [] String, char;
    ['a] String, &'a char;
    ['a] String, &'a str;
    [] String, String;
    [] String, Box<str>;
    ['a] String, Cow<'a, str>;
    [] OsString, OsString;
    ['a] OsString, &'a OsStr;
    ['a] OsString, Cow<'a, OsStr>;
}

/// References to what is copied.
macro_rules! by_copies {
    ($([$($generics:tt)*] $collection:ty, $item:ty, |$copied:pat_param| $copy:expr;)*) => {$(
        impl<$($generics)*> ParallelExtend<$item> for $collection {
            fn par_extend<I: IntoParallelIterator<Item = $item>>(&mut self, items: I) {
                self.par_extend(items.into_par_iter().map(|$copied| $copy));
            }
        }
    )*};
}

by_copies! {
    ['a, T: Copy + Send + Sync] Vec<T>, &'a T, |&item| item;
    ['a, T: Copy + Send + Sync] VecDeque<T>, &'a T, |&item| item;
    ['a, T: Copy + Send + Sync] LinkedList<T>, &'a T, |&item| item;
    ['a, T: Copy + Ord + Send + Sync] BinaryHeap<T>, &'a T, |&item| item;
    ['a, T: Copy + Ord + Send + Sync] BTreeSet<T>, &'a T, |&item| item;
    ['a, T: Copy + Eq + Hash + Send + Sync, H: BuildHasher + Send] HashSet<T, H>, &'a T, |&item| item;
    ['a, K: Copy + Ord + Send + Sync, V: Copy + Send + Sync] BTreeMap<K, V>, (&'a K, &'a V), |(&key, &value)| (key, value);
    ['a, K: Copy + Eq + Hash + Send + Sync, V: Copy + Send + Sync, H: BuildHasher + Send] HashMap<K, V, H>, (&'a K, &'a V), |(&key, &value)| (key, value);
}

impl ParallelExtend<()> for () {
    fn par_extend<I: IntoParallelIterator<Item = ()>>(&mut self, items: I) {
        items.into_par_iter().for_each(|()| ());
    }
}

/// The first parts of pairs to the first one, the second parts to the second.
impl<A, B, ToA, ToB> ParallelExtend<(A, B)> for (ToA, ToB)
where
    A: Send,
    B: Send,
    ToA: ParallelExtend<A>,
    ToB: ParallelExtend<B>,
{
    fn par_extend<I: IntoParallelIterator<Item = (A, B)>>(&mut self, items: I) {
        extend_both(self, items, |both, (a, b)| {
            both.0.push(a);
            both.1.push(b);
        });
    }
}

/// What is left to the first one, what is right to the second.
impl<L, R, ToL, ToR> ParallelExtend<Either<L, R>> for (ToL, ToR)
where
    L: Send,
    R: Send,
    ToL: ParallelExtend<L>,
    ToR: ParallelExtend<R>,
{
    fn par_extend<I: IntoParallelIterator<Item = Either<L, R>>>(&mut self, items: I) {
        extend_both(self, items, |both, item| match item {
            Either::Left(item) => both.0.push(item),
            Either::Right(item) => both.1.push(item),
        });
    }
}

fn extend_both<A, B, I>(
    to: &mut (impl ParallelExtend<A>, impl ParallelExtend<B>),
    items: I,
    push: impl Fn(&mut (Vec<A>, Vec<B>), I::Item) + Send + Sync,
) where
    A: Send,
    B: Send,
    I: IntoParallelIterator,
{
    let (a, b) = items.into_par_iter().fold_with_merge(
        || (Vec::new(), Vec::new()),
        |mut both, item| {
            push(&mut both, item);
            both
        },
        |mut left, mut right| {
            left.0.append(&mut right.0);
            left.1.append(&mut right.1);
            left
        },
    );
    to.0.par_extend(a);
    to.1.par_extend(b);
}

/// Gives a range of its items away.
pub trait ParallelDrainRange<Index = usize> {
    /// What it holds.
    type Item: Send;
    /// Takes the items of `range` out at once, whatever becomes of the iterator. A vector that gives all of them gives its memory
    /// with them.
    ///
    /// # Panics
    /// If the range is not inside the collection.
    fn par_drain<R: RangeBounds<Index>>(&mut self, range: R) -> OwnedIter<Self::Item>;
}

impl<T: Send> ParallelDrainRange for Vec<T> {
    type Item = T;
    fn par_drain<R: RangeBounds<usize>>(&mut self, range: R) -> OwnedIter<T> {
        if (range.start_bound(), range.end_bound()) == (Bound::Unbounded, Bound::Unbounded) {
            return OwnedIter::new(core::mem::take(self));
        }
        OwnedIter::new(self.drain(range).collect())
    }
}

impl<T: Send> ParallelDrainRange for VecDeque<T> {
    type Item = T;
    fn par_drain<R: RangeBounds<usize>>(&mut self, range: R) -> OwnedIter<T> {
        OwnedIter::new(self.drain(range).collect())
    }
}

impl ParallelDrainRange for String {
    type Item = char;
    fn par_drain<R: RangeBounds<usize>>(&mut self, range: R) -> OwnedIter<char> {
        OwnedIter::new(self.drain(range).collect())
    }
}

/// Gives all its items away.
pub trait ParallelDrainFull {
    /// What it holds.
    type Item: Send;
    /// Takes all items out at once.
    fn par_drain(&mut self) -> OwnedIter<Self::Item>;
}

macro_rules! drained {
    ($([$($generics:tt)*] $collection:ty, $item:ty;)*) => {$(
        impl<$($generics)*> ParallelDrainFull for $collection {
            type Item = $item;
            fn par_drain(&mut self) -> OwnedIter<$item> {
                OwnedIter::new(self.drain().collect())
            }
        }
    )*};
}

drained! {
    [K: Send, V: Send, H] HashMap<K, V, H>, (K, V);
    [T: Send, H] HashSet<T, H>, T;
    [T: Send] BinaryHeap<T>, T;
}
