//! Keys as numbers: cheaper to compare, and they lie side by side.
#![forbid(unsafe_code)]

/// Bytes that count.
pub(super) const PREFIX_BYTES: usize = 8;

/// The first of ascending keys that is not less than `key`, or their number. All start with `common`, `prefixes` has the numbers of what follows it,
/// and `key_at` the whole keys.
pub(super) fn first_not_less<'a>(
    common: &[u8],
    prefixes: &[u64],
    key: &[u8],
    key_at: impl Fn(usize) -> &'a [u8],
) -> usize {
    let Some(rest) = key.strip_prefix(common) else {
        return if key < common { 0 } else { prefixes.len() };
    };
    let wanted = prefix(rest);
    let mut low = prefixes.partition_point(|&prefix| prefix < wanted);
    let equal = prefixes.get(low..).unwrap_or_default().iter();
    let mut high = low + equal.take_while(|&&prefix| prefix == wanted).count();
    while low < high {
        let middle = low.midpoint(high);
        if key_at(middle) < key {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

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
