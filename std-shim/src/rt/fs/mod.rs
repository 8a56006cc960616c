//! Files: open ones, and `std::fs`'s calls, one a future.
//!
//! A [`File`]'s reads and writes are done at once where the system's memory has what they need (Linux says so without waiting). Opening, and
//! what reads, writes and syncs must wait for, is done by an io_uring where the runtime has one (see [which](super#which-of-linuxs-queues)).
//! All else is done on threads for [`blocking`](super::blocking) work: a future that is dropped before a thread has begun its call does
//! nothing; afterwards the call runs to its end.
#![forbid(unsafe_code)]

mod file;
#[cfg(test)]
mod tests;

pub use file::File;

use super::blocking::blocking;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident($path:ident $(, $more:ident)?) -> $output:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        #[doc = concat!("As [`std::fs::", stringify!($name), "`].")]
        pub async fn $name(
            $path: impl AsRef<Path>,
            $($more: impl AsRef<Path>,)?
        ) -> io::Result<$output> {
            let $path = $path.as_ref().to_owned();
            $(let $more = $more.as_ref().to_owned();)?
            blocking(move || std::fs::$name($path $(, $more)?)).await
        }
    )*};
}

calls! {
    /// The whole file.
    read(path) -> Vec<u8>;
    /// The whole file, which must be UTF-8.
    read_to_string(path) -> String;
    /// What is known about a file.
    metadata(path) -> Metadata;
    /// Makes a directory and those above it.
    create_dir_all(path) -> ();
    /// Removes a file.
    remove_file(path) -> ();
    /// Removes a directory and what is in it.
    remove_dir_all(path) -> ();
    /// Gives a file another name.
    rename(from, to) -> ();
    /// Copies a file, within the system where it can; returns its bytes.
    copy(from, to) -> u64;
}

/// Writes a whole file.
///
/// # Errors
/// As [`std::fs::write`].
pub async fn write(
    path: impl AsRef<Path>,
    bytes: impl AsRef<[u8]> + Send + 'static,
) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    blocking(move || std::fs::write(path, bytes)).await
}

/// The paths in a directory, in no order.
///
/// # Errors
/// As [`std::fs::read_dir`].
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<Vec<PathBuf>> {
    let path = path.as_ref().to_owned();
    blocking(move || {
        std::fs::read_dir(path)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect()
    })
    .await
}
