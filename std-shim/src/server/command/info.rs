//! `INFO`: the server's state under Redis's field names, so that dashboards and exporters find what they know.
#![forbid(unsafe_code)]

use super::Context;
use super::failure::Outcome;
use crate::server::resp::{Args, Reply};
use crate::server::state::{REDIS_VERSION, State};
use core::fmt::Write as _;
use underpin_core::platform::{ClockId, Files, Platform, Reactor};

/// A section: its name, whether it is told unasked, and what writes its fields.
type Section<P> = (&'static str, bool, fn(&mut String, &mut Context<'_, P>));

fn sections<P: Files + Reactor>() -> [Section<P>; 12] {
    [
        ("Server", true, server),
        ("Clients", true, clients),
        ("Memory", true, memory),
        ("Persistence", true, persistence),
        ("Stats", true, stats),
        ("Replication", true, replication),
        ("CPU", true, cpu),
        ("Commandstats", false, command_stats),
        ("Errorstats", true, error_stats),
        ("Cluster", true, cluster),
        ("Keyspace", true, keyspace),
        ("Underpin", true, engine),
    ]
}

pub(super) fn info<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let mut text = String::new();
    for (name, by_default, write) in sections::<P>() {
        let wanted = match args.len() {
            1 => by_default,
            _ => args.iter_from(1).any(|word| {
                let is = |known: &str| word.eq_ignore_ascii_case(known.as_bytes());
                is(name) || is("all") || is("everything") || (by_default && is("default"))
            }),
        };
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

/// Bytes for people, as Redis prints them.
fn human(bytes: u64) -> String {
    for (unit, bits) in [("G", 30), ("M", 20), ("K", 10)] {
        if bytes >> bits > 0 {
            let hundredths = (u128::from(bytes) * 100) >> bits;
            return format!("{}.{:02}{unit}", hundredths / 100, hundredths % 100);
        }
    }
    format!("{bytes}B")
}

fn server<P: Files + Reactor>(text: &mut String, c: &mut Context<'_, P>) {
    let state = &*c.state;
    let seconds = c.now_ms().saturating_sub(state.started_ms) / 1000;
    fields! { text,
        "redis_version": REDIS_VERSION;
        "redis_git_sha1": "00000000";
        "redis_git_dirty": 0;
        "redis_build_id": 0;
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
        "connected_clients": c.others.clients().count() + 1;
        "cluster_connections": 0;
        "maxclients": c.state.options.clients_max;
        "client_recent_max_input_buffer": largest(|client| client.input_bytes);
        "client_recent_max_output_buffer": largest(|client| client.output_bytes);
        "blocked_clients": 0;
        "tracking_clients": 0;
        "clients_in_timeout_table": 0;
    }
}

fn memory<P: Files + Reactor>(text: &mut String, c: &mut Context<'_, P>) {
    let usage = (c.state.options.usage)();
    let (resident, peak) = (usage.resident_bytes, usage.resident_peak_bytes);
    fields! { text,
        "used_memory": resident;
        "used_memory_human": human(resident);
        "used_memory_rss": resident;
        "used_memory_rss_human": human(resident);
        "used_memory_peak": peak;
        "used_memory_peak_human": human(peak);
        "total_system_memory": usage.machine_bytes;
        "total_system_memory_human": human(usage.machine_bytes);
        "used_memory_lua": 0;
        "maxmemory": 0;
        "maxmemory_human": "0B";
        "maxmemory_policy": "noeviction";
        "mem_fragmentation_ratio": "1.00";
        "mem_clients_slaves": 0;
        "mem_clients_normal": c.state.clients_memory;
        "mem_aof_buffer": 0;
        "mem_allocator": "system";
    }
}

fn persistence<P: Files + Reactor>(text: &mut String, c: &mut Context<'_, P>) {
    let state = &*c.state;
    let log_bytes = state.store.db().stats().log_bytes;
    let unsaved = state
        .store
        .changes()
        .saturating_sub(state.progress.changes_saved());
    fields! { text,
        "loading": 0;
        "async_loading": 0;
        "rdb_changes_since_last_save": unsaved;
        "rdb_bgsave_in_progress": u8::from(state.progress.is_saving());
        "rdb_last_save_time": state.progress.last_save_ms() / 1000;
        "rdb_last_bgsave_status": if state.progress.save_failed() { "err" } else { "ok" };
        "rdb_last_bgsave_time_sec": state.progress.save_seconds();
        "rdb_current_bgsave_time_sec": -1;
        "aof_enabled": 1;
        "aof_rewrite_in_progress": 0;
        "aof_rewrite_scheduled": 0;
        "aof_last_rewrite_time_sec": -1;
        "aof_current_rewrite_time_sec": -1;
        "aof_last_bgrewrite_status": if state.progress.failed() { "err" } else { "ok" };
        "aof_last_write_status": if state.sync_failed { "err" } else { "ok" };
        "aof_current_size": log_bytes;
        "aof_base_size": 0;
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
        "sync_full": 0;
        "sync_partial_ok": 0;
        "sync_partial_err": 0;
        "expired_keys": keys.expired;
        "expired_stale_perc": "0.00";
        "evicted_keys": 0;
        "evicted_clients": counters.evicted;
        "keyspace_hits": keys.hits;
        "keyspace_misses": keys.misses;
        "pubsub_channels": 0;
        "pubsub_patterns": 0;
        "latest_fork_usec": 0;
        "total_forks": 0;
        "migrate_cached_sockets": 0;
        "slave_expires_tracked_keys": 0;
        "tracking_total_keys": 0;
        "tracking_total_items": 0;
        "tracking_total_prefixes": 0;
        "unexpected_error_replies": 0;
        "total_error_replies": counters.errors;
    }
}

fn replication<P: Files + Reactor>(text: &mut String, c: &mut Context<'_, P>) {
    fields! { text,
        "role": "master";
        "connected_slaves": 0;
        "master_failover_state": "no-failover";
        "master_replid": c.state.run_id;
        "master_repl_offset": 0;
        "second_repl_offset": -1;
        "repl_backlog_active": 0;
        "repl_backlog_size": 0;
        "repl_backlog_first_byte_offset": 0;
        "repl_backlog_histlen": 0;
    }
}

fn cpu<P: Files + Reactor>(text: &mut String, c: &mut Context<'_, P>) {
    let usage = (c.state.options.usage)();
    let seconds = |ms: u64| format!("{}.{:03}000", ms / 1000, ms % 1000);
    fields! { text,
        "used_cpu_sys": seconds(usage.cpu_system_ms);
        "used_cpu_user": seconds(usage.cpu_user_ms);
        "used_cpu_sys_children": "0.000000";
        "used_cpu_user_children": "0.000000";
    }
}

fn command_stats<P: Files + Reactor>(text: &mut String, c: &mut Context<'_, P>) {
    let State {
        dispatch,
        statistics,
        ..
    } = &*c.state;
    for (index, command) in dispatch.all().iter().enumerate() {
        let stats = statistics.get(index);
        if stats.calls == 0 && stats.rejected == 0 {
            continue;
        }
        let us = stats.ns / 1000;
        // Hundredths: as many decimals as Redis prints.
        let each = stats
            .ns
            .checked_div(stats.calls.saturating_mul(10))
            .unwrap_or(0);
        field(
            text,
            format_args!(
                "cmdstat_{}:calls={},usec={us},usec_per_call={}.{:02},rejected_calls={},failed_calls={}",
                command.full_name,
                stats.calls,
                each / 100,
                each % 100,
                stats.rejected,
                stats.failed
            ),
        );
    }
}

fn error_stats<P: Files + Reactor>(text: &mut String, c: &mut Context<'_, P>) {
    for (code, count) in c.state.statistics.errors() {
        field(text, format_args!("errorstat_{code}:count={count}"));
    }
}

fn cluster<P: Files + Reactor>(text: &mut String, _c: &mut Context<'_, P>) {
    fields! { text, "cluster_enabled": 0; }
}

fn keyspace<P: Files + Reactor>(text: &mut String, c: &mut Context<'_, P>) {
    let keys = c.store().db().estimated_keys();
    if keys > 0 {
        fields! { text, "db0": format_args!("keys={keys},expires=0,avg_ttl=0"); }
    }
}

/// What Redis has no name for.
fn engine<P: Files + Reactor>(text: &mut String, c: &mut Context<'_, P>) {
    let db = c.state.store.db().stats();
    fields! { text,
        "keys_estimated": db.keys_estimated;
        "tables": db.tables;
        "table_bytes": db.table_bytes;
        "value_bytes": db.value_bytes;
        "table_memory_bytes": db.table_memory_bytes;
        "memtable_bytes": db.memtable_bytes;
        "log_bytes": db.log_bytes;
        "log_writes": db.log_writes;
        "log_syncs": db.log_syncs;
        "flushes": db.flushes;
        "merges": db.merges;
        "block_cache_hits": db.cache_hits;
        "block_cache_misses": db.cache_misses;
        "rows_cached_bytes": c.state.store.cached_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn bytes_are_told_in_the_unit_that_fits() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1_572_864, "1.50M"),
            (u64::MAX, "17179869183.99G"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
