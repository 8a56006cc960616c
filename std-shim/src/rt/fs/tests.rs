//! Files over each kind of ring: the second kind does itself what the first has threads do.

use super::*;
use crate::sys::{RingBackend, ring_support};

/// Runs `test` in a runtime over each kind of ring that this system has.
fn over_each_ring<F: Future>(test: impl Fn() -> F) {
    for backend in [RingBackend::Readiness, RingBackend::Completion] {
        if ring_support(backend).is_ok() {
            let runtime = crate::rt::Runtime::with_ring(backend).expect("a runtime");
            runtime.block_on(test());
        }
    }
}

#[test]
fn an_open_file_is_read_and_written_at_its_offsets() {
    let path = std::env::temp_dir().join(format!("underpin-rt-file-{}", std::process::id()));
    over_each_ring(|| async {
        let file = File::create(&path).await.expect("made");
        let bytes: Vec<u8> = (0..200_000_u32).map(|i| i as u8).collect();
        file.write_all_at(&bytes, 3).await.expect("written");
        // As where the system's memory has no room.
        let count = file.write_later(b"xyz", 0).await.expect("written");
        assert_eq!(count, 3);
        file.sync_all().await.expect("synced");
        assert_eq!(file.metadata().await.expect("known").len(), 200_003);
        let mut got = vec![0; 200_000];
        file.read_exact_at(&mut got, 3).await.expect("read");
        assert!(got == bytes);
        // As where the system's memory has nothing.
        got.fill(0);
        let count = file.read_later(&mut got, 3).await.expect("read");
        assert!(count == 200_000 && got == bytes);
        file.read_exact_at(&mut got[..3], 0).await.expect("read");
        assert_eq!(&got[..3], b"xyz");
        // The end, and offsets that no file has.
        assert_eq!(file.read_at(&mut got, 200_003).await.expect("end"), 0);
        let short = file.read_exact_at(&mut got, 4).await.expect_err("short");
        assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
        assert!(file.read_at(&mut got, u64::MAX).await.is_err());
        assert!(file.write_at(b"x", u64::MAX).await.is_err());
        file.set_len(2).await.expect("cut");
        drop(file);
        let file = File::open(&path).await.expect("opened");
        assert_eq!(file.read_at(&mut got, 0).await.expect("read"), 2);
        assert!(file.write_at(b"x", 0).await.is_err(), "read only");
        std::fs::remove_file(&path).expect("removed");
        let missing = File::open(&path).await.expect_err("removed");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let nul = File::open("a\0b").await.expect_err("no path");
        assert_eq!(nul.kind(), io::ErrorKind::InvalidInput);
    });
}

#[test]
fn a_task_that_reads_for_ever_lets_others_run() {
    over_each_ring(|| async {
        let file = File::open(std::env::current_exe().expect("a path")).await;
        let file = file.expect("opened");
        let reading = crate::rt::spawn(async move {
            let mut buffer = [0; 16];
            while file.read_at(&mut buffer, 0).await.is_ok() {}
        });
        for _ in 0..3 {
            crate::rt::yield_now().await;
        }
        reading.abort();
    });
}

#[test]
fn what_was_written_is_read_and_what_is_not_there_is_an_error() {
    let dir = std::env::temp_dir().join(format!("underpin-rt-fs-{}", std::process::id()));
    crate::rt::block_on(async {
        create_dir_all(&dir).await.expect("made");
        let (one, two) = (dir.join("one"), dir.join("two"));
        write(&one, b"bytes".to_vec()).await.expect("written");
        assert_eq!(copy(&one, &two).await.expect("copied"), 5);
        rename(&two, dir.join("three")).await.expect("renamed");
        assert_eq!(
            read_to_string(dir.join("three")).await.expect("read"),
            "bytes"
        );
        assert_eq!(read_dir(&dir).await.expect("listed").len(), 2);
        let missing = read(&two).await.expect_err("renamed away");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        remove_dir_all(&dir).await.expect("removed");
        assert!(metadata(&dir).await.is_err());
    })
    .expect("a runtime");
}
