//! Advisory locks: who excludes whom, and when a lock ends.
#![forbid(unsafe_code)]

use super::{fresh, tried};
use crate::case::{Context, Stop, Verdict};
use underpin_core::platform::{Caps, Files, LockKind, OpenOptions};

cases!("file::lock", Files:
    lock_answers_as_the_caps_say,
    exclusive_excludes_everybody,
    shared_excludes_exclusive_only,
    unlock_gives_it_back,
    unlock_without_a_lock_does_nothing,
    dropped_handle_gives_it_back,
    closed_handle_gives_it_back,
    another_handles_end_leaves_it,
);

/// Two handles of one new file, if the file system has locks.
fn handles<P: Files>(cx: &Context<'_, P>, name: &str) -> Result<(P::File, P::File), Stop> {
    needs!(cx, LOCKS);
    let path = cx.path(name);
    let left = cx.p.open(&path, &fresh())?;
    let right = cx.p.open(&path, &OpenOptions::read_write())?;
    tried(cx.p.lock(&left, LockKind::Shared))?;
    cx.p.unlock(&left)?;
    Ok((left, right))
}

/// `LOCKS`: "`Files::lock` works", else `Unsupported`.
fn lock_answers_as_the_caps_say<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let file = cx.p.open(&cx.path("lock-caps"), &fresh())?;
    let answer = cx.p.lock(&file, LockKind::Exclusive);
    if cx.caps.contains(Caps::LOCKS) {
        tried(answer)?;
    } else {
        ensure_kind!(answer, Unsupported);
        ensure_kind!(cx.p.unlock(&file), Unsupported);
    }
    Ok(())
}

/// "Excludes every other holder", "also against other handles of the same process".
fn exclusive_excludes_everybody<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (left, right) = handles(cx, "lock-exclusive")?;
    cx.p.lock(&left, LockKind::Exclusive)?;
    for kind in [LockKind::Exclusive, LockKind::Shared] {
        ensure_kind!(cx.p.lock(&right, kind), Busy);
    }
    Ok(())
}

/// "Excludes exclusive holders."
fn shared_excludes_exclusive_only<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (left, right) = handles(cx, "lock-shared")?;
    cx.p.lock(&left, LockKind::Shared)?;
    ensure_kind!(cx.p.lock(&right, LockKind::Exclusive), Busy);
    cx.p.lock(&right, LockKind::Shared)?;
    cx.p.unlock(&left)?;
    let third =
        cx.p.open(&cx.path("lock-shared"), &OpenOptions::read_write())?;
    ensure_kind!(cx.p.lock(&third, LockKind::Exclusive), Busy);
    cx.p.unlock(&right)?;
    cx.p.lock(&third, LockKind::Exclusive)?;
    Ok(())
}

/// "it ends with `unlock`".
fn unlock_gives_it_back<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (left, right) = handles(cx, "lock-unlock")?;
    for _ in 0..3 {
        cx.p.lock(&left, LockKind::Exclusive)?;
        ensure_kind!(cx.p.lock(&right, LockKind::Exclusive), Busy);
        cx.p.unlock(&left)?;
        cx.p.lock(&right, LockKind::Exclusive)?;
        ensure_kind!(cx.p.lock(&left, LockKind::Shared), Busy);
        cx.p.unlock(&right)?;
    }
    Ok(())
}

/// "Without one, nothing happens": to nobody's lock.
fn unlock_without_a_lock_does_nothing<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (left, right) = handles(cx, "lock-none")?;
    cx.p.unlock(&left)?;
    cx.p.lock(&left, LockKind::Exclusive)?;
    cx.p.unlock(&right)?;
    ensure_kind!(cx.p.lock(&right, LockKind::Exclusive), Busy);
    Ok(())
}

/// "with the handle".
fn dropped_handle_gives_it_back<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (left, right) = handles(cx, "lock-drop")?;
    cx.p.lock(&left, LockKind::Exclusive)?;
    drop(left);
    cx.p.lock(&right, LockKind::Exclusive)?;
    Ok(())
}

/// "with the handle", closed in good order.
fn closed_handle_gives_it_back<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (left, right) = handles(cx, "lock-close")?;
    cx.p.lock(&left, LockKind::Exclusive)?;
    cx.p.close(left)?;
    cx.p.lock(&right, LockKind::Exclusive)?;
    Ok(())
}

/// "It belongs to the handle": closing another handle of the file does not end it.
fn another_handles_end_leaves_it<P: Files>(cx: &Context<'_, P>) -> Verdict {
    let (left, right) = handles(cx, "lock-other")?;
    cx.p.lock(&left, LockKind::Exclusive)?;
    drop(right);
    let third =
        cx.p.open(&cx.path("lock-other"), &OpenOptions::read_write())?;
    ensure_kind!(cx.p.lock(&third, LockKind::Exclusive), Busy);
    Ok(())
}
