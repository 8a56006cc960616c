//! The ring over a [`Poller`]: try the call first, queue the operation when it would block, run the queue at an event.
//!
//! # Why edges are enough
//!
//! A socket is watched when an operation on it first has to wait. An edge is a change seen after the last look, so every look comes
//! after watching and before waiting:
//!
//! - an operation that met `WouldBlock` looked at the socket itself; whatever makes it possible later is a new edge;
//! - [`Op::Ready`] moves no bytes, and its user calls `try_receive` and `try_send` outside of the ring, so edges that fired
//!   before say nothing: it looks by [`Poller::is_ready`];
//! - [`Op::NextReady`] comes after a look of its user's own (`table.rs`);
//! - a receive on a drained socket (`table.rs`) does not look, since the receive before it did;
//! - when watching begins the poller looks, and reports what is ready already.
//!
//! A poller that reports once is asked again whenever a queue's oldest operation blocks.
//!
//! Events are hints: an operation completes because its call succeeded or failed. Only the end of a stream is believed
//! ([`Event::ended`]), so a poller tells no event of a key's earlier socket once it was told to [forget](Poller::forget) that.
//!
//! # Order
//!
//! Each socket has a queue for reading (`Ready` for reading, `Accept`, `Receive`) and one for writing (`Ready` for writing,
//! `Send`, `Connect`). A call is tried at submission only when its queue is empty, and a queue runs from its head until one would
//! block, so that operations complete in the order of submission.
//!
//! # Bounds
//!
//! Operations: `RingOptions::pending_max`. Table of sockets: a number per key, so at most the process's limit of sockets, and one entry per
//! key that was used here. A socket that went away leaves its small entry until its key is used again. A wait that finds completions at hand asks the system only every
//! [`WAITS_PER_LOOK`]th time, so that a busy ring saves the calls and yet one busy connection starves no other.
#![forbid(unsafe_code)]

use super::operation::{Attempt, READ, WRITE, Work, attempt, attempt_after_event, interest, place};
use super::pending::Pending;
use super::poller::{Connecting, Event, Poller};
use super::table::Table;
use crate::error::{Error, Kind, Operation, Result};
use crate::limits::RING_COMPLETIONS_MAX;
use crate::platform::{
    Cancel, Clock, ClockId, Completion, Instant, Net, Op, OpId, Outcome, Rejected, Ring,
    RingOptions,
};
use alloc::vec::Vec;

/// Events that one look at the system brings at most.
const EVENTS_MAX: usize = 128;

/// Waits with completions at hand before one that asks the system all the same.
const WAITS_PER_LOOK: u32 = 8;

type Socket<P> = <<P as Poller>::Net as Net>::Socket;

/// A ring over a system that reports readiness. See the [module's documentation](super).
#[derive(Debug)]
pub struct ReadinessRing<P: Poller> {
    poller: P,
    table: Table<P>,
    pending: Pending<Socket<P>>,
    pending_max: usize,
    /// Empty between calls.
    events: Vec<Event>,
    waits_since_look: u32,
}

impl<P: Poller> ReadinessRing<P> {
    /// A ring over `poller`.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn new(poller: P, options: &RingOptions) -> Result<Self> {
        let mut events = Vec::new();
        events
            .try_reserve_exact(EVENTS_MAX)
            .map_err(|_| Error::new(Operation::Ring, Kind::OutOfMemory))?;
        Ok(Self {
            poller,
            table: Table::new(),
            pending: Pending::new(),
            // Entries are numbered with 32 bits, one of which stands for none.
            pending_max: options.pending_max.min(u32::MAX as usize - 1),
            events,
            waits_since_look: 0,
        })
    }

    /// The poller inside.
    #[must_use]
    pub fn poller(&self) -> &P {
        &self.poller
    }

    /// Checks everything that can be checked before an operation starts, and makes room for it.
    fn admit(&mut self, op: &Op<Socket<P>>) -> Result<()> {
        const OP: Operation = Operation::Submit;
        if self.pending.count() >= self.pending_max {
            return Err(Error::new(OP, Kind::Limit));
        }
        if let Op::Send { buffer, start, .. } = op
            && *start > buffer.as_slice().len()
        {
            return Err(Error::new(OP, Kind::InvalidInput));
        }
        self.pending
            .reserve()
            .map_err(|_| Error::new(OP, Kind::OutOfMemory))
    }

    /// Tries an operation at once if it may, else queues it. [`admit`](Self::admit) came before.
    fn start(
        &mut self,
        socket: &Socket<P>,
        direction: usize,
        mut work: Work<Socket<P>>,
        token: u64,
    ) -> core::result::Result<u32, (Error, Work<Socket<P>>)> {
        let registration = match self.table.enlist(&mut self.poller, socket) {
            Ok(registration) => registration,
            Err(error) => return Err((error, work)),
        };
        let first = registration.queues[direction].first().is_none();
        let news = first && registration.take_news(direction);
        if first && work.has_looked() && !registration.misleads(direction) {
            if news {
                return Ok(self.pending.insert_done(Completion {
                    token,
                    result: Ok(Outcome::Ready),
                    buffer: None,
                }));
            }
        } else if first && !(work.is_receive() && registration.is_drained()) {
            let result = match attempt(&self.poller, &mut work) {
                Attempt::Done(result) => Some(result),
                Attempt::Short(result) => {
                    registration.note_short_receive();
                    Some(result)
                }
                Attempt::WouldBlock => None,
            };
            if let Some(result) = result {
                return Ok(self.pending.insert_done(Completion {
                    token,
                    result,
                    buffer: work.into_buffer(),
                }));
            }
        }
        if first && !(P::PERSISTENT && registration.watched) {
            if let Err(error) = self.poller.watch(socket, interest(direction)) {
                return Err((error, work));
            }
            registration.watched = true;
        }
        let queue = &mut registration.queues[direction];
        Ok(self.pending.insert(queue, token, work))
    }

    /// Runs what an event speaks of.
    fn dispatch(&mut self, event: Event) {
        let Some(registration) = self.table.get_mut(event.key) else {
            return;
        };
        registration.note(&event);
        if event.readable {
            self.run(event.key, READ);
        }
        if event.writable {
            self.run(event.key, WRITE);
        }
    }

    /// Runs a queue after an event until an operation would block.
    fn run(&mut self, key: usize, direction: usize) {
        let Some(registration) = self.table.get_mut(key) else {
            return;
        };
        if registration.queues[direction].first().is_none() {
            registration.note_news(direction);
        }
        // The event itself is the answer to a `Ready` at the head; one behind it must look for itself.
        let mut fresh = true;
        while let Some(index) = registration.queues[direction].first() {
            let Some(work) = self.pending.work_mut(index) else {
                return;
            };
            let attempt = if work.is_receive() && registration.is_drained() {
                Attempt::WouldBlock
            } else {
                attempt_after_event(&self.poller, work, fresh)
            };
            let result = match attempt {
                Attempt::Done(result) => result,
                Attempt::Short(result) => {
                    registration.note_short_receive();
                    result
                }
                Attempt::WouldBlock => {
                    if P::PERSISTENT {
                        return;
                    }
                    let Some((socket, _)) = work.place() else {
                        return;
                    };
                    match self.poller.watch(socket, interest(direction)) {
                        Ok(()) => return,
                        // Nobody will report the socket, so the operation must not wait for it.
                        Err(error) => Err(error),
                    }
                }
            };
            fresh = false;
            self.pending
                .complete(&mut registration.queues[direction], index, |token, work| {
                    Completion {
                        token,
                        result,
                        buffer: work.into_buffer(),
                    }
                });
        }
    }

    /// Hands over what is ready, up to the bound of one call.
    fn deliver<E: Extend<Completion<Socket<P>>>>(&mut self, out: &mut E) -> usize {
        let mut count = 0;
        out.extend(core::iter::from_fn(|| {
            if count == RING_COMPLETIONS_MAX {
                return None;
            }
            let completion = self.pending.pop_ready()?;
            count += 1;
            Some(completion)
        }));
        count
    }

    /// How long the system may wait; 0 if not at all.
    fn timeout_ns(&self, until: Option<Instant>) -> Option<u64> {
        if self.pending.has_ready() {
            return Some(0);
        }
        let until = until.filter(|&until| until != Instant::MAX)?;
        let now = self.poller.net().now(ClockId::Monotonic);
        Some(until.as_ns().saturating_sub(now.as_ns()))
    }
}

impl<P: Poller> Ring for ReadinessRing<P> {
    type Socket = Socket<P>;
    type Waker = P::Waker;

    fn submit(
        &mut self,
        op: Op<Socket<P>>,
        token: u64,
    ) -> core::result::Result<OpId, Rejected<Socket<P>>> {
        if let Err(error) = self.admit(&op) {
            return Err(Rejected { error, op });
        }
        let (socket, direction, work) = match op {
            Op::Connect { address } => match self.poller.start_connect(&address) {
                Ok(Connecting::Started(socket)) => {
                    (socket.clone(), WRITE, Work::Connect(socket, address))
                }
                Ok(Connecting::Failed(error)) => {
                    let index = self.pending.insert_done(Completion {
                        token,
                        result: Err(error),
                        buffer: None,
                    });
                    return Ok(self.pending.id(index));
                }
                Err(error) => return Err(Rejected { error, op }),
            },
            op => match place(&op) {
                Some((socket, direction)) => (socket.clone(), direction, Work::Op(op)),
                None => {
                    let error = Error::unsupported(Operation::Submit);
                    return Err(Rejected { error, op });
                }
            },
        };
        match self.start(&socket, direction, work, token) {
            Ok(index) => Ok(self.pending.id(index)),
            Err((error, work)) => Err(Rejected {
                error,
                op: work.into_op(),
            }),
        }
    }

    fn cancel(&mut self, id: OpId) -> Cancel {
        let Some(index) = self.pending.find(id) else {
            return Cancel::NotPending;
        };
        // An entry that is done already is delivered with its result.
        if let Some(work) = self.pending.work(index)
            && let Some((socket, direction)) = work.place()
            && let Some(registration) = self.table.get_mut(P::key(socket))
        {
            let error = Error::new(work.operation(), Kind::Cancelled);
            let queue = &mut registration.queues[direction];
            self.pending
                .complete(queue, index, |token, work| Completion {
                    token,
                    result: Err(error),
                    buffer: work.into_buffer(),
                });
        }
        Cancel::Requested
    }

    fn pending(&self) -> usize {
        self.pending.count()
    }

    fn wait<E: Extend<Completion<Socket<P>>>>(
        &mut self,
        until: Option<Instant>,
        out: &mut E,
    ) -> Result<usize> {
        if self.pending.has_ready() && self.waits_since_look < WAITS_PER_LOOK {
            self.waits_since_look += 1;
            return Ok(self.deliver(out));
        }
        self.waits_since_look = 0;
        loop {
            let timeout_ns = self.timeout_ns(until);
            let mut events = core::mem::take(&mut self.events);
            let waked = self.poller.poll(timeout_ns, &mut events);
            for event in events.drain(..) {
                self.dispatch(event);
            }
            self.events = events;
            let waked = waked?;
            let expired =
                || until.is_some_and(|until| self.poller.net().now(ClockId::Monotonic) >= until);
            if self.pending.has_ready() || waked || expired() {
                return Ok(self.deliver(out));
            }
        }
    }

    fn waker(&self) -> P::Waker {
        self.poller.waker()
    }
}
