//! The homes of threads' heaps, to be found by the threads' words.
//!
//! A thread that gets its first heap asks whether one with its words is there already: that of a thread which ended without its hook.
#![allow(unsafe_code, reason = "lists of homes")]

use super::home::Home;
use core::ptr::null_mut;
use core::sync::atomic::Ordering::Relaxed;

const LISTS_LOG2: u32 = 9;

/// Lists of homes, each by a hash of the words' address; kept under the space's lock.
#[derive(Debug)]
pub(super) struct ThreadHomes([*mut Home; 1 << LISTS_LOG2]);

fn list_of(words: *mut *mut u8) -> usize {
    // Stacks are multiples of pages apart, often of a power of two.
    let mixed = ((words.addr() >> 6) as u32).wrapping_mul(0x9E37_79B9);
    (mixed >> (u32::BITS - LISTS_LOG2)) as usize
}

impl ThreadHomes {
    pub(super) const fn new() -> Self {
        Self([null_mut(); 1 << LISTS_LOG2])
    }

    /// The home of the heap with these words.
    pub(super) fn find(&self, words: *mut *mut u8) -> Option<*mut Home> {
        let mut next = self.0[list_of(words)];
        // SAFETY: the lists link homes, which are never unmapped.
        while let Some(home) = unsafe { next.as_ref() } {
            if home.words.load(Relaxed) == words {
                return Some(next);
            }
            next = home.words_next.load(Relaxed);
        }
        None
    }

    /// Enters a home, which is in no list.
    pub(super) fn add(&mut self, home: &Home, words: *mut *mut u8) {
        let list = &mut self.0[list_of(words)];
        home.words.store(words, Relaxed);
        home.words_next.store(*list, Relaxed);
        *list = core::ptr::from_ref(home).cast_mut();
    }

    /// Takes a home out, if it was entered.
    pub(super) fn remove(&mut self, home: &Home) {
        let words = home.words.swap(null_mut(), Relaxed);
        if words.is_null() {
            return;
        }
        let after = home.words_next.load(Relaxed);
        let list = &mut self.0[list_of(words)];
        if core::ptr::eq(*list, home) {
            *list = after;
            return;
        }
        let mut next = *list;
        // SAFETY: the lists link homes, which are never unmapped.
        while let Some(before) = unsafe { next.as_ref() } {
            next = before.words_next.load(Relaxed);
            if core::ptr::eq(next, home) {
                before.words_next.store(after, Relaxed);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn homes_are_found_by_their_words_until_they_are_taken_out() {
        let words = |index: usize| core::ptr::without_provenance_mut(0x7000_0000 + index * 4096);
        let homes: Vec<Home> = (0..2000).map(|_| Home::default()).collect();
        let mut lists = ThreadHomes::new();
        for (index, home) in homes.iter().enumerate() {
            assert_eq!(lists.find(words(index)), None);
            lists.add(home, words(index));
        }
        let longest = |lists: &ThreadHomes| {
            let length = |mut next: *mut Home| {
                let mut count = 0;
                while let Some(home) = homes.iter().find(|home| core::ptr::eq(*home, next)) {
                    count += 1;
                    next = home.words_next.load(Relaxed);
                }
                count
            };
            lists.0.iter().map(|first| length(*first)).max()
        };
        assert!(longest(&lists) <= Some(16), "threads in a row share a list");
        for (index, home) in homes.iter().enumerate().filter(|(index, _)| index % 3 != 0) {
            lists.remove(home);
            lists.remove(home);
            assert_eq!(lists.find(words(index)), None);
        }
        for (index, home) in homes.iter().enumerate() {
            let found = lists
                .find(words(index))
                .is_some_and(|found| core::ptr::eq(found, home));
            assert_eq!(found, index % 3 == 0);
        }
    }
}
