//! Address space and the memory behind it, in two steps: reserve addresses, then commit memory to them.
//!
//! ```text
//!            reserve                commit
//!  (nothing) -------> [reserved] ----------> [committed: readable, writable]
//!                        ^  ^                   |
//!                        |  +----- decommit ----+
//!                        release of the whole reservation from any state
//! ```
#![allow(unsafe_code, reason = "the trait's contract is about raw memory")]

use crate::error::{Error, Operation, Result};
use core::ptr::NonNull;

/// Sizes that a [`Memory`] works in. All are powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryInfo {
    /// Commit, decommit and protect work in multiples of this.
    pub page_bytes: usize,
    /// Reservations are multiples of this and start at one (64 KiB on Windows, a page elsewhere).
    pub granularity_bytes: usize,
    /// The size of a huge page, or 0 where there are none.
    pub huge_page_bytes: usize,
}

/// What a page may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protection {
    /// Any access faults: a guard page.
    None,
    /// Writes fault.
    Read,
    /// The state after commit.
    ReadWrite,
}

/// Reserves, commits and releases memory.
///
/// # Safety
///
/// Implementors promise that
/// 1. a reservation overlaps no other live reservation and no other object of the program;
/// 2. after a successful `commit`, and until `decommit` or `release`, the range is readable and writable;
/// 3. bytes read as zero after the first `commit` and after a `decommit` followed by a `commit`;
///    committing what is committed changes nothing;
/// 4. any thread may use any range.
pub unsafe trait Memory {
    /// The sizes to work in; the same at every call.
    fn memory_info(&self) -> MemoryInfo;

    /// Reserves `bytes` of address space aligned to `align` and backed by nothing. Touching it
    /// before a commit is undefined.
    ///
    /// # Errors
    /// `InvalidInput` if `bytes` is zero or no multiple of the granularity, or `align` no power of two;
    /// `OutOfMemory` if there is no such space.
    fn reserve(&self, bytes: usize, align: usize) -> Result<NonNull<u8>>;

    /// Makes `bytes` from `at` readable and writable.
    ///
    /// # Errors
    /// `OutOfMemory`; the range is then as before. `InvalidInput` if `at` or `bytes` are not page multiples
    /// or `bytes` is zero.
    ///
    /// # Safety
    /// The range lies within one live reservation.
    unsafe fn commit(&self, at: NonNull<u8>, bytes: usize) -> Result<()>;

    /// Gives the memory of `bytes` from `at` back to the system and keeps the addresses. Contents are lost.
    ///
    /// # Errors
    /// `InvalidInput` as for commit.
    ///
    /// # Safety
    /// The range lies within one live reservation and nothing refers into it any more.
    unsafe fn decommit(&self, at: NonNull<u8>, bytes: usize) -> Result<()>;

    /// Gives a whole reservation back: memory and addresses.
    ///
    /// # Errors
    /// `InvalidInput` where the platform can tell that `at` and `bytes` are not a reservation.
    ///
    /// # Safety
    /// `at` and `bytes` are those of one live reservation; nothing refers into it any more.
    unsafe fn release(&self, at: NonNull<u8>, bytes: usize) -> Result<()>;

    /// Changes what `bytes` of committed memory from `at` may be used for.
    ///
    /// # Errors
    /// `Unsupported` (the default); `InvalidInput` as for commit.
    ///
    /// # Safety
    /// The range lies within one live reservation and is committed; accesses that the new protection
    /// forbids do not happen.
    unsafe fn protect(&self, at: NonNull<u8>, bytes: usize, protection: Protection) -> Result<()> {
        let _ = (at, bytes, protection);
        Err(Error::unsupported(Operation::Protect))
    }

    /// Asks for huge pages (or, with `on` false, for none) in `bytes` from `at`. A hint: success means that
    /// the system heard it. Contents and state do not change.
    ///
    /// # Errors
    /// `Unsupported` (the default); `InvalidInput` as for commit.
    ///
    /// # Safety
    /// The range lies within one live reservation.
    unsafe fn advise_huge(&self, at: NonNull<u8>, bytes: usize, on: bool) -> Result<()> {
        let _ = (at, bytes, on);
        Err(Error::unsupported(Operation::AdviseHuge))
    }

    /// Gives the memory of `bytes` from `at` back to the system and leaves the range committed: it reads as zero and is
    /// backed again at the next touch.
    ///
    /// The default is a decommit and a commit; systems have something that changes no access rights.
    ///
    /// # Errors
    /// `InvalidInput` as for commit. After any other error the contents are unspecified, and the range is committed or not.
    ///
    /// # Safety
    /// The range lies within one live reservation and is committed; nothing needs its contents.
    unsafe fn discard(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        // SAFETY: the caller's promises are those of both calls.
        unsafe {
            self.decommit(at, bytes)?;
            self.commit(at, bytes)
        }
    }

    /// Moves the contents of `bytes` from `from` to `to` by moving pages, without a copy; what was at `from` then reads as zero.
    ///
    /// # Errors
    /// `Unsupported` (the default); `InvalidInput` as for commit. After an error nothing has changed.
    ///
    /// # Safety
    /// Both ranges are committed and lie within live reservations; they do not overlap; nothing needs the contents of `to`.
    unsafe fn move_pages(&self, from: NonNull<u8>, to: NonNull<u8>, bytes: usize) -> Result<()> {
        let _ = (from, to, bytes);
        Err(Error::unsupported(Operation::MovePages))
    }
}
