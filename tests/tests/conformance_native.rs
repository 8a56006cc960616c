//! The suite over the system that the tests run on.
//!
//! One test for each capability, each with a directory of its own. What a system lacks is checked to say
//! `Unsupported`; the runner prints what was skipped and why, and knows for Linux that nothing may be.

#[path = "conformance/beyond.rs"]
mod beyond;
#[path = "conformance/directory.rs"]
mod directory;
#[path = "conformance/ledger.rs"]
mod ledger;

use directory::Directory;
use ledger::Ledger;
use underpin::sys::{Native, native, ring_support};
use underpin_conformance as conformance;
use underpin_core::platform::{
    Caps, Platform, Reactor, Ring, RingBackend, RingOptions, ThreadSlots, Threads,
};

const NATIVE: Native = native();

#[test]
fn base_keeps_the_contracts() {
    let mut ledger = Ledger::new("base");
    conformance::run_base(&NATIVE, &mut ledger);
    ledger.settle();
}

#[test]
fn threads_keep_the_contracts() {
    let mut ledger = Ledger::new("threads");
    conformance::run_threads(&NATIVE, &mut ledger);
    ledger.settle();
}

#[test]
fn thread_slots_keep_the_contracts() {
    let mut ledger = Ledger::new("slots");
    conformance::run_slots(&NATIVE, &mut ledger);
    ledger.settle();
}

#[test]
fn files_keep_the_contracts() {
    let directory = Directory::new("files");
    let mut ledger = Ledger::new("files");
    conformance::run_files(&NATIVE, directory.as_bytes(), &mut ledger);
    ledger.settle_but(beyond::of_this_system());
}

#[test]
fn files_keep_the_contracts_with_threads() {
    let directory = Directory::new("files-threads");
    let mut ledger = Ledger::new("files with threads");
    conformance::run_files_with_threads(&NATIVE, directory.as_bytes(), &mut ledger);
    ledger.settle_but(beyond::of_this_system());
}

#[test]
fn mappings_keep_the_contracts() {
    let directory = Directory::new("map");
    let mut ledger = Ledger::new("map");
    conformance::run_map(&NATIVE, directory.as_bytes(), &mut ledger);
    ledger.settle();
}

#[test]
fn sockets_and_reactor_keep_the_contracts() {
    let mut ledger = Ledger::new("net");
    conformance::run_net(&NATIVE, &mut ledger);
    ledger.settle();
}

#[test]
fn reactor_keeps_the_contracts_with_threads() {
    let mut ledger = Ledger::new("net with threads");
    conformance::run_net_with_threads(&NATIVE, &mut ledger);
    ledger.settle();
}

#[test]
fn datagrams_keep_the_contracts() {
    let mut ledger = Ledger::new("datagrams");
    conformance::run_datagrams(&NATIVE, &mut ledger);
    ledger.settle();
}

#[test]
fn local_sockets_keep_the_contracts() {
    let directory = Directory::new("local");
    let mut ledger = Ledger::new("local sockets");
    conformance::run_local_sockets(&NATIVE, directory.as_bytes(), &mut ledger);
    ledger.settle();
}

/// The second kind of ring, where this system has one: everything that a ring promises, once more.
#[test]
fn rings_of_completions_keep_the_contracts() {
    let mut options = RingOptions::default();
    options.backend = RingBackend::Completion;
    if let Err(error) = ring_support(options.backend) {
        eprintln!("NOT RUN: rings of completions: {error}");
        return;
    }
    let ring = NATIVE.ring(&options).expect("a ring");
    assert_eq!(ring.backend(), options.backend);
    drop(ring);
    let ledger = |what: &str| Ledger::new(format!("{what} over io_uring")).over(options.backend);
    let mut net = ledger("net");
    conformance::run_net(&NATIVE, &mut net);
    net.settle();
    let mut threads = ledger("net with threads");
    conformance::run_net_with_threads(&NATIVE, &mut threads);
    threads.settle();
    let mut datagrams = ledger("datagrams");
    conformance::run_datagrams(&NATIVE, &mut datagrams);
    datagrams.settle();
    let directory = Directory::new("files-completions");
    let mut files = ledger("files");
    conformance::run_ring_files(&NATIVE, directory.as_bytes(), &mut files);
    files.settle();
    let directory = Directory::new("local-completions");
    let mut local = ledger("local sockets");
    conformance::run_local_sockets(&NATIVE, directory.as_bytes(), &mut local);
    local.settle();
}

/// A system of this kind has the traits, whatever its bits say today.
#[test]
fn every_trait_is_there() {
    fn has_all<P: Threads + ThreadSlots + Reactor>(_: &P) {}
    has_all(&NATIVE);
    assert!(
        NATIVE
            .caps()
            .contains(Caps::THREADS | Caps::THREAD_SLOTS | Caps::FILES)
    );
}

/// "Longer names are cut at a character boundary", as the kernel tells it.
#[cfg(target_os = "linux")]
#[test]
fn long_thread_names_are_cut_at_a_character_boundary() {
    use underpin_core::limits::THREAD_NAME_BYTES_MAX;
    for name in [
        "short",
        "exactly-fifteen",
        "sixteen-bytes-xy",
        "fourteen-bytes\u{e9}\u{e9}",
        "\u{1f600}\u{1f600}\u{1f600}\u{1f600}",
    ] {
        std::thread::spawn(move || {
            NATIVE.set_name(name).expect("any name is taken");
            let kept = std::fs::read_to_string("/proc/thread-self/comm").expect("procfs");
            let mut cut = name.len().min(THREAD_NAME_BYTES_MAX);
            while !name.is_char_boundary(cut) {
                cut -= 1;
            }
            assert_eq!(kept.trim_end_matches('\n'), &name[..cut]);
        })
        .join()
        .expect("the thread that named itself");
    }
}
