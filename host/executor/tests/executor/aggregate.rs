//! Aggregates against maps.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use nyala_schema::Operator;
use nyala_schema::operator::AggregateCall;

use crate::harness::{Harness, aggregate, call, column};
use crate::table::{Kind, Random, Row, Table, shown};

/// Keys, then a value.
fn table(keys: &[Kind], rows: usize, distinct: i64, nulls: i64, seed: u64) -> Table {
    let mut random = Random::new(seed);
    let mut kinds = keys.to_vec();
    kinds.push(Kind::Int);
    let row = |_| {
        let mut row: Row = keys.iter().map(|_| random.maybe(distinct, nulls)).collect();
        row.push(random.maybe(1000, 5));
        row
    };
    Table::new("table", &kinds, (0..rows).map(row).collect())
}

fn calls(input: &Operator, value: usize) -> Vec<AggregateCall> {
    let argument = || vec![column(input, value)];
    vec![
        call("count", vec![], DataType::Int64),
        call("count", argument(), DataType::Int64),
        call("sum", argument(), DataType::Int64),
        call("min", argument(), DataType::Int64),
        call("max", argument(), DataType::Int64),
        call("median", argument(), DataType::Int64),
    ]
}

fn naive(rows: &[Row], keys: usize) -> Vec<(Row, Row)> {
    let mut groups: BTreeMap<Row, Vec<Option<i64>>> = BTreeMap::new();
    for row in rows {
        groups.entry(row[..keys].to_vec()).or_default().push(row[keys]);
    }
    if keys == 0 {
        groups.entry(vec![]).or_default();
    }
    let results = |values: &[Option<i64>]| {
        let mut known: Vec<i64> = values.iter().flatten().copied().collect();
        known.sort_unstable();
        let middle = known.len() / 2;
        let median = match known.len() {
            0 => None,
            len if len % 2 == 1 => Some(known[middle]),
            _ => Some((known[middle - 1] + known[middle]) / 2),
        };
        vec![
            Some(values.len() as i64),
            Some(known.len() as i64),
            (!known.is_empty()).then(|| known.iter().sum()),
            known.first().copied(),
            known.last().copied(),
            median,
        ]
    };
    groups.into_iter().map(|(key, values)| (key, results(&values))).collect()
}

fn check(keys: &[Kind], rows: usize, distinct: i64, nulls: i64) {
    let harness = Harness::new();
    let table = table(keys, rows, distinct, nulls, 11);
    let scan = harness.scan(&table);
    let key_columns = (0..keys.len()).map(|index| column(&scan, index)).collect();
    let calls = calls(&scan, keys.len());
    let root = aggregate(key_columns, calls, scan);
    let expected = naive(&table.rows, keys.len());
    let kinds: Vec<Kind> = keys.iter().copied().chain([Kind::Int; 6]).collect();
    let expected: Vec<Row> = expected.into_iter().map(|(key, results)| [key, results].concat()).collect();
    let context = format!("keys {keys:?}, {rows} rows, {distinct} distinct");
    assert_eq!(harness.sorted(&root).expect(&context), shown(&kinds, &expected), "{context}");
}

#[test]
fn without_keys() {
    check(&[], 500, 1, 0);
    check(&[], 0, 1, 0);
}

#[test]
fn single_keys_of_all_types() {
    for kind in Kind::KEYS {
        check(&[kind], 1000, 40, 9);
    }
    check(&[Kind::Int], 0, 10, 0);
}

#[test]
fn several_keys() {
    check(&[Kind::Dictionary, Kind::Dictionary], 1500, 8, 6);
    check(&[Kind::Dictionary, Kind::Date], 1500, 12, 0);
    check(&[Kind::Int, Kind::Sparse], 1000, 20, 8);
    check(&[Kind::Float, Kind::Int32], 1000, 15, 0);
    check(&[Kind::Text, Kind::Int, Kind::Decimal], 800, 6, 7);
}

/// Enough groups that they are merged in partitions: by ranges of the key, and by hashes.
#[test]
fn many_groups_over_workers() {
    for kind in [Kind::Int, Kind::Sparse, Kind::Text] {
        check(&[kind], 40_000, 30_000, 50);
    }
    check(&[Kind::Sparse, Kind::Sparse], 40_000, 300, 0);
}

#[test]
fn distinct_rows() {
    let harness = Harness::new();
    let table = table(&[Kind::Dictionary, Kind::Int], 900, 5, 4, 12);
    let scan = harness.scan(&table);
    let root = aggregate(vec![column(&scan, 0), column(&scan, 1)], vec![], scan);
    let mut expected: Vec<Row> = table.rows.iter().map(|row| row[..2].to_vec()).collect();
    expected.sort();
    expected.dedup();
    assert_eq!(harness.sorted(&root).unwrap(), shown(&table.kinds[..2], &expected));
}

#[test]
fn averages_are_rounded_half_away_from_zero() {
    let harness = Harness::new();
    let rows: Vec<Row> = vec![vec![Some(0), Some(1)], vec![Some(0), Some(2)], vec![Some(1), None]];
    let table = Table::new("table", &[Kind::Int, Kind::Decimal], rows);
    let scan = harness.scan(&table);
    let average = call("avg", vec![column(&scan, 1)], DataType::Decimal128(16, 6));
    let root = aggregate(vec![column(&scan, 0)], vec![average], scan);
    assert_eq!(harness.sorted(&root).unwrap(), [["0", "0.375000"], ["1", "NULL"]]);
}

#[test]
fn a_sum_that_does_not_fit_is_an_error() {
    let harness = Harness::new();
    let rows: Vec<Row> = (0..3).map(|_| vec![Some(i64::MAX / 2)]).collect();
    let table = Table::new("table", &[Kind::Int], rows);
    let scan = harness.scan(&table);
    let root = aggregate(vec![], vec![call("sum", vec![column(&scan, 0)], DataType::Int64)], scan);
    let error = harness.rows(&root).unwrap_err();
    assert_eq!(error.code(), nyala_schema::ErrorCode::NumericOverflow, "{error:?}");
}

/// More groups than a worker keeps in one table when hardly any two rows have the same key.
#[test]
fn groups_beyond_the_cache() {
    let harness = Harness::new();
    for keys in [[Kind::Sparse, Kind::Sparse], [Kind::Text, Kind::Int]] {
        let table = table(&keys, 300_000, 3000, 0, 13);
        let scan = harness.scan(&table);
        let sum = call("sum", vec![column(&scan, 2)], DataType::Int64);
        let root = aggregate(vec![column(&scan, 0), column(&scan, 1)], vec![sum], scan);
        let mut groups: BTreeMap<Row, Option<i64>> = BTreeMap::new();
        for row in &table.rows {
            let sum = groups.entry(row[..2].to_vec()).or_default();
            if let Some(value) = row[2] {
                *sum = Some(sum.unwrap_or(0) + value);
            }
        }
        let expected: Vec<Row> = groups.into_iter().map(|(key, sum)| [key, vec![sum]].concat()).collect();
        assert!(expected.len() > 280_000);
        assert_eq!(harness.sorted(&root).unwrap(), shown(&table.kinds, &expected), "{keys:?}");
    }
}
