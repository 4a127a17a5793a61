//! Orders, first rows, limits and windows.

use std::cmp::Ordering;

use arrow::datatypes::{DataType, Field, Schema};
use nyala_schema::OperatorKind;
use nyala_schema::operator::{FrameBound, FrameUnits, WindowCall, WindowFrame};

use crate::harness::{Harness, column, limit, operator, sort, sort_key};
use crate::table::{Kind, Random, Row, Table, arrays, text_of};

/// Descending? NULLs first?
type Direction = (bool, bool);

fn table(kinds: &[Kind], rows: usize, seed: u64) -> Table {
    let mut random = Random::new(seed);
    let mut all = kinds.to_vec();
    all.push(Kind::Int);
    let row = |number: usize| {
        let mut row: Row = kinds.iter().map(|_| random.maybe(30, 6)).collect();
        row.push(Some(number as i64));
        row
    };
    Table::new("table", &all, (0..rows).map(row).collect())
}

fn compare(left: &Row, right: &Row, directions: &[Direction]) -> Ordering {
    directions
        .iter()
        .enumerate()
        .map(|(index, &(descending, nulls_first))| match (left[index], right[index]) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => {
                if nulls_first {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (Some(_), None) => {
                if nulls_first {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (Some(left), Some(right)) => {
                if descending {
                    right.cmp(&left)
                } else {
                    left.cmp(&right)
                }
            }
        })
        .find(|order| order.is_ne())
        .unwrap_or_else(|| left.last().cmp(&right.last()))
}

/// The last column, which makes the order total, is a key as well.
fn check(kinds: &[Kind], directions: &[Direction], rows: usize, fetch: Option<u64>) {
    let harness = Harness::new();
    let table = table(kinds, rows, 21);
    let scan = harness.scan(&table);
    let mut keys: Vec<_> = directions
        .iter()
        .enumerate()
        .map(|(index, &(descending, nulls_first))| sort_key(column(&scan, index), descending, nulls_first))
        .collect();
    keys.push(sort_key(column(&scan, kinds.len()), false, false));
    let root = sort(keys, fetch, scan);
    let mut expected = table.rows.clone();
    expected.sort_by(|left, right| compare(left, right, directions));
    expected.truncate(fetch.map_or(usize::MAX, |fetch| fetch as usize));
    let expected = text_of(&arrays(&table.kinds, &expected), expected.len());
    assert_eq!(harness.rows(&root).unwrap(), expected, "{kinds:?} {directions:?} {fetch:?}");
}

#[test]
fn keys_of_all_types_in_both_directions() {
    // The text of the numbers 10 to 39 orders as they do; see `Kind::Text`.
    for kind in [Kind::Int, Kind::Int32, Kind::Unsigned, Kind::Decimal, Kind::Date, Kind::Float] {
        for direction in [(false, false), (false, true), (true, false), (true, true)] {
            check(&[kind], &[direction], 300, None);
        }
    }
}

#[test]
fn several_keys() {
    check(&[Kind::Int, Kind::Float], &[(true, false), (false, true)], 400, None);
    check(
        &[Kind::Decimal, Kind::Sparse, Kind::Int],
        &[(false, false), (true, true), (true, false)],
        400,
        None,
    );
}

#[test]
fn large_inputs_are_sorted_in_runs() {
    check(&[Kind::Int], &[(true, false)], 60_000, None);
    check(&[Kind::Sparse, Kind::Sparse], &[(false, false), (true, false)], 40_000, None);
}

#[test]
fn first_rows() {
    for fetch in [0, 1, 10, 299, 1000] {
        check(&[Kind::Int], &[(true, true)], 300, Some(fetch));
        check(&[Kind::Decimal, Kind::Float], &[(false, false), (true, false)], 300, Some(fetch));
    }
    check(&[Kind::Int], &[(false, false)], 30_000, Some(10));
    check(&[Kind::Sparse, Kind::Sparse, Kind::Int], &[(false, false); 3], 30_000, Some(100));
}

#[test]
fn text_orders_by_its_bytes() {
    let harness = Harness::new();
    for kind in [Kind::Text, Kind::Dictionary] {
        for fetch in [None, Some(7)] {
            let rows: Vec<Row> = (0..200).map(|n| vec![(n % 9 > 0).then_some(n % 50)]).collect();
            let table = Table::new("table", &[kind], rows);
            let scan = harness.scan(&table);
            let root = sort(vec![sort_key(column(&scan, 0), false, false)], fetch, scan);
            let mut expected: Vec<String> =
                text_of(&arrays(&[kind], &table.rows), table.rows.len()).into_iter().flatten().collect();
            // Upper case comes before lower case: NULL is last only because it is put there.
            expected.sort_by_key(|text| (text == "NULL", text.clone()));
            expected.truncate(fetch.unwrap_or(u64::MAX) as usize);
            let found: Vec<String> = harness.rows(&root).unwrap().into_iter().flatten().collect();
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn limits() {
    let harness = Harness::new();
    let rows: Vec<Row> = (0..1000).map(|n| vec![Some(n)]).collect();
    let table = Table::new("table", &[Kind::Int], rows);
    for (skip, fetch, expected) in [(0, Some(10), 10), (5, None, 995), (990, Some(50), 10), (0, Some(0), 0)] {
        let root = limit(skip, fetch, harness.scan(&table));
        assert_eq!(harness.rows(&root).unwrap().len(), expected, "skip {skip} fetch {fetch:?}");
    }
    let scan = harness.scan(&table);
    let sorted = sort(vec![sort_key(column(&scan, 0), true, false)], None, scan);
    let rows = harness.rows(&limit(3, Some(3), sorted)).unwrap();
    assert_eq!(rows, [["996"], ["995"], ["994"]]);
}

#[test]
fn a_limit_reads_little() {
    let harness = Harness::new();
    let rows: Vec<Row> = (0..100_000).map(|n| vec![Some(n)]).collect();
    let table = Table::new("table", &[Kind::Int], rows);
    let (_, profile) = harness.run_profiled(&limit(0, Some(5), harness.scan(&table))).unwrap();
    let scanned: u64 = profile.operators.values().map(|operator| operator.morsels).sum();
    assert!(scanned < 50, "{scanned} morsels read for five rows");
}

fn window_call(function: &str, is_aggregate: bool, arguments: Vec<nyala_schema::Expr>) -> WindowCall {
    WindowCall {
        function: function.into(),
        is_aggregate,
        arguments,
        frame: WindowFrame {
            units: FrameUnits::Rows,
            start: FrameBound::Preceding(None),
            end: FrameBound::CurrentRow,
        },
        filter: None,
        distinct: false,
        ignore_nulls: false,
        data_type: if is_aggregate { DataType::Int64 } else { DataType::UInt64 },
        nullable: true,
    }
}

#[test]
fn windows_by_partition() {
    let harness = Harness::new();
    for partition in [Kind::Int, Kind::Text, Kind::Dictionary] {
        let table = table(&[partition], 3000, 23);
        let scan = harness.scan(&table);
        let calls =
            vec![window_call("row_number", false, vec![]), window_call("sum", true, vec![column(&scan, 1)])];
        let mut fields: Vec<Field> =
            scan.schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.push(Field::new("number", DataType::UInt64, true));
        fields.push(Field::new("sum", DataType::Int64, true));
        let kind = OperatorKind::Window {
            partition_by: vec![column(&scan, 0)],
            order_by: vec![sort_key(column(&scan, 1), false, false)],
            calls,
        };
        let root = operator(kind, vec![scan], std::sync::Arc::new(Schema::new(fields)));
        let mut seen: std::collections::BTreeMap<Option<i64>, (i64, i64)> = Default::default();
        let mut expected: Vec<Vec<String>> = Vec::new();
        let shown = text_of(&arrays(&table.kinds, &table.rows), table.rows.len());
        for (row, text) in table.rows.iter().zip(shown) {
            let (count, sum) = seen.entry(row[0]).or_default();
            *count += 1;
            *sum += row[1].unwrap();
            expected.push([text, vec![count.to_string(), sum.to_string()]].concat());
        }
        expected.sort();
        assert_eq!(harness.sorted(&root).unwrap(), expected, "{partition:?}");
    }
}
