//! Transactions: serialisable against each other and against plain writes, with savepoints and locks.
#![allow(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "a test on a host"
)]

use core::ops::Bound;
use core::time::Duration;
use proptest::prelude::*;
use std::collections::BTreeMap;
use underpin::sys::{native, path_bytes};
use underpin_core::db::{Db, Error, Options, Transaction, WriteLevel};
use underpin_core::platform::Files;
use underpin_core::platform::sim::{Sim, SimFaults, SimOptions};

const LEVEL: WriteLevel = WriteLevel::Buffered;

fn db() -> Db<Sim> {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let mut options = Options::default();
    options.memtable_bytes = 4096;
    options.tables_max = 2;
    Db::open(sim, b"/db", options).unwrap()
}

fn number<P: Files>(transaction: &mut Transaction<P>, key: &[u8]) -> u64 {
    let value = transaction.get_for_update(key).unwrap();
    value.map_or(0, |value| u64::from_le_bytes(value.try_into().unwrap()))
}

#[test]
fn a_transaction_sees_its_moment_and_its_own_writes_until_it_commits() {
    let db = db();
    let other = db.keyspace("other").unwrap();
    for key in [b"a", b"b", b"c"] {
        db.put(key, b"old", LEVEL).unwrap();
    }
    let mut transaction = db.transaction().unwrap();
    db.put(b"d", b"later", LEVEL).unwrap();
    transaction.remove(b"b").unwrap();
    transaction.put(b"bb", b"new").unwrap();
    transaction.select(other.id()).put(b"bc", b"there").unwrap();
    transaction.select(underpin_core::db::KeyspaceId::DEFAULT);
    assert_eq!(transaction.get(b"b").unwrap(), None);
    assert_eq!(transaction.get(b"d").unwrap(), None);
    let mut seen = Vec::new();
    let mut scan = transaction
        .scan(Bound::Excluded(b"a"), Bound::Unbounded)
        .unwrap();
    while let Some((key, _)) = scan.next().unwrap() {
        seen.push(key);
    }
    assert_eq!(seen, [b"bb".to_vec(), b"c".to_vec()]);
    assert_eq!(db.get(b"bb").unwrap(), None);
    // Key `d` is in the range that was walked.
    assert_eq!(transaction.commit(LEVEL), Err(Error::Conflict));
    assert_eq!(db.get(b"b").unwrap().as_deref(), Some(&b"old"[..]));
    let mut transaction = db.transaction().unwrap();
    transaction.get(b"a").unwrap();
    transaction.put(b"b", b"new").unwrap();
    transaction.select(other.id()).put(b"b", b"there").unwrap();
    db.put(b"b", b"blind writes are no conflict", LEVEL)
        .unwrap();
    transaction.commit(LEVEL).unwrap();
    assert_eq!(db.get(b"b").unwrap().as_deref(), Some(&b"new"[..]));
    assert_eq!(other.get(b"b").unwrap().as_deref(), Some(&b"there"[..]));
}

#[test]
fn a_change_is_noticed_wherever_it_went_since() {
    for changed in [&b"new"[..], b""] {
        for keep in ["memory", "flushed", "merged"] {
            let db = db();
            db.put(b"k", b"old", LEVEL).unwrap();
            let mut transaction = db.transaction().unwrap();
            assert!(transaction.get(b"k").unwrap().is_some());
            transaction.put(b"result", b"1").unwrap();
            match changed {
                b"" => db.remove_range(b"a", b"z", LEVEL).unwrap(),
                value => db.put(b"k", value, LEVEL).unwrap(),
            }
            match keep {
                "flushed" => db.flush().unwrap(),
                "merged" => db.compact().unwrap(),
                _ => {}
            }
            assert_eq!(transaction.commit(LEVEL), Err(Error::Conflict), "{keep}");
            assert_eq!(db.get(b"result").unwrap(), None);
        }
    }
}

#[test]
fn a_clear_and_a_drop_of_a_keyspace_are_noticed_although_nothing_was_written() {
    for what in ["key", "missing key", "range", "dropped"] {
        let db = db();
        let other = db.keyspace("other").unwrap();
        db.put(b"k", b"old", LEVEL).unwrap();
        other.put(b"k", b"old", LEVEL).unwrap();
        let mut transaction = db.transaction().unwrap();
        match what {
            "key" => drop(transaction.get(b"k").unwrap()),
            "missing key" => drop(transaction.get(b"none").unwrap()),
            "range" => {
                let mut scan = transaction.scan(Bound::Unbounded, Bound::Unbounded);
                assert!(scan.as_mut().unwrap().next().unwrap().is_some());
            }
            _ => drop(transaction.select(other.id()).get(b"k").unwrap()),
        }
        transaction.select(underpin_core::db::KeyspaceId::DEFAULT);
        transaction.put(b"result", b"1").unwrap();
        let expected = match what {
            "dropped" => {
                db.drop_keyspace(other.id()).unwrap();
                Err(Error::NoKeyspace)
            }
            _ => {
                db.clear().unwrap();
                match what {
                    "missing key" => Ok(()),
                    _ => Err(Error::Conflict),
                }
            }
        };
        assert_eq!(transaction.commit(LEVEL), expected, "{what}");
        let written = db.get(b"result").unwrap().is_some();
        assert_eq!(written, expected.is_ok(), "{what}");
    }
}

#[test]
fn savepoints_nest_and_take_back_what_came_after() {
    let db = db();
    let mut transaction = db.transaction().unwrap();
    assert!(!transaction.rollback_to_savepoint());
    transaction.put(b"a", b"1").unwrap();
    transaction.savepoint();
    transaction.put(b"a", b"2").unwrap();
    transaction.put(b"b", b"2").unwrap();
    transaction.savepoint();
    transaction.remove(b"a").unwrap();
    assert!(transaction.rollback_to_savepoint());
    assert_eq!(transaction.get(b"a").unwrap().as_deref(), Some(&b"2"[..]));
    assert!(transaction.rollback_to_savepoint());
    assert_eq!(transaction.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(transaction.get(b"b").unwrap(), None);
    transaction.commit(LEVEL).unwrap();
    assert_eq!(db.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_lock_keeps_others_out_until_the_transaction_ends() {
    let db = db();
    let mut first = db.locking_transaction(Duration::from_secs(1)).unwrap();
    first.put(b"k", b"1").unwrap();
    let mut second = db.locking_transaction(Duration::from_millis(1)).unwrap();
    assert_eq!(second.put(b"k", b"2"), Err(Error::Conflict));
    second.put(b"other", b"2").unwrap();
    first.commit(LEVEL).unwrap();
    assert_eq!(
        second.get_for_update(b"k").unwrap().as_deref(),
        Some(&b"1"[..])
    );
    second.put(b"k", b"2").unwrap();
    second.commit(LEVEL).unwrap();
    assert_eq!(db.get(b"k").unwrap().as_deref(), Some(&b"2"[..]));
}

#[test]
fn counters_raised_by_threads_lose_no_count_with_or_without_locks() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 100;
    let path = std::env::temp_dir().join(format!("underpin-transactions-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let db = Db::open(native(), path_bytes(&path), Options::default()).unwrap();
    for locking in [false, true] {
        let key: &[u8] = if locking { b"locking" } else { b"optimistic" };
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let mut done = 0;
                    while done < ROUNDS {
                        let mut transaction = if locking {
                            db.locking_transaction(Duration::from_secs(60)).unwrap()
                        } else {
                            db.transaction().unwrap()
                        };
                        let value = number(&mut transaction, key) + 1;
                        transaction.put(key, &value.to_le_bytes()).unwrap();
                        match transaction.commit(LEVEL) {
                            Ok(()) => done += 1,
                            Err(error) => assert!(!locking && error == Error::Conflict, "{error}"),
                        }
                    }
                });
            }
        });
        let count = db.get(key).unwrap().unwrap();
        assert_eq!(count, (THREADS * ROUNDS).to_le_bytes());
    }
    db.close().unwrap();
    std::fs::remove_dir_all(&path).unwrap();
}

/// A transaction, and from which key to which it added.
type Running = (Transaction<Sim>, Vec<(u8, u8)>);

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    /// Whatever commits, commits as if it had run alone at that moment.
    #[test]
    fn committed_transactions_are_serialisable(
        steps in prop::collection::vec((0..3usize, 0..5u8, any::<u8>(), 0..8u8), 1..120),
    ) {
        let db = db();
        let mut model: BTreeMap<u8, u64> = BTreeMap::new();
        // What each did, to be run on the model: add the value of one key to another.
        let mut running: Vec<Running> = Vec::new();
        for (which, from, to, what) in steps {
            let to = to % 5;
            while running.len() < 3 {
                running.push((db.transaction().unwrap(), Vec::new()));
            }
            match what {
                0..5 => {
                    let (transaction, done) = &mut running[which];
                    let sum = number(transaction, &[from]) + number(transaction, &[to]) + 1;
                    transaction.put(&[to], &sum.to_le_bytes()).unwrap();
                    done.push((from, to));
                }
                5 => db.flush().unwrap(),
                _ => {
                    let (transaction, done) = running.remove(which);
                    if transaction.commit(LEVEL).is_ok() {
                        for (from, to) in done {
                            let value = |key| model.get(&key).copied().unwrap_or(0);
                            let sum = value(from) + value(to) + 1;
                            model.insert(to, sum);
                        }
                    }
                    for (key, value) in &model {
                        prop_assert_eq!(db.get(&[*key]).unwrap().unwrap(), value.to_le_bytes());
                    }
                }
            }
        }
    }
}
