//! 32 bytes, with BMI, LZCNT and POPCNT beside them.

use super::Sse2;
use crate::search::vector::Vector;
use core::arch::x86_64::*;

/// One instruction, or a few.
macro_rules! isa {
    ($body:expr) => {
        // SAFETY: A1: a value exists, or the caller promises, that the processor has the set; loads are within what the caller promises.
        unsafe { $body }
    };
}

#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256i);

/// Read from `k` on: a shuffle that moves lane `i + k` to `i` and brings zeros in.
static SHIFTS: [u8; 32] = {
    let mut order = [0x80; 32];
    let mut i = 0;
    while i < 16 {
        order[i] = i as u8;
        i += 1;
    }
    order
};

impl Vector for Avx2 {
    const BYTES: usize = 32;
    const SHUFFLES: bool = true;
    const MASKED: bool = false;
    type Hit = __m256i;
    type Half = Sse2;

    #[inline(always)]
    unsafe fn splat(byte: u8) -> Self {
        Self(isa!(_mm256_set1_epi8(byte as i8)))
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        Self(isa!(_mm256_loadu_si256(from.cast())))
    }
    #[inline(always)]
    unsafe fn load_aligned(from: *const u8) -> Self {
        Self(isa!(_mm256_load_si256(from.cast())))
    }
    #[inline(always)]
    unsafe fn load_short(from: *const u8, len: usize) -> Self {
        isa!({
            if len <= 16 {
                let low = if len == 16 {
                    _mm_loadu_si128(from.cast())
                } else {
                    Sse2::load_short(from, len).register()
                };
                return Self(_mm256_zextsi128_si256(low));
            }
            // The last sixteen bytes overlap the first; a shuffle moves what is new to the front and zeros in behind it.
            let order = _mm_loadu_si128(SHIFTS.as_ptr().add(32 - len).cast());
            let high = _mm_shuffle_epi8(_mm_loadu_si128(from.add(len - 16).cast()), order);
            Self(_mm256_set_m128i(high, _mm_loadu_si128(from.cast())))
        })
    }
    #[inline(always)]
    unsafe fn table(bytes: &[u8; 16]) -> Self {
        Self(isa!(_mm256_broadcastsi128_si256(_mm_loadu_si128(
            bytes.as_ptr().cast()
        ))))
    }

    #[inline(always)]
    fn eq(self, other: Self) -> __m256i {
        isa!(_mm256_cmpeq_epi8(self.0, other.0))
    }
    #[inline(always)]
    fn is_zero(self) -> __m256i {
        isa!(_mm256_cmpeq_epi8(self.0, _mm256_setzero_si256()))
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(isa!(_mm256_and_si256(self.0, other.0)))
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(isa!(_mm256_or_si256(self.0, other.0)))
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(isa!(_mm256_xor_si256(self.0, other.0)))
    }
    #[inline(always)]
    fn and_not(self, other: Self) -> Self {
        Self(isa!(_mm256_andnot_si256(other.0, self.0)))
    }
    #[inline(always)]
    fn high_nibbles(self) -> Self {
        Self(isa!(_mm256_and_si256(
            _mm256_srli_epi16::<4>(self.0),
            _mm256_set1_epi8(15)
        )))
    }
    #[inline(always)]
    fn saturating_sub(self, other: Self) -> Self {
        Self(isa!(_mm256_subs_epu8(self.0, other.0)))
    }
    #[inline(always)]
    fn shuffle(self, index: Self) -> Self {
        Self(isa!(_mm256_shuffle_epi8(self.0, index.0)))
    }
    #[inline(always)]
    fn top_bits(self) -> u64 {
        u64::from(isa!(_mm256_movemask_epi8(self.0)).cast_unsigned())
    }
    #[inline(always)]
    fn tally(self, hit: __m256i) -> Self {
        Self(isa!(_mm256_sub_epi8(self.0, hit)))
    }
    #[inline(always)]
    fn sum(self) -> u64 {
        isa!({
            let quarters = _mm256_sad_epu8(self.0, _mm256_setzero_si256());
            let halves = _mm_add_epi64(
                _mm256_castsi256_si128(quarters),
                _mm256_extracti128_si256::<1>(quarters),
            );
            let high = _mm_unpackhi_epi64(halves, halves);
            _mm_cvtsi128_si64(_mm_add_epi64(halves, high)).cast_unsigned()
        })
    }

    #[inline(always)]
    fn hit_or(a: __m256i, b: __m256i) -> __m256i {
        isa!(_mm256_or_si256(a, b))
    }
    #[inline(always)]
    fn hit_and(a: __m256i, b: __m256i) -> __m256i {
        isa!(_mm256_and_si256(a, b))
    }
    #[inline(always)]
    fn hit_not(a: __m256i) -> __m256i {
        isa!(_mm256_xor_si256(a, _mm256_set1_epi8(-1)))
    }
    #[inline(always)]
    fn any(hit: __m256i) -> bool {
        isa!(_mm256_movemask_epi8(hit)) != 0
    }
    #[inline(always)]
    fn bits(hit: __m256i) -> u64 {
        u64::from(isa!(_mm256_movemask_epi8(hit)).cast_unsigned())
    }
}
