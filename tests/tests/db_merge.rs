//! Merges beside everything else: one is held up at a call of its own, and writes, flushes, a clear or a close come meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "a test on a host"
)]

use core::cell::Cell;
use core::ops::Bound;
use core::time::Duration;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;
use underpin::sys::{Native, native, path_bytes};
use underpin_core::db::{Db, Error, Maintenance, Options, WriteLevel};
use underpin_core::platform::middleware::{Call, Layer, Layered, Verdict};
use underpin_core::platform::sim::{Sim, SimFaults, SimOptions};
use underpin_core::platform::{Clock, ClockId, Files, Park};
use underpin_core::sync::atomic::AtomicU32;
use underpin_core::{Kind, Operation};

/// More than anything here takes that is not held up.
const PATIENCE: Duration = Duration::from_secs(60);
const TABLES_MAX: usize = 3;
const TABLES_BOUND: u64 = 9;

thread_local! {
    /// At which call of this thread's to hold it up.
    static HELD_AT: Cell<Option<Operation>> = const { Cell::new(None) };
    /// Whether this thread's waiting for a lock is noted.
    static NOTED: Cell<bool> = const { Cell::new(false) };
}

#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    held: bool,
    open: bool,
    noted_waits: bool,
}

impl Gate {
    fn pass(&self, operation: Operation) {
        if HELD_AT.get() == Some(operation) {
            let mut state = self.state.lock().unwrap();
            state.held = true;
            self.changed.notify_all();
            drop(self.changed.wait_while(state, |state| !state.open).unwrap());
        }
        if NOTED.get() && operation == Operation::ParkWait {
            self.state.lock().unwrap().noted_waits = true;
            self.changed.notify_all();
        }
    }

    fn wait_for(&self, what: impl Fn(&GateState) -> bool) {
        let state = self.state.lock().unwrap();
        let wait = self
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !what(state));
        assert!(!wait.unwrap().1.timed_out(), "never came to that");
    }

    fn open(&self) {
        self.state.lock().unwrap().open = true;
        self.changed.notify_all();
    }
}

/// Holds up calls of the platform around it.
#[derive(Clone)]
struct HoldUp(Arc<Gate>);

impl Layer for HoldUp {
    fn before(&self, call: &Call) -> Verdict {
        self.0.pass(call.operation);
        Verdict::Proceed
    }
    fn after(&self, _: &Call, _: Result<u64, underpin_core::Error>) {}
}

fn options() -> Options {
    let mut options = Options::default();
    options.memtable_bytes = 64 << 10;
    options.tables_max = TABLES_MAX;
    options.maintenance = Maintenance::Caller;
    options
}

/// A database with one table more than allowed, and a thread that merges them and is held up. Keys `0` to `3` lie in one table
/// each, the oldest first; `gone` has a value in the oldest.
struct Held {
    db: Db<Layered<Native, HoldUp>>,
    merger: Option<JoinHandle<Result<(), Error>>>,
    gate: Arc<Gate>,
    path: PathBuf,
}

impl Held {
    fn new(name: &str, at: Operation) -> Self {
        Self::at_work(name, at, Db::maintain)
    }

    /// As `new`, with a thread that does other work.
    fn at_work(
        name: &str,
        at: Operation,
        work: impl FnOnce(&Db<Layered<Native, HoldUp>>) -> Result<(), Error> + Send + 'static,
    ) -> Self {
        let path = std::env::temp_dir().join(format!("underpin-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let gate = Arc::new(Gate::default());
        let platform = Layered::new(native(), HoldUp(gate.clone()));
        let db = Db::open(platform, path_bytes(&path), options()).unwrap();
        db.put(b"gone", b"old", WriteLevel::Os).unwrap();
        for key in [b"0", b"1", b"2", b"3"] {
            db.put(key, b"old", WriteLevel::Os).unwrap();
            db.flush().unwrap();
        }
        assert_eq!(db.stats().tables, TABLES_MAX as u64 + 1);
        let merging = db.clone();
        let merger = thread::spawn(move || {
            HELD_AT.set(Some(at));
            work(&merging)
        });
        let this = Self {
            db,
            merger: Some(merger),
            gate,
            path,
        };
        this.gate.wait_for(|state| state.held);
        this
    }

    /// Runs `work` on a thread, which must end while the merge is still held up.
    fn unhindered<T: Send>(
        &self,
        work: impl FnOnce(&Db<Layered<Native, HoldUp>>) -> T + Send,
    ) -> T {
        thread::scope(|scope| {
            let worker = scope.spawn(|| work(&self.db));
            let deadline = Instant::now() + PATIENCE;
            while !worker.is_finished() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(2));
            }
            if !worker.is_finished() {
                self.gate.open();
                panic!("waits for the merge");
            }
            worker.join().unwrap()
        })
    }

    fn release(&mut self) {
        self.gate.open();
        self.merger.take().unwrap().join().unwrap().unwrap();
    }

    /// Numbered tables in the directory.
    fn table_files(&self) -> usize {
        let names = std::fs::read_dir(&self.path).unwrap();
        let paths = names.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|end| end == "table"))
            .count()
    }

    fn reopened(&self) -> Db<Native> {
        let db = Db::open(native(), path_bytes(&self.path), options()).unwrap();
        db.verify().unwrap();
        db
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gate.open();
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn contents<P: Files>(db: &Db<P>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut scan = db.scan(Bound::Unbounded, Bound::Unbounded).unwrap();
    let mut all = Vec::new();
    while let Some((key, value)) = scan.next().unwrap() {
        all.push((key.to_vec(), value.to_vec()));
    }
    all
}

/// More than a writer may have in memory.
fn fill<P: Files>(db: &Db<P>) {
    for number in 0..200u32 {
        db.put(b"filler", &[number as u8; 1000], WriteLevel::Os)
            .unwrap();
    }
}

#[test]
fn writes_and_flushes_go_on_beside_a_merge_and_its_result_takes_the_place_of_its_inputs() {
    for at in [Operation::ReadAt, Operation::WriteAt, Operation::Sync] {
        let mut held = Held::new("merge-beside", at);
        let flushes = held.unhindered(|db| {
            db.put(b"1", b"new", WriteLevel::Full).unwrap();
            db.remove(b"gone", WriteLevel::Os).unwrap();
            fill(db);
            db.flush().unwrap();
            db.put(b"2", b"in memory", WriteLevel::Os).unwrap();
            db.maintain().unwrap();
            db.verify().unwrap();
            db.stats().flushes
        });
        assert!(flushes > 5, "{flushes}");
        let expected = [
            (b"0".to_vec(), b"old".to_vec()),
            (b"1".to_vec(), b"new".to_vec()),
            (b"2".to_vec(), b"in memory".to_vec()),
            (b"3".to_vec(), b"old".to_vec()),
            (b"filler".to_vec(), vec![199; 1000]),
        ];
        assert_eq!(contents(&held.db), expected);
        let before = held.db.stats().tables;
        held.release();
        assert_eq!(contents(&held.db), expected);
        let stats = held.db.stats();
        assert_eq!(
            (stats.merges, stats.tables),
            (1, before - TABLES_MAX as u64)
        );
        assert_eq!(held.table_files() as u64, stats.tables);
        held.db.verify().unwrap();
        held.db.clone().close().unwrap();
        assert_eq!(contents(&held.reopened()), expected);
    }
}

#[test]
fn writers_wait_for_a_merge_once_there_are_three_times_the_tables() {
    let mut held = Held::new("merge-bound", Operation::ReadAt);
    let db = held.db.clone();
    let writer = thread::spawn(move || {
        for _ in 0..30 {
            fill(&db);
            assert!(db.stats().level_tables[0] <= TABLES_BOUND);
        }
    });
    let deadline = Instant::now() + PATIENCE;
    while held.db.stats().writes_stopped == 0 {
        assert!(Instant::now() < deadline, "never stopped");
        thread::sleep(Duration::from_millis(2));
    }
    let stats = held.db.stats();
    // They were slowed down before.
    assert!(stats.writes_slowed > 0, "{stats:?}");
    assert!(
        stats.tables > TABLES_BOUND - 2 && stats.merges == 0,
        "{stats:?}"
    );
    assert!(stats.memtable_bytes < 3 * (64 << 10), "{stats:?}");
    assert!(!writer.is_finished());
    // Reads and what needs no flush go on.
    held.unhindered(|db| assert_eq!(db.get(b"0").unwrap().as_deref(), Some(&b"old"[..])));
    held.release();
    writer.join().unwrap();
    assert!(held.db.stats().merges > 1);
    held.db.verify().unwrap();
}

#[test]
fn a_clear_cancels_a_merge_and_what_it_built_never_comes_back() {
    for at in [Operation::ReadAt, Operation::WriteAt, Operation::Sync] {
        for tables in [0, 2, 5] {
            let mut held = Held::new("merge-clear", at);
            let mut expected = Vec::new();
            held.unhindered(|db| {
                db.clear().unwrap();
                assert_eq!(contents(db), []);
                for number in 0..tables {
                    let key = format!("after{number}").into_bytes();
                    db.put(&key, b"new", WriteLevel::Full).unwrap();
                    db.flush().unwrap();
                    expected.push((key, b"new".to_vec()));
                }
            });
            held.release();
            assert_eq!(contents(&held.db), expected, "held at {at:?}");
            let stats = held.db.stats();
            assert_eq!((stats.merges, stats.tables), (0, tables));
            assert_eq!(held.table_files() as u64, tables);
            held.db.verify().unwrap();
            held.db.maintain().unwrap();
            held.db.clone().close().unwrap();
            assert_eq!(contents(&held.reopened()), expected);
        }
    }
}

#[test]
fn a_close_cancels_a_merge_and_frees_the_directory_when_it_has_ended() {
    let mut held = Held::new("merge-close", Operation::ReadAt);
    let closing = held.db.clone();
    let closer = thread::spawn(move || {
        NOTED.set(true);
        closing.close()
    });
    held.gate.wait_for(|state| state.noted_waits);
    let locked = Db::open(native(), path_bytes(&held.path), options());
    assert_eq!(locked.unwrap_err(), Error::Locked);
    held.release();
    closer.join().unwrap().unwrap();
    assert_eq!(held.db.stats().merges, 0);
    assert_eq!(held.table_files(), TABLES_MAX + 1);
    assert_eq!(held.db.maintain(), Err(Error::Closed));
    let db = held.reopened();
    assert_eq!(contents(&db).len(), 5);
    assert_eq!(db.stats().tables, 1);
}

#[test]
fn maintenance_that_failed_is_not_asked_for_again_at_once() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let db = Db::open(sim.clone(), b"/db", options()).unwrap();
    for number in 0..100u32 {
        db.put(&number.to_le_bytes(), &[1; 1000], WriteLevel::Os)
            .unwrap();
    }
    for seconds in [1, 2, 4] {
        assert!(db.maintenance_needed());
        sim.fail_nth(Operation::Sync, 1, Kind::NoSpace);
        db.maintain().unwrap_err();
        let wait_until = |offset| {
            let deadline = sim.now(ClockId::Monotonic).saturating_add(offset);
            sim.wait(&AtomicU32::new(0), 0, Some(deadline));
        };
        wait_until(Duration::from_millis(seconds * 1000 - 100));
        assert!(!db.maintenance_needed());
        wait_until(Duration::from_millis(200));
    }
    assert!(db.maintenance_needed());
    db.maintain().unwrap();
    assert!(!db.maintenance_needed());
    fill(&db);
    assert!(db.maintenance_needed());
}

#[test]
fn nobody_waits_for_a_flush_to_be_told_of_the_database() {
    let mut held = Held::at_work("stats-beside", Operation::Sync, |db| {
        db.put(b"0", b"new", WriteLevel::Os)?;
        db.flush()
    });
    let flushes = held.unhindered(|db| db.stats().flushes);
    held.release();
    assert_eq!(held.db.stats().flushes, flushes + 1);
}

#[test]
fn flushes_and_merges_go_on_beside_a_checkpoint_which_is_as_of_its_beginning() {
    let copies = [Operation::HardLink, Operation::Sync].map(|at| {
        let path = std::env::temp_dir().join(format!("underpin-copy-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let bytes = path_bytes(&path).to_vec();
        let mut held = Held::at_work("checkpoint-beside", at, move |db| {
            db.put(b"logged", b"old", WriteLevel::Os)?;
            db.checkpoint(&bytes)
        });
        held.unhindered(|db| {
            db.put(b"1", b"new", WriteLevel::Os).unwrap();
            db.remove(b"gone", WriteLevel::Os).unwrap();
            db.flush().unwrap();
            db.compact().unwrap();
            assert_eq!(db.stats().tables, 1);
        });
        held.release();
        let copy = Db::open(native(), path_bytes(&path), options()).unwrap();
        copy.verify().unwrap();
        let all = contents(&copy);
        drop(copy);
        std::fs::remove_dir_all(&path).unwrap();
        // The tables of the copy's moment went with it.
        assert_eq!(held.table_files() as u64, held.db.stats().tables);
        all
    });
    let keys = [&b"0"[..], b"1", b"2", b"3", b"gone", b"logged"];
    for copy in copies {
        assert_eq!(copy, keys.map(|key| (key.to_vec(), b"old".to_vec())));
    }
}
