//! Partial and final aggregates on several instances give what one aggregate gives.

use arrow::datatypes::{DataType, Field, Schema};
use nyala_schema::fragment::FragmentOutput;
use nyala_schema::operator::{AggregateCall, AggregateMode};
use nyala_schema::{ErrorCode, Expr, Fragment, Operator, OperatorKind};

use super::cluster::{Cluster, Sharing, fragment, gather, hash, receive, to_client};
use super::harnesses;
use crate::harness::{Harness, aggregate, call, column, compare, filter, int, operator, project};
use crate::table::{Kind, Random, Row, Table};

const KINDS: [Kind; 9] = [
    Kind::Dictionary,
    Kind::Int,
    Kind::Int,
    Kind::Decimal,
    Kind::Float,
    Kind::Date,
    Kind::Text,
    Kind::Int32,
    Kind::Boolean,
];

fn table(rows: usize, distinct: i64, seed: u64) -> Table {
    let mut random = Random::new(seed);
    let row = |_| {
        let mut row: Row = vec![random.maybe(distinct.min(200), 7), random.maybe(distinct, 9)];
        row.extend((2..KINDS.len()).map(|_| random.maybe(100, 4)));
        row
    };
    Table::new("table", &KINDS, (0..rows).map(row).collect())
}

fn calls(scan: &Operator) -> Vec<AggregateCall> {
    let of = |name: &str, index: usize, data_type: DataType| call(name, vec![column(scan, index)], data_type);
    let mut calls = vec![
        call("count", vec![], DataType::Int64),
        of("count", 2, DataType::Int64),
        of("sum", 2, DataType::Int64),
        of("sum", 7, DataType::Int64),
        of("avg", 2, DataType::Float64),
        of("avg", 3, DataType::Decimal128(16, 6)),
        of("sum", 3, DataType::Decimal128(22, 2)),
        of("sum", 4, DataType::Float64),
        of("avg", 4, DataType::Float64),
    ];
    for (index, kind) in KINDS.iter().enumerate().skip(2) {
        let data_type = kind.data_type();
        calls.extend(["min", "max"].map(|name| of(name, index, data_type.clone())));
    }
    let mut filtered = of("sum", 3, DataType::Decimal128(22, 2));
    filtered.filter = Some(compare(nyala_schema::expr::CompareOp::Less, column(scan, 2), int(10)));
    calls.push(filtered.clone());
    filtered.function = "count".into();
    filtered.data_type = DataType::Int64;
    filtered.nullable = false;
    calls.push(filtered);
    calls
}

/// The aggregate over `input` in this mode, as the planner makes it: a final one has the same keys and calls.
fn step(mode: AggregateMode, keys: &[Expr], calls: &[AggregateCall], input: Operator) -> Operator {
    let mut single = aggregate(keys.to_vec(), calls.to_vec(), input.clone());
    if mode == AggregateMode::Partial {
        let mut fields: Vec<Field> =
            single.schema.fields().iter().take(keys.len()).map(|field| field.as_ref().clone()).collect();
        fields.extend(calls.iter().flat_map(|call| call.partial_fields().unwrap()));
        single.schema = std::sync::Arc::new(Schema::new(fields));
    }
    let kind = OperatorKind::Aggregate { keys: keys.to_vec(), aggregates: calls.to_vec(), mode };
    operator(kind, vec![input], single.schema)
}

/// Partial aggregates where the rows are, then final ones by hash of the keys, or one where there are none.
fn two_steps(keys: &[Expr], calls: &[AggregateCall], input: Operator) -> Vec<Fragment> {
    let partial = step(AggregateMode::Partial, keys, calls, input);
    let partial_rows = receive(2, &partial);
    if keys.is_empty() {
        let last = step(AggregateMode::Final, keys, calls, partial_rows);
        return vec![fragment(0, last, to_client()), fragment(2, partial, gather(0))];
    }
    let last = step(AggregateMode::Final, keys, calls, partial_rows);
    let places: Vec<usize> = (0..keys.len()).collect();
    let output = hash(1, &partial, &places);
    vec![
        fragment(0, receive(1, &last), to_client()),
        fragment(1, last, gather(0)),
        fragment(2, partial, output),
    ]
}

fn check(harness: &Harness, table: &Table, key_columns: &[usize], nodes: usize) {
    let scan = harness.scan(table);
    let keys: Vec<Expr> = key_columns.iter().map(|&index| column(&scan, index)).collect();
    let calls = calls(&scan);
    let expected = harness.sorted(&aggregate(keys.clone(), calls.clone(), scan.clone())).unwrap();
    let found = Cluster::new(harness, nodes).sorted(&two_steps(&keys, &calls, scan)).unwrap();
    assert_eq!(found, expected, "{} rows by {key_columns:?} on {nodes}", table.rows.len());
}

/// Queries in one piece, and cut up.
pub fn samples(harness: &Harness) -> Vec<(Operator, Vec<Fragment>)> {
    let scan = harness.scan(&table(4000, 1500, 31));
    let calls = calls(&scan);
    let sample = |columns: &[usize]| {
        let keys: Vec<Expr> = columns.iter().map(|&index| column(&scan, index)).collect();
        let fragments = two_steps(&keys, &calls, scan.clone());
        (aggregate(keys, calls.clone(), scan.clone()), fragments)
    };
    vec![sample(&[0, 1]), sample(&[]), sample(&[6])]
}

#[test]
fn two_steps_give_what_one_gives() {
    for harness in harnesses() {
        for (rows, distinct, seed) in [(3000, 40, 1), (3000, 2000, 2), (70, 5, 3), (1, 1, 4), (0, 1, 5)] {
            let table = table(rows, distinct, seed);
            for nodes in [1, 3] {
                for keys in [&[0][..], &[1], &[0, 1], &[6], &[4, 8], &[3, 5, 6], &[]] {
                    check(&harness, &table, keys, nodes);
                }
            }
        }
    }
}

/// The rows go by hash to aggregates in one step, by a key that is computed and not sent.
#[test]
fn one_step_after_a_hash_of_what_is_not_sent() {
    for harness in harnesses() {
        let scan = harness.scan(&table(2000, 50, 7));
        let kept = project((0..4).map(|index| column(&scan, index)).collect(), scan);
        let next = |input: &Operator| {
            crate::harness::arithmetic(nyala_schema::expr::ArithmeticOp::Add, column(input, 1), int(1))
        };
        let median = vec![call("median", vec![column(&kept, 2)], DataType::Int64)];
        let expected = harness.sorted(&aggregate(vec![next(&kept)], median.clone(), kept.clone())).unwrap();
        let rows = receive(2, &kept);
        let grouped = aggregate(vec![next(&rows)], median, rows);
        let by = FragmentOutput::Hash { to: nyala_schema::id::FragmentId(1), keys: vec![next(&kept)] };
        let fragments = vec![
            fragment(0, receive(1, &grouped), to_client()),
            fragment(1, grouped, gather(0)),
            fragment(2, kept, by),
        ];
        let plan = nyala_pipeline::build(&fragments[2]).unwrap();
        assert_eq!(plan.output_schema.fields().len(), 4);
        assert_eq!(plan.output, nyala_pipeline::PlanOutput::Hash { keys: vec![4] });
        assert_eq!(Cluster::new(&harness, 3).sorted(&fragments).unwrap(), expected);
    }
}

fn wide(input: &Operator) -> Expr {
    let wide = DataType::Decimal128(38, 0);
    let factor = nyala_schema::Value::utf8("10000000000000000000000000000000000000").cast(&wide).unwrap();
    let number = Expr::Cast { input: Box::new(column(input, 0)), data_type: wide.clone(), safe: false };
    let (left, right) = (Box::new(number), Box::new(Expr::Literal(factor)));
    Expr::Arithmetic { op: nyala_schema::expr::ArithmeticOp::Multiply, left, right, data_type: wide }
}

/// A sum may be too large on the way, as long as it fits in the end; if it does not, both ways fail alike.
#[test]
fn sums_overflow_as_in_one_step() {
    for harness in harnesses() {
        for (batches, fits) in
            [([[9, 4], [-9, -3]], true), ([[9, -4], [9, -3]], false), ([[9, 1], [2, -3]], true)]
        {
            let arrays = batches.map(|batch| vec![Kind::Int.array(&batch.map(Some))]);
            let scan = harness.scan_batches(
                "wide",
                Table::new("wide", &[Kind::Int], vec![]).schema(),
                arrays.to_vec(),
            );
            let rows = project(vec![wide(&scan)], scan);
            let calls = vec![call("sum", vec![column(&rows, 0)], DataType::Decimal128(38, 0))];
            let single = harness.sorted(&aggregate(vec![], calls.clone(), rows.clone()));
            let mut cluster = Cluster::new(&harness, 2);
            cluster.sharing = Sharing::ByNumber;
            let split = cluster.sorted(&two_steps(&[], &calls, rows));
            assert_eq!(single.is_ok(), fits, "{single:?}");
            match (single, split) {
                (Ok(single), Ok(split)) => assert_eq!(single, split),
                (Err(single), Err(split)) => {
                    assert_eq!(split.code(), ErrorCode::NumericOverflow);
                    assert_eq!((single.code(), single.message()), (split.code(), split.message()));
                }
                (single, split) => panic!("{single:?} and {split:?}"),
            }
        }
    }
}

#[test]
fn sums_of_integers_overflow_at_the_end() {
    for harness in harnesses() {
        let table = Table::new("large", &[Kind::Unsigned], vec![vec![Some(1)]; 500]);
        let scan = harness.scan(&table);
        let calls = vec![call("sum", vec![column(&scan, 0)], DataType::UInt64)];
        let error = Cluster::new(&harness, 3).sorted(&two_steps(&[], &calls, scan)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::NumericOverflow);
    }
}

/// What a final aggregate does not need is neither read nor kept.
#[test]
fn unread_calls_of_a_final_aggregate_fall_away() {
    let harness = Harness::new();
    let scan = harness.scan(&table(500, 20, 9));
    let keys = vec![column(&scan, 0)];
    let calls = calls(&scan);
    let mut fragments = two_steps(&keys, &calls, scan.clone());
    let narrow = |input: Operator| project(vec![column(&input, 0), column(&input, 6)], input);
    fragments[1].root = narrow(fragments[1].root.clone());
    fragments[0].root = receive(1, &fragments[1].root);
    let expected = harness.sorted(&narrow(aggregate(keys, calls, scan))).unwrap();
    assert_eq!(Cluster::new(&harness, 2).sorted(&fragments).unwrap(), expected);
    let plan = nyala_pipeline::build(&fragments[1]).unwrap().to_string();
    assert!(plan.contains("aggregate") && plan.contains("final") && !plan.contains("library"), "{plan}");
}

/// Rows without columns are still rows, also when what picks their receiver stays behind.
#[test]
fn rows_without_columns() {
    for harness in harnesses() {
        let scan = harness.scan(&table(3000, 30, 17));
        let bare = project(vec![], scan);
        let counted =
            |input: Operator| aggregate(vec![], vec![call("count", vec![], DataType::Int64)], input);
        let rows = counted(receive(2, &bare));
        let total =
            aggregate(vec![], vec![call("sum", vec![column(&rows, 0)], DataType::Int64)], receive(1, &rows));
        for by in [
            FragmentOutput::RoundRobin { to: nyala_schema::id::FragmentId(1) },
            FragmentOutput::Hash { to: nyala_schema::id::FragmentId(1), keys: vec![int(5)] },
        ] {
            let fragments = vec![
                fragment(0, total.clone(), to_client()),
                fragment(1, rows.clone(), gather(0)),
                fragment(2, bare.clone(), by),
            ];
            assert_eq!(Cluster::new(&harness, 3).sorted(&fragments).unwrap(), [["3000"]]);
        }
    }
}

#[test]
fn a_filter_above_runs_on_what_was_received() {
    for harness in harnesses() {
        let scan = harness.scan(&table(1000, 30, 13));
        let few = |input: Operator| {
            let predicate = compare(nyala_schema::expr::CompareOp::Less, column(&input, 1), int(15));
            filter(predicate, input)
        };
        let expected = harness.sorted(&few(scan.clone())).unwrap();
        let fragments = vec![fragment(0, few(receive(1, &scan)), to_client()), fragment(1, scan, gather(0))];
        assert_eq!(Cluster::new(&harness, 3).sorted(&fragments).unwrap(), expected);
    }
}
