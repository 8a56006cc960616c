//! `INFO`: the server's state under Redis's field names, so that dashboards and exporters find what they know.
#![forbid(unsafe_code)]

use super::Context;
use super::failure::Outcome;
use crate::server::resp::{Args, Reply};
use crate::server::state::REDIS_VERSION;
use core::fmt::Write as _;
use underpin_core::platform::{ClockId, Files, Platform, Reactor};

/// A section: its name, and what writes its fields.
type Section<P> = (&'static str, fn(&mut String, &mut Context<'_, P>));

fn sections<P: Files + Reactor>() -> [Section<P>; 6] {
    [
        ("Server", server),
        ("Clients", clients),
        ("Memory", memory),
        ("Persistence", persistence),
        ("Stats", stats),
        ("Keyspace", keyspace),
    ]
}

pub(super) fn info<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let mut text = String::new();
    for (name, write) in sections::<P>() {
        let wanted = args.len() == 1
            || args.iter_from(1).any(|word| {
                [name, "all", "default", "everything"]
                    .iter()
                    .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
            });
        if wanted {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            field(&mut text, format_args!("# {name}"));
            write(&mut text, c);
        }
    }
    reply.verbatim(&text);
    Ok(())
}

fn field(text: &mut String, line: core::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{line}\r\n");
}

macro_rules! fields {
    ($text:ident, $($name:literal: $value:expr;)*) => {
        $(field($text, format_args!("{}:{}", $name, $value));)*
    };
}

fn server<P: Files + Reactor>(text: &mut String, c: &mut Context<'_, P>) {
    let state = &*c.state;
    let seconds = c.now_ms().saturating_sub(state.started_ms) / 1000;
    fields! { text,
        "redis_version": REDIS_VERSION;
        "redis_mode": "standalone";
        "server_name": "underpin";
        "underpin_version": env!("CARGO_PKG_VERSION");
        "os": <P as Platform>::NAME;
        "arch_bits": usize::BITS;
        "process_id": state.options.process_id;
        "run_id": state.run_id;
        "tcp_port": state.address.port();
        "server_time_usec": state.platform.now(ClockId::Real).as_ns() / 1000;
        "uptime_in_seconds": seconds;
        "uptime_in_days": seconds / 86_400;
        "executable": state.options.executable;
        "config_file": "";
    }
}

fn clients<P: Files + Reactor>(text: &mut String, c: &mut Context<'_, P>) {
    let largest = |bytes: fn(&crate::server::client::Client) -> usize| {
        c.others.clients().map(bytes).max().unwrap_or(0)
    };
    fields! { text,
        // The client that asks is not among the others.
        "connected_clients": c.others.len() + 1;
        "maxclients": c.state.options.clients_max;
        "client_recent_max_input_buffer": largest(|client| client.input_bytes);
        "client_recent_max_output_buffer": largest(|client| client.output_bytes);
        "blocked_clients": 0;
        "tracking_clients": 0;
    }
}

fn memory<P: Files + Reactor>(text: &mut String, c: &mut Context<'_, P>) {
    let resident = (c.state.options.resident_bytes)();
    fields! { text,
        "used_memory": resident;
        "used_memory_rss": resident;
        "used_memory_clients": c.state.clients_memory;
        "mem_clients_normal": c.state.clients_memory;
        "maxmemory": 0;
        "maxmemory_policy": "noeviction";
        "mem_fragmentation_ratio": "1.00";
    }
}

fn persistence<P: Files + Reactor>(text: &mut String, c: &mut Context<'_, P>) {
    let state = &*c.state;
    fields! { text,
        "loading": 0;
        "rdb_changes_since_last_save": 0;
        "rdb_bgsave_in_progress": 0;
        "rdb_last_save_time": state.progress.last_save_ms() / 1000;
        "rdb_last_bgsave_status": if state.progress.failed() { "err" } else { "ok" };
        "aof_enabled": 1;
        "aof_rewrite_in_progress": 0;
        "aof_last_write_status": if state.sync_failed { "err" } else { "ok" };
        "aof_last_bgrewrite_status": if state.progress.failed() { "err" } else { "ok" };
    }
}

fn stats<P: Files + Reactor>(text: &mut String, c: &mut Context<'_, P>) {
    let (counters, keys) = (c.state.counters, c.state.store.counters);
    fields! { text,
        "total_connections_received": counters.connections;
        "total_commands_processed": counters.commands;
        "instantaneous_ops_per_sec": c.state.commands_per_second;
        "total_net_input_bytes": counters.input_bytes;
        "total_net_output_bytes": counters.output_bytes;
        "rejected_connections": counters.rejected;
        "evicted_clients": counters.evicted;
        "expired_keys": keys.expired;
        "evicted_keys": 0;
        "keyspace_hits": keys.hits;
        "keyspace_misses": keys.misses;
        "total_error_replies": counters.errors;
        "pubsub_channels": 0;
        "pubsub_patterns": 0;
    }
}

fn keyspace<P: Files + Reactor>(text: &mut String, c: &mut Context<'_, P>) {
    let keys = c.store().db().estimated_keys();
    if keys > 0 {
        fields! { text, "db0": format_args!("keys={keys},expires=0,avg_ttl=0"); }
    }
}
