//! Any number of futures within one task, of which only those that were woken are polled.
//!
//! Each future has a node with a waker of its own. A wake pushes the node onto a stack in one word and wakes the set's task; a poll of the
//! set takes the whole stack. Wakers may be used from any thread and outlive the set.
//!
//! # Invariants
//! F1: a node is on the stack or in `woken` only while its `queued` flag is set, so it is in one place at most, and the stack owns one
//!     strong reference to it.
//! F2: a flag is never loaded or stored alone, always exchanged: whoever wakes a node that is queued already is seen by the poll that
//!     takes the flag down, or sees the flag down. With a plain store, store buffers could hide both from each other.
//! F3: a node knows its stack weakly, so a stack that holds nodes is freed with the set, and its nodes with it.
#![allow(unsafe_code, reason = "a stack of reference-counted nodes")]

use super::atomic_waker::AtomicWaker;
use crate::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::task::Wake;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::ptr::null_mut;
use core::task::{Context, Poll, Waker};

/// A set of futures that may borrow. They run only while the set is polled, and are dropped with it.
///
/// A future costs a box and a node. Adding and taking out is O(1); a poll costs as much as futures were woken.
pub struct FutureSet<'a, T> {
    entries: Vec<Option<Entry<'a, T>>>,
    free: Vec<usize>,
    /// Taken off the stack and not polled yet.
    woken: VecDeque<Arc<Node>>,
    stack: Arc<Stack>,
}

struct Entry<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    node: Arc<Node>,
}

struct Node {
    next: AtomicPtr<Node>,
    queued: AtomicBool,
    index: usize,
    stack: Weak<Stack>,
}

struct Stack {
    head: AtomicPtr<Node>,
    parent: AtomicWaker,
}

impl Stack {
    fn push(&self, node: Arc<Node>) {
        let mut head = self.head.load(Ordering::Relaxed);
        let new = Arc::into_raw(node).cast_mut();
        loop {
            // SAFETY: F1: the reference that `new` stands for keeps the node; the link is written by whoever set `queued`.
            unsafe { &*new }.next.store(head, Ordering::Relaxed);
            match self
                .head
                .compare_exchange_weak(head, new, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes everything, newest first.
    fn take(&self, mut each: impl FnMut(Arc<Node>)) {
        let mut next = self.head.swap(null_mut(), Ordering::Acquire);
        while !next.is_null() {
            // SAFETY: F1: the stack's reference to the node, which comes off it here.
            let node = unsafe { Arc::from_raw(next.cast_const()) };
            next = node.next.load(Ordering::Relaxed);
            each(node);
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.take(drop);
    }
}

impl Wake for Node {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel)
            && let Some(stack) = self.stack.upgrade()
        {
            stack.push(self);
            stack.parent.wake();
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // F2. Most wakes of a queued node need no reference.
        if !self.queued.swap(true, Ordering::AcqRel)
            && let Some(stack) = self.stack.upgrade()
        {
            stack.push(Arc::clone(self));
            stack.parent.wake();
        }
    }
}

impl<'a, T> FutureSet<'a, T> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            woken: VecDeque::new(),
            stack: Arc::new(Stack {
                head: AtomicPtr::new(null_mut()),
                parent: AtomicWaker::new(),
            }),
        }
    }

    /// Adds a future. It is first polled with the next poll of the set.
    pub fn push(&mut self, future: impl Future<Output = T> + 'a) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() - 1
        });
        let node = Arc::new(Node {
            next: AtomicPtr::new(null_mut()),
            queued: AtomicBool::new(true),
            index,
            stack: Arc::downgrade(&self.stack),
        });
        self.entries[index] = Some(Entry {
            future: Box::pin(future),
            node: Arc::clone(&node),
        });
        self.woken.push_back(node);
    }

    /// Futures in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether no future is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for the next output, in the order in which futures end; `None` if the set is empty. Cancel-safe.
    pub async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next), for hand-written futures. Polls each future at most once a call, so that one which always wakes itself
    /// does not keep the others of the executor waiting.
    ///
    /// # Panics
    /// A panic of a future passes through; that future is dropped with the set.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        self.collect(cx);
        for _ in 0..self.woken.len() {
            if let Some(output) = self.poll_first() {
                if !self.woken.is_empty() {
                    // They are not on the stack, so nobody else would wake the task for them.
                    cx.waker().wake_by_ref();
                }
                return Poll::Ready(Some(output));
            }
        }
        Poll::Pending
    }

    /// Polls each future that was woken once, and drops the outputs. What is woken from here on wakes the task.
    pub(super) fn poll_woken(&mut self, cx: &mut Context<'_>) {
        self.collect(cx);
        for _ in 0..self.woken.len() {
            drop(self.poll_first());
        }
    }

    /// Takes what was woken off the stack, oldest first.
    fn collect(&mut self, cx: &mut Context<'_>) {
        self.stack.parent.register(cx.waker());
        let before = self.woken.len();
        let woken = &mut self.woken;
        self.stack.take(|node| woken.push_back(node));
        woken.make_contiguous()[before..].reverse();
    }

    /// Polls the first that was woken; its output, if it is done.
    fn poll_first(&mut self) -> Option<T> {
        let node = self.woken.pop_front()?;
        // F2, and before the poll: a wake from here on queues it again.
        node.queued.swap(false, Ordering::AcqRel);
        let entry = self.entries.get_mut(node.index)?.as_mut()?;
        if !Arc::ptr_eq(&entry.node, &node) {
            // A waker of a future that is gone; another has its place.
            return None;
        }
        let index = node.index;
        let waker = Waker::from(node);
        let polled = entry.future.as_mut().poll(&mut Context::from_waker(&waker));
        let Poll::Ready(output) = polled else {
            return None;
        };
        let gone = self.entries[index].take();
        self.free.push(index);
        drop(gone);
        Some(output)
    }
}

impl<T> Default for FutureSet<'_, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Unpin for FutureSet<'_, T> {}

impl<'a, T, F: Future<Output = T> + 'a> Extend<F> for FutureSet<'a, T> {
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        for future in futures {
            self.push(future);
        }
    }
}

impl<'a, T, F: Future<Output = T> + 'a> FromIterator<F> for FutureSet<'a, T> {
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        set.extend(futures);
        set
    }
}

impl<T> fmt::Debug for FutureSet<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FutureSet")
            .field("futures", &self.len())
            .finish_non_exhaustive()
    }
}
