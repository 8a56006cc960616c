//! Directories above the database's own.
#![forbid(unsafe_code)]

use super::error::io_error;
use crate::sys::{native, path_bytes};
use std::io::{self, ErrorKind};
use std::path::Path;
use underpin_core::db;

/// Makes a directory and those above it that are not there, each durably in its parent: a database is no safer than its path.
///
/// # Errors
/// What the system says of the first that could not be made; those above it stay.
pub fn create_directories(path: &Path) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.is_dir();
    let mut missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    while let Some(path) = missing.pop() {
        let made = db::create_directory(&native(), path_bytes(path)).map_err(io_error)?;
        if !made && !path.is_dir() {
            return Err(io::Error::new(
                ErrorKind::NotADirectory,
                format!("{} is not a directory", path.display()),
            ));
        }
    }
    Ok(())
}
