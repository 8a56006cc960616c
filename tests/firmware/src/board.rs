//! The board as a platform: a clock of its own, and ready-made parts for the rest.
//!
//! | part | from |
//! |---|---|
//! | [`Clock`] | the SysTick timer: a tick interrupt each millisecond, and the count within the tick |
//! | `Memory` | [`FixedMemory`] over a static region |
//! | `Park` | [`SpinPark`] that sleeps until the next interrupt, at the latest the next tick |
//! | `Entropy` | [`NoEntropy`]: the board has no source |
//!
//! # Invariants
//! - I1: [`REGION`] is handed out once, by [`start`], which a flag lets succeed once.
#![allow(
    unsafe_code,
    reason = "hands a static region out, and reads a timer's registers"
)]

use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Waker;
use cortex_m::interrupt::{self, Mutex};
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};
use cortex_m_rt::exception;
use underpin_core::platform::absent::{Bundle, FixedMemory, NoEntropy, SpinPark};
use underpin_core::platform::{Caps, Clock, ClockId, Instant};

/// The processor's clock on this board.
const CORE_HZ: u32 = 25_000_000;
/// Interrupts of the timer: what a sleeping processor oversleeps at most is one tick.
const TICKS_HZ: u32 = 1_000;
/// Processor cycles from tick to tick.
const TICK_CYCLES: u32 = CORE_HZ / TICKS_HZ;
const CYCLE_NS: u64 = 1_000_000_000 / CORE_HZ as u64;

/// Room for reservations, more than the 1 MiB that the suite aligns to.
const REGION_BYTES: usize = 5 << 19;
/// There is no memory management unit; small pages waste little.
const PAGE_BYTES: usize = 1024;

/// The board's platform.
pub(crate) type Board = Bundle<SysTick, NoEntropy, &'static FixedMemory, SpinPark<SysTick>>;

/// RAM for [`FixedMemory`].
struct Region(UnsafeCell<MaybeUninit<[u8; REGION_BYTES]>>);
// SAFETY: I1.
unsafe impl Sync for Region {}

/// RAM that the start-up code need not clear.
#[unsafe(link_section = ".uninit.region")]
static REGION: Region = Region(UnsafeCell::new(MaybeUninit::uninit()));

/// Starts the timer and puts the platform together. `None` at a second call.
pub(crate) fn start() -> Option<Board> {
    static STARTED: AtomicBool = AtomicBool::new(false);
    if STARTED.swap(true, Ordering::AcqRel) {
        return None;
    }
    SysTick::start(cortex_m::Peripherals::take()?.SYST);
    // SAFETY: I1: this line runs once, so the reference is the only one; uninitialised bytes are as good as any.
    let region = unsafe { &mut *REGION.0.get().cast::<[MaybeUninit<u8>; REGION_BYTES]>() };
    let memory = cortex_m::singleton!(: FixedMemory = FixedMemory::new(region, PAGE_BYTES))?;
    Some(Bundle::new(
        SysTick,
        NoEntropy,
        memory,
        SpinPark::new(SysTick).with_relax(cortex_m::asm::wfi),
        Caps::empty(),
        |message| panic!("{message}"),
    ))
}

/// Monotonic time from the processor's own timer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SysTick;

/// Ticks since the start.
static TICKS: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

#[exception]
fn SysTick() {
    interrupt::free(|cs| {
        let ticks = TICKS.borrow(cs);
        ticks.set(ticks.get() + 1);
    });
    let waker = interrupt::free(|cs| AT_TICK.borrow(cs).take());
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Whom the next tick wakes.
static AT_TICK: Mutex<Cell<Option<Waker>>> = Mutex::new(Cell::new(None));

/// Has the next tick wake `waker`, in place of whom it would have woken.
pub(crate) fn wake_at_tick(waker: &Waker) {
    let waker = Some(waker.clone());
    let old = interrupt::free(|cs| AT_TICK.borrow(cs).replace(waker));
    drop(old);
}

/// Ticks since the start.
pub(crate) fn ticks() -> u64 {
    interrupt::free(|cs| TICKS.borrow(cs).get())
}

impl SysTick {
    fn start(mut timer: SYST) {
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(TICK_CYCLES - 1);
        timer.clear_current();
        timer.enable_interrupt();
        timer.enable_counter();
    }

    /// Cycles since the start. With interrupts off a tick may be due and not counted; then the count within
    /// the tick is read again, since the first may be from before it.
    fn cycles() -> u64 {
        interrupt::free(|cs| {
            let mut ticks = TICKS.borrow(cs).get();
            let mut left = SYST::get_current();
            if SCB::is_pendst_pending() {
                ticks += 1;
                left = SYST::get_current();
            }
            ticks * u64::from(TICK_CYCLES) + u64::from(TICK_CYCLES - 1 - left)
        })
    }
}

impl Clock for SysTick {
    fn now(&self, id: ClockId) -> Instant {
        match id {
            ClockId::Monotonic | ClockId::Boot => Instant::from_ns(Self::cycles() * CYCLE_NS),
            _ => Instant::ZERO,
        }
    }

    fn resolution_ns(&self, id: ClockId) -> u64 {
        match id {
            ClockId::Monotonic | ClockId::Boot => CYCLE_NS,
            _ => 0,
        }
    }
}
