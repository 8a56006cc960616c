//! Durability, as far as it shows without a loss of power: the level that a sync says it reached.
#![forbid(unsafe_code)]

use super::{ensure_contents, ensure_file, fresh, tried, write_file};
use crate::case::{Context, Verdict};
use underpin_core::platform::{Caps, Create, Durability, Files, OpenOptions};

cases!("file::durable", Files:
    sync_reaches_the_level_or_a_stronger_one,
    sync_without_the_caps_is_honest,
    sync_keeps_the_contents,
    sync_works_on_an_append_handle,
    sync_directory_answers_as_the_caps_say,
    sync_directory_must_exist,
);

const LEVELS: [Durability; 3] = [Durability::Data, Durability::Barrier, Durability::Full];

/// "durable at `level` or a stronger one, and returns the level reached".
fn sync_reaches_the_level_or_a_stronger_one<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("sync-level"), &fresh())?;
    for (index, level) in LEVELS.into_iter().enumerate() {
        cx.p.write_all_at(&file, b"some bytes", index as u64 * 10)?;
        let reached = cx.p.sync(&file, level)?;
        // A platform that cannot reach the medium says how far it came.
        ensure!(
            reached >= level || (level == Durability::Full && !cx.caps.contains(Caps::SYNC_FULL)),
            "{reached:?} reached, {level:?} asked for"
        );
    }
    Ok(())
}

/// `SYNC_FULL`: "`Durability::Full` reaches the medium": without the bit no sync says so.
fn sync_without_the_caps_is_honest<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("sync-honest"), &fresh())?;
    cx.p.write_all_at(&file, b"some bytes", 0)?;
    for level in LEVELS {
        let reached = cx.p.sync(&file, level)?;
        ensure!(
            reached != Durability::Full || cx.caps.contains(Caps::SYNC_FULL),
            "{level:?} says that it is on the medium, Caps::SYNC_FULL is not set"
        );
        ensure!(
            reached != Durability::Barrier || cx.caps.contains(Caps::SYNC_BARRIER),
            "{level:?} says that it is a barrier, Caps::SYNC_BARRIER is not set"
        );
    }
    Ok(())
}

/// A sync changes nothing that a reader can see.
fn sync_keeps_the_contents<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("sync-contents");
    let file = cx.p.open(&path, &fresh())?;
    for level in LEVELS {
        cx.p.write_all_at(&file, b"contents", 0)?;
        cx.p.sync(&file, level)?;
        ensure_contents(cx, &file, b"contents")?;
    }
    // Through a handle that wrote nothing: "through any handle".
    let other = cx.p.open(&path, &OpenOptions::read_write())?;
    cx.p.write_all_at(&file, b"C", 0)?;
    cx.p.sync(&other, Durability::Data)?;
    ensure_contents(cx, &other, b"Contents")
}

/// A log is appended to and synced through one handle.
fn sync_works_on_an_append_handle<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("sync-append");
    let file = cx.p.open(&path, &super::append::appending(Create::New))?;
    for _ in 0..3 {
        super::append::append_all(cx, &file, b"record ")?;
        cx.p.sync(&file, Durability::Data)?;
    }
    ensure_file(cx, &path, b"record record record ")
}

/// `SYNC_DIRECTORY`: "makes directory entries durable"; "`Unsupported` where the system has no such call".
fn sync_directory_answers_as_the_caps_say<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let directory = cx.path("sync-directory");
    cx.p.create_directory(&directory)?;
    write_file(cx, &directory.join(b"name"), b"")?;
    let answer = cx.p.sync_directory(&directory);
    if cx.caps.contains(Caps::SYNC_DIRECTORY) {
        tried(answer)?;
        tried(cx.p.sync_directory(&cx.path(".")))?;
    } else {
        ensure_kind!(answer, Unsupported);
    }
    Ok(())
}

/// "`NotFound`".
fn sync_directory_must_exist<P: Files>(cx: &Context<'_, P>) -> Verdict {
    needs!(cx, SYNC_DIRECTORY);
    ensure_kind!(cx.p.sync_directory(&cx.path("sync-missing")), NotFound);
    Ok(())
}
