//! Threads: the C library's if the process has one, else the kernel's own (`raw_thread.rs`).
//!
//! Name and affinity are set by the new thread itself. An affinity can be refused, so then the starter waits until the thread
//! has said whether it runs; a thread that does not is joined at once, and nothing was started.
#![allow(unsafe_code, reason = "threads are made by foreign functions")]

use crate::Linux;
use crate::error::{error, error_as};
use crate::platform::refused;
use crate::pthread::{self, Attributes, PthreadId, ThreadCalls};
use crate::raw_thread;
use alloc::boxed::Box;
use core::ffi::{CStr, c_void};
use core::mem::ManuallyDrop;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU32, Ordering};
use rustix::io::Errno;
use underpin_core::limits::{CPUS_MAX, THREAD_NAME_BYTES_MAX};
use underpin_core::platform::{Caps, CpuSet, Park, ThreadEntry, ThreadOptions, Threads};
use underpin_core::{Error, Kind, Operation, Result};

/// Smallest stack that is asked for; the least that any libc takes.
const STACK_BYTES_MIN: usize = 16 * 1024;

/// A stack that the C library finds too small (it must hold the program's thread-local data) is doubled up to this.
const STACK_BYTES_RETRY_MAX: usize = 8 * 1024 * 1024;

/// A started thread that nobody has joined; dropping it detaches the thread.
#[derive(Debug)]
pub struct Thread(Handle);

#[derive(Debug)]
enum Handle {
    Pthread(PthreadId),
    Raw(raw_thread::RawThread),
}

impl Drop for Thread {
    fn drop(&mut self) {
        match &mut self.0 {
            Handle::Pthread(id) => {
                if let Some(calls) = pthread::thread_calls() {
                    // SAFETY: the thread was neither joined nor detached: both consume this value.
                    unsafe { (calls.detach)(*id) };
                }
            }
            Handle::Raw(thread) => thread.detach(),
        }
    }
}

/// Whether [`Threads::spawn`] can work.
pub(crate) fn can_spawn() -> bool {
    pthread::thread_calls().is_some() || (!pthread::owns_threads() && raw_thread::SUPPORTED)
}

/// A thread name as the kernel keeps it: cut at a character boundary, NUL-terminated.
#[derive(Clone, Copy)]
pub(crate) struct Name([u8; THREAD_NAME_BYTES_MAX + 1]);

impl Name {
    fn new(operation: Operation, name: &str) -> Result<Self> {
        if name.contains('\0') {
            return Err(Error::new(operation, Kind::InvalidInput));
        }
        let mut bytes = [0; THREAD_NAME_BYTES_MAX + 1];
        let kept = &name.as_bytes()[..name.floor_char_boundary(THREAD_NAME_BYTES_MAX)];
        bytes[..kept.len()].copy_from_slice(kept);
        Ok(Self(bytes))
    }

    fn set(&self) -> rustix::io::Result<()> {
        match CStr::from_bytes_until_nul(&self.0) {
            Ok(name) => rustix::thread::set_name(name),
            Err(_) => Err(Errno::INVAL),
        }
    }
}

/// What a new thread is given.
pub(crate) struct Start {
    entry: ThreadEntry,
    argument: *mut u8,
    name: Option<Name>,
    affinity: Option<*const Gate>,
}

/// Where a starter waits for a thread that has an affinity to set. Lives on the starter's stack.
struct Gate {
    cpus: CpuSet,
    /// `GATE_CLOSED`, `GATE_STARTED`, or an errno.
    state: AtomicU32,
}

const GATE_CLOSED: u32 = u32::MAX;
const GATE_STARTED: u32 = 0;

impl Start {
    /// Runs `entry` with no name and no affinity to set.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    pub(crate) const fn plain(entry: ThreadEntry, argument: *mut u8) -> Self {
        Self {
            entry,
            argument,
            name: None,
            affinity: None,
        }
    }

    /// Runs on the new thread.
    ///
    /// # Safety
    /// Called once per thread, with the promises of [`Threads::spawn`].
    pub(crate) unsafe fn run(self) {
        if let Some(name) = self.name {
            // A name is for people; a kernel that refuses it does not stop the thread.
            let _ = name.set();
        }
        if let Some(gate) = self.affinity {
            // SAFETY: the starter waits, with the gate on its stack, until the state changes below.
            let gate = unsafe { &*gate };
            let result = set_affinity(&gate.cpus);
            let state = result
                .err()
                .map_or(GATE_STARTED, |errno| errno.raw_os_error().unsigned_abs());
            let word: *const AtomicU32 = &raw const gate.state;
            gate.state.store(state, Ordering::Release);
            // The gate may be gone from here on; a wake needs its address only.
            Linux.wake(word, 1);
            if state != GATE_STARTED {
                return;
            }
        }
        // SAFETY: the caller's promise: once, on another thread than the spawner's.
        unsafe { (self.entry)(self.argument) };
    }
}

fn set_affinity(cpus: &CpuSet) -> rustix::io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    for cpu in cpus
        .iter()
        .filter(|&cpu| cpu < rustix::thread::CpuSet::MAX_CPU)
    {
        set.set(cpu);
    }
    rustix::thread::sched_setaffinity(None, &set)
}

/// The pthread entry: owns the boxed start.
unsafe extern "C" fn pthread_main(start: *mut c_void) -> *mut c_void {
    // SAFETY: `spawn_pthread` leaked the box for this thread, which is the only one to take it.
    let start = unsafe { Box::from_raw(start.cast::<Start>()) };
    // SAFETY: this is the new thread's one call.
    unsafe { (*start).run() };
    null_mut()
}

fn spawn_pthread(calls: &ThreadCalls, start: Start, stack_bytes: usize) -> Result<PthreadId> {
    const OP: Operation = Operation::Spawn;
    let start = Box::into_raw(Box::new(start));
    let mut bytes = stack_bytes;
    loop {
        match create_pthread(calls, start, bytes) {
            Ok(id) => return Ok(id),
            Err(Errno::INVAL) if bytes > 0 && bytes < STACK_BYTES_RETRY_MAX => bytes *= 2,
            Err(errno) => {
                // SAFETY: no thread was made, so the box is still ours.
                drop(unsafe { Box::from_raw(start) });
                return Err(match errno {
                    Errno::AGAIN => error_as(OP, Kind::Limit, errno),
                    errno => error(OP, errno),
                });
            }
        }
    }
}

/// One call of `pthread_create`; a stack size of 0 is the library's own.
fn create_pthread(
    calls: &ThreadCalls,
    start: *mut Start,
    stack_bytes: usize,
) -> core::result::Result<PthreadId, Errno> {
    let mut attributes = Attributes::zeroed();
    let mut id = 0;
    // SAFETY: the attributes are large enough for every libc, initialised before use and destroyed after; `start` is a leaked box
    // that `pthread_main` takes over if, and only if, the call succeeds.
    let code = unsafe {
        let mut code = (calls.attributes_init)(&raw mut attributes);
        if code == 0 {
            if stack_bytes > 0 {
                code = (calls.attributes_set_stack_size)(&raw mut attributes, stack_bytes);
            }
            if code == 0 {
                code = (calls.create)(
                    &raw mut id,
                    &raw const attributes,
                    pthread_main,
                    start.cast(),
                );
            }
            (calls.attributes_destroy)(&raw mut attributes);
        }
        code
    };
    if code == 0 {
        Ok(id)
    } else {
        Err(Errno::from_raw_os_error(code))
    }
}

/// The stack size in whole pages; `InvalidInput` for more than there are addresses.
fn round_stack(stack_bytes: usize) -> Result<usize> {
    if stack_bytes == 0 {
        return Ok(0);
    }
    stack_bytes
        .max(STACK_BYTES_MIN)
        .checked_next_multiple_of(crate::memory::page_bytes())
        .filter(|&bytes| bytes <= isize::MAX.unsigned_abs() / 2)
        .ok_or(Error::new(Operation::Spawn, Kind::InvalidInput))
}

// SAFETY: `Start::run` calls the entry once, on a thread that was made; one whose affinity was refused ends without the call. Both kinds
// of join wait for the end.
unsafe impl Threads for Linux {
    type Thread = Thread;

    unsafe fn spawn(
        &self,
        options: &ThreadOptions<'_>,
        entry: ThreadEntry,
        argument: *mut u8,
    ) -> Result<Thread> {
        const OP: Operation = Operation::Spawn;
        let stack_bytes = round_stack(options.stack_bytes)?;
        let name = options.name.map(|name| Name::new(OP, name)).transpose()?;
        let gate = options.affinity.map(|&cpus| Gate {
            cpus,
            state: AtomicU32::new(GATE_CLOSED),
        });
        let start = Start {
            entry,
            argument,
            name,
            affinity: gate.as_ref().map(|gate| &raw const *gate),
        };
        let thread = match pthread::thread_calls() {
            Some(calls) => Thread(Handle::Pthread(spawn_pthread(&calls, start, stack_bytes)?)),
            None if pthread::owns_threads() => return Err(Error::unsupported(OP)),
            None => Thread(Handle::Raw(raw_thread::spawn(start, stack_bytes)?)),
        };
        if let Some(gate) = &gate {
            let mut state = gate.state.load(Ordering::Acquire);
            while state == GATE_CLOSED {
                self.wait(&gate.state, GATE_CLOSED, None);
                state = gate.state.load(Ordering::Acquire);
            }
            if state != GATE_STARTED {
                self.join(thread)?;
                let errno = Errno::from_raw_os_error(i32::try_from(state).unwrap_or(i32::MAX));
                return Err(error(OP, errno));
            }
        }
        Ok(thread)
    }

    fn join(&self, thread: Thread) -> Result<()> {
        const OP: Operation = Operation::Join;
        let invalid = Error::new(OP, Kind::InvalidInput);
        match &thread.0 {
            Handle::Pthread(id) => {
                let calls = pthread::thread_calls().ok_or(Error::unsupported(OP))?;
                // SAFETY: a call without arguments.
                if unsafe { (calls.current)() } == *id {
                    return Err(invalid);
                }
                // SAFETY: the thread was neither joined nor detached, and is not detached below.
                let code = unsafe { (calls.join)(*id, null_mut()) };
                if code != 0 {
                    return Err(error(OP, Errno::from_raw_os_error(code)));
                }
            }
            Handle::Raw(raw) => {
                if !raw.join() {
                    return Err(invalid);
                }
            }
        }
        // The thread is gone; there is nothing to detach.
        let _ = ManuallyDrop::new(thread);
        Ok(())
    }

    fn set_name(&self, name: &str) -> Result<()> {
        const OP: Operation = Operation::ThreadName;
        Name::new(OP, name)?.set().map_err(|errno| error(OP, errno))
    }

    fn set_affinity(&self, cpus: &CpuSet) -> Result<()> {
        const OP: Operation = Operation::Affinity;
        set_affinity(cpus).map_err(|errno| refused(Caps::AFFINITY, OP, errno))
    }

    #[inline]
    fn thread_id(&self) -> u64 {
        u64::from(
            rustix::thread::gettid()
                .as_raw_nonzero()
                .get()
                .unsigned_abs(),
        )
    }

    fn parallelism(&self) -> usize {
        rustix::thread::sched_getaffinity(None)
            .map_or(1, |cpus| (cpus.count() as usize).clamp(1, CPUS_MAX))
    }

    #[inline]
    fn fence_others(&self) -> bool {
        crate::fence_others::fence_others()
    }

    #[inline]
    fn yield_now(&self) {
        rustix::thread::sched_yield();
    }
}
