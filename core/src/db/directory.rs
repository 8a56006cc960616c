//! The database's directory: the platform's calls with the file's name attached to every error.
#![forbid(unsafe_code)]

use super::error::{Error, Result};
use super::file_name::FileName;
use super::values::OpenValues;
use crate::error::Kind;
use crate::platform::{Create, Durability, Files, OpenOptions};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, Ordering};

/// Most files that a database's directory may hold: far more than there ever are, and few enough to list.
const NAMES_MAX: usize = 1 << 20;

/// A platform and the directory that a database lives in.
#[derive(Debug)]
pub(super) struct Directory<P: Files> {
    pub(super) platform: P,
    path: Arc<[u8]>,
    values: Arc<OpenValues<P>>,
    /// It was let go of: what is in it may be another's by now. Says nothing of other memory, so accesses are relaxed.
    left: Arc<AtomicBool>,
}

impl<P: Files> Clone for Directory<P> {
    fn clone(&self) -> Self {
        Self {
            platform: self.platform.clone(),
            path: self.path.clone(),
            values: self.values.clone(),
            left: self.left.clone(),
        }
    }
}

/// Makes a directory, durably in its parent, which must be there. False if there is one already, which is left as it is.
///
/// # Errors
/// [`Error::Io`]: it was not made.
pub fn create_directory<P: Files>(platform: &P, path: &[u8]) -> Result<bool> {
    match platform.create_directory(path) {
        Ok(()) => {}
        Err(error) if error.kind() == Kind::AlreadyExists => return Ok(false),
        Err(error) => return Err(Error::io(FileName::Directory, error)),
    }
    let synced = sync_names_of(platform, parent_of(path));
    if synced.is_err() {
        // A name whose sync failed may never become durable: the next try makes it anew.
        let _ = platform.remove_directory(path);
    }
    synced.map(|()| true)
}

/// Gives a directory another name beside the one that it had, durably.
///
/// # Errors
/// [`Error::Io`]: it has the old name or the new one, and after a loss of power perhaps the other.
pub fn rename_directory<P: Files>(platform: &P, from: &[u8], to: &[u8]) -> Result<()> {
    platform
        .rename(from, to)
        .map_err(|error| Error::io(FileName::Directory, error))?;
    sync_names_of(platform, parent_of(to))
}

fn parent_of(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(0) => b"/",
        Some(at) => path.get(..at).unwrap_or_default(),
        None => b".",
    }
}

fn sync_names_of<P: Files>(platform: &P, path: &[u8]) -> Result<()> {
    match platform.sync_directory(path) {
        Err(error) if error.kind() != Kind::Unsupported => {
            Err(Error::io(FileName::Directory, error))
        }
        _ => Ok(()),
    }
}

impl<P: Files> Directory<P> {
    pub(super) fn new(platform: P, path: &[u8]) -> Self {
        // `a/b/` is `a/b`; the root stays what it is.
        let mut path = path;
        while let [rest @ .., b'/'] = path
            && !rest.is_empty()
        {
            path = rest;
        }
        Self {
            values: Arc::new(OpenValues::new(platform.clone())),
            platform,
            path: path.into(),
            left: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Says that the database's lock is given back: from here on no file is removed for being needed no more.
    pub(super) fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
    }

    pub(super) fn was_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    /// The values files that are open here.
    pub(super) fn values(&self) -> &OpenValues<P> {
        &self.values
    }

    /// Removes the files of a table that nothing knows of.
    pub(super) fn remove_built(&self, number: u64) {
        self.remove(FileName::Table(number));
        self.remove(FileName::Values(number));
    }

    /// For messages.
    pub(super) fn path_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.path)
    }

    /// Makes the directory if it is not there, durably in its parent. One with a manifest is so already: its parent, which may be
    /// unreadable, is left alone.
    pub(super) fn create(&self) -> Result<()> {
        if create_directory(&self.platform, &self.path)? || self.exists(FileName::Manifest)? {
            return Ok(());
        }
        sync_names_of(&self.platform, parent_of(&self.path))
    }

    /// Makes the directory, which must not be there or be empty, durably in its parent, and takes it: whoever else makes a copy in it
    /// is refused.
    pub(super) fn create_new(&self) -> Result<()> {
        const TAKEN: Error =
            Error::Invalid("the directory for the copy is not empty; name a new one");
        self.create()?;
        let mut empty = true;
        self.platform
            .list(&self.path, &mut |_| {
                empty = false;
                ControlFlow::Break(())
            })
            .map_err(|error| Error::io(FileName::Directory, error))?;
        if !empty {
            return Err(TAKEN);
        }
        let claim = OpenOptions::read_write().with_create(Create::New);
        match self.open(FileName::Lock, &claim) {
            Ok(_) => Ok(()),
            Err(Error::Io { error, .. }) if error.kind() == Kind::AlreadyExists => Err(TAKEN),
            Err(error) => Err(error),
        }
    }

    /// Gives a file here a second name in another directory.
    pub(super) fn link(&self, name: FileName, target: &Self) -> Result<()> {
        self.platform
            .hard_link(&name.path(&self.path), &name.path(&target.path))
            .map_err(|error| Error::io(name, error))
    }

    /// Removes the directory and the database's files in it. Errors are left alone.
    pub(super) fn remove_all(&self) {
        for name in self.list().unwrap_or_default() {
            self.remove(name);
        }
        let _ = self.platform.remove_directory(&self.path);
    }

    fn aside(&self, name: FileName) -> Vec<u8> {
        let mut path = name.path(&self.path);
        path.extend_from_slice(b".damaged");
        path
    }

    /// Renames a damaged file so that it is none of the database's. If that fails, it stays a leftover.
    pub(super) fn set_aside(&self, name: FileName) {
        let _ = self
            .platform
            .rename(&name.path(&self.path), &self.aside(name));
    }

    /// Copies a damaged file, durably but for its name, to the name that [`set_aside`](Self::set_aside) would give it.
    pub(super) fn copy_aside(&self, name: FileName) -> Result<()> {
        let from = self.open_existing(name)?;
        let open = OpenOptions::read_write()
            .with_create(Create::IfMissing)
            .with_truncate();
        let to = self
            .platform
            .open(&self.aside(name), &open)
            .map_err(|error| Error::io(name, error))?;
        let bytes = self.length(name, &from)?;
        let mut done = 0u64;
        while done < bytes {
            let mut part = alloc::vec![0; (bytes - done).min(256 << 10) as usize];
            self.read(name, &from, &mut part, done)?;
            self.write(name, &to, &part, done)?;
            done += part.len() as u64;
        }
        self.sync(name, &to, Durability::Full)
    }

    /// Cuts a file off.
    pub(super) fn cut(&self, name: FileName, file: &P::File, bytes: u64) -> Result<()> {
        self.platform
            .set_length(file, bytes)
            .map_err(|error| Error::io(name, error))
    }

    pub(super) fn open(&self, name: FileName, options: &OpenOptions) -> Result<P::File> {
        self.platform
            .open(&name.path(&self.path), options)
            .map_err(|error| Error::io(name, error))
    }

    /// Opens a file that the database needs: a missing one is damage.
    pub(super) fn open_existing(&self, name: FileName) -> Result<P::File> {
        self.open(name, &OpenOptions::read())
            .map_err(|error| match error {
                Error::Io { error, .. } if error.kind() == Kind::NotFound => {
                    Error::corrupt(name, 0, "the file is missing", 1, 0)
                }
                other => other,
            })
    }

    pub(super) fn exists(&self, name: FileName) -> Result<bool> {
        match self.platform.metadata(&name.path(&self.path)) {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::NotADirectory) => Ok(false),
            Err(error) => Err(Error::io(name, error)),
        }
    }

    pub(super) fn file_bytes(&self, name: FileName) -> Result<u64> {
        self.platform
            .metadata(&name.path(&self.path))
            .map(|metadata| metadata.bytes)
            .map_err(|error| Error::io(name, error))
    }

    pub(super) fn length(&self, name: FileName, file: &P::File) -> Result<u64> {
        self.platform
            .file_metadata(file)
            .map(|metadata| metadata.bytes)
            .map_err(|error| Error::io(name, error))
    }

    pub(super) fn write(
        &self,
        name: FileName,
        file: &P::File,
        bytes: &[u8],
        offset: u64,
    ) -> Result<()> {
        self.platform
            .write_all_at(file, bytes, offset)
            .map_err(|error| Error::io(name, error))
    }

    /// Reads exactly `buffer.len()` bytes; the caller knows that they are there, so a file that ends before is damage.
    pub(super) fn read(
        &self,
        name: FileName,
        file: &P::File,
        buffer: &mut [u8],
        offset: u64,
    ) -> Result<()> {
        self.platform
            .read_exact_at(file, buffer, offset)
            .map_err(|error| match error.kind() {
                Kind::UnexpectedEnd => Error::corrupt(
                    name,
                    offset,
                    "the file ends early; bytes at this offset",
                    buffer.len() as u64,
                    0,
                ),
                _ => Error::io(name, error),
            })
    }

    pub(super) fn sync(&self, name: FileName, file: &P::File, level: Durability) -> Result<()> {
        self.platform
            .sync(file, level)
            .map(|_| ())
            .map_err(|error| Error::io(name, error))
    }

    /// Makes names made, renamed and removed durable. A system without such a call (Windows) keeps names in its file
    /// system's own journal, in the order of the operations; there is nothing more to ask for.
    pub(super) fn sync_names(&self) -> Result<()> {
        sync_names_of(&self.platform, &self.path)
    }

    pub(super) fn rename(&self, from: FileName, to: FileName) -> Result<()> {
        self.platform
            .rename(&from.path(&self.path), &to.path(&self.path))
            .map_err(|error| Error::io(to, error))
    }

    /// Removes a file that nothing needs any more. If that fails, the next open tries again.
    pub(super) fn remove(&self, name: FileName) {
        let _ = self.platform.remove_file(&name.path(&self.path));
    }

    /// The database's files here; strangers are left out.
    pub(super) fn list(&self) -> Result<Vec<FileName>> {
        let mut names = Vec::new();
        let mut total = 0usize;
        self.platform
            .list(&self.path, &mut |entry| {
                names.extend(FileName::parse(entry.name));
                total = total.saturating_add(1);
                if total < NAMES_MAX {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })
            .map_err(|error| Error::io(FileName::Directory, error))?;
        if total >= NAMES_MAX {
            return Err(Error::Limit {
                what: "number of files in the directory",
                found: total as u64,
                max: NAMES_MAX as u64,
            });
        }
        names.sort_unstable();
        Ok(names)
    }
}
