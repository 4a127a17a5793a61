//! Trained models as text: a word for the kind, then numbers that read back as they were.

use std::cell::RefCell;

/// Writes a model.
pub fn to_text(kind: &str, numbers: &[f64]) -> String {
    let mut text = kind.to_owned();
    for number in numbers {
        text.push_str(&format!(" {:?}", number));
    }
    text
}

/// # Errors
/// When the text is not a model of this kind.
pub fn from_text(kind: &str, text: &str) -> Result<Vec<f64>, String> {
    let wrong = || format!("{:?} is no model of kind {}", text.chars().take(40).collect::<String>(), kind);
    let mut words = text.split_whitespace();
    if words.next() != Some(kind) {
        return Err(wrong());
    }
    words.map(|word| word.parse().map_err(|_| wrong())).collect()
}

thread_local! {
    /// The model of the last row, which mostly is that of the next row too.
    static LAST: RefCell<(String, Vec<f64>)> = const { RefCell::new((String::new(), Vec::new())) };
}

/// Uses the numbers of a model, which is read only if it is another one than last time.
///
/// # Errors
/// As [`from_text`].
pub fn with_model<R>(
    kind: &str,
    text: &str,
    apply: impl FnOnce(&[f64]) -> Result<R, String>,
) -> Result<R, String> {
    LAST.with(|last| {
        let mut last = last.borrow_mut();
        if last.0 != text || !text.starts_with(kind) {
            last.1 = from_text(kind, text)?;
            text.clone_into(&mut last.0);
        }
        apply(&last.1)
    })
}

/// The intercept plus each weight times its feature, in which `weights` begins with the intercept.
///
/// # Errors
/// When the model was trained with more or fewer features.
pub fn weighted_sum(weights: &[f64], features: &Features) -> Result<f64, String> {
    let features = features.as_slice();
    if weights.len() != features.len() + 1 {
        let trained = weights.len().saturating_sub(1);
        return Err(format!("the model has {} features, {} were given", trained, features.len()));
    }
    Ok(weights[1..].iter().zip(features).fold(weights[0], |sum, (weight, value)| sum + weight * value))
}

/// Features that a model can have.
pub const MOST_FEATURES: usize = 4;

/// The features of one row.
#[derive(Debug, Clone, Copy)]
pub struct Features {
    values: [f64; MOST_FEATURES],
    count: usize,
}

impl Features {
    /// One that must be there and those that may.
    pub fn new(first: f64, others: [Option<f64>; MOST_FEATURES - 1]) -> Self {
        let mut values = [first; MOST_FEATURES];
        let mut count = 1;
        for other in others.iter().flatten() {
            values[count] = *other;
            count += 1;
        }
        Self { values, count }
    }

    /// All of them.
    pub fn as_slice(&self) -> &[f64] {
        &self.values[..self.count]
    }
}

/// Solves a symmetric system by elimination, in place; unknowns that depend on those before them become 0.
pub fn solve(matrix: &mut [Vec<f64>], right: &mut [f64]) -> Vec<f64> {
    let size = right.len();
    let scale: Vec<f64> = (0..size).map(|row| matrix[row][row].abs()).collect();
    let mut independent = vec![true; size];
    for pivot in 0..size {
        let value = matrix[pivot][pivot];
        // What is left of the diagonal is the part that those before do not explain.
        if value.abs() <= scale[pivot] * 1e-10 || value == 0.0 {
            independent[pivot] = false;
            continue;
        }
        let (above, below) = matrix.split_at_mut(pivot + 1);
        for (offset, line) in below.iter_mut().enumerate() {
            let factor = line[pivot] / value;
            line.iter_mut().zip(&above[pivot]).skip(pivot).for_each(|(held, taken)| *held -= factor * taken);
            right[pivot + 1 + offset] -= factor * right[pivot];
        }
    }
    let mut solution = vec![0.0; size];
    for row in (0..size).rev().filter(|&row| independent[row]) {
        let known: f64 = ((row + 1)..size).map(|column| matrix[row][column] * solution[column]).sum();
        solution[row] = (right[row] - known) / matrix[row][row];
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::{from_text, solve, to_text, with_model};

    #[test]
    fn numbers_read_back_as_they_were() {
        let numbers = [0.1, -1e300, f64::MIN_POSITIVE, 3.0];
        assert_eq!(from_text("linear", &to_text("linear", &numbers)), Ok(numbers.to_vec()));
        assert!(from_text("linear", "kmeans 1").is_err());
        assert!(from_text("linear", "linear x").is_err());
        assert!(with_model("linear", "linear 1", |numbers| Ok(numbers.len())).is_ok());
        assert!(with_model("logistic", "linear 1", |numbers| Ok(numbers.len())).is_err());
    }

    #[test]
    fn a_dependent_unknown_is_0() {
        let mut matrix = vec![vec![4.0, 8.0, 1.0], vec![8.0, 16.0, 2.0], vec![1.0, 2.0, 3.0]];
        let found = solve(&mut matrix, &mut [6.0, 12.0, 7.0]);
        assert_eq!(found, [1.0, 0.0, 2.0]);
    }
}
