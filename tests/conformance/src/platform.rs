//! The base as a whole: capabilities, clones, and what a probe may cost.
#![forbid(unsafe_code)]

use crate::case::{Context, Verdict};
use underpin_core::platform::{Caps, Platform};

cases!("platform", Platform:
    has_a_name,
    caps_are_the_same_at_every_call,
    clones_are_the_same_platform,
    part_abilities_come_with_the_whole,
);

/// "The platform's name in messages and reports, such as `linux`."
fn has_a_name<P: Platform>(_: &Context<'_, P>) -> Verdict {
    ensure!(!P::NAME.is_empty());
    ensure!(P::NAME.len() <= 32, "{} is long for a name", P::NAME);
    Ok(())
}

/// "What this system can do, probed once".
fn caps_are_the_same_at_every_call<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    for _ in 0..3 {
        ensure_eq!(cx.p.caps(), cx.caps);
    }
    Ok(())
}

/// "Clones are the same platform".
fn clones_are_the_same_platform<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let clone = cx.p.clone();
    ensure_eq!(clone.caps(), cx.caps);
    ensure_eq!(clone.memory_info(), cx.p.memory_info());
    Ok(())
}

/// A bit for a part of a capability means nothing without the capability's own.
fn part_abilities_come_with_the_whole<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let parts = [
        (
            Caps::FILES,
            Caps::PREALLOCATE
                | Caps::PUNCH
                | Caps::SYNC_DIRECTORY
                | Caps::SYNC_BARRIER
                | Caps::SYNC_FULL
                | Caps::HARD_LINKS
                | Caps::LOCKS
                | Caps::MAP,
        ),
        (Caps::NET, Caps::REACTOR),
    ];
    for (whole, part) in parts {
        ensure!(
            cx.caps.contains(whole) || !cx.caps.intersects(part),
            "{:?} without {whole:?}",
            cx.caps & part
        );
    }
    Ok(())
}
