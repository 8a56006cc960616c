//! Who waits, first come, first served: a list whose nodes lie in the futures that wait.
//!
//! # Invariants
//! Q1: a node is in the list exactly if its state is `Waiting`; then it stays where it is: the future that holds it is pinned, and
//!     removes it when it is dropped.
//! Q2: foreign code (a waker) runs only while the list is consistent.
#![allow(unsafe_code, reason = "an intrusive list")]

use crate::exec::waker_cell::WakerCell;
use core::cell::Cell;
use core::marker::PhantomPinned;
use core::ptr::null;
use core::task::Waker;

/// Where a waiter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Not in the list, and was not called.
    Idle,
    /// In the list.
    Waiting,
    /// It was its turn.
    Called,
    /// What it waits for will not come.
    Refused,
}

/// A waiter.
pub(super) struct Node {
    previous: Cell<*const Node>,
    next: Cell<*const Node>,
    turn: Cell<Turn>,
    /// How much of the thing it waits for.
    pub(super) amount: usize,
    waker: WakerCell,
    _pinned: PhantomPinned,
}

impl Node {
    pub(super) const fn new(amount: usize) -> Self {
        Self {
            previous: Cell::new(null()),
            next: Cell::new(null()),
            turn: Cell::new(Turn::Idle),
            amount,
            waker: WakerCell::new(),
            _pinned: PhantomPinned,
        }
    }

    pub(super) fn turn(&self) -> Turn {
        self.turn.get()
    }

    /// Forgets that it was called.
    pub(super) fn reset(&self) {
        debug_assert!(self.turn.get() != Turn::Waiting);
        self.turn.set(Turn::Idle);
    }

    /// Whom to wake when a waiting node is called. Says whether it still waits: foreign code, which clones the waker, may have called it.
    pub(super) fn set_waker(&self, waker: &Waker) -> bool {
        self.waker.set(waker);
        self.turn.get() == Turn::Waiting
    }
}

/// The list.
pub(super) struct WaitQueue {
    head: Cell<*const Node>,
    tail: Cell<*const Node>,
}

impl WaitQueue {
    pub(super) const fn new() -> Self {
        Self {
            head: Cell::new(null()),
            tail: Cell::new(null()),
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.head.get().is_null()
    }

    /// Appends an idle node.
    ///
    /// # Safety
    /// Q1's promise about the node's memory, and it is removed from this list.
    pub(super) unsafe fn push(&self, node: &Node) {
        debug_assert!(node.turn.get() == Turn::Idle);
        node.turn.set(Turn::Waiting);
        node.next.set(null());
        node.previous.set(self.tail.get());
        // SAFETY: Q1.
        match unsafe { self.tail.get().as_ref() } {
            Some(tail) => tail.next.set(node),
            None => self.head.set(node),
        }
        self.tail.set(node);
    }

    /// Takes a node out, if it is in.
    pub(super) fn remove(&self, node: &Node) {
        if node.turn.get() != Turn::Waiting {
            return;
        }
        node.turn.set(Turn::Idle);
        let (previous, next) = (node.previous.get(), node.next.get());
        // SAFETY: Q1.
        unsafe {
            match previous.as_ref() {
                Some(previous) => previous.next.set(next),
                None => self.head.set(next),
            }
            match next.as_ref() {
                Some(next) => next.previous.set(previous),
                None => self.tail.set(previous),
            }
        }
    }

    /// What the first waiter waits for.
    pub(super) fn first_amount(&self) -> Option<usize> {
        // SAFETY: Q1.
        unsafe { self.head.get().as_ref() }.map(|node| node.amount)
    }

    /// Takes the first waiter out, calls or refuses it, and gives whom to wake. False if nobody waits.
    pub(super) fn call_first(&self, turn: Turn) -> bool {
        // SAFETY: Q1.
        let Some(node) = (unsafe { self.head.get().as_ref() }) else {
            return false;
        };
        self.remove(node);
        node.turn.set(turn);
        let waker = node.waker.take();
        // Q2: the node may be gone from here on.
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Calls all who wait now.
    pub(super) fn call_all(&self, turn: Turn) {
        let mut count = 0_usize;
        let mut next = self.head.get();
        // SAFETY: Q1.
        while let Some(node) = unsafe { next.as_ref() } {
            count += 1;
            next = node.next.get();
        }
        while count > 0 && self.call_first(turn) {
            count -= 1;
        }
    }
}
