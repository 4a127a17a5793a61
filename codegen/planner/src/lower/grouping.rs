//! GROUPING SETS, ROLLUP and CUBE: every row once per set, told apart by a grouping id.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::UInt64Array;
use arrow::datatypes::{DataType, FieldRef};
use datafusion_expr::Expr as Logical;
use datafusion_expr::expr::GroupingSet as LogicalSet;
use nyala_schema::{Error, ErrorCode, Expr, Result, Value};

use super::Lowering;
use crate::column::{ColumnId, plan_type};
use crate::relation::{Expand, GroupingSet, Relation, RelationKind};

/// CUBE doubles the sets with every key.
const CUBE_KEYS_MAX: usize = 12;

impl Lowering<'_> {
    /// The rows of all sets, and the keys to group them by: one per expression, and the grouping id.
    pub(super) fn expand(
        &mut self,
        input: Relation,
        keys: Vec<(Expr, &str)>,
        set: &LogicalSet,
        group: &[&Logical],
        id_field: &FieldRef,
    ) -> Result<(Relation, Vec<(ColumnId, Expr)>)> {
        let id_type = plan_type(id_field.data_type());
        let sets = grouping_sets(patterns(set, group)?, &id_type)?;
        let grouping_id = self.columns.add_new(id_field.name(), id_type.clone(), false);
        let mut expanded = vec![];
        let mut grouped = vec![];
        for (expr, name) in keys {
            let data_type = expr.data_type();
            let index = self.columns.add_new(name, data_type.clone(), true);
            expanded.push((index, expr));
            grouped.push((index, Expr::Column { index, data_type, nullable: true }));
        }
        grouped.push((grouping_id, Expr::Column { index: grouping_id, data_type: id_type, nullable: false }));
        let expand = Expand { input, keys: expanded, grouping_id, sets };
        Ok((Relation::new(RelationKind::Expand(Box::new(expand))), grouped))
    }
}

/// Which keys each set has.
fn patterns(set: &LogicalSet, group: &[&Logical]) -> Result<Vec<Vec<bool>>> {
    let count = group.len();
    match set {
        LogicalSet::Rollup(_) => Ok((0..=count).map(|kept| (0..count).map(|i| i < kept).collect()).collect()),
        LogicalSet::Cube(_) if count > CUBE_KEYS_MAX => Err(Error::new(
            ErrorCode::TooComplex,
            format!("CUBE of {count} expressions; at most {CUBE_KEYS_MAX} are allowed"),
        )
        .with_hint("name the sets that you need with GROUPING SETS")),
        LogicalSet::Cube(_) => {
            Ok((0..1usize << count).map(|mask| (0..count).map(|i| mask >> i & 1 == 1).collect()).collect())
        }
        LogicalSet::GroupingSets(sets) => {
            Ok(sets.iter().map(|set| group.iter().map(|expr| set.contains(expr)).collect()).collect())
        }
    }
}

/// Ids as DataFusion's `grouping()` expects them: one bit a key, the last key's lowest, set where the key is missing;
/// above them the number of equal sets before this one.
fn grouping_sets(patterns: Vec<Vec<bool>>, id_type: &DataType) -> Result<Vec<GroupingSet>> {
    let mut seen: HashMap<Vec<bool>, u64> = HashMap::new();
    let set = |present: Vec<bool>| {
        let mask = present.iter().fold(0u64, |mask, &present| mask << 1 | u64::from(!present));
        let ordinal = seen.entry(present.clone()).or_insert(0);
        let id = *ordinal << present.len() | mask;
        *ordinal += 1;
        let id = Value::new(Arc::new(UInt64Array::from(vec![id]))).cast(id_type)?;
        Ok(GroupingSet { present, id })
    };
    patterns.into_iter().map(set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_missing_keys_and_repetitions() {
        let patterns = vec![vec![true, true], vec![true, false], vec![false, false], vec![true, false]];
        let sets = grouping_sets(patterns, &DataType::UInt8).unwrap();
        let ids: Vec<i128> = sets.iter().map(|set| set.id.as_i128().unwrap()).collect();
        assert_eq!(ids, [0b00, 0b01, 0b11, 0b101]);
    }
}
