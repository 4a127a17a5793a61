//! What operator trees become: pipelines, states, and where columns are.

mod support;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use expect_test::{Expect, expect};
use nyala_pipeline::{Sink, Step};
use nyala_schema::expr::ArithmeticOp;
use nyala_schema::operator::{
    FrameBound, FrameUnits, JoinKind, Operator, OperatorKind, SortKey, UnnestColumn, WindowCall, WindowFrame,
};
use nyala_schema::{Expr, Value};
use support::*;

fn check(root: Operator, expected: Expect) {
    expected.assert_eq(&plan(root).to_string());
}

#[test]
fn scan_filter_and_projection_leave_as_they_are() {
    let mut plans = Plans::default();
    let scan = plans.scan(vec![int("a"), text("b"), money("c", 0, 99)], vec![]);
    let filter = less(column(&scan, 0), number(5));
    let mut plans = Plans::default();
    let scan = plans.scan(vec![int("a"), text("b"), money("c", 0, 99)], vec![filter]);
    let both = vec![column(&scan, 2), column(&scan, 1)];
    check(
        plans.project(scan, both),
        expect![[r#"
        pipeline 0
          scan o1 t [a, b, c]
            filter inputs [0] kept []
              constants 5
              inputs Int64
              parameters Int64
              %0 = input 0 : Int64
              %1 = parameter 0 : Int64
              %2 = less %0, %1 : Boolean
              filter %2
          compute o2 inputs [2] kept [1]
              inputs Decimal64(15, 2)
              %0 = input 0 : Decimal64(15, 2)
              %1 = cast %0 : Decimal128(15, 2)
              output %1
          output [1, 0]
        output [c0: Decimal128(15, 2), c1: Utf8View]
    "#]],
    );
}

#[test]
fn a_keyless_aggregate_filters_computes_and_updates_in_one_program() {
    let mut plans = Plans::default();
    let scan = plans.scan(vec![money("price", 0, 10_000), money("discount", 0, 10), int("quantity")], vec![]);
    let predicate = less(column(&scan, 2), number(24));
    let filter = plans.filter(scan, predicate);
    let product = arithmetic(
        ArithmeticOp::Multiply,
        column(&filter, 0),
        column(&filter, 1),
        DataType::Decimal128(31, 4),
    );
    let project = plans.project(filter, vec![product]);
    let calls = vec![
        call("sum", vec![column(&project, 0)], DataType::Decimal128(38, 4)),
        call("avg", vec![column(&project, 0)], DataType::Decimal128(35, 8)),
        call("count", vec![], DataType::Int64),
    ];
    check(
        plans.aggregate(project, vec![], calls),
        expect![[r#"
        state 0: aggregate o4 keys [] record 32 [sum.i128 @0 count @16 : Decimal128(38, 4)?, average.i128 @0 count @16 scale 4 : Decimal128(35, 8)?, count @16]
        pipeline 0
          scan o1 t [price, discount, quantity]
          aggregate o4 state 0 keys []
            update inputs [2, 0, 1] kept []
              constants 24
              inputs Int64, Decimal64(15, 2), Decimal64(15, 2)
              parameters Int64
              %0 = input 0 : Int64
              %1 = parameter 0 : Int64
              %2 = less %0, %1 : Boolean
              filter %2
              %3 = input 1 : Decimal64(15, 2)
              %4 = input 2 : Decimal64(15, 2)
              %5 = multiply %3, %4 : Decimal64(18, 4)
              update count @16
              update sum.i128 @0 %5
        pipeline 1
          rows o4 state 0
          output [0, 1, 2]
        output [a0: Decimal128(38, 4), a1: Decimal128(35, 8), a2: Int64]
    "#]],
    );
}

#[test]
fn a_keyed_aggregate_keeps_raw_columns_for_its_update() {
    let mut plans = Plans::default();
    let scan = plans.scan(vec![int("a"), int_or_null("b"), text("c"), int("d")], vec![]);
    let predicate = less(column(&scan, 3), number(24));
    let filter = plans.filter(scan, predicate);
    let key = add(column(&filter, 0), number(1));
    let argument = add(column(&filter, 1), column(&filter, 0));
    let project = plans.project(filter.clone(), vec![key, argument, column(&filter, 2)]);
    let keys = vec![column(&project, 0), column(&project, 2)];
    let mut extreme = call("min", vec![column(&project, 1)], DataType::Int64);
    extreme.filter = Some(less(column(&project, 0), number(9)));
    let calls = vec![
        call("sum", vec![column(&project, 1)], DataType::Int64),
        extreme,
        call("max", vec![column(&project, 0)], DataType::Int64),
        call("max", vec![column(&project, 2)], DataType::Utf8),
    ];
    check(
        plans.aggregate(project, keys, calls),
        expect![[r#"
            state 0: aggregate o4 keys [Int64, Utf8View] record 64 [sum.i128 @0 count @16 : Int64?, extreme @32 count @24 : Int64?, extreme @40 count @48 : Int64, library 0 : Utf8View?] library max(#2)
            pipeline 0
              scan o1 t [a, b, c, d]
              compute o3 inputs [3, 0] kept [0, 1, 2]
                  constants 24, 1
                  inputs Int64, Int64
                  parameters Int64, Int64
                  %0 = input 0 : Int64
                  %1 = parameter 0 : Int64
                  %2 = less %0, %1 : Boolean
                  filter %2
                  %3 = input 1 : Int64
                  %4 = parameter 1 : Int64
                  %5 = add.checked %3, %4 : Int64
                  output %5
              aggregate o4 state 0 keys [3, 2] library [2]
                update inputs [1, 0, 3] kept []
                  constants 9
                  inputs Int64?, Int64, Int64
                  parameters Int64
                  %0 = input 0 : Int64?
                  %1 = input 1 : Int64
                  %2 = add.checked %0, %1 : Int64?
                  %3 = input 2 : Int64
                  %4 = parameter 0 : Int64
                  %5 = less %3, %4 : Boolean
                  update count @16 %2
                  update sum.i128 @0 %2
                  update count @24 %2 if %5
                  update min Int64 @32 %2 if %5
                  update max Int64 @40 %3
            pipeline 1
              rows o4 state 0
              output [0, 1, 2, 3, 4, 5]
            output [c0: Int64, c1: Utf8View, a0: Int64, a1: Int64, a2: Int64, a3: Utf8View]
        "#]],
    );
}

#[test]
fn an_inner_join_takes_equal_keys_from_the_probe_side() {
    let mut plans = Plans::default();
    let probe = plans.scan(vec![int("k"), text("p"), int("unused")], vec![]);
    let build = plans.scan(vec![text("b"), int("k2"), int("limit")], vec![]);
    let keys = vec![(column(&probe, 0), column(&build, 1))];
    let residual = less(column(&probe, 2), Expr::column(5, build.schema.field(2)));
    let join = plans.join(JoinKind::Inner, probe, build, keys, Some(residual));
    let shown = vec![column(&join, 1), column(&join, 3), column(&join, 4)];
    check(
        plans.project(join, shown),
        expect![[r#"
        state 0: join o3 Inner keys [Int64] payload [Utf8View, Int64]
        pipeline 0
          scan o2 t [b, k2, limit]
          build o3 state 0 keys [1] payload [0, 2]
        pipeline 1
          scan o1 t [k, p, unused]
          probe o3 state 0 Inner keys [0] kept [1, 0] payload [0]
            residual inputs [2, 4] kept []
              inputs Int64, Int64
              %0 = input 0 : Int64
              %1 = input 1 : Int64
              %2 = less %0, %1 : Boolean
              filter %2
          output [0, 2, 1]
        output [c0: Utf8View, c1: Utf8View, c2: Int64]
    "#]],
    );
}

#[test]
fn a_full_join_emits_build_rows_into_the_same_states() {
    let mut plans = Plans::default();
    let probe = plans.scan(vec![int("k"), money("p", 0, 99)], vec![]);
    let build = plans.scan(vec![int("k2"), int("b")], vec![]);
    let keys = vec![(column(&probe, 0), column(&build, 0))];
    let join = plans.join(JoinKind::FullOuter, probe, build, keys, None);
    let keys = vec![column(&join, 3)];
    let calls = vec![call("sum", vec![column(&join, 1)], DataType::Decimal128(25, 2))];
    check(
        plans.aggregate(join, keys, calls),
        expect![[r#"
        state 0: aggregate o4 keys [Int64?] record 32 [sum.i128 @0 count @16 : Decimal128(25, 2)?]
        state 1: join o3 FullOuter keys [Int64] payload [Int64]
        pipeline 0
          scan o2 t [k2, b]
          build o3 state 1 keys [0] payload [1]
        pipeline 1
          scan o1 t [k, p]
          probe o3 state 1 FullOuter keys [0] kept [1] payload [0]
          aggregate o4 state 0 keys [1]
            update inputs [0] kept []
              inputs Decimal64(15, 2)?
              %0 = input 0 : Decimal64(15, 2)?
              update count @16 %0
              update sum.i128 @0 %0
        pipeline 2
          build-rows o3 state 1 behind [Decimal64(15, 2)?]
          aggregate o4 state 0 keys [1]
            update inputs [0] kept []
              inputs Decimal64(15, 2)?
              %0 = input 0 : Decimal64(15, 2)?
              update count @16 %0
              update sum.i128 @0 %0
        pipeline 3
          rows o4 state 0
          output [0, 1]
        output [c0: Int64, a0: Decimal128(25, 2)]
    "#]],
    );
}

#[test]
fn a_build_semi_join_lets_nothing_through_its_probe() {
    let mut plans = Plans::default();
    let probe = plans.scan(vec![int("k")], vec![]);
    let build = plans.scan(vec![int("k2"), int("b"), int("c")], vec![]);
    let keys = vec![(column(&probe, 0), column(&build, 0))];
    let join = plans.join(JoinKind::BuildSemi, probe, build, keys, None);
    let shown = vec![column(&join, 2)];
    check(
        plans.project(join, shown),
        expect![[r#"
        state 0: join o3 BuildSemi keys [Int64] payload [Int64]
        state 1: collect o3 []
        pipeline 0
          scan o2 t [k2, b, c]
          build o3 state 0 keys [0] payload [2]
        pipeline 1
          scan o1 t [k]
          probe o3 state 0 BuildSemi keys [0] kept [] payload [0]
          keep o3 state 1 []
        pipeline 2
          build-rows o3 state 0 behind []
          output [0]
        output [c0: Int64]
    "#]],
    );
}

#[test]
fn union_inputs_take_one_type_and_share_the_limit() {
    let mut plans = Plans::default();
    let narrow = plans.scan(vec![money("a", 0, 99)], vec![]);
    let wide = plans.scan(vec![Column("b", DataType::Decimal128(38, 2), true, None)], vec![]);
    let union = plans.union(vec![narrow, wide]);
    check(
        plans.limit(union, 1, 5),
        expect![[r#"
        state 0: limit o4 skip 1 fetch 5
        pipeline 0
          scan o1 t [a]
          limit o4 state 0
          compute o3 inputs [0] kept []
              inputs Decimal64(15, 2)
              %0 = input 0 : Decimal64(15, 2)
              %1 = cast %0 : Decimal128(38, 2)
              %2 = cast %1 : Decimal128(15, 2)
              output %2
          output [0]
        pipeline 1
          scan o2 t [b]
          limit o4 state 0
          compute o4 inputs [0] kept []
              inputs Decimal128(38, 2)?
              %0 = input 0 : Decimal128(38, 2)?
              %1 = cast %0 : Decimal128(15, 2)?
              output %1
          output [0]
        output [a: Decimal128(15, 2)]
    "#]],
    );
}

#[test]
fn a_limit_makes_a_sort_keep_less() {
    let mut plans = Plans::default();
    let scan = plans.scan(vec![int("a"), int("b"), int("c")], vec![]);
    let keys = vec![column(&scan, 1), add(column(&scan, 0), number(1))];
    let sort = plans.sort(scan, keys, None);
    let limit = plans.limit(sort, 2, 3);
    let shown = vec![column(&limit, 2)];
    check(
        plans.project(limit, shown),
        expect![[r#"
        state 0: limit o3 skip 2 fetch 3
        state 1: topn o2 [Int64, Int64, Int64] by [1 desc nulls first, 2 desc nulls first] fetch 5
        pipeline 0
          scan o1 t [a, b, c]
          compute o2 inputs [0] kept [2, 1]
              constants 1
              inputs Int64
              parameters Int64
              %0 = input 0 : Int64
              %1 = parameter 0 : Int64
              %2 = add.checked %0, %1 : Int64
              output %2
          keep o2 state 1 [0, 1, 2]
        pipeline 1 ordered
          rows o2 state 1
          limit o3 state 0
          output [0]
        output [c0: Int64]
    "#]],
    );
}

#[test]
fn a_nested_loop_reads_both_sides_in_its_condition() {
    let mut plans = Plans::default();
    let probe = plans.scan(vec![int("a"), int("b")], vec![]);
    let build = plans.scan(vec![int("c"), int("d")], vec![]);
    let condition = less(column(&probe, 1), Expr::column(3, build.schema.field(1)));
    let join = plans.nested_loop(JoinKind::BuildMark, probe, build, Some(condition));
    let shown = vec![column(&join, 2), column(&join, 0)];
    check(
        plans.project(join, shown),
        expect![[r#"
        state 0: collect o3 [Int64, Int64]
        state 1: collect o3 []
        pipeline 0
          scan o2 t [c, d]
          keep o3 state 0 [0, 1]
        pipeline 1
          scan o1 t [a, b]
          nested-loop o3 state 0 BuildMark kept [] payload [0]
            condition inputs [1, 3] kept []
              inputs Int64, Int64
              %0 = input 0 : Int64
              %1 = input 1 : Int64
              %2 = less %0, %1 : Boolean
              filter %2
          keep o3 state 1 []
        pipeline 2
          build-rows o3 state 0 behind []
          output [2, 0]
        output [c0: Boolean, c1: Int64]
    "#]],
    );
}

#[test]
fn a_window_gets_its_arguments_as_columns() {
    let mut plans = Plans::default();
    let scan = plans.scan(vec![int("a"), money("b", 0, 99), text("c")], vec![]);
    let order_by = vec![SortKey { expr: column(&scan, 0), descending: false, nulls_first: false }];
    let window_call = WindowCall {
        function: "sum".into(),
        is_aggregate: true,
        arguments: vec![column(&scan, 1)],
        frame: WindowFrame {
            units: FrameUnits::Rows,
            start: FrameBound::Preceding(None),
            end: FrameBound::CurrentRow,
        },
        filter: None,
        distinct: false,
        ignore_nulls: false,
        data_type: DataType::Decimal128(25, 2),
        nullable: true,
    };
    let mut fields = fields(&scan);
    fields.push(Field::new("w", DataType::Decimal128(25, 2), true));
    let partition_by = vec![column(&scan, 2)];
    let kind = OperatorKind::Window { partition_by, order_by, calls: vec![window_call] };
    let window = plans.operator(kind, vec![scan], fields);
    let shown = vec![column(&window, 3), column(&window, 1)];
    check(
        plans.project(window, shown),
        expect![[r#"
        state 0: window o2 [Decimal64(15, 2), Utf8View, Int64, Decimal128(15, 2)] partition [1] order [2 asc nulls last] sum [3] : Decimal128(25, 2)?
        pipeline 0
          scan o1 t [a, b, c]
          compute o2 inputs [1] kept [1, 2, 0]
              inputs Decimal64(15, 2)
              %0 = input 0 : Decimal64(15, 2)
              %1 = cast %0 : Decimal128(15, 2)
              output %1
          keep o2 state 0 [0, 1, 2, 3]
        pipeline 1
          rows o2 state 0
          compute o3 inputs [0] kept [4]
              inputs Decimal64(15, 2)
              %0 = input 0 : Decimal64(15, 2)
              %1 = cast %0 : Decimal128(15, 2)
              output %1
          output [0, 1]
        output [c0: Decimal128(25, 2), c1: Decimal128(15, 2)]
    "#]],
    );
}

#[test]
fn grouping_sets_keep_what_all_variants_share() {
    let mut plans = Plans::default();
    let scan = plans.scan(vec![int("a"), int("b")], vec![]);
    let null = Expr::Literal(Value::null(&DataType::Int64));
    let variant = |first: Expr, id: i64| vec![first, column(&scan, 1), number(id)];
    let projections = vec![variant(column(&scan, 0), 0), variant(null, 1)];
    let fields = vec![
        Field::new("a", DataType::Int64, true),
        Field::new("b", DataType::Int64, false),
        Field::new("id", DataType::Int64, false),
    ];
    let expand = plans.operator(OperatorKind::Expand { projections }, vec![scan], fields);
    let keys = vec![column(&expand, 0), column(&expand, 2)];
    let calls = vec![call("sum", vec![column(&expand, 1)], DataType::Int64)];
    check(
        plans.aggregate(expand, keys, calls),
        expect![[r#"
        state 0: aggregate o3 keys [Int64?, Int64] record 32 [sum.i128 @0 count @16 : Int64]
        pipeline 0
          scan o1 t [a, b]
          expand o2
            variant inputs [0] kept [1]
              constants 0
              inputs Int64
              parameters Int64
              %0 = input 0 : Int64
              %1 = parameter 0 : Int64
              output %0, %1
            variant inputs [] kept [1]
              constants NULL, 1
              parameters Int64?, Int64
              %0 = parameter 0 : Int64?
              %1 = parameter 1 : Int64
              output %0, %1
          aggregate o3 state 0 keys [1, 2]
            update inputs [0] kept []
              inputs Int64
              %0 = input 0 : Int64
              update sum.i128 @0 %0
        pipeline 1
          rows o3 state 0
          output [0, 1, 2]
        output [c0: Int64, c1: Int64, a0: Int64]
    "#]],
    );
}

#[test]
fn a_list_that_is_unnested_is_not_shared_with_the_list_itself() {
    let mut plans = Plans::default();
    let item = Arc::new(Field::new("item", DataType::Int64, true));
    let list = Column("l", DataType::List(item), true, None);
    let scan = plans.scan(vec![int("a"), list], vec![]);
    let twice = vec![column(&scan, 1), column(&scan, 1), column(&scan, 0)];
    let project = plans.project(scan, twice);
    let mut fields = fields(&project);
    fields[0] = Field::new("e", DataType::Int64, true);
    let columns = vec![UnnestColumn { index: 0, depth: 1 }];
    let kind = OperatorKind::Unnest { columns, preserve_nulls: false };
    check(
        plans.operator(kind, vec![project], fields),
        expect![[r#"
        pipeline 0
          scan o1 t [a, l]
          compute o2 inputs [1] kept [1, 0]
              inputs List(Int64)?
              %0 = input 0 : List(Int64)?
              output %0
          unnest o3 [2^1] [List(Int64)?, Int64, Int64?]
          output [2, 0, 1]
        output [e: Int64, c1: List(Int64), c2: Int64]
    "#]],
    );
}

#[test]
fn every_join_kind_builds_over_every_other() {
    let kinds = [
        JoinKind::Inner,
        JoinKind::ProbeOuter,
        JoinKind::BuildOuter,
        JoinKind::FullOuter,
        JoinKind::ProbeSemi,
        JoinKind::ProbeAnti,
        JoinKind::ProbeMark,
        JoinKind::BuildSemi,
        JoinKind::BuildAnti,
        JoinKind::BuildMark,
    ];
    for (lower, upper) in kinds.iter().flat_map(|lower| kinds.iter().map(move |upper| (*lower, *upper))) {
        let mut plans = Plans::default();
        let probe = plans.scan(vec![int("a"), text("b")], vec![]);
        let build = plans.scan(vec![int("c"), text("d")], vec![]);
        let third = plans.scan(vec![int("e"), text("f")], vec![]);
        let keys = vec![(column(&probe, 0), column(&build, 0))];
        let residual = less(column(&probe, 0), Expr::column(2, build.schema.field(0)));
        let join = plans.join(lower, probe, build, keys, Some(residual));
        let keys = vec![(column(&third, 0), add(column(&join, 0), number(1)))];
        let join = plans.join(upper, third, join, keys, None);
        let shown = (0..join.schema.fields().len()).rev().map(|index| column(&join, index)).collect();
        let keys = vec![column(&join, 0)];
        let project = plans.project(join, shown);
        let plan = plan(plans.sort(project, keys, None));
        assert!(
            matches!(plan.pipelines.last().unwrap().sink, Sink::Output { .. }),
            "{lower:?} under {upper:?}"
        );
        let probes = plan.pipelines.iter().flat_map(|pipeline| &pipeline.steps);
        assert!(probes.filter(|step| matches!(step, Step::Probe(_))).count() >= 2);
    }
}
