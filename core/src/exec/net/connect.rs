//! Connecting: an operation of the ring, given up when the future is dropped.
#![forbid(unsafe_code)]

use super::readiness::{gone, strange};
use super::stream::TcpStream;
use crate::error::{Operation, Result};
use crate::exec::executor::Handle;
use crate::exec::host::Host;
use crate::exec::io::NONE;
use crate::platform::{Op, Outcome, Reactor};
use core::fmt;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};

/// Connects to an address. Dropping it gives up; a connection that stood already is closed.
#[must_use = "futures do nothing unless polled"]
pub struct Connect<P: Reactor, H: Host> {
    handle: Handle<P, H>,
    address: SocketAddr,
    slot: u32,
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
            slot: NONE,
        }
    }
}

impl<P: Reactor, H: Host> Unpin for Connect<P, H> {}

impl<P: Reactor, H: Host> Future for Connect<P, H> {
    type Output = Result<TcpStream<P, H>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = self.handle.0.clone();
        if !shared.is_open() {
            return Poll::Ready(Err(gone()));
        }
        if self.slot == NONE {
            let op = Op::Connect {
                address: self.address,
            };
            let mut waker = Some(cx.waker().clone());
            let submitted = shared.io.borrow_mut().submit(op, &mut waker);
            return match submitted {
                Ok(slot) => {
                    self.slot = slot;
                    Poll::Pending
                }
                Err(error) => Poll::Ready(Err(error)),
            };
        }
        let polled = shared.poll_io(self.slot, cx);
        let Poll::Ready(completed) = polled else {
            return Poll::Pending;
        };
        self.slot = NONE;
        Poll::Ready(match completed.map(|completed| completed.result) {
            Some(Ok(Outcome::Connected { socket })) => Ok(TcpStream::new(&self.handle, socket)),
            Some(Err(error)) => Err(error),
            _ => Err(strange(Operation::Connect)),
        })
    }
}

impl<P: Reactor, H: Host> Drop for Connect<P, H> {
    fn drop(&mut self) {
        if self.slot != NONE {
            let dropped = self.handle.0.io.borrow_mut().abandon(self.slot);
            drop(dropped);
        }
    }
}

impl<P: Reactor, H: Host> fmt::Debug for Connect<P, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
