//! `hll_count(value TEXT) -> BIGINT`: about how many different values there are, in 4 kB however many.
//!
//! HyperLogLog with 4096 registers: the standard error is 1.6 % (1.04 / √4096); two of three results are nearer than that. The
//! estimate is that of O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), section 3, which
//! needs no tables against bias.

use nyala_sdk::Aggregate;

const INDEX_BITS: u32 = 12;
const REGISTERS: usize = 1 << INDEX_BITS;
/// Bits of a hash that are not its register's number.
const RANK_BITS: usize = 64 - INDEX_BITS as usize;
/// A sketch with few values lists them: small groups stay small.
const LISTED: usize = 128;

nyala_sdk::state! {
    /// One of the two is empty.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct Sketch {
        /// Registers that are not 0, ascending by number.
        listed: Vec<(u16, u8)>,
        registers: Vec<u8>,
    }
}

impl Sketch {
    fn update(&mut self, value: &str) {
        let hash = hash(value.as_bytes());
        let register = (hash >> RANK_BITS) as u16;
        let rank = ((hash << INDEX_BITS).leading_zeros()).min(RANK_BITS as u32) as u8 + 1;
        self.raise(register, rank);
    }

    fn raise(&mut self, register: u16, rank: u8) {
        if let Some(held) = self.registers.get_mut(register as usize) {
            *held = rank.max(*held);
            return;
        }
        match self.listed.binary_search_by_key(&register, |(register, _)| *register) {
            Ok(place) => self.listed[place].1 = rank.max(self.listed[place].1),
            Err(place) => self.listed.insert(place, (register, rank)),
        }
        if self.listed.len() > LISTED {
            self.registers = vec![0; REGISTERS];
            for (register, rank) in std::mem::take(&mut self.listed) {
                self.registers[register as usize] = rank;
            }
        }
    }

    fn estimate(&self) -> f64 {
        let mut counts = [0u32; RANK_BITS + 2];
        counts[0] = if self.registers.is_empty() { (REGISTERS - self.listed.len()) as u32 } else { 0 };
        let ranks = self.listed.iter().map(|(_, rank)| rank).chain(&self.registers);
        ranks.for_each(|&rank| counts[usize::from(rank).min(RANK_BITS + 1)] += 1);
        let all = REGISTERS as f64;
        let mut sum = all * tau(1.0 - f64::from(counts[RANK_BITS + 1]) / all);
        for &count in counts[1..=RANK_BITS].iter().rev() {
            sum = 0.5 * (sum + f64::from(count));
        }
        sum += all * sigma(f64::from(counts[0]) / all);
        all * all / (2.0 * std::f64::consts::LN_2 * sum)
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

/// FNV-1a with the finish of MurmurHash3, which spreads it over all bits.
fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, step);
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

impl Aggregate for Sketch {
    type Output = i64;

    fn merge(&mut self, other: Self) {
        for (register, rank) in other.listed {
            self.raise(register, rank);
        }
        for (register, rank) in other.registers.into_iter().enumerate().filter(|(_, rank)| *rank > 0) {
            self.raise(register as u16, rank);
        }
    }

    fn finish(self) -> i64 {
        self.estimate().round() as i64
    }
}

nyala_sdk::aggregate! {
    /// See the head of this file.
    fn hll_count(value: &str) for Sketch;
}

#[cfg(test)]
mod tests {
    use super::Sketch;
    use nyala_sdk::{Aggregate, State};

    fn of(values: impl Iterator<Item = u32>) -> Sketch {
        let mut sketch = Sketch::default();
        values.for_each(|value| sketch.update(&format!("value {}", value)));
        sketch
    }

    #[test]
    fn estimates_are_within_three_standard_errors() {
        for count in [1u32, 10, 100, 1_000, 10_000, 100_000] {
            let found = of((0..count).chain(0..count / 2)).finish() as f64;
            let error = (found - f64::from(count)).abs() / f64::from(count);
            assert!(error < 0.05, "{} for {}", found, count);
        }
        assert_eq!(Sketch::default().finish(), 0);
    }

    #[test]
    fn parts_join_exactly() {
        for count in [50, 500, 5_000] {
            let mut parts = of(0..count / 3);
            parts.merge(of(count / 4..count));
            assert_eq!(parts, of(0..count));
            let mut bytes = Vec::new();
            parts.encode(&mut bytes);
            assert_eq!(Sketch::decode(&mut &bytes[..]), Some(parts));
        }
    }
}
