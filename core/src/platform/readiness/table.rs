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
    const fn new() -> Self {
        Self {
            owner: None,
            is_stream: false,
            watched: false,
            drained: false,
            ended: false,
            urgent: false,
            news: [false; 2],
            queues: [Queue::EMPTY; 2],
        }
    }

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

/// No place.
const NONE: u32 = u32::MAX;

/// The registrations by key. Keys are the process's, so most may be those of other rings, or of nobody: they cost a number each.
#[derive(Debug)]
pub(super) struct Table<P: Poller> {
    /// By key: the place of the registration, or `NONE`.
    places: Vec<u32>,
    registrations: Vec<Registration<P::Identity>>,
}

impl<P: Poller> Table<P> {
    pub(super) const fn new() -> Self {
        Self {
            places: Vec::new(),
            registrations: Vec::new(),
        }
    }

    pub(super) fn get_mut(&mut self, key: usize) -> Option<&mut Registration<P::Identity>> {
        let place = *self.places.get(key)?;
        self.registrations.get_mut(place as usize)
    }

    /// The place of the registration for `key`, which is made if there is none.
    fn place(&mut self, key: usize) -> Result<usize> {
        let full = |_| Error::new(Operation::Submit, Kind::OutOfMemory);
        if key >= self.places.len() {
            // By a quarter rather than twofold: at many connections the slack is much of what one costs.
            let more = key + 1 + key / 4 - self.places.len();
            self.places.try_reserve_exact(more).map_err(full)?;
            self.places.resize(self.places.capacity(), NONE);
        }
        if self.places[key] == NONE {
            let count = self.registrations.len();
            if count == self.registrations.capacity() {
                self.registrations
                    .try_reserve_exact(count / 4 + 16)
                    .map_err(full)?;
            }
            self.registrations.push(Registration::new());
            // Fewer than the open sockets of a process, whose numbers have 31 bits.
            self.places[key] = count as u32;
        }
        Ok(self.places[key] as usize)
    }

    /// Finds or makes the entry of `socket`.
    pub(super) fn enlist(
        &mut self,
        poller: &mut P,
        socket: &<P::Net as Net>::Socket,
    ) -> Result<&mut Registration<P::Identity>> {
        let key = P::key(socket);
        let place = self.place(key)?;
        let registration = &mut self.registrations[place];
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
            *registration = Registration::new();
            registration.owner = Some(P::identity(socket));
            registration.is_stream = P::is_stream(socket);
        }
        Ok(registration)
    }
}
