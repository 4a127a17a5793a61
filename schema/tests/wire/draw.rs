//! Random choices that follow from a seed.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

pub struct Draw(SmallRng);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    pub fn flag(&mut self) -> bool {
        self.0.gen_range(0..2) == 0
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0.gen_range(0..end)
    }

    /// Small numbers and the greatest ones both come often.
    pub fn number(&mut self) -> u64 {
        match self.below(4) {
            0 => 0,
            1 => self.0.gen_range(0..100),
            2 => self.0.r#gen(),
            _ => u64::MAX,
        }
    }

    pub fn small(&mut self) -> u32 {
        self.number() as u32
    }

    pub fn signed(&mut self) -> i64 {
        self.number() as i64
    }

    pub fn float(&mut self) -> f64 {
        self.signed() as f64 / 8.0
    }

    pub fn wide(&mut self) -> i128 {
        i128::from(self.signed()) * i128::from(self.signed())
    }

    pub fn text(&mut self) -> String {
        const TEXTS: [&str; 6] =
            ["", "a", "Straße", "name with spaces", "\u{1F980}\u{0}x", "nineteen characters"];
        TEXTS[self.below(TEXTS.len())].to_owned()
    }

    pub fn bytes(&mut self) -> Vec<u8> {
        let length = self.below(20);
        (0..length).map(|_| self.0.r#gen()).collect()
    }

    pub fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| make(self))
    }

    /// None to three.
    pub fn some<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(4)).map(|_| make(self)).collect()
    }

    pub fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}
