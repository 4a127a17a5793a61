//! What fragments that send rows to others become, and those that receive them.

mod support;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use expect_test::expect;
use nyala_pipeline::state::SortColumn;
use nyala_pipeline::{PipelinePlan, PlanOutput, Sink, build, verify};
use nyala_schema::fragment::{FragmentOutput, Placement};
use nyala_schema::id::FragmentId;
use nyala_schema::operator::{AggregateCall, AggregateMode, Operator, OperatorKind, SortKey};
use nyala_schema::{ErrorCode, Expr, Fragment, Value};
use support::*;

const TO: FragmentId = FragmentId(1);

fn sent(root: Operator, output: FragmentOutput) -> PipelinePlan {
    let fragment =
        Fragment { id: FragmentId(2), catalog_version: 1, root, output, placement: Placement::Nodes };
    build(&fragment).unwrap_or_else(|error| panic!("{error:?}\n{fragment}"))
}

/// Keys, what calls are split into.
fn split_fields(keys: &[Expr], calls: &[AggregateCall]) -> Vec<Field> {
    let keys = keys.iter().map(|key| Field::new("k", key.data_type(), key.nullable()));
    keys.chain(calls.iter().flat_map(|call| call.partial_fields().unwrap())).collect()
}

#[test]
fn rows_leave_in_physical_types_by_a_key_that_stays() {
    let mut plans = Plans::default();
    let scan = plans.scan(vec![int("a"), text("b"), money("c", 0, 99)], vec![]);
    let keys = vec![column(&scan, 1), add(column(&scan, 0), number(1))];
    let plan = sent(scan, FragmentOutput::Hash { to: TO, keys });
    assert_eq!(plan.output, PlanOutput::Hash { keys: vec![1, 3] });
    expect![[r#"
        pipeline 0
          scan o1 t [a, b, c]
          compute o1 inputs [0] kept [0, 1, 2]
              constants 1
              inputs Int64
              parameters Int64
              %0 = input 0 : Int64
              %1 = parameter 0 : Int64
              %2 = add.checked %0, %1 : Int64
              output %2
          output [0, 1, 2, 3]
        output hash [1, 3] [a: Int64, b: Utf8View, c: Decimal64(15, 2)]
    "#]]
    .assert_eq(&plan.to_string());
}

#[test]
fn two_steps_of_an_aggregate() {
    let mut plans = Plans::default();
    let scan = plans.scan(vec![int("a"), int_or_null("b"), money("c", 0, 99), text("d")], vec![]);
    let keys = vec![column(&scan, 0)];
    let calls = vec![
        call("count", vec![], DataType::Int64),
        call("avg", vec![column(&scan, 2)], DataType::Decimal128(19, 6)),
        call("sum", vec![column(&scan, 1)], DataType::Int64),
        call("max", vec![column(&scan, 3)], DataType::Utf8),
    ];
    let fields = split_fields(&keys, &calls);
    let kind = |mode| OperatorKind::Aggregate { keys: keys.clone(), aggregates: calls.clone(), mode };
    let partial = plans.operator(kind(AggregateMode::Partial), vec![scan.clone()], fields.clone());
    let received = OperatorKind::Receive { from: FragmentId(2), order: vec![] };
    let rows = plans.operator(received, vec![], fields.clone());
    let single = plans.aggregate(scan, keys.clone(), calls.clone());
    let last = plans.operator(kind(AggregateMode::Final), vec![rows], support::fields(&single));
    let plan = sent(partial, FragmentOutput::Gather { to: TO });
    assert_eq!(plan.output_schema, nyala_pipeline::stream_schema(&Arc::new(Schema::new(fields))));
    expect![[r#"
        state 0: aggregate o2 partial keys [Int64] record 48 [count @32, partial.i128 @0 count @32 : Decimal128(38, 2), count @32, partial.i128 @16 count @40 : Decimal128(38, 0)?, library 0 : Utf8View?] library max(#3)
        pipeline 0
          scan o1 t [a, b, c, d]
          aggregate o2 state 0 keys [0] library [3]
            update inputs [2, 1] kept []
              inputs Decimal64(15, 2), Int64?
              %0 = input 0 : Decimal64(15, 2)
              %1 = input 1 : Int64?
              update count @32
              update sum.i128 @0 %0
              update count @40 %1
              update sum.i128 @16 %1
        pipeline 1
          rows o2 state 0
          output [0, 1, 2, 3, 4, 5]
        output gather [k: Int64, count: Int64, sum: Decimal128(38, 2), count: Int64, sum: Decimal128(38, 0), max: Utf8View]
    "#]].assert_eq(&plan.to_string());
    expect![[r#"
        state 0: aggregate o5 final keys [Int64] record 80 [count @0, average.i128 @32 count @16 scale 2 : Decimal128(19, 6)?, sum.i128 @48 count @64 : Int64?, library 0 : Utf8View?] library max(#5)
        pipeline 0
          receive o3 from f2 [Int64, Int64, Decimal128(38, 2)?, Int64, Decimal128(38, 0)?, Utf8View?]
          aggregate o5 state 0 keys [0] library [5]
            update inputs [1, 3, 2, 4] kept []
              inputs Int64, Int64, Decimal128(38, 2)?, Decimal128(38, 0)?
              %0 = input 0 : Int64
              %1 = input 1 : Int64
              %2 = input 2 : Decimal128(38, 2)?
              %3 = input 3 : Decimal128(38, 0)?
              update sum.i128 @0 %0
              update sum.i128 @16 %1
              update sum.i128 @32 %2
              update count @64 %3
              update sum.i128 @48 %3
        pipeline 1
          rows o5 state 0
          output [0, 1, 2, 3, 4]
        output broadcast [c0: Int64, a0: Int64, a1: Decimal128(19, 6), a2: Int64, a3: Utf8View]
    "#]].assert_eq(&sent(last, FragmentOutput::Broadcast { to: TO }).to_string());
}

#[test]
fn an_aggregate_that_cannot_be_split_is_refused() {
    let mut plans = Plans::default();
    let scan = plans.scan(vec![int("a")], vec![]);
    let calls = vec![call("median", vec![column(&scan, 0)], DataType::Int64)];
    let kind = OperatorKind::Aggregate { keys: vec![], aggregates: calls, mode: AggregateMode::Partial };
    let root = plans.operator(kind, vec![scan], vec![Field::new("m", DataType::Int64, true)]);
    let error = build(&Fragment::whole(root, 1)).unwrap_err();
    assert!(error.message().contains("median"), "{error}");
}

#[test]
fn rows_leave_by_ranges_and_are_merged_in_order() {
    let mut plans = Plans::default();
    let scan = plans.scan(vec![int("a"), money("c", 0, 99)], vec![]);
    let key = SortKey { expr: column(&scan, 1), descending: true, nulls_first: false };
    let bounds = ["0.50", "0.25"].map(|text| Value::utf8(text).cast(&key.expr.data_type()).unwrap()).to_vec();
    let output = |key: &SortKey, bounds: &[Value]| FragmentOutput::Range {
        to: TO,
        key: key.clone(),
        bounds: bounds.to_vec(),
    };
    expect![[r#"
        pipeline 0
          scan o1 t [a, c]
          output [0, 1]
        output range [1 desc nulls last] at [0.50, 0.25] [a: Int64, c: Decimal64(15, 2)]
    "#]]
    .assert_eq(&sent(scan.clone(), output(&key, &bounds)).to_string());
    let refused = |output: FragmentOutput| {
        let (id, root) = (FragmentId(2), scan.clone());
        build(&Fragment { id, catalog_version: 1, root, output, placement: Placement::Nodes }).unwrap_err()
    };
    let turned = SortKey { descending: false, ..key.clone() };
    assert_eq!(refused(output(&turned, &bounds)).code(), ErrorCode::Connection);
    assert_eq!(refused(output(&key, &[Value::int64(5)])).code(), ErrorCode::Connection);
    let rows = |order: Vec<SortKey>| {
        let kind = OperatorKind::Receive { from: FragmentId(2), order };
        Operator { kind, inputs: vec![], ..scan.clone() }
    };
    let whole = |root: Operator| build(&Fragment::whole(root, 1));
    expect![[r#"
        pipeline 0 ordered
          receive o1 from f2 [Int64, Decimal64(15, 2)] merged by [1 desc nulls last]
          compute o1 inputs [1] kept [0]
              inputs Decimal64(15, 2)
              %0 = input 0 : Decimal64(15, 2)
              %1 = cast %0 : Decimal128(15, 2)
              output %1
          output [0, 1]
        output [a: Int64, c: Decimal128(15, 2)]
    "#]]
    .assert_eq(&whole(rows(vec![key.clone()])).unwrap().to_string());
    let other = SortKey { expr: number(1), ..key };
    assert_eq!(whole(rows(vec![other])).unwrap_err().code(), ErrorCode::Internal);
}

#[test]
fn outputs_that_break_a_rule_are_refused() {
    let broken = |change: &dyn Fn(&mut PipelinePlan)| {
        let mut plans = Plans::default();
        let scan = plans.scan(vec![int("a"), money("c", 0, 99)], vec![]);
        let keys = vec![add(column(&scan, 0), number(1))];
        let mut plan = sent(scan, FragmentOutput::Hash { to: TO, keys });
        verify(&plan).unwrap();
        change(&mut plan);
        verify(&plan).unwrap_err().message().to_owned()
    };
    let with = |output: PlanOutput| broken(&|plan| plan.output = output.clone());
    let start = "pipeline 0: sink: output";
    assert_eq!(with(PlanOutput::Gather), format!("{start}: columns that nobody reads"));
    assert_eq!(with(PlanOutput::Hash { keys: vec![] }), format!("{start}: a hash of nothing"));
    assert_eq!(with(PlanOutput::Hash { keys: vec![7] }), format!("{start}: a key that is no column"));
    assert_eq!(with(PlanOutput::Hash { keys: vec![0] }), format!("{start}: columns that nobody reads"));
    assert_eq!(with(PlanOutput::Client), format!("{start}: columns that nobody reads"));
    let range = |index: usize, bound: Value| {
        let key = SortColumn { index, descending: false, nulls_first: false };
        with(PlanOutput::Range { key, bounds: vec![bound] })
    };
    assert_eq!(range(7, Value::int64(1)), format!("{start}: a key that is no column"));
    assert_eq!(range(0, Value::int64(1)), format!("{start}: columns that nobody reads"));
    let types = "bounds of other types than that of their key, Int64";
    assert_eq!(range(2, Value::utf8("a")), format!("{start}: {types}"));
    let short = broken(&|plan| {
        if let Sink::Output { columns } = &mut plan.pipelines[0].sink {
            columns.truncate(1);
        }
    });
    assert!(short.starts_with(&format!("{start}: 1 columns, not 2")), "{short}");
}
