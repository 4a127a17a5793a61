//! What planning knows of a managed table.

use std::sync::Arc;

use arrow::array::Decimal128Array;
use arrow::datatypes::{DataType, TimeUnit};
use bytes::Bytes;
use nyala_schema::id::ColumnId;
use nyala_schema::managed::{ColumnSummary, Histogram, TableColumn, TableShape, TableSummary};
use nyala_schema::statistics::{ColumnStatistics, TableStatistics};
use nyala_schema::{Bound, Value};

fn column(id: u32, data_type: DataType) -> TableColumn {
    let name = format!("column_{id}");
    TableColumn { id: ColumnId(id), name, data_type, nullable: true, default: None, initial: None }
}

fn known(min: Bound, max: Bound) -> ColumnSummary {
    ColumnSummary { min: Some(min), max: Some(max), is_bounded: true, ..ColumnSummary::default() }
}

/// The columns of a table stand in another order than their ids, and one was dropped.
#[test]
fn a_summary_becomes_statistics_column_by_column() {
    let zone = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let columns = vec![
        column(7, DataType::Utf8),
        column(2, DataType::Decimal64(10, 2)),
        column(3, zone.clone()),
        column(4, DataType::Float32),
        column(5, DataType::Int8),
        column(9, DataType::Int64),
    ];
    let shape = TableShape { columns, ..TableShape::default() };
    let histogram = Arc::new(Histogram { bounds: vec![Bound::Int(1), Bound::Int(9)] });
    let summaries = [
        (1, known(Bound::Int(0), Bound::Int(1))),
        (2, ColumnSummary { nulls: 500, ..known(Bound::Int(-150), Bound::Int(12_345)) }),
        (3, known(Bound::Int(0), Bound::Int(1_000_000))),
        (4, known(Bound::Float(0.5), Bound::Float(2.5))),
        // Of a file nothing was known: what is left of bounds holds for no more than the other files.
        (5, ColumnSummary { is_bounded: false, ..known(Bound::Int(3), Bound::Int(4)) }),
        (
            7,
            ColumnSummary {
                sketch: Some(Bytes::from_static(b"40")),
                width: Some(3.5),
                histogram: Some(Arc::clone(&histogram)),
                ..known(Bound::Text(b"a".to_vec()), Bound::Text("Ü".into()))
            },
        ),
    ];
    let summary = TableSummary {
        rows: 30,
        bytes: 1000,
        columns: summaries.into_iter().map(|(id, summary)| (ColumnId(id), summary)).collect(),
        analyzed: None,
    };
    let distinct = |sketch: &Bytes| std::str::from_utf8(sketch).ok()?.parse().ok();
    let statistics = TableStatistics::of_summary(&shape, &summary, &distinct);
    assert_eq!((statistics.rows, statistics.bytes), (Some(30.0), Some(1000)));
    let [text, money, time, float, small, unseen] = &statistics.columns[..] else { panic!("six columns") };
    assert_eq!((&text.min, &text.max), (&Some(Value::utf8("a")), &Some(Value::utf8("Ü"))));
    assert_eq!(text.histogram, Some(histogram));
    // No more than there are rows, though deleted ones are in the sketch.
    assert_eq!((text.distinct, text.width, text.nulls), (Some(30.0), Some(3.5), Some(0.0)));
    let decimal = |number| {
        let array = Decimal128Array::from(vec![number]).with_precision_and_scale(10, 2).unwrap();
        Value::new(Arc::new(array)).cast(&DataType::Decimal64(10, 2)).unwrap()
    };
    assert_eq!((&money.min, &money.max), (&Some(decimal(-150)), &Some(decimal(12_345))));
    assert_eq!(money.nulls, Some(30.0));
    let time_max = time.max.as_ref().unwrap();
    assert_eq!((time_max.data_type(), time_max.as_i128()), (&zone, Some(1_000_000)));
    assert_eq!(float.min.as_ref().and_then(Value::as_f64), Some(0.5));
    assert_eq!((&small.min, &small.max), (&None, &None));
    assert_eq!(unseen, &ColumnStatistics::default());
}
