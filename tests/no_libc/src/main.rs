//! A Linux program without `std` and without a C library: threads by `clone`, slots by table, everything else by system call.
//!
//! `platform-linux/tests/no_libc.rs` builds and runs it. It prints a line per case and ends with status 0, or says what failed and
//! aborts.
#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "a program without a runtime is its own runtime")]

extern crate alloc;

mod runtime;

use alloc::vec::Vec;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use core::time::Duration;
use underpin_core::Kind;
use underpin_core::platform::{
    Buffer, Caps, Clock, ClockId, CpuSet, Files, ListenOptions, Memory, Net, Op, OpenOptions,
    Outcome, Park, Platform, Reactor, Ring, RingOptions, SlotKey, ThreadOptions, ThreadSlots,
    Threads,
};
use underpin_linux::{Linux, Thread};

/// Runs the cases; called by the program's first instructions.
pub(crate) fn run() {
    let cases: [(&str, fn()); 9] = [
        ("capabilities", capabilities),
        ("threads run and are joined", threads_run_and_are_joined),
        ("a park wakes", a_park_wakes),
        ("names and affinity", names_and_affinity),
        ("a thread cannot join itself", a_thread_cannot_join_itself),
        (
            "detached threads free their stacks",
            detached_threads_free_their_stacks,
        ),
        (
            "slots are per thread and hooks run",
            slots_are_per_thread_and_hooks_run,
        ),
        (
            "a hook that sets again runs four times",
            a_hook_that_sets_again_runs_four_times,
        ),
        ("a ring completes", a_ring_completes),
    ];
    for (name, case) in cases {
        case();
        runtime::print(name);
        runtime::print(": ok\n");
    }
}

fn spawn(options: &ThreadOptions<'_>, entry: extern "C" fn(*mut u8), argument: usize) -> Thread {
    // SAFETY: the entries below take any number for an argument.
    unsafe { Linux.spawn(options, entry, core::ptr::without_provenance_mut(argument)) }
        .expect("a thread starts")
}

fn capabilities() {
    assert!(
        Linux
            .caps()
            .contains(Caps::THREADS | Caps::THREAD_SLOTS | Caps::ENTROPY)
    );
    assert!(Linux.now(ClockId::Monotonic).as_ns() > 0);
}

static SUM: AtomicUsize = AtomicUsize::new(0);

extern "C" fn add(argument: *mut u8) {
    // Uses the stack and the allocator, not only a register.
    let numbers: Vec<usize> = (0..argument.addr()).collect();
    SUM.fetch_add(numbers.len(), Ordering::Relaxed);
}

fn threads_run_and_are_joined() {
    for round in 0..50 {
        SUM.store(0, Ordering::Relaxed);
        let stack_bytes = [0, 1, 100_000][round % 3];
        let options = ThreadOptions::new().with_stack_bytes(stack_bytes);
        let threads: Vec<Thread> = (1..=16).map(|n| spawn(&options, add, n)).collect();
        for thread in threads {
            Linux.join(thread).expect("joins");
        }
        assert_eq!(SUM.load(Ordering::Relaxed), 136);
    }
}

static WORD: AtomicU32 = AtomicU32::new(0);

extern "C" fn wake(_: *mut u8) {
    WORD.store(1, Ordering::Release);
    Linux.wake(&raw const WORD, 1);
}

fn a_park_wakes() {
    let thread = spawn(&ThreadOptions::new(), wake, 0);
    while WORD.load(Ordering::Acquire) == 0 {
        Linux.wait(&WORD, 0, None);
    }
    Linux.join(thread).expect("joins");
}

extern "C" fn check_name(_: *mut u8) {
    let file = Linux
        .open(b"/proc/thread-self/comm", &OpenOptions::read())
        .expect("opens");
    let mut bytes = [MaybeUninit::uninit(); 32];
    let count = Linux.read_at(&file, &mut bytes, 0).expect("reads");
    // SAFETY: `read_at` initialised that many bytes.
    let name = unsafe { bytes[..count].assume_init_ref() };
    assert_eq!(name, b"underpin-worker\n");
    SUM.fetch_add(1, Ordering::Relaxed);
}

fn names_and_affinity() {
    SUM.store(0, Ordering::Relaxed);
    let mut all = CpuSet::EMPTY;
    for cpu in 0..1024 {
        all.insert(cpu);
    }
    let options = ThreadOptions::new()
        .with_name("underpin-worker-7")
        .with_affinity(&all);
    Linux.join(spawn(&options, check_name, 0)).expect("joins");
    assert_eq!(SUM.load(Ordering::Relaxed), 1);
    let none = CpuSet::EMPTY;
    let options = ThreadOptions::new().with_affinity(&none);
    // SAFETY: the entry takes any argument.
    let refused = unsafe { Linux.spawn(&options, check_name, core::ptr::null_mut()) };
    assert_eq!(
        refused.expect_err("no processor").kind(),
        Kind::InvalidInput
    );
    assert_eq!(SUM.load(Ordering::Relaxed), 1);
}

static MYSELF: AtomicPtr<Thread> = AtomicPtr::new(core::ptr::null_mut());

extern "C" fn join_myself(_: *mut u8) {
    let mut myself = MYSELF.load(Ordering::Acquire);
    while myself.is_null() {
        Linux.yield_now();
        myself = MYSELF.load(Ordering::Acquire);
    }
    // SAFETY: the main thread leaked the box for this one.
    let thread = unsafe { *alloc::boxed::Box::from_raw(myself) };
    let refused = Linux.join(thread).expect_err("nobody can wait for himself");
    assert_eq!(refused.kind(), Kind::InvalidInput);
    WORD.store(2, Ordering::Release);
    Linux.wake(&raw const WORD, 1);
}

fn a_thread_cannot_join_itself() {
    let thread = alloc::boxed::Box::new(spawn(&ThreadOptions::new(), join_myself, 0));
    MYSELF.store(alloc::boxed::Box::into_raw(thread), Ordering::Release);
    while WORD.load(Ordering::Acquire) != 2 {
        Linux.wait(&WORD, 1, None);
    }
}

/// Mappings of the process: a thread's stack and its guard are two that never merge with others.
fn mapping_count() -> usize {
    let file = Linux
        .open(b"/proc/self/maps", &OpenOptions::read())
        .expect("opens");
    let mut bytes = [MaybeUninit::uninit(); 4096];
    let (mut offset, mut lines) = (0, 0);
    loop {
        let count = Linux.read_at(&file, &mut bytes, offset).expect("reads");
        if count == 0 {
            return lines;
        }
        // SAFETY: `read_at` initialised that many bytes.
        let text = unsafe { bytes[..count].assume_init_ref() };
        lines += text.iter().filter(|&&byte| byte == b'\n').count();
        offset += count as u64;
    }
}

extern "C" fn linger(argument: *mut u8) {
    // Some threads end before their handle is dropped, some after.
    for _ in 0..argument.addr() {
        Linux.yield_now();
    }
    SUM.fetch_add(1, Ordering::Release);
}

fn detached_threads_free_their_stacks() {
    SUM.store(0, Ordering::Relaxed);
    let options = ThreadOptions::new().with_stack_bytes(256 * 1024);
    let before = mapping_count();
    for n in 0..2000 {
        let thread = spawn(&options, linger, n % 7);
        if n % 3 == 0 {
            Linux.yield_now();
        }
        drop(thread);
    }
    let until = Linux
        .now(ClockId::Monotonic)
        .saturating_add(Duration::from_secs(20));
    let left = || {
        (
            2000 - SUM.load(Ordering::Acquire),
            mapping_count().saturating_sub(before),
        )
    };
    while left().0 > 0 || left().1 > 100 {
        let late = Linux.now(ClockId::Monotonic) >= until;
        assert!(!late, "(threads, mappings) left behind: {:?}", left());
        Linux.yield_now();
    }
}

static KEY: AtomicUsize = AtomicUsize::new(0);
static HOOKED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn count_hook(value: *mut u8) {
    HOOKED.fetch_add(value.addr(), Ordering::Relaxed);
}

unsafe extern "C" fn set_again(value: *mut u8) {
    HOOKED.fetch_add(1, Ordering::Relaxed);
    let key = SlotKey::from_raw(KEY.load(Ordering::Relaxed));
    // SAFETY: the slot lives until its threads have ended.
    unsafe { Linux.slot_set(key, value) }.expect("there is room");
}

extern "C" fn use_slot(argument: *mut u8) {
    let key = SlotKey::from_raw(KEY.load(Ordering::Relaxed));
    // SAFETY: the slot lives until its threads have ended; its hook takes any value.
    unsafe {
        assert!(
            Linux.slot_get(key).is_null(),
            "a new thread starts with null"
        );
        Linux.slot_set(key, argument).expect("there is room");
        Linux.yield_now();
        assert_eq!(Linux.slot_get(key), argument);
    }
}

fn slots_are_per_thread_and_hooks_run() {
    // SAFETY: the hook takes any value; the slot is deleted after its threads have ended.
    unsafe {
        let key = Linux.slot_create(Some(count_hook)).expect("a slot");
        KEY.store(key.as_raw(), Ordering::Relaxed);
        let threads: Vec<Thread> = (1..=100)
            .map(|n| spawn(&ThreadOptions::new(), use_slot, n))
            .collect();
        for thread in threads {
            Linux.join(thread).expect("joins");
        }
        assert_eq!(
            HOOKED.load(Ordering::Relaxed),
            5050,
            "every hook ran before its join"
        );
        Linux.slot_delete(key);
    }
}

fn a_hook_that_sets_again_runs_four_times() {
    HOOKED.store(0, Ordering::Relaxed);
    // SAFETY: as above.
    unsafe {
        let key = Linux.slot_create(Some(set_again)).expect("a slot");
        KEY.store(key.as_raw(), Ordering::Relaxed);
        Linux
            .join(spawn(&ThreadOptions::new(), use_slot, 1))
            .expect("joins");
        Linux.slot_delete(key);
    }
    assert_eq!(HOOKED.load(Ordering::Relaxed), 4);
}

fn a_ring_completes() {
    let address = core::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Linux
        .listen(&address, &ListenOptions::default())
        .expect("listens");
    let address = Linux.local_address(&listener).expect("has an address");
    let mut ring = Linux.ring(&RingOptions::default()).expect("a ring");
    ring.submit(Op::Accept { listener }, 1).expect("accepted");
    ring.submit(Op::Connect { address }, 2).expect("accepted");
    let mut done = Vec::new();
    while done.len() < 2 {
        ring.wait(None, &mut done).expect("waits");
    }
    for completion in done {
        match completion.result.expect("both succeed") {
            Outcome::Accepted { socket, .. } => {
                let buffer = Buffer::with_capacity(8);
                ring.submit(Op::Receive { socket, buffer }, 3)
                    .expect("accepted");
            }
            Outcome::Connected { socket } => {
                Linux.try_send(&socket, b"hello").expect("sends");
            }
            other => panic!("{other:?}"),
        }
    }
    let mut done = Vec::new();
    while done.is_empty() {
        ring.wait(None, &mut done).expect("waits");
    }
    let received = done[0].buffer.as_ref().expect("comes back");
    assert_eq!(received.as_slice(), b"hello");
    let _ = Linux.memory_info();
}
