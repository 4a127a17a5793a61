//! `tdigest_quantile(value DOUBLE, q DOUBLE) -> DOUBLE`: about the value that a share q of all values is below.
//!
//! A merging t-digest (T. Dunning, "Computing extremely accurate quantiles using t-digests", 2019): values are kept as
//! centroids that are small near the ends and large in the middle, so that the error of the share is about q(1-q)/100. NaN is
//! left out. `q` is that of the last row.

use nyala_sdk::Aggregate;

/// A centroid at the share q of n values may hold 4·n·q(1-q) / this many.
const COMPRESSION: f64 = 200.0;
/// Values that are kept as they are until they are merged.
const BUFFERED: usize = 1000;

nyala_sdk::state! {
    /// Centroids are (mean, weight), ascending by mean.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct Digest {
        centroids: Vec<(f64, f64)>,
        buffer: Vec<(f64, f64)>,
        least: f64,
        greatest: f64,
        q: Option<f64>,
    }
}

impl Digest {
    fn update(&mut self, value: f64, q: f64) -> Result<(), String> {
        if !(0.0..=1.0).contains(&q) {
            return Err(format!("a quantile is from 0 to 1, not {}", q));
        }
        self.q = Some(q);
        if !value.is_nan() {
            self.widen(value, value);
            self.add((value, 1.0));
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.centroids.is_empty() && self.buffer.is_empty()
    }

    fn widen(&mut self, least: f64, greatest: f64) {
        let empty = self.is_empty();
        self.least = if empty { least } else { self.least.min(least) };
        self.greatest = if empty { greatest } else { self.greatest.max(greatest) };
    }

    fn add(&mut self, centroid: (f64, f64)) {
        self.buffer.push(centroid);
        if self.buffer.len() >= BUFFERED {
            self.compress();
        }
    }

    /// Merges neighbours for as long as they stay as small as their place demands.
    fn compress(&mut self) {
        let mut all = std::mem::take(&mut self.buffer);
        all.append(&mut self.centroids);
        all.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.total_cmp(&right.1)));
        let total: f64 = all.iter().map(|(_, weight)| weight).sum();
        let mut before = 0.0;
        for (mean, weight) in all {
            if let Some(last) = self.centroids.last_mut() {
                let joined = last.1 + weight;
                let share = (before + joined / 2.0) / total;
                if joined <= (4.0 * total * share * (1.0 - share) / COMPRESSION).max(1.0) {
                    // An infinity must not become NaN.
                    last.0 = if last.0 == mean { mean } else { last.0 + (mean - last.0) * weight / joined };
                    last.1 = joined;
                    continue;
                }
                before += last.1;
            }
            self.centroids.push((mean, weight));
        }
    }

    fn quantile(&mut self, q: f64) -> Option<f64> {
        self.compress();
        let total: f64 = self.centroids.iter().map(|(_, weight)| weight).sum();
        let wanted = q * total;
        // Each centroid stands for the values around the middle of its weight.
        let (mut below, mut place) = (self.least, 0.0);
        let mut before = 0.0;
        for &(mean, weight) in &self.centroids {
            let middle = before + weight / 2.0;
            if wanted < middle {
                return Some(between(below, mean, (wanted - place) / (middle - place)));
            }
            (below, place) = (mean, middle);
            before += weight;
        }
        if self.centroids.is_empty() {
            return None;
        }
        let share = if total > place { (wanted - place) / (total - place) } else { 1.0 };
        Some(between(below, self.greatest, share))
    }
}

fn between(low: f64, high: f64, share: f64) -> f64 {
    if low == high {
        low
    } else {
        low + (high - low) * share
    }
}

impl Aggregate for Digest {
    type Output = Option<f64>;

    fn merge(&mut self, other: Self) {
        if !other.is_empty() {
            self.widen(other.least, other.greatest);
        }
        self.q = other.q.or(self.q);
        other.centroids.into_iter().chain(other.buffer).for_each(|centroid| self.add(centroid));
    }

    fn finish(mut self) -> Option<f64> {
        self.q.and_then(|q| self.quantile(q))
    }
}

nyala_sdk::aggregate! {
    /// See the head of this file.
    fn tdigest_quantile(value: f64, q: f64) for Digest;
}

#[cfg(test)]
mod tests {
    use super::Digest;
    use nyala_sdk::Aggregate;

    fn of(values: impl Iterator<Item = u64>, q: f64) -> Digest {
        let mut digest = Digest::default();
        values.for_each(|value| digest.update(value as f64, q).unwrap());
        digest
    }

    /// 0 to 99,999 in an order without pattern.
    fn shuffled() -> impl Iterator<Item = u64> {
        (0..100_000u64).map(|n| n * 61_803 % 100_000)
    }

    #[test]
    fn shares_are_nearly_right_most_so_at_the_ends() {
        for (q, tolerance) in
            [(0.0, 0.0), (0.001, 0.0005), (0.25, 0.005), (0.5, 0.006), (0.99, 0.001), (1.0, 0.0)]
        {
            let found = of(shuffled(), q).finish().unwrap() / 99_999.0;
            assert!((found - q).abs() <= tolerance, "{} for {}", found, q);
        }
        assert_eq!(of([7].into_iter(), 0.5).finish(), Some(7.0));
        assert_eq!(Digest::default().finish(), None);
        assert!(Digest::default().update(1.0, 1.01).is_err());
        let digest = of(shuffled(), 0.5);
        assert!(digest.centroids.len() < 1200, "{}", digest.centroids.len());
    }

    #[test]
    fn parts_join_nearly() {
        let mut parts = Digest::default();
        for part in 0..7 {
            parts.merge(of(shuffled().filter(|value| value % 7 == part), 0.9));
        }
        let whole = of(shuffled(), 0.9).finish().unwrap();
        assert!((parts.finish().unwrap() - whole).abs() < 500.0);
    }
}
