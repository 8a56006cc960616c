//! Eight bytes in a general register, little end first on every machine.
//!
//! Lane tests are exact (no borrow from a neighbour): `((x & 0x7f..) + 0x7f..) | x` has the top bit set where a lane is not zero.
//! Plain safe arithmetic: the unsafe functions are so only for the trait's sake.

use crate::search::vector::{Vector, word, word_short};

const ONES: u64 = 0x0101_0101_0101_0101;
const LOW7: u64 = 0x7f7f_7f7f_7f7f_7f7f;
const TOPS: u64 = 0x8080_8080_8080_8080;
/// Multiplied by the eight top bits, brings them into the top byte, lane 0 lowest.
const GATHER: u64 = 0x0002_0408_1020_4081;

#[derive(Clone, Copy)]
pub(crate) struct Swar(u64);

#[inline(always)]
const fn zero_lanes(x: u64) -> u64 {
    !(((x & LOW7) + LOW7) | x) & TOPS
}

impl Vector for Swar {
    const BYTES: usize = 8;
    const SHUFFLES: bool = false;
    const MASKED: bool = false;
    type Hit = u64;
    type Half = Self;

    #[inline(always)]
    unsafe fn splat(byte: u8) -> Self {
        Self(u64::from(byte) * ONES)
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller's 8 bytes.
        Self(unsafe { word(from) })
    }
    #[inline(always)]
    unsafe fn load_aligned(from: *const u8) -> Self {
        // SAFETY: the caller's 8 bytes.
        Self(unsafe { word(from) })
    }
    #[inline(always)]
    unsafe fn load_short(from: *const u8, len: usize) -> Self {
        // SAFETY: the caller's `len` bytes.
        Self(unsafe { word_short(from, len) })
    }
    #[inline(always)]
    unsafe fn table(_: &[u8; 16]) -> Self {
        Self(0)
    }

    #[inline(always)]
    fn eq(self, other: Self) -> u64 {
        zero_lanes(self.0 ^ other.0)
    }
    #[inline(always)]
    fn is_zero(self) -> u64 {
        zero_lanes(self.0)
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
    #[inline(always)]
    fn and_not(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    #[inline(always)]
    fn high_nibbles(self) -> Self {
        Self((self.0 >> 4) & (0x0f * ONES))
    }
    #[inline(always)]
    fn saturating_sub(self, other: Self) -> Self {
        let (a, b) = (self.0.to_le_bytes(), other.0.to_le_bytes());
        let mut out = [0; 8];
        for i in 0..8 {
            out[i] = a[i].saturating_sub(b[i]);
        }
        Self(u64::from_le_bytes(out))
    }
    #[inline(always)]
    fn shuffle(self, _: Self) -> Self {
        self
    }
    #[inline(always)]
    fn top_bits(self) -> u64 {
        Self::bits(self.0 & TOPS)
    }
    #[inline(always)]
    fn tally(self, hit: u64) -> Self {
        Self(self.0 + (hit >> 7))
    }
    #[inline(always)]
    fn sum(self) -> u64 {
        const PAIRS: u64 = 0x00ff_00ff_00ff_00ff;
        let pairs = (self.0 & PAIRS) + ((self.0 >> 8) & PAIRS);
        pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48
    }

    #[inline(always)]
    fn hit_or(a: u64, b: u64) -> u64 {
        a | b
    }
    #[inline(always)]
    fn hit_and(a: u64, b: u64) -> u64 {
        a & b
    }
    #[inline(always)]
    fn hit_not(a: u64) -> u64 {
        a ^ TOPS
    }
    #[inline(always)]
    fn any(hit: u64) -> bool {
        hit != 0
    }
    #[inline(always)]
    fn bits(hit: u64) -> u64 {
        hit.wrapping_mul(GATHER) >> 56
    }
}
