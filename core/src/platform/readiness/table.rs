//! What a readiness ring knows about each socket: its two queues, and whether a look is worth a call.
//!
//! # Drained sockets
//!
//! A receive that leaves room in its buffer took all that was there. The next one would only meet `WouldBlock`, so it is queued without
//! a try until an event says that something came. That is sound if and only if the socket was watched before the short receive: all that
//! comes later is a new event. The end of the stream can come together with the last bytes and then has no event of its own, so a
//! socket that has `ended` is never drained. Nor is one that had `urgent` bytes, at whose mark a receive stops short. Only a stream ends: an error of a datagram socket is one message, after which it blocks again.
//!
//! # News
//!
//! [`Op::NextReady`](crate::platform::Op::NextReady) comes from a caller who looked for himself, after the operation before it completed. So it need not look: it
//! waits for the next event, or completes at once by one that came since while its queue was empty (`news`), or because reading has
//! `ended`, which may have shared its event with bytes that the caller took. Where there were `urgent` bytes it looks after all.
#![forbid(unsafe_code)]

use super::operation::READ;
use super::pending::Queue;
use super::poller::{Event, Poller};
use crate::error::{Error, Kind, Operation, Result};
use crate::platform::Net;
use alloc::vec::Vec;

/// What the ring knows about the socket that has, or had, a certain key.
#[derive(Debug)]
pub(super) struct Registration<I> {
    owner: Option<I>,
    is_stream: bool,
    pub(super) watched: bool,
    drained: bool,
    ended: bool,
    urgent: bool,
    /// By direction: an event came while the queue was empty.
    news: [bool; 2],
    pub(super) queues: [Queue; 2],
}

impl<I> Registration<I> {
    /// Whether a receive would surely block.
    pub(super) fn is_drained(&self) -> bool {
        self.drained
    }

    /// An event of `direction` found nobody waiting.
    pub(super) fn note_news(&mut self, direction: usize) {
        self.news[direction] = true;
    }

    /// Whether a `NextReady` completes at once. What follows looks or waits, so the news is old from here on.
    pub(super) fn take_news(&mut self, direction: usize) -> bool {
        core::mem::take(&mut self.news[direction]) || (direction == READ && self.ended)
    }

    /// Whether what a short receive told its caller may be wrong.
    pub(super) fn misleads(&self, direction: usize) -> bool {
        direction == READ && self.urgent
    }

    /// A receive took fewer bytes than it asked for.
    pub(super) fn note_short_receive(&mut self) {
        self.drained = self.watched && !self.ended && !self.urgent;
    }

    /// The poller spoke of the socket.
    pub(super) fn note(&mut self, event: &Event) {
        self.ended |= event.ended && self.is_stream;
        self.urgent |= event.urgent;
        self.drained &= !(event.readable || event.ended || event.urgent);
    }
}

/// The registrations by key.
#[derive(Debug)]
pub(super) struct Table<P: Poller>(Vec<Registration<P::Identity>>);

impl<P: Poller> Table<P> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn get_mut(&mut self, key: usize) -> Option<&mut Registration<P::Identity>> {
        self.0.get_mut(key)
    }

    /// Finds or makes the entry of `socket` and returns its key with it.
    pub(super) fn enlist(
        &mut self,
        poller: &mut P,
        socket: &<P::Net as Net>::Socket,
    ) -> Result<(usize, &mut Registration<P::Identity>)> {
        let key = P::key(socket);
        if key >= self.0.capacity() {
            // By a quarter rather than twofold: at many connections the slack is much of what one costs.
            let more = key + 1 + key / 4 - self.0.len();
            self.0
                .try_reserve_exact(more)
                .map_err(|_| Error::new(Operation::Submit, Kind::OutOfMemory))?;
        }
        while self.0.len() <= key {
            self.0.push(Registration {
                owner: None,
                is_stream: false,
                watched: false,
                drained: false,
                ended: false,
                urgent: false,
                news: [false; 2],
                queues: [Queue::EMPTY; 2],
            });
        }
        let registration = &mut self.0[key];
        if !registration
            .owner
            .as_ref()
            .is_some_and(|owner| P::is(socket, owner))
        {
            // The key's earlier owner is closed: nothing of it is queued, since queued operations keep their socket.
            debug_assert!(
                registration
                    .queues
                    .iter()
                    .all(|queue| queue.first().is_none())
            );
            if registration.owner.is_some() {
                poller.forget(key);
            }
            registration.owner = Some(P::identity(socket));
            registration.is_stream = P::is_stream(socket);
            registration.watched = false;
            registration.drained = false;
            registration.ended = false;
            registration.urgent = false;
            registration.news = [false; 2];
        }
        Ok((key, registration))
    }
}
