//! Where things are in a table: block kinds, the trailer of a block, the footer and the meta block.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::builder::TableInfo;
use super::origin::Origin;
use crate::codec::{Crc32c, Reader, crc32c, is_same, varint};
use crate::db::error::{Error, Result};
use crate::db::file_name::FileName;
use crate::db::key_prefix::KeyPrefix;
use crate::db::options::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::db::ranges::{RemovedRange, RemovedRanges};
use crate::db::values::Share;
use alloc::vec::Vec;

const MAGIC: [u8; 8] = *b"undrtabl";
/// What is written; older ones are read too. Version 2 had no references to values, version 3 said nothing of keyspaces and had no partitions.
const VERSION: u32 = 4;
pub(super) const FOOTER_BYTES: usize = 88;
/// Version 1 had no block of removed ranges.
pub(super) const FOOTER_1_BYTES: usize = 72;
/// Kind and checksum after each block.
pub(in crate::db) const TRAILER_BYTES: usize = 5;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::db) enum BlockKind {
    Data = 1,
    Filter = 2,
    Index = 3,
    Meta = 4,
    Ranges = 5,
    /// A value, in a values file.
    Value = 6,
    /// A part of the index with its filter.
    Partition = 7,
}

/// Set in the kind of a data block or value that is compressed.
pub(in crate::db) const COMPRESSED: u8 = 0x80;
/// An LZ4 block has at least one byte for so many.
const LZ4_RATIO_MAX: usize = 255;
/// Longest block that is compressed: what a key and a value may have, and a block of small entries besides. So what a small file
/// comes to in memory is bounded.
const COMPRESSED_BYTES_MAX: usize = VALUE_BYTES_MAX + KEY_BYTES_MAX + (2 << 20);

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

/// The trailer of a block of file `number` at `offset` (T4).
pub(in crate::db) fn trailer(number: u64, offset: u64, bytes: &[u8], kind: u8) -> [u8; 5] {
    let crc = Crc32c::new()
        .update(&number.to_le_bytes())
        .update(&offset.to_le_bytes())
        .update(bytes)
        .update(&[kind])
        .finish();
    let [a, b, c, d] = crc.to_le_bytes();
    [kind, a, b, c, d]
}

/// Compresses a block in place, if that saves an eighth, and says what that adds to its kind.
pub(super) fn compress(block: &mut Vec<u8>, scratch: &mut Vec<u8>) -> u8 {
    if !compress_to(block, scratch) {
        return 0;
    }
    core::mem::swap(block, scratch);
    COMPRESSED
}

/// Puts what a block comes to when it is compressed into `scratch`; whether that saves an eighth.
pub(in crate::db) fn compress_to(block: &[u8], scratch: &mut Vec<u8>) -> bool {
    scratch.clear();
    if block.len() > COMPRESSED_BYTES_MAX {
        return false;
    }
    varint::push(scratch, block.len() as u64);
    let start = scratch.len();
    scratch.resize(
        start.saturating_add(lz4_flex::block::get_maximum_output_size(block.len())),
        0,
    );
    let room = scratch.get_mut(start..).unwrap_or_default();
    let Ok(bytes) = lz4_flex::block::compress_into(block, room) else {
        return false;
    };
    scratch.truncate(start.saturating_add(bytes));
    scratch.len() <= block.len().saturating_sub(block.len() / 8)
}

/// Undoes [`compress`]. `None` if the bytes make no sense.
fn decompress(block: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(block);
    let length = reader.length()?;
    let rest = reader.rest();
    let most = rest.len().saturating_mul(LZ4_RATIO_MAX).saturating_add(64);
    let sensible = length <= most.min(COMPRESSED_BYTES_MAX);
    let mut bytes = sensible.then(|| alloc::vec![0; length])?;
    let written = lz4_flex::block::decompress_into(rest, &mut bytes).ok()?;
    (written == length).then_some(bytes)
}

/// Checks a block with its trailer, cuts the trailer off, and decompresses it.
pub(in crate::db) fn check_block(
    name: FileName,
    number: u64,
    offset: u64,
    block: &mut Vec<u8>,
    kind: BlockKind,
) -> Result<()> {
    let corrupt = |what, expected, found| Err(Error::corrupt(name, offset, what, expected, found));
    let end = block.len().saturating_sub(TRAILER_BYTES);
    let (bytes, found) = block.split_at_checked(end).unwrap_or_default();
    let [stated, crc @ ..] = found.first_chunk::<5>().copied().unwrap_or_default();
    let compressible = matches!(kind, BlockKind::Data | BlockKind::Value);
    let compressed = compressible && stated == kind as u8 | COMPRESSED;
    if stated != kind as u8 && !compressed {
        return corrupt("kind of a block", kind as u64, stated.into());
    }
    let [_, expected @ ..] = trailer(number, offset, bytes, stated);
    let (expected, found) = (u32::from_le_bytes(expected), u32::from_le_bytes(crc));
    if !is_same(expected, found) {
        return corrupt("checksum of a block", expected.into(), found.into());
    }
    if compressed {
        match decompress(bytes) {
            Some(bytes) => *block = bytes,
            None => return corrupt("compressed bytes of a block", 1, 0),
        }
    } else {
        block.truncate(end);
    }
    Ok(())
}

/// The last bytes of a table: where its filter, ranges, index and meta blocks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) version: u32,
    pub(super) filter: BlockPlace,
    /// Of removed ranges; none in version 1.
    pub(super) ranges: Option<BlockPlace>,
    pub(super) index: BlockPlace,
    pub(super) meta: BlockPlace,
}

impl Footer {
    pub(super) fn new(
        filter: BlockPlace,
        ranges: BlockPlace,
        index: BlockPlace,
        meta: BlockPlace,
    ) -> Self {
        Self {
            version: VERSION,
            filter,
            ranges: Some(ranges),
            index,
            meta,
        }
    }

    pub(super) fn push(&self, number: u64, out: &mut Vec<u8>) {
        let start = out.len();
        let places = [
            Some(self.filter),
            self.ranges,
            Some(self.index),
            Some(self.meta),
        ];
        for place in places.into_iter().flatten() {
            out.extend_from_slice(&place.offset.to_le_bytes());
            out.extend_from_slice(&place.bytes.to_le_bytes());
        }
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&self.version.to_le_bytes());
        let crc = crc32c(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&MAGIC);
    }

    /// How long the footer is whose last 16 bytes these are, going by the version that it states.
    pub(super) fn length(number: u64, end: &[u8; 16], offset: u64) -> Result<usize> {
        let name = FileName::Table(number);
        let mut reader = Reader::new(end);
        let version = reader.u32().unwrap_or_default();
        reader.u32();
        let magic = reader.u64().unwrap_or_default();
        let expected = u64::from_le_bytes(MAGIC);
        if magic != expected {
            return Err(Error::corrupt(
                name,
                offset,
                "magic number of a table",
                expected,
                magic,
            ));
        }
        Ok(if version == 1 {
            FOOTER_1_BYTES
        } else {
            FOOTER_BYTES
        })
    }

    /// Reads the footer of table `number`, which starts at `offset`, and checks that the blocks it names lie one after another
    /// up to itself (T3).
    pub(super) fn read(number: u64, offset: u64, bytes: &[u8]) -> Result<Self> {
        let name = FileName::Table(number);
        let corrupt =
            |what, expected, found| Err(Error::corrupt(name, offset, what, expected, found));
        let mut reader = Reader::new(bytes);
        let mut number_at = || reader.u64().unwrap_or_default();
        let mut place = || BlockPlace {
            offset: number_at(),
            bytes: number_at(),
        };
        let mut footer = Self {
            version: 1,
            filter: place(),
            ranges: (bytes.len() == FOOTER_BYTES).then(&mut place),
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
        let known = match footer.ranges {
            Some(_) => (2..=VERSION).contains(&version),
            None => version == 1,
        };
        if !known {
            return Err(Error::Format {
                file: name,
                found: version,
                supported: VERSION,
            });
        }
        if stated != number {
            return corrupt("table number", number, stated);
        }
        footer.version = version;
        let ranges = footer.ranges.map_or(footer.filter.end(), BlockPlace::end);
        for (end, start) in [
            (
                footer.filter.end(),
                footer.ranges.unwrap_or(footer.index).offset,
            ),
            (ranges, footer.index.offset),
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

/// What a table says of itself that the manifest does not repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    /// `None` before version 4.
    pub(super) origin: Option<Origin>,
    /// The prefixes of keys that the filter knows.
    pub(super) key_prefix: Option<KeyPrefix>,
    /// Parts of the index; 0: it is in one piece, and so is the filter.
    pub(super) partitions: u64,
}

/// Encodes what a table says of itself.
pub(super) fn push_meta(info: &TableInfo, about: &About, out: &mut Vec<u8>) {
    for number in [info.entries, info.removes, info.sequence_max, info.ranges] {
        varint::push(out, number);
    }
    for key in [&info.smallest, &info.largest] {
        varint::push(out, key.len() as u64);
        out.extend_from_slice(key);
    }
    Share::push_all(&info.values, out);
    about.origin.clone().unwrap_or_default().push(out);
    KeyPrefix::push(about.key_prefix, out);
    varint::push(out, about.partitions);
}

/// Reads it back.
pub(super) fn read_meta(
    version: u32,
    number: u64,
    file_bytes: u64,
    bytes: &[u8],
) -> Option<(TableInfo, About)> {
    let mut reader = Reader::new(bytes);
    let info = TableInfo {
        number,
        bytes: file_bytes,
        entries: reader.varint()?,
        removes: reader.varint()?,
        sequence_max: reader.varint()?,
        ranges: if version == 1 { 0 } else { reader.varint()? },
        smallest: reader.string()?.into(),
        largest: reader.string()?.into(),
        values: match version {
            ..3 => Vec::new(),
            3.. => Share::read_all(&mut reader)?,
        },
    };
    let about = match version {
        ..4 => About::default(),
        4.. => About {
            origin: Some(Origin::read(&mut reader)?),
            key_prefix: KeyPrefix::read(&mut reader)?,
            partitions: reader.varint()?,
        },
    };
    reader.is_empty().then_some((info, about))
}

/// Encodes removed ranges.
pub(super) fn push_ranges(ranges: &RemovedRanges, out: &mut Vec<u8>) {
    for piece in ranges.pieces() {
        for key in [&piece.start, &piece.end] {
            varint::push(out, key.len() as u64);
            out.extend_from_slice(key);
        }
        varint::push(out, piece.sequence);
    }
}

/// Reads them back.
pub(super) fn read_ranges(bytes: &[u8]) -> Option<RemovedRanges> {
    let mut reader = Reader::new(bytes);
    let mut pieces = Vec::new();
    while !reader.is_empty() {
        pieces.push(RemovedRange {
            start: reader.string()?.into(),
            end: reader.string()?.into(),
            sequence: reader.varint()?,
        });
    }
    RemovedRanges::from_pieces(pieces)
}
