//! Threads and slots of a layered platform.
#![allow(unsafe_code, reason = "forwards unsafe methods")]

use super::layered::{Call, Layer, Layered};
use crate::error::{Operation, Result};
use crate::platform::{
    CpuSet, SlotHook, SlotKey, ThreadEntry, ThreadOptions, ThreadSlots, Threads,
};

// SAFETY: a call either reaches the inner platform, which keeps the contract, or fails and starts or joins nothing.
unsafe impl<P: Threads, L: Layer> Threads for Layered<P, L> {
    type Thread = P::Thread;

    unsafe fn spawn(
        &self,
        options: &ThreadOptions<'_>,
        entry: ThreadEntry,
        argument: *mut u8,
    ) -> Result<P::Thread> {
        // SAFETY: the caller's promise.
        self.pass(Call::of(Operation::Spawn), |inner| unsafe {
            inner.spawn(options, entry, argument)
        })
    }
    /// A fault injected here leaves the thread detached, as any failed join does.
    fn join(&self, thread: P::Thread) -> Result<()> {
        self.pass(Call::of(Operation::Join), |inner| inner.join(thread))
    }
    fn set_name(&self, name: &str) -> Result<()> {
        self.pass(Call::of(Operation::ThreadName), |inner| {
            inner.set_name(name)
        })
    }
    fn set_affinity(&self, cpus: &CpuSet) -> Result<()> {
        self.pass(Call::of(Operation::Affinity), |inner| {
            inner.set_affinity(cpus)
        })
    }
    fn thread_id(&self) -> u64 {
        self.inner().thread_id()
    }
    fn parallelism(&self) -> usize {
        self.inner().parallelism()
    }
    fn yield_now(&self) {
        self.inner().yield_now();
    }
    fn fence_others(&self) -> bool {
        self.inner().fence_others()
    }
}

// SAFETY: as above; values are the inner platform's.
unsafe impl<P: ThreadSlots, L: Layer> ThreadSlots for Layered<P, L> {
    unsafe fn slot_create(&self, hook: Option<SlotHook>) -> Result<SlotKey> {
        // SAFETY: the caller's promise.
        self.pass(Call::of(Operation::Slot), |inner| unsafe {
            inner.slot_create(hook)
        })
    }
    unsafe fn slot_get(&self, key: SlotKey) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.inner().slot_get(key) }
    }
    unsafe fn slot_set(&self, key: SlotKey, value: *mut u8) -> Result<()> {
        // SAFETY: the caller's promise.
        self.pass(Call::of(Operation::Slot), |inner| unsafe {
            inner.slot_set(key, value)
        })
    }
    unsafe fn slot_delete(&self, key: SlotKey) {
        // SAFETY: the caller's promise.
        unsafe { self.inner().slot_delete(key) }
    }
}
