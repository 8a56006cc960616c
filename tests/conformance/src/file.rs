//! Files: opening, reading and writing, lengths, durability, names, directories, locks and path rules.
//!
//! Each case makes files of its own, named after it, in the directory that the runner gave.
#![allow(
    unsafe_code,
    reason = "reads bytes that the platform promised to initialise"
)]

pub(crate) mod absent;
mod append;
pub(crate) mod concurrent;
mod directory;
mod durable;
mod length;
mod lock;
mod name;
mod open;
mod path;
mod transfer;

use crate::Report;
use crate::case::{Context, Stop, Verdict};
use core::mem::MaybeUninit;
use underpin_core::Result;
use underpin_core::platform::{Create, Files, OpenOptions};

/// Runs all groups of files.
pub(crate) fn run<P: Files>(cx: &Context<'_, P>, report: &mut dyn Report) {
    open::run(cx, report);
    transfer::run(cx, report);
    append::run(cx, report);
    length::run(cx, report);
    durable::run(cx, report);
    name::run(cx, report);
    directory::run(cx, report);
    lock::run(cx, report);
    path::run(cx, report);
}

/// The names of all groups' cases.
#[cfg(test)]
pub(crate) const NAMES: &[&[&str]] = &[
    open::NAMES,
    transfer::NAMES,
    append::NAMES,
    length::NAMES,
    durable::NAMES,
    name::NAMES,
    directory::NAMES,
    lock::NAMES,
    path::NAMES,
    absent::NAMES,
    concurrent::NAMES,
];

/// A file made new, for reading and writing.
pub(crate) const fn fresh() -> OpenOptions {
    OpenOptions::read_write().with_create(Create::New)
}

/// Makes the file `path` with these contents and closes it.
pub(crate) fn write_file<P: Files>(cx: &Context<'_, P>, path: &[u8], bytes: &[u8]) -> Verdict {
    let file = cx.p.open(path, &fresh())?;
    cx.p.write_all_at(&file, bytes, 0)?;
    cx.p.close(file)?;
    Ok(())
}

/// One read into initialised memory.
pub(crate) fn read_some<P: Files>(
    cx: &Context<'_, P>,
    file: &P::File,
    buffer: &mut [u8],
    offset: u64,
) -> Result<usize> {
    // SAFETY: initialised bytes seen as maybe uninitialised ones; a read stores initialised bytes only.
    let view = unsafe { &mut *(core::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
    cx.p.read_at(file, view, offset)
}

/// Fails unless `file` holds exactly `expected`.
#[track_caller]
pub(crate) fn ensure_contents<P: Files>(
    cx: &Context<'_, P>,
    file: &P::File,
    expected: &[u8],
) -> Verdict {
    let bytes = cx.p.file_metadata(file)?.bytes;
    ensure!(
        bytes == expected.len() as u64,
        "{bytes} bytes long, expected {}",
        expected.len()
    );
    let mut chunk = [0; 512];
    let mut at = 0;
    while at < expected.len() {
        let count = chunk.len().min(expected.len() - at);
        cx.p.read_exact_at(file, &mut chunk[..count], at as u64)?;
        for (index, (found, wanted)) in chunk.iter().zip(&expected[at..at + count]).enumerate() {
            let offset = at + index;
            ensure!(
                found == wanted,
                "byte {offset} is {found:#x}, expected {wanted:#x}"
            );
        }
        at += count;
    }
    let mut more = [0; 1];
    let count = read_some(cx, file, &mut more, expected.len() as u64)?;
    ensure!(count == 0, "{count} bytes past the end");
    Ok(())
}

/// Fails unless the file that `path` names holds exactly `expected`.
#[track_caller]
pub(crate) fn ensure_file<P: Files>(cx: &Context<'_, P>, path: &[u8], expected: &[u8]) -> Verdict {
    let file = cx.p.open(path, &OpenOptions::read())?;
    ensure_contents(cx, &file, expected)?;
    cx.p.close(file)?;
    Ok(())
}

/// Fails unless `count` bytes from `offset` all are `expected`.
#[track_caller]
pub(crate) fn ensure_filled<P: Files>(
    cx: &Context<'_, P>,
    file: &P::File,
    offset: u64,
    count: usize,
    expected: u8,
) -> Verdict {
    let mut chunk = [0; 1024];
    let mut done = 0;
    while done < count {
        let part = chunk.len().min(count - done);
        cx.p.read_exact_at(file, &mut chunk[..part], offset + done as u64)?;
        if let Some(index) = chunk[..part].iter().position(|byte| *byte != expected) {
            let at = offset + (done + index) as u64;
            fail!("byte {at} is {:#x}, expected {expected:#x}", chunk[index]);
        }
        done += part;
    }
    Ok(())
}

/// Fills `count` bytes from `offset`.
pub(crate) fn fill<P: Files>(
    cx: &Context<'_, P>,
    file: &P::File,
    offset: u64,
    count: usize,
    byte: u8,
) -> Result<()> {
    let chunk = [byte; 1024];
    let mut done = 0;
    while done < count {
        let part = chunk.len().min(count - done);
        cx.p.write_all_at(file, &chunk[..part], offset + done as u64)?;
        done += part;
    }
    Ok(())
}

/// Turns "this file system refuses" into a skip: a set bit means that the call is tried, no more.
pub(crate) fn tried<T>(answer: Result<T>) -> core::result::Result<T, Stop> {
    match answer {
        Err(error) if error.kind() == underpin_core::Kind::Unsupported => {
            Err(Stop::Skipped("this file system refuses"))
        }
        other => Ok(other?),
    }
}

/// A byte that a case initialised itself before it lent it to a read.
pub(crate) fn initialised(byte: &MaybeUninit<u8>) -> u8 {
    // SAFETY: the case made it with `MaybeUninit::new`, and a read stores initialised bytes only.
    unsafe { byte.assume_init() }
}
