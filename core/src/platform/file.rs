//! Files and directories, stated as contracts: what is durable after which call, what may be short or torn.
//!
//! # Durability
//!
//! A write that returned is seen by every later read of any process, and survives the end of the process, but
//! not a loss of power. Until a [`sync`](Files::sync) of that file returned, a power loss may keep, drop or
//! tear any unsynced write, in any order, at the granularity of a sector (512 bytes). A new, renamed or removed
//! *name* is durable only once its directory is synced as well ([`sync_directory`](Files::sync_directory)). A
//! `sync` that failed says nothing about what reached the disk, and later syncs that succeed do not make good
//! what it lost: treat the file as damaged.
#![allow(
    unsafe_code,
    reason = "a successful read is a promise about initialised bytes"
)]

use super::Platform;
use crate::error::{Error, Operation, Result};
use core::mem::MaybeUninit;
use core::ops::ControlFlow;

/// What an open file may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Writing only.
    Write,
    /// Both.
    ReadWrite,
}

/// What to do about a file that is, or is not, there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// It must exist: else `NotFound`.
    Existing,
    /// Made if it does not exist.
    IfMissing,
    /// It must not exist: else `AlreadyExists`. Two racing callers cannot both succeed.
    New,
}

/// How to open a file. Handles are never inherited by child processes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Reading, writing or both. Default: reading.
    pub access: Access,
    /// Whether the file must, may or must not exist. Default: must.
    pub create: Create,
    /// Cut an existing file to length 0. Needs write access. Default: no.
    pub truncate: bool,
    /// The file is written by [`Files::append`] only; [`Files::write_at`] is refused. Default: no.
    pub append: bool,
}

impl OpenOptions {
    /// An existing file, for reading.
    #[must_use]
    pub const fn read() -> Self {
        Self {
            access: Access::Read,
            create: Create::Existing,
            truncate: false,
            append: false,
        }
    }

    /// An existing file, for reading and writing.
    #[must_use]
    pub const fn read_write() -> Self {
        Self {
            access: Access::ReadWrite,
            ..Self::read()
        }
    }

    /// Sets whether the file must, may or must not exist.
    #[must_use]
    pub const fn with_create(mut self, create: Create) -> Self {
        self.create = create;
        self
    }

    /// Cuts an existing file to length 0.
    #[must_use]
    pub const fn with_truncate(mut self) -> Self {
        self.truncate = true;
        self
    }

    /// Opens for appending.
    #[must_use]
    pub const fn with_append(mut self) -> Self {
        self.append = true;
        self
    }

    /// Whether the combination makes sense: truncating and appending need write access, and
    /// one excludes nothing of the other.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        !(matches!(self.access, Access::Read)
            && (self.truncate || self.append || !matches!(self.create, Create::Existing)))
    }
}

/// How durable a sync makes what was written before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Contents, and the metadata needed to read them, are handed to the device; its volatile cache may
    /// still hold them where the system offers nothing better (`fdatasync`).
    Data,
    /// As data; and the device does not reorder them with later writes (`F_BARRIERFSYNC`).
    Barrier,
    /// Contents and all metadata are on the medium (`fsync` on Linux, `F_FULLFSYNC`, `FlushFileBuffers`).
    Full,
}

/// An advisory lock's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Excludes exclusive holders.
    Shared,
    /// Excludes every other holder.
    Exclusive,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, pipe, socket, or something the listing does not tell.
    Other,
}

/// A file's size, kind and identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// Length in bytes.
    pub bytes: u64,
    /// Kind.
    pub kind: FileKind,
    /// Last change of the contents, in nanoseconds since 1970; 0 where unknown.
    pub modified_ns: u64,
    /// Number that tells this file from every other on the same device.
    pub id: u64,
    /// Names that the file has.
    pub link_count: u64,
}

impl Metadata {
    /// For implementors.
    #[must_use]
    pub const fn new(
        bytes: u64,
        kind: FileKind,
        modified_ns: u64,
        id: u64,
        link_count: u64,
    ) -> Self {
        Self {
            bytes,
            kind,
            modified_ns,
            id,
            link_count,
        }
    }
}

/// A directory entry.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DirectoryEntry<'a> {
    /// The name alone, without the directory.
    pub name: &'a [u8],
    /// The kind, without following links.
    pub kind: FileKind,
}

impl<'a> DirectoryEntry<'a> {
    /// For implementors.
    #[must_use]
    pub const fn new(name: &'a [u8], kind: FileKind) -> Self {
        Self { name, kind }
    }
}

/// Files, directories, durability and advisory locks.
///
/// # Safety
/// A `read_at` that returns `Ok(n)` has `n <= buffer.len()` and has initialised the first `n` bytes; a `read_vectored_at` the
/// same of its buffers, taken as one. Neither leaves a byte uninitialised that was initialised before, also when it fails.
pub unsafe trait Files: Platform {
    /// An open file. Dropping it closes it and swallows the error; [`close`](Self::close) reports it.
    type File: Send + Sync + core::fmt::Debug + 'static;

    /// Opens `path`.
    ///
    /// # Errors
    /// `InvalidInput` for options that contradict each other ([`OpenOptions::is_valid`]); `NotFound`,
    /// `AlreadyExists`, `PermissionDenied`; `IsADirectory` or `PermissionDenied` for a directory opened
    /// for writing; `NoSpace`, `TooManyHandles`.
    fn open(&self, path: &[u8], options: &OpenOptions) -> Result<Self::File>;

    /// Closes `file` and reports what the system has to say. The handle is gone either way.
    ///
    /// # Errors
    /// `Io` or `NoSpace` for writes that the system had put off.
    fn close(&self, file: Self::File) -> Result<()>;

    /// Reads at `offset` into `buffer` and returns how many bytes: at least 1 unless the buffer is empty or
    /// `offset` is at or past the end. May be short for no reason. Moves no cursor: any number of threads
    /// may read one file.
    ///
    /// # Errors
    /// `Io`; `InvalidInput` or `PermissionDenied` for a file that is not open for reading.
    fn read_at(
        &self,
        file: &Self::File,
        buffer: &mut [MaybeUninit<u8>],
        offset: u64,
    ) -> Result<usize>;

    /// As [`read_at`](Self::read_at), into several buffers in turn. The default fills the first that is not empty.
    /// The first `n` bytes of the buffers, taken as one, are initialised.
    ///
    /// # Errors
    /// As `read_at`.
    fn read_vectored_at(
        &self,
        file: &Self::File,
        buffers: &mut [&mut [MaybeUninit<u8>]],
        offset: u64,
    ) -> Result<usize> {
        match buffers.iter_mut().find(|buffer| !buffer.is_empty()) {
            Some(buffer) => self.read_at(file, buffer, offset),
            None => Ok(0),
        }
    }

    /// Writes at `offset` and returns how many bytes, at least 1 unless `bytes` is empty. May be short. Writing past
    /// the end extends the file; a gap reads as zeros.
    ///
    /// # Errors
    /// `NoSpace`, `Io`, `FileTooLarge`; `InvalidInput` for a file opened for appending (on Linux such a write would
    /// ignore the offset); `PermissionDenied` or `InvalidInput` for one not open for writing. After an error an
    /// unknown part may have been written.
    fn write_at(&self, file: &Self::File, bytes: &[u8], offset: u64) -> Result<usize>;

    /// As [`write_at`](Self::write_at), from several slices in turn. The default writes the first that is not empty.
    ///
    /// # Errors
    /// As `write_at`.
    fn write_vectored_at(&self, file: &Self::File, slices: &[&[u8]], offset: u64) -> Result<usize> {
        match slices.iter().find(|slice| !slice.is_empty()) {
            Some(slice) => self.write_at(file, slice, offset),
            None => Ok(0),
        }
    }

    /// Writes at the end, wherever that is at that moment, and returns how many bytes. Appends of several
    /// handles and processes do not overlap.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at); `InvalidInput` for a file not opened for appending.
    fn append(&self, file: &Self::File, bytes: &[u8]) -> Result<usize>;

    /// The size and kind of an open file.
    ///
    /// # Errors
    /// `Io`.
    fn file_metadata(&self, file: &Self::File) -> Result<Metadata>;

    /// The size and kind of what `path` names, following links.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied`.
    fn metadata(&self, path: &[u8]) -> Result<Metadata>;

    /// Makes the file `bytes` long: cut, or extended with zeros.
    ///
    /// # Errors
    /// `NoSpace`, `FileTooLarge`, `Io`; `InvalidInput` or `PermissionDenied` for a file not open for writing.
    fn set_length(&self, file: &Self::File, bytes: u64) -> Result<()>;

    /// Reserves disk space for `bytes` from `offset`, so that writes there do not fail for want of space.
    /// The length grows to cover the range; new bytes read as zeros. For no bytes nothing happens.
    ///
    /// # Errors
    /// `NoSpace`; `Unsupported`.
    fn preallocate(&self, file: &Self::File, offset: u64, bytes: u64) -> Result<()>;

    /// Gives back the disk space of `bytes` from `offset`, which then read as zeros. The length does not change.
    /// For no bytes nothing happens.
    ///
    /// # Errors
    /// `Unsupported`.
    fn punch(&self, file: &Self::File, offset: u64, bytes: u64) -> Result<()>;

    /// Makes all that was written to this file before, through any handle, durable at `level` or a stronger
    /// one, and returns the level reached. The file's own length counts as data.
    ///
    /// # Errors
    /// `Io`, `NoSpace`: see the module on what a failed sync means.
    fn sync(&self, file: &Self::File, level: Durability) -> Result<Durability>;

    /// Makes the entries of directory `path` durable: names made, renamed and removed in it.
    ///
    /// # Errors
    /// `NotFound`; `Io`; `Unsupported` where the system has no such call.
    fn sync_directory(&self, path: &[u8]) -> Result<()>;

    /// Gives `from` the name `to`, replacing a file of that name in one step: at every moment, also after
    /// a power loss, `to` is the old or the new file, whole.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied`, `CrossDevice`, `IsADirectory`, `NotADirectory`, `DirectoryNotEmpty`.
    fn rename(&self, from: &[u8], to: &[u8]) -> Result<()>;

    /// Gives the file `existing` the second name `new`.
    ///
    /// # Errors
    /// `AlreadyExists`, `NotFound`, `CrossDevice`, `Unsupported`.
    fn hard_link(&self, existing: &[u8], new: &[u8]) -> Result<()>;

    /// Removes the name of a file. Handles that are open go on working.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied`, `IsADirectory` (or `PermissionDenied`) for a directory.
    fn remove_file(&self, path: &[u8]) -> Result<()>;

    /// Makes a directory; its parent must exist.
    ///
    /// # Errors
    /// `AlreadyExists`, `NotFound`, `PermissionDenied`, `NoSpace`.
    fn create_directory(&self, path: &[u8]) -> Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// `NotFound`, `DirectoryNotEmpty`, `NotADirectory`.
    fn remove_directory(&self, path: &[u8]) -> Result<()>;

    /// Calls `visit` for each entry of directory `path`, in no particular order, `.` and `..` left out, until it breaks.
    /// Entries made or removed meanwhile may or may not be seen; every other one is seen once.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, `PermissionDenied`.
    fn list(
        &self,
        path: &[u8],
        visit: &mut dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
    ) -> Result<()>;

    /// Takes an advisory lock on the whole file without waiting. It belongs to the handle, also against other handles of the
    /// same process; it ends with [`unlock`](Self::unlock), with the handle, or with the process.
    ///
    /// # Errors
    /// `Busy` if another handle's lock excludes it; `Unsupported`.
    fn lock(&self, file: &Self::File, kind: LockKind) -> Result<()>;

    /// Gives the lock back. Without one, nothing happens.
    ///
    /// # Errors
    /// `Unsupported`.
    fn unlock(&self, file: &Self::File) -> Result<()>;

    /// Reads exactly `buffer.len()` bytes at `offset`.
    ///
    /// # Errors
    /// `UnexpectedEnd` if the file ends before; else as [`read_at`](Self::read_at). The contents of `buffer` are then unspecified.
    fn read_exact_at(&self, file: &Self::File, buffer: &mut [u8], offset: u64) -> Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            let rest = &mut buffer[done..];
            let rest_bytes = rest.len();
            // SAFETY: initialised bytes viewed as maybe-uninitialised; by the trait's contract read_at leaves them so.
            let view = unsafe {
                core::slice::from_raw_parts_mut(
                    rest.as_mut_ptr().cast::<MaybeUninit<u8>>(),
                    rest_bytes,
                )
            };
            match self.read_at(file, view, offset.saturating_add(done as u64))? {
                0 => return Err(Error::new(Operation::ReadAt, crate::Kind::UnexpectedEnd)),
                n => done += n,
            }
        }
        Ok(())
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    fn write_all_at(&self, file: &Self::File, bytes: &[u8], offset: u64) -> Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match self.write_at(file, &bytes[done..], offset.saturating_add(done as u64))? {
                0 => return Err(Error::new(Operation::WriteAt, crate::Kind::Io)),
                n => done += n,
            }
        }
        Ok(())
    }
}
