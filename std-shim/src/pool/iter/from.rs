//! What parallel iterators collect into.

use super::ParallelIterator;
use super::consume::Parts;
use crate::pool::enter;
use core::hash::{BuildHasher, Hash};
use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::{BTreeMap, BTreeSet, LinkedList, VecDeque};
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use underpin_core::pool::iter::{Source, collect, drive};

/// Is made from a parallel iterator.
pub trait FromParallelIterator<T: Send>: Sized {
    /// All items of `source`.
    fn from_par_iter<S: Source<Item = T>>(source: S) -> Self;
}

/// The items in order, in the parts in which they were found.
pub(super) fn parts<S: Source>(source: S) -> LinkedList<Vec<S::Item>> {
    enter(|worker| drive(worker, source, &Parts))
}

impl<T: Send> FromParallelIterator<T> for Vec<T> {
    fn from_par_iter<S: Source<Item = T>>(source: S) -> Self {
        if S::EXACT {
            let mut all = Self::new();
            enter(|worker| collect(worker, source, &mut all));
            return all;
        }
        let parts = parts(source);
        if parts.len() <= 1 {
            return parts.into_iter().next().unwrap_or_default();
        }
        let mut all = Self::with_capacity(parts.iter().map(Vec::len).sum());
        all.extend(parts.into_iter().flatten());
        all
    }
}

macro_rules! by_extend {
    ([$($generics:tt)*] $collection:ty, $item:ty) => {
        impl<$($generics)*> FromParallelIterator<$item> for $collection {
            fn from_par_iter<S: Source<Item = $item>>(source: S) -> Self {
                let parts = parts(source);
                let mut all = Self::default();
                for part in parts {
                    all.extend(part);
                }
                all
            }
        }
    };
}

by_extend!([K: Eq + Hash + Send, V: Send, H: BuildHasher + Default] HashMap<K, V, H>, (K, V));
by_extend!([T: Eq + Hash + Send, H: BuildHasher + Default] HashSet<T, H>, T);
by_extend!([K: Ord + Send, V: Send] BTreeMap<K, V>, (K, V));
by_extend!([T: Ord + Send] BTreeSet<T>, T);
by_extend!([T: Send] VecDeque<T>, T);
by_extend!([] String, char);
by_extend!(['a] String, &'a str);
by_extend!([] String, String);
by_extend!([T: Send] LinkedList<T>, T);

impl<T: Send> FromParallelIterator<T> for Box<[T]> {
    fn from_par_iter<S: Source<Item = T>>(source: S) -> Self {
        source.collect::<Vec<T>>().into_boxed_slice()
    }
}

impl<T: Send> FromParallelIterator<T> for std::sync::Arc<[T]> {
    fn from_par_iter<S: Source<Item = T>>(source: S) -> Self {
        source.collect::<Vec<T>>().into()
    }
}

impl FromParallelIterator<()> for () {
    fn from_par_iter<S: Source<Item = ()>>(source: S) {
        source.for_each(|()| ());
    }
}

/// The first error that is met stops the rest.
impl<T: Send, X: Send, C: FromParallelIterator<T>> FromParallelIterator<Result<T, X>>
    for Result<C, X>
{
    fn from_par_iter<S: Source<Item = Result<T, X>>>(source: S) -> Self {
        let failed = AtomicBool::new(false);
        let error = Mutex::new(None);
        let collection = C::from_par_iter(source.filter_map(|item| match item {
            Ok(_) if failed.load(Ordering::Relaxed) => None,
            Ok(item) => Some(item),
            Err(e) => {
                failed.store(true, Ordering::Relaxed);
                let mut kept = error
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner());
                kept.get_or_insert(e);
                None
            }
        }));
        match error
            .into_inner()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
        {
            Some(error) => Err(error),
            None => Ok(collection),
        }
    }
}

/// The first `None` that is met makes all of it `None`.
impl<T: Send, C: FromParallelIterator<T>> FromParallelIterator<Option<T>> for Option<C> {
    fn from_par_iter<S: Source<Item = Option<T>>>(source: S) -> Self {
        let failed = AtomicBool::new(false);
        let collection = C::from_par_iter(source.filter_map(|item| {
            if item.is_none() {
                failed.store(true, Ordering::Relaxed);
            }
            item
        }));
        (!failed.into_inner()).then_some(collection)
    }
}
