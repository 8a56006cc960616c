//! An open file, as rings and threads both can use it: calls that do what memory can do at once, or nothing, and calls that wait.
#![allow(unsafe_code, reason = "lends a descriptor to `std`")]

use super::{Native, Net};
#[cfg(target_os = "linux")]
use core::mem::ManuallyDrop;
use std::fs::{File, Metadata};
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::FromRawFd as _;

/// What a ring calls a file.
pub(crate) type RingFile = <Native as Net>::Socket;

/// An open file. Clones share it; it is closed with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct OpenFile(Inner);

#[cfg(target_os = "linux")]
type Inner = underpin_linux::Socket;
#[cfg(not(target_os = "linux"))]
type Inner = std::sync::Arc<File>;

impl From<File> for OpenFile {
    fn from(file: File) -> Self {
        #[cfg(target_os = "linux")]
        return Self(underpin_linux::Socket::watched(file.into()));
        #[cfg(not(target_os = "linux"))]
        return Self(std::sync::Arc::new(file));
    }
}

#[cfg(target_os = "linux")]
impl OpenFile {
    /// What a ring opened. `None` on systems whose rings open none.
    pub(crate) fn of_ring(file: RingFile) -> Option<Self> {
        Some(Self(file))
    }

    /// The file for a ring, on systems whose rings may know files.
    pub(crate) fn for_ring(&self) -> Option<RingFile> {
        Some(self.0.clone())
    }

    /// Reads at `offset` what is in the system's memory, at most `bytes.len()`. `None`: the call would wait, or may be at the file's end,
    /// or this system or file system has no such call.
    pub(crate) fn read_now(&self, bytes: &mut [u8], offset: u64) -> Option<io::Result<usize>> {
        use rustix::io::{IoSliceMut, ReadWriteFlags, preadv2, retry_on_intr};
        let is_empty = bytes.is_empty();
        let result = known(offset, || {
            let mut slices = [IoSliceMut::new(bytes)];
            retry_on_intr(|| preadv2(self.0.as_fd(), &mut slices, offset, ReadWriteFlags::NOWAIT))
        });
        // Linux 5.9 and 5.10 say 0 also where they would have to wait.
        result.filter(|result| is_empty || !matches!(result, Ok(0)))
    }

    /// As [`read_now`](Self::read_now), for a write into the system's memory.
    pub(crate) fn write_now(&self, bytes: &[u8], offset: u64) -> Option<io::Result<usize>> {
        use rustix::io::{IoSlice, ReadWriteFlags, pwritev2, retry_on_intr};
        known(offset, || {
            let slices = [IoSlice::new(bytes)];
            retry_on_intr(|| pwritev2(self.0.as_fd(), &slices, offset, ReadWriteFlags::NOWAIT))
        })
    }

    pub(crate) fn set_len(&self, bytes: u64) -> io::Result<()> {
        // The call's number is signed.
        i64::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
        Ok(rustix::io::retry_on_intr(|| {
            rustix::fs::ftruncate(self.0.as_fd(), bytes)
        })?)
    }

    /// Only `std` makes what it knows about files, and only of a descriptor that is its own. It is not given a duplicate: whoever closes any
    /// descriptor of a file gives up the locks that his process has on it (`fcntl`).
    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        // SAFETY: the descriptor is open, and stays so while `self` is borrowed, which is longer than `file` lives: it does not leave this call.
        // It is never dropped, also when the call panics, so that the descriptor is not closed by anyone but its owner.
        let file = ManuallyDrop::new(unsafe { File::from_raw_fd(self.0.raw_fd()) });
        file.metadata()
    }

    /// Reads at `offset` and waits as long as that takes.
    ///
    /// # Errors
    /// The system's; never that the call was interrupted.
    pub(crate) fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| {
            rustix::io::pread(self.0.as_fd(), &mut *bytes, offset)
        })?)
    }

    /// Writes at `offset` and waits as long as that takes; perhaps fewer bytes than there are.
    ///
    /// # Errors
    /// The system's; never that the call was interrupted.
    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| {
            rustix::io::pwrite(self.0.as_fd(), bytes, offset)
        })?)
    }

    pub(crate) fn sync_all(&self) -> io::Result<()> {
        Ok(rustix::io::retry_on_intr(|| {
            rustix::fs::fsync(self.0.as_fd())
        })?)
    }

    pub(crate) fn sync_data(&self) -> io::Result<()> {
        Ok(rustix::io::retry_on_intr(|| {
            rustix::fs::fdatasync(self.0.as_fd())
        })?)
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

#[cfg(not(target_os = "linux"))]
impl OpenFile {
    pub(crate) fn of_ring(_: RingFile) -> Option<Self> {
        None
    }

    pub(crate) fn for_ring(&self) -> Option<RingFile> {
        None
    }

    pub(crate) fn read_now(&self, _: &mut [u8], _: u64) -> Option<io::Result<usize>> {
        None
    }

    pub(crate) fn write_now(&self, _: &[u8], _: u64) -> Option<io::Result<usize>> {
        None
    }

    pub(crate) fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }

    pub(crate) fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        super::read_at(&self.0, bytes, offset)
    }

    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        #[cfg(unix)]
        use std::os::unix::fs::FileExt as _;
        #[cfg(windows)]
        use std::os::windows::fs::FileExt as _;
        loop {
            #[cfg(unix)]
            let result = self.0.write_at(bytes, offset);
            #[cfg(windows)]
            let result = self.0.seek_write(bytes, offset);
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    pub(crate) fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    pub(crate) fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn what_is_asked_of_a_file_keeps_the_processs_locks_on_it() {
        let path = std::env::temp_dir().join(format!("underpin-lock-{}", std::process::id()));
        let locked = File::create(&path).expect("made");
        let operation = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        rustix::fs::fcntl_lock(&locked, operation).expect("locked");
        let of_file = format!(":{} ", locked.metadata().expect("known").ino());
        let is_locked = || {
            let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
            locks.lines().any(|lock| lock.contains(&of_file))
        };
        let tells_of_locks = is_locked();
        let file = OpenFile::from(locked);
        file.set_len(5).expect("filled up");
        assert_eq!(is_locked(), tells_of_locks, "a new length");
        assert_eq!(file.metadata().expect("known").len(), 5);
        assert_eq!(is_locked(), tells_of_locks, "facts");
        let error = file.set_len(u64::MAX).expect_err("no length");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        std::fs::remove_file(&path).expect("removed");
        if !tells_of_locks {
            eprintln!("NOT RUN: this system does not tell of locks");
        }
    }
}
