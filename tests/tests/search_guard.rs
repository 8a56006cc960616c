//! Searches read nothing outside the haystack: it lies between two pages of which any access faults.
#![allow(unsafe_code, reason = "memory from the platform")]

use core::slice;
use underpin::sys::{Memory, Native, Protection, native};
use underpin_core::search::detect::Level;
use underpin_core::search::memmem::{self, Finder};
use underpin_core::search::multi::{Multi, Options};
use underpin_core::search::{self, ByteSet, case, distance, fold, utf8, utf16};

const NATIVE: Native = native();

/// Some pages between two that fault.
struct Fenced {
    start: core::ptr::NonNull<u8>,
    page: usize,
}

impl Fenced {
    fn new() -> Self {
        let info = NATIVE.memory_info();
        let page = info.page_bytes.max(info.granularity_bytes);
        let start = NATIVE.reserve(3 * page, page).expect("addresses");
        // SAFETY: within the reservation, which nothing else uses; the outer pages are not accessed from here on.
        unsafe {
            NATIVE.commit(start, 3 * page).expect("memory");
            NATIVE
                .protect(start, page, Protection::None)
                .expect("a fence");
            NATIVE
                .protect(start.add(2 * page), page, Protection::None)
                .expect("a fence");
        }
        Self { start, page }
    }

    /// The page between.
    fn page(&mut self) -> &mut [u8] {
        // SAFETY: committed, readable and writable, and borrowed from `self` alone.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr().add(self.page), self.page) }
    }
}

impl Drop for Fenced {
    fn drop(&mut self) {
        // SAFETY: the whole reservation, which nothing refers into any more.
        let _ = unsafe { NATIVE.release(self.start, 3 * self.page) };
    }
}

fn search_all(haystack: &[u8]) {
    for needle in [
        &b"ab"[..],
        b"abc",
        b"abcdefgh",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
    ] {
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            let finder = Finder::for_level(level, needle).expect("available");
            assert_eq!(finder.find(haystack), None);
            assert_eq!(finder.rfind(haystack), None);
            assert_eq!(finder.find_iter(haystack).next(), None);
            assert_eq!(finder.rfind_iter(haystack).next(), None);
            let finder = case::Finder::for_level(level, needle).expect("available");
            assert_eq!(finder.find(haystack), None);
            let text = core::str::from_utf8(needle).expect("ASCII");
            assert_eq!(
                fold::Finder::for_level(level, text)
                    .expect("available")
                    .find(haystack),
                None
            );
        }
        assert_eq!(memmem::find(haystack, needle), None);
        assert_eq!(memmem::rfind(haystack, needle), None);
        let nearest = distance::find_near(haystack, needle, 1);
        assert!(nearest.is_none_or(|at| at + needle.len() <= haystack.len()));
    }
    assert_eq!(search::memchr(b'z', haystack), None);
    assert_eq!(search::memrchr2(b'z', b'y', haystack), None);
    assert_eq!(search::memchr3(b'z', b'y', b'x', haystack), None);
    assert_eq!(search::memchr_iter(b'z', haystack).next(), None);
    assert_eq!(search::count(b'a', haystack), haystack.len());
    let set = ByteSet::from_range(b'm', b'z');
    assert_eq!(
        (set.find(haystack), set.rfind(haystack), set.count(haystack)),
        (None, None, 0)
    );
    assert_eq!(search::common_prefix(haystack, haystack), haystack.len());
    assert_eq!(search::common_suffix(haystack, haystack), haystack.len());
    assert_eq!(distance::hamming(haystack, haystack), 0);
    let text = utf8::validate(haystack).expect("ASCII");
    assert_eq!(utf8::count_chars(haystack), haystack.len());
    let mut units = vec![0; haystack.len()];
    assert_eq!(utf16::from_utf8(text, &mut units).read, haystack.len());
}

#[test]
fn nothing_is_read_beside_the_haystack() {
    let mut fenced = Fenced::new();
    let page = fenced.page();
    page.fill(b'a');
    for len in 0..=300 {
        search_all(&page[..len]);
        search_all(&page[page.len() - len..]);
    }
}

#[test]
fn sets_of_patterns_read_nothing_beside_the_haystack() {
    let words: Vec<String> = (0..500).map(|i| format!("ab{i}")).collect();
    let mut fenced = Fenced::new();
    let page = fenced.page();
    page.fill(b'a');
    for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
        for number in [2, 40, 500] {
            let mut options = Options::default();
            options.level = Some(level);
            let multi = Multi::with_options(options, &words[..number]).expect("a small set");
            for len in 0..=200 {
                assert_eq!(multi.find(&page[..len]), None);
                assert_eq!(multi.find(&page[page.len() - len..]), None);
            }
        }
    }
}
