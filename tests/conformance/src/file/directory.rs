//! Directories: made, removed and listed.
#![forbid(unsafe_code)]

use super::write_file;
use crate::case::{Context, Stop, Verdict};
use core::ops::ControlFlow;
use underpin_core::platform::{FileKind, Files};

/// Entries of the large directory: more than fits into one call of any system.
const MANY: usize = 1_000;

cases!("file::directory", Files:
    directory_is_made_once,
    directory_needs_its_parent,
    directory_is_removed_when_empty,
    remove_directory_says_what_is_wrong,
    list_of_an_empty_directory_sees_nothing,
    list_tells_names_and_kinds,
    list_sees_every_entry_once,
    list_stops_when_told,
    list_says_what_is_wrong,
    list_bears_changes_meanwhile,
);

/// "Makes a directory"; "`AlreadyExists`".
fn directory_is_made_once<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("directory-once");
    cx.p.create_directory(&path)?;
    ensure_eq!(cx.p.metadata(&path)?.kind, FileKind::Directory);
    ensure_kind!(cx.p.create_directory(&path), AlreadyExists);
    let file = cx.path("directory-over-file");
    write_file(cx, &file, b"")?;
    ensure_kind!(cx.p.create_directory(&file), AlreadyExists);
    Ok(())
}

/// "its parent must exist".
fn directory_needs_its_parent<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("directory-parent");
    ensure_kind!(cx.p.create_directory(&path.join(b"child")), NotFound);
    cx.p.create_directory(&path)?;
    cx.p.create_directory(&path.join(b"child"))?;
    Ok(())
}

/// "Removes an empty directory."
fn directory_is_removed_when_empty<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("directory-remove");
    cx.p.create_directory(&path)?;
    write_file(cx, &path.join(b"file"), b"")?;
    ensure_kind!(
        cx.p.remove_directory(&path),
        DirectoryNotEmpty | AlreadyExists
    );
    cx.p.remove_file(&path.join(b"file"))?;
    cx.p.remove_directory(&path)?;
    ensure_kind!(cx.p.metadata(&path), NotFound);
    Ok(())
}

/// "`NotFound`, `DirectoryNotEmpty`, `NotADirectory`."
fn remove_directory_says_what_is_wrong<P: Files>(cx: &Context<'_, P>) -> Verdict {
    ensure_kind!(
        cx.p.remove_directory(&cx.path("directory-missing")),
        NotFound
    );
    let file = cx.path("directory-is-file");
    write_file(cx, &file, b"")?;
    ensure_kind!(cx.p.remove_directory(&file), NotADirectory);
    ensure_eq!(cx.p.metadata(&file)?.kind, FileKind::File);
    let full = cx.path("directory-full");
    cx.p.create_directory(&full)?;
    cx.p.create_directory(&full.join(b"child"))?;
    ensure_kind!(cx.p.remove_directory(&full), DirectoryNotEmpty);
    Ok(())
}

/// "`.` and `..` left out".
fn list_of_an_empty_directory_sees_nothing<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("list-empty");
    cx.p.create_directory(&path)?;
    let mut seen = 0;
    cx.p.list(&path, &mut |_| {
        seen += 1;
        ControlFlow::Continue(())
    })?;
    ensure_eq!(seen, 0);
    Ok(())
}

/// "The name alone, without the directory"; "The kind, without following links."
fn list_tells_names_and_kinds<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("list-kinds");
    cx.p.create_directory(&path)?;
    cx.p.create_directory(&path.join(b"directory"))?;
    write_file(cx, &path.join(b"file"), b"")?;
    // Names are bytes; these are text on every system.
    write_file(cx, &path.join("ünïcode-\u{1f600}".as_bytes()), b"")?;
    let (mut right, mut wrong) = (0, 0);
    cx.p.list(&path, &mut |entry| {
        let fine = match entry.name {
            b"directory" => matches!(entry.kind, FileKind::Directory | FileKind::Other),
            b"file" => matches!(entry.kind, FileKind::File | FileKind::Other),
            name => name == "ünïcode-\u{1f600}".as_bytes(),
        };
        if fine {
            right += 1
        } else {
            wrong += 1
        }
        ControlFlow::Continue(())
    })?;
    ensure_eq!((right, wrong), (3, 0));
    Ok(())
}

/// The number behind the name `entry-N`.
fn number(name: &[u8]) -> Option<usize> {
    core::str::from_utf8(name)
        .ok()?
        .strip_prefix("entry-")?
        .parse()
        .ok()
}

/// Makes a directory of [`MANY`] files.
fn make_many<P: Files>(cx: &Context<'_, P>, name: &str) -> Result<crate::case::Path, Stop> {
    let path = cx.path(name);
    cx.p.create_directory(&path)?;
    for index in 0..MANY {
        write_file(cx, &path.join_numbered("entry-", index), b"")?;
    }
    Ok(path)
}

/// "Calls `visit` for each entry"; "every other one is seen once".
fn list_sees_every_entry_once<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = make_many(cx, "list-many")?;
    let mut seen = [0u8; MANY];
    let mut strangers = 0;
    cx.p.list(&path, &mut |entry| {
        match number(entry.name).and_then(|index| seen.get_mut(index)) {
            Some(count) => *count = count.saturating_add(1),
            None => strangers += 1,
        }
        ControlFlow::Continue(())
    })?;
    ensure_eq!(strangers, 0);
    for (index, count) in seen.iter().enumerate() {
        ensure!(*count == 1, "entry {index} was seen {count} times");
    }
    Ok(())
}

/// "until it breaks".
fn list_stops_when_told<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("list-stop");
    cx.p.create_directory(&path)?;
    for index in 0..40 {
        write_file(cx, &path.join_numbered("entry-", index), b"")?;
    }
    for stop_after in [1, 2, 39] {
        let mut seen = 0;
        cx.p.list(&path, &mut |_| {
            seen += 1;
            if seen == stop_after {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        ensure_eq!(seen, stop_after);
    }
    Ok(())
}

/// "`NotFound`, `NotADirectory`".
fn list_says_what_is_wrong<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let mut nothing = |_: underpin_core::platform::DirectoryEntry<'_>| ControlFlow::Continue(());
    ensure_kind!(cx.p.list(&cx.path("list-missing"), &mut nothing), NotFound);
    let file = cx.path("list-file");
    write_file(cx, &file, b"")?;
    ensure_kind!(cx.p.list(&file, &mut nothing), NotADirectory);
    Ok(())
}

/// "Entries made or removed meanwhile may or may not be seen; every other one is seen once."
fn list_bears_changes_meanwhile<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = make_many(cx, "list-changes")?;
    let mut seen = [0u8; MANY];
    let (mut calls, mut failed) = (0, 0);
    cx.p.list(&path, &mut |entry| {
        if let Some(count) = number(entry.name).and_then(|index| seen.get_mut(index)) {
            *count = count.saturating_add(1);
        }
        // Odd entries come to go, one for each entry that is seen; others are made, up to a bound.
        if calls < MANY / 2 {
            let gone =
                cx.p.remove_file(&path.join_numbered("entry-", calls * 2 + 1));
            let made = write_file(cx, &path.join_numbered("more-", calls), b"");
            failed += u32::from(gone.is_err()) + u32::from(made.is_err());
        }
        calls += 1;
        ControlFlow::Continue(())
    })?;
    ensure_eq!(failed, 0);
    for (index, count) in seen.iter().enumerate() {
        let expected = if index % 2 == 0 { 1..=1 } else { 0..=1 };
        ensure!(
            expected.contains(count),
            "entry {index} was seen {count} times"
        );
    }
    Ok(())
}
