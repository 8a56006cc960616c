//! Lengths and space: cutting, extending, reserving and giving back, and what metadata says.
#![forbid(unsafe_code)]

use super::{ensure_contents, ensure_filled, fill, fresh, tried, write_file};
use crate::case::{Context, Verdict};
use underpin_core::platform::{FileKind, Files, OpenOptions};

cases!("file::length", Files:
    set_length_cuts,
    set_length_extends_with_zeros,
    cut_bytes_do_not_come_back,
    absurd_length_is_refused,
    preallocate_answers_as_the_caps_say,
    preallocate_grows_the_length_and_reads_zero,
    preallocate_keeps_what_is_there,
    punch_answers_as_the_caps_say,
    punched_range_reads_zero,
    punch_does_not_change_the_length,
    a_range_of_no_bytes_changes_nothing,
    metadata_tells_length_and_kind,
    metadata_ids_tell_files_apart,
    modification_time_moves_on,
);

/// "Makes the file `bytes` long: cut".
fn set_length_cuts<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("length-cut"), &fresh())?;
    cx.p.write_all_at(&file, b"0123456789", 0)?;
    for bytes in [10, 7, 1, 0] {
        cx.p.set_length(&file, bytes as u64)?;
        ensure_contents(cx, &file, &b"0123456789"[..bytes])?;
    }
    Ok(())
}

/// "or extended with zeros".
fn set_length_extends_with_zeros<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("length-extend"), &fresh())?;
    cx.p.write_all_at(&file, b"ab", 0)?;
    for bytes in [3, 4_096, 10_001] {
        cx.p.set_length(&file, bytes)?;
        ensure_eq!(cx.p.file_metadata(&file)?.bytes, bytes);
        ensure_filled(cx, &file, 2, usize::try_from(bytes - 2).unwrap_or(0), 0)?;
    }
    // Sparse: a length is no promise of space.
    cx.p.set_length(&file, 1 << 30)?;
    ensure_eq!(cx.p.file_metadata(&file)?.bytes, 1 << 30);
    ensure_filled(cx, &file, (1 << 30) - 100, 100, 0)
}

/// A cut and an extension bring zeros, not what was there before.
fn cut_bytes_do_not_come_back<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("length-come-back"), &fresh())?;
    fill(cx, &file, 0, 6_000, 0xaa)?;
    cx.p.set_length(&file, 10)?;
    cx.p.set_length(&file, 6_000)?;
    ensure_filled(cx, &file, 0, 10, 0xaa)?;
    ensure_filled(cx, &file, 10, 5_990, 0)?;
    cx.p.set_length(&file, 5)?;
    cx.p.write_all_at(&file, b"z", 100)?;
    ensure_filled(cx, &file, 5, 95, 0)
}

/// "`FileTooLarge`": no length wraps.
fn absurd_length_is_refused<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("length-absurd"), &fresh())?;
    for bytes in [u64::MAX, 1 << 63] {
        ensure_kind!(
            cx.p.set_length(&file, bytes),
            FileTooLarge | InvalidInput | NoSpace
        );
    }
    ensure_contents(cx, &file, b"")
}

/// `PREALLOCATE`: "`Files::preallocate` works", else `Unsupported`.
fn preallocate_answers_as_the_caps_say<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("preallocate-caps"), &fresh())?;
    let answer = cx.p.preallocate(&file, 0, 4_096);
    if cx.caps.contains(underpin_core::platform::Caps::PREALLOCATE) {
        tried(answer)?;
    } else {
        ensure_kind!(answer, Unsupported);
    }
    Ok(())
}

/// "The length grows to cover the range; new bytes read as zeros."
fn preallocate_grows_the_length_and_reads_zero<P: Files>(cx: &Context<'_, P>) -> Verdict {
    needs!(cx, PREALLOCATE);
    let file = cx.p.open(&cx.path("preallocate-grow"), &fresh())?;
    tried(cx.p.preallocate(&file, 0, 10_000))?;
    ensure_eq!(cx.p.file_metadata(&file)?.bytes, 10_000);
    ensure_filled(cx, &file, 0, 10_000, 0)?;
    tried(cx.p.preallocate(&file, 5_000, 10_000))?;
    ensure_eq!(cx.p.file_metadata(&file)?.bytes, 15_000);
    ensure_filled(cx, &file, 0, 15_000, 0)
}

/// Space for bytes that are there changes nothing, least of all the length.
fn preallocate_keeps_what_is_there<P: Files>(cx: &Context<'_, P>) -> Verdict {
    needs!(cx, PREALLOCATE);
    let file = cx.p.open(&cx.path("preallocate-keep"), &fresh())?;
    fill(cx, &file, 0, 5_000, 0x99)?;
    tried(cx.p.preallocate(&file, 1_000, 100))?;
    ensure_eq!(cx.p.file_metadata(&file)?.bytes, 5_000);
    tried(cx.p.preallocate(&file, 4_000, 2_000))?;
    ensure_eq!(cx.p.file_metadata(&file)?.bytes, 6_000);
    ensure_filled(cx, &file, 0, 5_000, 0x99)?;
    ensure_filled(cx, &file, 5_000, 1_000, 0)
}

/// `PUNCH`: "`Files::punch` works", else `Unsupported`.
fn punch_answers_as_the_caps_say<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("punch-caps"), &fresh())?;
    fill(cx, &file, 0, 16_384, 1)?;
    let answer = cx.p.punch(&file, 4_096, 4_096);
    if cx.caps.contains(underpin_core::platform::Caps::PUNCH) {
        tried(answer)?;
    } else {
        ensure_kind!(answer, Unsupported);
        ensure_filled(cx, &file, 0, 16_384, 1)?;
    }
    Ok(())
}

/// "which then read as zeros": these bytes and no other, aligned to a block or not.
fn punched_range_reads_zero<P: Files>(cx: &Context<'_, P>) -> Verdict {
    needs!(cx, PUNCH);
    let file = cx.p.open(&cx.path("punch-zero"), &fresh())?;
    for (offset, bytes) in [
        (4_096, 8_192),
        (100, 50),
        (5_000, 10_000),
        (0, 1),
        (19_999, 1),
    ] {
        fill(cx, &file, 0, 20_000, 0xbb)?;
        tried(cx.p.punch(&file, offset, bytes))?;
        let end = offset + bytes;
        let count = |bytes: u64| usize::try_from(bytes).unwrap_or(0);
        ensure_filled(cx, &file, 0, count(offset), 0xbb)?;
        ensure_filled(cx, &file, offset, count(bytes), 0)?;
        ensure_filled(cx, &file, end, count(20_000 - end), 0xbb)?;
    }
    Ok(())
}

/// "The length does not change", also where the range ends past it.
fn punch_does_not_change_the_length<P: Files>(cx: &Context<'_, P>) -> Verdict {
    needs!(cx, PUNCH);
    let file = cx.p.open(&cx.path("punch-length"), &fresh())?;
    fill(cx, &file, 0, 9_000, 0xbb)?;
    for (offset, bytes) in [(4_096, 4_096), (8_192, 100_000), (50_000, 4_096)] {
        tried(cx.p.punch(&file, offset, bytes))?;
        ensure_eq!(cx.p.file_metadata(&file)?.bytes, 9_000);
    }
    ensure_filled(cx, &file, 0, 4_096, 0xbb)?;
    ensure_filled(cx, &file, 4_096, 4_904, 0)
}

/// "For no bytes nothing happens", wherever the range is.
fn a_range_of_no_bytes_changes_nothing<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("no-bytes"), &fresh())?;
    fill(cx, &file, 0, 5_000, 0x77)?;
    for offset in [0, 100, 5_000, 9_000] {
        if cx.caps.contains(underpin_core::platform::Caps::PREALLOCATE) {
            tried(cx.p.preallocate(&file, offset, 0))?;
        }
        if cx.caps.contains(underpin_core::platform::Caps::PUNCH) {
            tried(cx.p.punch(&file, offset, 0))?;
        }
        ensure_eq!(cx.p.file_metadata(&file)?.bytes, 5_000);
    }
    ensure_filled(cx, &file, 0, 5_000, 0x77)
}

/// "The size and kind of an open file", and "of what `path` names".
fn metadata_tells_length_and_kind<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (path, directory) = (cx.path("metadata-file"), cx.path("metadata-directory"));
    ensure_kind!(cx.p.metadata(&path), NotFound);
    write_file(cx, &path, b"12345")?;
    cx.p.create_directory(&directory)?;
    let file = cx.p.open(&path, &OpenOptions::read())?;
    for metadata in [cx.p.metadata(&path)?, cx.p.file_metadata(&file)?] {
        ensure_eq!(metadata.bytes, 5);
        ensure_eq!(metadata.kind, FileKind::File);
        ensure_eq!(metadata.link_count, 1);
    }
    ensure_eq!(cx.p.metadata(&directory)?.kind, FileKind::Directory);
    Ok(())
}

/// "Number that tells this file from every other on the same device."
fn metadata_ids_tell_files_apart<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (left, right) = (cx.path("metadata-left"), cx.path("metadata-right"));
    write_file(cx, &left, b"")?;
    write_file(cx, &right, b"")?;
    let id = cx.p.metadata(&left)?.id;
    ensure!(
        id != cx.p.metadata(&right)?.id,
        "two files with the number {id}"
    );
    let file = cx.p.open(&left, &OpenOptions::read_write())?;
    cx.p.write_all_at(&file, b"longer", 0)?;
    ensure_eq!(cx.p.file_metadata(&file)?.id, id);
    ensure_eq!(cx.p.metadata(&left)?.id, id);
    Ok(())
}

/// "Last change of the contents, in nanoseconds since 1970; 0 where unknown."
fn modification_time_moves_on<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("metadata-time");
    write_file(cx, &path, b"1")?;
    let before = cx.p.metadata(&path)?.modified_ns;
    if before == 0 {
        skip!("this file system keeps no times");
    }
    let file = cx.p.open(&path, &OpenOptions::read_write())?;
    // File systems step in seconds at worst.
    let mut turn = 0u8;
    let moved = cx.poll(|| {
        turn = turn.wrapping_add(1);
        let written = cx.p.write_all_at(&file, &[turn], 0);
        written.is_ok()
            && cx
                .p
                .file_metadata(&file)
                .is_ok_and(|now| now.modified_ns > before)
    });
    ensure!(moved, "writes do not change it");
    Ok(())
}
