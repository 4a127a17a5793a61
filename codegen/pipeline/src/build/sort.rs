//! Sort, limit and the check for a single row.

use nyala_schema::operator::{OperatorKind, SortKey};
use nyala_schema::{Expr, Result};

use super::layout::Layout;
use super::{Builder, Columns, Consume, Node};
use crate::pipeline::Step;
use crate::state::{SortColumn, SortSpec, StateSpec};

impl Builder {
    pub(super) fn sort<'a>(
        &mut self,
        node: &'a Node<'a>,
        keys: &[SortKey],
        fetch: Option<u64>,
        needed: &Columns,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        let input = node.input(0)?;
        let mut layout = Layout::new(input, needed);
        let keys = sort_columns(&mut layout, input, keys)?;
        let spec = StateSpec::Sort(SortSpec { types: layout.types(), keys, fetch });
        let state = self.add_state(node.operator.id, spec);
        self.produce(input, &layout.needed(), &mut |builder, stream| {
            layout.keep(builder, node, state, stream)
        })?;
        let mut stream = layout.state_stream(node, state);
        stream.ordered = true;
        consume(self, stream)
    }

    /// A limit right above a sort makes it keep no more rows than that.
    pub(super) fn limit<'a>(
        &mut self,
        node: &'a Node<'a>,
        skip: u64,
        fetch: Option<u64>,
        needed: &Columns,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        let input = node.input(0)?;
        let wanted = fetch.map(|fetch| fetch.saturating_add(skip));
        if let OperatorKind::Sort { keys, fetch: sorted } = &input.operator.kind {
            let sorted = [*sorted, wanted].into_iter().flatten().min();
            if skip == 0 {
                return self.sort(input, keys, sorted, needed, consume);
            }
            let state = self.add_state(node.operator.id, StateSpec::Limit { skip, fetch });
            return self.sort(input, keys, sorted, needed, &mut |builder, mut stream| {
                stream.steps.push(Step::Limit { operator: node.operator.id, state });
                consume(builder, stream)
            });
        }
        let state = self.add_state(node.operator.id, StateSpec::Limit { skip, fetch });
        self.produce(input, needed, &mut |builder, mut stream| {
            if stream.has_filter() || stream.has_volatile() {
                stream.settle(node, node.operator.id, needed, vec![])?;
            }
            stream.steps.push(Step::Limit { operator: node.operator.id, state });
            consume(builder, stream)
        })
    }

    pub(super) fn at_most_one_row<'a>(
        &mut self,
        node: &'a Node<'a>,
        needed: &Columns,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        let input = node.input(0)?;
        let layout = Layout::new(input, needed);
        let spec = StateSpec::AtMostOneRow { types: layout.types() };
        let state = self.add_state(node.operator.id, spec);
        self.produce(input, &layout.needed(), &mut |builder, stream| {
            layout.keep(builder, node, state, stream)
        })?;
        consume(self, layout.state_stream(node, state))
    }
}

pub(super) fn sort_columns(
    layout: &mut Layout,
    input: &Node<'_>,
    keys: &[SortKey],
) -> Result<Vec<SortColumn>> {
    key_columns(keys, |expr| layout.place(input, expr, None))
}

/// Sort keys whose expressions are where `place` says.
pub(super) fn key_columns(
    keys: &[SortKey],
    mut place: impl FnMut(&Expr) -> Result<usize>,
) -> Result<Vec<SortColumn>> {
    keys.iter()
        .map(|key| {
            let index = place(&key.expr)?;
            Ok(SortColumn { index, descending: key.descending, nulls_first: key.nulls_first })
        })
        .collect()
}
