//! Where the order of a key is cut so that each node gets about as many rows, by what is known of the column that it is.

use nyala_schema::managed::Histogram;
use nyala_schema::operator::{OperatorKind, SortKey};
use nyala_schema::scan::TableScan;
use nyala_schema::statistics::ColumnStatistics;
use nyala_schema::{Bound, Operator, Value};

use super::location::column_of;

/// Between a column's bounds at least this share of the values has to occur for them to be taken as evenly spread: outliers would
/// leave all rows to one node.
const DENSITY_MIN: f64 = 0.125;

/// Ranges of a key that is a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranges {
    pub key: SortKey,
    /// The first values of all ranges but the first, in the key's order.
    pub bounds: Vec<Value>,
}

impl Ranges {
    /// So many ranges of the rows of `operator`; `None` where too little is known, or few values have most rows.
    pub fn of(operator: &Operator, key: &SortKey, count: usize) -> Option<Self> {
        let known = known_of(operator, column_of(&key.expr)?)?;
        let data_type = key.expr.data_type();
        let values = match &known.histogram {
            Some(histogram) => quantiles(histogram, count)?,
            None => evenly(known, count)?,
        };
        let bounds = values.iter().map(|bound| bound.to_value(&data_type));
        let mut bounds = bounds.collect::<Option<Vec<Value>>>()?;
        if key.descending {
            bounds.reverse();
        }
        key.check_bounds(&bounds).ok()?;
        Some(Self { key: key.clone(), bounds })
    }
}

/// What is known of a column whose values an operator hands on from a scan, whichever rows it keeps; nothing where a condition on the
/// column itself picks some.
fn known_of(operator: &Operator, column: usize) -> Option<&ColumnStatistics> {
    let input = operator.inputs.first();
    match &operator.kind {
        OperatorKind::Scan(scan) => of_scan(scan, column),
        OperatorKind::Filter { predicate } => {
            let mut is_read = false;
            predicate.for_each_column(&mut |read| is_read |= read == column);
            if is_read { None } else { known_of(input?, column) }
        }
        OperatorKind::Project { expressions } => known_of(input?, column_of(expressions.get(column)?)?),
        OperatorKind::Aggregate { keys, .. } => known_of(input?, column_of(keys.get(column)?)?),
        OperatorKind::HashJoin(join) => of_join(operator, join.kind.keeps_probe_columns(), column),
        OperatorKind::NestedLoopJoin { kind, .. } => of_join(operator, kind.keeps_probe_columns(), column),
        OperatorKind::Sort { fetch: None, .. } | OperatorKind::AtMostOneRow => known_of(input?, column),
        OperatorKind::Window { .. } | OperatorKind::TableFunction { .. } => {
            let input = input?;
            (column < input.schema.fields().len()).then(|| known_of(input, column)).flatten()
        }
        OperatorKind::Values(_)
        | OperatorKind::Series { .. }
        | OperatorKind::Receive { .. }
        | OperatorKind::Expand { .. }
        | OperatorKind::Sort { fetch: Some(_), .. }
        | OperatorKind::Limit { .. }
        | OperatorKind::Unnest { .. }
        | OperatorKind::Guest(_)
        | OperatorKind::Union
        | OperatorKind::Recursion { .. }
        | OperatorKind::RecursionInput { .. } => None,
    }
}

fn of_scan(scan: &TableScan, column: usize) -> Option<&ColumnStatistics> {
    let mut is_read = false;
    for filter in &scan.filters {
        filter.for_each_column(&mut |read| is_read |= read == column);
    }
    if is_read { None } else { scan.statistics.get(column) }
}

/// Probe columns come first where there are any.
fn of_join(operator: &Operator, keeps_probe: bool, column: usize) -> Option<&ColumnStatistics> {
    let [probe, build] = operator.inputs.as_slice() else { return None };
    let width = if keeps_probe { probe.schema.fields().len() } else { 0 };
    if column < width { known_of(probe, column) } else { known_of(build, column - width) }
}

/// Bounds between so many parts of equally many rows. A value that has many of them is several bounds, or the first one: then there
/// are no such parts.
fn quantiles(histogram: &Histogram, count: usize) -> Option<Vec<Bound>> {
    let buckets = histogram.bounds.len().checked_sub(1)?;
    let bounds: Option<Vec<&Bound>> =
        (0..count).map(|part| histogram.bounds.get(part * buckets / count)).collect();
    let bounds = bounds.filter(|bounds| bounds.is_sorted_by(|one, other| one < other))?;
    Some(bounds.into_iter().skip(1).cloned().collect())
}

/// Bounds between so many parts of a column of numbers that are close to each other.
fn evenly(known: &ColumnStatistics, count: usize) -> Option<Vec<Bound>> {
    let (min, max) = (known.min.as_ref()?.as_i128()?, known.max.as_ref()?.as_i128()?);
    let span = max.checked_sub(min).filter(|span| *span >= count as i128)?;
    if known.distinct? < span as f64 * DENSITY_MIN {
        return None;
    }
    let count = count as i128;
    let (whole, rest) = (span / count, span % count);
    Some((1..count).map(|part| Bound::Int(min + whole * part + rest * part / count)).collect())
}
