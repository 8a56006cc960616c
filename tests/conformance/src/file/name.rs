//! Names: renaming, linking and removing, while the files they name are open or not.
#![forbid(unsafe_code)]

use super::{ensure_contents, ensure_file, fresh, tried, write_file};
use crate::case::{Context, Verdict};
use underpin_core::platform::{Caps, FileKind, Files, OpenOptions};

cases!("file::name", Files:
    rename_moves_the_name,
    rename_replaces_a_file,
    rename_replaces_an_open_file,
    rename_of_an_open_file_keeps_its_handle,
    rename_onto_itself_changes_nothing,
    rename_of_nothing_is_not_found,
    rename_into_a_missing_directory_is_not_found,
    rename_moves_between_directories,
    rename_moves_directories,
    rename_does_not_mix_files_and_directories,
    rename_onto_a_full_directory_is_refused,
    remove_file_removes_the_name,
    remove_file_leaves_open_handles_working,
    removed_name_is_free_again_at_once,
    remove_file_refuses_directories,
    remove_of_nothing_is_not_found,
    hard_link_answers_as_the_caps_say,
    hard_link_is_the_same_file,
    hard_link_does_not_replace,
);

/// "Gives `from` the name `to`".
fn rename_moves_the_name<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (from, to) = (cx.path("rename-from"), cx.path("rename-to"));
    write_file(cx, &from, b"contents")?;
    cx.p.rename(&from, &to)?;
    ensure_kind!(cx.p.metadata(&from), NotFound);
    ensure_file(cx, &to, b"contents")
}

/// "replacing a file of that name in one step".
fn rename_replaces_a_file<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (from, to) = (cx.path("rename-replace-from"), cx.path("rename-replace-to"));
    write_file(cx, &to, b"an old and longer file")?;
    write_file(cx, &from, b"new")?;
    cx.p.rename(&from, &to)?;
    ensure_kind!(cx.p.metadata(&from), NotFound);
    ensure_file(cx, &to, b"new")
}

/// The same over a file that somebody reads: the handle goes on with the old file.
fn rename_replaces_an_open_file<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (from, to) = (cx.path("rename-open-from"), cx.path("rename-open-to"));
    write_file(cx, &to, b"old")?;
    write_file(cx, &from, b"new one")?;
    let old = cx.p.open(&to, &OpenOptions::read_write())?;
    cx.p.rename(&from, &to)?;
    ensure_file(cx, &to, b"new one")?;
    ensure_contents(cx, &old, b"old")?;
    cx.p.write_all_at(&old, b"O", 0)?;
    ensure_contents(cx, &old, b"Old")?;
    ensure_file(cx, &to, b"new one")
}

/// A handle belongs to the file, not to its name.
fn rename_of_an_open_file_keeps_its_handle<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (from, to) = (cx.path("rename-handle-from"), cx.path("rename-handle-to"));
    let file = cx.p.open(&from, &fresh())?;
    cx.p.write_all_at(&file, b"before", 0)?;
    cx.p.rename(&from, &to)?;
    cx.p.write_all_at(&file, b" after", 6)?;
    ensure_contents(cx, &file, b"before after")?;
    ensure_file(cx, &to, b"before after")
}

/// Nothing is lost when both names are one.
fn rename_onto_itself_changes_nothing<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("rename-itself");
    write_file(cx, &path, b"contents")?;
    cx.p.rename(&path, &path)?;
    ensure_file(cx, &path, b"contents")
}

/// "`NotFound`", and what has the new name keeps it.
fn rename_of_nothing_is_not_found<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (from, to) = (cx.path("rename-nothing-from"), cx.path("rename-nothing-to"));
    ensure_kind!(cx.p.rename(&from, &to), NotFound);
    write_file(cx, &to, b"kept")?;
    ensure_kind!(cx.p.rename(&from, &to), NotFound);
    ensure_file(cx, &to, b"kept")
}

/// "`NotFound`" for the place where the name would go.
fn rename_into_a_missing_directory_is_not_found<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let from = cx.path("rename-missing-from");
    write_file(cx, &from, b"kept")?;
    let to = cx.path("rename-missing-directory").join(b"file");
    ensure_kind!(cx.p.rename(&from, &to), NotFound);
    ensure_file(cx, &from, b"kept")
}

/// A name may go to another directory.
fn rename_moves_between_directories<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (left, right) = (cx.path("rename-left"), cx.path("rename-right"));
    cx.p.create_directory(&left)?;
    cx.p.create_directory(&right)?;
    write_file(cx, &left.join(b"name"), b"moved")?;
    cx.p.rename(&left.join(b"name"), &right.join(b"other"))?;
    ensure_kind!(cx.p.metadata(&left.join(b"name")), NotFound);
    ensure_file(cx, &right.join(b"other"), b"moved")?;
    cx.p.remove_directory(&left)?;
    Ok(())
}

/// A directory takes what is in it along.
fn rename_moves_directories<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (from, to) = (
        cx.path("rename-directory-from"),
        cx.path("rename-directory-to"),
    );
    cx.p.create_directory(&from)?;
    write_file(cx, &from.join(b"file"), b"inside")?;
    cx.p.rename(&from, &to)?;
    ensure_kind!(cx.p.metadata(&from), NotFound);
    ensure_file(cx, &to.join(b"file"), b"inside")
}

/// "`IsADirectory`, `NotADirectory`".
fn rename_does_not_mix_files_and_directories<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (file, directory) = (cx.path("rename-mix-file"), cx.path("rename-mix-directory"));
    write_file(cx, &file, b"file")?;
    cx.p.create_directory(&directory)?;
    let onto_directory = cx.p.rename(&file, &directory);
    ensure_kind!(
        onto_directory,
        IsADirectory | PermissionDenied | AlreadyExists
    );
    let onto_file = cx.p.rename(&directory, &file);
    ensure_kind!(onto_file, NotADirectory | PermissionDenied | AlreadyExists);
    ensure_file(cx, &file, b"file")?;
    ensure_eq!(cx.p.metadata(&directory)?.kind, FileKind::Directory);
    Ok(())
}

/// "`DirectoryNotEmpty`".
fn rename_onto_a_full_directory_is_refused<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (from, to) = (cx.path("rename-full-from"), cx.path("rename-full-to"));
    cx.p.create_directory(&from)?;
    cx.p.create_directory(&to)?;
    write_file(cx, &to.join(b"file"), b"inside")?;
    let answer = cx.p.rename(&from, &to);
    ensure_kind!(answer, DirectoryNotEmpty | AlreadyExists | PermissionDenied);
    ensure_file(cx, &to.join(b"file"), b"inside")
}

/// "Removes the name of a file."
fn remove_file_removes_the_name<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("remove-name");
    write_file(cx, &path, b"")?;
    cx.p.remove_file(&path)?;
    ensure_kind!(cx.p.metadata(&path), NotFound);
    ensure_kind!(cx.p.open(&path, &OpenOptions::read()), NotFound);
    ensure_kind!(cx.p.remove_file(&path), NotFound);
    Ok(())
}

/// "Handles that are open go on working."
fn remove_file_leaves_open_handles_working<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("remove-open");
    let file = cx.p.open(&path, &fresh())?;
    cx.p.write_all_at(&file, b"before", 0)?;
    cx.p.remove_file(&path)?;
    ensure_kind!(cx.p.metadata(&path), NotFound);
    cx.p.write_all_at(&file, b" after", 6)?;
    ensure_contents(cx, &file, b"before after")?;
    cx.p.close(file)?;
    Ok(())
}

/// The name goes at once, also while a handle keeps the file.
fn removed_name_is_free_again_at_once<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("remove-again");
    let first = cx.p.open(&path, &fresh())?;
    cx.p.write_all_at(&first, b"first", 0)?;
    cx.p.remove_file(&path)?;
    let second = cx.p.open(&path, &fresh())?;
    cx.p.write_all_at(&second, b"second", 0)?;
    ensure_contents(cx, &first, b"first")?;
    ensure_file(cx, &path, b"second")
}

/// "`IsADirectory` (or `PermissionDenied`) for a directory".
fn remove_file_refuses_directories<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("remove-directory-as-file");
    cx.p.create_directory(&path)?;
    ensure_kind!(cx.p.remove_file(&path), IsADirectory | PermissionDenied);
    ensure_eq!(cx.p.metadata(&path)?.kind, FileKind::Directory);
    Ok(())
}

/// "`NotFound`".
fn remove_of_nothing_is_not_found<P: Files>(cx: &Context<'_, P>) -> Verdict {
    ensure_kind!(cx.p.remove_file(&cx.path("remove-nothing")), NotFound);
    let below = cx.path("remove-no-directory").join(b"file");
    ensure_kind!(cx.p.remove_file(&below), NotFound);
    Ok(())
}

/// `HARD_LINKS`: "`Files::hard_link` works", else `Unsupported`.
fn hard_link_answers_as_the_caps_say<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (existing, new) = (cx.path("link-caps"), cx.path("link-caps-new"));
    write_file(cx, &existing, b"")?;
    let answer = cx.p.hard_link(&existing, &new);
    if cx.caps.contains(Caps::HARD_LINKS) {
        tried(answer)?;
    } else {
        ensure_kind!(answer, Unsupported);
        ensure_kind!(cx.p.metadata(&new), NotFound);
    }
    Ok(())
}

/// "Gives the file `existing` the second name `new`."
fn hard_link_is_the_same_file<P: Files>(cx: &Context<'_, P>) -> Verdict {
    needs!(cx, HARD_LINKS);
    let (existing, new) = (cx.path("link-existing"), cx.path("link-new"));
    write_file(cx, &existing, b"shared")?;
    tried(cx.p.hard_link(&existing, &new))?;
    ensure_file(cx, &new, b"shared")?;
    ensure_eq!(cx.p.metadata(&new)?.id, cx.p.metadata(&existing)?.id);
    ensure_eq!(cx.p.metadata(&new)?.link_count, 2);
    let file = cx.p.open(&new, &OpenOptions::read_write())?;
    cx.p.write_all_at(&file, b"S", 0)?;
    ensure_file(cx, &existing, b"Shared")?;
    cx.p.remove_file(&existing)?;
    ensure_file(cx, &new, b"Shared")?;
    ensure_eq!(cx.p.metadata(&new)?.link_count, 1);
    Ok(())
}

/// "`AlreadyExists`, `NotFound`".
fn hard_link_does_not_replace<P: Files>(cx: &Context<'_, P>) -> Verdict {
    needs!(cx, HARD_LINKS);
    let (left, right) = (cx.path("link-left"), cx.path("link-right"));
    write_file(cx, &left, b"left")?;
    write_file(cx, &right, b"right")?;
    ensure_kind!(cx.p.hard_link(&left, &right), AlreadyExists | Unsupported);
    ensure_file(cx, &right, b"right")?;
    let (missing, new) = (cx.path("link-missing"), cx.path("link-to-missing"));
    ensure_kind!(cx.p.hard_link(&missing, &new), NotFound | Unsupported);
    Ok(())
}
