//! What parallel iterators collect into.

extern crate alloc;

use super::consume::Parts;
use super::method::until;
use super::{Either, IntoParallelIterator, ParallelExtend, ParallelIterator};
use crate::pool::{CancelToken, enter};
use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet, BinaryHeap, LinkedList, VecDeque};
use alloc::rc::Rc;
use alloc::sync::Arc;
use core::convert::identity;
use core::hash::{BuildHasher, Hash};
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::sync::{Mutex, PoisonError};
use underpin_core::pool::iter::{Source, drive};

/// Is made from a parallel iterator.
pub trait FromParallelIterator<T: Send>: Sized {
    /// All items of `items`.
    fn from_par_iter<I: IntoParallelIterator<Item = T>>(items: I) -> Self;
}

/// A source where something is wanted that becomes one.
pub(super) struct Whole<S>(pub(super) S);

impl<S: Source> IntoParallelIterator for Whole<S> {
    type Iter = S;
    type Item = S::Item;
    fn into_par_iter(self) -> S {
        self.0
    }
}

/// The items in order, in the parts in which they were found.
pub(super) fn parts<S: Source>(source: S) -> LinkedList<Vec<S::Item>> {
    enter(|worker| drive(worker, source, &Parts))
}

macro_rules! by_extend {
    ($([$($generics:tt)*] $collection:ty, $item:ty;)*) => {$(
        impl<$($generics)*> FromParallelIterator<$item> for $collection {
            fn from_par_iter<I: IntoParallelIterator<Item = $item>>(items: I) -> Self {
                let mut all = Self::default();
                all.par_extend(items);
                all
            }
        }
    )*};
}

by_extend! {
    [T: Send] Vec<T>, T;
    [T: Send] VecDeque<T>, T;
    [T: Send] LinkedList<T>, T;
    [T: Ord + Send] BinaryHeap<T>, T;
    [K: Eq + Hash + Send, V: Send, H: BuildHasher + Default + Send] HashMap<K, V, H>, (K, V);
    [T: Eq + Hash + Send, H: BuildHasher + Default + Send] HashSet<T, H>, T;
    [K: Ord + Send, V: Send] BTreeMap<K, V>, (K, V);
    [T: Ord + Send] BTreeSet<T>, T;
    [] String, char;
    ['a] String, &'a char;
    ['a] String, &'a str;
    [] String, String;
    [] String, Box<str>;
    ['a] String, Cow<'a, str>;
    [] OsString, OsString;
    ['a] OsString, &'a OsStr;
    ['a] OsString, Cow<'a, OsStr>;
    [] (), ();
}

/// Made from another collection.
macro_rules! by_way_of {
    ($([$($generics:tt)*] $collection:ty, $item:ty, $way:ty;)*) => {$(
        impl<$($generics)*> FromParallelIterator<$item> for $collection {
            fn from_par_iter<I: IntoParallelIterator<Item = $item>>(items: I) -> Self {
                <$way>::from_par_iter(items).into()
            }
        }
    )*};
}

by_way_of! {
    [T: Send] Box<[T]>, T, Vec<T>;
    [T: Send] Arc<[T]>, T, Vec<T>;
    [T: Send] Rc<[T]>, T, Vec<T>;
    [] Box<str>, char, String;
    ['a] Box<str>, &'a char, String;
    ['a] Box<str>, &'a str, String;
    [] Box<str>, String, String;
    [] Box<str>, Box<str>, String;
    ['a] Box<str>, Cow<'a, str>, String;
}

impl<T: Send, C> FromParallelIterator<T> for Cow<'_, C>
where
    C: ?Sized + ToOwned<Owned: FromParallelIterator<T>>,
{
    fn from_par_iter<I: IntoParallelIterator<Item = T>>(items: I) -> Self {
        Cow::Owned(C::Owned::from_par_iter(items))
    }
}

/// The first and the second parts of pairs.
impl<A, B, FromA, FromB> FromParallelIterator<(A, B)> for (FromA, FromB)
where
    A: Send,
    B: Send,
    FromA: FromParallelIterator<A>,
    FromB: FromParallelIterator<B>,
{
    fn from_par_iter<I: IntoParallelIterator<Item = (A, B)>>(items: I) -> Self {
        let (a, b): (Vec<A>, Vec<B>) = items.into_par_iter().unzip();
        (FromA::from_par_iter(a), FromB::from_par_iter(b))
    }
}

/// What is left, and what is right.
impl<L, R, FromL, FromR> FromParallelIterator<Either<L, R>> for (FromL, FromR)
where
    L: Send,
    R: Send,
    FromL: FromParallelIterator<L>,
    FromR: FromParallelIterator<R>,
{
    fn from_par_iter<I: IntoParallelIterator<Item = Either<L, R>>>(items: I) -> Self {
        let (left, right): (Vec<L>, Vec<R>) = items.into_par_iter().partition_map(identity);
        (FromL::from_par_iter(left), FromR::from_par_iter(right))
    }
}

/// The first error that is met stops the rest.
impl<T: Send, X: Send, C: FromParallelIterator<T>> FromParallelIterator<Result<T, X>>
    for Result<C, X>
{
    fn from_par_iter<I: IntoParallelIterator<Item = Result<T, X>>>(items: I) -> Self {
        let first = Mutex::new(None);
        let keep = |error| {
            let mut kept = first.lock().unwrap_or_else(PoisonError::into_inner);
            kept.get_or_insert(error);
        };
        let good = |item: Result<T, X>| item.map_err(keep).ok();
        let collection = C::from_par_iter(Whole(until(
            items.into_par_iter(),
            good,
            CancelToken::new(),
        )));
        match first.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(collection),
        }
    }
}

/// The first `None` that is met stops the rest, and makes all of it `None`.
impl<T: Send, C: FromParallelIterator<T>> FromParallelIterator<Option<T>> for Option<C> {
    fn from_par_iter<I: IntoParallelIterator<Item = Option<T>>>(items: I) -> Self {
        let token = CancelToken::new();
        let some = until(items.into_par_iter(), identity, token.clone());
        let collection = C::from_par_iter(Whole(some));
        (!token.is_cancelled()).then_some(collection)
    }
}
