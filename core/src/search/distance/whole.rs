//! The edit distance of two whole texts: the bit-parallel columns of [`super`], 64 rows a block, within a band.
//!
//! Of the matrix only the diagonals count that some way of at most `most` edits can touch (Ukkonen, "Algorithms for approximate string
//! matching", Information and Control 64, 1985). How the texts differ place by place bounds the distance from above, which
//! makes the band narrow where they differ by replacements; narrower ones are tried first, for what was moved.
//!
//! Where a byte is in a block is asked of the block itself, by a compare: a table would take 2 KiB a block.
#![allow(
    unsafe_code,
    reason = "loads of whole pieces and of lengths that were checked"
)]

use super::{Column, Rows, equal_places};
use crate::search::dispatch::{dispatch, entry};
use crate::search::mismatch::{prefix, suffix};
use crate::search::vector::Vector;
use crate::search::work;
use alloc::vec::Vec;

/// Rows of a block: a bit each.
const ROWS: usize = 64;
/// Columns that are computed together.
const COLUMNS: usize = 4;
/// Edits that the first, narrow band allows for, besides what the lengths differ by.
const NARROW: usize = 64;

/// How many bytes must be inserted, deleted or replaced to make one of the other. Takes a few instructions for each byte of the longer one
/// and each 64 bytes of the shorter one, fewer the more alike they are, and 128 bytes of memory for each of the latter. For a search, see
/// [`Edits`](super::Edits).
///
/// ```
/// assert_eq!(underpin_core::search::distance::edits(b"kitten", b"sitting"), 3);
/// ```
#[must_use]
#[inline]
pub fn edits(a: &[u8], b: &[u8]) -> usize {
    entry!(edits_kernel(a: &[u8], b: &[u8]) -> usize)
}

dispatch!(mod edits_kernel = whole, fn(a: &[u8], b: &[u8]) -> usize);

/// # Safety
/// V1.
#[inline(always)]
unsafe fn whole<V: Vector>(a: &[u8], b: &[u8]) -> usize {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    // SAFETY: V1.
    unsafe {
        // What both start and end with costs nothing.
        let start = prefix::<V>(short, long);
        let (short, long) = (&short[start..], &long[start..]);
        let end = suffix::<V>(short, long);
        let (short, long) = (&short[..short.len() - end], &long[..long.len() - end]);
        if short.is_empty() {
            return long.len();
        }
        if short.len() <= ROWS {
            return one_block::<V>(short, long);
        }
        let rest = long.len() - short.len();
        let equal = equal_places::<V>(short, long).max(equal_places::<V>(short, &long[rest..]));
        let bound = long.len() - equal;
        let mut blocks: Vec<Block> = short.chunks(ROWS).map(Block::new).collect();
        let tables = tables::<V>(short);
        let mut most = rest + NARROW;
        while most < bound / 2 {
            match banded::<V>(&mut blocks, &tables, short.len(), long, most) {
                Ok(distance) => return distance,
                Err(estimate) => most = (2 * most).max(estimate + estimate / 4),
            }
        }
        let distance = banded::<V>(&mut blocks, &tables, short.len(), long, bound);
        distance.unwrap_or(bound)
    }
}

/// 64 bytes of the shorter text, less in the last one, and their rows of the column.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Block {
    piece: Piece,
    column: Column,
}

/// Behind the text's end it may be anything: what is in those rows changes none above them.
type Piece = [u8; ROWS];

impl Block {
    fn new(bytes: &[u8]) -> Self {
        Self {
            piece: piece(bytes),
            column: Column::FIRST,
        }
    }
}

fn piece(bytes: &[u8]) -> Piece {
    let mut piece = [0; ROWS];
    piece[..bytes.len()].copy_from_slice(bytes);
    piece
}

/// Where each byte is in 64 others.
type Table = [u64; 256];

fn table(bytes: &[u8]) -> Table {
    let mut table = [0; 256];
    for (i, byte) in bytes.iter().enumerate() {
        table[usize::from(*byte)] |= 1 << i;
    }
    table
}

/// Words are compared so slowly that tables are better, so slowly built and so large as they are.
const fn needs_tables<V: Vector>() -> bool {
    V::BYTES < 16
}

fn tables<V: Vector>(bytes: &[u8]) -> Vec<Table> {
    if needs_tables::<V>() {
        bytes.chunks(ROWS).map(table).collect()
    } else {
        Vec::new()
    }
}

/// Where `byte` is in the piece.
///
/// # Safety
/// V1.
#[inline(always)]
unsafe fn places<V: Vector>(piece: &Piece, byte: u8) -> u64 {
    let mut bits = 0;
    let mut offset = 0;
    // SAFETY: V1; a vector has 64 bytes or a whole part of them.
    unsafe {
        let byte = V::splat(byte);
        while offset < ROWS {
            bits |= V::bits(V::load(piece.as_ptr().add(offset)).eq(byte)) << offset;
            offset += V::BYTES;
        }
    }
    bits
}

/// The first row of a whole comparison grows with each byte; so may every other.
const GROWS: Rows = Rows { grow: 1, fall: 0 };

/// # Safety
/// V1; `short` has 1 to 64 bytes, `long` as many at least.
#[inline(always)]
unsafe fn one_block<V: Vector>(short: &[u8], long: &[u8]) -> usize {
    work::add(long.len());
    let last = short.len() - 1;
    let (mut column, mut distance) = (Column::FIRST, short.len());
    let piece = piece(short);
    let table = needs_tables::<V>().then(|| table(short));
    for byte in long {
        let places = match &table {
            Some(table) => table[usize::from(*byte)],
            // SAFETY: V1.
            None => unsafe { places::<V>(&piece, *byte) },
        };
        distance = column.step(places, GROWS).next(distance, last);
    }
    distance
}

/// The distance if it is at most `most`, else about what it may be. Cells outside of the band are taken for one more than their neighbours
/// inside, which no cell can exceed.
///
/// # Safety
/// V1; `blocks` are of the shorter text, which has `rows` bytes, and so are `tables`, if they are needed; `long` has `rows` bytes or
/// up to `most` more.
#[inline(always)]
unsafe fn banded<V: Vector>(
    blocks: &mut [Block],
    tables: &[Table],
    rows: usize,
    long: &[u8],
    most: usize,
) -> Result<usize, usize> {
    let rest = long.len() - rows;
    // The band's rows in a column are so many above its number, and so many below.
    let (above, below) = ((most + rest) / 2, (most - rest) / 2);
    let bottom = |block: usize| rows.min((block + 1) * ROWS);
    // Blocks before `first` have left the band, those from `end` on have not entered it.
    let mut end = rows.min(below).div_ceil(ROWS).max(1);
    for block in &mut blocks[..end] {
        block.column = Column::FIRST;
    }
    // The value in the last row of the last block of the band.
    let mut value = bottom(end - 1);
    let mut done = 0;
    let (groups, others) = long.as_chunks::<COLUMNS>();
    while done < long.len() {
        let first = done.saturating_sub(above) / ROWS;
        if done + COLUMNS + below > end * ROWS && end < blocks.len() {
            blocks[end].column = Column::FIRST;
            end += 1;
            value += bottom(end - 1) - bottom(end - 2);
        }
        let band = &mut blocks[first..end];
        let tables = tables.get(first..end).unwrap_or(&[]);
        let last = (bottom(end - 1) - 1) % ROWS;
        // SAFETY: V1; the tables are the blocks'.
        unsafe {
            if let Some(bytes) = groups.get(done / COLUMNS) {
                for rows in columns::<V, COLUMNS>(band, tables, bytes) {
                    value = rows.next(value, last);
                }
                done += COLUMNS;
            } else {
                for byte in others {
                    let [rows] = columns::<V, 1>(band, tables, &[*byte]);
                    value = rows.next(value, last);
                }
                done = long.len();
            }
        }
        // From row to row it differs by one at most: so all of the band's cells are too much.
        if value > most + (end - first) * ROWS {
            return Err(value.saturating_mul(long.len()) / done);
        }
    }
    if value <= most { Ok(value) } else { Err(value) }
}

/// The next columns of all blocks, for `bytes` of the text: how the last block's rows differ each time. Several at once, as each waits for the one
/// before, and for the block above.
///
/// # Safety
/// V1; `tables` are the blocks', if they are needed.
#[inline(always)]
unsafe fn columns<V: Vector, const N: usize>(
    blocks: &mut [Block],
    tables: &[Table],
    bytes: &[u8; N],
) -> [Rows; N] {
    work::add(blocks.len() * N);
    let (mut over, mut changes) = ([GROWS; N], [GROWS; N]);
    for (i, block) in blocks.iter_mut().enumerate() {
        let mut column = block.column;
        for (k, byte) in bytes.iter().enumerate() {
            let places = if needs_tables::<V>() {
                tables[i][usize::from(*byte)]
            } else {
                // SAFETY: V1.
                unsafe { places::<V>(&block.piece, *byte) }
            };
            changes[k] = column.step(places, over[k]);
            over[k] = Rows {
                grow: changes[k].grow >> (ROWS - 1),
                fall: changes[k].fall >> (ROWS - 1),
            };
        }
        block.column = column;
    }
    changes
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::search::detect::Level;

    /// At every level, with every way of going on.
    pub(in super::super) fn agree(a: &[u8], b: &[u8], distance: usize) {
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            let kernel = edits_kernel::select(level);
            // SAFETY: the level is available.
            let found = unsafe { (kernel(a, b), kernel(b, a)) };
            assert_eq!(found, (distance, distance), "{level:?} {a:?} {b:?}");
        }
    }

    #[test]
    fn what_was_moved_and_what_is_quite_different_is_compared_as_well() {
        let text = |seed: u32, len: u32| -> Vec<u8> {
            let letters = (0..len).map(|i| (seed + i).wrapping_mul(0x9e37_79b9) >> 24);
            letters.map(|byte| b'a' + byte as u8 % 4).collect()
        };
        let row = |a: &[u8], b: &[u8]| {
            let mut row: Vec<usize> = (0..=b.len()).collect();
            for (i, x) in (1..).zip(a) {
                let mut diagonal = row[0];
                row[0] = i;
                for (j, y) in b.iter().enumerate() {
                    let replaced = diagonal + usize::from(x != y);
                    diagonal = row[j + 1];
                    row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
                }
            }
            row[b.len()]
        };
        let (long, other) = (text(1, 700), text(5000, 640));
        let moved = [&long[90..], &long[..90]].concat();
        let cut = [&long[..300], &long[310..]].concat();
        for (a, b) in [
            (&long, &other),
            (&long, &moved),
            (&long, &cut),
            (&moved, &other),
        ] {
            agree(a, b, row(a, b));
        }
        // The narrowest bands, too narrow ones among them, and the lengths at the edges of blocks.
        for len in [65, 127, 128, 129, 640] {
            let short = &other[..len];
            let expected = row(short, &long);
            let mut blocks: Vec<Block> = short.chunks(ROWS).map(Block::new).collect();
            let tables: Vec<Table> = short.chunks(ROWS).map(table).collect();
            for most in (long.len() - len..=700).step_by(23) {
                // SAFETY: every processor has it.
                let found = unsafe {
                    banded::<crate::search::arch::Swar>(&mut blocks, &tables, len, &long, most)
                };
                assert_eq!(
                    found.ok(),
                    (expected <= most).then_some(expected),
                    "{len} {most}"
                );
            }
        }
    }
}
