//! How an operator is written down: as it is, or as two, one before and one behind an exchange.

use super::cost::Move;

#[derive(Debug, Clone)]
pub enum Step {
    Whole,
    /// A partial aggregate, whose rows are moved to the final one.
    Split {
        moved: Move,
        /// Of the partial aggregates together.
        rows: f64,
    },
    /// The same operator where the input is, whose rows are gathered to it.
    Preselect {
        /// Of all nodes together.
        rows: f64,
    },
    /// The same sort where the input is, whose rows are merged as they are gathered.
    Merge,
}
