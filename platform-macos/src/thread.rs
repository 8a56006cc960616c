//! Threads over pthreads.
//!
//! What a new thread needs to know travels in a block from the system's `malloc`, not from the global allocator, which may itself be built
//! on this platform.
//!
//! # Quirks
//! - A thread can name only itself: `pthread_setname_np` has no thread argument here. So the new thread takes its name along.
//! - Names hold 63 bytes (`MAXTHREADNAMESIZE` is 64, `sys/proc_info.h`); a longer one is `ENAMETOOLONG`.
//! - Threads cannot be bound to processors: `THREAD_AFFINITY_POLICY` is a hint about caches, and arm64 refuses it
//!   (`mach/thread_policy.h`). Affinity is `Unsupported`.
//! - The default stack is 512 KiB, except for the main thread's 8 MiB; a size must be a multiple of the page (pthread_attr_setstacksize(3)).
//! - `pthread_t` is a pointer that is reused; the number is from `pthread_threadid_np`, which is unique in the whole system.
#![allow(unsafe_code, reason = "calls libSystem")]

use crate::Macos;
use crate::error::coded;
use crate::memory::page_bytes;
use core::ffi::{CStr, c_void};
use core::mem::{self, MaybeUninit};
use core::ptr;
use libc::{c_int, pthread_attr_t, pthread_t};
use underpin_core::error::{Error, Kind, Operation, Result};
use underpin_core::platform::{CpuSet, ThreadEntry, ThreadOptions, Threads};

/// Longest name the system keeps, in bytes, without the NUL.
const NAME_BYTES_MAX: usize = 63;

/// A thread that was started and not joined. Dropping it detaches the thread.
#[derive(Debug)]
pub struct Thread {
    id: pthread_t,
}

// SAFETY: a pthread_t names its thread from any thread.
unsafe impl Send for Thread {}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: the thread is neither joined nor detached yet; both end this value.
        unsafe { libc::pthread_detach(self.id) };
    }
}

/// A name as C wants it, cut to what the system keeps.
struct Name {
    bytes: [u8; NAME_BYTES_MAX + 1],
}

impl Name {
    fn new(operation: Operation, name: &str) -> Result<Self> {
        if name.as_bytes().contains(&0) {
            return Err(Error::new(operation, Kind::InvalidInput));
        }
        let kept = name.floor_char_boundary(NAME_BYTES_MAX);
        let mut bytes = [0; NAME_BYTES_MAX + 1];
        bytes[..kept].copy_from_slice(&name.as_bytes()[..kept]);
        Ok(Self { bytes })
    }

    /// Gives it to the calling thread.
    fn apply(&self) -> Result<()> {
        let Ok(name) = CStr::from_bytes_until_nul(&self.bytes) else {
            return Err(Error::new(Operation::ThreadName, Kind::InvalidInput));
        };
        // SAFETY: a C string that lives through the call.
        match unsafe { libc::pthread_setname_np(name.as_ptr()) } {
            0 => Ok(()),
            code => Err(coded(Operation::ThreadName, code)),
        }
    }
}

/// What the new thread takes along.
struct Start {
    entry: ThreadEntry,
    argument: *mut u8,
    name: Option<Name>,
}

extern "C" fn start(block: *mut c_void) -> *mut c_void {
    // SAFETY: `spawn` stored a Start there and left the block to this thread.
    let start = unsafe { block.cast::<Start>().read() };
    // SAFETY: the block came from malloc, and its contents were moved out.
    unsafe { libc::free(block) };
    if let Some(name) = &start.name {
        // The name was checked before; a thread without one runs as well.
        let _ = name.apply();
    }
    // SAFETY: the caller of `spawn` allowed this one call.
    unsafe { (start.entry)(start.argument) };
    ptr::null_mut()
}

/// Thread attributes that are given back.
struct Attributes(pthread_attr_t);

impl Attributes {
    fn new(stack_bytes: usize) -> Result<Self> {
        let mut raw = MaybeUninit::<pthread_attr_t>::uninit();
        // SAFETY: initialises the value.
        check(unsafe { libc::pthread_attr_init(raw.as_mut_ptr()) })?;
        // SAFETY: the call succeeded.
        let mut attributes = Self(unsafe { raw.assume_init() });
        if stack_bytes != 0 {
            let bytes = stack_bytes
                .max(libc::PTHREAD_STACK_MIN)
                .checked_next_multiple_of(page_bytes())
                .ok_or(Error::new(Operation::Spawn, Kind::InvalidInput))?;
            // SAFETY: initialised attributes.
            check(unsafe { libc::pthread_attr_setstacksize(&raw mut attributes.0, bytes) })?;
        }
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised, and not used again.
        unsafe { libc::pthread_attr_destroy(&raw mut self.0) };
    }
}

/// The result of a pthread call while spawning. `EAGAIN` there means that no thread is left to be had.
fn check(code: c_int) -> Result<()> {
    match code {
        0 => Ok(()),
        libc::EAGAIN => Err(Error::from_raw(
            Operation::Spawn,
            Kind::Limit,
            underpin_core::error::Domain::Errno,
            code,
        )),
        code => Err(coded(Operation::Spawn, code)),
    }
}

// SAFETY: `start` calls the entry once, on a thread that was made; `pthread_join` waits for its end.
unsafe impl Threads for Macos {
    type Thread = Thread;

    unsafe fn spawn(
        &self,
        options: &ThreadOptions<'_>,
        entry: ThreadEntry,
        argument: *mut u8,
    ) -> Result<Thread> {
        if options.affinity.is_some() {
            return Err(Error::unsupported(Operation::Spawn));
        }
        let name = match options.name {
            Some(name) => Some(Name::new(Operation::Spawn, name)?),
            None => None,
        };
        let attributes = Attributes::new(options.stack_bytes)?;
        // SAFETY: asks for memory; the size is not zero.
        let block = unsafe { libc::malloc(size_of::<Start>()) };
        if block.is_null() {
            return Err(Error::new(Operation::Spawn, Kind::OutOfMemory));
        }
        // SAFETY: the block is large enough and aligned for any type.
        unsafe {
            block.cast::<Start>().write(Start {
                entry,
                argument,
                name,
            });
        }
        let mut id = MaybeUninit::<pthread_t>::uninit();
        // SAFETY: initialised attributes; `start` takes over the block if the call succeeds, and only then.
        let code =
            unsafe { libc::pthread_create(id.as_mut_ptr(), &raw const attributes.0, start, block) };
        if code != 0 {
            // SAFETY: no thread was started, so the block is still ours.
            unsafe { libc::free(block) };
        }
        check(code)?;
        // SAFETY: the call succeeded and stored the thread.
        let id = unsafe { id.assume_init() };
        Ok(Thread { id })
    }

    fn join(&self, thread: Thread) -> Result<()> {
        // SAFETY: neither joined nor detached yet, by the life of the value.
        match unsafe { libc::pthread_join(thread.id, ptr::null_mut()) } {
            0 => {
                mem::forget(thread);
                Ok(())
            }
            // A thread that joins itself; dropping the value detaches it.
            code => Err(coded(Operation::Join, code)),
        }
    }

    fn set_name(&self, name: &str) -> Result<()> {
        Name::new(Operation::ThreadName, name)?.apply()
    }

    fn set_affinity(&self, _cpus: &CpuSet) -> Result<()> {
        Err(Error::unsupported(Operation::Affinity))
    }

    fn thread_id(&self) -> u64 {
        let mut id = 0;
        // SAFETY: 0 asks for the calling thread; stores a number.
        unsafe { libc::pthread_threadid_np(0, &raw mut id) };
        id
    }

    fn parallelism(&self) -> usize {
        // SAFETY: asks a number of the system.
        let processors = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
        usize::try_from(processors).unwrap_or(1).max(1)
    }

    fn yield_now(&self) {
        // SAFETY: gives up the processor.
        unsafe { libc::sched_yield() };
    }
}
