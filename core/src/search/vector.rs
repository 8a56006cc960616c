//! What the kernels ask of an instruction set.
//!
//! A kernel is written once over [`Vector`] and compiled once for each set by [`dispatch!`](super::dispatch). Comparisons give a
//! [`Vector::Hit`], one truth value a lane in whatever shape is cheapest to combine: a byte mask (SSE2, AVX2, NEON, words), or
//! the difference itself, zero where equal, so that AVX-512 combines four vectors before it asks a mask register once.
//!
//! # Rules
//!
//! V1: `load*`, `splat` and `table` may be called only where the processor has the set; so values exist only there.
//! V2: `load*` read exactly the bytes they say, never one more.
#![allow(
    unsafe_code,
    reason = "operations that only some processors have, and loads"
)]

#[allow(dead_code, reason = "not every build has every kernel")]
/// A register of bytes. Implementors are in `arch`.
pub(crate) trait Vector: Copy {
    /// Bytes in it: a power of two, 64 at most.
    const BYTES: usize;
    /// Whether [`shuffle`](Self::shuffle) and [`table`](Self::table) are there; without, kernels take a table of 256.
    const SHUFFLES: bool;
    /// Whether a load of fewer bytes is one instruction.
    const MASKED: bool;
    /// Whether [`wide_table`](Self::wide_table) and [`lookup`](Self::lookup) are there.
    const WIDE: bool = false;
    /// Truth values, one a lane.
    type Hit: Copy;
    /// The next narrower set, or itself.
    type Half: Vector;

    /// # Safety
    /// V1.
    unsafe fn splat(byte: u8) -> Self;
    /// # Safety
    /// V1; `BYTES` readable bytes at `from`.
    unsafe fn load(from: *const u8) -> Self;
    /// # Safety
    /// As `load`, and `from` is a multiple of `BYTES`.
    unsafe fn load_aligned(from: *const u8) -> Self;
    /// The first `len < BYTES` bytes, or as many as `BYTES` if `MASKED`; the other lanes are zero.
    /// # Safety
    /// V1; `len` readable bytes at `from`.
    unsafe fn load_short(from: *const u8, len: usize) -> Self;
    /// Lane `i` is byte `i - gap` at `from`, for lanes `gap` to before `len`; the others are zero.
    /// # Safety
    /// V1; `MASKED`; `len - gap` readable bytes at `from`.
    unsafe fn load_late(from: *const u8, gap: usize, len: usize) -> Self {
        let _ = (from, gap, len);
        // SAFETY: V1, the caller's.
        unsafe { Self::splat(0) }
    }
    /// `bytes` repeated in every 16 lanes.
    /// # Safety
    /// V1; `SHUFFLES`.
    unsafe fn table(bytes: &[u8; 16]) -> Self;

    /// `bytes` as they are.
    /// # Safety
    /// V1; `WIDE`.
    unsafe fn wide_table(bytes: &[u8; 64]) -> Self {
        let _ = bytes;
        // SAFETY: V1, the caller's.
        unsafe { Self::splat(0) }
    }
    /// `self` is a wide table: lane by lane, the entry that the low six bits of `index` name. Only where `WIDE`.
    #[inline(always)]
    fn lookup(self, index: Self) -> Self {
        let _ = index;
        self
    }
    /// Bit `i` is whether lane `i` is not zero.
    #[inline(always)]
    fn not_zero_bits(self) -> u64 {
        Self::bits(self.is_zero()) ^ low_bits(Self::BYTES)
    }

    /// Equal lanes.
    fn eq(self, other: Self) -> Self::Hit;
    /// Lanes that are zero.
    fn is_zero(self) -> Self::Hit;
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    /// `self & !other`.
    fn and_not(self, other: Self) -> Self;
    /// Each lane shifted right by four bits, zeros coming in.
    fn high_nibbles(self) -> Self;
    /// Unsigned subtraction that stops at zero.
    fn saturating_sub(self, other: Self) -> Self;
    /// `self` is a table of 16 bytes in every 16 lanes: lane by lane, the entry that the low four bits of `index` name, or zero
    /// if the top bit of `index` is set.
    fn shuffle(self, index: Self) -> Self;
    /// Bit `i` is the top bit of lane `i`.
    fn top_bits(self) -> u64;
    /// Adds one to every lane that hit.
    fn tally(self, hit: Self::Hit) -> Self;
    /// Sum of all lanes.
    fn sum(self) -> u64;

    fn hit_or(a: Self::Hit, b: Self::Hit) -> Self::Hit;
    fn hit_and(a: Self::Hit, b: Self::Hit) -> Self::Hit;
    fn hit_not(a: Self::Hit) -> Self::Hit;
    fn any(hit: Self::Hit) -> bool;
    /// Bit `i` is lane `i`.
    fn bits(hit: Self::Hit) -> u64;

    /// Converts the characters that lie whole in 64 bytes of UTF-8 to UTF-16, where there are instructions for that and no pairs come of it:
    /// bytes read and units written. Writes up to 64 units, of which what is behind those means nothing.
    ///
    /// # Safety
    /// V1; 65 bytes of UTF-8 at `from`, where a character starts; room for 64 units at `to`.
    #[inline(always)]
    unsafe fn decode(from: *const u8, to: *mut u16) -> Option<(usize, usize)> {
        let _ = (from, to);
        None
    }

    /// Whether every lane is zero.
    #[inline(always)]
    fn is_all_zero(self) -> bool {
        Self::bits(self.is_zero()) == low_bits(Self::BYTES)
    }

    /// Writes `offset` plus the number of each bit set in `bits`, in order, and up to 32 more numbers, which mean nothing.
    ///
    /// # Safety
    /// V1; room for `bits.count_ones() + 32` numbers at `to`.
    #[inline(always)]
    unsafe fn places(mut bits: u64, offset: u16, mut to: *mut u16) {
        // Four at a time: how many there are is hard to foretell, that there are no more than four is not.
        loop {
            for i in 0..4 {
                let place = offset.wrapping_add(bits.trailing_zeros() as u16);
                // SAFETY: the caller's: at most three more than there are bits.
                unsafe { to.add(i).write(place) };
                bits &= bits.wrapping_sub(1);
            }
            if bits == 0 {
                return;
            }
            to = to.wrapping_add(4);
        }
    }
}

/// The lowest `count <= 64` bits.
#[inline(always)]
pub(crate) const fn low_bits(count: usize) -> u64 {
    if count >= 64 {
        u64::MAX
    } else {
        (1 << count) - 1
    }
}

/// Up to 8 bytes as a little-endian number.
///
/// # Safety
/// `len <= 8` readable bytes at `from`.
#[inline(always)]
pub(crate) unsafe fn word_short(from: *const u8, len: usize) -> u64 {
    // SAFETY: each read stays within `len` bytes: pairs of reads overlap in the middle, and what both bring is equal.
    unsafe {
        if len >= 8 {
            word(from)
        } else if len >= 4 {
            let low = u64::from(half_word(from));
            let high = u64::from(half_word(from.add(len - 4)));
            low | high << (8 * (len - 4))
        } else if len == 0 {
            0
        } else {
            let first = u64::from(*from);
            let middle = u64::from(*from.add(len / 2));
            let last = u64::from(*from.add(len - 1));
            first | middle << (8 * (len / 2)) | last << (8 * (len - 1))
        }
    }
}

/// # Safety
/// 8 readable bytes at `from`.
#[inline(always)]
pub(crate) unsafe fn word(from: *const u8) -> u64 {
    // SAFETY: the caller's.
    u64::from_le_bytes(unsafe { from.cast::<[u8; 8]>().read_unaligned() })
}

/// # Safety
/// 4 readable bytes at `from`.
#[inline(always)]
pub(crate) unsafe fn half_word(from: *const u8) -> u32 {
    // SAFETY: the caller's.
    u32::from_le_bytes(unsafe { from.cast::<[u8; 4]>().read_unaligned() })
}
