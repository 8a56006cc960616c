//! By handles: `openat` and the names as the system gives them.

use super::EntryKind;
use core::ffi::CStr;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, statat};
use rustix::io::retry_on_intr;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The entries of a directory, in the order of their names.
#[derive(Debug)]
pub(crate) struct Listing {
    handle: Option<OwnedFd>,
    /// Each with a NUL behind it.
    names: Vec<u8>,
    entries: Vec<Entry>,
    /// Why there may be more.
    pub(crate) error: Option<io::Error>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The first bytes of the name, by which most comparisons are decided.
    prefix: u64,
    start: u32,
    bytes: u32,
    kind: EntryKind,
}

/// What one call of the system returns at most.
#[cfg(any(target_os = "linux", target_os = "android"))]
const CALL_BYTES: usize = 32 << 10;

impl Listing {
    /// Reads the directory at `path`, or, which is the same, entry `within.1` of `within.0`.
    ///
    /// # Errors
    ///
    /// It can't be opened. What goes wrong later is in [`error`](Self::error).
    pub(crate) fn read(
        within: Option<(&Self, usize)>,
        path: &Path,
        keep_open: bool,
    ) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = match within.and_then(|(parent, index)| parent.place(index)) {
            Some((parent, name)) => retry_on_intr(|| openat(parent, name, flags, Mode::empty()))?,
            None => retry_on_intr(|| openat(CWD, path, flags, Mode::empty()))?,
        };
        Ok(Self::of(handle, keep_open))
    }

    /// Reads the directory that `handle` is of.
    pub(super) fn of(handle: OwnedFd, keep_open: bool) -> Self {
        let mut listing = Self {
            handle: None,
            names: Vec::new(),
            entries: Vec::new(),
            error: None,
        };
        if let Err(error) = listing.fill(&handle) {
            listing.error = Some(error);
        }
        let names = &listing.names;
        listing.entries.sort_unstable_by(|a, b| {
            a.prefix
                .cmp(&b.prefix)
                .then_with(|| name(names, a).cmp(name(names, b)))
        });
        if keep_open {
            listing.handle = Some(handle);
        }
        listing
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn fill(&mut self, handle: &OwnedFd) -> io::Result<()> {
        let mut memory: Vec<u8> = Vec::with_capacity(CALL_BYTES);
        let mut entries = rustix::fs::RawDir::new(handle, memory.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                // The directory was removed meanwhile: that is its end, as the C library has it.
                Err(rustix::io::Errno::NOENT) => break,
                Err(error) => return Err(error.into()),
            };
            self.add(handle, entry.file_name(), entry.file_type());
        }
        Ok(())
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn fill(&mut self, handle: &OwnedFd) -> io::Result<()> {
        for entry in rustix::fs::Dir::read_from(handle)? {
            let entry = entry?;
            self.add(handle, entry.file_name(), entry.file_type());
        }
        Ok(())
    }

    fn add(&mut self, handle: &OwnedFd, name: &CStr, kind: FileType) {
        let bytes = name.to_bytes();
        if matches!(bytes, b"." | b"..") {
            return;
        }
        let kind = if kind == FileType::Unknown {
            statat(handle, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_or(kind, |facts| FileType::from_raw_mode(facts.st_mode))
        } else {
            kind
        };
        let (Ok(start), Ok(length)) = (u32::try_from(self.names.len()), u32::try_from(bytes.len()))
        else {
            self.error = Some(io::ErrorKind::OutOfMemory.into());
            return;
        };
        self.names.extend_from_slice(name.to_bytes_with_nul());
        let mut first = [0; 8];
        for (to, from) in first.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.entries.push(Entry {
            prefix: u64::from_be_bytes(first),
            start,
            bytes: length,
            kind: match kind {
                FileType::Directory => EntryKind::Directory,
                FileType::RegularFile => EntryKind::File,
                FileType::Symlink => EntryKind::Link,
                _ => EntryKind::Other,
            },
        });
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The name of an entry.
    #[inline]
    pub(crate) fn name(&self, index: usize) -> &OsStr {
        OsStr::from_bytes(
            self.entries
                .get(index)
                .map_or(b"", |entry| name(&self.names, entry)),
        )
    }

    /// What an entry is.
    #[inline]
    pub(crate) fn kind(&self, index: usize) -> EntryKind {
        self.entries
            .get(index)
            .map_or(EntryKind::Other, |entry| entry.kind)
    }

    fn place(&self, index: usize) -> Option<(&OwnedFd, &CStr)> {
        let entry = self.entries.get(index)?;
        let name = self.names.get(entry.start as usize..)?;
        let name = CStr::from_bytes_with_nul(name.get(..=entry.bytes as usize)?).ok()?;
        Some((self.handle.as_ref()?, name))
    }

    /// Opens an entry, whose path is `path`, to read it.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn open(&self, index: usize, path: &Path) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = match self.place(index) {
            Some((parent, name)) => retry_on_intr(|| openat(parent, name, flags, Mode::empty())),
            None => retry_on_intr(|| openat(CWD, path, flags, Mode::empty())),
        };
        Ok(File::from(opened?))
    }
}

#[inline]
fn name<'n>(names: &'n [u8], entry: &Entry) -> &'n [u8] {
    let start = entry.start as usize;
    names
        .get(start..start + entry.bytes as usize)
        .unwrap_or_default()
}
