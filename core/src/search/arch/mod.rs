//! Vectors of each instruction set: one thin file a set, all with the same operations ([`Vector`](super::vector::Vector)).
//!
//! A value of one of these types exists only where the processor has its instructions: it comes from `load` or `splat`, which are
//! unsafe for that reason alone, and every other operation starts from a value. That is invariant A1, which the files' `SAFETY` comments name.
#![allow(
    unsafe_code,
    reason = "intrinsics are safe only where the processor has them"
)]

mod swar;
pub(crate) use swar::Swar;

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod avx2;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod avx512;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod sse2;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub(crate) use {avx2::Avx2, avx512::Avx512, sse2::Sse2};

#[cfg(all(
    target_arch = "aarch64",
    target_endian = "little",
    target_feature = "neon"
))]
mod neon;
#[cfg(all(
    target_arch = "aarch64",
    target_endian = "little",
    target_feature = "neon"
))]
pub(crate) use neon::Neon;

/// The sets of registers that the system saves. Only to be asked where CPUID shows OSXSAVE; where it does not, the answer is 0.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub(crate) fn xcr0() -> u64 {
    const OSXSAVE: u32 = 1 << 27;
    #[target_feature(enable = "xsave")]
    fn ask() -> u64 {
        // SAFETY: the one caller has seen OSXSAVE, which makes XGETBV with register 0 legal.
        unsafe { core::arch::x86_64::_xgetbv(0) }
    }
    if core::arch::x86_64::__cpuid(1).ecx & OSXSAVE == 0 {
        return 0;
    }
    // SAFETY: OSXSAVE implies XSAVE.
    unsafe { ask() }
}
