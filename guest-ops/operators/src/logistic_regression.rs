//! `logistic_regression(y BOOLEAN, x1 [, x2, x3, x4] DOUBLE) -> TEXT` and `logistic_predict(model TEXT, x1 [, …] DOUBLE) -> DOUBLE`,
//! the probability of true.
//!
//! Newton's method on all rows, which are kept until the end: at most 1,000,000 of a group. Rows are sorted first, so that their
//! order changes nothing. A weak penalty on the weights (of features of variance 1) keeps them finite where a line parts the
//! two classes. The model reads `logistic intercept weight1 …`. NULL when there is no row.

use nyala_sdk::{Aggregate, Extra};

use crate::model::{solve, to_text, weighted_sum, with_model, Features};

const MOST_ROWS: usize = 1_000_000;
const MOST_STEPS: usize = 50;
const PENALTY: f64 = 1e-3;

nyala_sdk::state! {
    /// Rows one after the other: the features, then y as 0 or 1.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct Rows {
        width: u32,
        values: Vec<f64>,
    }
}

impl Rows {
    fn update(
        &mut self,
        y: bool,
        x1: f64,
        x2: Extra<f64>,
        x3: Extra<f64>,
        x4: Extra<f64>,
    ) -> Result<(), String> {
        let features = Features::new(x1, [*x2, *x3, *x4]);
        let features = features.as_slice();
        if features.iter().any(|value| !value.is_finite()) {
            return Err("features must be finite".to_owned());
        }
        self.width = features.len() as u32 + 1;
        if self.values.len() >= MOST_ROWS * self.width as usize {
            return Err(format!("more than {} rows to train with: take a sample", MOST_ROWS));
        }
        self.values.extend_from_slice(features);
        self.values.push(f64::from(u8::from(y)));
        Ok(())
    }
}

fn probability(sum: f64) -> f64 {
    1.0 / (1.0 + (-sum).exp())
}

/// Mean and standard deviation of a feature; the latter 1 where all values are the same.
fn spread(rows: &[&[f64]], feature: usize) -> (f64, f64) {
    let count = rows.len() as f64;
    let mean = rows.iter().map(|row| row[feature]).sum::<f64>() / count;
    let variance = rows.iter().map(|row| (row[feature] - mean).powi(2)).sum::<f64>() / count;
    (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
}

/// Intercept and weights over features that were brought to mean 0 and variance 1.
fn train(rows: &[Vec<f64>], features: usize) -> Vec<f64> {
    let size = features + 1;
    let mut weights = vec![0.0; size];
    for _ in 0..MOST_STEPS {
        let mut matrix = vec![vec![0.0; size]; size];
        let mut right = vec![0.0; size];
        for row in rows {
            let input = |place: usize| if place == 0 { 1.0 } else { row[place - 1] };
            let sum: f64 = (0..size).map(|place| weights[place] * input(place)).sum();
            let expected = probability(sum);
            let slope = expected * (1.0 - expected);
            for line in 0..size {
                right[line] += input(line) * (row[features] - expected);
                for (column, value) in matrix[line].iter_mut().enumerate() {
                    *value += slope * input(line) * input(column);
                }
            }
        }
        for place in 0..size {
            matrix[place][place] += PENALTY;
            right[place] -= PENALTY * weights[place];
        }
        let step = solve(&mut matrix, &mut right);
        let longest = step.iter().fold(0.0f64, |longest, change| longest.max(change.abs()));
        // A step that is too long would leave the region in which the second order holds.
        let damping = if longest > 5.0 { 5.0 / longest } else { 1.0 };
        weights.iter_mut().zip(&step).for_each(|(weight, change)| *weight += damping * change);
        if longest < 1e-10 {
            break;
        }
    }
    weights
}

impl Aggregate for Rows {
    type Output = Result<Option<String>, String>;

    fn merge(&mut self, mut other: Self) {
        self.width = self.width.max(other.width);
        self.values.append(&mut other.values);
    }

    fn finish(self) -> Result<Option<String>, String> {
        if self.values.is_empty() {
            return Ok(None);
        }
        let width = self.width as usize;
        if self.values.len() > MOST_ROWS * width {
            return Err(format!("more than {} rows to train with: take a sample", MOST_ROWS));
        }
        let features = width - 1;
        let mut rows: Vec<&[f64]> = self.values.chunks_exact(width).collect();
        rows.sort_by(|left, right| {
            let unequal = left.iter().zip(*right).map(|(left, right)| left.total_cmp(right));
            unequal.into_iter().find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        });
        let spreads: Vec<(f64, f64)> = (0..features).map(|feature| spread(&rows, feature)).collect();
        let even = |row: &&[f64]| {
            let mut even: Vec<f64> = spreads
                .iter()
                .zip(*row)
                .map(|((mean, deviation), value)| (value - mean) / deviation)
                .collect();
            even.push(row[features]);
            even
        };
        let mut weights = train(&rows.iter().map(even).collect::<Vec<_>>(), features);
        for (feature, (mean, deviation)) in spreads.iter().enumerate() {
            weights[feature + 1] /= deviation;
            weights[0] -= weights[feature + 1] * mean;
        }
        Ok(Some(to_text("logistic", &weights)))
    }
}

nyala_sdk::aggregate! {
    /// See the head of this file.
    fn logistic_regression(y: bool, x1: f64, x2: Extra<f64>, x3: Extra<f64>, x4: Extra<f64>) for Rows;
}

nyala_sdk::scalar! {
    /// How probable true is by a model of `logistic_regression`, for these features.
    (COST 50)
    pub fn logistic_predict(model: &str, x1: f64, x2: Extra<f64>, x3: Extra<f64>, x4: Extra<f64>) -> Result<f64, String> {
        let features = Features::new(x1, [*x2, *x3, *x4]);
        with_model("logistic", model, |weights| weighted_sum(weights, &features).map(probability))
    }
}

#[cfg(test)]
mod tests {
    use super::{logistic_predict, Rows};
    use crate::model::from_text;
    use nyala_sdk::{Aggregate, Extra};

    const NONE: Extra<f64> = Extra(None);

    fn of(rows: impl Iterator<Item = i32>) -> Rows {
        let mut state = Rows::default();
        for row in rows {
            let x = f64::from(row % 100);
            // Of each x, the share of true rises from 0 to 1 around 40.
            let share = 1.0 / (1.0 + (-(x - 40.0) * 0.2).exp());
            let y = f64::from(row / 100 % 50) < share * 50.0;
            state.update(y, x, NONE, NONE, NONE).unwrap();
        }
        state
    }

    #[test]
    fn the_curve_that_made_the_rows_is_found() {
        let model = of(0..5000).finish().unwrap().unwrap();
        let weights = from_text("logistic", &model).unwrap();
        assert!((weights[1] - 0.2).abs() < 0.02 && (weights[0] + 8.0).abs() < 0.8, "{}", model);
        assert!((logistic_predict(&model, 40.0, NONE, NONE, NONE).unwrap() - 0.5).abs() < 0.05);
        assert!(logistic_predict(&model, 99.0, NONE, NONE, NONE).unwrap() > 0.99);
    }

    #[test]
    fn parts_and_their_order_change_nothing() {
        let whole = of(0..500).finish();
        let mut parts = of(300..500);
        parts.merge(Rows::default());
        parts.merge(of(0..300));
        assert_eq!(parts.finish(), whole);
        assert_eq!(Rows::default().finish(), Ok(None));
    }

    #[test]
    fn classes_that_a_line_parts_give_finite_weights() {
        let mut state = Rows::default();
        for x in 0..20 {
            state.update(x >= 10, f64::from(x), Extra(Some(5.0)), NONE, NONE).unwrap();
        }
        let model = state.finish().unwrap().unwrap();
        assert!(from_text("logistic", &model).unwrap().iter().all(|weight| weight.is_finite()), "{}", model);
        assert!(logistic_predict(&model, 9.0, Extra(Some(5.0)), NONE, NONE).unwrap() < 0.2);
        assert!(logistic_predict(&model, 10.0, Extra(Some(5.0)), NONE, NONE).unwrap() > 0.8);
    }
}
