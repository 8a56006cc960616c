//! Loops over arrays, sorts, a search through a graph: parallel iterators against Rayon's and against plain loops.

use super::{
    Time, noise, ours_of, rayon_is, rayon_of, sequential, sorted, subject, thread_cpu, timed, us,
};
use crate::case::{Case, Sample, Settings, Subject};
use core::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let quick = settings.quick;
    let long = if quick { 300_000 } else { 10_000_000 };
    let lens: &[usize] = if quick {
        &[1, 100, 100_000, 1_000_000]
    } else {
        &[1, 100, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000]
    };
    let mut cases = Vec::new();
    for workers in [1, 2] {
        for &len in lens {
            cases.push(sum(workers, len, quick));
            cases.push(dot(workers, len, quick));
        }
        cases.push(roots(workers, long));
        for len in [10_000, long] {
            cases.push(sort(workers, len, false));
            cases.push(sort(workers, len, true));
        }
        cases.push(search(workers, if quick { 40_000 } else { 1_000_000 }));
    }
    cases.push(fixed(long));
    cases
}

/// So often that clocks and calls do not show, and at least twice.
fn times_of(len: usize, quick: bool) -> u64 {
    let items = if quick { 2_000_000 } else { 20_000_000 };
    (items / len).clamp(2, items / 100) as u64
}

fn time_of(workers: usize) -> Time {
    if workers == 1 {
        Time::Thread
    } else {
        Time::Wall
    }
}

fn of(workers: usize) -> String {
    format!("{workers} worker{}", if workers == 1 { "" } else { "s" })
}

/// The three subjects that do the same thing from inside their pool. What they work on is made when the first of them runs, and goes with
/// the case.
fn loops<D, T>(
    name: String,
    terms: &str,
    (workers, times, operations): (usize, u64, u64),
    make: impl FnOnce() -> D + Send + 'static,
    ours: impl Fn(&D) -> T + Send + Sync + 'static,
    rayons: impl Fn(&D) -> T + Send + Sync + 'static,
    plain: impl Fn(&D) -> T + Send + Sync + Copy + 'static,
) -> Case
where
    D: Send + Sync + 'static,
    T: PartialEq + core::fmt::Debug + Send + Sync + 'static,
{
    let time = time_of(workers);
    let made: Box<dyn FnOnce() -> (D, T) + Send> = Box::new(move || {
        let data = make();
        let want = plain(&data);
        (data, want)
    });
    let made = Arc::new(LazyLock::new(made));
    let [a, b, c] = [(); 3].map(|()| made.clone());
    Case {
        name: format!("{name}, {}", of(workers)),
        terms: format!("{terms}; {times} times from inside the pool; {time:?} time"),
        ours: us(move || {
            let (data, want) = &**a;
            ours_of(workers)
                .enter(|_| timed(time, times, operations, want, || ours(black_box(data))))
        }),
        peers: vec![
            rayon_is(move || {
                let (data, want) = &**b;
                rayon_of(workers)
                    .install(|| timed(time, times, operations, want, || rayons(black_box(data))))
            }),
            sequential(move || {
                let (data, want) = &**c;
                timed(time, times, operations, want, || plain(black_box(data)))
            }),
        ],
    }
}

fn sum(workers: usize, len: usize, quick: bool) -> Case {
    loops(
        format!("sum of {len}"),
        "u64 in one array",
        (workers, times_of(len, quick), len as u64),
        move || (0..len as u64).collect::<Vec<_>>(),
        |v| underpin::pool::iter::IntoParallelRefIterator::par_iter(v).ours_sum(),
        |v| {
            use rayon::prelude::*;
            v.par_iter().sum::<u64>()
        },
        |v| v.iter().sum(),
    )
}

/// Both crates' traits have the same names: ours are called through this.
trait Ours: underpin::pool::iter::ParallelIterator {
    fn ours_sum<'a, T>(self) -> T
    where
        Self: Sized + underpin_core::pool::iter::Source<Item = &'a T>,
        T: Send + Sync + core::iter::Sum<&'a T> + core::iter::Sum<T> + 'a,
    {
        underpin::pool::iter::ParallelIterator::sum(self)
    }
}

impl<S: underpin::pool::iter::ParallelIterator> Ours for S {}

fn dot(workers: usize, len: usize, quick: bool) -> Case {
    let make =
        move |seed: usize| -> Vec<f32> { (0..len).map(|i| ((i * seed) % 5) as f32).collect() };
    // Small whole numbers, so that no order rounds: in f64, since 1e7 of them pass what an f32 counts.
    let one = |(x, y): (&f32, &f32)| f64::from(*x) * f64::from(*y);
    loops(
        format!("dot product of {len}"),
        "f32, added up in f64",
        (workers, times_of(len, quick), len as u64),
        move || (make(3), make(7)),
        move |(a, b)| {
            use underpin::pool::iter::*;
            a.par_iter().zip(b).map(one).sum::<f64>()
        },
        move |(a, b)| {
            use rayon::prelude::*;
            a.par_iter().zip(b).map(one).sum::<f64>()
        },
        move |(a, b)| a.iter().zip(b).map(one).sum(),
    )
}

fn roots(workers: usize, len: usize) -> Case {
    let one = |x: &u32| u64::from((f64::from(*x)).sqrt() as u32);
    loops(
        format!("sum of {len} square roots"),
        "u32 to f64, cut to whole numbers",
        (workers, 2, len as u64),
        move || (0..len as u32).map(|x| x % 1_000).collect::<Vec<_>>(),
        move |v| {
            use underpin::pool::iter::*;
            v.par_iter().map(one).sum::<u64>()
        },
        move |v| {
            use rayon::prelude::*;
            v.par_iter().map(one).sum::<u64>()
        },
        move |v| v.iter().map(one).sum(),
    )
}

fn sort(workers: usize, len: usize, stable: bool) -> Case {
    let time = time_of(workers);
    let times = (300_000 / len).max(1);
    let run = move |sort: fn(&mut Vec<u64>)| -> Result<Sample, String> {
        let inputs: Vec<Vec<u64>> = (0..times).map(|_| noise(len)).collect();
        let mut elapsed = Duration::ZERO;
        for mut input in inputs {
            let (cpu, wall) = (thread_cpu(), Instant::now());
            sort(&mut input);
            elapsed += match time {
                Time::Thread => thread_cpu() - cpu,
                Time::Wall => wall.elapsed(),
            };
            if !sorted(&input, len) {
                return Err("not sorted".into());
            }
        }
        Ok(Sample {
            operations: (times * len) as u64,
            elapsed: elapsed.max(Duration::from_nanos(1)),
        })
    };
    Case {
        name: format!(
            "{} sort of {len}, {}",
            if stable { "stable" } else { "unstable" },
            of(workers)
        ),
        terms: format!("u64 at random, {times} arrays; {time:?} time"),
        ours: us(move || {
            use underpin::pool::iter::ParallelSliceMut;
            ours_of(workers).enter(|_| {
                run(if stable {
                    |v| v.par_sort()
                } else {
                    |v| v.par_sort_unstable()
                })
            })
        }),
        peers: vec![
            rayon_is(move || {
                use rayon::slice::ParallelSliceMut;
                rayon_of(workers).install(|| {
                    run(if stable {
                        |v| v.par_sort()
                    } else {
                        |v| v.par_sort_unstable()
                    })
                })
            }),
            sequential(move || {
                run(if stable {
                    |v| v.sort()
                } else {
                    |v| v.sort_unstable()
                })
            }),
        ],
    }
}

/// A graph with eight edges from each node, to places that a hash decides.
struct Graph {
    edges: Vec<[u32; 8]>,
}

impl Graph {
    fn new(nodes: usize) -> Self {
        let noise = noise(nodes * 8);
        let edges = noise
            .chunks(8)
            .map(|x| core::array::from_fn(|i| (x[i] % nodes as u64) as u32))
            .collect();
        Self { edges }
    }

    fn fresh(&self) -> Vec<AtomicBool> {
        (0..self.edges.len())
            .map(|_| AtomicBool::new(false))
            .collect()
    }
}

/// How many nodes can be reached, and the sum of their distances.
fn levels(seen: &[AtomicBool], mut next: impl FnMut(&[u32]) -> Vec<u32>) -> (u64, u64) {
    seen[0].store(true, Ordering::Relaxed);
    let mut frontier = vec![0_u32];
    let (mut nodes, mut distances, mut level) = (0, 0, 0);
    while !frontier.is_empty() {
        nodes += frontier.len() as u64;
        distances += level * frontier.len() as u64;
        level += 1;
        frontier = next(&frontier);
    }
    (nodes, distances)
}

fn first(seen: &[AtomicBool], node: u32) -> bool {
    let seen = &seen[node as usize];
    !seen.load(Ordering::Relaxed) && !seen.swap(true, Ordering::Relaxed)
}

fn search(workers: usize, nodes: usize) -> Case {
    loops(
        format!("breadth-first search of {nodes} nodes"),
        "eight edges a node at random, level by level; whoever marks a node first has it",
        (workers, 1, nodes as u64),
        move || Graph::new(nodes),
        |graph| {
            use underpin::pool::iter::*;
            let seen = graph.fresh();
            levels(&seen, |frontier| {
                let edges = frontier
                    .par_iter()
                    .flat_map_iter(|&n| graph.edges[n as usize]);
                edges.filter(|&n| first(&seen, n)).collect()
            })
        },
        |graph| {
            use rayon::prelude::*;
            let seen = graph.fresh();
            levels(&seen, |frontier| {
                let edges = frontier
                    .par_iter()
                    .flat_map_iter(|&n| graph.edges[n as usize]);
                edges.filter(|&n| first(&seen, n)).collect()
            })
        },
        |graph| {
            let seen = graph.fresh();
            levels(&seen, |frontier| {
                let edges = frontier.iter().flat_map(|&n| graph.edges[n as usize]);
                edges.filter(|&n| first(&seen, n)).collect()
            })
        },
    )
}

fn fixed(len: usize) -> Case {
    use underpin::pool::iter::*;
    let v: Arc<Vec<f64>> = Arc::new((0..len).map(|x| 1.0 / (x as f64 + 0.3)).collect());
    let want = v.par_iter().copied().sum_fixed::<f64>().to_bits();
    let free = v.clone();
    Case {
        name: format!("sum of {len} in a fixed order, one worker"),
        terms: "f64; the same bits for any number of threads; against our own sum in any order; Thread time".into(),
        ours: us(move || {
            ours_of(1).enter(|_| {
                timed(Time::Thread, 4, len as u64, &want, || {
                    v.par_iter().copied().sum_fixed::<f64>().to_bits()
                })
            })
        }),
        peers: vec![free_order(move || {
            ours_of(1).enter(|_| {
                timed(Time::Thread, 4, len as u64, &true, || {
                    free.par_iter().copied().sum::<f64>() > 0.0
                })
            })
        })],
    }
}

fn free_order(run: impl FnMut() -> Result<Sample, String> + 'static) -> Subject {
    subject(
        "underpin, any order",
        env!("CARGO_PKG_VERSION").to_owned(),
        run,
    )
}
