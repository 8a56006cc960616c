//! C++: `operator new` in its replaceable forms (`operator delete` is `free.rs`'s).
//!
//! | form | without memory |
//! |---|---|
//! | plain, array, aligned | calls the program's new-handler and tries again; without one, throws `std::bad_alloc` |
//! | the same with `std::nothrow` | null |
//!
//! Exceptions must not pass through Rust frames, so the part that calls the handler and throws is assembly with unwind tables. The
//! C++ library's functions are found through weak references: where there is none, there is nobody to catch either, and the
//! process ends with a message.
#![allow(unsafe_code, reason = "C++'s functions")]

use crate::process::{ALLOCATOR, die};
use core::ffi::c_void;

/// The nothrow argument, which says nothing.
type Nothrow = *const c_void;

unsafe extern "C" {
    /// Tries, calls the new-handler, tries again; throws when there is no handler.
    fn underpin_new_or_throw(size: usize, align: usize) -> *mut c_void;
}

/// One try, for the assembly.
#[unsafe(no_mangle)]
extern "C" fn underpin_new_try(size: usize, align: usize) -> *mut c_void {
    ALLOCATOR.aligned(align, size).cast()
}

/// For the assembly: no C++ library is there.
#[unsafe(no_mangle)]
extern "C" fn underpin_new_failed(size: usize) -> ! {
    die(format_args!("operator new: no memory for {size} bytes"))
}

#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".hidden underpin_new_try",
    ".hidden underpin_new_failed",
    ".weak _ZSt15get_new_handlerv",
    ".weak _ZSt17__throw_bad_allocv",
    ".pushsection .text.underpin_new_or_throw,\"ax\",@progbits",
    ".hidden underpin_new_or_throw",
    ".globl underpin_new_or_throw",
    ".type underpin_new_or_throw,@function",
    "underpin_new_or_throw:",
    ".cfi_startproc",
    "push rbx",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_rel_offset rbx, 0",
    "push r12",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_rel_offset r12, 0",
    "sub rsp, 8",
    ".cfi_adjust_cfa_offset 8",
    "mov rbx, rdi",
    "mov r12, rsi",
    "2:",
    "mov rdi, rbx",
    "mov rsi, r12",
    "call underpin_new_try",
    "test rax, rax",
    "jne 3f",
    "mov rax, qword ptr [rip + _ZSt15get_new_handlerv@GOTPCREL]",
    "test rax, rax",
    "je 4f",
    "call rax",
    "test rax, rax",
    "je 5f",
    "call rax",
    "jmp 2b",
    "3:",
    "add rsp, 8",
    ".cfi_remember_state",
    ".cfi_adjust_cfa_offset -8",
    "pop r12",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_restore r12",
    "pop rbx",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_restore rbx",
    "ret",
    ".cfi_restore_state",
    "5:",
    "mov rax, qword ptr [rip + _ZSt17__throw_bad_allocv@GOTPCREL]",
    "test rax, rax",
    "je 4f",
    "call rax",
    "4:",
    "mov rdi, rbx",
    "call underpin_new_failed",
    "ud2",
    ".cfi_endproc",
    ".size underpin_new_or_throw, .-underpin_new_or_throw",
    ".popsection",
);

/// Elsewhere there is no such assembly yet: failure ends the process.
#[cfg(not(target_arch = "x86_64"))]
#[unsafe(no_mangle)]
extern "C" fn underpin_new_or_throw(size: usize, align: usize) -> *mut c_void {
    let block = underpin_new_try(size, align);
    if block.is_null() {
        underpin_new_failed(size);
    }
    block
}

macro_rules! new {
    ($($name:ident)*) => {$(
        /// `operator new`.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(size: usize) -> *mut c_void {
            match ALLOCATOR.at_hand(size) {
                Some(block) => block.as_ptr().cast(),
                // SAFETY: takes any size.
                None => unsafe { underpin_new_or_throw(size, 1) },
            }
        }
    )*};
}

macro_rules! new_aligned {
    ($($name:ident)*) => {$(
        /// Aligned `operator new`.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(size: usize, align: usize) -> *mut c_void {
            // SAFETY: takes any size and alignment.
            unsafe { underpin_new_or_throw(size, align) }
        }
    )*};
}

macro_rules! new_nothrow {
    ($($name:ident)*) => {$(
        /// `operator new` that returns null.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(size: usize, _: Nothrow) -> *mut c_void {
            ALLOCATOR.malloc(size).cast()
        }
    )*};
}

macro_rules! new_aligned_nothrow {
    ($($name:ident)*) => {$(
        /// Aligned `operator new` that returns null.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(size: usize, align: usize, _: Nothrow) -> *mut c_void {
            ALLOCATOR.aligned(align, size).cast()
        }
    )*};
}

new! { _Znwm _Znam }
new_nothrow! { _ZnwmRKSt9nothrow_t _ZnamRKSt9nothrow_t }
new_aligned! { _ZnwmSt11align_val_t _ZnamSt11align_val_t }
new_aligned_nothrow! { _ZnwmSt11align_val_tRKSt9nothrow_t _ZnamSt11align_val_tRKSt9nothrow_t }
