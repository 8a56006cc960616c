//! Operations of the ring that somebody waits for: a slot each, which says whom to wake.
//!
//! ```text
//!   submit --> [waiting, waker] --completion--> [done, result] --taken--> free
//!                    |                              |
//!                    '--- abandoned: cancel -> [orphan] --completion--> result dropped, free
//! ```
//!
//! A slot's number and generation are the operation's token, so a completion that comes late finds nothing. What an orphan brings (a
//! connection) is dropped, which closes it.
#![forbid(unsafe_code)]

use crate::error::{Error, Kind, Operation, Result};
use crate::platform::{
    Buffer, Completion, Instant, Interest, Net, Op, OpId, Outcome, Reactor, Ring, RingBackend,
    RingOptions,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::task::{Poll, Waker};

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// Slots that one executor may use.
const SLOTS_MAX: usize = 1 << 24;

enum State<S> {
    Free {
        next: u32,
    },
    Waiting(Option<Waker>),
    Orphan,
    /// `None` stands for the most frequent result, `Ok(Outcome::Ready)`.
    Done(Option<Box<Completed<S>>>),
}

/// What an operation came to.
pub(super) struct Completed<S> {
    pub(super) result: Result<Outcome<S>>,
    /// Dropped with the rest: no operation that is submitted here lends one.
    _buffer: Option<Buffer>,
}

/// A finished operation; `None` stands for `Ok(Outcome::Ready)`.
pub(super) type Brought<P> = Option<Box<Completed<<P as Net>::Socket>>>;

struct Slot<S> {
    generation: u32,
    id: OpId,
    state: State<S>,
}

/// The ring and its slots.
pub(super) struct Io<P: Reactor> {
    ring: P::Ring,
    slots: Vec<Slot<P::Socket>>,
    free: u32,
    used: usize,
    /// Whether the ring knows [`Op::NextReady`].
    knows_next: bool,
    /// Kept for its memory.
    arrived: Vec<Completion<P::Socket>>,
}

impl<P: Reactor> Io<P> {
    pub(super) fn open(platform: &P, backend: RingBackend) -> Result<Self> {
        let options = RingOptions {
            backend,
            pending_max: SLOTS_MAX,
        };
        Ok(Self {
            ring: platform.ring(&options)?,
            slots: Vec::new(),
            free: NONE,
            used: 0,
            knows_next: true,
            arrived: Vec::new(),
        })
    }

    pub(super) fn ring_waker(&self) -> <P::Ring as Ring>::Waker {
        self.ring.waker()
    }

    /// What the ring asks of the system.
    pub(super) fn backend(&self) -> RingBackend {
        self.ring.backend()
    }

    /// Operations that the ring has.
    pub(super) fn pending(&self) -> usize {
        self.ring.pending()
    }

    /// Starts an operation and returns its slot; `waker`, which is taken then, is woken when it is done.
    ///
    /// # Errors
    /// As the ring's submit; `Limit`.
    pub(super) fn submit(&mut self, op: Op<P::Socket>, waker: &mut Option<Waker>) -> Result<u32> {
        let index = self.reserve()?;
        let slot = &mut self.slots[index as usize];
        let token = u64::from(slot.generation) << 32 | u64::from(index);
        match self.ring.submit(op, token) {
            Ok(id) => {
                let State::Free { next } = slot.state else {
                    unreachable!("the free list holds free slots");
                };
                self.free = next;
                slot.id = id;
                slot.state = State::Waiting(waker.take());
                self.used += 1;
                Ok(index)
            }
            Err(rejected) => Err(rejected.error),
        }
    }

    /// Waits for readiness of a socket, from a caller who has just seen that it is not ready.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub(super) fn submit_ready(
        &mut self,
        socket: P::Socket,
        interest: Interest,
        waker: &mut Option<Waker>,
    ) -> Result<u32> {
        if self.knows_next {
            let op = Op::NextReady {
                socket: socket.clone(),
                interest,
            };
            match self.submit(op, waker) {
                Err(error) if error.kind() == Kind::Unsupported => self.knows_next = false,
                result => return result,
            }
        }
        self.submit(Op::Ready { socket, interest }, waker)
    }

    /// Makes sure that the free list has a slot and returns the first.
    fn reserve(&mut self) -> Result<u32> {
        if self.free == NONE {
            let full = || Error::new(Operation::Submit, Kind::Limit);
            let index = u32::try_from(self.slots.len()).map_err(|_| full())?;
            if self.slots.len() >= SLOTS_MAX {
                return Err(full());
            }
            if self.slots.len() == self.slots.capacity() {
                // By a quarter rather than twofold: at many connections the slack is much of what one costs.
                self.slots
                    .try_reserve_exact(self.slots.len() / 4 + 16)
                    .map_err(|_| Error::new(Operation::Submit, Kind::OutOfMemory))?;
            }
            self.slots.push(Slot {
                generation: 0,
                id: OpId::from_raw(0),
                state: State::Free { next: NONE },
            });
            self.free = index;
        }
        Ok(self.free)
    }

    /// Whether [`poll`](Self::poll) needs a clone of `waker`, which is to be made while nothing is borrowed.
    pub(super) fn wants(&self, index: u32, waker: &Waker) -> bool {
        let state = self.slots.get(index as usize).map(|slot| &slot.state);
        match state {
            Some(State::Waiting(Some(old))) => !old.will_wake(waker),
            Some(State::Waiting(None)) => true,
            _ => false,
        }
    }

    /// The operation's result if it is done, which frees the slot; else `waker`, if there is one, is who is woken. `None` stands for
    /// `Ok(Outcome::Ready)`. A waker that is not wanted comes back in the second place, to be dropped when nothing is borrowed.
    pub(super) fn poll(
        &mut self,
        index: u32,
        waker: Option<Waker>,
    ) -> (Poll<Brought<P>>, Option<Waker>) {
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return (Poll::Pending, waker);
        };
        match &mut slot.state {
            State::Waiting(place) => match waker {
                Some(waker) => (Poll::Pending, place.replace(waker)),
                None => (Poll::Pending, None),
            },
            State::Done(result) => {
                let result = result.take();
                self.release(index);
                (Poll::Ready(result), waker)
            }
            State::Free { .. } | State::Orphan => (Poll::Pending, waker),
        }
    }

    /// Nobody waits any more: cancels, and sees to what the operation still brings. Gives back what is to be dropped when nothing is
    /// borrowed.
    pub(super) fn abandon(&mut self, index: u32) -> (Option<Waker>, Brought<P>) {
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return (None, None);
        };
        match core::mem::replace(&mut slot.state, State::Orphan) {
            State::Waiting(waker) => {
                let _ = self.ring.cancel(slot.id);
                (waker, None)
            }
            State::Done(completed) => {
                self.release(index);
                (None, completed)
            }
            state => {
                slot.state = state;
                (None, None)
            }
        }
    }

    fn release(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.state = State::Free { next: self.free };
        self.free = index;
        self.used -= 1;
    }

    /// The executor goes: takes out whoever waits, to be woken.
    pub(super) fn take_waiting(&mut self, wake: &mut Vec<Waker>) {
        for slot in &mut self.slots {
            if let State::Waiting(waker) = &mut slot.state {
                wake.extend(waker.take());
            }
        }
    }

    /// Waits in the ring and hands out whom to wake.
    ///
    /// # Errors
    /// As the ring's wait.
    pub(super) fn wait(&mut self, until: Option<Instant>, wake: &mut Vec<Waker>) -> Result<()> {
        let mut arrived = core::mem::take(&mut self.arrived);
        let result = self.ring.wait(until, &mut arrived);
        for completion in arrived.drain(..) {
            let index = (completion.token & u64::from(u32::MAX)) as u32;
            let generation = (completion.token >> 32) as u32;
            let Some(slot) = self.slots.get_mut(index as usize) else {
                continue;
            };
            if slot.generation != generation {
                continue;
            }
            match &mut slot.state {
                State::Waiting(waker) => {
                    wake.extend(waker.take());
                    slot.state = State::Done(match completion.result {
                        Ok(Outcome::Ready) if completion.buffer.is_none() => None,
                        result => Some(Box::new(Completed {
                            result,
                            _buffer: completion.buffer,
                        })),
                    });
                }
                State::Orphan => self.release(index),
                State::Free { .. } | State::Done(_) => {}
            }
        }
        self.arrived = arrived;
        result.map(|_| ())
    }

    /// Slots that are in use.
    pub(super) fn in_use(&self) -> usize {
        self.used
    }
}
