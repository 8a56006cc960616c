//! Files: opening, positional reads and writes, lengths. Names, durability, locks and listings are
//! in the submodules.
//!
//! # How the contract is met
//! - Every handle shares reading, writing and deleting, so names can be removed and replaced while
//!   files are open.
//! - Reads and writes carry their offset in an `OVERLAPPED`. On handles opened without
//!   `FILE_FLAG_OVERLAPPED` they complete before they return; the system serialises them per
//!   handle, and the cursor that it moves is never used.
//! - Appending is a write at the offset that the system reads as "the end". The handle has ordinary
//!   write access, so that its length can be set; [`Files::write_at`] is refused by this crate.
//! - Growing a file without ever cutting it, for [`Files::preallocate`], is done by making a
//!   section of the wanted size over it: that extends a shorter file and leaves a longer one alone,
//!   where setting the end of file or the allocation would cut what somebody appended meanwhile.
//!   NTFS and FAT give clusters to all of a file that is neither sparse nor compressed; on those
//!   the answer is `Unsupported`.
//!
//! # Executed where
//! Under wine. It has no `FSCTL_SET_ZERO_DATA`, so the success of [`Files::punch`] was not
//! executed; nor, on wine's file systems, that preallocated space is really there.
#![allow(unsafe_code, reason = "system calls take raw buffers")]

mod directory;
pub(crate) mod durability;
mod lock;
mod names;

use crate::clock::{ticks_of, unix_ns};
use crate::error::{self, code, is_missing_call};
use crate::handle::{Handle, check, last_code};
use crate::path::WidePath;
use crate::{Windows, path};
use core::ffi::c_void;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ops::ControlFlow;
use underpin_core::platform::{
    Access, Create, DirectoryEntry, Durability, FileKind, Files, LockKind, Metadata, OpenOptions,
};
use underpin_core::{Error, Kind, Operation, Result};
use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, CREATE_NEW, CreateFileW, FILE_ATTRIBUTE_COMPRESSED,
    FILE_ATTRIBUTE_DEVICE, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_ATTRIBUTE_SPARSE_FILE, FILE_END_OF_FILE_INFO,
    FILE_FLAG_BACKUP_SEMANTICS, FILE_READ_ATTRIBUTES, FILE_SHARE_DELETE, FILE_SHARE_READ,
    FILE_SHARE_WRITE, FILE_TYPE_DISK, FileEndOfFileInfo, GetFileInformationByHandle, GetFileType,
    OPEN_ALWAYS, OPEN_EXISTING, ReOpenFile, ReadFile, SetFileInformationByHandle, WriteFile,
};
use windows_sys::Win32::System::IO::{DeviceIoControl, OVERLAPPED};
use windows_sys::Win32::System::Ioctl::{
    FILE_ZERO_DATA_INFORMATION, FSCTL_SET_SPARSE, FSCTL_SET_ZERO_DATA,
};
use windows_sys::Win32::System::Memory::{CreateFileMappingW, PAGE_READWRITE};
use windows_sys::Win32::System::SystemServices::{
    IO_REPARSE_TAG_AF_UNIX, IO_REPARSE_TAG_MOUNT_POINT, IO_REPARSE_TAG_SYMLINK,
};

/// What other handles may do with a file that is open here: everything.
const SHARE_ALL: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// Offsets are signed in the system, and some negative ones have meanings of their own.
const OFFSET_MAX: u64 = i64::MAX as u64;

/// The offset that stands for the end of the file in a write.
const OFFSET_OF_END: u64 = u64::MAX;

/// Bytes of one system call; the length is 32 bits wide, and the seam lets transfers be short.
const TRANSFER_BYTES_MAX: usize = 1 << 30;

/// An open file. Dropping it gives its lock back and closes it.
#[derive(Debug)]
pub struct File {
    handle: Handle,
    access: Access,
    append: bool,
    lock: lock::Held,
}

impl File {
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.access != Access::Read
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // A mapping may hold a duplicate of the handle, which would keep the lock.
        let _ = self.lock.release(&self.handle);
    }
}

// SAFETY: `read_at` returns what ReadFile reports as transferred into the buffer, at most the
// length that it was given.
unsafe impl Files for Windows {
    type File = File;

    fn open(&self, path: &[u8], options: &OpenOptions) -> Result<File> {
        if !options.is_valid() {
            return Err(Error::new(Operation::Open, Kind::InvalidInput));
        }
        let path = WidePath::new(Operation::Open, path)?;
        let access = match options.access {
            Access::Read => GENERIC_READ,
            Access::Write => GENERIC_WRITE,
            Access::ReadWrite => GENERIC_READ | GENERIC_WRITE,
        };
        let disposition = match options.create {
            Create::Existing => OPEN_EXISTING,
            Create::IfMissing => OPEN_ALWAYS,
            Create::New => CREATE_NEW,
        };
        let handle = open_path(
            Operation::Open,
            &path,
            access,
            disposition,
            FILE_ATTRIBUTE_NORMAL,
        )?;
        if options.truncate && options.create != Create::New {
            // Not by CREATE_ALWAYS, which also resets attributes and refuses hidden files.
            set_end(Operation::Open, &handle, 0)?;
        }
        Ok(File {
            handle,
            access: options.access,
            append: options.append,
            lock: lock::Held::nothing(),
        })
    }

    fn close(&self, file: File) -> Result<()> {
        let file = ManuallyDrop::new(file);
        let unlocked = file.lock.release(&file.handle);
        // SAFETY: `file` is never dropped or used again, so the handle moves out of it once; its
        // other parts own nothing.
        let handle = unsafe { core::ptr::read(&raw const file.handle) };
        handle.close(Operation::Close).and(unlocked)
    }

    fn read_at(&self, file: &File, buffer: &mut [MaybeUninit<u8>], offset: u64) -> Result<usize> {
        if file.access == Access::Write {
            return Err(Error::new(Operation::ReadAt, Kind::PermissionDenied));
        }
        // No file reaches the last offset, and the system refuses ranges that go past it.
        let room = usize::try_from(OFFSET_MAX.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = buffer.len().min(room).min(TRANSFER_BYTES_MAX);
        if length == 0 {
            return Ok(0);
        }
        let mut position = overlapped_at(offset);
        let mut transferred = 0;
        // SAFETY: the buffer is valid for the length passed, and the call is over when it returns.
        let succeeded = unsafe {
            ReadFile(
                file.handle.raw(),
                buffer.as_mut_ptr().cast(),
                length as u32,
                &raw mut transferred,
                &raw mut position,
            )
        };
        if succeeded != 0 {
            return Ok(transferred as usize);
        }
        match last_code() {
            code::HANDLE_EOF => Ok(0),
            raw => Err(error::from_code(Operation::ReadAt, raw)),
        }
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> Result<usize> {
        if file.append {
            return Err(Error::new(Operation::WriteAt, Kind::InvalidInput));
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        // Also keeps out the offsets that mean "the end" and "the cursor".
        let room = OFFSET_MAX.saturating_sub(offset);
        if room == 0 {
            return Err(Error::new(Operation::WriteAt, Kind::FileTooLarge));
        }
        let bytes =
            &bytes[..usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()))];
        write(Operation::WriteAt, file, bytes, offset)
    }

    fn append(&self, file: &File, bytes: &[u8]) -> Result<usize> {
        if !file.append {
            return Err(Error::new(Operation::Append, Kind::InvalidInput));
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        write(Operation::Append, file, bytes, OFFSET_OF_END)
    }

    fn file_metadata(&self, file: &File) -> Result<Metadata> {
        metadata_of(&file.handle)
    }

    fn metadata(&self, path: &[u8]) -> Result<Metadata> {
        let path = WidePath::new(Operation::Metadata, path)?;
        metadata_of(&open_path(
            Operation::Metadata,
            &path,
            FILE_READ_ATTRIBUTES,
            OPEN_EXISTING,
            FILE_FLAG_BACKUP_SEMANTICS,
        )?)
    }

    fn set_length(&self, file: &File, bytes: u64) -> Result<()> {
        if !file.is_writable() {
            return Err(Error::new(Operation::SetLength, Kind::PermissionDenied));
        }
        set_end(Operation::SetLength, &file.handle, bytes)
    }

    fn preallocate(&self, file: &File, offset: u64, bytes: u64) -> Result<()> {
        let operation = Operation::Preallocate;
        if bytes == 0 {
            return Ok(());
        }
        let end = end_of_range(operation, offset, bytes)?;
        if !file.is_writable() {
            return Err(Error::new(operation, Kind::PermissionDenied));
        }
        if information(operation, &file.handle)?.dwFileAttributes
            & (FILE_ATTRIBUTE_SPARSE_FILE | FILE_ATTRIBUTE_COMPRESSED)
            != 0
        {
            return Err(Error::unsupported(operation));
        }
        let reopened;
        let handle = if file.access == Access::ReadWrite {
            &file.handle
        } else {
            // A section wants to read, too.
            reopened = reopen(operation, &file.handle, GENERIC_READ | GENERIC_WRITE)?;
            &reopened
        };
        // SAFETY: the handle is open; the section has no name and no special security.
        let section = unsafe {
            CreateFileMappingW(
                handle.raw(),
                core::ptr::null(),
                PAGE_READWRITE,
                (end >> 32) as u32,
                (end & 0xFFFF_FFFF) as u32,
                core::ptr::null(),
            )
        };
        // SAFETY: the section is ours; it has done its work and is closed at once.
        let section = unsafe { Handle::from_raw(operation, section) }?;
        section.close(operation)
    }

    fn punch(&self, file: &File, offset: u64, bytes: u64) -> Result<()> {
        let operation = Operation::Punch;
        if bytes == 0 {
            return Ok(());
        }
        let end = end_of_range(operation, offset, bytes)?;
        if !file.is_writable() {
            return Err(Error::new(operation, Kind::PermissionDenied));
        }
        let range = FILE_ZERO_DATA_INFORMATION {
            FileOffset: offset.cast_signed(),
            BeyondFinalZero: end.cast_signed(),
        };
        control::<()>(operation, &file.handle, FSCTL_SET_SPARSE, None)?;
        control(operation, &file.handle, FSCTL_SET_ZERO_DATA, Some(&range))
    }

    fn sync(&self, file: &File, level: Durability) -> Result<Durability> {
        durability::flush(Operation::Sync, &file.handle, file.is_writable(), level)
    }

    fn sync_directory(&self, path: &[u8]) -> Result<()> {
        durability::flush_directory(path)
    }

    fn rename(&self, from: &[u8], to: &[u8]) -> Result<()> {
        names::rename(from, to)
    }

    fn hard_link(&self, existing: &[u8], new: &[u8]) -> Result<()> {
        names::hard_link(existing, new)
    }

    fn remove_file(&self, path: &[u8]) -> Result<()> {
        names::remove_file(path)
    }

    fn create_directory(&self, path: &[u8]) -> Result<()> {
        names::create_directory(path)
    }

    fn remove_directory(&self, path: &[u8]) -> Result<()> {
        names::remove_directory(path)
    }

    fn list(
        &self,
        path: &[u8],
        visit: &mut dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        directory::list(path, visit)
    }

    fn lock(&self, file: &File, kind: LockKind) -> Result<()> {
        file.lock.take(&file.handle, kind)
    }

    fn unlock(&self, file: &File) -> Result<()> {
        file.lock.release(&file.handle)
    }
}

/// Opens or makes what `path` names. Not inherited by child processes.
fn open_path(
    operation: Operation,
    path: &WidePath,
    access: u32,
    disposition: u32,
    flags: u32,
) -> Result<Handle> {
    // SAFETY: the path ends in a NUL; null security attributes mean the default and no inheritance.
    let raw = unsafe {
        CreateFileW(
            path.as_ptr(),
            access,
            SHARE_ALL,
            core::ptr::null(),
            disposition,
            flags,
            core::ptr::null_mut(),
        )
    };
    // SAFETY: the handle was made for us.
    unsafe { Handle::from_raw(operation, raw) }
}

/// The same file, opened anew for `access`.
fn reopen(operation: Operation, handle: &Handle, access: u32) -> Result<Handle> {
    // SAFETY: the handle is open.
    let raw = unsafe { ReOpenFile(handle.raw(), access, SHARE_ALL, 0) };
    // SAFETY: the new handle was made for us.
    unsafe { Handle::from_raw(operation, raw) }
}

fn overlapped_at(offset: u64) -> OVERLAPPED {
    let mut position = OVERLAPPED::default();
    position.Anonymous.Anonymous.Offset = (offset & 0xFFFF_FFFF) as u32;
    position.Anonymous.Anonymous.OffsetHigh = (offset >> 32) as u32;
    position
}

/// Writes at least 1 of `bytes`, which is not empty.
fn write(operation: Operation, file: &File, bytes: &[u8], offset: u64) -> Result<usize> {
    if !file.is_writable() {
        return Err(Error::new(operation, Kind::PermissionDenied));
    }
    let mut position = overlapped_at(offset);
    let mut transferred = 0;
    // SAFETY: the bytes are valid for the length passed, and the call is over when it returns.
    let succeeded = unsafe {
        WriteFile(
            file.handle.raw(),
            bytes.as_ptr(),
            bytes.len().min(TRANSFER_BYTES_MAX) as u32,
            &raw mut transferred,
            &raw mut position,
        )
    };
    check(operation, succeeded)?;
    match transferred {
        0 => Err(Error::new(operation, Kind::Io)),
        n => Ok(n as usize),
    }
}

fn set_end(operation: Operation, handle: &Handle, bytes: u64) -> Result<()> {
    let too_large = Error::new(operation, Kind::FileTooLarge);
    let info = FILE_END_OF_FILE_INFO {
        EndOfFile: i64::try_from(bytes).map_err(|_| too_large)?,
    };
    set_information(handle, FileEndOfFileInfo, &info).map_err(|raw| match raw {
        // The handle and the class are right, so the one wrong parameter is the length.
        code::INVALID_PARAMETER => error::with_kind(operation, Kind::FileTooLarge, raw),
        raw => error::from_code(operation, raw),
    })
}

/// Sets one class of a file's information, or gives the system's code. `T` is the class's
/// structure.
fn set_information<T>(handle: &Handle, class: i32, info: &T) -> core::result::Result<(), u32> {
    // SAFETY: the handle is open and `info` is read within its size.
    let succeeded = unsafe {
        SetFileInformationByHandle(
            handle.raw(),
            class,
            (&raw const *info).cast(),
            size_of::<T>() as u32,
        )
    };
    if succeeded != 0 {
        Ok(())
    } else {
        Err(last_code())
    }
}

/// A file system control that takes `input` and gives nothing.
fn control<T>(
    operation: Operation,
    handle: &Handle,
    request: u32,
    input: Option<&T>,
) -> Result<()> {
    let mut returned = 0;
    let (data, bytes): (*const c_void, usize) = input.map_or((core::ptr::null(), 0), |input| {
        ((&raw const *input).cast(), size_of::<T>())
    });
    // SAFETY: the handle is open, the input is read within its size, and there is no output.
    let succeeded = unsafe {
        DeviceIoControl(
            handle.raw(),
            request,
            data,
            bytes as u32,
            core::ptr::null_mut(),
            0,
            &raw mut returned,
            core::ptr::null_mut(),
        )
    };
    if succeeded != 0 {
        return Ok(());
    }
    match last_code() {
        raw if is_missing_call(raw) => Err(error::with_kind(operation, Kind::Unsupported, raw)),
        raw => Err(error::from_code(operation, raw)),
    }
}

/// The end of a range, if the system can express it.
fn end_of_range(operation: Operation, offset: u64, bytes: u64) -> Result<u64> {
    match offset.checked_add(bytes) {
        Some(end) if end <= OFFSET_MAX => Ok(end),
        _ => Err(Error::new(operation, Kind::FileTooLarge)),
    }
}

fn information(operation: Operation, handle: &Handle) -> Result<BY_HANDLE_FILE_INFORMATION> {
    let mut info = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open; the call fills in `info`.
    check(operation, unsafe {
        GetFileInformationByHandle(handle.raw(), &raw mut info)
    })?;
    Ok(info)
}

fn metadata_of(handle: &Handle) -> Result<Metadata> {
    // SAFETY: the handle is open.
    if unsafe { GetFileType(handle.raw()) } != FILE_TYPE_DISK {
        return Ok(Metadata::new(0, FileKind::Other, 0, 0, 1));
    }
    let info = information(Operation::Metadata, handle)?;
    let directory = info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY != 0;
    Ok(Metadata::new(
        if directory {
            0
        } else {
            u64::from(info.nFileSizeHigh) << 32 | u64::from(info.nFileSizeLow)
        },
        // Links were followed, so what is here is the thing itself.
        if directory {
            FileKind::Directory
        } else {
            FileKind::File
        },
        unix_ns(ticks_of(info.ftLastWriteTime)),
        u64::from(info.nFileIndexHigh) << 32 | u64::from(info.nFileIndexLow),
        u64::from(info.nNumberOfLinks),
    ))
}

/// What an entry with these attributes and this reparse tag (0 if it has none) is.
fn kind_of_entry(attributes: u32, tag: u32) -> FileKind {
    let tag = if attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
        tag
    } else {
        0
    };
    match tag {
        IO_REPARSE_TAG_SYMLINK | IO_REPARSE_TAG_MOUNT_POINT => FileKind::Link,
        IO_REPARSE_TAG_AF_UNIX => FileKind::Other,
        // Other tags (cloud files, deduplication, compression) are for the file system's filters;
        // the entry is what its attributes say.
        _ if attributes & FILE_ATTRIBUTE_DEVICE != 0 => FileKind::Other,
        _ if attributes & FILE_ATTRIBUTE_DIRECTORY != 0 => FileKind::Directory,
        _ => FileKind::File,
    }
}
