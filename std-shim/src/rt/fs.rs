//! Files: open ones, and `std::fs`'s calls, one a future.
//!
//! A [`File`]'s reads and writes are done at once where the system's memory has what they need (Linux says so without waiting). All else is
//! done on threads for [`blocking`](super::blocking) work: a future that is dropped before a thread has begun its call does nothing;
//! afterwards the call runs to its end.
#![forbid(unsafe_code)]

use super::blocking::blocking;
use super::runtime::with;
use crate::sys::file_now::{read_now, write_at, write_now};
use crate::sys::read_at;
use core::future::poll_fn;
use std::fs::{Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that a call on a thread moves at most.
const CALL_BYTES: usize = 1 << 20;

/// An open file. Clones share it; it is closed with the last of them, and the last call.
#[derive(Clone, Debug)]
pub struct File(Arc<std::fs::File>);

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> Self {
        Self(Arc::new(file))
    }
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// As [`std::fs::File::open`].
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true);
        Self::open_with(options, path).await
    }

    /// Opens a file for reading and writing, makes it if it is not there and empties it if it is.
    ///
    /// # Errors
    /// As [`std::fs::File::create`].
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Self::open_with(options, path).await
    }

    /// Opens a file in this manner.
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
    /// As [`handle`](super::handle).
    pub async fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        turn().await;
        match read_now(&self.0, buffer, offset) {
            Some(result) => result,
            None => self.read_on_thread(buffer, offset).await,
        }
    }

    async fn read_on_thread(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let (file, room) = (self.0.clone(), buffer.len().min(CALL_BYTES));
        let bytes = blocking(move || {
            let mut bytes = vec![0; room];
            let count = read_at(&file, &mut bytes, offset)?;
            bytes.truncate(count);
            io::Result::Ok(bytes)
        });
        let bytes = bytes.await?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
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
    /// As [`handle`](super::handle).
    pub async fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        turn().await;
        match write_now(&self.0, bytes, offset) {
            Some(result) => result,
            None => self.write_on_thread(bytes, offset).await,
        }
    }

    async fn write_on_thread(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let file = self.0.clone();
        let bytes = bytes[..bytes.len().min(CALL_BYTES)].to_vec();
        blocking(move || write_at(&file, &bytes, offset)).await
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
    pub async fn sync_all(&self) -> io::Result<()> {
        self.on_thread(std::fs::File::sync_all).await
    }

    /// Waits until the content of the file is on the disk.
    ///
    /// # Errors
    /// As [`std::fs::File::sync_data`].
    pub async fn sync_data(&self) -> io::Result<()> {
        self.on_thread(std::fs::File::sync_data).await
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
        self.on_thread(std::fs::File::metadata).await
    }

    async fn on_thread<T: Send + 'static>(
        &self,
        call: impl FnOnce(&std::fs::File) -> T + Send + 'static,
    ) -> T {
        let file = self.0.clone();
        blocking(move || call(&file)).await
    }
}

/// Lets others run where this task has done enough.
async fn turn() {
    poll_fn(|cx| with(|handle| handle.poll_budget(cx))).await;
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident($path:ident $(, $more:ident)?) -> $output:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        #[doc = concat!("As [`std::fs::", stringify!($name), "`].")]
        pub async fn $name(
            $path: impl AsRef<Path>,
            $($more: impl AsRef<Path>,)?
        ) -> io::Result<$output> {
            let $path = $path.as_ref().to_owned();
            $(let $more = $more.as_ref().to_owned();)?
            blocking(move || std::fs::$name($path $(, $more)?)).await
        }
    )*};
}

calls! {
    /// The whole file.
    read(path) -> Vec<u8>;
    /// The whole file, which must be UTF-8.
    read_to_string(path) -> String;
    /// What is known about a file.
    metadata(path) -> Metadata;
    /// Makes a directory and those above it.
    create_dir_all(path) -> ();
    /// Removes a file.
    remove_file(path) -> ();
    /// Removes a directory and what is in it.
    remove_dir_all(path) -> ();
    /// Gives a file another name.
    rename(from, to) -> ();
    /// Copies a file, within the system where it can; returns its bytes.
    copy(from, to) -> u64;
}

/// Writes a whole file.
///
/// # Errors
/// As [`std::fs::write`].
pub async fn write(
    path: impl AsRef<Path>,
    bytes: impl AsRef<[u8]> + Send + 'static,
) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    blocking(move || std::fs::write(path, bytes)).await
}

/// The paths in a directory, in no order.
///
/// # Errors
/// As [`std::fs::read_dir`].
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<Vec<PathBuf>> {
    let path = path.as_ref().to_owned();
    blocking(move || {
        std::fs::read_dir(path)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect()
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_is_read_and_written_at_its_offsets() {
        let path = std::env::temp_dir().join(format!("underpin-rt-file-{}", std::process::id()));
        crate::rt::block_on(async {
            let file = File::create(&path).await.expect("made");
            let bytes: Vec<u8> = (0..200_000_u32).map(|i| i as u8).collect();
            file.write_all_at(&bytes, 3).await.expect("written");
            let count = file.write_on_thread(b"xyz", 0).await.expect("written");
            assert_eq!(count, 3);
            file.sync_all().await.expect("synced");
            assert_eq!(file.metadata().await.expect("known").len(), 200_003);
            let mut got = vec![0; 200_000];
            file.read_exact_at(&mut got, 3).await.expect("read");
            assert!(got == bytes);
            // As where the system's memory has nothing.
            got.fill(0);
            let count = file.read_on_thread(&mut got, 3).await.expect("read");
            assert!(count == 200_000 && got == bytes);
            file.read_exact_at(&mut got[..3], 0).await.expect("read");
            assert_eq!(&got[..3], b"xyz");
            // The end, and offsets that no file has.
            assert_eq!(file.read_at(&mut got, 200_003).await.expect("end"), 0);
            let short = file.read_exact_at(&mut got, 4).await.expect_err("short");
            assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
            assert!(file.read_at(&mut got, u64::MAX).await.is_err());
            file.set_len(2).await.expect("cut");
            drop(file);
            let file = File::open(&path).await.expect("opened");
            assert_eq!(file.read_at(&mut got, 0).await.expect("read"), 2);
            assert!(file.write_at(b"x", 0).await.is_err(), "read only");
            std::fs::remove_file(&path).expect("removed");
            assert!(File::open(&path).await.is_err());
        })
        .expect("a runtime");
    }

    #[test]
    fn a_task_that_reads_for_ever_lets_others_run() {
        crate::rt::block_on(async {
            let file = File::open(std::env::current_exe().expect("a path")).await;
            let file = file.expect("opened");
            let reading = crate::rt::spawn(async move {
                let mut buffer = [0; 16];
                while file.read_at(&mut buffer, 0).await.is_ok() {}
            });
            for _ in 0..3 {
                crate::rt::yield_now().await;
            }
            reading.abort();
        })
        .expect("a runtime");
    }

    #[test]
    fn what_was_written_is_read_and_what_is_not_there_is_an_error() {
        let dir = std::env::temp_dir().join(format!("underpin-rt-fs-{}", std::process::id()));
        crate::rt::block_on(async {
            create_dir_all(&dir).await.expect("made");
            let (one, two) = (dir.join("one"), dir.join("two"));
            write(&one, b"bytes".to_vec()).await.expect("written");
            assert_eq!(copy(&one, &two).await.expect("copied"), 5);
            rename(&two, dir.join("three")).await.expect("renamed");
            assert_eq!(
                read_to_string(dir.join("three")).await.expect("read"),
                "bytes"
            );
            assert_eq!(read_dir(&dir).await.expect("listed").len(), 2);
            let missing = read(&two).await.expect_err("renamed away");
            assert_eq!(missing.kind(), io::ErrorKind::NotFound);
            remove_dir_all(&dir).await.expect("removed");
            assert!(metadata(&dir).await.is_err());
        })
        .expect("a runtime");
    }
}
