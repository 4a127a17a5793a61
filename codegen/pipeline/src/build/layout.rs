//! What a breaker keeps of its input: a list of expressions, the same for every stream that ends there.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use nyala_schema::{Expr, Result};

use super::stream::{Stream, Target, column_expr};
use super::{Builder, Columns, Node};
use crate::column::Column;
use crate::lower::{infer, is_volatile};
use crate::pipeline::{Sink, Source};
use crate::program::Type;
use crate::state::StateId;

pub(super) struct Layout {
    entries: Vec<(Expr, Column)>,
}

impl Layout {
    /// Starts with these columns of the input.
    pub fn new(input: &Node<'_>, columns: &Columns) -> Self {
        let entries = columns.iter().map(|&i| (column_expr(input, i), input.columns[i].clone())).collect();
        Self { entries }
    }

    /// Where the expression is, in the type that it has or in the one given.
    pub fn place(&mut self, input: &Node<'_>, expr: &Expr, data_type: Option<DataType>) -> Result<usize> {
        let mut column = infer(expr, &input.columns)?;
        if let Some(data_type) = data_type
            && data_type != *column.data_type()
        {
            column = Column::of_type(data_type, column.nullable());
        }
        let same = |(known, at): &(Expr, Column)| {
            known == expr && at.data_type() == column.data_type() && !is_volatile(expr)
        };
        if let Some(position) = self.entries.iter().position(same) {
            return Ok(position);
        }
        self.entries.push((expr.clone(), column));
        Ok(self.entries.len() - 1)
    }

    pub fn types(&self) -> Vec<Type> {
        self.entries.iter().map(|(_, column)| column.ty.clone()).collect()
    }

    /// The input columns that the expressions read.
    pub fn needed(&self) -> Columns {
        super::columns_of(self.entries.iter().map(|(expr, _)| expr))
    }

    pub fn targets(&self) -> Vec<Target<'_>> {
        self.entries.iter().map(|(expr, column)| Target::new(expr, column.data_type().clone())).collect()
    }

    /// Ends the stream in a state that keeps the entries.
    pub fn keep(
        &self,
        builder: &mut Builder,
        node: &Node<'_>,
        state: StateId,
        stream: Stream<'_>,
    ) -> Result<()> {
        self.keep_input(builder, node, (state, 0), stream)
    }

    /// As `keep`, of one input among several.
    pub fn keep_input(
        &self,
        builder: &mut Builder,
        node: &Node<'_>,
        (state, input): (StateId, usize),
        mut stream: Stream<'_>,
    ) -> Result<()> {
        let operator = node.operator.id;
        let placed = stream.compute(operator, &BTreeSet::new(), &self.targets())?;
        builder.add_pipeline(stream, Sink::Keep { operator, state, input, columns: placed.targets });
        Ok(())
    }

    /// The state's rows; the operator's first columns are those of its input.
    pub fn state_stream<'a>(&self, node: &Node<'_>, state: StateId) -> Stream<'a> {
        let source = Source::State { operator: node.operator.id, state };
        let mut stream = Stream::new(source, node, []);
        for (position, (expr, column)) in self.entries.iter().enumerate() {
            stream.chunk.push(column.clone());
            if let Expr::Column { index, .. } = expr {
                stream.base[*index].get_or_insert(position);
            }
        }
        stream
    }
}
