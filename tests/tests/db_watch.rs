//! What a program learns of its database: times, events, slow calls.
#![allow(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "a test on a host"
)]

use core::time::Duration;
use std::sync::{Arc, Mutex};
use underpin_core::db::{Db, Error, Event, EventHook, Maintenance, Operation, Options, WriteLevel};
use underpin_core::platform::sim::{Sim, SimFaults, SimOptions};

/// An event, kept.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Flushed {
        bytes: u64,
        tables: usize,
    },
    Merged {
        from: usize,
        to: usize,
        read: u64,
        written: u64,
    },
    Slow(Operation, Vec<u8>, Duration),
    Stalled,
    Failed(Error),
    Other,
}

fn watched(mut options: Options) -> (Options, Arc<Mutex<Vec<Seen>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = seen.clone();
    options.events = Some(EventHook::new(move |event| {
        into.lock().unwrap().push(match *event {
            Event::Flushed { bytes, tables, .. } => Seen::Flushed { bytes, tables },
            Event::Merged {
                from,
                to,
                bytes_read: read,
                bytes_written: written,
                ..
            } => Seen::Merged {
                from,
                to,
                read,
                written,
            },
            Event::Slow {
                operation,
                key,
                took,
            } => Seen::Slow(operation, key.to_vec(), took),
            Event::Stalled { .. } => Seen::Stalled,
            Event::MaintenanceFailed { error } => Seen::Failed(error.clone()),
            _ => Seen::Other,
        });
    }));
    (options, seen)
}

fn machine() -> Sim {
    Sim::new(SimOptions::new(7).with_faults(SimFaults::none()))
}

#[test]
fn flushes_merges_stalls_and_failures_are_told_with_their_sizes() {
    let mut options = Options::default();
    options.memtable_bytes = 16 << 10;
    options.tables_max = 2;
    options.maintenance = Maintenance::Caller;
    let (options, seen) = watched(options);
    let sim = machine();
    let db = Db::open(sim.clone(), b"/db", options).unwrap();
    let write = |numbers: core::ops::Range<u32>| {
        for number in numbers {
            db.put(
                &(number % 20).to_be_bytes(),
                &[1; 1000],
                WriteLevel::Buffered,
            )
            .unwrap();
        }
    };
    for _ in 0..3 {
        write(0..10);
        db.flush().unwrap();
    }
    db.maintain().unwrap();
    let stats = db.stats();
    let told = core::mem::take(&mut *seen.lock().unwrap());
    let flushed: u64 = told
        .iter()
        .map(|event| match event {
            Seen::Flushed { bytes, tables } => {
                assert_eq!(*tables, 1);
                *bytes
            }
            _ => 0,
        })
        .sum();
    assert_eq!(flushed, stats.flush_bytes);
    assert_eq!(
        told.last(),
        Some(&Seen::Merged {
            from: 0,
            to: 6,
            read: stats.merge_bytes_read,
            written: stats.merge_bytes_written
        })
    );
    let timings = db.timings();
    assert_eq!(timings.flushes.count, 3);
    assert_eq!(timings.merges.count, 1);
    assert!(timings.flushes.p50 <= timings.flushes.max && timings.flushes.max > Duration::ZERO);
    assert_eq!(
        (timings.gets.count, timings.writes.count),
        (0, 0),
        "not asked for"
    );
    // Twice the memtable: the writer makes room itself.
    write(0..60);
    assert!(seen.lock().unwrap().contains(&Seen::Stalled));
    assert!(db.timings().stalls.count > 0);
    let mut faults = SimFaults::none();
    faults.open_error_ppm = 1_000_000;
    sim.set_faults(faults);
    write(0..17);
    let error = db.maintain().unwrap_err();
    assert_eq!(seen.lock().unwrap().last(), Some(&Seen::Failed(error)));
}

#[test]
fn slow_calls_are_told_with_their_key_and_all_are_counted() {
    let mut options = Options::default();
    options.timings = true;
    options.slow_after = Some(Duration::from_nanos(1));
    let (options, seen) = watched(options);
    let db = Db::open(machine(), b"/db", options.clone()).unwrap();
    db.put(b"apple", b"red", WriteLevel::Data).unwrap();
    assert_eq!(db.get(b"pear").unwrap(), None);
    let told = seen.lock().unwrap().clone();
    let calls: Vec<(Operation, &[u8])> = told
        .iter()
        .map(|event| match event {
            Seen::Slow(operation, key, took) => {
                assert!(*took >= Duration::from_nanos(1));
                (*operation, key.as_slice())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: [(Operation, &[u8]); 3] = [
        (Operation::Sync, b""),
        (Operation::Write, b"apple"),
        (Operation::Get, b"pear"),
    ];
    assert_eq!(calls, expected);
    let timings = db.timings();
    assert_eq!((timings.gets.count, timings.writes.count), (1, 1));
    assert_eq!(timings.syncs.count, 1);
    assert!(timings.writes.p999 >= timings.syncs.p50);
    db.close().unwrap();

    let mut unheard = options;
    unheard.events = None;
    let error = Db::open(machine(), b"/db", unheard).unwrap_err();
    assert!(matches!(error, Error::Invalid(why) if why.contains("events")));
}
