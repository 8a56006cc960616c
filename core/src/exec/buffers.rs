//! Buffers that are lent for the time in which there is something in them: an idle connection holds none.
#![allow(unsafe_code, reason = "bytes of a buffer are initialised by a read")]

use alloc::boxed::Box;
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

/// A buffer behind one pointer, so that a task which now and then holds a lease has room for no more than that.
struct Block {
    /// `None` while it is kept.
    home: Option<Buffers>,
    bytes: Vec<u8>,
}

/// The free buffers of one executor.
#[derive(Clone)]
#[expect(clippy::vec_box, reason = "a buffer keeps its box when it is lent")]
pub(super) struct Buffers(Rc<RefCell<Vec<Box<Block>>>>);

impl Buffers {
    pub(super) fn new() -> Self {
        Self(Rc::new(RefCell::new(Vec::new())))
    }

    /// A buffer with nothing in it.
    pub(super) fn lease(&self) -> Lease {
        let kept = self.0.borrow_mut().pop();
        let mut block = kept.unwrap_or_else(|| {
            Box::new(Block {
                home: None,
                bytes: Vec::with_capacity(LEASE_BYTES),
            })
        });
        block.home = Some(self.clone());
        Lease(Some(block))
    }
}

/// Bytes that were received. Dropping it gives the buffer back.
pub struct Lease(
    /// `None` only while it is dropped.
    Option<Box<Block>>,
);

impl Lease {
    /// The room of an empty lease.
    pub(super) fn spare_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        match &mut self.0 {
            Some(block) => block.bytes.spare_capacity_mut(),
            None => &mut [],
        }
    }

    /// # Safety
    /// The first `count` spare bytes are initialised.
    pub(super) unsafe fn advance(&mut self, count: usize) {
        if let Some(block) = &mut self.0 {
            // SAFETY: the caller's word.
            unsafe { block.bytes.set_len(block.bytes.len() + count) }
        }
    }
}

impl Deref for Lease {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |block| &block.bytes)
    }
}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut block) = self.0.take() else {
            return;
        };
        let Some(home) = block.home.take() else {
            return;
        };
        block.bytes.clear();
        let mut kept = home.0.borrow_mut();
        if kept.len() < KEPT_MAX {
            kept.push(block);
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("bytes", &self.len()).finish()
    }
}
