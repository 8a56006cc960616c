//! A socket whose calls are its user's own: pipes, processes and timers of a system are watched as sockets are.
#![forbid(unsafe_code)]

use super::readiness::Readiness;
use crate::error::Result;
use crate::exec::executor::Handle;
use crate::exec::host::Host;
use crate::platform::{Interest, Reactor};
use core::fmt;
use core::task::{Context, Poll};

/// Something that a ring can watch, and that only its user knows how to read and write.
pub struct Watched<P: Reactor, H: Host> {
    handle: Handle<P, H>,
    socket: P::Socket,
    read: Readiness,
    write: Readiness,
}

impl<P: Reactor, H: Host> Watched<P, H> {
    /// Watches `socket`, from the first call that would block on.
    #[must_use]
    pub fn new(handle: &Handle<P, H>, socket: P::Socket) -> Self {
        Self {
            handle: handle.clone(),
            socket,
            read: Readiness::new(Interest::Read),
            write: Readiness::new(Interest::Write),
        }
    }

    /// What is watched.
    pub fn socket(&self) -> &P::Socket {
        &self.socket
    }

    /// Calls `attempt`, and again whenever the system says that it may work, until it says something other than `WouldBlock`. Whoever
    /// polled last in a direction is woken. Cancel-safe: what `attempt` did is given to the caller in the same poll.
    ///
    /// # Errors
    /// `attempt`'s; `Cancelled` if the executor is gone; the ring's.
    pub fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        attempt: impl FnMut() -> Result<T>,
    ) -> Poll<Result<T>> {
        let readiness = match interest {
            Interest::Read => &self.read,
            Interest::Write => &self.write,
        };
        readiness.poll(&self.handle.0, &self.socket, cx, |_| false, attempt)
    }
}

impl<P: Reactor, H: Host> Drop for Watched<P, H> {
    fn drop(&mut self) {
        self.read.close(&self.handle.0);
        self.write.close(&self.handle.0);
    }
}

impl<P: Reactor, H: Host> fmt::Debug for Watched<P, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}
