//! The Aho-Corasick automaton, for haystacks in which candidates cost too much: a byte, a step, whatever it is.
//!
//! Its states are the tree's nodes. The shallower ones, all of them in most sets, have a row with the next state for each class of bytes, so that a
//! step is a load; the others have only what the tree has, and go back to shallower ones where that ends. Few haystacks need it, so it
//! is built when the first does.
#![forbid(unsafe_code)]

use super::trie::{NONE, ROOT, Trie};
use crate::search::work;
use alloc::vec;
use alloc::vec::Vec;

/// Entries of all rows: so many at least, four a node if that is more, but no more than this in all.
const ENTRIES: usize = 1 << 18;
const ENTRIES_MAX: usize = 1 << 26;

/// In an entry: some pattern ends with that state.
const OUTPUT: u32 = 1 << 31;

/// Where it is: the start of a node's row, or, behind all rows, one of the nodes that have none. Deeper nodes are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct State(u32);

impl State {
    pub(super) const ROOT: Self = Self(ROOT);
}

#[derive(Debug)]
pub(super) struct Automaton {
    /// The class of each byte; those of which patterns have none are one.
    classes: [u8; 256],
    /// How many there are.
    width: u32,
    /// 2^36 over it, rounded up: times a place below 2^26, that is a division.
    inverse: u64,
    /// Whether letters count without their case.
    fold: bool,
    rows: Vec<u32>,
    /// For each pattern, the longest one that is a proper suffix of it.
    shorter: Vec<u32>,
}

impl Automaton {
    /// Of `patterns` patterns, whose letters count without their case if `fold`.
    pub(super) fn new(trie: &Trie, patterns: usize, fold: bool) -> Self {
        let nodes = trie.len();
        let mut is_used = [false; 256];
        for node in 1..nodes {
            is_used[usize::from(trie.label(node))] = true;
        }
        // Class 0 is that of all others, if there are others.
        let mut next = u16::from(is_used.contains(&false));
        let mut classes = [0; 256];
        for byte in (0..256).filter(|byte| is_used[*byte]) {
            classes[byte] = next as u8;
            next += 1;
        }
        if fold {
            for upper in b'A'..=b'Z' {
                classes[usize::from(upper)] = classes[usize::from(upper.to_ascii_lowercase())];
            }
        }
        let width = usize::from(next);
        let dense = nodes.min(ENTRIES.max(4 * nodes).min(ENTRIES_MAX) / width);
        // An empty pattern ends at the root as everywhere.
        let root = match trie.output(ROOT) {
            NONE => 0,
            _ => OUTPUT,
        };
        let mut automaton = Self {
            classes,
            width: width as u32,
            inverse: (1u64 << 36).div_ceil(width as u64),
            fold,
            rows: vec![root; dense * width],
            shorter: vec![NONE; patterns],
        };
        for node in 0..nodes as u32 {
            let failure = trie.failure(node);
            let pattern = trie.pattern(node);
            if pattern != NONE && node != ROOT {
                automaton.shorter[pattern as usize] = trie.output(failure);
            }
            let row = node as usize * width;
            if row < automaton.rows.len() {
                let other = failure as usize * width;
                automaton.rows.copy_within(other..other + width, row);
                for child in trie.children(node) {
                    let class = usize::from(classes[usize::from(trie.label(child))]);
                    automaton.rows[row + class] = automaton.entry(trie, child as u32);
                }
            }
        }
        automaton
    }

    fn entry(&self, trie: &Trie, node: u32) -> u32 {
        let output = trie.output(node) != NONE;
        self.state(node).0 | if output { OUTPUT } else { 0 }
    }

    fn state(&self, node: u32) -> State {
        let dense = self.rows.len() as u32;
        State(match node.checked_mul(self.width) {
            Some(row) if row < dense => row,
            _ => dense + node - dense / self.width,
        })
    }

    /// The state's node.
    pub(super) fn node(&self, state: State) -> u32 {
        let dense = self.rows.len() as u32;
        if state.0 < dense {
            ((u64::from(state.0) * self.inverse) >> 36) as u32
        } else {
            state.0 - dense + dense / self.width
        }
    }

    /// Whether the state's string has less than `depth` bytes.
    pub(super) fn is_shallower(&self, trie: &Trie, state: State, depth: usize) -> bool {
        state < self.state(trie.level(depth))
    }

    /// The longest pattern that is a proper suffix of the pattern.
    pub(super) fn shorter(&self, pattern: u32) -> u32 {
        self.shorter[pattern as usize]
    }

    /// Takes bytes up to one with which a pattern ends: the state behind it, how many were taken, and whether there was such a one.
    #[inline]
    pub(super) fn run(&self, trie: &Trie, mut state: State, bytes: &[u8]) -> (State, usize, bool) {
        for (i, &byte) in bytes.iter().enumerate() {
            let class = usize::from(self.classes[usize::from(byte)]);
            // A row is there as a whole, or not at all. What the class has to do with it is known before the state is.
            let column = self.rows.get(class..).unwrap_or(&[]);
            let entry = match column.get(state.0 as usize) {
                Some(entry) => *entry,
                None => self.step(trie, state, byte),
            };
            if entry & OUTPUT != 0 {
                work::add(i + 1);
                return (State(entry & !OUTPUT), i + 1, true);
            }
            state = State(entry);
        }
        work::add(bytes.len());
        (state, bytes.len(), false)
    }

    /// From a state without a row.
    #[inline(never)]
    fn step(&self, trie: &Trie, state: State, byte: u8) -> u32 {
        let class = usize::from(self.classes[usize::from(byte)]);
        let folded = if self.fold {
            byte.to_ascii_lowercase()
        } else {
            byte
        };
        let mut node = self.node(state);
        loop {
            work::add(1);
            if let Some(entry) = self.rows.get(node as usize * self.width as usize + class) {
                return *entry;
            }
            if let Some(child) = trie.child(node, folded) {
                return self.entry(trie, child);
            }
            node = trie.failure(node);
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        (self.rows.len() + self.shorter.len()) * 4
    }
}
