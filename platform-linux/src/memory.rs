//! Address space by `mmap`, memory by `mprotect` and `madvise`.
//!
//! A reservation is a private anonymous mapping that nothing may touch and that is not counted against the commit limit
//! (`PROT_NONE`, `MAP_NORESERVE`). Commit opens it; the kernel backs each page at its first touch, zeroed. Decommit drops the
//! pages first and closes the range second: in the other order a failure between the two would leave contents behind.
#![allow(unsafe_code, reason = "mapping memory is raw by nature")]

use crate::Linux;
use crate::error::error;
use crate::pthread;
use core::ffi::c_void;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MprotectFlags, MremapFlags, ProtFlags};
use underpin_core::platform::{Memory, MemoryInfo, Protection};
use underpin_core::{Error, Kind, Operation, Result};

/// The page size. x86-64 has one; elsewhere the kernel's configuration decides and tells it at the process's start, to the C
/// library if there is one. (Without one, rustix looks, and needs Linux 6.4 or a readable `/proc/self/auxv`.)
#[inline]
pub(crate) fn page_bytes() -> usize {
    /// `AT_PAGESZ`.
    const PAGE_SIZE: core::ffi::c_ulong = 6;
    if cfg!(target_arch = "x86_64") {
        return 4096;
    }
    match pthread::auxiliary_value(PAGE_SIZE) as usize {
        0 => rustix::param::page_size(),
        bytes => bytes,
    }
}

/// Size of a transparent huge page, read once; 0 where there are none.
fn huge_page_bytes() -> usize {
    const UNKNOWN: usize = usize::MAX;
    static HUGE_PAGE_BYTES: AtomicUsize = AtomicUsize::new(UNKNOWN);
    let mut bytes = HUGE_PAGE_BYTES.load(Ordering::Relaxed);
    if bytes == UNKNOWN {
        bytes = read_huge_page_bytes().unwrap_or(0);
        HUGE_PAGE_BYTES.store(bytes, Ordering::Relaxed);
    }
    bytes
}

fn read_huge_page_bytes() -> Option<usize> {
    use rustix::fs::{Mode, OFlags, open};
    let path = c"/sys/kernel/mm/transparent_hugepage/hpage_pmd_size";
    let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut digits = [0; 32];
    let count = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut digits)).ok()?;
    let text = core::str::from_utf8(digits.get(..count)?).ok()?;
    let bytes: usize = text.trim().parse().ok()?;
    bytes.is_power_of_two().then_some(bytes)
}

/// `InvalidInput` unless the range is whole pages and at least one.
fn check_range(operation: Operation, at: NonNull<u8>, bytes: usize) -> Result<()> {
    let mask = page_bytes() - 1;
    if bytes == 0 || bytes & mask != 0 || at.addr().get() & mask != 0 {
        return Err(Error::new(operation, Kind::InvalidInput));
    }
    Ok(())
}

/// `mmap`s `bytes` that nothing may touch: anywhere for a null `at`, or, with `MAP_FIXED`, in place of what is there.
///
/// # Safety
/// With `MAP_FIXED`, the range lies within a reservation of ours and nothing refers into it.
unsafe fn map_none(
    at: *mut c_void,
    bytes: usize,
    fixed: MapFlags,
) -> rustix::io::Result<NonNull<u8>> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | fixed;
    // SAFETY: a private mapping at an address of the kernel's choice touches nothing that exists; a fixed one replaces
    // what the caller gave up.
    let at = unsafe { rustix::mm::mmap_anonymous(at, bytes, ProtFlags::empty(), flags) }?;
    NonNull::new(at.cast()).ok_or(Errno::NOMEM)
}

/// A fresh mapping at an address of the kernel's choice.
fn map_anywhere(bytes: usize) -> rustix::io::Result<NonNull<u8>> {
    // SAFETY: nothing is replaced.
    unsafe { map_none(null_mut(), bytes, MapFlags::empty()) }
}

// SAFETY: (1) fresh mappings overlap nothing; (2) mprotect gives the access; (3) private anonymous pages read as zero at first
// touch and again after MADV_DONTNEED; (4) mappings belong to the process, not to a thread.
unsafe impl Memory for Linux {
    fn memory_info(&self) -> MemoryInfo {
        MemoryInfo {
            page_bytes: page_bytes(),
            granularity_bytes: page_bytes(),
            huge_page_bytes: huge_page_bytes(),
        }
    }

    fn reserve(&self, bytes: usize, align: usize) -> Result<NonNull<u8>> {
        const OP: Operation = Operation::Reserve;
        let page = page_bytes();
        if bytes == 0 || !bytes.is_multiple_of(page) || !align.is_power_of_two() {
            return Err(Error::new(OP, Kind::InvalidInput));
        }
        // Addresses stay below isize::MAX, so that offsets within a reservation always fit pointer arithmetic.
        let too_large = Error::new(OP, Kind::OutOfMemory);
        let slack = align.saturating_sub(page);
        let span = bytes.checked_add(slack).ok_or(too_large)?;
        if span > isize::MAX.unsigned_abs() {
            return Err(too_large);
        }
        if slack > 0 {
            // Often the kernel's choice is aligned by luck (it aligns large mappings to huge pages since 6.7).
            let at = map_anywhere(bytes).map_err(|errno| error(OP, errno))?;
            if at.addr().get().is_multiple_of(align) {
                return Ok(at);
            }
            // SAFETY: the mapping was made just now and nobody else knows it.
            unsafe { unmap(at, bytes) }.map_err(|errno| error(OP, errno))?;
        }
        let base = map_anywhere(span).map_err(|errno| error(OP, errno))?;
        let head = base.addr().get().wrapping_neg() & (align - 1);
        let tail = slack - head;
        // SAFETY: head <= slack, since the base is page-aligned; both stay inside the span that was mapped just now,
        // and what is cut off is whole pages that nobody knows.
        unsafe {
            let at = base.add(head);
            if head > 0 {
                unmap(base, head).map_err(|errno| error(OP, errno))?;
            }
            if tail > 0 {
                unmap(at.add(bytes), tail).map_err(|errno| error(OP, errno))?;
            }
            Ok(at)
        }
    }

    unsafe fn commit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        check_range(Operation::Commit, at, bytes)?;
        let open = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: the range lies within a reservation of ours (the caller's promise); more access breaks no reference.
        unsafe { rustix::mm::mprotect(at.as_ptr().cast(), bytes, open) }
            .map_err(|errno| error(Operation::Commit, errno))
    }

    unsafe fn decommit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        check_range(Operation::Decommit, at, bytes)?;
        let start = at.as_ptr().cast();
        // SAFETY: the range lies within a reservation of ours and nothing refers into it (the caller's promises).
        let result = unsafe {
            match rustix::mm::madvise(start, bytes, Advice::LinuxDontNeed) {
                Ok(()) => rustix::mm::mprotect(start, bytes, MprotectFlags::empty()),
                // Pages that the program locked in memory are not given up so; a new mapping in their place drops them.
                Err(Errno::INVAL) => map_none(start, bytes, MapFlags::FIXED).map(drop),
                Err(errno) => Err(errno),
            }
        };
        result.map_err(|errno| error(Operation::Decommit, errno))
    }

    unsafe fn release(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        check_range(Operation::Release, at, bytes)?;
        // SAFETY: it is a whole reservation of ours to which nothing refers (the caller's promises).
        unsafe { unmap(at, bytes) }.map_err(|errno| error(Operation::Release, errno))
    }

    unsafe fn protect(&self, at: NonNull<u8>, bytes: usize, protection: Protection) -> Result<()> {
        check_range(Operation::Protect, at, bytes)?;
        let flags = match protection {
            Protection::None => MprotectFlags::empty(),
            Protection::Read => MprotectFlags::READ,
            Protection::ReadWrite => MprotectFlags::READ | MprotectFlags::WRITE,
            _ => return Err(Error::unsupported(Operation::Protect)),
        };
        // SAFETY: the range lies within a reservation of ours; the caller makes no access that this forbids.
        unsafe { rustix::mm::mprotect(at.as_ptr().cast(), bytes, flags) }
            .map_err(|errno| error(Operation::Protect, errno))
    }

    unsafe fn advise_huge(&self, at: NonNull<u8>, bytes: usize, on: bool) -> Result<()> {
        check_range(Operation::AdviseHuge, at, bytes)?;
        let advice = if on {
            Advice::LinuxHugepage
        } else {
            Advice::LinuxNoHugepage
        };
        // SAFETY: these two kinds of advice change neither contents nor access.
        let result = unsafe { rustix::mm::madvise(at.as_ptr().cast(), bytes, advice) };
        match result {
            // The range was checked, so this says that the kernel was built without huge pages.
            Err(Errno::INVAL) => Err(crate::error::error_as(
                Operation::AdviseHuge,
                Kind::Unsupported,
                Errno::INVAL,
            )),
            other => other.map_err(|errno| error(Operation::AdviseHuge, errno)),
        }
    }

    unsafe fn discard(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        check_range(Operation::Discard, at, bytes)?;
        let start = at.as_ptr().cast();
        // SAFETY: the range is committed memory of ours whose contents nobody needs (the caller's promises).
        let result = unsafe {
            match rustix::mm::madvise(start, bytes, Advice::LinuxDontNeed) {
                // Locked pages are not given up; a new mapping in their place drops them.
                Err(Errno::INVAL) => map_committed(at, bytes, MapFlags::FIXED),
                other => other,
            }
        };
        result.map_err(|errno| error(Operation::Discard, errno))
    }

    unsafe fn move_pages(&self, from: NonNull<u8>, to: NonNull<u8>, bytes: usize) -> Result<()> {
        const OP: Operation = Operation::MovePages;
        check_range(OP, from, bytes)?;
        check_range(OP, to, bytes)?;
        if !moves_across_mappings() {
            return Err(Error::unsupported(OP));
        }
        // SAFETY: both ranges are committed memory of ours; what was at `to` is not needed (the caller's promises).
        unsafe {
            let (source, target) = (from.cast::<usize>(), to.cast::<usize>());
            let mark = !source.read();
            target.write_volatile(mark);
            let Err(errno) = move_mappings(from, to, bytes) else {
                return Ok(());
            };
            // Nothing has changed, unless the kernel gave up late: then the target is a hole, or has a part of the source.
            match errno {
                Errno::INVAL => return Err(crate::error::error_as(OP, Kind::Unsupported, errno)),
                _ if map_committed(to, bytes, MapFlags::FIXED_NOREPLACE).is_ok() => {}
                _ if target.read_volatile() == mark => {}
                _ => crate::platform::fatal("memory was lost in a move that the system gave up"),
            }
            Err(error(OP, errno))
        }
    }
}

/// `mremap`, with a source that stays mapped and has nothing behind it. Linux 5.7 has that.
///
/// # Safety
/// Both ranges are memory of ours and nothing refers to what is at `to`, which is gone after any error but `EINVAL`.
unsafe fn move_mappings(
    from: NonNull<u8>,
    to: NonNull<u8>,
    bytes: usize,
) -> rustix::io::Result<()> {
    /// rustix has no name for it.
    const DONT_UNMAP: u32 = 4;
    let flags = MremapFlags::MAYMOVE | MremapFlags::from_bits_retain(DONT_UNMAP);
    let (from, to) = (from.as_ptr().cast(), to.as_ptr().cast());
    // SAFETY: the caller's promise.
    unsafe { rustix::mm::mremap_fixed(from, bytes, bytes, flags, to) }.map(drop)
}

/// Whether this kernel moves ranges that consist of several mappings, as those become of which a part was moved before; Linux 6.17 does.
/// Earlier ones refuse after they have unmapped the target, where the next mapping of any thread may land. So this is tried
/// once, on pages that nobody needs.
fn moves_across_mappings() -> bool {
    const UNKNOWN: u32 = 0;
    const NO: u32 = 1;
    const YES: u32 = 2;
    static ANSWER: AtomicU32 = AtomicU32::new(UNKNOWN);
    let mut answer = ANSWER.load(Ordering::Relaxed);
    if answer == UNKNOWN {
        answer = if try_move_across_mappings() { YES } else { NO };
        ANSWER.store(answer, Ordering::Relaxed);
    }
    answer == YES
}

fn try_move_across_mappings() -> bool {
    let half = 2 * page_bytes();
    let Ok(from) = map_anywhere(2 * half) else {
        return false;
    };
    // SAFETY: four pages of a mapping made just now; the first is opened, so that the two to be moved are mappings of their own. The
    // target is not unmapped if the kernel may have done so: by now it may be another thread's.
    unsafe {
        let to = from.add(half);
        let open = MprotectFlags::READ | MprotectFlags::WRITE;
        let moved = rustix::mm::mprotect(from.as_ptr().cast(), page_bytes(), open)
            .and_then(|()| move_mappings(from, to, half));
        let target_is_ours = matches!(moved, Ok(()) | Err(Errno::INVAL));
        let _ = unmap(from, if target_is_ours { 2 * half } else { half });
        moved.is_ok()
    }
}

/// `mmap`s memory that is committed at once, at `at`: in place of what is there, or only where nothing is.
///
/// # Safety
/// The range lies within a reservation of ours; with `MAP_FIXED`, nothing needs what is there.
unsafe fn map_committed(at: NonNull<u8>, bytes: usize, fixed: MapFlags) -> rustix::io::Result<()> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | fixed;
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: the caller's promise.
    unsafe { rustix::mm::mmap_anonymous(at.as_ptr().cast(), bytes, access, flags) }.map(drop)
}

/// # Safety
/// The range is whole pages of mappings of ours to which nothing refers.
unsafe fn unmap(at: NonNull<u8>, bytes: usize) -> rustix::io::Result<()> {
    // SAFETY: the caller's promise.
    unsafe { rustix::mm::munmap(at.as_ptr().cast(), bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_alignment_up_to_a_gibibyte_can_be_reserved_and_nothing_leaks() {
        for shift in 0..=30 {
            let align = 1 << shift;
            let bytes = 3 * page_bytes();
            let at = Linux.reserve(bytes, align).unwrap();
            assert_eq!(at.addr().get() % align, 0, "align {align:#x}");
            // SAFETY: `at` is a live reservation of `bytes`.
            unsafe {
                Linux.commit(at, bytes).unwrap();
                at.write_bytes(0xa5, bytes);
                Linux.decommit(at, bytes).unwrap();
                Linux.commit(at, bytes).unwrap();
                assert!(
                    core::slice::from_raw_parts(at.as_ptr(), bytes)
                        .iter()
                        .all(|&b| b == 0)
                );
                Linux.release(at, bytes).unwrap();
            }
        }
    }

    #[test]
    fn locked_memory_can_be_decommitted_too() {
        let bytes = 2 * page_bytes();
        let at = Linux.reserve(bytes, 1).unwrap();
        // SAFETY: `at` is a live reservation of `bytes`; locking changes no contents.
        unsafe {
            Linux.commit(at, bytes).unwrap();
            at.write_bytes(1, bytes);
            rustix::mm::mlock(at.as_ptr().cast(), bytes).unwrap();
            Linux.decommit(at, bytes).unwrap();
            Linux.commit(at, bytes).unwrap();
            assert!(
                core::slice::from_raw_parts(at.as_ptr(), bytes)
                    .iter()
                    .all(|&byte| byte == 0)
            );
            Linux.release(at, bytes).unwrap();
        }
    }

    #[test]
    fn discarded_memory_stays_committed_and_moved_pages_leave_zeros() {
        let bytes = 4 * page_bytes();
        let at = Linux.reserve(bytes, 1).unwrap();
        // SAFETY: `at` is a live reservation of `bytes`.
        unsafe {
            Linux.commit(at, bytes).unwrap();
            at.write_bytes(0xa5, bytes);
            Linux.discard(at, page_bytes()).unwrap();
            assert_eq!((at.read(), at.add(page_bytes()).read()), (0, 0xa5));
            let (from, to) = (at.add(page_bytes()), at.add(3 * page_bytes()));
            to.write_bytes(1, page_bytes());
            match Linux.move_pages(from, to, page_bytes()) {
                Ok(()) => assert_eq!((from.read(), to.read()), (0, 0xa5)),
                Err(error) => assert_eq!(error.kind(), Kind::Unsupported),
            }
            from.write(7);
            Linux.release(at, bytes).unwrap();
        }
    }

    /// What was moved in parts is several mappings afterwards.
    #[test]
    fn a_range_moves_as_a_whole_or_nothing_has_changed() {
        let half = 2 * page_bytes();
        let at = Linux.reserve(4 * half, 1).unwrap();
        // SAFETY: `at` is a live reservation of four times `half`, of which the parts below do not overlap.
        unsafe {
            Linux.commit(at, 4 * half).unwrap();
            let (from, to) = (at, at.add(2 * half));
            at.write_bytes(0xa5, 4 * half);
            let one = Linux.move_pages(to, from, half);
            let all = Linux.move_pages(from, to, 2 * half);
            assert_eq!(one.is_ok(), all.is_ok());
            let expected = if all.is_ok() { (0, 0xa5) } else { (0xa5, 0xa5) };
            for offset in [0, half, 2 * half - 1] {
                assert_eq!((from.add(offset).read(), to.add(offset).read()), expected);
            }
            if let Err(error) = all {
                assert_eq!(error.kind(), Kind::Unsupported);
            }
            Linux.release(at, 4 * half).unwrap();
        }
    }

    #[test]
    fn a_reservation_larger_than_memory_costs_nothing() {
        let bytes = 1 << 40;
        let at = Linux.reserve(bytes, 1 << 22).unwrap();
        // SAFETY: `at` is a live reservation.
        unsafe { Linux.release(at, bytes) }.unwrap();
        for impossible in [usize::MAX & !4095, isize::MAX.unsigned_abs() & !4095] {
            let error = Linux.reserve(impossible, 1 << 30).unwrap_err();
            assert_eq!(error.kind(), Kind::OutOfMemory);
        }
    }
}
