//! The allocator of this process and its life: options, threads, forks, and what is said when something is wrong.
#![allow(unsafe_code, reason = "C functions and the process's environment")]

use core::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use core::fmt;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering::*};
use underpin_core::allocator::{Allocator, ExitSlot, Hooks, Line, Misuse, Options};
use underpin_core::platform::Platform as _;
use underpin_linux::{Linux, LinuxThreadWords};

/// The allocator.
// SAFETY: a static of a library that is never unloaded; the words are this library's own, hidden symbol, and nothing else in it uses them.
pub(crate) static ALLOCATOR: Allocator<Linux, LinuxThreadWords> = unsafe {
    Allocator::new(
        Linux,
        LinuxThreadWords,
        Options::new(),
        Hooks {
            thread_start,
            misuse,
            foreign_free,
            backtrace: crate::profile::backtrace,
            purger_start,
            // The system's call: reading the clock without one needs to find the kernel's page, which checkers such as valgrind hide.
            clock: Some(underpin_linux::monotonic_by_call),
        },
    )
};

/// Its hook runs at thread exit.
static EXIT_SLOT: ExitSlot = ExitSlot::new();

type ForkHandler = unsafe extern "C" fn();

macro_rules! weak {
    ($($name:ident: $type:ty,)*) => {
        core::arch::global_asm!(
            $(concat!(".weak ", stringify!($name)),)*
            ".pushsection .data.rel.ro.underpin_malloc_weak,\"aw\",%progbits",
            ".balign 16",
            ".hidden underpin_malloc_weak",
            ".globl underpin_malloc_weak",
            "underpin_malloc_weak:",
            $(concat!(".8byte ", stringify!($name)),)*
            ".popsection",
        );

        /// The C library's functions that are used if they are there, in the order of the assembly.
        #[repr(C)]
        pub(crate) struct Weak { $(pub(crate) $name: Option<$type>,)* }
    };
}

weak! {
    __errno_location: unsafe extern "C" fn() -> *mut c_int,
    __libc_free: unsafe extern "C" fn(*mut c_void),
    __libc_realloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    __register_atfork: unsafe extern "C" fn(Option<ForkHandler>, Option<ForkHandler>, Option<ForkHandler>, *mut c_void) -> c_int,
    fputs: unsafe extern "C" fn(*const c_char, *mut c_void) -> c_int,
    __libc_stack_end: core::ptr::NonNull<*mut c_void>,
    backtrace: unsafe extern "C" fn(*mut *mut c_void, c_int) -> c_int,
    getpid: unsafe extern "C" fn() -> c_int,
    getauxval: unsafe extern "C" fn(c_ulong) -> c_ulong,
    open: unsafe extern "C" fn(*const c_char, c_int, ...) -> c_int,
    read: unsafe extern "C" fn(c_int, *mut c_void, usize) -> isize,
    write: unsafe extern "C" fn(c_int, *const c_void, usize) -> isize,
    close: unsafe extern "C" fn(c_int) -> c_int,
    dladdr: unsafe extern "C" fn(*const c_void, *mut crate::profile::DlInfo) -> c_int,
}

unsafe extern "C" {
    #[link_name = "underpin_malloc_weak"]
    static WEAK: Weak;
    #[link_name = "__dso_handle"]
    static DSO: c_void;
}

// SAFETY: the table is written by the loader and constant after that.
unsafe impl Sync for Weak {}

pub(crate) fn weak() -> &'static Weak {
    // SAFETY: the assembly above defines the table, a word per field, each null or the address of the symbol of that name.
    unsafe { &WEAK }
}

/// Sets the C library's error number.
#[cold]
pub(crate) fn set_errno(code: c_int) {
    if let Some(location) = weak().__errno_location {
        // SAFETY: the C library's own function, which gives the address of this thread's number.
        unsafe { *location() = code };
    }
}

/// The C library's error number.
#[cold]
pub(crate) fn errno() -> c_int {
    // SAFETY: the C library's own function, which gives the address of this thread's number.
    weak()
        .__errno_location
        .map_or(0, |location| unsafe { *location() })
}

/// Whether the process has rights that its user has not.
fn is_privileged() -> bool {
    const AT_SECURE: c_ulong = 23;
    // SAFETY: takes any number.
    weak()
        .getauxval
        .is_some_and(|get| unsafe { get(AT_SECURE) } != 0)
}

/// Runs when the library is loaded, after the C library's own constructors.
extern "C" fn constructor(
    _count: c_int,
    _arguments: *const *const c_char,
    environment: *const *const c_char,
) {
    // The variables are the user's, who must not choose what a program with other rights writes where.
    let environment = if is_privileged() {
        core::ptr::null()
    } else {
        environment
    };
    // SAFETY: the loader passes the environment, which ends with null.
    let value = |name: &str| unsafe { find(environment, name) };
    let mut options = Options::read(value);
    crate::profile::configure(&mut options, value);
    ALLOCATOR.configure(&options);
    if let Some(register) = weak().__register_atfork {
        // SAFETY: handlers without arguments, in a library that is never unloaded.
        unsafe {
            register(
                Some(fork_prepare),
                Some(fork_parent),
                Some(fork_child),
                (&raw const DSO).cast_mut(),
            );
        }
    }
    if value("UNDERPIN_STATS").is_some_and(|text| text != "0") {
        introspect_at_exit();
    }
}

fn introspect_at_exit() {
    STATS_AT_EXIT.store(1, Relaxed);
}

static STATS_AT_EXIT: AtomicUsize = AtomicUsize::new(0);

extern "C" fn destructor() {
    if STATS_AT_EXIT.load(Relaxed) != 0 {
        crate::introspect::print_stats();
    }
    crate::profile::at_exit();
}

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn(c_int, *const *const c_char, *const *const c_char) = constructor;

#[used]
#[unsafe(link_section = ".fini_array")]
static DESTRUCTOR: extern "C" fn() = destructor;

/// The value of an environment variable.
///
/// # Safety
/// `environment` is null or a list of strings that ends with null, none of which changes while the value is used.
unsafe fn find<'a>(environment: *const *const c_char, name: &str) -> Option<&'a str> {
    let mut entry = environment;
    if entry.is_null() {
        return None;
    }
    loop {
        // SAFETY: the caller's promise.
        let text = unsafe {
            if (*entry).is_null() {
                return None;
            }
            CStr::from_ptr(*entry)
        };
        if let Ok(text) = text.to_str()
            && let Some((key, value)) = text.split_once('=')
            && key == name
        {
            return Some(value);
        }
        entry = entry.wrapping_add(1);
    }
}

fn thread_start() -> bool {
    // SAFETY: the hook takes any value.
    unsafe { EXIT_SLOT.set(&Linux, thread_end, underpin_linux::monotonic_by_call) }
}

/// The C library runs hooks in rounds, in some order: others' may come after ours and allocate or free. Those calls are served
/// without a heap.
unsafe extern "C" fn thread_end(_: *mut u8) {
    ALLOCATOR.thread_end();
}

unsafe extern "C" fn fork_prepare() {
    ALLOCATOR.fork_prepare();
}

unsafe extern "C" fn fork_parent() {
    // SAFETY: the C library calls it after `fork_prepare`, on the same thread.
    unsafe { ALLOCATOR.fork_parent() };
}

unsafe extern "C" fn fork_child() {
    EXIT_SLOT.after_fork();
    // SAFETY: the C library calls it after `fork_prepare`, on the only thread of the child.
    unsafe { ALLOCATOR.fork_child() };
}

/// A thread of the kernel's alone, which returns memory while the program does other things. It has no thread-local storage, so it
/// touches none: it makes system calls and reads and writes the shared part of the allocator.
fn purger_start() -> bool {
    underpin_linux::spawn_service(|| ALLOCATOR.purger_run())
}

/// Says what is wrong, and ends the process.
#[cold]
pub(crate) fn die(what: fmt::Arguments<'_>) -> ! {
    Linux.fatal(Line::of("underpin malloc: ", what).as_str())
}

fn misuse(misuse: Misuse) -> ! {
    die(format_args!("{misuse}"))
}

/// Memory of the C library's own allocator, from before this one was there or from a library bound to it: it goes back there. An
/// address of a stack belongs to nobody's heap.
fn foreign_free(address: *mut u8) -> bool {
    if is_on_stack(address) {
        return false;
    }
    let Some(free) = weak().__libc_free else {
        return false;
    };
    // SAFETY: not ours, so whoever frees it got it from the allocator that was there before.
    unsafe { free(address.cast()) };
    true
}

/// The same for a block that the program wants resized.
pub(crate) fn foreign_realloc(address: *mut c_void, size: usize) -> *mut c_void {
    match weak().__libc_realloc {
        // SAFETY: as in `foreign_free`.
        Some(realloc) if !is_on_stack(address.cast()) => unsafe { realloc(address, size) },
        _ => die(format_args!(
            "realloc of an address that was never allocated: {address:p}"
        )),
    }
}

/// Whether the address lies in the used part of the calling thread's stack: above this frame, below the thread's own structure
/// (other threads' stacks end there) or the place where the first thread began.
fn is_on_stack(address: *mut u8) -> bool {
    let frame = core::hint::black_box(0_u8);
    let here = (&raw const frame).addr();
    let thread = underpin_core::platform::ThreadWords::mix(LinuxThreadWords, 0);
    // SAFETY: the loader's variable, if it is there.
    let first = weak().__libc_stack_end.map(|at| unsafe { at.read() });
    let first = first.map_or(0, |end| end.addr());
    let ends = [thread, first].into_iter().filter(|end| *end > here);
    ends.min()
        .is_some_and(|end| (here..end).contains(&address.addr()))
}

/// A null pointer, as C has it.
pub(crate) const NULL: *mut c_void = null_mut();
