//! A row-tier function called on its own, over whole columns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, UInt32Array, new_null_array};
use arrow::compute::take;
use nyala_loops::LoopBackend;
use nyala_pipeline::guest::{GuestUsage, ScalarGuest, Supervised};
use nyala_pipeline::{Backend, Block, Call, Executable, Op, Program, Statement, Type, ValueId};
use nyala_schema::guest::{GuestFunction, OnError};
use nyala_schema::{Callee, Error, ErrorCode, Result};

use super::compiler::KernelCompiler;
use super::engine::Kernels;
use crate::health::Record;

/// A function with the loop that calls it.
pub struct RowFunction {
    function: Arc<GuestFunction>,
    executable: Arc<dyn Executable>,
    record: Arc<Record>,
    pub(crate) made: Making,
}

/// What making a function ready took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Making {
    pub code_bytes: u64,
    pub time: Duration,
    pub cached: bool,
}

impl RowFunction {
    /// Compiles the loop. `function` is of the row tier.
    ///
    /// # Errors
    /// `InvalidModule` when the module is not there or is not what the function says.
    pub fn new(kernels: &Arc<Kernels>, function: Arc<GuestFunction>) -> Result<Self> {
        if !function.strict {
            return Err(Error::new(
                ErrorCode::InvalidModule,
                format!("function {function} of the row tier cannot be called on NULL"),
            )
            .with_hint("declare it STRICT, or export it for the batch tier"));
        }
        kernels.analysis(&function)?;
        let compiler = Arc::new(KernelCompiler::bare(kernels));
        let blame = Arc::new(Blame { function: Arc::clone(&function) });
        let backend = LoopBackend::new(compiler.clone(), blame, 1);
        let executable = backend.compile(&Arc::new(program(&function)))?;
        let record = kernels.record(&function.code);
        Ok(Self { function, executable, record, made: compiler.made() })
    }

    fn run(&self, arguments: &[ArrayRef], rows: usize, selection: Option<&[u32]>) -> Result<ArrayRef> {
        let call = Call { rows, inputs: arguments, parameters: &[], selection, states: None };
        let outcome = self.executable.run(call)?;
        let column = outcome.columns.into_iter().next();
        column.ok_or_else(|| Error::internal("a call without a result"))
    }

    /// The rows of a batch that failed one after the other: the first that fails by itself is named, or becomes NULL
    /// and so do all like it.
    fn one_by_one(&self, arguments: &[ArrayRef], rows: usize, first: Error) -> Result<ArrayRef> {
        let null = self.function.code.limits.on_error == OnError::Null;
        let mut kept = Vec::new();
        // Where each row's result stands among those kept.
        let mut places: Vec<Option<u32>> = Vec::with_capacity(rows);
        for row in 0..rows as u32 {
            match self.run(arguments, rows, Some(&[row])) {
                Ok(_) => {
                    places.push(Some(kept.len() as u32));
                    kept.push(row);
                }
                Err(error) if !may_be_null(&error) => return Err(error),
                Err(_) if null => places.push(None),
                Err(error) => {
                    let message = format!("{}, in row {row} of its batch", error.message());
                    return Err(Error::new(error.code(), message).with_hint(
                        "correct the function, or create it WITH (on_error = 'null') to get NULL for such rows",
                    ));
                }
            }
        }
        if !null {
            return Err(first);
        }
        let results = self.run(arguments, rows, Some(&kept))?;
        Ok(take(&results, &UInt32Array::from(places), None)?)
    }
}

impl ScalarGuest for RowFunction {
    fn call(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        self.record.admit()?;
        let started = Instant::now();
        let result = self.call_batch(arguments, rows);
        let usage =
            GuestUsage { calls: 1, rows: rows as u64, time: started.elapsed(), ..GuestUsage::default() };
        self.record.note(&usage, &result, Supervised::current().as_ref());
        result
    }
}

impl RowFunction {
    fn call_batch(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        match self.run(arguments, rows, None) {
            Err(error) if error.code() == ErrorCode::GuestFailed => self.one_by_one(arguments, rows, error),
            // Trying each row would take as long again and again.
            Err(error) if may_be_null(&error) && self.function.code.limits.on_error == OnError::Null => {
                Ok(new_null_array(&self.function.returns, rows))
            }
            result => result,
        }
    }
}

/// A failure of the function, not of the query.
fn may_be_null(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::GuestFailed | ErrorCode::GuestLimit)
}

/// One call of the function, of columns that may have NULLs.
fn program(function: &Arc<GuestFunction>) -> Program {
    let mut statements = Vec::new();
    let mut inputs = Vec::new();
    for (index, data_type) in function.arguments.iter().enumerate() {
        let ty = Type::new(data_type.clone(), true);
        let op = Op::Input(index as u32);
        statements.push(Statement::Let { id: ValueId(index as u32), op, ty: ty.clone() });
        inputs.push(ty);
    }
    let arguments: Vec<ValueId> = (0..inputs.len() as u32).map(ValueId).collect();
    let result = ValueId(inputs.len() as u32);
    let op = Op::Call {
        function: Callee::Guest(Arc::clone(function)),
        arguments,
        // Each row has its own call here in any case.
        volatility: nyala_schema::expr::Volatility::Stable,
    };
    statements.push(Statement::Let { id: result, op, ty: Type::new(function.returns.clone(), true) });
    Program {
        inputs,
        parameters: Vec::new(),
        body: Block { statements },
        outputs: vec![result],
        updates: Vec::new(),
    }
}

/// Stands for the interpreter behind a single call: there is nothing to interpret.
struct Blame {
    function: Arc<GuestFunction>,
}

impl Backend for Blame {
    fn name(&self) -> &'static str {
        "none"
    }

    fn compile(&self, _: &Arc<Program>) -> Result<Arc<dyn Executable>> {
        let Self { function } = self;
        let message = format!("function {function} gave a value that does not fit {}", function.returns);
        Err(Error::new(ErrorCode::GuestFailed, message)
            .with_hint("declare it with a wider type of result, or correct the function"))
    }
}
