//! The model of a memtable: what is visible is found, in order and whole, while the guide's pages split under the reader.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p underpin-core --release --lib loom`.
#![forbid(unsafe_code)]

use super::{Memtable, MemtableCursor};
use crate::db::entry::Kind;
use crate::db::filter;
use ::loom::sync::atomic::{AtomicUsize, Ordering};
use ::loom::thread;
use alloc::sync::Arc;
use core::ops::Bound;

/// In the order of their numbers: pages hold three slots, so the fourth splits one. The last is a second version.
const KEYS: [&[u8]; 5] = [b"b", b"d", b"c", b"a", b"c"];

fn insert(table: &Memtable, number: usize) {
    let value = [number as u8];
    table.insert(KEYS[number], number as u64 + 1, Kind::Put, &value);
}

/// A reader checks while one write follows those that were there before.
fn model(inserted_before: usize, check: fn(&Arc<Memtable>, usize)) {
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 10_000;
    builder.check(move || {
        let table = Arc::new(Memtable::new(0));
        let visible = Arc::new(AtomicUsize::new(inserted_before));
        for number in 0..inserted_before {
            insert(&table, number);
        }
        let reader = thread::spawn({
            let (table, visible) = (table.clone(), visible.clone());
            move || check(&table, visible.load(Ordering::Acquire))
        });
        insert(&table, inserted_before);
        visible.store(inserted_before + 1, Ordering::Release);
        reader.join().unwrap();
    });
}

/// The newest of the first writes that is of the key.
fn expected(key: &[u8], visible: usize) -> Option<u8> {
    let found = KEYS[..visible].iter().rposition(|other| *other == key);
    found.map(|number| number as u8)
}

fn gets(table: &Arc<Memtable>, visible: usize) {
    let key = &b"d"[..];
    let mut found = table.versions(key, filter::hash(key), visible as u64);
    let value = found.next().map(|version| version.value[0]);
    assert_eq!(value, expected(key, visible), "as of {visible}");
}

fn walks(table: &Arc<Memtable>, visible: usize) {
    let mut cursor = MemtableCursor::new(table.clone(), visible as u64, None);
    cursor.seek(Bound::Unbounded, false);
    for key in [&b"a"[..], b"b", b"c", b"d"] {
        let Some(value) = expected(key, visible) else {
            continue;
        };
        let entry = cursor.entry().unwrap();
        assert_eq!((entry.key, entry.value), (key, &[value][..]));
        cursor.step(false);
    }
    assert!(cursor.entry().is_none());
}

#[test]
fn loom_a_memtable_finds_what_is_visible_while_pages_split() {
    // The third shifts a slot, the fourth splits the page: in both the key's own slot moves.
    model(2, gets);
    model(3, gets);
}

#[test]
fn loom_a_memtable_is_walked_in_order_while_it_grows() {
    (2..KEYS.len()).for_each(|before| model(before, walks));
}
