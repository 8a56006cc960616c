//! An open file, as rings and threads both can use it: calls that do what memory can do at once, or nothing, and calls that wait.
#![forbid(unsafe_code)]

use super::{Native, Net};
use std::fs::{File, Metadata};
use std::io;

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

    /// Calls `std`, which wants a descriptor of its own.
    fn with_std<T>(&self, call: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        call(&File::from(self.0.as_fd().try_clone_to_owned()?))
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

    fn with_std<T>(&self, call: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        call(&self.0)
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

impl OpenFile {
    pub(crate) fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.with_std(|file| file.set_len(bytes))
    }

    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        self.with_std(File::metadata)
    }
}
