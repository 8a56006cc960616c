//! The laws of searching, on bytes of a generator: the same ones that the fuzz targets check.

use underpin_tests::{search, seeds};

/// A small generator.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most))
            .map(|_| self.below(256) as u8)
            .collect()
    }

    /// Characters of all lengths, and now and then a byte that is none.
    fn text(&mut self, most: usize) -> Vec<u8> {
        const LETTERS: [&str; 16] = [
            "a", "K", "\u{212a}", "s", "ſ", "é", "É", "Ж", "ж", "ω", "Ω", "漢", "😀", "\n", " ",
            "x",
        ];
        let mut text = Vec::new();
        let letters = 1 + self.below(LETTERS.len());
        while text.len() < most {
            match self.below(60) {
                0 => text.push(self.below(256) as u8),
                _ => text.extend_from_slice(LETTERS[self.below(letters)].as_bytes()),
            }
        }
        text
    }
}

#[test]
fn one_needle() {
    seeds::check(400, |seed| {
        let mut random = Random(seed);
        let most = [20, 300, 1_500][seed as usize % 3];
        search::substring(&random.bytes(most));
    });
}

#[test]
fn several_needles() {
    seeds::check(400, |seed| {
        let mut random = Random(seed);
        search::patterns(&random.bytes([20, 200, 800][seed as usize % 3]));
    });
}

#[test]
fn texts() {
    seeds::check(400, |seed| {
        let mut random = Random(seed);
        let most = random.below(400);
        search::text(&random.text(most));
    });
}

#[test]
fn letters_without_their_case() {
    seeds::check(400, |seed| {
        let mut random = Random(seed);
        let most = random.below(300);
        let text = random.text(most);
        // The first two bytes say how the rest is read: as it is, with a short needle that is in it or not.
        let size = random.below(12) as u8;
        let shape = 4 * (random.below(64) as u8);
        search::folding(&[&[size, shape][..], &text].concat());
    });
}
