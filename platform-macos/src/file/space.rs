//! Disk space of a range: reserved by `F_PREALLOCATE`, given back by `F_PUNCHHOLE`.
//!
//! # Quirks
//! - `F_PREALLOCATE` adds blocks only past the last one that the file has, and does not change the length
//!   (fcntl(2), `F_PEOFPOSMODE`). So blocks come first, then `ftruncate`; and a file with holes below its end, which nothing can fill without
//!   writing, is `Unsupported`.
//! - Asking for one contiguous run fails on a disk in pieces; then any blocks will do. `F_ALLOCATEALL` makes both calls all or nothing.
//! - The length grows by a look and an `ftruncate`: no call does both. Writers that make the same file longer at the same
//!   moment must be kept away, or what they wrote past the range's end is cut.
//! - APFS copies on write after a snapshot or a clone, so even reserved space can run out then (Apple File System Guide).
//! - `F_PUNCHHOLE` takes whole blocks only, else `EINVAL` (fcntl(2)); the rest of the range is written with zeros, after the hole, so that
//!   a file system that refuses holes has changed nothing.
#![allow(unsafe_code, reason = "calls libSystem")]

use super::{Descriptor, File};
use crate::Macos;
use crate::error::{check, retry};
use crate::extent::{Growth, Hole};
use core::mem::MaybeUninit;
use core::ops::Range;
use libc::{fpunchhole_t, fstore_t, off_t};
use underpin_core::error::{Error, Kind, Operation, Result};
use underpin_core::platform::Files;

/// The unit of `st_blocks` (stat(2)).
const STAT_BLOCK_BYTES: u64 = 512;

/// Zeros for one write.
static ZEROS: [u8; 4096] = [0; 4096];

pub(super) fn preallocate(platform: &Macos, file: &File, offset: u64, bytes: u64) -> Result<()> {
    let operation = Operation::Preallocate;
    let mut growth = plan(&file.descriptor, offset, bytes)?;
    if growth == Growth::HasHoles {
        // Blocks of data that was just written may not be chosen yet.
        file.descriptor
            .sync(operation, underpin_core::platform::Durability::Data)?;
        growth = plan(&file.descriptor, offset, bytes)?;
    }
    match growth {
        Growth::HasHoles => Err(Error::unsupported(operation)),
        Growth::TooLarge => Err(Error::new(operation, Kind::FileTooLarge)),
        Growth::Grow { new_bytes, length } => {
            if new_bytes > 0 {
                allocate(&file.descriptor, new_bytes)?;
            }
            match length {
                Some(length) => platform.set_length(file, length.unsigned_abs()),
                None => Ok(()),
            }
        }
    }
}

fn plan(descriptor: &Descriptor, offset: u64, bytes: u64) -> Result<Growth> {
    let stat = descriptor.stat(Operation::Preallocate)?;
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    let blocks = u64::try_from(stat.st_blocks).unwrap_or(0);
    let allocated_bytes = blocks.saturating_mul(STAT_BLOCK_BYTES);
    Ok(Growth::plan(offset, bytes, length, allocated_bytes))
}

/// Adds `bytes` past the last block of the file.
fn allocate(descriptor: &Descriptor, bytes: off_t) -> Result<()> {
    let attempt = |flags| {
        let mut store = fstore_t {
            fst_flags: flags,
            fst_posmode: libc::F_PEOFPOSMODE,
            fst_offset: 0,
            fst_length: bytes,
            fst_bytesalloc: 0,
        };
        // SAFETY: an open descriptor; the command reads and writes one fstore_t.
        retry(Operation::Preallocate, || unsafe {
            libc::fcntl(descriptor.0, libc::F_PREALLOCATE, &raw mut store)
        })
        .map(drop)
    };
    attempt(libc::F_ALLOCATECONTIG | libc::F_ALLOCATEALL).or_else(|_| attempt(libc::F_ALLOCATEALL))
}

pub(super) fn punch(platform: &Macos, file: &File, offset: u64, bytes: u64) -> Result<()> {
    let operation = Operation::Punch;
    let length = platform.file_metadata(file)?.bytes;
    let Hole {
        before,
        hole,
        after,
    } = Hole::within(offset, bytes, length, block_bytes(&file.descriptor)?);
    if file.is_append && !(before.is_empty() && after.is_empty()) {
        // The zeros beside the hole would land at the end.
        return Err(Error::unsupported(operation));
    }
    if !hole.is_empty() {
        let signed = |n| off_t::try_from(n).map_err(|_| Error::new(operation, Kind::InvalidInput));
        let mut request = fpunchhole_t {
            fp_flags: 0,
            reserved: 0,
            fp_offset: signed(hole.start)?,
            fp_length: signed(hole.end - hole.start)?,
        };
        // SAFETY: an open descriptor; the command reads one fpunchhole_t.
        retry(operation, || unsafe {
            libc::fcntl(file.descriptor(), libc::F_PUNCHHOLE, &raw mut request)
        })?;
    }
    write_zeros(platform, file, before)?;
    write_zeros(platform, file, after)
}

/// The file system's block.
fn block_bytes(descriptor: &Descriptor) -> Result<u64> {
    let mut system = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: stores a statfs at the address, which is valid for it.
    check(Operation::Punch, unsafe {
        libc::fstatfs(descriptor.0, system.as_mut_ptr())
    })?;
    // SAFETY: the call succeeded.
    Ok(u64::from(unsafe { system.assume_init_ref() }.f_bsize))
}

fn write_zeros(platform: &Macos, file: &File, range: Range<u64>) -> Result<()> {
    let mut at = range.start;
    while at < range.end {
        let bytes =
            usize::try_from(range.end - at).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        platform.write_all_at(file, &ZEROS[..bytes], at)?;
        at += bytes as u64;
    }
    Ok(())
}
