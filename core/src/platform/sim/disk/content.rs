//! The bytes of one file: a sparse map of pages, shared between snapshots until one of them writes.
//!
//! # Invariants
//! I1: no page lies wholly at or past the length, except those that were preallocated below it.
//! I2: bytes of a page past the length are zero, so that growing a file needs no clearing.
#![forbid(unsafe_code)]

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem::MaybeUninit;

/// Bytes in a page, the unit of allocation on the simulated disk.
pub(in super::super) const PAGE_BYTES: u64 = 4096;

/// Largest file: ext4's bound with 4 KiB blocks.
pub(in super::super) const FILE_BYTES_MAX: u64 = 1 << 44;

type Page = [u8; PAGE_BYTES as usize];

/// A file's bytes.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Content {
    pages: BTreeMap<u64, Arc<Page>>,
    bytes: u64,
}

/// One page's share of a range: page number, first byte within the page, byte count.
fn pieces(offset: u64, bytes: u64) -> impl Iterator<Item = (u64, usize, usize)> {
    let end = offset + bytes;
    let mut at = offset;
    core::iter::from_fn(move || {
        let within = at % PAGE_BYTES;
        let count = (PAGE_BYTES - within).min(end - at);
        let piece = (at / PAGE_BYTES, within as usize, count as usize);
        at += count;
        (count != 0).then_some(piece)
    })
}

impl Content {
    pub(in super::super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Pages that take space on the disk.
    pub(in super::super) fn page_count(&self) -> u64 {
        self.pages.len() as u64
    }

    /// How many pages a write of `bytes` at `offset` would add, and how many of the bytes fit if only `free` more
    /// pages may be added.
    pub(in super::super) fn room(&self, offset: u64, bytes: u64, free: u64) -> u64 {
        let mut left = free;
        let mut fit = 0;
        for (page, _, count) in pieces(offset, bytes) {
            if !self.pages.contains_key(&page) {
                if left == 0 {
                    break;
                }
                left -= 1;
            }
            fit += count as u64;
        }
        fit
    }

    /// Pages of the range that are not there yet.
    pub(in super::super) fn missing(&self, offset: u64, bytes: u64) -> u64 {
        if bytes == 0 {
            return 0;
        }
        let (first, last) = (offset / PAGE_BYTES, (offset + bytes - 1) / PAGE_BYTES);
        (last - first + 1) - self.pages.range(first..=last).count() as u64
    }

    /// Copies from `offset` into `buffer`; returns how many bytes the file had there.
    pub(in super::super) fn read(&self, offset: u64, buffer: &mut [MaybeUninit<u8>]) -> usize {
        let there = self.bytes.saturating_sub(offset).min(buffer.len() as u64);
        let mut done = 0;
        for (page, within, count) in pieces(offset, there) {
            let into = &mut buffer[done..done + count];
            match self.pages.get(&page) {
                Some(page) => {
                    into.write_copy_of_slice(&page[within..within + count]);
                }
                None => {
                    into.fill(MaybeUninit::new(0));
                }
            }
            done += count;
        }
        done
    }

    /// A copy of at most `count` bytes from `offset`: as many as the file has there.
    pub(in super::super) fn to_vec(&self, offset: u64, count: usize) -> Vec<u8> {
        let there = self.bytes.saturating_sub(offset).min(count as u64);
        let mut out = Vec::with_capacity(there as usize);
        for (page, within, count) in pieces(offset, there) {
            match self.pages.get(&page) {
                Some(page) => out.extend_from_slice(&page[within..within + count]),
                None => out.resize(out.len() + count, 0),
            }
        }
        out
    }

    /// Writes without regard to the length; [`grow`](Self::grow) says how far the file reaches.
    fn put(&mut self, offset: u64, bytes: &[u8]) {
        let mut rest = bytes;
        for (page, within, count) in pieces(offset, bytes.len() as u64) {
            let (now, later) = rest.split_at(count);
            rest = later;
            let page = self
                .pages
                .entry(page)
                .or_insert_with(|| Arc::new([0; PAGE_BYTES as usize]));
            Arc::make_mut(page)[within..within + count].copy_from_slice(now);
        }
    }

    /// Makes the file at least `bytes` long; the new bytes are zero by I2.
    pub(in super::super) fn grow(&mut self, bytes: u64) {
        self.bytes = self.bytes.max(bytes);
    }

    pub(in super::super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.put(offset, bytes);
            self.grow(offset + bytes.len() as u64);
        }
    }

    pub(in super::super) fn set_length(&mut self, bytes: u64) {
        if bytes < self.bytes {
            drop(self.pages.split_off(&bytes.div_ceil(PAGE_BYTES)));
            let within = (bytes % PAGE_BYTES) as usize;
            if within != 0
                && let Some(page) = self.pages.get_mut(&(bytes / PAGE_BYTES))
            {
                Arc::make_mut(page)[within..].fill(0);
            }
        }
        self.bytes = bytes;
    }

    /// Zeros a range and gives its whole pages back.
    pub(in super::super) fn punch(&mut self, offset: u64, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let end = offset + bytes;
        let (first_whole, end_whole) = (offset.div_ceil(PAGE_BYTES), end / PAGE_BYTES);
        if first_whole < end_whole {
            let mut tail = self.pages.split_off(&first_whole);
            self.pages.append(&mut tail.split_off(&end_whole));
        }
        for page in [offset / PAGE_BYTES, end / PAGE_BYTES] {
            if let Some(content) = self.pages.get_mut(&page) {
                let start = page * PAGE_BYTES;
                let from = offset.saturating_sub(start).min(PAGE_BYTES) as usize;
                let to = end.saturating_sub(start).min(PAGE_BYTES) as usize;
                Arc::make_mut(content)[from..to].fill(0);
            }
        }
    }

    /// Takes space for a range; its new bytes read as zero. The caller has checked that there is room.
    pub(in super::super) fn preallocate(&mut self, offset: u64, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let zero = Arc::new([0; PAGE_BYTES as usize]);
        for page in offset / PAGE_BYTES..=(offset + bytes - 1) / PAGE_BYTES {
            self.pages.entry(page).or_insert_with(|| Arc::clone(&zero));
        }
        self.grow(offset + bytes);
    }

    /// Flips one bit; false if the file has no such byte. A hole becomes a page.
    pub(in super::super) fn flip(&mut self, offset: u64, bit: u8) -> bool {
        if offset >= self.bytes {
            return false;
        }
        let mut byte = [MaybeUninit::new(0)];
        self.read(offset, &mut byte);
        let page = self
            .pages
            .entry(offset / PAGE_BYTES)
            .or_insert_with(|| Arc::new([0; PAGE_BYTES as usize]));
        Arc::make_mut(page)[(offset % PAGE_BYTES) as usize] ^= 1 << (bit & 7);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::sim::rng::Rng;
    use alloc::vec;

    #[test]
    fn content_behaves_like_a_vector_of_bytes() {
        let mut rng = Rng::new(1);
        let mut content = Content::default();
        let mut model: Vec<u8> = Vec::new();
        for _ in 0..2000 {
            let offset = rng.below(20_000);
            let bytes = rng.below(9_000);
            let end = (offset + bytes) as usize;
            match rng.below(5) {
                0 | 1 => {
                    let data = vec![rng.next_u64() as u8; bytes as usize];
                    content.write(offset, &data);
                    if !data.is_empty() {
                        model.resize(model.len().max(end), 0);
                        model[offset as usize..end].copy_from_slice(&data);
                    }
                }
                2 => {
                    content.set_length(offset);
                    model.resize(offset as usize, 0);
                }
                3 => {
                    content.punch(offset, bytes);
                    let stop = end.min(model.len());
                    if (offset as usize) < stop {
                        model[offset as usize..stop].fill(0);
                    }
                }
                _ => {
                    content.preallocate(offset, bytes);
                    if bytes != 0 {
                        model.resize(model.len().max(end), 0);
                    }
                }
            }
            assert_eq!(content.bytes(), model.len() as u64);
            assert!(content.to_vec(0, usize::MAX) == model);
            assert!(content.pages.len() <= 8);
        }
    }
}
