//! Files and directories over descriptors.
//!
//! | file | what |
//! |---|---|
//! | here | open, read, write, names, metadata, locks |
//! | `file/vectored.rs` | several buffers in one call |
//! | `file/space.rs` | preallocate and punch |
//! | `file/directory.rs` | listing |
//! | `durability.rs` | which sync is tried after which |
//! | `extent.rs` | arithmetic of ranges |
//!
//! # Quirks
//! - `fsync` does not empty the device's cache; `F_FULLFSYNC` does (fsync(2)). Each level says which one it is.
//! - Reads and writes of more than `INT_MAX` bytes fail with `EINVAL` (read(2), write(2)): they are cut, which makes them short.
//! - `pwrite` on a descriptor with `O_APPEND` appends, whatever the offset (XNU, `vn_write`): refused before the call.
//! - `close` may say `EINTR`; the descriptor is gone all the same (XNU, `sys_close`), and closing again could hit someone
//!   else's.
//! - `unlink` of a directory is `EPERM` (unlink(2)).
//! - `flock` locks belong to the open file and are seen by other handles of the process; `fcntl` locks would end with any handle
//!   that is closed (fcntl(2)).
#![allow(unsafe_code, reason = "calls libSystem")]

mod directory;
mod space;
mod vectored;

use crate::Macos;
use crate::durability::climb;
use crate::error::{check, retry};
use crate::extent::transfer;
use crate::path::with_c_path;
use core::ffi::CStr;
use core::mem::{self, MaybeUninit};
use core::ops::ControlFlow;
use libc::{c_int, c_uint};
use underpin_core::error::{Error, Kind, Operation, Result};
use underpin_core::platform::{
    Access, Create, DirectoryEntry, Durability, FileKind, Files, LockKind, Metadata, OpenOptions,
};

/// Permissions of new files and directories, before the process's mask.
const FILE_MODE: c_uint = 0o666;
const DIRECTORY_MODE: libc::mode_t = 0o777;

/// An open descriptor; closed when dropped.
#[derive(Debug)]
struct Descriptor(c_int);

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this value's own.
        unsafe { libc::close(self.0) };
    }
}

impl Descriptor {
    fn open(operation: Operation, path: &CStr, flags: c_int) -> Result<Self> {
        let flags = flags | libc::O_CLOEXEC | libc::O_NOCTTY;
        // SAFETY: a C string that lives through the call.
        retry(operation, || unsafe {
            libc::open(path.as_ptr(), flags, FILE_MODE)
        })
        .map(Self)
    }

    /// One step of making the file durable.
    fn sync(&self, operation: Operation, level: Durability) -> Result<()> {
        // SAFETY: an open descriptor; these commands take no argument.
        retry(operation, || unsafe {
            match level {
                Durability::Data => libc::fsync(self.0),
                Durability::Barrier => libc::fcntl(self.0, libc::F_BARRIERFSYNC),
                Durability::Full => libc::fcntl(self.0, libc::F_FULLFSYNC),
            }
        })
        .map(drop)
    }

    fn stat(&self, operation: Operation) -> Result<libc::stat> {
        let mut stat = MaybeUninit::uninit();
        // SAFETY: stores a stat at the address, which is valid for it.
        check(operation, unsafe { libc::fstat(self.0, stat.as_mut_ptr()) })?;
        // SAFETY: the call succeeded.
        Ok(unsafe { stat.assume_init() })
    }
}

/// An open file.
#[derive(Debug)]
pub struct File {
    descriptor: Descriptor,
    is_append: bool,
}

impl File {
    /// The system's number for the file, which stays this value's own.
    #[must_use]
    pub const fn descriptor(&self) -> c_int {
        self.descriptor.0
    }

    /// Refuses a call that does not go with how the file was opened.
    fn require_append(&self, operation: Operation, is_append: bool) -> Result<()> {
        if self.is_append == is_append {
            Ok(())
        } else {
            Err(Error::new(operation, Kind::InvalidInput))
        }
    }
}

/// A count that a successful read or write returned.
fn count(result: libc::ssize_t) -> usize {
    usize::try_from(result).unwrap_or(0)
}

fn kind_of_mode(mode: libc::mode_t) -> FileKind {
    match mode & libc::S_IFMT {
        libc::S_IFREG => FileKind::File,
        libc::S_IFDIR => FileKind::Directory,
        libc::S_IFLNK => FileKind::Link,
        _ => FileKind::Other,
    }
}

fn metadata_of(stat: &libc::stat) -> Metadata {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    let nanoseconds = u64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    Metadata::new(
        u64::try_from(stat.st_size).unwrap_or(0),
        kind_of_mode(stat.st_mode),
        seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(nanoseconds),
        stat.st_ino,
        u64::from(stat.st_nlink),
    )
}

fn open_flags(options: &OpenOptions) -> c_int {
    let mut flags = match options.access {
        Access::Read => libc::O_RDONLY,
        Access::Write => libc::O_WRONLY,
        Access::ReadWrite => libc::O_RDWR,
    };
    flags |= match options.create {
        Create::Existing => 0,
        Create::IfMissing => libc::O_CREAT,
        Create::New => libc::O_CREAT | libc::O_EXCL,
    };
    if options.truncate {
        flags |= libc::O_TRUNC;
    }
    if options.append {
        flags |= libc::O_APPEND;
    }
    flags
}

/// A call on one path that returns 0 or -1.
fn on_path(
    operation: Operation,
    path: &[u8],
    mut call: impl FnMut(*const libc::c_char) -> c_int,
) -> Result<()> {
    with_c_path(operation, path, |path| {
        retry(operation, || call(path.as_ptr())).map(drop)
    })
}

// SAFETY: reads return what pread and preadv say they stored, which is at most what they were offered.
unsafe impl Files for Macos {
    type File = File;

    fn open(&self, path: &[u8], options: &OpenOptions) -> Result<File> {
        if !options.is_valid() {
            return Err(Error::new(Operation::Open, Kind::InvalidInput));
        }
        with_c_path(Operation::Open, path, |path| {
            Ok(File {
                descriptor: Descriptor::open(Operation::Open, path, open_flags(options))?,
                is_append: options.append,
            })
        })
    }

    fn close(&self, file: File) -> Result<()> {
        let descriptor = file.descriptor();
        mem::forget(file);
        // SAFETY: the value that owned the descriptor is gone without closing it.
        match check(Operation::Close, unsafe { libc::close(descriptor) }) {
            Err(error) if error.kind() != Kind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    fn read_at(&self, file: &File, buffer: &mut [MaybeUninit<u8>], offset: u64) -> Result<usize> {
        let Some((offset, bytes)) = transfer(offset, buffer.len()) else {
            return Ok(0); // past the end of any file
        };
        // SAFETY: the buffer is writable for `bytes`, which is at most its length.
        retry(Operation::ReadAt, || unsafe {
            libc::pread(file.descriptor(), buffer.as_mut_ptr().cast(), bytes, offset)
        })
        .map(count)
    }

    fn read_vectored_at(
        &self,
        file: &File,
        buffers: &mut [&mut [MaybeUninit<u8>]],
        offset: u64,
    ) -> Result<usize> {
        vectored::read(self, file, buffers, offset)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> Result<usize> {
        let operation = Operation::WriteAt;
        file.require_append(operation, false)?;
        let Some((offset, count_max)) = transfer(offset, bytes.len()) else {
            return Err(Error::new(operation, Kind::FileTooLarge));
        };
        // SAFETY: the bytes are readable for `count_max`, which is at most their length.
        retry(operation, || unsafe {
            libc::pwrite(file.descriptor(), bytes.as_ptr().cast(), count_max, offset)
        })
        .map(count)
    }

    fn write_vectored_at(&self, file: &File, slices: &[&[u8]], offset: u64) -> Result<usize> {
        vectored::write(self, file, slices, offset)
    }

    fn append(&self, file: &File, bytes: &[u8]) -> Result<usize> {
        file.require_append(Operation::Append, true)?;
        let (_, count_max) = transfer(0, bytes.len()).unwrap_or((0, 0));
        // SAFETY: the bytes are readable for `count_max`, which is at most their length.
        retry(Operation::Append, || unsafe {
            libc::write(file.descriptor(), bytes.as_ptr().cast(), count_max)
        })
        .map(count)
    }

    fn file_metadata(&self, file: &File) -> Result<Metadata> {
        let stat = file.descriptor.stat(Operation::Metadata)?;
        Ok(metadata_of(&stat))
    }

    fn metadata(&self, path: &[u8]) -> Result<Metadata> {
        let mut stat = MaybeUninit::uninit();
        // SAFETY: the path is a C string; stores a stat at the address, which is valid for it.
        on_path(Operation::Metadata, path, |path| unsafe {
            libc::stat(path, stat.as_mut_ptr())
        })?;
        // SAFETY: the call succeeded.
        Ok(metadata_of(unsafe { stat.assume_init_ref() }))
    }

    fn set_length(&self, file: &File, bytes: u64) -> Result<()> {
        let operation = Operation::SetLength;
        let length =
            libc::off_t::try_from(bytes).map_err(|_| Error::new(operation, Kind::FileTooLarge))?;
        // SAFETY: an open descriptor.
        retry(operation, || unsafe {
            libc::ftruncate(file.descriptor(), length)
        })
        .map(drop)
    }

    fn preallocate(&self, file: &File, offset: u64, bytes: u64) -> Result<()> {
        space::preallocate(self, file, offset, bytes)
    }

    fn punch(&self, file: &File, offset: u64, bytes: u64) -> Result<()> {
        space::punch(self, file, offset, bytes)
    }

    fn sync(&self, file: &File, level: Durability) -> Result<Durability> {
        climb(level, |step| file.descriptor.sync(Operation::Sync, step))
    }

    fn sync_directory(&self, path: &[u8]) -> Result<()> {
        let operation = Operation::SyncDirectory;
        with_c_path(operation, path, |path| {
            let flags = libc::O_RDONLY | libc::O_DIRECTORY;
            let directory = Descriptor::open(operation, path, flags)?;
            climb(Durability::Full, |step| directory.sync(operation, step)).map(drop)
        })
    }

    fn rename(&self, from: &[u8], to: &[u8]) -> Result<()> {
        with_c_path(Operation::Rename, to, |to| {
            // SAFETY: two C strings.
            on_path(Operation::Rename, from, |from| unsafe {
                libc::rename(from, to.as_ptr())
            })
        })
    }

    fn hard_link(&self, existing: &[u8], new: &[u8]) -> Result<()> {
        with_c_path(Operation::HardLink, new, |new| {
            // SAFETY: two C strings.
            on_path(Operation::HardLink, existing, |existing| unsafe {
                libc::link(existing, new.as_ptr())
            })
        })
    }

    fn remove_file(&self, path: &[u8]) -> Result<()> {
        // SAFETY: a C string.
        on_path(Operation::RemoveFile, path, |path| unsafe {
            libc::unlink(path)
        })
    }

    fn create_directory(&self, path: &[u8]) -> Result<()> {
        // SAFETY: a C string.
        on_path(Operation::CreateDirectory, path, |path| unsafe {
            libc::mkdir(path, DIRECTORY_MODE)
        })
    }

    fn remove_directory(&self, path: &[u8]) -> Result<()> {
        // SAFETY: a C string.
        on_path(Operation::RemoveDirectory, path, |path| unsafe {
            libc::rmdir(path)
        })
    }

    fn list(
        &self,
        path: &[u8],
        visit: &mut dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        directory::list(path, visit)
    }

    fn lock(&self, file: &File, kind: LockKind) -> Result<()> {
        let how = match kind {
            LockKind::Shared => libc::LOCK_SH,
            LockKind::Exclusive => libc::LOCK_EX,
        };
        // SAFETY: an open descriptor.
        match retry(Operation::Lock, || unsafe {
            libc::flock(file.descriptor(), how | libc::LOCK_NB)
        }) {
            Err(error) if error.kind() == Kind::WouldBlock => Err(Error::from_raw(
                Operation::Lock,
                Kind::Busy,
                error.domain(),
                error.raw(),
            )),
            result => result.map(drop),
        }
    }

    fn unlock(&self, file: &File) -> Result<()> {
        // SAFETY: an open descriptor.
        retry(Operation::Unlock, || unsafe {
            libc::flock(file.descriptor(), libc::LOCK_UN)
        })
        .map(drop)
    }
}
