//! Commits: threads that share syncs, failures that poison, a full disk, the lock, and bounds of memory.
#![allow(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "a test on a host"
)]

use core::ops::Bound;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::path::PathBuf;
use std::sync::Barrier;
use underpin::sys::{Native, native, path_bytes};
use underpin_core::db::{
    Batch, Db, Error, KEY_BYTES_MAX, Maintenance, Options, VALUE_BYTES_MAX, WriteLevel,
};
use underpin_core::platform::middleware::{Counters, Counting};
use underpin_core::platform::sim::{Sim, SimFaults, SimOptions};
use underpin_core::{Kind, Operation};

fn machine(disk_bytes: u64) -> Sim {
    let options = SimOptions::new(1).with_faults(SimFaults::none());
    Sim::new(options.with_disk_bytes(disk_bytes))
}

fn small() -> Options {
    let mut options = Options::default();
    options.memtable_bytes = 64 << 10;
    options.tables_max = 3;
    options
}

/// A directory of this process's own, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("underpin-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self, options: Options) -> Result<Db<Native>, Error> {
        Db::open(native(), path_bytes(&self.0), options)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn threads_share_syncs_and_each_write_is_there_after_its_return() {
    const THREADS: u64 = 16;
    const WRITES: u64 = 60;
    let scratch = Scratch::new("group-commit");
    let db = scratch.open(Options::default()).unwrap();
    let start = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (db, start) = (&db, &start);
            scope.spawn(move || {
                start.wait();
                for number in 0..WRITES {
                    let key = format!("{thread}/{number}");
                    let level = if number % 2 == 0 {
                        WriteLevel::Data
                    } else {
                        WriteLevel::Full
                    };
                    db.put(key.as_bytes(), key.as_bytes(), level).unwrap();
                    assert_eq!(db.get(key.as_bytes()).unwrap().unwrap(), key.as_bytes());
                }
            });
        }
    });
    let stats = db.stats();
    assert_eq!(stats.batches, THREADS * WRITES);
    assert!(
        stats.log_syncs < stats.batches,
        "nobody shared a sync: {stats:?}"
    );
    drop(db);
    let db = scratch.open(Options::default()).unwrap();
    for thread in 0..THREADS {
        for number in 0..WRITES {
            let key = format!("{thread}/{number}");
            assert_eq!(db.get(key.as_bytes()).unwrap().unwrap(), key.as_bytes());
        }
    }
    db.verify().unwrap();
}

#[test]
fn scans_and_reads_go_on_while_threads_write_flush_merge_and_clear() {
    let scratch = Scratch::new("mixed-threads");
    let mut options = small();
    options.maintenance = Maintenance::Caller;
    let db = scratch.open(options).unwrap();
    let (done, pairs) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for writer in 0..2u32 {
            let db = &db;
            scope.spawn(move || {
                for number in 0..6000u32 {
                    // Both keys of a batch always have one value.
                    let (key, value) = (number % 500, [number.to_le_bytes(), writer.to_le_bytes()]);
                    let mut batch = Batch::new();
                    batch
                        .put(format!("a{key:04}").as_bytes(), value.as_flattened())
                        .unwrap();
                    batch
                        .put(format!("b{key:04}").as_bytes(), value.as_flattened())
                        .unwrap();
                    db.write(&batch, WriteLevel::Buffered).unwrap();
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                db.maintain().unwrap();
                std::thread::yield_now();
            }
        });
        let reader = scope.spawn(|| {
            for round in 0..60 {
                let mut scan = db.scan(Bound::Unbounded, Bound::Unbounded).unwrap();
                let mut seen: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
                while let Some((key, value)) = scan.next().unwrap() {
                    seen.push((key.to_vec(), value.to_vec()));
                }
                assert!(seen.is_sorted());
                let (a, b) = seen.split_at(seen.len() / 2);
                for (a, b) in a.iter().zip(b) {
                    assert_eq!((&a.0[1..], &a.1), (&b.0[1..], &b.1), "half a batch");
                }
                pairs.fetch_add(seen.len() as u64, Ordering::Relaxed);
                if round % 20 == 19 {
                    db.clear().unwrap();
                }
                if round % 25 == 24 {
                    db.verify().unwrap();
                }
            }
        });
        let result = reader.join();
        done.store(true, Ordering::Relaxed);
        result.unwrap();
    });
    assert!(pairs.into_inner() > 0);
    db.close().unwrap();
    scratch.open(small()).unwrap().verify().unwrap();
}

#[test]
fn a_failed_sync_poisons_writes_but_not_reads_until_a_new_open() {
    let sim = machine(1 << 30);
    let db = Db::open(sim.clone(), b"/db", Options::default()).unwrap();
    db.put(b"safe", b"1", WriteLevel::Full).unwrap();
    db.put(b"handed over", b"1", WriteLevel::Os).unwrap();
    sim.fail_nth(Operation::Sync, 1, Kind::Io);
    let error = db.put(b"doubtful", b"2", WriteLevel::Full).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(db.is_poisoned());
    for level in [WriteLevel::Buffered, WriteLevel::Os, WriteLevel::Full] {
        assert_eq!(db.put(b"k", b"v", level), Err(Error::Poisoned));
    }
    assert_eq!(db.sync(WriteLevel::Full), Err(Error::Poisoned));
    assert_eq!(db.clear(), Err(Error::Poisoned));
    assert_eq!(db.flush(), Err(Error::Poisoned));
    // Reads see what was acknowledged, and nothing that a new open might not find.
    assert_eq!(db.get(b"safe").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(db.get(b"handed over").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(db.get(b"doubtful"), Ok(None));
    assert_eq!(db.snapshot().unwrap().count(), Ok(2));
    drop(db);
    let db = Db::open(sim, b"/db", Options::default()).unwrap();
    assert_eq!(db.get(b"safe").unwrap().as_deref(), Some(&b"1"[..]));
    db.put(b"k", b"v", WriteLevel::Full).unwrap();
}

#[test]
fn a_failed_write_of_the_log_poisons_too() {
    let sim = machine(1 << 30);
    let db = Db::open(sim.clone(), b"/db", Options::default()).unwrap();
    db.put(b"buffered", b"v", WriteLevel::Buffered).unwrap();
    sim.fail_nth(Operation::WriteAt, 1, Kind::NoSpace);
    let error = db.put(b"k", b"v", WriteLevel::Os).unwrap_err();
    assert!(
        error.to_string().contains(".log: write: no space left"),
        "{error}"
    );
    assert_eq!(db.put(b"k", b"v", WriteLevel::Os), Err(Error::Poisoned));
    assert_eq!(db.get(b"buffered").unwrap().as_deref(), Some(&b"v"[..]));
    assert_eq!(db.get(b"k"), Ok(None));
}

#[test]
fn a_flush_without_space_loses_nothing_and_is_tried_again() {
    let sim = machine(1 << 30);
    let db = Db::open(sim.clone(), b"/db", small()).unwrap();
    for number in 0..100u8 {
        db.put(&[number], &[number; 100], WriteLevel::Full).unwrap();
    }
    // Into the new log; into the table, after that log and the old one's seal; into the manifest, after the table of the memtable
    // that is frozen by now.
    for nth in [1, 3, 2] {
        sim.fail_nth(Operation::WriteAt, nth, Kind::NoSpace);
        let error = db.flush().unwrap_err();
        let Error::Io { error, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(error.kind(), Kind::NoSpace);
        assert!(!db.is_poisoned());
        db.put(&[nth as u8], b"later", WriteLevel::Full).unwrap();
        assert_eq!(
            db.get(&[nth as u8]).unwrap().as_deref(),
            Some(&b"later"[..])
        );
        let disk = sim.disk_snapshot().after_power_loss(nth);
        let mut options = SimOptions::new(2);
        options.disk = Some(disk);
        let again = Db::open(Sim::new(options), b"/db", small()).unwrap();
        assert_eq!(
            again.get(&[nth as u8]).unwrap().as_deref(),
            Some(&b"later"[..])
        );
        assert_eq!(again.get(&[99]).unwrap().unwrap(), [99; 100]);
    }
    db.flush().unwrap();
    assert_eq!(db.stats().memtable_bytes, 0);
    db.verify().unwrap();
    assert_eq!(db.get(&[99]).unwrap().unwrap(), [99; 100]);
}

#[test]
fn a_full_disk_is_an_error_and_room_made_elsewhere_lets_it_go_on() {
    let sim = machine(600 << 10);
    let mut db = Db::open(sim.clone(), b"/db", small()).unwrap();
    let mut acknowledged = Vec::new();
    let error = loop {
        let number = acknowledged.len() as u32;
        match db.put(&number.to_le_bytes(), &[7; 1000], WriteLevel::Full) {
            Ok(()) => acknowledged.push(number),
            Err(error) => break error,
        }
        assert!(number < 10_000, "the disk never fills");
    };
    assert!(error.to_string().contains("no space left"), "{error}");
    // Clearing needs little space; if not even that is there, the error says so again.
    drop(db);
    match Db::open(sim.clone(), b"/db", small()) {
        Ok(again) => {
            for number in &acknowledged {
                assert!(
                    again.get(&number.to_le_bytes()).unwrap().is_some(),
                    "{number}"
                );
            }
            again.clear().unwrap();
            db = again;
            db.put(b"k", b"v", WriteLevel::Full).unwrap();
        }
        Err(error) => assert!(error.to_string().contains("no space left"), "{error}"),
    }
}

#[test]
fn a_second_open_is_refused_until_the_first_is_gone() {
    let scratch = Scratch::new("locked");
    let first = scratch.open(Options::default()).unwrap();
    assert_eq!(scratch.open(Options::default()).unwrap_err(), Error::Locked);
    let clone = first.clone();
    first.close().unwrap();
    assert_eq!(clone.put(b"k", b"v", WriteLevel::Os), Err(Error::Closed));
    assert_eq!(clone.get(b"k"), Err(Error::Closed));
    let second = scratch.open(Options::default()).unwrap();
    drop(second);
    scratch.open(Options::default()).unwrap();
}

#[test]
fn only_a_new_database_needs_its_parent_directory() {
    static COUNTERS: Counters = Counters::new();
    let platform = Counting::new(machine(1 << 30), &COUNTERS);
    let syncs = || COUNTERS.get(Operation::SyncDirectory).calls;
    drop(Db::open(platform.clone(), b"/db", small()).unwrap());
    let first = syncs();
    drop(Db::open(platform, b"/db", small()).unwrap());
    assert_eq!(syncs() - first, first - 1);
}

#[test]
fn a_directory_that_is_no_database_is_left_alone() {
    let scratch = Scratch::new("no-database");
    let mut options = Options::default();
    options.create = false;
    assert_eq!(
        scratch.open(options.clone()).unwrap_err(),
        Error::NotADatabase
    );
    assert!(!scratch.0.exists());
    std::fs::create_dir_all(&scratch.0).unwrap();
    std::fs::write(scratch.0.join("notes.txt"), "mine").unwrap();
    assert_eq!(scratch.open(options).unwrap_err(), Error::NotADatabase);
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 1);
    let db = scratch.open(Options::default()).unwrap();
    db.put(b"k", b"v", WriteLevel::Full).unwrap();
    db.close().unwrap();
    assert_eq!(std::fs::read(scratch.0.join("notes.txt")).unwrap(), b"mine");
}

#[test]
fn memory_and_tables_stay_within_their_bounds() {
    for (maintenance, tables) in [(Maintenance::Inline, 4), (Maintenance::Caller, 9)] {
        let mut options = small();
        options.maintenance = maintenance;
        let db = Db::open(machine(1 << 30), b"/db", options).unwrap();
        for number in 0..12_000u32 {
            let key = number.wrapping_mul(2_654_435_761).to_be_bytes();
            db.put(&key, &[1; 200], WriteLevel::Buffered).unwrap();
            let stats = db.stats();
            // A memtable grows by one arena chunk at most after the check.
            assert!(stats.memtable_bytes <= (192 << 10) + (8 << 10), "{stats:?}");
            assert!(stats.level_tables[0] <= tables, "{stats:?}");
        }
        assert!(db.stats().flushes > 5);
        assert!(db.stats().merges > 1);
    }
}

#[test]
fn what_is_too_large_is_refused_and_what_just_fits_comes_back() {
    let sim = machine(1 << 30);
    let db = Db::open(sim.clone(), b"/db", small()).unwrap();
    let long = vec![b'k'; KEY_BYTES_MAX + 1];
    assert!(matches!(
        db.put(&long, b"", WriteLevel::Os),
        Err(Error::Limit { what: "key", .. })
    ));
    assert!(matches!(
        db.put(b"k", &vec![0; VALUE_BYTES_MAX + 1], WriteLevel::Os),
        Err(Error::Limit { what: "value", .. })
    ));
    // Far larger than the memtable, the log buffer and a log block.
    let value: Vec<u8> = (0..3_000_000u32)
        .map(|i| (i.wrapping_mul(i) >> 7) as u8)
        .collect();
    db.put(&long[1..], &value, WriteLevel::Full).unwrap();
    db.put(b"", b"", WriteLevel::Full).unwrap();
    drop(db);
    for _ in 0..2 {
        let db = Db::open(sim.clone(), b"/db", small()).unwrap();
        assert!(db.get(&long[1..]).unwrap().unwrap() == value);
        assert_eq!(db.get(b"").unwrap().as_deref(), Some(&b""[..]));
        db.verify().unwrap();
        db.flush().unwrap();
    }
}

#[test]
fn a_poisoned_database_gives_its_directory_free_when_it_is_closed() {
    let sim = machine(1 << 30);
    let db = Db::open(sim.clone(), b"/db", small()).unwrap();
    let other = db.clone();
    db.put(b"k", b"v", WriteLevel::Full).unwrap();
    sim.fail_nth(Operation::WriteAt, 1, Kind::Io);
    assert!(db.put(b"lost", b"v", WriteLevel::Os).is_err());
    assert!(db.is_poisoned());
    assert_eq!(db.close(), Err(Error::Poisoned));
    assert_eq!(other.get(b"k"), Err(Error::Closed));
    assert_eq!(other.put(b"k", b"w", WriteLevel::Os), Err(Error::Closed));
    // The old handle is still there.
    let db = Db::open(sim, b"/db", small()).unwrap();
    assert_eq!(db.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
    assert_eq!(other.close(), Err(Error::Closed));
    db.put(b"k", b"w", WriteLevel::Full).unwrap();
    db.close().unwrap();
}

#[test]
fn a_close_waits_for_an_ingest_and_ends_it() {
    let scratch = Scratch::new("ingest");
    let db = scratch.open(small()).unwrap();
    let closer = db.clone();
    let mut closing = None;
    // Endless, were it not for the close.
    let pairs = (0u32..).map(|number| {
        if number == 1000 {
            let db = closer.clone();
            closing = Some(std::thread::spawn(move || db.close()));
        }
        (number.to_be_bytes(), [7; 100])
    });
    assert_eq!(db.ingest(pairs), Err(Error::Closed));
    closing.unwrap().join().unwrap().unwrap();
    assert_eq!(db.ingest([(b"k", b"v")]), Err(Error::Closed));
    drop((db, closer));
    let db = scratch.open(small()).unwrap();
    assert_eq!((db.stats().tables, db.get(&[0; 4])), (0, Ok(None)));
}
