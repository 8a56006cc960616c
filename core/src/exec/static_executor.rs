//! The executor for machines without an allocator: tasks in static memory, timers, and the machine's own way to sleep.
//!
//! ```
//! use core::time::Duration;
//! use underpin_core::exec::{Host, Next, Started, StaticExecutor, TaskSpace};
//! use underpin_core::platform::Instant;
//!
//! struct Board;
//!
//! // SAFETY: this example has one thread and no interrupts; a board gives each interrupt level a number of its own.
//! unsafe impl Host for Board {
//!     fn thread_token() -> usize {
//!         1
//!     }
//! }
//!
//! // The doorbell; on an Arm core, `cortex_m::asm::sev`.
//! static EXECUTOR: StaticExecutor = StaticExecutor::new(|| {});
//! static BLINK: TaskSpace<256> = TaskSpace::new();
//!
//! async fn blink(executor: Started<Board>, first: Instant) {
//!     executor.sleep_until(first).await;
//!     // Toggle the lamp.
//! }
//!
//! # fn main() -> underpin_core::Result<()> {
//! let mut now = Instant::from_ns(0); // from the board's clock
//! let executor = EXECUTOR.start::<Board>()?;
//! let first = now.saturating_add(Duration::from_millis(500));
//! executor.spawn(&BLINK, blink(executor, first))?.detach();
//! while executor.tasks() > 0 {
//!     match executor.turn(now) {
//!         Next::Turn => {}
//!         // Sleep until an interrupt, or until this time.
//!         Next::Sleep(deadline) => now = deadline.unwrap_or(now),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Interrupt handlers wake tasks through ordinary wakers: to the executor they are other threads, told apart by
//! [`Host::thread_token`].
//!
//! # Sleeping without losing a wake
//! [`StaticExecutor::turn`] marks the executor asleep before it says that it may sleep; a wake from then on calls the doorbell. A machine whose
//! sleep ends with any interrupt that is pending (`wfe` with an event set by the doorbell, or `wfi` with interrupts masked) misses none.
#![allow(unsafe_code, reason = "static memory that one thread owns")]

use super::host::Host;
use super::scheduler::Scheduler;
use super::task::{JoinHandle, Task, TaskSpace};
use super::timer::{Interval, MissedTick, Sleep, Timers};
use crate::error::{Error, Kind, Operation, Result};
use crate::platform::Instant;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

/// Tasks that one turn polls at most.
const TASKS_PER_TURN: usize = 64;

/// An executor in static memory.
#[repr(C)]
pub struct StaticExecutor {
    scheduler: Scheduler,
    doorbell: fn(),
    timers: Timers,
}

// SAFETY: the plain fields are used through `Started` alone, which one thread has.
unsafe impl Sync for StaticExecutor {}

/// # Safety
/// `this` is the first field of a static executor.
unsafe fn ring(this: NonNull<Scheduler>) {
    // SAFETY: the caller's word; the field is never written.
    let doorbell =
        unsafe { (&raw const (*this.cast::<StaticExecutor>().as_ptr()).doorbell).read() };
    doorbell();
}

/// Static memory stays.
unsafe fn release(_: NonNull<Scheduler>) {}

impl StaticExecutor {
    /// An executor whose machine is woken by `doorbell`, which any thread or interrupt handler may call.
    #[must_use]
    pub const fn new(doorbell: fn()) -> Self {
        Self {
            scheduler: Scheduler::for_static(ring, release),
            doorbell,
            timers: Timers::new(),
        }
    }

    /// Gives the executor to the calling thread, for ever.
    ///
    /// # Errors
    /// `Busy` if it was started before.
    pub fn start<H: Host>(&'static self) -> Result<Started<H>> {
        if self.scheduler.open_once(H::thread_token()) {
            Ok(Started {
                executor: self,
                _host: PhantomData,
            })
        } else {
            Err(Error::new(Operation::Spawn, Kind::Busy))
        }
    }
}

/// An executor that this thread has started. It stays on the thread; copies are the same executor.
pub struct Started<H: Host> {
    executor: &'static StaticExecutor,
    /// Not `Send`.
    _host: PhantomData<*mut H>,
}

impl<H: Host> Clone for Started<H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: Host> Copy for Started<H> {}

/// What a turn left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Tasks want a poll: call `turn` again at once.
    Turn,
    /// Nothing to do until the doorbell rings, or until this time if there is one.
    Sleep(Option<Instant>),
}

impl<H: Host> Started<H> {
    /// Starts a task in `space`.
    ///
    /// # Errors
    /// `Busy` if a task is in it.
    pub fn spawn<F, const BYTES: usize>(
        self,
        space: &'static TaskSpace<BYTES>,
        future: F,
    ) -> Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        const {
            assert!(
                TaskSpace::<BYTES>::fits(Task::<F, H>::LAYOUT),
                "the future does not fit the space"
            );
        }
        let Some(block) = space.claim() else {
            return Err(Error::new(Operation::Spawn, Kind::Busy));
        };
        // SAFETY: this thread owns the open executor; the space is claimed and fits.
        Ok(unsafe { Task::<F, H>::spawn_in(NonNull::from(self.executor).cast(), block, future) })
    }

    /// Fires timers and polls tasks. The time is the monotonic clock's.
    ///
    /// # Panics
    /// From inside a task of the same executor.
    #[must_use]
    pub fn turn(self, now: Instant) -> Next {
        let scheduler = &self.executor.scheduler;
        assert!(
            !scheduler.set_turning(true),
            "a turn was taken from inside the same executor"
        );
        // SAFETY: this thread owns the executor, and is not inside a poll.
        unsafe {
            scheduler.receive_all();
            self.executor.timers.advance(now);
            for _ in 0..TASKS_PER_TURN {
                if !scheduler.run_one::<H>() {
                    break;
                }
            }
        }
        scheduler.set_turning(false);
        if scheduler.try_sleep() {
            Next::Sleep(self.executor.timers.next_deadline())
        } else {
            Next::Turn
        }
    }

    /// Ends at `deadline`.
    #[must_use]
    pub fn sleep_until(self, deadline: Instant) -> Sleep<&'static Timers> {
        Sleep::new(&self.executor.timers, deadline)
    }

    /// Ticks each `period` from `start` on.
    #[must_use]
    pub fn interval(
        self,
        start: Instant,
        period: core::time::Duration,
        missed: MissedTick,
    ) -> Interval<&'static Timers> {
        Interval::new(&self.executor.timers, start, period, missed)
    }

    /// Tasks that are not done.
    #[must_use]
    pub fn tasks(self) -> usize {
        self.executor.scheduler.alive()
    }
}

impl fmt::Debug for StaticExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticExecutor")
            .field("started", &self.scheduler.is_open())
            .finish_non_exhaustive()
    }
}

impl<H: Host> fmt::Debug for Started<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started")
            .field("tasks", &self.tasks())
            .field("timers", &self.executor.timers)
            .finish_non_exhaustive()
    }
}
