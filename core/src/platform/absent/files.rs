//! No files.
#![allow(unsafe_code, reason = "implements and forwards unsafe traits")]

use super::forward::{forward_net, forward_platform, forward_threads};
use crate::error::{Error, Operation, Result};
use crate::platform::{
    Caps, Clock, ClockId, DirectoryEntry, Durability, Entropy, Files, Instant, LockKind, Map,
    MapAccess, MappedBytes, Memory, MemoryInfo, Metadata, OpenOptions, Park, Platform, Protection,
    Woken,
};
use crate::sync::atomic::AtomicU32;
use core::mem::MaybeUninit;
use core::ops::ControlFlow;
use core::ptr::NonNull;

/// A file that cannot exist.
#[derive(Debug)]
pub enum NoFile {}

/// A mapping that cannot exist.
#[derive(Debug)]
pub enum NoMapping {}

// SAFETY: there is no value to promise anything about.
unsafe impl MappedBytes for NoMapping {
    fn as_ptr(&self) -> *const u8 {
        match *self {}
    }
    fn as_mut_ptr(&self) -> *mut u8 {
        match *self {}
    }
    fn len(&self) -> usize {
        match *self {}
    }
}

/// A platform without a file system: every call is `Unsupported`.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles<P>(pub P);

forward_platform!(NoFiles, without Caps::FILES
    | Caps::PREALLOCATE
    | Caps::PUNCH
    | Caps::SYNC_DIRECTORY
    | Caps::SYNC_BARRIER
    | Caps::SYNC_FULL
    | Caps::HARD_LINKS
    | Caps::LOCKS
    | Caps::MAP);
forward_threads!(NoFiles);
forward_net!(NoFiles);

// SAFETY: no read ever succeeds.
unsafe impl<P: Platform> Files for NoFiles<P> {
    type File = NoFile;

    fn open(&self, _path: &[u8], _options: &OpenOptions) -> Result<NoFile> {
        Err(Error::unsupported(Operation::Open))
    }
    fn close(&self, file: NoFile) -> Result<()> {
        match file {}
    }
    fn read_at(&self, file: &NoFile, _buffer: &mut [MaybeUninit<u8>], _at: u64) -> Result<usize> {
        match *file {}
    }
    fn write_at(&self, file: &NoFile, _bytes: &[u8], _offset: u64) -> Result<usize> {
        match *file {}
    }
    fn append(&self, file: &NoFile, _bytes: &[u8]) -> Result<usize> {
        match *file {}
    }
    fn file_metadata(&self, file: &NoFile) -> Result<Metadata> {
        match *file {}
    }
    fn metadata(&self, _path: &[u8]) -> Result<Metadata> {
        Err(Error::unsupported(Operation::Metadata))
    }
    fn set_length(&self, file: &NoFile, _bytes: u64) -> Result<()> {
        match *file {}
    }
    fn preallocate(&self, file: &NoFile, _offset: u64, _bytes: u64) -> Result<()> {
        match *file {}
    }
    fn punch(&self, file: &NoFile, _offset: u64, _bytes: u64) -> Result<()> {
        match *file {}
    }
    fn sync(&self, file: &NoFile, _level: Durability) -> Result<Durability> {
        match *file {}
    }
    fn sync_directory(&self, _path: &[u8]) -> Result<()> {
        Err(Error::unsupported(Operation::SyncDirectory))
    }
    fn rename(&self, _from: &[u8], _to: &[u8]) -> Result<()> {
        Err(Error::unsupported(Operation::Rename))
    }
    fn hard_link(&self, _existing: &[u8], _new: &[u8]) -> Result<()> {
        Err(Error::unsupported(Operation::HardLink))
    }
    fn remove_file(&self, _path: &[u8]) -> Result<()> {
        Err(Error::unsupported(Operation::RemoveFile))
    }
    fn create_directory(&self, _path: &[u8]) -> Result<()> {
        Err(Error::unsupported(Operation::CreateDirectory))
    }
    fn remove_directory(&self, _path: &[u8]) -> Result<()> {
        Err(Error::unsupported(Operation::RemoveDirectory))
    }
    fn list(
        &self,
        _path: &[u8],
        _visit: &mut dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        Err(Error::unsupported(Operation::List))
    }
    fn lock(&self, file: &NoFile, _kind: LockKind) -> Result<()> {
        match *file {}
    }
    fn unlock(&self, file: &NoFile) -> Result<()> {
        match *file {}
    }
}

impl<P: Platform> Map for NoFiles<P> {
    type Mapping = NoMapping;

    unsafe fn map(
        &self,
        file: &NoFile,
        _offset: u64,
        _bytes: usize,
        _access: MapAccess,
    ) -> Result<NoMapping> {
        match *file {}
    }
    fn flush_map(&self, mapping: &NoMapping, _offset: usize, _bytes: usize) -> Result<()> {
        match *mapping {}
    }
}
