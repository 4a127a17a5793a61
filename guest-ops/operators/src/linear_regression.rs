//! `linear_regression(y, x1 [, x2, x3, x4] DOUBLE) -> TEXT` and `linear_predict(model TEXT, x1 [, …] DOUBLE) -> DOUBLE`.
//!
//! Ordinary least squares with an intercept. The model reads `linear intercept weight1 …`. A feature that depends on those before
//! it gets the weight 0. NULL when there is no row.

use nyala_sdk::{Aggregate, Extra};

use crate::model::{solve, to_text, weighted_sum, with_model, Features};

nyala_sdk::state! {
    /// Means and sums of products of deviations of the features and, last, of y: numerically safe, and two of them join (T. Chan,
    /// G. Golub, R. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979).
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct Moments {
        count: f64,
        means: Vec<f64>,
        /// Row by row.
        products: Vec<f64>,
    }
}

impl Moments {
    fn update(&mut self, y: f64, x1: f64, x2: Extra<f64>, x3: Extra<f64>, x4: Extra<f64>) {
        let features = Features::new(x1, [*x2, *x3, *x4]);
        let mut row = features.as_slice().to_vec();
        row.push(y);
        let size = row.len();
        self.merge(Self { count: 1.0, means: row, products: vec![0.0; size * size] });
    }
}

impl Aggregate for Moments {
    type Output = Option<String>;

    fn merge(&mut self, other: Self) {
        if self.count == 0.0 {
            *self = other;
            return;
        }
        if other.count == 0.0 {
            return;
        }
        let size = self.means.len();
        let count = self.count + other.count;
        let apart: Vec<f64> =
            other.means.iter().zip(&self.means).map(|(theirs, ours)| theirs - ours).collect();
        let weight = self.count * other.count / count;
        for row in 0..size {
            for column in 0..size {
                let place = row * size + column;
                self.products[place] += other.products[place] + apart[row] * apart[column] * weight;
            }
        }
        for (mean, apart) in self.means.iter_mut().zip(&apart) {
            *mean += apart * other.count / count;
        }
        self.count = count;
    }

    fn finish(self) -> Option<String> {
        let size = self.means.len();
        let features = size.checked_sub(1)?;
        let product = |row: usize, column: usize| self.products[row * size + column];
        let mut matrix: Vec<Vec<f64>> =
            (0..features).map(|row| (0..features).map(|column| product(row, column)).collect()).collect();
        let mut right: Vec<f64> = (0..features).map(|row| product(row, features)).collect();
        let weights = solve(&mut matrix, &mut right);
        let explained: f64 = weights.iter().zip(&self.means).map(|(weight, mean)| weight * mean).sum();
        let mut numbers = vec![self.means[features] - explained];
        numbers.extend(weights);
        Some(to_text("linear", &numbers))
    }
}

nyala_sdk::aggregate! {
    /// See the head of this file.
    fn linear_regression(y: f64, x1: f64, x2: Extra<f64>, x3: Extra<f64>, x4: Extra<f64>) for Moments;
}

nyala_sdk::scalar! {
    /// What a model of `linear_regression` says for these features.
    (COST 30)
    pub fn linear_predict(model: &str, x1: f64, x2: Extra<f64>, x3: Extra<f64>, x4: Extra<f64>) -> Result<f64, String> {
        with_model("linear", model, |weights| weighted_sum(weights, &Features::new(x1, [*x2, *x3, *x4])))
    }
}

#[cfg(test)]
mod tests {
    use super::{linear_predict, Moments};
    use crate::model::from_text;
    use nyala_sdk::{Aggregate, Extra};

    const NONE: Extra<f64> = Extra(None);

    fn of(rows: impl Iterator<Item = i32>) -> Moments {
        let mut state = Moments::default();
        for row in rows.map(f64::from) {
            let (x1, x2) = (row, 1e6 + (row * 7.0) % 13.0);
            state.update(3.0 - 2.0 * x1 + 0.5 * x2, x1, Extra(Some(x2)), NONE, NONE);
        }
        state
    }

    #[test]
    fn a_plane_is_found() {
        let model = of(0..100).finish().unwrap();
        for (found, expected) in from_text("linear", &model).unwrap().into_iter().zip([3.0, -2.0, 0.5]) {
            assert!((found - expected).abs() < 1e-3, "{}", model);
        }
        let found = linear_predict(&model, 5.0, Extra(Some(1e6)), NONE, NONE).unwrap();
        assert!((found - 499_993.0).abs() < 1e-6);
        assert!(linear_predict(&model, 5.0, NONE, NONE, NONE).unwrap_err().contains("2 features"));
        assert_eq!(Moments::default().finish(), None);
    }

    #[test]
    fn parts_join_nearly() {
        let whole = from_text("linear", &of(0..100).finish().unwrap()).unwrap();
        let mut parts = of(0..3);
        parts.merge(Moments::default());
        parts.merge(of(3..70));
        parts.merge(of(70..100));
        let parts = from_text("linear", &parts.finish().unwrap()).unwrap();
        assert!(whole.iter().zip(parts).all(|(whole, part)| (whole - part).abs() < 1e-3));
    }

    #[test]
    fn one_row_and_equal_rows_give_their_value() {
        let mut state = Moments::default();
        state.update(7.0, 1.0, NONE, NONE, NONE);
        state.update(7.0, 1.0, NONE, NONE, NONE);
        assert_eq!(state.finish().unwrap(), "linear 7.0 0.0");
    }
}
