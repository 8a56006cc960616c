//! Each operation alone: what it waits for and what it brings.
#![forbid(unsafe_code)]

use crate::case::{Context, Stop, Verdict};
use crate::net::wire::{Wire, expect_bytes, listen, receive, send_all, try_receive, until_ready};
use core::time::Duration;
use underpin_core::Kind;
use underpin_core::platform::{
    Buffer, Completion, Interest, Op, Outcome, Reactor, Ring, ShutdownHow,
};

cases!("reactor::operation", Reactor:
    connect_and_accept_bring_connections,
    accept_waits_for_a_connection,
    refused_connection_completes_with_the_error,
    receive_waits_for_bytes,
    receive_fills_the_spare_capacity_only,
    receive_brings_the_end,
    end_behind_the_last_bytes_comes,
    bytes_behind_a_short_receive_come,
    send_starts_where_it_is_told,
    send_with_a_wrong_start_is_refused,
    send_waits_for_room,
    send_to_a_closed_peer_completes_with_the_error,
    ready_to_read_waits_for_bytes,
    ready_to_read_waits_for_connections,
    ready_to_write_comes_at_once,
    end_of_the_stream_counts_as_ready,
    token_comes_back,
);

/// A buffer of `capacity` bytes that holds `bytes`.
pub(super) fn buffer(capacity: usize, bytes: &[u8]) -> Buffer {
    let mut buffer = Buffer::with_capacity(capacity.max(bytes.len()));
    buffer.push_slice(bytes);
    buffer
}

/// The bytes transferred, and the buffer that came back.
pub(super) fn transferred<S: core::fmt::Debug>(
    completion: Completion<S>,
) -> Result<(usize, Buffer), Stop> {
    let buffer = completion
        .buffer
        .ok_or_else(|| Stop::failed(format_args!("the buffer does not come back")))?;
    match completion.result? {
        Outcome::Transferred { bytes } => Ok((bytes, buffer)),
        other => Err(Stop::failed(format_args!("a transfer brought {other:?}"))),
    }
}

/// Fails if the operation with `token` completes within a moment.
pub(super) fn ensure_waits<P: Reactor>(
    cx: &Context<'_, P>,
    wire: &mut Wire<'_, P>,
    token: u64,
) -> Verdict {
    let until = cx.now().saturating_add(Duration::from_millis(10));
    while cx.now() < until {
        wire.wait(until)?;
        if let Some(done) = wire.done.iter().find(|done| done.token == token) {
            fail!("done with nothing to do: {:?}", done.result);
        }
    }
    Ok(())
}

/// "A connection came in", "The connection stands".
fn connect_and_accept_bring_connections<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (listener, address) = listen(cx)?;
    let client = wire.connect(address)?;
    let (server, peer) = wire.accept(&listener)?;
    ensure_eq!(peer, cx.p.local_address(&client)?);
    ensure_eq!(cx.p.peer_address(&client)?, address);
    send_all(cx, &client, b"hello")?;
    expect_bytes(cx, &server, b"hello")?;
    // They are as little blocking as any other.
    let mut byte = [0];
    ensure_kind!(try_receive(cx, &client, &mut byte), WouldBlock);
    ensure_kind!(try_receive(cx, &server, &mut byte), WouldBlock);
    Ok(())
}

/// "Accepts one connection": one that comes later, and no more than one.
fn accept_waits_for_a_connection<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (listener, address) = listen(cx)?;
    wire.submit(
        Op::Accept {
            listener: listener.clone(),
        },
        1,
    )?;
    ensure_waits(cx, &mut wire, 1)?;
    let _first = wire.connect(address)?;
    let _second = wire.connect(address)?;
    wire.complete(1)?.result?;
    ensure!(wire.done.is_empty());
    ensure!(
        cx.poll(|| cx.p.try_accept(&listener).is_ok()),
        "the second connection is lost"
    );
    Ok(())
}

/// "What came of it": an error is what came of it too.
fn refused_connection_completes_with_the_error<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (listener, address) = listen(cx)?;
    drop(listener);
    let completion = wire.perform(Op::Connect { address })?;
    ensure_kind!(completion.result, ConnectionRefused);
    ensure!(completion.buffer.is_none());
    ensure_eq!(wire.ring.pending(), 0);
    Ok(())
}

/// A receive completes when there are bytes, and brings them.
fn receive_waits_for_bytes<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    wire.submit(
        Op::Receive {
            socket: server,
            buffer: buffer(64, b""),
        },
        1,
    )?;
    ensure_waits(cx, &mut wire, 1)?;
    send_all(cx, &client, b"hello")?;
    let (bytes, buffer) = transferred(wire.complete(1)?)?;
    ensure!((1..=5).contains(&bytes));
    ensure!(
        buffer.as_slice() == &b"hello"[..bytes],
        "other bytes than were sent"
    );
    Ok(())
}

/// "Reads into the buffer's spare capacity".
fn receive_fills_the_spare_capacity_only<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    send_all(cx, &client, b"0123456789")?;
    let mut taken = 0;
    while taken < 10 {
        let kept = buffer(8, b"kept");
        let room = kept.capacity() - 4;
        let op = Op::Receive {
            socket: server.clone(),
            buffer: kept,
        };
        let (bytes, got) = transferred(wire.perform(op)?)?;
        ensure!(bytes >= 1 && bytes <= room, "{bytes} bytes into {room}");
        ensure!(
            got.as_slice().starts_with(b"kept"),
            "what the buffer held is gone"
        );
        ensure!(got.as_slice()[4..] == b"0123456789"[taken..taken + bytes]);
        taken += bytes;
    }
    Ok(())
}

/// "0 bytes are the end of the stream."
fn receive_brings_the_end<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    wire.submit(
        Op::Receive {
            socket: server.clone(),
            buffer: buffer(8, b""),
        },
        1,
    )?;
    cx.p.shutdown(&client, ShutdownHow::Write)?;
    let (bytes, _) = transferred(wire.complete(1)?)?;
    ensure_eq!(bytes, 0);
    let again = Op::Receive {
        socket: server,
        buffer: buffer(8, b""),
    };
    let (bytes, _) = transferred(wire.perform(again)?)?;
    ensure_eq!(bytes, 0);
    Ok(())
}

/// "0 bytes are the end of the stream", also when the end came together with the last bytes, to a receive with room for more.
fn end_behind_the_last_bytes_comes<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    for waits_first in [true, false] {
        let mut wire = Wire::new(cx)?;
        let (client, server) = wire.pair()?;
        let receive = || Op::Receive {
            socket: server.clone(),
            buffer: buffer(64, b""),
        };
        if waits_first {
            wire.submit(receive(), 1)?;
        }
        send_all(cx, &client, b"last")?;
        cx.p.shutdown(&client, ShutdownHow::Write)?;
        if !waits_first {
            wire.submit(receive(), 1)?;
        }
        let (mut bytes, _) = transferred(wire.complete(1)?)?;
        let mut received = bytes;
        while bytes != 0 {
            (bytes, _) = transferred(wire.perform(receive())?)?;
            received += bytes;
        }
        ensure_eq!(received, 4);
    }
    Ok(())
}

/// A receive that leaves room in its buffer does not make the ring deaf to what comes later.
fn bytes_behind_a_short_receive_come<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    cancelled_receive(&mut wire, &server)?;
    for round in 0..cx.effort.rounds.min(200) {
        // Now and then the bytes are there before the receive is, now and then after.
        if round % 2 == 0 {
            send_all(cx, &client, b"x")?;
        }
        let token = u64::from(round);
        wire.submit(
            Op::Receive {
                socket: server.clone(),
                buffer: buffer(64, b""),
            },
            token,
        )?;
        if round % 2 == 1 {
            send_all(cx, &client, b"x")?;
        }
        let (bytes, _) = transferred(wire.complete(token)?)?;
        ensure_eq!(bytes, 1);
    }
    Ok(())
}

/// A receive that waits, and is given up.
fn cancelled_receive<P: Reactor>(wire: &mut Wire<'_, P>, socket: &P::Socket) -> Verdict {
    const TOKEN: u64 = 1 << 40;
    let op = Op::Receive {
        socket: socket.clone(),
        buffer: buffer(8, b""),
    };
    let id = wire.submit(op, TOKEN)?;
    wire.ring.cancel(id);
    wire.complete(TOKEN)?;
    Ok(())
}

/// "Writes the buffer's bytes from `start`; may be short."
fn send_starts_where_it_is_told<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    let mut start = 3;
    while start < 10 {
        let op = Op::Send {
            socket: client.clone(),
            buffer: buffer(0, b"0123456789"),
            start,
        };
        let (bytes, back) = transferred(wire.perform(op)?)?;
        ensure!(
            (1..=10 - start).contains(&bytes),
            "{bytes} of {} bytes",
            10 - start
        );
        ensure!(
            back.as_slice() == b"0123456789",
            "the buffer comes back changed"
        );
        start += bytes;
    }
    expect_bytes(cx, &server, b"3456789")
}

/// "A wrong argument is `InvalidInput`": a start past the bytes, at once or as the completion.
fn send_with_a_wrong_start_is_refused<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    for start in [11, usize::MAX] {
        let op = Op::Send {
            socket: client.clone(),
            buffer: buffer(0, b"0123456789"),
            start,
        };
        let error = match wire.ring.submit(op, 7) {
            Err(rejected) => rejected.error,
            Ok(_) => match wire.complete(7)?.result {
                Err(error) => error,
                Ok(outcome) => fail!("start {start} brought {outcome:?}"),
            },
        };
        ensure!(error.kind() == Kind::InvalidInput, "{error}");
    }
    send_all(cx, &client, b"fine")?;
    expect_bytes(cx, &server, b"fine")
}

/// Sends until nothing fits and says how much did.
fn fill_up<P: Reactor>(cx: &Context<'_, P>, socket: &P::Socket) -> Result<usize, Stop> {
    let chunk = alloc::vec![b'x'; 64 << 10];
    let mut sent = 0;
    loop {
        match cx.p.try_send(socket, &chunk) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == Kind::WouldBlock => return Ok(sent),
            Err(error) => return Err(error.into()),
        }
        if sent > 256 << 20 {
            return Err(Stop::failed(format_args!(
                "{sent} bytes fit though nobody reads"
            )));
        }
    }
}

/// A send for which there is no room waits for it.
fn send_waits_for_room<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    let mut filled = fill_up(cx, &client)?;
    let op = Op::Send {
        socket: client.clone(),
        buffer: buffer(0, b"end"),
        start: 0,
    };
    wire.submit(op, 1)?;
    wire.submit(
        Op::Ready {
            socket: client.clone(),
            interest: Interest::Write,
        },
        2,
    )?;
    let mut last = alloc::vec::Vec::new();
    let mut chunk = alloc::vec![0; 64 << 10];
    // What was there is read first; it makes room for the end.
    while filled > 0 {
        let room = chunk.len().min(filled);
        filled -= receive(cx, &server, &mut chunk[..room])?.len();
        wire.wait(cx.now())?;
    }
    let (bytes, _) = transferred(wire.complete(1)?)?;
    wire.complete(2)?.result?;
    while last.len() < bytes {
        last.extend_from_slice(receive(cx, &server, &mut chunk[..1])?);
    }
    ensure!(last == b"end"[..bytes]);
    Ok(())
}

/// An error of the connection completes the operation, and the buffer comes back all the same.
fn send_to_a_closed_peer_completes_with_the_error<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    drop(server);
    let deadline = cx.deadline();
    while cx.now() < deadline {
        let op = Op::Send {
            socket: client.clone(),
            buffer: buffer(0, b"anybody?"),
            start: 0,
        };
        let completion = wire.perform(op)?;
        ensure!(
            completion
                .buffer
                .is_some_and(|buffer| buffer.as_slice() == b"anybody?")
        );
        if let Err(error) = completion.result {
            ensure!(
                matches!(
                    error.kind(),
                    Kind::BrokenPipe | Kind::ConnectionReset | Kind::ConnectionAborted
                ),
                "{error}"
            );
            return Ok(());
        }
        cx.sleep(Duration::from_millis(1));
    }
    fail!("a peer that is gone takes everything");
}

/// "`try_receive` ... would not say `WouldBlock`", and the bytes are left for it.
fn ready_to_read_waits_for_bytes<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    for _ in 0..3 {
        let op = Op::Ready {
            socket: server.clone(),
            interest: Interest::Read,
        };
        wire.submit(op, 1)?;
        send_all(cx, &client, b"hello")?;
        match wire.complete(1)?.result? {
            Outcome::Ready => {}
            other => fail!("readiness brought {other:?}"),
        }
        // "spurious readiness is allowed", so reading may still have to wait.
        expect_bytes(cx, &server, b"hello")?;
    }
    Ok(())
}

/// "or `try_accept` would not say `WouldBlock`".
fn ready_to_read_waits_for_connections<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (listener, address) = listen(cx)?;
    wire.submit(
        Op::Ready {
            socket: listener.clone(),
            interest: Interest::Read,
        },
        1,
    )?;
    let _client = wire.connect(address)?;
    wire.complete(1)?.result?;
    ensure!(cx.poll(|| cx.p.try_accept(&listener).is_ok()));
    Ok(())
}

/// "`try_send` would not say `WouldBlock`".
fn ready_to_write_comes_at_once<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, _server) = wire.pair()?;
    for _ in 0..3 {
        wire.perform(Op::Ready {
            socket: client.clone(),
            interest: Interest::Write,
        })?
        .result?;
    }
    ensure_eq!(until_ready(cx, || cx.p.try_send(&client, b"x"))?, 1);
    Ok(())
}

/// "An error of the socket counts as ready", and so does the end of its stream.
fn end_of_the_stream_counts_as_ready<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    wire.submit(
        Op::Ready {
            socket: server.clone(),
            interest: Interest::Read,
        },
        1,
    )?;
    drop(client);
    wire.complete(1)?.result?;
    let mut byte = [0];
    ensure!(receive(cx, &server, &mut byte)?.is_empty());
    Ok(())
}

/// "The token that was given at submission", whatever it is, more than once too.
fn token_comes_back<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, _server) = wire.pair()?;
    for token in [0, 1, u64::MAX, u64::MAX - 1, 1 << 63, 0xdead_beef] {
        for _ in 0..2 {
            wire.submit(
                Op::Ready {
                    socket: client.clone(),
                    interest: Interest::Write,
                },
                token,
            )?;
        }
        for _ in 0..2 {
            wire.complete(token)?.result?;
        }
        ensure!(wire.done.is_empty(), "more completions than operations");
    }
    Ok(())
}
