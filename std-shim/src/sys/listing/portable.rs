//! By paths, for systems without handles of directories.

use super::EntryKind;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// The entries of a directory, in the order of their names.
#[derive(Debug)]
pub(crate) struct Listing {
    entries: Vec<(OsString, EntryKind)>,
    /// Why there may be more.
    pub(crate) error: Option<io::Error>,
}

impl Listing {
    pub(crate) fn read(
        _within: Option<(&Self, usize)>,
        path: &Path,
        _keep_open: bool,
    ) -> io::Result<Self> {
        let (mut entries, mut error) = (Vec::new(), None);
        for entry in fs::read_dir(path)? {
            match entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?))) {
                Ok((name, kind)) => entries.push((
                    name,
                    if kind.is_dir() {
                        EntryKind::Directory
                    } else if kind.is_file() {
                        EntryKind::File
                    } else if kind.is_symlink() {
                        EntryKind::Link
                    } else {
                        EntryKind::Other
                    },
                )),
                Err(why) => error = Some(why),
            }
        }
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(Self { entries, error })
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn name(&self, index: usize) -> &OsStr {
        self.entries
            .get(index)
            .map_or(OsStr::new(""), |entry| &entry.0)
    }

    pub(crate) fn kind(&self, index: usize) -> EntryKind {
        self.entries
            .get(index)
            .map_or(EntryKind::Other, |entry| entry.1)
    }

    pub(crate) fn open(&self, _index: usize, path: &Path) -> io::Result<File> {
        File::open(path)
    }
}
