//! Strings: reading and writing whole values and parts of them.
#![forbid(unsafe_code)]

use super::Context;
use super::failure::{Failure, Outcome};
use super::option::{Unit, integer, is};
use crate::server::resp::{Args, Reply};
use crate::server::store::{STRING_BYTES_MAX, Value};
use underpin_core::platform::{Files, Reactor};

pub(super) fn get<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    c.store().read(args.at(1), |value| {
        reply.bulk_or_null(value.map(|value| value.bytes));
    })?;
    Ok(())
}

/// When a new value ceases to exist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expiry<'a> {
    Never,
    Keep,
    Persist,
    At(Unit, &'a [u8]),
}

impl Expiry<'_> {
    /// Whether a time in `unit` may follow: the same unit may be given again, and the last one counts.
    fn takes(self, unit: Unit) -> bool {
        match self {
            Self::Never => true,
            Self::At(given, _) => given == unit,
            Self::Keep | Self::Persist => false,
        }
    }
}

/// The options of `SET`.
struct SetOptions<'a> {
    expiry: Expiry<'a>,
    only_if_missing: bool,
    only_if_there: bool,
    get: bool,
}

impl<'a> SetOptions<'a> {
    fn read(args: Args<'a>) -> Result<Self, Failure> {
        let mut options = Self {
            expiry: Expiry::Never,
            only_if_missing: false,
            only_if_there: false,
            get: false,
        };
        let mut rest = args.iter_from(3);
        while let Some(word) = rest.next() {
            if is(word, "NX") && !options.only_if_there {
                options.only_if_missing = true;
            } else if is(word, "XX") && !options.only_if_missing {
                options.only_if_there = true;
            } else if is(word, "GET") {
                options.get = true;
            } else if is(word, "KEEPTTL") && matches!(options.expiry, Expiry::Never | Expiry::Keep)
            {
                options.expiry = Expiry::Keep;
            } else if let Some(unit) = Unit::from_keyword(word)
                && options.expiry.takes(unit)
            {
                options.expiry = Expiry::At(unit, rest.next().ok_or(Failure::SYNTAX)?);
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        Ok(options)
    }
}

pub(super) fn set<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let (key, bytes) = (args.at(1), args.at(2));
    if args.len() == 3 {
        c.store().put(key, Value::new(bytes))?;
        reply.ok();
        return Ok(());
    }
    let options = SetOptions::read(args)?;
    let mut expires_ms = match options.expiry {
        Expiry::At(unit, count) => Some(unit.expiry(count, c.now_ms(), "set")?),
        Expiry::Never | Expiry::Keep | Expiry::Persist => None,
    };
    let (mut found, mut kept_ms) = (false, None);
    if options.get
        || options.only_if_missing
        || options.only_if_there
        || options.expiry == Expiry::Keep
    {
        c.store().read(key, |old| {
            found = old.is_some();
            kept_ms = old.and_then(|old| old.expires_ms);
            if options.get {
                reply.bulk_or_null(old.map(|old| old.bytes));
            }
        })?;
    }
    if options.expiry == Expiry::Keep {
        expires_ms = kept_ms;
    }
    if (options.only_if_missing && found) || (options.only_if_there && !found) {
        if !options.get {
            reply.null();
        }
        return Ok(());
    }
    c.store().put(key, Value { bytes, expires_ms })?;
    if !options.get {
        reply.ok();
    }
    Ok(())
}

pub(super) fn setex<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    set_expiring(c, args, reply, Unit::Seconds, "setex")
}

pub(super) fn psetex<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    set_expiring(c, args, reply, Unit::Milliseconds, "psetex")
}

fn set_expiring<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    unit: Unit,
    command: &str,
) -> Outcome {
    let value = Value {
        bytes: args.at(3),
        expires_ms: Some(unit.expiry(args.at(2), c.now_ms(), command)?),
    };
    c.store().put(args.at(1), value)?;
    reply.ok();
    Ok(())
}

pub(super) fn setnx<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let missing = !c.store().exists(args.at(1))?;
    if missing {
        c.store().put(args.at(1), Value::new(args.at(2)))?;
    }
    reply.flag(missing);
    Ok(())
}

pub(super) fn getset<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    get(c, args, reply)?;
    c.store().put(args.at(1), Value::new(args.at(2)))?;
    Ok(())
}

pub(super) fn getdel<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let found = c.store().read(args.at(1), |value| {
        reply.bulk_or_null(value.map(|value| value.bytes));
        value.is_some()
    })?;
    if found {
        c.store().remove(args.at(1))?;
    }
    Ok(())
}

pub(super) fn getex<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let mut expiry = Expiry::Keep;
    let mut rest = args.iter_from(2);
    while let Some(word) = rest.next() {
        expiry = match (Unit::from_keyword(word), expiry) {
            (None, Expiry::Keep | Expiry::Persist) if is(word, "PERSIST") => Expiry::Persist,
            (Some(unit), expiry) if expiry == Expiry::Keep || expiry.takes(unit) => {
                Expiry::At(unit, rest.next().ok_or(Failure::SYNTAX)?)
            }
            _ => return Err(Failure::SYNTAX),
        };
    }
    let key = args.at(1);
    let Some((bytes, old_expiry)) = c.store().copy(key)? else {
        reply.null();
        return Ok(());
    };
    let expires_ms = match expiry {
        Expiry::At(unit, count) => Some(unit.expiry(count, c.now_ms(), "getex")?),
        Expiry::Persist => None,
        Expiry::Keep | Expiry::Never => old_expiry,
    };
    if expires_ms.is_some_and(|at| at <= c.now_ms()) {
        c.store().remove(key)?;
    } else if expires_ms != old_expiry {
        let value = Value {
            bytes: &bytes,
            expires_ms,
        };
        c.store().put(key, value)?;
    }
    reply.bulk(&bytes);
    Ok(())
}

pub(super) fn mget<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    reply.array(args.len() - 1);
    for key in args.iter_from(1) {
        c.store().read(key, |value| {
            reply.bulk_or_null(value.map(|value| value.bytes));
        })?;
        c.check_reply(reply)?;
    }
    Ok(())
}

pub(super) fn mset<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    put_pairs(c, args, "mset", false)?;
    reply.ok();
    Ok(())
}

pub(super) fn msetnx<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let done = put_pairs(c, args, "msetnx", true)?;
    reply.flag(done);
    Ok(())
}

/// Writes all pairs in one batch, or, with `only_if_missing`, none if a key is there.
fn put_pairs<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    command: &str,
    only_if_missing: bool,
) -> Result<bool, Failure> {
    if args.len().is_multiple_of(2) {
        return Err(Failure::arity(command));
    }
    if only_if_missing {
        for key in args.iter_from(1).step_by(2) {
            if c.store().exists(key)? {
                return Ok(false);
            }
        }
    }
    let pairs = (1..args.len())
        .step_by(2)
        .map(|index| (args.at(index), args.at(index + 1)));
    c.store().put_all(pairs)?;
    Ok(true)
}

pub(super) fn append<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let (mut bytes, expires_ms) = c.store().copy(args.at(1))?.unwrap_or_default();
    if bytes.len() + args.at(2).len() > STRING_BYTES_MAX {
        return Err(Failure::STRING_TOO_LONG);
    }
    bytes.extend_from_slice(args.at(2));
    let value = Value {
        bytes: &bytes,
        expires_ms,
    };
    c.store().put(args.at(1), value)?;
    reply.integer(length(bytes.len()));
    Ok(())
}

pub(super) fn strlen<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let bytes = c.store().read(args.at(1), |value| {
        value.map_or(0, |value| value.bytes.len())
    })?;
    reply.integer(length(bytes));
    Ok(())
}

pub(super) fn getrange<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let (first, last) = (integer(args.at(2))?, integer(args.at(3))?);
    c.store().read(args.at(1), |value| {
        let bytes = value.map_or(&[][..], |value| value.bytes);
        reply.bulk(part(bytes, first, last));
    })?;
    Ok(())
}

/// The bytes from index `first` to `last`, both counted from the end if negative.
fn part(bytes: &[u8], first: i64, last: i64) -> &[u8] {
    if first < 0 && last < 0 && first > last {
        return &[];
    }
    let count = length(bytes.len());
    let index = |at: i64| {
        if at < 0 {
            at.saturating_add(count).max(0)
        } else {
            at
        }
    };
    let (first, last) = (index(first), index(last).min(count - 1));
    match (usize::try_from(first), usize::try_from(last)) {
        (Ok(first), Ok(last)) if first <= last => bytes.get(first..=last).unwrap_or_default(),
        _ => &[],
    }
}

pub(super) fn setrange<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let start = integer(args.at(2))?;
    let start = usize::try_from(start).map_err(|_| Failure::fixed("ERR offset is out of range"))?;
    let patch = args.at(3);
    let (mut bytes, expires_ms) = c.store().copy(args.at(1))?.unwrap_or_default();
    if !patch.is_empty() {
        let end = start.saturating_add(patch.len());
        if end > STRING_BYTES_MAX {
            return Err(Failure::STRING_TOO_LONG);
        }
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        if let Some(place) = bytes.get_mut(start..end) {
            place.copy_from_slice(patch);
        }
        let value = Value {
            bytes: &bytes,
            expires_ms,
        };
        c.store().put(args.at(1), value)?;
    }
    reply.integer(length(bytes.len()));
    Ok(())
}

/// A length as replies carry it.
fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn parts_are_cut_as_redis_cuts_them() {
        for (first, last, expected) in [
            (0, -1, "abcdef"),
            (0, 0, "a"),
            (1, 3, "bcd"),
            (-3, -1, "def"),
            (-1, -3, ""),
            (4, 2, ""),
            (0, 100, "abcdef"),
            (-100, 1, "ab"),
            (6, 10, ""),
            (i64::MIN, i64::MAX, "abcdef"),
            (0, -100, "a"),
        ] {
            assert_eq!(
                part(b"abcdef", first, last),
                expected.as_bytes(),
                "{first} {last}"
            );
        }
        assert_eq!(part(b"", 0, -1), b"");
    }
}
