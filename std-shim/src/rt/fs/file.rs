//! Open files.
#![forbid(unsafe_code)]

use crate::rt::blocking::blocking;
use crate::rt::runtime::{handle, with};
use crate::sys::open_file::{OpenFile, RingFile};
use crate::sys::{
    Buffer, Create, Durability, FileOp, Op, Outcome, ResultExt, RingBackend, path_bytes,
};
use core::future::poll_fn;
use std::fs::{Metadata, OpenOptions};
use std::io;
use std::path::Path;
use underpin_core::exec::Performed;

/// Bytes that a call which waits moves at most.
const CALL_BYTES: usize = 1 << 20;

/// An open file. Clones share it; it is closed with the last of them, and the last call.
#[derive(Clone, Debug)]
pub struct File(OpenFile);

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> Self {
        Self(file.into())
    }
}

impl File {
    /// Opens a file for reading. Cancel-safe.
    ///
    /// # Errors
    /// As [`std::fs::File::open`].
    ///
    /// # Panics
    /// As [`handle`](crate::rt::handle).
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        match Self::open_on_ring(path, crate::sys::OpenOptions::read()).await {
            Some(result) => result,
            None => {
                let mut options = OpenOptions::new();
                options.read(true);
                Self::open_with(options, path).await
            }
        }
    }

    /// Opens a file for reading and writing, makes it if it is not there and empties it if it is. When dropped, that may have happened.
    ///
    /// # Errors
    /// As [`std::fs::File::create`].
    ///
    /// # Panics
    /// As [`handle`](crate::rt::handle).
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let options = crate::sys::OpenOptions::read_write()
            .with_create(Create::IfMissing)
            .with_truncate();
        match Self::open_on_ring(path, options).await {
            Some(result) => result,
            None => {
                let mut options = OpenOptions::new();
                options.read(true).write(true).create(true).truncate(true);
                Self::open_with(options, path).await
            }
        }
    }

    async fn open_on_ring(
        path: &Path,
        options: crate::sys::OpenOptions,
    ) -> Option<io::Result<Self>> {
        let performed = on_ring(|| FileOp::Open {
            path: Buffer::from(path_bytes(path).to_vec()),
            options,
        });
        match performed.await?.result {
            Ok(Outcome::Opened { file }) => OpenFile::of_ring(file).map(|file| Ok(Self(file))),
            result => Some(Err(failure(result))),
        }
    }

    /// Opens a file in this manner, on a thread.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub async fn open_with(options: OpenOptions, path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        blocking(move || options.open(path).map(Self::from)).await
    }

    /// Reads at `offset`, at most `buffer.len()` bytes and perhaps fewer; 0 is the file's end. Cancel-safe.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Panics
    /// As [`handle`](crate::rt::handle).
    pub async fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        turn().await;
        match self.0.read_now(buffer, offset) {
            Some(result) => result,
            None => self.read_later(buffer, offset).await,
        }
    }

    /// As where the system's memory has nothing.
    pub(super) async fn read_later(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let room = buffer.len().min(CALL_BYTES);
        let performed = self.on_ring(|file| FileOp::ReadAt {
            file,
            buffer: Buffer::with_capacity(room),
            offset,
        });
        let bytes = match performed.await {
            Some(Performed {
                result: Ok(Outcome::Transferred { .. }),
                buffer,
                ..
            }) => buffer.and_then(Buffer::into_vec).unwrap_or_default(),
            Some(performed) => return Err(failure(performed.result)),
            None => {
                let read = self.on_thread(move |file| {
                    let mut bytes = vec![0; room];
                    let count = file.read_at(&mut bytes, offset)?;
                    bytes.truncate(count);
                    io::Result::Ok(bytes)
                });
                read.await?
            }
        };
        // The ring may have had a little more room.
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at); `UnexpectedEof`.
    ///
    /// # Panics
    /// As `read_at`.
    pub async fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self
                .read_at(&mut buffer[filled..], offset + filled as u64)
                .await?
            {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            }
        }
        Ok(())
    }

    /// Writes at `offset`, perhaps fewer bytes than there are, and returns how many. When dropped, the bytes may still be written.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Panics
    /// As [`handle`](crate::rt::handle).
    pub async fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        turn().await;
        match self.0.write_now(bytes, offset) {
            Some(result) => result,
            None => self.write_later(bytes, offset).await,
        }
    }

    /// As where the system's memory has no room.
    pub(super) async fn write_later(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(CALL_BYTES)];
        let performed = self.on_ring(|file| FileOp::WriteAt {
            file,
            buffer: Buffer::from(bytes.to_vec()),
            start: 0,
            offset,
        });
        match performed.await.map(|performed| performed.result) {
            Some(Ok(Outcome::Transferred { bytes })) => Ok(bytes),
            Some(result) => Err(failure(result)),
            None => {
                let bytes = bytes.to_vec();
                self.on_thread(move |file| file.write_at(&bytes, offset))
                    .await
            }
        }
    }

    /// Writes all of `bytes` from `offset` on. When dropped, a part may have been written, or be written yet.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at); `WriteZero`.
    ///
    /// # Panics
    /// As `write_at`.
    pub async fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(bytes, offset).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => {
                    bytes = &bytes[count..];
                    offset += count as u64;
                }
            }
        }
        Ok(())
    }

    /// Waits until content and facts of the file are on the disk.
    ///
    /// # Errors
    /// As [`std::fs::File::sync_all`].
    ///
    /// # Panics
    /// As [`handle`](crate::rt::handle).
    pub async fn sync_all(&self) -> io::Result<()> {
        match self.sync_on_ring(Durability::Full).await {
            Some(result) => result,
            None => self.on_thread(OpenFile::sync_all).await,
        }
    }

    /// Waits until the content of the file is on the disk.
    ///
    /// # Errors
    /// As [`std::fs::File::sync_data`].
    ///
    /// # Panics
    /// As [`handle`](crate::rt::handle).
    pub async fn sync_data(&self) -> io::Result<()> {
        match self.sync_on_ring(Durability::Data).await {
            Some(result) => result,
            None => self.on_thread(OpenFile::sync_data).await,
        }
    }

    async fn sync_on_ring(&self, level: Durability) -> Option<io::Result<()>> {
        let performed = self.on_ring(|file| FileOp::Sync { file, level });
        Some(match performed.await?.result {
            Ok(Outcome::Synced { .. }) => Ok(()),
            result => Err(failure(result)),
        })
    }

    /// Cuts the file, or fills it up with zeros.
    ///
    /// # Errors
    /// As [`std::fs::File::set_len`].
    pub async fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.on_thread(move |file| file.set_len(bytes)).await
    }

    /// What is known about the file.
    ///
    /// # Errors
    /// As [`std::fs::File::metadata`].
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.on_thread(OpenFile::metadata).await
    }

    async fn on_ring(
        &self,
        op: impl FnOnce(RingFile) -> FileOp<RingFile>,
    ) -> Option<Performed<RingFile>> {
        let file = self.0.for_ring()?;
        on_ring(|| op(file)).await
    }

    async fn on_thread<T: Send + 'static>(
        &self,
        call: impl FnOnce(&OpenFile) -> T + Send + 'static,
    ) -> T {
        let file = self.0.clone();
        blocking(move || call(&file)).await
    }
}

/// Has this thread's ring do an operation on a file. `None` if it did not take it: then a thread does.
async fn on_ring(op: impl FnOnce() -> FileOp<RingFile>) -> Option<Performed<RingFile>> {
    let handle = handle();
    if handle.ring_backend() != RingBackend::Completion {
        return None;
    }
    handle.perform(Op::File(op())).await.ok()
}

/// The error in what an operation on a file came to.
fn failure(result: crate::sys::Result<Outcome<RingFile>>) -> io::Error {
    match result.into_io() {
        Err(error) => error,
        Ok(_) => io::Error::other("the ring did something else"),
    }
}

/// Lets others run where this task has done enough.
async fn turn() {
    poll_fn(|cx| with(|handle| handle.poll_budget(cx))).await;
}
