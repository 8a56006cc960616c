//! The heap over given memory against others of its kind, one thread, no lock.

use super::processor_time;
use super::steps::{self, Most};
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

fn memory(bytes: usize) -> &'static mut [MaybeUninit<u8>] {
    Box::leak(Box::new_uninit_slice(bytes))
}

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    vec![
        churn(settings),
        worst("allocation", |most| most.allocate),
        worst("free", |most| most.free),
    ]
}

fn churn(settings: &Settings) -> Case {
    let steps = settings.operations(4_000_000, 400_000);
    fn subject<S: steps::Subject + 'static>(
        name: &'static str,
        version: String,
        mut heap: S,
        steps: u64,
    ) -> Subject {
        Subject::new(name, version, move |_| run(steps, &mut heap))
    }
    Case {
        name: "region heap".into(),
        terms: format!(
            "a region of 1 MiB, 4 to 1,024 bytes, skewed small, {LIVE} live, replaced at random; {steps} steps, processor time"
        ),
        ours: subject(
            "underpin",
            env!("CARGO_PKG_VERSION").into(),
            Ours::new(REGION_BYTES),
            steps,
        ),
        peers: vec![
            subject(
                "rlsf",
                locked_version("rlsf"),
                Rlsf::new(REGION_BYTES),
                steps,
            ),
            subject(
                "talc",
                locked_version("talc"),
                Talc::new(REGION_BYTES),
                steps,
            ),
        ],
    }
}

/// The most instructions of one call, as if each took a nanosecond.
fn worst(what: &'static str, part: fn(Most) -> u32) -> Case {
    const BYTES: usize = 16 << 20;
    let subject = |name, version: String, count: fn(usize) -> Result<Most, String>| {
        // The same at every run.
        let mut known = None;
        Subject::new(name, version, move |_| {
            let most = match known {
                Some(most) => most,
                None => part(count(16)?).max(part(count(4096)?)),
            };
            known = Some(most);
            Ok(Sample {
                operations: 1,
                elapsed: Duration::from_nanos(most.into()),
            })
        })
    };
    Case {
        name: format!("region heap, worst {what}"),
        terms: "1 G/s over the most instructions of one call, with 16 and with 4,096 free blocks, all neighbourhoods, sizes to 10 KiB".into(),
        ours: subject("underpin", env!("CARGO_PKG_VERSION").into(), |blocks| {
            steps::most(blocks, || Ours::new(BYTES))
        }),
        peers: vec![
            subject("rlsf", locked_version("rlsf"), |blocks| {
                steps::most(blocks, || Rlsf::new(BYTES))
            }),
            subject("talc", locked_version("talc"), |blocks| {
                steps::most(blocks, || Talc::new(BYTES))
            }),
        ],
    }
}

struct Ours(Region);

impl Ours {
    fn new(bytes: usize) -> Self {
        let mut region = Region::new();
        region.add(memory(bytes));
        Self(region)
    }
}

impl steps::Subject for Ours {
    fn allocate(&mut self, size: usize, align: usize) -> Option<NonNull<u8>> {
        self.0.allocate(size, align)
    }
    unsafe fn free(&mut self, block: NonNull<u8>, _: usize, _: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.0.free(block) };
    }
}

struct Rlsf(rlsf::Tlsf<'static, u32, u32, 32, 32>);

impl Rlsf {
    fn new(bytes: usize) -> Self {
        let mut tlsf = rlsf::Tlsf::new();
        tlsf.insert_free_block(memory(bytes));
        Self(tlsf)
    }
}

impl steps::Subject for Rlsf {
    fn allocate(&mut self, size: usize, align: usize) -> Option<NonNull<u8>> {
        self.0.allocate(Layout::from_size_align(size, align).ok()?)
    }
    unsafe fn free(&mut self, block: NonNull<u8>, _: usize, align: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.0.deallocate(block, align) };
    }
}

struct Talc(talc::base::Talc<talc::source::Manual, talc::DefaultBinning>);

impl Talc {
    fn new(bytes: usize) -> Self {
        let mut talc = talc::base::Talc::new(talc::source::Manual);
        let memory = memory(bytes);
        // SAFETY: memory that is this heap's for ever.
        let claimed = unsafe { talc.claim(memory.as_mut_ptr().cast(), memory.len()) };
        assert!(claimed.is_some(), "talc takes its memory");
        Self(talc)
    }
}

impl steps::Subject for Talc {
    fn allocate(&mut self, size: usize, align: usize) -> Option<NonNull<u8>> {
        let layout = Layout::from_size_align(size, align).ok()?;
        // SAFETY: sizes here are not zero.
        unsafe { self.0.try_allocate(layout) }
    }
    unsafe fn free(&mut self, block: NonNull<u8>, size: usize, align: usize) {
        if let Ok(layout) = Layout::from_size_align(size, align) {
            // SAFETY: the caller's promise.
            unsafe { self.0.deallocate(block.as_ptr(), layout) };
        }
    }
}

/// One round of the churn.
fn run<S: steps::Subject>(steps: u64, heap: &mut S) -> Result<Sample, String> {
    let mut blocks: Vec<Option<(NonNull<u8>, usize)>> = vec![None; LIVE];
    let start = processor_time();
    for step in 0..steps {
        let r = mix(step);
        let place = &mut blocks[(r >> 40) as usize % LIVE];
        if let Some((block, bytes)) = place.take() {
            // SAFETY: a live block, of at least 4 bytes.
            unsafe {
                if block.read() != bytes as u8 {
                    return Err("a block was overwritten".into());
                }
                heap.free(block, bytes, 4);
            }
        }
        let bytes = size(r);
        let block = heap.allocate(bytes, 4).ok_or("the region is full")?;
        // SAFETY: a fresh block.
        unsafe { block.write(bytes as u8) };
        *place = Some((block, bytes));
    }
    for (block, bytes) in blocks.into_iter().flatten() {
        // SAFETY: a live block.
        unsafe { heap.free(block, bytes, 4) };
    }
    Ok(Sample {
        operations: 2 * steps,
        elapsed: (processor_time() - start).max(Duration::from_nanos(1)),
    })
}
