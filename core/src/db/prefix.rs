//! Keys as numbers: cheaper to compare, and they lie side by side.
#![forbid(unsafe_code)]

/// Bytes that count.
pub(super) const PREFIX_BYTES: usize = 8;

/// The first eight bytes as a number that orders as they do: of two keys with different ones the smaller number's is the smaller.
#[inline]
pub(super) fn prefix(key: &[u8]) -> u64 {
    match key.first_chunk::<PREFIX_BYTES>() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => {
            let mut bytes = [0; PREFIX_BYTES];
            for (to, from) in bytes.iter_mut().zip(key) {
                *to = *from;
            }
            u64::from_be_bytes(bytes)
        }
    }
}
