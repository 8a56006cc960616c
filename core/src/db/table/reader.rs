//! An open table: its index and filter in memory, its data blocks read when needed.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::block::{Block, BlockCursor};
use super::builder::TableInfo;
use super::layout::{
    BlockKind, BlockPlace, FOOTER_BYTES, Footer, TRAILER_BYTES, check_block, read_meta,
};
use crate::db::cache::BlockCache;
use crate::db::directory::Directory;
use crate::db::error::{Error, Result};
use crate::db::file_name::FileName;
use crate::db::filter;
use crate::platform::Files;
use crate::sync::atomic::{AtomicBool, Ordering};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

/// A table that can be read. Shared by versions, cursors and reads; when the last is gone and the table
/// [is obsolete](Self::set_obsolete), its file is removed.
#[derive(Debug)]
pub(in crate::db) struct Table<P: Files> {
    directory: Directory<P>,
    file: Option<P::File>,
    info: TableInfo,
    index: Arc<Block>,
    filter: Vec<u8>,
    filter_place: BlockPlace,
    cache: Arc<BlockCache<P>>,
    obsolete: AtomicBool,
}

/// A key's entry in a table: the value's place, or that the key is gone.
#[derive(Debug)]
pub(in crate::db) enum Found {
    Value(Arc<Block>, Range<usize>),
    Gone,
}

impl Found {
    pub(in crate::db) fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Value(block, range) => Some(block.slice(range.clone())),
            Self::Gone => None,
        }
    }
}

impl<P: Files> Table<P> {
    /// Opens the table that the manifest describes and checks all but its data.
    pub(in crate::db) fn open(
        directory: &Directory<P>,
        stated: &TableInfo,
        cache: &Arc<BlockCache<P>>,
    ) -> Result<Self> {
        let name = FileName::Table(stated.number);
        let file = directory.open_existing(name)?;
        let bytes = directory.length(name, &file)?;
        let Some(footer_offset) = bytes
            .checked_sub(FOOTER_BYTES as u64)
            .filter(|_| bytes == stated.bytes)
        else {
            return Err(Error::corrupt(
                name,
                bytes,
                "bytes of the file",
                stated.bytes,
                bytes,
            ));
        };
        let mut footer = [0; FOOTER_BYTES];
        directory.read(name, &file, &mut footer, footer_offset)?;
        let footer = Footer::read(stated.number, footer_offset, &footer)?;
        let read = |place, kind| read_block(directory, &file, stated.number, place, kind);
        let filter = read(footer.filter, BlockKind::Filter)?;
        let index = read(footer.index, BlockKind::Index)?;
        let index = Arc::new(Block::new(index, name, footer.index.offset)?);
        let meta = read(footer.meta, BlockKind::Meta)?;
        let info =
            read_meta(stated.number, bytes, &meta).filter(|info| info == stated || cfg!(fuzzing));
        let Some(info) = info else {
            return Err(Error::corrupt(
                name,
                footer.meta.offset,
                "meta block as in the manifest",
                1,
                0,
            ));
        };
        Ok(Self {
            directory: directory.clone(),
            file: Some(file),
            info,
            index,
            filter,
            filter_place: footer.filter,
            cache: cache.clone(),
            obsolete: AtomicBool::new(false),
        })
    }

    pub(in crate::db) const fn info(&self) -> &TableInfo {
        &self.info
    }

    /// Memory that the open table takes besides the cache.
    pub(in crate::db) fn memory_bytes(&self) -> usize {
        self.index.bytes().saturating_add(self.filter.len())
    }

    /// Nothing needs the table any more once its last user is gone.
    pub(in crate::db) fn set_obsolete(&self) {
        self.obsolete.store(true, Ordering::Relaxed);
    }

    /// Whether nothing needs the table any more.
    pub(in crate::db) fn is_obsolete(&self) -> bool {
        self.obsolete.load(Ordering::Relaxed)
    }

    /// The entry of `key`, if the table has one.
    pub(in crate::db) fn get(&self, key: &[u8]) -> Result<Option<Found>> {
        let outside = key < &*self.info.smallest || key > &*self.info.largest;
        if outside || !filter::may_contain(&self.filter, key) {
            return Ok(None);
        }
        let mut index = self.index();
        index.seek(key)?;
        let Some(place) = self.place(&index)? else {
            return Ok(None);
        };
        let block = self.block(place)?;
        let mut cursor = BlockCursor::new(block.clone());
        cursor.seek(key)?;
        Ok(cursor
            .entry()
            .filter(|(found, ..)| *found == key)
            .map(|(_, _, value)| match value {
                Some(_) => Found::Value(block, cursor.value_range()),
                None => Found::Gone,
            }))
    }

    pub(super) fn index(&self) -> BlockCursor {
        BlockCursor::new(self.index.clone())
    }

    /// The data block that an index entry names.
    pub(super) fn place(&self, index: &BlockCursor) -> Result<Option<BlockPlace>> {
        let Some((_, _, value)) = index.entry() else {
            return Ok(None);
        };
        let place = value
            .and_then(BlockPlace::read)
            .filter(|place| place.end() <= self.filter_place.offset);
        place.map(Some).ok_or_else(|| {
            let name = FileName::Table(self.info.number);
            Error::corrupt(name, self.filter_place.end(), "place in the index", 1, 0)
        })
    }

    /// A data block, from the cache or the file.
    pub(super) fn block(&self, place: BlockPlace) -> Result<Arc<Block>> {
        let key = (self.info.number, place.offset);
        if let Some(block) = self.cache.get(key) {
            return Ok(block);
        }
        let block = self.read_data(place)?;
        self.cache.insert(key, &block);
        Ok(block)
    }

    /// A data block from the file.
    pub(super) fn read_data(&self, place: BlockPlace) -> Result<Arc<Block>> {
        let name = FileName::Table(self.info.number);
        let Some(file) = &self.file else {
            return Err(Error::Closed);
        };
        let bytes = read_block(
            &self.directory,
            file,
            self.info.number,
            place,
            BlockKind::Data,
        )?;
        Ok(Arc::new(Block::new(bytes, name, place.offset)?))
    }

    /// Where the data ends.
    pub(super) const fn data_bytes(&self) -> u64 {
        self.filter_place.offset
    }
}

/// Reads a block and checks it. The place lies within the file, so its length is bounded by the file's.
fn read_block<P: Files>(
    directory: &Directory<P>,
    file: &P::File,
    number: u64,
    place: BlockPlace,
    kind: BlockKind,
) -> Result<Vec<u8>> {
    let name = FileName::Table(number);
    let bytes = place.bytes.saturating_add(TRAILER_BYTES as u64);
    let Ok(bytes) = usize::try_from(bytes) else {
        return Err(Error::corrupt(
            name,
            place.offset,
            "bytes of a block",
            usize::MAX as u64,
            bytes,
        ));
    };
    let mut block = alloc::vec![0; bytes];
    directory.read(name, file, &mut block, place.offset)?;
    check_block(number, place.offset, &mut block, kind)?;
    Ok(block)
}

impl<P: Files> Drop for Table<P> {
    fn drop(&mut self) {
        // Closed first: some systems do not remove an open file.
        self.file = None;
        if self.obsolete.load(Ordering::Relaxed) {
            self.directory.remove(FileName::Table(self.info.number));
        }
    }
}
