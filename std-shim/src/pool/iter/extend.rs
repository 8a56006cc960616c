//! Collections that take the items of a parallel iterator, and those that give all of theirs.

use super::from::parts;
use super::{IntoParallelIterator, ParallelIterator};
use crate::pool::enter;
use core::hash::{BuildHasher, Hash};
use core::ops::{Bound, RangeBounds};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, LinkedList, VecDeque};
use underpin_core::pool::iter::{OwnedIter, Source, collect};

/// Takes the items of a parallel iterator in addition to its own.
pub trait ParallelExtend<T: Send> {
    /// Adds all items, in order where there is one.
    fn par_extend<I: IntoParallelIterator<Item = T>>(&mut self, items: I);
}

impl<T: Send> ParallelExtend<T> for Vec<T> {
    fn par_extend<I: IntoParallelIterator<Item = T>>(&mut self, items: I) {
        let items = items.into_par_iter();
        if <I::Iter as Source>::EXACT {
            enter(|worker| collect(worker, items, self));
        } else {
            for mut part in parts(items) {
                self.append(&mut part);
            }
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
    [T: Send] VecDeque<T>, T;
    [] String, char;
    ['a] String, &'a str;
    [] String, String;
}

impl ParallelExtend<()> for () {
    fn par_extend<I: IntoParallelIterator<Item = ()>>(&mut self, items: I) {
        items.into_par_iter().for_each(|()| ());
    }
}

/// Gives a range of its items away.
pub trait ParallelDrainRange {
    /// What it holds.
    type Item: Send;
    /// Takes the items of `range` out at once, whatever becomes of the iterator.
    ///
    /// # Panics
    /// If the range is not inside the collection.
    fn par_drain<R: RangeBounds<usize>>(&mut self, range: R) -> OwnedIter<Self::Item>;
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

/// Gives all its items away.
pub trait ParallelDrainFull {
    /// What it holds.
    type Item: Send;
    /// Takes all items out at once.
    fn par_drain(&mut self) -> OwnedIter<Self::Item>;
}

impl<K: Send, V: Send, H> ParallelDrainFull for HashMap<K, V, H> {
    type Item = (K, V);
    fn par_drain(&mut self) -> OwnedIter<(K, V)> {
        OwnedIter::new(self.drain().collect())
    }
}

impl<T: Send, H> ParallelDrainFull for HashSet<T, H> {
    type Item = T;
    fn par_drain(&mut self) -> OwnedIter<T> {
        OwnedIter::new(self.drain().collect())
    }
}
