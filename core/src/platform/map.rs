//! Files in memory.
#![allow(unsafe_code, reason = "a mapping is raw memory that others can change")]

use super::file::Files;
use crate::error::Result;

/// What a mapping may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapAccess {
    /// Reading; a write faults.
    Read,
    /// Reading and writing; writes reach the file and every other mapping of it.
    ReadWrite,
}

/// The bytes of a mapping. Dropping it unmaps; what was written stays in the file.
///
/// # Safety
/// The pointer and length are those of memory that stays mapped until the value is dropped.
pub unsafe trait MappedBytes: Send + Sync + core::fmt::Debug + 'static {
    /// The first byte.
    fn as_ptr(&self) -> *const u8;
    /// The first byte, for writing; null for a mapping that may only be read.
    fn as_mut_ptr(&self) -> *mut u8;
    /// Length in bytes.
    fn len(&self) -> usize;
    /// Whether it has no bytes. A mapping never has none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Maps files into memory.
pub trait Map: Files {
    /// A mapping.
    type Mapping: MappedBytes;

    /// Maps `bytes` of `file` from `offset`, a multiple of [`MemoryInfo::granularity_bytes`](super::MemoryInfo).
    /// The range must lie within the file. The mapping lives on when the file is closed or its name removed.
    ///
    /// # Errors
    /// `InvalidInput` for a range that is empty, misaligned or past the end; `OutOfMemory`;
    /// `PermissionDenied` if the file was not opened for such an access; `Unsupported`.
    ///
    /// # Safety
    /// While the mapping lives, nobody cuts the file short of it (access would fault), and whoever makes a
    /// reference to its bytes knows that no one, in any process, writes those bytes meanwhile.
    unsafe fn map(
        &self,
        file: &Self::File,
        offset: u64,
        bytes: usize,
        access: MapAccess,
    ) -> Result<Self::Mapping>;

    /// Writes `bytes` from `offset` within the mapping back to the file and waits for it. Durable as after
    /// [`Durability::Data`](super::Durability::Data).
    ///
    /// # Errors
    /// `Io`; `InvalidInput` for a range outside the mapping.
    fn flush_map(&self, mapping: &Self::Mapping, offset: usize, bytes: usize) -> Result<()>;
}
