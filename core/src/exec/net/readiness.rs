//! Waiting until a call on a socket would not say `WouldBlock`: one operation per socket and direction, whoever waits.
//!
//! ```text
//!   unknown --call moved less than asked, or WouldBlock--> drained --poll: submit--> waiting --ready--> unknown
//! ```
#![forbid(unsafe_code)]

use crate::error::{Error, Kind, Operation, Result};
use crate::exec::executor::Shared;
use crate::exec::host::Host;
use crate::exec::io::{NONE, SLOTS_MAX};
use crate::platform::{Interest, Reactor};
use core::cell::Cell;
use core::task::{Context, Poll, ready};

/// The slot's bits: one more than slots need, so that all of them set is none's.
const SLOT: u32 = (1 << 25) - 1;
/// A call would surely block.
const DRAINED: u32 = 1 << 25;
/// The direction is writing.
const WRITING: u32 = 1 << 26;
/// A short result says nothing of what is left.
const CUT: u32 = 1 << 27;

const _: () = assert!(NONE & SLOT == SLOT && SLOTS_MAX <= SLOT as usize);

/// What is known about one direction of a socket, in one word, since an idle connection has two.
pub(super) struct Readiness(Cell<u32>);

impl Readiness {
    pub(super) const fn new(interest: Interest) -> Self {
        Self(Cell::new(match interest {
            Interest::Read => SLOT,
            Interest::Write => SLOT | WRITING,
        }))
    }

    /// As [`new`](Self::new), for who may be given less than there is.
    pub(super) const fn cut(interest: Interest) -> Self {
        Self(Cell::new(Self::new(interest).0.into_inner() | CUT))
    }

    fn interest(&self) -> Interest {
        if self.0.get() & WRITING == 0 {
            Interest::Read
        } else {
            Interest::Write
        }
    }

    /// The operation that waits, or `NONE`.
    fn slot(&self) -> u32 {
        match self.0.get() & SLOT {
            SLOT => NONE,
            slot => slot,
        }
    }

    fn set_slot(&self, slot: u32) {
        self.0.set((self.0.get() & !SLOT) | (slot & SLOT));
    }

    fn is_drained(&self) -> bool {
        self.0.get() & DRAINED != 0
    }

    fn set_drained(&self, drained: bool) {
        let others = self.0.get() & !DRAINED;
        self.0.set(others | if drained { DRAINED } else { 0 });
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
        if self.slot() != NONE {
            if let Err(error) = ready!(self.poll_slot(shared, cx)) {
                return Poll::Ready(Err(error));
            }
            self.set_drained(false);
        }
        if !self.is_drained() {
            match attempt() {
                Err(error) if error.kind() == Kind::WouldBlock => self.set_drained(true),
                result => {
                    let is_cut = self.0.get() & CUT != 0;
                    self.set_drained(!is_cut && result.as_ref().is_ok_and(&is_short));
                    return Poll::Ready(result);
                }
            }
        }
        let mut waker = Some(cx.waker().clone());
        let submitted =
            shared
                .io
                .borrow_mut()
                .submit_ready(socket.clone(), self.interest(), &mut waker);
        match submitted {
            Ok(slot) => {
                self.set_slot(slot);
                Poll::Pending
            }
            Err(rejected) => Poll::Ready(Err(rejected.error)),
        }
    }

    fn poll_slot<P: Reactor, H: Host>(
        &self,
        shared: &Shared<P, H>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        let polled = shared.poll_io(self.slot(), cx);
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(completed) => {
                self.set_slot(NONE);
                Poll::Ready(match completed.map(|completed| completed.result) {
                    Some(Err(error)) => Err(error),
                    _ => Ok(()),
                })
            }
        }
    }

    /// Forgets what is known, after a call that went past this.
    pub(super) fn forget(&self) {
        self.set_drained(false);
    }

    /// The socket goes, and its address must be free before its user goes on.
    pub(super) fn close_now<P: Reactor, H: Host>(&self, shared: &Shared<P, H>) {
        if self.slot() != NONE {
            self.close(shared);
            shared.io.borrow_mut().let_go();
        }
    }

    /// The socket goes: nobody waits any more. The system may have it until the turn's end.
    pub(super) fn close<P: Reactor, H: Host>(&self, shared: &Shared<P, H>) {
        let slot = self.slot();
        if slot != NONE {
            self.set_slot(NONE);
            shared.abandon(slot);
        }
    }
}

/// The error of an operation whose executor was dropped: nobody would ever wake it.
pub(in crate::exec) fn gone() -> Error {
    Error::new(Operation::Submit, Kind::Cancelled)
}

/// The error of an operation that gave something else than it should.
pub(super) fn strange(operation: Operation) -> Error {
    Error::new(operation, Kind::Other)
}
