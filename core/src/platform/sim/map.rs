//! Files in memory: each mapped part of a file has one image that all its mappings share.
//!
//! The simulator cannot see a store to memory. It compares images with the file instead, whenever somebody could tell: before
//! a read, a sync, a flush, a power loss, and when a mapping goes. Sectors that differ become unsynced writes, with all
//! that a power loss may do to those. Calls that change the file are copied into its images at once.
//!
//! # Bounds
//! A mapping that reaches over the end of an image, because the file was mapped when it was shorter, is `Unsupported`: two
//! images cannot share a byte.
#![allow(unsafe_code, reason = "a mapping is raw memory")]

use super::Sim;
use super::disk::{Change, InodeId};
use super::file::{SimFile, on};
use super::machine::{Power, State};
use super::memory::PAGE_BYTES;
use crate::error::{Error, Kind, Operation, Result};
use crate::platform::{Map, MapAccess, MappedBytes};
use alloc::alloc::{alloc_zeroed, dealloc};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::alloc::Layout;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

/// A part of a file in memory.
///
/// # Invariants
/// I1: `base` is a live block of `layout` until the image is dropped.
/// I2: the simulator reads and writes the block only with the machine's state locked, while no thread of the program runs.
#[derive(Debug)]
struct Image {
    base: NonNull<u8>,
    layout: Layout,
    /// Where in the file it begins.
    offset: u64,
    /// A mapping of it may be written through.
    writable: AtomicBool,
}

// SAFETY: the block belongs to no thread. Who makes references into it answers for races (contract of Map::map), and the
// simulator keeps I2.
unsafe impl Send for Image {}
// SAFETY: as above.
unsafe impl Sync for Image {}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: I1.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}

impl Image {
    fn new(offset: u64, bytes: usize) -> Option<Self> {
        let layout = Layout::from_size_align(bytes.max(1), PAGE_BYTES).ok()?;
        // SAFETY: the size is not zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Self {
            base,
            layout,
            offset,
            writable: AtomicBool::new(false),
        })
    }

    fn end(&self) -> u64 {
        self.offset + self.layout.size() as u64
    }

    /// Copies out what a range of the file holds in memory.
    fn load(&self, at: usize, into: &mut [u8]) {
        assert!(at + into.len() <= self.layout.size());
        // SAFETY: within the block (I1); nobody stores meanwhile (I2).
        unsafe {
            let from = self.base.as_ptr().add(at);
            from.copy_to_nonoverlapping(into.as_mut_ptr(), into.len());
        }
    }

    /// Shows bytes of the file, as far as they lie within the image.
    fn store(&self, offset: u64, bytes: &[u8]) {
        let start = offset.max(self.offset);
        let end = (offset + bytes.len() as u64).min(self.end());
        if start < end {
            let part = &bytes[(start - offset) as usize..(end - offset) as usize];
            // SAFETY: start and end lie within the block (I1); nobody else touches it meanwhile (I2).
            unsafe {
                let to = self.base.as_ptr().add((start - self.offset) as usize);
                to.copy_from_nonoverlapping(part.as_ptr(), part.len());
            }
        }
    }
}

/// Images of mapped files. Mappings own them.
pub(super) type Images = BTreeMap<InodeId, Vec<WeakImage>>;

/// An image that lives as long as a mapping of it.
#[derive(Debug)]
pub(super) struct WeakImage(Weak<Image>);

/// A mapping of a file on the simulated disk.
#[derive(Debug)]
pub struct SimMapping {
    sim: Sim,
    inode: InodeId,
    handle: u64,
    image: Arc<Image>,
    /// Where in the image it begins.
    start: usize,
    bytes: usize,
    access: MapAccess,
}

// SAFETY: the image lives as long as the mapping, and map checked that the range lies within it.
unsafe impl MappedBytes for SimMapping {
    fn as_ptr(&self) -> *const u8 {
        // SAFETY: start lies within the block.
        unsafe { self.image.base.as_ptr().add(self.start) }
    }

    fn as_mut_ptr(&self) -> *mut u8 {
        match self.access {
            MapAccess::Read => core::ptr::null_mut(),
            MapAccess::ReadWrite => self.as_ptr().cast_mut(),
        }
    }

    fn len(&self) -> usize {
        self.bytes
    }
}

impl Drop for SimMapping {
    fn drop(&mut self) {
        let mut state = self.sim.state();
        if state.power == Power::On {
            state.read_back_maps(self.inode);
            state.disk.close(self.inode, self.handle);
        }
    }
}

impl State {
    fn images(&mut self, inode: InodeId) -> Vec<Arc<Image>> {
        let Some(images) = self.images.get_mut(&inode) else {
            return Vec::new();
        };
        images.retain(|image| image.0.strong_count() != 0);
        let live = images
            .iter()
            .filter_map(|image| image.0.upgrade())
            .collect();
        if images.is_empty() {
            self.images.remove(&inode);
        }
        live
    }

    /// Turns stores to the images of a file into unsynced writes.
    pub(super) fn read_back_maps(&mut self, inode: InodeId) {
        for image in self.images(inode) {
            if image.writable.load(Ordering::Relaxed) {
                self.read_back(inode, &image);
            }
        }
    }

    fn read_back(&mut self, inode: InodeId, image: &Image) {
        const SECTOR: usize = super::SECTOR_BYTES as usize;
        let now = self.clock.real_ns();
        let Ok(file) = self.disk.file(inode) else {
            return;
        };
        let size = file.volatile.bytes();
        for at in (0..image.layout.size()).step_by(SECTOR) {
            let offset = image.offset + at as u64;
            let count = size.saturating_sub(offset).min(SECTOR as u64) as usize;
            let count = count.min(image.layout.size() - at);
            let mut stored = [0; SECTOR];
            let stored = &mut stored[..count];
            image.load(at, stored);
            let shown = self
                .disk
                .file(inode)
                .map(|f| f.volatile.to_vec(offset, count));
            if shown.is_ok_and(|shown| shown != stored) {
                let bytes = stored.to_vec();
                self.disk.store(inode, Change::Write { offset, bytes }, now);
            }
        }
    }

    /// Before the machine goes off: what was stored counts as written.
    pub(super) fn write_back_maps(&mut self) {
        let mapped: Vec<InodeId> = self.images.keys().copied().collect();
        for inode in mapped {
            self.read_back_maps(inode);
        }
    }

    /// Shows a write in the images of its file.
    pub(super) fn show_in_maps(&mut self, inode: InodeId, offset: u64, bytes: &[u8]) {
        for image in self.images(inode) {
            image.store(offset, bytes);
        }
    }

    /// Loads the images of a file again, after a change that was no write.
    pub(super) fn refresh_maps(&mut self, inode: InodeId) {
        for image in self.images(inode) {
            if let Ok(file) = self.disk.file(inode) {
                let mut bytes = file.volatile.to_vec(image.offset, image.layout.size());
                bytes.resize(image.layout.size(), 0);
                image.store(image.offset, &bytes);
            }
        }
    }

    /// The image to map a range of a file from, and whether it is new.
    fn image(
        &mut self,
        inode: InodeId,
        offset: u64,
        bytes: u64,
    ) -> core::result::Result<Arc<Image>, Kind> {
        let size = self.disk.file(inode)?.volatile.bytes();
        let end = offset.checked_add(bytes).ok_or(Kind::InvalidInput)?;
        if bytes == 0 || end > size {
            return Err(Kind::InvalidInput);
        }
        // A new image takes all that no other image has, so that later mappings find themselves in it.
        let (mut low, mut high) = (0, size.next_multiple_of(PAGE_BYTES as u64));
        for image in self.images(inode) {
            if image.offset <= offset && end <= image.end() {
                return Ok(image);
            }
            if image.offset < end && offset < image.end() {
                return Err(Kind::Unsupported);
            }
            if image.end() <= offset {
                low = low.max(image.end());
            } else {
                high = high.min(image.offset);
            }
        }
        let length = usize::try_from(high - low).map_err(|_| Kind::OutOfMemory)?;
        let image = Arc::new(Image::new(low, length).ok_or(Kind::OutOfMemory)?);
        let images = self.images.entry(inode).or_default();
        images.push(WeakImage(Arc::downgrade(&image)));
        let bytes = self.disk.file(inode)?.volatile.to_vec(low, length);
        image.store(low, &bytes);
        Ok(image)
    }
}

impl Map for Sim {
    type Mapping = SimMapping;

    unsafe fn map(
        &self,
        file: &SimFile,
        offset: u64,
        bytes: usize,
        access: MapAccess,
    ) -> Result<SimMapping> {
        self.owns(file, Operation::Map)?;
        let mut state = self.enter(Operation::Map)?;
        state.trace.detail([file.inode, offset]);
        let error = |kind| Error::new(Operation::Map, kind);
        if !file.reads() || (access == MapAccess::ReadWrite && !file.writes()) {
            return Err(error(Kind::PermissionDenied));
        }
        if !offset.is_multiple_of(self.0.options.granularity_bytes as u64) {
            return Err(error(Kind::InvalidInput));
        }
        let image = on(
            Operation::Map,
            state.image(file.inode, offset, bytes as u64),
        )?;
        if access == MapAccess::ReadWrite {
            image.writable.store(true, Ordering::Relaxed);
        }
        state.disk.open(file.inode);
        let handle = state.handle();
        drop(state);
        Ok(SimMapping {
            sim: self.clone(),
            inode: file.inode,
            handle,
            start: (offset - image.offset) as usize,
            image,
            bytes,
            access,
        })
    }

    fn flush_map(&self, mapping: &SimMapping, offset: usize, bytes: usize) -> Result<()> {
        let mut state = self.step(Operation::FlushMap);
        state.alive(Operation::FlushMap)?;
        if !Arc::ptr_eq(&self.0, &mapping.sim.0) {
            return Err(Error::new(Operation::FlushMap, Kind::PowerLost));
        }
        if offset
            .checked_add(bytes)
            .is_none_or(|end| end > mapping.bytes)
        {
            return Err(Error::new(Operation::FlushMap, Kind::InvalidInput));
        }
        state.read_back_maps(mapping.inode);
        if let Err(error) = state.strike(Operation::FlushMap) {
            let State {
                disk, crash_rng, ..
            } = &mut *state;
            on(
                Operation::FlushMap,
                disk.fail_sync(mapping.inode, crash_rng),
            )?;
            state.refresh_maps(mapping.inode);
            return Err(error);
        }
        if !self.0.options.weak_data_sync {
            // The whole file: flushing more than was asked is allowed.
            on(Operation::FlushMap, state.disk.file_mut(mapping.inode))?.sync();
        }
        Ok(())
    }
}
