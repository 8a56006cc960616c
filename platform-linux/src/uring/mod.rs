//! A ring over io_uring: the kernel does the operation, or waits for the socket, and tells when it is done.
//!
//! # What the kernel does
//!
//! | operation | entry |
//! |---|---|
//! | `Ready`, `NextReady` | `POLL_ADD`, once |
//! | `Receive`, `Send` | `RECV`, `SEND`; after `EAGAIN`, which kernels that go by `O_NONBLOCK` give, `POLL_ADD` and then again |
//! | `Accept`, `Connect` | `POLL_ADD`, then the call itself, which does not wait |
//! | `File` | `OPENAT`, `READ`, `WRITE`, `FSYNC`, each for itself |
//! | `cancel` | `ASYNC_CANCEL`, if the kernel has the operation already |
//! | the waker | `READ` of an `eventfd` |
//!
//! Nothing is given to the kernel outside of [`wait`](Ring::wait) and [`let_go`](Ring::let_go): one `io_uring_enter` submits what has gathered, waits, with the deadline as its timeout, and lets the kernel finish what is due. A wait that finds completions, has nothing to submit and sees that
//! the kernel holds none back makes no system call.
//!
//! Not yet: multishot operations, buffers that the kernel picks, registered files and buffers, zero-copy sends.
//!
//! # Why nothing is lost
//!
//! - Sockets and buffers of an operation are in the slab (`slab.rs`) until the kernel's answer to its one entry came. Cancelling only
//!   asks; if the bytes were faster, the answer says so and is the result.
//! - A cancellation that found nothing to stop is asked again until the operation is answered, since it may have met the operation
//!   just as the kernel moved it (the ring may have changed its thread).
//! - An answer that nobody asked for, that an operation was cancelled or interrupted (the kernel does that to what a thread submitted when
//!   it ends), submits anew.
//! - What does not fit into the submission queue stays listed; the queue is submitted and filled again within the same wait. What does
//!   not fit into the completion queue is kept by the kernel (`NODROP`), and comes once there is room.
//! - Dropping the ring cancels all and waits for every answer before memory or sockets go. Should the kernel refuse to be entered,
//!   what it still has is leaked.
//!
//! | file | what |
//! |---|---|
//! | `queue.rs` | the memory that is shared with the kernel |
//! | `slab.rs` | the operations and the order they keep |
//! | `work.rs`, `file_work.rs` | one operation's entry and answer |
//! | `bell.rs` | the waker |
#![allow(unsafe_code, reason = "entries point to buffers")]

mod bell;
mod file_work;
mod queue;
mod slab;
#[cfg(test)]
mod tests;
mod work;

pub use bell::UringWaker;

use crate::Linux;
use crate::error::error_as;
use crate::net::{Socket, start_connect};
use alloc::boxed::Box;
use core::mem::ManuallyDrop;
use queue::{Done, Entry, Queue};
use rustix::io::Errno;
use rustix::io_uring::IoringOp;
use slab::{Phase, Slab};
use underpin_core::limits::RING_COMPLETIONS_MAX;
use underpin_core::platform::readiness::Connecting;
use underpin_core::platform::{
    Cancel, Clock, ClockId, Completion, Instant, Op, OpId, Outcome, Rejected, Ring, RingOptions,
};
use underpin_core::{Error, Kind, Operation, Result};
use work::{Answer, Start, Work};

/// Entries of the submission queue: what one system call submits at most.
const SUBMISSIONS: u32 = 128;

/// Entries of the completion queue at most.
const COMPLETIONS_MAX: usize = 4096;

/// The highest bit of an entry's number says that it is the cancellation of the entry with the rest of the number.
const CANCELLATION: u64 = 1 << 63;

/// The number of the waker's read. Its low half is no entry's index.
const BELL: u64 = u32::MAX as u64;

/// For how long a ring that is dropped has no answer before it cancels anew.
const REPEAT_CANCEL_NS: u64 = 10_000_000;

/// A ring over io_uring. See the module's documentation.
#[derive(Debug)]
pub struct UringRing {
    queue: Queue,
    /// In place while the kernel may have entries that point into it; dropped by hand.
    slab: ManuallyDrop<Slab>,
    pending_max: usize,
    waker: UringWaker,
    /// Whether a waker called since the last wait.
    waked: bool,
    /// Whether something was cancelled since the last wait that the kernel has.
    cancels: bool,
    /// Whether the kernel has the read of the bell, which writes to `count`.
    is_listening: bool,
    /// Why the bell could not be read, until a wait has told.
    deaf: Option<Errno>,
    count: ManuallyDrop<Box<core::cell::UnsafeCell<u64>>>,
}

/// Whether rings over io_uring can be made here.
///
/// # Errors
/// Why not: `Unsupported`, with the kernel's number: too old, forbidden by `kernel.io_uring_disabled`, or by a filter.
pub fn io_uring_support() -> Result<()> {
    let mut options = RingOptions::default();
    options.pending_max = 1;
    UringRing::new(&options).map(drop)
}

impl UringRing {
    /// A ring.
    ///
    /// # Errors
    /// `Unsupported` if this kernel, or a filter before it, has no io_uring or an old one; `TooManyHandles`, `OutOfMemory`.
    pub fn new(options: &RingOptions) -> Result<Self> {
        let completions = options
            .pending_max
            .saturating_mul(2)
            .clamp(SUBMISSIONS as usize, COMPLETIONS_MAX)
            .next_power_of_two();
        Self::with_sizes(options, SUBMISSIONS, completions as u32)
    }

    fn with_sizes(options: &RingOptions, submissions: u32, completions: u32) -> Result<Self> {
        let make = || Ok((Queue::new(submissions, completions)?, UringWaker::new()?));
        let (queue, waker) = make().map_err(|errno| match errno {
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => {
                crate::error::error(Operation::Ring, errno)
            }
            errno => error_as(Operation::Ring, Kind::Unsupported, errno),
        })?;
        Ok(Self {
            queue,
            slab: ManuallyDrop::new(Slab::new()),
            // Entries are numbered with 32 bits; the highest number is the bell's.
            pending_max: options.pending_max.min(u32::MAX as usize - 1),
            waker,
            waked: false,
            cancels: false,
            is_listening: false,
            deaf: None,
            count: ManuallyDrop::new(Box::new(core::cell::UnsafeCell::new(0))),
        })
    }

    /// Checks everything that can be checked before an operation starts, and makes room for it.
    fn admit(&mut self, op: &Op<Socket>) -> Result<()> {
        const OP: Operation = Operation::Submit;
        if self.slab.count() >= self.pending_max {
            return Err(Error::new(OP, Kind::Limit));
        }
        match op {
            Op::Send { buffer, start, .. } if *start > buffer.as_slice().len() => {
                return Err(Error::new(OP, Kind::InvalidInput));
            }
            Op::File(op) => file_work::check(op)?,
            _ => {}
        }
        self.slab
            .reserve()
            .map_err(|_| Error::new(OP, Kind::OutOfMemory))
    }

    /// Makes room for an entry if there is none. Takes the answers too: what is pushed must not pile up more of them, in the kernel's
    /// memory, than their queue holds.
    fn make_room(&mut self) -> Result<()> {
        if self.queue.is_full() {
            self.enter(Some(0))?;
            self.waked |= self.reap();
        }
        Ok(())
    }

    fn enter(&mut self, timeout_ns: Option<u64>) -> Result<()> {
        self.queue
            .enter(timeout_ns)
            .map_err(|errno| error_as(Operation::RingWait, Kind::Io, errno))
    }

    /// Gives the kernel what is listed. What finds no room stays so.
    fn push_todo(&mut self) -> Result<()> {
        // Not what answers list meanwhile: that is for the next wait, so that this ends.
        for _ in 0..self.slab.todo_count() {
            self.make_room()?;
            let Some(index) = self.slab.pop_todo() else {
                break;
            };
            let id = self.slab.id(index);
            let Some((work, phase)) = self.slab.waiting(index) else {
                continue;
            };
            let (entry, after) = match *phase {
                Phase::Due => match work.start(id.as_raw()) {
                    Start::Submit(entry) => (entry, Phase::Submitted),
                    Start::Done(result) => {
                        self.slab.complete(index, result);
                        continue;
                    }
                },
                Phase::CancelDue => (cancellation(id.as_raw()), Phase::CancelSubmitted),
                Phase::Queued | Phase::Submitted | Phase::CancelSubmitted | Phase::CancelMissed => {
                    continue;
                }
            };
            // SAFETY: the entry's buffer is the slab's, which keeps it until the answer (S3, W1), also when the ring is dropped.
            if !unsafe { self.queue.push(&entry) } {
                self.slab.list(index);
                return Ok(());
            }
            if let Some((_, phase)) = self.slab.waiting(index) {
                *phase = after;
            }
        }
        Ok(())
    }

    /// Has the kernel read the bell.
    fn listen(&mut self) -> Result<()> {
        if self.is_listening {
            return Ok(());
        }
        let entry = Entry {
            opcode: IoringOp::Read as u8,
            fd: self.waker.raw_fd(),
            address: self.count.get().expose_provenance() as u64,
            len: 8,
            // The descriptor has no position.
            offset: u64::MAX,
            user_data: BELL,
            ..Entry::default()
        };
        self.make_room()?;
        // SAFETY: the count is written by the kernel alone, and stays until the answer, also when the ring is dropped.
        self.is_listening = unsafe { self.queue.push(&entry) };
        Ok(())
    }

    /// Takes the kernel's answers and says whether a waker called.
    fn reap(&mut self) -> bool {
        let mut waked = false;
        while let Some(done) = self.queue.pop() {
            if done.user_data == BELL {
                self.is_listening = false;
                if done.result > 0 {
                    self.waker.settle();
                    waked = true;
                } else {
                    self.deaf = deafness(done.result);
                }
            } else if done.user_data & CANCELLATION != 0 {
                self.cancel_again(done);
            } else {
                self.answer(done);
            }
        }
        waked
    }

    /// The kernel's answer to an operation.
    fn answer(&mut self, done: Done) {
        let Some(index) = self.slab.find(OpId::from_raw(done.user_data)) else {
            debug_assert!(false, "S3: an entry waits for its answer");
            return;
        };
        let Some((work, phase)) = self.slab.waiting(index) else {
            return;
        };
        let is_cancelled = *phase != Phase::Submitted;
        *phase = Phase::Queued;
        match work.answer(done.result) {
            Answer::Again if is_cancelled => self.slab.complete_cancelled(index),
            Answer::Again => self.slab.make_due(index),
            Answer::Done(Ok(Outcome::Ready)) => self.slab.complete_ready(index),
            Answer::Done(result) => self.slab.complete(index, result),
        }
    }

    /// The kernel's answer to a cancellation: one that met nothing is tried again, unless the operation is answered. At once where nothing
    /// else would end it; with the next wait, or after a pause where there is none, where a thread of the kernel's is at work on a file, which
    /// asking without pause would not hurry.
    fn cancel_again(&mut self, done: Done) {
        let id = OpId::from_raw(done.user_data & !CANCELLATION);
        if done.result >= 0 {
            return;
        }
        if let Some(index) = self.slab.find(id)
            && let Some((work, phase)) = self.slab.waiting(index)
            && *phase == Phase::CancelSubmitted
        {
            if work.is_file() {
                return self.slab.miss(index);
            }
            *phase = Phase::CancelDue;
            self.slab.list(index);
        }
    }

    /// Has the kernel stop what is to be cancelled and waits for its answers, for a while; says whether there was one. What it was asked in
    /// vain to stop it is asked anew if `again`.
    fn stop(&mut self, again: bool) -> Result<bool> {
        if again {
            self.slab.list_missed();
            if self.is_listening {
                self.make_room()?;
                // SAFETY: a cancellation points to nothing.
                let _ = unsafe { self.queue.push(&cancellation(BELL)) };
            }
        }
        self.push_todo()?;
        self.enter(Some(REPEAT_CANCEL_NS))?;
        let is_answered = self.queue.has_done();
        self.reap();
        Ok(is_answered)
    }

    /// Hands over what is ready, up to the bound of one call.
    fn deliver<E: Extend<Completion<Socket>>>(&mut self, out: &mut E) -> usize {
        let mut count = 0;
        out.extend(core::iter::from_fn(|| {
            if count == RING_COMPLETIONS_MAX || !self.slab.has_ready() {
                return None;
            }
            count += 1;
            self.slab.pop_ready()
        }));
        count
    }
}

/// Why the bell cannot be read, if this answer to its read, which brought nothing, will come again: then nobody could wake the ring, and
/// its waits would spin.
fn deafness(answer: i32) -> Option<Errno> {
    match answer {
        0 => Some(Errno::IO),
        answer => match Errno::from_raw_os_error(-answer) {
            Errno::CANCELED | Errno::INTR | Errno::AGAIN => None,
            errno => Some(errno),
        },
    }
}

/// The entry that cancels the entry with number `target`.
fn cancellation(target: u64) -> Entry {
    Entry {
        opcode: IoringOp::AsyncCancel as u8,
        fd: -1,
        address: target,
        user_data: target | CANCELLATION,
        ..Entry::default()
    }
}

fn time_left(until: Option<Instant>) -> Option<u64> {
    let until = until.filter(|&until| until != Instant::MAX)?;
    let now = Linux.now(ClockId::Monotonic);
    Some(until.as_ns().saturating_sub(now.as_ns()))
}

impl Ring for UringRing {
    type Socket = Socket;
    type Waker = UringWaker;

    fn submit(
        &mut self,
        op: Op<Socket>,
        token: u64,
    ) -> core::result::Result<OpId, Rejected<Socket>> {
        if let Err(error) = self.admit(&op) {
            return Err(Rejected { error, op });
        }
        let work = match op {
            Op::Connect { address } => match start_connect(&address) {
                Ok(Connecting::Started(socket)) => Work::connect(socket, address),
                Ok(Connecting::Failed(error)) => return Ok(self.slab.insert_failed(token, error)),
                Err(error) => return Err(Rejected { error, op }),
            },
            op => Work::new(op).map_err(|op| Rejected {
                error: match op {
                    Op::File(_) => Error::new(Operation::Submit, Kind::OutOfMemory),
                    _ => Error::unsupported(Operation::Submit),
                },
                op,
            })?,
        };
        if self.slab.reserve_lane(work.place()).is_err() {
            return Err(Rejected {
                error: Error::new(Operation::Submit, Kind::OutOfMemory),
                op: work.into_op(),
            });
        }
        Ok(self.slab.insert(token, work))
    }

    fn cancel(&mut self, id: OpId) -> Cancel {
        let Some(index) = self.slab.find(id) else {
            return Cancel::NotPending;
        };
        // An entry that is done already is delivered with its result.
        match self.slab.waiting(index).map(|(_, phase)| phase) {
            Some(Phase::Queued | Phase::Due) => self.slab.complete_cancelled(index),
            Some(phase @ Phase::Submitted) => {
                *phase = Phase::CancelDue;
                self.slab.list(index);
                self.cancels = true;
            }
            Some(Phase::CancelDue | Phase::CancelSubmitted | Phase::CancelMissed) | None => {}
        }
        Cancel::Requested
    }

    /// What does not succeed is tried again by the next wait, which also tells of errors.
    fn let_go(&mut self) {
        if core::mem::take(&mut self.cancels) {
            let _ = self.push_todo().and_then(|()| self.enter(Some(0)));
            self.waked |= self.reap();
        }
    }

    fn pending(&self) -> usize {
        self.slab.count()
    }

    fn wait<E: Extend<Completion<Socket>>>(
        &mut self,
        until: Option<Instant>,
        out: &mut E,
    ) -> Result<usize> {
        self.slab.list_missed();
        self.cancels = false;
        loop {
            self.push_todo()?;
            self.listen()?;
            let mut waked = core::mem::take(&mut self.waked) | self.reap();
            let timeout_ns =
                if waked || self.slab.has_ready() || self.slab.has_todo() || !self.is_listening {
                    Some(0)
                } else {
                    time_left(until)
                };
            if timeout_ns != Some(0) || self.queue.unsubmitted() > 0 || self.queue.is_held_back() {
                self.enter(timeout_ns)?;
                waked |= self.reap();
            }
            if let Some(errno) = self.deaf.take() {
                return Err(error_as(Operation::RingWait, Kind::Io, errno));
            }
            if waked || self.slab.has_ready() || time_left(until) == Some(0) {
                return Ok(self.deliver(out));
            }
        }
    }

    fn waker(&self) -> UringWaker {
        self.waker.clone()
    }
}

impl Drop for UringRing {
    fn drop(&mut self) {
        // An answer may be that a cancellation missed, and that comes at once: asking anew at each answer would not pause.
        let mut again = true;
        while self.slab.cancel_all() > 0 || self.is_listening {
            match self.stop(again) {
                Ok(is_answered) => again = !is_answered,
                // The kernel may still write to what is in the slab, so it is leaked.
                Err(_) => return,
            }
        }
        // SAFETY: not used after this; the kernel has answered every entry, so it has no pointer into either.
        unsafe {
            ManuallyDrop::drop(&mut self.slab);
            ManuallyDrop::drop(&mut self.count);
        }
    }
}
