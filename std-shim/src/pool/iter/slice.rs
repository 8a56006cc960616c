//! Parts of slices, and sorts.

use super::ParallelIterator;
use crate::pool::enter;
use core::cmp::Ordering;
use underpin_core::pool::iter::{
    Chunks, ChunksMut, Cut, Map, Pieces, RChunks, RChunksMut, Runs, SliceIter, Where, Windows,
};
use underpin_core::pool::sort;

/// Parallel methods of slices.
pub trait ParallelSlice<T: Sync> {
    /// The slice.
    fn as_parallel_slice(&self) -> &[T];

    /// All neighbouring `size` items.
    ///
    /// # Panics
    /// If `size` is 0.
    fn par_windows(&self, size: usize) -> Windows<'_, T> {
        Windows::new(self.as_parallel_slice(), size)
    }

    /// All neighbouring `N` items.
    ///
    /// # Panics
    /// If `N` is 0.
    fn par_array_windows<'a, const N: usize>(
        &'a self,
    ) -> Map<Windows<'a, T>, impl Fn(&'a [T]) -> &'a [T; N] + Send + Sync>
    where
        T: 'a,
    {
        self.par_windows(N).map(|window| {
            window
                .first_chunk()
                .expect("a window has as many items as were asked for")
        })
    }

    /// Parts of exactly `N` items; what is left over is left out.
    fn par_array_chunks<const N: usize>(&self) -> SliceIter<'_, [T; N]> {
        SliceIter(self.as_parallel_slice().as_chunks().0)
    }

    /// Parts of `size` items, the last perhaps shorter.
    ///
    /// # Panics
    /// If `size` is 0.
    fn par_chunks(&self, size: usize) -> Chunks<'_, T> {
        Chunks::new(self.as_parallel_slice(), size)
    }

    /// Parts of exactly `size` items; what is left over at the end is left out.
    ///
    /// # Panics
    /// If `size` is 0.
    fn par_chunks_exact(&self, size: usize) -> Chunks<'_, T> {
        Chunks::new(self.as_parallel_slice(), size).exact().0
    }

    /// Parts of `size` items from the end on, the last perhaps shorter.
    ///
    /// # Panics
    /// If `size` is 0.
    fn par_rchunks(&self, size: usize) -> RChunks<'_, T> {
        RChunks::new(self.as_parallel_slice(), size)
    }

    /// Parts of exactly `size` items from the end on; what is left over at the start is left out.
    ///
    /// # Panics
    /// If `size` is 0.
    fn par_rchunks_exact(&self, size: usize) -> RChunks<'_, T> {
        RChunks::new(self.as_parallel_slice(), size).exact().0
    }

    /// Parts between the items that `is_separator` accepts.
    fn par_split<F>(&self, is_separator: F) -> Pieces<&[T], Where<F>>
    where
        F: Fn(&T) -> bool + Send + Sync,
    {
        Pieces::new(self.as_parallel_slice(), Where(is_separator), Cut::Between)
    }

    /// Parts that end with the items that `is_separator` accepts.
    fn par_split_inclusive<F>(&self, is_separator: F) -> Pieces<&[T], Where<F>>
    where
        F: Fn(&T) -> bool + Send + Sync,
    {
        Pieces::new(
            self.as_parallel_slice(),
            Where(is_separator),
            Cut::Inclusive,
        )
    }

    /// Parts in which `belong` holds for all neighbours.
    fn par_chunk_by<F>(&self, belong: F) -> Pieces<&[T], Runs<F>>
    where
        F: Fn(&T, &T) -> bool + Send + Sync,
    {
        Pieces::new(self.as_parallel_slice(), Runs(belong), Cut::Inclusive)
    }
}

impl<T: Sync> ParallelSlice<T> for [T] {
    fn as_parallel_slice(&self) -> &[T] {
        self
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

    /// Exclusive parts of exactly `size` items; what is left over at the end is left out.
    ///
    /// # Panics
    /// If `size` is 0.
    fn par_chunks_exact_mut(&mut self, size: usize) -> ChunksMut<'_, T> {
        ChunksMut::new(self.as_parallel_slice_mut(), size).exact().0
    }

    /// Exclusive parts of `size` items from the end on, the last perhaps shorter.
    ///
    /// # Panics
    /// If `size` is 0.
    fn par_rchunks_mut(&mut self, size: usize) -> RChunksMut<'_, T> {
        RChunksMut::new(self.as_parallel_slice_mut(), size)
    }

    /// Exclusive parts of exactly `size` items from the end on; what is left over at the start is left out.
    ///
    /// # Panics
    /// If `size` is 0.
    fn par_rchunks_exact_mut(&mut self, size: usize) -> RChunksMut<'_, T> {
        RChunksMut::new(self.as_parallel_slice_mut(), size)
            .exact()
            .0
    }

    /// Exclusive parts between the items that `is_separator` accepts.
    fn par_split_mut<F>(&mut self, is_separator: F) -> Pieces<&mut [T], Where<F>>
    where
        F: Fn(&T) -> bool + Send + Sync,
    {
        Pieces::new(
            self.as_parallel_slice_mut(),
            Where(is_separator),
            Cut::Between,
        )
    }

    /// Exclusive parts that end with the items that `is_separator` accepts.
    fn par_split_inclusive_mut<F>(&mut self, is_separator: F) -> Pieces<&mut [T], Where<F>>
    where
        F: Fn(&T) -> bool + Send + Sync,
    {
        Pieces::new(
            self.as_parallel_slice_mut(),
            Where(is_separator),
            Cut::Inclusive,
        )
    }

    /// Exclusive parts in which `belong` holds for all neighbours.
    fn par_chunk_by_mut<F>(&mut self, belong: F) -> Pieces<&mut [T], Runs<F>>
    where
        F: Fn(&T, &T) -> bool + Send + Sync,
    {
        Pieces::new(self.as_parallel_slice_mut(), Runs(belong), Cut::Inclusive)
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
