//! `CONFIG`: the settings that clients ask for, under Redis's names.
#![forbid(unsafe_code)]

use super::Context;
use super::failure::{Failure, Outcome};
use crate::server::options::AppendFsync;
use crate::server::resp::{Args, Reply, parse_i64};
use crate::server::state::State;
use crate::server::store::matches;
use underpin_core::platform::{Files, Reactor};

/// Names in order, and the values that they have now.
fn settings<P: Files + Reactor>(state: &State<P>) -> Vec<(&'static str, String)> {
    let options = &state.options;
    vec![
        ("appendfsync", options.appendfsync.name().into()),
        ("appendonly", "yes".into()),
        ("bind", state.address.ip().to_string()),
        (
            "client-output-buffer-limit",
            format!("normal {} 0 0", options.client_output_bytes_max),
        ),
        (
            "client-query-buffer-limit",
            options.client_input_bytes_max.to_string(),
        ),
        ("databases", "1".into()),
        (
            "dir",
            String::from_utf8_lossy(&options.directory).into_owned(),
        ),
        ("maxclients", options.clients_max.to_string()),
        ("maxmemory", "0".into()),
        ("maxmemory-clients", options.clients_memory_max.to_string()),
        ("maxmemory-policy", "noeviction".into()),
        ("port", state.address.port().to_string()),
        (
            "proto-max-bulk-len",
            options.limits.bulk_bytes_max.to_string(),
        ),
        ("save", String::new()),
        ("tcp-backlog", options.backlog.to_string()),
        ("timeout", "0".into()),
    ]
}

pub(super) fn get<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let mut settings = settings(c.state);
    settings.retain(|(name, _)| {
        args.iter_from(2)
            .any(|pattern| matches(pattern, name.as_bytes(), true))
    });
    reply.map(settings.len());
    for (name, value) in settings {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    Ok(())
}

pub(super) fn set<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    if !args.len().is_multiple_of(2) {
        return Err(Failure::SYNTAX);
    }
    let known = settings(c.state);
    let (mut appendfsync, mut clients_max) = (None, None);
    for index in (2..args.len()).step_by(2) {
        let (given, value) = (args.at(index), args.at(index + 1));
        let refused = |why: &str| {
            Failure::text(format!(
                "ERR CONFIG SET failed (possibly related to argument '{}') - {why}",
                String::from_utf8_lossy(given)
            ))
        };
        let lower = given.to_ascii_lowercase();
        match known.iter().find(|(name, _)| name.as_bytes() == lower) {
            None => {
                let text = [
                    b"ERR Unknown option or number of arguments for CONFIG SET - '",
                    given,
                    b"'",
                ]
                .concat();
                return Err(Failure::bytes(text));
            }
            Some(("appendfsync", _)) => {
                let policy = AppendFsync::from_name(value).ok_or_else(|| {
                    refused("argument(s) must be one of the following: everysec, always, no")
                })?;
                appendfsync = Some(policy);
            }
            Some(("maxclients", _)) => {
                let count = parse_i64(value)
                    .and_then(|count| usize::try_from(count).ok())
                    .filter(|count| (1..=c.state.clients_max_at_start).contains(count))
                    .ok_or_else(|| refused("argument must be between 1 and the value at start"))?;
                clients_max = Some(count);
            }
            Some(_) => return Err(refused("can't set immutable config")),
        }
    }
    if let Some(policy) = appendfsync {
        c.state.options.appendfsync = policy;
    }
    if let Some(count) = clients_max {
        c.state.options.clients_max = count;
    }
    reply.ok();
    Ok(())
}

pub(super) fn resetstat<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    c.state.counters = Default::default();
    c.state.store.counters = Default::default();
    reply.ok();
    Ok(())
}

pub(super) fn rewrite<P: Files + Reactor>(
    _c: &mut Context<'_, P>,
    _args: Args<'_>,
    _reply: &mut Reply<'_>,
) -> Outcome {
    Err(Failure::fixed(
        "ERR The server is running without a config file",
    ))
}
