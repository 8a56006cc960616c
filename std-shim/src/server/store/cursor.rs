//! Cursors of `SCAN`: numbers that stand for the key after which a scan goes on.
//!
//! Keys lie in order, so a position is a key; a client holds a number. A bounded table keeps the keys of the numbers that
//! were given out last. Equal positions share a number, so that many clients who scan the same keys share entries.
//!
//! # Guarantee
//!
//! A key that is there during a whole scan is returned at least once. A number that the table has forgotten
//! (1,024 newer ones were given out, or the server was started anew) starts from the first key: keys may then be returned
//! twice, as Redis's own rehashing may do, but none is missed.
#![forbid(unsafe_code)]

use core::hash::BuildHasher;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::hash::RandomState;

/// Numbers remembered; with keys of at most 64 KiB this is 64 MiB at worst, 100 KB in practice.
const CURSORS_MAX: usize = 1024;
/// Numbers fit a double's 53 bits, as some clients read them into one.
const MASK: u64 = (1 << 52) - 1;

/// The table. See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Cursors {
    keys: HashMap<u64, Box<[u8]>>,
    age: VecDeque<u64>,
    hash: RandomState,
}

impl Cursors {
    /// The number for going on after `key`; never 0.
    pub(crate) fn remember(&mut self, key: &[u8]) -> u64 {
        let mut cursor = (self.hash.hash_one(key) & MASK).max(1);
        while let Some(other) = self.keys.get(&cursor) {
            if **other == *key {
                // Given out anew, so it must not be the next to go.
                self.age.retain(|aged| *aged != cursor);
                self.age.push_back(cursor);
                return cursor;
            }
            cursor = (cursor.wrapping_add(1) & MASK).max(1);
        }
        if self.age.len() >= CURSORS_MAX
            && let Some(oldest) = self.age.pop_front()
        {
            self.keys.remove(&oldest);
        }
        self.keys.insert(cursor, key.into());
        self.age.push_back(cursor);
        cursor
    }

    /// The key that `cursor` stands for; `None` starts from the first key.
    pub(crate) fn key(&self, cursor: u64) -> Option<&[u8]> {
        self.keys.get(&cursor).map(|key| &**key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_remembered_shared_and_bounded() {
        let mut cursors = Cursors::default();
        let first = cursors.remember(b"first");
        assert_ne!(first, 0);
        assert_eq!(cursors.remember(b"first"), first);
        assert_eq!(cursors.key(first), Some(&b"first"[..]));
        assert_eq!(cursors.key(0), None);
        for index in 0..CURSORS_MAX {
            cursors.remember(format!("key {index}").as_bytes());
        }
        assert_eq!(cursors.key(first), None);
        let oldest = cursors.remember(b"key 0");
        cursors.remember(b"one more");
        assert!(cursors.key(oldest).is_some(), "it was just given out");
        assert_eq!(cursors.keys.len(), CURSORS_MAX);
        assert_eq!(cursors.age.len(), CURSORS_MAX);
    }
}
