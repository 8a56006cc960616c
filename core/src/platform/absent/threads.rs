//! No threads but the one that runs, and so no slots whose hooks could see one end.
#![allow(unsafe_code, reason = "forwards unsafe traits")]

use super::forward::{forward_files, forward_net, forward_platform};
use crate::error::{Error, Operation, Result};
use crate::platform::{
    Caps, Clock, ClockId, CpuSet, Entropy, Instant, Memory, MemoryInfo, Park, Platform, Protection,
    SlotHook, SlotKey, ThreadEntry, ThreadOptions, ThreadSlots, Threads, Woken,
};
use crate::sync::atomic::AtomicU32;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

/// A thread that cannot exist.
#[derive(Debug)]
pub enum NoThread {}

/// A platform whose only thread is the caller's: spawning is `Unsupported`.
#[derive(Clone, Copy, Debug)]
pub struct NoThreads<P>(pub P);

forward_platform!(
    NoThreads,
    without Caps::THREADS | Caps::THREAD_NAMES | Caps::AFFINITY | Caps::THREAD_SLOTS
);
forward_files!(NoThreads);
forward_net!(NoThreads);

// SAFETY: no thread ever starts, so none is joined.
unsafe impl<P: Platform> Threads for NoThreads<P> {
    type Thread = NoThread;

    unsafe fn spawn(
        &self,
        _options: &ThreadOptions<'_>,
        _entry: ThreadEntry,
        _argument: *mut u8,
    ) -> Result<NoThread> {
        Err(Error::unsupported(Operation::Spawn))
    }

    fn join(&self, thread: NoThread) -> Result<()> {
        match thread {}
    }

    fn set_name(&self, _name: &str) -> Result<()> {
        Err(Error::unsupported(Operation::ThreadName))
    }

    fn set_affinity(&self, _cpus: &CpuSet) -> Result<()> {
        Err(Error::unsupported(Operation::Affinity))
    }

    fn thread_id(&self) -> u64 {
        1
    }

    fn parallelism(&self) -> usize {
        1
    }

    fn yield_now(&self) {}
}

// SAFETY: no slot is ever live.
unsafe impl<P: Platform> ThreadSlots for NoThreads<P> {
    unsafe fn slot_create(&self, _hook: Option<SlotHook>) -> Result<SlotKey> {
        Err(Error::unsupported(Operation::Slot))
    }

    /// Null: no key is live.
    unsafe fn slot_get(&self, _key: SlotKey) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn slot_set(&self, _key: SlotKey, _value: *mut u8) -> Result<()> {
        Err(Error::unsupported(Operation::Slot))
    }

    unsafe fn slot_delete(&self, _key: SlotKey) {}
}
