//! Logs made by hand: what ends history and what is damage.
#![forbid(unsafe_code)]

use super::reader::{LogReader, Record};
use super::writer::LogWriter;
use super::{BLOCK_BYTES, HEADER_BYTES};
use crate::db::batch::Batch;
use crate::db::directory::Directory;
use crate::db::error::{Error, Result};
use crate::db::file_name::FileName;
use crate::platform::sim::{Sim, SimOptions};
use crate::platform::{Create, Files, OpenOptions};
use alloc::vec;
use alloc::vec::Vec;

struct Log {
    writer: LogWriter,
    bytes: Vec<u8>,
    sequence: u64,
}

impl Log {
    fn new() -> Self {
        let mut bytes = Vec::new();
        let writer = LogWriter::new(7, 99, &mut bytes);
        Self {
            writer,
            bytes,
            sequence: 1,
        }
    }

    /// Appends a batch of one put; returns where it starts.
    fn batch(&mut self, value_bytes: usize) -> usize {
        let start = self.bytes.len();
        let mut batch = Batch::new();
        batch.put(b"key", &vec![0xab; value_bytes]).unwrap();
        self.writer
            .push_batch(&mut self.bytes, self.sequence, 1, batch.writes().pieces);
        self.sequence += 1;
        start
    }

    fn synced(&mut self, offset: usize) {
        self.writer.push_synced(&mut self.bytes, offset as u64);
    }

    /// The sequence numbers read, and how the log ended.
    fn read(&self) -> (Vec<u64>, Result<u64>) {
        self.read_to(u64::MAX)
    }

    fn read_to(&self, end: u64) -> (Vec<u64>, Result<u64>) {
        let sim = Sim::new(SimOptions::new(3));
        let directory = Directory::new(sim.clone(), b"/db");
        directory.create().unwrap();
        let new = OpenOptions::read_write().with_create(Create::New);
        let file = directory.open(FileName::Log(7), &new).unwrap();
        sim.write_all_at(&file, &self.bytes, 0).unwrap();
        let mut reader = LogReader::open_to(&directory, 7, end).unwrap();
        let mut read = Vec::new();
        loop {
            match reader.next() {
                Ok(Record::Batch { sequence, .. }) => read.push(sequence),
                Ok(Record::End(bad)) => return (read, Ok(bad.offset)),
                Ok(Record::Sealed { next }) => return (read, Ok(next)),
                Err(error) => return (read, Err(error)),
            }
        }
    }
}

#[test]
fn batches_of_every_size_come_back_across_blocks() {
    for first in (BLOCK_BYTES - 120..BLOCK_BYTES + 20).chain([0, 1, 3 * BLOCK_BYTES]) {
        let mut log = Log::new();
        log.batch(first);
        log.synced(HEADER_BYTES);
        log.batch(10);
        log.batch(2 * BLOCK_BYTES);
        log.writer.push_seal(&mut log.bytes, 12);
        assert_eq!(log.bytes.len() as u64, log.writer.offset());
        assert_eq!(
            log.read(),
            (vec![1, 2, 3], Ok(12)),
            "first value of {first} bytes"
        );
    }
}

#[test]
fn a_mark_makes_damage_only_of_what_was_synced() {
    for stray in [20, BLOCK_BYTES] {
        let mut log = Log::new();
        log.batch(20);
        let second = log.batch(20);
        // All up to the second batch was synced; it and the third batch were on their way when the power went, and
        // the third arrived, the second did not.
        log.batch(stray);
        log.synced(second);
        log.bytes[second + 20] ^= 1;
        assert_eq!(log.read(), (vec![1], Ok(second as u64)));
        // With a mark that covers it, the same bytes are damage.
        let mut after = log.bytes.len();
        log.synced(after);
        let (read, error) = log.read();
        assert_eq!(read, [1]);
        let Err(Error::Corrupt(corruption)) = error else {
            panic!("{error:?}")
        };
        assert_eq!(
            (corruption.file, corruption.offset),
            (FileName::Log(7), second as u64)
        );
        // And so it is when the length is what changed, and the mark is blocks away.
        log.bytes[second + 20] ^= 1;
        log.bytes[second + 4] ^= 0x40;
        log.batch(3 * BLOCK_BYTES);
        after = log.bytes.len();
        log.synced(after);
        assert!(matches!(log.read().1, Err(Error::Corrupt(_))));
    }
}

#[test]
fn a_fragment_counts_only_in_its_own_log_and_place() {
    let mut log = Log::new();
    let start = log.batch(20);
    let end = log.bytes.len();
    let copy = log.bytes[start..end].to_vec();
    log.bytes.extend_from_slice(&copy);
    assert_eq!(
        log.read(),
        (vec![1], Ok(end as u64)),
        "the same bytes, later"
    );

    let mut log = Log::new();
    let mut other = Log {
        writer: LogWriter::new(7, 98, &mut Vec::new()),
        ..Log::new()
    };
    let start = other.batch(20);
    log.bytes.extend_from_slice(&other.bytes[start..]);
    assert_eq!(
        log.read(),
        (vec![], Ok(HEADER_BYTES as u64)),
        "another salt"
    );
}

#[test]
fn valid_fragments_that_make_no_sense_are_damage() {
    let mut log = Log::new();
    log.synced(1000);
    assert!(
        matches!(log.read().1, Err(Error::Corrupt(_))),
        "a mark of the future"
    );

    let mut log = Log::new();
    log.batch(1);
    log.writer.push_seal(&mut log.bytes, 9);
    log.batch(1);
    assert_eq!(log.read(), (vec![1], Ok(9)), "what follows a seal");
    // In version 1 a seal was the file's end.
    log.bytes[8] = 1;
    let crc = crate::codec::crc32c(&log.bytes[..28]).to_le_bytes();
    log.bytes[28..32].copy_from_slice(&crc);
    assert!(matches!(log.read().1, Err(Error::Corrupt(_))));
}

#[test]
fn what_is_written_behind_the_end_meanwhile_says_nothing() {
    for (first, next) in [(20, 20), (20, BLOCK_BYTES), (BLOCK_BYTES - 60, 20)] {
        let mut log = Log::new();
        log.batch(first);
        let end = log.bytes.len();
        log.batch(next);
        let after = log.bytes.len();
        log.synced(after);
        assert_eq!(log.read_to(end as u64), (vec![1], Ok(end as u64)));
        // As a reader may see it that has read the block before the batch came: it is not there, but what says that it is.
        log.bytes[end..after].fill(0);
        assert!(log.read().1.is_err());
        assert_eq!(log.read_to(end as u64), (vec![1], Ok(end as u64)));
    }
}
