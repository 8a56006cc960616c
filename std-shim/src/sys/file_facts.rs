//! Facts about files that `std` has only for some systems.
#![forbid(unsafe_code)]

use std::fs::{File, Metadata};
use std::io;

/// What names a file on this machine, whatever its path; `None` where the system has no such thing.
#[must_use]
pub fn file_identity(metadata: &Metadata) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

/// Reads once, on from where the last read ended.
///
/// # Errors
///
/// The system's; never that the call was interrupted.
#[cfg(feature = "grep")]
pub(crate) fn read(file: &File, bytes: &mut [u8]) -> io::Result<usize> {
    // The system's call itself: the C library's allows for threads that are cancelled.
    #[cfg(unix)]
    return Ok(rustix::io::retry_on_intr(|| {
        rustix::io::read(file, &mut *bytes)
    })?);
    #[cfg(not(unix))]
    loop {
        match io::Read::read(&mut &*file, bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// What the standard output is written to, if that is a regular file.
#[must_use]
pub fn stdout_identity() -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd as _;
        let handle = io::stdout().as_fd().try_clone_to_owned().ok()?;
        let metadata = File::from(handle).metadata().ok()?;
        if metadata.is_file() {
            file_identity(&metadata)
        } else {
            None
        }
    }
    #[cfg(not(unix))]
    None
}

/// Whether the standard input is a file, a pipe or a socket, so that there may be something to read.
#[must_use]
pub fn stdin_is_readable() -> bool {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd as _;
        use std::os::unix::fs::FileTypeExt as _;
        let handle = io::stdin().as_fd().try_clone_to_owned();
        handle
            .and_then(|handle| File::from(handle).metadata())
            .is_ok_and(|metadata| {
                let kind = metadata.file_type();
                kind.is_file() || kind.is_fifo() || kind.is_socket()
            })
    }
    #[cfg(not(unix))]
    {
        use std::io::IsTerminal as _;
        !io::stdin().is_terminal()
    }
}

/// Reads at `offset` until `bytes` is full or the file ends; how much was read.
///
/// # Errors
///
/// Those of the system.
pub fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let wanted = bytes.len();
    while !bytes.is_empty() {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(file, bytes, offset);
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset);
        match read {
            Ok(0) => break,
            Ok(count) => {
                bytes = bytes.get_mut(count..).unwrap_or_default();
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(wanted - bytes.len())
}
