//! When joins are pushed and when they are lean; and what cannot be seen from outside.
#![allow(unsafe_code, reason = "surroundings for one thread are a promise")]

use super::split::{Kin, Memo, SplitStack, Stolen, WINDOW};
use super::{Bare, Builder};
use crate::platform::sim::{Sim, SimOptions};

/// As a join does before its first half; whether it was pushed.
fn push(stack: &SplitStack<u8>, job: &u8) -> bool {
    let limit = stack.limit();
    if stack.is_lean(limit) {
        return false;
    }
    if !stack.push(limit, job) {
        stack.push_anyway(job);
        if stack.is_asked() {
            stack.share(false, |_| {});
        } else {
            stack.strain();
        }
    }
    true
}

/// A stack whose first question was answered and taken back.
fn quiet(job: &u8, lean: bool) -> SplitStack<u8> {
    let stack = SplitStack::new(lean);
    assert!(push(&stack, job), "a new stack counts as asked");
    assert!(!stack.pop() && stack.reclaim());
    stack
}

/// A walk over a tree of joins; how many of them were pushed.
fn walk(stack: &SplitStack<u8>, job: &u8, depth: usize) -> usize {
    if depth == 0 {
        return 0;
    }
    let pushed = push(stack, job);
    let first = walk(stack, job, depth - 1);
    assert!(!pushed || stack.pop(), "nobody stole");
    usize::from(pushed) + first + walk(stack, job, depth - 1)
}

/// How many joins of a tree have fewer than the window's number of first halves around them.
fn in_window(depth: usize, around: usize) -> usize {
    if depth == 0 {
        return 0;
    }
    usize::from(around < WINDOW) + in_window(depth - 1, around + 1) + in_window(depth - 1, around)
}

#[test]
fn a_dense_tree_turns_lean_below_the_window() {
    let stack = quiet(&0, true);
    walk(&stack, &0, 12);
    assert_eq!(walk(&stack, &0, 12), in_window(12, 0));
}

#[test]
fn halves_that_are_all_prepared_first_stay_for_thieves() {
    let stack = quiet(&0, true);
    for _ in 0..1000 {
        assert!(push(&stack, &0));
    }
    assert!(stack.share(true, |_| {}));
    for _ in 0..1000 {
        assert!(!stack.pop() && stack.reclaim());
    }
}

#[test]
fn a_question_ends_leanness_and_gets_the_oldest() {
    let stack = quiet(&0, true);
    walk(&stack, &0, 12);
    let (old, young) = (1, 2);
    for _ in 0..WINDOW {
        assert!(push(&stack, &old));
    }
    assert!(!push(&stack, &young), "lean");
    stack.ask();
    assert!(push(&stack, &young));
    match stack.steal() {
        Stolen::Job(job) => assert!(core::ptr::eq(job, &raw const old)),
        other => panic!("{other:?}"),
    }
    assert!(push(&stack, &young), "the window moved on");
}

#[test]
fn without_lean_joins_every_half_is_pushed() {
    let stack = quiet(&0, false);
    walk(&stack, &0, 12);
    assert_eq!(walk(&stack, &0, 12), (1 << 12) - 1);
}

#[test]
fn halves_that_were_public_are_shared_with_the_rest() {
    let stack = SplitStack::new(true);
    for _ in 0..4 {
        stack.push_anyway(&0);
    }
    assert!(stack.share(false, |_| {}));
    stack.withdraw();
    let mut shared = 0;
    assert!(stack.share(true, |_| shared += 1));
    assert_eq!(shared, 4);
}

#[test]
fn a_half_stolen_by_a_stranger_at_the_same_place_is_helped_with_and_the_one_below_is_not() {
    let stack = SplitStack::new(true);
    let (outer, below_outer) = stack.begin(0, Kin::Descendant);
    // What gave way takes a job of anybody, which is a half that somebody waits for.
    let (_, below_stranger) = stack.begin(0, Kin::Stranger);
    let (inner, below_inner) = stack.begin(0, Kin::Descendant);
    stack.push_anyway(&7);
    assert!(stack.share(false, |_| {}));
    let is_job = |stolen| matches!(stolen, Stolen::Job(_));
    let memo = |memo: Memo| Memo::unpack(memo.pack()).expect("a worker's");
    assert!(
        !is_job(stack.steal_kin(memo(outer), || true)),
        "a stranger's"
    );
    assert!(is_job(stack.steal_kin(memo(inner), || true)));
    assert!(!stack.pop() && !stack.reclaim());
    stack.hold();
    stack.release();
    stack.end(below_inner);
    stack.end(below_stranger);
    stack.push_anyway(&8);
    assert!(stack.share(false, |_| {}));
    assert!(!is_job(stack.steal_kin(memo(inner), || false)), "has ended");
    assert!(is_job(stack.steal_kin(memo(outer), || true)));
    stack.end(below_outer);
}

#[test]
fn a_worker_that_blocks_is_no_thief_meanwhile() {
    // SAFETY: the simulator's own thread alone, and a panic ends the test.
    let env = unsafe { Bare::new(Sim::new(SimOptions::new(1))) };
    let pool = Builder::new(env)
        .without_threads()
        .build()
        .expect("no thread is started");
    pool.enter(|w| {
        w.state.visit(&w.state.registry().workers[1]);
        assert!(w.state.is_visiting());
        w.block_in_place(|| assert!(!w.state.is_visiting()));
    });
}
