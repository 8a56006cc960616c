//! The five rules of the reactor's module, one by one.
#![forbid(unsafe_code)]

use super::operation::{buffer, ensure_waits, transferred};
use crate::case::{Context, Verdict};
use crate::net::wire::{Wire, expect_bytes, listen, receive, send_all};
use alloc::vec::Vec;
use underpin_core::Kind;
use underpin_core::limits::RING_COMPLETIONS_MAX;
use underpin_core::platform::{
    FileOp, Interest, Op, OpenOptions, Outcome, Reactor, Ring, RingBackend,
};

cases!("reactor::rules", Reactor:
    each_operation_completes_once,
    completions_come_from_wait_alone,
    receives_complete_in_order,
    sends_complete_in_order,
    accepts_complete_in_order,
    directions_do_not_hold_each_other_up,
    operation_keeps_its_socket_alive,
    dropped_ring_closes_what_it_held,
    dropped_ring_leaves_other_clones,
    pending_counts_what_is_not_delivered,
    pending_max_is_a_limit,
    rejected_operation_comes_back_whole,
    completions_over_the_limit_come_later,
    rings_are_apart_from_each_other,
    ring_of_any_kind_is_made,
    operation_on_a_file_is_known_or_comes_back_whole,
);

/// Rule 1: "Every operation that was accepted completes exactly once".
fn each_operation_completes_once<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    const COUNT: u64 = 100;
    let mut wire = Wire::new(cx)?;
    let (client, _server) = wire.pair()?;
    for token in 0..COUNT {
        wire.submit(
            Op::Ready {
                socket: client.clone(),
                interest: Interest::Write,
            },
            token,
        )?;
    }
    for token in 0..COUNT {
        wire.complete(token)?.result?;
    }
    ensure!(wire.done.is_empty());
    ensure_eq!(wire.ring.pending(), 0);
    ensure_eq!(wire.wait(cx.now())?, 0);
    Ok(())
}

/// Rule 2: "A completion is delivered by `Ring::wait` alone, never from inside `submit` or `cancel`."
fn completions_come_from_wait_alone<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    send_all(cx, &client, b"x")?;
    let ready = |socket: &P::Socket| Op::Ready {
        socket: socket.clone(),
        interest: Interest::Write,
    };
    wire.submit(ready(&client), 1)?;
    let id = wire.submit(
        Op::Receive {
            socket: server,
            buffer: buffer(8, b""),
        },
        2,
    )?;
    ensure_eq!(wire.ring.pending(), 2);
    wire.ring.cancel(id);
    wire.submit(ready(&client), 3)?;
    ensure_eq!(wire.ring.pending(), 3);
    for token in [1, 2, 3] {
        wire.complete(token)?;
    }
    Ok(())
}

/// Rule 3: "Operations on one socket and one direction complete in the order of submission."
fn receives_complete_in_order<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    const COUNT: u64 = 16;
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    for token in 0..COUNT {
        wire.submit(
            Op::Receive {
                socket: server.clone(),
                buffer: buffer(4, b""),
            },
            token,
        )?;
    }
    let mut text = Vec::new();
    let mut expected = 0;
    let deadline = cx.deadline();
    let mut sent = Vec::new();
    while expected < COUNT {
        ensure!(cx.now() < deadline, "receive {expected} never completes");
        let piece = [expected as u8; 4];
        send_all(cx, &client, &piece)?;
        sent.extend_from_slice(&piece);
        wire.wait(
            cx.now()
                .saturating_add(core::time::Duration::from_millis(2)),
        )?;
        for completion in core::mem::take(&mut wire.done) {
            ensure_eq!(completion.token, expected);
            text.extend_from_slice(transferred(completion)?.1.as_slice());
            expected += 1;
        }
    }
    ensure!(
        sent.starts_with(&text),
        "the bytes came in another order than they were sent"
    );
    Ok(())
}

/// Rule 3 for the other direction.
fn sends_complete_in_order<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    const COUNT: u64 = 16;
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    for token in 0..COUNT {
        let piece = [b'a' + token as u8; 100];
        let op = Op::Send {
            socket: client.clone(),
            buffer: buffer(0, &piece),
            start: 0,
        };
        wire.submit(op, token)?;
    }
    for token in 0..COUNT {
        let deadline = cx.deadline();
        while wire.done.is_empty() {
            ensure!(cx.now() < deadline, "send {token} never completes");
            wire.wait(deadline)?;
        }
        let completion = wire.done.remove(0);
        ensure_eq!(completion.token, token);
        let (bytes, back) = transferred(completion)?;
        // What has arrived makes room for the next.
        expect_bytes(cx, &server, &back.as_slice()[..bytes])?;
    }
    Ok(())
}

/// Rule 3 for a listener: the first accept gets a connection first.
fn accepts_complete_in_order<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    const COUNT: u64 = 6;
    let mut wire = Wire::new(cx)?;
    let (listener, address) = listen(cx)?;
    for token in 0..COUNT {
        wire.submit(
            Op::Accept {
                listener: listener.clone(),
            },
            token,
        )?;
    }
    let mut clients = Vec::new();
    let mut expected = 0;
    while expected < COUNT {
        clients.push(wire.connect(address)?);
        let deadline = cx.deadline();
        while wire.done.is_empty() {
            ensure!(cx.now() < deadline, "accept {expected} never completes");
            wire.wait(deadline)?;
        }
        for completion in core::mem::take(&mut wire.done) {
            ensure_eq!(completion.token, expected);
            completion.result?;
            expected += 1;
        }
    }
    Ok(())
}

/// Rule 3 says "one direction": a receive that waits does not keep a send from completing, nor another socket's receive.
fn directions_do_not_hold_each_other_up<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    let (other_client, other_server) = wire.pair()?;
    wire.submit(
        Op::Receive {
            socket: client.clone(),
            buffer: buffer(8, b""),
        },
        1,
    )?;
    let op = Op::Send {
        socket: client,
        buffer: buffer(0, b"request"),
        start: 0,
    };
    let (bytes, _) = transferred(wire.perform(op)?)?;
    wire.submit(
        Op::Receive {
            socket: other_server,
            buffer: buffer(8, b""),
        },
        2,
    )?;
    send_all(cx, &other_client, b"other")?;
    transferred(wire.complete(2)?)?;
    expect_bytes(cx, &server, &b"request"[..bytes])?;
    send_all(cx, &server, b"reply")?;
    transferred(wire.complete(1)?)?;
    Ok(())
}

/// "Its socket and buffer are the ring's from submission to completion": the caller need not keep a clone.
fn operation_keeps_its_socket_alive<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    wire.submit(
        Op::Receive {
            socket: server,
            buffer: buffer(8, b""),
        },
        1,
    )?;
    ensure_waits(cx, &mut wire, 1)?;
    send_all(cx, &client, b"hello")?;
    let (bytes, got) = transferred(wire.complete(1)?)?;
    ensure!(got.as_slice() == &b"hello"[..bytes]);
    // The operation had the last one.
    let mut byte = [0];
    match receive(cx, &client, &mut byte) {
        Ok(bytes) => ensure!(bytes.is_empty()),
        Err(error) => ensure!(error.kind() == Kind::ConnectionReset, "{error}"),
    }
    Ok(())
}

/// Rule 4: "Dropping a ring cancels what is pending ... and drops sockets and buffers."
fn dropped_ring_closes_what_it_held<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (listener, address) = listen(cx)?;
    let mut peers = Vec::new();
    let mut doomed = Wire::new(cx)?;
    for token in 0..4 {
        let (client, server) = wire.pair()?;
        doomed.submit(
            Op::Receive {
                socket: server.clone(),
                buffer: buffer(1 << 16, b""),
            },
            token,
        )?;
        doomed.submit(
            Op::Ready {
                socket: server,
                interest: Interest::Read,
            },
            token,
        )?;
        peers.push(client);
    }
    doomed.submit(Op::Accept { listener }, 9)?;
    doomed.wait(
        cx.now()
            .saturating_add(core::time::Duration::from_millis(5)),
    )?;
    drop(doomed);
    for peer in &peers {
        let mut byte = [0];
        ensure!(
            receive(cx, peer, &mut byte)?.is_empty(),
            "the ring's socket is still open"
        );
    }
    ensure_kind!(
        wire.perform(Op::Connect { address })?.result,
        ConnectionRefused
    );
    Ok(())
}

/// What the caller has clones of stays open, and no operation of the dropped ring eats its bytes.
fn dropped_ring_leaves_other_clones<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    let mut doomed = Wire::new(cx)?;
    doomed.submit(
        Op::Receive {
            socket: server.clone(),
            buffer: buffer(64, b""),
        },
        1,
    )?;
    ensure_waits(cx, &mut doomed, 1)?;
    drop(doomed);
    send_all(cx, &client, b"for the clone")?;
    expect_bytes(cx, &server, b"for the clone")
}

/// "Operations accepted and not yet delivered."
fn pending_counts_what_is_not_delivered<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    ensure_eq!(wire.ring.pending(), 0);
    let (client, server) = wire.pair()?;
    ensure_eq!(wire.ring.pending(), 0);
    for token in 0..5 {
        ensure_eq!(wire.ring.pending(), usize::try_from(token).unwrap_or(0));
        wire.submit(
            Op::Receive {
                socket: server.clone(),
                buffer: buffer(1, b""),
            },
            token,
        )?;
    }
    drop(client);
    for token in 0..5 {
        wire.complete(token)?;
    }
    ensure_eq!(wire.ring.pending(), 0);
    Ok(())
}

/// A ring with room for few.
fn small<'a, P: Reactor>(cx: &'a Context<'a, P>, max: usize) -> underpin_core::Result<Wire<'a, P>> {
    let mut options = cx.ring_options();
    options.pending_max = max;
    Wire::with_options(cx, &options)
}

/// "Operations that may be pending at once; more are rejected with `Limit`."
fn pending_max_is_a_limit<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    for max in [1, 2, 7] {
        let mut wire = small(cx, max)?;
        let (client, server) = Wire::new(cx)?.pair()?;
        for round in 0..3 {
            for _ in 0..max {
                let op = Op::Receive {
                    socket: server.clone(),
                    buffer: buffer(1, b""),
                };
                wire.submit(op, round)?;
            }
            let op = Op::Ready {
                socket: server.clone(),
                interest: Interest::Write,
            };
            match wire.ring.submit(op, round) {
                Ok(_) => fail!("{} operations are pending, {max} may", max + 1),
                Err(rejected) => ensure_kind!(Err::<(), _>(rejected.error), Limit),
            }
            ensure_eq!(wire.ring.pending(), max);
            for _ in 0..max {
                send_all(cx, &client, b"x")?;
                transferred(wire.complete(round)?)?;
            }
        }
    }
    Ok(())
}

/// "sockets and buffers come back in it"; "nothing was started".
fn rejected_operation_comes_back_whole<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = small(cx, 1)?;
    let (client, server) = Wire::new(cx)?.pair()?;
    wire.submit(
        Op::Receive {
            socket: server,
            buffer: buffer(8, b""),
        },
        1,
    )?;
    let op = Op::Send {
        socket: client.clone(),
        buffer: buffer(0, b"not sent"),
        start: 0,
    };
    let Err(rejected) = wire.ring.submit(op, 2) else {
        fail!("the limit is not kept");
    };
    match rejected.op {
        Op::Send {
            socket,
            buffer,
            start: 0,
        } => {
            ensure!(buffer.as_slice() == b"not sent");
            ensure_eq!(cx.p.local_address(&socket)?, cx.p.local_address(&client)?);
        }
        other => fail!("another operation came back: {other:?}"),
    }
    send_all(cx, &client, b"sent")?;
    let (bytes, got) = transferred(wire.complete(1)?)?;
    ensure!(
        got.as_slice() == &b"sent"[..bytes],
        "the rejected bytes were sent"
    );
    Ok(())
}

/// "At most `RING_COMPLETIONS_MAX` a call; the rest come with the next." [`Wire::wait`] checks the first half.
fn completions_over_the_limit_come_later<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let count = RING_COMPLETIONS_MAX * 2 + 17;
    let mut wire = Wire::new(cx)?;
    let (client, _server) = wire.pair()?;
    for token in 0..count as u64 {
        wire.submit(
            Op::Ready {
                socket: client.clone(),
                interest: Interest::Write,
            },
            token,
        )?;
    }
    let deadline = cx.deadline();
    while wire.done.len() < count {
        ensure!(
            cx.now() < deadline,
            "{} of {count} completed",
            wire.done.len()
        );
        wire.wait(deadline)?;
    }
    let mut seen = alloc::vec![false; count];
    for completion in wire.done.drain(..) {
        let first = usize::try_from(completion.token)
            .ok()
            .and_then(|token| seen.get_mut(token));
        ensure!(
            first.is_some_and(|seen| !core::mem::replace(seen, true)),
            "a token came twice"
        );
        ensure!(matches!(completion.result?, Outcome::Ready));
    }
    ensure_eq!(wire.ring.pending(), 0);
    Ok(())
}

/// A completion comes from the ring that took the operation, with two rings on one socket too.
fn rings_are_apart_from_each_other<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let (mut left, mut right) = (Wire::new(cx)?, Wire::new(cx)?);
    let (client, server) = left.pair()?;
    left.submit(
        Op::Receive {
            socket: server.clone(),
            buffer: buffer(8, b""),
        },
        1,
    )?;
    right.submit(
        Op::Ready {
            socket: server,
            interest: Interest::Write,
        },
        2,
    )?;
    right.complete(2)?.result?;
    ensure_eq!(left.wait(cx.now())?, 0);
    send_all(cx, &client, b"x")?;
    transferred(left.complete(1)?)?;
    ensure_eq!(right.wait(cx.now())?, 0);
    ensure!(left.done.is_empty() && right.done.is_empty());
    Ok(())
}

/// "where it is not there or not allowed, the ring goes the usual way".
fn ring_of_any_kind_is_made<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    for backend in [
        RingBackend::Usual,
        RingBackend::Readiness,
        RingBackend::Completion,
    ] {
        let mut options = cx.ring_options();
        options.backend = backend;
        let mut wire = Wire::with_options(cx, &options)?;
        let (client, server) = wire.pair()?;
        let op = Op::Receive {
            socket: server,
            buffer: buffer(8, b""),
        };
        wire.submit(op, 1)?;
        send_all(cx, &client, b"x")?;
        ensure_eq!(transferred(wire.complete(1)?)?.0, 1);
    }
    Ok(())
}

/// "Rings of readiness refuse it as `Unsupported`". This one nobody can do.
fn operation_on_a_file_is_known_or_comes_back_whole<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let path = buffer(0, b"a\0b");
    let options = OpenOptions::read();
    match wire
        .ring
        .submit(Op::File(FileOp::Open { path, options }), 1)
    {
        Ok(_) => fail!("no file can have this name"),
        Err(rejected) => {
            let kind = rejected.error.kind();
            ensure!(
                matches!(kind, Kind::Unsupported | Kind::InvalidInput),
                "{}",
                rejected.error
            );
            let path = rejected.op.into_buffer();
            ensure!(path.is_some_and(|path| path.as_slice() == b"a\0b"));
        }
    }
    ensure_eq!(wire.ring.pending(), 0);
    Ok(())
}
