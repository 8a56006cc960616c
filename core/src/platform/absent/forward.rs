//! Writes the implementations that only pass a call on.
#![forbid(unsafe_code)]

/// `Memory` by a field.
macro_rules! forward_memory {
    ([$($generics:tt)*] $type:ty, $field:tt) => {
        // SAFETY: forwards to a part that keeps the contract, with the caller's own promises.
        unsafe impl<$($generics)*> Memory for $type {
            fn memory_info(&self) -> MemoryInfo {
                self.$field.memory_info()
            }
            fn reserve(&self, bytes: usize, align: usize) -> Result<NonNull<u8>> {
                self.$field.reserve(bytes, align)
            }
            unsafe fn commit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
                // SAFETY: the caller's promise.
                unsafe { self.$field.commit(at, bytes) }
            }
            unsafe fn decommit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
                // SAFETY: the caller's promise.
                unsafe { self.$field.decommit(at, bytes) }
            }
            unsafe fn release(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
                // SAFETY: the caller's promise.
                unsafe { self.$field.release(at, bytes) }
            }
            unsafe fn protect(&self, at: NonNull<u8>, bytes: usize, protection: Protection) -> Result<()> {
                // SAFETY: the caller's promise.
                unsafe { self.$field.protect(at, bytes, protection) }
            }
            unsafe fn advise_huge(&self, at: NonNull<u8>, bytes: usize, on: bool) -> Result<()> {
                // SAFETY: the caller's promise.
                unsafe { self.$field.advise_huge(at, bytes, on) }
            }
        }
    };
}

/// The base traits and `Platform` by field 0, with some capability bits taken away.
macro_rules! forward_platform {
    ($type:ident, without $caps:expr) => {
        impl<P: Platform> Clock for $type<P> {
            fn now(&self, id: ClockId) -> Instant {
                self.0.now(id)
            }
            fn resolution_ns(&self, id: ClockId) -> u64 {
                self.0.resolution_ns(id)
            }
        }
        // SAFETY: forwards to a platform that keeps the contract.
        unsafe impl<P: Platform> Entropy for $type<P> {
            fn fill(&self, bytes: &mut [MaybeUninit<u8>]) -> Result<()> {
                self.0.fill(bytes)
            }
        }
        super::forward::forward_memory!([P: Platform] $type<P>, 0);
        impl<P: Platform> Park for $type<P> {
            fn wait(&self, word: &AtomicU32, expected: u32, until: Option<Instant>) -> Woken {
                self.0.wait(word, expected, until)
            }
            fn wake(&self, word: *const AtomicU32, count: u32) -> u32 {
                self.0.wake(word, count)
            }
        }
        impl<P: Platform> Platform for $type<P> {
            const NAME: &'static str = P::NAME;
            fn caps(&self) -> Caps {
                self.0.caps() - $caps
            }
            fn fatal(&self, message: &str) -> ! {
                self.0.fatal(message)
            }
        }
    };
}

pub(super) use {forward_memory, forward_platform};
