//! TCP for the runtime of this thread. See [`underpin_core::exec::net`] for what a dropped future leaves.
#![forbid(unsafe_code)]

mod address;

pub use address::{Addresses, ToAddresses, lookup};

use super::host::ThreadHost;
use super::runtime::{handle, with};
use super::{Lease, timeout};
use crate::sys::{ListenOptions, Native, ResultExt, ShutdownHow};
use core::mem::MaybeUninit;
use core::net::SocketAddr;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::net::ToSocketAddrs;
use underpin_core::exec::net as core_net;

/// A socket that accepts connections.
#[derive(Debug)]
pub struct TcpListener(core_net::TcpListener<Native, ThreadHost>);

/// A connection. It is closed when it, or the last of its halves, is dropped.
#[derive(Debug)]
pub struct TcpStream(core_net::TcpStream<Native, ThreadHost>);

/// The reading half of a connection.
#[derive(Debug)]
pub struct ReadHalf(core_net::ReadHalf<Native, ThreadHost>);

/// The writing half of a connection.
#[derive(Debug)]
pub struct WriteHalf(core_net::WriteHalf<Native, ThreadHost>);

/// The addresses that a text or value names. A name is looked up by the system, on this thread: give addresses where that matters.
fn addresses(address: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    Ok(address.to_socket_addrs()?.collect())
}

/// Tries addresses in turn until one works.
fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "no address")
}

impl TcpListener {
    /// Listens at the first address that can be had; port 0 picks a free one.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Panics
    /// As [`handle`](super::handle).
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::bind_with(address, &ListenOptions::default())
    }

    /// As [`bind`](Self::bind), with options.
    ///
    /// # Errors
    /// As `bind`.
    ///
    /// # Panics
    /// As `bind`.
    pub fn bind_with(address: impl ToSocketAddrs, options: &ListenOptions) -> io::Result<Self> {
        let mut last = no_address();
        for address in addresses(address)? {
            match with(|handle| core_net::TcpListener::bind(handle, &address, options)).into_io() {
                Ok(listener) => return Ok(Self(listener)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Waits for a connection. Cancel-safe.
    ///
    /// # Errors
    /// Running out of handles: the connection goes on waiting, and the next call rests 50 ms before it tries again.
    pub async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.0.accept().await.into_io()?;
        Ok((TcpStream(stream), peer))
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_address().into_io()
    }
}

macro_rules! reading {
    () => {
        /// Waits for bytes and gives them in a buffer of the runtime's; none are the end. Cancel-safe, and no buffer is held
        /// while it waits.
        ///
        /// # Errors
        /// The connection's.
        pub async fn receive(&mut self) -> io::Result<Lease> {
            self.0.receive().await.into_io()
        }

        /// Reads what is there into `buffer`; 0 is the end. Cancel-safe.
        ///
        /// # Errors
        /// The connection's.
        pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer).await.into_io()
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
        pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes).await.into_io()
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
        pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.0.write_all(bytes).await.into_io()
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

impl TcpStream {
    /// Connects to the first address that answers; a name is looked up off this thread. Dropping the future gives up.
    ///
    /// # Errors
    /// The system's, of the last address.
    ///
    /// # Panics
    /// As [`handle`](super::handle).
    pub async fn connect(address: impl ToAddresses) -> io::Result<Self> {
        let mut last = no_address();
        for address in lookup(address).await? {
            match core_net::TcpStream::connect(&handle(), address)
                .await
                .into_io()
            {
                Ok(stream) => return Ok(Self(stream)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// As [`connect`](Self::connect), for at most `time` in all.
    ///
    /// # Errors
    /// As `connect`; `TimedOut`.
    ///
    /// # Panics
    /// As `connect`.
    pub async fn connect_timeout(address: impl ToAddresses, time: Duration) -> io::Result<Self> {
        timeout(time, Self::connect(address))
            .await
            .unwrap_or_else(|elapsed| Err(io::Error::new(io::ErrorKind::TimedOut, elapsed)))
    }

    reading!();
    writing!();

    /// Two halves for two tasks.
    #[must_use]
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        let (read, write) = self.0.into_split();
        (ReadHalf(read), WriteHalf(write))
    }

    /// This side's address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_address().into_io()
    }

    /// The peer's address.
    ///
    /// # Errors
    /// The connection's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_address().into_io()
    }

    /// Whether small writes leave at once rather than gather (`TCP_NODELAY`).
    ///
    /// # Errors
    /// The system's.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.0.set_no_delay(on).into_io()
    }
}

impl ReadHalf {
    reading!();
}

impl WriteHalf {
    writing!();
}
