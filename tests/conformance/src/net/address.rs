//! Listening, connecting and accepting: who may have which address.
#![forbid(unsafe_code)]

use super::wire::{Wire, any_port, listen, until_ready};
use crate::case::{Context, Verdict};
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use underpin_core::Kind;
use underpin_core::platform::{ListenOptions, Op, Reactor};

cases!("net::address", Reactor:
    port_zero_picks_a_free_one,
    live_listener_keeps_its_address,
    dropped_listener_frees_its_address,
    lingering_connections_do_not_keep_the_address,
    shared_port_needs_everybodys_consent,
    foreign_address_is_not_available,
    accept_without_a_connection_would_block,
    accept_tells_the_peer,
    both_sides_agree_on_addresses,
    listener_has_no_peer,
    connections_wait_to_be_accepted,
    connecting_to_nobody_is_refused,
    version_six_works_too,
    no_delay_is_for_connections,
);

/// "Port 0 picks a free one".
fn port_zero_picks_a_free_one<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let (_left, left_address) = listen(cx)?;
    let (_right, right_address) = listen(cx)?;
    for address in [left_address, right_address] {
        ensure!(address.port() != 0);
        ensure_eq!(address.ip(), Ipv4Addr::LOCALHOST);
    }
    ensure!(
        left_address != right_address,
        "two listeners at {left_address}"
    );
    Ok(())
}

/// "(A live listener at the address is `AddressInUse` all the same.)"
fn live_listener_keeps_its_address<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let (_listener, address) = listen(cx)?;
    let mut options = ListenOptions::default();
    for reuse_address in [true, false] {
        options.reuse_address = reuse_address;
        ensure_kind!(cx.p.listen(&address, &options), AddressInUse);
    }
    Ok(())
}

/// A listener that is gone has no address.
fn dropped_listener_frees_its_address<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let (listener, address) = listen(cx)?;
    drop(listener);
    let again = cx.p.listen(&address, &ListenOptions::default())?;
    ensure_eq!(cx.p.local_address(&again)?, address);
    Ok(())
}

/// "Listen although connections of an earlier listener linger."
fn lingering_connections_do_not_keep_the_address<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (listener, address) = listen(cx)?;
    let client = wire.connect(address)?;
    let (server, _) = wire.accept(&listener)?;
    drop(listener);
    // One connection stands, and another one lingers because its server side went first.
    let again = cx.p.listen(&address, &ListenOptions::default())?;
    drop(again);
    drop(server);
    drop(client);
    cx.p.listen(&address, &ListenOptions::default())?;
    Ok(())
}

/// "Let several sockets listen at one address and share its connections. Default: no."
fn shared_port_needs_everybodys_consent<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut options = ListenOptions::default();
    options.reuse_port = true;
    let first = match cx.p.listen(&any_port(), &options) {
        Err(error) if error.kind() == Kind::Unsupported => skip!("ports cannot be shared here"),
        first => first?,
    };
    let address = cx.p.local_address(&first)?;
    let second = cx.p.listen(&address, &options)?;
    ensure_kind!(
        cx.p.listen(&address, &ListenOptions::default()),
        AddressInUse
    );
    // Whoever gets a connection, it is one of them, once.
    let mut wire = Wire::new(cx)?;
    for _ in 0..8 {
        let _client = wire.connect(address)?;
        let mut accepted = 0;
        let seen = cx.poll(|| {
            accepted += usize::from(cx.p.try_accept(&first).is_ok());
            accepted += usize::from(cx.p.try_accept(&second).is_ok());
            accepted > 0
        });
        ensure!(seen && accepted == 1, "accepted {accepted} times");
    }
    Ok(())
}

/// "`AddressNotAvailable`": 192.0.2.1 is for examples and no machine's.
fn foreign_address_is_not_available<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let foreign = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 0));
    ensure_kind!(
        cx.p.listen(&foreign, &ListenOptions::default()),
        AddressNotAvailable
    );
    Ok(())
}

/// "`WouldBlock` if none waits".
fn accept_without_a_connection_would_block<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let (listener, _) = listen(cx)?;
    ensure_kind!(cx.p.try_accept(&listener), WouldBlock);
    Ok(())
}

/// "Takes a waiting connection and its peer's address."
fn accept_tells_the_peer<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (listener, address) = listen(cx)?;
    let client = wire.connect(address)?;
    let (server, peer) = until_ready(cx, || cx.p.try_accept(&listener))?;
    ensure_eq!(peer, cx.p.local_address(&client)?);
    ensure_eq!(cx.p.peer_address(&server)?, peer);
    ensure_kind!(cx.p.try_accept(&listener), WouldBlock);
    Ok(())
}

/// "The socket's own address", "The peer's address": each side's is the other's.
fn both_sides_agree_on_addresses<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    ensure_eq!(cx.p.local_address(&client)?, cx.p.peer_address(&server)?);
    ensure_eq!(cx.p.peer_address(&client)?, cx.p.local_address(&server)?);
    Ok(())
}

/// "`NotConnected`."
fn listener_has_no_peer<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let (listener, _) = listen(cx)?;
    ensure_kind!(cx.p.peer_address(&listener), NotConnected);
    let mut byte = [0];
    ensure_kind!(
        super::wire::try_receive(cx, &listener, &mut byte),
        NotConnected
    );
    ensure_kind!(cx.p.try_send(&listener, b"x"), NotConnected | BrokenPipe);
    Ok(())
}

/// "Connections that may wait to be accepted".
fn connections_wait_to_be_accepted<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    const COUNT: usize = 20;
    let mut wire = Wire::new(cx)?;
    let (listener, address) = listen(cx)?;
    let mut clients = alloc::vec::Vec::new();
    for _ in 0..COUNT {
        clients.push(wire.connect(address)?);
    }
    let mut peers = alloc::vec::Vec::new();
    for _ in 0..COUNT {
        peers.push(until_ready(cx, || cx.p.try_accept(&listener))?.1);
    }
    for client in &clients {
        let own = cx.p.local_address(client)?;
        ensure!(peers.contains(&own), "{own} was not accepted");
    }
    Ok(())
}

/// `ConnectionRefused`: "Nobody listens at the address."
fn connecting_to_nobody_is_refused<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (listener, address) = listen(cx)?;
    drop(listener);
    ensure_kind!(
        wire.perform(Op::Connect { address })?.result,
        ConnectionRefused
    );
    Ok(())
}

/// Addresses of version 6, where the machine has them.
fn version_six_works_too<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let any = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let listener = match cx.p.listen(&any, &ListenOptions::default()) {
        Ok(listener) => listener,
        Err(error) => {
            ensure!(
                matches!(error.kind(), Kind::AddressNotAvailable | Kind::Unsupported),
                "{error}"
            );
            skip!("the machine has no IPv6 loopback address");
        }
    };
    let address = cx.p.local_address(&listener)?;
    ensure_eq!(address.ip(), Ipv6Addr::LOCALHOST);
    let mut wire = Wire::new(cx)?;
    let client = wire.connect(address)?;
    let (server, peer) = wire.accept(&listener)?;
    ensure_eq!(peer, cx.p.local_address(&client)?);
    super::wire::send_all(cx, &client, b"six")?;
    super::wire::expect_bytes(cx, &server, b"six")
}

/// "`InvalidInput` for a listener."
fn no_delay_is_for_connections<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    for on in [true, true, false, true] {
        cx.p.set_no_delay(&client, on)?;
        cx.p.set_no_delay(&server, on)?;
    }
    let (listener, _) = listen(cx)?;
    ensure_kind!(cx.p.set_no_delay(&listener, true), InvalidInput);
    Ok(())
}
