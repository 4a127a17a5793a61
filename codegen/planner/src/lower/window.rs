//! Window functions, grouped by equal partitions and orders.

use datafusion_common::ScalarValue;
use datafusion_expr::expr::{NullTreatment, WindowFunction};
use datafusion_expr::logical_plan::Window as LogicalNode;
use datafusion_expr::{
    Expr as Logical, WindowFrame as LogicalFrame, WindowFrameBound, WindowFrameUnits,
    WindowFunctionDefinition,
};
use nyala_schema::operator::{FrameBound, FrameUnits, SortKey, WindowCall, WindowFrame};
use nyala_schema::{Error, Expr, Result};

use super::aggregate::aggregate_callee;
use super::{Lowered, Lowering, Scope, literal};
use crate::column::{ColumnId, plan_type};
use crate::relation::{Relation, RelationKind, Window};

/// Calls over the same partitions in the same order.
struct Group {
    partition_by: Vec<Expr>,
    order_by: Vec<SortKey>,
    calls: Vec<(ColumnId, WindowCall)>,
}

impl Lowering<'_> {
    pub(super) fn window(&mut self, node: &LogicalNode) -> Result<Lowered> {
        let mut input = self.query(&node.input)?;
        let scope_columns = input.columns.clone();
        let scope = Scope::new(node.input.schema(), &scope_columns);
        let first_call = input.columns.len();
        let mut groups: Vec<Group> = vec![];
        for (expr, field) in node.window_expr.iter().zip(&node.schema.fields()[first_call..]) {
            let function = window_function(expr)?;
            let partition_by = self.expressions(&function.params.partition_by, &scope)?;
            let order_by = self.sort_keys(&function.params.order_by, &scope)?;
            let mut call = self.window_call(function, &scope)?;
            call.data_type = plan_type(field.data_type());
            call.nullable = field.is_nullable();
            let id = self.columns.add_new(field.name(), call.data_type.clone(), call.nullable);
            input.columns.push(id);
            let known = groups.iter_mut().find(|g| g.partition_by == partition_by && g.order_by == order_by);
            match known {
                Some(group) => group.calls.push((id, call)),
                None => groups.push(Group { partition_by, order_by, calls: vec![(id, call)] }),
            }
        }
        let relation = self.with_subqueries(input.relation);
        let relation = groups.into_iter().fold(relation, |input, group| {
            let Group { partition_by, order_by, calls } = group;
            Relation::new(RelationKind::Window(Box::new(Window { input, partition_by, order_by, calls })))
        });
        Ok(Lowered { relation, columns: input.columns })
    }

    /// The result's type and nullability are for the caller to set.
    fn window_call(&mut self, call: &WindowFunction, scope: &Scope<'_>) -> Result<WindowCall> {
        let params = &call.params;
        let (function, is_aggregate) = match &call.fun {
            WindowFunctionDefinition::AggregateUDF(function) => (aggregate_callee(function)?, true),
            WindowFunctionDefinition::WindowUDF(function) => (function.name().into(), false),
        };
        Ok(WindowCall {
            function,
            is_aggregate,
            arguments: self.expressions(&params.args, scope)?,
            frame: frame(&params.window_frame)?,
            filter: params.filter.as_ref().map(|filter| self.expression(filter, scope)).transpose()?,
            distinct: params.distinct,
            ignore_nulls: params.null_treatment == Some(NullTreatment::IgnoreNulls),
            data_type: arrow::datatypes::DataType::Null,
            nullable: true,
        })
    }
}

fn window_function(expr: &Logical) -> Result<&WindowFunction> {
    match expr {
        Logical::Alias(alias) => window_function(&alias.expr),
        Logical::WindowFunction(function) => Ok(function),
        other => Err(Error::internal(format!("a window function that is none: {other}"))),
    }
}

fn frame(frame: &LogicalFrame) -> Result<WindowFrame> {
    Ok(WindowFrame {
        units: match frame.units {
            WindowFrameUnits::Rows => FrameUnits::Rows,
            WindowFrameUnits::Range => FrameUnits::Range,
            WindowFrameUnits::Groups => FrameUnits::Groups,
        },
        start: bound(&frame.start_bound)?,
        end: bound(&frame.end_bound)?,
    })
}

fn bound(bound: &WindowFrameBound) -> Result<FrameBound> {
    let distance = |scalar: &ScalarValue| {
        if scalar.is_null() { Ok(None) } else { literal::value(scalar).map(Some) }
    };
    Ok(match bound {
        WindowFrameBound::Preceding(scalar) => FrameBound::Preceding(distance(scalar)?),
        WindowFrameBound::CurrentRow => FrameBound::CurrentRow,
        WindowFrameBound::Following(scalar) => FrameBound::Following(distance(scalar)?),
    })
}
