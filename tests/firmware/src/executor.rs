//! The executor and its timers on the board, without an allocator: tasks in static memory that sleep, tick, join and are woken by an
//! interrupt handler.
#![allow(
    unsafe_code,
    reason = "promises that the interrupt level names a thread"
)]

use crate::board::{self, SysTick};
use core::cell::Cell;
use core::future::poll_fn;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Poll;
use core::time::Duration;
use cortex_m::peripheral::SCB;
use cortex_m::peripheral::scb::VectActive;
use underpin_core::exec::{Host, MissedTick, Next, Started, StaticExecutor, TaskSpace};
use underpin_core::platform::{Clock, ClockId, Instant};

/// Interrupt levels as threads.
struct Levels;

// SAFETY: the number is that of the active interrupt, and a handler does not interrupt itself; thread mode has the number of no handler.
unsafe impl Host for Levels {
    fn thread_token() -> usize {
        match SCB::vect_active() {
            VectActive::ThreadMode => 1,
            VectActive::Exception(_) => 2,
            VectActive::Interrupt { .. } => 3,
        }
    }
}

/// Doorbells that rang, from interrupts.
static RINGS: AtomicU32 = AtomicU32::new(0);

static EXECUTOR: StaticExecutor = StaticExecutor::new(|| {
    RINGS.fetch_add(1, Ordering::Relaxed);
});
static SLEEPER: TaskSpace<256> = TaskSpace::new();
static TICKER: TaskSpace<512> = TaskSpace::new();
static LISTENER: TaskSpace<256> = TaskSpace::new();
static JOINER: TaskSpace<512> = TaskSpace::new();

const SLEEP: Duration = Duration::from_millis(7);
const PERIOD: Duration = Duration::from_millis(2);
const TICKS: u32 = 5;
const INTERRUPTS: u32 = 3;

fn now() -> Instant {
    SysTick.now(ClockId::Monotonic)
}

/// Sleeps to a time and says whether it woke no earlier.
async fn sleeper(executor: Started<Levels>) -> bool {
    let deadline = now().saturating_add(SLEEP);
    executor.sleep_until(deadline).await;
    now() >= deadline
}

/// Counts ticks that came no earlier than they should.
async fn ticker(executor: Started<Levels>) -> u32 {
    let start = now();
    let mut interval = core::pin::pin!(executor.interval(start, PERIOD, MissedTick::Burst));
    let mut good = 0;
    for index in 0..TICKS {
        let meant = poll_fn(|cx| interval.as_mut().poll_tick(cx, now)).await;
        good += u32::from(meant == start.saturating_add(PERIOD * index) && now() >= meant);
    }
    good
}

/// Waits for interrupts, each of which wakes it.
async fn listener() -> u32 {
    let mut heard = 0;
    let seen = Cell::new(board::ticks());
    poll_fn(|cx| {
        let ticks = board::ticks();
        if ticks != seen.replace(ticks) {
            heard += 1;
        }
        if heard == INTERRUPTS {
            return Poll::Ready(heard);
        }
        board::wake_at_tick(cx.waker());
        // What came before the waker was there wakes nobody.
        if board::ticks() != seen.get() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

/// Runs the tasks to their ends; how often the doorbell rang, or what is wrong.
pub(crate) fn check() -> Result<u32, &'static str> {
    let executor = EXECUTOR
        .start::<Levels>()
        .map_err(|_| "the executor was started before")?;
    let busy = |_| "a task's memory is taken";
    let slept = executor.spawn(&SLEEPER, sleeper(executor)).map_err(busy)?;
    let ticked = executor.spawn(&TICKER, ticker(executor)).map_err(busy)?;
    let heard = executor.spawn(&LISTENER, listener()).map_err(busy)?;
    if executor.spawn(&SLEEPER, async {}).is_ok() {
        return Err("two tasks in the memory of one");
    }
    let all = executor
        .spawn(&JOINER, async move {
            (
                slept.await.unwrap_or(false),
                ticked.await.unwrap_or(0),
                heard.await.unwrap_or(0),
            ) == (true, TICKS, INTERRUPTS)
        })
        .map_err(busy)?;
    loop {
        match executor.turn(now()) {
            Next::Turn => {}
            Next::Sleep(None) if all.is_finished() => break,
            // A wake between the turn and this is one of the timer's interrupts, of which the next is at most a millisecond away.
            Next::Sleep(_) => cortex_m::asm::wfi(),
        }
    }
    let mut good = false;
    let mut all = core::pin::pin!(all);
    let mut cx = core::task::Context::from_waker(core::task::Waker::noop());
    if let Poll::Ready(Ok(result)) = all.as_mut().poll(&mut cx) {
        good = result;
    }
    if !good {
        return Err("a timer was early, a tick or a wake was lost");
    }
    if !(SLEEPER.is_free() && TICKER.is_free() && LISTENER.is_free()) {
        return Err("a task that ended kept its memory");
    }
    Ok(RINGS.load(Ordering::Relaxed))
}
