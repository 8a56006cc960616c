//! What is Linux's own about files: append handles, vectored lists, locks, the ends of the offset range.
#![allow(unsafe_code, reason = "reads fill uninitialised memory")]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

extern crate alloc;

use alloc::collections::BTreeMap;
use core::mem::MaybeUninit;
use core::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use underpin_core::Kind;
use underpin_core::platform::{
    Access, Create, Durability, FileKind, Files, LockKind, Map, MapAccess, MappedBytes, OpenOptions,
};
use underpin_linux::{File, Linux};

/// A directory of the test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("underpin-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> Vec<u8> {
        self.0.join(name).as_os_str().as_bytes().to_vec()
    }

    fn open(&self, name: &str) -> File {
        let options = OpenOptions::read_write().with_create(Create::IfMissing);
        Linux.open(&self.path(name), &options).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn read(file: &File, bytes: usize, offset: u64) -> underpin_core::Result<Vec<u8>> {
    let mut buffer = vec![MaybeUninit::<u8>::uninit(); bytes];
    let count = Linux.read_at(file, &mut buffer, offset)?;
    // SAFETY: `read_at` initialised that many bytes.
    Ok(unsafe { buffer[..count].assume_init_ref() }.to_vec())
}

#[test]
fn an_append_handle_appends_and_does_nothing_else() {
    let scratch = Scratch::new("append");
    let plain = scratch.open("a");
    let appending = OpenOptions::read_write().with_append();
    let (one, two) = (
        Linux.open(&scratch.path("a"), &appending).unwrap(),
        Linux.open(&scratch.path("a"), &appending).unwrap(),
    );
    assert_eq!(Linux.append(&one, b"ab").unwrap(), 2);
    assert_eq!(Linux.append(&two, b"cd").unwrap(), 2);
    assert_eq!(Linux.append(&one, b"ef").unwrap(), 2);
    assert_eq!(read(&plain, 10, 0).unwrap(), b"abcdef");
    assert_eq!(
        Linux.write_at(&one, b"x", 0).unwrap_err().kind(),
        Kind::InvalidInput
    );
    let vectored = Linux.write_vectored_at(&one, &[b"x"], 0);
    assert_eq!(vectored.unwrap_err().kind(), Kind::InvalidInput);
    assert_eq!(
        Linux.append(&plain, b"x").unwrap_err().kind(),
        Kind::InvalidInput
    );
    assert_eq!(
        read(&plain, 10, 0).unwrap(),
        b"abcdef",
        "refused writes wrote nothing"
    );
}

#[test]
fn vectored_lists_of_any_length_transfer_a_prefix() {
    let scratch = Scratch::new("vectored");
    let file = scratch.open("a");
    for count in [0_usize, 1, 2, 63, 64, 65, 200, 2000] {
        let chunks: Vec<Vec<u8>> = (0..count).map(|n| vec![n as u8; n % 5]).collect();
        let slices: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let whole = chunks.concat();
        let written = Linux.write_vectored_at(&file, &slices, 7).unwrap();
        assert!(written <= whole.len() && (written > 0 || whole.is_empty()));
        assert!(written == whole.len() || count > 64);
        assert_eq!(read(&file, written, 7).unwrap(), whole[..written]);

        let mut places = vec![vec![MaybeUninit::new(0xee_u8); 3]; count];
        let mut buffers: Vec<&mut [MaybeUninit<u8>]> = places
            .iter_mut()
            .enumerate()
            .map(|(n, place)| &mut place[..n % 4])
            .collect();
        let read_bytes = Linux.read_vectored_at(&file, &mut buffers, 7).unwrap();
        // SAFETY: all places were initialised above, and reading only initialises more.
        let got: Vec<u8> = buffers
            .iter()
            .flat_map(|b| unsafe { b.assume_init_ref() })
            .copied()
            .collect();
        assert!(
            got[read_bytes..].iter().all(|&byte| byte == 0xee),
            "nothing past the count"
        );
        assert_eq!(got[..read_bytes], read(&file, read_bytes, 7).unwrap());
    }
}

#[test]
fn the_ends_of_the_offset_range_are_ordinary_errors() {
    let scratch = Scratch::new("offsets");
    let file = scratch.open("a");
    Linux.write_all_at(&file, b"abc", 0).unwrap();
    let last = i64::MAX.unsigned_abs();
    for offset in [3, 1 << 40, last - 1, last, last + 1, u64::MAX] {
        assert_eq!(read(&file, 8, offset).unwrap(), b"", "offset {offset:#x}");
        let mut place = [MaybeUninit::uninit(); 8];
        let count = Linux.read_vectored_at(&file, &mut [&mut place], offset);
        assert_eq!(count, Ok(0));
    }
    for offset in [last - 1, last, last + 1, u64::MAX] {
        let error = Linux.write_at(&file, b"0123456789", offset).unwrap_err();
        assert_eq!(error.kind(), Kind::FileTooLarge, "offset {offset:#x}");
        let error = Linux
            .write_vectored_at(&file, &[b"01", b"23"], offset)
            .unwrap_err();
        assert_eq!(error.kind(), Kind::FileTooLarge);
        assert_eq!(
            Linux.set_length(&file, offset).unwrap_err().kind(),
            Kind::FileTooLarge
        );
        let error = Linux.preallocate(&file, offset, 4).unwrap_err();
        assert!(matches!(error.kind(), Kind::FileTooLarge | Kind::NoSpace));
    }
    assert_eq!(Linux.file_metadata(&file).unwrap().bytes, 3);
}

#[test]
fn locks_exclude_handles_of_one_process_and_survive_a_failed_upgrade() {
    let scratch = Scratch::new("lock");
    let (a, b, c) = (scratch.open("l"), scratch.open("l"), scratch.open("l"));
    Linux.lock(&a, LockKind::Exclusive).unwrap();
    for kind in [LockKind::Shared, LockKind::Exclusive] {
        assert_eq!(Linux.lock(&b, kind).unwrap_err().kind(), Kind::Busy);
    }
    Linux.lock(&a, LockKind::Shared).unwrap();
    Linux.lock(&b, LockKind::Shared).unwrap();
    assert_eq!(
        Linux.lock(&b, LockKind::Exclusive).unwrap_err().kind(),
        Kind::Busy
    );
    Linux.unlock(&a).unwrap();
    Linux.unlock(&a).unwrap();
    let still_shared = Linux.lock(&c, LockKind::Exclusive).unwrap_err();
    assert_eq!(still_shared.kind(), Kind::Busy, "b kept what it had");
    drop(b);
    Linux.lock(&c, LockKind::Exclusive).unwrap();
}

#[test]
fn a_large_directory_is_listed_whole() {
    let scratch = Scratch::new("list");
    std::fs::create_dir(scratch.0.join("d")).unwrap();
    std::os::unix::fs::symlink("nowhere", scratch.0.join("l")).unwrap();
    let mut expected = BTreeMap::from([
        (b"d".to_vec(), FileKind::Directory),
        (b"l".to_vec(), FileKind::Link),
    ]);
    for n in 0..3000 {
        // Long names, so that several buffers are needed.
        let name = format!("{n:0100}");
        std::fs::write(scratch.0.join(&name), b"").unwrap();
        expected.insert(name.into_bytes(), FileKind::File);
    }
    let mut found = BTreeMap::new();
    Linux
        .list(&scratch.path(""), &mut |entry| {
            let before = found.insert(entry.name.to_vec(), entry.kind);
            assert_eq!(before, None, "once each");
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(found, expected);
    let mut visited = 0;
    Linux
        .list(&scratch.path(""), &mut |_| {
            visited += 1;
            if visited == 10 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap();
    assert_eq!(visited, 10);
}

#[test]
fn mappings_share_the_file_and_check_their_range() {
    let scratch = Scratch::new("map");
    let file = scratch.open("m");
    Linux.set_length(&file, 10_000).unwrap();
    // SAFETY: the file is this test's own and keeps its length while mapped.
    let map = |offset, bytes, access| unsafe { Linux.map(&file, offset, bytes, access) };
    for (offset, bytes) in [
        (0, 0),
        (1, 10),
        (0, 10_001),
        (8192, 4096),
        (1 << 40, 1),
        (0, usize::MAX),
    ] {
        let error = map(offset, bytes, MapAccess::Read).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput, "{offset} {bytes}");
    }
    let mapping = map(4096, 5904, MapAccess::ReadWrite).unwrap();
    // SAFETY: the mapping is writable and nobody else touches the file meanwhile.
    unsafe { mapping.as_mut_ptr().write_bytes(b'z', mapping.len()) };
    Linux.flush_map(&mapping, 5000, 904).unwrap();
    assert_eq!(
        Linux.flush_map(&mapping, 5000, 905).unwrap_err().kind(),
        Kind::InvalidInput
    );
    assert_eq!(
        read(&file, 6000, 4090).unwrap(),
        [&[0; 6][..], &[b'z'; 5904]].concat()
    );
    let read_only = map(0, 1, MapAccess::Read).unwrap();
    assert!(read_only.as_mut_ptr().is_null());
    let options = OpenOptions::read();
    let reader = Linux.open(&scratch.path("m"), &options).unwrap();
    // SAFETY: as above.
    let refused = unsafe { Linux.map(&reader, 0, 1, MapAccess::ReadWrite) };
    assert_eq!(refused.unwrap_err().kind(), Kind::PermissionDenied);
}

#[test]
fn holes_space_and_syncs() {
    let scratch = Scratch::new("space");
    let file = scratch.open("s");
    Linux.preallocate(&file, 0, 65536).unwrap();
    assert_eq!(Linux.file_metadata(&file).unwrap().bytes, 65536);
    Linux.write_all_at(&file, &vec![7; 65536], 0).unwrap();
    Linux.punch(&file, 4096, 8192).unwrap();
    assert_eq!(
        read(&file, 8193, 4096).unwrap(),
        [&[0; 8192][..], &[7]].concat()
    );
    assert_eq!(Linux.file_metadata(&file).unwrap().bytes, 65536);
    for level in [Durability::Data, Durability::Barrier, Durability::Full] {
        assert!(Linux.sync(&file, level).unwrap() >= level);
    }
    Linux.sync_directory(&scratch.path("")).unwrap();
    let not_a_directory = Linux.sync_directory(&scratch.path("s")).unwrap_err();
    assert_eq!(not_a_directory.kind(), Kind::NotADirectory);
    Linux.close(file).unwrap();
}

#[test]
fn handles_are_not_inherited_and_access_is_checked() {
    let scratch = Scratch::new("access");
    let file = scratch.open("f");
    let number = file.raw_fd().to_string();
    let seen = std::process::Command::new("ls")
        .args(["-l", "/proc/self/fd"])
        .output()
        .unwrap();
    let seen = String::from_utf8(seen.stdout).unwrap();
    let own = std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
    assert!(
        own.ends_with("f") && !seen.contains(own.to_str().unwrap()),
        "{seen}"
    );
    let mut options = OpenOptions::read();
    options.access = Access::Write;
    let writer = Linux.open(&scratch.path("f"), &options).unwrap();
    let reader = Linux
        .open(&scratch.path("f"), &OpenOptions::read())
        .unwrap();
    assert_eq!(read(&writer, 1, 0).unwrap_err().kind(), Kind::InvalidInput);
    assert_eq!(
        Linux.write_at(&reader, b"x", 0).unwrap_err().kind(),
        Kind::InvalidInput
    );
    assert_eq!(
        Linux.set_length(&reader, 0).unwrap_err().kind(),
        Kind::InvalidInput
    );
}

/// Linux says the same (`EPERM`) of a file system without hard links and of a directory, which none may link.
#[test]
fn a_hard_link_that_cannot_be_is_unsupported() {
    let scratch = Scratch::new("no-link");
    std::fs::create_dir(scratch.0.join("d")).unwrap();
    let error = Linux.hard_link(&scratch.path("d"), &scratch.path("e"));
    assert_eq!(error.unwrap_err().kind(), Kind::Unsupported);
}
