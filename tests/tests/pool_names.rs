//! The methods of parallel iterators, slices and strings that Rayon's users know, each against what the plain ones give.

extern crate alloc;

mod pools;

use alloc::collections::{BTreeMap, BTreeSet, BinaryHeap, LinkedList, VecDeque};
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicUsize, Ordering};
use pools::pools;
use std::collections::{HashMap, HashSet};
use underpin::pool::CancelToken;
use underpin::pool::iter::*;

const N: usize = 3_000;

#[test]
fn parts_with_a_value_of_their_own() {
    pools(|| {
        let v: Vec<usize> = (0..N).collect();
        let sums = v.par_iter().fold(|| 0, |a, x| a + x).sum::<usize>();
        assert_eq!(sums, N * (N - 1) / 2);
        assert_eq!(v.par_iter().fold_with(0, |a, x| a + x).sum::<usize>(), sums);
        let mapped: Vec<usize> = v
            .par_iter()
            .map_with(Vec::new(), |seen, &x| {
                seen.push(x);
                seen[seen.len() - 1] * 2
            })
            .collect();
        assert!(mapped.into_iter().eq((0..N).map(|x| x * 2)));
        let mapped: Vec<usize> = v
            .par_iter()
            .map_init(|| 7, |seven, &x| x + *seven)
            .collect();
        assert!(mapped.into_iter().eq(7..N + 7));
        let total = AtomicUsize::new(0);
        v.par_iter().for_each_with(&total, |total, &x| {
            total.fetch_add(x, Ordering::Relaxed);
        });
        assert_eq!(total.into_inner(), sums);
        let changed: Vec<usize> = v.par_iter().copied().update(|x| *x += 1).collect();
        assert!(changed.into_iter().eq(1..=N));
    });
}

#[test]
fn failures_stop_and_are_told() {
    pools(|| {
        let range = || (0..N).into_par_iter();
        let add = |a: usize, b: usize| a.checked_add(b);
        assert_eq!(
            range().map(Some).try_reduce(|| 0, add),
            Some(N * (N - 1) / 2)
        );
        assert_eq!(
            range()
                .map(|x| (x != 77).then_some(x))
                .try_reduce(|| 0, add),
            None
        );
        assert_eq!(
            range().map(Some).try_reduce_with(add),
            Some(Some(N * (N - 1) / 2))
        );
        assert_eq!(
            (0..0_usize).into_par_iter().map(Some).try_reduce_with(add),
            None
        );
        let fail = |x: usize| if x == 1_234 { Err(x) } else { Ok(x) };
        let sum = |a: usize, x: usize| fail(x).map(|x| a + x);
        let folded = range()
            .try_fold(|| 0, sum)
            .try_reduce(|| 0, |a, b| Ok(a + b));
        assert_eq!(folded, Err(1_234));
        let folded = range().try_fold_with(0, |a, x| Ok::<_, ()>(a + x));
        assert_eq!(
            folded.try_reduce(|| 0, |a, b| Ok(a + b)),
            Ok(N * (N - 1) / 2)
        );
        assert_eq!(range().try_for_each(|x| fail(x).map(drop)), Err(1_234));
        assert_eq!(range().try_for_each(|x| (x < N).then_some(())), Some(()));
        let flow = range().try_for_each(|x| {
            if x == 9 {
                ControlFlow::Break(x)
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_eq!(flow, ControlFlow::Break(9));
        assert_eq!(
            range().try_for_each_with(1, |one, x| fail(x + *one).map(drop)),
            Err(1_234)
        );
        assert_eq!(
            range().try_for_each_init(|| 1, |one, x| fail(x + *one).map(drop)),
            Err(1_234)
        );
    });
}

#[test]
fn loops_stop_early_however_long_they_are() {
    pools(|| {
        // Each of these would run for centuries if any link of the chain lost the stop.
        let endless = || (0..u64::MAX).into_par_iter();
        let token = CancelToken::new();
        let begun = AtomicUsize::new(0);
        endless()
            .cancel_on(&token)
            .map(|x| x + 1)
            .filter(|_| true)
            .for_each(|x| {
                begun.fetch_add(1, Ordering::Relaxed);
                if x == 1_000 {
                    token.cancel();
                }
            });
        assert!(begun.into_inner() >= 1_000);
        assert_eq!(
            endless().cancel_on(&token).count(),
            0,
            "cancelled before it began"
        );
        let some = endless().map(|x| (x < 100).then_some(x)).while_some().max();
        assert!(some.is_none_or(|x| x < 100));
        // What is chained to a stopped one still comes.
        let token = CancelToken::new();
        token.cancel();
        let both = endless().cancel_on(&token).chain(0..100_u64).sum::<u64>();
        assert_eq!(both, 4_950);
        let both = (0..100_u64)
            .into_par_iter()
            .chain(endless().take_any(10))
            .count();
        assert_eq!(both, 110);
        assert_eq!(endless().take_any(0).count(), 0);
        assert!(endless().take_any_while(|&x| x < 50).all(|x| x < 50));
        assert_eq!((0..N).into_par_iter().skip_any(N - 5).count(), 5);
        assert_eq!((0..10_usize).into_par_iter().skip_any(50).count(), 0);
        let skipped = (0..N).into_par_iter().skip_any_while(|&x| x < N);
        assert_eq!(skipped.count(), 0);
        assert_eq!(
            endless()
                .with_max_len(1 << 20)
                .cancel_on(&token)
                .flat_map_iter(|x| [x, x])
                .count(),
            0
        );
    });
}

#[test]
fn a_fuse_stops_the_others_after_a_panic() {
    pools(|| {
        let result = std::panic::catch_unwind(|| {
            (0..u64::MAX).into_par_iter().panic_fuse().for_each(|x| {
                if x == 500 {
                    std::panic::resume_unwind(Box::new("five hundred"));
                }
            });
        });
        assert_eq!(
            *result.unwrap_err().downcast::<&str>().expect("the payload"),
            "five hundred"
        );
    });
}

#[test]
fn searches_from_the_end_and_positions() {
    pools(|| {
        let v: Vec<usize> = (0..N).collect();
        assert_eq!(
            v.par_iter().find_last(|x| **x % 7 == 3),
            v.iter().rfind(|x| **x % 7 == 3)
        );
        assert_eq!(
            v.par_iter()
                .find_map_last(|x| (x % 2 == 0).then_some(x + 1)),
            Some(N - 1)
        );
        assert_eq!(
            v.par_iter().position_last(|&x| x % 10 == 0),
            v.iter().rposition(|&x| x % 10 == 0)
        );
        assert_eq!(v.par_iter().find_last(|x| **x > N), None);
        let positions: Vec<usize> = v.par_iter().positions(|x| x % 100 == 1).collect();
        assert!(positions.into_iter().eq((1..N).step_by(100)));
    });
}

#[test]
fn items_in_other_groups() {
    pools(|| {
        for (len, step) in [(0, 1), (1, 3), (10, 3), (12, 3), (N, 1), (N, 7), (5, 100)] {
            let v: Vec<usize> = (0..len).collect();
            let got: Vec<usize> = v.par_iter().copied().step_by(step).collect();
            assert!(
                got.into_iter().eq((0..len).step_by(step)),
                "{len} by {step}"
            );
            let got: Vec<Vec<usize>> = v.par_iter().copied().chunks(step).collect();
            assert!(
                got.iter().map(Vec::as_slice).eq(v.chunks(step)),
                "{len} in {step}"
            );
            let got: Vec<usize> = v.par_iter().fold_chunks(step, || 1, |a, x| a + x).collect();
            assert!(
                got.into_iter()
                    .eq(v.chunks(step).map(|part| 1 + part.iter().sum::<usize>()))
            );
            let got: Vec<usize> = v
                .par_iter()
                .fold_chunks_with(step, 1, |a, x| a + x)
                .collect();
            assert!(
                got.into_iter()
                    .eq(v.chunks(step).map(|part| 1 + part.iter().sum::<usize>()))
            );
        }
        for (a, b) in [(0, 0), (3, 3), (3, 10), (10, 3), (N, 5), (0, 4), (4, 0)] {
            let (left, right): (Vec<usize>, Vec<usize>) =
                ((0..a).collect(), (1_000_000..1_000_000 + b).collect());
            let common = a.min(b);
            let mut want: Vec<usize> = (0..common).flat_map(|i| [left[i], right[i]]).collect();
            let short = want.len() + usize::from(a > b);
            want.extend(&left[common..]);
            want.extend(&right[common..]);
            let got: Vec<usize> = left.par_iter().copied().interleave(right.clone()).collect();
            assert_eq!(got, want, "{a} and {b}");
            let got: Vec<usize> = left
                .par_iter()
                .copied()
                .interleave_shortest(right)
                .collect();
            assert_eq!(got, want[..short], "{a} and {b}");
        }
        let got: Vec<usize> = vec![1_usize, 2, 3].into_par_iter().intersperse(0).collect();
        assert_eq!(got, [1, 0, 2, 0, 3]);
        let rev: Vec<usize> = (0..N).into_par_iter().rev().step_by(3).collect();
        assert!(rev.into_iter().eq((0..N).rev().step_by(3)));
    });
}

#[test]
#[allow(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is the point")]
fn comparisons_are_those_of_slices() {
    pools(|| {
        let v: Vec<usize> = (0..N).collect();
        let mut w = v.clone();
        w[N - 2] = 0;
        for (a, b) in [
            (&v, &v),
            (&v, &w),
            (&w, &v),
            (&v, &v[..10].to_vec()),
            (&Vec::new(), &v),
        ] {
            assert_eq!(a.par_iter().cmp(b.par_iter()), a.cmp(b));
            assert_eq!(a.par_iter().partial_cmp(b.par_iter()), a.partial_cmp(b));
            assert_eq!(a.par_iter().eq(b.par_iter()), a == b);
            assert_eq!(a.par_iter().ne(b.par_iter()), a != b);
            assert_eq!(a.par_iter().lt(b.par_iter()), a < b);
            assert_eq!(a.par_iter().le(b.par_iter()), a <= b);
            assert_eq!(a.par_iter().gt(b.par_iter()), a > b);
            assert_eq!(a.par_iter().ge(b.par_iter()), a >= b);
        }
        let nan = [1.0, f64::NAN];
        assert_eq!(nan.par_iter().partial_cmp(nan.par_iter()), None);
        assert!(!nan.par_iter().eq(nan.par_iter()));
        let zipped: Vec<(usize, &usize)> = (0..N).into_par_iter().zip_eq(&v).collect();
        assert_eq!(zipped.len(), N);
        assert!(
            std::panic::catch_unwind(|| (0..N).into_par_iter().zip_eq(0..3_usize).count()).is_err()
        );
    });
}

#[test]
fn running_totals() {
    pools(|| {
        for len in [0, 1, 10, 8_191, 8_192, 50_000] {
            let v: Vec<u64> = (0..len).map(|x| x * 7 % 13).collect();
            let want: Vec<u64> = v
                .iter()
                .scan(0, |sum, x| {
                    *sum += x;
                    Some(*sum)
                })
                .collect();
            assert_eq!(v.par_iter().copied().scan(|a, b| a + b), want);
        }
        // Not commutative: the order of the operands matters.
        let words: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let joined = words.clone().into_par_iter().scan(|a, b| format!("{a}{b}"));
        assert_eq!(joined[99], words.concat());
    });
}

#[test]
fn collections_of_all_kinds() {
    pools(|| {
        let range = || (0..N).into_par_iter();
        let list = range().filter(|x| x % 3 == 0).collect_vec_list();
        assert!(list.into_iter().flatten().eq((0..N).step_by(3)));
        let linked: LinkedList<usize> = range().collect();
        assert!(linked.par_iter().copied().eq((0..N).into_par_iter()));
        let boxed: Box<[usize]> = range().collect();
        assert_eq!(boxed.into_par_iter().sum::<usize>(), N * (N - 1) / 2);
        let (even, odd): (HashSet<usize>, Vec<usize>) = range().partition_map(|x| {
            if x % 2 == 0 {
                Either::Left(x)
            } else {
                Either::Right(x)
            }
        });
        assert_eq!((even.len(), odd.len()), (N / 2, N / 2));
        let (keys, values): (BTreeSet<usize>, VecDeque<usize>) =
            range().map(|x| (x, x * 2)).unzip();
        assert!(keys.into_iter().map(|x| x * 2).eq(values));
        let (mut a, mut b) = (vec![9], vec![9]);
        range().map(|x| (x, x + 1)).unzip_into_vecs(&mut a, &mut b);
        assert!(a.into_iter().eq(0..N) && b.into_iter().eq(1..=N));
        let mut map: HashMap<usize, usize> = range().map(|x| (x, x)).collect();
        map.par_iter_mut().for_each(|(_, value)| *value += 1);
        map.par_extend((N..N + 5).into_par_iter().map(|x| (x, x + 1)));
        assert!(map.par_iter().all(|(key, value)| *value == key + 1));
        assert_eq!(map.par_drain().count(), N + 5);
        assert!(map.is_empty());
        let mut v: Vec<usize> = (0..10).collect();
        assert_eq!(v.par_drain(2..5).sum::<usize>(), 9);
        assert_eq!(v, [0, 1, 5, 6, 7, 8, 9]);
        v.par_extend(0..3_usize);
        v.par_extend((0..9_usize).into_par_iter().filter(|x| *x > 7));
        assert_eq!(v, [0, 1, 5, 6, 7, 8, 9, 0, 1, 2, 8]);
        assert_eq!(v.par_drain(..).count(), 11);
        let heap: BinaryHeap<usize> = (0..50).collect();
        assert_eq!(heap.par_iter().max(), Some(&49));
        let tree: BTreeMap<usize, usize> = (0..50).map(|x| (x, x)).collect();
        assert_eq!((&tree, &tree).0.par_iter().count(), 50);
        assert_eq!(
            ([1, 2, 3], [4, 5, 6])
                .into_par_iter()
                .map(|(a, b)| a * b)
                .sum::<i32>(),
            32
        );
        assert_eq!(('a'..='e').into_par_iter().collect::<String>(), "abcde");
        assert_eq!(Ok::<_, ()>(3).into_par_iter().sum::<i32>(), 3);
        let text: String = ["ab", "cd"]
            .into_par_iter()
            .flat_map_iter(str::chars)
            .collect();
        assert_eq!(text, "abcd");
    });
}

#[test]
fn parts_of_slices_are_those_of_std() {
    pools(|| {
        for len in [0, 1, 2, 5, 6, 7, 100, N] {
            let v: Vec<usize> = (0..len).map(|x| x * 37 % 11).collect();
            for size in [1, 2, 3, 100] {
                let got: Vec<&[usize]> = v.par_chunks_exact(size).collect();
                assert!(got.into_iter().eq(v.chunks_exact(size)));
                let got: Vec<&[usize]> = v.par_rchunks(size).collect();
                assert!(got.into_iter().eq(v.rchunks(size)));
                let got: Vec<&[usize]> = v.par_rchunks_exact(size).collect();
                assert!(got.into_iter().eq(v.rchunks_exact(size)));
                let mut w = v.clone();
                w.par_rchunks_mut(size)
                    .enumerate()
                    .for_each(|(index, part)| part.fill(index));
                let mut want = v.clone();
                want.rchunks_mut(size)
                    .enumerate()
                    .for_each(|(index, part)| part.fill(index));
                assert_eq!(w, want);
                w.par_chunks_exact_mut(size).for_each(|part| part[0] = 99);
                want.chunks_exact_mut(size).for_each(|part| part[0] = 99);
                w.par_rchunks_exact_mut(size).for_each(|part| part[0] = 98);
                want.rchunks_exact_mut(size).for_each(|part| part[0] = 98);
                assert_eq!(w, want);
            }
            let got: Vec<&[usize; 3]> = v.par_array_chunks().collect();
            assert!(got.into_iter().eq(v.as_chunks().0));
            let got: Vec<&[usize]> = v.par_split(|x| *x == 4).collect();
            assert!(got.into_iter().eq(v.split(|x| *x == 4)), "{len}");
            let got: Vec<&[usize]> = v.par_split_inclusive(|x| *x == 4).collect();
            assert!(got.into_iter().eq(v.split_inclusive(|x| *x == 4)), "{len}");
            let got: Vec<&[usize]> = v.par_chunk_by(|a, b| a <= b).collect();
            assert!(got.into_iter().eq(v.chunk_by(|a, b| a <= b)), "{len}");
            let (mut w, mut want) = (v.clone(), v.clone());
            w.par_split_mut(|x| *x == 4).for_each(<[usize]>::reverse);
            want.split_mut(|x| *x == 4).for_each(<[usize]>::reverse);
            assert_eq!(w, want);
            w.par_split_inclusive_mut(|x| *x == 2)
                .for_each(|part| part.fill(3));
            want.split_inclusive_mut(|x| *x == 2)
                .for_each(|part| part.fill(3));
            w.par_chunk_by_mut(|a, b| a == b)
                .for_each(|part| part[0] += 1);
            want.chunk_by_mut(|a, b| a == b)
                .for_each(|part| part[0] += 1);
            assert_eq!(w, want);
        }
    });
}

#[test]
fn parts_of_strings_are_those_of_std() {
    let long: String = (0..400)
        .map(|n| ["a,", "é\u{1F600} ", ",", "\t", "xyz", "\n\u{2003}"][n * 31 % 6])
        .collect();
    pools(|| {
        for text in ["", ",", "a", "a,", ",a", "a,,b", "é,ü,\u{1F600}", &long] {
            let got: Vec<(usize, char)> = text.par_char_indices().collect();
            assert!(got.into_iter().eq(text.char_indices()));
            assert!(
                text.par_bytes()
                    .collect::<Vec<u8>>()
                    .into_iter()
                    .eq(text.bytes())
            );
            assert!(
                text.par_encode_utf16()
                    .collect::<Vec<u16>>()
                    .into_iter()
                    .eq(text.encode_utf16())
            );
            let got: Vec<&str> = text.par_split(',').collect();
            assert!(got.into_iter().eq(text.split(',')), "{text:?}");
            let got: Vec<&str> = text.par_split([',', 'é']).collect();
            assert!(got.into_iter().eq(text.split([',', 'é'])), "{text:?}");
            let got: Vec<&str> = text.par_split_inclusive(&[',']).collect();
            assert!(got.into_iter().eq(text.split_inclusive(',')), "{text:?}");
            let got: Vec<&str> = text.par_split_terminator(',').collect();
            assert!(got.into_iter().eq(text.split_terminator(',')), "{text:?}");
            let got: Vec<&str> = text.par_split_whitespace().collect();
            assert!(got.into_iter().eq(text.split_whitespace()), "{text:?}");
            let got: Vec<&str> = text.par_split_ascii_whitespace().collect();
            assert!(
                got.into_iter().eq(text.split_ascii_whitespace()),
                "{text:?}"
            );
            let got: Vec<(usize, &str)> = text.par_match_indices(',').collect();
            assert!(got.into_iter().eq(text.match_indices(',')), "{text:?}");
            let got: Vec<&str> = text.par_matches(char::is_alphabetic).collect();
            assert!(
                got.into_iter().eq(text.matches(char::is_alphabetic)),
                "{text:?}"
            );
        }
    });
}

#[test]
fn bridged_iterators_have_the_same_methods() {
    pools(|| {
        let sum = (0..5_000_u64)
            .par_bridge()
            .filter(|x| x % 2 == 0)
            .map(|x| x + 1)
            .sum::<u64>();
        assert_eq!(sum, (0..5_000).step_by(2).map(|x| x + 1).sum());
        assert_eq!(
            (0_u64..).par_bridge().find_any(|&x| x == 3_000),
            Some(3_000)
        );
        assert_eq!(core::iter::empty::<u8>().par_bridge().count(), 0);
        // An iterator that panics is not asked again, and its panic arrives.
        let calls = AtomicUsize::new(0);
        let result = std::panic::catch_unwind(|| {
            core::iter::from_fn(|| {
                if calls.fetch_add(1, Ordering::Relaxed) == 100 {
                    std::panic::resume_unwind(Box::new("the iterator"));
                }
                Some(1_u64)
            })
            .par_bridge()
            .sum::<u64>()
        });
        assert!(result.is_err());
        assert_eq!(calls.into_inner(), 101);
    });
}
