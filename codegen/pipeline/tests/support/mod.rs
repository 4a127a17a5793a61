//! Operators and expressions in few words, for tests.
#![allow(dead_code, reason = "every test file uses a part")]

use std::sync::Arc;

use arrow::array::{Decimal128Array, Int64Array};
use arrow::datatypes::{DataType, Field, Schema};
use nyala_pipeline::PipelinePlan;
use nyala_schema::expr::{ArithmeticOp, CompareOp, Volatility};
use nyala_schema::id::OperatorId;
use nyala_schema::operator::{
    AggregateCall, AggregateMode, HashJoin, JoinKind, Operator, OperatorKind, SortKey,
};
use nyala_schema::scan::{FileFormat, ScanSource, TableScan};
use nyala_schema::statistics::ColumnStatistics;
use nyala_schema::{Expr, Fragment, Value};

/// A table's column: name, type, whether it may be NULL, and its bounds.
pub struct Column(pub &'static str, pub DataType, pub bool, pub Option<(i128, i128)>);

pub fn int(name: &'static str) -> Column {
    Column(name, DataType::Int64, false, None)
}

pub fn int_or_null(name: &'static str) -> Column {
    Column(name, DataType::Int64, true, None)
}

pub fn text(name: &'static str) -> Column {
    Column(name, DataType::Utf8, false, None)
}

/// Two digits behind the point, bounds unscaled.
pub fn money(name: &'static str, min: i128, max: i128) -> Column {
    Column(name, DataType::Decimal128(15, 2), false, Some((min, max)))
}

/// Numbers operators from the leaves up.
#[derive(Default)]
pub struct Plans {
    next: u32,
}

impl Plans {
    pub fn operator(&mut self, kind: OperatorKind, inputs: Vec<Operator>, fields: Vec<Field>) -> Operator {
        self.next += 1;
        let schema = Arc::new(Schema::new(fields));
        Operator { id: OperatorId(self.next), kind, inputs, schema, rows_estimated: 1.0 }
    }

    pub fn scan(&mut self, columns: Vec<Column>, filters: Vec<Expr>) -> Operator {
        let fields: Vec<Field> =
            columns.iter().map(|column| Field::new(column.0, column.1.clone(), column.2)).collect();
        let statistics = columns.iter().map(statistics).collect();
        let scan = TableScan {
            table: "t".into(),
            source: ScanSource::Files { format: FileFormat::Parquet, files: vec![] },
            table_schema: Arc::new(Schema::new(fields.clone())),
            projection: (0..fields.len()).collect(),
            filters,
            runtime_filters: vec![],
            limit: None,
            statistics,
        };
        self.operator(OperatorKind::Scan(scan), vec![], fields)
    }

    pub fn filter(&mut self, input: Operator, predicate: Expr) -> Operator {
        let fields = fields(&input);
        self.operator(OperatorKind::Filter { predicate }, vec![input], fields)
    }

    pub fn project(&mut self, input: Operator, expressions: Vec<Expr>) -> Operator {
        let fields = fields_of(&expressions);
        self.operator(OperatorKind::Project { expressions }, vec![input], fields)
    }

    pub fn aggregate(
        &mut self,
        input: Operator,
        keys: Vec<Expr>,
        aggregates: Vec<AggregateCall>,
    ) -> Operator {
        let mut fields = fields_of(&keys);
        for (index, call) in aggregates.iter().enumerate() {
            fields.push(Field::new(format!("a{index}"), call.data_type.clone(), call.nullable));
        }
        let mode = AggregateMode::Single;
        self.operator(OperatorKind::Aggregate { keys, aggregates, mode }, vec![input], fields)
    }

    pub fn sort(&mut self, input: Operator, keys: Vec<Expr>, fetch: Option<u64>) -> Operator {
        let fields = fields(&input);
        let keys =
            keys.into_iter().map(|expr| SortKey { expr, descending: true, nulls_first: true }).collect();
        self.operator(OperatorKind::Sort { keys, fetch }, vec![input], fields)
    }

    pub fn limit(&mut self, input: Operator, skip: u64, fetch: u64) -> Operator {
        let fields = fields(&input);
        self.operator(OperatorKind::Limit { skip, fetch: Some(fetch) }, vec![input], fields)
    }

    pub fn union(&mut self, inputs: Vec<Operator>) -> Operator {
        let fields = fields(&inputs[0]);
        self.operator(OperatorKind::Union, inputs, fields)
    }

    pub fn join(
        &mut self,
        kind: JoinKind,
        probe: Operator,
        build: Operator,
        keys: Vec<(Expr, Expr)>,
        residual: Option<Expr>,
    ) -> Operator {
        let fields = joined_fields(kind, &probe, &build);
        let runtime_filters = vec![];
        let join =
            HashJoin { kind, keys, null_equals_null: false, residual, null_aware: false, runtime_filters };
        self.operator(OperatorKind::HashJoin(join), vec![probe, build], fields)
    }

    pub fn nested_loop(
        &mut self,
        kind: JoinKind,
        probe: Operator,
        build: Operator,
        condition: Option<Expr>,
    ) -> Operator {
        let fields = joined_fields(kind, &probe, &build);
        self.operator(OperatorKind::NestedLoopJoin { kind, condition }, vec![probe, build], fields)
    }
}

fn statistics(column: &Column) -> ColumnStatistics {
    let bound = |number: i128| match &column.1 {
        DataType::Decimal128(p, s) => {
            let array = Decimal128Array::from(vec![number]).with_precision_and_scale(*p, *s).unwrap();
            Value::new(Arc::new(array))
        }
        other => Value::new(Arc::new(Int64Array::from(vec![number as i64]))).cast(other).unwrap(),
    };
    let (min, max) = column.3.map(|(min, max)| (bound(min), bound(max))).unzip();
    ColumnStatistics { min, max, ..Default::default() }
}

pub fn fields(operator: &Operator) -> Vec<Field> {
    operator.schema.fields().iter().map(|field| field.as_ref().clone()).collect()
}

fn fields_of(expressions: &[Expr]) -> Vec<Field> {
    let named = expressions.iter().enumerate();
    named.map(|(index, expr)| Field::new(format!("c{index}"), expr.data_type(), expr.nullable())).collect()
}

fn joined_fields(kind: JoinKind, probe: &Operator, build: &Operator) -> Vec<Field> {
    let mut all = vec![];
    if kind.keeps_probe_columns() {
        all.extend(fields(probe));
    }
    if kind.keeps_build_columns() {
        all.extend(fields(build));
    }
    if matches!(kind, JoinKind::ProbeMark | JoinKind::BuildMark) {
        all.push(Field::new("mark", DataType::Boolean, true));
    }
    all.into_iter().map(|field| field.with_nullable(true)).collect()
}

pub fn column(operator: &Operator, index: usize) -> Expr {
    Expr::column(index, operator.schema.field(index))
}

pub fn number(value: i64) -> Expr {
    Expr::Literal(Value::int64(value))
}

pub fn string(value: &str) -> Expr {
    Expr::Literal(Value::utf8(value))
}

/// An unscaled decimal constant.
pub fn decimal(unscaled: i128, precision: u8, scale: i8) -> Expr {
    let array = Decimal128Array::from(vec![unscaled]).with_precision_and_scale(precision, scale).unwrap();
    Expr::Literal(Value::new(Arc::new(array)))
}

pub fn arithmetic(op: ArithmeticOp, left: Expr, right: Expr, data_type: DataType) -> Expr {
    Expr::Arithmetic { op, left: Box::new(left), right: Box::new(right), data_type }
}

pub fn add(left: Expr, right: Expr) -> Expr {
    arithmetic(ArithmeticOp::Add, left, right, DataType::Int64)
}

pub fn divide(left: Expr, right: Expr) -> Expr {
    arithmetic(ArithmeticOp::Divide, left, right, DataType::Int64)
}

pub fn compare(op: CompareOp, left: Expr, right: Expr) -> Expr {
    Expr::Compare { op, left: Box::new(left), right: Box::new(right) }
}

pub fn less(left: Expr, right: Expr) -> Expr {
    compare(CompareOp::Less, left, right)
}

pub fn and(left: Expr, right: Expr) -> Expr {
    Expr::And(Box::new(left), Box::new(right))
}

pub fn or(left: Expr, right: Expr) -> Expr {
    Expr::Or(Box::new(left), Box::new(right))
}

pub fn cast(input: Expr, data_type: DataType) -> Expr {
    Expr::Cast { input: Box::new(input), data_type, safe: false }
}

pub fn random() -> Expr {
    Expr::Call {
        function: "random".into(),
        arguments: vec![],
        data_type: DataType::Float64,
        nullable: false,
        volatility: Volatility::Volatile,
    }
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

/// # Panics
/// When the fragment cannot be built.
pub fn plan(root: Operator) -> PipelinePlan {
    let fragment = Fragment::whole(root, 1);
    nyala_pipeline::build(&fragment).unwrap_or_else(|error| panic!("{error:?}\n{fragment}"))
}
