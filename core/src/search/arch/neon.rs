//! 16 bytes on arm64, little end first (the only order that arm64 systems in use run).

use crate::search::vector::{Vector, word, word_short};
use core::arch::aarch64::*;

/// One instruction, or a few.
macro_rules! isa {
    ($body:expr) => {
        // SAFETY: A1: a value exists, or the caller promises, that the processor has the set; loads are within what the caller promises.
        unsafe { $body }
    };
}

#[derive(Clone, Copy)]
pub(crate) struct Neon(uint8x16_t);

/// One bit a lane, eight lanes a byte of the mask.
static WEIGHTS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

impl Vector for Neon {
    const BYTES: usize = 16;
    const SHUFFLES: bool = true;
    const MASKED: bool = false;
    type Hit = uint8x16_t;
    type Half = Self;

    #[inline(always)]
    unsafe fn splat(byte: u8) -> Self {
        Self(isa!(vdupq_n_u8(byte)))
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        Self(isa!(vld1q_u8(from)))
    }
    #[inline(always)]
    unsafe fn load_aligned(from: *const u8) -> Self {
        Self(isa!(vld1q_u8(from)))
    }
    #[inline(always)]
    unsafe fn load_short(from: *const u8, len: usize) -> Self {
        isa!({
            if len < 8 {
                return Self(vreinterpretq_u8_u64(vcombine_u64(
                    vcreate_u64(word_short(from, len)),
                    vcreate_u64(0),
                )));
            }
            // The last eight bytes overlap the first; what both have is shifted out.
            let high = word(from.add(len - 8)).unbounded_shr(8 * (16 - len as u32));
            Self(vreinterpretq_u8_u64(vcombine_u64(
                vcreate_u64(word(from)),
                vcreate_u64(high),
            )))
        })
    }
    #[inline(always)]
    unsafe fn table(bytes: &[u8; 16]) -> Self {
        Self(isa!(vld1q_u8(bytes.as_ptr())))
    }

    #[inline(always)]
    fn eq(self, other: Self) -> uint8x16_t {
        isa!(vceqq_u8(self.0, other.0))
    }
    #[inline(always)]
    fn is_zero(self) -> uint8x16_t {
        isa!(vceqzq_u8(self.0))
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(isa!(vandq_u8(self.0, other.0)))
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(isa!(vorrq_u8(self.0, other.0)))
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(isa!(veorq_u8(self.0, other.0)))
    }
    #[inline(always)]
    fn and_not(self, other: Self) -> Self {
        Self(isa!(vbicq_u8(self.0, other.0)))
    }
    #[inline(always)]
    fn high_nibbles(self) -> Self {
        Self(isa!(vshrq_n_u8::<4>(self.0)))
    }
    #[inline(always)]
    fn saturating_sub(self, other: Self) -> Self {
        Self(isa!(vqsubq_u8(self.0, other.0)))
    }
    #[inline(always)]
    fn shuffle(self, index: Self) -> Self {
        Self(isa!(vqtbl1q_u8(
            self.0,
            vandq_u8(index.0, vdupq_n_u8(0x8f))
        )))
    }
    #[inline(always)]
    fn top_bits(self) -> u64 {
        Self::bits(isa!(vcltzq_s8(vreinterpretq_s8_u8(self.0))))
    }
    #[inline(always)]
    fn tally(self, hit: uint8x16_t) -> Self {
        Self(isa!(vsubq_u8(self.0, hit)))
    }
    #[inline(always)]
    fn sum(self) -> u64 {
        u64::from(isa!(vaddlvq_u8(self.0)))
    }

    #[inline(always)]
    fn hit_or(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        isa!(vorrq_u8(a, b))
    }
    #[inline(always)]
    fn hit_and(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        isa!(vandq_u8(a, b))
    }
    #[inline(always)]
    fn hit_not(a: uint8x16_t) -> uint8x16_t {
        isa!(vmvnq_u8(a))
    }
    #[inline(always)]
    fn any(hit: uint8x16_t) -> bool {
        isa!(vmaxvq_u8(hit)) != 0
    }
    #[inline(always)]
    fn bits(hit: uint8x16_t) -> u64 {
        isa!({
            let weighted = vandq_u8(hit, vld1q_u8(WEIGHTS.as_ptr()));
            let low = vaddv_u8(vget_low_u8(weighted));
            let high = vaddv_u8(vget_high_u8(weighted));
            u64::from(low) | u64::from(high) << 8
        })
    }
}
