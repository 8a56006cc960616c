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
    Buffer, Completion, Instant, Interest, Net, Op, OpId, Outcome, Reactor, Rejected, Ring,
    RingBackend, RingOptions,
};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::task::{Poll, Waker};

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// Slots that one executor may use.
pub(super) const SLOTS_MAX: usize = 1 << 24;

/// Where a slot stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Free,
    Waiting,
    Orphan,
    /// What came is `Ok(Outcome::Ready)`, the most frequent result.
    Ready,
    /// What came is in `Io::brought`.
    Brought,
}

/// What an operation came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Performed<S> {
    /// What it brought, or why it did not.
    pub result: Result<Outcome<S>>,
    /// The buffer that was lent, if one was.
    pub buffer: Option<Buffer>,
}

/// A finished operation; `None` stands for `Ok(Outcome::Ready)`.
pub(super) type Brought<P> = Option<Box<Performed<<P as Net>::Socket>>>;

/// A slot, or the operation that was not taken.
type Submitted<P> = core::result::Result<u32, Rejected<<P as Net>::Socket>>;

/// A slot, as small as can be: an idle connection has one.
struct Slot {
    /// The ring's number of the operation; of a free slot the next free one.
    number: u64,
    /// Whom to wake, while it waits.
    waker: Option<Waker>,
    generation: u32,
    phase: Phase,
}

impl Slot {
    /// The next slot of the free list that this one is in.
    fn next(&self) -> u32 {
        u32::try_from(self.number).unwrap_or(NONE)
    }
}

/// The ring and its slots.
pub(super) struct Io<P: Reactor> {
    ring: P::Ring,
    slots: Vec<Slot>,
    free: u32,
    /// Results that are not taken yet, by slot; few at a time.
    brought: BTreeMap<u32, Box<Performed<P::Socket>>>,
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
            brought: BTreeMap::new(),
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
    pub(super) fn submit(&mut self, op: Op<P::Socket>, waker: &mut Option<Waker>) -> Submitted<P> {
        let index = match self.reserve() {
            Ok(index) => index,
            Err(error) => return Err(Rejected { error, op }),
        };
        let slot = &mut self.slots[index as usize];
        let token = u64::from(slot.generation) << 32 | u64::from(index);
        match self.ring.submit(op, token) {
            Ok(id) => {
                debug_assert!(slot.phase == Phase::Free);
                self.free = slot.next();
                slot.number = id.as_raw();
                slot.waker = waker.take();
                slot.phase = Phase::Waiting;
                self.used += 1;
                Ok(index)
            }
            Err(rejected) => Err(rejected),
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
    ) -> Submitted<P> {
        if self.knows_next {
            let op = Op::NextReady {
                socket: socket.clone(),
                interest,
            };
            match self.submit(op, waker) {
                Err(rejected) if rejected.error.kind() == Kind::Unsupported => {
                    self.knows_next = false;
                }
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
                number: u64::from(NONE),
                waker: None,
                generation: 0,
                phase: Phase::Free,
            });
            self.free = index;
        }
        Ok(self.free)
    }

    /// Whether [`poll`](Self::poll) needs a clone of `waker`, which is to be made while nothing is borrowed.
    pub(super) fn wants(&self, index: u32, waker: &Waker) -> bool {
        self.slots.get(index as usize).is_some_and(|slot| {
            let has_it = slot.waker.as_ref().is_some_and(|old| old.will_wake(waker));
            slot.phase == Phase::Waiting && !has_it
        })
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
        match slot.phase {
            Phase::Waiting => match waker {
                Some(waker) => (Poll::Pending, slot.waker.replace(waker)),
                None => (Poll::Pending, None),
            },
            Phase::Ready | Phase::Brought => (Poll::Ready(self.take(index)), waker),
            Phase::Free | Phase::Orphan => (Poll::Pending, waker),
        }
    }

    /// Nobody waits any more: cancels, and sees to what the operation still brings. Gives back what is to be dropped when nothing is
    /// borrowed.
    pub(super) fn abandon(&mut self, index: u32) -> (Option<Waker>, Brought<P>) {
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return (None, None);
        };
        match slot.phase {
            Phase::Waiting => {
                slot.phase = Phase::Orphan;
                let waker = slot.waker.take();
                let _ = self.ring.cancel(OpId::from_raw(slot.number));
                (waker, None)
            }
            Phase::Ready | Phase::Brought => (None, self.take(index)),
            Phase::Free | Phase::Orphan => (None, None),
        }
    }

    /// Tells the system what was abandoned, which it hears of otherwise when the ring is waited in.
    pub(super) fn let_go(&mut self) {
        self.ring.let_go();
    }

    /// What the operation of a slot came to, which frees the slot.
    fn take(&mut self, index: u32) -> Brought<P> {
        let brought = match self.slots[index as usize].phase {
            Phase::Brought => self.brought.remove(&index),
            _ => None,
        };
        self.release(index);
        brought
    }

    fn release(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.phase = Phase::Free;
        slot.number = u64::from(self.free);
        self.free = index;
        self.used -= 1;
    }

    /// The executor goes: takes out whoever waits, to be woken.
    pub(super) fn take_waiting(&mut self, wake: &mut Vec<Waker>) {
        for slot in &mut self.slots {
            wake.extend(slot.waker.take());
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
            match slot.phase {
                Phase::Waiting => {
                    wake.extend(slot.waker.take());
                    slot.phase = match completion.result {
                        Ok(Outcome::Ready) if completion.buffer.is_none() => Phase::Ready,
                        result => {
                            let performed = Box::new(Performed {
                                result,
                                buffer: completion.buffer,
                            });
                            self.brought.insert(index, performed);
                            Phase::Brought
                        }
                    };
                }
                Phase::Orphan => self.release(index),
                Phase::Free | Phase::Ready | Phase::Brought => {}
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
