//! An open table: its index and filter in memory, its data blocks read when needed.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::block::Block;
use super::builder::TableInfo;
use super::index::Index;
use super::layout::{
    About, BlockKind, BlockPlace, Footer, TRAILER_BYTES, check_block, read_meta, read_ranges,
};
use super::origin::Origin;
use super::partition;
use super::read_ahead::ReadAhead;
use crate::db::cache::BlockCache;
use crate::db::directory::Directory;
use crate::db::entry::Kind;
use crate::db::error::{Error, Result};
use crate::db::file_name::FileName;
use crate::db::filter;
use crate::db::ranges::RemovedRanges;
use crate::db::values::{Reference, ValueFile};
use crate::platform::Files;
use crate::sync::atomic::{AtomicBool, Ordering};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Bound, Range};

/// A table that can be read. Shared by versions, cursors and reads; when the last is gone and the table
/// [is obsolete](Self::set_obsolete), its file is removed.
#[derive(Debug)]
pub(in crate::db) struct Table<P: Files> {
    directory: Directory<P>,
    file: Option<P::File>,
    info: TableInfo,
    version: u32,
    about: About,
    /// Of the data blocks, or of the partitions if there are any.
    index: Index,
    /// Data blocks of each partition.
    partition_blocks: Vec<u64>,
    ranges: RemovedRanges,
    filter: Vec<u8>,
    /// Where the data ends.
    data_bytes: u64,
    /// When the file was made, in nanoseconds since 1970; 0 where the platform does not know.
    made_ns: u64,
    cache: Arc<BlockCache<P>>,
    /// Those that it refers to (V1 of `values`), by number.
    values: Vec<Arc<ValueFile<P>>>,
    obsolete: AtomicBool,
    /// A merge could not read it. As of `obsolete`, it says nothing of other memory, so accesses are relaxed.
    damaged: AtomicBool,
}

/// A key's entry in a table.
#[derive(Debug)]
pub(in crate::db) struct Found {
    pub(in crate::db) kind: Kind,
    block: Arc<Block>,
    value: Range<usize>,
}

impl Found {
    /// Empty for a remove.
    pub(in crate::db) fn value(&self) -> &[u8] {
        self.block.slice(self.value.clone())
    }
}

impl<P: Files> Table<P> {
    /// Opens the table that the manifest describes and checks all but its data.
    pub(in crate::db) fn open(
        directory: &Directory<P>,
        stated: &TableInfo,
        cache: &Arc<BlockCache<P>>,
    ) -> Result<Self> {
        Self::open_with(directory, stated, cache, false)
    }

    /// As [`open`](Self::open); a `lenient` caller gets a table also if values files that it refers to are damaged or missing.
    pub(in crate::db) fn open_with(
        directory: &Directory<P>,
        stated: &TableInfo,
        cache: &Arc<BlockCache<P>>,
        lenient: bool,
    ) -> Result<Self> {
        let name = FileName::Table(stated.number);
        let file = directory.open_existing(name)?;
        let bytes = directory.length(name, &file)?;
        let wrong = |found| {
            Err(Error::corrupt(
                name,
                bytes,
                "bytes of the file",
                stated.bytes,
                found,
            ))
        };
        if bytes != stated.bytes {
            return wrong(bytes);
        }
        let Some(end_offset) = bytes.checked_sub(16) else {
            return wrong(bytes);
        };
        let mut end = [0; 16];
        directory.read(name, &file, &mut end, end_offset)?;
        let length = Footer::length(stated.number, &end, end_offset)?;
        let Some(footer_offset) = bytes.checked_sub(length as u64) else {
            return wrong(length as u64);
        };
        let mut footer = alloc::vec![0; length];
        directory.read(name, &file, &mut footer, footer_offset)?;
        let footer = Footer::read(stated.number, footer_offset, &footer)?;
        let read = |place, kind| read_block(directory, &file, stated.number, place, kind);
        let filter = read(footer.filter, BlockKind::Filter)?;
        let senseless =
            |place: BlockPlace, what| Err(Error::corrupt(name, place.offset, what, 1, 0));
        let meta = read(footer.meta, BlockKind::Meta)?;
        let meta = read_meta(footer.version, stated.number, bytes, &meta);
        let meta = meta.filter(|(info, _)| info == stated || stated.is_unknown() || cfg!(fuzzing));
        let Some((info, about)) = meta else {
            return senseless(footer.meta, "meta block as in the manifest");
        };
        let index = read(footer.index, BlockKind::Index)?;
        let index = Block::new(index, name, footer.index.offset, footer.version)?;
        let is_place = |place: &BlockPlace| place.end() <= footer.filter.offset;
        let mut partition_blocks = Vec::new();
        let index = Index::read(Arc::new(index), |bytes| match about.partitions {
            0 => BlockPlace::read(bytes).filter(is_place),
            _ => {
                let (place, blocks) = partition::read_place(bytes)?;
                partition_blocks.push(blocks);
                Some(place).filter(is_place)
            }
        })?;
        let Some(index) = index.filter(|_| partition_blocks.len() as u64 == about.partitions)
        else {
            return senseless(footer.index, "entry of the index");
        };
        // Partitions follow the data without gaps (T3).
        let places = || (0..partition_blocks.len()).filter_map(|at| index.place(at));
        let data_bytes = places().next().unwrap_or(footer.filter).offset;
        let ends = places().map(BlockPlace::end);
        let starts = places().skip(1).chain([footer.filter]);
        if !ends.eq(starts
            .map(|place| place.offset)
            .take(partition_blocks.len()))
        {
            return senseless(footer.index, "place of a partition");
        }
        let ranges = match footer.ranges {
            None => RemovedRanges::default(),
            Some(place) => match read_ranges(&read(place, BlockKind::Ranges)?) {
                Some(ranges) => ranges,
                None => return senseless(place, "removed ranges"),
            },
        };
        let open_values = directory.values();
        let values = info.values.iter();
        let values = values.map(|share| open_values.open(directory, share, lenient));
        let values = values.collect::<Result<Vec<_>>>()?;
        let metadata = directory.platform.file_metadata(&file);
        let made_ns = metadata.map_or(0, |metadata| metadata.modified_ns);
        cache.charge(index.memory_bytes().saturating_add(filter.len()));
        Ok(Self {
            directory: directory.clone(),
            file: Some(file),
            info,
            version: footer.version,
            about,
            index,
            partition_blocks,
            ranges,
            filter,
            data_bytes,
            made_ns,
            cache: cache.clone(),
            values,
            obsolete: AtomicBool::new(false),
            damaged: AtomicBool::new(false),
        })
    }

    pub(in crate::db) const fn made_ns(&self) -> u64 {
        self.made_ns
    }

    pub(in crate::db) const fn info(&self) -> &TableInfo {
        &self.info
    }

    /// Where it belongs and what it was made of, if it says so: since version 4.
    pub(in crate::db) const fn origin(&self) -> Option<&Origin> {
        self.about.origin.as_ref()
    }

    /// Memory that the open table takes besides the cache.
    pub(in crate::db) fn memory_bytes(&self) -> usize {
        self.index
            .memory_bytes()
            .saturating_add(self.filter.len())
            .saturating_add(self.ranges.memory_bytes())
    }

    pub(super) const fn directory(&self) -> &Directory<P> {
        &self.directory
    }

    /// Removed ranges, which apply to older tables.
    pub(in crate::db) const fn ranges(&self) -> &RemovedRanges {
        &self.ranges
    }

    /// Nothing needs the table any more once its last user is gone.
    pub(in crate::db) fn set_obsolete(&self) {
        self.obsolete.store(true, Ordering::Relaxed);
    }

    /// Whether nothing needs the table any more.
    pub(in crate::db) fn is_obsolete(&self) -> bool {
        self.obsolete.load(Ordering::Relaxed)
    }

    /// Notes that a merge could not read it: merges leave it where it is. Whether that was noted before.
    pub(in crate::db) fn set_damaged(&self) -> bool {
        self.damaged.swap(true, Ordering::Relaxed)
    }

    /// Whether a merge could not read it.
    pub(in crate::db) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// The entry of `key`, if the table has one. Removed ranges are not looked at. `hash` is `filter::hash(key)`.
    pub(in crate::db) fn get(&self, key: &[u8], hash: u64) -> Result<Option<Found>> {
        match self.place_of(key, hash)? {
            None => Ok(None),
            Some(place) => self.find_in(self.block(place)?, key),
        }
    }

    /// The data block that may have `key`.
    pub(super) fn place_of(&self, key: &[u8], hash: u64) -> Result<Option<BlockPlace>> {
        let outside = key < &*self.info.smallest || key > &*self.info.largest;
        if outside || !filter::may_contain(&self.filter, hash) {
            return Ok(None);
        }
        let Some(place) = self.index.place(self.index.find(key)) else {
            return Ok(None);
        };
        match self.is_partitioned() {
            false => Ok(Some(place)),
            true => self.find_in_partition(place, key, hash),
        }
    }

    /// The entry of `key` in a data block.
    pub(super) fn find_in(&self, block: Arc<Block>, key: &[u8]) -> Result<Option<Found>> {
        Ok(match block.find(key)? {
            None => None,
            Some((Kind::Reference, place)) => {
                let block = self.value(block.slice(place), true)?;
                Some(Found {
                    kind: Kind::Put,
                    value: 0..block.value().len(),
                    block,
                })
            }
            Some((kind, value)) => Some(Found { kind, block, value }),
        })
    }

    fn value_file(&self, number: u64) -> Option<&Arc<ValueFile<P>>> {
        let at = self
            .values
            .binary_search_by_key(&number, |file| file.number());
        self.values.get(at.ok()?)
    }

    /// The values files that it refers to.
    pub(in crate::db) fn value_files(&self) -> &[Arc<ValueFile<P>>] {
        &self.values
    }

    /// Whether a read found damage in a values file that it refers to.
    pub(in crate::db) fn has_damaged_values(&self, number: u64) -> bool {
        self.value_file(number)
            .is_some_and(|file| file.is_damaged())
    }

    /// The file and the place in it that a reference of this table leads to.
    pub(super) fn follow(&self, reference: &[u8]) -> Result<(&Arc<ValueFile<P>>, Reference)> {
        let read = Reference::read(reference);
        let led = read.and_then(|read| Some((self.value_file(read.file)?, read)));
        led.ok_or_else(|| {
            let name = FileName::Table(self.info.number);
            Error::corrupt(name, 0, "reference to a value", 1, 0)
        })
    }

    /// The value that a reference of this table leads to, from the cache or the file. One that is to be `cached` goes to the cache.
    pub(in crate::db) fn value(&self, reference: &[u8], cached: bool) -> Result<Arc<Block>> {
        let (file, reference) = self.follow(reference)?;
        // Apart from the blocks of the table of the same number, which lie at the offsets themselves.
        let key = (reference.file, !reference.offset);
        if cached && let Some(block) = self.cache.get(key) {
            return Ok(block);
        }
        let value = file.read(&reference)?;
        let name = FileName::Values(reference.file);
        let block = Arc::new(Block::of_value(value, name, reference.offset));
        if cached {
            self.cache.insert(key, &block);
        }
        Ok(block)
    }

    const fn is_partitioned(&self) -> bool {
        self.about.partitions > 0
    }

    /// The data block of the partition at `place` that may have `key`.
    fn find_in_partition(
        &self,
        place: BlockPlace,
        key: &[u8],
        hash: u64,
    ) -> Result<Option<BlockPlace>> {
        let part = self.partition(place, true)?;
        if !filter::may_contain(part.filter(), hash) {
            return Ok(None);
        }
        let at = part.first_not_less(key)?;
        self.place_in(Some(&part), at)
    }

    /// The partition at `place`.
    fn partition(&self, place: BlockPlace, cached: bool) -> Result<Arc<Block>> {
        let key = (self.info.number, place.offset);
        if cached && let Some(block) = self.cache.get(key) {
            return Ok(block);
        }
        let name = FileName::Table(self.info.number);
        let file = self.file.as_ref().ok_or(Error::Closed)?;
        let number = self.info.number;
        let bytes = read_block(&self.directory, file, number, place, BlockKind::Partition)?;
        let block = Block::of_partition(bytes, name, place.offset, self.version)?;
        let block = Arc::new(block);
        if cached {
            self.cache.insert(key, &block);
        }
        Ok(block)
    }

    /// Parts of the index: its partitions, or one.
    pub(super) fn part_count(&self) -> usize {
        self.partition_blocks.len().max(1)
    }

    /// Data blocks that the index says part `at` has.
    pub(super) fn blocks_stated(&self, at: usize) -> u64 {
        let whole = self.index.len() as u64;
        self.partition_blocks.get(at).copied().unwrap_or(whole)
    }

    /// Part `at` of the index; `None` for one in one piece.
    pub(super) fn part(&self, at: usize, cached: bool) -> Result<Option<Arc<Block>>> {
        match self.index.place(at) {
            Some(place) if self.is_partitioned() => self.partition(place, cached).map(Some),
            _ => Ok(None),
        }
    }

    /// The part of the index whose data may have `key`, or the number of parts.
    pub(super) fn find_part(&self, key: &[u8]) -> usize {
        match self.is_partitioned() {
            true => self.index.find(key),
            false => 0,
        }
    }

    /// Data blocks of a part.
    pub(super) fn block_count(&self, part: Option<&Block>) -> usize {
        part.map_or(self.index.len(), Block::restart_count)
    }

    /// The block of a part that may have `key`, or their number.
    pub(super) fn find_block(&self, part: Option<&Block>, key: &[u8]) -> Result<usize> {
        match part {
            None => Ok(self.index.find(key)),
            Some(part) => part.first_not_less(key),
        }
    }

    /// Where data block `at` of a part is.
    pub(super) fn place_in(&self, part: Option<&Block>, at: usize) -> Result<Option<BlockPlace>> {
        let Some(part) = part else {
            return Ok(self.index.place(at));
        };
        if at >= part.restart_count() {
            return Ok(None);
        }
        let entry = part.whole(at)?;
        let place = BlockPlace::read(part.slice(entry.value.clone()));
        match place.filter(|place| place.end() <= self.data_bytes) {
            Some(place) => Ok(Some(place)),
            None => Err(part.corrupt(entry.value.start, "entry of the index")),
        }
    }

    /// The last key of data block `at` of a part.
    pub(super) fn last_key<'a>(&'a self, part: Option<&'a Block>, at: usize) -> Result<&'a [u8]> {
        match part {
            None => Ok(self.index.key(at)),
            Some(part) => part.whole(at).map(|entry| entry.suffix),
        }
    }

    /// The last key of part `at`, as the index of a table with partitions has it.
    pub(super) fn last_key_of_part(&self, at: usize) -> Option<&[u8]> {
        self.is_partitioned().then(|| self.index.key(at))
    }

    /// Whether a walk over a range had better look at the table: it has keys around, or removed ranges, and its filter does not deny the prefix.
    /// What cannot be read, the walk is to come upon.
    pub(in crate::db) fn may_have(&self, start: Bound<&[u8]>, end: Bound<&[u8]>) -> bool {
        let before = match start {
            Bound::Included(key) => *self.info.largest < *key,
            Bound::Excluded(key) => *self.info.largest <= *key,
            Bound::Unbounded => false,
        };
        let after = match end {
            Bound::Included(key) => *self.info.smallest > *key,
            Bound::Excluded(key) => *self.info.smallest >= *key,
            Bound::Unbounded => false,
        };
        if before || after {
            return false;
        }
        let prefix = self.about.key_prefix;
        let prefix = prefix.and_then(|prefix| prefix.of_range(start, end));
        let (Some(prefix), Bound::Included(key) | Bound::Excluded(key)) = (prefix, start) else {
            return true;
        };
        if !self.ranges.is_empty() {
            return true;
        }
        let hash = filter::hash(prefix);
        if !self.is_partitioned() {
            return filter::may_contain(&self.filter, hash);
        }
        // All keys between two of a prefix have it. So if a later partition has one at or after `key`, this one's last key has it.
        match self.part(self.index.find(key), true) {
            Ok(Some(part)) => filter::may_contain(part.filter(), hash),
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// A data block to search, from the cache or the file.
    pub(super) fn block(&self, place: BlockPlace) -> Result<Arc<Block>> {
        if let Some(block) = self.cached(place)? {
            return Ok(block);
        }
        let block = self.read_data(place)?;
        self.cache.insert((self.info.number, place.offset), &block);
        Ok(block)
    }

    /// A data block from the cache, where it is laid out for being there.
    pub(super) fn cached(&self, place: BlockPlace) -> Result<Option<Arc<Block>>> {
        let key = (self.info.number, place.offset);
        match self.cache.get(key) {
            Some(block) if !block.is_settled() => {
                let block = Arc::new(block.settled()?);
                self.cache.replace(key, &block);
                Ok(Some(block))
            }
            block => Ok(block),
        }
    }

    /// The data block that a walk comes to: from what was read ahead, from the file, or, if it is to be `cached`, from the cache, and then laid out
    /// at once for it.
    pub(super) fn block_to_walk(
        &self,
        place: BlockPlace,
        cached: bool,
        ahead: &mut ReadAhead,
    ) -> Result<Arc<Block>> {
        ahead.come_to(place);
        if cached && let Some(block) = self.cached(place)? {
            return Ok(block);
        }
        let name = FileName::Table(self.info.number);
        let read = |buffer: &mut [u8], offset| {
            let file = self.file.as_ref().ok_or(Error::Closed)?;
            self.directory.read(name, file, buffer, offset)
        };
        let block = match ahead.block(self.data_bytes(), read) {
            None => self.read_data(place)?,
            Some(bytes) => {
                let mut bytes = bytes.to_vec();
                let number = self.info.number;
                check_block(name, number, place.offset, &mut bytes, BlockKind::Data)?;
                Arc::new(Block::new(bytes, name, place.offset, self.version)?)
            }
        };
        if !cached {
            return Ok(block);
        }
        let block = Arc::new(block.settled()?);
        self.cache.insert((self.info.number, place.offset), &block);
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
        Ok(Arc::new(Block::new(
            bytes,
            name,
            place.offset,
            self.version,
        )?))
    }

    /// The data blocks at some places, which ascend, by one read of all from the first to the last.
    pub(super) fn blocks_together(&self, places: &[BlockPlace]) -> Result<Vec<Arc<Block>>> {
        let name = FileName::Table(self.info.number);
        let number = self.info.number;
        let (Some(first), Some(last)) = (places.first(), places.last()) else {
            return Ok(Vec::new());
        };
        let file = self.file.as_ref().ok_or(Error::Closed)?;
        let length = last.end().saturating_sub(first.offset);
        let mut bytes = alloc::vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        self.directory.read(name, file, &mut bytes, first.offset)?;
        let mut blocks = Vec::with_capacity(places.len());
        for place in places {
            let start = usize::try_from(place.offset.saturating_sub(first.offset)).ok();
            let length = usize::try_from(place.end().saturating_sub(place.offset)).ok();
            let range = start
                .zip(length)
                .map(|(start, length)| start..start.saturating_add(length));
            let of_block = range.and_then(|range| bytes.get(range)).unwrap_or_default();
            let mut of_block = of_block.to_vec();
            check_block(name, number, place.offset, &mut of_block, BlockKind::Data)?;
            let block = Arc::new(Block::new(of_block, name, place.offset, self.version)?);
            self.cache.insert((number, place.offset), &block);
            blocks.push(block);
        }
        Ok(blocks)
    }

    /// Where the data ends.
    pub(super) const fn data_bytes(&self) -> u64 {
        self.data_bytes
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
    check_block(name, number, place.offset, &mut block, kind)?;
    Ok(block)
}

impl<P: Files> Drop for Table<P> {
    fn drop(&mut self) {
        self.cache
            .discharge(self.index.memory_bytes().saturating_add(self.filter.len()));
        // Closed first: some systems do not remove an open file.
        self.file = None;
        // What a snapshot held beyond the close, the next open removes.
        if self.obsolete.load(Ordering::Relaxed) && !self.directory.was_left() {
            self.directory.remove(FileName::Table(self.info.number));
            // Of several that go at once, one is the last.
            let last = self.values.drain(..).filter_map(Arc::into_inner);
            last.for_each(ValueFile::remove);
        }
    }
}
