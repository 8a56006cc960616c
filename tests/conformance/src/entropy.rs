//! Random bytes: the whole buffer is filled, and with something that does not repeat.
#![allow(
    unsafe_code,
    reason = "reads bytes that the platform promised to initialise"
)]

use crate::case::{Context, Verdict};
use core::mem::MaybeUninit;
use underpin_core::Result;
use underpin_core::platform::{Caps, Platform};

cases!("entropy", Platform:
    answers_as_the_caps_say,
    fills_the_whole_buffer,
    fills_an_empty_buffer,
    two_fills_differ,
    bits_are_balanced,
);

/// Fills `N` bytes.
fn bytes<P: Platform, const N: usize>(cx: &Context<'_, P>) -> Result<[u8; N]> {
    let mut bytes = [MaybeUninit::<u8>::uninit(); N];
    cx.p.fill(&mut bytes)?;
    // SAFETY: fill succeeded, so by the trait's contract every byte is initialised.
    Ok(bytes.map(|byte| unsafe { byte.assume_init() }))
}

/// "`Unsupported` where there is no source."
fn answers_as_the_caps_say<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    if cx.caps.contains(Caps::ENTROPY) {
        cx.p.random_u64()?;
        bytes::<P, 16>(cx)?;
    } else {
        ensure_kind!(cx.p.random_u64(), Unsupported);
        ensure_kind!(bytes::<P, 16>(cx), Unsupported);
    }
    Ok(())
}

/// "Fills the whole of `bytes` with random bytes": over some fills every byte takes several values.
fn fills_the_whole_buffer<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    needs!(cx, ENTROPY);
    // Over 256 bytes some systems give short answers that must be repeated.
    const BYTES: usize = 600;
    let first: [u8; BYTES] = bytes(cx)?;
    let mut changed = [false; BYTES];
    // A byte stays the same by chance 16 times in a row once in 2^128 times.
    for _ in 0..16 {
        let next: [u8; BYTES] = bytes(cx)?;
        for ((changed, first), next) in changed.iter_mut().zip(first).zip(next) {
            *changed |= first != next;
        }
    }
    for (index, changed) in changed.iter().enumerate() {
        ensure!(*changed, "byte {index} of {BYTES} never changes");
    }
    Ok(())
}

/// An empty buffer is filled by nothing.
fn fills_an_empty_buffer<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    needs!(cx, ENTROPY);
    cx.p.fill(&mut [])?;
    Ok(())
}

/// "fit for keys and hash seeds": no two of them are the same.
fn two_fills_differ<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    needs!(cx, ENTROPY);
    let mut seen = [0u64; 32];
    for index in 0..seen.len() {
        let number = cx.p.random_u64()?;
        ensure!(!seen[..index].contains(&number), "{number:#x} came twice");
        seen[index] = number;
    }
    Ok(())
}

/// "random bytes": ones and zeros in equal parts, at any bit.
fn bits_are_balanced<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    needs!(cx, ENTROPY);
    let mut ones = [0u32; 8];
    const FILLS: u32 = 8;
    const BYTES: usize = 512;
    for _ in 0..FILLS {
        for byte in bytes::<P, BYTES>(cx)? {
            for (bit, ones) in ones.iter_mut().enumerate() {
                *ones += u32::from(byte >> bit & 1);
            }
        }
    }
    // 4,096 throws: the mean is 2,048 and the deviation 32, so 320 is ten of them.
    for (bit, ones) in ones.iter().enumerate() {
        ensure!(
            (1_728..=2_368).contains(ones),
            "bit {bit} was one {ones} times in 4096"
        );
    }
    Ok(())
}
