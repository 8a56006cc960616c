//! The ring's operations: a slab with generations, threaded by doubly linked queues, one per socket and direction.
//!
//! # Invariants
//!
//! I1: an entry is free, queued or done. It is in exactly one of: the free list, one direction's queue, the ready queue.
//! I2: an entry's generation changes when it is freed, so that an [`OpId`] names one operation only (until 2^32 operations have
//!     passed through one entry).
//! I3: `ready` has room for every entry of the slab, so that completing allocates at most the box of a completion that is not plain readiness.
#![forbid(unsafe_code)]

use super::operation::{Parked, Work};
use crate::platform::{Completion, OpId, Outcome};
use alloc::boxed::Box;
use alloc::collections::{TryReserveError, VecDeque};
use alloc::vec::Vec;

/// No entry.
const NONE: u32 = u32::MAX;

/// A queue of entries, oldest first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    head: u32,
    tail: u32,
}

impl Queue {
    pub(super) const EMPTY: Self = Self {
        head: NONE,
        tail: NONE,
    };

    /// The oldest entry.
    pub(super) fn first(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }
}

#[derive(Debug)]
enum State<S> {
    Free {
        next: u32,
    },
    Queued {
        work: Parked<S>,
        previous: u32,
        next: u32,
    },
    /// `None` stands for the most frequent end: ready, and no buffer.
    Done(Option<Box<Completion<S>>>),
}

/// A completion as it waits for delivery.
fn packed<S>(completion: Completion<S>) -> Option<Box<Completion<S>>> {
    match (&completion.result, &completion.buffer) {
        (Ok(Outcome::Ready), None) => None,
        _ => Some(Box::new(completion)),
    }
}

#[derive(Debug)]
struct Entry<S> {
    generation: u32,
    token: u64,
    state: State<S>,
}

/// All operations of a ring that are accepted and not yet delivered.
#[derive(Debug)]
pub(super) struct Pending<S> {
    entries: Vec<Entry<S>>,
    free: u32,
    count: usize,
    ready: VecDeque<u32>,
}

impl<S> Pending<S> {
    pub(super) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: NONE,
            count: 0,
            ready: VecDeque::new(),
        }
    }

    /// Operations accepted and not yet delivered.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether completions wait for delivery.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Makes sure that the next [`insert`](Self::insert) finds room.
    pub(super) fn reserve(&mut self) -> Result<(), TryReserveError> {
        if self.free == NONE {
            if self.entries.len() == self.entries.capacity() {
                // By a quarter rather than twofold: at many connections the slack is most of what one costs.
                self.entries
                    .try_reserve_exact(self.entries.len() / 4 + 16)?;
            }
            // I3: one slot per entry that the slab can hold now.
            self.ready
                .try_reserve_exact(self.entries.capacity() - self.ready.len())?;
        }
        Ok(())
    }

    /// Appends an operation to `queue`. [`reserve`](Self::reserve) came before.
    pub(super) fn insert(&mut self, queue: &mut Queue, token: u64, work: Work<S>) -> u32 {
        let state = State::Queued {
            work: Parked::new(work),
            previous: queue.tail,
            next: NONE,
        };
        let index = self.allocate(token, state);
        if queue.tail == NONE {
            queue.head = index;
        } else {
            *self.link_mut(queue.tail).1 = index;
        }
        queue.tail = index;
        index
    }

    /// Accepts an operation that is done already. [`reserve`](Self::reserve) came before.
    pub(super) fn insert_done(&mut self, completion: Completion<S>) -> u32 {
        let index = self.allocate(completion.token, State::Done(packed(completion)));
        self.ready.push_back(index);
        index
    }

    fn allocate(&mut self, token: u64, state: State<S>) -> u32 {
        self.count += 1;
        if self.free == NONE {
            let index = u32::try_from(self.entries.len()).unwrap_or(NONE);
            debug_assert!(
                index != NONE,
                "the ring's bound on pending operations is below"
            );
            self.entries.push(Entry {
                generation: 0,
                token,
                state,
            });
            return index;
        }
        let index = self.free;
        let entry = &mut self.entries[index as usize];
        entry.token = token;
        if let State::Free { next } = core::mem::replace(&mut entry.state, state) {
            self.free = next;
        }
        index
    }

    /// The name of entry `index`.
    pub(super) fn id(&self, index: u32) -> OpId {
        let generation = u64::from(self.entries[index as usize].generation);
        OpId::from_raw(generation << 32 | u64::from(index))
    }

    /// The entry that `id` names, if that operation is pending.
    pub(super) fn find(&self, id: OpId) -> Option<u32> {
        let index = (id.as_raw() & u64::from(u32::MAX)) as u32;
        let entry = self.entries.get(index as usize)?;
        let pending = !matches!(entry.state, State::Free { .. });
        (pending && u64::from(entry.generation) == id.as_raw() >> 32).then_some(index)
    }

    /// The work of a queued entry.
    pub(super) fn work(&self, index: u32) -> Option<&Parked<S>> {
        match &self.entries[index as usize].state {
            State::Queued { work, .. } => Some(work),
            _ => None,
        }
    }

    /// The work of a queued entry, to try it.
    pub(super) fn work_mut(&mut self, index: u32) -> Option<&mut Parked<S>> {
        match &mut self.entries[index as usize].state {
            State::Queued { work, .. } => Some(work),
            _ => None,
        }
    }

    /// Takes entry `index` out of `queue`, where it is, and makes its completion out of token and work.
    pub(super) fn complete(
        &mut self,
        queue: &mut Queue,
        index: u32,
        completion: impl FnOnce(u64, Parked<S>) -> Completion<S>,
    ) {
        let entry = &mut self.entries[index as usize];
        let state = core::mem::replace(&mut entry.state, State::Free { next: NONE });
        let State::Queued {
            work,
            previous,
            next,
        } = state
        else {
            entry.state = state;
            debug_assert!(false, "only queued entries are completed");
            return;
        };
        entry.state = State::Done(packed(completion(entry.token, work)));
        if previous == NONE {
            queue.head = next;
        } else {
            *self.link_mut(previous).1 = next;
        }
        if next == NONE {
            queue.tail = previous;
        } else {
            *self.link_mut(next).0 = previous;
        }
        self.ready.push_back(index);
    }

    /// Takes the oldest completion for delivery.
    pub(super) fn pop_ready(&mut self) -> Option<Completion<S>> {
        let index = self.ready.pop_front()?;
        let entry = &mut self.entries[index as usize];
        let free = State::Free { next: self.free };
        match core::mem::replace(&mut entry.state, free) {
            State::Done(completion) => {
                // I2.
                entry.generation = entry.generation.wrapping_add(1);
                self.free = index;
                self.count -= 1;
                let token = entry.token;
                Some(completion.map_or_else(
                    || Completion {
                        token,
                        result: Ok(Outcome::Ready),
                        buffer: None,
                    },
                    |completion| *completion,
                ))
            }
            other => {
                entry.state = other;
                debug_assert!(false, "only done entries are ready");
                None
            }
        }
    }

    /// The links of a queued entry.
    fn link_mut(&mut self, index: u32) -> (&mut u32, &mut u32) {
        match &mut self.entries[index as usize].state {
            State::Queued { previous, next, .. } => (previous, next),
            _ => unreachable!("I1: entries of a queue are queued"),
        }
    }
}
