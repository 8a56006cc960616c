//! Where a table belongs, what it was made of and when: what a repair without a manifest goes by.
#![forbid(unsafe_code)]

use crate::codec::{Reader, varint};
use crate::db::keyspace::KeyspaceId;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A keyspace, as tables name it, and a table's place in history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::db) struct Origin {
    pub(in crate::db) keyspace: KeyspaceId,
    pub(in crate::db) name: Arc<str>,
    /// The log that the manifest began at which was in force when the table was made, and the last write that its tables had: what
    /// older logs hold is in tables for certain. Of the manifest *before* the one that names the table, since a table may never
    /// come to be named, and then the logs that it was made of are still needed.
    pub(in crate::db) log_from: u64,
    pub(in crate::db) sequence_from: u64,
    /// Of a flush, the last write in the logs that it was made of, whether or not anything of it is left in the table; else 0.
    pub(in crate::db) flushed: u64,
    /// Numbers of the logs, or tables, that the table replaces: once one of them is gone, the others are obsolete, and while all are
    /// there, they say as much as the table does.
    pub(in crate::db) made_of: Vec<u64>,
}

impl Origin {
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        varint::push(out, self.keyspace.0.into());
        varint::push(out, self.name.len() as u64);
        out.extend_from_slice(self.name.as_bytes());
        let made = self.made_of.len() as u64;
        for number in [self.log_from, self.sequence_from, self.flushed, made] {
            varint::push(out, number);
        }
        for number in &self.made_of {
            varint::push(out, *number);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let keyspace = KeyspaceId(u32::try_from(reader.varint()?).ok()?);
        let name = core::str::from_utf8(reader.string()?).ok()?.into();
        let log_from = reader.varint()?;
        let sequence_from = reader.varint()?;
        let flushed = reader.varint()?;
        let mut made_of = Vec::new();
        for _ in 0..reader.varint()? {
            made_of.push(reader.varint()?);
        }
        Some(Self {
            keyspace,
            name,
            log_from,
            sequence_from,
            flushed,
            made_of,
        })
    }

    /// The keyspace's name.
    pub(in crate::db) fn name_text(&self) -> String {
        String::from(&*self.name)
    }
}
