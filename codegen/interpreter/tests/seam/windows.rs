//! Window calls over one partition.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use nyala_interpreter::FunctionLibrary;
use nyala_pipeline::library::Library;
use nyala_pipeline::program::Type;
use nyala_pipeline::state::{SortColumn, WindowFunction, WindowSpec};
use nyala_schema::operator::{FrameBound, FrameUnits, WindowCall, WindowFrame};
use nyala_schema::{Expr, Value};

use crate::build::*;

const UINT: DataType = DataType::UInt64;

fn frame(units: FrameUnits, start: FrameBound, end: FrameBound) -> WindowFrame {
    WindowFrame { units, start, end }
}

fn running() -> WindowFrame {
    frame(FrameUnits::Range, FrameBound::Preceding(None), FrameBound::CurrentRow)
}

fn preceding(distance: i64) -> FrameBound {
    FrameBound::Preceding(Some(Value::int64(distance)))
}

fn following(distance: i64) -> FrameBound {
    FrameBound::Following(Some(Value::int64(distance)))
}

fn call(function: &str, arguments: &[usize], frame: WindowFrame, result: DataType) -> WindowFunction {
    WindowFunction {
        call: WindowCall {
            function: function.into(),
            is_aggregate: false,
            arguments: arguments
                .iter()
                .map(|&index| Expr::Column { index, data_type: BIGINT, nullable: true })
                .collect(),
            frame,
            filter: None,
            distinct: false,
            ignore_nulls: false,
            data_type: result.clone(),
            nullable: true,
        },
        arguments: arguments.to_vec(),
        filter: None,
        result: Type::new(result, true),
    }
}

/// Ordered by column 0.
fn evaluate(function: WindowFunction, columns: &[ArrayRef], descending: bool) -> Vec<String> {
    let spec = WindowSpec {
        types: columns.iter().map(|column| Type::new(column.data_type().clone(), true)).collect(),
        partition_by: vec![],
        order_by: vec![SortColumn { index: 0, descending, nulls_first: false }],
        calls: vec![function],
    };
    let results = FunctionLibrary::new().window(&spec, columns, columns[0].len()).unwrap();
    assert_eq!(results[0].len(), columns[0].len());
    assert_eq!(results[0].data_type(), &spec.calls[0].result.data_type);
    (0..results[0].len())
        .map(|row| {
            if results[0].is_null(row) {
                "-".into()
            } else {
                array_value_to_string(&results[0], row).unwrap()
            }
        })
        .collect()
}

fn check(function: WindowFunction, columns: &[ArrayRef], expected: &str) {
    let name = function.call.function.clone();
    assert_eq!(evaluate(function, columns, false).join(" "), expected, "{name}");
}

#[test]
fn ranks_count_peers() {
    let columns = [numbers([10, 20, 20, 30, 30])];
    check(call("row_number", &[], running(), UINT), &columns, "1 2 3 4 5");
    check(call("rank", &[], running(), UINT), &columns, "1 2 2 4 4");
    check(call("dense_rank", &[], running(), UINT), &columns, "1 2 2 3 3");
    check(call("percent_rank", &[], running(), DOUBLE), &columns, "0.0 0.25 0.25 0.75 0.75");
    check(call("cume_dist", &[], running(), DOUBLE), &columns, "0.2 0.6 0.6 1.0 1.0");
    let columns = [numbers([10, 20, 20, 30, 30]), numbers([2; 5])];
    check(call("ntile", &[1], running(), UINT), &columns, "1 1 1 2 2");
    let columns = [numbers([10, 20]), numbers([5; 2])];
    check(call("ntile", &[1], running(), UINT), &columns, "1 2");
}

#[test]
fn lag_and_lead_reach_other_rows() {
    let columns = [
        numbers([1, 2, 3, 4]),
        numbers([Some(10), None, Some(30), Some(40)]),
        numbers([2; 4]),
        numbers([-1; 4]),
    ];
    check(call("lag", &[1], running(), BIGINT), &columns, "- 10 - 30");
    check(call("lead", &[1, 2, 3], running(), BIGINT), &columns, "30 40 -1 -1");
    let mut known = call("lag", &[1], running(), BIGINT);
    known.call.ignore_nulls = true;
    check(known, &columns, "- 10 10 30");
}

#[test]
fn values_of_a_frame() {
    let columns = [numbers([1, 2, 3, 4]), numbers([None, Some(20), None, Some(40)]), numbers([2; 4])];
    let rows = || frame(FrameUnits::Rows, preceding(1), following(1));
    check(call("first_value", &[1], rows(), BIGINT), &columns, "- - 20 -");
    check(call("last_value", &[1], rows(), BIGINT), &columns, "20 - 40 40");
    check(call("nth_value", &[1, 2], rows(), BIGINT), &columns, "20 20 - 40");
    let mut known = call("first_value", &[1], rows(), BIGINT);
    known.call.ignore_nulls = true;
    check(known, &columns, "20 20 20 40");
}

#[test]
fn sums_over_every_kind_of_frame() {
    let columns = [numbers([1, 2, 2, 5]), numbers([Some(1), Some(10), None, Some(1000)])];
    let sum = |frame| call("sum", &[1], frame, BIGINT);
    check(sum(running()), &columns, "1 11 11 1011");
    check(sum(frame(FrameUnits::Rows, preceding(1), FrameBound::CurrentRow)), &columns, "1 11 10 1000");
    check(sum(frame(FrameUnits::Rows, following(1), following(2))), &columns, "10 1000 1000 -");
    check(sum(frame(FrameUnits::Groups, preceding(1), FrameBound::CurrentRow)), &columns, "1 11 11 1010");
    check(sum(frame(FrameUnits::Range, preceding(1), following(3))), &columns, "11 1011 1011 1000");
    let all = frame(FrameUnits::Rows, FrameBound::Preceding(None), FrameBound::Following(None));
    check(sum(all), &columns, "1011 1011 1011 1011");
}

#[test]
fn range_frames_follow_the_direction_and_leave_nulls_apart() {
    let columns = [numbers([Some(9), Some(7), Some(4), None, None]), numbers([1, 2, 4, 8, 16])];
    let near = frame(FrameUnits::Range, preceding(2), FrameBound::CurrentRow);
    assert_eq!(evaluate(call("sum", &[1], near, BIGINT), &columns, true).join(" "), "1 3 4 24 24");
    let columns = [small([100, 150, 400], 10, 2), numbers([1, 2, 4])];
    let near = frame(FrameUnits::Range, preceding(1), FrameBound::CurrentRow);
    check(call("sum", &[1], near, BIGINT), &columns, "1 3 4");
}

#[test]
fn aggregates_of_the_library_over_frames() {
    let columns = [numbers([1, 2, 3, 4]), doubles([4.0, 1.0, 3.0, 2.0]), flags([true, true, false, true])];
    let near = || frame(FrameUnits::Rows, preceding(1), following(1));
    check(call("min", &[1], near(), DOUBLE), &columns, "1.0 1.0 1.0 2.0");
    check(call("max", &[1], running(), DOUBLE), &columns, "4.0 4.0 4.0 4.0");
    check(call("avg", &[1], near(), DOUBLE), &columns, "2.5 2.6666666666666665 2.0 2.5");
    check(call("median", &[1], near(), DOUBLE), &columns, "2.5 3.0 2.0 2.5");
    let mut filtered = call("sum", &[1], near(), DOUBLE);
    filtered.filter = Some(2);
    check(filtered, &columns, "5.0 5.0 3.0 2.0");
    let mut distinct = call("count", &[0], running(), BIGINT);
    distinct.call.distinct = true;
    check(distinct, &[numbers([1, 1, 2, 2])], "1 1 2 2");
    check(call("count", &[], near(), BIGINT), &columns, "2 3 3 2");
}

#[test]
fn decimal_averages_round() {
    let columns = [numbers([1, 2, 3]), small([100, 100, 101], 10, 2)];
    check(call("avg", &[1], running(), DataType::Decimal128(14, 6)), &columns, "1.000000 1.000000 1.003333");
    check(call("sum", &[1], running(), DataType::Decimal128(20, 2)), &columns, "1.00 2.00 3.01");
}

#[test]
fn an_empty_partition_has_empty_results() {
    let columns = [numbers([0i64; 0])];
    for name in ["row_number", "cume_dist", "lag", "sum", "min"] {
        let arguments: &[usize] = if name == "row_number" || name == "cume_dist" { &[] } else { &[0] };
        let ty = if name == "cume_dist" { DOUBLE } else { BIGINT };
        check(call(name, arguments, running(), ty), &columns, "");
    }
}
