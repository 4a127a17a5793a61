//! How long the large operators take; run by hand with `--ignored --nocapture speed`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{
    ArrayRef, Date32Array, Decimal64Array, DictionaryArray, Int64Array, StringViewArray, UInt8Array,
};
use arrow::datatypes::{DataType, Field, Schema};
use nyala_schema::expr::CompareOp;
use nyala_schema::operator::JoinKind;
use nyala_schema::{Expr, Operator, Value};

use crate::harness::{Harness, aggregate, call, column, compare, filter, hash_join, sort, sort_key};
use crate::table::Random;

const ORDERS: i64 = 1_500_000;
const ROW_GROUP: usize = 122_880;

/// In the manner of TPC-H: each order has one to seven lines, one after the other; keys leave gaps.
fn lines() -> (Arc<Schema>, Vec<Vec<ArrayRef>>) {
    let mut random = Random::new(31);
    let mut orders: Vec<i64> = Vec::with_capacity(6_100_000);
    for order in 0..ORDERS {
        let key = order / 8 * 32 + order % 8 + 1;
        orders.resize(orders.len() + 1 + random.below(7) as usize, key);
    }
    let words = |words: &[&str]| Arc::new(StringViewArray::from_iter_values(words)) as ArrayRef;
    let (flags, states) = (words(&["A", "N", "R"]), words(&["F", "O"]));
    let batch = |keys: &[i64]| -> Vec<ArrayRef> {
        let rows = keys.len();
        let mut numbers = |limit: i64| (0..rows).map(|_| random.below(limit)).collect::<Vec<i64>>();
        let parts = Int64Array::from(numbers(200_000));
        let quantity = Decimal64Array::from(numbers(50)).with_precision_and_scale(15, 2).unwrap();
        let date = numbers(2500).into_iter().map(|day| Some(day as i32)).collect::<Date32Array>();
        let flag: UInt8Array = numbers(3).into_iter().map(|code| Some(code as u8)).collect();
        let state: UInt8Array = numbers(2).into_iter().map(|code| Some(code as u8)).collect();
        vec![
            Arc::new(Int64Array::from(keys.to_vec())),
            Arc::new(parts),
            Arc::new(quantity),
            Arc::new(date),
            Arc::new(DictionaryArray::new(flag, flags.clone())),
            Arc::new(DictionaryArray::new(state, states.clone())),
        ]
    };
    let batches: Vec<Vec<ArrayRef>> = orders.chunks(ROW_GROUP).map(batch).collect();
    let types = [DataType::Int64, DataType::Int64, DataType::Decimal64(15, 2), DataType::Date32];
    let types = types.into_iter().chain([DataType::Utf8View, DataType::Utf8View]);
    (schema(types), batches)
}

fn schema(types: impl IntoIterator<Item = DataType>) -> Arc<Schema> {
    let field = |(index, data_type): (usize, DataType)| Field::new(format!("c{index}"), data_type, false);
    Arc::new(Schema::new(types.into_iter().enumerate().map(field).collect::<Vec<_>>()))
}

fn orders() -> (Arc<Schema>, Vec<Vec<ArrayRef>>) {
    let mut random = Random::new(32);
    let keys: Vec<i64> = (0..ORDERS).map(|order| order / 8 * 32 + order % 8 + 1).collect();
    let batch = |keys: &[i64]| -> Vec<ArrayRef> {
        let customers: Vec<i64> = keys.iter().map(|_| random.below(150_000)).collect();
        let dates: Date32Array = keys.iter().map(|_| Some(random.below(2500) as i32)).collect();
        vec![
            Arc::new(Int64Array::from(keys.to_vec())),
            Arc::new(Int64Array::from(customers)),
            Arc::new(dates),
        ]
    };
    let batches = keys.chunks(ROW_GROUP).map(batch).collect();
    (schema([DataType::Int64, DataType::Int64, DataType::Date32]), batches)
}

fn before(input: &Operator, index: usize, day: i32) -> Expr {
    let day = Value::new(Arc::new(Date32Array::from(vec![day])));
    compare(CompareOp::Less, column(input, index), Expr::Literal(day))
}

/// Processor time of this process in hundredths of a second, where the system tells.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let numbers = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    numbers.filter_map(|number| number.parse::<u64>().ok()).sum()
}

fn time(harness: &Harness, name: &str, root: &Operator) {
    // SPEED=join runs those with "join" in their name.
    if std::env::var("SPEED").is_ok_and(|wanted| !name.contains(&wanted)) {
        return;
    }
    let mut best = Duration::MAX;
    let mut text = String::new();
    let mut ticks = u64::MAX;
    for _ in 0..4 {
        let (start, cpu) = (Instant::now(), cpu_ticks());
        let (_, profile) = harness.run_profiled(root).unwrap();
        ticks = ticks.min(cpu_ticks() - cpu);
        if start.elapsed() < best {
            best = start.elapsed();
            text = profile.to_text(root);
        }
    }
    println!("{name}: {:.1} ms, processors {} ms\n{text}", best.as_secs_f64() * 1e3, ticks * 10);
}

#[test]
#[ignore = "takes seconds and says nothing about correctness"]
fn speed() {
    let mut harness = Harness::new();
    harness.options.batch_rows = 8192;
    let (line_schema, line_batches) = lines();
    let (order_schema, order_batches) = orders();
    let lines = || harness.scan_batches("lines", line_schema.clone(), line_batches.clone());
    let orders = || harness.scan_batches("orders", order_schema.clone(), order_batches.clone());
    let sum = |input: &Operator, index| call("sum", vec![column(input, index)], DataType::Decimal128(25, 2));
    let count = |_: &Operator| call("count", vec![], DataType::Int64);

    let scan = lines();
    let root = aggregate(vec![], vec![count(&scan), sum(&scan, 2)], scan);
    time(&harness, "sum without keys", &root);

    let scan = lines();
    let root = aggregate(vec![column(&scan, 4), column(&scan, 5)], vec![count(&scan), sum(&scan, 2)], scan);
    time(&harness, "two dictionary keys", &root);

    let scan = lines();
    let root = aggregate(vec![column(&scan, 0)], vec![sum(&scan, 2)], scan);
    let all = aggregate(vec![], vec![count(&root), sum(&root, 1)], root);
    time(&harness, "1.5 million groups by order", &all);

    let scan = lines();
    let root = aggregate(vec![column(&scan, 1)], vec![sum(&scan, 2)], scan);
    let all = aggregate(vec![], vec![count(&root), sum(&root, 1)], root);
    time(&harness, "200,000 groups by part", &all);

    let scan = lines();
    let root = aggregate(vec![column(&scan, 1), column(&scan, 3)], vec![sum(&scan, 2)], scan);
    let all = aggregate(vec![], vec![count(&root), sum(&root, 2)], root);
    time(&harness, "6 million groups by part and day", &all);

    for (name, day) in [("join all orders", 2500), ("join one in ten orders", 250)] {
        let build = orders();
        let build = filter(before(&build, 2, day), build);
        let root = hash_join(JoinKind::Inner, &[(0, 0)], lines(), build, |_| ());
        let root = aggregate(vec![], vec![count(&root), sum(&root, 2)], root);
        time(&harness, name, &root);
    }

    let build = orders();
    let build = filter(before(&build, 2, 250), build);
    let probe = lines();
    let root = hash_join(JoinKind::BuildSemi, &[(0, 0)], probe, build, |_| ());
    let root = aggregate(vec![], vec![count(&root)], root);
    time(&harness, "join for build rows", &root);

    let scan = lines();
    let keys = vec![sort_key(column(&scan, 2), true, false), sort_key(column(&scan, 0), false, false)];
    let root = sort(keys, Some(100), scan);
    time(&harness, "first 100", &root);

    let scan = orders();
    let root = sort(vec![sort_key(column(&scan, 1), false, false)], None, scan);
    time(&harness, "sort orders", &root);
}
