//! Why a command was refused, in Redis's words.
#![forbid(unsafe_code)]

use crate::server::store;
use std::borrow::Cow;
use underpin_core::db;

/// An error reply: its code, such as `ERR`, and its text.
#[derive(Clone, Debug)]
pub(crate) struct Failure(Cow<'static, [u8]>);

/// Result of a command; its reply was written.
pub(crate) type Outcome = Result<(), Failure>;

impl Failure {
    pub(crate) const SYNTAX: Self = Self::fixed("ERR syntax error");
    pub(crate) const NOT_AN_INTEGER: Self =
        Self::fixed("ERR value is not an integer or out of range");
    pub(crate) const NOT_A_FLOAT: Self = Self::fixed("ERR value is not a valid float");
    pub(crate) const NO_SUCH_KEY: Self = Self::fixed("ERR no such key");
    pub(crate) const STRING_TOO_LONG: Self =
        Self::fixed("ERR string exceeds maximum allowed size (proto-max-bulk-len)");

    pub(crate) const REPLY_TOO_LARGE: Self =
        Self::fixed("ERR reply exceeds the limit of a client's output buffer");

    pub(crate) const fn fixed(text: &'static str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self(Cow::Owned(text.into().into_bytes()))
    }

    pub(crate) fn bytes(text: Vec<u8>) -> Self {
        Self(Cow::Owned(text))
    }

    pub(crate) fn arity(full_name: &str) -> Self {
        Self::text(format!(
            "ERR wrong number of arguments for '{}' command",
            full_name.to_ascii_lowercase()
        ))
    }

    pub(crate) fn expire_time(command: &str) -> Self {
        Self::text(format!(
            "ERR invalid expire time in '{}' command",
            command.to_ascii_lowercase()
        ))
    }

    pub(crate) fn unknown_subcommand(container: &str, given: &[u8]) -> Self {
        let mut text = b"ERR unknown subcommand '".to_vec();
        text.extend(given.iter().take(128));
        text.extend_from_slice(format!("'. Try {container} HELP.").as_bytes());
        Self::bytes(text)
    }

    /// The reply's bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        let code = match &error {
            // The code that clients know for a server that cannot write to its disk.
            store::Error::Database(db::Error::Poisoned | db::Error::Io { .. }) => "MISCONF",
            _ => "ERR",
        };
        Self::text(format!("{code} {error}"))
    }
}

impl From<db::Error> for Failure {
    fn from(error: db::Error) -> Self {
        store::Error::from(error).into()
    }
}
