//! Opening and closing: every combination of access, creation, truncation and appending.
#![forbid(unsafe_code)]

use super::{ensure_contents, ensure_file, fresh, read_some, write_file};
use crate::case::{Context, Verdict};
use underpin_core::Kind;
use underpin_core::platform::{Access, Create, Files, OpenOptions};

cases!("file::open", Files:
    existing_must_exist,
    if_missing_makes_or_opens,
    new_must_not_exist,
    truncate_cuts_an_existing_file,
    every_combination_does_what_it_says,
    contradicting_options_are_refused,
    parent_must_exist,
    file_is_no_directory,
    directory_cannot_be_opened_for_writing,
    reading_only_refuses_writes,
    writing_only_refuses_reads,
    close_reports_success,
    dropped_handle_leaves_the_file_whole,
    many_handles_at_once,
    handles_are_given_back,
);

const ACCESSES: [Access; 3] = [Access::Read, Access::Write, Access::ReadWrite];
const CREATES: [Create; 3] = [Create::Existing, Create::IfMissing, Create::New];

fn options(access: Access, create: Create, truncate: bool, append: bool) -> OpenOptions {
    let mut options = OpenOptions::read().with_create(create);
    options.access = access;
    options.truncate = truncate;
    options.append = append;
    options
}

/// "It must exist: else `NotFound`."
fn existing_must_exist<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("open-existing");
    for access in ACCESSES {
        let answer =
            cx.p.open(&path, &options(access, Create::Existing, false, false));
        ensure_kind!(answer, NotFound);
    }
    ensure_kind!(cx.p.metadata(&path), NotFound);
    Ok(())
}

/// "Made if it does not exist."
fn if_missing_makes_or_opens<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("open-if-missing");
    let options = OpenOptions::read_write().with_create(Create::IfMissing);
    let file = cx.p.open(&path, &options)?;
    ensure_contents(cx, &file, b"")?;
    cx.p.write_all_at(&file, b"kept", 0)?;
    cx.p.close(file)?;
    let file = cx.p.open(&path, &options)?;
    ensure_contents(cx, &file, b"kept")?;
    Ok(())
}

/// "It must not exist: else `AlreadyExists`."
fn new_must_not_exist<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("open-new");
    write_file(cx, &path, b"first")?;
    ensure_kind!(cx.p.open(&path, &fresh()), AlreadyExists);
    ensure_kind!(cx.p.open(&path, &fresh().with_truncate()), AlreadyExists);
    ensure_file(cx, &path, b"first")
}

/// "Cut an existing file to length 0."
fn truncate_cuts_an_existing_file<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("open-truncate");
    write_file(cx, &path, b"contents")?;
    drop(cx.p.open(&path, &OpenOptions::read_write().with_truncate())?);
    ensure_file(cx, &path, b"")
}

/// Every combination that is valid, on a file that is there and on one that is not.
fn every_combination_does_what_it_says<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("open-combination");
    for index in 0..ACCESSES.len() * CREATES.len() * 4 * 2 {
        let (access, rest) = (ACCESSES[index % 3], index / 3);
        let (create, rest) = (CREATES[rest % 3], rest / 3);
        let (truncate, append, exists) = (rest & 1 != 0, rest & 2 != 0, rest & 4 != 0);
        let options = options(access, create, truncate, append);
        if !options.is_valid() {
            continue;
        }
        if exists {
            write_file(cx, &path, b"old")?;
        }
        let file = match (cx.p.open(&path, &options), exists, create) {
            (Err(error), false, Create::Existing) => {
                ensure!(error.kind() == Kind::NotFound, "{options:?}: {error}");
                continue;
            }
            (Err(error), true, Create::New) => {
                ensure!(error.kind() == Kind::AlreadyExists, "{options:?}: {error}");
                cx.p.remove_file(&path)?;
                continue;
            }
            (Err(error), ..) => fail!("{options:?}, exists {exists}: {error}"),
            (Ok(_), false, Create::Existing) | (Ok(_), true, Create::New) => {
                fail!("opened, exists {exists}: {options:?}")
            }
            (Ok(file), ..) => file,
        };
        let old: &[u8] = if exists && !truncate { b"old" } else { b"" };
        ensure!(
            cx.p.file_metadata(&file)?.bytes == old.len() as u64,
            "{options:?}, exists {exists}: wrong length"
        );
        if append {
            ensure!(cx.p.append(&file, b"+")? == 1);
        } else if access != Access::Read {
            cx.p.write_all_at(&file, b"+", old.len() as u64)?;
        }
        drop(file);
        let expected: &[u8] = match (old.is_empty(), access) {
            (true, Access::Read) => b"",
            (false, Access::Read) => b"old",
            (true, _) => b"+",
            (false, _) => b"old+",
        };
        ensure_file(cx, &path, expected)?;
        cx.p.remove_file(&path)?;
    }
    Ok(())
}

/// "`InvalidInput` for options that contradict each other", and no file is made or cut by them.
fn contradicting_options_are_refused<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (there, missing) = (cx.path("open-invalid"), cx.path("open-invalid-missing"));
    write_file(cx, &there, b"old")?;
    for create in CREATES {
        for (truncate, append) in [(false, false), (true, false), (false, true), (true, true)] {
            let options = options(Access::Read, create, truncate, append);
            if !options.is_valid() {
                ensure_kind!(cx.p.open(&there, &options), InvalidInput);
                ensure_kind!(cx.p.open(&missing, &options), InvalidInput);
            }
        }
    }
    ensure_kind!(cx.p.metadata(&missing), NotFound);
    ensure_file(cx, &there, b"old")
}

/// "`NotFound`" also where it is the directory that is missing.
fn parent_must_exist<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("open-no-directory").join(b"file");
    ensure_kind!(cx.p.open(&path, &fresh()), NotFound);
    ensure_kind!(cx.p.open(&path, &OpenOptions::read()), NotFound);
    Ok(())
}

/// A path that goes through a file names nothing.
fn file_is_no_directory<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("open-through-file");
    write_file(cx, &path, b"")?;
    let below = path.join(b"below");
    ensure_kind!(
        cx.p.open(&below, &OpenOptions::read()),
        NotADirectory | NotFound
    );
    ensure_kind!(cx.p.open(&below, &fresh()), NotADirectory | NotFound);
    Ok(())
}

/// "`IsADirectory` or `PermissionDenied` for a directory opened for writing".
fn directory_cannot_be_opened_for_writing<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("open-directory");
    cx.p.create_directory(&path)?;
    for access in [Access::Write, Access::ReadWrite] {
        let answer =
            cx.p.open(&path, &options(access, Create::Existing, false, false));
        ensure_kind!(answer, IsADirectory | PermissionDenied);
    }
    Ok(())
}

/// "`PermissionDenied` or `InvalidInput` for one not open for writing".
fn reading_only_refuses_writes<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("open-read-only");
    write_file(cx, &path, b"old")?;
    let file = cx.p.open(&path, &OpenOptions::read())?;
    ensure_kind!(
        cx.p.write_at(&file, b"new", 0),
        PermissionDenied | InvalidInput
    );
    ensure_kind!(
        cx.p.write_vectored_at(&file, &[b"n", b"ew"], 0),
        PermissionDenied | InvalidInput
    );
    ensure_kind!(cx.p.append(&file, b"new"), PermissionDenied | InvalidInput);
    ensure_kind!(cx.p.set_length(&file, 0), PermissionDenied | InvalidInput);
    ensure_contents(cx, &file, b"old")
}

/// "`InvalidInput` or `PermissionDenied` for a file that is not open for reading".
fn writing_only_refuses_reads<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("open-write-only");
    let file =
        cx.p.open(&path, &options(Access::Write, Create::New, false, false))?;
    cx.p.write_all_at(&file, b"new", 0)?;
    let mut buffer = [0; 4];
    ensure_kind!(
        read_some(cx, &file, &mut buffer, 0),
        InvalidInput | PermissionDenied
    );
    drop(file);
    ensure_file(cx, &path, b"new")
}

/// "Closes `file` and reports what the system has to say."
fn close_reports_success<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("open-close");
    let file = cx.p.open(&path, &fresh())?;
    cx.p.write_all_at(&file, b"bytes", 0)?;
    cx.p.close(file)?;
    ensure_file(cx, &path, b"bytes")
}

/// "Dropping it closes it": what was written is there all the same.
fn dropped_handle_leaves_the_file_whole<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("open-drop");
    let file = cx.p.open(&path, &fresh())?;
    cx.p.write_all_at(&file, b"bytes", 0)?;
    drop(file);
    ensure_file(cx, &path, b"bytes")
}

/// Handles of one file are apart from each other and see the same bytes.
fn many_handles_at_once<P: Files>(cx: &Context<'_, P>) -> Verdict {
    const HANDLES: usize = 32;
    let path = cx.path("open-many");
    write_file(cx, &path, &[0; HANDLES])?;
    let mut files: [Option<P::File>; HANDLES] = [const { None }; HANDLES];
    for file in &mut files {
        *file = Some(cx.p.open(&path, &OpenOptions::read_write())?);
    }
    for (offset, file) in files.iter().flatten().enumerate() {
        cx.p.write_all_at(file, b"x", offset as u64)?;
    }
    for file in files.iter().flatten() {
        ensure_contents(cx, file, &[b'x'; HANDLES])?;
    }
    Ok(())
}

/// "The handle is gone either way": more files come and go than a process may hold.
fn handles_are_given_back<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("open-come-and-go");
    write_file(cx, &path, b"x")?;
    for turn in 0..cx.effort.rounds.saturating_mul(2) {
        let file = cx.p.open(&path, &OpenOptions::read())?;
        if turn % 2 == 0 {
            cx.p.close(file)?;
        }
    }
    Ok(())
}
