//! Sources that are not there yet: data that a function divides, trees that a function unfolds.
//!
//! Nobody knows how much there is, so the weight is a budget that parts divide among themselves; it orders them, and bounds how often
//! they split.
#![allow(unsafe_code, reason = "a source is a promise, here an empty one")]

use super::source::{Limits, Source};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// The whole.
const BUDGET: usize = usize::MAX >> 1;

/// Data in as many pieces as are of use.
#[derive(Clone)]
pub struct Split<D, F> {
    data: Option<D>,
    budget: usize,
    /// Larger parts than this are divided in any case.
    most: usize,
    f: Arc<F>,
}

impl<D, F> Split<D, F> {
    /// `data`, divided by `f`, for so many `threads`.
    pub fn new(data: D, f: F, threads: usize) -> Self {
        /// Pieces for each thread, so that an uneven one delays little.
        const PIECES: usize = 4;
        Self {
            data: Some(data),
            budget: BUDGET,
            most: if threads <= 1 {
                BUDGET
            } else {
                BUDGET / threads.saturating_mul(PIECES)
            },
            f: Arc::new(f),
        }
    }
}

impl<D, F> fmt::Debug for Split<D, F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Split")
    }
}

// SAFETY: it is not exact.
unsafe impl<D, F> Source for Split<D, F>
where
    D: Send,
    F: Fn(D) -> (D, Option<D>) + Send + Sync,
{
    type Item = D;
    type Seq = core::option::IntoIter<D>;
    const EXACT: bool = false;

    fn weight(&self) -> usize {
        if self.data.is_some() { self.budget } else { 0 }
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        let at = at.min(self.budget);
        let (left, right) = match self.data {
            data if at == self.budget => (data, None),
            Some(data) if at > 0 => {
                let (left, right) = (self.f)(data);
                (Some(left), right)
            }
            data => (None, data),
        };
        let part = |data, budget| Self {
            data,
            budget,
            most: self.most,
            f: self.f.clone(),
        };
        (part(left, at), part(right, self.budget - at))
    }

    fn into_seq(self) -> Self::Seq {
        self.data.into_iter()
    }

    fn limits(&self) -> Limits {
        // A part that is small enough is looked at twice on its way: requests come in between.
        Limits {
            min: if self.budget > self.most {
                1
            } else {
                (self.budget / 2).max(1)
            },
            max: self.most,
            ..Limits::NONE
        }
    }
}

/// When a node comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// Before its children.
    Prefix,
    /// After them.
    Postfix,
}

/// The nodes of a tree.
#[derive(Clone)]
pub struct Tree<N, F> {
    /// What is to come, the last one next.
    pending: Vec<Pending<N>>,
    budget: usize,
    visit: Visit,
    f: Arc<F>,
}

#[derive(Clone)]
enum Pending<N> {
    /// A node and all below it.
    Whole(N),
    /// A node whose children are listed.
    Node(N),
}

impl<N, F> Tree<N, F> {
    /// The tree below `root`; `f` gives the children.
    pub fn new(root: N, f: F, visit: Visit) -> Self {
        Self {
            pending: alloc::vec![Pending::Whole(root)],
            budget: BUDGET,
            visit,
            f: Arc::new(f),
        }
    }

    /// Lists the children of the next one, if it is whole.
    fn unfold<C>(&mut self)
    where
        C: IntoIterator<Item = N>,
        C::IntoIter: DoubleEndedIterator,
        F: Fn(&N) -> C,
    {
        let node = match self.pending.pop() {
            Some(Pending::Whole(node)) => node,
            Some(other) => return self.pending.push(other),
            None => return,
        };
        let children = (self.f)(&node).into_iter().rev().map(Pending::Whole);
        match self.visit {
            Visit::Prefix => {
                self.pending.extend(children);
                self.pending.push(Pending::Node(node));
            }
            Visit::Postfix => {
                self.pending.push(Pending::Node(node));
                self.pending.extend(children);
            }
        }
    }
}

impl<N, F> fmt::Debug for Tree<N, F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tree")
            .field("visit", &self.visit)
            .finish_non_exhaustive()
    }
}

// SAFETY: it is not exact.
unsafe impl<N, C, F> Source for Tree<N, F>
where
    N: Send,
    C: IntoIterator<Item = N>,
    C::IntoIter: DoubleEndedIterator,
    F: Fn(&N) -> C + Send + Sync,
{
    type Item = N;
    type Seq = TreeSeq<N, F>;
    const EXACT: bool = false;

    fn weight(&self) -> usize {
        if self.pending.is_empty() {
            0
        } else {
            self.budget
        }
    }

    fn split_at(mut self, at: usize) -> (Self, Self) {
        let at = at.min(self.budget);
        let left = if at == self.budget {
            core::mem::take(&mut self.pending)
        } else if at == 0 {
            Vec::new()
        } else if at < self.budget / 2 {
            // A few nodes from the front: they are listed.
            let mut rest = TreeSeq(self);
            let mut nodes: Vec<_> = rest.by_ref().take(at).map(Pending::Node).collect();
            nodes.reverse();
            self = rest.0;
            nodes
        } else {
            while self.pending.len() == 1 {
                self.unfold();
                if let [Pending::Node(_)] = *self.pending {
                    break;
                }
            }
            let middle = self.pending.len() / 2;
            self.pending.split_off(middle)
        };
        let rest = Self {
            budget: self.budget - at,
            ..self
        };
        let left = Self {
            pending: left,
            budget: at,
            visit: rest.visit,
            f: rest.f.clone(),
        };
        (left, rest)
    }

    fn into_seq(self) -> TreeSeq<N, F> {
        TreeSeq(self)
    }
}

/// The plain iterator of a part.
#[derive(Debug)]
pub struct TreeSeq<N, F>(Tree<N, F>);

impl<N, C, F> Iterator for TreeSeq<N, F>
where
    C: IntoIterator<Item = N>,
    C::IntoIter: DoubleEndedIterator,
    F: Fn(&N) -> C,
{
    type Item = N;
    fn next(&mut self) -> Option<N> {
        loop {
            if let Pending::Node(_) = self.0.pending.last()?
                && let Some(Pending::Node(node)) = self.0.pending.pop()
            {
                return Some(node);
            }
            self.0.unfold();
        }
    }
}
