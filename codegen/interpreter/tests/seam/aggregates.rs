//! Accumulators of the library, with states taken and merged.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field};
use arrow::util::display::array_value_to_string;
use nyala_interpreter::FunctionLibrary;
use nyala_pipeline::library::Library;
use nyala_pipeline::program::Type;
use nyala_pipeline::state::LibraryAggregate;
use nyala_schema::operator::{AggregateCall, SortKey};
use nyala_schema::{Expr, Value};

use crate::build::*;

fn aggregate(function: &str, columns: &[ArrayRef], data_type: DataType) -> LibraryAggregate {
    let arguments = columns
        .iter()
        .enumerate()
        .map(|(index, column)| Expr::Column { index, data_type: column.data_type().clone(), nullable: true })
        .collect();
    LibraryAggregate {
        call: AggregateCall {
            function: function.into(),
            arguments,
            distinct: false,
            filter: None,
            order_by: vec![],
            ignore_nulls: false,
            data_type,
            nullable: true,
        },
        argument_types: columns.iter().map(|column| Type::new(column.data_type().clone(), true)).collect(),
        order_types: vec![],
    }
}

fn ordered(mut aggregate: LibraryAggregate, order: &ArrayRef, descending: bool) -> LibraryAggregate {
    let expr = Expr::Column { index: 9, data_type: order.data_type().clone(), nullable: true };
    aggregate.call.order_by = vec![SortKey { expr, descending, nulls_first: false }];
    aggregate.order_types = vec![Type::new(order.data_type().clone(), true)];
    aggregate
}

/// The results of one accumulator that sees all rows, after checking that two that share them and are merged agree.
fn results(
    aggregate: &LibraryAggregate,
    columns: &[ArrayRef],
    order: &[ArrayRef],
    groups: &[u32],
    count: usize,
) -> Vec<String> {
    let library = FunctionLibrary::new();
    let mut whole = library.accumulator(aggregate).unwrap();
    whole.update(columns, order, groups, count, None).unwrap();
    let middle = groups.len() / 2;
    let part = |arrays: &[ArrayRef], from: usize, rows: usize| -> Vec<ArrayRef> {
        arrays.iter().map(|array| array.slice(from, rows)).collect()
    };
    let mut left = library.accumulator(aggregate).unwrap();
    let mut right = library.accumulator(aggregate).unwrap();
    left.update(&part(columns, 0, middle), &part(order, 0, middle), &groups[..middle], count, None).unwrap();
    let rest = groups.len() - middle;
    right
        .update(&part(columns, middle, rest), &part(order, middle, rest), &groups[middle..], count, None)
        .unwrap();
    let states = right.take_states().unwrap();
    let all: Vec<u32> = (0..count as u32).collect();
    left.merge(&states, &all, count).unwrap();
    let (whole, merged) = (whole.finish().unwrap(), left.finish().unwrap());
    assert_eq!(whole.as_ref(), merged.as_ref());
    assert_eq!(whole.len(), count);
    show(&whole)
}

fn show(array: &ArrayRef) -> Vec<String> {
    (0..array.len())
        .map(
            |row| if array.is_null(row) { "NULL".into() } else { array_value_to_string(array, row).unwrap() },
        )
        .collect()
}

#[test]
fn text_extremes_by_group() {
    let columns = [texts([Some("b"), Some("a"), None, Some("c"), None])];
    let groups = [0, 0, 1, 1, 2];
    assert_eq!(results(&aggregate("min", &columns, TEXT), &columns, &[], &groups, 3), ["a", "c", "NULL"]);
    assert_eq!(results(&aggregate("max", &columns, TEXT), &columns, &[], &groups, 3), ["b", "c", "NULL"]);
}

#[test]
fn distinct_values_are_counted_once() {
    for column in [
        numbers([Some(1), Some(1), None, Some(2), Some(1), Some(2)]),
        texts([Some("x"), Some("x"), None, Some("y"), Some("x"), Some("y")]),
        small([Some(10), Some(10), None, Some(20), Some(10), Some(20)], 12, 2),
        doubles([Some(0.5), Some(0.5), None, Some(1.0), Some(0.5), Some(1.0)]),
    ] {
        let columns = [column];
        let mut count = aggregate("count", &columns, BIGINT);
        count.call.distinct = true;
        assert_eq!(results(&count, &columns, &[], &[0, 0, 0, 0, 1, 0], 3), ["2", "1", "0"]);
    }
}

#[test]
fn distinct_sums_and_deviations() {
    let columns = [numbers([Some(5), Some(5), Some(2), None])];
    let mut sum = aggregate("sum", &columns, BIGINT);
    sum.call.distinct = true;
    assert_eq!(results(&sum, &columns, &[], &[0, 0, 0, 1], 2), ["7", "NULL"]);
    let columns = [doubles([1.0, 3.0, 1.0, 3.0])];
    let mut deviation = aggregate("stddev_pop", &columns, DOUBLE);
    deviation.call.distinct = true;
    assert_eq!(results(&deviation, &columns, &[], &[0, 0, 0, 0], 1), ["1.0"]);
}

#[test]
fn ordered_aggregates_follow_their_order() {
    let columns = [texts(["c", "a", "b", "z"])];
    let order = numbers([3, 1, 2, 9]);
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    let collected = ordered(aggregate("array_agg", &columns, list.clone()), &order, true);
    assert_eq!(
        results(&collected, &columns, std::slice::from_ref(&order), &[0, 0, 0, 1], 2),
        ["[c, b, a]", "[z]"]
    );
    let first = ordered(aggregate("first_value", &columns, TEXT), &order, false);
    assert_eq!(results(&first, &columns, std::slice::from_ref(&order), &[0, 0, 0, 1], 2), ["a", "z"]);
    let mut joined = ordered(aggregate("string_agg", &columns, TEXT), &order, false);
    joined.call.arguments.push(Expr::Literal(Value::utf8("-")));
    joined.argument_types.push(Type::new(TEXT, false));
    let columns = [columns[0].clone(), texts(["-"; 4])];
    assert_eq!(results(&joined, &columns, std::slice::from_ref(&order), &[0, 0, 0, 1], 2), ["a-b-c", "z"]);
}

#[test]
fn library_aggregates_take_small_decimals() {
    let columns = [small([100, 300, 250], 10, 2)];
    let average = aggregate("avg", &columns, DataType::Decimal128(14, 6));
    assert_eq!(results(&average, &columns, &[], &[0, 0, 1], 2), ["2.000000", "2.500000"]);
    let columns = [doubles([1.0, 2.0, 4.0, 8.0]), doubles([2.0, 4.0, 8.0, 16.0])];
    let correlation = aggregate("corr", &columns, DOUBLE);
    assert_eq!(results(&correlation, &columns, &[], &[0, 0, 0, 0], 1), ["1.0"]);
    let columns = [numbers([1, 9, 5, 7])];
    assert_eq!(results(&aggregate("median", &columns, BIGINT), &columns, &[], &[0, 0, 0, 1], 2), ["5", "7"]);
    let columns = [flags([true, false, true])];
    assert_eq!(
        results(&aggregate("bool_and", &columns, BOOLEAN), &columns, &[], &[0, 0, 1], 2),
        ["false", "true"]
    );
}

#[test]
fn percentiles_take_their_order_from_within_group() {
    let order = doubles([1.0, 2.0, 3.0, 4.0]);
    let columns = [order.clone(), doubles([0.25; 4])];
    let mut percentile = ordered(aggregate("percentile_cont", &columns, DOUBLE), &order, false);
    percentile.call.arguments[1] = Expr::Literal(Value::float64(0.25));
    assert_eq!(results(&percentile, &columns, &[order], &[0; 4], 1), ["1.75"]);
}

#[test]
fn filters_leave_rows_out() {
    let columns = [texts(["b", "a", "c"])];
    let library = FunctionLibrary::new();
    let keep = flags([Some(true), Some(false), None]);
    for (function, expected) in [("min", "b"), ("string_agg", "b"), ("array_agg", "[b]")] {
        let mut call = aggregate(function, &columns, TEXT);
        if function == "array_agg" {
            call.call.data_type = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
        }
        let mut arguments = columns.to_vec();
        if function == "string_agg" {
            call.call.arguments.push(Expr::Literal(Value::utf8(",")));
            call.argument_types.push(Type::new(TEXT, false));
            arguments.push(texts([","; 3]));
        }
        let mut accumulator = library.accumulator(&call).unwrap();
        accumulator.update(&arguments, &[], &[0, 0, 0], 1, Some(keep.as_boolean())).unwrap();
        assert_eq!(show(&accumulator.finish().unwrap()), [expected]);
    }
}

#[test]
fn a_group_without_rows_still_has_a_result() {
    let columns = [numbers([0i64; 0])];
    for (function, expected) in [("median", "NULL"), ("bit_or", "NULL"), ("approx_distinct", "0")] {
        let ty = if function == "approx_distinct" { DataType::UInt64 } else { BIGINT };
        let mut accumulator = FunctionLibrary::new().accumulator(&aggregate(function, &columns, ty)).unwrap();
        accumulator.update(&columns, &[], &[], 1, None).unwrap();
        assert_eq!(show(&accumulator.finish().unwrap()), [expected], "{function}");
    }
}

#[test]
fn groups_that_an_accumulator_has_not_seen_stay_null() {
    let columns = [numbers([1, 2])];
    for function in ["bit_or", "median", "max"] {
        let mut accumulator =
            FunctionLibrary::new().accumulator(&aggregate(function, &columns, BIGINT)).unwrap();
        accumulator.update(&columns, &[], &[1, 1], 3, None).unwrap();
        let results = show(&accumulator.finish().unwrap());
        assert_eq!((results[0].as_str(), results[2].as_str()), ("NULL", "NULL"), "{function}");
        accumulator.update(&columns, &[], &[0, 0], 2, None).unwrap();
        assert_eq!(show(&accumulator.finish().unwrap())[1], "NULL", "{function} after it was emptied");
    }
}
