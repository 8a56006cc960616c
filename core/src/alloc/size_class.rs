//! Size classes: which blocks a request is served from.
//!
//! | request, bytes | blocks | worst waste |
//! |---|---|---|
//! | 0 to 1,024 | multiples of 16 | 15 bytes |
//! | 1,025 to 4,096 | 16 sizes per doubling | 1/17 of the block, 5.9 % |
//! | 4,097 to 32,768 | 8 sizes per doubling | 1/9 of the block, 11.1 % |
//! | above | whole pages, see `huge` | one page |
//!
//! The small classes cost an addition and a shift to find. Sixteen per doubling rather than the usual four or eight keep the mean
//! waste under 3 %; the price is more partly filled slabs, and a slab that is filled by bumping a cursor costs only the pages
//! that it has handed out. Above a page, what each class once held at most and does not now is more than finer sizes save: eight.
//!
//! # Invariants
//! - I1: `bytes_of(class_of(size)) >= size`, and no smaller class holds `size`.
//! - I2: every block size is a multiple of 16; a medium one is a multiple of 1/16 of the power of two below it. So a request that
//!   is a multiple of its alignment gets a block size that is one, and blocks, which start at a multiple of it from an aligned
//!   slab, are aligned.
#![forbid(unsafe_code)]

/// Largest request of the linear classes.
pub const SMALL_BYTES_MAX: usize = 1024;
/// Largest request served from slabs.
pub const MEDIUM_BYTES_MAX: usize = 32 * 1024;
/// Alignment of every block.
pub const BLOCK_ALIGN: usize = 16;

/// The linear classes, with one for requests of zero bytes.
const SMALL_CLASSES: usize = SMALL_BYTES_MAX / BLOCK_ALIGN + 1;
/// log2 of the sizes per doubling.
const STEPS_LOG2: u32 = 4;
const STEPS: usize = 1 << STEPS_LOG2;
/// The same above [`FINE_BYTES_MAX`].
const COARSE_LOG2: u32 = 3;
const COARSE: usize = 1 << COARSE_LOG2;
const SMALL_LOG2: u32 = SMALL_BYTES_MAX.ilog2();
/// Largest request of the classes with [`STEPS`] sizes per doubling.
const FINE_BYTES_MAX: usize = 4096;
const FINE_LOG2: u32 = FINE_BYTES_MAX.ilog2();
/// The first class above that.
const FIRST_COARSE: usize = SMALL_CLASSES + (FINE_LOG2 - SMALL_LOG2) as usize * STEPS;
/// How many classes there are.
pub const CLASSES: usize = FIRST_COARSE + (MEDIUM_BYTES_MAX.ilog2() - FINE_LOG2) as usize * COARSE;

/// Every class boundary above the small ones is a multiple of this.
const GRAIN_BYTES: usize = SMALL_BYTES_MAX / STEPS;

/// The class of each multiple of [`GRAIN_BYTES`], for requests of one byte more up to the next: a load takes half the time that
/// [`computed`] does.
static MEDIUM: [u8; MEDIUM_BYTES_MAX / GRAIN_BYTES] = {
    let mut classes = [0; MEDIUM_BYTES_MAX / GRAIN_BYTES];
    let mut grain = SMALL_BYTES_MAX / GRAIN_BYTES;
    while grain < classes.len() {
        classes[grain] = computed(grain * GRAIN_BYTES + 1) as u8;
        grain += 1;
    }
    classes
};
const _: () = assert!(CLASSES <= 1 << u8::BITS);

/// The class of a request of at most [`MEDIUM_BYTES_MAX`] bytes.
#[inline(always)]
#[must_use]
pub const fn class_of(size: usize) -> usize {
    if size <= SMALL_BYTES_MAX {
        return size.div_ceil(BLOCK_ALIGN);
    }
    MEDIUM[(size - 1) / GRAIN_BYTES] as usize
}

/// The class of a request that is not small.
const fn computed(size: usize) -> usize {
    let last = size - 1;
    let log2 = last.ilog2();
    if log2 >= FINE_LOG2 {
        let step = last >> (log2 - COARSE_LOG2);
        return FIRST_COARSE + step - COARSE + (log2 - FINE_LOG2) as usize * COARSE;
    }
    // The step with the leading bit, which counts for STEPS more.
    let step = last >> (log2 - STEPS_LOG2);
    SMALL_CLASSES + step + log2 as usize * STEPS - SMALL_LOG2 as usize * STEPS - STEPS
}

/// Whether a class is one of the coarse ones, of which a slab has few blocks.
#[inline(always)]
pub(super) const fn is_coarse(class: usize) -> bool {
    class >= FIRST_COARSE
}

/// The block size of a class.
#[inline]
#[must_use]
pub const fn bytes_of(class: usize) -> usize {
    if class == 0 {
        return BLOCK_ALIGN;
    }
    if class < SMALL_CLASSES {
        return class * BLOCK_ALIGN;
    }
    if class >= FIRST_COARSE {
        let index = class - FIRST_COARSE;
        let log2 = FINE_LOG2 as usize + index / COARSE;
        return (COARSE + index % COARSE + 1) << (log2 - COARSE_LOG2 as usize);
    }
    let index = class - SMALL_CLASSES;
    let log2 = SMALL_LOG2 as usize + index / STEPS;
    (STEPS + index % STEPS + 1) << (log2 - STEPS_LOG2 as usize)
}

/// The size to ask for so that the block is aligned to `align`, a power of two: by I2 the next multiple.
#[inline]
#[must_use]
pub const fn aligned_request(size: usize, align: usize) -> Option<usize> {
    let size = if size == 0 { 1 } else { size };
    match size.checked_add(align - 1) {
        Some(sum) => Some(sum & !(align - 1)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_gets_the_smallest_class_that_holds_it() {
        for size in 0..=MEDIUM_BYTES_MAX {
            let class = class_of(size);
            assert!(class < CLASSES);
            assert!(bytes_of(class) >= size, "{size}");
            assert!(class <= 1 || bytes_of(class - 1) < size, "{size}");
        }
        assert_eq!(class_of(MEDIUM_BYTES_MAX), CLASSES - 1);
    }

    #[test]
    fn block_sizes_grow_and_waste_stays_below_an_eighth() {
        for class in 2..CLASSES {
            let (below, bytes) = (bytes_of(class - 1), bytes_of(class));
            assert!(bytes > below && bytes.is_multiple_of(BLOCK_ALIGN));
            if below >= SMALL_BYTES_MAX {
                let waste = (bytes - below - 1) as f64 / bytes as f64;
                let most = if below >= FINE_BYTES_MAX {
                    0.125
                } else {
                    0.0625
                };
                assert!(waste <= most, "{bytes}: {waste}");
            }
        }
    }

    #[test]
    fn aligned_requests_get_aligned_block_sizes() {
        for log2 in 0..=15 {
            let align = 1 << log2;
            for size in (0..=MEDIUM_BYTES_MAX).step_by(7) {
                let request = aligned_request(size, align).unwrap();
                if request <= MEDIUM_BYTES_MAX {
                    let bytes = bytes_of(class_of(request));
                    assert!(
                        bytes.is_multiple_of(align.max(BLOCK_ALIGN)),
                        "{size} {align}"
                    );
                }
            }
        }
        assert_eq!(aligned_request(usize::MAX, 2), None);
    }
}
