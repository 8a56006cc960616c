//! Numbers as Redis reads them: one spelling each, nothing around them.
#![forbid(unsafe_code)]

/// Reads a signed 64-bit integer in its only spelling: no sign `+`, no leading zeros, no `-0`, no spaces.
#[must_use]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    // Counted down, as the negative range is the larger one.
    let mut value = 0i64;
    for &byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value
            .checked_mul(10)?
            .checked_sub(i64::from(byte.wrapping_sub(b'0')))?;
    }
    if negative {
        Some(value)
    } else {
        value.checked_neg()
    }
}

/// Reads a float as C's `strtod` does, without spaces around it and without NaN.
#[must_use]
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let text = core::str::from_utf8(text).ok()?;
    let value: f64 = text.parse().ok()?;
    (!value.is_nan()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_one_spelling() {
        for good in [0, 1, -1, 42, i64::MAX, i64::MIN, -10] {
            assert_eq!(parse_i64(good.to_string().as_bytes()), Some(good));
        }
        for bad in [
            "",
            "-",
            "+1",
            "01",
            "-0",
            "-01",
            " 1",
            "1 ",
            "1.0",
            "a",
            "9223372036854775808",
            "-9223372036854775809",
            "00",
            "99999999999999999999",
        ] {
            assert_eq!(parse_i64(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn floats_are_not_nan_and_have_no_spaces() {
        assert_eq!(parse_f64(b"1.5e3"), Some(1500.0));
        assert_eq!(parse_f64(b"-inf"), Some(f64::NEG_INFINITY));
        for bad in [&b"nan"[..], b"", b" 1", b"1 ", b"1x", b"\xff"] {
            assert_eq!(parse_f64(bad), None);
        }
    }
}
