//! How to open a database from `std`.
#![forbid(unsafe_code)]

use super::database::Db;
use std::io;
use std::path::Path;
use underpin_core::db::{Options, WriteLevel};

/// Opens a database with other settings than the defaults.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// What the database itself can be told.
    pub options: Options,
    /// How safe a write is when `put`, `remove` and `write` return. Default: [`WriteLevel::Os`].
    pub level: WriteLevel,
    /// Whether a thread flushes and merges, so that writers need not. Default: yes. If the system has no room for a thread, the
    /// writers do it.
    pub background: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            options: Options::default(),
            level: WriteLevel::Os,
            background: true,
        }
    }
}

impl OpenOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to make the directory and an empty database if there is none. Default: yes.
    #[must_use]
    pub const fn create(mut self, create: bool) -> Self {
        self.options.create = create;
        self
    }

    /// Sets how safe a write is when it returns.
    #[must_use]
    pub const fn level(mut self, level: WriteLevel) -> Self {
        self.level = level;
        self
    }

    /// Whether a thread flushes and merges. Default: yes.
    #[must_use]
    pub const fn background(mut self, background: bool) -> Self {
        self.background = background;
        self
    }

    /// Sets the memory for table blocks, in bytes.
    #[must_use]
    pub const fn cache_bytes(mut self, bytes: usize) -> Self {
        self.options.cache_bytes = bytes;
        self
    }

    /// Sets the memory for new writes before they go to a table, in bytes.
    #[must_use]
    pub const fn memtable_bytes(mut self, bytes: usize) -> Self {
        self.options.memtable_bytes = bytes;
        self
    }

    /// Sets the length from which values lie in files of their own, in bytes, at least 16; 0: never. Merges of tables leave those alone.
    #[must_use]
    pub const fn separate_from(mut self, bytes: usize) -> Self {
        self.options.separate_from = bytes;
        self
    }

    /// Opens the database in `directory`.
    ///
    /// # Errors
    /// `ResourceBusy` if it is open elsewhere, `InvalidData` if it is damaged, `NotFound` if there is none and none may be
    /// made, and what the system says.
    pub fn open(self, directory: impl AsRef<Path>) -> io::Result<Db> {
        Db::open_with(directory.as_ref(), self)
    }
}
