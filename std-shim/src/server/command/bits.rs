//! Strings as arrays of bits; bit 0 is the highest of the first byte.
#![forbid(unsafe_code)]

use super::Context;
use super::failure::{Failure, Outcome};
use super::option::{integer, is};
use crate::server::resp::{Args, Reply, parse_i64};
use crate::server::store::{STRING_BYTES_MAX, Value};
use underpin_core::platform::{Files, Reactor};

/// A bit's offset, which the longest string bounds.
fn offset(c: &Context<'_, impl Files + Reactor>, text: &[u8]) -> Result<u64, Failure> {
    bit_offset(c, text, 1)
}

/// As [`offset`], of an index of units of so many bits.
pub(super) fn bit_offset(
    c: &Context<'_, impl Files + Reactor>,
    text: &[u8],
    unit: u32,
) -> Result<u64, Failure> {
    let bulk_bytes_max = c.state.options.limits.bulk_bytes_max as u64;
    parse_i64(text)
        .and_then(|index| u64::try_from(index).ok()?.checked_mul(unit.into()))
        .filter(|offset| offset / 8 < bulk_bytes_max)
        .ok_or(Failure::fixed(
            "ERR bit offset is not an integer or out of range",
        ))
}

/// The byte of a bit, and the bit's mask in it.
fn place(offset: u64) -> (usize, u8) {
    let byte = usize::try_from(offset / 8).unwrap_or(usize::MAX);
    (byte, 0x80 >> (offset % 8))
}

pub(super) fn setbit<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let offset = offset(c, args.at(2))?;
    let on = match args.at(3) {
        b"0" => false,
        b"1" => true,
        _ => {
            return Err(Failure::fixed("ERR bit is not an integer or out of range"));
        }
    };
    let (byte, mask) = place(offset);
    if byte >= STRING_BYTES_MAX {
        return Err(Failure::STRING_TOO_LONG);
    }
    let (mut bytes, expires_ms) = c.store().copy(args.at(1))?.unwrap_or_default();
    let grows = bytes.len() <= byte;
    if grows {
        bytes.resize(byte + 1, 0);
    }
    let Some(slot) = bytes.get_mut(byte) else {
        return Err(Failure::STRING_TOO_LONG);
    };
    let was_on = *slot & mask != 0;
    if on {
        *slot |= mask;
    } else {
        *slot &= !mask;
    }
    if grows || was_on != on {
        let value = Value {
            bytes: &bytes,
            expires_ms,
        };
        c.store().put(args.at(1), value)?;
    }
    reply.flag(was_on);
    Ok(())
}

pub(super) fn getbit<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let (byte, mask) = place(offset(c, args.at(2))?);
    let on = c.store().read(args.at(1), |value| {
        value
            .and_then(|value| value.bytes.get(byte))
            .is_some_and(|byte| byte & mask != 0)
    })?;
    reply.flag(on);
    Ok(())
}

/// Bits from the first to the last, in a string of so many bits; `None` if there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u64,
    last: u64,
}

impl Range {
    /// The range that two indices of bytes or, if `by_bit`, of bits stand for, counted from the end if negative.
    fn new(first: i64, last: i64, by_bit: bool, bytes: usize) -> Option<Self> {
        let bytes = i64::try_from(bytes).ok()?;
        let count = if by_bit { bytes.checked_mul(8)? } else { bytes };
        let index = |at: i64| {
            if at < 0 {
                at.saturating_add(count).max(0)
            } else {
                at
            }
        };
        let (first, last) = (index(first), index(last).min(count - 1));
        if first > last {
            return None;
        }
        let (first, last) = (u64::try_from(first).ok()?, u64::try_from(last).ok()?);
        Some(if by_bit {
            Self { first, last }
        } else {
            Self {
                first: first * 8,
                last: last * 8 + 7,
            }
        })
    }

    /// The bytes that the range touches, and masks of the bits in the first and the last of them.
    fn cut(self, bytes: &[u8]) -> (&[u8], u8, u8) {
        let (first, _) = place(self.first);
        let (last, _) = place(self.last);
        let part = bytes.get(first..=last).unwrap_or_default();
        (part, 0xff >> (self.first % 8), 0xff << (7 - self.last % 8))
    }
}

/// Whether indices are of bits: `BIT`, not `BYTE`.
fn by_bit(word: Option<&[u8]>) -> Result<bool, Failure> {
    match word {
        None => Ok(false),
        Some(word) if is(word, "BYTE") => Ok(false),
        Some(word) if is(word, "BIT") => Ok(true),
        Some(_) => Err(Failure::SYNTAX),
    }
}

/// Set bits of `range` in `bytes`.
fn count(bytes: &[u8], range: Range) -> u64 {
    let (part, first_mask, last_mask) = range.cut(bytes);
    let (Some(first), Some(last)) = (part.first(), part.last()) else {
        return 0;
    };
    let mut words = part.chunks_exact(8);
    let mut sum: u64 = words
        .by_ref()
        .map(|word| {
            let word = word.try_into().map_or(0, u64::from_le_bytes);
            u64::from(word.count_ones())
        })
        .sum();
    sum += words
        .remainder()
        .iter()
        .map(|byte| u64::from(byte.count_ones()))
        .sum::<u64>();
    sum - u64::from((first & !first_mask).count_ones() + (last & !last_mask).count_ones())
}

pub(super) fn bitcount<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let counted = c
        .store()
        .read(args.at(1), |value| -> Result<u64, Failure> {
            let Some(value) = value else { return Ok(0) };
            let (first, last, by_bit) = match args.len() {
                2 => (0, -1, false),
                4 | 5 => {
                    let (first, last) = (integer(args.at(2))?, integer(args.at(3))?);
                    if first < 0 && last < 0 && first > last {
                        return Ok(0);
                    }
                    (first, last, by_bit(args.get(4))?)
                }
                _ => return Err(Failure::SYNTAX),
            };
            let range = Range::new(first, last, by_bit, value.bytes.len());
            Ok(range.map_or(0, |range| count(value.bytes, range)))
        })??;
    reply.integer(i64::try_from(counted).unwrap_or(i64::MAX));
    Ok(())
}

/// The first bit of `range` that is as `on` says.
fn find(bytes: &[u8], range: Range, on: bool) -> Option<u64> {
    let (part, first_mask, last_mask) = range.cut(bytes);
    let flip = if on { 0 } else { 0xff };
    let last_index = part.len().checked_sub(1)?;
    let wanted = |index: usize, byte: u8| {
        let mut byte = byte ^ flip;
        if index == 0 {
            byte &= first_mask;
        }
        if index == last_index {
            byte &= last_mask;
        }
        byte
    };
    let dull = if on { 0 } else { u8::MAX };
    // Whole runs of uninteresting bytes are stepped over eight at a time.
    let mut index = 0;
    while let Some(byte) = part.get(index) {
        let found = wanted(index, *byte);
        if found != 0 {
            let start = range.first / 8 * 8 + index as u64 * 8;
            return Some(start + u64::from(found.leading_zeros()));
        }
        index += 1;
        while let Some(word) = part.get(index..index + 8)
            && word == [dull; 8]
        {
            index += 8;
        }
    }
    None
}

pub(super) fn bitpos<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let on = match integer(args.at(2))? {
        0 => false,
        1 => true,
        _ => return Err(Failure::fixed("ERR The bit argument must be 1 or 0.")),
    };
    let position = c
        .store()
        .read(args.at(1), |value| -> Result<Option<u64>, Failure> {
            // What is not there is zeros without end.
            let Some(value) = value else {
                return Ok((!on).then_some(0));
            };
            if args.len() > 6 {
                return Err(Failure::SYNTAX);
            }
            let first = args.get(3).map_or(Ok(0), integer)?;
            let by_bit = by_bit(args.get(5))?;
            let last = args.get(4).map_or(Ok(-1), integer)?;
            let Some(range) = Range::new(first, last, by_bit, value.bytes.len()) else {
                return Ok(None);
            };
            let found = find(value.bytes, range, on);
            // Without an end the string goes on with zeros.
            let beyond = (!on && args.len() < 5).then_some(value.bytes.len() as u64 * 8);
            Ok(found.or(beyond))
        })??;
    reply.integer(position.map_or(-1, |at| i64::try_from(at).unwrap_or(i64::MAX)));
    Ok(())
}

pub(super) fn bitop<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let combine: fn(u8, u8) -> u8 = match args.at(1) {
        word if is(word, "AND") => |a, b| a & b,
        word if is(word, "OR") => |a, b| a | b,
        word if is(word, "XOR") => |a, b| a ^ b,
        // It has one source, so nothing is combined.
        word if is(word, "NOT") => |a, _| a,
        _ => return Err(Failure::SYNTAX),
    };
    let (and, not) = (is(args.at(1), "AND"), is(args.at(1), "NOT"));
    if not && args.len() != 4 {
        return Err(Failure::fixed(
            "ERR BITOP NOT must be called with a single source key.",
        ));
    }
    let mut out = Vec::new();
    for (index, key) in args.iter_from(3).enumerate() {
        c.store().read(key, |value| {
            let bytes = value.map_or(&[][..], |value| value.bytes);
            if index == 0 {
                out.extend(bytes.iter().map(|byte| if not { !byte } else { *byte }));
                return;
            }
            // The shorter one goes on with zeros.
            if out.len() < bytes.len() {
                out.resize(bytes.len(), 0);
            }
            for (slot, byte) in out.iter_mut().zip(bytes) {
                *slot = combine(*slot, *byte);
            }
            if and && let Some(rest) = out.get_mut(bytes.len()..) {
                rest.fill(0);
            }
        })?;
    }
    if out.is_empty() {
        if c.store().exists(args.at(2))? {
            c.store().remove(args.at(2))?;
        }
    } else {
        c.store().put(args.at(2), Value::new(&out))?;
    }
    reply.integer(i64::try_from(out.len()).unwrap_or(i64::MAX));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_positions_agree_with_looking_at_each_bit() {
        let mut state = 3u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        for _ in 0..3000 {
            let filler = [0, 0xff, 0x5a][random(3) as usize];
            let mut bytes = vec![filler; random(40) as usize];
            for _ in 0..random(3) {
                if let Some(byte) = bytes.get_mut(random(40) as usize) {
                    *byte = random(256) as u8;
                }
            }
            let bits = bytes.len() as u64 * 8;
            let on = |at: u64| bytes[at as usize / 8] & 0x80 >> (at % 8) != 0;
            let signed = |value: u64| i64::try_from(value).unwrap() - 200;
            let (first, last) = (signed(random(400)), signed(random(400)));
            let Some(range) = Range::new(first, last, true, bytes.len()) else {
                continue;
            };
            assert!(range.first <= range.last && range.last < bits);
            let all = || range.first..=range.last;
            assert_eq!(
                count(&bytes, range),
                all().filter(|at| on(*at)).count() as u64
            );
            for wanted in [true, false] {
                let expected = all().find(|at| on(*at) == wanted);
                assert_eq!(
                    find(&bytes, range, wanted),
                    expected,
                    "{bytes:x?} {range:?}"
                );
            }
        }
    }
}
