//! Where a table belongs and what it was made of: what a repair without a manifest goes by.
#![forbid(unsafe_code)]

use crate::codec::{Reader, varint};
use crate::db::keyspace::KeyspaceId;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A keyspace, as tables name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::db) struct Origin {
    pub(in crate::db) keyspace: KeyspaceId,
    pub(in crate::db) name: Arc<str>,
    /// Numbers of the logs, or tables, that the table replaces: once one of them is gone, the others are obsolete, and while all are
    /// there, they say as much as the table does.
    pub(in crate::db) made_of: Vec<u64>,
}

impl Origin {
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        varint::push(out, self.keyspace.0.into());
        varint::push(out, self.name.len() as u64);
        out.extend_from_slice(self.name.as_bytes());
        varint::push(out, self.made_of.len() as u64);
        for number in &self.made_of {
            varint::push(out, *number);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let keyspace = KeyspaceId(u32::try_from(reader.varint()?).ok()?);
        let name = core::str::from_utf8(reader.string()?).ok()?.into();
        let mut made_of = Vec::new();
        for _ in 0..reader.varint()? {
            made_of.push(reader.varint()?);
        }
        Some(Self {
            keyspace,
            name,
            made_of,
        })
    }

    /// The keyspace's name.
    pub(in crate::db) fn name_text(&self) -> String {
        String::from(&*self.name)
    }
}
