//! Further methods that Rayon's users know, and what they promise: blocks, nested loops, walks, sources of nothing and of one
//! item, tuples, collections, iteration from the end.

extern crate alloc;

mod pools;

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet, BinaryHeap, LinkedList, VecDeque};
use alloc::rc::Rc;
use core::sync::atomic::{AtomicUsize, Ordering};
use pools::pools;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use underpin::pool::iter::*;
use underpin::pool::{
    ThreadPoolBuilder, broadcast, current_num_threads, current_thread_index, in_place_scope,
    in_place_scope_fifo, join_context, spawn_fifo,
};

const N: usize = 2_000;

#[test]
fn a_block_is_done_before_the_next_begins() {
    pools(|| {
        for (len, size) in [(0, 1), (1, 1), (10, 3), (N, 100), (N, 5 * N)] {
            // How many items before this block are not done when one of it begins: none.
            let done = AtomicUsize::new(0);
            let sum = (0..len)
                .into_par_iter()
                .by_uniform_blocks(size)
                .map(|x| {
                    assert!(done.load(Ordering::SeqCst) >= x / size * size);
                    done.fetch_add(1, Ordering::SeqCst);
                    x
                })
                .sum::<usize>();
            assert_eq!(sum, (0..len).sum());
            let all: Vec<usize> = (0..len).into_par_iter().by_uniform_blocks(size).collect();
            assert!(all.into_iter().eq(0..len));
        }
        let looked_at = AtomicUsize::new(0);
        let found = (0..1_000_000_usize)
            .into_par_iter()
            .by_exponential_blocks()
            .find_first(|&x| {
                looked_at.fetch_add(1, Ordering::Relaxed);
                x == 100
            });
        assert_eq!(found, Some(100));
        // Blocks of 1, 2, 4, .. or of 3, 6, 12, ..: the one that has it ends before 400.
        assert!(looked_at.into_inner() < 400);
        // More blocks than anybody could go through after the find.
        let many = (0..1_u64 << 50).into_par_iter().by_uniform_blocks(16);
        assert!(many.any(|x| x == 100));
        let all: Vec<usize> = (0..N).into_par_iter().by_exponential_blocks().collect();
        assert!(all.into_iter().eq(0..N));
        assert!(
            std::panic::catch_unwind(|| (0..9_u8).into_par_iter().by_uniform_blocks(0)).is_err()
        );
    });
}

#[test]
fn inner_parallel_iterators_are_split_too() {
    pools(|| {
        for outer in [0, 1, 2, 7, 300] {
            let inner = |x: usize| 0..(x * 37) % 11;
            let got: Vec<usize> = (0..outer).into_par_iter().flat_map(inner).collect();
            assert!(got.into_iter().eq((0..outer).flat_map(inner)));
            let nested: Vec<Vec<usize>> = (0..outer).map(|x| inner(x).collect()).collect();
            let got: Vec<usize> = nested.clone().into_par_iter().flatten().collect();
            assert!(got.into_iter().eq(nested.iter().flatten().copied()));
            let got: Vec<&usize> = nested.par_iter().flatten().collect();
            assert!(got.into_iter().eq(nested.iter().flatten()));
            let got: Vec<&usize> = nested.par_iter().flatten_iter().collect();
            assert!(got.into_iter().eq(nested.iter().flatten()));
            // Outer items of a source that says nothing of how many it has, several of them from one.
            let got: Vec<usize> = (0..outer)
                .into_par_iter()
                .flat_map_iter(|x| [x, x + 1])
                .flat_map(inner)
                .filter(|x| x % 2 == 0)
                .collect();
            let want = (0..outer).flat_map(|x| [x, x + 1]).flat_map(inner);
            assert!(got.into_iter().eq(want.filter(|x| x % 2 == 0)));
        }
        // Every bit of a long inner one can be stopped at, and the first find is the first.
        let found = (0..3_u64)
            .into_par_iter()
            .flat_map(|x| (0..u64::MAX / 2).into_par_iter().map(move |y| (x, y)))
            .find_first(|&(_, y)| y == 1_000);
        assert_eq!(found, Some((0, 1_000)));
        let first = (0..100_usize)
            .into_par_iter()
            .flat_map(|x| 0..x)
            .position_of(|x| x == 42);
        assert_eq!(first, Some(43 * 42 / 2 + 42));
        let optional: Vec<usize> = (0..N)
            .into_par_iter()
            .flat_map(|x| (x % 3 == 0).then_some(x))
            .collect();
        assert!(optional.into_iter().eq((0..N).step_by(3)));
    });
}

/// Where the first of those is that `f` accepts, by what comes before it.
trait PositionOf: ParallelIterator {
    fn position_of(self, f: impl Fn(Self::Item) -> bool + Send + Sync) -> Option<usize> {
        let flags: Vec<bool> = self.map(f).collect();
        flags.into_iter().position(|flag| flag)
    }
}

impl<S: ParallelIterator> PositionOf for S {}

#[test]
fn one_long_inner_iterator_is_shared() {
    let pool = ThreadPoolBuilder::new()
        .num_threads(2)
        .build()
        .expect("threads");
    // It ends once both threads have had items of the one inner iterator.
    let seen = AtomicUsize::new(0);
    let both = pool.install(|| {
        (0..1_usize)
            .into_par_iter()
            .flat_map(|_| 0..u64::MAX)
            .any(|_| {
                let index = current_thread_index().expect("a thread of the pool");
                seen.fetch_or(1 << index, Ordering::Relaxed) | 1 << index == 0b11
            })
    });
    assert!(both);
}

#[test]
fn trees_are_walked_in_their_order() {
    fn below(node: &(usize, usize)) -> Vec<(usize, usize)> {
        let (at, level) = *node;
        let count = if level == 0 { 0 } else { at % 4 };
        (0..count)
            .map(|index| (at * 5 + index + 1, level - 1))
            .collect()
    }
    fn plain(node: (usize, usize), before: bool, to: &mut Vec<(usize, usize)>) {
        if before {
            to.push(node);
        }
        for child in below(&node) {
            plain(child, before, to);
        }
        if !before {
            to.push(node);
        }
    }
    pools(|| {
        for (root, levels) in [(0, 3), (1, 0), (3, 9), (7, 60)] {
            let root = (root, levels.min(9));
            let (mut prefix, mut postfix) = (Vec::new(), Vec::new());
            plain(root, true, &mut prefix);
            plain(root, false, &mut postfix);
            assert_eq!(walk_tree_prefix(root, below).collect::<Vec<_>>(), prefix);
            assert_eq!(walk_tree_postfix(root, below).collect::<Vec<_>>(), postfix);
            assert_eq!(walk_tree(root, below).count(), prefix.len());
            assert_eq!(
                walk_tree_prefix(root, below).find_first(|node| node.1 == 0),
                prefix.iter().copied().find(|node| node.1 == 0)
            );
        }
        // A tree that is a list, deeper than any number of splits.
        let list = |&n: &usize| (n < 20_000).then_some(n + 1);
        assert_eq!(
            walk_tree_prefix(0, list).sum::<usize>(),
            20_000 * 20_001 / 2
        );
        assert_eq!(
            walk_tree_postfix(0, list).find_first(|_| true),
            Some(20_000)
        );
    });
}

#[test]
fn data_is_divided_where_it_can_be() {
    pools(|| {
        let halve = |range: core::ops::Range<usize>| {
            if range.len() < 2 {
                return (range, None);
            }
            let middle = usize::midpoint(range.start, range.end);
            (range.start..middle, Some(middle..range.end))
        };
        let pieces: Vec<_> = split(0..N, halve).collect();
        assert!(pieces.into_iter().flatten().eq(0..N));
        let pieces: Vec<_> = split(0..1, halve).collect();
        assert!(pieces.into_iter().flatten().eq(0..1));
        assert_eq!(split(7, |x: u8| (x, None)).collect::<Vec<_>>(), [7]);
    });
}

#[test]
fn sources_of_none_one_and_many() {
    pools(|| {
        assert_eq!(once(5).collect::<Vec<_>>(), [5]);
        assert_eq!(empty::<u8>().count(), 0);
        assert_eq!(once(1).chain(once(2)).chain(empty()).sum::<i32>(), 3);
        assert_eq!(repeat_n("ab", 3).collect::<String>(), "ababab");
        assert_eq!(repeat(7_u64).take(N).sum::<u64>(), 7 * N as u64);
        let zipped: Vec<(usize, char)> = (0..3_usize).into_par_iter().zip(repeat('x')).collect();
        assert_eq!(zipped, [(0, 'x'), (1, 'x'), (2, 'x')]);
        assert!(repeat(1_u8).any(|x| x == 1));
        let mut some = Some(3);
        some.par_iter_mut().for_each(|x| *x += 1);
        assert_eq!(some.par_iter().copied().max(), Some(4));
        assert_eq!(None::<u8>.into_par_iter().count(), 0);
        let mut good: Result<u8, ()> = Ok(3);
        good.par_iter_mut().for_each(|x| *x += 1);
        assert_eq!(good.par_iter().count(), 1);
        assert_eq!(Err::<u8, _>(()).into_par_iter().count(), 0);
    });
}

#[test]
fn ranges_of_every_integer() {
    macro_rules! check {
        ($($number:ty)*) => {$(
            let (low, high) = (<$number>::MAX - 3, <$number>::MAX);
            let got: Vec<$number> = (low..=high).into_par_iter().collect();
            assert!(got.into_iter().eq(low..=high));
            let got: Vec<$number> = (<$number>::MIN..<$number>::MIN + 100).into_par_iter().collect();
            assert!(got.into_iter().eq(<$number>::MIN..<$number>::MIN + 100));
            #[allow(clippy::reversed_empty_ranges, reason = "the point")]
            let none = (high..=low).into_par_iter().chain(high..low).count();
            assert_eq!(none, 0);
        )*};
    }
    pools(|| {
        check!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);
        assert!((0..u128::MAX).into_par_iter().any(|x| x == 5_000));
        assert_eq!((i8::MIN..=i8::MAX).into_par_iter().count(), 256);
        assert_eq!(
            ('\u{D7FF}'..='\u{E000}')
                .into_par_iter()
                .collect::<String>(),
            "\u{D7FF}\u{E000}"
        );
    });
}

#[test]
fn tuples_are_zipped() {
    pools(|| {
        let a: Vec<usize> = (0..N).collect();
        let mut sums = vec![0; N];
        (&a, &mut sums, 1..=N, repeat(2_usize))
            .into_par_iter()
            .for_each(|(a, sum, c, d)| *sum = a + c + d);
        assert!(sums.into_iter().eq((0..N).map(|x| 2 * x + 3)));
        let three: Vec<(usize, u8, char)> = (0..9_usize, [1_u8, 2], repeat('c'))
            .into_par_iter()
            .collect();
        assert_eq!(three, [(0, 1, 'c'), (1, 2, 'c')]);
        let r = || 0..3_u8;
        let eight: Vec<_> = (r(), r(), r(), r(), r(), r(), r(), r())
            .into_par_iter()
            .collect();
        assert_eq!(eight[2], (2, 2, 2, 2, 2, 2, 2, 2));
        let twelve = (
            r(),
            r(),
            r(),
            r(),
            r(),
            r(),
            r(),
            r(),
            r(),
            r(),
            r(),
            5..9_u8,
        );
        let twelve: Vec<_> = twelve.into_par_iter().collect();
        assert_eq!(twelve[1], (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 6));
        let nine = (r(), r(), r(), r(), r(), r(), r(), r(), r()).into_par_iter();
        assert_eq!(nine.map(|nine| nine.8).sum::<u8>(), 3);
        let ten = (r(), r(), r(), r(), r(), r(), r(), r(), r(), r());
        assert_eq!(ten.into_par_iter().len(), 3);
        let eleven = (r(), r(), r(), r(), r(), r(), r(), r(), r(), r(), r());
        assert_eq!(eleven.into_par_iter().len(), 3);
        assert_eq!((r(), r(), r(), r(), r()).into_par_iter().len(), 3);
        assert_eq!((r(), r(), r(), r(), r(), r()).into_par_iter().len(), 3);
        assert_eq!((r(), r(), r(), r(), r(), r(), r()).into_par_iter().len(), 3);
    });
}

#[test]
fn iterators_are_cloned_before_they_run() {
    pools(|| {
        let v: Vec<usize> = (0..N).collect();
        let loops = v
            .par_iter()
            .zip(0..N)
            .map(|(a, b)| a + b)
            .chain(7..9)
            .filter(|x| x % 3 != 0)
            .with_max_len(5);
        let want = (0..N).map(|x| 2 * x).chain(7..9).filter(|x| x % 3 != 0);
        let again = loops.clone();
        assert!(loops.collect::<Vec<_>>().into_iter().eq(want.clone()));
        assert!(again.collect::<Vec<_>>().into_iter().eq(want));
        let parts = (v.par_chunks(7), v.par_windows(3), v.par_rchunks(2));
        let (a, b, c) = parts.clone();
        assert_eq!(a.count() + b.count() + c.count(), {
            let (a, b, c) = parts;
            a.len() + b.len() + c.len()
        });
        let rest = (0..N).into_par_iter().rev().step_by(3).enumerate();
        assert_eq!(rest.clone().collect::<Vec<_>>(), rest.collect::<Vec<_>>());
        let lines = "a\nb\nc".par_lines();
        assert_eq!(lines.clone().count(), 3);
        assert_eq!(lines.collect::<Vec<_>>(), ["a", "b", "c"]);
    });
}

#[test]
fn from_the_end_through_adaptors() {
    pools(|| {
        let v: Vec<usize> = (0..N).map(|x| x * 7 % 31).collect();
        let got: Vec<(usize, &usize)> = v.par_iter().enumerate().rev().collect();
        assert!(got.into_iter().eq(v.iter().enumerate().rev()));
        let got: Vec<(usize, (&usize, usize))> =
            v.par_iter().zip(v.clone()).enumerate().rev().collect();
        let want = v.iter().zip(v.clone()).enumerate().rev();
        assert!(got.into_iter().eq(want));
        let got: Vec<usize> = v.par_iter().map(|x| x + 1).chain(0..5).rev().collect();
        assert!(
            got.into_iter()
                .eq(v.iter().map(|x| x + 1).chain(0..5).rev())
        );
        let got: Vec<Vec<usize>> = v.clone().into_par_iter().chunks(7).rev().collect();
        assert!(got.iter().map(Vec::as_slice).eq(v.chunks(7).rev()));
        let got: Vec<&[usize]> = v.par_rchunks(3).rev().collect();
        assert!(got.into_iter().eq(v.rchunks(3).rev()));
        let got: Vec<usize> = v
            .par_iter()
            .map_init(|| 1, |one, x| x + *one)
            .rev()
            .collect();
        assert!(got.into_iter().eq(v.iter().map(|x| x + 1).rev()));
        let got: Vec<usize> = v.par_iter().copied().step_by(3).rev().collect();
        assert!(got.into_iter().eq(v.iter().copied().step_by(3).rev()));
        let got: Vec<&[usize; 3]> = v.par_array_windows().rev().collect();
        assert!(got.into_iter().eq(v.array_windows().rev()));
    });
}

#[test]
fn separators_come_between() {
    pools(|| {
        for len in [0, 1, 2, N] {
            let got: Vec<usize> = (0..len).into_par_iter().intersperse(9).collect();
            assert_eq!(got.len(), (2 * len).saturating_sub(1));
            assert!(got.iter().step_by(2).copied().eq(0..len));
            assert!(got.iter().skip(1).step_by(2).all(|x| *x == 9));
        }
    });
}

#[test]
fn whatever_can_be_collected_into() {
    pools(|| {
        let range = || (0..N).into_par_iter();
        let heap: BinaryHeap<usize> = range().collect();
        assert!(heap.into_sorted_vec().into_iter().eq(0..N));
        let counted: Rc<[usize]> = range().collect();
        let shared: alloc::sync::Arc<[usize]> = range().collect();
        let cow: Cow<'_, [usize]> = range().collect();
        assert!(counted[..] == shared[..] && cow == &shared[..]);
        let (even, odd): (Vec<usize>, BTreeSet<usize>) = range().partition(|x| x % 2 == 0);
        assert!(even.into_iter().eq((0..N).step_by(2)));
        assert!(odd.into_iter().eq((1..N).step_by(2)));
        let (a, b): (VecDeque<usize>, HashSet<usize>) = range().map(|x| (x, x / 2)).collect();
        assert_eq!((a.len(), b.len()), (N, N / 2));
        let side = |x| {
            if x < 10 {
                Either::Left(x)
            } else {
                Either::Right(x)
            }
        };
        let (a, b): (Vec<usize>, LinkedList<usize>) = range().map(side).collect();
        assert!(a.into_iter().chain(b).eq(0..N));
        let mut both = (vec![1], VecDeque::from([2]));
        both.par_extend(range().map(|x| (x, x)));
        both.par_extend([Either::Left(3), Either::Right(4)]);
        assert_eq!((both.0[0], both.0[N + 1]), (1, 3));
        assert_eq!((both.1[0], both.1[N + 1]), (2, 4));

        let want = "aßc";
        let chars = ['a', 'ß', 'c'];
        let words = ["a", "ß", "c"];
        let owned = words.map(String::from);
        let boxed = || words.map(Box::<str>::from);
        let cows = || words.map(Cow::from);
        assert_eq!(chars.par_iter().collect::<String>(), want);
        assert_eq!(chars.into_par_iter().collect::<Box<str>>().as_ref(), want);
        assert_eq!(chars.par_iter().collect::<Box<str>>().as_ref(), want);
        assert_eq!(words.into_par_iter().collect::<Box<str>>().as_ref(), want);
        assert_eq!(boxed().into_par_iter().collect::<String>(), want);
        assert_eq!(boxed().into_par_iter().collect::<Box<str>>().as_ref(), want);
        assert_eq!(cows().into_par_iter().collect::<String>(), want);
        assert_eq!(cows().into_par_iter().collect::<Box<str>>().as_ref(), want);
        let text: Cow<'_, str> = owned.clone().into_par_iter().collect();
        assert_eq!(text, want);
        assert_eq!(owned.into_par_iter().collect::<Box<str>>().as_ref(), want);
        let os = || words.map(OsString::from);
        assert_eq!(os().into_par_iter().collect::<OsString>(), want);
        let refs: OsString = words.into_par_iter().map(OsStr::new).collect();
        assert_eq!(refs, want);
        let cows: OsString = os().into_par_iter().map(Cow::<OsStr>::Owned).collect();
        assert_eq!(cows, want);
        assert_eq!(Vec::from_par_iter(0..3_u8), [0, 1, 2]);
        range().map(drop).collect::<()>();
    });
}

#[test]
fn collections_take_copies_and_give_all() {
    pools(|| {
        let v: Vec<usize> = (0..N).collect();
        let pairs: BTreeMap<usize, usize> = v.par_iter().map(|&x| (x, x)).collect();
        let mut extended = (
            Vec::<usize>::new(),
            VecDeque::<usize>::new(),
            LinkedList::<usize>::new(),
            BinaryHeap::<usize>::new(),
        );
        extended.0.par_extend(&v);
        extended.1.par_extend(&v);
        extended.2.par_extend(&v);
        extended.3.par_extend(&v);
        assert!(extended.0.iter().eq(&v) && extended.1.iter().eq(&v));
        assert!(extended.2.iter().eq(&v));
        let mut drained: Vec<usize> = extended.3.par_drain().collect();
        drained.sort_unstable();
        assert_eq!(drained, v);
        let mut sets = (BTreeSet::<usize>::new(), HashSet::<usize>::new());
        sets.0.par_extend(&v);
        sets.1.par_extend(&v);
        assert_eq!((sets.0.len(), sets.1.len()), (N, N));
        let mut maps = (
            BTreeMap::<usize, usize>::new(),
            HashMap::<usize, usize>::new(),
        );
        maps.0.par_extend(&pairs);
        maps.1.par_extend(&pairs);
        assert_eq!(maps.0, pairs);
        assert_eq!(maps.1.len(), N);
        let mut text = String::from("grün");
        assert_eq!(text.par_drain(2..4).collect::<String>(), "ü");
        assert_eq!(text, "grn");
        assert!(
            std::panic::catch_unwind(|| String::from("ü").par_drain(..1).count()).is_err(),
            "inside a character"
        );
        let boxed: Box<[usize]> = v.clone().into();
        assert_eq!(boxed.par_iter().sum::<usize>(), v.iter().sum());
    });
}

#[test]
fn an_error_stops_a_collection_without_end() {
    pools(|| {
        let endless = || (0..u64::MAX).into_par_iter();
        let failed: Result<Vec<u64>, u64> = endless()
            .map(|x| if x == 3_000 { Err(x) } else { Ok(x) })
            .collect();
        assert_eq!(failed, Err(3_000));
        let none: Option<HashSet<u64>> = endless().map(|x| (x != 3_000).then_some(x)).collect();
        assert_eq!(none, None);
        let all: Option<Vec<u64>> = (0..100_u64).into_par_iter().map(Some).collect();
        assert!(all.is_some_and(|all| all.into_iter().eq(0..100)));
    });
}

#[test]
fn the_least_part_is_kept_to() {
    pools(|| {
        // Each part makes one value: so there are no more of them than parts of the least length.
        let parts = (0..100 * N)
            .into_par_iter()
            .with_min_len(80 * N)
            .fold(|| 0, |count, _| count + 1)
            .collect::<Vec<usize>>();
        assert_eq!(parts.iter().sum::<usize>(), 100 * N);
        assert!(parts.len() <= 2, "{parts:?}");
    });
}

#[test]
fn what_is_found_stops_the_splitting_too() {
    pools(|| {
        // Each would make 2^40 joins.
        let fine = || (0..1_u64 << 50).into_par_iter().with_max_len(1024);
        assert!(fine().any(|x| x == 3));
        assert_eq!(fine().find_first(|&x| x == 5_000), Some(5_000));
        assert_eq!(
            fine().try_for_each(|x| if x == 9 { Err(x) } else { Ok(()) }),
            Err(9)
        );
        // More items than a usize counts: their order is not lost.
        let long = || 0..u64::MAX / 2;
        let found = long()
            .into_par_iter()
            .chain(long())
            .chain(long())
            .find_first(|&x| x == 777);
        assert_eq!(found, Some(777));
    });
}

#[test]
fn a_fuse_burns_wherever_the_panic_is() {
    fn five(x: u64) {
        if x == 5 {
            std::panic::resume_unwind(Box::new("five"));
        }
    }
    let caught = |f: &(dyn Fn() + Sync)| {
        assert!(std::panic::catch_unwind(core::panic::AssertUnwindSafe(f)).is_err());
    };
    pools(|| {
        let fused = || (0..u64::MAX).into_par_iter().panic_fuse();
        caught(&|| {
            fused().any(|x| {
                five(x);
                false
            });
        });
        caught(&|| {
            let _ok: Result<(), ()> = fused().try_for_each(|x| {
                five(x);
                Ok(())
            });
        });
        caught(&|| fused().map_init(|| 1, |_, x| x).for_each(five));
        caught(&|| {
            fused().fold(|| (), |(), x| five(x)).for_each(drop);
        });
    });
}

#[test]
fn a_fold_of_nothing_is_its_start() {
    pools(|| {
        let none = || Vec::<u32>::new().into_par_iter();
        assert_eq!(none().fold(|| 5, |a, b| a + b).sum::<u32>(), 5);
        assert_eq!(
            none()
                .try_fold_with(5, u32::checked_add)
                .try_reduce(|| 0, u32::checked_add),
            Some(5)
        );
        let counts = none()
            .fold(HashMap::<u32, usize>::new, |map, _| map)
            .reduce_with(|a, _| a);
        assert_eq!(counts.map(|map| map.len()), Some(0));
        // The other methods find nothing in it.
        assert_eq!(none().min(), None);
        assert_eq!(none().map_init(|| 1, |_, x| x).collect::<Vec<_>>(), []);
    });
}

#[test]
fn more_items_than_can_be_counted_are_refused_where_their_count_matters() {
    pools(|| {
        let all = || (0..=u64::MAX).into_par_iter();
        assert!(all().any(|x| x == 10));
        let refused = |f: fn()| assert!(std::panic::catch_unwind(f).is_err());
        refused(|| ignored((0..=u64::MAX).into_par_iter().rev()));
        refused(|| ignored((0..=u64::MAX).into_par_iter().map(|x| x).enumerate()));
        refused(|| ignored((0..=u64::MAX).into_par_iter().step_by(5)));
        refused(|| ignored((0..=u64::MAX).into_par_iter().zip(0..3_u8)));
        refused(|| ignored((0..=u64::MAX).into_par_iter().take(3)));
        assert_eq!((0..u64::MAX).into_par_iter().take(3).count(), 3);
    });
}

/// The call that made it is what counts.
fn ignored<T>(_made: T) {}

#[test]
fn a_bridge_takes_no_more_than_is_there() {
    pools(|| {
        // Each item comes when the one before it was dealt with.
        let (sender, items) = std::sync::mpsc::channel();
        let (done, dealt_with) = std::sync::mpsc::channel();
        std::thread::scope(|threads| {
            threads.spawn(move || {
                for n in 0..100 {
                    sender.send(n).expect("it is read");
                    dealt_with.recv().expect("it is acknowledged");
                }
            });
            items
                .into_iter()
                .par_bridge()
                .for_each(|_| done.send(()).expect("it is awaited"));
            drop(done);
        });
    });
}

#[test]
fn functions_under_their_other_names() {
    pools(|| {
        let here = std::thread::current().id();
        let is_here = |migrated: bool| migrated == (std::thread::current().id() != here);
        let (a, b) = join_context(|a| is_here(a.migrated()), |b| is_here(b.migrated()));
        assert!(a && b);
        let done = AtomicUsize::new(0);
        in_place_scope(|scope| {
            assert_eq!(std::thread::current().id(), here);
            scope.spawn(|_| {
                done.fetch_add(1, Ordering::Relaxed);
            });
        });
        in_place_scope_fifo(|scope| {
            assert_eq!(std::thread::current().id(), here);
            scope.spawn_fifo(|_| {
                done.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(done.into_inner(), 2);
        let threads = current_num_threads();
        assert!(broadcast(|index| index).into_iter().eq(0..threads));
        let (tell, told) = std::sync::mpsc::channel();
        for index in 0..20 {
            let tell = tell.clone();
            spawn_fifo(move || tell.send(index).expect("somebody listens"));
        }
        drop(tell);
        if threads > 1 {
            assert_eq!(told.iter().count(), 20);
        }
    });
}

/// Counts those that live.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn some(live: &'a AtomicUsize, count: usize) -> Vec<Self> {
        live.fetch_add(count, Ordering::SeqCst);
        (0..count).map(|_| Self(live)).collect()
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn items_that_nobody_takes_are_dropped_once() {
    pools(|| {
        let live = &AtomicUsize::new(0);
        let make = |count| Counted::some(live, count);
        drop(make(N).into_par_iter());
        assert_eq!(live.load(Ordering::SeqCst), 0);
        drop(make(N).into_par_iter().skip(5).take(7).chain(make(3)));
        assert_eq!(live.load(Ordering::SeqCst), 0);
        make(N).into_par_iter().zip(0..9_u8).for_each(drop);
        assert_eq!(live.load(Ordering::SeqCst), 0);
        assert!(make(N).into_par_iter().any(|_| true));
        assert_eq!(live.load(Ordering::SeqCst), 0);
        make(N).into_par_iter().step_by(100).for_each(drop);
        assert_eq!(live.load(Ordering::SeqCst), 0);
        let some = make(N).into_par_iter().flat_map(|_| make(2)).take_any(5);
        assert_eq!(some.count(), 5);
        assert_eq!(live.load(Ordering::SeqCst), 0);
        let mut v = make(N);
        drop(v.par_drain(10..20));
        assert_eq!((v.len(), live.load(Ordering::SeqCst)), (N - 10, N - 10));
        drop(v);
        // A panic in the middle of a collection into a vector leaks at most what was written by then, and drops nothing twice.
        let before = live.load(Ordering::SeqCst);
        let caught = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
            make(N)
                .into_par_iter()
                .enumerate()
                .map(|(index, item)| {
                    if index == N / 2 {
                        std::panic::resume_unwind(Box::new("half way"));
                    }
                    item
                })
                .collect::<Vec<_>>()
        }));
        assert!(caught.is_err());
        assert!(live.load(Ordering::SeqCst) - before <= N);
    });
}

/// A piece of text in two, where there is a space.
fn halve(text: &str) -> (&str, Option<&str>) {
    let middle = text.len() / 2;
    match text[middle..].find(' ') {
        Some(space) => (&text[..middle + space], Some(&text[middle + space + 1..])),
        None => (text, None),
    }
}

#[test]
fn what_has_no_exact_weight_stays_whole_before_and_after_others() {
    let below = |node: &usize| -> Vec<usize> {
        let children = [node * 2, node * 2 + 1];
        children.into_iter().filter(|child| *child < 400).collect()
    };
    pools(|| {
        let words = |pieces: Vec<&str>| -> Vec<String> {
            let words = pieces.iter().flat_map(|piece| piece.split(' '));
            words.map(str::to_owned).collect()
        };
        let pieces: Vec<&str> = split("one two three four", halve)
            .chain(split("five", halve))
            .chain(split("six seven", halve))
            .collect();
        assert_eq!(
            words(pieces),
            ["one", "two", "three", "four", "five", "six", "seven"]
        );
        let walk: Vec<usize> = walk_tree(1, below).collect();
        let walks: Vec<usize> = walk_tree(1, below)
            .chain(walk_tree(399, below))
            .chain(walk_tree(1, below))
            .collect();
        assert_eq!(walks, [&walk[..], &[399], &walk[..]].concat());
        let nested: Vec<u32> = (0..3)
            .into_par_iter()
            .flat_map(|_| 0..100u32)
            .chain(1000..2000)
            .chain((0..2).into_par_iter().flat_map(|_| 0..10u32))
            .collect();
        let expected: Vec<u32> = (0..3)
            .flat_map(|_| 0..100)
            .chain(1000..2000)
            .chain((0..2).flat_map(|_| 0..10))
            .collect();
        assert_eq!(nested, expected);
        let text = "a b\nc\n\nd e";
        let parts: Vec<String> = text
            .par_lines()
            .chain("f\ng".par_lines())
            .chain(text.par_split(' '))
            .map(str::to_owned)
            .collect();
        let expected: Vec<&str> = text
            .lines()
            .chain("f\ng".lines())
            .chain(text.split(' '))
            .collect();
        assert_eq!(parts, expected);
    });
}
