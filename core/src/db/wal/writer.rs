//! Encodes records into the bytes of a log.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::{
    BATCH_HEADER_BYTES, BLOCK_BYTES, FIRST, FRAGMENT_HEADER_BYTES, FULL, HEADER_BYTES, LAST, MAGIC,
    MIDDLE, PADDING_BYTES_MAX, SEAL, SYNCED, VERSION, checksum,
};
use crate::codec::crc32c;
use alloc::vec::Vec;

/// Where the next byte of a log goes, and the salt that marks it. Does no I/O: bytes go to a buffer.
#[derive(Debug)]
pub(in crate::db) struct LogWriter {
    salt: u64,
    offset: u64,
}

impl LogWriter {
    /// A new log: its header is appended to `out`.
    pub(in crate::db) fn new(number: u64, salt: u64, out: &mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&salt.to_le_bytes());
        let crc = crc32c(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
        Self {
            salt,
            offset: HEADER_BYTES as u64,
        }
    }

    /// The file offset of the next byte.
    pub(in crate::db) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends a batch whose first write has number `sequence`, and whose bytes come in pieces.
    pub(in crate::db) fn push_batch(
        &mut self,
        out: &mut Vec<u8>,
        sequence: u64,
        count: u32,
        [first, second, third, fourth]: [&[u8]; 4],
    ) {
        let mut header = [0; BATCH_HEADER_BYTES];
        let (number, rest) = header.split_at_mut(8);
        number.copy_from_slice(&sequence.to_le_bytes());
        rest.copy_from_slice(&count.to_le_bytes());
        let mut parts = [&header[..], first, second, third, fourth];
        let mut first = true;
        loop {
            let room = self.pad(out).saturating_sub(FRAGMENT_HEADER_BYTES);
            let left = parts
                .iter()
                .map(|part| part.len())
                .fold(0, usize::saturating_add);
            let kind = match (first, left <= room) {
                (true, true) => FULL,
                (true, false) => FIRST,
                (false, false) => MIDDLE,
                (false, true) => LAST,
            };
            self.push_fragment(out, kind, &mut parts, left.min(room));
            if left <= room {
                return;
            }
            first = false;
        }
    }

    /// Appends the statement that all bytes before `synced` are on the medium (W2).
    pub(in crate::db) fn push_synced(&mut self, out: &mut Vec<u8>, synced: u64) {
        self.pad(out);
        self.push_fragment(out, SYNCED, &mut [&synced.to_le_bytes()], 8);
    }

    /// Appends the statement that log `next` goes on from here (W3).
    pub(in crate::db) fn push_seal(&mut self, out: &mut Vec<u8>, next: u64) {
        self.pad(out);
        self.push_fragment(out, SEAL, &mut [&next.to_le_bytes()], 8);
    }

    /// Fills the rest of the block with zeros if it is too small for a fragment; returns what is left of the block.
    fn pad(&mut self, out: &mut Vec<u8>) -> usize {
        let used = self.offset as usize & (BLOCK_BYTES.saturating_sub(1));
        let left = BLOCK_BYTES.saturating_sub(used);
        if left >= PADDING_BYTES_MAX {
            return left;
        }
        out.resize(out.len().saturating_add(left), 0);
        self.offset = self.offset.saturating_add(left as u64);
        BLOCK_BYTES
    }

    /// Appends one fragment with `length` bytes from the front of `parts`.
    fn push_fragment(&mut self, out: &mut Vec<u8>, kind: u8, parts: &mut [&[u8]], length: usize) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(length as u16).to_le_bytes());
        out.push(kind);
        let mut left = length;
        for part in parts {
            let (taken, rest) = part.split_at(part.len().min(left));
            out.extend_from_slice(taken);
            left = left.saturating_sub(taken.len());
            *part = rest;
        }
        let body = start.saturating_add(4);
        let crc = checksum(self.salt, self.offset, out.get(body..).unwrap_or_default());
        if let Some(place) = out.get_mut(start..body) {
            place.copy_from_slice(&crc.to_le_bytes());
        }
        let written = out.len().saturating_sub(start);
        self.offset = self.offset.saturating_add(written as u64);
    }
}
