//! Memory: what a reservation is, and what each step between reserved and committed does to its bytes.
#![allow(unsafe_code, reason = "the contract is about raw memory")]

use crate::case::{Context, Verdict};
use crate::crew::crew;
use core::ptr::NonNull;
use underpin_core::Result;
use underpin_core::platform::{Caps, Memory, Platform, Protection, Threads};
use underpin_core::sync::atomic::{AtomicU32, Ordering};

cases!("memory", Platform:
    sizes_are_powers_of_two,
    reservation_is_aligned,
    reservation_of_odd_size_is_refused,
    alignment_that_is_no_power_of_two_is_refused,
    impossible_size_is_out_of_memory,
    reservations_do_not_overlap,
    released_space_can_be_reserved_again,
    committed_memory_reads_zero,
    committed_memory_is_writable,
    committing_again_changes_nothing,
    recommitted_memory_reads_zero,
    decommit_leaves_its_neighbours,
    decommit_without_the_fault_cap_does_not_fault,
    decommit_of_reserved_memory_is_allowed,
    misaligned_ranges_are_refused,
    protect_answers_as_the_caps_say,
    protect_keeps_the_contents,
    huge_page_hint_answers_as_the_caps_say,
    huge_page_hint_keeps_the_contents,
);

/// A live reservation, released when dropped. I1: `at` and `bytes` are those of one live reservation.
pub(crate) struct Reservation<'a, P: Memory> {
    p: &'a P,
    pub(crate) at: NonNull<u8>,
    pub(crate) bytes: usize,
    page: usize,
}

impl<'a, P: Memory> Reservation<'a, P> {
    pub(crate) fn new(p: &'a P, bytes: usize, align: usize) -> Result<Self> {
        let at = p.reserve(bytes, align)?;
        Ok(Self {
            p,
            at,
            bytes,
            page: p.memory_info().page_bytes,
        })
    }

    /// The smallest reservation of at least `pages` pages.
    pub(crate) fn of_pages(p: &'a P, pages: usize) -> Result<Self> {
        let info = p.memory_info();
        let bytes = (pages * info.page_bytes).next_multiple_of(info.granularity_bytes);
        Self::new(p, bytes, info.page_bytes)
    }

    /// The address of page `first`, of which `count` must be there.
    fn range(&self, first: usize, count: usize) -> (NonNull<u8>, usize) {
        let bytes = count * self.page;
        assert!(first * self.page + bytes <= self.bytes, "the case is wrong");
        // SAFETY: I1, and the line above checked that the range is within the reservation.
        (unsafe { self.at.add(first * self.page) }, bytes)
    }

    pub(crate) fn commit(&self, first: usize, count: usize) -> Result<()> {
        let (at, bytes) = self.range(first, count);
        // SAFETY: I1; `range` is within the reservation.
        unsafe { self.p.commit(at, bytes) }
    }

    fn decommit(&self, first: usize, count: usize) -> Result<()> {
        let (at, bytes) = self.range(first, count);
        // SAFETY: I1; `range` is within the reservation, and cases keep no reference into it.
        unsafe { self.p.decommit(at, bytes) }
    }

    fn protect(&self, first: usize, count: usize, protection: Protection) -> Result<()> {
        let (at, bytes) = self.range(first, count);
        // SAFETY: I1; the cases call this for committed pages and respect the protection.
        unsafe { self.p.protect(at, bytes, protection) }
    }

    /// The first byte of page `page` that is not `expected`, with its value. The page must be readable.
    fn differs(&self, page: usize, expected: u8) -> Option<(usize, u8)> {
        let (at, bytes) = self.range(page, 1);
        (0..bytes).find_map(|index| {
            // SAFETY: within the page, which the case made readable. Volatile, because a decommit in between
            // changes bytes behind the compiler's back.
            let byte = unsafe { at.add(index).read_volatile() };
            (byte != expected).then_some((index, byte))
        })
    }

    /// Fills page `page`, which must be writable.
    fn fill(&self, page: usize, byte: u8) {
        let (at, bytes) = self.range(page, 1);
        for index in 0..bytes {
            // SAFETY: within the page, which the case made writable.
            unsafe { at.add(index).write_volatile(byte) };
        }
    }
}

impl<P: Memory> Drop for Reservation<'_, P> {
    fn drop(&mut self) {
        // SAFETY: I1, and nothing refers into it once its guard is gone. An error would show in the case
        // that reserves and releases many times.
        let _ = unsafe { self.p.release(self.at, self.bytes) };
    }
}

/// Fails the case if page `$page` holds anything but `$byte`.
macro_rules! ensure_page {
    ($memory:expr, $page:expr, $byte:expr) => {
        if let Some((index, byte)) = $memory.differs($page, $byte) {
            fail!(
                "page {}: byte {index} is {byte:#x}, expected {:#x}",
                $page,
                $byte
            );
        }
    };
}

/// "All are powers of two"; "the same at every call".
fn sizes_are_powers_of_two<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let info = cx.p.memory_info();
    ensure!(info.page_bytes.is_power_of_two());
    ensure!(info.granularity_bytes.is_power_of_two());
    ensure!(info.granularity_bytes >= info.page_bytes);
    ensure!(info.huge_page_bytes == 0 || info.huge_page_bytes.is_power_of_two());
    ensure!(info.huge_page_bytes == 0 || info.huge_page_bytes > info.page_bytes);
    ensure_eq!(cx.p.memory_info(), info);
    Ok(())
}

/// "Reserves `bytes` of address space aligned to `align`"; reservations start at a multiple of the granularity.
fn reservation_is_aligned<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let granularity = cx.p.memory_info().granularity_bytes;
    for shift in 0..=26 {
        let align = 1usize << shift;
        match Reservation::new(cx.p, granularity, align) {
            Ok(memory) => {
                let wanted = align.max(granularity);
                ensure!(
                    memory.at.addr().get() % wanted == 0,
                    "{:p} for alignment {align}",
                    memory.at
                );
                memory.commit(0, 1)?;
                memory.fill(0, 1);
            }
            // A board's region may be too small for more than this.
            Err(error) => ensure!(
                align > 1 << 20 && error.kind() == underpin_core::Kind::OutOfMemory,
                "alignment {align}: {error}"
            ),
        }
    }
    Ok(())
}

/// "`InvalidInput` if `bytes` is zero or no multiple of the granularity".
fn reservation_of_odd_size_is_refused<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let granularity = cx.p.memory_info().granularity_bytes;
    ensure_kind!(cx.p.reserve(0, granularity), InvalidInput);
    if granularity > 1 {
        for bytes in [1, granularity - 1, granularity + 1, granularity * 3 / 2] {
            ensure_kind!(cx.p.reserve(bytes, granularity), InvalidInput);
        }
    }
    Ok(())
}

/// "or `align` no power of two".
fn alignment_that_is_no_power_of_two_is_refused<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let granularity = cx.p.memory_info().granularity_bytes;
    for align in [0, 3, granularity + 1, granularity * 3, usize::MAX] {
        ensure_kind!(cx.p.reserve(granularity, align), InvalidInput);
    }
    Ok(())
}

/// "`OutOfMemory` if there is no such space", and no arithmetic wraps on the way there.
fn impossible_size_is_out_of_memory<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let granularity = cx.p.memory_info().granularity_bytes;
    let most = usize::MAX - (granularity - 1);
    ensure_kind!(cx.p.reserve(most, granularity), OutOfMemory);
    ensure_kind!(cx.p.reserve(most, 1 << (usize::BITS - 1)), OutOfMemory);
    ensure_kind!(cx.p.reserve(1 << (usize::BITS - 1), 1), OutOfMemory);
    Ok(())
}

/// "a reservation overlaps no other live reservation".
fn reservations_do_not_overlap<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    const COUNT: usize = 8;
    let mut live: [Option<Reservation<'_, P>>; COUNT] = [const { None }; COUNT];
    for index in 0..COUNT {
        let memory = Reservation::of_pages(cx.p, 1 + index % 3)?;
        let start = memory.at.addr().get();
        for other in live.iter().flatten() {
            let other_start = other.at.addr().get();
            ensure!(
                start + memory.bytes <= other_start || other_start + other.bytes <= start,
                "{start:#x} and {other_start:#x} overlap"
            );
        }
        memory.commit(0, 1)?;
        memory.fill(0, 0x10 + u8::try_from(index).unwrap_or(0));
        live[index] = Some(memory);
    }
    for (memory, byte) in live.iter().flatten().zip(0x10u8..) {
        ensure_page!(memory, 0, byte);
    }
    Ok(())
}

/// "Gives a whole reservation back: memory and addresses": a thousand times as much as is there at once.
fn released_space_can_be_reserved_again<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let granularity = cx.p.memory_info().granularity_bytes;
    for turn in 0..1_000 {
        let at = cx.p.reserve(granularity, granularity)?;
        // SAFETY: the reservation was just made, the first page lies within it, and it is released once.
        unsafe {
            let page = cx.p.memory_info().page_bytes;
            cx.p.commit(at, page)?;
            let byte = at.read_volatile();
            at.write_volatile(1);
            cx.p.release(at, granularity)?;
            ensure!(byte == 0, "turn {turn}: fresh memory holds {byte:#x}");
        }
    }
    Ok(())
}

/// "bytes read as zero after the first `commit`".
fn committed_memory_reads_zero<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    // Twice: the second reservation is likely to be at the address that the first one soiled.
    for _ in 0..2 {
        let memory = Reservation::of_pages(cx.p, 4)?;
        memory.commit(0, 4)?;
        for page in 0..4 {
            ensure_page!(memory, page, 0);
            memory.fill(page, 0xa5);
        }
    }
    Ok(())
}

/// "after a successful `commit` ... the range is readable and writable".
fn committed_memory_is_writable<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let memory = Reservation::of_pages(cx.p, 4)?;
    memory.commit(1, 2)?;
    memory.fill(1, 0x11);
    memory.fill(2, 0x22);
    ensure_page!(memory, 1, 0x11);
    ensure_page!(memory, 2, 0x22);
    Ok(())
}

/// "committing what is committed changes nothing", also where the range is committed in part.
fn committing_again_changes_nothing<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let memory = Reservation::of_pages(cx.p, 4)?;
    memory.commit(1, 2)?;
    memory.fill(1, 0x11);
    memory.fill(2, 0x22);
    memory.commit(1, 1)?;
    memory.commit(0, 4)?;
    ensure_page!(memory, 0, 0);
    ensure_page!(memory, 1, 0x11);
    ensure_page!(memory, 2, 0x22);
    ensure_page!(memory, 3, 0);
    Ok(())
}

/// "bytes read as zero ... after a `decommit` followed by a `commit`".
fn recommitted_memory_reads_zero<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let memory = Reservation::of_pages(cx.p, 4)?;
    for _ in 0..3 {
        memory.commit(0, 4)?;
        for page in 0..4 {
            ensure_page!(memory, page, 0);
            memory.fill(page, 0x5a);
        }
        memory.decommit(0, 4)?;
    }
    Ok(())
}

/// "Gives the memory of `bytes` from `at` back": of that range alone.
fn decommit_leaves_its_neighbours<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let memory = Reservation::of_pages(cx.p, 4)?;
    memory.commit(0, 4)?;
    for page in 0..4 {
        memory.fill(page, 0x77);
    }
    memory.decommit(1, 2)?;
    ensure_page!(memory, 0, 0x77);
    ensure_page!(memory, 3, 0x77);
    memory.commit(2, 1)?;
    ensure_page!(memory, 2, 0);
    ensure_page!(memory, 3, 0x77);
    Ok(())
}

/// `DECOMMIT_FAULTS`: "(else what it holds is unspecified until the next commit)": it can be touched.
fn decommit_without_the_fault_cap_does_not_fault<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    if cx.caps.contains(Caps::DECOMMIT_FAULTS) {
        skip!("decommitted memory faults here, and a case cannot survive a fault");
    }
    let memory = Reservation::of_pages(cx.p, 2)?;
    memory.commit(0, 2)?;
    memory.fill(0, 0x33);
    memory.decommit(0, 1)?;
    memory.differs(0, 0);
    memory.commit(0, 1)?;
    ensure_page!(memory, 0, 0);
    Ok(())
}

/// `decommit` asks for a range "within one live reservation", committed or not.
fn decommit_of_reserved_memory_is_allowed<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let memory = Reservation::of_pages(cx.p, 2)?;
    memory.decommit(0, 2)?;
    memory.commit(0, 2)?;
    ensure_page!(memory, 1, 0);
    memory.decommit(0, 2)?;
    memory.decommit(0, 2)?;
    Ok(())
}

/// "`InvalidInput` if `at` or `bytes` are not page multiples or `bytes` is zero."
fn misaligned_ranges_are_refused<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let memory = Reservation::of_pages(cx.p, 4)?;
    memory.commit(0, 4)?;
    let page = cx.p.memory_info().page_bytes;
    ensure!(page > 1);
    for (start, bytes) in [
        (0, 0),
        (page, 0),
        (1, page),
        (page / 2, page),
        (0, 1),
        (0, page + 1),
    ] {
        // SAFETY: within the reservation (of at least four pages), which is committed and not referred into.
        unsafe {
            let at = memory.at.add(start);
            ensure_kind!(cx.p.commit(at, bytes), InvalidInput);
            ensure_kind!(cx.p.decommit(at, bytes), InvalidInput);
            if cx.caps.contains(Caps::PROTECT) {
                ensure_kind!(cx.p.protect(at, bytes, Protection::ReadWrite), InvalidInput);
            }
            if cx.caps.contains(Caps::HUGE_PAGES) {
                ensure_kind!(cx.p.advise_huge(at, bytes, true), InvalidInput);
            }
        }
    }
    Ok(())
}

/// `PROTECT`: "`Memory::protect` works", else `Unsupported`.
fn protect_answers_as_the_caps_say<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let memory = Reservation::of_pages(cx.p, 1)?;
    memory.commit(0, 1)?;
    for protection in [Protection::Read, Protection::None, Protection::ReadWrite] {
        let answer = memory.protect(0, 1, protection);
        if cx.caps.contains(Caps::PROTECT) {
            answer?;
        } else {
            ensure_kind!(answer, Unsupported);
        }
    }
    Ok(())
}

/// "Changes what `bytes` of committed memory from `at` may be used for": not what it holds.
fn protect_keeps_the_contents<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    needs!(cx, PROTECT);
    let memory = Reservation::of_pages(cx.p, 3)?;
    memory.commit(0, 3)?;
    memory.fill(1, 0x44);
    memory.protect(1, 1, Protection::Read)?;
    ensure_page!(memory, 1, 0x44);
    memory.fill(0, 1);
    memory.fill(2, 2);
    memory.protect(1, 1, Protection::None)?;
    memory.protect(1, 1, Protection::ReadWrite)?;
    ensure_page!(memory, 1, 0x44);
    memory.fill(1, 0x45);
    ensure_page!(memory, 1, 0x45);
    Ok(())
}

/// Hints about the whole reservation.
fn advise<P: Memory>(memory: &Reservation<'_, P>, on: bool) -> Result<()> {
    // SAFETY: the range is the live reservation.
    unsafe { memory.p.advise_huge(memory.at, memory.bytes, on) }
}

/// `HUGE_PAGES`: "`Memory::advise_huge` is heard", else `Unsupported`.
fn huge_page_hint_answers_as_the_caps_say<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let memory = Reservation::of_pages(cx.p, 4)?;
    for on in [true, false] {
        if cx.caps.contains(Caps::HUGE_PAGES) {
            advise(&memory, on)?;
        } else {
            ensure_kind!(advise(&memory, on), Unsupported);
        }
    }
    Ok(())
}

/// "Contents and state do not change."
fn huge_page_hint_keeps_the_contents<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    needs!(cx, HUGE_PAGES);
    let huge = cx.p.memory_info().huge_page_bytes;
    ensure!(huge > 0, "Caps::HUGE_PAGES, but no huge page size");
    let memory = match Reservation::new(cx.p, huge, huge) {
        Ok(memory) => memory,
        Err(_) => skip!("no space for one huge page"),
    };
    memory.commit(0, 2)?;
    memory.fill(0, 0x66);
    for on in [true, false] {
        advise(&memory, on)?;
        ensure_page!(memory, 0, 0x66);
        ensure_page!(memory, 1, 0);
    }
    Ok(())
}

/// "any thread may use any range": one thread reserves, another commits and fills, a third reads and decommits.
pub(crate) fn crosses_threads<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let memory = Reservation::of_pages(cx.p, 3)?;
    let shared = Shared(&memory);
    let failed = AtomicU32::new(0);
    let step = |body: &(dyn Fn(&Reservation<'_, P>) -> bool + Sync)| {
        let (shared, failed) = (&shared, &failed);
        crew(
            cx.p,
            1,
            &move |_| {
                if !body(shared.0) {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            },
            || (),
        )
    };
    step(&|memory| memory.commit(0, 3).is_ok())?;
    step(&|memory| {
        memory.fill(1, 0x91);
        true
    })?;
    step(&|memory| memory.differs(1, 0x91).is_none() && memory.decommit(1, 1).is_ok())?;
    step(&|memory| memory.commit(1, 1).is_ok() && memory.differs(1, 0).is_none())?;
    ensure_eq!(failed.load(Ordering::Relaxed), 0);
    Ok(())
}

/// A reservation lent to threads that use it one after the other.
struct Shared<'a, P: Memory>(&'a Reservation<'a, P>);
// SAFETY: the one case that makes this joins each thread before it starts the next.
unsafe impl<P: Memory + Sync> Sync for Shared<'_, P> {}
