//! Threads over `CreateThread`.
//!
//! A thread is made suspended, then named and bound by its handle, then let go, so that an affinity
//! that cannot be had starts nothing: the thread's start block says "do not run" and the thread
//! ends at once. The block comes from the process heap, not from the global allocator, which may
//! itself be waiting for this crate.
//!
//! # Processors
//! Windows counts processors in groups of 64. [`CpuSet`]'s number is `group * 64 + number in the
//! group`. A thread runs in one group at a time, so a set over several groups binds to the group
//! where most of it can be used.
#![allow(unsafe_code, reason = "a thread starts at a raw pointer")]

use crate::error::{self, code_of_hresult};
use crate::handle::{Handle, check, last_code};
use crate::{Windows, path};
use core::ffi::c_void;
use core::ptr::NonNull;
use underpin_core::limits::CPUS_MAX;
use underpin_core::platform::{CpuSet, ThreadEntry, ThreadOptions, Threads};
use underpin_core::{Error, Kind, Operation, Result};
use windows_sys::Win32::Foundation::{HANDLE, WAIT_OBJECT_0};
use windows_sys::Win32::System::Memory::{GetProcessHeap, HeapAlloc, HeapFree};
use windows_sys::Win32::System::SystemInformation::GROUP_AFFINITY;
use windows_sys::Win32::System::Threading::{
    ALL_PROCESSOR_GROUPS, CREATE_SUSPENDED, CreateThread, GetActiveProcessorCount,
    GetActiveProcessorGroupCount, GetCurrentProcess, GetCurrentThread, GetCurrentThreadId,
    GetProcessAffinityMask, GetThreadId, INFINITE, ResumeThread, STACK_SIZE_PARAM_IS_A_RESERVATION,
    SetThreadDescription, SetThreadGroupAffinity, SwitchToThread, WaitForSingleObject,
};

/// Units of a thread name that are kept; far more than every system's 15 bytes.
const NAME_UNITS_MAX: usize = 63;

/// Largest stack that is asked for: more than any program fills, and far from what the system
/// cannot even round up.
const STACK_BYTES_MAX: usize = 1 << if usize::BITS > 32 { 40 } else { 30 };

/// Processors in a group.
const GROUP_CPUS: usize = 64;

/// A started thread. Dropping it detaches the thread.
#[derive(Debug)]
pub struct Thread(Handle);

/// What a new thread needs. Written by the spawner while the thread is suspended, then read and
/// freed by the thread.
struct Start {
    entry: ThreadEntry,
    argument: *mut u8,
    /// `false` after a spawn that failed: the entry must not be called.
    run: bool,
}

// SAFETY: `run_start` calls the entry once, unless the spawn failed after the thread was made; the
// handle is signalled at the thread's end.
unsafe impl Threads for Windows {
    type Thread = Thread;

    unsafe fn spawn(
        &self,
        options: &ThreadOptions<'_>,
        entry: ThreadEntry,
        argument: *mut u8,
    ) -> Result<Thread> {
        let bad_name = options.name.is_some_and(|name| name.contains('\0'));
        if bad_name || options.stack_bytes > STACK_BYTES_MAX {
            return Err(Error::new(Operation::Spawn, Kind::InvalidInput));
        }
        let affinity = options
            .affinity
            .map(|cpus| usable(Operation::Spawn, cpus))
            .transpose()?;
        let start = allocate_start()?;
        // SAFETY: the block is fresh, aligned and large enough, and the thread that will read it
        // does not exist yet.
        unsafe {
            start.write(Start {
                entry,
                argument,
                run: true,
            });
        }
        // SAFETY: `run_start` takes the block that it is given here, once.
        let raw = unsafe {
            CreateThread(
                core::ptr::null(),
                options.stack_bytes,
                Some(run_start),
                start.as_ptr().cast(),
                CREATE_SUSPENDED | STACK_SIZE_PARAM_IS_A_RESERVATION,
                core::ptr::null_mut(),
            )
        };
        // SAFETY: the handle, if there is one, was made for us.
        let thread = match unsafe { Handle::from_raw(Operation::Spawn, raw) } {
            Ok(handle) => handle,
            Err(error) => {
                free_start(start);
                return Err(error);
            }
        };
        if let Some(name) = options.name {
            // A name is for people; a thread that could not get its name runs all the same.
            let _ = name_thread(Operation::Spawn, thread.raw(), name);
        }
        let bound = affinity.map_or(Ok(()), |group| bind(Operation::Spawn, thread.raw(), &group));
        if bound.is_err() {
            // SAFETY: the thread is suspended, so nobody else touches the block.
            unsafe { (*start.as_ptr()).run = false };
        }
        // SAFETY: the thread was made suspended and is let go once.
        if unsafe { ResumeThread(thread.raw()) } == u32::MAX && bound.is_ok() {
            // Cannot happen with a handle of full access; the thread stays suspended and its block
            // with it.
            return Err(error::from_code(Operation::Spawn, last_code()));
        }
        bound.map(|()| Thread(thread))
    }

    fn join(&self, thread: Thread) -> Result<()> {
        // SAFETY: the handle is open; the other call takes nothing.
        if unsafe { GetThreadId(thread.0.raw()) == GetCurrentThreadId() } {
            return Err(Error::new(Operation::Join, Kind::InvalidInput));
        }
        // SAFETY: the handle is open until `thread` drops below.
        match unsafe { WaitForSingleObject(thread.0.raw(), INFINITE) } {
            WAIT_OBJECT_0 => Ok(()),
            _ => Err(error::from_code(Operation::Join, last_code())),
        }
    }

    fn set_name(&self, name: &str) -> Result<()> {
        if name.contains('\0') {
            return Err(Error::new(Operation::ThreadName, Kind::InvalidInput));
        }
        // SAFETY: takes nothing, gives a constant.
        name_thread(Operation::ThreadName, unsafe { GetCurrentThread() }, name)
    }

    fn set_affinity(&self, cpus: &CpuSet) -> Result<()> {
        let group = usable(Operation::Affinity, cpus)?;
        // SAFETY: takes nothing, gives a constant.
        bind(Operation::Affinity, unsafe { GetCurrentThread() }, &group)
    }

    fn thread_id(&self) -> u64 {
        // SAFETY: takes nothing.
        u64::from(unsafe { GetCurrentThreadId() })
    }

    fn parallelism(&self) -> usize {
        let (allowed, all) = process_masks();
        // Restricted within one group, or free to use every group.
        let count = if allowed == all {
            active_count(ALL_PROCESSOR_GROUPS)
        } else {
            allowed.count_ones() as usize
        };
        count.max(1)
    }

    fn yield_now(&self) {
        // SAFETY: takes nothing.
        unsafe { SwitchToThread() };
    }
}

/// Where every thread begins.
///
/// # Safety
/// `parameter` is a block of [`allocate_start`] that the spawner filled in and no longer touches.
unsafe extern "system" fn run_start(parameter: *mut c_void) -> u32 {
    let Some(block) = NonNull::new(parameter.cast::<Start>()) else {
        return 1;
    };
    // SAFETY: the block is initialised, and ours since the spawner let us go.
    let start = unsafe { block.read() };
    free_start(block);
    if start.run {
        // SAFETY: `spawn`'s caller allowed one call with this argument on this thread.
        unsafe { (start.entry)(start.argument) };
    }
    0
}

fn allocate_start() -> Result<NonNull<Start>> {
    const { assert!(align_of::<Start>() <= 8, "the heap aligns to 8 at least") };
    // SAFETY: the process heap is always there.
    let block = unsafe { HeapAlloc(GetProcessHeap(), 0, size_of::<Start>()) };
    NonNull::new(block.cast()).ok_or(Error::new(Operation::Spawn, Kind::OutOfMemory))
}

fn free_start(block: NonNull<Start>) {
    // SAFETY: the block came from this heap in `allocate_start` and is given back once.
    unsafe { HeapFree(GetProcessHeap(), 0, block.as_ptr().cast()) };
}

/// Names `thread`, whose handle is open; longer names are cut between characters.
fn name_thread(operation: Operation, thread: HANDLE, name: &str) -> Result<()> {
    let mut units = [0; NAME_UNITS_MAX + 1];
    path::units_of(name, &mut units[..NAME_UNITS_MAX]);
    // SAFETY: the handle is open; the name ends in a NUL, since its last unit was never written.
    let result = unsafe { SetThreadDescription(thread, units.as_ptr()) };
    if result >= 0 {
        Ok(())
    } else {
        Err(error::from_code(operation, code_of_hresult(result)))
    }
}

/// The group of `cpus` with most processors that this process may use, and those.
fn usable(operation: Operation, cpus: &CpuSet) -> Result<GROUP_AFFINITY> {
    let (allowed, all) = process_masks();
    let restricted = allowed != all;
    // SAFETY: takes nothing.
    let groups = usize::from(unsafe { GetActiveProcessorGroupCount() }).min(CPUS_MAX / GROUP_CPUS);
    let mut best = GROUP_AFFINITY::default();
    for group in 0..groups {
        let active = active_count(group as u16);
        let mut mask: usize = 0;
        for bit in 0..active.min(usize::BITS as usize) {
            if cpus.contains(group * GROUP_CPUS + bit) {
                mask |= 1 << bit;
            }
        }
        // A process that is bound at all is bound within its own group, the first unless it is
        // moved.
        if restricted {
            mask = if group == 0 { mask & allowed } else { 0 };
        }
        if mask.count_ones() > best.Mask.count_ones() {
            best.Group = group as u16;
            best.Mask = mask;
        }
    }
    if best.Mask == 0 {
        Err(Error::new(operation, Kind::InvalidInput))
    } else {
        Ok(best)
    }
}

/// Binds `thread`, whose handle is open.
fn bind(operation: Operation, thread: HANDLE, group: &GROUP_AFFINITY) -> Result<()> {
    // SAFETY: the handle is open and `group` a valid mask; nobody wants the former one.
    check(operation, unsafe {
        SetThreadGroupAffinity(thread, group, core::ptr::null_mut())
    })
}

/// Which processors of its group the process may use, and which there are; both 0 if its threads
/// are in several groups.
fn process_masks() -> (usize, usize) {
    let (mut allowed, mut all) = (0, 0);
    // SAFETY: the pseudo handle is always valid; the call fills in both masks.
    let succeeded =
        unsafe { GetProcessAffinityMask(GetCurrentProcess(), &raw mut allowed, &raw mut all) };
    if succeeded == 0 {
        (0, 0)
    } else {
        (allowed, all)
    }
}

/// Processors that are on in `group`.
fn active_count(group: u16) -> usize {
    // SAFETY: takes a number; a group that is not there has none.
    (unsafe { GetActiveProcessorCount(group) }) as usize
}
