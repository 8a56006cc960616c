//! Cancellation: asked for, answered once, and without a trace if it came in time.
#![forbid(unsafe_code)]

use super::operation::{buffer, ensure_waits};
use crate::case::{Context, Verdict};
use crate::net::wire::{Wire, expect_bytes, listen, send_all};
use underpin_core::Kind;
use underpin_core::platform::{Cancel, Interest, Op, OpId, Reactor, Ring};

cases!("reactor::cancel", Reactor:
    cancelled_operation_completes_as_cancelled,
    cancelled_buffer_comes_back,
    cancelled_receive_takes_no_bytes,
    cancelled_accept_takes_no_connection,
    unknown_operation_is_not_pending,
    completed_operation_is_not_pending,
    cancelling_twice_completes_once,
    cancel_of_one_leaves_the_others,
    cancel_of_a_finished_operation_keeps_its_result,
);

/// "The operation will complete soon, as `Cancelled`".
fn cancelled_operation_completes_as_cancelled<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (_client, server) = wire.pair()?;
    let (listener, _) = listen(cx)?;
    let ops = [
        Op::Receive {
            socket: server.clone(),
            buffer: buffer(8, b""),
        },
        Op::Ready {
            socket: server,
            interest: Interest::Read,
        },
        Op::Ready {
            socket: listener.clone(),
            interest: Interest::Read,
        },
        Op::Accept { listener },
    ];
    for (op, token) in ops.into_iter().zip(1..) {
        let id = wire.submit(op, token)?;
        if token % 2 == 0 {
            // Started or not, it can be cancelled.
            wire.wait(cx.now())?;
        }
        ensure_eq!(wire.ring.cancel(id), Cancel::Requested);
        let completion = wire.complete(token)?;
        // Readiness may be spurious; the others have nothing to bring.
        ensure!(
            token == 2 || token == 3 || completion.result.is_err(),
            "operation {token}: {:?}",
            completion.result
        );
        if let Err(error) = completion.result {
            ensure!(
                error.kind() == Kind::Cancelled,
                "operation {token}: {error}"
            );
        }
    }
    ensure_eq!(wire.ring.pending(), 0);
    Ok(())
}

/// "The buffer that was lent, if one was", with what it held.
fn cancelled_buffer_comes_back<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (_client, server) = wire.pair()?;
    let id = wire.submit(
        Op::Receive {
            socket: server,
            buffer: buffer(64, b"kept"),
        },
        1,
    )?;
    ensure_waits(cx, &mut wire, 1)?;
    ensure_eq!(wire.ring.cancel(id), Cancel::Requested);
    let completion = wire.complete(1)?;
    ensure_kind!(completion.result, Cancelled);
    match completion.buffer {
        Some(buffer) => ensure!(buffer.as_slice() == b"kept"),
        None => fail!("the buffer is lost"),
    }
    Ok(())
}

/// `Cancelled`: "The operation was cancelled before it had an effect."
fn cancelled_receive_takes_no_bytes<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    for turn in 0..50u8 {
        let op = Op::Receive {
            socket: server.clone(),
            buffer: buffer(8, b""),
        };
        let id = wire.submit(op, 1)?;
        if turn % 3 == 0 {
            wire.wait(cx.now())?;
        }
        send_all(cx, &client, &[turn])?;
        if turn % 3 == 1 {
            // Time for the byte to arrive, so that some operations are done before they are cancelled.
            cx.sleep(core::time::Duration::from_millis(1));
        }
        wire.ring.cancel(id);
        let completion = wire.complete(1)?;
        match completion.result {
            Err(error) => {
                ensure!(error.kind() == Kind::Cancelled, "{error}");
                expect_bytes(cx, &server, &[turn])?;
            }
            Ok(_) => {
                let got = completion.buffer.map(|buffer| buffer.as_slice() == [turn]);
                ensure!(got == Some(true), "the byte is lost");
            }
        }
    }
    Ok(())
}

/// The same for an accept.
fn cancelled_accept_takes_no_connection<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (listener, address) = listen(cx)?;
    for _ in 0..10 {
        let id = wire.submit(
            Op::Accept {
                listener: listener.clone(),
            },
            1,
        )?;
        let _client = wire.connect(address)?;
        wire.ring.cancel(id);
        if wire.complete(1)?.result.is_err() {
            let there = cx.poll(|| cx.p.try_accept(&listener).is_ok());
            ensure!(there, "the connection is lost");
        }
    }
    Ok(())
}

/// "No such operation is pending."
fn unknown_operation_is_not_pending<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    for raw in [0, 1, 12_345, 1 << 32, u64::MAX / 2, u64::MAX] {
        ensure_eq!(wire.ring.cancel(OpId::from_raw(raw)), Cancel::NotPending);
    }
    ensure_eq!(wire.wait(cx.now())?, 0);
    Ok(())
}

/// What was delivered is not pending, even if another operation came after it.
fn completed_operation_is_not_pending<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    let id = wire.submit(
        Op::Ready {
            socket: client.clone(),
            interest: Interest::Write,
        },
        1,
    )?;
    wire.complete(1)?.result?;
    ensure_eq!(wire.ring.cancel(id), Cancel::NotPending);
    let next = wire.submit(
        Op::Receive {
            socket: server,
            buffer: buffer(8, b""),
        },
        2,
    )?;
    if next != id {
        ensure_eq!(wire.ring.cancel(id), Cancel::NotPending);
        ensure_waits(cx, &mut wire, 2)?;
    }
    Ok(())
}

/// Rule 1: "exactly once, also after `Ring::cancel`".
fn cancelling_twice_completes_once<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (_client, server) = wire.pair()?;
    let id = wire.submit(
        Op::Receive {
            socket: server,
            buffer: buffer(8, b""),
        },
        1,
    )?;
    ensure_eq!(wire.ring.cancel(id), Cancel::Requested);
    wire.ring.cancel(id);
    wire.ring.cancel(id);
    ensure_kind!(wire.complete(1)?.result, Cancelled);
    ensure_eq!(wire.ring.cancel(id), Cancel::NotPending);
    ensure_eq!(wire.wait(cx.now())?, 0);
    ensure!(wire.done.is_empty());
    Ok(())
}

/// A cancelled receive in the middle of a queue leaves those before and behind it in order.
fn cancel_of_one_leaves_the_others<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    let mut ids = [OpId::from_raw(0); 3];
    for (id, token) in ids.iter_mut().zip(1..) {
        *id = wire.submit(
            Op::Receive {
                socket: server.clone(),
                buffer: buffer(1, b""),
            },
            token,
        )?;
    }
    ensure_eq!(wire.ring.cancel(ids[1]), Cancel::Requested);
    ensure_kind!(wire.complete(2)?.result, Cancelled);
    for token in [1, 3] {
        let byte = b'0' + token as u8;
        send_all(cx, &client, &[byte])?;
        let completion = wire.complete(token)?;
        completion.result?;
        let got = completion.buffer.map(|buffer| buffer.as_slice() == [byte]);
        ensure!(got == Some(true), "operation {token} got another's byte");
    }
    Ok(())
}

/// "or, if it was faster, with its result".
fn cancel_of_a_finished_operation_keeps_its_result<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    for _ in 0..20 {
        let op = Op::Send {
            socket: client.clone(),
            buffer: buffer(0, b"x"),
            start: 0,
        };
        let id = wire.submit(op, 1)?;
        wire.ring.cancel(id);
        let completion = wire.complete(1)?;
        match completion.result {
            Ok(_) => expect_bytes(cx, &server, b"x")?,
            Err(error) => {
                ensure!(error.kind() == Kind::Cancelled, "{error}");
                let mut byte = [0];
                ensure_kind!(
                    crate::net::wire::try_receive(cx, &server, &mut byte),
                    WouldBlock
                );
            }
        }
    }
    Ok(())
}
