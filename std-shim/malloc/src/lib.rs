//! `libunderpin_malloc.so`: underpin's allocator as the `malloc` of any Linux program.
//!
//! `LD_PRELOAD=libunderpin_malloc.so program`, or `underpin run -- program`.
//!
//! | file | what |
//! |---|---|
//! | `c.rs` | the C functions, with the C library's behaviour in the corners |
//! | `free.rs` | `free`, and C++'s `operator delete` |
//! | `cxx.rs` | C++'s `operator new` |
//! | `heaps.rs` | heaps as values, declared in `include/underpin_malloc.h` |
//! | `introspect.rs` | `mallinfo`, `malloc_stats`, `malloc_info`, `malloc_trim`, `mallopt` |
//! | `profile.rs` | the heap profile and what was not freed, at exit |
//! | `process.rs` | constructor, options, thread exit, fork, messages, addresses that are not ours |
//!
//! # Rules
//! - Nothing runs before the first call: all state is constant at first, and the first call finds it usable.
//! - No exported function calls another, and none calls the C library except where a line says so: `malloc` may be called
//!   by the loader, before the C library is ready, or between a fork and an exec.
//! - `free` leaves `errno` alone: system calls are made without the C library.
#![no_std]
#![cfg(target_os = "linux")]
#![deny(unsafe_code)]

mod c;
mod cxx;
mod free;
mod heaps;
mod introspect;
mod process;
mod profile;

use process::ALLOCATOR;

/// What code without `std` allocates from, if any does.
struct Own;

#[allow(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]
// SAFETY: the allocator's blocks are as large and aligned as asked for.
unsafe impl core::alloc::GlobalAlloc for Own {
    unsafe fn alloc(&self, layout: core::alloc::Layout) -> *mut u8 {
        ALLOCATOR.aligned(layout.align(), layout.size())
    }
    unsafe fn dealloc(&self, block: *mut u8, _: core::alloc::Layout) {
        // SAFETY: the caller's promise.
        unsafe { ALLOCATOR.free(block) };
    }
}

#[global_allocator]
static OWN: Own = Own;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    process::die(format_args!("{}", info.message()))
}
