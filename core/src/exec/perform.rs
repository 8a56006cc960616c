//! One operation of the ring as a future, given up when it is dropped.
#![forbid(unsafe_code)]

use super::executor::Handle;
use super::host::Host;
use super::io::Performed;
use super::net::gone;
use crate::platform::{Op, Outcome, Reactor, Rejected};
use core::fmt;
use core::mem::replace;
use core::pin::Pin;
use core::task::{Context, Poll};

/// An operation that the ring does; see [`Handle::perform`].
#[must_use = "futures do nothing unless polled"]
pub struct Perform<P: Reactor, H: Host> {
    handle: Handle<P, H>,
    state: State<P::Socket>,
}

enum State<S> {
    New(Op<S>),
    /// It is the ring's, and this is its slot.
    Slot(u32),
    Over,
}

impl<P: Reactor, H: Host> Handle<P, H> {
    /// Has the ring do `op`, which starts when the future is first polled. What is lent comes back with the result.
    ///
    /// Dropping the future gives the operation up: its buffer stays the ring's until the system has let go of it, and a connection or file
    /// that it still brings is closed. What it moved until then is lost, so read sockets by [`net`](super::net)'s types, where nothing is.
    ///
    /// # Errors
    /// The operation comes back if the ring did not take it: as [`Ring::submit`](crate::platform::Ring::submit), and `Cancelled` if the
    /// executor is gone. What it came to is in [`Performed::result`].
    pub fn perform(&self, op: Op<P::Socket>) -> Perform<P, H> {
        Perform {
            handle: self.clone(),
            state: State::New(op),
        }
    }
}

impl<P: Reactor, H: Host> Unpin for Perform<P, H> {}

impl<P: Reactor, H: Host> Future for Perform<P, H> {
    type Output = Result<Performed<P::Socket>, Rejected<P::Socket>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let shared = &*this.handle.0;
        match replace(&mut this.state, State::Over) {
            State::New(op) => {
                if !shared.is_open() {
                    let error = gone();
                    return Poll::Ready(Err(Rejected { error, op }));
                }
                let mut waker = Some(cx.waker().clone());
                let submitted = shared.io.borrow_mut().submit(op, &mut waker);
                match submitted {
                    Ok(slot) => {
                        this.state = State::Slot(slot);
                        Poll::Pending
                    }
                    Err(rejected) => Poll::Ready(Err(rejected)),
                }
            }
            State::Slot(slot) => {
                if !shared.is_open() {
                    shared.abandon(slot);
                    return Poll::Ready(Ok(Performed {
                        result: Err(gone()),
                        buffer: None,
                    }));
                }
                let polled = shared.poll_io(slot, cx);
                match polled {
                    Poll::Pending => {
                        this.state = State::Slot(slot);
                        Poll::Pending
                    }
                    Poll::Ready(brought) => Poll::Ready(Ok(brought.map_or(
                        Performed {
                            result: Ok(Outcome::Ready),
                            buffer: None,
                        },
                        |performed| *performed,
                    ))),
                }
            }
            State::Over => Poll::Pending,
        }
    }
}

impl<P: Reactor, H: Host> Drop for Perform<P, H> {
    fn drop(&mut self) {
        if let State::Slot(slot) = self.state {
            self.handle.0.abandon(slot);
        }
    }
}

impl<P: Reactor, H: Host> fmt::Debug for Perform<P, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Perform").finish_non_exhaustive()
    }
}
