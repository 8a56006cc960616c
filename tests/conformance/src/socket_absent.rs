//! A platform that has no sockets, or no reactor, says so.
#![forbid(unsafe_code)]

use crate::case::{Context, Verdict};
use core::net::{Ipv4Addr, SocketAddr};
use underpin_core::platform::{Caps, ListenOptions, Reactor, RingOptions};

cases!("net::absent", Reactor:
    listening_is_unsupported,
    making_a_ring_is_unsupported,
);

/// "A cleared bit means that the call returns `Unsupported`".
fn listening_is_unsupported<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    if cx.caps.contains(Caps::NET) {
        skip!("the platform has sockets");
    }
    for port in [0, 1] {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        ensure_kind!(
            cx.p.listen(&address, &ListenOptions::default()),
            Unsupported
        );
    }
    Ok(())
}

/// The same for the reactor.
fn making_a_ring_is_unsupported<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    if cx.caps.contains(Caps::REACTOR) {
        skip!("the platform has a reactor");
    }
    ensure_kind!(cx.p.ring(&RingOptions::default()), Unsupported);
    Ok(())
}
