//! A platform that has no files says so.
#![forbid(unsafe_code)]

use crate::case::{Context, Verdict};
use core::ops::ControlFlow;
use underpin_core::platform::{Create, Files, OpenOptions};

cases!("file::absent", Files:
    opening_is_unsupported,
    calls_with_paths_are_unsupported,
);

/// "A cleared bit means that the call returns `Unsupported`".
fn opening_is_unsupported<P: Files>(cx: &Context<'_, P>) -> Verdict {
    ensure_kind!(cx.p.open(b"file", &OpenOptions::read()), Unsupported);
    let make = OpenOptions::read_write().with_create(Create::IfMissing);
    ensure_kind!(cx.p.open(b"file", &make), Unsupported);
    Ok(())
}

/// The same for everything that takes a path.
fn calls_with_paths_are_unsupported<P: Files>(cx: &Context<'_, P>) -> Verdict {
    ensure_kind!(cx.p.metadata(b"file"), Unsupported);
    ensure_kind!(cx.p.sync_directory(b"directory"), Unsupported);
    ensure_kind!(cx.p.rename(b"from", b"to"), Unsupported);
    ensure_kind!(cx.p.hard_link(b"from", b"to"), Unsupported);
    ensure_kind!(cx.p.remove_file(b"file"), Unsupported);
    ensure_kind!(cx.p.create_directory(b"directory"), Unsupported);
    ensure_kind!(cx.p.remove_directory(b"directory"), Unsupported);
    let mut seen = 0;
    let listed = cx.p.list(b"directory", &mut |_| {
        seen += 1;
        ControlFlow::Continue(())
    });
    ensure_kind!(listed, Unsupported);
    ensure_eq!(seen, 0);
    Ok(())
}
