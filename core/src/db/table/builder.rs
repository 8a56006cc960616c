//! Writes a table from entries in key order.
#![forbid(unsafe_code)]

use super::block_builder::BlockBuilder;
use super::layout::{BlockKind, BlockPlace, Footer, push_meta, trailer};
use crate::db::directory::Directory;
use crate::db::error::Result;
use crate::db::file_name::FileName;
use crate::db::filter::FilterBuilder;
use crate::db::options::Options;
use crate::platform::{Access, Create, Durability, Files, OpenOptions};
use alloc::boxed::Box;
use alloc::vec::Vec;

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
    pub(in crate::db) sequence_max: u64,
    pub(in crate::db) smallest: Box<[u8]>,
    pub(in crate::db) largest: Box<[u8]>,
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
    index: BlockBuilder,
    filter: FilterBuilder,
    /// Not yet written; starts at `written`.
    buffer: Vec<u8>,
    written: u64,
    last_data: BlockPlace,
}

impl<P: Files> TableBuilder<P> {
    pub(in crate::db) fn new(
        directory: &Directory<P>,
        number: u64,
        options: &Options,
    ) -> Result<Self> {
        let name = FileName::Table(number);
        let open = OpenOptions {
            access: Access::ReadWrite,
            ..OpenOptions::read()
        };
        let file = directory.open(name, &open.with_create(Create::IfMissing).with_truncate())?;
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
            index: BlockBuilder::new(1),
            filter: FilterBuilder::new(options.filter_bits_per_key),
            buffer: Vec::new(),
            written: 0,
            last_data: BlockPlace::default(),
        })
    }

    /// Whether nothing was added.
    pub(in crate::db) const fn is_empty(&self) -> bool {
        self.info.entries == 0
    }

    /// Adds an entry; `key` is greater than all before (T2).
    pub(in crate::db) fn push(
        &mut self,
        key: &[u8],
        sequence: u64,
        value: Option<&[u8]>,
    ) -> Result<()> {
        let bytes = key.len() + value.map_or(0, <[u8]>::len);
        if !self.data.is_empty() && self.data.bytes() + bytes > self.block_bytes {
            self.finish_data()?;
        }
        if self.is_empty() {
            self.info.smallest = key.into();
        }
        self.info.entries += 1;
        self.info.removes += u64::from(value.is_none());
        self.info.sequence_max = self.info.sequence_max.max(sequence);
        self.filter.push(key);
        self.data.push(key, sequence, value);
        Ok(())
    }

    /// Writes what is left and makes the table durable (T1), though not yet its name.
    pub(in crate::db) fn finish(mut self) -> Result<TableInfo> {
        self.info.largest = self.data.last_key().into();
        self.finish_data()?;
        let mut block = self.filter.finish();
        let filter = self.push_block(&mut block, BlockKind::Filter)?;
        self.index.finish(&mut block);
        let index = self.push_block(&mut block, BlockKind::Index)?;
        push_meta(&self.info, &mut block);
        let meta = self.push_block(&mut block, BlockKind::Meta)?;
        Footer {
            filter,
            index,
            meta,
        }
        .push(self.info.number, &mut self.buffer);
        self.write()?;
        self.info.bytes = self.written;
        if let Some(file) = &self.file {
            self.directory.sync(self.name, file, Durability::Full)?;
        }
        self.file = None;
        Ok(core::mem::take(&mut self.info))
    }

    fn finish_data(&mut self) -> Result<()> {
        if self.data.is_empty() {
            return Ok(());
        }
        let last_key: Vec<u8> = self.data.last_key().into();
        let mut block = Vec::new();
        self.data.finish(&mut block);
        self.last_data = self.push_block(&mut block, BlockKind::Data)?;
        let mut place = Vec::new();
        self.last_data.push(&mut place);
        self.index.push(&last_key, 0, Some(&place));
        Ok(())
    }

    /// Adds a block and its trailer; empties `block`.
    fn push_block(&mut self, block: &mut Vec<u8>, kind: BlockKind) -> Result<BlockPlace> {
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
            self.directory.remove(self.name);
        }
    }
}
