//! How many instructions a call takes, one call at a time: a child process runs, its parent single-steps it. Exact, and the same at
//! every run, so that the most that any call took can be held to a limit.
//!
//! Used by the limits' program beside this file and by `cargo xtask bench alloc`.

use std::ffi::{c_int, c_long, c_void};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};

/// What is measured: a heap over given memory.
pub(crate) trait Subject {
    /// A block aligned to 16 at most.
    fn allocate(&mut self, size: usize, align: usize) -> Option<NonNull<u8>>;
    /// # Safety
    /// A live block of that size and alignment.
    unsafe fn free(&mut self, block: NonNull<u8>, size: usize, align: usize);
}

/// The most instructions that an allocation and a free took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Most {
    pub(crate) allocate: u32,
    pub(crate) free: u32,
}

/// What parent and child both see.
struct Shared {
    /// 0 outside, 1 within an allocation, 2 within a free, 3 within nothing at all, 4 at the end.
    inside: AtomicU32,
    failed: AtomicUsize,
}

const OUTSIDE: u32 = 0;
const ALLOCATE: u32 = 1;
const FREE: u32 = 2;
const NOTHING: u32 = 3;

unsafe extern "C" {
    fn fork() -> c_int;
    fn ptrace(request: c_long, pid: c_int, address: *mut c_void, data: *mut c_void) -> c_long;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn raise(signal: c_int) -> c_int;
    fn _exit(status: c_int) -> !;
    fn mmap(
        at: *mut c_void,
        bytes: usize,
        protection: c_int,
        flags: c_int,
        file: c_int,
        offset: c_long,
    ) -> *mut c_void;
    fn munmap(at: *mut c_void, bytes: usize) -> c_int;
}
const TRACE_ME: c_long = 0;
const CONTINUE: c_long = 7;
const SINGLE_STEP: c_long = 9;
const SIGTRAP: c_int = 5;

/// Runs the patterns over the heap that `make` makes, with about `blocks` free blocks in it.
pub(crate) fn most<S: Subject>(blocks: usize, make: impl Fn() -> S) -> Result<Most, String> {
    // SAFETY: a fresh page that both processes share, large enough and zero, which is a valid `Shared`.
    let shared: &Shared = unsafe {
        let page = mmap(null_mut(), 4096, 3, 0x21, -1, 0);
        if page.addr() == usize::MAX {
            return Err("no memory to share".into());
        }
        &*page.cast()
    };
    // SAFETY: the child runs this function's code alone and ends.
    let child = unsafe { fork() };
    if child == 0 {
        let right = patterns(&mut make(), blocks, shared);
        shared.failed.store(usize::from(!right), SeqCst);
        // SAFETY: nothing of the parent's is to be cleaned up.
        unsafe { _exit(0) };
    }
    let counted = if child < 0 {
        Err("no child process".into())
    } else {
        follow(child, shared)
    };
    let failed = shared.failed.load(SeqCst) != 0;
    // SAFETY: the page from above, not used any more.
    unsafe { munmap(std::ptr::from_ref(shared).cast_mut().cast(), 4096) };
    if failed {
        return Err("a heap had no memory, or a block was overwritten".into());
    }
    counted
}

/// Steps the child through its calls.
fn follow(child: c_int, shared: &Shared) -> Result<Most, String> {
    let mut most = [0_u32; 4];
    let mut status = 0;
    let mut stops = 0;
    loop {
        // SAFETY: waits for the child of this process.
        if unsafe { waitpid(child, &raw mut status, 0) } != child {
            return Err("the child is gone".into());
        }
        if status & 0x7F == 0 {
            break;
        }
        if status & 0xFF != 0x7F || status >> 8 & 0xFF != SIGTRAP {
            return Err(format!("the child stopped by status {status:#x}"));
        }
        stops += 1;
        let kind = shared.inside.load(SeqCst);
        let mut steps = 0;
        while kind != OUTSIDE && shared.inside.load(SeqCst) == kind {
            // SAFETY: the child is stopped, and this process traces it.
            let stepped = unsafe {
                ptrace(SINGLE_STEP, child, null_mut(), null_mut()) == 0
                    && waitpid(child, &raw mut status, 0) == child
            };
            if !stepped || status & 0xFF != 0x7F {
                return Err("the child cannot be stepped".into());
            }
            steps += 1;
        }
        if let Some(most) = most.get_mut(kind as usize) {
            *most = (*most).max(steps);
        }
        // SAFETY: as above.
        if unsafe { ptrace(CONTINUE, child, null_mut(), null_mut()) } != 0 {
            return Err("the child does not go on".into());
        }
    }
    let nothing = most[NOTHING as usize];
    if stops == 0 || nothing == 0 {
        return Err("this process may not trace its child".into());
    }
    Ok(Most {
        allocate: most[ALLOCATE as usize] - nothing,
        free: most[FREE as usize] - nothing,
    })
}

/// Does one thing under the parent's eyes.
#[inline(never)]
fn watched<R>(shared: &Shared, kind: u32, call: impl FnOnce() -> R) -> R {
    shared.inside.store(kind, SeqCst);
    // SAFETY: stops this process until its parent goes on with it.
    unsafe { raise(SIGTRAP) };
    let result = call();
    shared.inside.store(OUTSIDE, SeqCst);
    result
}

/// Blocks in all the neighbourhoods that a heap with coalescing knows, of sizes on both sides of every power of two, in a heap that is cut
/// into many free blocks; then the same at random.
fn patterns<S: Subject>(heap: &mut S, blocks: usize, shared: &Shared) -> bool {
    // SAFETY: asks to be traced by the parent.
    if unsafe { ptrace(TRACE_ME, 0, null_mut(), null_mut()) } != 0 {
        return true;
    }
    watched(shared, NOTHING, || {});
    let mut random = 1_u64;
    let mut next = move || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize
    };
    // Every second block of mixed sizes stays: as many free blocks as wanted, none of which touch.
    let mut kept = Vec::new();
    let mut holes = Vec::new();
    for index in 0..blocks {
        let size = 24 + next() % 1500;
        let (Some(hole), Some(wall)) = (heap.allocate(size, 8), heap.allocate(24, 8)) else {
            return false;
        };
        holes.push((hole, size));
        if index % 2 == 0 {
            kept.push((wall, 24));
        } else {
            holes.push((wall, 24));
        }
    }
    for (hole, size) in holes {
        // SAFETY: a live block.
        unsafe { heap.free(hole, size, 8) };
    }
    let mut live: Vec<(NonNull<u8>, usize, usize)> = Vec::new();
    let sizes = (4..14).flat_map(|log2| {
        [
            (1 << log2) - 9,
            (1 << log2) - 8,
            1 << log2,
            (1 << log2) * 5 / 4,
        ]
    });
    let sizes: Vec<usize> = sizes.collect();
    for turn in 0..3 {
        for size in &sizes {
            for align in [8, 16] {
                let Some(block) = watched(shared, ALLOCATE, || heap.allocate(*size, align)) else {
                    return false;
                };
                live.push((block, *size, align));
            }
        }
        // Forwards, backwards, and every second one first.
        let mut order = std::mem::take(&mut live);
        match turn {
            0 => {}
            1 => order.reverse(),
            _ => {
                let (odd, even): (Vec<_>, Vec<_>) = order
                    .into_iter()
                    .enumerate()
                    .partition(|(index, _)| index % 2 == 1);
                order = odd
                    .into_iter()
                    .chain(even)
                    .map(|(_, block)| block)
                    .collect();
            }
        }
        for (block, size, align) in order {
            // SAFETY: a live block of that alignment.
            watched(shared, FREE, || unsafe { heap.free(block, size, align) });
        }
        // Walls fall, so that free blocks with two free neighbours appear.
        for _ in 0..kept.len().min(8) {
            let (wall, size) = kept.swap_remove(next() % kept.len());
            // SAFETY: a live block.
            watched(shared, FREE, || unsafe { heap.free(wall, size, 8) });
        }
    }
    for _ in 0..600 {
        if next() % 2 == 0 || live.is_empty() {
            let size = 1 + next() % (1 << (4 + next() % 9));
            if let Some(block) = watched(shared, ALLOCATE, || heap.allocate(size, 8)) {
                live.push((block, size, 8));
            }
        } else {
            let (block, size, align) = live.swap_remove(next() % live.len());
            // SAFETY: a live block of that alignment.
            watched(shared, FREE, || unsafe { heap.free(block, size, align) });
        }
    }
    true
}
