//! The price of a join: empty ones, sums over binary trees, Fibonacci numbers.
//!
//! All subjects go through a tree in the same order, left half first: chili and forte run their second closure first, so they get them swapped. Nodes lie in
//! memory in the order in which they were made: left, right, parent.

use super::{
    Time, chili_every_is, chili_is, chili_of, ours_of, rayon_is, rayon_of, sequential, timed, us,
};
#[cfg(feature = "forte")]
use super::{forte_is, forte_of};
use crate::case::{Case, Settings};
use core::hint::black_box;
use std::sync::{Arc, LazyLock};
use underpin::pool::Worker;

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let quick = settings.quick;
    let mut cases = vec![empty(if quick { 3_000_000 } else { 20_000_000 })];
    let big = if quick { 1_000_000 } else { 10_000_000 };
    for (nodes, times) in [(1_000, 20_000), (100_000, 100), (big, 2)] {
        let times = if quick { times / 4 } else { times }.max(1);
        cases.push(tree(1, Time::Thread, nodes, times));
        if nodes > 1_000 {
            cases.push(tree(2, Time::Wall, nodes, times));
        }
    }
    for n in if quick { &[30][..] } else { &[30, 34, 38] } {
        cases.push(fib(1, Time::Thread, *n, true));
        cases.push(fib(2, Time::Wall, *n, true));
    }
    cases.push(fib(1, Time::Thread, if quick { 30 } else { 34 }, false));
    cases
}

fn empty(count: u64) -> Case {
    Case {
        name: "empty join, one worker".into(),
        terms: format!(
            "{count} joins of two closures that do nothing, in one call into the pool; thread CPU"
        ),
        ours: us(move || {
            ours_of(1).enter(|w| {
                timed(Time::Thread, 1, count, &(), || {
                    for i in 0..count {
                        w.join(|_| black_box(i), |_| black_box(i));
                    }
                })
            })
        }),
        peers: peers![
            rayon_is(move || {
                rayon_of(1).install(|| {
                    timed(Time::Thread, 1, count, &(), || {
                        for i in 0..count {
                            rayon::join(|| black_box(i), || black_box(i));
                        }
                    })
                })
            }),
            chili_is(move || {
                let mut scope = chili_of(1).scope();
                timed(Time::Thread, 1, count, &(), || {
                    for i in 0..count {
                        scope.join(|_| black_box(i), |_| black_box(i));
                    }
                })
            }),
            chili_every_is(move || {
                let mut scope = chili_of(1).scope();
                timed(Time::Thread, 1, count, &(), || {
                    for i in 0..count {
                        scope.join_with_heartbeat_every::<1, _, _, _, _>(
                            |_| black_box(i),
                            |_| black_box(i),
                        );
                    }
                })
            }),
            #[forte]
            forte_is(move || {
                forte_of(1).with_worker(|w| {
                    timed(Time::Thread, 1, count, &(), || {
                        for i in 0..count {
                            w.join(|_| black_box(i), |_| black_box(i));
                        }
                    })
                })
            }),
            sequential(move || {
                timed(Time::Thread, 1, count, &(), || {
                    for i in 0..count {
                        black_box(i);
                        black_box(i);
                    }
                })
            }),
        ],
    }
}

struct Node {
    value: u64,
    left: Option<Box<Node>>,
    right: Option<Box<Node>>,
}

/// So many nodes, as evenly spread as can be.
fn grow(nodes: u64) -> Option<Box<Node>> {
    (nodes > 0).then(|| {
        let left = grow((nodes - 1) / 2);
        let right = grow(nodes / 2);
        Box::new(Node {
            value: nodes,
            left,
            right,
        })
    })
}

fn plain(node: &Node) -> u64 {
    let left = node.left.as_deref().map_or(0, plain);
    let right = node.right.as_deref().map_or(0, plain);
    node.value + left + right
}

fn with_us(w: Worker<'_>, node: &Node) -> u64 {
    let (left, right) = w.join(
        |w| node.left.as_deref().map_or(0, |n| with_us(w, n)),
        |w| node.right.as_deref().map_or(0, |n| with_us(w, n)),
    );
    node.value + left + right
}

fn with_rayon(node: &Node) -> u64 {
    let (left, right) = rayon::join(
        || node.left.as_deref().map_or(0, with_rayon),
        || node.right.as_deref().map_or(0, with_rayon),
    );
    node.value + left + right
}

fn with_chili(scope: &mut chili::Scope<'_>, node: &Node) -> u64 {
    let (right, left) = scope.join(
        |s| node.right.as_deref().map_or(0, |n| with_chili(s, n)),
        |s| node.left.as_deref().map_or(0, |n| with_chili(s, n)),
    );
    node.value + left + right
}

#[cfg(feature = "forte")]
fn with_forte(w: &forte::Worker, node: &Node) -> u64 {
    let (right, left) = w.join(
        |w| node.right.as_deref().map_or(0, |n| with_forte(w, n)),
        |w| node.left.as_deref().map_or(0, |n| with_forte(w, n)),
    );
    node.value + left + right
}

fn with_chili_every(scope: &mut chili::Scope<'_>, node: &Node) -> u64 {
    let (right, left) = scope.join_with_heartbeat_every::<1, _, _, _, _>(
        |s| node.right.as_deref().map_or(0, |n| with_chili_every(s, n)),
        |s| node.left.as_deref().map_or(0, |n| with_chili_every(s, n)),
    );
    node.value + left + right
}

fn tree(workers: usize, time: Time, nodes: u64, times: u64) -> Case {
    // Grown when the first subject runs: most runs are of a few cases.
    let grown = Arc::new(LazyLock::new(move || {
        let root = grow(nodes).expect("a node at least");
        let want = plain(&root);
        (root, want)
    }));
    let [a, b, c, d, e] = [(); 5].map(|()| grown.clone());
    #[cfg(feature = "forte")]
    let f = grown;
    Case {
        name: format!(
            "tree of {nodes} nodes, {workers} worker{}",
            if workers == 1 { "" } else { "s" }
        ),
        terms: format!(
            "sum over a binary tree with a join at each node, left first, {times} times, each a call into the pool from inside; {time:?} time"
        ),
        ours: us(move || {
            let (root, want) = &**a;
            ours_of(workers).enter(|w| timed(time, times, nodes, want, || with_us(w, root)))
        }),
        peers: peers![
            rayon_is(move || {
                let (root, want) = &**b;
                rayon_of(workers).install(|| timed(time, times, nodes, want, || with_rayon(root)))
            }),
            chili_is(move || {
                let (root, want) = &**c;
                let mut scope = chili_of(workers).scope();
                timed(time, times, nodes, want, || with_chili(&mut scope, root))
            }),
            chili_every_is(move || {
                let (root, want) = &**d;
                let mut scope = chili_of(workers).scope();
                timed(time, times, nodes, want, || {
                    with_chili_every(&mut scope, root)
                })
            }),
            #[forte]
            forte_is(move || {
                let (root, want) = &**f;
                forte_of(workers)
                    .with_worker(|w| timed(time, times, nodes, want, || with_forte(w, root)))
            }),
            sequential(move || {
                let (root, want) = &**e;
                timed(time, times, nodes, want, || plain(black_box(root)))
            }),
        ],
    }
}

fn fib_plain(n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    black_box(fib_plain(n - 1)) + fib_plain(n - 2)
}

fn fib_us(w: Worker<'_>, n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = w.join(move |w| fib_us(w, n - 1), move |w| fib_us(w, n - 2));
    a + b
}

fn fib_rayon(n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = rayon::join(move || fib_rayon(n - 1), move || fib_rayon(n - 2));
    a + b
}

fn fib_chili(s: &mut chili::Scope<'_>, n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (b, a) = s.join(move |s| fib_chili(s, n - 2), move |s| fib_chili(s, n - 1));
    a + b
}

#[cfg(feature = "forte")]
fn fib_forte(w: &forte::Worker, n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (b, a) = w.join(move |w| fib_forte(w, n - 2), move |w| fib_forte(w, n - 1));
    a + b
}

fn fib_chili_every(s: &mut chili::Scope<'_>, n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (b, a) = s.join_with_heartbeat_every::<1, _, _, _, _>(
        move |s| fib_chili_every(s, n - 2),
        move |s| fib_chili_every(s, n - 1),
    );
    a + b
}

/// Without the handle, through the join that finds its worker in a thread-local.
fn fib_us_found(n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = underpin::pool::join(move || fib_us_found(n - 1), move || fib_us_found(n - 2));
    a + b
}

/// Ours with the worker handed down, as chili's scope is, or found by each join, as rayon's is.
fn fib(workers: usize, time: Time, n: u32, handed: bool) -> Case {
    let want = (0..n).fold((0_u64, 1_u64), |(a, b), _| (b, a + b)).0;
    Case {
        name: format!(
            "fib({n}), {workers} worker{}{}",
            if workers == 1 { "" } else { "s" },
            if handed { "" } else { ", no handle" }
        ),
        terms: format!(
            "a join at each call down to n < 2, {want} leaves of value 1; operations are joins; {time:?} time"
        ),
        ours: us(move || {
            ours_of(workers).enter(|w| {
                timed(time, 1, want, &want, || {
                    if handed {
                        fib_us(w, n)
                    } else {
                        fib_us_found(n)
                    }
                })
            })
        }),
        peers: peers![
            rayon_is(move || {
                rayon_of(workers).install(|| timed(time, 1, want, &want, move || fib_rayon(n)))
            }),
            chili_is(move || {
                let mut scope = chili_of(workers).scope();
                timed(time, 1, want, &want, || fib_chili(&mut scope, n))
            }),
            chili_every_is(move || {
                let mut scope = chili_of(workers).scope();
                timed(time, 1, want, &want, || fib_chili_every(&mut scope, n))
            }),
            #[forte]
            forte_is(move || {
                forte_of(workers).with_worker(|w| timed(time, 1, want, &want, || fib_forte(w, n)))
            }),
            sequential(move || timed(time, 1, want, &want, || fib_plain(black_box(n)))),
        ],
    }
}
