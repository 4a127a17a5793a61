//! GROUP BY and the aggregates.

use datafusion_expr::expr::{AggregateFunction, NullTreatment};
use datafusion_expr::logical_plan::{Aggregate as LogicalNode, DistinctOn};
use datafusion_expr::utils::grouping_set_to_exprlist;
use datafusion_expr::{AggregateUDF, Expr as Logical};
use nyala_frontend::GuestUdaf;
use nyala_schema::operator::{AggregateCall, SortKey};
use nyala_schema::{Callee, Error, Expr, Result};

use super::{Lowered, Lowering, Scope, from_datafusion};
use crate::column::{ColumnId, plan_type};
use crate::relation::{Aggregate, Relation, RelationKind};

impl Lowering<'_> {
    pub(super) fn aggregate(&mut self, node: &LogicalNode) -> Result<Lowered> {
        let input = self.query(&node.input)?;
        let scope = Scope::new(node.input.schema(), &input.columns);
        let fields = node.schema.fields();
        let group = grouping_set_to_exprlist(&node.group_expr).map_err(from_datafusion)?;
        let mut keys = vec![];
        for (expr, field) in group.iter().zip(fields) {
            keys.push((self.expression(expr, &scope)?, field.name().as_str()));
        }
        let set = match node.group_expr.as_slice() {
            [Logical::GroupingSet(set)] => Some(set),
            _ => None,
        };
        let first_call = group.len() + usize::from(set.is_some());
        let mut calls = vec![];
        for (expr, field) in node.aggr_expr.iter().zip(&fields[first_call..]) {
            let mut call = self.aggregate_call(expr, &scope)?;
            call.data_type = plan_type(field.data_type());
            call.nullable = field.is_nullable();
            let id = self.columns.add_new(field.name(), call.data_type.clone(), call.nullable);
            calls.push((id, call));
        }
        let relation = self.with_subqueries(input.relation);
        let (relation, keys) = match set {
            None => (relation, self.group_keys(keys)),
            Some(set) => self.expand(relation, keys, set, &group, &fields[group.len()])?,
        };
        Ok(grouped(relation, keys, calls))
    }

    fn group_keys(&mut self, keys: Vec<(Expr, &str)>) -> Vec<(ColumnId, Expr)> {
        let mut key = |(expr, name): (Expr, &str)| match expr {
            Expr::Column { index, .. } => (index, expr),
            _ => (self.columns.add_new(name, expr.data_type(), expr.nullable()), expr),
        };
        keys.into_iter().map(&mut key).collect()
    }

    /// The result's type and nullability are for the caller to set.
    fn aggregate_call(&mut self, expr: &Logical, scope: &Scope<'_>) -> Result<AggregateCall> {
        let AggregateFunction { func, params } = match expr {
            Logical::Alias(alias) => return self.aggregate_call(&alias.expr, scope),
            Logical::AggregateFunction(function) => function,
            other => return Err(Error::internal(format!("an aggregate that is none: {other}"))),
        };
        let mut arguments = self.expressions(&params.args, scope)?;
        if func.name() == "count" && !params.distinct && counts_all(&arguments) {
            arguments.clear();
        }
        let filter = params.filter.as_ref().map(|filter| self.expression(filter, scope)).transpose()?;
        Ok(AggregateCall {
            function: aggregate_callee(func)?,
            arguments,
            distinct: params.distinct,
            filter,
            order_by: self.sort_keys(&params.order_by, scope)?,
            ignore_nulls: params.null_treatment == Some(NullTreatment::IgnoreNulls),
            data_type: arrow::datatypes::DataType::Null,
            nullable: true,
        })
    }

    pub(super) fn distinct(&mut self, input: Lowered) -> Lowered {
        let key = |&index: &ColumnId| {
            let info = self.columns.get(index);
            (index, Expr::Column { index, data_type: info.data_type.clone(), nullable: true })
        };
        let keys = input.columns.iter().map(key).collect();
        grouped(input.relation, keys, vec![])
    }

    /// The first row of each group, by `first_value` of every column; in the order of the groups' keys, which ORDER BY
    /// begins with.
    pub(super) fn distinct_on(&mut self, node: &DistinctOn) -> Result<Lowered> {
        let input = self.query(&node.input)?;
        let scope = Scope::new(node.input.schema(), &input.columns);
        let order_by = self.sort_keys(node.sort_expr.as_deref().unwrap_or_default(), &scope)?;
        let mut keys = vec![];
        for on in &node.on_expr {
            let key = (self.expression(on, &scope)?, "on");
            keys.extend(self.group_keys(vec![key]));
        }
        let mut calls = vec![];
        for (expr, field) in node.select_expr.iter().zip(node.schema.fields()) {
            let argument = self.expression(expr, &scope)?;
            let call = AggregateCall {
                function: "first_value".into(),
                data_type: argument.data_type(),
                arguments: vec![argument],
                distinct: false,
                filter: None,
                order_by: order_by.clone(),
                ignore_nulls: false,
                nullable: true,
            };
            calls.push((self.columns.add_new(field.name(), call.data_type.clone(), true), call));
        }
        let result_order = keys.iter().zip(&order_by).map(|((index, key), order)| SortKey {
            expr: Expr::Column { index: *index, data_type: key.data_type(), nullable: true },
            ..order.clone()
        });
        let result_order: Vec<SortKey> = result_order.collect();
        let relation = self.with_subqueries(input.relation);
        let mut lowered = grouped(relation, keys, calls);
        lowered.columns.drain(..node.on_expr.len());
        if !result_order.is_empty() {
            let input = Box::new(lowered.relation);
            lowered.relation = Relation::new(RelationKind::Sort { input, keys: result_order, fetch: None });
        }
        Ok(lowered)
    }
}

/// The columns are the keys, then the calls; a column that is grouped by twice is one key.
fn grouped(input: Relation, keys: Vec<(ColumnId, Expr)>, calls: Vec<(ColumnId, AggregateCall)>) -> Lowered {
    let columns = keys.iter().map(|(id, _)| *id).chain(calls.iter().map(|(id, _)| *id)).collect();
    let mut distinct: Vec<(ColumnId, Expr)> = Vec::with_capacity(keys.len());
    for (id, expr) in keys {
        if !distinct.iter().any(|(known, _)| *known == id) {
            distinct.push((id, expr));
        }
    }
    let aggregate = Aggregate { input, keys: distinct, calls };
    Lowered { relation: Relation::new(RelationKind::Aggregate(Box::new(aggregate))), columns }
}

/// The library's function or the user's.
pub(super) fn aggregate_callee(func: &AggregateUDF) -> Result<Callee> {
    let Some(udaf) = func.inner().downcast_ref::<GuestUdaf>() else { return Ok(func.name().into()) };
    let called = udaf.function();
    let called =
        called.ok_or_else(|| Error::internal(format!("no aggregate was chosen for {}", func.name())));
    Ok(Callee::Guest(called?.clone()))
}

/// `count(1)` and `count(*)`.
fn counts_all(arguments: &[Expr]) -> bool {
    arguments.iter().all(|argument| matches!(argument, Expr::Literal(value) if !value.is_null()))
}
