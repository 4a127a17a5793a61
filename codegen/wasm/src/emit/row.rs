//! The loops over rows: as in native code, a stage that filters runs in two loops where it can. Small bodies are
//! written several times per turn, because nobody unrolls or moves what is in the loop's own head.

use nyala_loops::Lane;
use nyala_pipeline::{Op, ValueId};
use nyala_schema::Result;
use wasm_encoder::{BlockType, Instruction as I, ValType};

use super::local::{Local, Register};
use super::{Emitter, Place};

const ROW_NUMBER: Lane = Lane::Int { bytes: 4, signed: false };

/// Rows per turn of loops whose values are at most `VALUES_UNROLLED_MAX`.
const ROWS_PER_TURN: u32 = 4;
const VALUES_UNROLLED_MAX: usize = 40;

impl Emitter<'_, '_> {
    /// Lists in `survivors` the rows that pass the stage's scan filters.
    pub(super) fn scan_loop(&mut self) -> Result<()> {
        let selected = self.part.variant.selected.then_some(self.bases.selection);
        self.counted_loop(self.bases.count, |emitter, position| {
            emitter.enter_row(position, selected, true);
            let mut pass = None;
            for filter in &emitter.part.stage.scan_filters {
                emitter.compute(&[*filter])?;
                let cell = emitter.cell(*filter)?;
                let holds = emitter.is_true(cell)?;
                pass = emitter.both(pass, Some(holds));
            }
            emitter.list_row()?;
            emitter.op(I::LocalGet(emitter.survivors));
            match pass {
                Some(pass) => emitter.ops([I::LocalGet(pass), I::I64ExtendI32U]),
                None => emitter.op(I::I64Const(1)),
            }
            emitter.ops([I::I64Add, I::LocalSet(emitter.survivors)]);
            Ok(())
        })
    }

    /// Runs the stage's row filters, outputs and updates. `checked`: row numbers come from outside.
    pub(super) fn row_loop(&mut self, count: Local, selected: Option<Local>, checked: bool) -> Result<()> {
        let filters = !self.part.stage.row_filters.is_empty();
        if filters {
            self.ops([I::I64Const(0), I::LocalSet(self.survivors)]);
        }
        self.start_accumulators()?;
        self.counted_loop(count, |emitter, position| {
            emitter.enter_row(position, selected, checked);
            for filter in &emitter.part.stage.row_filters {
                emitter.compute(&[*filter])?;
                emitter.drop_unless(*filter)?;
            }
            emitter.compute(&emitter.part.stage.outputs)?;
            let place = match filters {
                true => Place { local: emitter.survivors, plus: 0 },
                false => emitter.position,
            };
            emitter.store_outputs(place)?;
            emitter.update_states()?;
            if filters {
                emitter.list_row()?;
                let survivors = emitter.survivors;
                emitter.ops([I::LocalGet(survivors), I::I64Const(1), I::I64Add, I::LocalSet(survivors)]);
            }
            Ok(())
        })?;
        self.finish_accumulators()
    }

    fn drop_unless(&mut self, filter: ValueId) -> Result<()> {
        let cell = self.cell(filter)?;
        let holds = self.is_true(cell)?;
        self.ops([I::LocalGet(holds), I::I32Eqz, I::BrIf(self.depth - self.row_depth)]);
        Ok(())
    }

    /// Writes the row's number behind the survivors.
    fn list_row(&mut self) -> Result<()> {
        let row = self.number(self.row);
        let place = Place { local: self.survivors, plus: 0 };
        let (address, offset) = self.element(self.bases.survivors, place, ROW_NUMBER.bytes());
        self.store_lane(ROW_NUMBER, Register::word(row), address, offset)
    }

    /// A place as one number.
    fn number(&mut self, place: Place) -> Local {
        if place.plus == 0 {
            return place.local;
        }
        self.word([I::LocalGet(place.local), I::I64Const(i64::from(place.plus)), I::I64Add])
    }

    fn enter_row(&mut self, position: Place, selected: Option<Local>, checked: bool) {
        self.cells.clear();
        self.position = position;
        self.row = position;
        let Some(selection) = selected else { return };
        let (address, offset) = self.element(selection, position, ROW_NUMBER.bytes());
        if let Register::One(local, _) = self.load_lane(ROW_NUMBER, address, offset) {
            self.row = Place { local, plus: 0 };
            if checked {
                self.check_index(local, self.bases.rows);
            }
        }
    }

    /// `body` is given the place among the rows that enter; it may leave by the row's block.
    fn counted_loop(
        &mut self,
        count: Local,
        mut body: impl FnMut(&mut Self, Place) -> Result<()>,
    ) -> Result<()> {
        let index = self.locals.take(ValType::I64);
        self.ops([I::I64Const(0), I::LocalSet(index)]);
        if self.unrolls() {
            let whole = -i64::from(ROWS_PER_TURN);
            let limit = self.word([I::LocalGet(count), I::I64Const(whole), I::I64And]);
            self.turns(index, limit, ROWS_PER_TURN, &mut body)?;
        }
        self.turns(index, count, 1, &mut body)
    }

    /// Not where operations are checked: Cranelift puts off the reckoning of their flags to the end of the turn, and
    /// several rows' intermediate values do not fit the machine's registers.
    fn unrolls(&self) -> bool {
        let facts = self.part.facts;
        let checked = |id: &ValueId| {
            facts.get(*id).is_ok_and(|fact| fact.own.fallible && !matches!(fact.op, Op::Call { .. }))
        };
        facts.order().len() <= VALUES_UNROLLED_MAX && !facts.order().iter().any(checked)
    }

    /// Goes on from `index` to `limit`, `rows` of them at a time.
    fn turns(
        &mut self,
        index: Local,
        limit: Local,
        rows: u32,
        body: &mut impl FnMut(&mut Self, Place) -> Result<()>,
    ) -> Result<()> {
        let mark = self.locals.mark();
        self.ops([I::LocalGet(index), I::LocalGet(limit), I::I64LtU]);
        self.open(I::If(BlockType::Empty));
        self.open(I::Loop(BlockType::Empty));
        for plus in 0..rows {
            self.locals.release(mark);
            self.open(I::Block(BlockType::Empty));
            self.row_depth = self.depth;
            body(self, Place { local: index, plus })?;
            self.close();
        }
        self.ops([I::LocalGet(index), I::I64Const(i64::from(rows)), I::I64Add, I::LocalTee(index)]);
        self.ops([I::LocalGet(limit), I::I64LtU, I::BrIf(0)]);
        self.close();
        self.close();
        self.locals.release(mark);
        self.cells.clear();
        Ok(())
    }

    /// The address of the record of the row's group.
    pub(super) fn record(&mut self) -> Local {
        if !self.part.variant.grouped {
            return self.bases.records;
        }
        let (address, offset) = self.element(self.bases.groups, self.position, 4);
        let group = match self.load_lane(ROW_NUMBER, address, offset) {
            Register::One(group, _) => group,
            Register::Two([group, _]) => group,
        };
        self.check_index(group, self.bases.group_count);
        let (stride, records) = (self.bases.stride, self.bases.records);
        self.word([I::LocalGet(group), I::LocalGet(stride), I::I64Mul, I::LocalGet(records), I::I64Add])
    }
}
