//! Keys as such: whether they are there, their names, all of them.
#![forbid(unsafe_code)]

use super::Context;
use super::failure::{Failure, Outcome};
use super::option::{integer, is};
use crate::server::client::{ReplyMode, Wait};
use crate::server::resp::{Args, Reply};
use crate::server::store::{Value, matches};
use core::ops::ControlFlow;
use underpin_core::platform::{Files, Reactor};

pub(super) fn del<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let mut removed = 0;
    for key in args.iter_from(1) {
        if c.store().exists(key)? {
            c.store().remove(key)?;
            removed += 1;
        }
    }
    reply.integer(removed);
    Ok(())
}

pub(super) fn exists<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let mut found = 0;
    for key in args.iter_from(1) {
        found += i64::from(c.store().exists(key)?);
    }
    reply.integer(found);
    Ok(())
}

pub(super) fn kind<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let exists = c.store().exists(args.at(1))?;
    reply.simple(if exists { "string" } else { "none" });
    Ok(())
}

pub(super) fn rename<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    rename_to(c, args, false)?;
    reply.ok();
    Ok(())
}

pub(super) fn renamenx<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let done = rename_to(c, args, true)?;
    reply.flag(done);
    Ok(())
}

fn rename_to<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    only_if_free: bool,
) -> Result<bool, Failure> {
    let (from, to) = (args.at(1), args.at(2));
    let Some((bytes, expires_ms)) = c.store().copy(from)? else {
        return Err(Failure::NO_SUCH_KEY);
    };
    if only_if_free && c.store().exists(to)? {
        return Ok(false);
    }
    if from != to {
        let value = Value {
            bytes: &bytes,
            expires_ms,
        };
        c.store().rename(from, to, value)?;
    }
    Ok(true)
}

pub(super) fn dbsize<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let known = c.store().known_count();
    // Between a transaction's commands nobody else gets a turn, so there is nothing to wait beside.
    let can_wait = !c.in_exec && c.client.reply_mode == ReplyMode::On;
    if known.is_none() && can_wait {
        c.client.waits = Some(Wait::Count);
        return Ok(());
    }
    let keys = match known {
        Some(keys) if !c.in_exec => keys,
        _ => c.store().count()?,
    };
    reply.integer(i64::try_from(keys).unwrap_or(i64::MAX));
    Ok(())
}

pub(super) fn flush<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    match args.get(1) {
        None => {}
        Some(word) if args.len() == 2 && (is(word, "SYNC") || is(word, "ASYNC")) => {}
        Some(_) => return Err(Failure::SYNTAX),
    }
    c.store().clear()?;
    reply.ok();
    Ok(())
}

pub(super) fn keys<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let now_ms = c.now_ms();
    let bytes_max = c.state.options.client_output_bytes_max;
    let pattern = args.at(1);
    let (mut found, mut ends) = (Vec::new(), Vec::new());
    let mut cut = false;
    c.store().visit(None, &mut |key, value| {
        if !value.is_expired(now_ms) && matches(pattern, key, false) {
            found.extend_from_slice(key);
            ends.push(found.len());
        }
        cut = found.len() + ends.len() * 16 > bytes_max;
        match cut {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    if cut {
        return Err(Failure::REPLY_TOO_LARGE);
    }
    reply.array(ends.len());
    let mut start = 0;
    for end in ends {
        reply.bulk(found.get(start..end).unwrap_or_default());
        start = end;
    }
    Ok(())
}

pub(super) fn randomkey<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    _args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    /// Keys that one answer chooses among.
    const CHOICE: usize = 128;
    /// Keys that one answer passes over, as they may have expired, and bytes of values: then it says that it found none.
    const PASSED_MAX: usize = 10_000;
    const PASSED_BYTES_MAX: usize = 4 << 20;
    let now_ms = c.now_ms();
    let mut keys: Vec<Box<[u8]>> = Vec::new();
    let from = c.store().somewhere().map(<[u8]>::to_vec);
    for from in [from.as_deref(), None] {
        let (mut passed, mut bytes, mut enough) = (0, 0, false);
        c.store().visit(from, &mut |key, value| {
            if !value.is_expired(now_ms) {
                keys.push(key.into());
            }
            passed += 1;
            bytes += value.bytes.len();
            enough = keys.len() == CHOICE || passed == PASSED_MAX || bytes >= PASSED_BYTES_MAX;
            match enough {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        if (enough && !keys.is_empty()) || from.is_none() {
            break;
        }
    }
    let random = c.state.platform.random_u64().unwrap_or(now_ms);
    let index = usize::try_from(random % (keys.len().max(1) as u64)).unwrap_or(0);
    reply.bulk_or_null(keys.get(index).map(|key| &**key));
    Ok(())
}

/// A cursor as C's `strtoul` reads it, which takes a sign.
fn read_cursor(text: &[u8]) -> Option<u64> {
    let text = core::str::from_utf8(text).ok()?;
    match text.strip_prefix('-') {
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_digit()) => {
            digits.parse::<u64>().ok().map(u64::wrapping_neg)
        }
        _ => text.parse().ok(),
    }
}

pub(super) fn scan<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let cursor = read_cursor(args.at(1)).ok_or(Failure::fixed("ERR invalid cursor"))?;
    let (mut pattern, mut count, mut strings) = (None, 10, true);
    let mut rest = args.iter_from(2);
    while let (Some(word), value) = (rest.next(), rest.next()) {
        let value = value.ok_or(Failure::SYNTAX)?;
        if is(word, "COUNT") {
            count = integer(value)?;
            if count < 1 {
                return Err(Failure::SYNTAX);
            }
        } else if is(word, "MATCH") {
            pattern = (value != b"*").then_some(value);
        } else if is(word, "TYPE") {
            strings = is(value, "string");
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    let now_ms = c.now_ms();
    let bytes_max = c.state.options.client_output_bytes_max / 2;
    let after = c.store().cursors.key(cursor).map(<[u8]>::to_vec);
    let (mut found, mut bytes, mut seen) = (Vec::<Box<[u8]>>::new(), 0, 0);
    let mut last: Option<Box<[u8]>> = None;
    let mut more = false;
    c.store().visit(after.as_deref(), &mut |key, value| {
        if last.is_some() {
            more = true;
            return ControlFlow::Break(());
        }
        seen += 1;
        if strings
            && !value.is_expired(now_ms)
            && pattern.is_none_or(|pattern| matches(pattern, key, false))
        {
            bytes += key.len() + 32;
            found.push(key.into());
        }
        // A scan may stop early; the client goes on.
        if seen >= count || bytes > bytes_max {
            last = Some(key.into());
        }
        ControlFlow::Continue(())
    })?;
    let next = match last {
        Some(last) if more => c.store().cursors.remember(&last),
        _ => 0,
    };
    reply.array(2);
    reply.bulk(next.to_string().as_bytes());
    reply.array(found.len());
    for key in &found {
        reply.bulk(key);
    }
    Ok(())
}
