//! Every capability once through the public interface, with what is particular to macOS. The contracts themselves are tested by the conformance suite.
#![cfg(target_os = "macos")]
#![allow(unsafe_code, reason = "calls unsafe methods of the seam")]
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests' code as well"
)]

use core::mem::MaybeUninit;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::path::PathBuf;
use underpin_core::Kind;
use underpin_core::platform::{
    Caps, Clock, ClockId, CpuSet, Create, Durability, Entropy, FileKind, Files, LockKind, Map,
    MapAccess, MappedBytes, Memory, Net, OpenOptions, Park, Platform, Protection, Reactor,
    RingOptions, SlotKey, ThreadOptions, ThreadSlots, Threads, Woken,
};
use underpin_macos::Macos;

/// A directory of this process and test; removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("underpin-{}-{name}", std::process::id()));
        Macos
            .create_directory(path.as_os_str().as_encoded_bytes())
            .unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> Vec<u8> {
        self.0.join(name).into_os_string().into_encoded_bytes()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn new_file(options: OpenOptions) -> OpenOptions {
    options.with_create(Create::New)
}

#[test]
fn clocks_advance_and_have_a_step() {
    for id in [
        ClockId::Monotonic,
        ClockId::Boot,
        ClockId::Real,
        ClockId::ThreadCpu,
    ] {
        assert!(Macos.resolution_ns(id) >= 1, "{id:?}");
        let before = Macos.now(id);
        assert!(Macos.now(id) >= before, "{id:?}");
    }
    let monotonic = Macos.now(ClockId::Monotonic);
    assert!(Macos.now(ClockId::Boot) >= monotonic);
}

#[test]
fn entropy_fills_more_than_one_call_gives() {
    let mut bytes = [MaybeUninit::new(0u8); 1000];
    Macos.fill(&mut bytes).unwrap();
    // SAFETY: initialised above.
    let zeros = bytes
        .iter()
        .filter(|byte| unsafe { byte.assume_init() } == 0)
        .count();
    assert!(zeros < 40, "{zeros} zeros");
}

#[test]
fn memory_reads_zero_again_after_decommit() {
    let info = Macos.memory_info();
    let (bytes, align) = (4 * info.page_bytes, 1 << 21);
    let start = Macos.reserve(bytes, align).unwrap();
    assert_eq!(start.addr().get() % align, 0);
    // SAFETY: the range is the reservation just made, and touched only while committed.
    unsafe {
        Macos.commit(start, bytes).unwrap();
        start.as_ptr().write_bytes(7, bytes);
        Macos.decommit(start, info.page_bytes).unwrap();
        Macos.commit(start, info.page_bytes).unwrap();
        assert_eq!(start.as_ptr().read(), 0);
        assert_eq!(start.as_ptr().add(info.page_bytes).read(), 7);
        Macos.protect(start, bytes, Protection::Read).unwrap();
        assert_eq!(
            Macos.advise_huge(start, bytes, true).unwrap_err().kind(),
            Kind::Unsupported
        );
        Macos.release(start, bytes).unwrap();
    }
}

#[test]
fn a_word_wakes_its_waiter_and_deadlines_hold() {
    static WORD: AtomicU32 = AtomicU32::new(0);
    let until = Macos
        .now(ClockId::Monotonic)
        .saturating_add(Duration::from_millis(10));
    assert_eq!(Macos.wait(&WORD, 1, None), Woken::Changed);
    assert_eq!(Macos.wait(&WORD, 0, Some(until)), Woken::TimedOut);
    assert!(Macos.now(ClockId::Monotonic) >= until);
    let waiter = std::thread::spawn(|| {
        while WORD.load(Ordering::Acquire) == 0 {
            Macos.wait(&WORD, 0, None);
        }
    });
    std::thread::sleep(Duration::from_millis(10));
    WORD.store(1, Ordering::Release);
    Macos.wake(&raw const WORD, u32::MAX);
    waiter.join().unwrap();
    assert_eq!(Macos.wake(&raw const WORD, 1), 0);
}

unsafe extern "C" fn add_one(argument: *mut u8) {
    // SAFETY: the tests pass a static counter.
    unsafe { &*argument.cast::<AtomicU32>() }.fetch_add(1, Ordering::Relaxed);
}

unsafe extern "C" fn set_slot(argument: *mut u8) {
    // SAFETY: the test passes a live key and the counter, which is what the hook takes.
    unsafe {
        let (key, counter) = *argument.cast::<(SlotKey, &'static AtomicU32)>();
        let value: *const AtomicU32 = counter;
        Macos.slot_set(key, value.cast_mut().cast()).unwrap();
        assert!(!Macos.slot_get(key).is_null());
    }
}

#[test]
fn a_thread_runs_and_its_slot_hook_has_run_when_it_is_joined() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let counter: *const AtomicU32 = &raw const RUNS;
    let options = ThreadOptions::new()
        .with_name("a name that is longer than sixty-three bytes, of which the rest is cut off")
        .with_stack_bytes(100_000);
    // SAFETY: the entry takes a counter, which is static.
    let thread = unsafe { Macos.spawn(&options, add_one, counter.cast_mut().cast()) }.unwrap();
    Macos.join(thread).unwrap();
    assert_eq!(RUNS.load(Ordering::Relaxed), 1);

    // SAFETY: only the counter is ever stored in the slot.
    let key = unsafe { Macos.slot_create(Some(add_one)) }.unwrap();
    let mut argument: (SlotKey, &'static AtomicU32) = (key, &RUNS);
    let argument: *mut (SlotKey, &'static AtomicU32) = &raw mut argument;
    // SAFETY: the argument outlives the thread, which is joined below.
    let thread = unsafe { Macos.spawn(&ThreadOptions::new(), set_slot, argument.cast()) }.unwrap();
    Macos.join(thread).unwrap();
    assert_eq!(RUNS.load(Ordering::Relaxed), 2);
    // SAFETY: no thread has it any more.
    unsafe { Macos.slot_delete(key) };

    Macos.set_name("test").unwrap();
    Macos.yield_now();
    assert_ne!(Macos.thread_id(), 0);
    assert!(Macos.parallelism() >= 1);
    let mut cpus = CpuSet::EMPTY;
    cpus.insert(0);
    assert_eq!(
        Macos.set_affinity(&cpus).unwrap_err().kind(),
        Kind::Unsupported
    );
    let bound = ThreadOptions::new().with_affinity(&cpus);
    // SAFETY: as for the first thread.
    let refused = unsafe { Macos.spawn(&bound, add_one, counter.cast_mut().cast()) };
    assert_eq!(refused.unwrap_err().kind(), Kind::Unsupported);
}

#[test]
fn a_file_keeps_what_vectors_and_holes_say() {
    let scratch = Scratch::new("vectors");
    let path = scratch.path("file");
    let file = Macos
        .open(&path, &new_file(OpenOptions::read_write()))
        .unwrap();
    // Systems before macOS 11 move one buffer a call.
    let slices: [&[u8]; 4] = [b"", b"abc", b"", b"defg"];
    let mut written = Macos.write_vectored_at(&file, &slices, 1).unwrap();
    if written == 3 {
        written += Macos.write_vectored_at(&file, &slices[3..], 4).unwrap();
    }
    assert_eq!(written, 7);
    let (mut first, mut second) = ([MaybeUninit::new(0u8); 4], [MaybeUninit::new(0u8); 10]);
    let read = Macos
        .read_vectored_at(&file, &mut [&mut first, &mut [], &mut second], 0)
        .unwrap();
    assert!(read == 8 || read == 4, "{read}");
    // SAFETY: initialised from the start.
    let (first, second) = unsafe {
        (
            first.map(|byte| byte.assume_init()),
            second.map(|byte| byte.assume_init()),
        )
    };
    assert_eq!(first, *b"\0abc");
    if read == 8 {
        assert_eq!(second, *b"defg\0\0\0\0\0\0");
    }

    Macos.preallocate(&file, 0, 100_000).unwrap();
    assert_eq!(Macos.file_metadata(&file).unwrap().bytes, 100_000);
    Macos.write_all_at(&file, &vec![9; 100_000], 0).unwrap();
    match Macos.punch(&file, 5_000, 50_000) {
        Ok(()) => {
            let mut bytes = vec![1; 100_000];
            Macos.read_exact_at(&file, &mut bytes, 0).unwrap();
            for (at, byte) in bytes.iter().enumerate() {
                let wanted = if (5_000..55_000).contains(&at) { 0 } else { 9 };
                assert_eq!(*byte, wanted, "at {at}");
            }
        }
        Err(error) => assert_eq!(error.kind(), Kind::Unsupported),
    }
    for level in [Durability::Data, Durability::Barrier, Durability::Full] {
        println!("{level:?} reached {:?}", Macos.sync(&file, level).unwrap());
    }
    Macos.set_length(&file, 10).unwrap();
    Macos.close(file).unwrap();
    assert_eq!(Macos.metadata(&path).unwrap().bytes, 10);
}

#[test]
fn an_append_handle_takes_no_offset_and_locks_exclude_other_handles() {
    let scratch = Scratch::new("locks");
    let path = scratch.path("log");
    let log = Macos
        .open(&path, &new_file(OpenOptions::read_write()).with_append())
        .unwrap();
    assert_eq!(Macos.append(&log, b"abc").unwrap(), 3);
    assert_eq!(
        Macos.write_at(&log, b"x", 0).unwrap_err().kind(),
        Kind::InvalidInput
    );
    let other = Macos.open(&path, &OpenOptions::read()).unwrap();
    Macos.lock(&log, LockKind::Exclusive).unwrap();
    assert_eq!(
        Macos.lock(&other, LockKind::Shared).unwrap_err().kind(),
        Kind::Busy
    );
    Macos.unlock(&log).unwrap();
    Macos.lock(&other, LockKind::Shared).unwrap();
}

#[test]
fn directories_list_what_was_renamed_linked_and_removed() {
    let scratch = Scratch::new("names");
    let (old, new, link) = (
        scratch.path("old"),
        scratch.path("new"),
        scratch.path("link"),
    );
    let options = new_file(OpenOptions::read_write());
    drop(Macos.open(&old, &options).unwrap());
    Macos.rename(&old, &new).unwrap();
    Macos.hard_link(&new, &link).unwrap();
    Macos.create_directory(&scratch.path("inner")).unwrap();
    Macos
        .sync_directory(scratch.0.as_os_str().as_encoded_bytes())
        .unwrap();
    let mut names = Vec::new();
    Macos
        .list(scratch.0.as_os_str().as_encoded_bytes(), &mut |entry| {
            names.push((entry.name.to_vec(), entry.kind));
            ControlFlow::Continue(())
        })
        .unwrap();
    names.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(
        names,
        [
            (b"inner".to_vec(), FileKind::Directory),
            (b"link".to_vec(), FileKind::File),
            (b"new".to_vec(), FileKind::File)
        ]
    );
    Macos.remove_file(&link).unwrap();
    Macos.remove_directory(&scratch.path("inner")).unwrap();
    assert_eq!(Macos.metadata(&link).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn a_mapping_shows_the_file_and_writes_to_it() {
    let scratch = Scratch::new("map");
    let file = Macos
        .open(&scratch.path("file"), &new_file(OpenOptions::read_write()))
        .unwrap();
    Macos.write_all_at(&file, b"hello", 0).unwrap();
    // SAFETY: the file is this test's own and is not cut short.
    let mapping = unsafe { Macos.map(&file, 0, 5, MapAccess::ReadWrite) }.unwrap();
    // SAFETY: mapped, and nobody else writes.
    unsafe {
        assert_eq!(mapping.as_ptr().read(), b'h');
        mapping.as_mut_ptr().write(b'j');
    }
    Macos.flush_map(&mapping, 1, 4).unwrap();
    let mut bytes = [0; 5];
    Macos.read_exact_at(&file, &mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"jello");
}

#[test]
fn what_is_not_there_yet_says_so() {
    let address = "127.0.0.1:0".parse().unwrap();
    let listen = Macos.listen(&address, &underpin_core::platform::ListenOptions::default());
    assert_eq!(listen.unwrap_err().kind(), Kind::Unsupported);
    assert_eq!(
        Macos.ring(&RingOptions::default()).unwrap_err().kind(),
        Kind::Unsupported
    );
    let absent = Caps::NET | Caps::REACTOR | Caps::AFFINITY | Caps::HUGE_PAGES;
    assert!(!Macos.caps().intersects(absent));
    assert_eq!(Macos::NAME, "macos");
}
