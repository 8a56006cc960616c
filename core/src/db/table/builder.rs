//! Writes a table from entries in key order.
#![forbid(unsafe_code)]

use super::block_builder::BlockBuilder;
use super::layout::{
    About, BlockKind, BlockPlace, Footer, compress, push_meta, push_ranges, trailer,
};
use super::origin::Origin;
use super::partition::{self, IndexBuilder};
use crate::db::directory::Directory;
use crate::db::entry::{Entry, Kind};
use crate::db::error::{Error, Result};
use crate::db::file_name::FileName;
use crate::db::filter::FilterBuilder;
use crate::db::key_prefix::KeyPrefix;
use crate::db::options::Options;
use crate::db::ranges::RemovedRanges;
use crate::db::values::{Reference, Share, ValueWriter};
use crate::db::version::LEVELS;
use crate::platform::{Access, Create, Durability, Files, OpenOptions};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// How much larger than the table its file of values may get: they are not what a later merge rewrites.
const VALUES_FACTOR: u64 = 8;

/// Longest value that goes to a file of its own: what fits the length there, compressed or not.
const SEPARATE_BYTES_MAX: usize = (u32::MAX / 2) as usize;
/// Every so many entries a data block has a whole key: short scans, and little space for whole keys.
const RESTART_INTERVAL: usize = 16;
/// Bytes gathered before a write, so that a table is written in few calls.
const WRITE_BYTES: usize = 256 << 10;

/// What the manifest and the table itself say of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::db) struct TableInfo {
    pub(in crate::db) number: u64,
    pub(in crate::db) bytes: u64,
    pub(in crate::db) entries: u64,
    /// Entries that say that a key is gone.
    pub(in crate::db) removes: u64,
    /// Removed ranges.
    pub(in crate::db) ranges: u64,
    pub(in crate::db) sequence_max: u64,
    /// The first key, or where the first removed range starts if that is before it; the last key, or where the last
    /// range ends.
    pub(in crate::db) smallest: Box<[u8]>,
    pub(in crate::db) largest: Box<[u8]>,
    /// What it refers to in values files, by their number.
    pub(in crate::db) values: Vec<Share>,
}

impl TableInfo {
    /// Of a table that no manifest describes: its number and length alone.
    pub(in crate::db) const fn is_unknown(&self) -> bool {
        self.entries == 0 && self.ranges == 0
    }

    /// Whether something in it says that keys are gone.
    pub(in crate::db) const fn says_gone(&self) -> bool {
        self.removes > 0 || self.ranges > 0
    }

    /// Bytes that were written with it: its own, and those of the values file of its number.
    pub(in crate::db) fn written_bytes(&self) -> u64 {
        let own = |share: &&Share| share.file == self.number;
        let values = self.values.iter().find(own);
        self.bytes
            .saturating_add(values.map_or(0, |share| share.file_bytes))
    }

    /// Its bytes, and those of the values that it refers to.
    pub(in crate::db) fn bytes_with_values(&self) -> u64 {
        let live = self.values.iter().map(|share| share.live_bytes);
        live.fold(self.bytes, u64::saturating_add)
    }
}

/// A table in the making. Dropped before [`finish`](Self::finish), it removes its file.
#[derive(Debug)]
pub(in crate::db) struct TableBuilder<P: Files> {
    directory: Directory<P>,
    file: Option<P::File>,
    name: FileName,
    info: TableInfo,
    block_bytes: usize,
    data: BlockBuilder,
    index: IndexBuilder,
    filter: FilterBuilder,
    origin: Origin,
    key_prefix: Option<KeyPrefix>,
    /// The one that the filter was told of last, in this partition.
    last_prefix: Vec<u8>,
    partitioned_from: usize,
    compressed: bool,
    scratch: Vec<u8>,
    /// The last block's memory.
    block: Vec<u8>,
    /// Not yet written; starts at `written`.
    buffer: Vec<u8>,
    written: u64,
    /// Length from which values go to the file that is made with the table; 0: never.
    separate_from: usize,
    /// Whether they are compressed.
    values_compressed: bool,
    values: Option<ValueWriter<P>>,
    /// Lengths of the values files that may be referred to, and the bytes that are.
    shares: BTreeMap<u64, (u64, u64)>,
    reference: Vec<u8>,
}

impl<P: Files> TableBuilder<P> {
    pub(in crate::db) fn new(
        directory: &Directory<P>,
        number: u64,
        options: &Options,
        compressed: bool,
        origin: Origin,
    ) -> Result<Self> {
        let name = FileName::Table(number);
        let open = OpenOptions {
            access: Access::ReadWrite,
            ..OpenOptions::read()
        };
        // No number is used twice: what is there is not ours to cut.
        let file = directory.open(name, &open.with_create(Create::New))?;
        Ok(Self {
            directory: directory.clone(),
            file: Some(file),
            name,
            info: TableInfo {
                number,
                ..TableInfo::default()
            },
            block_bytes: options.block_bytes,
            data: BlockBuilder::new(RESTART_INTERVAL),
            index: IndexBuilder::new(options.block_bytes),
            filter: FilterBuilder::new(options.filter_bits_per_key),
            origin,
            key_prefix: options.key_prefix,
            last_prefix: Vec::new(),
            partitioned_from: options.partitioned_from,
            compressed,
            scratch: Vec::new(),
            block: Vec::new(),
            buffer: Vec::new(),
            written: 0,
            separate_from: options.separate_from,
            values_compressed: options.compressed_from < LEVELS,
            values: None,
            shares: BTreeMap::new(),
            reference: Vec::new(),
        })
    }

    /// Whether it had better end, for tables of so many bytes.
    pub(in crate::db) fn is_full(&self, table_bytes: u64) -> bool {
        let value_bytes = self.values.as_ref().map_or(0, ValueWriter::bytes);
        self.data_bytes() >= table_bytes || value_bytes / VALUES_FACTOR >= table_bytes
    }

    /// Bytes of data so far, roughly.
    const fn data_bytes(&self) -> u64 {
        self.written
            .saturating_add(self.buffer.len() as u64)
            .saturating_add(self.data.bytes() as u64)
    }

    /// Values files that references may lead to.
    pub(in crate::db) fn may_refer_to(&mut self, shares: &[Share]) {
        for share in shares {
            self.shares.insert(share.file, (share.file_bytes, 0));
        }
    }

    /// Whether no entry was added.
    pub(in crate::db) const fn is_empty(&self) -> bool {
        self.info.entries == 0
    }

    /// Adds an entry; `key` is greater than all before (T2). A large value goes to a file of its own.
    pub(in crate::db) fn push(&mut self, entry: Entry<'_>) -> Result<()> {
        // A merge operator may make a value of any length.
        let large = self.separate_from > 0
            && entry.value.len() >= self.separate_from
            && entry.value.len() <= SEPARATE_BYTES_MAX;
        if large && entry.kind == Kind::Put {
            let reference = self.push_value(entry.value)?;
            let mut bytes = core::mem::take(&mut self.reference);
            reference.encode(&mut bytes);
            let pushed = self.push_entry(Entry {
                kind: Kind::Reference,
                value: &bytes,
                ..entry
            });
            self.reference = bytes;
            return pushed;
        }
        if let Some(reference) = entry.reference() {
            let share = Reference::read(reference).and_then(|reference| {
                let (_, live) = self.shares.get_mut(&reference.file)?;
                *live = live.saturating_add(reference.record_bytes());
                Some(())
            });
            share.ok_or(Error::Invalid(
                "a reference to values that its table does not name",
            ))?;
        }
        self.push_entry(entry)
    }

    /// Adds a value to the file of its own.
    fn push_value(&mut self, value: &[u8]) -> Result<Reference> {
        let number = self.info.number;
        let values = match &mut self.values {
            Some(values) => values,
            none => {
                let fresh = ValueWriter::new(&self.directory, number, self.values_compressed)?;
                none.insert(fresh)
            }
        };
        let reference = values.push(value)?;
        self.shares.entry(number).or_default().1 += reference.record_bytes();
        Ok(reference)
    }

    fn push_entry(&mut self, entry: Entry<'_>) -> Result<()> {
        let Entry {
            key,
            sequence,
            kind,
            value,
        } = entry;
        let bytes = key.len() + value.len();
        if !self.data.is_empty() && self.data.bytes() + bytes > self.block_bytes {
            self.finish_data()?;
        }
        if self.is_empty() {
            self.info.smallest = key.into();
        }
        self.info.entries += 1;
        self.info.removes += u64::from(kind == Kind::Remove);
        self.info.sequence_max = self.info.sequence_max.max(sequence);
        self.filter.push(key);
        if let Some(prefix) = self.key_prefix.and_then(|prefix| prefix.of(key))
            && *prefix != *self.last_prefix
        {
            self.filter.push(prefix);
            self.last_prefix.clear();
            self.last_prefix.extend_from_slice(prefix);
        }
        self.data.push(key, sequence, kind, value);
        Ok(())
    }

    /// Writes what is left and the removed ranges, and makes the table durable (T1), though not yet its name.
    pub(in crate::db) fn finish(mut self, ranges: &RemovedRanges) -> Result<TableInfo> {
        self.finish_values()?;
        self.info.largest = self.data.last_key().into();
        self.finish_data()?;
        self.take_ranges(ranges);
        let mut block = Vec::new();
        let (index_block, partitions) = self.finish_index(&mut block)?;
        let filter = self.push_block(&mut block, BlockKind::Filter as u8)?;
        push_ranges(ranges, &mut block);
        let ranges = self.push_block(&mut block, BlockKind::Ranges as u8)?;
        block.extend_from_slice(&index_block);
        let index = self.push_block(&mut block, BlockKind::Index as u8)?;
        let about = About {
            origin: Some(core::mem::take(&mut self.origin)),
            key_prefix: self.key_prefix,
            partitions,
        };
        push_meta(&self.info, &about, &mut block);
        let meta = self.push_block(&mut block, BlockKind::Meta as u8)?;
        Footer::new(filter, ranges, index, meta).push(self.info.number, &mut self.buffer);
        self.write()?;
        self.info.bytes = self.written;
        if let Some(file) = &self.file {
            self.directory.sync(self.name, file, Durability::Full)?;
        }
        self.file = None;
        Ok(core::mem::take(&mut self.info))
    }

    /// Writes the partitions, if the table is to have any. Leaves the filter of a table without in `filter`, and returns the index and how many
    /// partitions it is of.
    fn finish_index(&mut self, filter: &mut Vec<u8>) -> Result<(Vec<u8>, u64)> {
        let index = core::mem::take(&mut self.index);
        let keys = self.filter.len();
        let bytes = index.bytes().saturating_add(self.filter.bytes_of(keys));
        let mut block = Vec::new();
        let parts = index.parts(keys);
        if index.is_empty() || bytes < self.partitioned_from {
            *filter = self.filter.finish(0..keys);
            let blocks = parts.last().map_or(0, |last| last.blocks.end);
            index.encode(0..blocks, &mut block);
            return Ok((block, 0));
        }
        let mut top = BlockBuilder::new(1);
        let mut place = Vec::new();
        for part in &parts {
            index.encode(part.blocks.clone(), &mut block);
            partition::push_filter(&self.filter.finish(part.keys.clone()), &mut block);
            let written = self.push_block(&mut block, BlockKind::Partition as u8)?;
            place.clear();
            partition::push_place(written, part.blocks.len(), &mut place);
            top.push(index.key(part.blocks.end - 1), 0, Kind::Put, &place);
        }
        top.finish(&mut block);
        Ok((block, parts.len() as u64))
    }

    /// Makes the values durable before the table that refers to them.
    fn finish_values(&mut self) -> Result<()> {
        if let Some(values) = self.values.take() {
            self.shares.entry(self.info.number).or_default().0 = values.finish()?;
        }
        let used = self.shares.iter().filter(|(_, (_, live))| *live > 0);
        let share = |(&file, &(file_bytes, live_bytes))| Share {
            file,
            file_bytes,
            live_bytes,
        };
        self.info.values = used.map(share).collect();
        Ok(())
    }

    /// Counts the ranges in for what the table says of itself.
    fn take_ranges(&mut self, ranges: &RemovedRanges) {
        let (Some(first), Some(last)) = (ranges.pieces().first(), ranges.pieces().last()) else {
            return;
        };
        let info = &mut self.info;
        if info.entries == 0 || first.start < info.smallest {
            info.smallest = first.start.clone();
        }
        if last.end > info.largest {
            info.largest = last.end.clone();
        }
        info.ranges = ranges.pieces().len() as u64;
        for piece in ranges.pieces() {
            info.sequence_max = info.sequence_max.max(piece.sequence);
        }
    }

    fn finish_data(&mut self) -> Result<()> {
        if self.data.is_empty() {
            return Ok(());
        }
        let last_key: Vec<u8> = self.data.last_key().into();
        let mut block = core::mem::take(&mut self.block);
        self.data.finish(&mut block);
        let mut kind = BlockKind::Data as u8;
        if self.compressed {
            kind |= compress(&mut block, &mut self.scratch);
        }
        let place = self.push_block(&mut block, kind)?;
        self.index.push(&last_key, place);
        let filter = &self.filter;
        if self.index.cut(filter.len(), |keys| filter.bytes_of(keys)) {
            self.last_prefix.clear();
        }
        self.block = block;
        Ok(())
    }

    /// Adds a block and its trailer; empties `block`.
    fn push_block(&mut self, block: &mut Vec<u8>, kind: u8) -> Result<BlockPlace> {
        let offset = self.written + self.buffer.len() as u64;
        let place = BlockPlace {
            offset,
            bytes: block.len() as u64,
        };
        block.extend_from_slice(&trailer(self.info.number, offset, block, kind));
        if self.buffer.is_empty() {
            core::mem::swap(&mut self.buffer, block);
        } else {
            self.buffer.append(block);
        }
        block.clear();
        if self.buffer.len() >= WRITE_BYTES {
            self.write()?;
        }
        Ok(place)
    }

    fn write(&mut self) -> Result<()> {
        if let Some(file) = &self.file {
            self.directory
                .write(self.name, file, &self.buffer, self.written)?;
        }
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl<P: Files> Drop for TableBuilder<P> {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            self.values = None;
            self.directory.remove_built(self.info.number);
        }
    }
}
