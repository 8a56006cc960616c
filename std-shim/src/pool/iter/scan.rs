//! Running totals in place: totals of pieces in parallel, the starts of pieces one after the other, then the pieces again in parallel.

use super::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSliceMut};

/// Pieces of at least so many items: shorter ones cost more than they save.
const PIECE_MIN: usize = 4096;

/// Pieces for each thread, so that an uneven one delays little.
const PIECES_PER_THREAD: usize = 4;

pub(super) fn in_place<T, F>(items: &mut [T], threads: usize, op: &F)
where
    T: Clone + Send + Sync,
    F: Fn(&T, &T) -> T + Sync + Send,
{
    if threads <= 1 || items.len() < 2 * PIECE_MIN {
        return totals(items, op);
    }
    let size = items
        .len()
        .div_ceil(threads * PIECES_PER_THREAD)
        .max(PIECE_MIN);
    items
        .par_chunks_mut(size)
        .for_each(|piece| totals(piece, op));
    let mut starts: Vec<T> = items
        .chunks(size)
        .filter_map(|piece| piece.last().cloned())
        .collect();
    totals(&mut starts, op);
    items[size..]
        .par_chunks_mut(size)
        .zip((&starts).into_par_iter())
        .for_each(|(piece, start)| {
            for item in piece {
                *item = op(start, item);
            }
        });
}

fn totals<T>(items: &mut [T], op: &impl Fn(&T, &T) -> T) {
    for index in 1..items.len() {
        items[index] = op(&items[index - 1], &items[index]);
    }
}
