//! The one buffer that all connections are read into, so that an idle connection holds none.
#![allow(unsafe_code, reason = "a platform reads into uninitialised memory")]

use core::mem::MaybeUninit;
use underpin_core::Result;
use underpin_core::platform::Net;

/// Bytes that one connection may be read for in one turn.
const READ_BYTES: usize = 64 * 1024;

/// The buffer. See the [module](self).
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    bytes: Box<[MaybeUninit<u8>]>,
}

impl ReadBuffer {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Box::new_uninit_slice(READ_BYTES),
        }
    }

    /// A buffer without memory, to hold the place of one that is lent.
    pub(crate) fn empty() -> Self {
        Self {
            bytes: Box::default(),
        }
    }

    /// Reads what `socket` has, at most the buffer's size; empty at the end of the stream. Full: there may be more.
    pub(crate) fn receive<N: Net>(&mut self, net: &N, socket: &N::Socket) -> Result<&[u8]> {
        let count = net.try_receive(socket, &mut self.bytes)?;
        let read = &self.bytes[..count];
        // SAFETY: a try_receive that returned `count` has initialised the first `count` bytes, by Net's contract.
        Ok(unsafe { read.assume_init_ref() })
    }

    /// Whether `bytes` of a [`receive`](Self::receive) filled the buffer.
    pub(crate) const fn is_full(bytes: usize) -> bool {
        bytes == READ_BYTES
    }
}
