//! Hyperscan, where its library is installed (Debian: `libhyperscan5`): loaded by name, so that the bench builds without it.
#![allow(unsafe_code, reason = "a C library's functions, loaded at run time")]

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::ptr::{null, null_mut};

/// Where a match ended is given to this; zero lets the scan go on.
type OnMatch = unsafe extern "C" fn(c_uint, c_ulonglong, c_ulonglong, c_uint, *mut c_void) -> c_int;
type Compile = unsafe extern "C" fn(
    *const *const c_char,
    *const c_uint,
    *const c_uint,
    *const usize,
    c_uint,
    c_uint,
    *const c_void,
    *mut *mut c_void,
    *mut *mut c_void,
) -> c_int;
type AllocScratch = unsafe extern "C" fn(*const c_void, *mut *mut c_void) -> c_int;
type Scan = unsafe extern "C" fn(
    *const c_void,
    *const c_char,
    c_uint,
    c_uint,
    *mut c_void,
    OnMatch,
    *mut c_void,
) -> c_int;
type Version = unsafe extern "C" fn() -> *const c_char;

const MODE_BLOCK: c_uint = 1;

/// A set of literals, compiled. It lives as long as the bench, as the library does.
pub(super) struct Literals {
    database: *mut c_void,
    scratch: *mut c_void,
    scan: Scan,
}

/// The library's function of that name.
fn function(library: *mut c_void, name: &CStr) -> Option<*mut c_void> {
    // SAFETY: a library that was opened and is never closed, and a C string.
    let function = unsafe { libc::dlsym(library, name.as_ptr()) };
    (!function.is_null()).then_some(function)
}

fn library() -> Option<*mut c_void> {
    // SAFETY: a C string; the library's initialisers are its own.
    let library = unsafe { libc::dlopen(c"libhs.so.5".as_ptr(), libc::RTLD_NOW) };
    (!library.is_null()).then_some(library)
}

/// Which release it is, if it is there.
pub(super) fn version() -> Option<String> {
    let version = function(library()?, c"hs_version")?;
    // SAFETY: the function has this type, and gives a C string that is never freed.
    let text = unsafe { CStr::from_ptr(std::mem::transmute::<*mut c_void, Version>(version)()) };
    Some(text.to_string_lossy().split(' ').next()?.to_owned())
}

impl Literals {
    /// None if the library is not there, or refuses the patterns.
    pub(super) fn new(patterns: &[Vec<u8>]) -> Option<Self> {
        let library = library()?;
        let texts: Vec<*const c_char> = patterns.iter().map(|p| p.as_ptr().cast()).collect();
        let lengths: Vec<usize> = patterns.iter().map(Vec::len).collect();
        let ids: Vec<c_uint> = (0..patterns.len() as c_uint).collect();
        let flags = vec![0; patterns.len()];
        let (mut database, mut error, mut scratch) = (null_mut(), null_mut(), null_mut());
        // SAFETY: the functions have these types (hs_compile.h, hs_runtime.h); all arrays have as many entries as there are patterns;
        // what failed is not used.
        unsafe {
            let compile = function(library, c"hs_compile_lit_multi")?;
            let compile = std::mem::transmute::<*mut c_void, Compile>(compile);
            let allocate = function(library, c"hs_alloc_scratch")?;
            let allocate = std::mem::transmute::<*mut c_void, AllocScratch>(allocate);
            let scan = function(library, c"hs_scan")?;
            let scan = std::mem::transmute::<*mut c_void, Scan>(scan);
            let compiled = compile(
                texts.as_ptr(),
                flags.as_ptr(),
                ids.as_ptr(),
                lengths.as_ptr(),
                patterns.len() as c_uint,
                MODE_BLOCK,
                null(),
                &raw mut database,
                &raw mut error,
            );
            if compiled != 0 || allocate(database, &raw mut scratch) != 0 {
                return None;
            }
            Some(Self {
                database,
                scratch,
                scan,
            })
        }
    }

    /// How many matches of all patterns there are, overlapping ones too.
    pub(super) fn count(&self, text: &[u8]) -> u64 {
        unsafe extern "C" fn one_more(
            _: c_uint,
            _: c_ulonglong,
            _: c_ulonglong,
            _: c_uint,
            count: *mut c_void,
        ) -> c_int {
            // SAFETY: the pointer that `hs_scan` was given, to a number that nothing else uses meanwhile.
            unsafe { *count.cast::<u64>() += 1 };
            0
        }
        let mut count = 0u64;
        let len = c_uint::try_from(text.len()).unwrap_or(c_uint::MAX);
        let context = (&raw mut count).cast();
        // SAFETY: `len` readable bytes; database and scratch are of one another.
        let result = unsafe {
            (self.scan)(
                self.database,
                text.as_ptr().cast(),
                len,
                0,
                self.scratch,
                one_more,
                context,
            )
        };
        assert_eq!(result, 0, "hs_scan");
        count
    }
}
