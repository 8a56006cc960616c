//! Who watches which key (`WATCH`), and whose keys have changed since.
#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};

/// A client that watches a key.
#[derive(Debug)]
struct Watcher {
    id: u64,
    /// The key's time had come already when it was watched, so that its removal is no change.
    was_expired: bool,
}

/// The watched keys of all clients.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    by_key: HashMap<Box<[u8]>, Vec<Watcher>>,
    /// Clients one of whose keys changed.
    changed: HashSet<u64>,
}

impl Watchers {
    /// Client `id` watches `key`, which has a value whose time has come or not; false if it did already.
    pub(crate) fn watch(&mut self, id: u64, key: &[u8], was_expired: bool) -> bool {
        let watchers = match self.by_key.get_mut(key) {
            Some(watchers) => watchers,
            None => self.by_key.entry(key.into()).or_default(),
        };
        let is_new = !watchers.iter().any(|watcher| watcher.id == id);
        if is_new {
            watchers.push(Watcher { id, was_expired });
        }
        is_new
    }

    /// Client `id` watches none of `keys`, which are all of its own, any more.
    pub(crate) fn unwatch<'a>(&mut self, id: u64, keys: impl Iterator<Item = &'a [u8]>) {
        for key in keys {
            if let Some(watchers) = self.by_key.get_mut(key) {
                watchers.retain(|watcher| watcher.id != id);
                if watchers.is_empty() {
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
        if let Some(watchers) = self.by_key.get(key) {
            self.changed
                .extend(watchers.iter().map(|watcher| watcher.id));
        }
    }

    /// The value of `key`, whose time has come, is removed: a change for those who watched it while it was alive.
    pub(crate) fn touch_expired(&mut self, key: &[u8]) {
        if let Some(watchers) = self.by_key.get(key) {
            let saw_it = watchers.iter().filter(|watcher| !watcher.was_expired);
            self.changed.extend(saw_it.map(|watcher| watcher.id));
        }
    }

    /// Whether the time of `key` had come already when client `id` began to watch it.
    pub(crate) fn was_expired(&self, id: u64, key: &[u8]) -> bool {
        let mut watchers = self.by_key.get(key).into_iter().flatten();
        watchers.any(|watcher| watcher.id == id && watcher.was_expired)
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
        assert!(watchers.watch(1, b"a", false));
        assert!(!watchers.watch(1, b"a", true));
        assert!(watchers.watch(2, b"a", false));
        assert!(watchers.watch(3, b"b", false));
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
