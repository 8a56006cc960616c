//! Who watches which key (`WATCH`), and whose keys have changed since.
#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};

/// The watched keys of all clients.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    by_key: HashMap<Box<[u8]>, Vec<u64>>,
    /// Clients one of whose keys changed.
    changed: HashSet<u64>,
}

impl Watchers {
    /// Client `id` watches `key`; false if it did already.
    pub(crate) fn watch(&mut self, id: u64, key: &[u8]) -> bool {
        let ids = match self.by_key.get_mut(key) {
            Some(ids) => ids,
            None => self.by_key.entry(key.into()).or_default(),
        };
        let is_new = !ids.contains(&id);
        if is_new {
            ids.push(id);
        }
        is_new
    }

    /// Client `id` watches none of `keys`, which are all of its own, any more.
    pub(crate) fn unwatch<'a>(&mut self, id: u64, keys: impl Iterator<Item = &'a [u8]>) {
        for key in keys {
            if let Some(ids) = self.by_key.get_mut(key) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.by_key.remove(key);
                }
            }
        }
        self.changed.remove(&id);
    }

    /// `key` has a new value or none.
    #[inline]
    pub(crate) fn touch(&mut self, key: &[u8]) {
        if self.by_key.is_empty() {
            return;
        }
        if let Some(ids) = self.by_key.get(key) {
            self.changed.extend(ids);
        }
    }

    /// Whether a key of client `id` changed.
    pub(crate) fn is_changed(&self, id: u64) -> bool {
        self.changed.contains(&id)
    }

    /// Every watched key.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.by_key.keys().map(|key| &**key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_reaches_all_watchers_and_nobody_else() {
        let mut watchers = Watchers::default();
        assert!(watchers.watch(1, b"a"));
        assert!(!watchers.watch(1, b"a"));
        assert!(watchers.watch(2, b"a"));
        assert!(watchers.watch(3, b"b"));
        watchers.touch(b"a");
        watchers.touch(b"c");
        assert_eq!(
            [1, 2, 3].map(|id| watchers.is_changed(id)),
            [true, true, false]
        );
        watchers.unwatch(1, [&b"a"[..]].into_iter());
        watchers.unwatch(2, [&b"a"[..]].into_iter());
        watchers.touch(b"a");
        assert!(!watchers.is_changed(1));
        assert_eq!(watchers.keys().count(), 1);
    }
}
