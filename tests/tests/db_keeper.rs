//! A thread that keeps the database: writers leave flushes and merges to it, get room from it, and make room themselves when it fails
//! or leaves.
#![allow(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "a test on a host"
)]

use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use underpin::kv;
use underpin::sys::{Native, native, path_bytes};
use underpin_core::db::{Db, Error, Event, EventHook, Options, WriteLevel};
use underpin_core::platform::middleware::{Call, Layer, Layered, Verdict};
use underpin_core::{Kind, Operation};

thread_local! {
    /// Whether this thread's syncs are counted.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

/// Counts the syncs of some threads and, while it is told to, lets all others' opens fail: those of new tables.
#[derive(Default)]
struct Watch {
    syncs: AtomicU64,
    fails: AtomicBool,
}

#[derive(Clone)]
struct Watching(Arc<Watch>);

impl Layer for Watching {
    fn before(&self, call: &Call) -> Verdict {
        if call.operation == Operation::Sync && COUNTED.get() {
            self.0.syncs.fetch_add(1, Ordering::Relaxed);
        }
        if call.operation == Operation::Open && self.0.fails.load(Ordering::Relaxed) {
            return Verdict::Fail(underpin_core::Error::new(call.operation, Kind::NoSpace));
        }
        Verdict::Proceed
    }
    fn after(&self, _: &Call, _: Result<u64, underpin_core::Error>) {}
}

struct Kept {
    db: Db<Layered<Native, Watching>>,
    keeper: Option<JoinHandle<()>>,
    watch: Arc<Watch>,
    path: PathBuf,
}

fn options() -> Options {
    let mut options = Options::default();
    options.memtable_bytes = 64 << 10;
    options.tables_max = 3;
    options.table_bytes = 64 << 10;
    options.level_bytes = 64 << 10;
    options
}

fn directory(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("underpin-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    path
}

impl Kept {
    fn new(name: &str) -> Self {
        Self::with(name, options())
    }

    fn with(name: &str, options: Options) -> Self {
        let path = directory(name);
        let watch = Arc::new(Watch::default());
        let platform = Layered::new(native(), Watching(watch.clone()));
        let db = Db::open(platform, path_bytes(&path), options).unwrap();
        let kept = db.clone();
        let keeper = thread::spawn(move || kept.keep());
        Self {
            db,
            keeper: Some(keeper),
            watch,
            path,
        }
    }

    fn write(&self, numbers: core::ops::Range<u32>) -> Result<(), Error> {
        numbers.into_iter().try_for_each(|number| {
            let value = [number as u8; 500];
            let key = (number.wrapping_mul(2_654_435_761) >> 12) % 5000;
            self.db
                .put(&key.to_be_bytes(), &value, WriteLevel::Buffered)
        })
    }

    fn await_keeper(&mut self) {
        self.keeper.take().unwrap().join().unwrap();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.watch.fails.store(false, Ordering::Relaxed);
        self.db.dismiss_keepers();
        let _ = self.keeper.take().map(JoinHandle::join);
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Until the keeper has begun: a write that waits for room before would make it itself.
fn until(what: impl Fn() -> bool) {
    while !what() {
        thread::yield_now();
    }
}

#[test]
fn a_writer_leaves_all_flushes_and_merges_to_the_keeper() {
    let mut kept = Kept::new("keeper-all");
    // The first flush may be the writer's own, if the keeper is not there yet.
    kept.write(0..150).unwrap();
    until(|| !kept.db.maintenance_needed());
    COUNTED.set(true);
    kept.write(150..6000).unwrap();
    COUNTED.set(false);
    assert_eq!(kept.watch.syncs.load(Ordering::Relaxed), 0);
    until(|| !kept.db.maintenance_needed());
    let stats = kept.db.stats();
    assert!(stats.flushes > 10 && stats.merges > 1, "{stats:?}");
    assert!(stats.level_tables[0] <= 3, "{stats:?}");
    kept.db.verify().unwrap();
    kept.db.clone().close().unwrap();
    kept.await_keeper();
    let db = Db::open(native(), path_bytes(&kept.path), options()).unwrap();
    assert_eq!(
        db.scan_prefix(b"").unwrap().next().unwrap().unwrap().0,
        0u32.to_be_bytes()
    );
}

#[test]
fn a_keeper_that_fails_shows_in_the_writes_and_tries_again() {
    let kept = Kept::new("keeper-fails");
    kept.write(0..150).unwrap();
    kept.watch.fails.store(true, Ordering::Relaxed);
    let error = kept.write(150..10_000).unwrap_err();
    assert!(
        matches!(&error, Error::Io { error, .. } if error.kind() == Kind::NoSpace),
        "{error:?}"
    );
    assert!(!kept.db.is_poisoned());
    kept.watch.fails.store(false, Ordering::Relaxed);
    kept.write(150..3000).unwrap();
    kept.db.verify().unwrap();
}

#[test]
fn without_its_keeper_a_writer_makes_room_itself() {
    let mut kept = Kept::new("keeper-leaves");
    kept.write(0..500).unwrap();
    kept.db.dismiss_keepers();
    kept.await_keeper();
    let before = kept.db.stats();
    COUNTED.set(true);
    kept.write(500..3000).unwrap();
    COUNTED.set(false);
    assert!(kept.watch.syncs.load(Ordering::Relaxed) > 0);
    let stats = kept.db.stats();
    assert!(stats.flushes > before.flushes && stats.merges > before.merges);
    // One that comes after it was sent away leaves at once.
    kept.db.keep();
}

#[test]
fn the_last_handle_ends_the_thread_in_the_middle_of_its_work() {
    let path = directory("keeper-handle");
    for round in 0..8u32 {
        let mut open = kv::OpenOptions::new();
        open.options = options();
        let db = open.level(WriteLevel::Buffered).open(&path).unwrap();
        assert_eq!(
            db.get("kept").unwrap().is_some(),
            round > 0,
            "handles that are gone have handed over what they wrote"
        );
        db.put("kept", round.to_le_bytes()).unwrap();
        let keyspace = db.keyspace("outlives").unwrap();
        for number in 0..200 * round {
            db.put(number.to_be_bytes(), [1; 600]).unwrap();
        }
        if round % 2 == 0 {
            drop(db);
            // The core's handle goes on without the thread.
            for number in 0..300u32 {
                let key = number.to_be_bytes();
                let core = keyspace.as_core();
                core.put(&key, &[2; 600], WriteLevel::Os).unwrap();
            }
        }
    }
    let _ = std::fs::remove_dir_all(&path);
}

/// A hook that panics when another thread than this one has flushed.
fn panicking() -> EventHook {
    let writer = thread::current().id();
    EventHook::new(move |event| {
        if matches!(event, Event::Flushed { .. }) && thread::current().id() != writer {
            panic!("the program's own");
        }
    })
}

#[test]
fn a_keeper_that_panics_loses_nothing_and_leaves_writers_to_themselves() {
    let mut told = options();
    told.events = Some(panicking());
    let mut kept = Kept::with("keeper-panics", told);
    // Each time far more than a memtable may hold: they wait for the keeper, which is gone, or make room.
    while !kept.keeper.as_ref().unwrap().is_finished() {
        kept.write(0..1000).unwrap();
    }
    assert!(kept.keeper.take().unwrap().join().is_err());
    kept.write(1000..3000).unwrap();
    kept.db.flush().unwrap();
    kept.db.compact().unwrap();
    let keys = (0..3000u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 12) % 5000)
        .collect::<std::collections::BTreeSet<_>>();
    for key in keys {
        assert!(kept.db.get(&key.to_be_bytes()).unwrap().is_some(), "{key}");
    }
}
