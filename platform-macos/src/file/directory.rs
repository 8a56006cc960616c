//! Listing a directory.
//!
//! `readdir_r` is not used: it cannot say how long a name may be. `readdir` on a stream of its own is as safe between threads.
//!
//! # Quirks
//! - `readdir` tells its end from an error only by `errno`, which must be 0 before (readdir(3)).
//! - A record may end before the declared end of `struct dirent`, so no reference to the whole is made.
//! - Some file systems leave the kind out (`DT_UNKNOWN`); the entry is then listed as [`FileKind::Other`].
#![allow(unsafe_code, reason = "calls libSystem")]

use super::Descriptor;
use crate::error::{last, last_errno};
use crate::path::with_c_path;
use core::mem;
use core::ops::ControlFlow;
use core::ptr::NonNull;
use core::slice;
use libc::{DIR, dirent};
use underpin_core::error::{Kind, Operation, Result};
use underpin_core::platform::{DirectoryEntry, FileKind};

/// An open directory stream; closed, with its descriptor, when dropped, also when a visitor unwinds.
struct Stream(NonNull<DIR>);

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: the stream is this value's own.
        unsafe { libc::closedir(self.0.as_ptr()) };
    }
}

impl Stream {
    fn new(directory: Descriptor) -> Result<Self> {
        // SAFETY: an open descriptor, which the stream takes over if it is made.
        let stream = unsafe { libc::fdopendir(directory.0) };
        let stream = NonNull::new(stream).ok_or_else(|| last(Operation::List))?;
        mem::forget(directory);
        Ok(Self(stream))
    }

    /// The next record, valid until the next call; `None` at the end.
    fn next(&mut self) -> Result<Option<NonNull<dirent>>> {
        // SAFETY: `__error` returns the address of this thread's errno.
        unsafe { *libc::__error() = 0 };
        // SAFETY: an open stream that nobody else uses.
        match NonNull::new(unsafe { libc::readdir(self.0.as_ptr()) }) {
            Some(record) => Ok(Some(record)),
            None if last_errno() == 0 => Ok(None),
            None => Err(last(Operation::List)),
        }
    }
}

const fn kind_of_type(d_type: u8) -> FileKind {
    match d_type {
        libc::DT_REG => FileKind::File,
        libc::DT_DIR => FileKind::Directory,
        libc::DT_LNK => FileKind::Link,
        _ => FileKind::Other,
    }
}

pub(super) fn list(
    path: &[u8],
    visit: &mut dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
) -> Result<()> {
    let directory = with_c_path(Operation::List, path, |path| {
        Descriptor::open(Operation::List, path, libc::O_RDONLY | libc::O_DIRECTORY)
    })?;
    let mut stream = Stream::new(directory)?;
    loop {
        let record = match stream.next() {
            Ok(Some(record)) => record.as_ptr(),
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == Kind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        // SAFETY: the record is valid until the next call to `next`, its fields up to the name's end are initialised, and the name has
        // `d_namlen` bytes.
        let (name, kind) = unsafe {
            let start = (&raw const (*record).d_name).cast::<u8>();
            let name = slice::from_raw_parts(start, usize::from((*record).d_namlen));
            (name, kind_of_type((*record).d_type))
        };
        if name != b"." && name != b".." && visit(DirectoryEntry::new(name, kind)).is_break() {
            return Ok(());
        }
    }
}
