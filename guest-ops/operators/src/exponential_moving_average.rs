//! `exponential_moving_average(value DOUBLE, alpha DOUBLE) -> DOUBLE`: an average in which each value counts for less, the
//! longer ago it was.
//!
//! Begins with the first value; each next one counts `alpha`, all before it `1 - alpha`. The order of rows matters: write
//! `ORDER BY` in the call or in the window.

nyala_sdk::state! {
    /// With `a` = alpha and values x1 … xn. That two parts join needs the sum without the special place of x1 and what is missing of it.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct MovingAverage {
        first: Option<f64>,
        /// a·xn + a(1-a)·x(n-1) + … + a(1-a)^(n-1)·x1.
        weighted: f64,
        /// (1-a)^n: what the sum lacks to count all weights as 1.
        rest: f64,
    }
}

impl MovingAverage {
    fn update(&mut self, value: f64, alpha: f64) -> Result<(), String> {
        if !(0.0..=1.0).contains(&alpha) {
            return Err(format!("alpha is from 0 to 1, not {}", alpha));
        }
        let one = MovingAverage { first: Some(value), weighted: alpha * value, rest: 1.0 - alpha };
        nyala_sdk::Aggregate::merge(self, one);
        Ok(())
    }
}

impl nyala_sdk::Aggregate for MovingAverage {
    type Output = Option<f64>;

    /// The other rows come after those of this state.
    fn merge(&mut self, other: Self) {
        match (self.first, other.first) {
            (None, _) => *self = other,
            (_, None) => {}
            (Some(_), Some(_)) => {
                self.weighted = other.weighted + other.rest * self.weighted;
                self.rest *= other.rest;
            }
        }
    }

    fn finish(self) -> Option<f64> {
        self.first.map(|first| self.weighted + self.rest * first)
    }
}

nyala_sdk::aggregate! {
    /// See the head of this file.
    fn exponential_moving_average(value: f64, alpha: f64) for MovingAverage;
}

#[cfg(test)]
mod tests {
    use super::MovingAverage;
    use nyala_sdk::Aggregate;

    fn of(values: &[f64]) -> MovingAverage {
        let mut state = MovingAverage::default();
        values.iter().for_each(|&value| state.update(value, 0.3).unwrap());
        state
    }

    #[test]
    fn is_what_its_definition_says() {
        let values = [3.0, 1.5, -2.0, 8.0, 0.25];
        let expected = values[1..].iter().fold(values[0], |average, value| 0.3 * value + 0.7 * average);
        assert!((of(&values).finish().unwrap() - expected).abs() < 1e-12);
        assert_eq!(of(&[]).finish(), None);
        assert!(MovingAverage::default().update(1.0, 1.5).is_err());
    }

    #[test]
    fn parts_join() {
        let values: Vec<f64> = (0..50).map(|n| f64::from(n * 37 % 11)).collect();
        let whole = of(&values).finish().unwrap();
        for cut in 0..=values.len() {
            let mut state = of(&values[..cut]);
            state.merge(of(&values[cut..]));
            assert!((state.finish().unwrap() - whole).abs() < 1e-12);
        }
    }
}
