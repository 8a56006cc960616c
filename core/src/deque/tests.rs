//! Deques against a plain double-ended queue, and under real threads.
#![allow(unsafe_code, reason = "owner calls are promises")]

use super::{ChaseLev, FixedDeque, Steal};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A small generator, enough to choose operations.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn one_thread_sees_a_double_ended_queue() {
    for seed in 1..200u64 {
        let mut dice = seed;
        let deque = ChaseLev::<usize>::with_capacity(2);
        let mut model = VecDeque::new();
        for step in 0..300usize {
            match next(&mut dice) % 5 {
                0..=2 => {
                    // SAFETY: one thread.
                    unsafe { deque.push(step) };
                    model.push_back(step);
                }
                // SAFETY: one thread.
                3 => assert_eq!(unsafe { deque.pop() }, model.pop_back()),
                _ => assert_eq!(deque.steal().success(), model.pop_front()),
            }
            assert_eq!(deque.len(), model.len());
        }
    }
}

#[test]
fn a_fixed_deque_refuses_when_full_and_goes_on() {
    let deque = FixedDeque::<usize, 4>::new();
    for round in 0..10 {
        for value in 0..4 {
            // SAFETY: one thread.
            assert_eq!(unsafe { deque.push(value + round) }, Ok(()));
        }
        // SAFETY: one thread.
        assert_eq!(unsafe { deque.push(99) }, Err(99));
        assert_eq!(deque.steal(), Steal::Success(round));
        // SAFETY: one thread.
        assert_eq!(unsafe { deque.pop() }, Some(3 + round));
        assert_eq!(deque.steal(), Steal::Success(1 + round));
        assert_eq!(deque.steal(), Steal::Success(2 + round));
        assert_eq!(deque.steal(), Steal::Empty);
    }
}

#[test]
fn a_filter_leaves_what_it_refuses() {
    let deque = ChaseLev::<[usize; 2]>::with_capacity(2);
    // SAFETY: one thread.
    unsafe { deque.push([1, 8]) };
    assert_eq!(deque.steal_if(|[_, tag]| tag == 9), Steal::Empty);
    assert_eq!(deque.steal_if(|[_, tag]| tag == 8), Steal::Success([1, 8]));
}

#[test]
fn a_batch_is_the_older_half() {
    let deque = ChaseLev::<usize>::with_capacity(2);
    for value in 0..9 {
        // SAFETY: one thread.
        unsafe { deque.push(value) };
    }
    let mut taken = Vec::new();
    assert_eq!(deque.steal_batch(100, |value| taken.push(value)), 5);
    assert_eq!(taken, [0, 1, 2, 3, 4]);
    assert_eq!(deque.steal_batch(1, |_| {}), 1);
}

#[test]
fn threads_take_each_value_once() {
    const COUNT: usize = 20_000;
    let deque = ChaseLev::<usize>::with_capacity(2);
    let seen: Vec<AtomicUsize> = (0..COUNT).map(|_| AtomicUsize::new(0)).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    match deque.steal() {
                        Steal::Success(value) => {
                            seen[value].fetch_add(1, Ordering::Relaxed);
                        }
                        Steal::Retry => {}
                        Steal::Empty if done.load(Ordering::Acquire) => break,
                        Steal::Empty => std::thread::yield_now(),
                    }
                }
            });
        }
        for value in 0..COUNT {
            // SAFETY: this thread alone is the owner.
            unsafe { deque.push(value) };
            if value % 3 == 0
                // SAFETY: as above.
                && let Some(value) = unsafe { deque.pop() }
            {
                seen[value].fetch_add(1, Ordering::Relaxed);
            }
        }
        done.store(true, Ordering::Release);
    });
    assert!(seen.iter().all(|count| count.load(Ordering::Relaxed) == 1));
}
