//! Stream sockets within the machine.
#![forbid(unsafe_code)]

use super::wire::{expect_bytes, receive, send_all, until_ready};
use crate::case::{Context, Verdict};
use underpin_core::platform::{Buffer, Caps, LocalSockets, Op, Outcome, Reactor, Ring};

/// What this group asks for.
pub(crate) trait Bound: LocalSockets + Reactor {}
impl<P: LocalSockets + Reactor> Bound for P {}

cases!("net::local", Bound:
    pairs_answer_as_the_caps_say,
    pair_carries_bytes_both_ways_and_the_end,
    connection_reaches_its_listener,
    listener_without_a_connection_would_block,
    connecting_to_nobody_fails,
    taken_name_is_in_use,
    too_long_name_is_refused,
    ring_receives_on_local_sockets,
);

/// "A platform without them says so by `Caps::LOCAL_SOCKETS`".
fn pairs_answer_as_the_caps_say<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    let pair = cx.p.local_pair();
    if cx.caps.contains(Caps::LOCAL_SOCKETS) {
        pair?;
    } else {
        ensure_kind!(pair, Unsupported);
        ensure_kind!(cx.p.listen_local(b"name", 1), Unsupported);
    }
    Ok(())
}

/// Ends a case on a platform without local sockets.
macro_rules! need_local_sockets {
    ($cx:expr) => {
        if !$cx.caps.contains(Caps::LOCAL_SOCKETS) {
            skip!("the platform has no local sockets");
        }
    };
}

/// "Two sockets that are connected to each other."
fn pair_carries_bytes_both_ways_and_the_end<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    need_local_sockets!(cx);
    let (one, other) = cx.p.local_pair()?;
    send_all(cx, &one, b"there")?;
    expect_bytes(cx, &other, b"there")?;
    send_all(cx, &other, b"back")?;
    expect_bytes(cx, &one, b"back")?;
    drop(one);
    let mut buffer = [0; 8];
    ensure!(
        receive(cx, &other, &mut buffer)?.is_empty(),
        "the end does not come"
    );
    Ok(())
}

/// "Listens at `path`, which must not exist; it stays when the listener goes."
fn connection_reaches_its_listener<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    need_local_sockets!(cx);
    let path = cx.path("local");
    let listener = cx.p.listen_local(&path, 8)?;
    let client = cx.p.connect_local(&path)?;
    let server = until_ready(cx, || cx.p.try_accept_local(&listener))?;
    send_all(cx, &client, b"hello")?;
    expect_bytes(cx, &server, b"hello")?;
    ensure_kind!(cx.p.local_address(&client), Unsupported);
    drop(listener);
    ensure_kind!(cx.p.connect_local(&path), ConnectionRefused);
    Ok(())
}

/// "`WouldBlock` if none waits".
fn listener_without_a_connection_would_block<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    need_local_sockets!(cx);
    let listener = cx.p.listen_local(&cx.path("idle"), 8)?;
    ensure_kind!(cx.p.try_accept_local(&listener), WouldBlock);
    Ok(())
}

/// "`NotFound`".
fn connecting_to_nobody_fails<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    need_local_sockets!(cx);
    ensure_kind!(cx.p.connect_local(&cx.path("nobody")), NotFound);
    Ok(())
}

/// "`AddressInUse` if something has the name".
fn taken_name_is_in_use<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    need_local_sockets!(cx);
    let path = cx.path("taken");
    let _listener = cx.p.listen_local(&path, 8)?;
    ensure_kind!(cx.p.listen_local(&path, 8), AddressInUse);
    Ok(())
}

/// "`InvalidInput` for a path that is too long (about 100 bytes)".
fn too_long_name_is_refused<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    need_local_sockets!(cx);
    for path in [&b""[..], &[b'x'; 200], b"a\0b"] {
        ensure_kind!(cx.p.listen_local(path, 8), InvalidInput);
        ensure_kind!(cx.p.connect_local(path), InvalidInput);
    }
    Ok(())
}

/// "everything but addresses works on them, rings' `Ready`, `Receive` and `Send` included".
fn ring_receives_on_local_sockets<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    need_local_sockets!(cx);
    let (one, other) = cx.p.local_pair()?;
    let mut ring = cx.p.ring(&cx.ring_options())?;
    for round in 0..20 {
        let op = Op::Receive {
            socket: other.clone(),
            buffer: Buffer::with_capacity(16),
        };
        ensure!(ring.submit(op, round).is_ok(), "the ring refuses");
        send_all(cx, &one, b"xy")?;
        let mut done = alloc::vec::Vec::new();
        let deadline = cx.deadline();
        while done.is_empty() {
            ensure!(cx.now() < deadline, "nothing comes");
            ring.wait(Some(deadline), &mut done)?;
        }
        ensure!(
            matches!(done[0].result, Ok(Outcome::Transferred { bytes: 2 })),
            "{:?}",
            done[0].result
        );
    }
    Ok(())
}
