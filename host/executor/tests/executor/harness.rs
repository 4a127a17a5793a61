//! An executor over tables in memory, and short ways to write operators.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use nyala_executor::{Execution, Executor, ExecutorConfig, MemoryPool, Profile};
use nyala_interpreter::{FunctionLibrary, Interpreter};
use nyala_pipeline::{Backend, Guests};
use nyala_schema::expr::{ArithmeticOp, CompareOp};
use nyala_schema::id::OperatorId;
use nyala_schema::operator::{AggregateCall, AggregateMode, HashJoin, JoinKind, SortKey};
use nyala_schema::option::Options;
use nyala_schema::scan::{FileFormat, ScanSource, TableScan};
use nyala_schema::{Error, Expr, Fragment, Operator, OperatorKind, Result, Value};
use nyala_storage::{Morsel, MorselReader, Scanner};

use crate::table::{Table, batch_text};

/// Rows of a morsel; batches are smaller still.
pub const MORSEL_ROWS: usize = 100;

pub type Tables = Arc<Mutex<HashMap<String, Vec<Vec<ArrayRef>>>>>;

pub struct Harness {
    pub executor: Executor,
    tables: Tables,
    pub columns_read: Arc<AtomicU64>,
    pub options: Options,
}

impl Harness {
    pub fn new() -> Self {
        Self::with_native(None)
    }

    pub fn with_native(native: Option<Arc<dyn Backend>>) -> Self {
        Self::with(Interpreter::new(), FunctionLibrary::new(), |config| config.native = native)
    }

    pub fn with_memory(memory: Arc<MemoryPool>) -> Self {
        Self::with(Interpreter::new(), FunctionLibrary::new(), |config| config.memory = memory)
    }

    /// With uploaded code, run by `guests`.
    pub fn with_guests(guests: Arc<dyn Guests>, change: impl FnOnce(&mut ExecutorConfig)) -> Self {
        let library = FunctionLibrary::with_guests(guests.clone());
        Self::with(Interpreter::with_guests(guests.clone()), library, |config| {
            config.guests = Some(guests);
            change(config);
        })
    }

    fn with(
        interpreter: Interpreter,
        library: FunctionLibrary,
        change: impl FnOnce(&mut ExecutorConfig),
    ) -> Self {
        let tables: Tables = Arc::default();
        let columns_read = Arc::new(AtomicU64::new(0));
        let (known, counter) = (tables.clone(), columns_read.clone());
        let scans = move |scan: &TableScan| -> Result<Box<dyn Scanner>> {
            let tables = known.lock().unwrap();
            let batches = tables.get(&scan.table).ok_or_else(|| Error::internal("no such table"))?;
            Ok(Box::new(MemoryScanner::new(batches, &scan.projection, counter.clone())))
        };
        let mut config = ExecutorConfig {
            threads: 2,
            interpreter: Arc::new(interpreter),
            native: None,
            wasm: None,
            library: Arc::new(library),
            guests: None,
            scans: Arc::new(scans),
            memory: MemoryPool::unlimited(),
        };
        change(&mut config);
        let executor = Executor::new(config);
        let options = Options { threads: 2, batch_rows: 64, ..Options::default() };
        Self { executor, tables, columns_read, options }
    }

    pub fn tables(&self) -> Tables {
        self.tables.clone()
    }

    /// Makes the tables of another harness known, as far as there are any now.
    pub fn share(&self, tables: &Tables) {
        if !Arc::ptr_eq(&self.tables, tables) {
            let all = tables.lock().unwrap().clone();
            self.tables.lock().unwrap().extend(all);
        }
    }

    /// Makes the table known and gives its scan.
    pub fn scan(&self, table: &Table) -> Operator {
        self.scan_batches(&table.name, table.schema(), table.batches(MORSEL_ROWS))
    }

    pub fn scan_batches(&self, name: &str, schema: Arc<Schema>, batches: Vec<Vec<ArrayRef>>) -> Operator {
        let rows: usize = batches.iter().map(|batch| batch[0].len()).sum();
        self.tables.lock().unwrap().insert(name.to_owned(), batches);
        let scan = TableScan {
            table: name.to_owned(),
            source: ScanSource::Files { format: FileFormat::Parquet, files: vec![] },
            table_schema: schema.clone(),
            projection: (0..schema.fields().len()).collect(),
            filters: vec![],
            runtime_filters: vec![],
            limit: None,
            statistics: vec![Default::default(); schema.fields().len()],
        };
        let mut operator = operator(OperatorKind::Scan(scan), vec![], schema);
        operator.rows_estimated = rows as f64;
        operator
    }

    pub fn start(&self, root: &Operator) -> Result<Execution> {
        let fragment = Fragment::whole(root.clone(), 0);
        let plan = nyala_pipeline::build(&fragment)?;
        self.executor.start(Arc::new(plan), &self.options)
    }

    pub fn run_profiled(&self, root: &Operator) -> Result<(Vec<RecordBatch>, Profile)> {
        let mut execution = self.start(root)?;
        let batches = drain(&mut execution)?;
        Ok((batches, execution.profile()))
    }

    /// All rows as text, in the order in which they came.
    pub fn rows(&self, root: &Operator) -> Result<Vec<Vec<String>>> {
        Ok(batch_text(&self.run_profiled(root)?.0))
    }

    /// All rows as text, sorted.
    pub fn sorted(&self, root: &Operator) -> Result<Vec<Vec<String>>> {
        let mut rows = self.rows(root)?;
        rows.sort();
        Ok(rows)
    }
}

pub fn drain(execution: &mut Execution) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    loop {
        match execution.next(Duration::from_secs(60)) {
            None => panic!("nothing came for a minute"),
            Some(Err(error)) => return Err(error),
            Some(Ok(None)) => return Ok(batches),
            Some(Ok(Some(batch))) => batches.push(batch),
        }
    }
}

static OPERATORS: AtomicU32 = AtomicU32::new(0);

pub fn operator(kind: OperatorKind, inputs: Vec<Operator>, schema: Arc<Schema>) -> Operator {
    let id = OperatorId(OPERATORS.fetch_add(1, Ordering::Relaxed));
    Operator { id, kind, inputs, schema, rows_estimated: 1000.0 }
}

pub fn column(input: &Operator, index: usize) -> Expr {
    Expr::column(index, input.schema.field(index))
}

/// Column `index` of the fields of `probe`, then `build`.
pub fn pair_column(probe: &Operator, build: &Operator, index: usize) -> Expr {
    let width = probe.schema.fields().len();
    let field = if index < width { probe.schema.field(index) } else { build.schema.field(index - width) };
    Expr::column(index, field)
}

pub fn compare(op: CompareOp, left: Expr, right: Expr) -> Expr {
    Expr::Compare { op, left: Box::new(left), right: Box::new(right) }
}

pub fn int(value: i64) -> Expr {
    Expr::Literal(Value::int64(value))
}

pub fn arithmetic(op: ArithmeticOp, left: Expr, right: Expr) -> Expr {
    Expr::Arithmetic { op, left: Box::new(left), right: Box::new(right), data_type: DataType::Int64 }
}

pub fn filter(predicate: Expr, input: Operator) -> Operator {
    let schema = input.schema.clone();
    operator(OperatorKind::Filter { predicate }, vec![input], schema)
}

pub fn project(expressions: Vec<Expr>, input: Operator) -> Operator {
    let field = |(index, expr): (usize, &Expr)| Field::new(format!("e{index}"), expr.data_type(), true);
    let schema = Schema::new(expressions.iter().enumerate().map(field).collect::<Vec<_>>());
    operator(OperatorKind::Project { expressions }, vec![input], Arc::new(schema))
}

pub fn join_schema(kind: JoinKind, probe: &Operator, build: &Operator) -> Arc<Schema> {
    let mut fields: Vec<Field> = Vec::new();
    let all =
        |operator: &Operator| operator.schema.fields().iter().map(|f| f.as_ref().clone()).collect::<Vec<_>>();
    if kind.keeps_probe_columns() {
        fields.extend(all(probe));
    }
    if kind.keeps_build_columns() {
        fields.extend(all(build));
    }
    if matches!(kind, JoinKind::ProbeMark | JoinKind::BuildMark) {
        fields.push(Field::new("mark", DataType::Boolean, false));
    }
    Arc::new(Schema::new(fields))
}

/// A hash join whose other properties `change` sets.
pub fn hash_join(
    kind: JoinKind,
    keys: &[(usize, usize)],
    probe: Operator,
    build: Operator,
    change: impl FnOnce(&mut HashJoin),
) -> Operator {
    let schema = join_schema(kind, &probe, &build);
    let keys = keys.iter().map(|&(left, right)| (column(&probe, left), column(&build, right)));
    let mut join = HashJoin {
        kind,
        keys: keys.collect(),
        null_equals_null: false,
        residual: None,
        null_aware: false,
        runtime_filters: vec![],
    };
    change(&mut join);
    operator(OperatorKind::HashJoin(join), vec![probe, build], schema)
}

pub fn call(function: &str, arguments: Vec<Expr>, data_type: DataType) -> AggregateCall {
    AggregateCall {
        function: function.into(),
        arguments,
        distinct: false,
        filter: None,
        order_by: vec![],
        ignore_nulls: false,
        data_type,
        nullable: function != "count",
    }
}

pub fn aggregate(keys: Vec<Expr>, aggregates: Vec<AggregateCall>, input: Operator) -> Operator {
    let mut fields: Vec<Field> =
        keys.iter().enumerate().map(|(i, key)| Field::new(format!("k{i}"), key.data_type(), true)).collect();
    fields.extend(
        aggregates
            .iter()
            .enumerate()
            .map(|(i, a)| Field::new(format!("a{i}"), a.data_type.clone(), a.nullable)),
    );
    let kind = OperatorKind::Aggregate { keys, aggregates, mode: AggregateMode::Single };
    operator(kind, vec![input], Arc::new(Schema::new(fields)))
}

pub fn sort_key(expr: Expr, descending: bool, nulls_first: bool) -> SortKey {
    SortKey { expr, descending, nulls_first }
}

pub fn sort(keys: Vec<SortKey>, fetch: Option<u64>, input: Operator) -> Operator {
    let schema = input.schema.clone();
    operator(OperatorKind::Sort { keys, fetch }, vec![input], schema)
}

pub fn limit(skip: u64, fetch: Option<u64>, input: Operator) -> Operator {
    let schema = input.schema.clone();
    operator(OperatorKind::Limit { skip, fetch }, vec![input], schema)
}

/// A scan of arrays in memory: a morsel for each batch of them.
struct MemoryScanner {
    batches: Vec<Vec<ArrayRef>>,
    morsels: Vec<Morsel>,
    columns_read: Arc<AtomicU64>,
}

impl MemoryScanner {
    fn new(batches: &[Vec<ArrayRef>], projection: &[usize], columns_read: Arc<AtomicU64>) -> Self {
        let project = |batch: &Vec<ArrayRef>| projection.iter().map(|&index| batch[index].clone()).collect();
        let morsels = batches.iter().enumerate();
        let morsels = morsels.map(|(index, batch)| Morsel { index, rows: batch[0].len() as u64 }).collect();
        Self { batches: batches.iter().map(project).collect(), morsels, columns_read }
    }
}

impl Scanner for MemoryScanner {
    fn morsels(&self) -> &[Morsel] {
        &self.morsels
    }

    fn may_contain(&self, morsel: &Morsel, column: usize, min: i128, max: i128) -> bool {
        let array = &self.batches[morsel.index][column];
        (0..array.len())
            .any(|row| Value::from_row(array, row).as_i128().is_none_or(|value| value >= min && value <= max))
    }

    fn read(&self, morsel: &Morsel) -> Result<Box<dyn MorselReader>> {
        Ok(Box::new(MemoryReader {
            columns: self.batches[morsel.index].clone(),
            rows: morsel.rows as usize,
            next: 0,
            batch: 0..0,
            read: vec![],
            columns_read: self.columns_read.clone(),
        }))
    }

    fn bytes_read(&self) -> u64 {
        8 * self.columns_read.load(Ordering::Relaxed)
    }
}

struct MemoryReader {
    columns: Vec<ArrayRef>,
    rows: usize,
    next: usize,
    batch: std::ops::Range<usize>,
    read: Vec<usize>,
    columns_read: Arc<AtomicU64>,
}

impl MorselReader for MemoryReader {
    fn next_batch(&mut self, rows_max: usize) -> Result<usize> {
        let end = self.rows.min(self.next + rows_max);
        self.batch = self.next..end;
        self.next = end;
        self.read.clear();
        Ok(self.batch.len())
    }

    fn column(&mut self, index: usize) -> Result<ArrayRef> {
        assert!(!self.read.contains(&index), "a column is read once per batch");
        self.read.push(index);
        self.columns_read.fetch_add(1, Ordering::Relaxed);
        Ok(self.columns[index].slice(self.batch.start, self.batch.len()))
    }
}
