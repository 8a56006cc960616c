//! The bare machine as a platform: the time-stamp counter, the processor's random numbers, and ready-made parts.
//!
//! | part | from |
//! |---|---|
//! | [`Clock`] | the time-stamp counter, measured once against the interval timer |
//! | [`Entropy`] | `RDRAND`, where the processor has it |
//! | `Memory` | [`FixedMemory`] over a static region |
//! | `Park` | [`SpinPark`] |
//!
//! # Invariants
//! - I1: [`REGION`] and [`MEMORY`] are handed out once, by [`start`], which a flag lets succeed once.
#![allow(
    unsafe_code,
    reason = "hands a static region out, and asks the processor"
)]

use crate::port;
use core::arch::x86_64::{__cpuid, __rdtscp, _rdrand64_step};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use underpin_core::platform::absent::{Bundle, FixedMemory, SpinPark};
use underpin_core::platform::{Caps, Clock, ClockId, Entropy, Instant};
use underpin_core::{Error, Operation, Result};

const REGION_BYTES: usize = 64 << 20;
const PAGE_BYTES: usize = 4096;

/// The machine's platform.
pub(crate) type Machine =
    Bundle<TimeStamp, HardwareRandom, &'static FixedMemory, SpinPark<TimeStamp>>;

/// A static that is written once.
struct Once<T>(UnsafeCell<MaybeUninit<T>>);
// SAFETY: I1.
unsafe impl<T> Sync for Once<T> {}

static REGION: Once<[u8; REGION_BYTES]> = Once(UnsafeCell::new(MaybeUninit::uninit()));
static MEMORY: Once<FixedMemory> = Once(UnsafeCell::new(MaybeUninit::uninit()));

/// Measures the clock and puts the platform together. `None` at a second call.
pub(crate) fn start() -> Option<Machine> {
    static STARTED: AtomicBool = AtomicBool::new(false);
    if STARTED.swap(true, Ordering::AcqRel) {
        return None;
    }
    TimeStamp::start();
    // SAFETY: I1: these lines run once, so the references are the only ones; uninitialised bytes are as good as any.
    let memory = unsafe {
        let region = &mut *REGION.0.get().cast::<[MaybeUninit<u8>; REGION_BYTES]>();
        &*(*MEMORY.0.get()).write(FixedMemory::new(region, PAGE_BYTES))
    };
    let caps = if HardwareRandom::is_there() {
        Caps::ENTROPY
    } else {
        Caps::empty()
    };
    Some(Bundle::new(
        TimeStamp,
        HardwareRandom,
        memory,
        SpinPark::new(TimeStamp),
        caps,
        |message| panic!("{message}"),
    ))
}

/// Monotonic time from the processor's time-stamp counter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeStamp;

/// The counter at the start.
static START: AtomicU64 = AtomicU64::new(0);
/// Counts in a second.
static FREQUENCY_HZ: AtomicU64 = AtomicU64::new(0);

impl TimeStamp {
    /// How often the interval timer counts in a second.
    const TIMER_HZ: u64 = 1_193_182;
    /// How long the counter is measured.
    const MEASURED_COUNTS: u16 = 11_932;

    fn read() -> u64 {
        let mut processor = 0;
        // SAFETY: every x86-64 processor that the image is meant for has the instruction.
        unsafe { __rdtscp(&raw mut processor) }
    }

    /// Counts time stamps while the interval timer's channel 2 counts 10 ms.
    fn start() {
        let start = Self::read();
        // SAFETY: the timer and its gate at port 0x61 have no access to memory.
        unsafe {
            // Gate on, speaker off.
            port::write(0x61, port::read(0x61) & !3 | 1);
            // Channel 2, low byte then high byte, one shot.
            port::write(0x43, 0b1011_0000);
            let [low, high] = Self::MEASURED_COUNTS.to_le_bytes();
            port::write(0x42, low);
            port::write(0x42, high);
        }
        let from = Self::read();
        // SAFETY: as above. Bit 5 shows that the count is over.
        while unsafe { port::read(0x61) } & 0x20 == 0 {
            core::hint::spin_loop();
        }
        let counted = Self::read() - from;
        let frequency = counted * Self::TIMER_HZ / u64::from(Self::MEASURED_COUNTS);
        FREQUENCY_HZ.store(frequency.max(1), Ordering::Relaxed);
        START.store(start, Ordering::Relaxed);
    }
}

impl Clock for TimeStamp {
    fn now(&self, id: ClockId) -> Instant {
        match id {
            ClockId::Monotonic | ClockId::Boot => {
                let counts = Self::read() - START.load(Ordering::Relaxed);
                let frequency = FREQUENCY_HZ.load(Ordering::Relaxed);
                // In two steps, so that nothing overflows: whole seconds, and the rest.
                let rest_ns = counts % frequency * 1_000_000_000 / frequency;
                Instant::from_ns(counts / frequency * 1_000_000_000 + rest_ns)
            }
            _ => Instant::ZERO,
        }
    }

    fn resolution_ns(&self, id: ClockId) -> u64 {
        match id {
            ClockId::Monotonic | ClockId::Boot => {
                (1_000_000_000 / FREQUENCY_HZ.load(Ordering::Relaxed)).max(1)
            }
            _ => 0,
        }
    }
}

/// The processor's random numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HardwareRandom;

impl HardwareRandom {
    /// Tries for one number; Intel's guide to the instruction says that ten are enough unless it is broken.
    const TRIES: usize = 10;

    fn is_there() -> bool {
        __cpuid(1).ecx & 1 << 30 != 0
    }

    /// # Safety
    /// The processor has the instruction.
    #[target_feature(enable = "rdrand")]
    unsafe fn number() -> Option<u64> {
        let mut number = 0;
        for _ in 0..Self::TRIES {
            if _rdrand64_step(&mut number) == 1 {
                return Some(number);
            }
        }
        None
    }
}

// SAFETY: each chunk of the buffer is copied from a number of its length, or the call fails.
unsafe impl Entropy for HardwareRandom {
    fn fill(&self, bytes: &mut [MaybeUninit<u8>]) -> Result<()> {
        if !Self::is_there() {
            return Err(Error::unsupported(Operation::Entropy));
        }
        for chunk in bytes.chunks_mut(8) {
            // SAFETY: the line above asked for the instruction.
            let number = unsafe { Self::number() }
                .ok_or(Error::new(Operation::Entropy, underpin_core::Kind::Io))?;
            chunk.write_copy_of_slice(&number.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}
