//! Appending: at the end, wherever that is at that moment.
#![forbid(unsafe_code)]

use super::{ensure_contents, ensure_file, fresh, read_some, write_file};
use crate::case::{Context, Verdict};
use underpin_core::Result;
use underpin_core::platform::{Access, Create, Files, OpenOptions};

cases!("file::append", Files:
    append_goes_to_the_end,
    appends_of_two_handles_interleave,
    append_follows_a_changed_length,
    append_of_nothing_does_nothing,
    append_handle_refuses_offsets,
    plain_handle_refuses_append,
    append_handle_can_read_if_asked_to,
);

/// For appending and nothing else.
pub(super) fn appending(create: Create) -> OpenOptions {
    let mut options = OpenOptions::read_write().with_create(create).with_append();
    options.access = Access::Write;
    options
}

/// Appends all of `bytes`; a short append goes on where it ended.
pub(super) fn append_all<P: Files>(
    cx: &Context<'_, P>,
    file: &P::File,
    mut bytes: &[u8],
) -> Result<()> {
    while !bytes.is_empty() {
        let count = cx.p.append(file, bytes)?.max(1);
        bytes = &bytes[count.min(bytes.len())..];
    }
    Ok(())
}

/// "Writes at the end".
fn append_goes_to_the_end<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("append-end");
    write_file(cx, &path, b"old")?;
    let file = cx.p.open(&path, &appending(Create::Existing))?;
    append_all(cx, &file, b"+one")?;
    append_all(cx, &file, b"+two")?;
    ensure_file(cx, &path, b"old+one+two")
}

/// "Appends of several handles ... do not overlap."
fn appends_of_two_handles_interleave<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("append-interleave");
    let left = cx.p.open(&path, &appending(Create::New))?;
    let right = cx.p.open(&path, &appending(Create::Existing))?;
    for _ in 0..50 {
        append_all(cx, &left, b"<<")?;
        append_all(cx, &right, b">")?;
    }
    let expected: [u8; 150] =
        core::array::from_fn(|offset| if offset % 3 == 2 { b'>' } else { b'<' });
    ensure_file(cx, &path, &expected)
}

/// "wherever that is at that moment": after a write of another handle, and after a cut.
fn append_follows_a_changed_length<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("append-follow");
    let other = cx.p.open(&path, &fresh())?;
    let file = cx.p.open(&path, &appending(Create::Existing))?;
    append_all(cx, &file, b"abc")?;
    cx.p.write_all_at(&other, b"defgh", 3)?;
    append_all(cx, &file, b"ij")?;
    ensure_contents(cx, &other, b"abcdefghij")?;
    cx.p.set_length(&other, 2)?;
    append_all(cx, &file, b"z")?;
    ensure_contents(cx, &other, b"abz")
}

/// At least 1 "unless `bytes` is empty".
fn append_of_nothing_does_nothing<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("append-nothing");
    let file = cx.p.open(&path, &appending(Create::New))?;
    ensure_eq!(cx.p.append(&file, b"")?, 0);
    append_all(cx, &file, b"x")?;
    ensure_eq!(cx.p.append(&file, b"")?, 0);
    ensure_file(cx, &path, b"x")
}

/// "`InvalidInput` for a file opened for appending (on Linux such a write would ignore the offset)".
fn append_handle_refuses_offsets<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("append-refuses-offsets");
    write_file(cx, &path, b"old")?;
    for access in [Access::Write, Access::ReadWrite] {
        let mut options = appending(Create::Existing);
        options.access = access;
        let file = cx.p.open(&path, &options)?;
        for offset in [0, 3] {
            ensure_kind!(cx.p.write_at(&file, b"new", offset), InvalidInput);
            ensure_kind!(
                cx.p.write_vectored_at(&file, &[b"", b"new"], offset),
                InvalidInput
            );
        }
    }
    ensure_file(cx, &path, b"old")
}

/// "`InvalidInput` for a file not opened for appending."
fn plain_handle_refuses_append<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("append-plain"), &fresh())?;
    ensure_kind!(cx.p.append(&file, b"new"), InvalidInput);
    ensure_contents(cx, &file, b"")
}

/// Appending "excludes nothing": the same handle may read.
fn append_handle_can_read_if_asked_to<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let options = fresh().with_append();
    let file = cx.p.open(&cx.path("append-read"), &options)?;
    append_all(cx, &file, b"abc")?;
    let mut buffer = [0; 3];
    ensure!(read_some(cx, &file, &mut buffer[..1], 1)? == 1 && buffer[0] == b'b');
    append_all(cx, &file, b"def")?;
    ensure_contents(cx, &file, b"abcdef")
}
