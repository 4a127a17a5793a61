//! UNION, and WITH RECURSIVE.

use datafusion_common::DFSchema;
use datafusion_expr::logical_plan::{RecursiveQuery, Union};
use nyala_schema::Result;

use super::{Lowered, Lowering, literal};
use crate::column::{ColumnId, plan_type};
use crate::relation::{Recursion, Relation, RelationKind};

/// A recursive query whose recursive term is being translated.
pub(super) struct ActiveRecursion {
    pub(super) name: String,
    pub(super) id: u32,
}

impl Lowering<'_> {
    pub(super) fn union(&mut self, union: &Union) -> Result<Lowered> {
        let mut branches = Vec::with_capacity(union.inputs.len());
        for input in &union.inputs {
            let lowered = self.query(input)?;
            branches.push(self.in_types_of(lowered, &union.schema));
        }
        let columns = self.new_columns(&union.schema);
        let relation = Relation::new(RelationKind::Union { columns: columns.clone(), branches });
        Ok(Lowered { relation, columns })
    }

    pub(super) fn recursive_query(&mut self, query: &RecursiveQuery) -> Result<Lowered> {
        let seed = self.query(&query.static_term)?;
        let seed = self.in_types_of(seed, &query.schema);
        let id = self.recursion_count;
        self.recursion_count += 1;
        self.recursions.push(ActiveRecursion { name: query.name.clone(), id });
        let step = self.query(&query.recursive_term);
        self.recursions.pop();
        let step = self.in_types_of(step?, &query.schema);
        let columns = self.new_columns(&query.schema);
        let recursion = Recursion { id, distinct: query.is_distinct, columns: columns.clone(), seed, step };
        let relation = Relation::new(RelationKind::Recursion(Box::new(recursion)));
        Ok(Lowered { relation, columns })
    }

    fn new_columns(&mut self, schema: &DFSchema) -> Vec<ColumnId> {
        let fields = schema.fields().iter();
        fields.map(|field| self.columns.add_new(field.name(), plan_type(field.data_type()), true)).collect()
    }

    fn in_types_of(&mut self, input: Lowered, schema: &DFSchema) -> (Relation, Vec<ColumnId>) {
        let mut definitions = vec![];
        let mut columns = Vec::with_capacity(input.columns.len());
        for (index, field) in input.columns.into_iter().zip(schema.fields()) {
            let info = self.columns.get(index);
            let column = nyala_schema::Expr::Column {
                index,
                data_type: info.data_type.clone(),
                nullable: info.nullable,
            };
            let typed = literal::cast(column, plan_type(field.data_type()), false);
            columns.push(self.define(typed, field.name(), &mut definitions));
        }
        (input.relation.extend(definitions), columns)
    }
}
