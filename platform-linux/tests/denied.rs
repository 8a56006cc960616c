//! Kernels and sandboxes that lack system calls, made with a seccomp filter in a child process.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#![allow(unsafe_code, reason = "a filter is installed by hand")]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use core::mem::MaybeUninit;
use core::net::SocketAddr;
use core::time::Duration;
use std::process::Command;
use underpin_core::platform::{
    Caps, Clock, ClockId, Completion, CpuSet, Create, Entropy, Files, Instant, ListenOptions,
    Memory, Net, OpenOptions, Platform, Reactor, Ring, RingBackend, RingOptions, Threads,
};
use underpin_core::{Kind, Result};
use underpin_linux::{Linux, Socket};

/// Runs `case` in a process of its own, so that the probe's cache and the filter are its alone.
fn in_child(name: &str, case: fn()) {
    const VARIABLE: &str = "UNDERPIN_DENIED_CASE";
    if std::env::var(VARIABLE).as_deref() == Ok(name) {
        return case();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(VARIABLE, name)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Makes system calls of this thread fail with an errno.
fn deny(rules: &[(libc::c_long, libc::c_int)]) {
    let instruction = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf,
        k,
    };
    // Load the call's number; for each rule, compare and return; else allow.
    let mut program = vec![instruction(
        libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
        0,
        0,
        0,
    )];
    for &(number, errno) in rules {
        let number = u32::try_from(number).unwrap();
        let errno = u32::try_from(errno).unwrap();
        program.push(instruction(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            number,
        ));
        program.push(instruction(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | errno,
        ));
    }
    program.push(instruction(
        libc::BPF_RET | libc::BPF_K,
        0,
        0,
        libc::SECCOMP_RET_ALLOW,
    ));
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap(),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program is well-formed and lives through the call.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let filter = libc::SECCOMP_MODE_FILTER;
        assert_eq!(
            libc::prctl(libc::PR_SET_SECCOMP, filter, &raw const program),
            0
        );
    }
}

fn kind<T>(result: Result<T>) -> Option<Kind> {
    result.err().map(|error| error.kind())
}

#[test]
fn abilities_that_a_sandbox_takes_are_missing_bits_and_unsupported_calls() {
    in_child(
        "abilities_that_a_sandbox_takes_are_missing_bits_and_unsupported_calls",
        || {
            let path = std::env::temp_dir().join(format!("underpin-denied-{}", std::process::id()));
            let options = OpenOptions::read_write().with_create(Create::IfMissing);
            let file = Linux
                .open(path.as_os_str().as_encoded_bytes(), &options)
                .unwrap();
            std::fs::remove_file(path).unwrap();
            deny(&[
                (libc::SYS_fallocate, libc::EPERM),
                (libc::SYS_getrandom, libc::EPERM),
                (libc::SYS_sched_getaffinity, libc::EPERM),
                (libc::SYS_sched_setaffinity, libc::EPERM),
                (libc::SYS_socket, libc::EACCES),
                (libc::SYS_epoll_create1, libc::ENOSYS),
            ]);
            let missing = Caps::PREALLOCATE
                | Caps::PUNCH
                | Caps::ENTROPY
                | Caps::AFFINITY
                | Caps::NET
                | Caps::REACTOR;
            assert_eq!(Linux.caps() & missing, Caps::empty());
            assert!(
                Linux
                    .caps()
                    .contains(Caps::FILES | Caps::THREADS | Caps::BOOT_CLOCK)
            );
            let unsupported = Some(Kind::Unsupported);
            assert_eq!(kind(Linux.preallocate(&file, 0, 1)), unsupported);
            assert_eq!(kind(Linux.punch(&file, 0, 1)), unsupported);
            assert_eq!(kind(Linux.fill(&mut [MaybeUninit::uninit()])), unsupported);
            assert_eq!(kind(Linux.set_affinity(&CpuSet::EMPTY)), unsupported);
            let address = SocketAddr::from(([127, 0, 0, 1], 0));
            assert_eq!(
                kind(Linux.listen(&address, &ListenOptions::default())),
                unsupported
            );
            assert_eq!(kind(Linux.ring(&RingOptions::default())), unsupported);
            assert_eq!(Linux.parallelism(), 1);
        },
    );
}

#[test]
fn a_sandbox_without_io_uring_gets_a_ring_over_epoll() {
    in_child("a_sandbox_without_io_uring_gets_a_ring_over_epoll", || {
        deny(&[(libc::SYS_io_uring_setup, libc::EPERM)]);
        assert_eq!(
            kind(underpin_linux::io_uring_support()),
            Some(Kind::Unsupported)
        );
        let mut options = RingOptions::default();
        options.backend = RingBackend::Completion;
        let mut ring = Linux.ring(&options).unwrap();
        assert_eq!(ring.backend(), RingBackend::Readiness);
        let mut done: Vec<Completion<Socket>> = Vec::new();
        assert_eq!(ring.wait(Some(Instant::ZERO), &mut done).unwrap(), 0);
    });
}

#[test]
fn a_kernel_whose_io_uring_lacks_operations_gets_a_ring_over_epoll() {
    in_child(
        "a_kernel_whose_io_uring_lacks_operations_gets_a_ring_over_epoll",
        || {
            // Older kernels do not know the question.
            deny(&[(libc::SYS_io_uring_register, libc::EINVAL)]);
            let mut options = RingOptions::default();
            options.backend = RingBackend::Completion;
            let ring = Linux.ring(&options).unwrap();
            assert_eq!(ring.backend(), RingBackend::Readiness);
        },
    );
}

#[test]
fn ring_deadlines_hold_on_kernels_that_count_in_milliseconds() {
    in_child(
        "ring_deadlines_hold_on_kernels_that_count_in_milliseconds",
        || {
            deny(&[(libc::SYS_epoll_pwait2, libc::ENOSYS)]);
            let mut ring = Linux.ring(&RingOptions::default()).unwrap();
            let mut done: Vec<Completion<Socket>> = Vec::new();
            for us in [1, 300, 2500] {
                let start = Linux.now(ClockId::Monotonic);
                let until = start.saturating_add(Duration::from_micros(us));
                assert_eq!(ring.wait(Some(until), &mut done).unwrap(), 0);
                let waited = Linux
                    .now(ClockId::Monotonic)
                    .saturating_duration_since(start);
                assert!(waited >= Duration::from_micros(us));
                assert!(waited < Duration::from_secs(5));
            }
        },
    );
}

#[test]
fn clocks_run_where_the_auxiliary_vector_is_hidden() {
    in_child("clocks_run_where_the_auxiliary_vector_is_hidden", || {
        deny(&[
            (libc::SYS_prctl, libc::EINVAL),
            (libc::SYS_openat, libc::ENOENT),
        ]);
        let first = Linux.now(ClockId::Monotonic);
        let until = std::time::Instant::now() + Duration::from_millis(3);
        while std::time::Instant::now() < until {}
        let passed = Linux
            .now(ClockId::Monotonic)
            .saturating_duration_since(first);
        assert!(passed >= Duration::from_millis(3) && passed < Duration::from_secs(5));
        let unix = std::time::UNIX_EPOCH.elapsed().unwrap();
        let real = Duration::from_nanos(Linux.now(ClockId::Real).as_ns());
        assert!(real.abs_diff(unix) < Duration::from_secs(5));
        assert!(Linux.now(ClockId::Boot) >= first);
        assert_ne!(Linux.now(ClockId::ThreadCpu), Instant::ZERO);
        assert!(Linux.memory_info().page_bytes.is_power_of_two());
    });
}
