//! Memory that is handed out piece by piece and given back all at once.
//!
//! # Invariants
//! - A1: every piece lies in one chunk of `chunks`, is aligned to [`ALIGN`] (a line piece to [`LINE_BYTES`]) and overlaps no other.
//! - A2: chunks neither move nor shrink, and are freed only when the arena is dropped.
//!
//! # Bounds
//! A chunk is at most [`CHUNK_BYTES_MAX`], or as large as the one piece that needs more.
#![allow(unsafe_code, reason = "hands out raw memory")]

use alloc::alloc::{alloc, dealloc, handle_alloc_error};
use alloc::vec::Vec;
use core::alloc::Layout;
use core::ptr::NonNull;

/// Alignment of every piece: that of the largest field of a node.
pub(super) const ALIGN: usize = 8;
/// A line of the processor's caches, on most.
const LINE_BYTES: usize = 64;
/// The first chunk; each further one doubles, so that a small memtable stays small.
const CHUNK_BYTES_MIN: usize = 4 << 10;
const CHUNK_BYTES_MAX: usize = 1 << 20;

pub(super) struct Arena {
    chunks: Vec<(NonNull<u8>, Layout)>,
    next: NonNull<u8>,
    left: usize,
    total_bytes: usize,
}

// SAFETY: the arena owns its chunks; nothing in it belongs to a thread.
unsafe impl Send for Arena {}

impl Arena {
    pub(super) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            next: NonNull::dangling(),
            left: 0,
            total_bytes: 0,
        }
    }

    /// Bytes handed out.
    pub(super) const fn used_bytes(&self) -> usize {
        self.total_bytes - self.left
    }

    /// A fresh piece of uninitialised memory (A1), valid until the arena is dropped (A2). `bytes` is not zero.
    pub(super) fn piece(&mut self, bytes: usize) -> NonNull<u8> {
        let bytes = bytes.next_multiple_of(ALIGN);
        if bytes > self.left {
            self.grow(bytes);
        }
        let piece = self.next;
        // SAFETY: `bytes <= left`, so the result is within the chunk or one past its end.
        self.next = unsafe { piece.add(bytes) };
        self.left -= bytes;
        piece
    }

    /// As [`piece`](Self::piece), from the start of a line of memory on.
    pub(super) fn line_piece(&mut self, bytes: usize) -> NonNull<u8> {
        let bytes = bytes.next_multiple_of(ALIGN);
        let gap = self.next.as_ptr().align_offset(LINE_BYTES);
        if gap.saturating_add(bytes) > self.left {
            // A chunk begins with a line.
            self.grow(bytes);
        } else if gap > 0 {
            self.piece(gap);
        }
        self.piece(bytes)
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        let wanted = (CHUNK_BYTES_MIN << self.chunks.len().min(16))
            .min(CHUNK_BYTES_MAX)
            .max(bytes);
        let layout =
            Layout::from_size_align(wanted, LINE_BYTES).expect("a chunk fits the address space");
        // SAFETY: `wanted` is at least `bytes`, which is not zero.
        let Some(chunk) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        self.chunks.push((chunk, layout));
        self.next = chunk;
        self.left = wanted;
        self.total_bytes += wanted;
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for &(chunk, layout) in &self.chunks {
            // SAFETY: A2: allocated with this layout, freed nowhere else, and by the owner's drop nothing refers
            // into it any more.
            unsafe { dealloc(chunk.as_ptr(), layout) };
        }
    }
}
