//! Against a plain model: contents, alignment, neighbours and what is left when all is freed.

use super::*;
use alloc::boxed::Box;
use alloc::vec::Vec;

fn region(bytes: usize) -> Region {
    let mut region = Region::new();
    region.add(Box::leak(Box::new_uninit_slice(bytes)));
    region
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

#[test]
fn lists_are_in_order_of_size_and_what_is_above_fits() {
    let mut last = 0;
    for bytes in (UNIT..200_000).step_by(UNIT) {
        let at = place(bytes);
        assert!(at >= last, "{bytes}: {at} after {last}");
        last = at;
        let above = place_above(bytes);
        // The smallest size of that list.
        let smallest = (bytes..)
            .step_by(UNIT)
            .find(|size| place(*size) == above)
            .unwrap();
        assert!(above >= at && (smallest == bytes || place(smallest - UNIT) != above));
    }
    assert!(place(BLOCK_BYTES_MAX) < LISTS);
}

#[test]
fn random_blocks_keep_their_contents_and_merge_to_one() {
    for seed in 0..20 {
        let mut region = region(1 << 18);
        let before = region.stats();
        let mut random = Random(seed);
        let mut live: Vec<(NonNull<u8>, usize, u8)> = Vec::new();
        for step in 0..5_000_usize {
            if random.below(5) < 3 {
                let bound = [16, 100, 1_000, 9_000][random.below(4)];
                let size = random.below(bound);
                let align = 1 << random.below(if step % 7 == 0 { 9 } else { 4 });
                let Some(block) = region.allocate(size, align) else {
                    continue;
                };
                assert!(block.addr().get().is_multiple_of(align));
                // SAFETY: a live block of that size.
                unsafe {
                    assert!(region.usable_size(block) >= size);
                    block.as_ptr().write_bytes(step as u8, size);
                }
                live.push((block, size, step as u8));
            } else if !live.is_empty() {
                let (block, size, fill) = live.swap_remove(random.below(live.len()));
                // SAFETY: a live block of that size.
                unsafe {
                    let bytes = core::slice::from_raw_parts(block.as_ptr(), size);
                    assert!(bytes.iter().all(|byte| *byte == fill));
                    region.free(block);
                }
            }
        }
        for (block, ..) in live {
            // SAFETY: a live block.
            unsafe { region.free(block) };
        }
        let after = region.stats();
        assert_eq!((after.used_bytes, after.free_count), (0, 1));
        assert_eq!(after.free_bytes_max, before.free_bytes_max);
        assert!(after.used_bytes_max > 0);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut region = region(1_000);
    for (size, align) in [
        (1_000, 1),
        (usize::MAX, 1),
        (usize::MAX - 100, 4096),
        (1, 1 << 40),
        (100, 48),
    ] {
        assert_eq!(region.allocate(size, align), None, "{size} {align}");
    }
    assert_eq!(Region::new().allocate(1, 1), None);
    let block = region.allocate(900, 1).unwrap();
    assert_eq!(region.allocate(100, 1), None);
    // SAFETY: a live block.
    unsafe { region.free(block) };
    assert!(region.allocate(900, 1).is_some());
}

#[test]
fn tiny_and_misaligned_memory_is_no_trouble() {
    for bytes in 0..200 {
        let memory: &'static mut [MaybeUninit<u8>] = Box::leak(Box::new_uninit_slice(bytes + 3));
        let mut region = Region::new();
        region.add(&mut memory[3..]);
        while region.allocate(8, 8).is_some() {}
        assert!(region.stats().used_bytes <= bytes);
    }
}
