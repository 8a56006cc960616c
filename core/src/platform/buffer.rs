//! Bytes that are lent to an operation and come back with its completion.
//!
//! The operation owns the buffer from submission to completion, so that a caller who goes away cannot leave the
//! kernel, or a DMA engine, writing into freed memory.
#![allow(unsafe_code, reason = "spare capacity is uninitialised")]

use core::mem::MaybeUninit;

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

/// An owned buffer: `len` initialised bytes, then spare capacity.
#[derive(Debug)]
pub struct Buffer(Storage);

#[derive(Debug)]
enum Storage {
    #[cfg(feature = "alloc")]
    Heap(Vec<u8>),
    /// I1: the first `len` bytes are initialised and `len <= bytes.len()`.
    Static {
        bytes: &'static mut [MaybeUninit<u8>],
        len: usize,
    },
}

impl Buffer {
    /// An empty buffer over memory that is there for ever: for firmware without an allocator.
    #[must_use]
    pub fn from_static(bytes: &'static mut [MaybeUninit<u8>]) -> Self {
        Self(Storage::Static { bytes, len: 0 })
    }

    /// An empty buffer from the global allocator.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Storage::Heap(Vec::with_capacity(bytes)))
    }

    /// The initialised bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            #[cfg(feature = "alloc")]
            Storage::Heap(vec) => vec,
            // SAFETY: I1.
            Storage::Static { bytes, len } => unsafe {
                core::slice::from_raw_parts(bytes.as_ptr().cast(), *len)
            },
        }
    }

    /// How many bytes the buffer can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        match &self.0 {
            #[cfg(feature = "alloc")]
            Storage::Heap(vec) => vec.capacity(),
            Storage::Static { bytes, .. } => bytes.len(),
        }
    }

    /// The uninitialised rest.
    pub fn spare_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        match &mut self.0 {
            #[cfg(feature = "alloc")]
            Storage::Heap(vec) => vec.spare_capacity_mut(),
            Storage::Static { bytes, len } => &mut bytes[*len..],
        }
    }

    /// Declares that the next `count` spare bytes are initialised.
    ///
    /// # Safety
    /// They are, and there are that many.
    pub unsafe fn advance(&mut self, count: usize) {
        debug_assert!(count <= self.spare_mut().len());
        match &mut self.0 {
            #[cfg(feature = "alloc")]
            // SAFETY: the caller says that `count` bytes after the length are initialised.
            Storage::Heap(vec) => unsafe { vec.set_len(vec.len() + count) },
            Storage::Static { len, .. } => *len += count,
        }
    }

    /// Forgets the contents; the capacity stays.
    pub fn clear(&mut self) {
        match &mut self.0 {
            #[cfg(feature = "alloc")]
            Storage::Heap(vec) => vec.clear(),
            Storage::Static { len, .. } => *len = 0,
        }
    }

    /// Adds as many of `bytes` as there is room for and returns how many.
    pub fn push_slice(&mut self, bytes: &[u8]) -> usize {
        let spare = self.spare_mut();
        let count = spare.len().min(bytes.len());
        spare[..count].write_copy_of_slice(&bytes[..count]);
        // SAFETY: the line above initialised `count` spare bytes.
        unsafe { self.advance(count) };
        count
    }

    /// The vector inside, for a buffer that was made from one or with a capacity.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn into_vec(self) -> Option<Vec<u8>> {
        match self.0 {
            Storage::Heap(vec) => Some(vec),
            Storage::Static { .. } => None,
        }
    }
}

#[cfg(feature = "alloc")]
impl From<Vec<u8>> for Buffer {
    fn from(vec: Vec<u8>) -> Self {
        Self(Storage::Heap(vec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use alloc::vec;

    #[test]
    fn static_and_heap_buffers_behave_alike() {
        let leaked = Box::leak(vec![MaybeUninit::new(0u8); 4].into_boxed_slice());
        for mut buffer in [
            Buffer::from_static(leaked),
            Buffer::from(Vec::with_capacity(4)),
        ] {
            let capacity = buffer.capacity();
            assert_eq!(buffer.push_slice(b"abc"), 3);
            assert_eq!(buffer.as_slice(), b"abc");
            assert_eq!(buffer.spare_mut().len(), capacity - 3);
            assert_eq!(buffer.push_slice(&[b'x'; 100]), capacity - 3);
            assert_eq!(buffer.push_slice(b"y"), 0, "a full buffer takes nothing");
            buffer.clear();
            assert_eq!(buffer.as_slice(), b"");
            assert_eq!(buffer.capacity(), capacity);
        }
    }
}
