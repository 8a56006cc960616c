//! The methods that every stream and half of one has.
//!
//! Futures are made by hand: an async function keeps its arguments twice, and the task of an idle connection has room for them.
#![forbid(unsafe_code)]

/// Slices that one call takes at most; what is behind them is for the next.
pub(super) const SLICES_MAX: usize = 16;

macro_rules! reading {
    () => {
        /// Waits for bytes and gives them in a buffer of the runtime's; none are the end. Cancel-safe, and no buffer is held
        /// while it waits.
        ///
        /// # Errors
        /// The connection's.
        pub fn receive(&mut self) -> impl Future<Output = io::Result<Lease>> {
            poll_fn(|cx| self.0.poll_receive(cx).map(ResultExt::into_io))
        }

        /// Reads what is there into `buffer`; 0 is the end. Cancel-safe.
        ///
        /// # Errors
        /// The connection's.
        pub fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
            poll_fn(|cx| self.0.poll_read(cx, buffer).map(ResultExt::into_io))
        }

        /// As [`read`](Self::read), into several buffers in turn.
        ///
        /// # Errors
        /// The connection's.
        pub async fn read_vectored(&mut self, buffers: &mut [&mut [u8]]) -> io::Result<usize> {
            self.0.read_vectored(buffers).await.into_io()
        }

        /// As [`read_vectored`](Self::read_vectored), for hand-written futures and the traits of others.
        ///
        /// # Errors
        /// As `read`.
        pub fn poll_read_vectored(
            &mut self,
            cx: &mut Context<'_>,
            buffers: &mut [IoSliceMut<'_>],
        ) -> Poll<io::Result<usize>> {
            // Without empty ones, behind which others might not be reached.
            let mut buffers = buffers.iter_mut().filter(|buffer| !buffer.is_empty());
            let mut list: [&mut [u8]; SLICES_MAX] = core::array::from_fn(|_| {
                buffers.next().map_or(&mut [][..], |buffer| &mut **buffer)
            });
            let count = list.partition_point(|buffer| !buffer.is_empty());
            let polled = self.0.poll_read_vectored(cx, &mut list[..count]);
            polled.map(ResultExt::into_io)
        }

        /// Fills `buffer`. Not cancel-safe: when dropped, a part may have been read into it.
        ///
        /// # Errors
        /// The connection's; its end.
        pub async fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
            self.0.read_exact(buffer).await.into_io()
        }

        /// As [`read`](Self::read), for hand-written futures.
        ///
        /// # Errors
        /// As `read`.
        pub fn poll_read(
            &mut self,
            cx: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            self.0.poll_read(cx, buffer).map(ResultExt::into_io)
        }

        /// As [`poll_read`](Self::poll_read), into memory that need not be initialised; so many of its first bytes then are.
        ///
        /// # Errors
        /// As `read`.
        pub fn poll_read_uninit(
            &mut self,
            cx: &mut Context<'_>,
            buffer: &mut [MaybeUninit<u8>],
        ) -> Poll<io::Result<usize>> {
            self.0.poll_read_uninit(cx, buffer).map(ResultExt::into_io)
        }
    };
}

macro_rules! writing {
    () => {
        /// Writes as many of `bytes` as fit. Cancel-safe: a dropped future wrote nothing.
        ///
        /// # Errors
        /// The connection's.
        pub fn write(&mut self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
            poll_fn(move |cx| self.0.poll_write(cx, bytes).map(ResultExt::into_io))
        }

        /// As [`write`](Self::write), from several slices in turn.
        ///
        /// # Errors
        /// As `write`.
        pub async fn write_vectored(&mut self, slices: &[&[u8]]) -> io::Result<usize> {
            self.0.write_vectored(slices).await.into_io()
        }

        /// Writes all of `bytes`. Not cancel-safe: when dropped, a part may have been written.
        ///
        /// # Errors
        /// The connection's.
        pub fn write_all(&mut self, mut bytes: &[u8]) -> impl Future<Output = io::Result<()>> {
            poll_fn(move |cx| {
                while !bytes.is_empty() {
                    let count = ready!(self.0.poll_write(cx, bytes)).into_io()?;
                    bytes = &bytes[count..];
                }
                Poll::Ready(Ok(()))
            })
        }

        /// As [`write`](Self::write), for hand-written futures.
        ///
        /// # Errors
        /// As `write`.
        pub fn poll_write(
            &mut self,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.poll_write(cx, bytes).map(ResultExt::into_io)
        }

        /// As [`write_vectored`](Self::write_vectored), for hand-written futures and the traits of others.
        ///
        /// # Errors
        /// As `write`.
        pub fn poll_write_vectored(
            &mut self,
            cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let mut slices = slices.iter().filter(|slice| !slice.is_empty());
            let list: [&[u8]; SLICES_MAX] =
                core::array::from_fn(|_| slices.next().map_or(&[][..], |slice| &**slice));
            let count = list.partition_point(|slice| !slice.is_empty());
            let polled = self.0.poll_write_vectored(cx, &list[..count]);
            polled.map(ResultExt::into_io)
        }

        /// Ends one direction or both. What was written before still arrives.
        ///
        /// # Errors
        /// The connection's.
        pub fn shutdown(&mut self, how: ShutdownHow) -> io::Result<()> {
            self.0.shutdown(how).into_io()
        }

        /// Ends the writing direction, for traits that close; a connection that is gone is closed.
        #[cfg(any(feature = "futures-io-v0_3", feature = "hyper-v1"))]
        pub(in crate::rt) fn end_writing(&mut self) -> io::Result<()> {
            match self.shutdown(ShutdownHow::Write) {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
                result => result,
            }
        }
    };
}

pub(super) use {reading, writing};
