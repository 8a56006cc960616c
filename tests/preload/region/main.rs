//! Prints the most instructions that a call of the region heap takes, with few and with many blocks: `region-allocate BLOCKS COUNT`.

#[allow(unsafe_code, reason = "traces a child process")]
mod steps;

use std::mem::MaybeUninit;
use std::process::ExitCode;
use std::ptr::NonNull;
use steps::{Subject, most};
use underpin_core::allocator::region::Region;

struct Ours(Region);

impl Subject for Ours {
    #[inline(never)]
    fn allocate(&mut self, size: usize, align: usize) -> Option<NonNull<u8>> {
        self.0.allocate(size, align)
    }

    #[inline(never)]
    unsafe fn free(&mut self, block: NonNull<u8>, _: usize, _: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.0.free(block) };
    }
}

fn main() -> ExitCode {
    for blocks in [16, 256, 4096] {
        let counted = most(blocks, || {
            let memory: &'static mut [MaybeUninit<u8>] = Box::leak(Box::new_uninit_slice(8 << 20));
            let mut region = Region::new();
            region.add(memory);
            Ours(region)
        });
        match counted {
            Ok(most) => println!(
                "region-allocate {blocks} {}\nregion-free {blocks} {}",
                most.allocate, most.free
            ),
            Err(why) => {
                eprintln!("{why}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
