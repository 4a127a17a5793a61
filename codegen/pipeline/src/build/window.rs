//! Window functions: their arguments become columns, all the rest is the runtime's.

use nyala_schema::operator::{OperatorKind, WindowCall};
use nyala_schema::{Error, Expr, Result};

use super::layout::Layout;
use super::sort::sort_columns;
use super::{Builder, Columns, Consume, Node};
use crate::column::exact_type;
use crate::state::{StateSpec, WindowFunction, WindowSpec};

impl Builder {
    pub(super) fn window<'a>(
        &mut self,
        node: &'a Node<'a>,
        needed: &Columns,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        let OperatorKind::Window { partition_by, order_by, calls } = &node.operator.kind else {
            return Err(Error::internal("not a window operator"));
        };
        let input = node.input(0)?;
        let width = input.columns.len();
        let mut layout = Layout::new(input, &needed.range(..width).copied().collect());
        let places = partition_by.iter().map(|expr| layout.place(input, expr, None));
        let partition_by = places.collect::<Result<Vec<usize>>>()?;
        let order_by = sort_columns(&mut layout, input, order_by)?;
        let wanted: Vec<usize> = (0..calls.len()).filter(|call| needed.contains(&(width + call))).collect();
        let mut functions = vec![];
        for &call in &wanted {
            functions.push(window_function(&mut layout, node, input, &calls[call], width + call)?);
        }
        let types = layout.types();
        let spec = StateSpec::Window(WindowSpec { types, partition_by, order_by, calls: functions });
        let state = self.add_state(node.operator.id, spec);
        self.produce(input, &layout.needed(), &mut |builder, stream| {
            layout.keep(builder, node, state, stream)
        })?;
        let mut stream = layout.state_stream(node, state);
        for call in wanted {
            stream.base[width + call] = Some(stream.chunk.len());
            stream.chunk.push(node.columns[width + call].clone());
        }
        consume(self, stream)
    }
}

fn window_function(
    layout: &mut Layout,
    node: &Node<'_>,
    input: &Node<'_>,
    call: &WindowCall,
    column: usize,
) -> Result<WindowFunction> {
    let mut place = |expr: &Expr| layout.place(input, expr, Some(exact_type(&expr.data_type())));
    let arguments = call.arguments.iter().map(&mut place).collect::<Result<_>>()?;
    let filter = call.filter.as_ref().map(&mut place).transpose()?;
    Ok(WindowFunction { call: call.clone(), arguments, filter, result: node.columns[column].ty.clone() })
}
