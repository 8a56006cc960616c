//! `free` and everything that is the same function: `cfree`, `free_sized`, C++'s `operator delete`.
//!
//! The path is `Allocator::free`'s, in assembly where there is some: a compiler does not fold loads of atomics into other
//! instructions, which makes six more. Where it leaves, it jumps to what `Allocator::free` calls.
#![allow(unsafe_code, reason = "C's and C++'s functions")]

use crate::process::ALLOCATOR;
use core::ffi::c_void;
use underpin_core::allocator::layout;

type Instance =
    underpin_core::allocator::Allocator<underpin_linux::Linux, underpin_linux::LinuxThreadWords>;

unsafe extern "C" fn elsewhere(block: *mut u8) {
    // SAFETY: `free`'s caller's promise.
    unsafe { ALLOCATOR.free_elsewhere(block) };
}

#[cold]
unsafe extern "C" fn again(block: *mut u8) {
    // SAFETY: `free`'s caller's promise; the key matched.
    unsafe { ALLOCATOR.free_again(block) };
}

#[cold]
unsafe extern "C" fn counted_down(line: *const u8) {
    // SAFETY: the key matched.
    unsafe { ALLOCATOR.free_counted_down(line) };
}

#[cfg(target_arch = "x86_64")]
macro_rules! free {
    ($($(#[$doc:meta])* $name:ident($($argument:ty),*);)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// As in C: null, or a live block of this allocator.
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(block: *mut c_void $(, _: $argument)*) {
            core::arch::naked_asm!(
                "mov rcx, rdi",
                "mov rax, qword ptr fs:[0]",
                "shr rcx, {shift}",
                "xor rax, rdi",
                "and rcx, qword ptr [rip + {allocator} + {mask}]",
                "add rcx, qword ptr [rip + {allocator} + {table}]",
                "xor rax, qword ptr [rcx + {key}]",
                // That of a thread close by?
                "cmp ax, di",
                "jne {elsewhere}",
                // Somebody else's, or no place where a block starts, or none of ours?
                "imul rax, qword ptr [rcx + {factor}]",
                "cmp rax, qword ptr [rcx + {bound}]",
                "jae {elsewhere}",
                // Free already?
                "cmp qword ptr [rdi + 8], rcx",
                "je {again}",
                "mov rdx, qword ptr [rcx + {local}]",
                "mov qword ptr [rdi], rdx",
                "mov qword ptr [rdi + 8], rcx",
                "mov qword ptr [rcx + {local}], rdi",
                "dec dword ptr [rcx + {left}]",
                "je 2f",
                "ret",
                "2:",
                "mov rdi, rcx",
                "jmp {counted_down}",
                shift = const layout::ADDRESS_SHIFT,
                allocator = sym ALLOCATOR,
                mask = const Instance::MASK_OFFSET,
                table = const Instance::TABLE_OFFSET,
                key = const layout::KEY,
                local = const layout::LOCAL,
                left = const layout::LEFT,
                factor = const layout::FACTOR,
                bound = const layout::BOUND,
                elsewhere = sym elsewhere,
                again = sym again,
                counted_down = sym counted_down,
            )
        }
    )*};
}

#[cfg(not(target_arch = "x86_64"))]
macro_rules! free {
    ($($(#[$doc:meta])* $name:ident($($argument:ty),*);)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// As in C: null, or a live block of this allocator.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(block: *mut c_void $(, _: $argument)*) {
            // SAFETY: the caller's promise.
            unsafe { ALLOCATOR.free(block.cast()) };
        }
    )*};
}

/// C++'s nothrow argument, which says nothing.
type Nothrow = *const c_void;

free! {
    /// C's `free`.
    free();
    /// Old BSD's.
    cfree();
    /// C23's, with the size.
    free_sized(usize);
    /// C23's, with alignment and size.
    free_aligned_sized(usize, usize);
    /// `operator delete`.
    _ZdlPv();
    /// `operator delete[]`.
    _ZdaPv();
    /// `operator delete`, sized.
    _ZdlPvm(usize);
    /// `operator delete[]`, sized.
    _ZdaPvm(usize);
    /// `operator delete`, nothrow.
    _ZdlPvRKSt9nothrow_t(Nothrow);
    /// `operator delete[]`, nothrow.
    _ZdaPvRKSt9nothrow_t(Nothrow);
    /// `operator delete`, aligned.
    _ZdlPvSt11align_val_t(usize);
    /// `operator delete[]`, aligned.
    _ZdaPvSt11align_val_t(usize);
    /// `operator delete`, sized and aligned.
    _ZdlPvmSt11align_val_t(usize, usize);
    /// `operator delete[]`, sized and aligned.
    _ZdaPvmSt11align_val_t(usize, usize);
    /// `operator delete`, aligned, nothrow.
    _ZdlPvSt11align_val_tRKSt9nothrow_t(usize, Nothrow);
    /// `operator delete[]`, aligned, nothrow.
    _ZdaPvSt11align_val_tRKSt9nothrow_t(usize, Nothrow);
}
