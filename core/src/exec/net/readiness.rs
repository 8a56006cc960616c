//! Waiting until a call on a socket would not say `WouldBlock`: one operation per socket and direction, whoever waits.
//!
//! ```text
//!   unknown --call moved less than asked, or WouldBlock--> drained --poll: submit--> waiting --ready--> unknown
//! ```
#![forbid(unsafe_code)]

use crate::error::{Error, Kind, Operation, Result};
use crate::exec::executor::Shared;
use crate::exec::host::Host;
use crate::exec::io::NONE;
use crate::platform::{Interest, Reactor};
use core::cell::Cell;
use core::task::{Context, Poll, ready};

/// What is known about one direction of a socket.
pub(super) struct Readiness {
    /// The operation that waits, or `NONE`.
    slot: Cell<u32>,
    drained: Cell<bool>,
    interest: Interest,
}

impl Readiness {
    pub(super) const fn new(interest: Interest) -> Self {
        Self {
            slot: Cell::new(NONE),
            drained: Cell::new(false),
            interest,
        }
    }

    /// Calls `attempt`, and waits for readiness if it says `WouldBlock`, or surely would. `is_short` says whether a result shows that
    /// there was no more.
    pub(super) fn poll<P: Reactor, H: Host, T>(
        &self,
        shared: &Shared<P, H>,
        socket: &P::Socket,
        cx: &mut Context<'_>,
        is_short: impl Fn(&T) -> bool,
        mut attempt: impl FnMut() -> Result<T>,
    ) -> Poll<Result<T>> {
        if !shared.is_open() {
            self.close(shared);
            return Poll::Ready(Err(gone()));
        }
        if shared.poll_budget(cx).is_pending() {
            return Poll::Pending;
        }
        if self.slot.get() != NONE {
            if let Err(error) = ready!(self.poll_slot(shared, cx)) {
                return Poll::Ready(Err(error));
            }
            self.drained.set(false);
        }
        if !self.drained.get() {
            match attempt() {
                Err(error) if error.kind() == Kind::WouldBlock => self.drained.set(true),
                result => {
                    self.drained.set(result.as_ref().is_ok_and(&is_short));
                    return Poll::Ready(result);
                }
            }
        }
        let mut waker = Some(cx.waker().clone());
        let submitted =
            shared
                .io
                .borrow_mut()
                .submit_ready(socket.clone(), self.interest, &mut waker);
        match submitted {
            Ok(slot) => {
                self.slot.set(slot);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_slot<P: Reactor, H: Host>(
        &self,
        shared: &Shared<P, H>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        let polled = shared.poll_io(self.slot.get(), cx);
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(completed) => {
                self.slot.set(NONE);
                Poll::Ready(match completed.map(|completed| completed.result) {
                    Some(Err(error)) => Err(error),
                    _ => Ok(()),
                })
            }
        }
    }

    /// Forgets what is known, after a call that went past this.
    pub(super) fn forget(&self) {
        self.drained.set(false);
    }

    /// The socket goes: nobody waits any more.
    pub(super) fn close<P: Reactor, H: Host>(&self, shared: &Shared<P, H>) {
        let slot = self.slot.replace(NONE);
        if slot != NONE {
            // In use only while a wake runs inside of the ring, which drops no socket.
            let dropped = shared.io.borrow_mut().abandon(slot);
            drop(dropped);
        }
    }
}

/// The error of an operation whose executor was dropped: nobody would ever wake it.
pub(super) fn gone() -> Error {
    Error::new(Operation::Submit, Kind::Cancelled)
}

/// The error of an operation that gave something else than it should.
pub(super) fn strange(operation: Operation) -> Error {
    Error::new(operation, Kind::Other)
}
