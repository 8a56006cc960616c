//! What ends a process, or takes its last handle: each in a child, which is this test run again with `UNDERPIN_FATE`.
#![cfg(target_os = "linux")]
#![allow(
    unsafe_code,
    reason = "touches guard pages and sets the process's limits"
)]

use core::alloc::{GlobalAlloc, Layout};
use core::net::SocketAddr;
use core::ptr::{null_mut, without_provenance_mut};
use core::sync::atomic::{AtomicI32, Ordering};
use std::alloc::System;
use std::env;
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output};
use underpin_core::Kind;
use underpin_core::platform::{
    Create, Files, ListenOptions, Map, MapAccess, MappedBytes, Memory, Net, OpenOptions, Platform,
    Protection, ThreadOptions, ThreadSlots, Threads,
};
use underpin_linux::Linux;

const VARIABLE: &str = "UNDERPIN_FATE";

/// The exit code of a process that allocated where it must not.
const ALLOCATED: i32 = 77;

/// The thread that may not allocate, or 0: the harness goes on beside a test.
static MAY_NOT_ALLOCATE: AtomicI32 = AtomicI32::new(0);

fn this_thread() -> i32 {
    // SAFETY: it only tells.
    unsafe { libc::gettid() }
}

/// The system's allocator, until somebody may not allocate.
struct Watched;

// SAFETY: forwards to an allocator that keeps the contract, or ends the process.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let thread = MAY_NOT_ALLOCATE.load(Ordering::Relaxed);
        if thread != 0 && thread == this_thread() {
            // SAFETY: it only ends the process.
            unsafe { libc::_exit(ALLOCATED) };
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// In the child: true. In the parent: runs the child for test `name` and gives its end to `check`.
fn is_child(name: &str, check: impl FnOnce(Output)) -> bool {
    if env::var_os(VARIABLE).is_some() {
        return true;
    }
    let child = Command::new(env::current_exe().expect("this test is a program"))
        .args(["--exact", name, "--nocapture"])
        .env(VARIABLE, "1")
        .output()
        .expect("the child runs");
    check(child);
    false
}

#[test]
fn fatal_says_its_message_and_aborts() {
    let child = is_child("fatal_says_its_message_and_aborts", |child| {
        let said = String::from_utf8_lossy(&child.stderr);
        assert!(said.contains("fatal: the tree has a cycle"), "{said}");
        assert_eq!(child.status.signal(), Some(libc::SIGABRT));
    });
    if child {
        MAY_NOT_ALLOCATE.store(this_thread(), Ordering::Relaxed);
        Linux.fatal("the tree has a cycle");
    }
}

fn passed(child: Output) {
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stderr)
    );
}

/// Sets a soft limit of this process, at most to its hard limit. (Linux takes a data limit of 0 for none.)
fn limit(resource: libc::__rlimit_resource_t, most: libc::rlim_t) {
    // SAFETY: pointers to a live value.
    unsafe {
        let mut limit: libc::rlimit = core::mem::zeroed();
        assert_eq!(libc::getrlimit(resource, &raw mut limit), 0);
        limit.rlim_cur = most.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(resource, &raw const limit), 0);
    }
}

/// Reserves and commits a page and protects it; then touches it in the way that `protection` forbids.
fn touch_forbidden(protection: Protection) {
    let bytes = Linux.memory_info().granularity_bytes;
    let at = Linux.reserve(bytes, 1).expect("address space for a page");
    // SAFETY: the range is a live reservation; the access below is forbidden on purpose: this process is to die of it.
    unsafe {
        Linux.commit(at, bytes).expect("memory for a page");
        at.write_volatile(1);
        Linux
            .protect(at, bytes, protection)
            .expect("a committed page");
        match protection {
            Protection::Read => at.write_volatile(at.read_volatile()),
            _ => drop(at.read_volatile()),
        }
    }
}

#[test]
fn reading_a_guard_page_faults() {
    let died = |child: Output| assert_eq!(child.status.signal(), Some(libc::SIGSEGV));
    if is_child("reading_a_guard_page_faults", died) {
        touch_forbidden(Protection::None);
    }
}

#[test]
fn writing_a_read_only_page_faults() {
    let died = |child: Output| assert_eq!(child.status.signal(), Some(libc::SIGSEGV));
    if is_child("writing_a_read_only_page_faults", died) {
        touch_forbidden(Protection::Read);
    }
}

#[test]
fn writing_a_read_only_map_faults() {
    let died = |child: Output| assert_eq!(child.status.signal(), Some(libc::SIGSEGV));
    if !is_child("writing_a_read_only_map_faults", died) {
        return;
    }
    let path = env::temp_dir().join(format!("underpin-fate-{}", std::process::id()));
    let options = OpenOptions::read_write().with_create(Create::IfMissing);
    let file = Linux
        .open(path.as_os_str().as_encoded_bytes(), &options)
        .unwrap();
    std::fs::remove_file(path).unwrap();
    Linux.write_at(&file, b"x", 0).unwrap();
    // SAFETY: nobody else knows the file; the write is forbidden on purpose: this process is to die of it.
    unsafe {
        let mapping = Linux.map(&file, 0, 1, MapAccess::Read).unwrap();
        assert_eq!(mapping.as_ptr().read_volatile(), b'x');
        mapping.as_ptr().cast_mut().write_volatile(b'y');
    }
}

extern "C" fn panics(_: *mut u8) {
    panic!("nobody catches this");
}

#[test]
fn a_panic_in_a_threads_entry_ends_the_process() {
    let name = "a_panic_in_a_threads_entry_ends_the_process";
    let died = |child: Output| {
        let said = String::from_utf8_lossy(&child.stderr);
        assert!(said.contains("nobody catches this"), "{said}");
        assert_eq!(child.status.signal(), Some(libc::SIGABRT));
    };
    if is_child(name, died) {
        // SAFETY: the entry takes no argument; its panic is what is tested.
        let thread = unsafe { Linux.spawn(&ThreadOptions::default(), panics, null_mut()) };
        Linux.join(thread.unwrap()).unwrap();
    }
}

#[test]
fn a_commit_without_memory_left_says_so_and_changes_nothing() {
    let name = "a_commit_without_memory_left_says_so_and_changes_nothing";
    if !is_child(name, passed) {
        return;
    }
    let page = Linux.memory_info().page_bytes;
    let bytes = 1024 * page;
    let at = Linux.reserve(bytes, 1).unwrap();
    // SAFETY: ranges of a live reservation; only committed pages are touched.
    unsafe {
        Linux.commit(at, page).unwrap();
        at.write(1);
        limit(libc::RLIMIT_DATA, 4096);
        let error = Linux.commit(at.add(page), bytes - page).unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfMemory);
        // Over a range that is partly committed as well.
        let error = Linux.commit(at, bytes).unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfMemory);
        assert_eq!(at.read(), 1, "what was committed stays");
        limit(libc::RLIMIT_DATA, libc::RLIM_INFINITY);
        Linux.commit(at.add(page), bytes - page).unwrap();
        assert_eq!(at.add(bytes - 1).read(), 0);
        Linux.release(at, bytes).unwrap();
    }
}

#[test]
fn thread_slots_run_out_at_a_limit() {
    if !is_child("thread_slots_run_out_at_a_limit", passed) {
        return;
    }
    let mut keys = Vec::new();
    // SAFETY: no hooks; each key is deleted once and not used afterwards.
    unsafe {
        let error = loop {
            match Linux.slot_create(None) {
                Ok(key) => keys.push(key),
                Err(error) => break error,
            }
            assert!(keys.len() < 1 << 20, "slots without end");
        };
        assert_eq!(error.kind(), Kind::Limit);
        Linux.slot_delete(keys.pop().unwrap());
        keys.push(Linux.slot_create(None).expect("one was given back"));
        keys.into_iter().for_each(|key| Linux.slot_delete(key));
    }
}

#[test]
fn a_slots_value_without_memory_left_stays_as_it_was() {
    let name = "a_slots_value_without_memory_left_stays_as_it_was";
    if !is_child(name, passed) {
        return;
    }
    // The C library keeps values of its first keys in the thread itself and allocates for later ones.
    // SAFETY: no hooks; the values are never used as pointers.
    let (result, value, again) = unsafe {
        let keys: Vec<_> = (0..64).map(|_| Linux.slot_create(None).unwrap()).collect();
        let key = keys[63];
        limit(libc::RLIMIT_AS, 0);
        limit(libc::RLIMIT_DATA, 4096);
        // Nothing may be left in the allocator either; what is taken here is never given back.
        let mut bytes = 1 << 20;
        while bytes >= 16 {
            if libc::malloc(bytes).is_null() {
                bytes -= bytes.div_ceil(8);
            }
        }
        let result = Linux.slot_set(key, without_provenance_mut(8));
        let value = Linux.slot_get(key);
        limit(libc::RLIMIT_AS, libc::RLIM_INFINITY);
        limit(libc::RLIMIT_DATA, libc::RLIM_INFINITY);
        let again = Linux.slot_set(key, without_provenance_mut(16));
        (result, value, again.map(|()| Linux.slot_get(key)))
    };
    assert_eq!(result.unwrap_err().kind(), Kind::OutOfMemory);
    assert!(value.is_null());
    assert_eq!(again.unwrap(), without_provenance_mut(16));
}

#[test]
fn accept_without_a_handle_left_says_so_and_keeps_the_connection() {
    let name = "accept_without_a_handle_left_says_so_and_keeps_the_connection";
    if !is_child(name, passed) {
        return;
    }
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Linux.listen(&any, &ListenOptions::default()).unwrap();
    let client = TcpStream::connect(Linux.local_address(&listener).unwrap()).unwrap();
    limit(libc::RLIMIT_NOFILE, 0);
    assert_eq!(
        Linux.try_accept(&listener).unwrap_err().kind(),
        Kind::TooManyHandles
    );
    limit(libc::RLIMIT_NOFILE, 1024);
    let (_, peer) = Linux
        .try_accept(&listener)
        .expect("the connection went on waiting");
    assert_eq!(peer, client.local_addr().unwrap());
}
