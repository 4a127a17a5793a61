//! How the values of a column are spread, by an equi-depth histogram.
//!
//! Between two neighbouring bounds lie equally many rows, so that a value which many rows have is several bounds. Inside of
//! a bucket values are taken as spread evenly (Piatetsky-Shapiro and Connell, SIGMOD 1984; Poosala et al., SIGMOD 1996).

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::datatypes::DataType;
use nyala_schema::managed::Histogram;
use nyala_schema::{Bound, Value};

use super::{position, text_position};

/// A constant that a column is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// On the line of the column's values.
    pub at: f64,
    /// The whole of a text.
    text: Option<String>,
}

/// The bounds of a histogram, as the planner compares them.
#[derive(Debug, Clone, PartialEq)]
pub enum Spread {
    /// Positions, ascending.
    Numbers(Arc<[f64]>),
    /// Texts, ascending.
    Texts(Arc<Histogram>),
}

/// Where a value stands among the bounds.
struct Place {
    /// Bounds that are less.
    below: usize,
    /// Bounds that are equal.
    equal: usize,
    /// How far the value is from the bound before it to the one behind it, 0 to 1; where no bound is equal.
    reached: f64,
}

impl Point {
    /// `None` for NULL and for types without a line.
    pub fn of(value: &Value) -> Option<Self> {
        Some(Self { at: position(value)?, text: value.as_str().map(str::to_owned) })
    }
}

impl Spread {
    /// Of a column; `None` when the bounds are not of its type.
    pub fn of(histogram: &Arc<Histogram>, data_type: &DataType) -> Option<Self> {
        let bounds = &histogram.bounds;
        let is_text = |bound: &Bound| matches!(bound, Bound::Text(_));
        if bounds.len() < 2 {
            return None;
        }
        if bounds.iter().all(is_text) {
            return bounds.is_sorted().then(|| Self::Texts(Arc::clone(histogram)));
        }
        let numbers: Option<Arc<[f64]>> = bounds.iter().map(|bound| number(bound, data_type)).collect();
        numbers.filter(|numbers| numbers.is_sorted()).map(Self::Numbers)
    }

    /// With a bucket more at each end behind which there are values: those that came after ANALYZE.
    pub fn within(self, range: Option<(f64, f64)>) -> Self {
        let (Self::Numbers(numbers), Some((min, max))) = (&self, range) else { return self };
        let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
        let before = (min < first).then_some(min);
        let behind = (max > last).then_some(max);
        if before.or(behind).is_none() {
            return self;
        }
        Self::Numbers(before.into_iter().chain(numbers.iter().copied()).chain(behind).collect())
    }

    /// Of `value × factor + offset`; of no text.
    pub fn scaled(&self, factor: f64, offset: f64) -> Option<Self> {
        let Self::Numbers(numbers) = self else { return None };
        let mut numbers: Vec<f64> = numbers.iter().map(|number| number * factor + offset).collect();
        numbers.sort_by(f64::total_cmp);
        Some(Self::Numbers(numbers.into()))
    }

    /// The share of values that are equal to a constant, when there are `distinct` different ones.
    pub fn equal(&self, point: &Point, distinct: f64) -> f64 {
        match self.place(point) {
            Some(place) => self.share_at(&place, distinct),
            None => self.seldom(distinct),
        }
    }

    /// The share of values that are less than a constant (or equal to it).
    pub fn below(&self, point: &Point, inclusive: bool, distinct: f64) -> Option<f64> {
        let place = self.place(point)?;
        let buckets = self.buckets();
        let equal = self.share_at(&place, distinct);
        let last = self.len();
        let share = match (place.below, place.equal) {
            (0, 0) => 0.0,
            (below, 0) if below == last => 1.0,
            (below, 0) => {
                let before = ((below - 1) as f64 + place.reached) / buckets;
                if inclusive { (before + equal).min(below as f64 / buckets) } else { before }
            }
            (below, 1) => {
                let before = below as f64 / buckets * (1.0 - equal);
                if inclusive { before + equal } else { before }
            }
            // The value begins, and ends, somewhere in the bucket before, and behind, its bounds: in the middle, say.
            (0, _) if !inclusive => 0.0,
            (below, equal) if inclusive && below + equal == last => 1.0,
            (below, equal) => (below as f64 + if inclusive { equal as f64 } else { 0.0 } - 0.5) / buckets,
        };
        Some(share.clamp(0.0, 1.0))
    }

    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts(texts) => texts.bounds.len(),
        }
    }

    fn buckets(&self) -> f64 {
        (self.len() - 1) as f64
    }

    /// A value that is several bounds has as large a share of the rows as of the bounds; others are seldom.
    fn share_at(&self, place: &Place, distinct: f64) -> f64 {
        match place.equal {
            0 | 1 => self.seldom(distinct).min((place.equal + 1) as f64 / self.buckets()),
            often => often as f64 / self.len() as f64,
        }
    }

    /// The share of each value that is not often: they share the rows that the others leave.
    fn seldom(&self, distinct: f64) -> f64 {
        let (values, bounds) = self.often();
        let left = 1.0 - bounds as f64 / self.len() as f64;
        left / (distinct - values as f64).max(1.0)
    }

    /// How many values are several bounds, and how many bounds those are.
    fn often(&self) -> (usize, usize) {
        let mut often = (0, 0);
        let mut count = |run: usize| {
            if run > 1 {
                often.0 += 1;
                often.1 += run;
            }
        };
        match self {
            Self::Numbers(numbers) => numbers.chunk_by(PartialEq::eq).for_each(|run| count(run.len())),
            Self::Texts(texts) => texts.bounds.chunk_by(PartialEq::eq).for_each(|run| count(run.len())),
        }
        often
    }

    fn place(&self, point: &Point) -> Option<Place> {
        match self {
            Self::Numbers(numbers) => {
                let order = |number: &f64| number.partial_cmp(&point.at);
                Some(place(numbers, order, |low, high| (point.at - low) / (high - low)))
            }
            Self::Texts(texts) => {
                let text = point.text.as_ref()?.as_bytes();
                let order = |bound: &Bound| match bound {
                    Bound::Text(bytes) => Some(bytes.as_slice().cmp(text)),
                    Bound::Int(_) | Bound::Float(_) => None,
                };
                Some(place(&texts.bounds, order, |low, high| match (low, high) {
                    (Bound::Text(low), Bound::Text(high)) => text_between(low, text, high),
                    _ => 0.5,
                }))
            }
        }
    }
}

fn place<T>(
    bounds: &[T],
    order: impl Fn(&T) -> Option<Ordering>,
    reached: impl FnOnce(&T, &T) -> f64,
) -> Place {
    let below = bounds.partition_point(|bound| order(bound) == Some(Ordering::Less));
    let equal = bounds[below..].partition_point(|bound| order(bound) == Some(Ordering::Equal));
    let reached = match (below.checked_sub(1), bounds.get(below)) {
        (Some(low), Some(high)) if equal == 0 => reached(&bounds[low], high).clamp(0.0, 1.0),
        _ => 0.0,
    };
    Place { below, equal, reached }
}

/// Where a text lies between two others, by the bytes behind those that they have in common.
fn text_between(low: &[u8], text: &[u8], high: &[u8]) -> f64 {
    let common = low.iter().zip(high).take_while(|(low, high)| low == high).count();
    let at = |text: &[u8]| text_position(text.get(common..).unwrap_or_default());
    (at(text) - at(low)) / (at(high) - at(low)).max(f64::MIN_POSITIVE)
}

/// The position of a number or point in time.
fn number(bound: &Bound, data_type: &DataType) -> Option<f64> {
    match (bound, data_type) {
        (Bound::Int(unscaled), DataType::Decimal32(_, scale))
        | (Bound::Int(unscaled), DataType::Decimal64(_, scale))
        | (Bound::Int(unscaled), DataType::Decimal128(_, scale)) => {
            Some(*unscaled as f64 / 10f64.powi(i32::from(*scale)))
        }
        (Bound::Int(number), _) => Some(*number as f64),
        (Bound::Float(number), _) => Some(*number),
        (Bound::Text(_), _) => None,
    }
}
