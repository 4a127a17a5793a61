//! How rows leave a fragment and in which order they come, from a node that may say anything.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use nyala_schema::fragment::{FragmentOutput, Placement};
use nyala_schema::id::{FragmentId, OperatorId};
use nyala_schema::operator::SortKey;
use nyala_schema::{ErrorCode, Expr, Fragment, Operator, OperatorKind, Result, Value, wire};

fn key(data_type: &DataType, descending: bool) -> SortKey {
    let expr = Expr::column(0, &Field::new("c", data_type.clone(), true));
    SortKey { expr, descending, nulls_first: true }
}

fn travelled(order: Vec<SortKey>, output: FragmentOutput) -> Result<()> {
    let root = Operator {
        id: OperatorId(3),
        kind: OperatorKind::Receive { from: FragmentId(9), order },
        inputs: vec![],
        schema: Arc::new(Schema::new(vec![Field::new("c", DataType::Int64, true)])),
        rows_estimated: 5.0,
    };
    let sent = Fragment { id: FragmentId(2), catalog_version: 7, root, output, placement: Placement::Nodes };
    let came = wire::decode_fragment(&wire::encode_fragment(&sent).expect("a wire form"))?;
    assert_eq!(came, sent);
    Ok(())
}

fn ranges(key: SortKey, bounds: Vec<Value>) -> Result<()> {
    travelled(vec![], FragmentOutput::Range { to: FragmentId(1), key, bounds })
}

#[test]
fn orders_and_ranges_travel() {
    let gather = || FragmentOutput::Gather { to: FragmentId(0) };
    travelled(vec![], gather()).unwrap();
    travelled(vec![key(&DataType::Int64, true), key(&DataType::Int64, false)], gather()).unwrap();
    ranges(key(&DataType::Int64, false), [-5, 0, i64::MAX].map(Value::int64).to_vec()).unwrap();
    ranges(key(&DataType::Utf8, true), ["b", "a", ""].map(Value::utf8).to_vec()).unwrap();
    ranges(key(&DataType::Float64, true), [f64::INFINITY, -0.5].map(Value::float64).to_vec()).unwrap();
}

#[test]
fn bounds_that_are_none_are_refused() {
    let numbers = |numbers: &[i64]| numbers.iter().map(|number| Value::int64(*number)).collect::<Vec<_>>();
    let refused = [
        (ranges(key(&DataType::Int64, false), numbers(&[3, 1])), "3 before 1"),
        (ranges(key(&DataType::Int64, false), numbers(&[3, 3])), "3 before 3"),
        (ranges(key(&DataType::Int64, true), numbers(&[1, 3])), "1 before 3"),
        (ranges(key(&DataType::Int32, false), numbers(&[1, 3])), "type Int64, not Int32"),
        (ranges(key(&DataType::Int64, false), vec![Value::null(&DataType::Int64)]), "NULL"),
    ];
    for (outcome, what) in refused {
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Connection);
        assert!(error.message().contains(what), "{error}");
    }
}
