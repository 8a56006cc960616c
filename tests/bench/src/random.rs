//! Keys, values and orders that are the same for every subject and in every run.

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 16;
/// Bytes of a value.
pub(crate) const VALUE_BYTES: usize = 100;

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a bijection, so distinct numbers give distinct keys.
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Key number `index`: sixteen hexadecimal digits, in an order that has nothing to do with the index.
pub(crate) fn key(index: u64) -> [u8; KEY_BYTES] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let number = mix(index);
    let mut key = [0; KEY_BYTES];
    for (place, digit) in key.iter_mut().enumerate() {
        *digit = DIGITS[(number >> (60 - 4 * place)) as usize & 15];
    }
    key
}

/// The value that belongs to key number `index`: the number, then bytes that do not compress.
pub(crate) fn value(index: u64) -> [u8; VALUE_BYTES] {
    let mut value = [0; VALUE_BYTES];
    for (place, chunk) in value.chunks_mut(8).enumerate() {
        let word = if place == 0 {
            index
        } else {
            mix(index ^ (place as u64) << 56)
        };
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
    value
}

/// Whether `value` is as long as the value of key number `index` and starts as it does: cheap enough for a timed loop.
pub(crate) fn looks_right(value: &[u8], index: u64) -> bool {
    value.len() == VALUE_BYTES && value[..8] == index.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_values_belong_to_them() {
        assert_eq!(key(0), *b"e220a8397b1dcdaf");
        assert_ne!(key(1), key(2));
        assert!(looks_right(&value(7), 7));
        assert!(!looks_right(&value(7), 8));
        assert!(!looks_right(&value(7)[1..], 7));
    }
}
