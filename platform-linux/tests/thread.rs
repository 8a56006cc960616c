//! Threads and slots under a C library: names, affinity, stacks, hooks, joining oneself.
#![allow(unsafe_code, reason = "the seam's thread entries are raw")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step fails the test"
)]

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use underpin_core::Kind;
use underpin_core::platform::{Caps, CpuSet, Platform, ThreadOptions, ThreadSlots, Threads};
use underpin_linux::Linux;

/// Calls a boxed closure; the seam's entry for tests.
unsafe extern "C" fn call(argument: *mut u8) {
    // SAFETY: `spawn` below leaks exactly such a box for this thread.
    let closure = unsafe { Box::from_raw(argument.cast::<Box<dyn FnOnce() + Send>>()) };
    closure();
}

fn spawn(
    options: &ThreadOptions<'_>,
    closure: impl FnOnce() + Send + 'static,
) -> underpin_core::Result<underpin_linux::Thread> {
    let boxed: Box<Box<dyn FnOnce() + Send>> = Box::new(Box::new(closure));
    let argument = Box::into_raw(boxed).cast::<u8>();
    // SAFETY: `call` takes the box over, once.
    let result = unsafe { Linux.spawn(options, call, argument) };
    if result.is_err() {
        // SAFETY: nothing was started, so the box is still ours.
        drop(unsafe { Box::from_raw(argument.cast::<Box<dyn FnOnce() + Send>>()) });
    }
    result
}

#[test]
fn a_std_program_has_threads_and_slots() {
    assert!(Linux.caps().contains(Caps::THREADS | Caps::THREAD_SLOTS));
}

#[test]
fn threads_are_the_c_librarys_so_thread_locals_work() {
    std::thread_local!(static LOCAL: AtomicUsize = const { AtomicUsize::new(7) });
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    LOCAL.with(|local| local.store(8, Ordering::Relaxed));
    let thread = spawn(&ThreadOptions::new(), || {
        SEEN.store(
            LOCAL.with(|local| local.load(Ordering::Relaxed)),
            Ordering::Relaxed,
        );
    })
    .unwrap();
    Linux.join(thread).unwrap();
    assert_eq!(SEEN.load(Ordering::Relaxed), 7);
}

#[test]
fn names_are_cut_at_a_character() {
    let (send, receive) = std::sync::mpsc::channel();
    // 13 bytes, then a character of three: the cut must come before it.
    let options = ThreadOptions::new().with_name("thirteen-byte\u{20ac}x");
    let thread = spawn(&options, move || {
        let name = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
        send.send(name).unwrap();
    })
    .unwrap();
    assert_eq!(receive.recv().unwrap().trim_end(), "thirteen-byte");
    Linux.join(thread).unwrap();
    let bad = spawn(&ThreadOptions::new().with_name("a\0b"), || ());
    assert_eq!(bad.unwrap_err().kind(), Kind::InvalidInput);
}

#[test]
fn an_affinity_that_cannot_be_had_starts_nothing() {
    static RAN: AtomicU32 = AtomicU32::new(0);
    let run = || {
        RAN.fetch_add(1, Ordering::Relaxed);
    };
    let none = CpuSet::EMPTY;
    let error = spawn(&ThreadOptions::new().with_affinity(&none), run).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput);
    assert_eq!(RAN.load(Ordering::Relaxed), 0);
    let mut first = CpuSet::EMPTY;
    let cpu = rustix_free_cpu();
    first.insert(cpu);
    let thread = spawn(&ThreadOptions::new().with_affinity(&first), run).unwrap();
    Linux.join(thread).unwrap();
    assert_eq!(RAN.load(Ordering::Relaxed), 1);
}

/// A processor that this process may use.
fn rustix_free_cpu() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let list = status
        .lines()
        .find(|line| line.starts_with("Cpus_allowed_list"))
        .unwrap();
    let digits: String = list
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap()
}

#[test]
fn stacks_of_any_size_work_or_are_refused() {
    for bytes in [1, 4096, 16 * 1024, 100_000, 64 << 20] {
        let thread = spawn(&ThreadOptions::new().with_stack_bytes(bytes), || {
            core::hint::black_box([0_u8; 4096]);
        })
        .unwrap();
        Linux.join(thread).unwrap();
    }
    let huge = spawn(&ThreadOptions::new().with_stack_bytes(usize::MAX), || ());
    assert_eq!(huge.unwrap_err().kind(), Kind::InvalidInput);
    let large = spawn(&ThreadOptions::new().with_stack_bytes(1 << 60), || ());
    assert!(matches!(
        large.unwrap_err().kind(),
        Kind::Limit | Kind::OutOfMemory
    ));
}

#[test]
fn a_thread_cannot_join_itself() {
    let (send, receive) = std::sync::mpsc::channel::<underpin_linux::Thread>();
    let (done, finished) = std::sync::mpsc::channel();
    let thread = spawn(&ThreadOptions::new(), move || {
        let myself = receive.recv().unwrap();
        done.send(Linux.join(myself).unwrap_err().kind()).unwrap();
    })
    .unwrap();
    send.send(thread).unwrap();
    assert_eq!(finished.recv().unwrap(), Kind::InvalidInput);
}

#[test]
fn dropping_a_handle_detaches() {
    let (send, receive) = std::sync::mpsc::channel();
    drop(spawn(&ThreadOptions::new(), move || send.send(()).unwrap()).unwrap());
    receive.recv().unwrap();
}

static HOOKS: AtomicU32 = AtomicU32::new(0);
static KEY: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn set_again(value: *mut u8) {
    HOOKS.fetch_add(1, Ordering::Relaxed);
    let key = underpin_core::platform::SlotKey::from_raw(KEY.load(Ordering::Relaxed));
    // SAFETY: the test keeps the slot until its thread has ended; the hook takes any value.
    unsafe {
        assert!(
            Linux.slot_get(key).is_null(),
            "the value is null while its hook runs"
        );
        Linux.slot_set(key, value).unwrap();
    }
}

#[test]
fn a_hook_that_sets_its_slot_runs_at_least_four_times() {
    // SAFETY: the hook takes any value; the slot is deleted after its only user has ended.
    unsafe {
        let key = Linux.slot_create(Some(set_again)).unwrap();
        KEY.store(key.as_raw(), Ordering::Relaxed);
        let thread = spawn(&ThreadOptions::new(), move || {
            assert!(Linux.slot_get(key).is_null());
            // SAFETY: as above.
            Linux.slot_set(key, core::ptr::dangling_mut()).unwrap();
        })
        .unwrap();
        Linux.join(thread).unwrap();
        Linux.slot_delete(key);
    }
    assert!(HOOKS.load(Ordering::Relaxed) >= 4);
}
