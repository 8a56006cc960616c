//! The C library's functions, if the process has one: a table of weak symbols.
//!
//! A Rust program with `std`, and every C program, keeps per-thread state in its C library, so its threads must be made there. A
//! program without a C library has none of these symbols, and the linker leaves zeros in the table. `.weakref` makes the
//! reference weak without making other references to the same symbol weak, which matters when link-time optimisation merges them.
//!
//! In a statically linked program a weak reference alone does not pull a function out of the library's archive; the `underpin`
//! crate, which has `std`, therefore names them strongly as well.
#![allow(unsafe_code, reason = "foreign functions behind addresses")]

use core::ffi::{c_int, c_ulong, c_void};

/// `pthread_t`: a number in glibc, a pointer in musl, a word in both.
pub(crate) type PthreadId = usize;

/// Room for a `pthread_attr_t`: 56 bytes on most targets, 64 on arm64.
#[repr(C, align(16))]
pub(crate) struct Attributes([u8; 128]);

impl Attributes {
    pub(crate) const fn zeroed() -> Self {
        Self([0; 128])
    }
}

type Entry = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
type Destructor = unsafe extern "C" fn(*mut u8);

macro_rules! table {
    ($($name:ident: $type:ty,)*) => {
        /// Addresses of the C library's functions, in the order of the assembly below; `None` is a null pointer.
        #[repr(C)]
        struct Raw { $($name: Option<$type>,)* }

        core::arch::global_asm!(
            $(concat!(".weakref __underpin_weak_", stringify!($name), ", ", stringify!($name)),)*
            ".pushsection .data.rel.ro.__underpin_pthread,\"aw\",%progbits",
            ".balign 16",
            ".hidden __underpin_pthread",
            ".globl __underpin_pthread",
            "__underpin_pthread:",
            $(concat!(word!(), " __underpin_weak_", stringify!($name)),)*
            ".popsection",
        );
    };
}

#[cfg(target_pointer_width = "64")]
macro_rules! word {
    () => {
        ".8byte"
    };
}
#[cfg(target_pointer_width = "32")]
macro_rules! word {
    () => {
        ".4byte"
    };
}

table! {
    pthread_create: unsafe extern "C" fn(*mut PthreadId, *const Attributes, Entry, *mut c_void) -> c_int,
    pthread_join: unsafe extern "C" fn(PthreadId, *mut *mut c_void) -> c_int,
    pthread_detach: unsafe extern "C" fn(PthreadId) -> c_int,
    pthread_self: unsafe extern "C" fn() -> PthreadId,
    pthread_attr_init: unsafe extern "C" fn(*mut Attributes) -> c_int,
    pthread_attr_setstacksize: unsafe extern "C" fn(*mut Attributes, usize) -> c_int,
    pthread_attr_destroy: unsafe extern "C" fn(*mut Attributes) -> c_int,
    pthread_key_create: unsafe extern "C" fn(*mut u32, Option<Destructor>) -> c_int,
    pthread_key_delete: unsafe extern "C" fn(u32) -> c_int,
    pthread_getspecific: unsafe extern "C" fn(u32) -> *mut u8,
    pthread_setspecific: unsafe extern "C" fn(u32, *const u8) -> c_int,
    getauxval: unsafe extern "C" fn(c_ulong) -> c_ulong,
}

unsafe extern "C" {
    #[link_name = "__underpin_pthread"]
    static RAW: Raw;
}

/// What makes, joins and detaches threads.
#[derive(Clone, Copy)]
pub(crate) struct ThreadCalls {
    pub(crate) create:
        unsafe extern "C" fn(*mut PthreadId, *const Attributes, Entry, *mut c_void) -> c_int,
    pub(crate) join: unsafe extern "C" fn(PthreadId, *mut *mut c_void) -> c_int,
    pub(crate) detach: unsafe extern "C" fn(PthreadId) -> c_int,
    pub(crate) current: unsafe extern "C" fn() -> PthreadId,
    pub(crate) attributes_init: unsafe extern "C" fn(*mut Attributes) -> c_int,
    pub(crate) attributes_set_stack_size: unsafe extern "C" fn(*mut Attributes, usize) -> c_int,
    pub(crate) attributes_destroy: unsafe extern "C" fn(*mut Attributes) -> c_int,
}

/// What makes, sets and deletes a pointer per thread; [`key_get`] reads it.
#[derive(Clone, Copy)]
pub(crate) struct KeyCalls {
    pub(crate) create: unsafe extern "C" fn(*mut u32, Option<Destructor>) -> c_int,
    pub(crate) delete: unsafe extern "C" fn(u32) -> c_int,
    pub(crate) set: unsafe extern "C" fn(u32, *const u8) -> c_int,
}

#[inline]
fn raw() -> &'static Raw {
    // SAFETY: the assembly above defines the table, a word per field; a word is null or the address of the function of that
    // name, whose C declaration is the field's type. The loader fills it in before any code runs and nothing writes it later.
    unsafe { &RAW }
}

/// Whether the threads of this process belong to a C library: one that a statically linked program has only parts of, too.
#[inline]
pub(crate) fn owns_threads() -> bool {
    let raw = raw();
    raw.pthread_create.is_some() || raw.pthread_self.is_some() || raw.pthread_getspecific.is_some()
}

/// The functions for threads, if all are there.
pub(crate) fn thread_calls() -> Option<ThreadCalls> {
    let raw = raw();
    Some(ThreadCalls {
        create: raw.pthread_create?,
        join: raw.pthread_join?,
        detach: raw.pthread_detach?,
        current: raw.pthread_self?,
        attributes_init: raw.pthread_attr_init?,
        attributes_set_stack_size: raw.pthread_attr_setstacksize?,
        attributes_destroy: raw.pthread_attr_destroy?,
    })
}

/// The function that reads a slot, on its own because it is on hot paths.
#[inline]
pub(crate) fn key_get() -> Option<unsafe extern "C" fn(u32) -> *mut u8> {
    raw().pthread_getspecific
}

/// An entry of the auxiliary vector, as the C library kept it; 0 if the entry, or the library, is not there.
pub(crate) fn auxiliary_value(kind: c_ulong) -> c_ulong {
    // SAFETY: the function takes any number.
    raw().getauxval.map_or(0, |get| unsafe { get(kind) })
}

/// The functions for slots, if all are there.
pub(crate) fn key_calls() -> Option<KeyCalls> {
    let raw = raw();
    raw.pthread_getspecific?;
    Some(KeyCalls {
        create: raw.pthread_key_create?,
        delete: raw.pthread_key_delete?,
        set: raw.pthread_setspecific?,
    })
}
