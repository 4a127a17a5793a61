//! Table functions and operators of users, with only the columns of their inputs that somebody reads.

use nyala_schema::Result;
use nyala_schema::guest::OperatorOutput;
use nyala_schema::operator::{GuestCall, GuestInput, OperatorKind};

use super::layout::insert_sort_keys;
use super::{Emitted, Emitter, Incoming};
use crate::column::{ColumnId, ColumnSet};
use crate::relation::{Guest, GuestTable, TableFunction};

impl Emitter<'_> {
    pub(super) fn table_function(
        &mut self,
        call: &TableFunction,
        needed: &ColumnSet,
        incoming: &[Incoming],
        rows: f64,
    ) -> Result<Emitted> {
        let mut wanted = needed.clone();
        call.columns.iter().for_each(|id| wanted.remove(*id));
        call.arguments.iter().for_each(|argument| wanted.insert_used(argument));
        let input = self.relation(&call.input, &wanted, incoming)?;
        let input = self.pruned(input, &wanted)?;
        let arguments = input.layout().exprs(&call.arguments)?;
        let mut fields = input.fields();
        fields.extend(call.columns.iter().map(|&id| self.columns.field(id, true)));
        let columns = input.columns.iter().chain(&call.columns).copied().collect();
        let kind = OperatorKind::TableFunction { function: call.function.clone(), arguments };
        Ok(Emitted::new(kind, vec![input.operator], fields, columns, rows))
    }

    pub(super) fn guest(
        &mut self,
        guest: &Guest,
        needed: &ColumnSet,
        incoming: &[Vec<Incoming>],
        rows: f64,
    ) -> Result<Emitted> {
        let mut operators = vec![];
        let mut inputs = vec![];
        let (mut fields, mut columns) = (vec![], vec![]);
        for (index, table) in guest.inputs.iter().enumerate() {
            let incoming = incoming.get(index).map_or(&[][..], Vec::as_slice);
            let emitted = self.guest_table(guest, index, table, needed, incoming)?;
            let layout = emitted.layout();
            inputs.push(GuestInput {
                partition_by: layout.exprs(&table.partition_by)?,
                order_by: layout.sort_keys(&table.order_by)?,
            });
            if index == 0 && guest.extends_input() {
                fields = emitted.fields();
                columns = emitted.columns.clone();
            }
            operators.push(emitted.operator);
        }
        fields.extend(guest.columns.iter().map(|&id| self.columns.field(id, true)));
        columns.extend(&guest.columns);
        let call =
            GuestCall { operator: guest.operator.clone(), parameters: guest.parameters.clone(), inputs };
        Ok(Emitted::new(OperatorKind::Guest(call), operators, fields, columns, rows))
    }

    /// All columns in their order where the operator reads them or makes rows of the same columns; otherwise the keys and
    /// what is needed above.
    fn guest_table(
        &mut self,
        guest: &Guest,
        index: usize,
        table: &GuestTable,
        needed: &ColumnSet,
        incoming: &[Incoming],
    ) -> Result<Emitted> {
        let is_like = index == 0 && matches!(guest.operator.output, OperatorOutput::LikeInput(_));
        let mut wanted = ColumnSet::default();
        table.partition_by.iter().for_each(|key| wanted.insert_used(key));
        insert_sort_keys(&mut wanted, &table.order_by);
        if is_like || guest.operator.inputs[index].reads_all {
            wanted.extend(table.columns.iter().copied());
            let emitted = self.relation(&table.relation, &wanted, incoming)?;
            return self.exactly(emitted, &table.columns);
        }
        if index == 0 && guest.extends_input() {
            let own = table.relation.columns();
            wanted.extend(needed.iter().filter(|id| own.contains(*id)));
        }
        let emitted = self.relation(&table.relation, &wanted, incoming)?;
        let kept: Vec<ColumnId> = emitted.columns.iter().copied().filter(|&id| wanted.contains(id)).collect();
        self.exactly(emitted, &kept)
    }
}
