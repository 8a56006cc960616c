//! Sockets and rings: what is sent arrives, in order, in other portions; resets, ends, backlogs, cancels and wakes.
#![forbid(unsafe_code)]

use super::threads::{hosted, spawn};
use super::*;
use crate::platform::{
    Buffer, Cancel, Clock, ClockId, Completion, Instant, Interest, ListenOptions, Net, Op, Outcome,
    Reactor, Ring, RingOptions, RingWaker, ShutdownHow, Threads,
};
use alloc::collections::BTreeSet;
use core::mem::MaybeUninit;
use core::net::SocketAddr;
use core::time::Duration;

type Done = Completion<SimSocket>;

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn listen(sim: &Sim) -> (SimSocket, SocketAddr) {
    let listener = sim.listen(&loopback(0), &ListenOptions::default()).unwrap();
    let address = sim.local_address(&listener).unwrap();
    (listener, address)
}

/// Waits for `count` completions.
fn collect(ring: &mut SimRing, count: usize) -> Vec<Done> {
    let mut done = Vec::new();
    while done.len() < count {
        ring.wait(None, &mut done).unwrap();
    }
    done
}

fn connected(done: &Done) -> Option<SimSocket> {
    match done.result.as_ref() {
        Ok(Outcome::Connected { socket } | Outcome::Accepted { socket, .. }) => {
            Some(socket.clone())
        }
        _ => None,
    }
}

/// A connection: the side that connected, and the side that accepted.
fn pair(sim: &Sim, ring: &mut SimRing) -> (SimSocket, SimSocket) {
    let (listener, address) = listen(sim);
    ring.submit(Op::Accept { listener }, 1).unwrap();
    ring.submit(Op::Connect { address }, 2).unwrap();
    let mut done = collect(ring, 2);
    done.sort_by_key(|done| done.token);
    let (near, far) = (connected(&done[1]).unwrap(), connected(&done[0]).unwrap());
    assert_eq!(sim.peer_address(&near).unwrap(), address);
    assert_eq!(
        sim.peer_address(&far).unwrap(),
        sim.local_address(&near).unwrap()
    );
    (near, far)
}

fn ring(sim: &Sim) -> SimRing {
    sim.ring(&RingOptions::default()).unwrap()
}

fn try_receive(sim: &Sim, socket: &SimSocket) -> Result<usize> {
    sim.try_receive(socket, &mut [MaybeUninit::uninit(); 64])
}

/// Lets `ns` of virtual time pass.
fn pass(sim: &Sim, ns: u64) {
    use crate::platform::Park;
    let until = sim
        .now(ClockId::Monotonic)
        .saturating_add(Duration::from_nanos(ns));
    let word = crate::sync::atomic::AtomicU32::new(0);
    while sim.wait(&word, 0, Some(until)) != crate::platform::Woken::TimedOut {}
}

#[test]
fn a_stream_arrives_whole_in_order_and_in_other_portions() {
    for_seeds(25, |seed| {
        let sim = Sim::new(seed);
        let mut ring = ring(&sim);
        let (near, far) = pair(&sim, &mut ring);
        let sent: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
        let mut got = Vec::new();
        let mut start = 0;
        let mut portions = BTreeSet::new();
        let send = |ring: &mut SimRing, start: usize| {
            let buffer = Buffer::from(sent[start..sent.len().min(start + 100_000)].to_vec());
            let socket = near.clone();
            ring.submit(
                Op::Send {
                    socket,
                    buffer,
                    start: 0,
                },
                0,
            )
            .unwrap();
        };
        let receive = |ring: &mut SimRing| {
            let buffer = Buffer::with_capacity(70_000);
            let socket = far.clone();
            ring.submit(Op::Receive { socket, buffer }, 1).unwrap();
        };
        send(&mut ring, 0);
        receive(&mut ring);
        loop {
            let mut ended = false;
            for done in collect(&mut ring, 1) {
                let Ok(Outcome::Transferred { bytes }) = done.result else {
                    panic!("{done:?}");
                };
                if done.token == 0 {
                    start += bytes;
                    if start < sent.len() {
                        send(&mut ring, start);
                    } else {
                        sim.shutdown(&near, ShutdownHow::Write).unwrap();
                    }
                } else if bytes == 0 {
                    ended = true;
                } else {
                    portions.insert(bytes);
                    got.extend_from_slice(done.buffer.unwrap().as_slice());
                    receive(&mut ring);
                }
            }
            if ended {
                break;
            }
        }
        assert!(got == sent);
        assert!(portions.len() > 1);
        drop((near, far, ring));
        assert!(sim.leaks().is_empty(), "{:?}", sim.leaks());
    });
}

#[test]
fn nothing_arrives_before_its_time() {
    let sim = calm(1);
    let mut ring = ring(&sim);
    let (near, far) = pair(&sim, &mut ring);
    assert_eq!(
        try_receive(&sim, &far).unwrap_err().kind(),
        Kind::WouldBlock
    );
    assert_eq!(sim.try_send(&near, b"hello").unwrap(), 5);
    assert_eq!(
        try_receive(&sim, &far).unwrap_err().kind(),
        Kind::WouldBlock,
        "on its way"
    );
    let socket = far.clone();
    ring.submit(
        Op::Ready {
            socket,
            interest: Interest::Read,
        },
        9,
    )
    .unwrap();
    assert_eq!(collect(&mut ring, 1)[0].token, 9);
    assert_eq!(try_receive(&sim, &far).unwrap(), 5);
    let mut total = 0;
    while let Ok(count) = sim.try_send(&near, &[0; 4096]) {
        total += count;
    }
    assert!(
        (1024..=256 << 10).contains(&total),
        "a window's worth: {total}"
    );
}

#[test]
fn ends_resets_and_shutdowns_reach_the_peer() {
    let sim = calm(2);
    let mut ring = ring(&sim);
    let (near, far) = pair(&sim, &mut ring);
    drop(near);
    pass(&sim, 1_000_000);
    assert_eq!(try_receive(&sim, &far).unwrap(), 0, "the end");
    assert_eq!(sim.try_send(&far, b"x").unwrap(), 1, "nobody knows yet");
    pass(&sim, 1_000_000);
    assert_eq!(
        sim.try_send(&far, b"x").unwrap_err().kind(),
        Kind::ConnectionReset
    );

    let (near, far) = pair(&sim, &mut ring);
    sim.try_send(&far, b"unread").unwrap();
    pass(&sim, 1_000_000);
    drop(near);
    pass(&sim, 1_000_000);
    assert_eq!(
        try_receive(&sim, &far).unwrap_err().kind(),
        Kind::ConnectionReset
    );

    let (near, far) = pair(&sim, &mut ring);
    sim.shutdown(&near, ShutdownHow::Write).unwrap();
    assert_eq!(
        sim.try_send(&near, b"x").unwrap_err().kind(),
        Kind::BrokenPipe
    );
    sim.try_send(&far, b"still open").unwrap();
    pass(&sim, 1_000_000);
    assert_eq!(try_receive(&sim, &near).unwrap(), 10);

    let mut faults = SimFaults::none();
    faults.connection_reset_ppm = 1_000_000;
    sim.set_faults(faults);
    assert_eq!(
        sim.try_send(&near, b"").unwrap_err().kind(),
        Kind::ConnectionReset
    );
    sim.set_faults(SimFaults::none());
    pass(&sim, 1_000_000);
    assert_eq!(
        try_receive(&sim, &far).unwrap_err().kind(),
        Kind::ConnectionReset
    );
}

#[test]
fn addresses_and_backlogs_are_checked() {
    let sim = calm(3);
    let mut ring = ring(&sim);
    let options = ListenOptions {
        backlog: 1,
        ..ListenOptions::default()
    };
    let listener = sim.listen(&loopback(80), &options).unwrap();
    let kind = |address: SocketAddr| sim.listen(&address, &options).unwrap_err().kind();
    assert_eq!(kind(loopback(80)), Kind::AddressInUse);
    assert_eq!(
        kind(SocketAddr::from(([0, 0, 0, 0], 80))),
        Kind::AddressInUse
    );
    assert_eq!(
        kind(SocketAddr::from(([192, 0, 2, 1], 80))),
        Kind::AddressNotAvailable
    );
    assert_eq!(
        sim.try_accept(&listener).unwrap_err().kind(),
        Kind::WouldBlock
    );
    for (address, expected) in [
        (loopback(81), Kind::ConnectionRefused),
        (SocketAddr::from(([192, 0, 2, 1], 80)), Kind::Unreachable),
    ] {
        ring.submit(Op::Connect { address }, 1).unwrap();
        assert_eq!(
            collect(&mut ring, 1)[0].result.as_ref().unwrap_err().kind(),
            expected
        );
    }
    let address = loopback(80);
    for token in 0..3 {
        ring.submit(Op::Connect { address }, token).unwrap();
    }
    let first = collect(&mut ring, 1);
    pass(&sim, 10_000_000);
    let mut none: Vec<Done> = Vec::new();
    let now = sim
        .now(ClockId::Monotonic)
        .saturating_add(Duration::from_millis(10));
    assert_eq!(
        ring.wait(Some(now), &mut none).unwrap(),
        0,
        "the backlog is full"
    );
    let mut accepted = vec![sim.try_accept(&listener).unwrap()];
    let second = collect(&mut ring, 1);
    pass(&sim, 10_000_000);
    accepted.push(sim.try_accept(&listener).unwrap());
    let third = collect(&mut ring, 1);
    drop(listener);
    pass(&sim, 10_000_000);
    let socket = connected(&third[0]).unwrap();
    assert_eq!(
        try_receive(&sim, &socket).unwrap_err().kind(),
        Kind::ConnectionReset
    );
    drop((first, second));
}

#[test]
fn one_direction_completes_in_order_and_cancelled_operations_had_no_effect() {
    let (mut early, mut late) = (0, 0);
    for seed in 0..200 {
        let sim = calm(seed);
        let mut ring = ring(&sim);
        let (near, far) = pair(&sim, &mut ring);
        let ids: Vec<_> = (0..4)
            .map(|token| {
                let (socket, buffer) = (far.clone(), Buffer::with_capacity(1));
                ring.submit(Op::Receive { socket, buffer }, token).unwrap()
            })
            .collect();
        sim.try_send(&near, b"abcd").unwrap();
        pass(&sim, seed * 5_000);
        assert_eq!(ring.cancel(ids[1]), Cancel::Requested);
        let done = collect(&mut ring, 4);
        assert_eq!(ring.cancel(ids[1]), Cancel::NotPending);
        assert_eq!(ring.pending(), 0);
        let mut bytes = Vec::new();
        let mut tokens = Vec::new();
        let mut given_up = false;
        // The fourth byte is there for the fourth receive, unless one gave up.
        for done in &done {
            match &done.result {
                Ok(Outcome::Transferred { bytes: 1 }) => {
                    tokens.push(done.token);
                    bytes.extend_from_slice(done.buffer.as_ref().unwrap().as_slice());
                }
                Err(error) => {
                    assert_eq!((error.kind(), done.token), (Kind::Cancelled, 1));
                    given_up = true;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(tokens.is_sorted());
        assert_eq!(bytes, b"abcd"[..tokens.len()]);
        early += u32::from(given_up);
        late += u32::from(!given_up);
    }
    assert!(
        early > 10 && late > 10,
        "cancelled {early}, too late {late}"
    );
}

#[test]
fn rejections_give_everything_back() {
    let sim = calm(1);
    let options = RingOptions {
        pending_max: 1,
        ..RingOptions::default()
    };
    let mut ring = sim.ring(&options).unwrap();
    let (listener, address) = listen(&sim);
    let accept = |listener: &SimSocket| Op::Accept {
        listener: listener.clone(),
    };
    ring.submit(accept(&listener), 1).unwrap();
    let rejected = ring.submit(accept(&listener), 2).unwrap_err();
    assert_eq!(rejected.error.kind(), Kind::Limit);
    assert!(matches!(rejected.op, Op::Accept { .. }));
    drop((rejected, ring, listener));
    assert!(sim.leaks().is_empty());
    let other = calm(1);
    let mut ring = sim.ring(&RingOptions::default()).unwrap();
    let (foreign, _) = listen(&other);
    assert_eq!(
        ring.submit(accept(&foreign), 1).unwrap_err().error.kind(),
        Kind::InvalidInput
    );
    ring.submit(Op::Connect { address }, 3).unwrap();
    sim.power_loss();
    assert_eq!(
        collect(&mut ring, 1)[0].result.as_ref().unwrap_err().kind(),
        Kind::PowerLost
    );
    assert!(ring.wait(None, &mut Vec::<Done>::new()).is_err());
}

#[test]
fn wakers_end_waits_across_threads_and_are_counted_once() {
    for_seeds(200, |seed| {
        let sim = hosted(seed);
        let mut ring = ring(&sim);
        let mut none: Vec<Done> = Vec::new();
        let (waker, s) = (ring.waker(), sim.clone());
        let thread = spawn(&sim, move || {
            waker.wake();
            s.yield_now();
            waker.wake();
        });
        assert_eq!(ring.wait(None, &mut none).unwrap(), 0);
        sim.join(thread).unwrap();
        // One more wake at most is left over.
        let _left = ring.wait(Some(Instant::ZERO), &mut none).unwrap();
        let until = sim
            .now(ClockId::Monotonic)
            .saturating_add(Duration::from_secs(1));
        assert_eq!(ring.wait(Some(until), &mut none).unwrap(), 0);
        assert!(sim.now(ClockId::Monotonic) >= until, "no wake is left");
        let waker = ring.waker();
        drop(ring);
        waker.wake();
    });
}

#[test]
fn two_threads_talk_and_the_run_replays() {
    let talk = |seed: u64| {
        let sim = hosted(seed);
        let (listener, address) = listen(&sim);
        let s = sim.clone();
        let server = spawn(&sim, move || {
            let mut ring = ring(&s);
            ring.submit(Op::Accept { listener }, 1).unwrap();
            let socket = connected(&collect(&mut ring, 1)[0]).unwrap();
            loop {
                let (to, buffer) = (socket.clone(), Buffer::with_capacity(16));
                ring.submit(Op::Receive { socket: to, buffer }, 2).unwrap();
                let done = collect(&mut ring, 1).remove(0);
                let buffer = done.buffer.unwrap();
                if buffer.as_slice().is_empty() {
                    return;
                }
                let mut start = 0;
                while start < buffer.as_slice().len() {
                    let (to, buffer) = (socket.clone(), buffer.as_slice().to_vec().into());
                    ring.submit(
                        Op::Send {
                            socket: to,
                            buffer,
                            start,
                        },
                        3,
                    )
                    .unwrap();
                    match collect(&mut ring, 1).remove(0).result {
                        Ok(Outcome::Transferred { bytes }) => start += bytes,
                        other => panic!("{other:?}"),
                    }
                }
            }
        });
        let mut ring = ring(&sim);
        ring.submit(Op::Connect { address }, 1).unwrap();
        let socket = connected(&collect(&mut ring, 1)[0]).unwrap();
        for n in 0..10 {
            assert_eq!(sim.try_send(&socket, &[n]).unwrap(), 1);
            let (to, buffer) = (socket.clone(), Buffer::with_capacity(16));
            ring.submit(Op::Receive { socket: to, buffer }, 2).unwrap();
            assert_eq!(
                collect(&mut ring, 1)[0].buffer.as_ref().unwrap().as_slice(),
                [n]
            );
        }
        drop(socket);
        sim.join(server).unwrap();
        drop(ring);
        assert!(sim.leaks().is_empty(), "{:?}", sim.leaks());
        sim.trace_hash()
    };
    for_seeds(50, |seed| assert_eq!(talk(seed), talk(seed)));
}
