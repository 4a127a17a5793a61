//! Expressions to program statements.
//!
//! A [`Lowering`] makes one program over the columns of a chunk. Between the chunk and the operator whose columns are
//! wanted lie *layers*, filters and projects that have not run yet: a projected column is computed where it is first
//! used, so that chains of them fuse into one program and what nobody reads is never computed.

mod arithmetic;
mod case;
mod cast;
mod compare;
mod emit;
mod expression;
mod finish;
mod layers;
mod logic;
mod order;
mod price;

use std::collections::{BTreeMap, HashMap};

use arrow::datatypes::DataType;
use nyala_schema::expr::Volatility;
use nyala_schema::id::OperatorId;
use nyala_schema::{Expr, Result, Value};

use crate::column::Column;
use crate::program::{Op, Parameter, ParameterType, Statement, Type, ValueId};

pub(crate) use cast::physical_value;
pub(crate) use layers::needed_below;

/// A filter or project that has not run yet, with the operator it came from.
#[derive(Debug, Clone)]
pub(crate) struct Layer<'a> {
    pub operator: OperatorId,
    pub kind: LayerKind<'a>,
}

#[derive(Debug, Clone)]
pub(crate) enum LayerKind<'a> {
    Filter(&'a Expr),
    Project(&'a [Expr]),
    /// The columns below in these types.
    Retype(&'a [Column]),
}

/// A value, perhaps one that is known now.
#[derive(Debug, Clone)]
pub(crate) enum Operand {
    /// In a physical type.
    Constant(Value),
    Computed(ValueId),
}

/// One program in the making. *Level* 0 is the chunk, level `k` the output of layer `k - 1`.
pub(crate) struct Lowering<'a> {
    chunk: &'a [Column],
    /// Where the columns of level 0 are in the chunk.
    base: &'a [Option<usize>],
    layers: &'a [Layer<'a>],
    /// Columns of the top level that are in the chunk already.
    ready: BTreeMap<usize, usize>,
    /// Chunk columns read, in the order of the program's inputs.
    inputs: Vec<usize>,
    parameters: Vec<(ParameterType, Parameter)>,
    values: Vec<Known>,
    scopes: Vec<Scope>,
}

/// What is known of a value.
#[derive(Debug, Clone)]
struct Known {
    column: Column,
    /// Computing it, or a value in one of its blocks, may be an error.
    fails: bool,
}

/// A block in the making and what can be reused in it and in blocks within.
#[derive(Debug, Default)]
struct Scope {
    statements: Vec<Statement>,
    /// Equal operations are computed once.
    operations: HashMap<(Op, Type), ValueId>,
    /// Columns of the levels above the chunk.
    columns: HashMap<(usize, usize), Operand>,
    /// Whole CASE expressions, whose blocks make their operations incomparable.
    cases: Vec<(usize, Expr, Operand)>,
}

impl<'a> Lowering<'a> {
    pub fn new(chunk: &'a [Column], base: &'a [Option<usize>], layers: &'a [Layer<'a>]) -> Self {
        Self {
            chunk,
            base,
            layers,
            ready: BTreeMap::new(),
            inputs: vec![],
            parameters: vec![],
            values: vec![],
            scopes: vec![Scope::default()],
        }
    }

    /// Takes these columns of the top level from the chunk instead of computing them.
    pub fn with_ready(mut self, ready: BTreeMap<usize, usize>) -> Self {
        self.ready = ready;
        self
    }

    /// The level whose columns expressions of the requesting operator read.
    fn top(&self) -> usize {
        self.layers.len()
    }

    /// Lowers an expression over the columns of the top level.
    pub fn lower_top(&mut self, expr: &Expr) -> Result<Operand> {
        self.lower(expr, self.top())
    }

    /// Lowers an expression over the top level to a value of just this type.
    pub fn lower_as(&mut self, expr: &Expr, data_type: &DataType) -> Result<ValueId> {
        let operand = self.lower_top(expr)?;
        self.value(&operand, data_type)
    }

    /// Lowers an expression over the top level to a value of whatever type it has.
    pub fn lower_value(&mut self, expr: &Expr) -> Result<ValueId> {
        let operand = self.lower_top(expr)?;
        Ok(self.own_value(&operand))
    }

    pub fn may_be_null(&self, id: ValueId) -> bool {
        self.nullable(id)
    }

    /// What is known of an operand.
    pub fn column_of(&self, operand: &Operand) -> Column {
        match operand {
            Operand::Computed(id) => self.values[id.0 as usize].column.clone(),
            Operand::Constant(value) => cast::column_of_value(value),
        }
    }
}

/// Type and range of an expression over columns of which this much is known.
pub(crate) fn infer(expr: &Expr, columns: &[Column]) -> Result<Column> {
    let base: Vec<Option<usize>> = (0..columns.len()).map(Some).collect();
    let mut lowering = Lowering::new(columns, &base, &[]);
    let operand = lowering.lower_top(expr)?;
    Ok(lowering.column_of(&operand))
}

/// Whether evaluating twice may give two results.
pub(crate) fn is_volatile(expr: &Expr) -> bool {
    matches!(expr, Expr::Call { volatility: Volatility::Volatile, .. })
        || expr.children().into_iter().any(is_volatile)
}

/// A user's function of so many additions may as well be computed twice.
const CHEAP_CALL: u32 = 20;

/// Whether computing it twice costs much more than keeping it.
pub(crate) fn is_costly(expr: &Expr) -> bool {
    let own = match expr {
        Expr::Call { function, volatility, .. } => {
            *volatility == Volatility::Volatile || crate::inspect::call_cost(function) > CHEAP_CALL
        }
        Expr::Like { .. } => true,
        _ => false,
    };
    own || expr.children().into_iter().any(is_costly)
}
