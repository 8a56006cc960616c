//! Files, directories, space, locks and mappings on a machine that stays on.

use super::*;
use crate::platform::{FileKind, LockKind, Map, MapAccess, MappedBytes};

#[test]
fn space_is_bounded_counted_and_given_back() {
    let options = SimOptions::new(1).with_faults(SimFaults::none());
    let sim = Sim::new(options.with_disk_bytes(4 * 4096));
    let file = create(&sim, b"/a");
    assert_eq!(
        sim.write_at(&file, &vec![1; 20_000], 0).unwrap(),
        16_384,
        "what fits"
    );
    let error = sim.write_at(&file, b"x", 16_384).unwrap_err();
    assert_eq!(error.kind(), Kind::NoSpace);
    assert_eq!(
        sim.preallocate(&file, 0, 20_000).unwrap_err().kind(),
        Kind::NoSpace
    );
    sim.write_all_at(&file, &[2; 100], 0).unwrap();
    sim.punch(&file, 0, 8192).unwrap();
    assert_eq!(read_all(&sim, &file)[..8192], [0; 8192]);
    sim.write_all_at(&file, &[3; 4096], 1 << 30).unwrap();
    sim.remove_file(b"/a").unwrap();
    assert_eq!(
        sim.disk_snapshot().used_bytes(),
        3 * 4096,
        "the handle keeps it"
    );
    drop(file);
    assert_eq!(sim.disk_snapshot().used_bytes(), 0);
    assert!(sim.leaks().is_empty());
}

#[test]
fn names_follow_the_rules() {
    let sim = calm(1);
    sim.create_directory(b"/d").unwrap();
    drop(create(&sim, b"/d/f"));
    let kind = |result: Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(sim.create_directory(b"/d")), Kind::AlreadyExists);
    assert_eq!(kind(sim.create_directory(b"/")), Kind::AlreadyExists);
    assert_eq!(kind(sim.create_directory(b"/x/y")), Kind::NotFound);
    assert_eq!(kind(sim.remove_directory(b"/d")), Kind::DirectoryNotEmpty);
    assert_eq!(kind(sim.remove_directory(b"/d/f")), Kind::NotADirectory);
    assert_eq!(kind(sim.remove_file(b"/d")), Kind::IsADirectory);
    assert_eq!(kind(sim.rename(b"/d/f", b"/d")), Kind::IsADirectory);
    assert_eq!(kind(sim.rename(b"/d", b"/d/f")), Kind::InvalidInput);
    assert_eq!(kind(sim.rename(b"/d", b"/d/e")), Kind::InvalidInput);
    assert_eq!(kind(sim.metadata(b"/d/f/g").map(drop)), Kind::NotADirectory);
    assert_eq!(kind(sim.metadata(b"").map(drop)), Kind::InvalidInput);
    assert_eq!(kind(sim.metadata(b"a\0b").map(drop)), Kind::InvalidInput);
    assert_eq!(
        kind(sim.metadata(&[b'a'; 5000]).map(drop)),
        Kind::InvalidInput
    );
    sim.hard_link(b"/d/f", b"g").unwrap();
    assert_eq!(sim.metadata(b"/d/../g").unwrap().link_count, 2);
    sim.rename(b"/d", b"/e").unwrap();
    assert_eq!(sim.metadata(b"e/./f").unwrap().kind, FileKind::File);
    sim.rename(b"/e/f", b"/g").unwrap();
    assert_eq!(
        names(&sim, b"/e").len(),
        1,
        "two names of one file: nothing happens"
    );
    sim.remove_file(b"/e/f").unwrap();
    sim.remove_directory(b"/e/").unwrap();
    assert_eq!(names(&sim, b"/"), [b"g"]);
}

#[test]
fn locks_exclude_other_handles() {
    let sim = calm(1);
    let (a, b) = (create(&sim, b"/l"), create(&sim, b"/l"));
    sim.lock(&a, LockKind::Shared).unwrap();
    sim.lock(&b, LockKind::Shared).unwrap();
    assert_eq!(
        sim.lock(&b, LockKind::Exclusive).unwrap_err().kind(),
        Kind::Busy
    );
    sim.unlock(&a).unwrap();
    sim.lock(&b, LockKind::Exclusive).unwrap();
    assert_eq!(
        sim.lock(&a, LockKind::Shared).unwrap_err().kind(),
        Kind::Busy
    );
    drop(b);
    sim.lock(&a, LockKind::Exclusive).unwrap();
}

#[test]
#[allow(unsafe_code, reason = "mappings are raw memory")]
fn mappings_share_bytes_with_the_file_and_obey_crashes() {
    let mut outcomes = alloc::collections::BTreeSet::new();
    for seed in 0..60 {
        let sim = calm(seed);
        let file = create(&sim, b"/m");
        sim.sync_directory(b"/").unwrap();
        sim.write_all_at(&file, &vec![1; 70_000], 0).unwrap();
        // SAFETY: nobody cuts the file, and no references into the mappings are made.
        let (one, two) = unsafe {
            (
                sim.map(&file, 0, 70_000, MapAccess::ReadWrite).unwrap(),
                sim.map(&file, 65_536, 100, MapAccess::Read).unwrap(),
            )
        };
        assert!(two.as_mut_ptr().is_null());
        // SAFETY: within the mappings.
        unsafe { one.as_mut_ptr().add(65_540).write(2) };
        // SAFETY: as above.
        assert_eq!(unsafe { two.as_ptr().add(4).read() }, 2);
        assert_eq!(read_all(&sim, &file)[65_540], 2);
        sim.write_all_at(&file, &[3], 65_541).unwrap();
        // SAFETY: as above.
        assert_eq!(unsafe { two.as_ptr().add(5).read() }, 3);
        sim.flush_map(&one, 65_536, 100).unwrap();
        // SAFETY: as above.
        unsafe { one.as_mut_ptr().write(9) };
        sim.power_loss();
        let bytes = contents(&sim.reboot(), b"/m");
        assert_eq!(bytes[65_540..65_542], [2, 3], "flushed");
        outcomes.insert(bytes[0]);
    }
    assert_eq!(outcomes, alloc::collections::BTreeSet::from([1, 9]));
}
