//! How a value lies in the database: a type byte, an expiry if there is one, then the bytes.
//!
//! ```text
//! value  = header [expiry] bytes
//! header = 0x00 string without expiry | 0x80 string with expiry     (bit 7: expiry; bits 0 to 6: type)
//! expiry = u64 little endian, milliseconds since 1970
//! ```
//!
//! Other header bytes are refused: a database whose values were written by the library alone has none of this.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

/// Header of a string that does not expire.
const STRING: u8 = 0;
/// Set in the header when an expiry follows.
const EXPIRES: u8 = 0x80;

/// A value as the commands see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// The string.
    pub bytes: &'a [u8],
    /// When it ceases to exist, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
}

impl<'a> Value<'a> {
    /// A value that stays.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            expires_ms: None,
        }
    }

    /// Takes apart what the database holds; `None` if it is not in this format.
    #[must_use]
    pub fn decode(stored: &'a [u8]) -> Option<Self> {
        match stored.split_first()? {
            (&STRING, bytes) => Some(Self::new(bytes)),
            (header, rest) if *header == STRING | EXPIRES => {
                let (expiry, bytes) = rest.split_first_chunk::<8>()?;
                Some(Self {
                    bytes,
                    expires_ms: Some(u64::from_le_bytes(*expiry)),
                })
            }
            _ => None,
        }
    }

    /// Writes the stored form to `out`, in place of what is there.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        match self.expires_ms {
            None => out.push(STRING),
            Some(expiry) => {
                out.push(STRING | EXPIRES);
                out.extend_from_slice(&expiry.to_le_bytes());
            }
        }
        out.extend_from_slice(self.bytes);
    }

    /// Whether the value has ceased to exist at `now_ms`.
    #[must_use]
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|expiry| expiry <= now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_form_is_fixed_and_comes_back() {
        let mut out = Vec::new();
        for (value, stored) in [
            (Value::new(b"abc"), &b"\x00abc"[..]),
            (Value::new(b""), b"\x00"),
            (
                Value {
                    bytes: b"x",
                    expires_ms: Some(0x0102),
                },
                b"\x80\x02\x01\0\0\0\0\0\0x",
            ),
        ] {
            value.encode(&mut out);
            assert_eq!(out, stored);
            assert_eq!(Value::decode(&out), Some(value));
        }
        for foreign in [&b""[..], b"\x01a", b"\x80short", b"text"] {
            assert_eq!(Value::decode(foreign), None);
        }
    }
}
