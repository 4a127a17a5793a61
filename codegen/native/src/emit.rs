//! One stage as one function in Cranelift's IR.
//!
//! Failures do not branch: each operation ORs what went wrong into one flag, looked at when the loop is done. The
//! interpreter then repeats the batch to find out which error it is.

mod arithmetic;
mod branch;
mod column;
mod compare;
mod convert;
mod row;
mod update;
mod value;

use std::collections::{BTreeMap, HashMap};
use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, Block, Function, InstBuilder, MemFlagsData, Type as ClifType, Value, types,
};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::{FuncInstBuilder, FunctionBuilder, FunctionBuilderContext, Variable};
use nyala_pipeline::ValueId;
use nyala_schema::{Error, Result};

use nyala_loops::frame::{Frame, STATUS_BAD_INDEX};
use nyala_loops::nullable_values;
use nyala_loops::{Part, Source};

/// A value in registers. What is not valid is NULL, whatever `value` holds then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    pub value: Value,
    /// 1 or 0 in a byte; absent for what cannot be NULL here.
    pub valid: Option<Value>,
}

/// Pointers to a column, loaded once.
#[derive(Debug, Clone, Copy)]
struct ColumnBase {
    values: Value,
    bit_offset: Value,
    /// Pointer and bit offset, where the variant looks at NULLs.
    validity: Option<(Value, Value)>,
}

/// Pointers and counts of the frame, loaded once.
struct Bases {
    frame: Value,
    count: Value,
    rows: Value,
    selection: Value,
    groups: Value,
    group_count: Value,
    records: Value,
    stride: Value,
    parameters: Value,
    survivors: Value,
    multiply_wide: Value,
}

pub(crate) struct Emitter<'e, 'p> {
    builder: FunctionBuilder<'e>,
    part: Part<'e, 'p>,
    bases: Bases,
    columns: BTreeMap<Source, ColumnBase>,
    constants: BTreeMap<u32, Cell>,
    outputs: Vec<(Value, Value)>,
    /// Whether a value may be NULL, by its number.
    nullable: Vec<bool>,
    cells: HashMap<ValueId, Cell>,
    failed: Variable,
    /// Rows that passed so far.
    survivors: Variable,
    bad_index: Block,
    /// The row at hand, and its place among the rows that entered.
    row: Value,
    position: Value,
    accumulators: Vec<update::Accumulator>,
}

/// Fills `function` with the loop of a stage.
///
/// # Errors
/// Internal: the plan and the code generator disagree on what is native.
pub(crate) fn emit(
    function: &mut Function,
    context: &mut FunctionBuilderContext,
    isa: &dyn TargetIsa,
    part: Part<'_, '_>,
) -> Result<()> {
    function.signature.params.push(AbiParam::new(types::I64));
    function.signature.returns.push(AbiParam::new(types::I64));
    let mut builder = FunctionBuilder::new(function, context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let mut emitter = Emitter::start(builder, entry, part)?;
    emitter.load_bases()?;
    let result = emitter.stage();
    emitter.builder.seal_all_blocks();
    if result.is_ok() {
        emitter.builder.finalize(isa.frontend_config());
    }
    result
}

/// Memory that generated code may read or write without a check.
pub(crate) fn trusted() -> MemFlagsData {
    MemFlagsData::trusted()
}

/// Memory that does not change while the loop runs.
fn constant_memory() -> MemFlagsData {
    MemFlagsData::trusted().with_readonly().with_can_move()
}

impl<'e, 'p> Emitter<'e, 'p> {
    fn start(mut builder: FunctionBuilder<'e>, entry: Block, part: Part<'e, 'p>) -> Result<Self> {
        let frame = builder.block_params(entry)[0];
        let bad_index = builder.create_block();
        builder.set_cold_block(bad_index);
        let mut field =
            |offset: usize| builder.ins().load(types::I64, constant_memory(), frame, offset as i32);
        let bases = Bases {
            frame,
            count: field(offset_of!(Frame, count)),
            rows: field(offset_of!(Frame, rows)),
            selection: field(offset_of!(Frame, selection)),
            groups: field(offset_of!(Frame, groups)),
            group_count: field(offset_of!(Frame, group_count)),
            records: field(offset_of!(Frame, records)),
            stride: field(offset_of!(Frame, stride)),
            parameters: field(offset_of!(Frame, parameters)),
            survivors: field(offset_of!(Frame, survivors)),
            multiply_wide: field(offset_of!(Frame, multiply_wide)),
        };
        let (failed, survivors) = (builder.declare_var(types::I8), builder.declare_var(types::I64));
        let (no, zero) = (builder.ins().iconst(types::I8, 0), builder.ins().iconst(types::I64, 0));
        builder.def_var(failed, no);
        builder.def_var(survivors, zero);
        Ok(Self {
            builder,
            part,
            bases,
            columns: BTreeMap::new(),
            constants: BTreeMap::new(),
            outputs: Vec::new(),
            nullable: nullable_values(part.facts, part.stage, part.variant),
            cells: HashMap::new(),
            failed,
            survivors,
            bad_index,
            row: zero,
            position: zero,
            accumulators: Vec::new(),
        })
    }

    /// The whole function behind its entry.
    fn stage(&mut self) -> Result<()> {
        let stage = self.part.stage;
        if stage.scan_filters.is_empty() {
            let selected = self.part.variant.selected.then_some(self.bases.selection);
            self.row_loop(self.bases.count, selected, true)?;
        } else {
            self.scan_loop()?;
            if stage.has_row_part() {
                let count = self.builder.use_var(self.survivors);
                let survivors = self.bases.survivors;
                self.row_loop(count, Some(survivors), false)?;
            }
        }
        if stage.filters() {
            let count = self.builder.use_var(self.survivors);
            self.store_field(offset_of!(Frame, survivor_count), count);
        }
        let failed = self.builder.use_var(self.failed);
        let status = self.ins().uextend(types::I64, failed);
        self.ins().return_(&[status]);

        self.builder.switch_to_block(self.bad_index);
        let status = self.ins().iconst(types::I64, STATUS_BAD_INDEX as i64);
        self.ins().return_(&[status]);
        Ok(())
    }

    fn store_field(&mut self, offset: usize, value: Value) {
        let frame = self.bases.frame;
        self.ins().store(trusted(), value, frame, offset as i32);
    }

    fn ins(&mut self) -> FuncInstBuilder<'_, 'e> {
        self.builder.ins()
    }

    fn integer(&mut self, register: ClifType, value: i128) -> Value {
        if register != types::I128 {
            return self.ins().iconst(register, value as i64);
        }
        let (low, high) = (value as i64, (value >> 64) as i64);
        let low = self.ins().iconst(types::I64, low);
        let high = self.ins().iconst(types::I64, high);
        self.ins().iconcat(low, high)
    }

    /// Adds `condition` (1, or another status) to the loop's status where the operation's operands are valid.
    fn fail_if(&mut self, condition: Value, valid: Option<Value>) {
        let condition = self.both(Some(condition), valid);
        let before = self.builder.use_var(self.failed);
        let after = match condition {
            Some(condition) => self.ins().bor(before, condition),
            None => before,
        };
        self.builder.def_var(self.failed, after);
    }

    /// Where both hold; absent flags always hold.
    fn both(&mut self, left: Option<Value>, right: Option<Value>) -> Option<Value> {
        match (left, right) {
            (Some(left), Some(right)) if left != right => Some(self.ins().band(left, right)),
            (left, right) => left.or(right),
        }
    }

    fn not(&mut self, flag: Value) -> Value {
        self.ins().bxor_imm_u(flag, 1)
    }

    /// True and not NULL.
    fn is_true(&mut self, cell: Cell) -> Value {
        match cell.valid {
            Some(valid) => self.ins().band(cell.value, valid),
            None => cell.value,
        }
    }

    /// `yes` where `condition` is 1. In 128 bits by halves: Cranelift 0.135 turns the selection of the greater of
    /// two into an instruction that its x64 backend does not have in that width.
    fn select(&mut self, condition: Value, yes: Value, no: Value) -> Value {
        if self.builder.func.dfg.value_type(yes) != types::I128 {
            return self.ins().select(condition, yes, no);
        }
        let (yes_low, yes_high) = self.ins().isplit(yes);
        let (no_low, no_high) = self.ins().isplit(no);
        let low = self.ins().select(condition, yes_low, no_low);
        let high = self.ins().select(condition, yes_high, no_high);
        self.ins().iconcat(low, high)
    }

    fn is_nullable(&self, id: ValueId) -> bool {
        self.nullable.get(id.0 as usize).copied().unwrap_or(true)
    }

    /// Leaves the function when `index` is not below `bound`.
    fn check_index(&mut self, index: Value, bound: Value) {
        let inside = self.ins().icmp(IntCC::UnsignedLessThan, index, bound);
        let next = self.builder.create_block();
        let bad_index = self.bad_index;
        self.ins().brif(inside, next, &[], bad_index, &[]);
        self.builder.switch_to_block(next);
    }
}

/// The plan promised something that cannot be emitted.
fn not_native(what: &str) -> Error {
    Error::internal(format!("native code was planned for {what}"))
}
