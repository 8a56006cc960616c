//! Point reads: from the newest source on, until one decides.
#![forbid(unsafe_code)]

use super::entry::Kind;
use super::error::Result;
use super::filter;
use super::iter::candidate;
use super::operands::{Base, MergeOperator, NO_LIST, Operands};
use super::version::Tree;
use crate::platform::Files;

/// Calls `read` with the value of `key` as of `sequence`, in place unless merges make it up.
pub(super) fn get_with<P: Files, R>(
    tree: &Tree<P>,
    sequence: u64,
    operator: Option<MergeOperator>,
    key: &[u8],
    read: impl FnOnce(&[u8]) -> R,
) -> Result<Option<R>> {
    let mut operands = Operands::default();
    let finish = |operands: &Operands, value: Option<&[u8]>| {
        if operands.is_empty() {
            return Ok(value.map(read));
        }
        operands
            .apply(operator, key, value)
            .map(|value| Some(read(&value)))
    };
    let hash = filter::hash(key);
    for memtable in tree.memtables() {
        for version in memtable.versions(key, hash, sequence) {
            match version.kind {
                Kind::Put => return finish(&operands, Some(version.value)),
                Kind::Remove => return finish(&operands, None),
                Kind::Merge | Kind::Refused | Kind::Reference => operands.push(version.value),
            }
        }
    }
    for (level, tables) in tree.version.levels.iter().enumerate() {
        let tables = if level == 0 {
            &tables[..]
        } else {
            candidate(tables, key).map_or(&[][..], core::slice::from_ref)
        };
        for table in tables {
            match table.get(key, hash)? {
                Some(found) => match found.kind {
                    Kind::Put => return finish(&operands, Some(found.value())),
                    Kind::Remove => return finish(&operands, None),
                    Kind::Merge if operands.push_list(found.value()) => {}
                    Kind::Merge | Kind::Reference => return Err(NO_LIST),
                    Kind::Refused => match operands.push_refused(found.value())? {
                        Base::Nothing => return finish(&operands, None),
                        Base::Value(value) => return finish(&operands, Some(value)),
                        Base::Lost(reference) => {
                            let value = table.value(reference, true)?;
                            return finish(&operands, Some(value.value()));
                        }
                    },
                },
                None if table.ranges().is_empty() => continue,
                None => {}
            }
            if table.ranges().covering(key) > 0 {
                return finish(&operands, None);
            }
        }
    }
    finish(&operands, None)
}
