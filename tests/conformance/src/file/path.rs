//! Paths: what is none, what separates, and how long they may be.
#![forbid(unsafe_code)]

use super::{ensure_file, fresh, write_file};
use crate::case::{Context, Verdict};
use core::ops::ControlFlow;
use underpin_core::Result;
use underpin_core::limits::PATH_BYTES_MAX;
use underpin_core::platform::{Caps, Files, OpenOptions};

cases!("file::path", Files:
    empty_path_is_refused,
    nul_in_a_path_is_refused,
    too_long_path_is_refused,
    slash_separates,
    long_name_is_taken,
);

/// Every call that takes a path, with one that is no path. The other path of a pair is `fine`.
fn ensure_refused<P: Files>(cx: &Context<'_, P>, fine: &[u8], path: &[u8]) -> Verdict {
    let list = |path: &[u8]| -> Result<()> { cx.p.list(path, &mut |_| ControlFlow::Break(())) };
    ensure_kind!(cx.p.open(path, &OpenOptions::read()), InvalidInput);
    ensure_kind!(cx.p.open(path, &fresh()), InvalidInput);
    ensure_kind!(cx.p.metadata(path), InvalidInput);
    ensure_kind!(cx.p.rename(path, fine), InvalidInput);
    ensure_kind!(cx.p.rename(fine, path), InvalidInput);
    ensure_kind!(cx.p.remove_file(path), InvalidInput);
    ensure_kind!(cx.p.create_directory(path), InvalidInput);
    ensure_kind!(cx.p.remove_directory(path), InvalidInput);
    ensure_kind!(list(path), InvalidInput);
    if cx.caps.contains(Caps::HARD_LINKS) {
        ensure_kind!(cx.p.hard_link(path, fine), InvalidInput);
        ensure_kind!(cx.p.hard_link(fine, path), InvalidInput);
    }
    if cx.caps.contains(Caps::SYNC_DIRECTORY) {
        ensure_kind!(cx.p.sync_directory(path), InvalidInput);
    }
    Ok(())
}

/// "A path that is empty ... is `InvalidInput`."
fn empty_path_is_refused<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let fine = cx.path("path-empty");
    write_file(cx, &fine, b"kept")?;
    ensure_refused(cx, &fine, b"")?;
    ensure_file(cx, &fine, b"kept")
}

/// "holds a NUL": the name before it is not taken for the whole.
fn nul_in_a_path_is_refused<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let fine = cx.path("path-nul");
    write_file(cx, &fine, b"kept")?;
    ensure_refused(cx, &fine, b"\0")?;
    let directory = cx.path("path-nul-directory");
    cx.p.create_directory(&directory)?;
    ensure_refused(cx, &fine, &cx.path("path-nul\0"))?;
    ensure_refused(cx, &fine, &cx.path("path-nul-directory\0/x"))?;
    ensure_file(cx, &fine, b"kept")
}

/// "or is longer than `limits::PATH_BYTES_MAX`".
fn too_long_path_is_refused<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let fine = cx.path("path-long");
    write_file(cx, &fine, b"kept")?;
    let mut long = [b'x'; PATH_BYTES_MAX + 1];
    // Short names, so that it is the path that is too long.
    for slash in long.iter_mut().skip(1).step_by(2) {
        *slash = b'/';
    }
    ensure_refused(cx, &fine, &long)?;
    ensure_file(cx, &fine, b"kept")
}

/// "`/` separates on all."
fn slash_separates<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let directory = cx.path("path-slash");
    cx.p.create_directory(&directory)?;
    write_file(cx, &directory.join(b"file"), b"found")?;
    let mut names = 0;
    cx.p.list(&directory, &mut |entry| {
        names += u32::from(entry.name == b"file");
        ControlFlow::Continue(())
    })?;
    ensure_eq!(names, 1);
    ensure_file(cx, &directory.join(b".").join(b"file"), b"found")?;
    ensure_file(
        cx,
        &directory.join(b"..").join(b"path-slash").join(b"file"),
        b"found",
    )
}

/// A name of 200 bytes is within what every file system takes.
fn long_name_is_taken<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let directory = cx.path("path-name");
    cx.p.create_directory(&directory)?;
    let path = directory.join(&[b'n'; 200]);
    write_file(cx, &path, b"here")?;
    let mut bytes = 0;
    cx.p.list(&directory, &mut |entry| {
        bytes = entry.name.len();
        ControlFlow::Continue(())
    })?;
    ensure_eq!(bytes, 200);
    ensure_file(cx, &path, b"here")
}
