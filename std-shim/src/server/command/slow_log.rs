//! `SLOWLOG`, and the part of `LATENCY` that monitoring asks for.
#![forbid(unsafe_code)]

use super::Context;
use super::failure::{Failure, Outcome};
use crate::server::resp::{Args, Reply, parse_i64};
use underpin_core::platform::{Files, Reactor};

fn count_of(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn get<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    /// Entries without a count.
    const COUNT: i64 = 10;
    if args.len() > 3 {
        return Err(Failure::fixed(
            "ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.",
        ));
    }
    let count = args.get(2).map_or(Some(COUNT), parse_i64);
    let count = count.filter(|count| *count >= -1).ok_or(Failure::fixed(
        "ERR count should be greater than or equal to -1",
    ))?;
    let log = &c.state.slow_log;
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(log.len());
    reply.array(count);
    for entry in log.newest_first().take(count) {
        reply.array(6);
        reply.integer(count_of(entry.id));
        reply.integer(count_of(entry.at_ms / 1000));
        reply.integer(count_of(entry.us));
        reply.array(entry.args.len());
        for arg in &entry.args {
            reply.bulk(arg);
        }
        reply.bulk(entry.peer.to_string().as_bytes());
        reply.bulk(&entry.client_name);
    }
    Ok(())
}

pub(super) fn len<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    reply.integer(count_of(c.state.slow_log.len() as u64));
    Ok(())
}

pub(super) fn reset<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    c.state.slow_log.clear();
    reply.ok();
    Ok(())
}

/// `LATENCY LATEST` and `LATENCY HISTORY`: no event is monitored.
pub(super) fn no_events<P: Files + Reactor>(
    _c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    reply.array(0);
    Ok(())
}

pub(super) fn reset_events<P: Files + Reactor>(
    _c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    reply.integer(0);
    Ok(())
}
