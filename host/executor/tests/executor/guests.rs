//! Uploaded code that is not uploaded: guests in Rust that do what their names say and count how.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, SchemaRef};
use nyala_pipeline::guest::{GuestRows, GuestUsage, OperatorGuest, ScalarGuest, Supervised, TableGuest};
use nyala_pipeline::{GroupAccumulator, Guests};
use nyala_schema::expr::Volatility;
use nyala_schema::guest::{
    GuestCode, GuestFunction, GuestOperator, Limits, ModuleHash, OperatorInput, OperatorOutput,
    OperatorParameter, Tier,
};
use nyala_schema::operator::GuestCall;
use nyala_schema::{Error, ErrorCode, Result};

/// What all guests of a test have done.
#[derive(Default)]
pub struct Fakes {
    pub calls: Arc<AtomicUsize>,
    pub rows: Arc<AtomicU64>,
    pub instances: AtomicUsize,
}

pub fn code(name: &str) -> GuestCode {
    GuestCode {
        name: name.to_owned(),
        version: 1,
        module: ModuleHash([0; 32]),
        export: name.to_owned(),
        limits: Limits::default(),
    }
}

pub fn function(name: &str, arguments: &[DataType], returns: DataType) -> GuestFunction {
    GuestFunction {
        code: code(name),
        tier: Tier::Batch,
        arguments: arguments.to_vec(),
        returns,
        strict: true,
        volatility: Volatility::Immutable,
        cost: 500,
        rows_per_row: 100,
    }
}

pub fn operator(name: &str, inputs: usize, reads_all: bool, output: OperatorOutput) -> GuestOperator {
    let input = |index: usize| OperatorInput {
        name: format!("i{index}"),
        needs_partition: false,
        needs_order: false,
        reads_all,
    };
    GuestOperator {
        code: code(name),
        inputs: (0..inputs).map(input).collect(),
        parameters: vec![OperatorParameter {
            name: "gap".to_owned(),
            data_type: DataType::Int64,
            required: true,
        }],
        output,
        rows_per_row: 100,
        cost: 100,
        keeps_order: false,
    }
}

pub fn ints(names: &[&str], nullable: bool) -> Vec<Arc<Field>> {
    names.iter().map(|name| Arc::new(Field::new(*name, DataType::Int64, nullable))).collect()
}

impl Guests for Fakes {
    fn scalar(&self, function: &Arc<GuestFunction>) -> Result<Arc<dyn ScalarGuest>> {
        Ok(Arc::new(Scalar {
            function: function.clone(),
            calls: self.calls.clone(),
            rows: self.rows.clone(),
        }))
    }

    fn aggregate(&self, _: &Arc<GuestFunction>) -> Result<Box<dyn GroupAccumulator>> {
        Ok(Box::<Squares>::default())
    }

    fn table(&self, _: &Arc<GuestFunction>) -> Result<Box<dyn TableGuest>> {
        self.instances.fetch_add(1, Relaxed);
        Ok(Box::<Repeat>::default())
    }

    fn operator(&self, call: &GuestCall, inputs: &[SchemaRef]) -> Result<Box<dyn OperatorGuest>> {
        assert_eq!(inputs.len(), call.inputs.len());
        self.instances.fetch_add(1, Relaxed);
        match call.operator.code.name.as_str() {
            "sessionize" => {
                let gap = call.parameters[0].as_i128().unwrap() as i64;
                Ok(Box::new(Sessionize { gap, session: 0, last: None, seen: 0, ready: None }))
            }
            "counts" => Ok(Box::<Counts>::default()),
            _ => Err(Error::new(ErrorCode::InvalidModule, "no such operator")),
        }
    }
}

/// `double`, `length`, `spin`, `greedy`: by name.
struct Scalar {
    function: Arc<GuestFunction>,
    calls: Arc<AtomicUsize>,
    rows: Arc<AtomicU64>,
}

impl ScalarGuest for Scalar {
    fn call(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        self.calls.fetch_add(1, Relaxed);
        self.rows.fetch_add(rows as u64, Relaxed);
        assert!(arguments.iter().all(|argument| argument.len() == rows));
        let supervisor = Supervised::current().expect("a query");
        let usage = GuestUsage { calls: 1, rows: rows as u64, ..GuestUsage::default() };
        supervisor.record(&self.function.code, &usage);
        match self.function.code.name.as_str() {
            "double" => {
                let values = arguments[0].as_primitive::<Int64Type>();
                Ok(Arc::new(values.iter().map(|value| value.map(|v| v * 2)).collect::<Int64Array>()))
            }
            "length" => {
                let texts = arguments[0].as_string_view();
                if texts.iter().flatten().any(|text| text == "value number 3") {
                    return Err(Error::new(ErrorCode::GuestFailed, "it is the number 3"));
                }
                Ok(Arc::new(texts.iter().map(|text| text.map(|t| t.len() as i64)).collect::<Int64Array>()))
            }
            "spin" => {
                while !supervisor.is_cancelled() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(Error::cancelled())
            }
            "greedy" => {
                supervisor.grow(1 << 40)?;
                Err(Error::internal("there is so much memory"))
            }
            other => Err(Error::internal(format!("there is no {other}"))),
        }
    }
}

/// The sum of squares; NULL over nothing.
#[derive(Default)]
struct Squares {
    sums: Vec<Option<i64>>,
}

impl Squares {
    fn add(&mut self, values: &ArrayRef, groups: &[u32], count: usize, value: impl Fn(i64) -> i64) {
        self.sums.resize(self.sums.len().max(count), None);
        for (added, &group) in values.as_primitive::<Int64Type>().iter().zip(groups) {
            let sum = &mut self.sums[group as usize];
            *sum = added.map(&value).map_or(*sum, |added| Some(sum.unwrap_or(0) + added));
        }
    }

    fn take(&mut self) -> ArrayRef {
        Arc::new(Int64Array::from(std::mem::take(&mut self.sums)))
    }
}

impl GroupAccumulator for Squares {
    fn update(
        &mut self,
        arguments: &[ArrayRef],
        _: &[ArrayRef],
        groups: &[u32],
        group_count: usize,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        assert!(filter.is_none(), "the filter is applied before");
        assert_eq!(arguments[0].null_count(), 0, "a strict aggregate sees no NULL");
        self.add(&arguments[0], groups, group_count, |value| value * value);
        Ok(())
    }

    fn take_states(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.take()])
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        self.add(&states[0], groups, group_count, |sum| sum);
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(self.take())
    }

    fn size(&self) -> usize {
        16 * self.sums.len()
    }
}

/// As many rows as the argument says, numbered from 0, two columns; all of a batch at once.
#[derive(Default)]
struct Repeat {
    given: Option<GuestRows>,
}

impl TableGuest for Repeat {
    fn push(&mut self, arguments: &[ArrayRef], rows: usize) -> Result<()> {
        let counts = arguments[0].as_primitive::<Int64Type>();
        assert_eq!((counts.len(), counts.null_count()), (rows, 0));
        let pairs = (0..rows).flat_map(|row| (0..counts.value(row).max(0)).map(move |n| (row as u32, n)));
        let (sources, numbers): (Vec<u32>, Vec<i64>) = pairs.unzip();
        let negative = numbers.iter().map(|n| -n).collect::<Vec<_>>();
        self.given = Some(GuestRows {
            rows: numbers.len(),
            sources: Some(sources),
            columns: vec![Arc::new(Int64Array::from(numbers)), Arc::new(Int64Array::from(negative))],
        });
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<GuestRows>> {
        Ok(self.given.take())
    }
}

/// Numbers the sessions of a partition: a new one after a gap.
struct Sessionize {
    gap: i64,
    session: i64,
    last: Option<i64>,
    /// Rows of the partition so far.
    seen: u32,
    ready: Option<GuestRows>,
}

impl OperatorGuest for Sessionize {
    fn push(&mut self, _: usize, columns: &[ArrayRef], rows: usize) -> Result<()> {
        let times = columns[0].as_primitive::<Int64Type>();
        assert_eq!(times.len(), rows);
        let first = self.ready.as_ref().map_or(0, |ready| ready.rows);
        assert_eq!(first, 0, "what is ready is pulled before more comes");
        let seen = self.seen;
        let mut sessions = Vec::with_capacity(rows);
        for time in times.values() {
            if self.last.is_some_and(|last| {
                assert!(last <= *time, "rows come in order");
                time - last > self.gap
            }) {
                self.session += 1;
            }
            self.last = Some(*time);
            sessions.push(self.session);
        }
        self.seen += rows as u32;
        self.ready = Some(GuestRows {
            rows,
            sources: Some((seen..self.seen).collect()),
            columns: vec![Arc::new(Int64Array::from(sessions))],
        });
        Ok(())
    }

    fn finish(&mut self, _: usize) -> Result<()> {
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<GuestRows>> {
        Ok(self.ready.take())
    }

    fn reset(&mut self) -> Result<()> {
        (self.session, self.last, self.seen) = (0, None, 0);
        Ok(())
    }
}

/// One row a partition: key, rows of the first input, rows of the second.
#[derive(Default)]
struct Counts {
    key: Option<i64>,
    rows: [i64; 2],
    done: bool,
}

impl OperatorGuest for Counts {
    fn push(&mut self, input: usize, columns: &[ArrayRef], rows: usize) -> Result<()> {
        self.rows[input] += rows as i64;
        if let Some(keys) = columns.first().and_then(|keys| keys.as_primitive_opt::<Int64Type>()) {
            let same = keys.iter().all(|key| key == keys.iter().next().unwrap());
            assert!(same, "a partition has one key");
            self.key = keys.iter().next().unwrap();
        }
        Ok(())
    }

    fn finish(&mut self, input: usize) -> Result<()> {
        self.done = input == 1;
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<GuestRows>> {
        if !std::mem::take(&mut self.done) {
            return Ok(None);
        }
        let one = |value: Option<i64>| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
        let columns = vec![one(self.key), one(Some(self.rows[0])), one(Some(self.rows[1]))];
        Ok(Some(GuestRows { rows: 1, sources: None, columns }))
    }

    fn reset(&mut self) -> Result<()> {
        *self = Self::default();
        Ok(())
    }
}
