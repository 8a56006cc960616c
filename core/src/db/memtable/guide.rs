//! Where in the list a key belongs: a tree of hints, so that a search touches a few lines of memory in place of a node at each step.
//!
//! A B+ tree (Bayer and McCreight, 1972) whose leaves name the list's nodes in order. One thread changes it, in place; readers
//! look at it meanwhile and may find a slot twice, or one behind its place. So nothing that a reader finds here is taken at its word:
//! it compares the node with what it looks for, and walks the list from there. The list alone says what is in the memtable.
//!
//! # Picture
//! ```text
//!              [ -oo | 4f.. | a1.. ]                    a word: eight bytes of a key, as a number
//!             /       |      \
//!   [03 0a 3e]  [4f 77]  [a1 b2 ff]
//!     |  |  |    |   |     |  |  |
//!  -> n -> n -> n -> n ->  n  n  n -> nil               the list
//! ```
//! A word is made of what follows the bytes that all keys seemed to have in common when the tree was made.
//!
//! # Invariants
//! - G1: a slot's node is linked and complete before its pointer is stored with release; a page is complete before that of its
//!   parent's slot is. Both stay where they are as long as the arena. Slots never used have null.
//! - G2: for whoever changes the tree it is exact: each linked node is in one leaf, in order, and the first slot of an inner page
//!   stands for all that is less than its second.
//! - G3: words order as keys do, but that different keys may have one word: then the nodes are compared.
#![allow(unsafe_code, reason = "pages in the arena's raw memory")]

use super::Node;
use super::arena::Arena;
use crate::db::prefix::{PREFIX_BYTES, prefix};
use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use core::cmp;
use core::ptr;

/// Slots of a page: with their number their words fill two lines of memory, which are fetched at once. Few in models, so that pages split.
const SLOTS: usize = if cfg!(loom) { 3 } else { 15 };
/// Levels: pages are half full or more, so this is enough for more nodes than memory holds.
const LEVELS_MAX: usize = if cfg!(loom) { 6 } else { 12 };
/// A word that no slot in use need have.
const UNUSED: usize = usize::MAX;

#[repr(C)]
struct Page {
    /// Slots in use, above the low byte; in that the page's level, 0 for a leaf.
    head: AtomicUsize,
    words: [AtomicUsize; SLOTS],
    nodes: [AtomicPtr<Node>; SLOTS],
}

/// A page above the leaves.
#[repr(C)]
struct Inner {
    page: Page,
    children: [AtomicPtr<Page>; SLOTS],
}

/// The tree.
pub(super) struct Guide {
    root: AtomicPtr<Page>,
    /// A node whose key starts with what keys have in common, and how many bytes that is.
    sample: *const Node,
    common_bytes: usize,
}

/// What is looked for: the place of a version of a key.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) key: &'a [u8],
    pub(super) sequence: u64,
}

/// The way from the root to a leaf; for whoever changes the tree alone.
pub(super) struct Path {
    levels: [(*const Page, usize); LEVELS_MAX],
    /// How many levels are set; 0 for no way.
    depth: usize,
    /// The words between which the leaf's lie, if there is a leaf before and one behind it.
    low: Option<usize>,
    high: Option<usize>,
}

impl Target<'_> {
    /// Whether `node` comes before.
    ///
    /// # Safety
    /// `node` is complete and lives (M1, M2).
    #[inline]
    pub(super) unsafe fn is_behind(&self, node: *const Node) -> bool {
        // SAFETY: as the caller says.
        unsafe {
            match Node::key(node).cmp(self.key) {
                cmp::Ordering::Less => true,
                cmp::Ordering::Equal => (*node).sequence > self.sequence,
                cmp::Ordering::Greater => false,
            }
        }
    }
}

impl Path {
    pub(super) const fn new() -> Self {
        Self {
            levels: [(ptr::null(), 0); LEVELS_MAX],
            depth: 0,
            low: None,
            high: None,
        }
    }

    /// The leaf, and where in it what was looked for belongs.
    const fn leaf(&self) -> (*const Page, usize) {
        self.levels[0]
    }

    /// The node before what was looked for, or null.
    ///
    /// # Safety
    /// [`Guide::find`] set the path, and the tree was not changed since.
    pub(super) unsafe fn before(&self) -> *const Node {
        let (leaf, at) = self.leaf();
        // SAFETY: G1.
        let leaf = unsafe { &*leaf };
        at.checked_sub(1).map_or(ptr::null(), |at| {
            leaf.nodes[at].load(Ordering::Acquire).cast_const()
        })
    }
}

/// The first bytes of what follows the common ones, as many as a word has.
#[inline]
fn word(rest: &[u8]) -> usize {
    (prefix(rest) >> (8 * PREFIX_BYTES - usize::BITS as usize)) as usize
}

impl Guide {
    /// An empty tree for keys that have `common_bytes` bytes in common with that of `sample`, most of them.
    pub(super) fn new(arena: &mut Arena, sample: *const Node, common_bytes: usize) -> *mut Self {
        let root = Page::new(arena, 0);
        let guide = arena.piece(size_of::<Self>()).cast::<Self>().as_ptr();
        // SAFETY: the piece is fresh, aligned and as long.
        unsafe {
            guide.write(Self {
                root: AtomicPtr::new(root.cast_mut()),
                sample,
                common_bytes,
            });
        }
        guide
    }

    pub(super) const fn common_bytes(&self) -> usize {
        self.common_bytes
    }

    /// The word of a key (G3).
    ///
    /// # Safety
    /// The arena lives.
    unsafe fn word(&self, key: &[u8]) -> usize {
        if self.common_bytes == 0 {
            return word(key);
        }
        let (start, rest) = key.split_at(key.len().min(self.common_bytes));
        // SAFETY: as the caller says.
        match start.cmp(unsafe { self.common() }) {
            cmp::Ordering::Less => 0,
            cmp::Ordering::Equal => word(rest),
            cmp::Ordering::Greater => usize::MAX,
        }
    }

    /// What most keys start with.
    ///
    /// # Safety
    /// The arena lives.
    unsafe fn common(&self) -> &[u8] {
        match self.common_bytes {
            0 => &[],
            // SAFETY: G1, and the sample's key is at least as long.
            bytes => unsafe { &Node::key(self.sample)[..bytes] },
        }
    }

    /// Whether the key starts otherwise than most: its word says little.
    ///
    /// # Safety
    /// The arena lives.
    pub(super) unsafe fn is_stray(&self, key: &[u8]) -> bool {
        // SAFETY: as the caller says.
        self.common_bytes > 0 && !key.starts_with(unsafe { self.common() })
    }

    /// A node before the target and close to it; null if none was met.
    ///
    /// # Safety
    /// The arena lives.
    pub(super) unsafe fn near(&self, target: Target<'_>) -> *const Node {
        // SAFETY: G1 for all that is reached here.
        unsafe {
            let word = self.word(target.key);
            let mut page: *const Page = self.root.load(Ordering::Acquire);
            loop {
                let Some(here) = page.as_ref() else {
                    return ptr::null();
                };
                let at = here.place(word, target);
                if here.level() > 0 {
                    page = Page::child(page, at - 1).load(Ordering::Acquire);
                    continue;
                }
                let before = here.nodes[..at].iter().rev();
                let mut before = before.map(|node| node.load(Ordering::Acquire).cast_const());
                let found = before.find(|node| !node.is_null() && target.is_behind(*node));
                return found.unwrap_or(ptr::null());
            }
        }
    }

    /// A node close to the end; null if none was met.
    ///
    /// # Safety
    /// The arena lives.
    pub(super) unsafe fn near_end(&self) -> *const Node {
        // SAFETY: G1 for all that is reached here.
        unsafe {
            let mut page: *const Page = self.root.load(Ordering::Acquire);
            loop {
                let Some(here) = page.as_ref() else {
                    return ptr::null();
                };
                let Some(last) = here.count().checked_sub(1) else {
                    return ptr::null();
                };
                if here.level() == 0 {
                    return here.nodes[last].load(Ordering::Acquire);
                }
                page = Page::child(page, last).load(Ordering::Acquire);
            }
        }
    }

    /// Sets the path to where the target belongs. A target between the same two leaves as the last one costs no way from the root.
    ///
    /// # Safety
    /// The arena lives, this thread alone changes the tree, and no other tree set the path.
    pub(super) unsafe fn find(&self, target: Target<'_>, path: &mut Path) {
        // SAFETY: G1 and G2 for all that is reached here.
        unsafe {
            let word = self.word(target.key);
            let is_same = path.depth > 0
                && path.low.is_none_or(|low| low < word)
                && path.high.is_none_or(|high| word < high);
            if is_same {
                let (leaf, at) = &mut path.levels[0];
                *at = (**leaf).place(word, target);
                return;
            }
            let mut page: *const Page = self.root.load(Ordering::Relaxed);
            (path.low, path.high) = (None, None);
            path.depth = (*page).level() + 1;
            loop {
                let here = &*page;
                let (level, at) = (here.level(), here.place(word, target));
                if level == 0 {
                    path.levels[0] = (page, at);
                    return;
                }
                path.levels[level] = (page, at);
                if at > 1 {
                    path.low = Some(here.words[at - 1].load(Ordering::Relaxed));
                }
                if at < here.count() {
                    path.high = Some(here.words[at].load(Ordering::Relaxed));
                }
                page = Page::child(page, at - 1).load(Ordering::Relaxed);
            }
        }
    }

    /// Adds a linked node of the target that the path was set for.
    ///
    /// # Safety
    /// As for [`find`](Self::find).
    pub(super) unsafe fn add(
        &self,
        arena: &mut Arena,
        path: &mut Path,
        key: &[u8],
        node: *const Node,
    ) {
        // SAFETY: as the caller says.
        unsafe {
            let word = self.word(key);
            self.add_at(arena, path, 0, (word, node, ptr::null()));
        }
    }

    /// Adds a slot where the path goes through `level`.
    ///
    /// # Safety
    /// As for [`find`](Self::find).
    unsafe fn add_at(&self, arena: &mut Arena, path: &mut Path, level: usize, slot: Slot) {
        // SAFETY: G1 and G2 for all that is reached here.
        unsafe {
            if level >= path.depth {
                let old = self.root.load(Ordering::Relaxed);
                let root = Page::new(arena, level);
                Page::insert(root, 0, (0, ptr::null(), old));
                Page::insert(root, 1, slot);
                self.root.store(root.cast_mut(), Ordering::Release);
                path.depth = 0;
                return;
            }
            let (page, at) = path.levels[level];
            if (*page).count() < SLOTS {
                Page::insert(page, at, slot);
                return;
            }
            // What is written in order leaves full pages behind.
            let is_end = at == SLOTS && path.high.is_none();
            let kept = if is_end { SLOTS } else { SLOTS.div_ceil(2) };
            let fresh = Page::new(arena, level);
            for from in kept..SLOTS {
                Page::insert(fresh, from - kept, Page::slot(page, from));
            }
            let goes_to_fresh = at > kept || is_end;
            if goes_to_fresh {
                Page::insert(fresh, at - kept, slot);
            }
            let (word, node, _) = Page::slot(fresh, 0);
            self.add_at(arena, path, level + 1, (word, node, fresh));
            // Not before others find the way to the fresh page; those on their way here walk the list.
            (*page).truncate(kept);
            if !goes_to_fresh {
                Page::insert(page, at, slot);
            }
            path.depth = 0;
        }
    }
}

/// A word, its node, and above the leaves the page that begins with it.
type Slot = (usize, *const Node, *const Page);

impl Page {
    /// An empty page of a level.
    fn new(arena: &mut Arena, level: usize) -> *const Self {
        let bytes = match level {
            0 => size_of::<Self>(),
            _ => size_of::<Inner>(),
        };
        let piece = arena.line_piece(bytes);
        let page = piece.cast::<Self>().as_ptr();
        // SAFETY: the piece is fresh, aligned, and as long as the page, which is the first part of an inner one.
        unsafe {
            page.write(Self {
                head: AtomicUsize::new(level),
                words: core::array::from_fn(|_| AtomicUsize::new(UNUSED)),
                nodes: core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            });
            if level > 0 {
                let children = &raw mut (*page.cast::<Inner>()).children;
                children.write(core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())));
            }
        }
        page
    }

    fn level(&self) -> usize {
        self.head.load(Ordering::Relaxed) & 0xff
    }

    fn count(&self) -> usize {
        self.head.load(Ordering::Acquire) >> 8
    }

    fn set_count(&self, count: usize) {
        self.head
            .store(count << 8 | self.level(), Ordering::Release);
    }

    /// # Safety
    /// `page` is from [`new`](Self::new), and above the leaves.
    unsafe fn child<'a>(page: *const Self, at: usize) -> &'a AtomicPtr<Self> {
        // SAFETY: as the caller says.
        unsafe { &(*page.cast::<Inner>()).children[at] }
    }

    /// How many slots come before the target; above the leaves the first one always does.
    ///
    /// # Safety
    /// The arena lives.
    #[inline]
    unsafe fn place(&self, word: usize, target: Target<'_>) -> usize {
        let before = |at: &AtomicUsize| usize::from(at.load(Ordering::Relaxed) < word);
        let less: usize = self.words.iter().map(before).sum();
        let mut low = less.max(self.level().min(1));
        let rest = self.words.get(low..self.count()).unwrap_or_default();
        let same = |at: &&AtomicUsize| at.load(Ordering::Relaxed) == word;
        let mut high = low + rest.iter().take_while(same).count();
        while low < high {
            let middle = low.midpoint(high);
            let node = self.nodes[middle].load(Ordering::Acquire);
            // SAFETY: G1.
            if !node.is_null() && unsafe { target.is_behind(node) } {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// # Safety
    /// `page` is from [`new`](Self::new), and this thread alone changes it.
    unsafe fn slot(page: *const Self, at: usize) -> Slot {
        // SAFETY: as the caller says.
        unsafe {
            let here = &*page;
            let child = match here.level() {
                0 => ptr::null_mut(),
                _ => Self::child(page, at).load(Ordering::Relaxed),
            };
            (
                here.words[at].load(Ordering::Relaxed),
                here.nodes[at].load(Ordering::Relaxed),
                child,
            )
        }
    }

    /// Moves slots up from `at` on and puts one there. There is room.
    ///
    /// # Safety
    /// As for [`slot`](Self::slot).
    unsafe fn insert(page: *const Self, at: usize, slot: Slot) {
        // SAFETY: as the caller says.
        unsafe {
            let here = &*page;
            let count = here.count();
            for from in (at..count).rev() {
                Self::set(page, from + 1, Self::slot(page, from));
            }
            Self::set(page, at, slot);
            here.set_count(count + 1);
        }
    }

    /// # Safety
    /// As for [`slot`](Self::slot).
    unsafe fn set(page: *const Self, at: usize, (word, node, child): Slot) {
        // SAFETY: as the caller says.
        unsafe {
            let here = &*page;
            here.nodes[at].store(node.cast_mut(), Ordering::Release);
            if here.level() > 0 {
                Self::child(page, at).store(child.cast_mut(), Ordering::Release);
            }
            here.words[at].store(word, Ordering::Release);
        }
    }

    fn truncate(&self, count: usize) {
        self.set_count(count);
        for word in &self.words[count..] {
            word.store(UNUSED, Ordering::Relaxed);
        }
    }
}
