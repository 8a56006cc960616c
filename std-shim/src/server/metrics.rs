//! `GET /metrics` over HTTP on a port of its own: the server's state in Prometheus's text format.
//!
//! One request a connection: what is asked for is read up to the empty line, answered, and the connection ends. Everything but
//! `GET` or `HEAD` of `/metrics` is refused.
//!
//! # Bounds
//!
//! A head of [`HEAD_BYTES_MAX`] bytes; [`CONNECTIONS_MAX`] connections, beside those of clients, so that a full server can be watched.
#![forbid(unsafe_code)]

use super::command_stats::BUCKETS;
use super::state::State;
use core::fmt::Write as _;
use underpin_core::platform::{Files, Reactor};

/// Longest head of a request.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Connections at once.
pub(crate) const CONNECTIONS_MAX: usize = 16;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// It is not whole yet.
    Incomplete,
    /// The metrics, or with `head` the answer's head alone.
    Metrics {
        /// Without a body.
        head: bool,
    },
    /// Something that is refused, with this status.
    Refused(&'static str),
}

/// Reads the head of a request.
pub(crate) fn read(input: &[u8]) -> Request {
    let whole = input.windows(4).any(|window| window == b"\r\n\r\n")
        || input.windows(2).any(|window| window == b"\n\n");
    if !whole {
        return match input.len() > HEAD_BYTES_MAX {
            true => Request::Refused("431 Request Header Fields Too Large"),
            false => Request::Incomplete,
        };
    }
    let line = input
        .split(|byte| matches!(byte, b'\r' | b'\n'))
        .next()
        .unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target) = (words.next(), words.next().unwrap_or_default());
    let path = target.split(|byte| *byte == b'?').next();
    match (method, path) {
        (Some(b"GET"), Some(b"/metrics")) => Request::Metrics { head: false },
        (Some(b"HEAD"), Some(b"/metrics")) => Request::Metrics { head: true },
        (Some(b"GET" | b"HEAD"), _) => Request::Refused("404 Not Found"),
        _ => Request::Refused("405 Method Not Allowed"),
    }
}

/// Writes the answer to a request that is whole.
pub(crate) fn answer<P: Files + Reactor>(
    request: Request,
    state: &State<P>,
    connected: usize,
    out: &mut Vec<u8>,
) {
    let (status, body, head) = match request {
        Request::Incomplete => return,
        Request::Metrics { head } => ("200 OK", text(state, connected), head),
        Request::Refused(status) => (status, format!("{status}\n"), false),
    };
    let header = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    out.extend_from_slice(header.as_bytes());
    if !head {
        out.extend_from_slice(body.as_bytes());
    }
}

/// Writes one metric.
fn metric(text: &mut String, name: &str, kind: &str, help: &str, value: impl core::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "# HELP underpin_{name} {help}\n# TYPE underpin_{name} {kind}\nunderpin_{name} {value}\n"
    );
}

fn text<P: Files + Reactor>(state: &State<P>, connected: usize) -> String {
    let mut text = String::new();
    let (counters, keys) = (&state.counters, &state.store.counters);
    let usage = (state.options.usage)();
    let db = state.store.db().stats();
    let up_ms = state.store.now_ms().saturating_sub(state.started_ms);
    let seconds = |ms: u64| format!("{}.{:03}", ms / 1000, ms % 1000);
    #[rustfmt::skip]
    let gauges = [
        ("connected_clients", "Clients that are connected.", connected as u64),
        ("max_clients", "Clients that may be connected.", state.options.clients_max as u64),
        ("clients_memory_bytes", "Memory that clients' buffers hold.", state.clients_memory as u64),
        ("resident_memory_bytes", "Resident memory of the process.", usage.resident_bytes),
        ("keys_estimated", "Keys, estimated; one overwritten lately counts more than once.", db.keys_estimated),
        ("memtable_bytes", "Memory of writes that are in no table yet.", db.memtable_bytes),
        ("tables", "Sorted tables.", db.tables),
        ("table_bytes", "Bytes of the tables on disk.", db.table_bytes),
        ("value_bytes", "Bytes of the files of large values on disk.", db.value_bytes),
        ("value_live_bytes", "Bytes of large values that tables refer to.", db.value_live_bytes),
        ("table_memory_bytes", "Memory of the tables' indexes and filters.", db.table_memory_bytes),
        ("log_bytes", "Bytes of the active log.", db.log_bytes),
        ("read_cache_bytes", "Memory of values that were read lately.", state.store.cached_bytes() as u64),
        ("save_in_progress", "Whether BGSAVE is at work.", u64::from(state.progress.is_saving())),
        ("last_save_timestamp_seconds", "When SAVE or BGSAVE last succeeded.", state.progress.last_save_ms() / 1000),
        ("writes_refused", "Whether a failed sync makes the database refuse writes.", u64::from(state.sync_failed)),
    ];
    for (name, help, value) in gauges {
        metric(&mut text, name, "gauge", help, value);
    }
    #[rustfmt::skip]
    let counts = [
        ("connections_total", "Connections accepted.", counters.connections),
        ("rejected_connections_total", "Connections over the limit.", counters.rejected),
        ("evicted_clients_total", "Clients closed for what they held.", counters.evicted),
        ("commands_processed_total", "Commands run.", counters.commands),
        ("error_replies_total", "Error replies.", counters.errors),
        ("net_input_bytes_total", "Bytes read from clients.", counters.input_bytes),
        ("net_output_bytes_total", "Bytes sent to clients.", counters.output_bytes),
        ("keyspace_hits_total", "Reads that found their key.", keys.hits),
        ("keyspace_misses_total", "Reads that did not.", keys.misses),
        ("expired_keys_total", "Keys removed because their time had come.", keys.expired),
        ("log_writes_total", "Appends to the log.", db.log_writes),
        ("log_syncs_total", "Syncs of the log.", db.log_syncs),
        ("flushes_total", "Memtables that became tables.", db.flushes),
        ("merges_total", "Merges of tables.", db.merges),
        ("block_cache_hits_total", "Table blocks found in memory.", db.cache_hits),
        ("block_cache_misses_total", "Table blocks read from files.", db.cache_misses),
    ];
    for (name, help, value) in counts {
        metric(&mut text, name, "counter", help, value);
    }
    let cpu = "Processor time in the program and in the system for it.";
    let _ = write!(
        text,
        "# HELP underpin_cpu_seconds_total {cpu}\n# TYPE underpin_cpu_seconds_total counter\n\
         underpin_cpu_seconds_total{{mode=\"user\"}} {}\nunderpin_cpu_seconds_total{{mode=\"system\"}} {}\n",
        seconds(usage.cpu_user_ms),
        seconds(usage.cpu_system_ms)
    );
    let up = "Time since the start.";
    metric(&mut text, "uptime_seconds", "gauge", up, seconds(up_ms));
    commands(&mut text, state);
    text
}

/// Calls and time of each command that was used, and how long requests took.
fn commands<P: Files + Reactor>(text: &mut String, state: &State<P>) {
    let used: Vec<_> = state
        .dispatch
        .all()
        .iter()
        .enumerate()
        .map(|(index, command)| (command.full_name, state.statistics.get(index)))
        .filter(|(_, stats)| stats.calls > 0)
        .collect();
    let nanoseconds = |ns: u64| format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
    text.push_str("# HELP underpin_commands_total Calls by command.\n# TYPE underpin_commands_total counter\n");
    for (name, stats) in &used {
        let _ = writeln!(
            text,
            "underpin_commands_total{{cmd=\"{name}\"}} {}",
            stats.calls
        );
    }
    text.push_str(
        "# HELP underpin_commands_duration_seconds_total Time by command.\n\
         # TYPE underpin_commands_duration_seconds_total counter\n",
    );
    for (name, stats) in &used {
        let seconds = nanoseconds(stats.ns);
        let _ = writeln!(
            text,
            "underpin_commands_duration_seconds_total{{cmd=\"{name}\"}} {seconds}"
        );
    }
    text.push_str(
        "# HELP underpin_request_duration_seconds Time of requests.\n\
         # TYPE underpin_request_duration_seconds histogram\n",
    );
    let mut sum = 0;
    for (power, count) in state.statistics.histogram.iter().enumerate() {
        sum += count;
        let bound = match power + 1 {
            BUCKETS => "+Inf".into(),
            _ => nanoseconds(1000 << power),
        };
        let _ = writeln!(
            text,
            "underpin_request_duration_seconds_bucket{{le=\"{bound}\"}} {sum}"
        );
    }
    let total = nanoseconds(state.statistics.ns);
    let _ = write!(
        text,
        "underpin_request_duration_seconds_sum {total}\nunderpin_request_duration_seconds_count {sum}\n"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        let metrics = Request::Metrics { head: false };
        for (input, request) in [
            ("", Request::Incomplete),
            ("GET /metrics HTTP/1.1\r\nHost: a\r\n", Request::Incomplete),
            ("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", metrics),
            ("GET /metrics?x=1 HTTP/1.1\r\n\r\n", metrics),
            ("GET /metrics HTTP/1.0\n\n", metrics),
            (
                "HEAD /metrics HTTP/1.1\r\n\r\n",
                Request::Metrics { head: true },
            ),
            ("GET / HTTP/1.1\r\n\r\n", Request::Refused("404 Not Found")),
            (
                "POST /metrics HTTP/1.1\r\n\r\n",
                Request::Refused("405 Method Not Allowed"),
            ),
            ("\r\n\r\n", Request::Refused("405 Method Not Allowed")),
        ] {
            assert_eq!(read(input.as_bytes()), request, "{input:?}");
        }
        let long = [b'x'; HEAD_BYTES_MAX + 1];
        assert_eq!(
            read(&long),
            Request::Refused("431 Request Header Fields Too Large")
        );
    }
}
