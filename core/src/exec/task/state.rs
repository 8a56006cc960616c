//! The two words of a task, bit by bit.
//!
//! # The owner's word
//!
//! Plain memory: only the executor's thread reads or writes it, so no step of a task's life on its own thread is an atomic
//! operation.
//!
//! | bit | meaning | set | cleared |
//! |---|---|---|---|
//! | [`SCHEDULED`] | wants a poll; in the run queue unless `RUNNING` | by a wake, if neither it nor `DONE` is set | when the poll begins |
//! | [`RUNNING`] | being polled, or its future is being dropped | when the poll begins | when it ends |
//! | [`DONE`] | the future is gone | once, after it was dropped | never |
//! | [`OUTPUT`] | the output is in the future's place | with `DONE` | when it is taken or dropped |
//! | [`HANDLE`] | a `JoinHandle` exists | at the start | when the handle is dropped |
//! | [`ABORTED`] | the next look at it cancels it | by `abort`, unless `DONE` | never |
//! | [`NEW`] | spawned by another thread and not yet received | at the start | when the inbox is emptied |
//! | the rest | how often it was polled, modulo 2^25 | when a poll begins | never |
//!
//! Together: `SCHEDULED` and not `RUNNING` means exactly "in the run queue". `OUTPUT` implies `DONE`; `DONE` excludes
//! `SCHEDULED`. When the executor closes, every task gets `SCHEDULED` and the queue is empty. `ABORTED` without `DONE` implies `SCHEDULED` or `RUNNING`.
//!
//! # The remote word
//!
//! One atomic word for all other threads and interrupts.
//!
//! | bits | meaning |
//! |---|---|
//! | [`POSTED`] | the task is in the executor's inbox, or the thread that set the bit is about to put it there |
//! | [`WAKE`] | whoever empties the inbox is to schedule it; only with `POSTED` |
//! | [`ORPHAN`] | the executor is gone: the rest of the word counts references |
//! | the rest | without `ORPHAN` the debt, a signed number: references dropped minus references made by other threads since the owner last settled; with `ORPHAN` the number of references left |
#![forbid(unsafe_code)]

pub(super) const SCHEDULED: u32 = 1 << 0;
pub(super) const RUNNING: u32 = 1 << 1;
pub(super) const DONE: u32 = 1 << 2;
pub(super) const OUTPUT: u32 = 1 << 3;
pub(super) const HANDLE: u32 = 1 << 4;
pub(super) const ABORTED: u32 = 1 << 5;
pub(super) const NEW: u32 = 1 << 6;
/// One poll in the owner's word; what overflows falls off its end.
pub(super) const POLL: u32 = 1 << 7;

pub(super) const POSTED: u32 = 1 << 0;
pub(super) const WAKE: u32 = 1 << 1;
pub(super) const ORPHAN: u32 = 1 << 2;
/// One reference in the remote word.
pub(super) const ONE: u32 = 1 << 3;

/// References that either word may count; more (which takes a program that forgets wakers on purpose) panics.
pub(super) const REFERENCES_MAX: i32 = 1 << 27;

/// The number in the remote word's upper bits.
pub(super) const fn number(word: u32) -> i32 {
    word.cast_signed() >> 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debt_keeps_its_sign_and_the_flags() {
        let word = POSTED | WAKE;
        assert_eq!(number(word), 0);
        assert_eq!(number(word.wrapping_sub(ONE)), -1);
        assert_eq!(number(word.wrapping_add(3 * ONE)), 3);
        assert_eq!(word.wrapping_sub(ONE) & (ONE - 1), word);
    }
}
