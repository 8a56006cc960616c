//! One pointer per simulated thread and slot, with hooks at the thread's end.
//!
//! Reading and writing a slot is no scheduling point: no other thread can tell when it happened.
#![allow(unsafe_code, reason = "slots hold raw pointers")]

use super::Sim;
use crate::error::{Error, Kind, Operation, Result};
use crate::platform::{SlotHook, SlotKey, ThreadSlots};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Slots that a machine has: the least that POSIX allows.
pub const SLOTS_MAX: usize = 128;

/// Rounds of hooks when a thread ends.
const HOOK_ROUNDS: usize = 4;

/// A thread's values.
#[derive(Debug, Default)]
pub(super) struct SlotValues(BTreeMap<usize, *mut u8>);

// SAFETY: the values are only handed back to the thread that stored them.
unsafe impl Send for SlotValues {}

/// Slots that are live, with their hooks.
#[derive(Debug, Default)]
pub(super) struct Slots {
    live: BTreeMap<usize, Option<SlotHook>>,
    next_key: usize,
}

impl Sim {
    /// Runs the hooks of the thread that ends.
    pub(super) fn run_slot_hooks(&self) {
        for _ in 0..HOOK_ROUNDS {
            let mut state = self.state();
            let values = core::mem::take(&mut state.scheduler.slots().0);
            let mut due: Vec<(SlotHook, *mut u8)> = values
                .into_iter()
                .filter_map(|(key, value)| Some(((*state.slots.live.get(&key)?)?, value)))
                .filter(|(_, value)| !value.is_null())
                .collect();
            state.disk_rng.shuffle(&mut due);
            drop(state);
            if due.is_empty() {
                return;
            }
            for (hook, value) in due {
                // SAFETY: who made the slot promised that the hook may be called with any value that was set.
                unsafe { hook(value) };
            }
        }
        self.state().scheduler.slots().0.clear();
    }
}

// SAFETY: values are kept by thread and key, and keys are not used again.
unsafe impl ThreadSlots for Sim {
    unsafe fn slot_create(&self, hook: Option<SlotHook>) -> Result<SlotKey> {
        let mut state = self.enter(Operation::Slot)?;
        if state.slots.live.len() == SLOTS_MAX {
            return Err(Error::new(Operation::Slot, Kind::Limit));
        }
        let key = state.slots.next_key;
        state.slots.next_key += 1;
        state.slots.live.insert(key, hook);
        Ok(SlotKey::from_raw(key))
    }

    unsafe fn slot_get(&self, key: SlotKey) -> *mut u8 {
        let mut state = self.state();
        let values = &state.scheduler.slots().0;
        values.get(&key.as_raw()).copied().unwrap_or_default()
    }

    unsafe fn slot_set(&self, key: SlotKey, value: *mut u8) -> Result<()> {
        let mut state = self.state();
        state.scheduler.slots().0.insert(key.as_raw(), value);
        Ok(())
    }

    unsafe fn slot_delete(&self, key: SlotKey) {
        let mut state = self.step(Operation::Slot);
        state.slots.live.remove(&key.as_raw());
    }
}
