//! Where a value lies, as a table has it; and what a table says of a values file.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use crate::codec::{Reader, varint};
use alloc::vec::Vec;

/// Length of the next record's bytes, before each record.
pub(super) const LENGTH_BYTES: u64 = 4;
/// Magic, version, number and checksum.
pub(super) const HEADER_BYTES: u64 = 24;
/// Kind and checksum, after each record.
const TRAILER_BYTES: u64 = 5;

/// The place of a record and its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::db) struct Reference {
    /// Number of the values file.
    pub(in crate::db) file: u64,
    /// Where the record starts.
    pub(in crate::db) offset: u64,
    /// Bytes of the value as they lie in the file: compressed, if it is.
    pub(in crate::db) bytes: u64,
    pub(in crate::db) crc: u32,
}

impl Reference {
    /// Empties `out` and encodes the reference there.
    pub(in crate::db) fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        for number in [self.file, self.offset, self.bytes] {
            varint::push(out, number);
        }
        out.extend_from_slice(&self.crc.to_le_bytes());
    }

    /// Reads it back.
    pub(in crate::db) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let reference = Self {
            file: reader.varint()?,
            offset: reader.varint()?,
            bytes: reader.varint()?,
            crc: reader.u32()?,
        };
        reader.is_empty().then_some(reference)
    }

    /// What the record takes in the file.
    pub(in crate::db) const fn record_bytes(&self) -> u64 {
        self.bytes.saturating_add(LENGTH_BYTES + TRAILER_BYTES)
    }

    /// The offset of what follows the record.
    pub(in crate::db) const fn end(&self) -> u64 {
        self.offset.saturating_add(self.record_bytes())
    }
}

/// What a table refers to in a values file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::db) struct Share {
    /// Number of the file.
    pub(in crate::db) file: u64,
    /// Its length.
    pub(in crate::db) file_bytes: u64,
    /// Bytes of the records that the table refers to.
    pub(in crate::db) live_bytes: u64,
}

impl Share {
    /// Adds the number of shares and each of them.
    pub(in crate::db) fn push_all(shares: &[Self], out: &mut Vec<u8>) {
        varint::push(out, shares.len() as u64);
        for share in shares {
            for number in [share.file, share.file_bytes, share.live_bytes] {
                varint::push(out, number);
            }
        }
    }

    /// Reads them back. `None` unless they ascend, and each is within its file.
    pub(in crate::db) fn read_all(reader: &mut Reader<'_>) -> Option<Vec<Self>> {
        let mut shares: Vec<Self> = Vec::new();
        for _ in 0..reader.varint()? {
            let share = Self {
                file: reader.varint()?,
                file_bytes: reader.varint()?,
                live_bytes: reader.varint()?,
            };
            let ascends = shares.last().is_none_or(|last| last.file < share.file);
            let fits = share.live_bytes <= share.record_bytes();
            (ascends && fits).then(|| shares.push(share))?;
        }
        Some(shares)
    }

    /// Bytes of all records of the file.
    pub(in crate::db) const fn record_bytes(&self) -> u64 {
        self.file_bytes.saturating_sub(HEADER_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_and_shares_come_back_and_nonsense_does_not() {
        let reference = Reference {
            file: 300,
            offset: 24,
            bytes: 70_000,
            crc: 7,
        };
        let mut bytes = alloc::vec![9];
        reference.encode(&mut bytes);
        assert_eq!(Reference::read(&bytes), Some(reference));
        assert_eq!(Reference::read(&bytes[..bytes.len() - 1]), None);
        bytes.push(0);
        assert_eq!(Reference::read(&bytes), None);
        let share = |file, file_bytes, live_bytes| Share {
            file,
            file_bytes,
            live_bytes,
        };
        let read = |shares: &[Share]| {
            let mut bytes = Vec::new();
            Share::push_all(shares, &mut bytes);
            Share::read_all(&mut Reader::new(&bytes))
        };
        let whole = [share(3, 1000, 976), share(4, 100, 0)];
        assert_eq!(read(&whole), Some(whole.to_vec()));
        assert_eq!(read(&[share(3, 1000, 977)]), None);
        assert_eq!(read(&[share(3, 100, 9), share(3, 100, 9)]), None);
    }
}
