//! A platform that has no threads says so.
#![forbid(unsafe_code)]

use super::try_spawn;
use crate::case::{Context, Verdict};
use underpin_core::platform::{CpuSet, ThreadOptions, Threads};
use underpin_core::sync::atomic::{AtomicU32, Ordering};

cases!("thread::absent", Threads:
    spawning_is_unsupported,
    naming_and_binding_answer_as_the_caps_say,
    the_only_thread_has_a_number,
);

/// "A cleared bit means that the call returns `Unsupported`".
fn spawning_is_unsupported<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let runs = AtomicU32::new(0);
    ensure_kind!(try_spawn(cx.p, &ThreadOptions::new(), &runs), Unsupported);
    ensure_eq!(runs.load(Ordering::Relaxed), 0);
    Ok(())
}

/// The same for the abilities of the one thread that is there.
fn naming_and_binding_answer_as_the_caps_say<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    use underpin_core::platform::Caps;
    if !cx.caps.contains(Caps::THREAD_NAMES) {
        ensure_kind!(cx.p.set_name("name"), Unsupported);
    }
    if !cx.caps.contains(Caps::AFFINITY) {
        let mut cpus = CpuSet::EMPTY;
        cpus.insert(0);
        ensure_kind!(cx.p.set_affinity(&cpus), Unsupported);
    }
    Ok(())
}

/// "never 0"; "at least 1".
fn the_only_thread_has_a_number<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    ensure!(cx.p.thread_id() != 0);
    ensure_eq!(cx.p.thread_id(), cx.p.thread_id());
    ensure!(cx.p.parallelism() >= 1);
    cx.p.yield_now();
    Ok(())
}
