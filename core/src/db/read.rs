//! Point reads: from the newest source on, until one decides.
#![forbid(unsafe_code)]

use super::entry::Kind;
use super::error::Result;
use super::filter;
use super::iter::candidate;
use super::operands::{Base, MergeOperator, NO_LIST, Operands};
use super::table::{Block, Found, Table};
use super::version::Tree;
use crate::platform::Files;
use alloc::sync::Arc;
use alloc::vec::Vec;

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
            let found = table.get(key, hash)?;
            match says(table, found.as_ref(), key, &mut operands)? {
                Says::Nothing => {}
                Says::Gone => return finish(&operands, None),
                Says::Value(value) => return finish(&operands, Some(value)),
                Says::Referred(value) => return finish(&operands, Some(value.value())),
            }
        }
    }
    finish(&operands, None)
}

/// What a table says of a key.
enum Says<'a> {
    /// Older ones are to be asked.
    Nothing,
    Gone,
    Value(&'a [u8]),
    Referred(Arc<Block>),
}

/// What the table says, by what was found in it.
#[inline]
fn says<'a, P: Files>(
    table: &Table<P>,
    found: Option<&'a Found>,
    key: &[u8],
    operands: &mut Operands,
) -> Result<Says<'a>> {
    match found {
        Some(found) => match found.kind {
            Kind::Put => return Ok(Says::Value(found.value())),
            Kind::Remove => return Ok(Says::Gone),
            Kind::Merge if operands.push_list(found.value()) => {}
            Kind::Merge | Kind::Reference => return Err(NO_LIST),
            Kind::Refused => {
                return Ok(match operands.push_refused(found.value())? {
                    Base::Nothing => Says::Gone,
                    Base::Value(value) => Says::Value(value),
                    Base::Lost(reference) => Says::Referred(table.value(reference, true)?),
                });
            }
        },
        None if table.ranges().is_empty() => return Ok(Says::Nothing),
        None => {}
    }
    Ok(match table.ranges().covering(key) {
        0 => Says::Nothing,
        _ => Says::Gone,
    })
}

/// A key of several.
struct Wanted<'a> {
    key: &'a [u8],
    hash: u64,
    /// Its place among them.
    at: usize,
    operands: Operands,
}

/// The values of several keys as of `sequence`. They are looked for in order, in one table after the other: of neighbours one look at a block
/// serves all, and blocks that lie close are read together.
pub(super) fn get_many<P: Files, K: AsRef<[u8]>>(
    tree: &Tree<P>,
    sequence: u64,
    operator: Option<MergeOperator>,
    keys: &[K],
) -> Result<Vec<Option<Vec<u8>>>> {
    let mut values: Vec<Option<Vec<u8>>> = Vec::new();
    values.resize_with(keys.len(), || None);
    let mut wanted = Vec::with_capacity(keys.len());
    for (at, key) in keys.iter().enumerate() {
        let key = key.as_ref();
        wanted.push(Wanted {
            key,
            hash: filter::hash(key),
            at,
            operands: Operands::default(),
        });
    }
    wanted.sort_unstable_by(|a, b| a.key.cmp(b.key));
    let mut finish = |wanted: &Wanted<'_>, value: Option<&[u8]>| -> Result<()> {
        values[wanted.at] = match wanted.operands.is_empty() {
            true => value.map(<[u8]>::to_vec),
            false => Some(wanted.operands.apply(operator, wanted.key, value)?),
        };
        Ok(())
    };
    let mut left = Vec::with_capacity(wanted.len());
    'keys: for mut wanted in wanted {
        for memtable in tree.memtables() {
            for version in memtable.versions(wanted.key, wanted.hash, sequence) {
                match version.kind {
                    Kind::Put => finish(&wanted, Some(version.value))?,
                    Kind::Remove => finish(&wanted, None)?,
                    Kind::Merge | Kind::Refused | Kind::Reference => {
                        wanted.operands.push(version.value);
                        continue;
                    }
                }
                continue 'keys;
            }
        }
        left.push(wanted);
    }
    for (level, tables) in tree.version.levels.iter().enumerate() {
        let mut at = 0;
        let mut table_at = 0;
        while at < left.len() {
            // Of level 0 each table is asked for all of them, elsewhere the one that may have them.
            let (table, end) = if level == 0 {
                let Some(table) = tables.get(table_at) else {
                    break;
                };
                table_at += 1;
                (table, left.len())
            } else {
                let Some(table) = candidate(tables, left[at].key) else {
                    at += 1;
                    continue;
                };
                let largest = &*table.info().largest;
                let inside = left[at..].partition_point(|wanted| wanted.key <= largest);
                // Those beyond it, and before the next, are in none.
                (table, at + inside.max(1))
            };
            let asked = &mut left[at..end];
            let keys: Vec<_> = asked
                .iter()
                .map(|wanted| (wanted.key, wanted.hash))
                .collect();
            let mut done = alloc::vec![false; asked.len()];
            table.get_sorted(&keys, |index, found| {
                let wanted = &mut asked[index];
                let value = match says(table, found.as_ref(), wanted.key, &mut wanted.operands)? {
                    Says::Nothing => return Ok(()),
                    Says::Gone => finish(wanted, None),
                    Says::Value(value) => finish(wanted, Some(value)),
                    Says::Referred(value) => finish(wanted, Some(value.value())),
                };
                done[index] = true;
                value
            })?;
            let mut done = done.into_iter();
            let rest = left.split_off(end);
            let asked = left.split_off(at);
            left.extend(asked.into_iter().filter(|_| done.next() == Some(false)));
            if level > 0 {
                at = left.len();
            }
            left.extend(rest);
        }
    }
    left.iter().try_for_each(|wanted| finish(wanted, None))?;
    Ok(values)
}
