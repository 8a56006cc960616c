//! Datagrams over the loopback address, where nothing is lost while there is room.
#![forbid(unsafe_code)]

use super::wire::{any_port, try_receive, until_ready};
use crate::case::{Context, Verdict};
use core::mem::MaybeUninit;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use underpin_core::platform::{Caps, Datagram, Datagrams, Interest, Op, Outcome, Reactor, Ring};
use underpin_core::{Kind, Result};

/// What this group asks for.
pub(crate) trait Bound: Datagrams + Reactor {}
impl<P: Datagrams + Reactor> Bound for P {}

cases!("net::datagram", Bound:
    binding_answers_as_the_caps_say,
    datagrams_arrive_whole_with_their_sender,
    nothing_there_would_block,
    small_buffer_cuts_one_datagram,
    empty_datagram_is_one,
    too_long_datagram_is_refused,
    connected_datagrams_know_their_peer,
    taken_address_is_in_use,
    only_groups_can_be_joined,
    ring_tells_of_datagrams,
);

/// A socket at a free port, and its address.
fn bind<P: Bound>(cx: &Context<'_, P>) -> Result<(P::Socket, SocketAddr)> {
    let socket = cx.p.bind_datagrams(&any_port())?;
    let address = cx.p.local_address(&socket)?;
    Ok((socket, address))
}

fn receive<P: Bound>(
    cx: &Context<'_, P>,
    socket: &P::Socket,
    buffer: &mut [MaybeUninit<u8>],
) -> Result<Datagram> {
    until_ready(cx, || cx.p.try_receive_from(socket, buffer))
}

/// "A platform without them says so by `Caps::DATAGRAMS`".
fn binding_answers_as_the_caps_say<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    let bound = cx.p.bind_datagrams(&any_port());
    if cx.caps.contains(Caps::DATAGRAMS) {
        bound?;
    } else {
        ensure_kind!(bound, Unsupported);
    }
    Ok(())
}

/// Ends a case on a platform without datagrams.
macro_rules! need_datagrams {
    ($cx:expr) => {
        if !$cx.caps.contains(Caps::DATAGRAMS) {
            skip!("the platform has no datagrams");
        }
    };
}

/// "What arrives is whole."
fn datagrams_arrive_whole_with_their_sender<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    need_datagrams!(cx);
    let ((one, from), (other, to)) = (bind(cx)?, bind(cx)?);
    ensure!(from.port() != 0 && from != to, "port 0 picks no free one");
    for bytes in [1, 100, 1200] {
        let sent = [7_u8; 1200];
        ensure_eq!(cx.p.try_send_to(&one, &sent[..bytes], &to)?, bytes);
        let mut buffer = [MaybeUninit::uninit(); 1500];
        let got = receive(cx, &other, &mut buffer)?;
        ensure_eq!((got.bytes, got.whole_bytes, got.peer), (bytes, bytes, from));
    }
    Ok(())
}

/// "`WouldBlock` if none is there".
fn nothing_there_would_block<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    need_datagrams!(cx);
    let (socket, _) = bind(cx)?;
    let mut buffer = [MaybeUninit::uninit(); 8];
    ensure_kind!(cx.p.try_receive_from(&socket, &mut buffer), WouldBlock);
    Ok(())
}

/// "Takes one datagram, or as much of it as fits."
fn small_buffer_cuts_one_datagram<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    need_datagrams!(cx);
    let ((one, _), (other, to)) = (bind(cx)?, bind(cx)?);
    cx.p.try_send_to(&one, b"first, long", &to)?;
    cx.p.try_send_to(&one, b"next", &to)?;
    let mut buffer = [MaybeUninit::uninit(); 5];
    let got = receive(cx, &other, &mut buffer)?;
    ensure_eq!((got.bytes, got.whole_bytes), (5, 11));
    let got = receive(cx, &other, &mut buffer)?;
    ensure_eq!((got.bytes, got.whole_bytes), (4, 4));
    Ok(())
}

/// A datagram of no bytes is one all the same.
fn empty_datagram_is_one<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    need_datagrams!(cx);
    let ((one, from), (other, to)) = (bind(cx)?, bind(cx)?);
    ensure_eq!(cx.p.try_send_to(&one, b"", &to)?, 0);
    let mut buffer = [MaybeUninit::uninit(); 5];
    let got = receive(cx, &other, &mut buffer)?;
    ensure_eq!((got.bytes, got.whole_bytes, got.peer), (0, 0, from));
    Ok(())
}

/// "`InvalidInput` for one that is too long".
fn too_long_datagram_is_refused<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    need_datagrams!(cx);
    let (socket, address) = bind(cx)?;
    let bytes = alloc::vec![0; 70_000];
    ensure_kind!(cx.p.try_send_to(&socket, &bytes, &address), InvalidInput);
    Ok(())
}

/// "Sends to and hears from `peer` alone from now on".
fn connected_datagrams_know_their_peer<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    need_datagrams!(cx);
    let ((one, from), (other, to), (stranger, _)) = (bind(cx)?, bind(cx)?, bind(cx)?);
    cx.p.connect_datagrams(&one, &to)?;
    cx.p.connect_datagrams(&other, &from)?;
    ensure_eq!(cx.p.peer_address(&one)?, to);
    cx.p.try_send_to(&stranger, b"unheard", &to)?;
    ensure_eq!(cx.p.try_send(&one, b"heard")?, 5);
    let mut buffer = [0; 16];
    let count = until_ready(cx, || try_receive(cx, &other, &mut buffer))?;
    ensure!(&buffer[..count] == b"heard", "a stranger is heard");
    Ok(())
}

/// "`AddressInUse`".
fn taken_address_is_in_use<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    need_datagrams!(cx);
    let (_socket, address) = bind(cx)?;
    ensure_kind!(cx.p.bind_datagrams(&address), AddressInUse);
    Ok(())
}

/// "which must be a multicast address".
fn only_groups_can_be_joined<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    need_datagrams!(cx);
    let (socket, _) = bind(cx)?;
    let nobody = IpAddr::V4(Ipv4Addr::LOCALHOST);
    ensure_kind!(cx.p.join_group(&socket, nobody), InvalidInput);
    let group = IpAddr::V4(Ipv4Addr::new(239, 1, 2, 3));
    match cx.p.join_group(&socket, group) {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), Kind::AddressNotAvailable | Kind::Unsupported) => {
            skip!("no interface hears groups")
        }
        Err(error) => Err(error.into()),
    }
}

/// "a ring's `Op::Ready` tells when one would not".
fn ring_tells_of_datagrams<P: Bound>(cx: &Context<'_, P>) -> Verdict {
    need_datagrams!(cx);
    let ((one, _), (other, to)) = (bind(cx)?, bind(cx)?);
    let mut ring = cx.p.ring(&cx.ring_options())?;
    for round in 0..20 {
        let op = Op::Ready {
            socket: other.clone(),
            interest: Interest::Read,
        };
        ensure!(ring.submit(op, round).is_ok(), "the ring refuses");
        cx.p.try_send_to(&one, b"x", &to)?;
        let mut done = alloc::vec::Vec::new();
        let deadline = cx.deadline();
        while done.is_empty() {
            ensure!(cx.now() < deadline, "nothing comes");
            ring.wait(Some(deadline), &mut done)?;
        }
        ensure!(
            matches!(done[0].result, Ok(Outcome::Ready)),
            "{:?}",
            done[0].result
        );
        let mut buffer = [MaybeUninit::uninit(); 5];
        receive(cx, &other, &mut buffer)?;
    }
    Ok(())
}
