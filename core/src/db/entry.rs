//! An entry as every sorted source of the database shows it.
#![forbid(unsafe_code)]

/// Key, sequence number, and the value or that the key is gone.
pub(super) type Entry<'a> = (&'a [u8], u64, Option<&'a [u8]>);
