//! Where things are in a table: block kinds, the trailer of a block, the footer and the meta block.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::builder::TableInfo;
use crate::codec::{Crc32c, Reader, crc32c, is_same, varint};
use crate::db::error::{Error, Result};
use crate::db::file_name::FileName;
use alloc::vec::Vec;

const MAGIC: [u8; 8] = *b"undrtabl";
const VERSION: u32 = 1;
pub(super) const FOOTER_BYTES: usize = 72;
/// Kind and checksum after each block.
pub(super) const TRAILER_BYTES: usize = 5;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum BlockKind {
    Data = 1,
    Filter = 2,
    Index = 3,
    Meta = 4,
}

/// Where a block is, without its trailer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BlockPlace {
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

impl BlockPlace {
    /// The offset of what follows.
    pub(super) const fn end(self) -> u64 {
        self.offset
            .saturating_add(self.bytes)
            .saturating_add(TRAILER_BYTES as u64)
    }

    pub(super) fn push(self, out: &mut Vec<u8>) {
        varint::push(out, self.offset);
        varint::push(out, self.bytes);
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let place = Self {
            offset: reader.varint()?,
            bytes: reader.varint()?,
        };
        reader.is_empty().then_some(place)
    }
}

/// The trailer of a block of table `number` at `offset` (T4).
pub(super) fn trailer(number: u64, offset: u64, bytes: &[u8], kind: BlockKind) -> [u8; 5] {
    let crc = Crc32c::new()
        .update(&number.to_le_bytes())
        .update(&offset.to_le_bytes())
        .update(bytes)
        .update(&[kind as u8])
        .finish();
    let [a, b, c, d] = crc.to_le_bytes();
    [kind as u8, a, b, c, d]
}

/// Checks a block with its trailer, and cuts the trailer off.
pub(super) fn check_block(
    number: u64,
    offset: u64,
    block: &mut Vec<u8>,
    kind: BlockKind,
) -> Result<()> {
    let name = FileName::Table(number);
    let end = block.len().saturating_sub(TRAILER_BYTES);
    let (bytes, found) = block.split_at_checked(end).unwrap_or_default();
    let [stated, crc @ ..] = found.first_chunk::<5>().copied().unwrap_or_default();
    if stated != kind as u8 {
        return Err(Error::corrupt(
            name,
            offset,
            "kind of a block",
            kind as u64,
            stated.into(),
        ));
    }
    let [_, expected @ ..] = trailer(number, offset, bytes, kind);
    let (expected, found) = (u32::from_le_bytes(expected), u32::from_le_bytes(crc));
    if !is_same(expected, found) {
        return Err(Error::corrupt(
            name,
            offset,
            "checksum of a block",
            expected.into(),
            found.into(),
        ));
    }
    block.truncate(end);
    Ok(())
}

/// The last bytes of a table: where its filter, index and meta blocks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) filter: BlockPlace,
    pub(super) index: BlockPlace,
    pub(super) meta: BlockPlace,
}

impl Footer {
    pub(super) fn push(&self, number: u64, out: &mut Vec<u8>) {
        let start = out.len();
        for place in [self.filter, self.index, self.meta] {
            out.extend_from_slice(&place.offset.to_le_bytes());
            out.extend_from_slice(&place.bytes.to_le_bytes());
        }
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&VERSION.to_le_bytes());
        let crc = crc32c(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&MAGIC);
    }

    /// Reads the footer of table `number`, which starts at `offset`, and checks that the blocks it names lie one after another
    /// up to itself (T3).
    pub(super) fn read(number: u64, offset: u64, bytes: &[u8; FOOTER_BYTES]) -> Result<Self> {
        let name = FileName::Table(number);
        let corrupt =
            |what, expected, found| Err(Error::corrupt(name, offset, what, expected, found));
        let mut reader = Reader::new(bytes);
        let mut number_at = || reader.u64().unwrap_or_default();
        let mut place = || BlockPlace {
            offset: number_at(),
            bytes: number_at(),
        };
        let footer = Self {
            filter: place(),
            index: place(),
            meta: place(),
        };
        let stated = number_at();
        let version = reader.u32().unwrap_or_default();
        let expected = crc32c(bytes.get(..reader.offset()).unwrap_or_default());
        let found = reader.u32().unwrap_or_default();
        let magic = reader.u64().unwrap_or_default();
        if magic != u64::from_le_bytes(MAGIC) {
            return corrupt("magic number of a table", u64::from_le_bytes(MAGIC), magic);
        }
        if !is_same(expected, found) {
            return corrupt("checksum of the footer", expected.into(), found.into());
        }
        if version != VERSION {
            return Err(Error::Format {
                file: name,
                found: version,
                supported: VERSION,
            });
        }
        if stated != number {
            return corrupt("table number", number, stated);
        }
        for (end, start) in [
            (footer.filter.end(), footer.index.offset),
            (footer.index.end(), footer.meta.offset),
            (footer.meta.end(), offset),
        ] {
            if end != start {
                return corrupt("place of a block", end, start);
            }
        }
        Ok(footer)
    }
}

/// Encodes what a table says of itself.
pub(super) fn push_meta(info: &TableInfo, out: &mut Vec<u8>) {
    for number in [info.entries, info.removes, info.sequence_max] {
        varint::push(out, number);
    }
    for key in [&info.smallest, &info.largest] {
        varint::push(out, key.len() as u64);
        out.extend_from_slice(key);
    }
}

/// Reads it back.
pub(super) fn read_meta(number: u64, file_bytes: u64, bytes: &[u8]) -> Option<TableInfo> {
    let mut reader = Reader::new(bytes);
    let info = TableInfo {
        number,
        bytes: file_bytes,
        entries: reader.varint()?,
        removes: reader.varint()?,
        sequence_max: reader.varint()?,
        smallest: reader.string()?.into(),
        largest: reader.string()?.into(),
    };
    reader.is_empty().then_some(info)
}
