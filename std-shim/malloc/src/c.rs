//! The C functions.
//!
//! | corner | what happens |
//! |---|---|
//! | `malloc(0)`, `calloc(0, n)`, `reallocarray(p, 0, n)` on null | a block of its own, to be freed |
//! | `realloc(p, 0)` | frees `p`, null, as the GNU C library does |
//! | more than `PTRDIFF_MAX`, products that overflow | null, `ENOMEM`; the old block stays |
//! | `posix_memalign` with an alignment that is no power of two or no multiple of a pointer's size | `EINVAL`; `errno` and the pointer as they were |
//! | `aligned_alloc` with an alignment that is no power of two | null, `EINVAL` |
//! | `memalign` with one | rounded up to the next power of two, as the GNU C library does |
//! | `pvalloc` | rounds the size up to pages |
//! | `free` | leaves `errno` alone |
//!
//! Every block is aligned to 16.
#![allow(unsafe_code, reason = "C's functions")]

use crate::process::{ALLOCATOR, NULL, foreign_realloc, set_errno};
use core::ffi::{c_int, c_void};
use underpin_core::allocator::size_class::SMALL_BYTES_MAX;
use underpin_core::platform::Memory as _;
use underpin_linux::Linux;

pub(crate) const ENOMEM: c_int = 12;
const EINVAL: c_int = 22;

/// Null becomes null with `ENOMEM`.
#[inline(always)]
pub(crate) fn or_no_memory(block: *mut u8) -> *mut c_void {
    if block.is_null() {
        return no_memory();
    }
    block.cast()
}

#[cold]
#[inline(never)]
fn no_memory() -> *mut c_void {
    set_errno(ENOMEM);
    NULL
}

#[cold]
pub(crate) fn invalid() -> *mut c_void {
    set_errno(EINVAL);
    NULL
}

/// C's `malloc`.
#[unsafe(no_mangle)]
pub extern "C" fn malloc(size: usize) -> *mut c_void {
    // Small blocks that are at hand leave here; the rest goes where failure is looked at.
    match ALLOCATOR.at_hand(size) {
        Some(block) => block.as_ptr().cast(),
        None if size <= SMALL_BYTES_MAX => malloc_beyond(size),
        None => malloc_medium(size),
    }
}

#[inline(never)]
extern "C" fn malloc_medium(size: usize) -> *mut c_void {
    match ALLOCATOR.medium_at_hand(size) {
        Some(block) => block.as_ptr().cast(),
        None => malloc_beyond(size),
    }
}

#[inline(never)]
extern "C" fn malloc_beyond(size: usize) -> *mut c_void {
    or_no_memory(ALLOCATOR.malloc_beyond(size))
}

/// C's `calloc`.
#[unsafe(no_mangle)]
pub extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    let Some(bytes) = count.checked_mul(size) else {
        return no_memory();
    };
    match ALLOCATOR.zeroed_at_hand(bytes) {
        Some(block) => block.as_ptr().cast(),
        None => calloc_other(bytes),
    }
}

#[inline(never)]
extern "C" fn calloc_other(bytes: usize) -> *mut c_void {
    or_no_memory(ALLOCATOR.zeroed_slow(bytes))
}

/// C's `realloc`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { resize(block, size) }
}

#[inline(always)]
unsafe fn resize(block: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise; a block of another allocator lies outside this one's range.
    unsafe {
        if ALLOCATOR.has_grown(block.cast(), size) {
            return block;
        }
        resize_slow(block, size)
    }
}

#[inline(never)]
unsafe extern "C" fn resize_slow(block: *mut c_void, size: usize) -> *mut c_void {
    if block.is_null() {
        return or_no_memory(ALLOCATOR.malloc(size));
    }
    if !ALLOCATOR.owns(block.cast()) {
        return foreign_realloc(block, size);
    }
    if size == 0 {
        // SAFETY: the caller's promise.
        unsafe { ALLOCATOR.free(block.cast()) };
        return NULL;
    }
    // SAFETY: the caller's promise.
    or_no_memory(unsafe { ALLOCATOR.realloc_slow(block.cast(), size, 1) })
}

/// `realloc` of a product, which may overflow.
///
/// # Safety
/// As for `realloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn reallocarray(
    block: *mut c_void,
    count: usize,
    size: usize,
) -> *mut c_void {
    match count.checked_mul(size) {
        // SAFETY: the caller's promise.
        Some(bytes) => unsafe { resize(block, bytes) },
        None => no_memory(),
    }
}

/// POSIX's.
///
/// # Safety
/// `place` is where a pointer may be stored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_memalign(
    place: *mut *mut c_void,
    align: usize,
    size: usize,
) -> c_int {
    if !align.is_power_of_two() || !align.is_multiple_of(size_of::<*mut c_void>()) {
        return EINVAL;
    }
    let block = ALLOCATOR.aligned(align, size);
    if block.is_null() {
        return ENOMEM;
    }
    // SAFETY: the caller's promise.
    unsafe { place.write(block.cast()) };
    0
}

/// C11's.
#[unsafe(no_mangle)]
pub extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
    if !align.is_power_of_two() {
        return invalid();
    }
    or_no_memory(ALLOCATOR.aligned(align, size))
}

/// The older form.
#[unsafe(no_mangle)]
pub extern "C" fn memalign(align: usize, size: usize) -> *mut c_void {
    match align.checked_next_power_of_two() {
        Some(align) => or_no_memory(ALLOCATOR.aligned(align, size)),
        None => invalid(),
    }
}

fn page_bytes() -> usize {
    Linux.memory_info().page_bytes
}

/// A block that starts a page.
#[unsafe(no_mangle)]
pub extern "C" fn valloc(size: usize) -> *mut c_void {
    or_no_memory(ALLOCATOR.aligned(page_bytes(), size))
}

/// Whole pages.
#[unsafe(no_mangle)]
pub extern "C" fn pvalloc(size: usize) -> *mut c_void {
    match size.max(1).checked_next_multiple_of(page_bytes()) {
        Some(bytes) => or_no_memory(ALLOCATOR.aligned(page_bytes(), bytes)),
        None => no_memory(),
    }
}

/// How many bytes a block holds; all of them may be used.
#[unsafe(no_mangle)]
pub extern "C" fn malloc_usable_size(block: *mut c_void) -> usize {
    ALLOCATOR.usable_size(block.cast())
}
