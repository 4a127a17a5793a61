//! Scalar subqueries in expressions: joined to the rows that the expression is evaluated on.

use datafusion_expr::logical_plan::Subquery;
use nyala_schema::{Error, Expr, Result};

use super::Lowering;
use crate::column::ColumnId;
use crate::relation::{Join, LogicalJoin, Relation, RelationKind, Side};

pub struct ScalarSubquery {
    /// To recognise the same subquery written twice.
    source: Subquery,
    relation: Relation,
    column: ColumnId,
}

impl Lowering<'_> {
    pub(super) fn scalar_subquery(&mut self, subquery: &Subquery) -> Result<Expr> {
        if !subquery.outer_ref_columns.is_empty() {
            return Err(Error::unsupported(
                "a subquery that refers to the query around it in this way is not supported",
            )
            .with_hint("write it as a join"));
        }
        let column = match self.subqueries.iter().find(|known| known.source == *subquery) {
            Some(known) => known.column,
            None => self.add_subquery(subquery)?,
        };
        let data_type = self.columns.get(column).data_type.clone();
        Ok(Expr::Column { index: column, data_type, nullable: true })
    }

    fn add_subquery(&mut self, subquery: &Subquery) -> Result<ColumnId> {
        let outer = std::mem::take(&mut self.subqueries);
        let lowered = self.query(&subquery.subquery)?;
        self.subqueries = outer;
        let [column] = lowered.columns[..] else {
            return Err(Error::internal("a scalar subquery that has not one column"));
        };
        self.subqueries.push(ScalarSubquery { source: subquery.clone(), relation: lowered.relation, column });
        Ok(column)
    }

    /// Joins the subqueries met since to the rows that expressions will be evaluated on.
    pub(super) fn with_subqueries(&mut self, input: Relation) -> Relation {
        std::mem::take(&mut self.subqueries).into_iter().fold(input, |left, subquery| {
            let is_one_row = subquery.relation.is_one_row();
            let right = if is_one_row {
                subquery.relation
            } else {
                Relation::new(RelationKind::AtMostOneRow { input: Box::new(subquery.relation) })
            };
            let kind = if is_one_row { LogicalJoin::Inner } else { LogicalJoin::Left };
            Relation::new(RelationKind::Join(Box::new(Join::cross(kind, left, right))))
        })
    }
}

impl Join {
    /// Every pair of rows; a left join keeps left rows when the right side is empty.
    pub fn cross(kind: LogicalJoin, left: Relation, right: Relation) -> Self {
        Self {
            kind,
            left,
            right,
            keys: vec![],
            residual: vec![],
            null_equals_null: false,
            null_aware: false,
            mark: None,
            build: Side::Right,
        }
    }
}
