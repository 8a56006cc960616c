//! From paths to inodes: `/` separates, `.` and `..` mean what they always do, the working directory is the root.
#![forbid(unsafe_code)]

use super::inode::{InodeId, Node};
use super::journal::Entry;
use super::{Disk, DiskResult, ROOT};
use crate::error::Kind;
use crate::limits::PATH_BYTES_MAX;

/// Longest name of a directory entry, as on every file system of note.
const NAME_BYTES_MAX: usize = 255;

/// Where a name is or would be.
#[derive(Debug)]
pub(in super::super) struct Place<'a> {
    pub(in super::super) directory: InodeId,
    pub(in super::super) name: &'a [u8],
    /// What the name means now.
    pub(in super::super) inode: Option<InodeId>,
    /// The path ended in a slash.
    pub(in super::super) must_be_directory: bool,
}

impl Place<'_> {
    /// The name with a new meaning.
    pub(in super::super) fn entry(&self, inode: Option<InodeId>) -> Entry {
        Entry {
            directory: self.directory,
            name: self.name.to_vec(),
            inode,
        }
    }
}

impl Disk {
    fn step(&self, directory: InodeId, name: &[u8]) -> DiskResult<Option<InodeId>> {
        let entries = self.entries(directory)?;
        match name {
            b"." => Ok(Some(directory)),
            b".." => match &self.inode(directory)?.node {
                Node::Directory { parent, .. } => Ok(Some(*parent)),
                Node::File(_) => Err(Kind::NotADirectory),
            },
            name if name.len() > NAME_BYTES_MAX => Err(Kind::InvalidInput),
            name => Ok(entries.get(name).copied()),
        }
    }

    fn check(path: &[u8]) -> DiskResult<()> {
        if path.is_empty() || path.len() > PATH_BYTES_MAX || path.contains(&0) {
            return Err(Kind::InvalidInput);
        }
        Ok(())
    }

    /// The inode that `path` names.
    pub(in super::super) fn find(&self, path: &[u8]) -> DiskResult<InodeId> {
        Self::check(path)?;
        let mut id = ROOT;
        for name in path.split(|byte| *byte == b'/') {
            if !name.is_empty() {
                id = self.step(id, name)?.ok_or(Kind::NotFound)?;
            }
        }
        if path.ends_with(b"/") {
            self.entries(id)?;
        }
        Ok(id)
    }

    /// The directory and name at the end of `path`; the name itself need not be there.
    ///
    /// `Busy` for a path that ends in no name of its own: the root, `.` and `..`.
    pub(in super::super) fn place<'a>(&self, path: &'a [u8]) -> DiskResult<Place<'a>> {
        Self::check(path)?;
        let slashes = path.iter().rev().take_while(|byte| **byte == b'/').count();
        let bare = &path[..path.len() - slashes];
        let split = bare.iter().rposition(|byte| *byte == b'/');
        let (parents, name) = match split {
            Some(at) => (&bare[..at], &bare[at + 1..]),
            None => (&bare[..0], bare),
        };
        if name.is_empty() || name == b"." || name == b".." {
            return Err(Kind::Busy);
        }
        let directory = match parents {
            [] => ROOT,
            parents => self.find(parents)?,
        };
        Ok(Place {
            directory,
            name,
            inode: self.step(directory, name)?,
            must_be_directory: slashes != 0,
        })
    }
}
