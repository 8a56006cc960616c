//! What only Windows does: its paths, its names of open files, its mandatory locks, its processor
//! groups, its way to die.
//!
//! The contracts that all platforms share are in the conformance suite.
#![cfg(windows)]
#![allow(unsafe_code, reason = "calls the system to look behind the platform")]
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

use core::ops::ControlFlow;
use std::io::Read as _;
use std::process::{Command, Stdio};
use underpin_core::limits::PATH_BYTES_MAX;
use underpin_core::platform::{
    Access, CpuSet, Create, Durability, Files, LockKind, Map, MapAccess, MappedBytes, Memory,
    OpenOptions, Platform, Threads,
};
use underpin_core::{Domain, Kind};
use underpin_windows::{File, Windows};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentThread, GetThreadDescription, SetProcessAffinityMask,
};

const P: Windows = Windows;

/// A fresh directory, removed with all that is in it.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("underpin-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).expect("a scratch directory");
        Self(path)
    }

    /// The bytes of a path in it.
    fn path(&self, name: &str) -> Vec<u8> {
        let mut path = self.0.as_os_str().as_encoded_bytes().to_vec();
        path.push(b'/');
        path.extend_from_slice(name.as_bytes());
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn fresh() -> OpenOptions {
    OpenOptions::read_write().with_create(Create::New)
}

fn write_only() -> OpenOptions {
    let mut options = OpenOptions::read_write();
    options.access = Access::Write;
    options
}

fn make(path: &[u8], bytes: &[u8]) -> File {
    let file = P.open(path, &fresh()).unwrap();
    P.write_all_at(&file, bytes, 0).unwrap();
    file
}

fn contents(file: &File) -> Vec<u8> {
    let bytes = P.file_metadata(file).unwrap().bytes;
    let mut all = vec![0; usize::try_from(bytes).unwrap()];
    P.read_exact_at(file, &mut all, 0).unwrap();
    all
}

fn names(path: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    P.list(path, &mut |entry| {
        found.push(String::from_utf8(entry.name.to_vec()).unwrap());
        ControlFlow::Continue(())
    })
    .unwrap();
    found.sort();
    found
}

/// Runs one test of this file again in a process of its own, with `UNDERPIN_CHILD` set.
fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env("UNDERPIN_CHILD", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn is_child() -> bool {
    std::env::var_os("UNDERPIN_CHILD").is_some()
}

#[test]
fn paths_past_260_units_work_in_every_call() {
    let scratch = Scratch::new("long");
    let mut directory = scratch.path("");
    for _ in 0..8 {
        directory.extend_from_slice(&[b'd'; 60]);
        P.create_directory(&directory).unwrap();
        directory.push(b'/');
    }
    assert!(directory.len() > 480);
    let [file, moved, linked] = ["file", "moved", "linked"].map(|name| {
        // What Win32 resolves in short paths is resolved in long ones.
        [
            &directory[..],
            b"./../",
            &[b'd'; 60],
            b"//",
            name.as_bytes(),
        ]
        .concat()
    });
    drop(make(&file, b"contents"));
    P.rename(&file, &moved).unwrap();
    P.hard_link(&moved, &linked).unwrap();
    assert_eq!(P.metadata(&linked).unwrap().link_count, 2);
    assert_eq!(names(&directory), ["linked", "moved"]);
    P.sync_directory(&directory).unwrap();
    P.remove_file(&moved).unwrap();
    assert_eq!(
        contents(&P.open(&linked, &OpenOptions::read()).unwrap()),
        b"contents"
    );
    P.remove_file(&linked).unwrap();
    P.remove_directory(&directory).unwrap();
}

#[test]
fn a_component_or_path_that_is_too_long_is_an_error() {
    let scratch = Scratch::new("too-long");
    let component = scratch.path(&"c".repeat(256));
    let error = P.open(&component, &fresh()).unwrap_err();
    assert!(
        matches!(error.kind(), Kind::InvalidInput | Kind::NotFound),
        "{error}"
    );
    let path = scratch.path(&"c/".repeat(PATH_BYTES_MAX));
    assert_eq!(
        P.open(&path, &fresh()).unwrap_err().kind(),
        Kind::InvalidInput
    );
}

#[test]
fn slashes_verbatim_paths_and_wildcards() {
    let scratch = Scratch::new("slashes");
    drop(make(&scratch.path("file"), b"x"));
    let backward: Vec<u8> = scratch
        .path("file")
        .iter()
        .map(|&byte| if byte == b'/' { b'\\' } else { byte })
        .collect();
    let verbatim = [b"\\\\?\\", &backward[..]].concat();
    let verbatim_forward: Vec<u8> = verbatim
        .iter()
        .map(|&byte| if byte == b'\\' { b'/' } else { byte })
        .collect();
    for path in [backward, verbatim, verbatim_forward] {
        assert_eq!(
            P.metadata(&path).unwrap().bytes,
            1,
            "{}",
            path.escape_ascii()
        );
    }
    let error = P
        .list(&scratch.path("*"), &mut |_| ControlFlow::Continue(()))
        .unwrap_err();
    assert!(
        matches!(error.kind(), Kind::InvalidInput | Kind::NotFound),
        "no pattern: {error}"
    );
}

#[test]
fn a_system_error_keeps_its_code() {
    let scratch = Scratch::new("code");
    let error = P
        .open(&scratch.path("missing"), &OpenOptions::read())
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.domain(), error.raw()),
        (Kind::NotFound, Domain::Win32, 2)
    );
}

#[test]
fn removing_an_open_file_frees_its_name_at_once() {
    let scratch = Scratch::new("remove-open");
    let path = scratch.path("file");
    let old = make(&path, b"old");
    P.remove_file(&path).unwrap();
    assert_eq!(P.metadata(&path).unwrap_err().kind(), Kind::NotFound);
    let new = make(&path, b"new one");
    P.write_all_at(&old, b"O", 0).unwrap();
    assert_eq!(contents(&old), b"Old");
    assert_eq!(contents(&new), b"new one");
    drop(old);
    assert_eq!(
        names(&scratch.path("")),
        ["file"],
        "nothing is left beside it"
    );
}

#[test]
fn a_read_only_file_is_removed_or_left_as_it_is() {
    let scratch = Scratch::new("read-only");
    let path = scratch.path("file");
    drop(make(&path, b"contents"));
    let on_disk = scratch.0.join("file");
    let mut permissions = std::fs::metadata(&on_disk).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&on_disk, permissions.clone()).unwrap();
    match P.remove_file(&path) {
        Ok(()) => assert_eq!(names(&scratch.path("")), [""; 0]),
        Err(error) => {
            assert_eq!(error.kind(), Kind::PermissionDenied);
            assert_eq!(names(&scratch.path("")), ["file"]);
            #[expect(clippy::permissions_set_readonly_false, reason = "this is Windows")]
            permissions.set_readonly(false);
            std::fs::set_permissions(&on_disk, permissions).unwrap();
        }
    }
}

#[test]
fn a_lock_keeps_nobody_from_reading_and_writing() {
    let scratch = Scratch::new("lock");
    let path = scratch.path("file");
    let holder = make(&path, b"contents");
    P.lock(&holder, LockKind::Exclusive).unwrap();
    let other = P.open(&path, &OpenOptions::read_write()).unwrap();
    assert_eq!(contents(&other), b"contents");
    P.write_all_at(&other, b"C", 0).unwrap();
    P.set_length(&other, 4).unwrap();
    assert_eq!(contents(&holder), b"Cont");
    assert_eq!(
        P.lock(&other, LockKind::Shared).unwrap_err().kind(),
        Kind::Busy
    );
    // A mapping keeps a handle of its own; the lock ends with the file's all the same.
    // SAFETY: nobody cuts the file while it is mapped, and no reference is made.
    let mapping = unsafe { P.map(&holder, 0, 4, MapAccess::ReadWrite) }.unwrap();
    drop(holder);
    P.lock(&other, LockKind::Exclusive).unwrap();
    assert_eq!(mapping.len(), 4);
}

#[test]
fn a_lock_changes_kind_in_place() {
    let scratch = Scratch::new("lock-kind");
    let path = scratch.path("file");
    let first = make(&path, b"");
    let second = P.open(&path, &OpenOptions::read()).unwrap();
    P.lock(&first, LockKind::Shared).unwrap();
    P.lock(&second, LockKind::Shared).unwrap();
    assert_eq!(
        P.lock(&first, LockKind::Exclusive).unwrap_err().kind(),
        Kind::Busy
    );
    P.unlock(&second).unwrap();
    assert_eq!(
        P.lock(&second, LockKind::Exclusive).unwrap_err().kind(),
        Kind::Busy,
        "the first kept its shared lock"
    );
    P.lock(&first, LockKind::Exclusive).unwrap();
    P.lock(&first, LockKind::Shared).unwrap();
    P.lock(&second, LockKind::Shared).unwrap();
}

#[test]
fn every_kind_of_handle_can_be_synced_and_grown() {
    let scratch = Scratch::new("handles");
    let path = scratch.path("file");
    let file = make(&path, b"abc");
    let reader = P.open(&path, &OpenOptions::read()).unwrap();
    for level in [Durability::Data, Durability::Barrier, Durability::Full] {
        assert!(P.sync(&reader, level).unwrap() >= level);
    }
    assert_eq!(
        P.preallocate(&reader, 0, 10).unwrap_err().kind(),
        Kind::PermissionDenied
    );
    let writer = P.open(&path, &write_only()).unwrap();
    P.preallocate(&writer, 0, 5_000).unwrap();
    let appender = P.open(&path, &write_only().with_append()).unwrap();
    P.preallocate(&appender, 5_000, 5_000).unwrap();
    P.preallocate(&appender, 0, 100).unwrap();
    assert_eq!(
        P.file_metadata(&file).unwrap().bytes,
        10_000,
        "grown, never cut"
    );
    P.set_length(&appender, 3).unwrap();
    P.append(&appender, b"def").unwrap();
    assert_eq!(contents(&file), b"abcdef");
}

#[test]
fn offsets_that_the_system_reads_as_something_else_are_refused() {
    let scratch = Scratch::new("offsets");
    let file = make(&scratch.path("file"), b"abc");
    // The end of the file, the cursor, and the first negative offset.
    for offset in [u64::MAX, u64::MAX - 1, 1 << 63, i64::MAX as u64] {
        let error = P.write_at(&file, b"x", offset).unwrap_err();
        assert_eq!(error.kind(), Kind::FileTooLarge, "{offset:#x}");
        let mut buffer = [core::mem::MaybeUninit::uninit(); 1];
        assert_eq!(
            P.read_at(&file, &mut buffer, offset).unwrap(),
            0,
            "{offset:#x}"
        );
    }
    assert_eq!(contents(&file), b"abc");
    assert_eq!(
        P.set_length(&file, u64::MAX).unwrap_err().kind(),
        Kind::FileTooLarge
    );
}

#[test]
fn truncation_keeps_what_is_hidden() {
    let scratch = Scratch::new("hidden");
    let path = scratch.path("file");
    drop(make(&path, b"contents"));
    let shell = Command::new("cmd")
        .args(["/c", "attrib", "+h"])
        .arg(scratch.0.join("file"))
        .status();
    if !shell.is_ok_and(|status| status.success()) {
        println!("skipped: no way to hide a file here");
        return;
    }
    let options = OpenOptions::read_write()
        .with_create(Create::IfMissing)
        .with_truncate();
    let file = P.open(&path, &options).unwrap();
    assert_eq!(P.file_metadata(&file).unwrap().bytes, 0);
}

#[test]
fn reservations_align_to_more_than_the_granularity() {
    let granularity = P.memory_info().granularity_bytes;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for shift in 0..10 {
                    let align = granularity << shift;
                    let at = P.reserve(granularity, align).unwrap();
                    assert!(at.as_ptr().addr().is_multiple_of(align));
                    // SAFETY: the reservation is ours and nothing refers to it.
                    unsafe { P.release(at, granularity) }.unwrap();
                }
            });
        }
    });
    let absurd = P.reserve(granularity, 1 << (usize::BITS - 2));
    assert_eq!(absurd.unwrap_err().kind(), Kind::OutOfMemory);
}

#[test]
fn a_release_in_the_middle_is_refused() {
    let granularity = P.memory_info().granularity_bytes;
    let at = P.reserve(4 * granularity, granularity).unwrap();
    // SAFETY: within the reservation; the platform can tell that this is not its start.
    unsafe {
        let middle = at.add(granularity);
        assert_eq!(
            P.release(middle, granularity).unwrap_err().kind(),
            Kind::InvalidInput
        );
        P.release(at, 4 * granularity).unwrap();
    }
}

#[test]
fn thread_names_reach_the_system() {
    for (name, kept) in [
        ("short", "short".to_string()),
        (&"n".repeat(200), "n".repeat(63)),
    ] {
        P.set_name(name).unwrap();
        let mut description = core::ptr::null_mut();
        // SAFETY: the pseudo handle is valid; the system's copy ends in a NUL and is left to the
        // process.
        let units = unsafe {
            assert!(GetThreadDescription(GetCurrentThread(), &raw mut description) >= 0);
            let mut length = 0;
            while *description.add(length) != 0 {
                length += 1;
            }
            core::slice::from_raw_parts(description, length)
        };
        assert_eq!(String::from_utf16(units).unwrap(), kept);
    }
}

#[test]
fn the_process_affinity_bounds_parallelism() {
    if !is_child() {
        let status = child("the_process_affinity_bounds_parallelism")
            .status()
            .unwrap();
        assert!(status.success(), "{status}");
        return;
    }
    let free = P.parallelism();
    // SAFETY: the pseudo handle is valid.
    assert!(unsafe { SetProcessAffinityMask(GetCurrentProcess(), 1) } != 0);
    assert_eq!(P.parallelism(), 1);
    let mut cpus = CpuSet::EMPTY;
    cpus.insert(0);
    P.set_affinity(&cpus).unwrap();
    if free > 1 {
        let mut outside = CpuSet::EMPTY;
        outside.insert(1);
        assert_eq!(
            P.set_affinity(&outside).unwrap_err().kind(),
            Kind::InvalidInput
        );
    }
}

#[test]
fn fatal_says_why_and_ends_the_process() {
    if is_child() {
        P.fatal("the last words");
    }
    let mut process = child("fatal_says_why_and_ends_the_process")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    process
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(!process.wait().unwrap().success());
    assert!(said.contains("the last words\r\n"), "{said:?}");
}
