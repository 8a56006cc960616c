//! What the C library says about its allocator, said about this one.
//!
//! `mallinfo2`: `arena` is what is committed to slabs, large blocks and free runs; `hblks` and `hblkhd` are large blocks; `uordblks` is what is out,
//! `fordblks` what is free of `arena`, `keepcost` what `malloc_trim` would return. The other fields describe lists that do not exist here.
#![allow(unsafe_code, reason = "C functions")]

use crate::process::{ALLOCATOR, weak};
use core::ffi::{c_char, c_int, c_void};
use core::fmt::{self, Write as _};

/// `struct mallinfo2`.
#[repr(C)]
pub struct Mallinfo2 {
    arena: usize,
    ordblks: usize,
    smblks: usize,
    hblks: usize,
    hblkhd: usize,
    usmblks: usize,
    fsmblks: usize,
    uordblks: usize,
    fordblks: usize,
    keepcost: usize,
}

/// `struct mallinfo`: the same in 32 bits, which larger values leave.
#[repr(C)]
pub struct Mallinfo([c_int; 10]);

/// glibc's.
#[unsafe(no_mangle)]
pub extern "C" fn mallinfo2() -> Mallinfo2 {
    let stats = ALLOCATOR.stats();
    let arena = stats.in_use_bytes + stats.dirty_bytes;
    let used = stats.used_bytes();
    Mallinfo2 {
        arena,
        ordblks: 0,
        smblks: 0,
        hblks: stats.large_count,
        hblkhd: stats.large_bytes,
        usmblks: 0,
        fsmblks: 0,
        uordblks: used,
        fordblks: arena.saturating_sub(used),
        keepcost: stats.dirty_bytes,
    }
}

/// The older form.
#[unsafe(no_mangle)]
pub extern "C" fn mallinfo() -> Mallinfo {
    let wide = mallinfo2();
    let fields = [
        wide.arena,
        wide.ordblks,
        wide.smblks,
        wide.hblks,
        wide.hblkhd,
        wide.usmblks,
        wide.fsmblks,
        wide.uordblks,
        wide.fordblks,
        wide.keepcost,
    ];
    Mallinfo(fields.map(|field| field as c_int))
}

/// Returns what is free to the system; 1 if that was anything.
#[unsafe(no_mangle)]
pub extern "C" fn malloc_trim(_keep: usize) -> c_int {
    c_int::from(ALLOCATOR.trim() > 0)
}

/// The GNU parameters are accepted, since programs check, and have no counterpart here: 1 for one that exists, else 0.
#[unsafe(no_mangle)]
pub extern "C" fn mallopt(parameter: c_int, _value: c_int) -> c_int {
    c_int::from((-8..=-1).contains(&parameter) || parameter == 1)
}

/// Statistics on standard error.
#[unsafe(no_mangle)]
pub extern "C" fn malloc_stats() {
    print_stats();
}

pub(crate) struct Stderr;

impl fmt::Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        underpin_linux::write_stderr(text);
        Ok(())
    }
}

pub(crate) fn print_stats() {
    let _ = write!(Stderr, "underpin malloc\n{}", ALLOCATOR.stats());
}

/// Collects text for the C library's `fputs`, which wants a zero at the end.
struct Lines {
    stream: *mut c_void,
    bytes: [u8; 256],
    length: usize,
}

impl Lines {
    fn flush(&mut self) {
        self.bytes[self.length] = 0;
        self.length = 0;
        if let Some(fputs) = weak().fputs {
            // SAFETY: the text ends with zero; the stream is the caller's.
            unsafe { fputs(self.bytes.as_ptr().cast::<c_char>(), self.stream) };
        }
    }
}

impl fmt::Write for Lines {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.length == self.bytes.len() - 1 {
                self.flush();
            }
            self.bytes[self.length] = byte;
            self.length += 1;
        }
        Ok(())
    }
}

/// Statistics as XML on a stream of the C library's.
///
/// # Safety
/// `stream` is an open `FILE *`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc_info(options: c_int, stream: *mut c_void) -> c_int {
    if options != 0 {
        return 22;
    }
    let stats = ALLOCATOR.stats();
    let mut out = Lines {
        stream,
        bytes: [0; 256],
        length: 0,
    };
    let _ = writeln!(out, "<malloc version=\"underpin-1\">\n<sizes>");
    for class in stats.classes.iter().filter(|class| class.slab_count > 0) {
        let _ = writeln!(
            out,
            "<size bytes=\"{}\" slabs=\"{}\" used=\"{}\"/>",
            class.block_bytes, class.slab_count, class.used_count
        );
    }
    let _ = writeln!(
        out,
        "</sizes>\n<total type=\"large\" count=\"{}\" size=\"{}\"/>\n<system type=\"current\" size=\"{}\"/>\n\
         <system type=\"free\" size=\"{}\"/>\n<aspace type=\"total\" size=\"{}\"/>\n</malloc>",
        stats.large_count,
        stats.large_bytes,
        stats.in_use_bytes,
        stats.dirty_bytes,
        stats.reserved_bytes
    );
    out.flush();
    0
}
