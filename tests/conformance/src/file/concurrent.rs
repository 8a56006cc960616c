//! Files with several threads at work: races that must have one winner, and appends that must not overlap.
#![forbid(unsafe_code)]

use super::{append, ensure_filled, fresh, read_some, write_file};
use crate::case::{Context, Verdict};
use crate::crew::{CREW_MAX, crew};
use underpin_core::Kind;
use underpin_core::platform::{Create, Files, LockKind, OpenOptions, Threads};
use underpin_core::sync::atomic::{AtomicU32, Ordering};

cases!("file::concurrent", Files | Threads:
    exclusive_creation_has_one_winner,
    exclusive_lock_has_one_holder,
    appends_of_threads_do_not_overlap,
    threads_read_one_handle,
    rename_is_whole_at_every_moment,
    list_is_whole_while_files_come_and_go,
);

/// Waits until all of the crew have come this far.
fn meet<P: Files>(cx: &Context<'_, P>, arrived: &AtomicU32, count: u32) {
    arrived.fetch_add(1, Ordering::AcqRel);
    cx.poll(|| arrived.load(Ordering::Acquire) >= count);
}

/// "Two racing callers cannot both succeed."
fn exclusive_creation_has_one_winner<P: Files + Threads>(cx: &Context<'_, P>) -> Verdict {
    for turn in 0..20 {
        let path = cx.path(".").join_numbered("race-create-", turn);
        let (arrived, won, wrong) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
        crew(
            cx.p,
            CREW_MAX,
            &|_| {
                meet(cx, &arrived, CREW_MAX as u32);
                match cx.p.open(&path, &fresh()) {
                    Ok(_) => won.fetch_add(1, Ordering::Relaxed),
                    Err(error) if error.kind() == Kind::AlreadyExists => 0,
                    Err(_) => wrong.fetch_add(1, Ordering::Relaxed),
                };
            },
            || (),
        )?;
        ensure_eq!(won.load(Ordering::Relaxed), 1);
        ensure_eq!(wrong.load(Ordering::Relaxed), 0);
    }
    Ok(())
}

/// A lock belongs to one handle at a time, whatever thread holds it.
fn exclusive_lock_has_one_holder<P: Files + Threads>(cx: &Context<'_, P>) -> Verdict {
    needs!(cx, LOCKS);
    let path = cx.path("race-lock");
    let file = cx.p.open(&path, &fresh())?;
    super::tried(cx.p.lock(&file, LockKind::Shared))?;
    drop(file);
    let (holders, overlaps, held) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    let wrong = AtomicU32::new(0);
    crew(
        cx.p,
        4,
        &|_| {
            for _ in 0..50 {
                let Ok(file) = cx.p.open(&path, &OpenOptions::read_write()) else {
                    wrong.fetch_add(1, Ordering::Relaxed);
                    return;
                };
                match cx.p.lock(&file, LockKind::Exclusive) {
                    Ok(()) => {
                        overlaps
                            .fetch_add(holders.fetch_add(1, Ordering::AcqRel), Ordering::Relaxed);
                        cx.p.yield_now();
                        holders.fetch_sub(1, Ordering::AcqRel);
                        held.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) if error.kind() == Kind::Busy => cx.p.yield_now(),
                    Err(_) => {
                        wrong.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        },
        || (),
    )?;
    ensure_eq!(wrong.load(Ordering::Relaxed), 0);
    ensure_eq!(overlaps.load(Ordering::Relaxed), 0);
    ensure!(held.load(Ordering::Relaxed) > 0);
    Ok(())
}

/// "Appends of several handles and processes do not overlap."
fn appends_of_threads_do_not_overlap<P: Files + Threads>(cx: &Context<'_, P>) -> Verdict {
    const THREADS: usize = 4;
    const APPENDS: usize = 100;
    const BYTES: usize = 64;
    let path = cx.path("race-append");
    write_file(cx, &path, b"")?;
    let wrong = AtomicU32::new(0);
    crew(
        cx.p,
        THREADS,
        &|index| {
            let byte = b'a' + u8::try_from(index).unwrap_or(0);
            let file = cx.p.open(&path, &append::appending(Create::Existing));
            let fine = file.is_ok_and(|file| {
                (0..APPENDS).all(|_| append::append_all(cx, &file, &[byte; BYTES]).is_ok())
            });
            wrong.fetch_add(u32::from(!fine), Ordering::Relaxed);
        },
        || (),
    )?;
    ensure_eq!(wrong.load(Ordering::Relaxed), 0);
    let file = cx.p.open(&path, &OpenOptions::read())?;
    ensure_eq!(
        cx.p.file_metadata(&file)?.bytes,
        (THREADS * APPENDS * BYTES) as u64
    );
    let mut counts = [0; THREADS];
    let mut record = [0; BYTES];
    for index in 0..THREADS * APPENDS {
        cx.p.read_exact_at(&file, &mut record, (index * BYTES) as u64)?;
        for byte in record {
            let owner = usize::from(byte).wrapping_sub(usize::from(b'a'));
            ensure!(owner < THREADS, "record {index} holds {byte:#x}");
            counts[owner] += 1;
        }
    }
    ensure_eq!(counts, [APPENDS * BYTES; THREADS]);
    Ok(())
}

/// "any number of threads may read one file".
fn threads_read_one_handle<P: Files + Threads>(cx: &Context<'_, P>) -> Verdict {
    const BLOCK: usize = 512;
    let path = cx.path("race-read");
    let file = cx.p.open(&path, &fresh())?;
    for block in 0..CREW_MAX {
        let byte = u8::try_from(block).unwrap_or(0);
        super::fill(cx, &file, (block * BLOCK) as u64, BLOCK, byte)?;
    }
    let wrong = AtomicU32::new(0);
    crew(
        cx.p,
        CREW_MAX,
        &|block| {
            for _ in 0..100 {
                let byte = u8::try_from(block).unwrap_or(0);
                let fine = ensure_filled(cx, &file, (block * BLOCK) as u64, BLOCK, byte);
                wrong.fetch_add(u32::from(fine.is_err()), Ordering::Relaxed);
            }
        },
        || (),
    )?;
    ensure_eq!(wrong.load(Ordering::Relaxed), 0);
    Ok(())
}

/// "at every moment ... `to` is the old or the new file, whole".
fn rename_is_whole_at_every_moment<P: Files + Threads>(cx: &Context<'_, P>) -> Verdict {
    const TURNS: u8 = 200;
    let (from, to) = (cx.path("race-rename-from"), cx.path("race-rename-to"));
    write_file(cx, &to, &[0; 64])?;
    let (stop, wrong, looks) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    let outcome = crew(
        cx.p,
        2,
        &|_| {
            while stop.load(Ordering::Acquire) == 0 {
                let whole = cx.p.open(&to, &OpenOptions::read()).is_ok_and(|file| {
                    let mut bytes = [0xff; 64];
                    matches!(read_some(cx, &file, &mut bytes, 0), Ok(count)
                    if count > 0 && bytes[..count].iter().all(|byte| *byte == bytes[0]))
                        && cx
                            .p
                            .file_metadata(&file)
                            .is_ok_and(|metadata| metadata.bytes == 64)
                });
                wrong.fetch_add(u32::from(!whole), Ordering::Relaxed);
                looks.fetch_add(1, Ordering::Relaxed);
                cx.p.yield_now();
            }
        },
        || {
            let mut renamed = Ok(());
            for turn in 0..TURNS {
                renamed = write_file(cx, &from, &[turn; 64])
                    .and_then(|()| Ok(cx.p.rename(&from, &to)?));
                if renamed.is_err() {
                    break;
                }
                cx.p.yield_now();
            }
            stop.store(1, Ordering::Release);
            renamed
        },
    )?;
    outcome?;
    ensure_eq!(wrong.load(Ordering::Relaxed), 0);
    Ok(())
}

/// "every other one is seen once", with another thread that makes and removes entries.
fn list_is_whole_while_files_come_and_go<P: Files + Threads>(cx: &Context<'_, P>) -> Verdict {
    const KEPT: usize = 64;
    let path = cx.path("race-list");
    cx.p.create_directory(&path)?;
    for index in 0..KEPT {
        write_file(cx, &path.join_numbered("kept-", index), b"")?;
    }
    let (stop, wrong) = (AtomicU32::new(0), AtomicU32::new(0));
    let listed = crew(
        cx.p,
        1,
        &|_| {
            let mut turn = 0;
            while stop.load(Ordering::Acquire) == 0 {
                turn += 1;
                let name = path.join_numbered("passing-", turn);
                let fine = write_file(cx, &name, b"").is_ok() && cx.p.remove_file(&name).is_ok();
                wrong.fetch_add(u32::from(!fine), Ordering::Relaxed);
                cx.p.yield_now();
            }
        },
        || {
            let mut listed = Ok(0);
            for _ in 0..20 {
                let mut kept = 0;
                listed =
                    cx.p.list(&path, &mut |entry| {
                        kept += usize::from(entry.name.starts_with(b"kept-"));
                        core::ops::ControlFlow::Continue(())
                    })
                    .map(|()| kept);
                if listed != Ok(KEPT) {
                    break;
                }
                cx.p.yield_now();
            }
            stop.store(1, Ordering::Release);
            listed
        },
    )?;
    ensure_eq!(listed?, KEPT);
    ensure_eq!(wrong.load(Ordering::Relaxed), 0);
    Ok(())
}
