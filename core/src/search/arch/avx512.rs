//! 64 bytes, with masked loads, which never read a masked byte. A hit is a zero lane: the difference itself, so that combining takes `min`
//! (either) and `or` (both), which fuse with the `xor` before them, and one mask register is asked for four vectors.

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
pub(crate) struct Avx512(__m512i);

impl Vector for Avx512 {
    const BYTES: usize = 64;
    const SHUFFLES: bool = true;
    const MASKED: bool = true;
    const WIDE: bool = true;
    type Hit = __m512i;
    type Half = Self;

    #[inline(always)]
    unsafe fn splat(byte: u8) -> Self {
        Self(isa!(_mm512_set1_epi8(byte as i8)))
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        Self(isa!(_mm512_loadu_si512(from.cast())))
    }
    #[inline(always)]
    unsafe fn load_aligned(from: *const u8) -> Self {
        Self(isa!(_mm512_load_si512(from.cast())))
    }
    #[inline(always)]
    unsafe fn load_short(from: *const u8, len: usize) -> Self {
        Self(isa!(_mm512_maskz_loadu_epi8(
            _bzhi_u64(u64::MAX, len as u32),
            from.cast()
        )))
    }
    #[inline(always)]
    unsafe fn load_late(from: *const u8, gap: usize, len: usize) -> Self {
        let lanes = (u64::MAX << gap) & crate::search::vector::low_bits(len);
        // The masked lanes before `from` are not read.
        Self(isa!(_mm512_maskz_loadu_epi8(
            lanes,
            from.wrapping_sub(gap).cast()
        )))
    }
    #[inline(always)]
    unsafe fn table(bytes: &[u8; 16]) -> Self {
        Self(isa!(_mm512_broadcast_i32x4(_mm_loadu_si128(
            bytes.as_ptr().cast()
        ))))
    }

    #[inline(always)]
    unsafe fn wide_table(bytes: &[u8; 64]) -> Self {
        Self(isa!(_mm512_loadu_si512(bytes.as_ptr().cast())))
    }
    #[inline(always)]
    fn lookup(self, index: Self) -> Self {
        Self(isa!(_mm512_permutexvar_epi8(index.0, self.0)))
    }
    #[inline(always)]
    fn not_zero_bits(self) -> u64 {
        isa!(_mm512_test_epi8_mask(self.0, self.0))
    }

    #[inline(always)]
    fn eq(self, other: Self) -> __m512i {
        isa!(_mm512_xor_si512(self.0, other.0))
    }
    #[inline(always)]
    fn is_zero(self) -> __m512i {
        self.0
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(isa!(_mm512_and_si512(self.0, other.0)))
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(isa!(_mm512_or_si512(self.0, other.0)))
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(isa!(_mm512_xor_si512(self.0, other.0)))
    }
    #[inline(always)]
    fn and_not(self, other: Self) -> Self {
        Self(isa!(_mm512_andnot_si512(other.0, self.0)))
    }
    #[inline(always)]
    fn high_nibbles(self) -> Self {
        Self(isa!(_mm512_and_si512(
            _mm512_srli_epi16::<4>(self.0),
            _mm512_set1_epi8(15)
        )))
    }
    #[inline(always)]
    fn saturating_sub(self, other: Self) -> Self {
        Self(isa!(_mm512_subs_epu8(self.0, other.0)))
    }
    #[inline(always)]
    fn shuffle(self, index: Self) -> Self {
        Self(isa!(_mm512_shuffle_epi8(self.0, index.0)))
    }
    #[inline(always)]
    fn top_bits(self) -> u64 {
        isa!(_mm512_movepi8_mask(self.0))
    }
    #[inline(always)]
    fn tally(self, hit: __m512i) -> Self {
        isa!({
            let hits = _mm512_testn_epi8_mask(hit, hit);
            Self(_mm512_mask_sub_epi8(
                self.0,
                hits,
                self.0,
                _mm512_set1_epi8(-1),
            ))
        })
    }
    #[inline(always)]
    fn sum(self) -> u64 {
        isa!({
            let eighths = _mm512_sad_epu8(self.0, _mm512_setzero_si512());
            _mm512_reduce_add_epi64(eighths).cast_unsigned()
        })
    }

    #[inline(always)]
    fn hit_or(a: __m512i, b: __m512i) -> __m512i {
        isa!(_mm512_min_epu8(a, b))
    }
    #[inline(always)]
    fn hit_and(a: __m512i, b: __m512i) -> __m512i {
        isa!(_mm512_or_si512(a, b))
    }
    #[inline(always)]
    fn hit_not(a: __m512i) -> __m512i {
        isa!(_mm512_maskz_set1_epi8(_mm512_testn_epi8_mask(a, a), -1))
    }
    #[inline(always)]
    fn any(hit: __m512i) -> bool {
        isa!(_mm512_testn_epi8_mask(hit, hit)) != 0
    }
    #[inline(always)]
    fn bits(hit: __m512i) -> u64 {
        isa!(_mm512_testn_epi8_mask(hit, hit))
    }

    #[inline(always)]
    fn is_all_zero(self) -> bool {
        isa!(_mm512_test_epi8_mask(self.0, self.0)) == 0
    }
    #[inline(always)]
    unsafe fn places(bits: u64, offset: u16, to: *mut u16) {
        isa!({
            let packed =
                _mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(LANES.as_ptr().cast()));
            let offset = _mm512_set1_epi16(offset.cast_signed());
            let low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(packed));
            _mm512_storeu_si512(to.cast(), _mm512_add_epi16(low, offset));
            if bits.count_ones() > 32 {
                let high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64::<1>(packed));
                _mm512_storeu_si512(to.add(32).cast(), _mm512_add_epi16(high, offset));
            }
        });
    }

    /// Last bytes of characters are brought together, and the bytes before them, and those before these: then each character is in
    /// one lane of three vectors.
    #[inline(always)]
    unsafe fn decode(from: *const u8, to: *mut u16) -> Option<(usize, usize)> {
        isa!({
            let bytes = _mm512_loadu_si512(from.cast());
            let of_four = _mm512_cmpge_epu8_mask(bytes, _mm512_set1_epi8(0xf0_u8.cast_signed()));
            if of_four != 0 {
                return None;
            }
            let top_two = _mm512_set1_epi8(0xc0_u8.cast_signed());
            let follow = _mm512_cmplt_epi8_mask(bytes, top_two);
            let is_cut = *from.add(64) & 0xc0 == 0x80;
            let last = !(follow >> 1 | u64::from(is_cut) << 63);
            let read = if is_cut {
                63 - (!follow).leading_zeros() as usize
            } else {
                64
            };
            let low_six = _mm512_set1_epi8(0x3f);
            let ascii = !_mm512_movepi8_mask(bytes);
            let lasts = _mm512_mask_mov_epi8(_mm512_and_si512(bytes, low_six), ascii, bytes);
            // Lane `i` has byte `i - 1` where byte `i` follows it: so the byte before the first, which is not there, is not read.
            let before = _mm512_maskz_loadu_epi8(follow, from.wrapping_sub(1).cast());
            let before = _mm512_and_si512(before, low_six);
            let lasts = _mm512_maskz_compress_epi8(last, lasts);
            let before = _mm512_maskz_compress_epi8(last, before);
            let of_three = follow & follow << 1;
            let first = if of_three == 0 {
                _mm512_setzero_si512()
            } else {
                let first = _mm512_maskz_loadu_epi8(of_three, from.wrapping_sub(2).cast());
                _mm512_maskz_compress_epi8(last, first)
            };
            let parts = [lasts, before, first];
            _mm512_storeu_si512(to.cast(), units(parts));
            let written = last.count_ones() as usize;
            if written > 32 {
                let [lasts, before, first] = parts;
                let lasts = _mm512_shuffle_i64x2::<0b0000_1110>(lasts, lasts);
                let before = _mm512_shuffle_i64x2::<0b0000_1110>(before, before);
                let first = _mm512_shuffle_i64x2::<0b0000_1110>(first, first);
                _mm512_storeu_si512(to.add(32).cast(), units([lasts, before, first]));
            }
            Some((read, written))
        })
    }
}

/// Units of the first 32 lanes: six bits of the last byte, or seven if there is but one; six of the byte before; four of the first of three.
#[inline(always)]
fn units(parts: [__m512i; 3]) -> __m512i {
    isa!({
        let lasts = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(parts[0]));
        let before = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(parts[1]));
        let first = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(parts[2]));
        let lower = _mm512_or_si512(lasts, _mm512_slli_epi16::<6>(before));
        // The upper half of the first byte, 1110, falls out.
        _mm512_or_si512(lower, _mm512_slli_epi16::<12>(first))
    })
}

/// The number of each lane.
static LANES: [u8; 64] = {
    let mut lanes = [0; 64];
    let mut i = 0;
    while i < 64 {
        lanes[i] = i as u8;
        i += 1;
    }
    lanes
};
