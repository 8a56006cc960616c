//! The deque under the model checker: every interleaving of an owner and thieves, with the orderings as written.
#![allow(unsafe_code, reason = "owner calls are promises")]

use super::{BiasedDeque, ChaseLev, FixedDeque, Steal};
use crate::sync::asymmetric::{self, Meeting};
use crate::sync::light_fence;
use ::loom::sync::Arc;
use ::loom::sync::atomic::{AtomicUsize, Ordering};
use ::loom::thread;
use std::vec::Vec;

/// Owner pops and one thief steals two values: each value is had exactly once.
#[test]
fn loom_deque_last_value_has_one_taker() {
    ::loom::model(|| {
        let deque = Arc::new(FixedDeque::<usize, 2>::new());
        // SAFETY: this thread is the owner.
        unsafe {
            deque.push(1).unwrap();
            deque.push(2).unwrap();
        }
        let thief = {
            let deque = deque.clone();
            thread::spawn(move || deque.steal().success())
        };
        // SAFETY: as above.
        let popped = unsafe { [deque.pop(), deque.pop()] };
        let stolen = thief.join().unwrap();
        let mut all: Vec<usize> = popped.into_iter().chain([stolen]).flatten().collect();
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
    });
}

/// Two thieves and the owner on one value.
#[test]
fn loom_deque_two_thieves_one_value() {
    ::loom::model(|| {
        let deque = Arc::new(FixedDeque::<usize, 2>::new());
        // SAFETY: this thread is the owner.
        unsafe { deque.push(7).unwrap() };
        let thieves: Vec<_> = (0..2)
            .map(|_| {
                let deque = deque.clone();
                thread::spawn(move || usize::from(deque.steal().success().is_some()))
            })
            .collect();
        // SAFETY: as above.
        let popped = usize::from(unsafe { deque.pop() }.is_some());
        let stolen: usize = thieves.into_iter().map(|t| t.join().unwrap()).sum();
        assert_eq!(popped + stolen, 1);
    });
}

/// A thief that sees a value sees what the owner wrote before pushing it.
#[test]
fn loom_deque_publishes_what_values_point_to() {
    ::loom::model(|| {
        let shared = Arc::new((FixedDeque::<usize, 2>::new(), AtomicUsize::new(0)));
        let thief = {
            let shared = shared.clone();
            thread::spawn(move || {
                if let Steal::Success(value) = shared.0.steal() {
                    assert_eq!(shared.1.load(Ordering::Relaxed), value);
                }
            })
        };
        shared.1.store(5, Ordering::Relaxed);
        // SAFETY: this thread is the owner.
        unsafe { shared.0.push(5).unwrap() };
        thief.join().unwrap();
    });
}

/// A thief reads while the buffer grows.
#[test]
fn loom_deque_grows_under_a_thief() {
    ::loom::model(|| {
        let deque = Arc::new(ChaseLev::<[usize; 2]>::with_capacity(2));
        // SAFETY: this thread is the owner.
        unsafe {
            deque.push([1, 11]);
            deque.push([2, 12]);
        }
        let thief = {
            let deque = deque.clone();
            thread::spawn(move || deque.steal().success())
        };
        // SAFETY: as above.
        unsafe { deque.push([3, 13]) };
        let stolen = thief.join().unwrap();
        let mut all: Vec<[usize; 2]> = stolen.into_iter().collect();
        // SAFETY: as above.
        while let Some(value) = unsafe { deque.pop() } {
            all.push(value);
        }
        all.sort_unstable();
        assert_eq!(all, [[1, 11], [2, 12], [3, 13]]);
    });
}

/// The owner pops, pushes again and pops while a thief arrives, with the fence of all threads at each place where it can come: each
/// value is had exactly once, and the thief sees values whole.
fn one_taker(fence_after_arrival: bool) {
    // Light fences: one in each pop that finds something, and one between calls.
    for point in 0..6 {
        ::loom::model(move || {
            let deque = Arc::new(BiasedDeque::<[usize; 2]>::with_capacity(2, true));
            let mut all: Vec<[usize; 2]> = Vec::new();
            let meeting = Meeting::at(point);
            // SAFETY: this thread is the owner.
            unsafe { deque.push([1, 11]) };
            let thief = {
                let deque = deque.clone();
                thread::spawn(move || {
                    if !fence_after_arrival {
                        meeting.fence_others();
                    }
                    let fence = || {
                        if fence_after_arrival {
                            meeting.fence_others();
                        }
                    };
                    // SAFETY: the only other thread passes a fence (or the model is to fail); a visit has a beginning and an end.
                    unsafe {
                        deque.arrive(fence);
                        let stolen = [deque.steal().success(), deque.steal().success()];
                        deque.leave();
                        stolen
                    }
                })
            };
            light_fence();
            // SAFETY: as above.
            all.extend(unsafe { deque.pop() });
            light_fence();
            // SAFETY: as above.
            unsafe { deque.push([2, 12]) };
            light_fence();
            // SAFETY: as above.
            all.extend(unsafe { deque.pop() });
            asymmetric::finish();
            all.extend(thief.join().unwrap().into_iter().flatten());
            // SAFETY: as above.
            all.extend(unsafe { deque.pop() });
            all.sort_unstable();
            assert_eq!(all, [[1, 11], [2, 12]]);
        });
    }
}

#[test]
fn loom_biased_deque_each_value_has_one_taker() {
    one_taker(true);
}

/// The model can fail: a fence before the arrival does not help.
#[test]
#[should_panic(expected = "left == right")]
fn loom_biased_deque_wants_the_fence_after_the_arrival() {
    one_taker(false);
}

/// An owner that sees a thief gone sees what it took.
#[test]
fn loom_biased_deque_departures_are_seen() {
    ::loom::model(|| {
        let deque = Arc::new(BiasedDeque::<usize>::with_capacity(2, true));
        let meeting = Meeting::at(0);
        // SAFETY: this thread is the owner.
        unsafe {
            deque.push(1);
            deque.push(2);
        }
        let thief = {
            let deque = deque.clone();
            thread::spawn(move || {
                // SAFETY: as above.
                unsafe {
                    deque.arrive(|| meeting.fence_others());
                    let stolen = [deque.steal().success(), deque.steal().success()];
                    deque.leave();
                    stolen
                }
            })
        };
        light_fence();
        // SAFETY: as above.
        let popped = unsafe { [deque.pop(), deque.pop()] };
        let stolen = thief.join().unwrap();
        let mut all: Vec<usize> = popped.into_iter().chain(stolen).flatten().collect();
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
    });
}
