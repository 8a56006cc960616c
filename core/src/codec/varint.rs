//! LEB128 numbers: seven bits a byte, least significant first, the high bit says that more follow.
//!
//! Only the shortest spelling is read, so equal numbers have equal bytes; at most [`BYTES_MAX`] bytes.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use alloc::vec::Vec;

/// Longest encoding of a 64-bit number.
pub const BYTES_MAX: usize = 10;

/// Appends `value`.
#[inline]
pub fn push(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes `value` to the front of `out`, and says how many bytes that took.
#[inline]
pub fn write(out: &mut [u8; BYTES_MAX], mut value: u64) -> usize {
    let mut bytes = 0usize;
    for place in out {
        bytes = bytes.saturating_add(1);
        if value < 0x80 {
            *place = value as u8;
            break;
        }
        *place = (value & 0x7f) as u8 | 0x80;
        value >>= 7;
    }
    bytes
}

/// Reads a number from the front of `bytes`: the number and the rest, or `None` if it is cut, too long or
/// not the shortest spelling.
#[inline]
#[must_use]
pub fn read(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((u64::from(first), rest));
    }
    let mut value = u64::from(first & 0x7f);
    let mut rest = rest;
    let mut shift = 7u32;
    loop {
        let (&byte, after) = rest.split_first()?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && byte > 1 {
            return None;
        }
        value |= bits << shift;
        rest = after;
        if byte < 0x80 {
            return (byte != 0).then_some((value, rest));
        }
        shift = shift.saturating_add(7);
        if shift > 63 {
            return None;
        }
    }
}

/// Bytes that [`push`] appends for `value`.
#[must_use]
pub const fn len(value: u64) -> usize {
    let bits = 64u32.saturating_sub((value | 1).leading_zeros());
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_only_the_shortest_spelling_is_read() {
        for shift in 0..64 {
            for value in [
                (1u64 << shift).wrapping_sub(1),
                1 << shift,
                u64::MAX >> shift,
            ] {
                let mut bytes = Vec::new();
                push(&mut bytes, value);
                assert_eq!(bytes.len(), len(value), "{value}");
                let mut array = [0; BYTES_MAX];
                assert_eq!(write(&mut array, value), bytes.len());
                assert_eq!(array[..bytes.len()], bytes);
                for cut in 0..bytes.len() {
                    assert_eq!(read(&bytes[..cut]), None);
                }
                bytes.push(7);
                assert_eq!(read(&bytes), Some((value, &[7u8][..])));
            }
        }
        assert_eq!(read(&[0x80, 0]), None, "zero in two bytes");
        assert_eq!(read(&[0xff; 11]), None, "eleven bytes");
        let mut over = [0xff; 10];
        over[9] = 2;
        assert_eq!(read(&over), None, "65 bits");
    }
}
