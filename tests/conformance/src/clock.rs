//! Clocks: monotonic time never steps back, and what a clock says fits the capabilities.
#![forbid(unsafe_code)]

use crate::case::{Context, Verdict};
use core::time::Duration;
use underpin_core::platform::{Caps, ClockId, Instant, Platform};

/// 2020-01-01, in nanoseconds since 1970: a clock that is set is past it.
const YEAR_2020_NS: u64 = 1_577_836_800_000_000_000;

cases!("clock", Platform:
    monotonic_never_steps_back,
    monotonic_reaches_a_deadline,
    monotonic_has_a_resolution,
    boot_is_monotonic,
    boot_without_the_cap_is_the_monotonic_clock,
    real_is_as_the_caps_say,
    thread_cpu_is_as_the_caps_say,
    thread_cpu_does_not_count_sleep,
);

/// "`Monotonic` is always there and never steps back".
fn monotonic_never_steps_back<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let mut last = cx.now();
    for _ in 0..10_000 {
        let now = cx.now();
        ensure!(now >= last, "{} after {}", now.as_ns(), last.as_ns());
        last = now;
    }
    Ok(())
}

/// "The clock of every deadline": it passes while a thread waits.
fn monotonic_reaches_a_deadline<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let start = cx.now();
    cx.sleep(Duration::from_millis(3));
    let slept = cx.now().saturating_duration_since(start);
    ensure!(slept >= Duration::from_millis(3), "moved by {slept:?}");
    Ok(())
}

/// "The smallest step of clock `id` in nanoseconds, at least 1".
fn monotonic_has_a_resolution<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let step_ns = cx.p.resolution_ns(ClockId::Monotonic);
    ensure!(step_ns >= 1);
    ensure!(step_ns <= 1_000_000_000, "a step of {step_ns} ns");
    ensure_eq!(cx.p.resolution_ns(ClockId::Monotonic), step_ns);
    Ok(())
}

/// Boot time: "As monotonic".
fn boot_is_monotonic<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    ensure!(cx.p.resolution_ns(ClockId::Boot) >= 1);
    let mut last = cx.p.now(ClockId::Boot);
    for _ in 0..1_000 {
        let now = cx.p.now(ClockId::Boot);
        ensure!(now >= last, "{} after {}", now.as_ns(), last.as_ns());
        last = now;
    }
    cx.sleep(Duration::from_millis(3));
    ensure!(cx.p.now(ClockId::Boot) > last, "it stands still");
    Ok(())
}

/// "A platform without a boot clock gives the monotonic one."
fn boot_without_the_cap_is_the_monotonic_clock<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    if cx.caps.contains(Caps::BOOT_CLOCK) {
        // With one it counts more: never less than the monotonic clock moved meanwhile.
        let (boot, mono) = (cx.p.now(ClockId::Boot), cx.now());
        cx.sleep(Duration::from_millis(3));
        let mono_moved = cx.now().saturating_duration_since(mono);
        let boot_moved = cx.p.now(ClockId::Boot).saturating_duration_since(boot);
        ensure!(
            boot_moved + Duration::from_millis(1) >= mono_moved,
            "boot moved {boot_moved:?}, monotonic {mono_moved:?}"
        );
        return Ok(());
    }
    let before = cx.now();
    let boot = cx.p.now(ClockId::Boot);
    let after = cx.now();
    ensure!(
        before <= boot && boot <= after,
        "{} not in {}..={}",
        boot.as_ns(),
        before.as_ns(),
        after.as_ns()
    );
    Ok(())
}

/// "Nanoseconds since 1970-01-01 UTC"; "a clock that the platform lacks reads as `Instant::ZERO`".
fn real_is_as_the_caps_say<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let (now, step_ns) = (cx.p.now(ClockId::Real), cx.p.resolution_ns(ClockId::Real));
    if cx.caps.contains(Caps::REAL_CLOCK) {
        ensure!(now.as_ns() > YEAR_2020_NS, "{} ns since 1970", now.as_ns());
        ensure!(step_ns >= 1);
    } else {
        ensure_eq!(now, Instant::ZERO);
        ensure_eq!(step_ns, 0);
    }
    Ok(())
}

/// "Processor time that the calling thread has used."
fn thread_cpu_is_as_the_caps_say<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let read = || cx.p.now(ClockId::ThreadCpu);
    let step_ns = cx.p.resolution_ns(ClockId::ThreadCpu);
    if !cx.caps.contains(Caps::THREAD_CPU_CLOCK) {
        ensure_eq!(read(), Instant::ZERO);
        ensure_eq!(step_ns, 0);
        return Ok(());
    }
    ensure!(step_ns >= 1);
    let start = read();
    let mut last = start;
    let mut work = 0u64;
    let moved = cx.poll(|| {
        for turn in 0..100_000u64 {
            work = core::hint::black_box(work.wrapping_mul(31).wrapping_add(turn));
        }
        last = read();
        last > start
    });
    ensure!(moved, "work takes no time");
    ensure!(read() >= last, "it stepped back");
    Ok(())
}

/// "Processor time that the calling thread has used": sleeping uses none.
fn thread_cpu_does_not_count_sleep<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    needs!(cx, THREAD_CPU_CLOCK);
    let start = cx.p.now(ClockId::ThreadCpu);
    cx.sleep(Duration::from_millis(100));
    let used =
        cx.p.now(ClockId::ThreadCpu)
            .saturating_duration_since(start);
    ensure!(
        used < Duration::from_millis(80),
        "100 ms of sleep used {used:?}"
    );
    Ok(())
}
