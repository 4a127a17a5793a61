//! Where the rows of an operator are.

use nyala_schema::Expr;
use nyala_schema::fragment::Placement;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// All on the coordinator.
    Coordinator,
    /// All of them on each node.
    Everywhere,
    /// Each on one node.
    Nodes(Partitioning),
}

/// What is known of the node on which a row is: rows that agree in a column of each of these sets are on the same. The
/// columns of a set are equal to each other in every row. Without sets nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partitioning(Vec<Vec<usize>>);

impl Location {
    /// Of the fragment in which an operator must be to have rows there.
    pub fn placement(&self) -> Placement {
        match self {
            Self::Coordinator => Placement::Coordinator,
            Self::Everywhere | Self::Nodes(_) => Placement::Nodes,
        }
    }
}

impl Partitioning {
    /// By the hash of these columns, in this order.
    pub fn by(columns: impl IntoIterator<Item = usize>) -> Self {
        Self(columns.into_iter().map(|column| vec![column]).collect())
    }

    pub fn is_known(&self) -> bool {
        !self.0.is_empty()
    }

    /// With the columns at which each column is found after some step; unknown when one of the sets is found no more.
    pub fn mapped(&self, places: impl Fn(usize) -> Vec<usize>) -> Self {
        let sets: Vec<Vec<usize>> =
            self.0.iter().map(|set| set.iter().flat_map(|&column| places(column)).collect()).collect();
        if sets.iter().any(Vec::is_empty) { Self::default() } else { Self(sets) }
    }

    /// After `expressions` have been computed from the rows.
    pub fn through(&self, expressions: &[Expr]) -> Self {
        self.mapped(|column| {
            (0..expressions.len()).filter(|&place| column_of(&expressions[place]) == Some(column)).collect()
        })
    }

    /// The columns that stay where they are.
    pub fn kept(&self, is_kept: impl Fn(usize) -> bool) -> Self {
        self.mapped(|column| if is_kept(column) { vec![column] } else { vec![] })
    }

    pub fn shifted(&self, by: usize) -> Self {
        self.mapped(|column| vec![column + by])
    }

    /// Says that two columns are equal in every row.
    pub fn equate(&mut self, one: usize, other: usize) {
        for set in &mut self.0 {
            for (has, lacks) in [(one, other), (other, one)] {
                if set.contains(&has) && !set.contains(&lacks) {
                    set.push(lacks);
                }
            }
        }
    }

    /// What both say.
    pub fn common(&self, other: &Self) -> Self {
        if self.0.len() != other.0.len() {
            return Self::default();
        }
        let both = self.0.iter().zip(&other.0);
        let sets: Vec<Vec<usize>> = both
            .map(|(one, other)| one.iter().copied().filter(|column| other.contains(column)).collect())
            .collect();
        if sets.iter().any(Vec::is_empty) { Self::default() } else { Self(sets) }
    }

    /// Whether rows with equal `keys` are on one node.
    pub fn holds_together(&self, keys: &[Expr]) -> bool {
        self.is_known() && self.keys_of(keys.iter()).is_some()
    }

    /// For each set the index of a key that is one of its columns.
    pub fn keys_of<'a>(&self, keys: impl Iterator<Item = &'a Expr> + Clone) -> Option<Vec<usize>> {
        let found = self.0.iter().map(|set| {
            keys.clone().position(|key| column_of(key).is_some_and(|column| set.contains(&column)))
        });
        found.collect()
    }

    /// Whether rows for which all `pairs` of keys are equal are on the same node in two relations.
    pub fn matches(&self, other: &Self, pairs: &[(Expr, Expr)]) -> bool {
        let has = |set: &[usize], key: &Expr| column_of(key).is_some_and(|column| set.contains(&column));
        self.is_known()
            && self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .zip(&other.0)
                .all(|(one, other)| pairs.iter().any(|(left, right)| has(one, left) && has(other, right)))
    }
}

/// The column, when the expression is nothing but one.
pub fn column_of(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Column { index, .. } => Some(*index),
        _ => None,
    }
}
