//! Merges sorted sources, in either direction: per key what its entries in all of them come to.
//!
//! Sources stand newest first and each has a key once. Those that are at an entry are kept in order, by key and then by age; a step
//! moves the ones at the current key and puts each back where it belongs. When one source has a run of keys, that is one comparison
//! a step, mostly of numbers.
//!
//! # What a key comes to
//! Its newest entry counts, unless a newer source has removed a range that takes it in. Merges are gathered until a value,
//! a remove or a removed range; without one they are a value too if the sources are all there are, else still merges. What the operator refuses stays a refused one.
//! A reference stays one until somebody wants the value. Merges over a value that cannot be read are an error, or, for whoever builds tables,
//! refused ones that have the reference: nobody is kept from merging, and whoever reads the key is told.
#![forbid(unsafe_code)]

use super::source::Source;
use crate::db::entry::{Entry, Kind};
use crate::db::error::Result;
use crate::db::operands::{Base, MergeOperator, NO_LIST, Operands};
use crate::db::prefix::prefix;
use crate::db::table::Block;
use crate::platform::Files;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::Bound;

/// What the current key comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As the entry of the first source in `order` says, which is of this kind.
    Entry(Kind),
    /// A removed range hides it.
    Hidden,
    /// This, with `merged`.
    Merged(Kind),
    /// A value, with `value`, that the first source refers to.
    Value,
}

/// A source at an entry.
#[derive(Clone, Copy, Debug)]
struct Head {
    /// Of its key, such that the lesser one comes first in the direction of the walk.
    prefix: u64,
    at: usize,
}

impl Head {
    #[inline]
    fn new(key: &[u8], at: usize, reverse: bool) -> Self {
        let prefix = prefix(key);
        let prefix = if reverse { !prefix } else { prefix };
        Self { prefix, at }
    }
}

/// A place in the merged order. Starts at no entry.
#[derive(Debug)]
pub(in crate::db) struct MergeCursor<P: Files> {
    /// Newest first.
    sources: Vec<Source<P>>,
    operator: Option<MergeOperator>,
    /// Whether there is nothing older than these sources.
    complete: bool,
    /// Whether merges over values that cannot be read are kept as refused ones.
    keeps_lost: bool,
    /// Whether sources stand in no order: sequence numbers say what is newer.
    by_sequence: bool,
    reverse: bool,
    /// Sources at an entry, in order.
    order: Vec<Head>,
    /// How many of them are at the current key.
    group: usize,
    /// Sources with removed ranges.
    ranged: Vec<usize>,
    state: State,
    merged: Vec<u8>,
    value: Option<Arc<Block>>,
    operands: Operands,
    moving: Vec<usize>,
}

impl<P: Files> MergeCursor<P> {
    pub(in crate::db) fn new(
        sources: Vec<Source<P>>,
        operator: Option<MergeOperator>,
        complete: bool,
    ) -> Self {
        let ranged = (0..sources.len())
            .filter(|&at| sources[at].has_ranges())
            .collect();
        Self {
            sources,
            operator,
            complete,
            keeps_lost: false,
            by_sequence: false,
            reverse: false,
            order: Vec::new(),
            group: 0,
            ranged,
            state: State::Hidden,
            merged: Vec::new(),
            value: None,
            operands: Operands::default(),
            moving: Vec::new(),
        }
    }

    /// Keeps merges over values that cannot be read as refused ones.
    pub(in crate::db) const fn keep_lost(&mut self) {
        self.keeps_lost = true;
    }

    /// Has entries' sequence numbers say which is newer, not the order of sources. Of several with one number those that came of a merge, which have
    /// a value, count before those that went into it, and what was ingested before the remove that it has its number from.
    pub(in crate::db) const fn go_by_sequence(&mut self) {
        self.by_sequence = true;
    }

    pub(in crate::db) fn sources(&self) -> &[Source<P>] {
        &self.sources
    }

    /// Goes to the first key at, or after, the bound; in reverse to the last one at, or before, it. The direction stays.
    pub(in crate::db) fn seek(&mut self, from: Bound<&[u8]>, reverse: bool) -> Result<()> {
        self.reverse = reverse;
        self.order.clear();
        self.group = 0;
        for source in &mut self.sources {
            source.seek(from, reverse)?;
        }
        for at in 0..self.sources.len() {
            self.enter(at);
        }
        self.settle()
    }

    /// Goes on to the next key in the direction of the seek.
    #[inline]
    pub(in crate::db) fn step(&mut self) -> Result<()> {
        if self.group == 1 {
            let at = self.order[0].at;
            let source = &mut self.sources[at];
            source.step(self.reverse)?;
            let Some((key, kind)) = source.here() else {
                self.order.remove(0);
                return self.settle();
            };
            let head = Head::new(key, at, self.reverse);
            let next = self.order.get(1);
            if next.is_none_or(|next| head.prefix < next.prefix)
                && self.ranged.is_empty()
                && !matches!(kind, Kind::Merge | Kind::Refused)
            {
                // It stays first, alone at its key, and nothing hides it: most steps of most walks.
                self.order[0] = head;
                self.state = State::Entry(kind);
                return Ok(());
            }
            let rest = self.order.iter().skip(1);
            let after = rest.take_while(|other| !self.is_before(head, **other));
            let place = after.count();
            self.order.copy_within(1..=place, 0);
            self.order[place] = head;
            return self.settle();
        }
        self.step_group()
    }

    /// As [`step`](Self::step), from a key that several sources have.
    #[cold]
    fn step_group(&mut self) -> Result<()> {
        let mut moving = core::mem::take(&mut self.moving);
        moving.clear();
        moving.extend(self.order.drain(..self.group).map(|head| head.at));
        self.group = 0;
        for &at in &moving {
            self.sources[at].step(self.reverse)?;
            self.enter(at);
        }
        self.moving = moving;
        self.settle()
    }

    /// What the key here comes to; `None` inside for a key that a removed range hides.
    pub(in crate::db) fn entry(&self) -> Option<(&[u8], Option<Entry<'_>>)> {
        let entry = self.sources[self.order.first()?.at].entry()?;
        let resolved = match self.state {
            State::Entry(_) => Some(entry),
            State::Hidden => None,
            State::Merged(kind) => Some(Entry {
                kind,
                value: &self.merged,
                ..entry
            }),
            State::Value => Some(Entry {
                kind: Kind::Put,
                value: self.value.as_deref().map_or(&[], Block::value),
                ..entry
            }),
        };
        Some((entry.key, resolved))
    }

    /// The key here and its value, or the reference to it; `None` for a key that has none.
    #[inline]
    pub(in crate::db) fn pair(&self) -> Option<(&[u8], &[u8])> {
        let (key, value) = self.sources[self.order.first()?.at].pair()?;
        let value = match self.state {
            State::Entry(Kind::Remove) | State::Hidden => return None,
            State::Entry(_) => value,
            State::Merged(_) => &self.merged,
            State::Value => self.value.as_deref().map_or(&[][..], Block::value),
        };
        Some((key, value))
    }

    /// Whether there is no key here.
    #[inline]
    pub(in crate::db) const fn is_done(&self) -> bool {
        self.order.is_empty()
    }

    /// The key here.
    #[inline]
    pub(in crate::db) fn key(&self) -> Option<&[u8]> {
        self.sources[self.order.first()?.at].key()
    }

    /// As the kind of [`entry`](Self::entry), when there is a [`key`](Self::key).
    #[inline]
    pub(in crate::db) const fn kind(&self) -> Option<Kind> {
        match self.state {
            State::Entry(kind) | State::Merged(kind) => Some(kind),
            State::Value => Some(Kind::Put),
            State::Hidden => None,
        }
    }

    /// Puts the value in the place of the reference here, if it is one.
    #[inline]
    pub(in crate::db) fn follow(&mut self) -> Result<()> {
        if self.state == State::Entry(Kind::Reference) {
            self.value = self.referenced()?;
            self.state = State::Value;
        }
        Ok(())
    }

    /// The value that the reference here leads to.
    pub(in crate::db) fn referenced(&self) -> Result<Option<Arc<Block>>> {
        let source = self.order.first().map(|first| &self.sources[first.at]);
        let found = source.and_then(|source| Some((source, source.entry()?.reference()?)));
        match found {
            Some((source, reference)) => source.value(reference),
            None => Ok(None),
        }
    }

    fn head(&self, at: usize) -> Option<Head> {
        Some(Head::new(self.sources[at].key()?, at, self.reverse))
    }

    /// Whether a source comes before another one.
    fn is_before(&self, a: Head, b: Head) -> bool {
        let by_key = || {
            let order = self.sources[a.at].key().cmp(&self.sources[b.at].key());
            if self.reverse { order.reverse() } else { order }
        };
        let order = a.prefix.cmp(&b.prefix).then_with(by_key);
        order.then(a.at.cmp(&b.at)) == Ordering::Less
    }

    /// Puts a source into the order, if it is at an entry.
    fn enter(&mut self, at: usize) {
        let Some(head) = self.head(at) else {
            return;
        };
        let mut heads = self.order.iter();
        let place = heads.position(|&other| self.is_before(head, other));
        self.order.insert(place.unwrap_or(self.order.len()), head);
    }

    /// Finds the sources at the first key, and what it comes to.
    fn settle(&mut self) -> Result<()> {
        (self.state, self.group) = (State::Hidden, 0);
        let Some(&first) = self.order.first() else {
            return Ok(());
        };
        let Some((key, kind)) = self.sources[first.at].here() else {
            return Ok(());
        };
        let rest = self.order[1..].iter();
        let same = rest.take_while(|next| {
            next.prefix == first.prefix && self.sources[next.at].key() == Some(key)
        });
        self.group = 1 + same.count();
        if self.by_sequence {
            return self.settle_by_sequence();
        }
        if !self.ranged.is_empty() && self.is_hidden(key, first.at) {
            return Ok(());
        }
        if matches!(kind, Kind::Merge | Kind::Refused) {
            return self.merge();
        }
        self.state = State::Entry(kind);
        Ok(())
    }

    /// As [`settle`](Self::settle), from the group on.
    fn settle_by_sequence(&mut self) -> Result<()> {
        let Self {
            sources,
            order,
            group,
            ..
        } = self;
        order[..*group].sort_by_key(|head| {
            let entry = sources[head.at].entry();
            let age = entry.map(|Entry { sequence, kind, .. }| {
                (sequence, kind != Kind::Merge, kind != Kind::Remove)
            });
            (core::cmp::Reverse(age), head.at)
        });
        let first = self.order.first().map(|head| &self.sources[head.at]);
        let Some(entry) = first.and_then(Source::entry) else {
            return Ok(());
        };
        if self.is_removed(entry.key, entry.sequence) {
            return Ok(());
        }
        if matches!(entry.kind, Kind::Merge | Kind::Refused) {
            return self.merge();
        }
        self.state = State::Entry(entry.kind);
        Ok(())
    }

    /// Whether a range with `key` was removed after the write `sequence`.
    fn is_removed(&self, key: &[u8], sequence: u64) -> bool {
        let mut ranged = self.ranged.iter();
        ranged.any(|&at| self.sources[at].covering(key) > sequence)
    }

    /// Whether a source newer than `before` has removed a range with `key`.
    fn is_hidden(&self, key: &[u8], before: usize) -> bool {
        self.ranged
            .iter()
            .take_while(|&&at| at < before)
            .any(|&at| self.sources[at].covering(key) > 0)
    }

    /// Puts the merges of the current key together.
    #[cold]
    fn merge(&mut self) -> Result<()> {
        let Self {
            sources,
            order,
            operands,
            ..
        } = self;
        operands.clear();
        let value;
        let mut base = Base::Nothing;
        let mut key = &[][..];
        let mut ended = self.complete;
        let mut last = u64::MAX;
        for &Head { at, .. } in &order[..self.group] {
            let Some(entry) = sources[at].entry() else {
                break;
            };
            key = entry.key;
            let mut ranged = self.ranged.iter();
            let removed = match self.by_sequence {
                false => ranged
                    .take_while(|&&ranged| ranged < at)
                    .any(|&ranged| sources[ranged].covering(key) > 0),
                true => ranged.any(|&ranged| sources[ranged].covering(key) > entry.sequence),
            };
            if removed {
                ended = true;
                break;
            }
            // Twice the same, in a table and in what it was made of.
            if self.by_sequence && core::mem::replace(&mut last, entry.sequence) == entry.sequence {
                continue;
            }
            match entry.kind {
                Kind::Merge if operands.push_list(entry.value) => {}
                Kind::Merge => return Err(NO_LIST),
                Kind::Refused => base = operands.push_refused(entry.value)?,
                Kind::Put => base = Base::Value(entry.value),
                Kind::Reference => base = Base::Lost(entry.value),
                Kind::Remove => {}
            }
            if let Base::Lost(reference) = base {
                match sources[at].value(reference) {
                    Err(error) if self.keeps_lost && error.is_lost() => {}
                    found => {
                        value = found?;
                        base = value.as_deref().map(Block::value).into();
                    }
                }
                ended = true;
                break;
            }
            if entry.kind != Kind::Merge {
                ended = true;
                break;
            }
        }
        ended |= self.ranged.iter().any(|&at| sources[at].covering(key) > 0);
        self.merged.clear();
        if ended {
            let kind = operands.resolve(self.operator, key, base, &mut self.merged);
            self.state = State::Merged(kind);
        } else {
            operands.encode(&mut self.merged);
            self.state = State::Merged(Kind::Merge);
        }
        Ok(())
    }
}
