//! One stage as the body of one function.
//!
//! Failures do not branch: each operation ORs what went wrong into a flag, looked at when the loop is done. The
//! interpreter then repeats the batch to find out which error it is. Every value of the row at hand is in locals:
//! 128 bits in two of them.

mod arithmetic;
mod branch;
mod call;
mod column;
mod compare;
mod convert;
mod local;
mod row;
mod update;
mod value;
mod wide;

use std::collections::{BTreeMap, HashMap};
use std::mem::offset_of;
use std::sync::Arc;

use nyala_loops::frame::STATUS_BAD_INDEX;
use nyala_loops::{Frame, Part, Source, nullable_values};
use nyala_pipeline::ValueId;
use nyala_schema::guest::GuestFunction;
use nyala_schema::{Error, Result};
use wasm_encoder::{BlockType, Instruction as I, ValType};

use crate::intrinsic::Intrinsic;
use local::{Local, Locals, Register};

/// What is in a driver's function.
pub(crate) struct Body {
    pub locals: Vec<ValType>,
    pub instructions: Vec<I<'static>>,
    pub functions: Vec<Arc<GuestFunction>>,
}

/// A value in locals. What is not valid is NULL, whatever `value` holds then.
#[derive(Debug, Clone, Copy)]
struct Cell {
    value: Register,
    /// 1 or 0; absent for what cannot be NULL here.
    valid: Option<Local>,
}

/// Pointers to a column, loaded once.
#[derive(Debug, Clone, Copy)]
struct ColumnBase {
    values: Local,
    bit_offset: Local,
    /// Pointer and bit offset, where the variant looks at NULLs.
    validity: Option<(Local, Local)>,
}

/// Pointers and counts of the frame, loaded once.
struct Bases {
    count: Local,
    rows: Local,
    selection: Local,
    groups: Local,
    group_count: Local,
    records: Local,
    stride: Local,
    parameters: Local,
    survivors: Local,
}

/// A number of a row or an entry: a local and what comes on top of it.
#[derive(Debug, Clone, Copy)]
struct Place {
    local: Local,
    plus: u32,
}

struct Emitter<'e, 'p> {
    part: Part<'e, 'p>,
    code: Vec<I<'static>>,
    locals: Locals,
    /// Blocks that are open.
    depth: u32,
    /// `depth` inside the block of the row at hand.
    row_depth: u32,
    bases: Bases,
    columns: BTreeMap<Source, ColumnBase>,
    constants: BTreeMap<u32, Cell>,
    outputs: Vec<(Local, Local)>,
    /// Whether a value may be NULL, by its number.
    nullable: Vec<bool>,
    cells: HashMap<ValueId, Cell>,
    /// The status, 32 bits.
    failed: Local,
    /// 64 bits, negative when something overflowed.
    overflowed: Local,
    /// 64 bits, not 0 when something does not fit.
    wrong: Local,
    /// Rows that passed so far.
    survivors: Local,
    /// The row at hand, and its place among the rows that entered.
    row: Place,
    position: Place,
    accumulators: Vec<update::Accumulator>,
    functions: Vec<Arc<GuestFunction>>,
}

/// The function of a stage.
///
/// # Errors
/// Internal: the plan and this emitter disagree on what a driver does.
pub(crate) fn emit(part: Part<'_, '_>) -> Result<Body> {
    let mut emitter = Emitter::start(part);
    emitter.load_bases()?;
    emitter.stage()?;
    emitter.op(I::End);
    Ok(Body { locals: emitter.locals.types(), instructions: emitter.code, functions: emitter.functions })
}

/// The plan promised something that cannot be emitted.
fn not_done(what: &str) -> Error {
    Error::internal(format!("a driver was planned for {what}"))
}

impl<'e, 'p> Emitter<'e, 'p> {
    fn start(part: Part<'e, 'p>) -> Self {
        let mut locals = Locals::default();
        let mut word = || locals.take(ValType::I64);
        let bases = Bases {
            count: word(),
            rows: word(),
            selection: word(),
            groups: word(),
            group_count: word(),
            records: word(),
            stride: word(),
            parameters: word(),
            survivors: word(),
        };
        let (overflowed, wrong, survivors) = (word(), word(), word());
        let failed = locals.take(ValType::I32);
        let nowhere = Place { local: survivors, plus: 0 };
        Self {
            part,
            code: Vec::new(),
            locals,
            depth: 0,
            row_depth: 0,
            bases,
            columns: BTreeMap::new(),
            constants: BTreeMap::new(),
            outputs: Vec::new(),
            nullable: nullable_values(part.facts, part.stage, part.variant),
            cells: HashMap::new(),
            failed,
            overflowed,
            wrong,
            survivors,
            row: nowhere,
            position: nowhere,
            accumulators: Vec::new(),
            functions: Vec::new(),
        }
    }

    /// Everything behind the loading of bases.
    fn stage(&mut self) -> Result<()> {
        let stage = self.part.stage;
        if stage.scan_filters.is_empty() {
            let selected = self.part.variant.selected.then_some(self.bases.selection);
            self.row_loop(self.bases.count, selected, true)?;
        } else {
            self.scan_loop()?;
            if stage.has_row_part() {
                let count = self.copy(self.survivors, ValType::I64);
                self.row_loop(count, Some(self.bases.survivors), false)?;
            }
        }
        if stage.filters() {
            self.ops([I::LocalGet(FRAME), I::I64Const(offset_of!(Frame, survivor_count) as i64), I::I64Add]);
            self.ops([I::LocalGet(self.survivors), I::Call(Intrinsic::Store64.index())]);
        }
        self.ops([I::LocalGet(self.overflowed), I::I64Const(63), I::I64ShrU]);
        self.ops([I::LocalGet(self.wrong), I::I64Const(0), I::I64Ne, I::I64ExtendI32U, I::I64Or]);
        self.ops([I::LocalGet(self.failed), I::I64ExtendI32U, I::I64Or]);
        Ok(())
    }

    fn op(&mut self, instruction: I<'static>) {
        self.code.push(instruction);
    }

    fn ops<const N: usize>(&mut self, instructions: [I<'static>; N]) {
        self.code.extend(instructions);
    }

    /// What is on top of the stack, in a local of its own.
    fn keep(&mut self, ty: ValType) -> Local {
        let local = self.locals.take(ty);
        self.op(I::LocalSet(local));
        local
    }

    /// The result of some instructions, in a local of its own.
    fn made<const N: usize>(&mut self, ty: ValType, instructions: [I<'static>; N]) -> Local {
        self.ops(instructions);
        self.keep(ty)
    }

    fn flag<const N: usize>(&mut self, instructions: [I<'static>; N]) -> Local {
        self.made(ValType::I32, instructions)
    }

    fn word<const N: usize>(&mut self, instructions: [I<'static>; N]) -> Local {
        self.made(ValType::I64, instructions)
    }

    fn copy(&mut self, local: Local, ty: ValType) -> Local {
        self.made(ty, [I::LocalGet(local)])
    }

    fn open(&mut self, block: I<'static>) {
        self.op(block);
        self.depth += 1;
    }

    fn close(&mut self) {
        self.op(I::End);
        self.depth -= 1;
    }

    /// Adds `condition` (1, or another status) to the loop's status where the operation's operands are valid.
    fn fail_if(&mut self, condition: Local, valid: Option<Local>) {
        self.ops([I::LocalGet(self.failed), I::LocalGet(condition)]);
        if let Some(valid) = valid {
            self.ops([I::LocalGet(valid), I::I32And]);
        }
        self.ops([I::I32Or, I::LocalSet(self.failed)]);
    }

    /// Fails where the word on the stack is negative and the operands are valid.
    fn fail_if_negative(&mut self, valid: Option<Local>) {
        self.mask(valid);
        self.ops([I::LocalGet(self.overflowed), I::I64Or, I::LocalSet(self.overflowed)]);
    }

    /// Fails where the word on the stack is not 0 and the operands are valid.
    fn fail_if_not_zero(&mut self, valid: Option<Local>) {
        self.mask(valid);
        self.ops([I::LocalGet(self.wrong), I::I64Or, I::LocalSet(self.wrong)]);
    }

    /// Makes the word on the stack 0 where `valid` is.
    fn mask(&mut self, valid: Option<Local>) {
        if let Some(valid) = valid {
            self.ops([I::I64Const(0), I::LocalGet(valid), I::I64ExtendI32U, I::I64Sub, I::I64And]);
        }
    }

    /// Where both hold; absent flags always hold.
    fn both(&mut self, left: Option<Local>, right: Option<Local>) -> Option<Local> {
        match (left, right) {
            (Some(left), Some(right)) if left != right => Some(self.and_flags(left, right)),
            (left, right) => left.or(right),
        }
    }

    fn and_flags(&mut self, left: Local, right: Local) -> Local {
        self.flag([I::LocalGet(left), I::LocalGet(right), I::I32And])
    }

    fn or_flags(&mut self, left: Local, right: Local) -> Local {
        self.flag([I::LocalGet(left), I::LocalGet(right), I::I32Or])
    }

    fn not(&mut self, flag: Local) -> Local {
        self.flag([I::LocalGet(flag), I::I32Eqz])
    }

    /// True and not NULL.
    fn is_true(&mut self, cell: Cell) -> Result<Local> {
        let value = cell.value.one()?;
        Ok(match cell.valid {
            Some(valid) => self.and_flags(value, valid),
            None => value,
        })
    }

    /// `yes` where `condition` is 1.
    fn select(&mut self, condition: Local, yes: Register, no: Register) -> Result<Register> {
        match (yes, no) {
            (Register::One(yes, ty), Register::One(no, _)) => {
                let value =
                    self.made(ty, [I::LocalGet(yes), I::LocalGet(no), I::LocalGet(condition), I::Select]);
                Ok(Register::One(value, ty))
            }
            (Register::Two(yes), Register::Two(no)) => {
                let half = |emitter: &mut Self, index: usize| {
                    emitter.word([
                        I::LocalGet(yes[index]),
                        I::LocalGet(no[index]),
                        I::LocalGet(condition),
                        I::Select,
                    ])
                };
                Ok(Register::Two([half(self, 0), half(self, 1)]))
            }
            _ => Err(not_done("a selection between different registers")),
        }
    }

    fn is_nullable(&self, id: ValueId) -> bool {
        self.nullable.get(id.0 as usize).copied().unwrap_or(true)
    }

    /// Leaves the function when `index` is not below `bound`.
    fn check_index(&mut self, index: Local, bound: Local) {
        self.ops([I::LocalGet(index), I::LocalGet(bound), I::I64GeU]);
        self.open(I::If(BlockType::Empty));
        self.ops([I::I64Const(STATUS_BAD_INDEX as i64), I::Return]);
        self.close();
    }
}

/// The function's one parameter.
const FRAME: Local = 0;
