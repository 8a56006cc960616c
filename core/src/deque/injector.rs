//! The queue for work from outside: many submit, many take, first in, first out.
//!
//! A ring under the platform's lock, with its length beside it: a worker that looks for work reads one word of a shared line and
//! takes the lock only when something is there, then takes a batch. Submissions from outside are rare next to a
//! worker's own pushes, so the lock is seldom contended; it parks, so that a preempted holder stalls nobody's processor.
#![forbid(unsafe_code)]

use super::slot::Slot;
use crate::platform::{Mutex, Park};
use crate::sync::atomic::{AtomicUsize, Ordering};
use alloc::collections::VecDeque;

/// A shared first-in, first-out queue.
#[derive(Debug)]
pub struct Injector<T, P: Park> {
    length: AtomicUsize,
    queue: Mutex<VecDeque<T>, P>,
}

impl<T: Slot, P: Park> Injector<T, P> {
    /// An empty queue.
    pub fn new(platform: P) -> Self {
        Self {
            length: AtomicUsize::new(0),
            queue: Mutex::new(VecDeque::new(), platform),
        }
    }

    /// Adds a value at the end.
    pub fn push(&self, value: T) {
        let mut queue = self.queue.lock();
        queue.push_back(value);
        self.length.store(queue.len(), Ordering::Release);
    }

    /// Adds many values at the end, in order, under one lock.
    pub fn push_all(&self, values: impl IntoIterator<Item = T>) {
        let mut queue = self.queue.lock();
        queue.extend(values);
        self.length.store(queue.len(), Ordering::Release);
    }

    /// Takes the oldest value. Takes no lock if the queue is empty.
    pub fn pop(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let mut queue = self.queue.lock();
        let value = queue.pop_front();
        self.length.store(queue.len(), Ordering::Release);
        value
    }

    /// Takes the oldest value that `wanted` accepts. Linear in the length.
    pub fn pop_if(&self, mut wanted: impl FnMut(T) -> bool) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let mut queue = self.queue.lock();
        let index = queue.iter().position(|value| wanted(*value))?;
        let value = queue.remove(index);
        self.length.store(queue.len(), Ordering::Release);
        value
    }

    /// How many values it holds; out of date at once.
    pub fn len(&self) -> usize {
        self.length.load(Ordering::Acquire)
    }

    /// Whether it holds nothing; out of date at once.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
