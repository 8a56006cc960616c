//! Threads for cases: a few of the platform's threads that run one body, and are joined before the case goes on.
#![allow(unsafe_code, reason = "a thread's entry takes a raw argument")]

use crate::case::Stop;
use underpin_core::platform::{ThreadOptions, Threads};

/// Most threads in a crew.
pub(crate) const CREW_MAX: usize = 8;

/// What a thread of the crew is given.
struct Seat<'a> {
    body: &'a (dyn Fn(usize) + Sync),
    index: usize,
}

/// Runs the body of the seat that `argument` points to.
///
/// # Safety
/// `argument` points to a live `Seat`.
unsafe extern "C" fn enter(argument: *mut u8) {
    // SAFETY: the caller's promise.
    let seat = unsafe { &*argument.cast::<Seat<'_>>() };
    (seat.body)(seat.index);
}

/// Threads that must be joined before what they borrow goes away.
struct Started<'a, P: Threads> {
    p: &'a P,
    threads: [Option<P::Thread>; CREW_MAX],
}

impl<P: Threads> Drop for Started<'_, P> {
    fn drop(&mut self) {
        for thread in self.threads.iter_mut().filter_map(Option::take) {
            if self.p.join(thread).is_err() {
                self.p.fatal("a thread of the suite cannot be joined");
            }
        }
    }
}

/// Runs `body(index)` on each of `count` threads, `main` meanwhile on this one, and joins them.
pub(crate) fn crew<P: Threads, R>(
    p: &P,
    count: usize,
    body: &(dyn Fn(usize) + Sync),
    main: impl FnOnce() -> R,
) -> Result<R, Stop> {
    crew_with(p, count, &ThreadOptions::new(), body, main)
}

/// As [`crew`], with options for the threads.
pub(crate) fn crew_with<P: Threads, R>(
    p: &P,
    count: usize,
    options: &ThreadOptions<'_>,
    body: &(dyn Fn(usize) + Sync),
    main: impl FnOnce() -> R,
) -> Result<R, Stop> {
    let seats: [Seat<'_>; CREW_MAX] = core::array::from_fn(|index| Seat { body, index });
    let mut started = Started {
        p,
        threads: [const { None }; CREW_MAX],
    };
    for (seat, place) in seats[..count].iter().zip(&mut started.threads) {
        let argument = (&raw const *seat).cast_mut().cast::<u8>();
        // SAFETY: the seat lives until `started` has joined the thread, also when `main` unwinds, since it was
        // declared before it.
        *place = Some(unsafe { p.spawn(options, enter, argument) }?);
    }
    let result = main();
    drop(started);
    Ok(result)
}
