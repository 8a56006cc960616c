//! What can go wrong in a database: which file, where, and what to do about it.
#![forbid(unsafe_code)]

use super::file_name::FileName;
use crate::error::Kind;
use core::fmt;

/// Result of a database call.
pub type Result<T> = core::result::Result<T, Error>;

/// Where and how a file's bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Corruption {
    /// The damaged file.
    pub file: FileName,
    /// Offset of the damaged record, block or field, in bytes.
    pub offset: u64,
    /// The checksum or value that should be there.
    pub expected: u64,
    /// The one that is.
    pub found: u64,
    /// What was being checked.
    pub what: &'static str,
}

/// The error of a database call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A file is damaged. Nothing was guessed and nothing removed.
    Corrupt(Corruption),
    /// The platform reports an error.
    Io {
        /// The file concerned.
        file: FileName,
        /// The platform's error.
        error: crate::Error,
    },
    /// An earlier write or sync of the log, or the switch to a new manifest, failed; writes are refused until the
    /// database is opened anew, which finds out what is on disk.
    Poisoned,
    /// Another handle, in this process or another, has the database open.
    Locked,
    /// A key, value or batch is larger than the database accepts.
    Limit {
        /// What is too large, or, as `number of`, too many.
        what: &'static str,
        /// Its size.
        found: u64,
        /// The largest size that is accepted.
        max: u64,
    },
    /// A file was written by a version that this one does not know.
    Format {
        /// The file.
        file: FileName,
        /// The version it states.
        found: u32,
        /// The newest version that this program reads.
        supported: u32,
    },
    /// The directory holds no database and none may be created in it.
    NotADatabase,
    /// The keyspace was dropped, or belongs to another database.
    NoKeyspace,
    /// Somebody else has changed what the transaction read or wrote, or holds a lock on it for longer than it waits. Roll back and
    /// try again.
    Conflict,
    /// The database was opened for reading only.
    ReadOnly,
    /// An argument or option makes no sense.
    Invalid(&'static str),
    /// The database was closed.
    Closed,
}

impl Error {
    pub(super) const fn io(file: FileName, error: crate::Error) -> Self {
        Self::Io { file, error }
    }

    /// Whether what was asked for is lost: it makes no sense, or the disk does not give it back.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Corrupt(_) => true,
            Self::Io { error, .. } => error.kind() == Kind::Io,
            _ => false,
        }
    }

    /// The file that it is of, if it is of one.
    pub(super) const fn file(&self) -> Option<FileName> {
        match self {
            Self::Corrupt(corruption) => Some(corruption.file),
            Self::Io { file, .. } => Some(*file),
            _ => None,
        }
    }

    pub(super) const fn corrupt(
        file: FileName,
        offset: u64,
        what: &'static str,
        expected: u64,
        found: u64,
    ) -> Self {
        Self::Corrupt(Corruption {
            file,
            offset,
            expected,
            found,
            what,
        })
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is damaged at offset {}: {}: expected {:#x}, found {:#x}; restore the file from a copy",
            self.file, self.offset, self.what, self.expected, self.found
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(corruption) => corruption.fmt(f),
            Self::Io { file, error } => write!(f, "{file}: {error}"),
            Self::Poisoned => f.write_str(
                "an earlier write to disk failed and the database refuses writes; check the disk, \
                 then close and open the database",
            ),
            Self::Locked => f.write_str(
                "the database is open elsewhere; close it there or use another directory",
            ),
            Self::Limit { what, found, max } if what.starts_with("number of") => {
                write!(f, "{what}, {found}, is over the limit of {max}")
            }
            Self::Limit { what, found, max } => {
                write!(f, "{what} of {found} bytes is over the limit of {max}")
            }
            Self::Format {
                file,
                found,
                supported,
            } => write!(
                f,
                "{file} has format version {found}, this program reads up to {supported}; use a newer one"
            ),
            Self::NotADatabase => f.write_str(
                "no database in this directory; name another one or allow it to be created",
            ),
            Self::NoKeyspace => f.write_str("no such keyspace; it was dropped, or is another database's"),
            Self::Conflict => f.write_str(
                "what the transaction read or wrote was changed or is locked by another; try it again",
            ),
            Self::ReadOnly => f.write_str("the database was opened for reading only"),
            Self::Invalid(what) => f.write_str(what),
            Self::Closed => f.write_str("the database was closed; open it anew"),
        }
    }
}

impl core::error::Error for Error {}
