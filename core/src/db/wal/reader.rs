//! Reads a log back: its records in order, and a verdict on the first bytes that are none.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::{
    BATCH_HEADER_BYTES, BLOCK_BYTES, FIRST, FRAGMENT_HEADER_BYTES, FULL, HEADER_BYTES, LAST, MAGIC,
    PADDING_BYTES_MAX, SEAL, SYNCED, VERSION, checksum,
};
use crate::codec::{Reader, crc32c, is_same};
use crate::db::directory::Directory;
use crate::db::error::{Error, Result};
use crate::db::file_name::FileName;
use crate::db::options::BATCH_BYTES_MAX;
use crate::platform::Files;
use alloc::vec::Vec;

/// What a log says next.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::db) enum Record<'a> {
    /// Writes: the first one's sequence number, how many, and the encoded writes.
    Batch {
        offset: u64,
        sequence: u64,
        count: u32,
        writes: &'a [u8],
    },
    /// The log is whole and goes on in this one.
    Sealed { next: u64 },
    /// The log ends here: at the file's end, in zeros, or in a tail that was never known to be synced.
    End(Bad),
}

/// Bytes that are no fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::db) struct Bad {
    pub(in crate::db) offset: u64,
    pub(in crate::db) what: &'static str,
    pub(in crate::db) expected: u64,
    pub(in crate::db) found: u64,
}

impl Bad {
    /// The error for a log that should go on here.
    pub(in crate::db) const fn error(self, file: FileName) -> Error {
        Error::corrupt(file, self.offset, self.what, self.expected, self.found)
    }
}

/// A valid fragment of a block.
#[derive(Clone, Copy, Debug)]
struct Fragment<'a> {
    kind: u8,
    payload: &'a [u8],
}

impl Fragment<'_> {
    const fn bytes(&self) -> usize {
        FRAGMENT_HEADER_BYTES.saturating_add(self.payload.len())
    }

    fn number(&self) -> Option<u64> {
        let mut reader = Reader::new(self.payload);
        reader.u64().filter(|_| reader.is_empty())
    }
}

/// Reads one log from front to back, a block at a time.
#[derive(Debug)]
pub(in crate::db) struct LogReader<P: Files> {
    directory: Directory<P>,
    file: P::File,
    name: FileName,
    version: u32,
    salt: u64,
    bytes: u64,
    /// The block that `offset` lies in, as far as the file has it; starts at `block_offset`.
    block: Vec<u8>,
    block_offset: u64,
    offset: u64,
    record: Vec<u8>,
}

impl<P: Files> LogReader<P> {
    /// Opens log `number` and checks its header, which was synced before anything relied on the log.
    pub(in crate::db) fn open(directory: &Directory<P>, number: u64) -> Result<Self> {
        Self::open_to(directory, number, u64::MAX)
    }

    /// As [`open`](Self::open), as if the file had no more than `end` bytes: of a log that is being written, what stands behind
    /// them changes meanwhile.
    pub(in crate::db) fn open_to(directory: &Directory<P>, number: u64, end: u64) -> Result<Self> {
        let name = FileName::Log(number);
        let file = directory.open_existing(name)?;
        let bytes = directory.length(name, &file)?.min(end);
        let mut header = [0; HEADER_BYTES];
        directory.read(name, &file, &mut header, 0)?;
        let (version, salt) = read_header(name, number, &header)?;
        let mut reader = Self {
            directory: directory.clone(),
            file,
            name,
            version,
            salt,
            bytes,
            block: Vec::new(),
            block_offset: 0,
            offset: HEADER_BYTES as u64,
            record: Vec::new(),
        };
        reader.load(0)?;
        Ok(reader)
    }

    /// Where the next record starts, or the seal that was read.
    pub(in crate::db) const fn offset(&self) -> u64 {
        self.offset
    }

    pub(in crate::db) const fn name(&self) -> FileName {
        self.name
    }

    /// The next record.
    ///
    /// # Errors
    /// `Corrupt` for damage to what was synced, and for valid fragments that make no sense.
    pub(in crate::db) fn next(&mut self) -> Result<Record<'_>> {
        self.record.clear();
        let mut start = None;
        loop {
            let at = self.skip_padding()?;
            let fragment = match at {
                Ok(at) => self.fragment_at(at),
                Err(bad) => Err(bad),
            };
            let (kind, bytes) = match fragment {
                Ok(fragment) => {
                    let offset = self.offset;
                    match fragment.kind {
                        SYNCED => match fragment.number() {
                            Some(synced) if synced <= offset => {}
                            other => {
                                let found = other.unwrap_or_default();
                                return Err(self.nonsense("synced offset", offset, found));
                            }
                        },
                        SEAL => {
                            let end = offset.saturating_add(fragment.bytes() as u64);
                            let Some(next) = fragment.number().filter(|_| start.is_none()) else {
                                return Err(self.nonsense(
                                    "seal",
                                    8,
                                    fragment.payload.len() as u64,
                                ));
                            };
                            if self.version == 1 && end != self.bytes {
                                return Err(self.nonsense("bytes up to the seal", end, self.bytes));
                            }
                            return Ok(Record::Sealed { next });
                        }
                        _ => {}
                    }
                    (fragment.kind, fragment.bytes())
                }
                Err(bad) => {
                    self.check_tail(bad)?;
                    return Ok(Record::End(bad));
                }
            };
            if kind != SYNCED {
                let fits = match kind {
                    FULL | FIRST => start.is_none(),
                    _ => start.is_some(),
                };
                if !fits {
                    return Err(self.nonsense("order of fragments", FIRST.into(), kind.into()));
                }
                start.get_or_insert(self.offset);
                self.take(bytes)?;
            }
            self.offset = self.offset.saturating_add(bytes as u64);
            if kind == FULL || kind == LAST {
                break;
            }
        }
        let offset = start.unwrap_or_default();
        let mut reader = Reader::new(&self.record);
        match (reader.u64(), reader.u32()) {
            (Some(sequence), Some(count)) => Ok(Record::Batch {
                offset,
                sequence,
                count,
                writes: reader.rest(),
            }),
            _ => Err(Error::corrupt(
                self.name,
                offset,
                "bytes of a batch",
                BATCH_HEADER_BYTES as u64,
                self.record.len() as u64,
            )),
        }
    }

    /// Adds the payload of the fragment here, `bytes` long with its header, to the record.
    fn take(&mut self, bytes: usize) -> Result<()> {
        let at = self.place();
        let payload = self
            .block
            .get(at.saturating_add(FRAGMENT_HEADER_BYTES)..at.saturating_add(bytes))
            .unwrap_or_default();
        if self.record.len().saturating_add(payload.len())
            > BATCH_BYTES_MAX.saturating_add(BATCH_HEADER_BYTES)
        {
            let found = self.record.len() as u64;
            return Err(self.nonsense("bytes of a batch", BATCH_BYTES_MAX as u64, found));
        }
        self.record.extend_from_slice(payload);
        Ok(())
    }

    /// Where in the block `offset` is.
    fn place(&self) -> usize {
        self.offset.saturating_sub(self.block_offset) as usize
    }

    /// Goes past the zeros at a block's end, into the next block; returns the place in the block.
    fn skip_padding(&mut self) -> Result<core::result::Result<usize, Bad>> {
        let at = self.place();
        let left = BLOCK_BYTES.saturating_sub(at);
        if left >= PADDING_BYTES_MAX {
            return Ok(Ok(at));
        }
        let padding = self.block.get(at..).unwrap_or_default();
        if padding.len() < left {
            return Ok(Err(self.bad("padding", left as u64, padding.len() as u64)));
        }
        if let Some(byte) = padding.iter().find(|byte| **byte != 0) {
            return Ok(Err(self.bad("padding", 0, u64::from(*byte))));
        }
        self.offset = self.offset.saturating_add(left as u64);
        self.load(self.offset)?;
        Ok(Ok(self.place()))
    }

    /// Reads the block at `block_offset`, shorter at the file's end.
    fn load(&mut self, block_offset: u64) -> Result<()> {
        let left = self.bytes.saturating_sub(block_offset);
        let wanted = usize::try_from(left)
            .unwrap_or(BLOCK_BYTES)
            .min(BLOCK_BYTES);
        self.block_offset = block_offset;
        self.block.resize(wanted, 0);
        self.directory
            .read(self.name, &self.file, &mut self.block, block_offset)
    }

    fn fragment_at(&self, at: usize) -> core::result::Result<Fragment<'_>, Bad> {
        parse(&self.block, at, self.block_offset, self.salt)
    }

    fn bad(&self, what: &'static str, expected: u64, found: u64) -> Bad {
        Bad {
            offset: self.offset,
            what,
            expected,
            found,
        }
    }

    fn nonsense(&self, what: &'static str, expected: u64, found: u64) -> Error {
        self.bad(what, expected, found).error(self.name)
    }

    /// Looks at everything after bytes that are no fragment for proof that they had been synced.
    fn check_tail(&mut self, bad: Bad) -> Result<()> {
        if self.has_mark_after(bad.offset)? {
            return Err(bad.error(self.name));
        }
        Ok(())
    }

    /// Whether a valid `Synced` fragment here or later covers more than `offset`. Its length and kind are known, so most of a
    /// file that another log had before is passed over without a checksum.
    fn has_mark_after(&mut self, offset: u64) -> Result<bool> {
        const MARK: [u8; 3] = [8, 0, SYNCED];
        let mut at = self.place();
        loop {
            let rest = self.block.get(at..).unwrap_or_default();
            for (skipped, window) in rest.windows(FRAGMENT_HEADER_BYTES).enumerate() {
                if window.ends_with(&MARK)
                    && let Ok(fragment) = self.fragment_at(at.saturating_add(skipped))
                    && fragment.number().is_some_and(|synced| synced > offset)
                {
                    return Ok(true);
                }
            }
            let next = self.block_offset.saturating_add(BLOCK_BYTES as u64);
            if next >= self.bytes {
                return Ok(false);
            }
            self.load(next)?;
            at = 0;
        }
    }

    /// Whether log `number` has a record, which proves that the log before it was sealed and synced (W3). A file that is
    /// another log's still, or no log, has none.
    pub(in crate::db) fn has_records(directory: &Directory<P>, number: u64) -> Result<bool> {
        if directory.file_bytes(FileName::Log(number))? <= HEADER_BYTES as u64 {
            return Ok(false);
        }
        let mut reader = match Self::open(directory, number) {
            Ok(reader) => reader,
            Err(Error::Corrupt(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let first = reader.fragment_at(HEADER_BYTES).is_ok();
        Ok(first || reader.version == 1 || reader.has_mark_after(0)?)
    }
}

/// Checks a log's header and returns its version and salt.
fn read_header(name: FileName, number: u64, header: &[u8; HEADER_BYTES]) -> Result<(u32, u64)> {
    let corrupt =
        |offset, what, expected, found| Err(Error::corrupt(name, offset, what, expected, found));
    let mut reader = Reader::new(header);
    let magic = reader.u64().unwrap_or_default();
    let version = reader.u32().unwrap_or_default();
    let stated = reader.u64().unwrap_or_default();
    let salt = reader.u64().unwrap_or_default();
    let covered = header.get(..reader.offset()).unwrap_or_default();
    let crc = crc32c(covered);
    let found = reader.u32().unwrap_or_default();
    if magic != u64::from_le_bytes(MAGIC) {
        return corrupt(0, "magic number of a log", u64::from_le_bytes(MAGIC), magic);
    }
    if !is_same(crc, found) {
        return corrupt(0, "checksum of the header", crc.into(), found.into());
    }
    if !(1..=VERSION).contains(&version) {
        return Err(Error::Format {
            file: name,
            found: version,
            supported: VERSION,
        });
    }
    if stated != number {
        return corrupt(12, "log number", number, stated);
    }
    Ok((version, salt))
}

/// The fragment at `at` of a block that starts at `block_offset`.
fn parse(
    block: &[u8],
    at: usize,
    block_offset: u64,
    salt: u64,
) -> core::result::Result<Fragment<'_>, Bad> {
    let offset = block_offset.saturating_add(at as u64);
    let bad = |what, expected, found| {
        Err(Bad {
            offset,
            what,
            expected,
            found,
        })
    };
    let rest = block.get(at..).unwrap_or_default();
    let mut reader = Reader::new(rest);
    let (Some(crc), Some(length), Some(kind)) = (reader.u32(), reader.u16(), reader.u8()) else {
        return bad(
            "bytes of a record's header",
            FRAGMENT_HEADER_BYTES as u64,
            rest.len() as u64,
        );
    };
    if !(FULL..=SEAL).contains(&kind) {
        return bad("kind of a record", FULL.into(), kind.into());
    }
    let left = reader.rest().len();
    let Some(payload) = reader.bytes(length.into()) else {
        return bad("bytes of a record", length.into(), left as u64);
    };
    let body = rest.get(4..reader.offset()).unwrap_or_default();
    let expected = checksum(salt, offset, body);
    if !is_same(expected, crc) {
        return bad("checksum of a record", expected.into(), crc.into());
    }
    Ok(Fragment { kind, payload })
}
