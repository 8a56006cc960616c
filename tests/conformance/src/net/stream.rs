//! Streams: bytes in order, ends in one direction and both, and what happens when the peer is gone.
#![forbid(unsafe_code)]

use super::wire::{Wire, carry, expect_bytes, receive, send_all, try_receive, until_ready};
use crate::case::{Context, Verdict};
use underpin_core::Kind;
use underpin_core::platform::{Reactor, ShutdownHow};

cases!("net::stream", Reactor:
    bytes_arrive_in_order_both_ways,
    receive_of_nothing_would_block,
    empty_buffers_move_nothing,
    receive_takes_no_more_than_the_buffer_holds,
    send_is_partial_then_would_block,
    vectored_send_is_in_order,
    shutdown_of_writing_ends_the_peers_stream,
    shutdown_of_writing_leaves_reading,
    send_after_shutdown_is_a_broken_pipe,
    shutdown_of_reading_reads_the_end,
    shutdown_of_both_ends_both,
    clones_are_the_same_socket,
    peers_end_is_read_after_its_bytes,
    send_to_a_closed_peer_fails,
    peers_reset_is_an_error,
);

/// What is sent is received, in order, in both directions at once.
fn bytes_arrive_in_order_both_ways<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    for turn in 0..50u8 {
        let (there, back) = ([turn; 300], [!turn; 200]);
        carry(cx, &client, &server, &there)?;
        carry(cx, &server, &client, &back)?;
    }
    Ok(())
}

/// "`WouldBlock`": no call here waits.
fn receive_of_nothing_would_block<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    let mut buffer = [0; 8];
    ensure_kind!(try_receive(cx, &client, &mut buffer), WouldBlock);
    send_all(cx, &server, b"abc")?;
    expect_bytes(cx, &client, b"abc")?;
    ensure_kind!(try_receive(cx, &client, &mut buffer), WouldBlock);
    Ok(())
}

/// "0 is the end of the stream (or an empty buffer)"; "at least 1 unless `bytes` is empty".
fn empty_buffers_move_nothing<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    ensure_eq!(cx.p.try_send(&client, b"")?, 0);
    ensure_eq!(cx.p.try_send_vectored(&client, &[])?, 0);
    ensure_eq!(cx.p.try_send_vectored(&client, &[b"", b""])?, 0);
    send_all(cx, &client, b"x")?;
    let mut byte = [0];
    ensure!(cx.poll(|| {
        // Once there is something to read, an empty buffer takes none of it.
        try_receive(cx, &server, &mut []) == Ok(0)
    }));
    ensure_eq!(until_ready(cx, || try_receive(cx, &server, &mut byte))?, 1);
    Ok(())
}

/// "at most `buffer.len()` bytes".
fn receive_takes_no_more_than_the_buffer_holds<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    send_all(cx, &client, b"0123456789")?;
    for index in 0..5 {
        let mut buffer = [0xff; 8];
        let count = until_ready(cx, || try_receive(cx, &server, &mut buffer[..2]))?;
        ensure!((1..=2).contains(&count));
        ensure!(buffer[2..] == [0xff; 6], "bytes past the buffer changed");
        if count == 1 {
            // Allowed to be short; then the rest comes next.
            expect_bytes(cx, &server, &[b'0' + index * 2 + 1])?;
        }
        ensure_eq!(buffer[0], b'0' + index * 2);
    }
    Ok(())
}

/// "Writes as much as fits now"; "`WouldBlock` if none fits", and nothing of it is lost or sent twice.
fn send_is_partial_then_would_block<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    /// More than the buffers of any loopback connection hold.
    const SENT_MAX: usize = 64 << 20;
    const CHUNK: usize = 64 << 10;
    const PERIOD: usize = 251;
    let pattern = |offset: usize| (offset % PERIOD) as u8;
    let chunks: alloc::vec::Vec<u8> = (0..CHUNK + PERIOD).map(pattern).collect();
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    let mut sent = 0;
    loop {
        match cx.p.try_send(&client, &chunks[sent % PERIOD..][..CHUNK]) {
            Ok(count) => {
                ensure!((1..=CHUNK).contains(&count), "{count} of {CHUNK} bytes");
                sent += count;
                ensure!(sent < SENT_MAX, "{sent} bytes fit though nobody reads");
            }
            Err(error) => {
                ensure!(error.kind() == Kind::WouldBlock, "{error}");
                break;
            }
        }
    }
    let mut received = 0;
    let mut buffer = alloc::vec![0; CHUNK];
    while received < sent {
        let bytes = receive(cx, &server, &mut buffer)?;
        ensure!(
            !bytes.is_empty(),
            "the stream ends after {received} of {sent} bytes"
        );
        for (index, byte) in bytes.iter().enumerate() {
            let offset = received + index;
            ensure!(
                *byte == pattern(offset),
                "byte {offset} of {sent} is {byte:#x}"
            );
        }
        received += bytes.len();
    }
    ensure_eq!(received, sent);
    ensure_kind!(try_receive(cx, &server, &mut buffer), WouldBlock);
    // Now there is room again.
    send_all(cx, &client, b"more")?;
    expect_bytes(cx, &server, b"more")
}

/// "from several slices in turn".
fn vectored_send_is_in_order<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    let whole = b"one two three";
    let slices: [&[u8]; 6] = [b"", b"one ", b"", b"two ", b"three", b""];
    let count = until_ready(cx, || cx.p.try_send_vectored(&client, &slices))?;
    ensure!((1..=whole.len()).contains(&count));
    send_all(cx, &client, &whole[count..])?;
    expect_bytes(cx, &server, whole)?;
    // More slices than a system takes at a time.
    let bytes: [u8; 1_500] = core::array::from_fn(|index| (index % 251) as u8);
    let slices: alloc::vec::Vec<&[u8]> = bytes.chunks(1).collect();
    let count = until_ready(cx, || cx.p.try_send_vectored(&client, &slices))?;
    ensure!((1..=bytes.len()).contains(&count));
    expect_bytes(cx, &server, &bytes[..count])?;
    carry(cx, &client, &server, &bytes[count..])
}

/// Fails unless the stream ends here.
fn ensure_end<P: Reactor>(cx: &Context<'_, P>, socket: &P::Socket) -> Verdict {
    for _ in 0..2 {
        let mut buffer = [0; 8];
        let bytes = receive(cx, socket, &mut buffer)?;
        ensure!(
            bytes.is_empty(),
            "{} bytes where the end should be",
            bytes.len()
        );
    }
    Ok(())
}

/// "This side writes no more: the peer reads the end."
fn shutdown_of_writing_ends_the_peers_stream<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    send_all(cx, &client, b"last words")?;
    cx.p.shutdown(&client, ShutdownHow::Write)?;
    expect_bytes(cx, &server, b"last words")?;
    ensure_end(cx, &server)
}

/// "Ends one direction".
fn shutdown_of_writing_leaves_reading<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    cx.p.shutdown(&client, ShutdownHow::Write)?;
    ensure_end(cx, &server)?;
    send_all(cx, &server, b"still here")?;
    expect_bytes(cx, &client, b"still here")
}

/// "`BrokenPipe`", for this side's own end; "Raises no signal."
fn send_after_shutdown_is_a_broken_pipe<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, _server) = wire.pair()?;
    cx.p.shutdown(&client, ShutdownHow::Write)?;
    ensure_kind!(cx.p.try_send(&client, b"x"), BrokenPipe);
    ensure_kind!(cx.p.try_send_vectored(&client, &[b"x", b"y"]), BrokenPipe);
    Ok(())
}

/// "This side reads no more."
fn shutdown_of_reading_reads_the_end<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    cx.p.shutdown(&client, ShutdownHow::Read)?;
    ensure_end(cx, &client)?;
    // The other direction stands.
    send_all(cx, &client, b"fine")?;
    expect_bytes(cx, &server, b"fine")
}

/// "Both."
fn shutdown_of_both_ends_both<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    cx.p.shutdown(&client, ShutdownHow::Both)?;
    ensure_end(cx, &server)?;
    ensure_end(cx, &client)?;
    ensure_kind!(cx.p.try_send(&client, b"x"), BrokenPipe);
    Ok(())
}

/// "Clones are the same socket; it is closed when the last one is dropped."
fn clones_are_the_same_socket<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    let clone = client.clone();
    ensure_eq!(cx.p.local_address(&clone)?, cx.p.local_address(&client)?);
    drop(client);
    send_all(cx, &clone, b"alive")?;
    expect_bytes(cx, &server, b"alive")?;
    let mut byte = [0];
    ensure_kind!(try_receive(cx, &server, &mut byte), WouldBlock);
    // "Ends one direction or both, for every clone."
    let other = clone.clone();
    cx.p.shutdown(&other, ShutdownHow::Write)?;
    ensure_kind!(cx.p.try_send(&clone, b"x"), BrokenPipe);
    drop((clone, other));
    ensure_end(cx, &server)
}

/// Bytes that came before the end are read before it.
fn peers_end_is_read_after_its_bytes<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    send_all(cx, &client, b"last words")?;
    drop(client);
    expect_bytes(cx, &server, b"last words")?;
    ensure_end(cx, &server)
}

/// "`BrokenPipe`, `ConnectionReset`", after a while; "Raises no signal."
fn send_to_a_closed_peer_fails<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    drop(server);
    let mut last = None;
    cx.poll(|| match cx.p.try_send(&client, b"anybody there?") {
        Ok(_) => false,
        Err(error) => {
            last = Some(error.kind());
            error.kind() != Kind::WouldBlock
        }
    });
    ensure!(
        matches!(
            last,
            Some(Kind::BrokenPipe | Kind::ConnectionReset | Kind::ConnectionAborted)
        ),
        "sending to nobody: {last:?}"
    );
    Ok(())
}

/// A peer that goes without reading what it got: reading is the end or "`ConnectionReset`", and never bytes.
fn peers_reset_is_an_error<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    send_all(cx, &client, b"unread")?;
    let mut byte = [0];
    // It has arrived once a part of it was read.
    until_ready(cx, || try_receive(cx, &server, &mut byte))?;
    drop(server);
    let mut buffer = [0; 8];
    match receive(cx, &client, &mut buffer) {
        Ok(bytes) => ensure!(bytes.is_empty(), "bytes from nowhere"),
        Err(error) => ensure!(
            matches!(
                error.kind(),
                Kind::ConnectionReset | Kind::ConnectionAborted
            ),
            "{error}"
        ),
    }
    Ok(())
}
