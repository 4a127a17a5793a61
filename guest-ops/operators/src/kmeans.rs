//! `kmeans(k BIGINT, x DOUBLE, y DOUBLE) -> TEXT` and `kmeans_cluster(model TEXT, x DOUBLE, y DOUBLE) -> BIGINT`, the number of
//! the nearest centre from 0.
//!
//! Lloyd's algorithm from four starts by k-means++ (D. Arthur, S. Vassilvitskii, 2007) with fixed random numbers; the best is
//! taken. Points are kept until the end, at most 1,000,000 of a group, and sorted first, so that their order changes nothing.
//! The model reads `kmeans x0 y0 x1 y1 …`, centres ascending. NULL when there is no row.

use nyala_sdk::Aggregate;

use crate::model::{to_text, with_model};

const MOST_POINTS: usize = 1_000_000;
const MOST_CENTRES: i64 = 1_000;
const MOST_ROUNDS: usize = 100;
const STARTS: u64 = 4;

type Point = (f64, f64);

nyala_sdk::state! {
    /// All points.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct Points {
        k: i64,
        points: Vec<(f64, f64)>,
    }
}

impl Points {
    fn update(&mut self, k: i64, x: f64, y: f64) -> Result<(), String> {
        if !(1..=MOST_CENTRES).contains(&k) {
            return Err(format!("there can be 1 to {} clusters, not {}", MOST_CENTRES, k));
        }
        if !x.is_finite() || !y.is_finite() {
            return Err("points must be finite".to_owned());
        }
        self.k = k;
        self.points.push((x, y));
        self.check()
    }

    fn check(&self) -> Result<(), String> {
        if self.points.len() > MOST_POINTS {
            return Err(format!("more than {} points: take a sample", MOST_POINTS));
        }
        Ok(())
    }
}

fn distance(left: Point, right: Point) -> f64 {
    (left.0 - right.0).powi(2) + (left.1 - right.1).powi(2)
}

/// The nearest of some centres, and the square of its distance. Of several the first.
fn nearest(centres: &[Point], point: Point) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (place, &centre) in centres.iter().enumerate() {
        let distance = distance(centre, point);
        if distance < best.1 {
            best = (place, distance);
        }
    }
    best
}

/// Numbers from 0 to 1 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Centres that lie apart: each next one is a point, the likelier, the further it is from those before.
fn start(points: &[Point], k: usize, random: &mut Random) -> Vec<Point> {
    let mut centres = vec![points[(random.next() * points.len() as f64) as usize]];
    let mut distances: Vec<f64> = points.iter().map(|&point| distance(centres[0], point)).collect();
    while centres.len() < k {
        let total: f64 = distances.iter().sum();
        if total == 0.0 {
            break;
        }
        let mut left = random.next() * total;
        let chosen = distances.iter().position(|distance| {
            left -= distance;
            left < 0.0 && *distance > 0.0
        });
        let chosen = chosen.or_else(|| distances.iter().rposition(|distance| *distance > 0.0)).unwrap_or(0);
        let centre = points[chosen];
        centres.push(centre);
        for (held, &point) in distances.iter_mut().zip(points) {
            *held = held.min(distance(centre, point));
        }
    }
    centres
}

/// Moves each centre to the middle of its points until none moves; gives the sum of squared distances.
fn settle(points: &[Point], centres: &mut [Point]) -> f64 {
    let mut total = f64::INFINITY;
    for _ in 0..MOST_ROUNDS {
        let mut sums = vec![(0.0, 0.0, 0.0); centres.len()];
        total = 0.0;
        for &point in points {
            let (place, distance) = nearest(centres, point);
            total += distance;
            let sum = &mut sums[place];
            *sum = (sum.0 + point.0, sum.1 + point.1, sum.2 + 1.0);
        }
        let mut moved = false;
        for (centre, (x, y, count)) in centres.iter_mut().zip(sums).filter(|(_, sum)| sum.2 > 0.0) {
            let middle = (x / count, y / count);
            moved |= middle != *centre;
            *centre = middle;
        }
        if !moved {
            break;
        }
    }
    total
}

fn ascending(points: &mut [Point]) {
    points.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.total_cmp(&right.1)));
}

impl Aggregate for Points {
    type Output = Result<Option<String>, String>;

    fn merge(&mut self, mut other: Self) {
        self.k = self.k.max(other.k);
        self.points.append(&mut other.points);
    }

    fn finish(mut self) -> Result<Option<String>, String> {
        self.check()?;
        if self.points.is_empty() {
            return Ok(None);
        }
        ascending(&mut self.points);
        let mut best = (f64::INFINITY, Vec::new());
        for seed in 0..STARTS {
            let mut centres = start(&self.points, self.k as usize, &mut Random(seed));
            let total = settle(&self.points, &mut centres);
            if total < best.0 || best.1.is_empty() {
                best = (total, centres);
            }
        }
        ascending(&mut best.1);
        let numbers: Vec<f64> = best.1.iter().flat_map(|&(x, y)| [x, y]).collect();
        Ok(Some(to_text("kmeans", &numbers)))
    }
}

nyala_sdk::aggregate! {
    /// See the head of this file.
    fn kmeans(k: i64, x: f64, y: f64) for Points;
}

nyala_sdk::scalar! {
    /// The number of the nearest centre of a model of `kmeans`, from 0.
    (COST 50)
    pub fn kmeans_cluster(model: &str, x: f64, y: f64) -> Result<i64, String> {
        with_model("kmeans", model, |numbers| {
            let centres = numbers.chunks_exact(2).map(|pair| distance((pair[0], pair[1]), (x, y)));
            let nearest = centres.enumerate().min_by(|left, right| left.1.total_cmp(&right.1));
            nearest.map(|(place, _)| place as i64).ok_or_else(|| "the model has no centre".to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{kmeans_cluster, Points};
    use nyala_sdk::Aggregate;

    /// Points around (0, 0), (10, 0) and (0, 20).
    fn of(rows: impl Iterator<Item = i32>) -> Points {
        let mut state = Points::default();
        for row in rows {
            let centre = [(0.0, 0.0), (10.0, 0.0), (0.0, 20.0)][row as usize % 3];
            let (x, y) = (f64::from(row % 7) - 3.0, f64::from(row % 5) - 2.0);
            state.update(3, centre.0 + x * 0.3, centre.1 + y * 0.3).unwrap();
        }
        state
    }

    #[test]
    fn three_clouds_are_found() {
        let model = of(0..315).finish().unwrap().unwrap();
        let cluster = |x, y| kmeans_cluster(&model, x, y).unwrap();
        assert_eq!(cluster(10.4, 0.2), 2);
        let (near, far) = (cluster(0.3, 0.3), cluster(-0.2, 19.5));
        assert_eq!([near.min(far), near.max(far)], [0, 1]);
        assert!(kmeans_cluster("kmeans", 0.0, 0.0).is_err());
    }

    #[test]
    fn parts_and_their_order_change_nothing() {
        let mut parts = of(200..315);
        parts.merge(of(0..200));
        assert_eq!(parts.finish(), of(0..315).finish());
        assert_eq!(Points::default().finish(), Ok(None));
    }

    #[test]
    fn more_clusters_than_points() {
        let mut state = Points::default();
        state.update(5, 1.0, 2.0).unwrap();
        state.update(5, 1.0, 2.0).unwrap();
        assert_eq!(state.finish().unwrap().unwrap(), "kmeans 1.0 2.0");
        assert!(Points::default().update(0, 1.0, 1.0).is_err());
    }
}
