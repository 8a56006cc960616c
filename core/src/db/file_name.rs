//! The names of a database's files: which number and kind a name stands for, and back.
//!
//! Only names that [`FileName::parse`] accepts are ever removed; anything else in the directory is left alone.
#![forbid(unsafe_code)]

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A file of a database directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FileName {
    /// The directory itself.
    Directory,
    /// `LOCK`: held by the process that has the database open; empty.
    Lock,
    /// `MANIFEST`: which tables and logs make up the database.
    Manifest,
    /// `MANIFEST.tmp`: a manifest that is being written.
    ManifestTemporary,
    /// `NNNNNN.log`: a write-ahead log.
    Log(u64),
    /// `NNNNNN.table`: a sorted table.
    Table(u64),
    /// `NNNNNN.values`: large values that tables refer to.
    Values(u64),
}

impl FileName {
    /// Reads a name as it stands in the directory.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        match name {
            b"LOCK" => return Some(Self::Lock),
            b"MANIFEST" => return Some(Self::Manifest),
            b"MANIFEST.tmp" => return Some(Self::ManifestTemporary),
            _ => {}
        }
        let name = core::str::from_utf8(name).ok()?;
        let (digits, kind) = name.split_once('.')?;
        if digits.len() < 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // Far more than there will ever be, and new numbers, which are greater, stay within range.
        let number = digits.parse().ok().filter(|&number| number < 1 << 61)?;
        let parsed = match kind {
            "log" => Self::Log(number),
            "table" => Self::Table(number),
            "values" => Self::Values(number),
            _ => return None,
        };
        // One spelling for each file: `0000001.log` is nobody's.
        (format!("{parsed}") == name).then_some(parsed)
    }

    /// The path of this file of the database in `directory`.
    #[must_use]
    pub fn path(self, directory: &[u8]) -> Vec<u8> {
        let mut path = directory.to_vec();
        if self != Self::Directory {
            path.push(b'/');
            path.extend_from_slice(self.text().as_bytes());
        }
        path
    }

    fn text(self) -> String {
        format!("{self}")
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => f.write_str("the database directory"),
            Self::Lock => f.write_str("LOCK"),
            Self::Manifest => f.write_str("MANIFEST"),
            Self::ManifestTemporary => f.write_str("MANIFEST.tmp"),
            Self::Log(number) => write!(f, "{number:06}.log"),
            Self::Table(number) => write!(f, "{number:06}.table"),
            Self::Values(number) => write!(f, "{number:06}.values"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_strangers_are_not() {
        for name in [
            FileName::Lock,
            FileName::Manifest,
            FileName::ManifestTemporary,
            FileName::Log(1),
            FileName::Table(123_456_789),
            FileName::Values(12),
        ] {
            assert_eq!(FileName::parse(name.text().as_bytes()), Some(name));
        }
        for stranger in [
            "1.log",
            "0000001.log",
            "-00001.log",
            "000001.logs",
            "000001.table.bak",
            "000001.value",
            "lock",
            "99999999999999999999.log",
            "18446744073709551615.table",
            "",
            "a.log",
        ] {
            assert_eq!(FileName::parse(stranger.as_bytes()), None, "{stranger}");
        }
        assert_eq!(FileName::Log(7).path(b"d/e"), b"d/e/000007.log");
    }
}
