//! Connecting: an operation of the ring, given up when the future is dropped.
#![forbid(unsafe_code)]

use super::readiness::strange;
use super::stream::TcpStream;
use crate::error::{Operation, Result};
use crate::exec::executor::Handle;
use crate::exec::host::Host;
use crate::exec::perform::Perform;
use crate::platform::{Op, Outcome, Reactor};
use core::fmt;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// Connects to an address. Dropping it gives up; a connection that stood already is closed.
#[must_use = "futures do nothing unless polled"]
pub struct Connect<P: Reactor, H: Host> {
    handle: Handle<P, H>,
    address: SocketAddr,
    perform: Perform<P, H>,
}

impl<P: Reactor, H: Host> TcpStream<P, H> {
    /// Connects to `address`. Wrap it in [`Handle::timeout`] to bound the time: the system's own limit is minutes.
    ///
    /// # Errors
    /// `ConnectionRefused`, `Unreachable`, `TimedOut`, `AddressNotAvailable`, `TooManyHandles`, `Limit`.
    pub fn connect(handle: &Handle<P, H>, address: SocketAddr) -> Connect<P, H> {
        Connect {
            handle: handle.clone(),
            address,
            perform: handle.perform(Op::Connect { address }),
        }
    }
}

impl<P: Reactor, H: Host> Unpin for Connect<P, H> {}

impl<P: Reactor, H: Host> Future for Connect<P, H> {
    type Output = Result<TcpStream<P, H>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.perform).poll(cx)) {
            Ok(performed) => match performed.result {
                Ok(Outcome::Connected { socket }) => Ok(TcpStream::new(&self.handle, socket)),
                Ok(_) => Err(strange(Operation::Connect)),
                Err(error) => Err(error),
            },
            Err(rejected) => Err(rejected.error),
        })
    }
}

impl<P: Reactor, H: Host> fmt::Debug for Connect<P, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
