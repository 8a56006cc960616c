//! Reading arguments: integers and keywords.
#![forbid(unsafe_code)]

use super::failure::Failure;
use crate::server::resp::parse_i64;

/// An integer, or the usual complaint.
pub(super) fn integer(text: &[u8]) -> Result<i64, Failure> {
    parse_i64(text).ok_or(Failure::NOT_AN_INTEGER)
}

/// Whether `text` is the keyword `word`, which is in capitals.
pub(super) fn is(text: &[u8], word: &str) -> bool {
    text.eq_ignore_ascii_case(word.as_bytes())
}

/// How an expiry is stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
    UnixSeconds,
    UnixMilliseconds,
}

impl Unit {
    /// The unit that the keyword `text` of `SET` and `GETEX` stands for.
    pub(super) fn from_keyword(text: &[u8]) -> Option<Self> {
        [
            ("EX", Self::Seconds),
            ("PX", Self::Milliseconds),
            ("EXAT", Self::UnixSeconds),
            ("PXAT", Self::UnixMilliseconds),
        ]
        .into_iter()
        .find_map(|(word, unit)| is(text, word).then_some(unit))
    }

    /// Milliseconds since 1970 for `count` of this unit; `None` if that is out of range.
    pub(super) fn to_unix_ms(self, count: i64, now_ms: u64) -> Option<i64> {
        let now_ms = i64::try_from(now_ms).ok()?;
        match self {
            Self::Seconds => count.checked_mul(1000)?.checked_add(now_ms),
            Self::Milliseconds => count.checked_add(now_ms),
            Self::UnixSeconds => count.checked_mul(1000),
            Self::UnixMilliseconds => Some(count),
        }
    }

    /// An expiry that must lie after 1970, as `SET` and `GETEX` want it.
    pub(super) fn expiry(self, text: &[u8], now_ms: u64, command: &str) -> Result<u64, Failure> {
        let count = integer(text)?;
        if count <= 0 {
            return Err(Failure::expire_time(command));
        }
        self.to_unix_ms(count, now_ms)
            .and_then(|at| u64::try_from(at).ok())
            .ok_or_else(|| Failure::expire_time(command))
    }
}
