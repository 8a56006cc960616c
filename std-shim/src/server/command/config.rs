//! `CONFIG`: the settings that clients ask for, under Redis's names.
#![forbid(unsafe_code)]

use super::Context;
use super::failure::{Failure, Outcome};
use crate::server::options::AppendFsync;
use crate::server::resp::{Args, Reply, parse_i64};
use crate::server::state::State;
use crate::server::store::matches;
use underpin_core::platform::{Files, Reactor};

/// What is set to a new value, or why it is not.
type Set<P> = fn(&mut State<P>, &[u8]) -> Result<(), &'static str>;

/// A setting: its name, what it is, and how it is changed, if that can be done while the server runs.
struct Setting<P: Files + Reactor> {
    name: &'static str,
    get: fn(&State<P>) -> String,
    set: Option<Set<P>>,
}

const NOT_A_NUMBER: &str = "argument couldn't be parsed into an integer";
const NOT_MEMORY: &str = "argument must be a memory value";

fn number(text: &[u8]) -> Result<usize, &'static str> {
    parse_i64(text)
        .and_then(|value| usize::try_from(value).ok())
        .ok_or(NOT_A_NUMBER)
}

/// A number of bytes, with or without a unit: `64mb`, `1G`, in powers of 1,000 (`k`) or 1,024 (`kb`), as Redis has it.
fn memory(text: &[u8]) -> Result<usize, &'static str> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = text.split_at_checked(digits).ok_or(NOT_MEMORY)?;
    let factor = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return Err(NOT_MEMORY),
    };
    let value = parse_i64(number).and_then(|value| usize::try_from(value).ok());
    value
        .and_then(|value| value.checked_mul(factor))
        .ok_or(NOT_MEMORY)
}

/// `normal HARD SOFT SECONDS`, the class of clients that there is; others are read and ignored, as they have no members.
fn set_output_limit<P: Files + Reactor>(
    state: &mut State<P>,
    text: &[u8],
) -> Result<(), &'static str> {
    const WRONG: &str = "Wrong number of arguments in buffer limit configuration.";
    let words: Vec<&[u8]> = text
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() || !words.len().is_multiple_of(4) {
        return Err(WRONG);
    }
    for limit in words.chunks_exact(4) {
        let [class, hard, soft, seconds] = limit else {
            return Err(WRONG);
        };
        let (hard, soft) = (memory(hard)?, memory(soft)?);
        let seconds = number(seconds)? as u64;
        if class.eq_ignore_ascii_case(b"normal") {
            // Redis's 0 is "no limit"; here it is the default, as nothing is without bound.
            let hard = if hard == 0 { 1 << 30 } else { hard };
            state.options.client_output_bytes_max = hard.max(64 << 10);
            state.options.client_output_soft = (soft, seconds);
        } else if !["slave", "replica", "pubsub"]
            .iter()
            .any(|known| class.eq_ignore_ascii_case(known.as_bytes()))
        {
            return Err("Invalid client class specified in buffer limit configuration.");
        }
    }
    Ok(())
}

/// A setting that only a new start changes.
fn fixed<P: Files + Reactor>(name: &'static str, get: fn(&State<P>) -> String) -> Setting<P> {
    Setting {
        name,
        get,
        set: None,
    }
}

fn changeable<P: Files + Reactor>(
    name: &'static str,
    get: fn(&State<P>) -> String,
    set: Set<P>,
) -> Setting<P> {
    Setting {
        name,
        get,
        set: Some(set),
    }
}

/// The settings in order of their names.
fn settings<P: Files + Reactor>() -> Vec<Setting<P>> {
    let mut settings = settings_to_l();
    settings.extend(settings_from_m());
    settings
}

fn settings_to_l<P: Files + Reactor>() -> Vec<Setting<P>> {
    vec![
        changeable(
            "appendfsync",
            |state| state.options.appendfsync.name().into(),
            |state, text| {
                state.options.appendfsync = AppendFsync::from_name(text)
                    .ok_or("argument(s) must be one of the following: everysec, always, no")?;
                Ok(())
            },
        ),
        fixed("appendonly", |_| "yes".into()),
        fixed("bind", |state| state.address.ip().to_string()),
        changeable(
            "client-output-buffer-limit",
            |state| {
                let (soft, seconds) = state.options.client_output_soft;
                let hard = state.options.client_output_bytes_max;
                format!("normal {hard} {soft} {seconds}")
            },
            set_output_limit,
        ),
        changeable(
            "client-query-buffer-limit",
            |state| state.options.client_input_bytes_max.to_string(),
            |state, text| {
                state.options.client_input_bytes_max = memory(text)?.max(1 << 20);
                Ok(())
            },
        ),
        fixed("cluster-enabled", |_| "no".into()),
        fixed("databases", |_| "1".into()),
        fixed("dir", |state| {
            String::from_utf8_lossy(&state.options.directory).into_owned()
        }),
        fixed("latency-monitor-threshold", |_| "0".into()),
    ]
}

fn settings_from_m<P: Files + Reactor>() -> Vec<Setting<P>> {
    vec![
        changeable(
            "maxclients",
            |state| state.options.clients_max.to_string(),
            |state, text| {
                state.options.clients_max = number(text)
                    .ok()
                    .filter(|count| (1..=state.clients_max_at_start).contains(count))
                    .ok_or("argument must be between 1 and the value at start")?;
                Ok(())
            },
        ),
        fixed("maxmemory", |_| "0".into()),
        changeable(
            "maxmemory-clients",
            |state| state.options.clients_memory_max.to_string(),
            |state, text| {
                let bytes = memory(text)?;
                // 0 is "no limit" in Redis, and the default here.
                let bytes = if bytes == 0 { 2 << 30 } else { bytes };
                state.options.clients_memory_max = bytes.max(16 << 20);
                Ok(())
            },
        ),
        fixed("maxmemory-policy", |_| "noeviction".into()),
        fixed("port", |state| state.address.port().to_string()),
        changeable(
            "proto-max-bulk-len",
            |state| state.options.limits.bulk_bytes_max.to_string(),
            |state, text| {
                let bytes = memory(text)?;
                if !(1 << 20..=512 << 20).contains(&bytes) {
                    return Err("argument must be between 1048576 and 536870912");
                }
                state.options.limits.bulk_bytes_max = bytes;
                Ok(())
            },
        ),
        changeable(
            "requirepass",
            |state| {
                let password = state.options.password.as_deref().unwrap_or_default();
                String::from_utf8_lossy(password).into_owned()
            },
            |state, text| {
                state.options.password = (!text.is_empty()).then(|| text.to_vec());
                Ok(())
            },
        ),
        fixed("save", |_| String::new()),
        changeable(
            "slowlog-log-slower-than",
            |state| state.slow_log.limits.slower_than_us.to_string(),
            |state, text| {
                state.slow_log.limits.slower_than_us =
                    parse_i64(text).filter(|us| *us >= -1).ok_or(NOT_A_NUMBER)?;
                Ok(())
            },
        ),
        changeable(
            "slowlog-max-len",
            |state| state.slow_log.limits.entries_max.to_string(),
            |state, text| {
                let entries = number(text)?;
                if entries > 100_000 {
                    return Err("argument must be between 0 and 100000");
                }
                state.slow_log.limits.entries_max = entries;
                Ok(())
            },
        ),
        fixed("tcp-backlog", |state| state.options.backlog.to_string()),
        changeable(
            "timeout",
            |state| state.options.idle_seconds_max.to_string(),
            |state, text| {
                state.options.idle_seconds_max = number(text)? as u64;
                Ok(())
            },
        ),
    ]
}

pub(super) fn get<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let mut settings = settings::<P>();
    settings.retain(|setting| {
        args.iter_from(2)
            .any(|pattern| matches(pattern, setting.name.as_bytes(), true))
    });
    reply.map(settings.len());
    for setting in settings {
        reply.bulk(setting.name.as_bytes());
        reply.bulk((setting.get)(c.state).as_bytes());
    }
    Ok(())
}

/// All settings of one call are changed, or none.
pub(super) fn set<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    if !args.len().is_multiple_of(2) {
        return Err(Failure::SYNTAX);
    }
    let known = settings::<P>();
    let mut changes = Vec::new();
    for index in (2..args.len()).step_by(2) {
        let (given, value) = (args.at(index), args.at(index + 1));
        let setting = known
            .iter()
            .find(|setting| given.eq_ignore_ascii_case(setting.name.as_bytes()));
        let Some(setting) = setting else {
            let text = [
                b"ERR Unknown option or number of arguments for CONFIG SET - '",
                given,
                b"'",
            ]
            .concat();
            return Err(Failure::bytes(text));
        };
        let Some(set) = setting.set else {
            return Err(refused(given, "can't set immutable config"));
        };
        changes.push((given, value, set));
    }
    let before = (c.state.options.clone(), c.state.slow_log.limits);
    for (given, value, set) in changes {
        if let Err(why) = set(c.state, value) {
            (c.state.options, c.state.slow_log.limits) = before;
            return Err(refused(given, why));
        }
    }
    reply.ok();
    Ok(())
}

fn refused(given: &[u8], why: &str) -> Failure {
    Failure::text(format!(
        "ERR CONFIG SET failed (possibly related to argument '{}') - {why}",
        String::from_utf8_lossy(given)
    ))
}

pub(super) fn resetstat<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    c.state.counters = Default::default();
    c.state.statistics.reset();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_redis_units() {
        for (text, bytes) in [
            ("0", Ok(0)),
            ("100", Ok(100)),
            ("1k", Ok(1000)),
            ("1KB", Ok(1024)),
            ("64mb", Ok(64 << 20)),
            ("2Gb", Ok(2 << 30)),
            ("", Err(NOT_MEMORY)),
            ("-1", Err(NOT_MEMORY)),
            ("1tb", Err(NOT_MEMORY)),
            ("99999999999999999999", Err(NOT_MEMORY)),
            ("9223372036854775807gb", Err(NOT_MEMORY)),
        ] {
            assert_eq!(memory(text.as_bytes()), bytes, "{text}");
        }
    }
}
