//! Parallel iterators and sorts against the plain ones.

extern crate alloc;

use alloc::collections::BTreeMap;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::collections::{HashMap, HashSet};
use std::panic::catch_unwind;
use underpin::pool::iter::*;
use underpin::pool::{ThreadPool, ThreadPoolBuilder};

/// Runs a check in pools of several sizes.
fn pools(check: impl Fn() + Sync) {
    for threads in [1, 3] {
        let pool: ThreadPool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool");
        pool.install(&check);
    }
    check();
}

const SIZES: [usize; 6] = [0, 1, 2, 7, 100, 6_000];

fn numbers(count: usize) -> Vec<u64> {
    let mut x = 88_172_645_463_325_252_u64;
    (0..count)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x % 1_000
        })
        .collect()
}

#[test]
fn adaptors_give_what_plain_iterators_give() {
    pools(|| {
        for size in SIZES {
            let v = numbers(size);
            let plain: Vec<u64> = v.iter().map(|x| x * 3).filter(|x| x % 2 == 0).collect();
            let ours: Vec<u64> = v.par_iter().map(|x| x * 3).filter(|x| x % 2 == 0).collect();
            assert_eq!(ours, plain);
            let exact: Vec<u64> = v.par_iter().map(|x| x + 1).collect();
            assert_eq!(exact, v.iter().map(|x| x + 1).collect::<Vec<_>>());
            let ours: Vec<(usize, &u64)> = v.par_iter().enumerate().collect();
            assert_eq!(ours, v.iter().enumerate().collect::<Vec<_>>());
            let ours: Vec<(u64, usize)> = v.par_iter().copied().zip(0..size / 2).collect();
            assert_eq!(ours, v.iter().copied().zip(0..size / 2).collect::<Vec<_>>());
            let ours: Vec<u64> = v.par_iter().cloned().rev().collect();
            assert_eq!(ours, v.iter().copied().rev().collect::<Vec<_>>());
            let ours: Vec<u64> = v.par_iter().flat_map(|&x| 0..x % 4).collect();
            assert_eq!(ours, v.iter().flat_map(|&x| 0..x % 4).collect::<Vec<_>>());
            let ours: Vec<&u64> = v
                .par_iter()
                .chain(v.par_iter())
                .skip(3)
                .take(size)
                .collect();
            assert_eq!(
                ours,
                v.iter().chain(&v).skip(3).take(size).collect::<Vec<_>>()
            );
            let ours: Vec<&[u64]> = v.par_chunks(7).collect();
            assert_eq!(ours, v.chunks(7).collect::<Vec<_>>());
            let ours: Vec<u64> = v.par_windows(3).map(|w| w.iter().sum()).collect();
            assert_eq!(
                ours,
                v.windows(3).map(|w| w.iter().sum()).collect::<Vec<u64>>()
            );
            let ours: Vec<u64> = v.clone().into_par_iter().with_max_len(10).collect();
            assert_eq!(ours, v);
            let ours: Vec<Option<u64>> = v
                .par_iter()
                .with_min_len(9)
                .map(|x| x.checked_sub(500))
                .collect();
            assert_eq!(
                ours,
                v.iter().map(|x| x.checked_sub(500)).collect::<Vec<_>>()
            );
        }
    });
}

#[test]
fn reductions_give_what_plain_ones_give() {
    pools(|| {
        for size in SIZES {
            let v = numbers(size);
            assert_eq!(v.par_iter().sum::<u64>(), v.iter().sum());
            assert_eq!(v.par_iter().count(), size);
            assert_eq!(v.par_iter().min(), v.iter().min());
            assert_eq!(v.par_iter().max(), v.iter().max());
            // The first of equals, the last of equals: by address.
            let first = v.par_iter().min_by_key(|x| **x / 100);
            let last = v.par_iter().max_by_key(|x| **x / 100);
            assert_eq!(
                first.map(core::ptr::from_ref),
                v.iter().min_by_key(|x| **x / 100).map(core::ptr::from_ref)
            );
            assert_eq!(
                last.map(core::ptr::from_ref),
                v.iter().max_by_key(|x| **x / 100).map(core::ptr::from_ref)
            );
            assert_eq!(v.par_iter().any(|x| *x == 999), v.contains(&999));
            assert_eq!(v.par_iter().all(|x| *x < 990), v.iter().all(|x| *x < 990));
            assert_eq!(
                v.par_iter()
                    .find_first(|x| **x > 900)
                    .map(core::ptr::from_ref),
                v.iter().find(|x| **x > 900).map(core::ptr::from_ref)
            );
            assert_eq!(
                v.par_iter().position_first(|x| *x > 990),
                v.iter().position(|x| *x > 990)
            );
            assert_eq!(
                v.par_iter().find_any(|x| **x > 990).is_some(),
                v.iter().any(|x| *x > 990)
            );
            let text = v
                .par_iter()
                .map(u64::to_string)
                .reduce(String::new, |a, b| a + &b);
            assert_eq!(text, v.iter().map(u64::to_string).collect::<String>());
            let (small, big) = v.par_iter().copied().partition(|x| *x < 500);
            let plain: (Vec<u64>, Vec<u64>) = v.iter().partition(|x| **x < 500);
            assert_eq!((small, big), plain);
        }
        assert_eq!(
            (1..=20_u64).into_par_iter().product::<u64>(),
            2_432_902_008_176_640_000
        );
        assert_eq!((0..=255_u8).into_par_iter().count(), 256);
        assert_eq!((i64::MIN..i64::MIN + 5).into_par_iter().count(), 5);
        assert_eq!((0..0_u32).into_par_iter().max(), None);
    });
}

#[test]
fn collections_come_and_go() {
    pools(|| {
        let v = numbers(10_000);
        let map: HashMap<u64, u64> = v.par_iter().map(|x| (*x, x * x)).collect();
        assert_eq!(map, v.iter().map(|x| (*x, x * x)).collect());
        assert_eq!(
            map.par_iter().map(|(k, _)| k).sum::<u64>(),
            map.keys().sum()
        );
        let tree: BTreeMap<u64, u64> = map.clone().into_par_iter().collect();
        assert!(tree.iter().eq(map.iter().collect::<BTreeMap<_, _>>()));
        let set: HashSet<u64> = v.clone().into_par_iter().collect();
        assert_eq!(set.len(), map.len());
        let mut w = v.clone();
        w.par_iter_mut().for_each(|x| *x += 1);
        w.par_chunks_mut(100).for_each(|part| part.reverse());
        let mut plain: Vec<u64> = v.iter().map(|x| x + 1).collect();
        plain.chunks_mut(100).for_each(<[u64]>::reverse);
        assert_eq!(w, plain);
        let text = "grüße, 世界\nzwei\r\n\nvier\n".repeat(500);
        assert_eq!(text.par_chars().collect::<String>(), text);
        assert_eq!(
            text.par_lines().collect::<Vec<_>>(),
            text.lines().collect::<Vec<_>>()
        );
        let whole: Result<Vec<u64>, String> = v.par_iter().map(|x| Ok(*x)).collect();
        assert_eq!(whole, Ok(v.clone()));
        let failed: Result<Vec<u64>, u64> = v
            .par_iter()
            .map(|x| if *x == 7 { Err(*x) } else { Ok(*x) })
            .collect();
        assert_eq!(failed, Err(7));
        assert_eq!(
            v.par_iter()
                .try_for_each(|x| if *x == 8 { Err("eight") } else { Ok(()) }),
            Err("eight")
        );
    });
}

#[test]
fn bridged_iterators_stream() {
    pools(|| {
        let mut got: Vec<u64> = (0..10_000_u64).par_bridge().map(|x| x * 2).collect();
        got.sort_unstable();
        assert!(got.into_iter().eq((0..10_000).map(|x| x * 2)));
        // Without end: it stops only if nothing is collected first.
        let found = (0_u64..)
            .par_bridge()
            .try_for_each(|x| if x == 5_000 { Err(x) } else { Ok(()) });
        assert_eq!(found, Err(5_000));
        // Nested, with a lock inside: the deadlock of bridges that steal while they wait.
        let lock = std::sync::Mutex::new(0_u64);
        (0..50_u64).par_bridge().for_each(|_| {
            let mut held = lock.lock().expect("no panic");
            *held += (0..100_u64).into_par_iter().sum::<u64>();
        });
        assert_eq!(*lock.lock().expect("no panic"), 50 * 4_950);
    });
}

#[test]
fn the_fixed_sum_is_the_same_bits_in_every_pool() {
    let v: Vec<f64> = numbers(100_000)
        .into_iter()
        .map(|x| 1.0 / (x as f64 + 0.3))
        .collect();
    let want = v.par_iter().copied().sum_fixed::<f64>().to_bits();
    pools(|| {
        for _ in 0..20 {
            assert_eq!(v.par_iter().copied().sum_fixed::<f64>().to_bits(), want);
            let reduced = v.par_iter().copied().reduce_fixed(|| 0.0, |a, b| a + b);
            assert_eq!(
                reduced.to_bits(),
                v.par_iter()
                    .copied()
                    .reduce_fixed(|| 0.0, |a, b| a + b)
                    .to_bits()
            );
        }
    });
}

#[test]
fn sorts_sort() {
    pools(|| {
        for size in [0, 1, 20, 60_000] {
            for shape in 0..5 {
                let mut v = numbers(size);
                match shape {
                    1 => v.sort_unstable(),
                    2 => {
                        v.sort_unstable();
                        v.reverse();
                    }
                    3 => v.iter_mut().for_each(|x| *x = 5),
                    4 => v
                        .iter_mut()
                        .enumerate()
                        .for_each(|(i, x)| *x = (i % 7) as u64),
                    _ => {}
                }
                let mut want = v.clone();
                want.sort_unstable();
                let mut got = v.clone();
                got.par_sort_unstable();
                assert_eq!(got, want);
                let mut got = v.clone();
                got.par_sort();
                assert_eq!(got, want);
                // Stability: places of equal keys stay in order.
                let mut pairs: Vec<(u64, usize)> = v.iter().copied().zip(0..).collect();
                pairs.par_sort_by_key(|pair| pair.0);
                assert!(pairs.is_sorted());
                let mut pairs: Vec<(u64, usize)> = v.iter().copied().zip(0..).collect();
                pairs.par_sort_by_cached_key(|pair| pair.0.to_string());
                assert!(pairs.is_sorted_by_key(|pair| pair.0.to_string()));
            }
        }
    });
}

/// Counts its live values.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Counted<'a>(u64, &'a Count);
#[derive(PartialEq, Eq, PartialOrd, Ord, Default)]
struct Count;
static LIVE: AtomicUsize = AtomicUsize::new(0);
impl Drop for Counted<'_> {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn panics_drop_every_item_once() {
    let count = Count;
    pools(|| ());
    let pool = ThreadPoolBuilder::new()
        .num_threads(3)
        .build()
        .expect("a pool");
    let make = || -> Vec<Counted<'_>> {
        LIVE.fetch_add(100_000, Ordering::SeqCst);
        numbers(100_000)
            .into_iter()
            .map(|x| Counted(x, &count))
            .collect()
    };
    for at in [1, 50_000, 1_000_000] {
        for stable in [false, true] {
            let mut v = make();
            let calls = AtomicUsize::new(0);
            let compare = |a: &Counted<'_>, b: &Counted<'_>| {
                if calls.fetch_add(1, Ordering::Relaxed) == at {
                    std::panic::resume_unwind(Box::new("a comparison"));
                }
                a.0.cmp(&b.0)
            };
            let caught = catch_unwind(AssertUnwindSafe(|| {
                pool.install(|| {
                    if stable {
                        v.par_sort_by(compare);
                    } else {
                        v.par_sort_unstable_by(compare);
                    }
                });
            }));
            assert!(caught.is_err());
            drop(v);
            assert_eq!(LIVE.load(Ordering::SeqCst), 0);
        }
        let v = make();
        let calls = AtomicUsize::new(0);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.install(|| {
                v.into_par_iter().for_each(|_item| {
                    if calls.fetch_add(1, Ordering::Relaxed) == at.min(99_999) {
                        std::panic::resume_unwind(Box::new("an item"));
                    }
                });
            });
        }));
        assert!(caught.is_err());
        assert_eq!(LIVE.load(Ordering::SeqCst), 0);
    }
}

/// An order that contradicts itself.
#[test]
fn a_bad_order_gives_the_same_items_in_some_order() {
    pools(|| {
        let dice = AtomicUsize::new(0);
        let bad = |_: &u64, _: &u64| match dice.fetch_add(1, Ordering::Relaxed) * 7 % 11 % 3 {
            0 => core::cmp::Ordering::Less,
            1 => core::cmp::Ordering::Equal,
            _ => core::cmp::Ordering::Greater,
        };
        let v = numbers(100_000);
        let mut want = v.clone();
        want.sort_unstable();
        for stable in [false, true] {
            let mut got = v.clone();
            // The standard sorts may panic over a bad order; items stay whole even so.
            let _either = catch_unwind(AssertUnwindSafe(|| {
                if stable {
                    got.par_sort_by(bad);
                } else {
                    got.par_sort_unstable_by(bad);
                }
            }));
            got.sort_unstable();
            assert_eq!(got, want);
        }
    });
}
