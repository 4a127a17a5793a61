//! UNNEST of lists into rows and of structs into columns.

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::NullHandling;
use datafusion_expr::logical_plan::Unnest as LogicalNode;
use nyala_schema::expr::Volatility;
use nyala_schema::{Error, Expr, Result};

use super::{Lowered, Lowering, pattern};
use crate::column::{ColumnId, plan_type};
use crate::relation::{Relation, RelationKind, Unnest, UnnestList};

impl Lowering<'_> {
    pub(super) fn unnest(&mut self, node: &LogicalNode) -> Result<Lowered> {
        let input = self.query(&node.input)?;
        let preserve_nulls = match node.options.null_handling {
            NullHandling::Drop => false,
            NullHandling::Preserve => true,
            NullHandling::PreserveAndExpandEmpty => {
                return Err(Error::unsupported("unnest that keeps empty lists is not supported"));
            }
        };
        let mut fields = node.schema.fields().iter();
        let mut next_field = || fields.next().ok_or_else(|| Error::internal("too few columns of unnest"));
        let mut copies = vec![];
        let mut lists = vec![];
        let mut columns = vec![];
        for (index, &source) in input.columns.iter().enumerate() {
            if node.struct_type_columns.contains(&index) {
                for member in self.members(source)? {
                    columns.push(self.define(member, next_field()?.name(), &mut copies));
                }
                continue;
            }
            let depths: Vec<u32> = node
                .list_type_columns
                .iter()
                .filter(|(list, _)| *list == index)
                .map(|(_, list)| list.depth as u32)
                .collect();
            if depths.is_empty() {
                next_field()?;
                columns.push(source);
            }
            for depth in depths {
                let list = self.unnest_list(source, depth, next_field()?, &mut copies);
                columns.push(list.element);
                lists.push(list);
            }
        }
        let mut relation = input.relation.extend(copies);
        if !lists.is_empty() {
            let unnest = Unnest { input: relation, columns: lists, preserve_nulls };
            relation = Relation::new(RelationKind::Unnest(Box::new(unnest)));
        }
        Ok(Lowered { relation, columns })
    }

    /// The list is copied, because others may read it, too.
    fn unnest_list(
        &mut self,
        source: ColumnId,
        depth: u32,
        field: &FieldRef,
        copies: &mut Vec<(ColumnId, Expr)>,
    ) -> UnnestList {
        let info = self.columns.get(source).clone();
        let data_type = info.data_type.clone();
        let list = self.columns.add(info);
        copies.push((list, Expr::Column { index: source, data_type, nullable: true }));
        let element = self.columns.add_new(field.name(), plan_type(field.data_type()), true);
        UnnestList { list, element, depth }
    }

    fn members(&self, source: ColumnId) -> Result<Vec<Expr>> {
        let info = self.columns.get(source);
        let DataType::Struct(members) = &info.data_type else {
            return Err(Error::internal("unnest of a struct that is none"));
        };
        let get = |member: &FieldRef| Expr::Call {
            function: "get_field".into(),
            arguments: vec![
                Expr::Column { index: source, data_type: info.data_type.clone(), nullable: true },
                pattern::text(member.name()),
            ],
            data_type: plan_type(member.data_type()),
            nullable: true,
            volatility: Volatility::Immutable,
        };
        Ok(members.iter().map(get).collect())
    }
}
