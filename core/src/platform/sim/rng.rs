//! The simulator's dice: xoshiro256++ seeded through SplitMix64.
//!
//! Algorithms: Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2021 (xoshiro256++); Steele,
//! Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014 (SplitMix64). Bounded numbers by
//! Lemire's multiply-and-shift; its bias is below 2^-32 for the small bounds used here.
//!
//! Each subsystem of a machine has a stream of its own, so that one more read from the disk does not shift what the
//! scheduler draws. Not for secrets.
#![forbid(unsafe_code)]

/// A stream of pseudo-random numbers that is the same on every machine.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

/// Whose dice a stream is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Clock = 1,
    Schedule,
    Entropy,
    Disk,
    Crash,
    Network,
    Fault,
    Tuning,
}

/// SplitMix64's output function: spreads every bit of `x` over the result.
pub(super) const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// SplitMix64's step, 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Rng {
    /// The stream of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut x = seed;
        let mut state = [0; 4];
        for word in &mut state {
            x = x.wrapping_add(GOLDEN);
            *word = mix(x);
        }
        Self { state }
    }

    /// The stream of one subsystem of the machine with `seed` at its `boot`th boot.
    pub(super) fn stream(seed: u64, stream: Stream, boot: u64) -> Self {
        let place = mix((stream as u64).wrapping_add(boot.wrapping_mul(GOLDEN)));
        Self::new(seed ^ place)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let out = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let t = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= t;
        *d = d.rotate_left(45);
        out
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A number from `low` up to and without `high`; `low` if there is none.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low))
    }

    /// An index into something of `count` elements; 0 if there are none.
    pub fn index(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).unwrap_or(0)
    }

    /// True with a probability of `ppm` in a million.
    pub fn chance(&mut self, ppm: u32) -> bool {
        ppm != 0 && self.below(1_000_000) < u64::from(ppm)
    }

    /// True half of the time.
    pub fn coin(&mut self) -> bool {
        self.next_u64() >> 63 == 1
    }

    /// Puts `items` into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_xoshiro256_plus_plus() {
        // The first outputs for the state 1, 2, 3, 4, as in the authors' reference code.
        let mut rng = Rng {
            state: [1, 2, 3, 4],
        };
        assert_eq!(rng.next_u64(), 41_943_041);
        assert_eq!(rng.next_u64(), 58_720_359);
    }

    #[test]
    fn streams_of_one_seed_differ_and_bounds_hold() {
        let mut disk = Rng::stream(7, Stream::Disk, 0);
        let mut crash = Rng::stream(7, Stream::Crash, 0);
        let mut next_boot = Rng::stream(7, Stream::Disk, 1);
        let first = disk.next_u64();
        assert_ne!(first, crash.next_u64());
        assert_ne!(first, next_boot.next_u64());
        assert!((0..1000).all(|_| disk.below(3) < 3));
        assert_eq!(disk.below(0), 0);
        assert!(!disk.chance(0));
        assert!((0..100).all(|_| disk.chance(1_000_000)));
    }
}
