//! Ways in for a fuzzer: bytes as a file of each kind. Checksums count as right (`codec::is_same`).
#![forbid(unsafe_code)]

use super::batch::BatchIter;
use super::cache::BlockCache;
use super::directory::Directory;
use super::error::Result;
use super::file_name::FileName;
use super::table::{Table, TableCursor, TableInfo};
use super::values::{Reference, Share};
use super::version::Manifest;
use super::wal::{LogReader, Record};
use crate::platform::sim::{Sim, SimFaults, SimOptions};
use crate::platform::{Create, OpenOptions};
use alloc::sync::Arc;
use core::ops::Bound;

fn directory(name: FileName, bytes: &[u8]) -> Result<Directory<Sim>> {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let directory = Directory::new(sim, b"/db");
    directory.create()?;
    let new = OpenOptions::read_write().with_create(Create::New);
    let file = directory.open(name, &new)?;
    directory.write(name, &file, bytes, 0)?;
    Ok(directory)
}

/// Reads `bytes` as log 2.
///
/// # Errors
/// Those of the reader.
pub fn log(bytes: &[u8]) -> Result<()> {
    let directory = directory(FileName::Log(2), bytes)?;
    let mut reader = LogReader::open(&directory, 2)?;
    while let Record::Batch { writes, .. } = reader.next()? {
        BatchIter::new(writes).for_each(drop);
    }
    Ok(())
}

/// Reads `bytes` as table 3: by key, in order, and whole.
///
/// # Errors
/// Those of the reader.
pub fn table(bytes: &[u8]) -> Result<()> {
    let directory = directory(FileName::Table(3), bytes)?;
    let stated = TableInfo {
        number: 3,
        bytes: bytes.len() as u64,
        ..TableInfo::default()
    };
    let cache = Arc::new(BlockCache::new(1 << 20, &directory.platform));
    let table = Arc::new(Table::open(&directory, &stated, &cache)?);
    let mut cursor = TableCursor::new(table.clone(), true);
    for start in [
        Bound::Unbounded,
        Bound::Included(&b"apple"[..]),
        Bound::Excluded(b"apricot"),
    ] {
        for reverse in [false, true] {
            if cursor.seek(start, reverse).is_ok() {
                while cursor.entry().is_some() && cursor.step(reverse).is_ok() {}
            }
        }
    }
    let _ = table
        .get(b"apple", super::filter::hash(b"apple"))
        .map(|found| found.map(|found| found.value().len()));
    let (apple, cherry) = (&b"apple"[..], &b"cherry"[..]);
    let _ = table.may_have(Bound::Included(apple), Bound::Excluded(cherry));
    let _ = table.may_have(Bound::Excluded(apple), Bound::Included(apple));
    table.verify().map(drop)
}

/// Reads `bytes` as values file 3: whole, and by a reference to any place.
///
/// # Errors
/// Those of the reader.
pub fn values(bytes: &[u8]) -> Result<()> {
    let directory = directory(FileName::Values(3), bytes)?;
    let stated = Share {
        file: 3,
        file_bytes: bytes.len() as u64,
        live_bytes: 0,
    };
    let file = directory.values().open(&directory, &stated, false)?;
    for offset in 0..bytes.len() as u64 {
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let length = rest.first_chunk::<4>().copied().unwrap_or_default();
        let reference = Reference {
            file: 3,
            offset,
            bytes: u32::from_le_bytes(length).into(),
            crc: 0,
        };
        let _ = file.read(&reference);
        let _ = file.check(&reference);
    }
    file.verify().map(drop)
}

/// Reads `bytes` as a manifest; one that can be read is written and read as the same.
///
/// # Errors
/// Those of the reader.
///
/// # Panics
/// If it is not the same.
pub fn manifest(bytes: &[u8]) -> Result<()> {
    let manifest = Manifest::decode(bytes)?;
    assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
    Ok(())
}
