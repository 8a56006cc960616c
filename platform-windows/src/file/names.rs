//! Names: rename, remove, link, directories.
//!
//! # Two ways
//! Since Windows 10 1709 NTFS can rename and delete with POSIX semantics: the name is replaced or
//! gone when the call returns, even while files are open. That is tried first, by
//! `FileRenameInfoEx` and `FileDispositionInfoEx`. Where the system or the file system does not
//! know it (older Windows, FAT, some network shares), the classic calls do:
//!
//! | | POSIX semantics | classic |
//! |---|---|---|
//! | rename over a name that is open | replaces it | waits half a second for it to be closed, then `PermissionDenied` |
//! | rename a directory over an empty one | replaces it | refused |
//! | remove a file that is open | gone, handles go on | moved to a fresh hidden name beside it, which goes with the last handle |
//! | remove a file with the read-only attribute | gone (1809) | `PermissionDenied` |
//!
//! The fresh name starts with [`ASIDE_PREFIX`]; it stays behind only if the process dies between
//! the two steps.
//!
//! # Executed where
//! The classic way under wine, which refuses the other; the POSIX way was not executed on Windows.
//! That its buffers have the system's layout is asserted below.
#![allow(unsafe_code, reason = "system calls take raw buffers")]

use super::{Handle, OPEN_EXISTING, open_path, set_information};
use crate::error::{self, code, is_missing_call};
use crate::handle::{check, last_code};
use crate::path::{CAPACITY_UNITS, WidePath};
use crate::{Windows, file};
use core::mem::offset_of;
use underpin_core::platform::Entropy;
use underpin_core::{Error, Kind, Operation, Result};
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Storage::FileSystem::{
    CreateDirectoryW, CreateHardLinkW, DELETE, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_READONLY,
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_DISPOSITION_FLAG_DELETE,
    FILE_DISPOSITION_FLAG_IGNORE_READONLY_ATTRIBUTE, FILE_DISPOSITION_FLAG_POSIX_SEMANTICS,
    FILE_DISPOSITION_INFO_EX, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_READ_ATTRIBUTES, FILE_RENAME_INFO, FileDispositionInfo, FileDispositionInfoEx,
    FileRenameInfo, FileRenameInfoEx, GetFileAttributesW, INVALID_FILE_ATTRIBUTES,
    MOVEFILE_REPLACE_EXISTING, MoveFileExW, SYNCHRONIZE, SetFileInformationByHandle,
};
use windows_sys::Win32::System::Threading::Sleep;

/// How the names start that files bear between their removal and the end of their last handle.
const ASIDE_PREFIX: &[u8] = b".underpin-removed-";

/// `FILE_RENAME_FLAG_REPLACE_IF_EXISTS | FILE_RENAME_FLAG_POSIX_SEMANTICS`.
const REPLACE_POSIX: u32 = 1 | 2;

/// How often a classic rename is tried again, and after what pause. Windows rounds pauses up to its
/// tick of 16 ms, so this is half a second in all.
const REFUSALS_MAX: u32 = 32;
const REFUSAL_PAUSE_MS: u32 = 5;

/// Never replace: a fresh name is wanted.
const KEEP_EXISTING: u32 = 0;

/// `FILE_RENAME_INFO` with room for every path.
#[repr(C)]
struct RenameInfo {
    flags: u32,
    root: HANDLE,
    name_bytes: u32,
    name: [u16; CAPACITY_UNITS],
}

const _: () = {
    assert!(offset_of!(RenameInfo, root) == offset_of!(FILE_RENAME_INFO, RootDirectory));
    assert!(offset_of!(RenameInfo, name_bytes) == offset_of!(FILE_RENAME_INFO, FileNameLength));
    assert!(offset_of!(RenameInfo, name) == offset_of!(FILE_RENAME_INFO, FileName));
};

/// What a handle's name is, without following a link.
struct Named {
    handle: Handle,
    attributes: u32,
}

impl Named {
    /// Opens `path` to change its name.
    fn open(operation: Operation, path: &WidePath) -> Result<Self> {
        let handle = open_path(
            operation,
            path,
            DELETE | FILE_READ_ATTRIBUTES | SYNCHRONIZE,
            OPEN_EXISTING,
            FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT,
        )?;
        let attributes = file::information(operation, &handle)?.dwFileAttributes;
        Ok(Self { handle, attributes })
    }

    /// A directory, and not a link to one.
    fn is_directory(&self) -> bool {
        is_directory(self.attributes)
    }
}

fn is_directory(attributes: u32) -> bool {
    attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT)
        == FILE_ATTRIBUTE_DIRECTORY
}

pub(super) fn rename(from: &[u8], to: &[u8]) -> Result<()> {
    let operation = Operation::Rename;
    let from = WidePath::new(operation, from)?;
    let to = WidePath::new(operation, to)?;
    let source = Named::open(operation, &from)?;
    // Left to itself, the system would replace a file with a directory.
    match (source.is_directory(), attributes(&to).map(is_directory)) {
        (true, Some(false)) => return Err(Error::new(operation, Kind::NotADirectory)),
        (false, Some(true)) => return Err(Error::new(operation, Kind::IsADirectory)),
        _ => {}
    }
    match set_name(&source.handle, FileRenameInfoEx, &to, REPLACE_POSIX) {
        Ok(()) => return Ok(()),
        Err(raw) if is_missing_call(raw) => {}
        Err(raw) => return Err(refused_rename(raw, source.is_directory())),
    }
    let directory = source.is_directory();
    // The classic call opens the source itself, and may not share.
    drop(source);
    rename_classic(&from, directory, &to)
}

/// The classic rename. It is refused while somebody has the target open, if only a virus scanner
/// for a moment, so a refused one is tried again, within [`REFUSALS_MAX`].
fn rename_classic(from: &WidePath, from_directory: bool, to: &WidePath) -> Result<()> {
    let mut refusals = 0;
    loop {
        // SAFETY: both paths end in a NUL.
        let moved = unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), MOVEFILE_REPLACE_EXISTING) };
        if moved != 0 {
            return Ok(());
        }
        let error = refused_rename(last_code(), from_directory);
        let momentary = matches!(error.kind(), Kind::PermissionDenied | Kind::Busy);
        if !momentary || refusals == REFUSALS_MAX {
            return Err(error);
        }
        refusals += 1;
        // SAFETY: takes a number of milliseconds.
        unsafe { Sleep(REFUSAL_PAUSE_MS) };
    }
}

/// Gives the open file a name.
fn set_name(
    handle: &Handle,
    class: i32,
    to: &WidePath,
    flags: u32,
) -> core::result::Result<(), u32> {
    let mut info = RenameInfo {
        flags,
        root: core::ptr::null_mut(),
        name_bytes: size_of_val(to.units()) as u32,
        name: [0; CAPACITY_UNITS],
    };
    let used = to.units().len();
    info.name[..used].copy_from_slice(to.units());
    // The size covers the name and the NUL after it, not the empty rest.
    let bytes = offset_of!(RenameInfo, name) + (used + 1) * size_of::<u16>();
    // SAFETY: the handle is open; the structure has the layout of the class and is read within
    // `bytes`, which lies in it since a path is shorter than the capacity.
    let succeeded = unsafe {
        SetFileInformationByHandle(handle.raw(), class, (&raw const info).cast(), bytes as u32)
    };
    if succeeded != 0 {
        Ok(())
    } else {
        Err(last_code())
    }
}

/// The error of a rename. Kinds that do not match were refused before, so for a directory "access
/// denied" and "exists" mean that the target has entries.
fn refused_rename(raw: u32, from_directory: bool) -> Error {
    let kind = match raw {
        code::ACCESS_DENIED | code::ALREADY_EXISTS if from_directory => Kind::DirectoryNotEmpty,
        raw => error::kind_of(raw),
    };
    error::with_kind(Operation::Rename, kind, raw)
}

/// The attributes of what `path` names, of a link itself; `None` if there is nothing, or no way to
/// tell.
fn attributes(path: &WidePath) -> Option<u32> {
    // SAFETY: the path ends in a NUL.
    let attributes = unsafe { GetFileAttributesW(path.as_ptr()) };
    (attributes != INVALID_FILE_ATTRIBUTES).then_some(attributes)
}

pub(super) fn hard_link(existing: &[u8], new: &[u8]) -> Result<()> {
    let operation = Operation::HardLink;
    let existing = WidePath::new(operation, existing)?;
    let new = WidePath::new(operation, new)?;
    // SAFETY: both paths end in a NUL.
    check(operation, unsafe {
        CreateHardLinkW(new.as_ptr(), existing.as_ptr(), core::ptr::null())
    })
}

pub(super) fn create_directory(path: &[u8]) -> Result<()> {
    let operation = Operation::CreateDirectory;
    let path = WidePath::new(operation, path)?;
    // SAFETY: the path ends in a NUL.
    check(operation, unsafe {
        CreateDirectoryW(path.as_ptr(), core::ptr::null())
    })
}

pub(super) fn remove_file(path: &[u8]) -> Result<()> {
    let operation = Operation::RemoveFile;
    let path = WidePath::new(operation, path)?;
    let named = Named::open(operation, &path)?;
    if named.is_directory() {
        return Err(Error::new(operation, Kind::IsADirectory));
    }
    remove(operation, &named, |named| remove_file_classic(named, &path))
}

pub(super) fn remove_directory(path: &[u8]) -> Result<()> {
    let operation = Operation::RemoveDirectory;
    let path = WidePath::new(operation, path)?;
    let named = Named::open(operation, &path)?;
    if !named.is_directory() {
        return Err(Error::new(operation, Kind::NotADirectory));
    }
    remove(operation, &named, |named| mark_deleted(&named.handle))
}

/// Removes what is open, with POSIX semantics or, where they are missing, by `classic`.
fn remove(
    operation: Operation,
    named: &Named,
    classic: impl FnOnce(&Named) -> core::result::Result<(), u32>,
) -> Result<()> {
    let info = FILE_DISPOSITION_INFO_EX {
        Flags: FILE_DISPOSITION_FLAG_DELETE
            | FILE_DISPOSITION_FLAG_POSIX_SEMANTICS
            | FILE_DISPOSITION_FLAG_IGNORE_READONLY_ATTRIBUTE,
    };
    match set_information(&named.handle, FileDispositionInfoEx, &info) {
        Err(raw) if is_missing_call(raw) => classic(named),
        outcome => outcome,
    }
    .map_err(|raw| error::from_code(operation, raw))
}

/// The file goes with its last handle, ours or another's.
fn mark_deleted(handle: &Handle) -> core::result::Result<(), u32> {
    // FILE_DISPOSITION_INFO is a single BOOLEAN.
    set_information(handle, FileDispositionInfo, &1_u8)
}

/// Frees the name at once, then marks the file.
fn remove_file_classic(named: &Named, path: &WidePath) -> core::result::Result<(), u32> {
    if named.attributes & FILE_ATTRIBUTE_READONLY != 0 {
        // It could not be marked, and would be left under the wrong name.
        return Err(code::ACCESS_DENIED);
    }
    let aside = fresh_sibling(path).is_some_and(|aside| {
        set_name(&named.handle, FileRenameInfo, &aside, KEEP_EXISTING).is_ok()
    });
    mark_deleted(&named.handle).inspect_err(|_| {
        if aside {
            // Back to where it was; there is no better answer if somebody took the name meanwhile.
            let _ = set_name(&named.handle, FileRenameInfo, path, KEEP_EXISTING);
        }
    })
}

/// A name in the directory of `path` that nothing has.
fn fresh_sibling(path: &WidePath) -> Option<WidePath> {
    let random = Windows.random_u64().ok()?;
    let mut name = [0; ASIDE_PREFIX.len() + 16];
    let (prefix, digits) = name.split_at_mut(ASIDE_PREFIX.len());
    for (unit, &byte) in prefix.iter_mut().zip(ASIDE_PREFIX) {
        *unit = u16::from(byte);
    }
    for (index, unit) in digits.iter_mut().enumerate() {
        let digit = (random >> (4 * index) & 0xF) as usize;
        *unit = u16::from(b"0123456789abcdef"[digit]);
    }
    path.with_last_name(&name)
}
