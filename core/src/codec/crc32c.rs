//! CRC-32C (Castagnoli), the checksum of every block and record on disk.
//!
//! Polynomial 0x1EDC6F41, reflected, initial value and final xor all ones (RFC 3720, section 12.1). Three ways to the same
//! number: eight table lookups for eight bytes at a time (Kounavis and Berry, 2005), the `crc32` instruction of
//! SSE4.2 where CPUID shows it at run time, and that of ARMv8 where the target has it at compile time (user code of
//! an arm64 system cannot ask the processor without the system's help).
//!
//! The instruction of SSE4.2 takes three cycles but one can begin in each: long input goes through three lanes side by side, whose
//! checksums are then put together (Gopal et al., Intel, 2011).
#![allow(
    unsafe_code,
    reason = "one call into a function with a target feature, after CPUID has shown it"
)]

#[cfg(any(test, not(all(target_arch = "aarch64", target_feature = "crc"))))]
const POLYNOMIAL_REFLECTED: u32 = 0x82f6_3b78;

/// A checksum in the making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crc32c(u32);

impl Crc32c {
    /// The checksum of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(u32::MAX)
    }

    /// Takes in `bytes`.
    #[inline]
    #[must_use]
    pub fn update(self, bytes: &[u8]) -> Self {
        Self(extend(self.0, bytes))
    }

    /// The checksum of all that was taken in.
    #[inline]
    #[must_use]
    pub const fn finish(self) -> u32 {
        !self.0
    }
}

impl Default for Crc32c {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a stored checksum is the right one. Under a fuzzer every one is, or it would never get past the first.
#[inline]
#[must_use]
pub const fn is_same(expected: u32, found: u32) -> bool {
    expected == found || cfg!(fuzzing)
}

/// The checksum of `bytes`.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    Crc32c::new().update(bytes).finish()
}

#[inline]
fn extend(crc: u32, bytes: &[u8]) -> u32 {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    if x86::available() {
        // SAFETY: CPUID says that the processor has SSE4.2.
        return unsafe { x86::extend(crc, bytes) };
    }
    #[cfg(all(target_arch = "aarch64", target_feature = "crc"))]
    // SAFETY: the build's target says that every processor it runs on has the CRC instructions.
    return unsafe { arm::extend(crc, bytes) };
    #[cfg(not(all(target_arch = "aarch64", target_feature = "crc")))]
    table::extend(crc, bytes)
}

#[cfg(any(test, not(all(target_arch = "aarch64", target_feature = "crc"))))]
mod table {
    /// `TABLES[k][b]`: what byte `b` does to the checksum when `k` more bytes follow it in the group of eight.
    static TABLES: [[u32; 256]; 8] = tables();

    const fn tables() -> [[u32; 256]; 8] {
        let mut tables = [[0u32; 256]; 8];
        let mut byte = 0;
        while byte < 256 {
            let mut crc = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = (crc >> 1)
                    ^ if crc & 1 == 1 {
                        super::POLYNOMIAL_REFLECTED
                    } else {
                        0
                    };
                bit += 1;
            }
            tables[0][byte] = crc;
            byte += 1;
        }
        let mut k = 1;
        while k < 8 {
            let mut byte = 0;
            while byte < 256 {
                let before = tables[k - 1][byte];
                tables[k][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
                byte += 1;
            }
            k += 1;
        }
        tables
    }

    pub(super) fn extend(mut crc: u32, bytes: &[u8]) -> u32 {
        let (groups, rest) = bytes.as_chunks::<8>();
        for group in groups {
            let word = u64::from_le_bytes(*group) ^ u64::from(crc);
            let b = word.to_le_bytes();
            crc = TABLES[7][usize::from(b[0])]
                ^ TABLES[6][usize::from(b[1])]
                ^ TABLES[5][usize::from(b[2])]
                ^ TABLES[4][usize::from(b[3])]
                ^ TABLES[3][usize::from(b[4])]
                ^ TABLES[2][usize::from(b[5])]
                ^ TABLES[1][usize::from(b[6])]
                ^ TABLES[0][usize::from(b[7])];
        }
        for &byte in rest {
            crc = (crc >> 8) ^ TABLES[0][usize::from(crc as u8 ^ byte)];
        }
        crc
    }
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86 {
    use crate::sync::atomic::Ordering;
    use core::arch::x86_64::{__cpuid, _mm_crc32_u8, _mm_crc32_u64};
    // Not the model checker's atomic: a cache of a constant is no protocol, and loom has no statics.
    use core::sync::atomic::AtomicU8;

    const UNKNOWN: u8 = 0;
    const ABSENT: u8 = 1;
    const PRESENT: u8 = 2;
    const SSE4_2_IN_ECX: u32 = 1 << 20;

    /// Whether the processor has SSE4.2. Asked once; racing first callers find the same answer.
    #[inline]
    pub(super) fn available() -> bool {
        static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);
        match STATE.load(Ordering::Relaxed) {
            UNKNOWN => {
                let present = __cpuid(1).ecx & SSE4_2_IN_ECX != 0;
                STATE.store(if present { PRESENT } else { ABSENT }, Ordering::Relaxed);
                present
            }
            state => state == PRESENT,
        }
    }

    /// Words of a lane: of a long one, and of a short one for what is left. The checksum after a lane of zeros comes from a table.
    const LONG: usize = 128;
    const SHORT: usize = 16;
    static AFTER_LONG: [[u32; 256]; 4] = after_zeros(LONG * 8);
    static AFTER_SHORT: [[u32; 256]; 4] = after_zeros(SHORT * 8);

    /// By byte of a checksum, what it adds to the one that `bytes` zeros make of it. `bytes` is a power of two.
    const fn after_zeros(bytes: usize) -> [[u32; 256]; 4] {
        // One zero bit, as a matrix over bits: column `i` is what bit `i` becomes. Squared, it stands for twice as many.
        let mut matrix = [0u32; 32];
        matrix[0] = super::POLYNOMIAL_REFLECTED;
        let mut bit = 1;
        while bit < 32 {
            matrix[bit] = 1 << (bit - 1);
            bit += 1;
        }
        let mut bits = 1;
        while bits < bytes * 8 {
            let mut square = [0u32; 32];
            let mut column = 0;
            while column < 32 {
                square[column] = times(&matrix, matrix[column]);
                column += 1;
            }
            matrix = square;
            bits *= 2;
        }
        let mut tables = [[0u32; 256]; 4];
        let mut place = 0;
        while place < 4 {
            let mut byte = 0;
            while byte < 256 {
                tables[place][byte] = times(&matrix, (byte as u32) << (8 * place));
                byte += 1;
            }
            place += 1;
        }
        tables
    }

    const fn times(matrix: &[u32; 32], vector: u32) -> u32 {
        let mut product = 0;
        let mut bit = 0;
        while bit < 32 {
            if vector >> bit & 1 == 1 {
                product ^= matrix[bit];
            }
            bit += 1;
        }
        product
    }

    fn after(tables: &[[u32; 256]; 4], crc: u64) -> u64 {
        let [a, b, c, d] = (crc as u32).to_le_bytes();
        let [first, second, third, fourth] = tables;
        (first[usize::from(a)]
            ^ second[usize::from(b)]
            ^ third[usize::from(c)]
            ^ fourth[usize::from(d)])
        .into()
    }

    /// Takes in as many groups of three lanes as there are, and gives back the rest.
    #[target_feature(enable = "sse4.2")]
    fn lanes<'a, const WORDS: usize>(
        crc: &mut u64,
        groups: &'a [[u8; 8]],
        tables: &[[u32; 256]; 4],
    ) -> &'a [[u8; 8]] {
        let mut groups = groups;
        while let Some((first, rest)) = groups.split_first_chunk::<WORDS>()
            && let Some((second, rest)) = rest.split_first_chunk::<WORDS>()
            && let Some((third, rest)) = rest.split_first_chunk::<WORDS>()
        {
            let (mut a, mut b, mut c) = (*crc, 0, 0);
            for ((first, second), third) in first.iter().zip(second).zip(third) {
                a = _mm_crc32_u64(a, u64::from_le_bytes(*first));
                b = _mm_crc32_u64(b, u64::from_le_bytes(*second));
                c = _mm_crc32_u64(c, u64::from_le_bytes(*third));
            }
            *crc = after(tables, after(tables, a) ^ b) ^ c;
            groups = rest;
        }
        groups
    }

    #[target_feature(enable = "sse4.2")]
    pub(super) fn extend(crc: u32, bytes: &[u8]) -> u32 {
        let (groups, rest) = bytes.as_chunks::<8>();
        let mut wide = u64::from(crc);
        let groups = lanes::<LONG>(&mut wide, groups, &AFTER_LONG);
        let groups = lanes::<SHORT>(&mut wide, groups, &AFTER_SHORT);
        for group in groups {
            wide = _mm_crc32_u64(wide, u64::from_le_bytes(*group));
        }
        let mut crc = wide as u32;
        for &byte in rest {
            crc = _mm_crc32_u8(crc, byte);
        }
        crc
    }
}

#[cfg(all(target_arch = "aarch64", target_feature = "crc"))]
mod arm {
    use core::arch::aarch64::{__crc32cb, __crc32cd};

    #[target_feature(enable = "crc")]
    pub(super) fn extend(mut crc: u32, bytes: &[u8]) -> u32 {
        let (groups, rest) = bytes.as_chunks::<8>();
        for group in groups {
            crc = __crc32cd(crc, u64::from_le_bytes(*group));
        }
        for &byte in rest {
            crc = __crc32cb(crc, byte);
        }
        crc
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn the_published_vectors_hold() {
        // RFC 3720, appendix B.4, and the check value of the CRC catalogue.
        let ascending: Vec<u8> = (0..32).collect();
        let descending: Vec<u8> = (0..32).rev().collect();
        for (bytes, expected) in [
            (&b""[..], 0),
            (b"123456789", 0xe306_9283),
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
            (&descending, 0x113f_db5c),
        ] {
            assert_eq!(crc32c(bytes), expected);
        }
    }

    #[test]
    fn every_way_and_every_split_gives_the_same_number() {
        // As long as three long lanes and some short ones, twice.
        let bytes: Vec<u8> = (0..7_500u32).map(|i| ((i * i) >> 3) as u8).collect();
        for start in 0..9 {
            let lengths = [0, 1, 7, 8, 100, 383, 384, 391, 3_071, 3_072, 3_080, 3_500];
            let ends = lengths.map(|length| start + length);
            for end in ends.into_iter().chain([bytes.len()]) {
                let part = &bytes[start..end];
                let whole = crc32c(part);
                assert_eq!(!table::extend(u32::MAX, part), whole);
                let (left, right) = part.split_at(part.len() / 3);
                assert_eq!(Crc32c::new().update(left).update(right).finish(), whole);
            }
        }
    }
}
