//! File calls that never wait: they do what memory can do at once, or nothing. And the write that waits.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io;

/// Reads at `offset` what is in the system's memory, at most `bytes.len()`. `None`: the call would wait, or may be at the file's end, or this
/// system or file system has no such call.
pub(crate) fn read_now(file: &File, bytes: &mut [u8], offset: u64) -> Option<io::Result<usize>> {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::{IoSliceMut, ReadWriteFlags, preadv2, retry_on_intr};
        let is_empty = bytes.is_empty();
        let result = known(offset, || {
            let mut slices = [IoSliceMut::new(bytes)];
            retry_on_intr(|| preadv2(file, &mut slices, offset, ReadWriteFlags::NOWAIT))
        });
        // Linux 5.9 and 5.10 say 0 also where they would have to wait.
        result.filter(|result| is_empty || !matches!(result, Ok(0)))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, bytes, offset);
        None
    }
}

/// As [`read_now`], for a write into the system's memory.
pub(crate) fn write_now(file: &File, bytes: &[u8], offset: u64) -> Option<io::Result<usize>> {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::{IoSlice, ReadWriteFlags, pwritev2, retry_on_intr};
        known(offset, || {
            let slices = [IoSlice::new(bytes)];
            retry_on_intr(|| pwritev2(file, &slices, offset, ReadWriteFlags::NOWAIT))
        })
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, bytes, offset);
        None
    }
}

#[cfg(target_os = "linux")]
fn known(
    offset: u64,
    call: impl FnOnce() -> rustix::io::Result<usize>,
) -> Option<io::Result<usize>> {
    use rustix::io::Errno;
    // To these calls -1 is the file's own position.
    i64::try_from(offset).ok()?;
    match call() {
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS | Errno::PERM) => None,
        result => Some(result.map_err(io::Error::from)),
    }
}

/// Writes at `offset` and waits as long as that takes; perhaps fewer bytes than there are.
///
/// # Errors
///
/// The system's; never that the call was interrupted.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    #[cfg(unix)]
    use std::os::unix::fs::FileExt as _;
    #[cfg(windows)]
    use std::os::windows::fs::FileExt as _;
    loop {
        #[cfg(unix)]
        let result = file.write_at(bytes, offset);
        #[cfg(windows)]
        let result = file.seek_write(bytes, offset);
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
