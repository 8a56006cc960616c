//! One operation on a file: what it asks the kernel for, and what it makes of the answer.
//!
//! F1: from the entry to its answer the kernel may use the buffer's bytes, or the path's, so nobody else does: the box of this work, which
//!     owns both, may move, and they stay where they are.
#![allow(
    unsafe_code,
    reason = "read bytes initialise a buffer; opened descriptors are owned"
)]

use super::queue::Entry;
use super::work::Answer;
use crate::error::error;
use crate::file::{OFFSET_MAX, OPEN_MODE, open_flags, sync_error};
use crate::net::Socket;
use alloc::boxed::Box;
use alloc::vec::Vec;
use rustix::fd::{FromRawFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::io_uring::{IoringFsyncFlags, IoringOp, IoringSqeFlags};
use underpin_core::limits::PATH_BYTES_MAX;
use underpin_core::platform::{Durability, FileOp, Outcome};
use underpin_core::{Error, Kind, Operation, Result};

/// What an entry calls the working directory.
const AT_FDCWD: i32 = -100;

/// What the kernel calls a call that a signal cut short and that is to be made anew. A thread of the kernel's, which has no signal handler
/// to return to, gives these numbers as they are.
const RESTARTS: [i32; 4] = [512, 513, 514, 516];

/// An operation on a file that was accepted.
#[derive(Debug)]
pub(super) struct FileWork {
    op: FileOp<Socket>,
    /// Of an `Open`: the path, and a NUL.
    path: Box<[u8]>,
}

/// Checks what can be checked of an operation on a file before it starts.
pub(super) fn check(op: &FileOp<Socket>) -> Result<()> {
    let (operation, is_valid) = match op {
        FileOp::Open { path, options } => {
            let path = path.as_slice();
            let is_path = (1..=PATH_BYTES_MAX).contains(&path.len()) && !path.contains(&0);
            (
                Operation::Open,
                is_path && options.is_valid() && !options.append,
            )
        }
        // Beyond, offsets are negative to the kernel, and -1 is a file's own position.
        FileOp::ReadAt { offset, .. } => (Operation::ReadAt, *offset <= OFFSET_MAX),
        FileOp::WriteAt {
            buffer,
            start,
            offset,
            ..
        } => (
            Operation::WriteAt,
            *offset <= OFFSET_MAX && *start <= buffer.as_slice().len(),
        ),
        FileOp::Sync { .. } => (Operation::Sync, true),
        _ => return Err(Error::unsupported(Operation::Submit)),
    };
    if is_valid {
        Ok(())
    } else {
        Err(Error::new(operation, Kind::InvalidInput))
    }
}

impl FileWork {
    /// The work of an operation that [`check`] let pass.
    ///
    /// # Errors
    /// The operation itself, if there is no memory.
    pub(super) fn new(op: FileOp<Socket>) -> core::result::Result<Self, FileOp<Socket>> {
        let mut path = Vec::new();
        if let FileOp::Open { path: bytes, .. } = &op {
            let bytes = bytes.as_slice();
            if path.try_reserve_exact(bytes.len() + 1).is_err() {
                return Err(op);
            }
            path.extend_from_slice(bytes);
            path.push(0);
        }
        let path = path.into_boxed_slice();
        Ok(Self { op, path })
    }

    /// The operation as its user handed it over.
    pub(super) fn into_op(self) -> FileOp<Socket> {
        self.op
    }

    /// What errors name as having failed.
    pub(super) fn operation(&self) -> Operation {
        match self.op {
            FileOp::Open { .. } => Operation::Open,
            FileOp::ReadAt { .. } => Operation::ReadAt,
            FileOp::WriteAt { .. } => Operation::WriteAt,
            _ => Operation::Sync,
        }
    }

    /// What to ask the kernel for. From here to the answer F1 holds.
    pub(super) fn start(&mut self, user_data: u64) -> Entry {
        let entry = Entry {
            user_data,
            ..Entry::default()
        };
        match &mut self.op {
            FileOp::Open { options, .. } => Entry {
                opcode: IoringOp::Openat as u8,
                // By a thread of the kernel's from the start: one that tries at once opens without waiting where it should wait, such as
                // for the other end of a named pipe.
                flags: IoringSqeFlags::ASYNC.bits(),
                fd: AT_FDCWD,
                address: self.path.as_ptr().expose_provenance() as u64,
                len: OPEN_MODE.as_raw_mode(),
                op_flags: (open_flags(options) | OFlags::LARGEFILE).bits(),
                ..entry
            },
            FileOp::ReadAt {
                file,
                buffer,
                offset,
            } => {
                let room = buffer.spare_mut();
                Entry {
                    opcode: IoringOp::Read as u8,
                    fd: file.raw_fd(),
                    offset: *offset,
                    address: room.as_mut_ptr().expose_provenance() as u64,
                    len: length(room.len()),
                    ..entry
                }
            }
            FileOp::WriteAt {
                file,
                buffer,
                start,
                offset,
            } => {
                let bytes = buffer.as_slice().get(*start..).unwrap_or_default();
                Entry {
                    opcode: IoringOp::Write as u8,
                    fd: file.raw_fd(),
                    offset: *offset,
                    address: bytes.as_ptr().expose_provenance() as u64,
                    len: length(bytes.len()),
                    ..entry
                }
            }
            FileOp::Sync { file, level } => Entry {
                opcode: IoringOp::Fsync as u8,
                fd: file.raw_fd(),
                op_flags: match level {
                    Durability::Data => IoringFsyncFlags::DATASYNC.bits(),
                    Durability::Barrier | Durability::Full => 0,
                },
                ..entry
            },
            // `check` refuses what is not known.
            _ => Entry {
                opcode: IoringOp::Nop as u8,
                ..entry
            },
        }
    }

    /// What the kernel's answer to the entry of [`start`](Self::start) means.
    pub(super) fn answer(&mut self, result: i32) -> Answer {
        let operation = self.operation();
        let Ok(count) = usize::try_from(result) else {
            return match Errno::from_raw_os_error(-result) {
                // It was cancelled, or nobody asked for it here: the thread that submitted it has ended, or was interrupted.
                Errno::CANCELED | Errno::INTR => Answer::Again,
                _ if RESTARTS.contains(&-result) => Answer::Again,
                errno if matches!(self.op, FileOp::Sync { .. }) => {
                    Answer::Done(Err(sync_error(operation, errno)))
                }
                errno => Answer::Done(Err(error(operation, errno))),
            };
        };
        let strange = || Err(Error::new(operation, Kind::Io));
        Answer::Done(match &mut self.op {
            FileOp::Open { .. } => {
                // SAFETY: the kernel has just made this descriptor for us alone.
                let fd = unsafe { OwnedFd::from_raw_fd(result) };
                Ok(Outcome::Opened {
                    file: Socket::watched(fd),
                })
            }
            FileOp::ReadAt { buffer, .. } => {
                if count > buffer.spare_mut().len() {
                    return Answer::Done(strange());
                }
                // SAFETY: the kernel wrote that many of the spare bytes, from their start, which has not changed since (F1).
                // `Queue::pop` acquired the writes.
                unsafe { buffer.advance(count) };
                Ok(Outcome::Transferred { bytes: count })
            }
            FileOp::WriteAt { buffer, start, .. } if count <= buffer.as_slice().len() - *start => {
                Ok(Outcome::Transferred { bytes: count })
            }
            FileOp::Sync { level, .. } => Ok(Outcome::Synced {
                // There is no barrier on Linux; the next stronger level stands in for it.
                level: match level {
                    Durability::Data => Durability::Data,
                    Durability::Barrier | Durability::Full => Durability::Full,
                },
            }),
            _ => strange(),
        })
    }
}

/// As many bytes as an entry can name; the kernel moves no more at once in any case.
pub(super) fn length(bytes: usize) -> u32 {
    bytes.min(i32::MAX as usize) as u32
}
