//! A connection: leased receives, reads into the caller's memory, writes from it.
#![allow(
    unsafe_code,
    reason = "bytes that a call says it wrote are initialised"
)]

use super::readiness::Readiness;
use crate::error::{Error, Kind, Operation, Result};
use crate::exec::buffers::Lease;
use crate::exec::executor::Handle;
use crate::exec::host::Host;
use crate::platform::{Interest, Net, Reactor, ShutdownHow};
use alloc::rc::Rc;
use core::fmt;
use core::future::poll_fn;
use core::mem::MaybeUninit;
use core::net::SocketAddr;
use core::task::{Context, Poll, ready};
use core::time::Duration;

/// Both directions of a connection share this.
struct Connection<P: Reactor, H: Host> {
    handle: Handle<P, H>,
    socket: P::Socket,
    read: Readiness,
    write: Readiness,
}

impl<P: Reactor, H: Host> Connection<P, H> {
    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Poll<Result<usize>> {
        let shared = &*self.handle.0;
        let room = buffer.len();
        self.read.poll(
            shared,
            &self.socket,
            cx,
            // 0 is the end, which stays readable.
            |&count| count > 0 && count < room,
            || shared.platform.try_receive(&self.socket, buffer),
        )
    }

    fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [&mut [u8]],
    ) -> Poll<Result<usize>> {
        let shared = &*self.handle.0;
        // A list of buffers may be cut for its length, or to the first of them, so only what that one has room for is sure to be asked.
        let mut rooms = buffers.iter().map(|buffer| buffer.len());
        let room = rooms.find(|&room| room > 0).unwrap_or(0);
        self.read.poll(
            shared,
            &self.socket,
            cx,
            |&count| count > 0 && count < room,
            || shared.platform.try_receive_vectored(&self.socket, buffers),
        )
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<Result<Lease>> {
        let shared = &*self.handle.0;
        let mut lease = shared.buffers.lease();
        let room = lease.spare_mut().len();
        let received = self.read.poll(
            shared,
            &self.socket,
            cx,
            |&count| count > 0 && count < room,
            || shared.platform.try_receive(&self.socket, lease.spare_mut()),
        );
        received.map_ok(|count| {
            // SAFETY: the contract of `try_receive`.
            unsafe { lease.advance(count) };
            lease
        })
    }

    fn poll_write(&self, cx: &mut Context<'_>, slices: &[&[u8]]) -> Poll<Result<usize>> {
        let shared = &*self.handle.0;
        // A list of slices may be cut for its length, so only one slice tells that the system took less than it was given.
        let total = match slices {
            [slice] => slice.len(),
            _ => 0,
        };
        self.write.poll(
            shared,
            &self.socket,
            cx,
            |&count| count < total,
            || match slices {
                [slice] => shared.platform.try_send(&self.socket, slice),
                slices => shared.platform.try_send_vectored(&self.socket, slices),
            },
        )
    }
}

impl<P: Reactor, H: Host> Drop for Connection<P, H> {
    fn drop(&mut self) {
        self.read.close(&self.handle.0);
        self.write.close(&self.handle.0);
    }
}

/// A connection. It is closed when it, or the last of its halves, is dropped.
pub struct TcpStream<P: Reactor, H: Host>(Connection<P, H>);

/// The reading half of a connection.
pub struct ReadHalf<P: Reactor, H: Host>(Rc<Connection<P, H>>);

/// The writing half of a connection. Dropping it does not end the direction; [`shutdown`](Self::shutdown) does.
pub struct WriteHalf<P: Reactor, H: Host>(Rc<Connection<P, H>>);

macro_rules! reading {
    () => {
        /// Waits for bytes and gives them in a buffer of the executor's, at most [`LEASE_BYTES`](crate::exec::LEASE_BYTES);
        /// none are the end of the stream. While it waits no buffer is held. Cancel-safe.
        ///
        /// # Errors
        /// `ConnectionReset`, `NotConnected`.
        pub fn receive(&mut self) -> impl Future<Output = Result<Lease>> {
            poll_fn(|cx| self.0.poll_receive(cx))
        }

        /// As [`receive`](Self::receive), for hand-written futures.
        ///
        /// # Errors
        /// As `receive`.
        pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Lease>> {
            self.0.poll_receive(cx)
        }

        /// Reads what is there into `buffer`, at least one byte unless it is the end (0) or the buffer is empty. Cancel-safe.
        ///
        /// # Errors
        /// As [`receive`](Self::receive).
        pub fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize>> {
            poll_fn(|cx| self.poll_read(cx, buffer))
        }

        /// As [`read`](Self::read), into several buffers in turn.
        ///
        /// # Errors
        /// As `read`.
        pub fn read_vectored(
            &mut self,
            buffers: &mut [&mut [u8]],
        ) -> impl Future<Output = Result<usize>> {
            poll_fn(|cx| self.0.poll_read_vectored(cx, buffers))
        }

        /// As [`read_vectored`](Self::read_vectored), for hand-written futures.
        ///
        /// # Errors
        /// As `read`.
        pub fn poll_read_vectored(
            &mut self,
            cx: &mut Context<'_>,
            buffers: &mut [&mut [u8]],
        ) -> Poll<Result<usize>> {
            self.0.poll_read_vectored(cx, buffers)
        }

        /// Fills `buffer`. Not cancel-safe: when dropped, a part may have been read into it.
        ///
        /// # Errors
        /// As [`receive`](Self::receive); `UnexpectedEnd`.
        pub async fn read_exact(&mut self, buffer: &mut [u8]) -> Result<()> {
            let mut filled = 0;
            while filled < buffer.len() {
                match self.read(&mut buffer[filled..]).await? {
                    0 => return Err(Error::new(Operation::Receive, Kind::UnexpectedEnd)),
                    count => filled += count,
                }
            }
            Ok(())
        }

        /// As [`read`](Self::read), for hand-written futures.
        ///
        /// # Errors
        /// As `read`.
        pub fn poll_read(
            &mut self,
            cx: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<Result<usize>> {
            // SAFETY: initialised bytes are also maybe initialised ones, and `try_receive` writes nothing but bytes.
            let buffer = unsafe { &mut *(core::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
            self.0.poll_read(cx, buffer)
        }

        /// As [`poll_read`](Self::poll_read), into memory that need not be initialised; so many of its first bytes then are.
        ///
        /// # Errors
        /// As `read`.
        pub fn poll_read_uninit(
            &mut self,
            cx: &mut Context<'_>,
            buffer: &mut [MaybeUninit<u8>],
        ) -> Poll<Result<usize>> {
            self.0.poll_read(cx, buffer)
        }
    };
}

macro_rules! writing {
    () => {
        /// Writes as many of `bytes` as fit, at least one unless there are none. Cancel-safe: a dropped future wrote nothing.
        ///
        /// # Errors
        /// `BrokenPipe`, `ConnectionReset`, `NotConnected`.
        pub fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<usize>> {
            poll_fn(move |cx| self.0.poll_write(cx, &[bytes]))
        }

        /// As [`write`](Self::write), from several slices in turn.
        ///
        /// # Errors
        /// As `write`.
        pub async fn write_vectored(&mut self, slices: &[&[u8]]) -> Result<usize> {
            poll_fn(|cx| self.0.poll_write(cx, slices)).await
        }

        /// Writes all of `bytes`. Not cancel-safe: when dropped, a part may have been written.
        ///
        /// # Errors
        /// As [`write`](Self::write).
        pub fn write_all(&mut self, mut bytes: &[u8]) -> impl Future<Output = Result<()>> {
            // By hand, since an async function keeps its arguments twice, and a task of an idle connection has room for this future.
            poll_fn(move |cx| {
                while !bytes.is_empty() {
                    let count = ready!(self.0.poll_write(cx, &[bytes]))?;
                    bytes = &bytes[count..];
                }
                Poll::Ready(Ok(()))
            })
        }

        /// As [`write`](Self::write), for hand-written futures.
        ///
        /// # Errors
        /// As `write`.
        pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
            self.0.poll_write(cx, &[bytes])
        }

        /// As [`write_vectored`](Self::write_vectored), for hand-written futures.
        ///
        /// # Errors
        /// As `write`.
        pub fn poll_write_vectored(
            &mut self,
            cx: &mut Context<'_>,
            slices: &[&[u8]],
        ) -> Poll<Result<usize>> {
            self.0.poll_write(cx, slices)
        }

        /// Ends one direction or both. What was written before still arrives.
        ///
        /// # Errors
        /// `NotConnected`.
        pub fn shutdown(&mut self, how: ShutdownHow) -> Result<()> {
            self.0.read.forget();
            self.0.handle.platform().shutdown(&self.0.socket, how)
        }
    };
}

impl<P: Reactor, H: Host> TcpStream<P, H> {
    pub(super) fn new(handle: &Handle<P, H>, socket: P::Socket) -> Self {
        Self::with(handle, socket, Readiness::new(Interest::Read))
    }

    /// A connection between programs of one machine, where handles that are passed cut a receive short.
    pub(super) fn local(handle: &Handle<P, H>, socket: P::Socket) -> Self {
        Self::with(handle, socket, Readiness::cut(Interest::Read))
    }

    fn with(handle: &Handle<P, H>, socket: P::Socket, read: Readiness) -> Self {
        Self(Connection {
            handle: handle.clone(),
            socket,
            read,
            write: Readiness::new(Interest::Write),
        })
    }

    reading!();
    writing!();

    /// Two halves for two tasks.
    #[must_use]
    pub fn into_split(self) -> (ReadHalf<P, H>, WriteHalf<P, H>) {
        let shared = Rc::new(self.0);
        (ReadHalf(Rc::clone(&shared)), WriteHalf(shared))
    }

    /// This side's address.
    ///
    /// # Errors
    /// `Io`.
    pub fn local_address(&self) -> Result<SocketAddr> {
        self.0.handle.platform().local_address(&self.0.socket)
    }

    /// The peer's address.
    ///
    /// # Errors
    /// `NotConnected`.
    pub fn peer_address(&self) -> Result<SocketAddr> {
        self.0.handle.platform().peer_address(&self.0.socket)
    }

    /// Whether small writes leave at once rather than gather (`TCP_NODELAY`).
    ///
    /// # Errors
    /// `Io`.
    pub fn set_no_delay(&self, on: bool) -> Result<()> {
        self.0.handle.platform().set_no_delay(&self.0.socket, on)
    }
}

impl<P: Reactor, H: Host> TcpStream<P, H> {
    /// As [`read`](Self::read), and leaves the bytes for the next read. Cancel-safe.
    ///
    /// # Errors
    /// As `read`; `Unsupported` on platforms that cannot look.
    pub fn peek(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize>> {
        poll_fn(|cx| {
            // SAFETY: initialised bytes are also maybe initialised ones, and `try_peek` writes nothing but bytes.
            let buffer = unsafe { &mut *(core::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
            let (shared, socket) = (&*self.0.handle.0, &self.0.socket);
            let peek = || shared.platform.try_peek(socket, buffer);
            self.0.read.poll(shared, socket, cx, |_| false, peek)
        })
    }

    /// As [`Net::set_keep_alive`].
    ///
    /// # Errors
    /// As there.
    pub fn set_keep_alive(&self, after: Option<Duration>) -> Result<()> {
        let platform = self.0.handle.platform();
        platform.set_keep_alive(&self.0.socket, after)
    }

    /// As [`Net::set_linger`].
    ///
    /// # Errors
    /// As there.
    pub fn set_linger(&self, time: Option<Duration>) -> Result<()> {
        self.0.handle.platform().set_linger(&self.0.socket, time)
    }
}

impl<P: Reactor, H: Host> ReadHalf<P, H> {
    reading!();
}

impl<P: Reactor, H: Host> WriteHalf<P, H> {
    writing!();
}

macro_rules! debug {
    ($name:ident) => {
        impl<P: Reactor, H: Host> fmt::Debug for $name<P, H> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("socket", &self.0.socket)
                    .finish_non_exhaustive()
            }
        }
    };
}

debug!(TcpStream);
debug!(ReadHalf);
debug!(WriteHalf);

/// The socket of a connection, for what the seam does not have.
impl<P: Reactor, H: Host> AsRef<<P as Net>::Socket> for TcpStream<P, H> {
    fn as_ref(&self) -> &P::Socket {
        &self.0.socket
    }
}
