//! Transactions: commands that are kept until `EXEC` and then run with nothing between them.
//!
//! All writes of an `EXEC` go to the log as one batch, so a crash keeps all of them or none. `WATCH` makes `EXEC` refuse if a
//! watched key was written, removed or has expired since.
#![forbid(unsafe_code)]

use super::failure::{Failure, Outcome};
use super::{Context, run};
use crate::server::client::Multi;
use crate::server::resp::{Args, Reply};
use underpin_core::platform::{Files, Reactor};

pub(super) fn multi<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    if c.client.multi.is_some() {
        return Err(Failure::fixed("ERR MULTI calls can not be nested"));
    }
    c.client.multi = Some(Multi::default());
    reply.ok();
    Ok(())
}

pub(super) fn discard<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    if c.client.multi.take().is_none() {
        return Err(Failure::fixed("ERR DISCARD without MULTI"));
    }
    unwatch_all(c);
    reply.ok();
    Ok(())
}

pub(super) fn exec<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let Some(multi) = c.client.multi.take() else {
        return Err(Failure::fixed("ERR EXEC without MULTI"));
    };
    let changed = watched_changed(c);
    unwatch_all(c);
    if multi.broken {
        return Err(Failure::fixed(
            "EXECABORT Transaction discarded because of previous errors.",
        ));
    }
    if changed? {
        reply.null_array();
        return Ok(());
    }
    let first = reply.len();
    reply.array(multi.queue.len());
    c.store().begin();
    c.in_exec = true;
    let mut too_large = false;
    for queued in &multi.queue {
        let start = reply.len();
        let args = queued.args();
        let outcome = match c.state.dispatch.find(args) {
            Ok(found) => {
                c.client.last_command = found.command.full_name;
                if let Some(stats) = c.state.statistics.of(found.index) {
                    stats.calls += 1;
                }
                run(c, &found, args, reply)
            }
            Err(failure) => Err(failure),
        };
        if let Err(failure) = outcome {
            c.state.note_error(failure.as_bytes());
            reply.truncate(start);
            reply.error(failure.as_bytes());
        }
        // The rest still runs, as it does in Redis, but replies that nobody will get do not pile up.
        too_large |= c.check_reply(reply).is_err();
        if too_large {
            reply.truncate(first);
        }
    }
    c.in_exec = false;
    c.store().commit()?;
    match too_large {
        true => Err(Failure::REPLY_TOO_LARGE),
        false => Ok(()),
    }
}

/// Ends a transaction whose `EXEC` itself was refused.
pub(super) fn abort<P: Files + Reactor>(c: &mut Context<'_, P>, failure: &Failure) -> Failure {
    c.client.multi = None;
    unwatch_all(c);
    let text = failure.as_bytes();
    let text = text.strip_prefix(b"ERR ").unwrap_or(text);
    Failure::bytes([b"EXECABORT Transaction discarded because of: ", text].concat())
}

pub(super) fn watch<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    if c.client.multi.is_some() {
        return Err(Failure::fixed("ERR WATCH inside MULTI is not allowed"));
    }
    for key in args.iter_from(1) {
        let was_expired = c.store().is_expired(key)?;
        let watchers = &mut c.state.store.watchers;
        if watchers.watch(c.client.id, key, was_expired) {
            c.client.watched.push(key);
        }
    }
    reply.ok();
    Ok(())
}

pub(super) fn unwatch<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    unwatch_all(c);
    reply.ok();
    Ok(())
}

/// Forgets what the client watches.
pub(super) fn unwatch_all<P: Files + Reactor>(c: &mut Context<'_, P>) {
    let watched = core::mem::take(&mut c.client.watched);
    c.state.store.watchers.unwatch(c.client.id, watched.iter());
}

fn watched_changed<P: Files + Reactor>(c: &mut Context<'_, P>) -> Result<bool, Failure> {
    let (store, id) = (&c.state.store, c.client.id);
    if store.watchers.is_changed(id) {
        return Ok(true);
    }
    for key in c.client.watched.iter() {
        if store.is_expired(key)? && !store.watchers.was_expired(id, key) {
            return Ok(true);
        }
    }
    Ok(false)
}
