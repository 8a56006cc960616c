//! Unix sockets. Linux alone has them yet; elsewhere they say `Unsupported`.
#![forbid(unsafe_code)]

use super::methods::{SLICES_MAX, reading, writing};
use crate::rt::runtime::with;
use crate::rt::{Lease, ThreadHost};
use crate::sys::{Native, ResultExt, ShutdownHow, path_bytes};
use core::future::poll_fn;
use core::mem::MaybeUninit;
use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice, IoSliceMut};
use std::path::Path;
use underpin_core::exec::net as core_net;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A socket that accepts connections at a path.
#[derive(Debug)]
pub struct UnixListener(core_net::LocalListener<Native, ThreadHost>);

/// A connection within the machine.
#[derive(Debug)]
pub struct UnixStream(core_net::TcpStream<Native, ThreadHost>);

impl UnixListener {
    /// Listens at `path`, which must not exist and stays when the listener goes.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Panics
    /// As [`handle`](crate::rt::handle).
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path_bytes(path.as_ref());
        with(|handle| core_net::LocalListener::bind(handle, path, BACKLOG))
            .into_io()
            .map(Self)
    }

    /// Waits for a connection. Cancel-safe.
    ///
    /// # Errors
    /// Running out of handles: the connection goes on waiting; rest before the next call.
    pub async fn accept(&mut self) -> io::Result<UnixStream> {
        self.0.accept().await.into_io().map(UnixStream)
    }
}

impl UnixStream {
    /// Connects to the listener at `path`, at once or not at all: a full queue says `WouldBlock`.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Panics
    /// As [`handle`](crate::rt::handle).
    pub fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path_bytes(path.as_ref());
        with(|handle| core_net::TcpStream::connect_local(handle, path))
            .into_io()
            .map(Self)
    }

    /// Two ends of a connection without a name.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Panics
    /// As [`handle`](crate::rt::handle).
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = with(core_net::TcpStream::local_pair).into_io()?;
        Ok((Self(one), Self(other)))
    }

    reading!();
    writing!();
}
