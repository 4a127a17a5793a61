//! How fast the common loops are; run with `cargo test -p nyala-interpreter -- --ignored --nocapture`.

use std::time::Instant;

use arrow::array::ArrayRef;
use nyala_interpreter::Interpreter;
use nyala_pipeline::backend::States;
use nyala_pipeline::program::{Op, Parameter, StateOp, StateUpdate};
use nyala_pipeline::{Backend, Call};
use nyala_schema::Value;
use nyala_schema::expr::CompareOp;

use crate::build::*;

const ROWS: usize = 16_384;
const ROUNDS: usize = 500;

fn time(
    name: &str,
    make: &Make,
    columns: &[ArrayRef],
    parameters: &[Parameter],
    groups: Option<&[u32]>,
) -> f64 {
    let executable = Interpreter::new().compile(&make.program()).unwrap();
    let mut records = vec![0; 1 << 12];
    let start = Instant::now();
    for _ in 0..ROUNDS {
        let states = Some(States { groups, records: &mut records, stride: 32 });
        let call = Call { rows: ROWS, inputs: columns, parameters, selection: None, states };
        executable.run(call).unwrap();
    }
    let each = start.elapsed().as_secs_f64() * 1e9 / (ROWS * ROUNDS) as f64;
    println!("{name}: {each:.2} ns a row");
    each
}

#[test]
#[ignore = "a measurement"]
fn comparisons_and_filters() {
    let columns = [numbers((0..ROWS as i64).map(|row| row * 7919 % 1000)), numbers((0..ROWS as i64).rev())];
    let mut make = Make::new();
    let (a, b) = (make.input(columns[0].clone()), make.input(columns[1].clone()));
    let (low, high) = (make.number(500), make.number(9000));
    let first = make.compare(CompareOp::Less, a, low);
    let second = make.compare(CompareOp::Greater, b, high);
    let both = make.op(Op::And(first, second), BOOLEAN);
    make.filter(both);
    make.output(a);
    let parameters = [500, 9000].map(|value| Parameter::Scalar(Value::int64(value)));
    let each = time("a < 500 and b > 9000, one output", &make, &columns, &parameters, None);
    assert!(each < 20.0, "far beyond 1 ns a row and operation");
}

#[test]
#[ignore = "a measurement"]
fn patterns_and_sums() {
    let words: Vec<String> = (0..ROWS)
        .map(|row| {
            format!(
                "the quick {} brown {row} fox requests nothing",
                if row % 50 == 0 { "special" } else { "ideas" }
            )
        })
        .collect();
    let columns = [texts(words.iter().map(String::as_str))];
    let mut make = Make::new();
    let text = make.input(columns[0].clone());
    let pattern = make.text("%special%requests%");
    let matches = make.like(text, pattern, false);
    make.filter(matches);
    let parameters = [Parameter::Scalar(Value::utf8("%special%requests%"))];
    time("like '%special%requests%', seldom", &make, &columns, &parameters, None);

    let words: Vec<String> =
        (0..ROWS).map(|row| format!("the quick special brown {row} fox requests nothing of note")).collect();
    let columns = [texts(words.iter().map(String::as_str))];
    let mut make = Make::new();
    let text = make.input(columns[0].clone());
    let pattern = make.text("%special%requests%");
    let matches = make.like(text, pattern, false);
    make.filter(matches);
    time(
        "like '%special%requests%'",
        &make,
        &columns,
        &[Parameter::Scalar(Value::utf8("%special%requests%"))],
        None,
    );

    let columns = [numbers(0..ROWS as i64)];
    let mut make = Make::new();
    let value = make.input(columns[0].clone());
    make.update(StateUpdate { op: StateOp::SumInteger, value: Some(value), mask: None, offset: 0 });
    time("sum", &make, &columns, &[], None);
    let groups: Vec<u32> = (0..ROWS as u32).map(|row| row * 31 % 100).collect();
    time("sum by group", &make, &columns, &[], Some(&groups));
}
