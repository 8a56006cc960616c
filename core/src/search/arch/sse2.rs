//! 16 bytes, which every x86-64 with SSE registers has. No byte shuffle (that came with SSSE3): class kernels take a table of 256 here.

use crate::search::vector::{Vector, word, word_short};
use core::arch::x86_64::*;

/// One instruction, or a few.
macro_rules! isa {
    ($body:expr) => {
        // SAFETY: A1: a value exists, or the caller promises, that the processor has the set; loads are within what the caller promises.
        unsafe { $body }
    };
}

#[derive(Clone, Copy)]
pub(crate) struct Sse2(__m128i);

impl Sse2 {
    #[inline(always)]
    pub(super) fn register(self) -> __m128i {
        self.0
    }
}

impl Vector for Sse2 {
    const BYTES: usize = 16;
    const SHUFFLES: bool = false;
    const MASKED: bool = false;
    type Hit = __m128i;
    type Half = Self;

    #[inline(always)]
    unsafe fn splat(byte: u8) -> Self {
        Self(isa!(_mm_set1_epi8(byte as i8)))
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        Self(isa!(_mm_loadu_si128(from.cast())))
    }
    #[inline(always)]
    unsafe fn load_aligned(from: *const u8) -> Self {
        Self(isa!(_mm_load_si128(from.cast())))
    }
    #[inline(always)]
    unsafe fn load_short(from: *const u8, len: usize) -> Self {
        isa!({
            if len < 8 {
                return Self(_mm_cvtsi64_si128(word_short(from, len) as i64));
            }
            // The last eight bytes overlap the first; what both have is shifted out.
            let high = word(from.add(len - 8)).unbounded_shr(8 * (16 - len as u32));
            Self(_mm_set_epi64x(high as i64, word(from) as i64))
        })
    }
    #[inline(always)]
    unsafe fn table(bytes: &[u8; 16]) -> Self {
        Self(isa!(_mm_loadu_si128(bytes.as_ptr().cast())))
    }

    #[inline(always)]
    fn eq(self, other: Self) -> __m128i {
        isa!(_mm_cmpeq_epi8(self.0, other.0))
    }
    #[inline(always)]
    fn is_zero(self) -> __m128i {
        isa!(_mm_cmpeq_epi8(self.0, _mm_setzero_si128()))
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(isa!(_mm_and_si128(self.0, other.0)))
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(isa!(_mm_or_si128(self.0, other.0)))
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(isa!(_mm_xor_si128(self.0, other.0)))
    }
    #[inline(always)]
    fn and_not(self, other: Self) -> Self {
        Self(isa!(_mm_andnot_si128(other.0, self.0)))
    }
    #[inline(always)]
    fn high_nibbles(self) -> Self {
        Self(isa!(_mm_and_si128(
            _mm_srli_epi16::<4>(self.0),
            _mm_set1_epi8(15)
        )))
    }
    #[inline(always)]
    fn saturating_sub(self, other: Self) -> Self {
        Self(isa!(_mm_subs_epu8(self.0, other.0)))
    }
    #[inline(always)]
    fn shuffle(self, index: Self) -> Self {
        let _ = index;
        self
    }
    #[inline(always)]
    fn top_bits(self) -> u64 {
        u64::from(isa!(_mm_movemask_epi8(self.0)).cast_unsigned())
    }
    #[inline(always)]
    fn tally(self, hit: __m128i) -> Self {
        Self(isa!(_mm_sub_epi8(self.0, hit)))
    }
    #[inline(always)]
    fn sum(self) -> u64 {
        isa!({
            let halves = _mm_sad_epu8(self.0, _mm_setzero_si128());
            let high = _mm_unpackhi_epi64(halves, halves);
            _mm_cvtsi128_si64(_mm_add_epi64(halves, high)).cast_unsigned()
        })
    }

    #[inline(always)]
    fn hit_or(a: __m128i, b: __m128i) -> __m128i {
        isa!(_mm_or_si128(a, b))
    }
    #[inline(always)]
    fn hit_and(a: __m128i, b: __m128i) -> __m128i {
        isa!(_mm_and_si128(a, b))
    }
    #[inline(always)]
    fn hit_not(a: __m128i) -> __m128i {
        isa!(_mm_xor_si128(a, _mm_set1_epi8(-1)))
    }
    #[inline(always)]
    fn any(hit: __m128i) -> bool {
        isa!(_mm_movemask_epi8(hit)) != 0
    }
    #[inline(always)]
    fn bits(hit: __m128i) -> u64 {
        u64::from(isa!(_mm_movemask_epi8(hit)).cast_unsigned())
    }
}
