//! The ring's operations: a slab with generations, threaded by doubly linked lanes, one per socket and direction.
//!
//! # Invariants
//!
//! S1: an entry is free, waiting or done. A waiting one is in the lane of its work's place, if that has one, and in no other.
//! S2: only the oldest entry of a lane, and each that has none, is with the kernel or on its way there; so operations of a lane complete
//!     in order.
//! S3: an entry that is with the kernel is neither completed nor freed before the kernel's answer. Its generation, which is part of
//!     what the kernel was told, changes when it is freed, so an answer or a cancellation never meets another operation.
//! S4: `ready` and `todo` hold each entry at most once and have room for all, so that completing never grows them.
#![forbid(unsafe_code)]

use super::work::Work;
use crate::net::Socket;
use alloc::boxed::Box;
use alloc::collections::{TryReserveError, VecDeque};
use alloc::vec::Vec;
use underpin_core::platform::{Buffer, Completion, OpId, Outcome};
use underpin_core::{Error, Kind, Result};

/// No entry.
const NONE: u32 = u32::MAX;

/// Generations have 31 bits, so that a number of index and generation has its highest bit free.
const GENERATION_MASK: u32 = u32::MAX >> 1;

#[derive(Clone, Copy, Debug)]
struct Lane {
    head: u32,
    tail: u32,
}

const EMPTY: Lane = Lane {
    head: NONE,
    tail: NONE,
};

/// Where a waiting entry stands with the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Behind others in its lane.
    Queued,
    /// Its turn; listed in `todo`.
    Due,
    /// With the kernel.
    Submitted,
    /// With the kernel, and its cancellation listed in `todo`.
    CancelDue,
    /// With the kernel, and so is its cancellation.
    CancelSubmitted,
    /// With the kernel, where its cancellation met nothing that it could stop; listed in `missed`.
    CancelMissed,
}

/// What an operation came to, and the buffer that was lent.
type End = (Result<Outcome<Socket>>, Option<Buffer>);

#[derive(Debug)]
enum State {
    Free {
        next: u32,
    },
    Waiting(Work),
    /// `None` stands for the most frequent end: ready, and no buffer.
    Done(Option<Box<End>>),
}

#[derive(Debug)]
struct Entry {
    generation: u32,
    previous: u32,
    next: u32,
    phase: Phase,
    listed: bool,
    token: u64,
    state: State,
}

/// All operations of a ring that are accepted and not yet delivered.
#[derive(Debug)]
pub(super) struct Slab {
    entries: Vec<Entry>,
    free: u32,
    count: usize,
    /// By descriptor number and direction.
    lanes: Vec<[Lane; 2]>,
    ready: VecDeque<u32>,
    todo: VecDeque<u32>,
    /// What may be asked to stop once more.
    missed: Vec<OpId>,
}

impl Slab {
    pub(super) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: NONE,
            count: 0,
            lanes: Vec::new(),
            ready: VecDeque::new(),
            todo: VecDeque::new(),
            missed: Vec::new(),
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

    /// Makes sure that the next entry finds room.
    pub(super) fn reserve(&mut self) -> core::result::Result<(), TryReserveError> {
        if self.free == NONE {
            let length = self.entries.len();
            if length == self.entries.capacity() {
                // By a quarter rather than twofold: at many connections the slack is most of what one costs.
                self.entries.try_reserve_exact(length / 4 + 16)?;
            }
            // S4.
            let capacity = self.entries.capacity();
            for list in [&mut self.ready, &mut self.todo] {
                list.try_reserve_exact(capacity - list.len())?;
            }
        }
        Ok(())
    }

    /// Makes sure that there is a lane for the place.
    pub(super) fn reserve_lane(
        &mut self,
        place: Option<(usize, usize)>,
    ) -> core::result::Result<(), TryReserveError> {
        if let Some((fd, _)) = place
            && fd >= self.lanes.len()
        {
            let more = fd + 1 + fd / 4 - self.lanes.len();
            self.lanes.try_reserve_exact(more)?;
            self.lanes.resize(self.lanes.capacity(), [EMPTY; 2]);
        }
        Ok(())
    }

    /// Appends an operation to its lane. [`reserve`](Self::reserve) and [`reserve_lane`](Self::reserve_lane) came before.
    pub(super) fn insert(&mut self, token: u64, work: Work) -> OpId {
        let place = work.place();
        let index = self.allocate(token, State::Waiting(work));
        let Some((fd, direction)) = place else {
            self.make_due(index);
            return self.id(index);
        };
        let tail = core::mem::replace(&mut self.lanes[fd][direction].tail, index);
        self.entries[index as usize].previous = tail;
        if tail == NONE {
            self.lanes[fd][direction].head = index;
            self.make_due(index);
        } else {
            self.entries[tail as usize].next = index;
        }
        self.id(index)
    }

    /// Accepts an operation that has failed already. [`reserve`](Self::reserve) came before.
    pub(super) fn insert_failed(&mut self, token: u64, error: Error) -> OpId {
        let index = self.allocate(token, State::Done(Some(Box::new((Err(error), None)))));
        self.ready.push_back(index);
        self.id(index)
    }

    fn allocate(&mut self, token: u64, state: State) -> u32 {
        self.count += 1;
        if self.free == NONE {
            let index = u32::try_from(self.entries.len()).unwrap_or(NONE);
            debug_assert!(index != NONE, "the ring's bound on operations is below");
            self.entries.push(Entry {
                generation: 0,
                previous: NONE,
                next: NONE,
                phase: Phase::Queued,
                listed: false,
                token,
                state,
            });
            return index;
        }
        let index = self.free;
        let entry = &mut self.entries[index as usize];
        if let State::Free { next } = core::mem::replace(&mut entry.state, state) {
            self.free = next;
        }
        entry.previous = NONE;
        entry.next = NONE;
        entry.phase = Phase::Queued;
        entry.token = token;
        index
    }

    /// The name of an entry, which fits 63 bits.
    pub(super) fn id(&self, index: u32) -> OpId {
        let generation = u64::from(self.entries[index as usize].generation);
        OpId::from_raw(generation << 32 | u64::from(index))
    }

    /// The entry of this name, if it is waiting or done.
    pub(super) fn find(&self, id: OpId) -> Option<u32> {
        let index = (id.as_raw() & u64::from(u32::MAX)) as u32;
        let entry = self.entries.get(index as usize)?;
        let pending = !matches!(entry.state, State::Free { .. });
        (pending && u64::from(entry.generation) == id.as_raw() >> 32).then_some(index)
    }

    /// The work and the phase of an entry that waits.
    pub(super) fn waiting(&mut self, index: u32) -> Option<(&mut Work, &mut Phase)> {
        let entry = &mut self.entries[index as usize];
        match &mut entry.state {
            State::Waiting(work) => Some((work, &mut entry.phase)),
            _ => None,
        }
    }

    /// Has an entry looked at before the next wait.
    pub(super) fn list(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        if !core::mem::replace(&mut entry.listed, true) {
            self.todo.push_back(index);
        }
    }

    /// Whether entries want to be looked at.
    pub(super) fn has_todo(&self) -> bool {
        !self.todo.is_empty()
    }

    /// How many entries want to be looked at.
    pub(super) fn todo_count(&self) -> usize {
        self.todo.len()
    }

    /// Takes the next entry to look at. It may want nothing any more.
    pub(super) fn pop_todo(&mut self) -> Option<u32> {
        let index = self.todo.pop_front()?;
        self.entries[index as usize].listed = false;
        Some(index)
    }

    /// The cancellation of an entry that will end by itself met nothing that it could stop: it is asked again in due time.
    pub(super) fn miss(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        if self.missed.try_reserve(1).is_err() {
            entry.phase = Phase::CancelDue;
            return self.list(index);
        }
        entry.phase = Phase::CancelMissed;
        self.missed.push(self.id(index));
    }

    /// Lists what was missed to be cancelled once more.
    pub(super) fn list_missed(&mut self) {
        while let Some(id) = self.missed.pop() {
            if let Some(index) = self.find(id)
                && let Some((_, phase @ Phase::CancelMissed)) = self.waiting(index)
            {
                *phase = Phase::CancelDue;
                self.list(index);
            }
        }
    }

    /// The entry is to be submitted (again).
    pub(super) fn make_due(&mut self, index: u32) {
        self.entries[index as usize].phase = Phase::Due;
        self.list(index);
    }

    /// Completes a waiting entry, which is not with the kernel; the next of its lane becomes due.
    pub(super) fn complete(&mut self, index: u32, result: Result<Outcome<Socket>>) {
        let entry = &mut self.entries[index as usize];
        let State::Waiting(work) = core::mem::replace(&mut entry.state, State::Done(None)) else {
            debug_assert!(false, "only waiting entries are completed");
            return;
        };
        let (previous, next) = (entry.previous, entry.next);
        let place = work.place();
        let buffer = work.into_buffer();
        if result.as_ref().is_err() || buffer.is_some() || !matches!(result, Ok(Outcome::Ready)) {
            entry.state = State::Done(Some(Box::new((result, buffer))));
        }
        self.ready.push_back(index);
        let Some((fd, direction)) = place else {
            return;
        };
        if next == NONE {
            self.lanes[fd][direction].tail = previous;
        } else {
            self.entries[next as usize].previous = previous;
        }
        if previous == NONE {
            self.lanes[fd][direction].head = next;
            if next != NONE {
                self.make_due(next);
            }
        } else {
            self.entries[previous as usize].next = next;
        }
    }

    /// As [`complete`](Self::complete), for a socket that is ready; whoever waits for nothing else right behind has it too.
    pub(super) fn complete_ready(&mut self, index: u32) {
        let mut index = index;
        loop {
            let next = self.entries[index as usize].next;
            self.complete(index, Ok(Outcome::Ready));
            match self.entries.get(next as usize).map(|entry| &entry.state) {
                Some(State::Waiting(work)) if work.is_ready() => index = next,
                _ => return,
            }
        }
    }

    /// Gives up a waiting entry that is not with the kernel.
    pub(super) fn complete_cancelled(&mut self, index: u32) {
        if let Some((work, _)) = self.waiting(index) {
            let error = Error::new(work.operation(), Kind::Cancelled);
            self.complete(index, Err(error));
        }
    }

    /// Takes the oldest completion for delivery.
    pub(super) fn pop_ready(&mut self) -> Option<Completion<Socket>> {
        let index = self.ready.pop_front()?;
        let entry = &mut self.entries[index as usize];
        let free = State::Free { next: self.free };
        let State::Done(done) = core::mem::replace(&mut entry.state, free) else {
            unreachable!("S1: only done entries are ready");
        };
        // S3.
        entry.generation = entry.generation.wrapping_add(1) & GENERATION_MASK;
        self.free = index;
        self.count -= 1;
        let (result, buffer) = done.map_or((Ok(Outcome::Ready), None), |done| *done);
        Some(Completion {
            token: entry.token,
            result,
            buffer,
        })
    }

    /// Everything that waits is to be given up: what is with the kernel is listed to be cancelled, unless that was asked for already (each
    /// cancellation is answered, and one that met nothing is listed then); the rest completes. Returns how many are with the kernel.
    pub(super) fn cancel_all(&mut self) -> usize {
        let mut submitted = 0;
        for index in 0..self.entries.len() as u32 {
            match self.waiting(index).map(|(_, phase)| *phase) {
                None => {}
                Some(Phase::Queued | Phase::Due) => self.complete_cancelled(index),
                Some(Phase::Submitted) => {
                    self.entries[index as usize].phase = Phase::CancelDue;
                    self.list(index);
                    submitted += 1;
                }
                Some(Phase::CancelDue | Phase::CancelSubmitted | Phase::CancelMissed) => {
                    submitted += 1;
                }
            }
        }
        submitted
    }
}
