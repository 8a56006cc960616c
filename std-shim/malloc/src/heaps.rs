//! Heaps as values, for C: declared in `underpin_malloc.h`.
//!
//! One thread at a time uses a heap. Its blocks may be freed by `free` too, on any thread; what `realloc` moves, it moves out of the
//! heap, and what stays in place stays the heap's.
#![allow(unsafe_code, reason = "C's functions")]

use crate::c::{invalid, or_no_memory};
use crate::process::{ALLOCATOR, NULL};
use core::ffi::c_void;
use underpin_core::allocator::Heap;
use underpin_linux::{Linux, LinuxThreadWords};

/// A heap, behind a pointer.
pub type UnderpinHeap = Heap<'static, Linux, LinuxThreadWords>;

/// A heap without blocks; null with `ENOMEM` if there is no memory for it.
#[unsafe(no_mangle)]
pub extern "C" fn underpin_heap_new() -> *mut UnderpinHeap {
    let place: *mut UnderpinHeap = ALLOCATOR.malloc(size_of::<UnderpinHeap>()).cast();
    if let Some(heap) = Heap::new_in(&ALLOCATOR)
        && !place.is_null()
    {
        // SAFETY: a fresh block of that size; alignments up to 16 are every block's.
        unsafe { place.write(heap) };
        return place;
    }
    // SAFETY: null, or allocated above.
    unsafe { ALLOCATOR.free(place.cast()) };
    or_no_memory(core::ptr::null_mut()).cast()
}

/// Frees the heap and every block in it.
///
/// # Safety
/// `heap` is null or a live heap; nothing uses its blocks any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_heap_destroy(heap: *mut UnderpinHeap) {
    if !heap.is_null() {
        // SAFETY: the caller's promise.
        unsafe {
            drop(heap.read());
            ALLOCATOR.free(heap.cast());
        }
    }
}

/// Frees the heap and lets its blocks live: each is freed by `free`.
///
/// # Safety
/// `heap` is null or a live heap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_heap_leave(heap: *mut UnderpinHeap) {
    if !heap.is_null() {
        // SAFETY: the caller's promise.
        unsafe {
            heap.read().leave();
            ALLOCATOR.free(heap.cast());
        }
    }
}

/// As `malloc`, in a heap.
///
/// # Safety
/// `heap` is a live heap that no other thread uses now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_heap_malloc(heap: *mut UnderpinHeap, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    or_no_memory(unsafe { (*heap).allocate(size, 1) })
}

/// As `calloc`, in a heap.
///
/// # Safety
/// As for [`underpin_heap_malloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_heap_calloc(
    heap: *mut UnderpinHeap,
    count: usize,
    size: usize,
) -> *mut c_void {
    let bytes = count.checked_mul(size);
    // SAFETY: the caller's promise.
    or_no_memory(bytes.map_or(core::ptr::null_mut(), |bytes| unsafe {
        (*heap).allocate_zeroed(bytes, 1)
    }))
}

/// As `aligned_alloc`, in a heap; any power of two will do.
///
/// # Safety
/// As for [`underpin_heap_malloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_heap_aligned_alloc(
    heap: *mut UnderpinHeap,
    align: usize,
    size: usize,
) -> *mut c_void {
    if !align.is_power_of_two() {
        return invalid();
    }
    // SAFETY: the caller's promise.
    or_no_memory(unsafe { (*heap).allocate(size, align) })
}

/// As `realloc`, within a heap.
///
/// # Safety
/// As for [`underpin_heap_malloc`]; `block` is null or a live block of the heap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_heap_realloc(
    heap: *mut UnderpinHeap,
    block: *mut c_void,
    size: usize,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe {
        if block.is_null() {
            return underpin_heap_malloc(heap, size);
        }
        if size == 0 {
            (*heap).free(block.cast());
            return NULL;
        }
        or_no_memory((*heap).reallocate(block.cast(), size, 1))
    }
}

/// As `free`, and faster for blocks of this heap.
///
/// # Safety
/// As for [`underpin_heap_malloc`]; `block` is null or a live block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_heap_free(heap: *mut UnderpinHeap, block: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe { (*heap).free(block.cast()) };
}
