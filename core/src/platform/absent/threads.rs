//! No threads but the one that runs.
#![allow(unsafe_code, reason = "forwards unsafe traits")]

use super::forward::{forward_files, forward_net, forward_platform, forward_thread_slots};
use crate::error::{Error, Operation, Result};
use crate::platform::{
    Caps, Clock, ClockId, CpuSet, Entropy, Instant, Memory, MemoryInfo, Park, Platform, Protection,
    ThreadEntry, ThreadOptions, Threads, Woken,
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

forward_platform!(NoThreads, without Caps::THREADS | Caps::THREAD_NAMES | Caps::AFFINITY);
forward_thread_slots!(NoThreads);
forward_files!(NoThreads);
forward_net!(NoThreads);

impl<P: Platform> Threads for NoThreads<P> {
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
