//! Names, stacks and processors.
#![forbid(unsafe_code)]

use super::try_spawn;
use crate::case::{Context, Verdict};
use crate::crew::{crew, crew_with};
use underpin_core::limits::CPUS_MAX;
use underpin_core::platform::{Caps, CpuSet, ThreadOptions, Threads};
use underpin_core::sync::atomic::{AtomicU32, Ordering};
use underpin_core::{Error, Kind, Operation, Result};

/// Names of all lengths around the limit, with characters of one to four bytes across it.
const NAMES_OF_ALL_SORTS: [&str; 9] = [
    "",
    "a",
    "fifteen-bytes-x",
    "sixteen-bytes-xy",
    "fourteen-byteé",
    "fifteen-bytes-é",
    "thirteen-byte\u{1f600}",
    "\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}",
    "a name that is far longer than what any of the systems keeps of it",
];

/// Calls `body` on a thread of its own, which it may bind or name, and hands its answer back.
fn on_a_thread<P: Threads>(
    cx: &Context<'_, P>,
    body: impl Fn() -> Result<()> + Sync,
) -> core::result::Result<Result<()>, crate::case::Stop> {
    /// The body did not run.
    const NOT_RUN: u32 = u32::MAX;
    /// It succeeded.
    const FINE: u32 = 0;
    let kind = AtomicU32::new(NOT_RUN);
    crew(
        cx.p,
        1,
        &|_| {
            let answer = match body() {
                Ok(()) => FINE,
                Err(error) if error.kind() == Kind::InvalidInput => 1,
                Err(error) if error.kind() == Kind::Unsupported => 2,
                Err(_) => 3,
            };
            kind.store(answer, Ordering::Relaxed);
        },
        || (),
    )?;
    Ok(match kind.load(Ordering::Relaxed) {
        FINE => Ok(()),
        1 => Err(Error::new(Operation::Spawn, Kind::InvalidInput)),
        2 => Err(Error::new(Operation::Spawn, Kind::Unsupported)),
        _ => Err(Error::new(Operation::Spawn, Kind::Other)),
    })
}

/// "`Unsupported` without `Caps::THREAD_NAMES`; `InvalidInput` for a NUL"; "Longer names are cut", never refused.
pub(super) fn names_answer_as_the_caps_say<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    if !cx.caps.contains(Caps::THREAD_NAMES) {
        ensure_kind!(on_a_thread(cx, || cx.p.set_name("name"))?, Unsupported);
        return Ok(());
    }
    for name in NAMES_OF_ALL_SORTS {
        if let Err(error) = on_a_thread(cx, || cx.p.set_name(name))? {
            fail!("name of {} bytes: {error}", name.len());
        }
    }
    for name in ["\0", "a\0", "a\0b", "a name that is cut before its\0"] {
        ensure_kind!(on_a_thread(cx, || cx.p.set_name(name))?, InvalidInput);
    }
    Ok(())
}

/// "longer names are cut at a character boundary, never refused", also when the thread starts with one.
pub(super) fn spawn_takes_any_name<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    for name in NAMES_OF_ALL_SORTS {
        let runs = AtomicU32::new(0);
        try_spawn(cx.p, &ThreadOptions::new().with_name(name), &runs)?;
        ensure_eq!(runs.load(Ordering::Relaxed), 1);
    }
    Ok(())
}

/// "Stack size in bytes, rounded up to what the system wants."
pub(super) fn small_stack_is_rounded_up<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    for bytes in [1, 4_095, 16_385, 100_001] {
        let runs = AtomicU32::new(0);
        try_spawn(cx.p, &ThreadOptions::new().with_stack_bytes(bytes), &runs)?;
        ensure_eq!(runs.load(Ordering::Relaxed), 1);
    }
    Ok(())
}

/// Uses about `kib` KiB of stack and returns something that depends on all of it.
#[inline(never)]
fn use_stack(kib: usize) -> u64 {
    let mut frame = [1u8; 1024];
    core::hint::black_box(&mut frame);
    let below = if kib == 0 { 0 } else { use_stack(kib - 1) };
    below + u64::from(core::hint::black_box(&frame)[kib % 1024])
}

/// A stack of the size asked for is there to be used.
pub(super) fn big_stack_can_be_used<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    // A frame of `use_stack` takes up to three times its array in a build without optimisation.
    for (stack_bytes, kib) in [(1 << 20, 256), (32 << 20, 8 << 10)] {
        let options = ThreadOptions::new().with_stack_bytes(stack_bytes);
        let sum = AtomicU32::new(0);
        crew_with(
            cx.p,
            1,
            &options,
            &|_| {
                sum.store(
                    u32::try_from(use_stack(kib)).unwrap_or(0),
                    Ordering::Relaxed,
                );
            },
            || (),
        )?;
        ensure_eq!(sum.load(Ordering::Relaxed) as usize, kib + 1);
    }
    Ok(())
}

/// "`InvalidInput` for a stack size ... that cannot be had; then nothing was started."
pub(super) fn absurd_stack_is_refused<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let runs = AtomicU32::new(0);
    for bytes in [usize::MAX, usize::MAX / 2] {
        let options = ThreadOptions::new().with_stack_bytes(bytes);
        ensure_kind!(
            try_spawn(cx.p, &options, &runs),
            InvalidInput | OutOfMemory | Limit
        );
    }
    ensure_eq!(runs.load(Ordering::Relaxed), 0);
    Ok(())
}

/// "as the process's affinity allows", "at least 1".
pub(super) fn parallelism_is_at_least_one<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let count = cx.p.parallelism();
    ensure!((1..=1 << 20).contains(&count), "{count} threads at once");
    Ok(())
}

/// The set of processor `index` alone.
fn only(index: usize) -> CpuSet {
    let mut cpus = CpuSet::EMPTY;
    cpus.insert(index);
    cpus
}

/// A processor that a thread may be bound to.
fn usable_cpu<P: Threads>(cx: &Context<'_, P>) -> core::result::Result<usize, crate::case::Stop> {
    for index in 0..CPUS_MAX {
        if on_a_thread(cx, || cx.p.set_affinity(&only(index)))?.is_ok() {
            return Ok(index);
        }
    }
    Err(crate::case::Stop::failed(format_args!(
        "no processor can be bound to"
    )))
}

/// "Binds the calling thread to `cpus`"; "`InvalidInput` if no processor of the set can be used".
pub(super) fn affinity_answers_as_the_caps_say<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    if !cx.caps.contains(Caps::AFFINITY) {
        ensure_kind!(
            on_a_thread(cx, || cx.p.set_affinity(&only(0)))?,
            Unsupported
        );
        return Ok(());
    }
    let cpu = usable_cpu(cx)?;
    let mut also_absent = only(cpu);
    also_absent.insert(CPUS_MAX - 1);
    on_a_thread(cx, || {
        cx.p.set_affinity(&also_absent)?;
        cx.p.set_affinity(&only(cpu))
    })??;
    ensure_kind!(
        on_a_thread(cx, || cx.p.set_affinity(&CpuSet::EMPTY))?,
        InvalidInput
    );
    if cx.p.parallelism() < CPUS_MAX / 2 {
        ensure_kind!(
            on_a_thread(cx, || cx.p.set_affinity(&only(CPUS_MAX - 1)))?,
            InvalidInput
        );
    }
    Ok(())
}

/// "Processors to run on"; "`InvalidInput` for ... affinity that cannot be had; then nothing was started".
pub(super) fn affinity_option_is_kept<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let runs = AtomicU32::new(0);
    let none = CpuSet::EMPTY;
    let refused = try_spawn(cx.p, &ThreadOptions::new().with_affinity(&none), &runs);
    if !cx.caps.contains(Caps::AFFINITY) {
        ensure_kind!(refused, InvalidInput | Unsupported);
        ensure_eq!(runs.load(Ordering::Relaxed), 0);
        return Ok(());
    }
    ensure_kind!(refused, InvalidInput);
    ensure_eq!(runs.load(Ordering::Relaxed), 0);
    let cpus = only(usable_cpu(cx)?);
    try_spawn(cx.p, &ThreadOptions::new().with_affinity(&cpus), &runs)?;
    ensure_eq!(runs.load(Ordering::Relaxed), 1);
    Ok(())
}
