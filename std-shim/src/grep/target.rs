//! What is searched: files that were named, and files that were found in a directory.
//!
//! A file that was found is its directory and a number in it: its path is put together only while it is searched, and it
//! is opened by its name within the directory.

use crate::sys::listing::{EntryKind, Listing};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many directories are kept open at most while there is work in them; what is in the others is opened by its path.
const OPEN_MAX: u64 = 64;

/// The handles of directories that may still be kept.
#[derive(Debug)]
pub(super) struct Handles(AtomicU64);

impl Handles {
    /// A part of those that the process may have.
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(OPEN_MAX.min(crate::sys::handle_limit() / 4)))
    }

    fn take(self: &Arc<Self>) -> Option<Handle> {
        let less = |left: u64| left.checked_sub(1);
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.is_ok().then(|| Handle(Arc::clone(self)))
    }
}

/// One of them, given back with the value.
#[derive(Debug)]
struct Handle(Arc<Handles>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A directory that was listed.
#[derive(Debug)]
pub(super) struct Folder {
    /// What is before a name in it.
    prefix: OsString,
    pub(super) listing: Listing,
    /// The entries to search, in order.
    pub(super) wanted: Vec<u32>,
    /// The right to keep the listing open.
    _handle: Option<Handle>,
}

impl Folder {
    /// Lists the directory at `path`, or, which is the same, the entry `within`; its files are shown as below `shown`. It is
    /// kept open if `handles` are given and not used up.
    pub(super) fn read(
        path: &Path,
        shown: &Path,
        within: Option<&(Arc<Self>, usize)>,
        handles: Option<&Arc<Handles>>,
    ) -> io::Result<Self> {
        let within = within.map(|(folder, index)| (&folder.listing, *index));
        let handle = handles.and_then(Handles::take);
        Ok(Self {
            listing: Listing::read(within, path, handle.is_some())?,
            _handle: handle,
            // Ends with a separator, unless it is empty.
            prefix: shown.join("").into_os_string(),
            wanted: Vec::new(),
        })
    }

    /// The path of an entry, in `scratch`.
    pub(super) fn path<'p>(&self, index: usize, scratch: &'p mut OsString) -> &'p Path {
        scratch.clear();
        scratch.push(&self.prefix);
        scratch.push(self.listing.name(index));
        Path::new(scratch)
    }

    /// What an entry is, links not followed: a directory, a regular file.
    pub(super) fn kind(&self, index: usize) -> EntryKind {
        self.listing.kind(index)
    }
}

/// A file to search.
#[derive(Debug)]
pub(super) enum Target {
    /// The standard input.
    Stdin,
    /// A file that the user named.
    Named {
        /// As it is shown.
        path: PathBuf,
        /// A file, not a pipe or a device.
        regular: bool,
    },
    /// An entry of a directory.
    Found {
        /// The directory.
        folder: Arc<Folder>,
        /// Its entry.
        index: u32,
    },
}

impl Target {
    /// The path, which may be in `scratch`.
    pub(super) fn path<'p>(&'p self, scratch: &'p mut OsString) -> &'p Path {
        match self {
            Self::Stdin => Path::new("<stdin>"),
            Self::Named { path, .. } => path,
            Self::Found { folder, index } => folder.path(*index as usize, scratch),
        }
    }

    /// The path, to keep.
    pub(super) fn path_buf(&self) -> PathBuf {
        self.path(&mut OsString::new()).to_path_buf()
    }

    /// Whether the user named it.
    pub(super) fn is_named(&self) -> bool {
        !matches!(self, Self::Found { .. })
    }

    /// Whether it is a file that has an end and a length.
    pub(super) fn is_regular(&self) -> bool {
        match self {
            Self::Stdin => false,
            Self::Named { regular, .. } => *regular,
            Self::Found { .. } => true,
        }
    }

    /// Opens it; `path` is its path. The standard input is not opened so.
    pub(super) fn open(&self, path: &Path) -> io::Result<File> {
        match self {
            Self::Found { folder, index } => folder.listing.open(*index as usize, path),
            Self::Named { .. } | Self::Stdin => File::open(path),
        }
    }
}

/// Files that are searched one after the other.
#[derive(Debug)]
pub(super) enum Files {
    /// One, once.
    One(Option<Target>),
    /// Some of a directory.
    Found(Arc<Folder>, Range<usize>),
}

impl Iterator for Files {
    type Item = Target;

    fn next(&mut self) -> Option<Target> {
        match self {
            Self::One(target) => target.take(),
            Self::Found(folder, range) => {
                let index = *folder.wanted.get(range.next()?)?;
                let folder = Arc::clone(folder);
                Some(Target::Found { folder, index })
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match self {
            Self::One(target) => usize::from(target.is_some()),
            Self::Found(_, range) => range.len(),
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Files {}
