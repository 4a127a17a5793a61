//! The IR: a straight-line program over the rows of a batch, in SSA form.
//!
//! A program reads input columns and parameters, drops rows by `filter`, and either yields output columns or
//! updates aggregate states. Constants are parameters, never part of the program, so that two queries that
//! differ in constants share compiled code. The vectorised interpreter defines what each operation means.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use nyala_schema::expr::{ArithmeticOp, CompareOp, Volatility};
use nyala_schema::{Callee, Value};

/// A value computed by one statement; numbered from 0 in order of definition over all nested blocks, an `If` after what
/// is in its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

/// The type of a value. Text is always `Utf8View`; an array of that type may arrive encoded as
/// `Dictionary(UInt8 | UInt16 | UInt32, Utf8View)`. Decimals of up to 18 digits may be `Decimal64`, others
/// are `Decimal128`. A value that is not nullable never has a NULL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Type {
    pub data_type: DataType,
    pub nullable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Program {
    pub inputs: Vec<Type>,
    pub parameters: Vec<ParameterType>,
    pub body: Block,
    /// Columns produced, dense over the rows that passed every filter.
    pub outputs: Vec<ValueId>,
    /// Changes of aggregate states, for the rows that passed every filter.
    pub updates: Vec<StateUpdate>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ParameterType {
    Scalar(Type),
    /// The values of an IN list, without NULLs.
    Set {
        data_type: DataType,
        len: usize,
    },
}

/// A program's constants, in the order of `Program::parameters`.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    Scalar(Value),
    Set(ArrayRef),
}

/// A program with its constants: what a pipeline holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Code {
    pub program: Arc<Program>,
    pub parameters: Arc<Vec<Parameter>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Block {
    pub statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Statement {
    Let {
        id: ValueId,
        op: Op,
        ty: Type,
    },
    /// Rows where this Boolean is not true are dropped; what follows is not evaluated for them.
    /// Only in a program's outermost block.
    Filter(ValueId),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Op {
    Input(u32),
    Parameter(u32),
    /// Integers, floats: both operands have the result's type. Decimals: Add and Subtract take the result's
    /// scale on both sides; Multiply's scale is the sum; Divide gives
    /// `left × 10^(result scale − left scale + right scale) / right`, truncated; Remainder as Add. Operands and
    /// result have one width, 64 or 128 bits; precisions may differ.
    /// Dates, timestamps, intervals: as Arrow's arithmetic kernels.
    ///
    /// `checked`: a result that does not fit its type (for decimals: its precision) is the error
    /// NumericOverflow. Unchecked, the builder has shown by value ranges that it fits. Integer and decimal
    /// division by zero is the error DivisionByZero always; float arithmetic follows IEEE 754.
    Arithmetic {
        op: ArithmeticOp,
        left: ValueId,
        right: ValueId,
        checked: bool,
    },
    Negate {
        input: ValueId,
        checked: bool,
    },
    /// Both operands have one type (decimals: one scale, too). Floats: −0 equals 0; NaN equals NaN and is
    /// greater than all else.
    Compare {
        op: CompareOp,
        left: ValueId,
        right: ValueId,
    },
    /// Kleene logic, both operands evaluated. An operand that may fail is guarded by `If` instead.
    And(ValueId, ValueId),
    Or(ValueId, ValueId),
    Not(ValueId),
    IsNull(ValueId),
    /// Rows where `condition` is true take `then`, all others `otherwise`; each block is evaluated only for
    /// its rows.
    If {
        condition: ValueId,
        then: Branch,
        otherwise: Branch,
    },
    /// To the statement's type. `safe`: NULL instead of an error. Decimals are rescaled by rounding half away
    /// from zero.
    Cast {
        input: ValueId,
        safe: bool,
    },
    Like {
        input: ValueId,
        pattern: ValueId,
        escape: Option<char>,
        negated: bool,
        case_insensitive: bool,
    },
    /// Membership in a `Set` parameter; NULL input gives NULL.
    InSet {
        input: ValueId,
        set: u32,
        negated: bool,
    },
    /// A function of the library, or of a user.
    Call {
        function: Callee,
        arguments: Vec<ValueId>,
        volatility: Volatility,
    },
}

/// A nested block and the value it gives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Branch {
    pub block: Block,
    pub result: ValueId,
}

/// One change of the state record of a row's group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StateUpdate {
    pub op: StateOp,
    /// The row is skipped where this is NULL. Absent: every row counts (`Count` only).
    pub value: Option<ValueId>,
    /// FILTER (WHERE …): the row is skipped where this Boolean is not true.
    pub mask: Option<ValueId>,
    /// Byte offset in the state record; aligned to the field's size.
    pub offset: u32,
}

/// State fields are little-endian, in the host's layout: `i64`, `i128` (16 bytes), `f64`, or the value's own type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StateOp {
    /// `i64 += 1`.
    Count,
    /// `i128 += value`, of an integer or decimal of any width; checked when the value is a Decimal128.
    SumInteger,
    /// `f64 += value`.
    SumFloat,
    /// Of a fixed-width value of at most 16 bytes, in the order of `Compare`. The initial record holds the
    /// greatest (least) value of the type; a `Count` beside it tells whether there was any.
    Min(DataType),
    Max(DataType),
}

impl Type {
    pub fn new(data_type: DataType, nullable: bool) -> Self {
        Self { data_type, nullable }
    }
}

impl Op {
    /// The values read directly; those of nested blocks are not among them.
    pub fn operands(&self) -> Vec<ValueId> {
        match self {
            Op::Input(_) | Op::Parameter(_) => vec![],
            Op::Arithmetic { left, right, .. } | Op::Compare { left, right, .. } => vec![*left, *right],
            Op::And(left, right) | Op::Or(left, right) => vec![*left, *right],
            Op::Negate { input, .. } | Op::Not(input) | Op::IsNull(input) => vec![*input],
            Op::Cast { input, .. } | Op::InSet { input, .. } => vec![*input],
            Op::If { condition, .. } => vec![*condition],
            Op::Like { input, pattern, .. } => vec![*input, *pattern],
            Op::Call { arguments, .. } => arguments.clone(),
        }
    }
}
