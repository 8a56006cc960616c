//! Files: positioned reads and writes, durability, advisory locks. Names and directories are in `directory.rs`.
//!
//! What Linux does differently from the seam's contract, and what is done about it:
//!
//! 1. `pwrite` on an `O_APPEND` handle ignores the offset and appends: the handle remembers how it was opened and refuses.
//! 2. Offsets are signed: a read past `i64::MAX` finds nothing, a write is `FileTooLarge`.
//! 3. `flock` converts a lock by dropping it first: when that fails, the old kind is taken again at once.
//! 4. `close` may report an error of earlier writes, and the descriptor is gone even then.
#![allow(unsafe_code, reason = "reads fill uninitialised memory")]

use crate::Linux;
use crate::directory;
use crate::error::{error, error_as};
use crate::path::with_path;
use crate::platform::refused;
use core::mem::MaybeUninit;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicU8, Ordering};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use rustix::fs::{FallocateFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::{Errno, IoSlice, IoSliceMut, retry_on_intr};
use underpin_core::platform::{
    Access, Caps, Create, DirectoryEntry, Durability, FileKind, Files, LockKind, Metadata,
    OpenOptions,
};
use underpin_core::{Error, Kind, Operation, Result};

/// Slices that one vectored call hands to the kernel; a longer list makes a short transfer, which callers must expect anyway.
/// 1 KiB of stack; the kernel's own bound is 1,024.
const SLICES_MAX: usize = 64;

/// The largest offset of a file, as the kernel counts.
pub(crate) const OFFSET_MAX: u64 = i64::MAX.unsigned_abs();

/// An open file.
#[derive(Debug)]
pub struct File {
    fd: OwnedFd,
    append: bool,
    /// The lock that this handle holds: 0 for none, else as in `lock_code`. A memory of the kernel's state, for quirk 3.
    lock: AtomicU8,
}

impl File {
    /// The descriptor's number, for calls that the seam does not have. It names this file while the value lives.
    #[must_use]
    pub fn raw_fd(&self) -> i32 {
        self.as_fd().as_raw_fd()
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn lock_code(kind: LockKind) -> u8 {
    match kind {
        LockKind::Shared => 1,
        LockKind::Exclusive => 2,
    }
}

/// How much of `bytes` at `offset` stays within the range of offsets; `None` for nothing.
fn bytes_in_range(offset: u64, bytes: usize) -> Option<usize> {
    match OFFSET_MAX.checked_sub(offset) {
        None | Some(0) => None,
        Some(room) => Some(usize::try_from(room).unwrap_or(usize::MAX).min(bytes)),
    }
}

pub(crate) fn file_kind(file_type: FileType) -> FileKind {
    match file_type {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Link,
        _ => FileKind::Other,
    }
}

#[allow(
    clippy::useless_conversion,
    clippy::unnecessary_fallible_conversions,
    clippy::unnecessary_cast,
    reason = "the fields' types differ between architectures"
)]
fn metadata(stat: &Stat) -> Metadata {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    let modified_ns = seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(stat.st_mtime_nsec as u64);
    Metadata::new(
        u64::try_from(stat.st_size).unwrap_or(0),
        file_kind(FileType::from_raw_mode(stat.st_mode)),
        modified_ns,
        stat.st_ino as u64,
        stat.st_nlink as u64,
    )
}

/// What new files may be used for, before the process's mask.
pub(crate) const OPEN_MODE: Mode = Mode::from_raw_mode(0o666);

/// The kernel's word for a manner of opening.
pub(crate) fn open_flags(options: &OpenOptions) -> OFlags {
    let mut flags = OFlags::CLOEXEC | OFlags::NOCTTY;
    flags |= match options.access {
        Access::Read => OFlags::RDONLY,
        Access::Write => OFlags::WRONLY,
        Access::ReadWrite => OFlags::RDWR,
    };
    flags |= match options.create {
        Create::Existing => OFlags::empty(),
        Create::IfMissing => OFlags::CREATE,
        Create::New => OFlags::CREATE | OFlags::EXCL,
    };
    flags.set(OFlags::TRUNC, options.truncate);
    flags.set(OFlags::APPEND, options.append);
    flags
}

/// `EINVAL` from a sync says that the file system has no such call.
pub(crate) fn sync_error(operation: Operation, errno: Errno) -> Error {
    if errno == Errno::INVAL {
        return error_as(operation, Kind::Unsupported, errno);
    }
    error(operation, errno)
}

impl Linux {
    fn allocate(
        capability: Caps,
        operation: Operation,
        file: &File,
        mode: FallocateFlags,
        offset: u64,
        bytes: u64,
    ) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        if offset.checked_add(bytes).is_none_or(|end| end > OFFSET_MAX) {
            return Err(Error::new(operation, Kind::FileTooLarge));
        }
        retry_on_intr(|| rustix::fs::fallocate(&file.fd, mode, offset, bytes))
            .map_err(|errno| refused(capability, operation, errno))
    }
}

// SAFETY: the counts are the kernel's, which fills what it counts and never more than it was given.
unsafe impl Files for Linux {
    type File = File;

    fn open(&self, path: &[u8], options: &OpenOptions) -> Result<File> {
        const OP: Operation = Operation::Open;
        if !options.is_valid() {
            return Err(Error::new(OP, Kind::InvalidInput));
        }
        let flags = open_flags(options);
        with_path(OP, path, |path| {
            retry_on_intr(|| rustix::fs::open(path, flags, OPEN_MODE))
                .map_err(|errno| error(OP, errno))
        })
        .map(|fd| File {
            fd,
            append: options.append,
            lock: AtomicU8::new(0),
        })
    }

    fn close(&self, file: File) -> Result<()> {
        let fd = file.fd.into_raw_fd();
        // SAFETY: the descriptor was owned by the file that was consumed above; it is used nowhere else.
        match unsafe { rustix::io::try_close(fd) } {
            // On Linux the descriptor is closed even if a signal interrupted the call.
            Ok(()) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(error(Operation::Close, errno)),
        }
    }

    #[inline]
    fn read_at(&self, file: &File, buffer: &mut [MaybeUninit<u8>], offset: u64) -> Result<usize> {
        let Some(bytes) = bytes_in_range(offset, buffer.len()) else {
            return Ok(0);
        };
        let buffer = &mut buffer[..bytes];
        retry_on_intr(|| {
            rustix::io::pread(&file.fd, &mut *buffer, offset).map(|(read, _)| read.len())
        })
        .map_err(|errno| error(Operation::ReadAt, errno))
    }

    fn read_vectored_at(
        &self,
        file: &File,
        buffers: &mut [&mut [MaybeUninit<u8>]],
        offset: u64,
    ) -> Result<usize> {
        let mut list = [const { MaybeUninit::<IoSliceMut<'_>>::uninit() }; SLICES_MAX];
        let mut count = 0;
        let mut total = 0_usize;
        for buffer in buffers.iter_mut().filter(|buffer| !buffer.is_empty()) {
            if count == SLICES_MAX {
                break;
            }
            let Some(slot) = list.get_mut(count) else {
                break;
            };
            // Past the largest offset nothing can be read; the kernel refuses a list that reaches there.
            let Some(room) = bytes_in_range(offset.saturating_add(total as u64), buffer.len())
            else {
                break;
            };
            let raw = RawSlice {
                start: buffer.as_mut_ptr().cast(),
                bytes: room,
            };
            // SAFETY: IoSliceMut promises the layout of the kernel's `iovec`, which RawSlice repeats. It is only handed to the
            // kernel, so that no reference to uninitialised bytes is made.
            slot.write(unsafe { core::mem::transmute::<RawSlice, IoSliceMut<'_>>(raw) });
            count += 1;
            total = total.saturating_add(room);
        }
        if count == 0 {
            return Ok(0);
        }
        // SAFETY: the loop initialised the first `count` elements.
        let list: &mut [IoSliceMut<'_>] =
            unsafe { core::slice::from_raw_parts_mut(list.as_mut_ptr().cast(), count) };
        retry_on_intr(|| rustix::io::preadv(&file.fd, list, offset))
            .map_err(|errno| error(Operation::ReadAt, errno))
    }

    #[inline]
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> Result<usize> {
        const OP: Operation = Operation::WriteAt;
        if file.append {
            return Err(Error::new(OP, Kind::InvalidInput));
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        let room = bytes_in_range(offset, bytes.len()).ok_or(Error::new(OP, Kind::FileTooLarge))?;
        retry_on_intr(|| rustix::io::pwrite(&file.fd, &bytes[..room], offset))
            .map_err(|errno| error(OP, errno))
    }

    fn write_vectored_at(&self, file: &File, slices: &[&[u8]], offset: u64) -> Result<usize> {
        const OP: Operation = Operation::WriteAt;
        if file.append {
            return Err(Error::new(OP, Kind::InvalidInput));
        }
        let mut list = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        let mut total = 0_usize;
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            let (Some(slot), Some(room)) = (
                list.get_mut(count),
                bytes_in_range(offset.saturating_add(total as u64), slice.len()),
            ) else {
                break;
            };
            *slot = IoSlice::new(&slice[..room]);
            count += 1;
            total = total.saturating_add(room);
        }
        if count == 0 {
            return if slices.iter().all(|slice| slice.is_empty()) {
                Ok(0)
            } else {
                Err(Error::new(OP, Kind::FileTooLarge))
            };
        }
        retry_on_intr(|| rustix::io::pwritev(&file.fd, &list[..count], offset))
            .map_err(|errno| error(OP, errno))
    }

    fn append(&self, file: &File, bytes: &[u8]) -> Result<usize> {
        if !file.append {
            return Err(Error::new(Operation::Append, Kind::InvalidInput));
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        retry_on_intr(|| rustix::io::write(&file.fd, bytes))
            .map_err(|errno| error(Operation::Append, errno))
    }

    fn file_metadata(&self, file: &File) -> Result<Metadata> {
        retry_on_intr(|| rustix::fs::fstat(&file.fd))
            .map(|stat| metadata(&stat))
            .map_err(|errno| error(Operation::Metadata, errno))
    }

    fn metadata(&self, path: &[u8]) -> Result<Metadata> {
        const OP: Operation = Operation::Metadata;
        with_path(OP, path, |path| {
            retry_on_intr(|| rustix::fs::stat(path))
                .map(|stat| metadata(&stat))
                .map_err(|errno| error(OP, errno))
        })
    }

    fn set_length(&self, file: &File, bytes: u64) -> Result<()> {
        const OP: Operation = Operation::SetLength;
        if bytes > OFFSET_MAX {
            return Err(Error::new(OP, Kind::FileTooLarge));
        }
        retry_on_intr(|| rustix::fs::ftruncate(&file.fd, bytes)).map_err(|errno| error(OP, errno))
    }

    fn preallocate(&self, file: &File, offset: u64, bytes: u64) -> Result<()> {
        let mode = FallocateFlags::empty();
        Self::allocate(
            Caps::PREALLOCATE,
            Operation::Preallocate,
            file,
            mode,
            offset,
            bytes,
        )
    }

    fn punch(&self, file: &File, offset: u64, bytes: u64) -> Result<()> {
        let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Self::allocate(Caps::PUNCH, Operation::Punch, file, mode, offset, bytes)
    }

    fn sync(&self, file: &File, level: Durability) -> Result<Durability> {
        // There is no barrier on Linux; the next stronger level stands in for it.
        let (reached, result) = match level {
            Durability::Data => (
                Durability::Data,
                retry_on_intr(|| rustix::fs::fdatasync(&file.fd)),
            ),
            Durability::Barrier | Durability::Full => (
                Durability::Full,
                retry_on_intr(|| rustix::fs::fsync(&file.fd)),
            ),
        };
        result
            .map(|()| reached)
            .map_err(|errno| sync_error(Operation::Sync, errno))
    }

    fn sync_directory(&self, path: &[u8]) -> Result<()> {
        const OP: Operation = Operation::SyncDirectory;
        let fd = directory::open(OP, path)?;
        retry_on_intr(|| rustix::fs::fsync(&fd)).map_err(|errno| sync_error(OP, errno))
    }

    fn rename(&self, from: &[u8], to: &[u8]) -> Result<()> {
        directory::rename(from, to)
    }

    fn hard_link(&self, existing: &[u8], new: &[u8]) -> Result<()> {
        directory::hard_link(existing, new)
    }

    fn remove_file(&self, path: &[u8]) -> Result<()> {
        directory::remove_file(path)
    }

    fn create_directory(&self, path: &[u8]) -> Result<()> {
        directory::create(path)
    }

    fn remove_directory(&self, path: &[u8]) -> Result<()> {
        directory::remove(path)
    }

    fn list(
        &self,
        path: &[u8],
        visit: &mut dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        directory::list(path, visit)
    }

    fn lock(&self, file: &File, kind: LockKind) -> Result<()> {
        const OP: Operation = Operation::Lock;
        match try_lock(file, kind) {
            Ok(()) => {
                file.lock.store(lock_code(kind), Ordering::Relaxed);
                Ok(())
            }
            Err(Errno::AGAIN) => {
                // Quirk 3. Only a shared lock can have been lost: an exclusive holder's conversion succeeds. Should another
                // handle take an exclusive lock in between, the shared one is gone, and `unlock` is then a no-op.
                let held = file.lock.load(Ordering::Relaxed);
                if held == lock_code(LockKind::Shared) && try_lock(file, LockKind::Shared).is_err()
                {
                    file.lock.store(0, Ordering::Relaxed);
                }
                Err(error_as(OP, Kind::Busy, Errno::AGAIN))
            }
            Err(errno) => Err(error(OP, errno)),
        }
    }

    fn unlock(&self, file: &File) -> Result<()> {
        file.lock.store(0, Ordering::Relaxed);
        retry_on_intr(|| rustix::fs::flock(&file.fd, FlockOperation::Unlock))
            .map_err(|errno| error(Operation::Unlock, errno))
    }
}

fn try_lock(file: &File, kind: LockKind) -> rustix::io::Result<()> {
    let operation = match kind {
        LockKind::Shared => FlockOperation::NonBlockingLockShared,
        LockKind::Exclusive => FlockOperation::NonBlockingLockExclusive,
    };
    retry_on_intr(|| rustix::fs::flock(&file.fd, operation))
}

/// The kernel's `struct iovec`.
#[repr(C)]
struct RawSlice {
    start: *mut u8,
    bytes: usize,
}
const _: () = assert!(size_of::<RawSlice>() == size_of::<IoSliceMut<'static>>());
