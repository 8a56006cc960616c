//! The 80-bit floats in which Redis adds for `INCRBYFLOAT`: read, added and printed bit for bit as on x86-64.
//!
//! A finite number is `mantissa * 2^exponent` with 64 bits of mantissa. Reading and printing go through whole numbers of any
//! size, so both are rounded once, to nearest and ties to even, as the C library does it (`strtold`, `%.17Lf`).
//!
//! # Bounds
//!
//! A text of at most [`TEXT_BYTES_MAX`] bytes; its whole numbers have at most some 33,000 bits, and one call takes microseconds for
//! usual numbers, a few milliseconds for the worst.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::big::Big;
use core::cmp::Ordering;

/// Longest text that is read; Redis's own bound is the same.
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;
/// Exponent of the smallest number above zero.
const EXPONENT_MIN: i32 = -16_445;
/// Exponent of the largest numbers, with a mantissa of 64 bits.
const EXPONENT_MAX: i32 = 16_320;
/// Decimals printed.
const DECIMALS: u32 = 17;

/// A number that is finite or infinite; there is no NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LongDouble {
    negative: bool,
    /// Top bit set, unless the exponent is the smallest or the number is zero.
    mantissa: u64,
    exponent: i32,
    infinite: bool,
}

impl LongDouble {
    const fn zero(negative: bool) -> Self {
        Self {
            negative,
            mantissa: 0,
            exponent: EXPONENT_MIN,
            infinite: false,
        }
    }

    const fn infinity(negative: bool) -> Self {
        Self {
            negative,
            mantissa: 0,
            exponent: 0,
            infinite: true,
        }
    }

    /// Reads a decimal, a hexadecimal float or an infinity as C's `strtold` does, with nothing around it; `None` for anything else,
    /// NaN, and what is too large or too small to be told from infinity or zero.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
            return Some(Self::infinity(negative));
        }
        let (digits, radix, mark) = match rest {
            [b'0', b'x' | b'X', digits @ ..] => (digits, 16, b'p'),
            digits => (digits, 10, b'e'),
        };
        let is_mark = |byte: &u8| byte.to_ascii_lowercase() == mark;
        let (digits, exponent) = match digits.iter().position(is_mark) {
            Some(at) => (
                digits.get(..at)?,
                exponent_of(digits.get(at.saturating_add(1)..)?)?,
            ),
            None => (digits, 0),
        };
        let mut whole = Big::zero();
        let (mut fraction, mut in_fraction, mut seen) = (0i64, false, false);
        for &byte in digits {
            if byte == b'.' && !in_fraction {
                in_fraction = true;
                continue;
            }
            let digit = char::from(byte).to_digit(radix)?;
            whole.multiply_add(radix, digit);
            fraction = fraction.saturating_add(i64::from(in_fraction));
            seen = true;
        }
        if !seen {
            return None;
        }
        if whole.is_zero() {
            return Some(Self::zero(negative));
        }
        let value = if radix == 16 {
            let binary = exponent.saturating_sub(fraction.saturating_mul(4));
            // Anything this far out is zero or infinite whatever the digits are.
            let binary = i32::try_from(binary.clamp(-60_000, 60_000)).ok()?;
            Self::round(negative, &whole, binary, false)
        } else {
            let decimal = exponent.saturating_sub(fraction).clamp(-11_000, 6_000);
            let power = Big::power_of_ten(u32::try_from(decimal.unsigned_abs()).ok()?);
            if decimal >= 0 {
                Self::round(negative, &whole.multiply(&power), 0, false)
            } else {
                // Some 67 bits of quotient, and whether anything is left below them.
                let short = power.bits().saturating_add(67);
                let up = short.saturating_sub(whole.bits());
                let down = whole.bits().saturating_sub(short);
                let scaled = whole.shift_left(up).shift_right(down);
                let (quotient, exact) = scaled.divide(&power);
                let exponent = i32::try_from(down)
                    .ok()?
                    .checked_sub(i32::try_from(up).ok()?)?;
                let more = !exact || whole.has_bits_below(down);
                Self::round(negative, &quotient, exponent, more)
            }
        };
        (!value.infinite && value.mantissa != 0).then_some(value)
    }

    /// The number nearest to `whole * 2^exponent`, or to something a little above it if `more`.
    fn round(negative: bool, whole: &Big, exponent: i32, more: bool) -> Self {
        let bits = i32::try_from(whole.bits()).unwrap_or(i32::MAX);
        // So many low bits go.
        let drop = bits
            .saturating_sub(64)
            .max(EXPONENT_MIN.saturating_sub(exponent));
        if drop <= 0 {
            let missing = u32::try_from(64i32.saturating_sub(bits)).unwrap_or(0);
            let room = exponent.saturating_sub(EXPONENT_MIN);
            let shift = missing.min(u32::try_from(room).unwrap_or(0));
            let mantissa = whole.low_u64().checked_shl(shift).unwrap_or(0);
            let shift = i32::try_from(shift).unwrap_or(0);
            return Self::in_range(negative, mantissa, exponent.saturating_sub(shift));
        }
        let dropped = u32::try_from(drop).unwrap_or(0);
        let kept = whole.shift_right(dropped);
        let half = whole.bit(dropped.saturating_sub(1));
        let below = more || whole.has_bits_below(dropped.saturating_sub(1));
        let mut mantissa = kept.low_u64();
        let mut exponent = exponent.saturating_add(drop);
        if half && (below || mantissa & 1 == 1) {
            match mantissa.checked_add(1) {
                Some(next) => mantissa = next,
                None => {
                    mantissa = 1 << 63;
                    exponent = exponent.saturating_add(1);
                }
            }
        }
        Self::in_range(negative, mantissa, exponent)
    }

    fn in_range(negative: bool, mantissa: u64, exponent: i32) -> Self {
        if mantissa == 0 {
            Self::zero(negative)
        } else if exponent > EXPONENT_MAX {
            Self::infinity(negative)
        } else {
            Self {
                negative,
                mantissa,
                exponent,
                infinite: false,
            }
        }
    }

    /// The sum; `None` if it is not finite.
    pub(super) fn add(self, other: Self) -> Option<Self> {
        if self.infinite || other.infinite {
            return None;
        }
        let (high, low) = if self.exponent >= other.exponent {
            (self, other)
        } else {
            (other, self)
        };
        // With 66 bits of room below the higher one, what is further down only matters as "something is there".
        const ROOM: u32 = 66;
        let distance = high.exponent.saturating_sub(low.exponent).unsigned_abs();
        let shift = distance.min(ROOM);
        let high_part = Big::from_u64(high.mantissa).shift_left(shift);
        let low_whole = Big::from_u64(low.mantissa);
        let cut = distance.saturating_sub(shift);
        let mut low_part = low_whole.shift_right(cut);
        let sticky = cut > 0 && low_whole.has_bits_below(cut);
        let exponent = high
            .exponent
            .saturating_sub(i32::try_from(shift).unwrap_or(0));
        let sum = if high.negative == low.negative {
            Self::round(high.negative, &high_part.add(&low_part), exponent, sticky)
        } else {
            if sticky {
                // high - (low + something): one less, and something above that.
                low_part = low_part.add(&Big::from_u64(1));
            }
            match high_part.compare(&low_part) {
                Ordering::Equal => Self::zero(false),
                Ordering::Greater => Self::round(
                    high.negative,
                    &high_part.subtract(&low_part),
                    exponent,
                    sticky,
                ),
                Ordering::Less => Self::round(
                    low.negative,
                    &low_part.subtract(&high_part),
                    exponent,
                    sticky,
                ),
            }
        };
        (!sum.infinite).then_some(sum)
    }

    /// As `%.17Lf` prints it, without the zeros at the end, and without a point that nothing follows.
    pub(super) fn print(self) -> String {
        let scaled = Big::from_u64(self.mantissa).multiply(&Big::power_of_ten(DECIMALS));
        let scaled = if self.exponent >= 0 {
            scaled.shift_left(self.exponent.unsigned_abs())
        } else {
            let cut = self.exponent.unsigned_abs();
            let half = scaled.bit(cut.saturating_sub(1));
            let below = scaled.has_bits_below(cut.saturating_sub(1));
            let kept = scaled.shift_right(cut);
            if half && (below || kept.bit(0)) {
                kept.add(&Big::from_u64(1))
            } else {
                kept
            }
        };
        let digits = format!("{:0>18}", scaled.to_decimal());
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(DECIMALS as usize));
        let fraction = fraction.trim_end_matches('0');
        let sign = if self.negative { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        let text = format!("{sign}{whole}{point}{fraction}");
        if text == "-0" { "0".into() } else { text }
    }
}

/// An exponent's digits, with or without a sign; what is out of all range is cut to something that is out of range.
fn exponent_of(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0i64;
    for &byte in digits {
        let digit = char::from(byte).to_digit(10)?;
        value = value
            .saturating_mul(10)
            .saturating_add(digit.into())
            .min(1_000_000_000);
    }
    Some(if negative {
        value.saturating_neg()
    } else {
        value
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> Option<String> {
        let a = LongDouble::parse(a.as_bytes())?;
        Some(a.add(LongDouble::parse(b.as_bytes())?)?.print())
    }

    // What redis-server answers to SET and INCRBYFLOAT.
    #[test]
    fn sums_are_those_of_redis() {
        for (a, b, expected) in [
            ("0.1", "0.2", Some("0.3")),
            ("10.50", "0.1", Some("10.6")),
            ("5.0e3", "2.0e2", Some("5200")),
            ("3", "-3", Some("0")),
            ("-1.5", "1", Some("-0.5")),
            ("1e-17", "0", Some("0.00000000000000001")),
            ("1e30", "0", Some("1000000000000000000024696061952")),
            ("9007199254740993", "0", Some("9007199254740993")),
            ("18446744073709551615", "1", Some("18446744073709551616")),
            ("18446744073709551616", "1", Some("18446744073709551616")),
            (
                "123456789.123456789",
                "0",
                Some("123456789.12345678899873747"),
            ),
            ("0x10", "0x1p-1", Some("16.5")),
            ("-0", "-0", Some("0")),
            ("1e-4940", "0", Some("0")),
            ("inf", "1", None),
            ("1e5000", "0", None),
            ("1e-5000", "0", None),
            ("1e", "0", None),
            (".", "0", None),
            ("1 ", "0", None),
            ("nan", "0", None),
            ("", "0", None),
        ] {
            assert_eq!(sum(a, b).as_deref(), expected, "{a} {b}");
        }
    }

    #[test]
    fn numbers_that_64_bits_hold_print_as_integers() {
        for value in [0, 1, -1, 42, i64::MAX, i64::MIN] {
            assert_eq!(sum(&value.to_string(), "0"), Some(value.to_string()));
        }
        let largest = sum("1.18973149535723176502e4932", "0").unwrap();
        assert_eq!(largest.len(), 4933);
        assert_eq!(sum("1.18973149535723176502e4932", "1e4932"), None);
    }
}
