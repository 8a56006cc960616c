//! The requests that took long, the newest ones of them (`SLOWLOG`).
//!
//! # Bounds
//!
//! [`SlowLog::entries_max`] entries of at most [`ARGS_MAX`] arguments of [`ARG_BYTES_MAX`] bytes: 4 KiB each.
#![forbid(unsafe_code)]

use super::client::Client;
use super::resp::Args;
use core::net::SocketAddr;
use std::collections::VecDeque;

/// Arguments that are kept of a request.
const ARGS_MAX: usize = 32;
/// Bytes that are kept of an argument.
const ARG_BYTES_MAX: usize = 128;

/// A request that took long.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) at_ms: u64,
    pub(crate) us: u64,
    pub(crate) args: Vec<Box<[u8]>>,
    pub(crate) peer: SocketAddr,
    pub(crate) client_name: Box<[u8]>,
}

/// The log. See the [module](self).
#[derive(Debug)]
pub(crate) struct SlowLog {
    entries: VecDeque<Entry>,
    next_id: u64,
    pub(crate) limits: Limits,
}

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Requests of at least so many microseconds are kept; negative: none.
    pub(crate) slower_than_us: i64,
    /// Entries at most, once the next one comes.
    pub(crate) entries_max: usize,
}

impl Default for SlowLog {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            next_id: 0,
            limits: Limits {
                slower_than_us: 10_000,
                entries_max: 128,
            },
        }
    }
}

impl SlowLog {
    /// Whether a request of `us` microseconds is to be kept.
    pub(crate) fn wants(&self, us: u64) -> bool {
        u64::try_from(self.limits.slower_than_us).is_ok_and(|least| us >= least)
    }

    /// Keeps a request.
    pub(crate) fn push(&mut self, args: Args<'_>, us: u64, at_ms: u64, client: &Client) {
        let mut kept: Vec<Box<[u8]>> = Vec::new();
        for (index, arg) in args.iter_from(0).enumerate() {
            if index + 1 == ARGS_MAX && args.len() > ARGS_MAX {
                let more = args.len() - index;
                kept.push(format!("... ({more} more arguments)").into_bytes().into());
                break;
            }
            if is_secret(args, index) {
                kept.push((*b"(redacted)").into());
                continue;
            }
            match arg.split_at_checked(ARG_BYTES_MAX) {
                Some((start, rest)) if !rest.is_empty() => {
                    let note = format!("... ({} more bytes)", rest.len());
                    kept.push([start, note.as_bytes()].concat().into());
                }
                _ => kept.push(arg.into()),
            }
        }
        self.entries.push_front(Entry {
            id: self.next_id,
            at_ms,
            us,
            args: kept,
            peer: client.peer,
            client_name: client.name.as_slice().into(),
        });
        self.next_id += 1;
        self.entries.truncate(self.limits.entries_max);
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
}

/// Whether an argument is a password, or the name beside one, which do not go where others read them.
fn is_secret(args: Args<'_>, index: usize) -> bool {
    let is = |at: usize, word: &str| {
        let arg = args.get(at);
        arg.is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    };
    let Some(before) = index.checked_sub(1) else {
        return false;
    };
    if is(0, "hello") {
        return is(before, "auth") || (before > 1 && is(before - 1, "auth"));
    }
    is(0, "auth")
        || is(0, "config")
            && index >= 3
            && index % 2 == 1
            && ["requirepass", "masterauth", "masteruser"]
                .iter()
                .any(|name| is(before, name))
}
