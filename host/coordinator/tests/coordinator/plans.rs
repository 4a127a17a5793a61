//! Plans by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::datatypes::{DataType, Field, Schema};
use nyala_schema::fragment::{FragmentOutput, Placement};
use nyala_schema::guest::Callee;
use nyala_schema::id::{FragmentId, OperatorId, RuntimeFilterId};
use nyala_schema::operator::{AggregateCall, AggregateMode, HashJoin, JoinKind};
use nyala_schema::scan::{FileEntry, FileFormat, RuntimeFilterUse, ScanSource, TableScan};
use nyala_schema::{Expr, Fragment, Operator, OperatorKind};

use crate::tables::schema;

static OPERATORS: AtomicU32 = AtomicU32::new(0);

fn operator(kind: OperatorKind, inputs: Vec<Operator>, schema: Arc<Schema>) -> Operator {
    let id = OperatorId(OPERATORS.fetch_add(1, Ordering::Relaxed));
    Operator { id, kind, inputs, schema, rows_estimated: 1000.0 }
}

pub fn scan(table: &str) -> Operator {
    let file = FileEntry { path: table.to_owned(), size: 1, modified_ns: 0, partition_values: vec![] };
    let scan = TableScan {
        table: table.to_owned(),
        source: ScanSource::Files { format: FileFormat::Parquet, files: vec![file] },
        table_schema: schema(),
        projection: vec![0, 1],
        filters: vec![],
        runtime_filters: vec![],
        limit: None,
        statistics: vec![Default::default(); 2],
    };
    operator(OperatorKind::Scan(scan), vec![], schema())
}

fn column(input: &Operator, index: usize) -> Expr {
    Expr::column(index, input.schema.field(index))
}

fn receive(from: u32, schema: Arc<Schema>) -> Operator {
    operator(OperatorKind::Receive { from: FragmentId(from), order: vec![] }, vec![], schema)
}

/// `count(*)`, `sum(v)`, `sum(k)`.
fn sums(input: Operator) -> Operator {
    let call = |function: &str, arguments: Vec<Expr>| AggregateCall {
        function: Callee::from(function),
        nullable: function != "count",
        arguments,
        distinct: false,
        filter: None,
        order_by: vec![],
        ignore_nulls: false,
        data_type: DataType::Int64,
    };
    let calls = vec![
        call("count", vec![]),
        call("sum", vec![column(&input, 1)]),
        call("sum", vec![column(&input, 0)]),
    ];
    let fields = ["n", "v", "k"].map(|name| Field::new(name, DataType::Int64, name != "n"));
    let kind = OperatorKind::Aggregate { keys: vec![], aggregates: calls, mode: AggregateMode::Single };
    operator(kind, vec![input], Arc::new(Schema::new(fields.to_vec())))
}

fn fragment(id: u32, root: Operator, output: FragmentOutput, placement: Placement) -> Fragment {
    Fragment { id: FragmentId(id), catalog_version: 1, root, output, placement }
}

const CLIENT: (FragmentOutput, Placement) = (FragmentOutput::Client, Placement::Coordinator);

/// All on the coordinator.
pub fn local_sums(table: &str) -> Vec<Fragment> {
    vec![Fragment::whole(sums(scan(table)), 1)]
}

/// Every row of a table.
pub fn rows(table: &str) -> Vec<Fragment> {
    let root = receive(1, schema());
    let gather = FragmentOutput::Gather { to: FragmentId(0) };
    vec![fragment(0, root, CLIENT.0, CLIENT.1), fragment(1, scan(table), gather, Placement::Nodes)]
}

/// Counts of a table's rows, made where they are gathered.
pub fn gathered_sums(table: &str) -> Vec<Fragment> {
    let mut fragments = rows(table);
    fragments[0].root = sums(receive(1, schema()));
    fragments
}

/// Counts of the rows of `probe` whose `k` is a `k` of `build`: both spread by it, with a filter from the join's build side
/// for the scan of `probe` in another fragment.
pub fn joined_sums(probe: &str, build: &str, estimated: f64) -> Vec<Fragment> {
    let hash = |input: &Operator| FragmentOutput::Hash { to: FragmentId(1), keys: vec![column(input, 0)] };
    let filter = RuntimeFilterId(5);
    let mut probe_scan = scan(probe);
    probe_scan.rows_estimated = estimated;
    if let OperatorKind::Scan(scan) = &mut probe_scan.kind {
        scan.runtime_filters.push(RuntimeFilterUse { filter, column: 0 });
    }
    let (from_probe, from_build) = (receive(2, schema()), receive(3, schema()));
    let join = HashJoin {
        kind: JoinKind::ProbeSemi,
        keys: vec![(column(&from_probe, 0), column(&from_build, 0))],
        null_equals_null: false,
        residual: None,
        null_aware: false,
        runtime_filters: vec![(filter, 0)],
    };
    let joined = operator(OperatorKind::HashJoin(join), vec![from_probe, from_build], schema());
    let build_scan = scan(build);
    let (probe_output, build_output) = (hash(&probe_scan), hash(&build_scan));
    vec![
        fragment(0, sums(receive(1, schema())), CLIENT.0, CLIENT.1),
        fragment(1, joined, FragmentOutput::Gather { to: FragmentId(0) }, Placement::Nodes),
        fragment(2, probe_scan, probe_output, Placement::Nodes),
        fragment(3, build_scan, build_output, Placement::Nodes),
    ]
}

/// What [`local_sums`] gives for a table of so many rows.
pub fn expected(rows: i64) -> Vec<Vec<i64>> {
    vec![vec![rows, (0..rows).map(|k| k % 7).sum(), (0..rows).sum()]]
}
