//! The heap profile, and what was not freed, when the process ends or when it is asked for.
//!
//! | variable | what |
//! |---|---|
//! | `UNDERPIN_PROFILE=FILE` | writes the live blocks' profile to `FILE.PID` at exit, as `pprof` reads it |
//! | `UNDERPIN_LEAKS=1` | takes every block, and says on standard error at exit which calls made those that live still |
//! | `UNDERPIN_PROFILE_INTERVAL` | bytes between samples (524,288 with the first, 1 with the second) |
//!
//! Files are written by the C library's functions, which do not allocate. Stacks come from its `backtrace`; without that, samples
//! have none.
#![allow(unsafe_code, reason = "C functions")]

use crate::introspect::Stderr;
use crate::process::{ALLOCATOR, errno, weak};
use core::ffi::{CStr, c_char, c_int, c_void};
use core::fmt::{self, Write as _};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use underpin_core::allocator::{Options, Sample};

const INTERVAL_BYTES: usize = 512 << 10;
/// Stacks of a report on leaks.
const GROUPS_MAX: usize = 50;
const PATH_BYTES_MAX: usize = 1024;

/// Bytes of the path in [`PATH`]; 0 for none.
static PATH_BYTES: AtomicUsize = AtomicUsize::new(0);
static mut PATH: [u8; PATH_BYTES_MAX] = [0; PATH_BYTES_MAX];
static LEAKS: AtomicBool = AtomicBool::new(false);

/// What `dladdr` says.
#[repr(C)]
pub(crate) struct DlInfo {
    file: *const c_char,
    base: *mut c_void,
    name: *const c_char,
    address: *mut c_void,
}

/// Reads this file's variables. In the constructor, once.
pub(crate) fn configure<'a>(options: &mut Options, value: impl Fn(&str) -> Option<&'a str>) {
    let path = value("UNDERPIN_PROFILE").filter(|path| !path.is_empty());
    let leaks = value("UNDERPIN_LEAKS").is_some_and(|text| text != "0");
    if let Some(path) = path.filter(|path| path.len() < PATH_BYTES_MAX - 16) {
        // SAFETY: nobody reads the path before its length is there.
        unsafe {
            (&raw mut PATH)
                .cast::<u8>()
                .copy_from_nonoverlapping(path.as_ptr(), path.len());
        }
        PATH_BYTES.store(path.len(), Relaxed);
    }
    if options.profile_interval_bytes == 0 && (leaks || path.is_some()) {
        options.profile_interval_bytes = if leaks { 1 } else { INTERVAL_BYTES };
    }
    let every = options.profile_interval_bytes == 1 && !options.secure;
    if leaks && !every {
        let _ = Stderr.write_str(
            "underpin malloc: no report on leaks: UNDERPIN_SECURE, or an interval above 1, leaves blocks out of the profile\n",
        );
    }
    LEAKS.store(leaks && every, Relaxed);
    if options.profile_interval_bytes != 0 {
        // The first call loads a library: now rather than within an allocation.
        backtrace(&mut [0; 4]);
    }
}

/// The calling stack.
pub(crate) fn backtrace(frames: &mut [usize]) -> usize {
    let Some(walk) = weak().backtrace else {
        return 0;
    };
    // SAFETY: the C library's function, which fills as many words as it is told.
    let count = unsafe { walk(frames.as_mut_ptr().cast(), frames.len() as c_int) };
    usize::try_from(count).unwrap_or(0)
}

/// At the end of the process.
pub(crate) fn at_exit() {
    let bytes = PATH_BYTES.load(Relaxed);
    if bytes > 0 {
        let mut path = Text::new();
        // SAFETY: written once, before its length.
        let given = unsafe { core::slice::from_raw_parts((&raw const PATH).cast::<u8>(), bytes) };
        // SAFETY: takes nothing.
        let process = weak().getpid.map_or(0, |getpid| unsafe { getpid() });
        if let Ok(given) = core::str::from_utf8(given)
            && write!(path, "{given}.{process}").is_ok()
            && !write_to(path.as_c())
        {
            let _ = writeln!(Stderr, "underpin malloc: cannot write {}", path.as_str());
        }
    }
    if LEAKS.load(Relaxed) {
        let _ = report_leaks();
    }
}

/// Writes the profile of the live blocks to a file; 0, or -1 if that fails or no profile is taken.
///
/// # Safety
/// `path` is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_malloc_profile(path: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    if ALLOCATOR.profiles() && write_to(unsafe { CStr::from_ptr(path) }) {
        0
    } else {
        -1
    }
}

const O_WRONLY_CREAT_TRUNC_CLOEXEC: c_int = 0o1 | 0o100 | 0o1000 | 0o2_000_000;
const EINTR: c_int = 4;
const O_CLOEXEC: c_int = 0o2_000_000;

fn write_to(path: &CStr) -> bool {
    let Some(mut out) = Out::open(path) else {
        return false;
    };
    let whole = ALLOCATOR.write_profile(&mut out).is_ok()
        && out.write_str("\nMAPPED_LIBRARIES:\n").is_ok()
        && out.copy(c"/proc/self/maps").is_some();
    out.flush().is_ok() && whole
}

/// A file that is written in pieces.
struct Out {
    file: c_int,
    bytes: [u8; 4096],
    length: usize,
}

impl Out {
    fn open(path: &CStr) -> Option<Self> {
        // SAFETY: a path, and flags that ask for a mode.
        let file = unsafe { weak().open?(path.as_ptr(), O_WRONLY_CREAT_TRUNC_CLOEXEC, 0o644) };
        (file >= 0).then_some(Self {
            file,
            bytes: [0; 4096],
            length: 0,
        })
    }

    fn flush(&mut self) -> fmt::Result {
        let write = weak().write.ok_or(fmt::Error)?;
        let mut from = 0;
        while from < self.length {
            let rest = &self.bytes[from..self.length];
            // SAFETY: an open file and bytes that are there.
            let count = unsafe { write(self.file, rest.as_ptr().cast(), rest.len()) };
            if count < 0 && errno() == EINTR {
                continue;
            }
            from += usize::try_from(count)
                .ok()
                .filter(|count| *count > 0)
                .ok_or(fmt::Error)?;
        }
        self.length = 0;
        Ok(())
    }

    /// Appends another file.
    fn copy(&mut self, path: &CStr) -> Option<()> {
        let (open, read, close) = (weak().open?, weak().read?, weak().close?);
        self.flush().ok()?;
        // SAFETY: a path, and a file that was opened; reads no more than there is room for.
        unsafe {
            let file = open(path.as_ptr(), O_CLOEXEC);
            if file < 0 {
                return None;
            }
            let whole = loop {
                let count = read(file, self.bytes.as_mut_ptr().cast(), self.bytes.len());
                match usize::try_from(count) {
                    Ok(0) => break Some(()),
                    Ok(count) => self.length = count,
                    Err(_) if errno() == EINTR => continue,
                    Err(_) => break None,
                }
                if self.flush().is_err() {
                    break None;
                }
            };
            close(file);
            whole
        }
    }
}

impl fmt::Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.as_bytes().chunks(self.bytes.len()) {
            if self.length + piece.len() > self.bytes.len() {
                self.flush()?;
            }
            self.bytes[self.length..self.length + piece.len()].copy_from_slice(piece);
            self.length += piece.len();
        }
        Ok(())
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        if let Some(close) = weak().close {
            // SAFETY: opened by `open`, closed once.
            unsafe { close(self.file) };
        }
    }
}

/// A short text that ends with zero.
struct Text {
    bytes: [u8; PATH_BYTES_MAX],
    length: usize,
}

impl Text {
    fn new() -> Self {
        Self {
            bytes: [0; PATH_BYTES_MAX],
            length: 0,
        }
    }
    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }
    fn as_c(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        // One byte stays zero.
        let room = self.bytes[..PATH_BYTES_MAX - 1].get_mut(self.length..end);
        room.ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Says which calls made the blocks that live still, those with the most bytes first.
fn report_leaks() -> fmt::Result {
    // What the report itself needs is not in it.
    ALLOCATOR.configure(&Options::new());
    let (mut count, mut bytes) = (0, 0);
    ALLOCATOR.samples(&mut |sample| {
        count += 1;
        bytes += sample.bytes;
    });
    let lost = ALLOCATOR.lost_sample_count();
    if lost > 0 {
        // Freed or not: nobody knows.
        writeln!(
            Stderr,
            "underpin malloc: there was no room to follow {lost} blocks"
        )?;
    } else if count == 0 {
        return writeln!(Stderr, "underpin malloc: every block was freed");
    }
    writeln!(
        Stderr,
        "underpin malloc: {count} blocks of {bytes} bytes in all were not freed"
    )?;
    let place: *mut Sample = ALLOCATOR.aligned(16, count * size_of::<Sample>()).cast();
    if place.is_null() {
        return Err(fmt::Error);
    }
    let mut kept = 0;
    ALLOCATOR.samples(&mut |sample| {
        if kept < count {
            // SAFETY: within the array.
            unsafe { place.add(kept).write(*sample) };
            kept += 1;
        }
    });
    // SAFETY: as many as were written, and nobody else's.
    let samples = unsafe { core::slice::from_raw_parts_mut(place, kept) };
    samples.sort_unstable_by(|a, b| a.frames().cmp(b.frames()));
    let total = |group: &[Sample]| group.iter().map(|sample| sample.bytes).sum::<usize>();
    let mut shown_below = usize::MAX;
    for _ in 0..GROUPS_MAX {
        // The group with the most bytes of those not shown yet; groups of as many bytes are shown together.
        let groups = || samples.chunk_by(|a, b| a.frames() == b.frames());
        let Some(most) = groups()
            .map(total)
            .filter(|bytes| *bytes < shown_below)
            .max()
        else {
            break;
        };
        shown_below = most;
        for group in groups().filter(|group| total(group) == most) {
            writeln!(Stderr, "{} blocks, {most} bytes:", group.len())?;
            for frame in group[0].frames() {
                write_frame(*frame)?;
            }
        }
    }
    // SAFETY: allocated above.
    unsafe { ALLOCATOR.free(place.cast()) };
    Ok(())
}

/// Says where a return address lies; nothing of those in this library.
fn write_frame(address: usize) -> fmt::Result {
    let (info, own) = (find(address), find(find as fn(usize) -> DlInfo as usize));
    if !info.base.is_null() && info.base == own.base {
        return Ok(());
    }
    let text = |text: *const c_char| {
        // SAFETY: not null, and a text that lives as long as its library.
        let text = (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) });
        text.and_then(|text| text.to_str().ok())
    };
    let (name, file) = (text(info.name), text(info.file).unwrap_or("?"));
    let offset = address.wrapping_sub(info.base.addr());
    match name {
        Some(name) => writeln!(Stderr, "    {name} ({file}+{offset:#x})"),
        None => writeln!(Stderr, "    {address:#x} ({file}+{offset:#x})"),
    }
}

/// What the C library knows of an address; nulls if nothing.
fn find(address: usize) -> DlInfo {
    let mut info = DlInfo {
        file: core::ptr::null(),
        base: core::ptr::null_mut(),
        name: core::ptr::null(),
        address: core::ptr::null_mut(),
    };
    if let Some(dladdr) = weak().dladdr {
        // SAFETY: the C library's function, and a place for its answer.
        unsafe { dladdr(core::ptr::without_provenance(address), &raw mut info) };
    }
    info
}
