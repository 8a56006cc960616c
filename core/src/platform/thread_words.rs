//! A few words that each thread has of its own, at a place that a load or two reach: where an allocator keeps its free lists.
//!
//! [`ThreadSlots`](super::ThreadSlots) are for everything else. These words belong to one user in the process, the program's
//! allocator; they cost each thread their size.
#![allow(unsafe_code, reason = "words hold raw pointers")]

/// How many words there are.
pub const THREAD_WORDS: usize = 160;

/// Per-thread words.
///
/// # Safety
/// Implementors promise that, on each thread, the words are null until that thread stores something, that a load
/// gives what that thread stored last, that [`address`](Self::address) is where they are until the thread ends, and that
/// [`mix`](Self::mix) uses a value that no two living threads share and that is a multiple of 16.
pub unsafe trait ThreadWords: Copy + Send + Sync + 'static {
    /// How the words are reached from the calling thread.
    type Base: Copy;

    /// Finds the calling thread's words.
    fn base(self) -> Self::Base;

    /// Reads word `index`.
    ///
    /// # Safety
    /// `base` is the calling thread's and `index` is below [`THREAD_WORDS`].
    unsafe fn load(self, base: Self::Base, index: usize) -> *mut u8;

    /// Writes word `index`.
    ///
    /// # Safety
    /// As for [`load`](Self::load); the words are this caller's to use.
    unsafe fn store(self, base: Self::Base, index: usize, value: *mut u8);

    /// `value` exclusive-or a value that stands for the calling thread.
    fn mix(self, value: usize) -> usize;

    /// The address of the calling thread's words.
    fn address(self) -> *mut *mut u8;
}
