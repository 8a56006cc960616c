//! What a deque can hold: values of one or two words, each word an atomic.
//!
//! A thief reads a slot before it knows whether the slot is still its own to read. The words are therefore atomics (no data race),
//! and a pair that was torn by a concurrent push is thrown away, since the compare-exchange on `top` then fails.
#![forbid(unsafe_code)]

use crate::sync::atomic::{AtomicPtr, Ordering};
use core::ptr::{null_mut, without_provenance_mut};

/// A word of a value: a pointer keeps what it may point to, a number is an address alone.
pub type Word = *mut ();

/// A value of one or two words.
pub trait Slot: Copy + Send {
    /// The words.
    fn into_words(self) -> [Word; 2];
    /// The value from the words of an earlier [`into_words`](Self::into_words).
    fn from_words(words: [Word; 2]) -> Self;
}

impl Slot for usize {
    fn into_words(self) -> [Word; 2] {
        [without_provenance_mut(self), null_mut()]
    }
    fn from_words(words: [Word; 2]) -> Self {
        words[0].addr()
    }
}

impl Slot for [usize; 2] {
    fn into_words(self) -> [Word; 2] {
        self.map(without_provenance_mut)
    }
    fn from_words(words: [Word; 2]) -> Self {
        words.map(|word| word.addr())
    }
}

/// The place for one value.
#[derive(Debug)]
pub(super) struct Cell([AtomicPtr<()>; 2]);

impl Cell {
    pub(super) fn new() -> Self {
        Self([AtomicPtr::new(null_mut()), AtomicPtr::new(null_mut())])
    }

    pub(super) fn load<T: Slot>(&self) -> T {
        T::from_words(self.words())
    }

    pub(super) fn store<T: Slot>(&self, value: T) {
        let [first, second] = value.into_words();
        self.0[0].store(first, Ordering::Relaxed);
        self.0[1].store(second, Ordering::Relaxed);
    }

    #[cfg(feature = "alloc")]
    pub(super) fn copy_from(&self, other: &Self) {
        let [first, second] = other.words();
        self.0[0].store(first, Ordering::Relaxed);
        self.0[1].store(second, Ordering::Relaxed);
    }

    fn words(&self) -> [Word; 2] {
        [
            self.0[0].load(Ordering::Relaxed),
            self.0[1].load(Ordering::Relaxed),
        ]
    }
}
