//! Between `std`'s paths and the seam's bytes.
//!
//! The bytes are the system's own on Unix and WTF-8 on Windows, which is what `OsStr::as_encoded_bytes` gives on both.
#![forbid(unsafe_code)]

use std::path::Path;

/// The path as the seam wants it.
#[must_use]
pub fn path_bytes<P: AsRef<Path> + ?Sized>(path: &P) -> &[u8] {
    path.as_ref().as_os_str().as_encoded_bytes()
}

/// The path, or name, that the seam gave; `None` on Windows for bytes that are not UTF-8 (a name with a lone surrogate).
#[must_use]
pub fn path_from_bytes(bytes: &[u8]) -> Option<&Path> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        Some(Path::new(std::ffi::OsStr::from_bytes(bytes)))
    }
    #[cfg(not(unix))]
    {
        core::str::from_utf8(bytes).ok().map(Path::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_pass_both_ways() {
        for path in ["a", "a/b.txt", "\u{fc}ber/\u{1f980}"] {
            assert_eq!(path_from_bytes(path_bytes(path)), Some(Path::new(path)));
        }
    }
}
