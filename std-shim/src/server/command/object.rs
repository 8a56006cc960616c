//! Values as objects: copies of them, and what they take.
#![forbid(unsafe_code)]

use super::Context;
use super::failure::{Failure, Outcome};
use super::option::{integer, is};
use crate::server::resp::{Args, Reply, parse_i64};
use crate::server::store::Value;
use underpin_core::platform::{Files, Reactor};

pub(super) fn copy<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let (from, to) = (args.at(1), args.at(2));
    let mut replace = false;
    let mut rest = args.iter_from(3);
    while let Some(word) = rest.next() {
        if is(word, "REPLACE") {
            replace = true;
        } else if is(word, "DB") {
            let index = integer(rest.next().ok_or(Failure::SYNTAX)?)?;
            if index != 0 {
                return Err(Failure::fixed("ERR DB index is out of range"));
            }
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    if from == to {
        return Err(Failure::fixed(
            "ERR source and destination objects are the same",
        ));
    }
    let Some((bytes, expires_ms)) = c.store().copy(from)? else {
        reply.flag(false);
        return Ok(());
    };
    if !replace && c.store().exists(to)? {
        reply.flag(false);
        return Ok(());
    }
    let value = Value {
        bytes: &bytes,
        expires_ms,
    };
    c.store().put(to, value)?;
    reply.flag(true);
    Ok(())
}

/// `OBJECT ENCODING`: the names that Redis has for strings that look like this.
pub(super) fn encoding<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    /// Longest string that Redis keeps beside its object.
    const EMBEDDED_BYTES_MAX: usize = 44;
    c.store().read(args.at(2), |value| match value {
        None => reply.null(),
        Some(value) if parse_i64(value.bytes).is_some() => reply.bulk(b"int"),
        Some(value) if value.bytes.len() <= EMBEDDED_BYTES_MAX => reply.bulk(b"embstr"),
        Some(_) => reply.bulk(b"raw"),
    })?;
    Ok(())
}

pub(super) fn refcount<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    match c.store().exists(args.at(2))? {
        true => reply.integer(1),
        false => reply.null(),
    }
    Ok(())
}

/// `OBJECT FREQ` and `OBJECT IDLETIME`.
pub(super) fn untracked<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    if !c.store().exists(args.at(2))? {
        reply.null();
        return Ok(());
    }
    if is(args.at(1), "FREQ") {
        return Err(Failure::fixed(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between \
             policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    Err(Failure::fixed(
        "ERR when a key was last used is not tracked by this server",
    ))
}

/// `MEMORY USAGE`: bytes that the key takes in the memtable or in a table before it is merged.
pub(super) fn usage<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    /// Sequence number, lengths and links of an entry.
    const ENTRY_BYTES: usize = 32;
    match args.len() {
        3 => {}
        5 if is(args.at(3), "SAMPLES") => {
            if integer(args.at(4))? < 0 {
                return Err(Failure::SYNTAX);
            }
        }
        _ => return Err(Failure::SYNTAX),
    }
    let key = args.at(2);
    let bytes = c
        .store()
        .read(key, |value| value.map(|value| value.bytes.len()))?;
    match bytes {
        None => reply.null(),
        Some(bytes) => {
            let bytes = key.len() + bytes + ENTRY_BYTES;
            reply.integer(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }
    Ok(())
}

/// `MEMORY STATS`: what the parts of the server hold.
pub(super) fn memory_stats<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let usage = (c.state.options.usage)();
    let db = c.state.store.db().stats();
    let fields = [
        ("peak.allocated", usage.resident_peak_bytes),
        ("total.allocated", usage.resident_bytes),
        ("clients.normal", c.state.clients_memory as u64),
        ("keys.count", db.keys_estimated),
        ("memtable.bytes", db.memtable_bytes),
        ("tables.memory.bytes", db.table_memory_bytes),
        ("rows.cached.bytes", c.state.store.cached_bytes() as u64),
    ];
    reply.map(fields.len());
    for (name, value) in fields {
        reply.bulk(name.as_bytes());
        reply.integer(i64::try_from(value).unwrap_or(i64::MAX));
    }
    Ok(())
}

/// `MEMORY PURGE`: drops what can be read again.
pub(super) fn purge<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    c.store().drop_cached();
    reply.ok();
    Ok(())
}

/// `ROLE`: there is one server, and it is its own master.
pub(super) fn role<P: Files + Reactor>(
    _c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    reply.array(3);
    reply.bulk(b"master");
    reply.integer(0);
    reply.array(0);
    Ok(())
}
