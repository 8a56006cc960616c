//! `BITFIELD`: strings as arrays of integers of any width, which may start at any bit.
#![forbid(unsafe_code)]

use super::Context;
use super::bits::bit_offset;
use super::failure::{Failure, Outcome};
use super::option::{integer, is};
use crate::server::resp::{Args, Reply, parse_i64};
use crate::server::store::{STRING_BYTES_MAX, Value};
use underpin_core::platform::{Files, Reactor};

const INVALID_TYPE: Failure = Failure::fixed(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
);

/// Where an integer is, and how wide.
#[derive(Clone, Copy, Debug)]
struct Field {
    signed: bool,
    bits: u32,
    offset: u64,
}

/// What becomes of a number that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    /// The number stays as it was.
    Fail,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

impl Field {
    /// Reads `i16` or `u8`, and an offset in bits or, behind `#`, in fields.
    fn new<P: Files + Reactor>(
        c: &Context<'_, P>,
        kind: &[u8],
        offset: &[u8],
    ) -> Result<Self, Failure> {
        let (signed, bits) = match kind {
            [b'i', bits @ ..] => (true, bits),
            [b'u', bits @ ..] => (false, bits),
            _ => return Err(INVALID_TYPE),
        };
        let widest = if signed { 64 } else { 63 };
        let bits = parse_i64(bits).and_then(|bits| u32::try_from(bits).ok());
        let bits = bits.filter(|bits| (1..=widest).contains(bits));
        let bits = bits.ok_or(INVALID_TYPE)?;
        let offset = match offset {
            [b'#', index @ ..] => bit_offset(c, index, bits)?,
            bits => bit_offset(c, bits, 1)?,
        };
        Ok(Self {
            signed,
            bits,
            offset,
        })
    }

    /// The byte that its last bit is in.
    fn last_byte(self) -> usize {
        let last = self.offset.saturating_add(u64::from(self.bits) - 1);
        usize::try_from(last / 8).unwrap_or(usize::MAX)
    }

    /// Where each of its bits is, the highest first: a byte and a mask.
    fn places(self) -> impl Iterator<Item = (usize, u8)> {
        (self.offset..self.offset + u64::from(self.bits)).map(|at| {
            let byte = usize::try_from(at / 8).unwrap_or(usize::MAX);
            (byte, 0x80 >> (at % 8))
        })
    }

    /// The number here. What lies behind the string is zero.
    fn get(self, bytes: &[u8]) -> i128 {
        let raw = self.places().fold(0u64, |number, (byte, mask)| {
            let on = bytes.get(byte).is_some_and(|byte| byte & mask != 0);
            number << 1 | u64::from(on)
        });
        self.wrap(i128::from(raw))
    }

    fn set(self, bytes: &mut [u8], number: i128) {
        let shifts = (0..self.bits).rev();
        for ((byte, mask), shift) in self.places().zip(shifts) {
            if let Some(byte) = bytes.get_mut(byte) {
                match number >> shift & 1 {
                    0 => *byte &= !mask,
                    _ => *byte |= mask,
                }
            }
        }
    }

    /// What its lowest bits say.
    fn wrap(self, number: i128) -> i128 {
        let unused = 128 - self.bits;
        if self.signed {
            number << unused >> unused
        } else {
            ((number << unused).cast_unsigned() >> unused).cast_signed()
        }
    }

    /// The number as it is stored; `None` if it is not.
    fn fit(self, number: i128, overflow: Overflow) -> Option<i128> {
        let (least, most) = if self.signed {
            (-(1i128 << (self.bits - 1)), (1i128 << (self.bits - 1)) - 1)
        } else {
            (0, (1i128 << self.bits) - 1)
        };
        match overflow {
            _ if (least..=most).contains(&number) => Some(number),
            Overflow::Wrap => Some(self.wrap(number)),
            Overflow::Saturate => Some(number.clamp(least, most)),
            Overflow::Fail => None,
        }
    }
}

type Step = (Field, Action, Overflow);

fn parse<P: Files + Reactor>(c: &Context<'_, P>, args: Args<'_>) -> Result<Vec<Step>, Failure> {
    let mut overflow = Overflow::Wrap;
    let mut steps = Vec::new();
    let mut at = 2;
    while at < args.len() {
        let (word, left) = (args.at(at), args.len() - at - 1);
        if is(word, "OVERFLOW") && left >= 1 {
            overflow = match args.at(at + 1) {
                kind if is(kind, "WRAP") => Overflow::Wrap,
                kind if is(kind, "SAT") => Overflow::Saturate,
                kind if is(kind, "FAIL") => Overflow::Fail,
                _ => return Err(Failure::fixed("ERR Invalid OVERFLOW type specified")),
            };
            at += 2;
            continue;
        }
        let number = || integer(args.at(at + 3));
        let field = || Field::new(c, args.at(at + 1), args.at(at + 2));
        if is(word, "GET") && left >= 2 {
            steps.push((field()?, Action::Get, overflow));
            at += 3;
        } else if is(word, "SET") && left >= 3 {
            steps.push((field()?, Action::Set(number()?), overflow));
            at += 4;
        } else if is(word, "INCRBY") && left >= 3 {
            steps.push((field()?, Action::Add(number()?), overflow));
            at += 4;
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    Ok(steps)
}

pub(super) fn bitfield<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let steps = parse(c, args)?;
    run(c, args.at(1), &steps, reply)
}

pub(super) fn bitfield_ro<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let steps = parse(c, args)?;
    if steps
        .iter()
        .any(|(_, action, _)| !matches!(action, Action::Get))
    {
        return Err(Failure::fixed(
            "ERR BITFIELD_RO only supports the GET subcommand",
        ));
    }
    run(c, args.at(1), &steps, reply)
}

fn run<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    key: &[u8],
    steps: &[Step],
    reply: &mut Reply<'_>,
) -> Outcome {
    let writes = steps
        .iter()
        .filter(|(_, action, _)| !matches!(action, Action::Get));
    let length = writes.map(|(field, ..)| field.last_byte().saturating_add(1));
    let length = length.max();
    if length.is_some_and(|length| length > STRING_BYTES_MAX) {
        return Err(Failure::STRING_TOO_LONG);
    }
    let (mut bytes, expires_ms) = c.store().copy(key)?.unwrap_or_default();
    // Room for all that is written is made at once, also for what then does not fit.
    let mut changed = length.is_some_and(|length| length > bytes.len());
    if let Some(length) = length {
        bytes.resize(length.max(bytes.len()), 0);
    }
    let mut found = Vec::new();
    for &(field, action, overflow) in steps {
        let old = field.get(&bytes);
        let wanted = match action {
            Action::Get => old,
            // An unsigned field takes a negative number for the large one with the same bits.
            Action::Set(number) if !field.signed => i128::from(number.cast_unsigned()),
            Action::Set(number) => i128::from(number),
            Action::Add(number) => old + i128::from(number),
        };
        let new = field.fit(wanted, overflow);
        if let Some(new) = new.filter(|new| *new != old) {
            field.set(&mut bytes, new);
            changed = true;
        }
        found.push(match action {
            Action::Set(_) => new.map(|_| old),
            Action::Get | Action::Add(_) => new,
        });
    }
    if changed {
        let value = Value {
            bytes: &bytes,
            expires_ms,
        };
        c.store().put(key, value)?;
    }
    reply.array(found.len());
    for number in found {
        match number.and_then(|number| i64::try_from(number).ok()) {
            Some(number) => reply.integer(number),
            None => reply.null(),
        }
    }
    Ok(())
}
