//! Durability on demand, and the end of the server.
#![forbid(unsafe_code)]

use super::Context;
use super::failure::{Failure, Outcome};
use super::option::is;
use crate::server::resp::{Args, Reply};
use crate::server::work::{self, Work};
use underpin_core::platform::{ClockId, Files, Reactor};

pub(super) fn save<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    if !c.state.progress.begin_save(c.state.store.changes()) {
        return Err(Failure::fixed("ERR Background save already in progress"));
    }
    let copies = c.state.copies.as_ref();
    let saved = work::save(&c.state.platform, c.state.store.db(), copies);
    c.state.progress.end_save(saved.is_ok(), 0);
    c.state.progress.saved(saved?);
    reply.ok();
    Ok(())
}

pub(super) fn bgsave<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    if args.get(1).is_some_and(|word| !is(word, "SCHEDULE")) || args.len() > 2 {
        return Err(Failure::SYNTAX);
    }
    if !c.state.progress.begin_save(c.state.store.changes()) {
        return Err(Failure::fixed("ERR Background save already in progress"));
    }
    c.state.requested |= Work::SAVE;
    reply.simple("Background saving started");
    Ok(())
}

pub(super) fn lastsave<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let seconds = c.state.progress.last_save_ms() / 1000;
    reply.integer(i64::try_from(seconds).unwrap_or(i64::MAX));
    Ok(())
}

pub(super) fn time<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let us = c.state.platform.now(ClockId::Real).as_ns() / 1000;
    reply.array(2);
    reply.bulk((us / 1_000_000).to_string().as_bytes());
    reply.bulk((us % 1_000_000).to_string().as_bytes());
    Ok(())
}

pub(super) fn shutdown<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    _reply: &mut Reply<'_>,
) -> Outcome {
    for word in args.iter_from(1) {
        if is(word, "ABORT") {
            return Err(Failure::fixed("ERR No shutdown in progress."));
        }
        // The log holds everything, so saving and not saving come to the same.
        if !["SAVE", "NOSAVE", "NOW", "FORCE"]
            .iter()
            .any(|known| is(word, known))
        {
            return Err(Failure::SYNTAX);
        }
    }
    if c.in_exec {
        return Err(Failure::fixed(
            "ERR Command not allowed inside a transaction",
        ));
    }
    c.state.stop.set();
    c.client.closing = true;
    Ok(())
}
