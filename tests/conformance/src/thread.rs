//! Threads: they run, end, are joined, have names, numbers, stacks and processors of their own.
#![allow(unsafe_code, reason = "a thread's entry takes a raw argument")]

pub(crate) mod absent;
pub(crate) mod concurrent;
mod placement;

use crate::case::{Context, Verdict};
use crate::crew::{CREW_MAX, crew};
use core::cell::UnsafeCell;
use core::time::Duration;
use placement::{
    absurd_stack_is_refused, affinity_answers_as_the_caps_say, affinity_option_is_kept,
    big_stack_can_be_used, names_answer_as_the_caps_say, parallelism_is_at_least_one,
    small_stack_is_rounded_up, spawn_takes_any_name,
};
use underpin_core::Result;
use underpin_core::platform::{ThreadOptions, Threads};
use underpin_core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use underpin_core::sync::light_fence;

cases!("thread", Threads:
    entry_runs_once_with_its_argument,
    spawn_and_join_publish_writes,
    join_waits_for_the_end,
    joining_oneself_is_refused,
    dropping_a_handle_detaches,
    threads_run_side_by_side,
    many_threads_come_and_go,
    ids_are_unique_and_never_zero,
    parallelism_is_at_least_one,
    yielding_returns,
    fencing_others_orders_what_they_do,
    names_answer_as_the_caps_say,
    spawn_takes_any_name,
    small_stack_is_rounded_up,
    big_stack_can_be_used,
    absurd_stack_is_refused,
    affinity_answers_as_the_caps_say,
    affinity_option_is_kept,
);

/// "Starts a thread that runs `entry(argument)`": once.
fn entry_runs_once_with_its_argument<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let runs: [AtomicU32; CREW_MAX] = [const { AtomicU32::new(0) }; CREW_MAX];
    crew(
        cx.p,
        CREW_MAX,
        &|index| {
            runs[index].fetch_add(1, Ordering::Relaxed);
        },
        || (),
    )?;
    for (index, runs) in runs.iter().enumerate() {
        let runs = runs.load(Ordering::Relaxed);
        ensure!(runs == 1, "thread {index} ran {runs} times");
    }
    Ok(())
}

/// A plain number that a thread changes.
struct Plain(UnsafeCell<u64>);
// SAFETY: the one case that uses it lets only one thread at a time at it, ordered by spawn and join.
unsafe impl Sync for Plain {}

/// Doubles the number that `argument` points to.
///
/// # Safety
/// `argument` points to a `u64` that nobody else uses.
unsafe extern "C" fn double(argument: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { *argument.cast::<u64>() *= 2 };
}

/// "Everything the caller wrote before is visible to it"; "Everything it wrote is visible to the caller".
fn spawn_and_join_publish_writes<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let number = Plain(UnsafeCell::new(0));
    for turn in 1..=200u64 {
        // SAFETY: no thread is running.
        unsafe { *number.0.get() = turn };
        // SAFETY: the number lives on, and this thread leaves it alone until the join.
        let thread = unsafe {
            cx.p.spawn(&ThreadOptions::new(), double, number.0.get().cast())
        }?;
        cx.p.join(thread)?;
        // SAFETY: the thread has ended.
        let now = unsafe { *number.0.get() };
        ensure!(now == turn * 2, "turn {turn}: {now}");
    }
    Ok(())
}

/// "Waits for the thread to end".
fn join_waits_for_the_end<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let done = AtomicU32::new(0);
    crew(
        cx.p,
        3,
        &|_| {
            cx.sleep(Duration::from_millis(20));
            done.fetch_add(1, Ordering::Relaxed);
        },
        || (),
    )?;
    ensure_eq!(done.load(Ordering::Relaxed), 3);
    Ok(())
}

/// What a thread needs to join itself.
struct SelfJoin<P: Threads> {
    p: P,
    /// 0: the handle is not there yet; 1: it is; 2: joining failed as it must; 3: it did something else.
    state: AtomicU32,
    handle: UnsafeCell<Option<P::Thread>>,
}

impl<P: Threads> SelfJoin<P> {
    /// Takes the handle and joins it.
    ///
    /// # Safety
    /// `argument` points to a `SelfJoin<P>` that lives until its state is 2 or more.
    unsafe extern "C" fn enter(argument: *mut u8) {
        // SAFETY: the caller's promise.
        let this = unsafe { &*argument.cast::<Self>() };
        while this.state.load(Ordering::Acquire) == 0 {
            this.p.yield_now();
        }
        // SAFETY: state 1 was published after the handle was written, and nobody else takes it.
        let handle = unsafe { (*this.handle.get()).take() };
        let refused = handle.is_some_and(|handle| {
            matches!(this.p.join(handle), Err(error) if error.kind() == underpin_core::Kind::InvalidInput)
        });
        let p = this.p.clone();
        let word = &raw const this.state;
        this.state
            .store(if refused { 2 } else { 3 }, Ordering::Release);
        p.wake(word, 1);
    }
}

/// "`InvalidInput` if a thread joins itself."
fn joining_oneself_is_refused<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let shared = SelfJoin {
        p: cx.p.clone(),
        state: AtomicU32::new(0),
        handle: UnsafeCell::new(None),
    };
    let argument = (&raw const shared).cast_mut().cast::<u8>();
    // SAFETY: `shared` is not left before its state is 2 or more, after which the thread does not touch it.
    let thread = unsafe {
        cx.p.spawn(&ThreadOptions::new(), SelfJoin::<P>::enter, argument)
    }?;
    // SAFETY: the thread waits for state 1 before it touches the handle.
    unsafe { *shared.handle.get() = Some(thread) };
    shared.state.store(1, Ordering::Release);
    // No deadline here: the thread borrows `shared`, and a platform whose join of oneself hangs is seen as such.
    loop {
        let state = shared.state.load(Ordering::Acquire);
        if state >= 2 {
            ensure!(
                state == 2,
                "joining oneself was not refused as InvalidInput"
            );
            return Ok(());
        }
        cx.p.wait(&shared.state, state, None);
    }
}

/// What a detached thread leaves behind; static, because nobody waits for such a thread.
static DETACHED: AtomicUsize = AtomicUsize::new(0);

/// Adds one to [`DETACHED`].
///
/// # Safety
/// None needed.
unsafe extern "C" fn count_detached(_: *mut u8) {
    DETACHED.fetch_add(1, Ordering::Release);
}

/// "Dropping it detaches the thread": it runs on.
fn dropping_a_handle_detaches<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let before = DETACHED.load(Ordering::Acquire);
    for _ in 0..4 {
        // SAFETY: the entry uses nothing of the caller's.
        drop(unsafe {
            cx.p.spawn(&ThreadOptions::new(), count_detached, core::ptr::null_mut())
        }?);
    }
    // Other tests of the process may detach threads of their own.
    ensure!(
        cx.poll(|| DETACHED.load(Ordering::Acquire) >= before + 4),
        "detached threads did not run"
    );
    Ok(())
}

/// Two threads that wait for each other both get on.
fn threads_run_side_by_side<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let arrived = AtomicU32::new(0);
    let missed = AtomicU32::new(0);
    crew(
        cx.p,
        4,
        &|_| {
            arrived.fetch_add(1, Ordering::AcqRel);
            if !cx.poll(|| arrived.load(Ordering::Acquire) == 4) {
                missed.fetch_add(1, Ordering::Relaxed);
            }
        },
        || (),
    )?;
    ensure_eq!(missed.load(Ordering::Relaxed), 0);
    Ok(())
}

/// What a thread took is given back when it is joined.
fn many_threads_come_and_go<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let runs = AtomicU32::new(0);
    let turns = cx.effort.rounds.clamp(20, 500);
    for _ in 0..turns {
        crew(
            cx.p,
            2,
            &|_| {
                runs.fetch_add(1, Ordering::Relaxed);
            },
            || (),
        )?;
    }
    ensure_eq!(runs.load(Ordering::Relaxed), turns * 2);
    Ok(())
}

/// "A number that no other live thread of the process has; never 0."
fn ids_are_unique_and_never_zero<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    // Halves of a number, because a 64-bit atomic is not everywhere.
    let ids: [[AtomicU32; 2]; CREW_MAX] = [const { [const { AtomicU32::new(0) }; 2] }; CREW_MAX];
    let arrived = AtomicUsize::new(0);
    let unstable = AtomicU32::new(0);
    crew(
        cx.p,
        CREW_MAX,
        &|index| {
            let id = cx.p.thread_id();
            ids[index][0].store((id >> 32) as u32, Ordering::Relaxed);
            ids[index][1].store((id & 0xffff_ffff) as u32, Ordering::Relaxed);
            arrived.fetch_add(1, Ordering::AcqRel);
            // All live at the same time, so that no number can be used twice.
            cx.poll(|| arrived.load(Ordering::Acquire) == CREW_MAX);
            if cx.p.thread_id() != id {
                unstable.fetch_add(1, Ordering::Relaxed);
            }
        },
        || (),
    )?;
    let id = |index: usize| {
        u64::from(ids[index][0].load(Ordering::Relaxed)) << 32
            | u64::from(ids[index][1].load(Ordering::Relaxed))
    };
    ensure_eq!(unstable.load(Ordering::Relaxed), 0);
    let own = cx.p.thread_id();
    ensure!(own != 0);
    for index in 0..CREW_MAX {
        ensure!(id(index) != 0);
        ensure!(
            id(index) != own,
            "thread {index} has the number of its parent"
        );
        for other in 0..index {
            ensure!(
                id(index) != id(other),
                "threads {other} and {index} share {}",
                id(index)
            );
        }
    }
    Ok(())
}

/// "Lets another thread run", and comes back.
fn yielding_returns<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    for _ in 0..100 {
        cx.p.yield_now();
    }
    Ok(())
}

/// "Has every other thread of the process pass a sequentially consistent fence": of two threads that write and then look, one sees
/// what the other wrote, though one of them has no fence of its own.
fn fencing_others_orders_what_they_do<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    const ROUNDS: u32 = 300;
    if !cx.p.fence_others() {
        ensure!(!cx.p.fence_others(), "now it can");
        return Ok(());
    }
    let [round, done, dear, cheap, saw] = [const { AtomicU32::new(0) }; 5];
    let wait_for = |word: &AtomicU32, value| {
        while word.load(Ordering::Acquire) != value {
            cx.p.yield_now();
        }
    };
    let both_blind = crew(
        cx.p,
        1,
        &|_| {
            for number in 1..=ROUNDS {
                wait_for(&round, number);
                cheap.store(number, Ordering::Relaxed);
                light_fence();
                let seen = dear.load(Ordering::Relaxed) == number;
                saw.store(u32::from(seen), Ordering::Relaxed);
                done.store(number, Ordering::Release);
            }
        },
        || {
            (1..=ROUNDS).find(|&number| {
                round.store(number, Ordering::Release);
                dear.store(number, Ordering::Relaxed);
                let can = cx.p.fence_others();
                let seen = cheap.load(Ordering::Relaxed) == number;
                wait_for(&done, number);
                let blind = !can || !seen && saw.load(Ordering::Relaxed) == 0;
                if blind {
                    // The other thread ends with its last round.
                    for number in number + 1..=ROUNDS {
                        round.store(number, Ordering::Release);
                        wait_for(&done, number);
                    }
                }
                blind
            })
        },
    )?;
    ensure_eq!(both_blind, None);
    Ok(())
}

/// Starts a thread whose entry counts, and says whether that worked.
fn try_spawn<P: Threads>(p: &P, options: &ThreadOptions<'_>, runs: &AtomicU32) -> Result<()> {
    /// # Safety
    /// `argument` points to a live counter.
    unsafe extern "C" fn count(argument: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { &*argument.cast::<AtomicU32>() }.fetch_add(1, Ordering::Relaxed);
    }
    let argument = (&raw const *runs).cast_mut().cast::<u8>();
    // SAFETY: the counter is borrowed until the join below has ended the thread.
    let thread = unsafe { p.spawn(options, count, argument) }?;
    p.join(thread)
}
