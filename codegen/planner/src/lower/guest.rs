//! Table functions and operators of users.

use datafusion_expr::LogicalPlan;
use datafusion_expr::logical_plan::Extension;
use nyala_frontend::{GuestNodeInput, GuestOperatorNode, TableFunctionNode};
use nyala_schema::guest::OperatorOutput;
use nyala_schema::operator::SortKey;
use nyala_schema::{Error, Expr, Result};

use super::{Lowered, Lowering, Scope, literal};
use crate::column::{ColumnId, plan_type};
use crate::relation::{Guest, GuestTable, Relation, RelationKind, TableFunction};

impl Lowering<'_> {
    pub(super) fn extension(&mut self, extension: &Extension) -> Result<Lowered> {
        let node = extension.node.as_any();
        if let Some(call) = node.downcast_ref::<TableFunctionNode>() {
            return self.table_function(call);
        }
        if let Some(call) = node.downcast_ref::<GuestOperatorNode>() {
            return self.guest_operator(call);
        }
        Err(Error::internal(format!("a plan node of unknown kind: {}", extension.node.name())))
    }

    fn table_function(&mut self, node: &TableFunctionNode) -> Result<Lowered> {
        let input = self.query(&node.input)?;
        let arguments =
            self.expressions(&node.arguments, &Scope::new(node.input.schema(), &input.columns))?;
        let add = |(_, field): &(_, arrow::datatypes::FieldRef)| {
            self.columns.add_new(field.name(), plan_type(field.data_type()), true)
        };
        let own: Vec<ColumnId> = node.columns.iter().map(add).collect();
        let call = TableFunction {
            input: self.with_subqueries(input.relation),
            function: node.function.clone(),
            arguments,
            columns: own.clone(),
        };
        let columns = input.columns.into_iter().chain(own).collect();
        Ok(Lowered { relation: Relation::new(RelationKind::TableFunction(Box::new(call))), columns })
    }

    fn guest_operator(&mut self, node: &GuestOperatorNode) -> Result<Lowered> {
        let operator = node.operator.clone();
        let parameters = node.parameters.iter().map(literal::value).collect::<Result<Vec<_>>>()?;
        let mut inputs = vec![];
        for input in &node.inputs {
            inputs.push(self.guest_table(input)?);
        }
        let first = || inputs.first().map_or(&[][..], |table| table.columns.as_slice());
        let like_input = match &operator.output {
            OperatorOutput::LikeInput(_) => first().to_vec(),
            OperatorOutput::Extends(_) | OperatorOutput::Columns(_) => vec![],
        };
        let mut made: Vec<ColumnId> = vec![];
        for &column in &like_input {
            let info = self.columns.get(column);
            let (name, data_type) = (info.name.clone(), info.data_type.clone());
            made.push(self.columns.add_new(name, data_type, true));
        }
        for field in operator.output.own_columns() {
            made.push(self.columns.add_new(field.name(), plan_type(field.data_type()), true));
        }
        let mut columns = match &operator.output {
            OperatorOutput::Extends(_) => first().to_vec(),
            OperatorOutput::Columns(_) | OperatorOutput::LikeInput(_) => vec![],
        };
        columns.extend(&made);
        let guest = Guest { operator, parameters, inputs, columns: made };
        Ok(Lowered { relation: Relation::new(RelationKind::Guest(Box::new(guest))), columns })
    }

    fn guest_table(&mut self, input: &GuestNodeInput) -> Result<GuestTable> {
        let plan: &LogicalPlan = &input.plan;
        let lowered = self.query(plan)?;
        let scope = Scope::new(plan.schema(), &lowered.columns);
        let partition_by = self.expressions(&input.partition_by, &scope)?;
        let mut order_by = vec![];
        for key in &input.order_by {
            let expr: Expr = self.expression(&key.expr, &scope)?;
            order_by.push(SortKey { expr, descending: key.descending, nulls_first: key.nulls_first });
        }
        let relation = self.with_subqueries(lowered.relation);
        Ok(GuestTable { relation, columns: lowered.columns, partition_by, order_by })
    }
}
