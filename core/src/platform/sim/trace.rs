//! The event trace: a rolling hash over everything that happened, and the last few events for people to read.
//!
//! Two runs did the same if their hashes are equal; nothing that differs between hosts (addresses, host time,
//! host thread numbers) goes in.
#![forbid(unsafe_code)]

use super::rng::mix;
use crate::error::{Kind, Operation};
use alloc::collections::VecDeque;
use core::fmt;

/// One event: a call of the seam, or something the machine did by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Virtual time in nanoseconds.
    pub at_ns: u64,
    /// The simulated thread.
    pub thread: u64,
    /// What happened.
    pub what: What,
    /// What it was about: a file's number, an offset, a length; which, depends on `what`.
    pub detail: [u64; 2],
}

/// What an [`Event`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A thread called the seam.
    Call(Operation),
    /// A fault was injected into a call.
    Fault(Operation, Kind),
    /// The baton went to the thread numbered in the detail.
    Switch,
    /// Nobody could run; the clock jumped to this time.
    Idle,
    /// A handle was closed by its drop.
    Drop,
    /// A thread ended.
    End,
    /// The power went.
    PowerLoss,
    /// The program was killed; the operating system lives on.
    Kill,
    /// A deadlock was found.
    Deadlock,
}

impl What {
    /// A number for the hash, from names and not from positions in an enumeration, so that a new operation changes no run.
    const fn code(self) -> u64 {
        match self {
            Self::Call(operation) => fnv(operation.name(), 0),
            Self::Fault(operation, kind) => fnv(kind.description(), fnv(operation.name(), 1)),
            Self::Switch => 1,
            Self::Idle => 2,
            Self::Drop => 3,
            Self::End => 4,
            Self::PowerLoss => 5,
            Self::Kill => 6,
            Self::Deadlock => 7,
        }
    }
}

/// FNV-1a, the hash of Fowler, Noll and Vo.
const fn fnv(text: &str, start: u64) -> u64 {
    let mut hash = start ^ 0xcbf2_9ce4_8422_2325;
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        hash = (hash ^ *first as u64).wrapping_mul(0x0100_0000_01b3);
        rest = tail;
    }
    hash
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>12} ns  thread {:<3} ", self.at_ns, self.thread)?;
        match self.what {
            What::Call(operation) => f.write_str(operation.name())?,
            What::Fault(operation, kind) => {
                write!(f, "fault in {}: {}", operation.name(), kind.description())?;
            }
            What::Switch => f.write_str("switch to")?,
            What::Idle => f.write_str("idle")?,
            What::Drop => f.write_str("close by drop")?,
            What::End => f.write_str("thread ends")?,
            What::PowerLoss => f.write_str("power lost")?,
            What::Kill => f.write_str("killed")?,
            What::Deadlock => f.write_str("deadlock")?,
        }
        match self.detail {
            [0, 0] => Ok(()),
            [a, 0] => write!(f, " {a}"),
            [a, b] => write!(f, " {a} {b}"),
        }
    }
}

/// The hash and the tail of the trace.
#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    tail: VecDeque<Event>,
    tail_max: usize,
}

impl Trace {
    pub(super) fn new(hash: u64, tail_max: usize) -> Self {
        Self {
            hash,
            tail: VecDeque::new(),
            tail_max,
        }
    }

    fn fold(&mut self, word: u64) {
        self.hash = mix(self.hash.rotate_left(5) ^ word);
    }

    pub(super) fn push(&mut self, event: Event) {
        self.fold(event.at_ns);
        self.fold(event.thread);
        self.fold(event.what.code());
        if self.tail_max != 0 {
            if self.tail.len() == self.tail_max {
                self.tail.pop_front();
            }
            self.tail.push_back(event);
        }
    }

    /// Adds what the latest event was about.
    pub(super) fn detail(&mut self, detail: [u64; 2]) {
        self.fold(detail[0]);
        self.fold(detail[1]);
        if let Some(event) = self.tail.back_mut() {
            event.detail = detail;
        }
    }

    /// Adds contents to the hash alone.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.hash = (self.hash.rotate_left(5) ^ u64::from_le_bytes(*word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.fold(u64::from_le_bytes(last));
        self.fold(bytes.len() as u64);
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn tail(&self) -> impl Iterator<Item = &Event> {
        self.tail.iter()
    }
}
