//! Several buffers in one call: `preadv` and `pwritev`, which came with macOS 11; before that, one buffer a call.
//!
//! # Bounds
//! [`PARTS_MAX`] buffers and [`TRANSFER_BYTES_MAX`](crate::extent::TRANSFER_BYTES_MAX) bytes a call; the rest is for the next, as after any
//! short transfer.
#![allow(unsafe_code, reason = "calls libSystem")]

use super::{File, count};
use crate::Macos;
use crate::error::retry;
use crate::extent::transfer;
use crate::symbol::Symbol;
use core::ffi::c_void;
use core::mem::{self, MaybeUninit};
use core::ptr::{self, NonNull};
use libc::{c_int, iovec, off_t, ssize_t};
use underpin_core::error::{Error, Kind, Operation, Result};
use underpin_core::platform::Files;

/// Buffers of one call: 512 bytes of stack. The system takes 1,024 (`IOV_MAX`).
const PARTS_MAX: usize = 32;

/// `preadv` and `pwritev` have the same shape.
type TransferFn = unsafe extern "C" fn(c_int, *const iovec, c_int, off_t) -> ssize_t;

static PREADV: Symbol = Symbol::new(c"preadv");
static PWRITEV: Symbol = Symbol::new(c"pwritev");

fn function(symbol: &Symbol) -> Option<TransferFn> {
    // SAFETY: both functions are declared so in `sys/uio.h`; `libc` declares them alike.
    symbol
        .get()
        .map(|address| unsafe { mem::transmute::<NonNull<c_void>, TransferFn>(address) })
}

/// The parts of one call.
struct Parts {
    parts: [iovec; PARTS_MAX],
    count: usize,
    /// Bytes that may still be added.
    room: usize,
}

impl Parts {
    fn new(room: usize) -> Self {
        let empty = iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        };
        Self {
            parts: [empty; PARTS_MAX],
            count: 0,
            room,
        }
    }

    /// Adds a buffer, or the part that there is room for; false when nothing more fits.
    fn push(&mut self, start: *mut c_void, bytes: usize) -> bool {
        let bytes = bytes.min(self.room);
        if bytes != 0 {
            self.parts[self.count] = iovec {
                iov_base: start,
                iov_len: bytes,
            };
            self.count += 1;
            self.room -= bytes;
        }
        self.room != 0 && self.count < PARTS_MAX
    }

    /// # Safety
    /// The buffers are valid for what `function` does with them.
    unsafe fn transfer(
        &self,
        operation: Operation,
        function: TransferFn,
        file: &File,
        offset: off_t,
    ) -> Result<usize> {
        retry(operation, || {
            // SAFETY: `count` parts are set; the caller vouches for what they point to.
            unsafe {
                function(
                    file.descriptor(),
                    self.parts.as_ptr(),
                    self.count as c_int,
                    offset,
                )
            }
        })
        .map(count)
    }
}

pub(super) fn read(
    platform: &Macos,
    file: &File,
    buffers: &mut [&mut [MaybeUninit<u8>]],
    offset: u64,
) -> Result<usize> {
    let Some(function) = function(&PREADV) else {
        return match buffers.iter_mut().find(|buffer| !buffer.is_empty()) {
            Some(buffer) => platform.read_at(file, buffer, offset),
            None => Ok(0),
        };
    };
    let Some((offset, room)) = transfer(offset, usize::MAX) else {
        return Ok(0); // past the end of any file
    };
    let mut parts = Parts::new(room);
    for buffer in buffers {
        if !parts.push(buffer.as_mut_ptr().cast(), buffer.len()) {
            break;
        }
    }
    if parts.count == 0 {
        return Ok(0);
    }
    // SAFETY: each part lies within a buffer that is lent for writing.
    unsafe { parts.transfer(Operation::ReadAt, function, file, offset) }
}

pub(super) fn write(platform: &Macos, file: &File, slices: &[&[u8]], offset: u64) -> Result<usize> {
    let operation = Operation::WriteAt;
    file.require_append(operation, false)?;
    let Some(function) = function(&PWRITEV) else {
        return match slices.iter().find(|slice| !slice.is_empty()) {
            Some(slice) => platform.write_at(file, slice, offset),
            None => Ok(0),
        };
    };
    let Some((offset, room)) = transfer(offset, usize::MAX) else {
        return Err(Error::new(operation, Kind::FileTooLarge));
    };
    let mut parts = Parts::new(room);
    for slice in slices {
        if !parts.push(slice.as_ptr().cast_mut().cast(), slice.len()) {
            break;
        }
    }
    if parts.count == 0 {
        return Ok(0);
    }
    // SAFETY: each part lies within a slice, and pwritev only reads it.
    unsafe { parts.transfer(operation, function, file, offset) }
}
