//! Files on the simulated disk.
//!
//! # Injected failures
//!
//! A write that fails may have written a part. A sync that fails drops what it was to make durable, and the next one
//! succeeds, as on Linux ("EIO, then clean"): the cache may go on showing the lost bytes, or show the medium's.
//!
//! # Not here
//! Modes, owners and links other than hard ones: `PermissionDenied` comes from access modes alone.
#![allow(
    unsafe_code,
    reason = "Files is an unsafe trait: a promise about initialised bytes"
)]

use super::Sim;
use super::disk::{Change, DiskResult, FILE_BYTES_MAX, InodeId};
use super::machine::{Power, State};
use super::trace::What;
use crate::error::{Error, Kind, Operation, Result};
use crate::platform::{
    Access, Create, DirectoryEntry, Durability, FileKind, Files, LockKind, Metadata, OpenOptions,
};
use alloc::sync::Arc;
use core::mem::MaybeUninit;
use core::ops::ControlFlow;

/// An open file.
#[derive(Debug)]
pub struct SimFile {
    sim: Sim,
    handle: u64,
    pub(super) inode: InodeId,
    access: Access,
    append: bool,
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.sim.state();
        if state.power == Power::On {
            state.event(What::Drop, [self.inode, self.handle]);
            state.disk.close(self.inode, self.handle);
        }
    }
}

impl SimFile {
    pub(super) fn reads(&self) -> bool {
        !matches!(self.access, Access::Write)
    }

    pub(super) fn writes(&self) -> bool {
        !matches!(self.access, Access::Read)
    }
}

/// Names the operation of a failure on the disk.
pub(super) fn on<T>(operation: Operation, result: DiskResult<T>) -> Result<T> {
    result.map_err(|kind| Error::new(operation, kind))
}

impl Sim {
    /// Refuses handles of another machine or of another boot of this one.
    pub(super) fn owns(&self, file: &SimFile, operation: Operation) -> Result<()> {
        if Arc::ptr_eq(&self.0, &file.sim.0) {
            return Ok(());
        }
        let lost = file.sim.state().power != Power::On;
        let kind = if lost {
            Kind::PowerLost
        } else {
            Kind::InvalidInput
        };
        Err(Error::new(operation, kind))
    }

    /// A call that changes names.
    fn name_call(
        &self,
        operation: Operation,
        paths: [&[u8]; 2],
        act: impl FnOnce(&mut State, u64) -> DiskResult<()>,
    ) -> Result<()> {
        let mut state = self.enter(operation)?;
        for path in paths {
            state.trace.bytes(path);
        }
        let now = state.clock.real_ns();
        on(operation, act(&mut state, now))
    }
}

impl State {
    /// The number of bytes of a write that are to be written, and the error after them.
    fn plan_write(
        &mut self,
        operation: Operation,
        inode: InodeId,
        offset: u64,
        count: usize,
    ) -> (usize, Result<()>) {
        if let Err(error) = self.strike(operation) {
            let part = self.faults.rng.index(count + 1);
            return (part, Err(error));
        }
        let odds = self.faults.odds.short_write_ppm;
        let count = self.faults.shorten(count, odds);
        let Ok(room) = self.disk.room(inode, offset, count as u64) else {
            return (0, Err(Error::new(operation, Kind::Io)));
        };
        if room == 0 && count != 0 {
            return (0, Err(Error::new(operation, Kind::NoSpace)));
        }
        (count.min(room as usize), Ok(()))
    }

    fn write(
        &mut self,
        operation: Operation,
        inode: InodeId,
        offset: u64,
        bytes: &[u8],
    ) -> Result<usize> {
        self.trace.detail([inode, offset]);
        self.trace.bytes(bytes);
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > FILE_BYTES_MAX) {
            return Err(Error::new(operation, Kind::FileTooLarge));
        }
        let (count, outcome) = self.plan_write(operation, inode, offset, bytes.len());
        let part = &bytes[..count];
        if part.is_empty() {
            return outcome.map(|()| 0);
        }
        let now = self.clock.real_ns();
        let odds = self.faults.odds.misdirected_write_ppm;
        if self.faults.rng.chance(odds) {
            let size = on(operation, self.disk.file(inode))?.volatile.bytes();
            let wrong = self.faults.rng.below(size + 1) & !(super::SECTOR_BYTES - 1);
            self.event(What::Fault(operation, Kind::Io), [inode, wrong]);
            on(
                operation,
                self.disk.misdirect(inode, offset, wrong, part, now),
            )?;
        } else {
            let change = Change::Write {
                offset,
                bytes: part.to_vec(),
            };
            on(operation, self.disk.change(inode, change, now))?;
        }
        self.show_in_maps(inode, offset, part);
        outcome.map(|()| count)
    }

    fn metadata(&self, inode: InodeId) -> DiskResult<Metadata> {
        let found = self.disk.inode(inode)?;
        let (bytes, kind) = match found.file() {
            Some(file) => (file.volatile.bytes(), FileKind::File),
            None => (0, FileKind::Directory),
        };
        Ok(Metadata::new(
            bytes,
            kind,
            found.modified_ns,
            inode,
            found.link_count,
        ))
    }
}

// SAFETY: read_at returns the count of bytes that Content::read initialised, at most the buffer's length.
unsafe impl Files for Sim {
    type File = SimFile;

    fn open(&self, path: &[u8], options: &OpenOptions) -> Result<SimFile> {
        let mut state = self.enter(Operation::Open)?;
        state.trace.bytes(path);
        let error = |kind| Error::new(Operation::Open, kind);
        if !options.is_valid() {
            return Err(error(Kind::InvalidInput));
        }
        let now = state.clock.real_ns();
        let inode = match (state.disk.find(path), options.create) {
            (Ok(_), Create::New) => return Err(error(Kind::AlreadyExists)),
            (Ok(inode), _) => inode,
            (Err(Kind::NotFound), Create::IfMissing | Create::New) => {
                on(Operation::Open, state.disk.create_file(path, now))?
            }
            (Err(kind), _) => return Err(error(kind)),
        };
        let file = on(Operation::Open, state.disk.file(inode))?;
        if options.truncate && file.volatile.bytes() != 0 {
            let cut = state.disk.change(inode, Change::SetLength(0), now);
            on(Operation::Open, cut)?;
        }
        state.disk.open(inode);
        let handle = state.handle();
        state.trace.detail([inode, handle]);
        drop(state);
        Ok(SimFile {
            sim: self.clone(),
            handle,
            inode,
            access: options.access,
            append: options.append,
        })
    }

    fn close(&self, file: SimFile) -> Result<()> {
        let mut state = self.enter(Operation::Close)?;
        state.trace.detail([file.inode, file.handle]);
        drop(state);
        self.owns(&file, Operation::Close)
    }

    fn read_at(
        &self,
        file: &SimFile,
        buffer: &mut [MaybeUninit<u8>],
        offset: u64,
    ) -> Result<usize> {
        self.owns(file, Operation::ReadAt)?;
        let mut state = self.enter(Operation::ReadAt)?;
        state.trace.detail([file.inode, offset]);
        if !file.reads() {
            return Err(Error::new(Operation::ReadAt, Kind::PermissionDenied));
        }
        state.read_back_maps(file.inode);
        let odds = state.faults.odds.short_read_ppm;
        let count = state.faults.shorten(buffer.len(), odds);
        let odds = state.faults.odds.bit_rot_ppm;
        if count != 0 && state.faults.rng.chance(odds) {
            let at = offset.saturating_add(state.faults.rng.below(count as u64));
            let bit = state.faults.rng.index(8) as u8;
            state.event(What::Fault(Operation::ReadAt, Kind::Io), [file.inode, at]);
            on(Operation::ReadAt, state.disk.flip(file.inode, at, bit))?;
        }
        let content = &on(Operation::ReadAt, state.disk.file(file.inode))?.volatile;
        Ok(content.read(offset, &mut buffer[..count]))
    }

    fn write_at(&self, file: &SimFile, bytes: &[u8], offset: u64) -> Result<usize> {
        self.owns(file, Operation::WriteAt)?;
        let mut state = self.step(Operation::WriteAt);
        state.alive(Operation::WriteAt)?;
        if !file.writes() {
            return Err(Error::new(Operation::WriteAt, Kind::PermissionDenied));
        }
        if file.append {
            return Err(Error::new(Operation::WriteAt, Kind::InvalidInput));
        }
        state.write(Operation::WriteAt, file.inode, offset, bytes)
    }

    fn append(&self, file: &SimFile, bytes: &[u8]) -> Result<usize> {
        self.owns(file, Operation::Append)?;
        let mut state = self.step(Operation::Append);
        state.alive(Operation::Append)?;
        if !file.append {
            return Err(Error::new(Operation::Append, Kind::InvalidInput));
        }
        let content = &on(Operation::Append, state.disk.file(file.inode))?.volatile;
        let end = content.bytes();
        state.write(Operation::Append, file.inode, end, bytes)
    }

    fn file_metadata(&self, file: &SimFile) -> Result<Metadata> {
        self.owns(file, Operation::Metadata)?;
        let state = self.enter(Operation::Metadata)?;
        on(Operation::Metadata, state.metadata(file.inode))
    }

    fn metadata(&self, path: &[u8]) -> Result<Metadata> {
        let mut state = self.enter(Operation::Metadata)?;
        state.trace.bytes(path);
        let inode = on(Operation::Metadata, state.disk.find(path))?;
        on(Operation::Metadata, state.metadata(inode))
    }

    fn set_length(&self, file: &SimFile, bytes: u64) -> Result<()> {
        self.change(file, Operation::SetLength, 0, bytes, |_| {
            Change::SetLength(bytes)
        })
    }

    fn preallocate(&self, file: &SimFile, offset: u64, bytes: u64) -> Result<()> {
        self.change(file, Operation::Preallocate, offset, bytes, |_| {
            Change::Preallocate { offset, bytes }
        })
    }

    fn punch(&self, file: &SimFile, offset: u64, bytes: u64) -> Result<()> {
        self.change(file, Operation::Punch, offset, bytes, |size| {
            let bytes = bytes.min(size.saturating_sub(offset));
            Change::Punch { offset, bytes }
        })
    }

    fn sync(&self, file: &SimFile, level: Durability) -> Result<Durability> {
        self.owns(file, Operation::Sync)?;
        let mut state = self.step(Operation::Sync);
        state.alive(Operation::Sync)?;
        state.trace.detail([file.inode, level as u64]);
        state.read_back_maps(file.inode);
        if let Err(error) = state.strike(Operation::Sync) {
            let State {
                disk, crash_rng, ..
            } = &mut *state;
            on(Operation::Sync, disk.fail_sync(file.inode, crash_rng))?;
            state.refresh_maps(file.inode);
            return Err(error);
        }
        if self.0.options.weak_data_sync && level == Durability::Data {
            return Ok(Durability::Data);
        }
        on(Operation::Sync, state.disk.file_mut(file.inode))?.sync();
        Ok(Durability::Full)
    }

    fn sync_directory(&self, path: &[u8]) -> Result<()> {
        let mut state = self.step(Operation::SyncDirectory);
        state.alive(Operation::SyncDirectory)?;
        state.trace.bytes(path);
        if let Err(error) = state.strike(Operation::SyncDirectory) {
            let State {
                disk, crash_rng, ..
            } = &mut *state;
            on(
                Operation::SyncDirectory,
                disk.fail_sync_directory(path, crash_rng),
            )?;
            return Err(error);
        }
        on(Operation::SyncDirectory, state.disk.sync_directory(path))
    }

    fn rename(&self, from: &[u8], to: &[u8]) -> Result<()> {
        self.name_call(Operation::Rename, [from, to], |state, now| {
            state.disk.rename(from, to, now)
        })
    }

    fn hard_link(&self, existing: &[u8], new: &[u8]) -> Result<()> {
        self.name_call(Operation::HardLink, [existing, new], |state, now| {
            state.disk.hard_link(existing, new, now)
        })
    }

    fn remove_file(&self, path: &[u8]) -> Result<()> {
        self.name_call(Operation::RemoveFile, [path, b""], |state, now| {
            state.disk.remove_file(path, now)
        })
    }

    fn create_directory(&self, path: &[u8]) -> Result<()> {
        self.name_call(Operation::CreateDirectory, [path, b""], |state, now| {
            state.disk.create_directory(path, now)
        })
    }

    fn remove_directory(&self, path: &[u8]) -> Result<()> {
        self.name_call(Operation::RemoveDirectory, [path, b""], |state, now| {
            state.disk.remove_directory(path, now)
        })
    }

    fn list(
        &self,
        path: &[u8],
        visit: &mut dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut state = self.enter(Operation::List)?;
        state.trace.bytes(path);
        let mut entries = on(Operation::List, state.disk.list(path))?;
        // In no particular order, and another one each time.
        state.disk_rng.shuffle(&mut entries);
        // The visitor may call the platform.
        drop(state);
        for (name, is_directory) in &entries {
            let kind = if *is_directory {
                FileKind::Directory
            } else {
                FileKind::File
            };
            if visit(DirectoryEntry::new(name, kind)).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn lock(&self, file: &SimFile, kind: LockKind) -> Result<()> {
        self.owns(file, Operation::Lock)?;
        let mut state = self.enter(Operation::Lock)?;
        state.trace.detail([file.inode, file.handle]);
        let locks = &mut on(Operation::Lock, state.disk.file_mut(file.inode))?.locks;
        let excludes =
            |other: LockKind| LockKind::Exclusive == kind || other == LockKind::Exclusive;
        if locks
            .iter()
            .any(|(holder, other)| *holder != file.handle && excludes(*other))
        {
            return Err(Error::new(Operation::Lock, Kind::Busy));
        }
        locks.insert(file.handle, kind);
        Ok(())
    }

    fn unlock(&self, file: &SimFile) -> Result<()> {
        self.owns(file, Operation::Unlock)?;
        let mut state = self.enter(Operation::Unlock)?;
        let locks = &mut on(Operation::Unlock, state.disk.file_mut(file.inode))?.locks;
        locks.remove(&file.handle);
        Ok(())
    }
}

impl Sim {
    /// A call that changes a file's shape; `change` gets its length.
    fn change(
        &self,
        file: &SimFile,
        operation: Operation,
        offset: u64,
        bytes: u64,
        change: impl FnOnce(u64) -> Change,
    ) -> Result<()> {
        self.owns(file, operation)?;
        let mut state = self.enter(operation)?;
        state.trace.detail([offset, bytes]);
        if !file.writes() {
            return Err(Error::new(operation, Kind::PermissionDenied));
        }
        if offset
            .checked_add(bytes)
            .is_none_or(|end| end > FILE_BYTES_MAX)
        {
            return Err(Error::new(operation, Kind::FileTooLarge));
        }
        state.read_back_maps(file.inode);
        let size = on(operation, state.disk.file(file.inode))?.volatile.bytes();
        let now = state.clock.real_ns();
        on(operation, state.disk.change(file.inode, change(size), now))?;
        state.refresh_maps(file.inode);
        Ok(())
    }
}
