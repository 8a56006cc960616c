//! Every case has a name of its own.
#![forbid(unsafe_code)]

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// The names of all cases.
fn cases() -> Vec<&'static str> {
    let groups: &[&[&str]] = &[
        crate::platform::NAMES,
        crate::clock::NAMES,
        crate::entropy::NAMES,
        crate::memory::NAMES,
        crate::park::NAMES,
        crate::thread::NAMES,
        crate::thread::absent::NAMES,
        crate::thread::concurrent::NAMES,
        crate::thread_slot::NAMES,
        crate::thread_slot::absent::NAMES,
        crate::map::NAMES,
        crate::map::absent::NAMES,
        crate::socket_absent::NAMES,
    ];
    let nested = [crate::file::NAMES, crate::net::NAMES, crate::reactor::NAMES];
    groups
        .iter()
        .chain(nested.into_iter().flatten())
        .flat_map(|group| group.iter().copied())
        .collect()
}

#[test]
fn names_are_unique() {
    let cases = cases();
    let unique: BTreeSet<_> = cases.iter().collect();
    assert_eq!(unique.len(), cases.len());
}
