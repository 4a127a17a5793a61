//! Operators that change how many rows there are without keeping any: union, grouping sets, unnest.

use nyala_schema::operator::UnnestColumn;
use nyala_schema::{Error, Expr, Result};

use super::stream::{Stream, Target, column_expr};
use super::{Builder, Columns, Consume, Node, columns_of};
use crate::lower::{Layer, LayerKind, Lowering};
use crate::pipeline::{Compute, Step};

impl Builder {
    pub(super) fn union<'a>(
        &mut self,
        node: &'a Node<'a>,
        needed: &Columns,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        for input in &node.inputs {
            let same = input.columns.iter().zip(&node.columns).all(|(a, b)| a.data_type() == b.data_type());
            self.produce(input, needed, &mut |builder, mut stream| {
                if !same {
                    let kind = LayerKind::Retype(&node.columns);
                    stream.layers.push(Layer { operator: node.operator.id, kind });
                }
                consume(builder, stream)
            })?;
        }
        Ok(())
    }

    pub(super) fn expand<'a>(
        &mut self,
        node: &'a Node<'a>,
        projections: &[Vec<Expr>],
        needed: &Columns,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        let input = node.input(0)?;
        let read = columns_of(projections.iter().flat_map(|list| needed.iter().map(|&column| &list[column])));
        self.produce(input, &read, &mut |builder, mut stream| {
            stream.settle(input, node.operator.id, &read, vec![])?;
            expand_stream(node, projections, needed, &mut stream)?;
            consume(builder, stream)
        })
    }

    pub(super) fn unnest<'a>(
        &mut self,
        node: &'a Node<'a>,
        columns: &[UnnestColumn],
        preserve_nulls: bool,
        needed: &Columns,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        let input = node.input(0)?;
        let mut read = needed.clone();
        read.extend(columns.iter().map(|column| column.index));
        self.produce(input, &read, &mut |builder, mut stream| {
            unnest_stream(node, input, columns, preserve_nulls, &read, &mut stream)?;
            consume(builder, stream)
        })
    }
}

/// Columns that are one and the same input column in every variant are kept, all others are outputs.
fn expand_stream(
    node: &Node<'_>,
    projections: &[Vec<Expr>],
    needed: &Columns,
    stream: &mut Stream<'_>,
) -> Result<()> {
    let shared = |column: usize| -> Option<usize> {
        let Expr::Column { index, .. } = projections.first()?[column] else { return None };
        let all = projections.iter().all(|list| list[column] == projections[0][column]);
        let position = stream.base[index]?;
        (all && stream.chunk[position].data_type() == node.columns[column].data_type()).then_some(position)
    };
    let (kept, computed): (Vec<usize>, Vec<usize>) = needed.iter().partition(|&&c| shared(c).is_some());
    let kept_positions: Vec<usize> = kept.iter().filter_map(|&column| shared(column)).collect();
    let mut variants = vec![];
    for list in projections {
        let mut lowering = Lowering::new(&stream.chunk, &stream.base, &[]);
        let outputs = computed
            .iter()
            .map(|&column| lowering.lower_as(&list[column], node.columns[column].data_type()))
            .collect::<Result<Vec<_>>>()?;
        let finished = lowering.finish(&outputs, &[])?;
        variants.push(Compute { code: finished.code, inputs: finished.inputs, kept: kept_positions.clone() });
    }
    let columns = kept.iter().chain(&computed).copied();
    stream.reset(node, columns);
    stream.steps.push(Step::Expand { operator: node.operator.id, variants });
    Ok(())
}

fn unnest_stream(
    node: &Node<'_>,
    input: &Node<'_>,
    columns: &[UnnestColumn],
    preserve_nulls: bool,
    read: &Columns,
    stream: &mut Stream<'_>,
) -> Result<()> {
    let unnested: Columns = columns.iter().map(|column| column.index).collect();
    if unnested.len() != columns.len() {
        return Err(Error::unsupported("a column that is unnested twice is not supported yet"));
    }
    let references: Vec<(usize, Expr)> = read.iter().map(|&i| (i, column_expr(input, i))).collect();
    let targets: Vec<Target<'_>> = references
        .iter()
        .map(|(column, expr)| {
            let place = stream.plain(*column);
            let shared = read.iter().any(|other| other != column && stream.plain(*other) == place);
            let data_type = input.columns[*column].data_type().clone();
            Target { expr, data_type, alone: unnested.contains(column) && (place.is_none() || shared) }
        })
        .collect();
    let placed = stream.compute(node.operator.id, &Default::default(), &targets)?;
    stream.layers.clear();
    stream.base = vec![None; node.columns.len()];
    for ((column, _), position) in references.iter().zip(&placed.targets) {
        stream.base[*column] = Some(*position);
        stream.chunk[*position] = node.columns[*column].clone();
    }
    let place = |column: &UnnestColumn| UnnestColumn {
        index: stream.base[column.index].unwrap_or(usize::MAX),
        depth: column.depth,
    };
    stream.steps.push(Step::Unnest {
        operator: node.operator.id,
        columns: columns.iter().map(place).collect(),
        preserve_nulls,
        types: stream.chunk.iter().map(|column| column.ty.clone()).collect(),
    });
    Ok(())
}
