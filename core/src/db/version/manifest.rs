//! The manifest: one small file that says which tables and logs are the database. Byte-exact grammar: `FORMAT.md`.
//!
//! # The switch
//! 1. write `MANIFEST.tmp` whole and sync it;
//! 2. sync the directory: the names of all tables and logs that it mentions are durable;
//! 3. rename it to `MANIFEST`, in one step also for a power loss;
//! 4. sync the directory: the switch is durable; only now may files that it no longer mentions be removed.
//!
//! A failure up to step 2 changes nothing. After a failure in step 3 or 4 either manifest may be found after a power loss; both
//! are whole and all their files are still there, but the database can't say which, so it refuses writes until reopened.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::{Levels, name_text};
use crate::codec::{Reader, crc32c, is_same, varint};
use crate::db::directory::Directory;
use crate::db::error::{Error, Result};
use crate::db::file_name::FileName;
use crate::db::keyspace::KeyspaceId;
use crate::db::table::TableInfo;
use crate::db::values::Share;
use crate::platform::{Access, ClockId, Create, Durability, Files, OpenOptions};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

const MAGIC: [u8; 8] = *b"underman";
/// What is written; version 1, with one keyspace and one level, and version 2, without values files, are read too.
const VERSION: u32 = 3;
/// Magic, version and body length.
const HEADER_BYTES: usize = 16;
/// Thousands of tables with two keys each; more is no manifest of ours.
const BYTES_MAX: u64 = 512 << 20;

/// Numbers are counted on from the manifest's: with these, none is ever too large for what it is written to.
const NUMBER_MAX: u64 = 1 << 62;
const SEQUENCE_MAX: u64 = 1 << 60;

/// What is in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::db) struct Manifest {
    /// Random, the same for the life of the database.
    pub(in crate::db) id: u64,
    /// Greater than the number of every table and log that this manifest or an earlier one mentions.
    pub(in crate::db) next_number: u64,
    /// The log where recovery starts; logs with smaller numbers are leftovers.
    pub(in crate::db) log_number: u64,
    /// The last write that is in the tables; the log's first write has the next number.
    pub(in crate::db) sequence: u64,
    /// Greater than the number of every keyspace that there ever was.
    pub(in crate::db) next_keyspace: u32,
    /// By ascending number; the default one, without a name, is first.
    pub(in crate::db) keyspaces: Vec<KeyspaceInfo>,
}

/// A keyspace's number, name and tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::db) struct KeyspaceInfo {
    pub(in crate::db) id: KeyspaceId,
    pub(in crate::db) name: String,
    /// Level 0 newest first, the others by key.
    pub(in crate::db) levels: Levels<TableInfo>,
}

/// Why a manifest was not stored.
#[derive(Debug)]
pub(in crate::db) struct StoreError {
    pub(in crate::db) error: Error,
    /// Whether a power loss may bring up either manifest.
    pub(in crate::db) uncertain: bool,
}

impl Manifest {
    /// A new identity.
    pub(in crate::db) fn new_id<P: Files>(platform: &P) -> u64 {
        platform
            .random_u64()
            .unwrap_or_else(|_| platform.now(ClockId::Real).as_ns())
    }

    /// Of a copy. It shares the tables that there are, and may go its own way: its next ones get numbers far from those that the
    /// original goes on with, so that no backup takes one's tables for the other's.
    pub(in crate::db) fn of_copy<P: Files>(mut self, platform: &P) -> Self {
        let leap = Self::new_id(platform) >> 40;
        self.next_number = self.next_number.saturating_add(leap).saturating_add(1);
        self
    }

    /// Of a database without tables.
    pub(in crate::db) fn new(id: u64) -> Self {
        Self {
            id,
            next_number: 1,
            next_keyspace: 1,
            keyspaces: alloc::vec![KeyspaceInfo::default()],
            ..Self::default()
        }
    }

    /// All tables.
    pub(in crate::db) fn tables(&self) -> impl Iterator<Item = &TableInfo> {
        self.keyspaces
            .iter()
            .flat_map(|keyspace| keyspace.levels.iter().flatten())
    }

    /// The values files that tables refer to, and their lengths.
    pub(in crate::db) fn value_files(&self) -> BTreeMap<u64, u64> {
        let shares = self.tables().flat_map(|table| &table.values);
        shares.map(|share| (share.file, share.file_bytes)).collect()
    }

    pub(in crate::db) fn keyspace(&mut self, id: KeyspaceId) -> Option<&mut KeyspaceInfo> {
        self.keyspaces.iter_mut().find(|keyspace| keyspace.id == id)
    }

    /// The file's bytes.
    pub(in crate::db) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(&self.id.to_le_bytes());
        for number in [
            self.next_number,
            self.log_number,
            self.sequence,
            self.next_keyspace.into(),
            self.keyspaces.len() as u64,
        ] {
            varint::push(&mut body, number);
        }
        for keyspace in &self.keyspaces {
            varint::push(&mut body, keyspace.id.0.into());
            push_string(&mut body, keyspace.name.as_bytes());
            for tables in &keyspace.levels {
                varint::push(&mut body, tables.len() as u64);
                tables.iter().for_each(|table| push_table(&mut body, table));
            }
        }
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        bytes.append(&mut body);
        let crc = crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the file's bytes.
    pub(in crate::db) fn decode(bytes: &[u8]) -> Result<Self> {
        let name = FileName::Manifest;
        let corrupt = |offset, what, expected, found| {
            Err(Error::corrupt(name, offset, what, expected, found))
        };
        let mut reader = Reader::new(bytes);
        let (Some(magic), Some(version), Some(length)) = (reader.u64(), reader.u32(), reader.u32())
        else {
            return corrupt(
                0,
                "bytes of the header",
                HEADER_BYTES as u64,
                bytes.len() as u64,
            );
        };
        if magic != u64::from_le_bytes(MAGIC) {
            return corrupt(
                0,
                "magic number of a manifest",
                u64::from_le_bytes(MAGIC),
                magic,
            );
        }
        let Some((covered, stated)) = bytes.split_last_chunk::<4>() else {
            return corrupt(0, "bytes of the file", 4, bytes.len() as u64);
        };
        let (expected, found) = (crc32c(covered), u32::from_le_bytes(*stated));
        if !is_same(expected, found) {
            return corrupt(0, "checksum of the file", expected.into(), found.into());
        }
        if !(1..=VERSION).contains(&version) {
            return Err(Error::Format {
                file: name,
                found: version,
                supported: VERSION,
            });
        }
        let body = covered.get(HEADER_BYTES..).unwrap_or_default();
        if body.len() as u64 != u64::from(length) {
            return corrupt(12, "bytes of the body", length.into(), body.len() as u64);
        }
        let mut reader = Reader::new(body);
        match Self::read_body(version, &mut reader) {
            Some(manifest) if reader.is_empty() => Ok(manifest),
            _ => {
                let offset = HEADER_BYTES.saturating_add(reader.offset());
                corrupt(offset as u64, "field of the body", 1, 0)
            }
        }
    }

    fn read_body(version: u32, reader: &mut Reader<'_>) -> Option<Self> {
        let manifest = Self {
            id: reader.u64()?,
            next_number: reader.varint()?,
            log_number: reader.varint()?,
            sequence: reader.varint()?,
            next_keyspace: 1,
            keyspaces: Vec::new(),
        };
        if manifest.next_number > NUMBER_MAX || manifest.sequence > SEQUENCE_MAX {
            return None;
        }
        let manifest = manifest.read_keyspaces(version, reader)?;
        let known = |number| number < manifest.next_number;
        let all = manifest.tables().all(|table| known(table.number));
        (all && known(manifest.log_number)).then_some(manifest)
    }

    fn read_keyspaces(mut self, version: u32, reader: &mut Reader<'_>) -> Option<Self> {
        let manifest = &mut self;
        if version == 1 {
            let mut keyspace = KeyspaceInfo::default();
            let [level0, ..] = &mut keyspace.levels;
            for _ in 0..reader.varint()? {
                level0.push(read_table(version, reader)?);
            }
            manifest.keyspaces.push(keyspace);
            return Some(self);
        }
        let next = u32::try_from(reader.varint()?).ok();
        manifest.next_keyspace = next.filter(|&next| next < u32::MAX)?;
        for _ in 0..reader.varint()? {
            let mut keyspace = KeyspaceInfo {
                id: KeyspaceId(u32::try_from(reader.varint()?).ok()?),
                name: name_text(reader.string()?)?,
                ..KeyspaceInfo::default()
            };
            for tables in &mut keyspace.levels {
                for _ in 0..reader.varint()? {
                    tables.push(read_table(version, reader)?);
                }
            }
            let ascends = manifest
                .keyspaces
                .last()
                .map_or(keyspace.id == KeyspaceId::DEFAULT, |last| {
                    last.id < keyspace.id
                });
            if !ascends || keyspace.id.0 >= manifest.next_keyspace {
                return None;
            }
            manifest.keyspaces.push(keyspace);
        }
        (!manifest.keyspaces.is_empty()).then_some(self)
    }

    /// Reads the manifest of a directory, if it has one.
    pub(in crate::db) fn load<P: Files>(directory: &Directory<P>) -> Result<Option<Self>> {
        let name = FileName::Manifest;
        if !directory.exists(name)? {
            return Ok(None);
        }
        let file = directory.open_existing(name)?;
        let bytes = directory.length(name, &file)?;
        let length = usize::try_from(bytes).ok().filter(|_| bytes <= BYTES_MAX);
        let Some(length) = length else {
            return Err(Error::corrupt(
                name,
                0,
                "bytes of the file",
                BYTES_MAX,
                bytes,
            ));
        };
        let mut buffer = alloc::vec![0; length];
        directory.read(name, &file, &mut buffer, 0)?;
        Self::decode(&buffer).map(Some)
    }

    /// Makes this the directory's manifest, as the module says.
    pub(in crate::db) fn store<P: Files>(
        &self,
        directory: &Directory<P>,
    ) -> core::result::Result<(), StoreError> {
        let name = FileName::ManifestTemporary;
        let prepare = || {
            let open = OpenOptions {
                access: Access::Write,
                ..OpenOptions::read()
            };
            let open = open.with_create(Create::IfMissing).with_truncate();
            let bytes = self.encode();
            if bytes.len() as u64 > BYTES_MAX {
                return Err(Error::Limit {
                    what: "manifest (bytes of the names and keys of tables and keyspaces)",
                    found: bytes.len() as u64,
                    max: BYTES_MAX,
                });
            }
            let file = directory.open(name, &open)?;
            directory.write(name, &file, &bytes, 0)?;
            directory.sync(name, &file, Durability::Full)?;
            drop(file);
            directory.sync_names()
        };
        prepare().map_err(|error| StoreError {
            error,
            uncertain: false,
        })?;
        directory
            .rename(name, FileName::Manifest)
            .and_then(|()| directory.sync_names())
            .map_err(|error| StoreError {
                error,
                uncertain: true,
            })
    }
}

fn push_string(body: &mut Vec<u8>, bytes: &[u8]) {
    varint::push(body, bytes.len() as u64);
    body.extend_from_slice(bytes);
}

fn push_table(body: &mut Vec<u8>, table: &TableInfo) {
    for number in [
        table.number,
        table.bytes,
        table.entries,
        table.removes,
        table.sequence_max,
        table.ranges,
    ] {
        varint::push(body, number);
    }
    push_string(body, &table.smallest);
    push_string(body, &table.largest);
    Share::push_all(&table.values, body);
}

fn read_table(version: u32, reader: &mut Reader<'_>) -> Option<TableInfo> {
    Some(TableInfo {
        number: reader.varint()?,
        bytes: reader.varint()?,
        entries: reader.varint()?,
        removes: reader.varint()?,
        sequence_max: reader.varint()?,
        ranges: if version == 1 { 0 } else { reader.varint()? },
        smallest: reader.string()?.into(),
        largest: reader.string()?.into(),
        values: match version {
            ..3 => Vec::new(),
            3.. => Share::read_all(reader)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Manifest {
        let table = TableInfo {
            number: 3,
            bytes: 500,
            entries: 2,
            removes: 1,
            ranges: 2,
            sequence_max: 9,
            smallest: (*b"a").into(),
            largest: (*b"zz").into(),
            values: alloc::vec![Share {
                file: 2,
                file_bytes: 1000,
                live_bytes: 300,
            }],
        };
        let mut other = KeyspaceInfo {
            id: KeyspaceId(5),
            name: "other".into(),
            ..KeyspaceInfo::default()
        };
        other.levels[6].push(table.clone());
        let mut manifest = Manifest {
            next_number: 300,
            log_number: 4,
            sequence: 9,
            next_keyspace: 6,
            ..Manifest::new(77)
        };
        manifest.keyspaces[0].levels[0].push(table);
        manifest.keyspaces.push(other);
        manifest
    }

    #[test]
    fn a_manifest_comes_back_and_any_change_is_seen() {
        let bytes = example().encode();
        assert_eq!(Manifest::decode(&bytes), Ok(example()));
        for cut in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                let error = Manifest::decode(&bytes).unwrap_err();
                assert!(matches!(error, Error::Corrupt(_)), "{error}");
            }
        }
    }

    #[test]
    fn numbers_that_cannot_be_counted_on_are_refused() {
        let edits: [fn(&mut Manifest); 5] = [
            |manifest| manifest.next_number = NUMBER_MAX + 1,
            |manifest| manifest.sequence = SEQUENCE_MAX + 1,
            |manifest| manifest.next_keyspace = u32::MAX,
            |manifest| manifest.log_number = manifest.next_number,
            |manifest| manifest.keyspaces[1].levels[6][0].number = manifest.next_number,
        ];
        for edit in edits {
            let mut manifest = example();
            edit(&mut manifest);
            let read = Manifest::decode(&manifest.encode());
            assert!(matches!(read, Err(Error::Corrupt(_))), "{read:?}");
        }
    }
}
