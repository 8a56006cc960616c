//! Names and directories: rename, link, remove, list.
#![forbid(unsafe_code)]

use crate::error::{error, error_as};
use crate::file::file_kind;
use crate::path::with_path;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir};
use rustix::io::{Errno, retry_on_intr};
use underpin_core::platform::DirectoryEntry;
use underpin_core::{Error, Kind, Operation, Result};

/// Bytes of entries that one `getdents64` may bring: about 1,000 names of ordinary length.
const LIST_BUFFER_BYTES: usize = 32 * 1024;

/// Opens directory `path` for listing and syncing.
pub(crate) fn open(operation: Operation, path: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    with_path(operation, path, |path| {
        retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))
            .map_err(|errno| error(operation, errno))
    })
}

pub(crate) fn rename(from: &[u8], to: &[u8]) -> Result<()> {
    const OP: Operation = Operation::Rename;
    with_path(OP, from, |from| {
        with_path(OP, to, |to| {
            retry_on_intr(|| rustix::fs::rename(from, to)).map_err(|errno| error(OP, errno))
        })
    })
}

pub(crate) fn hard_link(existing: &[u8], new: &[u8]) -> Result<()> {
    const OP: Operation = Operation::HardLink;
    with_path(OP, existing, |existing| {
        with_path(OP, new, |new| {
            retry_on_intr(|| rustix::fs::linkat(CWD, existing, CWD, new, AtFlags::empty())).map_err(
                |errno| match errno {
                    // What vfat, exFAT and many FUSE file systems say: they have no links. That this name may not be
                    // given is `EACCES`.
                    Errno::PERM => error_as(OP, Kind::Unsupported, errno),
                    _ => error(OP, errno),
                },
            )
        })
    })
}

pub(crate) fn remove_file(path: &[u8]) -> Result<()> {
    const OP: Operation = Operation::RemoveFile;
    with_path(OP, path, |path| {
        retry_on_intr(|| rustix::fs::unlinkat(CWD, path, AtFlags::empty()))
            .map_err(|errno| error(OP, errno))
    })
}

pub(crate) fn create(path: &[u8]) -> Result<()> {
    const OP: Operation = Operation::CreateDirectory;
    let mode = Mode::from_raw_mode(0o777);
    with_path(OP, path, |path| {
        retry_on_intr(|| rustix::fs::mkdirat(CWD, path, mode)).map_err(|errno| error(OP, errno))
    })
}

pub(crate) fn remove(path: &[u8]) -> Result<()> {
    const OP: Operation = Operation::RemoveDirectory;
    with_path(OP, path, |path| {
        retry_on_intr(|| rustix::fs::unlinkat(CWD, path, AtFlags::REMOVEDIR))
            .map_err(|errno| error(OP, errno))
    })
}

pub(crate) fn list(
    path: &[u8],
    visit: &mut dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
) -> Result<()> {
    const OP: Operation = Operation::List;
    let fd = open(OP, path)?;
    let mut buffer = Vec::<u8>::new();
    buffer
        .try_reserve_exact(LIST_BUFFER_BYTES)
        .map_err(|_| Error::new(OP, Kind::OutOfMemory))?;
    let mut entries = RawDir::new(&fd, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(error(OP, errno)),
        };
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not tell; a file that is gone by now stays of unknown kind.
            FileType::Unknown => {
                retry_on_intr(|| rustix::fs::statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW))
                    .map_or(FileType::Unknown, |stat| {
                        FileType::from_raw_mode(stat.st_mode)
                    })
            }
            known => known,
        };
        if visit(DirectoryEntry::new(name.to_bytes(), file_kind(kind))).is_break() {
            break;
        }
    }
    Ok(())
}
