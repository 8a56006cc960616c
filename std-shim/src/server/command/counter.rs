//! Counters: strings that are numbers.
#![forbid(unsafe_code)]

use super::Context;
use super::failure::{Failure, Outcome};
use super::long_double::LongDouble;
use super::option::integer;
use crate::server::resp::{Args, Reply, itoa, parse_i64};
use crate::server::store::Value;
use underpin_core::platform::{Files, Reactor};

pub(super) fn incr<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    add(c, args.at(1), 1, reply)
}

pub(super) fn decr<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    add(c, args.at(1), -1, reply)
}

pub(super) fn incrby<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    add(c, args.at(1), integer(args.at(2))?, reply)
}

pub(super) fn decrby<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let delta = integer(args.at(2))?
        .checked_neg()
        .ok_or(Failure::fixed("ERR decrement would overflow"))?;
    add(c, args.at(1), delta, reply)
}

fn add<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    key: &[u8],
    delta: i64,
    reply: &mut Reply<'_>,
) -> Outcome {
    let (old, expires_ms) = c.store().read(key, |value| match value {
        Some(value) => (parse_i64(value.bytes), value.expires_ms),
        None => (Some(0), None),
    })?;
    let sum = old
        .ok_or(Failure::NOT_AN_INTEGER)?
        .checked_add(delta)
        .ok_or(Failure::fixed("ERR increment or decrement would overflow"))?;
    let mut digits = [0; 20];
    let value = Value {
        bytes: itoa(sum, &mut digits),
        expires_ms,
    };
    c.store().put(key, value)?;
    reply.integer(sum);
    Ok(())
}

pub(super) fn incrbyfloat<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let (key, delta) = (args.at(1), args.at(2));
    let (old, expires_ms) = c.store().copy(key)?.unwrap_or((b"0".to_vec(), None));
    let old = LongDouble::parse(&old).ok_or(Failure::NOT_A_FLOAT)?;
    let delta = LongDouble::parse(delta).ok_or(Failure::NOT_A_FLOAT)?;
    let sum = old.add(delta).ok_or(Failure::fixed(
        "ERR increment would produce NaN or Infinity",
    ))?;
    let sum = sum.print();
    let value = Value {
        bytes: sum.as_bytes(),
        expires_ms,
    };
    c.store().put(key, value)?;
    reply.bulk(sum.as_bytes());
    Ok(())
}
