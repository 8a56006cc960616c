//! The ring's rules over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step fails the test"
)]

#[path = "rings/mod.rs"]
mod rings;

use core::net::SocketAddr;
use core::time::Duration;
use underpin_core::Kind;
use underpin_core::platform::{
    Buffer, Cancel, Clock, ClockId, Completion, Instant, Interest, ListenOptions, Net, Op, Outcome,
    Ring, RingBackend, RingOptions, RingWaker,
};
use underpin_linux::{Linux, LinuxRing, Socket};

type Done = Completion<Socket>;

fn soon() -> Option<Instant> {
    Some(
        Linux
            .now(ClockId::Monotonic)
            .saturating_add(Duration::from_secs(10)),
    )
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Waits until `count` operations completed.
fn collect(ring: &mut LinuxRing, count: usize) -> Vec<Done> {
    let mut done = Vec::new();
    while done.len() < count {
        let before = done.len();
        let delivered = ring.wait(soon(), &mut done).unwrap();
        assert_eq!(delivered, done.len() - before);
        assert!(delivered > 0, "nothing within ten seconds");
    }
    assert_eq!(done.len(), count);
    done
}

/// Two connected sockets, made by the ring itself.
fn pair(ring: &mut LinuxRing) -> (Socket, Socket) {
    let listener = Linux
        .listen(&loopback(), &ListenOptions::default())
        .unwrap();
    let address = Linux.local_address(&listener).unwrap();
    ring.submit(Op::Accept { listener }, 1).unwrap();
    ring.submit(Op::Connect { address }, 2).unwrap();
    let (mut near, mut far) = (None, None);
    for completion in collect(ring, 2) {
        match (completion.token, completion.result.unwrap()) {
            (1, Outcome::Accepted { socket, peer }) => {
                assert_eq!(peer, Linux.peer_address(&socket).unwrap());
                far = Some(socket);
            }
            (2, Outcome::Connected { socket }) => near = Some(socket),
            other => panic!("{other:?}"),
        }
    }
    (near.unwrap(), far.unwrap())
}

fn receive(socket: &Socket, capacity: usize) -> Op<Socket> {
    Op::Receive {
        socket: socket.clone(),
        buffer: Buffer::with_capacity(capacity),
    }
}

fn ring(backend: RingBackend) -> LinuxRing {
    rings::ring_with(backend, RingOptions::default())
}

/// Defines a test of each body, over each kind of ring.
macro_rules! over_each_ring {
    ($($name:ident,)*) => {
        mod over_each_ring {$(
            #[test]
            fn $name() {
                for backend in crate::rings::backends() {
                    super::$name(backend);
                }
            }
        )*}
    };
}

over_each_ring! {
    bytes_go_round,
    a_refused_connection_is_a_completion,
    cancelled_operations_complete_and_give_their_buffers_back,
    readiness_is_seen_although_its_edge_was_before,
    deadlines_hold_and_wakers_end_waits,
    what_is_over_the_bound_is_rejected_whole,
}

fn bytes_go_round(backend: RingBackend) {
    let mut ring = ring(backend);
    let (near, far) = pair(&mut ring);
    ring.submit(receive(&far, 64), 7).unwrap();
    let buffer = Buffer::from(b"_hello".to_vec());
    ring.submit(
        Op::Send {
            socket: near,
            buffer,
            start: 1,
        },
        8,
    )
    .unwrap();
    for completion in collect(&mut ring, 2) {
        let bytes = match completion.result.unwrap() {
            Outcome::Transferred { bytes } => bytes,
            other => panic!("{other:?}"),
        };
        assert_eq!(bytes, 5);
        if completion.token == 7 {
            assert_eq!(completion.buffer.unwrap().as_slice(), b"hello");
        }
    }
    assert_eq!(ring.pending(), 0);
}

fn a_refused_connection_is_a_completion(backend: RingBackend) {
    let mut ring = ring(backend);
    let listener = Linux
        .listen(&loopback(), &ListenOptions::default())
        .unwrap();
    let address = Linux.local_address(&listener).unwrap();
    drop(listener);
    ring.submit(Op::Connect { address }, 1).unwrap();
    let done = collect(&mut ring, 1);
    assert_eq!(
        done[0].result.as_ref().unwrap_err().kind(),
        Kind::ConnectionRefused
    );
}

fn cancelled_operations_complete_and_give_their_buffers_back(backend: RingBackend) {
    let mut ring = ring(backend);
    let (near, far) = pair(&mut ring);
    let ids: Vec<_> = (0..3)
        .map(|token| ring.submit(receive(&far, 8), token).unwrap())
        .collect();
    assert_eq!(ring.cancel(ids[1]), Cancel::Requested);
    Linux.try_send(&near, b"0123456789abcdef").unwrap();
    let done = collect(&mut ring, 3);
    let order: Vec<_> = done
        .iter()
        .map(|done| (done.token, done.result.is_ok()))
        .collect();
    assert_eq!(order, [(1, false), (0, true), (2, true)]);
    assert_eq!(done[0].result.as_ref().unwrap_err().kind(), Kind::Cancelled);
    assert!(done.iter().all(|done| done.buffer.is_some()));
    assert_eq!(done[1].buffer.as_ref().unwrap().as_slice(), b"01234567");
    for id in ids {
        assert_eq!(ring.cancel(id), Cancel::NotPending);
    }
}

fn readiness_is_seen_although_its_edge_was_before(backend: RingBackend) {
    let mut ring = ring(backend);
    let (near, far) = pair(&mut ring);
    let ready = |socket: &Socket| Op::Ready {
        socket: socket.clone(),
        interest: Interest::Read,
    };
    ring.submit(ready(&far), 1).unwrap();
    Linux.try_send(&near, b"xy").unwrap();
    collect(&mut ring, 1);
    // Half is taken outside of the ring: the kernel reports no new edge for the other half.
    let mut byte = [core::mem::MaybeUninit::uninit(); 1];
    for token in 2..4 {
        assert_eq!(Linux.try_receive(&far, &mut byte).unwrap(), 1);
        ring.submit(ready(&far), token).unwrap();
        if token == 2 {
            assert_eq!(collect(&mut ring, 1)[0].token, 2);
        }
    }
    let now = Linux.now(ClockId::Monotonic);
    let mut done: Vec<Done> = Vec::new();
    let until = Some(now.saturating_add(Duration::from_millis(30)));
    assert_eq!(
        ring.wait(until, &mut done).unwrap(),
        0,
        "there is nothing left to read"
    );
    drop(near);
    assert_eq!(collect(&mut ring, 1)[0].token, 3);
}

fn deadlines_hold_and_wakers_end_waits(backend: RingBackend) {
    let mut ring = ring(backend);
    let mut done: Vec<Done> = Vec::new();
    for us in [0, 50, 1500] {
        let until = Linux
            .now(ClockId::Monotonic)
            .saturating_add(Duration::from_micros(us));
        assert_eq!(ring.wait(Some(until), &mut done).unwrap(), 0);
        assert!(Linux.now(ClockId::Monotonic) >= until);
    }
    let waker = ring.waker();
    waker.wake();
    waker.wake();
    assert_eq!(ring.wait(None, &mut done).unwrap(), 0);
    let until = Linux
        .now(ClockId::Monotonic)
        .saturating_add(Duration::from_millis(5));
    ring.wait(Some(until), &mut done).unwrap();
    assert!(
        Linux.now(ClockId::Monotonic) >= until,
        "two wakes before a wait are one"
    );
    let other = waker.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        other.wake();
    });
    assert_eq!(ring.wait(None, &mut done).unwrap(), 0);
    thread.join().unwrap();
    drop(ring);
    waker.wake();
}

fn what_is_over_the_bound_is_rejected_whole(backend: RingBackend) {
    let mut options = RingOptions::default();
    options.pending_max = 2;
    let mut ring = rings::ring_with(backend, options);
    let (_near, far) = pair(&mut ring);
    for token in 0..2 {
        ring.submit(receive(&far, 8), token).unwrap();
    }
    let rejected = ring.submit(receive(&far, 9), 2).unwrap_err();
    assert_eq!(rejected.error.kind(), Kind::Limit);
    assert!(matches!(rejected.op, Op::Receive { buffer, .. } if buffer.capacity() >= 9));
    let bad = Op::Send {
        socket: far.clone(),
        buffer: Buffer::with_capacity(0),
        start: 1,
    };
    assert!(ring.submit(bad, 3).is_err());
}
