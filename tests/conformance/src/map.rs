//! Mappings: the same bytes as the file, in both directions, for as long as the mapping lives.
#![allow(unsafe_code, reason = "a mapping is raw memory")]

pub(crate) mod absent;

use crate::case::{Context, Path, Stop, Verdict};
use crate::file::{ensure_filled, fill, fresh};
use underpin_core::Result;
use underpin_core::platform::{Map, MapAccess, MappedBytes, OpenOptions};

cases!("map", Map:
    mapping_reads_the_file,
    writes_reach_the_file,
    file_writes_reach_the_mapping,
    two_mappings_agree,
    mapping_at_an_offset,
    read_mapping_has_no_write_pointer,
    mapping_outlives_its_handle,
    mapping_outlives_its_name,
    bad_ranges_are_refused,
    access_must_be_that_of_the_file,
    flush_writes_back,
    flush_outside_the_mapping_is_refused,
    unmapped_bytes_stay_in_the_file,
    mappings_are_given_back,
);

/// A mapping whose bytes cases read and write one at a time, with volatile accesses.
struct Window<M: MappedBytes>(M);

impl<M: MappedBytes> Window<M> {
    fn get(&self, index: usize) -> u8 {
        assert!(index < self.0.len(), "the case is wrong");
        // SAFETY: within the mapping, which lives; the file is as long as the case made it.
        unsafe { self.0.as_ptr().add(index).read_volatile() }
    }

    fn set(&self, index: usize, byte: u8) {
        assert!(
            index < self.0.len() && !self.0.as_mut_ptr().is_null(),
            "the case is wrong"
        );
        // SAFETY: as above, and the mapping may be written.
        unsafe { self.0.as_mut_ptr().add(index).write_volatile(byte) }
    }

    /// The first index whose byte is not `expected`.
    fn differs(&self, expected: u8) -> Option<usize> {
        (0..self.0.len()).find(|index| self.get(*index) != expected)
    }
}

/// Maps a part of a file that nobody cuts.
fn map<P: Map>(
    cx: &Context<'_, P>,
    file: &P::File,
    offset: u64,
    bytes: usize,
    access: MapAccess,
) -> Result<Window<P::Mapping>> {
    // SAFETY: the cases do not cut files that are mapped, and make no references to the bytes.
    unsafe { cx.p.map(file, offset, bytes, access) }.map(Window)
}

/// The granularity of offsets.
fn unit<P: Map>(cx: &Context<'_, P>) -> usize {
    cx.p.memory_info().granularity_bytes
}

/// A file of `units` whole units, each filled with its number plus one.
fn striped<P: Map>(
    cx: &Context<'_, P>,
    name: &str,
    units: u8,
) -> core::result::Result<(Path, P::File), Stop> {
    let path = cx.path(name);
    let file = cx.p.open(&path, &fresh())?;
    let bytes = unit(cx);
    for index in 0..units {
        fill(cx, &file, u64::from(index) * bytes as u64, bytes, index + 1)?;
    }
    Ok((path, file))
}

/// "Maps `bytes` of `file` from `offset`".
fn mapping_reads_the_file<P: Map>(cx: &Context<'_, P>) -> Verdict {
    let (_, file) = striped(cx, "map-read", 2)?;
    let window = map(cx, &file, 0, 2 * unit(cx), MapAccess::Read)?;
    ensure_eq!(window.0.len(), 2 * unit(cx));
    ensure!(!window.0.is_empty());
    for index in [0, 1, unit(cx) - 1] {
        ensure_eq!(window.get(index), 1);
        ensure_eq!(window.get(unit(cx) + index), 2);
    }
    // A length need not be a multiple of anything.
    let odd = map(cx, &file, 0, 100, MapAccess::Read)?;
    ensure_eq!(odd.0.len(), 100);
    ensure_eq!(odd.differs(1), None);
    Ok(())
}

/// "writes reach the file".
fn writes_reach_the_file<P: Map>(cx: &Context<'_, P>) -> Verdict {
    let (path, file) = striped(cx, "map-write", 1)?;
    let window = map(cx, &file, 0, unit(cx), MapAccess::ReadWrite)?;
    window.set(0, 0x50);
    window.set(unit(cx) - 1, 0x51);
    ensure_filled(cx, &file, 0, 1, 0x50)?;
    ensure_filled(cx, &file, 1, unit(cx) - 2, 1)?;
    let other = cx.p.open(&path, &OpenOptions::read())?;
    ensure_filled(cx, &other, unit(cx) as u64 - 1, 1, 0x51)
}

/// "A write that returned is seen by every later read": also by one through a mapping.
fn file_writes_reach_the_mapping<P: Map>(cx: &Context<'_, P>) -> Verdict {
    let (_, file) = striped(cx, "map-seen", 1)?;
    for access in [MapAccess::Read, MapAccess::ReadWrite] {
        let window = map(cx, &file, 0, unit(cx), access)?;
        for byte in [0x60, 0x61] {
            fill(cx, &file, 10, 3, byte)?;
            ensure_eq!([window.get(10), window.get(11), window.get(12)], [byte; 3]);
            ensure_eq!(window.get(13), 1);
        }
    }
    Ok(())
}

/// "and every other mapping of it".
fn two_mappings_agree<P: Map>(cx: &Context<'_, P>) -> Verdict {
    let (path, file) = striped(cx, "map-two", 1)?;
    let other = cx.p.open(&path, &OpenOptions::read())?;
    let left = map(cx, &file, 0, unit(cx), MapAccess::ReadWrite)?;
    let right = map(cx, &other, 0, unit(cx), MapAccess::Read)?;
    for byte in [0x70, 0x71] {
        left.set(5, byte);
        ensure_eq!(right.get(5), byte);
    }
    Ok(())
}

/// "from `offset`, a multiple of `MemoryInfo::granularity_bytes`".
fn mapping_at_an_offset<P: Map>(cx: &Context<'_, P>) -> Verdict {
    let (_, file) = striped(cx, "map-offset", 3)?;
    for index in 0..3u8 {
        let offset = u64::from(index) * unit(cx) as u64;
        let window = map(cx, &file, offset, unit(cx), MapAccess::Read)?;
        ensure_eq!(window.differs(index + 1), None);
    }
    Ok(())
}

/// "null for a mapping that may only be read".
fn read_mapping_has_no_write_pointer<P: Map>(cx: &Context<'_, P>) -> Verdict {
    let (_, file) = striped(cx, "map-null", 1)?;
    let window = map(cx, &file, 0, 1, MapAccess::Read)?;
    ensure!(window.0.as_mut_ptr().is_null());
    let window = map(cx, &file, 0, 1, MapAccess::ReadWrite)?;
    ensure!(window.0.as_mut_ptr().cast_const() == window.0.as_ptr());
    Ok(())
}

/// "The mapping lives on when the file is closed".
fn mapping_outlives_its_handle<P: Map>(cx: &Context<'_, P>) -> Verdict {
    let (path, file) = striped(cx, "map-close", 1)?;
    let window = map(cx, &file, 0, unit(cx), MapAccess::ReadWrite)?;
    cx.p.close(file)?;
    ensure_eq!(window.differs(1), None);
    window.set(0, 0x42);
    let file = cx.p.open(&path, &OpenOptions::read())?;
    ensure_filled(cx, &file, 0, 1, 0x42)
}

/// "or its name removed".
fn mapping_outlives_its_name<P: Map>(cx: &Context<'_, P>) -> Verdict {
    let (path, file) = striped(cx, "map-remove", 1)?;
    let window = map(cx, &file, 0, unit(cx), MapAccess::Read)?;
    drop(file);
    match cx.p.remove_file(&path) {
        Ok(()) => ensure_kind!(cx.p.metadata(&path), NotFound),
        // Windows keeps the name of a file that is mapped, and says so.
        Err(error) => ensure!(
            matches!(
                error.kind(),
                underpin_core::Kind::PermissionDenied | underpin_core::Kind::Busy
            ),
            "{error}"
        ),
    }
    ensure_eq!(window.differs(1), None);
    Ok(())
}

/// "`InvalidInput` for a range that is empty, misaligned or past the end".
fn bad_ranges_are_refused<P: Map>(cx: &Context<'_, P>) -> Verdict {
    let (_, file) = striped(cx, "map-range", 2)?;
    let bytes = unit(cx);
    let (one, end) = (bytes as u64, 2 * bytes as u64);
    let ranges = [
        (0, 0),
        (one, 0),
        (1, 1),
        (one / 2, 1),
        (0, 2 * bytes + 1),
        (one, bytes + 1),
        (end, 1),
        (1 << 40, bytes),
        (0, usize::MAX),
        (one, usize::MAX),
        (u64::MAX - one + 1, bytes),
        (u64::MAX, 1),
    ];
    for (offset, count) in ranges {
        for access in [MapAccess::Read, MapAccess::ReadWrite] {
            match map(cx, &file, offset, count, access) {
                Ok(_) => fail!("mapped {count} bytes at {offset}"),
                Err(error) => ensure!(
                    error.kind() == underpin_core::Kind::InvalidInput,
                    "{count} bytes at {offset}: {error}"
                ),
            }
        }
    }
    Ok(())
}

/// "`PermissionDenied` if the file was not opened for such an access".
fn access_must_be_that_of_the_file<P: Map>(cx: &Context<'_, P>) -> Verdict {
    let (path, _) = striped(cx, "map-access", 1)?;
    let file = cx.p.open(&path, &OpenOptions::read())?;
    ensure_kind!(map(cx, &file, 0, 1, MapAccess::ReadWrite), PermissionDenied);
    map(cx, &file, 0, 1, MapAccess::Read)?;
    Ok(())
}

/// "Writes `bytes` from `offset` within the mapping back to the file and waits for it."
fn flush_writes_back<P: Map>(cx: &Context<'_, P>) -> Verdict {
    let (_, file) = striped(cx, "map-flush", 2)?;
    let bytes = 2 * unit(cx);
    let window = map(cx, &file, 0, bytes, MapAccess::ReadWrite)?;
    // Offsets within the mapping need not be aligned to anything.
    for (offset, count) in [(0, bytes), (10, 1), (unit(cx), unit(cx)), (bytes - 1, 1)] {
        window.set(offset, 0x21);
        cx.p.flush_map(&window.0, offset, count)?;
        ensure_filled(cx, &file, offset as u64, 1, 0x21)?;
    }
    Ok(())
}

/// "`InvalidInput` for a range outside the mapping".
fn flush_outside_the_mapping_is_refused<P: Map>(cx: &Context<'_, P>) -> Verdict {
    let (_, file) = striped(cx, "map-flush-range", 1)?;
    let bytes = unit(cx);
    let window = map(cx, &file, 0, bytes, MapAccess::ReadWrite)?;
    for (offset, count) in [
        (0, bytes + 1),
        (bytes, 1),
        (1, bytes),
        (usize::MAX, 1),
        (1, usize::MAX),
    ] {
        ensure_kind!(cx.p.flush_map(&window.0, offset, count), InvalidInput);
    }
    Ok(())
}

/// "Dropping it unmaps; what was written stays in the file."
fn unmapped_bytes_stay_in_the_file<P: Map>(cx: &Context<'_, P>) -> Verdict {
    let (path, file) = striped(cx, "map-drop", 1)?;
    let window = map(cx, &file, 0, unit(cx), MapAccess::ReadWrite)?;
    for index in 0..unit(cx) {
        window.set(index, 0x33);
    }
    drop(window);
    drop(file);
    let file = cx.p.open(&path, &OpenOptions::read())?;
    ensure_filled(cx, &file, 0, unit(cx), 0x33)
}

/// Addresses come back when a mapping is dropped: more are mapped in turn than a process may have at once, which
/// is 65,530 on Linux.
fn mappings_are_given_back<P: Map>(cx: &Context<'_, P>) -> Verdict {
    let (_, file) = striped(cx, "map-turns", 1)?;
    for _ in 0..cx.effort.rounds.saturating_mul(35) {
        drop(map(cx, &file, 0, 1, MapAccess::Read)?);
    }
    Ok(())
}
