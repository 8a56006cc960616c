//! Files of a layered platform.
#![allow(unsafe_code, reason = "forwards unsafe traits")]

use super::layered::{Call, Layer, Layered};
use crate::error::{Operation, Result};
use crate::platform::{
    DirectoryEntry, Durability, Files, LockKind, Map, MapAccess, Metadata, OpenOptions,
};
use core::mem::MaybeUninit;
use core::ops::ControlFlow;

// SAFETY: a read that succeeds is one of the inner platform into a prefix of the same buffer.
unsafe impl<P: Files, L: Layer> Files for Layered<P, L> {
    type File = P::File;

    fn open(&self, path: &[u8], options: &OpenOptions) -> Result<P::File> {
        self.pass(Call::of(Operation::Open), |inner| inner.open(path, options))
    }
    fn close(&self, file: P::File) -> Result<()> {
        self.pass(Call::of(Operation::Close), |inner| inner.close(file))
    }
    fn read_at(
        &self,
        file: &P::File,
        buffer: &mut [MaybeUninit<u8>],
        offset: u64,
    ) -> Result<usize> {
        let call = Call::over(Operation::ReadAt, offset, buffer.len() as u64);
        self.transfer(call, |inner, limit| {
            let bytes = buffer.len().min(limit);
            inner.read_at(file, &mut buffer[..bytes], offset)
        })
    }
    fn read_vectored_at(
        &self,
        file: &P::File,
        buffers: &mut [&mut [MaybeUninit<u8>]],
        offset: u64,
    ) -> Result<usize> {
        let total: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let call = Call::over(Operation::ReadAt, offset, total as u64);
        self.transfer(call, |inner, limit| {
            if limit >= total {
                return inner.read_vectored_at(file, buffers, offset);
            }
            match buffers.iter_mut().find(|buffer| !buffer.is_empty()) {
                Some(first) => {
                    let bytes = first.len().min(limit);
                    inner.read_at(file, &mut first[..bytes], offset)
                }
                None => Ok(0),
            }
        })
    }
    fn write_at(&self, file: &P::File, bytes: &[u8], offset: u64) -> Result<usize> {
        let call = Call::over(Operation::WriteAt, offset, bytes.len() as u64);
        self.transfer(call, |inner, limit| {
            inner.write_at(file, &bytes[..bytes.len().min(limit)], offset)
        })
    }
    fn write_vectored_at(&self, file: &P::File, slices: &[&[u8]], offset: u64) -> Result<usize> {
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        let call = Call::over(Operation::WriteAt, offset, total as u64);
        self.transfer(call, |inner, limit| {
            if limit >= total {
                return inner.write_vectored_at(file, slices, offset);
            }
            match slices.iter().find(|slice| !slice.is_empty()) {
                Some(first) => inner.write_at(file, &first[..first.len().min(limit)], offset),
                None => Ok(0),
            }
        })
    }
    fn append(&self, file: &P::File, bytes: &[u8]) -> Result<usize> {
        let call = Call::over(Operation::Append, 0, bytes.len() as u64);
        self.transfer(call, |inner, limit| {
            inner.append(file, &bytes[..bytes.len().min(limit)])
        })
    }
    fn file_metadata(&self, file: &P::File) -> Result<Metadata> {
        self.pass(Call::of(Operation::Metadata), |inner| {
            inner.file_metadata(file)
        })
    }
    fn metadata(&self, path: &[u8]) -> Result<Metadata> {
        self.pass(Call::of(Operation::Metadata), |inner| inner.metadata(path))
    }
    fn set_length(&self, file: &P::File, bytes: u64) -> Result<()> {
        let call = Call::over(Operation::SetLength, 0, bytes);
        self.pass(call, |inner| inner.set_length(file, bytes))
    }
    fn preallocate(&self, file: &P::File, offset: u64, bytes: u64) -> Result<()> {
        let call = Call::over(Operation::Preallocate, offset, bytes);
        self.pass(call, |inner| inner.preallocate(file, offset, bytes))
    }
    fn punch(&self, file: &P::File, offset: u64, bytes: u64) -> Result<()> {
        let call = Call::over(Operation::Punch, offset, bytes);
        self.pass(call, |inner| inner.punch(file, offset, bytes))
    }
    fn sync(&self, file: &P::File, level: Durability) -> Result<Durability> {
        self.pass(Call::of(Operation::Sync), |inner| inner.sync(file, level))
    }
    fn sync_directory(&self, path: &[u8]) -> Result<()> {
        self.pass(Call::of(Operation::SyncDirectory), |inner| {
            inner.sync_directory(path)
        })
    }
    fn rename(&self, from: &[u8], to: &[u8]) -> Result<()> {
        self.pass(Call::of(Operation::Rename), |inner| inner.rename(from, to))
    }
    fn hard_link(&self, existing: &[u8], new: &[u8]) -> Result<()> {
        self.pass(Call::of(Operation::HardLink), |inner| {
            inner.hard_link(existing, new)
        })
    }
    fn remove_file(&self, path: &[u8]) -> Result<()> {
        self.pass(Call::of(Operation::RemoveFile), |inner| {
            inner.remove_file(path)
        })
    }
    fn create_directory(&self, path: &[u8]) -> Result<()> {
        self.pass(Call::of(Operation::CreateDirectory), |inner| {
            inner.create_directory(path)
        })
    }
    fn remove_directory(&self, path: &[u8]) -> Result<()> {
        self.pass(Call::of(Operation::RemoveDirectory), |inner| {
            inner.remove_directory(path)
        })
    }
    fn list(
        &self,
        path: &[u8],
        visit: &mut dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        self.pass(Call::of(Operation::List), |inner| inner.list(path, visit))
    }
    fn lock(&self, file: &P::File, kind: LockKind) -> Result<()> {
        self.pass(Call::of(Operation::Lock), |inner| inner.lock(file, kind))
    }
    fn unlock(&self, file: &P::File) -> Result<()> {
        self.pass(Call::of(Operation::Unlock), |inner| inner.unlock(file))
    }
}

impl<P: Map, L: Layer> Map for Layered<P, L> {
    type Mapping = P::Mapping;

    unsafe fn map(
        &self,
        file: &P::File,
        offset: u64,
        bytes: usize,
        access: MapAccess,
    ) -> Result<P::Mapping> {
        let call = Call::over(Operation::Map, offset, bytes as u64);
        // SAFETY: the caller's promise.
        self.pass(call, |inner| unsafe {
            inner.map(file, offset, bytes, access)
        })
    }
    fn flush_map(&self, mapping: &P::Mapping, offset: usize, bytes: usize) -> Result<()> {
        let call = Call::over(Operation::FlushMap, offset as u64, bytes as u64);
        self.pass(call, |inner| inner.flush_map(mapping, offset, bytes))
    }
}
