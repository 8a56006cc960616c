//! The base traits of a layered platform.
#![allow(unsafe_code, reason = "forwards unsafe traits")]

use super::layered::{Call, Layer, Layered};
use crate::error::{Operation, Result};
use crate::platform::{
    Caps, Clock, ClockId, Entropy, Instant, Memory, MemoryInfo, Park, Platform, Protection, Woken,
};
use crate::sync::atomic::AtomicU32;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

impl<P: Clock, L: Layer> Clock for Layered<P, L> {
    fn now(&self, id: ClockId) -> Instant {
        self.observe(Call::of(Operation::Clock), |inner| inner.now(id))
    }
    fn resolution_ns(&self, id: ClockId) -> u64 {
        self.inner().resolution_ns(id)
    }
}

// SAFETY: succeeds only if the inner fill did, with the same buffer.
unsafe impl<P: Entropy, L: Layer> Entropy for Layered<P, L> {
    fn fill(&self, bytes: &mut [MaybeUninit<u8>]) -> Result<()> {
        self.pass(
            Call::over(Operation::Entropy, 0, bytes.len() as u64),
            |inner| inner.fill(bytes),
        )
    }
}

// SAFETY: a call either reaches the inner memory, which keeps the contract, or fails and changes nothing.
unsafe impl<P: Memory, L: Layer> Memory for Layered<P, L> {
    fn memory_info(&self) -> MemoryInfo {
        self.inner().memory_info()
    }
    fn reserve(&self, bytes: usize, align: usize) -> Result<NonNull<u8>> {
        let call = Call::over(Operation::Reserve, 0, bytes as u64);
        self.pass(call, |inner| inner.reserve(bytes, align))
    }
    unsafe fn commit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        let call = Call::over(Operation::Commit, 0, bytes as u64);
        // SAFETY: the caller's promise.
        self.pass(call, |inner| unsafe { inner.commit(at, bytes) })
    }
    unsafe fn decommit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        let call = Call::over(Operation::Decommit, 0, bytes as u64);
        // SAFETY: the caller's promise.
        self.pass(call, |inner| unsafe { inner.decommit(at, bytes) })
    }
    unsafe fn release(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        let call = Call::over(Operation::Release, 0, bytes as u64);
        // SAFETY: the caller's promise.
        self.pass(call, |inner| unsafe { inner.release(at, bytes) })
    }
    unsafe fn protect(&self, at: NonNull<u8>, bytes: usize, protection: Protection) -> Result<()> {
        let call = Call::over(Operation::Protect, 0, bytes as u64);
        // SAFETY: the caller's promise.
        self.pass(call, |inner| unsafe {
            inner.protect(at, bytes, protection)
        })
    }
    unsafe fn advise_huge(&self, at: NonNull<u8>, bytes: usize, on: bool) -> Result<()> {
        let call = Call::over(Operation::AdviseHuge, 0, bytes as u64);
        // SAFETY: the caller's promise.
        self.pass(call, |inner| unsafe { inner.advise_huge(at, bytes, on) })
    }
    unsafe fn discard(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        let call = Call::over(Operation::Discard, 0, bytes as u64);
        // SAFETY: the caller's promise.
        self.pass(call, |inner| unsafe { inner.discard(at, bytes) })
    }
    unsafe fn move_pages(&self, from: NonNull<u8>, to: NonNull<u8>, bytes: usize) -> Result<()> {
        let call = Call::over(Operation::MovePages, 0, bytes as u64);
        // SAFETY: the caller's promise.
        self.pass(call, |inner| unsafe { inner.move_pages(from, to, bytes) })
    }
}

impl<P: Park, L: Layer> Park for Layered<P, L> {
    fn wait(&self, word: &AtomicU32, expected: u32, until: Option<Instant>) -> Woken {
        self.observe(Call::of(Operation::ParkWait), |inner| {
            inner.wait(word, expected, until)
        })
    }
    fn wake(&self, word: *const AtomicU32, count: u32) -> u32 {
        self.observe(Call::of(Operation::ParkWake), |inner| {
            inner.wake(word, count)
        })
    }
}

impl<P: Platform, L: Layer> Platform for Layered<P, L> {
    const NAME: &'static str = P::NAME;

    fn caps(&self) -> Caps {
        self.inner().caps()
    }
    fn fatal(&self, message: &str) -> ! {
        self.inner().fatal(message)
    }
}
