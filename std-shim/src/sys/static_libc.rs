//! Strong references to the thread functions that `underpin-linux` names weakly.
//!
//! In a statically linked program a weak reference does not pull a function out of the C library's archive, and `std` itself
//! uses only some of these. Dynamic programs need none of this.
#![forbid(unsafe_code)]

use libc::{c_int, c_void, pthread_key_t};

/// The functions that `std` may leave out.
#[used]
static KEYS: (
    unsafe extern "C" fn(pthread_key_t) -> *mut c_void,
    unsafe extern "C" fn(pthread_key_t, *const c_void) -> c_int,
    unsafe extern "C" fn(*mut pthread_key_t, Option<unsafe extern "C" fn(*mut c_void)>) -> c_int,
    unsafe extern "C" fn(pthread_key_t) -> c_int,
) = (
    libc::pthread_getspecific,
    libc::pthread_setspecific,
    libc::pthread_key_create,
    libc::pthread_key_delete,
);

/// The functions that `std::thread` uses as well, for programs that use no `std::thread`.
#[used]
static THREADS: (
    unsafe extern "C" fn(
        *mut libc::pthread_t,
        *const libc::pthread_attr_t,
        extern "C" fn(*mut c_void) -> *mut c_void,
        *mut c_void,
    ) -> c_int,
    unsafe extern "C" fn(libc::pthread_t, *mut *mut c_void) -> c_int,
    unsafe extern "C" fn(libc::pthread_t) -> c_int,
    unsafe extern "C" fn() -> libc::pthread_t,
    unsafe extern "C" fn(*mut libc::pthread_attr_t) -> c_int,
    unsafe extern "C" fn(*mut libc::pthread_attr_t, usize) -> c_int,
    unsafe extern "C" fn(*mut libc::pthread_attr_t) -> c_int,
) = (
    libc::pthread_create,
    libc::pthread_join,
    libc::pthread_detach,
    libc::pthread_self,
    libc::pthread_attr_init,
    libc::pthread_attr_setstacksize,
    libc::pthread_attr_destroy,
);
