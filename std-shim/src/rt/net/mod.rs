//! Sockets for the runtime of this thread: TCP, UDP and, on Unix, streams named by paths. See [`underpin_core::exec::net`] for what a dropped future leaves.
//!
//! ```
//! use core::time::Duration;
//! use underpin::rt::{self, net::{TcpListener, TcpStream}};
//!
//! # fn main() -> std::io::Result<()> {
//! rt::block_on(async {
//!     let mut listener = TcpListener::bind("127.0.0.1:0")?;
//!     let address = listener.local_addr()?;
//!     let echo = async {
//!         let (mut stream, _peer) = listener.accept().await?;
//!         let mut buffer = [0; 1024];
//!         loop {
//!             match stream.read(&mut buffer).await? {
//!                 0 => return Ok(()), // the peer has ended
//!                 count => stream.write_all(&buffer[..count]).await?,
//!             }
//!         }
//!     };
//!     let client = async {
//!         let mut stream = TcpStream::connect_timeout(address, Duration::from_secs(60)).await?;
//!         assert_eq!(stream.peer_addr()?, address);
//!         stream.write_all(b"hello").await?;
//!         let mut reply = [0; 5];
//!         stream.read_exact(&mut reply).await?;
//!         assert_eq!(&reply, b"hello");
//!         Ok::<(), std::io::Error>(())
//!     };
//!     rt::try_join!(echo, client)?;
//!     Ok(())
//! })?
//! # }
//! ```
#![forbid(unsafe_code)]

mod address;
mod datagram;
mod local;
mod methods;

pub use address::{Addresses, ToAddresses, lookup};
pub use datagram::UdpSocket;
pub use local::{UnixListener, UnixStream};

use methods::{SLICES_MAX, reading, writing};

use super::host::ThreadHost;
use super::runtime::{handle, with};
use super::{Lease, timeout};
use crate::sys::{ListenOptions, Native, ResultExt, ShutdownHow};
use core::future::poll_fn;
use core::mem::MaybeUninit;
use core::net::SocketAddr;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::ToSocketAddrs;
use underpin_core::exec::net as core_net;

/// A socket that accepts connections.
#[derive(Debug)]
pub struct TcpListener(core_net::TcpListener<Native, ThreadHost>);

/// A connection. It is closed when it, or the last of its halves, is dropped: over io_uring at the turn's end, if it waits just then.
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

/// What is said when there was no address to try.
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
    /// As [`handle`].
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

impl TcpStream {
    /// Connects to the first address that answers; a name is looked up off this thread. Dropping the future gives up.
    ///
    /// # Errors
    /// The system's, of the last address.
    ///
    /// # Panics
    /// As [`handle`].
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

    /// Asks a peer that says nothing whether it is still there, each time so long after it last did; `None` asks never. Linux alone has it
    /// yet.
    ///
    /// # Errors
    /// A time below a second or above what the system takes; `Unsupported`.
    pub fn set_keepalive(&self, after: Option<Duration>) -> io::Result<()> {
        self.0.set_keep_alive(after).into_io()
    }

    /// What becomes of bytes that are not delivered when the connection is closed: `None`, the default, delivers them; zero resets the
    /// connection; another time lets closing wait so long. Linux alone has it yet.
    ///
    /// # Errors
    /// The system's; `Unsupported`.
    pub fn set_linger(&self, time: Option<Duration>) -> io::Result<()> {
        self.0.set_linger(time).into_io()
    }

    /// As [`read`](Self::read), and leaves the bytes for the next read. Cancel-safe. Linux alone has it yet.
    ///
    /// # Errors
    /// The connection's; `Unsupported`.
    pub async fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.peek(buffer).await.into_io()
    }
}

impl ReadHalf {
    reading!();
}

impl WriteHalf {
    writing!();
}
