//! The heap over given memory against others of its kind, one thread, no lock.

use super::processor_time;
use crate::case::{Case, Sample, Settings, Subject, locked_version};
use crate::random::mix;
use std::alloc::Layout;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::time::Duration;
use underpin_core::allocator::region::Region;

const REGION_BYTES: usize = 1 << 20;
const LIVE: usize = 600;

/// Small sizes are more likely.
fn size(r: u64) -> usize {
    4 + (r as usize % 2048) * ((r >> 20) as usize % 256) / 512
}

fn memory() -> &'static mut [MaybeUninit<u8>] {
    Box::leak(Box::new_uninit_slice(REGION_BYTES))
}

pub(super) fn case(settings: &Settings) -> Case {
    let steps = settings.operations(4_000_000, 400_000);
    let mut ours = Region::new();
    ours.add(memory());
    let mut tlsf: rlsf::Tlsf<'static, u32, u32, 32, 32> = rlsf::Tlsf::new();
    tlsf.insert_free_block(memory());
    let ours = Subject::new("underpin", env!("CARGO_PKG_VERSION"), move |_| {
        run(
            steps,
            &mut ours,
            |heap, layout| heap.allocate(layout.size(), layout.align()),
            // SAFETY: a live block.
            |heap, block, _| unsafe { heap.free(block) },
        )
    });
    let rlsf = Subject::new("rlsf", locked_version("rlsf"), move |_| {
        run(
            steps,
            &mut tlsf,
            |heap, layout| heap.allocate(layout),
            // SAFETY: a live block of that alignment.
            |heap, block, layout| unsafe { heap.deallocate(block, layout.align()) },
        )
    });
    Case {
        name: "region heap".into(),
        terms: format!(
            "a region of 1 MiB, 4 to 1,024 bytes, skewed small, {LIVE} live, replaced at random; {steps} steps, processor time"
        ),
        ours,
        peers: vec![rlsf],
    }
}

fn run<H>(
    steps: u64,
    heap: &mut H,
    allocate: fn(&mut H, Layout) -> Option<NonNull<u8>>,
    free: fn(&mut H, NonNull<u8>, Layout),
) -> Result<Sample, String> {
    let mut blocks: Vec<Option<(NonNull<u8>, Layout)>> = vec![None; LIVE];
    let start = processor_time();
    for step in 0..steps {
        let r = mix(step);
        let place = &mut blocks[(r >> 40) as usize % LIVE];
        if let Some((block, layout)) = place.take() {
            // SAFETY: a live block, of at least 4 bytes.
            if unsafe { block.read() } != layout.size() as u8 {
                return Err("a block was overwritten".into());
            }
            free(heap, block, layout);
        }
        let layout = Layout::from_size_align(size(r), 4).map_err(|e| e.to_string())?;
        let block = allocate(heap, layout).ok_or("the region is full")?;
        // SAFETY: a fresh block.
        unsafe { block.write(layout.size() as u8) };
        *place = Some((block, layout));
    }
    for (block, layout) in blocks.into_iter().flatten() {
        free(heap, block, layout);
    }
    Ok(Sample {
        operations: 2 * steps,
        elapsed: (processor_time() - start).max(Duration::from_nanos(1)),
    })
}
