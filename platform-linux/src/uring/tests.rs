//! What only a ring with small queues, or one seen from inside, can show.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed step fails the test, and what is not run is said"
)]

use super::*;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use rustix::fs::{CWD, FileType};
use std::{eprintln, thread};
use underpin_core::platform::{
    Buffer, FileOp, Interest, ListenOptions, Net, OpenOptions, RingWaker,
};

/// A ring with such queues; `None`, said aloud, where io_uring is not to be had.
fn ring(submissions: u32, completions: u32) -> Option<UringRing> {
    if let Err(error) = io_uring_support() {
        eprintln!("NOT RUN: {error}");
        return None;
    }
    Some(UringRing::with_sizes(&RingOptions::default(), submissions, completions).unwrap())
}

fn soon() -> Option<Instant> {
    let now = Linux.now(ClockId::Monotonic);
    Some(now.saturating_add(Duration::from_secs(20)))
}

fn collect(ring: &mut UringRing, count: usize) -> Vec<Completion<Socket>> {
    let mut done = Vec::new();
    while done.len() < count {
        assert!(ring.wait(soon(), &mut done).unwrap() > 0, "nothing comes");
    }
    done
}

fn pair(ring: &mut UringRing) -> (Socket, Socket) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Linux.listen(&any, &ListenOptions::default()).unwrap();
    let address = Linux.local_address(&listener).unwrap();
    ring.submit(Op::Accept { listener }, 1).unwrap();
    ring.submit(Op::Connect { address }, 2).unwrap();
    let mut done = collect(ring, 2);
    done.sort_by_key(|done| done.token);
    let mut sockets = done.into_iter().map(|done| match done.result.unwrap() {
        Outcome::Accepted { socket, .. } | Outcome::Connected { socket } => socket,
        other => panic!("{other:?}"),
    });
    (sockets.next().unwrap(), sockets.next().unwrap())
}

fn receive(socket: &Socket) -> Op<Socket> {
    Op::Receive {
        socket: socket.clone(),
        buffer: Buffer::with_capacity(64),
    }
}

/// Lets a wait pass that gives the kernel what is listed.
fn submit_all(ring: &mut UringRing) {
    let mut done = Vec::new();
    ring.wait(Some(Instant::ZERO), &mut done).unwrap();
    assert!(done.is_empty(), "{done:?}");
}

#[test]
fn more_operations_than_the_queues_hold_all_complete() {
    let Some(mut ring) = ring(4, 4) else { return };
    let pairs: Vec<_> = (0..100).map(|_| pair(&mut ring)).collect();
    for (token, (near, _)) in (0..).zip(&pairs) {
        ring.submit(receive(near), token).unwrap();
    }
    submit_all(&mut ring);
    // All at once: more answers than there is room for.
    for (_, far) in &pairs {
        assert_eq!(Linux.try_send(far, b"x").unwrap(), 1);
    }
    let mut tokens: Vec<u64> = collect(&mut ring, 100)
        .into_iter()
        .map(|done| {
            assert_eq!(done.buffer.unwrap().as_slice(), b"x");
            done.token
        })
        .collect();
    tokens.sort_unstable();
    assert!(tokens.into_iter().eq(0..100));
    // The same for cancellations, whose answers come twofold.
    let ids: Vec<_> = (0..)
        .zip(&pairs)
        .map(|(token, (near, _))| ring.submit(receive(near), token).unwrap())
        .collect();
    submit_all(&mut ring);
    for id in ids {
        assert_eq!(ring.cancel(id), Cancel::Requested);
    }
    for done in collect(&mut ring, 100) {
        assert_eq!(done.result.unwrap_err().kind(), Kind::Cancelled);
    }
    assert_eq!(ring.pending(), 0);
}

#[test]
fn what_a_thread_that_ended_had_submitted_goes_on() {
    let Some(mut ring) = ring(8, 16) else { return };
    let (near, far) = pair(&mut ring);
    let mut ring = thread::spawn(move || {
        ring.submit(receive(&near), 7).unwrap();
        let socket = near;
        let interest = Interest::Read;
        ring.submit(Op::Ready { socket, interest }, 8).unwrap();
        submit_all(&mut ring);
        ring
    })
    .join()
    .unwrap();
    let waker = ring.waker();
    waker.wake();
    let mut done = Vec::new();
    assert_eq!(ring.wait(soon(), &mut done).unwrap(), 0, "{done:?}");
    assert_eq!(Linux.try_send(&far, b"late").unwrap(), 4);
    let done = collect(&mut ring, 1).remove(0);
    assert_eq!(done.token, 7);
    assert_eq!(done.buffer.unwrap().as_slice(), b"late");
}

#[test]
fn a_ring_that_is_dropped_leaves_no_operation_behind() {
    let Some(mut maker) = ring(8, 16) else { return };
    let (near, far) = pair(&mut maker);
    for round in 0..50 {
        let Some(mut ring) = ring(2, 4) else { return };
        for token in 0..5 {
            ring.submit(receive(&near), token).unwrap();
        }
        if round % 2 == 0 {
            submit_all(&mut ring);
        }
        // Keeps the kernel's side in being, so that closing the descriptor ends nothing.
        let _kept = rustix::io::dup(&ring.queue.fd).unwrap();
        if round % 3 == 0 {
            // The byte and the end of the ring meet. Whoever has the byte, it is there once.
            assert_eq!(Linux.try_send(&far, b"a").unwrap(), 1);
            drop(ring);
            let mut place = [core::mem::MaybeUninit::uninit(); 8];
            match Linux.try_receive(&near, &mut place) {
                Ok(count) => assert_eq!(count, 1),
                Err(error) => assert_eq!(error.kind(), Kind::WouldBlock),
            }
        } else {
            drop(ring);
        }
        // An operation that was left behind would take this.
        assert_eq!(Linux.try_send(&far, b"b").unwrap(), 1);
        maker.submit(receive(&near), 1).unwrap();
        let done = collect(&mut maker, 1).remove(0);
        assert_eq!(done.buffer.unwrap().as_slice(), b"b");
    }
}

#[test]
fn an_operation_that_meets_its_cancellation_loses_no_byte() {
    let Some(mut ring) = ring(8, 16) else { return };
    let (near, far) = pair(&mut ring);
    let (mut cancelled, mut received) = (0, 0);
    for round in 0..300 {
        let id = ring.submit(receive(&near), 1).unwrap();
        submit_all(&mut ring);
        if round % 2 == 0 {
            assert_eq!(Linux.try_send(&far, b"x").unwrap(), 1);
            ring.cancel(id);
        } else {
            ring.cancel(id);
            assert_eq!(Linux.try_send(&far, b"x").unwrap(), 1);
        }
        let done = collect(&mut ring, 1).remove(0);
        let bytes = done.buffer.unwrap().as_slice().len();
        match done.result {
            Ok(_) => received += 1,
            Err(error) => {
                assert_eq!((error.kind(), bytes), (Kind::Cancelled, 0));
                cancelled += 1;
                ring.submit(receive(&near), 2).unwrap();
                let done = collect(&mut ring, 1).remove(0);
                assert_eq!(done.buffer.unwrap().as_slice(), b"x");
            }
        }
    }
    assert_eq!(cancelled + received, 300);
    assert!(received > 0, "no operation was faster");
}

#[test]
fn a_kernel_that_goes_by_the_descriptors_flag_is_asked_to_poll() {
    let Some(mut ring) = ring(8, 16) else { return };
    let (near, _far) = pair(&mut ring);
    let mut work = Work::new(receive(&near)).unwrap();
    let opcode = |work: &mut Work| match work.start(0) {
        Start::Submit(entry) => entry.opcode,
        Start::Done(result) => panic!("{result:?}"),
    };
    assert_eq!(opcode(&mut work), IoringOp::Recv as u8);
    let again = -Errno::AGAIN.raw_os_error();
    assert!(matches!(work.answer(again), Answer::Again));
    assert_eq!(opcode(&mut work), IoringOp::PollAdd as u8);
    assert!(matches!(work.answer(1), Answer::Again));
    assert_eq!(opcode(&mut work), IoringOp::Recv as u8);
    let gone = -Errno::CONNRESET.raw_os_error();
    let Answer::Done(Err(error)) = work.answer(gone) else {
        panic!("an error is an end");
    };
    assert_eq!(error.kind(), Kind::ConnectionReset);
}

#[test]
fn many_wakes_are_one_write() {
    let Some(mut ring) = ring(8, 16) else { return };
    let waker = ring.waker();
    for _ in 0..3 {
        for _ in 0..10 {
            waker.wake();
        }
        let mut done = Vec::new();
        assert_eq!(ring.wait(soon(), &mut done).unwrap(), 0);
        let until = Linux
            .now(ClockId::Monotonic)
            .saturating_add(Duration::from_millis(3));
        ring.wait(Some(until), &mut done).unwrap();
        assert!(
            Linux.now(ClockId::Monotonic) >= until,
            "a wake is left over"
        );
    }
}

#[test]
fn what_is_being_cancelled_is_not_cancelled_again() {
    let Some(mut ring) = ring(8, 16) else { return };
    let (socket, _peer) = pair(&mut ring);
    let interest = Interest::Read;
    ring.submit(Op::Ready { socket, interest }, 7).unwrap();
    submit_all(&mut ring);
    assert_eq!(ring.slab.cancel_all(), 1);
    assert_eq!(ring.slab.cancel_all(), 1, "listed once");
    let index = ring.slab.pop_todo().unwrap();
    assert_eq!(ring.slab.pop_todo(), None);
    ring.slab.list(index);
    ring.push_todo().unwrap();
    assert_eq!(ring.slab.cancel_all(), 1);
    assert!(ring.slab.pop_todo().is_none(), "it is on its way");
}

#[test]
fn many_cancellations_pile_up_no_answers_in_the_kernel() {
    let Some(mut ring) = ring(8, 16) else { return };
    let pairs: Vec<_> = (0..60).map(|_| pair(&mut ring)).collect();
    for (near, far) in &pairs {
        for socket in [near, far] {
            let ready = Op::Ready {
                socket: socket.clone(),
                interest: Interest::Read,
            };
            ring.submit(ready, 0).unwrap();
        }
    }
    submit_all(&mut ring);
    assert_eq!(ring.slab.cancel_all(), 120);
    ring.push_todo().unwrap();
    assert!(!ring.queue.has_overflowed(), "answers wait for room");
    assert!(ring.slab.has_ready());
}

#[test]
fn a_bell_that_cannot_be_read_is_told_once() {
    let Some(mut ring) = ring(8, 16) else { return };
    assert_eq!(deafness(-Errno::CANCELED.raw_os_error()), None);
    ring.deaf = deafness(-Errno::NOMEM.raw_os_error());
    let mut done = Vec::new();
    let error = ring.wait(Some(Instant::ZERO), &mut done).unwrap_err();
    assert_eq!(error.raw(), Errno::NOMEM.raw_os_error());
    ring.wait(Some(Instant::ZERO), &mut done).unwrap();
}

#[test]
fn cancellations_are_given_to_the_kernel_all_at_once() {
    const COUNT: usize = 20;
    let Some(mut ring) = ring(8, 64) else { return };
    let mut others = Vec::new();
    let mut ids = Vec::new();
    for token in 0..COUNT {
        let other = pair(&mut ring);
        ids.push(ring.submit(receive(&other.1), token as u64).unwrap());
        others.push(other);
    }
    submit_all(&mut ring);
    for &id in &ids {
        assert_eq!(ring.cancel(id), Cancel::Requested);
    }
    assert_eq!(ring.slab.todo_count(), COUNT, "some were given one by one");
    ring.let_go();
    assert_eq!(ring.slab.todo_count(), 0);
    assert!(ring.slab.has_ready(), "the kernel was not told");
    for done in collect(&mut ring, COUNT) {
        assert_eq!(done.result.unwrap_err().kind(), Kind::Cancelled);
    }
}

/// A named pipe, removed at the end. Who opens it waits for the other end.
struct NamedPipe(std::path::PathBuf);

impl NamedPipe {
    fn new(name: &str) -> Self {
        let name = std::format!("underpin-uring-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(CWD, as_c(&path).as_c_str(), FileType::Fifo, mode, 0).unwrap();
        Self(path)
    }

    /// Opens it to read from it.
    fn opening(&self) -> Op<Socket> {
        Op::File(FileOp::Open {
            path: Buffer::from(as_c(&self.0).into_bytes()),
            options: OpenOptions::read(),
        })
    }
}

impl Drop for NamedPipe {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn as_c(path: &std::path::Path) -> CString {
    CString::new(path.as_os_str().as_encoded_bytes()).unwrap()
}

#[test]
fn a_call_on_a_file_that_was_interrupted_is_made_anew() {
    let pipe = NamedPipe::new("interrupted");
    let mut work = Work::new(pipe.opening()).unwrap();
    // Among them the kernel's own, which a thread of its gives.
    for number in [Errno::INTR.raw_os_error(), 512, 513, 514, 516] {
        assert!(matches!(work.answer(-number), Answer::Again), "{number}");
    }
    let none = -Errno::NOENT.raw_os_error();
    assert!(matches!(work.answer(none), Answer::Done(Err(_))));
}

#[test]
fn an_open_that_waits_can_be_cancelled() {
    let Some(mut ring) = ring(8, 16) else { return };
    let pipe = NamedPipe::new("cancelled");
    // The kernel has begun it, or has not.
    for _ in 0..50 {
        let id = ring.submit(pipe.opening(), 7).unwrap();
        submit_all(&mut ring);
        thread::yield_now();
        assert_eq!(ring.cancel(id), Cancel::Requested);
        let done = collect(&mut ring, 1).remove(0);
        assert_eq!(done.result.unwrap_err().kind(), Kind::Cancelled);
    }
}

#[test]
fn what_a_dropped_ring_cannot_stop_is_asked_again_after_a_pause_alone() {
    let Some(mut ring) = ring(8, 16) else { return };
    let pipe = NamedPipe::new("pause");
    let id = ring.submit(pipe.opening(), 7).unwrap();
    submit_all(&mut ring);
    let index = ring.slab.find(id).unwrap();
    let phase = |ring: &mut UringRing| ring.slab.waiting(index).map(|(_, phase)| *phase);
    // As when a thread of the kernel's is at work on it, which does not stop.
    ring.slab.miss(index);
    // Meanwhile there are answers: the bell's.
    ring.waker().wake();
    assert!(ring.is_listening);
    assert_eq!(ring.slab.cancel_all(), 1);
    assert!(ring.stop(false).unwrap(), "the bell was read");
    assert_eq!(phase(&mut ring), Some(Phase::CancelMissed));
    while ring.stop(false).unwrap() {}
    assert_eq!(phase(&mut ring), Some(Phase::CancelMissed));
    // Without any, it is time.
    while phase(&mut ring).is_some() {
        let answered = ring.stop(true).unwrap();
        assert!(answered || phase(&mut ring) != Some(Phase::CancelMissed));
    }
}
