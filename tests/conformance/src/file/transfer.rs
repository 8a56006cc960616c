//! Reading and writing at offsets: what may be short, where the end is, what a gap holds.
#![forbid(unsafe_code)]

use super::{ensure_contents, ensure_filled, fresh, read_some, write_file};
use crate::case::{Context, Verdict};
use core::mem::MaybeUninit;
use underpin_core::platform::{Files, OpenOptions};

cases!("file::transfer", Files:
    written_bytes_are_read_back,
    read_gives_at_least_one_byte_before_the_end,
    read_at_or_past_the_end_gives_nothing,
    empty_buffers_move_nothing,
    read_moves_no_cursor,
    write_in_the_middle_keeps_the_rest,
    write_past_the_end_leaves_a_gap_of_zeros,
    write_far_past_the_end_is_sparse_or_refused,
    write_is_seen_through_other_handles,
    read_exact_says_where_the_file_ends,
    vectored_write_is_in_order,
    vectored_read_is_in_order,
    vectored_calls_pass_over_empty_slices,
    vectored_calls_take_many_slices,
    vectored_read_at_the_end_is_short,
);

/// A pattern that tells each offset from its neighbours.
fn pattern(offset: usize) -> u8 {
    (offset % 251) as u8
}

/// "A write that returned is seen by every later read".
fn written_bytes_are_read_back<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("transfer-back"), &fresh())?;
    for bytes in [1, 2, 511, 512, 513, 4_095, 4_096, 5_000] {
        let mut written = [0; 5_000];
        for (offset, byte) in written[..bytes].iter_mut().enumerate() {
            *byte = pattern(offset + bytes);
        }
        cx.p.write_all_at(&file, &written[..bytes], 0)?;
        let mut read = [0; 5_000];
        cx.p.read_exact_at(&file, &mut read[..bytes], 0)?;
        ensure!(written == read, "{bytes} bytes come back changed");
    }
    Ok(())
}

/// "at least 1 unless the buffer is empty or `offset` is at or past the end. May be short".
fn read_gives_at_least_one_byte_before_the_end<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("transfer-short");
    write_file(cx, &path, b"0123456789")?;
    let file = cx.p.open(&path, &OpenOptions::read())?;
    for offset in 0..10 {
        let mut buffer = [0xff; 64];
        let count = read_some(cx, &file, &mut buffer, offset as u64)?;
        ensure!(
            (1..=10 - offset).contains(&count),
            "{count} bytes at {offset}"
        );
        ensure!(buffer[..count] == b"0123456789"[offset..offset + count]);
        ensure!(
            buffer[count..].iter().all(|byte| *byte == 0xff),
            "bytes past the count changed"
        );
    }
    Ok(())
}

/// A read at the end, past it, and as far as offsets go.
fn read_at_or_past_the_end_gives_nothing<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("transfer-end");
    write_file(cx, &path, b"0123456789")?;
    let file = cx.p.open(&path, &OpenOptions::read())?;
    for offset in [10, 11, 4_096, 1 << 40, i64::MAX as u64 - 64] {
        let mut buffer = [0; 16];
        ensure_eq!(read_some(cx, &file, &mut buffer, offset)?, 0);
    }
    // Past what systems can say, an error is as good: but no panic, and no bytes.
    for offset in [i64::MAX as u64, 1 << 63, u64::MAX] {
        let mut buffer = [0; 16];
        if let Ok(count) = read_some(cx, &file, &mut buffer, offset) {
            ensure!(count == 0, "{count} bytes at {offset}");
        }
    }
    Ok(())
}

/// "unless the buffer is empty"; "unless `bytes` is empty".
fn empty_buffers_move_nothing<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("transfer-empty"), &fresh())?;
    cx.p.write_all_at(&file, b"abc", 0)?;
    ensure_eq!(cx.p.read_at(&file, &mut [], 0)?, 0);
    ensure_eq!(cx.p.write_at(&file, b"", 0)?, 0);
    ensure_eq!(cx.p.write_at(&file, b"", 100)?, 0);
    ensure_eq!(cx.p.read_vectored_at(&file, &mut [], 0)?, 0);
    ensure_eq!(cx.p.write_vectored_at(&file, &[], 0)?, 0);
    ensure_eq!(cx.p.write_vectored_at(&file, &[b"", b""], 100)?, 0);
    ensure_contents(cx, &file, b"abc")
}

/// "Moves no cursor".
fn read_moves_no_cursor<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("transfer-cursor");
    write_file(cx, &path, b"0123456789")?;
    let file = cx.p.open(&path, &OpenOptions::read())?;
    for offset in [5, 0, 9, 0, 5] {
        let mut byte = [0];
        cx.p.read_exact_at(&file, &mut byte, offset)?;
        ensure_eq!(u64::from(byte[0] - b'0'), offset);
    }
    Ok(())
}

/// "Writes at `offset`", and nowhere else.
fn write_in_the_middle_keeps_the_rest<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("transfer-middle"), &fresh())?;
    cx.p.write_all_at(&file, b"0123456789", 0)?;
    cx.p.write_all_at(&file, b"abc", 4)?;
    ensure_contents(cx, &file, b"0123abc789")?;
    cx.p.write_all_at(&file, b"xyz", 8)?;
    ensure_contents(cx, &file, b"0123abc7xyz")
}

/// "Writing past the end extends the file; a gap reads as zeros."
fn write_past_the_end_leaves_a_gap_of_zeros<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("transfer-gap"), &fresh())?;
    cx.p.write_all_at(&file, b"ab", 0)?;
    cx.p.write_all_at(&file, b"yz", 20_000)?;
    ensure_eq!(cx.p.file_metadata(&file)?.bytes, 20_002);
    ensure_filled(cx, &file, 2, 19_998, 0)?;
    let mut end = [0; 2];
    cx.p.read_exact_at(&file, &mut end, 20_000)?;
    ensure!(&end == b"yz");
    Ok(())
}

/// "`NoSpace`, `Io`, `FileTooLarge`" or a sparse file: an offset beyond what a file can be is an error.
fn write_far_past_the_end_is_sparse_or_refused<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("transfer-far"), &fresh())?;
    for offset in [u64::MAX, 1 << 63, i64::MAX as u64] {
        ensure_kind!(
            cx.p.write_at(&file, b"xx", offset),
            FileTooLarge | InvalidInput | NoSpace
        );
    }
    ensure_eq!(cx.p.file_metadata(&file)?.bytes, 0);
    Ok(())
}

/// "A write that returned is seen by every later read of any process": here, through any handle.
fn write_is_seen_through_other_handles<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("transfer-seen");
    let writer = cx.p.open(&path, &fresh())?;
    let reader = cx.p.open(&path, &OpenOptions::read())?;
    for turn in 0..100u8 {
        cx.p.write_all_at(&writer, &[turn], u64::from(turn))?;
        let mut byte = [0xff];
        cx.p.read_exact_at(&reader, &mut byte, u64::from(turn))?;
        ensure_eq!(byte[0], turn);
        ensure_eq!(cx.p.file_metadata(&reader)?.bytes, u64::from(turn) + 1);
        ensure_eq!(cx.p.metadata(&path)?.bytes, u64::from(turn) + 1);
    }
    Ok(())
}

/// "`UnexpectedEnd` if the file ends before".
fn read_exact_says_where_the_file_ends<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("transfer-exact");
    write_file(cx, &path, b"0123456789")?;
    let file = cx.p.open(&path, &OpenOptions::read())?;
    let mut buffer = [0; 11];
    cx.p.read_exact_at(&file, &mut buffer[..10], 0)?;
    ensure!(&buffer[..10] == b"0123456789");
    ensure_kind!(cx.p.read_exact_at(&file, &mut buffer, 0), UnexpectedEnd);
    ensure_kind!(
        cx.p.read_exact_at(&file, &mut buffer[..1], 10),
        UnexpectedEnd
    );
    cx.p.read_exact_at(&file, &mut [], 10)?;
    Ok(())
}

/// Writes all slices, with as many calls as it takes.
fn write_all_vectored<P: Files>(
    cx: &Context<'_, P>,
    file: &P::File,
    slices: &[&[u8]],
    expected: &[u8],
) -> Verdict {
    let count = cx.p.write_vectored_at(file, slices, 0)?;
    ensure!(
        count >= 1 && count <= expected.len(),
        "{count} of {} bytes",
        expected.len()
    );
    // What a short write left out is for the caller to write; what it wrote is a beginning of the whole.
    cx.p.write_all_at(file, &expected[count..], count as u64)?;
    ensure_contents(cx, file, expected)
}

/// "from several slices in turn".
fn vectored_write_is_in_order<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("transfer-vectored-write"), &fresh())?;
    write_all_vectored(cx, &file, &[b"one ", b"two ", b"three"], b"one two three")
}

/// Reads into buffers of the given lengths and compares what came with `expected`.
fn read_all_vectored<P: Files, const N: usize>(
    cx: &Context<'_, P>,
    file: &P::File,
    lengths: [usize; N],
    expected: &[u8],
) -> Verdict {
    let mut storage = [MaybeUninit::new(0xee_u8); 4096];
    let count = {
        let mut rest = &mut storage[..];
        let mut buffers = lengths.map(|length| {
            let (buffer, tail) = core::mem::take(&mut rest).split_at_mut(length);
            rest = tail;
            buffer
        });
        cx.p.read_vectored_at(file, &mut buffers, 0)?
    };
    let room: usize = lengths.iter().sum();
    ensure!(
        count >= 1 && count <= room.min(expected.len()),
        "{count} bytes"
    );
    for (offset, (byte, wanted)) in storage.iter().zip(&expected[..count]).enumerate() {
        let mut found = [0];
        found[0] = super::initialised(byte);
        ensure!(
            found[0] == *wanted,
            "byte {offset} is {:#x}, expected {wanted:#x}",
            found[0]
        );
    }
    Ok(())
}

/// "into several buffers in turn"; "The first `n` bytes of the buffers, taken as one, are initialised."
fn vectored_read_is_in_order<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("transfer-vectored-read");
    write_file(cx, &path, b"one two three")?;
    let file = cx.p.open(&path, &OpenOptions::read())?;
    read_all_vectored(cx, &file, [4, 4, 5], b"one two three")?;
    read_all_vectored(cx, &file, [1, 1, 1, 1], b"one two three")
}

/// Empty slices among the others count for nothing and do not end the call.
fn vectored_calls_pass_over_empty_slices<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("transfer-vectored-empty"), &fresh())?;
    write_all_vectored(cx, &file, &[b"", b"ab", b"", b"", b"cd", b""], b"abcd")?;
    read_all_vectored(cx, &file, [0, 1, 0, 0, 3, 0], b"abcd")
}

/// More slices than any system takes at a time (1,024 on Unix).
fn vectored_calls_take_many_slices<P: Files>(cx: &Context<'_, P>) -> Verdict {
    const MANY: usize = 1_500;
    let file = cx.p.open(&cx.path("transfer-vectored-many"), &fresh())?;
    let bytes: [u8; MANY] = core::array::from_fn(pattern);
    let slices: [&[u8]; MANY] = core::array::from_fn(|index| &bytes[index..=index]);
    write_all_vectored(cx, &file, &slices, &bytes)?;
    read_all_vectored(cx, &file, [1; 1_100], &bytes)
}

/// A read that meets the end brings what is there.
fn vectored_read_at_the_end_is_short<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("transfer-vectored-end");
    write_file(cx, &path, b"abc")?;
    let file = cx.p.open(&path, &OpenOptions::read())?;
    read_all_vectored(cx, &file, [2, 2, 2], b"abc")?;
    let mut byte = [MaybeUninit::new(0)];
    ensure_eq!(cx.p.read_vectored_at(&file, &mut [&mut byte], 3)?, 0);
    Ok(())
}
