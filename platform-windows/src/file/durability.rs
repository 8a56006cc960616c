//! What a sync does: `FlushFileBuffers`, or the cheaper data-only flush where the system has it.
//!
//! | asked | done | reached |
//! |---|---|---|
//! | data | `NtFlushBuffersFileEx` with `FLUSH_FLAGS_FILE_DATA_SYNC_ONLY` (NTFS, Windows 10 1709): contents and what is needed to read them, and the device's cache | data |
//! | data, where that call or flag is missing | as full | full |
//! | barrier, full | `FlushFileBuffers`: contents, all metadata, and the device's cache | full |
//!
//! Only a missing call leads to the next best one. A flush that was tried and failed is reported: a
//! second flush that succeeds would not bring back what the first lost.
//!
//! Executed under wine, which lacks the data-only call; the decision about its results is tested
//! alone, the call itself was not executed on Windows.
#![allow(unsafe_code, reason = "a function is looked up by name")]

use super::{GENERIC_WRITE, Handle, OPEN_EXISTING, information, open_path, reopen};
use crate::handle::check;
use crate::path::WidePath;
use core::ffi::c_void;
use core::sync::atomic::{AtomicPtr, Ordering};
use underpin_core::platform::Durability;
use underpin_core::{Domain, Error, Kind, Operation, Result};
use windows_sys::Win32::Foundation::{HANDLE, NTSTATUS};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_DIRECTORY, FILE_FLAG_BACKUP_SEMANTICS, FlushFileBuffers,
};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};
use windows_sys::Win32::System::SystemServices::FLUSH_FLAGS_FILE_DATA_SYNC_ONLY;

/// `NtFlushBuffersFileEx`.
type DataFlush = unsafe extern "system" fn(
    handle: HANDLE,
    flags: u32,
    parameters: *const c_void,
    parameters_bytes: u32,
    status: *mut IO_STATUS_BLOCK,
) -> NTSTATUS;

/// Makes the file behind `handle` durable at `level` or more.
pub(crate) fn flush(
    operation: Operation,
    handle: &Handle,
    writable: bool,
    level: Durability,
) -> Result<Durability> {
    let reopened;
    let handle = if writable {
        handle
    } else {
        // Flushing wants write access, which the seam does not ask of a file that is synced.
        reopened = reopen(operation, handle, GENERIC_WRITE)?;
        &reopened
    };
    if level == Durability::Data
        && let Some(data_flush) = data_flush()
        && let Some(outcome) = flush_data(operation, handle, data_flush)
    {
        return outcome.map(|()| Durability::Data);
    }
    // SAFETY: the handle is open.
    check(operation, unsafe { FlushFileBuffers(handle.raw()) })?;
    Ok(Durability::Full)
}

/// Makes the entries of directory `path` durable.
pub(super) fn flush_directory(path: &[u8]) -> Result<()> {
    let operation = Operation::SyncDirectory;
    let path = WidePath::new(operation, path)?;
    let handle = open_path(
        operation,
        &path,
        GENERIC_WRITE,
        OPEN_EXISTING,
        FILE_FLAG_BACKUP_SEMANTICS,
    )?;
    if information(operation, &handle)?.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY == 0 {
        return Err(Error::new(operation, Kind::NotADirectory));
    }
    // SAFETY: the handle is open.
    check(operation, unsafe { FlushFileBuffers(handle.raw()) })
}

/// What came of the data-only flush; `None` if the file system does not know it.
fn flush_data(operation: Operation, handle: &Handle, call: DataFlush) -> Option<Result<()>> {
    let mut block = IO_STATUS_BLOCK::default();
    // SAFETY: the handle is open and `block` a valid place; the handle is synchronous, so the call
    // is over when it returns.
    let status = unsafe {
        call(
            handle.raw(),
            FLUSH_FLAGS_FILE_DATA_SYNC_ONLY,
            core::ptr::null(),
            0,
            &raw mut block,
        )
    };
    outcome_of(operation, status)
}

fn outcome_of(operation: Operation, status: NTSTATUS) -> Option<Result<()>> {
    let kind = match status.cast_unsigned() {
        0..=0x7FFF_FFFF => return Some(Ok(())),
        // NOT_IMPLEMENTED, INVALID_PARAMETER, INVALID_DEVICE_REQUEST, NOT_SUPPORTED,
        // INVALID_PARAMETER_2
        0xC000_0002 | 0xC000_000D | 0xC000_0010 | 0xC000_00BB | 0xC000_00F0 => return None,
        // ACCESS_DENIED
        0xC000_0022 => Kind::PermissionDenied,
        // DISK_FULL, QUOTA_EXCEEDED
        0xC000_007F | 0xC000_0044 => Kind::NoSpace,
        // MEDIA_WRITE_PROTECTED
        0xC000_00A2 => Kind::ReadOnly,
        _ => Kind::Io,
    };
    Some(Err(Error::from_raw(
        operation,
        kind,
        Domain::NtStatus,
        status,
    )))
}

/// The data-only flush, if this Windows exports it; looked up once.
fn data_flush() -> Option<DataFlush> {
    /// Null before the first look; [`MISSING`] if there is none.
    static FOUND: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());
    static MISSING: u8 = 0;
    let missing = (&raw const MISSING).cast_mut().cast();
    let mut found = FOUND.load(Ordering::Relaxed);
    if found.is_null() {
        // SAFETY: both names end in a NUL; ntdll is in every process and never unloaded.
        let address = unsafe {
            GetProcAddress(
                GetModuleHandleA(c"ntdll.dll".as_ptr().cast()),
                c"NtFlushBuffersFileEx".as_ptr().cast(),
            )
        };
        found = address.map_or(missing, |function| function as *mut c_void);
        FOUND.store(found, Ordering::Relaxed);
    }
    (found != missing).then(|| {
        // SAFETY: this is the address of NtFlushBuffersFileEx, whose signature is `DataFlush`.
        unsafe { core::mem::transmute::<*mut c_void, DataFlush>(found) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_call_leads_to_the_full_flush() {
        let outcome = |status: u32| outcome_of(Operation::Sync, status.cast_signed());
        assert_eq!(outcome(0), Some(Ok(())));
        for missing in [0xC000_0002, 0xC000_000D, 0xC000_0010, 0xC000_00BB] {
            assert_eq!(outcome(missing), None, "{missing:#x}");
        }
        for (status, kind) in [
            (0xC000_0185, Kind::Io),
            (0xC000_007F, Kind::NoSpace),
            (0xC000_00A2, Kind::ReadOnly),
            (0xC000_0022, Kind::PermissionDenied),
        ] {
            let error = outcome(status).unwrap().unwrap_err();
            assert_eq!(error.kind(), kind);
            assert_eq!(error.domain(), Domain::NtStatus);
        }
    }
}
