//! Whole numbers of any size, as far as floats need them: words of 32 bits, the lowest first, none of them zero at the top.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use core::cmp::Ordering;

/// Bits of a word.
const WORD: u32 = 32;

/// A whole number. See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Big(Vec<u32>);

/// The low and the high word of `value`.
fn split(value: u64) -> (u32, u64) {
    (
        u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0),
        value >> WORD,
    )
}

impl Big {
    pub(super) const fn zero() -> Self {
        Self(Vec::new())
    }

    pub(super) fn from_u64(value: u64) -> Self {
        let (low, high) = split(value);
        Self(vec![low, split(high).0]).trimmed()
    }

    pub(super) fn power_of_ten(exponent: u32) -> Self {
        let mut power = Self::from_u64(1);
        for _ in 0..exponent / 9 {
            power.multiply_add(1_000_000_000, 0);
        }
        power.multiply_add(10u32.saturating_pow(exponent % 9), 0);
        power
    }

    fn trimmed(mut self) -> Self {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }

    fn word(&self, index: usize) -> u32 {
        self.0.get(index).copied().unwrap_or(0)
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// Bits without the zeros at the top.
    pub(super) fn bits(&self) -> u32 {
        let words = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let zeros = self.0.last().map_or(0, |word| word.leading_zeros());
        words.saturating_mul(WORD).saturating_sub(zeros)
    }

    pub(super) fn bit(&self, index: u32) -> bool {
        self.word((index / WORD) as usize) >> (index % WORD) & 1 == 1
    }

    /// Whether one of the `count` lowest bits is set.
    pub(super) fn has_bits_below(&self, count: u32) -> bool {
        let words = (count / WORD) as usize;
        let part = count % WORD;
        let mask = 1u32.checked_shl(part).map_or(0, |bit| bit.wrapping_sub(1));
        self.0.iter().take(words).any(|word| *word != 0) || self.word(words) & mask != 0
    }

    pub(super) fn low_u64(&self) -> u64 {
        u64::from(self.word(0)) | u64::from(self.word(1)) << WORD
    }

    /// Times `factor`, plus `more`.
    pub(super) fn multiply_add(&mut self, factor: u32, more: u32) {
        let mut carry = u64::from(more);
        for word in &mut self.0 {
            let product = u64::from(*word)
                .saturating_mul(u64::from(factor))
                .saturating_add(carry);
            (*word, carry) = split(product);
        }
        if carry > 0 {
            self.0.push(split(carry).0);
        }
    }

    pub(super) fn multiply(&self, other: &Self) -> Self {
        let mut out = vec![0; self.0.len().saturating_add(other.0.len()).saturating_add(1)];
        for (shift, &factor) in self.0.iter().enumerate() {
            let mut carry = 0u64;
            let padded = other.0.iter().copied().chain([0]);
            for (slot, word) in out.iter_mut().skip(shift).zip(padded) {
                let product = u64::from(word)
                    .saturating_mul(u64::from(factor))
                    .saturating_add(u64::from(*slot))
                    .saturating_add(carry);
                (*slot, carry) = split(product);
            }
        }
        Self(out).trimmed()
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        let words = self.0.len().max(other.0.len());
        let mut carry = 0u64;
        let mut out = Vec::with_capacity(words.saturating_add(1));
        for index in 0..=words {
            let sum = u64::from(self.word(index))
                .saturating_add(u64::from(other.word(index)))
                .saturating_add(carry);
            let (word, next) = split(sum);
            out.push(word);
            carry = next;
        }
        Self(out).trimmed()
    }

    /// The difference; `other` is at most as large.
    pub(super) fn subtract(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.subtract_from(other);
        out
    }

    fn subtract_from(&mut self, other: &Self) {
        let mut borrow = false;
        for (index, word) in self.0.iter_mut().enumerate() {
            let (part, first) = word.overflowing_sub(other.word(index));
            let (part, second) = part.overflowing_sub(u32::from(borrow));
            *word = part;
            borrow = first || second;
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    pub(super) fn shift_left(&self, count: u32) -> Self {
        let mut out = vec![0; (count / WORD) as usize];
        let mut carry = 0u64;
        for &word in &self.0 {
            let moved = u64::from(word) << (count % WORD) | carry;
            let (low, high) = split(moved);
            out.push(low);
            carry = high;
        }
        out.push(split(carry).0);
        Self(out).trimmed()
    }

    pub(super) fn shift_right(&self, count: u32) -> Self {
        let skip = (count / WORD) as usize;
        let part = count % WORD;
        let out = (skip..self.0.len())
            .map(|index| {
                let pair = u64::from(self.word(index))
                    | u64::from(self.word(index.saturating_add(1))) << WORD;
                split(pair >> part).0
            })
            .collect();
        Self(out).trimmed()
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let lengths = self.0.len().cmp(&other.0.len());
        lengths.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// The quotient, bit by bit, and whether nothing is left: fit for quotients of few bits.
    pub(super) fn divide(&self, divisor: &Self) -> (Self, bool) {
        let first = self.bits().saturating_sub(divisor.bits());
        let mut quotient = Self::zero();
        let mut rest = self.clone();
        let mut scaled = divisor.shift_left(first);
        for _ in 0..=first {
            quotient.multiply_add(2, 0);
            if rest.compare(&scaled) != Ordering::Less {
                rest.subtract_from(&scaled);
                quotient = quotient.add(&Self::from_u64(1));
            }
            scaled = scaled.shift_right(1);
        }
        (quotient, rest.is_zero())
    }

    /// In decimal, without leading zeros; zero is `0`.
    pub(super) fn to_decimal(&self) -> String {
        let mut rest = self.clone();
        let mut groups = Vec::new();
        while !rest.is_zero() {
            let mut remainder = 0u64;
            for word in rest.0.iter_mut().rev() {
                let value = remainder << WORD | u64::from(*word);
                *word = split(value / 1_000_000_000).0;
                remainder = value % 1_000_000_000;
            }
            rest = rest.trimmed();
            groups.push(remainder);
        }
        let mut groups = groups.into_iter().rev();
        let mut text = groups.next().unwrap_or(0).to_string();
        for group in groups {
            text.push_str(&format!("{group:09}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_agrees_with_128_bits() {
        let mut state = 7u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> (state >> 58)
        };
        let wide = |value: u128| {
            let high = Big::from_u64(u64::try_from(value >> 64).unwrap());
            let low = Big::from_u64(u64::try_from(value & u128::from(u64::MAX)).unwrap());
            high.shift_left(64).add(&low)
        };
        for _ in 0..2000 {
            let (a, b) = (random(), random());
            let (wide_a, wide_b) = (u128::from(a), u128::from(b));
            let (big_a, big_b) = (Big::from_u64(a), Big::from_u64(b));
            let product = wide(wide_a * wide_b);
            assert_eq!(big_a.multiply(&big_b), product);
            assert_eq!(big_a.add(&big_b), wide(wide_a + wide_b));
            assert_eq!(product.to_decimal(), (wide_a * wide_b).to_string());
            assert_eq!(big_a.compare(&big_b), a.cmp(&b));
            let shift = u32::try_from(random() % 64).unwrap();
            assert_eq!(product.shift_right(shift), wide((wide_a * wide_b) >> shift));
            assert_eq!(big_a.shift_left(shift), wide(wide_a << shift));
            assert_eq!(
                product.has_bits_below(shift),
                (wide_a * wide_b) & ((1 << shift) - 1) != 0
            );
            if let Some(expected) = a.checked_div(b) {
                let (quotient, exact) = big_a.divide(&big_b);
                assert_eq!(quotient, Big::from_u64(expected));
                assert_eq!(exact, expected * b == a);
            }
        }
        assert_eq!(Big::power_of_ten(20), wide(10u128.pow(20)));
    }
}
