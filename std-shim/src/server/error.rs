//! Why the server could not start or go on.
#![forbid(unsafe_code)]

use core::net::SocketAddr;
use underpin_core::db;

/// The error of [`EventLoop`](super::EventLoop).
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The database cannot be opened, synced or closed.
    Database {
        /// Its directory.
        directory: Vec<u8>,
        /// The database's error.
        error: db::Error,
    },
    /// The address cannot be listened at.
    Listen {
        /// The address.
        address: SocketAddr,
        /// The platform's error.
        error: underpin_core::Error,
    },
    /// The platform's reactor failed.
    Reactor(underpin_core::Error),
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Database { directory, error } => {
                write!(
                    f,
                    "cannot use the database in {}: {error}",
                    directory.escape_ascii()
                )
            }
            Self::Listen { address, error } => write!(f, "cannot listen on {address}: {error}"),
            Self::Reactor(error) => write!(f, "the event loop cannot go on: {error}"),
        }
    }
}

impl core::error::Error for Error {}

impl From<underpin_core::Error> for Error {
    fn from(error: underpin_core::Error) -> Self {
        Self::Reactor(error)
    }
}
