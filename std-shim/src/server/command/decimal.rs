//! Exact decimal sums for `INCRBYFLOAT`: 0.1 + 0.2 is 0.3.
//!
//! Redis adds in 80-bit binary floats and prints 17 decimals. Here a number is a 128-bit count of 10^-17: sums of numbers
//! below 10^19 with at most 17 decimals are exact. Anything else falls back to 64-bit floats, printed with 17 decimals.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use crate::server::resp::parse_f64;

/// Decimals kept.
const DECIMALS: u32 = 17;
/// 10^17.
const ONE: u128 = 100_000_000_000_000_000;
/// Largest count: 10^19 times [`ONE`].
const COUNT_MAX: i128 = 10_000_000_000_000_000_000 * ONE.cast_signed();

/// The sum of two numbers in text; `Err(true)` if it is infinite, `Err(false)` if one is no number.
pub(super) fn add(a: &[u8], b: &[u8]) -> Result<String, bool> {
    let (float_a, float_b) = (parse_f64(a).ok_or(false)?, parse_f64(b).ok_or(false)?);
    if let (Some(a), Some(b)) = (exact(a), exact(b)) {
        let sum = a.saturating_add(b);
        if sum.abs() <= COUNT_MAX {
            return Ok(print(sum));
        }
    }
    let sum = float_a + float_b;
    if !sum.is_finite() {
        return Err(true);
    }
    Ok(trim(format!("{sum:.17}")))
}

/// Reads `[sign] digits [. digits] [e [sign] digits]`, if it is a whole count of 10^-17 in bounds.
fn exact(text: &[u8]) -> Option<i128> {
    let text = core::str::from_utf8(text).ok()?;
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let mut count = 0i128;
    for digit in whole.chars().chain(fraction.chars()) {
        count = count
            .checked_mul(10)?
            .checked_add(i128::from(digit.to_digit(10)?))?;
    }
    let decimals = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let shift = i32::try_from(DECIMALS).ok()?.checked_sub(decimals)?;
    if count != 0 {
        let shift = u32::try_from(shift).ok()?;
        count = count.checked_mul(10i128.checked_pow(shift)?)?;
    }
    (count <= COUNT_MAX).then_some(if negative {
        count.wrapping_neg()
    } else {
        count
    })
}

fn print(count: i128) -> String {
    let sign = if count < 0 { "-" } else { "" };
    let (whole, fraction) = (
        count.unsigned_abs().checked_div(ONE).unwrap_or(0),
        count.unsigned_abs().checked_rem(ONE).unwrap_or(0),
    );
    trim(format!("{sign}{whole}.{fraction:017}"))
}

/// Without the zeros at the end, and without a point that nothing follows.
fn trim(mut text: String) -> String {
    if text.contains('.') {
        let kept = text.trim_end_matches('0').trim_end_matches('.').len();
        text.truncate(kept);
    }
    if text == "-0" { "0".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::add;

    #[test]
    fn sums_are_exact_where_they_can_be() {
        for (a, b, sum) in [
            ("0.1", "0.2", Ok("0.3")),
            ("10.50", "0.1", Ok("10.6")),
            ("5.0e3", "2.0e2", Ok("5200")),
            ("3", "-3", Ok("0")),
            ("-1.5", "1", Ok("-0.5")),
            ("1e-17", "0", Ok("0.00000000000000001")),
            ("3000.2", "0", Ok("3000.2")),
            ("1e30", "0", Ok("1000000000000000019884624838656")),
            ("inf", "1", Err(true)),
            ("1e308", "1e308", Err(true)),
            ("a", "1", Err(false)),
            ("1", "", Err(false)),
            ("1", "1 ", Err(false)),
        ] {
            assert_eq!(
                add(a.as_bytes(), b.as_bytes()).as_deref(),
                sum.as_ref().map(|text| &**text),
                "{a} {b}"
            );
        }
    }
}
