//! Which instruction set the kernels run on, found without `std`.
//!
//! x86-64: CPUID says what the processor has, XGETBV what the system saves on a switch of threads; a set counts only
//! if both agree (Intel SDM vol. 1, 13.3 and 15.2). arm64: NEON is part of the architecture. All others, and builds
//! for x86-64 without SSE registers (kernels, firmware), run word-wise code.
//!
//! The answer is asked for once and kept in one byte. [`limit`] caps it, so that every backend can be tested on one machine.
#![forbid(unsafe_code)]

// Not the model checker's atomic: a cache of a constant is no protocol, and loom has no statics.
use core::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that has kernels, from the plainest to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum Level {
    /// Eight bytes at a time in general registers; every machine.
    Swar = 1,
    /// 16 bytes, arm64.
    Neon = 2,
    /// 16 bytes, every x86-64.
    Sse2 = 3,
    /// 32 bytes, with BMI and POPCNT.
    Avx2 = 4,
    /// 64 bytes, with the byte instructions of BW, VL, VBMI and VBMI2 (Ice Lake, Zen 4 and later).
    Avx512 = 5,
}

impl Level {
    /// Every level, from the plainest to the widest; some are of other machines.
    pub const ALL: [Self; 5] = [Self::Swar, Self::Neon, Self::Sse2, Self::Avx2, Self::Avx512];

    /// Whether this processor, under this system, can run it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Swar => true,
            Self::Neon => cfg!(all(
                target_arch = "aarch64",
                target_endian = "little",
                target_feature = "neon"
            )),
            Self::Sse2 | Self::Avx2 | Self::Avx512 => self <= best() && best() >= Self::Sse2,
        }
    }

    /// Its name as in documents and options: `swar`, `neon`, `sse2`, `avx2` or `avx512`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Swar => "swar",
            Self::Neon => "neon",
            Self::Sse2 => "sse2",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    const fn from_u8(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Swar),
            2 => Some(Self::Neon),
            3 => Some(Self::Sse2),
            4 => Some(Self::Avx2),
            5 => Some(Self::Avx512),
            _ => None,
        }
    }
}

static BEST: AtomicU8 = AtomicU8::new(0);
static LIMIT: AtomicU8 = AtomicU8::new(u8::MAX);

/// The widest level of this machine.
#[must_use]
pub fn best() -> Level {
    if let Some(level) = Level::from_u8(BEST.load(Ordering::Relaxed)) {
        return level;
    }
    let level = ask();
    BEST.store(level as u8, Ordering::Relaxed);
    level
}

/// The level that kernels chosen from now on use: the widest available one within [`limit`].
#[must_use]
pub fn level() -> Level {
    let limit = LIMIT.load(Ordering::Relaxed);
    let best = best();
    if best as u8 <= limit {
        return best;
    }
    match Level::from_u8(limit) {
        Some(level) if level.is_available() => level,
        _ => Level::Swar,
    }
}

/// Uses nothing wider than `level` from now on. A kernel that has already been called or a searcher that has already been built keeps
/// the level it got, so call this first thing in a program. For tests and for measuring.
pub fn limit(level: Level) {
    LIMIT.store(level as u8, Ordering::Relaxed);
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
fn ask() -> Level {
    x86::ask()
}

#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
const fn ask() -> Level {
    if cfg!(all(
        target_arch = "aarch64",
        target_endian = "little",
        target_feature = "neon"
    )) {
        Level::Neon
    } else {
        Level::Swar
    }
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86 {
    use super::Level;
    use crate::search::arch::xcr0;
    use core::arch::x86_64::{__cpuid, __cpuid_count};

    const LEAF1_ECX: u32 = bits(&[
        20, /* SSE4.2 */
        23, /* POPCNT */
        27, /* OSXSAVE */
        28, /* AVX */
    ]);
    const LEAF7_EBX_AVX2: u32 = bits(&[3 /* BMI1 */, 5 /* AVX2 */, 8 /* BMI2 */]);
    const LEAF7_EBX_AVX512: u32 = bits(&[
        16, /* F */
        17, /* DQ */
        30, /* BW */
        31, /* VL */
    ]);
    const LEAF7_ECX_AVX512: u32 = bits(&[1 /* VBMI */, 6 /* VBMI2 */]);
    const EXTENDED1_ECX: u32 = bits(&[5 /* LZCNT */]);
    /// SSE and AVX registers.
    const SAVED_AVX: u64 = 0x6;
    /// And mask registers, upper halves of the first sixteen, the other sixteen.
    const SAVED_AVX512: u64 = 0xe6;

    const fn bits(numbers: &[u32]) -> u32 {
        let mut bits = 0;
        let mut i = 0;
        while i < numbers.len() {
            bits |= 1 << numbers[i];
            i += 1;
        }
        bits
    }

    pub(super) fn ask() -> Level {
        let has = |register: u32, wanted: u32| register & wanted == wanted;
        if __cpuid(0).eax < 7 || __cpuid(0x8000_0000).eax < 0x8000_0001 {
            return Level::Sse2;
        }
        let leaf7 = __cpuid_count(7, 0);
        if !has(__cpuid(1).ecx, LEAF1_ECX)
            || !has(leaf7.ebx, LEAF7_EBX_AVX2)
            || !has(__cpuid(0x8000_0001).ecx, EXTENDED1_ECX)
        {
            return Level::Sse2;
        }
        // OSXSAVE is among the bits just seen.
        let saved = xcr0();
        if saved & SAVED_AVX != SAVED_AVX {
            Level::Sse2
        } else if has(leaf7.ebx, LEAF7_EBX_AVX512)
            && has(leaf7.ecx, LEAF7_ECX_AVX512)
            && saved & SAVED_AVX512 == SAVED_AVX512
        {
            Level::Avx512
        } else {
            Level::Avx2
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plainest_level_is_everywhere_and_the_best_is_available() {
        assert!(Level::Swar.is_available());
        assert!(best().is_available());
        assert!(level() <= best());
        for level in Level::ALL {
            assert_eq!(Level::from_u8(level as u8), Some(level));
        }
    }

    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    #[test]
    fn the_standard_library_sees_the_same_features() {
        let avx2 = std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("bmi2");
        let avx512 = avx2
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512vbmi2");
        assert_eq!(Level::Avx2.is_available(), avx2);
        assert_eq!(Level::Avx512.is_available(), avx512);
        assert!(!Level::Neon.is_available());
    }
}
