//! One program for every pool that has a join: the algorithm is written once, over [`Forks`].

use super::{Time, chili_is, chili_of, ours_of, rayon_is, rayon_of, sequential, thread_cpu, us};
#[cfg(feature = "forte")]
use super::{forte_is, forte_of};
use crate::case::{Case, Sample};
use std::rc::Rc;
use std::time::{Duration, Instant};
use underpin::pool::Worker;

/// A pool's join.
pub(super) trait Forks {
    /// What its closures are handed.
    type Handle<'a>;

    /// Runs both, perhaps at the same time, the first one first if on one thread.
    fn join<A, B, RA, RB>(handle: &mut Self::Handle<'_>, a: A, b: B) -> (RA, RB)
    where
        A: for<'b> FnOnce(&mut Self::Handle<'b>) -> RA + Send,
        B: for<'b> FnOnce(&mut Self::Handle<'b>) -> RB + Send,
        RA: Send,
        RB: Send;
}

pub(super) struct Us;
pub(super) struct Rayon;
pub(super) struct Chili;
#[cfg(feature = "forte")]
pub(super) struct Forte;
pub(super) struct Plain;

impl Forks for Us {
    type Handle<'a> = Worker<'a>;
    #[inline]
    fn join<A, B, RA, RB>(handle: &mut Worker<'_>, a: A, b: B) -> (RA, RB)
    where
        A: for<'b> FnOnce(&mut Worker<'b>) -> RA + Send,
        B: for<'b> FnOnce(&mut Worker<'b>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        handle.join(|mut worker| a(&mut worker), |mut worker| b(&mut worker))
    }
}

impl Forks for Rayon {
    type Handle<'a> = ();
    #[inline]
    fn join<A, B, RA, RB>((): &mut (), a: A, b: B) -> (RA, RB)
    where
        A: for<'b> FnOnce(&mut ()) -> RA + Send,
        B: for<'b> FnOnce(&mut ()) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        rayon::join(|| a(&mut ()), || b(&mut ()))
    }
}

impl Forks for Chili {
    type Handle<'a> = chili::Scope<'a>;
    #[inline]
    fn join<A, B, RA, RB>(handle: &mut chili::Scope<'_>, a: A, b: B) -> (RA, RB)
    where
        A: for<'b> FnOnce(&mut chili::Scope<'b>) -> RA + Send,
        B: for<'b> FnOnce(&mut chili::Scope<'b>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        // It runs its second closure first.
        let (b, a) = handle.join(|scope| b(scope), |scope| a(scope));
        (a, b)
    }
}

#[cfg(feature = "forte")]
impl Forks for Forte {
    type Handle<'a> = &'a forte::Worker;
    #[inline]
    fn join<A, B, RA, RB>(handle: &mut &forte::Worker, a: A, b: B) -> (RA, RB)
    where
        A: for<'b> FnOnce(&mut &'b forte::Worker) -> RA + Send,
        B: for<'b> FnOnce(&mut &'b forte::Worker) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        // It runs its second closure first.
        let (b, a) = handle.join(|mut worker| b(&mut worker), |mut worker| a(&mut worker));
        (a, b)
    }
}

impl Forks for Plain {
    type Handle<'a> = ();
    #[inline]
    fn join<A, B, RA, RB>((): &mut (), a: A, b: B) -> (RA, RB)
    where
        A: for<'b> FnOnce(&mut ()) -> RA + Send,
        B: for<'b> FnOnce(&mut ()) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        (a(&mut ()), b(&mut ()))
    }
}

/// A program to run on each pool.
pub(super) trait Program: 'static {
    /// What it works on, made anew for each run, outside the time.
    type Data;
    fn data(&self) -> Self::Data;
    /// The timed part.
    fn run<F: Forks>(&self, handle: &mut F::Handle<'_>, data: &mut Self::Data);
    /// Whether the result is right.
    fn is_right(&self, data: &Self::Data) -> bool;
    /// What is counted, for the time of each.
    fn operations(&self) -> u64;
}

fn once<F: Forks, P: Program>(
    program: &P,
    time: Time,
    handle: &mut F::Handle<'_>,
    mut data: P::Data,
) -> Result<Sample, String> {
    let (cpu, wall) = (thread_cpu(), Instant::now());
    program.run::<F>(handle, &mut data);
    let elapsed = match time {
        Time::Thread => thread_cpu() - cpu,
        Time::Wall => wall.elapsed(),
    };
    if !program.is_right(&data) {
        return Err("a wrong answer".into());
    }
    Ok(Sample {
        operations: program.operations(),
        elapsed: elapsed.max(Duration::from_nanos(1)),
    })
}

/// The case of `program` with one or two workers. All pools run it from a thread inside or one that takes part.
pub(super) fn case<P>(name: &str, terms: &str, workers: usize, program: P) -> Case
where
    P: Program + Send + Sync,
    P::Data: Send,
{
    let time = if workers == 1 {
        Time::Thread
    } else {
        Time::Wall
    };
    let ours = Rc::new(program);
    let [rayons, chilis, plain] = [(); 3].map(|()| ours.clone());
    #[cfg(feature = "forte")]
    let fortes = ours.clone();
    Case {
        name: format!(
            "{name}, {workers} worker{}",
            if workers == 1 { "" } else { "s" }
        ),
        terms: format!("{terms}; one source for all; {time:?} time"),
        ours: us(move || {
            let (program, data) = (&*ours, ours.data());
            ours_of(workers).enter(|mut worker| once::<Us, P>(program, time, &mut worker, data))
        }),
        peers: peers![
            rayon_is(move || {
                let (program, data) = (&*rayons, rayons.data());
                rayon_of(workers).install(|| once::<Rayon, P>(program, time, &mut (), data))
            }),
            chili_is(move || {
                let mut scope = chili_of(workers).scope();
                once::<Chili, P>(&chilis, time, &mut scope, chilis.data())
            }),
            #[forte]
            forte_is(move || {
                let (program, data) = (&*fortes, fortes.data());
                forte_of(workers)
                    .with_worker(|mut worker| once::<Forte, P>(program, time, &mut worker, data))
            }),
            sequential(move || once::<Plain, P>(&plain, time, &mut (), plain.data())),
        ],
    }
}
