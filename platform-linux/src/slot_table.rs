//! Per-thread pointers without a C library: one small table for the process, keyed by thread and slot.
//!
//! Open addressing with linear probing; removal shifts followers back (Knuth, volume 3, 6.4, algorithm R), so that there are no
//! tombstones. The thread number is asked of the kernel at every use: a system call, but there is no thread-local storage to
//! keep it in.
//!
//! # Invariants
//!
//! I1: a cell is empty (`thread == 0`) or holds a non-null value; no two cells hold the same thread and slot.
//! I2: all cells between a value's home and its place are full.
//! I3: a thread that ends leaves no cell behind ([`run_hooks`]), so that a new thread with its number starts with nulls. (Threads
//!     that something else made, and the first thread, are not seen ending.)
//!
//! # Bounds
//!
//! [`SLOTS_MAX`] slots and [`VALUES_MAX`] values; memory is static, because an allocator may be what asks for a slot. The lock is held for a
//! few dozen instructions. A signal handler that uses slots can deadlock with the thread that it interrupted.
#![allow(unsafe_code, reason = "slots hold raw pointers")]

use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, Ordering};
use underpin_core::platform::SlotHook;

/// Slots at once; POSIX asks a C library for 128, and a program without one has few.
const SLOTS_MAX: usize = 64;

/// Values of all threads and slots at once, less one that stays empty to end searches.
const VALUES_MAX: usize = 2048;

/// Times that a thread's hooks run when they set their slots again.
const HOOK_ROUNDS: usize = 4;

#[derive(Clone, Copy)]
struct Cell {
    thread: u32,
    slot: u32,
    value: *mut u8,
}

const EMPTY: Cell = Cell {
    thread: 0,
    slot: 0,
    value: null_mut(),
};

/// A slot's state: unused, or in use with or without a hook.
#[derive(Clone, Copy)]
enum Slot {
    Unused,
    Used(Option<SlotHook>),
}

struct Table {
    slots: [Slot; SLOTS_MAX],
    cells: [Cell; VALUES_MAX],
    count: usize,
}

impl Table {
    #[expect(
        clippy::large_stack_arrays,
        reason = "a constant that initialises a static"
    )]
    const fn new() -> Self {
        Self {
            slots: [Slot::Unused; SLOTS_MAX],
            cells: [EMPTY; VALUES_MAX],
            count: 0,
        }
    }

    fn home(thread: u32, slot: u32) -> usize {
        // Fibonacci hashing: thread numbers are consecutive, and so are slots.
        let mixed = (u64::from(thread) << 32 | u64::from(slot)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as usize % VALUES_MAX
    }

    /// The place of a value, or the empty place where it would go. There is always an empty cell.
    fn find(&self, thread: u32, slot: u32) -> usize {
        let mut at = Self::home(thread, slot);
        loop {
            let cell = &self.cells[at];
            if cell.thread == 0 || (cell.thread == thread && cell.slot == slot) {
                return at;
            }
            at = (at + 1) % VALUES_MAX;
        }
    }

    fn get(&self, thread: u32, slot: u32) -> *mut u8 {
        self.cells[self.find(thread, slot)].value
    }

    /// Sets a value; false if the table is full.
    fn set(&mut self, thread: u32, slot: u32, value: *mut u8) -> bool {
        let at = self.find(thread, slot);
        let present = self.cells[at].thread != 0;
        if value.is_null() {
            if present {
                self.remove(at);
            }
            return true;
        }
        if !present {
            if self.count + 1 == VALUES_MAX {
                return false;
            }
            self.count += 1;
        }
        self.cells[at] = Cell {
            thread,
            slot,
            value,
        };
        true
    }

    /// Empties the full cell `hole` and closes the gap (I2).
    fn remove(&mut self, mut hole: usize) {
        self.count -= 1;
        let mut at = hole;
        loop {
            self.cells[hole] = EMPTY;
            loop {
                at = (at + 1) % VALUES_MAX;
                let cell = self.cells[at];
                if cell.thread == 0 {
                    return;
                }
                // A value may move back to the hole if that is not before its home, going round.
                let home = Self::home(cell.thread, cell.slot);
                let from_home_to_hole = (hole + VALUES_MAX - home) % VALUES_MAX;
                let from_home_to_here = (at + VALUES_MAX - home) % VALUES_MAX;
                if from_home_to_hole < from_home_to_here {
                    self.cells[hole] = cell;
                    hole = at;
                    break;
                }
            }
        }
    }
}

struct Locked {
    busy: AtomicBool,
    table: UnsafeCell<Table>,
}

// SAFETY: the table is reached through `with`, under the lock, and nowhere else; the pointers in it are only stored.
unsafe impl Sync for Locked {}

static TABLE: Locked = Locked {
    busy: AtomicBool::new(false),
    table: UnsafeCell::new(Table::new()),
};

fn with<R>(call: impl FnOnce(&mut Table) -> R) -> R {
    while TABLE
        .busy
        .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
        .is_err()
    {
        // The holder may need this processor.
        rustix::thread::sched_yield();
    }
    // SAFETY: the flag is ours until the store below, and `call` cannot reach the table another way.
    let result = call(unsafe { &mut *TABLE.table.get() });
    TABLE.busy.store(false, Ordering::Release);
    result
}

fn this_thread() -> u32 {
    rustix::thread::gettid()
        .as_raw_nonzero()
        .get()
        .unsigned_abs()
}

/// Makes a slot; `None` if there are too many.
pub(crate) fn create(hook: Option<SlotHook>) -> Option<u32> {
    with(|table| {
        let index = table
            .slots
            .iter()
            .position(|slot| matches!(slot, Slot::Unused))?;
        table.slots[index] = Slot::Used(hook);
        u32::try_from(index).ok()
    })
}

/// The calling thread's value.
pub(crate) fn get(slot: u32) -> *mut u8 {
    let thread = this_thread();
    with(|table| table.get(thread, slot))
}

/// Sets the calling thread's value; false if there is no room.
pub(crate) fn set(slot: u32, value: *mut u8) -> bool {
    let thread = this_thread();
    with(|table| table.set(thread, slot, value))
}

/// Deletes a slot and every thread's value in it.
pub(crate) fn delete(slot: u32) {
    with(|table| {
        if let Some(state) = table.slots.get_mut(slot as usize) {
            *state = Slot::Unused;
        }
        let mut at = 0;
        while at < VALUES_MAX {
            let cell = table.cells[at];
            if cell.thread != 0 && cell.slot == slot {
                // A follower may have moved here, so look at the same place again.
                table.remove(at);
            } else {
                at += 1;
            }
        }
    });
}

/// Runs the hooks of the calling thread, which ends, and forgets its values (I3).
pub(crate) fn run_hooks() {
    let thread = this_thread();
    for _ in 0..HOOK_ROUNDS {
        let mut ran = false;
        for slot in 0..SLOTS_MAX as u32 {
            let due = with(|table| {
                let value = table.get(thread, slot);
                table.set(thread, slot, null_mut());
                match table.slots[slot as usize] {
                    Slot::Used(Some(hook)) if !value.is_null() => Some((hook, value)),
                    _ => None,
                }
            });
            if let Some((hook, value)) = due {
                ran = true;
                // SAFETY: who made the slot promised that the hook takes any value set in it, on the thread that set it.
                unsafe { hook(value) };
            }
        }
        if !ran {
            return;
        }
    }
    with(|table| {
        for slot in 0..SLOTS_MAX as u32 {
            table.set(thread, slot, null_mut());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    impl Table {
        fn check(&self) {
            let full = self.cells.iter().filter(|cell| cell.thread != 0).count();
            assert_eq!(full, self.count);
            for (at, cell) in self
                .cells
                .iter()
                .enumerate()
                .filter(|(_, cell)| cell.thread != 0)
            {
                assert!(!cell.value.is_null(), "I1");
                let mut probe = Self::home(cell.thread, cell.slot);
                while probe != at {
                    assert!(self.cells[probe].thread != 0, "I2");
                    probe = (probe + 1) % VALUES_MAX;
                }
            }
        }
    }

    #[test]
    fn the_table_agrees_with_a_map_at_every_load() {
        let mut table = Box::new(Table::new());
        let mut model = BTreeMap::new();
        let mut state = 0x1234_5678_u64;
        let mut random = move |bound: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % bound
        };
        for step in 0..60_000_u64 {
            let key = (1 + random(120) as u32, random(20) as u32);
            // Fills first, then drains: removals dominate in the second half.
            let remove = random(10) < if step < 30_000 { 2 } else { 7 };
            let value = if remove {
                null_mut()
            } else {
                core::ptr::without_provenance_mut(1 + step as usize)
            };
            let fits = table.set(key.0, key.1, value);
            if value.is_null() {
                model.remove(&key);
            } else if fits {
                model.insert(key, value);
            } else {
                assert_eq!(model.len(), VALUES_MAX - 1);
            }
            if step % 1000 == 0 {
                table.check();
                for thread in 1..=120 {
                    for slot in 0..20 {
                        let expected = model.get(&(thread, slot)).copied().unwrap_or(null_mut());
                        assert_eq!(table.get(thread, slot), expected);
                    }
                }
            }
        }
    }

    #[test]
    fn a_full_table_says_so_and_goes_on_working() {
        let mut table = Box::new(Table::new());
        let value = core::ptr::without_provenance_mut(8);
        let accepted: Vec<u32> = (1..=VALUES_MAX as u32)
            .filter(|&t| table.set(t, 0, value))
            .collect();
        assert_eq!(accepted.len(), VALUES_MAX - 1);
        table.check();
        for thread in accepted {
            assert!(table.set(thread, 0, null_mut()));
        }
        table.check();
        assert_eq!(table.count, 0);
    }
}
