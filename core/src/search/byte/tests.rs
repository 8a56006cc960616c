//! Every kernel of every level against the plain way, at every alignment and length.
#![allow(unsafe_code, reason = "calls of kernels of chosen levels")]

use super::*;
use crate::search::detect::Level;
use alloc::vec;
use alloc::vec::Vec;

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.is_available())
}

/// A haystack of `len` bytes at `offset` from a multiple of 64, between bytes that would be hits.
struct Placed {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Placed {
    fn new(offset: usize, len: usize, fill: u8, around: u8) -> Self {
        let mut memory = vec![around; len + 256];
        let start = memory.as_ptr().addr().wrapping_neg() % 64 + 64 + offset;
        memory[start..start + len].fill(fill);
        Self { memory, start, len }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

fn agree(level: Level, haystack: &[u8]) {
    let needles = [b'a', 0xe1];
    // SAFETY: the level is available.
    unsafe {
        for n in needles {
            let test = |b: u8| b == n;
            let first = haystack.iter().position(|b| test(*b));
            let last = haystack.iter().rposition(|b| test(*b));
            assert_eq!(find_one::select(level)(n, haystack), first);
            assert_eq!(rfind_one::select(level)(n, haystack), last);
            let number = haystack.iter().filter(|b| test(**b)).count();
            assert_eq!(count_one::select(level)(n, haystack), number);
            let first = haystack.iter().position(|b| !test(*b));
            let last = haystack.iter().rposition(|b| !test(*b));
            assert_eq!(find_other::select(level)(n, haystack), first);
            assert_eq!(rfind_other::select(level)(n, haystack), last);
        }
        let two = |b: &u8| *b == b'a' || *b == b'c';
        assert_eq!(
            find_two::select(level)(b'a', b'c', haystack),
            haystack.iter().position(two)
        );
        assert_eq!(
            rfind_two::select(level)(b'a', b'c', haystack),
            haystack.iter().rposition(two)
        );
        assert_eq!(
            count_two::select(level)(b'a', b'c', haystack),
            haystack.iter().filter(|b| two(b)).count()
        );
        let three = |b: &u8| two(b) || *b == 0xe1;
        let [a, b, c] = [b'a', b'c', 0xe1];
        assert_eq!(
            find_three::select(level)(a, b, c, haystack),
            haystack.iter().position(three)
        );
        assert_eq!(
            rfind_three::select(level)(a, b, c, haystack),
            haystack.iter().rposition(three)
        );
        assert_eq!(
            count_three::select(level)(a, b, c, haystack),
            haystack.iter().filter(|b| three(b)).count()
        );
        let set = ByteSet::new(&[b'a', b'q', 0xe1, 0x81, 0x7f]);
        let in_set = |b: &u8| set.contains(*b);
        assert_eq!(
            find_set::select(level)(&set, haystack),
            haystack.iter().position(in_set)
        );
        assert_eq!(
            rfind_set::select(level)(&set, haystack),
            haystack.iter().rposition(in_set)
        );
        assert_eq!(
            count_set::select(level)(&set, haystack),
            haystack.iter().filter(|b| in_set(b)).count()
        );
        collected(
            |h, from, reach, hits| collect_one::select(level)(b'a', h, from, reach, hits),
            haystack,
            |b| *b == b'a',
        );
        collected(
            |h, from, reach, hits| collect_two::select(level)(b'a', b'c', h, from, reach, hits),
            haystack,
            two,
        );
        collected(
            |h, from, reach, hits| collect_three::select(level)(a, b, c, h, from, reach, hits),
            haystack,
            three,
        );
        collected(
            |h, from, reach, hits| collect_set::select(level)(&set, h, from, reach, hits),
            haystack,
            in_set,
        );
    }
}

fn collected(
    kernel: impl Fn(&[u8], usize, usize, &mut Hits),
    haystack: &[u8],
    test: impl Fn(&u8) -> bool,
) {
    let expected: Vec<usize> = (0..haystack.len())
        .filter(|i| test(&haystack[*i]))
        .collect();
    for reach in [0, 100, kernel::REACH_MAX] {
        let mut found = Vec::new();
        let mut hits = Hits::new();
        while hits.next < haystack.len() {
            let from = hits.next;
            kernel(haystack, from, reach, &mut hits);
            assert!(hits.next > from && hits.next <= haystack.len());
            assert_eq!(hits.iter().count(), hits.len());
            found.extend(hits.iter());
        }
        assert_eq!(found, expected, "reach {reach}");
    }
}

#[test]
fn one_hit_is_found_wherever_it_lies_and_none_beside_the_haystack() {
    for level in levels() {
        for len in 0..=300 {
            let offsets: &[usize] = if len % 16 < 2 {
                &[0, 1, 7, 31, 33, 63]
            } else {
                &[0, 5]
            };
            for &offset in offsets {
                let mut placed = Placed::new(offset, len, b'x', b'a');
                agree(level, placed.bytes());
                let step = 1 + len / 24;
                for at in (0..len).step_by(step).chain(len.checked_sub(1)) {
                    placed.bytes()[at] = b'a';
                    agree(level, placed.bytes());
                    placed.bytes()[at] = 0xe1;
                    agree(level, placed.bytes());
                    placed.bytes()[at] = b'x';
                }
            }
        }
    }
}

#[test]
fn all_alignments_and_many_hits() {
    let mut state = 7u32;
    for level in levels() {
        for offset in 0..64 {
            for len in [
                15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257, 600, 1100,
            ] {
                let mut placed = Placed::new(offset, len, b'x', b'c');
                for byte in placed.bytes() {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *byte = b"abcdaxq\x7f\xe1\x81\x01\x61\xf1xxxx"[(state >> 24) as usize % 17];
                }
                agree(level, placed.bytes());
            }
        }
    }
}

#[test]
fn counters_do_not_run_over() {
    for level in levels() {
        let haystack = vec![b'a'; 4 * 64 * 255 * 2 + 1000];
        // SAFETY: the level is available.
        let found = unsafe { count_one::select(level)(b'a', &haystack) };
        assert_eq!(found, haystack.len());
    }
}

#[test]
fn a_list_of_hits_is_as_long_as_its_numbers_allow() {
    // One hit at the start, so that places count from there, and the next ones as far away as a list reaches, and further.
    for level in levels() {
        let mut haystack = vec![b'.'; 3 * kernel::REACH_MAX];
        for at in [
            3,
            kernel::REACH_MAX - 1,
            kernel::REACH_MAX + 300,
            2 * kernel::REACH_MAX + 400,
        ] {
            haystack[at] = b'a';
        }
        collected(
            |h, from, reach, hits| unsafe {
                // SAFETY: the level is available.
                collect_one::select(level)(b'a', h, from, reach, hits);
            },
            &haystack,
            |byte| *byte == b'a',
        );
    }
}

#[test]
fn every_byte_value_is_told_from_every_other() {
    for level in levels() {
        for needle in 0..=u8::MAX {
            let haystack: Vec<u8> = (0..=u8::MAX).collect();
            let set = ByteSet::new(&[needle]);
            // SAFETY: the level is available.
            unsafe {
                assert_eq!(
                    find_one::select(level)(needle, &haystack),
                    Some(needle.into())
                );
                assert_eq!(count_one::select(level)(needle, &haystack), 1);
                assert_eq!(
                    find_set::select(level)(&set, &haystack),
                    Some(needle.into())
                );
                assert_eq!(count_set::select(level)(&set.complement(), &haystack), 255);
            }
        }
    }
}

#[test]
fn iterators_from_both_ends_meet() {
    let haystack: Vec<u8> = (0..1500u32)
        .map(|i| b"abxcx"[(i * i % 31 % 5) as usize])
        .collect();
    for take in [0, 1, 3, 100, 299, 10_000] {
        let expected: Vec<usize> = (0..haystack.len())
            .filter(|i| b"ab".contains(&haystack[*i]))
            .collect();
        let mut both = memchr2_iter(b'a', b'b', &haystack);
        let mut front = Vec::new();
        let mut back = Vec::new();
        for _ in 0..take {
            front.extend(both.next());
            back.extend(both.next_back());
        }
        let (low, high) = both.size_hint();
        let left = both.clone().count();
        assert!(low <= left && left <= high.unwrap());
        front.extend(both);
        back.reverse();
        front.extend(back);
        assert_eq!(front, expected);
    }
    assert_eq!(memchr_iter(b'a', b"").next_back(), None);
    assert_eq!(
        memchr3_iter(b'a', b'b', b'c', &haystack).count(),
        haystack.iter().filter(|b| b"abc".contains(b)).count()
    );
}
