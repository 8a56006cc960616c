//! AFD, the driver below Winsock: its poll request, which a completion port answers.
//!
//! Neither documented nor in the headers, yet what `select` and every event loop on Windows stand on; the numbers are those that
//! wepoll and mio use.
#![allow(unsafe_code, reason = "system calls")]

use crate::handle::Handle;
use core::ptr::{null, null_mut};
use underpin_core::{Domain, Error, Kind, Operation, Result};
use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{FILE_OPEN, NtCreateFile};
use windows_sys::Wdk::System::IO::NtDeviceIoControlFile;
use windows_sys::Win32::Foundation::{HANDLE, NTSTATUS, STATUS_PENDING, UNICODE_STRING};
use windows_sys::Win32::Storage::FileSystem::{FILE_SHARE_READ, FILE_SHARE_WRITE, SYNCHRONIZE};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

/// What a poll may wait for, or report.
pub(crate) mod event {
    pub(crate) const RECEIVE: u32 = 0x1;
    pub(crate) const SEND: u32 = 0x4;
    pub(crate) const DISCONNECT: u32 = 0x8;
    pub(crate) const ABORT: u32 = 0x10;
    pub(crate) const LOCAL_CLOSE: u32 = 0x20;
    pub(crate) const ACCEPT: u32 = 0x80;
    pub(crate) const CONNECT_FAIL: u32 = 0x100;
}

const IOCTL_AFD_POLL: u32 = 0x0001_2024;

/// `\Device\Afd\Underpin`: what follows the device's name is of no importance.
const DEVICE: &[u8; 20] = br"\Device\Afd\Underpin";

#[repr(C)]
struct HandleInfo {
    handle: HANDLE,
    events: u32,
    status: NTSTATUS,
}

#[repr(C)]
struct PollInfo {
    timeout: i64,
    handle_count: u32,
    exclusive: u32,
    handles: [HandleInfo; 1],
}

/// The memory of one poll, which the kernel writes to until the poll completes.
#[repr(C)]
pub(crate) struct PollMemory {
    status: IO_STATUS_BLOCK,
    info: PollInfo,
}

impl PollMemory {
    pub(crate) fn new() -> Self {
        Self {
            status: IO_STATUS_BLOCK::default(),
            info: PollInfo {
                timeout: i64::MAX,
                handle_count: 1,
                exclusive: 0,
                handles: [HandleInfo {
                    handle: null_mut(),
                    events: 0,
                    status: 0,
                }],
            },
        }
    }

    /// What a completed poll reported; all if it failed, since whoever is told will look for himself.
    pub(crate) fn events(&self) -> u32 {
        // SAFETY: a completed block holds a status.
        let status = unsafe { self.status.Anonymous.Status };
        match self.info.handles.first() {
            Some(info) if status >= 0 && self.info.handle_count > 0 => info.events,
            _ => u32::MAX,
        }
    }
}

fn nt_error(operation: Operation, kind: Kind, status: NTSTATUS) -> Error {
    Error::from_raw(operation, kind, Domain::NtStatus, status)
}

/// Opens the driver.
pub(crate) fn open(operation: Operation) -> Result<Handle> {
    let mut name = [0_u16; DEVICE.len()];
    for (to, &from) in name.iter_mut().zip(DEVICE) {
        *to = u16::from(from);
    }
    let bytes = size_of_val(&name) as u16;
    let path = UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: name.as_mut_ptr(),
    };
    let attributes = OBJECT_ATTRIBUTES {
        Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
        ObjectName: &raw const path,
        ..OBJECT_ATTRIBUTES::default()
    };
    let mut status = IO_STATUS_BLOCK::default();
    let mut handle = null_mut();
    // SAFETY: every pointer is to a live value of its type; the handle is ours.
    unsafe {
        let result = NtCreateFile(
            &raw mut handle,
            SYNCHRONIZE,
            &raw const attributes,
            &raw mut status,
            null(),
            0,
            FILE_SHARE_READ | FILE_SHARE_WRITE,
            FILE_OPEN,
            0,
            null(),
            0,
        );
        if result < 0 {
            return Err(nt_error(operation, Kind::Unsupported, result));
        }
        Handle::from_raw(operation, handle)
    }
}

/// Asks for one report of `events` on `socket`; it comes through the completion port that `afd` belongs to, as `name`.
///
/// # Errors
/// Nothing will come.
///
/// # Safety
/// `memory` is valid, and nobody else touches it, until the report has come.
pub(crate) unsafe fn poll(
    afd: &Handle,
    memory: *mut PollMemory,
    name: usize,
    socket: usize,
    events: u32,
) -> Result<()> {
    const OP: Operation = Operation::Submit;
    // SAFETY: the caller vouches for the memory; requests of this kind read and write the same block.
    let result = unsafe {
        memory.write(PollMemory::new());
        (*memory).status.Anonymous.Status = STATUS_PENDING;
        (*memory).info.handles = [HandleInfo {
            handle: core::ptr::with_exposed_provenance_mut(socket),
            events,
            status: 0,
        }];
        let info = (&raw mut (*memory).info).cast();
        let bytes = size_of::<PollInfo>() as u32;
        NtDeviceIoControlFile(
            afd.raw(),
            null_mut(),
            None,
            core::ptr::without_provenance(name),
            &raw mut (*memory).status,
            IOCTL_AFD_POLL,
            info,
            bytes,
            info,
            bytes,
        )
    };
    // At once or later, success comes through the port.
    if result >= 0 {
        return Ok(());
    }
    Err(nt_error(OP, Kind::OutOfMemory, result))
}
