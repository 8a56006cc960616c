//! The format on disk: files written long ago stay readable, and the same writes give the same bytes.
//!
//! `tests/golden/v1` holds a small database as format version 1 wrote it, and so on, `v4` as what is written now; `FORMAT.md` explains its
//! bytes.
//! Salt and id come from the
//! simulator's dice. `UNDERPIN_GOLDEN=write` writes the files anew: only for a format version that has not been released.
#![allow(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "a test on a host"
)]

use core::ops::Bound;
use std::collections::BTreeMap;
use std::path::PathBuf;
use underpin_core::db::{self, Batch, Db, FileName, KeyPrefix, Options, WriteLevel};
use underpin_core::platform::sim::{Sim, SimFaults, SimOptions};
use underpin_core::platform::{Create, Files, OpenOptions};

/// The format version that is written.
const NEWEST: u32 = 4;

fn golden(version: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("golden/v{version}"))
}

fn options() -> Options {
    let mut options = Options::default();
    options.log_preallocate_bytes = 0;
    options.separate_from = 16;
    // So that there is one, however small the table.
    options.partitioned_from = 0;
    options.key_prefix = Some(KeyPrefix::UpTo(b'p'));
    options
}

fn machine() -> Sim {
    Sim::new(SimOptions::new(1).with_faults(SimFaults::none()))
}

/// Two writes in a table, then two batches in a log.
fn written() -> BTreeMap<String, Vec<u8>> {
    let sim = machine();
    let db = Db::open(sim.clone(), b"/db", options()).unwrap();
    db.put(b"apple", b"red", WriteLevel::Full).unwrap();
    db.put(b"apricot", b"orange", WriteLevel::Full).unwrap();
    db.put(b"cherry", b"red, and a little black", WriteLevel::Full)
        .unwrap();
    db.flush().unwrap();
    db.put(b"apple", b"green", WriteLevel::Full).unwrap();
    let mut batch = Batch::new();
    batch.remove(b"apricot").unwrap();
    batch.put(b"fig", b"").unwrap();
    db.write(&batch, WriteLevel::Os).unwrap();
    sim.kill();
    let disk = sim.disk_snapshot();
    let names = disk.list(b"/db").unwrap().into_iter();
    names
        .map(|name| {
            let bytes = disk.file(&[b"/db/", &name[..]].concat()).unwrap();
            (String::from_utf8(name).unwrap(), bytes)
        })
        .collect()
}

#[test]
fn the_same_writes_give_the_same_bytes() {
    let written = written();
    if std::env::var("UNDERPIN_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::create_dir_all(golden(NEWEST)).unwrap();
        for (name, bytes) in &written {
            std::fs::write(golden(NEWEST).join(name), bytes).unwrap();
        }
    }
    let mut kept = BTreeMap::new();
    for entry in std::fs::read_dir(golden(NEWEST)).unwrap() {
        let entry = entry.unwrap();
        kept.insert(
            entry.file_name().into_string().unwrap(),
            std::fs::read(entry.path()).unwrap(),
        );
    }
    assert_eq!(written, kept);
}

#[test]
fn files_of_every_version_are_read() {
    (1..=NEWEST).for_each(|version| read_version(version, false));
}

#[test]
fn without_a_manifest_files_of_every_version_are_read_after_a_repair() {
    (1..=NEWEST).for_each(|version| read_version(version, true));
}

fn read_version(version: u32, lost: bool) {
    let sim = machine();
    sim.create_directory(b"/db").unwrap();
    for entry in std::fs::read_dir(golden(version)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert!(FileName::parse(name.as_bytes()).is_some(), "{name}");
        let new = OpenOptions::read_write().with_create(Create::New);
        let file = sim.open(format!("/db/{name}").as_bytes(), &new).unwrap();
        sim.write_all_at(&file, &std::fs::read(entry.path()).unwrap(), 0)
            .unwrap();
    }
    if lost {
        sim.remove_file(b"/db/MANIFEST").unwrap();
        let report = db::repair(sim.clone(), b"/db", &options()).unwrap();
        assert_eq!(report.tables_unnamed, u64::from(version < 4));
        assert_eq!((report.tables_whole, report.logs_cut), (1, 0));
    }
    let db = Db::open(sim, b"/db", options()).unwrap();
    db.verify().unwrap();
    let mut scan = db.scan(Bound::Unbounded, Bound::Unbounded).unwrap();
    assert_eq!(scan.next().unwrap(), Some((&b"apple"[..], &b"green"[..])));
    if version > 2 {
        let cherry = scan.next().unwrap();
        assert_eq!(
            cherry,
            Some((&b"cherry"[..], &b"red, and a little black"[..]))
        );
    }
    assert_eq!(scan.next().unwrap(), Some((&b"fig"[..], &b""[..])));
    assert_eq!(scan.next().unwrap(), None);
}
