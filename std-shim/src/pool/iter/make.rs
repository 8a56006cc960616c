//! Parallel iterators out of nothing, or out of what only a function can divide.

use super::ParallelIterator;
use crate::pool::current_num_threads;
use underpin_core::pool::iter::{Copies, MapWith, RangeIter, Single, Split, Tree, Visit};

/// One item.
pub fn once<T: Send>(item: T) -> Single<T> {
    Single(Some(item))
}

/// No items.
pub fn empty<T: Send>() -> Single<T> {
    Single(None)
}

/// What [`repeat_n`] makes.
pub type RepeatN<T> = MapWith<RangeIter<usize>, Copies<T>, fn(&mut T, usize) -> T>;

/// `count` clones of `item`.
pub fn repeat_n<T: Clone + Send>(item: T, count: usize) -> RepeatN<T> {
    RangeIter(0..count).map_with(item, |item, _| item.clone())
}

/// Clones of `item`, as many as a `usize` counts: for [`zip`](super::IndexedParallelIterator::zip),
/// [`take`](super::IndexedParallelIterator::take) and methods that stop early.
pub fn repeat<T: Clone + Send>(item: T) -> RepeatN<T> {
    repeat_n(item, usize::MAX)
}

/// Data in pieces: `divide` halves a piece, or says with `None` that it cannot be halved. How many pieces there are depends on
/// how many workers have nothing to do.
///
/// ```
/// use underpin::pool::iter::*;
///
/// let halve = |text: &'static str| match text[text.len() / 2..].find(' ') {
///     Some(at) => {
///         let (left, right) = text.split_at(text.len() / 2 + at);
///         (left, Some(&right[1..]))
///     }
///     None => (text, None),
/// };
/// let words = split("one two three four", halve).map(|text| text.split(' ').count());
/// assert_eq!(words.sum::<usize>(), 4);
/// ```
pub fn split<D, F>(data: D, divide: F) -> Split<D, F>
where
    D: Send,
    F: Fn(D) -> (D, Option<D>) + Send + Sync,
{
    Split::new(data, divide, current_num_threads())
}

/// The nodes of a tree, in the order of [`walk_tree_prefix`]. Which order that is may change; those who care name one.
pub fn walk_tree<N, C, F>(root: N, children: F) -> Tree<N, F>
where
    N: Send,
    C: IntoIterator<Item = N, IntoIter: DoubleEndedIterator>,
    F: Fn(&N) -> C + Send + Sync,
{
    walk_tree_prefix(root, children)
}

/// The nodes of a tree, each before its children, which `children` gives in order.
///
/// ```
/// use underpin::pool::iter::*;
///
/// let below = |&n: &u32| (2 * n..2 * n + 2).filter(|n| *n < 8).collect::<Vec<_>>();
/// assert_eq!(walk_tree_prefix(1, below).collect::<Vec<_>>(), [1, 2, 4, 5, 3, 6, 7]);
/// assert_eq!(walk_tree_postfix(1, below).collect::<Vec<_>>(), [4, 5, 2, 6, 7, 3, 1]);
/// ```
pub fn walk_tree_prefix<N, C, F>(root: N, children: F) -> Tree<N, F>
where
    N: Send,
    C: IntoIterator<Item = N, IntoIter: DoubleEndedIterator>,
    F: Fn(&N) -> C + Send + Sync,
{
    Tree::new(root, children, Visit::Prefix)
}

/// The nodes of a tree, each after its children, which `children` gives in order.
pub fn walk_tree_postfix<N, C, F>(root: N, children: F) -> Tree<N, F>
where
    N: Send,
    C: IntoIterator<Item = N, IntoIter: DoubleEndedIterator>,
    F: Fn(&N) -> C + Send + Sync,
{
    Tree::new(root, children, Visit::Postfix)
}
