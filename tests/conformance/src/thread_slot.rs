//! Per-thread slots: a value each, and a hook at the end of each thread that set one.
#![allow(unsafe_code, reason = "slots hold raw pointers")]

pub(crate) mod absent;

use crate::case::{Context, Stop, Verdict};
use crate::crew::crew;
use core::ptr::null_mut;
use core::time::Duration;
use underpin_core::platform::{Platform, SlotHook, SlotKey, ThreadSlots, Threads};
use underpin_core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

/// Runs of a hook that sets its slot again each time, after which a case stops believing that it ends.
const RERUNS_MAX: u32 = 10_000;

cases!("thread_slot", Threads | ThreadSlots:
    fresh_slot_is_null_on_every_thread,
    each_thread_has_its_own_value,
    hook_runs_with_the_last_value_on_its_thread,
    hook_finds_the_slot_null,
    hook_does_not_run_for_null,
    hook_runs_again_if_it_sets_the_slot,
    join_waits_for_hooks,
    hooks_of_several_slots_all_run,
    slot_without_a_hook_works,
    deleted_slot_runs_no_hook,
    slots_are_given_back,
);

/// A slot, deleted when dropped. I1: `key` is a live slot of `p`, and what is set in it is null or points to a
/// `Record<P>` that outlives the threads of the case.
struct Slot<'a, P: ThreadSlots> {
    p: &'a P,
    key: SlotKey,
}

impl<'a, P: ThreadSlots> Slot<'a, P> {
    /// A slot whose hook is given records.
    fn new(p: &'a P, hook: Option<SlotHook>) -> Result<Self, Stop> {
        // SAFETY: I1: the hooks below take a pointer to a live record.
        let key = unsafe { p.slot_create(hook) }?;
        Ok(Self { p, key })
    }

    fn get(&self) -> *mut u8 {
        // SAFETY: I1.
        unsafe { self.p.slot_get(self.key) }
    }

    /// Puts `record` into the slot; false if the platform refuses.
    fn set(&self, record: *mut Record<P>) -> bool {
        // SAFETY: I1.
        unsafe { self.p.slot_set(self.key, record.cast()) }.is_ok()
    }
}

impl<P: ThreadSlots> Drop for Slot<'_, P> {
    fn drop(&mut self) {
        // SAFETY: I1, and the guard is the only one who has the key.
        unsafe { self.p.slot_delete(self.key) };
    }
}

/// What a thread puts into a slot, and what the hook did.
struct Record<P: Platform> {
    p: P,
    /// The slot's number, for hooks that look at it or set it again.
    key: AtomicUsize,
    runs: AtomicU32,
    /// Hooks that found something wrong.
    wrong: AtomicU32,
    /// How often the hook sets the slot again.
    reruns: AtomicU32,
    /// Says that the record's value comes from here.
    own: AtomicPtr<u8>,
    /// The halves of the number of the thread that set the slot.
    thread: [AtomicU32; 2],
}

impl<P: Threads + ThreadSlots> Record<P> {
    fn new(p: &P) -> Self {
        Self {
            p: p.clone(),
            key: AtomicUsize::new(0),
            runs: AtomicU32::new(0),
            wrong: AtomicU32::new(0),
            reruns: AtomicU32::new(0),
            own: AtomicPtr::new(null_mut()),
            thread: [const { AtomicU32::new(0) }; 2],
        }
    }

    fn as_mut_ptr(&self) -> *mut Self {
        (&raw const *self).cast_mut()
    }

    fn halves(&self) -> [u32; 2] {
        let id = self.p.thread_id();
        [(id >> 32) as u32, (id & 0xffff_ffff) as u32]
    }

    /// Sets the slot on this thread, and notes which thread that is.
    fn set_in(&self, slot: &Slot<'_, P>) -> bool {
        self.key.store(slot.key.as_raw(), Ordering::Relaxed);
        for (to, half) in self.thread.iter().zip(self.halves()) {
            to.store(half, Ordering::Relaxed);
        }
        self.own.store(self.as_mut_ptr().cast(), Ordering::Relaxed);
        slot.set(self.as_mut_ptr())
    }

    /// Counts its runs, checks its thread and value, and sets the slot again as often as asked.
    ///
    /// # Safety
    /// `value` points to a live record that `set_in` put into its slot.
    unsafe extern "C" fn hook(value: *mut u8) {
        // SAFETY: the caller's promise.
        let this = unsafe { &*value.cast::<Self>() };
        let key = SlotKey::from_raw(this.key.load(Ordering::Relaxed));
        let here = this.halves();
        // SAFETY: the slot lives until its threads have ended.
        let found = unsafe { this.p.slot_get(key) };
        let fine = value == this.own.load(Ordering::Relaxed)
            && found.is_null()
            && this
                .thread
                .iter()
                .zip(here)
                .all(|(set, here)| set.load(Ordering::Relaxed) == here);
        this.wrong.fetch_add(u32::from(!fine), Ordering::Relaxed);
        let runs = this.runs.fetch_add(1, Ordering::Relaxed) + 1;
        if runs <= this.reruns.load(Ordering::Relaxed) {
            // SAFETY: as above; the value is the record that the hook was given.
            let set = unsafe { this.p.slot_set(key, value) };
            this.wrong
                .fetch_add(u32::from(set.is_err()), Ordering::Relaxed);
        }
    }

    /// As [`hook`](Self::hook), after a sleep.
    ///
    /// # Safety
    /// As for `hook`.
    unsafe extern "C" fn slow_hook(value: *mut u8) {
        // SAFETY: the caller's promise.
        let this = unsafe { &*value.cast::<Self>() };
        Context::new(&this.p, b"", crate::Effort::default()).sleep(Duration::from_millis(30));
        // SAFETY: the caller's promise.
        unsafe { Self::hook(value) };
    }

    fn runs(&self) -> u32 {
        self.runs.load(Ordering::Relaxed)
    }
}

/// "Makes a slot that is null on every thread."
fn fresh_slot_is_null_on_every_thread<P: Threads + ThreadSlots>(cx: &Context<'_, P>) -> Verdict {
    let wrong = AtomicU32::new(0);
    for _ in 0..20 {
        let slot = Slot::new(cx.p, None)?;
        let record = Record::new(cx.p);
        ensure!(slot.get().is_null());
        crew(
            cx.p,
            3,
            &|_| {
                wrong.fetch_add(u32::from(!slot.get().is_null()), Ordering::Relaxed);
            },
            || (),
        )?;
        // What stays in it when it is deleted must not show in the next.
        ensure!(slot.set(record.as_mut_ptr()));
    }
    ensure_eq!(wrong.load(Ordering::Relaxed), 0);
    Ok(())
}

/// "The calling thread's value; null if it set none."
fn each_thread_has_its_own_value<P: Threads + ThreadSlots>(cx: &Context<'_, P>) -> Verdict {
    let slot = Slot::new(cx.p, None)?;
    let records: [Record<P>; 5] = core::array::from_fn(|_| Record::new(cx.p));
    let (wrong, arrived) = (AtomicU32::new(0), AtomicU32::new(0));
    ensure!(slot.set(records[4].as_mut_ptr()));
    crew(
        cx.p,
        4,
        &|index| {
            let own = records[index].as_mut_ptr();
            let fresh = slot.get().is_null();
            let set = slot.set(own);
            arrived.fetch_add(1, Ordering::AcqRel);
            cx.poll(|| arrived.load(Ordering::Acquire) == 4);
            let kept = slot.get() == own.cast();
            let cleared = slot.set(null_mut()) && slot.get().is_null();
            wrong.fetch_add(
                u32::from(!(fresh && set && kept && cleared)),
                Ordering::Relaxed,
            );
        },
        || (),
    )?;
    ensure_eq!(wrong.load(Ordering::Relaxed), 0);
    ensure!(slot.get() == records[4].as_mut_ptr().cast());
    ensure!(slot.set(null_mut()));
    Ok(())
}

/// Runs a thread that sets the slot to the record, and waits for it.
fn set_on_a_thread<P: Threads + ThreadSlots>(
    cx: &Context<'_, P>,
    slot: &Slot<'_, P>,
    record: &Record<P>,
) -> Verdict {
    let refused = AtomicU32::new(0);
    crew(
        cx.p,
        1,
        &|_| {
            refused.fetch_add(u32::from(!record.set_in(slot)), Ordering::Relaxed);
        },
        || (),
    )?;
    ensure_eq!(refused.load(Ordering::Relaxed), 0);
    Ok(())
}

/// "`hook` runs with the old one, on that thread."
fn hook_runs_with_the_last_value_on_its_thread<P: Threads + ThreadSlots>(
    cx: &Context<'_, P>,
) -> Verdict {
    let slot = Slot::new(cx.p, Some(Record::<P>::hook))?;
    let (first, last) = (Record::new(cx.p), Record::new(cx.p));
    crew(
        cx.p,
        1,
        &|_| {
            first.set_in(&slot);
            last.set_in(&slot);
        },
        || (),
    )?;
    ensure_eq!(first.runs(), 0);
    ensure_eq!(last.runs(), 1);
    ensure_eq!(last.wrong.load(Ordering::Relaxed), 0);
    Ok(())
}

/// "the value is set to null and `hook` runs with the old one".
fn hook_finds_the_slot_null<P: Threads + ThreadSlots>(cx: &Context<'_, P>) -> Verdict {
    let slot = Slot::new(cx.p, Some(Record::<P>::hook))?;
    for _ in 0..10 {
        let record = Record::new(cx.p);
        set_on_a_thread(cx, &slot, &record)?;
        ensure_eq!(record.runs(), 1);
        ensure_eq!(record.wrong.load(Ordering::Relaxed), 0);
    }
    Ok(())
}

/// "When a thread ends whose value is not null".
fn hook_does_not_run_for_null<P: Threads + ThreadSlots>(cx: &Context<'_, P>) -> Verdict {
    let slot = Slot::new(cx.p, Some(Record::<P>::hook))?;
    let record = Record::new(cx.p);
    crew(
        cx.p,
        2,
        &|index| {
            if index == 0 {
                record.set_in(&slot);
                slot.set(null_mut());
            }
        },
        || (),
    )?;
    ensure_eq!(record.runs(), 0);
    Ok(())
}

/// "If the hook sets the slot again, the hook runs again, at least 4 times in all; then the value is dropped."
fn hook_runs_again_if_it_sets_the_slot<P: Threads + ThreadSlots>(cx: &Context<'_, P>) -> Verdict {
    let slot = Slot::new(cx.p, Some(Record::<P>::hook))?;
    for reruns in 1..=3 {
        let record = Record::new(cx.p);
        record.reruns.store(reruns, Ordering::Relaxed);
        set_on_a_thread(cx, &slot, &record)?;
        ensure_eq!(record.runs(), reruns + 1);
        ensure_eq!(record.wrong.load(Ordering::Relaxed), 0);
    }
    let endless = Record::new(cx.p);
    endless.reruns.store(RERUNS_MAX, Ordering::Relaxed);
    set_on_a_thread(cx, &slot, &endless)?;
    let runs = endless.runs();
    ensure!(
        (4..RERUNS_MAX).contains(&runs),
        "{runs} runs of a hook that always sets its slot"
    );
    Ok(())
}

/// "Waits for the thread to end, its slots' exit hooks included."
fn join_waits_for_hooks<P: Threads + ThreadSlots>(cx: &Context<'_, P>) -> Verdict {
    let slot = Slot::new(cx.p, Some(Record::<P>::slow_hook))?;
    let record = Record::new(cx.p);
    set_on_a_thread(cx, &slot, &record)?;
    ensure!(
        record.runs() == 1,
        "join came back before the hook had ended"
    );
    Ok(())
}

/// "Hooks of several slots run in no particular order": but they all run.
fn hooks_of_several_slots_all_run<P: Threads + ThreadSlots>(cx: &Context<'_, P>) -> Verdict {
    const SLOTS: usize = 8;
    let mut slots: [Option<Slot<'_, P>>; SLOTS] = [const { None }; SLOTS];
    for slot in &mut slots {
        *slot = Some(Slot::new(cx.p, Some(Record::<P>::hook))?);
    }
    let records: [Record<P>; SLOTS] = core::array::from_fn(|_| Record::new(cx.p));
    crew(
        cx.p,
        1,
        &|_| {
            for (slot, record) in slots.iter().flatten().zip(&records) {
                record.set_in(slot);
            }
        },
        || (),
    )?;
    for record in &records {
        ensure_eq!(record.runs(), 1);
        ensure_eq!(record.wrong.load(Ordering::Relaxed), 0);
    }
    Ok(())
}

/// A slot need not have a hook.
fn slot_without_a_hook_works<P: Threads + ThreadSlots>(cx: &Context<'_, P>) -> Verdict {
    let slot = Slot::new(cx.p, None)?;
    let record = Record::new(cx.p);
    set_on_a_thread(cx, &slot, &record)?;
    ensure_eq!(record.runs(), 0);
    Ok(())
}

/// "Hooks do not run for values that threads still hold."
fn deleted_slot_runs_no_hook<P: Threads + ThreadSlots>(cx: &Context<'_, P>) -> Verdict {
    let slot = Slot::new(cx.p, Some(Record::<P>::hook))?;
    let record = Record::new(cx.p);
    let (set, deleted) = (AtomicU32::new(0), AtomicU32::new(0));
    // The thread borrows the key, not the guard, since the guard goes first.
    let (p, key) = (cx.p, slot.key);
    crew(
        cx.p,
        1,
        &|_| {
            // SAFETY: the slot lives until `set` is 1; the record outlives the thread.
            let done = unsafe { p.slot_set(key, record.as_mut_ptr().cast()) }.is_ok();
            set.store(1 + u32::from(!done), Ordering::Release);
            cx.poll(|| deleted.load(Ordering::Acquire) == 1);
        },
        || {
            cx.poll(|| set.load(Ordering::Acquire) != 0);
            drop(slot);
            deleted.store(1, Ordering::Release);
        },
    )?;
    ensure_eq!(set.load(Ordering::Relaxed), 1);
    ensure_eq!(record.runs(), 0);
    Ok(())
}

/// "Deletes the slot": its place can be had again, any number of times.
fn slots_are_given_back<P: Threads + ThreadSlots>(cx: &Context<'_, P>) -> Verdict {
    for _ in 0..cx.effort.rounds.saturating_mul(3) {
        drop(Slot::new(cx.p, Some(Record::<P>::hook))?);
    }
    Ok(())
}
