//! The patterns as a tree of their bytes, numbered level by level, and as an automaton with failure links.
//!
//! Aho and Corasick, "Efficient string matching", CACM 18(6), 1975. Children of a node are neighbours, in the order of their bytes, so a node
//! is known by the number of its first child, and an edge is one byte: 21 bytes a node in all.
#![forbid(unsafe_code)]

use alloc::vec;
use alloc::vec::Vec;

/// No pattern, or no node.
pub(super) const NONE: u32 = u32::MAX;

/// Root of every tree.
pub(super) const ROOT: u32 = 0;

/// Above this many children, the right one is found by bisection.
const FEW: usize = 8;

#[derive(Clone, Debug, Default)]
pub(super) struct Trie {
    /// Number of each node's first child; its last one is before the next node's first. One entry more than nodes.
    first_child: Vec<u32>,
    /// The byte that leads to each node; the root's means nothing.
    labels: Vec<u8>,
    /// The lowest pattern that ends at each node.
    patterns: Vec<u32>,
    /// The lowest pattern that ends at each node or below it.
    lowest: Vec<u32>,
    /// The node of the longest proper suffix of each node's string that is in the tree.
    failure: Vec<u32>,
    /// The lowest of the longest patterns that are suffixes of each node's string.
    outputs: Vec<u32>,
    /// Number of the first node of each level.
    levels: Vec<u32>,
    /// The root's children by their bytes.
    roots: Vec<u32>,
}

impl Trie {
    /// `sorted` are the numbers of the patterns in the order of their bytes, equal ones in the order of their numbers.
    pub(super) fn new<'p>(sorted: &[u32], pattern: impl Fn(u32) -> &'p [u8]) -> Self {
        let mut trie = Self::default();
        // Which patterns, as a range of `sorted`, go through each node.
        let mut ranges = vec![(0, sorted.len())];
        trie.labels.push(0);
        trie.levels.push(0);
        let mut depth = 0;
        let mut node = 0;
        while node < ranges.len() {
            let level_end = ranges.len();
            while node < level_end {
                let (mut from, to) = ranges[node];
                trie.first_child.push(ranges.len() as u32);
                let members = &sorted[from..to];
                trie.lowest
                    .push(members.iter().copied().min().unwrap_or(NONE));
                let ending = members.iter().take_while(|p| pattern(**p).len() == depth);
                trie.patterns
                    .push(ending.clone().copied().min().unwrap_or(NONE));
                from += ending.count();
                while from < to {
                    let byte = pattern(sorted[from])[depth];
                    let group = sorted[from..to].partition_point(|p| pattern(*p)[depth] <= byte);
                    ranges.push((from, from + group));
                    trie.labels.push(byte);
                    from += group;
                }
                node += 1;
            }
            trie.levels.push(level_end as u32);
            depth += 1;
        }
        trie.first_child.push(ranges.len() as u32);
        trie.roots = vec![NONE; 256];
        for child in trie.children(ROOT) {
            trie.roots[usize::from(trie.labels[child])] = child as u32;
        }
        trie.link();
        trie
    }

    fn link(&mut self) {
        let nodes = self.labels.len();
        self.failure = vec![ROOT; nodes];
        self.outputs = self.patterns.clone();
        for parent in 0..nodes as u32 {
            for child in self.children(parent) {
                let byte = self.labels[child];
                let failure = if parent == ROOT {
                    ROOT
                } else {
                    self.step(self.failure[parent as usize], byte)
                };
                self.failure[child] = failure;
                if self.outputs[child] == NONE {
                    self.outputs[child] = self.outputs[failure as usize];
                }
            }
        }
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// The byte that leads to the node.
    pub(super) fn label(&self, node: usize) -> u8 {
        self.labels[node]
    }

    /// The node of the longest proper suffix of the node's string that is in the tree.
    pub(super) fn failure(&self, node: u32) -> u32 {
        self.failure[node as usize]
    }

    /// The first node whose string has `depth` bytes or more: those before it have less.
    pub(super) fn level(&self, depth: usize) -> u32 {
        let end = self.labels.len() as u32;
        self.levels.get(depth).copied().unwrap_or(end)
    }

    pub(super) fn children(&self, node: u32) -> core::ops::Range<usize> {
        self.first_child[node as usize] as usize..self.first_child[node as usize + 1] as usize
    }

    /// The child that `byte` leads to.
    #[inline]
    pub(super) fn child(&self, node: u32, byte: u8) -> Option<u32> {
        let children = self.children(node);
        let first = children.start;
        let labels = &self.labels[children];
        let place = if labels.len() <= FEW {
            labels.iter().position(|label| *label == byte)
        } else if node == ROOT {
            let child = self.roots[usize::from(byte)];
            return (child != NONE).then_some(child);
        } else {
            labels.binary_search(&byte).ok()
        };
        place.map(|place| (first + place) as u32)
    }

    /// The lowest pattern that is this byte alone.
    #[inline]
    pub(super) fn letter(&self, byte: u8) -> u32 {
        match self.roots[usize::from(byte)] {
            NONE => NONE,
            node => self.patterns[node as usize],
        }
    }

    /// The node of the longest suffix, of the node's string with `byte` behind it, that is in the tree.
    fn step(&self, mut node: u32, byte: u8) -> u32 {
        loop {
            if let Some(child) = self.child(node, byte) {
                return child;
            }
            if node == ROOT {
                return ROOT;
            }
            node = self.failure[node as usize];
        }
    }

    /// The lowest pattern that ends exactly here.
    #[inline]
    pub(super) fn pattern(&self, node: u32) -> u32 {
        self.patterns[node as usize]
    }

    /// The lowest pattern at or below the node.
    #[inline]
    pub(super) fn lowest(&self, node: u32) -> u32 {
        self.lowest[node as usize]
    }

    /// The longest pattern that is a suffix of the node's string.
    #[inline]
    pub(super) fn output(&self, node: u32) -> u32 {
        self.outputs[node as usize]
    }

    /// Length of the node's string.
    pub(super) fn depth(&self, node: u32) -> usize {
        self.levels.partition_point(|first| *first <= node) - 1
    }

    /// Bytes of memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.labels.len() * 21 + self.levels.len() * 4 + self.roots.len() * 4
    }
}
