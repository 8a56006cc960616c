//! The heap over given memory, on the board: random blocks whose contents are checked, then everything merged again.
#![allow(
    unsafe_code,
    reason = "hands a static array out, and frees what it allocated"
)]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use underpin_core::allocator::region::{Region, RegionStats};

const HEAP_BYTES: usize = 128 * 1024;
const LIVE: usize = 200;
const STEPS: u32 = 20_000;

/// RAM for the heap.
struct Memory(UnsafeCell<MaybeUninit<[u8; HEAP_BYTES]>>);
// SAFETY: handed out once, by `check`.
unsafe impl Sync for Memory {}

/// RAM that the start-up code need not clear.
#[unsafe(link_section = ".uninit.heap")]
static MEMORY: Memory = Memory(UnsafeCell::new(MaybeUninit::uninit()));

/// Sizes up to 1 KiB, small ones more often; two thirds of the memory in use on average.
fn size(random: u32) -> usize {
    1 + (random % 1024 * (random >> 10 & 255) / 256) as usize
}

/// Runs the test once; what the heap says of itself, or what is wrong.
pub(crate) fn check() -> Result<RegionStats, &'static str> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::AcqRel) {
        return Err("the memory is taken");
    }
    let mut heap = Region::new();
    // SAFETY: this line runs once, so the reference is the only one; uninitialised bytes are as good as any.
    heap.add(unsafe { &mut *MEMORY.0.get().cast::<[MaybeUninit<u8>; HEAP_BYTES]>() });
    let mut live: [Option<(NonNull<u8>, usize)>; LIVE] = [None; LIVE];
    let mut random = 1_u32;
    for _ in 0..STEPS {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let place = &mut live[(random >> 20) as usize % LIVE];
        if let Some((block, bytes)) = place.take() {
            // SAFETY: a live block of that size, freed once.
            unsafe {
                let first = block.read();
                if first != bytes as u8 || block.add(bytes - 1).read() != bytes as u8 {
                    return Err("a block changed");
                }
                heap.free(block);
            }
        }
        let (bytes, align) = (size(random), 1 << (random % 7));
        let block = heap.allocate(bytes, align).ok_or("no memory")?;
        if !block.addr().get().is_multiple_of(align) {
            return Err("a block is not aligned");
        }
        // SAFETY: a fresh block of that size.
        unsafe {
            block.write(bytes as u8);
            block.add(bytes - 1).write(bytes as u8);
        }
        *place = Some((block, bytes));
    }
    for (block, _) in live.into_iter().flatten() {
        // SAFETY: a live block, freed once.
        unsafe { heap.free(block) };
    }
    let stats = heap.stats();
    if stats.used_bytes != 0 || stats.free_count != 1 || stats.free_bytes_max != stats.total_bytes {
        return Err("not everything came back together");
    }
    Ok(stats)
}
