//! Threads of the system.
#![allow(unsafe_code, reason = "a thread's entry takes a raw argument")]

use super::Platform;
use crate::error::Result;
use crate::limits::CPUS_MAX;

/// A set of processors, by the system's numbering.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CpuSet {
    words: [u64; CPUS_MAX / 64],
}

impl CpuSet {
    /// The set of no processor.
    pub const EMPTY: Self = Self {
        words: [0; CPUS_MAX / 64],
    };

    /// Adds processor `index`; false if it is past [`CPUS_MAX`].
    pub fn insert(&mut self, index: usize) -> bool {
        match self.words.get_mut(index / 64) {
            Some(word) => {
                *word |= 1 << (index % 64);
                true
            }
            None => false,
        }
    }

    /// Whether processor `index` is in the set.
    #[must_use]
    pub fn contains(&self, index: usize) -> bool {
        self.words
            .get(index / 64)
            .is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    /// How many processors are in the set.
    #[must_use]
    pub fn count(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// The processors of the set in rising order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..CPUS_MAX).filter(|&index| self.contains(index))
    }
}

impl core::fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// How to start a thread.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ThreadOptions<'a> {
    /// Name in debuggers and process listings; see
    /// [`THREAD_NAME_BYTES_MAX`](crate::limits::THREAD_NAME_BYTES_MAX). Default: none.
    pub name: Option<&'a str>,
    /// Stack size in bytes, rounded up to what the system wants. Default 0: the system's own.
    pub stack_bytes: usize,
    /// Processors to run on. Default: all that the process may use.
    pub affinity: Option<&'a CpuSet>,
}

impl<'a> ThreadOptions<'a> {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            name: None,
            stack_bytes: 0,
            affinity: None,
        }
    }

    /// Sets the name.
    #[must_use]
    pub const fn with_name(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    /// Sets the stack size in bytes.
    #[must_use]
    pub const fn with_stack_bytes(mut self, bytes: usize) -> Self {
        self.stack_bytes = bytes;
        self
    }

    /// Sets the processors to run on.
    #[must_use]
    pub const fn with_affinity(mut self, cpus: &'a CpuSet) -> Self {
        self.affinity = Some(cpus);
        self
    }
}

/// What a new thread runs.
pub type ThreadEntry = unsafe extern "C" fn(argument: *mut u8);

/// Starts and joins threads.
///
/// # Safety
/// Implementors promise that a `spawn` calls the entry once if it succeeds and never if it fails, and that a `join` which succeeds
/// returns after the thread's end.
pub unsafe trait Threads: Platform {
    /// A started thread that nobody has joined. Dropping it detaches the thread.
    type Thread: Send + core::fmt::Debug + 'static;

    /// Starts a thread that runs `entry(argument)`. Everything the caller wrote before is visible to it. The
    /// entry must not unwind: a panic that reaches it ends the process.
    ///
    /// # Errors
    /// `Limit` or `OutOfMemory` when the system has no room for a thread, `InvalidInput` for a stack size or
    /// affinity that cannot be had, `Unsupported` for an affinity without
    /// [`Caps::AFFINITY`](super::Caps::AFFINITY); then nothing was started.
    ///
    /// # Safety
    /// `entry` may be called once with `argument` on another thread, at any time until the thread is
    /// joined or, if it is detached, for ever.
    unsafe fn spawn(
        &self,
        options: &ThreadOptions<'_>,
        entry: ThreadEntry,
        argument: *mut u8,
    ) -> Result<Self::Thread>;

    /// Waits for the thread to end, its slots' exit hooks included. Everything it wrote is visible to the caller.
    ///
    /// # Errors
    /// `InvalidInput` if a thread joins itself.
    fn join(&self, thread: Self::Thread) -> Result<()>;

    /// Names the calling thread. Longer names are cut at a character boundary.
    ///
    /// # Errors
    /// `Unsupported` without [`Caps::THREAD_NAMES`](super::Caps::THREAD_NAMES); `InvalidInput` for a NUL.
    fn set_name(&self, name: &str) -> Result<()>;

    /// Binds the calling thread to `cpus`.
    ///
    /// # Errors
    /// `InvalidInput` if no processor of the set can be used; `Unsupported` without
    /// [`Caps::AFFINITY`](super::Caps::AFFINITY).
    fn set_affinity(&self, cpus: &CpuSet) -> Result<()>;

    /// A number that no other live thread of the process has; never 0.
    fn thread_id(&self) -> u64;

    /// How many threads can run at once here, at least 1, as the process's affinity allows.
    fn parallelism(&self) -> usize;

    /// Lets another thread run.
    fn yield_now(&self);

    /// Has every other thread of the process pass a sequentially consistent fence, wherever it is, before this returns, and the
    /// caller too. False if the system cannot, and then no thread did; the answer is the same at each call.
    /// (Save that a program may forbid itself the call while it runs; a pool then goes on without it.)
    ///
    /// It is the dear side of an asymmetric fence, some microseconds and an interrupt to each processor; the cheap
    /// side is [`light_fence`](crate::sync::light_fence).
    fn fence_others(&self) -> bool {
        false
    }
}
