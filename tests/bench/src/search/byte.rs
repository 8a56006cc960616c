//! Bytes: found, iterated over, counted.

use super::glibc;
use super::task::{Task, task};
use super::text::{self, Corpus};
use std::hint::black_box;
use stringzilla::sz;
use underpin_core::search as us;

fn position(found: Option<usize>) -> u64 {
    found.map_or(u64::MAX, |at| at as u64)
}

/// Loads every byte and does next to nothing with it: no search can be faster than this.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "wide loads after the processor was asked")]
fn load_only(text: &[u8]) -> u64 {
    use core::arch::x86_64::{
        __m512i, _mm512_loadu_si512, _mm512_or_si512, _mm512_setzero_si512, _mm512_test_epi8_mask,
    };
    #[target_feature(enable = "avx512f,avx512bw")]
    fn wide(text: &[u8]) -> u64 {
        let mut all = [_mm512_setzero_si512(); 4];
        // From a boundary on: loads across cache lines are slower than any search that aligns its own.
        let aligned = &text[text.as_ptr().align_offset(64).min(text.len())..];
        for group in aligned.chunks_exact(256) {
            for (i, lane) in all.iter_mut().enumerate() {
                // SAFETY: a group has four vectors.
                let vector =
                    unsafe { _mm512_loadu_si512(group.as_ptr().add(64 * i).cast::<__m512i>()) };
                *lane = _mm512_or_si512(*lane, vector);
            }
        }
        let any = _mm512_or_si512(
            _mm512_or_si512(all[0], all[1]),
            _mm512_or_si512(all[2], all[3]),
        );
        u64::from(_mm512_test_epi8_mask(any, any) == 1)
    }
    if std::is_x86_feature_detected!("avx512bw") {
        // SAFETY: the processor has the features.
        black_box(unsafe { wide(text) });
    }
    u64::MAX
}

pub(super) fn tasks(corpora: &[Corpus]) -> Vec<Task> {
    let mut tasks = Vec::new();
    let text = corpora[0].text;
    let large: &[u8] = text::repeated(text.to_vec(), 64 << 20).leak();
    let absent = 0xff;
    for (label, len) in [
        ("16 B", 16),
        ("64 B", 64),
        ("256 B", 256),
        ("32 KiB", 32 << 10),
        ("512 KiB", 512 << 10),
        ("8 MiB", 8 << 20),
        ("64 MiB", 64 << 20),
    ] {
        let h = &large[..len];
        let b = black_box(absent);
        let mut one = task!(format!("byte absent, {label}"), "first of one byte that is not there", h.len(),
            position(us::memchr(b, h)), "memchr" => position(memchr::memchr(b, h)),
            "stringzilla" => position(sz::find(h, [b])), "glibc" => position(glibc::memchr(b, h)),
            "limit: std build" => position(underpin::search::memchr(b, h)));
        #[cfg(target_arch = "x86_64")]
        if len >= 32 << 10 && std::is_x86_feature_detected!("avx512bw") {
            one.peers
                .push(("limit: loads", Box::new(move || load_only(h))));
        }
        tasks.push(one);
        tasks.push(
            task!(format!("2 bytes absent, {label}"), "first of either of two", h.len(),
            position(us::memchr2(b, 0xfe, h)), "memchr" => position(memchr::memchr2(b, 0xfe, h))),
        );
        tasks.push(task!(format!("3 bytes absent, {label}"), "first of any of three", h.len(),
            position(us::memchr3(b, 0xfe, 0xfd, h)), "memchr" => position(memchr::memchr3(b, 0xfe, 0xfd, h))));
        tasks.push(
            task!(format!("byte absent from the end, {label}"), "last of one byte", h.len(),
            position(us::memrchr(b, h)), "memchr" => position(memchr::memrchr(b, h)),
            "stringzilla" => position(sz::rfind(h, [b])), "glibc" => position(glibc::memrchr(b, h))),
        );
    }
    for (label, byte) in [
        ("rare", b'Z'),
        ("uncommon", b'b'),
        ("common", b'a'),
        ("very common", b' '),
    ] {
        let iterated = |positions: &mut dyn Iterator<Item = usize>| {
            positions.fold(0u64, |sum, at| sum.wrapping_add(at as u64))
        };
        tasks.push(task!(format!("all of a {label} byte"), format!("sum of all positions of `{}`", byte.escape_ascii()), text.len(),
            us::memchr_iter(byte, text).fold(0u64, |sum, at| sum.wrapping_add(at as u64)),
            "memchr" => iterated(&mut memchr::memchr_iter(byte, text))));
    }
    tasks.push(task!("all of 3 common bytes", "sum of all positions of a, e, t", text.len(),
        us::memchr3_iter(b'a', b'e', b't', text).fold(0u64, |sum, at| sum.wrapping_add(at as u64)),
        "memchr" => memchr::memchr3_iter(b'a', b'e', b't', text).fold(0u64, |sum, at| sum.wrapping_add(at as u64))));
    tasks.push(task!("count a byte", "newlines", text.len(), us::count(b'\n', text),
        "bytecount" => bytecount::count(text, b'\n'), "memchr" => memchr::memchr_iter(b'\n', text).count()));
    tasks.push(task!("count a byte, 64 MiB", "newlines", large.len(), us::count(b'\n', large),
        "bytecount" => bytecount::count(large, b'\n'), "memchr" => memchr::memchr_iter(b'\n', large).count()));
    let set = us::ByteSet::new(b"\x00\x01\x02\x03\x04\xf9\xfa\xfb");
    tasks.push(task!("set of 8 bytes, absent", "first of any of eight", text.len(), position(set.find(text)),
        "std" => position(text.iter().position(|byte| set.contains(*byte))),
        "stringzilla" => position(sz::find_byteset(text, sz::Byteset::from(b"\x00\x01\x02\x03\x04\xf9\xfa\xfb")))));
    tasks
}
