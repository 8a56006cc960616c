//! Buffered reading and writing: lines, and frames with their length in front.
//!
//! Every stream of this module is a [`PollRead`] or [`PollWrite`] or both. What is read ahead stays in the reader, so a future of
//! [`BufReader`] may be dropped at any point: the next call goes on where it was. Everything has a bound that the caller names: a peer
//! that never ends its line costs so many bytes and no more.
#![forbid(unsafe_code)]

use super::net::{ReadHalf, TcpStream, UnixStream, WriteHalf};
use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use std::io;

/// Bytes that a [`BufReader`] asks for at a time.
const READ_BYTES: usize = 8 << 10;

/// Something to read bytes from.
pub trait PollRead {
    /// Reads what is there into `buffer`; 0 is the end. A call that gives `Pending` has taken nothing.
    ///
    /// # Errors
    /// The source's.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;
}

/// Something to write bytes to.
pub trait PollWrite {
    /// Writes as many of `bytes` as fit. A call that gives `Pending` has written nothing.
    ///
    /// # Errors
    /// The sink's.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Waits until what was written has left the process. Sinks that hold nothing back have nothing to do.
    ///
    /// # Errors
    /// The sink's.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }
}

macro_rules! streams {
    (read: $($read:ty),*; write: $($write:ty),*;) => {
        $(impl PollRead for $read {
            fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
                <$read>::poll_read(self, cx, buffer)
            }
        })*
        $(impl PollWrite for $write {
            fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                <$write>::poll_write(self, cx, bytes)
            }
        })*
    };
}

streams! {
    read: TcpStream, UnixStream, ReadHalf;
    write: TcpStream, UnixStream, WriteHalf;
}

impl<R: PollRead + ?Sized> PollRead for &mut R {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        (**self).poll_read(cx, buffer)
    }
}

impl<W: PollWrite + ?Sized> PollWrite for &mut W {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        (**self).poll_write(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_flush(cx)
    }
}

/// Writes all of `bytes`. Not cancel-safe: when dropped, a part may have been written.
///
/// # Errors
/// The sink's; `WriteZero` if it takes nothing.
pub async fn write_all(sink: &mut (impl PollWrite + ?Sized), mut bytes: &[u8]) -> io::Result<()> {
    poll_fn(|cx| {
        while !bytes.is_empty() {
            match ready!(sink.poll_write(cx, bytes))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => bytes = &bytes[count..],
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}

/// Reads to the end. Not cancel-safe: what was read goes with the future.
///
/// # Errors
/// `InvalidData` if more than `bytes_max` come; the source's.
pub async fn read_to_end(
    source: &mut (impl PollRead + ?Sized),
    bytes_max: usize,
) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match poll_fn(|cx| source.poll_read(cx, &mut buffer)).await? {
            0 => return Ok(all),
            count if count > bytes_max - all.len() => return Err(too_long()),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "longer than the reader allows")
}

/// Reads ahead from `R`. Holds a buffer while it holds bytes, and none while it waits without any.
#[derive(Debug)]
pub struct BufReader<R> {
    source: R,
    /// Bytes that were read and not consumed are those from `start` on.
    buffer: Vec<u8>,
    start: usize,
    /// Of the bytes that are there, so many were searched for the end of a line.
    searched: usize,
}

impl<R: PollRead> BufReader<R> {
    /// A reader over `source`.
    pub const fn new(source: R) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
        }
    }

    /// What it reads from. Bytes that were read ahead are not there any more.
    pub const fn get_mut(&mut self) -> &mut R {
        &mut self.source
    }

    /// The source, and the bytes that were read ahead.
    pub fn into_parts(mut self) -> (R, Vec<u8>) {
        drop(self.buffer.drain(..self.start));
        (self.source, self.buffer)
    }

    /// Bytes that were read ahead.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Takes `count` of the bytes that were read ahead.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.buffered().len(), "more than was read");
        self.start += count;
        self.searched = 0;
        if self.start == self.buffer.len() {
            self.start = 0;
            // One large frame must not hold its memory for ever.
            if self.buffer.capacity() > 8 * READ_BYTES {
                self.buffer = Vec::new();
            } else {
                self.buffer.clear();
            }
        }
    }

    /// Reads more behind what is there; false at the end.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.start > 0 {
            // Moves what is left of a frame, and so each byte at most once a read.
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let held = self.buffer.len();
        self.buffer.resize(held + READ_BYTES, 0);
        let polled = self.source.poll_read(cx, &mut self.buffer[held..]);
        let count = match &polled {
            Poll::Ready(Ok(count)) => *count,
            _ => 0,
        };
        self.buffer.truncate(held + count);
        if self.buffer.is_empty() {
            // Nothing is held while it waits.
            self.buffer = Vec::new();
        }
        polled.map_ok(|count| count > 0)
    }

    /// The bytes that were read ahead, after waiting for some if there are none; empty at the end. Cancel-safe.
    ///
    /// # Errors
    /// The source's.
    pub async fn fill(&mut self) -> io::Result<&[u8]> {
        if self.buffered().is_empty() {
            poll_fn(|cx| self.poll_more(cx)).await?;
        }
        Ok(self.buffered())
    }

    /// The next line without its end (`\n` or `\r\n`); `None` at the end. A last line may lack its end. Cancel-safe.
    ///
    /// # Errors
    /// `InvalidData` for a line of more than `bytes_max` bytes or one that is no UTF-8: the first says so again at each call, since what
    /// follows has no beginning; the second has consumed its line. The source's.
    pub async fn next_line(&mut self, bytes_max: usize) -> io::Result<Option<String>> {
        let line = poll_fn(|cx| self.poll_line(cx, bytes_max)).await?;
        line.map(|line| {
            String::from_utf8(line)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        })
        .transpose()
    }

    fn poll_line(
        &mut self,
        cx: &mut Context<'_>,
        bytes_max: usize,
    ) -> Poll<io::Result<Option<Vec<u8>>>> {
        loop {
            let held = self.buffered();
            let searched = self.searched;
            let end = held[searched..].iter().position(|&byte| byte == b'\n');
            let (line, consumed) = match end {
                Some(at) => (&held[..searched + at], searched + at + 1),
                None => (held, held.len()),
            };
            let is_whole = end.is_some();
            let line = match line.strip_suffix(b"\r") {
                Some(line) if is_whole => line,
                _ => line,
            };
            // One more while it may be the `\r` of the end.
            if line.len() > bytes_max.saturating_add(usize::from(!is_whole)) {
                return Poll::Ready(Err(too_long()));
            }
            if is_whole {
                let line = line.to_vec();
                self.consume(consumed);
                return Poll::Ready(Ok(Some(line)));
            }
            self.searched = consumed;
            if !ready!(self.poll_more(cx))? {
                let last = self.buffered().to_vec();
                if last.len() > bytes_max {
                    return Poll::Ready(Err(too_long()));
                }
                self.consume(last.len());
                return Poll::Ready(Ok(Some(last).filter(|last| !last.is_empty())));
            }
        }
    }

    /// The next frame that [`frame`] made; `None` at an end between two frames. Cancel-safe.
    ///
    /// # Errors
    /// `InvalidData` for a frame of more than `bytes_max` bytes, before any of it is held, and again at each call; `UnexpectedEof` for an
    /// end within one; the source's.
    pub async fn next_frame(&mut self, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        poll_fn(|cx| self.poll_frame(cx, bytes_max)).await
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        bytes_max: usize,
    ) -> Poll<io::Result<Option<Vec<u8>>>> {
        loop {
            if let Some((length, rest)) = self.buffered().split_first_chunk::<4>() {
                let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
                if length > bytes_max {
                    return Poll::Ready(Err(too_long()));
                }
                if let Some(frame) = rest.get(..length) {
                    let frame = frame.to_vec();
                    self.consume(4 + length);
                    return Poll::Ready(Ok(Some(frame)));
                }
            }
            if !ready!(self.poll_more(cx))? {
                return Poll::Ready(if self.buffered().is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                });
            }
        }
    }
}

impl<R: PollRead> PollRead for BufReader<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.buffered().is_empty() {
            return self.source.poll_read(cx, buffer);
        }
        let count = self.buffered().len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.buffered()[..count]);
        self.consume(count);
        Poll::Ready(Ok(count))
    }
}

/// Gathers small writes for `W`. What was not [flushed](Self::flush) is lost when it is dropped.
#[derive(Debug)]
pub struct BufWriter<W> {
    sink: W,
    /// What is to be written, from `start` on.
    buffer: Vec<u8>,
    start: usize,
    bytes_max: usize,
}

impl<W: PollWrite> BufWriter<W> {
    /// A writer that holds at most about `bytes_max` bytes back.
    pub const fn new(sink: W, bytes_max: usize) -> Self {
        Self {
            sink,
            buffer: Vec::new(),
            start: 0,
            bytes_max,
        }
    }

    /// What it writes to.
    pub const fn get_mut(&mut self) -> &mut W {
        &mut self.sink
    }

    /// Adds `bytes`; writes first if they do not fit. Cancel-safe: a dropped future added all of them or none.
    ///
    /// # Errors
    /// The sink's; then nothing of `bytes` was added.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() - self.start + bytes.len() > self.bytes_max {
            poll_fn(|cx| self.poll_drain(cx)).await?;
        }
        self.forget_written();
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Adds a frame for [`BufReader::next_frame`]. Cancel-safe, as [`write`](Self::write).
    ///
    /// # Errors
    /// As `write`; `InvalidInput` for 2^32 bytes and more.
    pub async fn write_frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = frame(bytes)?;
        if self.buffer.len() - self.start + 4 + bytes.len() > self.bytes_max {
            poll_fn(|cx| self.poll_drain(cx)).await?;
        }
        self.forget_written();
        self.buffer.extend_from_slice(&length);
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what is held back. Cancel-safe: what was not written yet stays.
    ///
    /// # Errors
    /// The sink's; `WriteZero` if it takes nothing.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| {
            ready!(self.poll_drain(cx))?;
            self.sink.poll_flush(cx)
        })
        .await
    }

    /// Gives back the room of what was written, when that is at least as much as what has to move for it.
    fn forget_written(&mut self) {
        if self.start >= self.buffer.len() - self.start {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What stays is not moved to the front, which would cost as much at each wake as all of it.
        while self.start < self.buffer.len() {
            let rest = &self.buffer[self.start..];
            match ready!(self.sink.poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.start += count,
            }
        }
        self.buffer.clear();
        self.start = 0;
        Poll::Ready(Ok(()))
    }
}

/// What goes in front of a frame of these bytes: their number, 4 bytes, the most significant first.
///
/// # Errors
/// `InvalidInput` for 2^32 bytes and more.
pub fn frame(bytes: &[u8]) -> io::Result<[u8; 4]> {
    u32::try_from(bytes.len())
        .map(u32::to_be_bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt;
    use std::collections::VecDeque;

    /// Gives and takes pieces of the lengths that it was told, with a `Pending` before each.
    #[derive(Default)]
    struct Pieces {
        bytes: VecDeque<u8>,
        lengths: VecDeque<usize>,
        ready: bool,
    }

    impl Pieces {
        fn of(bytes: &[u8], piece: usize) -> Self {
            Self {
                bytes: bytes.iter().copied().collect(),
                lengths: core::iter::repeat_n(piece, bytes.len() + 1).collect(),
                ready: false,
            }
        }

        fn next(&mut self, cx: &Context<'_>) -> Poll<usize> {
            self.ready = !self.ready;
            if self.ready {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(self.lengths.pop_front().unwrap_or(0))
        }
    }

    impl PollRead for Pieces {
        fn poll_read(
            &mut self,
            cx: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let piece = ready!(self.next(cx));
            let count = piece.min(buffer.len()).min(self.bytes.len());
            for (to, from) in buffer.iter_mut().zip(self.bytes.drain(..count)) {
                *to = from;
            }
            Poll::Ready(Ok(count))
        }
    }

    impl PollWrite for Pieces {
        fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let count = ready!(self.next(cx)).min(bytes.len());
            self.bytes.extend(&bytes[..count]);
            Poll::Ready(Ok(count))
        }
    }

    /// Polls each future once and drops it, until one is ready: as `select!` in a loop does.
    macro_rules! dropped_until_ready {
        ($future:expr) => {
            loop {
                let mut future = core::pin::pin!($future);
                let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
                if let Poll::Ready(output) = polled {
                    break output;
                }
            }
        };
    }

    #[test]
    fn lines_come_whole_whatever_the_pieces_and_though_futures_are_dropped() {
        rt::block_on(async {
            for piece in [1, 2, 3, 7, 100] {
                let text = b"one\r\n\ntwo\rtwo\nlast";
                let mut reader = BufReader::new(Pieces::of(text, piece));
                for line in ["one", "", "two\rtwo", "last"] {
                    let got = dropped_until_ready!(reader.next_line(7)).expect("a line");
                    assert_eq!(got.as_deref(), Some(line), "pieces of {piece}");
                }
                assert_eq!(
                    dropped_until_ready!(reader.next_line(7)).expect("end"),
                    None
                );
            }
        })
        .expect("a runtime");
    }

    #[test]
    fn what_is_too_long_or_no_text_is_an_error_and_costs_no_more_than_its_bound() {
        rt::block_on(async {
            for piece in [1, 3, 9_000] {
                let mut reader = BufReader::new(Pieces::of(&vec![b'x'; 20_000], piece));
                for _ in 0..2 {
                    let error = reader.next_line(100).await.expect_err("too long");
                    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                }
                assert!(reader.buffered().len() <= 101 + READ_BYTES);

                // The last line, one byte too long and without an end.
                let mut reader = BufReader::new(Pieces::of(b"abcd", piece));
                assert!(reader.next_line(3).await.is_err());
                assert_eq!(
                    reader.next_line(4).await.expect("fits").as_deref(),
                    Some("abcd")
                );

                let mut reader = BufReader::new(Pieces::of(b"\xff\nnext\n", piece));
                assert!(reader.next_line(9).await.is_err());
                assert_eq!(
                    reader.next_line(9).await.expect("text").as_deref(),
                    Some("next")
                );

                let mut reader = BufReader::new(Pieces::of(b"\xff\xff\xff\xff and more", piece));
                for _ in 0..2 {
                    let error = reader.next_frame(1 << 20).await.expect_err("too long");
                    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                }
                assert!(reader.buffer.capacity() <= 2 * READ_BYTES);

                let mut reader = BufReader::new(Pieces::of(b"\0\0\0\x05four", piece));
                let error = reader.next_frame(9).await.expect_err("cut");
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            }
        })
        .expect("a runtime");
    }

    #[test]
    fn frames_come_as_they_were_written_though_futures_are_dropped() {
        rt::block_on(async {
            for piece in [7, 500, 9_000] {
                let frames = [vec![], vec![1; 3], vec![2; 9_000], vec![3; 1]];
                let mut writer = BufWriter::new(Pieces::default(), 64);
                writer.sink.lengths = core::iter::repeat_n(piece, 50_000).collect();
                for frame in &frames {
                    dropped_until_ready!(writer.write_frame(frame)).expect("written");
                }
                dropped_until_ready!(writer.flush()).expect("flushed");
                let sent: Vec<u8> = writer.sink.bytes.into();
                let mut reader = BufReader::new(Pieces::of(&sent, piece));
                for frame in &frames {
                    let got = dropped_until_ready!(reader.next_frame(9_000)).expect("a frame");
                    assert_eq!(got.as_ref(), Some(frame));
                }
                assert_eq!(reader.next_frame(9_000).await.expect("the end"), None);
            }
            let mut full = BufWriter::new(Pieces::default(), 0);
            full.write(b"x").await.expect("held");
            assert_eq!(
                full.flush().await.expect_err("no room").kind(),
                io::ErrorKind::WriteZero
            );
        })
        .expect("a runtime");
    }
}
