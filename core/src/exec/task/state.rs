//! The state of a task, bit by bit.
//!
//! # The owner's fields
//!
//! Plain memory: only the executor's thread reads or writes it, so no step of a task's life on its own thread is an atomic
//! operation. Whether a task is scheduled has a byte of its own, which each poll and each wake sets to a constant: nothing has to be read
//! before it is written, so a task that is woken again and again never waits for its own last store.
//!
//! `Header::scheduled`: the task stands in the run queue, or is never to stand there again. Set by a wake, which puts it into the queue in the
//! same step, also while it is being polled; cleared when a poll begins; set for good when the task is done, aborted tasks are dropped or the
//! executor closes.
//!
//! `Header::flags`:
//!
//! | bit | meaning | set | cleared |
//! |---|---|---|---|
//! | [`DONE`] | the future is gone | once, after it was dropped | never |
//! | [`OUTPUT`] | the output is in the future's place | with `DONE` | when it is taken or dropped |
//! | [`HANDLE`] | a `JoinHandle` exists | at the start | when the handle is dropped |
//! | [`ABORTED`] | the next look at it cancels it | by `abort`, unless `DONE` | never |
//! | [`NEW`] | spawned by another thread and not yet received | at the start | when the inbox is emptied |
//!
//! Together: `OUTPUT` implies `DONE`, and `DONE` implies `scheduled`. A task that was woken in its last poll is done while it stands in the run
//! queue: the scheduler's reference is then given up when it is taken out. When the executor closes, every task is `scheduled` and the queue
//! is empty. `ABORTED` without `DONE` implies `scheduled`, or that the task is being polled or dropped.
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

pub(super) const DONE: u8 = 1 << 0;
pub(super) const OUTPUT: u8 = 1 << 1;
pub(super) const HANDLE: u8 = 1 << 2;
pub(super) const ABORTED: u8 = 1 << 3;
pub(super) const NEW: u8 = 1 << 4;

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
