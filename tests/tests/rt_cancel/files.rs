//! Files: what was given up may have happened, in part too, and what ends afterwards is right.
//!
//! What was given up may also happen yet: so what changes a file's length or content has a file of its own, or finds the bytes there that
//! it would write.

use super::drops::at_each_point;
use std::fs::OpenOptions;
use std::path::Path;
use underpin::rt::fs::{self, File};
use underpin::sys::RingBackend;

const BYTES: usize = 300_000;

pub(super) async fn all(backend: RingBackend) {
    // One for each: what was begun over one kind may still remove what the other has made.
    let name = format!("underpin-cancel-files-{backend:?}-{}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    at_each_point(async || fs::create_dir_all(&dir).await)
        .await
        .expect("made");
    open_files(&dir).await;
    whole_files(&dir).await;
    // Those that were begun before may still remove what this one looks at.
    while at_each_point(async || fs::remove_dir_all(&dir).await)
        .await
        .is_err()
        && dir.exists()
    {}
}

async fn open_files(dir: &Path) {
    let created = dir.join("created");
    drop(
        at_each_point(async || File::create(&created).await)
            .await
            .expect("made"),
    );
    let path = dir.join("one");
    let file = File::create(&path).await.expect("made");
    let bytes: Vec<u8> = (0..BYTES).map(|i| (i % 251) as u8).collect();
    for (at, piece) in bytes.chunks(70_000).enumerate() {
        let offset = (at * 70_000) as u64;
        at_each_point(async || file.write_all_at(piece, offset).await)
            .await
            .expect("written");
    }
    let count = at_each_point(async || file.write_at(&bytes[..10], 0).await).await;
    assert_eq!(count.expect("written"), 10);
    at_each_point(async || file.sync_data().await)
        .await
        .expect("synced");
    at_each_point(async || file.sync_all().await)
        .await
        .expect("synced");
    let known = at_each_point(async || file.metadata().await).await;
    assert_eq!(known.expect("known").len(), BYTES as u64);
    drop(file);

    let file = at_each_point(async || File::open(&path).await).await;
    let file = file.expect("opened");
    for _ in 0..3 {
        forget_content(&path);
        let mut got = vec![0; BYTES];
        at_each_point(async || file.read_exact_at(&mut got, 0).await)
            .await
            .expect("read");
        assert!(got == bytes);
        forget_content(&path);
        let mut few = [0; 100];
        let count = at_each_point(async || file.read_at(&mut few, 1000).await).await;
        assert_eq!(few[..count.expect("read")], bytes[1000..1100]);
    }
    let path = dir.join("cut");
    std::fs::write(&path, &bytes).expect("written");
    let mut options = OpenOptions::new();
    options.write(true);
    let file = at_each_point(async || File::open_with(options.clone(), &path).await).await;
    let file = file.expect("opened");
    at_each_point(async || file.set_len(5).await)
        .await
        .expect("cut");
    let left = at_each_point(async || fs::read(&path).await).await;
    assert_eq!(left.expect("read"), bytes[..5]);
}

async fn whole_files(dir: &Path) {
    let (one, two) = (dir.join("text"), dir.join("other"));
    at_each_point(async || fs::write(dir.join("written"), "text").await)
        .await
        .expect("written");
    fs::write(&one, "text").await.expect("written");
    let text = at_each_point(async || fs::read_to_string(&one).await).await;
    assert_eq!(text.expect("read"), "text");
    let known = at_each_point(async || fs::metadata(&one).await).await;
    assert_eq!(known.expect("known").len(), 4);
    let copied = at_each_point(async || fs::copy(&one, &two).await).await;
    assert_eq!(copied.expect("copied"), 4);
    let listed = at_each_point(async || fs::read_dir(dir).await).await;
    assert_eq!(listed.expect("listed").len(), 6);
    // The first of them that had begun has done it.
    drop(at_each_point(async || fs::rename(&two, dir.join("third")).await).await);
    drop(at_each_point(async || fs::remove_file(&one).await).await);
}

/// Has the system forget what it holds of a file in memory, so that the next read must wait.
fn forget_content(path: &Path) {
    #[cfg(target_os = "linux")]
    {
        let file = std::fs::File::open(path).expect("opened");
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("advised");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = path;
}
