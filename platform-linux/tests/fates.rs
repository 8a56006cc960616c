//! What ends a process, or takes its last handle: each in a child, which is this test run again with `UNDERPIN_FATE`.
#![cfg(target_os = "linux")]
#![allow(
    unsafe_code,
    reason = "touches guard pages and sets the process's limits"
)]

use core::net::SocketAddr;
use std::env;
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output};
use underpin_core::Kind;
use underpin_core::platform::{ListenOptions, Memory, Net, Platform, Protection};
use underpin_linux::Linux;

const VARIABLE: &str = "UNDERPIN_FATE";

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
        Linux.fatal("the tree has a cycle");
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
fn accept_without_a_handle_left_says_so_and_keeps_the_connection() {
    let name = "accept_without_a_handle_left_says_so_and_keeps_the_connection";
    let passed = |child: Output| {
        assert!(
            child.status.success(),
            "{}",
            String::from_utf8_lossy(&child.stderr)
        );
    };
    if !is_child(name, passed) {
        return;
    }
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Linux.listen(&any, &ListenOptions::default()).unwrap();
    let client = TcpStream::connect(Linux.local_address(&listener).unwrap()).unwrap();
    let limit = |handles| libc::rlimit {
        rlim_cur: handles,
        rlim_max: 1024,
    };
    let set = |limit: libc::rlimit| {
        // SAFETY: a pointer to a live value.
        let result = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
        assert_eq!(result, 0);
    };
    set(limit(0));
    assert_eq!(
        Linux.try_accept(&listener).unwrap_err().kind(),
        Kind::TooManyHandles
    );
    set(limit(1024));
    let (_, peer) = Linux
        .try_accept(&listener)
        .expect("the connection went on waiting");
    assert_eq!(peer, client.local_addr().unwrap());
}
