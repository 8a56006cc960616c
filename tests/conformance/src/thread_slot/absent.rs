//! A platform that has no slots says so.
#![allow(unsafe_code, reason = "making a slot takes a hook")]

use crate::case::{Context, Verdict};
use underpin_core::platform::ThreadSlots;

cases!("thread_slot::absent", ThreadSlots:
    making_a_slot_is_unsupported,
);

/// "A cleared bit means that the call returns `Unsupported`".
fn making_a_slot_is_unsupported<P: ThreadSlots>(cx: &Context<'_, P>) -> Verdict {
    // SAFETY: there is no hook to call.
    ensure_kind!(unsafe { cx.p.slot_create(None) }, Unsupported);
    Ok(())
}
