//! Parts of slices and strings, and sorts.

use crate::pool::enter;
use core::cmp::Ordering;
use underpin_core::pool::iter::{CharIter, Chunks, ChunksMut, LineIter, Windows};
use underpin_core::pool::sort;

/// Parallel methods of slices.
pub trait ParallelSlice<T: Sync> {
    /// Parts of `size` items, the last perhaps shorter.
    ///
    /// # Panics
    /// If `size` is 0.
    fn par_chunks(&self, size: usize) -> Chunks<'_, T>;

    /// All neighbouring `size` items.
    ///
    /// # Panics
    /// If `size` is 0.
    fn par_windows(&self, size: usize) -> Windows<'_, T>;
}

impl<T: Sync> ParallelSlice<T> for [T] {
    fn par_chunks(&self, size: usize) -> Chunks<'_, T> {
        Chunks::new(self, size)
    }

    fn par_windows(&self, size: usize) -> Windows<'_, T> {
        Windows::new(self, size)
    }
}

/// Parallel methods of slices that may be changed.
pub trait ParallelSliceMut<T: Send> {
    /// The slice.
    fn as_parallel_slice_mut(&mut self) -> &mut [T];

    /// Exclusive parts of `size` items, the last perhaps shorter.
    ///
    /// # Panics
    /// If `size` is 0.
    fn par_chunks_mut(&mut self, size: usize) -> ChunksMut<'_, T> {
        ChunksMut::new(self.as_parallel_slice_mut(), size)
    }

    /// Sorts; equal items keep their order. Takes as much memory again for long slices.
    fn par_sort(&mut self)
    where
        T: Ord,
    {
        let slice = self.as_parallel_slice_mut();
        enter(|worker| sort::stable(worker, slice, &T::lt, &|part: &mut [T]| part.sort()));
    }

    /// Sorts by `compare`; equal items keep their order.
    fn par_sort_by<F>(&mut self, compare: F)
    where
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        let slice = self.as_parallel_slice_mut();
        enter(|worker| {
            sort::stable(
                worker,
                slice,
                &|a: &T, b: &T| compare(a, b) == Ordering::Less,
                &|part: &mut [T]| part.sort_by(&compare),
            );
        });
    }

    /// Sorts by key; equal items keep their order.
    fn par_sort_by_key<K, F>(&mut self, key: F)
    where
        K: Ord,
        F: Fn(&T) -> K + Sync,
    {
        self.par_sort_by(|a, b| key(a).cmp(&key(b)));
    }

    /// Sorts by a key that is made once for each item; equal items keep their order.
    fn par_sort_by_cached_key<K, F>(&mut self, key: F)
    where
        K: Ord + Send + Sync,
        F: Fn(&T) -> K + Sync,
        T: Sync,
    {
        let slice = self.as_parallel_slice_mut();
        let mut order: Vec<(K, usize)> = Vec::new();
        {
            use super::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
            (&*slice)
                .into_par_iter()
                .enumerate()
                .map(|(index, item)| (key(item), index))
                .collect_into_vec(&mut order);
        }
        order.par_sort_unstable();
        // Follow each cycle of the permutation, swapping items into place.
        for start in 0..slice.len() {
            let mut from = order[start].1;
            while from < start {
                from = order[from].1;
            }
            order[start].1 = from;
            slice.swap(start, from);
        }
    }

    /// Sorts; equal items may change places. Takes no memory.
    fn par_sort_unstable(&mut self)
    where
        T: Ord,
    {
        let slice = self.as_parallel_slice_mut();
        enter(|worker| {
            sort::unstable(worker, slice, &T::lt, &|part: &mut [T]| {
                part.sort_unstable();
            });
        });
    }

    /// Sorts by `compare`; equal items may change places.
    fn par_sort_unstable_by<F>(&mut self, compare: F)
    where
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        let slice = self.as_parallel_slice_mut();
        enter(|worker| {
            sort::unstable(
                worker,
                slice,
                &|a: &T, b: &T| compare(a, b) == Ordering::Less,
                &|part: &mut [T]| part.sort_unstable_by(&compare),
            );
        });
    }

    /// Sorts by key; equal items may change places.
    fn par_sort_unstable_by_key<K, F>(&mut self, key: F)
    where
        K: Ord,
        F: Fn(&T) -> K + Sync,
    {
        self.par_sort_unstable_by(|a, b| key(a).cmp(&key(b)));
    }
}

impl<T: Send> ParallelSliceMut<T> for [T] {
    fn as_parallel_slice_mut(&mut self) -> &mut [T] {
        self
    }
}

/// Parallel methods of strings.
pub trait ParallelString {
    /// The characters.
    fn par_chars(&self) -> CharIter<'_>;
    /// The lines, without their ends.
    fn par_lines(&self) -> LineIter<'_>;
}

impl ParallelString for str {
    fn par_chars(&self) -> CharIter<'_> {
        CharIter(self)
    }
    fn par_lines(&self) -> LineIter<'_> {
        LineIter(self)
    }
}
