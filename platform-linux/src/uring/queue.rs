//! The two queues that an io_uring shares with the kernel: entries go in by one, completions come out of the other.
//!
//! # Invariants
//!
//! Q1: `rings` and `entries` are the kernel's mappings for `fd`, mapped from the first call of this file to the last, and `rings` is
//!     never seen through a reference, since the kernel writes it at any time: the words that both sides use are read and
//!     written as atomics, the others by raw pointers.
//! Q2: the kernel owns `sq.head` and `cq.tail`, this side `sq.tail` and `cq.head`. An entry between head and tail is its reader's; the
//!     others are the writer's. So a slot is filled before the release store of the tail that shows it, and read after an
//!     acquire load of the tail, before the release store of the head that gives it back.
//! Q3: both sizes are powers of two, so that an index is masked; head and tail run freely and wrap.
#![allow(unsafe_code, reason = "memory that is shared with the kernel")]

use crate::clock::timespec_from_ns;
use core::ffi::c_void;
use core::mem::size_of;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU32, Ordering};
use rustix::event::Timespec;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::io_uring::{
    IORING_OFF_SQ_RING, IORING_OFF_SQES, IoringEnterFlags, IoringFeatureFlags, IoringOp,
    IoringRegisterOp, IoringSetupFlags, IoringSqFlags, io_uring_enter, io_uring_enter_arg,
    io_uring_getevents_arg, io_uring_params, io_uring_ptr, io_uring_register, io_uring_setup,
};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// What the ring cannot do without: one mapping for both queues, no completion dropped when theirs is full, waits that do not need a
/// thread, and a timeout that is an argument of the wait (Linux 5.11).
const FEATURES: IoringFeatureFlags = IoringFeatureFlags::SINGLE_MMAP
    .union(IoringFeatureFlags::NODROP)
    .union(IoringFeatureFlags::SUBMIT_STABLE)
    .union(IoringFeatureFlags::FAST_POLL)
    .union(IoringFeatureFlags::EXT_ARG);

/// The operations that the ring submits.
const OPERATIONS: [IoringOp; 5] = [
    IoringOp::PollAdd,
    IoringOp::AsyncCancel,
    IoringOp::Read,
    IoringOp::Recv,
    IoringOp::Send,
];

/// An entry of the submission queue, as the kernel lays it out.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    pub(super) opcode: u8,
    pub(super) flags: u8,
    pub(super) priority: u16,
    pub(super) fd: i32,
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) len: u32,
    pub(super) op_flags: u32,
    pub(super) user_data: u64,
    pub(super) rest: [u64; 3],
}

/// An entry of the completion queue, as the kernel lays it out.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) user_data: u64,
    pub(super) result: i32,
    pub(super) flags: u32,
}

const _: () = assert!(size_of::<Entry>() == 64 && size_of::<Done>() == 16);

/// The queues. See the module's invariants.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) fd: OwnedFd,
    rings: NonNull<c_void>,
    rings_bytes: usize,
    entries: NonNull<Entry>,
    entries_bytes: usize,
    sq_count: u32,
    cq_count: u32,
    /// Offsets into `rings`.
    sq_head: usize,
    sq_tail: usize,
    sq_flags: usize,
    cq_head: usize,
    cq_tail: usize,
    cq_entries: usize,
}

// SAFETY: the mappings belong to the queue and to no thread (Q1), and every method that touches them wants the queue itself.
unsafe impl Send for Queue {}

impl Queue {
    /// Queues for `sq` submissions and `cq` completions, powers of two; the kernel may cut them.
    ///
    /// # Errors
    /// The kernel's, or a filter's; `NOSYS` if the kernel is too old in one of the things that are needed.
    pub(super) fn new(sq: u32, cq: u32) -> Result<Self, Errno> {
        let (fd, params) = setup(sq, cq)?;
        if !params.features.contains(FEATURES) || !knows_operations(&fd)? {
            return Err(Errno::NOSYS);
        }
        let (sq_off, cq_off) = (&params.sq_off, &params.cq_off);
        let (sq_count, cq_count) = (params.sq_entries, params.cq_entries);
        let array_end = sq_off.array as usize + sq_count as usize * size_of::<u32>();
        let done_end = cq_off.cqes as usize + cq_count as usize * size_of::<Done>();
        let rings_bytes = array_end.max(done_end);
        let entries_bytes = sq_count as usize * size_of::<Entry>();
        let rings = map(&fd, rings_bytes, IORING_OFF_SQ_RING)?;
        let entries = match map(&fd, entries_bytes, IORING_OFF_SQES) {
            Ok(entries) => entries.cast::<Entry>(),
            Err(errno) => {
                // SAFETY: mapped above, and nobody has its address.
                let _ = unsafe { munmap(rings.as_ptr(), rings_bytes) };
                return Err(errno);
            }
        };
        let queue = Self {
            fd,
            rings,
            rings_bytes,
            entries,
            entries_bytes,
            sq_count,
            cq_count,
            sq_head: sq_off.head as usize,
            sq_tail: sq_off.tail as usize,
            sq_flags: sq_off.flags as usize,
            cq_head: cq_off.head as usize,
            cq_tail: cq_off.tail as usize,
            cq_entries: cq_off.cqes as usize,
        };
        // The kernel finds entries by way of an array; here slot n of the array is entry n for ever.
        for slot in 0..sq_count {
            let at = sq_off.array as usize + slot as usize * size_of::<u32>();
            queue.word(at).store(slot, Ordering::Relaxed);
        }
        Ok(queue)
    }

    /// The shared word at an offset into `rings`.
    fn word(&self, offset: usize) -> &AtomicU32 {
        debug_assert!(offset + size_of::<u32>() <= self.rings_bytes && offset.is_multiple_of(4));
        // SAFETY: Q1: the offset is one that the kernel gave for an aligned word of the mapping, which lives as long as `self`,
        // and both sides use the word atomically.
        unsafe { &*self.rings.as_ptr().byte_add(offset).cast::<AtomicU32>() }
    }

    /// Entries that the kernel has not taken yet.
    pub(super) fn unsubmitted(&self) -> u32 {
        // Only this side writes the tail. The acquire pairs with the kernel's release: a slot is used again after it was read (Q2).
        let head = self.word(self.sq_head).load(Ordering::Acquire);
        let tail = self.word(self.sq_tail).load(Ordering::Relaxed);
        tail.wrapping_sub(head)
    }

    /// Whether there is no room for another entry.
    pub(super) fn is_full(&self) -> bool {
        self.unsubmitted() >= self.sq_count
    }

    /// Adds an entry and says whether there was room. The kernel sees it with the next [`enter`](Self::enter).
    ///
    /// # Safety
    /// Memory that the entry points to stays, and is the kernel's alone, until the entry's completion was taken.
    #[must_use]
    pub(super) unsafe fn push(&mut self, entry: &Entry) -> bool {
        if self.is_full() {
            return false;
        }
        let tail = self.word(self.sq_tail).load(Ordering::Relaxed);
        let slot = (tail & (self.sq_count - 1)) as usize;
        // SAFETY: Q1, Q3: the slot is inside of the mapping; Q2: it is not between head and tail, so this side's.
        unsafe { self.entries.as_ptr().add(slot).write(*entry) };
        // Release: whoever sees the tail sees the entry (Q2).
        self.word(self.sq_tail)
            .store(tail.wrapping_add(1), Ordering::Release);
        true
    }

    /// Takes the oldest completion.
    pub(super) fn pop(&mut self) -> Option<Done> {
        let head = self.word(self.cq_head).load(Ordering::Relaxed);
        // Acquire: the kernel wrote the entry, and the buffer that it tells of, before it moved the tail.
        let tail = self.word(self.cq_tail).load(Ordering::Acquire);
        if head == tail {
            return None;
        }
        let slot = (head & (self.cq_count - 1)) as usize;
        // SAFETY: Q1, Q3: inside of the mapping; Q2: between head and tail, so written, and not written again before the store below.
        let done = unsafe {
            self.rings
                .as_ptr()
                .byte_add(self.cq_entries)
                .cast::<Done>()
                .add(slot)
                .read()
        };
        // Release: the read above comes before the kernel may use the slot again.
        self.word(self.cq_head)
            .store(head.wrapping_add(1), Ordering::Release);
        Some(done)
    }

    /// Whether there is a completion to take.
    pub(super) fn has_done(&self) -> bool {
        let head = self.word(self.cq_head).load(Ordering::Relaxed);
        // Nothing is read that the tail shows; `pop` acquires.
        head != self.word(self.cq_tail).load(Ordering::Relaxed)
    }

    /// Whether the kernel holds completions back until it is entered: work that is due, or more than the queue had room for.
    pub(super) fn is_held_back(&self) -> bool {
        let flags = self.word(self.sq_flags).load(Ordering::Relaxed);
        flags & (IoringSqFlags::TASKRUN | IoringSqFlags::CQ_OVERFLOW).bits() != 0
    }

    /// Whether completions wait in the kernel's memory for room in their queue.
    #[cfg(test)]
    pub(super) fn has_overflowed(&self) -> bool {
        let flags = self.word(self.sq_flags).load(Ordering::Relaxed);
        flags & IoringSqFlags::CQ_OVERFLOW.bits() != 0
    }

    /// Submits what was pushed, lets the kernel finish what is due, and unless `timeout_ns` is 0 waits until a completion is there or the
    /// time is over (`None`: for ever). May return early. One system call.
    ///
    /// # Errors
    /// The kernel's. What was pushed and not taken stays for the next call.
    pub(super) fn enter(&mut self, timeout_ns: Option<u64>) -> Result<(), Errno> {
        let submit = self.unsubmitted();
        let mut flags = IoringEnterFlags::GETEVENTS;
        let result = match timeout_ns {
            // SAFETY: the kernel reads entries that `push` was promised are sound, and no argument.
            Some(0) => unsafe { io_uring_enter(&self.fd, submit, 0, flags) },
            // SAFETY: as above.
            None => unsafe { io_uring_enter(&self.fd, submit, 1, flags) },
            Some(ns) => {
                flags |= IoringEnterFlags::EXT_ARG;
                let mut time: Timespec = timespec_from_ns(ns);
                let argument = io_uring_getevents_arg {
                    ts: io_uring_ptr::new((&raw mut time).cast()),
                    ..io_uring_getevents_arg::default()
                };
                // SAFETY: as above; the argument and the time live through the call, which reads them alone.
                unsafe { io_uring_enter_arg(&self.fd, submit, 1, flags, Some(&argument)) }
            }
        };
        match result {
            // `BUSY`: completions wait for room in their queue, which the caller makes. `AGAIN`: no memory for a request just now.
            Ok(_) | Err(Errno::TIME | Errno::INTR | Errno::BUSY | Errno::AGAIN) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: Q1; the last use. The kernel has mappings of its own.
        let _ = unsafe { munmap(self.rings.as_ptr(), self.rings_bytes) };
        // SAFETY: as above.
        let _ = unsafe { munmap(self.entries.as_ptr().cast(), self.entries_bytes) };
    }
}

/// Makes the ring, with fewer interrupts where the kernel knows how (Linux 5.19).
fn setup(sq: u32, cq: u32) -> Result<(OwnedFd, io_uring_params), Errno> {
    let base = IoringSetupFlags::CLAMP | IoringSetupFlags::CQSIZE;
    let better = IoringSetupFlags::SUBMIT_ALL
        | IoringSetupFlags::COOP_TASKRUN
        | IoringSetupFlags::TASKRUN_FLAG;
    let attempt = |flags| {
        let mut params = io_uring_params::default();
        params.flags = flags;
        params.cq_entries = cq;
        // SAFETY: no queue of another ring is attached. The descriptor is close-on-exec by itself.
        unsafe { io_uring_setup(sq, &mut params) }.map(|fd| (fd, params))
    };
    match attempt(base | better) {
        Err(Errno::INVAL) => attempt(base),
        result => result,
    }
}

/// Whether the kernel knows every operation that is submitted.
#[expect(
    clippy::host_endian_bytes,
    reason = "the kernel writes as the host does"
)]
fn knows_operations(fd: &OwnedFd) -> Result<bool, Errno> {
    /// A header of 16 bytes, then 8 for each operation: its number, a byte, and two bytes of flags.
    const WORDS: usize = 2 + 64;
    let mut answer = [0_u64; WORDS];
    let place: *mut c_void = answer.as_mut_ptr().cast();
    // SAFETY: the kernel writes the header and at most that many operations.
    unsafe {
        io_uring_register(
            fd,
            IoringRegisterOp::RegisterProbe,
            place,
            (WORDS - 2) as u32,
        )
    }?;
    const SUPPORTED: u16 = 1;
    Ok(OPERATIONS.iter().all(|&operation| {
        answer.get(2 + operation as usize).is_some_and(|word| {
            let [_, _, low, high, ..] = word.to_ne_bytes();
            u16::from_ne_bytes([low, high]) & SUPPORTED != 0
        })
    }))
}

fn map(fd: &OwnedFd, bytes: usize, offset: u64) -> Result<NonNull<c_void>, Errno> {
    // SAFETY: a new mapping at an address that the kernel picks.
    let at = unsafe {
        mmap(
            null_mut(),
            bytes,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED | MapFlags::POPULATE,
            fd,
            offset,
        )
    }?;
    NonNull::new(at).ok_or(Errno::NOMEM)
}
