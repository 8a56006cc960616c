//! When keys cease to exist.
#![forbid(unsafe_code)]

use super::Context;
use super::failure::{Failure, Outcome};
use super::option::{Unit, integer, is};
use crate::server::resp::{Args, Reply};
use crate::server::store::Value;
use underpin_core::platform::{Files, Reactor};

/// Under which conditions `EXPIRE` and its kin take effect.
#[derive(Clone, Copy, Default)]
struct Conditions {
    without: bool,
    with: bool,
    later: bool,
    earlier: bool,
}

impl Conditions {
    fn read(args: Args<'_>) -> Result<Self, Failure> {
        let mut conditions = Self::default();
        for word in args.iter_from(3) {
            if is(word, "NX") {
                conditions.without = true;
            } else if is(word, "XX") {
                conditions.with = true;
            } else if is(word, "GT") {
                conditions.later = true;
            } else if is(word, "LT") {
                conditions.earlier = true;
            } else {
                let text = [b"ERR Unsupported option ", word].concat();
                return Err(Failure::bytes(text));
            }
        }
        if conditions.without && (conditions.with || conditions.later || conditions.earlier) {
            return Err(Failure::fixed(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if conditions.later && conditions.earlier {
            return Err(Failure::fixed(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(conditions)
    }

    fn hold(self, current_ms: Option<i64>, new_ms: i64) -> bool {
        match current_ms {
            None => !self.with && !self.later,
            Some(current_ms) => {
                let fails = self.without
                    || (self.later && new_ms <= current_ms)
                    || (self.earlier && new_ms >= current_ms);
                !fails
            }
        }
    }
}

macro_rules! expire_commands {
    ($($name:ident, $unit:ident;)*) => {$(
        pub(super) fn $name<P: Files + Reactor>(
            c: &mut Context<'_, P>,
            args: Args<'_>,
            reply: &mut Reply<'_>,
        ) -> Outcome {
            set_expiry(c, args, reply, Unit::$unit, stringify!($name))
        }
    )*};
}

expire_commands! {
    expire, Seconds;
    pexpire, Milliseconds;
    expireat, UnixSeconds;
    pexpireat, UnixMilliseconds;
}

fn set_expiry<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    unit: Unit,
    command: &str,
) -> Outcome {
    let conditions = Conditions::read(args)?;
    let at_ms = unit
        .to_unix_ms(integer(args.at(2))?, c.now_ms())
        .ok_or_else(|| Failure::expire_time(command))?;
    let key = args.at(1);
    let Some((bytes, current)) = c.store().copy(key)? else {
        reply.flag(false);
        return Ok(());
    };
    let current_ms = current.map(|at| i64::try_from(at).unwrap_or(i64::MAX));
    if !conditions.hold(current_ms, at_ms) {
        reply.flag(false);
        return Ok(());
    }
    match u64::try_from(at_ms) {
        Ok(at_ms) if at_ms > c.now_ms() => {
            let value = Value {
                bytes: &bytes,
                expires_ms: Some(at_ms),
            };
            c.store().put(key, value)?;
        }
        // The time has come already.
        _ => c.store().remove(key)?,
    }
    reply.flag(true);
    Ok(())
}

pub(super) fn persist<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let found = c.store().copy(args.at(1))?;
    let expiring = match &found {
        Some((bytes, Some(_))) => {
            c.store().put(args.at(1), Value::new(bytes))?;
            true
        }
        _ => false,
    };
    reply.flag(expiring);
    Ok(())
}

macro_rules! ttl_commands {
    ($($name:ident, $divisor:literal, $relative:literal;)*) => {$(
        pub(super) fn $name<P: Files + Reactor>(
            c: &mut Context<'_, P>,
            args: Args<'_>,
            reply: &mut Reply<'_>,
        ) -> Outcome {
            time_left(c, args, reply, $divisor, $relative)
        }
    )*};
}

ttl_commands! {
    ttl, 1000, true;
    pttl, 1, true;
    expiretime, 1000, false;
    pexpiretime, 1, false;
}

fn time_left<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    divisor: u64,
    relative: bool,
) -> Outcome {
    let now_ms = c.now_ms();
    let answer = c.store().read(args.at(1), |value| match value {
        None => -2,
        Some(Value {
            expires_ms: None, ..
        }) => -1,
        Some(Value {
            expires_ms: Some(at_ms),
            ..
        }) => {
            let ms = if relative {
                at_ms.saturating_sub(now_ms)
            } else {
                at_ms
            };
            i64::try_from(ms.saturating_add(divisor / 2) / divisor).unwrap_or(i64::MAX)
        }
    })?;
    reply.integer(answer);
    Ok(())
}
