//! Slices and strings in pieces: between separators, with them, or where neighbours differ.
#![allow(unsafe_code, reason = "a source is a promise, here an empty one")]

use super::source::Source;
use alloc::sync::Arc;
use core::fmt;
use core::mem::take;

/// Something that can be cut.
pub trait Sequence: Sized + Send {
    /// Its length.
    fn len(&self) -> usize;

    /// Whether it is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What comes before `at`, and what comes from it on.
    fn cut(self, at: usize) -> (Self, Self);

    /// The first place from `at` on where it may be cut.
    fn place(&self, at: usize) -> usize;
}

impl<T: Sync> Sequence for &[T] {
    fn len(&self) -> usize {
        (**self).len()
    }
    fn cut(self, at: usize) -> (Self, Self) {
        self.split_at(at)
    }
    fn place(&self, at: usize) -> usize {
        at
    }
}

impl<T: Send> Sequence for &mut [T] {
    fn len(&self) -> usize {
        (**self).len()
    }
    fn cut(self, at: usize) -> (Self, Self) {
        self.split_at_mut(at)
    }
    fn place(&self, at: usize) -> usize {
        at
    }
}

impl Sequence for &str {
    fn len(&self) -> usize {
        (**self).len()
    }
    fn cut(self, at: usize) -> (Self, Self) {
        self.split_at(at)
    }
    fn place(&self, at: usize) -> usize {
        self.ceil_char_boundary(at)
    }
}

/// Finds where pieces end.
pub trait Separator<C>: Send + Sync {
    /// The first separator that begins at `from` or after it: its start and its end.
    fn find(&self, sequence: &C, from: usize) -> Option<(usize, usize)>;
}

/// Items that a function accepts are separators.
#[derive(Clone, Debug)]
pub struct Where<F>(pub F);

impl<T: Sync, F: Fn(&T) -> bool + Send + Sync> Separator<&[T]> for Where<F> {
    fn find(&self, slice: &&[T], from: usize) -> Option<(usize, usize)> {
        let at = from + slice[from..].iter().position(&self.0)?;
        Some((at, at + 1))
    }
}

impl<T: Send, F: Fn(&T) -> bool + Send + Sync> Separator<&mut [T]> for Where<F> {
    fn find(&self, slice: &&mut [T], from: usize) -> Option<(usize, usize)> {
        let at = from + slice[from..].iter().position(&self.0)?;
        Some((at, at + 1))
    }
}

impl<F: Fn(char) -> bool + Send + Sync> Separator<&str> for Where<F> {
    fn find(&self, text: &&str, from: usize) -> Option<(usize, usize)> {
        let (at, found) = text[from..].char_indices().find(|&(_, c)| (self.0)(c))?;
        Some((from + at, from + at + found.len_utf8()))
    }
}

/// A piece ends between neighbours for which a function says no.
#[derive(Clone, Debug)]
pub struct Runs<F>(pub F);

fn end_of_run<T>(slice: &[T], from: usize, f: impl Fn(&T, &T) -> bool) -> Option<(usize, usize)> {
    (from.max(1)..slice.len())
        .find(|&at| !f(&slice[at - 1], &slice[at]))
        .map(|at| (at, at))
}

impl<T: Sync, F: Fn(&T, &T) -> bool + Send + Sync> Separator<&[T]> for Runs<F> {
    fn find(&self, slice: &&[T], from: usize) -> Option<(usize, usize)> {
        end_of_run(slice, from, &self.0)
    }
}

impl<T: Send, F: Fn(&T, &T) -> bool + Send + Sync> Separator<&mut [T]> for Runs<F> {
    fn find(&self, slice: &&mut [T], from: usize) -> Option<(usize, usize)> {
        end_of_run(slice, from, &self.0)
    }
}

/// What becomes of a separator, and of an empty piece at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Separators are left out, and after the last one comes a piece, though it may be empty.
    Between,
    /// Separators end their piece; an empty last one is none.
    Inclusive,
    /// Separators are left out; an empty last piece is none.
    Terminator,
}

/// The pieces of a sequence.
#[derive(Clone)]
pub struct Pieces<C, P> {
    rest: Option<C>,
    separator: Arc<P>,
    cut: Cut,
}

impl<C: Sequence, P: Separator<C>> Pieces<C, P> {
    /// The pieces of `sequence`.
    pub fn new(sequence: C, separator: P, cut: Cut) -> Self {
        Self {
            rest: piece(sequence, cut),
            separator: Arc::new(separator),
            cut,
        }
    }
}

/// What is left, if that makes a piece at all.
fn piece<C: Sequence>(rest: C, cut: Cut) -> Option<C> {
    (cut == Cut::Between || !rest.is_empty()).then_some(rest)
}

/// Cuts a sequence at a separator: the piece before it, and what is left.
fn divide<C: Sequence>(sequence: C, (start, end): (usize, usize), cut: Cut) -> (C, Option<C>) {
    let (head, tail) = sequence.cut(end);
    let head = if cut == Cut::Inclusive {
        head
    } else {
        head.cut(start).0
    };
    (head, piece(tail, cut))
}

impl<C, P> fmt::Debug for Pieces<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces")
            .field("cut", &self.cut)
            .finish_non_exhaustive()
    }
}

// SAFETY: it is not exact.
unsafe impl<C: Sequence, P: Separator<C>> Source for Pieces<C, P> {
    type Item = C;
    type Seq = PiecesSeq<C, P>;
    const EXACT: bool = false;

    fn weight(&self) -> usize {
        self.rest.as_ref().map_or(0, |rest| rest.len() + 1)
    }

    fn split_at(mut self, at: usize) -> (Self, Self) {
        let whole = self.cut;
        let with = |rest, cut| Self {
            rest,
            separator: self.separator.clone(),
            cut,
        };
        let part = |rest| with(rest, whole);
        if at == 0 {
            return (part(None), part(self.rest.take()));
        }
        let Some(rest) = self.rest.take() else {
            return (part(None), part(None));
        };
        let from = rest.place((at - 1).min(rest.len()));
        match self.separator.find(&rest, from) {
            Some(found) => {
                let (head, tail) = divide(rest, found, whole);
                // The front's last piece was ended by a separator, so it is one even if it is empty.
                let front = match whole {
                    Cut::Terminator => Cut::Between,
                    other => other,
                };
                (with(Some(head), front), part(tail))
            }
            None => (part(Some(rest)), part(None)),
        }
    }

    fn into_seq(self) -> Self::Seq {
        PiecesSeq(self)
    }
}

/// The plain iterator of a part.
#[derive(Debug)]
pub struct PiecesSeq<C, P>(Pieces<C, P>);

impl<C: Sequence, P: Separator<C>> Iterator for PiecesSeq<C, P> {
    type Item = C;
    fn next(&mut self) -> Option<C> {
        let pieces = &mut self.0;
        let rest = take(&mut pieces.rest)?;
        match pieces.separator.find(&rest, 0) {
            Some(found) => {
                let (head, tail) = divide(rest, found, pieces.cut);
                pieces.rest = tail;
                Some(head)
            }
            None => Some(rest),
        }
    }
}
