//! Buffers that are lent for the time in which there is something in them: an idle connection holds none.
#![allow(unsafe_code, reason = "bytes of a buffer are initialised by a read")]

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::mem::MaybeUninit;
use core::ops::Deref;

/// Bytes of one buffer.
pub const LEASE_BYTES: usize = 16 * 1024;

/// Buffers that are kept while nobody has them.
const KEPT_MAX: usize = 32;

/// The free buffers of one executor.
#[derive(Clone)]
pub(super) struct Buffers(Rc<RefCell<Vec<Vec<u8>>>>);

impl Buffers {
    pub(super) fn new() -> Self {
        Self(Rc::new(RefCell::new(Vec::new())))
    }

    /// A buffer with nothing in it.
    pub(super) fn lease(&self) -> Lease {
        let bytes = self.0.borrow_mut().pop();
        Lease {
            bytes: bytes.unwrap_or_else(|| Vec::with_capacity(LEASE_BYTES)),
            home: self.clone(),
        }
    }
}

/// Bytes that were received. Dropping it gives the buffer back.
pub struct Lease {
    bytes: Vec<u8>,
    home: Buffers,
}

impl Lease {
    /// The room of an empty lease.
    pub(super) fn spare_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        self.bytes.spare_capacity_mut()
    }

    /// # Safety
    /// The first `count` spare bytes are initialised.
    pub(super) unsafe fn advance(&mut self, count: usize) {
        // SAFETY: the caller's word.
        unsafe { self.bytes.set_len(self.bytes.len() + count) }
    }
}

impl Deref for Lease {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut bytes = core::mem::take(&mut self.bytes);
        bytes.clear();
        let mut kept = self.home.0.borrow_mut();
        if kept.len() < KEPT_MAX {
            kept.push(bytes);
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("bytes", &self.len()).finish()
    }
}
